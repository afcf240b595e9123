//! Text that callers put into commands.

use alloc::vec::Vec;
use core::fmt;

use mailwire_core::{Invalid, ParseError, Text};

use super::writer::{WriteOptions, Writer};
use crate::{
    framing,
    literal::Announcement,
    types::{Atom, Reader, Value, read_astring},
};

mailwire_core::text_newtype! {
    /// Text as an argument of a command: a user name, a word to search for. There is no NUL, CR or
    /// LF in it.
    ///
    /// ```
    /// use mailwire_imap::command::AString;
    ///
    /// assert!(AString::new("tell {5}").is_ok());
    /// assert!(AString::new("a\r\nb LOGOUT").is_err());
    /// ```
    pub struct AString: bytes;
}

impl AString {
    /// Text of these bytes.
    ///
    /// # Errors
    ///
    /// There is a NUL, CR or LF in it.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        let text = text.into();
        match memchr::memchr3(0, b'\r', b'\n', text.as_bytes()) {
            Some(at) => Err(Invalid::new("argument", at, "NUL, CR or LF")),
            None => Ok(Self::unchecked(text)),
        }
    }

    /// ```text
    /// astring = 1*ASTRING-CHAR / string
    /// ```
    #[inline]
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        // Only a literal can hold what must not be here.
        if !matches!(r.peek(), Some(b'{' | b'~')) {
            return read_astring(r).map(|string| Self::unchecked(string.into_text()));
        }
        let start = r.offset();
        Self::new(read_astring(r)?.into_text())
            .map_err(|_| ParseError::new(start, "a line end in an argument"))
    }
}

/// A command that this crate does not know, with its arguments as they stand on the wire.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct OtherCommand {
    name: Atom,
    arguments: Text,
}

impl OtherCommand {
    /// A command of one line. `arguments` stand after its name and a space; there may be none. Literals
    /// are added with [`with_literal`](Self::with_literal).
    ///
    /// ```
    /// use mailwire_imap::{command::OtherCommand, types::Atom};
    ///
    /// let command = OtherCommand::new(Atom::new("X-SETMETA")?, "INBOX (/private/comment ")?
    ///     .with_literal("two\r\nlines", false)?
    ///     .with_text(")")?;
    /// assert_eq!(command.arguments(), "INBOX (/private/comment {10}\r\ntwo\r\nlines)");
    /// # Ok::<(), mailwire_imap::Invalid>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A NUL, CR or LF in the arguments, or a literal's announcement at their end.
    pub fn new(name: Atom, arguments: impl Into<Text>) -> Result<Self, Invalid> {
        let arguments = arguments.into();
        check_line(arguments.as_bytes())?;
        Ok(Self { name, arguments })
    }

    /// Adds a literal, which waits for the server's go-ahead: `binary` is a `literal8`, which can hold
    /// NUL. Give the space before it with the arguments.
    ///
    /// # Errors
    ///
    /// A NUL in a literal that is not binary.
    pub fn with_literal(self, literal: impl Into<Text>, binary: bool) -> Result<Self, Invalid> {
        let literal = literal.into();
        let bytes = literal.as_bytes();
        if let Some(at) = memchr::memchr(0, bytes).filter(|_| !binary) {
            return Err(Invalid::new("literal", at, "NUL in what is not binary"));
        }
        let mut arguments = self.arguments.as_bytes().to_vec();
        if binary {
            arguments.push(b'~');
        }
        Announcement::by_server(bytes.len() as u64, false).write(&mut arguments);
        arguments.extend_from_slice(bytes);
        Ok(Self { name: self.name, arguments: arguments.into() })
    }

    /// Adds text, as after a literal.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new).
    pub fn with_text(self, text: impl Into<Text>) -> Result<Self, Invalid> {
        let text = text.into();
        let mut arguments = self.arguments.as_bytes().to_vec();
        let line = arguments.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        arguments.extend_from_slice(text.as_bytes());
        check_line(text.as_bytes())?;
        check_line_end(arguments.get(line..).unwrap_or_default())?;
        Ok(Self { name: self.name, arguments: arguments.into() })
    }

    /// Adds values, each after a space. A string that cannot stand between quotes is a literal, which
    /// waits for the server's go-ahead.
    ///
    /// ```
    /// use mailwire_imap::{command::OtherCommand, types::{Atom, Value}};
    ///
    /// let values = [Value::string("INBOX")?, vec![Value::word("/private/comment")?, Value::string("é")?].into()];
    /// let command = OtherCommand::new(Atom::new("X-SETMETA")?, "")?.with_values(values);
    /// assert_eq!(command.arguments(), "\"INBOX\" (/private/comment {2}\r\né)");
    /// # Ok::<(), mailwire_imap::Invalid>(())
    /// ```
    #[must_use]
    pub fn with_values(self, values: impl IntoIterator<Item = Value>) -> Self {
        let mut arguments = self.arguments.as_bytes().to_vec();
        for value in values {
            if !matches!(arguments.last(), None | Some(b'(' | b' ')) {
                arguments.push(b' ');
            }
            Writer::new(&mut arguments, WriteOptions::default()).values(&[value]);
        }
        Self { name: self.name, arguments: arguments.into() }
    }

    /// The arguments, taken apart.
    ///
    /// # Errors
    ///
    /// They are not made of values.
    #[inline]
    pub fn values(&self) -> Result<Vec<Value>, ParseError> {
        Value::parse_all(self.arguments.as_bytes())
    }

    /// Of a frame, with literals in it.
    pub(crate) const fn from_frame(name: Atom, arguments: Text) -> Self {
        Self { name, arguments }
    }

    /// The name, in the case in which it came.
    #[must_use]
    pub const fn name(&self) -> &Atom {
        &self.name
    }

    /// What stands after the name and its space, with literals as they are on the wire.
    #[must_use]
    pub const fn arguments(&self) -> &Text {
        &self.arguments
    }
}

fn check_line(text: &[u8]) -> Result<(), Invalid> {
    match memchr::memchr3(0, b'\r', b'\n', text) {
        Some(at) => Err(Invalid::new("command", at, "a character that cannot stand in a line")),
        None => check_line_end(text),
    }
}

fn check_line_end(line: &[u8]) -> Result<(), Invalid> {
    match framing::announcement(line) {
        Some(_) => Err(Invalid::new("command", line.len(), "it announces a literal")),
        None => Ok(()),
    }
}

/// The arguments of a command that is not known may be a secret.
impl fmt::Debug for OtherCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtherCommand").field("name", &self.name).finish_non_exhaustive()
    }
}
