//! What the clients of the three protocols share: connecting, upgrading, and what becomes of a call
//! that was dropped.

mod connecting;
mod course;
mod login;
#[cfg(not(feature = "oauth"))]
mod tokenless;
#[cfg(feature = "oauth")]
mod tokens;

#[cfg(all(feature = "pool", any(feature = "smtp", feature = "imap")))]
use std::{future::Future, pin::pin, task::Waker};
use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
};

use mailwire_core::{Connection, Misuse, Ticket, Upgrade, WrongState};

use self::course::{CLIENT, Course};
pub use self::login::Login;
pub(crate) use self::{
    connecting::connecting,
    course::{Verdict, Words},
    login::AuthEvent,
};
use crate::{
    Driver, DriverConfig, Endpoint, Error, Phase, Result, Step, Stream,
    metrics::Meter,
    runtime::{Boxed, until},
};

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

/// Implements the calls of [`Machine`] that drive the machine of a protocol. They are not generic, so that the driver behind them is
/// compiled once, into this crate. Without them it would be compiled again into each program, as generic functions are.
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
    course: Course,
    pub(crate) login: Option<Login>,
    /// Who sees every event.
    pub(crate) witness: Option<Box<C::Witness>>,
}

impl<C: Machine> Session<C> {
    /// A session over `stream`, which is within TLS if that is implicit. The machine has not been run.
    pub(crate) fn over(stream: Stream, endpoint: Endpoint, machine: C) -> Self {
        let (timeouts, protocol) = (endpoint.timeouts(), protocol_of(&machine));
        let config = DriverConfig {
            close_timeout: timeouts.close,
            step_deadline: Some(timeouts.whole),
            least_rate: timeouts.least_rate,
            #[cfg(feature = "wire-log")]
            wire_log: endpoint.wire_log().cloned(),
            meter: Meter::new(protocol, CLIENT),
            ..DriverConfig::client()
        };
        let driver = Driver::with_config(stream, machine, config);
        Self { driver, course: Course::new(protocol, endpoint), login: None, witness: None }
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
        &self.course.endpoint
    }

    /// The protocol, as it is counted by.
    #[cfg(feature = "smtp")]
    pub(crate) const fn protocol(&self) -> &'static str {
        self.course.protocol
    }

    /// The stream, to ask what protects it.
    pub(crate) const fn stream(&self) -> &Stream {
        self.driver.stream()
    }

    /// What is going on now, for errors.
    pub(crate) const fn enter(&mut self, phase: Phase) {
        self.course.phase = phase;
    }

    /// A command was sent, and its answer is due.
    pub(crate) fn expect(&mut self, ticket: Ticket, command: &'static str) -> Ticket {
        self.course.sent(ticket, command);
        ticket
    }

    /// Whether the answer to a command is still due, or on its way.
    #[cfg(any(feature = "pop3", feature = "sync"))]
    pub(crate) fn is_pending(&self, ticket: Ticket) -> bool {
        self.course.pending.iter().any(|&(pending, _)| pending == ticket)
    }

    /// From here until [`release`](Self::release), a dropped call spends the session.
    #[cfg(any(feature = "smtp", feature = "imap"))]
    pub(crate) const fn hold(&mut self) {
        self.course.held = true;
    }

    /// The call can be dropped again.
    #[cfg(any(feature = "smtp", feature = "imap"))]
    pub(crate) const fn release(&mut self) {
        self.course.held = false;
    }

    /// Whether another call can be made.
    pub(crate) fn is_usable(&self) -> bool {
        !self.course.held && !self.is_over()
    }

    /// Whether the conversation has come to its end, as far as was read.
    pub(crate) fn is_over(&self) -> bool {
        self.course.has_ended()
            || self.driver.is_broken()
            || self.machine_ref().is_closed()
            || self.course.has_goodbye()
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
        self.course.pending.is_empty()
    }

    /// The connection ends with this error: each later call says so. Gives it back.
    #[cfg(any(feature = "imap", feature = "pop3"))]
    pub(crate) fn end(&mut self, error: Error) -> Error {
        self.machine().close();
        self.course.end(error)
    }

    /// The error of a call: if nothing more can be sent, or the call held something that it has not
    /// brought to its end, that is what ended the connection.
    pub(crate) fn failed(&mut self, error: Error) -> Error {
        let error = self.course.failed(error, self.driver.connection().is_closed());
        self.ending(error)
    }

    /// With this error the connection may have ended.
    fn ending(&mut self, error: Error) -> Error {
        if self.course.has_ended() {
            self.machine().close();
        }
        error
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
            ready!(self.course.poll_deadline(cx));
            let error = self.course.late();
            return Poll::Ready(Err(self.ending(error)));
        };
        let error = match step {
            Ok(Step::Event(event)) => {
                self.note(&event);
                return Poll::Ready(Ok(Turn::Event(Some(event))));
            }
            Ok(Step::Blocked) => return Poll::Ready(Ok(Turn::Event(None))),
            Ok(Step::Upgrade(upgrade)) => return Poll::Ready(Ok(Turn::Upgrade(upgrade))),
            Ok(Step::Closed) => Error::Closed,
            Err(error) => error.into(),
        };
        let error = self.course.broken(error);
        Poll::Ready(Err(self.ending(error)))
    }

    fn note(&mut self, event: &C::Event) {
        if let Some(words) = C::words(event) {
            self.course.heard(words);
        }
        if let Some(ended) = C::completes(event) {
            self.course.answered(ended, C::verdict(event));
        }
        if let Some(witness) = &mut self.witness {
            C::show(witness, event);
        }
    }

    /// Puts another stream below the conversation.
    pub(crate) async fn upgrade(&mut self, upgrade: Upgrade) -> Result<()> {
        let upgraded = until(self.course.deadline, Box::pin(self.replace_stream(upgrade))).await;
        let error = match upgraded {
            Some(Ok(())) => return Ok(()),
            Some(Err(error)) => self.course.broken(error),
            None => self.course.late(),
        };
        Err(self.ending(error))
    }

    async fn replace_stream(&mut self, upgrade: Upgrade) -> Result<()> {
        let endpoint = self.course.endpoint.clone();
        let replace = |stream: Stream, rest| async move {
            match upgrade {
                Upgrade::Tls => endpoint.start_tls(stream).await,
                upgrade => Ok(stream.layered(upgrade, rest)?),
            }
        };
        self.driver.upgrade_in_place(Stream::Absent, replace).await
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
        if let Some(error) = self.course.after_end() {
            return Err(error);
        }
        if self.course.held {
            self.machine().close();
            return Err(Error::Spent);
        }
        while !self.course.pending.is_empty() {
            self.machine().cut_short();
            unclaimed(self.event().await?);
        }
        self.check_goodbye()
    }

    /// Whether the server has not said goodbye.
    ///
    /// # Errors
    ///
    /// The goodbye, which ends the connection.
    pub(crate) fn check_goodbye(&mut self) -> Result<()> {
        if self.course.has_goodbye() {
            let error = self.course.broken(Error::Closed);
            return Err(self.ending(error));
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
