//! Conversations and the order of messages, as servers make them and clients can: base subjects, dates and
//! identifiers, and the algorithms of THREAD ([RFC 5256](https://www.rfc-editor.org/rfc/rfc5256)).
//!
//! These functions need no server: a client whose server has no THREAD gives them what it has fetched, and gets
//! what the server would have answered. The time they take grows with the number of messages and their
//! references, but for the sorting, and not with how deep conversations are.
//!
//! ```
//! use mailwire_imap::threading::{Message, base_subject, references};
//!
//! let message = |number: u32, subject: &str, id: &str, refers: &str| {
//!     let subject = base_subject(subject);
//!     Message::new(number.try_into().unwrap(), i64::from(number))
//!         .with_subject(subject.text, subject.is_reply)
//!         .with_id(id.as_bytes())
//!         .with_references(refers.as_bytes())
//! };
//! let threads = references(&[
//!     message(1, "lunch", "<a@x>", ""),
//!     message(2, "other", "<b@x>", ""),
//!     message(3, "Re: lunch", "<c@x>", "<a@x>"),
//! ]);
//! let shown: Vec<_> = threads.iter().map(|node| (node.depth, node.number.unwrap().get())).collect();
//! assert_eq!(shown, [(0, 1), (1, 3), (0, 2)]);
//! ```

mod algorithms;
mod date;
mod ids;
mod subject;

use alloc::{boxed::Box, string::String, vec::Vec};
use core::num::NonZeroU32;

pub use self::{
    algorithms::{ordered_subject, references, refs},
    date::sent_date,
    ids::message_ids,
    subject::{BaseSubject, base_subject},
};

/// What the algorithms look at of a message.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its sequence number or UID, as the result is to have it.
    pub number: NonZeroU32,
    /// Seconds since 1970: the [sent date](sent_date), or the internal date if there is none; for [`refs`] the
    /// internal date.
    pub date: i64,
    /// The base subject, in the form in which it is compared.
    pub subject: Vec<u8>,
    /// Whether the subject says that it is a reply or was forwarded.
    pub is_reply: bool,
    /// Its own identifier.
    pub id: Option<Box<[u8]>>,
    /// The identifiers that it refers to, oldest first.
    pub references: Vec<Box<[u8]>>,
}

impl Message {
    /// Makes a message of which nothing is known but its date.
    #[must_use]
    pub const fn new(number: NonZeroU32, date: i64) -> Self {
        Self { number, date, subject: Vec::new(), is_reply: false, id: None, references: Vec::new() }
    }

    /// Adds the base subject, which should be mapped as `i;unicode-casemap` has it
    /// ([RFC 5051](https://www.rfc-editor.org/rfc/rfc5051)); `is_reply`: the subject says that it is a reply or was
    /// forwarded.
    #[must_use]
    pub fn with_subject(mut self, subject: impl Into<String>, is_reply: bool) -> Self {
        (self.subject, self.is_reply) = (subject.into().into_bytes(), is_reply);
        self
    }

    /// Adds the value of the field Message-ID.
    #[must_use]
    pub fn with_id(mut self, field: &[u8]) -> Self {
        self.id = message_ids(field, 1).pop();
        self
    }

    /// Adds the value of the field References, or of In-Reply-To where that has no identifier.
    #[must_use]
    pub fn with_references(mut self, field: &[u8]) -> Self {
        self.references = message_ids(field, MAX_REFERENCES);
        self
    }

    /// Adds what a message refers to: the values of its fields References and In-Reply-To, of which the second
    /// counts only if the first has no identifier, and only its first one
    /// ([RFC 5256 section 3](https://www.rfc-editor.org/rfc/rfc5256#section-3)).
    #[must_use]
    pub fn with_reference_fields(mut self, references: Option<&[u8]>, in_reply_to: Option<&[u8]>) -> Self {
        self.references = message_ids(references.unwrap_or_default(), MAX_REFERENCES);
        if self.references.is_empty() {
            self.references = message_ids(in_reply_to.unwrap_or_default(), 1);
        }
        self
    }
}

/// More are not looked at: the oldest are left out by whoever writes many.
const MAX_REFERENCES: usize = 1000;
