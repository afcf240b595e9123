//! What a caller sends.

use std::{fmt, io, pin::Pin};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::Error;

/// A mail message to be sent, whole in memory or read while it is sent. Lines end in CR LF.
///
/// # Examples
///
/// ```no_run
/// use mailwire_transport::Payload;
///
/// # async fn example() -> std::io::Result<()> {
/// let short = Payload::from("Subject: Hello\r\n\r\nHello.\r\n");
/// let file = tokio::fs::File::open("large.eml").await?;
/// let length = file.metadata().await?.len();
/// let large = Payload::from_reader(file, Some(length));
/// # let _ = (short, large);
/// # Ok(())
/// # }
/// ```
pub struct Payload<'a>(Source<'a>);

enum Source<'a> {
    Bytes(Bytes),
    Reader { reader: Pin<Box<dyn AsyncRead + Send + 'a>>, length: Option<u64>, buffer: BytesMut },
}

/// How much of a reader is read at once, in bytes.
const READ_SIZE: usize = 64 * 1024;

impl<'a> Payload<'a> {
    /// A message that is read while it is sent, so that it is never whole in memory.
    ///
    /// IMAP needs the `length` in bytes, exactly: it sends so many and reads no more. With SMTP it
    /// lets a server refuse a large message before it comes; an estimate will do.
    pub fn from_reader(reader: impl AsyncRead + Send + 'a, length: Option<u64>) -> Self {
        Self(Source::Reader { reader: Box::pin(reader), length, buffer: BytesMut::new() })
    }

    /// The number of bytes, if it is known.
    pub(crate) fn length(&self) -> Option<u64> {
        match &self.0 {
            Source::Bytes(bytes) => Some(bytes.len() as u64),
            Source::Reader { length, .. } => *length,
        }
    }

    /// The bytes, if they are in memory.
    pub(crate) const fn bytes(&self) -> Option<&Bytes> {
        match &self.0 {
            Source::Bytes(bytes) => Some(bytes),
            Source::Reader { .. } => None,
        }
    }

    /// The next piece, of at most `limit` bytes if it is read; empty at the end.
    pub(crate) async fn next(&mut self, limit: u64) -> io::Result<Bytes> {
        match &mut self.0 {
            Source::Bytes(bytes) => Ok(std::mem::take(bytes)),
            Source::Reader { reader, buffer, .. } => {
                buffer.reserve(READ_SIZE);
                reader.take(limit).read_buf(buffer).await?;
                Ok(buffer.split().freeze())
            }
        }
    }
}

/// The caller's own reader failed: the network has nothing to do with it.
pub(crate) fn unreadable(error: io::Error) -> Error {
    Error::from(error).during(&"the message", &"cannot be read")
}

impl From<Bytes> for Payload<'_> {
    fn from(bytes: Bytes) -> Self {
        Self(Source::Bytes(bytes))
    }
}

impl From<Vec<u8>> for Payload<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Source::Bytes(bytes.into()))
    }
}

impl From<String> for Payload<'_> {
    fn from(text: String) -> Self {
        Self(Source::Bytes(text.into()))
    }
}

impl From<&'static str> for Payload<'_> {
    fn from(text: &'static str) -> Self {
        Self(Source::Bytes(Bytes::from_static(text.as_bytes())))
    }
}

/// Shows the length alone.
impl fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload").field("length", &self.length()).finish_non_exhaustive()
    }
}
