//! Bodies of messages: on their way in, shared by copies, on their way out.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use super::account::Account;
use crate::{BodyId, BodyReader, BodyWriter, Error, Result, message::Message};

/// What was written and not delivered within this time is forgotten.
const STAGED: Duration = Duration::from_secs(3600);

/// All bodies of a store, by their ids.
#[derive(Debug)]
pub(super) struct Bodies {
    known: Mutex<Known>,
    /// So many bytes may be on their way in at one time.
    most: u64,
    coming: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    last: u64,
    /// Whole, and not delivered yet.
    staged: HashMap<BodyId, Staged>,
    /// Held by messages.
    kept: HashMap<BodyId, Weak<Body>>,
}

#[derive(Debug)]
struct Staged {
    body: Arc<Body>,
    since: Instant,
    _room: Room,
}

/// Room that is kept for a body on its way in: with its accounts, and with the store. It is given back when this
/// is dropped.
#[derive(Debug)]
struct Room {
    bodies: Arc<Bodies>,
    /// Those that have room for it.
    accounts: Vec<Arc<Account>>,
    bytes: u64,
    /// The bytes of the message whose place it takes.
    replaced: Option<u64>,
}

impl Room {
    /// Keeps so much more. If that cannot be, nothing is changed.
    fn grow(&mut self, more: u64) -> Result<()> {
        let taken = self.bodies.coming.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |coming| {
            coming.checked_add(more).filter(|coming| *coming <= self.bodies.most)
        });
        if taken.is_err() {
            return Err(Error::Limit("messages on their way in"));
        }
        let fits: Vec<bool> =
            self.accounts.iter().map(|account| account.lock().expect(more, self.replaced)).collect();
        if !fits.contains(&true) {
            self.bodies.coming.fetch_sub(more, Ordering::Relaxed);
            return Err(Error::OverQuota);
        }
        let mut fits = fits.into_iter();
        self.accounts.retain(|account| {
            let fits = fits.next().unwrap_or_default();
            if !fits {
                account.lock().expect_no_more(self.bytes);
            }
            fits
        });
        self.bytes += more;
        Ok(())
    }

    /// Gives back what the accounts have kept: now they are asked for it.
    fn leave_accounts(&mut self) {
        self.accounts.drain(..).for_each(|account| account.lock().expect_no_more(self.bytes));
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.leave_accounts();
        self.bodies.coming.fetch_sub(self.bytes, Ordering::Relaxed);
    }
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
    /// No bodies; `most` bytes may be on their way in at one time.
    pub(super) fn new(most: u64) -> Self {
        Self { known: Mutex::default(), most, coming: AtomicU64::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn stage(self: &Arc<Self>, raw: Bytes, room: Room) -> BodyId {
        let mut known = self.lock();
        let body = self.make(&mut known, raw);
        let id = body.id;
        known.staged.insert(id, Staged { body, since: Instant::now(), _room: room });
        id
    }

    /// Forgets what nobody has delivered in time.
    fn forget_late(&self) {
        let now = Instant::now();
        let mut known = self.lock();
        let is_late = |staged: &Staged| now.duration_since(staged.since) > STAGED;
        let late: Vec<BodyId> =
            known.staged.iter().filter(|(_, staged)| is_late(staged)).map(|(id, _)| *id).collect();
        let late: Vec<_> = late.iter().filter_map(|id| known.staged.remove(id)).collect();
        drop(known);
        // Bodies take the lock when they are dropped.
        drop(late);
    }

    /// A body that is to be delivered; the store does not hold it any more.
    pub(super) fn take(&self, id: BodyId) -> Result<Arc<Body>> {
        let mut known = self.lock();
        if let Some(staged) = known.staged.remove(&id) {
            known.kept.insert(id, Arc::downgrade(&staged.body));
            drop(known);
            return Ok(Arc::clone(&staged.body));
        }
        known.kept.get(&id).and_then(Weak::upgrade).ok_or(Error::NoSuchBody)
    }

    pub(super) fn get(&self, id: BodyId) -> Result<Arc<Body>> {
        let known = self.lock();
        let kept = known.kept.get(&id).and_then(Weak::upgrade);
        let body = kept.or_else(|| known.staged.get(&id).map(|staged| Arc::clone(&staged.body)));
        drop(known);
        body.ok_or(Error::NoSuchBody)
    }
}

/// A body on its way into a [`MemoryStore`](super::MemoryStore).
#[derive(Debug)]
pub struct Writer {
    raw: Vec<u8>,
    room: Room,
}

/// Room for a body whose size nobody has said is kept in steps of so many bytes.
const STEP: u64 = 1 << 20;

impl Writer {
    /// A writer of a body for these accounts, in the place of a message of `replaced` bytes if it takes the place of one.
    ///
    /// # Errors
    ///
    /// None of them has room for so much, or too much is on its way in.
    pub(super) fn new(
        bodies: &Arc<Bodies>,
        accounts: Vec<Arc<Account>>,
        announced: Option<u64>,
        replaced: Option<u64>,
    ) -> Result<Self> {
        bodies.forget_late();
        let mut room = Room { bodies: Arc::clone(bodies), accounts, bytes: 0, replaced };
        room.grow(announced.unwrap_or(0))?;
        Ok(Self { raw: Vec::new(), room })
    }
}

impl BodyWriter for Writer {
    /// The pieces are copied, so that a message pins no receive buffer. The body grows as it comes, whatever
    /// was announced.
    async fn write(&mut self, piece: Bytes) -> Result<()> {
        let length = self.raw.len().saturating_add(piece.len()) as u64;
        if let Some(more) = length.checked_sub(self.room.bytes).filter(|more| *more > 0) {
            // The last step can be larger than what is left.
            if more >= STEP || self.room.grow(STEP).is_err() {
                self.room.grow(more)?;
            }
        }
        self.raw.extend_from_slice(&piece);
        Ok(())
    }

    async fn finish(mut self) -> Result<BodyId> {
        self.raw.shrink_to_fit();
        self.room.leave_accounts();
        let bodies = Arc::clone(&self.room.bodies);
        Ok(bodies.stage(self.raw.into(), self.room))
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
        let bodies = Arc::new(Bodies::new(3));
        let account = account(3);
        let mut writer = Writer::new(&bodies, vec![Arc::clone(&account)], None, None).unwrap();
        writer.write("ab".into()).await.unwrap();
        writer.write("c".into()).await.unwrap();
        assert!(writer.write("d".into()).await.is_err());
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

    fn account(bytes: u64) -> Arc<Account> {
        let config = Arc::new(super::super::Config { bytes, ..Default::default() });
        let password = mailwire_transport::sasl::StoredPassword::derive(&"x".into()).unwrap();
        Arc::new(Account::new(0, "ada".into(), password, config).unwrap())
    }

    #[tokio::test]
    async fn room_is_kept_before_the_first_byte_and_given_back() {
        let bodies = Arc::new(Bodies::new(250));
        let (ada, bob) = (account(100), account(200));
        let writer = |accounts: &[&Arc<Account>], announced| {
            Writer::new(
                &bodies,
                accounts.iter().map(|account| Arc::clone(account)).collect(),
                announced,
                None,
            )
        };
        let room = |user: &Arc<Account>| user.lock().room(None).unwrap_or(0);
        let kept = || (room(&ada), room(&bob), bodies.coming.load(Ordering::Relaxed));
        let one = writer(&[&ada], Some(60)).unwrap();
        assert_eq!(kept(), (40, 200, 60));
        assert_eq!(writer(&[&ada], Some(41)).unwrap_err(), Error::OverQuota);
        // Whoever has no room does without: the others get it.
        let both = writer(&[&ada, &bob], Some(150)).unwrap();
        assert_eq!(kept(), (40, 50, 210));
        assert_eq!(writer(&[&bob], Some(41)).unwrap_err(), Error::Limit("messages on their way in"));
        drop(one);
        assert_eq!(kept(), (100, 50, 150));
        // Of no announced size: as it comes, and no more than there is.
        let mut grows = writer(&[&ada], None).unwrap();
        grows.write(Bytes::from(vec![0; 70])).await.unwrap();
        assert_eq!(kept(), (30, 50, 220));
        assert_eq!(
            grows.write(Bytes::from(vec![0; 31])).await,
            Err(Error::Limit("messages on their way in"))
        );
        drop(both);
        assert_eq!(grows.write(Bytes::from(vec![0; 31])).await, Err(Error::OverQuota));
        assert_eq!(kept(), (30, 200, 70));
        // Until it is delivered it is still on its way.
        let id = grows.finish().await.unwrap();
        assert_eq!(kept(), (100, 200, 70));
        drop(bodies.take(id).unwrap());
        assert_eq!(kept(), (100, 200, 0));
    }

    /// Even if they leave no room for another one.
    #[tokio::test(start_paused = true)]
    async fn what_nobody_delivers_is_forgotten_where_room_is_asked_for() {
        let (bodies, account) = (Arc::new(Bodies::new(100)), account(1000));
        let writer = |size| Writer::new(&bodies, vec![Arc::clone(&account)], Some(size), None);
        let late = writer(100).unwrap().finish().await.unwrap();
        tokio::time::advance(STAGED).await;
        assert_eq!(writer(1).unwrap_err(), Error::Limit("messages on their way in"));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(writer(100).is_ok());
        assert_eq!(bodies.take(late).unwrap_err(), Error::NoSuchBody);
    }
}
