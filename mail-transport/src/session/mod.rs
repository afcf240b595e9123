//! What the clients of the three protocols share: connecting, upgrading, and what becomes of a call
//! that was dropped.

mod connecting;
mod login;

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
#[cfg(all(feature = "pool", any(feature = "smtp", feature = "imap")))]
use std::{pin::pin, task::Waker};

use mailwire_core::{Connection, Misuse, Text, Ticket, Upgrade, WrongState};
use tokio::time::Instant;

use crate::{
    CLIENT_TRACES, Driver, DriverConfig, Endpoint, Error, Phase, Refused, Result, Step, Stream,
    metrics::{self, Counted, Meter, cause},
    refused::beginning,
    runtime::{Boxed, Sleep, sleep_until, timeout_at},
    sasl::Mechanism,
    traces,
};

pub use self::login::Login;
pub(crate) use self::{connecting::connecting, login::AuthEvent};

/// A client's machine, as far as a session has to understand it.
pub(crate) trait Machine: Connection<Error = mailwire_core::Error> + Sized {
    /// The command for which this event is the last one, if it is anyone's last.
    fn completes(event: &Self::Event) -> Option<Ticket>;

    /// What the server makes of a command, if the event tells that.
    fn verdict(event: &Self::Event) -> Option<Verdict>;

    /// What the event tells of the reasons of a server that is about to end the conversation.
    fn words(event: &Self::Event) -> Option<Words>;

    /// Whether nothing more can be sent.
    fn is_closed(&self) -> bool;

    /// The registered name of the service that is spoken to: RFC 4422 section 4.
    fn service(&self) -> &'static str;

    /// Ends what is in progress and not wanted any more, where that is for this side to do.
    fn cut_short(&mut self) {}

    /// Sees every event, whichever call it belongs to.
    type Witness;

    /// Shows it an event.
    fn show(_witness: &mut Self::Witness, _event: &Self::Event) {}

    /// [`Session::poll_turn`], compiled once for this machine: see [`machine_turns`].
    fn poll_turn(session: &mut Session<Self>, cx: &mut Context<'_>) -> Poll<Result<Turn<Self::Event>>>;

    /// [`Session::upgrade`], compiled once for this machine.
    fn upgrade(session: &mut Session<Self>, upgrade: Upgrade) -> Boxed<'_, Result<()>>;
}

/// What comes of driving a client's machine.
pub(crate) enum Turn<E> {
    /// An event; `None` when all is written and it is this side's move.
    Event(Option<E>),
    /// Both sides go on over another stream.
    Upgrade(Upgrade),
}

/// The calls of [`Machine`] that drive it, for the machine of a protocol. Without them the driver would be compiled into each
/// program, as generic functions and futures are: behind a call that is not generic it is compiled into this crate once.
macro_rules! machine_turns {
    () => {
        fn poll_turn(
            session: &mut crate::session::Session<Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<crate::Result<crate::session::Turn<Self::Event>>> {
            session.poll_turn(cx)
        }

        fn upgrade(
            session: &mut crate::session::Session<Self>,
            upgrade: mailwire_core::Upgrade,
        ) -> crate::runtime::Boxed<'_, crate::Result<()>> {
            Box::pin(session.upgrade(upgrade))
        }
    };
}
pub(crate) use machine_turns;

/// What a server makes of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accepted,
    Refused,
}

impl Verdict {
    pub(crate) const fn of(accepted: bool) -> Self {
        if accepted { Self::Accepted } else { Self::Refused }
    }
}

/// What a server says that answers no command.
pub(crate) enum Words {
    /// It ends the conversation: 421, BYE. POP3 has none.
    #[cfg_attr(
        not(any(feature = "smtp", feature = "imap")),
        allow(dead_code, reason = "made by two protocols")
    )]
    Goodbye(Refused),
    /// A line that is no reply, or a warning.
    Sentence(Text),
}

impl Words {
    /// How much of a sentence is kept, in bytes.
    const SENTENCE: usize = 500;

    /// A line that is no reply. What could be a part of a SASL exchange has been left out of it.
    pub(crate) fn sentence(line: &[u8]) -> Option<Self> {
        match line.trim_ascii() {
            b"" | b"+" => None,
            line => Some(Self::Sentence(beginning(line, Self::SENTENCE))),
        }
    }

    /// With what was said before: the first goodbye counts, sentences are put together.
    fn after(self, before: Option<Self>) -> Self {
        match (before, self) {
            (Some(goodbye @ Self::Goodbye(_)), _) => goodbye,
            (Some(Self::Sentence(first)), Self::Sentence(second)) => {
                let both = [first.as_bytes(), second.as_bytes()].join(&b' ');
                Self::Sentence(beginning(&both, Self::SENTENCE))
            }
            (_, words) => words,
        }
    }
}

/// The protocol that a machine speaks, as it is counted by.
fn protocol_of<C: Machine>(machine: &C) -> &'static str {
    match machine.service() {
        "pop" => "pop3",
        service => service,
    }
}

/// No event can come where one is waited for.
pub(crate) fn nothing_due() -> Error {
    Misuse::WrongState(WrongState::NothingDue("answer of the server")).into()
}

/// Which side this one is, as it is counted by.
const CLIENT: &str = "client";

/// A driver of a client's machine that outlives dropped calls.
///
/// A call that is dropped between its command and its answer leaves the answer on the way. Its ticket
/// stays here, and the next call first waits for that answer and throws it away
/// ([`finish_dropped`](Self::finish_dropped)). A call that is dropped where nothing can be made good, within a body or
/// an authentication, leaves the session spent.
///
/// Whatever ends the connection is kept: each later call says it.
pub(crate) struct Session<C: Machine> {
    driver: Driver<Stream, C>,
    counted: Counted,
    endpoint: Endpoint,
    /// Commands whose last event has not come yet, with their names, in the order in which they were sent.
    pending: VecDeque<(Ticket, &'static str)>,
    /// Something is on its way that only the call which started it can end.
    held: bool,
    /// What ended the connection.
    ended: Option<Arc<Error>>,
    /// What the server said since the last command was sent that answers nothing.
    words: Option<Words>,
    /// The last command that was answered.
    answered: Option<&'static str>,
    phase: Phase,
    /// The mechanism of the login that goes on.
    mechanism: Option<Mechanism>,
    /// When the session has to be over.
    deadline: Option<Instant>,
    /// Wakes whoever waits at that time.
    alarm: Option<Pin<Box<Sleep>>>,
    pub(crate) login: Option<Login>,
    /// Who sees every event.
    pub(crate) witness: Option<Box<C::Witness>>,
}

impl<C: Machine> Session<C> {
    /// A session over `stream`, which is within TLS if that is implicit. The machine has not been run.
    pub(crate) fn over(stream: Stream, endpoint: Endpoint, machine: C) -> Self {
        let timeouts = endpoint.timeouts();
        let config = DriverConfig {
            close_timeout: timeouts.close,
            step_deadline: Some(timeouts.whole),
            least_rate: timeouts.least_rate,
            #[cfg(feature = "wire-log")]
            wire_log: endpoint.wire_log().cloned(),
            meter: Meter::new(protocol_of(&machine), CLIENT),
            ..DriverConfig::client()
        };
        let deadline = timeouts.session.and_then(|limit| Instant::now().checked_add(limit));
        let counted = Counted::opened(protocol_of(&machine), CLIENT);
        let driver = Driver::with_config(stream, machine, config);
        Self {
            driver,
            counted,
            endpoint,
            pending: VecDeque::new(),
            held: false,
            ended: None,
            words: None,
            answered: None,
            phase: Phase::Greeting,
            mechanism: None,
            deadline,
            alarm: None,
            login: None,
            witness: None,
        }
    }

    /// The stream, for another use, once the machine has no more to do with it.
    ///
    /// # Errors
    ///
    /// The server has sent what nobody has read.
    #[cfg(feature = "smtp")]
    pub(crate) fn into_stream(self) -> Result<Stream> {
        let (stream, _, buffered) = self.driver.into_parts();
        match buffered.is_empty() {
            true => Ok(stream),
            false => {
                Err(mailwire_core::Error::Unexpected { what: "bytes before the roles changed", offset: 0 }
                    .into())
            }
        }
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

    /// The protocol, as it is counted by.
    pub(crate) fn protocol(&self) -> &'static str {
        protocol_of(self.machine_ref())
    }

    /// The stream, to ask what protects it.
    pub(crate) const fn stream(&self) -> &Stream {
        self.driver.stream()
    }

    /// What is going on now, for errors.
    pub(crate) const fn enter(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// A command was sent, and its answer is due.
    pub(crate) fn expect(&mut self, ticket: Ticket, command: &'static str) -> Ticket {
        traces::trace!(target: CLIENT_TRACES, server = %self.endpoint.address(), command, "sent");
        self.pending.push_back((ticket, command));
        if matches!(self.words, Some(Words::Sentence(_))) {
            self.words = None;
        }
        ticket
    }

    /// Whether the answer to a command is still due, or on its way.
    #[cfg(any(feature = "imap", feature = "pop3"))]
    pub(crate) fn is_pending(&self, ticket: Ticket) -> bool {
        self.pending.iter().any(|&(pending, _)| pending == ticket)
    }

    /// The command whose answer is waited for.
    fn command(&self) -> Option<&'static str> {
        self.pending.front().map(|&(_, command)| command)
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

    /// Whether another call can be made.
    pub(crate) fn is_usable(&self) -> bool {
        !self.held && !self.is_over()
    }

    /// Whether the conversation has come to its end, as far as was read.
    pub(crate) fn is_over(&self) -> bool {
        self.ended.is_some()
            || self.driver.is_broken()
            || self.machine_ref().is_closed()
            || matches!(self.words, Some(Words::Goodbye(_)))
    }

    /// Looks at what the server has sent since the last call, waiting for nothing and sending nothing: whether another
    /// call can be made. `unclaimed` is given what came.
    #[cfg(all(feature = "pool", any(feature = "smtp", feature = "imap")))]
    pub(crate) fn look(&mut self, mut unclaimed: impl FnMut(C::Event)) -> bool {
        /// What a server has to say while nobody asks is said in fewer events; the next call reads the rest.
        const MOST: usize = 1000;
        // What came together with the last answer is there already.
        if self.is_usable() && (self.driver.look() || self.driver.buffered() > 0) {
            let mut cx = Context::from_waker(Waker::noop());
            for _ in 0..MOST {
                let Poll::Ready(Ok(Some(event))) = pin!(self.next()).poll(&mut cx) else { break };
                unclaimed(event);
            }
        }
        self.is_usable()
    }

    /// Whether nothing is on its way that a dropped call has asked for.
    #[cfg(all(feature = "pool", any(feature = "smtp", feature = "imap")))]
    pub(crate) fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }

    /// The connection ends with this error: each later call says so. Gives it back.
    pub(crate) fn end(&mut self, error: Error) -> Error {
        if self.ended.is_none() {
            let server = self.endpoint.address();
            traces::debug!(target: CLIENT_TRACES, %server, %error, "connection ended");
            self.counted.ends(cause(&error));
            self.ended = Some(Arc::new(error.clone()));
        }
        self.held = false;
        self.machine().close();
        error
    }

    /// The error of a call: if nothing more can be sent, or the call held something that it has not
    /// brought to its end, that is what ended the connection.
    pub(crate) fn failed(&mut self, error: Error) -> Error {
        if self.ended.is_some() || !(self.held || self.machine_ref().is_closed()) {
            return error;
        }
        let error = self.explain(error);
        if let Some(Words::Goodbye(refused)) = &self.words {
            // This is the answer to the call, and that is what ended the connection.
            let goodbye = refused.clone().into();
            self.end(goodbye);
            return error;
        }
        self.end(error)
    }

    /// The server's words say more than that it is gone.
    fn explain(&mut self, error: Error) -> Error {
        let lost = error.is_end();
        match self.words.take() {
            Some(Words::Goodbye(mut refused)) if lost => {
                refused.command = self.command().unwrap_or(refused.command);
                refused.into()
            }
            Some(Words::Sentence(words)) if lost || matches!(error, Error::Protocol(_)) => {
                Error::WithWords { error: Box::new(self.locate(error)), words }
            }
            words => {
                self.words = words;
                self.locate(error)
            }
        }
    }

    fn locate(&self, error: Error) -> Error {
        match self.command() {
            Some(command) => error.during(self.endpoint.address(), &command),
            None => error.during(self.endpoint.address(), &self.phase),
        }
    }

    /// The next event; `None` when all is written and it is this side's move.
    pub(crate) async fn next(&mut self) -> Result<Option<C::Event>> {
        loop {
            match poll_fn(|cx| C::poll_turn(self, cx)).await? {
                Turn::Event(event) => return Ok(event),
                Turn::Upgrade(upgrade) => C::upgrade(self, upgrade).await?,
            }
        }
    }

    /// What comes next, as far as no other stream is needed for that: an upgrade is told until it is done.
    pub(crate) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<Turn<C::Event>>> {
        let Poll::Ready(step) = self.driver.poll_next(cx) else {
            return self.poll_deadline(cx).map(|()| Err(self.late()));
        };
        Poll::Ready(match step {
            Ok(Step::Event(event)) => {
                self.note(&event);
                Ok(Turn::Event(Some(event)))
            }
            Ok(Step::Blocked) => Ok(Turn::Event(None)),
            Ok(Step::Upgrade(upgrade)) => Ok(Turn::Upgrade(upgrade)),
            Ok(Step::Closed) => Err(self.broken(Error::Closed)),
            Err(error) => Err(self.broken(error.into())),
        })
    }

    fn note(&mut self, event: &C::Event) {
        if let Some(words) = C::words(event) {
            self.words = Some(words.after(self.words.take()));
        }
        if let Some(ended) = C::completes(event) {
            let at = self.pending.iter().position(|&(ticket, _)| ticket == ended);
            self.answered = at.and_then(|at| self.pending.remove(at)).map(|(_, command)| command);
            self.trace_answer(C::verdict(event));
        }
        if let Some(witness) = &mut self.witness {
            C::show(witness, event);
        }
    }

    /// The connection has ended by itself.
    fn broken(&mut self, error: Error) -> Error {
        let error = self.explain(error);
        self.end(error)
    }

    /// Ready once the session has to be over.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        // tokio's alarm has no turn where the work before it has used up all of the task's.
        if deadline <= Instant::now() {
            return Poll::Ready(());
        }
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        alarm.as_mut().poll(cx)
    }

    /// The session was to be over by now.
    fn late(&mut self) -> Error {
        let after = self.endpoint.timeouts().session.unwrap_or_default();
        self.broken(Error::Timeout { phase: Phase::Session, after, server: None })
    }

    /// Puts another stream below the conversation.
    pub(crate) async fn upgrade(&mut self, upgrade: Upgrade) -> Result<()> {
        let upgraded = match self.deadline {
            Some(deadline) => timeout_at(deadline, self.replace_stream(upgrade)).await.ok(),
            None => Some(self.replace_stream(upgrade).await),
        };
        match upgraded {
            Some(upgraded) => upgraded.map_err(|error| self.broken(error)),
            None => Err(self.late()),
        }
    }

    async fn replace_stream(&mut self, upgrade: Upgrade) -> Result<()> {
        if upgrade != Upgrade::Tls {
            return Ok(self.driver.layer(upgrade).await?);
        }
        let endpoint = self.endpoint.clone();
        let handshake = |stream, _| async move { endpoint.start_tls(stream).await };
        self.driver.upgrade_in_place(Stream::Absent, handshake).await
    }

    fn trace_answer(&self, verdict: Option<Verdict>) {
        let (server, command) = (self.endpoint.address(), self.answered);
        match (&self.phase, verdict) {
            (Phase::Login, Some(Verdict::Refused)) => {
                metrics::login(self.protocol(), CLIENT, "refused", self.mechanism.as_ref());
                traces::debug!(target: CLIENT_TRACES, %server, command, "login refused");
            }
            (_, verdict) => {
                traces::trace!(target: CLIENT_TRACES, %server, command, ?verdict, "answered");
            }
        }
    }

    /// The next event, where only an event can come.
    pub(crate) async fn event(&mut self) -> Result<C::Event> {
        match self.next().await? {
            Some(event) => Ok(event),
            None => Err(nothing_due()),
        }
    }

    /// Starts a call: waits for what dropped calls have left on the way. `unclaimed` is given what comes
    /// meanwhile, for data that belongs to no call.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`] if the connection has ended, or the server's goodbye once more; [`Error::Spent`] if a
    /// call was dropped where waiting does not help.
    pub(crate) async fn finish_dropped(&mut self, mut unclaimed: impl FnMut(C::Event)) -> Result<()> {
        if let Some(cause) = &self.ended {
            return Err(match &**cause {
                Error::Refused(refused) if refused.is_goodbye() => Error::Refused(refused.clone()),
                _ => Error::Ended(Arc::clone(cause)),
            });
        }
        if self.held {
            self.machine().close();
            return Err(Error::Spent);
        }
        while !self.pending.is_empty() {
            self.machine().cut_short();
            unclaimed(self.event().await?);
        }
        self.check_goodbye()
    }

    /// Whether the server has not said goodbye: if it has, the end of the stream is only a matter of time.
    ///
    /// # Errors
    ///
    /// The goodbye, which ends the connection.
    pub(crate) fn check_goodbye(&mut self) -> Result<()> {
        if matches!(self.words, Some(Words::Goodbye(_))) {
            let error = self.explain(Error::Closed);
            return Err(self.end(error));
        }
        Ok(())
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
