//! The bridge from [`Cursor`] to grammars written with [nom 8](https://docs.rs/nom/8).
//!
//! It is for messages that are rare and have much grammar; what is read often is written on the cursor
//! itself. [`Cursor::run`] runs a grammar on what is left of the frame and steps over what it took;
//! [`run_all`] runs one on a message that is not part of a frame. The errors of both are a
//! [`ParseError`], with the offset and the reason where the grammar failed.
//!
//! # Examples
//!
//! ```
//! use bytes::Bytes;
//! use mailwire_core::{Cursor, Dialect, ParseError, grammar::{Grammar, byte, number64, space}};
//! use nom::{Parser, sequence::{delimited, separated_pair}};
//!
//! // range = "(" number64 SP number64 ")"
//! fn range<'a>(dialect: Dialect) -> impl Grammar<'a, (u64, u64)> {
//!     let pair = separated_pair(number64(), space(dialect), number64());
//!     delimited(byte(b'(', "expected ("), pair, byte(b')', "expected )"))
//! }
//!
//! let frame = Bytes::from_static(b"RANGE (1 20)");
//! let mut cursor = Cursor::new(&frame, Dialect::Strict);
//! cursor.expect_ignore_case("range ", "expected RANGE")?;
//! assert_eq!(cursor.run(|_| range(Dialect::Strict))?, (1, 20));
//! assert!(cursor.is_at_end());
//!
//! let frame = Bytes::from_static(b"(1 20");
//! let error = Cursor::new(&frame, Dialect::Strict).run(|_| range(Dialect::Strict));
//! assert_eq!(error, Err(ParseError::new(5, "expected )")));
//! # Ok::<(), ParseError>(())
//! ```

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use nom::{Err, Parser, error::ErrorKind};

use crate::{Cursor, Dialect, ParseError, Text, escapes::unescape};

/// What a nom grammar expected, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected<'a> {
    /// What was left there.
    pub rest: &'a [u8],
    /// What was expected.
    pub reason: &'static str,
}

/// A nom parser of bytes whose errors say what was [`Expected`]. Every such parser is one.
pub trait Grammar<'a, T>: Parser<&'a [u8], Output = T, Error = Expected<'a>> {}

impl<'a, T, P: Parser<&'a [u8], Output = T, Error = Expected<'a>>> Grammar<'a, T> for P {}

impl<'a> nom::error::ParseError<&'a [u8]> for Expected<'a> {
    fn from_error_kind(rest: &'a [u8], _: ErrorKind) -> Self {
        Self { rest, reason: "unexpected byte" }
    }

    fn append(_: &'a [u8], _: ErrorKind, inner: Self) -> Self {
        inner
    }

    /// The one that came further.
    fn or(self, other: Self) -> Self {
        if self.rest.len() < other.rest.len() { self } else { other }
    }
}

/// Gives a grammar the reason for which it fails at its first byte. Failures further on keep theirs.
pub fn expected<'a, T>(reason: &'static str, mut grammar: impl Grammar<'a, T>) -> impl Grammar<'a, T> {
    move |input: &'a [u8]| {
        grammar.parse_complete(input).map_err(|error| match error {
            Err::Error(error) if error.rest.len() == input.len() => Err::Error(Expected { reason, ..error }),
            Err::Failure(error) if error.rest.len() == input.len() => {
                Err::Failure(Expected { reason, ..error })
            }
            error => error,
        })
    }
}

/// Reads any number of `item`s between parentheses, with a space between two. The lenient dialect lets
/// spaces stand anywhere between them, and be left out.
pub fn list<'a, T>(
    dialect: Dialect,
    reason: &'static str,
    mut item: impl Grammar<'a, T>,
) -> impl Grammar<'a, Vec<T>> {
    move |input: &'a [u8]| {
        let mut items = Vec::new();
        let (mut rest, ()) = byte(b'(', reason).parse_complete(input)?;
        loop {
            if dialect == Dialect::Lenient {
                rest = rest.trim_ascii_start();
            }
            match rest {
                [b')', after @ ..] => return Ok((after, items)),
                _ if items.is_empty() || dialect == Dialect::Lenient => {}
                _ => (rest, _) = byte(b' ', "expected a space or )").parse_complete(rest)?,
            }
            let (after, value) = item.parse_complete(rest)?;
            items.push(value);
            rest = after;
        }
    }
}

/// Reads one space; in the lenient dialect any white space after it too.
pub fn space<'a>(dialect: Dialect) -> impl Grammar<'a, ()> {
    move |input: &'a [u8]| match (dialect, byte(b' ', "expected a space").parse_complete(input)?) {
        (Dialect::Strict, done) => Ok(done),
        (Dialect::Lenient, (rest, ())) => Ok((rest.trim_ascii_start(), ())),
    }
}

/// Reads this byte.
pub fn byte<'a>(byte: u8, reason: &'static str) -> impl Grammar<'a, ()> {
    move |input: &'a [u8]| match input {
        [first, rest @ ..] if *first == byte => Ok((rest, ())),
        rest => Result::Err(Err::Error(Expected { rest, reason })),
    }
}

/// Reads a decimal number of up to 64 bits. Leading zeros are allowed.
///
/// ```text
/// number64 = 1*DIGIT
/// ```
pub fn number64<'a>() -> impl Grammar<'a, u64> {
    expected("expected a number", nom::character::complete::u64)
}

/// Reads at least one byte, of a class or [percent-encoded](https://www.rfc-editor.org/rfc/rfc3986#section-2.1), as they
/// are written. [`percent_decode`] gives what they stand for.
///
/// ```text
/// pct-encoded = "%" HEXDIG HEXDIG
/// ```
pub fn percent_encoded<'a>(class: fn(u8) -> bool, reason: &'static str) -> impl Grammar<'a, &'a [u8]> {
    move |input: &'a [u8]| {
        let mut rest = input;
        loop {
            rest = match rest {
                [first, after @ ..] if class(*first) => after,
                [b'%', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => after,
                [b'%', ..] => {
                    let reason = "% without two hexadecimal digits";
                    return Result::Err(Err::Failure(Expected { rest, reason }));
                }
                _ if rest.len() == input.len() => {
                    return Result::Err(Err::Error(Expected { rest, reason }));
                }
                _ => {
                    return Ok((
                        rest,
                        input.get(..input.len().saturating_sub(rest.len())).unwrap_or_default(),
                    ));
                }
            };
        }
    }
}

/// The bytes that percent-encoded ones stand for.
#[must_use]
pub fn percent_decode(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    unescape(raw, b'%', &mut out);
    out
}

/// Writes bytes, percent-encoded where they are not of the class.
///
/// # Errors
///
/// Those of `out`.
pub fn percent_encode(out: &mut impl fmt::Write, bytes: &[u8], class: fn(u8) -> bool) -> fmt::Result {
    bytes.iter().try_for_each(|&byte| match class(byte) {
        true => out.write_char(char::from(byte)),
        false => write!(out, "%{byte:02X}"),
    })
}

/// Runs a grammar on the whole of a message that is no part of a frame.
///
/// # Errors
///
/// The grammar's own, or that something is left after what it took.
///
/// # Examples
///
/// ```
/// use mailwire_core::{ParseError, grammar::{number64, run_all}};
///
/// assert_eq!(run_all(b"4096", number64()), Ok(4096));
/// assert_eq!(run_all(b"4096x", number64()), Err(ParseError::new(4, "expected the end")));
/// ```
pub fn run_all<'a, T>(message: &'a [u8], mut grammar: impl Grammar<'a, T>) -> Result<T, ParseError> {
    match grammar.parse_complete(message) {
        Ok(([], value)) => Ok(value),
        Ok((rest, _)) => {
            Result::Err(parse_error(message, &Err::Error(Expected { rest, reason: "expected the end" })))
        }
        Result::Err(error) => Result::Err(parse_error(message, &error)),
    }
}

fn parse_error(input: &[u8], error: &Err<Expected<'_>>) -> ParseError {
    match error {
        Err::Error(error) | Err::Failure(error) => {
            ParseError::new(input.len().saturating_sub(error.rest.len()), error.reason)
        }
        // No grammar here is a streaming one.
        Err::Incomplete(_) => ParseError::new(0, "cut off"),
    }
}

impl<'a> Cursor<'a> {
    /// Runs a nom grammar on what is left, and steps over what it took. The grammar is given the
    /// frame, of which its texts are parts: see [`Text::of`].
    ///
    /// # Errors
    ///
    /// The grammar's own, with its place in the frame.
    pub fn run<T, G: Grammar<'a, T>>(
        &mut self,
        grammar: impl FnOnce(&'a Bytes) -> G,
    ) -> Result<T, ParseError> {
        let input = self.rest();
        let (rest, value) = grammar(self.frame)
            .parse_complete(input)
            .map_err(|error| parse_error(input, &error).after(self.offset()))?;
        self.skip(input.len().saturating_sub(rest.len()));
        Ok(value)
    }

    /// Runs a strict grammar, and if that fails and reading is lenient, its lenient form. What only the
    /// latter takes is reported as the deviation `name`, once, where the strict one failed.
    ///
    /// # Errors
    ///
    /// That of the strict run.
    #[inline]
    pub fn run_either<T, G: Grammar<'a, T>>(
        &mut self,
        name: &'static str,
        grammar: impl Fn(&'a Bytes, Dialect) -> G,
    ) -> Result<T, ParseError> {
        match self.run(|frame| grammar(frame, Dialect::Strict)) {
            Result::Err(error) if self.dialect() == Dialect::Lenient => {
                let value = self.run(|frame| grammar(frame, Dialect::Lenient)).map_err(|_| error)?;
                self.deviate_at(error.offset, name)?;
                Ok(value)
            }
            result => result,
        }
    }
}

impl Text {
    /// The text of what a grammar took of `frame`, without a copy.
    #[must_use]
    pub fn of(frame: &Bytes, part: &[u8]) -> Self {
        let start = (part.as_ptr() as usize).wrapping_sub(frame.as_ptr() as usize);
        Self::part_of(frame, start..start.wrapping_add(part.len()))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use nom::{branch::alt, bytes::complete::tag, combinator::cut, sequence::preceded};

    use super::*;
    use crate::{Deviation, ParseErrorKind};

    fn numbers<'a>(dialect: Dialect) -> impl Grammar<'a, Vec<u64>> {
        list(dialect, "expected (", number64())
    }

    #[test]
    fn a_cursor_steps_over_what_a_grammar_took() {
        let frame = Bytes::from_static(b"x 12(3 4)5");
        let mut cursor = Cursor::new(&frame, Dialect::Strict);
        cursor.skip(2);
        assert_eq!(cursor.run(|_| number64()), Ok(12));
        assert_eq!(cursor.run(|_| numbers(Dialect::Strict)), Ok(vec![3, 4]));
        assert_eq!(cursor.offset(), 9);
    }

    #[test]
    fn errors_have_the_offset_in_the_frame_and_the_reason() {
        for (text, offset, reason) in [
            ("x ", 2, "expected ("),
            ("x 1", 2, "expected ("),
            ("x (a", 3, "expected a number"),
            ("x (1", 4, "expected a space or )"),
            ("x (1  2)", 5, "expected a number"),
            ("x (1 99999999999999999999)", 5, "expected a number"),
        ] {
            let frame = Bytes::from(text);
            let mut cursor = Cursor::new(&frame, Dialect::Strict);
            cursor.skip(2);
            let error = cursor.run(|_| numbers(Dialect::Strict)).unwrap_err();
            assert_eq!(error, ParseError::new(offset, reason), "{text}");
            assert_eq!(cursor.offset(), 2, "nothing was taken");
        }
    }

    #[test]
    fn a_reason_is_given_to_failures_at_the_first_byte_only() {
        let word = || expected("expected a word", preceded(tag("a"), byte(b'b', "expected b")));
        assert_eq!(run_all(b"x", word()), Err(ParseError::new(0, "expected a word")));
        assert_eq!(run_all(b"ax", word()), Err(ParseError::new(1, "expected b")));
        assert_eq!(run_all(b"x", cut(word())), Err(ParseError::new(0, "expected a word")));
        assert_eq!(run_all(b"abc", word()), Err(ParseError::new(2, "expected the end")));
    }

    #[test]
    fn of_alternatives_the_one_that_came_further_gives_the_reason() {
        let one = || preceded(tag("a"), byte(b'b', "expected b"));
        let other = || byte(b'c', "expected c");
        let error = Err(ParseError::new(1, "expected b"));
        assert_eq!(run_all(b"ax", alt((one(), other()))), error);
        assert_eq!(run_all(b"ax", alt((other(), one()))), error);
    }

    #[test]
    fn run_either_reports_one_deviation_where_the_strict_run_failed() {
        let frame = Bytes::from_static(b"x ( 1  2 )");
        let mut cursor = Cursor::new(&frame, Dialect::Lenient);
        cursor.skip(2);
        assert_eq!(cursor.run_either("spaces", |_, dialect| numbers(dialect)), Ok(vec![1, 2]));
        assert!(cursor.is_at_end());
        assert_eq!(cursor.deviations(), [Deviation { name: "spaces", offset: 3 }]);
    }

    #[test]
    fn run_either_has_the_error_of_the_strict_run() {
        for (text, dialect) in [("( 1)", Dialect::Strict), ("( x)", Dialect::Lenient)] {
            let frame = Bytes::from(text);
            let mut cursor = Cursor::new(&frame, dialect);
            let error = cursor.run_either("spaces", |_, dialect| numbers(dialect)).unwrap_err();
            assert_eq!(error, ParseError::new(1, "expected a number"));
            assert_eq!(error.kind, ParseErrorKind::Syntax);
            assert!(cursor.deviations().is_empty());
        }
        let frame = Bytes::from_static(b"(1 2)");
        let mut cursor = Cursor::new(&frame, Dialect::Lenient);
        assert_eq!(cursor.run_either("spaces", |_, dialect| numbers(dialect)), Ok(vec![1, 2]));
        assert!(cursor.deviations().is_empty(), "what is strict deviates from nothing");
    }

    #[test]
    fn percent_encoding_is_read_and_written() {
        let word = || percent_encoded(|byte| byte.is_ascii_alphabetic(), "expected a word");
        assert_eq!(run_all(b"a%2fb", word()), Ok(&b"a%2fb"[..]));
        assert_eq!(percent_decode(b"a%2fb%C3%BC"), "a/bü".as_bytes());
        let mut out = alloc::string::String::new();
        percent_encode(&mut out, "a/ü".as_bytes(), |byte| byte.is_ascii_alphabetic()).unwrap();
        assert_eq!(out, "a%2F%C3%BC");
        for (text, offset, reason) in [
            ("", 0, "expected a word"),
            ("/", 0, "expected a word"),
            ("a%2", 1, "% without two hexadecimal digits"),
            ("%zz", 0, "% without two hexadecimal digits"),
            ("a/", 1, "expected the end"),
        ] {
            assert_eq!(run_all(text.as_bytes(), word()), Err(ParseError::new(offset, reason)), "{text}");
        }
    }

    #[test]
    fn texts_are_parts_of_the_frame() {
        let frame = Bytes::from("x".repeat(100));
        let text = Text::of(&frame, frame.get(10..90).unwrap());
        assert_eq!(text.as_bytes(), &frame[10..90]);
        assert_eq!(text.as_bytes().as_ptr(), frame[10..].as_ptr());
    }
}
