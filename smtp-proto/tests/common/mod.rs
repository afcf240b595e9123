//! What several tests use.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use bytes::BytesMut;
use mailwire_smtp::{
    Capability, Channel, Connection, Error, Mailbox, Mechanism, Next, Reply, ReplyCode, client, server,
};

pub(crate) use mailwire_core::testing::{drain_text as drain, events, feed};

/// Feeds `bytes` and gives all events until the machine wants something, and what it wants, or its error.
pub(crate) fn try_feed<C: Connection<Error = Error>>(
    connection: &mut C,
    bytes: &[u8],
) -> Result<(Vec<C::Event>, Next<()>), Error> {
    let mut input = BytesMut::from(bytes);
    let (found, next) = events(connection, &mut input);
    let next = next?;
    assert!(next != Next::NeedInput || input.is_empty(), "left: {input:?}");
    Ok((found, next))
}

pub(crate) fn client_config() -> client::Config {
    client::Config::new("client.example".try_into().unwrap(), Channel::Tls)
}

pub(crate) fn server_config() -> server::Config {
    let mut config = server::Config::new("mx.example".try_into().unwrap(), Channel::Tls);
    config.mechanisms = vec![Mechanism::Plain, Mechanism::Login];
    config
}

/// A server that offers CHUNKING and BINARYMIME beside the rest.
pub(crate) fn chunking_config() -> server::Config {
    let config = server_config();
    let offered: Vec<_> = config.capabilities().iter().collect();
    config
        .with_capabilities(offered.into_iter().chain([Capability::Chunking, Capability::BinaryMime]))
        .unwrap()
}

/// A client that has heard of all extensions.
pub(crate) fn ready_client(config: client::Config) -> client::Connection {
    ready_client_with(
        config,
        "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 AUTH PLAIN LOGIN\r\n",
    )
}

pub(crate) fn ready_client_with(config: client::Config, ehlo: &str) -> client::Connection {
    let mut client = client::Connection::new(config);
    feed(&mut client, b"220 mx.example ESMTP\r\n");
    drain(&mut client);
    feed(&mut client, ehlo.as_bytes());
    drain(&mut client);
    client
}

pub(crate) fn mailbox(text: &str) -> Mailbox {
    Mailbox::try_from(text).unwrap()
}

/// A server whose application grants everything. Gives the events, body chunks joined.
pub(crate) struct Granting {
    pub(crate) machine: server::Connection,
    pub(crate) events: Vec<server::Event>,
    pub(crate) body: Vec<u8>,
    pub(crate) input: BytesMut,
    pub(crate) error: Option<Error>,
}

impl Granting {
    pub(crate) fn new(config: server::Config) -> Self {
        let mut machine = server::Connection::new(config);
        drain(&mut machine);
        Self { machine, events: Vec::new(), body: Vec::new(), input: BytesMut::new(), error: None }
    }

    /// Feeds `bytes`, grants what is asked, and gives what the machine wrote.
    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) -> String {
        use mailwire_smtp::{Command, SaslStep};
        use server::Event;
        self.input.extend_from_slice(bytes.as_ref());
        loop {
            let event = match self.machine.next_event(&mut self.input) {
                Ok(Next::Event(event)) => event,
                Ok(Next::Upgrade(_)) => {
                    self.machine.upgraded(mailwire_core::Upgrade::Tls);
                    continue;
                }
                Ok(Next::Paused) if self.machine.output().is_empty() => panic!("nobody's turn"),
                Ok(Next::Paused) => return drain(&mut self.machine),
                Ok(_) => return drain(&mut self.machine),
                Err(error) => {
                    self.error = Some(error);
                    return drain(&mut self.machine);
                }
            };
            match &event {
                Event::Command { ticket, command: Command::Data | Command::Bdat { .. }, .. } => {
                    self.machine.accept_body(*ticket).unwrap()
                }
                Event::Command { ticket, command: Command::StartTls, .. } => {
                    self.machine.accept_upgrade(*ticket).unwrap();
                }
                Event::Command { ticket, command: Command::Auth(auth), .. } => match &auth.initial {
                    Some(_) => self.machine.reply(*ticket, authenticated()).unwrap(),
                    None => self.machine.send_auth(SaslStep::Data("Username:".into())).unwrap(),
                },
                Event::Command { ticket, command, .. } => {
                    self.machine.reply(*ticket, server::default_reply(command)).unwrap();
                }
                Event::AuthResponse { ticket, step: SaslStep::Data(_), .. } => {
                    self.machine.reply(*ticket, authenticated()).unwrap();
                }
                Event::BodyEnd { ticket, .. } => {
                    self.machine.reply(*ticket, Reply::new(ReplyCode::OK, "2.0.0 Queued")).unwrap();
                }
                Event::BodyChunk(chunk) => {
                    self.body.extend_from_slice(chunk);
                    continue;
                }
                Event::BodyStart { .. } => self.body.clear(),
                _ => {}
            }
            self.events.push(event);
        }
    }
}

pub(crate) fn authenticated() -> Reply {
    Reply::new(ReplyCode::AUTHENTICATED, "2.7.0 Authenticated")
}
