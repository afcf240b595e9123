//! The messages that came.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use mailwire_transport::{
    Protocol, encoded_words,
    smtp::server::{Client, Transaction},
};
use tokio::sync::watch;

use crate::message::{Message, header};

/// A message that a [`MailServer`](super::MailServer) has taken, by SMTP, submission or LMTP.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct ReceivedMessage {
    /// The number that the server has given it: 1 for the first, and never that of another, whatever is forgotten.
    pub number: u64,
    /// What it came by.
    pub protocol: Protocol,
    /// When it was taken.
    pub at: SystemTime,
    /// Who sent it: address, EHLO, TLS, login.
    pub client: Client,
    /// Its envelope: MAIL, and each RCPT that was accepted, with their parameters.
    pub transaction: Transaction,
    /// Its bytes as they came: dots are unstuffed, and the server has added nothing.
    pub raw: Bytes,
}

impl ReceivedMessage {
    /// The sender of the envelope, without brackets. Empty for the null address, which reports have.
    #[must_use]
    pub fn from(&self) -> String {
        bare(self.transaction.from())
    }

    /// The recipients of the envelope that were accepted, without brackets, in their order.
    #[must_use]
    pub fn recipients(&self) -> Vec<String> {
        self.transaction.recipients.iter().map(|rcpt| bare(&rcpt.to)).collect()
    }

    /// The name of the user who has logged in to send it.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.client.identity.as_ref().map(|identity| &*identity.user)
    }

    /// The value of the first header field of this name, with encoded words decoded and lines unfolded.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let message = self.parsed();
        header::first(&message.header(message.root()), name.as_bytes()).map(|value| encoded_words(&value))
    }

    /// The subject.
    #[must_use]
    pub fn subject(&self) -> Option<String> {
        self.header("Subject")
    }

    /// The message with its parts found.
    #[must_use]
    pub fn parsed(&self) -> Message {
        Message::parse(self.raw.clone())
    }
}

/// A path without its brackets.
fn bare(path: &impl ToString) -> String {
    let path = path.to_string();
    path.trim_start_matches('<').trim_end_matches('>').to_owned()
}

/// Fewer messages came than were waited for.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{came} of {wanted} messages came within {after:?}")]
pub struct TooFew {
    /// How many were waited for.
    pub wanted: usize,
    /// How many came.
    pub came: usize,
    /// How long they were waited for.
    pub after: Duration,
}

/// How many messages a [`MailServer`](super::MailServer) has taken, and what is left of them.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// How many came since the start, or since all were forgotten.
    pub came: usize,
    /// How many of these are kept.
    pub kept: usize,
    /// The [number](ReceivedMessage::number) of the last one; 0 before the first.
    pub last: u64,
    /// How often somebody had some of them forgotten. Where the oldest makes room for others, that does not count.
    pub forgotten: u64,
}

/// Keeps what came.
#[derive(Debug)]
pub(super) struct Log {
    state: Mutex<Kept>,
    /// It changes under the lock, so that a message that counts is there.
    tally: watch::Sender<Tally>,
    most: usize,
}

/// By their numbers.
#[derive(Debug, Default)]
struct Kept {
    messages: VecDeque<ReceivedMessage>,
    bytes: usize,
}

/// What a message costs beside its bytes and those of its envelope.
const OVERHEAD: usize = 1024;
/// What a recipient costs beside the bytes of its parts.
const ADDRESS: usize = 256;

impl ReceivedMessage {
    /// About how many bytes of memory it takes.
    fn cost(&self) -> usize {
        let Transaction { mail, recipients, .. } = &self.transaction;
        let envelope: usize = recipients.iter().map(|rcpt| ADDRESS + written(rcpt)).sum();
        self.raw.len() + OVERHEAD + written(mail) + envelope
    }
}

/// How many bytes it takes to write a command, whatever parameters it has.
fn written(command: &impl std::fmt::Debug) -> usize {
    struct Count(usize);
    impl std::fmt::Write for Count {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0 += text.len();
            Ok(())
        }
    }
    let mut count = Count(0);
    // It is only counted.
    let _ = std::fmt::Write::write_fmt(&mut count, format_args!("{command:?}"));
    count.0
}

impl Kept {
    /// How many have a lower number.
    fn before(&self, number: u64) -> usize {
        self.messages.partition_point(|message| message.number < number)
    }

    fn find(&self, number: u64) -> Option<usize> {
        let at = self.before(number);
        self.messages.get(at).is_some_and(|message| message.number == number).then_some(at)
    }
}

impl Log {
    pub(super) fn new(most: usize) -> Self {
        Self { state: Mutex::default(), tally: watch::Sender::default(), most }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message, and gives it its number.
    pub(super) fn add(&self, mut message: ReceivedMessage) {
        let mut kept = self.lock();
        message.number = self.tally().last + 1;
        let last = message.number;
        kept.bytes += message.cost();
        kept.messages.push_back(message);
        while kept.bytes > self.most && kept.messages.len() > 1 {
            let oldest = kept.messages.pop_front();
            kept.bytes -= oldest.as_ref().map_or(0, ReceivedMessage::cost);
        }
        self.tally.send_modify(|tally| {
            (tally.came, tally.kept, tally.last) = (tally.came + 1, kept.messages.len(), last);
        });
    }

    pub(super) fn messages(&self) -> Vec<ReceivedMessage> {
        self.lock().messages.iter().cloned().collect()
    }

    pub(super) fn message(&self, number: u64) -> Option<ReceivedMessage> {
        let kept = self.lock();
        kept.messages.get(kept.find(number)?).cloned()
    }

    pub(super) fn latest(&self, before: Option<u64>, most: usize) -> Vec<ReceivedMessage> {
        let kept = self.lock();
        let end = before.map_or(kept.messages.len(), |number| kept.before(number));
        kept.messages.range(end.saturating_sub(most)..end).rev().cloned().collect()
    }

    pub(super) fn tally(&self) -> Tally {
        *self.tally.borrow()
    }

    pub(super) async fn changed(&self, since: Tally) -> Tally {
        let mut tally = self.tally.subscribe();
        // The sender lives as long as this.
        tally.wait_for(|tally| *tally != since).await.map_or(since, |tally| *tally)
    }

    pub(super) fn forget(&self, number: u64) -> bool {
        let mut kept = self.lock();
        let Some(message) = kept.find(number).and_then(|at| kept.messages.remove(at)) else { return false };
        kept.bytes -= message.cost();
        self.tally.send_modify(|tally| {
            (tally.kept, tally.forgotten) = (kept.messages.len(), tally.forgotten + 1);
        });
        true
    }

    pub(super) fn clear(&self) {
        let mut kept = self.lock();
        *kept = Kept::default();
        self.tally.send_modify(|tally| {
            (tally.came, tally.kept, tally.forgotten) = (0, 0, tally.forgotten + 1);
        });
    }

    pub(super) async fn wait_for(
        &self,
        wanted: usize,
        after: Duration,
    ) -> Result<Vec<ReceivedMessage>, TooFew> {
        let mut tally = self.tally.subscribe();
        let came = tokio::time::timeout(after, tally.wait_for(|tally| tally.came >= wanted)).await;
        match came {
            Ok(Ok(_)) => Ok(self.messages()),
            _ => Err(TooFew { wanted, came: self.tally().came, after }),
        }
    }
}
