//! From the greeting to the authenticated state.

use mailwire_core::{Channel, Secret};
use mailwire_imap::{
    Capability,
    client::{Event, State},
    command::{AString, Authenticate, Command, Login},
    response::ReplyKind,
};

use super::{Client, Config, LoginMechanism, error::refused};
use crate::{
    Result,
    sasl::{ClientExchange, Credentials, SaslContext, SaslError},
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
        let context = self.session.sasl_context(config.allow_clear_credentials);
        match self.plan(config.mechanism.as_ref(), credentials, &context)? {
            Plan::Sasl(exchange) => self.authenticate(*exchange).await?,
            Plan::Login(user, password) => {
                let login = Login::new(AString::new(user)?, password.clone())?;
                let call = self.send(Command::Login(login))?;
                self.finish(call, |data| Ok(Some(data))).await?;
            }
        }
        // Servers offer more after the login. Not all say so unasked; then the machine has asked.
        while !self.session.machine_ref().capabilities().is_known()
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
        match (ClientExchange::choose(credentials, offered, context), simple) {
            (Ok(exchange), _) => Ok(Plan::Sasl(Box::new(exchange))),
            (Err(SaslError::NoMechanism { .. }), Ok(simple)) if !self.has(&Capability::LoginDisabled) => {
                login(simple)
            }
            (Err(error), _) => Err(error.into()),
        }
    }

    async fn authenticate(&mut self, mut exchange: ClientExchange) -> Result<()> {
        let mechanism = exchange.mechanism().clone();
        let initial = exchange.initial()?;
        let call = self.send(Command::Authenticate(Authenticate { mechanism, initial }))?;
        let Self { session, inbox, .. } = self;
        let read = |event| match event {
            Event::AuthChallenge { ticket, data } if ticket == call.ticket => AuthEvent::Challenge(data),
            event => match inbox.ended(call, event) {
                Some(end) => AuthEvent::Ended(end.map(drop)),
                None => AuthEvent::Other,
            },
        };
        let result = session.authenticate(exchange, read).await;
        result.map_err(|error| self.inbox.explain(call.name, error))
    }
}

enum Plan<'a> {
    Sasl(Box<ClientExchange>),
    Login(&'a str, &'a Secret),
}
