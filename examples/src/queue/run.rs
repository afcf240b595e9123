//! Delivers what is in a queue.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use mailwire_core::setters;
use mailwire_transport::smtp::{
    Envelope,
    proto::{
        ForwardPath, Host, Mail, Mailbox, Rcpt, ReversePath,
        extensions::{dsn::Notify, future_release::Hold},
    },
};
use rusqlite::Connection;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    Fate, Queue, QueueError, Retry, Why,
    entries::{self, Claim, Claimed},
    file::Running,
    millis,
    report::{self, Kind, Told},
    retry::{Next, Success},
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
    /// Who is told if it fails, and who is to get it now, with what was said of reports and TLS.
    pub envelope: Envelope,
    /// How long it was held back, as its sender asked: reports tell it.
    pub hold: Option<Hold>,
    /// The message.
    pub message: Bytes,
}

impl Parcel {
    /// Who is told if it fails; nobody for `None`, the null address.
    #[must_use]
    pub fn from(&self) -> Option<&Mailbox> {
        self.envelope.mail().from.mailbox()
    }

    /// Who is to get it now.
    pub fn to(&self) -> impl Iterator<Item = &Mailbox> {
        self.envelope.recipients().iter().filter_map(|rcpt| rcpt.to.mailbox())
    }
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
        let Claim { parcel, arrived, recipients } = claim;
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
        for ((_, next), to) in results.iter().zip(parcel.to()) {
            let number = parcel.number;
            match next {
                Next::Done(_) => tracing::info!(number, "delivered"),
                Next::Bounce(why) => tracing::info!(number, code = why.code, "given up: {to}"),
                Next::Again { why, .. } => tracing::info!(number, code = why.code, "later"),
            }
        }
        let reports = self.reports(&parcel, arrived, &results, now);
        let envelope = for_reports(parcel.envelope.mail());
        // Until it is written down, the recipients stay claimed: nobody gets the message a second time meanwhile.
        loop {
            let (results, reports, envelope) = (results.clone(), reports.clone(), envelope.clone());
            let written = self.queue.file.change(move |sql| {
                write_down(sql, &results)?;
                for report in &reports {
                    entries::insert(sql, &envelope, report, millis(now))?;
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

    /// What the sender is told: of what is given up, of what takes long, and of what has arrived, each as far as that is wanted.
    fn reports(
        &self,
        parcel: &Parcel,
        arrived: SystemTime,
        results: &[Written],
        now: SystemTime,
    ) -> Vec<Bytes> {
        let mut told: [(Kind, Vec<Told<'_>>); 4] =
            [Kind::Failed, Kind::Late, Kind::Delivered, Kind::Relayed].map(|kind| (kind, Vec::new()));
        let mut since = now;
        for ((claimed, next), rcpt) in results.iter().zip(parcel.envelope.recipients()) {
            since = claimed.progress.since;
            let (kind, why) = match next {
                Next::Bounce(why) => (Kind::Failed, Some(why)),
                Next::Again { why, warn: true, .. } => (Kind::Late, Some(why)),
                Next::Done(Some(Success::Delivered)) => (Kind::Delivered, None),
                Next::Done(Some(Success::Relayed)) => (Kind::Relayed, None),
                Next::Done(None) | Next::Again { .. } => continue,
            };
            if is_wanted(rcpt, kind) {
                told.iter_mut()
                    .filter(|(known, _)| *known == kind)
                    .for_each(|(_, of_it)| of_it.push(Told { rcpt, why }));
            }
        }
        let until = since + self.options.retry.give_up;
        let write = |(kind, told): &(Kind, Vec<Told<'_>>)| {
            report::write(&self.name, parcel, *kind, told, report::Times { arrived, now, until })
        };
        told.iter().filter(|(_, told)| !told.is_empty()).filter_map(write).collect()
    }
}

/// Whether the sender wants to hear of it ([RFC 3461 section 4.1](https://www.rfc-editor.org/rfc/rfc3461#section-4.1)): without
/// NOTIFY, of what fails and of what is late.
fn is_wanted(rcpt: &Rcpt, kind: Kind) -> bool {
    let notify = rcpt.parameters().notify.unwrap_or(Notify::FAILURE | Notify::DELAY);
    notify.has(match kind {
        Kind::Failed => Notify::FAILURE,
        Kind::Late => Notify::DELAY,
        Kind::Delivered | Kind::Relayed => Notify::SUCCESS,
    })
}

/// From the null address, so that nobody reports about a report; kept to TLS as what it is about ([RFC 8689 section
/// 5](https://www.rfc-editor.org/rfc/rfc8689#section-5)), and as urgent ([RFC 6710 section
/// 4.6](https://www.rfc-editor.org/rfc/rfc6710#section-4.6)).
fn for_reports(mail: &Mail) -> Envelope {
    let to = mail.from.mailbox().map(|from| Rcpt::new(ForwardPath::Mailbox(from.clone())));
    let mut report = Mail::new(ReversePath::Null).with_require_tls(mail.parameters().require_tls);
    if let Some(priority) = mail.parameters().priority {
        report = report.with_priority(priority);
    }
    Envelope::from_commands(report, to)
}

fn write_down(sql: &Connection, results: &[Written]) -> Result<(), QueueError> {
    for (claimed, next) in results {
        match next {
            Next::Done(_) | Next::Bounce(_) => entries::finish(sql, claimed.id)?,
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
        Fate::Delivered | Fate::Relayed { .. } => "delivered",
        Fate::Deferred(_) => "deferred",
        Fate::Failed(_) => "failed",
        Fate::InDoubt(_) => "in_doubt",
    };
    metrics::counter!("maild_queue_attempts_total", "result" => result).increment(1);
}
