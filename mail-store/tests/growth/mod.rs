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
}

/// The median, in microseconds.
async fn median(mut act: impl AsyncFnMut(u32)) -> u128 {
    let mut times = Vec::new();
    for round in 0..51 {
        let start = Instant::now();
        act(round).await;
        times.push(start.elapsed().as_micros());
    }
    times.sort_unstable();
    times[times.len() / 2]
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
        let uid = |number: u32| Uid::new(number).unwrap();
        world.deliver().await;
        let mut there = 1;
        while there < count {
            let more = there.min(count - there).min(MAX_COPIED);
            world.store.copy(inbox, &Uids::below(uid(more + 1)), inbox, How::Copy).await.unwrap();
            there += more;
        }
        filled().await;
        let world = &world;
        let select = median(async |_| drop(world.store.open(inbox, None).await.unwrap())).await;
        let before = world.store.open(inbox, None).await.unwrap().cursor;
        for round in 0..3 {
            world.deliver().await;
            world.flag(uid(10 + round * 7), Flag::Flagged).await;
            world.expunge(uid(100 + round * 7)).await;
        }
        world.flag(uid(count - 5), Flag::Answered).await;
        let since = Cursor::since(before.mod_seq());
        let changes = world.store.open(inbox, Some(since)).await.unwrap().changes.unwrap();
        assert_eq!((changes.flags.len(), changes.vanished.len()), (7, 3), "of {count}: {changes:?}");
        let resync = median(async |_| drop(world.store.open(inbox, Some(since)).await.unwrap())).await;
        let feed = median(async |_| drop(world.store.changes(inbox, before, 100).await.unwrap())).await;
        let deliver = median(async |_| world.deliver().await).await;
        let flag = median(async |round| world.flag(uid(count / 3 + round), Flag::Draft).await).await;
        let expunge = median(async |round| world.expunge(uid(count / 2 + round)).await).await;
        println!("| {count} | {select} | {resync} | {feed} | {deliver} | {flag} | {expunge} |");
    }
}
