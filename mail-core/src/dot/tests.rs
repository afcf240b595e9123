//! Both directions at once, and what their tests share.

use alloc::{vec, vec::Vec};

use bytes::{Buf, Bytes, BytesMut};
use proptest::prelude::*;

use super::*;
use crate::{Misuse, Output};

/// Byte by byte, as the RFCs tell it.
fn stuff_slowly(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut line_start = true;
    let mut bytes = body.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' | b'\n' => {
                if byte == b'\r' {
                    bytes.next_if_eq(&b'\n');
                }
                out.extend_from_slice(b"\r\n");
                line_start = true;
            }
            _ => {
                if byte == b'.' && line_start {
                    out.push(b'.');
                }
                out.push(byte);
                line_start = false;
            }
        }
    }
    if !line_start {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

pub(super) fn stuff(pieces: &[&[u8]], bare: BareNewline) -> Result<Vec<u8>, Misuse> {
    let (mut output, mut stuffer) = (Output::new(usize::MAX), Stuffer::new(bare));
    for piece in pieces {
        stuffer.push(Bytes::copy_from_slice(piece), &mut output)?;
    }
    stuffer.finish(&mut output)?;
    Ok(output.copy_to_bytes(output.remaining()).to_vec())
}

/// The body, the place of the first bare newline, and what is left; `None` without an end.
pub(super) type Read = Option<(Vec<u8>, Option<u64>, Vec<u8>)>;

pub(super) fn unstuff(pieces: &[&[u8]], ends: LineEnds) -> Read {
    let (mut input, mut unstuffer) = (BytesMut::new(), Unstuffer::new(ends));
    let mut pieces = pieces.iter();
    let mut body = Vec::new();
    loop {
        match unstuffer.next(&mut input) {
            Unstuffed::Chunk(chunk) => {
                assert!(!chunk.is_empty());
                body.extend_from_slice(&chunk);
            }
            Unstuffed::End => break,
            Unstuffed::NeedInput => {
                assert!(input.len() <= 4, "keeps back no more than it must");
                input.extend_from_slice(pieces.next()?);
            }
        }
    }
    for piece in pieces {
        input.extend_from_slice(piece);
    }
    Some((body, unstuffer.bare_newline(), input.to_vec()))
}

/// Bodies made of what matters, long enough for several blocks.
pub(super) fn body() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(b"\r\n".to_vec()), 2 => Just(b".".to_vec()), 1 => Just(b"\r".to_vec()),
        1 => Just(b"\n".to_vec()), 2 => Just(b"\r\n.".to_vec()), 1 => Just(b"\r\n.\r\n".to_vec()),
        4 => (0usize..400).prop_map(|n| vec![b'x'; n]),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

/// Bodies in which most lines start with a dot.
fn dotted_body() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        20 => (0usize..200).prop_map(|n| [b".".to_vec(), vec![b'x'; n], b"\r\n".to_vec()].concat()),
        1 => (0usize..1000).prop_map(|n| [vec![b'x'; n], b"\r\n".to_vec()].concat()),
        1 => Just(b"..\r.x\r\n".to_vec()), 1 => Just(b".\n".to_vec()),
    ];
    proptest::collection::vec(line, 0..60).prop_map(|lines| lines.concat())
}

fn cut<'a>(body: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
    places.push(0);
    places.push(body.len());
    places.sort_unstable();
    places.windows(2).map(|pair| &body[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn normalizes_as_the_slow_way_does(
        body in prop_oneof![body(), dotted_body()], cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6)
    ) {
        let wire = stuff(&cut(&body, &cuts), BareNewline::Normalize).unwrap();
        prop_assert_eq!(&wire, &stuff_slowly(&body));
        // And it comes back as the body with its line ends made good.
        let (read, bare, rest) = unstuff(&[&wire], LineEnds::CrLf).unwrap();
        prop_assert_eq!((bare, rest.len()), (None, 0));
        prop_assert_eq!(stuff_slowly(&read), wire);
    }

    #[test]
    fn reading_does_not_depend_on_the_cuts(
        body in prop_oneof![body(), dotted_body()], cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6), any_end: bool
    ) {
        let ends = if any_end { LineEnds::Any } else { LineEnds::CrLf };
        let wire = [&body[..], b"\r\n.\r\n"].concat();
        let whole = unstuff(&[&wire], ends);
        prop_assert!(whole.is_some());
        prop_assert_eq!(unstuff(&cut(&wire, &cuts), ends), whole.clone());
        let bytes: Vec<&[u8]> = wire.chunks(1).collect();
        prop_assert_eq!(unstuff(&bytes, ends), whole);
    }
}
