//! What is worked out of a message while it is sent.

use bytes::{Buf, Bytes, BytesMut};
use mailwire_imap::types::Partial;

use super::{decode::Decoder, header, section::Choice};

/// Bytes that are worked out of a message piece by piece: the fields that are chosen of a header, or a part
/// without its transfer encoding. It holds a slice of the message, and no more.
#[derive(Debug, Clone)]
pub(crate) struct Pieces {
    source: Source,
    skip: u64,
    left: u64,
}

#[derive(Debug, Clone)]
enum Source {
    /// Fields as they stand, in the message's order, with the empty line after them.
    Fields {
        header: Bytes,
        choice: Choice,
        at: usize,
        large: Option<Bytes>,
        ended: bool,
    },
    Decoded {
        decoder: Decoder,
        ended: bool,
    },
    /// A part as it stands.
    Plain(Bytes),
}

/// So many bytes of the message are looked at for a piece.
const PIECE: usize = 64 << 10;

impl Pieces {
    pub(super) const fn fields(header: Bytes, choice: Choice) -> Self {
        Self::all(Source::Fields { header, choice, at: 0, large: None, ended: false })
    }

    pub(super) const fn decoded(decoder: Decoder) -> Self {
        Self::all(Source::Decoded { decoder, ended: false })
    }

    pub(super) const fn plain(bytes: Bytes) -> Self {
        Self::all(Source::Plain(bytes))
    }

    const fn all(source: Source) -> Self {
        Self { source, skip: 0, left: u64::MAX }
    }

    /// How many bytes of the message are looked at for all of them.
    pub(crate) fn cost(&self) -> usize {
        match &self.source {
            Source::Fields { header, .. } => header.len(),
            Source::Decoded { decoder, .. } => decoder.encoded_len(),
            Source::Plain(bytes) => bytes.len(),
        }
    }

    /// Only the bytes of a range.
    #[must_use]
    pub(crate) fn cut(mut self, range: Option<Partial>) -> Self {
        if let Some(range) = range {
            (self.skip, self.left) = (range.offset, range.length.get());
        }
        self
    }

    /// All bytes, counted and not kept.
    pub(crate) fn length(&self) -> u64 {
        let mut pieces = self.clone();
        std::iter::from_fn(|| pieces.next()).map(|piece| piece.len() as u64).sum()
    }

    /// All bytes.
    pub(crate) fn whole(mut self) -> Bytes {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.next() {
            whole.extend_from_slice(&piece);
        }
        whole.freeze()
    }

    /// The next bytes; `None` at the end.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        while self.left > 0 {
            let mut piece = self.source.next()?;
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(piece.len());
            self.skip -= skipped as u64;
            piece.advance(skipped);
            piece.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= piece.len() as u64;
            if !piece.is_empty() {
                return Some(piece);
            }
        }
        None
    }
}

impl Source {
    fn next(&mut self) -> Option<Bytes> {
        let mut out = Vec::new();
        match self {
            Self::Plain(bytes) if bytes.is_empty() => return None,
            Self::Plain(bytes) => return Some(bytes.split_to(bytes.len().min(PIECE))),
            Self::Fields { large, .. } if large.is_some() => return large.take(),
            Self::Fields { ended, .. } | Self::Decoded { ended, .. } if *ended => return None,
            Self::Fields { header, choice, at, large, ended } => {
                let end = at.saturating_add(PIECE);
                let mut fields = header::Fields::from(header, *at);
                while fields.position() < end && large.is_none() && !*ended {
                    match fields.next() {
                        None => {
                            *ended = true;
                            out.extend_from_slice(b"\r\n");
                        }
                        Some(field) if !choice.takes(&field) => {}
                        Some(field) if field.whole.len() > PIECE && field.whole.ends_with(b"\n") => {
                            *large = Some(field.whole);
                        }
                        Some(field) => {
                            out.extend_from_slice(&field.whole);
                            if !field.whole.ends_with(b"\n") {
                                out.extend_from_slice(b"\r\n");
                            }
                        }
                    }
                }
                *at = fields.position();
            }
            Self::Decoded { decoder, ended } => {
                out.reserve(PIECE.min(decoder.encoded_len()));
                *ended = !decoder.next(&mut out, PIECE);
            }
        }
        Some(out.into())
    }
}

#[cfg(test)]
mod tests {
    use mailwire_imap::types::{ImapString, Section, SectionText};

    use super::*;
    use crate::message::Message;

    #[test]
    fn ranges_are_those_of_the_whole() {
        let mut raw = b"A: b\r\nContent-Transfer-Encoding: base64\r\n".to_vec();
        (0..10_000).for_each(|number| raw.extend(format!("X-{}: {number}\r\n", number % 7).bytes()));
        raw.extend(format!("X-5: {}\r\n", "x".repeat(PIECE)).bytes());
        raw.extend_from_slice(b"\r\n");
        (0..5_000).for_each(|number| raw.extend(format!("{:04}/+\r\n", number % 9999).bytes()));
        let message = Message::parse(raw.into());
        let names = ["x-3", "X-5", "a"].iter().filter_map(|name| ImapString::new(*name).ok()).collect();
        let section = Section::new(Vec::new(), Some(SectionText::HeaderFields(names))).unwrap();
        let fields = message.chosen(&section, &Choice::of(&section).unwrap()).unwrap();
        let decoded = message.binary_pieces(&[1.try_into().unwrap()]).unwrap().unwrap().unwrap();
        for pieces in [fields, decoded] {
            let whole = pieces.clone().whole();
            assert!(whole.len() > 20_000 && pieces.length() == whole.len() as u64);
            for (offset, length) in [(0, 1), (5, 20_000), (whole.len() as u64 - 1, 7), (u64::MAX, 1)] {
                let range = Partial { offset, length: length.try_into().unwrap() };
                let expected = crate::message::partial(&whole, Some(range));
                assert_eq!(pieces.clone().cut(Some(range)).whole(), expected);
            }
        }
    }
}
