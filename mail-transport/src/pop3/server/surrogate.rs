//! A header in ASCII for clients that have not said UTF8: [RFC 6858](https://www.rfc-editor.org/rfc/rfc6858).

use std::mem::take;

use mailwire_core::sasl::encode;
use memchr::memchr;

/// Makes a header ASCII. `None` if that would take more than `limit` bytes: a letter can become a whole address.
///
/// A subject's words, and those that stand for the names of addresses, are encoded (RFC 2047). An address that is
/// not ASCII becomes one that nobody has, with what it was as its name. MIME parameters and fields that are not
/// ASCII are left out.
pub(super) fn surrogate(header: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(header.len());
    let mut rest = header;
    while !rest.is_empty() {
        if out.len() > limit {
            return None;
        }
        let (field, after) = rest.split_at_checked(field_end(rest)).unwrap_or((rest, &[]));
        rest = after;
        if field.is_ascii() {
            out.extend_from_slice(field);
        } else {
            put_field(&mut out, field, limit);
        }
    }
    (out.len() <= limit).then_some(out)
}

/// The end of the first field: lines that begin with a blank go on with it.
fn field_end(header: &[u8]) -> usize {
    let mut end = 0;
    loop {
        let rest = header.get(end..).unwrap_or_default();
        let Some(length) = memchr(b'\n', rest) else { return header.len() };
        end += length + 1;
        if !matches!(header.get(end), Some(b' ' | b'\t')) {
            return end;
        }
    }
}

const ADDRESSES: [&str; 12] = [
    "bcc",
    "cc",
    "from",
    "reply-to",
    "resent-bcc",
    "resent-cc",
    "resent-from",
    "resent-reply-to",
    "resent-sender",
    "resent-to",
    "sender",
    "to",
];

fn put_field(out: &mut Vec<u8>, field: &[u8], limit: usize) {
    let Some(colon) = memchr(b':', field) else { return };
    let (name, value) = field.split_at_checked(colon).unwrap_or((field, &[]));
    let value = value.get(1..).unwrap_or_default();
    let is = |known: &&str| name.trim_ascii_end().eq_ignore_ascii_case(known.as_bytes());
    let mut line = Folded { out, length: 0, limit };
    if is(&"subject") {
        line.begin(name);
        line.words(value);
    } else if is(&"return-path") {
        line.begin(name);
        line.word(INVALID);
    } else if ADDRESSES.iter().any(is) {
        line.begin(name);
        addresses(&mut line, value);
    } else if is(&"content-type") || is(&"content-disposition") {
        let mut parameters = split(value, b";").map(|(part, _)| part);
        let Some(first) = parameters.next().filter(|first| first.is_ascii()) else { return };
        line.begin(name);
        line.word(first.trim_ascii());
        for parameter in parameters.filter(|part| part.is_ascii() && !part.trim_ascii().is_empty()) {
            line.out.push(b';');
            line.word(parameter.trim_ascii());
        }
    } else {
        return;
    }
    out.extend_from_slice(b"\r\n");
}

const INVALID: &[u8] = b"<invalid@internationalized.invalid>";

/// A field that is written word by word, and goes on in another line where one gets long.
struct Folded<'a> {
    out: &'a mut Vec<u8>,
    length: usize,
    /// Once there are more bytes, nothing of it is used.
    limit: usize,
}

/// RFC 2047 section 2: a line with an encoded word has so many characters at most.
const LINE: usize = 76;

impl Folded<'_> {
    fn is_too_much(&self) -> bool {
        self.out.len() > self.limit
    }

    fn begin(&mut self, name: &[u8]) {
        self.out.extend_from_slice(name);
        self.out.push(b':');
        self.length = name.len() + 1;
    }

    /// Appends a word, which is ASCII, after a space or in another line. Line ends in it are left out.
    fn word(&mut self, word: &[u8]) {
        let folds = self.length > 1 && self.length + 1 + word.len() > LINE;
        self.out.extend_from_slice(if folds { b"\r\n " } else { b" " });
        self.length = if folds { 1 } else { self.length + 1 };
        let start = self.out.len();
        self.out.extend(word.iter().filter(|byte| !matches!(byte, b'\r' | b'\n')));
        self.length += self.out.len() - start;
    }

    /// Appends a text as words: those beyond ASCII that follow one another are encoded together.
    fn words(&mut self, text: &[u8]) {
        let mut beyond: Vec<u8> = Vec::new();
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        for word in text.split(blank).filter(|word| !word.is_empty()) {
            if self.is_too_much() {
                return;
            }
            if word.is_ascii() {
                self.encoded(&take(&mut beyond));
                self.word(word);
            } else {
                if !beyond.is_empty() {
                    beyond.push(b' ');
                }
                beyond.extend_from_slice(word);
            }
        }
        self.encoded(&beyond);
    }

    /// Appends a text as encoded words.
    fn encoded(&mut self, text: &[u8]) {
        /// Bytes of one word, which is within a line then.
        const PIECE: usize = 30;
        // What is not UTF-8 is in a charset that nobody knows (RFC 1428 section 3).
        let is_utf8 = std::str::from_utf8(text).is_ok();
        let charset = if is_utf8 { "utf-8" } else { "unknown-8bit" };
        let mut rest = text;
        while !rest.is_empty() && !self.is_too_much() {
            let mut end = rest.len().min(PIECE);
            while is_utf8 && end > 1 && rest.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
                end -= 1;
            }
            let (piece, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            rest = after;
            let mut word = format!("=?{charset}?B?").into_bytes();
            encode(piece, &mut word);
            word.extend_from_slice(b"?=");
            self.word(&word);
        }
    }
}

/// The parts of a text between these bytes, and the byte after each. Those in quotes, comments, angle and square
/// brackets do not count.
fn split<'a>(text: &'a [u8], at: &'a [u8]) -> impl Iterator<Item = (&'a [u8], Option<u8>)> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = scan(text, at);
        let (part, after) = text.split_at_checked(end).unwrap_or((text, &[]));
        rest = after.get(1..);
        Some((part, after.first().copied()))
    })
}

/// The first of these bytes that is not quoted, or the length.
fn scan(text: &[u8], stops: &[u8]) -> usize {
    let (mut quoted, mut angle, mut comments, mut escaped) = (false, false, 0_u32, false);
    for (index, &byte) in text.iter().enumerate() {
        if take(&mut escaped) {
            continue;
        }
        let plain = !quoted && comments == 0;
        if plain && !angle && stops.contains(&byte) {
            return index;
        }
        match byte {
            b'\\' if quoted || comments > 0 => escaped = true,
            b'"' if comments == 0 => quoted = !quoted,
            b'(' if !quoted => comments = comments.saturating_add(1),
            b')' if !quoted => comments = comments.saturating_sub(1),
            b'<' if plain => angle = true,
            b'>' if plain => angle = false,
            _ => {}
        }
    }
    text.len()
}

/// A list of addresses and groups.
fn addresses(line: &mut Folded<'_>, value: &[u8]) {
    for (part, stop) in split(value, b",:;") {
        if line.is_too_much() {
            return;
        }
        let part = part.trim_ascii();
        match stop {
            // The name of a group.
            Some(b':') if !part.is_ascii() => line.encoded(&unquoted(part)),
            _ if part.is_empty() => {}
            _ if part.is_ascii() => line.word(part),
            _ => address(line, part),
        }
        line.out.extend(stop);
        line.length += usize::from(stop.is_some());
    }
}

/// An address that is not ASCII, in its name or itself.
fn address(line: &mut Folded<'_>, text: &[u8]) {
    let start = scan(text, b"<");
    let (name, angle) = text.split_at_checked(start).unwrap_or((text, &[]));
    if angle.is_empty() {
        let (bare, comments) = parted(text);
        let bare = bare.trim_ascii();
        // The comment is the name.
        if bare.is_ascii() && !bare.is_empty() {
            line.encoded(&unquoted(&comments));
            return line.word(&[b"<", bare, b">"].concat());
        }
        line.encoded(&unquoted(text));
        return line.word(INVALID);
    }
    let end = memchr(b'>', angle).map_or(angle.len(), |end| end + 1);
    let address = angle.get(..end).unwrap_or_default();
    if address.is_ascii() {
        line.encoded(&unquoted(name));
        line.word(address);
    } else {
        // What it was is shown to people, and is no address any more.
        line.encoded(&unquoted(text));
        line.word(INVALID);
    }
}

/// A text without its quotes and line ends, for people.
fn unquoted(text: &[u8]) -> Vec<u8> {
    let dropped = |byte: &u8| matches!(byte, b'"' | b'\r' | b'\n' | b'(' | b')');
    text.trim_ascii().iter().copied().filter(|byte| !dropped(byte)).collect()
}

/// What is outside of comments, and what is in them.
fn parted(text: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut depth, mut outside, mut inside) = (0_u32, Vec::new(), Vec::new());
    for &byte in text {
        match byte {
            b'(' => depth = depth.saturating_add(1),
            b')' => depth = depth.saturating_sub(1),
            byte if depth == 0 => outside.push(byte),
            byte => inside.push(byte),
        }
    }
    (outside, inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(header: &str) -> String {
        String::from_utf8(surrogate(header.as_bytes(), 10_000).unwrap()).unwrap()
    }

    #[test]
    fn what_is_ascii_stays_to_the_byte() {
        let header = "Subject:  a\r\n  b\r\nX: \t1\nFrom: <a@b>\r\n\r\n";
        assert_eq!(made(header), header);
        assert_eq!(made(""), "");
        assert_eq!(made("no field\r\n\r\n"), "no field\r\n\r\n");
    }

    #[test]
    fn subjects_are_encoded() {
        assert_eq!(
            made("Subject: Gr\u{fc}\u{df}e aus Ulm\r\n"),
            "Subject: =?utf-8?B?R3LDvMOfZQ==?= aus Ulm\r\n"
        );
        let long = made(&format!("Subject: {}\r\n\r\n", "\u{20ac}\u{20ac}\u{20ac} ".repeat(40)));
        assert!(long.lines().all(|line| line.len() <= LINE) && long.ends_with("\r\n\r\n"), "{long}");
        let decoded: String = long
            .split_whitespace()
            .filter_map(|word| word.strip_prefix("=?utf-8?B?")?.strip_suffix("?="))
            .map(|word| mailwire_core::sasl::decode(word.as_bytes()).unwrap())
            .map(|word| String::from_utf8(word.expose().to_vec()).unwrap())
            .collect();
        assert_eq!(decoded, "\u{20ac}\u{20ac}\u{20ac} ".repeat(40).trim_end());
        let latin = surrogate(b"subject: \xfcber\r\n", 1000).unwrap();
        assert_eq!(String::from_utf8(latin).unwrap(), "subject: =?unknown-8bit?B?/GJlcg==?=\r\n");
    }

    #[test]
    fn addresses_are_kept_or_invalid() {
        assert_eq!(
            made("From: \"J\u{f6}rg, X\" <j@example.org>, a@b\r\n"),
            "From: =?utf-8?B?SsO2cmcsIFg=?= <j@example.org>, a@b\r\n"
        );
        assert_eq!(
            made("To: j\u{f6}rg@example.org\r\n"),
            "To: =?utf-8?B?asO2cmdAZXhhbXBsZS5vcmc=?= <invalid@internationalized.invalid>\r\n"
        );
        let both = made("Cc: Fred <fr\u{e9}d@example.com>,\r\n plain@example.com\r\n");
        assert!(both.contains("<invalid@internationalized.invalid>, plain@example.com\r\n"), "{both}");
        assert!(!both.contains("@example.com>"), "{both}");
        assert_eq!(made("Cc: Gr\u{fc}ppe: a@b, c@d;\r\n"), "Cc: =?utf-8?B?R3LDvHBwZQ==?=: a@b, c@d;\r\n");
        assert_eq!(made("Sender: (J\u{f6}rg) a@b\r\n"), "Sender: =?utf-8?B?SsO2cmc=?= <a@b>\r\n");
        assert_eq!(
            made("Return-Path: <\u{f6}@b>\r\n"),
            "Return-Path: <invalid@internationalized.invalid>\r\n"
        );
    }

    #[test]
    fn the_rest_is_left_out() {
        assert_eq!(
            made("Content-Disposition: attachment; filename=\"\u{e9};.txt\"; size=3\r\n"),
            "Content-Disposition: attachment; size=3\r\n"
        );
        assert_eq!(made("X-Note: \u{e9}\r\n and more\r\nDate: now\r\n\r\n"), "Date: now\r\n\r\n");
        assert_eq!(made("\u{e9}\r\n\r\n"), "\r\n");
    }

    /// Each of these bytes asks for many.
    #[test]
    fn what_grows_too_much_is_none() {
        for (start, piece) in
            [("To: ", "\u{e9},"), ("Subject: ", "\u{e9} a "), ("", "Return-Path: \u{e9}\r\n")]
        {
            let header = format!("{start}{}\r\n\r\n", piece.repeat(50_000));
            assert_eq!(surrogate(header.as_bytes(), 400_000), None, "{piece}");
            assert!(
                surrogate(header.as_bytes(), 10_000_000).is_some_and(|made| made.len() > 400_000),
                "{piece}"
            );
        }
        assert!(surrogate("A: b\r\n\r\n".as_bytes(), 8).is_some());
        assert!(surrogate("A: b\r\n\r\n".as_bytes(), 7).is_none());
    }

    #[test]
    fn any_header_becomes_ascii_lines() {
        let pieces = [
            "From", ":", " ", "\u{e9}", "<", ">", "(", ")", "\"", "\\", ",", ";", "\r\n", "@", "a",
            "\u{20ac}", "Subject",
        ];
        let mut seed = 1_u64;
        for _ in 0..20_000 {
            let mut header = String::new();
            for _ in 0..12 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                header.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
            }
            for start in ["From: ", "Subject: ", "Content-Type: a;", ""] {
                let whole = format!("{start}{header}\r\nX: 1\r\n\r\n");
                let made = surrogate(whole.as_bytes(), 10_000).unwrap();
                assert!(made.is_ascii(), "{whole:?}");
                assert!(
                    made.ends_with(b"\r\nX: 1\r\n\r\n") || made == b"X: 1\r\n\r\n",
                    "{whole:?}: {}",
                    made.escape_ascii()
                );
                // No line came into being that nobody wrote.
                assert!(!made.windows(2).any(|two| two[0] == b'\r' && two[1] != b'\n'), "{whole:?}");
            }
        }
    }
}
