//! The client.

use mailwire_core::{Channel, Misuse, Text, Ticket, WrongState, escape_ascii};
use mailwire_smtp::{
    Argument, Auth, Capabilities, Capability, Command, Domain, Query, Reply, ReplyCode,
    client::{Connection, Event, Outcome},
    extensions::{client_id::ClientId, etrn::Node, xclient::Attributes},
};

use super::{Config, RefusedRecipient, needs::Settings};
use crate::{
    Endpoint, Error, InvalidValue, Phase, Protocol, Refused, RefusedKind, Result, Stream,
    runtime::Boxed,
    sasl::{ClientExchange, Credentials, Mechanism},
    session::{AuthEvent, Machine, Session, Verdict, Words, connecting, machine_turns},
};

impl Machine for Connection {
    type Witness = ();

    machine_turns!();

    fn completes(event: &Event) -> Option<Ticket> {
        match event {
            Event::Reply { ticket, .. } | Event::NoRecipients { ticket, .. } => Some(*ticket),
            Event::NotSent { ticket, .. } => Some(*ticket),
            Event::RecipientReply { data, last: true, .. } => Some(*data),
            _ => None,
        }
    }

    fn verdict(event: &Event) -> Option<Verdict> {
        match event {
            Event::Reply { reply, .. } | Event::RecipientReply { reply, .. } => {
                Some(Verdict::of(reply.code().class() < 4))
            }
            _ => None,
        }
    }

    fn words(event: &Event) -> Option<Words> {
        match event {
            Event::Unsolicited { reply, .. } if says_goodbye(reply) => {
                Some(Words::Goodbye(refusal("the connection", reply)))
            }
            Event::Unsolicited { reply, .. } | Event::StartTlsRefused { reply, .. } => {
                Words::sentence(reply.to_string().as_bytes())
            }
            Event::Malformed { bytes, .. } => Words::sentence(bytes),
            _ => None,
        }
    }

    fn is_closed(&self) -> bool {
        Self::is_closed(self)
    }

    fn service(&self) -> &'static str {
        if self.is_lmtp() { "lmtp" } else { "smtp" }
    }
}

/// Whether a reply that nothing asked for is the server's last word.
fn says_goodbye(reply: &Reply) -> bool {
    reply.code() == ReplyCode::CLOSING || reply.code().class() > 3
}

/// A client of SMTP, submission or LMTP.
///
/// Every call can be dropped at any point: the next one waits for what the dropped one left on the
/// way. Only a [`send`](Self::send) that is dropped within a message, and a login, leave the client
/// spent; then each call says [`Error::Spent`]. After an error that ends the connection each call says
/// [`Error::Ended`], with that error.
pub struct Client {
    pub(super) session: Session<Connection>,
    /// Of the last message, if it was accepted for nobody.
    pub(super) refused: Vec<RefusedRecipient>,
    /// The last message came as far as its MAIL.
    pub(super) begun: bool,
    /// What became of it, once that is known.
    pub(super) told: Option<Outcome>,
    /// BDAT may be used for what DATA can send, too.
    pub(super) chunking: bool,
    pub(super) settings: Settings,
    /// A command has changed who this client is for the server, or how the two speak.
    pub(super) altered: bool,
}

connecting!("smtp", "Submission");

impl Client {
    async fn begin(stream: Stream, channel: Channel, endpoint: Endpoint, config: Config) -> Result<Self> {
        let machine = Connection::new(config.machine(&endpoint, &stream, channel));
        let session = Session::over(stream, endpoint, machine);
        let chunking = config.chunking;
        let settings = Settings::from(&config);
        let mut client = Self {
            session,
            refused: Vec::new(),
            begun: false,
            told: None,
            chunking,
            settings,
            altered: false,
        };
        client.greet().await?;
        if let Some(credentials) = &config.credentials {
            client.session.enter(Phase::Login);
            client.prove(credentials, &config).await?;
        }
        client.session.enter(Phase::Command);
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
                event => self.unclaimed(event)?,
            }
        }
    }

    async fn prove(&mut self, given: &Credentials, config: &Config) -> Result<()> {
        let credentials = self.session.credentials(given).await?;
        let Err(error) = self.log_in(&credentials, config).await else { return Ok(()) };
        let renewed = self.session.renewed(given, &credentials, error).await?;
        self.log_in(&renewed, config).await
    }

    async fn log_in(&mut self, credentials: &Credentials, config: &Config) -> Result<()> {
        let context = self.session.sasl_context(
            config.allow_clear_credentials,
            config.binding_fallback,
            config.scram_iterations,
        );
        if let Some(mechanism) = &config.mechanism {
            let exchange = ClientExchange::with_mechanism(credentials, mechanism, &context)?;
            return self.authenticate(exchange).await;
        }
        let offered: Vec<_> = self.capabilities().auth().unwrap_or_default().to_vec();
        let offered = || offered.iter().map(Mechanism::as_bytes);
        let needs_tls = !self.is_encrypted() && self.capabilities().has(&Capability::StartTls);
        let exchange = ClientExchange::choose(credentials, offered(), &context)
            .map_err(|error| error.needing_tls(needs_tls))?;
        let mechanism = exchange.mechanism().clone();
        let Err(error) = self.authenticate(exchange).await else { return Ok(()) };
        let unbound = self.session.without_binding(&error, &mechanism, offered(), credentials, &context);
        let Some(exchange) = unbound else { return Err(error) };
        self.authenticate(exchange?).await?;
        self.session.note_unbound();
        Ok(())
    }

    async fn authenticate(&mut self, exchange: ClientExchange) -> Result<()> {
        let mechanism = exchange.mechanism().clone();
        let (exchange, initial) = exchange.initial_blocking().await?;
        let initial = initial?;
        let (auth, name) = self.put(Command::Auth(Auth::new(mechanism).with_initial(initial)))?;
        let read = |_: &Connection, event| match event {
            Event::AuthChallenge { data, .. } => AuthEvent::Challenge(data),
            Event::Reply { ticket, reply, .. } if ticket == auth => {
                AuthEvent::Ended(if reply.is_positive() { Ok(()) } else { Err(refused(name, &reply)) })
            }
            event => {
                unclaimed(event).map_or_else(|error| AuthEvent::Ended(Err(error)), |()| AuthEvent::Other)
            }
        };
        let result = self.session.authenticate(exchange, read).await;
        result.map_err(|error| self.session.failed(error))
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
        match self.told {
            Some(told) => told,
            None if self.begun => self.session.machine_ref().outcome(),
            None => Outcome::NotSent,
        }
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
        self.query(who, Command::Vrfy).await
    }

    /// EXPN: asks for the members of a mailing list ([RFC 5321 section 4.1.1.7](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.7)).
    ///
    /// # Errors
    ///
    /// The connection fails, or the server refuses.
    pub async fn expn(&mut self, list: &str) -> Result<Reply> {
        self.query(list, Command::Expn).await
    }

    /// Asks, and permits an answer beyond ASCII where the server can give one.
    async fn query(&mut self, text: &str, command: impl FnOnce(Query) -> Command) -> Result<Reply> {
        let query = Query::new(argument(text)?);
        let utf8 = query.smtp_utf8 || self.capabilities().has(&Capability::SmtpUtf8);
        self.call(command(query.with_smtp_utf8(utf8))).await
    }

    /// ETRN: asks that mail for a host be sent now, over another connection to it ([RFC
    /// 1985](https://www.rfc-editor.org/rfc/rfc1985)). The reply says what was begun: 250, 251 if nothing waits, 252 or
    /// 253 if something does.
    ///
    /// # Errors
    ///
    /// The server does not offer it, or refuses: 458, 459.
    pub async fn etrn(&mut self, node: Node) -> Result<Reply> {
        self.call(Command::Etrn(node)).await
    }

    /// ATRN: asks for the mail for these domains, or for all that belong to the user who has logged in ([RFC
    /// 2645](https://www.rfc-editor.org/rfc/rfc2645)). The roles change with the server's consent: what is returned is
    /// the stream, over which [`Server::serve_stream`](super::Server::serve_stream) takes the mail.
    ///
    /// # Errors
    ///
    /// The server does not offer it, or refuses: 450, 453 if there is no mail. This client is given up in any case.
    pub async fn atrn(mut self, domains: impl IntoIterator<Item = Domain>) -> Result<Stream> {
        self.call(Command::Atrn(domains.into_iter().collect())).await?;
        self.session.into_stream()
    }

    /// CLIENTID: tells which device or program this is.
    ///
    /// # Errors
    ///
    /// The server does not offer it, or refuses.
    pub async fn client_id(&mut self, id: ClientId) -> Result<Reply> {
        self.call(Command::ClientId(id)).await
    }

    /// XFORWARD: tells for the server's logs where the next message came from.
    ///
    /// # Errors
    ///
    /// The server does not offer it to this client, or not one of the attributes; or it refuses.
    pub async fn xforward(&mut self, attributes: Attributes) -> Result<Reply> {
        self.call(Command::Xforward(attributes)).await
    }

    /// XCLIENT: this side is a proxy, and what follows comes from its own client, of which the attributes tell. The
    /// session begins anew, with EHLO in this side's name: what the server offers may have changed, and nobody is
    /// logged in, unless the attributes say so.
    ///
    /// # Errors
    ///
    /// The server does not offer it to this client, or not one of the attributes; or it refuses: then the session is
    /// as it was, unless the refusal is of EHLO.
    pub async fn xclient(&mut self, attributes: Attributes) -> Result<()> {
        self.call(Command::Xclient(attributes)).await?;
        self.greet().await
    }

    /// VERB: asks for longer replies.
    ///
    /// # Errors
    ///
    /// The server does not offer it, or refuses.
    pub async fn verb(&mut self) -> Result<Reply> {
        self.call(Command::Verb).await
    }

    /// HELP: asks for help.
    ///
    /// # Errors
    ///
    /// The connection fails, or the server refuses.
    pub async fn help(&mut self) -> Result<Reply> {
        self.call(Command::Help(None)).await
    }

    /// QUIT: ends the session. As every command before it was answered, nothing depends on the answer: a
    /// connection that ends without it, by whatever means, has ended as it was to.
    ///
    /// # Errors
    ///
    /// The connection had ended before QUIT could be sent. All that was sent before is as it was.
    pub async fn quit(mut self) -> Result<()> {
        self.say_goodbye().await
    }

    /// QUIT, after which nothing can be called any more.
    pub(super) fn say_goodbye(&mut self) -> Boxed<'_, Result<()>> {
        Box::pin(async move {
            self.finish_dropped().await?;
            let limit = self.endpoint().timeouts().close;
            let said = crate::runtime::timeout(limit, self.call(Command::Quit)).await;
            if let Ok(Err(error)) = said {
                crate::traces::debug!(server = %self.endpoint().address(), %error, "QUIT without its answer");
            }
            let _ = self.session.close().await;
            Ok(())
        })
    }

    /// Sends a command and waits for its reply. `MAIL`, `RCPT` and `DATA` are
    /// [`send`](Self::send)'s; a success of any other command is a reply of 2yz. After MAIL and RCPT, BURL has the server fetch
    /// the message ([RFC 4468](https://www.rfc-editor.org/rfc/rfc4468)).
    ///
    /// # Errors
    ///
    /// The command is refused, by the machine or by the server.
    pub async fn call(&mut self, command: Command) -> Result<Reply> {
        self.answer_to(command).await
    }

    /// [`call`](Self::call), compiled once: async functions are compiled wherever they are called.
    fn answer_to(&mut self, command: Command) -> Boxed<'_, Result<Reply>> {
        Box::pin(async move {
            self.finish_dropped().await?;
            if matches!(&command, Command::Burl(part) if !part.last) {
                return Err(Misuse::WrongState(WrongState::Unsupported("BURL without LAST")).into());
            }
            let begins = matches!(command, Command::Mail(_));
            self.altered |= !leaves_the_session(&command);
            let (sent, name) = self.put(command)?;
            if begins {
                (self.begun, self.told) = (true, None);
            }
            loop {
                match self.session.event().await? {
                    Event::Reply { ticket, reply, .. } if ticket == sent && reply.is_positive() => {
                        return Ok(reply);
                    }
                    Event::Reply { ticket, reply, .. } if ticket == sent => {
                        return Err(self.session.failed(refused(name, &reply)));
                    }
                    event => self.unclaimed(event)?,
                }
            }
        })
    }

    /// Hands a command to the machine. No await lies between that and the note that its answer is due.
    fn put(&mut self, command: Command) -> Result<(Ticket, &'static str)> {
        let name = name_of(&command);
        match self.session.machine().send(command) {
            Ok(ticket) => Ok((self.session.expect(ticket, name), name)),
            Err(error) => Err(self.session.failed(error.into())),
        }
    }

    /// Forgets what became of the last message: there is another.
    pub(super) fn forget(&mut self) {
        self.refused.clear();
        (self.begun, self.told) = (false, None);
    }

    pub(super) async fn finish_dropped(&mut self) -> Result<()> {
        self.session.finish_dropped(drop).await
    }

    /// What belongs to no call.
    pub(super) fn unclaimed(&mut self, event: Event) -> Result<()> {
        unclaimed(event).map_err(|error| self.session.failed(error))
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

/// Whether the session is the same after a command as before it, for whoever comes next.
const fn leaves_the_session(command: &Command) -> bool {
    matches!(
        command,
        Command::Mail(_)
            | Command::Rcpt(_)
            | Command::Rset
            | Command::Noop(_)
            | Command::Vrfy(_)
            | Command::Expn(_)
            | Command::Help(_)
            | Command::Etrn(_)
            | Command::Quit
    )
}

/// What belongs to no call: a reply that nobody asked for is the server's last word.
pub(super) fn unclaimed(event: Event) -> Result<()> {
    match event {
        Event::Unsolicited { reply, .. } if says_goodbye(&reply) => Err(refused("the connection", &reply)),
        Event::Malformed { ticket: Some(_), error, .. } => {
            Err(mailwire_core::Error::Unexpected { what: error.reason, offset: error.offset }.into())
        }
        Event::Malformed { bytes, error, .. } => {
            crate::traces::warn!(line = %escape_ascii(&bytes), %error, "cannot be read");
            Ok(())
        }
        _ => Ok(()),
    }
}

/// A negative reply to `command` as an error.
pub(super) fn refused(command: &'static str, reply: &Reply) -> Error {
    refusal(command, reply).into()
}

fn refusal(command: &'static str, reply: &Reply) -> Refused {
    let code = reply.enhanced().map(|code| Text::from(code.to_string()));
    let mut text = Vec::new();
    for line in reply.lines() {
        if !text.is_empty() {
            text.push(b' ');
        }
        text.extend_from_slice(line.as_bytes());
    }
    Refused::new(command, RefusedKind::Smtp(reply.code().get()), code, text.into())
}

fn argument(text: &str) -> Result<Argument, InvalidValue> {
    Argument::try_from(text).map_err(|invalid| InvalidValue::new(invalid, text))
}

/// What a command is called in errors and traces.
pub(super) fn name_of(command: &Command) -> &'static str {
    command.known_name().unwrap_or("the command")
}
