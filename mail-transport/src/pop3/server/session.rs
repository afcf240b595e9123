//! A connection, from the greeting to the maildrop.

use mailwire_core::{Channel, Connection as _, SaslStep, Secret, Ticket};
use mailwire_pop3::{
    ApopDigest, ApopTimestamp, Command, Mechanism as Name, Password, Reply, ResponseCode, UserName,
    server::{Config, Connection, Event},
};
use md5::{Digest, Md5};

use super::{Maildrop, Refusal, Service, transaction::Transaction};
use crate::{
    Driver, DriverConfig, Error, Result, Step, Stream,
    sasl::{Authenticator, Identity, Mechanism, SaslContext, ServerExchange, ServerStep},
    server::{Handle, Notice},
    tls::TlsError,
};

const SHUTDOWN: &[u8] = b"-ERR [SYS/TEMP] the server shuts down, nothing was deleted\r\n";
const TOO_SLOW: &[u8] = b"-ERR nobody has logged in in time\r\n";

pub(super) async fn serve<S: Service>(
    service: &S,
    mut config: Config,
    stream: Stream,
    handle: Option<Handle>,
) -> Result<()> {
    let login = LogIn {
        service,
        allow_clear: config.allow_clear_credentials,
        handle,
        context: SaslContext::of_server(
            &stream,
            config.channel == Channel::Tls,
            config.allow_clear_credentials,
        ),
        apop: config.apop.clone(),
        exchange: None,
    };
    config.mechanisms = login.offered();
    let driver = Driver::with_config(stream, Connection::new(config), DriverConfig::server());
    Session { driver, login, transaction: None }.run().await
}

pub(super) type ServerDriver = Driver<Stream, Connection>;

struct Session<'a, S: Service> {
    driver: ServerDriver,
    login: LogIn<'a, S>,
    transaction: Option<Transaction<S::Maildrop>>,
}

/// What is needed until a maildrop is open.
struct LogIn<'a, S> {
    service: &'a S,
    allow_clear: bool,
    handle: Option<Handle>,
    context: SaslContext,
    apop: Option<ApopTimestamp>,
    exchange: Option<ServerExchange>,
}

impl<S: Service> Session<'_, S> {
    async fn run(mut self) -> Result<()> {
        let mut leaving = false;
        loop {
            let step = tokio::select! {
                biased;
                notice = notice(self.login.handle.as_ref()), if !leaving => {
                    leaving = true;
                    self.take_leave(notice);
                    continue;
                }
                step = self.driver.next() => step?,
            };
            match step {
                Step::Event(event) => self.event(event).await?,
                Step::Upgrade(_) => self.upgrade().await?,
                Step::Closed => return Ok(()),
                // Every command is answered before the next is asked for.
                Step::Blocked => return Err(mailwire_core::Misuse::WrongState("nothing is due").into()),
            }
        }
    }

    /// Between two commands: all answers before this one are whole.
    fn take_leave(&mut self, notice: Notice) {
        let machine = self.driver.connection_mut();
        machine.output().put(if notice == Notice::Unauthenticated { TOO_SLOW } else { SHUTDOWN });
        machine.close();
    }

    async fn upgrade(&mut self) -> Result<()> {
        let Some(handle) = self.login.handle.clone() else { return Err(TlsError::NotConfigured.into()) };
        self.driver
            .upgrade_in_place(Stream::Absent, |stream| async move { handle.start_tls(stream).await })
            .await?;
        self.login.context = SaslContext::of_server(self.driver.stream(), true, self.login.allow_clear);
        let mechanisms = self.login.offered();
        self.driver.connection_mut().set_mechanisms(mechanisms);
        Ok(())
    }

    async fn event(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Login { ticket, user, password, .. } => {
                let result = self.login.password(&user, password).await;
                self.logged_in(ticket, result).await
            }
            Event::Command { ticket, command: Command::Apop { name, digest }, .. } => {
                let result = self.login.apop(&name, digest).await;
                self.logged_in(ticket, result).await
            }
            Event::Command { ticket, command: Command::Auth { mechanism, initial }, .. } => {
                let step = self.login.start(&mechanism, initial).await;
                self.auth_step(ticket, step).await
            }
            Event::AuthResponse { ticket, step: step @ SaslStep::Data(_) } => {
                let step = self.login.step(&step).await;
                self.auth_step(ticket, step).await
            }
            // The machine has answered.
            Event::AuthResponse { .. } | Event::Malformed { ticket: Some(_), .. } => {
                self.login.exchange = None;
                Ok(())
            }
            Event::Command { ticket, command: Command::Stls, .. } => {
                Ok(self.driver.connection_mut().accept_upgrade(ticket)?)
            }
            Event::Command { ticket, command: Command::Quit, .. } => self.quit(ticket).await,
            Event::Command { ticket, command, .. } => match &mut self.transaction {
                Some(transaction) => transaction.command(&mut self.driver, ticket, command).await,
                None => self.refuse(ticket, Refusal::new("log in first")),
            },
            Event::Malformed { error, .. } => {
                tracing::debug!(%error, "a line that cannot be read");
                Ok(())
            }
            // Not its name: a line out of step can be a password.
            Event::Refused { reason, .. } => {
                tracing::debug!(reason, "refused");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn auth_step(&mut self, ticket: Ticket, step: Result<ServerStep, Refusal>) -> Result<()> {
        match step {
            Ok(ServerStep::Challenge(data)) => {
                Ok(self.driver.connection_mut().send_auth(SaslStep::Data(data))?)
            }
            Ok(ServerStep::Success(identity)) => self.logged_in(ticket, Ok(identity)).await,
            Ok(ServerStep::Unavailable) => self.logged_in(ticket, Err(Refusal::unavailable())).await,
            Ok(_) => self.logged_in(ticket, Err(wrong())).await,
            Err(refusal) => self.logged_in(ticket, Err(refusal)).await,
        }
    }

    /// Opens the maildrop, and answers.
    async fn logged_in(&mut self, ticket: Ticket, result: Result<Identity, Refusal>) -> Result<()> {
        self.login.exchange = None;
        let opened = async {
            let identity = result?;
            let mut maildrop = self.login.service.open(&identity).await?;
            let messages = maildrop.messages().await?;
            Ok::<_, Refusal>((identity, Transaction::new(maildrop, messages)))
        };
        match opened.await {
            Ok((identity, transaction)) => {
                tracing::info!(
                    user = identity.user,
                    acting_as = identity.acting_as,
                    mechanism = identity.mechanism.map(tracing::field::display),
                    messages = transaction.count(),
                    "logged in"
                );
                if let Some(handle) = &self.login.handle {
                    handle.authenticated();
                }
                let text = format!("{} messages ({} octets)", transaction.count(), transaction.octets());
                self.transaction = Some(transaction);
                Ok(self.driver.connection_mut().reply(ticket, Reply::ok(&text))?)
            }
            Err(refusal) => {
                tracing::info!(reason = refusal.text, "login refused");
                self.refuse(ticket, refusal)
            }
        }
    }

    async fn quit(&mut self, ticket: Ticket) -> Result<()> {
        let Some((maildrop, deleted)) = self.transaction.take().map(Transaction::finish) else {
            return Ok(self.driver.connection_mut().reply(ticket, Reply::ok("bye"))?);
        };
        let count = deleted.len();
        match maildrop.commit(deleted).await {
            Ok(()) => {
                tracing::info!(deleted = count, "quit");
                Ok(self.driver.connection_mut().reply(ticket, Reply::ok("bye"))?)
            }
            Err(refusal) => {
                tracing::warn!(count, reason = refusal.text, "messages not deleted");
                self.refuse(ticket, refusal)
            }
        }
    }

    fn refuse(&mut self, ticket: Ticket, refusal: Refusal) -> Result<()> {
        refuse(&mut self.driver, ticket, refusal)
    }
}

pub(super) fn refuse(driver: &mut ServerDriver, ticket: Ticket, refusal: Refusal) -> Result<()> {
    let reply = match refusal.code {
        Some(code) => Reply::err_with(code, &refusal.text),
        None => Reply::err(&refusal.text),
    };
    Ok(driver.connection_mut().reply(ticket, reply)?)
}

/// The same for a wrong name and a wrong password.
fn wrong() -> Refusal {
    Refusal::new("name or password is wrong").with_code(ResponseCode::AUTH)
}

impl<S: Service> LogIn<'_, S> {
    fn offered(&self) -> Vec<Name> {
        let offered = self.context.offered(self.service.authenticator().mechanisms());
        offered.into_iter().filter_map(|mechanism| Name::new(mechanism.name()).ok()).collect()
    }

    async fn password(&self, user: &UserName, password: Password) -> Result<Identity, Refusal> {
        let user = user.as_text().to_string_lossy();
        let authenticator = self.service.authenticator();
        if authenticator.verify_password(&user, &password.into_secret()).await? {
            Ok(Identity::new(user))
        } else {
            Err(wrong())
        }
    }

    async fn apop(&self, name: &UserName, digest: ApopDigest) -> Result<Identity, Refusal> {
        let user = name.as_text().to_string_lossy();
        let found = self.service.apop_secret(&user).await?;
        let timestamp = self.apop.as_ref().ok_or_else(wrong)?;
        // A name that does not exist costs the same.
        let known = found.is_some();
        let secret = found.unwrap_or_default();
        let expected = Md5::new().chain_update(timestamp.as_bytes()).chain_update(secret.expose()).finalize();
        let fits = ApopDigest::new(expected.into()) == digest;
        if fits && known && !secret.is_empty() { Ok(Identity::new(user)) } else { Err(wrong()) }
    }

    async fn start(&mut self, mechanism: &Name, initial: Option<Secret>) -> Result<ServerStep, Refusal> {
        let refused = || Refusal::new("this mechanism is not offered");
        let mechanism = Mechanism::from_name(mechanism).ok_or_else(refused)?;
        let authenticator = self.service.authenticator();
        let exchange = ServerExchange::new(authenticator, mechanism, &self.context).map_err(|_| refused())?;
        Ok(self.exchange.insert(exchange).start(authenticator, initial.as_ref()).await)
    }

    async fn step(&mut self, step: &SaslStep) -> Result<ServerStep, Refusal> {
        let exchange = self.exchange.as_mut().ok_or_else(wrong)?;
        Ok(exchange.step(self.service.authenticator(), step).await)
    }
}

async fn notice(handle: Option<&Handle>) -> Notice {
    match handle {
        Some(handle) => handle.notice().await,
        None => std::future::pending().await,
    }
}

/// A new timestamp, which nobody can foresee.
pub(super) fn timestamp(host: &str) -> Result<ApopTimestamp> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| Error::Io(std::io::Error::other(error.to_string())))?;
    let number = u128::from_ne_bytes(random);
    Ok(ApopTimestamp::new(format!("<{number:032x}@{host}>"))?)
}
