//! How a frame is read.

use mailwire_core::{Cursor, Dialect, Newline, ParseError, setters};

use crate::deviation;

/// What a parser is told besides the bytes. A [`Dialect`] is one, of a frame that ended in CR LF.
///
/// A frame is a command or a reply without its last line end. How that was written is told here, as a
/// bare LF is a deviation of a reply, and an error of a command.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseContext {
    /// How exactly the frame is read.
    pub dialect: Dialect,
    /// How the frame ended.
    pub newline: Newline,
}

impl ParseContext {
    /// The context of a frame that ended in CR LF.
    #[must_use]
    pub const fn new(dialect: Dialect) -> Self {
        Self { dialect, newline: Newline::CrLf }
    }

    /// The end of a reply, which some servers write as a bare LF.
    #[inline]
    pub(crate) fn reply_end(self, cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
        if !cursor.is_at_end() {
            return Err(cursor.error("expected the end of the reply"));
        }
        match self.newline {
            Newline::CrLf => Ok(()),
            Newline::Lf => cursor.deviate(deviation::BARE_LF),
        }
    }
}

setters!(const ParseContext {
    with_newline(newline: Newline),
});

impl From<Dialect> for ParseContext {
    fn from(dialect: Dialect) -> Self {
        Self::new(dialect)
    }
}
