//! Commands about messages.

use std::num::NonZeroU32;

use mailwire_core::Ticket;
use mailwire_imap::{
    command::{Copy, Fetch, FetchAtt, FetchAtts, Search, SearchReturnOpt, Store, StoreAction},
    response::{self, Code, CopyUid, ESearchData, Reply, SearchReturnData, Untagged},
    types::{Flag, FlagSet, ImapString, KnownNumbers, KnownUids, Uid, UidSet},
};

use super::{
    conversation::{Conversation, Stop, done},
    fetch_writer::FetchWriter,
    open::Open,
    options::{CopyOptions, FetchOptions, SearchOptions, StoreOptions},
    refusal::{Refusal, status},
    sending::push,
    service::{Copied, Service, Session, Stored},
    sets,
};
use crate::Budget;

/// So many messages are asked of an application at once.
const BATCH: usize = 256;
/// What it costs to look at a message or to change its flags, in bytes: a batch is a turn's work.
const HANDLED: u64 = Budget::TURN / BATCH as u64;

impl<S: Service> Conversation<S> {
    /// The session and the open mailbox, which commands in this state have.
    fn opened(&mut self) -> Result<(&mut S::Session, &mut Open), Stop> {
        match (&mut self.session, &mut self.open) {
            (Some(session), Some(open)) => Ok((session, open)),
            _ => Err(Stop::Bad("No mailbox is selected")),
        }
    }

    fn writable(&mut self) -> Result<(), Stop> {
        let (_, open) = self.opened()?;
        if open.read_only {
            return Err(Refusal::new("The mailbox is open for reading only").with_code(Code::NoPerm).into());
        }
        Ok(())
    }

    /// FETCH: RFC 9051 section 6.4.5.
    pub(super) async fn fetch(&mut self, fetch: Fetch) -> Result<Reply, Stop> {
        let mut asked = items(fetch.items)?;
        let dialect = self.driver.connection().dialect();
        let (_, open) = self.opened()?;
        let uids = sets::resolve(&open.view, &fetch.messages, dialect)?;
        let by_uid = fetch.messages.is_uid();
        let with_uid = by_uid || asked.contains(&FetchAtt::Uid);
        asked.retain(|item| *item != FetchAtt::Uid);
        let marks = !open.read_only && asked.iter().any(sets_seen);
        let (options, mark) =
            (FetchOptions::new(asked), StoreOptions::new(StoreAction::Add, FlagSet::from([Flag::Seen])));
        let (mut budget, mut given) = (self.budget(), 0);
        let mut turns = Budget::unlimited();
        for batch in uids.chunks(BATCH) {
            // A store in memory waits for nothing, and a client can read fast; this one has no limit.
            let _ = turns.spend(batch.len() as u64 * HANDLED).await;
            let (Some(session), Some(open)) = (&mut self.session, &mut self.open) else { break };
            let mut seen = if marks { session.store(batch, &mark).await? } else { Vec::new() };
            seen.retain(|stored| stored.changed);
            seen.sort_unstable_by_key(|stored| stored.uid);
            let limit = self.limits.response.max(self.limits.message);
            let mut writer = FetchWriter::new(&mut self.driver, open, &seen, with_uid, limit, budget);
            let result = if options.items.is_empty() {
                writer.bare(batch).await
            } else {
                session.fetch(batch, &options, &mut writer).await
            };
            given += writer.given();
            budget = writer.end()?;
            result?;
        }
        // RFC 5530: the client can wait for the EXPUNGE.
        let gone = given < uids.len() && !by_uid;
        Ok(if gone { done().with_code(Code::ExpungeIssued) } else { done() })
    }

    /// STORE: RFC 9051 section 6.4.6.
    pub(super) async fn store(&mut self, store: Store) -> Result<Reply, Stop> {
        self.writable()?;
        let rev2 = self.rev2();
        let dialect = self.driver.connection().dialect();
        let (_, open) = self.opened()?;
        let uids = sets::resolve(&open.view, &store.messages, dialect)?;
        if uids.is_empty() {
            return Ok(done());
        }
        let options = StoreOptions::new(store.action, store.flags);
        let by_uid = store.messages.is_uid();
        let (mut known, mut turns) = (0, Budget::unlimited());
        // The flags of all messages at once can be many times what is stored.
        for batch in uids.chunks(BATCH) {
            // A store in memory waits for nothing; this one has no limit.
            let _ = turns.spend(batch.len() as u64 * HANDLED).await;
            let (session, _) = self.opened()?;
            let stored = session.store(batch, &options).await?;
            known += stored.len();
            for Stored { uid, flags, .. } in stored {
                let Some(open) = &mut self.open else { break };
                open.announce(&mut self.driver, &flags).await?;
                if store.silent {
                    continue;
                }
                if let Some(data) = open.flags(uid, flags, by_uid || rev2, rev2) {
                    push(&mut self.driver, data).await?;
                }
            }
        }
        let missing = known < uids.len() && !by_uid;
        Ok(if missing { done().with_code(Code::ExpungeIssued) } else { done() })
    }

    /// SEARCH: RFC 9051 section 6.4.4.
    pub(super) async fn search(&mut self, ticket: Ticket, search: Search) -> Result<Reply, Stop> {
        if let Some(charset) = &search.charset {
            if !["US-ASCII", "UTF-8"].iter().any(|known| charset.eq_ignore_ascii_case(known)) {
                let known = ["US-ASCII", "UTF-8"].iter().filter_map(|name| ImapString::new(*name).ok());
                let refusal = Refusal::new("This character set is not known");
                return Err(refusal.with_code(Code::BadCharset(known.collect())).into());
            }
        }
        let rev2 = self.rev2();
        let tag = self.driver.connection().tag(ticket).map(|tag| tag.as_text().clone());
        let saves = search.returns.as_ref().is_some_and(|returns| returns.contains(&SearchReturnOpt::Save));
        let mut budget = self.budget();
        let dialect = self.driver.connection().dialect();
        let (session, open) = self.opened()?;
        let keys = sets::translate(&open.view, search.keys, dialect)?;
        let options = SearchOptions::new(keys).with_messages(open.view.len().into());
        let found = session.search(&options, &mut budget).await;
        if saves && found.is_err() {
            // RFC 9051 section 6.4.4.1: a search that fails leaves nothing saved.
            open.view.save([]);
        }
        let mut found = found?;
        found.sort_unstable();
        found.dedup();
        let known = open.view.numbers(found);
        let known = known.map(|(uid, number)| (uid, if search.uid { uid.get() } else { number.get() }));
        let (found, numbers): (Vec<Uid>, Vec<u32>) = known.unzip();
        let returns = match search.returns {
            None if !rev2 => {
                let data = response::SearchData::new(numbers);
                push(&mut self.driver, Untagged::Search(data)).await?;
                return Ok(done());
            }
            Some(returns) if !returns.is_empty() => returns,
            _ => vec![SearchReturnOpt::All],
        };
        if returns.iter().any(|option| matches!(option, SearchReturnOpt::Other(_))) {
            return Err(Stop::Bad("Unknown result option"));
        }
        if saves {
            open.view.save(sets::ranges(saved(&returns, &found)));
        }
        let asked = |option: &SearchReturnOpt| returns.contains(option);
        let mut items = Vec::new();
        if let (true, Some(&least)) = (asked(&SearchReturnOpt::Min), numbers.first()) {
            items.push(SearchReturnData::Min(least));
        }
        if let (true, Some(&most)) = (asked(&SearchReturnOpt::Max), numbers.last()) {
            items.push(SearchReturnData::Max(most));
        }
        let all = numbers.iter().copied().filter_map(NonZeroU32::new);
        if let (true, Ok(set)) = (asked(&SearchReturnOpt::All), KnownNumbers::from_numbers(all)) {
            items.push(SearchReturnData::All(set));
        }
        if asked(&SearchReturnOpt::Count) {
            items.push(SearchReturnData::Count(u32::try_from(numbers.len()).unwrap_or(u32::MAX)));
        }
        if returns.iter().any(|option| *option != SearchReturnOpt::Save) {
            let tag = tag.and_then(|tag| ImapString::new(tag).ok());
            let data = ESearchData::new(search.uid, items).with_tag(tag);
            push(&mut self.driver, Untagged::ESearch(data)).await?;
        }
        Ok(done())
    }

    /// COPY: RFC 9051 section 6.4.7.
    pub(super) async fn copy_to(&mut self, copy: Copy) -> Result<Reply, Stop> {
        let target = self.name(&copy.mailbox)?;
        let dialect = self.driver.connection().dialect();
        let (session, open) = self.opened()?;
        let uids = sets::resolve(&open.view, &copy.messages, dialect)?;
        if uids.is_empty() {
            return Ok(done());
        }
        let copied = session.copy_to(&uids, &target, &CopyOptions::new()).await?;
        let mut reply = done();
        reply.code = copied.and_then(|copied| copy_uid(&copied));
        Ok(reply)
    }

    /// MOVE: RFC 9051 section 6.4.8.
    pub(super) async fn move_to(&mut self, copy: Copy) -> Result<Reply, Stop> {
        self.writable()?;
        let target = self.name(&copy.mailbox)?;
        let dialect = self.driver.connection().dialect();
        let (session, open) = self.opened()?;
        let uids = sets::resolve(&open.view, &copy.messages, dialect)?;
        if uids.is_empty() {
            return Ok(done());
        }
        let moved = session.move_to(&uids, &target, &CopyOptions::new()).await?;
        if let Some(code) = copy_uid(&moved) {
            // RFC 9051 section 6.4.8: before the EXPUNGE responses.
            let told = status(mailwire_imap::response::ReplyKind::Ok, "Moved").with_code(code);
            push(&mut self.driver, Untagged::Reply(told)).await?;
        }
        let gone: Vec<Uid> = moved.uids.iter().map(|(uid, _)| *uid).collect();
        if let Some(open) = &mut self.open {
            open.expunge(&mut self.driver, gone).await?;
        }
        Ok(done())
    }

    /// EXPUNGE and UID EXPUNGE: RFC 9051 sections 6.4.3 and 6.4.9.
    pub(super) async fn expunge(&mut self, set: Option<&UidSet>) -> Result<Reply, Stop> {
        self.writable()?;
        let (session, open) = self.opened()?;
        let uids = match set {
            Some(set) => Some(sets::resolve_uids(&open.view, set)),
            None => None,
        };
        let gone = session.expunge(uids.as_deref()).await?;
        if let Some(open) = &mut self.open {
            open.expunge(&mut self.driver, gone).await?;
        }
        Ok(done())
    }
}

/// What is asked for, with the macros of RFC 9051 section 6.4.5 spelt out.
fn items(items: FetchAtts) -> Result<Vec<FetchAtt>, Stop> {
    let fast = [FetchAtt::Flags, FetchAtt::InternalDate, FetchAtt::Rfc822Size];
    let asked = match items {
        FetchAtts::Fast => fast.to_vec(),
        FetchAtts::All => [&fast[..], &[FetchAtt::Envelope]].concat(),
        FetchAtts::Full => [&fast[..], &[FetchAtt::Envelope, FetchAtt::Body]].concat(),
        FetchAtts::List(items) => items,
    };
    if asked.iter().any(|item| matches!(item, FetchAtt::Other(_))) {
        return Err(Stop::Bad("Unknown FETCH item"));
    }
    let mut once = Vec::with_capacity(asked.len());
    for item in asked {
        if !once.contains(&item) {
            once.push(item);
        }
        if once.len() > MAX_ITEMS {
            return Err(Stop::Bad("Too many FETCH items"));
        }
    }
    Ok(once)
}

/// More different items of a message are not given at once.
const MAX_ITEMS: usize = 200;

fn sets_seen(item: &FetchAtt) -> bool {
    matches!(
        item,
        FetchAtt::BodySection { peek: false, .. }
            | FetchAtt::Binary { peek: false, .. }
            | FetchAtt::Rfc822
            | FetchAtt::Rfc822Text
    )
}

/// What SAVE keeps: only the ends, if only those were asked for (RFC 5182 section 2.4).
fn saved(returns: &[SearchReturnOpt], found: &[Uid]) -> Vec<Uid> {
    let asked = |option: &SearchReturnOpt| returns.contains(option);
    let (min, max) = (asked(&SearchReturnOpt::Min), asked(&SearchReturnOpt::Max));
    if asked(&SearchReturnOpt::All) || asked(&SearchReturnOpt::Count) || !(min || max) {
        return found.to_vec();
    }
    let least = found.first().filter(|_| min);
    let most = found.last().filter(|_| max);
    let mut kept: Vec<Uid> = least.into_iter().chain(most).copied().collect();
    kept.dedup();
    kept
}

fn copy_uid(copied: &Copied) -> Option<Code> {
    let set = |of: fn(&(Uid, Uid)) -> Uid| KnownUids::from_numbers(copied.uids.iter().map(of)).ok();
    let copied = CopyUid::new(copied.uid_validity, set(|pair| pair.0)?, set(|pair| pair.1)?);
    Some(Code::CopyUid(Box::new(copied)))
}
