//! REPLACE (RFC 8508).

use mailwire_core::ParseError;

use super::{Append, AppendMessage, Messages, writer::Writer};
use crate::types::{MailboxName, Reader, SeqNumber, SequenceSet, SetNumber, Uid, UidSet, read_nz};

/// `REPLACE` and `UID REPLACE`: a message is stored, and another one removed, in one step ([RFC
/// 8508](https://www.rfc-editor.org/rfc/rfc8508)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Replace {
    /// The message of the selected mailbox that is removed.
    pub replaced: Replaced,
    /// Where to, and the one message.
    pub append: Append,
}

/// Names the message that REPLACE removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Replaced {
    /// By its sequence number: `REPLACE`. `None`: `*`, the last one.
    Sequence(Option<SeqNumber>),
    /// By its UID: `UID REPLACE`. `None`: `*`, the last one.
    Uid(Option<Uid>),
}

impl Replaced {
    /// The message as a set.
    #[must_use]
    pub fn messages(self) -> Messages {
        match self {
            Self::Sequence(Some(number)) => SequenceSet::single(number).into(),
            Self::Sequence(None) => SequenceSet::single(SetNumber::Largest).into(),
            Self::Uid(Some(uid)) => UidSet::single(uid).into(),
            Self::Uid(None) => UidSet::single(SetNumber::Largest).into(),
        }
    }
}

impl Replace {
    /// Stores a message in place of another.
    #[must_use]
    pub fn new(replaced: Replaced, mailbox: MailboxName, message: AppendMessage) -> Self {
        Self { replaced, append: Append::new(mailbox, message) }
    }

    /// ```text
    /// replace     = "REPLACE" SP seq-number SP mailbox append-message
    /// uid-replace = "UID" SP "REPLACE" SP uniqueid SP mailbox append-message
    /// ```
    pub(crate) fn read(r: &mut Reader<'_>, uid: bool) -> Result<Self, ParseError> {
        r.space()?;
        let number = if r.eat(b'*') { None } else { Some(read_nz(r)?) };
        let replaced = match uid {
            true => Replaced::Uid(number.map(Uid::from)),
            false => Replaced::Sequence(number.map(SeqNumber::from)),
        };
        let append = Append::read(r)?;
        if append.messages.len() > 1 {
            return Err(r.error("only one message can take the place of another"));
        }
        Ok(Self { replaced, append })
    }

    pub(super) fn write(&self, e: &mut Writer<'_>) {
        let number = match self.replaced {
            Replaced::Sequence(number) => number.map(|number| number.get()),
            Replaced::Uid(uid) => uid.map(|uid| uid.get()),
        };
        e.name(matches!(self.replaced, Replaced::Uid(_)), b"REPLACE ");
        match number {
            Some(number) => e.number(u64::from(number)),
            None => e.put(b"*"),
        }
        e.put(b" ");
        self.append.write_arguments(e);
    }
}
