//! The numbers of messages, each its own type.

use core::num::NonZeroU32;

use mailwire_core::{ParseError, ParseErrorKind, number};

use super::reader::Reader;

number! {
    /// The unique identifier of a message in its mailbox, from 1 on (RFC 9051 section 2.3.1.1).
    Uid(NonZeroU32) from u32, "unique identifier", "not from 1 to 4294967295", NonZeroU32::new, NonZeroU32::get
}

number! {
    /// The place of a message in its mailbox, from 1 on. It changes when others are expunged
    /// (RFC 9051 section 2.3.1.2).
    SeqNumber(NonZeroU32) from u32, "sequence number", "not from 1 to 4294967295", NonZeroU32::new, NonZeroU32::get
}

number! {
    /// The value that says whether unique identifiers still mean the same messages, from 1 on
    /// ([RFC 9051 section 2.3.1.1](https://www.rfc-editor.org/rfc/rfc9051#section-2.3.1.1)).
    UidValidity(NonZeroU32) from u32, "UIDVALIDITY", "not from 1 to 4294967295", NonZeroU32::new, NonZeroU32::get
}

number! {
    /// A modification sequence, of 63 bits (RFC 7162). Zero is before all changes.
    ModSeq(u64) from u64, "modification sequence", "beyond 63 bits", below_63_bits, identity
}

const fn below_63_bits(number: u64) -> Option<u64> {
    if number >> 63 == 0 { Some(number) } else { None }
}

const fn identity(number: u64) -> u64 {
    number
}

/// What sets of messages hold: [`SeqNumber`], [`Uid`], or a number of either kind.
pub trait SetMember: Copy + Ord + From<NonZeroU32> + sealed::Sealed {
    #[doc(hidden)]
    fn to_nz(self) -> NonZeroU32;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! from_one {
    ($($name:ident),*) => {$(
        impl From<NonZeroU32> for $name {
            #[inline]
            fn from(number: NonZeroU32) -> Self {
                Self(number)
            }
        }

        impl From<$name> for NonZeroU32 {
            #[inline]
            fn from(number: $name) -> Self {
                number.0
            }
        }
    )*};
}

from_one!(Uid, SeqNumber, UidValidity);

impl sealed::Sealed for Uid {}
impl sealed::Sealed for SeqNumber {}
impl sealed::Sealed for NonZeroU32 {}

impl SetMember for Uid {
    #[inline]
    fn to_nz(self) -> NonZeroU32 {
        self.0
    }
}

impl SetMember for SeqNumber {
    #[inline]
    fn to_nz(self) -> NonZeroU32 {
        self.0
    }
}

impl SetMember for NonZeroU32 {
    #[inline]
    fn to_nz(self) -> NonZeroU32 {
        self
    }
}

impl ModSeq {
    /// Before all changes.
    pub const ZERO: Self = Self(0);
}

impl ModSeq {
    /// ```text
    /// mod-sequence-valzer = "0" / mod-sequence-value
    /// ```
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        Self::new(r.number_u64()?)
            .ok_or(ParseError::new(start, "number too large").with_kind(ParseErrorKind::OutOfRange))
    }
}

impl SeqNumber {
    /// The first of all.
    pub const MIN: Self = Self(NonZeroU32::MIN);
    /// The last that can be.
    pub const MAX: Self = Self(NonZeroU32::MAX);
}

impl UidValidity {
    /// The lowest value.
    pub const MIN: Self = Self(NonZeroU32::MIN);
}

impl Uid {
    /// The first of all.
    pub const MIN: Self = Self(NonZeroU32::MIN);
    /// The last of all.
    pub const MAX: Self = Self(NonZeroU32::MAX);
}
