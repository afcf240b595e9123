//! Bodies on their way out.

use bytes::{Buf, Bytes};

use super::{
    Last,
    scan::{Special, next_in_line, next_special},
};
use crate::{Misuse, Output};

/// What a [`Stuffer`] does with a CR or LF that stands alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum BareNewline {
    /// The body is refused, as a signature over it would not survive a change.
    #[default]
    Refuse,
    /// It becomes CR LF.
    Normalize,
}

/// The CRs and LFs of a body that stood alone, and were made CR LF.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Mended {
    /// How many there were.
    pub count: u64,
    /// Where the first one stood, in bytes from the start of the body.
    pub first: Option<u64>,
}

impl Mended {
    pub(super) const fn none() -> Self {
        Self { count: 0, first: None }
    }

    pub(super) const fn note(&mut self, offset: u64) {
        self.count += 1;
        if self.first.is_none() {
            self.first = Some(offset);
        }
    }
}

/// Makes a body ready for the wire.
///
/// ```
/// use bytes::{Buf, Bytes};
/// use mailwire_core::{Output, dot::{BareNewline, Stuffer}};
///
/// let mut output = Output::new(1024);
/// let mut stuffer = Stuffer::new(BareNewline::Refuse);
/// stuffer.push(Bytes::from_static(b"hello\r\n.world"), &mut output).unwrap();
/// stuffer.finish(&mut output).unwrap();
/// assert_eq!(output.copy_to_bytes(output.remaining()), "hello\r\n..world\r\n.\r\n");
/// ```
#[derive(Debug, Clone)]
pub struct Stuffer {
    bare: BareNewline,
    last: Last,
    /// Bytes taken so far, for errors.
    offset: u64,
    mended: Mended,
}

impl Stuffer {
    /// At the start of a body.
    #[must_use]
    pub const fn new(bare: BareNewline) -> Self {
        Self { bare, last: Last::LineEnd, offset: 0, mended: Mended::none() }
    }

    /// Puts a part of the body into `output`.
    ///
    /// # Errors
    ///
    /// [`Misuse::InvalidBody`] at the first bare CR or LF under [`BareNewline::Refuse`]. What came
    /// before it is already in the output; the message has to be given up with the connection.
    pub fn push(&mut self, mut chunk: Bytes, output: &mut Output) -> Result<(), Misuse> {
        // A CR that ended the chunk before this one was held back until its LF is seen.
        if self.last == Last::Cr && !chunk.is_empty() {
            if chunk.first() == Some(&b'\n') {
                self.pass(&mut chunk, 1);
            } else {
                self.bare_newline(self.offset.saturating_sub(1))?;
            }
            output.put(b"\r\n");
            self.last = Last::LineEnd;
        }
        // Bytes before `at` are looked at. What was put out is taken off the chunk.
        let mut at = 0;
        while at < chunk.len() {
            let (special, kind) = if self.last == Last::LineEnd && chunk.get(at) == Some(&b'.') {
                // Putting out all up to this dot and going on *from* it writes it twice without a copy.
                put_start(output, &chunk, at + 1);
                self.pass(&mut chunk, at);
                next_in_line(&chunk, 0)
            } else {
                next_special(&chunk, at)
            };
            match kind {
                Special::None => {
                    self.last = Last::Other;
                    at = chunk.len();
                }
                Special::LineEnd => {
                    self.last = Last::LineEnd;
                    at = special + 2;
                }
                Special::CrAtEnd => {
                    self.last = Last::Cr;
                    self.offset = self.offset.saturating_add(1);
                    chunk.truncate(special);
                    at = special;
                }
                Special::Bare => {
                    put_start(output, &chunk, special);
                    self.bare_newline(self.offset.saturating_add(special as u64))?;
                    output.put(b"\r\n");
                    self.last = Last::LineEnd;
                    self.pass(&mut chunk, special + 1);
                    at = 0;
                }
            }
        }
        self.offset = self.offset.saturating_add(chunk.len() as u64);
        output.append(chunk);
        Ok(())
    }

    /// The bare CRs and LFs that were mended so far. Whether a CR at the end of the last part is one of them is not known yet.
    #[must_use]
    pub const fn mended(&self) -> Mended {
        self.mended
    }

    /// Ends the body: a line end if it has none, then the lone dot. Tells which bare CRs and LFs were mended.
    ///
    /// # Errors
    ///
    /// [`Misuse::InvalidBody`] for a bare CR at the very end.
    pub fn finish(&mut self, output: &mut Output) -> Result<Mended, Misuse> {
        match self.last {
            Last::LineEnd => {}
            Last::Other => output.put(b"\r\n"),
            Last::Cr => {
                self.bare_newline(self.offset.saturating_sub(1))?;
                output.put(b"\r\n");
            }
        }
        output.put(b".\r\n");
        let mended = self.mended;
        *self = Self::new(self.bare);
        Ok(mended)
    }

    /// Takes the first `count` bytes off the chunk.
    fn pass(&mut self, chunk: &mut Bytes, count: usize) {
        chunk.advance(count);
        self.offset = self.offset.saturating_add(count as u64);
    }

    const fn bare_newline(&mut self, offset: u64) -> Result<(), Misuse> {
        match self.bare {
            BareNewline::Normalize => {
                self.mended.note(offset);
                Ok(())
            }
            BareNewline::Refuse => {
                Err(Misuse::InvalidBody { reason: "a CR or LF that is not part of a CR LF pair", offset })
            }
        }
    }
}

// Within `push`, which calls it for each dot.
#[inline(always)]
fn put_start(output: &mut Output, chunk: &Bytes, end: usize) {
    match chunk.get(..end) {
        Some(part) if part.len() >= Output::CHAIN_FROM => output.append(chunk.slice(..end)),
        Some(part) => output.put(part),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::{super::tests::stuff, *};

    #[test]
    fn stuffs() {
        for (body, wire) in [
            ("", ".\r\n"),
            (".", "..\r\n.\r\n"),
            ("..\r\n.", "...\r\n..\r\n.\r\n"),
            ("a", "a\r\n.\r\n"),
            ("a\r\n", "a\r\n.\r\n"),
            ("a\r\n\r\n.b\r\n", "a\r\n\r\n..b\r\n.\r\n"),
        ] {
            assert_eq!(stuff(&[body.as_bytes()], BareNewline::Refuse).unwrap(), wire.as_bytes(), "{body:?}");
        }
    }

    #[test]
    fn refuses_bare_newlines_with_their_place() {
        for (body, place) in [("a\nb", 1), ("a\rb", 1), ("ab\r\n\n", 4), ("a\r", 1), ("\r\r\n", 0)] {
            for cut in 0..=body.len() {
                let (a, b) = body.as_bytes().split_at(cut);
                let Err(Misuse::InvalidBody { offset, .. }) = stuff(&[a, b], BareNewline::Refuse) else {
                    panic!("{body:?} was taken");
                };
                assert_eq!(offset, place, "{body:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_body_is_not_copied() {
        let body = Bytes::from([vec![b'x'; 1000], b"\r\n.".to_vec(), vec![b'y'; 1000]].concat());
        let mut output = Output::new(usize::MAX);
        Stuffer::new(BareNewline::Refuse).push(body.clone(), &mut output).unwrap();
        assert_eq!(output.chunk().as_ptr(), body.as_ptr());
        assert_eq!(output.chunk().len(), 1003);
        output.advance(1003);
        assert_eq!(output.chunk().as_ptr(), body[1002..].as_ptr(), "the dot again, from the same place");
    }
}
