//! The numbers of messages, each its own type.

use core::num::NonZeroU32;

use mailwire_core::{ParseError, number};

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
