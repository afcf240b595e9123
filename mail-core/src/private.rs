//! What the protocol crates need of this one and nobody else: no part of the public API, and changed
//! in any release.

pub use alloc::boxed::Box;
use core::{cmp, hash, ops::RangeInclusive};

use bytes::Bytes;
pub use bytes::BytesMut;

use crate::{Invalid, Secret, deviation};
pub use crate::{
    calendar::{HeaderDate, MONTHS, day_of_epoch, days_in, days_since_epoch},
    classes::ByteClasses,
    dot::bare::TextSearch,
    escapes::{hex, unescape},
    gate::{Gate, Park},
    keywords::{keyword, keyword_key, long_keyword_key},
    nul::NulSearch,
    numbers::write_number,
    upgrade::{await_tls, once_drained, refuse_injection},
    words::words,
};

/// Text of which the caller knows that nothing in it stands alone, as it is a piece of what was looked through; a line end may be cut in
/// two at its ends, which whoever sends it sees to.
#[must_use]
pub const fn known_text(bytes: Bytes) -> crate::dot::CheckedText {
    crate::dot::CheckedText::known(bytes)
}

/// That a text has a length that is allowed, in bytes, and only bytes that are.
///
/// # Errors
///
/// The first byte that is wrong, for `reason`; or the length.
pub fn check_text(
    what: &'static str,
    text: &[u8],
    length: RangeInclusive<usize>,
    allowed: impl Fn(u8) -> bool,
    reason: &'static str,
) -> Result<(), Invalid> {
    match text.iter().position(|&byte| !allowed(byte)) {
        Some(offset) => Err(Invalid::new(what, offset, reason)),
        None if length.contains(&text.len()) => Ok(()),
        None if text.is_empty() => Err(Invalid::new(what, 0, "it is empty")),
        None if text.len() < *length.start() => Err(Invalid::new(what, text.len(), "it is too short")),
        None => Err(Invalid::new(what, *length.end(), "it is too long")),
    }
}

/// Takes the first bytes off an input that may hold a secret: they are zeroed where they stood, and the
/// copy of them when its last slice is dropped.
pub fn take_secret(input: &mut BytesMut, length: usize) -> Bytes {
    Secret::take(input, length)
}

/// The value of a letter of base64 ([RFC 4648 section 4](https://www.rfc-editor.org/rfc/rfc4648#section-4)).
#[inline]
#[must_use]
pub const fn base64_value(letter: u8) -> Option<u8> {
    Some(match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

/// The order of texts in which the case of ASCII letters does not count.
#[must_use]
pub fn cmp_ignore_case(a: &[u8], b: &[u8]) -> cmp::Ordering {
    a.iter().map(u8::to_ascii_uppercase).cmp(b.iter().map(u8::to_ascii_uppercase))
}

/// The hash of a text in which the case of ASCII letters does not count.
pub fn hash_ignore_case<H: hash::Hasher>(text: &[u8], state: &mut H) {
    text.iter().for_each(|byte| state.write_u8(byte.to_ascii_uppercase()));
    state.write_u8(0xff);
}

/// The text of a line of documentation.
#[must_use]
pub const fn doc_text(doc: &str) -> &str {
    doc.trim_ascii_start()
}

/// What a deviation of several protocols means.
///
/// # Panics
///
/// At build time, if it is none.
#[must_use]
#[allow(clippy::indexing_slicing, clippy::panic)] // In constants only, where a mistake does not build.
pub const fn meaning_of_deviation(name: &str) -> &'static str {
    let mut at = 0;
    while at < deviation::ALL.len() {
        let (known, meaning) = deviation::ALL[at];
        if is_same(known.as_bytes(), name.as_bytes()) {
            return meaning;
        }
        at += 1;
    }
    panic!("not a deviation of several protocols")
}

#[allow(clippy::indexing_slicing)]
const fn is_same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    a.len() == b.len()
}
