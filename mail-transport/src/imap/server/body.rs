//! The messages of an APPEND, on their way in.

use std::num::NonZeroU32;

use bytes::Bytes;
use mailwire_core::Ticket;
use mailwire_imap::{
    command::AppendMessage,
    server::{Connection, Event},
    types::Flag,
};

use super::{limiting::too_many, options::NewMessage, refusal::Refusal};
use crate::{Driver, Error, OverBudget, Step, Stream};

/// A message that a client appends: at no time is more of it in memory than one piece.
///
/// It is complete when [`chunk`](Self::chunk) says `None`; nothing may be kept of it before
/// that.
#[derive(Debug)]
pub struct Body<'a> {
    driver: &'a mut Driver<Stream, Connection>,
    ticket: Ticket,
    length: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The client waits to be told to go on.
    Waiting,
    Reading,
    /// The message is complete, and another follows.
    Next(Box<AppendMessage>),
    Complete,
    /// The command was not one: the machine has answered it.
    Aborted,
    Failed(Error),
}

/// How a body was left.
pub(super) enum BodyOutcome {
    Complete,
    Incomplete,
    Answered,
    Failed(Error),
}

impl<'a> Body<'a> {
    pub(super) const fn new(driver: &'a mut Driver<Stream, Connection>, ticket: Ticket, length: u64) -> Self {
        Self { driver, ticket, length, state: State::Waiting }
    }

    /// How many bytes the client has announced.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// The next piece, of whatever size it came in; `None` at the end.
    ///
    /// # Errors
    ///
    /// The message will not be complete: give this error as the answer to the APPEND.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Refusal> {
        match self.advance().await {
            Ok(chunk) => Ok(chunk),
            Err(error) => {
                if !matches!(self.state, State::Aborted | State::Failed(_)) {
                    self.state = State::Failed(error);
                }
                Err(Refusal::new("The message is not complete"))
            }
        }
    }

    async fn advance(&mut self) -> Result<Option<Bytes>, Error> {
        if matches!(self.state, State::Waiting) {
            self.driver.connection_mut().accept_body(self.ticket)?;
            self.state = State::Reading;
        }
        while matches!(self.state, State::Reading) {
            match self.driver.next().await? {
                Step::Event(Event::BodyChunk(chunk)) => return Ok(Some(chunk)),
                Step::Event(Event::BodyEnd { .. }) => self.state = State::Complete,
                Step::Event(Event::AppendMore { messages, .. }) => {
                    // Parts are not offered, and of messages each has its bytes.
                    let next = messages.into_iter().next().ok_or(Error::Closed)?;
                    self.state = State::Next(next.into());
                }
                Step::Event(Event::BodyRefused { .. }) => self.state = State::Aborted,
                Step::Event(_) => {}
                Step::Blocked | Step::Upgrade(_) | Step::Closed => return Err(Error::Closed),
            }
        }
        match self.state {
            State::Complete | State::Next(_) => Ok(None),
            _ => Err(Error::Closed),
        }
    }

    /// Reads past what is left.
    pub(super) async fn skip(&mut self) {
        while let Ok(Some(_)) = self.chunk().await {}
    }

    pub(super) fn end(self) -> BodyOutcome {
        match self.state {
            State::Complete => BodyOutcome::Complete,
            State::Waiting | State::Reading | State::Next(_) => BodyOutcome::Incomplete,
            State::Aborted => BodyOutcome::Answered,
            State::Failed(error) => BodyOutcome::Failed(error),
        }
    }
}

/// Several messages that a client appends with one command (MULTIAPPEND, [RFC
/// 3502](https://www.rfc-editor.org/rfc/rfc3502)): all of them are to be stored, or none.
#[derive(Debug)]
pub struct Messages<'a> {
    body: Body<'a>,
    /// The first one, until it was given.
    first: Option<NewMessage>,
    /// No more messages are taken, all together; so many of them may still come, with the present one.
    limit: Option<NonZeroU32>,
    left: Option<u32>,
    /// Bytes that may still be kept of what is told of messages, beside the messages themselves.
    room: usize,
}

/// Bytes that are kept of the flags of all messages together, and of what stands for a message.
const KEPT: usize = 16 << 20;
/// Bytes that stand for a message that waits for the others.
const EACH: usize = 256;

impl<'a> Messages<'a> {
    pub(super) fn new(first: NewMessage, body: Body<'a>, limit: Option<NonZeroU32>) -> Self {
        Self { body, first: Some(first), limit, left: limit.map(NonZeroU32::get), room: KEPT }
    }

    /// The next message, whose bytes [`chunk`](Self::chunk) gives; what is left of the one before is read past.
    /// `None`: all have come. Nothing may be kept of any before that.
    ///
    /// # Errors
    ///
    /// They will not be complete: give this error as the answer to the APPEND.
    pub async fn next(&mut self) -> Result<Option<NewMessage>, Refusal> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        while self.body.chunk().await?.is_some() {}
        match std::mem::replace(&mut self.body.state, State::Waiting) {
            State::Next(message) => {
                if let (Some(left), Some(limit)) = (&mut self.left, self.limit) {
                    *left = left.saturating_sub(1);
                    if *left == 0 {
                        return Err(too_many(limit));
                    }
                }
                let message = NewMessage::of(*message);
                // A message has to be stored with the others: what is told of it waits for them, however small it is.
                let flags = message.flags.iter().map(|flag| size_of::<Flag>() + flag.to_string().len());
                self.room = self.room.checked_sub(EACH + flags.sum::<usize>()).ok_or(OverBudget)?;
                self.body.length = message.length;
                Ok(Some(message))
            }
            state => {
                self.body.state = state;
                Ok(None)
            }
        }
    }

    /// The next piece of the present message, of whatever size it came in; `None` at its end.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Refusal> {
        self.body.chunk().await
    }

    pub(super) fn into_body(self) -> Body<'a> {
        self.body
    }
}
