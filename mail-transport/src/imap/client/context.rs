//! Searches whose results the server keeps up to date, and searches in several mailboxes.

use std::num::NonZeroU32;

use mailwire_imap::{
    command::{Command, Search, SearchReturnOpt, Sort},
    extensions::{context::CancelUpdateCommand, multisearch::ESearch},
    response::{Code, ContextChange, ESearchData, Reply, SearchReturnData, SearchedMailbox, Untagged},
    types::{MailboxName, Tag, Uid},
};

use super::{
    Client, Update,
    error::{refused, too_many},
    search::{Found, is_update},
};
use crate::Result;

/// A search whose result the server keeps up to date ([RFC 5267 section
/// 4.3](https://www.rfc-editor.org/rfc/rfc5267#section-4.3)), from [`Client::search_context`] and
/// [`Client::sort_context`].
///
/// The server tells changes like other news of the mailbox: give each [`Update`] that
/// [`Client::updates`] or [`Idle::next`](super::Idle::next) has to [`apply`](Self::apply). It lasts until the mailbox is left,
/// or until [`Client::cancel_updates`].
///
/// # Examples
///
/// ```no_run
/// # async fn example(client: &mut mailwire_transport::imap::Client) -> mailwire_transport::Result<()> {
/// use mailwire_transport::imap::{SearchKey, proto::command::Search};
///
/// client.select("INBOX").await?;
/// let mut unread = client.search_context(Search::by_uid([SearchKey::Unseen])).await?;
/// let mut idle = client.idle().await?;
/// while unread.is_current() {
///     println!("{} messages are unread", unread.len());
///     let update = idle.next().await?;
///     unread.apply(&update);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchContext {
    tag: Option<Tag>,
    /// In the order of the result; each from its first to its last.
    ranges: Vec<(Uid, Uid)>,
    /// So many ranges at most.
    limit: usize,
    current: bool,
}

/// What was found in one of several mailboxes, from [`Client::search_mailboxes`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundIn {
    /// The mailbox, and its UIDVALIDITY.
    pub mailbox: SearchedMailbox,
    /// What was found in it.
    pub found: Found<Uid>,
}

/// One update goes through no more ranges than this, all its changes together: to search anew costs less.
const WORK: usize = 1 << 24;

/// The result does not have what an update says of it, or there is too much of it.
struct Lost;

impl SearchContext {
    /// Iterates over the UIDs, in the order of the result.
    pub fn iter(&self) -> impl Iterator<Item = Uid> + '_ {
        self.ranges.iter().flat_map(|&(first, last)| (first.get()..=last.get()).filter_map(Uid::new))
    }

    /// Returns the UIDs as ranges, in the order of the result, both ends included.
    #[must_use]
    pub fn ranges(&self) -> &[(Uid, Uid)] {
        &self.ranges
    }

    /// Returns how many there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ranges.iter().copied().map(length).sum()
    }

    /// Whether nothing is found at present.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether a message is found at present.
    #[must_use]
    pub fn contains(&self, uid: Uid) -> bool {
        self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&uid))
    }

    /// Whether the server tells changes, and none was lost. If not, search anew: the server did not take it or gave it
    /// up (`NOUPDATE`), there was an [`Update::Overflow`], or an update did not fit the result.
    #[must_use]
    pub const fn is_current(&self) -> bool {
        self.current
    }

    /// Takes account of an update; whether it was about this search. Give it all of them, in their order.
    pub fn apply(&mut self, update: &Update) -> bool {
        let is_ours = |tag: Option<&[u8]>| tag.is_some() && tag == self.tag.as_ref().map(Tag::as_bytes);
        match update {
            Update::Search(data) if is_ours(data.tag.as_ref().map(|tag| tag.as_bytes())) => {
                if self.current {
                    self.current = self.change(data).is_ok();
                }
                true
            }
            Update::Notice(Reply { code: Some(Code::NoUpdate(tag)), .. })
                if is_ours(Some(tag.as_bytes())) =>
            {
                self.current = false;
                true
            }
            Update::Overflow => {
                self.current = false;
                false
            }
            _ => false,
        }
    }

    fn change(&mut self, data: &ESearchData) -> Result<(), Lost> {
        let mut work = WORK;
        for item in &data.items {
            let (changes, adds) = match item {
                SearchReturnData::AddTo(changes) => (changes, true),
                SearchReturnData::RemoveFrom(changes) => (changes, false),
                _ => continue,
            };
            for ContextChange { position, numbers, .. } in changes {
                work = work.checked_sub(self.ranges.len()).ok_or(Lost)?;
                let new: Vec<(Uid, Uid)> = numbers.ranges().map(in_order).collect();
                let place = position.checked_sub(1).map(u64::from);
                match (place, adds) {
                    (Some(place), true) => self.insert(place, new)?,
                    (Some(place), false) => self.take(place, &new)?,
                    (None, true) => self.ranges = united(&self.ranges, new),
                    (None, false) => self.ranges = without(&self.ranges, new),
                }
                if self.ranges.len() > self.limit {
                    return Err(Lost);
                }
            }
        }
        Ok(())
    }

    /// The index of the range that begins at a place; one that goes on over it is parted.
    fn index(&mut self, place: u64) -> Result<usize, Lost> {
        let mut before = 0;
        for index in 0..self.ranges.len() {
            if before == place {
                return Ok(index);
            }
            let Some(range) = self.ranges.get_mut(index) else { break };
            let (first, last) = *range;
            if before + length(*range) > place {
                let offset = u32::try_from(place - before).map_err(|_| Lost)?;
                let second = first.get().checked_add(offset).and_then(Uid::new).ok_or(Lost)?;
                range.1 = Uid::new(second.get() - 1).ok_or(Lost)?;
                self.ranges.insert(index + 1, (second, last));
                return Ok(index + 1);
            }
            before += length((first, last));
        }
        if before == place { Ok(self.ranges.len()) } else { Err(Lost) }
    }

    fn insert(&mut self, place: u64, new: Vec<(Uid, Uid)>) -> Result<(), Lost> {
        let index = self.index(place)?;
        self.ranges.splice(index..index, new);
        Ok(())
    }

    /// Takes away what has to stand there.
    fn take(&mut self, place: u64, old: &[(Uid, Uid)]) -> Result<(), Lost> {
        let first = self.index(place)?;
        let end = self.index(place + old.iter().copied().map(length).sum::<u64>())?;
        let there = self.ranges.get(first..end).ok_or(Lost)?;
        if joined(there) != joined(old) {
            return Err(Lost);
        }
        self.ranges.drain(first..end);
        Ok(())
    }
}

fn length((first, last): (Uid, Uid)) -> u64 {
    u64::from(last.get() - first.get()) + 1
}

fn in_order((one, other): (NonZeroU32, NonZeroU32)) -> (Uid, Uid) {
    (one.min(other).into(), one.max(other).into())
}

/// Ranges of which none goes on where the one before ends.
fn joined(ranges: &[(Uid, Uid)]) -> Vec<(Uid, Uid)> {
    let mut joined: Vec<(Uid, Uid)> = Vec::with_capacity(ranges.len());
    for &(first, last) in ranges {
        match joined.last_mut() {
            Some((_, end)) if end.get().checked_add(1) == Some(first.get()) => *end = last,
            _ => joined.push((first, last)),
        }
    }
    joined
}

/// Ascending ranges, and others, which may overlap.
fn united(ranges: &[(Uid, Uid)], new: Vec<(Uid, Uid)>) -> Vec<(Uid, Uid)> {
    let mut all = [ranges, &new].concat();
    all.sort_unstable();
    let mut united: Vec<(Uid, Uid)> = Vec::with_capacity(all.len());
    for (first, last) in all {
        match united.last_mut() {
            Some((_, end)) if first <= *end || end.get() + 1 == first.get() => *end = last.max(*end),
            _ => united.push((first, last)),
        }
    }
    united
}

/// What of ascending ranges is in none of the others.
fn without(ranges: &[(Uid, Uid)], mut gone: Vec<(Uid, Uid)>) -> Vec<(Uid, Uid)> {
    gone.sort_unstable();
    let mut gone = gone.into_iter().peekable();
    let mut left = Vec::with_capacity(ranges.len());
    for &(first, last) in ranges {
        let mut first = Some(first);
        while let (Some(low), Some(&(from, to))) = (first, gone.peek()) {
            if from > last {
                break;
            }
            if from > low {
                left.extend(Uid::new(from.get() - 1).map(|before| (low, before)));
            }
            if to >= low {
                first = to.get().checked_add(1).and_then(Uid::new).filter(|after| *after <= last);
            }
            if to > last {
                break;
            }
            gone.next();
        }
        left.extend(first.map(|first| (first, last)));
    }
    left
}

impl Client {
    /// UID SEARCH with `UPDATE`: finds messages, and is told what changes of that as long as the mailbox is selected
    /// ([RFC 5267](https://www.rfc-editor.org/rfc/rfc5267)). What the search asks to be returned does not count: all UIDs
    /// are. What is recent, old, or of some age is looked at when a message comes or has other flags, and not by itself.
    ///
    /// # Errors
    ///
    /// The server does not offer CONTEXT=SEARCH or refuses, or the connection fails.
    pub async fn search_context(&mut self, mut search: Search) -> Result<SearchContext> {
        search.uid = true;
        search.returns = Some(vec![SearchReturnOpt::Update, SearchReturnOpt::All]);
        self.name_charset(&mut search)?;
        self.context(Command::Search(search)).await
    }

    /// UID SORT with `UPDATE`: as [`search_context`](Self::search_context), in an order.
    ///
    /// # Errors
    ///
    /// The server does not offer CONTEXT=SORT or refuses, or the connection fails.
    pub async fn sort_context(&mut self, sort: Sort) -> Result<SearchContext> {
        let sort = sort.by_uid().with_returns([SearchReturnOpt::Update, SearchReturnOpt::All]);
        self.context(Command::Sort(Box::new(sort))).await
    }

    /// CANCELUPDATE: no more changes of these searches are told. Nothing is sent if none of them is
    /// [current](SearchContext::is_current).
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn cancel_updates(&mut self, contexts: impl IntoIterator<Item = SearchContext>) -> Result<()> {
        let current = contexts.into_iter().filter(SearchContext::is_current);
        let tags: Vec<Tag> = current.filter_map(|context| context.tag).collect();
        match CancelUpdateCommand::new(tags) {
            Ok(command) => self.simple(command.into()).await,
            Err(_) => Ok(()),
        }
    }

    /// ESEARCH: looks for messages in several mailboxes ([RFC 7377](https://www.rfc-editor.org/rfc/rfc7377)). Gives each
    /// mailbox in which something is found, with the UIDs.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: &mut mailwire_transport::imap::Client) -> mailwire_transport::Result<()> {
    /// use mailwire_transport::imap::{
    ///     SearchKey,
    ///     proto::extensions::{multisearch::ESearch, notify::MailboxFilter},
    /// };
    ///
    /// let everywhere = ESearch::new([MailboxFilter::Personal], [SearchKey::Flagged]);
    /// for found in client.search_mailboxes(everywhere).await? {
    ///     println!("{} in {}", found.found.len(), found.mailbox.name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The server does not offer MULTISEARCH, refuses or ends the search early (`LIMIT`), or the connection fails.
    pub async fn search_mailboxes(&mut self, mut search: ESearch) -> Result<Vec<FoundIn>> {
        self.name_charset(&mut search.search)?;
        let limit = self.settings.items;
        let mut room = self.room();
        let (mut all, mut ranges) = (Vec::new(), 0_usize);
        let mut take = |data| match data {
            Untagged::ESearch(extended) if extended.mailbox.is_some() && !is_update(&extended) => {
                let mut found = Found::NOTHING;
                found.add_extended(&extended);
                let found = found.of::<Uid>();
                ranges = ranges.saturating_add(found.ranges().len()).saturating_add(1);
                room.take::<(Uid, Uid)>(found.ranges().len(), 0)?;
                if ranges > limit {
                    return Err(too_many("ranges of messages", limit));
                }
                if let Some(mailbox) = extended.mailbox {
                    room.take::<FoundIn>(1, mailbox.name.as_bytes().len())?;
                    // A copy, which holds no receive buffer.
                    let name = MailboxName::from_wire(mailbox.name.as_bytes().to_vec())?;
                    all.push(FoundIn { mailbox: SearchedMailbox::new(name, mailbox.uid_validity), found });
                }
                Ok(None)
            }
            data => Ok(Some(data)),
        };
        let reply = self.run(Command::ESearch(Box::new(search)), &mut take).await?;
        // A part is not what was asked for (RFC 7377 section 2.4).
        if reply.code == Some(Code::Limit) { Err(refused("ESEARCH", &reply)) } else { Ok(all) }
    }

    async fn context(&mut self, command: Command) -> Result<SearchContext> {
        let limit = self.settings.items;
        let mut room = self.room();
        let mut refused: Vec<Tag> = Vec::new();
        let (mut tag, mut found) = (None, Found::NOTHING);
        let mut take = |data| match data {
            Untagged::ESearch(extended) if !is_update(&extended) => {
                let before = found.ranges().len();
                found.add_extended(&extended);
                tag = extended.tag.and_then(|tag| Tag::new(tag.as_bytes().to_vec()).ok());
                room.take::<(Uid, Uid)>(found.ranges().len() - before, 0)?;
                if found.ranges().len() > limit {
                    return Err(too_many("ranges of messages", limit));
                }
                Ok(None)
            }
            Untagged::Reply(Reply { code: Some(Code::NoUpdate(tag)), .. }) => {
                room.take::<Tag>(1, tag.as_bytes().len())?;
                refused.push(tag);
                Ok(None)
            }
            data => Ok(Some(data)),
        };
        self.run(command, &mut take).await?;
        let current = tag.as_ref().is_some_and(|tag| !refused.contains(tag));
        Ok(SearchContext { tag, ranges: found.of::<Uid>().ranges().to_vec(), limit, current })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use mailwire_imap::types::KnownNumbers;

    use super::*;

    fn context(numbers: &[u32]) -> SearchContext {
        let ranges = numbers.iter().map(|number| (Uid::new(*number).unwrap(), Uid::new(*number).unwrap()));
        let tag = Some(Tag::new("a").unwrap());
        SearchContext { tag, ranges: joined(&ranges.collect::<Vec<_>>()), limit: 100, current: true }
    }

    fn set(text: &str) -> KnownNumbers {
        let numbers = text.split(',').map(|part| {
            let mut ends = part.split(':').map(|end| NonZeroU32::new(end.parse().unwrap()).unwrap());
            let first = ends.next().unwrap();
            (first, ends.next().unwrap_or(first))
        });
        KnownNumbers::from_ranges(numbers).unwrap()
    }

    fn update(tag: &str, items: Vec<SearchReturnData>) -> Update {
        let tag = mailwire_imap::types::ImapString::new(tag.to_owned()).unwrap();
        Update::Search(Box::new(ESearchData::new(true, items).with_tag(Some(tag))))
    }

    fn add(changes: &[(u32, &str)]) -> SearchReturnData {
        SearchReturnData::AddTo(changes.iter().map(|(at, text)| ContextChange::new(*at, set(text))).collect())
    }

    fn remove(changes: &[(u32, &str)]) -> SearchReturnData {
        SearchReturnData::RemoveFrom(
            changes.iter().map(|(at, text)| ContextChange::new(*at, set(text))).collect(),
        )
    }

    fn numbers(context: &SearchContext) -> Vec<u32> {
        context.iter().map(Uid::get).collect()
    }

    /// The three forms of RFC 5267 section 4.3.3.
    #[test]
    fn all_forms_mean_alike() {
        for items in [
            vec![add(&[(1, "2733"), (1, "2732"), (1, "2731")])],
            vec![add(&[(1, "2733")]), add(&[(1, "2731:2732")])],
            vec![add(&[(1, "2731:2733")])],
        ] {
            let mut context = context(&[2734, 2735]);
            assert!(context.apply(&update("a", items)));
            assert_eq!(numbers(&context), [2731, 2732, 2733, 2734, 2735]);
            assert!(context.is_current());
        }
    }

    #[test]
    fn places_are_those_of_the_moment() {
        let mut context = context(&[9, 3, 4, 5, 1]);
        assert!(!context.apply(&update("b", vec![add(&[(1, "7")])])));
        assert!(context.apply(&update("a", vec![add(&[(3, "7"), (7, "8")]), remove(&[(5, "5,1")])])));
        assert_eq!(numbers(&context), [9, 3, 7, 4, 8]);
        assert!(context.apply(&update("a", vec![remove(&[(1, "9"), (1, "3")]), add(&[(1, "3:4")])])));
        assert_eq!(numbers(&context), [3, 4, 7, 4, 8]);
        assert!(context.is_current());
        // What is not there cannot go.
        assert!(context.apply(&update("a", vec![remove(&[(1, "4")])])));
        assert!(!context.is_current());
    }

    #[test]
    fn in_the_order_of_the_mailbox_there_are_no_places() {
        let mut context = context(&[1, 2, 3, 4, 5, 10, 20]);
        let items = vec![remove(&[(0, "2:3,9:12,20")]), add(&[(0, "30,6:9,1")])];
        assert!(context.apply(&update("a", items)));
        assert_eq!(numbers(&context), [1, 4, 5, 6, 7, 8, 9, 30]);
        assert!(context.apply(&update("a", vec![remove(&[(0, "1:4294967295")])])));
        assert!(context.is_empty() && context.is_current());
        assert!(context.apply(&update("a", vec![add(&[(0, "4294967290:4294967295")])])));
        assert_eq!(context.len(), 6);
        assert!(context.apply(&update("a", vec![remove(&[(0, "4294967295")])])));
        assert_eq!(context.len(), 5);
    }

    #[test]
    fn what_grows_without_end_is_given_up() {
        let mut context = context(&[1]);
        let every_second: Vec<String> = (1..=200).map(|number| (2 * number).to_string()).collect();
        assert!(context.apply(&update("a", vec![add(&[(0, &every_second.join(","))])])));
        assert!(!context.is_current());
        let mut context = self::context(&[1]);
        assert!(!context.apply(&Update::Overflow));
        assert!(!context.is_current());
    }
}
