//! Which messages a command is about.

use alloc::vec::Vec;

use mailwire_core::{ParseError, from_variants};

use super::{rules::Need, search::saved};
use crate::types::{KnownUids, Reader, SeqNumber, SequenceSet, Uid, UidSet};

/// Messages by sequence numbers or unique identifiers: whether FETCH is written as `FETCH` or as
/// `UID FETCH`, and likewise STORE, COPY and MOVE
/// ([RFC 9051 section 6.4.9](https://www.rfc-editor.org/rfc/rfc9051#section-6.4.9)).
///
/// ```
/// use mailwire_imap::command::{Fetch, FetchAtt, Messages};
/// use mailwire_imap::types::{Uid, UidSet};
///
/// let messages = Messages::from(UidSet::all());
/// assert!(messages.is_uid());
/// let fetch = Fetch::new(Uid::new(40).unwrap(), [FetchAtt::Flags]);
/// assert_eq!(fetch.messages, Messages::Uid("40".parse()?));
/// # Ok::<(), mailwire_core::Invalid>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Messages {
    /// By their sequence numbers.
    Sequence(SequenceSet),
    /// By their unique identifiers.
    Uid(UidSet),
}

impl Messages {
    /// How many messages it names at least: numbers are of messages that are there.
    pub(crate) fn least(&self) -> u64 {
        match self {
            Self::Sequence(set) if !set.is_relative() && !set.is_saved() => {
                let ranges = set.normalized(SeqNumber::MAX).into_iter();
                ranges.map(|(low, high)| u64::from(high.get() - low.get()) + 1).sum()
            }
            _ => 0,
        }
    }

    /// Tells whether the messages are named by unique identifiers.
    #[must_use]
    pub const fn is_uid(&self) -> bool {
        matches!(self, Self::Uid(_))
    }

    /// What a server must have for `$`, if it is that.
    #[inline]
    pub(crate) fn needs(&self) -> Option<Need> {
        let is_saved = match self {
            Self::Sequence(set) => set.is_saved(),
            Self::Uid(set) => set.is_saved(),
        };
        is_saved.then(saved)
    }

    pub(super) fn read(r: &mut Reader<'_>, uid: bool) -> Result<Self, ParseError> {
        Ok(if uid { Self::Uid(UidSet::read(r)?) } else { Self::Sequence(SequenceSet::read(r)?) })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Sequence(set) => set.write(out),
            Self::Uid(set) => set.write(out),
        }
    }
}

from_variants!(Messages {
    Sequence(SequenceSet),
    Uid(UidSet),
    Uid(KnownUids),
});

impl From<SeqNumber> for Messages {
    fn from(number: SeqNumber) -> Self {
        Self::Sequence(SequenceSet::single(number))
    }
}

impl From<Uid> for Messages {
    fn from(uid: Uid) -> Self {
        Self::Uid(UidSet::single(uid))
    }
}
