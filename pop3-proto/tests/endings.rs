//! How a session ends: at the door, by QUIT, by a goodbye that nobody asked for; and what comes
//! between replies.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{Client, Server, drain, quiet_config};
use mailwire_core::{Channel, Connection as _, Error, Misuse, Next, SaslStep};
use mailwire_pop3::{
    Command, Keyword, Mechanism, Reply, ResponseCode, State,
    client::{Deletions, Event},
    server,
};

fn goodbye() -> Reply {
    Reply::err_with(ResponseCode::SYS_TEMP, "the server shuts down")
}

#[test]
fn a_server_refuses_at_the_door() {
    let refusal = Reply::err_with(ResponseCode::SYS_TEMP, "too many connections");
    let connection = server::Connection::refuse(server::Config::new(Channel::Tls), refusal.clone());
    let mut server = Server { connection, input: bytes::BytesMut::from("CAPA\r\n") };
    assert_eq!(server.feed(""), Ok((vec![], Next::Closed)), "while the greeting waits");
    assert_eq!(drain(&mut server.connection), "-ERR [SYS/TEMP] too many connections\r\n");
    assert_eq!(server.feed("QUIT\r\n"), Ok((vec![], Next::Closed)));
    assert_eq!(server.connection.goodbye(refusal).unwrap_err().reason, Misuse::Closed);

    let mut client = Client::new(quiet_config(Channel::Tls));
    let (events, next) = client.feed("-ERR [SYS/TEMP] too many connections\r\n").unwrap();
    assert!(matches!(&events[..], [Event::Greeting { greeting, .. }] if !greeting.ok));
    assert_eq!(next, Next::Closed);
    assert_eq!(client.connection.send(Command::Capa).unwrap_err().reason, Misuse::Closed);
}

#[test]
fn a_goodbye_ends_the_session_between_two_commands() {
    let mut server = Server::logged_in(server::Config::new(Channel::Tls));
    server.connection.goodbye(goodbye()).unwrap();
    assert_eq!(server.feed("DELE 1\r\nQUIT\r\n"), Ok((vec![], Next::Closed)), "while it waits");
    assert_eq!(drain(&mut server.connection), "-ERR [SYS/TEMP] the server shuts down\r\n");
    assert_eq!(server.connection.state(), State::Transaction, "nothing is deleted");
    let again = server.connection.goodbye(goodbye()).unwrap_err();
    assert_eq!((again.reason, again.message), (Misuse::Closed, goodbye()));
}

#[test]
fn a_goodbye_answers_what_waits_for_an_answer() {
    let mut config = server::Config::new(Channel::Tls);
    config.mechanisms = vec![Mechanism::Plain];
    let mut server = Server::new(config);
    let (ticket, _) = server.command("AUTH PLAIN");
    server.connection.send_auth(SaslStep::Data("".into())).unwrap();
    drain(&mut server.connection);
    server.connection.goodbye(Reply::err("too slow")).unwrap();
    assert_eq!(drain(&mut server.connection), "-ERR too slow\r\n");
    assert_eq!(server.connection.reply(ticket, Reply::ok("")).unwrap_err().reason, Misuse::Closed);
    assert_eq!(server.feed("").unwrap().1, Next::Closed);
}

#[test]
fn a_goodbye_does_not_stand_within_an_answer() {
    let mut server = Server::logged_in(server::Config::new(Channel::Tls));
    for (line, reply) in [("RETR 1", Reply::ok("")), ("LIST", Reply::ok(""))] {
        let (ticket, _) = server.command(line);
        server.connection.reply(ticket, reply).unwrap();
        let refused = server.connection.goodbye(goodbye()).unwrap_err();
        assert!(matches!(refused.reason, Misuse::WrongState(_)), "{line}");
        server.connection.finish_body().unwrap();
    }
    // Nor before TLS, where anybody could have said it.
    let mut upgrading = Server::new(server::Config::new(Channel::StartTls));
    let (ticket, _) = upgrading.command("STLS");
    upgrading.connection.accept_upgrade(ticket).unwrap();
    assert!(matches!(upgrading.connection.goodbye(goodbye()).unwrap_err().reason, Misuse::WrongState(_)));
    // And it is an error, in one line.
    for wrong in [Reply::ok("bye"), Reply::err_with(ResponseCode::new("X".repeat(600)).unwrap(), "")] {
        assert!(matches!(server.connection.goodbye(wrong).unwrap_err().reason, Misuse::WrongAnswer(_)));
    }
    server.connection.goodbye(goodbye()).unwrap();
}

#[test]
fn a_client_that_is_told_goodbye_has_deleted_nothing() {
    let mut client = Client::logged_in(quiet_config(Channel::Tls));
    client.connection.send(Command::Dele(mailwire_pop3::MessageNumber::FIRST)).unwrap();
    client.hear("+OK\r\n");
    assert!(matches!(client.feed("-ERR [SYS/TEMP] bye\r\n"), Err(Error::UnsolicitedReply { .. })));
    assert_eq!(client.connection.deletions(), Deletions::Lost(1));
}

#[test]
fn the_end_is_told_while_output_waits() {
    let mut server = Server::logged_in(server::Config::new(Channel::Tls));
    let (ticket, _) = server.command("QUIT");
    server.connection.reply(ticket, Reply::ok("bye")).unwrap();
    assert_eq!(server.feed("").unwrap().1, Next::Closed);
    assert_eq!(drain(&mut server.connection), "+OK bye\r\n");

    let mut server = Server::new(server::Config::new(Channel::Tls));
    server.connection.handle_eof();
    assert_eq!(server.feed("").unwrap().1, Next::Closed);
    assert_ne!(drain(&mut server.connection), "");

    let mut client = Client::logged_in(quiet_config(Channel::Tls));
    client.connection.send(Command::Noop).unwrap();
    client.connection.close();
    let next = client.connection.next_event(&mut client.input);
    assert_eq!(next, Ok(Next::Closed));
    assert_eq!(drain(&mut client.connection), "NOOP\r\n");
}

#[test]
fn a_refused_command_is_told_with_its_answer() {
    let mut server = Server::logged_in(server::Config::new(Channel::Tls));
    drain(&mut server.connection);
    let events = server.hear("XTND first second\r\n");
    let [server::Event::Refused { command, reply }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(command, &other("XTND", Some("first second")));
    assert_eq!(reply, &Reply::err("unknown command"));
    assert_eq!(drain(&mut server.connection), "-ERR unknown command\r\n");
    let events = server.hear("USER mrose\r\n");
    assert!(matches!(&events[..], [server::Event::Refused { command: Command::User(_), .. }]));

    // Before the login an unknown word can be a password.
    let mut config = server::Config::new(Channel::Tls);
    config.dialect = mailwire_core::Dialect::Lenient;
    let mut server = Server::new(config);
    let events = server.hear("tanstaaf and more\r\n");
    let [server::Event::Refused { command, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(command, &other("tans", None));
}

fn other(keyword: &str, arguments: Option<&str>) -> Command {
    let keyword = Keyword::new(keyword).unwrap();
    Command::Other { keyword, arguments: arguments.map(|text| text.try_into().unwrap()) }
}

#[test]
fn lines_between_replies_are_told_and_counted() {
    let mut config = quiet_config(Channel::Tls);
    config.limits.noise = 3;
    let mut client = Client::logged_in(config);
    for line in ["warning: disk\r\n", "foo\n", "* BYE\r\n"] {
        let (events, next) = client.feed(line).unwrap();
        assert!(matches!(&events[..], [Event::Malformed { ticket: None, .. }]), "{line:?}: {events:?}");
        assert_eq!(next, Next::Paused);
    }
    // What is asked after that is answered.
    client.connection.send(Command::Noop).unwrap();
    assert!(matches!(&client.hear("+OK\r\n")[..], [Event::Reply { .. }]));
    let error = client.feed("more\r\n").unwrap_err();
    assert_eq!(error, Error::LimitExceeded { what: "lines that are no replies", limit: 3 });
    assert_eq!(client.feed(""), Err(error));
}

#[test]
fn a_reply_that_answers_nothing_is_an_error() {
    for line in ["+OK\r\n", "-ERR no\r\n", "+ YQ==\r\n", "+\r\n", "+ok\r\n", "\r\n"] {
        let mut client = Client::logged_in(quiet_config(Channel::Tls));
        let error = client.feed(line).unwrap_err();
        assert!(matches!(error, Error::UnsolicitedReply { .. }), "{line:?}: {error:?}");
    }
    // A part of a line is nobody's yet; a command that is sent meanwhile is not answered by it.
    let mut client = Client::logged_in(quiet_config(Channel::Tls));
    assert_eq!(client.feed("+O"), Ok((vec![], Next::Paused)));
    client.connection.send(Command::Noop).unwrap();
    let mut events = Vec::new();
    let error = common::run(&mut client.connection, &mut client.input, &mut events).unwrap_err();
    assert!(matches!(error, Error::UnsolicitedReply { .. }), "{error:?}");
}

#[test]
fn one_policy_says_what_goes_in_clear() {
    let shown = ["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER", "X-UNKNOWN"];
    let hidden = ["SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "CRAM-MD5", "DIGEST-MD5", "GSSAPI", "EXTERNAL"];
    let names = shown.iter().map(|name| (*name, false)).chain(hidden.iter().map(|name| (*name, true)));
    for (name, in_clear) in names {
        for allowed in [false, true] {
            let mechanism = Mechanism::new(name).unwrap();
            let mut config = quiet_config(Channel::Clear);
            config.allow_clear_credentials = allowed;
            let mut client = Client::new(config);
            client.hear("+OK\r\n");
            let sent = client.connection.send(Command::Auth { mechanism: mechanism.clone(), initial: None });
            assert_eq!(sent.is_ok(), in_clear || allowed, "{name}");

            let mut config = server::Config::new(Channel::Clear);
            config.allow_clear_credentials = allowed;
            config.mechanisms = vec![mechanism.clone()];
            let server = server::Connection::new(config);
            let offered = server.capabilities().mechanisms().any(|offered| *offered == mechanism);
            assert_eq!(offered, in_clear || allowed, "{name}");
        }
    }
}

#[test]
fn a_raw_command_does_not_change_the_session_unseen() {
    let mut client = Client::logged_in(quiet_config(Channel::Tls));
    for name in ["DELE", "quit", "RSET", "CAPA", "STLS", "PASS"] {
        let refused = client.connection.send(other(name, None)).unwrap_err();
        assert!(matches!(refused.reason, Misuse::WrongState(_)), "{name}");
    }
    client.connection.send(other("XTND", None)).unwrap();
    client.connection.send(other("NOOP", None)).unwrap();
}
