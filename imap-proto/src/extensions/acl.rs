//! ACL: who may do what with a mailbox ([RFC 4314](https://www.rfc-editor.org/rfc/rfc4314)).
//!
//! ```
//! use mailwire_imap::command::{Command, Request, WriteOptions};
//! use mailwire_imap::extensions::acl::{AclCommand, Rights, RightsChange};
//! use mailwire_imap::types::{MailboxName, Tag};
//!
//! let change = RightsChange::Add(Rights::new("lrs")?);
//! let command = AclCommand::set(MailboxName::new("Archive")?, "fred", change)?;
//! let mut out = Vec::new();
//! Request { tag: Tag::new("a1")?, command: command.into() }.write(WriteOptions::default(), &mut out);
//! assert_eq!(out, b"a1 SETACL Archive fred +lrs\r\n");
//! # Ok::<(), mailwire_core::Invalid>(())
//! ```

use alloc::vec::Vec;
use core::fmt;

use mailwire_core::{Invalid, ParseError, Text, keywords};

use super::{more, spaced};
use crate::{
    capability::Capability,
    command::{AString, Rules, Writer, rules},
    deviation,
    types::{MailboxName, Reader, read_astring, write_astring},
};

// Types

/// What a client asks about the rights to a mailbox.
///
/// An identifier is a user or a group, in UTF-8; `anyone` is everybody, and one that begins with `-` loses the
/// rights that are given to it ([RFC 4314 section 2](https://www.rfc-editor.org/rfc/rfc4314#section-2)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum AclCommand {
    /// `SETACL`: gives rights to an identifier, or takes some away (section 3.1).
    Set {
        /// The mailbox.
        mailbox: MailboxName,
        /// Who has the rights.
        identifier: AString,
        /// How they change.
        change: RightsChange,
    },
    /// `DELETEACL`: takes an identifier and its rights off the list (section 3.2).
    Delete {
        /// The mailbox.
        mailbox: MailboxName,
        /// Who has the rights.
        identifier: AString,
    },
    /// `GETACL`: who has which rights to a mailbox (section 3.3).
    Get(MailboxName),
    /// `LISTRIGHTS`: which rights can be given to an identifier (section 3.4).
    ListRights {
        /// The mailbox.
        mailbox: MailboxName,
        /// Who is to have them.
        identifier: AString,
    },
    /// `MYRIGHTS`: which rights the user has (section 3.5).
    MyRights(MailboxName),
}

/// What a server says about the rights to a mailbox.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum AclData {
    /// `ACL`: who has which rights (section 3.6).
    Acl {
        /// The mailbox.
        mailbox: MailboxName,
        /// Identifiers and their rights.
        entries: Vec<(AString, Rights)>,
    },
    /// `LISTRIGHTS`: which rights can be given (section 3.7).
    ListRights {
        /// The mailbox.
        mailbox: MailboxName,
        /// To whom.
        identifier: AString,
        /// What the identifier always has here.
        required: Rights,
        /// What it can be given: the rights of one member only together.
        optional: Vec<Rights>,
    },
    /// `MYRIGHTS`: which rights the user has (section 3.8).
    MyRights {
        /// The mailbox.
        mailbox: MailboxName,
        /// The rights.
        rights: Rights,
    },
}

/// How SETACL changes an identifier's rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum RightsChange {
    /// They are all that it has.
    Replace(Rights),
    /// It has them beside those that it had.
    Add(Rights),
    /// It has them no more.
    Remove(Rights),
}

/// A set of rights: small letters and digits ([RFC 4314 section
/// 2.1](https://www.rfc-editor.org/rfc/rfc4314#section-2.1)).
///
/// ```
/// use mailwire_imap::extensions::acl::Rights;
///
/// let rights = Rights::new("swlr")?;
/// assert!(rights.contains(Rights::READ | Rights::WRITE) && !rights.contains(Rights::POST));
/// assert_eq!(rights.to_string(), "lrsw");
/// # Ok::<(), mailwire_core::Invalid>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Rights(u64);

impl Rights {
    /// No rights.
    pub const NONE: Self = Self(0);
    /// `l`: the mailbox is seen by LIST and can be subscribed to.
    pub const LOOKUP: Self = Self::one(b'l');
    /// `r`: it can be opened, and STATUS asked of it.
    pub const READ: Self = Self::one(b'r');
    /// `s`: `\Seen` can be changed.
    pub const SEEN: Self = Self::one(b's');
    /// `w`: flags other than `\Seen` and `\Deleted` can be changed.
    pub const WRITE: Self = Self::one(b'w');
    /// `i`: messages can be put into it.
    pub const INSERT: Self = Self::one(b'i');
    /// `p`: mail can be sent to its address.
    pub const POST: Self = Self::one(b'p');
    /// `k`: mailboxes can be made below it.
    pub const CREATE: Self = Self::one(b'k');
    /// `x`: it can be deleted, and renamed.
    pub const DELETE_MAILBOX: Self = Self::one(b'x');
    /// `t`: `\Deleted` can be changed.
    pub const DELETE_MESSAGES: Self = Self::one(b't');
    /// `e`: messages can be expunged.
    pub const EXPUNGE: Self = Self::one(b'e');
    /// `a`: rights can be seen and changed.
    pub const ADMINISTER: Self = Self::one(b'a');
    /// `n`: shared annotations can be changed ([RFC 5257](https://www.rfc-editor.org/rfc/rfc5257)).
    pub const ANNOTATE: Self = Self::one(b'n');
    /// All rights of RFC 4314: `lrswipkxtea`.
    pub const ALL: Self = Self(
        Self::LOOKUP.0
            | Self::READ.0
            | Self::SEEN.0
            | Self::WRITE.0
            | Self::INSERT.0
            | Self::POST.0
            | Self::CREATE.0
            | Self::DELETE_MAILBOX.0
            | Self::DELETE_MESSAGES.0
            | Self::EXPUNGE.0
            | Self::ADMINISTER.0,
    );
    /// What `c` of RFC 2086 is today.
    const OLD_CREATE: Self = Self(Self::CREATE.0 | Self::DELETE_MAILBOX.0);
    /// What `d` of RFC 2086 is today.
    const OLD_DELETE: Self = Self(Self::DELETE_MESSAGES.0 | Self::EXPUNGE.0);

    /// The rights with these letters and digits, in any order.
    ///
    /// # Errors
    ///
    /// There is another character.
    pub fn new(letters: &str) -> Result<Self, Invalid> {
        let wrong = letters.bytes().position(|letter| bit(letter).is_none());
        match wrong {
            Some(at) => Err(Invalid::new("rights", at, "neither a small letter nor a digit")),
            None => Ok(Self::of(letters.as_bytes())),
        }
    }

    const fn one(letter: u8) -> Self {
        Self(match bit(letter) {
            Some(bit) => 1 << bit,
            None => 0,
        })
    }

    /// Those of the characters that are rights.
    fn of(letters: &[u8]) -> Self {
        Self(letters.iter().fold(0, |rights, &letter| rights | Self::one(letter).0))
    }

    /// Whether all of these are among them.
    #[must_use]
    pub const fn contains(self, rights: Self) -> bool {
        self.0 & rights.0 == rights.0
    }

    /// Whether any of these is among them.
    #[must_use]
    pub const fn intersects(self, rights: Self) -> bool {
        self.0 & rights.0 != 0
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// These and those.
    #[must_use]
    pub const fn with(self, rights: Self) -> Self {
        Self(self.0 | rights.0)
    }

    /// These without those.
    #[must_use]
    pub const fn without(self, rights: Self) -> Self {
        Self(self.0 & !rights.0)
    }

    /// The rights as RFC 4314 has them: `c` and `d` of RFC 2086 mean several of them.
    #[must_use]
    pub const fn current(self) -> Self {
        let (create, delete) = (Self::one(b'c'), Self::one(b'd'));
        let mut rights = self.without(create).without(delete);
        if self.intersects(create) {
            rights = rights.with(Self::OLD_CREATE);
        }
        if self.intersects(delete) {
            rights = rights.with(Self::OLD_DELETE);
        }
        rights
    }

    /// The rights as servers tell them: with `c` and `d` for clients that know no more than RFC 2086, where any of
    /// what they mean is there ([RFC 4314 section 2.1.1](https://www.rfc-editor.org/rfc/rfc4314#section-2.1.1)).
    #[must_use]
    pub const fn with_obsolete(self) -> Self {
        let mut rights = self;
        if self.intersects(Self::OLD_CREATE) {
            rights = rights.with(Self::one(b'c'));
        }
        if self.intersects(Self::OLD_DELETE) {
            rights = rights.with(Self::one(b'd'));
        }
        rights
    }

    /// Each right by itself, in the order in which RFC 4314 has them.
    pub fn iter(self) -> impl Iterator<Item = Self> {
        self.letters().map(Self::one)
    }

    /// The letters and digits, in the order in which RFC 4314 has them.
    fn letters(self) -> impl Iterator<Item = u8> {
        const USUAL: &[u8] = b"lrswipkxteancd";
        let others = (b'a'..=b'z').chain(b'0'..=b'9').filter(|letter| !USUAL.contains(letter));
        USUAL.iter().copied().chain(others).filter(move |&letter| self.contains(Self::one(letter)))
    }

    fn write(self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend(self.letters());
        // NIL is in capital letters.
        if out.len() == start {
            out.extend_from_slice(b"\"\"");
        }
    }

    /// Appends the letters for a capability.
    pub(crate) fn write_letters(self, out: &mut Vec<u8>) {
        out.extend(self.letters());
    }
}

/// The place of a right in a set.
const fn bit(letter: u8) -> Option<u32> {
    match letter {
        b'a'..=b'z' => Some((letter - b'a') as u32),
        b'0'..=b'9' => Some((letter - b'0') as u32 + 26),
        _ => None,
    }
}

impl core::ops::BitOr for Rights {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

impl TryFrom<&str> for Rights {
    type Error = Invalid;
    fn try_from(letters: &str) -> Result<Self, Invalid> {
        Self::new(letters)
    }
}

impl core::str::FromStr for Rights {
    type Err = Invalid;
    fn from_str(letters: &str) -> Result<Self, Invalid> {
        Self::new(letters)
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.letters().try_for_each(|letter| fmt::Write::write_char(f, char::from(letter)))
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rights({self})")
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Rights {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl RightsChange {
    /// What becomes of these rights.
    #[must_use]
    pub const fn applied_to(self, before: Rights) -> Rights {
        match self {
            Self::Replace(rights) => rights.current(),
            Self::Add(rights) => before.with(rights.current()),
            Self::Remove(rights) => before.without(rights.current()),
        }
    }
}

impl AclCommand {
    /// `SETACL`
    ///
    /// # Errors
    ///
    /// NUL, CR or LF in the identifier.
    pub fn set(
        mailbox: MailboxName,
        identifier: impl Into<Text>,
        change: RightsChange,
    ) -> Result<Self, Invalid> {
        Ok(Self::Set { mailbox, identifier: AString::new(identifier)?, change })
    }

    /// `DELETEACL`
    ///
    /// # Errors
    ///
    /// NUL, CR or LF in the identifier.
    pub fn delete(mailbox: MailboxName, identifier: impl Into<Text>) -> Result<Self, Invalid> {
        Ok(Self::Delete { mailbox, identifier: AString::new(identifier)? })
    }

    /// `LISTRIGHTS`
    ///
    /// # Errors
    ///
    /// NUL, CR or LF in the identifier.
    pub fn list_rights(mailbox: MailboxName, identifier: impl Into<Text>) -> Result<Self, Invalid> {
        Ok(Self::ListRights { mailbox, identifier: AString::new(identifier)? })
    }
}

keywords! {
    enum Verb {
        Set = "SETACL",
        Delete = "DELETEACL",
        Get = "GETACL",
        ListRights = "LISTRIGHTS",
        MyRights = "MYRIGHTS",
    }
}

keywords! {
    enum Noun {
        Acl = "ACL",
        ListRights = "LISTRIGHTS",
        MyRights = "MYRIGHTS",
    }
}

// Rules

impl AclCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Set { .. } => Verb::Set,
            Self::Delete { .. } => Verb::Delete,
            Self::Get(_) => Verb::Get,
            Self::ListRights { .. } => Verb::ListRights,
            Self::MyRights(_) => Verb::MyRights,
        }
        .as_str()
    }

    #[allow(clippy::unused_self)]
    pub(crate) fn rules(&self) -> Rules {
        rules::logged_in().needs(&Capability::Acl)
    }

    pub(crate) fn row(name: &[u8]) -> Option<Rules> {
        Verb::of(name).map(|_| rules::logged_in().needs(&Capability::Acl))
    }
}

// Grammar

impl Rights {
    /// ```text
    /// rights = astring
    /// ```
    ///
    /// Lenient: other characters, which are left out.
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        let letters = read_astring(r)?;
        Self::read_letters(r, start, letters.as_bytes())
    }

    fn read_letters(r: &mut Reader<'_>, start: usize, letters: &[u8]) -> Result<Self, ParseError> {
        if letters.iter().any(|&letter| bit(letter).is_none()) {
            r.deviate_at(start, deviation::ODD_RIGHT)?;
        }
        Ok(Self::of(letters))
    }
}

impl RightsChange {
    /// ```text
    /// mod-rights = astring     ; +rights to add, -rights to remove, rights to replace
    /// ```
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        let text = read_astring(r)?;
        let (make, letters): (fn(Rights) -> Self, &[u8]) = match text.as_bytes() {
            [b'+', letters @ ..] => (Self::Add, letters),
            [b'-', letters @ ..] => (Self::Remove, letters),
            letters => (Self::Replace, letters),
        };
        Rights::read_letters(r, start, letters).map(make)
    }

    fn write(self, out: &mut Vec<u8>) {
        let (sign, rights): (&[u8], _) = match self {
            Self::Replace(rights) => return rights.write(out),
            Self::Add(rights) => (b"+", rights),
            Self::Remove(rights) => (b"-", rights),
        };
        out.extend_from_slice(sign);
        rights.write_letters(out);
    }
}

impl AclCommand {
    /// ```text
    /// setacl     = "SETACL" SP mailbox SP identifier SP mod-rights
    /// deleteacl  = "DELETEACL" SP mailbox SP identifier
    /// getacl     = "GETACL" SP mailbox
    /// listrights = "LISTRIGHTS" SP mailbox SP identifier
    /// myrights   = "MYRIGHTS" SP mailbox
    /// ```
    ///
    /// After the name. `None`: the name is not one of these.
    pub(crate) fn read(name: &[u8], r: &mut Reader<'_>) -> Option<Result<Self, ParseError>> {
        Verb::of(name).map(|verb| Self::read_verb(verb, r))
    }

    fn read_verb(verb: Verb, r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let mailbox = spaced(r, MailboxName::read)?;
        Ok(match verb {
            Verb::Get => Self::Get(mailbox),
            Verb::MyRights => Self::MyRights(mailbox),
            Verb::Delete => Self::Delete { mailbox, identifier: spaced(r, AString::read)? },
            Verb::ListRights => Self::ListRights { mailbox, identifier: spaced(r, AString::read)? },
            Verb::Set => {
                let identifier = spaced(r, AString::read)?;
                Self::Set { mailbox, identifier, change: spaced(r, RightsChange::read)? }
            }
        })
    }

    pub(crate) fn write(&self, e: &mut Writer<'_>) {
        e.put(self.name().as_bytes());
        e.put(b" ");
        let (mailbox, identifier) = match self {
            Self::Get(mailbox) | Self::MyRights(mailbox) => (mailbox, None),
            Self::Set { mailbox, identifier, .. }
            | Self::Delete { mailbox, identifier }
            | Self::ListRights { mailbox, identifier } => (mailbox, Some(identifier)),
        };
        e.mailbox(mailbox);
        if let Some(identifier) = identifier {
            e.put(b" ");
            e.astring(identifier);
        }
        if let Self::Set { change, .. } = self {
            e.put(b" ");
            change.write(e.out);
        }
    }
}

impl AclData {
    /// ```text
    /// acl-data        = "ACL" SP mailbox *(SP identifier SP rights)
    /// listrights-data = "LISTRIGHTS" SP mailbox SP identifier SP rights *(SP rights)
    /// myrights-data   = "MYRIGHTS" SP mailbox SP rights
    /// ```
    ///
    /// After the name. `None`: the name is not one of these.
    pub(crate) fn read(name: &[u8], r: &mut Reader<'_>) -> Option<Result<Self, ParseError>> {
        Noun::of(name).map(|noun| Self::read_noun(noun, r))
    }

    fn read_noun(noun: Noun, r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let mailbox = spaced(r, MailboxName::read)?;
        Ok(match noun {
            Noun::Acl => {
                let mut entries = Vec::new();
                while more(r) {
                    let identifier = spaced(r, AString::read)?;
                    entries.push((identifier, spaced(r, Rights::read)?));
                }
                Self::Acl { mailbox, entries }
            }
            Noun::ListRights => {
                let identifier = spaced(r, AString::read)?;
                let required = spaced(r, Rights::read)?;
                let mut optional = Vec::new();
                while more(r) {
                    optional.push(spaced(r, Rights::read)?);
                }
                Self::ListRights { mailbox, identifier, required, optional }
            }
            Noun::MyRights => Self::MyRights { mailbox, rights: spaced(r, Rights::read)? },
        })
    }

    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Acl { .. } => Noun::Acl,
            Self::ListRights { .. } => Noun::ListRights,
            Self::MyRights { .. } => Noun::MyRights,
        }
        .as_str()
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name().as_bytes());
        out.push(b' ');
        let next = |out: &mut Vec<u8>, rights: Rights| {
            out.push(b' ');
            rights.write(out);
        };
        match self {
            Self::Acl { mailbox, entries } => {
                mailbox.write(out);
                for (identifier, rights) in entries {
                    out.push(b' ');
                    write_astring(out, identifier.as_bytes());
                    next(out, *rights);
                }
            }
            Self::ListRights { mailbox, identifier, required, optional } => {
                mailbox.write(out);
                out.push(b' ');
                write_astring(out, identifier.as_bytes());
                next(out, *required);
                optional.iter().for_each(|rights| next(out, *rights));
            }
            Self::MyRights { mailbox, rights } => {
                mailbox.write(out);
                next(out, *rights);
            }
        }
    }
}

// Values for fuzzing

#[cfg(feature = "arbitrary")]
mod arbitrary {
    use ::arbitrary::{Arbitrary, Result, Unstructured};

    use super::{AclCommand, AclData, Rights, RightsChange};
    use crate::command::arbitrary::{astring, mailbox, maybe, some};

    impl<'a> Arbitrary<'a> for Rights {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(Self(u.int_in_range(0..=(1 << 36) - 1)?))
        }
    }

    impl<'a> Arbitrary<'a> for RightsChange {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let make = u.choose(&[Self::Replace as fn(Rights) -> Self, Self::Add, Self::Remove])?;
            u.arbitrary().map(make)
        }
    }

    impl<'a> Arbitrary<'a> for AclCommand {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let (kind, mailbox) = (u.int_in_range(0..=4)?, mailbox(u)?);
            Ok(match kind {
                0 => Self::Get(mailbox),
                1 => Self::MyRights(mailbox),
                2 => Self::Delete { mailbox, identifier: astring(u)? },
                3 => Self::ListRights { mailbox, identifier: astring(u)? },
                _ => Self::Set { mailbox, identifier: astring(u)?, change: u.arbitrary()? },
            })
        }
    }

    impl<'a> Arbitrary<'a> for AclData {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let (kind, mailbox) = (u.int_in_range(0..=2)?, mailbox(u)?);
            Ok(match kind {
                0 => {
                    let entries = maybe(u, |u| some(u, |u| Ok((astring(u)?, u.arbitrary()?))))?;
                    Self::Acl { mailbox, entries: entries.unwrap_or_default() }
                }
                1 => Self::ListRights {
                    mailbox,
                    identifier: astring(u)?,
                    required: u.arbitrary()?,
                    optional: maybe(u, |u| some(u, |u| u.arbitrary()))?.unwrap_or_default(),
                },
                _ => Self::MyRights { mailbox, rights: u.arbitrary()? },
            })
        }
    }
}
