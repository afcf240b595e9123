//! Messages by BDAT (RFC 3030) through the machines of both roles: 10 MiB from a caller's buffer to a sink, and from a read
//! buffer to an application.

use bytes::{Buf, Bytes, BytesMut};
use mailwire_core::dot::{BareNewline, CheckedText};
use mailwire_smtp::{
    BodyType, Capability, Channel, Command, Connection as _, Mail, Mailbox, Next, Rcpt, Reply, ReplyCode,
    client, server,
};

use crate::{Aim, Group, Groups, Kind, corpus, dot};

const MIB: usize = 1024 * 1024;

pub(crate) fn add(groups: &mut Groups) {
    if !groups.wants_any("bdat/") {
        return;
    }
    let mut body = corpus::body_with_few_dots().repeat(10);
    body.truncate(10 * MIB);
    let body = Bytes::from(body);
    for (name, title, kind, bare) in [
        ("mended", "8BITMIME, bare LFs are mended", Sent::Text, BareNewline::Normalize),
        ("text", "8BITMIME", Sent::Text, BareNewline::Refuse),
        ("checked", "8BITMIME, looked through before", Sent::CheckedText, BareNewline::Refuse),
        ("binary", "BINARYMIME", Sent::Binary, BareNewline::Refuse),
    ] {
        let sent = body.clone();
        groups.add(format!("bdat/send-{name}"), |group| send(group, title, &sent, kind, bare));
    }
    for (name, title, binary) in [("text", "8BITMIME", false), ("binary", "BINARYMIME", true)] {
        let received = body.clone();
        groups.add(format!("bdat/receive-{name}"), |group| receive(group, title, &received, binary));
    }
}

/// What a message is sent as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    Text,
    /// Of which it is known that it is text: it was looked through for another server, or another attempt.
    CheckedText,
    Binary,
}

fn mailbox(text: &str) -> Mailbox {
    Mailbox::try_from(text).expect("an address")
}

/// Sends it in chunks of 1 MiB, as the client of `mailwire-transport` does; `sink` is given what is written.
fn sends(body: &Bytes, checked: &CheckedText, kind: Sent, bare: BareNewline, mut sink: impl FnMut(&[u8])) {
    let config = client::Config::new("client.example".try_into().expect("a name"), Channel::Tls);
    let config = config.with_bare_newline(bare);
    let mut client = client::Connection::new(config);
    let mut input = BytesMut::from("220 mx\r\n");
    let mut run = |client: &mut client::Connection, said: &str| {
        input.extend_from_slice(said.as_bytes());
        while matches!(client.next_event(&mut input), Ok(Next::Event(_))) {}
        let output = client.output();
        while output.has_remaining() {
            let chunk = output.chunk();
            let length = chunk.len();
            sink(chunk);
            output.advance(length);
        }
    };
    run(&mut client, "");
    run(
        &mut client,
        "250-mx.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-BINARYMIME\r\n250 CHUNKING\r\n",
    );
    let body_type = if kind == Sent::Binary { BodyType::BinaryMime } else { BodyType::EightBitMime };
    client.send(Command::Mail(Mail::new(mailbox("a@b.example")).with_body(body_type))).expect("MAIL");
    client.send(Command::Rcpt(Rcpt::new(mailbox("c@d.example")))).expect("RCPT");
    run(&mut client, "");
    let mut said = "250 ok\r\n250 ok\r\n";
    let (mut rest, mut checked) = (body.clone(), checked.clone());
    while !rest.is_empty() {
        if kind == Sent::CheckedText {
            let chunk = checked.split_to(MIB);
            let _sent = rest.split_to(chunk.as_bytes().len());
            client.send_text(chunk, rest.is_empty()).expect("a chunk");
        } else {
            let chunk = rest.split_to(rest.len().min(MIB));
            client.send_chunk(chunk, rest.is_empty()).expect("a chunk");
        }
        run(&mut client, said);
        said = "250 ok\r\n";
    }
    run(&mut client, said);
    assert!(client.is_idle(), "the message was not taken");
}

fn send(group: String, title: &str, body: &Bytes, kind: Sent, bare: BareNewline) -> Group {
    let mut written = 0;
    let checked = CheckedText::new(body.clone()).expect("text");
    sends(body, &checked, kind, bare, |bytes| written += bytes.len());
    assert!(written > body.len());
    let (ours, copied) = (body.clone(), body.clone());
    // A sink that takes what a socket's buffer takes at once.
    let sink = || {
        let mut socket = vec![0; 64 * 1024];
        move |bytes: &[u8]| {
            for piece in bytes.chunks(socket.len()) {
                if let Some(room) = socket.get_mut(..piece.len()) {
                    room.copy_from_slice(piece);
                }
                std::hint::black_box(&socket);
            }
        }
    };
    Group::new(group, format!("BDAT sending, 10 MiB, {title}"), Aim::None, body.len())
        .add(Kind::Ours, "mailwire", move || {
            let (ours, checked, mut sink) = (ours.clone(), checked.clone(), sink());
            move || sends(&ours, &checked, kind, bare, &mut sink)
        })
        .add(Kind::Floor, "memcpy", move || {
            let (copied, mut sink) = (copied.clone(), sink());
            move || sink(&copied)
        })
}

/// Receives it in pieces of 64 KiB; `take` is given each part.
fn receives(pieces: Vec<BytesMut>, length: usize, binary: bool, mut take: impl FnMut(Bytes)) {
    let mut config = server::Config::new("mx.example".try_into().expect("a name"), Channel::Tls);
    let offered: Vec<_> =
        config.capabilities().iter().chain([Capability::Chunking, Capability::BinaryMime]).collect();
    config.set_capabilities(offered).expect("capabilities");
    let mut server = server::Connection::new(config);
    let body = if binary { "BINARYMIME" } else { "8BITMIME" };
    let begin = format!(
        "EHLO client.example\r\nMAIL FROM:<a@b.example> BODY={body}\r\nRCPT TO:<c@d.example>\r\nBDAT {length} LAST\r\n"
    );
    let mut input = BytesMut::from(&*begin);
    let mut pieces = pieces.into_iter();
    loop {
        match server.next_event(&mut input).expect("no error") {
            Next::Event(server::Event::Command { ticket, command: Command::Bdat { .. }, .. }) => {
                server.accept_body(ticket).expect("a chunk");
            }
            Next::Event(server::Event::Command { ticket, command, .. }) => {
                server.reply(ticket, server::default_reply(&command)).expect("an answer");
            }
            Next::Event(server::Event::BodyChunk(chunk)) => take(chunk),
            Next::Event(server::Event::BodyEnd { ticket, .. }) => {
                server.reply(ticket, Reply::new(ReplyCode::OK, "taken")).expect("an answer");
                return;
            }
            Next::Event(_) => {}
            _ => input = pieces.next().expect("the whole message"),
        }
    }
}

fn receive(group: String, title: &str, body: &Bytes, binary: bool) -> Group {
    let length = body.len();
    let mut came = 0;
    receives(dot::pieces(body, 64 * 1024), length, binary, |chunk| came += chunk.len());
    assert_eq!(came, length);
    let ours = body.clone();
    Group::new(group, format!("BDAT receiving, 10 MiB in pieces of 64 KiB, {title}"), Aim::None, length)
        .add_prepared(
            Kind::Ours,
            "mailwire",
            1,
            move || dot::pieces(&ours, 64 * 1024),
            move |pieces| {
                receives(std::mem::take(pieces), length, binary, |chunk| drop(std::hint::black_box(chunk)))
            },
        )
        .add_copying(body, 64 * 1024)
}
