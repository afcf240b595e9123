//! Random histories: a mailbox changes, sessions come and are cut, and the mirror ends equal to it.

mod model;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::String,
    vec::Vec,
};
use core::num::NonZeroU32;

use mailwire_core::Tickets;

use self::model::{Manners, Random, Server, flags};
use super::{Change, Rules, Step, SyncOptions, SyncState, Synchronizer, state::Anchor};
use crate::{
    capability::{Capabilities, Capability},
    client::Event,
    command::Command,
    response::{Code, ESearchData, FetchData, MsgAtt, ReplyKind, SearchReturnData, Untagged},
    types::{FlagSet, KnownNumbers, MailboxName, ModSeq, SeqNumber, Uid},
};

type Mirror = BTreeMap<u32, FlagSet>;

fn manners(random: &mut Random, faulty: bool) -> Manners {
    let condstore = random.chance(65);
    Manners {
        condstore,
        qresync: condstore && random.chance(65),
        esearch: random.chance(50),
        partial: random.chance(30),
        batches: random.chance(40),
        limit: random.chance(20).then(|| 3 + random.below(4) as usize),
        no_mod_seq: random.chance(8),
        zero_mod_seq: random.chance(5),
        no_uid_next: random.chance(15),
        skew: random.chance(25),
        ghosts: random.chance(30),
        memory: random.chance(70),
        lies: faulty && random.chance(8),
        forgets: faulty && random.chance(8),
        bare_fetch: random.chance(50),
        garbles: faulty && random.chance(15),
        refuses: faulty && random.chance(10),
        unreadable: None,
        limit_beyond: false,
    }
}

fn offered(manners: &Manners) -> Capabilities {
    let mut offered = [Capability::Imap4Rev1].to_vec();
    if manners.condstore {
        offered.push(Capability::CondStore);
    }
    if manners.qresync {
        offered.extend([Capability::QResync, Capability::Enable]);
    }
    if manners.esearch {
        offered.push(Capability::ESearch);
    }
    if manners.partial {
        offered.push(Capability::Partial);
    }
    if manners.batches {
        offered.push(Capability::UidBatches);
    }
    Capabilities::from(offered)
}

fn apply(mirror: &mut Mirror, change: Change) -> bool {
    match change {
        Change::Reset { .. } => mirror.clear(),
        Change::New { uid, flags, .. } | Change::Flags { uid, flags } => {
            mirror.insert(uid.get(), flags);
        }
        Change::Gone { first, last } => mirror.retain(|uid, _| !(first.get()..=last.get()).contains(uid)),
        Change::Rewound => return true,
        Change::Checkpoint => {}
    }
    false
}

fn ranges(mirror: &Mirror) -> Vec<(Uid, Uid)> {
    mirror.keys().filter_map(|uid| Uid::new(*uid)).map(|uid| (uid, uid)).collect()
}

/// What is at or below the anchor of its range is in the mirror.
fn check_anchors(server: &Server, mirror: &Mirror, state: &SyncState) -> Result<(), String> {
    for (first, last, anchor) in state.ranges() {
        let Anchor::At(anchor) = anchor else { continue };
        for (uid, (bits, at)) in server.messages.range(first.get()..=last.get()) {
            if *at <= anchor.get() && mirror.get(uid) != Some(&flags(*bits)) {
                return Err(format!(
                    "{uid} changed at {at}, below its anchor {anchor}, to {bits}: {:?}",
                    mirror.get(uid)
                ));
            }
        }
    }
    Ok(())
}

/// In step, the mirror has what this session was told.
fn check_in_step(server: &Server, mirror: &Mirror) -> Result<(), String> {
    let told: BTreeSet<u32> = server.session.told.iter().copied().collect();
    let mine: BTreeSet<u32> = mirror.keys().copied().collect();
    if told != mine {
        return Err(format!("in step, but {told:?} was told and {mine:?} is in the mirror"));
    }
    for uid in &told {
        let pending = server.session.pending_flags.contains_key(uid);
        let differs = |(bits, _): &(u8, u64)| mirror.get(uid) != Some(&flags(*bits));
        if !pending && server.messages.get(uid).is_some_and(differs) {
            return Err(format!("in step, but the flags of {uid} are {:?}", mirror.get(uid)));
        }
    }
    Ok(())
}

#[derive(Default)]
struct Statistics {
    in_step: usize,
    cuts: usize,
    commands: usize,
    in_doubt: usize,
}

fn changed_since(server: &Server, state: &SyncState) -> usize {
    let anchor_of =
        |uid: u32| state.ranges().find(|(first, last, _)| (first.get()..=last.get()).contains(&uid));
    let changed = server.messages.iter().filter(|(uid, (_, at))| match anchor_of(**uid) {
        Some((_, _, Anchor::At(anchor))) => *at > anchor.get(),
        _ => true,
    });
    changed.count()
}

/// One mailbox, and some sessions; what is wrong, if something is.
#[allow(clippy::too_many_lines, reason = "one story, told in order")]
fn history(seed: u64, rules: Rules, statistics: &mut Statistics) -> Result<(), String> {
    let random = &mut Random::new(seed);
    let mut server = Server::new();
    for _ in 0..random.below(40) {
        server.change(random);
    }
    let transactional = random.chance(50);
    let faulty = random.chance(40);
    let mut mirror = Mirror::new();
    let mut stored = (Mirror::new(), SyncState::default());
    let sessions = 1 + random.below(6);
    let mut lied = false;
    let mut kept: Option<Synchronizer> = None;
    for session in 0..=sessions {
        let last = session == sessions;
        server.connect(Manners::default());
        for _ in 0..random.below(8) {
            server.change(random);
        }
        if random.chance(4) {
            server.reset(random);
        }
        if random.chance(20) {
            server.back_up();
        }
        let seen = stored.1.seen.map_or(0, ModSeq::get);
        let back = transactional && server.has_backup_before(seen) && random.chance(8);
        if back {
            server.go_back(random);
        }
        server.quiet = last;
        let mut manners = manners(random, faulty);
        manners.forgets &= !manners.lies;
        if back {
            // A server that overtakes what was seen before anybody looks cannot be noticed.
            (manners.skew, manners.no_mod_seq, manners.zero_mod_seq, manners.refuses) =
                (false, false, false, false);
            manners.condstore = true;
        }
        if last {
            (manners.garbles, manners.refuses) = (false, false);
        }
        let honest = !manners.lies && !manners.forgets;
        lied |= manners.lies;
        server.connect(manners.clone());
        let resumed = kept.take().filter(|_| !back && random.chance(50));
        match &resumed {
            Some(kept) => stored = (mirror.clone(), Synchronizer::state(kept).clone()),
            None if transactional => mirror.clone_from(&stored.0),
            None => {}
        }
        let before = changed_since(&server, &stored.1);
        let events = server.events;
        let rewound = server.highest < seen
            || stored.1.uid_validity.map(crate::types::UidValidity::get) != Some(server.uid_validity);
        let options = SyncOptions::new(MailboxName::INBOX)
            .with_batch(2 + random.below(9))
            .with_stepwise(random.chance(30));
        let mut sync = match resumed {
            Some(mut kept) => {
                kept.reconnected(&offered(&manners));
                kept
            }
            None => {
                let state = SyncState::from_bytes(&stored.1.to_bytes()).unwrap();
                Synchronizer::new(state, ranges(&mirror), &offered(&manners), options)
            }
        };
        sync.rules = rules;
        sync.offer.batches = manners.batches.then_some(1);
        if !transactional {
            stored.1 = sync.state().clone();
            stored.1.open = rules.open;
        }
        let mut left =
            if last || random.chance(30) { u32::MAX } else { random.below(60) + if back { 40 } else { 0 } };
        let mut live = if last { 1 } else { random.below(4) };
        let mut tickets = Tickets::new();
        let (mut commands, mut fetched, mut was_in_step) = (0, 0, false);
        'session: loop {
            let step = sync.next_step();
            drain(&mut sync, &mut mirror);
            let command = match step {
                Step::Send(command) => *command,
                Step::InStep | Step::InDoubt(_) => {
                    let in_step = step == Step::InStep;
                    if in_step && !was_in_step {
                        was_in_step = true;
                        statistics.in_step += 1;
                        let plain = manners.no_mod_seq || manners.zero_mod_seq || manners.no_uid_next;
                        let careful =
                            honest && !lied && !rewound && !plain && !manners.garbles && !manners.refuses;
                        let bound = 2 * before + 4 * (server.events - events) + 4;
                        if careful && manners.qresync && manners.memory && fetched > bound {
                            return Err(format!(
                                "{fetched} responses for {before} changes and {} events",
                                server.events - events
                            ));
                        }
                    }
                    if in_step && rules.count {
                        check_in_step(&server, &mirror)?;
                    }
                    if live == 0 {
                        break;
                    }
                    live -= 1;
                    for _ in 0..random.below(4) {
                        server.change(random);
                    }
                    Command::Noop
                }
                Step::Wait | Step::Refused(_) => return Err(format!("{step:?}")),
            };
            commands += 1;
            statistics.commands += 1;
            if commands > 400 {
                return Err(format!("no end: {command:?}"));
            }
            let ticket = tickets.issue();
            sync.sent(ticket);
            for event in server.execute(&command, ticket, random) {
                if left == 0 {
                    statistics.cuts += 1;
                    break 'session;
                }
                left -= 1;
                fetched += usize::from(matches!(
                    &event,
                    Event::Data { data: crate::response::Untagged::Fetch(_), .. }
                ));
                sync.handle(&event);
                let rewound = drain(&mut sync, &mut mirror);
                if sync.selected && !lied {
                    check_anchors(&server, &mirror, sync.state())?;
                }
                if random.chance(15) || rewound {
                    stored = (mirror.clone(), sync.state().clone());
                }
            }
        }
        statistics.in_doubt += usize::from(sync.in_doubt.is_some());
        let doubtful = sync.in_doubt.is_some();
        if left > 0 && random.chance(80) {
            stored = (mirror.clone(), sync.state().clone());
        }
        kept = Some(sync);
        if last {
            let truth: Mirror = server.messages.iter().map(|(uid, (bits, _))| (*uid, flags(*bits))).collect();
            if mirror != truth || doubtful {
                return Err(format!("{doubtful}: {mirror:?} in place of {truth:?}, {manners:?}"));
            }
        }
    }
    Ok(())
}

fn drain(sync: &mut Synchronizer, mirror: &mut Mirror) -> bool {
    let mut rewound = false;
    while let Some(change) = sync.change() {
        rewound |= apply(mirror, change);
    }
    rewound
}

/// How many histories are tried: SYNC_HISTORIES in the environment of the build, or some thousands.
fn histories() -> u64 {
    option_env!("SYNC_HISTORIES").and_then(|count| count.parse().ok()).unwrap_or(3000)
}

#[test]
fn the_mirror_ends_equal() {
    let mut statistics = Statistics::default();
    let mut failures = Vec::new();
    for seed in 0..histories() {
        if let Err(problem) = history(seed, Rules::ALL, &mut statistics) {
            failures.push(format!("seed {seed}: {problem}"));
        }
    }
    let shown: Vec<_> = failures.iter().take(3).collect();
    assert!(failures.is_empty(), "{} failures: {shown:#?}", failures.len());
    let Statistics { in_step, cuts, commands, in_doubt } = statistics;
    assert!(
        in_step > 0 && cuts > 0 && commands > 0 && in_doubt < in_step / 100,
        "{in_doubt} of {in_step} in doubt"
    );
}

/// All rules but one each, and a history that goes wrong without it.
fn without() -> [(&'static str, Rules, u64); 14] {
    let all = Rules::ALL;
    [
        ("count", Rules { count: false, ..all }, 28),
        ("seen", Rules { seen: false, ..all }, 14),
        ("rewind", Rules { rewind: false, ..all }, 61),
        ("garbled", Rules { garbled: false, ..all }, 92),
        ("absent", Rules { absent: false, ..all }, 59),
        ("lossy", Rules { lossy: false, ..all }, 84),
        ("flush", Rules { flush: false, ..all }, 89),
        ("grew", Rules { grew: false, ..all }, 24019),
        ("lost_state", Rules { lost_state: false, ..all }, 29),
        ("before", Rules { before: false, ..all }, 20097),
        ("cap", Rules { cap: false, ..all }, 53308),
        ("open", Rules { open: false, ..all }, 8717),
        ("arrivals", Rules { arrivals: false, ..all }, 0),
        ("sealed", Rules { sealed: false, ..all }, 3),
    ]
}

#[test]
fn each_rule_is_needed() {
    for (name, rules, seed) in without() {
        assert!(history(seed, Rules::ALL, &mut Statistics::default()).is_ok(), "{name}");
        assert!(history(seed, rules, &mut Statistics::default()).is_err(), "{name}");
    }
}

/// Finds the histories of [`without`], whenever the model draws other ones.
#[test]
#[ignore = "some of them are rare: it takes some seconds when optimized"]
fn find_the_histories() {
    for (name, rules, _) in without() {
        let fails = |seed: &u64| history(*seed, rules, &mut Statistics::default()).is_err();
        let found = (0..1_000_000).find(fails);
        std::println!("{name}: {found:?}");
        assert!(found.is_some(), "nothing needs {name}");
    }
}

/// One session with a server of these manners: what is in the mirror, and how it ended.
fn session(manners: Manners, messages: u32) -> (Synchronizer, usize) {
    let random = &mut Random::new(1);
    let mut server = Server::new();
    while (server.messages.len() as u32) < messages {
        server.change(random);
    }
    server.quiet = true;
    server.connect(manners.clone());
    let options = SyncOptions::new(MailboxName::INBOX).with_batch(4);
    let mut sync = Synchronizer::new(SyncState::default(), [], &offered(&manners), options);
    let mut tickets = Tickets::new();
    for commands in 0..500 {
        let Step::Send(command) = sync.next_step() else { return (sync, commands) };
        let ticket = tickets.issue();
        sync.sent(ticket);
        for event in server.execute(&command, ticket, random) {
            sync.handle(&event);
        }
    }
    panic!("no end");
}

/// It is left out, the rest is there, and the next session tries again.
#[test]
fn a_message_that_never_parses_is_no_endless_loop() {
    for unreadable in 1..12 {
        let manners = Manners { condstore: true, unreadable: Some(unreadable), ..Manners::default() };
        let (sync, commands) = session(manners, 12);
        let known = sync.known.contains(Uid::new(unreadable).unwrap());
        assert!(!known && commands < 100, "{unreadable}: {commands}");
        if sync.in_doubt.is_some() {
            assert!(
                SyncState::from_bytes(&sync.state().to_bytes())
                    .unwrap()
                    .ranges()
                    .any(|it| it.2 == Anchor::None)
            );
            assert!(sync.known.len() >= 11, "{unreadable}: {:?}", sync.known);
        }
    }
}

#[test]
fn a_limit_that_cannot_be_is_no_endless_loop() {
    for partial in [false, true] {
        let manners =
            Manners { limit: Some(3), limit_beyond: true, esearch: true, partial, ..Manners::default() };
        let (sync, commands) = session(manners, 30);
        assert!(sync.in_doubt.is_some() && commands < 100, "{commands}");
    }
}

/// The server parts a large mailbox, once, where its batches are not larger than those that are wanted.
#[test]
fn batches_are_the_servers() {
    let manners = Manners { batches: true, esearch: true, partial: true, ..Manners::default() };
    for (least, parts, searches) in [(4, 1, 0), (5, 0, 1)] {
        let random = &mut Random::new(3);
        let mut server = Server::new();
        while server.messages.len() < 12 {
            server.change(random);
        }
        server.quiet = true;
        server.connect(manners.clone());
        let options = SyncOptions::new(MailboxName::INBOX).with_batch(4);
        let mut sync = Synchronizer::new(SyncState::default(), [], &offered(&manners), options);
        sync.offer.batches = Some(least);
        let mut tickets = Tickets::new();
        let mut asked = Vec::new();
        while let Step::Send(command) = sync.next_step() {
            let ticket = tickets.issue();
            sync.sent(ticket);
            server.execute(&command, ticket, random).iter().for_each(|event| sync.handle(event));
            asked.push(command);
        }
        let count = |is: fn(&Command) -> bool| asked.iter().filter(|command| is(command)).count();
        assert_eq!(count(|command| matches!(command, Command::Extension(_))), parts, "{asked:?}");
        assert_eq!(count(|command| matches!(command, Command::Search(_))), searches, "{asked:?}");
        assert!(sync.known.len() == 12 && asked.len() < 12, "{asked:?}");
    }
}

/// Flags of messages that may be of another mailbox are kept up to some bytes.
#[test]
fn what_is_held_is_bounded() {
    let options = SyncOptions::new(MailboxName::INBOX);
    let mut sync = Synchronizer::new(SyncState::default(), [], &offered(&Manners::default()), options);
    sync.next_step();
    let keyword = crate::types::Flag::new("x".repeat(10_000)).unwrap();
    for number in 1..1000 {
        let items = [MsgAtt::Uid(model::uid(number)), MsgAtt::Flags([keyword.clone()].into())];
        let fetch = FetchData::new(SeqNumber::new(number).unwrap(), items);
        sync.handle(&Event::Data { data: Untagged::Fetch(fetch), during: None, deviations: Vec::new() });
    }
    let held = sync.job.as_ref().unwrap().held();
    assert!((10..30).contains(&held), "{held}");
}

/// A few bytes can name billions of messages.
#[test]
fn how_a_search_is_parted_is_bounded() {
    let all = Manners { esearch: true, ..Manners::default() };
    let options = SyncOptions::new(MailboxName::INBOX).with_batch(1);
    let mut sync = Synchronizer::new(SyncState::default(), [], &offered(&all), options);
    let mut tickets = Tickets::new();
    let uid_validity = crate::types::UidValidity::new(1);
    let found = KnownNumbers::from_ranges([(NonZeroU32::MIN, NonZeroU32::MAX)]).unwrap();
    let found = [SearchReturnData::All(found)];
    for (name, data) in [
        ("SELECT", [Untagged::Exists(u32::MAX), model::ok(Code::UidValidity(uid_validity))].to_vec()),
        ("SEARCH", [Untagged::ESearch(ESearchData::new(true, found))].to_vec()),
    ] {
        let Step::Send(command) = sync.next_step() else { panic!("{name} was not asked") };
        assert!(format!("{command:?}").to_uppercase().starts_with(name), "{command:?}");
        let ticket = tickets.issue();
        sync.sent(ticket);
        for data in data {
            sync.handle(&model::data(data));
        }
        sync.handle(&model::reply(ticket, ReplyKind::Ok, None));
    }
    let cuts = sync.selection.cuts.as_ref().map(|cuts| cuts.len());
    assert!(cuts.is_some_and(|cuts| cuts <= 1 << 18), "{cuts:?}");
}

/// Whatever is stored: a state, or an error; and a state is read as it was written.
#[test]
fn states_are_read_from_any_bytes() {
    let random = &mut Random::new(7);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let mut bytes: Vec<u8> = (0..random.below(24)).map(|_| random.below(256) as u8).collect();
        if let Some(first) = bytes.first_mut().filter(|_| random.chance(90)) {
            *first = 1;
        }
        if let Some(second) = bytes.get_mut(1).filter(|_| random.chance(90)) {
            *second &= 1;
        }
        match SyncState::from_bytes(&bytes) {
            Ok(state) => {
                read += 1;
                assert_eq!(SyncState::from_bytes(&state.to_bytes()), Ok(state));
            }
            Err(_) => refused += 1,
        }
    }
    assert!(read > 100 && refused > 100, "{read} {refused}");
}

/// A mirror in step takes some bytes, whatever the mailbox holds; one in many pieces is bounded.
#[test]
fn states_are_small() {
    let mut state = SyncState::default();
    state.set(Uid::MIN, Uid::new(1_000_000).unwrap(), Anchor::At(ModSeq::new(1 << 40).unwrap()));
    assert!(state.to_bytes().len() < 40);
    for single in (1..200_000).step_by(2) {
        let uid = Uid::new(single).unwrap();
        state.set(uid, uid, Anchor::None);
    }
    assert!(state.segments().count() <= 1001);
    let told: u64 = state.segments().map(|it| u64::from(it.last.get() - it.first.get()) + 1).sum();
    assert_eq!(told, 1_000_000);
    // What was not read is still due.
    for (first, last, anchor) in state.ranges() {
        let even = first == last && first.get().is_multiple_of(2);
        assert!(anchor == Anchor::None || first.get() >= 200_000 || even, "{first} {last}");
    }
}
