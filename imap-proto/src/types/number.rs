//! Numbers of real servers.

use mailwire_core::{Dialect, ParseError, ParseErrorKind};

use super::{numbers::ModSeq, reader::Reader, string::eat_nil};
use crate::deviation;

/// ```text
/// number64 = 1*DIGIT
/// ```
///
/// A size or count. Lenient: quoted; in scientific notation; negative, `NIL` or beyond 64 bits,
/// which is unknown.
#[inline]
pub(crate) fn read_count(r: &mut Reader<'_>) -> Result<Option<u64>, ParseError> {
    let start = r.offset();
    let digits = r.take_while(|byte| byte.is_ascii_digit());
    if !digits.is_empty() && digits.len() < 20 && matches!(r.peek(), None | Some(b' ' | b')' | b']')) {
        // At most 19 digits fit into 64 bits.
        return Ok(Some(digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'))));
    }
    r.seek(start);
    odd_count(r)
}

/// Reads a number of bytes or lines that must be known.
#[inline]
pub(crate) fn read_known_count(r: &mut Reader<'_>) -> Result<u64, ParseError> {
    let start = r.offset();
    read_count(r)?.ok_or(ParseError::new(start, "not a number"))
}

/// ```text
/// mod-sequence-value = 1*DIGIT     ; from 1 to 63 bits
/// ```
///
/// Lenient: 0 and less, and what is beyond, which are none.
pub(crate) fn read_mod_seq(r: &mut Reader<'_>) -> Result<Option<ModSeq>, ParseError> {
    let start = r.offset();
    let value = read_count(r)?;
    if value == Some(0) {
        r.deviate_at(start, deviation::ZERO_FOR_MODSEQ)?;
    }
    match value.map(ModSeq::new) {
        Some(None) if r.dialect() == Dialect::Strict => {
            Err(ParseError::new(start, "number too large").with_kind(ParseErrorKind::OutOfRange))
        }
        Some(None) => r.deviate_at(start, deviation::NUMBER_TOO_LARGE).map(|()| None),
        value => Ok(value.flatten().filter(|value| *value != ModSeq::ZERO)),
    }
}

#[cold]
fn odd_count(r: &mut Reader<'_>) -> Result<Option<u64>, ParseError> {
    let start = r.offset();
    if eat_nil(r) {
        return r.deviate_at(start, deviation::NIL_FOR_NUMBER).map(|()| None);
    }
    if r.peek() == Some(b'"') {
        r.deviate(deviation::QUOTED_NUMBER)?;
        r.skip(1);
        let value = match r.peek() {
            Some(b'"') => None,
            _ => odd_count(r)?,
        };
        r.expect(b'"', "expected a closing quote")?;
        return Ok(value);
    }
    if r.peek() == Some(b'-') {
        r.deviate(deviation::NEGATIVE_NUMBER)?;
        r.skip(1);
        if r.take_while(|byte| byte.is_ascii_digit() || byte == b'.').is_empty() {
            return Err(r.error("expected a number"));
        }
        return Ok(None);
    }
    if r.peek() == Some(b'+') {
        r.deviate(deviation::SIGNED_NUMBER)?;
        r.skip(1);
    }
    let whole = r.take_while(|byte| byte.is_ascii_digit());
    if whole.is_empty() {
        return Err(r.error("expected a number"));
    }
    let mut value = decimal(0, whole);
    if !matches!(r.peek(), Some(b'.' | b'e' | b'E')) {
        if value.is_none() {
            if r.dialect() == Dialect::Strict {
                return Err(ParseError::new(start, "number too large").with_kind(ParseErrorKind::OutOfRange));
            }
            r.deviate_at(start, deviation::NUMBER_TOO_LARGE)?;
        }
        return Ok(value);
    }
    r.deviate_at(start, deviation::FRACTION_FOR_NUMBER)?;
    let fraction = if r.eat(b'.') { r.take_while(|byte| byte.is_ascii_digit()) } else { &[] };
    let mut exponent = 0usize;
    let mut shrinks = false;
    if matches!(r.peek(), Some(b'e' | b'E')) {
        r.skip(1);
        shrinks = r.peek() == Some(b'-');
        if matches!(r.peek(), Some(b'+' | b'-')) {
            r.skip(1);
        }
        exponent = r.take_while(|byte| byte.is_ascii_digit()).iter().fold(0, |value: usize, digit| {
            value.saturating_mul(10).saturating_add(usize::from(digit - b'0'))
        });
    }
    if shrinks {
        let mut left = exponent;
        while left > 0 && value.is_some_and(|value| value > 0) {
            value = value.map(|value| value / 10);
            left -= 1;
        }
        return Ok(value);
    }
    // The integer part of the number: as many digits of the fraction as the exponent says.
    for at in 0..exponent.min(40) {
        let digit = fraction.get(at).map_or(0, |digit| digit - b'0');
        value = value.and_then(|value| value.checked_mul(10)?.checked_add(u64::from(digit)));
    }
    Ok(if exponent > 40 && value != Some(0) { None } else { value })
}

fn decimal(from: u64, digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(from, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}
