//! STLS in both roles: what goes right, and what must end the connection.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Client, Server, drain, run};
use mailwire_core::{Channel, Connection as _, Error, Misuse, Next, Upgrade};
use mailwire_pop3::{
    Capability, Command, Mechanism, MessageNumber, Password, Reply, UserName,
    client::{self, Event},
    server,
};

const INJECTED: Error = Error::BytesAfterUpgrade { command: "STLS" };

fn user() -> Command {
    Command::User(UserName::new("mrose").unwrap())
}

/// A client that has sent STLS.
fn upgrading_client() -> Client {
    let mut client = Client::new(client::Config::new(Channel::StartTls));
    client.hear("+OK ready <1@a>\r\n");
    assert_eq!(drain(&mut client.connection), "CAPA\r\n");
    client.hear("+OK\r\nSTLS\r\nUSER\r\nPIPELINING\r\n.\r\n");
    assert_eq!(drain(&mut client.connection), "STLS\r\n");
    client
}

fn upgrading_server() -> Server {
    let mut server = Server::new(server::Config::new(Channel::StartTls));
    let (ticket, command) = server.command("STLS");
    assert_eq!(command, Command::Stls);
    server.connection.accept_upgrade(ticket).unwrap();
    server
}

#[test]
fn a_client_upgrades_by_itself_and_forgets_what_it_learnt() {
    let mut client = upgrading_client();
    assert!(client.connection.timestamp().is_some());
    client.connection.send(user()).unwrap();
    let (events, next) = client.feed("+OK\r\n").unwrap();
    assert_eq!((events, next), (vec![], Next::Upgrade(Upgrade::Tls)));
    assert_eq!(drain(&mut client.connection), "");
    client.connection.upgraded(Upgrade::Tls);
    assert!(client.connection.is_tls());
    assert!(client.connection.timestamp().is_none() && !client.connection.capabilities().is_known());
    assert_eq!(drain(&mut client.connection), "CAPA\r\n");
    let events = client.hear("+OK\r\n.\r\n");
    assert!(matches!(&events[..], [Event::Capabilities(list)] if list.iter().count() == 0));
    assert_eq!(drain(&mut client.connection), "USER mrose\r\n");
}

#[test]
fn nothing_of_the_caller_is_sent_before_tls() {
    let mut client = Client::new(client::Config::new(Channel::StartTls));
    client.connection.send(user()).unwrap();
    client.connection.send(Command::Pass(Password::new("tanstaaf").unwrap())).unwrap();
    client.connection.send(Command::Stat).unwrap();
    let mut sent = String::new();
    for text in ["+OK\r\n", "+OK\r\nSTLS\r\nPIPELINING\r\n.\r\n", "+OK\r\n"] {
        sent += &drain(&mut client.connection);
        client.hear(text);
    }
    sent += &drain(&mut client.connection);
    assert_eq!(sent, "CAPA\r\nSTLS\r\n");
}

#[test]
fn bytes_after_the_answer_are_never_read() {
    for after in ["+OK injected\r\n", "\n", "+OK\r\nUSER\r\n.\r\n"] {
        // In the same segment.
        let mut client = upgrading_client();
        assert_eq!(client.feed(&format!("+OK\r\n{after}")), Err(INJECTED));
        assert_eq!(client.feed(""), Err(INJECTED));
        assert_eq!(drain(&mut client.connection), "");
        // In a later one, before the handshake.
        let mut client = upgrading_client();
        assert_eq!(client.feed("+OK\r\n").unwrap().1, Next::Upgrade(Upgrade::Tls));
        assert_eq!(client.feed(after), Err(INJECTED));
    }
}

#[test]
fn bytes_after_the_command_are_never_executed() {
    for after in ["DELE 1\r\n", "\r\n", "X"] {
        let mut server = Server::new(server::Config::new(Channel::StartTls));
        assert_eq!(server.feed(&format!("STLS\r\n{after}")), Err(INJECTED));
        // While the application decides.
        let mut server = Server::new(server::Config::new(Channel::StartTls));
        server.command("STLS");
        assert_eq!(server.feed(after), Err(INJECTED));
        // After it has agreed, before and after the answer is written.
        let mut server = upgrading_server();
        assert_eq!(server.feed(after), Err(INJECTED));
        let mut server = upgrading_server();
        drain(&mut server.connection);
        assert_eq!(server.feed(after), Err(INJECTED));
    }
}

#[test]
fn a_server_upgrades_when_its_answer_is_written() {
    let mut server = upgrading_server();
    assert_eq!(server.feed("").unwrap().1, Next::Paused);
    assert!(drain(&mut server.connection).ends_with("+OK begin TLS negotiation\r\n"));
    assert_eq!(server.feed("").unwrap().1, Next::Upgrade(Upgrade::Tls));
    server.connection.upgraded(Upgrade::Tls);
    assert!(server.connection.is_tls());
    server.hear("CAPA\r\nSTLS\r\n");
    let text = drain(&mut server.connection);
    assert!(!text.contains("\r\nSTLS\r\n") && text.contains("\r\nUSER\r\n"), "{text}");
    assert!(text.ends_with("-ERR not permitted when TLS is active\r\n"), "{text}");
}

#[test]
fn a_server_forgets_the_user_it_was_told_in_clear() {
    let mut config = server::Config::new(Channel::StartTls);
    config.allow_clear_credentials = true;
    let mut server = Server::new(config);
    server.hear("USER mrose\r\n");
    let (ticket, _) = server.command("STLS");
    server.connection.accept_upgrade(ticket).unwrap();
    drain(&mut server.connection);
    server.hear("");
    server.connection.upgraded(Upgrade::Tls);
    let events = server.hear("PASS tanstaaf\r\n");
    assert!(matches!(&events[..], [server::Event::Refused { .. }]), "{events:?}");
}

#[test]
fn a_server_that_does_not_offer_stls_ends_the_connection() {
    for (answer, reason) in [
        ("+OK\r\nUSER\r\n.\r\n", "the server does not offer STLS"),
        ("+OK\r\n.\r\n", "the server does not offer STLS"),
    ] {
        let mut client = Client::new(client::Config::new(Channel::StartTls));
        client.connection.send(user()).unwrap();
        client.hear("+OK\r\n");
        assert_eq!(client.feed(answer), Err(Error::TlsUnavailable { reason }));
        assert_eq!(drain(&mut client.connection), "");
        assert_eq!(client.connection.send(user()).unwrap_err().reason, Misuse::Closed);
    }
}

#[test]
fn a_server_that_refuses_stls_ends_the_connection() {
    // One without CAPA is asked for STLS all the same.
    let mut client = Client::new(client::Config::new(Channel::StartTls));
    client.connection.send(user()).unwrap();
    client.hear("+OK\r\n");
    client.hear("-ERR what is CAPA\r\n");
    assert_eq!(drain(&mut client.connection), "STLS\r\n");
    let refused = Error::TlsUnavailable { reason: "the server refuses STLS" };
    assert_eq!(client.feed("-ERR what is STLS\r\n"), Err(refused));
    assert_eq!(drain(&mut client.connection), "");
}

#[test]
fn a_greeting_that_is_none_does_not_skip_tls() {
    for greeting in ["* PREAUTH\r\n", "+\r\n", "\r\n", "220 hi\r\n", "OK\r\n"] {
        let mut client = Client::new(client::Config::new(Channel::StartTls));
        client.connection.send(user()).unwrap();
        assert!(matches!(client.feed(greeting), Err(Error::InvalidGreeting { .. })), "{greeting}");
        assert_eq!(drain(&mut client.connection), "");
    }
}

#[test]
fn an_answer_before_stls_was_sent_is_refused() {
    let unsolicited = |result| matches!(result, Err(Error::UnsolicitedReply { .. }));
    let mut config = client::Config::new(Channel::StartTls);
    config.ask_capabilities.after_greeting = false;
    // With the greeting, before the command is in the output.
    let mut client = Client::new(config.clone());
    assert!(unsolicited(client.feed("+OK\r\n+OK begin TLS\r\n")));
    // In the output, but not written, or not in full.
    for written in [0, 1, 5] {
        let mut client = Client::new(config.clone());
        client.hear("+OK\r\n");
        bytes::Buf::advance(client.connection.output(), written);
        client.input.extend_from_slice(b"+OK\r\n");
        let result = run(&mut client.connection, &mut client.input, &mut Vec::new());
        assert!(matches!(result, Err(Error::UnsolicitedReply { .. })), "{written}");
    }
}

#[test]
fn capabilities_of_the_clear_stream_are_not_used() {
    // PIPELINING and SASL were only said in clear.
    let mut client = upgrading_client();
    client.hear("+OK\r\n");
    client.connection.upgraded(Upgrade::Tls);
    client.hear("-ERR no CAPA\r\n");
    let auth = Command::Auth { mechanism: Mechanism::Plain, initial: Some("\0a\0b".into()) };
    client.connection.send(auth).unwrap();
    assert_eq!(drain(&mut client.connection), "AUTH PLAIN\r\n");
}

#[test]
fn stls_is_not_for_the_caller_and_not_after_the_login() {
    for channel in [Channel::Clear, Channel::StartTls, Channel::Tls] {
        let mut client = Client::new(client::Config::new(channel));
        assert!(matches!(client.connection.send(Command::Stls).unwrap_err().reason, Misuse::WrongState(_)));
    }
    let mut config = server::Config::new(Channel::StartTls);
    config.allow_clear_credentials = true;
    let mut server = Server::logged_in(config);
    assert!(!server.connection.capabilities().has(&Capability::Stls));
    let events = server.hear("STLS\r\n");
    assert!(matches!(&events[..], [server::Event::Refused { .. }]));
}

#[test]
fn a_server_can_refuse_stls_and_go_on() {
    let mut server = Server::new(server::Config::new(Channel::StartTls));
    let (ticket, _) = server.command("STLS");
    server.connection.reply(ticket, Reply::ok("no")).unwrap_err();
    server.connection.reply(ticket, Reply::err("no certificate")).unwrap();
    assert_eq!(server.connection.accept_upgrade(ticket), Err(Misuse::UnknownTicket));
    server.command("STLS");
}

#[test]
fn the_peer_can_vanish_before_the_handshake() {
    let mut client = upgrading_client();
    client.hear("+OK\r\n");
    client.connection.handle_eof();
    assert!(matches!(client.feed(""), Err(Error::UnexpectedEof { .. })));
    let mut server = upgrading_server();
    server.connection.handle_eof();
    assert!(matches!(server.feed(""), Err(Error::UnexpectedEof { .. })));
}

#[test]
fn credentials_in_clear_are_refused_in_both_roles() {
    let mut client = Client::new(client::Config::new(Channel::Clear));
    client.hear("+OK <1@a>\r\n");
    for command in [
        user(),
        Command::Pass(Password::new("x").unwrap()),
        Command::Auth { mechanism: Mechanism::Plain, initial: None },
        Command::Auth { mechanism: Mechanism::Login, initial: None },
        Command::Auth { mechanism: Mechanism::XOAuth2, initial: None },
        Command::Auth { mechanism: Mechanism::new("X-NEW").unwrap(), initial: None },
    ] {
        let refused = client.connection.send(command.clone()).unwrap_err();
        assert_eq!((refused.reason, refused.message), (Misuse::CredentialsInClear, command));
    }
    // These show nothing that is of use to whoever listens.
    client.connection.send(Command::Auth { mechanism: Mechanism::ScramSha256, initial: None }).unwrap();

    let mut config = server::Config::new(Channel::Clear);
    config.mechanisms = vec![Mechanism::Plain, Mechanism::Login, Mechanism::ScramSha256];
    let mut server = Server::new(config);
    server.hear("CAPA\r\n");
    let text = drain(&mut server.connection);
    assert!(text.contains("SASL SCRAM-SHA-256\r\n") && !text.contains("USER") && !text.contains("PLAIN"));
    for line in ["USER a\r\n", "PASS a\r\n", "AUTH PLAIN\r\n", "AUTH LOGIN AAAA\r\n"] {
        let events = server.hear(line);
        assert!(matches!(&events[..], [server::Event::Refused { .. }]), "{line}");
    }
}

#[test]
fn a_login_is_needed_for_messages() {
    let mut client = Client::new(client::Config::new(Channel::Tls));
    client.hear("+OK\r\n");
    for command in [Command::Stat, Command::Retr(MessageNumber::FIRST), Command::Noop, Command::Rset] {
        let refused = client.connection.send(command).unwrap_err();
        assert!(matches!(refused.reason, Misuse::WrongState(_)));
    }
}
