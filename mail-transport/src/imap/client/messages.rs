//! What can be done to messages: STORE, COPY, MOVE, EXPUNGE.

use mailwire_core::{Invalid, Misuse, NotOffered};
use mailwire_imap::{
    Capability,
    command::{Command, Copy, Messages, SearchKey, Store, StoreAction},
    response::{Code, CopyUid, Reply, Untagged},
    types::{Flag, FlagSet, KnownNumbers, KnownUids, MessageSet, SeqNumber, Uid},
};

use super::{
    Client, FetchedMessage, ToMailbox, ToSet, call::hand_back, error::too_many, fetch::Wanted, kept::Room,
};
use crate::Result;

/// A change of flags, for STORE.
///
/// # Examples
///
/// ```
/// use mailwire_transport::imap::{Flag, FlagChange};
///
/// let read = FlagChange::add([Flag::Seen]).silent();
/// let unmarked = FlagChange::remove([Flag::Deleted, Flag::Flagged]);
/// # let _ = (read, unmarked);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagChange {
    action: StoreAction,
    flags: FlagSet,
    silent: bool,
}

impl FlagChange {
    /// Sets these flags beside those that are there.
    #[must_use]
    pub fn add(flags: impl IntoIterator<Item = Flag>) -> Self {
        Self { action: StoreAction::Add, flags: flags.into_iter().collect(), silent: false }
    }

    /// Takes these flags away.
    #[must_use]
    pub fn remove(flags: impl IntoIterator<Item = Flag>) -> Self {
        Self { action: StoreAction::Remove, flags: flags.into_iter().collect(), silent: false }
    }

    /// Sets these flags and takes all others away.
    #[must_use]
    pub fn replace(flags: impl IntoIterator<Item = Flag>) -> Self {
        Self { action: StoreAction::Replace, flags: flags.into_iter().collect(), silent: false }
    }

    /// Tells the server that it need not report the new flags (`.SILENT`).
    #[must_use]
    pub const fn silent(mut self) -> Self {
        self.silent = true;
        self
    }
}

/// What became of a STORE that leaves alone what others have changed
/// ([RFC 7162 section 3.1.3](https://www.rfc-editor.org/rfc/rfc7162#section-3.1.3)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredUnchanged {
    /// What the server says of the messages: when they were changed, at least.
    pub messages: Vec<FetchedMessage>,
    /// The messages that were left alone: sequence numbers after STORE, UIDs after UID STORE.
    pub modified: Option<KnownNumbers>,
}

impl StoredUnchanged {
    pub(super) fn new(messages: Vec<FetchedMessage>, reply: Reply) -> Self {
        let modified = match reply.code {
            Some(Code::Modified(set)) => Some(set),
            _ => None,
        };
        Self { messages, modified }
    }
}

impl Client {
    /// STORE: changes flags of messages by their sequence numbers. Gives what the server says of
    /// their flags now.
    ///
    /// # Errors
    ///
    /// A number is zero, `\Recent` is to be changed, the server refuses, or the connection fails.
    pub async fn store(
        &mut self,
        messages: impl ToSet<SeqNumber>,
        change: FlagChange,
    ) -> Result<Vec<FetchedMessage>> {
        let set = messages.to_set()?;
        self.store_messages(set.map(Messages::Sequence), change).await
    }

    /// UID STORE: changes flags of messages by their UIDs. Returns the flags that the server reports.
    ///
    /// # Errors
    ///
    /// As [`store`](Self::store).
    pub async fn uid_store(
        &mut self,
        messages: impl ToSet<Uid>,
        change: FlagChange,
    ) -> Result<Vec<FetchedMessage>> {
        let set = messages.to_set()?;
        self.store_messages(set.map(Messages::Uid), change).await
    }

    async fn store_messages(
        &mut self,
        named: Option<Messages>,
        change: FlagChange,
    ) -> Result<Vec<FetchedMessage>> {
        let FlagChange { action, flags, silent } = change;
        check_flags(&flags)?;
        let Some(messages) = named else { return Ok(Vec::new()) };
        self.store_with(Store::new(messages, action, flags).with_silent(silent)).await
    }

    /// STORE or UID STORE with all that extensions add to it.
    ///
    /// # Errors
    ///
    /// As [`store`](Self::store).
    pub async fn store_with(&mut self, store: Store) -> Result<Vec<FetchedMessage>> {
        Ok(self.store_flags(store).await?.0)
    }

    async fn store_flags(&mut self, store: Store) -> Result<(Vec<FetchedMessage>, Reply)> {
        check_flags(&store.flags)?;
        // If nobody is told, what comes is another's doing.
        let told = !store.silent || store.unchanged_since.is_some();
        let wanted = told.then(|| Wanted::flags(store.messages.clone()));
        self.store_and_tell(Command::Store(store), wanted).await
    }

    /// Sends a STORE. Gives what is told of the messages then, and how it ended.
    pub(super) async fn store_and_tell(
        &mut self,
        command: Command,
        wanted: Option<Wanted>,
    ) -> Result<(Vec<FetchedMessage>, Reply)> {
        let mut messages = Vec::new();
        let limit = self.settings.items;
        let exists = self.inbox.exists;
        let mut room = self.room();
        let mut take = |data| match data {
            Untagged::Fetch(fetch)
                if wanted.as_ref().is_some_and(|wanted| wanted.is_answered_by(&fetch, exists)) =>
            {
                messages.extend(room.keep_fetch(fetch)?.map(FetchedMessage::from));
                if messages.len() > limit { Err(too_many("messages", limit)) } else { Ok(None) }
            }
            data => Ok(Some(data)),
        };
        let reply = self.run_all(command, &mut take).await?;
        Ok((messages, reply))
    }

    /// STORE or UID STORE that leaves messages alone which others have changed since
    /// ([`Store::with_unchanged_since`]), and tells which.
    ///
    /// # Errors
    ///
    /// As [`store`](Self::store).
    pub async fn store_unchanged(&mut self, store: Store) -> Result<StoredUnchanged> {
        let (messages, reply) = self.store_flags(store).await?;
        Ok(StoredUnchanged::new(messages, reply))
    }

    /// COPY: copies messages, by their sequence numbers, to another mailbox. Gives what they are called
    /// there, if the server says so (UIDPLUS).
    ///
    /// # Errors
    ///
    /// A number is zero, the server refuses, or the connection fails. A code `TRYCREATE` means that
    /// there is no such mailbox, and could be.
    pub async fn copy_to(
        &mut self,
        messages: impl ToSet<SeqNumber>,
        mailbox: impl ToMailbox,
    ) -> Result<Option<CopyUid>> {
        match named(messages, mailbox)? {
            Some(copy) => self.copy_with(copy).await,
            None => Ok(None),
        }
    }

    /// UID COPY: copies messages, by their UIDs, to another mailbox.
    ///
    /// # Errors
    ///
    /// As [`copy_to`](Self::copy_to).
    pub async fn uid_copy_to(
        &mut self,
        messages: impl ToSet<Uid>,
        mailbox: impl ToMailbox,
    ) -> Result<Option<CopyUid>> {
        match named(messages, mailbox)? {
            Some(copy) => self.copy_with(copy).await,
            None => Ok(None),
        }
    }

    /// COPY or UID COPY with all that extensions add to it.
    ///
    /// # Errors
    ///
    /// As [`copy_to`](Self::copy_to).
    pub async fn copy_with(&mut self, copy: Copy) -> Result<Option<CopyUid>> {
        self.copied(Command::Copy(copy)).await
    }

    async fn copied(&mut self, command: Command) -> Result<Option<CopyUid>> {
        let mut copied = Copied::default();
        let mut room = self.room();
        // MOVE says it before the messages vanish: RFC 6851 section 4.3.
        let mut take = |data| match data {
            Untagged::Reply(mut status) => match status.code.take() {
                Some(Code::CopyUid(uids)) => {
                    copied.add(*uids, &mut room)?;
                    Ok(None)
                }
                code => {
                    status.code = code;
                    Ok(Some(Untagged::Reply(status)))
                }
            },
            data => Ok(Some(data)),
        };
        let status = self.run_all(command, &mut take).await?;
        if let Some(Code::CopyUid(uids)) = status.code {
            copied.add(*uids, &mut room)?;
        }
        Ok(copied.into_code())
    }

    /// MOVE: moves messages, by their sequence numbers, to another mailbox. Their EXPUNGEs are among the
    /// [`updates`](Self::updates).
    ///
    /// Where the server does not offer MOVE but UIDPLUS, the messages are copied, marked as deleted and
    /// expunged by their UIDs. If that is refused midway, or dropped, the messages can be in both
    /// mailboxes, but never in none.
    ///
    /// # Errors
    ///
    /// A number is zero, the server refuses or offers neither, or the connection fails.
    pub async fn move_to(
        &mut self,
        messages: impl ToSet<SeqNumber>,
        mailbox: impl ToMailbox,
    ) -> Result<Option<CopyUid>> {
        match named(messages, mailbox)? {
            Some(copy) => self.move_with(copy).await,
            None => Ok(None),
        }
    }

    /// UID MOVE: moves messages, by their UIDs, to another mailbox.
    ///
    /// # Errors
    ///
    /// As [`move_to`](Self::move_to).
    pub async fn uid_move_to(
        &mut self,
        messages: impl ToSet<Uid>,
        mailbox: impl ToMailbox,
    ) -> Result<Option<CopyUid>> {
        match named(messages, mailbox)? {
            Some(copy) => self.move_with(copy).await,
            None => Ok(None),
        }
    }

    /// MOVE or UID MOVE with all that extensions add to it.
    ///
    /// # Errors
    ///
    /// As [`move_to`](Self::move_to).
    pub async fn move_with(&mut self, copy: Copy) -> Result<Option<CopyUid>> {
        if self.has_or_rev2(&Capability::Move) {
            return self.copied(Command::Move(copy)).await;
        }
        // Without it, EXPUNGE would remove what others have marked.
        if !self.has_or_rev2(&Capability::UidPlus) {
            return Err(Misuse::NotOffered(NotOffered::Extension("MOVE")).into());
        }
        self.move_by_copy(copy).await
    }

    async fn move_by_copy(&mut self, mut copy: Copy) -> Result<Option<CopyUid>> {
        let set = match copy.messages {
            Messages::Uid(set) if !set.is_relative() => Some(set),
            // These would mean other messages by the second command.
            Messages::Uid(set) => self.uid_search([SearchKey::Uid(set)]).await?.to_set()?,
            Messages::Sequence(set) => self.uid_search([SearchKey::Sequence(set)]).await?.to_set()?,
        };
        let Some(set) = set else { return Ok(None) };
        copy.messages = Messages::Uid(set.clone());
        let copied = self.copy_with(copy).await?;
        let deleted = FlagChange::add([Flag::Deleted]).silent();
        self.store_messages(Some(set.clone().into()), deleted).await?;
        self.run_all(Command::UidExpunge(set), &mut hand_back).await?;
        Ok(copied)
    }

    /// EXPUNGE: removes all messages that are marked as deleted. Gives their sequence numbers as the
    /// server told them: each counts after those before it are gone. Once QRESYNC or UIDONLY is enabled, there are
    /// none, and the UIDs are among the [`updates`](Self::updates).
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn expunge(&mut self) -> Result<Vec<SeqNumber>> {
        self.expunged(Command::Expunge).await
    }

    /// UID EXPUNGE: removes those of these messages that are marked as deleted.
    ///
    /// # Errors
    ///
    /// A UID is zero, the server refuses or does not offer UIDPLUS, or the connection fails.
    pub async fn uid_expunge(&mut self, messages: impl ToSet<Uid>) -> Result<Vec<SeqNumber>> {
        match messages.to_set()? {
            Some(set) => self.expunged(Command::UidExpunge(set)).await,
            None => Ok(Vec::new()),
        }
    }

    async fn expunged(&mut self, command: Command) -> Result<Vec<SeqNumber>> {
        let limit = self.settings.items;
        let mut numbers = Vec::new();
        let mut room = self.room();
        let mut take = |data| match data {
            Untagged::Expunge(number) => {
                room.take::<SeqNumber>(1, 0)?;
                numbers.extend(number);
                if numbers.len() > limit { Err(too_many("messages", limit)) } else { Ok(None) }
            }
            data => Ok(Some(data)),
        };
        self.run_all(command, &mut take).await?;
        Ok(numbers)
    }
}

/// What a command has copied, which can be done in parts: the pairs of all of them.
#[derive(Default)]
struct Copied {
    last: Option<CopyUid>,
    source: Vec<(Uid, Uid)>,
    destination: Vec<(Uid, Uid)>,
}

impl Copied {
    #[inline]
    fn add(&mut self, now: CopyUid, room: &mut Room) -> Result<()> {
        let count = now.source.ranges().count().saturating_add(now.destination.ranges().count());
        room.take::<(Uid, Uid)>(count, 0)?;
        if self.last.as_ref().is_some_and(|last| last.uid_validity != now.uid_validity) {
            *self = Self::default();
        }
        self.source.extend(now.source.ranges());
        self.destination.extend(now.destination.ranges());
        self.last = Some(now);
        Ok(())
    }

    #[inline]
    fn into_code(self) -> Option<CopyUid> {
        let mut all = self.last?;
        all.source = KnownUids::from_ranges(self.source).ok()?;
        all.destination = KnownUids::from_ranges(self.destination).ok()?;
        Some(all)
    }
}

/// What COPY and MOVE name; `None` if it is no message.
fn named<N>(messages: impl ToSet<N>, mailbox: impl ToMailbox) -> Result<Option<Copy>, Invalid>
where
    Messages: From<MessageSet<N>>,
{
    let (set, mailbox) = (messages.to_set()?, mailbox.to_mailbox()?);
    Ok(set.map(|set| Copy::new(set, mailbox)))
}

/// `\Recent` is the server's own.
#[inline]
pub(super) fn check_flags(flags: &FlagSet) -> Result<(), Invalid> {
    match flags.iter().all(Flag::is_settable) {
        true => Ok(()),
        false => Err(Invalid::new("flag", 0, "\\Recent cannot be stored")),
    }
}
