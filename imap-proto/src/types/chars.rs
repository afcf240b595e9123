//! The character classes of the grammar, as one table.
//!
//! RFC 9051 section 9:
//!
//! ```text
//! atom-specials   = "(" / ")" / "{" / SP / CTL / list-wildcards / quoted-specials / resp-specials
//! ATOM-CHAR       = <any CHAR except atom-specials>
//! ASTRING-CHAR    = ATOM-CHAR / resp-specials
//! list-char       = ATOM-CHAR / list-wildcards / resp-specials
//! tag             = 1*<any ASTRING-CHAR except "+">
//! TEXT-CHAR       = <any CHAR except CR and LF>
//! ```

/// `ATOM-CHAR`.
pub(crate) const ATOM: u16 = 1;
/// `ASTRING-CHAR`.
pub(crate) const ASTRING: u16 = 1 << 1;
/// `list-char`.
pub(crate) const LIST: u16 = 1 << 2;
/// What a tag is made of.
pub(crate) const TAG: u16 = 1 << 3;
/// What stands in a quoted string as it is: `TEXT-CHAR` except `"` and `\`.
pub(crate) const QUOTED: u16 = 1 << 4;
/// `TEXT-CHAR`.
pub(crate) const TEXT: u16 = 1 << 5;
/// `base64-char` and `=`.
pub(crate) const BASE64: u16 = 1 << 6;
/// What real servers put into an unquoted word: all but space, parentheses, quotes and controls.
pub(crate) const WORD: u16 = 1 << 7;
/// What names an item of FETCH: `ATOM-CHAR` except `[`, which begins what the item is about.
pub(crate) const FETCH_ATT: u16 = 1 << 8;
/// `tagged-label-char` and `*`: the labels of ESEARCH, STATUS and FETCH items.
pub(crate) const LABEL: u16 = 1 << 9;
/// What real servers put into a flag: a word without `{`.
pub(crate) const ODD_FLAG: u16 = 1 << 10;

const fn classes(byte: u8) -> u16 {
    let mut found = 0;
    if byte != 0 && byte < 0x80 && byte != b'\r' && byte != b'\n' {
        found |= TEXT;
        if byte != b'"' && byte != b'\\' {
            found |= QUOTED;
        }
    }
    if byte > b' ' && byte < 0x7f && !matches!(byte, b'(' | b')' | b'{' | b'"' | b'\\') {
        found |= LIST;
        if !matches!(byte, b'%' | b'*') {
            found |= ASTRING;
            if byte != b']' {
                found |= ATOM;
                if byte != b'[' {
                    found |= FETCH_ATT;
                }
            }
            if byte != b'+' {
                found |= TAG;
            }
        }
    }
    if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=') {
        found |= BASE64;
    }
    if byte > b' ' && byte != 0x7f && !matches!(byte, b'(' | b')' | b'"') {
        found |= WORD;
        if byte != b'{' {
            found |= ODD_FLAG;
        }
    }
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':') {
        found |= LABEL;
    }
    found
}

static CLASSES: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        // An index below 256, in a constant.
        #[allow(clippy::indexing_slicing)]
        {
            table[byte] = classes(byte as u8);
        }
        byte += 1;
    }
    table
};

/// Whether `byte` is of one of the classes.
#[inline]
pub(crate) fn is(byte: u8, wanted: u16) -> bool {
    CLASSES.get(usize::from(byte)).is_some_and(|found| found & wanted != 0)
}

/// Whether all of `bytes` are of one of the classes.
#[inline]
pub(crate) fn all(bytes: &[u8], wanted: u16) -> bool {
    bytes.iter().all(|&byte| is(byte, wanted))
}

/// Whether `name` is `known` but for the case of its letters. Most peers write a name as the RFC
/// does, and that is the first guess.
#[inline(always)]
pub(crate) fn is_name(name: &[u8], known: &str) -> bool {
    let known = known.as_bytes();
    name == known || same_start(name, known) && is_in_other_case(name, known)
}

// Once for all names, which are nearly always written as they are known.
#[inline(never)]
fn is_in_other_case(name: &[u8], known: &[u8]) -> bool {
    name.eq_ignore_ascii_case(known)
}

/// Whether the first bytes are the same letter.
#[inline(always)]
fn same_start(name: &[u8], known: &[u8]) -> bool {
    match (name.first(), known.first()) {
        (Some(a), Some(b)) => (a ^ b) & !0x20 == 0,
        _ => true,
    }
}

/// How many bytes at the start stand in a quoted string as they are. Eight at a time.
#[inline]
pub(crate) fn quoted_prefix(bytes: &[u8]) -> usize {
    prefix(bytes, QUOTED, not_quoted)
}

/// How many bytes at the start are `TEXT-CHAR`. Eight at a time.
#[inline]
pub(crate) fn text_prefix(bytes: &[u8]) -> usize {
    prefix(bytes, TEXT, |word| is_below(word, b' ') | word)
}

/// Whether all of `bytes` surely stand in a quoted string as they are. Eight at a time; a tab is not
/// sure.
#[inline]
pub(crate) fn all_quoted(bytes: &[u8]) -> bool {
    let odd = |chunk: &[u8; 8]| not_quoted(u64::from_le_bytes(*chunk));
    let mut rest = bytes;
    let mut found = 0;
    while let Some((chunk, after)) = rest.split_first_chunk() {
        found |= odd(chunk);
        rest = after;
    }
    // The last eight again, of which some were looked at already.
    match bytes.last_chunk() {
        Some(last) => (found | odd(last)) & repeat(0x80) == 0,
        None => all(bytes, QUOTED),
    }
}

const fn repeat(byte: u8) -> u64 {
    0x0101_0101_0101_0101 * byte as u64
}

/// The high bit of each byte that is zero, up to the first at least.
#[inline]
const fn is_zero(word: u64) -> u64 {
    word.wrapping_sub(repeat(1)) & !word
}

/// The high bit of each byte below `limit`, up to the first at least.
#[inline]
const fn is_below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(repeat(limit)) & !word
}

/// The high bit of each byte that may not stand in a quoted string as it is, up to the first at
/// least.
#[inline]
const fn not_quoted(word: u64) -> u64 {
    // With this bit turned, `"` stands right after the control characters.
    is_below(word ^ repeat(0x02), 0x21) | is_zero(word ^ repeat(b'\\')) | word
}

/// `special` sets the high bit of each byte that may not be of `class`.
#[inline]
fn prefix(bytes: &[u8], class: u16, special: impl Fn(u64) -> u64) -> usize {
    let mut at = 0;
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let found = special(u64::from_le_bytes(*chunk)) & repeat(0x80);
        if found == 0 {
            at += 8;
            continue;
        }
        at += found.trailing_zeros() as usize / 8;
        if !bytes.get(at).is_some_and(|&byte| is(byte, class)) {
            return at;
        }
        // A tab, for instance.
        at += 1;
    }
    // The last eight again, of which some were looked at already.
    if bytes.last_chunk().is_some_and(|last| special(u64::from_le_bytes(*last)) & repeat(0x80) == 0) {
        return bytes.len();
    }
    while bytes.get(at).is_some_and(|&byte| is(byte, class)) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_those_of_the_table() {
        for byte in 0..=255u8 {
            for place in 0..19 {
                let mut text = *b"abcdefgh\tjklmn~\x7fpqr";
                text[place] = byte;
                let slow = |class| text.iter().position(|&byte| !is(byte, class)).unwrap_or(text.len());
                assert_eq!(quoted_prefix(&text), slow(QUOTED), "{byte} {place}");
                assert_eq!(text_prefix(&text), slow(TEXT), "{byte} {place}");
                assert_eq!(all_quoted(&text[place..place + 1]), is(byte, QUOTED));
                text[8] = b'x';
                // A control character may be called odd though it is not.
                let odd = byte < b' ' && place != 8;
                assert_eq!(all_quoted(&text), all(&text, QUOTED) && !odd, "{byte} {place}");
            }
        }
    }
}
