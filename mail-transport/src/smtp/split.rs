//! Messages whose recipients do not go into one transaction.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    mem,
};

use bytes::Bytes;
use mailwire_core::{Misuse, NotOffered};
use mailwire_smtp::{Rcpt, client::Outcome};

use super::{Client, Envelope, RefusedRecipient, Sent};
use crate::{Error, Payload, Result};

const TOO_MANY: Misuse = Misuse::NotOffered(NotOffered::Limit("RCPTMAX"));

/// What became of the recipients so far.
#[derive(Default)]
struct Parts {
    /// Whom the message was not accepted for, by their places in the envelope.
    refused: BTreeMap<usize, RefusedRecipient>,
    /// The addresses that it was accepted for.
    accepted: HashSet<String>,
    /// The reply of the last transaction that was accepted.
    sent: Option<Sent>,
    /// The first error of one that was not.
    error: Option<Error>,
}

impl Parts {
    fn refuse(&mut self, index: usize, recipient: &Rcpt, error: Error, outcome: Outcome) {
        let refused = RefusedRecipient::new(recipient.to.clone(), error).with_outcome(outcome);
        self.refused.insert(index, refused);
    }
}

impl Client {
    /// Sends a message in as many transactions as its recipients need.
    pub(super) async fn send_in_parts(&mut self, envelope: &Envelope, message: Payload<'_>) -> Result<Sent> {
        let unreachable = self.unreachable(envelope);
        let machine = self.session.machine_ref();
        let fits = unreachable.is_empty() && machine.room_for(envelope.recipients()).all(|room| room.is_ok());
        let Some(pieces) = message.pieces().map(|pieces| pieces.cloned().collect::<Vec<_>>()) else {
            // It can be read once.
            return self.send_once(envelope, message).await;
        };
        if fits {
            // Nearly always, and then nearly always accepted at once.
            let result = self.send_once(envelope, message).await;
            match &result {
                Ok(sent) if sent.refused.iter().any(RefusedRecipient::is_for_later) => {}
                _ => return result,
            }
            let all: Vec<usize> = (0..envelope.recipients().len()).collect();
            let mut parts = Parts::default();
            let left = self.conclude(envelope, &all, result, &mut parts);
            return self.send_rest(envelope, left, pieces, parts).await;
        }
        let mut parts = Parts::default();
        let missing = Misuse::NotOffered(NotOffered::Extension("SMTPUTF8"));
        for &index in &unreachable {
            if let Some(recipient) = envelope.recipients().get(index) {
                parts.refuse(index, recipient, missing.into(), Outcome::NotSent);
            }
        }
        let left =
            (0..envelope.recipients().len()).filter(|index| !parts.refused.contains_key(index)).collect();
        self.send_rest(envelope, left, pieces, parts).await
    }

    async fn send_rest(
        &mut self,
        envelope: &Envelope,
        mut left: Vec<usize>,
        pieces: Vec<Bytes>,
        mut parts: Parts,
    ) -> Result<Sent> {
        // Who is named twice gets it once: a server sees to that within a transaction, but not beyond it.
        let mut named = mem::take(&mut parts.accepted);
        left.retain(|&index| {
            envelope.recipients().get(index).is_some_and(|rcpt| named.insert(rcpt.to.to_string()))
        });
        while !left.is_empty() {
            let (now, later) = self.part(envelope, mem::take(&mut left), &mut parts);
            if now.is_empty() {
                break;
            }
            let part = envelope.part(&now);
            let result = self.send_once(&part, Payload::from_pieces(pieces.iter().cloned())).await;
            left = self.conclude(envelope, &now, result, &mut parts);
            left.extend(later);
            left.sort_unstable();
            if !self.is_usable() {
                let error = parts.error.clone().unwrap_or(Error::Closed);
                for index in mem::take(&mut left) {
                    if let Some(recipient) = envelope.recipients().get(index) {
                        parts.refuse(index, recipient, error.clone(), Outcome::NotSent);
                    }
                }
            }
        }
        let refused: Vec<_> = parts.refused.into_values().collect();
        match parts.sent {
            Some(sent) => Ok(Sent { refused, ..sent }),
            None => {
                let first = refused.first().map(|first| first.error.clone());
                self.refused = refused;
                Err(parts.error.or(first).unwrap_or(Error::Closed))
            }
        }
    }

    /// Those who go into the next transaction together, and those after them. Who goes into none is refused.
    fn part(&self, envelope: &Envelope, left: Vec<usize>, parts: &mut Parts) -> (Vec<usize>, Vec<usize>) {
        let recipients = envelope.recipients();
        let rooms =
            self.session.machine_ref().room_for(left.iter().filter_map(|&index| recipients.get(index)));
        let (mut now, mut later) = (Vec::new(), Vec::new());
        for (&index, room) in left.iter().zip(rooms) {
            match (room, recipients.get(index)) {
                (Ok(()), _) => now.push(index),
                (Err(TOO_MANY), _) => later.push(index),
                (Err(limit), Some(recipient)) => {
                    parts.refuse(index, recipient, limit.into(), Outcome::NotSent)
                }
                (Err(_), None) => {}
            }
        }
        (now, later)
    }

    /// Takes down what became of a transaction with these recipients. Gives those who are to be tried in another.
    fn conclude(
        &mut self,
        envelope: &Envelope,
        recipients: &[usize],
        result: Result<Sent>,
        parts: &mut Parts,
    ) -> Vec<usize> {
        let mut left = Vec::new();
        let (mut accepted, refused) = match result {
            Ok(mut sent) => {
                let refused = mem::take(&mut sent.refused);
                parts.sent = Some(sent);
                (recipients.iter().copied().collect(), refused)
            }
            Err(error) => {
                let outcome = self.outcome();
                for &index in recipients {
                    if let Some(recipient) = envelope.recipients().get(index) {
                        parts.refuse(index, recipient, error.clone(), outcome);
                    }
                }
                parts.error.get_or_insert(error);
                (BTreeSet::new(), self.take_refused())
            }
        };
        let mut places = recipients.iter().cycle();
        for refused in refused {
            // Refusals come in the order of the recipients: those of RCPT, then those of the message.
            let same = |index: &&usize| {
                envelope.recipients().get(**index).is_some_and(|rcpt| rcpt.to == refused.recipient)
            };
            let Some(&index) = places.by_ref().take(recipients.len()).find(same) else { continue };
            if accepted.remove(&index) && refused.is_for_later() {
                left.push(index);
            } else {
                parts.refused.insert(index, refused);
            }
        }
        let accepted = accepted.into_iter().filter_map(|index| envelope.recipients().get(index));
        parts.accepted.extend(accepted.map(|rcpt| rcpt.to.to_string()));
        left
    }
}

impl RefusedRecipient {
    /// Whether the server would have had this one in another transaction ([RFC 5321 section
    /// 4.5.3.1.10](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1.10)).
    fn is_for_later(&self) -> bool {
        let refused = self.error.refused().filter(|refused| refused.command == "RCPT");
        refused.and_then(crate::Refused::reply).is_some_and(|reply| reply.is_too_many_recipients())
    }
}
