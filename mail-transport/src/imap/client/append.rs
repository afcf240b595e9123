//! APPEND.

use mailwire_core::Misuse;
use mailwire_imap::{
    Capability,
    client::Event,
    command::{Append, Command},
    response::{Code, Reply},
    types::{DateTime, Flag, FlagSet, KnownUids, Uid, UidValidity},
};

use super::{Call, Client, ToMailbox, messages::check_flags};
use crate::{Payload, Result, payload::unreadable};

/// The UID of an appended message ([RFC 4315 section 3](https://www.rfc-editor.org/rfc/rfc4315#section-3)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendUid {
    /// The UIDVALIDITY of the mailbox; some servers say 0, which is `None`.
    pub uid_validity: Option<UidValidity>,
    /// The UID of the message, as a set.
    pub uids: KnownUids,
}

impl AppendUid {
    /// Returns the UID of the message.
    #[must_use]
    pub fn uid(&self) -> Option<Uid> {
        self.uids.iter(1).next()
    }

    fn of(status: Reply) -> Option<Self> {
        match status.code {
            Some(Code::AppendUid { uid_validity, uids }) => Some(Self { uid_validity, uids }),
            _ => None,
        }
    }
}

/// Flags and date of a message to append.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AppendOptions {
    /// The flags of the message.
    pub flags: FlagSet,
    /// The internal date of the message; without, the server takes the present time.
    pub date: Option<DateTime>,
}

impl AppendOptions {
    /// Options with no flags, and the present time.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the flags.
    #[must_use]
    pub fn with_flags(mut self, flags: impl IntoIterator<Item = Flag>) -> Self {
        self.flags = flags.into_iter().collect();
        self
    }

    /// Sets the internal date.
    #[must_use]
    pub fn with_date(mut self, date: impl Into<Option<DateTime>>) -> Self {
        self.date = date.into();
        self
    }
}

impl Client {
    /// APPEND: puts a message into a mailbox ([RFC 9051 section 6.3.12](https://www.rfc-editor.org/rfc/rfc9051#section-6.3.12)). Returns its UID, if the server tells it.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: &mut mailwire_transport::imap::Client) -> mailwire_transport::Result<()> {
    /// use mailwire_transport::{
    ///     Payload,
    ///     imap::{Flag, client::AppendOptions},
    /// };
    ///
    /// let draft = AppendOptions::new().with_flags([Flag::Draft]);
    /// client.append_with("Drafts", draft, "Subject: Hello\r\n\r\nHello.\r\n").await?;
    /// let file = tokio::fs::File::open("large.eml").await?;
    /// let length = file.metadata().await?.len();
    /// client.append("Archive", Payload::from_reader(file, Some(length))).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`append_with`](Self::append_with).
    pub async fn append(
        &mut self,
        mailbox: impl ToMailbox,
        message: impl Into<Payload<'_>>,
    ) -> Result<Option<AppendUid>> {
        self.append_with(mailbox, AppendOptions::new(), message).await
    }

    /// APPEND with flags and a date. The message's bytes are not copied.
    ///
    /// # Errors
    ///
    /// `\Recent` is among the flags, the length of the message is not known, the server refuses, or the
    /// connection fails. A code `TRYCREATE` means that there is no such mailbox, and could be. An error of
    /// the reader, or its early end, leaves the client spent.
    pub async fn append_with(
        &mut self,
        mailbox: impl ToMailbox,
        options: AppendOptions,
        message: impl Into<Payload<'_>>,
    ) -> Result<Option<AppendUid>> {
        let AppendOptions { flags, date } = options;
        check_flags(&flags)?;
        let mailbox = mailbox.to_mailbox()?;
        let payload = message.into();
        if let Some(bytes) = payload.bytes() {
            let nul = memchr::memchr(0, bytes);
            let binary = nul.is_some() && self.has(&Capability::Binary);
            if let (Some(at), false) = (nul, binary) {
                let (reason, offset) = ("NUL in a literal", at as u64);
                return Err(Misuse::InvalidBody { reason, offset }.into());
            }
            let mut append = Append::inline(mailbox, bytes.clone()).with_flags(flags).with_binary(binary);
            append.date = date;
            let command = Command::Append(append.into());
            return self.run(command, |data| Ok(Some(data))).await.map(AppendUid::of);
        }
        let Some(length) = payload.length() else {
            return Err(Misuse::BodyMismatch("its length is unknown").into());
        };
        let mut append = Append::streamed(mailbox, length).with_flags(flags);
        append.date = date;
        let appended = self.append_read(append, payload, length).await;
        appended.map_err(|error| self.session.failed(error))
    }

    async fn append_read(
        &mut self,
        append: Append,
        mut payload: Payload<'_>,
        length: u64,
    ) -> Result<Option<AppendUid>> {
        let call = self.start(Command::Append(append.into())).await?;
        // Once the length is announced, only the message itself can follow.
        self.session.hold();
        if let Some(refused) = self.until_body(call).await? {
            self.session.release();
            return refused.map(AppendUid::of);
        }
        let mut left = length;
        loop {
            let mut chunk = payload.next(left).await.map_err(unreadable)?;
            if chunk.is_empty() {
                break;
            }
            left = left.saturating_sub(chunk.len() as u64);
            while !chunk.is_empty() {
                self.session.machine().send_body(&mut chunk)?;
                // Written until the machine has room again.
                while let Some(event) = self.session.next().await? {
                    self.inbox.unclaimed(event);
                }
            }
        }
        self.session.machine().finish_body()?;
        self.session.release();
        self.finish(call, |data| Ok(Some(data))).await.map(AppendUid::of)
    }

    /// Waits until the message is asked for; otherwise gives how the command ended.
    async fn until_body(&mut self, call: Call) -> Result<Option<Result<Reply>>> {
        loop {
            match self.event(call).await? {
                Event::BodyRequested { ticket } if ticket == call.ticket => return Ok(None),
                event => {
                    if let Some(end) = self.inbox.ended(call, event) {
                        return Ok(Some(end));
                    }
                }
            }
        }
    }
}
