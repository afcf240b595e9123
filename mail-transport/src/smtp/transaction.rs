//! The commands of one message, and what the server answers to them.

use std::{borrow::Borrow, collections::BTreeSet};

use mailwire_core::Ticket;
use mailwire_smtp::{
    Reply, ReplyCode,
    client::{Event, Outcome},
};

use super::{Envelope, RefusedRecipient, Sent, client::refused};
use crate::{Error, Result};

/// The commands of a message, and what was answered.
pub(super) struct Transaction<E> {
    pub(super) envelope: E,
    /// Whether BDAT sends the message.
    pub(super) chunked: bool,
    pub(super) mail: Option<Ticket>,
    /// Each RCPT, in the order of the envelope.
    pub(super) recipients: Vec<Ticket>,
    /// RCPTs that were answered.
    answered: usize,
    /// Recipients of whom it is known what became of the message for them.
    settled: BTreeSet<usize>,
    pub(super) first_chunk: Option<Ticket>,
    /// DATA, or the last BDAT.
    pub(super) data: Option<Ticket>,
    /// The message was given to its end.
    ended: bool,
    /// The last reply in LMTP or PRDR that accepts it.
    accepted: Option<Reply>,
    pub(super) refused: Vec<RefusedRecipient>,
    /// The first refusal that is not about a recipient.
    error: Option<Error>,
}

/// What an event means for a transaction.
pub(super) enum Heard {
    /// It belongs to another.
    Unclaimed(Event),
    GoOn,
    /// The message can be sent.
    Requested,
    Sent(Sent),
    /// It is not sent, or not accepted; the connection is as before.
    Failed(Error, Outcome),
}

impl<E: Borrow<Envelope>> Transaction<E> {
    pub(super) const fn new(envelope: E, chunked: bool) -> Self {
        Self {
            envelope,
            chunked,
            mail: None,
            recipients: Vec::new(),
            answered: 0,
            settled: BTreeSet::new(),
            first_chunk: None,
            data: None,
            ended: false,
            accepted: None,
            refused: Vec::new(),
            error: None,
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
            Event::Reply { ticket, reply, .. } => return self.early(ticket, reply),
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
    fn early(&mut self, ticket: Ticket, reply: Reply) -> Result<Heard> {
        let recipient = self.recipients.binary_search(&ticket).ok();
        let chunk = self.first_chunk.is_some_and(|first| ticket >= first)
            && self.data.is_none_or(|last| ticket < last);
        let command = match recipient {
            Some(_) => "RCPT",
            None if self.mail == Some(ticket) => "MAIL",
            None if chunk => "BDAT",
            None if reply.code() == ReplyCode::UNAVAILABLE => return Err(refused("RCPT", &reply)),
            None => return Ok(Heard::GoOn),
        };
        let error = (!reply.is_positive()).then(|| refused(command, &reply));
        if let (Some(error), true) = (&error, reply.code() == ReplyCode::UNAVAILABLE) {
            return Err(error.clone());
        }
        if let Some(at) = recipient {
            self.answered += 1;
            if let (Some(error), Some(recipient)) = (error, self.envelope.borrow().recipients().get(at)) {
                self.settled.insert(at);
                self.refused.push(RefusedRecipient::new(recipient.to.clone(), error));
            }
            let all = self.envelope.borrow().recipients().len();
            return Ok(match (self.chunked && self.answered == all, self.refused.len() == all) {
                (false, _) => Heard::GoOn,
                (true, false) => Heard::Requested,
                (true, true) => self.not_wanted(&reply),
            });
        }
        match error {
            Some(error) if chunk && !self.ended => return Ok(Heard::Failed(error, Outcome::Refused)),
            Some(error) => drop(self.error.get_or_insert(error)),
            None => {}
        }
        Ok(Heard::GoOn)
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
            return Heard::Sent(Sent { reply, refused: std::mem::take(&mut self.refused) });
        }
        if self.ended {
            self.refused.clear();
        }
        self.not_wanted(&reply)
    }

    /// The answer to the message for one recipient, in LMTP or with PRDR.
    fn answered_for(&mut self, ticket: Ticket, reply: Reply, last: bool) -> Heard {
        let recipient = self.recipients.binary_search(&ticket);
        self.settled.extend(recipient);
        if reply.is_positive() {
            self.accepted = Some(reply);
        } else if let Ok(at) = recipient {
            let error = refused(self.command(), &reply);
            let recipient = self.envelope.borrow().recipients().get(at);
            self.refused.extend(recipient.map(|it| RefusedRecipient::new(it.to.clone(), error)));
        }
        match (last, self.accepted.take()) {
            (false, accepted) => {
                self.accepted = accepted;
                Heard::GoOn
            }
            (true, Some(reply)) => Heard::Sent(Sent { reply, refused: std::mem::take(&mut self.refused) }),
            (true, None) => Heard::Failed(self.first_refusal().unwrap_or(Error::Closed), Outcome::Refused),
        }
    }

    /// What a lost connection leaves of a message by LMTP: one that was accepted for somebody is sent, and what became of it for
    /// those whose answers did not come is unknown ([RFC 2033 section
    /// 5](https://www.rfc-editor.org/rfc/rfc2033#section-5)).
    pub(super) fn lost(self, error: Error, outcome: Outcome) -> Result<Sent> {
        let Some(reply) = self.accepted else { return Err(error) };
        let mut refused = self.refused;
        for (at, recipient) in self.envelope.borrow().recipients().iter().enumerate() {
            if !self.settled.contains(&at) {
                let lost = RefusedRecipient::new(recipient.to.clone(), error.clone());
                refused.push(lost.with_outcome(outcome));
            }
        }
        Ok(Sent { reply, refused })
    }
}
