//! Many messages over connections that are kept.

use std::{
    borrow::Borrow,
    collections::VecDeque,
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use futures_core::Stream;
use mailwire_smtp::client::Outcome;
use tokio::task::{JoinError, JoinSet};

use super::{
    Client, Envelope, Mailer, Sent,
    mailer::{Attempts, Failure},
};
use crate::{
    Error, Payload, Result,
    pool::{Lease, Uses, Wanted},
};

/// Messages on their way, from [`Mailer::send_all`] or [`Mailer::send_stream`]; as a [`Stream`], their results.
///
/// Messages are taken, and connections got, while [`next`](Self::next) is waited for; those that were taken go on meanwhile. Dropped
/// before its end, it leaves no connection half used; whether messages that were under way are sent is not known then. A result
/// that was not told is lost with it.
#[must_use = "nothing is sent until `next` is called"]
pub struct Mailing<M> {
    mailer: Mailer,
    messages: M,
    exhausted: bool,
    /// How many were taken.
    taken: usize,
    desk: Arc<Desk>,
    lanes: JoinSet<()>,
    /// How many lanes there are at most.
    most: usize,
}

/// A message that was taken and is not told.
struct Letter {
    place: usize,
    envelope: Arc<Envelope>,
    /// None while it is on its way and cannot be sent again.
    payload: Option<Payload<'static>>,
    cost: usize,
    /// The attempts that have failed.
    failed: u32,
}

/// Where lanes fetch messages, and put down results.
#[derive(Default)]
struct Desk(Mutex<OnDesk>);

#[derive(Default)]
struct OnDesk {
    ready: VecDeque<Letter>,
    results: VecDeque<(usize, Result<Sent>)>,
    /// Those that were taken and are not told: how many, and their bytes.
    count: usize,
    bytes: usize,
    /// Of whoever waits for a result.
    waker: Option<Waker>,
}

impl<M> Mailing<M> {
    pub(super) fn new(mailer: Mailer, messages: M) -> Self {
        let most = mailer.pool.most();
        let most = mailer.options.batch_connections.map_or(most, |most_here| most_here.clamp(1, most));
        let (desk, lanes) = (Arc::default(), JoinSet::new());
        Self { mailer, messages, exhausted: false, taken: 0, desk, lanes, most }
    }
}

impl<M, E, P> Mailing<M>
where
    M: Stream<Item = (E, P)> + Unpin,
    E: Borrow<Envelope>,
    P: Into<Payload<'static>>,
{
    /// Sends until it is known what becomes of another message: gives its place among them, counted from 0, and its result.
    /// `None` after the last. Cancel-safe.
    ///
    /// # Errors
    ///
    /// Those of [`Mailer::send`], of this message; but it waits for the [rate](crate::pool::PoolOptions::rate) as long as that
    /// takes, and [`Error::Busy`] is none of them.
    ///
    /// # Panics
    ///
    /// There is no runtime of tokio.
    pub async fn next(&mut self) -> Option<(usize, Result<Sent>)> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Takes messages, as many as there may be.
    fn take(&mut self, cx: &mut Context<'_>) {
        while !self.exhausted && self.desk.lock().has_room(self.most, self.mailer.options.batch_bytes) {
            match Pin::new(&mut self.messages).poll_next(cx) {
                Poll::Ready(Some((envelope, payload))) => {
                    let letter = Letter::new(self.taken, envelope.borrow(), payload.into());
                    self.taken = self.taken.saturating_add(1);
                    self.desk.lock().put(letter);
                }
                Poll::Ready(None) => self.exhausted = true,
                Poll::Pending => return,
            }
        }
    }

    /// Begins another lane, if there may be one and there is work for it.
    fn begin(&mut self) -> bool {
        let free = self.lanes.len() < self.most;
        let first = free.then(|| self.desk.lock().ready.pop_front()).flatten();
        if let Some(letter) = first {
            let lane = Lane {
                mailer: self.mailer.clone(),
                desk: self.desk.clone(),
                mine: VecDeque::from([letter]),
                fresh: false,
            };
            self.lanes.spawn(lane.run());
            return true;
        }
        false
    }
}

impl<M, E, P> Stream for Mailing<M>
where
    M: Stream<Item = (E, P)> + Unpin,
    E: Borrow<Envelope>,
    P: Into<Payload<'static>>,
{
    type Item = (usize, Result<Sent>);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        this.desk.lock().wake_by(cx);
        while let Poll::Ready(Some(ended)) = this.lanes.poll_join_next(cx) {
            if let Err(Ok(panic)) = ended.map_err(JoinError::try_into_panic) {
                std::panic::resume_unwind(panic);
            }
        }
        this.take(cx);
        while this.begin() {
            // There is to be something for it to go on with.
            this.take(cx);
        }
        let mut desk = this.desk.lock();
        match desk.results.pop_front() {
            Some(result) => Poll::Ready(Some(result)),
            None if this.exhausted && desk.count == 0 => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

impl Letter {
    fn new(place: usize, envelope: &Envelope, payload: Payload<'static>) -> Self {
        /// What a message and a recipient cost beside their bytes, about.
        const OVERHEAD: usize = 512;
        let recipients = envelope.recipients().len().saturating_add(1).saturating_mul(OVERHEAD);
        let cost = payload.held().saturating_add(recipients);
        Self { place, envelope: Arc::new(envelope.clone()), payload: Some(payload), cost, failed: 0 }
    }

    /// Whether it can be sent more than once.
    fn is_in_memory(&self) -> bool {
        self.payload.as_ref().is_some_and(Payload::is_in_memory)
    }

    /// What is to be sent.
    fn give(&mut self) -> Option<(Arc<Envelope>, Payload<'static>)> {
        let payload = self.payload.take()?;
        self.payload = payload.again();
        Some((self.envelope.clone(), payload))
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, OnDesk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message that nobody has begun.
    fn next(&self) -> Option<Letter> {
        let mut desk = self.lock();
        let next = desk.ready.pop_front();
        desk.wake();
        next
    }

    fn tell(&self, letter: Letter, result: Result<Sent>) {
        let mut desk = self.lock();
        desk.count = desk.count.saturating_sub(1);
        desk.bytes = desk.bytes.saturating_sub(letter.cost);
        desk.results.push_back((letter.place, result));
        desk.wake();
    }
}

impl OnDesk {
    fn has_room(&self, lanes: usize, bytes: usize) -> bool {
        /// Messages that wait for each lane, so that it need not wait: a runtime of one thread comes seldom to who asks for more.
        const READY: usize = 8;
        // Results that nobody has asked for are kept: what is in them is the server's choice.
        let kept = self.ready.len().saturating_add(self.results.len());
        kept < lanes.saturating_mul(READY) && (self.count == 0 || self.bytes < bytes)
    }

    fn put(&mut self, letter: Letter) {
        self.count = self.count.saturating_add(1);
        self.bytes = self.bytes.saturating_add(letter.cost);
        self.ready.push_back(letter);
    }

    fn wake_by(&mut self, cx: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.waker = Some(cx.waker().clone()),
        }
    }

    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

/// Sends messages one after the other, over one connection at a time, until there are none left.
struct Lane {
    mailer: Mailer,
    desk: Arc<Desk>,
    /// Those that come first: what this lane was begun for, and what it has to send again.
    mine: VecDeque<Letter>,
    /// A connection was lost: those that are as old may be, too.
    fresh: bool,
}

impl Lane {
    async fn run(mut self) {
        loop {
            if self.mine.is_empty() {
                self.mine.extend(self.desk.next());
            }
            let Some(first) = self.mine.front() else { return };
            let wanted = match (self.fresh, first.is_in_memory()) {
                (true, _) => Wanted::Fresh,
                (false, true) => Wanted::Any,
                (false, false) => Wanted::Proven,
            };
            match self.mailer.pool.turn_of_many().await {
                Ok(turn) => match turn.lease(wanted).await {
                    Ok(client) => self.send(client).await,
                    Err(error) => self.fail(error).await,
                },
                // Whoever cannot have a turn has waited for it already.
                Err(error) => self.tell(Err(error)),
            }
        }
    }

    /// Tells the result of the first.
    fn tell(&mut self, result: Result<Sent>) {
        if let Some(letter) = self.mine.pop_front() {
            self.desk.tell(letter, result);
        }
    }

    /// An attempt at the first has failed: it stays if there is to be another, after a pause.
    async fn fail(&mut self, error: Error) {
        let Some(first) = self.mine.front_mut() else { return };
        let mut attempts = Attempts { options: &self.mailer.options, failed: first.failed };
        let failed = attempts.fail(error).await;
        first.failed = attempts.failed;
        if let Err(error) = failed {
            self.tell(Err(error));
        }
    }

    /// Sends over this connection as long as it can be used.
    async fn send(&mut self, mut client: Lease<Client>) {
        let reused = client.is_reused();
        let mine = std::mem::take(&mut self.mine);
        let (session, uses) = client.parts();
        let ahead = Mutex::new(Ahead { mine, desk: &self.desk, uses, given: VecDeque::new(), over: false });
        // Those that the server cannot have, in their order; whether the first of them is what the error is about; and whether
        // others were told before.
        let (mut lost, mut about_first, mut told) = (VecDeque::new(), false, false);
        let mut sending = session.send_stream(Feed { ahead: &ahead, begun: false });
        while let Some(result) = sending.next().await {
            let mut ahead = lock(&ahead);
            let Some(letter) = ahead.given.pop_front() else { break };
            let error = match result {
                Ok(sent) => {
                    self.desk.tell(letter, Ok(sent));
                    told = true;
                    continue;
                }
                Err(error) => error,
            };
            let outcome = sending.outcome();
            // What has ended the connection is said of all that are on it, but is about the first.
            let with_another = std::mem::replace(&mut ahead.over, sending.is_over());
            match Failure::of(error, outcome, &sending.take_refused()) {
                Failure::NotSent(error) | Failure::Final(error)
                    if with_another && outcome == Outcome::NotSent =>
                {
                    lost.push_back((letter, error));
                }
                Failure::NotSent(error) if error.is_transient() => {
                    (ahead.over, about_first) = (true, true);
                    lost.push_back((letter, error));
                }
                Failure::NotSent(error) | Failure::InDoubt(error) | Failure::Final(error) => {
                    self.desk.tell(letter, Err(error));
                    told = true;
                }
            }
        }
        drop(sending);
        let Ahead { mine, .. } = ahead.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.mine = mine;
        // It was lost before: the server, or the way to it, may have forgotten all that are as old.
        let stale = !client.is_usable() && (reused || told);
        self.fresh = !lost.is_empty();
        drop(client);
        let first = lost.front().map(|(letter, error)| (letter.place, error.clone()));
        while let Some((letter, error)) = lost.pop_back() {
            match letter.payload {
                Some(_) => self.mine.push_front(letter),
                None => self.desk.tell(letter, Err(error)),
            }
        }
        let Some((place, error)) = first else { return };
        let left = self.mine.front().is_some_and(|letter| letter.place == place);
        if about_first && left && !stale {
            self.fail(error).await;
        }
    }
}

/// What a connection sends.
struct Ahead<'a> {
    mine: VecDeque<Letter>,
    desk: &'a Desk,
    uses: Uses<'a, Client>,
    /// What it was given and has not answered.
    given: VecDeque<Letter>,
    /// It gets nothing more.
    over: bool,
}

impl Ahead<'_> {
    fn next(&mut self, first: bool) -> Option<(Arc<Envelope>, Payload<'static>)> {
        if self.over {
            return None;
        }
        if self.mine.is_empty() {
            self.mine.extend(self.desk.next());
        }
        // What can be sent once goes over a connection that is proven for it.
        let goes_on = first || self.mine.front()?.is_in_memory() && self.uses.another();
        if !goes_on {
            return None;
        }
        let mut letter = self.mine.pop_front()?;
        let given = letter.give();
        self.given.push_back(letter);
        given
    }
}

fn lock<'a, 'b>(ahead: &'a Mutex<Ahead<'b>>) -> MutexGuard<'a, Ahead<'b>> {
    ahead.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The messages for a connection: it ends where none is there.
struct Feed<'a, 'b> {
    ahead: &'a Mutex<Ahead<'b>>,
    begun: bool,
}

impl Stream for Feed<'_, '_> {
    type Item = (Arc<Envelope>, Payload<'static>);

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let first = !std::mem::replace(&mut self.begun, true);
        Poll::Ready(lock(self.ahead).next(first))
    }
}

impl<M> fmt::Debug for Mailing<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailing")
            .field("mailer", &self.mailer)
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}
