//! Delivers what is in a queue.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use mailwire_core::setters;
use mailwire_transport::smtp::proto::{Host, Mailbox};
use rusqlite::Connection;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    Fate, Queue, QueueError, Retry, Why,
    entries::{self, Claim, Claimed},
    file::Running,
    millis,
    report::{self, Told},
    retry::Next,
    time,
};

/// Delivers messages: to servers elsewhere, to mailboxes, or to whatever a test wants.
pub trait Carrier: Send + Sync + 'static {
    /// Delivers a message to its recipients, and says for each, in their order, what became of it. A recipient about whom nothing
    /// is said is tried again.
    fn carry(&self, parcel: Parcel) -> impl Future<Output = Vec<Fate>> + Send;
}

/// A message that is to be delivered now.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// Its number in the queue.
    pub number: u64,
    /// Who is told if it fails; nobody for `None`, the null address.
    pub from: Option<Mailbox>,
    /// Who is to get it now.
    pub to: Vec<Mailbox>,
    /// The message.
    pub message: Bytes,
}

/// How a queue is run.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// When messages are tried again, and when they are given up.
    pub retry: Retry,
    /// Messages that are delivered at one time: 20.
    pub at_once: usize,
    /// Bytes of messages that are delivered at one time: 64 MiB. A larger one goes alone.
    pub memory: u64,
    /// Recipients of one message who are handed over at one time: 100, which every server takes ([RFC 5321 section
    /// 4.5.3.1.8](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1.8)).
    pub recipients: usize,
    /// How often it is looked for what other processes have changed: every second. `None`: never.
    pub look: Option<Duration>,
    /// How long what is going on has to end once it is to stop: 30 seconds.
    pub grace: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            retry: Retry::default(),
            at_once: 20,
            memory: 64 << 20,
            recipients: 100,
            look: Some(Duration::from_secs(1)),
            grace: Duration::from_secs(30),
        }
    }
}

setters!(const Options {
    with_retry(retry: Retry),
    with_at_once(at_once: usize),
    with_memory(memory: u64),
    with_recipients(recipients: usize),
    with_look(look: Option<Duration>),
    with_grace(grace: Duration),
});

/// Whoever delivers what is in a queue: one in all processes.
#[derive(Debug)]
pub struct Runner {
    queue: Queue,
    name: Host,
    options: Options,
    _running: Running,
}

/// The longest time in which nothing is looked at. There may be nothing to wait for.
const LONG: Duration = Duration::from_secs(24 * 3600);

/// The pause after which it is tried again to write down what was done, or to read what is to be.
const PAUSE: Duration = Duration::from_secs(1);

impl Runner {
    pub(super) fn new(queue: Queue, name: Host, options: Options) -> Result<Self, QueueError> {
        let running = queue.file.run()?;
        let (now, pause) = (millis(queue.clock.now()), options.retry.first.as_millis());
        let pause = i64::try_from(pause).unwrap_or(i64::MAX);
        let freed = queue.file.change_now(|sql| entries::release(sql, now, pause))?;
        if freed > 0 {
            tracing::info!(
                freed,
                "recipients were being delivered to when the process died: they are due again"
            );
        }
        Ok(Self { queue, name, options, _running: running })
    }

    /// Delivers what is due, and what comes to be due, until it is told to stop. What is going on then has its time to end;
    /// what is not over after that is tried again at the next start.
    pub async fn run<C: Carrier>(self, carrier: Arc<C>, stop: CancellationToken) {
        let queue = &self.queue;
        let mut going_on: JoinSet<u64> = JoinSet::new();
        let mut bytes = 0_u64;
        loop {
            let wait = self.start_due(&carrier, &mut going_on, &mut bytes).await;
            tokio::select! {
                () = stop.cancelled() => break,
                () = queue.news.notified() => {}
                Some(ended) = going_on.join_next() => bytes = bytes.saturating_sub(ended.unwrap_or(0)),
                () = tokio::time::sleep(wait) => {}
            }
        }
        let end = async { while going_on.join_next().await.is_some() {} };
        if tokio::time::timeout(self.options.grace, end).await.is_err() {
            going_on.shutdown().await;
        }
    }

    /// Begins with what is due, as far as there is room, and says how long nothing else will be.
    async fn start_due<C: Carrier>(
        &self,
        carrier: &Arc<C>,
        going_on: &mut JoinSet<u64>,
        bytes: &mut u64,
    ) -> Duration {
        let wait = loop {
            let room = match going_on.len() {
                0 => u64::MAX,
                count if count >= self.options.at_once => break LONG,
                _ => self.options.memory.saturating_sub(*bytes),
            };
            match self.claim(room).await {
                Ok(Some(claim)) => {
                    let size = claim.parcel.message.len() as u64;
                    *bytes = bytes.saturating_add(size);
                    let task =
                        Task { queue: self.queue.clone(), name: self.name.clone(), options: self.options };
                    let carrier = Arc::clone(carrier);
                    going_on.spawn(async move {
                        task.deliver(&*carrier, claim).await;
                        size
                    });
                }
                Ok(None) => break self.until_due(going_on).await,
                Err(error) => {
                    tracing::warn!(%error, "the queue cannot be read");
                    break PAUSE;
                }
            }
        };
        wait.min(self.options.look.unwrap_or(LONG))
    }

    async fn claim(&self, room: u64) -> Result<Option<Claim>, QueueError> {
        let (now, most) = (millis(self.queue.clock.now()), self.options.recipients.max(1));
        self.queue.file.change(move |sql| entries::claim(sql, now, room, most)).await
    }

    /// How long nothing is due. What is, and did not fit, waits for the end of something else.
    async fn until_due(&self, going_on: &JoinSet<u64>) -> Duration {
        match self.queue.file.change(entries::next_due).await {
            Ok(None) => LONG,
            Ok(Some(due)) => match time(due).duration_since(self.queue.clock.now()) {
                Ok(wait) if !wait.is_zero() => wait,
                _ if going_on.is_empty() => Duration::ZERO,
                _ => LONG,
            },
            Err(error) => {
                tracing::warn!(%error, "the queue cannot be read");
                PAUSE
            }
        }
    }
}

/// The delivery of one message.
struct Task {
    queue: Queue,
    name: Host,
    options: Options,
}

/// What is written down of one recipient.
type Written = (Claimed, Next);

impl Task {
    async fn deliver(self, carrier: &impl Carrier, claim: Claim) {
        let Claim { parcel, recipients } = claim;
        let mut fates = carrier.carry(parcel.clone()).await.into_iter();
        let now = self.queue.clock.now();
        let unsaid = || Fate::Deferred(Why::new("4.3.0", "nothing is known of it"));
        let results: Vec<Written> = recipients
            .into_iter()
            .map(|claimed| {
                let fate = fates.next().unwrap_or_else(unsaid);
                count(&fate);
                (claimed, self.options.retry.next(fate, claimed.progress, now))
            })
            .collect();
        for ((_, next), to) in results.iter().zip(&parcel.to) {
            let number = parcel.number;
            match next {
                Next::Done => tracing::info!(number, "delivered"),
                Next::Bounce(why) => tracing::info!(number, code = why.code, "given up: {to}"),
                Next::Again { why, .. } => tracing::info!(number, code = why.code, "later"),
            }
        }
        let reports = self.reports(&parcel, &results, now);
        // Until it is written down, the recipients stay claimed: nobody gets the message a second time meanwhile.
        loop {
            let (results, reports, from) = (results.clone(), reports.clone(), parcel.from.clone());
            let written = self.queue.file.change(move |sql| {
                write_down(sql, &results)?;
                // The null address: nobody reports about a report.
                let to: Vec<Mailbox> = from.into_iter().collect();
                for report in &reports {
                    entries::insert(sql, None, &to, report, millis(now))?;
                }
                Ok(())
            });
            match written.await {
                Ok(()) => break,
                Err(error) => {
                    tracing::error!(%error, "what was delivered cannot be written down");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        if !reports.is_empty() {
            self.queue.news.notify_one();
        }
    }

    /// What the sender is told: of what is given up, and of what takes long.
    fn reports(&self, parcel: &Parcel, results: &[Written], now: SystemTime) -> Vec<Bytes> {
        let Some(sender) = &parcel.from else { return Vec::new() };
        let (mut failed, mut late) = (Vec::new(), Vec::new());
        let mut arrived = now;
        for ((claimed, next), recipient) in results.iter().zip(&parcel.to) {
            arrived = claimed.progress.arrived;
            let told = |why: &Why, until| Told { recipient: recipient.clone(), why: why.clone(), until };
            match next {
                Next::Bounce(why) => failed.push(told(why, None)),
                Next::Again { why, warn: true, .. } => {
                    late.push(told(why, Some(arrived + self.options.retry.give_up)));
                }
                Next::Done | Next::Again { .. } => {}
            }
        }
        let write = |told: &Vec<Told>| report::write(&self.name, sender, &parcel.message, arrived, told, now);
        [failed, late].iter().filter(|told| !told.is_empty()).filter_map(write).collect()
    }
}

fn write_down(sql: &Connection, results: &[Written]) -> Result<(), QueueError> {
    for (claimed, next) in results {
        match next {
            Next::Done | Next::Bounce(_) => entries::finish(sql, claimed.id)?,
            Next::Again { at, why, warn } => {
                let said = format!("{} {}", why.code, why.text);
                entries::wait(sql, claimed.id, millis(*at), &said, *warn)?;
            }
        }
    }
    Ok(())
}

fn count(fate: &Fate) {
    let result = match fate {
        Fate::Delivered => "delivered",
        Fate::Deferred(_) => "deferred",
        Fate::Failed(_) => "failed",
        Fate::InDoubt(_) => "in_doubt",
    };
    metrics::counter!("maild_queue_attempts_total", "result" => result).increment(1);
}
