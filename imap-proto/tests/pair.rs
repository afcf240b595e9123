//! A client's and a server's machine face to face, without a network.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use bytes::{Buf, Bytes, BytesMut};
use common::*;
use mailwire_core::{Channel, Connection, Misuse, Next, SaslStep, Secret, Ticket};
use mailwire_imap::{
    Capability, client,
    command::{Append, Command},
    response::{FetchData, MsgAtt, SectionData, Untagged},
    server,
    types::{Data, MailboxName, Section, SeqNumber},
};

/// Two machines and what is on its way between them.
struct Pair {
    client: client::Connection,
    server: server::Connection,
    to_client: BytesMut,
    to_server: BytesMut,
    /// How many bytes move at once.
    step: usize,
}

impl Pair {
    fn new(client: client::Config, server: server::Config) -> Self {
        Self {
            client: client::Connection::new(client),
            server: server::Connection::new(server),
            to_client: BytesMut::new(),
            to_server: BytesMut::new(),
            step: usize::MAX,
        }
    }

    /// A client that is logged in.
    fn logged_in() -> Self {
        let mut server = server_config(Channel::Tls);
        let hello = mailwire_imap::response::Reply::new(mailwire_imap::response::ReplyKind::PreAuth, "ready");
        server.set_greeting(hello.unwrap()).unwrap();
        let mut pair = Self::new(client_config(Channel::Tls), server);
        pair.run(|_, _| {}, |_, _| {});
        pair
    }

    /// Until nothing moves any more. The applications see each event and do what they do.
    fn run(
        &mut self,
        mut on_client: impl FnMut(&mut client::Connection, client::Event),
        mut on_server: impl FnMut(&mut server::Connection, server::Event),
    ) {
        loop {
            let mut moved = false;
            loop {
                match self.client.next_event(&mut self.to_client).unwrap() {
                    Next::Event(event) => on_client(&mut self.client, event),
                    Next::Upgrade(_) if self.upgrade_due() => {
                        self.client.upgraded(mailwire_core::Upgrade::Tls);
                        self.server.upgraded(mailwire_core::Upgrade::Tls);
                    }
                    _ => break,
                }
                moved = true;
            }
            loop {
                match self.server.next_event(&mut self.to_server).unwrap() {
                    Next::Event(event) => on_server(&mut self.server, event),
                    _ => break,
                }
                moved = true;
            }
            moved |= pass(self.client.output(), &mut self.to_server, self.step);
            moved |= pass(self.server.output(), &mut self.to_client, self.step);
            if !moved {
                return;
            }
        }
    }

    fn upgrade_due(&mut self) -> bool {
        matches!(self.server.next_event(&mut self.to_server), Ok(Next::Upgrade(_)))
    }

    /// Runs an application that answers every command with OK.
    fn run_ok(&mut self) -> Vec<client::Event> {
        let mut seen = vec![];
        self.run(
            |_, event| seen.push(event),
            |server, event| {
                if let server::Event::Command { ticket, .. } = event {
                    server.reply(ticket, status("OK done")).unwrap();
                }
            },
        );
        seen
    }
}

fn pass(output: &mut mailwire_core::Output, to: &mut BytesMut, step: usize) -> bool {
    let count = output.chunk().len().min(step);
    to.extend_from_slice(&output.chunk()[..count]);
    output.advance(count);
    count > 0
}

#[test]
fn starttls_login_and_logout() {
    for step in [1, 7, usize::MAX] {
        let mut pair = Pair::new(client_config(Channel::StartTls), server_config(Channel::StartTls));
        pair.step = step;
        let login = pair.client.send(command("LOGIN fred {5+}\r\nbl\"ah")).unwrap();
        let logout = pair.client.send(Command::Logout).unwrap();
        let mut seen = vec![];
        let mut replies = vec![];
        pair.run(
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
    let mut pair = Pair::new(client_config(Channel::Tls), server_config(Channel::Tls));
    pair.client.send(command("AUTHENTICATE PLAIN AAE=")).unwrap();
    let mut steps = 0;
    let mut end = None;
    pair.run(
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
    let mut pair = Pair::new(client_config(Channel::Tls), server_config(Channel::Tls));
    pair.client.send(command("AUTHENTICATE PLAIN")).unwrap();
    let (mut cancelled, mut replies) = (0, 0);
    pair.run(
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
    let ticket = pair
        .client
        .send(Command::Append(Append::streamed(MailboxName::INBOX, length as u64).into()))
        .unwrap();
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
        pair.run(
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
        let mut pair = Pair::logged_in();
        pair.step = step;
        for length in [0, 1, 4096, 4097, 300_000] {
            append(&mut pair, length);
        }
    }
}

#[test]
fn fetched_messages() {
    for (length, step) in [(0, 1), (5, 1), (70_000, 999), (3_000_000, usize::MAX)] {
        let mut pair = Pair::logged_in();
        pair.step = step;
        pair.client.send(command("SELECT INBOX")).unwrap();
        pair.run_ok();
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
            pair.run(
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
    let mut pair = Pair::logged_in();
    pair.client.send(command("SELECT INBOX")).unwrap();
    pair.run_ok();
    let idle = pair.client.send(Command::Idle).unwrap();
    let mut seen = vec![];
    pair.run(
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
    let mut replies = vec![];
    pair.run(
        |_, event| {
            if let client::Event::Reply { ticket, .. } = event {
                replies.push(ticket);
            }
        },
        |server, event| match event {
            server::Event::IdleDone { ticket } | server::Event::Command { ticket, .. } => {
                server.reply(ticket, status("OK done")).unwrap();
            }
            other => panic!("{other:?}"),
        },
    );
    assert_eq!(replies, [idle, noop]);
}

#[test]
fn idle_is_renewed_by_itself() {
    let mut pair = Pair::logged_in();
    let idle = pair.client.send(Command::Idle).unwrap();
    let (mut begun, mut done) = (0, 0);
    let mut events = vec![];
    for _ in 0..3 {
        pair.run(
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
    let mut pair = Pair::logged_in();
    let idle = pair.client.send(Command::Idle).unwrap();
    let answer = |server: &mut server::Connection, event| match event {
        server::Event::Command { ticket, command: Command::Idle, .. } => server.accept_idle(ticket).unwrap(),
        server::Event::IdleDone { ticket } | server::Event::Command { ticket, .. } => {
            server.reply(ticket, status("OK done")).unwrap();
        }
        other => panic!("{other:?}"),
    };
    pair.run(|_, _| (), answer);
    pair.client.renew_idle().unwrap();
    pair.client.done().unwrap();
    let mut replies = vec![];
    pair.run(
        |_, event| match event {
            client::Event::Reply { ticket, .. } => replies.push(ticket),
            other => panic!("{other:?}"),
        },
        answer,
    );
    assert_eq!(replies, [idle]);
}

#[test]
fn idle_ends_for_what_waits_behind_it() {
    let mut pair = Pair::logged_in();
    let noop = pair.client.send(Command::Noop).unwrap();
    let idle = pair.client.send(Command::Idle).unwrap();
    let last = pair.client.send(Command::Noop).unwrap();
    let mut replies = vec![];
    pair.run(
        |_, event| {
            if let client::Event::Reply { ticket, .. } = event {
                replies.push(ticket);
            }
        },
        |server, event| match event {
            server::Event::Command { ticket, command: Command::Idle, .. } => {
                server.accept_idle(ticket).unwrap()
            }
            server::Event::IdleDone { ticket } | server::Event::Command { ticket, .. } => {
                server.reply(ticket, status("OK done")).unwrap();
            }
            other => panic!("{other:?}"),
        },
    );
    assert_eq!(replies, [noop, idle, last]);
}

#[test]
fn a_thousand_pipelined_commands() {
    let mut pair = Pair::logged_in();
    let tickets: Vec<_> = (0..1000).map(|_| pair.client.send(Command::Noop).unwrap()).collect();
    let replies: Vec<_> = pair
        .run_ok()
        .into_iter()
        .filter_map(|event| match event {
            client::Event::Reply { ticket, .. } => Some(ticket),
            _ => None,
        })
        .collect();
    assert_eq!(replies, tickets);
}

#[test]
fn enable_changes_both_sides() {
    let mut pair = Pair::logged_in();
    pair.client.send(command("ENABLE IMAP4rev2 X-NONE")).unwrap();
    pair.client.send(Command::Create(MailboxName::new("Entwürfe").unwrap().into())).unwrap();
    let mut names = vec![];
    let mut enabled = vec![];
    pair.run(
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
