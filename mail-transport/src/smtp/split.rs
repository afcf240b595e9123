//! A message, and what becomes of it in the transactions that its recipients need.

use std::{borrow::Cow, collections::HashSet, vec};

use mailwire_core::{Misuse, NotOffered, dot::Mended};
use mailwire_smtp::{Rcpt, Reply, client::Outcome};

use super::{Client, Envelope, RefusedRecipient, Sent, transaction::Transaction};
use crate::{Error, Payload, Result};

const TOO_MANY: Misuse = Misuse::NotOffered(NotOffered::Limit("RCPTMAX"));

/// A message on its way, in as many transactions as its recipients need.
pub(super) struct Delivery<'m> {
    envelope: Cow<'m, Envelope>,
    /// Taken by the transaction that sends it, unless it can be sent again.
    payload: Option<Payload<'m>>,
    /// Recipients who wait for a transaction, by their places in the envelope, in order. None before the first one.
    left: Option<vec::IntoIter<usize>>,
    /// Transactions that are under way.
    open: usize,
    /// Whether there is more than one transaction.
    split: bool,
    /// How many recipients go into one, as far as the server has shown.
    most: usize,
    /// Whom it was not accepted for, with their places in the envelope.
    refused: Vec<(usize, RefusedRecipient)>,
    /// The reply of the last transaction that was accepted.
    sent: Option<Reply>,
    /// The first error of one that was not, unless another has ended the connection.
    error: Option<Error>,
    outcome: Outcome,
    /// What was mended in it when it was sent last.
    mended: Mended,
}

/// What is to be told of a message.
pub(super) struct Told {
    pub(super) result: Result<Sent>,
    pub(super) outcome: Outcome,
    /// Each recipient who was refused, if it is sent to none.
    pub(super) refused: Vec<RefusedRecipient>,
}

impl<'m> Delivery<'m> {
    pub(super) fn new(envelope: Cow<'m, Envelope>, payload: Payload<'m>) -> Self {
        Self {
            envelope,
            payload: Some(payload),
            left: None,
            open: 0,
            split: false,
            most: usize::MAX,
            refused: Vec::new(),
            sent: None,
            error: None,
            outcome: Outcome::NotSent,
            mended: Mended::default(),
        }
    }

    pub(super) fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The recipient of a transaction, or none after the last.
    pub(super) fn recipient(&self, transaction: &Transaction, at: usize) -> Option<&Rcpt> {
        self.envelope().recipients().get(transaction.place(at)?)
    }

    /// Whether there are recipients who wait for a transaction.
    pub(super) fn is_waiting(&self) -> bool {
        self.left.as_ref().is_none_or(|left| left.len() > 0)
    }

    /// Whether nothing more will become of it.
    pub(super) fn is_done(&self) -> bool {
        self.open == 0 && !self.is_waiting()
    }

    /// The next transaction, with the message, if anybody is left for one.
    pub(super) fn next(&mut self, client: &Client) -> Option<(Transaction, Payload<'m>)> {
        let all = self.envelope().recipients().len();
        if self.left.is_none() {
            self.left = Some(vec::IntoIter::default());
            let unreachable = client.unreachable(self.envelope());
            let machine = client.session.machine_ref();
            let fits = unreachable.is_empty()
                && machine.room_for(self.envelope().recipients()).all(|room| room.is_ok());
            // What can be read once is sent once, or not at all.
            if fits || !self.payload.as_ref().is_some_and(Payload::is_in_memory) {
                self.open += 1;
                return Some((Transaction::new(None, all), self.payload()?));
            }
            let reachable =
                |index: &usize| unreachable.binary_search_by_key(index, |&(index, _)| index).is_err();
            let left: Vec<_> = (0..all).filter(reachable).collect();
            for (index, error) in unreachable {
                self.refuse(index, error, Outcome::NotSent);
            }
            self.leave(left, HashSet::new());
        }
        let part = self.part(client);
        if part.is_empty() {
            return None;
        }
        self.open += 1;
        let count = part.len();
        Some((Transaction::new(Some(part), count), self.payload()?))
    }

    fn payload(&mut self) -> Option<Payload<'m>> {
        let again = self.payload.as_ref().and_then(Payload::again);
        again.or_else(|| self.payload.take())
    }

    /// These have to wait for another transaction. Who is named twice gets the message once: a server sees to that within a
    /// transaction, but not beyond it.
    fn leave(&mut self, places: Vec<usize>, mut named: HashSet<String>) {
        self.split = true;
        let recipients = self.envelope.recipients();
        let new = |index: &usize| recipients.get(*index).is_some_and(|it| named.insert(it.to.to_string()));
        let new: Vec<_> = places.into_iter().filter(new).collect();
        self.left = Some(new.into_iter());
    }

    /// A transaction has come to the end of the message: who was one too many is tried in the next.
    pub(super) fn at_its_end(&mut self, transaction: &mut Transaction) {
        if self.payload.is_none() {
            return;
        }
        let mut named = HashSet::new();
        let recipients = self.envelope.recipients();
        let split_off =
            transaction.split_off(|place| named.extend(recipients.get(place).map(|it| it.to.to_string())));
        let Some((room, later)) = split_off else { return };
        // Who was taken out was told before those who wait.
        self.most = self.most.min(room.max(1));
        let waiting = self.left.take().unwrap_or_default();
        self.leave(later.into_iter().chain(waiting).collect(), named);
    }

    /// Those who go into the next transaction together. Who goes into none is refused.
    fn part(&mut self, client: &Client) -> Vec<usize> {
        let recipients = self.envelope.recipients();
        let mut left = self.left.take().unwrap_or_default();
        let mut part = Vec::new();
        let mut beyond = Vec::new();
        let waiting = left.as_slice().iter().filter_map(|&index| recipients.get(index));
        let mut rooms = client.session.machine_ref().room_for(waiting);
        let mut taken = 0;
        for &index in left.as_slice() {
            if part.len() >= self.most {
                break;
            }
            match rooms.next() {
                Some(Ok(())) => part.push(index),
                Some(Err(TOO_MANY)) | None => break,
                Some(Err(limit)) => beyond.push((index, limit)),
            }
            taken += 1;
        }
        drop(rooms);
        left.by_ref().take(taken).for_each(drop);
        self.left = Some(left);
        for (index, limit) in beyond {
            self.refuse(index, limit.into(), Outcome::NotSent);
        }
        // Not one has room: there is no use in asking again.
        if part.is_empty() {
            for index in self.left.take().unwrap_or_default() {
                self.refuse(index, TOO_MANY.into(), Outcome::NotSent);
            }
            self.left = Some(vec::IntoIter::default());
        }
        part
    }

    fn refuse(&mut self, index: usize, error: Error, outcome: Outcome) {
        if let Some(recipient) = self.envelope.recipients().get(index) {
            let refused = RefusedRecipient::new(recipient.to.clone(), error).with_outcome(outcome);
            self.refused.push((index, refused));
        }
    }

    /// Takes down what became of a transaction; `closed` says that the connection has ended with it.
    pub(super) fn conclude(
        &mut self,
        mut transaction: Transaction,
        (result, outcome): (Result<Reply>, Outcome),
        closed: bool,
    ) {
        self.open -= 1;
        // Of one transaction alone the error says it all.
        let rest = result.as_ref().err().filter(|_| self.split).map(|error| (error, outcome));
        for (place, error, outcome) in transaction.refusals(rest) {
            self.refuse(place, error, outcome);
        }
        match result {
            Ok(reply) => (self.sent, self.mended) = (Some(reply), transaction.mended),
            Err(error) if closed => self.error = Some(error),
            Err(error) => drop(self.error.get_or_insert(error)),
        }
        self.outcome = match (self.outcome, outcome) {
            (Outcome::Unknown, _) | (_, Outcome::Unknown) => Outcome::Unknown,
            (Outcome::Refused, Outcome::NotSent) => Outcome::Refused,
            (_, outcome) => outcome,
        };
    }

    /// The connection is over: nobody who waits gets it.
    pub(super) fn give_up(&mut self, error: &Error) {
        match self.left.replace(vec::IntoIter::default()) {
            Some(left) => {
                for index in left {
                    self.refuse(index, error.clone(), Outcome::NotSent);
                }
            }
            None => self.error = Some(error.clone()),
        }
    }

    /// What became of it.
    pub(super) fn told(self) -> Told {
        let mut by_place = Vec::new();
        for (index, recipient) in self.refused {
            if index >= by_place.len() {
                by_place.resize_with(index + 1, || None);
            }
            if let Some(place) = by_place.get_mut(index) {
                *place = Some(recipient);
            }
        }
        let mut refused: Vec<_> = by_place.into_iter().flatten().collect();
        match self.sent {
            Some(reply) => {
                let refused = std::mem::take(&mut refused);
                let sent = Sent { reply, refused, mended: self.mended };
                Told { result: Ok(sent), outcome: Outcome::Accepted, refused: Vec::new() }
            }
            None => {
                let first = refused.first().map(|first| first.error.clone());
                let error = self.error.or(first).unwrap_or(Error::Closed);
                Told { result: Err(error), outcome: self.outcome, refused }
            }
        }
    }
}
