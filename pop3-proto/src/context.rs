//! What a parser is told besides the bytes.

use bytes::Bytes;
use mailwire_core::{Cursor, Dialect, Newline, ParseError, Parsed, setters};

use crate::{deviation, reply::Expected, types::MessageNumber};

/// What a parser is told besides the bytes. A [`Dialect`] is one: of a frame that ended in CR LF and
/// that may be anything.
///
/// A frame is one line without its line end. How that was written is told here, as a bare LF is a
/// deviation of a server's line, and an error of a command.
///
/// ```
/// use bytes::Bytes;
/// use mailwire_pop3::{Dialect, Expected, ParseContext, Reply};
///
/// let context = ParseContext::new(Dialect::Strict).expecting(Expected::DropListing);
/// let reply = Reply::parse(&Bytes::from_static(b"+OK 2 320"), context)?.value;
/// assert_eq!(reply, Reply::drop_listing(2, 320));
/// # Ok::<(), mailwire_pop3::ParseError>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseContext {
    /// How exactly the frame is held to the grammar.
    pub dialect: Dialect,
    /// How the frame ended.
    pub newline: Newline,
    /// What a server's line is, which only the command tells.
    pub expected: Expected,
    /// The message that the command named, if it named one. Some servers leave its number out of their
    /// answer.
    pub number: Option<MessageNumber>,
}

impl ParseContext {
    /// The context of a frame that ended in CR LF, of which nothing else is known.
    #[must_use]
    pub const fn new(dialect: Dialect) -> Self {
        Self { dialect, newline: Newline::CrLf, expected: Expected::Any, number: None }
    }

    /// Runs `grammar` over the whole of a server's line, whose end may be a bare LF.
    pub(crate) fn parse<T>(
        self,
        frame: &Bytes,
        grammar: impl FnOnce(&mut Cursor<'_>) -> Result<T, ParseError>,
    ) -> Result<Parsed<T>, ParseError> {
        Cursor::parse(frame, self.dialect, |cursor| {
            let value = grammar(cursor)?;
            cursor.expect_end()?;
            match self.newline {
                Newline::CrLf => {}
                Newline::Lf => cursor.deviate(deviation::BARE_LF)?,
            }
            Ok(value)
        })
    }
}

setters!(const ParseContext {
    with_newline(newline: Newline),
    expecting(expected: Expected),
    about(number: Option<MessageNumber>),
});

impl From<Dialect> for ParseContext {
    fn from(dialect: Dialect) -> Self {
        Self::new(dialect)
    }
}
