//! How a conversation goes, whatever its protocol is: compiled once for all of them.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use mailwire_core::{Text, Ticket};
use tokio::time::Instant;

use crate::{
    CLIENT_TRACES, Endpoint, Error, Phase, Refused,
    metrics::{self, Counted, cause},
    refused::beginning,
    runtime::{Sleep, sleep_until},
    sasl::Mechanism,
    traces,
};

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

/// Which side this one is, as it is counted by.
pub(super) const CLIENT: &str = "client";

/// What a session knows of its conversation.
pub(super) struct Course {
    pub(super) protocol: &'static str,
    counted: Counted,
    pub(super) endpoint: Endpoint,
    /// Commands whose last event has not come yet, with their names, in the order in which they were sent.
    pub(super) pending: VecDeque<(Ticket, &'static str)>,
    /// Something is on its way that only the call which started it can end.
    pub(super) held: bool,
    /// What ended the connection.
    ended: Option<Arc<Error>>,
    /// What the server said since the last command was sent that answers nothing.
    words: Option<Words>,
    /// The last command that was answered.
    pub(super) answered: Option<&'static str>,
    pub(super) phase: Phase,
    /// The mechanism of the login that goes on.
    pub(super) mechanism: Option<Mechanism>,
    /// When the session has to be over.
    pub(super) deadline: Option<Instant>,
    /// Wakes whoever waits at that time.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Course {
    pub(super) fn new(protocol: &'static str, endpoint: Endpoint) -> Self {
        let deadline = endpoint.timeouts().session.and_then(|limit| Instant::now().checked_add(limit));
        Self {
            protocol,
            counted: Counted::opened(protocol, CLIENT),
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
        }
    }

    pub(super) fn sent(&mut self, ticket: Ticket, command: &'static str) {
        traces::trace!(target: CLIENT_TRACES, server = %self.endpoint.address(), command, "sent");
        self.pending.push_back((ticket, command));
        if matches!(self.words, Some(Words::Sentence(_))) {
            self.words = None;
        }
    }

    /// The command whose answer is waited for.
    fn command(&self) -> Option<&'static str> {
        self.pending.front().map(|&(_, command)| command)
    }

    /// Whether the server has said goodbye: then the end of the stream is only a matter of time.
    pub(super) const fn has_goodbye(&self) -> bool {
        matches!(self.words, Some(Words::Goodbye(_)))
    }

    pub(super) const fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// What a call is told that comes after the end.
    pub(super) fn after_end(&self) -> Option<Error> {
        let cause = self.ended.as_ref()?;
        Some(match &**cause {
            Error::Refused(refused) if refused.is_goodbye() => Error::Refused(refused.clone()),
            _ => Error::Ended(Arc::clone(cause)),
        })
    }

    /// The connection ends with this error: each later call says so. Gives it back.
    pub(super) fn end(&mut self, error: Error) -> Error {
        if self.ended.is_none() {
            let server = self.endpoint.address();
            traces::debug!(target: CLIENT_TRACES, %server, %error, "connection ended");
            self.counted.ends(cause(&error));
            self.ended = Some(Arc::new(error.clone()));
        }
        self.held = false;
        error
    }

    /// The error of a call: if nothing more can be sent, or the call held something that it has not
    /// brought to its end, that is what ended the connection.
    pub(super) fn failed(&mut self, error: Error, is_closed: bool) -> Error {
        if self.ended.is_some() || !(self.held || is_closed) {
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

    /// The connection has ended by itself.
    pub(super) fn broken(&mut self, error: Error) -> Error {
        let error = self.explain(error);
        self.end(error)
    }

    /// The session was to be over by now.
    pub(super) fn late(&mut self) -> Error {
        let after = self.endpoint.timeouts().session.unwrap_or_default();
        self.broken(Error::Timeout { phase: Phase::Session, after, server: None })
    }

    /// Ready once the session has to be over.
    pub(super) fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        // tokio's alarm has no turn where the work before it has used up all of the task's.
        if deadline <= Instant::now() {
            return Poll::Ready(());
        }
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        alarm.as_mut().poll(cx)
    }

    /// The server's words say more than that it is gone.
    fn explain(&mut self, error: Error) -> Error {
        let lost = error.is_end();
        match self.words.take() {
            Some(Words::Goodbye(mut refused)) if lost => {
                refused.command = self.command().unwrap_or(refused.command);
                refused.into()
            }
            Some(Words::Sentence(words)) if lost || error.violation().is_some() => {
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

    /// The server has said something that answers nothing.
    pub(super) fn heard(&mut self, words: Words) {
        self.words = Some(words.after(self.words.take()));
    }

    /// A command has come to its end.
    pub(super) fn answered(&mut self, ended: Ticket, verdict: Option<Verdict>) {
        let at = self.pending.iter().position(|&(ticket, _)| ticket == ended);
        self.answered = at.and_then(|at| self.pending.remove(at)).map(|(_, command)| command);
        let (server, command) = (self.endpoint.address(), self.answered);
        match (&self.phase, verdict) {
            (Phase::Login, Some(Verdict::Refused)) => {
                metrics::login(self.protocol, CLIENT, "refused", self.mechanism.as_ref());
                traces::debug!(target: CLIENT_TRACES, %server, command, "login refused");
            }
            (_, verdict) => {
                traces::trace!(target: CLIENT_TRACES, %server, command, ?verdict, "answered");
            }
        }
    }

    /// The login has succeeded, by this mechanism or by a command of the protocol.
    pub(super) fn logged_in(&mut self, mechanism: Option<&Mechanism>) {
        let (server, command) = (self.endpoint.address(), self.answered);
        let shown = mechanism.map(traces::display);
        traces::debug!(target: CLIENT_TRACES, %server, command, mechanism = shown, "logged in");
        metrics::login(self.protocol, CLIENT, "ok", mechanism);
        self.mechanism = None;
    }
}
