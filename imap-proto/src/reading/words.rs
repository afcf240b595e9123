//! Encoded words: [RFC 2047](https://www.rfc-editor.org/rfc/rfc2047).

use alloc::{borrow::Cow, string::String, vec::Vec};

use memchr::memmem;

use super::{
    base64::Base64,
    charsets::{Charsets, NO_OTHERS, guessed, known, one_line},
};
use crate::types::{Envelope, unescape};

/// Decodes the encoded words of a header field's text, a subject for instance. What cannot be decoded stays as it is.
///
/// The result is one line: controls are spaces. What is not encoded is UTF-8, or windows-1252 if it is not.
/// Read leniently: words without spaces around them, within quotes, longer than 75 bytes, or with spaces in them; letters that
/// are cut between two words; base64 without its padding.
///
/// # Examples
///
/// ```
/// use mailwire_imap::reading::decode_words;
///
/// assert_eq!(decode_words(b"=?utf-8?q?Caf=C3=A9?= at =?iso-8859-1?B?6Q==?="), "Café at é");
/// ```
#[must_use]
pub fn decode_words(text: &[u8]) -> String {
    decode_words_with(text, NO_OTHERS)
}

/// As [`decode_words`], and asks `charsets` for those that are not known here.
#[must_use]
pub fn decode_words_with(text: &[u8], charsets: Charsets<'_>) -> String {
    if memmem::find(text, b"=?").is_none() {
        return one_line(guessed(text));
    }
    let mut decoded = Decoded { charsets, text: String::new(), charset: b"", bytes: Vec::new() };
    let mut words = Words { text, end: None };
    let mut rest = 0;
    while let Some(start) = find(text, rest, b"=?") {
        let Some((word, end)) = words.at(start) else {
            // Not even the begin of one.
            decoded.plain(text.get(rest..start + 2).unwrap_or_default());
            rest = start + 2;
            continue;
        };
        let between = text.get(rest..start).unwrap_or_default();
        // Between two encoded words, blanks are none (section 6.2).
        if !(decoded.is_in_words() && between.trim_ascii().is_empty()) {
            decoded.plain(between);
        }
        if !decoded.word(&word) {
            decoded.plain(text.get(start..end).unwrap_or_default());
        }
        rest = end;
    }
    decoded.plain(text.get(rest..).unwrap_or_default());
    decoded.end_words();
    one_line(Cow::Owned(decoded.text))
}

impl Envelope {
    /// Returns Subject for people: see [`decode_words`].
    #[must_use]
    pub fn decoded_subject(&self) -> Option<String> {
        self.subject().map(|subject| decode_words(subject.as_bytes()))
    }
}

/// What there is of the result.
struct Decoded<'a, 't> {
    charsets: Charsets<'a>,
    text: String,
    /// Of the bytes that wait for the rest of a letter in the next word.
    charset: &'t [u8],
    bytes: Vec<u8>,
}

impl<'t> Decoded<'_, 't> {
    /// Whether an encoded word was the last.
    fn is_in_words(&self) -> bool {
        !self.charset.is_empty()
    }

    fn plain(&mut self, text: &[u8]) {
        if !text.is_empty() {
            self.end_words();
            self.text += &guessed(text);
        }
    }

    fn end_words(&mut self) {
        if self.is_in_words() {
            self.text += &known(self.charset, &self.bytes, self.charsets).unwrap_or_default();
        }
        self.bytes.clear();
        self.charset = b"";
    }

    /// Whether it could be decoded.
    fn word(&mut self, word: &Word<'t>) -> bool {
        if !self.charset.eq_ignore_ascii_case(word.charset) {
            self.end_words();
            if known(word.charset, b"", self.charsets).is_none() {
                return false;
            }
            self.charset = word.charset;
        }
        if word.is_base64 {
            let mut decoder = Base64::default();
            decoder.decode(word.text, &mut self.bytes);
            decoder.finish(&mut self.bytes);
        } else {
            quoted(word.text, &mut self.bytes);
        }
        true
    }
}

/// ```text
/// encoded-word = "=?" charset ["*" language] "?" encoding "?" encoded-text "?="
/// ```
struct Word<'t> {
    charset: &'t [u8],
    is_base64: bool,
    text: &'t [u8],
}

/// A name of a charset, with a language, has no more bytes.
const NAME: usize = 80;

struct Words<'t> {
    text: &'t [u8],
    /// Where the next `?=` is, as far as that was looked for: then each byte is looked at once.
    end: Option<usize>,
}

impl<'t> Words<'t> {
    /// The word that begins here, and where it ends.
    fn at(&mut self, start: usize) -> Option<(Word<'t>, usize)> {
        let rest = self.text.get(start + 2..)?;
        let name = rest.get(..rest.len().min(NAME))?;
        let length = memchr::memchr(b'?', name)?;
        let name = name.get(..length)?;
        let (b'?', encoding, b'?') = (*rest.get(length)?, *rest.get(length + 1)?, *rest.get(length + 2)?)
        else {
            return None;
        };
        let charset = name.split(|&byte| byte == b'*').next()?;
        let is_name = !charset.is_empty() && charset.iter().all(|byte| byte.is_ascii_graphic());
        let is_base64 = match encoding {
            b'B' | b'b' if is_name => true,
            b'Q' | b'q' if is_name => false,
            _ => return None,
        };
        let from = start + 2 + length + 3;
        let end = match self.end {
            Some(end) if end >= from => end,
            _ => find(self.text, from, b"?=").unwrap_or(usize::MAX),
        };
        self.end = Some(end);
        Some((Word { charset, is_base64, text: self.text.get(from..end)? }, end + 2))
    }
}

fn find(text: &[u8], from: usize, needle: &[u8]) -> Option<usize> {
    memmem::find(text.get(from..)?, needle).map(|at| from + at)
}

/// The encoding `Q` (section 4.2): `_` is a space.
fn quoted(text: &[u8], out: &mut Vec<u8>) {
    for (at, piece) in text.split(|&byte| byte == b'_').enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        unescape(piece, b'=', out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        for (text, expected) in [
            ("plain", "plain"),
            ("=?utf-8?q?a_b=5F?=", "a b_"),
            ("a =?utf-8?Q?=C3=BC?= \r\n =?utf-8?b?w7w?=  b", "a üü  b"),
            ("=?utf-8?q?=C3?= =?UTF-8?b?vA==?=", "ü"),
            ("=?utf-8*de?q?x?=", "x"),
            ("=?iso-8859-1?q?=E9?= =?utf-8?q?=C3=A9?=", "éé"),
            // Without spaces, within quotes, with what must not be in there.
            ("x=?utf-8?q?a?=y", "xay"),
            ("\"=?utf-8?q?a b?c?=\"", "\"a b?c\""),
            ("=?utf-8?b?YWI?==?utf-8?q?=?=", "ab="),
            // None.
            ("=?x-none?q?a?= =?utf-8?q?b?=", "=?x-none?q?a?= b"),
            ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
            ("=?utf-8?q?never ends", "=?utf-8?q?never ends"),
            ("=??q?a?= =? =?utf-8", "=??q?a?= =? =?utf-8"),
            ("=?utf-8?q?a=0D=0AX:_b=00?=", "a  X: b "),
            ("", ""),
        ] {
            assert_eq!(decode_words(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(decode_words(b"caf\xe9 =?utf-8?q?=C3=A9?="), "café é");
        let koi = |name: &[u8], _: &[u8]| (name == b"koi8-r").then(|| String::from("А"));
        assert_eq!(decode_words_with(b"=?koi8-r?q?=E1?=", &koi), "А");
    }

    /// What looks like many words takes no more time than one.
    #[test]
    fn work_is_linear() {
        for text in ["=?a?q?", "=?utf-8?q?", "=?utf-8?b?x?=", "=?", "?=", "=?utf-8?q?=", "=?a?q?x?="] {
            let many = text.repeat(1 << 17);
            assert!(decode_words(many.as_bytes()).len() <= many.len());
        }
    }
}
