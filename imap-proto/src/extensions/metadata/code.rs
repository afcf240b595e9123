//! What METADATA says in a response code.

use alloc::vec::Vec;

use mailwire_core::{ParseError, keywords};

use crate::{
    extensions::spaced,
    types::{Reader, chars, write_number},
};

/// What METADATA says in a response code ([RFC 5464 section
/// 5](https://www.rfc-editor.org/rfc/rfc5464#section-5)).
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum MetadataCode {
    /// `LONGENTRIES`: values were left out; the longest has so many bytes.
    LongEntries(u64),
    /// `MAXSIZE`: a value may have so many bytes at most.
    MaxSize(u64),
    /// `TOOMANY`: there are too many entries.
    TooMany,
    /// `NOPRIVATE`: there are no private entries here.
    NoPrivate,
}

keywords! {
    enum CodeName { LongEntries = "LONGENTRIES", MaxSize = "MAXSIZE", TooMany = "TOOMANY", NoPrivate = "NOPRIVATE" }
}

impl MetadataCode {
    /// ```text
    /// resp-text-code =/ "METADATA" SP ("LONGENTRIES" SP number / "MAXSIZE" SP number / "TOOMANY" / "NOPRIVATE")
    /// ```
    ///
    /// After the name.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        let start = r.offset();
        Ok(match CodeName::of(r.take_class(chars::ATOM)) {
            Some(CodeName::LongEntries) => Self::LongEntries(spaced(r, |r| r.number_u64())?),
            Some(CodeName::MaxSize) => Self::MaxSize(spaced(r, |r| r.number_u64())?),
            Some(CodeName::TooMany) => Self::TooMany,
            Some(CodeName::NoPrivate) => Self::NoPrivate,
            None => return Err(ParseError::new(start, "unknown METADATA code")),
        })
    }

    pub(crate) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"METADATA ");
        let (name, number) = match self {
            Self::LongEntries(number) => (CodeName::LongEntries, Some(number)),
            Self::MaxSize(number) => (CodeName::MaxSize, Some(number)),
            Self::TooMany => (CodeName::TooMany, None),
            Self::NoPrivate => (CodeName::NoPrivate, None),
        };
        out.extend_from_slice(name.as_str().as_bytes());
        if let Some(number) = number {
            out.push(b' ');
            write_number(out, number);
        }
    }
}

#[cfg(feature = "arbitrary")]
mod arbitrary {
    use ::arbitrary::{Arbitrary, Result, Unstructured};

    use super::MetadataCode;

    impl<'a> Arbitrary<'a> for MetadataCode {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(match u.int_in_range(0..=3)? {
                0 => Self::LongEntries(u.arbitrary()?),
                1 => Self::MaxSize(u.arbitrary()?),
                2 => Self::TooMany,
                _ => Self::NoPrivate,
            })
        }
    }
}
