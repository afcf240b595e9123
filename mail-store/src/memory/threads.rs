//! Which messages of an account belong together.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    hash::{BuildHasher, RandomState},
};

use bytes::Bytes;

use crate::{BodyId, ThreadId};

/// So many identifiers of messages are remembered for an account. What refers to an earlier one begins a thread.
const KNOWN: usize = 100_000;

/// The threads of an account. A message's is told when it comes, and never changes: where a message joins two
/// threads, they stay two.
#[derive(Debug, Default)]
pub(super) struct Threads {
    hasher: RandomState,
    /// The thread that a message with this identifier belongs to, whether it is there or was only named.
    known: HashMap<u64, u64>,
    /// The keys of `known`, oldest first.
    order: VecDeque<u64>,
    last: u64,
}

impl Threads {
    /// The thread of a message that comes, with what it [refers to](crate::kept::references::references).
    pub(super) fn of(&mut self, body: BodyId, references: &[Bytes]) -> ThreadId {
        // Messages of one body are in one thread.
        let mut keys = vec![self.hasher.hash_one(body)];
        keys.extend(references.iter().map(|id| self.hasher.hash_one(&id[..])));
        let thread = keys.iter().find_map(|key| self.known.get(key).copied()).unwrap_or_else(|| {
            self.last += 1;
            self.last
        });
        for key in keys {
            if let Entry::Vacant(vacant) = self.known.entry(key) {
                vacant.insert(thread);
                self.order.push_back(key);
            }
        }
        while self.order.len() > KNOWN {
            self.order.pop_front().map(|key| self.known.remove(&key));
        }
        ThreadId::new(thread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kept::references::{REFERENCES, references};

    #[test]
    fn answers_belong_to_what_they_answer() {
        let mut threads = Threads::default();
        let mut body = 0;
        let mut thread = |header: &str| {
            body += 1;
            threads.of(BodyId::new(body), &references(&Bytes::from(format!("{header}\r\n\r\nx"))))
        };
        let first = thread("Message-ID: <a@x>");
        let other = thread("Message-ID: <b@x>");
        assert_ne!(first, other);
        assert_eq!(thread("References: <a@x>\r\nMessage-ID: <c@x>"), first);
        assert_eq!(thread("in-reply-to: Your message of today\r\n <c@x>"), first);
        // An answer before what it answers.
        let early = thread("References: <d@x> <e@x>\r\nMessage-ID: <f@x>");
        assert_eq!(thread("Message-ID: <e@x>"), early);
        assert_eq!(thread("Message-ID: <d@x>"), early);
        // What joins two leaves them two.
        assert_eq!(thread("References: <b@x> <a@x>"), other);
        assert_eq!(thread("Message-ID: <a@x>"), first);
        assert_ne!(thread("Subject: no identifier"), thread("Subject: no identifier"));
    }

    #[test]
    fn one_body_is_in_one_thread_and_what_is_remembered_has_an_end() {
        let mut threads = Threads::default();
        let one = threads.of(BodyId::new(1), &[]);
        assert_eq!(threads.of(BodyId::new(1), &[]), one);
        for body in 2..KNOWN as u64 + 10 {
            threads.of(BodyId::new(body), &[]);
        }
        assert_eq!((threads.known.len(), threads.order.len()), (KNOWN, KNOWN));
        let many = Bytes::from(format!("References: {}\r\n\r\n", "<x@y> ".repeat(5000)));
        assert!(references(&many).len() <= 2 * REFERENCES + 1);
    }
}
