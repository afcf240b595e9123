//! Text that can stand in a line.

use mailwire_core::{Invalid, Text, private::check_text, text_newtype};

use super::is_line_byte;

text_newtype! {
    /// Any text without CR, LF and NUL: arguments and lines whose form is not known here.
    #[derive(Default)]
    pub struct LineText: bytes;
}

impl LineText {
    /// A text.
    ///
    /// # Errors
    ///
    /// It has a CR, LF or NUL.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        let text = text.into();
        check_text("text of a line", text.as_bytes(), 0..=usize::MAX, is_line_byte, "a CR, LF or NUL")?;
        Ok(Self(text))
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
