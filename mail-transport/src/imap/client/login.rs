//! From the greeting to the authenticated state.

use mailwire_core::{Channel, Misuse, Secret, WrongState};
use mailwire_imap::{
    Capability,
    client::{Connection, Event, State},
    command::{AString, Authenticate, Command, Login},
    response::ReplyKind,
};

use super::{
    Client, Config, LoginMechanism,
    call::{hand_back, refuses_continuation},
    error::refused,
};
use crate::{
    Phase, Result,
    sasl::{ClientExchange, Credentials, Mechanism, SaslContext, SaslError},
    session::AuthEvent,
};

impl Client {
    /// Waits until the server is there, TLS is up and it is known what is offered.
    pub(super) async fn greet(&mut self, channel: Channel) -> Result<()> {
        let mut greeted = false;
        loop {
            let machine = self.session.machine_ref();
            let protected = channel != Channel::StartTls || machine.is_tls();
            if greeted && protected && (machine.capabilities().is_known() || machine.outstanding() == 0) {
                return Ok(());
            }
            match self.session.event().await? {
                Event::Greeting { greeting, .. } if greeting.kind == ReplyKind::Bye => {
                    return Err(self.session.failed(refused("the connection", &greeting)));
                }
                Event::Greeting { greeting, .. } => {
                    greeted = true;
                    // What was said in clear is forgotten.
                    if protected {
                        self.inbox.complete(&greeting);
                    }
                }
                event => self.inbox.unclaimed(event),
            }
        }
    }

    /// Logs in once more, after [`unauthenticate`](Self::unauthenticate). Of `config` counts what is about the
    /// login. As with [`connect`](Self::connect), it has the time of [`Timeouts::login`](crate::Timeouts::login).
    ///
    /// # Errors
    ///
    /// The login fails, or would show the password in clear; somebody is logged in already; or the connection
    /// fails.
    pub async fn log_in(&mut self, config: &Config) -> Result<()> {
        self.settle().await?;
        if self.state() != State::NotAuthenticated {
            return Err(Misuse::WrongState(WrongState::AlreadyAuthenticated).into());
        }
        self.await_capabilities().await?;
        let limit = self.endpoint().timeouts().login;
        self.session.enter(Phase::Login);
        let result = crate::within(limit, Phase::Login, self.prove(config)).await;
        self.session.enter(Phase::Command);
        result
    }

    pub(super) async fn prove(&mut self, config: &Config) -> Result<()> {
        let Some(given) = &config.credentials else { return Ok(()) };
        if self.state() != State::NotAuthenticated {
            return Ok(());
        }
        let credentials = self.session.credentials(given).await?;
        if let Err(error) = self.prove_by(&credentials, config).await {
            let renewed = self.session.renewed(given, &credentials, error).await?;
            self.prove_by(&renewed, config).await?;
        }
        // Servers offer more after the login. Not all say so unasked; then the machine has asked.
        self.await_capabilities().await
    }

    async fn prove_by(&mut self, credentials: &Credentials, config: &Config) -> Result<()> {
        let context = self.session.sasl_context(
            config.allow_clear_credentials,
            config.binding_fallback,
            config.scram_iterations,
        );
        match self.plan(config.mechanism.as_ref(), credentials, &context)? {
            Plan::Sasl(exchange) => {
                let mechanism = exchange.mechanism().clone();
                if let Err(error) = self.authenticate(*exchange).await {
                    if config.mechanism.is_some() {
                        return Err(error);
                    }
                    let offered = self.capabilities().mechanisms().map(Mechanism::as_bytes);
                    let unbound =
                        self.session.without_binding(&error, &mechanism, offered, credentials, &context);
                    let Some(exchange) = unbound else { return Err(error) };
                    self.authenticate(exchange?).await?;
                    self.session.note_unbound();
                }
            }
            Plan::Login(user, password) => {
                let login = Login::new(AString::new(user)?, password.clone())?;
                let call = self.send(Command::Login(login))?;
                self.finish(call, &mut hand_back).await?;
                self.session.logged_in(None);
            }
        }
        Ok(())
    }

    async fn await_capabilities(&mut self) -> Result<()> {
        while !self.session.machine_ref().capabilities().is_known()
            && self.session.machine_ref().outstanding() > 0
        {
            let event = self.session.event().await?;
            self.inbox.unclaimed(event);
        }
        Ok(())
    }

    fn plan<'a>(
        &self,
        mechanism: Option<&LoginMechanism>,
        credentials: &'a Credentials,
        context: &SaslContext,
    ) -> Result<Plan<'a>> {
        let simple = credentials.name_and_password();
        let login = |(user, password)| {
            if context.policy().permits_password() {
                Ok(Plan::Login(user, password))
            } else {
                Err(SaslError::CredentialsInClear.into())
            }
        };
        match mechanism {
            Some(LoginMechanism::Sasl(mechanism)) => {
                let exchange = ClientExchange::with_mechanism(credentials, mechanism, context)?;
                return Ok(Plan::Sasl(Box::new(exchange)));
            }
            Some(LoginMechanism::Login) => return login(simple?),
            None => {}
        }
        let offered = self.capabilities().mechanisms().map(|mechanism| mechanism.as_bytes());
        let refuses_login = self.has(&Capability::LoginDisabled);
        match (ClientExchange::choose(credentials, offered, context), simple) {
            // LOGIN is PLAIN, which comes before it where nobody can listen.
            (Ok(exchange), Ok(simple))
                if *exchange.mechanism() == Mechanism::CramMd5
                    && context.is_protected()
                    && !refuses_login =>
            {
                login(simple)
            }
            (Ok(exchange), _) => Ok(Plan::Sasl(Box::new(exchange))),
            (Err(SaslError::NoMechanism { .. }), Ok(simple)) if !refuses_login => login(simple),
            (Err(error), _) => {
                let forbids = refuses_login || self.has(&Capability::StartTls);
                Err(error.needing_tls(forbids && !self.is_encrypted()).into())
            }
        }
    }

    async fn authenticate(&mut self, exchange: ClientExchange) -> Result<()> {
        let mechanism = exchange.mechanism().clone();
        let (exchange, initial) = exchange.initial_blocking().await?;
        let initial = initial?;
        let call = self.send(Command::Authenticate(Authenticate { mechanism, initial }))?;
        let Self { session, inbox, .. } = self;
        let mut refused_early = false;
        let read = |machine: &Connection, event| match event {
            Event::AuthChallenge { ticket, data } if ticket == call.ticket => AuthEvent::Challenge(data),
            event => {
                if let Some(reply) = refuses_continuation(machine, &event) {
                    refused_early = true;
                    return AuthEvent::Ended(Err(refused(call.name, reply)));
                }
                match inbox.ended(call, event) {
                    Some(end) => AuthEvent::Ended(end.map(drop)),
                    None => AuthEvent::Other,
                }
            }
        };
        let result = session.authenticate(exchange, read).await;
        result.map_err(|error| if refused_early { session.end(error) } else { session.failed(error) })
    }
}

enum Plan<'a> {
    Sasl(Box<ClientExchange>),
    Login(&'a str, &'a Secret),
}
