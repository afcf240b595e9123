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

/// Keeps what came.
#[derive(Debug)]
pub(super) struct Log {
    state: Mutex<Kept>,
    /// How many came.
    count: watch::Sender<usize>,
    most: usize,
}

#[derive(Debug, Default)]
struct Kept {
    messages: VecDeque<ReceivedMessage>,
    bytes: usize,
}

/// What a message costs beside its bytes.
const OVERHEAD: usize = 1024;

impl ReceivedMessage {
    fn cost(&self) -> usize {
        self.raw.len() + OVERHEAD * (1 + self.transaction.recipients.len() / 8)
    }
}

impl Log {
    pub(super) fn new(most: usize) -> Self {
        Self { state: Mutex::default(), count: watch::Sender::new(0), most }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, message: ReceivedMessage) {
        let mut kept = self.lock();
        kept.bytes += message.cost();
        kept.messages.push_back(message);
        while kept.bytes > self.most && kept.messages.len() > 1 {
            let oldest = kept.messages.pop_front();
            kept.bytes -= oldest.as_ref().map_or(0, ReceivedMessage::cost);
        }
        // Under the lock, so that a message that counts is there.
        self.count.send_modify(|count| *count += 1);
    }

    pub(super) fn messages(&self) -> Vec<ReceivedMessage> {
        self.lock().messages.iter().cloned().collect()
    }

    pub(super) fn count(&self) -> usize {
        *self.count.borrow()
    }

    pub(super) fn clear(&self) {
        let mut kept = self.lock();
        *kept = Kept::default();
        self.count.send_replace(0);
    }

    pub(super) async fn wait_for(
        &self,
        wanted: usize,
        after: Duration,
    ) -> Result<Vec<ReceivedMessage>, TooFew> {
        let mut count = self.count.subscribe();
        let came = tokio::time::timeout(after, count.wait_for(|came| *came >= wanted)).await;
        match came {
            Ok(Ok(_)) => Ok(self.messages()),
            _ => Err(TooFew { wanted, came: self.count(), after }),
        }
    }
}
