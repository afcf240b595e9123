//! IMAP commands and responses, whole messages.

use bytes::{Bytes, BytesMut};
use mailwire_imap::{
    Limits,
    command::{Literals, Request, WriteOptions},
    framing::{Framed, Framer, Speaker},
};
use mailwire_smtp::Dialect;
use peer_imap_codec::{
    CommandCodec,
    decode::Decoder,
    encode::Encoder,
    imap_types::{IntoStatic, command::Command as CodecCommand},
};

use crate::{Aim, Group, Groups, Kind, corpus, read_buffer, received, waiting};

pub(crate) fn add(groups: &mut Groups) {
    for (name, wire) in corpus::IMAP_COMMANDS {
        let title = name.to_uppercase();
        groups
            .add(format!("imap/command-{name}"), |group| command(group, &title, corpus::with_literal(wire)));
        groups.add(format!("imap/write-{name}"), |group| {
            write_command(group, &title, corpus::with_literal(wire))
        });
    }
    groups.add("imap/write-fetch-set", |group| {
        write_command(group, "FETCH of 10,000 identifiers", corpus::fetch_set())
    });
}

/// A message without its line end, which is how the grammar gets it from the framer.
pub(crate) fn framed(wire: &[u8]) -> Bytes {
    received(wire.strip_suffix(b"\r\n").expect("a line"))
}

fn parse_request(frame: &Bytes) -> Request {
    Request::parse(frame, Dialect::Strict).expect("a valid command").value
}

fn codec_command(wire: &[u8]) -> CodecCommand<'_> {
    let (rest, command) = CommandCodec::new().decode(wire).expect("a valid command");
    assert!(rest.is_empty());
    command
}

fn plus() -> WriteOptions {
    WriteOptions::default().with_literals(Literals::Plus)
}

fn command(group: String, title: &str, wire: Vec<u8>) -> Group {
    let wire: &'static [u8] = wire.leak();
    // Both read what both would write again: the facts are the same.
    let mut out = Vec::new();
    parse_request(&framed(wire)).write(plus(), &mut out);
    same_facts(&out, wire);
    same_facts(&CommandCodec::new().encode(&codec_command(wire)).dump(), wire);

    Group::new(group, format!("IMAP command {title}"), Aim::OfFastestPeer(1.0 / 3.0), wire.len())
        .add(Kind::Ours, "mailwire", move || {
            let frame = framed(wire);
            move || parse_request(&frame)
        })
        .add_prepared(
            Kind::Ours,
            "mailwire with framing",
            waiting(wire),
            move || (Framer::new(Speaker::Client), Limits::client(), read_buffer(wire)),
            move |(framer, limits, input)| {
                for _ in 0..waiting(wire) {
                    next_frame(framer, limits, input, |frame| {
                        std::hint::black_box(parse_request(frame));
                    });
                }
            },
        )
        .add(Kind::Peer, "imap-codec", move || move || codec_command(std::hint::black_box(wire)))
        .add(Kind::Peer, "imap-codec into_static", move || {
            move || codec_command(std::hint::black_box(wire)).into_static()
        })
        .add_tokens(wire)
}

/// Reads the next message that waits, with all its literals.
#[inline(always)]
pub(crate) fn next_frame(
    framer: &mut Framer,
    limits: &Limits,
    input: &mut BytesMut,
    read: impl FnOnce(&Bytes),
) {
    loop {
        match framer.next(input, limits).expect("a message") {
            Framed::Message(frame) => return read(&frame.bytes),
            Framed::Literal(_) => framer.keep(limits).expect("a literal within the limits"),
            other => panic!("{other:?}"),
        }
    }
}

/// That two forms of a message differ at most in how strings are quoted, and in case.
pub(crate) fn same_facts(a: &[u8], b: &[u8]) {
    let facts = |wire: &[u8]| {
        let text: Vec<u8> = wire.iter().filter(|byte| !b"\" ".contains(byte)).copied().collect();
        text.to_ascii_lowercase()
    };
    let (a, b) = (facts(a), facts(b));
    if let Some(at) = (0..a.len().max(b.len())).find(|&at| a.get(at) != b.get(at)) {
        let near =
            |text: &[u8]| text[at.saturating_sub(20)..text.len().min(at + 20)].escape_ascii().to_string();
        panic!("not the same at byte {at}: {} and {}", near(&a), near(&b));
    }
}

fn write_command(group: String, title: &str, wire: Vec<u8>) -> Group {
    let wire: &'static [u8] = wire.leak();
    let request = parse_request(&framed(wire));
    let command = codec_command(wire).into_static();
    let mut out = Vec::new();
    request.write(plus(), &mut out);
    same_facts(&out, wire);
    same_facts(&CommandCodec::new().encode(&command).dump(), wire);

    Group::new(group, format!("IMAP command {title}, written"), Aim::OfFastestPeer(1.0 / 4.0), wire.len())
        .add(Kind::Ours, "mailwire", move || {
            let (request, mut out) = (request.clone(), Vec::with_capacity(wire.len() + 1024));
            move || {
                out.clear();
                std::hint::black_box(&request).write(plus(), &mut out);
                out.len()
            }
        })
        .add(Kind::Peer, "imap-codec", move || {
            let command = command.clone();
            move || CommandCodec::new().encode(std::hint::black_box(&command))
        })
        .add(Kind::Floor, "memcpy", move || {
            let mut out = Vec::with_capacity(wire.len() + 1024);
            move || {
                out.clear();
                out.extend_from_slice(std::hint::black_box(wire));
                out.len()
            }
        })
}
