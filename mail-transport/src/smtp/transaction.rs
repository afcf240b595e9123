//! The commands of one transaction, and what the server answers to them.

use mailwire_core::{Ticket, dot::Mended};
use mailwire_smtp::{
    Reply, ReplyCode,
    client::{Event, Outcome},
};

use super::client::refused;
use crate::{Error, Result};

/// The commands of a transaction, and what was answered.
pub(super) struct Transaction {
    /// Whether BDAT sends the message.
    pub(super) chunked: bool,
    /// Its recipients, by their places in the envelope; without, it is all of them.
    places: Option<Vec<usize>>,
    /// How many these are.
    count: usize,
    pub(super) mail: Option<Ticket>,
    /// Each RCPT, in the order of the envelope.
    pub(super) recipients: Vec<Ticket>,
    /// RCPTs that were answered.
    answered: usize,
    /// Recipients of whom it is known what became of the message for them.
    settled: Places,
    pub(super) first_chunk: Option<Ticket>,
    /// DATA, or the last BDAT.
    pub(super) data: Option<Ticket>,
    /// The message was given to its end.
    ended: bool,
    /// The last reply in LMTP or PRDR that accepts it.
    accepted: Option<Reply>,
    refused: Vec<Refusal>,
    pub(super) mended: Mended,
    /// Those who are to be tried in another transaction.
    later: Places,
    /// The first refusal that is not about a recipient.
    error: Option<Error>,
}

/// Some of the recipients of a transaction.
#[derive(Default)]
struct Places(Vec<bool>);

impl Places {
    fn of(all: impl Iterator<Item = usize>) -> Self {
        let mut places = Self::default();
        all.for_each(|at| places.insert(at));
        places
    }

    fn insert(&mut self, at: usize) {
        if at >= self.0.len() {
            self.0.resize(at + 1, false);
        }
        if let Some(place) = self.0.get_mut(at) {
            *place = true;
        }
    }

    fn contains(&self, at: usize) -> bool {
        self.0.get(at).is_some_and(|&is| is)
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().filter(|&(_, &is)| is).map(|(at, _)| at)
    }
}

/// A recipient of a transaction whom the message was not accepted for.
struct Refusal {
    at: usize,
    error: Error,
    outcome: Outcome,
}

/// What an event means for a transaction.
pub(super) enum Heard {
    /// It belongs to another.
    Unclaimed(Event),
    GoOn,
    /// The message can be sent.
    Requested,
    Sent(Reply),
    /// It is not sent, or not accepted; the connection is as before.
    Failed(Error, Outcome),
}

impl Transaction {
    pub(super) fn new(places: Option<Vec<usize>>, count: usize) -> Self {
        Self {
            chunked: false,
            places,
            count,
            mail: None,
            recipients: Vec::new(),
            answered: 0,
            settled: Places::default(),
            first_chunk: None,
            data: None,
            ended: false,
            accepted: None,
            refused: Vec::new(),
            mended: Mended::default(),
            later: Places::default(),
            error: None,
        }
    }

    /// The place in the envelope of a recipient, or none after the last.
    pub(super) fn place(&self, at: usize) -> Option<usize> {
        match &self.places {
            Some(places) => places.get(at).copied(),
            None => (at < self.count).then_some(at),
        }
    }

    /// The message was given to its end.
    pub(super) fn at_its_end(mut self) -> Self {
        self.ended = true;
        self
    }

    /// # Errors
    ///
    /// The server's last words.
    pub(super) fn hear(&mut self, event: Event) -> Result<Heard> {
        Ok(match event {
            Event::Reply { ticket, reply, .. } if Some(ticket) == self.data => self.answered(reply),
            Event::Reply { ticket, reply, .. } => return self.early(ticket, &reply),
            Event::BodyRequested { ticket, .. } if Some(ticket) == self.data => Heard::Requested,
            Event::NoRecipients { ticket, reply, .. } if Some(ticket) == self.data => self.not_wanted(&reply),
            Event::NotSent { ticket, reason, .. } if Some(ticket) == self.data => {
                let error = self.error.take().unwrap_or_else(|| reason.into());
                Heard::Failed(error, Outcome::Refused)
            }
            Event::RecipientReply { ticket, data, reply, last, .. } if Some(data) == self.data => {
                self.answered_for(ticket, reply, last)
            }
            event => Heard::Unclaimed(event),
        })
    }

    /// What the message is sent by.
    const fn command(&self) -> &'static str {
        if self.chunked { "BDAT" } else { "DATA" }
    }

    /// A reply to MAIL, RCPT, or a chunk that is not the last. After 421 there will be no other.
    fn early(&mut self, ticket: Ticket, reply: &Reply) -> Result<Heard> {
        let recipient = self.recipients.binary_search(&ticket).ok();
        let chunk = self.first_chunk.is_some_and(|first| ticket >= first)
            && self.data.is_none_or(|last| ticket < last);
        let command = match recipient {
            Some(_) => "RCPT",
            None if self.mail == Some(ticket) => "MAIL",
            None if chunk => "BDAT",
            None if reply.code() == ReplyCode::UNAVAILABLE => return Err(refused("RCPT", reply)),
            None => return Ok(Heard::GoOn),
        };
        let error = (!reply.is_positive()).then(|| refused(command, reply));
        if let (Some(error), true) = (&error, reply.code() == ReplyCode::UNAVAILABLE) {
            return Err(error.clone());
        }
        if let Some(at) = recipient {
            self.answered += 1;
            if let Some(error) = error {
                self.refuse(at, error);
            }
            return Ok(
                match (self.chunked && self.answered == self.count, self.refused.len() == self.count) {
                    (false, _) => Heard::GoOn,
                    (true, false) => Heard::Requested,
                    (true, true) => self.not_wanted(reply),
                },
            );
        }
        match error {
            Some(error) if chunk && !self.ended => return Ok(Heard::Failed(error, Outcome::Refused)),
            Some(error) => drop(self.error.get_or_insert(error)),
            None => {}
        }
        Ok(Heard::GoOn)
    }

    fn refuse(&mut self, at: usize, error: Error) {
        self.settled.insert(at);
        self.refused.push(Refusal { at, error, outcome: Outcome::Refused });
    }

    /// Nobody gets it. The first refusal is the reason for those after it.
    fn not_wanted(&mut self, reply: &Reply) -> Heard {
        let error = self.error.take().or_else(|| self.first_refusal());
        Heard::Failed(error.unwrap_or_else(|| refused(self.command(), reply)), Outcome::Refused)
    }

    fn first_refusal(&self) -> Option<Error> {
        Some(self.refused.first()?.error.refused()?.clone().into())
    }

    /// The answer to the message, or a refusal of DATA.
    fn answered(&mut self, reply: Reply) -> Heard {
        if self.ended && reply.is_positive() {
            return Heard::Sent(reply);
        }
        if self.ended {
            self.refused.clear();
        }
        self.not_wanted(&reply)
    }

    /// The answer to the message for one recipient, in LMTP or with PRDR.
    fn answered_for(&mut self, ticket: Ticket, reply: Reply, last: bool) -> Heard {
        let recipient = self.recipients.binary_search(&ticket);
        if let Ok(at) = recipient {
            self.settled.insert(at);
        }
        if reply.is_positive() {
            self.accepted = Some(reply);
        } else if let Ok(at) = recipient {
            self.refuse(at, refused(self.command(), &reply));
        }
        match (last, self.accepted.take()) {
            (false, accepted) => {
                self.accepted = accepted;
                Heard::GoOn
            }
            (true, Some(reply)) => Heard::Sent(reply),
            (true, None) => Heard::Failed(self.first_refusal().unwrap_or(Error::Closed), Outcome::Refused),
        }
    }

    /// What a lost connection leaves of a message by LMTP: one that was accepted for somebody is sent, and what became of it for
    /// those whose answers did not come is unknown ([RFC 2033 section
    /// 5](https://www.rfc-editor.org/rfc/rfc2033#section-5)).
    pub(super) fn lost(&mut self, error: Error, outcome: Outcome) -> Result<Reply> {
        let Some(reply) = self.accepted.take() else { return Err(error) };
        for at in (0..self.count).filter(|&at| !self.settled.contains(at)) {
            self.refused.push(Refusal { at, error: error.clone(), outcome });
        }
        Ok(reply)
    }

    /// Takes out those whom the server would have in another transaction, and tells how many there are before the first
    /// of them ([RFC 5321 section 4.5.3.1.10](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1.10)). The others,
    /// by their places, are `named`.
    pub(super) fn split_off(&mut self, mut named: impl FnMut(usize)) -> Option<(usize, Vec<usize>)> {
        if !self.refused.iter().any(Refusal::is_for_later) {
            return None;
        }
        let (later, refused): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.refused).into_iter().partition(Refusal::is_for_later);
        self.refused = refused;
        self.later = Places::of(later.iter().map(|refusal| refusal.at));
        let not_in = Places::of(self.refused.iter().map(|refusal| refusal.at));
        for at in (0..self.count).filter(|&at| !self.later.contains(at) && !not_in.contains(at)) {
            self.place(at).map(&mut named);
        }
        let places = self.later.iter().filter_map(|at| self.place(at)).collect();
        Some((self.later.iter().next()?, places))
    }

    /// The goodbye among the refusals, if there is one: 421 in place of an answer for a recipient.
    pub(super) fn goodbye(&self) -> Option<&Error> {
        let last = &self.refused.last()?.error;
        last.refused().is_some_and(crate::Refused::is_goodbye).then_some(last)
    }

    /// The refusals of recipients, by their places in the envelope; with `rest` for each of those who have none.
    pub(super) fn refusals(&mut self, rest: Option<(&Error, Outcome)>) -> Vec<(usize, Error, Outcome)> {
        let refused = std::mem::take(&mut self.refused);
        let mut all = Vec::with_capacity(refused.len());
        let mut add = |at, error, outcome| {
            if let Some(place) = self.place(at) {
                all.push((place, error, outcome));
            }
        };
        if let Some((error, outcome)) = rest {
            let known = Places::of(refused.iter().map(|refusal| refusal.at));
            for at in (0..self.count).filter(|&at| !known.contains(at) && !self.later.contains(at)) {
                add(at, error.clone(), outcome);
            }
        }
        for Refusal { at, error, outcome } in refused {
            add(at, error, outcome);
        }
        all
    }
}

impl Refusal {
    /// Whether the server would have had this one in another transaction.
    fn is_for_later(&self) -> bool {
        let refused = self.error.refused().filter(|refused| refused.command == "RCPT");
        refused.and_then(crate::Refused::reply).is_some_and(|reply| reply.is_too_many_recipients())
    }
}
