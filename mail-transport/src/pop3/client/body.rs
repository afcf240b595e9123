use bytes::Bytes;
use mailwire_core::Ticket;
use mailwire_pop3::client::{Connection, Event};
use tokio::io::AsyncWrite;

use super::unclaimed;
use crate::{
    Error, Result,
    body::{self, Pieces},
    session::Session,
};

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

    /// The next piece, as large as what came over the network at once; `None` at the end.
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
                        tracing::debug!(?deviations, "odd message");
                    }
                    self.ended = true;
                }
                event => unclaimed(event),
            }
        }
        Ok(None)
    }

    /// The whole message, if it has at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// It is larger, or the connection fails.
    pub async fn bytes(mut self, limit: usize) -> Result<Bytes> {
        body::collect(&mut self, body::within(limit)).await
    }

    /// Writes the message as it comes, and flushes. Gives its length.
    ///
    /// # Errors
    ///
    /// The writer fails ([`Error::Io`]) or the connection does; in both cases a part of the message
    /// may have been written.
    pub async fn copy_to<W: AsyncWrite + Unpin>(mut self, writer: &mut W) -> Result<u64> {
        body::copy(&mut self, writer).await
    }
}

impl Pieces for Body<'_> {
    type Error = Error;

    async fn piece(&mut self) -> Result<Option<Bytes>> {
        self.chunk().await
    }
}

impl std::fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("ended", &self.ended).finish_non_exhaustive()
    }
}
