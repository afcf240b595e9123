//! A connection, from the greeting to the maildrop.

use mailwire_core::{Connection as _, Misuse, SaslStep, Secret, Ticket, WrongState};
use mailwire_pop3::{
    ApopDigest, ApopTimestamp, Capability, Command, Reply, ResponseCode, Xclient,
    server::{Config, Connection, Event, Utf8Offer},
};
use md5::{Digest, Md5};

use std::net::SocketAddr;

use super::{
    Maildrop, Policy, Refusal, Service, Utf8,
    delays::Delays,
    speech::Speech,
    transaction::{ServerDriver, Transaction},
};
use crate::{
    Driver, Error, Result, Step,
    sasl::{
        Identity, Mechanism, ServerStep, Unavailable,
        prepare::{canonical, for_digest},
    },
    server::{Accepted, Handle, LoginGate, Notice, login::judge},
};

pub(super) async fn serve<S: Service>(
    service: &S,
    delays: &Delays,
    mut config: Config,
    client: Accepted,
) -> Result<()> {
    let gate = LoginGate::new(&client, config.allow_clear_credentials);
    let Accepted { stream, channel, handle, .. } = client;
    config.channel = channel;
    config.mechanisms = gate.offered(service.authenticator());
    config.utf8 = match service.utf8() {
        Utf8::AsItIs => Utf8Offer::Nothing,
        // Names and passwords are prepared by whoever checks them.
        Utf8::Surrogate | Utf8::Refuse => Utf8Offer::MessagesAndCredentials,
    };
    config.lang = !service.languages().is_empty();
    let more = config.more().to_vec();
    config.set_more(announced(&more, &service.policy()))?;
    let apop = config.apop.clone();
    let driver = Driver::with_config(stream, Connection::new(config), handle.driver_config());
    let mut session = Session { service, delays, driver, handle, gate, apop, more, transaction: None };
    session.run().await
}

/// What is announced besides what the machine does by itself.
fn announced(more: &[Capability], policy: &Policy) -> Vec<Capability> {
    let policy: Vec<Capability> = policy.capabilities().collect();
    let others = more.iter().filter(|one| policy.iter().all(|said| said.tag() != one.tag()));
    others.cloned().chain(policy.iter().cloned()).collect()
}

struct Session<'a, S: Service> {
    service: &'a S,
    delays: &'a Delays,
    driver: ServerDriver,
    handle: Handle,
    gate: LoginGate,
    apop: Option<ApopTimestamp>,
    /// What the application announces whatever its policy is.
    more: Vec<Capability>,
    transaction: Option<Transaction<S::Maildrop>>,
}

impl<S: Service> Session<'_, S> {
    async fn run(&mut self) -> Result<()> {
        let handle = self.handle.clone();
        loop {
            let step = tokio::select! {
                biased;
                notice = self.handle.notice() => {
                    self.take_leave(notice);
                    continue;
                }
                step = self.driver.next() => step?,
            };
            match step {
                Step::Event(event) => {
                    // Apart: a connection that waits keeps no room for it.
                    if let Some(overdue) = handle.unless_overdue(Box::pin(self.event(event))).await? {
                        self.take_leave(overdue);
                    }
                }
                Step::Upgrade(_) => {
                    self.handle.upgrade(&mut self.driver).await?;
                    self.gate.upgraded(self.driver.stream());
                    let offered = self.gate.offered(self.service.authenticator());
                    self.driver.connection_mut().set_mechanisms(offered);
                }
                Step::Closed => return Ok(()),
                // Every command is answered before the next is asked for.
                Step::Blocked => return Err(Misuse::WrongState(WrongState::NothingDue("step")).into()),
            }
        }
    }

    /// Between two commands, or in place of the answer to one.
    fn take_leave(&mut self, notice: Notice) {
        self.handle.end_soon(&mut self.driver);
        let machine = self.driver.connection_mut();
        let goodbye = match notice {
            Notice::Unauthenticated => Reply::err("nobody has logged in in time"),
            Notice::Expired => Reply::err("this session has lasted for too long, nothing was deleted"),
            Notice::Shutdown => {
                Reply::err_with(ResponseCode::SYS_TEMP, "the server shuts down, nothing was deleted")
            }
        };
        // There is nothing to be said before TLS or within a message, and nobody to hear it after the end.
        if machine.goodbye(goodbye).is_err() {
            machine.close();
        }
    }

    async fn event(&mut self, event: Event) -> Result<()> {
        match &event {
            Event::Command { command, .. } => crate::metrics::command("pop3", command.known_name()),
            Event::Login { .. } => crate::metrics::command("pop3", Some("PASS")),
            _ => {}
        }
        match event {
            Event::Login { ticket, user, password, .. } => {
                let user = user.as_text().to_string_lossy();
                let authenticator = self.service.authenticator();
                let step = self.gate.password(authenticator, &user, &password.into_secret()).await;
                self.login_step(ticket, step).await
            }
            Event::Command { ticket, command: Command::Apop { name, digest }, .. } => {
                let user = canonical(self.service.authenticator(), &name.as_text().to_string_lossy());
                let step = match self.gate.begin(&user).await {
                    Ok(attempt) => {
                        let fits = apop(self.service, self.apop.as_ref(), &user, digest).await;
                        judge(user, fits, attempt)
                    }
                    Err(Unavailable) => ServerStep::Unavailable,
                };
                self.login_step(ticket, step).await
            }
            Event::Command { ticket, command: Command::Auth { mechanism, initial }, .. } => {
                self.auth(ticket, &mechanism, initial).await
            }
            Event::AuthResponse { ticket, step: step @ SaslStep::Data(_) } => {
                let step = self.gate.step(self.service.authenticator(), &step).await;
                self.login_step(ticket, step).await
            }
            // The machine has answered.
            Event::AuthResponse { .. } | Event::Malformed { ticket: Some(_), .. } => {
                self.gate.cancel();
                Ok(())
            }
            Event::Command { ticket, command: Command::Stls, .. } => {
                Ok(self.driver.connection_mut().accept_upgrade(ticket)?)
            }
            Event::Command { ticket, command: Command::Xclient(client), .. } => {
                self.speaks_for(&client);
                Ok(self.driver.connection_mut().reply(ticket, Reply::ok("updated"))?)
            }
            Event::Command { ticket, command: Command::Lang(range), .. } => {
                let mut speech = Speech::new(self.service, self.driver.connection());
                speech.lang(&mut self.driver, ticket, range.as_ref()).await
            }
            Event::Command { ticket, command: Command::Quit, .. } => self.quit(ticket).await,
            Event::Command { ticket, command, .. } => match &mut self.transaction {
                Some(transaction) => {
                    let speech = Speech::new(self.service, self.driver.connection());
                    transaction.command(&mut self.driver, &speech, ticket, command).await
                }
                None => self.refuse(ticket, Refusal::new("log in first")),
            },
            Event::Malformed { error, .. } => {
                tracing::debug!(%error, "a line that cannot be read");
                Ok(())
            }
            // Not its name: a line out of step can be a password.
            Event::Refused { reply, .. } => {
                tracing::debug!(reason = reply.text().map(tracing::field::display), "refused");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn auth(&mut self, ticket: Ticket, name: &Mechanism, initial: Option<Secret>) -> Result<()> {
        let authenticator = self.service.authenticator();
        let step = self.gate.start(authenticator, name, initial.as_ref()).await;
        match step {
            Ok(step) => self.login_step(ticket, step).await,
            Err(_) => self.refuse(ticket, Refusal::new("this mechanism is not offered")),
        }
    }

    async fn login_step(&mut self, ticket: Ticket, step: ServerStep) -> Result<()> {
        match step {
            ServerStep::Challenge(data) => {
                Ok(self.driver.connection_mut().send_auth(SaslStep::Data(data))?)
            }
            ServerStep::Success(identity) => self.open(ticket, &identity).await,
            ServerStep::Unavailable => self.refuse_login(ticket, Refusal::unavailable()),
            // One answer for a wrong name and a wrong password.
            _ => {
                let wrong = Refusal::new("name or password is wrong").with_code(ResponseCode::AUTH);
                self.refuse_login(ticket, wrong)
            }
        }
    }

    fn refuse_login(&mut self, ticket: Ticket, refusal: Refusal) -> Result<()> {
        tracing::info!(reason = refusal.text, "login refused");
        self.refuse(ticket, refusal)
    }

    /// Opens the maildrop of a user who has logged in, and answers.
    async fn open(&mut self, ticket: Ticket, identity: &Identity) -> Result<()> {
        let is_utf8 = self.driver.connection().is_utf8();
        let utf8 = if is_utf8 { Utf8::AsItIs } else { self.service.utf8() };
        let opened = async {
            let policy = self.service.policy_of(identity).await?;
            let delay = policy.login_delay.filter(|_| !self.service.keeps_login_delay());
            // Before the maildrop is opened, which costs most (RFC 2449 section 6.5).
            if delay.is_some() && self.delays.left(&identity.acting_as).is_some() {
                return Err(Refusal::login_delay());
            }
            let mut maildrop = self.service.open(identity).await?;
            let messages = maildrop.messages().await?;
            Ok((policy, delay, Transaction::new(maildrop, messages, utf8, policy.expire)))
        };
        match opened.await {
            Ok((policy, delay, mut transaction)) => {
                self.gate.let_in(identity);
                if let Some(delay) = delay {
                    self.delays.begin(&identity.acting_as, delay);
                }
                let more = announced(&self.more, &policy.after(&self.service.policy()));
                self.driver.connection_mut().set_more(more)?;
                let (count, octets) = transaction.totals().await;
                let text = format!("{count} messages ({octets} octets)");
                self.transaction = Some(transaction);
                let reply = Speech::new(self.service, self.driver.connection()).ok(&text);
                Ok(self.driver.connection_mut().reply(ticket, reply)?)
            }
            Err(refusal) => self.refuse_login(ticket, refusal),
        }
    }

    async fn quit(&mut self, ticket: Ticket) -> Result<()> {
        let bye = Speech::new(self.service, self.driver.connection()).ok("bye");
        let Some((maildrop, deleted)) = self.transaction.take().map(Transaction::finish) else {
            return Ok(self.driver.connection_mut().reply(ticket, bye)?);
        };
        let count = deleted.len();
        match maildrop.commit(deleted).await {
            Ok(()) => {
                tracing::info!(deleted = count, "quit");
                Ok(self.driver.connection_mut().reply(ticket, bye)?)
            }
            Err(refusal) => {
                tracing::warn!(count, reason = refusal.text, "messages not deleted");
                self.refuse(ticket, refusal)
            }
        }
    }

    fn refuse(&mut self, ticket: Ticket, refusal: Refusal) -> Result<()> {
        let speech = Speech::new(self.service, self.driver.connection());
        speech.refuse(&mut self.driver, ticket, refusal)
    }

    /// A trusted proxy has told who its client is: failed logins are counted by that.
    fn speaks_for(&mut self, client: &Xclient) {
        if let Some(address) = client.addr() {
            let address = SocketAddr::new(address, client.port().unwrap_or_default());
            tracing::info!(%address, "speaks for another");
            self.gate.speaks_for(address);
        }
    }
}

/// Checks a digest of the timestamp and the password
/// ([RFC 1939 section 7](https://www.rfc-editor.org/rfc/rfc1939#section-7)).
async fn apop(
    service: &impl Service,
    timestamp: Option<&ApopTimestamp>,
    user: &str,
    digest: ApopDigest,
) -> Result<bool, Unavailable> {
    let found = service.apop_secret(user).await?;
    let Some(timestamp) = timestamp else { return Ok(false) };
    // A name that does not exist costs the same.
    let known = found.is_some();
    // One that cannot be prepared is nobody's.
    let secret = found.and_then(|secret| for_digest(&secret).ok()).unwrap_or_default();
    let expected = Md5::new().chain_update(timestamp.as_bytes()).chain_update(secret.expose()).finalize();
    let fits = ApopDigest::new(expected.into()) == digest;
    Ok(fits && known && !secret.is_empty())
}

/// A new timestamp, which nobody can foresee.
pub(super) fn timestamp(host: &str) -> Result<ApopTimestamp> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| Error::Io(std::io::Error::other(error.to_string())))?;
    let number = u128::from_ne_bytes(random);
    Ok(ApopTimestamp::new(format!("<{number:032x}@{host}>"))?)
}
