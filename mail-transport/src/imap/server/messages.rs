//! Commands about messages.

use mailwire_core::Ticket;
use mailwire_imap::{
    command::{Copy, Fetch, FetchAtt, FetchAtts, Messages, SearchKey, Since, Store, StoreAction},
    extensions::{
        gmail::GmailStore,
        uid_batches::{UidBatchesCommand, UidBatchesData},
    },
    response::{Code, CopyUid, Reply, Untagged},
    types::{Flag, FlagSet, ImapString, KnownNumbers, KnownUids, ModSeq, Uid, UidSet},
};

use super::{
    answers::{Copied, Labelled, Stored},
    conversation::{Conversation, Stop, done},
    fetch_writer::FetchWriter,
    limiting::{self, Parted},
    open::{Open, Shape},
    options::{ChangesOptions, CopyOptions, FetchOptions, LabelOptions, SearchOptions, StoreOptions},
    progress::telling,
    refusal::{Refusal, status},
    sending::{ServerDriver, push},
    service::{Service, Session},
    sets,
};
use crate::Budget;

/// RFC 7162 section 3.1.2.2.
pub(super) const NOT_COUNTED: Stop = Stop::Bad("There are no modification sequences in this mailbox");

/// So many messages are asked of an application at once.
const BATCH: usize = 256;
/// What it costs to look at a message or to change its flags, in bytes: a batch is a turn's work.
const HANDLED: u64 = Budget::TURN / BATCH as u64;

/// How far a STORE has come.
struct Storing {
    by_uid: bool,
    silent: bool,
    shape: Shape,
    /// How many of its messages are still there.
    known: usize,
    /// Those that were left alone, as others had changed them.
    modified: Vec<Uid>,
    turns: Budget,
}

impl Storing {
    fn new(driver: &ServerDriver, by_uid: bool, silent: bool) -> Self {
        let mut shape = Shape::unasked(driver);
        shape.with_uid = by_uid || shape.rev2 || shape.with_mod_seq;
        Self { by_uid, silent, shape, known: 0, modified: Vec::new(), turns: Budget::unlimited() }
    }

    /// Lets others have their turn: a store in memory waits for nothing.
    async fn take_turn(&mut self, batch: &[Uid]) {
        // This one has no limit.
        let _ = self.turns.spend(batch.len() as u64 * HANDLED).await;
    }

    /// What is told of a message that is there, if anything: its new value, or only that it has changed.
    fn told<T>(&mut self, uid: Uid, refused: bool, value: T) -> Option<Option<T>> {
        self.known += 1;
        if refused {
            self.modified.push(uid);
        }
        // What others have made of it, the client does not know.
        let value = (!self.silent || refused).then_some(value);
        (value.is_some() || self.shape.with_mod_seq).then_some(value)
    }
}

impl<S: Service> Conversation<S> {
    /// The session and the open mailbox, which commands in this state have.
    pub(super) fn opened(&mut self) -> Result<(&mut S::Session, &mut Open), Stop> {
        match (&mut self.session, &mut self.open) {
            (Some(session), Some(open)) => Ok((session, open)),
            _ => Err(Stop::Bad("No mailbox is selected")),
        }
    }

    pub(super) fn writable(&mut self) -> Result<(), Stop> {
        let (_, open) = self.opened()?;
        if open.read_only {
            return Err(Refusal::new("The mailbox is open for reading only").with_code(Code::NoPerm).into());
        }
        Ok(())
    }

    /// FETCH: RFC 9051 section 6.4.5.
    pub(super) async fn fetch(&mut self, fetch: Fetch) -> Result<Reply, Stop> {
        let mut asked = items(fetch.items)?;
        let (limit, dialect) = (self.message_limit(), self.driver.connection().dialect());
        let (_, open) = self.opened()?;
        if (fetch.since.is_some() || asked.contains(&FetchAtt::ModSeq)) && open.changes.given.is_none() {
            return Err(NOT_COUNTED);
        }
        let mut uids = sets::resolve(&open.view, &fetch.messages, dialect)?;
        let by_uid = fetch.messages.is_uid();
        if let Some(partial) = fetch.partial {
            let places = partial.places(uids.len());
            uids.truncate(places.end);
            uids.drain(..places.start);
            limiting::check(uids.len(), limit)?;
        }
        if let Some(since) = fetch.since {
            // RFC 9394 section 3.4: of those, the ones that were changed.
            let chosen = sets::ranges(uids);
            let ranges = match &fetch.messages {
                // `*` is the last message that there was.
                Messages::Uid(set) if !set.is_saved() => {
                    open.changes.last.map(|last| set.normalized(last)).unwrap_or_default()
                }
                _ => chosen.clone(),
            };
            let changed = self.tell_vanished(since, &ranges, None).await?;
            let (_, open) = self.opened()?;
            uids = sets::known_of(&open.view, changed, &chosen);
            if !asked.contains(&FetchAtt::ModSeq) {
                asked.push(FetchAtt::ModSeq);
            }
        }
        self.cut(&mut uids);
        let (asked_for, given) = (uids.len(), self.give(uids, asked, by_uid).await?);
        // RFC 5530: the client can wait for the EXPUNGE.
        let gone = given < asked_for && !by_uid;
        Ok(if gone { done().with_code(Code::ExpungeIssued) } else { done() })
    }

    /// Tells of those of `asked` that are gone, unless they are in `there`, if `since` asks for that: RFC 7162
    /// section 3.2.6. Gives those that the client knows, and that were changed.
    pub(super) async fn tell_vanished(
        &mut self,
        since: Since,
        asked: &[(Uid, Uid)],
        there: Option<(Uid, Uid)>,
    ) -> Result<Vec<Uid>, Stop> {
        let (mod_seq, vanished) = match since {
            Since::ChangedOrVanished(mod_seq) => (mod_seq, true),
            Since::Changed(mod_seq) => (mod_seq, false),
            _ => return Err(Stop::Bad("Unknown FETCH modifier")),
        };
        let (session, open) = self.opened()?;
        let options = ChangesOptions::new(mod_seq, asked).with_vanished(vanished);
        let changes = session.changes(&options).await?;
        let changed = sets::known_of(&open.view, changes.changed, asked);
        if vanished {
            let above = there.and_then(|(_, last)| Uid::new(last.get().checked_add(1)?));
            let left = [(if there.is_some() { above.unwrap_or(Uid::MAX) } else { Uid::MIN }, Uid::MAX)];
            let gone = sets::common(&sets::common(&changes.vanished, asked), &left);
            // What the client still counts, it is told of otherwise.
            let gone = open.view.absent(gone);
            for data in sets::vanished(true, &gone) {
                push(&mut self.driver, data).await?;
            }
        }
        Ok(changed)
    }

    /// Gives these items of messages. How many there were.
    pub(super) async fn give(
        &mut self,
        uids: Vec<Uid>,
        mut asked: Vec<FetchAtt>,
        by_uid: bool,
    ) -> Result<usize, Stop> {
        let (_, open) = self.opened()?;
        let with_uid = by_uid || asked.contains(&FetchAtt::Uid);
        asked.retain(|item| *item != FetchAtt::Uid);
        let marks = !open.read_only && asked.iter().any(sets_seen);
        let shape = Shape { with_uid, ..Shape::unasked(&self.driver) };
        let (options, mark) =
            (FetchOptions::new(asked), StoreOptions::new(StoreAction::Add, FlagSet::from([Flag::Seen])));
        let (mut budget, mut given) = (self.budget(), 0);
        let mut turns = Budget::unlimited();
        for batch in uids.chunks(BATCH) {
            // A store in memory waits for nothing, and a client can read fast; this one has no limit.
            let _ = turns.spend(batch.len() as u64 * HANDLED).await;
            let (Some(session), Some(open)) = (&mut self.session, &mut self.open) else { break };
            let marked = if marks { session.store(batch, &mark).await } else { Ok(Vec::new()) };
            let mut seen = match marked {
                // RFC 4314 section 4: what may not be marked is given nevertheless.
                Err(refusal) if refusal.code == Some(Code::NoPerm) => Vec::new(),
                marked => marked?,
            };
            seen.retain(|stored| stored.changed);
            open.contexts.touch(seen.iter().map(|stored| stored.uid));
            seen.sort_unstable_by_key(|stored| stored.uid);
            let limit = self.limits.response.max(self.limits.message);
            let mut writer = FetchWriter::new(&mut self.driver, open, &seen, shape, limit, budget);
            let result = if options.items.is_empty() {
                writer.bare(batch).await
            } else {
                session.fetch(batch, &options, &mut writer).await
            };
            given += writer.given();
            budget = writer.end()?;
            result?;
        }
        Ok(given)
    }

    /// The messages that a STORE changes. A part of them, if they are more than are changed at once.
    fn changing(&mut self, messages: &Messages, since: Option<ModSeq>) -> Result<Vec<Uid>, Stop> {
        self.writable()?;
        let dialect = self.driver.connection().dialect();
        let (_, open) = self.opened()?;
        if since.is_some() && open.changes.given.is_none() {
            return Err(NOT_COUNTED);
        }
        let mut uids = sets::resolve(&open.view, messages, dialect)?;
        self.cut(&mut uids);
        Ok(uids)
    }

    /// The end of a STORE that was about so many messages.
    fn stored(&mut self, storing: Storing, count: usize) -> Result<Reply, Stop> {
        let Storing { by_uid, known, mut modified, .. } = storing;
        if !modified.is_empty() {
            let (_, open) = self.opened()?;
            modified.sort_unstable();
            let named = open.view.numbers(modified);
            let named = named.map(|(uid, number)| if by_uid { uid.into() } else { number.into() });
            if let Ok(set) = KnownNumbers::from_numbers(named) {
                return Ok(done().with_code(Code::Modified(set)));
            }
        }
        Ok(if known < count && !by_uid { done().with_code(Code::ExpungeIssued) } else { done() })
    }

    /// STORE: RFC 9051 section 6.4.6.
    pub(super) async fn store(&mut self, store: Store) -> Result<Reply, Stop> {
        let uids = self.changing(&store.messages, store.unchanged_since)?;
        let options =
            StoreOptions::new(store.action, store.flags).with_unchanged_since(store.unchanged_since);
        let mut storing = Storing::new(&self.driver, store.messages.is_uid(), store.silent);
        // The flags of all messages at once can be many times what is stored.
        for batch in uids.chunks(BATCH) {
            storing.take_turn(batch).await;
            let (session, _) = self.opened()?;
            for Stored { uid, flags, mod_seq, refused, .. } in session.store(batch, &options).await? {
                let Some(open) = &mut self.open else { break };
                open.contexts.touch([uid]);
                open.announce(&mut self.driver, &flags).await?;
                let Some(flags) = storing.told(uid, refused, flags) else { continue };
                if let Some(data) = open.flags(uid, flags, mod_seq, storing.shape) {
                    push(&mut self.driver, data).await?;
                }
            }
        }
        self.stored(storing, uids.len())
    }

    /// STORE of Gmail's labels.
    pub(super) async fn store_labels(&mut self, store: GmailStore) -> Result<Reply, Stop> {
        let uids = self.changing(&store.messages, store.unchanged_since)?;
        let options =
            LabelOptions::new(store.action, store.labels).with_unchanged_since(store.unchanged_since);
        let mut storing = Storing::new(&self.driver, store.messages.is_uid(), store.silent);
        for batch in uids.chunks(BATCH) {
            storing.take_turn(batch).await;
            let (session, _) = self.opened()?;
            for Labelled { uid, labels, mod_seq, refused } in session.store_labels(batch, &options).await? {
                let Some(open) = &mut self.open else { break };
                open.contexts.touch([uid]);
                let Some(labels) = storing.told(uid, refused, labels) else { continue };
                if let Some(data) = open.labels(uid, labels, mod_seq, storing.shape) {
                    push(&mut self.driver, data).await?;
                }
            }
        }
        self.stored(storing, uids.len())
    }

    /// COPY: RFC 9051 section 6.4.7.
    pub(super) async fn copy_to(&mut self, copy: Copy) -> Result<Reply, Stop> {
        let target = self.name(&copy.mailbox)?;
        let dialect = self.driver.connection().dialect();
        let (_, open) = self.opened()?;
        let uids = sets::resolve(&open.view, &copy.messages, dialect)?;
        limiting::check(uids.len(), self.save_limit())?;
        if uids.is_empty() {
            return Ok(done());
        }
        let options = CopyOptions::new();
        let Self { driver, session: Some(session), tag, .. } = self else { return Ok(done()) };
        let copy = session.copy_to(&uids, &target, &options);
        let copied = telling(driver, tag.as_ref(), &options.progress, copy).await??;
        let mut reply = done();
        if let Some(copied) = copied {
            reply.code = copy_uid(&copied);
            self.put(&target, copied.uids.into_iter().map(|(_, copy)| copy));
        }
        Ok(reply)
    }

    /// MOVE: RFC 9051 section 6.4.8.
    pub(super) async fn move_to(&mut self, copy: Copy) -> Result<Reply, Stop> {
        self.writable()?;
        let target = self.name(&copy.mailbox)?;
        let dialect = self.driver.connection().dialect();
        let (_, open) = self.opened()?;
        let mut uids = sets::resolve(&open.view, &copy.messages, dialect)?;
        self.cut(&mut uids);
        if uids.is_empty() {
            return Ok(done());
        }
        let options = CopyOptions::new();
        let Self { driver, session: Some(session), tag, .. } = self else { return Ok(done()) };
        let change = session.move_to(&uids, &target, &options);
        let moved = telling(driver, tag.as_ref(), &options.progress, change).await??;
        if let Some(code) = copy_uid(&moved) {
            // RFC 9051 section 6.4.8: before the EXPUNGE responses.
            let told = status(mailwire_imap::response::ReplyKind::Ok, "Moved").with_code(code);
            push(&mut self.driver, Untagged::Reply(told)).await?;
        }
        let gone: Vec<Uid> = moved.uids.iter().map(|(uid, _)| *uid).collect();
        self.put(&target, moved.uids.into_iter().map(|(_, copy)| copy));
        if let Some(open) = &mut self.open {
            open.expunge(&mut self.driver, gone).await?;
        }
        Ok(done())
    }

    /// EXPUNGE and UID EXPUNGE: RFC 9051 sections 6.4.3 and 6.4.9.
    pub(super) async fn expunge(&mut self, set: Option<&UidSet>) -> Result<Reply, Stop> {
        self.writable()?;
        let uids = match set {
            Some(set) => Some(self.expunge_set(set).await?),
            None => None,
        };
        let (session, _) = self.opened()?;
        let gone = session.expunge(uids.as_deref()).await?;
        if let Some(open) = &mut self.open {
            open.expunge(&mut self.driver, gone).await?;
        }
        Ok(done())
    }

    /// The messages that UID EXPUNGE is about. If they are many, those that are marked count, so that the
    /// command can be given again as it is.
    async fn expunge_set(&mut self, set: &UidSet) -> Result<Vec<Uid>, Stop> {
        let limit = self.message_limit();
        let mut budget = self.budget();
        let (session, open) = self.opened()?;
        let mut uids = sets::resolve_uids(&open.view, set);
        if limiting::check(uids.len(), limit).is_ok() {
            return Ok(uids);
        }
        if let Ok(named) = UidSet::from_numbers(uids) {
            let options = SearchOptions::new(vec![SearchKey::Uid(named), SearchKey::Deleted]);
            uids = session.search(&options.with_messages(open.view.len().into()), &mut budget).await?;
            uids.sort_unstable();
            self.cut(&mut uids);
            return Ok(uids);
        }
        Ok(Vec::new())
    }

    /// UIDBATCHES: RFC 10022.
    pub(super) async fn uid_batches(
        &mut self,
        ticket: Ticket,
        asked: &UidBatchesCommand,
    ) -> Result<Reply, Stop> {
        let tag = self.driver.connection().tag(ticket);
        let tag = tag.and_then(|tag| ImapString::new(tag.as_text().clone()).ok());
        let (_, open) = self.opened()?;
        let (first, count) = asked.places();
        let places = first..first.saturating_add(count);
        let Some(parted) = Parted::new(open.parted.as_ref(), &open.view, asked.size, places) else {
            return Err(Refusal::new("The batches are what they were").with_code(Code::Limit).into());
        };
        open.parted = Some(parted);
        let batches = limiting::batches(&open.view, asked.size).into_iter().skip(first).take(count).collect();
        push(&mut self.driver, UidBatchesData::new(batches).with_tag(tag).into()).await?;
        Ok(done())
    }
}

/// What is asked for, with the macros of RFC 9051 section 6.4.5 spelt out.
pub(super) fn items(items: FetchAtts) -> Result<Vec<FetchAtt>, Stop> {
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

fn copy_uid(copied: &Copied) -> Option<Code> {
    let set = |of: fn(&(Uid, Uid)) -> Uid| KnownUids::from_numbers(copied.uids.iter().map(of)).ok();
    let copied = CopyUid::new(copied.uid_validity, set(|pair| pair.0)?, set(|pair| pair.1)?);
    Some(Code::CopyUid(Box::new(copied)))
}
