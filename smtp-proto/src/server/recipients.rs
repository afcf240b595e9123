//! What is said to a message for each recipient, in LMTP and with PRDR.

use alloc::{collections::VecDeque, vec::Vec};

use mailwire_core::Ticket;

use crate::{Reply, ReplyCode};

/// The replies of the application to a message. Each call takes about as long for many recipients as for few.
#[derive(Debug)]
pub(super) struct RecipientReplies {
    /// Recipients whose replies are not written, in the order of their RCPT and so of their tickets.
    due: VecDeque<(Ticket, Option<Reply>)>,
    /// How many of these have none.
    missing: usize,
}

impl RecipientReplies {
    pub(super) fn new(recipients: Vec<Ticket>) -> Self {
        let missing = recipients.len();
        Self { due: recipients.into_iter().map(|recipient| (recipient, None)).collect(), missing }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    /// Whether this recipient has no reply.
    pub(super) fn is_due(&self, recipient: Ticket) -> bool {
        self.find(recipient).is_some_and(|at| matches!(self.due.get(at), Some((_, None))))
    }

    fn find(&self, recipient: Ticket) -> Option<usize> {
        self.due.binary_search_by_key(&recipient, |(ticket, _)| *ticket).ok()
    }

    /// Keeps the reply for one recipient, or for all that have none.
    fn keep(&mut self, recipient: Option<Ticket>, reply: &Reply) {
        let range = match recipient.map(|recipient| self.find(recipient)) {
            Some(Some(at)) => at..at.saturating_add(1),
            Some(None) => return,
            None => 0..self.due.len(),
        };
        for (_, kept) in self.due.range_mut(range).filter(|(_, kept)| kept.is_none()) {
            *kept = Some(reply.clone());
            self.missing -= 1;
        }
    }

    /// LMTP: keeps a reply, and gives those whose turn it is.
    pub(super) fn by_lmtp(&mut self, recipient: Option<Ticket>, reply: Reply) -> Vec<Reply> {
        self.keep(recipient, &reply);
        let mut ready = Vec::new();
        while matches!(self.due.front(), Some((_, Some(_)))) {
            ready.extend(self.due.pop_front().and_then(|(_, reply)| reply));
        }
        ready
    }

    /// PRDR: keeps a reply. Gives all of them and then the one for the message, once they are there; that alone if it
    /// is for all.
    pub(super) fn by_prdr(&mut self, recipient: Option<Ticket>, reply: Reply) -> Vec<Reply> {
        if recipient.is_none() && self.missing == self.due.len() {
            return Vec::from([reply]);
        }
        self.keep(recipient, &reply);
        if self.missing > 0 {
            return Vec::new();
        }
        let mut replies: Vec<Reply> = self.due.drain(..).filter_map(|(_, reply)| reply).collect();
        let last = match replies.iter().any(Reply::is_positive) {
            true => Reply::of(ReplyCode::OK, 0, 0, "Accepted for some"),
            false => reply,
        };
        replies.push(last);
        replies
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use mailwire_core::Tickets;

    use super::*;

    #[test]
    fn replies_come_in_the_order_of_the_recipients() {
        let mut tickets = Tickets::new();
        let [a, b, c] = [(); 3].map(|()| tickets.issue());
        let yes = || Reply::new(ReplyCode::OK, "yes");
        let no = || Reply::new(ReplyCode::FAILED, "no");
        let mut replies = RecipientReplies::new(vec![a, b, c]);
        assert!(replies.by_lmtp(Some(b), no()).is_empty() && !replies.is_due(b) && replies.is_due(c));
        assert_eq!(replies.by_lmtp(Some(a), yes()), [yes(), no()]);
        assert!(!replies.is_due(a));
        assert_eq!(replies.by_lmtp(None, yes()), [yes()]);
        assert!(replies.is_empty());
    }
}
