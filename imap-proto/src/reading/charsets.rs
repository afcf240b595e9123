//! Bytes of a charset as text.

use alloc::{
    borrow::Cow,
    string::{String, ToString},
};

/// Decodes bytes of a charset, whose name comes first, in any case of its letters; `None` if it is not known. It is asked
/// where UTF-8, US-ASCII, ISO-8859-1 and windows-1252 do not do.
pub type Charsets<'a> = &'a dyn Fn(&[u8], &[u8]) -> Option<String>;

/// No other charsets than those that are known here.
pub(super) const NO_OTHERS: Charsets<'static> = &|_, _| None;

/// What windows-1252 has from 0x80 to 0x9f; the five that it has not are controls.
const WINDOWS: [char; 32] = [
    '\u{20ac}', '\u{81}', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}', '\u{2c6}',
    '\u{2030}', '\u{160}', '\u{2039}', '\u{152}', '\u{8d}', '\u{17d}', '\u{8f}', '\u{90}', '\u{2018}',
    '\u{2019}', '\u{201c}', '\u{201d}', '\u{2022}', '\u{2013}', '\u{2014}', '\u{2dc}', '\u{2122}', '\u{161}',
    '\u{203a}', '\u{153}', '\u{9d}', '\u{17e}', '\u{178}',
];

/// Gives a text of a charset, a part's for instance: see [`Part::charset`](super::Part::charset). Without a name, and
/// with one that is not known, it is UTF-8, or windows-1252 if it is not.
///
/// # Examples
///
/// ```
/// use mailwire_imap::reading::decode_text;
///
/// assert_eq!(decode_text(Some(b"iso-8859-1"), b"caf\xe9"), "café");
/// assert_eq!(decode_text(None, "café".as_bytes()), "café");
/// ```
#[must_use]
pub fn decode_text<'a>(charset: Option<&[u8]>, bytes: &'a [u8]) -> Cow<'a, str> {
    decode_text_with(charset, bytes, NO_OTHERS)
}

/// As [`decode_text`], and asks `charsets` for those that are not known here.
#[must_use]
pub fn decode_text_with<'a>(charset: Option<&[u8]>, bytes: &'a [u8], charsets: Charsets<'_>) -> Cow<'a, str> {
    charset.and_then(|charset| known(charset, bytes, charsets)).unwrap_or_else(|| guessed(bytes))
}

/// `None`: the charset is not known.
pub(super) fn known<'a>(charset: &[u8], bytes: &'a [u8], charsets: Charsets<'_>) -> Option<Cow<'a, str>> {
    let is = |names: &[&str]| names.iter().any(|name| charset.eq_ignore_ascii_case(name.as_bytes()));
    if is(&["utf-8", "utf8"]) {
        return Some(String::from_utf8_lossy(bytes));
    }
    // Who says ASCII and writes something else writes UTF-8 mostly.
    if is(&["us-ascii", "ascii"]) {
        return Some(guessed(bytes));
    }
    // What the web has taught all of them: ISO-8859-1 is its superset.
    if is(&["iso-8859-1", "latin1", "windows-1252", "cp1252"]) {
        return Some(windows(bytes));
    }
    charsets(charset, bytes).map(Cow::Owned)
}

/// Of bytes without a charset.
pub(super) fn guessed(bytes: &[u8]) -> Cow<'_, str> {
    core::str::from_utf8(bytes).map_or_else(|_| windows(bytes), Cow::Borrowed)
}

fn windows(bytes: &[u8]) -> Cow<'_, str> {
    match core::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        _ => Cow::Owned(bytes.iter().map(|&byte| letter(byte)).collect()),
    }
}

fn letter(byte: u8) -> char {
    let place = usize::from(byte).checked_sub(0x80);
    place.and_then(|place| WINDOWS.get(place)).copied().unwrap_or(char::from(byte))
}

/// A text in one line: controls, among them line ends and tabs, are spaces.
pub(super) fn one_line(text: Cow<'_, str>) -> String {
    if text.contains(char::is_control) {
        text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
    } else {
        text.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charsets() {
        assert_eq!(decode_text(Some(b"Windows-1252"), b"\x80 \x93x\x94 \x9f \xff"), "€ “x” Ÿ ÿ");
        assert_eq!(decode_text(Some(b"us-ascii"), "ü".as_bytes()), "ü");
        assert_eq!(decode_text(Some(b"utf-8"), b"a\xff"), "a\u{fffd}");
        assert_eq!(decode_text(Some(b"x-none"), b"\xfc"), "ü");
        let koi = |name: &[u8], bytes: &[u8]| {
            (name == b"koi8-r").then(|| if bytes == b"\xe1" { "А".into() } else { String::new() })
        };
        assert_eq!(decode_text_with(Some(b"koi8-r"), b"\xe1", &koi), "А");
        assert_eq!(decode_text_with(Some(b"koi8-u"), b"\xe1", &koi), "á");
        assert_eq!(one_line("a\r\nb\tc\0".into()), "a  b c ");
    }
}
