//! What every store can do.

use std::{
    future::Future,
    ops::Range,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::{Bytes, BytesMut};
use mailwire_core::{Secret, Text};
use mailwire_imap::{
    Capability,
    extensions::{
        acl::{Rights, RightsChange},
        metadata::EntryName,
        quota::{QuotaRoot, SetQuotaResource},
    },
    types::{ModSeq, Uid},
};
use mailwire_transport::imap::server::{GrantableRights, MetadataOptions};

use crate::{
    AccountId, BodyId, Changes, Copied, Cursor, Delivered, Fields, Filter, FlagChange, How, LabelChange,
    Lease, Mailbox, MailboxChange, MailboxId, MailboxPath, Mailboxes, Opened, Preselected, Result, Row,
    Stored, Target, Uids, Which, message::Message,
};

/// Accounts with mailboxes and messages. Cloning gives another handle of one store.
///
/// [`ImapService`](crate::ImapService), [`SmtpService`](crate::SmtpService) and
/// [`Pop3Service`](crate::Pop3Service) make servers of any store. What holds for all of them:
///
/// - **One counter an account.** Each change takes the account's next mod-sequence. Whoever sees one
///   number sees all changes below it. Numbers and UIDs are never given twice and never go back; a gap
///   is legal.
/// - **Answered is stored.** `Ok` comes after the change is where it survives. An error is
///   [`Error::Unknown`](crate::Error::Unknown) if nobody knows, and means in all other cases that nothing
///   was done.
/// - **Each call can be dropped.** A dropped change happens wholly or not at all; a dropped
///   [`Watch::changed`] loses nothing, for the place in the feed is the caller's [`Cursor`].
/// - **Bounds.** [`store`](Self::store) and [`expunge`](Self::expunge) take at most [`MAX_CHANGED`] UIDs a
///   call, [`copy`](Self::copy) at most [`MAX_COPIED`]; more is [`Error::Limit`](crate::Error::Limit).
/// - **Spurious, never missing.** A watch may wake for nothing. That a message is gone, or its flags, may
///   be told twice.
pub trait Store: Clone + Send + Sync + 'static {
    /// Takes a body piece by piece.
    type Writer: BodyWriter;
    /// Gives a body piece by piece.
    type Reader: BodyReader;
    /// Waits for changes.
    type Watch: Watch;
    /// A [lease](Self::lease), for as long as it is not dropped.
    type Held: Send + 'static;

    /// The extensions of IMAP that this store has all it takes for, beyond what every store does:
    /// [`ImapService`](crate::ImapService) offers them. None by default.
    fn extensions(&self) -> Vec<Capability> {
        Vec::new()
    }

    /// The account that logs in by this name, or gets the mail for this address.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`](crate::Error::NoSuchAccount).
    fn account(&self, name: &str) -> impl Future<Output = Result<AccountId>> + Send;

    /// The account that gets the postmaster's mail: of a domain, or of the whole server where a client names
    /// no domain. A server has to take such mail ([RFC 5321 section
    /// 4.5.1](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.1)).
    ///
    /// It is asked for where [`account`](Self::account) does not know `postmaster@` the domain. By default it
    /// is the account of `postmaster`, and nobody of a domain.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`](crate::Error::NoSuchAccount): there is no mail for the domain here.
    fn postmaster(&self, domain: Option<&str>) -> impl Future<Output = Result<AccountId>> + Send {
        let of_a_domain = domain.is_some();
        async move {
            if of_a_domain { Err(crate::Error::NoSuchAccount) } else { self.account("postmaster").await }
        }
    }

    /// When the names of an account came to its owner from another one; `None` if nobody else has had them. By default,
    /// a store does not know: [`SmtpService::with_valid_since`](crate::SmtpService::with_valid_since) asks ([RFC 7293
    /// section 9](https://www.rfc-editor.org/rfc/rfc7293#section-9)).
    ///
    /// # Errors
    ///
    /// [`Error::NotDone`](crate::Error::NotDone): it cannot be told.
    fn owner_since(&self, account: AccountId) -> impl Future<Output = Result<Option<SystemTime>>> + Send {
        let _ = account;
        async { Err(crate::Error::NotDone("owners are not known".to_owned())) }
    }

    /// The mailboxes that have changed after `after`, and what else changed with them; all of them after
    /// [`ModSeq::ZERO`].
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`](crate::Error::NoSuchAccount).
    fn mailboxes(&self, account: AccountId, after: ModSeq) -> impl Future<Output = Result<Mailboxes>> + Send;

    /// One mailbox by its name.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchMailbox`](crate::Error::NoSuchMailbox).
    fn mailbox(&self, account: AccountId, path: &MailboxPath)
    -> impl Future<Output = Result<Mailbox>> + Send;

    /// Makes, deletes, renames and subscribes to mailboxes. Gives the number of the change.
    ///
    /// # Errors
    ///
    /// There is none such, or one already; the account may not have more; INBOX was to be deleted, or renamed,
    /// which moves its messages, and has more than a store moves at once.
    fn alter(&self, account: AccountId, change: MailboxChange)
    -> impl Future<Output = Result<ModSeq>> + Send;

    /// Begins to store a body of a message that has yet to be [delivered](Self::deliver) to these accounts.
    /// Of what is never delivered, nothing stays. Room for `announced` bytes should be kept until the writer is
    /// dropped: many bodies can be on their way in at one time.
    ///
    /// # Errors
    ///
    /// [`Error::OverQuota`](crate::Error::OverQuota): none of the accounts has room for `announced` bytes.
    /// [`Error::Limit`](crate::Error::Limit): too much is on its way in.
    fn body(
        &self,
        accounts: &[AccountId],
        announced: Option<u64>,
    ) -> impl Future<Output = Result<Self::Writer>> + Send;

    /// Begins to store a body of a message that takes the place of another, as [`deliver_all`](Self::deliver_all) does
    /// it: what that one frees is room for it ([RFC 8508 section
    /// 3.4](https://www.rfc-editor.org/rfc/rfc8508#section-3.4)). By default, it needs room as any other.
    ///
    /// # Errors
    ///
    /// As [`body`](Self::body); the other message is gone.
    fn body_in_place(
        &self,
        account: AccountId,
        announced: Option<u64>,
        replaced: (MailboxId, Uid),
    ) -> impl Future<Output = Result<Self::Writer>> + Send {
        let _ = replaced;
        async move { self.body(&[account], announced).await }
    }

    /// Tells whether an account has room for a message of so many bytes. By default, a body is begun for
    /// that.
    ///
    /// # Errors
    ///
    /// [`Error::OverQuota`](crate::Error::OverQuota): it has not.
    fn check_room(&self, account: AccountId, bytes: u64) -> impl Future<Output = Result<()>> + Send {
        async move { self.body(&[account], Some(bytes)).await.map(drop) }
    }

    /// Puts a message into mailboxes, one after the other. Gives what became of it in each. The body is no
    /// longer on its way in after that: without a target it is given up, and nothing stays of it.
    ///
    /// # Errors
    ///
    /// For each target: there is no such account or mailbox, no room, or too many keywords.
    fn deliver(&self, body: BodyId, to: &[Target]) -> impl Future<Output = Vec<Result<Delivered>>> + Send;

    /// Puts a message into mailboxes as [`deliver`](Self::deliver) does, and tells what became of it in each once that is so, while
    /// those after it wait: in LMTP each recipient is answered then. By default, and where all are one change, they are told together.
    fn deliver_each(
        &self,
        body: BodyId,
        to: &[Target],
        told: impl FnMut(Result<Delivered>) + Send,
    ) -> impl Future<Output = ()> + Send {
        async move { self.deliver(body, to).await.into_iter().for_each(told) }
    }

    /// Puts messages into mailboxes of one account, and removes one from a mailbox of that account: all of it, by one
    /// change, or nothing. The bodies are no longer on their way in after that, whatever came of it. A store that
    /// does so has MULTIAPPEND and REPLACE among its [`extensions`](Self::extensions).
    ///
    /// # Errors
    ///
    /// One of the mailboxes is not there, or not of the same account, the message to be removed is gone
    /// ([`Error::NoSuchBody`](crate::Error::NoSuchBody)), there is no room for what is more in the end, or there are
    /// too many keywords. By default: the store cannot.
    fn deliver_all(
        &self,
        messages: &[(BodyId, Target)],
        replaced: Option<(MailboxId, Uid)>,
    ) -> impl Future<Output = Result<Vec<Delivered>>> + Send {
        let _ = (messages, replaced);
        async { Err(crate::Error::NotDone("this store has no such change".into())) }
    }

    /// A mailbox's counters, its messages and the place of its feed, in one snapshot, and what happened
    /// after `since`.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchMailbox`](crate::Error::NoSuchMailbox).
    fn open(&self, mailbox: MailboxId, since: Option<Cursor>) -> impl Future<Output = Result<Opened>> + Send;

    /// The feed: what happened in a mailbox after `after`, with the flags of at most `limit` messages. A
    /// mailbox that is gone is no error.
    ///
    /// # Errors
    ///
    /// The store cannot be asked now.
    fn changes(
        &self,
        mailbox: MailboxId,
        after: Cursor,
        limit: usize,
    ) -> impl Future<Output = Result<Changes>> + Send;

    /// Says that messages with UIDs below `below` are no longer recent (IMAP4rev1's `\Recent`), if `claim`
    /// says so. Gives the first UID that was recent until now: each message is claimed once.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchMailbox`](crate::Error::NoSuchMailbox).
    fn recent(&self, mailbox: MailboxId, below: Uid, claim: bool)
    -> impl Future<Output = Result<Uid>> + Send;

    /// What is known of messages, ascending, at most `limit` of them: ask again from there on. Those that
    /// are gone are left out.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchMailbox`](crate::Error::NoSuchMailbox).
    fn messages(
        &self,
        mailbox: MailboxId,
        uids: &Uids,
        fields: Fields,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Row>>> + Send;

    /// The messages that a search finds, as far as that is known without reading them.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchMailbox`](crate::Error::NoSuchMailbox).
    fn preselect(
        &self,
        mailbox: MailboxId,
        filter: &Filter,
    ) -> impl Future<Output = Result<Preselected>> + Send;

    /// Reads a range of a body. What lies beyond its end is cut off.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchBody`](crate::Error::NoSuchBody): its last message is gone.
    fn read(&self, body: BodyId, range: Range<u64>) -> impl Future<Output = Result<Self::Reader>> + Send;

    /// A body with its parts found. By default, it is read whole for that.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    fn message(&self, body: BodyId) -> impl Future<Output = Result<Arc<Message>>> + Send {
        async move { Ok(Arc::new(Message::parse(whole(self, body).await?))) }
    }

    /// Changes flags.
    ///
    /// # Errors
    ///
    /// There is no such mailbox, it may not have so many keywords, or these are too many messages.
    fn store(
        &self,
        mailbox: MailboxId,
        uids: &Uids,
        change: &FlagChange,
    ) -> impl Future<Output = Result<Stored>> + Send;

    /// Changes Gmail's labels. It counts as a change of the messages' flags: the feed tells of it so. A store that has
    /// labels ([`Row::labels`]), gives them to copies and tells them, has X-GM-EXT-1 among its
    /// [`extensions`](Self::extensions); identifiers and searches are the service's.
    ///
    /// # Errors
    ///
    /// As [`store`](Self::store); no message can have these labels, or so many. [`Error::Denied`](crate::Error::Denied),
    /// as always by default.
    fn store_labels(
        &self,
        mailbox: MailboxId,
        uids: &Uids,
        change: &LabelChange,
    ) -> impl Future<Output = Result<Stored>> + Send {
        let _ = (mailbox, uids, change);
        async { Err(crate::Error::Denied("messages have no labels here")) }
    }

    /// Removes messages. Gives the number of the change: the feed tells which they were.
    ///
    /// # Errors
    ///
    /// There is no such mailbox, or these are too many messages.
    fn expunge(
        &self,
        mailbox: MailboxId,
        uids: &Uids,
        which: Which,
    ) -> impl Future<Output = Result<ModSeq>> + Send;

    /// Copies messages to the end of another mailbox of the account, or moves them there: all or none.
    /// Flags are kept, but for keywords that the other mailbox has no room for, and for those that the user's
    /// [rights](crate::Mailbox::rights) to it do not permit.
    ///
    /// # Errors
    ///
    /// There is no such mailbox, no room, or these are too many messages.
    fn copy(
        &self,
        from: MailboxId,
        uids: &Uids,
        to: MailboxId,
        how: How,
    ) -> impl Future<Output = Result<Copied>> + Send;

    /// What limits an account: its quota roots (RFC 9208), with usage and limits. There are none by default. QUOTA, and a
    /// `QUOTA=RES-` for each resource, belong among the [`extensions`](Self::extensions) of a store that has some.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchAccount`](crate::Error::NoSuchAccount).
    fn quota_roots(&self, account: AccountId) -> impl Future<Output = Result<Vec<QuotaRoot>>> + Send {
        let _ = account;
        async { Ok(Vec::new()) }
    }

    /// Sets the limits of a quota root on behalf of an account, all of them: what is not named has none. Gives usage and
    /// limits as they are then.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`](crate::Error::Denied), as always by default.
    fn set_quota(
        &self,
        account: AccountId,
        root: &str,
        limits: &[SetQuotaResource],
    ) -> impl Future<Output = Result<QuotaRoot>> + Send {
        let _ = (account, root, limits);
        async { Err(crate::Error::Denied("limits cannot be changed")) }
    }

    /// Who has which rights to a mailbox (RFC 4314). What the account itself may do is in
    /// [`Mailbox::rights`](crate::Mailbox::rights). ACL belongs among the [`extensions`](Self::extensions) of a store that
    /// keeps rights.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchMailbox`](crate::Error::NoSuchMailbox); [`Error::Denied`](crate::Error::Denied), as always by
    /// default.
    fn acl(&self, mailbox: MailboxId) -> impl Future<Output = Result<Vec<(String, Rights)>>> + Send {
        let _ = mailbox;
        async { Err(crate::Error::Denied("there are no rights")) }
    }

    /// Changes the rights of an identifier to a mailbox; `None` takes it off the list.
    ///
    /// # Errors
    ///
    /// As [`acl`](Self::acl); it cannot be given these.
    fn set_acl(
        &self,
        mailbox: MailboxId,
        identifier: &str,
        change: Option<RightsChange>,
    ) -> impl Future<Output = Result<()>> + Send {
        let _ = (mailbox, identifier, change);
        async { Err(crate::Error::Denied("there are no rights")) }
    }

    /// Which rights to a mailbox an identifier can be given.
    ///
    /// # Errors
    ///
    /// As [`acl`](Self::acl).
    fn list_rights(
        &self,
        mailbox: MailboxId,
        identifier: &str,
    ) -> impl Future<Output = Result<GrantableRights>> + Send {
        let _ = (mailbox, identifier);
        async { Err(crate::Error::Denied("there are no rights")) }
    }

    /// Annotations of a mailbox, or of the account where there is none (RFC 5464): those that are there of what is asked
    /// for. METADATA belongs among the [`extensions`](Self::extensions) of a store that has annotations.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchMailbox`](crate::Error::NoSuchMailbox); [`Error::Denied`](crate::Error::Denied), as always by
    /// default.
    fn metadata(
        &self,
        account: AccountId,
        mailbox: Option<MailboxId>,
        options: &MetadataOptions,
    ) -> impl Future<Output = Result<Vec<(EntryName, Text)>>> + Send {
        let _ = (account, mailbox, options);
        async { Err(crate::Error::Denied("there are no annotations")) }
    }

    /// Changes annotations: all or none. `None` removes one.
    ///
    /// # Errors
    ///
    /// As [`metadata`](Self::metadata); [`Error::AnnotationSize`](crate::Error::AnnotationSize),
    /// [`Error::Annotations`](crate::Error::Annotations), [`Error::OverQuota`](crate::Error::OverQuota): too much.
    fn set_metadata(
        &self,
        account: AccountId,
        mailbox: Option<MailboxId>,
        entries: &[(EntryName, Option<Text>)],
    ) -> impl Future<Output = Result<()>> + Send {
        let _ = (account, mailbox, entries);
        async { Err(crate::Error::Denied("there are no annotations")) }
    }

    /// The secret with which URLs of a mailbox are authorized, of this account ([RFC 4467 section
    /// 3](https://www.rfc-editor.org/rfc/rfc4467#section-3)). If there is none, it is `fresh` from now on. It goes with the
    /// mailbox. There is none by default, so that no URLs can be made.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchMailbox`](crate::Error::NoSuchMailbox).
    fn url_key(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        fresh: Option<Secret>,
    ) -> impl Future<Output = Result<Option<Secret>>> + Send {
        let _ = (account, mailbox, fresh);
        async { Ok(None) }
    }

    /// Forgets the [key](Self::url_key) of a mailbox, or of all mailboxes of the account.
    ///
    /// # Errors
    ///
    /// As [`url_key`](Self::url_key).
    fn reset_url_keys(
        &self,
        account: AccountId,
        mailbox: Option<MailboxId>,
    ) -> impl Future<Output = Result<()>> + Send {
        let _ = (account, mailbox);
        async { Ok(()) }
    }

    /// Waits for changes in an account.
    fn watch(&self, account: AccountId) -> Self::Watch;

    /// Gives a lease to one holder, who keeps it until it is dropped; one whose holder has died ends after
    /// `time`. [`Lease::Login`] is kept for `time` in any case.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`](crate::Error::InUse); there is no such account.
    fn lease(
        &self,
        account: AccountId,
        lease: Lease,
        time: Duration,
    ) -> impl Future<Output = Result<Self::Held>> + Send;
}

/// All bytes of a body.
pub(crate) async fn whole<S: Store>(store: &S, body: BodyId) -> Result<Bytes> {
    let mut reader = store.read(body, 0..u64::MAX).await?;
    let first = reader.chunk().await?.unwrap_or_default();
    // Most often that is all.
    let Some(second) = reader.chunk().await? else { return Ok(first) };
    let mut raw = BytesMut::from(first);
    raw.extend_from_slice(&second);
    while let Some(chunk) = reader.chunk().await? {
        raw.extend_from_slice(&chunk);
    }
    Ok(raw.freeze())
}

/// The most UIDs of one [`Store::store`] or [`Store::expunge`].
pub const MAX_CHANGED: u32 = 4096;

/// The most UIDs of one [`Store::copy`].
pub const MAX_COPIED: u32 = 100_000;

/// A body on its way into a [`Store`]. Nothing of it stays if it is dropped.
pub trait BodyWriter: Send {
    /// Stores the next piece.
    ///
    /// # Errors
    ///
    /// [`Error::OverQuota`](crate::Error::OverQuota): it is more than any of the accounts has room for.
    fn write(&mut self, piece: Bytes) -> impl Future<Output = Result<()>> + Send;

    /// The body is complete: it can be [delivered](Store::deliver).
    ///
    /// # Errors
    ///
    /// It could not be stored.
    fn finish(self) -> impl Future<Output = Result<BodyId>> + Send;
}

/// A body on its way out of a [`Store`].
pub trait BodyReader: Send + 'static {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    fn chunk(&mut self) -> impl Future<Output = Result<Option<Bytes>>> + Send;
}

/// Wakes up when something may have happened in an account.
pub trait Watch: Send + 'static {
    /// Waits for a change that came after this watch was made or last woke up. It may wake for nothing, and
    /// loses nothing when it is dropped.
    fn changed(&mut self) -> impl Future<Output = ()> + Send;
}
