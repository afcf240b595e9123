//! The bridge from [`Cursor`] to grammars written with nom 8.
//!
//! For what is cold and strict: see DESIGN. A grammar runs on what is left of the frame, and what it
//! took is stepped over; its errors carry the place and the reason that ours do.

use bytes::Bytes;
use nom::{Err, Parser, error::ErrorKind};

use crate::{Cursor, Dialect, ParseError, Text};

/// What a nom grammar expected, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected<'a> {
    /// What was left there.
    pub rest: &'a [u8],
    /// What was expected.
    pub reason: &'static str,
}

/// A nom parser of bytes with our errors. Every such parser is one.
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

/// `grammar`; if it fails at its first byte, for this reason.
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

/// Any number of `item`s between parentheses, each but the first behind a space.
pub fn list<'a, T>(
    dialect: Dialect,
    reason: &'static str,
    mut item: impl Grammar<'a, T>,
) -> impl Grammar<'a, alloc::vec::Vec<T>> {
    move |input: &'a [u8]| {
        let mut items = alloc::vec::Vec::new();
        let (mut rest, ()) = byte(b'(', reason).parse_complete(input)?;
        loop {
            if dialect == Dialect::Lenient {
                rest = rest.trim_ascii_start();
            }
            match rest {
                [b')', behind @ ..] => return Ok((behind, items)),
                _ if items.is_empty() || dialect == Dialect::Lenient => {}
                _ => (rest, _) = byte(b' ', "expected a space or )").parse_complete(rest)?,
            }
            let (behind, value) = item.parse_complete(rest)?;
            items.push(value);
            rest = behind;
        }
    }
}

/// A space; in the lenient dialect several.
pub fn space<'a>(dialect: Dialect) -> impl Grammar<'a, ()> {
    move |input: &'a [u8]| match (dialect, byte(b' ', "expected a space").parse_complete(input)?) {
        (Dialect::Strict, done) => Ok(done),
        (Dialect::Lenient, (rest, ())) => Ok((rest.trim_ascii_start(), ())),
    }
}

/// One byte.
pub fn byte<'a>(byte: u8, reason: &'static str) -> impl Grammar<'a, ()> {
    move |input: &'a [u8]| match input {
        [first, rest @ ..] if *first == byte => Ok((rest, ())),
        rest => Result::Err(Err::Error(Expected { rest, reason })),
    }
}

/// ```text
/// number64 = 1*DIGIT
/// ```
pub fn number64<'a>() -> impl Grammar<'a, u64> {
    expected("expected a number", nom::character::complete::u64)
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
        match grammar(self.frame).parse_complete(input) {
            Ok((rest, value)) => {
                self.skip(input.len().saturating_sub(rest.len()));
                Ok(value)
            }
            Result::Err(Err::Error(error) | Err::Failure(error)) => {
                let taken = input.len().saturating_sub(error.rest.len());
                Result::Err(ParseError::new(self.offset() + taken, error.reason))
            }
            // No grammar here is a streaming one.
            Result::Err(Err::Incomplete(_)) => Result::Err(self.error("cut off")),
        }
    }
}

impl<'a> Cursor<'a> {
    /// Runs a grammar as the RFC has it; if that fails and reading is lenient, once more as `grammar`
    /// is then, and reports `name` where the first failed.
    ///
    /// # Errors
    ///
    /// That of the strict run.
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
    /// What a grammar took of `frame`, without a copy.
    #[must_use]
    pub fn of(frame: &Bytes, part: &[u8]) -> Self {
        let start = (part.as_ptr() as usize).wrapping_sub(frame.as_ptr() as usize);
        Self::part_of(frame, start..start.wrapping_add(part.len()))
    }
}
