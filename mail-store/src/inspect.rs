//! Looking at messages before they are stored.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use mailwire_smtp::{Reply, ReplyCode};
use mailwire_transport::smtp::server::{Body, BodyError, Client, Transaction};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What looks at each message that an [`SmtpService`](crate::SmtpService) is given, before it is stored: whether it is from whom
/// it says (SPF, DKIM, DMARC), spam, or has a virus.
pub trait Inspector: Send + Sync + 'static {
    /// Looks at a message, and gives the pieces that are stored in its place: a field with what was found, say, and then the
    /// message itself. A reply refuses it, for all recipients.
    fn inspect<'a>(
        &'a self,
        client: &'a Client,
        transaction: &'a Transaction,
        message: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Bytes>, Reply>> + Send + 'a>>;
}

/// An inspector, and the room for what it looks at.
#[derive(Clone)]
pub(crate) struct Inspection {
    pub(crate) inspector: Arc<dyn Inspector>,
    pub(crate) room: Room,
}

impl fmt::Debug for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspection").field("room", &self.room).finish_non_exhaustive()
    }
}

/// How many bytes of messages are whole in memory at one time. Cloning gives another handle of the same room.
#[derive(Debug, Clone)]
pub struct Room(Arc<Semaphore>);

/// A message that is whole in memory. Its room is free again when this is dropped.
#[derive(Debug)]
pub struct Whole {
    /// The message.
    pub message: Bytes,
    _room: Vec<OwnedSemaphorePermit>,
}

/// The unit in which room is counted, in bytes.
const UNIT: usize = 1024;

impl Room {
    /// Room for so many bytes, in units of 1024.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.div_ceil(UNIT).min(Semaphore::MAX_PERMITS))))
    }

    /// Reads a message to its end. The inner error is what to say where there is no room for it now: 451, so that the client
    /// tries again.
    ///
    /// # Errors
    ///
    /// The message's own: it is not to be kept.
    pub async fn read(&self, body: &mut Body<'_>) -> Result<Result<Whole, Reply>, BodyError> {
        let (mut pieces, mut taken, mut length, mut units) = (Vec::new(), Vec::new(), 0_usize, 0_usize);
        while let Some(piece) = body.chunk().await? {
            length = length.saturating_add(piece.len());
            let missing = length.div_ceil(UNIT).saturating_sub(units);
            // By steps, so that a message of many small pieces does not have as many permits; the last room is given as it is
            // needed.
            if missing > 0 {
                let acquire = |units: usize| {
                    let permits = u32::try_from(units).unwrap_or(u32::MAX);
                    Arc::clone(&self.0).try_acquire_many_owned(permits).map(|permit| (permit, units))
                };
                let step = missing.max(units.min(1 << 10));
                let Ok((permit, step)) = acquire(step).or_else(|_| acquire(missing)) else {
                    return Ok(Err(Reply::new(ReplyCode::LOCAL_ERROR, "4.3.1 Too much at once, try again")));
                };
                units = units.saturating_add(step);
                taken.push(permit);
            }
            pieces.push(piece);
        }
        Ok(Ok(Whole { message: together(pieces, length), _room: taken }))
    }
}

/// Pieces as one.
fn together(pieces: Vec<Bytes>, length: usize) -> Bytes {
    match <[Bytes; 1]>::try_from(pieces) {
        Ok([one]) => one,
        Err(pieces) => {
            let mut message = bytes::BytesMut::with_capacity(length);
            pieces.iter().for_each(|piece| message.extend_from_slice(piece));
            message.freeze()
        }
    }
}
