//! Bodies of messages: on their way in, shared by copies, on their way out.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};

use crate::{BodyId, BodyReader, BodyWriter, Error, Result, message::Message};

/// What was written and not delivered within this time is forgotten.
const STAGED: Duration = Duration::from_secs(3600);

/// All bodies of a store, by their ids.
#[derive(Debug, Default)]
pub(super) struct Bodies(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    last: u64,
    /// Whole, and not delivered yet.
    staged: HashMap<BodyId, (Arc<Body>, Instant)>,
    /// Held by messages.
    kept: HashMap<BodyId, Weak<Body>>,
}

/// What a message consists of, shared by its copies.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) id: BodyId,
    pub(super) raw: Bytes,
    parts: OnceLock<Arc<Message>>,
    bodies: Weak<Bodies>,
}

impl Body {
    pub(super) fn size(&self) -> u64 {
        self.raw.len() as u64
    }

    /// The message as IMAP sees it, worked out when it is first asked for. It is kept where that takes
    /// less memory than the message itself, so that the quota bounds it too.
    pub(super) fn parts(&self) -> Arc<Message> {
        if let Some(parts) = self.parts.get() {
            return Arc::clone(parts);
        }
        let parts = Arc::new(Message::parse(self.raw.clone()));
        if parts.footprint() <= self.raw.len().max(1024) {
            return Arc::clone(self.parts.get_or_init(|| parts));
        }
        parts
    }

    fn slice(&self, range: Range<u64>) -> Bytes {
        let bound = |position: u64| usize::try_from(position).unwrap_or(usize::MAX).min(self.raw.len());
        let (start, end) = (bound(range.start), bound(range.end));
        self.raw.slice(start.min(end)..end)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(bodies) = self.bodies.upgrade() {
            bodies.lock().kept.remove(&self.id);
        }
    }
}

impl Bodies {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(self: &Arc<Self>, known: &mut Known, raw: Bytes) -> Arc<Body> {
        known.last += 1;
        let id = BodyId::new(known.last);
        Arc::new(Body { id, raw, parts: OnceLock::new(), bodies: Arc::downgrade(self) })
    }

    /// A body that goes into a mailbox at once.
    pub(super) fn keep(self: &Arc<Self>, raw: Bytes) -> Arc<Body> {
        let mut known = self.lock();
        let body = self.make(&mut known, raw);
        known.kept.insert(body.id, Arc::downgrade(&body));
        body
    }

    /// A body that will be delivered.
    fn stage(self: &Arc<Self>, raw: Bytes) -> BodyId {
        let now = Instant::now();
        let mut known = self.lock();
        let late: Vec<BodyId> = known
            .staged
            .iter()
            .filter(|(_, (_, since))| now.duration_since(*since) > STAGED)
            .map(|(id, _)| *id)
            .collect();
        let late: Vec<_> = late.iter().filter_map(|id| known.staged.remove(id)).collect();
        let body = self.make(&mut known, raw);
        let id = body.id;
        known.staged.insert(id, (body, now));
        drop(known);
        // Bodies take the lock when they are dropped.
        drop(late);
        id
    }

    /// A body that is to be delivered; the store does not hold it any more.
    pub(super) fn take(&self, id: BodyId) -> Result<Arc<Body>> {
        let mut known = self.lock();
        if let Some((body, _)) = known.staged.remove(&id) {
            known.kept.insert(id, Arc::downgrade(&body));
            return Ok(body);
        }
        known.kept.get(&id).and_then(Weak::upgrade).ok_or(Error::NoSuchBody)
    }

    pub(super) fn get(&self, id: BodyId) -> Result<Arc<Body>> {
        let known = self.lock();
        let kept = known.kept.get(&id).and_then(Weak::upgrade);
        let body = kept.or_else(|| known.staged.get(&id).map(|(body, _)| Arc::clone(body)));
        drop(known);
        body.ok_or(Error::NoSuchBody)
    }
}

/// A body on its way into a [`MemoryStore`](super::MemoryStore).
#[derive(Debug)]
pub struct Writer {
    bodies: Arc<Bodies>,
    room: u64,
    raw: BytesMut,
}

impl Writer {
    pub(super) fn new(bodies: Arc<Bodies>, room: u64) -> Self {
        Self { bodies, room, raw: BytesMut::new() }
    }
}

impl BodyWriter for Writer {
    /// The pieces are copied, so that a message pins no receive buffer. The body grows as it comes, whatever
    /// was announced.
    async fn write(&mut self, piece: Bytes) -> Result<()> {
        if self.raw.len().saturating_add(piece.len()) as u64 > self.room {
            return Err(Error::OverQuota);
        }
        self.raw.extend_from_slice(&piece);
        Ok(())
    }

    async fn finish(self) -> Result<BodyId> {
        Ok(self.bodies.stage(self.raw.freeze()))
    }
}

/// A range of a body of a [`MemoryStore`](super::MemoryStore): one piece, which is not copied.
#[derive(Debug)]
pub struct Reader(Bytes);

impl Reader {
    pub(super) fn new(body: &Body, range: Range<u64>) -> Self {
        Self(body.slice(range))
    }
}

impl BodyReader for Reader {
    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let whole = std::mem::take(&mut self.0);
        Ok((!whole.is_empty()).then_some(whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_stays_of_what_no_message_holds() {
        let bodies = Arc::new(Bodies::default());
        let mut writer = Writer::new(Arc::clone(&bodies), 3);
        writer.write("ab".into()).await.unwrap();
        writer.write("c".into()).await.unwrap();
        assert_eq!(writer.write("d".into()).await, Err(Error::OverQuota));
        let id = writer.finish().await.unwrap();
        let body = bodies.take(id).unwrap();
        assert_eq!(
            (&body.raw[..], &body.slice(1..9)[..], &body.slice(7..9)[..]),
            (&b"abc"[..], &b"bc"[..], &b""[..])
        );
        let copy = bodies.get(id).unwrap();
        drop(body);
        assert!(bodies.get(id).is_ok());
        drop(copy);
        assert_eq!(bodies.get(id).unwrap_err(), Error::NoSuchBody);
        assert!(bodies.lock().kept.is_empty() && bodies.lock().staged.is_empty());
    }
}
