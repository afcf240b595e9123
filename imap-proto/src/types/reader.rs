//! The cursor of this crate's grammars.

use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

use bytes::Bytes;
use mailwire_core::{Cursor, Dialect, Newline, ParseError, ParseErrorKind, Parsed, Text};

use super::chars;
use crate::deviation;

/// How a message is to be read, and what framing knows about it.
///
/// A [`Dialect`] alone stands for a message that ended in CRLF, has all its literals inline, and is
/// nested at most 64 deep.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ParseContext {
    /// How exact reading is.
    pub dialect: Dialect,
    /// How the message's last line ended.
    pub newline: Newline,
    /// Where the bytes of streamed literals would stand: the offsets in the frame after their
    /// headers' line ends, ascending.
    pub streamed: Vec<usize>,
    /// How deep lists may be nested.
    pub nesting: usize,
    /// Whether text beyond ASCII is agreed on, by IMAP4rev2 or UTF8=ACCEPT: UTF-8 in status text is
    /// then no deviation.
    pub utf8: bool,
}

impl ParseContext {
    /// The context of a message that ended in CRLF and has all its literals inline, nested at most 64 deep.
    #[must_use]
    pub const fn new(dialect: Dialect) -> Self {
        Self { dialect, newline: Newline::CrLf, streamed: Vec::new(), nesting: 64, utf8: false }
    }
}

impl From<Dialect> for ParseContext {
    #[inline]
    fn from(dialect: Dialect) -> Self {
        Self::new(dialect)
    }
}

/// A [`Cursor`] over one command or response, which also knows which of its literals were
/// streamed.
///
/// The frame holds literals inline: `{5}\r\nhello`. A literal that was streamed stands as its
/// header alone, `{70000}\r\n`, and its place (the offset after the header's line end, where its
/// bytes would be) is in [`ParseContext::streamed`].
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    cursor: Cursor<'a>,
    context: &'a ParseContext,
    depth: usize,
    unknown: Option<ParseError>,
}

impl<'a> Deref for Reader<'a> {
    type Target = Cursor<'a>;
    #[inline]
    fn deref(&self) -> &Cursor<'a> {
        &self.cursor
    }
}

impl DerefMut for Reader<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.cursor
    }
}

impl<'a> Reader<'a> {
    /// A reader of `frame`, which has no line end of its own.
    #[inline]
    pub(crate) fn new(frame: &'a Bytes, context: &'a ParseContext) -> Self {
        Self { cursor: Cursor::new(frame, context.dialect), context, depth: 0, unknown: None }
    }

    /// Looks at how the last line of the frame ended.
    ///
    /// # Errors
    ///
    /// In the strict dialect: in a bare LF.
    #[inline]
    pub(crate) fn line_end(&mut self, newline: Newline) -> Result<(), ParseError> {
        let end = self.offset().saturating_add(self.rest().len());
        match newline {
            Newline::CrLf => Ok(()),
            Newline::Lf => self.deviate_at(end, deviation::BARE_LF),
        }
    }

    /// What began at `start` is kept, though it is not known here.
    #[cold]
    pub(crate) fn leave_unknown(&mut self, start: usize, what: &'static str) {
        self.unknown.get_or_insert(ParseError::new(start, what));
    }

    /// The first that was kept and is not known.
    #[inline]
    pub(crate) const fn unknown(&self) -> Option<ParseError> {
        self.unknown
    }

    /// Whether `more` levels may begin within those that the reader is in.
    ///
    /// # Errors
    ///
    /// They would be too many.
    pub(crate) fn permits_levels(&self, more: usize) -> Result<(), ParseError> {
        if self.depth.saturating_add(more) > self.context.nesting {
            return Err(self.error("nested too deeply").with_kind(ParseErrorKind::TooDeep));
        }
        Ok(())
    }

    /// Whether text beyond ASCII is agreed on.
    pub(crate) const fn utf8(&self) -> bool {
        self.context.utf8
    }

    /// Whether the literal whose bytes would stand at `offset` was streamed.
    #[inline]
    pub(crate) fn is_streamed(&self, offset: usize) -> bool {
        !self.context.streamed.is_empty() && self.context.streamed.binary_search(&offset).is_ok()
    }

    /// Ends reading.
    #[inline(always)]
    pub(crate) fn finish<T>(self, value: T) -> Parsed<T> {
        self.cursor.finish(value)
    }

    /// Runs a grammar that can contain itself, one level deeper.
    pub(crate) fn nested<T>(
        &mut self,
        grammar: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        self.permits_levels(1)?;
        self.depth += 1;
        let result = grammar(self);
        self.depth -= 1;
        result
    }

    /// Whether nothing was accepted so far that the grammar does not have.
    #[inline]
    pub(crate) fn is_undeviated(&self) -> bool {
        self.cursor.deviations().is_empty()
    }

    /// The bytes between `start` and here.
    #[inline]
    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        self.cursor.between(start, self.offset())
    }

    /// The bytes of a class, as many as there are.
    #[inline]
    pub(crate) fn take_class(&mut self, class: u16) -> &'a [u8] {
        self.cursor.take_while(|byte| chars::is(byte, class))
    }

    /// Steps over the bytes of a class, at least one, and gives them as a text.
    #[inline]
    pub(crate) fn text_class(&mut self, class: u16, reason: &'static str) -> Result<Text, ParseError> {
        self.cursor.text_while1(|byte| chars::is(byte, class), reason)
    }

    /// One space between two values. Lenient: none, or several.
    #[inline]
    pub(crate) fn space(&mut self) -> Result<(), ParseError> {
        if self.peek() == Some(b' ') && self.peek_at(1) != Some(b' ') {
            self.skip(1);
            return Ok(());
        }
        self.odd_space()
    }

    #[cold]
    fn odd_space(&mut self) -> Result<(), ParseError> {
        if self.peek() != Some(b' ') {
            // Only where the next byte cannot belong to what was just read.
            if self.is_at_end() {
                return Err(self.error("expected a space"));
            }
            return match self.dialect() {
                Dialect::Strict => Err(self.error("expected a space")),
                Dialect::Lenient => self.deviate(deviation::MISSING_SPACE),
            };
        }
        self.skip(1);
        self.deviate(deviation::EXTRA_SPACE)?;
        while self.eat(b' ') {}
        Ok(())
    }

    /// Spaces where none belongs: after `(`, before `)`, at the end of the line.
    #[inline]
    pub(crate) fn no_space(&mut self) -> Result<(), ParseError> {
        if self.peek() == Some(b' ') { self.surplus_space() } else { Ok(()) }
    }

    #[cold]
    fn surplus_space(&mut self) -> Result<(), ParseError> {
        self.deviate(deviation::EXTRA_SPACE)?;
        while self.eat(b' ') {}
        Ok(())
    }

    /// The end of the line. Lenient: spaces before it.
    #[inline]
    pub(crate) fn end(&mut self) -> Result<(), ParseError> {
        if self.is_at_end() {
            return Ok(());
        }
        if matches!(self.peek(), Some(b' ' | b'\t' | b'\r')) {
            let start = self.offset();
            self.take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r'));
            if self.is_at_end() {
                return self.deviate_at(start, deviation::SPACE_BEFORE_LINE_END);
            }
        }
        self.expect_end()
    }

    /// The end of a response. Lenient: anything before it, which is left out.
    #[inline]
    pub(crate) fn end_of_response(&mut self) -> Result<(), ParseError> {
        if self.is_at_end() { Ok(()) } else { self.surplus_data() }
    }

    #[cold]
    fn surplus_data(&mut self) -> Result<(), ParseError> {
        let start = self.offset();
        match self.end() {
            Err(error) if self.dialect() == Dialect::Strict => Err(error),
            Err(_) => {
                self.deviate_at(start, deviation::SURPLUS_DATA)?;
                self.skip(usize::MAX);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// A list's items up to its `)`, whose `(` was read: each but the first after a space.
    /// Lenient: spaces that are missing, doubled, or at the ends.
    #[inline]
    pub(crate) fn items(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), ParseError>,
    ) -> Result<(), ParseError> {
        self.no_space()?;
        if self.eat(b')') {
            return Ok(());
        }
        loop {
            item(self)?;
            if !self.another()? {
                return Ok(());
            }
        }
    }

    /// The values of a list up to its `)`, whose `(` was read.
    pub(crate) fn list_of<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, ParseError>,
    ) -> Result<Vec<T>, ParseError> {
        let mut values = Vec::new();
        self.items(|r| {
            values.push(read(r)?);
            Ok(())
        })?;
        Ok(values)
    }

    /// The items of a list that is the last thing of a response. Lenient: its `)` is missing.
    pub(crate) fn last_items(
        &mut self,
        item: impl FnMut(&mut Self) -> Result<(), ParseError>,
    ) -> Result<(), ParseError> {
        match self.items(item) {
            Err(error) if self.is_at_end() && error.offset == self.offset() => {
                if self.dialect() == Dialect::Strict {
                    return Err(error);
                }
                self.deviate(deviation::MISSING_PARENTHESIS)
            }
            result => result,
        }
    }

    /// Reads the items after the first, which was read: each after a space.
    #[inline]
    pub(crate) fn items_after(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), ParseError>,
    ) -> Result<(), ParseError> {
        while self.another()? {
            item(self)?;
        }
        Ok(())
    }

    /// After an item of a list: whether another stands there, whose space is read, or the list's `)`.
    #[inline]
    fn another(&mut self) -> Result<bool, ParseError> {
        match self.peek() {
            Some(b')') => {
                self.skip(1);
                return Ok(false);
            }
            Some(b' ') => {
                self.skip(1);
                if matches!(self.peek(), Some(b' ' | b')')) {
                    self.surplus_space()?;
                    return Ok(!self.eat(b')'));
                }
            }
            Some(_) => self.deviate(deviation::MISSING_SPACE)?,
            None => return Err(self.error("expected )")),
        }
        Ok(true)
    }
}
