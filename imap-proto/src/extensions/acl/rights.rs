//! Rights, and how SETACL changes them.

use alloc::vec::Vec;
use core::fmt;

use mailwire_core::{Invalid, ParseError};

use crate::{
    deviation,
    types::{Reader, read_astring},
};

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
        const LETTERS: &[u8] = b"lrswipkxteancdbfghjmoquvyz0123456789";
        LETTERS.iter().copied().filter(move |&letter| self.contains(Self::one(letter)))
    }

    pub(super) fn write(self, out: &mut Vec<u8>) {
        let start = out.len();
        self.write_letters(out);
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
    #[inline]
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

/// How SETACL changes an identifier's rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum RightsChange {
    /// These are all that it has.
    Replace(Rights),
    /// It has these beside those that it had.
    Add(Rights),
    /// It has these no more.
    Remove(Rights),
}

impl RightsChange {
    /// What becomes of these rights.
    #[inline]
    #[must_use]
    pub const fn applied_to(self, before: Rights) -> Rights {
        match self {
            Self::Replace(rights) => rights.current(),
            Self::Add(rights) => before.with(rights.current()),
            Self::Remove(rights) => before.without(rights.current()),
        }
    }
}

// Grammar

impl Rights {
    /// ```text
    /// rights = astring
    /// ```
    ///
    /// Lenient: other characters, which are left out.
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
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
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        let text = read_astring(r)?;
        let (make, letters): (fn(Rights) -> Self, &[u8]) = match text.as_bytes() {
            [b'+', letters @ ..] => (Self::Add, letters),
            [b'-', letters @ ..] => (Self::Remove, letters),
            letters => (Self::Replace, letters),
        };
        Rights::read_letters(r, start, letters).map(make)
    }

    pub(super) fn write(self, out: &mut Vec<u8>) {
        let (sign, rights): (&[u8], _) = match self {
            Self::Replace(rights) => return rights.write(out),
            Self::Add(rights) => (b"+", rights),
            Self::Remove(rights) => (b"-", rights),
        };
        out.extend_from_slice(sign);
        rights.write_letters(out);
    }
}

// Values for fuzzing

#[cfg(feature = "arbitrary")]
mod arbitrary {
    use ::arbitrary::{Arbitrary, Result, Unstructured};

    use super::{Rights, RightsChange};

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
}
