//! SEARCH: whether a message is one that is looked for.

use std::borrow::Cow;

use mailwire_imap::{
    command::{AString, SearchKey},
    types::{Date, Flag, Uid, UidSet},
};

use crate::{Row, Uids, message::Message};

/// What a search asks for: keys that must all be true (RFC 9051 section 6.4.4).
///
/// There are neither sequence numbers nor `$` nor `RECENT` in them any more, and the ranges of their sets
/// ascend: they are what an IMAP [`Session`](mailwire_transport::imap::server::Session) gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    keys: Vec<SearchKey>,
}

/// What [`Store::preselect`](crate::Store::preselect) finds.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preselected {
    /// The search finds these.
    pub sure: Uids,
    /// It has to be seen in the messages whether the search finds these.
    pub maybe: Uids,
}

impl Preselected {
    /// Nothing is found.
    #[must_use]
    pub const fn new() -> Self {
        Self { sure: Uids::new(), maybe: Uids::new() }
    }
}

impl Filter {
    /// All of these keys.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = SearchKey>) -> Self {
        Self { keys: keys.into_iter().collect() }
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &[SearchKey] {
        &self.keys
    }

    /// Whether a message is looked for, as far as its row tells, with its flags. `None` if the message
    /// itself has to be looked at.
    #[must_use]
    pub fn test(&self, row: &Row) -> Option<bool> {
        Look { row, message: None }.all(&self.keys)
    }

    /// Whether a message is looked for.
    #[must_use]
    pub fn matches(&self, row: &Row, message: &Message) -> bool {
        Look { row, message: Some(message) }.all(&self.keys).unwrap_or(false)
    }
}

/// A message as far as it is known. The answers are of three values: what is not known is `None`.
struct Look<'a> {
    row: &'a Row,
    message: Option<&'a Message>,
}

impl Look<'_> {
    fn all(&self, keys: &[SearchKey]) -> Option<bool> {
        let mut unknown = false;
        for key in keys {
            match self.key(key) {
                Some(false) => return Some(false),
                Some(true) => {}
                None => unknown = true,
            }
        }
        (!unknown).then_some(true)
    }

    fn key(&self, key: &SearchKey) -> Option<bool> {
        let flag = |flag: &Flag| Some(self.row.flags.contains(flag));
        let not = |known: Option<bool>| known.map(|is| !is);
        let text = |is: &dyn Fn(&Message) -> bool| self.message.map(is);
        let field =
            |name: &[u8], word: &AString| text(&|message| message.header_contains(name, &word_of(word)));
        let address =
            |name: &[u8], word: &AString| text(&|message| message.address_contains(name, &word_of(word)));
        let day = |is: fn(Date, Date) -> bool, date: &Date| {
            Some(self.row.date.to_date_time().is_some_and(|found| is(found.date(), *date)))
        };
        let sent = |is: fn(Date, Date) -> bool, date: &Date| {
            text(&|message| {
                let found = message.sent_on();
                let found = found.and_then(|(year, month, day)| Date::new(year, month, day).ok());
                found.is_some_and(|found| is(found, *date))
            })
        };
        match key {
            SearchKey::All => Some(true),
            SearchKey::Answered => flag(&Flag::Answered),
            SearchKey::Bcc(word) => address(b"bcc", word),
            SearchKey::Before(date) => day(|found, date| found < date, date),
            SearchKey::Body(word) => text(&|message| message.body_contains(&word_of(word))),
            SearchKey::Cc(word) => address(b"cc", word),
            SearchKey::Deleted => flag(&Flag::Deleted),
            SearchKey::Draft => flag(&Flag::Draft),
            SearchKey::Flagged => flag(&Flag::Flagged),
            SearchKey::From(word) => address(b"from", word),
            SearchKey::Header(name, word) => field(name.as_bytes(), word),
            SearchKey::Keyword(keyword) => Some(self.has_keyword(keyword.as_bytes())),
            SearchKey::Larger(size) => Some(self.row.size > *size),
            SearchKey::Not(key) => not(self.key(key)),
            SearchKey::On(date) => day(|found, date| found == date, date),
            SearchKey::Or(one, other) => match (self.key(one), self.key(other)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            SearchKey::Seen => flag(&Flag::Seen),
            SearchKey::SentBefore(date) => sent(|found, date| found < date, date),
            SearchKey::SentOn(date) => sent(|found, date| found == date, date),
            SearchKey::SentSince(date) => sent(|found, date| found >= date, date),
            SearchKey::Since(date) => day(|found, date| found >= date, date),
            SearchKey::Smaller(size) => Some(self.row.size < *size),
            SearchKey::Subject(word) => field(b"subject", word),
            SearchKey::Text(word) => text(&|message| message.text_contains(&word_of(word))),
            SearchKey::To(word) => address(b"to", word),
            SearchKey::Uid(set) => Some(is_in(set, self.row.uid)),
            SearchKey::Unanswered => not(flag(&Flag::Answered)),
            SearchKey::Undeleted => not(flag(&Flag::Deleted)),
            SearchKey::Undraft => not(flag(&Flag::Draft)),
            SearchKey::Unflagged => not(flag(&Flag::Flagged)),
            SearchKey::Unkeyword(keyword) => Some(!self.has_keyword(keyword.as_bytes())),
            SearchKey::Unseen => not(flag(&Flag::Seen)),
            SearchKey::And(keys) => self.all(keys),
            _ => Some(false),
        }
    }

    /// Keywords are the same in any case of their letters.
    fn has_keyword(&self, keyword: &[u8]) -> bool {
        self.row.flags.iter().any(|flag| flag.to_string().as_bytes().eq_ignore_ascii_case(keyword))
    }
}

/// In a set whose ranges ascend.
fn is_in(set: &UidSet, uid: Uid) -> bool {
    let ranges = set.ranges();
    let place = ranges.partition_point(|range| range.bounds(Uid::MAX).1 < uid);
    ranges.get(place).is_some_and(|range| range.bounds(Uid::MAX).0 <= uid)
}

fn word_of(word: &AString) -> Cow<'_, str> {
    word.as_text().to_string_lossy()
}
