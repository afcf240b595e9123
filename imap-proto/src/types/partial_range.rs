//! A part of a result.

use core::{
    fmt,
    num::{NonZeroU32, NonZeroUsize},
    ops::Range,
};

use mailwire_core::{Invalid, ParseError};

use super::{
    reader::Reader,
    set::read_nz,
    text::{display, parse_whole},
    write::write_number,
};

/// A part of a result, by places in it: `partial-range`
/// ([RFC 9394 section 4](https://www.rfc-editor.org/rfc/rfc9394#section-4)).
///
/// Places count from 1: from the beginning of the result, or, written with a minus, from its end.
///
/// ```
/// use mailwire_imap::types::PartialRange;
///
/// let newest: PartialRange = "-1:-100".parse()?;
/// assert!(newest.is_from_end());
/// assert_eq!(newest.places(250), 150..250);
/// assert_eq!("200:300".parse::<PartialRange>()?.places(250), 199..250);
/// # Ok::<(), mailwire_core::Invalid>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PartialRange {
    from_end: bool,
    one: NonZeroU32,
    other: NonZeroU32,
}

impl PartialRange {
    /// The places from `one` to `other`, both included, in either order, from the beginning: `1:500`.
    #[must_use]
    pub const fn first(one: NonZeroU32, other: NonZeroU32) -> Self {
        Self { from_end: false, one, other }
    }

    /// The places from `one` to `other`, both included, in either order, from the end: `-1:-500`.
    #[must_use]
    pub const fn last(one: NonZeroU32, other: NonZeroU32) -> Self {
        Self { from_end: true, one, other }
    }

    /// Whether places count from the end.
    #[must_use]
    pub const fn is_from_end(self) -> bool {
        self.from_end
    }

    /// The most results that can be in the part.
    #[must_use]
    pub fn len(self) -> NonZeroUsize {
        let span = self.one.get().abs_diff(self.other.get());
        usize::try_from(span)
            .ok()
            .and_then(|span| NonZeroUsize::MIN.checked_add(span))
            .unwrap_or(NonZeroUsize::MAX)
    }

    /// The places of the part in a result of `count`, from 0 on and in the order of the result. It is empty if the
    /// whole part lies beyond the result.
    #[inline]
    #[must_use]
    pub fn places(self, count: usize) -> Range<usize> {
        let place = |number: NonZeroU32| usize::try_from(number.get()).unwrap_or(usize::MAX);
        let (low, high) = (place(self.one.min(self.other)), place(self.one.max(self.other)));
        if self.from_end {
            count.saturating_sub(high)..count.saturating_sub(low - 1)
        } else {
            (low - 1).min(count)..high.min(count)
        }
    }

    /// ```text
    /// partial-range-first = nz-number ":" nz-number
    /// partial-range-last  = MINUS nz-number ":" MINUS nz-number
    /// partial-range       = partial-range-first / partial-range-last
    /// ```
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let from_end = r.eat(b'-');
        let one = read_nz(r)?;
        r.expect(b':', "expected :")?;
        if from_end {
            r.expect(b'-', "expected -")?;
        }
        Ok(Self { from_end, one, other: read_nz(r)? })
    }

    /// Appends the range.
    pub(crate) fn write(self, out: &mut alloc::vec::Vec<u8>) {
        let sign: &[u8] = if self.from_end { b"-" } else { b"" };
        out.extend_from_slice(sign);
        write_number(out, u64::from(self.one.get()));
        out.push(b':');
        out.extend_from_slice(sign);
        write_number(out, u64::from(self.other.get()));
    }
}

impl core::str::FromStr for PartialRange {
    type Err = Invalid;
    #[inline]
    fn from_str(text: &str) -> Result<Self, Invalid> {
        parse_whole("part of a result", text, Self::read)
    }
}

impl fmt::Display for PartialRange {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, &|out| self.write(out))
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for PartialRange {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self { from_end: u.arbitrary()?, one: u.arbitrary()?, other: u.arbitrary()? })
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn parts_of_a_result() {
        let places = |range: &str, count| range.parse::<PartialRange>().unwrap().places(count);
        assert_eq!(places("1:500", 3), 0..3);
        assert_eq!(places("500:400", 450), 399..450);
        assert!(places("4:9", 3).is_empty() && places("-4:-9", 3).is_empty() && places("1:1", 0).is_empty());
        assert_eq!(places("-1:-1", 3), 2..3);
        assert_eq!(places("-4294967295:-2", 3), 0..2);
        assert_eq!("-7:-7".parse::<PartialRange>().unwrap().len().get(), 1);
        assert_eq!("9:4".parse::<PartialRange>().unwrap().to_string(), "9:4");
    }

    #[test]
    fn what_is_no_part() {
        for wrong in ["", "1", "0:1", "1:0", "-1:2", "1:-2", "1:*", "--1:-2", "1:2,3", "4294967296:1"] {
            assert!(wrong.parse::<PartialRange>().is_err(), "{wrong:?}");
        }
    }
}
