use std::{future::Future, io};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// A message, or a part of one, on its way from an application to a client.
///
/// # Examples
///
/// ```no_run
/// use bytes::Bytes;
/// use mailwire_transport::server::{AsyncReader, Content};
///
/// # async fn example() -> std::io::Result<()> {
/// let short: Content = Bytes::from_static(b"Subject: Hello\r\n\r\nHello.\r\n").into();
/// let file = tokio::fs::File::open("large.eml").await?;
/// let length = file.metadata().await?.len();
/// let large = Content::stream(length, AsyncReader::new(file));
/// # let _ = (short, large);
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content<R = NoReader> {
    /// All bytes are in memory.
    Bytes(Bytes),
    /// The bytes are read while they are sent. If that fails in the middle, the connection ends, so
    /// that the client does not take what it has for the whole.
    Stream {
        /// The number of bytes.
        length: u64,
        /// The source of the bytes.
        reader: R,
    },
}

impl<R> Content<R> {
    /// Bytes that are read while they are sent, `length` of them.
    pub const fn stream(length: u64, reader: R) -> Self {
        Self::Stream { length, reader }
    }
}

impl<R> From<Bytes> for Content<R> {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

/// Gives the bytes of a [`Content`] piece by piece.
pub trait Reader: Send + 'static {
    /// Gives the next piece; `None` at the end.
    fn chunk(&mut self) -> impl Future<Output = io::Result<Option<Bytes>>> + Send;
}

/// A [`Reader`] that cannot exist, for applications whose contents are all in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoReader {}

impl Reader for NoReader {
    async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        match *self {}
    }
}

/// A [`Reader`] of anything that tokio can read from: a file.
#[derive(Debug)]
pub struct AsyncReader<R> {
    reader: R,
    buffer: BytesMut,
}

/// How much is read at once, in bytes.
const READ_SIZE: usize = 64 * 1024;

impl<R> AsyncReader<R> {
    /// Reads from `reader` to its end.
    pub fn new(reader: R) -> Self {
        Self { reader, buffer: BytesMut::new() }
    }
}

impl<R: AsyncRead + Send + Unpin + 'static> Reader for AsyncReader<R> {
    async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        self.buffer.reserve(READ_SIZE);
        let count = self.reader.read_buf(&mut self.buffer).await?;
        Ok((count > 0).then(|| self.buffer.split().freeze()))
    }
}

/// Shows each NUL as 0x80. A message has none ([RFC 5322 section
/// 2.2](https://www.rfc-editor.org/rfc/rfc5322#section-2.2)), and neither has a literal of IMAP, but one that came by other
/// ways can: what reads it may stop there. Other servers do the same. The length stays.
#[cfg(any(feature = "imap", feature = "pop3"))]
pub(crate) fn without_nul(bytes: Bytes) -> Bytes {
    if memchr::memchr(0, &bytes).is_none() {
        return bytes;
    }
    bytes.iter().map(|&byte| if byte == 0 { 0x80 } else { byte }).collect()
}
