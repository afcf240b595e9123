//! Commands that look for messages.

use std::num::NonZeroU32;

use mailwire_core::{Dialect, Ticket};
use mailwire_imap::{
    command::{AString, Search, SearchKey, SearchReturnOpt, Sort, SortKey, Thread},
    extensions::comparator::{ComparatorCommand, ComparatorData},
    response::{self, Code, ESearchData, Reply, SearchReturnData, SearchedMailbox, ThreadData, Untagged},
    types::{ImapString, KnownNumbers, Uid},
    view::{Numbering, View},
};

use super::{
    contexts::Context,
    conversation::{Conversation, Stop, done},
    messages::NOT_COUNTED,
    options::{SearchOptions, SortOptions, ThreadOptions},
    progress::telling,
    refusal::Refusal,
    sending::push,
    service::{Service, Session},
    sets,
};

/// How services compare texts that offer I18NLEVEL.
const COMPARATOR: &str = "i;unicode-casemap";

impl<S: Service> Conversation<S> {
    /// SEARCH: RFC 9051 section 6.4.4.
    pub(super) async fn search(&mut self, ticket: Ticket, search: Search) -> Result<Reply, Stop> {
        self.find(ticket, search, None, None).await
    }

    /// SORT: RFC 5256 section 3.
    pub(super) async fn sort(&mut self, ticket: Ticket, sort: Sort) -> Result<Reply, Stop> {
        self.find(ticket, sort.search, Some(SortOptions::new(sort.criteria)), None).await
    }

    /// THREAD: RFC 5256 section 3.
    pub(super) async fn thread(&mut self, thread: Thread) -> Result<Reply, Stop> {
        let by_uid = thread.search.uid;
        let dialect = self.driver.connection().dialect();
        let (_, uids) = self.look_for(thread.search, None, dialect).await?;
        let mut budget = self.budget();
        let (session, open) = self.opened()?;
        let uids: Vec<Uid> = open.view.numbers(uids).map(|(uid, _)| uid).collect();
        let mut nodes = session.thread(&uids, &ThreadOptions::new(thread.algorithm), &mut budget).await?;
        if !by_uid {
            for node in &mut nodes {
                let number = node.number.and_then(|uid| open.view.number(uid.into()));
                node.number = number.map(NonZeroU32::from);
            }
        }
        let threads = ThreadData::new(nodes).map_err(|_| Refusal::unavailable())?;
        push(&mut self.driver, Untagged::Thread(threads)).await?;
        Ok(done())
    }

    /// COMPARATOR: RFC 5255 section 4.7. There is one.
    pub(super) async fn comparator(&mut self, command: ComparatorCommand) -> Result<Reply, Stop> {
        let chosen = command.comparators.is_empty()
            || command.matches(COMPARATOR)
            || command.comparators.iter().any(|name| name.eq_ignore_ascii_case("default"));
        if !chosen {
            let refusal = Refusal::new("There is no such comparator");
            return Err(refusal.with_code(Code::BadComparator).into());
        }
        if let Ok(data) = ComparatorData::new(COMPARATOR) {
            push(&mut self.driver, data.into()).await?;
        }
        Ok(done())
    }

    /// Looks for messages, and tells what was found: in an order, or in that of the mailbox. ESEARCH has the name of the
    /// mailbox told.
    pub(super) async fn find(
        &mut self,
        ticket: Ticket,
        mut search: Search,
        mut order: Option<SortOptions>,
        mailbox: Option<SearchedMailbox>,
    ) -> Result<Reply, Stop> {
        let dialect = match mailbox {
            // RFC 7377 section 2: numbers beyond the last message are no error.
            Some(_) => Dialect::Lenient,
            None => self.driver.connection().dialect(),
        };
        let by_uid = search.uid;
        let extended = mailbox.is_some() || (self.rev2() && order.is_none());
        let returns = returns(search.returns.take(), extended)?;
        let asks = |option: &SearchReturnOpt| returns.iter().flatten().any(|asked| asked == option);
        let (saves, updates) = (asks(&SearchReturnOpt::Save), asks(&SearchReturnOpt::Update));
        let tag = self.driver.connection().tag(ticket).cloned();
        let (_, open) = self.opened()?;
        if updates && tag.as_ref().is_some_and(|tag| open.contexts.has(tag)) {
            return Err(Stop::Bad("The tag belongs to a search that is kept up to date"));
        }
        let about_changes = search.keys.iter().any(SearchKey::uses_mod_seq);
        let pages = returns.iter().flatten().any(|option| matches!(option, SearchReturnOpt::Partial(_)));
        let relevant = asks(&SearchReturnOpt::Relevancy) || order.as_ref().is_some_and(by_relevancy);
        let found = self.found(search, order.as_mut(), pages, relevant, dialect).await;
        let (session, open) = self.opened()?;
        if saves && found.as_ref().is_err_and(|stop| matches!(stop, Stop::No(_))) {
            // RFC 5182 section 2.1: what is refused leaves nothing saved.
            open.view.save([]);
        }
        let (options, found, scores) = found?;
        let found = Found::new(&open.view, by_uid, found, scores);
        let mod_seq = match about_changes {
            true => session.mod_seq_of(&found.saved(returns.as_deref().unwrap_or_default())).await?,
            false => None,
        };
        let Some(returns) = returns else {
            let mut data =
                response::SearchData::new(found.numbers.into_iter().map(NonZeroU32::get).collect());
            data.mod_seq = mod_seq;
            let data = if order.is_some() { Untagged::Sort(data) } else { Untagged::Search(data) };
            push(&mut self.driver, data).await?;
            return Ok(done());
        };
        if saves {
            open.view.save(sets::ranges(found.saved(&returns)));
        }
        let is_told = mailbox.is_none() || !found.is_empty();
        if is_told && returns.iter().any(|option| *option != SearchReturnOpt::Save) {
            let tag = tag.as_ref().and_then(|tag| ImapString::new(tag.as_text().clone()).ok());
            let mut results = found.results(&returns);
            // RFC 4731 section 3.2: of those that are told.
            results.extend(mod_seq.map(SearchReturnData::ModSeq));
            let mut data = ESearchData::new(by_uid, results).with_tag(tag);
            data.mailbox = mailbox.clone().map(Box::new);
            push(&mut self.driver, Untagged::ESearch(data)).await?;
        }
        if let Some(tag) = tag.filter(|_| updates) {
            self.keep_up_to_date(Context::new(tag, by_uid, options, order, found.uids).in_mailbox(mailbox))
                .await?;
        }
        Ok(done())
    }

    /// The messages that a search finds, in the order of the result; and how relevant they are, in ascending order, if that
    /// is asked for.
    async fn found(
        &mut self,
        search: Search,
        order: Option<&mut SortOptions>,
        pages: bool,
        relevant: bool,
        dialect: Dialect,
    ) -> Result<(SearchOptions, Vec<Uid>, Vec<(Uid, u8)>), Stop> {
        let (options, found) = self.look_for(search, order.is_none().then_some(pages), dialect).await?;
        let mut budget = self.budget();
        let (session, open) = self.opened()?;
        let known: Vec<Uid> = open.view.numbers(found).map(|(uid, _)| uid).collect();
        let scores = match relevant {
            true => session.relevancy(&known, &options, &mut budget).await?,
            false => Vec::new(),
        };
        let Some(order) = order else { return Ok((options, known, scores)) };
        if by_relevancy(order) {
            order.relevancy.clone_from(&scores);
        }
        let sorted = session.sort(&known, order, &mut budget).await?;
        Ok((options, sorted, scores))
    }

    /// The messages that all keys of a search are true of, ascending; and the search as the session was asked.
    ///
    /// `limited`: a part of the messages will do, unless it is for a page of the result (RFC 9738). Not so where they
    /// are to be brought into an order.
    async fn look_for(
        &mut self,
        search: Search,
        limited: Option<bool>,
        dialect: Dialect,
    ) -> Result<(SearchOptions, Vec<Uid>), Stop> {
        check_charset(search.charset.as_deref())?;
        let keys = self.with_filters(search.keys).await?;
        let mut budget = self.budget();
        let (_, open) = self.opened()?;
        if open.changes.given.is_none() && keys.iter().any(SearchKey::uses_mod_seq) {
            return Err(NOT_COUNTED);
        }
        if open.view.numbering() == Numbering::UidOnly && keys.iter().any(SearchKey::uses_sequence_numbers) {
            let refusal =
                Refusal::new("A filter has message numbers, which are not used once UIDONLY is enabled");
            return Err(refusal.with_code(Code::UidRequired).into());
        }
        let mut keys = sets::translate(&open.view, keys, dialect)?;
        if let Some(pages) = limited {
            self.cut_search(&mut keys, pages)?;
        }
        let (_, open) = self.opened()?;
        let options = SearchOptions::new(keys).with_messages(open.view.len().into());
        let Self { driver, session: Some(session), tag, .. } = self else {
            return Ok((options, Vec::new()));
        };
        let search = session.search(&options, &mut budget);
        let mut found = telling(driver, tag.as_ref(), &options.progress, search).await??;
        found.sort_unstable();
        found.dedup();
        Ok((options, found))
    }
}

/// What is to be told of the result. `None`: it is told as IMAP4rev1 does.
pub(super) fn returns(
    asked: Option<Vec<SearchReturnOpt>>,
    rev2: bool,
) -> Result<Option<Vec<SearchReturnOpt>>, Stop> {
    Ok(match asked {
        None if !rev2 => None,
        Some(returns) if returns.iter().any(|option| matches!(option, SearchReturnOpt::Other(_))) => {
            return Err(Stop::Bad("Unknown result option"));
        }
        Some(returns) if !returns.is_empty() => Some(returns),
        _ => Some(vec![SearchReturnOpt::All]),
    })
}

pub(super) fn check_charset(charset: Option<&AString>) -> Result<(), Refusal> {
    let known = ["US-ASCII", "UTF-8"];
    match charset {
        Some(charset) if !known.iter().any(|known| charset.eq_ignore_ascii_case(known)) => {
            let known = known.iter().filter_map(|name| ImapString::new(*name).ok());
            let refusal = Refusal::new("This character set is not known");
            Err(refusal.with_code(Code::BadCharset(known.collect())))
        }
        _ => Ok(()),
    }
}

/// Whether an order goes by how well messages fit.
pub(super) fn by_relevancy(order: &SortOptions) -> bool {
    order.criteria.iter().any(|criterion| criterion.key == SortKey::Relevancy)
}

/// What was found, in the order of the result.
pub(super) struct Found {
    uids: Vec<Uid>,
    /// How relevant they are, in ascending order.
    scores: Vec<(Uid, u8)>,
    /// As the client names them.
    numbers: Vec<NonZeroU32>,
}

impl Found {
    /// Messages that the client does not know are left out.
    pub(super) fn new(view: &View, by_uid: bool, found: Vec<Uid>, scores: Vec<(Uid, u8)>) -> Self {
        let known = found.into_iter().filter_map(|uid| Some((uid, view.number(uid)?)));
        let (uids, numbers) = known
            .map(|(uid, number)| (uid, if by_uid { NonZeroU32::from(uid) } else { number.into() }))
            .unzip();
        Self { uids, scores, numbers }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.uids.is_empty()
    }

    /// How relevant the messages are that are told, in the order of the result.
    fn relevancy(&self, returns: &[SearchReturnOpt]) -> Vec<u8> {
        let page = returns.iter().find_map(|option| match option {
            SearchReturnOpt::Partial(range) => Some(range.places(self.uids.len())),
            _ => None,
        });
        let told = self.uids.get(page.unwrap_or(0..self.uids.len())).unwrap_or_default();
        let score = |uid: &Uid| {
            let place = self.scores.binary_search_by_key(uid, |score| score.0).ok();
            place.and_then(|place| self.scores.get(place)).map_or(1, |score| score.1)
        };
        told.iter().map(score).collect()
    }

    /// What the client asked for.
    pub(super) fn results(&self, returns: &[SearchReturnOpt]) -> Vec<SearchReturnData> {
        let set = |numbers: &[NonZeroU32]| KnownNumbers::from_numbers(numbers.iter().copied()).ok();
        let result = |option: &SearchReturnOpt| match option {
            SearchReturnOpt::Min => self.numbers.first().map(|first| SearchReturnData::Min(first.get())),
            SearchReturnOpt::Max => self.numbers.last().map(|last| SearchReturnData::Max(last.get())),
            SearchReturnOpt::All => set(&self.numbers).map(SearchReturnData::All),
            SearchReturnOpt::Count => {
                Some(SearchReturnData::Count(u32::try_from(self.numbers.len()).unwrap_or(u32::MAX)))
            }
            SearchReturnOpt::Partial(range) => {
                let numbers = self.numbers.get(range.places(self.numbers.len()));
                Some(SearchReturnData::Partial { range: *range, found: numbers.and_then(set) })
            }
            SearchReturnOpt::Relevancy => Some(SearchReturnData::Relevancy(self.relevancy(returns))),
            _ => None,
        };
        let mut once: Vec<&SearchReturnOpt> = Vec::with_capacity(returns.len());
        for option in returns {
            if !once.contains(&option) {
                once.push(option);
            }
        }
        once.into_iter().filter_map(result).collect()
    }

    /// What SAVE keeps: all, unless only some was asked for (RFC 5182 section 2.4, RFC 9394 section 3.2).
    pub(super) fn saved(&self, returns: &[SearchReturnOpt]) -> Vec<Uid> {
        let asked = |option: &SearchReturnOpt| returns.contains(option);
        let mut kept = Vec::new();
        for option in returns {
            match option {
                SearchReturnOpt::Min => kept.extend(self.uids.first()),
                SearchReturnOpt::Max => kept.extend(self.uids.last()),
                SearchReturnOpt::Partial(range) => {
                    kept.extend(self.uids.get(range.places(self.uids.len())).unwrap_or_default());
                }
                _ => {}
            }
        }
        let only_some = asked(&SearchReturnOpt::Min)
            || asked(&SearchReturnOpt::Max)
            || returns.iter().any(|option| matches!(option, SearchReturnOpt::Partial(_)));
        if asked(&SearchReturnOpt::All) || asked(&SearchReturnOpt::Count) || !only_some {
            return self.uids.clone();
        }
        kept
    }
}
