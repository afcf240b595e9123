//! What the clients of the three protocols share: connecting, upgrading, and what becomes of a call
//! that was dropped.

use std::collections::VecDeque;

use mailwire_core::{Connection, Misuse, SaslStep, Secret, Text, Ticket, WrongState};

use crate::{
    Driver, DriverConfig, Endpoint, Error, Result, Step, Stream,
    sasl::{ClientExchange, SaslContext},
};

/// A client's machine, as far as a session has to understand it.
pub(crate) trait Machine: Connection<Error = mailwire_core::Error> {
    /// The command for which this event is the last one, if it is anyone's last.
    fn completes(event: &Self::Event) -> Option<Ticket>;

    /// Ends what is in progress and not wanted any more, where that is for this side to do.
    fn cut_short(&mut self) {}
}

/// What an event of a machine means to a SASL exchange that goes on.
pub(crate) enum AuthEvent {
    /// The server's next message.
    Challenge(Secret),
    /// The server's message could not be read, and the machine has cancelled the exchange.
    #[cfg(feature = "pop3")]
    Cancelled(mailwire_core::ParseError),
    /// The end of the command, and whether the server was content.
    Ended(Result<()>),
    /// No part of the exchange.
    Other,
}

/// A driver of a client's machine that outlives dropped calls.
///
/// A call that is dropped between its command and its answer leaves the answer on the way. Its ticket
/// stays here, and the next call first waits for that answer and throws it away
/// ([`finish_dropped`](Self::finish_dropped)). A call that is dropped where nothing can be made good, within a body or
/// an authentication, leaves the session spent.
pub(crate) struct Session<C> {
    driver: Driver<Stream, C>,
    endpoint: Endpoint,
    /// Commands whose last event has not come yet, in the order in which they were sent.
    pending: VecDeque<Ticket>,
    /// Something is on its way that only the call which started it can end.
    held: bool,
}

impl<C: Machine> Session<C> {
    /// A session over `stream`, which is within TLS if that is implicit. The machine has not been run.
    pub(crate) fn over(stream: Stream, endpoint: Endpoint, machine: C) -> Self {
        let config = DriverConfig { close_timeout: endpoint.timeouts().close, ..DriverConfig::client() };
        let driver = Driver::with_config(stream, machine, config);
        Self { driver, endpoint, pending: VecDeque::new(), held: false }
    }

    /// The machine, to put commands and bodies into.
    pub(crate) const fn machine(&mut self) -> &mut C {
        self.driver.connection_mut()
    }

    /// The machine, to ask.
    pub(crate) const fn machine_ref(&self) -> &C {
        self.driver.connection()
    }

    /// Whom this session is with.
    pub(crate) const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The stream, to ask what protects it.
    const fn stream(&self) -> &Stream {
        self.driver.stream()
    }

    /// A command was sent, and its answer is due.
    pub(crate) fn expect(&mut self, ticket: Ticket) -> Ticket {
        self.pending.push_back(ticket);
        ticket
    }

    /// Whether the answer to a command is still due, or on its way.
    #[cfg(feature = "pop3")]
    pub(crate) fn is_pending(&self, ticket: Ticket) -> bool {
        self.pending.contains(&ticket)
    }

    /// From here until [`release`](Self::release), a dropped call spends the session.
    #[cfg(any(feature = "smtp", feature = "imap"))]
    pub(crate) const fn hold(&mut self) {
        self.held = true;
    }

    /// The call can be dropped again.
    #[cfg(any(feature = "smtp", feature = "imap"))]
    pub(crate) const fn release(&mut self) {
        self.held = false;
    }

    /// The next event; `None` when all is written and it is this side's move.
    pub(crate) async fn next(&mut self) -> Result<Option<C::Event>> {
        loop {
            match self.driver.next().await? {
                Step::Event(event) => {
                    if let Some(ended) = C::completes(&event) {
                        self.pending.retain(|&ticket| ticket != ended);
                    }
                    return Ok(Some(event));
                }
                Step::Blocked => return Ok(None),
                Step::Upgrade(_) => {
                    let endpoint = self.endpoint.clone();
                    self.driver
                        .upgrade_in_place(Stream::Absent, |stream, _| async move {
                            endpoint.start_tls(stream).await
                        })
                        .await?;
                }
                Step::Closed => return Err(Error::Closed),
            }
        }
    }

    /// The next event, where only an event can come.
    pub(crate) async fn event(&mut self) -> Result<C::Event> {
        match self.next().await? {
            Some(event) => Ok(event),
            None => Err(Misuse::WrongState(WrongState::NothingDue("answer of the server")).into()),
        }
    }

    /// Starts a call: waits for what dropped calls have left on the way. `unclaimed` is given what comes
    /// meanwhile, for data that belongs to no call.
    ///
    /// # Errors
    ///
    /// [`Error::Spent`] if one was dropped where that does not help.
    pub(crate) async fn finish_dropped(&mut self, mut unclaimed: impl FnMut(C::Event)) -> Result<()> {
        if self.held {
            self.machine().close();
            return Err(Error::Spent);
        }
        while !self.pending.is_empty() {
            self.machine().cut_short();
            unclaimed(self.event().await?);
        }
        Ok(())
    }

    /// Runs an exchange whose command was sent, to the end of the command. `read` tells what an event
    /// means to it.
    ///
    /// # Errors
    ///
    /// The server refuses, or is not the one that it claims to be; or the connection fails.
    pub(crate) async fn authenticate(
        &mut self,
        mut exchange: ClientExchange,
        mut read: impl FnMut(C::Event) -> AuthEvent,
    ) -> Result<()> {
        let mut failure = None;
        loop {
            match read(self.event().await?) {
                AuthEvent::Challenge(challenge) => {
                    let step = exchange.step(&challenge).unwrap_or_else(|error| {
                        failure = Some(error);
                        SaslStep::Cancel
                    });
                    self.machine().send_auth(step)?;
                }
                #[cfg(feature = "pop3")]
                AuthEvent::Cancelled(error) => failure = Some(crate::sasl::SaslError::Malformed(error)),
                AuthEvent::Ended(end) => {
                    // The server answers what was cancelled with an error of its own.
                    if let Some(error) = failure {
                        return Err(error.into());
                    }
                    return match end {
                        Ok(()) => Ok(exchange.finish(None)?),
                        Err(Error::Refused(mut refused)) => {
                            if let Some(error) = exchange.server_error() {
                                let text = [refused.text.as_bytes(), error.as_bytes()].join(&b'\n');
                                refused.text = Text::from(text);
                            }
                            Err(Error::Refused(refused))
                        }
                        Err(error) => Err(error),
                    };
                }
                AuthEvent::Other => {}
            }
        }
    }

    /// What SASL may rely on over this session's stream.
    pub(crate) fn sasl_context(&self, allow_clear_credentials: bool) -> SaslContext {
        SaslContext::of(self.stream()).allow_clear_credentials(allow_clear_credentials)
    }

    /// Ends the connection from this side: writes what waits, and closes the stream.
    pub(crate) async fn close(&mut self) -> Result<()> {
        self.machine().close();
        loop {
            match self.next().await {
                Ok(Some(_)) => {}
                Ok(None) | Err(Error::Closed) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Gives a client the ways to its server, in the same words for each protocol. The client has a `session`
/// and `begin(stream, channel, endpoint, config)`, its module a `Config` with `login(credentials)`.
macro_rules! connecting {
    ($module:literal, $protocol:literal) => {
        impl Client {
            /// Connects, with TLS as the endpoint says, and logs in by the best mechanism that the server
            /// offers.
            ///
            /// # Examples
            ///
            /// ```no_run
            /// # async fn example() -> mailwire_transport::Result<()> {
            #[doc = concat!("use mailwire_transport::{Endpoint, Protocol, Security, ", $module, ", sasl::Credentials};")]
            ///
            #[doc = concat!("let endpoint = Endpoint::new(\"mail.example.org\", Protocol::", $protocol, ", Security::implicit_tls());")]
            /// let credentials = Credentials::password("ada", "secret");
            #[doc = concat!("let client = ", $module, "::Client::connect(endpoint, &credentials).await?;")]
            /// assert!(client.is_encrypted());
            /// # Ok(())
            /// # }
            /// ```
            ///
            /// # Errors
            ///
            /// The connection, the TLS handshake or the login fails; or the login would show the password
            /// in clear.
            pub async fn connect(endpoint: Endpoint, credentials: &Credentials) -> Result<Self> {
                Self::connect_with(endpoint, Config::login(credentials.clone())).await
            }

            /// Connects, with TLS as the endpoint says, and logs in as the configuration says.
            ///
            /// # Errors
            ///
            /// As [`connect`](Self::connect).
            pub async fn connect_with(endpoint: Endpoint, config: Config) -> Result<Self> {
                let stream = endpoint.connect().await?;
                Self::begin(stream, endpoint.channel(), endpoint, config).await
            }

            /// Begins a session over a stream that is there: a proxy's tunnel, a pipe in tests. TLS comes
            /// on top of it as the endpoint says, unless the stream has it already.
            ///
            /// # Errors
            ///
            /// As [`connect`](Self::connect).
            pub async fn over(stream: Stream, endpoint: Endpoint, config: Config) -> Result<Self> {
                let (stream, channel) = endpoint.adopt(stream).await?;
                Self::begin(stream, channel, endpoint, config).await
            }

            /// Returns the server that this session is with.
            #[must_use]
            pub const fn endpoint(&self) -> &Endpoint {
                self.session.endpoint()
            }

            /// Whether the connection is protected, by TLS or because it never leaves the machine.
            #[must_use]
            pub fn is_encrypted(&self) -> bool {
                self.session.machine_ref().is_tls()
            }
        }
    };
}
pub(crate) use connecting;
