//! Words beyond ASCII in header fields: [RFC 2047](https://www.rfc-editor.org/rfc/rfc2047).

use mail_parser::{HeaderValue, decoders::charsets::map::charset_decoder, parsers::MessageStream};

/// A field's body, a subject for instance, with its encoded words ([RFC 2047](https://www.rfc-editor.org/rfc/rfc2047)) decoded. What cannot be
/// decoded stays as it is.
///
/// The text is a stranger's: it can hold control characters, which a terminal would obey.
///
/// # Examples
///
/// ```
/// use mailwire_transport::encoded_words;
///
/// assert_eq!(encoded_words(b"=?utf-8?q?Caf=C3=A9?= at =?iso-8859-1?B?6Q==?="), "Café at é");
/// ```
#[must_use]
pub fn encoded_words(body: &[u8]) -> String {
    // The parser reads to a line that is no continuation.
    let mut line = body.trim_ascii().to_vec();
    line.extend_from_slice(b"\r\n");
    match MessageStream::new(&line).parse_unstructured() {
        HeaderValue::Text(text) => text.into_owned(),
        _ => String::new(),
    }
}

/// Decodes bytes of a charset by its name, in any case of its letters; `None` if it is not known. It is what functions of
/// `mailwire_imap::reading` that end in `_with` ask.
///
/// # Examples
///
/// ```
/// use mailwire_transport::charset_text;
///
/// assert_eq!(charset_text(b"koi8-r", b"\xed\xc9\xd2").as_deref(), Some("Мир"));
/// assert_eq!(charset_text(b"x-none", b"a"), None);
/// ```
#[must_use]
pub fn charset_text(name: &[u8], bytes: &[u8]) -> Option<String> {
    charset_decoder(name).map(|decode| decode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_decoded() {
        assert_eq!(encoded_words(b" =?iso-8859-1?q?J=F6rg?=\r\n =?utf-8?b?w7w=?= x"), "J\u{f6}rg\u{fc} x");
        assert_eq!(encoded_words(b""), "");
    }
}
