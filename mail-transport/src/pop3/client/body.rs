use bytes::Bytes;
use mailwire_core::Ticket;
use mailwire_pop3::client::{Connection, Event};

use super::unclaimed;
use crate::{Result, body::streamed_body, session::Session};

/// A message that is being received, without dot-stuffing.
///
/// It need not be read to its end: the next call to the client reads what is left and throws it
/// away. To stop a large message early, drop the [`Client`](super::Client) itself.
#[must_use]
pub struct Body<'a> {
    session: &'a mut Session<Connection>,
    ticket: Ticket,
    ended: bool,
}

impl<'a> Body<'a> {
    pub(super) const fn new(session: &'a mut Session<Connection>, ticket: Ticket) -> Self {
        Self { session, ticket, ended: false }
    }

    /// Receives the next piece, as large as what came over the network at once; `None` at the end.
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// The connection fails. The message is then not whole.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        while !self.ended {
            match self.session.event().await? {
                Event::BodyChunk(chunk) => return Ok(Some(chunk)),
                Event::BodyEnd { ticket, deviations } if ticket == self.ticket => {
                    if !deviations.is_empty() {
                        crate::traces::debug!(?deviations, "odd message");
                    }
                    self.ended = true;
                }
                event => unclaimed(event),
            }
        }
        Ok(None)
    }
}

streamed_body!(Body);

impl std::fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("ended", &self.ended).finish_non_exhaustive()
    }
}
