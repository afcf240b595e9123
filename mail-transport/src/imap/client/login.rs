//! From the greeting to the authenticated state.

use mailwire_core::{Channel, Connection as _, SaslStep, Secret, Text};
use mailwire_imap::{
    Capability,
    client::{Event, State},
    command::{AString, Authenticate, Command, Login},
    response::ReplyKind,
    types::Atom,
};

use super::{Client, Config, LoginMechanism, refused};
use crate::{
    Error, Result,
    sasl::{ClientExchange, Credentials, Mechanism, SaslContext, SaslError},
};

impl Client {
    /// Waits until the server is there, TLS is up and it is known what is offered.
    pub(super) async fn greet(&mut self, channel: Channel) -> Result<()> {
        let mut greeted = false;
        loop {
            let machine = self.session.machine_ref();
            let protected = channel != Channel::StartTls || machine.is_tls();
            if greeted && protected && (machine.capabilities().is_some() || machine.outstanding() == 0) {
                return Ok(());
            }
            match self.session.event().await.map_err(|error| self.inbox.explain("the connection", error))? {
                Event::Greeting { greeting, .. } if greeting.kind == ReplyKind::Bye => {
                    return Err(refused("the connection", &greeting));
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

    pub(super) async fn log_in(&mut self, config: &Config) -> Result<()> {
        let Some(credentials) = &config.credentials else { return Ok(()) };
        if self.state() != State::NotAuthenticated {
            return Ok(());
        }
        let mut context = SaslContext::of(self.session.stream());
        if config.allow_clear_credentials {
            context = context.allow_clear_credentials();
        }
        match self.plan(config.mechanism, credentials, &context)? {
            Plan::Sasl(exchange) => self.authenticate(*exchange).await?,
            Plan::Login(user, password) => {
                let login = Login::new(AString::new(user)?, password.clone())?;
                let call = self.send(Command::Login(login))?;
                self.finish(call, |data| Ok(Some(data))).await?;
            }
        }
        // Servers offer more behind the login. Not all say so unasked; then the machine has asked.
        while self.session.machine_ref().capabilities().is_none()
            && self.session.machine_ref().outstanding() > 0
        {
            let event = self.session.event().await;
            let event = event.map_err(|error| self.inbox.explain("CAPABILITY", error))?;
            self.inbox.unclaimed(event);
        }
        Ok(())
    }

    fn plan<'a>(
        &self,
        mechanism: Option<LoginMechanism>,
        credentials: &'a Credentials,
        context: &SaslContext,
    ) -> Result<Plan<'a>> {
        const NOT_SIMPLE: SaslError = SaslError::InvalidCredentials("only a name and a password can be");
        let simple = simple(credentials);
        let login = |(user, password)| {
            if context.may_show_credentials() {
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
            Some(LoginMechanism::Login) => return login(simple.ok_or(NOT_SIMPLE)?),
            None => {}
        }
        let offered = self.capabilities().iter().filter_map(|capability| match capability {
            Capability::Auth(name) => Some(name.as_bytes()),
            _ => None,
        });
        match (ClientExchange::choose(credentials, offered, context), simple) {
            (Ok(exchange), _) => Ok(Plan::Sasl(Box::new(exchange))),
            (Err(SaslError::NoMechanism { .. }), Some(simple)) if !self.has(&Capability::LoginDisabled) => {
                login(simple)
            }
            (Err(error), _) => Err(error.into()),
        }
    }

    async fn authenticate(&mut self, mut exchange: ClientExchange) -> Result<()> {
        let mechanism = Atom::new(exchange.mechanism().name())?;
        let initial = exchange.initial()?;
        let call = self.send(Command::Authenticate(Authenticate { mechanism, initial }))?;
        let mut failure = None;
        loop {
            match self.event(call).await? {
                Event::AuthChallenge { ticket, data } if ticket == call.ticket => {
                    let step = exchange.step(&data).unwrap_or_else(|error| {
                        failure = Some(error);
                        SaslStep::Cancel
                    });
                    self.session.machine().send_auth(step)?;
                }
                event => match (self.ended(call, event), failure.take()) {
                    (None, kept) => failure = kept,
                    // The server ends what was cancelled with BAD.
                    (Some(_), Some(error)) => return Err(error.into()),
                    (Some(Ok(_)), None) => return Ok(exchange.finish(None)?),
                    (Some(Err(Error::Refused(mut refused))), None) => {
                        if let Some(error) = exchange.server_error() {
                            let text = [refused.text.as_bytes(), error.as_bytes()].join(&b'\n');
                            refused.text = Text::from(text);
                        }
                        return Err(Error::Refused(refused));
                    }
                    (Some(Err(error)), None) => return Err(error),
                },
            }
        }
    }
}

enum Plan<'a> {
    Sasl(Box<ClientExchange>),
    Login(&'a str, &'a Secret),
}

/// A name and a password and nothing else: what the mechanism LOGIN can carry, the command can.
fn simple(credentials: &Credentials) -> Option<(&str, &Secret)> {
    if !credentials.mechanisms().contains(&Mechanism::Login) {
        return None;
    }
    credentials.user().zip(credentials.password_secret())
}
