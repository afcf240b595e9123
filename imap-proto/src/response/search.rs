//! SEARCH and VANISHED: sets of messages.

use alloc::vec::Vec;

use mailwire_core::{Dialect, ParseError, ParseErrorKind, setters};

use crate::{
    deviation,
    types::{KnownUids, ModSeq, Reader, read_mod_seq, write_number, write_numbers},
};

/// The messages found, by SEARCH (RFC 9051 section 7.3.4) or SORT
/// ([RFC 5256 section 4](https://www.rfc-editor.org/rfc/rfc5256#section-4)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SearchData {
    /// Their sequence numbers, or unique identifiers after UID SEARCH, in the server's order.
    pub numbers: Vec<u32>,
    /// The highest modification sequence among them (RFC 7162).
    pub mod_seq: Option<ModSeq>,
}

impl SearchData {
    /// Makes the messages found, by sequence numbers or unique identifiers as they were asked for.
    #[must_use]
    pub const fn new(numbers: Vec<u32>) -> Self {
        Self { numbers, mod_seq: None }
    }

    /// ```text
    /// ("SEARCH" / "SORT") [1*(SP nz-number) [SP search-sort-mod-seq]]     ; RFC 7162
    /// search-sort-mod-seq = "(" "MODSEQ" SP mod-sequence-value ")"
    /// ```
    ///
    /// The name was read. Lenient: spaces; numbers that are 0 or do not fit, which are left out.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let mut numbers = Vec::new();
        // Most numbers have three digits or more; what is reserved is less than what came.
        numbers.reserve(r.rest().len() / 5);
        loop {
            read_plain(r, &mut numbers);
            if r.is_at_end() {
                return Ok(Self { numbers, mod_seq: None });
            }
            if r.peek() == Some(b' ') && matches!(r.peek_at(1), Some(b'(')) {
                r.skip(1);
                return Ok(Self { numbers, mod_seq: read_highest(r)? });
            }
            match misplaced_number(r)? {
                Misplaced::Number(number) => numbers.push(number),
                Misplaced::Nothing => {}
                Misplaced::ModSeq => return Ok(Self { numbers, mod_seq: read_highest(r)? }),
                Misplaced::End => return Ok(Self { numbers, mod_seq: None }),
            }
        }
    }

    pub(crate) fn write(&self, name: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(name);
        write_numbers(out, &self.numbers);
        if let Some(value) = self.mod_seq {
            out.extend_from_slice(b" (MODSEQ ");
            write_number(out, value.get());
            out.push(b')');
        }
    }
}

setters!(const SearchData {
    with_mod_seq(mod_seq: some ModSeq),
});

/// Reads as many as there are of one space and a number from 1 of at most nine digits: all but
/// always, all of them.
fn read_plain(r: &mut Reader<'_>, numbers: &mut Vec<u32>) {
    let mut rest = r.rest();
    while let [b' ', first @ b'1'..=b'9', digits @ ..] = rest {
        let mut value = u32::from(first - b'0');
        let mut after = digits;
        while let [digit @ b'0'..=b'9', next @ ..] = after {
            value = value.wrapping_mul(10).wrapping_add(u32::from(digit - b'0'));
            after = next;
        }
        if digits.len() - after.len() > 8 || !matches!(after, [] | [b' ', ..]) {
            break;
        }
        numbers.push(value);
        rest = after;
    }
    let end = r.rest().len() - rest.len();
    r.skip(end);
}

enum Misplaced {
    Number(u32),
    Nothing,
    /// What stands in parentheses is next.
    ModSeq,
    End,
}

#[cold]
fn misplaced_number(r: &mut Reader<'_>) -> Result<Misplaced, ParseError> {
    let start = r.offset();
    if matches!(r.peek(), Some(b' ' | b'\t' | b'\r'))
        && r.peek_at(1).is_none_or(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
    {
        r.take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r'));
        if r.is_at_end() {
            return r.deviate_at(start, deviation::SPACE_BEFORE_LINE_END).map(|()| Misplaced::End);
        }
        r.deviate_at(start, deviation::EXTRA_SPACE)?;
    } else if r.peek() == Some(b',') {
        r.deviate(deviation::COMMA_FOR_SPACE)?;
        r.skip(1);
    } else {
        r.expect_space()?;
    }
    if matches!(r.peek(), Some(b'(')) {
        return Ok(Misplaced::ModSeq);
    }
    let at = r.offset();
    let digits = r.take_while(|byte| byte.is_ascii_digit());
    if digits.is_empty() {
        return Err(r.error("expected a number"));
    }
    let value = digits
        .iter()
        .try_fold(0u32, |value, digit| value.checked_mul(10)?.checked_add(u32::from(digit - b'0')));
    match value {
        Some(0) => r.deviate_at(at, deviation::ZERO_FOR_MESSAGE_NUMBER).map(|()| Misplaced::Nothing),
        Some(value) => Ok(Misplaced::Number(value)),
        None if r.dialect() == Dialect::Strict => {
            Err(ParseError::new(at, "number too large").with_kind(ParseErrorKind::OutOfRange))
        }
        None => r.deviate_at(at, deviation::NUMBER_TOO_LARGE).map(|()| Misplaced::Nothing),
    }
}

/// The next byte is `(`.
fn read_highest(r: &mut Reader<'_>) -> Result<Option<ModSeq>, ParseError> {
    r.expect(b'(', "expected (")?;
    r.no_space()?;
    r.expect_ignore_case("MODSEQ", "expected MODSEQ")?;
    r.space()?;
    let value = read_mod_seq(r)?;
    r.no_space()?;
    r.expect(b')', "expected )")?;
    Ok(value)
}

/// The messages of these identifiers are gone (RFC 7162 section 3.2.10).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct VanishedData {
    /// Whether they went before this session knew of them, so that no number moves.
    pub earlier: bool,
    /// Their unique identifiers.
    pub uids: KnownUids,
}

impl VanishedData {
    /// Makes the messages that are gone; `earlier`: before this session knew of them.
    #[must_use]
    pub const fn new(earlier: bool, uids: KnownUids) -> Self {
        Self { earlier, uids }
    }

    /// ```text
    /// expunged-resp = "VANISHED" [SP "(EARLIER)"] SP known-uids
    /// ```
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        let earlier = r.eat(b'(');
        if earlier {
            r.no_space()?;
            r.expect_ignore_case("EARLIER", "expected EARLIER")?;
            r.no_space()?;
            r.expect(b')', "expected )")?;
            r.space()?;
        }
        Ok(Self { earlier, uids: KnownUids::read(r)? })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.earlier { b"VANISHED (EARLIER) " } else { b"VANISHED " });
        self.uids.write(out);
    }
}
