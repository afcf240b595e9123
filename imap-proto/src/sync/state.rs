//! What a mirror keeps between sessions.

use alloc::vec::Vec;

use mailwire_core::Invalid;

use crate::types::{ModSeq, Uid, UidValidity};

/// Says how far a mirror of a mailbox has come. An application stores it beside the messages: for a mirror in
/// step it has some 30 bytes, whatever the mailbox holds.
///
/// It is right for the changes that came out of the [`Synchronizer`](super::Synchronizer) before it was asked.
/// [`to_bytes`](Self::to_bytes) and [`from_bytes`](Self::from_bytes) store it. The default is a mirror of
/// nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncState {
    pub(super) uid_validity: Option<UidValidity>,
    /// The highest modification sequence that was seen: a server below it went back to an earlier state.
    pub(super) seen: Option<ModSeq>,
    /// Nothing vouches for the set of messages: a session began and did not prove it.
    pub(super) open: bool,
    /// They stand for all of 1 to the highest, ascending, without a hole; neighbours differ.
    segments: Vec<(Uid, Anchor)>,
}

/// A range of identifiers of a [`SyncState`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Segment {
    /// The lowest identifier.
    pub first: Uid,
    /// The highest one.
    pub last: Uid,
    /// All flags up to this change are in the mirror; `None`: they have to be read in full.
    pub anchor: Option<ModSeq>,
}

/// What is known of a range of identifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Anchor {
    /// Nothing: all of it has to be read.
    None,
    /// It was read in this session, from a server without modification sequences.
    Read,
    /// All changes up to this one.
    At(ModSeq),
}

/// More ranges than these become fewer: neighbours join, at the lower anchor.
const MOST_SEGMENTS: usize = 1000;

/// The first byte of the stored form.
const VERSION: u8 = 1;

impl SyncState {
    /// The ranges of identifiers, ascending; together they have all from 1 to the highest.
    pub fn segments(&self) -> impl Iterator<Item = Segment> + '_ {
        self.ranges().map(|(first, last, anchor)| {
            let anchor = if let Anchor::At(anchor) = anchor { Some(anchor) } else { None };
            Segment { first, last, anchor }
        })
    }

    /// The mailbox's UIDVALIDITY; `None` before the first session.
    #[must_use]
    pub const fn uid_validity(&self) -> Option<UidValidity> {
        self.uid_validity
    }

    /// Whether all changes up to some moment are in the mirror: its only range has an anchor, and its messages
    /// were proved to be those of the server.
    #[must_use]
    pub fn is_in_step(&self) -> bool {
        !self.open && self.ranges().all(|(_, _, anchor)| anchor != Anchor::None)
    }

    pub(super) fn ranges(&self) -> impl DoubleEndedIterator<Item = (Uid, Uid, Anchor)> + '_ {
        self.segments.iter().enumerate().map(|(index, (last, anchor))| {
            let before = index.checked_sub(1).and_then(|before| self.segments.get(before));
            (before.map_or(Uid::MIN, |(last, _)| after(*last)), *last, *anchor)
        })
    }

    /// The highest identifier of all ranges.
    pub(super) fn top(&self) -> Option<Uid> {
        self.segments.last().map(|(last, _)| *last)
    }

    /// Forgets all ranges.
    pub(super) fn clear(&mut self) {
        self.segments.clear();
        self.seen = None;
    }

    /// Says what is known of a range.
    pub(super) fn set(&mut self, first: Uid, last: Uid, anchor: Anchor) {
        if first > last {
            return;
        }
        let mut segments = Vec::with_capacity(self.segments.len() + 2);
        let mut push = |last: Uid, anchor: Anchor| match segments.last_mut() {
            Some((end, before)) if *before == anchor => *end = last,
            _ => segments.push((last, anchor)),
        };
        let mut done = false;
        for (start, end, old) in self.ranges() {
            if start < first {
                push(end.min(before(first)), old);
            }
            if end >= first && !done {
                push(last, anchor);
                done = true;
            }
            if end > last {
                push(end, old);
            }
        }
        if !done {
            if self.top().map_or(Uid::MIN, after) < first {
                push(before(first), Anchor::None);
            }
            push(last, anchor);
        }
        self.segments = segments;
        if self.segments.len() > MOST_SEGMENTS {
            self.join();
        }
    }

    /// Makes half as many ranges: of two neighbours, the lower anchor holds for both.
    fn join(&mut self) {
        let joined = self.segments.chunks(2).filter_map(|two| {
            let lower = two.iter().map(|(_, anchor)| *anchor).min()?;
            two.last().map(|(last, _)| (*last, lower))
        });
        self.segments = joined.collect();
        self.map(|anchor| anchor);
    }

    /// Changes all anchors.
    pub(super) fn map(&mut self, change: impl Fn(Anchor) -> Anchor) {
        for (_, anchor) in &mut self.segments {
            *anchor = change(*anchor);
        }
        self.segments.dedup_by(|next, before| {
            let alike = next.1 == before.1;
            if alike {
                before.0 = next.0;
            }
            alike
        });
    }

    /// Stores it: a byte for the version of this form, then numbers.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = [VERSION, u8::from(self.open)].to_vec();
        write(&mut bytes, self.uid_validity.map_or(0, |validity| validity.get().into()));
        write(&mut bytes, self.seen.map_or(0, ModSeq::get));
        for (first, last, anchor) in self.ranges() {
            write(&mut bytes, u64::from(last.get() - first.get()));
            write(&mut bytes, if let Anchor::At(anchor) = anchor { anchor.get() } else { 0 });
        }
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) has made. An application whose stored state cannot be read begins
    /// with the default: all is read again, and nothing is lost.
    ///
    /// # Errors
    ///
    /// It is not such a thing, or of a later version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Invalid> {
        let mut rest = bytes;
        let invalid =
            |rest: &[u8], reason| Invalid::new("synchronization state", bytes.len() - rest.len(), reason);
        let [VERSION, open @ (0 | 1), numbers @ ..] = rest else {
            return Err(invalid(rest, "it begins with another version"));
        };
        rest = numbers;
        let number = |rest: &mut &[u8]| read(rest).ok_or_else(|| invalid(rest, "a number is not whole"));
        let mod_seq = |rest: &mut &[u8]| {
            let read = number(rest)?;
            ModSeq::new(read).ok_or_else(|| invalid(rest, "a number is too large"))
        };
        let validity =
            u32::try_from(number(&mut rest)?).map_err(|_| invalid(rest, "a number is too large"))?;
        let seen = mod_seq(&mut rest)?;
        let mut state = Self {
            uid_validity: UidValidity::new(validity),
            seen: Some(seen).filter(|seen| *seen > ModSeq::ZERO),
            open: *open == 1,
            segments: Vec::new(),
        };
        let mut top: u32 = 0;
        while !rest.is_empty() {
            let more = number(&mut rest)?.checked_add(1).and_then(|more| u32::try_from(more).ok());
            top = more
                .and_then(|more| top.checked_add(more))
                .ok_or_else(|| invalid(rest, "a range is too long"))?;
            let anchor = mod_seq(&mut rest)?;
            let anchor = if anchor == ModSeq::ZERO { Anchor::None } else { Anchor::At(anchor) };
            state.segments.extend(Uid::new(top).map(|last| (last, anchor)));
        }
        state.map(|anchor| anchor);
        Ok(state)
    }
}

/// The next identifier; the highest one has none.
pub(super) fn after(uid: Uid) -> Uid {
    Uid::new(uid.get().saturating_add(1)).unwrap_or(Uid::MAX)
}

/// The identifier before; 1 has none.
fn before(uid: Uid) -> Uid {
    Uid::new(uid.get() - 1).unwrap_or(Uid::MIN)
}

/// Seven bits a byte, the lowest first; all bytes but the last have the eighth bit.
fn write(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        number |= bits.checked_shl(shift).filter(|shifted| shifted >> shift == bits)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
