//! A queue of messages on their way out, in one SQLite file: what an MTA keeps until each recipient has a message, or its
//! sender has been told that one has not.
//!
//! [`Queue::add`] takes a message: it is on the disk when that returns. [`Runner::run`] hands what is due to a [`Carrier`],
//! which does the delivering, and writes down what came of it. What is refused for now is tried again, after pauses that
//! grow ([`Retry`]); what is refused for good, or not delivered in time, goes back to the sender as a report (RFC 3464), and so
//! does what the sender wants to hear of by the envelope (DSN, RFC 3461). Nobody is told about a message from the null address.
//!
//! A message that its sender wants to have held back (FUTURERELEASE, RFC 4865) is due when it may be released, and no flush
//! changes that. Of what is due the most urgent goes first (MT-PRIORITY, RFC 6710).
//!
//! # What survives
//!
//! The process can die at any time. A recipient leaves the file in the same transaction in which the report about it enters.
//! What was being delivered then is tried again after the start: its recipients get the message twice only if the server had
//! it already and that was not written down yet.
//!
//! # What it costs
//!
//! Messages and bytes are bounded in the file ([`Limits`]) and, while they are delivered, in memory ([`Options`]). Changes that
//! come at the same time wait for the disk together.

mod entries;
mod file;
mod report;
mod retry;
mod run;
#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    path::Path,
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use mailwire_core::setters;
use mailwire_store::{OutgoingReport, ReportQueue};
use mailwire_transport::{
    deliver,
    smtp::{
        Envelope,
        proto::{Host, ReversePath},
    },
};
use tokio::sync::Notify;

use self::file::File;
pub use self::{
    entries::{Entry, Waiting},
    retry::Retry,
    run::{Carrier, Options, Parcel, Runner},
};

/// A queue in a file. Clones are handles of one queue.
#[derive(Clone)]
pub struct Queue {
    file: Arc<File>,
    limits: Limits,
    clock: Clock,
    /// Something is to be done that was not before.
    news: Arc<Notify>,
}

/// How much a queue holds. What is beyond is not taken; reports are, as each takes the place of a recipient.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Messages: 100,000.
    pub messages: u64,
    /// Bytes of all messages: 4 GiB.
    pub bytes: u64,
    /// Messages of one sender that are held back at one time: 1,000.
    pub held_messages: u64,
    /// Bytes of messages of one sender that are held back at one time: 256 MiB.
    pub held_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { messages: 100_000, bytes: 4 << 30, held_messages: 1000, held_bytes: 256 << 20 }
    }
}

setters!(const Limits {
    with_messages(messages: u64),
    with_bytes(bytes: u64),
    with_held_messages(held_messages: u64),
    with_held_bytes(held_bytes: u64),
});

/// Why a queue has not done something.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueueError {
    /// It holds as much as it may.
    #[error("the queue is full")]
    Full,
    /// It holds back as many messages of this sender, or as much of them, as it may.
    #[error("as much of this sender is held back as may be")]
    Held,
    /// Another process runs this queue.
    #[error("another process runs this queue")]
    Busy,
    /// The recipient is no whole address.
    #[error("{0}: no whole address")]
    Address(String),
    /// The file cannot be read or written.
    #[error("the queue: {0}")]
    File(String),
}

impl From<rusqlite::Error> for QueueError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full,
            _ => Self::File(error.to_string()),
        }
    }
}

/// What became of a message for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is in the recipient's mailbox.
    Delivered,
    /// Whoever comes next has it.
    Relayed {
        /// Whether that one reports what the sender wants to hear of, as this side asked it to.
        reports: bool,
    },
    /// Not now.
    Deferred(Why),
    /// Never.
    Failed(Why),
    /// Whoever comes next may have it: it is tried again.
    InDoubt(Why),
}

/// Why a message is not delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// The enhanced status code (RFC 3463).
    pub code: String,
    /// What happened, in words.
    pub text: String,
    /// The server's reply, if it is one that said so.
    pub reply: Option<String>,
    /// The host that said so.
    pub host: Option<String>,
    /// The server delays what it does not know, and will take it soon.
    pub is_greylisting: bool,
}

impl Why {
    /// A reason of this side's.
    pub fn new(code: &str, text: impl fmt::Display) -> Self {
        Self { code: code.to_owned(), text: text.to_string(), reply: None, host: None, is_greylisting: false }
    }

    /// Of one that a host said.
    #[must_use]
    pub fn of(reason: &deliver::Reason, host: Option<&str>) -> Self {
        Self {
            code: reason.code.clone(),
            text: reason.text.clone(),
            reply: reason.reply.as_ref().map(ToString::to_string),
            host: host.map(str::to_owned),
            is_greylisting: reason.is_greylisting(),
        }
    }
}

impl Fate {
    /// What a report of delivery says of each recipient, in their order.
    #[must_use]
    pub fn of(report: &deliver::Report) -> Vec<Self> {
        let of = |recipient: &deliver::Recipient| {
            let why = |reason| Why::of(reason, recipient.host.as_deref());
            match &recipient.status {
                deliver::Status::Delivered(_) => Self::Relayed { reports: !recipient.reports_end },
                deliver::Status::Deferred(reason) => Self::Deferred(why(reason)),
                deliver::Status::Failed(reason) => Self::Failed(why(reason)),
                deliver::Status::InDoubt(reason) => Self::InDoubt(why(reason)),
                other => Self::Deferred(Why::new("4.3.0", format_args!("{other:?}"))),
            }
        };
        report.recipients.iter().map(of).collect()
    }
}

/// What time it is: the system's, or, in tests, one that passes as they want.
#[derive(Clone)]
struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    fn now(&self) -> SystemTime {
        (self.0)()
    }
}

/// Milliseconds since 1970, as they stand in the file.
fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A time that stands in the file.
fn time(millis: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}

impl Queue {
    /// Opens the queue in a file, which is made if there is none, for its owner alone. It waits for the disk.
    ///
    /// # Errors
    ///
    /// It cannot be read or written, or is of something else.
    pub fn open(path: &Path, limits: Limits) -> Result<Self, QueueError> {
        Self::with_clock(path, limits, Clock(Arc::new(SystemTime::now)))
    }

    fn with_clock(path: &Path, limits: Limits, clock: Clock) -> Result<Self, QueueError> {
        let file = Arc::new(File::open(path)?);
        Ok(Self { file, limits, clock, news: Arc::default() })
    }

    /// Takes a message, with all that its envelope says of reports and TLS. It survives the process, and what the disk survives, when
    /// this returns. One that is to be held back (RFC 4865) is delivered no earlier than its envelope says; the time in which it
    /// has to be delivered begins then.
    ///
    /// # Errors
    ///
    /// The queue is full, or of this sender as much is held back as may be; it cannot be written; a recipient is not a whole
    /// address.
    pub async fn add(&self, envelope: Envelope, message: Bytes) -> Result<u64, QueueError> {
        let (limits, now) = (self.limits, millis(self.clock.now()));
        let added = self.file.change(move |sql| {
            entries::check_room(sql, limits, message.len() as u64)?;
            if envelope.mail().parameters().hold.is_some() {
                entries::check_hold(sql, limits, &envelope.mail().from, message.len() as u64, now)?;
            }
            entries::insert(sql, &envelope, &message, now)
        });
        let number = added.await?;
        self.news.notify_one();
        Ok(number)
    }

    /// Whether a message of this sender, of so many bytes, may be held back now.
    ///
    /// # Errors
    ///
    /// [`QueueError::Held`]; the file cannot be read.
    pub async fn check_hold(&self, sender: ReversePath, size: u64) -> Result<(), QueueError> {
        let (limits, now) = (self.limits, millis(self.clock.now()));
        self.file.change(move |sql| entries::check_hold(sql, limits, &sender, size, now)).await
    }

    /// Returns what is waiting, in the order in which it came: at most so many messages.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub async fn list(&self, most: u64) -> Result<Vec<Entry>, QueueError> {
        self.file.change(move |sql| entries::list(sql, most)).await
    }

    /// Has all that is waiting tried now, or what is waiting of one message. Returns how many recipients that are. What is held back
    /// stays so.
    ///
    /// A runner in another process sees it when it [looks](Options::look) next.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub async fn flush(&self, message: Option<u64>) -> Result<usize, QueueError> {
        let now = millis(self.clock.now());
        let flushed = self.file.change(move |sql| entries::flush(sql, message, now)).await?;
        self.news.notify_one();
        Ok(flushed)
    }

    /// Removes a message, without telling anybody. What is being delivered now stays. Returns how many recipients do not get
    /// the message.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub async fn remove(&self, message: u64) -> Result<usize, QueueError> {
        self.file.change(move |sql| entries::remove(sql, message)).await
    }

    /// Returns how many messages there are, and of how many bytes.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub async fn total(&self) -> Result<(u64, u64), QueueError> {
        self.file.change(entries::total).await
    }

    /// Who runs the queue: one process at a time. What was being delivered when the last one died is due again.
    ///
    /// # Errors
    ///
    /// [`QueueError::Busy`]; the file cannot be written. It waits for the disk.
    pub fn runner(&self, name: Host, options: Options) -> Result<Runner, QueueError> {
        Runner::new(self.clone(), name, options)
    }
}

/// What the SMTP service of a store reports to senders elsewhere.
impl ReportQueue for Queue {
    fn queue(&self, report: OutgoingReport) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send + '_>> {
        Box::pin(async move {
            let added = self.add(report.header.envelope(), report.message).await;
            added.map(drop).map_err(io::Error::other)
        })
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("limits", &self.limits).finish_non_exhaustive()
    }
}
