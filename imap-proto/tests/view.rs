//! The account of a mailbox against a plain list, and a client's against the server's.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use mailwire_imap::{
    response::{FetchData, MsgAtt, Untagged},
    types::{FlagSet, KnownUids, ModSeq, SeqNumber, Uid},
    view::{Allow, BadSet, Conflict, Doubt, News, Numbering, Telling, Update, View},
};
use proptest::prelude::*;

fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

fn ranges(uids: &[u32]) -> Vec<(Uid, Uid)> {
    uids.iter().map(|&number| (uid(number), uid(number))).collect()
}

fn fetch(number: u32, of: Option<u32>) -> Untagged {
    let items = of.map(|number| MsgAtt::Uid(uid(number))).into_iter();
    let items = items.chain([MsgAtt::Flags(FlagSet::new())]).collect::<Vec<_>>();
    Untagged::Fetch(FetchData::new(SeqNumber::new(number).unwrap(), items))
}

fn expand(ranges: impl IntoIterator<Item = (Uid, Uid)>) -> Vec<u32> {
    ranges.into_iter().flat_map(|(low, high)| low.get()..=high.get()).collect()
}

/// That the view tells of each message what the list has, and that it finds each by its identifier.
fn same(view: &View, model: &[Option<u32>]) {
    assert_eq!(view.len() as usize, model.len());
    assert_eq!(view.unknown() as usize, model.iter().filter(|uid| uid.is_none()).count());
    assert_eq!(expand(view.uids()), model.iter().copied().flatten().collect::<Vec<_>>());
    for (at, known) in model.iter().enumerate() {
        let number = SeqNumber::new(at as u32 + 1).unwrap();
        assert_eq!(view.uid(number).map(Uid::get), *known);
        if let Some(known) = known {
            assert_eq!(view.number(uid(*known)), Some(number));
        }
    }
    assert_eq!(view.uid(SeqNumber::new(model.len() as u32 + 1).unwrap()), None);
    assert_eq!(view.doubt(), None);
}

#[derive(Debug, Clone)]
enum Step {
    Arrive(u8, u8),
    Expunge(u16),
    Vanish(u16, u8),
    Fetch(u16, bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1..40u8, 0..4u8).prop_map(|(count, gap)| Step::Arrive(count, gap)),
        any::<u16>().prop_map(Step::Expunge),
        (any::<u16>(), 1..6u8).prop_map(|(at, count)| Step::Vanish(at, count)),
        (any::<u16>(), any::<bool>()).prop_map(|(at, with_uid)| Step::Fetch(at, with_uid)),
    ];
    prop::collection::vec(step, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 200 }, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_gives_what_a_list_gives(steps in steps()) {
        let mut view = View::new(0, Numbering::Numbers);
        // What the server has, and what this side knows of it.
        let (mut truth, mut model): (Vec<u32>, Vec<Option<u32>>) = (vec![], vec![]);
        let mut next = 1;
        for step in steps {
            match step {
                Step::Arrive(count, gap) => {
                    for _ in 0..count {
                        next += u32::from(gap);
                        truth.push(next);
                        model.push(None);
                        next += 1;
                    }
                    let news = view.apply(&Untagged::Exists(truth.len() as u32));
                    prop_assert_eq!(news, News::Arrived(u32::from(count)));
                }
                _ if truth.is_empty() => {}
                Step::Expunge(at) => {
                    let at = usize::from(at) % truth.len();
                    truth.remove(at);
                    let expected = match model.remove(at) {
                        Some(known) => News::Gone(uid(known)),
                        None => News::GoneUnknown,
                    };
                    let number = SeqNumber::new(at as u32 + 1);
                    prop_assert_eq!(view.apply(&Untagged::Expunge(number)), expected);
                }
                Step::Vanish(at, count) => {
                    let at = usize::from(at) % truth.len();
                    let end = (at + usize::from(count)).min(truth.len());
                    let gone: Vec<u32> = truth.drain(at..end).collect();
                    // The list takes the first unknown place that there is between its neighbours, too.
                    let mut unknown = 0;
                    for gone in &gone {
                        let place = model.iter().position(|known| *known == Some(*gone)).unwrap_or_else(|| {
                            unknown += 1;
                            let after = model.iter().position(|known| known.is_some_and(|known| known > *gone));
                            let after = after.unwrap_or(model.len());
                            assert_eq!(model[after - 1], None);
                            after - 1
                        });
                        model.remove(place);
                    }
                    let News::Vanished { uids, unknown: told } = view.vanished(ranges(&gone)) else { panic!() };
                    prop_assert_eq!(expand(uids).len() + told as usize, gone.len());
                    prop_assert_eq!(told, unknown);
                }
                Step::Fetch(at, with_uid) => {
                    let at = usize::from(at) % truth.len();
                    let number = at as u32 + 1;
                    // A vanished message may have taken another place than its own among those that are
                    // alike, but never moves one that is known.
                    let news = view.apply(&fetch(number, with_uid.then(|| truth[at])));
                    if with_uid {
                        model[at] = Some(truth[at]);
                    }
                    match model[at] {
                        Some(known) => prop_assert_eq!(news, News::Flags { uid: uid(known) }),
                        None => assert!(matches!(news, News::FlagsUnknown { .. })),
                    }
                }
            }
            same(&view, &model);
        }
        view.learn(ranges(&truth)).unwrap();
        same(&view, &truth.iter().copied().map(Some).collect::<Vec<_>>());
    }

    #[test]
    fn a_client_sees_what_its_server_sees(steps in steps(), knows in any::<bool>(), vanished in any::<bool>()) {
        let start: Vec<u32> = (1..30).map(|number| number * 2).collect();
        let mut server = View::with_uids(ranges(&start), Numbering::Numbers);
        let mut client = View::new(server.len(), Numbering::Numbers);
        if knows {
            client.learn(ranges(&start)).unwrap();
        }
        let telling = if vanished { Telling::Vanished } else { Telling::Expunge };
        let (mut truth, mut next) = (start, 100);
        let mut at = 1;
        for step in steps {
            at += 1;
            let now = ModSeq::new(at).unwrap();
            let mut allow = Allow::new(false);
            match step {
                Step::Arrive(count, gap) => {
                    let uids: Vec<u32> = (0..u32::from(count)).map(|each| next + each * u32::from(gap + 1)).collect();
                    next = uids.last().unwrap() + 1;
                    truth.extend(&uids);
                    server.arrived(ranges(&uids), now, true);
                }
                // Now and then, all may be told.
                Step::Fetch(_, true) => allow = Allow::new(true),
                _ if truth.is_empty() => {}
                Step::Expunge(place) => {
                    let gone = truth.remove(usize::from(place) % truth.len());
                    server.removed(ranges(&[gone]), now);
                }
                Step::Vanish(place, count) => {
                    let place = usize::from(place) % truth.len();
                    let gone: Vec<u32> = truth.drain(place..(place + usize::from(count)).min(truth.len())).collect();
                    server.removed(ranges(&gone), now);
                }
                Step::Fetch(place, false) => server.changed(uid(truth[usize::from(place) % truth.len()]), now),
            }
            prop_assert!(server.safe_mod_seq(now) <= now);
            tell(&mut server, &mut client, allow, telling);
            prop_assert_eq!((server.len(), client.doubt()), (client.len(), None));
            for (low, high) in client.uids() {
                prop_assert_eq!((client.number(low), client.number(high)), (server.number(low), server.number(high)));
            }
        }
        tell(&mut server, &mut client, Allow::new(true), telling);
        prop_assert_eq!(expand(server.uids()), truth.clone());
        prop_assert_eq!(server.safe_mod_seq(ModSeq::new(at).unwrap()), ModSeq::new(at).unwrap());
        client.learn(ranges(&truth)).unwrap();
    }
}

/// All that may be told, as the wire would carry it.
fn tell(server: &mut View, client: &mut View, allow: Allow, telling: Telling) {
    while let Some(update) = server.tell(allow, telling) {
        let news = match update {
            Update::Exists { exists, .. } => client.exists(exists),
            Update::Flags { number, uid, .. } => client.apply(&fetch(number.get(), Some(uid.get()))),
            Update::Expunge { number, .. } => client.expunge(Some(number)),
            Update::Vanished(uids) => client.vanished(uids.normalized()),
            other => panic!("{other:?}"),
        };
        assert_ne!(news, News::Nothing);
    }
}

#[test]
fn sets() {
    let mut view = View::with_uids(ranges(&[2, 3, 5, 8, 13]), Numbering::Numbers);
    let resolve = |view: &View, set: &str| {
        view.resolve(&set.parse().unwrap()).map(|ranges| {
            expand(ranges)
                .into_iter()
                .filter(|number| view.number(uid(*number)).is_some())
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(resolve(&view, "1:*").unwrap(), [2, 3, 5, 8, 13]);
    assert_eq!(resolve(&view, "4,2:1,*").unwrap(), [2, 3, 8, 13]);
    assert_eq!(resolve(&view, "6"), Err(BadSet::OutOfRange));
    assert_eq!(resolve(&view, "1:4294967295"), Err(BadSet::OutOfRange));
    let by_uid = |view: &View, set: &str| view.resolve_uids(&set.parse().unwrap());
    assert_eq!(by_uid(&view, "1:4294967295"), [(uid(2), uid(13))]);
    assert_eq!(by_uid(&view, "4:9,1"), [(uid(5), uid(8))]);
    assert_eq!(by_uid(&view, "100:*"), ranges(&[13]));
    assert_eq!(by_uid(&view, "6:7"), []);
    view.save(ranges(&[13, 2]));
    view.expunge(SeqNumber::new(1));
    assert_eq!((resolve(&view, "$").unwrap(), by_uid(&view, "$")), (vec![13], ranges(&[13])));
    let empty = View::new(0, Numbering::Numbers);
    assert_eq!((resolve(&empty, "1:*"), by_uid(&empty, "1:*")), (Err(BadSet::OutOfRange), vec![]));
    assert_eq!(resolve(&View::new(2, Numbering::Numbers), "1:*"), Err(BadSet::Unknown));
    assert_eq!(resolve(&View::new(2, Numbering::UidOnly), "1:*"), Err(BadSet::Numbered));
}

#[test]
fn what_contradicts_is_a_doubt() {
    let view = || View::with_uids(ranges(&[2, 3, 9]), Numbering::Numbers);
    let doubt = |data: Untagged| {
        let mut view = view();
        view.exists(4);
        assert_eq!(view.apply(&data), News::Nothing);
        view.doubt()
    };
    assert_eq!(doubt(Untagged::Exists(2)), Some(Doubt::Shrunk));
    assert_eq!(doubt(Untagged::Expunge(SeqNumber::new(5))), Some(Doubt::NoSuchNumber));
    assert_eq!(doubt(Untagged::Expunge(None)), Some(Doubt::NoSuchNumber));
    assert_eq!(doubt(fetch(7, None)), Some(Doubt::NoSuchNumber));
    assert_eq!(doubt(fetch(1, Some(3))), Some(Doubt::OtherUid));
    assert_eq!(doubt(fetch(4, Some(9))), Some(Doubt::Order));
}

#[test]
fn vanished_messages_that_were_never_there() {
    let mut view = View::with_uids(ranges(&[2, 3, 9]), Numbering::Numbers);
    view.exists(5);
    assert_eq!(view.vanished([(uid(9), uid(10))]), News::Vanished { uids: ranges(&[9]), unknown: 1 });
    assert_eq!((view.len(), view.doubt()), (3, None));
    view.vanished([(uid(4), uid(4))]);
    assert_eq!((view.len(), view.doubt()), (2, None), "it is the one that was not known");
    view.vanished([(uid(5), uid(5))]);
    assert_eq!(view.doubt(), Some(Doubt::NoSuchUid));
}

#[test]
fn learning() {
    let mut view = View::new(3, Numbering::Numbers);
    view.apply(&fetch(2, Some(7)));
    assert_eq!(view.learn(ranges(&[1, 7])), Err(Conflict::Count { messages: 3, uids: 2 }));
    let differs = Conflict::OtherUid { number: SeqNumber::new(2).unwrap() };
    assert_eq!(view.learn(ranges(&[1, 6, 8])), Err(differs));
    assert_eq!(view.learn(ranges(&[5, 7, 8])), Ok(()));
    assert_eq!(view.unknown(), 0);
}

#[test]
fn what_went_before_it_was_told_is_never_told() {
    let at = |number| ModSeq::new(number).unwrap();
    let mut view = View::with_uids(ranges(&[1]), Numbering::Numbers);
    view.arrived([(uid(2), uid(3))], at(5), true);
    view.removed(ranges(&[2, 3]), at(6));
    assert_eq!((view.tell(Allow::new(true), Telling::Expunge), view.safe_mod_seq(at(9))), (None, at(9)));
    view.changed(uid(1), at(7));
    assert_eq!(view.safe_mod_seq(at(9)), at(6));
    view.told(uid(1));
    view.removed(ranges(&[1]), at(8));
    assert_eq!((view.tell(Allow::new(false), Telling::Vanished), view.safe_mod_seq(at(9))), (None, at(7)));
    let vanished = Update::Vanished(KnownUids::single(uid(1)));
    assert_eq!(view.tell(Allow::new(true), Telling::Vanished), Some(vanished));
    view.arrived([(uid(4), uid(4))], at(10), true);
    let exists = Update::Exists { exists: 1, recent: 1 };
    assert_eq!(view.tell(Allow::new(false), Telling::Expunge), Some(exists));
    assert!(view.is_recent(uid(4)) && !view.is_recent(uid(3)));
}

#[test]
fn a_large_mailbox() {
    let count = 200_000;
    let mut view = View::with_uids([(uid(1), uid(count))], Numbering::Numbers);
    // Each second message goes, from everywhere.
    let mut gone = 1u32;
    for _ in 0..count / 2 {
        let number = view.number(uid(gone)).unwrap();
        assert_eq!(view.expunge(Some(number)), News::Gone(uid(gone)));
        gone = (gone + 7_778) % count;
    }
    assert_eq!((view.len(), view.uids().count()), (count / 2, count as usize / 2));
    assert_eq!(view.uid(SeqNumber::new(count / 2).unwrap()), Some(uid(count)));
}

#[test]
fn many_numbers_in_one_pass() {
    let gaps: Vec<u32> = (1..2000).filter(|number| number % 3 != 0).chain(5000..5100).collect();
    let mut view = View::with_uids(ranges(&gaps), Numbering::Numbers);
    view.expunge(SeqNumber::new(7));
    for step in [1, 2, 7] {
        let asked: Vec<Uid> = (1..5200).step_by(step).map(uid).collect();
        let one_by_one: Vec<_> = asked.iter().filter_map(|&uid| Some((uid, view.number(uid)?))).collect();
        assert_eq!(view.numbers(asked).collect::<Vec<_>>(), one_by_one);
    }
    // Messages with unknown identifiers count, too.
    let mut view = View::new(2, Numbering::Numbers);
    view.apply(&fetch(2, Some(9)));
    assert_eq!(view.numbers([uid(3), uid(9)]).collect::<Vec<_>>(), [(uid(9), SeqNumber::new(2).unwrap())]);
}

#[test]
fn what_is_known_of_a_range() {
    let all: Vec<u32> = (1..3000).filter(|number| number % 2 == 0).collect();
    let view = View::with_uids(ranges(&all), Numbering::Numbers);
    for (low, high) in [(1, 1), (1, 2), (2, 2), (3, 9), (1000, 1800), (2997, u32::MAX), (7, 6)] {
        let expected: Vec<u32> = all.iter().copied().filter(|uid| (low..=high).contains(uid)).collect();
        assert_eq!(expand(view.known(uid(low), uid(high))), expected, "{low}:{high}");
    }
    // A set that spans what is gone.
    let spanned = view.resolve(&"1:3".parse().unwrap()).unwrap();
    assert_eq!(expand(spanned.into_iter().flat_map(|(low, high)| view.known(low, high))), [2, 4, 6]);
}

#[test]
fn news_of_messages_that_are_not_told_yet() {
    let at = ModSeq::ZERO;
    let mut view = View::with_uids(ranges(&[1, 2]), Numbering::Numbers);
    view.set_recent(ranges(&[2, 3, 9]));
    assert_eq!(view.recent(), 1, "only what is there");
    // In any order; what is known stays known.
    view.arrived(ranges(&[5]), at, false);
    view.arrived(ranges(&[2, 4]), at, true);
    view.changed(uid(5), at);
    view.changed(uid(6), at);
    let mut tell = || view.tell(Allow::new(true), Telling::Expunge);
    assert_eq!(tell(), Some(Update::Exists { exists: 4, recent: 2 }));
    let number = SeqNumber::new(4).unwrap();
    assert_eq!(tell(), Some(Update::Flags { number, uid: uid(5), mod_seq: at }));
    assert_eq!(tell(), None);
}

#[test]
fn new_messages_are_told_in_ranges_of_any_form() {
    let recent = |given: &[(u32, u32)]| {
        let mut view = View::with_uids(ranges(&[2, 3, 9, 11, 12, 13, 20]), Numbering::Numbers);
        let uid = |number| Uid::new(number).unwrap();
        view.set_recent(given.iter().map(|&(low, high)| (uid(low), uid(high))));
        let ranges = view.recent_uids().map(|(low, high)| (low.get(), high.get()));
        (view.recent(), ranges.collect::<Vec<_>>())
    };
    assert_eq!(recent(&[(1, 1), (4, 8), (21, 30)]), (0, vec![]));
    assert_eq!(recent(&[(3, 11)]), (3, vec![(3, 3), (9, 9), (11, 11)]));
    assert_eq!(recent(&[(2, 2), (12, 12), (13, 13)]), (3, vec![(2, 2), (12, 13)]));
    assert_eq!(recent(&[(1, u32::MAX)]).0, 7);
    // In disorder, and one within another.
    assert_eq!(recent(&[(11, 20), (2, 3), (12, 12)]), (6, vec![(2, 3), (11, 13), (20, 20)]));
}
