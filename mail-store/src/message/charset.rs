//! Texts that are decoded piece by piece.

use super::decode::charset;

/// A text in a charset, on its way through. It holds no more than a line of it, in most charsets.
#[derive(Debug)]
pub(super) struct Charset<'a> {
    name: Option<&'a [u8]>,
    cut: Cut,
    pending: Vec<u8>,
}

/// Where bytes of a charset can be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// UTF-8: between its letters.
    Letters,
    /// After a line: in charsets with more bytes a letter, the line end is none of them.
    Lines,
    /// A line end can be half a letter.
    Nowhere,
}

/// A line that is longer is cut, wherever that is.
const LINE: usize = 1 << 20;

impl<'a> Charset<'a> {
    /// The charset of this name, or the one that is meant by none.
    pub(super) fn new(name: Option<&'a [u8]>) -> Self {
        let is_wide = |name: &[u8]| {
            let name = name.to_ascii_lowercase();
            [&b"utf-16"[..], b"utf-32", b"iso-10646", b"unicode"].iter().any(|wide| name.starts_with(wide))
        };
        let cut = match name {
            None => Cut::Letters,
            Some(name) if !super::decode::is_known(name) => Cut::Letters,
            Some(name) if is_wide(name) => Cut::Nowhere,
            Some(_) => Cut::Lines,
        };
        Self { name, cut, pending: Vec::new() }
    }

    /// Decodes the next bytes, as far as they are complete.
    pub(super) fn decode(&mut self, bytes: &[u8], mut with: impl FnMut(&str)) {
        self.pending.extend_from_slice(bytes);
        let end = match self.cut {
            Cut::Letters => whole_letters(&self.pending),
            Cut::Lines => match memchr::memrchr(b'\n', &self.pending) {
                Some(newline) => newline + 1,
                None if self.pending.len() > LINE => self.pending.len(),
                None => 0,
            },
            Cut::Nowhere => 0,
        };
        if let Some(complete) = self.pending.get(..end).filter(|complete| !complete.is_empty()) {
            with(&charset(complete, self.name));
        }
        self.pending.drain(..end);
    }

    /// Decodes what is left.
    pub(super) fn end(self, mut with: impl FnMut(&str)) {
        if !self.pending.is_empty() {
            with(&charset(&self.pending, self.name));
        }
    }
}

/// Where the last letter begins that has not come whole, or the end.
fn whole_letters(bytes: &[u8]) -> usize {
    for (back, byte) in (1..=3).zip(bytes.iter().rev()) {
        let length = match byte {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        return if length > back { bytes.len() - back } else { bytes.len() };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_whole() {
        let texts: [(Option<&str>, &[u8]); 6] = [
            (None, "a\u{e4}\u{20ac}\u{1f600}z".as_bytes()),
            (None, b"\xff\xe2\x82\r\n\xf0\x9f\x98x\xe4"),
            (Some("UTF-8"), "\u{e4}\u{20ac}".as_bytes()),
            (Some("no-such"), "\u{e4}".as_bytes()),
            (Some("iso-8859-1"), b"J\xf6rg\r\nJ\xf6rg"),
            (Some("utf-16le"), b"a\0\n\0b\0\x0a\x01"),
        ];
        for (name, text) in texts {
            let name = name.map(str::as_bytes);
            for size in 1..=text.len() {
                let (mut pieces, mut decoded) = (Charset::new(name), String::new());
                for piece in text.chunks(size) {
                    pieces.decode(piece, |text| decoded.push_str(text));
                }
                assert!(name.is_some() || pieces.pending.len() <= 3);
                pieces.end(|text| decoded.push_str(text));
                assert_eq!(decoded, charset(text, name), "{name:?} by {size}");
            }
        }
    }
}
