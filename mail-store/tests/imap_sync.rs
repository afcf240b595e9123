//! Mirrors of mailboxes, over the client, the server and the memory store: connections are cut anywhere, and the
//! mirror ends equal to the store.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;

use mailwire_core::Channel;
use mailwire_imap::{
    command::StoreAction,
    sync::{Change, SyncOptions, SyncState},
    types::{Flag, FlagSet, MailboxName, ModSeq, Uid},
};
use mailwire_store::{
    Fields, FlagChange, How, ImapService, Store as _, Uids, Which,
    memory::{MemoryStore, User},
};
use mailwire_transport::{
    Endpoint, Result, Security, Stream,
    imap::{Client, Config, LoginMechanism, Server, client::Syncing},
    sasl::Credentials,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, split};

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

/// What an application keeps of a mailbox.
#[derive(Debug, Clone, Default, PartialEq)]
struct Mirror {
    messages: BTreeMap<Uid, FlagSet>,
    state: SyncState,
}

impl Mirror {
    fn apply(&mut self, change: Change) {
        match change {
            Change::Reset { .. } => self.messages.clear(),
            Change::New { uid, flags, .. } | Change::Flags { uid, flags } => {
                self.messages.insert(uid, flags);
            }
            Change::Gone { first, last } => self.messages.retain(|uid, _| !(first..=last).contains(uid)),
            _ => {}
        }
    }

    fn known(&self) -> Vec<(Uid, Uid)> {
        self.messages.keys().map(|uid| (*uid, *uid)).collect()
    }
}

/// A mailbox that changes by itself.
struct Mailbox {
    store: MemoryStore,
    user: User,
}

impl Mailbox {
    fn new() -> Self {
        let store = MemoryStore::new();
        let user = store.add_user("ada", "secret").unwrap();
        user.create("other", None).unwrap();
        Self { store, user }
    }

    async fn messages(&self) -> BTreeMap<Uid, FlagSet> {
        let inbox = self.user.status("INBOX").unwrap().id;
        let all = Uids::range(Uid::MIN, Uid::MAX);
        let rows =
            self.store.messages(inbox, &all, Fields::new().with_flags(true), usize::MAX).await.unwrap();
        rows.into_iter().map(|row| (row.uid, row.flags)).collect()
    }

    /// Something happens.
    async fn change(&self, random: &mut Random) {
        let status = self.user.status("INBOX").unwrap();
        let messages: Vec<Uid> = self.messages().await.into_keys().collect();
        let some: Uids = messages.iter().filter(|_| random.chance(10)).copied().collect();
        match random.below(10) {
            0..4 => {
                for _ in 0..=random.below(3) {
                    self.user.deliver("Subject: x\r\n\r\nx\r\n".into()).unwrap();
                }
            }
            4..7 => {
                let flag = [Flag::Seen, Flag::Flagged, Flag::Answered][random.below(3)].clone();
                let action = if random.chance(70) { StoreAction::Add } else { StoreAction::Remove };
                let change = FlagChange::new(action, [flag].into());
                self.store.store(status.id, &some, &change).await.unwrap();
            }
            7..9 => drop(self.store.expunge(status.id, &some, Which::All).await.unwrap()),
            _ => {
                let other = self.user.status("other").unwrap().id;
                self.store.copy(status.id, &some, other, How::Move).await.unwrap();
            }
        }
    }

    /// A client over a connection that hides some of what the server can do, and ends after so many lines.
    async fn connect(&self, hidden: &'static [&'static str], lines: usize) -> Result<Client> {
        let (ours, middle) = tokio::io::duplex(64 << 10);
        let (theirs, far) = tokio::io::duplex(64 << 10);
        let server = Server::new(ImapService::new(self.store.clone()));
        tokio::spawn(async move { server.serve_stream(Stream::other(theirs), Channel::Tls).await });
        tokio::spawn(hide(middle, far, hidden, lines));
        let mut config = Config::login(Credentials::password("ada", "secret"));
        config.allow_clear_credentials = true;
        config.mechanism = Some(LoginMechanism::Login);
        Client::over(
            Stream::other(ours),
            Endpoint::tcp("localhost", 1, Security::plaintext_without_encryption()),
            config,
        )
        .await
    }
}

/// Hands lines on in both directions.
async fn hide(client: DuplexStream, server: DuplexStream, hidden: &[&str], lines: usize) {
    let (from_client, mut to_client) = split(client);
    let (from_server, mut to_server) = split(server);
    let mut from_client = from_client;
    let up = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    let mut from_server = BufReader::new(from_server);
    for _ in 0..lines {
        let mut line = Vec::new();
        if from_server.read_until(b'\n', &mut line).await.unwrap_or(0) == 0 {
            break;
        }
        let mut line = String::from_utf8(line).unwrap();
        if line.contains("CAPABILITY") {
            for name in hidden {
                line = line.replace(name, &"X".repeat(name.len()));
            }
        }
        if to_client.write_all(line.as_bytes()).await.is_err() {
            break;
        }
    }
    up.abort();
}

/// Takes changes until the mirror is in step; an error is a cut.
async fn catch_up(syncing: &mut Syncing<'_>, mirror: &mut Mirror) -> Result<()> {
    while let Some(change) = syncing.next().await? {
        mirror.apply(change);
        mirror.state = syncing.state().clone();
    }
    assert_eq!(syncing.in_doubt(), None, "{:?}", syncing);
    Ok(())
}

const HIDDEN: [&[&str]; 4] =
    [&[], &["QRESYNC"], &["QRESYNC", "CONDSTORE"], &["QRESYNC", "CONDSTORE", "ESEARCH", "PARTIAL"]];

#[tokio::test]
async fn a_mirror_survives_cuts() {
    for seed in 0..60 {
        let random = &mut Random(seed);
        let mailbox = Mailbox::new();
        let mut mirror = Mirror::default();
        for session in 0..8 {
            for _ in 0..random.below(6) {
                mailbox.change(random).await;
            }
            let last = session == 7;
            let lines = if last || random.chance(40) { usize::MAX } else { 6 + random.below(60) };
            let options = SyncOptions::new(MailboxName::INBOX).with_batch(2 + random.below(20) as u32);
            let Ok(mut client) = mailbox.connect(HIDDEN[random.below(4)], lines).await else { continue };
            let stepwise = random.chance(30);
            let sync =
                client.sync(mirror.state.clone(), mirror.known(), options.with_stepwise(stepwise)).await;
            let mut syncing = sync.unwrap();
            if catch_up(&mut syncing, &mut mirror).await.is_err() {
                continue;
            }
            assert_eq!(mirror.messages, mailbox.messages().await, "seed {seed}, session {session}");
            // From here on, the server pushes.
            for _ in 0..random.below(4) {
                mailbox.change(random).await;
                let truth = mailbox.messages().await;
                let mut cut = false;
                while mirror.messages != truth && !cut {
                    match syncing.wait().await {
                        Ok(change) => {
                            mirror.apply(change);
                            mirror.state = syncing.state().clone();
                        }
                        Err(_) => cut = true,
                    }
                }
                if cut {
                    break;
                }
            }
            assert!(!last || mirror.messages == mailbox.messages().await, "seed {seed}: the end");
        }
    }
}

/// A client that comes back asks for what has changed, not for what it has.
#[tokio::test]
async fn a_mirror_in_step_costs_what_is_new() {
    for hidden in HIDDEN {
        let mailbox = Mailbox::new();
        for _ in 0..2000 {
            mailbox.user.deliver("Subject: x\r\n\r\nx\r\n".into()).unwrap();
        }
        let mut mirror = Mirror::default();
        let options = SyncOptions::new(MailboxName::INBOX);
        let mut client = mailbox.connect(hidden, usize::MAX).await.unwrap();
        let mut syncing = client.sync(SyncState::default(), [], options.clone()).await.unwrap();
        catch_up(&mut syncing, &mut mirror).await.unwrap();
        assert_eq!(mirror.messages.len(), 2000);
        let mod_seqs = !hidden.contains(&"CONDSTORE");
        assert!(mirror.state.is_in_step() && mirror.state.to_bytes().len() < 40);
        // Flags that were read from a plain server are read again.
        let stored = SyncState::from_bytes(&mirror.state.to_bytes()).unwrap();
        assert_eq!(stored.is_in_step(), mod_seqs);

        let inbox = mailbox.user.status("INBOX").unwrap().id;
        let some: Uids = (1..=10).filter_map(|uid| Uid::new(uid * 7)).collect();
        let flags = FlagChange::new(StoreAction::Add, [Flag::Flagged].into());
        mailbox.store.store(inbox, &some, &flags).await.unwrap();
        let gone: Uids = [11, 12, 500].into_iter().filter_map(Uid::new).collect();
        mailbox.store.expunge(inbox, &gone, Which::All).await.unwrap();
        mailbox.user.deliver("Subject: x\r\n\r\nx\r\n".into()).unwrap();

        // With modification sequences, it comes within some lines. Without QRESYNC, a search names what is left.
        let lines = if mod_seqs { 60 } else { usize::MAX };
        let mut client = mailbox.connect(hidden, lines).await.unwrap();
        let sync = client.sync(mirror.state.clone(), mirror.known(), options).await;
        let mut syncing = sync.unwrap();
        catch_up(&mut syncing, &mut mirror).await.unwrap();
        assert_eq!(mirror.messages, mailbox.messages().await, "{hidden:?}");
    }
}

/// The identifiers of a mailbox that was made anew are not those of the old one.
#[tokio::test]
async fn a_mailbox_that_was_made_anew_is_read_anew() {
    let mailbox = Mailbox::new();
    let sync = async |mirror: &mut Mirror| {
        let mut client = mailbox.connect(&[], usize::MAX).await.unwrap();
        let options = SyncOptions::new(MailboxName::new("other").unwrap());
        let mut syncing = client.sync(mirror.state.clone(), mirror.known(), options).await.unwrap();
        catch_up(&mut syncing, mirror).await.unwrap();
    };
    let mut mirror = Mirror::default();
    let append = || {
        mailbox.user.append("other", mailwire_store::memory::NewMessage::new("x\r\n".into())).unwrap();
    };
    append();
    append();
    sync(&mut mirror).await;
    assert_eq!(mirror.messages.len(), 2);
    let before = mirror.state.uid_validity();
    mailbox.user.delete("other").unwrap();
    mailbox.user.create("other", None).unwrap();
    append();
    sync(&mut mirror).await;
    assert_eq!(mirror.messages.len(), 1);
    assert_ne!(mirror.state.uid_validity(), before);
    assert!(mirror.state.segments().all(|segment| segment.anchor > Some(ModSeq::ZERO)));
}

#[tokio::test]
async fn a_mailbox_that_is_not_there_is_refused() {
    let mailbox = Mailbox::new();
    let mut client = mailbox.connect(&[], usize::MAX).await.unwrap();
    let options = SyncOptions::new(MailboxName::new("nothing").unwrap());
    let mut syncing = client.sync(SyncState::default(), [], options).await.unwrap();
    let error = loop {
        match syncing.next().await {
            Ok(Some(Change::Checkpoint)) => {}
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert!(
        error
            .refused()
            .is_some_and(|refused| refused.code.as_ref().is_some_and(|code| *code == "NONEXISTENT")),
        "{error:?}"
    );
    client.noop().await.unwrap();
}
