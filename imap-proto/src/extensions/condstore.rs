//! CONDSTORE and QRESYNC: what has changed since a client was here last
//! ([RFC 7162](https://www.rfc-editor.org/rfc/rfc7162)).
//!
//! Each change in a mailbox has a number, its modification sequence. A client that knows the number up to
//! which it has seen all asks for what came after it, as it selects the mailbox (QRESYNC) or with FETCH
//! ([`Since`]), and makes changes only if nobody else was faster
//! ([`Store::unchanged_since`](crate::command::Store::unchanged_since)).
//!
//! ```
//! use mailwire_imap::command::{Command, Request, Select, WriteOptions};
//! use mailwire_imap::extensions::condstore::{QResync, SeqMatchData};
//! use mailwire_imap::types::{MailboxName, ModSeq, Tag, UidValidity};
//!
//! let (uid_validity, mod_seq) = (UidValidity::new(67890007).unwrap(), ModSeq::new(715194045007).unwrap());
//! let known = QResync::new(uid_validity, mod_seq)
//!     .with_known_uids("1:29997".parse()?)
//!     .with_match_data(SeqMatchData::new("5000,9990".parse()?, "15000,29970".parse()?)?);
//! let select = Select::new(MailboxName::new("INBOX")?).with_qresync(known);
//! let mut out = Vec::new();
//! Request { tag: Tag::new("a1")?, command: Command::Select(select) }.write(WriteOptions::default(), &mut out);
//! assert_eq!(
//!     out,
//!     b"a1 SELECT INBOX (QRESYNC (67890007 715194045007 1:29997 (5000,9990 15000,29970)))\r\n"
//! );
//! # Ok::<(), mailwire_core::Invalid>(())
//! ```

use alloc::boxed::Box;

use mailwire_core::{Invalid, ParseError, ParseErrorKind, keywords, setters};

use crate::{
    capability::Capability,
    command::{
        Command, Fetch, FetchAtt, FetchAtts, ListReturnOpt, Need, SearchKey, Select, Since, StatusAtt, Writer,
    },
    extensions::object_ids::ObjectIds,
    types::{
        Flag, KnownSet, KnownUids, ModSeq, Reader, SeqNumber, SetMember, Uid, UidValidity, chars, read_nz,
    },
};

// Types

/// What a client knows of a mailbox that it selects, so that it is told what has changed since
/// ([RFC 7162 section 3.2.5](https://www.rfc-editor.org/rfc/rfc7162#section-3.2.5)).
///
/// The server answers with VANISHED (EARLIER) and FETCH responses before the completion of SELECT; with
/// neither if its UIDVALIDITY is another.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct QResync {
    /// The UIDVALIDITY for which the rest holds.
    pub uid_validity: UidValidity,
    /// The change up to which all is known.
    pub mod_seq: ModSeq,
    /// The messages that are known. `None`: all that there were.
    pub known_uids: Option<KnownUids>,
    /// The numbers of some messages, which spare the server what it has forgotten.
    pub match_data: Option<SeqMatchData>,
}

/// Numbers of some messages and their identifiers: if a message still has its number, nothing before it
/// has vanished
/// ([RFC 7162 section 3.2.5.2](https://www.rfc-editor.org/rfc/rfc7162#section-3.2.5.2)).
///
/// Both sets ascend and have as many members as the other.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SeqMatchData {
    numbers: KnownSet<SeqNumber>,
    uids: KnownUids,
}

/// A search for messages that changed at or after some change: `MODSEQ`
/// ([RFC 7162 section 3.1.5](https://www.rfc-editor.org/rfc/rfc7162#section-3.1.5)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SearchModSeq {
    /// The first change that counts.
    pub mod_seq: ModSeq,
    /// What of the message has changed. Servers that do not know for each flag when it changed pass over
    /// this.
    pub entry: Option<Box<MetadataItem>>,
}

/// A flag whose changes are looked for: `"/flags/\\seen" all`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MetadataItem {
    flag: Flag,
    /// Whose flag it is.
    pub kind: EntryType,
}

keywords! {
    /// Says whose flag a search is about (`entry-type-req`).
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    #[cfg_attr(feature = "arbitrary", derive(::arbitrary::Arbitrary))]
    pub enum EntryType {
        /// The user's own: `priv`.
        Private = "priv",
        /// The one that all users see: `shared`.
        Shared = "shared",
        /// Either: `all`.
        All = "all",
    }
}

impl QResync {
    /// Knows all up to the change `mod_seq`, as long as UIDVALIDITY is this.
    #[must_use]
    pub const fn new(uid_validity: UidValidity, mod_seq: ModSeq) -> Self {
        Self { uid_validity, mod_seq, known_uids: None, match_data: None }
    }
}

setters!(QResync {
    with_known_uids(known_uids: some KnownUids),
    with_match_data(match_data: some SeqMatchData),
});

impl SeqMatchData {
    /// Makes pairs of numbers and identifiers: the first of the one set belongs to the first of the other.
    ///
    /// # Errors
    ///
    /// A set does not ascend, or one has more members than the other.
    pub fn new(numbers: KnownSet<SeqNumber>, uids: KnownUids) -> Result<Self, Invalid> {
        let reason = if !ascends(&numbers) || !ascends(&uids) {
            "the sets do not ascend"
        } else if numbers.count() != uids.count() {
            "the sets are not of one length"
        } else {
            return Ok(Self { numbers, uids });
        };
        Err(Invalid::new("sequence match data", 0, reason))
    }

    /// The numbers, which ascend.
    #[must_use]
    pub const fn numbers(&self) -> &KnownSet<SeqNumber> {
        &self.numbers
    }

    /// The identifiers, which ascend.
    #[must_use]
    pub const fn uids(&self) -> &KnownUids {
        &self.uids
    }

    /// The last message that still has its number, as `holds` tells of a pair. Of what a client knows at
    /// or below it, nothing has vanished.
    ///
    /// `holds` is asked for the logarithm of the number of pairs: numbers only shrink, so that once one does
    /// not hold, none after it does.
    pub fn last_match(&self, mut holds: impl FnMut(SeqNumber, Uid) -> bool) -> Option<Uid> {
        let (mut low, mut high, mut found) = (0, self.uids.count(), None);
        while low < high {
            let middle = low + (high - low) / 2;
            let (number, uid) = (nth(&self.numbers, middle)?, nth(&self.uids, middle)?);
            if holds(number, uid) {
                (found, low) = (Some(uid), middle + 1);
            } else {
                high = middle;
            }
        }
        found
    }
}

fn ascends<N: SetMember>(set: &KnownSet<N>) -> bool {
    let mut before = None;
    set.ranges().all(|(low, high)| {
        let after = before.is_none_or(|before| before < low);
        before = Some(high);
        after && low <= high
    })
}

/// The member at a place in a set that ascends.
fn nth<N: SetMember>(set: &KnownSet<N>, mut index: u64) -> Option<N> {
    for (low, high) in set.ranges() {
        let (low, high) = (low.to_nz(), high.to_nz());
        let length = u64::from(high.get() - low.get()) + 1;
        if index < length {
            return low.checked_add(u32::try_from(index).ok()?).map(N::from);
        }
        index -= length;
    }
    None
}

impl SearchModSeq {
    /// Looks for messages of which anything changed at `mod_seq` or after it.
    #[must_use]
    pub const fn new(mod_seq: ModSeq) -> Self {
        Self { mod_seq, entry: None }
    }
}

setters!(SearchModSeq {
    with_entry(entry: some boxed MetadataItem),
});

impl From<ModSeq> for SearchModSeq {
    fn from(mod_seq: ModSeq) -> Self {
        Self::new(mod_seq)
    }
}

impl MetadataItem {
    /// Names a flag, and whose it is.
    ///
    /// # Errors
    ///
    /// It is `\Recent`, which is nobody's, or its name is not an atom.
    pub fn new(flag: Flag, kind: EntryType) -> Result<Self, Invalid> {
        if flag.is_settable() && !flag.is_malformed() {
            Ok(Self { flag, kind })
        } else {
            Err(Invalid::new("flag of a search", 0, "it has no modification sequence"))
        }
    }

    /// The flag.
    #[must_use]
    pub const fn flag(&self) -> &Flag {
        &self.flag
    }
}

// Rules

/// QRESYNC brings CONDSTORE with it, whether or not that is announced, too (RFC 7162 section 3.2.3).
pub(crate) fn needs_condstore() -> Need {
    Need::one_of(&[Capability::CondStore, Capability::QResync])
}

pub(crate) fn needs_qresync() -> Need {
    Need::of(&Capability::QResync)
}

/// Whether this tells a server that the client knows of modification sequences ("CONDSTORE enabling
/// commands", RFC 7162 section 3.1). ENABLE does so, too, if the server has what it names.
pub(crate) fn enables_condstore(command: &Command) -> bool {
    let about_all = |items: &[StatusAtt]| items.contains(&StatusAtt::HighestModSeq);
    match command {
        Command::Select(select) | Command::Examine(select) => select.condstore || select.qresync.is_some(),
        Command::Status(status) => about_all(&status.items),
        Command::List(list) => list
            .returns()
            .iter()
            .any(|option| matches!(option, ListReturnOpt::Status(items) if about_all(items))),
        Command::Fetch(Fetch { since, items, .. }) => {
            since.is_some()
                || matches!(items, FetchAtts::List(items) if items.iter().any(|item| matches!(item, FetchAtt::ModSeq)))
        }
        Command::Store(store) => store.unchanged_since.is_some(),
        Command::StoreAnnotations(store) => store.unchanged_since.is_some(),
        Command::StoreLabels(store) => store.unchanged_since.is_some(),
        // SORT and THREAD take the keys of SEARCH (RFC 7162 section 3.1.9).
        _ => command.searched().is_some_and(|search| search.keys.iter().any(SearchKey::uses_mod_seq)),
    }
}

/// Whether SELECT names messages that are known by their numbers.
pub(crate) fn matches_numbers(command: &Command) -> bool {
    match command {
        Command::Select(select) | Command::Examine(select) => {
            select.qresync.as_ref().is_some_and(|known| known.match_data.is_some())
        }
        _ => false,
    }
}

/// Whether this may be asked only after ENABLE QRESYNC was answered.
pub(crate) const fn needs_enabled(command: &Command) -> bool {
    match command {
        Command::Select(select) | Command::Examine(select) => select.qresync.is_some(),
        Command::Fetch(fetch) => matches!(fetch.since, Some(Since::ChangedOrVanished(_))),
        _ => false,
    }
}

// Grammar

impl Select {
    /// ```text
    /// select-params = SP "(" select-param *(SP select-param) ")"                  ; RFC 4466
    /// select-param  =/ "CONDSTORE" / "QRESYNC" SP "(" uidvalidity SP mod-sequence-value
    ///                  [SP known-uids] [SP seq-match-data] ")"
    /// ```
    #[cold]
    pub(crate) fn read_parameters(&mut self, r: &mut Reader<'_>) -> Result<(), ParseError> {
        r.skip(2);
        let start = r.offset();
        r.items(|r| {
            let at = r.offset();
            match Parameter::of(r.take_class(chars::ATOM)) {
                Some(Parameter::Annotate) => self.annotate = true,
                Some(Parameter::CondStore) => self.condstore = true,
                Some(Parameter::ObjectIds) => {
                    let ids = if r.rest().starts_with(b" (") {
                        r.skip(1);
                        ObjectIds::read(r)?
                    } else {
                        ObjectIds::new()
                    };
                    self.object_ids = Some(Box::new(ids));
                }
                Some(Parameter::QResync) if self.qresync.is_none() => {
                    self.qresync = Some(Box::new(QResync::read(r)?));
                }
                Some(Parameter::QResync) => return Err(ParseError::new(at, "QRESYNC twice")),
                None => {
                    return Err(ParseError::new(at, "unknown parameter of a command")
                        .with_kind(ParseErrorKind::Unknown));
                }
            }
            Ok(())
        })?;
        if self.condstore || self.qresync.is_some() || self.annotate || self.object_ids.is_some() {
            Ok(())
        } else {
            Err(ParseError::new(start, "an empty list of parameters"))
        }
    }

    #[cold]
    pub(crate) fn write_parameters(&self, e: &mut Writer<'_>) {
        let mut before: &[u8] = b" (";
        for (_, name) in
            [(self.condstore, &b"CONDSTORE"[..]), (self.annotate, b"ANNOTATE")].iter().filter(|it| it.0)
        {
            e.put(before);
            e.put(name);
            before = b" ";
        }
        if let Some(qresync) = &self.qresync {
            e.put(before);
            e.put(b"QRESYNC (");
            qresync.write(e);
            e.put(b")");
            before = b" ";
        }
        if let Some(ids) = &self.object_ids {
            e.put(before);
            e.put(b"OBJECTID");
            if !ids.is_empty() {
                e.put(b" ");
                ids.write(e.out);
            }
        }
        e.put(b")");
    }
}

keywords! {
    enum Parameter {
        Annotate = "ANNOTATE",
        CondStore = "CONDSTORE",
        ObjectIds = "OBJECTID",
        QResync = "QRESYNC",
    }
}

impl QResync {
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        r.expect(b'(', "expected (")?;
        r.no_space()?;
        let uid_validity = read_nz(r)?.into();
        r.space()?;
        let mut known = Self::new(uid_validity, ModSeq::read(r)?);
        r.items_after(|r| {
            match r.peek() {
                Some(b'(') if known.match_data.is_none() => known.match_data = Some(SeqMatchData::read(r)?),
                _ if known.known_uids.is_none() && known.match_data.is_none() => {
                    known.known_uids = Some(KnownUids::read(r)?);
                }
                _ => return Err(r.error("expected )")),
            }
            Ok(())
        })?;
        Ok(known)
    }

    fn write(&self, e: &mut Writer<'_>) {
        e.number(u64::from(self.uid_validity.get()));
        e.put(b" ");
        e.number(self.mod_seq.get());
        if let Some(uids) = &self.known_uids {
            e.put(b" ");
            uids.write(e.out);
        }
        if let Some(SeqMatchData { numbers, uids }) = &self.match_data {
            e.put(b" (");
            numbers.write(e.out);
            e.put(b" ");
            uids.write(e.out);
            e.put(b")");
        }
    }
}

impl SeqMatchData {
    /// ```text
    /// seq-match-data = "(" known-sequence-set SP known-uid-set ")"
    /// ```
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        r.skip(1);
        r.no_space()?;
        let numbers = KnownSet::read(r)?;
        r.space()?;
        let uids = KnownUids::read(r)?;
        r.no_space()?;
        r.expect(b')', "expected )")?;
        Self::new(numbers, uids).map_err(|invalid| ParseError::new(start, invalid.reason))
    }
}

impl SearchModSeq {
    /// ```text
    /// search-modsequence = "MODSEQ" [SP entry-name SP entry-type-req] SP mod-sequence-valzer
    /// entry-flag-name    = DQUOTE "/flags/" attr-flag DQUOTE
    /// entry-type-req     = "priv" / "shared" / "all"
    /// ```
    ///
    /// The name was read.
    #[inline(never)]
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        if r.peek() != Some(b'"') {
            return ModSeq::read(r).map(Self::new);
        }
        let start = r.offset();
        let name = crate::types::read_string(r)?;
        let flag = name
            .as_bytes()
            .split_at_checked(FLAGS.len())
            .filter(|(path, _)| path.eq_ignore_ascii_case(FLAGS));
        let Some((_, flag)) = flag else {
            return Err(ParseError::new(start, "unknown search key").with_kind(ParseErrorKind::Unknown));
        };
        r.space()?;
        let Some(kind) = EntryType::of(r.take_class(chars::ATOM)) else {
            return Err(r.error("expected priv, shared or all"));
        };
        let item = Flag::new(flag).and_then(|flag| MetadataItem::new(flag, kind));
        let item = item.map_err(|invalid| ParseError::new(start, invalid.reason))?;
        r.space()?;
        Ok(Self::new(ModSeq::read(r)?).with_entry(item))
    }

    pub(crate) fn write(&self, e: &mut Writer<'_>) {
        e.put(b"MODSEQ ");
        if let Some(MetadataItem { flag, kind }) = self.entry.as_deref() {
            e.put(b"\"");
            e.put(FLAGS);
            // A flag is an atom, but for the backslash, which is doubled in a string.
            let name = e.out.len();
            flag.write(e.out);
            if e.out.get(name) == Some(&b'\\') {
                e.out.insert(name, b'\\');
            }
            e.put(b"\" ");
            e.put(kind.as_str().as_bytes());
            e.put(b" ");
        }
        e.number(self.mod_seq.get());
    }
}

const FLAGS: &[u8] = b"/flags/";

// Values for fuzzing

#[cfg(feature = "arbitrary")]
mod values {
    use ::arbitrary::{Arbitrary, Error, Result, Unstructured};

    use super::{MetadataItem, QResync, SearchModSeq, SeqMatchData};
    use crate::{
        command::arbitrary::{flags, maybe, some},
        types::{Flag, KnownSet, SetMember},
    };

    /// Ranges of these lengths, each after a gap.
    fn ascending<N: SetMember>(u: &mut Unstructured<'_>, lengths: &[u32]) -> Result<KnownSet<N>> {
        let mut next = 1u32;
        let ranges = lengths.iter().map(|length| {
            let low = next + u.int_in_range(0..=9)?;
            next = low + length + 1;
            let end = |number| core::num::NonZeroU32::new(number).map(N::from).ok_or(Error::IncorrectFormat);
            Ok((end(low)?, end(low + length)?))
        });
        let ranges: Result<alloc::vec::Vec<_>> = ranges.collect();
        KnownSet::from_ranges(ranges?).map_err(|_| Error::IncorrectFormat)
    }

    impl<'a> Arbitrary<'a> for SeqMatchData {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let lengths = some(u, |u| u.int_in_range(0..=9))?;
            Self::new(ascending(u, &lengths)?, ascending(u, &lengths)?).map_err(|_| Error::IncorrectFormat)
        }
    }

    impl<'a> Arbitrary<'a> for QResync {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let mut known = Self::new(u.arbitrary()?, u.arbitrary()?);
            let lengths = some(u, |u| u.int_in_range(0..=9))?;
            known.known_uids = maybe(u, |u| ascending(u, &lengths))?;
            known.match_data = maybe(u, |u| u.arbitrary())?;
            Ok(known)
        }
    }

    impl<'a> Arbitrary<'a> for SearchModSeq {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let search = Self::new(u.arbitrary()?);
            if u.arbitrary()? {
                return Ok(search);
            }
            let flag = flags(u)?.iter().next().cloned().unwrap_or(Flag::Answered);
            let item = MetadataItem::new(flag, u.arbitrary()?).map_err(|_| Error::IncorrectFormat)?;
            Ok(search.with_entry(item))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn match_data(numbers: &str, uids: &str) -> Result<SeqMatchData, Invalid> {
        SeqMatchData::new(numbers.parse().unwrap(), uids.parse().unwrap())
    }

    #[test]
    fn the_last_message_that_has_its_number() {
        let data = match_data("1,4:6,9", "3,8:9,20,31").unwrap();
        // So many of the pairs still hold.
        for (hold, last) in
            [(0, None), (1, Some(3)), (2, Some(8)), (3, Some(9)), (4, Some(20)), (5, Some(31))]
        {
            let pairs = [(1, 3), (4, 8), (5, 9), (6, 20), (9, 31)];
            let found = data.last_match(|number, uid| {
                let place = pairs.iter().position(|pair| *pair == (number.get(), uid.get())).unwrap();
                place < hold
            });
            assert_eq!(found.map(Uid::get), last);
        }
        // However many they are.
        let mut asked = 0;
        let data = match_data("1:4294967295", "1:4294967295").unwrap();
        let found = data.last_match(|number, uid| {
            asked += 1;
            assert_eq!(number.get(), uid.get());
            number.get() <= 3_000_000_000
        });
        assert_eq!((found.map(Uid::get), asked), (Some(3_000_000_000), 32));
    }

    #[test]
    fn sets_correspond() {
        for (numbers, uids) in [("1:3", "1:2"), ("2,1", "1,2"), ("1,2", "5:4"), ("1,1", "4,5")] {
            assert!(match_data(numbers, uids).is_err(), "{numbers} {uids}");
        }
    }
}
