//! SELECT, EXAMINE, CREATE and STATUS.

use alloc::{boxed::Box, vec::Vec};

use mailwire_core::{ParseError, ParseErrorKind, keywords, setters};

use super::{
    parse::read_atom,
    rules::{Need, Needs},
    writer::Writer,
};
use crate::{
    capability::Capability,
    deviation,
    extensions::{
        annotate,
        condstore::{self, QResync},
        object_ids::{ObjectIds, needs_object_ids},
        quota::ResourceName,
    },
    types::{Atom, MailboxAttribute, MailboxName, Reader},
};

/// `SELECT` and `EXAMINE` (RFC 9051 sections 6.3.2 and 6.3.3).
///
/// Extensions add parameters here (RFC 4466 section 2.1):
///
/// ```
/// use mailwire_imap::command::Select;
/// use mailwire_imap::types::MailboxName;
///
/// let select = Select::new(MailboxName::new("INBOX")?).with_condstore(true);
/// # let _ = select;
/// # Ok::<(), mailwire_core::Invalid>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Select {
    /// The mailbox.
    pub mailbox: MailboxName,
    /// `CONDSTORE`: the server is to tell modification sequences from now on
    /// ([RFC 7162 section 3.1.8](https://www.rfc-editor.org/rfc/rfc7162#section-3.1.8)).
    pub condstore: bool,
    /// `QRESYNC`: the server is to tell what has changed in the meantime, once QRESYNC is enabled.
    pub qresync: Option<Box<QResync>>,
    /// `ANNOTATE`: the server is to tell changes of annotations
    /// ([RFC 5257 section 4.2](https://www.rfc-editor.org/rfc/rfc5257#section-4.2)).
    pub annotate: bool,
    /// `OBJECTID`: the server is to tell the mailbox's identifiers, and to open the mailbox that has those given here,
    /// whatever its name ([`ObjectIds`]).
    pub object_ids: Option<Box<ObjectIds>>,
}

/// `CREATE` (RFC 9051 section 6.3.4).
///
/// Extensions add parameters here (RFC 4466 section 2.2).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Create {
    /// The mailbox.
    pub mailbox: MailboxName,
    /// `USE`: what it is to be for, as `\Sent` ([RFC 6154 section
    /// 3](https://www.rfc-editor.org/rfc/rfc6154#section-3)).
    pub special_use: Vec<MailboxAttribute>,
}

/// `STATUS` (RFC 9051 section 6.3.11).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Status {
    /// The mailbox, which should not be the selected one.
    pub mailbox: MailboxName,
    /// What of it, at least one.
    pub items: Vec<StatusAtt>,
}

/// What STATUS asks for (RFC 9051 section 6.3.11).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum StatusAtt {
    /// `MESSAGES`: how many there are.
    Messages,
    /// `RECENT`: RFC 3501 only.
    Recent,
    /// `UIDNEXT`: which identifier the next new message will have at least.
    UidNext,
    /// `UIDVALIDITY`: for how long identifiers mean the same messages.
    UidValidity,
    /// `UNSEEN`: how many have not been read.
    Unseen,
    /// `DELETED`: how many are marked as deleted.
    Deleted,
    /// `HIGHESTMODSEQ`: RFC 7162.
    HighestModSeq,
    /// `DELETED-STORAGE`: what an expunge would free, in units of 1024 octets ([RFC 9208 section
    /// 4.1.4](https://www.rfc-editor.org/rfc/rfc9208#section-4.1.4)).
    DeletedStorage,
    /// `SIZE`: of all messages, in bytes (RFC 8438).
    Size,
    /// `APPENDLIMIT`: the size of the largest message that the mailbox takes
    /// ([RFC 7889](https://www.rfc-editor.org/rfc/rfc7889)).
    AppendLimit,
    /// `MAILBOXID`: what identifies the mailbox for good ([RFC 8474](https://www.rfc-editor.org/rfc/rfc8474)).
    MailboxId,
    /// `OBJECTID`: what identifies the mailbox and its account
    /// ([draft-ietf-mailmaint-imap-objectid-bis](https://datatracker.ietf.org/doc/draft-ietf-mailmaint-imap-objectid-bis/)).
    ObjectIds,
    /// The name of another item.
    Other(Atom),
}

impl From<MailboxName> for Select {
    fn from(mailbox: MailboxName) -> Self {
        Self::new(mailbox)
    }
}

impl From<MailboxName> for Create {
    fn from(mailbox: MailboxName) -> Self {
        Self::new(mailbox)
    }
}

impl Create {
    /// Creates a mailbox.
    #[must_use]
    pub const fn new(mailbox: MailboxName) -> Self {
        Self { mailbox, special_use: Vec::new() }
    }

    /// What a server must have for the options.
    pub(super) fn needs(&self) -> Option<Need> {
        (!self.special_use.is_empty()).then(|| Need::of(&Capability::CreateSpecialUse))
    }

    /// ```text
    /// create        = "CREATE" SP mailbox [create-params]
    /// create-params = SP "(" create-param *( SP create-param) ")"     ; RFC 4466
    /// create-param  =/ "USE" SP "(" [use-attr *(SP use-attr)] ")"     ; RFC 6154
    /// ```
    ///
    /// Lenient: no parameters.
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        let mut create = Self::new(MailboxName::read(r)?);
        if r.rest().starts_with(b" (") {
            create.read_parameters(r)?;
        }
        Ok(create)
    }

    #[cold]
    fn read_parameters(&mut self, r: &mut Reader<'_>) -> Result<(), ParseError> {
        r.skip(1);
        let start = r.offset();
        r.skip(1);
        let mut is_empty = true;
        r.items(|r| {
            is_empty = false;
            let start = r.offset();
            if !read_atom(r)?.eq_ignore_ascii_case("USE") {
                let unknown = ParseError::new(start, "unknown CREATE parameter");
                return Err(unknown.with_kind(ParseErrorKind::Unknown));
            }
            r.space()?;
            r.expect(b'(', "expected a list of special uses")?;
            r.items(|r| {
                self.special_use.extend(MailboxAttribute::read_maybe(r)?);
                Ok(())
            })
        })?;
        if is_empty { r.deviate_at(start, deviation::EMPTY_LIST) } else { Ok(()) }
    }

    pub(super) fn write(&self, e: &mut Writer<'_>) {
        e.put(b"CREATE ");
        e.mailbox(&self.mailbox);
        let mut writable = self.special_use.iter().filter(|attribute| !attribute.is_malformed()).peekable();
        if writable.peek().is_some() {
            e.put(b" (USE (");
            e.spaced(writable, |e, attribute| attribute.write(e.out));
            e.put(b"))");
        }
    }
}

setters!(Create {
    with_special_use(special_use: into Vec<MailboxAttribute>),
});

impl Status {
    /// Asks for `items` of a mailbox, at least one.
    #[must_use]
    pub fn new(mailbox: MailboxName, items: impl Into<Vec<StatusAtt>>) -> Self {
        Self { mailbox, items: items.into() }
    }

    /// ```text
    /// status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")"
    /// ```
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        let mailbox = MailboxName::read(r)?;
        r.space()?;
        Ok(Self { mailbox, items: StatusAtt::read_list(r)? })
    }

    pub(super) fn write(&self, e: &mut Writer<'_>) {
        e.put(b"STATUS ");
        e.mailbox(&self.mailbox);
        e.put(b" ");
        StatusAtt::write_list(&self.items, e);
    }
}

impl Select {
    /// Opens a mailbox.
    #[must_use]
    pub const fn new(mailbox: MailboxName) -> Self {
        Self { mailbox, condstore: false, qresync: None, annotate: false, object_ids: None }
    }

    /// What a server must have for the options.
    pub(super) fn needs(&self, needs: &mut Needs<'_>) {
        needs.add(match (&self.qresync, self.condstore) {
            (Some(_), _) => Some(condstore::needs_qresync()),
            (None, true) => Some(condstore::needs_condstore()),
            (None, false) => None,
        });
        needs.add(self.annotate.then(annotate::needs_annotate));
        needs.add(self.object_ids.as_ref().map(|_| needs_object_ids()));
    }

    /// ```text
    /// select  = "SELECT" SP mailbox [select-params]
    /// examine = "EXAMINE" SP mailbox [select-params]
    /// ```
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        let mut select = Self::new(MailboxName::read(r)?);
        if r.rest().starts_with(b" (") {
            select.read_parameters(r)?;
        }
        Ok(select)
    }

    pub(super) fn write(&self, e: &mut Writer<'_>) {
        e.mailbox(&self.mailbox);
        if self.condstore || self.qresync.is_some() || self.annotate || self.object_ids.is_some() {
            self.write_parameters(e);
        }
    }
}

setters!(const Select {
    with_annotate(annotate: bool),
    with_condstore(condstore: bool),
});

setters!(Select {
    with_object_ids(object_ids: some boxed ObjectIds),
    with_qresync(qresync: some boxed QResync),
});

/// What has DELETED and DELETED-STORAGE ([RFC 9208 section
/// 3.1.1](https://www.rfc-editor.org/rfc/rfc9208#section-3.1.1)).
static DELETED: [Capability; 2] = [Capability::QuotaResource(ResourceName::Message), Capability::Imap4Rev2];
static DELETED_STORAGE: Capability = Capability::QuotaResource(ResourceName::Storage);

impl StatusAtt {
    /// What a server must have for this item, if the base protocol does not have it.
    pub(super) fn needs(&self) -> Option<Need> {
        Some(match self {
            Self::Deleted => Need::one_of(&DELETED),
            Self::DeletedStorage => Need::of(&DELETED_STORAGE),
            Self::HighestModSeq => condstore::needs_condstore(),
            Self::Size => Need::one_of(&[Capability::StatusSize, Capability::Imap4Rev2]),
            Self::AppendLimit => Need::of(&Capability::AppendLimit(None)),
            Self::MailboxId => Need::of(&Capability::ObjectId),
            Self::ObjectIds => needs_object_ids(),
            _ => return None,
        })
    }

    /// ```text
    /// "(" status-att *(SP status-att) ")"
    /// status-att = "MESSAGES" / "UIDNEXT" / "UIDVALIDITY" / "UNSEEN" / "DELETED" / "SIZE" /
    ///              "HIGHESTMODSEQ" /                                           ; RFC 7162
    ///              "APPENDLIMIT" / "MAILBOXID"                                 ; RFC 7889, RFC 8474
    /// ```
    pub(super) fn read_list(r: &mut Reader<'_>) -> Result<Vec<Self>, ParseError> {
        let start = r.offset();
        r.expect(b'(', "expected a list of STATUS items")?;
        let mut items = Vec::with_capacity(4);
        r.items(|r| {
            let name = read_atom(r)?;
            items.push(match Item::of(name.as_bytes()) {
                Some(Item::Messages) => Self::Messages,
                Some(Item::Recent) => Self::Recent,
                Some(Item::UidNext) => Self::UidNext,
                Some(Item::UidValidity) => Self::UidValidity,
                Some(Item::Unseen) => Self::Unseen,
                Some(Item::Deleted) => Self::Deleted,
                Some(Item::HighestModSeq) => Self::HighestModSeq,
                Some(Item::DeletedStorage) => Self::DeletedStorage,
                Some(Item::Size) => Self::Size,
                Some(Item::AppendLimit) => Self::AppendLimit,
                Some(Item::MailboxId) => Self::MailboxId,
                Some(Item::ObjectIds) => Self::ObjectIds,
                None => Self::Other(name),
            });
            Ok(())
        })?;
        if items.is_empty() {
            return Err(ParseError::new(start, "an empty list of items"));
        }
        Ok(items)
    }

    pub(super) fn write_list(items: &[Self], e: &mut Writer<'_>) {
        e.put(b"(");
        e.spaced(items, |e, item| match (item, Item::of_value(item)) {
            (Self::Other(name), _) => e.put(name.as_bytes()),
            (_, item) => e.put(item.map_or("", Item::as_str).as_bytes()),
        });
        e.put(b")");
    }
}

keywords! {
    /// The names of STATUS items.
    enum Item of StatusAtt except Other {
        Messages = "MESSAGES",
        Recent = "RECENT",
        UidNext = "UIDNEXT",
        UidValidity = "UIDVALIDITY",
        Unseen = "UNSEEN",
        Deleted = "DELETED",
        HighestModSeq = "HIGHESTMODSEQ",
        DeletedStorage = "DELETED-STORAGE",
        Size = "SIZE",
        AppendLimit = "APPENDLIMIT",
        MailboxId = "MAILBOXID",
        ObjectIds = "OBJECTID",
    }
}
