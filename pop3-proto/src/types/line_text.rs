//! Text that can stand in a line.

use mailwire_core::{Invalid, Text};

use super::{check_bytes, is_line_byte, text_value};

/// Any text without CR, LF and NUL: arguments and lines whose form is not known here.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LineText(Text);

text_value!(LineText);

impl LineText {
    /// A text.
    ///
    /// # Errors
    ///
    /// A CR, LF or NUL in it.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        let text = text.into();
        check_bytes("text of a line", text.as_bytes(), is_line_byte, "a CR, LF or NUL")?;
        Ok(Self(text))
    }

    /// What a parser read, without CR, LF and NUL.
    pub(crate) const fn from_peer(text: Text) -> Self {
        Self(text)
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
