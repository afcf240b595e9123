//! A client and a server machine face to face, in memory.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::HashMap;

use bytes::{Buf, Bytes};
use common::{authenticated, client_config, mailbox, server_config};
use mailwire_core::testing::{Faces, Owners};
use mailwire_smtp::{
    Auth, BodyType, Channel, Command, Connection as _, Mail, Mechanism, Next, Rcpt, Reply, ReplyCode,
    SaslStep, Ticket, client, server,
};
use proptest::prelude::*;

/// The two machines, their caller and their application.
struct Pair {
    faces: Faces<client::Connection, server::Connection>,
    owners: Both,
}

#[derive(Default)]
struct Both {
    // The server's application.
    message: Vec<u8>,
    messages: Vec<Vec<u8>>,
    recipients: Vec<Ticket>,
    refuse: Vec<String>,
    lmtp: bool,
    // The client's caller.
    to_send: Bytes,
    requested: bool,
    replies: HashMap<Ticket, Reply>,
    recipient_replies: Vec<(Ticket, Reply)>,
    ready: usize,
}

impl Pair {
    /// `step`: how many bytes go over at once.
    fn new(channel: Channel, step: usize, lmtp: bool) -> Self {
        let (mut client, mut server) = (client_config(), server_config());
        (client.channel, server.channel) = (channel, channel);
        (client.lmtp, server.lmtp) = (lmtp, lmtp);
        let faces = Faces::new(client::Connection::new(client), server::Connection::new(server), [step]);
        Self { faces, owners: Both { lmtp, ..Both::default() } }
    }

    fn run(&mut self) {
        self.faces.run(&mut self.owners);
    }

    /// Sends a message, and gives the tickets of its recipients and of DATA.
    fn submit(&mut self, recipients: &[&str], message: &Bytes) -> (Vec<Ticket>, Ticket) {
        let mut mail = Mail::new(mailbox("a@client.example"));
        mail.size = Some(message.len() as u64);
        mail.body = Some(BodyType::EightBitMime);
        self.faces.client.send(Command::Mail(mail)).unwrap();
        let recipients = recipients
            .iter()
            .map(|to| self.faces.client.send(Command::Rcpt(Rcpt::new(mailbox(to)))).unwrap())
            .collect();
        let data = self.faces.client.send(Command::Data).unwrap();
        self.owners.to_send = message.clone();
        self.run();
        (recipients, data)
    }
}

impl Owners<client::Connection, server::Connection> for Both {
    fn hear(&mut self, client: &mut client::Connection, event: client::Event) {
        match event {
            client::Event::Capabilities { .. } => self.ready += 1,
            client::Event::Reply { ticket, reply, .. } => {
                assert!(self.replies.insert(ticket, reply).is_none(), "one reply each");
            }
            client::Event::RecipientReply { ticket, reply, .. } => {
                self.recipient_replies.push((ticket, reply));
            }
            client::Event::AuthChallenge { .. } => {
                client.send_auth(SaslStep::Data("secret".into())).unwrap();
            }
            client::Event::BodyRequested { .. } => self.requested = true,
            client::Event::Greeting { .. } => {}
            event => panic!("{event:?}"),
        }
    }

    fn serve(&mut self, server: &mut server::Connection, event: server::Event) {
        use server::Event;
        match event {
            Event::Command { ticket, command: Command::Data, .. } => server.accept_body(ticket).unwrap(),
            Event::Command { ticket, command: Command::StartTls, .. } => {
                server.accept_upgrade(ticket).unwrap();
            }
            Event::Command { command: Command::Auth(_), .. } => {
                server.send_auth(SaslStep::Data("who?".into())).unwrap();
            }
            Event::AuthResponse { ticket, .. } => server.reply(ticket, authenticated()).unwrap(),
            Event::Command { ticket, command: Command::Rcpt(rcpt), .. } => {
                let refused =
                    rcpt.to.mailbox().is_some_and(|to| self.refuse.iter().any(|it| it == to.as_str()));
                let reply = if refused {
                    Reply::new(ReplyCode::MAILBOX_UNAVAILABLE, "5.1.1 Nobody")
                } else {
                    self.recipients.push(ticket);
                    server::default_reply(&Command::Rcpt(rcpt))
                };
                server.reply(ticket, reply).unwrap();
            }
            Event::Command { ticket, command, .. } => {
                server.reply(ticket, server::default_reply(&command)).unwrap();
            }
            Event::BodyChunk(chunk) => self.message.extend_from_slice(&chunk),
            Event::BodyEnd { ticket, length, .. } => {
                assert_eq!(length, self.message.len() as u64);
                self.messages.push(std::mem::take(&mut self.message));
                let recipients = std::mem::take(&mut self.recipients);
                if self.lmtp {
                    // In any order.
                    for recipient in recipients.iter().rev() {
                        let text = format!("2.1.5 Delivered {}", recipient.number());
                        server.reply(*recipient, Reply::new(ReplyCode::OK, &text)).unwrap();
                    }
                } else {
                    server.reply(ticket, Reply::new(ReplyCode::OK, "2.0.0 Queued")).unwrap();
                }
            }
            Event::BodyStart { .. } => {}
            event => panic!("{event:?}"),
        }
    }

    fn send(&mut self, client: &mut client::Connection, _: &mut server::Connection) -> bool {
        if !self.requested || self.to_send.is_empty() || client.output().is_full() {
            return false;
        }
        client.send_body(&mut self.to_send).unwrap();
        if self.to_send.is_empty() {
            client.finish_body().unwrap();
            self.requested = false;
        }
        true
    }
}

#[test]
fn a_message_goes_through_at_any_pace() {
    let message = Bytes::from("Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n\r\nend\r\n".repeat(100));
    for channel in [Channel::Tls, Channel::StartTls, Channel::Clear] {
        for step in [1, 2, 3, 7, 100, usize::MAX] {
            let mut pair = Pair::new(channel, step, false);
            pair.run();
            assert_eq!(pair.owners.ready, 1);
            if channel != Channel::Clear {
                let auth = Auth::new(Mechanism::Plain);
                let ticket = pair.faces.client.send(Command::Auth(auth)).unwrap();
                pair.run();
                assert!(pair.owners.replies[&ticket].is_positive() && pair.faces.server.is_authenticated());
            }
            pair.owners.refuse = vec!["nobody@mx.example".into()];
            let (recipients, data) =
                pair.submit(&["b@mx.example", "nobody@mx.example", "c@mx.example"], &message);
            assert_eq!(
                recipients.iter().map(|it| pair.owners.replies[it].code().get()).collect::<Vec<_>>(),
                [250, 550, 250]
            );
            assert_eq!(pair.owners.replies[&data].to_string(), "250 2.0.0 Queued");
            let (_, data) = pair.submit(&["b@mx.example"], &message);
            assert!(pair.owners.replies[&data].is_positive());
            assert_eq!(pair.owners.messages, [&message[..], &message[..]]);
            pair.faces.client.send(Command::Quit).unwrap();
            pair.run();
            assert_eq!((pair.faces.client_closed, pair.faces.server_closed), (true, true));
        }
    }
}

#[test]
fn lmtp_answers_for_each_recipient() {
    for step in [1, 5, usize::MAX] {
        let mut pair = Pair::new(Channel::Tls, step, true);
        pair.run();
        pair.owners.refuse = vec!["nobody@mx.example".into()];
        let (tickets, _) = pair
            .submit(&["b@mx.example", "nobody@mx.example", "c@mx.example"], &Bytes::from_static(b"x\r\n"));
        let answered: Vec<_> = pair.owners.recipient_replies.iter().map(|it| it.0).collect();
        assert_eq!(answered, [tickets[0], tickets[2]]);
        assert!(
            pair.owners.recipient_replies.iter().all(|it| it
                .1
                .first_line()
                .to_string_lossy()
                .starts_with("Delivered"))
        );
        assert_eq!(pair.faces.client.outcome(), client::Outcome::Accepted);
        assert!(pair.faces.client.is_idle());
    }
}

#[test]
fn a_group_leaves_in_one_write_and_a_body_is_not_copied() {
    let mut pair = Pair::new(Channel::Tls, usize::MAX, false);
    pair.run();
    pair.faces.client.send(Command::Mail(Mail::new(mailbox("a@client.example")))).unwrap();
    pair.faces.client.send(Command::Rcpt(Rcpt::new(mailbox("b@mx.example")))).unwrap();
    pair.faces.client.send(Command::Data).unwrap();
    assert_eq!(pair.faces.client.output().chunk().iter().filter(|byte| **byte == b'\n').count(), 3);
    pair.run();
    let message = Bytes::from(vec![b'x'; 10_000]);
    let mut chunk = message.clone();
    pair.faces.client.send_body(&mut chunk).unwrap();
    assert_eq!(pair.faces.client.output().chunk().as_ptr(), message.as_ptr());
    pair.faces.client.finish_body().unwrap();
    // And what is received is a slice of the input.
    let output = pair.faces.client.output();
    pair.faces.to_server.extend_from_slice(&output.copy_to_bytes(output.remaining()));
    let place = pair.faces.to_server.as_ptr();
    loop {
        match pair.faces.server.next_event(&mut pair.faces.to_server).unwrap() {
            Next::Event(server::Event::BodyChunk(chunk)) => {
                assert_eq!(chunk.as_ptr(), place);
                break;
            }
            Next::Event(server::Event::BodyStart { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_body_goes_through(
        lines in proptest::collection::vec("[.x]{0,3}", 0..40),
        step in 1usize..50,
        piece in 1usize..50,
        end in any::<bool>(),
    ) {
        let mut text = lines.join("\r\n");
        if end && !text.is_empty() {
            text += "\r\n";
        }
        let mut pair = Pair::new(Channel::Tls, step, false);
        pair.run();
        pair.faces.client.send(Command::Mail(Mail::new(mailbox("a@client.example")))).unwrap();
        pair.faces.client.send(Command::Rcpt(Rcpt::new(mailbox("b@mx.example")))).unwrap();
        pair.faces.client.send(Command::Data).unwrap();
        pair.run();
        for chunk in text.as_bytes().chunks(piece) {
            let mut chunk = Bytes::copy_from_slice(chunk);
            while !chunk.is_empty() {
                pair.faces.client.send_body(&mut chunk).unwrap();
                pair.run();
            }
        }
        pair.faces.client.finish_body().unwrap();
        pair.run();
        // A line end that the body lacked is added.
        let expected = if text.is_empty() || text.ends_with("\r\n") { text } else { text + "\r\n" };
        prop_assert_eq!(&pair.owners.messages, &[expected.into_bytes()]);
    }
}
