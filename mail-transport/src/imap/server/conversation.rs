//! One client's conversation: from command to answer.

use std::sync::Arc;

use mailwire_core::{Misuse, SaslStep, Ticket, Upgrade, WrongState};
use mailwire_imap::{
    Capability, Limits,
    command::{Authenticate, Command, Login},
    extensions::ExtensionCommand,
    response::{Code, Reply, ReplyKind, Untagged},
    server::{Config, Connection, Event},
    types::{ImapString, Tag},
    view::Numbering,
};

use super::{
    notify::Watching,
    open::{Open, ok},
    refusal::{Refusal, status},
    sending::{ServerDriver, push},
    service::{Service, Session},
};
use crate::{
    Budget, Driver, Error, OverBudget, Step,
    sasl::{Identity, ServerStep},
    server::{Accepted, Handle, LoginGate, Notice},
};

pub(super) struct Conversation<S: Service> {
    pub(super) driver: ServerDriver,
    handle: Handle,
    service: Arc<S>,
    gate: LoginGate,
    pub(super) limits: Limits,
    pub(super) session: Option<S::Session>,
    /// Who has logged in.
    pub(super) identity: Option<Identity>,
    pub(super) open: Option<Open>,
    /// What the client asked to be told by NOTIFY, if it has.
    pub(super) watching: Option<Watching>,
    /// The tag of the command in progress.
    pub(super) tag: Option<Tag>,
    /// The language that LANGUAGE chose.
    pub(super) language: Option<String>,
    /// The client has said that it knows of modification sequences.
    condstore: bool,
    /// What of the present command is done, if it is not all.
    pub(super) part: Option<Code>,
}

/// Why a command does not end in OK.
pub(super) enum Stop {
    No(Refusal),
    Bad(&'static str),
    /// The machine has answered it already.
    Answered,
    /// The conversation cannot go on.
    Fatal(Error),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::No(refusal)
    }
}

impl From<OverBudget> for Stop {
    fn from(over: OverBudget) -> Self {
        Self::No(over.into())
    }
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Fatal(error.into())
    }
}

pub(super) fn done() -> Reply {
    status(ReplyKind::Ok, "Done")
}

impl<S: Service> Conversation<S> {
    /// The conversation with a client to whom nothing was said yet.
    pub(super) fn new(service: Arc<S>, mut config: Config, client: Accepted) -> Self {
        let gate = LoginGate::new(&client, config.allow_clear_credentials);
        let Accepted { stream, channel, handle, .. } = client;
        config.channel = channel;
        config.mechanisms = gate.offered(service.authenticator());
        let limits = config.limits;
        let driver = Driver::with_config(stream, Connection::new(config), handle.driver_config());
        Self {
            driver,
            handle,
            service,
            gate,
            limits,
            session: None,
            identity: None,
            open: None,
            watching: None,
            tag: None,
            part: None,
            language: None,
            condstore: false,
        }
    }

    /// Serves the client until it leaves or the connection fails.
    pub(super) async fn run(&mut self) -> Result<(), Error> {
        let mut handle = self.handle.clone();
        loop {
            let listens = self.watching.as_ref().is_some_and(Watching::is_listening);
            if listens {
                if let Some(overdue) = handle.unless_overdue(Box::pin(self.tell_held())).await? {
                    self.say_bye(overdue);
                }
            }
            let news = async {
                match &mut self.session {
                    Some(session) if listens => session.updates().await,
                    _ => std::future::pending().await,
                }
            };
            let step = tokio::select! {
                biased;
                notice = self.handle.notice() => {
                    self.say_bye(notice);
                    self.driver.next().await?
                }
                step = self.driver.next() => step?,
                updates = news => {
                    if let Some(overdue) = handle.unless_overdue(Box::pin(self.tell_at_once(updates))).await? {
                        self.say_bye(overdue);
                    }
                    continue;
                }
            };
            match step {
                Step::Event(Event::Command { ticket, command, .. }) => {
                    if let Some(overdue) = handle.unless_overdue(self.command(ticket, command)).await? {
                        self.say_bye(overdue);
                    }
                    if self.session.is_none() {
                        // The time for the login can have begun anew.
                        handle = self.handle.clone();
                    }
                }
                Step::Event(Event::Malformed { error, .. }) => tracing::debug!(%error, "malformed"),
                Step::Event(Event::Refused { command, reply }) => {
                    tracing::debug!(command = command.name(), %reply, "refused");
                }
                Step::Event(Event::Enabled(enabled)) if enabled.contains(&Capability::UidOnly) => {
                    self.end_numbered_contexts().await?;
                    if let Some(open) = &mut self.open {
                        open.view.set_numbering(Numbering::UidOnly);
                    }
                    self.begin_condstore().await?;
                }
                Step::Event(Event::Enabled(_)) => self.begin_condstore().await?,
                Step::Event(_) => {}
                Step::Upgrade(upgrade) if upgrade != Upgrade::Tls => self.driver.layer(upgrade).await?,
                Step::Upgrade(_) => {
                    self.handle.upgrade(&mut self.driver).await?;
                    // What was agreed on in clear does not hold (RFC 5255 section 3.1).
                    self.language = None;
                    self.gate.upgraded(self.driver.stream());
                    let offered = self.gate.offered(self.service.authenticator());
                    self.driver.connection_mut().set_mechanisms(offered);
                }
                // Each command is answered before the next step, so nothing is due from here.
                Step::Blocked => {
                    return Err(Misuse::WrongState(WrongState::Busy("the answer to a command")).into());
                }
                Step::Closed => return Ok(()),
            }
        }
    }

    fn say_bye(&mut self, notice: Notice) {
        let text = match notice {
            Notice::Unauthenticated => "Nobody has logged in",
            Notice::Expired => "This session has lasted for too long",
            Notice::Shutdown => "The server shuts down",
        };
        let bye = status(ReplyKind::Bye, text).with_code(Code::Unavailable);
        self.handle.end_soon(&mut self.driver);
        // Within a literal nothing can be said: the client must not take it for the message.
        let machine = self.driver.connection_mut();
        if machine.goodbye(bye).is_err() {
            mailwire_core::Connection::close(machine);
        }
    }

    async fn command(&mut self, ticket: Ticket, command: Command) -> Result<(), Error> {
        let permits_expunge = command.permits_expunge();
        crate::metrics::command(self.handle.protocol(), command.known_name());
        tracing::trace!(command = command.name(), "command");
        self.tag = self.driver.connection().tag(ticket).cloned();
        if !matches!(command, Command::Select(_) | Command::Examine(_)) {
            self.begin_condstore().await?;
        }
        self.part = None;
        // A session that is idle keeps no room for what other commands take.
        let result = match command {
            Command::Idle => self.idle(ticket).await,
            command => Box::pin(self.execute(ticket, command)).await,
        };
        Box::pin(self.conclude(ticket, result, permits_expunge)).await
    }

    /// Tells what happened meanwhile, and answers.
    async fn conclude(
        &mut self,
        ticket: Ticket,
        result: Result<Reply, Stop>,
        permits_expunge: bool,
    ) -> Result<(), Error> {
        let mut status = match result {
            Ok(status) => self.with_part(status).await?,
            Err(Stop::No(refusal)) => refusal.into(),
            Err(Stop::Bad(reason)) => status(ReplyKind::Bad, reason),
            Err(Stop::Answered) => return Ok(()),
            Err(Stop::Fatal(error)) => return Err(error),
        };
        if self.open.is_some() || self.watching.is_some() {
            self.tell_news(permits_expunge).await?;
        }
        if let Some(open) = &mut self.open {
            open.made.clear();
        }
        self.update_contexts().await?;
        self.end_changes(&mut status).await?;
        match self.driver.connection_mut().reply(ticket, status) {
            // BYE was said.
            Err(error) if error.reason == Misuse::Closed => Ok(()),
            result => Ok(result?),
        }
    }

    /// RFC 7162 section 3.1: whoever begins to count changes is told where they stand.
    async fn begin_condstore(&mut self) -> Result<(), Error> {
        let before = std::mem::replace(&mut self.condstore, self.driver.connection().is_condstore());
        if let Some(open) = self.open.as_mut().filter(|_| self.condstore && !before) {
            if let Some(code) = open.highest_mod_seq() {
                push(&mut self.driver, ok(code, "The last change")).await?;
            }
        }
        Ok(())
    }

    /// Tells who counts changes of those that were told during a command: in its answer, or before it.
    async fn end_changes(&mut self, answer: &mut Reply) -> Result<(), Error> {
        self.condstore = self.driver.connection().is_condstore();
        let open = self.open.as_mut().filter(|_| self.condstore);
        match open.and_then(Open::news_of_changes) {
            Some(code) if answer.is_ok() && answer.code.is_none() => answer.code = Some(code),
            Some(code) => push(&mut self.driver, ok(code, "The last change that was told")).await?,
            None => {}
        }
        Ok(())
    }

    /// Tells that a command was done for a part of its messages only (RFC 9738); where the answer has a code
    /// already, in a response of its own.
    async fn with_part(&mut self, reply: Reply) -> Result<Reply, Error> {
        match self.part.take() {
            Some(part) if reply.code.is_none() => Ok(reply.with_code(part)),
            Some(part) => {
                let told = status(ReplyKind::No, "The rest is still to do").with_code(part);
                push(&mut self.driver, Untagged::Reply(told)).await?;
                Ok(reply)
            }
            None => Ok(reply),
        }
    }

    async fn execute(&mut self, ticket: Ticket, command: Command) -> Result<Reply, Stop> {
        match command {
            Command::Noop | Command::Check | Command::Logout => Ok(done()),
            Command::StartTls | Command::Compress => {
                self.driver.connection_mut().accept_upgrade(ticket)?;
                Err(Stop::Answered)
            }
            Command::Login(login) => self.login(login).await,
            Command::Unauthenticate => Ok(self.log_out()),
            Command::Authenticate(authenticate) => self.authenticate(authenticate).await,
            Command::Id(client) => {
                let client: Vec<_> = client
                    .unwrap_or_default()
                    .into_iter()
                    .map(|(name, value)| (name.into_text(), value.map(|value| value.into_text())))
                    .collect();
                let ours = self.service.id(&client).into_iter().filter_map(|(name, value)| {
                    Some((ImapString::new(name).ok()?, ImapString::new(value).ok()))
                });
                push(&mut self.driver, Untagged::Id(ours.collect())).await?;
                Ok(done())
            }
            Command::Notify(notify) => self.notify(&notify).await,
            Command::Select(select) => self.select(select, false).await,
            Command::Examine(select) => self.select(select, true).await,
            Command::Close => self.close(true).await,
            Command::Unselect => self.close(false).await,
            Command::Create(create) => self.create(&create).await,
            Command::Delete(mailbox) => {
                let (session, name) = self.session_and_name(&mailbox)?;
                session.delete(&name).await?;
                Ok(done())
            }
            Command::Rename { from, to } => {
                let to = self.name(&to)?;
                let (session, from) = self.session_and_name(&from)?;
                session.rename(&from, &to).await?;
                Ok(done())
            }
            Command::Subscribe(mailbox) => {
                let (session, name) = self.session_and_name(&mailbox)?;
                session.subscribe(&name, true).await?;
                Ok(done())
            }
            Command::Unsubscribe(mailbox) => {
                let (session, name) = self.session_and_name(&mailbox)?;
                session.subscribe(&name, false).await?;
                Ok(done())
            }
            Command::List(list) => self.list(list).await,
            Command::Lsub { reference, pattern } => self.lsub(&reference, &pattern).await,
            Command::Namespace => self.namespace().await,
            Command::Status(status) => self.status(&status.mailbox, &status.items).await,
            Command::Append(append) => self.append(ticket, append).await,
            Command::Replace(replace) => self.replace(ticket, *replace).await,
            Command::Extension(ExtensionCommand::UidBatches(asked)) => self.uid_batches(ticket, &asked).await,
            Command::Expunge => self.expunge(None).await,
            Command::UidExpunge(set) => self.expunge(Some(&set)).await,
            Command::Search(search) => self.search(ticket, search).await,
            Command::ESearch(search) => self.esearch(ticket, *search).await,
            Command::Sort(sort) => self.sort(ticket, *sort).await,
            Command::Thread(thread) => self.thread(*thread).await,
            Command::Extension(ExtensionCommand::CancelUpdate(command)) => Ok(self.cancel_updates(&command)),
            Command::Extension(ExtensionCommand::Comparator(command)) => self.comparator(command).await,
            Command::Fetch(fetch) => self.fetch(fetch).await,
            Command::Store(store) => self.store(store).await,
            Command::StoreLabels(store) => self.store_labels(*store).await,
            Command::Copy(copy) => self.copy_to(copy).await,
            Command::Move(copy) => self.move_to(copy).await,
            Command::Extension(command) => self.extension(command).await,
            _ => Err(Stop::Bad("Unknown command")),
        }
    }

    async fn login(&mut self, login: Login) -> Result<Reply, Stop> {
        let step = match login.user().as_str() {
            Some(user) => self.gate.password(self.service.authenticator(), user, login.password()).await,
            None => ServerStep::Failed,
        };
        self.end_login(step).await
    }

    async fn authenticate(&mut self, command: Authenticate) -> Result<Reply, Stop> {
        let service = Arc::clone(&self.service);
        let authenticator = service.authenticator();
        let start = self.gate.start(authenticator, &command.mechanism, command.initial.as_ref());
        let Ok(mut step) = start.await else {
            return Err(Refusal::new("This mechanism is not available").with_code(Code::Cannot).into());
        };
        while let ServerStep::Challenge(challenge) = step {
            use mailwire_core::Connection as _;
            self.driver.connection_mut().send_auth(SaslStep::Data(challenge))?;
            let response = self.auth_response().await?;
            step = self.gate.step(authenticator, &response).await;
        }
        self.end_login(step).await
    }

    async fn auth_response(&mut self) -> Result<SaslStep, Stop> {
        loop {
            match self.driver.next().await? {
                Step::Event(Event::AuthResponse { step, .. }) => return Ok(step),
                // A line that is no base64: the machine has answered it.
                Step::Event(Event::Malformed { .. }) => return Err(Stop::Answered),
                Step::Event(_) => {}
                _ => return Err(Error::Closed.into()),
            }
        }
    }

    async fn end_login(&mut self, step: ServerStep) -> Result<Reply, Stop> {
        match step {
            ServerStep::Success(identity) => {
                let mut session = self.service.open(&identity).await?;
                if let Some(language) = &self.language {
                    session.speak(language);
                }
                self.session = Some(session);
                self.gate.let_in(&identity);
                self.identity = Some(identity);
                // The machine adds the capabilities.
                Ok(status(ReplyKind::Ok, "Logged in"))
            }
            // The machine has answered it.
            ServerStep::Cancelled => Err(Stop::Answered),
            ServerStep::Unavailable => Err(Refusal::unavailable().into()),
            _ => Self::refuse_login(),
        }
    }

    /// UNAUTHENTICATE: nothing of the session is left (RFC 8437).
    fn log_out(&mut self) -> Reply {
        (self.session, self.identity, self.open) = (None, None, None);
        (self.watching, self.language) = (None, None);
        self.handle.logged_out();
        self.gate.logged_out(self.handle.clone());
        tracing::info!("logged out");
        status(ReplyKind::Ok, "Logged out")
    }

    fn refuse_login() -> Result<Reply, Stop> {
        tracing::info!("login refused");
        // The same words whatever was wrong.
        let refusal = Refusal::new("User name or password is wrong").with_code(Code::AuthenticationFailed);
        Err(refusal.into())
    }

    /// IDLE: what others do is told at once (RFC 9051 section 6.3.13).
    async fn idle(&mut self, ticket: Ticket) -> Result<Reply, Stop> {
        self.driver.connection_mut().accept_idle(ticket)?;
        // What the command before it did not permit to tell.
        Box::pin(self.tell(Vec::new(), true)).await?;
        loop {
            use mailwire_core::Connection as _;
            // A client that does not read gets no more before it does.
            if self.driver.connection_mut().output().is_full() {
                self.driver.flush().await?;
            }
            let updates = async {
                match &mut self.session {
                    Some(session) if self.open.is_some() || self.watching.is_some() => {
                        session.updates().await
                    }
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                notice = self.handle.notice() => {
                    self.say_bye(notice);
                    return Err(Stop::Answered);
                }
                step = self.driver.next() => match step? {
                    Step::Event(Event::IdleDone { .. }) => return Ok(done()),
                    Step::Event(_) => {}
                    _ => return Err(Error::Closed.into()),
                },
                updates = updates => {
                    Box::pin(self.tell(updates, true)).await?;
                    Box::pin(self.update_contexts()).await?;
                }
            }
        }
    }

    /// What a command may cost.
    pub(super) const fn budget(&self) -> Budget {
        Budget::new(self.limits.work)
    }

    /// Texts are in this language from now on.
    pub(super) fn speak(&mut self, language: String) {
        if let Some(session) = &mut self.session {
            session.speak(&language);
        }
        self.language = Some(language);
    }

    pub(super) fn service(&self) -> &S {
        &self.service
    }

    pub(super) fn offers(&self, capability: &Capability) -> bool {
        self.driver.connection().capabilities().has(capability)
    }

    /// Whether names on the wire are UTF-8.
    pub(super) fn utf8(&self) -> bool {
        self.driver.connection().is_utf8()
    }

    pub(super) fn rev2(&self) -> bool {
        self.driver.connection().is_rev2()
    }
}
