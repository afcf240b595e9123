//! The human-readable part of a status line.

use alloc::{string::String, vec::Vec};

use mailwire_core::{Invalid, Text, private::check_text, text_newtype};

use super::is_line_byte;

text_newtype! {
    /// What a status line says to a human: no CR, LF or NUL, and no `[` at its start, where a response
    /// code stands ([RFC 2449 section 8](https://www.rfc-editor.org/rfc/rfc2449#section-8)). One that was read leniently can start with `[`.
    #[derive(Default)]
    pub struct ReplyText: bytes;
}

/// Bytes of a text that is made to fit, so that a response code has room beside it.
const LENGTH: usize = 400;

impl ReplyText {
    /// A text.
    ///
    /// # Errors
    ///
    /// A CR, LF or NUL in it, or `[` at its start.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        const WHAT: &str = "reply text";
        let text = text.into();
        check_text(WHAT, text.as_bytes(), 0..=usize::MAX, is_line_byte, "a CR, LF or NUL")?;
        if text.as_bytes().first() == Some(&b'[') {
            return Err(Invalid::new(WHAT, 0, "it starts like a response code"));
        }
        Ok(Self(text))
    }

    /// A text made of whatever is given: control characters and what is not ASCII become `?`, a
    /// `[` at the start becomes `(`, and what is too long for a status line is cut off. For texts
    /// that come from elsewhere, such as error messages.
    ///
    /// ```
    /// use mailwire_pop3::ReplyText;
    /// assert_eq!(ReplyText::lossy("disk full\r\n+OK").to_string(), "disk full??+OK");
    /// ```
    #[must_use]
    pub fn lossy(text: &str) -> Self {
        let fits = |byte| matches!(byte, b' '..=b'~');
        // Nearly all are fit as they are, and a copy is cheap (hostile/pop3-server-commands).
        if text.len() <= LENGTH && text.bytes().all(fits) && !text.starts_with('[') {
            return Self(Text::from(text));
        }
        let mut bytes: Vec<u8> = text
            .chars()
            .take(LENGTH)
            .map(|c| u8::try_from(c).ok().filter(|&byte| fits(byte)).unwrap_or(b'?'))
            .collect();
        if let Some(first) = bytes.first_mut().filter(|first| **first == b'[') {
            *first = b'(';
        }
        Self(Text::from(bytes))
    }

    /// A text of UTF-8, for a client that has chosen a language or the UTF-8 mode ([RFC 6856 section
    /// 3.2](https://www.rfc-editor.org/rfc/rfc6856#section-3.2)): as [`lossy`](Self::lossy), but what is beyond ASCII
    /// stays. It is cut off at 400 bytes.
    ///
    /// ```
    /// use mailwire_pop3::ReplyText;
    /// assert_eq!(ReplyText::international("zu groß\n").to_string(), "zu groß?");
    /// ```
    #[must_use]
    pub fn international(text: &str) -> Self {
        let fits = |c: char| if c.is_control() { '?' } else { c };
        let mut kept = String::new();
        for c in text.chars().map(fits) {
            if kept.len() + c.len_utf8() > LENGTH {
                break;
            }
            kept.push(if kept.is_empty() && c == '[' { '(' } else { c });
        }
        Self(Text::from(kept))
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
