//! Text that was looked through once.

use bytes::Bytes;

use super::bare::TextSearch;

/// Text of which it is known that no CR or LF stands alone in it, and no NUL stands in it: a body that is framed by its length (BDAT) can be
/// sent without looking through it again, for each server and each attempt.
///
/// # Examples
///
/// ```
/// use mailwire_core::dot::CheckedText;
///
/// let mut text = CheckedText::new("one\r\ntwo\r\n".into()).unwrap();
/// // Not within a line end.
/// assert_eq!(text.split_to(4).as_bytes(), "one");
/// assert_eq!(text.as_bytes(), "\r\ntwo\r\n");
/// assert_eq!(CheckedText::new("one\ntwo\r\n".into()).unwrap_err(), "one\ntwo\r\n");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckedText(Bytes);

impl CheckedText {
    /// Looks through a text, which takes about as long as copying it.
    ///
    /// # Errors
    ///
    /// Hands the bytes back if a CR or LF stands alone, or a NUL is among them.
    pub fn new(bytes: Bytes) -> Result<Self, Bytes> {
        let mut search = TextSearch::new(true, true);
        search.look(&bytes);
        search.finish();
        if search.is_text() { Ok(Self(bytes)) } else { Err(bytes) }
    }

    /// Of bytes that were looked through already, but for their first and last.
    #[must_use]
    pub(crate) const fn known(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The bytes.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// Takes the first `at` bytes off, or all: one less where they would end within a line end, but for a text that begins with one. Nothing is
    /// copied.
    #[must_use]
    pub fn split_to(&mut self, at: usize) -> Self {
        let cut = |at: usize| self.0.get(at.saturating_sub(1)..=at) == Some(b"\r\n");
        let at = match at {
            1 if cut(1) => 2,
            at if cut(at) => at.saturating_sub(1),
            at => at.min(self.0.len()),
        };
        Self(self.0.split_to(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_text() {
        for (text, is_text) in
            [("", true), ("a", true), ("\r\n", true), ("a\r\n\r\nb", true), ("\r", false), ("\n", false)]
                .into_iter()
                .chain([
                    ("a\rb", false),
                    ("a\nb", false),
                    ("a\r\n\0", false),
                    ("\0", false),
                    ("a\r\n\r", false),
                ])
        {
            assert_eq!(CheckedText::new(text.into()).is_ok(), is_text, "{text:?}");
        }
    }

    #[test]
    fn every_part_is_text() {
        let whole = "\r\n\r\na\r\nbc\r\n";
        for step in 1..=whole.len() + 1 {
            let mut rest = CheckedText::new(whole.into()).unwrap();
            let mut parts = alloc::string::String::new();
            while !rest.as_bytes().is_empty() {
                let part = rest.split_to(step);
                assert!(!part.as_bytes().is_empty());
                assert_eq!(CheckedText::new(part.as_bytes().clone()).unwrap(), part);
                parts.push_str(core::str::from_utf8(part.as_bytes()).unwrap());
            }
            assert_eq!(parts, whole);
        }
        assert!(CheckedText::default().split_to(0).into_bytes().is_empty());
    }
}
