//! What the tests share: driving a machine by hand.
#![allow(dead_code, unreachable_pub)]

use bytes::BytesMut;
use mailwire_core::{Channel, Connection, Error, Next};
use mailwire_pop3::{State, client, server};

pub use mailwire_core::testing::drain_text as drain;

/// Feeds `bytes` and collects events until the machine wants something else.
pub fn feed<C: Connection<Error = Error>>(
    connection: &mut C,
    input: &mut BytesMut,
    bytes: &str,
    events: &mut Vec<C::Event>,
) -> Result<Next<()>, Error> {
    input.extend_from_slice(bytes.as_bytes());
    run(connection, input, events)
}

/// Collects events until the machine wants something else.
pub fn run<C: Connection<Error = Error>>(
    connection: &mut C,
    input: &mut BytesMut,
    events: &mut Vec<C::Event>,
) -> Result<Next<()>, Error> {
    let (found, next) = mailwire_core::testing::events(connection, input);
    events.extend(found);
    next
}

/// A client whose machine sends nothing by itself.
pub fn quiet_config(channel: Channel) -> client::Config {
    let mut config = client::Config::new(channel);
    config.ask_capabilities = client::AskCapabilities::never();
    config
}

pub struct Client {
    pub connection: client::Connection,
    pub input: BytesMut,
}

impl Client {
    pub fn new(config: client::Config) -> Self {
        Self { connection: client::Connection::new(config), input: BytesMut::new() }
    }

    /// Writes all output, then feeds `bytes`.
    pub fn feed(&mut self, bytes: &str) -> Result<(Vec<client::Event>, Next<()>), Error> {
        drain(&mut self.connection);
        let mut events = Vec::new();
        let next = feed(&mut self.connection, &mut self.input, bytes, &mut events)?;
        Ok((events, next))
    }

    /// Feeds `bytes` where only the events matter.
    pub fn hear(&mut self, bytes: &str) -> Vec<client::Event> {
        self.feed(bytes).unwrap().0
    }

    /// A client after greeting and login.
    pub fn logged_in(config: client::Config) -> Self {
        let mut client = Self::new(config);
        client.hear("+OK\r\n");
        for line in ["USER mrose", "PASS tanstaaf"] {
            let line = bytes::Bytes::copy_from_slice(line.as_bytes());
            let command = mailwire_pop3::Command::parse(&line, mailwire_core::Dialect::Strict).unwrap();
            client.connection.send(command.value).unwrap();
        }
        client.hear("+OK\r\n");
        client.hear("+OK\r\n");
        assert_eq!(client.connection.state(), State::Transaction);
        client
    }
}

pub struct Server {
    pub connection: server::Connection,
    pub input: BytesMut,
}

impl Server {
    pub fn new(config: server::Config) -> Self {
        Self { connection: server::Connection::new(config), input: BytesMut::new() }
    }

    pub fn feed(&mut self, bytes: &str) -> Result<(Vec<server::Event>, Next<()>), Error> {
        let mut events = Vec::new();
        let next = feed(&mut self.connection, &mut self.input, bytes, &mut events)?;
        Ok((events, next))
    }

    /// Feeds `bytes` where only the events matter.
    pub fn hear(&mut self, bytes: &str) -> Vec<server::Event> {
        self.feed(bytes).unwrap().0
    }

    /// A server after greeting and login, with nothing to be written.
    pub fn logged_in(config: server::Config) -> Self {
        let mut server = Self::new(config);
        let (events, _) = server.feed("USER mrose\r\nPASS tanstaaf\r\n").unwrap();
        let Some(server::Event::Login { ticket, .. }) = events.into_iter().next() else { panic!("no login") };
        server.connection.reply(ticket, mailwire_pop3::Reply::ok("")).unwrap();
        drain(&mut server.connection);
        server
    }

    /// Feeds a command that the application has to answer.
    pub fn command(&mut self, line: &str) -> (mailwire_core::Ticket, mailwire_pop3::Command) {
        let (events, next) = self.feed(&format!("{line}\r\n")).unwrap();
        assert_eq!(next, Next::Paused, "{events:?}");
        match events.into_iter().next() {
            Some(server::Event::Command { ticket, command, .. }) => (ticket, command),
            event => panic!("{event:?}"),
        }
    }
}
