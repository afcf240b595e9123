//! The message of an APPEND, on its way in.

use bytes::Bytes;
use mailwire_core::Ticket;
use mailwire_imap::server::{Connection, Event};

use super::refusal::Refusal;
use crate::{Driver, Error, Step, Stream};

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
                Step::Event(Event::BodyRefused { .. }) => self.state = State::Aborted,
                Step::Event(_) => {}
                Step::Blocked | Step::Upgrade(_) | Step::Closed => return Err(Error::Closed),
            }
        }
        match self.state {
            State::Complete => Ok(None),
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
            State::Waiting | State::Reading => BodyOutcome::Incomplete,
            State::Aborted => BodyOutcome::Answered,
            State::Failed(error) => BodyOutcome::Failed(error),
        }
    }
}
