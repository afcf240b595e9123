//! UIDBATCHES: a mailbox in parts of so many messages ([RFC 10022](https://www.rfc-editor.org/rfc/rfc10022)).
//!
//! A client that takes a large mailbox piece by piece cannot know which identifiers a piece of so many
//! messages has: there are gaps. The server tells the ranges.
//!
//! ```
//! use core::num::NonZeroU32;
//! use mailwire_imap::command::{Command, WriteOptions, Request};
//! use mailwire_imap::{extensions::uid_batches::UidBatchesCommand, types::Tag};
//!
//! let command = UidBatchesCommand::new(NonZeroU32::new(2000).unwrap());
//! let request = Request { tag: Tag::new("a1")?, command: command.into() };
//! let mut out = Vec::new();
//! request.write(WriteOptions::default(), &mut out);
//! assert_eq!(out, b"a1 UIDBATCHES 2000\r\n");
//! # Ok::<(), mailwire_core::Invalid>(())
//! ```

use alloc::vec::Vec;
use core::num::NonZeroU32;

use mailwire_core::{Dialect, ParseError, setters};

use super::spaced;
use crate::{
    capability::Capability,
    command::{Rules, Writer, rules},
    deviation,
    response::{Code, ESearchData, Reply, ReplyKind},
    types::{ImapString, Reader, Uid, read_nz, write_number, write_string},
};

// Types

/// `UIDBATCHES`: asks for the ranges of identifiers that part the selected mailbox into batches.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct UidBatchesCommand {
    /// How many messages a batch has at most. Servers refuse less than [`SMALLEST`](Self::SMALLEST).
    pub size: NonZeroU32,
    /// Which of the batches are asked for, from the first to the last, 1 being that of the highest
    /// identifiers. `None`: all of them.
    pub batches: Option<(NonZeroU32, NonZeroU32)>,
}

/// `UIDBATCHES`: the ranges of the batches. There is always one such answer, without ranges if the mailbox
/// is empty.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct UidBatchesData {
    /// The tag of the command that this answers.
    pub tag: Option<ImapString>,
    /// The batches, each with its lowest and its highest identifier; that of the highest is the first.
    pub batches: Vec<(Uid, Uid)>,
}

impl UidBatchesCommand {
    /// The smallest batches that a server has to give, in messages.
    pub const SMALLEST: u32 = 500;

    /// The most messages that named batches can have together.
    pub const MOST: u64 = 100_000;

    /// Asks for batches of so many messages, all of them.
    #[must_use]
    pub const fn new(size: NonZeroU32) -> Self {
        Self { size, batches: None }
    }

    /// Asks for the batches from `first` to `last` only, 1 being that of the highest identifiers.
    #[must_use]
    pub const fn with_batches(mut self, first: NonZeroU32, last: NonZeroU32) -> Self {
        self.batches = Some((first, last));
        self
    }

    /// The batches that are asked for, as places in the list of all: the first, and how many.
    #[must_use]
    pub fn places(&self) -> (usize, usize) {
        let Some((one, other)) = self.batches else { return (0, usize::MAX) };
        let (first, last) = (one.min(other).get(), one.max(other).get());
        let place = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        (place(first - 1), place(last - first).saturating_add(1))
    }

    /// Why a server refuses it, whatever is in the mailbox: batches that are too small or too many.
    #[must_use]
    pub(crate) fn refusal(&self) -> Option<Reply> {
        let refused = |code, text| Some(Reply::from_static(ReplyKind::No, text).with_code(code));
        if self.size.get() < Self::SMALLEST {
            return refused(Code::TooFew, "batches have 500 messages at least");
        }
        let count = self.batches.map_or(0, |(one, other)| u64::from(one.get().abs_diff(other.get())) + 1);
        if count.saturating_mul(self.size.get().into()) > Self::MOST {
            return refused(Code::TooMany, "these batches have more than 100000 messages");
        }
        None
    }
}

impl UidBatchesData {
    /// Makes an answer of ranges, each with its lowest and its highest identifier, that of the highest first.
    #[must_use]
    pub const fn new(batches: Vec<(Uid, Uid)>) -> Self {
        Self { tag: None, batches }
    }
}

setters!(UidBatchesData {
    with_tag(tag: Option<ImapString>),
});

// Rules

const NAME: &str = "UIDBATCHES";

impl UidBatchesCommand {
    #[allow(clippy::unused_self, reason = "each extension has it")]
    pub(crate) const fn name(&self) -> &'static str {
        NAME
    }

    pub(crate) fn rules(&self) -> Rules {
        rules::selected().needs(&Capability::UidBatches)
    }

    pub(crate) fn row(name: &[u8]) -> Option<Rules> {
        name.eq_ignore_ascii_case(NAME.as_bytes()).then(|| rules::selected().needs(&Capability::UidBatches))
    }
}

// Grammar

impl UidBatchesCommand {
    /// ```text
    /// message-batches = "UIDBATCHES" SP nz-number [SP nz-number ":" nz-number]
    /// ```
    ///
    /// After the name. `None`: it is another.
    pub(crate) fn read(name: &[u8], r: &mut Reader<'_>) -> Option<Result<Self, ParseError>> {
        name.eq_ignore_ascii_case(NAME.as_bytes()).then(|| {
            let command = Self::new(spaced(r, read_nz)?);
            if r.peek() != Some(b' ') || r.peek_at(1).is_none() {
                return Ok(command);
            }
            let first = spaced(r, read_nz)?;
            r.expect(b':', "expected :")?;
            Ok(command.with_batches(first, read_nz(r)?))
        })
    }

    pub(crate) fn write(&self, e: &mut Writer<'_>) {
        e.put(b"UIDBATCHES ");
        e.number(self.size.get().into());
        if let Some((first, last)) = self.batches {
            e.put(b" ");
            e.number(first.get().into());
            e.put(b":");
            e.number(last.get().into());
        }
    }
}

impl UidBatchesData {
    /// ```text
    /// uidbatches-response = "UIDBATCHES" search-correlator [SP uid-range *("," uid-range)]
    /// uid-range           = (uniqueid ":" uniqueid)
    /// ```
    ///
    /// After the name. `None`: it is another. Lenient: one identifier for a range of one message; no tag.
    pub(crate) fn read(name: &[u8], r: &mut Reader<'_>) -> Option<Result<Self, ParseError>> {
        name.eq_ignore_ascii_case(NAME.as_bytes()).then(|| {
            let mut data = Self::default();
            if r.peek() == Some(b' ') && r.peek_at(1) == Some(b'(') {
                let mut correlated = ESearchData::default();
                r.skip(2);
                correlated.read_correlators(r)?;
                data.tag = correlated.tag;
            } else if r.dialect() == Dialect::Strict {
                return Err(r.error("expected the tag of a command"));
            }
            if r.peek() != Some(b' ') || r.peek_at(1).is_none() {
                return Ok(data);
            }
            r.skip(1);
            // A range has seven bytes or more, mostly.
            data.batches.reserve(r.rest().len() / 16);
            loop {
                let one = Uid::from(read_nz(r)?);
                let other = if r.eat(b':') {
                    read_nz(r)?.into()
                } else {
                    r.deviate(deviation::MISSING_VALUE)?;
                    one
                };
                data.batches.push((one.min(other), one.max(other)));
                if !r.eat(b',') {
                    return Ok(data);
                }
            }
        })
    }

    #[allow(clippy::unused_self, reason = "each extension has it")]
    pub(crate) const fn name(&self) -> &'static str {
        NAME
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"UIDBATCHES");
        if let Some(tag) = &self.tag {
            out.extend_from_slice(b" (TAG ");
            write_string(out, tag.as_bytes());
            out.push(b')');
        }
        let mut before = b' ';
        for (low, high) in &self.batches {
            out.push(before);
            write_number(out, high.get().into());
            out.push(b':');
            write_number(out, low.get().into());
            before = b',';
        }
    }
}

// Values for fuzzing

#[cfg(feature = "arbitrary")]
mod arbitrary {
    use ::arbitrary::{Arbitrary, Result, Unstructured};

    use super::{UidBatchesCommand, UidBatchesData};
    use crate::{
        command::arbitrary::{maybe, some, word},
        types::{ImapString, Uid},
    };

    impl<'a> Arbitrary<'a> for UidBatchesCommand {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(Self { size: u.arbitrary()?, batches: maybe(u, |u| u.arbitrary())? })
        }
    }

    fn range(u: &mut Unstructured<'_>) -> Result<(Uid, Uid)> {
        let (one, other): (Uid, Uid) = u.arbitrary()?;
        Ok((one.min(other), one.max(other)))
    }

    impl<'a> Arbitrary<'a> for UidBatchesData {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let batches = maybe(u, |u| some(u, range))?.unwrap_or_default();
            let tag =
                ImapString::new(word(u, b"Aa09.-")?).map_err(|_| ::arbitrary::Error::IncorrectFormat)?;
            Ok(Self::new(batches).with_tag(Some(tag)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_refuses() {
        let number = |number| NonZeroU32::new(number).unwrap();
        let code = |command: UidBatchesCommand| command.refusal().and_then(|reply| reply.code);
        assert_eq!(code(UidBatchesCommand::new(number(499))), Some(Code::TooFew));
        assert_eq!(code(UidBatchesCommand::new(number(500))), None);
        assert_eq!(code(UidBatchesCommand::new(number(u32::MAX))), None);
        let named = |size, first, last| {
            UidBatchesCommand::new(number(size)).with_batches(number(first), number(last))
        };
        assert_eq!(code(named(1000, 1, 100)), None);
        assert_eq!(code(named(1000, 100, 1)), None);
        assert_eq!(code(named(1000, 1, 101)), Some(Code::TooMany));
        assert_eq!(code(named(u32::MAX, 1, u32::MAX)), Some(Code::TooMany));
        assert_eq!(named(500, 4, 3).places(), (2, 2));
        assert_eq!(named(500, 1, u32::MAX).places(), (0, u32::MAX as usize));
    }
}
