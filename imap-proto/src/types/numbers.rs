//! The numbers of messages, each its own type.

use core::{fmt, num::NonZeroU32, str::FromStr};

use mailwire_core::{Invalid, ParseError};

use super::reader::Reader;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty) from $plain:ty, $what:literal, $range:literal, $check:expr, $get:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
        pub struct $name($inner);

        impl $name {
            /// A number of this kind, if it is one.
            #[must_use]
            #[inline]
            pub const fn new(number: $plain) -> Option<Self> {
                match $check(number) {
                    Some(number) => Some(Self(number)),
                    None => None,
                }
            }

            /// The number.
            #[must_use]
            #[inline]
            pub const fn get(self) -> $plain {
                $get(self.0)
            }
        }

        impl From<$name> for $plain {
            #[inline]
            fn from(number: $name) -> Self {
                number.get()
            }
        }

        impl TryFrom<$plain> for $name {
            type Error = Invalid;
            fn try_from(number: $plain) -> Result<Self, Invalid> {
                Self::new(number).ok_or(Invalid::new($what, 0, $range))
            }
        }

        impl FromStr for $name {
            type Err = Invalid;
            fn from_str(text: &str) -> Result<Self, Invalid> {
                text.parse().ok().and_then(Self::new).ok_or(Invalid::new($what, 0, $range))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.get().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.get())
            }
        }

        #[cfg(feature = "arbitrary")]
        impl<'a> arbitrary::Arbitrary<'a> for $name {
            fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
                Self::new(u.arbitrary()?).ok_or(arbitrary::Error::IncorrectFormat)
            }
        }

        impl PartialEq<$plain> for $name {
            fn eq(&self, number: &$plain) -> bool {
                self.get() == *number
            }
        }
    };
}

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
    /// A modification sequence, of 63 bits (RFC 7162). Zero is before all changes.
    ModSeq(u64) from u64, "modification sequence", "beyond 63 bits", below_63_bits, identity
}

const fn below_63_bits(number: u64) -> Option<u64> {
    if number >> 63 == 0 { Some(number) } else { None }
}

const fn identity(number: u64) -> u64 {
    number
}

impl From<NonZeroU32> for Uid {
    fn from(number: NonZeroU32) -> Self {
        Self(number)
    }
}

impl From<NonZeroU32> for SeqNumber {
    fn from(number: NonZeroU32) -> Self {
        Self(number)
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
        Self::new(r.number_u64()?).ok_or(ParseError::new(start, "number too large"))
    }
}

impl Uid {
    /// The first of all.
    pub const MIN: Self = Self(NonZeroU32::MIN);
}
