//! Values as texts for people and tests.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use mailwire_core::{Dialect, Invalid, ParseError};

use super::reader::{ParseContext, Reader};

/// Reads a value that is all of `text`.
pub(crate) fn parse_whole<T>(
    what: &'static str,
    text: &str,
    grammar: impl FnOnce(&mut Reader<'_>) -> Result<T, ParseError>,
) -> Result<T, Invalid> {
    let frame = Bytes::copy_from_slice(text.as_bytes());
    let invalid = |error: ParseError| Invalid::new(what, error.offset, error.reason);
    let context = ParseContext::new(Dialect::Strict);
    let mut reader = Reader::new(&frame, &context);
    let value = grammar(&mut reader).map_err(invalid)?;
    reader.expect_end().map_err(invalid)?;
    Ok(value)
}

/// Shows what `write` appends.
pub(crate) fn display(f: &mut fmt::Formatter<'_>, write: &dyn Fn(&mut Vec<u8>)) -> fmt::Result {
    let mut out = Vec::new();
    write(&mut out);
    match core::str::from_utf8(&out) {
        Ok(text) if text.is_ascii() => f.write_str(text),
        _ => fmt::Display::fmt(&mailwire_core::escape_ascii(&out), f),
    }
}
