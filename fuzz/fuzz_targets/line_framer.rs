//! Lines are the same however they arrive, and longer ones than allowed are refused.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use mailwire_core::{LineFramer, Newline};
use mailwire_oracles::pieces;

fuzz_target!(|case: (Vec<u8>, Vec<u16>, u8)| {
    let (text, cuts, limit) = case;
    let limit = usize::from(limit) + 2;
    let whole = lines([&text[..]], limit);
    assert_eq!(whole, lines(pieces(&text, &cuts), limit));
    assert_eq!(whole, lines(text.chunks(1), limit));

    let (seen, failed) = whole;
    let expected: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    let long = expected
        .iter()
        .position(|line| line.len() > limit || (!line.ends_with(b"\n") && line.len() >= limit));
    assert_eq!(failed, long.is_some());
    let complete = expected.iter().take(long.unwrap_or(usize::MAX)).filter(|line| line.ends_with(b"\n"));
    assert!(seen.iter().map(|line| &line[..]).eq(complete.copied()));
});

/// The lines with their ends, and whether one was too long.
fn lines<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limit: usize) -> (Vec<Vec<u8>>, bool) {
    let (mut framer, mut input, mut seen) = (LineFramer::new(), BytesMut::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            match framer.next_line(&mut input, limit) {
                Ok(Some(line)) => {
                    let end: &[u8] = if line.newline == Newline::CrLf { b"\r\n" } else { b"\n" };
                    seen.push([&line.text[..], end].concat());
                }
                Ok(None) => break,
                Err(_) => return (seen, true),
            }
        }
    }
    (seen, false)
}
