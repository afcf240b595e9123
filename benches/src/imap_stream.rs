//! IMAP responses through the whole machine, as they arrive from a network.

use bytes::{Buf, Bytes, BytesMut};
use mailwire_core::{Channel, Connection as _, Next};
use mailwire_imap::{
    client::{Config, Connection, Event},
    command::{Command, Select},
    types::MailboxName,
};
use peer_imap_next::{
    Interrupt, Io, State as _,
    client::{Client as NextClient, Event as NextEvent, Options},
};

use crate::{
    Aim, Group, Groups, Kind, corpus,
    stream::{Script, ready},
};

pub(crate) fn add(groups: &mut Groups) {
    for (name, title, wire, messages) in [
        (
            "literal",
            "FETCH with a literal of 1 MiB",
            (|| corpus::fetch_literal(1024 * 1024)) as fn() -> Vec<u8>,
            1,
        ),
        ("search", "SEARCH with 10,000 identifiers", corpus::search, 1),
        ("small-literals", "500 FETCH with small literals", corpus::small_literals, 500),
    ] {
        if !groups.wants_any(&format!("imap/stream-{name}")) {
            continue;
        }
        let wire = Bytes::from(wire());
        let whole = format!("imap/stream-{name}-whole");
        groups.add(whole.clone(), |group| {
            stream(
                group,
                format!("IMAP machine: {title}, whole"),
                Aim::OfFastestPeer(0.5),
                &wire,
                messages,
                wire.len(),
            )
        });
        // A whole literal is handed out as it is, at no cost that depends on its length: there is
        // nothing that pieces could be compared with.
        let aim = match name {
            "search" => Aim::OfGroup("imap/stream-search-whole", 1.15),
            "small-literals" => Aim::OfGroup("imap/stream-small-literals-whole", 1.15),
            _ => Aim::OfFastestPeer(1.0),
        };
        groups.add(format!("imap/stream-{name}-1400"), |group| {
            stream(group, format!("IMAP machine: {title}, in 1,400 B pieces"), aim, &wire, messages, 1400)
        });
    }
}

/// A client with a mailbox selected.
pub(crate) fn client() -> Connection {
    let mut config = Config::new(Channel::Tls, 1);
    config.ask_capabilities.after_greeting = false;
    config.limits.line = 1 << 20;
    config.limits.frame = 1 << 22;
    let mut client = Connection::new(config);
    let mut input = BytesMut::from("* PREAUTH [CAPABILITY IMAP4rev1] hello\r\n");
    client.send(Command::Select(Select::from(MailboxName::new("INBOX").expect("a name")))).expect("SELECT");
    loop {
        match client.next_event(&mut input).expect("a session") {
            Next::Event(Event::Reply { .. }) => return client,
            Next::Event(_) => {}
            Next::NeedInput => {
                let output = client.output();
                let sent = output.copy_to_bytes(output.remaining());
                let tag = sent.split(|&byte| byte == b' ').next().expect("a tag");
                input.extend_from_slice(b"* 500 EXISTS\r\n");
                input.extend_from_slice(tag);
                input.extend_from_slice(b" OK selected\r\n");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Reads so many messages. The number of bytes in streamed literals.
fn read(client: &mut Connection, pieces: &mut Vec<BytesMut>, messages: usize) -> usize {
    let mut input = BytesMut::new();
    let (mut seen, mut streamed) = (0, 0);
    for piece in pieces.drain(..) {
        // A read buffer grows in place; so do these, which are neighbours.
        if input.is_empty() {
            input = piece;
        } else {
            input.unsplit(piece);
        }
        loop {
            match client.next_event(&mut input).expect("a session") {
                Next::Event(Event::Data { data, .. }) => {
                    std::hint::black_box(data);
                    seen += 1;
                }
                Next::Event(Event::BodyChunk(chunk)) => streamed += chunk.len(),
                Next::Event(Event::BodyStart(_) | Event::BodyEnd) => {}
                Next::Event(other) => panic!("{other:?}"),
                Next::NeedInput | Next::Paused => break,
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(seen, messages);
    streamed
}

/// All of the input in one allocation, cut into pieces.
fn pieces(wire: &[u8], size: usize) -> Vec<BytesMut> {
    let mut buffer = BytesMut::from(wire);
    let mut pieces = Vec::new();
    while buffer.len() > size {
        pieces.push(buffer.split_to(size));
    }
    pieces.push(buffer);
    pieces
}

fn stream(group: String, title: String, aim: Aim, wire: &Bytes, messages: usize, piece: usize) -> Group {
    let (ours, async_imap, imap_next) = (wire.clone(), wire.clone(), wire.clone());
    Group::new(group, title, aim, wire.len())
        .add_prepared(
            Kind::Ours,
            "mailwire",
            1,
            move || (client(), pieces(&ours, piece)),
            move |(client, pieces)| read(client, pieces, messages),
        )
        .add(Kind::Peer, "async-imap", move || {
            let script = Script::new(piece);
            let mut client = peer_async_imap::Client::new(script.clone());
            let wire = async_imap.clone();
            move || {
                script.say(&wire);
                for _ in 0..messages {
                    let response = ready(client.read_response()).expect("a response").expect("not the end");
                    assert!(matches!(
                        response.parsed(),
                        peer_async_imap::imap_proto::Response::Fetch(..)
                            | peer_async_imap::imap_proto::Response::MailboxData(_)
                    ));
                }
            }
        })
        .add(Kind::Peer, "imap-next", move || {
            let wire = imap_next.clone();
            let mut options = Options::default();
            options.discard_greeting = true;
            let mut client = NextClient::new(options);
            move || {
                let mut seen = 0;
                for piece in wire.chunks(piece) {
                    client.enqueue_input(piece);
                    loop {
                        match client.next() {
                            Ok(NextEvent::DataReceived { data }) => {
                                std::hint::black_box(data);
                                seen += 1;
                            }
                            Err(Interrupt::Io(Io::NeedMoreInput)) => break,
                            other => panic!("{other:?}"),
                        }
                    }
                }
                assert_eq!(seen, messages);
            }
        })
        .add_copying(wire, piece)
}
