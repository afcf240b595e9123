//! POP3: a message by RETR, through the whole machine.

use bytes::{Buf, Bytes, BytesMut};
use mailwire_core::{Channel, Connection as _, Next};
use mailwire_pop3::{
    Command, MessageNumber, Password, UserName,
    client::{Config, Connection, Event},
};

use crate::{
    Aim, Group, Groups, Kind, corpus,
    stream::{Script, ready},
};

pub(crate) fn add(groups: &mut Groups) {
    groups.add("pop3/retr-65536-1400", |name| retr(name, "64 KiB", 64 * 1024, "1,400 B", 1400));
    groups.add("pop3/retr-65536-16384", |name| retr(name, "64 KiB", 64 * 1024, "16 KiB", 16 * 1024));
}

/// A client that has logged in and sent RETR.
pub(crate) fn client() -> Connection {
    let mut client = Connection::new(Config::new(Channel::Tls));
    client.send(Command::User(UserName::new("alice").expect("a name"))).expect("USER");
    client.send(Command::Pass(Password::new("secret").expect("a password"))).expect("PASS");
    client.send(Command::Retr(MessageNumber::FIRST)).expect("RETR");
    let mut answers =
        [&b"+OK ready\r\n"[..], b"+OK\r\nUSER\r\n.\r\n", b"+OK\r\n", b"+OK\r\n", b"+OK\r\nUSER\r\n.\r\n"]
            .into_iter();
    let mut input = BytesMut::new();
    loop {
        let next = client.next_event(&mut input).expect("a session");
        let output = client.output();
        let retr = output.chunk().starts_with(b"RETR");
        output.advance(output.remaining());
        match next {
            Next::NeedInput if retr => return client,
            Next::NeedInput => input.extend_from_slice(answers.next().expect("no more is asked")),
            _ => {}
        }
    }
}

/// Reads the answer, and hands on the body's chunks.
fn read(client: &mut Connection, pieces: &mut Vec<BytesMut>, mut take: impl FnMut(Bytes)) {
    let mut input = BytesMut::new();
    for piece in pieces.drain(..) {
        if input.is_empty() {
            input = piece;
        } else {
            input.extend_from_slice(&piece);
        }
        loop {
            match client.next_event(&mut input).expect("a session") {
                Next::Event(Event::BodyChunk(chunk)) => take(chunk),
                Next::Event(Event::BodyEnd { .. }) => return,
                Next::Event(_) => {}
                Next::NeedInput => break,
                other => panic!("{other:?}"),
            }
        }
    }
    panic!("a body without an end");
}

fn retr(name: String, size_title: &str, size: usize, piece_title: &str, piece: usize) -> Group {
    let mut body = corpus::body_with_few_dots();
    body.truncate(size / 78 * 78);
    let body = Bytes::from(body);
    let wire = Bytes::from([b"+OK message follows\r\n", &corpus::stuffed(&body)[..]].concat());

    let mut got = Vec::new();
    read(&mut client(), &mut crate::dot::pieces(&wire, piece), |chunk| got.extend_from_slice(&chunk));
    assert!(got == body, "what was read is not the body");
    // It leaves the stuffing in, and the last line end out.
    let stuffed = corpus::stuffed(&body);
    assert!(peer(&wire, piece)() == stuffed[..stuffed.len() - 5], "what async-pop read is not the body");

    let (ours, theirs) = (wire.clone(), wire.clone());
    Group::new(
        name,
        format!("POP3 RETR of {size_title} in {piece_title} pieces"),
        Aim::OfFastestPeer(1.0),
        wire.len(),
    )
    .add_prepared(
        Kind::Ours,
        "mailwire",
        1,
        move || (client(), crate::dot::pieces(&ours, piece)),
        |(client, pieces)| read(client, pieces, |chunk| drop(std::hint::black_box(chunk))),
    )
    .add(Kind::Peer, "async-pop", move || peer(&theirs, piece))
    .add_copying(&wire, piece)
}

fn peer(wire: &Bytes, piece: usize) -> impl FnMut() -> Bytes + use<> {
    let wire = wire.clone();
    let script = Script::new(piece);
    script.say(&Bytes::from_static(b"+OK ready\r\n"));
    for answer in ["+OK\r\nUSER\r\n.\r\n", "+OK\r\n", "+OK\r\n", "+OK\r\nUSER\r\n.\r\n"] {
        script.then(&Bytes::from(answer));
    }
    let mut client = ready(peer_async_pop::new(script.clone())).expect("a greeting");
    ready(client.login("alice", "secret")).expect("a login");
    move || {
        script.then(&wire);
        ready(client.retr(1)).expect("a message")
    }
}
