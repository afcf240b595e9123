//! Line ends: LF in a Maildir, CR LF on the wire.

use std::io::{self, Read};

/// Converts line ends piece by piece. CRs right before an LF belong to the line end, unless they are more than
/// 1024, and all others stay, so that converting twice changes nothing more.
#[derive(Debug, Clone)]
pub struct Newlines {
    end: &'static [u8],
    /// CRs whose next byte is not known yet.
    held: usize,
    /// They were more than that, and the LF that may come stays as it is.
    long: bool,
}

/// So many CRs wait for an LF.
const MOST_HELD: usize = 1024;

impl Newlines {
    /// To LF, as mail programs expect it in a Maildir.
    #[must_use]
    pub const fn lf() -> Self {
        Self { end: b"\n", held: 0, long: false }
    }

    /// To CR LF, as it is sent.
    #[must_use]
    pub const fn crlf() -> Self {
        Self { end: b"\r\n", held: 0, long: false }
    }

    /// Converts a piece, and appends what is certain of it.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        for line in input.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = line.strip_suffix(b"\n").map_or((line, false), |text| (text, true));
            let kept = text.iter().rposition(|byte| *byte != b'\r').map_or(0, |at| at + 1);
            let (kept, returns) = text.split_at_checked(kept).unwrap_or((text, &[]));
            if !kept.is_empty() {
                self.end(out);
                self.long = false;
                out.extend_from_slice(kept);
            }
            self.held += returns.len();
            self.long |= self.held > MOST_HELD;
            if self.long {
                self.end(out);
            }
            if ends {
                out.extend_from_slice(if self.long { b"\n" } else { self.end });
                (self.held, self.long) = (0, false);
            }
        }
    }

    /// Nothing comes after what was pushed.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        out.extend(std::iter::repeat_n(b'\r', std::mem::take(&mut self.held)));
    }

    /// A reader of what another gives, converted.
    pub const fn reader<R: Read>(self, inner: R) -> Converted<R> {
        Converted { inner, newlines: self, ready: Vec::new(), at: 0, over: false }
    }
}

/// A reader with other line ends: [`Newlines::reader`].
#[derive(Debug)]
pub struct Converted<R> {
    inner: R,
    newlines: Newlines,
    ready: Vec<u8>,
    at: usize,
    over: bool,
}

/// How much is read at once, in bytes.
const BLOCK: usize = 64 * 1024;

impl<R: Read> Read for Converted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.ready.len() && !self.over {
            let mut block = Vec::with_capacity(BLOCK);
            (&mut self.inner).take(BLOCK as u64).read_to_end(&mut block)?;
            self.over = block.len() < BLOCK;
            self.ready.clear();
            self.at = 0;
            self.newlines.push(&block, &mut self.ready);
            if self.over {
                self.newlines.end(&mut self.ready);
            }
        }
        let read = self.ready.get(self.at..).unwrap_or_default().read(buffer)?;
        self.at += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&[u8]; 8] =
        [b"", b"a", b"a\nb\r\nc", b"\r\n\r\n", b"a\r\r\nb\n", b"\r", b"a\rb\r\n\r", b"\n\r\n\n\r\r"];

    fn converted(newlines: Newlines, pieces: &[&[u8]]) -> Vec<u8> {
        let (mut newlines, mut out) = (newlines, Vec::new());
        pieces.iter().for_each(|piece| newlines.push(piece, &mut out));
        newlines.end(&mut out);
        out
    }

    #[test]
    fn any_cut_gives_the_same() {
        for text in TEXTS {
            for newlines in [Newlines::lf(), Newlines::crlf()] {
                let whole = converted(newlines.clone(), &[text]);
                for cut in 0..=text.len() {
                    let (a, b) = text.split_at(cut);
                    assert_eq!(converted(newlines.clone(), &[a, b]), whole, "{text:?} at {cut}");
                }
                let mut read = Vec::new();
                assert!(newlines.reader(text).read_to_end(&mut read).is_ok());
                assert_eq!(read, whole);
            }
        }
    }

    #[test]
    fn endless_returns_are_not_held() {
        let (mut newlines, mut out, piece) = (Newlines::lf(), Vec::new(), [b'\r'; 1000]);
        for _ in 0..100 {
            newlines.push(&piece, &mut out);
            assert!(out.len() <= 2 * piece.len(), "{} at once", out.len());
            out.clear();
        }
        for count in [MOST_HELD, MOST_HELD + 1] {
            let far = [&b"a"[..], &vec![b'\r'; count], b"\nb\n"].concat();
            for newlines in [Newlines::lf(), Newlines::crlf()] {
                let whole = converted(newlines.clone(), &[&far]);
                for cut in 0..far.len() {
                    let (a, b) = far.split_at(cut);
                    assert_eq!(converted(newlines.clone(), &[a, b]), whole);
                }
            }
            let near = converted(Newlines::lf(), &[&far]);
            assert_eq!(near.len(), if count > MOST_HELD { far.len() } else { 4 });
            assert_eq!(converted(Newlines::lf(), &[&converted(Newlines::crlf(), &[&near])]), near);
        }
    }

    #[test]
    fn there_and_back_changes_nothing_more() {
        assert_eq!(converted(Newlines::lf(), &[b"a\r\r\nb\rc\n"]), b"a\nb\rc\n");
        assert_eq!(converted(Newlines::crlf(), &[b"a\nb\rc\r\n"]), b"a\r\nb\rc\r\n");
        for text in TEXTS {
            let near = converted(Newlines::lf(), &[text]);
            let far = converted(Newlines::crlf(), &[&near]);
            assert_eq!(converted(Newlines::lf(), &[&far]), near);
            assert_eq!(converted(Newlines::lf(), &[&near]), near);
        }
    }
}
