//! Bodies of SMTP DATA and POP3 RETR: dot-stuffing in both directions.

use std::mem;

use bytes::{Buf, Bytes, BytesMut};
use mailwire_core::{
    Output,
    dot::{BareNewline, LineEnds, Stuffer, Unstuffed, Unstuffer},
};
use peer_smtp_proto::request::receiver::DataReceiver;

use crate::{Aim, Group, Groups, Kind, corpus, floors};

pub(crate) fn add(groups: &mut Groups) {
    type MakeBody = fn() -> Vec<u8>;
    for (dots, dots_title, body) in [
        ("few-dots", "few dots", corpus::body_with_few_dots as MakeBody),
        ("all-dots", "a dot on every line", corpus::body_with_a_dot_on_every_line),
    ] {
        if !groups.wants_any("dot/") {
            return;
        }
        let body = Bytes::from(body());
        let wire = Bytes::from(corpus::stuffed(&body));
        for (piece, piece_title) in [(1400, "1,400 B"), (16 * 1024, "16 KiB"), (1024 * 1024, "1 MiB")] {
            let direction = |verb: &str| format!("DATA {verb}, 1 MiB in {piece_title} pieces, {dots_title}");
            let case = Case { few_dots: dots == "few-dots", piece, body: &body, wire: &wire };
            groups.add(format!("dot/receive-{dots}-{piece}"), |name| {
                receive(name, direction("receiving"), &case)
            });
            groups.add(format!("dot/send-{dots}-{piece}"), |name| send(name, direction("sending"), &case));
        }
    }
}

/// What is received or sent.
struct Case<'a> {
    few_dots: bool,
    piece: usize,
    body: &'a Bytes,
    wire: &'a Bytes,
}

/// The wire in pieces as they come from a socket, out of one read buffer of 64 KiB or a piece.
pub(crate) fn pieces(wire: &[u8], size: usize) -> Vec<BytesMut> {
    let mut pieces = Vec::new();
    for buffer in wire.chunks(size * (64 * 1024usize).div_ceil(size)) {
        let mut buffer = BytesMut::from(buffer);
        while buffer.len() > size {
            pieces.push(buffer.split_to(size));
        }
        pieces.push(buffer);
    }
    pieces
}

/// Reads a body off the wire; `take` is handed each chunk.
///
/// A piece stands for what a read has put into the read buffer. A driver has one buffer, and no share of
/// it for each read: what the pieces are is not dropped here.
fn unstuff(pieces: &mut [BytesMut], mut take: impl FnMut(Bytes)) {
    let mut unstuffer = Unstuffer::new(LineEnds::CrLf);
    let mut held = BytesMut::new();
    for input in pieces {
        // As in a read buffer, the few bytes without a verdict stand before what comes next.
        if !held.is_empty() {
            held.extend_from_slice(input);
            *input = mem::take(&mut held);
        }
        loop {
            match unstuffer.next(input) {
                Unstuffed::Chunk(chunk) => take(chunk),
                Unstuffed::NeedInput => break,
                Unstuffed::End => {
                    assert!(unstuffer.bare_newline().is_none() && input.is_empty());
                    return;
                }
            }
        }
        if !input.is_empty() {
            held = mem::take(input);
        }
    }
    panic!("a body without an end");
}

fn receive(name: String, title: String, case: &Case<'_>) -> Group {
    let &Case { few_dots, piece, body, wire } = case;
    let mut read = Vec::new();
    unstuff(&mut pieces(wire, piece), |chunk| read.extend_from_slice(&chunk));
    assert!(read == *body, "what was read is not the body");

    let mut read = Vec::new();
    stalwart(wire, piece, &mut read);
    assert!(read == *body, "what Stalwart's receiver read is not the body");

    let (ours, peer, floor_dots) = (wire.clone(), wire.clone(), wire.clone());
    // 1,400-byte pieces of a body with few dots are what the aim was set for; a dot on every line has
    // to be no cliff, which is measured against the peer.
    let aim = if few_dots { Aim::Throughput(25.0) } else { Aim::OfFastestPeer(1.0) };
    Group::new(name, title, aim, wire.len())
        .add_prepared(
            Kind::Ours,
            "mailwire",
            1,
            move || pieces(&ours, piece),
            |pieces| unstuff(pieces, |chunk| drop(std::hint::black_box(chunk))),
        )
        .add(Kind::Peer, "smtp-proto", move || {
            let wire = peer.clone();
            let mut out = Vec::with_capacity(wire.len());
            move || {
                out.clear();
                stalwart(&wire, piece, &mut out);
            }
        })
        .add_copying(wire, piece)
        .add(Kind::Floor, "memmem", move || {
            let wire = floor_dots.clone();
            let dot = memchr::memmem::Finder::new(b"\n.");
            move || wire.chunks(piece).map(|piece| dot.find_iter(piece).count()).sum::<usize>()
        })
}

fn stalwart(wire: &[u8], piece: usize, out: &mut Vec<u8>) {
    let mut receiver = DataReceiver::new();
    for piece in wire.chunks(piece) {
        if receiver.ingest(&mut piece.iter(), out) {
            // It leaves the CR LF that ends the last line as part of the body, like ours.
            return;
        }
    }
    panic!("a body without an end");
}

fn send(name: String, title: String, case: &Case<'_>) -> Group {
    let &Case { few_dots, piece, body, wire } = case;
    let stuff = |body: &Bytes, piece: usize, written: &mut dyn FnMut(&mut Output)| {
        let mut output = Output::new(usize::MAX);
        let mut stuffer = Stuffer::new(BareNewline::Refuse);
        let mut body = body.clone();
        while !body.is_empty() {
            let piece = body.split_to(piece.min(body.len()));
            stuffer.push(piece, &mut output).expect("a body with proper lines");
            written(&mut output);
        }
        stuffer.finish(&mut output).expect("a body with proper lines");
        written(&mut output);
    };
    let mut sent = Vec::new();
    stuff(body, piece, &mut |output| {
        sent.extend_from_slice(&output.copy_to_bytes(output.remaining()));
    });
    assert!(sent == *wire, "what was sent is not the wire form");

    let (ours, floor_look) = (body.clone(), body.clone());
    let aim = if few_dots { Aim::Throughput(25.0) } else { Aim::None };
    Group::new(name, title, aim, body.len())
        .add(Kind::Ours, "mailwire", move || {
            let body = ours.clone();
            move || {
                // As a driver does: what waits is written at once.
                stuff(&body, piece, &mut |output| output.advance(output.remaining()));
            }
        })
        .add_copying(body, piece)
        .add(Kind::Floor, "memchr", move || {
            let body = floor_look.clone();
            move || body.chunks(piece).map(floors::look).sum::<usize>()
        })
}
