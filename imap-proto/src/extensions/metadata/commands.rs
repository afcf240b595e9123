//! What is asked about annotations, and what is said.

use alloc::vec::Vec;

use mailwire_core::{Dialect, ParseError, ParseErrorKind, Text, keywords, setters};

use super::{
    super::{rest, spaced},
    Depth, EntryName,
    entry::{no_entries, put_value, read_values, write_value},
};
use crate::{
    capability::Capability,
    command::{Rules, Writer, rules},
    deviation,
    types::{MailboxName, Reader, chars, eat_nil, write_astring, write_spaced},
};

// Types

/// What a client asks about annotations. The empty mailbox name is the server.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum MetadataCommand {
    /// `GETMETADATA`: reads annotations (section 4.2).
    Get(GetMetadata),
    /// `SETMETADATA`: writes annotations, all or none (section 4.3).
    Set {
        /// The mailbox; the empty name is the server.
        mailbox: MailboxName,
        /// Entries and their new values, at least one. `None` removes the entry.
        entries: Vec<(EntryName, Option<Text>)>,
    },
}

/// `GETMETADATA` ([RFC 5464 section 4.2](https://www.rfc-editor.org/rfc/rfc5464#section-4.2)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct GetMetadata {
    /// The mailbox; the empty name is the server.
    pub mailbox: MailboxName,
    /// The entries, at least one.
    pub entries: Vec<EntryName>,
    /// `MAXSIZE`: values of more bytes are left out.
    pub max_size: Option<u32>,
    /// `DEPTH`: whether what lies below the entries is asked for, too.
    pub depth: Depth,
}

/// What a server says about annotations.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum MetadataData {
    /// `METADATA` with values: what was asked for (section 4.4.1).
    Values {
        /// The mailbox; the empty name is the server.
        mailbox: MailboxName,
        /// Entries and their values. `None`: there is no such entry.
        entries: Vec<(EntryName, Option<Text>)>,
    },
    /// `METADATA` without values: these entries were changed by somebody else (section 4.4.2).
    Changed {
        /// The mailbox; the empty name is the server.
        mailbox: MailboxName,
        /// The entries.
        entries: Vec<EntryName>,
    },
}

impl MetadataCommand {
    /// `SETMETADATA`: entries and their new values, at least one. `None` removes the entry.
    #[must_use]
    pub fn set(mailbox: MailboxName, entries: impl Into<Vec<(EntryName, Option<Text>)>>) -> Self {
        Self::Set { mailbox, entries: entries.into() }
    }
}

impl GetMetadata {
    /// Asks for these entries of a mailbox, or of the server if the name is empty.
    #[must_use]
    pub fn new(mailbox: MailboxName, entries: impl Into<Vec<EntryName>>) -> Self {
        Self { mailbox, entries: entries.into(), max_size: None, depth: Depth::Zero }
    }
}

setters!(const GetMetadata {
    with_max_size(max_size: Option<u32>),
    with_depth(depth: Depth),
});

keywords! {
    enum Verb { Get = "GETMETADATA", Set = "SETMETADATA" }
}

keywords! {
    enum OptionName { MaxSize = "MAXSIZE", Depth = "DEPTH" }
}

// Rules

impl MetadataCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Get(_) => Verb::Get,
            Self::Set { .. } => Verb::Set,
        }
        .as_str()
    }

    pub(crate) fn rules(&self) -> Rules {
        let (Self::Get(GetMetadata { mailbox, .. }) | Self::Set { mailbox, .. }) = self;
        if mailbox.as_bytes().is_empty() {
            of_server()
        } else {
            rules::logged_in().needs(&Capability::Metadata)
        }
    }

    pub(crate) fn row(name: &[u8]) -> Option<Rules> {
        Verb::of(name).map(|_| of_server())
    }
}

fn of_server() -> Rules {
    rules::logged_in().needs_one_of(&[Capability::Metadata, Capability::MetadataServer])
}

// Grammar

impl GetMetadata {
    /// ```text
    /// getmetadata         = "GETMETADATA" [SP getmetadata-options] SP mailbox SP entries
    /// getmetadata-options = "(" getmetadata-option *(SP getmetadata-option) ")"
    /// maxsize-opt         = "MAXSIZE" SP number
    /// scope-opt           = "DEPTH" SP ("0" / "1" / "infinity")
    /// entries             = entry / "(" entry *(SP entry) ")"
    /// ```
    ///
    /// Lenient: the options after the mailbox, as the examples of RFC 5464 have them; no options between the parentheses.
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let mut get = Self::new(MailboxName::INBOX, []);
        r.space()?;
        if r.peek() == Some(b'(') {
            get.read_options(r)?;
            r.space()?;
        }
        get.mailbox = MailboxName::read(r)?;
        r.space()?;
        if r.peek() == Some(b'(') && r.peek_at(1).is_some_and(|byte| byte.is_ascii_alphabetic()) {
            r.deviate(deviation::OPTIONS_AFTER_MAILBOX)?;
            get.read_options(r)?;
            r.space()?;
        }
        if r.peek() == Some(b'(') {
            get.entries = EntryName::read_list(r)?;
        } else {
            get.entries.push(EntryName::read(r)?);
        }
        Ok(get)
    }

    fn read_options(&mut self, r: &mut Reader<'_>) -> Result<(), ParseError> {
        let list = r.offset();
        r.expect(b'(', "expected (")?;
        let mut is_empty = true;
        r.items(|r| {
            is_empty = false;
            let start = r.offset();
            match OptionName::of(r.take_class(chars::ATOM)) {
                Some(OptionName::MaxSize) => self.max_size = Some(spaced(r, |r| r.number_u32())?),
                Some(OptionName::Depth) => self.depth = spaced(r, Depth::read)?,
                None => {
                    let unknown = ParseError::new(start, "unknown GETMETADATA option");
                    return Err(unknown.with_kind(ParseErrorKind::Unknown));
                }
            }
            Ok(())
        })?;
        if is_empty { r.deviate_at(list, deviation::EMPTY_LIST) } else { Ok(()) }
    }

    fn write(&self, e: &mut Writer<'_>) {
        if self.max_size.is_some() || self.depth != Depth::Zero {
            let mut before: &[u8] = b"(";
            if let Some(max_size) = self.max_size {
                e.put(b"(MAXSIZE ");
                e.number(u64::from(max_size));
                before = b" ";
            }
            if self.depth != Depth::Zero {
                e.put(before);
                e.put(b"DEPTH ");
                e.put(self.depth.as_bytes());
            }
            e.put(b") ");
        }
        e.mailbox(&self.mailbox);
        e.put(b" ");
        EntryName::write_list(&self.entries, e);
    }
}

impl MetadataCommand {
    /// ```text
    /// setmetadata = "SETMETADATA" SP mailbox SP entry-values
    /// ```
    ///
    /// After the name. `None`: the name is not one of these.
    pub(crate) fn read(name: &[u8], r: &mut Reader<'_>) -> Option<Result<Self, ParseError>> {
        Some(match Verb::of(name)? {
            Verb::Get => GetMetadata::read(r).map(Self::Get),
            Verb::Set => spaced(r, MailboxName::read).and_then(|mailbox| {
                r.space()?;
                let start = r.offset();
                let entries = read_values(r)?;
                if entries.is_empty() { Err(no_entries(start)) } else { Ok(Self::Set { mailbox, entries }) }
            }),
        })
    }

    pub(crate) fn write(&self, e: &mut Writer<'_>) {
        e.put(self.name().as_bytes());
        e.put(b" ");
        match self {
            Self::Get(get) => get.write(e),
            Self::Set { mailbox, entries } => {
                e.mailbox(mailbox);
                e.put(b" (");
                e.spaced(entries, |e, (name, value)| {
                    e.astring_bytes(name.as_bytes());
                    e.put(b" ");
                    put_value(value.as_ref(), e);
                });
                e.put(b")");
            }
        }
    }
}

impl MetadataData {
    /// ```text
    /// metadata-resp = "METADATA" SP mailbox SP (entry-values / entry-list)
    /// entry-list    = entry *(SP entry)
    /// ```
    ///
    /// After the name. `None`: the name is not this one. Lenient: no entries.
    pub(crate) fn read(name: &[u8], r: &mut Reader<'_>) -> Option<Result<Self, ParseError>> {
        if !name.eq_ignore_ascii_case(b"METADATA") {
            return None;
        }
        Some(spaced(r, MailboxName::read).and_then(|mailbox| Self::read_entries(mailbox, r)))
    }

    fn read_entries(mailbox: MailboxName, r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        let start = r.offset();
        if r.peek() == Some(b'(') {
            let entries = read_values(r)?;
            if entries.is_empty() {
                r.deviate_at(start, deviation::EMPTY_LIST)?;
            }
            return Ok(Self::Values { mailbox, entries });
        }
        // NIL alone is said where there is nothing.
        if r.dialect() == Dialect::Lenient && eat_nil(r) {
            r.deviate_at(start, deviation::NIL_FOR_EMPTY_LIST)?;
            return Ok(Self::Values { mailbox, entries: Vec::new() });
        }
        let mut entries = alloc::vec![EntryName::read(r)?];
        entries.extend(rest(r, EntryName::read)?);
        Ok(Self::Changed { mailbox, entries })
    }

    pub(crate) const fn name(&self) -> &'static str {
        "METADATA"
    }

    /// Whether the grammar has a form for it: there are entries.
    pub(crate) fn has_form(&self) -> bool {
        match self {
            Self::Values { entries, .. } => !entries.is_empty(),
            Self::Changed { entries, .. } => !entries.is_empty(),
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"METADATA ");
        match self {
            Self::Values { mailbox, entries } => {
                mailbox.write(out);
                out.extend_from_slice(b" (");
                write_spaced(out, entries, |out, (name, value)| {
                    write_astring(out, name.as_bytes());
                    out.push(b' ');
                    write_value(out, value.as_ref());
                });
                out.push(b')');
            }
            Self::Changed { mailbox, entries } => {
                mailbox.write(out);
                for name in entries {
                    out.push(b' ');
                    write_astring(out, name.as_bytes());
                }
            }
        }
    }
}

// Values for fuzzing

#[cfg(feature = "arbitrary")]
mod arbitrary {
    use ::arbitrary::{Arbitrary, Result, Unstructured};

    use super::{GetMetadata, MetadataCommand, MetadataData};
    use crate::{
        command::arbitrary::{mailbox, some},
        extensions::metadata::entry::arbitrary::values,
    };

    impl<'a> Arbitrary<'a> for MetadataCommand {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let mailbox = mailbox(u)?;
            if u.arbitrary()? {
                return Ok(Self::Set { mailbox, entries: values(u)? });
            }
            let get = GetMetadata::new(mailbox, some(u, |u| u.arbitrary())?);
            Ok(Self::Get(get.with_max_size(u.arbitrary()?).with_depth(u.arbitrary()?)))
        }
    }

    impl<'a> Arbitrary<'a> for MetadataData {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let mailbox = mailbox(u)?;
            if u.arbitrary()? {
                Ok(Self::Values { mailbox, entries: values(u)? })
            } else {
                Ok(Self::Changed { mailbox, entries: some(u, |u| u.arbitrary())? })
            }
        }
    }
}
