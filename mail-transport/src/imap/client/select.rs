//! SELECT, EXAMINE, CLOSE, UNSELECT.

use mailwire_imap::{
    command::{Command, Select},
    extensions::object_ids::ObjectIds,
    response::{Code, Reply, ReplyKind, Untagged},
    types::{FlagSet, ImapString, MailboxName, ModSeq, PermanentFlags, SeqNumber, Uid, UidValidity},
};

use super::{Client, FetchedMessage, ToMailbox, error::too_many};
use crate::{Result, runtime::Boxed};

/// A mailbox as it was when it was selected.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selected {
    /// The number of messages when the answer was complete.
    pub exists: u32,
    /// The number of messages that are new to this session; IMAP4rev2 does not say.
    pub recent: Option<u32>,
    /// The UIDVALIDITY: UIDs mean the same messages as long as it stays. `None` where the server says none, or 0.
    pub uid_validity: Option<UidValidity>,
    /// The UIDNEXT: the next new message will have this UID or a higher one. `None` where the server says none, or 0.
    pub uid_next: Option<Uid>,
    /// The sequence number of the first message that was not seen (IMAP4rev1).
    pub unseen: Option<SeqNumber>,
    /// The flags that messages have here.
    pub flags: FlagSet,
    /// The flags that can be changed for good. `None`: the server does not say, and all can.
    pub permanent_flags: Option<PermanentFlags>,
    /// Whether the mailbox is open for reading only.
    pub read_only: bool,
    /// Whether UIDs are not kept from session to session. The server says it in a NO, which is an
    /// [`Update::Notice`](super::Update::Notice) as well.
    pub uid_not_sticky: bool,
    /// The highest modification sequence ([RFC 7162](https://www.rfc-editor.org/rfc/rfc7162)).
    pub highest_mod_seq: Option<ModSeq>,
    /// The messages that are gone since then, as ranges with both ends, if the client said what it knows
    /// ([`Select::with_qresync`]).
    pub vanished: Vec<(Uid, Uid)>,
    /// The messages whose flags were changed since then, or that have come.
    pub changed: Vec<FetchedMessage>,
    /// The identifier of the mailbox, which it keeps when it is renamed ([RFC 8474 section 4](https://www.rfc-editor.org/rfc/rfc8474#section-4)).
    pub mailbox_id: Option<ImapString>,
    /// The identifiers of the mailbox and its account, if they were asked for ([`Select::with_object_ids`]).
    pub object_ids: Option<Box<ObjectIds>>,
    /// The name of the mailbox as the server has it, if it says so (IMAP4rev2).
    pub name: Option<MailboxName>,
}

impl Selected {
    /// Data that belongs to SELECT; any other is handed back.
    fn take(&mut self, data: Untagged) -> Option<Untagged> {
        match data {
            Untagged::Exists(count) => self.exists = count,
            Untagged::Recent(count) => self.recent = Some(count),
            Untagged::Flags(flags) => self.flags = flags,
            Untagged::List(list) => self.name = Some(list.name),
            Untagged::Reply(mut status) if status.kind == ReplyKind::Ok => match status.code.take() {
                // What came before was about the mailbox that was selected until now.
                Some(Code::Closed) => *self = Self::default(),
                Some(code) => {
                    if let Some(code) = self.take_code(code) {
                        return Some(Untagged::Reply(status.with_code(code)));
                    }
                }
                None => {}
            },
            data => {
                // A warning, not a part of the answer (RFC 9051 section 7.1).
                if let Untagged::Reply(Reply { code: Some(Code::UidNotSticky), .. }) = &data {
                    self.uid_not_sticky = true;
                }
                return Some(data);
            }
        }
        None
    }

    fn take_code(&mut self, code: Code) -> Option<Code> {
        match code {
            Code::UidValidity(value) => self.uid_validity = value,
            Code::UidNext(uid) => self.uid_next = uid,
            Code::Unseen(number) => self.unseen = number,
            Code::PermanentFlags(flags) => self.permanent_flags = Some(flags),
            Code::HighestModSeq(value) => self.highest_mod_seq = value,
            Code::NoModSeq => self.highest_mod_seq = None,
            Code::MailboxId(id) => self.mailbox_id = Some(id),
            Code::ObjectIds(ids) => self.object_ids = Some(ids),
            Code::UidNotSticky => self.uid_not_sticky = true,
            Code::ReadOnly => self.read_only = true,
            Code::ReadWrite => self.read_only = false,
            code => return Some(code),
        }
        None
    }
}

impl Client {
    /// SELECT: opens a mailbox, to read and to change ([RFC 9051 section 6.3.2](https://www.rfc-editor.org/rfc/rfc9051#section-6.3.2)). The one that was open is left.
    ///
    /// # Errors
    ///
    /// The server refuses, and then no mailbox is open, or the connection fails.
    pub async fn select(&mut self, mailbox: impl ToMailbox) -> Result<Selected> {
        self.open_named(mailbox.to_mailbox()?, false).await
    }

    /// SELECT with all that extensions add to it.
    ///
    /// # Examples
    ///
    /// What has changed since this client was here last ([RFC 7162](https://www.rfc-editor.org/rfc/rfc7162)):
    ///
    /// ```no_run
    /// # use mailwire_transport::{Result, imap::Client};
    /// use mailwire_transport::imap::{Capability, proto::{
    ///     command::Select,
    ///     extensions::condstore::QResync,
    ///     types::{MailboxName, ModSeq, UidValidity},
    /// }};
    ///
    /// # async fn catch_up(client: &mut Client, uid_validity: UidValidity, mod_seq: ModSeq) -> Result<()> {
    /// client.enable([Capability::QResync]).await?;
    /// let known = QResync::new(uid_validity, mod_seq);
    /// let inbox = client.select_with(Select::new(MailboxName::INBOX).with_qresync(known)).await?;
    /// if inbox.uid_validity == Some(uid_validity) {
    ///     println!("gone: {:?}", inbox.vanished);
    ///     for message in &inbox.changed {
    ///         println!("{:?}: {:?}", message.uid(), message.flags());
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`select`](Self::select).
    pub async fn select_with(&mut self, select: Select) -> Result<Selected> {
        self.open(Command::Select(select), false).await
    }

    /// EXAMINE: opens a mailbox, to read only ([RFC 9051 section 6.3.3](https://www.rfc-editor.org/rfc/rfc9051#section-6.3.3)).
    ///
    /// # Errors
    ///
    /// As [`select`](Self::select).
    pub async fn examine(&mut self, mailbox: impl ToMailbox) -> Result<Selected> {
        self.open_named(mailbox.to_mailbox()?, true).await
    }

    /// EXAMINE with all that extensions add to it.
    ///
    /// # Errors
    ///
    /// As [`select`](Self::select).
    pub async fn examine_with(&mut self, select: Select) -> Result<Selected> {
        self.open(Command::Examine(select), true).await
    }

    /// Opens a mailbox, with nothing that extensions add.
    fn open_named(&mut self, mailbox: MailboxName, read_only: bool) -> Boxed<'_, Result<Selected>> {
        let select = Select::from(mailbox);
        self.open(if read_only { Command::Examine(select) } else { Command::Select(select) }, read_only)
    }

    fn open(&mut self, command: Command, read_only: bool) -> Boxed<'_, Result<Selected>> {
        Box::pin(async move {
            let mut selected = Selected::default();
            let mut room = self.room();
            let limit = self.settings.items;
            let resyncs = matches!(&command, Command::Select(select) | Command::Examine(select) if select.qresync.is_some());
            let mut counted = false;
            let mut take = |data| {
                match &data {
                    Untagged::Exists(_) => counted = true,
                    // What came before was about the mailbox that was selected until now.
                    Untagged::Reply(Reply { code: Some(Code::Closed), .. }) => counted = false,
                    _ => {}
                }
                match data {
                    Untagged::Vanished(vanished) if resyncs => {
                        room.take::<(Uid, Uid)>(vanished.uids.ranges().count(), 0)?;
                        selected.vanished.extend(vanished.uids.ranges());
                    }
                    Untagged::Fetch(fetch) if resyncs => {
                        selected.changed.extend(room.keep_fetch(fetch)?.map(FetchedMessage::from));
                        if selected.changed.len() > limit {
                            return Err(too_many("messages", limit));
                        }
                    }
                    data => return Ok(selected.take(room.keep(data)?)),
                }
                Ok(None)
            };
            let status = self.run(command, &mut take).await?;
            selected.read_only |= read_only;
            if let Some(code) = status.code {
                selected.take_code(code);
            }
            // Messages can go between EXISTS and the end, which is when updates about messages are forgotten.
            selected.exists = if counted { self.inbox.exists.unwrap_or_default() } else { 0 };
            self.inbox.exists = Some(selected.exists);
            self.inbox.highest_mod_seq = selected.highest_mod_seq;
            Ok(selected)
        })
    }

    /// CLOSE: removes what is marked as deleted, without a word, and leaves the mailbox.
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn close(&mut self) -> Result<()> {
        self.simple(Command::Close).await?;
        (self.inbox.exists, self.inbox.highest_mod_seq) = (None, None);
        Ok(())
    }

    /// UNSELECT: leaves the mailbox, and removes nothing.
    ///
    /// # Errors
    ///
    /// The server refuses or does not know UNSELECT, or the connection fails.
    pub async fn unselect(&mut self) -> Result<()> {
        self.simple(Command::Unselect).await?;
        (self.inbox.exists, self.inbox.highest_mod_seq) = (None, None);
        Ok(())
    }
}
