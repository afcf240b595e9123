//! Keep account of the selected mailbox: which message has which number and identifier.
//!
//! A sequence number is a place in the mailbox, and it moves whenever a message before it is expunged
//! ([RFC 9051 section 2.3.1.2](https://www.rfc-editor.org/rfc/rfc9051#section-2.3.1.2)). A [`View`]
//! keeps the account, without I/O:
//!
//! - a **client** gives it the untagged data of the selected mailbox ([`View::apply`]) and asks it which
//!   message a number means. What cannot be is a [`Doubt`]: select the mailbox again;
//! - a **server** tells it what other sessions did ([`View::arrived`], [`View::changed`],
//!   [`View::removed`]) and gets what may be told to its client now ([`View::tell`]). Numbers are those
//!   that the client knows until then.
//!
//! ```
//! use mailwire_imap::response::Untagged;
//! use mailwire_imap::types::{SeqNumber, Uid};
//! use mailwire_imap::view::{News, Numbering, View};
//!
//! let uid = |number| Uid::new(number).unwrap();
//! let mut view = View::with_uids([(uid(4), uid(6))], Numbering::Numbers);
//! assert_eq!(view.uid(SeqNumber::new(2).unwrap()), Some(uid(5)));
//! // EXPUNGE 1: the others move up.
//! assert_eq!(view.expunge(SeqNumber::new(1)), News::Gone(uid(4)));
//! assert_eq!(view.number(uid(5)), SeqNumber::new(1));
//! // A new message: its identifier is not known yet.
//! assert_eq!(view.apply(&Untagged::Exists(3)), News::Arrived(1));
//! assert_eq!((view.len(), view.unknown()), (3, 1));
//! ```
//!
//! Each call takes time in proportion to the number of runs of identifiers over 256, plus 256: a
//! mailbox of a million messages, half of them expunged one by one, has some 2,000 counts to look
//! through. A call with many ranges, in ascending order, walks through them once.

mod server;
mod slots;
mod uids;
mod walk;

use alloc::{collections::BTreeMap, vec::Vec};

pub use server::{Allow, Telling, Update};

pub(crate) use self::uids::Uids;
use self::{
    slots::Slots,
    walk::{Sweep, Taken, Walk},
};
use crate::{
    response::{FetchData, MsgAtt, Untagged},
    types::{ModSeq, SeqNumber, SequenceSet, SetNumber, Uid, UidSet},
};

/// Keeps account of the messages of the selected mailbox, as one session knows them.
#[derive(Debug, Clone, Default)]
pub struct View {
    numbering: Numbering,
    slots: Slots,
    doubt: Option<Doubt>,
    /// The messages that are new to this session (IMAP4rev1).
    recent: Uids,
    /// The result that was saved (`$`).
    saved: Uids,
    /// What the client was not told yet. A client has nothing here.
    pending: Pending,
}

#[derive(Debug, Clone, Default)]
struct Pending {
    arrived: Uids,
    recent: Uids,
    /// Messages whose flags changed, with the modification sequence of the last change.
    changed: BTreeMap<Uid, ModSeq>,
    removed: Uids,
    /// The lowest modification sequences of what arrived and of what was removed.
    arrived_at: Option<ModSeq>,
    removed_at: Option<ModSeq>,
}

/// Says how messages are named in a session.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Numbering {
    /// By sequence numbers and identifiers.
    #[default]
    Numbers,
    /// By identifiers alone, once UIDONLY is enabled
    /// ([RFC 9586](https://www.rfc-editor.org/rfc/rfc9586)).
    UidOnly,
}

/// Tells what a response says about the messages, from [`View::apply`].
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The response says nothing that is new here.
    Nothing,
    /// So many messages arrived. Their identifiers are not known yet.
    Arrived(u32),
    /// This message is gone.
    Gone(Uid),
    /// A message is gone whose identifier was not known.
    GoneUnknown,
    /// These messages are gone (VANISHED): those that were known, as ascending ranges, and how many
    /// whose identifiers were not known.
    Vanished {
        /// The identifiers that were known.
        uids: Vec<(Uid, Uid)>,
        /// How many others.
        unknown: u32,
    },
    /// The flags of this message were told.
    Flags {
        /// The message.
        uid: Uid,
    },
    /// The flags of a message were told whose identifier is not known.
    FlagsUnknown {
        /// Its number.
        number: SeqNumber,
    },
}

/// Tells why the server's account and this one cannot both be right. What helps is to select the
/// mailbox again.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// EXISTS says that there are fewer messages than before; they can only go by EXPUNGE.
    Shrunk,
    /// A number beyond the last message.
    NoSuchNumber,
    /// A message has another identifier than before.
    OtherUid,
    /// An identifier that cannot stand where it is said to: those of the messages before it are not
    /// lower, or those after it not higher.
    Order,
    /// VANISHED names a message that is not there.
    NoSuchUid,
    /// A sequence number although UIDONLY is enabled.
    Numbered,
}

/// Tells why a set of messages cannot be looked up.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BadSet {
    /// A number beyond the last message. A server answers BAD
    /// ([RFC 9051 section 6.4.9](https://www.rfc-editor.org/rfc/rfc9051#section-6.4.9)).
    OutOfRange,
    /// The identifiers of some of the messages are not known.
    Unknown,
    /// Sequence numbers, although UIDONLY is enabled.
    Numbered,
}

/// Tells why identifiers are not those of the mailbox, from [`View::learn`].
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Conflict {
    /// There are fewer or more of them than messages.
    Count {
        /// How many messages there are.
        messages: u32,
        /// How many identifiers were given.
        uids: u32,
    },
    /// A message is known by another identifier.
    OtherUid {
        /// Its number.
        number: SeqNumber,
    },
}

impl View {
    /// Makes the view of a mailbox with so many messages, whose identifiers are not known.
    #[must_use]
    pub fn new(exists: u32, numbering: Numbering) -> Self {
        let mut view = Self { numbering, ..Self::default() };
        view.slots.push_unknown(exists);
        view
    }

    /// Makes the view of a mailbox with these messages, in ascending ranges with both ends. What is not
    /// higher than what came before it is left out.
    pub fn with_uids(ranges: impl IntoIterator<Item = (Uid, Uid)>, numbering: Numbering) -> Self {
        let mut view = Self { numbering, ..Self::default() };
        for (low, high) in ranges {
            view.push(low, high);
        }
        view
    }

    /// Adds those of a range that are higher than all messages.
    fn push(&mut self, low: Uid, high: Uid) {
        let low = match self.slots.last() {
            Some(last) => low.max(Uid::new(last.get().saturating_add(1)).unwrap_or(last)),
            None => low,
        };
        if low <= high && self.slots.last() < Some(low) {
            self.slots.push_range(low, high);
        }
    }

    /// How many messages there are.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.slots.len()
    }

    /// Whether there are no messages.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.slots.len() == 0
    }

    /// How many messages there are whose identifiers are not known.
    #[must_use]
    pub const fn unknown(&self) -> u32 {
        self.slots.unknown()
    }

    /// How messages are named.
    #[must_use]
    pub const fn numbering(&self) -> Numbering {
        self.numbering
    }

    /// Names messages in another way from now on: UIDONLY was enabled while the mailbox is selected.
    pub const fn set_numbering(&mut self, numbering: Numbering) {
        self.numbering = numbering;
    }

    /// The identifiers that are known, as ascending ranges with both ends.
    pub fn uids(&self) -> impl Iterator<Item = (Uid, Uid)> + '_ {
        self.slots.ranges()
    }

    /// The identifier of a message, if there is such a message and its identifier is known.
    #[must_use]
    pub fn uid(&self, number: SeqNumber) -> Option<Uid> {
        self.slots.uid(number.get() - 1)
    }

    /// The number of a message, if it is known.
    #[must_use]
    pub fn number(&self, uid: Uid) -> Option<SeqNumber> {
        let known = self.slots.known_from(uid).filter(|known| known.uid == uid)?;
        SeqNumber::new(known.index + 1)
    }

    /// The identifiers from `low` to `high` that are known, as ascending ranges with both ends: what
    /// [`resolve`](Self::resolve) gives can span identifiers that are gone.
    pub fn known(&self, low: Uid, high: Uid) -> impl Iterator<Item = (Uid, Uid)> + '_ {
        self.slots.ranges_within(low, high)
    }

    /// Those of these ascending ranges of identifiers that belong to no message here, in one pass over the
    /// view: what a client can be told of as gone that does not count it
    /// ([RFC 7162 section 3.2.10.1](https://www.rfc-editor.org/rfc/rfc7162#section-3.2.10.1)).
    pub fn absent(&self, ranges: impl IntoIterator<Item = (Uid, Uid)>) -> Vec<(Uid, Uid)> {
        let next = |uid: Uid| uid.get().checked_add(1).and_then(Uid::new);
        let before = |uid: Uid| Uid::new(uid.get() - 1);
        let (mut known, mut absent) = (self.slots.ranges().peekable(), Vec::new());
        for (low, high) in ranges {
            while known.next_if(|&(_, last)| last < low).is_some() {}
            let mut rest = Some(low);
            while let (Some(low), Some(&(first, last))) = (rest, known.peek()) {
                if first > high {
                    break;
                }
                absent.extend(before(first).filter(|end| low <= *end).map(|end| (low, end)));
                rest = next(last).filter(|low| *low <= high);
                if last > high {
                    break;
                }
                known.next();
            }
            absent.extend(rest.map(|low| (low, high)));
        }
        absent
    }

    /// The numbers of messages whose identifiers are given in ascending order. Those that are not known
    /// are left out.
    ///
    /// This is [`number`](Self::number) for many messages, in one pass over the view.
    pub fn numbers<'a>(
        &'a self,
        uids: impl IntoIterator<Item = Uid> + 'a,
    ) -> impl Iterator<Item = (Uid, SeqNumber)> + 'a {
        let mut walk = Walk::through(&self.slots);
        uids.into_iter().filter_map(move |uid| {
            let known = walk.known_from(uid).filter(|known| known.uid == uid)?;
            Some((uid, SeqNumber::new(known.index + 1)?))
        })
    }

    /// The messages that a set of numbers means, as ascending ranges of identifiers: no other message
    /// of this view stands within them. There are at most as many ranges as the set has.
    ///
    /// # Errors
    ///
    /// A number beyond the last message, or messages whose identifiers are not known.
    pub fn resolve(&self, set: &SequenceSet) -> Result<Vec<(Uid, Uid)>, BadSet> {
        if set.is_saved() || self.numbering == Numbering::UidOnly {
            return self.resolve_within(set);
        }
        let exists = SeqNumber::new(self.len()).ok_or(BadSet::OutOfRange)?;
        let is_within = |number: SetNumber<SeqNumber>| match number {
            SetNumber::Value(number) => number <= exists,
            SetNumber::Largest => true,
        };
        if !set.ranges().iter().all(|range| is_within(range.start) && is_within(range.end)) {
            return Err(BadSet::OutOfRange);
        }
        self.resolve_within(set)
    }

    /// As [`resolve`](Self::resolve), but what the set names beyond the last message is nothing: as
    /// lenient servers read SEARCH, and every set in an empty mailbox.
    ///
    /// # Errors
    ///
    /// Messages whose identifiers are not known, or that cannot be named by numbers.
    pub fn resolve_within(&self, set: &SequenceSet) -> Result<Vec<(Uid, Uid)>, BadSet> {
        if set.is_saved() {
            return Ok(self.saved.ranges().collect());
        }
        if self.numbering == Numbering::UidOnly {
            return Err(BadSet::Numbered);
        }
        let Some(exists) = SeqNumber::new(self.len()) else { return Ok(Vec::new()) };
        let mut walk = Walk::through(&self.slots);
        let mut uid = |number: SeqNumber| walk.uid(number.get() - 1).ok_or(BadSet::Unknown);
        set.normalized(exists).into_iter().map(|(low, high)| Ok((uid(low)?, uid(high)?))).collect()
    }

    /// The messages of a set of identifiers that are known, as ascending ranges: see
    /// [`resolve`](Self::resolve). A set can name some that are not there.
    #[must_use]
    pub fn resolve_uids(&self, set: &UidSet) -> Vec<(Uid, Uid)> {
        if set.is_saved() {
            return self.saved.ranges().collect();
        }
        let Some(largest) = self.slots.last() else { return Vec::new() };
        let mut walk = Walk::through(&self.slots);
        set.normalized(largest).into_iter().filter_map(|(low, high)| walk.span(low, high)).collect()
    }

    /// Keeps the result of a search (`$`): those of these messages that are known.
    pub fn save(&mut self, ranges: impl IntoIterator<Item = (Uid, Uid)>) {
        self.saved = Uids::default();
        for (low, high) in ranges {
            self.saved.insert(low, high);
        }
    }

    /// Takes account of untagged data, in the order in which it comes.
    pub fn apply(&mut self, data: &Untagged) -> News {
        match data {
            Untagged::Exists(exists) => self.exists(*exists),
            Untagged::Expunge(number) => self.expunge(*number),
            // They went before the mailbox was selected.
            Untagged::Vanished(vanished) if vanished.earlier => News::Nothing,
            Untagged::Vanished(vanished) => self.vanished(vanished.uids.normalized()),
            Untagged::Fetch(fetch) => self.fetch(fetch),
            _ => News::Nothing,
        }
    }

    /// Takes account of EXISTS: so many messages are there.
    pub fn exists(&mut self, exists: u32) -> News {
        let before = self.len();
        if exists < before {
            self.slots.truncate(exists);
            return self.doubtful(Doubt::Shrunk);
        }
        self.slots.push_unknown(exists - before);
        if exists > before { News::Arrived(exists - before) } else { News::Nothing }
    }

    /// Takes account of EXPUNGE: the message with this number is gone. `None` is a number that cannot be.
    pub fn expunge(&mut self, number: Option<SeqNumber>) -> News {
        if self.numbering == Numbering::UidOnly {
            return self.doubtful(Doubt::Numbered);
        }
        let Some(number) = number.filter(|number| number.get() <= self.len()) else {
            return self.doubtful(Doubt::NoSuchNumber);
        };
        let uid = self.uid(number);
        self.slots.remove(number.get() - 1, 1);
        match uid {
            Some(uid) => {
                self.forget(uid, uid);
                News::Gone(uid)
            }
            None => News::GoneUnknown,
        }
    }

    /// Takes account of VANISHED: the messages in these ascending ranges are gone
    /// ([RFC 7162 section 3.2.10](https://www.rfc-editor.org/rfc/rfc7162#section-3.2.10)).
    pub fn vanished(&mut self, ranges: impl IntoIterator<Item = (Uid, Uid)>) -> News {
        let mut taken = Taken::default();
        let mut sweep = Sweep::through(&mut self.slots);
        for (low, high) in ranges {
            sweep.take(low, high, &mut taken);
            for kept in [&mut self.recent, &mut self.saved] {
                kept.remove(low, high);
            }
        }
        sweep.finish();
        if taken.missing > 0 {
            self.doubtful(Doubt::NoSuchUid);
        }
        News::Vanished { uids: taken.known, unknown: taken.unknown }
    }

    fn fetch(&mut self, fetch: &FetchData) -> News {
        if self.numbering == Numbering::UidOnly {
            return self.fetch_by_uid(fetch);
        }
        let Some(number) = fetch.number.filter(|number| number.get() <= self.len()) else {
            return self.doubtful(Doubt::NoSuchNumber);
        };
        let told = fetch.items.iter().find_map(|item| match item {
            MsgAtt::Uid(uid) => Some(*uid),
            _ => None,
        });
        let known = self.uid(number);
        match (known, told) {
            (Some(known), Some(told)) if known != told => return self.doubtful(Doubt::OtherUid),
            (None, Some(told)) if !self.slots.set(number.get() - 1, told) => {
                return self.doubtful(Doubt::Order);
            }
            _ => {}
        }
        let has_flags = fetch.items.iter().any(|item| matches!(item, MsgAtt::Flags(_)));
        match known.or(told) {
            _ if !has_flags => News::Nothing,
            Some(uid) => News::Flags { uid },
            None => News::FlagsUnknown { number },
        }
    }

    /// UIDFETCH. Of a message that has just arrived it is the first that is heard.
    fn fetch_by_uid(&mut self, fetch: &FetchData) -> News {
        let Some(uid) = fetch.uid else { return self.doubtful(Doubt::Numbered) };
        if fetch.items.iter().any(|item| matches!(item, MsgAtt::Uid(other) if *other != uid)) {
            return self.doubtful(Doubt::OtherUid);
        }
        let has_flags = fetch.items.iter().any(|item| matches!(item, MsgAtt::Flags(_)));
        if has_flags { News::Flags { uid } } else { News::Nothing }
    }

    /// Learns the identifiers of all messages at once, as a search for all of them gives them, in
    /// ascending ranges.
    ///
    /// # Errors
    ///
    /// They are not those of the messages that are there; nothing is learnt.
    pub fn learn(&mut self, ranges: impl IntoIterator<Item = (Uid, Uid)>) -> Result<(), Conflict> {
        let learnt = Self::with_uids(ranges, self.numbering).slots;
        if learnt.len() != self.len() {
            return Err(Conflict::Count { messages: self.len(), uids: learnt.len() });
        }
        if let Some(number) = self.slots.first_difference(&learnt).and_then(|at| SeqNumber::new(at + 1)) {
            return Err(Conflict::OtherUid { number });
        }
        self.slots = learnt;
        Ok(())
    }

    /// Why this account cannot be right, if something was said that contradicts it. It stays: begin
    /// with a new view.
    #[must_use]
    pub const fn doubt(&self) -> Option<Doubt> {
        self.doubt
    }

    fn doubtful(&mut self, doubt: Doubt) -> News {
        self.doubt.get_or_insert(doubt);
        News::Nothing
    }

    /// Messages that are gone are no result and not recent.
    fn forget(&mut self, low: Uid, high: Uid) {
        self.recent.remove(low, high);
        self.saved.remove(low, high);
    }
}
