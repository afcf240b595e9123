//! Accounts, the connections to them, and what comes by chance.

use std::{
    future::Future,
    path::{Path, PathBuf},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
    task::Poll,
};

use anyhow::Result;
use bytes::Bytes;
use mailwire_core::Channel;
use mailwire_examples::maildir::Letters;
use mailwire_store::{
    ImapService,
    memory::{MemoryStore, NewMessage, User},
};
use mailwire_transport::{
    Endpoint, Security, Stream,
    imap::{
        Client, Config, FetchAtt, Flag, LoginMechanism, Server,
        proto::types::{FlagSet, Section},
    },
    sasl::Credentials,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

/// An account whose connections can be cut, and whose server can be made to offer less.
#[derive(Clone)]
pub(crate) struct Account {
    store: MemoryStore,
    pub(crate) user: User,
    /// How many bytes go over its connections before the one that is there then is cut.
    budget: Arc<AtomicI64>,
    hidden: Vec<&'static str>,
    /// The size of the largest message that the server takes.
    largest: u64,
    /// A connection over which this comes is cut.
    poison: Option<&'static str>,
}

const NEVER: i64 = i64::MAX;

impl Account {
    pub(crate) fn new() -> Self {
        let store = MemoryStore::new();
        let user = store.add_user("anna", "secret").unwrap();
        let budget = Arc::new(AtomicI64::new(NEVER));
        Self { store, user, budget, hidden: Vec::new(), largest: 1 << 30, poison: None }
    }

    /// Each connection ends at this text, in whichever direction it goes.
    pub(crate) fn end_at(&mut self, poison: Option<&'static str>) {
        self.poison = poison;
    }

    /// The server takes no larger messages.
    pub(crate) fn take_at_most(&mut self, bytes: u64) {
        self.largest = bytes;
    }

    pub(crate) fn hide(&mut self, capabilities: &[&'static str]) {
        self.hidden = capabilities.to_vec();
    }

    /// Cuts the connection that is there after so many bytes.
    pub(crate) fn cut_after(&self, bytes: i64) {
        self.budget.store(bytes, Ordering::SeqCst);
    }

    pub(crate) fn cut_never(&self) {
        self.cut_after(NEVER);
    }

    pub(crate) async fn connect(&self) -> Result<Client> {
        let (ours, middle) = tokio::io::duplex(64 << 10);
        let (theirs, far) = tokio::io::duplex(64 << 10);
        let largest = self.largest;
        let server = Server::new(ImapService::new(self.store.clone()));
        let server = server.configure(|config| config.limits.message = largest);
        tokio::spawn(async move { server.serve_stream(Stream::other(theirs), Channel::Tls).await });
        tokio::spawn(pass(middle, far, self.clone()));
        let mut config = Config::login(Credentials::password("anna", "secret"));
        config.allow_clear_credentials = true;
        config.mechanism = Some(LoginMechanism::Login);
        let endpoint = Endpoint::tcp("localhost", 143, Security::plaintext_without_encryption());
        Ok(Client::over(Stream::other(ours), endpoint, config).await?)
    }

    pub(crate) fn add(&self, mailbox: &str, raw: &str, letters: Letters) {
        let message = NewMessage::new(Bytes::from(raw.to_owned())).with_flags(letters.flags().collect());
        self.user.append(mailbox, message).unwrap();
    }

    /// Runs something with a connection that is not cut.
    pub(crate) fn with<T>(&self, work: impl AsyncFnOnce(&mut Client) -> T) -> T {
        let budget = Arc::new(AtomicI64::new(NEVER));
        let sure = Self { budget, hidden: Vec::new(), poison: None, ..self.clone() };
        run(async {
            let mut client = sure.connect().await.unwrap();
            work(&mut client).await
        })
    }

    /// The messages of a mailbox with the flags that a Maildir has, sorted.
    pub(crate) fn contents(&self, mailbox: &str) -> Vec<(String, Letters)> {
        let all = self.messages(mailbox).into_iter();
        let mut contents: Vec<_> = all.map(|(raw, flags, _)| (raw, Letters::of_flags(&flags))).collect();
        contents.sort();
        contents
    }

    /// The messages of a mailbox with their flags and dates, by their UIDs.
    pub(crate) fn messages(&self, mailbox: &str) -> Vec<Message> {
        self.with(async |client| messages(client, mailbox).await)
    }
}

/// A message with its flags and its date.
pub(crate) type Message = (String, FlagSet, i64);

pub(crate) async fn messages(client: &mut Client, mailbox: &str) -> Vec<Message> {
    client.select(mailbox).await.unwrap();
    let body = FetchAtt::BodySection { section: Section::WHOLE, partial: None, peek: true };
    let mut found = Vec::new();
    if client.exists() != Some(0) {
        let all = client.uid_search([]).await.unwrap();
        let items = [FetchAtt::Flags, FetchAtt::InternalDate, body];
        let mut messages = client.uid_fetch(&all, items).await.unwrap();
        while let Some(message) = messages.next().await.unwrap() {
            let raw = String::from_utf8(message.body().unwrap().to_vec()).unwrap();
            let mut flags = message.flags().unwrap().clone();
            flags.remove(&Flag::Recent);
            found.push((raw, flags, message.internal_date().unwrap().to_unix()));
        }
    }
    found
}

/// Passes bytes on in both directions, until the account's budget is used up.
async fn pass(client: DuplexStream, server: DuplexStream, account: Account) {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let pay = |bytes: &[u8]| {
        let length = bytes.len() as i64;
        let poison = account.poison.map_or(&b""[..], str::as_bytes);
        let poisoned = !poison.is_empty() && bytes.windows(poison.len()).any(|word| word == poison);
        !poisoned && account.budget.fetch_sub(length, Ordering::SeqCst) > length
    };
    let up = async {
        let mut piece = vec![0; 1 << 12];
        while let Ok(length @ 1..) = from_client.read(&mut piece).await {
            if !pay(&piece[..length]) || to_server.write_all(&piece[..length]).await.is_err() {
                break;
            }
        }
    };
    let down = async {
        let mut piece = vec![0; 1 << 12];
        while let Ok(length @ 1..) = from_server.read(&mut piece).await {
            let bytes = &mut piece[..length];
            // Capabilities come in one piece, after a login.
            if bytes.windows(10).any(|word| word == b"CAPABILITY") {
                for name in &account.hidden {
                    let found = bytes.windows(name.len()).position(|word| word == name.as_bytes());
                    found.into_iter().for_each(|at| bytes[at..at + name.len()].fill(b'X'));
                }
            }
            if !pay(bytes) || to_client.write_all(bytes).await.is_err() {
                break;
            }
        }
    };
    // Whichever ends takes the other with it.
    tokio::select! { () = up => {}, () = down => {} }
    if account.budget.load(Ordering::SeqCst) <= 0 {
        account.cut_never();
    }
}

/// Runs to the end.
pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Runs, and drops the work after so many steps, with all that it has started. `None`: it was not done by then.
pub(crate) fn run_for<T>(steps: u32, work: impl Future<Output = T>) -> Option<T> {
    run(async {
        let mut work = pin!(work);
        let mut left = steps;
        std::future::poll_fn(|context| {
            if left == 0 {
                return Poll::Ready(None);
            }
            left -= 1;
            work.as_mut().poll(context).map(Some)
        })
        .await
    })
}

/// Numbers by chance, the same ones for the same seed.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// A number below this one.
    pub(crate) fn below(&mut self, most: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % most as u64) as usize
    }

    pub(crate) fn one_in(&mut self, most: usize) -> bool {
        self.below(most) == 0
    }

    pub(crate) fn letters(&mut self) -> Letters {
        let all = ['D', 'F', 'P', 'R', 'S', 'T'];
        Letters::of_name(&all.iter().filter(|_| self.one_in(3)).collect::<String>())
    }
}

/// A folder of a test's own, gone with this value.
pub(crate) struct TestFolder(PathBuf);

impl TestFolder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("accounts-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
