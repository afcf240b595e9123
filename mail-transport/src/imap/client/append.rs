//! APPEND and REPLACE.

use std::collections::VecDeque;

use mailwire_core::{Misuse, NotOffered, setters};
use mailwire_imap::{
    Capability,
    client::Event,
    command::{
        Append, AppendBytes, AppendData, AppendKind, AppendLiteral, AppendMessage, Command, Replace, Replaced,
    },
    extensions::annotate::EntryAtts,
    response::{Code, Reply, Untagged},
    types::{DateTime, Flag, FlagSet, KnownUids, Uid, UidSet, UidValidity},
};

#[cfg(feature = "imap-extensions")]
use super::Catenate;
use super::{Call, Client, FlagChange, ToMailbox, messages::check_flags};
use crate::{Error, Payload, RefusedKind, Result, payload::unreadable};

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
    /// The annotations of the message, where the server has ANNOTATE-EXPERIMENT-1
    /// ([RFC 5257 section 4.7](https://www.rfc-editor.org/rfc/rfc5257#section-4.7)).
    pub annotations: Vec<EntryAtts>,
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
}

setters!(AppendOptions {
    with_annotations(annotations: into Vec<EntryAtts>),
    with_date(date: into Option<DateTime>),
});

/// What a message is made of: one payload, or [parts](Catenate).
///
/// Whatever becomes a [`Payload`] becomes this, too.
#[non_exhaustive]
#[derive(Debug)]
pub enum Content<'p> {
    /// The message.
    Whole(Payload<'p>),
    /// Parts of it.
    #[cfg(feature = "imap-extensions")]
    Catenate(Catenate<'p>),
}

impl<'p, P: Into<Payload<'p>>> From<P> for Content<'p> {
    fn from(payload: P) -> Self {
        Self::Whole(payload.into())
    }
}

/// What is sent after it was announced, with the lengths in bytes.
pub(super) type Payloads<'p> = VecDeque<(Payload<'p>, u64)>;

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
        message: impl Into<Content<'_>>,
    ) -> Result<Option<AppendUid>> {
        self.append_with(mailbox, AppendOptions::new(), message).await
    }

    /// APPEND with flags and a date. The message's bytes are not copied.
    ///
    /// A message in memory with 8-bit text in its header that the server refuses is given to it once more in the form of RFC
    /// 6855, `UTF8 (~{n}`, where UTF8=ACCEPT is enabled.
    ///
    /// # Errors
    ///
    /// `\Recent` is among the flags, the length of the message is not known, it has parts and the server does not offer
    /// CATENATE or knows one of them not (code `BADURL`), the server refuses, or the
    /// connection fails. A code `TRYCREATE` means that there is no such mailbox, and could be. An error of
    /// the reader, or its early end, leaves the client spent.
    pub async fn append_with(
        &mut self,
        mailbox: impl ToMailbox,
        options: AppendOptions,
        message: impl Into<Content<'_>>,
    ) -> Result<Option<AppendUid>> {
        self.append_all(mailbox, [(options, message.into())]).await
    }

    /// APPEND of several messages: all of them are stored, or none ([RFC
    /// 3502](https://www.rfc-editor.org/rfc/rfc3502)). Returns their UIDs in one set, in the order of the messages,
    /// if the server tells them.
    ///
    /// # Errors
    ///
    /// There are several, and the server does not offer MULTIAPPEND; and as [`append_with`](Self::append_with).
    pub async fn append_all<'p, M: Into<Content<'p>>>(
        &mut self,
        mailbox: impl ToMailbox,
        messages: impl IntoIterator<Item = (AppendOptions, M)>,
    ) -> Result<Option<AppendUid>> {
        let mailbox = mailbox.to_mailbox()?;
        let mut append: Option<Append> = None;
        let mut payloads = VecDeque::new();
        for (options, content) in messages {
            let message = self.message(options, content.into(), &mut payloads)?;
            append = Some(match append {
                Some(append) => append.and(message),
                None => Append::new(mailbox.clone(), message),
            });
        }
        let Some(append) = append else { return Ok(None) };
        let again = if payloads.is_empty() { in_the_older_form(&append) } else { None };
        match (self.put(Command::Append(append), payloads).await, again) {
            (Err(error), Some(again)) if is_about_the_form(&error) => {
                match self.put(Command::Append(again), VecDeque::new()).await {
                    Err(Error::Misuse(_)) => Err(error),
                    result => result,
                }
            }
            (result, _) => result,
        }
    }

    /// UID REPLACE: stores a message, and removes the one with this UID from the open mailbox, in one step ([RFC
    /// 8508](https://www.rfc-editor.org/rfc/rfc8508)): a draft that was changed, say. The removal is among the
    /// [`updates`](Self::updates).
    ///
    /// Where the server does not offer REPLACE but UIDPLUS, the message is appended, and the other one marked as
    /// deleted and expunged by its UID. If that is refused midway, or dropped, both can be there, but never
    /// neither.
    ///
    /// # Errors
    ///
    /// There is no such message, the server offers neither, and as [`append_with`](Self::append_with).
    pub async fn uid_replace(
        &mut self,
        replaced: Uid,
        mailbox: impl ToMailbox,
        options: AppendOptions,
        message: impl Into<Content<'_>>,
    ) -> Result<Option<AppendUid>> {
        let mailbox = mailbox.to_mailbox()?;
        if !self.has(&Capability::Replace) {
            if !self.has_or_rev2(&Capability::UidPlus) {
                return Err(Misuse::NotOffered(NotOffered::Extension("REPLACE")).into());
            }
            let appended = self.append_with(mailbox, options, message).await?;
            self.uid_store(replaced, FlagChange::add([Flag::Deleted]).silent()).await?;
            self.simple(Command::UidExpunge(UidSet::single(replaced))).await?;
            return Ok(appended);
        }
        let mut payloads = VecDeque::new();
        let message = self.message(options, message.into(), &mut payloads)?;
        let replace = Replace::new(Replaced::Uid(Some(replaced)), mailbox, message);
        self.put(Command::Replace(replace.into()), payloads).await
    }

    /// A message as it is announced; what is sent after that goes to `payloads`.
    #[inline]
    fn message<'p>(
        &self,
        options: AppendOptions,
        content: Content<'p>,
        payloads: &mut Payloads<'p>,
    ) -> Result<AppendMessage> {
        let AppendOptions { flags, date, annotations } = options;
        check_flags(&flags)?;
        let data = match content {
            Content::Whole(payload) => AppendData::Literal(self.literal(payload, payloads)?),
            #[cfg(feature = "imap-extensions")]
            Content::Catenate(parts) => self.catenate(parts, payloads)?,
        };
        let mut message = AppendMessage::new(data).with_flags(flags).with_annotations(annotations);
        message.date = date;
        Ok(message)
    }

    #[inline]
    pub(super) fn literal<'p>(
        &self,
        payload: Payload<'p>,
        payloads: &mut Payloads<'p>,
    ) -> Result<AppendLiteral> {
        let Some(bytes) = payload.bytes() else {
            let length = payload.length().ok_or(Misuse::BodyMismatch("its length is unknown"))?;
            payloads.push_back((payload, length));
            return Ok(AppendLiteral::streamed(length));
        };
        let literal = AppendLiteral::inline(bytes.clone());
        let Some(at) = memchr::memchr(0, &bytes) else { return Ok(literal) };
        if !self.has(&Capability::Binary) {
            let (reason, offset) = ("NUL in a literal", at as u64);
            return Err(Misuse::InvalidBody { reason, offset }.into());
        }
        Ok(literal.with_kind(AppendKind::Binary))
    }

    /// Sends APPEND or REPLACE, and the messages that are not in the command.
    async fn put(&mut self, command: Command, payloads: Payloads<'_>) -> Result<Option<AppendUid>> {
        if payloads.is_empty() {
            let call = self.start(command).await?;
            return self.stored(call).await;
        }
        let stored = self.put_read(command, payloads).await;
        stored.map_err(|error| self.session.failed(error))
    }

    async fn put_read(&mut self, command: Command, payloads: Payloads<'_>) -> Result<Option<AppendUid>> {
        let call = self.start(command).await?;
        // Once the length is announced, only the message itself can follow.
        self.session.hold();
        for (mut payload, length) in payloads {
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
        }
        self.session.release();
        self.stored(call).await
    }

    /// Waits for the end. REPLACE tells the UID before that ([RFC 8508 section
    /// 4.3](https://www.rfc-editor.org/rfc/rfc8508#section-4.3)).
    async fn stored(&mut self, call: Call) -> Result<Option<AppendUid>> {
        let mut told = None;
        let mut take = |data| match data {
            Untagged::Reply(reply @ Reply { code: Some(Code::AppendUid { .. }), .. }) => {
                told = AppendUid::of(reply);
                Ok(None)
            }
            data => Ok(Some(data)),
        };
        let reply = self.finish(call, &mut take).await?;
        Ok(AppendUid::of(reply).or(told))
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

/// A message with 8-bit text in its header as servers take it that know no more than [RFC 6855 section
/// 4](https://www.rfc-editor.org/rfc/rfc6855#section-4); RFC 9755 has another form for it.
#[inline]
fn in_the_older_form(append: &Append) -> Option<Append> {
    let [AppendMessage { data: AppendData::Literal(literal), .. }] = append.messages.as_slice() else {
        return None;
    };
    let AppendBytes::Inline(message) = &literal.bytes else { return None };
    let message = message.as_bytes();
    let header = memchr::memmem::find(message, b"\r\n\r\n").unwrap_or(message.len());
    let is_ascii = message.get(..header).is_none_or(<[u8]>::is_ascii);
    (literal.kind == AppendKind::Plain && !is_ascii).then(|| append.clone().with_kind(AppendKind::Utf8))
}

/// Whether a server's no can be about how a message was announced.
fn is_about_the_form(error: &Error) -> bool {
    error.refused().is_some_and(|refused| {
        let is_no = matches!(refused.kind, RefusedKind::No | RefusedKind::Bad);
        is_no && refused.code.as_ref().is_none_or(|code| code.eq_ignore_ascii_case("CANNOT"))
    })
}
