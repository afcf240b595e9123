//! Literals that are sent are not copied, whatever stands around them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};
use common::*;
use mailwire_core::{Channel, Connection, Dialect, Misuse, Output, Text};
use mailwire_imap::{
    response::{BinaryData, FetchData, MsgAtt, Response, SectionData, Untagged},
    server,
    types::{Data, Section, SeqNumber},
};

fn fetch(items: impl IntoIterator<Item = MsgAtt>) -> Untagged {
    Untagged::Fetch(FetchData::new(SeqNumber::MIN, items.into_iter().collect::<Vec<_>>()))
}

fn inline(bytes: &Bytes) -> Data {
    Data::Inline(Text::from(bytes.clone()))
}

fn section(data: Data) -> MsgAtt {
    MsgAtt::Section(Box::new(SectionData::new(Section::WHOLE, data)))
}

fn binary(data: Data) -> MsgAtt {
    MsgAtt::Binary(Box::new(BinaryData::new(Vec::new(), data)))
}

/// Bytes of a message, too many to be copied.
fn large(byte: u8) -> Bytes {
    [&[byte; 5000][..], b"\r\n"].concat().into()
}

/// What waits, taken off in its pieces, each with its place in memory: the same as a vectored write
/// would be given.
fn pieces(output: &mut Output) -> Vec<(*const u8, Vec<u8>)> {
    let mut slices = [IoSlice::new(&[]); 16];
    let count = output.chunks_vectored(&mut slices);
    let vectored: Vec<_> = slices[..count].iter().map(|slice| (slice.as_ptr(), slice.to_vec())).collect();
    let mut found = Vec::new();
    while output.has_remaining() {
        let piece = output.chunk();
        let length = piece.len();
        found.push((piece.as_ptr(), piece.to_vec()));
        output.advance(length);
    }
    assert_eq!(found, vectored);
    found
}

/// That the output has these pieces: texts, and bytes that are the very same memory.
fn assert_pieces(output: &mut Output, expected: &[Result<&str, &Bytes>]) {
    let found = pieces(output);
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((place, piece), expected) in found.iter().zip(expected) {
        match expected {
            Ok(text) => assert_eq!(piece, text.as_bytes(), "{}", piece.escape_ascii()),
            Err(bytes) => assert_eq!((*place, piece.len()), (bytes.as_ptr(), bytes.len())),
        }
    }
}

fn selected() -> server::Connection {
    let mut server = serving();
    done(&mut server, "a SELECT x");
    drain(&mut server);
    server
}

#[test]
fn large_literals_are_chained_and_small_ones_copied() {
    let (first, second) = (large(b'a'), large(b'b'));
    let small = Bytes::from_static(b"s\r\n");
    let data = fetch([
        section(inline(&first)),
        section(inline(&small)),
        binary(inline(&second)),
        MsgAtt::Rfc822Header(inline(&first)),
        MsgAtt::Rfc822Size(7),
    ]);
    let expected = [
        Ok("* 1 FETCH (BODY[] {5002}\r\n"),
        Err(&first),
        Ok(" BODY[] {3}\r\ns\r\n BINARY[] ~{5002}\r\n"),
        Err(&second),
        Ok(" RFC822.HEADER {5002}\r\n"),
        Err(&first),
        Ok(" RFC822.SIZE 7)\r\n"),
    ];
    let mut server = selected();
    server.notify(data.clone()).unwrap();
    assert_pieces(server.output(), &expected);
    // Again without a connection, and in one buffer.
    let response = Response::Untagged(data);
    let mut output = Output::new(1000);
    response.write_to(&mut output);
    assert_pieces(&mut output, &expected);
    let mut out = Vec::new();
    response.write(&mut out);
    response.write_to(&mut output);
    assert_eq!(output.copy_to_bytes(output.remaining()), out);
    let frame = Bytes::from(out);
    let parsed = Response::parse(&frame.slice(..frame.len() - 2), Dialect::Strict);
    assert_eq!(parsed.unwrap().value, response);
}

#[test]
fn the_size_decides() {
    for length in [Output::CHAIN_FROM - 1, Output::CHAIN_FROM, 1000, 1001] {
        let mut server = selected();
        // What can be quoted is quoted, up to a length.
        let quoted = Bytes::from(vec![b'q'; length]);
        let literal = Bytes::from(vec![b'\n'; length]);
        server.notify(fetch([section(inline(&quoted)), section(inline(&literal))])).unwrap();
        let places: Vec<_> = pieces(server.output()).into_iter().map(|(place, _)| place).collect();
        assert_eq!(places.contains(&quoted.as_ptr()), length > 1000, "{length}");
        assert_eq!(places.contains(&literal.as_ptr()), length >= Output::CHAIN_FROM, "{length}");
    }
}

#[test]
fn nul_is_for_binary() {
    let mut server = selected();
    let (none, some) = (Bytes::from_static(b"a\r\n"), Bytes::from_static(b"\0"));
    server.notify(fetch([binary(inline(&none)), binary(inline(&some)), section(inline(&some))])).unwrap();
    let expected: &[u8] = b"* 1 FETCH (BINARY[] {3}\r\na\r\n BINARY[] ~{1}\r\n\0 BODY[] {1}\r\n\x80)\r\n";
    let [(_, found)] = &pieces(server.output())[..] else { panic!() };
    assert_eq!(found.escape_ascii().to_string(), expected.escape_ascii().to_string());
}

#[test]
fn chained_literals_wait_after_streamed_ones() {
    let mut server = selected();
    let (first, second, third) = (large(b'a'), large(b'b'), large(b'c'));
    let given = Bytes::from(vec![b'g'; 6000]);
    let streamed = || section(Data::Streamed { length: 6000 });
    let data = fetch([
        section(inline(&first)),
        streamed(),
        MsgAtt::Rfc822Size(7),
        section(inline(&second)),
        section(inline(&third)),
        streamed(),
        section(inline(&first)),
    ]);
    server.notify(data).unwrap();
    let announced = " BODY[] {5002}\r\n";
    let due = " BODY[] {6000}\r\n";
    assert_pieces(server.output(), &[Ok("* 1 FETCH (BODY[] {5002}\r\n"), Err(&first), Ok(due)]);

    assert!(server.notify(Untagged::Exists(1)).is_err() && server.finish_body().is_err());
    assert_eq!(server.send_body(&mut given.clone()), Ok(6000));
    assert_eq!(server.send_body(&mut given.clone()), Err(Misuse::BodyMismatch("longer than announced")));
    server.finish_body().unwrap();
    let size = format!(" RFC822.SIZE 7{announced}");
    assert_pieces(
        server.output(),
        &[Err(&given), Ok(&size), Err(&second), Ok(announced), Err(&third), Ok(due)],
    );

    assert_eq!(server.send_body(&mut given.clone()), Ok(6000));
    server.finish_body().unwrap();
    assert_pieces(server.output(), &[Err(&given), Ok(announced), Err(&first), Ok(")\r\n")]);
    assert!(server.finish_body().is_err());
    server.notify(Untagged::Exists(1)).unwrap();
    assert_eq!(drain_text(&mut server), "* 1 EXISTS\r\n");
}

#[test]
fn chained_bytes_fill_the_output() {
    let mut server = selected();
    let limit = server.output().limit();
    let literal = Bytes::from(vec![b'\n'; limit]);
    server.notify(fetch([section(inline(&literal))])).unwrap();
    assert!(server.output().is_full());
    let refused = server.notify(Untagged::Exists(1)).unwrap_err();
    assert_eq!((refused.reason, refused.message), (Misuse::Full { limit }, Untagged::Exists(1)));
    server.output().advance(limit);
    server.notify(Untagged::Exists(1)).unwrap();
    drain(&mut server);
    // What cannot be written leaves nothing behind.
    assert!(server.notify(fetch([MsgAtt::InternalDate(None)])).is_err());
    let Untagged::Fetch(mut unnumbered) = fetch([section(Data::Streamed { length: 5 })]) else { panic!() };
    unnumbered.number = None;
    assert!(server.notify(Untagged::Fetch(unnumbered)).is_err());
    assert!(server.finish_body().is_err(), "no literal is due");
    assert!(server.output().is_empty());
}

/// What is asked before the first literal of a command is asked of each command, and sizes of each literal.
#[test]
fn what_is_asked_before_a_literal() {
    let mut server = serving_with(server_config(Channel::Tls));
    for (text, answer) in [
        ("a RENAME {1}\r\nx {1}\r\ny\r\n", "+ go on\r\n+ go on\r\n"),
        ("b LOGIN {1}\r\n", "b BAD already logged in\r\n"),
        ("c RENAME {1}\r\nx {99999999}\r\n", "+ go on\r\nc BAD [TOOBIG] the literal is too large\r\n"),
        ("d LOGIN {1}\r\n", "d BAD already logged in\r\n"),
        ("e LOGIN {1+}\r\nx {1+}\r\ny\r\n", "e BAD already logged in\r\n"),
        ("f LIST {0}\r\n {1}\r\n*\r\n", "+ go on\r\n+ go on\r\n"),
    ] {
        let (found, _) = events(&mut server, &mut BytesMut::from(text));
        assert_eq!(drain_text(&mut server), answer, "{text}");
        for event in found {
            if let server::Event::Command { ticket, .. } = event {
                server.reply(ticket, status("OK done")).unwrap();
                drain(&mut server);
            }
        }
    }
}
