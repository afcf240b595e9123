//! Many sessions at one mailbox, which do what comes to mind: in the end, each has seen what there is.
//!
//! `MAILWIRE_SEEDS=1000` runs more histories than the few of a test run.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

#[cfg(feature = "sqlite")]
mod file;
#[cfg(feature = "postgres")]
mod postgres_server;

use std::{collections::BTreeMap, future::Future, time::Duration};

use mailwire_core::{Channel, Dialect};
use mailwire_imap::{
    command::{Command, Request},
    response::{FetchData, MsgAtt, Untagged},
    sync::{Change, SyncOptions, SyncState},
    types::{Flag, FlagSet, MailboxName, SeqNumber, Uid},
    view::{News, Numbering, View},
};
use mailwire_store::{
    AccountId, BodyWriter as _, Fields, ImapService, MailboxChange, MailboxPath, Store, Target, Uids,
    memory::MemoryStore,
};
use mailwire_transport::{
    Endpoint, Error, Result, Security, Stream,
    imap::{
        Capability, Client, Config, LoginMechanism, Server,
        client::{AppendOptions, Update},
    },
    sasl::{Authenticator, Credentials},
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, split};

/// A store that knows the password of `ada`.
trait Users: Store + Authenticator {}
impl<S: Store + Authenticator> Users for S {}

/// Numbers from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    CondStore,
    QResync,
    UidOnly,
    Notify,
    NotifyDelayed,
}
use Kind::{CondStore, Notify, NotifyDelayed, Plain, QResync, UidOnly};

const KINDS: [Kind; 8] = [Plain, Plain, CondStore, QResync, UidOnly, Notify, NotifyDelayed, NotifyDelayed];

/// A client with what it knows of the selected mailbox.
struct Session {
    kind: Kind,
    client: Client,
    view: View,
    flags: BTreeMap<Uid, FlagSet>,
    selected: bool,
    read_only: bool,
    random: Random,
    log: Vec<String>,
}

/// `\Recent` is each session's own.
fn lasting(flags: &FlagSet) -> FlagSet {
    flags.iter().filter(|flag| **flag != Flag::Recent).cloned().collect()
}

impl Session {
    async fn new(store: &impl Users, kind: Kind, seed: u64) -> Self {
        let mut client = connect(store, usize::MAX).await.unwrap();
        let enable = match kind {
            QResync => Some(Capability::QResync),
            UidOnly => Some(Capability::UidOnly),
            CondStore => Some(Capability::CondStore),
            _ => None,
        };
        if let Some(capability) = enable {
            assert_eq!(client.enable([capability.clone()]).await.unwrap(), [capability]);
        }
        let (view, flags) = (View::default(), BTreeMap::new());
        let (random, log) = (Random(seed), Vec::new());
        let mut session = Self { kind, client, view, flags, selected: false, read_only: false, random, log };
        session.listen().await;
        session.select(false).await;
        session
    }

    /// Says what it wants to be told.
    async fn listen(&mut self) {
        let filter = match self.kind {
            Notify => "SELECTED",
            NotifyDelayed => "SELECTED-DELAYED",
            _ => return,
        };
        let events = match self.random.below(4) {
            0 => "NONE",
            1 => "(MessageNew MessageExpunge)",
            2 => "(MessageNew (UID FLAGS) MessageExpunge FlagChange)",
            _ => "(MessageNew MessageExpunge FlagChange)",
        };
        let others = "(PERSONAL (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange))";
        self.call(&format!("NOTIFY SET ({filter} {events}) {others}")).await;
    }

    /// Sends a command, and takes account of all that comes with it.
    async fn call(&mut self, command: &str) {
        self.log.push(command.to_owned());
        let request = Request::parse(&format!("a {command}").into(), Dialect::Strict).unwrap();
        let Command::Other(_) = request.value.command else {
            match self.client.call(request.value.command).await {
                Ok(answer) => answer.data.into_iter().for_each(|data| self.apply(&data)),
                Err(error) => panic!("{command}: {error}\n{:#?}", self.log),
            }
            return self.take_updates();
        };
        panic!("{command}");
    }

    /// What came with calls that are not by hand.
    fn take_updates(&mut self) {
        let updates: Vec<Update> = self.client.updates().collect();
        for update in updates {
            match update {
                Update::Exists(exists) => self.apply(&Untagged::Exists(exists)),
                Update::Expunge(number) => self.apply(&Untagged::Expunge(Some(number))),
                Update::Vanished(vanished) => self.apply(&Untagged::Vanished(vanished)),
                Update::Flags { number, uid, flags, .. } => {
                    let uid = uid.map(MsgAtt::Uid).into_iter();
                    let items: Vec<_> = uid.chain([MsgAtt::Flags(flags)]).collect();
                    self.apply(&Untagged::Fetch(FetchData::new(number, items)));
                }
                Update::UidFlags { uid, flags, .. } => {
                    self.apply(&Untagged::Fetch(FetchData::by_uid(uid, vec![MsgAtt::Flags(flags)])));
                }
                Update::Data(data) => self.apply(&data),
                Update::Notice(_) | Update::Recent(_) => {}
                other => panic!("{other:?}\n{:#?}", self.log),
            }
        }
    }

    fn apply(&mut self, data: &Untagged) {
        if !self.selected {
            return;
        }
        if matches!(
            data,
            Untagged::Exists(_) | Untagged::Expunge(_) | Untagged::Vanished(_) | Untagged::Fetch(_)
        ) {
            self.log.push(format!("  {data:?}"));
        }
        match self.view.apply(data) {
            News::Gone(uid) => drop(self.flags.remove(&uid)),
            News::Vanished { .. } => {
                let Untagged::Vanished(vanished) = data else { panic!() };
                for (low, high) in vanished.uids.normalized() {
                    self.flags.retain(|uid, _| !(low..=high).contains(uid));
                }
            }
            News::Flags { uid } => {
                let Untagged::Fetch(fetch) = data else { panic!() };
                let flags = fetch.items.iter().find_map(|item| match item {
                    MsgAtt::Flags(flags) => Some(lasting(flags)),
                    _ => None,
                });
                self.flags.insert(uid, flags.unwrap());
            }
            _ => {}
        }
        assert_eq!(self.view.doubt(), None, "{data:?}\n{:#?}", self.log);
    }

    async fn select(&mut self, read_only: bool) {
        self.log.push(if read_only { "EXAMINE" } else { "SELECT" }.to_owned());
        let inbox = MailboxName::INBOX;
        let selected =
            if read_only { self.client.examine(inbox).await } else { self.client.select(inbox).await };
        selected.unwrap();
        self.client.updates().for_each(drop);
        let numbering = if self.kind == UidOnly { Numbering::UidOnly } else { Numbering::Numbers };
        self.view = View::new(self.client.exists().unwrap(), numbering);
        self.flags.clear();
        (self.selected, self.read_only) = (true, read_only);
        self.call("UID FETCH 1:* (UID FLAGS)").await;
    }

    /// Some of the messages that it knows, as a set of UIDs.
    fn some(&mut self) -> Option<String> {
        let percent = [5, 20, 60][self.random.below(3)];
        let random = &mut self.random;
        let uids: Vec<_> = self.flags.keys().filter(|_| random.chance(percent)).map(Uid::to_string).collect();
        (!uids.is_empty()).then(|| uids.join(","))
    }

    /// One of the numbers that it knows, where they hold still.
    fn number(&mut self) -> Option<SeqNumber> {
        let holds = !matches!(self.kind, UidOnly | Notify);
        SeqNumber::new(self.random.below(self.view.len() as usize) as u32 + 1)
            .filter(|_| holds && !self.view.is_empty())
    }

    async fn idle(&mut self) {
        self.log.push("IDLE".to_owned());
        let idle = self.client.idle().await.unwrap();
        for _ in 0..self.random.below(30) {
            tokio::task::yield_now().await;
        }
        idle.done().await.unwrap();
        self.take_updates();
    }

    fn flag(&mut self) -> &'static str {
        ["\\Seen", "\\Flagged", "\\Answered", "$Junk", "\\Deleted"][self.random.below(5)]
    }

    /// Does something.
    async fn step(&mut self) {
        if !self.selected {
            let read_only = self.random.chance(20);
            return self.select(read_only).await;
        }
        let (some, number, flag) = (self.some(), self.number(), self.flag());
        let action = if self.random.chance(70) { "+FLAGS" } else { "-FLAGS" };
        let writes = !self.read_only;
        match (self.random.below(24), some, number) {
            (0, ..) => self.call("NOOP").await,
            (1, Some(some), _) => self.call(&format!("UID FETCH {some} (FLAGS)")).await,
            (2, _, Some(number)) => self.call(&format!("FETCH {number} (UID FLAGS)")).await,
            (3..6, Some(some), _) if writes => {
                let since = if self.kind == CondStore && self.random.chance(50) {
                    let mod_seq = self.client.highest_mod_seq().map_or(0, mailwire_imap::types::ModSeq::get);
                    format!("(UNCHANGEDSINCE {mod_seq}) ")
                } else {
                    String::new()
                };
                self.call(&format!("UID STORE {some} {since}{action} ({flag})")).await;
            }
            (6, _, Some(number)) if writes => self.call(&format!("STORE {number} {action} ({flag})")).await,
            (7, ..) if writes => self.call("EXPUNGE").await,
            (8, Some(some), _) if writes => self.call(&format!("UID EXPUNGE {some}")).await,
            (9, Some(some), _) => self.call(&format!("UID COPY {some} INBOX")).await,
            (10, Some(some), _) => self.call(&format!("UID COPY {some} other")).await,
            (11, Some(some), _) if writes && self.random.chance(40) => {
                self.call(&format!("UID MOVE {some} other")).await;
            }
            (12, _, Some(_)) => self.call("SEARCH FLAGGED").await,
            (13, ..) => self.call("UID SEARCH NOT DELETED").await,
            (14..17, ..) => {
                self.log.push("APPEND".to_owned());
                let options = AppendOptions::new().with_flags([Flag::Seen]);
                let count = if self.random.chance(70) { 1 } else { 3 };
                let messages = (0..count).map(|_| (options.clone(), "Subject: x\r\n\r\nx\r\n"));
                self.client.append_all("INBOX", messages).await.unwrap();
                self.take_updates();
            }
            (17, Some(some), _) if writes => {
                self.log.push(format!("REPLACE {some}"));
                let uid: Uid = some.split(',').next().unwrap().parse().unwrap();
                let options = AppendOptions::new();
                match self.client.uid_replace(uid, "INBOX", options, "Subject: y\r\n\r\ny\r\n").await {
                    // It can be gone.
                    Ok(_) | Err(Error::Refused(_)) => {}
                    Err(error) => panic!("{error}"),
                }
                self.take_updates();
            }
            (18 | 19, ..) => self.idle().await,
            (20, ..) => {
                self.log.push("RENAME".to_owned());
                let names = ["x", "y", "y/z", "x/z"];
                let (from, to) = (names[self.random.below(4)], names[self.random.below(4)]);
                match self.client.rename(from, to).await {
                    Ok(()) | Err(Error::Refused(_)) => {}
                    Err(error) => panic!("{error}"),
                }
                self.take_updates();
            }
            (21, ..) => self.listen().await,
            (22, ..) if self.random.chance(50) => {
                let close = self.random.chance(50);
                self.log.push(if close { "CLOSE" } else { "UNSELECT" }.to_owned());
                let left = if close { self.client.close().await } else { self.client.unselect().await };
                left.unwrap();
                self.client.updates().for_each(drop);
                self.selected = false;
            }
            (23, ..) if self.random.chance(50) => {
                let read_only = self.random.chance(30);
                self.select(read_only).await;
            }
            _ => {}
        }
    }

    /// Sees what there is: nothing happens any more.
    async fn check(&mut self, truth: &BTreeMap<Uid, FlagSet>, seed: u64) {
        if !self.selected {
            self.select(false).await;
        }
        if matches!(self.kind, Notify | NotifyDelayed) {
            self.call("NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge FlagChange))").await;
        }
        self.call("NOOP").await;
        let told = std::mem::take(&mut self.flags);
        self.call("UID FETCH 1:* (UID FLAGS)").await;
        let context = || format!("seed {seed}, {:?}: {:#?}", self.kind, self.log);
        assert_eq!(self.view.len() as usize, truth.len(), "{}", context());
        assert_eq!(&self.flags, truth, "{}", context());
        for (uid, flags) in &told {
            assert_eq!(truth.get(uid), Some(flags), "{uid}, {}", context());
        }
        if self.kind != UidOnly {
            let uids: Vec<Uid> = self
                .view
                .uids()
                .flat_map(|(low, high)| (low.get()..=high.get()).map(|n| Uid::new(n).unwrap()))
                .collect();
            assert!(uids.iter().eq(truth.keys()), "{}", context());
        }
    }
}

/// A client that keeps a mirror, and whose connections end.
#[derive(Default)]
struct Mirror {
    messages: BTreeMap<Uid, FlagSet>,
    state: SyncState,
}

impl Mirror {
    async fn sync(&mut self, store: &impl Users, lines: usize) -> Result<()> {
        let mut client = connect(store, lines).await?;
        let known: Vec<_> = self.messages.keys().map(|uid| (*uid, *uid)).collect();
        let mut syncing =
            client.sync(self.state.clone(), known, SyncOptions::new(MailboxName::INBOX)).await?;
        while let Some(change) = syncing.next().await? {
            match change {
                Change::Reset { .. } => self.messages.clear(),
                Change::New { uid, flags, .. } | Change::Flags { uid, flags } => {
                    self.messages.insert(uid, lasting(&flags));
                }
                Change::Gone { first, last } => self.messages.retain(|uid, _| !(first..=last).contains(uid)),
                _ => {}
            }
            self.state = syncing.state().clone();
        }
        Ok(())
    }
}

async fn connect(store: &impl Users, lines: usize) -> Result<Client> {
    let (mut ours, theirs) = tokio::io::duplex(1 << 16);
    let server = Server::new(ImapService::new(store.clone()));
    tokio::spawn(async move { server.serve_stream(Stream::other(theirs), Channel::Tls).await });
    if lines != usize::MAX {
        let (near, middle) = tokio::io::duplex(1 << 16);
        tokio::spawn(cut(middle, std::mem::replace(&mut ours, near), lines));
    }
    let mut config = Config::login(Credentials::password("ada", "secret"));
    config.allow_clear_credentials = true;
    config.mechanism = Some(LoginMechanism::Login);
    let endpoint = Endpoint::tcp("localhost", 1, Security::plaintext_without_encryption());
    Client::over(Stream::other(ours), endpoint, config).await
}

/// Hands lines on in both directions, so many from the server.
async fn cut(client: DuplexStream, server: DuplexStream, lines: usize) {
    let (mut from_client, mut to_client) = split(client);
    let (from_server, mut to_server) = split(server);
    let up = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    let mut from_server = BufReader::new(from_server);
    for _ in 0..lines {
        let mut line = Vec::new();
        if from_server.read_until(b'\n', &mut line).await.unwrap_or(0) == 0
            || to_client.write_all(&line).await.is_err()
        {
            break;
        }
    }
    up.abort();
}

async fn messages(store: &impl Store, ada: AccountId) -> BTreeMap<Uid, FlagSet> {
    let inbox = store.mailbox(ada, &MailboxPath::inbox()).await.unwrap().id;
    let all = Uids::range(Uid::MIN, Uid::MAX);
    let rows = store.messages(inbox, &all, Fields::new().with_flags(true), usize::MAX).await.unwrap();
    rows.into_iter().map(|row| (row.uid, row.flags)).collect()
}

async fn deliver(store: &impl Store, ada: AccountId, raw: &'static str) {
    let mut body = store.body(&[ada], None).await.unwrap();
    body.write(raw.into()).await.unwrap();
    let body = body.finish().await.unwrap();
    store.deliver(body, &[Target::inbox(ada)]).await.remove(0).unwrap();
}

/// Sessions at stores that show the same mail: each is at one of them.
async fn history(stores: &[impl Users], seed: u64, steps: usize) {
    let random = &mut Random(seed);
    let store = &stores[0];
    let ada = store.account("ada").await.unwrap();
    for name in ["other", "x", "x/z"] {
        let path = MailboxPath::new(name).unwrap();
        store.alter(ada, MailboxChange::Create { path, special_use: None }).await.unwrap();
    }
    for _ in 0..10 {
        deliver(store, ada, "Subject: first\r\n\r\nx\r\n").await;
    }
    let mut sessions = Vec::new();
    for (place, kind) in KINDS.into_iter().enumerate() {
        sessions.push(Session::new(&stores[place % stores.len()], kind, seed * 100 + place as u64).await);
    }
    let mut mirror = Mirror::default();
    for _ in 0..steps {
        let one = random.below(sessions.len());
        let mut other = sessions.swap_remove(one);
        let place = random.below(sessions.len());
        match random.below(10) {
            // Two at a time, and a mirror that is cut meanwhile.
            0..5 => drop(tokio::join!(other.step(), sessions[place].step())),
            5 => {
                let (lines, at) = (4 + random.below(40), &stores[random.below(stores.len())]);
                let _ = tokio::join!(other.step(), mirror.sync(at, lines));
            }
            6 => deliver(&stores[random.below(stores.len())], ada, "Subject: new\r\n\r\nx\r\n").await,
            _ => other.step().await,
        }
        sessions.push(other);
    }
    let truth = messages(store, ada).await;
    for session in &mut sessions {
        session.check(&truth, seed).await;
    }
    mirror.sync(store, usize::MAX).await.unwrap();
    assert_eq!(mirror.messages, truth, "seed {seed}: the mirror");
}

/// Histories from some seeds on, over new stores each.
async fn histories<S: Users, F: Future<Output = Vec<S>>>(mut make: impl FnMut() -> F, seeds: u64) {
    let number = |name: &str| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let first = number("MAILWIRE_SEED").unwrap_or(0);
    for seed in first..first + number("MAILWIRE_SEEDS").unwrap_or(seeds) {
        // A panic within is told with the seed.
        let stores = make().await;
        let told = tokio::time::timeout(Duration::from_secs(3600), history(&stores, seed, 60));
        let caught = futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(told)).await;
        assert!(matches!(caught, Ok(Ok(()))), "MAILWIRE_SEED={seed} MAILWIRE_SEEDS=1");
    }
}

#[tokio::test(start_paused = true)]
async fn every_view_is_the_stores() {
    let make = || async {
        let store = MemoryStore::new();
        store.add_user("ada", "secret").unwrap();
        vec![store]
    };
    histories(make, 8).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(start_paused = true)]
async fn every_view_is_the_stores_in_a_file() {
    use mailwire_store::sqlite::{Config, SqliteStore};

    let folder = file::Folder::new();
    let mut made = 0;
    let make = || {
        made += 1;
        let path = folder.path(&format!("{made}.db"));
        async move {
            let store = SqliteStore::open(path, Config::new()).unwrap();
            store.add_user("ada", "secret").await.unwrap();
            vec![store]
        }
    };
    histories(make, 3).await;
}

/// One server of mail, two, and three over one database.
#[cfg(feature = "postgres")]
#[tokio::test]
async fn every_view_is_the_stores_on_several_servers() {
    let Some(server) = postgres_server::url() else { return };
    for nodes in 1..=3 {
        let make = async || {
            let place = postgres_server::place(&server).await;
            let mut stores = Vec::new();
            for _ in 0..nodes {
                stores.push(postgres_server::node(&place).await);
            }
            stores[0].add_user("ada", "secret").await.unwrap();
            stores
        };
        histories(make, 2).await;
    }
}
