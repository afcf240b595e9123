//! Text that callers put into commands.

use core::fmt;

use mailwire_core::{Invalid, ParseError, Text};

use crate::{
    framing,
    types::{Atom, Reader, read_astring, text_newtype},
};

text_newtype! {
    /// Text as an argument of a command: a user name, a word to search for. There is no NUL, CR or
    /// LF in it.
    ///
    /// ```
    /// use mailwire_imap::command::AString;
    ///
    /// assert!(AString::new("tell {5}").is_ok());
    /// assert!(AString::new("a\r\nb LOGOUT").is_err());
    /// ```
    AString
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

impl TryFrom<alloc::string::String> for AString {
    type Error = Invalid;
    fn try_from(text: alloc::string::String) -> Result<Self, Invalid> {
        Self::new(text)
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
    /// A command of one line. `arguments` stand behind its name and a space; there may be none.
    ///
    /// # Errors
    ///
    /// A NUL, CR, LF or 8-bit character in the arguments, or a literal's announcement at their end.
    pub fn new(name: Atom, arguments: impl Into<Text>) -> Result<Self, Invalid> {
        let arguments = arguments.into();
        let bytes = arguments.as_bytes();
        if let Some(at) = bytes.iter().position(|byte| matches!(byte, 0 | b'\r' | b'\n' | 0x80..)) {
            return Err(Invalid::new("command", at, "a character that cannot stand in a line"));
        }
        if framing::announcement(bytes).is_some() {
            return Err(Invalid::new("command", bytes.len(), "it announces a literal"));
        }
        Ok(Self { name, arguments })
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

    /// What stands behind the name and its space.
    #[must_use]
    pub const fn arguments(&self) -> &Text {
        &self.arguments
    }
}

/// The arguments of a command that is not known may be a secret.
impl fmt::Debug for OtherCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtherCommand").field("name", &self.name).finish_non_exhaustive()
    }
}
