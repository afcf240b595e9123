//! A place in a frame, with what grammars do there.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::{Deviation, Dialect, ParseError, ParseErrorKind, Parsed, Text};

/// A place in one complete frame, from which a grammar reads forward.
///
/// It knows the frame as [`Bytes`], so that values are slices of it; each parser looks at the next
/// byte and decides, and never goes back. A parser that meets a known deviation says
/// [`deviate`](Self::deviate), which goes on in [`Dialect::Lenient`] and fails in
/// [`Dialect::Strict`].
///
/// ```
/// use mailwire_core::{Cursor, Dialect, Parsed};
///
/// let frame = bytes::Bytes::from_static(b"SIZE=1000");
/// let size = Cursor::parse(&frame, Dialect::Strict, |cursor| {
///     cursor.expect_ignore_case("size=", "expected SIZE=")?;
///     cursor.number_u64()
/// });
/// assert_eq!(size, Ok(Parsed::new(1000, vec![])));
/// ```
#[derive(Debug)]
pub struct Cursor<'a> {
    pub(crate) frame: &'a Bytes,
    /// The part of the frame that is read.
    bytes: &'a [u8],
    /// What is left of it.
    rest: &'a [u8],
    dialect: Dialect,
    deviations: Vec<Deviation>,
    depth: usize,
}

/// A place that a [`Cursor`] can go back to.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    position: usize,
    deviations: usize,
}

/// More deviations than this in one message are accepted but no longer listed.
const MAX_DEVIATIONS: usize = 64;

impl<'a> Cursor<'a> {
    /// A cursor at the start of `frame`.
    #[must_use]
    #[inline]
    pub fn new(frame: &'a Bytes, dialect: Dialect) -> Self {
        Self::until(frame, frame.len(), dialect)
    }

    /// A cursor at the start of `frame`, as if that ended at `end`: what stands after it, a line end for
    /// instance, is not seen.
    #[must_use]
    #[inline]
    pub fn until(frame: &'a Bytes, end: usize, dialect: Dialect) -> Self {
        let bytes = frame.get(..end).unwrap_or(frame);
        Self { frame, bytes, rest: bytes, dialect, deviations: Vec::new(), depth: 0 }
    }

    /// Runs `grammar` over the whole of `frame`.
    ///
    /// # Errors
    ///
    /// The grammar's error, or that bytes are left after what it read.
    pub fn parse<T>(
        frame: &'a Bytes,
        dialect: Dialect,
        grammar: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<Parsed<T>, ParseError> {
        let mut cursor = Self::new(frame, dialect);
        let value = grammar(&mut cursor)?;
        cursor.expect_end()?;
        Ok(cursor.finish(value))
    }

    /// Ends reading, with the deviations that were met.
    #[must_use]
    #[inline(always)]
    pub fn finish<T>(self, value: T) -> Parsed<T> {
        Parsed { value, deviations: self.deviations }
    }

    /// Where the cursor stands, in bytes from the start of the frame.
    #[must_use]
    #[inline]
    pub const fn offset(&self) -> usize {
        self.bytes.len().wrapping_sub(self.rest.len())
    }

    /// Goes back to (or on to) an offset that [`offset`](Self::offset) gave. Deviations reported
    /// from there on are forgotten. For recovery after an error; a grammar does not try and back
    /// out.
    pub fn rewind(&mut self, offset: usize) {
        self.seek(offset);
        self.deviations.retain(|deviation| deviation.offset < offset);
    }

    /// Goes back to (or on to) an offset, and forgets nothing. For looking ahead over what can have
    /// no deviation.
    // Easily wrong, and only tuned for our grammars: `mark` and `reset` are public.
    #[doc(hidden)]
    #[inline]
    pub fn seek(&mut self, offset: usize) {
        self.rest = self.bytes.get(offset..).unwrap_or_default();
    }

    /// This place, to [`reset`](Self::reset) to after looking ahead.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { position: self.offset(), deviations: self.deviations.len() }
    }

    /// Goes back to a place, and forgets what was reported since.
    pub fn reset(&mut self, mark: Mark) {
        self.seek(mark.position);
        self.deviations.truncate(mark.deviations);
    }

    /// What was accepted so far though the grammar does not have it.
    #[must_use]
    pub fn deviations(&self) -> &[Deviation] {
        &self.deviations
    }

    /// How exact reading is.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The bytes that are left.
    #[must_use]
    #[inline]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether nothing is left.
    #[must_use]
    #[inline]
    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next byte.
    #[must_use]
    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The byte `ahead` bytes after the next one.
    #[must_use]
    #[inline]
    pub fn peek_at(&self, ahead: usize) -> Option<u8> {
        self.rest.get(ahead).copied()
    }

    /// Steps over `count` bytes, or to the end if there are fewer.
    #[inline]
    pub fn skip(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    /// Steps over `byte` if it is next.
    #[inline]
    pub fn eat(&mut self, byte: u8) -> bool {
        match self.rest {
            [first, rest @ ..] if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Steps over `word`, in any case of its ASCII letters, if it is next.
    #[inline]
    pub fn eat_ignore_case(&mut self, word: &str) -> bool {
        match self.rest.split_at_checked(word.len()) {
            Some((next, rest)) if next.eq_ignore_ascii_case(word.as_bytes()) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Steps over `byte`.
    ///
    /// # Errors
    ///
    /// `reason` if something else is next.
    #[inline]
    pub fn expect(&mut self, byte: u8, reason: &'static str) -> Result<(), ParseError> {
        if self.eat(byte) { Ok(()) } else { Err(self.error(reason)) }
    }

    /// Steps over one space.
    ///
    /// # Errors
    ///
    /// Something else is next.
    #[inline]
    pub fn expect_space(&mut self) -> Result<(), ParseError> {
        self.expect(b' ', "expected a space")
    }

    /// Steps over `word`, in any case of its ASCII letters.
    ///
    /// # Errors
    ///
    /// `reason` if something else is next.
    #[inline]
    pub fn expect_ignore_case(&mut self, word: &str, reason: &'static str) -> Result<(), ParseError> {
        if self.eat_ignore_case(word) { Ok(()) } else { Err(self.error(reason)) }
    }

    /// That the frame ends here.
    ///
    /// # Errors
    ///
    /// Something is left.
    #[inline]
    pub fn expect_end(&self) -> Result<(), ParseError> {
        if self.is_at_end() { Ok(()) } else { Err(self.error("expected the end of the line")) }
    }

    /// Steps over the bytes of a class, as many as there are.
    #[inline]
    pub fn take_while(&mut self, class: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.rest.iter().position(|&byte| !class(byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or_default();
        self.rest = rest;
        taken
    }

    /// Steps over the bytes of a class, as many as there are, and gives them as a [`Text`].
    #[inline]
    pub fn text_while(&mut self, class: impl Fn(u8) -> bool) -> Text {
        let start = self.offset();
        self.take_while(class);
        self.text_from(start)
    }

    /// Steps over the bytes of a class, at least one, and gives them as a [`Text`].
    ///
    /// # Errors
    ///
    /// `reason` if the next byte is not of the class.
    #[inline]
    pub fn text_while1(
        &mut self,
        class: impl Fn(u8) -> bool,
        reason: &'static str,
    ) -> Result<Text, ParseError> {
        let start = self.offset();
        if self.take_while(class).is_empty() { Err(self.error(reason)) } else { Ok(self.text_from(start)) }
    }

    /// All that is left.
    pub fn text_rest(&mut self) -> Text {
        let start = self.offset();
        self.rest = &[];
        self.text_from(start)
    }

    /// What lies between `start` and here, a slice of the frame.
    #[must_use]
    #[inline]
    pub fn text_from(&self, start: usize) -> Text {
        let end = self.offset();
        Text::part_of(self.frame, start.min(end)..end)
    }

    /// What lies between two offsets, a slice of the frame.
    #[must_use]
    #[inline]
    pub fn text_between(&self, start: usize, end: usize) -> Text {
        Text::part_of(self.frame, start..end)
    }

    /// Gives what lies between two offsets to `put`: a short text goes to its place without a stop in memory, where it
    /// would have to be waited for.
    #[doc(hidden)]
    #[inline(always)]
    pub fn put_text(&self, start: usize, end: usize, put: impl FnOnce(Text)) {
        if let Some(short) = Text::short_part_of(self.frame, &(start..end)) {
            put(short);
        } else {
            put(self.large_text(start, end));
        }
    }

    #[inline(never)]
    fn large_text(&self, start: usize, end: usize) -> Text {
        Text::part_of(self.frame, start..end)
    }

    /// The bytes between two offsets, cut to the frame.
    #[must_use]
    #[inline]
    pub fn between(&self, start: usize, end: usize) -> &'a [u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// A slice of the frame. Offsets beyond the frame are cut to it.
    #[must_use]
    #[inline]
    pub fn slice(&self, start: usize, end: usize) -> Bytes {
        let end = end.min(self.bytes.len());
        self.frame.slice(start.min(end)..end)
    }

    /// A decimal number without a sign; leading zeros are allowed, as the RFCs' `number` does.
    ///
    /// # Errors
    ///
    /// No digit is next, or the number does not fit.
    #[inline]
    pub fn number_u64(&mut self) -> Result<u64, ParseError> {
        let start = self.offset();
        let (before, mut rest) = (self.rest, self.rest);
        let mut value = 0u64;
        while let [digit @ b'0'..=b'9', after @ ..] = rest {
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            rest = after;
        }
        self.rest = rest;
        match before.len() - rest.len() {
            0 => Err(self.error("expected a number")),
            // No number of so many digits is too large.
            1..=19 => Ok(value),
            length => before
                .iter()
                .take(length)
                .try_fold(0u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
                .ok_or(too_large(start)),
        }
    }

    /// A decimal number of 32 bits without a sign; leading zeros are allowed.
    ///
    /// # Errors
    ///
    /// No digit is next, or the number does not fit.
    #[inline]
    pub fn number_u32(&mut self) -> Result<u32, ParseError> {
        let start = self.offset();
        let value = self.number_u64()?;
        u32::try_from(value).map_err(|_| too_large(start))
    }

    /// Runs a grammar that can contain itself, one level deeper.
    ///
    /// # Errors
    ///
    /// The grammar's, or that it is nested more than `limit` levels deep.
    pub fn nested<T>(
        &mut self,
        limit: usize,
        grammar: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        if self.depth >= limit {
            return Err(self.error("nested too deeply").with_kind(ParseErrorKind::TooDeep));
        }
        self.depth += 1;
        let result = grammar(self);
        self.depth -= 1;
        result
    }

    /// An error here.
    #[must_use]
    #[cold]
    pub const fn error(&self, reason: &'static str) -> ParseError {
        ParseError::new(self.offset(), reason)
    }

    /// Reports a known deviation here.
    ///
    /// # Errors
    ///
    /// In [`Dialect::Strict`]: [`ParseErrorKind::Deviation`], with the deviation's name as the reason.
    #[cold]
    pub fn deviate(&mut self, name: &'static str) -> Result<(), ParseError> {
        self.deviate_at(self.offset(), name)
    }

    /// Reports a known deviation at `offset`.
    ///
    /// # Errors
    ///
    /// In [`Dialect::Strict`]: [`ParseErrorKind::Deviation`], with the deviation's name as the reason.
    #[cold]
    pub fn deviate_at(&mut self, offset: usize, name: &'static str) -> Result<(), ParseError> {
        match self.dialect {
            Dialect::Strict => Err(Deviation::new(name, offset).into()),
            Dialect::Lenient => {
                if self.deviations.len() < MAX_DEVIATIONS {
                    self.deviations.push(Deviation::new(name, offset));
                }
                Ok(())
            }
        }
    }
}

#[cold]
const fn too_large(offset: usize) -> ParseError {
    ParseError::new(offset, "number too large").with_kind(ParseErrorKind::OutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_do_not_overflow() {
        for (text, value) in [("18446744073709551615", Ok(u64::MAX)), ("007", Ok(7))] {
            let frame = Bytes::from(text);
            assert_eq!(Cursor::new(&frame, Dialect::Strict).number_u64(), value);
        }
        for text in ["18446744073709551616", "-1", "+1", "", "x"] {
            let frame = Bytes::from(text);
            assert!(Cursor::new(&frame, Dialect::Strict).number_u64().is_err(), "{text}");
        }
        let frame = Bytes::from_static(b"4294967296");
        assert!(Cursor::new(&frame, Dialect::Strict).number_u32().is_err());
    }

    #[test]
    fn a_deviation_is_an_error_in_the_strict_dialect() {
        let frame = Bytes::from_static(b"a  b");
        let extra_space = |cursor: &mut Cursor<'_>| {
            cursor.expect(b'a', "a")?;
            cursor.expect_space()?;
            if cursor.peek() == Some(b' ') {
                cursor.deviate("extra-space")?;
                cursor.skip(1);
            }
            cursor.expect(b'b', "b")
        };
        let parsed = Cursor::parse(&frame, Dialect::Lenient, extra_space).unwrap();
        assert_eq!(parsed.deviations, [Deviation { name: "extra-space", offset: 2 }]);
        assert_eq!(
            Cursor::parse(&frame, Dialect::Strict, extra_space),
            Err(ParseError::new(2, "extra-space").with_kind(ParseErrorKind::Deviation))
        );
    }

    #[test]
    fn nesting_ends() {
        fn parens(cursor: &mut Cursor<'_>) -> Result<usize, ParseError> {
            if !cursor.eat(b'(') {
                return Ok(0);
            }
            let inner = cursor.nested(10, parens)?;
            cursor.expect(b')', "expected )")?;
            Ok(inner + 1)
        }
        let frame = Bytes::from("(".repeat(10) + &")".repeat(10));
        assert_eq!(Cursor::parse(&frame, Dialect::Strict, parens).unwrap().value, 10);
        let frame = Bytes::from("(".repeat(100_000));
        assert_eq!(
            Cursor::parse(&frame, Dialect::Strict, parens),
            Err(ParseError::new(11, "nested too deeply").with_kind(ParseErrorKind::TooDeep))
        );
    }
}
