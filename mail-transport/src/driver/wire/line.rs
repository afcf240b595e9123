//! A line on the wire, as far as it is kept to be shown.

use mailwire_core::escape_ascii;
use zeroize::{Zeroize, Zeroizing};

/// The most that is shown of a line, in bytes.
const SHOWN: usize = 16 * 1024;

/// What is kept of a longer line's end, where a literal is announced.
const TAIL: usize = 32;

/// The beginning of a line, and its end if that is far away.
#[derive(Default)]
pub(super) struct Line {
    head: Vec<u8>,
    /// Empty if the head is all of it.
    pub(super) tail: Vec<u8>,
    /// All that came, in bytes.
    pub(super) length: usize,
}

impl Line {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.length = self.length.saturating_add(bytes.len());
        if self.head.capacity() == 0 {
            // It never grows, so that no part of it is left in memory that was given back.
            self.head.reserve_exact(SHOWN);
            self.tail.reserve_exact(2 * TAIL);
        }
        let (head, rest) = bytes.split_at(bytes.len().min(SHOWN.saturating_sub(self.head.len())));
        self.head.extend_from_slice(head);
        let rest = rest.get(rest.len().saturating_sub(TAIL)..).unwrap_or_default();
        let surplus = self.tail.len().saturating_add(rest.len()).saturating_sub(TAIL);
        self.tail.drain(..surplus.min(self.tail.len()));
        self.tail.extend_from_slice(rest);
    }

    pub(super) fn text(&self) -> &[u8] {
        if self.tail.is_empty() { trim_end(&self.head) } else { &self.head }
    }

    /// The size of the literal that the line announces at its end, and whether that waits for leave.
    pub(super) fn literal(&self) -> Option<(usize, bool)> {
        let end = self.ending();
        let braced = braced(&end)?;
        let number = braced.strip_prefix(b"{")?.strip_suffix(b"}")?;
        let number = std::str::from_utf8(number).ok()?;
        let digits = number.trim_end_matches(['+', '-']);
        Some((digits.parse().ok()?, digits.len() == number.len()))
    }

    /// The words in braces by which the line announces a literal.
    pub(super) fn announcement(&self) -> Option<Vec<u8>> {
        self.literal()?;
        braced(&self.ending()).map(<[u8]>::to_vec)
    }

    fn ending(&self) -> Zeroizing<Vec<u8>> {
        let from = self.head.len().saturating_sub(TAIL);
        Zeroizing::new([self.head.get(from..).unwrap_or_default(), &*self.tail].concat())
    }

    pub(super) fn clear(&mut self) {
        self.head.zeroize();
        self.tail.zeroize();
        self.length = 0;
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.clear();
    }
}

/// What stands in braces at the end of a line, with them.
fn braced(line: &[u8]) -> Option<&[u8]> {
    let line = trim_end(line);
    let open = line.iter().rposition(|&byte| byte == b'{')?;
    line.ends_with(b"}").then(|| line.get(open..))?
}

pub(super) fn trim_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Nothing is quoted here, so quotes and backslashes are as they were. A bracket at the beginning is escaped: what
/// stands in brackets is ours.
pub(super) fn escape_line(text: &[u8]) -> String {
    let escaped = escape_ascii(text).to_string();
    let line = escaped.replace("\\\"", "\"").replace("\\'", "'").replace("\\\\", "\\");
    match line.strip_prefix('[') {
        Some(rest) => format!("\\x5b{rest}"),
        None => line,
    }
}
