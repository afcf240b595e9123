//! APPEND.

use std::{fmt, pin::Pin};

use bytes::{Bytes, BytesMut};
use mailwire_core::Misuse;
use mailwire_imap::{
    Capability,
    client::Event,
    command::{Append, AppendData, Command},
    response::{Code, Status},
    types::{DateTime, Flag, FlagSet, UidSet},
};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{Call, Client, ToMailbox, messages::check_flags};
use crate::Result;

/// A message's bytes, at hand or still to be read. Lines end in CR LF.
pub struct NewMessage<'a>(Source<'a>);

enum Source<'a> {
    Bytes(Bytes),
    Reader { reader: Pin<Box<dyn AsyncRead + Send + 'a>>, length: u64 },
}

/// How much of a reader is read at once.
const READ_SIZE: usize = 64 * 1024;

impl<'a> NewMessage<'a> {
    /// A message of `length` bytes that is read while it is sent, so that it is never whole in memory.
    /// No more than that is read.
    pub fn from_reader(length: u64, reader: impl AsyncRead + Send + 'a) -> Self {
        Self(Source::Reader { reader: Box::pin(reader), length })
    }
}

impl From<Bytes> for NewMessage<'_> {
    fn from(bytes: Bytes) -> Self {
        Self(Source::Bytes(bytes))
    }
}

impl From<Vec<u8>> for NewMessage<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Source::Bytes(bytes.into()))
    }
}

impl From<String> for NewMessage<'_> {
    fn from(text: String) -> Self {
        Self(Source::Bytes(text.into()))
    }
}

impl From<&'static str> for NewMessage<'_> {
    fn from(text: &'static str) -> Self {
        Self(Source::Bytes(Bytes::from_static(text.as_bytes())))
    }
}

impl fmt::Debug for NewMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = match &self.0 {
            Source::Bytes(bytes) => bytes.len() as u64,
            Source::Reader { length, .. } => *length,
        };
        f.debug_struct("NewMessage").field("length", &length).finish_non_exhaustive()
    }
}

/// What an appended message is called (UIDPLUS).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendUid {
    /// UIDVALIDITY of the mailbox.
    pub uid_validity: u32,
    /// Its UID.
    pub uids: UidSet,
}

impl AppendUid {
    /// The message's UID.
    #[must_use]
    pub fn uid(&self) -> Option<u32> {
        self.uids.iter(1).next()
    }

    fn of(status: Status) -> Option<Self> {
        match status.code {
            Some(Code::AppendUid { uid_validity, uids }) => Some(Self { uid_validity, uids }),
            _ => None,
        }
    }
}

impl Client {
    /// APPEND: puts a message into a mailbox, with these flags, and as if it had come at `date`. The
    /// message's bytes are not copied. Gives what it is called, if the server says so (UIDPLUS).
    ///
    /// ```no_run
    /// # async fn example(client: &mut mailwire_transport::imap::Client) -> mailwire_transport::Result<()> {
    /// use mailwire_transport::imap::{Flag, client::NewMessage};
    ///
    /// client.append("Drafts", [Flag::Draft], None, "Subject: Hello\r\n\r\nHello.\r\n").await?;
    /// let file = tokio::fs::File::open("large.eml").await?;
    /// let length = file.metadata().await?.len();
    /// client.append("Archive", [], None, NewMessage::from_reader(length, file)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `\Recent` is among the flags, the server refuses, or the connection fails. A code `TRYCREATE`
    /// means that there is no such mailbox, and could be. An error of the reader, or its early end,
    /// leaves the client spent.
    pub async fn append(
        &mut self,
        mailbox: impl ToMailbox,
        flags: impl IntoIterator<Item = Flag>,
        date: Option<DateTime>,
        message: impl Into<NewMessage<'_>>,
    ) -> Result<Option<AppendUid>> {
        let flags: FlagSet = flags.into_iter().collect();
        check_flags(&flags)?;
        let mailbox = mailbox.to_mailbox()?;
        match message.into().0 {
            Source::Bytes(bytes) => {
                let nul = memchr::memchr(0, &bytes);
                let binary = nul.is_some() && self.has(&Capability::Binary);
                if let (Some(at), false) = (nul, binary) {
                    let (reason, offset) = ("NUL in a literal", at as u64);
                    return Err(Misuse::InvalidBody { reason, offset }.into());
                }
                let message = AppendData::Inline(bytes.into());
                let command = Command::Append(Append { mailbox, flags, date, binary, message }.into());
                self.run(command, |data| Ok(Some(data))).await.map(AppendUid::of)
            }
            Source::Reader { reader, length } => {
                let message = AppendData::Streamed { length };
                let append = Append { mailbox, flags, date, binary: false, message };
                self.append_read(append, reader, length).await
            }
        }
    }

    async fn append_read(
        &mut self,
        append: Append,
        reader: Pin<Box<dyn AsyncRead + Send + '_>>,
        length: u64,
    ) -> Result<Option<AppendUid>> {
        let call = self.start(Command::Append(append.into())).await?;
        // Once the length is announced, only the message itself can follow.
        self.session.expose();
        if let Some(refused) = self.until_body(call).await? {
            self.session.cover();
            return refused.map(AppendUid::of);
        }
        let mut reader = reader.take(length);
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(READ_SIZE);
            reader.read_buf(&mut buffer).await?;
            let mut chunk = buffer.split().freeze();
            if chunk.is_empty() {
                break;
            }
            while !chunk.is_empty() {
                self.session.machine().send_body(&mut chunk)?;
                // Written until the machine has room again.
                while let Some(event) = self.progress(call).await? {
                    self.inbox.stray(event);
                }
            }
        }
        self.session.machine().finish_body()?;
        self.session.cover();
        self.finish(call, |data| Ok(Some(data))).await.map(AppendUid::of)
    }

    async fn progress(&mut self, call: Call) -> Result<Option<Event>> {
        self.session.next().await.map_err(|error| self.inbox.explain(call.name, error))
    }

    /// Waits until the message is asked for; otherwise gives how the command ended.
    async fn until_body(&mut self, call: Call) -> Result<Option<Result<Status>>> {
        loop {
            match self.event(call).await? {
                Event::BodyRequested { ticket } if ticket == call.ticket => return Ok(None),
                event => {
                    if let Some(end) = self.ended(call, event) {
                        return Ok(Some(end));
                    }
                }
            }
        }
    }
}
