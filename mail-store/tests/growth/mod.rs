//! How the cost of a store grows with a mailbox: prints a table.
#![allow(dead_code, unreachable_pub, reason = "not every test uses all of it")]

use std::{future::Future, time::Instant};

use mailwire_imap::{
    command::StoreAction,
    types::{Flag, Uid},
};
use mailwire_store::{
    AccountId, BodyWriter as _, Cursor, FlagChange, How, MAX_COPIED, MailboxId, MailboxPath, Store, Target,
    Uids, Which,
};

/// So often each is measured.
const ROUNDS: u32 = 51;

fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

struct World<S> {
    store: S,
    ada: AccountId,
    inbox: MailboxId,
}

impl<S: Store> World<S> {
    async fn deliver(&self) {
        let mut body = self.store.body(&[self.ada], None).await.unwrap();
        body.write("From: a@example.org\r\nSubject: x\r\n\r\nwords\r\n".into()).await.unwrap();
        let body = body.finish().await.unwrap();
        self.store.deliver(body, &[Target::inbox(self.ada)]).await.remove(0).unwrap();
    }

    async fn flag(&self, uid: Uid, flag: Flag) {
        let change = FlagChange::new(StoreAction::Add, [flag].into_iter().collect());
        self.store.store(self.inbox, &uid.into(), &change).await.unwrap();
    }

    async fn expunge(&self, uid: Uid) {
        self.store.expunge(self.inbox, &uid.into(), Which::All).await.unwrap();
    }

    /// Three messages come, three go, and four have a flag: others each round.
    async fn ten_changes(&self, count: u32, round: u32) {
        for place in 3 * round..3 * round + 3 {
            self.deliver().await;
            self.expunge(uid(count / 10 + place)).await;
            self.flag(uid(count / 10 * 3 + place), Flag::Flagged).await;
        }
        self.flag(uid(count / 10 * 6 + round), Flag::Answered).await;
    }
}

/// The median, in microseconds.
async fn median(mut act: impl AsyncFnMut(u32)) -> u128 {
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let start = Instant::now();
        act(round).await;
        times.push(start.elapsed().as_micros());
    }
    median_of(times)
}

pub fn median_of(mut times: Vec<u128>) -> u128 {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Puts so many messages into a mailbox.
pub async fn fill(store: &impl Store, ada: AccountId, inbox: MailboxId, count: u32) {
    let mut body = store.body(&[ada], None).await.unwrap();
    body.write("From: a@example.org\r\nSubject: x\r\n\r\nwords\r\n".into()).await.unwrap();
    let body = body.finish().await.unwrap();
    store.deliver(body, &[Target::inbox(ada)]).await.remove(0).unwrap();
    let mut there = 1;
    while there < count {
        let more = there.min(count - there).min(MAX_COPIED);
        store.copy(inbox, &Uids::below(uid(more + 1)), inbox, How::Copy).await.unwrap();
        there += more;
    }
}

/// Measures new stores with an account that is called `ada`, up to as many messages as `MAILWIRE_GROWTH` says, 1,000,000
/// otherwise. `filled` is called when a store has its messages.
pub async fn measure<S: Store, F: Future<Output = S>>(
    mut make: impl FnMut() -> F,
    mut filled: impl AsyncFnMut(),
) {
    let most = std::env::var("MAILWIRE_GROWTH").map_or(1_000_000, |most| most.parse().unwrap());
    println!(
        "| messages | SELECT | QRESYNC, 10 changes | feed, 10 changes | delivery | flag of one | EXPUNGE of one |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let counts = [1000_u32, 10_000, 100_000, 1_000_000];
    for count in counts.into_iter().filter(|count| *count <= most) {
        let store = make().await;
        let ada = store.account("ada").await.unwrap();
        let inbox = store.mailbox(ada, &MailboxPath::inbox()).await.unwrap().id;
        let world = World { store, ada, inbox };
        fill(&world.store, ada, inbox, count).await;
        filled().await;
        let world = &world;
        let select = median(async |_| drop(world.store.open(inbox, None).await.unwrap())).await;
        let (mut resync, mut feed) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let before = world.store.open(inbox, None).await.unwrap().cursor;
            world.ten_changes(count, round).await;
            let start = Instant::now();
            let opened = world.store.open(inbox, Some(Cursor::since(before.mod_seq()))).await.unwrap();
            resync.push(start.elapsed().as_micros());
            let told = opened.changes.unwrap();
            assert_eq!((told.flags.len(), told.vanished.len()), (7, 3), "of {count}: {told:?}");
            let start = Instant::now();
            drop(world.store.changes(inbox, before, 100).await.unwrap());
            feed.push(start.elapsed().as_micros());
        }
        let (resync, feed) = (median_of(resync), median_of(feed));
        let deliver = median(async |_| world.deliver().await).await;
        let flag = median(async |round| world.flag(uid(count / 3 + round), Flag::Draft).await).await;
        let expunge = median(async |round| world.expunge(uid(count / 2 + round)).await).await;
        println!("| {count} | {select} | {resync} | {feed} | {deliver} | {flag} | {expunge} |");
    }
}
