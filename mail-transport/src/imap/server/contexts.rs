//! Results of searches that are kept up to date ([RFC 5267 section
//! 4.3](https://www.rfc-editor.org/rfc/rfc5267#section-4.3)).

use mailwire_imap::{
    command::{SearchKey, SortKey},
    extensions::context::CancelUpdateCommand,
    response::{
        Code, ContextChange, ESearchData, Reply, ReplyKind, SearchReturnData, SearchedMailbox, Untagged,
    },
    types::{ImapString, KnownNumbers, SeqRange, Tag, Uid, UidSet},
    view::View,
};

use super::{
    conversation::{Conversation, done},
    options::{SearchOptions, SortOptions},
    refusal::{Refusal, status},
    searching::by_relevancy,
    sending::{ServerDriver, push},
    service::{Service, Session},
    sets,
};
use crate::{Budget, Error};

/// So many searches of a session are kept up to date.
const MOST: usize = 16;
/// Their results and keys take so many bytes, all together.
const ROOM: usize = 4 << 20;
/// So many new messages are put into an order each by itself: a few comparisons for one of them.
const FEW: usize = 8;
/// So many messages are taken out of an order one by one: for more of them, it is told anew.
const MANY: usize = 1000;
/// So many numbers are told in one response.
const TOLD: usize = 500;

/// The searches of a session whose results are kept up to date, in the selected mailbox.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    running: Vec<Context>,
    /// Messages that came, or have other flags, since the results were brought up to date.
    touched: Vec<Uid>,
    /// Messages that are gone, of which the client was not told yet.
    gone: Vec<Uid>,
}

/// A search whose result is kept up to date.
#[derive(Debug)]
pub(super) struct Context {
    tag: Tag,
    /// The first key is the messages that are looked at.
    search: SearchOptions,
    order: Option<SortOptions>,
    by_uid: bool,
    /// As ESEARCH tells it.
    mailbox: Option<SearchedMailbox>,
    /// In its order.
    result: Vec<Uid>,
    /// What the keys take, in bytes.
    keys: usize,
}

/// One change of a result: the place of the first number from 1 on, 0 where the order is that of the mailbox.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    Add(usize, Vec<Uid>),
    Remove(usize, Vec<Uid>),
}

impl Contexts {
    /// Whether a search of this tag is kept up to date.
    pub(super) fn has(&self, tag: &Tag) -> bool {
        self.running.iter().any(|context| context.tag == *tag)
    }

    /// Keeps the result of a search up to date from now on, if there is room for it: else its tag is given back.
    pub(super) fn begin(&mut self, context: Context) -> Result<(), Tag> {
        let size: usize = self.running.iter().map(Context::size).sum();
        if self.running.len() < MOST && size.saturating_add(context.size()) <= ROOM {
            self.running.push(context);
            return Ok(());
        }
        Err(context.tag)
    }

    /// CANCELUPDATE. That one has ended before does no harm.
    pub(super) fn cancel(&mut self, tags: &[Tag]) {
        self.running.retain(|context| !tags.contains(&context.tag));
        if self.running.is_empty() {
            *self = Self::default();
        }
    }

    /// Messages came, or have other flags.
    pub(super) fn touch(&mut self, uids: impl IntoIterator<Item = Uid>) {
        if !self.running.is_empty() {
            self.touched.extend(uids);
        }
    }

    /// Messages are gone.
    pub(super) fn leave(&mut self, uids: &[Uid]) {
        if !self.running.is_empty() {
            self.gone.extend(uids);
        }
    }

    /// Tells of messages that are gone, before EXPUNGE does: their numbers still mean them then.
    pub(super) async fn tell_gone(&mut self, driver: &mut ServerDriver, view: &View) -> Result<(), Error> {
        let mut gone = std::mem::take(&mut self.gone);
        if gone.is_empty() {
            return Ok(());
        }
        gone.sort_unstable();
        let mut turns = Budget::unlimited();
        for context in &mut self.running {
            // It has no limit.
            let _ = turns.spend(context.size() as u64).await;
            let changes = context.remove(&gone);
            context.tell(driver, view, changes).await?;
        }
        Ok(())
    }
}

impl Context {
    /// `search` has found `result`, in the order of `order` if there is one.
    pub(super) fn new(
        tag: Tag,
        by_uid: bool,
        mut search: SearchOptions,
        order: Option<SortOptions>,
        result: Vec<Uid>,
    ) -> Self {
        let keys = search.keys.iter().map(weight).sum();
        search.keys.insert(0, SearchKey::All);
        Self { tag, search, order, by_uid, mailbox: None, result, keys }
    }

    /// Sets the mailbox that is told with each change.
    pub(super) fn in_mailbox(mut self, mailbox: Option<SearchedMailbox>) -> Self {
        self.mailbox = mailbox;
        self
    }

    fn size(&self) -> usize {
        (self.result.len() * size_of::<Uid>()).saturating_add(self.keys)
    }

    /// Takes messages, which ascend, out of the result. In an order, the last one is the first to go, so that the places
    /// of the others stay.
    fn remove(&mut self, leaving: &[Uid]) -> Vec<Change> {
        let leaves = |uid: &Uid| leaving.binary_search(uid).is_ok();
        let changes: Vec<Change> = if self.order.is_none() {
            let known = leaving.iter().copied().filter(|uid| self.result.binary_search(uid).is_ok());
            let known: Vec<Uid> = known.collect();
            if known.is_empty() { Vec::new() } else { vec![Change::Remove(0, known)] }
        } else {
            let known = self.result.iter().copied().enumerate().filter(|(_, uid)| leaves(uid));
            let known: Vec<(usize, Uid)> = known.collect();
            if known.len() > MANY {
                let left = self.result.iter().copied().filter(|uid| !leaves(uid)).collect();
                return self.replace(left);
            }
            known.into_iter().rev().map(|(at, uid)| Change::Remove(at + 1, vec![uid])).collect()
        };
        if !changes.is_empty() {
            self.result.retain(|uid| !leaves(uid));
        }
        changes
    }

    /// Puts another result in the place of this one.
    fn replace(&mut self, new: Vec<Uid>) -> Vec<Change> {
        let old = std::mem::replace(&mut self.result, new);
        let mut changes = Vec::new();
        if !old.is_empty() {
            changes.push(Change::Remove(1, old));
        }
        if !self.result.is_empty() {
            changes.push(Change::Add(1, self.result.clone()));
        }
        changes
    }

    /// Looks at messages again that came or have other flags, ascending.
    async fn look<S: Session>(
        &mut self,
        session: &mut S,
        touched: &[Uid],
        budget: &mut Budget,
    ) -> Result<Vec<Change>, Refusal> {
        let ranges = sets::ranges(touched.to_vec()).into_iter();
        let Ok(set) = UidSet::from_ranges(ranges.map(|(low, high)| SeqRange::new(low, high))) else {
            return Ok(Vec::new());
        };
        if let Some(first) = self.search.keys.first_mut() {
            *first = SearchKey::Uid(set);
        }
        self.search.messages = touched.len() as u64;
        let mut found = session.search(&self.search, budget).await?;
        found.retain(|uid| touched.binary_search(uid).is_ok());
        found.sort_unstable();
        found.dedup();
        // What was looked for and where it stands goes through all of the result.
        budget.grant(self.size() as u64);
        budget.spend(self.size() as u64).await?;
        let moves = self.order.as_ref().is_some_and(|order| {
            // The one thing that an order goes by and that changes.
            order.criteria.iter().any(|criterion| criterion.key == SortKey::ModSeq)
        });
        let leaves = |uid: &Uid| moves || found.binary_search(uid).is_err();
        let leaving: Vec<Uid> = touched.iter().copied().filter(leaves).collect();
        let mut changes = self.remove(&leaving);
        if self.order.is_none() {
            found.retain(|uid| self.result.binary_search(uid).is_err());
        } else {
            let known = self.result.iter().copied().filter(|uid| found.binary_search(uid).is_ok());
            let mut known: Vec<Uid> = known.collect();
            known.sort_unstable();
            found.retain(|uid| known.binary_search(uid).is_err());
        }
        if !found.is_empty() {
            changes.extend(self.add(session, found, budget).await?);
        }
        Ok(changes)
    }

    /// Puts messages into the result that are not in it.
    async fn add<S: Session>(
        &mut self,
        session: &mut S,
        coming: Vec<Uid>,
        budget: &mut Budget,
    ) -> Result<Vec<Change>, Refusal> {
        let Some(order) = &mut self.order else {
            self.result.extend_from_slice(&coming);
            // Of two ascending parts this makes one in a single pass.
            self.result.sort();
            return Ok(vec![Change::Add(0, coming)]);
        };
        let mut changes = Vec::new();
        if coming.len() <= FEW {
            for uid in &coming {
                let Some(place) = place(session, order, &self.result, *uid, budget).await? else { break };
                self.result.insert(place, *uid);
                changes.push(Change::Add(place + 1, vec![*uid]));
            }
            if changes.len() == coming.len() {
                return Ok(changes);
            }
        }
        // Many, or one of those that were compared is gone meanwhile.
        let mut all = [&self.result[..], &coming].concat();
        all.sort_unstable();
        all.dedup();
        let new = session.sort(&all, order, budget).await?;
        changes.extend(self.replace(new));
        Ok(changes)
    }

    /// Tells changes in their order.
    async fn tell(&self, driver: &mut ServerDriver, view: &View, changes: Vec<Change>) -> Result<(), Error> {
        let mut response = Response { context: self, items: Vec::new(), told: 0 };
        for change in changes {
            let (adds, first, uids) = match change {
                Change::Add(first, uids) => (true, first, uids),
                Change::Remove(first, uids) => (false, first, uids),
            };
            for (index, part) in uids.chunks(TOLD).enumerate() {
                // What was added moves the place on; what was removed makes the next ones take it.
                let place = if adds && first > 0 { first + index * TOLD } else { first };
                response.add(adds, place, part, view);
                if response.told >= TOLD {
                    response.send(driver).await?;
                }
            }
        }
        response.send(driver).await
    }
}

/// An ESEARCH response on its way.
struct Response<'a> {
    context: &'a Context,
    items: Vec<SearchReturnData>,
    told: usize,
}

impl Response<'_> {
    fn add(&mut self, adds: bool, place: usize, uids: &[Uid], view: &View) {
        let by_uid = self.context.by_uid;
        let numbers = uids.iter().filter_map(|uid| {
            let number = view.number(*uid)?;
            Some(if by_uid { (*uid).into() } else { number.into() })
        });
        let Ok(numbers) = KnownNumbers::from_numbers(numbers) else { return };
        self.told += uids.len();
        let change = ContextChange::new(u32::try_from(place).unwrap_or(u32::MAX), numbers);
        match (adds, self.items.last_mut()) {
            (true, Some(SearchReturnData::AddTo(changes)))
            | (false, Some(SearchReturnData::RemoveFrom(changes))) => changes.push(change),
            (true, _) => self.items.push(SearchReturnData::AddTo(vec![change])),
            (false, _) => self.items.push(SearchReturnData::RemoveFrom(vec![change])),
        }
    }

    async fn send(&mut self, driver: &mut ServerDriver) -> Result<(), Error> {
        self.told = 0;
        if self.items.is_empty() {
            return Ok(());
        }
        let tag = ImapString::new(self.context.tag.as_text().clone()).ok();
        let items = std::mem::take(&mut self.items);
        let mut data = ESearchData::new(self.context.by_uid, items).with_tag(tag);
        data.mailbox = self.context.mailbox.clone().map(Box::new);
        push(driver, Untagged::ESearch(data)).await
    }
}

/// Where a message belongs in an ordered result. `None`: one of those that it was compared with is gone.
async fn place<S: Session>(
    session: &mut S,
    order: &SortOptions,
    result: &[Uid],
    uid: Uid,
    budget: &mut Budget,
) -> Result<Option<usize>, Refusal> {
    let (mut low, mut high) = (0, result.len());
    while low < high {
        let middle = low.midpoint(high);
        let Some(other) = result.get(middle) else { return Ok(None) };
        let pair = [uid.min(*other), uid.max(*other)];
        match session.sort(&pair, order, budget).await?.as_slice() {
            [first, _] if *first == uid => high = middle,
            [_, _] => low = middle + 1,
            _ => return Ok(None),
        }
    }
    Ok(Some(low))
}

/// What a key takes, in bytes.
pub(super) fn weight(key: &SearchKey) -> usize {
    size_of::<SearchKey>()
        + match key {
            SearchKey::Uid(set) => size_of_val(set.ranges()),
            SearchKey::Not(key) | SearchKey::Fuzzy(key) => weight(key),
            SearchKey::Or(one, other) => weight(one) + weight(other),
            SearchKey::And(keys) => keys.iter().map(weight).sum(),
            SearchKey::Header(name, text) => name.as_bytes().len() + text.as_bytes().len(),
            SearchKey::Bcc(text)
            | SearchKey::Body(text)
            | SearchKey::Cc(text)
            | SearchKey::From(text)
            | SearchKey::Subject(text)
            | SearchKey::Text(text)
            | SearchKey::To(text)
            | SearchKey::GmailRaw(text) => text.as_bytes().len(),
            _ => 0,
        }
}

/// The refusal to tell changes of a result ([RFC 5267 section
/// 4.3.1](https://www.rfc-editor.org/rfc/rfc5267#section-4.3.1)).
pub(super) fn no_update(tag: Tag, reason: &'static str) -> Untagged {
    Untagged::Reply(status(ReplyKind::No, reason).with_code(Code::NoUpdate(tag)))
}

impl<S: Service> Conversation<S> {
    /// Keeps the result of a search up to date, or tells that it is not.
    pub(super) async fn keep_up_to_date(&mut self, context: Context) -> Result<(), Error> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let begun = match self.part {
            // What comes later can be like what was not looked at.
            Some(_) => Err(context.tag),
            // How relevant a message is was told once.
            None if context.order.as_ref().is_some_and(by_relevancy) => Err(context.tag),
            None => open.contexts.begin(context),
        };
        match begun {
            Ok(()) => Ok(()),
            Err(tag) => push(&mut self.driver, no_update(tag, "No more results are kept up to date")).await,
        }
    }

    /// UIDONLY is enabled: what would be told by numbers ends.
    pub(super) async fn end_numbered_contexts(&mut self) -> Result<(), Error> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let all = std::mem::take(&mut open.contexts.running);
        let (by_uid, numbered): (Vec<_>, Vec<_>) = all.into_iter().partition(|context| context.by_uid);
        open.contexts.running = by_uid;
        for context in numbered {
            push(&mut self.driver, no_update(context.tag, "Message numbers are not used any more")).await?;
        }
        Ok(())
    }

    /// CANCELUPDATE ([RFC 5267 section 4.3.5](https://www.rfc-editor.org/rfc/rfc5267#section-4.3.5)).
    pub(super) fn cancel_updates(&mut self, command: &CancelUpdateCommand) -> Reply {
        if let Some(open) = &mut self.open {
            open.contexts.cancel(command.tags());
        }
        done()
    }

    /// Brings the results that are kept up to date to where the mailbox is, as far as the client knows it.
    pub(super) async fn update_contexts(&mut self) -> Result<(), Error> {
        let budget = self.budget();
        let (Some(session), Some(open)) = (&mut self.session, &mut self.open) else { return Ok(()) };
        let touched = std::mem::take(&mut open.contexts.touched);
        if touched.is_empty() {
            return Ok(());
        }
        let known = sets::ranges(touched).into_iter().flat_map(|(low, high)| open.view.known(low, high));
        let touched: Vec<Uid> = known.flat_map(sets::members).collect();
        for mut context in std::mem::take(&mut open.contexts.running) {
            match context.look(session, &touched, &mut budget.clone()).await {
                Ok(changes) => {
                    context.tell(&mut self.driver, &open.view, changes).await?;
                    if let Err(tag) = open.contexts.begin(context) {
                        push(&mut self.driver, no_update(tag, "The result has become too large")).await?;
                    }
                }
                Err(_) => push(&mut self.driver, no_update(context.tag, "It takes too much work")).await?,
            }
        }
        Ok(())
    }
}
