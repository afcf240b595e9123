//! A body goes onto the wire and comes back, however both are cut.
#![no_main]

use bytes::{Buf, Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use mailwire_core::{
    Output,
    dot::{BareNewline, LineEnds, Stuffer, Unstuffed, Unstuffer},
};
use mailwire_oracles::pieces;

fuzz_target!(|case: (Vec<u8>, Vec<u16>, bool, bool)| {
    let (body, cuts, normalize, any_end) = case;
    let bare = if normalize { BareNewline::Normalize } else { BareNewline::Refuse };

    // Whole and in pieces, the same bytes go out or the same place is refused.
    let whole = stuff([&body[..]], bare);
    assert_eq!(whole, stuff(pieces(&body, &cuts), bare));
    let clean = !body.windows(2).any(|pair| (pair[0] == b'\r') != (pair[1] == b'\n'))
        && body.first() != Some(&b'\n')
        && body.last() != Some(&b'\r');
    assert_eq!(whole.is_ok(), normalize || clean);

    if let Ok(wire) = whole {
        let (read, bare_newline, rest) =
            unstuff(pieces(&wire, &cuts), LineEnds::CrLf).expect("it has an end");
        assert_eq!((bare_newline, rest), (None, 0));
        if clean {
            let ended = body.is_empty() || body.ends_with(b"\r\n");
            assert_eq!(read.strip_suffix(if ended { &b""[..] } else { b"\r\n" }), Some(&body[..]));
        }
    }

    // The body as a hostile wire.
    let ends = if any_end { LineEnds::Any } else { LineEnds::CrLf };
    let whole = unstuff([&body[..]], ends);
    assert_eq!(whole, unstuff(pieces(&body, &cuts), ends));
    assert_eq!(whole, unstuff(body.chunks(1), ends));
    if ends == LineEnds::CrLf {
        let end = body.starts_with(b".\r\n") || body.windows(5).any(|window| window == b"\r\n.\r\n");
        assert_eq!(whole.is_some(), end, "only the lone dot between CR LFs ends a body");
    }
});

fn stuff<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    bare: BareNewline,
) -> Result<Vec<u8>, mailwire_core::Misuse> {
    let (mut output, mut stuffer) = (Output::new(usize::MAX), Stuffer::new(bare));
    for piece in pieces {
        stuffer.push(Bytes::copy_from_slice(piece), &mut output)?;
    }
    stuffer.finish(&mut output)?;
    Ok(output.copy_to_bytes(output.remaining()).to_vec())
}

/// The body, where a bare newline stood, and how many bytes stand after the end.
fn unstuff<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    ends: LineEnds,
) -> Option<(Vec<u8>, Option<u64>, usize)> {
    let (mut input, mut unstuffer) = (BytesMut::new(), Unstuffer::new(ends));
    let mut pieces = pieces.into_iter();
    let mut body = Vec::new();
    loop {
        match unstuffer.next(&mut input) {
            Unstuffed::Chunk(chunk) => {
                assert!(!chunk.is_empty());
                body.extend_from_slice(&chunk);
            }
            Unstuffed::End => {
                let after = input.len() + pieces.map(<[u8]>::len).sum::<usize>();
                return Some((body, unstuffer.bare_newline(), after));
            }
            Unstuffed::NeedInput => {
                assert!(input.len() <= 4, "keeps back no more than it must");
                input.extend_from_slice(pieces.next()?);
            }
        }
    }
}
