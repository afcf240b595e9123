//! What is sent, and to whom.

use std::{fmt, io, pin::Pin};

use bytes::{Bytes, BytesMut};
use mailwire_core::Invalid;
use mailwire_smtp::{ForwardPath, Mail, Mailbox, Parameter, ReversePath};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Who sends a message and who is to get it: the addresses of MAIL and RCPT, which need not be
/// those in the message's header (RFC 5321 section 2.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The address for reports of failure; none in such reports.
    pub from: ReversePath,
    /// The recipients.
    pub to: Vec<ForwardPath>,
    /// Parameters of MAIL that this crate does not know. SIZE, BODY and SMTPUTF8 are found by
    /// [`Client::send`](super::Client::send).
    pub parameters: Vec<Parameter>,
}

impl Envelope {
    /// From `from` (empty for the null address) to each of `to`.
    ///
    /// # Errors
    ///
    /// An address that is none.
    pub fn new<'a>(from: &str, to: impl IntoIterator<Item = &'a str>) -> Result<Self, Invalid> {
        let from = match from {
            "" => ReversePath::Null,
            address => Mailbox::try_from(address)?.into(),
        };
        let to: Result<_, Invalid> = to.into_iter().map(|to| Ok(Mailbox::try_from(to)?.into())).collect();
        Ok(Self { from, to: to?, parameters: Vec::new() })
    }

    /// The MAIL command, without what depends on the server.
    pub(super) fn mail(&self) -> Mail {
        let mut mail = Mail::new(self.from.clone());
        mail.other.clone_from(&self.parameters);
        mail.smtp_utf8 = mail.is_international()
            || self.to.iter().any(|to| to.mailbox().is_some_and(|mailbox| !mailbox.is_ascii()));
        mail
    }
}

/// A message's bytes, at hand or still to be read. Lines end in CR LF.
pub struct Message<'a>(Source<'a>);

enum Source<'a> {
    Bytes(Bytes),
    Reader { reader: Pin<Box<dyn AsyncRead + Send + 'a>>, size: Option<u64>, buffer: BytesMut },
}

/// How much of a reader is read at once.
const READ_SIZE: usize = 64 * 1024;

impl<'a> Message<'a> {
    /// A message that is read while it is sent, so that it is never whole in memory. `size`, if it
    /// is known, lets a server refuse a large one before it comes; an estimate will do.
    pub fn from_reader(reader: impl AsyncRead + Send + 'a, size: Option<u64>) -> Self {
        Self(Source::Reader { reader: Box::pin(reader), size, buffer: BytesMut::new() })
    }

    /// The number of bytes, if it is known.
    pub(super) fn size(&self) -> Option<u64> {
        match &self.0 {
            Source::Bytes(bytes) => Some(bytes.len() as u64),
            Source::Reader { size, .. } => *size,
        }
    }

    /// Whether there are bytes beyond ASCII; `None` if that is not known.
    pub(super) fn is_eight_bit(&self) -> Option<bool> {
        match &self.0 {
            Source::Bytes(bytes) => Some(!bytes.is_ascii()),
            Source::Reader { .. } => None,
        }
    }

    /// The next part; empty at the end.
    pub(super) async fn next(&mut self) -> io::Result<Bytes> {
        match &mut self.0 {
            Source::Bytes(bytes) => Ok(std::mem::take(bytes)),
            Source::Reader { reader, buffer, .. } => {
                buffer.reserve(READ_SIZE);
                reader.read_buf(buffer).await?;
                Ok(buffer.split().freeze())
            }
        }
    }
}

impl From<Bytes> for Message<'_> {
    fn from(bytes: Bytes) -> Self {
        Self(Source::Bytes(bytes))
    }
}

impl From<Vec<u8>> for Message<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Source::Bytes(bytes.into()))
    }
}

impl From<String> for Message<'_> {
    fn from(text: String) -> Self {
        Self(Source::Bytes(text.into()))
    }
}

impl From<&'static str> for Message<'_> {
    fn from(text: &'static str) -> Self {
        Self(Source::Bytes(Bytes::from_static(text.as_bytes())))
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("size", &self.size()).finish_non_exhaustive()
    }
}
