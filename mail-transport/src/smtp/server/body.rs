//! A message on its way in.

use std::collections::VecDeque;

use bytes::Bytes;
use mailwire_core::Ticket;
use mailwire_smtp::{
    Reply,
    server::{BodyRefusal, Connection, Event, default_reply},
};

use crate::{
    Driver, Error, Step, Stream,
    body::{self, Pieces},
    metrics,
};

/// A message as it comes, by DATA or BDAT: dots are unstuffed, lines end in CR LF, unless MAIL said BODY=BINARYMIME.
///
/// With DATA the client is told to go on (354) when this is first asked for a part: until then the message can be
/// refused without having been sent. With BDAT it comes unasked, and is dropped if it is refused.
pub struct Body<'a> {
    driver: &'a mut Driver<Stream, Connection>,
    /// The DATA or BDAT that waits to be granted.
    waiting: Option<Ticket>,
    /// Who has a reply of their own, and none yet.
    unanswered: VecDeque<Ticket>,
    pub(super) end: Option<End>,
}

#[derive(Clone, Copy)]
pub(super) enum End {
    /// The reply is due, with this ticket.
    Complete(Ticket),
    Refused(BodyRefusal),
}

/// The reason why a message is not to be kept.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is too large, has a NUL or bare CRs or LFs, or was given up between two chunks, and was refused.
    #[error("the message was refused: {0:?}")]
    Refused(BodyRefusal),
    /// The connection failed before its end.
    #[error(transparent)]
    Connection(#[from] Error),
}

impl<'a> Body<'a> {
    pub(super) fn new(
        driver: &'a mut Driver<Stream, Connection>,
        data: Ticket,
        recipients: Vec<Ticket>,
    ) -> Self {
        Self { driver, waiting: Some(data), unanswered: recipients.into(), end: None }
    }

    /// The recipients that are not answered yet.
    pub(super) fn into_unanswered(self) -> VecDeque<Ticket> {
        self.unanswered
    }

    /// Whether nothing was asked for yet.
    pub(super) const fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Receives the next part, a slice of what was received; `None` after the last. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The message is not to be kept.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        if let Some(data) = self.waiting.take() {
            self.driver.connection_mut().accept_body(data).map_err(Error::from)?;
        }
        loop {
            match self.end {
                Some(End::Complete(_)) => return Ok(None),
                Some(End::Refused(reason)) => return Err(BodyError::Refused(reason)),
                None => {}
            }
            match self.driver.next().await.map_err(Error::from)? {
                Step::Event(Event::BodyChunk(chunk)) => return Ok(Some(chunk)),
                Step::Event(Event::BodyEnd { ticket, .. }) => self.end = Some(End::Complete(ticket)),
                Step::Event(Event::BodyRefused { reason, .. }) => self.end = Some(End::Refused(reason)),
                // Between two chunks: NOOP, and others that change nothing.
                Step::Event(Event::Command { ticket, command, .. }) => {
                    let reply = default_reply(&command);
                    self.driver.connection_mut().reply(ticket, reply).map_err(Error::from)?;
                }
                Step::Event(_) => {}
                Step::Blocked | Step::Upgrade(_) | Step::Closed => return Err(Error::Closed.into()),
            }
        }
    }

    /// Reads all of it into memory.
    ///
    /// # Errors
    ///
    /// As [`chunk`](Self::chunk). The message's size is bounded by the server's limit.
    pub async fn bytes(&mut self) -> Result<Bytes, BodyError> {
        body::collect(self, |_| Ok(())).await
    }

    /// Answers the next recipient now, while the message is still being delivered to those after it; of use in
    /// [`Session::message_for_each`](super::Session::message_for_each), whose replies are for the recipients that are left then. What is left of the
    /// message is read and dropped: nobody can be answered before. With PRDR the client is told of all at once, as it says so.
    ///
    /// Returns whether there was a recipient to be answered. There is none in SMTP without PRDR, where one reply is for all.
    ///
    /// # Errors
    ///
    /// As [`chunk`](Self::chunk).
    pub async fn answer(&mut self, reply: Reply) -> Result<bool, BodyError> {
        while self.chunk().await?.is_some() {}
        let Some(recipient) = self.unanswered.pop_front() else { return Ok(false) };
        metrics::message_received("lmtp", reply.is_positive());
        self.driver.connection_mut().reply(recipient, reply).map_err(Error::from)?;
        self.driver.flush().await.map_err(Error::from)?;
        Ok(true)
    }

    /// Reads what is left and drops it.
    pub(super) async fn drain(&mut self) -> Result<End, Error> {
        loop {
            match (self.chunk().await, self.end) {
                (_, Some(end)) => return Ok(end),
                (Ok(_), None) => {}
                (Err(BodyError::Connection(error)), None) => return Err(error),
                (Err(BodyError::Refused(reason)), None) => return Ok(End::Refused(reason)),
            }
        }
    }
}

impl Pieces for Body<'_> {
    type Error = BodyError;

    async fn piece(&mut self) -> Result<Option<Bytes>, BodyError> {
        self.chunk().await
    }
}

impl std::fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("complete", &self.end.is_some()).finish_non_exhaustive()
    }
}
