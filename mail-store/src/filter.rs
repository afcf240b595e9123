//! SEARCH: whether a message is one that is looked for.

use std::{borrow::Cow, cell::OnceCell, collections::BTreeSet, num::NonZeroU32, sync::OnceLock};

use mailwire_imap::{
    command::{AString, SearchKey},
    types::{Date, Flag, Uid, UidSet},
};

use crate::{
    Fields, InternalDate, Row, Uids,
    gmail::{self, LabelNames, Term},
    message::{Found, Like, Message, Scope, TextSearch, Word, Words},
};

/// What a search asks for: keys that must all be true (RFC 9051 section 6.4.4).
///
/// There are neither sequence numbers nor `$` nor `RECENT` in them any more, and the ranges of their sets
/// ascend: they are what an IMAP [`Session`](mailwire_transport::imap::server::Session) gets.
///
/// A message is looked into only where its row leaves the answer open, at its header first, and once for all
/// words.
#[derive(Debug, Clone)]
pub struct Filter {
    keys: Vec<SearchKey>,
    tests: Vec<Test>,
    words: Words,
    /// What texts may be like.
    likes: Vec<Like>,
    search: OnceLock<TextSearch>,
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.keys == other.keys
    }
}

impl Eq for Filter {}

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
    /// All of these keys. Ages are counted from now.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = SearchKey>) -> Self {
        let keys: Vec<SearchKey> = keys.into_iter().collect();
        let (mut words, mut likes) = (Words::default(), Vec::new());
        let tests = keys.iter().map(|key| Test::of(key, &mut words, &mut likes)).collect();
        Self { keys, tests, words, likes, search: OnceLock::new() }
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &[SearchKey] {
        &self.keys
    }

    /// What a row has to tell for [`test`](Self::test) and [`matches`](Self::matches).
    #[must_use]
    pub fn fields(&self) -> Fields {
        Fields::new().with_flags(true).with_labels(self.tests.iter().any(Test::is_about_labels))
    }

    /// The messages that a key names, if one does, in ascending ranges with both ends: none of the others is found.
    #[must_use]
    pub fn ranges(&self) -> Vec<(Uid, Uid)> {
        let named = self.keys.iter().find_map(|key| match key {
            SearchKey::Uid(set) => Some(set.normalized(Uid::MAX)),
            _ => None,
        });
        named.unwrap_or_else(|| vec![(Uid::MIN, Uid::MAX)])
    }

    /// How many questions are asked of each message.
    #[must_use]
    pub fn questions(&self) -> usize {
        self.tests.iter().map(Test::count).sum()
    }

    /// How many bytes are compared in a message of this size to find what is alike, beside what is looked at once.
    #[must_use]
    pub fn comparing(&self, size: u64) -> u64 {
        self.likes.iter().map(|like| like.cost(size)).fold(0, u64::saturating_add)
    }

    /// How much a message is like what is looked for, from 1 to 100: the mean of those keys `FUZZY` that find it, each by
    /// the words of its text ([RFC 6203 section 4](https://www.rfc-editor.org/rfc/rfc6203#section-4)).
    #[must_use]
    pub fn relevancy(&self, message: &Message) -> u8 {
        let scores = self.likes.iter().map(|like| u32::from(like.score(message))).filter(|score| *score > 0);
        let (sum, count) = scores.fold((0, 0), |(sum, count), score| (sum + score, count + 1));
        u8::try_from(u32::checked_div(sum, count).unwrap_or(1)).unwrap_or(100)
    }

    /// How many bytes of memory it takes to look for all words at once.
    #[must_use]
    pub fn footprint(&self) -> usize {
        self.words.footprint()
    }

    /// Whether a message is looked for, as far as its row tells, with its [`fields`](Self::fields). `None` if the
    /// message itself has to be looked at.
    #[must_use]
    pub fn test(&self, row: &Row) -> Option<bool> {
        all(&self.tests, &Look::new(row))
    }

    /// The words that are looked for, as texts are compared.
    #[cfg(feature = "sqlite")]
    pub(crate) fn words(&self) -> impl Iterator<Item = &[u8]> {
        self.words.mapped()
    }

    /// As [`test`](Self::test), with what an index of the words knows.
    #[cfg(feature = "sqlite")]
    pub(crate) fn test_with(&self, row: &Row, candidates: &Candidates) -> Option<bool> {
        let mut look = Look::new(row);
        look.candidates = Some(candidates);
        all(&self.tests, &look)
    }

    /// The messages that have all the words which each that is looked for has, as far as an index knows; `None`: any.
    #[cfg(feature = "sqlite")]
    pub(crate) fn needed(&self, candidates: &Candidates) -> Option<Uids> {
        needed(&self.tests, candidates)
    }

    /// Whether a message is looked for. That takes time in proportion to the message and the keys.
    #[must_use]
    pub fn matches(&self, row: &Row, message: &Message) -> bool {
        let mut look = Look::new(row);
        let search = self.search();
        let mut found = Found::new(search);
        search.look_at_header(message, &mut found);
        let sent = message.sent_on().and_then(|(year, month, day)| Date::new(year, month, day).ok());
        (look.found, look.sent, look.message) = (Some(found), Some(sent), Some(message));
        look.alike = Some(self.likes.iter().map(|like| like.score(message) > 0).collect());
        all(&self.tests, &look).unwrap_or_else(|| {
            if let Some(found) = &mut look.found {
                search.look_at_body(message, found);
            }
            all(&self.tests, &look).unwrap_or(false)
        })
    }

    /// Makes ready what is the same for all messages, which [`matches`](Self::matches) does by itself where it is
    /// needed.
    pub fn prepare(&self) {
        self.search();
    }

    fn search(&self) -> &TextSearch {
        self.search.get_or_init(|| self.words.ready())
    }
}

/// What an index of texts knows of the words of a filter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Candidates {
    /// For each word the messages that may have it: none of the others has. `None`: it is not known.
    words: Vec<Option<Uids>>,
}

impl Candidates {
    /// What is known of each word, by [`Filter::words`].
    #[cfg(feature = "sqlite")]
    pub(crate) const fn new(words: Vec<Option<Uids>>) -> Self {
        Self { words }
    }

    fn of(&self, word: Word) -> Option<&Uids> {
        self.words.get(word.place())?.as_ref()
    }
}

#[cfg(feature = "sqlite")]
fn needed(tests: &[Test], candidates: &Candidates) -> Option<Uids> {
    let known = tests.iter().filter_map(|test| match test {
        Test::Text(word) => candidates.of(*word).cloned(),
        Test::All(tests) => needed(tests, candidates),
        _ => None,
    });
    known.reduce(|one, other| one.intersection(&other))
}

/// A key, made ready.
#[derive(Debug, Clone)]
enum Test {
    /// What the row tells.
    Row(SearchKey),
    /// Keywords are the same in any case of their letters.
    Keyword(String),
    Text(Word),
    /// One of the texts that may be alike.
    Like(usize),
    Sent(fn(&Date, &Date) -> bool, Date),
    /// Whether the moment of arrival compares so to this one, in seconds.
    Arrived(fn(&i64, &i64) -> bool, i64),
    /// A label, and one as queries write it.
    Label(String),
    WrittenLabel(String),
    /// Whether there is something to offer as a file.
    Attachment,
    Not(Box<Test>),
    Or(Box<Test>, Box<Test>),
    Any(Vec<Test>),
    All(Vec<Test>),
}

impl Test {
    fn of(key: &SearchKey, words: &mut Words, likes: &mut Vec<Like>) -> Self {
        let mut field = |name: &[u8], word: &AString| {
            Self::Text(words.add(Scope::Field(name.to_ascii_lowercase()), &word_of(word)))
        };
        match key {
            SearchKey::Header(name, word) => field(name.as_bytes(), word),
            SearchKey::Subject(word) => field(b"subject", word),
            SearchKey::Bcc(word) => Self::address(b"bcc", word, words),
            SearchKey::Cc(word) => Self::address(b"cc", word, words),
            SearchKey::From(word) => Self::address(b"from", word, words),
            SearchKey::To(word) => Self::address(b"to", word, words),
            SearchKey::Body(word) => Self::Text(words.add(Scope::Body, &word_of(word))),
            SearchKey::Text(word) => Self::Text(words.add(Scope::Text, &word_of(word))),
            SearchKey::SentBefore(date) => Self::Sent(Date::lt, *date),
            SearchKey::SentOn(date) => Self::Sent(Date::eq, *date),
            SearchKey::SentSince(date) => Self::Sent(Date::ge, *date),
            SearchKey::Older(seconds) => Self::Arrived(i64::le, ago(*seconds)),
            SearchKey::Younger(seconds) => Self::Arrived(i64::ge, ago(*seconds)),
            SearchKey::Keyword(keyword) => Self::keyword(keyword.as_bytes()),
            SearchKey::Unkeyword(keyword) => Self::keyword(keyword.as_bytes()).not(),
            SearchKey::GmailLabel(label) => Self::Label(gmail::folded(label)),
            SearchKey::GmailRaw(query) => Self::of_term(&gmail::parse(&word_of(query)), words, likes),
            SearchKey::Not(key) => Self::of(key, words, likes).not(),
            SearchKey::Fuzzy(key) => Self::alike(key, words, likes),
            SearchKey::Or(one, other) => {
                let one = Self::of(one, words, likes);
                Self::Or(Box::new(one), Box::new(Self::of(other, words, likes)))
            }
            SearchKey::And(keys) => Self::All(keys.iter().map(|key| Self::of(key, words, likes)).collect()),
            key => Self::Row(key.clone()),
        }
    }

    fn of_term(term: &Term, words: &mut Words, likes: &mut Vec<Like>) -> Self {
        let mut all = |terms: &[Term]| terms.iter().map(|term| Self::of_term(term, words, likes)).collect();
        match term {
            Term::Key(key) => Self::of(key, words, likes),
            Term::Label(label) => Self::WrittenLabel(label.clone()),
            Term::Attachment => Self::Attachment,
            Term::Before(second) => Self::Arrived(i64::lt, *second),
            Term::Not(term) => Self::of_term(term, words, likes).not(),
            Term::Any(terms) => Self::Any(all(terms)),
            Term::All(terms) => Self::All(all(terms)),
            // No message is found by what is not known.
            Term::Missing(_) => Self::Any(Vec::new()),
        }
    }

    fn is_about_labels(&self) -> bool {
        match self {
            Self::Label(_) | Self::WrittenLabel(_) => true,
            Self::Not(test) => test.is_about_labels(),
            Self::Or(one, other) => one.is_about_labels() || other.is_about_labels(),
            Self::Any(tests) | Self::All(tests) => tests.iter().any(Self::is_about_labels),
            _ => false,
        }
    }

    /// Texts may be alike; of all else it is asked as it stands.
    fn alike(key: &SearchKey, words: &mut Words, likes: &mut Vec<Like>) -> Self {
        let address = |name: &[u8]| Scope::Address(name.to_vec());
        let (scope, text) = match key {
            SearchKey::Header(name, text) => (Scope::Field(name.as_bytes().to_ascii_lowercase()), text),
            SearchKey::Subject(text) => (Scope::Field(b"subject".to_vec()), text),
            SearchKey::Bcc(text) => (address(b"bcc"), text),
            SearchKey::Cc(text) => (address(b"cc"), text),
            SearchKey::From(text) => (address(b"from"), text),
            SearchKey::To(text) => (address(b"to"), text),
            SearchKey::Body(text) => (Scope::Body, text),
            SearchKey::Text(text) => (Scope::Text, text),
            SearchKey::Or(one, other) => {
                let one = Self::alike(one, words, likes);
                return Self::Or(Box::new(one), Box::new(Self::alike(other, words, likes)));
            }
            SearchKey::And(keys) => {
                return Self::All(keys.iter().map(|key| Self::alike(key, words, likes)).collect());
            }
            key => return Self::of(key, words, likes),
        };
        likes.push(Like::new(scope, &word_of(text)));
        Self::Like(likes.len() - 1)
    }

    fn address(name: &[u8], word: &AString, words: &mut Words) -> Self {
        Self::Text(words.add(Scope::Address(name.to_vec()), &word_of(word)))
    }

    fn keyword(keyword: &[u8]) -> Self {
        Self::Keyword(String::from_utf8_lossy(keyword).to_ascii_lowercase())
    }

    fn not(self) -> Self {
        Self::Not(Box::new(self))
    }

    fn count(&self) -> usize {
        match self {
            Self::Not(test) => 1 + test.count(),
            Self::Or(one, other) => 1 + one.count() + other.count(),
            Self::Any(tests) | Self::All(tests) => 1 + tests.iter().map(Self::count).sum::<usize>(),
            _ => 1,
        }
    }

    fn ask(&self, look: &Look<'_>) -> Option<bool> {
        match self {
            Self::Row(key) => Some(look.row(key)),
            Self::Keyword(keyword) => Some(look.has_keyword(keyword)),
            Self::Text(word) => look.has(*word),
            Self::Like(at) => look.alike.as_ref()?.get(*at).copied(),
            Self::Arrived(is, moment) => Some(is(&look.row.date.seconds, moment)),
            Self::Sent(is, date) => look.sent.map(|sent| sent.is_some_and(|sent| is(&sent, date))),
            Self::Label(label) => Some(look.labels().has(label)),
            Self::WrittenLabel(label) => Some(look.labels().has_written(label)),
            Self::Attachment => look.has_attachment(),
            Self::Not(test) => test.ask(look).map(|is| !is),
            Self::Or(one, other) => match (one.ask(look), other.ask(look)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Self::Any(tests) => any(tests, look),
            Self::All(tests) => all(tests, look),
        }
    }
}

/// The moment so many seconds before now.
fn ago(seconds: NonZeroU32) -> i64 {
    InternalDate::now().seconds.saturating_sub(seconds.get().into())
}

fn all(tests: &[Test], look: &Look<'_>) -> Option<bool> {
    let mut unknown = false;
    for test in tests {
        match test.ask(look) {
            Some(false) => return Some(false),
            Some(true) => {}
            None => unknown = true,
        }
    }
    (!unknown).then_some(true)
}

fn any(tests: &[Test], look: &Look<'_>) -> Option<bool> {
    let mut unknown = false;
    for test in tests {
        match test.ask(look) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => unknown = true,
        }
    }
    (!unknown).then_some(false)
}

/// A message as far as it is known. The answers are of three values: what is not known is `None`.
struct Look<'a> {
    row: &'a Row,
    /// Its keywords in small letters, once they are asked for.
    keywords: OnceCell<BTreeSet<String>>,
    labels: OnceCell<LabelNames>,
    message: Option<&'a Message>,
    attachment: OnceCell<bool>,
    found: Option<Found>,
    /// What an index knows.
    candidates: Option<&'a Candidates>,
    /// Which of the texts are alike.
    alike: Option<Vec<bool>>,
    sent: Option<Option<Date>>,
}

impl<'a> Look<'a> {
    const fn new(row: &'a Row) -> Self {
        Self {
            row,
            keywords: OnceCell::new(),
            labels: OnceCell::new(),
            message: None,
            attachment: OnceCell::new(),
            found: None,
            candidates: None,
            alike: None,
            sent: None,
        }
    }

    fn row(&self, key: &SearchKey) -> bool {
        let flag = |flag: &Flag| self.row.flags.contains(flag);
        let day = |is: fn(&Date, &Date) -> bool, date: &Date| {
            self.row.date.to_date_time().is_some_and(|found| is(&found.date(), date))
        };
        let saved = |is: fn(&Date, &Date) -> bool, date: &Date| {
            let saved = InternalDate::from(self.row.saved).to_date_time();
            saved.is_some_and(|found| is(&found.date(), date))
        };
        match key {
            SearchKey::All => true,
            SearchKey::Answered => flag(&Flag::Answered),
            SearchKey::Before(date) => day(Date::lt, date),
            SearchKey::Deleted => flag(&Flag::Deleted),
            SearchKey::Draft => flag(&Flag::Draft),
            SearchKey::EmailId(id) => self.row.body.object_id() == *id,
            SearchKey::Flagged => flag(&Flag::Flagged),
            SearchKey::GmailMessageId(id) => self.row.body.get() == *id,
            SearchKey::GmailThreadId(id) => gmail::thread_number(self.row) == *id,
            SearchKey::Larger(size) => self.row.size > *size,
            SearchKey::ModSeq(search) => self.row.mod_seq >= search.mod_seq,
            SearchKey::On(date) => day(Date::eq, date),
            // Of every message it is known when it was saved.
            SearchKey::SaveDateSupported => true,
            SearchKey::SavedBefore(date) => saved(Date::lt, date),
            SearchKey::SavedOn(date) => saved(Date::eq, date),
            SearchKey::SavedSince(date) => saved(Date::ge, date),
            SearchKey::Seen => flag(&Flag::Seen),
            SearchKey::Since(date) => day(Date::ge, date),
            SearchKey::Smaller(size) => self.row.size < *size,
            SearchKey::ThreadId(id) => self.row.thread.is_some_and(|thread| thread.object_id() == *id),
            SearchKey::Uid(set) => is_in(set, self.row.uid),
            SearchKey::Unanswered => !flag(&Flag::Answered),
            SearchKey::Undeleted => !flag(&Flag::Deleted),
            SearchKey::Undraft => !flag(&Flag::Draft),
            SearchKey::Unflagged => !flag(&Flag::Flagged),
            SearchKey::Unseen => !flag(&Flag::Seen),
            _ => false,
        }
    }

    fn has(&self, word: Word) -> Option<bool> {
        let Some(found) = &self.found else {
            let may_have = self.candidates?.of(word)?.contains(self.row.uid);
            return (!may_have).then_some(false);
        };
        found.get(word)
    }

    fn labels(&self) -> &LabelNames {
        self.labels.get_or_init(|| LabelNames::of(&self.row.labels))
    }

    /// `None`: the message has to be looked at.
    fn has_attachment(&self) -> Option<bool> {
        let message = self.message?;
        Some(*self.attachment.get_or_init(|| message.structure(true).contents().has_attachment()))
    }

    fn has_keyword(&self, keyword: &str) -> bool {
        let all = || self.row.flags.iter().map(|flag| flag.to_string().to_ascii_lowercase()).collect();
        self.keywords.get_or_init(all).contains(keyword)
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
