//! LIST and STATUS: what there is beside the selected mailbox.

use alloc::{boxed::Box, vec::Vec};
use core::num::NonZeroU32;

use mailwire_core::{Dialect, ParseError, ParseErrorKind, Text, setters};

use super::code::plain;
use crate::{
    deviation,
    extensions::object_ids::ObjectIds,
    types::{
        Atom, ImapString, MailboxAttribute, MailboxAttributes, MailboxName, ModSeq, RawValue, Reader, Uid,
        UidValidity, chars, eat_nil, read_astring, read_count, read_delimiter, read_known_count, skip_value,
        write_astring, write_delimiter, write_number, write_spaced, write_string,
    },
};

/// Which command a mailbox answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum ListKind {
    /// LIST, or LIST-EXTENDED.
    List,
    /// LSUB: it is subscribed to (IMAP4rev1).
    Lsub,
    /// XLIST: Gmail's LIST before SPECIAL-USE.
    Xlist,
}

impl ListKind {
    /// The name as it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::List => "LIST",
            Self::Lsub => "LSUB",
            Self::Xlist => "XLIST",
        }
    }
}

/// One mailbox (RFC 9051 section 7.3.1).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ListData {
    /// Which command this answers.
    pub kind: ListKind,
    /// What the mailbox is like.
    pub attributes: MailboxAttributes,
    /// The character between the levels of its name. `None`: there are no levels.
    pub delimiter: Option<u8>,
    /// Its name.
    pub name: MailboxName,
    /// Extended data (RFC 5258).
    pub extensions: Vec<ListExtension>,
}

/// Extended data about a mailbox (RFC 9051 section 7.3.1, RFC 5258).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum ListExtension {
    /// `CHILDINFO`: mailboxes below it match these selection options.
    ChildInfo(Vec<ImapString>),
    /// `OLDNAME`: what it was called before.
    OldName(MailboxName),
    /// Another item, as it came.
    Other {
        /// Its name.
        name: ImapString,
        /// Its value.
        value: RawValue,
    },
}

impl ListData {
    /// Makes what is told of a mailbox: without attributes, with this character between the levels of
    /// its name.
    #[must_use]
    pub const fn new(kind: ListKind, name: MailboxName, delimiter: Option<u8>) -> Self {
        Self { kind, attributes: MailboxAttributes::new(), delimiter, name, extensions: Vec::new() }
    }

    /// Whether there are messages in it, or can be: it is there, and more than a level in the names of others
    /// ([RFC 9051 section 7.3.1](https://www.rfc-editor.org/rfc/rfc9051#section-7.3.1): `\Noselect`, `\NonExistent`).
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_imap::{Dialect, Response, Untagged};
    ///
    /// let levels = Response::parse(&r#"* LIST (\Noselect) "/" Archive"#.into(), Dialect::Strict)?;
    /// assert!(matches!(levels.value, Response::Untagged(Untagged::List(levels)) if !levels.is_selectable()));
    /// let mailbox = Response::parse(&r#"* LIST () "/" Archive/2026"#.into(), Dialect::Strict)?;
    /// assert!(matches!(mailbox.value, Response::Untagged(Untagged::List(mailbox)) if mailbox.is_selectable()));
    /// # Ok::<(), mailwire_imap::ParseError>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn is_selectable(&self) -> bool {
        use MailboxAttribute::{NoSelect, NonExistent};
        ![NoSelect, NonExistent].iter().any(|attribute| self.attributes.contains(attribute))
    }

    /// ```text
    /// mailbox-list = "(" [mbx-list-flags] ")" SP (DQUOTE QUOTED-CHAR DQUOTE / nil) SP mailbox
    ///                [SP mbox-list-extended]
    /// ```
    ///
    /// Lenient: see [`read_delimiter`]; an unquoted name with spaces, up to the end of the line.
    pub(crate) fn read(r: &mut Reader<'_>, kind: ListKind) -> Result<Self, ParseError> {
        r.space()?;
        let attributes = MailboxAttributes::read(r)?;
        r.space()?;
        let delimiter = read_delimiter(r)?;
        r.space()?;
        let start = r.offset();
        if r.is_at_end() {
            r.deviate(deviation::MISSING_NAME)?;
        }
        let name = if r.is_at_end() { MailboxName::from_wire("").ok() } else { MailboxName::read(r).ok() };
        let name = match name {
            Some(name) if r.is_at_end() => {
                return Ok(Self { kind, attributes, delimiter, name, extensions: Vec::new() });
            }
            Some(name) if r.peek() == Some(b' ') && matches!(r.peek_at(1), Some(b'(' | b' ') | None) => name,
            _ => {
                let name = read_rest_as_name(r, start)?;
                return Ok(Self { kind, attributes, delimiter, name, extensions: Vec::new() });
            }
        };
        let after = r.offset();
        while r.peek() == Some(b' ') && matches!(r.peek_at(1), Some(b' ') | None) {
            r.deviate(deviation::EXTRA_SPACE)?;
            r.skip(1);
        }
        if r.is_at_end() {
            return Ok(Self { kind, attributes, delimiter, name, extensions: Vec::new() });
        }
        match read_extensions(r) {
            Ok(extensions) => Ok(Self { kind, attributes, delimiter, name, extensions }),
            Err(error) if r.dialect() == Dialect::Strict || error.kind == ParseErrorKind::TooDeep => {
                Err(error)
            }
            Err(_) => {
                r.rewind(after);
                let name = read_rest_as_name(r, start)?;
                Ok(Self { kind, attributes, delimiter, name, extensions: Vec::new() })
            }
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.kind.as_str().as_bytes());
        out.push(b' ');
        self.attributes.write(out);
        out.push(b' ');
        write_delimiter(out, self.delimiter);
        out.push(b' ');
        self.name.write(out);
        let mut opened = false;
        for extension in &self.extensions {
            if matches!(extension, ListExtension::Other { value, .. } if !value.is_complete()) {
                continue;
            }
            out.extend_from_slice(if opened { b" " } else { b" (" });
            opened = true;
            extension.write(out);
        }
        if opened {
            out.push(b')');
        }
    }
}

setters!(ListData {
    with_attributes(attributes: MailboxAttributes),
    with_extensions(extensions: into Vec<ListExtension>),
});

impl ListExtension {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::ChildInfo(options) => {
                out.extend_from_slice(b"\"CHILDINFO\" (");
                write_spaced(out, options, |out, option| write_string(out, option.as_bytes()));
                out.push(b')');
            }
            Self::OldName(name) => {
                out.extend_from_slice(b"\"OLDNAME\" (");
                name.write(out);
                out.push(b')');
            }
            Self::Other { name, value } => {
                write_astring(out, name.as_bytes());
                out.push(b' ');
                value.write(out);
            }
        }
    }
}

/// What stands from `start` to the end of the line, less spaces at its end and quotes around it.
#[cold]
fn read_rest_as_name(r: &mut Reader<'_>, start: usize) -> Result<MailboxName, ParseError> {
    r.rewind(start);
    if memchr::memchr(b'\n', r.rest()).is_some() {
        return Err(r.error("expected a mailbox name"));
    }
    r.deviate(deviation::UNQUOTED_MAILBOX_NAME)?;
    let rest = r.rest();
    let end = rest.iter().rposition(|byte| !matches!(byte, b' ' | b'\t' | b'\r')).map_or(0, |last| last + 1);
    if end < rest.len() {
        r.deviate_at(start + end, deviation::SPACE_BEFORE_LINE_END)?;
    }
    let name = match rest.get(..end) {
        Some([b'"', inner @ .., b'"']) => Text::from(inner),
        _ => Text::from(r.slice(start, start + end)),
    };
    r.skip(rest.len());
    MailboxName::from_wire(name).map_err(|_| ParseError::new(start, "a control character in a mailbox name"))
}

/// ```text
/// mbox-list-extended      = "(" [mbox-list-extended-item *(SP mbox-list-extended-item)] ")"
/// mbox-list-extended-item = mbox-list-extended-item-tag SP tagged-ext-val
/// childinfo-extended-item = "CHILDINFO" SP "(" list-select-base-opt-quoted *(SP list-select-base-opt-quoted) ")"
/// oldname-extended-item   = "OLDNAME" SP "(" mailbox ")"
/// ```
///
/// And the end of the line.
fn read_extensions(r: &mut Reader<'_>) -> Result<Vec<ListExtension>, ParseError> {
    r.space()?;
    r.expect(b'(', "expected (")?;
    let mut extensions = Vec::new();
    r.items(|r| {
        let name = read_astring(r)?;
        r.space()?;
        extensions.push(if name.eq_ignore_ascii_case("CHILDINFO") && r.peek() == Some(b'(') {
            r.skip(1);
            let options = r.list_of(read_astring)?;
            ListExtension::ChildInfo(options)
        } else if name.eq_ignore_ascii_case("OLDNAME") && r.peek() == Some(b'(') {
            r.skip(1);
            r.no_space()?;
            let name = MailboxName::read(r)?;
            r.no_space()?;
            r.expect(b')', "expected )")?;
            ListExtension::OldName(name)
        } else {
            ListExtension::Other { name, value: RawValue::read(r)? }
        });
        Ok(())
    })?;
    r.end()?;
    Ok(extensions)
}

/// Numbers about one mailbox (RFC 9051 section 7.3.3).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct StatusData {
    /// The mailbox.
    pub mailbox: MailboxName,
    /// What was asked about it.
    pub items: Vec<StatusAttVal>,
}

/// A number about a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum StatusAttVal {
    /// `MESSAGES`: how many there are.
    Messages(u32),
    /// `RECENT`: how many are new (IMAP4rev1).
    Recent(u32),
    /// `UIDNEXT`: the next new message will have this identifier or a higher one. `None`: the server
    /// says 0. It is not written.
    UidNext(Option<Uid>),
    /// `UIDVALIDITY`: identifiers mean the same messages as long as this stays the same. `None`: the
    /// server says 0. It is not written.
    UidValidity(Option<UidValidity>),
    /// `UNSEEN`: how many have not been read.
    Unseen(u32),
    /// `DELETED`: how many are marked as deleted.
    Deleted(u32),
    /// `SIZE`: of all messages, in bytes (RFC 8438).
    Size(u64),
    /// `DELETED-STORAGE`: what an expunge would free, in units of 1024 bytes (RFC 9208).
    DeletedStorage(u64),
    /// `HIGHESTMODSEQ` (RFC 7162).
    HighestModSeq(ModSeq),
    /// `APPENDLIMIT`: the largest message, if there is a limit (RFC 7889).
    AppendLimit(Option<u64>),
    /// `MAILBOXID` (RFC 8474).
    MailboxId(ImapString),
    /// `OBJECTID`: of the mailbox and its account (draft-ietf-mailmaint-imap-objectid-bis).
    ObjectIds(Box<ObjectIds>),
    /// Another item, as it came.
    Other {
        /// Its name.
        name: Atom,
        /// Its value.
        value: RawValue,
    },
    /// One that is known here, with a value that could not be read, as it stands on the wire. It is
    /// not written.
    Malformed(Text),
}

impl StatusData {
    /// Makes numbers about a mailbox.
    #[must_use]
    pub fn new(mailbox: MailboxName, items: impl Into<Vec<StatusAttVal>>) -> Self {
        Self { mailbox, items: items.into() }
    }

    /// `MESSAGES`: how many there are.
    #[inline]
    #[must_use]
    pub fn messages(&self) -> Option<u32> {
        self.find(|item| if let StatusAttVal::Messages(count) = item { Some(*count) } else { None })
    }

    /// `RECENT`: how many are new (IMAP4rev1).
    #[inline]
    #[must_use]
    pub fn recent(&self) -> Option<u32> {
        self.find(|item| if let StatusAttVal::Recent(count) = item { Some(*count) } else { None })
    }

    /// `UNSEEN`: how many have not been read.
    #[inline]
    #[must_use]
    pub fn unseen(&self) -> Option<u32> {
        self.find(|item| if let StatusAttVal::Unseen(count) = item { Some(*count) } else { None })
    }

    /// `UIDNEXT`: the next new message will have this identifier or a higher one.
    #[inline]
    #[must_use]
    pub fn uid_next(&self) -> Option<Uid> {
        self.find(|item| if let StatusAttVal::UidNext(uid) = item { *uid } else { None })
    }

    /// `UIDVALIDITY`: identifiers mean the same messages as long as this stays the same.
    #[inline]
    #[must_use]
    pub fn uid_validity(&self) -> Option<UidValidity> {
        self.find(|item| if let StatusAttVal::UidValidity(value) = item { *value } else { None })
    }

    /// `SIZE`: of all messages, in bytes.
    #[inline]
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.find(|item| if let StatusAttVal::Size(size) = item { Some(*size) } else { None })
    }

    /// `APPENDLIMIT`: the largest message that the mailbox takes, in bytes; `Some(None)` if it has no limit.
    #[inline]
    #[must_use]
    pub fn append_limit(&self) -> Option<Option<u64>> {
        self.find(|item| if let StatusAttVal::AppendLimit(limit) = item { Some(*limit) } else { None })
    }

    /// `MAILBOXID`: what identifies the mailbox for good.
    #[inline]
    #[must_use]
    pub fn mailbox_id(&self) -> Option<&ImapString> {
        self.items.iter().find_map(|item| match item {
            StatusAttVal::MailboxId(id) => Some(id),
            _ => None,
        })
    }

    fn find<T>(&self, pick: impl FnMut(&StatusAttVal) -> Option<T>) -> Option<T> {
        self.items.iter().find_map(pick)
    }

    /// ```text
    /// "STATUS" SP mailbox SP "(" [status-att-list] ")"
    /// status-att-list = status-att-val *(SP status-att-val)
    /// ```
    ///
    /// Lenient: an unquoted name with spaces; no `)` at the end; values that are not what they should be.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        let start = r.offset();
        let mut mailbox = MailboxName::read(r).ok();
        if r.peek() != Some(b' ') || !matches!(r.peek_at(1), Some(b'(' | b' ')) {
            mailbox = None;
        }
        let mailbox = match mailbox {
            Some(mailbox) => mailbox,
            None => {
                r.rewind(start);
                r.deviate(deviation::UNQUOTED_MAILBOX_NAME)?;
                let rest = r.rest();
                let end = memchr::memrchr(b'(', rest).filter(|end| *end > 0).ok_or(r.error("expected ("))?;
                let name = rest.get(..end).unwrap_or_default();
                let length = name.iter().rposition(|&byte| byte != b' ').map_or(0, |last| last + 1);
                let name = Text::from(r.slice(start, start + length));
                r.skip(length);
                MailboxName::from_wire(name)
                    .map_err(|_| ParseError::new(start, "a control character in a mailbox name"))?
            }
        };
        r.space()?;
        r.expect(b'(', "expected (")?;
        let mut items = Vec::with_capacity(4);
        r.last_items(|r| {
            items.push(StatusAttVal::read(r)?);
            Ok(())
        })?;
        Ok(Self { mailbox, items })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"STATUS ");
        self.mailbox.write(out);
        out.extend_from_slice(b" (");
        let start = out.len();
        for item in &self.items {
            let unwritable = match item {
                StatusAttVal::Other { value, .. } => !value.is_complete(),
                StatusAttVal::Malformed(_)
                | StatusAttVal::UidNext(None)
                | StatusAttVal::UidValidity(None) => true,
                _ => false,
            };
            if unwritable {
                continue;
            }
            if out.len() > start {
                out.push(b' ');
            }
            item.write(out);
        }
        out.push(b')');
    }
}

impl StatusAttVal {
    /// Lenient: a value that is not what it should be is kept as it stands.
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        let name = r.take_class(chars::ATOM);
        if name.is_empty() {
            return Err(r.error("expected a status item"));
        }
        let name_end = r.offset();
        if r.peek() == Some(b')') {
            r.deviate(deviation::MISSING_VALUE)?;
            return Ok(Self::Malformed(r.text_from(start)));
        }
        r.space()?;
        match Self::read_known(r, name) {
            Ok(Some(item)) => return Ok(item),
            Ok(None) => {}
            Err(error) if r.dialect() == Dialect::Strict => return Err(error),
            Err(_) => {
                r.rewind(start);
                r.deviate(deviation::MALFORMED_ITEM)?;
                r.skip(name.len());
                while r.eat(b' ') {}
                skip_value(r)?;
                return Ok(Self::Malformed(r.text_from(start)));
            }
        }
        let name = Atom::unchecked(Text::from(r.slice(start, name_end)));
        Ok(Self::Other { name, value: RawValue::read(r)? })
    }

    fn read_known(r: &mut Reader<'_>, name: &[u8]) -> Result<Option<Self>, ParseError> {
        let is = |known: &str| chars::is_name(name, known);
        let item = match name.len() {
            8 if is("MESSAGES") => Self::Messages(read_small(r)?),
            6 if is("RECENT") => Self::Recent(read_small(r)?),
            7 if is("UIDNEXT") => Self::UidNext(read_from_one(r)?),
            11 if is("UIDVALIDITY") => Self::UidValidity(read_from_one(r)?),
            6 if is("UNSEEN") => Self::Unseen(read_small(r)?),
            7 if is("DELETED") => Self::Deleted(read_small(r)?),
            4 if is("SIZE") => Self::Size(read_known_count(r)?),
            15 if is("DELETED-STORAGE") => Self::DeletedStorage(read_known_count(r)?),
            13 if is("HIGHESTMODSEQ") => Self::HighestModSeq(ModSeq::read(r)?),
            11 if is("APPENDLIMIT") => {
                Self::AppendLimit(if eat_nil(r) { None } else { Some(read_known_count(r)?) })
            }
            8 if is("OBJECTID") => Self::ObjectIds(Box::new(ObjectIds::read(r)?)),
            9 if is("MAILBOXID") => {
                let list = r.eat(b'(');
                if !list {
                    r.deviate(deviation::MISSING_PARENTHESIS)?;
                }
                let id = read_astring(r)?;
                if list {
                    r.no_space()?;
                    r.expect(b')', "expected )")?;
                }
                Self::MailboxId(id)
            }
            _ => return Ok(None),
        };
        Ok(Some(item))
    }

    fn write(&self, out: &mut Vec<u8>) {
        let (name, number): (&[u8], _) = match self {
            Self::Messages(number) => (b"MESSAGES ", u64::from(*number)),
            Self::Recent(number) => (b"RECENT ", u64::from(*number)),
            Self::UidNext(number) => (b"UIDNEXT ", plain(*number)),
            Self::UidValidity(number) => (b"UIDVALIDITY ", plain(*number)),
            Self::Unseen(number) => (b"UNSEEN ", u64::from(*number)),
            Self::Deleted(number) => (b"DELETED ", u64::from(*number)),
            Self::Size(number) => (b"SIZE ", *number),
            Self::DeletedStorage(number) => (b"DELETED-STORAGE ", *number),
            Self::HighestModSeq(number) => (b"HIGHESTMODSEQ ", number.get()),
            Self::AppendLimit(Some(number)) => (b"APPENDLIMIT ", *number),
            Self::AppendLimit(None) => {
                out.extend_from_slice(b"APPENDLIMIT NIL");
                return;
            }
            Self::ObjectIds(ids) => {
                out.extend_from_slice(b"OBJECTID ");
                ids.write(out);
                return;
            }
            Self::MailboxId(id) => {
                out.extend_from_slice(b"MAILBOXID (");
                write_astring(out, id.as_bytes());
                out.push(b')');
                return;
            }
            Self::Other { name, value } => {
                out.extend_from_slice(name.as_bytes());
                out.push(b' ');
                value.write(out);
                return;
            }
            Self::Malformed(_) => return,
        };
        out.extend_from_slice(name);
        write_number(out, number);
    }
}

/// ```text
/// number = 1*DIGIT     ; 32 bits
/// ```
fn read_small(r: &mut Reader<'_>) -> Result<u32, ParseError> {
    let start = r.offset();
    read_count(r)?
        .and_then(|value| u32::try_from(value).ok())
        .ok_or(ParseError::new(start, "not a number of 32 bits"))
}

/// ```text
/// nz-number = digit-nz *DIGIT
/// ```
///
/// Lenient: 0.
fn read_from_one<N: From<NonZeroU32>>(r: &mut Reader<'_>) -> Result<Option<N>, ParseError> {
    let start = r.offset();
    let value = read_small(r)?;
    if value == 0 {
        r.deviate_at(start, deviation::ZERO_FOR_NUMBER)?;
    }
    Ok(NonZeroU32::new(value).map(N::from))
}
