//! A client's and a server's machine face to face, without a network.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use bytes::{Bytes, BytesMut};
use common::*;
use mailwire_core::{Channel, Connection as _, Misuse, Next, SaslStep, Secret, Ticket, testing::Faces};
use mailwire_imap::{
    Capability, client,
    command::{Append, Command},
    response::{FetchData, MsgAtt, SectionData, Untagged},
    server,
    types::{Data, MailboxName, Section, SeqNumber},
};

type Pair = Faces<client::Connection, server::Connection>;

fn pair(channel: Channel, step: usize) -> Pair {
    let server = server::Connection::new(server_config(channel));
    Faces::new(client(channel), server, [step])
}

/// A client that is logged in.
fn logged_in(step: usize) -> Pair {
    let mut pair = Faces::new(client(Channel::Tls), preauth(server_config(Channel::Tls)), [step]);
    run(&mut pair, |_, _| {}, |_, _| {});
    pair
}

/// An application that answers every command with OK, and begins to idle.
fn say_ok(server: &mut server::Connection, event: server::Event) {
    match event {
        server::Event::Command { ticket, command: Command::Idle, .. } => server.accept_idle(ticket).unwrap(),
        server::Event::IdleDone { ticket } | server::Event::Command { ticket, .. } => {
            server.reply(ticket, status("OK done")).unwrap();
        }
        other => panic!("{other:?}"),
    }
}

/// Runs an application that answers every command with OK, and gives the tickets of the replies.
fn run_ok(pair: &mut Pair) -> Vec<Ticket> {
    let mut replies = vec![];
    run(
        pair,
        |_, event| {
            if let client::Event::Reply { ticket, .. } = event {
                replies.push(ticket);
            }
        },
        say_ok,
    );
    replies
}

/// Until nothing moves any more. The applications see each event and do what they do.
fn run(
    pair: &mut Pair,
    on_client: impl FnMut(&mut client::Connection, client::Event),
    on_server: impl FnMut(&mut server::Connection, server::Event),
) {
    pair.run(&mut (on_client, on_server));
}

#[test]
fn starttls_login_and_logout() {
    for step in [1, 7, usize::MAX] {
        let mut pair = pair(Channel::StartTls, step);
        let login = pair.client.send(command("LOGIN fred {5+}\r\nbl\"ah")).unwrap();
        let logout = pair.client.send(Command::Logout).unwrap();
        let mut seen = vec![];
        let mut replies = vec![];
        run(
            &mut pair,
            |_, event| {
                if let client::Event::Reply { ticket, reply, .. } = event {
                    assert!(reply.is_ok());
                    replies.push(ticket);
                }
            },
            |server, event| {
                let server::Event::Command { ticket, command, .. } = event else { panic!("{event:?}") };
                seen.push(command.name().to_owned());
                match &command {
                    Command::StartTls => return server.accept_upgrade(ticket).unwrap(),
                    Command::Login(login) => {
                        assert!(server.is_tls());
                        assert_eq!(login.password().expose(), b"bl\"ah");
                    }
                    _ => {}
                }
                server.reply(ticket, status("OK done")).unwrap();
            },
        );
        assert_eq!(seen, ["STARTTLS", "LOGIN", "LOGOUT"]);
        assert_eq!(replies, [login, logout]);
        assert_eq!(pair.client.next_event(&mut BytesMut::new()), Ok(Next::Closed));
        assert_eq!(pair.server.next_event(&mut BytesMut::new()), Ok(Next::Closed));
    }
}

#[test]
fn an_exchange_of_several_steps() {
    let mut pair = pair(Channel::Tls, 0);
    pair.client.send(command("AUTHENTICATE PLAIN AAE=")).unwrap();
    let mut steps = 0;
    let mut end = None;
    run(
        &mut pair,
        |client, event| match event {
            client::Event::AuthChallenge { data, .. } => {
                let answer = [data.expose(), b"!"].concat();
                client.send_auth(SaslStep::Data(Secret::from(answer))).unwrap();
            }
            client::Event::Reply { reply, .. } => end = Some(reply),
            _ => {}
        },
        |server, event| match event {
            server::Event::Command { command: Command::Authenticate(authenticate), .. } => {
                assert_eq!(authenticate.initial.unwrap().expose(), b"\0\x01");
                server.send_auth(SaslStep::Data(Secret::from("0"))).unwrap();
            }
            server::Event::AuthResponse { ticket, step: SaslStep::Data(data) } => {
                steps += 1;
                assert!(data.expose().ends_with(b"!"));
                if steps == 3 {
                    server.reply(ticket, status("OK welcome")).unwrap();
                } else {
                    server.send_auth(SaslStep::Data(data)).unwrap();
                }
            }
            other => panic!("{other:?}"),
        },
    );
    assert_eq!(steps, 3);
    assert!(end.unwrap().is_ok());
    assert_eq!(pair.client.state(), client::State::Authenticated);
    assert_eq!(pair.server.state(), server::State::Authenticated);
    assert!(!pair.client.capabilities().iter().any(|one| matches!(one, Capability::Auth(_))));
}

#[test]
fn cancelled_and_invalid_exchanges() {
    let mut pair = pair(Channel::Tls, 0);
    pair.client.send(command("AUTHENTICATE PLAIN")).unwrap();
    let (mut cancelled, mut replies) = (0, 0);
    run(
        &mut pair,
        |client, event| match event {
            client::Event::AuthChallenge { .. } => client.send_auth(SaslStep::Cancel).unwrap(),
            client::Event::Reply { reply, .. } => {
                assert!(!reply.is_ok());
                replies += 1;
            }
            _ => {}
        },
        |server, event| match event {
            server::Event::Command { .. } => server.send_auth(SaslStep::Data(Secret::default())).unwrap(),
            server::Event::AuthResponse { ticket, step } => {
                assert_eq!(step, SaslStep::Cancel);
                assert_eq!(server.reply(ticket, status("OK x")).unwrap_err().reason, Misuse::UnknownTicket);
                cancelled += 1;
            }
            other => panic!("{other:?}"),
        },
    );
    assert_eq!((cancelled, replies), (1, 1));
}

/// Gives a message of `length` bytes in chunks, each checked to be the one that arrives.
fn append(pair: &mut Pair, length: usize) {
    let message = Bytes::from(vec![b'm'; length]);
    let ticket =
        pair.client.send(Command::Append(Append::streamed(MailboxName::INBOX, length as u64))).unwrap();
    let mut left = message.clone();
    let mut got = Vec::new();
    let mut replied = false;
    let mut requested = false;
    while !replied {
        if requested {
            pair.client.send_body(&mut left).unwrap();
            if left.is_empty() {
                pair.client.finish_body().unwrap();
                requested = false;
            }
        }
        run(
            pair,
            |_, event| match event {
                client::Event::BodyRequested { ticket: asked } => {
                    assert_eq!(asked, ticket);
                    requested = true;
                }
                client::Event::Reply { ticket: done, reply, .. } => {
                    assert_eq!(done, ticket);
                    assert!(reply.is_ok());
                    replied = true;
                }
                _ => {}
            },
            |server, event| match event {
                server::Event::Command { ticket, .. } => server.accept_body(ticket).unwrap(),
                server::Event::BodyStart { length: announced, .. } => assert_eq!(announced, length as u64),
                server::Event::BodyChunk(chunk) => got.extend_from_slice(&chunk),
                server::Event::BodyEnd { ticket } => server.reply(ticket, status("OK done")).unwrap(),
                other => panic!("{other:?}"),
            },
        );
    }
    assert_eq!(got, message);
}

#[test]
fn appended_messages() {
    for step in [1000, usize::MAX] {
        let mut pair = logged_in(step);
        for length in [0, 1, 4096, 4097, 300_000] {
            append(&mut pair, length);
        }
    }
}

#[test]
fn fetched_messages() {
    for (length, step) in [(0, 1), (5, 1), (70_000, 999), (3_000_000, usize::MAX)] {
        let mut pair = logged_in(step);
        pair.client.send(command("SELECT INBOX")).unwrap();
        run_ok(&mut pair);
        pair.client.send(command("FETCH 1 (FLAGS BODY.PEEK[] UID)")).unwrap();
        let message = Bytes::from(vec![b'm'; length]);
        let mut left = vec![message.clone(), message.clone()];
        let (mut got, mut fetched, mut starts, mut replied) = (Vec::new(), None, 0, false);
        let mut asked: Option<Ticket> = None;
        while !replied {
            if let Some(ticket) = asked {
                if let Some(chunk) = left.last_mut() {
                    pair.server.send_body(chunk).unwrap();
                    if chunk.is_empty() {
                        pair.server.finish_body().unwrap();
                        left.pop();
                    }
                } else {
                    pair.server.reply(ticket, status("OK done")).unwrap();
                    asked = None;
                }
            }
            run(
                &mut pair,
                |_, event| match event {
                    client::Event::BodyStart(start) => {
                        starts += 1;
                        assert_eq!((start.number, start.length), (SeqNumber::new(1), length as u64));
                        assert_eq!(start.uid.is_some(), starts == 2);
                    }
                    client::Event::BodyChunk(chunk) => got.extend_from_slice(&chunk),
                    client::Event::Data { data, .. } => fetched = Some(data),
                    client::Event::Reply { .. } => replied = true,
                    _ => {}
                },
                |server, event| {
                    let server::Event::Command { ticket, .. } = event else { panic!("{event:?}") };
                    let part = |section: Section| {
                        let data = Data::Streamed { length: length as u64 };
                        MsgAtt::Section(Box::new(SectionData::new(section, data)))
                    };
                    let items =
                        vec![part(Section::WHOLE), MsgAtt::Uid(7.try_into().unwrap()), part(Section::TEXT)];
                    server.notify(Untagged::Fetch(FetchData::new(SeqNumber::MIN, items))).unwrap();
                    assert!(server.notify(Untagged::Exists(3)).is_err(), "the literal comes first");
                    asked = Some(ticket);
                },
            );
        }
        let Some(Untagged::Fetch(fetch)) = fetched else { panic!() };
        assert_eq!(fetch.items.len(), 3);
        if length > 64 << 10 {
            assert_eq!(starts, 2);
            assert_eq!(got.len(), 2 * length);
            let MsgAtt::Section(part) = &fetch.items[0] else { panic!() };
            assert_eq!(part.data, Data::Streamed { length: length as u64 });
        } else {
            assert_eq!(starts, 0);
        }
    }
}

#[test]
fn idle_with_news() {
    let mut pair = logged_in(0);
    pair.client.send(command("SELECT INBOX")).unwrap();
    run_ok(&mut pair);
    let idle = pair.client.send(Command::Idle).unwrap();
    let mut seen = vec![];
    run(
        &mut pair,
        |_, event| seen.push(event),
        |server, event| {
            let server::Event::Command { ticket, .. } = event else { panic!("{event:?}") };
            server.accept_idle(ticket).unwrap();
            server.notify(Untagged::Exists(8)).unwrap();
            server.notify(Untagged::Expunge(SeqNumber::new(3))).unwrap();
        },
    );
    assert!(matches!(seen[0], client::Event::Idling { ticket } if ticket == idle));
    assert_eq!(seen.len(), 3);
    // Another command ends it.
    let noop = pair.client.send(Command::Noop).unwrap();
    assert_eq!(run_ok(&mut pair), [idle, noop]);
}

#[test]
fn idle_is_renewed_by_itself() {
    let mut pair = logged_in(0);
    let idle = pair.client.send(Command::Idle).unwrap();
    let (mut begun, mut done) = (0, 0);
    let mut events = vec![];
    for _ in 0..3 {
        run(
            &mut pair,
            |_, event| events.push(event),
            |server, event| match event {
                server::Event::Command { ticket, command: Command::Idle, .. } => {
                    begun += 1;
                    server.accept_idle(ticket).unwrap();
                }
                server::Event::IdleDone { ticket } => {
                    done += 1;
                    server.reply(ticket, status("OK done")).unwrap();
                }
                other => panic!("{other:?}"),
            },
        );
        assert!(pair.client.timeout().is_some());
        pair.client.handle_timeout();
    }
    assert_eq!((begun, done), (3, 2));
    assert!(events.iter().all(|event| matches!(event, client::Event::Idling { ticket } if *ticket == idle)));
}

#[test]
fn idle_that_is_being_renewed_can_be_ended() {
    let mut pair = logged_in(0);
    let idle = pair.client.send(Command::Idle).unwrap();
    run(&mut pair, |_, _| (), say_ok);
    pair.client.renew_idle().unwrap();
    pair.client.done().unwrap();
    let mut replies = vec![];
    run(
        &mut pair,
        |_, event| match event {
            client::Event::Reply { ticket, .. } => replies.push(ticket),
            other => panic!("{other:?}"),
        },
        say_ok,
    );
    assert_eq!(replies, [idle]);
}

#[test]
fn idle_ends_for_what_waits_after_it() {
    let mut pair = logged_in(0);
    let noop = pair.client.send(Command::Noop).unwrap();
    let idle = pair.client.send(Command::Idle).unwrap();
    let last = pair.client.send(Command::Noop).unwrap();
    assert_eq!(run_ok(&mut pair), [noop, idle, last]);
}

#[test]
fn a_thousand_pipelined_commands() {
    let mut pair = logged_in(0);
    let tickets: Vec<_> = (0..1000).map(|_| pair.client.send(Command::Noop).unwrap()).collect();
    assert_eq!(run_ok(&mut pair), tickets);
}

#[test]
fn enable_changes_both_sides() {
    let mut pair = logged_in(0);
    pair.client.send(command("ENABLE IMAP4rev2 X-NONE")).unwrap();
    pair.client.send(Command::Create(MailboxName::new("Entwürfe").unwrap().into())).unwrap();
    let mut names = vec![];
    let mut enabled = vec![];
    run(
        &mut pair,
        |_, event| {
            if let client::Event::Data { data: Untagged::Enabled(list), .. } = event {
                enabled.extend(list);
            }
        },
        |server, event| match event {
            server::Event::Enabled(list) => assert_eq!(list, [Capability::Imap4Rev2]),
            server::Event::Command { ticket, command: Command::Create(name), .. } => {
                names.push(name);
                server.reply(ticket, status("OK done")).unwrap();
            }
            other => panic!("{other:?}"),
        },
    );
    assert_eq!(enabled, [Capability::Imap4Rev2]);
    assert!(pair.server.is_rev2());
    assert_eq!(names[0].mailbox.as_bytes(), "Entwürfe".as_bytes());
}
