//! PRDR: a reply for each recipient, and one for the message (draft-hall-prdr).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use bytes::{Bytes, BytesMut};
use common::{client_config, drain, feed, mailbox, ready_client_with, server_config, try_feed};
use mailwire_smtp::{
    Capability, Command, Connection as _, Mail, Next, Rcpt, Reply, ReplyCode, Ticket, client,
    server::{self, Event},
};

const OFFER: &str = "250-mx.example\r\n250-PIPELINING\r\n250 PRDR\r\n";

/// A client whose message to `count` recipients is out; `prdr` was asked for or not.
fn sent(prdr: bool, count: usize) -> (client::Connection, Vec<Ticket>, Ticket) {
    let mut client = ready_client_with(client_config(), OFFER);
    client.send(Command::Mail(Mail::new(mailbox("a@b.example")).with_prdr(prdr))).unwrap();
    let rcpt = |_| client.send(Command::Rcpt(Rcpt::new(mailbox("c@d.example")))).unwrap();
    let recipients: Vec<_> = (0..count).map(rcpt).collect();
    let data = client.send(Command::Data).unwrap();
    drain(&mut client);
    feed(&mut client, format!("{}354 go\r\n", "250 ok\r\n".repeat(count + 1)).as_bytes());
    client.send_body(&mut Bytes::from_static(b"x\r\n")).unwrap();
    client.finish_body().unwrap();
    drain(&mut client);
    (client, recipients, data)
}

#[test]
fn each_recipient_has_a_reply() {
    let (mut client, recipients, message) = sent(true, 2);
    let events = feed(&mut client, b"353 look\r\n250 yes\r\n550 no\r\n250 done\r\n");
    let [
        client::Event::RecipientReply { ticket: first, data, last: false, .. },
        client::Event::RecipientReply { ticket: second, reply: refused, last: false, .. },
        client::Event::Reply { ticket, .. },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((&[*first, *second][..], data, ticket), (&recipients[..], &message, &message));
    assert!(!refused.is_positive());
    assert_eq!(client.outcome(), client::Outcome::Accepted);
    assert!(client.is_idle());

    // One for all.
    let (mut client, ..) = sent(true, 2);
    assert_eq!(feed(&mut client, b"250 done\r\n").len(), 1);
    assert!(client.is_idle());
    // Until the last, nobody knows.
    let (mut client, _, message) = sent(true, 2);
    feed(&mut client, b"353 look\r\n250 yes\r\n");
    assert_eq!(
        (client.outcome(), client.outcome_of(message)),
        (client::Outcome::Unknown, client::Outcome::Unknown)
    );
    feed(&mut client, b"250 yes\r\n554 none after all\r\n");
    assert_eq!(client.outcome(), client::Outcome::Refused);
    // Each has one reply, however often more are announced.
    let (mut client, ..) = sent(true, 2);
    assert!(try_feed(&mut client, b"353 look\r\n550 no\r\n550 no\r\n353 look\r\n").is_err());
    // Unasked it means nothing.
    let (mut client, ..) = sent(false, 2);
    assert!(try_feed(&mut client, b"353 look\r\n").is_err());
}

/// What one MAIL asks for is not asked for by the next, even if that is given before the answer.
#[test]
fn it_is_asked_for_of_each_message() {
    for first in [true, false] {
        let (mut client, ..) = sent(first, 1);
        let mail = Mail::new(mailbox("a@b.example")).with_prdr(!first);
        client.send(Command::Mail(mail)).unwrap();
        let answered = try_feed(&mut client, b"353 look\r\n250 yes\r\n250 done\r\n");
        assert_eq!(answered.is_ok(), first);
        if first {
            client.send(Command::Rcpt(Rcpt::new(mailbox("c@d.example")))).unwrap();
            client.send(Command::Data).unwrap();
            drain(&mut client);
            feed(&mut client, b"250 ok\r\n250 ok\r\n354 go\r\n");
            client.finish_body().unwrap();
            drain(&mut client);
            assert!(try_feed(&mut client, b"353 look\r\n").is_err());
        }
    }
}

fn served(prdr: &str, answer: impl Fn(&mut server::Connection, &[Ticket], Ticket)) -> String {
    let config =
        server_config().with_capabilities([Capability::Prdr, Capability::EnhancedStatusCodes]).unwrap();
    let mut server = server::Connection::new(config);
    let mut input = BytesMut::from(&*format!(
        "EHLO x.example\r\nMAIL FROM:<>{prdr}\r\nRCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\nNOOP\r\n"
    ));
    let mut recipients = Vec::new();
    loop {
        match server.next_event(&mut input).unwrap() {
            Next::Event(Event::Command { ticket, command: Command::Data, .. }) => {
                recipients = server.recipients().to_vec();
                assert_eq!(server.answers_each(), !prdr.is_empty());
                drain(&mut server);
                server.accept_body(ticket).unwrap();
            }
            Next::Event(Event::Command { ticket, command, .. }) => {
                server.reply(ticket, server::default_reply(&command)).unwrap();
            }
            Next::Event(Event::BodyEnd { ticket, .. }) => answer(&mut server, &recipients, ticket),
            Next::Event(_) => {}
            _ => return drain(&mut server).split_once("\r\n").unwrap().1.to_owned(),
        }
    }
}

#[test]
fn a_server_says_what_its_application_says() {
    let yes = || Reply::new(ReplyCode::OK, "2.1.5 Yes");
    let no = || Reply::new(ReplyCode::FAILED, "5.7.1 No");
    let each = |server: &mut server::Connection, recipients: &[Ticket], _: Ticket| {
        // In any order.
        server.reply(recipients[1], no()).unwrap();
        server.reply(recipients[0], yes()).unwrap();
    };
    let written = served(" PRDR", each);
    let (first, rest) = written.split_once("\r\n").unwrap();
    assert!(first.starts_with("353 "));
    assert_eq!(rest, "250 2.1.5 Yes\r\n554 5.7.1 No\r\n250 2.0.0 Accepted for some\r\n250 2.0.0 Ok\r\n");
    let written = served(" PRDR", |server, recipients, message| {
        server.reply(recipients[0], no()).unwrap();
        server.reply(message, no()).unwrap();
    });
    assert_eq!(written.matches("554 5.7.1 No\r\n").count(), 3);
    for prdr in [" PRDR", ""] {
        let written = served(prdr, |server, _, message| server.reply(message, yes()).unwrap());
        assert_eq!(written, "250 2.1.5 Yes\r\n250 2.0.0 Ok\r\n");
    }
}
