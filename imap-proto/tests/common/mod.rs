//! What the tests share.
#![allow(dead_code, unreachable_pub, clippy::type_complexity)]

use bytes::{Bytes, BytesMut};
use mailwire_core::{Connection, Next};
use mailwire_imap::{
    Limits, client,
    response::{Reply, ReplyKind, Response},
    server,
};

#[allow(unused_imports, reason = "not every test uses all")]
pub use mailwire_core::testing::{drain, drain_text, events, feed};

/// The one event that is there.
pub fn event<C: Connection>(connection: &mut C, input: &mut BytesMut) -> C::Event
where
    C::Event: core::fmt::Debug,
{
    match connection.next_event(input) {
        Ok(Next::Event(event)) => event,
        Ok(next) => panic!("expected an event, not {next:?}"),
        Err(error) => panic!("expected an event, not {error:?}"),
    }
}

pub fn untagged(line: &str) -> mailwire_imap::response::Untagged {
    match response(line.as_bytes()) {
        Response::Untagged(data) => data,
        other => panic!("{other:?}"),
    }
}

pub fn response(line: &[u8]) -> Response {
    let frame = Bytes::copy_from_slice(line);
    let parsed = Response::parse(&frame, mailwire_core::Dialect::Strict);
    parsed.unwrap_or_else(|error| panic!("{error}: {}", line.escape_ascii())).value
}

pub fn command(line: &str) -> mailwire_imap::command::Command {
    let frame = Bytes::from(format!("a {line}"));
    let parsed = mailwire_imap::command::Request::parse(&frame, mailwire_core::Dialect::Strict);
    parsed.unwrap_or_else(|error| panic!("{error}: {line}")).value.command
}

/// A client whose tags are `b.1`, `b.2` and so on.
pub fn client(channel: mailwire_core::Channel) -> client::Connection {
    client::Connection::new(client_config(channel))
}

pub fn client_config(channel: mailwire_core::Channel) -> client::Config {
    client::Config::new(channel, 1)
}

/// A client with a limit that is another.
pub fn client_within(limit: impl FnOnce(&mut Limits)) -> client::Connection {
    let mut config = client_config(mailwire_core::Channel::Tls);
    limit(&mut config.limits);
    client::Connection::new(config)
}

/// A client after its greeting, logged in, with these capabilities.
pub fn logged_in(capabilities: &str) -> client::Connection {
    let mut client = client(mailwire_core::Channel::Tls);
    feed(&mut client, format!("* PREAUTH [CAPABILITY {capabilities}] hi\r\n").as_bytes());
    client
}

/// A client that has logged in and selected a mailbox, with these capabilities. The next tag is `b.2`.
pub fn selected(capabilities: &str) -> client::Connection {
    let mut client = logged_in(capabilities);
    client.send(command("SELECT INBOX")).unwrap();
    drain(&mut client);
    feed(&mut client, b"b.1 OK [READ-WRITE] done\r\n");
    client
}

pub fn server_config(channel: mailwire_core::Channel) -> server::Config {
    let mut config = server::Config::new(channel);
    config.mechanisms = vec![mailwire_core::sasl::Mechanism::Plain];
    config
}

/// A server with a limit that is another, whose greeting is drained.
pub fn server_within(limit: impl FnOnce(&mut Limits)) -> server::Connection {
    let mut config = server_config(mailwire_core::Channel::Tls);
    limit(&mut config.limits);
    let mut server = server::Connection::new(config);
    drain(&mut server);
    server
}

/// A server whose client is logged in, with its limits changed by `limit`.
pub fn serving_within(limit: impl FnOnce(&mut Limits)) -> server::Connection {
    let mut config = server_config(mailwire_core::Channel::Tls);
    limit(&mut config.limits);
    serving_with(config)
}

pub fn server(channel: mailwire_core::Channel) -> server::Connection {
    server::Connection::new(server_config(channel))
}

pub fn status(text: &str) -> mailwire_imap::response::Reply {
    match response(format!("a {text}").as_bytes()) {
        Response::Tagged(tagged) => tagged.reply,
        other => panic!("{other:?}"),
    }
}

/// A server whose greeting is drained and whose client is logged in.
pub fn serving() -> server::Connection {
    serving_with(server_config(mailwire_core::Channel::Tls))
}

pub fn serving_with(config: server::Config) -> server::Connection {
    let mut server = preauth(config);
    drain(&mut server);
    server
}

/// A server whose greeting says that the client is logged in.
pub fn preauth(mut config: server::Config) -> server::Connection {
    config.set_greeting(Reply::new(ReplyKind::PreAuth, "hi").unwrap()).unwrap();
    server::Connection::new(config)
}

/// Takes a command whose line is given, and gives its ticket.
pub fn take(server: &mut server::Connection, line: &str) -> mailwire_core::Ticket {
    match feed(server, format!("{line}\r\n").as_bytes()).pop() {
        Some(server::Event::Command { ticket, .. }) => ticket,
        other => panic!("{other:?}"),
    }
}

/// Has the server take a command, and answers it with OK.
pub fn done(server: &mut server::Connection, line: &str) {
    let ticket = take(server, line);
    server.reply(ticket, status("OK done")).unwrap();
    drain(server);
}

/// Limits with some that are others: `limits!(Limits::client(); line: 100)`.
#[allow(unused_macros)]
macro_rules! limits {
    ($base:expr; $($field:ident : $value:expr),* $(,)?) => {{
        let mut limits = $base;
        $(limits.$field = $value;)*
        limits
    }};
}
#[allow(unused_imports)]
pub(crate) use limits;

/// What the server answers to a line that it does not hand out.
pub fn refused(server: &mut server::Connection, line: &str) -> String {
    let found = feed(server, format!("{line}\r\n").as_bytes());
    assert!(
        matches!(&found[..], [server::Event::Malformed { ticket: None, .. } | server::Event::Refused { .. }]),
        "{line}: {found:?}"
    );
    drain_text(server)
}
