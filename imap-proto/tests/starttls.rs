//! STARTTLS in both roles, and what must not work (CVE-2011-0411 and its successors).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use bytes::BytesMut;
use common::*;
use mailwire_core::{Channel, Connection, Error, Misuse, Next, NotOffered, Upgrade};
use mailwire_imap::{Capability, client, server};

const GREETING: &str = "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] hi\r\n";

/// A client that has sent STARTTLS.
fn asking() -> client::Connection {
    let mut client = client(Channel::StartTls);
    feed(&mut client, GREETING.as_bytes());
    assert_eq!(drain_text(&mut client), "b.1 STARTTLS\r\n");
    client
}

fn fails(client: &mut client::Connection, text: &str) -> Error {
    let mut input = BytesMut::from(text);
    let (_, last) = events(client, &mut input);
    let error = last.unwrap_err();
    // It is poisoned.
    assert_eq!(client.next_event(&mut BytesMut::new()), Err(error));
    assert!(!drain_text(client).contains("LOGIN"));
    error
}

#[test]
fn the_clients_way() {
    let mut client = client(Channel::StartTls);
    let login = client.send(command("LOGIN fred foo")).unwrap();
    feed(&mut client, GREETING.as_bytes());
    assert_eq!(drain_text(&mut client), "b.1 STARTTLS\r\n");
    let mut input = BytesMut::from("b.1 OK go\r\n");
    assert_eq!(client.next_event(&mut input), Ok(Next::Upgrade(Upgrade::Tls)));
    assert_eq!(client.next_event(&mut input), Ok(Next::Upgrade(Upgrade::Tls)), "until it is done");
    client.upgraded(Upgrade::Tls);
    assert!(client.is_tls());
    assert!(!client.capabilities().is_known(), "what was learnt in clear is forgotten");
    assert_eq!(drain_text(&mut client), "b.2 CAPABILITY\r\n");
    let found = feed(&mut client, b"* CAPABILITY IMAP4rev1\r\nb.2 OK done\r\n");
    assert_eq!(found, [client::Event::Capabilities(vec![Capability::Imap4Rev1].into())]);
    assert_eq!(drain_text(&mut client), "b.3 LOGIN fred \"foo\"\r\n");
    assert!(client.was_sent(login));
}

#[test]
fn a_client_refuses_bytes_after_the_reply() {
    for after in ["* 1 EXISTS\r\n", "b.2 OK x\r\n", "\r\n", "x", "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n"] {
        let error = fails(&mut asking(), &format!("b.1 OK go\r\n{after}"));
        assert_eq!(error, Error::BytesAfterUpgrade { command: "STARTTLS" }, "{after}");
        // In a segment of their own, before the handshake.
        let mut client = asking();
        let mut input = BytesMut::from("b.1 OK go\r\n");
        assert!(matches!(client.next_event(&mut input), Ok(Next::Upgrade(_))));
        assert_eq!(fails(&mut client, after), error);
    }
}

#[test]
fn a_client_refuses_success_before_it_asked() {
    // Before the greeting was read, STARTTLS cannot have been sent.
    for text in ["* OK hi\r\nb.1 OK go\r\n", "* OK hi\r\n.1 OK go\r\n", "* OK hi\r\na1 OK go\r\n"] {
        let error = fails(&mut client(Channel::StartTls), text);
        assert!(matches!(error, Error::UnsolicitedReply { .. }), "{text}: {error}");
    }
    // Some of it is still on its way out.
    let mut client = client(Channel::StartTls);
    feed(&mut client, b"* OK hi\r\n");
    bytes::Buf::advance(client.output(), 5);
    assert!(matches!(fails(&mut client, "b.1 OK go\r\n"), Error::UnsolicitedReply { .. }));
}

#[test]
fn a_client_that_must_have_tls_goes_no_other_way() {
    let unavailable = |text: &str| {
        let mut client = client(Channel::StartTls);
        client.send(command("LOGIN fred foo")).unwrap();
        let mut input = BytesMut::from(text.split_inclusive('\n').next().unwrap());
        let (_, last) = events(&mut client, &mut input);
        drain(&mut client);
        match last {
            Err(error) => {
                assert!(!drain_text(&mut client).contains("LOGIN"));
                error
            }
            Ok(_) => fails(&mut client, text.split_once('\n').unwrap().1),
        }
    };
    for text in [
        "* PREAUTH hi\r\n",
        "* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n",
        "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\r\n",
        "* OK hi\r\nb.1 NO not here\r\n",
        "* OK hi\r\nb.1 BAD what\r\n",
        "* OK hi\r\nb.1 WHAT\r\n",
    ] {
        assert!(matches!(unavailable(text), Error::TlsUnavailable { .. }), "{text}");
    }
    for text in [
        "* 1 EXISTS\r\n",
        "b.1 OK go\r\n",
        "+ go\r\n",
        "* NO hi\r\n",
        "* BAD hi\r\n",
        "+OK hi\r\n",
        "220 hi\r\n",
        "\r\n",
    ] {
        assert!(matches!(unavailable(text), Error::InvalidGreeting { .. }), "{text}");
    }
}

#[test]
fn nothing_in_clear_reaches_the_caller() {
    let mut client = asking();
    let found = feed(
        &mut client,
        b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n* 5 EXISTS\r\n* OK [ALERT] call us\r\n+ go\r\n((\r\n\
          * LIST () \"/\" x\r\n* 1 FETCH (BODY[] {3}\r\nabc)\r\n",
    );
    assert_eq!(found, []);
    assert!(!client.capabilities().is_known());
}

#[test]
fn a_server_refuses_bytes_after_the_command() {
    for after in ["a2 LOGIN fred foo\r\n", "a2 NOOP\r\n", "\r\n", "x", "\u{16}\u{3}"] {
        let mut server = server(Channel::StartTls);
        drain(&mut server);
        let mut input = BytesMut::from(format!("a1 STARTTLS\r\n{after}").as_str());
        let (found, last) = events(&mut server, &mut input);
        assert_eq!(found, []);
        assert_eq!(last, Err(Error::BytesAfterUpgrade { command: "STARTTLS" }));
        assert!(drain_text(&mut server).starts_with("* BYE "));

        // In a segment of their own, before or after the answer.
        for accepted in [false, true] {
            let mut server = server_with_starttls(accepted);
            let mut input = BytesMut::from(after);
            let (found, last) = events(&mut server, &mut input);
            assert_eq!(found, []);
            assert_eq!(last, Err(Error::BytesAfterUpgrade { command: "STARTTLS" }));
        }
    }
}

fn server_with_starttls(accepted: bool) -> server::Connection {
    let mut server = server(Channel::StartTls);
    drain(&mut server);
    let ticket = take(&mut server, "a1 STARTTLS");
    if accepted {
        server.accept_upgrade(ticket).unwrap();
        assert_eq!(server.next_event(&mut BytesMut::new()), Ok(Next::Paused), "the answer goes first");
        assert_eq!(drain_text(&mut server), "a1 OK begin TLS now\r\n");
    }
    server
}

#[test]
fn the_servers_way() {
    let mut server = server(Channel::StartTls);
    let greeting = drain_text(&mut server);
    assert!(
        greeting.contains(" STARTTLS ") && greeting.contains("LOGINDISABLED") && !greeting.contains("AUTH=")
    );
    let mut server = server_with_starttls(true);
    assert_eq!(server.next_event(&mut BytesMut::new()), Ok(Next::Upgrade(Upgrade::Tls)));
    server.upgraded(Upgrade::Tls);
    assert!(server.is_tls() && server.output().is_empty(), "there is no second greeting");
    feed(&mut server, b"a2 CAPABILITY\r\n");
    let offered = drain_text(&mut server);
    assert!(
        offered.contains(" AUTH=PLAIN")
            && !offered.contains("STARTTLS")
            && !offered.contains("LOGINDISABLED")
    );
    feed(&mut server, b"a3 STARTTLS\r\n");
    assert_eq!(drain_text(&mut server), "a3 BAD TLS is there already\r\n");
}

#[test]
fn a_server_takes_no_credentials_in_clear() {
    for channel in [Channel::Clear, Channel::StartTls] {
        let mut server = server(channel);
        drain(&mut server);
        for line in [
            "a LOGIN fred foo",
            "a LOGIN {4}",
            "a LOGIN fred {3}",
            "a AUTHENTICATE PLAIN",
            "a AUTHENTICATE PLAIN AGZyZWQAZm9v",
        ] {
            let found = feed(&mut server, format!("{line}\r\n").as_bytes());
            assert!(
                matches!(&found[..], [server::Event::Refused { .. } | server::Event::Malformed { .. }]),
                "{found:?}"
            );
            assert_eq!(drain_text(&mut server), "a NO [PRIVACYREQUIRED] TLS is needed first\r\n", "{line}");
        }
    }
    let mut server = server(Channel::Clear);
    drain(&mut server);
    feed(&mut server, b"a STARTTLS\r\n");
    assert_eq!(drain_text(&mut server), "a BAD STARTTLS is not offered\r\n");
}

#[test]
fn a_server_can_refuse() {
    let mut server = server(Channel::StartTls);
    drain(&mut server);
    let ticket = take(&mut server, "a1 STARTTLS");
    let error = server.reply(ticket, status("OK fine")).unwrap_err();
    assert!(matches!(error.reason, Misuse::WrongAnswer(_)));
    server.reply(ticket, status("NO not now")).unwrap();
    assert_eq!(drain_text(&mut server), "a1 NO not now\r\n");
    take(&mut server, "a2 NOOP");
}

#[test]
fn a_client_shows_no_secret_in_clear() {
    let mut client = client(Channel::Clear);
    feed(
        &mut client,
        b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=LOGIN AUTH=XOAUTH2 AUTH=SCRAM-SHA-256] hi\r\n",
    );
    for line in ["LOGIN fred foo", "AUTHENTICATE PLAIN", "AUTHENTICATE login", "AUTHENTICATE XOAUTH2"] {
        assert_eq!(client.send(command(line)).unwrap_err().reason, Misuse::CredentialsInClear, "{line}");
    }
    assert!(client.output().is_empty());
    client.send(command("AUTHENTICATE SCRAM-SHA-256")).unwrap();

    let mut config = client_config(Channel::Clear);
    config.allow_clear_credentials = true;
    let mut client = client::Connection::new(config);
    feed(&mut client, b"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hi\r\n");
    assert_eq!(
        client.send(command("LOGIN a b")).unwrap_err().reason,
        Misuse::NotOffered(NotOffered::Extension("LOGIN"))
    );
    assert_eq!(
        client.send(command("AUTHENTICATE PLAIN")).unwrap_err().reason,
        Misuse::NotOffered(NotOffered::Mechanism)
    );
    assert!(matches!(client.send(command("STARTTLS")).unwrap_err().reason, Misuse::WrongState(_)));
}

#[test]
fn in_clear_a_server_offers_what_does_not_show_the_password() {
    let mut config = server_config(Channel::Clear);
    config.mechanisms.push(mailwire_core::sasl::Mechanism::ScramSha256);
    let mut server = server::Connection::new(config);
    let greeting = drain_text(&mut server);
    assert!(greeting.contains("AUTH=SCRAM-SHA-256") && greeting.contains("LOGINDISABLED"), "{greeting}");
    assert!(!greeting.contains("AUTH=PLAIN"), "{greeting}");
    feed(&mut server, b"a AUTHENTICATE PLAIN\r\n");
    assert_eq!(drain_text(&mut server), "a NO [PRIVACYREQUIRED] TLS is needed first\r\n");
    take(&mut server, "b AUTHENTICATE scram-sha-256");
}

/// What was counted against a client in clear is not forgotten.
#[test]
fn a_server_goes_on_counting() {
    let upgrade = |server: &mut server::Connection| {
        let ticket = take(server, "s STARTTLS");
        server.accept_upgrade(ticket).unwrap();
        drain(server);
        assert!(matches!(server.next_event(&mut BytesMut::new()), Ok(Next::Upgrade(Upgrade::Tls))));
        server.upgraded(Upgrade::Tls);
    };
    let mut config = server_config(Channel::StartTls);
    config.allow_clear_credentials = true;
    (config.limits.idle_commands, config.limits.auth_failures) = (2, 2);
    let mut idle = server::Connection::new(config.clone());
    feed(&mut idle, b"a CAPABILITY\r\nb CAPABILITY\r\n");
    upgrade(&mut idle);
    let (_, last) = events(&mut idle, &mut BytesMut::from("c CAPABILITY\r\n"));
    assert!(matches!(last, Err(Error::LimitExceeded { limit: 2, .. })), "{last:?}");

    let mut guessing = server::Connection::new(config);
    let ticket = take(&mut guessing, "a LOGIN a b");
    guessing.reply(ticket, status("NO wrong")).unwrap();
    upgrade(&mut guessing);
    let ticket = take(&mut guessing, "b LOGIN a b");
    guessing.reply(ticket, status("NO wrong")).unwrap();
    let (_, last) = events(&mut guessing, &mut BytesMut::from("c NOOP\r\n"));
    assert!(matches!(last, Err(Error::LimitExceeded { limit: 2, .. })), "{last:?}");
}
