//! SEARCH, SORT and THREAD.

use std::num::NonZeroU32;

use mailwire_core::Invalid;
use mailwire_imap::{
    command::{AString, Command, Search, SearchKey, Sort, SortCriterion, Thread, ThreadAlgorithm},
    response::{ESearchData, SearchReturnData, ThreadData, ThreadNode, Untagged},
    types::{KnownNumbers, ModSeq, SeqNumber, SetMember, Uid, Value},
};

use super::{Client, error::too_many};
use crate::Result;

/// The result of a search: sequence numbers, UIDs after [`Client::uid_search`], or numbers of the kind that was
/// asked for after [`Client::search_with`].
///
/// Numbers that follow each other are kept as ranges, as a server may name millions of them in a few
/// bytes.
///
/// # Examples
///
/// ```no_run
/// # async fn example(client: &mut mailwire_transport::imap::Client) -> mailwire_transport::Result<()> {
/// use mailwire_transport::imap::SearchKey;
///
/// let found = client.uid_search([SearchKey::Unseen, SearchKey::Flagged]).await?;
/// for uid in &found {
///     println!("{uid} of {}", found.len());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<N> {
    ranges: Vec<(N, N)>,
    min: Option<N>,
    max: Option<N>,
    count: Option<u32>,
    mod_seq: Option<ModSeq>,
}

impl<N: SetMember> Found<N> {
    /// Iterates over the numbers, in the order in which the server named them.
    pub fn iter(&self) -> Numbers<'_, N> {
        self.into_iter()
    }

    /// Returns the numbers as ranges, both ends included.
    #[must_use]
    pub fn ranges(&self) -> &[(N, N)] {
        &self.ranges
    }

    /// Returns how many there are: the server's own count, if it was asked for one.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self.count {
            Some(count) => u64::from(count),
            None => self.ranges.iter().map(|&(first, last)| u64::from(plain(last) - plain(first)) + 1).sum(),
        }
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty() && self.count.unwrap_or(0) == 0 && self.min.is_none() && self.max.is_none()
    }

    /// Whether `number` was found.
    #[must_use]
    pub fn contains(&self, number: N) -> bool {
        self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&number))
    }

    /// Returns the lowest number: the server's own word, if it was asked for it.
    #[must_use]
    pub fn min(&self) -> Option<N> {
        self.min.or_else(|| self.ranges.iter().map(|range| range.0).min())
    }

    /// Returns the highest number: the server's own word, if it was asked for it.
    #[must_use]
    pub fn max(&self) -> Option<N> {
        self.max.or_else(|| self.ranges.iter().map(|range| range.1).max())
    }

    /// Returns the highest modification sequence of what was found, if the search was about those ([RFC 7162 section 3.1.5](https://www.rfc-editor.org/rfc/rfc7162#section-3.1.5)).
    #[must_use]
    pub const fn mod_seq(&self) -> Option<ModSeq> {
        self.mod_seq
    }
}

impl Found<NonZeroU32> {
    pub(super) const NOTHING: Self =
        Self { ranges: Vec::new(), min: None, max: None, count: None, mod_seq: None };

    /// Says what the numbers are: [`Uid`], if the search was one [by UID](Search::by_uid), otherwise
    /// [`SeqNumber`].
    #[must_use]
    pub fn of<N: SetMember>(self) -> Found<N> {
        Found {
            ranges: self.ranges.into_iter().map(|(first, last)| (N::from(first), N::from(last))).collect(),
            min: self.min.map(N::from),
            max: self.max.map(N::from),
            count: self.count,
            mod_seq: self.mod_seq,
        }
    }

    fn add_numbers(&mut self, numbers: &[u32]) {
        // There is no message 0.
        for number in numbers.iter().copied().filter_map(NonZeroU32::new) {
            match self.ranges.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
                _ => self.ranges.push((number, number)),
            }
        }
    }

    /// The numbers of `ALL`, or of the part that was asked for.
    fn add_set(&mut self, set: &KnownNumbers) {
        let range = |(start, end): (NonZeroU32, NonZeroU32)| (start.min(end), start.max(end));
        self.ranges.extend(set.ranges().map(range));
    }

    #[inline]
    pub(super) fn add_extended(&mut self, found: &ESearchData) {
        for item in &found.items {
            match item {
                SearchReturnData::Min(number) => {
                    self.min = self.min.into_iter().chain(NonZeroU32::new(*number)).min();
                }
                SearchReturnData::Max(number) => self.max = self.max.max(NonZeroU32::new(*number)),
                SearchReturnData::Count(count) => {
                    self.count = Some(self.count.unwrap_or(0).saturating_add(*count));
                }
                SearchReturnData::All(set) => self.add_set(set),
                SearchReturnData::Partial { found: Some(set), .. } => self.add_set(set),
                SearchReturnData::ModSeq(value) => self.mod_seq = self.mod_seq.max(Some(*value)),
                _ => {}
            }
        }
    }
}

/// The numbers that were found, from [`Found::iter`].
#[derive(Debug, Clone)]
pub struct Numbers<'a, N> {
    ranges: std::slice::Iter<'a, (N, N)>,
    current: Option<std::ops::RangeInclusive<u32>>,
}

impl<N: SetMember> Iterator for Numbers<'_, N> {
    type Item = N;

    fn next(&mut self) -> Option<N> {
        loop {
            if let Some(number) = self.current.as_mut().and_then(Iterator::next).and_then(NonZeroU32::new) {
                return Some(number.into());
            }
            let &(first, last) = self.ranges.next()?;
            self.current = Some(plain(first)..=plain(last));
        }
    }
}

impl<'a, N: SetMember> IntoIterator for &'a Found<N> {
    type Item = N;
    type IntoIter = Numbers<'a, N>;

    fn into_iter(self) -> Numbers<'a, N> {
        Numbers { ranges: self.ranges.iter(), current: None }
    }
}

impl Client {
    /// SEARCH: finds the messages that match all `keys`, by their sequence numbers ([RFC 9051 section 6.4.4](https://www.rfc-editor.org/rfc/rfc9051#section-6.4.4)).
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn search(&mut self, keys: impl Into<Vec<SearchKey>>) -> Result<Found<SeqNumber>> {
        Ok(self.search_with(Search::new(keys)).await?.of())
    }

    /// UID SEARCH: finds the messages that match all `keys`, by their UIDs.
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn uid_search(&mut self, keys: impl Into<Vec<SearchKey>>) -> Result<Found<Uid>> {
        Ok(self.search_with(Search::by_uid(keys)).await?.of())
    }

    /// SEARCH or UID SEARCH with all its options. CHARSET is named where the keys need it and none is
    /// given: some servers refuse it where they do not.
    ///
    /// # Examples
    ///
    /// The newest hundred messages ([RFC 9394](https://www.rfc-editor.org/rfc/rfc9394)):
    ///
    /// ```no_run
    /// # async fn example(client: &mut mailwire_transport::imap::Client) -> mailwire_transport::Result<()> {
    /// use mailwire_transport::imap::{SearchKey, proto::command::{Search, SearchReturnOpt}, proto::types::Uid};
    ///
    /// let page = [SearchReturnOpt::Count, SearchReturnOpt::Partial("-1:-100".parse()?)];
    /// let search = Search::by_uid([SearchKey::Undeleted]).with_returns(page);
    /// let found = client.search_with(search).await?.of::<Uid>();
    /// println!("{} of {}", found.iter().count(), found.len());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn search_with(&mut self, mut search: Search) -> Result<Found<NonZeroU32>> {
        self.name_charset(&mut search)?;
        self.find(Command::Search(search)).await
    }

    /// UID SORT: finds the messages that match all `keys`, by their UIDs, in an order ([RFC 5256](https://www.rfc-editor.org/rfc/rfc5256)).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: &mut mailwire_transport::imap::Client) -> mailwire_transport::Result<()> {
    /// use mailwire_transport::imap::{SearchKey, proto::command::SortKey};
    ///
    /// let newest_first = client.uid_sort([SortKey::Date.reversed()], [SearchKey::Undeleted]).await?;
    /// # let _ = newest_first;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The server does not offer SORT or refuses, or the connection fails.
    pub async fn uid_sort<C: Into<SortCriterion>>(
        &mut self,
        criteria: impl IntoIterator<Item = C>,
        keys: impl Into<Vec<SearchKey>>,
    ) -> Result<Found<Uid>> {
        Ok(self.sort_with(Sort::new(criteria, keys).by_uid()).await?.of())
    }

    /// SORT or UID SORT with all its options. The numbers are in the order that was asked for; so are the first and
    /// the last one, if `MIN` and `MAX` were asked for.
    ///
    /// # Errors
    ///
    /// As [`uid_sort`](Self::uid_sort).
    pub async fn sort_with(&mut self, sort: Sort) -> Result<Found<NonZeroU32>> {
        self.find(Command::Sort(Box::new(sort))).await
    }

    /// UID THREAD: finds the messages that match all `keys`, by their UIDs, in conversations ([RFC 5256](https://www.rfc-editor.org/rfc/rfc5256)).
    /// Where the server does not have the algorithm, [`threading`](mailwire_imap::threading) does its work.
    ///
    /// # Errors
    ///
    /// The server does not offer the algorithm or refuses, or the connection fails.
    pub async fn uid_thread(
        &mut self,
        algorithm: ThreadAlgorithm,
        keys: impl Into<Vec<SearchKey>>,
    ) -> Result<ThreadData> {
        self.thread_with(Thread::new(algorithm, keys).by_uid()).await
    }

    /// THREAD or UID THREAD with all its options.
    ///
    /// # Errors
    ///
    /// As [`uid_thread`](Self::uid_thread).
    pub async fn thread_with(&mut self, thread: Thread) -> Result<ThreadData> {
        let limit = self.settings.items;
        let mut room = self.room();
        let mut nodes = Vec::new();
        let mut take = |data| match data {
            Untagged::Thread(threads) => {
                room.take::<ThreadNode>(threads.nodes().len(), 0)?;
                nodes.extend_from_slice(threads.nodes());
                if nodes.len() > limit { Err(too_many("messages", limit)) } else { Ok(None) }
            }
            data => Ok(Some(data)),
        };
        self.run(Command::Thread(Box::new(thread)), &mut take).await?;
        Ok(ThreadData::new(nodes)?)
    }

    /// Names the character set of the keys, where they need it.
    #[inline]
    pub(super) fn name_charset(&self, search: &mut Search) -> Result<()> {
        if search.keys.is_empty() {
            search.keys.push(SearchKey::All);
        }
        if search.charset.is_none() && !self.inbox.utf8 && !search.keys.iter().all(is_ascii) {
            search.charset = Some(utf8()?.into());
        }
        Ok(())
    }

    /// Collects what a search finds.
    async fn find(&mut self, command: Command) -> Result<Found<NonZeroU32>> {
        let in_mailbox_order = self.is_limited() && matches!(command, Command::Search(_));
        let limit = self.settings.items;
        let mut found = Found::NOTHING;
        let mut room = self.room();
        let mut take = |data| {
            let before = found.ranges.len();
            match data {
                Untagged::Search(search) | Untagged::Sort(search) => {
                    found.add_numbers(&search.numbers);
                    if let Some(value) = search.mod_seq {
                        found.mod_seq = found.mod_seq.max(Some(value));
                    }
                }
                Untagged::ESearch(extended) if !is_update(&extended) => found.add_extended(&extended),
                data => return Ok(Some(data)),
            }
            room.take::<(NonZeroU32, NonZeroU32)>(found.ranges.len() - before, 0)?;
            if found.ranges.len() > limit { Err(too_many("ranges of messages", limit)) } else { Ok(None) }
        };
        self.run_all(command, &mut take).await?;
        if in_mailbox_order {
            // What was looked at in parts began with the highest.
            found.ranges.sort_unstable();
        }
        Ok(found)
    }
}

/// Whether it changes a result that was told before, and so answers no search.
pub(super) fn is_update(data: &ESearchData) -> bool {
    let changes = |item: &SearchReturnData| {
        matches!(item, SearchReturnData::AddTo(_) | SearchReturnData::RemoveFrom(_))
    };
    data.items.iter().any(changes)
}

fn plain(number: impl SetMember) -> u32 {
    number.to_nz().get()
}

fn utf8() -> Result<AString, Invalid> {
    AString::new("UTF-8")
}

#[inline]
fn is_ascii(key: &SearchKey) -> bool {
    let ascii = |text: &AString| text.as_bytes().is_ascii();
    match key {
        SearchKey::Bcc(text)
        | SearchKey::Body(text)
        | SearchKey::Cc(text)
        | SearchKey::From(text)
        | SearchKey::Subject(text)
        | SearchKey::Text(text)
        | SearchKey::To(text) => ascii(text),
        SearchKey::Header(name, text) => ascii(name) && ascii(text),
        SearchKey::GmailRaw(query) => ascii(query),
        SearchKey::Not(key) | SearchKey::Fuzzy(key) => is_ascii(key),
        SearchKey::Or(first, second) => is_ascii(first) && is_ascii(second),
        SearchKey::And(keys) => keys.iter().all(is_ascii),
        SearchKey::Other(item) => item.arguments.iter().all(Value::is_ascii),
        _ => true,
    }
}
