//! A mailbox that changes, and what an application keeps of it.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use std::{collections::BTreeMap, future::pending};

use mailwire_core::Channel;
use mailwire_imap::{
    command::StoreAction,
    sync::{Change, SyncState},
    types::{Flag, FlagSet, Uid},
};
use mailwire_store::{
    Fields, FlagChange, How, ImapService, Store as _, Uids, Which,
    memory::{MemoryStore, User},
};
use mailwire_transport::{
    Endpoint, Result, Security, Stream,
    imap::{Client, Config, LoginMechanism, Server},
    sasl::Credentials,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, split};

/// Numbers from a seed.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// What an application keeps of a mailbox.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mirror {
    pub messages: BTreeMap<Uid, FlagSet>,
    pub state: SyncState,
}

impl Mirror {
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Reset { .. } => self.messages.clear(),
            Change::New { uid, flags, .. } | Change::Flags { uid, flags } => {
                self.messages.insert(uid, flags);
            }
            Change::Gone { first, last } => self.messages.retain(|uid, _| !(first..=last).contains(uid)),
            _ => {}
        }
    }

    pub fn known(&self) -> Vec<(Uid, Uid)> {
        self.messages.keys().map(|uid| (*uid, *uid)).collect()
    }
}

/// A mailbox that changes by itself.
pub struct Mailbox {
    pub store: MemoryStore,
    pub user: User,
}

impl Mailbox {
    pub fn new() -> Self {
        let store = MemoryStore::new();
        let user = store.add_user("ada", "secret").unwrap();
        user.create("other", None).unwrap();
        Self { store, user }
    }

    pub async fn messages(&self) -> BTreeMap<Uid, FlagSet> {
        let inbox = self.user.status("INBOX").unwrap().id;
        let all = Uids::range(Uid::MIN, Uid::MAX);
        let rows =
            self.store.messages(inbox, &all, Fields::new().with_flags(true), usize::MAX).await.unwrap();
        rows.into_iter().map(|row| (row.uid, row.flags)).collect()
    }

    /// Something happens.
    pub async fn change(&self, random: &mut Random) {
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
    pub async fn connect(&self, hidden: &'static [&'static str], lines: usize) -> Result<Client> {
        self.connect_as("secret", hidden, lines, End::Cut).await
    }

    /// A client with this password.
    pub async fn connect_as(
        &self,
        password: &str,
        hidden: &'static [&'static str],
        lines: usize,
        end: End,
    ) -> Result<Client> {
        let (ours, middle) = tokio::io::duplex(64 << 10);
        let (theirs, far) = tokio::io::duplex(64 << 10);
        let server = Server::new(ImapService::new(self.store.clone()));
        tokio::spawn(async move { server.serve_stream(Stream::other(theirs), Channel::Tls).await });
        tokio::spawn(hide(middle, far, hidden, lines, end));
        let mut config = Config::login(Credentials::password("ada", password));
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

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum End {
    Cut,
    /// Nothing comes any more, and nobody says so.
    Silence,
}

/// Hands lines on in both directions.
async fn hide(client: DuplexStream, server: DuplexStream, hidden: &[&str], lines: usize, end: End) {
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
    if end == End::Silence {
        pending::<()>().await;
    }
    up.abort();
}

/// Some of what a server can do is hidden.
pub const HIDDEN: [&[&str]; 4] =
    [&[], &["QRESYNC"], &["QRESYNC", "CONDSTORE"], &["QRESYNC", "CONDSTORE", "ESEARCH", "PARTIAL"]];
