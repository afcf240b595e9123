//! The machines that read it.

use bytes::{Buf, BytesMut};
use mailwire_core::{Channel, Connection, Next};

use crate::{corpus, counted_call, counted_region};

/// Feeds a machine, hands on its events, and drains its output as it comes.
pub(super) fn drive<C: Connection>(
    machine: &mut C,
    wire: &[u8],
    piece: usize,
    mut handle: impl FnMut(&mut C, C::Event),
) {
    let mut input = BytesMut::new();
    let drain = |machine: &mut C| {
        counted_call(|| {
            let output = machine.output();
            output.advance(output.remaining());
        });
    };
    drain(machine);
    for piece in wire.chunks(piece) {
        input.extend_from_slice(piece);
        loop {
            match counted_call(|| machine.next_event(&mut input)) {
                Ok(Next::Event(event)) => counted_call(|| handle(machine, event)),
                Ok(Next::NeedInput) => break,
                Ok(Next::Paused) if !machine.output().is_empty() => {}
                Ok(Next::Paused) if input.is_empty() => break,
                Ok(other) => panic!("{:?}", other.map(|_| ())),
                Err(error) => panic!("{error}"),
            }
            drain(machine);
        }
    }
    assert!(input.is_empty(), "something was not read");
}

pub(super) fn smtp_server(wire: &[u8], piece: usize) {
    use mailwire_smtp::{Command, Reply, ReplyCode, server};
    let mut config = server::Config::new("mx.example".try_into().expect("a name"), Channel::Tls);
    config.limits.idle_commands = usize::MAX;
    let mut server = server::Connection::new(config);
    let mut answered = 0usize;
    counted_region(|| {
        drive(&mut server, wire, piece, |server, event| match event {
            server::Event::Command { ticket, command: Command::Data, .. } => {
                server.accept_body(ticket).expect("DATA");
            }
            server::Event::Command { ticket, command, .. } => {
                server.reply(ticket, server::default_reply(&command)).expect("a reply");
                answered += 1;
            }
            server::Event::BodyEnd { ticket, .. } => {
                server.reply(ticket, Reply::new(ReplyCode::OK, "Queued")).expect("a reply");
            }
            server::Event::BodyStart { .. } | server::Event::BodyChunk(_) => {}
            other => panic!("{other:?}"),
        });
    });
    assert!(answered > 2);
}

pub(super) fn smtp_client(count: usize, piece: usize) {
    use mailwire_smtp::{Command, client};
    let mut config = client::Config::new("client.example".try_into().expect("a name"), Channel::Tls);
    config.limits.queue = usize::MAX;
    config.limits.output = usize::MAX;
    let mut client = client::Connection::new(config);
    drive(&mut client, b"220 mx.example ESMTP\r\n", usize::MAX, |_, _| {});
    drive(&mut client, b"250-mx.example\r\n250 PIPELINING\r\n", usize::MAX, |_, _| {});
    for _ in 0..count {
        client.send(Command::Rset).expect("room");
    }
    let wire = corpus::REPLY_10.repeat(count);
    let mut lines = 0;
    counted_region(|| {
        drive(&mut client, &wire, piece, |_, event| {
            // A reply tells its lines apart when it is asked for them, which is part of reading it.
            if let client::Event::Reply { reply, .. } = event {
                lines += reply.lines().count();
            }
        });
    });
    assert_eq!(lines, count * 10);
}

pub(super) fn pop3_server(count: usize, piece: usize, command: &str) {
    use mailwire_pop3::{Reply, server};
    let mut config = server::Config::new(Channel::Tls);
    config.limits.idle_commands = usize::MAX;
    let mut server = server::Connection::new(config);
    drive(&mut server, b"USER alice\r\nPASS secret\r\n", usize::MAX, |server, event| {
        if let server::Event::Login { ticket, .. } = event {
            server.reply(ticket, Reply::ok("")).expect("a reply");
        }
    });
    let wire = command.repeat(count).into_bytes();
    let mut answered = 0;
    counted_region(|| {
        drive(&mut server, &wire, piece, |server, event| match event {
            server::Event::Command { ticket, .. } => {
                server.reply(ticket, Reply::err("no such message")).expect("a reply");
                answered += 1;
            }
            other => panic!("{other:?}"),
        });
    });
    assert_eq!(answered, count);
}

pub(super) fn small_literals(count: usize) -> Vec<u8> {
    (1..=count)
        .flat_map(|n| {
            format!("* {n} FETCH (BODY[HEADER.FIELDS (SUBJECT)] {{15}}\r\nSubject: hello\n)\r\n").into_bytes()
        })
        .collect()
}

pub(super) fn imap_client(wire: &[u8], messages: usize, piece: usize) {
    use mailwire_imap::client::Event;
    let mut client = crate::imap_stream::client();
    let mut seen = 0;
    counted_region(|| {
        drive(&mut client, wire, piece, |_, event| {
            seen += usize::from(matches!(event, Event::Data { .. } | Event::Malformed { .. }));
        });
    });
    assert_eq!(seen, messages);
}

pub(super) fn imap_server(wire: &[u8], commands: usize, piece: usize) {
    use mailwire_imap::{
        command::Command,
        response::{Reply, ReplyKind},
        server::{Config, Connection, Event},
    };
    let status = |kind, text| Reply::new(kind, text).expect("a text");
    let mut config = Config::new(Channel::Tls);
    config.set_greeting(status(ReplyKind::PreAuth, "hello")).expect("a greeting");
    config.limits.idle_commands = usize::MAX;
    config.limits.literals = usize::MAX;
    let mut server = Connection::new(config);
    let (ok, no) = (status(ReplyKind::Ok, "selected"), status(ReplyKind::No, "no such message"));
    let mut answered = 0;
    drive(&mut server, b"a0 SELECT INBOX\r\n", usize::MAX, |server, event| match event {
        Event::Command { ticket, .. } => server.reply(ticket, ok.clone()).expect("an answer"),
        other => panic!("{other:?}"),
    });
    counted_region(|| {
        drive(&mut server, wire, piece, |server, event| match event {
            Event::Command { ticket, command, .. } => {
                assert!(!matches!(command, Command::Other(_)));
                server.reply(ticket, no.clone()).expect("an answer");
                answered += 1;
            }
            Event::Malformed { .. } => answered += 1,
            other => panic!("{other:?}"),
        });
    });
    assert_eq!(answered, commands);
}
