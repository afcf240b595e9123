//! What all protocols have in common, in both roles: the door, the last words, what does not parse,
//! what is refused, and what goes in clear.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use bytes::BytesMut;
use common::{
    Granting, client_config, drain, feed, mailbox, ready_client, ready_client_with, server_config, try_feed,
};
use mailwire_smtp::{
    Auth, Capability, Channel, Command, Connection as _, Dialect, Error, Mail, Mechanism, Misuse, Next,
    OtherCapability, Rcpt, Reply, ReplyCode, ReversePath, SaslStep, Secret, State, client, server,
};

fn reply(code: u16, text: &str) -> Reply {
    Reply::new(ReplyCode::new(code).unwrap(), text)
}

#[test]
fn a_server_refuses_at_the_door() {
    // 554 leaves QUIT, the others nothing; the output waits in either case.
    let mut server = server::Connection::refuse(server_config(), reply(554, "5.3.2 Not today"));
    // A greeting has no enhanced code.
    assert_eq!(drain(&mut server), "554 Not today\r\n");
    let mut input = BytesMut::from("EHLO client.example\r\n");
    let next = server.next_event(&mut input).unwrap();
    assert!(matches!(next, Next::Event(server::Event::Refused { .. })), "{next:?}");
    assert!(drain(&mut server).starts_with("503 "));
    for code in [421, 521] {
        let mut server = server::Connection::refuse(server_config(), reply(code, "Not today"));
        assert_eq!(try_feed(&mut server, b""), Ok((vec![], Next::Closed)));
        assert_eq!(drain(&mut server), format!("{code} Not today\r\n"));
    }
}

#[test]
fn a_server_says_goodbye_unasked() {
    let mut server = server::Connection::new(server_config());
    drain(&mut server);
    let refused = server.goodbye(reply(250, "bye")).unwrap_err();
    assert!(matches!(refused.reason, Misuse::WrongAnswer(_)));
    server.goodbye(reply(421, "4.3.2 Going down")).unwrap();
    // The conversation is over though the last words still wait.
    assert_eq!(try_feed(&mut server, b""), Ok((vec![], Next::Closed)));
    assert_eq!(server.goodbye(reply(421, "again")).unwrap_err().reason, Misuse::Closed);
    assert_eq!(drain(&mut server), "421 4.3.2 Going down\r\n");
}

#[test]
fn goodbye_takes_the_place_of_an_answer_that_is_due() {
    let mut server = server::Connection::new(server_config());
    drain(&mut server);
    let events = try_feed(&mut server, b"EHLO client.example\r\n").unwrap().0;
    let [server::Event::Command { ticket, .. }] = &events[..] else { panic!("{events:?}") };
    server.goodbye(reply(421, "4.3.2 Going down")).unwrap();
    assert_eq!(server.reply(*ticket, reply(250, "ok")).unwrap_err().reason, Misuse::Closed);
    assert_eq!(drain(&mut server), "421 4.3.2 Going down\r\n");
}

#[test]
fn a_client_is_closed_while_its_quit_waits() {
    // Refused with 554, the client says QUIT and waits for nothing.
    let mut client = client::Connection::new(client_config());
    let (events, next) = try_feed(&mut client, b"554 5.3.2 Not today\r\n").unwrap();
    assert!(matches!(&events[..], [client::Event::Greeting { .. }]));
    assert_eq!(next, Next::Closed);
    assert_eq!(drain(&mut client), "QUIT\r\n");
}

#[test]
fn what_a_server_refuses_by_itself_is_told_with_the_reply() {
    let mut server = Granting::new(server_config());
    server.say("EHLO client.example\r\n");
    server.events.clear();
    let said = server.say("RCPT TO:<b@mx.example>\r\n");
    let [server::Event::Refused { command, reply, .. }] = &server.events[..] else {
        panic!("{:?}", server.events)
    };
    assert_eq!(*command, Command::Rcpt(Rcpt::new(mailbox("b@mx.example"))));
    assert!(said.starts_with(&reply.code().to_string()));
    // No secret is in what is told.
    server.events.clear();
    server.say("AUTH X-UNKNOWN dGFuc3RhYWY=\r\n");
    assert!(matches!(&server.events[..], [server::Event::Refused { .. }]));
    assert!(!format!("{:?}", server.events).contains("tanstaaf"));
}

#[test]
fn what_does_not_parse_names_the_command_that_it_ends() {
    // Noise is about no command.
    let mut client = ready_client(client_config());
    let ticket = client.send(Command::Rset).unwrap();
    drain(&mut client);
    let events = feed(&mut client, b"disk is full\r\n");
    assert!(matches!(&events[..], [client::Event::Malformed { ticket: None, .. }]), "{events:?}");
    // What has the form of a reply answers the command, and nobody knows how.
    let mut input = BytesMut::from("250-a\r\n251 b\r\n");
    let mut config = client_config();
    config.dialect = Dialect::Strict;
    let mut strict = ready_client(config);
    let first = strict.send(Command::Rset).unwrap();
    drain(&mut strict);
    let next = strict.next_event(&mut input).unwrap();
    assert!(
        matches!(next, Next::Event(client::Event::Malformed { ticket: Some(it), .. }) if it == first),
        "{next:?}"
    );
    assert!(matches!(strict.next_event(&mut input), Err(Error::Unexpected { .. })));
    assert!(
        matches!(&feed(&mut client, b"250 ok\r\n")[..], [client::Event::Reply { ticket: it, .. }] if *it == ticket)
    );

    // A server's exchange.
    let mut server = Granting::new(server_config());
    server.say("EHLO client.example\r\nAUTH LOGIN\r\n");
    let Some(server::Event::Command { ticket, .. }) = server.events.last().cloned() else { panic!() };
    assert!(server.say("!\r\n").starts_with("501 "));
    assert!(
        matches!(server.events.last(), Some(server::Event::Malformed { ticket: Some(it), .. }) if *it == ticket)
    );
    assert!(server.say("DATA x\r\n").starts_with("501 "));
    assert!(matches!(server.events.last(), Some(server::Event::Malformed { ticket: None, .. })));
}

#[test]
fn noise_has_a_limit() {
    let mut config = client_config();
    config.limits.noise = 3;
    let mut client = ready_client(config);
    client.send(Command::Rset).unwrap();
    drain(&mut client);
    assert_eq!(feed(&mut client, b"one\r\ntwo\r\nthree\r\n").len(), 3);
    assert!(matches!(try_feed(&mut client, b"four\r\n"), Err(Error::LimitExceeded { limit: 3, .. })));
}

#[test]
fn in_clear_goes_what_shows_no_secret() {
    let auth = |mechanism: &Mechanism| Command::Auth(Auth::new(mechanism.clone()));
    let mut config = client_config();
    config.channel = Channel::Clear;
    let ehlo = "250-mx.example\r\n250 AUTH PLAIN SCRAM-SHA-256 X-OWN CRAM-MD5\r\n";
    let own = Mechanism::new("X-OWN").unwrap();
    let mut client = ready_client_with(config.clone(), ehlo);
    for mechanism in [&Mechanism::Plain, &own] {
        assert_eq!(client.send(auth(mechanism)).unwrap_err().reason, Misuse::CredentialsInClear);
    }
    client.send(auth(&Mechanism::ScramSha256)).unwrap();
    assert_eq!(drain(&mut client), "AUTH SCRAM-SHA-256\r\n");
    config.allow_clear_credentials = true;
    ready_client_with(config, ehlo).send(auth(&Mechanism::Plain)).unwrap();

    for channel in [Channel::Clear, Channel::StartTls] {
        let mut config = server_config();
        config.channel = channel;
        config.mechanisms = vec![Mechanism::Plain, Mechanism::ScramSha256, own.clone(), Mechanism::CramMd5];
        let mut server = Granting::new(config);
        let said = server.say("EHLO client.example\r\n");
        assert!(said.contains(" AUTH SCRAM-SHA-256 CRAM-MD5\r\n"), "{said}");
        assert!(server.say("AUTH X-OWN\r\n").starts_with(['5']));
        assert!(server.say("AUTH PLAIN AGEAYg==\r\n").starts_with(['5']));
        assert!(server.say("AUTH SCRAM-SHA-256\r\n").starts_with("334 "));
        assert!(server.say("eA==\r\n").starts_with("235 "));
        assert!(server.machine.is_authenticated());
    }
}

#[test]
fn an_exchange_has_an_end() {
    let mut config = server_config();
    config.limits.auth_steps = 3;
    let mut server = server::Connection::new(config);
    drain(&mut server);
    let events = feed_granting(&mut server, b"EHLO client.example\r\n");
    assert!(matches!(&events[..], [server::Event::Command { .. }]));
    feed_granting(&mut server, b"AUTH LOGIN\r\n");
    for _ in 0..3 {
        assert!(matches!(&feed_granting(&mut server, b"eA==\r\n")[..], [server::Event::AuthResponse { .. }]));
    }
    drain(&mut server);
    assert!(matches!(try_feed(&mut server, b"eA==\r\n"), Err(Error::LimitExceeded { limit: 3, .. })));
    assert!(drain(&mut server).starts_with("421 "));

    let mut config = client_config();
    config.limits.auth_steps = 3;
    let mut client = ready_client(config);
    client.send(Command::Auth(Auth::new(Mechanism::Login))).unwrap();
    drain(&mut client);
    for _ in 0..3 {
        feed_challenge(&mut client);
    }
    assert!(matches!(try_feed(&mut client, b"334 eA==\r\n"), Err(Error::LimitExceeded { limit: 3, .. })));
}

/// Feeds a server whose application answers EHLO and has challenges without end.
fn feed_granting(server: &mut server::Connection, bytes: &[u8]) -> Vec<server::Event> {
    let events = try_feed(server, bytes).unwrap().0;
    for event in &events {
        match event {
            server::Event::Command { ticket, command: command @ Command::Ehlo(_), .. } => {
                server.reply(*ticket, server::default_reply(command)).unwrap();
            }
            _ => server.send_auth(SaslStep::Data(Secret::from("more"))).unwrap(),
        }
    }
    events
}

fn feed_challenge(client: &mut client::Connection) {
    let (events, next) = try_feed(client, b"334 eA==\r\n").unwrap();
    assert!(matches!(&events[..], [client::Event::AuthChallenge { .. }]));
    assert_eq!(next, Next::Paused);
    client.send_auth(SaslStep::Data(Secret::from("x"))).unwrap();
    drain(client);
}

#[test]
fn states() {
    let mut server = Granting::new(server_config());
    assert_eq!(server.machine.state(), State::Connected);
    let mut client = ready_client(client_config());
    assert_eq!(client.state(), State::Ready);
    client.send(Command::Mail(Mail::new(ReversePath::Null))).unwrap();
    client.send(Command::Rcpt(Rcpt::new(mailbox("b@mx.example")))).unwrap();
    client.send(Command::Data).unwrap();
    drain(&mut client);
    for (said, answer, state) in [
        ("EHLO client.example\r\n", "", State::Ready),
        ("MAIL FROM:<>\r\n", "250 ok\r\n", State::Sender),
        ("RCPT TO:<b@mx.example>\r\n", "250 ok\r\n", State::Recipients),
        ("DATA\r\n", "354 go\r\n", State::Message),
    ] {
        let recipients = usize::from(matches!(state, State::Message));
        assert_eq!(server.machine.recipients().len(), recipients, "{said}");
        server.say(said);
        let _ = try_feed(&mut client, answer.as_bytes()).unwrap();
        assert_eq!((server.machine.state(), client.state()), (state, state), "{said}");
    }
    server.say(".\r\n");
    client.finish_body().unwrap();
    drain(&mut client);
    assert_eq!(client.state(), State::Message);
    feed(&mut client, b"250 ok\r\n");
    assert_eq!((server.machine.state(), client.state()), (State::Ready, State::Ready));
    // A refusal changes nothing.
    server.say("MAIL FROM:<> X-WHAT\r\n");
    assert_eq!(server.machine.state(), State::Ready);
}

#[test]
fn what_is_offered_is_known_when_the_server_has_said_it() {
    let mut client = client::Connection::new(client_config());
    assert!(!client.capabilities().is_known() && client.capabilities().is_empty());
    feed(&mut client, b"220 mx.example\r\n");
    drain(&mut client);
    assert!(!client.capabilities().is_known());
    feed(&mut client, b"500 what?\r\n");
    assert_eq!(drain(&mut client), "HELO client.example\r\n");
    feed(&mut client, b"250 mx.example\r\n");
    assert!(client.capabilities().is_known() && client.capabilities().is_empty());
    let server = server::Connection::new(server_config());
    assert!(server.capabilities().is_known() && server.capabilities().len() > 3);
}

#[test]
fn commands_that_change_what_follows_are_not_sent_raw() {
    let mut client = ready_client(client_config());
    for verb in ["X-EXPS", "turn", "SOML"] {
        let command = Command::Other { verb: verb.parse().unwrap(), argument: None };
        assert!(matches!(client.send(command).unwrap_err().reason, Misuse::WrongState(_)));
    }
    client.send(Command::Other { verb: "XPING".parse().unwrap(), argument: None }).unwrap();
}

/// What the machine does not follow is not sent raw, and not handed on by a server that passes unknown commands.
#[test]
fn commands_that_change_what_follows_are_not_handed_on() {
    let mut server = Granting::new(server_config().with_pass_unknown_commands(true));
    server.say("EHLO client.example\r\n");
    for verb in ["turn", "SEND FROM:<a@b>", "X-EXPS GSSAPI"] {
        assert_eq!(server.say(format!("{verb}\r\n")), "502 5.5.1 Command not implemented\r\n", "{verb}");
    }
    let handed_on = |event: &server::Event| {
        matches!(event, server::Event::Command { command: Command::Other { .. }, .. })
    };
    assert!(!server.events.iter().any(handed_on));
    server.say("XPING example.org\r\n");
    assert!(server.events.iter().any(handed_on));
}

#[test]
fn a_server_is_not_configured_for_what_it_cannot_keep() {
    let other = |keyword: &str| Capability::Other(OtherCapability::new(keyword.parse().unwrap()).unwrap());
    let mut config = server_config();
    for keyword in ["X-EXPS", "XVERP"] {
        let before = config.capabilities().clone();
        let refused = config.set_capabilities([Capability::Pipelining, other(keyword)]).unwrap_err();
        assert!(!refused.reason.is_empty() && *config.capabilities() == before, "{keyword}");
    }
    for own in [Capability::StartTls, Capability::Auth(Vec::new()), Capability::BinaryMime] {
        assert!(config.set_capabilities([own]).is_err());
    }
    config.pass_unknown_parameters = true;
    config.set_capabilities([other("XVERP"), Capability::Dsn, other("X-OURS")]).unwrap();
    let config = config.with_capabilities([other("X-OURS"), Capability::Size(Some(u64::MAX))]).unwrap();
    let limit = config.limits.message;
    let server = server::Connection::new(config);
    assert_eq!(server.capabilities().size_limit(), Some(limit), "no more than is taken");
    // A keyword that is known says what it says.
    assert!(OtherCapability::new("STARTTLS".parse().unwrap()).is_err());
}
