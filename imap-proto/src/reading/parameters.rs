//! Values of MIME parameters: [RFC 2231](https://www.rfc-editor.org/rfc/rfc2231), and RFC 2047 where it must not be.

use alloc::{borrow::Cow, string::String, vec::Vec};

use super::{
    charsets::{Charsets, NO_OTHERS, guessed, known, one_line},
    words::decode_words_with,
};
use crate::types::{ImapString, hex, unescape};

/// Gives the value of a parameter of Content-Type or Content-Disposition for people: decoded, in one line.
///
/// `name*=utf-8''caf%C3%A9` comes before `name*0=ca; name*1=f%C3%A9`, and that before `name=...`. Read leniently: without
/// charset and language; with only the first pieces there; a plain value that is written as `name*` should be, or in
/// encoded words, or in raw 8-bit.
///
/// # Examples
///
/// ```
/// use mailwire_imap::{reading::parameter, types::ImapString};
///
/// let of = |name: &str, value: &str| [(name.try_into().unwrap(), value.try_into().unwrap())];
/// assert_eq!(parameter(&of("filename*", "utf-8'fr'caf%C3%A9"), "filename").as_deref(), Some("café"));
/// assert_eq!(parameter(&of("FILENAME", "=?utf-8?q?caf=C3=A9?="), "filename").as_deref(), Some("café"));
/// assert_eq!(parameter(&of("name", "x"), "filename"), None);
/// ```
#[must_use]
pub fn parameter(parameters: &[(ImapString, ImapString)], name: &str) -> Option<String> {
    parameter_with(parameters, name, NO_OTHERS)
}

/// As [`parameter`], and asks `charsets` for those that are not known here.
#[must_use]
pub fn parameter_with(
    parameters: &[(ImapString, ImapString)],
    name: &str,
    charsets: Charsets<'_>,
) -> Option<String> {
    let (mut pieces, mut plain) = (Vec::new(), None);
    for (spelt, value) in parameters {
        match Form::of(spelt.as_bytes(), name) {
            Some(Form::Plain) if plain.is_none() => plain = Some(value.as_bytes()),
            Some(Form::Piece { number, is_encoded }) => pieces.push((number, is_encoded, value.as_bytes())),
            _ => {}
        }
    }
    // Of two with one number, the first is the one: the order stays.
    pieces.sort_by_key(|(number, ..)| *number);
    pieces.dedup_by_key(|(number, ..)| *number);
    extended(&pieces, charsets).or_else(|| plain.map(|value| of_plain(value, charsets)))
}

/// How a parameter is spelt.
enum Form {
    /// `name`
    Plain,
    /// `name*`, which is before all numbers, `name*0` and `name*0*`.
    Piece { number: Option<u32>, is_encoded: bool },
}

impl Form {
    fn of(spelt: &[u8], name: &str) -> Option<Self> {
        let (start, rest) = spelt.split_at_checked(name.len())?;
        if !start.eq_ignore_ascii_case(name.as_bytes()) {
            return None;
        }
        let Some(rest) = rest.strip_prefix(b"*") else { return rest.is_empty().then_some(Self::Plain) };
        let (digits, is_encoded) = match rest.strip_suffix(b"*") {
            _ if rest.is_empty() => return Some(Self::Piece { number: None, is_encoded: true }),
            Some(digits) => (digits, true),
            None => (rest, false),
        };
        let is_number = digits.iter().all(u8::is_ascii_digit);
        let number = core::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()?;
        Some(Self::Piece { number: Some(number), is_encoded })
    }
}

/// The value of all pieces; of `name*` alone if it is there.
fn extended(pieces: &[(Option<u32>, bool, &[u8])], charsets: Charsets<'_>) -> Option<String> {
    let whole: Vec<(bool, &[u8])> = match pieces.first()? {
        (None, is_encoded, value) => [(*is_encoded, *value)].into(),
        _ => {
            let next = pieces.iter().zip(0u32..).take_while(|((number, ..), next)| *number == Some(*next));
            next.map(|((_, is_encoded, value), _)| (*is_encoded, *value)).collect()
        }
    };
    let (is_encoded, first) = whole.first()?;
    if !is_encoded && whole.iter().all(|(is_encoded, _)| !is_encoded) {
        let value: Vec<u8> = whole.iter().flat_map(|(_, value)| *value).copied().collect();
        return Some(of_plain(&value, charsets));
    }
    let (charset, first) = if *is_encoded { charset_of(first) } else { (&b""[..], *first) };
    let mut bytes = Vec::new();
    for (at, (is_encoded, value)) in whole.iter().enumerate() {
        let value = if at == 0 { first } else { *value };
        if *is_encoded { unescape(value, b'%', &mut bytes) } else { bytes.extend_from_slice(value) }
    }
    Some(one_line(text_of(charset, &bytes, charsets)))
}

/// ```text
/// extended-initial-value = [charset] "'" [language] "'" extended-other-values
/// ```
fn charset_of(value: &[u8]) -> (&[u8], &[u8]) {
    let mut parts = value.splitn(3, |&byte| byte == b'\'');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(charset), Some(_), Some(value)) => (charset, value),
        _ => (b"", value),
    }
}

fn text_of<'a>(charset: &[u8], bytes: &'a [u8], charsets: Charsets<'_>) -> Cow<'a, str> {
    known(charset, bytes, charsets).unwrap_or_else(|| guessed(bytes))
}

/// A value as it should be: or with what belongs elsewhere.
fn of_plain(value: &[u8], charsets: Charsets<'_>) -> String {
    if let (charset @ [_, ..], encoded) = charset_of(value) {
        let is_encoded = encoded
            .windows(3)
            .any(|three| matches!(three, [b'%', high, low] if hex(*high).is_some() && hex(*low).is_some()));
        if is_encoded && known(charset, b"", charsets).is_some() {
            let mut bytes = Vec::new();
            unescape(encoded, b'%', &mut bytes);
            return one_line(text_of(charset, &bytes, charsets));
        }
    }
    decode_words_with(value, charsets)
}

/// Makes of what a stranger calls a file a name that can be used for one: the part after the last `/` or `\`, without
/// controls and what turns the direction of the text, blanks at its ends, and the characters that Windows has no names with, which
/// become `_`. `None` if nothing is left, and for names of nothing but dots.
///
/// Names that a system gives another meaning (`NUL`, `.profile`) are up to the caller, and so is a file of that name that
/// is there already.
///
/// # Examples
///
/// ```
/// use mailwire_imap::reading::safe_file_name;
///
/// assert_eq!(safe_file_name("C:\\My Files\\a:b.txt").as_deref(), Some("a_b.txt"));
/// assert_eq!(safe_file_name("../.."), None);
/// ```
#[must_use]
pub fn safe_file_name(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next()?;
    let is_hidden = |letter: &char| {
        let turns =
            matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        letter.is_control() || turns
    };
    let mut safe: String = last.chars().filter(|letter| !is_hidden(letter)).take(NAME).collect();
    safe = safe.trim().replace(['<', '>', ':', '"', '|', '?', '*'], "_");
    while safe.len() > NAME {
        safe.pop();
    }
    (!safe.trim_matches('.').is_empty()).then_some(safe)
}

/// Bytes of a file's name that most systems take.
const NAME: usize = 255;

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn of(parameters: &[(&str, &str)]) -> Option<String> {
        let string = |text: &str| ImapString::new(text).unwrap();
        let parameters: Vec<_> =
            parameters.iter().map(|(name, value)| (string(name), string(value))).collect();
        parameter(&parameters, "filename")
    }

    #[test]
    fn values() {
        for (parameters, expected) in [
            (&[("filename", "a b.txt")][..], "a b.txt"),
            (&[("filename*", "utf-8''a%20%C3%BC%2"), ("filename", "a")], "a ü%2"),
            (&[("Filename*1*", "%BC.txt"), ("FILENAME*0*", "UTF-8''a%C3")], "aü.txt"),
            (&[("filename*0", "a long "), ("filename*1", "name"), ("filename*3", "x")], "a long name"),
            (&[("filename*0*", "iso-8859-1'de'%FC"), ("filename*1", "%FC")], "ü%FC"),
            (&[("filename*0", "a"), ("filename*1*", "%20b")], "a b"),
            // Abuses: no charset, no language, RFC 2047, 8-bit, encoded without an asterisk, doubled numbers.
            (&[("filename*", "a%C3%BC")], "aü"),
            (&[("filename*", "%FC")], "ü"),
            (&[("filename*", "x-none''%FC")], "ü"),
            (&[("filename", "=?UTF-8?B?w7w=?= =?UTF-8?Q?=C3=BC.txt?=")], "üü.txt"),
            (&[("filename*0", "=?UTF-8?Q?=C3"), ("filename*1", "=BC?=")], "ü"),
            (&[("filename", "utf-8''%C3%BC")], "ü"),
            (&[("filename", "it's 100%'s worth")], "it's 100%'s worth"),
            (&[("filename", "ü\r\nX: y")], "ü  X: y"),
            (&[("filename*0", "a"), ("filename*0", "b"), ("filename*01", "c")], "ac"),
            (&[("filename*2", "b"), ("filename", "a")], "a"),
        ] {
            assert_eq!(of(parameters).as_deref(), Some(expected), "{parameters:?}");
        }
        for none in ["file", "filename2", "filename*x", "filename**", "filename*99999999999", "x"] {
            assert_eq!(of(&[(none, "a")]), None, "{none}");
        }
        let many: Vec<_> = (0..100_000).rev().map(|at| format!("filename*{at}")).collect();
        let many: Vec<_> = many.iter().map(|name| (name.as_str(), "x")).collect();
        assert_eq!(of(&many).unwrap().len(), 100_000);
    }

    #[test]
    fn safe_names() {
        for (name, expected) in [
            ("a.txt", Some("a.txt")),
            ("/etc/passwd", Some("passwd")),
            (" a\u{202e}txt.exe\n", Some("atxt.exe")),
            ("..", None),
            ("a/", None),
            ("\u{7}", None),
        ] {
            assert_eq!(safe_file_name(name).as_deref(), expected, "{name}");
        }
        assert_eq!(safe_file_name(&"ü".repeat(400)).unwrap().len(), 254);
    }
}
