//! One connection of a server.

use std::{net::SocketAddr, time::SystemTime};

use mailwire_core::{Connection as _, Ticket};
use mailwire_smtp::{
    Capability, Command, Domain, EhloName, EnhancedStatus, Mail, Reply, ReplyCode, State,
    extensions::xclient::AttributeNames,
    server::{Config, Connection, Event, default_reply},
};

use super::{
    Body, BodyError, Client, Service, Session, Transaction,
    body::{Begun, End},
    offer,
};
use crate::{
    Driver, Result, Step, Stream, metrics,
    sasl::{Identity, ServerStep},
    server::{Accepted, Handle, LoginGate, Notice},
    tls::TlsStream,
};

/// Serves it until it ends.
pub(super) async fn serve<S: Service>(service: &S, config: Config, accepted: Accepted) -> Result<()> {
    // Apart, as all that is rare: a connection that waits keeps no room for it.
    let Some(mut conversation) = Box::pin(begin(service, config, accepted)).await else { return Ok(()) };
    match conversation.run().await? {
        Some(domains) => Box::pin(conversation.turn(domains)).await,
        None => Ok(()),
    }
}

/// A conversation with a client that is greeted, or refused. `None` if the application does not tell in time.
async fn begin<S: Service>(
    service: &S,
    mut config: Config,
    accepted: Accepted,
) -> Option<Conversation<'_, S>> {
    let gate = LoginGate::new(&accepted, config.allow_clear_credentials);
    let Accepted { stream, channel, handle, peer, proxied, .. } = accepted;
    config.channel = channel;
    config.mechanisms = gate.offered(service.authenticator());
    let proxy = proxied.and_then(|proxied| proxied.proxy);
    let client = Client { server: Some(config.name.clone()), proxy, ..client(config.lmtp, peer, &stream) };
    if service.trusts(&client) {
        trust(&mut config);
    }
    service.extensions_for(&client).into_iter().for_each(|extension| offer(&mut config, extension));
    let connected = tokio::select! {
        biased;
        connected = service.connect(&client) => connected,
        _ = handle.overdue() => return None,
    };
    let (session, machine) = match connected {
        Ok(session) => (Some(session), Connection::new(config)),
        Err(refusal) => (None, Connection::refuse(config, refusal)),
    };
    let driver = Driver::with_config(stream, machine, handle.driver_config());
    Some(Conversation { service, driver, handle, gate, client, session, transaction: None, turned: None })
}

/// Offers what a proxy or a filter of one's own needs.
fn trust(config: &mut Config) {
    let names =
        [Capability::Xclient(AttributeNames::xclient()), Capability::Xforward(AttributeNames::xforward())];
    let offered: Vec<_> = config.capabilities().iter().chain(names).collect();
    // What was offered before is still permitted, and the machine keeps both.
    let _ = config.set_capabilities(offered);
}

/// The refusal of a message that would be held until after it has to be delivered: it takes a clock to see that of a date ([RFC 4865
/// section 5.2.2](https://www.rfc-editor.org/rfc/rfc4865#section-5.2.2)).
fn contradiction(mail: &Mail) -> Option<Reply> {
    let said = mail.parameters();
    let (hold, by) = (said.hold.as_ref()?, said.deliver_by?);
    match hold.time_to_deliver(by, SystemTime::now()) {
        Some(_) => None,
        None => Some(EnhancedStatus::InvalidArguments.reject("It would be held until it is too late")),
    }
}

/// What is known of a client that has said nothing, on this stream.
fn client(lmtp: bool, address: Option<SocketAddr>, stream: &Stream) -> Client {
    let cipher_suite = stream.tls().and_then(TlsStream::cipher_suite);
    Client { address, lmtp, tls: stream.is_tls(), cipher_suite, ..Client::default() }
}

struct Conversation<'a, S: Service> {
    service: &'a S,
    driver: Driver<Stream, Connection>,
    handle: Handle,
    gate: LoginGate,
    client: Client,
    /// None if the client was refused at the door.
    session: Option<S::Session>,
    /// What the client has said of a message since its MAIL was accepted.
    transaction: Option<Transaction>,
    /// The roles change, and this is the mail that is asked for.
    turned: Option<Vec<Domain>>,
}

impl<S: Service> Conversation<'_, S> {
    /// Goes on until the end, or until the roles change: then it gives the domains whose mail is asked for.
    async fn run(&mut self) -> Result<Option<Vec<Domain>>> {
        let handle = self.handle.clone();
        loop {
            let step = tokio::select! {
                step = self.driver.next() => step?,
                notice = self.handle.notice() => {
                    self.take_leave(notice);
                    continue;
                }
            };
            match step {
                Step::Event(event) => {
                    // Apart: a connection that waits keeps no room for it.
                    if let Some(overdue) = handle.unless_overdue(Box::pin(self.event(event))).await? {
                        self.take_leave(overdue);
                    }
                    self.end_transaction();
                    if let Some(domains) = self.turned.take() {
                        return Ok(Some(domains));
                    }
                }
                Step::Upgrade(_) => {
                    self.handle.upgrade(&mut self.driver).await?;
                    if let Some(session) = &mut self.session {
                        session.reset().await;
                    }
                    let Client { server, lmtp, address, proxy, .. } = std::mem::take(&mut self.client);
                    self.client = Client { server, proxy, ..client(lmtp, address, self.driver.stream()) };
                    self.gate.upgraded(self.driver.stream());
                    let offered = self.gate.offered(self.service.authenticator());
                    self.driver.connection_mut().set_mechanisms(offered);
                }
                // Every event is answered at once, so nothing waits for this side.
                Step::Blocked => {}
                Step::Closed => return Ok(None),
            }
        }
    }

    /// Forgets the transaction once the machine has none.
    fn end_transaction(&mut self) {
        if self.transaction.is_some() && self.driver.connection_mut().state() <= State::Ready {
            self.transaction = None;
            // It was about this message.
            self.client.forwarded = None;
        }
    }

    /// ATRN was granted: the application sends now what it has. What the client sent with it is nobody's.
    async fn turn(mut self, domains: Vec<Domain>) -> Result<()> {
        self.driver.flush().await?;
        let (stream, _, buffered) = self.driver.into_parts();
        if !buffered.is_empty() {
            let error =
                mailwire_core::Error::Unexpected { what: "bytes before the roles changed", offset: 0 };
            return Err(error.into());
        }
        tokio::select! {
            () = self.service.turned(&self.client, domains, stream) => Ok(()),
            _ = self.handle.notice() => Ok(()),
        }
    }

    fn take_leave(&mut self, notice: Notice) {
        let text = match notice {
            Notice::Shutdown => "4.3.2 Shutting down",
            Notice::Unauthenticated => "4.7.0 No login and no recipient in time",
            Notice::Expired => "4.4.2 This session has lasted for too long",
        };
        self.handle.end_soon(&mut self.driver);
        // Refused only where the conversation is over anyway.
        let _ = self.driver.connection_mut().goodbye(Reply::new(ReplyCode::UNAVAILABLE, text));
    }

    async fn event(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Command { ticket, command, .. } => self.command(ticket, command).await,
            Event::AuthResponse { ticket, step, .. } => {
                let step = self.gate.step(self.service.authenticator(), &step).await;
                self.sasl(ticket, step).await
            }
            Event::Refused { command, reply, .. } => {
                tracing::debug!(command = command.name(), %reply, "refused");
                let ended = self.driver.connection_mut().state() == State::Ready;
                if let (Command::Data | Command::Bdat { .. } | Command::Burl(_), true, Some(session)) =
                    (command, ended, &mut self.session)
                {
                    session.reset().await;
                }
                Ok(())
            }
            Event::Malformed { ticket, error, .. } => {
                tracing::debug!(%error, "malformed");
                if ticket.is_some() {
                    self.gate.cancel();
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn command(&mut self, ticket: Ticket, command: Command) -> Result<()> {
        metrics::command(self.handle.protocol(), command.known_name());
        tracing::trace!(command = command.name(), "command");
        let (client, Some(session)) = (&mut self.client, &mut self.session) else {
            self.driver.connection_mut().reply(ticket, default_reply(&command))?;
            return Ok(());
        };
        let reply = match &command {
            Command::Ehlo(name) | Command::Lhlo(name) => hello(client, session, name, true).await,
            Command::Helo(name) => hello(client, session, name, false).await,
            Command::Mail(mail) => {
                let reply = match contradiction(mail) {
                    Some(refusal) => refusal,
                    None => session.mail(client, mail).await,
                };
                self.transaction = reply.is_positive().then(|| Transaction::new(mail.compact()));
                reply
            }
            Command::Rcpt(rcpt) => {
                let reply = session.rcpt(client, rcpt).await;
                if reply.is_positive() {
                    // This is a client with mail for us, whether it logs in or not.
                    self.handle.authenticated();
                    self.transaction.iter_mut().for_each(|it| it.recipients.push(rcpt.compact()));
                }
                reply
            }
            Command::Rset => {
                session.reset().await;
                default_reply(&command)
            }
            Command::Data | Command::Bdat { .. } => return self.message(Begun::Bytes(ticket)).await,
            Command::Burl(burl) => return self.message(Begun::Url(ticket, burl.clone())).await,
            Command::StartTls => {
                return Ok(self.driver.connection_mut().accept_upgrade(ticket)?);
            }
            Command::Auth(auth) => {
                let authenticator = self.service.authenticator();
                let step = self.gate.start(authenticator, &auth.mechanism, auth.initial.as_ref()).await;
                match step {
                    Ok(step) => return self.sasl(ticket, step).await,
                    Err(_) => Reply::new(ReplyCode::PARAMETER_NOT_IMPLEMENTED, "5.5.4 Unknown mechanism"),
                }
            }
            Command::Vrfy(who) => session.vrfy(client, who).await,
            Command::Expn(list) => session.expn(client, list).await,
            Command::Atrn(domains) => {
                let reply = session.atrn(client, domains).await;
                if reply.is_positive() {
                    self.turned = Some(domains.clone());
                }
                reply
            }
            Command::Etrn(node) => session.etrn(client, node).await,
            Command::Xclient(attributes) => {
                let other = client.behind(&attributes.compact());
                let reply = session.xclient(&other).await;
                if reply.is_positive() {
                    *client = other;
                    session.reset().await;
                }
                reply
            }
            Command::Xforward(attributes) => {
                let reply = session.command(client, &command).await;
                if reply.is_positive() {
                    client.forwarded = Some(attributes.compact());
                }
                reply
            }
            Command::Quit => default_reply(&command),
            _ => session.command(client, &command).await,
        };
        self.driver.connection_mut().reply(ticket, reply)?;
        Ok(())
    }

    async fn sasl(&mut self, ticket: Ticket, step: ServerStep) -> Result<()> {
        let machine = self.driver.connection_mut();
        let reply = match step {
            ServerStep::Challenge(challenge) => {
                return Ok(machine.send_auth(mailwire_core::SaslStep::Data(challenge))?);
            }
            ServerStep::Success(identity) => {
                self.logged_in(identity).await;
                Reply::new(ReplyCode::AUTHENTICATED, "2.7.0 Authentication succeeded")
            }
            // The machine has answered it.
            ServerStep::Cancelled => return Ok(()),
            ServerStep::Failed => {
                tracing::info!("authentication failed");
                Reply::new(ReplyCode::BAD_CREDENTIALS, "5.7.8 Authentication credentials invalid")
            }
            ServerStep::Unavailable => {
                Reply::new(ReplyCode::TEMPORARY_FAILURE, "4.7.0 Temporary authentication failure")
            }
        };
        self.driver.connection_mut().reply(ticket, reply)?;
        Ok(())
    }

    async fn logged_in(&mut self, identity: Identity) {
        self.gate.let_in(&identity);
        self.client.identity = Some(identity);
        if let Some(session) = &mut self.session {
            session.authenticated(&self.client).await;
        }
    }

    async fn message(&mut self, begun: Begun) -> Result<()> {
        let (Begun::Bytes(ticket) | Begun::Url(ticket, _)) = begun;
        let machine = self.driver.connection_mut();
        let each = machine.answers_each();
        let recipients = if each { machine.recipients().to_vec() } else { Vec::new() };
        let (Some(session), Some(transaction)) = (&mut self.session, &self.transaction) else {
            return Ok(());
        };
        let mut body = Body::new(&mut self.driver, begun, recipients);
        let verdict = if each {
            session.message_for_each(&self.client, transaction, &mut body).await
        } else {
            session.message(&self.client, transaction, &mut body).await.map(|reply| vec![reply])
        };
        if let (true, Ok(replies)) = (body.is_waiting(), &verdict) {
            // Refused for all before it was sent: that is the answer to DATA itself.
            if let Some(refusal) = replies.first().filter(|_| !replies.iter().any(Reply::is_positive)) {
                let refusal = refusal.clone();
                return Ok(self.driver.connection_mut().reply(ticket, refusal)?);
            }
        }
        let end = match &verdict {
            Err(BodyError::Connection(_)) => None,
            _ => Some(body.drain().await?),
        };
        let unanswered = body.into_unanswered();
        if each && unanswered.is_empty() && matches!(end, Some(End::Complete(_))) {
            return Ok(());
        }
        match (verdict, end) {
            (Err(BodyError::Connection(error)), _) => Err(error),
            // The machine has told the client.
            (_, Some(End::Refused(reason))) => {
                metrics::message_received(if each { "lmtp" } else { "smtp" }, false);
                tracing::info!(?reason, "message refused");
                session.reset().await;
                Ok(())
            }
            (Ok(replies), Some(End::Complete(data))) => {
                let protocol = if each { "lmtp" } else { "smtp" };
                replies.iter().for_each(|reply| metrics::message_received(protocol, reply.is_positive()));
                let machine = self.driver.connection_mut();
                let last = replies.last().cloned();
                let last = last.unwrap_or_else(|| Reply::new(ReplyCode::LOCAL_ERROR, "4.3.0 No verdict"));
                if each && replies.len() > 1 {
                    let all = replies.into_iter().chain(std::iter::repeat(last));
                    for (recipient, reply) in unanswered.into_iter().zip(all) {
                        machine.reply(recipient, reply)?;
                    }
                } else {
                    machine.reply(data, last)?;
                }
                Ok(())
            }
            // A session that invents a refusal.
            (Err(BodyError::Refused(_)), Some(End::Complete(data))) => {
                session.reset().await;
                let reply = Reply::new(ReplyCode::FAILED, "5.6.0 Message refused");
                Ok(self.driver.connection_mut().reply(data, reply)?)
            }
            (_, None) => Ok(()),
        }
    }
}

async fn hello<S: Session>(client: &mut Client, session: &mut S, name: &EhloName, extended: bool) -> Reply {
    let said = Client { hello: Some(name.clone()), extended, ..client.clone() };
    let reply = session.hello(&said).await;
    // A refusal changes nothing (RFC 5321 section 4.1.4).
    if reply.is_positive() {
        *client = said;
        session.reset().await;
    }
    reply
}
