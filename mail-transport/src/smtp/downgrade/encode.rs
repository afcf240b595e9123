//! Content-Transfer-Encodings, written as the bytes come.

use mailwire_core::sasl;

/// Base64 in lines of 76 characters ([RFC 2045 section 6.8](https://www.rfc-editor.org/rfc/rfc2045#section-6.8)).
#[derive(Debug, Default)]
pub(super) struct Base64 {
    /// Less than a line.
    rest: Vec<u8>,
}

impl Base64 {
    /// The bytes of a line.
    const LINE: usize = 57;

    pub(super) fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        if !self.rest.is_empty() {
            let missing = Self::LINE.saturating_sub(self.rest.len());
            let (head, tail) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
            self.rest.extend_from_slice(head);
            bytes = tail;
            if self.rest.len() < Self::LINE {
                return;
            }
            line(&self.rest, out);
            self.rest.clear();
        }
        let mut lines = bytes.chunks_exact(Self::LINE);
        for bytes in &mut lines {
            line(bytes, out);
        }
        self.rest.extend_from_slice(lines.remainder());
    }

    pub(super) fn finish(self, out: &mut Vec<u8>) {
        if !self.rest.is_empty() {
            line(&self.rest, out);
        }
    }
}

fn line(bytes: &[u8], out: &mut Vec<u8>) {
    sasl::encode(bytes, out);
    out.extend_from_slice(b"\r\n");
}

/// Quoted-printable, for text whose lines end in CR LF ([RFC 2045 section
/// 6.7](https://www.rfc-editor.org/rfc/rfc2045#section-6.7)).
#[derive(Debug, Default)]
pub(super) struct QuotedPrintable {
    /// Characters of the line so far.
    column: usize,
    /// A space or tab, or a CR, of which it depends on the next byte what becomes.
    held: Option<u8>,
}

impl QuotedPrintable {
    /// The characters of a line, without the equals sign of a soft line break.
    const LINE: usize = 75;

    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for &byte in bytes {
            match (self.held.take(), byte) {
                (Some(b'\r'), b'\n') => {
                    out.extend_from_slice(b"\r\n");
                    self.column = 0;
                    continue;
                }
                // White space at the end of a line would be lost.
                (Some(blank @ (b' ' | b'\t')), b'\r') => self.quoted(blank, out),
                (Some(b'\r'), _) => self.quoted(b'\r', out),
                (Some(blank), _) => self.plain(blank, out),
                (None, _) => {}
            }
            match byte {
                b' ' | b'\t' | b'\r' => self.held = Some(byte),
                b'=' | b'\n' | 127.. | 0..=31 => self.quoted(byte, out),
                _ => self.plain(byte, out),
            }
        }
    }

    pub(super) fn finish(mut self, out: &mut Vec<u8>) {
        if let Some(held) = self.held.take() {
            self.quoted(held, out);
        }
    }

    /// Whether a byte takes three characters.
    pub(super) const fn is_special(byte: u8) -> bool {
        matches!(byte, b'=' | 127.. | 0..=8 | 11..=12 | 14..=31)
    }

    fn plain(&mut self, byte: u8, out: &mut Vec<u8>) {
        // After a soft line break a hyphen could begin a line that was none: a boundary.
        if byte == b'-' && self.column >= Self::LINE {
            return self.quoted(byte, out);
        }
        self.room(1, out);
        out.extend_from_slice(&[byte]);
    }

    fn quoted(&mut self, byte: u8, out: &mut Vec<u8>) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
        self.room(3, out);
        out.extend_from_slice(&[b'=', digit(byte >> 4), digit(byte & 15)]);
    }

    fn room(&mut self, count: usize, out: &mut Vec<u8>) {
        if self.column.saturating_add(count) > Self::LINE {
            out.extend_from_slice(b"=\r\n");
            self.column = 0;
        }
        self.column += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base64(parts: &[&[u8]]) -> String {
        let (mut encoder, mut out) = (Base64::default(), Vec::new());
        parts.iter().for_each(|part| encoder.push(part, &mut out));
        encoder.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn quoted(parts: &[&[u8]]) -> String {
        let (mut encoder, mut out) = (QuotedPrintable::default(), Vec::new());
        parts.iter().for_each(|part| encoder.push(part, &mut out));
        encoder.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn base64_has_lines_however_the_bytes_come() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(&[bytes.as_bytes()]).trim_end(), text);
        }
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let whole = base64(&[&bytes]);
        assert!(whole.ends_with("\r\n") && whole.lines().all(|line| line.len() <= 76));
        assert_eq!(whole.lines().next().unwrap().len(), 76);
        for cut in 0..bytes.len() {
            assert_eq!(base64(&[&bytes[..cut], &bytes[cut..]]), whole);
        }
    }

    #[test]
    fn quoted_printable_keeps_lines() {
        for (text, written) in [
            ("abc\r\n", "abc\r\n"),
            ("a=b", "a=3Db"),
            ("gr\u{fc}\u{df}e \r\n\t\r\n x", "gr=C3=BC=C3=9Fe=20\r\n=09\r\n x"),
            ("end ", "end=20"),
            ("a\rb\nc", "a=0Db=0Ac"),
            ("\0\u{7f}", "=00=7F"),
        ] {
            assert_eq!(quoted(&[text.as_bytes()]), written, "{text:?}");
            for cut in 0..text.len() {
                assert_eq!(quoted(&[&text.as_bytes()[..cut], &text.as_bytes()[cut..]]), written);
            }
        }
        let long = quoted(&["\u{fc}x".repeat(100).as_bytes()]);
        assert!(long.lines().all(|line| line.len() <= 76) && long.lines().count() > 8);
        // Nobody can put a boundary there that was within a line.
        for before in 0..200 {
            let line = "x".repeat(before) + "--boundary\r\n";
            assert!(!quoted(&[line.as_bytes()]).contains("\r\n-"), "{before}");
        }
    }
}
