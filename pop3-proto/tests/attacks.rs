//! The attacks that mail programs have met, as far as they concern POP3's machines: one test for
//! each, named after it. More of the kind is in `starttls.rs`, `injection.rs` and `limits.rs`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::string_slice)]

mod common;

use bytes::{Buf, BytesMut};
use common::{Client, Server, drain, quiet_config, run};
use mailwire_core::{
    Channel, Connection as _, Dialect, Error, Misuse, Next, NotOffered, SaslStep, Secret, Upgrade,
};
use mailwire_pop3::{
    ApopDigest, Command, Expected, Listing, Mechanism, MessageNumber, ParseContext, Password, Reply, State,
    UserName,
    client::{self, Deletions, Event},
    server,
};

fn command(line: &str) -> Command {
    Command::parse(&bytes::Bytes::copy_from_slice(line.as_bytes()), Dialect::Strict).unwrap().value
}

// STARTTLS, STLS, COMPRESS

#[test]
fn bytes_after_stls_in_the_same_segment_are_never_executed() {
    let mut server = Server::new(server::Config::new(Channel::StartTls));
    let injected = server.feed("STLS\r\nUSER mallory\r\nPASS x\r\n");
    assert_eq!(injected, Err(Error::BytesAfterUpgrade { command: "STLS" }));
    assert_eq!(server.feed(""), injected);
}

#[test]
fn bytes_after_the_answer_to_stls_are_never_read_as_replies() {
    let mut config = client::Config::new(Channel::StartTls);
    config.ask_capabilities.after_greeting = false;
    for after in ["+OK\r\n", "-ERR\r\n", "+"] {
        let mut client = Client::new(config.clone());
        client.hear("+OK\r\n");
        let injected = client.feed(&format!("+OK\r\n{after}"));
        assert_eq!(injected, Err(Error::BytesAfterUpgrade { command: "STLS" }));
        let mut client = Client::new(config.clone());
        client.hear("+OK\r\n");
        assert_eq!(client.feed("+OK\r\n").unwrap().1, Next::Upgrade(Upgrade::Tls));
        assert_eq!(client.feed(after), Err(Error::BytesAfterUpgrade { command: "STLS" }));
    }
}

#[test]
fn what_was_learnt_in_clear_is_forgotten() {
    let mut client = Client::new(client::Config::new(Channel::StartTls));
    client.hear("+OK <1@a>\r\n");
    client.hear("+OK\r\nSTLS\r\nPIPELINING\r\nSASL PLAIN\r\n.\r\n");
    assert!(client.connection.capabilities().is_known());
    client.hear("+OK\r\n");
    client.connection.upgraded(Upgrade::Tls);
    assert!(!client.connection.capabilities().is_known());
    assert_eq!(client.connection.timestamp(), None);
    let name = UserName::new("a").unwrap();
    let apop = Command::Apop { name, digest: ApopDigest::new([0; 16]) };
    assert_eq!(
        client.connection.send(apop).unwrap_err().reason,
        Misuse::NotOffered(NotOffered::Extension("APOP"))
    );
}

#[test]
fn an_answer_that_comes_before_stls_was_sent_ends_the_connection() {
    let mut client = Client::new(client::Config::new(Channel::StartTls));
    let result = client.feed("+OK ready\r\n+OK\r\nSTLS\r\n.\r\n+OK begin TLS\r\n");
    assert!(matches!(result, Err(Error::UnsolicitedReply { .. })));
}

#[test]
fn tls_that_is_required_but_not_there_ends_the_connection_before_any_credential() {
    for (texts, is) in [
        (&["+OK\r\n", "+OK\r\nUSER\r\n.\r\n"][..], "not offered"),
        (&["+OK\r\n", "-ERR\r\n", "-ERR\r\n"][..], "refused"),
        (&["* PREAUTH hi\r\n"][..], "no greeting"),
        (&["+OK\r\n", "+OK\r\n.\r\n"][..], "empty list"),
    ] {
        let mut client = Client::new(client::Config::new(Channel::StartTls));
        for line in ["USER mrose", "PASS tanstaaf"] {
            client.connection.send(command(line)).unwrap();
        }
        let mut sent = String::new();
        let mut result = Ok(());
        for text in texts {
            sent += &drain(&mut client.connection);
            client.input.extend_from_slice(text.as_bytes());
            result = run(&mut client.connection, &mut client.input, &mut Vec::new()).map(|_| ());
        }
        sent += &drain(&mut client.connection);
        assert!(
            matches!(result, Err(Error::TlsUnavailable { .. } | Error::InvalidGreeting { .. })),
            "{is}: {result:?}"
        );
        assert!(!sent.contains("mrose") && !sent.contains("tanstaaf"), "{is}");
    }
}

// Smuggling

/// None of these ends a message for a strict reader.
#[test]
fn no_odd_line_end_ends_a_message_for_a_strict_client() {
    for end in ["\n.\n", "\n.\r\n", "\r.\r\n", "\r.\r", "\r\n.\n", "\r\n.\r", "\r\n.\r\r\n", ".\n", ".\r"] {
        let mut config = quiet_config(Channel::Tls);
        config.dialect = Dialect::Strict;
        let mut client = Client::logged_in(config);
        client.connection.send(command("RETR 1")).unwrap();
        let start = if end.starts_with('.') { "" } else { "body" };
        let result = client.feed(&format!("+OK\r\n{start}{end}"));
        if let Ok((events, next)) = result {
            assert!(!events.iter().any(|event| matches!(event, Event::BodyEnd { .. })), "{end:?}");
            assert_eq!(next, Next::NeedInput);
            let refused = client.feed("+OK forged\r\n.\r\n");
            assert!(matches!(refused, Err(Error::Unexpected { .. })), "{end:?}: {refused:?}");
        }
    }
}

/// A message that ends early for a lenient client does not put words into the server's mouth.
#[test]
fn what_follows_a_message_that_ended_early_is_not_an_answer() {
    let mut client = Client::logged_in(quiet_config(Channel::Tls));
    client.connection.send(command("RETR 1")).unwrap();
    let result = client.feed("+OK\r\nbody\n.\n+OK forged\r\n.\r\n");
    assert!(matches!(result, Err(Error::UnsolicitedReply { .. })));
    // Or the caller chooses that only CR LF ends a line.
    let mut config = quiet_config(Channel::Tls);
    config.body_line_ends = Some(mailwire_core::dot::LineEnds::CrLf);
    let mut client = Client::logged_in(config);
    client.connection.send(command("RETR 1")).unwrap();
    let events = client.hear("+OK\r\nbody\n.\n+OK forged\r\n.\r\n");
    assert!(matches!(events.last(), Some(Event::BodyEnd { deviations, .. }) if deviations.len() == 1));
}

// Injection

#[test]
fn cr_lf_and_nul_in_every_string_of_a_caller() {
    for odd in ["\r", "\n", "\0", "\r\nDELE 1"] {
        let text = format!("a{odd}b");
        assert!(UserName::new(text.as_str()).is_err());
        assert!(Password::new(text.as_str()).is_err());
        assert!(mailwire_pop3::LineText::new(text.as_str()).is_err());
        assert!(mailwire_pop3::Keyword::new(text.as_str()).is_err());
        assert!(mailwire_pop3::ReplyText::new(text.as_str()).is_err());
        assert!(mailwire_pop3::UniqueId::new(text.as_str()).is_err());
        assert!(Mechanism::new(text.as_str()).is_err());
    }
}

#[test]
fn text_of_the_peer_is_escaped_when_shown() {
    let line = bytes::Bytes::from_static(b"1 \x9b2J\xc2\x9b");
    let listing =
        Listing::parse(&line, ParseContext::new(Dialect::Lenient).expecting(Expected::UniqueIdListing))
            .unwrap();
    let shown = format!("{listing:?}");
    assert!(shown.chars().all(|c| !c.is_control()), "{shown}");
}

// Exhaustion

#[test]
fn numbers_that_do_not_fit_are_errors() {
    for number in ["4294967296", "18446744073709551616", "99999999999999999999999999", "-1", "+1", "0", "00"]
    {
        for line in ["RETR", "DELE", "LIST", "UIDL"] {
            let line = bytes::Bytes::from(format!("{line} {number}"));
            assert!(Command::parse(&line, Dialect::Lenient).is_err(), "{line:?}");
        }
        let line = bytes::Bytes::from(format!("{number} 1"));
        assert!(
            Listing::parse(&line, ParseContext::new(Dialect::Lenient).expecting(Expected::ScanListing))
                .is_err()
        );
    }
    let line = bytes::Bytes::from_static(b"+OK 1 18446744073709551616");
    assert!(
        Reply::parse(&line, ParseContext::new(Dialect::Lenient).expecting(Expected::DropListing)).is_err()
    );
    assert_eq!(command("RETR 0000000001"), Command::Retr(MessageNumber::FIRST));
}

#[test]
fn a_line_without_an_end() {
    let mut server = Server::new(server::Config::new(Channel::Tls));
    let limit = mailwire_pop3::Limits::server().line;
    assert_eq!(server.feed(&"A".repeat(limit)), Err(Error::LineTooLong { limit }));
    let mut client = Client::new(quiet_config(Channel::Tls));
    assert_eq!(client.feed(&"+".repeat(limit)), Err(Error::LineTooLong { limit }));
}

#[test]
fn a_reply_with_endless_lines_is_bounded_and_not_kept() {
    let mut config = quiet_config(Channel::Tls);
    config.limits.listing_lines = 10_000;
    let mut client = Client::logged_in(config);
    client.connection.send(Command::Uidl(None)).unwrap();
    client.hear("+OK\r\n");
    let mut fed = 0;
    let error = loop {
        match client.feed("1 a\r\n") {
            Ok((events, _)) => assert_eq!((events.len(), client.input.len()), (1, 0)),
            Err(error) => break error,
        }
        fed += 1;
    };
    assert_eq!(fed, 10_000);
    assert!(matches!(error, Error::LimitExceeded { what: "lines of a listing", .. }));

    let mut client = Client::new(client::Config::new(Channel::Tls));
    client.hear("+OK\r\n");
    let endless = format!("+OK\r\n{}", "X-CAP\r\n".repeat(100_000));
    assert!(matches!(client.feed(&endless), Err(Error::LimitExceeded { what: "capabilities", .. })));
}

/// Each byte is looked at a bounded number of times: the machine takes what it can at once, and
/// remembers how far it looked for the rest.
#[test]
fn one_byte_at_a_time_costs_no_more_than_whole() {
    let body = "line\r\n..dot\r\n".repeat(2000);
    let text = format!("+OK\r\n{body}.\r\n");
    let mut client = Client::logged_in(quiet_config(Channel::Tls));
    client.connection.send(command("RETR 1")).unwrap();
    drain(&mut client.connection);
    let (mut calls, mut longest, mut length) = (0, 0, 0);
    for byte in text.bytes() {
        client.input.put_byte(byte);
        loop {
            calls += 1;
            match client.connection.next_event(&mut client.input).unwrap() {
                Next::Event(Event::BodyChunk(chunk)) => length += chunk.len(),
                Next::Event(_) => {}
                _ => break,
            }
        }
        longest = longest.max(client.input.len());
    }
    assert_eq!(length, body.replace("\r\n..", "\r\n.").len());
    assert!(calls <= 2 * text.len() + 10 && longest <= 5, "{calls} calls, {longest} bytes kept");
}

trait PutByte {
    fn put_byte(&mut self, byte: u8);
}

impl PutByte for BytesMut {
    fn put_byte(&mut self, byte: u8) {
        self.extend_from_slice(&[byte]);
    }
}

#[test]
fn a_hundred_thousand_pipelined_commands() {
    // In a server: nothing is queued, and the output stays bounded.
    let mut config = server::Config::new(Channel::Tls);
    config.limits.idle_commands = usize::MAX;
    let mut server = Server::logged_in(config);
    let mut input = BytesMut::from("NOOP\r\n".repeat(100_000).as_str());
    let (mut answers, mut rounds) = (0, 0);
    while !input.is_empty() {
        assert_ne!(run(&mut server.connection, &mut input, &mut Vec::new()), Ok(Next::Closed));
        let waiting = server.connection.output().remaining();
        assert!(waiting <= 64 * 1024 + 16);
        answers += waiting / "+OK\r\n".len();
        rounds += 1;
        drain(&mut server.connection);
    }
    assert_eq!(answers, 100_000);
    assert!(rounds < 20);

    // In a client: the queue is bounded.
    let mut client = Client::logged_in(quiet_config(Channel::Tls));
    let refused = (0..100_000).filter(|_| client.connection.send(Command::Noop).is_err()).count();
    assert!(refused >= 98_000);
}

#[test]
fn commands_that_are_bad_or_do_nothing_are_limited() {
    let flood = |line: &str| {
        let mut server = Server::logged_in(server::Config::new(Channel::Tls));
        let mut input = BytesMut::from(line.repeat(100_000).as_str());
        loop {
            match run(&mut server.connection, &mut input, &mut Vec::new()) {
                Ok(_) => drain(&mut server.connection),
                Err(error) => break error,
            };
        }
    };
    assert!(matches!(flood("NOOP\r\n"), Error::LimitExceeded { .. }));
    assert!(matches!(flood("CAPA\r\n"), Error::LimitExceeded { .. }));
    assert!(matches!(flood("XXXX\r\n"), Error::TooManyBadCommands { .. }));
    assert!(matches!(flood("\r\n"), Error::TooManyBadCommands { .. }));
    assert!(matches!(flood("USER a\r\n"), Error::TooManyBadCommands { .. }));
    assert!(matches!(flood("RETR 0\r\n"), Error::TooManyBadCommands { .. }));
}

#[test]
fn a_slow_reader_does_not_make_the_output_grow() {
    let mut server = Server::logged_in(server::Config::new(Channel::Tls));
    let (ticket, _) = server.command("RETR 1");
    server.connection.reply(ticket, Reply::ok("")).unwrap();
    let mut message = bytes::Bytes::from(vec![b'.'; 10_000_000]);
    while server.connection.send_body(&mut message).unwrap() > 0 {}
    assert!(server.connection.output().remaining() <= 64 * 1024 + 16);
    assert!(!message.is_empty());
    assert!(server.connection.timeout().is_some());
}

/// The conversation that is cut off at every byte.
const HEARD_BY_CLIENT: &str = "+OK <1@a>\r\n+OK\r\n+OK\r\n+OK 2 320\r\n+OK\r\n1 120\r\n.\r\n\
    +OK\r\nHello\r\n..\r\n.\r\n+OK\r\n+OK\r\n";
const HEARD_BY_SERVER: &str = "USER mrose\r\nPASS tanstaaf\r\nSTAT\r\nLIST\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n";

#[test]
fn a_server_that_vanishes_at_any_byte() {
    for end in 0..=HEARD_BY_CLIENT.len() {
        let mut client = Client::new(quiet_config(Channel::Tls));
        let mut left = &HEARD_BY_CLIENT[..end];
        let mut commands = HEARD_BY_SERVER.lines();
        let mut sent_quit = false;
        let mut failed = None;
        // Line by line, as an answer must not come before its command.
        while !left.is_empty() && failed.is_none() {
            let length = left.find('\n').map_or(left.len(), |at| at + 1);
            let (_, next) = client.feed(&left[..length]).unwrap();
            left = &left[length..];
            if next == Next::Paused {
                if let Some(line) = commands.next() {
                    sent_quit |= line == "QUIT";
                    client.connection.send(command(line)).unwrap();
                }
            }
        }
        drain(&mut client.connection);
        client.connection.handle_eof();
        match run(&mut client.connection, &mut client.input, &mut Vec::new()) {
            Ok(Next::Closed) => {}
            Err(error) => failed = Some(error),
            other => panic!("{end}: {other:?}"),
        }
        assert_eq!(failed.is_none(), end == HEARD_BY_CLIENT.len(), "{end}: {failed:?}");
        let deletions = client.connection.deletions();
        if failed.is_none() {
            assert_eq!(deletions, Deletions::Done(1));
        } else if sent_quit {
            assert_eq!(deletions, Deletions::Unknown, "{end}");
        } else {
            assert!(matches!(deletions, Deletions::None | Deletions::Lost(_)), "{end}: {deletions:?}");
        }
    }
}

#[test]
fn a_client_that_vanishes_at_any_byte_has_deleted_nothing() {
    for end in 0..HEARD_BY_SERVER.len() {
        let mut server = Server::new(server::Config::new(Channel::Tls));
        let mut input = BytesMut::from(&HEARD_BY_SERVER[..end]);
        server.connection.handle_eof();
        loop {
            let mut events = Vec::new();
            let next = run(&mut server.connection, &mut input, &mut events);
            for event in events {
                match event {
                    server::Event::Login { ticket, .. } => {
                        server.connection.reply(ticket, Reply::ok("")).unwrap();
                    }
                    server::Event::Command { ticket, command, .. } => {
                        assert_ne!(command, Command::Quit);
                        let reply = match command {
                            Command::Stat => Reply::drop_listing(0, 0),
                            _ => Reply::ok(""),
                        };
                        server.connection.reply(ticket, reply).unwrap();
                        let _ = server.connection.finish_body();
                    }
                    event => panic!("{event:?}"),
                }
            }
            match next {
                Ok(Next::Paused) => drop(drain(&mut server.connection)),
                Ok(Next::Closed) | Err(Error::UnexpectedEof { .. }) => break,
                other => panic!("{end}: {other:?}"),
            }
        }
        assert_ne!(server.connection.state(), State::Update);
    }
}

// Secrets

#[test]
fn no_byte_of_a_secret_is_shown() {
    let secret = "tanstaaf";
    let mut config = server::Config::new(Channel::Tls);
    config.mechanisms = vec![Mechanism::Plain];
    let mut shown = String::new();
    // What a server tells and is, with the line in its right place and out of step.
    for lines in [
        format!("USER mrose\r\nPASS {secret}\r\n"),
        format!("PASS {secret}\r\n"),
        format!("USER mrose\r\nPASSWORD {secret}\r\n"),
        format!("USER mrose\r\nPASS {secret}\0\r\n"),
        format!("USER mrose\r\nPAS {secret}\r\n"),
        format!("AUTH PLAIN {secret}\r\n"),
        format!("AUTH PLAIN {secret}!\r\n"),
        format!("AUTH FOO {secret}\r\n"),
        format!("AUTH FOO\r\n{secret}\r\n"),
    ] {
        let mut server = Server::new(config.clone());
        let (events, _) = server.feed(&lines).unwrap();
        shown += &format!("{events:?} {server:?}\n", server = server.connection);
    }
    // What a client is and says.
    let mut client = Client::new(quiet_config(Channel::Tls));
    client.connection.send(command("USER mrose")).unwrap();
    let pass = client.connection.send(Command::Pass(Password::new(secret).unwrap()));
    shown += &format!("{pass:?} {:?}\n", client.connection);
    client.hear("+OK\r\n");
    client.hear("+OK\r\n");
    shown += &format!("{:?}\n", client.connection);
    let auth = Command::Auth { mechanism: Mechanism::Plain, initial: Some(Secret::from(secret)) };
    shown += &format!("{auth:?} {:?}\n", Password::new(format!("{secret}\n")));
    shown += &format!("{:?}", ApopDigest::new(*b"tanstaaftanstaaf"));
    shown += &format!("{:?}", Client::new(quiet_config(Channel::Clear)).connection.send(auth));
    assert!(!shown.contains(secret), "{shown}");
    assert!(!shown.contains("116, 97, 110"), "{shown}");
    for word in ["dGFuc3RhYWY", "7461"] {
        assert!(!shown.contains(word), "{shown}");
    }
}

#[test]
fn plain_and_login_need_tls_on_both_sides() {
    let mut client = Client::new(client::Config::new(Channel::Clear));
    for mechanism in [Mechanism::Plain, Mechanism::Login] {
        let auth = Command::Auth { mechanism, initial: None };
        assert_eq!(client.connection.send(auth).unwrap_err().reason, Misuse::CredentialsInClear);
    }
    let mut config = server::Config::new(Channel::Clear);
    config.mechanisms = vec![Mechanism::Plain, Mechanism::Login];
    let mut server = Server::new(config.clone());
    assert!(
        !server.connection.capabilities().has_tag("SASL")
            && !server.connection.capabilities().has_tag("USER")
    );
    let events = server.hear("AUTH PLAIN AHQAdA==\r\n");
    assert!(matches!(&events[..], [server::Event::Refused { .. }]));
    // Unless both are told otherwise by name.
    config.allow_clear_credentials = true;
    let mut server = Server::new(config);
    server.command("AUTH PLAIN AHQAdA==");
}

#[test]
fn a_success_before_the_client_has_said_anything_is_none() {
    let mut client = Client::new(quiet_config(Channel::Tls));
    client.hear("+OK\r\n");
    client.connection.send(Command::Auth { mechanism: Mechanism::ScramSha256, initial: None }).unwrap();
    let events = client.hear("+OK logged in\r\n");
    assert!(matches!(&events[..], [Event::AuthChallenge { .. }]));
    assert_eq!(client.connection.state(), State::Authorization);
    client.connection.send_auth(SaslStep::Cancel).unwrap();
    assert_eq!(drain(&mut client.connection), "*\r\n");
}

#[test]
fn every_name_gets_the_same_answer() {
    let answer = |name: &str| {
        let mut server = Server::new(server::Config::new(Channel::Tls));
        drain(&mut server.connection);
        server.hear(&format!("USER {name}\r\n"));
        drain(&mut server.connection)
    };
    assert_eq!(answer("mrose"), answer("nobody"));
}

/// A client cancels where it does not trust the server: neither another challenge nor a success is believed.
#[test]
fn nothing_but_a_refusal_follows_a_cancelled_exchange() {
    for (answer, refused) in [("+ eA==\r\n", false), ("+OK welcome\r\n", false), ("-ERR cancelled\r\n", true)]
    {
        let mut client = Client::new(quiet_config(Channel::Tls));
        client.hear("+OK\r\n");
        client.connection.send(Command::Auth { mechanism: Mechanism::Plain, initial: None }).unwrap();
        client.hear("+ \r\n");
        client.connection.send_auth(SaslStep::Cancel).unwrap();
        let found = client.feed(answer);
        assert_eq!(found.is_ok(), refused, "{answer}");
        assert_eq!(client.connection.state(), State::Authorization);
        if !refused {
            assert!(matches!(found, Err(Error::Unexpected { .. })));
        }
    }
}
