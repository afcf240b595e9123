//! A server that does what servers do, in the order in which they may, and some of what they must not.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::num::NonZeroU32;

use bytes::Bytes;
use mailwire_core::{ParseError, Ticket};

use crate::{
    client::Event,
    command::{Command, Search, SearchKey, SearchReturnOpt, Since},
    extensions::{ExtensionCommand, condstore::QResync, uid_batches::UidBatchesData},
    response::{
        Code, ESearchData, FetchData, MsgAtt, Reply, ReplyKind, SearchData, SearchReturnData, Untagged,
        VanishedData,
    },
    types::{Flag, FlagSet, KnownNumbers, KnownUids, ModSeq, SeqNumber, SetNumber, Uid, UidSet, UidValidity},
};

/// Numbers from a seed.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..4 {
            random.next();
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    pub(super) fn below(&mut self, limit: u32) -> u32 {
        (self.next() % u64::from(limit.max(1))) as u32
    }

    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }
}

/// What a session of the server can do, and does wrong.
#[derive(Clone, Debug, Default)]
pub(super) struct Manners {
    pub(super) condstore: bool,
    pub(super) qresync: bool,
    pub(super) esearch: bool,
    pub(super) partial: bool,
    /// UIDBATCHES, of any size.
    pub(super) batches: bool,
    /// A command is about so many messages at most, the highest.
    pub(super) limit: Option<usize>,
    pub(super) no_mod_seq: bool,
    pub(super) zero_mod_seq: bool,
    pub(super) no_uid_next: bool,
    /// UIDNEXT and HIGHESTMODSEQ are taken after EXISTS.
    pub(super) skew: bool,
    /// Messages that are gone, but were not told to be, can still be fetched and searched.
    pub(super) ghosts: bool,
    /// It remembers what was expunged; else VANISHED names all that is not there.
    pub(super) memory: bool,
    /// VANISHED (EARLIER) names messages that are there.
    pub(super) lies: bool,
    /// VANISHED (EARLIER) leaves some out.
    pub(super) forgets: bool,
    /// With CONDSTORE alone, a FETCH that nobody asked for has no UID.
    pub(super) bare_fetch: bool,
    pub(super) garbles: bool,
    /// This message never parses.
    pub(super) unreadable: Option<u32>,
    /// MESSAGELIMIT names a message that the command was not about.
    pub(super) limit_beyond: bool,
    pub(super) refuses: bool,
}

#[derive(Default)]
pub(super) struct Session {
    manners: Manners,
    pub(super) told: Vec<u32>,
    pub(super) pending_flags: BTreeMap<u32, u64>,
    pending_gone: Vec<(u32, u64)>,
    pending_new: Vec<(u32, u64)>,
    highest_sent: u64,
    enabled: bool,
    /// What was there when the mailbox was parted.
    parted: Option<BTreeSet<u32>>,
}

/// A mailbox, and one session that looks at it.
pub(super) struct Server {
    pub(super) uid_validity: u32,
    next_uid: u32,
    pub(super) highest: u64,
    /// Flags and the last change of each.
    pub(super) messages: BTreeMap<u32, (u8, u64)>,
    gone: Vec<(u32, u64)>,
    pub(super) session: Session,
    pub(super) events: usize,
    /// Nothing happens any more.
    pub(super) quiet: bool,
    backup: Option<Backup>,
}

#[derive(Clone)]
struct Backup {
    messages: BTreeMap<u32, (u8, u64)>,
    gone: Vec<(u32, u64)>,
    highest: u64,
    next_uid: u32,
}

pub(super) fn uid(uid: u32) -> Uid {
    Uid::new(uid).unwrap()
}

pub(super) fn flags(bits: u8) -> FlagSet {
    let all = [Flag::Seen, Flag::Answered, Flag::Flagged, Flag::Draft];
    all.into_iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0).map(|(_, flag)| flag).collect()
}

pub(super) fn ok(code: Code) -> Untagged {
    Untagged::Reply(Reply::new(ReplyKind::Ok, "as it is").unwrap().with_code(code))
}

fn mod_seq(number: u64) -> Option<ModSeq> {
    ModSeq::new(number)
}

/// The bounds of a set with one range; `*` is the highest number of all.
fn bounds(set: &UidSet) -> (u32, u32) {
    let [range] = set.ranges() else { panic!("{set}") };
    let number = |number: SetNumber<Uid>| number.resolve(Uid::MAX).get();
    (number(range.start), number(range.end))
}

impl Server {
    pub(super) fn new() -> Self {
        Self {
            uid_validity: 1,
            next_uid: 1,
            highest: 1,
            messages: BTreeMap::new(),
            gone: Vec::new(),
            session: Session::default(),
            events: 0,
            quiet: false,
            backup: None,
        }
    }

    /// Something happens in the mailbox.
    pub(super) fn change(&mut self, random: &mut Random) {
        if self.quiet {
            return;
        }
        self.events += 1;
        self.highest += 1 + u64::from(random.below(2));
        let at = self.highest;
        let count = self.messages.len() as u32;
        let some = self.messages.keys().nth(random.below(count) as usize).copied();
        match (random.below(10), some) {
            (0..4, _) | (_, None) => {
                let new = self.next_uid + random.below(3);
                self.next_uid = new + 1;
                self.messages.insert(new, (random.below(4) as u8, at));
                self.session.pending_new.push((new, at));
            }
            (4..7, Some(old)) => {
                self.messages.insert(old, (random.below(16) as u8, at));
                self.session.pending_flags.insert(old, at);
            }
            (_, Some(old)) => {
                self.messages.remove(&old);
                self.gone.push((old, at));
                self.session.pending_flags.remove(&old);
                if self.session.told.contains(&old) {
                    self.session.pending_gone.push((old, at));
                } else {
                    self.session.pending_new.retain(|(new, _)| *new != old);
                }
            }
        }
    }

    /// The mailbox is another, by the same name.
    pub(super) fn reset(&mut self, random: &mut Random) {
        self.uid_validity += 1;
        self.backup = None;
        let count = self.messages.len();
        self.messages.clear();
        self.gone.clear();
        self.next_uid = 1;
        if random.chance(50) {
            self.highest = 1;
        }
        for _ in 0..count {
            self.highest += 1;
            self.messages.insert(self.next_uid, (1, self.highest));
            self.next_uid += 1 + random.below(2);
        }
    }

    pub(super) fn back_up(&mut self) {
        self.backup = Some(Backup {
            messages: self.messages.clone(),
            gone: self.gone.clone(),
            highest: self.highest,
            next_uid: self.next_uid,
        });
    }

    /// What was saved before the mailbox had seen this change.
    pub(super) fn has_backup_before(&self, seen: u64) -> bool {
        self.backup.as_ref().is_some_and(|backup| seen > backup.highest + 3)
    }

    /// The backup comes back: with the same UIDVALIDITY, an earlier truth.
    pub(super) fn go_back(&mut self, random: &mut Random) {
        if let Some(backup) = self.backup.take() {
            (self.messages, self.gone, self.highest) = (backup.messages, backup.gone, backup.highest);
            if random.chance(50) {
                self.next_uid = backup.next_uid;
            }
        }
    }

    pub(super) fn connect(&mut self, manners: Manners) {
        self.session = Session { manners, ..Session::default() };
    }

    fn has_mod_seqs(&self) -> bool {
        let manners = &self.session.manners;
        manners.condstore && !manners.no_mod_seq && !manners.zero_mod_seq
    }

    fn number(&self, message: u32) -> Option<u32> {
        self.session.told.iter().position(|told| *told == message).map(|at| at as u32 + 1)
    }

    fn fetch(&mut self, message: u32, asked: bool, out: &mut Vec<Event>, random: &mut Random) {
        let mod_seqs = self.has_mod_seqs();
        let Some(number) = self.number(message).and_then(SeqNumber::new) else { return };
        let session = &mut self.session;
        let data = |items: Vec<MsgAtt>| data(Untagged::Fetch(FetchData::new(number, items)));
        let Some((bits, at)) = self.messages.get(&message).copied() else {
            if session.manners.ghosts {
                out.push(data([MsgAtt::Uid(uid(message)), MsgAtt::Flags(flags(9))].into()));
            }
            return;
        };
        session.pending_flags.remove(&message);
        if mod_seqs {
            session.highest_sent = session.highest_sent.max(at);
        }
        let manners = &session.manners;
        let bare = !asked && !session.enabled && (manners.bare_fetch || !manners.condstore);
        if manners.unreadable == Some(message) || manners.garbles && random.chance(10) {
            let bytes = Bytes::from_static(b"* 1 FETCH (FLAGS (");
            out.push(Event::Malformed { ticket: None, bytes, error: ParseError::new(0, "garbled") });
            return;
        }
        let mut items = Vec::new();
        if !bare {
            items.push(MsgAtt::Uid(uid(message)));
        }
        items.push(MsgAtt::Flags(flags(bits)));
        if mod_seqs {
            items.push(MsgAtt::ModSeq(mod_seq(at)));
        }
        out.push(data(items));
    }

    /// Tells what happened, or some of it.
    fn tell(&mut self, all: bool, out: &mut Vec<Event>, random: &mut Random) {
        let vanish = self.session.enabled && self.has_mod_seqs();
        let mut order = [0, 1, 2];
        order.swap(0, random.below(3) as usize);
        order.swap(1, 1 + random.below(2) as usize);
        for what in order {
            if !all && random.chance(50) {
                continue;
            }
            match what {
                0 => {
                    let changed: Vec<u32> = self.session.pending_flags.keys().copied().collect();
                    for message in changed {
                        if all || random.chance(60) {
                            self.fetch(message, false, out, random);
                        }
                    }
                }
                1 => {
                    let gone = core::mem::take(&mut self.session.pending_gone);
                    let gone: Vec<u32> = gone.into_iter().map(|(message, _)| message).collect();
                    if vanish && !gone.is_empty() {
                        out.push(vanished(false, gone.iter().copied()));
                    }
                    for message in gone {
                        let number = self.number(message).unwrap();
                        self.session.told.remove(number as usize - 1);
                        if !vanish {
                            out.push(data(Untagged::Expunge(SeqNumber::new(number))));
                        }
                    }
                }
                _ => {
                    let new = core::mem::take(&mut self.session.pending_new);
                    if !new.is_empty() {
                        self.session.told.extend(new.into_iter().map(|(message, _)| message));
                        out.push(data(Untagged::Exists(self.session.told.len() as u32)));
                    }
                }
            }
        }
    }

    fn vanished_since(&self, low: u32, high: u32, since: u64, random: &mut Random) -> Vec<u32> {
        let manners = &self.session.manners;
        let mut set: BTreeSet<u32> = if manners.memory {
            self.gone.iter().filter(|(_, at)| *at > since).map(|(message, _)| *message).collect()
        } else {
            (1..self.next_uid).filter(|message| !self.messages.contains_key(message)).collect()
        };
        if manners.lies {
            set.extend(self.messages.iter().filter(|(_, (_, at))| *at <= since).map(|(message, _)| *message));
        }
        if manners.forgets {
            set.retain(|_| random.chance(50));
        }
        set.into_iter().filter(|message| (low..=high).contains(message)).collect()
    }

    /// All that comes for a command; the mailbox goes on changing meanwhile.
    pub(super) fn execute(&mut self, command: &Command, ticket: Ticket, random: &mut Random) -> Vec<Event> {
        let mut out = Vec::new();
        if let Command::Enable(_) = command {
            self.session.enabled = self.session.manners.qresync;
            let enabled = if self.session.enabled { [crate::Capability::QResync].into() } else { Vec::new() };
            out.push(data(Untagged::Enabled(enabled)));
            out.push(reply(ticket, ReplyKind::Ok, None));
            return out;
        }
        if random.chance(30) {
            self.change(random);
        }
        let known: BTreeSet<u32> = self.session.told.iter().copied().collect();
        if !matches!(command, Command::Select(_)) {
            self.session.highest_sent = 0;
            if self.session.manners.refuses && random.chance(10) {
                return [reply(ticket, ReplyKind::No, None)].into();
            }
            if random.chance(40) {
                self.tell(false, &mut out, random);
            }
        }
        let mut code = None;
        match command {
            Command::Select(select) => self.select(select.qresync.as_deref(), &mut out, random),
            Command::Fetch(fetch) => {
                let crate::command::Messages::Uid(set) = &fetch.messages else { panic!("{fetch:?}") };
                code = self.fetch_range(bounds(set), fetch.since, &mut out, random);
            }
            Command::Search(search) => code = self.search(search, &mut out),
            Command::Extension(ExtensionCommand::UidBatches(asked)) => {
                let told: BTreeSet<u32> = self.session.told.iter().copied().collect();
                let size = asked.size.get();
                // As the client knew it when it asked.
                let changed = |before: &BTreeSet<u32>| before.symmetric_difference(&known).count() as u32;
                assert!(
                    self.session.parted.as_ref().is_none_or(|before| changed(before) > size / 2),
                    "too soon"
                );
                let messages: Vec<u32> = told.iter().rev().copied().collect();
                let batches = messages.chunks(size as usize);
                let mut batches: Vec<(Uid, Uid)> =
                    batches.map(|batch| (uid(*batch.last().unwrap()), uid(batch[0]))).collect();
                if self.session.manners.lies {
                    batches.retain(|_| random.chance(50));
                }
                self.session.parted = Some(told);
                out.push(data(UidBatchesData::new(batches).into()));
            }
            Command::Noop => self.tell(true, &mut out, random),
            other => panic!("{other:?}"),
        }
        if !matches!(command, Command::Select(_)) {
            if random.chance(20) {
                self.tell(false, &mut out, random);
            }
            match (self.safe(random), &code) {
                (Some(safe), Some(_)) => out.push(data(ok(safe))),
                (safe, None) => code = safe,
                (None, Some(_)) => {}
            }
        }
        out.push(reply(ticket, ReplyKind::Ok, code));
        out
    }

    /// HIGHESTMODSEQ, as RFC 7162 section 3.2 has it at the end of a command.
    fn safe(&self, random: &mut Random) -> Option<Code> {
        let session = &self.session;
        let others = session.pending_gone.iter().chain(&session.pending_new).map(|(_, at)| at);
        let pending = session.pending_flags.values().chain(others).min();
        let safe = pending.map_or(self.highest, |at| at - 1);
        let due =
            session.enabled && self.has_mod_seqs() && (session.highest_sent > safe || random.chance(40));
        due.then(|| Code::HighestModSeq(mod_seq(safe)))
    }

    fn select(&mut self, qresync: Option<&QResync>, out: &mut Vec<Event>, random: &mut Random) {
        let manners = self.session.manners.clone();
        let told = self.messages.keys().copied().collect();
        self.session = Session { told, enabled: self.session.enabled, manners, ..Session::default() };
        let manners = self.session.manners.clone();
        out.push(data(Untagged::Exists(self.messages.len() as u32)));
        if manners.skew {
            for _ in 0..random.below(3) {
                self.change(random);
            }
        }
        let mut codes = [Code::UidValidity(UidValidity::new(self.uid_validity))].to_vec();
        if !manners.no_uid_next {
            codes.push(Code::UidNext(Uid::new(self.next_uid)));
        }
        if manners.condstore {
            codes.push(match manners {
                Manners { no_mod_seq: true, .. } => Code::NoModSeq,
                Manners { zero_mod_seq: true, .. } => Code::HighestModSeq(mod_seq(0)),
                _ => Code::HighestModSeq(mod_seq(self.highest)),
            });
        }
        let late = random.chance(20);
        if !late {
            out.extend(codes.drain(..).map(|code| data(ok(code))));
        }
        let known =
            qresync.filter(|known| known.uid_validity.get() == self.uid_validity && self.has_mod_seqs());
        if let Some(known) = known {
            let since = known.mod_seq.get();
            let high = known.known_uids.as_ref().unwrap().ranges().map(|(_, high)| high.get()).max().unwrap();
            let gone = self.vanished_since(1, high, since, random);
            if !gone.is_empty() {
                out.push(vanished(true, gone.into_iter()));
            }
            for message in self.session.told.clone() {
                if message <= high && self.messages.get(&message).is_some_and(|(_, at)| *at > since) {
                    self.fetch(message, true, out, random);
                }
                if random.chance(10) {
                    self.change(random);
                }
            }
        }
        out.extend(codes.into_iter().map(|code| data(ok(code))));
    }

    fn fetch_range(
        &mut self,
        (low, high): (u32, u32),
        since: Option<Since>,
        out: &mut Vec<Event>,
        random: &mut Random,
    ) -> Option<Code> {
        let told = self.session.told.clone();
        let top = told.last().copied().unwrap_or(0);
        let (low, high) = if high == u32::MAX { (low.min(top), top.max(low)) } else { (low, high) };
        let (since, vanish) = match since {
            Some(Since::ChangedOrVanished(since)) => (Some(since.get()), true),
            Some(Since::Changed(since)) => (Some(since.get()), false),
            None => (None, false),
        };
        if let Some(since) = since.filter(|_| vanish) {
            let gone = self.vanished_since(low, high, since, random);
            if !gone.is_empty() {
                out.push(vanished(true, gone.into_iter()));
            }
        }
        let mut named = told.into_iter().filter(|message| (low..=high).contains(message)).collect();
        let code = self.limit(&mut named);
        for message in named {
            if random.chance(8) {
                self.change(random);
            }
            let changed = |since| self.messages.get(&message).is_none_or(|(_, at)| *at > since);
            if since.is_none_or(changed) {
                self.fetch(message, true, out, random);
            }
            if random.chance(5) {
                self.tell(false, out, random);
            }
        }
        code
    }

    /// Only so many messages, the highest; and what is said of that.
    fn limit(&self, messages: &mut Vec<u32>) -> Option<Code> {
        let limit = self.session.manners.limit.filter(|limit| messages.len() > *limit)?;
        *messages = messages.split_off(messages.len() - limit);
        Some(Code::MessageLimit {
            limit: NonZeroU32::new(limit as u32).unwrap(),
            uid: if self.session.manners.limit_beyond {
                Some(Uid::MAX)
            } else {
                messages.first().map(|it| uid(*it))
            },
        })
    }

    fn search(&self, search: &Search, out: &mut Vec<Event>) -> Option<Code> {
        let (low, high) = match &search.keys[..] {
            [SearchKey::All] => (1, u32::MAX),
            [SearchKey::Uid(set)] => bounds(set),
            keys => panic!("{keys:?}"),
        };
        let told = self.session.told.iter().copied();
        let mut found: Vec<u32> = told.filter(|message| (low..=high).contains(message)).collect();
        let partial = search.returns.iter().flatten().find_map(|option| match option {
            SearchReturnOpt::Partial(range) => Some(*range),
            _ => None,
        });
        if let Some(range) = partial {
            found = found[range.places(found.len())].to_vec();
        }
        let code = self.limit(&mut found);
        found.retain(|message| self.session.manners.ghosts || self.messages.contains_key(message));
        if search.returns.is_none() {
            out.push(data(Untagged::Search(SearchData::new(found))));
            return code;
        }
        let found = KnownNumbers::from_numbers(found.into_iter().map(|message| uid(message).into())).ok();
        let found = match partial {
            Some(range) => [SearchReturnData::Partial { range, found }].into(),
            None => found.into_iter().map(SearchReturnData::All).collect::<Vec<_>>(),
        };
        out.push(data(Untagged::ESearch(ESearchData::new(true, found))));
        code
    }
}

pub(super) fn data(data: Untagged) -> Event {
    Event::Data { data, during: None, deviations: Vec::new() }
}

pub(super) fn reply(ticket: Ticket, kind: ReplyKind, code: Option<Code>) -> Event {
    let mut reply = Reply::new(kind, "done").unwrap();
    reply.code = code;
    Event::Reply { ticket, reply, deviations: Vec::new() }
}

fn vanished(earlier: bool, messages: impl Iterator<Item = u32>) -> Event {
    let uids = KnownUids::from_numbers(messages.map(uid)).unwrap();
    data(Untagged::Vanished(VanishedData::new(earlier, uids)))
}
