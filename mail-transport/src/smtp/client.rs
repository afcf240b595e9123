//! The client.

use std::net::SocketAddr;

use mailwire_core::{Channel, Text, Ticket};
use mailwire_smtp::{
    AddressLiteral, Argument, Auth, Capabilities, Command, Domain, EhloName, Host, Reply,
    client::{self, Connection, Event, Outcome},
};

use super::RefusedRecipient;
use crate::{
    Endpoint, Error, Protocol, Refused, RefusedKind, Result, Stream,
    sasl::{ClientExchange, Credentials, Mechanism},
    session::{AuthEvent, Machine, Session, connecting},
};

/// The configuration of a [`Client`], beyond what its [`Endpoint`] says.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct Config {
    /// The credentials to log in with. Without, nobody logs in: for relaying and LMTP.
    pub credentials: Option<Credentials>,
    /// The mechanism to use, if not the best one that the server offers.
    pub mechanism: Option<Mechanism>,
    /// The name in EHLO. Without, the socket's own address, or `localhost`.
    pub name: Option<EhloName>,
    /// Speak LMTP ([RFC 2033](https://www.rfc-editor.org/rfc/rfc2033)).
    pub lmtp: bool,
    /// Send commands in groups where the server offers PIPELINING. True by default; some servers offer it
    /// and fail at it.
    pub pipelining: bool,
    /// The treatment of CRs and LFs that stand alone in a message.
    pub bare_newline: mailwire_core::dot::BareNewline,
    /// Send credentials without TLS, readable by everyone on the way.
    pub allow_clear_credentials: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            credentials: None,
            mechanism: None,
            name: None,
            lmtp: false,
            pipelining: true,
            bare_newline: mailwire_core::dot::BareNewline::default(),
            allow_clear_credentials: false,
        }
    }
}

impl Config {
    /// A configuration without a login: for a relay on port 25, or tests.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// A configuration to log in with `credentials`.
    #[must_use]
    pub fn login(credentials: Credentials) -> Self {
        Self { credentials: Some(credentials), ..Self::default() }
    }

    /// A configuration to deliver by LMTP ([RFC 2033](https://www.rfc-editor.org/rfc/rfc2033)).
    #[must_use]
    pub fn lmtp() -> Self {
        Self { lmtp: true, ..Self::default() }
    }

    /// Sets whether commands are sent in groups where the server offers it: some offer PIPELINING and fail at it.
    #[must_use]
    pub const fn with_pipelining(mut self, pipelining: bool) -> Self {
        self.pipelining = pipelining;
        self
    }

    /// Sets whether credentials may go without TLS, readable by everyone on the way.
    #[must_use]
    pub const fn with_allow_clear_credentials(mut self, allow_clear_credentials: bool) -> Self {
        self.allow_clear_credentials = allow_clear_credentials;
        self
    }

    fn machine(&self, endpoint: &Endpoint, stream: &Stream, channel: Channel) -> client::Config {
        let name = self.name.clone().unwrap_or_else(|| own_name(stream.local_addr()));
        let timeouts = endpoint.timeouts();
        let mut config = client::Config::new(name, channel);
        config.lmtp = self.lmtp;
        config.pipelining = self.pipelining;
        config.bare_newline = self.bare_newline;
        config.allow_clear_credentials = self.allow_clear_credentials;
        config.timeouts.greeting = timeouts.greeting;
        config.timeouts.mail = timeouts.command;
        config.timeouts.rcpt = timeouts.command;
        config.timeouts.command = timeouts.command;
        config.timeouts.data = timeouts.command;
        config.timeouts.body = timeouts.body;
        config.timeouts.body_reply = timeouts.body_reply;
        config
    }
}

/// The address that this side has, unless it tells nothing: some servers refuse `[127.0.0.1]`.
fn own_name(address: Option<SocketAddr>) -> EhloName {
    match address {
        Some(address) if !address.ip().is_loopback() => {
            Host::from(AddressLiteral::from(address.ip().to_canonical())).into()
        }
        _ => Host::from(Domain::localhost()).into(),
    }
}

impl Machine for Connection {
    fn completes(event: &Event) -> Option<Ticket> {
        match event {
            Event::Reply { ticket, .. } | Event::NoRecipients { ticket, .. } => Some(*ticket),
            Event::RecipientReply { data, last: true, .. } => Some(*data),
            _ => None,
        }
    }
}

/// A client of SMTP, submission or LMTP.
///
/// Every call can be dropped at any point: the next one waits for what the dropped one left on the
/// way. Only a [`send`](Self::send) that is dropped within a message, and a login, leave the client
/// spent; then each call says [`Error::Spent`].
pub struct Client {
    pub(super) session: Session<Connection>,
    /// Of the last message, if it was accepted for nobody.
    pub(super) refused: Vec<RefusedRecipient>,
}

connecting!("smtp", "Submission");

impl Client {
    async fn begin(stream: Stream, channel: Channel, endpoint: Endpoint, config: Config) -> Result<Self> {
        let machine = Connection::new(config.machine(&endpoint, &stream, channel));
        let mut client = Self { session: Session::over(stream, endpoint, machine), refused: Vec::new() };
        client.greet().await?;
        if let Some(credentials) = &config.credentials {
            client.log_in(credentials, &config).await?;
        }
        Ok(client)
    }

    /// Waits until the server has said what it offers, over TLS where that is wanted.
    async fn greet(&mut self) -> Result<()> {
        loop {
            match self.session.event().await? {
                Event::Capabilities { .. } => return Ok(()),
                Event::Greeting { reply, .. } if !reply.is_positive() => {
                    return Err(refused("the connection", &reply));
                }
                Event::HelloRefused { reply, .. } => return Err(refused("EHLO", &reply)),
                event => unclaimed(event)?,
            }
        }
    }

    async fn log_in(&mut self, credentials: &Credentials, config: &Config) -> Result<()> {
        let context = self.session.sasl_context(config.allow_clear_credentials);
        let mut exchange = match &config.mechanism {
            Some(mechanism) => ClientExchange::with_mechanism(credentials, mechanism, &context)?,
            None => {
                let offered = self.capabilities().auth().unwrap_or_default();
                ClientExchange::choose(credentials, offered.iter().map(|name| name.as_bytes()), &context)?
            }
        };
        let mechanism = exchange.mechanism().clone();
        let initial = exchange.initial()?;
        let auth = self.session.machine().send(Command::Auth(Auth::new(mechanism).with_initial(initial)))?;
        self.session.expect(auth);
        let read = |event| match event {
            Event::AuthChallenge { data, .. } => AuthEvent::Challenge(data),
            Event::Reply { ticket, reply, .. } if ticket == auth => {
                AuthEvent::Ended(if reply.is_positive() { Ok(()) } else { Err(refused("AUTH", &reply)) })
            }
            event => match unclaimed(event) {
                Ok(()) => AuthEvent::Other,
                Err(error) => AuthEvent::Ended(Err(error)),
            },
        };
        self.session.authenticate(exchange, read).await
    }

    /// Returns what the server offers.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        self.session.machine_ref().capabilities()
    }

    /// Returns the outcome of the last message: after an error of [`send`](Self::send), whether the server
    /// can have accepted it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.session.machine_ref().outcome()
    }

    /// Takes the recipients of the last message who were refused, each with its reason, if the server took it for
    /// none: [`send`](Self::send) then gives the reason of the first alone. Empty if the message was refused before
    /// its recipients, or sent.
    #[must_use]
    pub fn take_refused(&mut self) -> Vec<RefusedRecipient> {
        std::mem::take(&mut self.refused)
    }

    /// NOOP: does nothing, and shows that the connection is alive.
    ///
    /// # Errors
    ///
    /// It is not, or the server refuses.
    pub async fn noop(&mut self) -> Result<()> {
        self.call(Command::Noop(None)).await.map(drop)
    }

    /// RSET: gives up a transaction.
    ///
    /// # Errors
    ///
    /// The connection fails, or the server refuses.
    pub async fn rset(&mut self) -> Result<()> {
        self.call(Command::Rset).await.map(drop)
    }

    /// VRFY: asks whether there is such a user or mailbox ([RFC 5321 section 4.1.1.6](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.6)). 252 means that the
    /// server does not say.
    ///
    /// # Errors
    ///
    /// The connection fails, or the server refuses.
    pub async fn vrfy(&mut self, who: &str) -> Result<Reply> {
        self.call(Command::Vrfy(Argument::try_from(who)?)).await
    }

    /// EXPN: asks for the members of a mailing list ([RFC 5321 section 4.1.1.7](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.7)).
    ///
    /// # Errors
    ///
    /// The connection fails, or the server refuses.
    pub async fn expn(&mut self, list: &str) -> Result<Reply> {
        self.call(Command::Expn(Argument::try_from(list)?)).await
    }

    /// HELP: asks for help.
    ///
    /// # Errors
    ///
    /// The connection fails, or the server refuses.
    pub async fn help(&mut self) -> Result<Reply> {
        self.call(Command::Help(None)).await
    }

    /// QUIT: ends the session.
    ///
    /// # Errors
    ///
    /// The connection fails. All that was sent before is as it was.
    pub async fn quit(mut self) -> Result<()> {
        self.call(Command::Quit).await?;
        self.session.close().await
    }

    /// Sends a command and waits for its reply. `MAIL`, `RCPT` and `DATA` are
    /// [`send`](Self::send)'s; a success of any other command is a reply of 2yz.
    ///
    /// # Errors
    ///
    /// The command is refused, by the machine or by the server.
    pub async fn call(&mut self, command: Command) -> Result<Reply> {
        let name = static_name(&command);
        self.finish_dropped().await?;
        let sent = self.session.machine().send(command)?;
        self.session.expect(sent);
        loop {
            match self.session.event().await? {
                Event::Reply { ticket, reply, .. } if ticket == sent => {
                    return if reply.is_positive() { Ok(reply) } else { Err(refused(name, &reply)) };
                }
                event => unclaimed(event)?,
            }
        }
    }

    pub(super) async fn finish_dropped(&mut self) -> Result<()> {
        let mut last_words = Ok(());
        self.session
            .finish_dropped(|event| {
                if let Event::Unsolicited { reply, .. } = event {
                    last_words = Err(refused("the connection", &reply));
                }
            })
            .await?;
        last_words
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let protocol = if self.session.machine_ref().is_lmtp() { Protocol::Lmtp } else { Protocol::Smtp };
        f.debug_struct("Client")
            .field("protocol", &protocol)
            .field("server", self.session.endpoint().address())
            .finish_non_exhaustive()
    }
}

/// What belongs to no call: a 421 or 221 that nobody asked for is the server's last word.
pub(super) fn unclaimed(event: Event) -> Result<()> {
    match event {
        Event::Unsolicited { reply, .. } => Err(refused("the connection", &reply)),
        Event::Malformed { error, .. } => {
            Err(mailwire_core::Error::Unexpected { what: error.reason, offset: error.offset }.into())
        }
        _ => Ok(()),
    }
}

/// A negative reply to `command` as an error.
pub(super) fn refused(command: &'static str, reply: &Reply) -> Error {
    let code = reply.enhanced().map(|code| Text::from(code.to_string()));
    let mut text = Vec::new();
    for line in reply.lines() {
        if !text.is_empty() {
            text.push(b' ');
        }
        text.extend_from_slice(line.as_bytes());
    }
    Refused::new(command, RefusedKind::Smtp(reply.code().get()), code, text.into()).into()
}

fn static_name(command: &Command) -> &'static str {
    match command {
        Command::Noop(_) => "NOOP",
        Command::Rset => "RSET",
        Command::Vrfy(_) => "VRFY",
        Command::Expn(_) => "EXPN",
        Command::Help(_) => "HELP",
        Command::Quit => "QUIT",
        Command::Auth(_) => "AUTH",
        _ => "the command",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_go_in_groups_by_default() {
        assert!(Config::default().pipelining && Config::lmtp().pipelining);
        assert!(!Config::anonymous().with_pipelining(false).pipelining);
    }
}
