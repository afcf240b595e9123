//! What a peer can make a server do and hold, above the machines: in proportion to what it sends, what is stored
//! and what it gets, whatever it asks for.
//!
//! Bytes are counted, not time: those that the heap holds at most, those that are ever taken from it, and those
//! that are taken within one turn of the server's task, which is how long others wait.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use mailwire_core::Channel;
use mailwire_imap::{
    command::StoreAction,
    types::{Flag, FlagSet, Uid},
};
use mailwire_oracles::memory;
use mailwire_store::{
    FlagChange, ImapService, MAX_CHANGED, SmtpService, Store as _, Uids, Which,
    memory::{Config, MemoryStore, NewMessage, User},
};
use mailwire_transport::{Stream, imap, smtp};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::Mutex,
};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// One test at a time: all of them use the heap.
static ALONE: Mutex<()> = Mutex::const_new(());

/// A task, and the most that it took from the heap in one turn.
struct Turns<F> {
    task: Pin<Box<F>>,
    most: Arc<AtomicU64>,
}

impl<F: Future> Future for Turns<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let before = memory::taken();
        let result = self.task.as_mut().poll(cx);
        self.most.fetch_max(memory::taken() - before, Ordering::Relaxed);
        result
    }
}

struct Client {
    stream: DuplexStream,
    /// What the server took in one turn at most.
    turn: Arc<AtomicU64>,
    commands: u32,
    buffer: Vec<u8>,
}

/// What a command cost.
#[derive(Debug)]
struct Cost {
    /// Bytes that were held above what was held before.
    held: usize,
    /// Bytes that were taken.
    taken: u64,
    /// Bytes that were taken in one turn of the server's.
    turn: u64,
    /// Bytes that came.
    output: u64,
    answer: String,
}

impl Client {
    fn new<F: Future<Output = ()> + Send + 'static>(serve: impl FnOnce(Stream) -> F) -> Self {
        let (stream, theirs) = tokio::io::duplex(64 << 10);
        let turn = Arc::new(AtomicU64::new(0));
        tokio::spawn(Turns { task: Box::pin(serve(Stream::other(theirs))), most: Arc::clone(&turn) });
        Self { stream, turn, commands: 0, buffer: vec![0; 64 << 10] }
    }

    async fn imap(store: &MemoryStore) -> Self {
        let server = imap::Server::new(ImapService::new(store.clone())).configure(|config| {
            let limits = &mut config.limits;
            (limits.work, limits.message, limits.response) = (16 << 20, 16 << 20, 48 << 20);
        });
        let mut client = Self::new(|stream| async move {
            let _ = server.serve_stream(stream, Channel::Tls).await;
        });
        client.until(b"* OK").await;
        client.command("LOGIN ada secret").await;
        client
    }

    /// Reads to a line with this beginning, and gives it: the last that there is.
    async fn until(&mut self, begin: &[u8]) -> (u64, String) {
        let (mut count, mut last) = (0, Vec::new());
        loop {
            let read = self.stream.read(&mut self.buffer).await.unwrap();
            assert!(read > 0, "the server has closed the connection");
            count += read as u64;
            last.extend_from_slice(&self.buffer[..read]);
            let end = last.len().saturating_sub(4096);
            last.drain(..end);
            if let Some(text) = last.strip_suffix(b"\r\n") {
                let line = text.rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
                if line.starts_with(begin) {
                    return (count, String::from_utf8_lossy(line).into_owned());
                }
            }
        }
    }

    async fn command(&mut self, command: &str) -> Cost {
        self.commands += 1;
        let tag = format!("tag{} ", self.commands);
        let line = format!("{tag}{command}\r\n");
        memory::forget_peak();
        self.turn.store(0, Ordering::Relaxed);
        let (held, taken) = (memory::held(), memory::taken_by_all());
        self.stream.write_all(line.as_bytes()).await.unwrap();
        let (output, answer) = self.until(tag.as_bytes()).await;
        Cost {
            held: memory::peak() - held,
            taken: memory::taken_by_all() - taken,
            turn: self.turn.load(Ordering::Relaxed),
            output,
            answer: answer.strip_prefix(&tag).unwrap().to_owned(),
        }
    }

    async fn ok(&mut self, command: &str) -> Cost {
        let cost = self.command(command).await;
        assert!(cost.answer.starts_with("OK"), "{command:.100}: {}", cost.answer);
        cost
    }
}

fn store() -> (MemoryStore, User) {
    let store = MemoryStore::new();
    let user = store.add_user("ada", "secret").unwrap();
    (store, user)
}

const MIB: usize = 1 << 20;

#[tokio::test]
async fn patterns_of_any_length_cost_no_more_than_the_names() {
    let _alone = ALONE.lock().await;
    let (store, user) = store();
    let level = format!("/{}", "a".repeat(220));
    (0..150).for_each(|number| user.create(&format!("{number:04}{}", level.repeat(4)), None).unwrap());
    let mut client = Client::imap(&store).await;
    let short = client.ok("LIST \"\" *").await;
    for pattern in ["*a".repeat(20_000), "%*".repeat(20_000), format!("*{}b", "%a".repeat(400))] {
        for command in ["LIST", "LSUB"] {
            let cost = client.ok(&format!("{command} \"\" \"{pattern}\"")).await;
            assert!(cost.held < short.held + 8 * pattern.len() + MIB, "{command} {cost:?}");
            assert!(cost.turn < 4 * MIB as u64, "{cost:?}");
        }
    }
    // Names and patterns together have an end.
    let many = format!("LIST \"\" ({})", vec!["x*"; 3_000].join(" "));
    assert!(client.command(&many).await.answer.starts_with("NO [LIMIT]"));
}

#[tokio::test]
async fn a_search_decodes_a_message_once_and_holds_a_piece_of_it() {
    let _alone = ALONE.lock().await;
    let (store, user) = store();
    let line = format!("{}\r\n", "QUJD".repeat(19));
    let head = "Content-Transfer-Encoding: base64\r\n\r\n";
    user.deliver(format!("{head}{}", line.repeat(MIB / line.len())).into()).unwrap();
    let mut client = Client::imap(&store).await;
    client.ok("SELECT INBOX").await;
    let one = client.ok("SEARCH NOT BODY q0").await;
    assert!(one.held < MIB, "{one:?}");
    let keys: Vec<_> = (0..500).map(|number| format!("NOT BODY q{number}")).collect();
    let many = client.ok(&format!("SEARCH {}", keys.join(" "))).await;
    assert_eq!(one.output, many.output);
    assert!(many.held < MIB && many.taken < one.taken + 2 * MIB as u64, "{many:?} {one:?}");
    assert!(one.turn < MIB as u64 && many.turn < MIB as u64, "{many:?} {one:?}");
    // What a row tells costs no look into the message.
    let cheap = client.ok("SEARCH OR SEEN SMALLER 1 BODY abcabc").await;
    assert!(cheap.taken < MIB as u64, "{cheap:?}");
    // Words that have to be held have an end.
    let word = "\u{fdfa}".repeat(5_000);
    let words = vec![format!("BODY {{{}+}}\r\n{word}", word.len()); 12].join(" ");
    assert!(client.command(&format!("SEARCH {words}")).await.answer.starts_with("NO [LIMIT]"));
}

#[tokio::test]
async fn a_response_is_sent_while_it_is_made() {
    let _alone = ALONE.lock().await;
    let (store, user) = store();
    let large = 2 * MIB;
    let mut nul = b"Subject: x\r\n\r\n".to_vec();
    nul.resize(large, 0);
    user.deliver(nul.into()).unwrap();
    let line = format!("{}\r\n", "QUJD".repeat(19));
    let encoded = format!("Content-Transfer-Encoding: base64\r\n\r\n{}", line.repeat(large / line.len()));
    user.deliver(encoded.into()).unwrap();
    user.deliver(format!("{}\r\nx", "To: a@b\r\n".repeat(large / 9)).into()).unwrap();
    let mut client = Client::imap(&store).await;
    client.ok("SELECT INBOX").await;
    let partials = |item: &str| {
        let items: Vec<_> = (1..=20).map(|start| format!("{item}<{start}.4294967295>")).collect();
        format!("({})", items.join(" "))
    };
    for command in [
        format!("FETCH 1 {}", partials("BODY.PEEK[]")),
        format!("FETCH 1 {}", partials("BODY.PEEK[TEXT]")),
        format!("FETCH 2 ({} BINARY.SIZE[1])", partials("BINARY.PEEK[1]").trim_matches(['(', ')'])),
        "FETCH 3 BODY.PEEK[HEADER.FIELDS.NOT (X)]".to_owned(),
    ] {
        let cost = client.command(&command).await;
        let is_all = cost.output > large as u64 / 2;
        assert!(cost.answer.starts_with("OK") && is_all || cost.answer.starts_with("NO [LIMIT]"), "{cost:?}");
        assert!(cost.held < 3 * MIB && cost.turn < 2 * MIB as u64, "{command:.60}: {cost:?}");
    }
    let names: Vec<_> = (0..5_000).map(|number| format!("X{number}")).collect();
    let cost = client.ok(&format!("FETCH 3 BODY.PEEK[HEADER.FIELDS ({})]", names.join(" "))).await;
    assert!(cost.held < 8 * MIB && cost.turn < 6 * MIB as u64, "{cost:?}");
    let cost = client.ok("FETCH 3 ENVELOPE").await;
    assert!(cost.held < 8 * MIB && cost.turn < 6 * MIB as u64, "{cost:?}");
    // To look at it again and again, with nothing to send, has an end.
    let again: Vec<_> = (0..200).map(|number| format!("BODY.PEEK[HEADER.FIELDS (X{number})]")).collect();
    assert!(client.command(&format!("FETCH 3 ({})", again.join(" "))).await.answer.starts_with("NO [LIMIT]"));
    // So has a response.
    let whole: Vec<_> = (0..200).map(|start| format!("BODY.PEEK[]<{start}.{large}>")).collect();
    let cost = client.command(&format!("FETCH 1 ({})", whole.join(" "))).await;
    assert!(cost.answer.starts_with("NO [LIMIT]") && cost.output < 1000, "{cost:?}");
}

#[tokio::test]
async fn keywords_are_held_once() {
    let _alone = ALONE.lock().await;
    let (store, user) = store();
    for _ in 0..5_000 {
        user.deliver("x".into()).unwrap();
    }
    let mut watching = Client::imap(&store).await;
    watching.ok("SELECT INBOX").await;
    let mut client = Client::imap(&store).await;
    client.ok("SELECT INBOX").await;
    let keywords: Vec<_> = (0..60).map(|number| format!("k{number:0>60}")).collect();
    let cost = client.ok(&format!("STORE 1:* +FLAGS ({})", keywords.join(" "))).await;
    assert!(cost.held < 6 * MIB && cost.turn < 6 * MIB as u64 && cost.output > 5_000 * 60 * 60, "{cost:?}");
    // News are told for a second, which is not enough for all on a busy machine: the next command brings the rest.
    let mut told = 0;
    while told <= 5_000 * 60 * 60 {
        let cost = watching.ok("NOOP").await;
        assert!(
            cost.held < 4 * MIB && cost.turn < 4 * MIB as u64 && cost.output > 60 * 60,
            "{told}: {cost:?}"
        );
        told += cost.output;
    }
    // More of them, or longer ones, have no room.
    let long: Vec<_> = (0..60).map(|number| format!("K{number:0>900}")).collect();
    let cost = client.command(&format!("STORE 1:* FLAGS ({})", long.join(" "))).await;
    assert!(cost.answer.starts_with("NO [LIMIT]"), "{cost:?}");
}

/// A delivery costs a watcher the same, however many messages there are.
#[tokio::test]
async fn news_cost_what_is_new() {
    let _alone = ALONE.lock().await;
    let mut costs = Vec::new();
    for messages in [10, 10_000] {
        let (store, user) = store();
        for _ in 0..messages {
            user.deliver("x".into()).unwrap();
        }
        let mut client = Client::imap(&store).await;
        client.ok("EXAMINE INBOX").await;
        let flagged = user.status("INBOX").unwrap();
        assert_eq!(flagged.recent, messages);
        user.deliver("x".into()).unwrap();
        costs.push(client.ok("NOOP").await.taken);
    }
    assert!(costs[1] < costs[0] + 2_000, "{costs:?}");
}

/// However what is found lies among what was known before.
#[tokio::test]
async fn a_search_costs_each_message_the_same() {
    let _alone = ALONE.lock().await;
    let mut costs = Vec::new();
    for messages in [1000, 8000] {
        let (store, user) = store();
        for number in 0..messages {
            let flags = if number % 2 == 0 { [Flag::Seen].into() } else { FlagSet::new() };
            user.append("INBOX", NewMessage::new("x".into()).with_flags(flags)).unwrap();
        }
        let mut client = Client::imap(&store).await;
        client.ok("EXAMINE INBOX").await;
        let cost = client.ok("SEARCH RETURN (COUNT) OR SEEN BODY x").await;
        assert!(cost.output > 0, "{cost:?}");
        costs.push(cost.taken / messages);
    }
    assert!(costs[1] < costs[0] + costs[0] / 5, "{costs:?}");
}

/// Each page of them, whatever else is new.
#[tokio::test]
async fn news_of_flags_cost_each_message_the_same() {
    let _alone = ALONE.lock().await;
    let mut costs = Vec::new();
    for messages in [2000, 16_000] {
        let (store, user) = store();
        for _ in 0..messages {
            user.deliver("x".into()).unwrap();
        }
        let mut watching = Client::imap(&store).await;
        watching.ok("EXAMINE INBOX").await;
        let inbox = user.status("INBOX").unwrap().id;
        let flags = FlagChange::new(StoreAction::Add, [Flag::Flagged].into());
        let odd: Uids = (0..messages).filter(|number| number % 2 == 1).filter_map(Uid::new).collect();
        for page in odd.pages(MAX_CHANGED) {
            store.store(inbox, &page, &flags).await.unwrap();
        }
        costs.push(watching.ok("NOOP").await.taken / u64::from(messages));
    }
    assert!(costs[1] < costs[0] + costs[0] / 5, "{costs:?}");
}

/// The feed may name messages that the client never knew: they make no search cheaper.
#[tokio::test]
async fn a_search_costs_what_the_client_knows() {
    let _alone = ALONE.lock().await;
    let (store, user) = store();
    for _ in 0..20_000 {
        user.deliver("x".into()).unwrap();
    }
    let inbox = user.status("INBOX").unwrap().id;
    let gone = |set: Uids| {
        let store = store.clone();
        async move {
            for page in set.pages(MAX_CHANGED) {
                store.expunge(inbox, &page, Which::All).await.unwrap();
            }
        }
    };
    gone(Uids::below(Uid::new(10_001).unwrap())).await;
    let mut client = Client::imap(&store).await;
    client.ok("SELECT INBOX").await;
    // So many runs that the store forgets the first, and tells of all that is not there.
    gone((10_001..=20_000).filter(|number| number % 2 == 0).filter_map(Uid::new).collect()).await;
    client.ok("NOOP").await;
    let keys: Vec<_> = (0..1000).map(|size| format!("LARGER {size}")).collect();
    assert!(client.command(&format!("SEARCH {}", keys.join(" "))).await.answer.starts_with("NO [LIMIT]"));
}

/// A copy of many messages holds up nobody but their owner.
#[tokio::test]
async fn a_large_copy_is_made_elsewhere() {
    let _alone = ALONE.lock().await;
    let (store, user) = store();
    for _ in 0..20_000 {
        user.deliver("x".into()).unwrap();
    }
    user.create("a", None).unwrap();
    let mut client = Client::imap(&store).await;
    client.ok("SELECT INBOX").await;
    for command in ["COPY 1:* a", "RENAME INBOX b"] {
        let cost = client.ok(command).await;
        assert!(cost.turn < 2 * MIB as u64, "{command}: {cost:?}");
    }
}

/// Room for a message is kept before the client is told to send it.
#[tokio::test]
async fn room_is_kept_before_the_message_comes() {
    let _alone = ALONE.lock().await;
    let mut config = Config::default();
    config.coming = 100;
    let store = MemoryStore::with_config(config);
    let user = store.add_user("ada", "secret").unwrap();
    let connect = || {
        let server = smtp::Server::new(
            SmtpService::new(store.clone()).with_trace_fields(false),
            "mx.example".try_into().unwrap(),
        );
        Client::new(|stream| async move {
            let _ = server.serve_stream(stream, Channel::Tls).await;
        })
    };
    let mut first = connect();
    first.until(b"220 ").await;
    let mut second = connect();
    second.until(b"220 ").await;
    for (client, size) in [(&mut first, 80), (&mut second, 50)] {
        for line in ["EHLO x", &format!("MAIL FROM:<> SIZE={size}"), "RCPT TO:<ada@x>"] {
            client.stream.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
            client.until(b"250 ").await;
        }
        client.stream.write_all(b"DATA\r\n").await.unwrap();
    }
    first.until(b"354 ").await;
    second.until(b"452 4.3.1 ").await;
    let mut imap = Client::imap(&store).await;
    let cost = imap.command("APPEND INBOX {50}").await;
    assert!(cost.answer.starts_with("NO [LIMIT]"), "{cost:?}");
    // It is given back when the message is stored, and when the client is gone.
    first.stream.write_all(b"x\r\n.\r\n").await.unwrap();
    first.until(b"250 ").await;
    for end in [&b"."[..], b"no end"] {
        for line in ["MAIL FROM:<> SIZE=90", "RCPT TO:<ada@x>"] {
            second.stream.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
            second.until(b"250 ").await;
        }
        second.stream.write_all(b"DATA\r\n").await.unwrap();
        second.until(b"354 ").await;
        second.stream.write_all(&[b"x\r\n", end, b"\r\n"].concat()).await.unwrap();
        if end == b"." {
            second.until(b"250 ").await;
        }
    }
    assert!(imap.command("APPEND INBOX {50}").await.answer.starts_with("NO [LIMIT]"));
    drop(second);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    imap.stream.write_all(b"x APPEND INBOX {90}\r\n").await.unwrap();
    imap.until(b"+ ").await;
    assert_eq!(user.status("INBOX").unwrap().messages, 2);
}

/// Random numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn one_of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }

    fn times(&mut self, most: usize, mut make: impl FnMut(&mut Self) -> String) -> Vec<String> {
        (0..=self.below(most)).map(|_| make(self)).collect()
    }

    fn message(&mut self, depth: usize) -> Vec<u8> {
        let fields = [
            "Subject: =?utf-8?q?=C3=BC?= word\r\n",
            "To: a@b, \"c\" <d@e>, f: g@h;\r\n",
            "X: y\r\n",
            "Date: 1 Feb 2026 10:00 +0100\r\n",
            "X-Long: a\r\n b\r\n\tc\r\n",
            "no field\r\n",
        ];
        let mut raw = Vec::new();
        for _ in 0..self.below(6) {
            let (field, count) = (self.one_of(&fields), [1, 1, 2, 3000][self.below(4)]);
            raw.extend(field.repeat(count).bytes());
        }
        match self.below(5) {
            0 if depth < 3 => {
                raw.extend_from_slice(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n");
                for _ in 0..self.below(5) {
                    raw.extend_from_slice(b"--b\r\n");
                    raw.extend(self.message(depth + 1));
                    raw.extend_from_slice(b"\r\n");
                }
                raw.extend_from_slice(b"--b--\r\n");
            }
            1 => {
                raw.extend_from_slice(b"Content-Transfer-Encoding: base64\r\n\r\n");
                raw.extend(b"QUJDREVGR0hJ\r\n".repeat(self.below(20_000)));
            }
            2 => {
                raw.extend_from_slice(b"Content-Transfer-Encoding: quoted-printable\r\n\r\n");
                raw.extend(b"a=C3=BC = \t=\r\n".repeat(self.below(20_000)));
            }
            3 => {
                raw.extend_from_slice(b"\r\n");
                raw.extend([0, b'x'].repeat(self.below(200_000)));
            }
            _ => {
                raw.extend_from_slice(b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\n");
                raw.extend(b"J\xf6rg and others\r\n".repeat(self.below(20_000)));
            }
        }
        raw
    }

    fn pattern(&mut self) -> String {
        let most = [5, 50, 5_000][self.below(3)];
        self.times(most, |dice| dice.one_of(&["*", "%", "a", "/", "ab", "INBOX"]).to_owned()).concat()
    }

    fn key(&mut self, depth: usize) -> String {
        let word =
            |dice: &mut Self| dice.one_of(&["a", "word", "others", "nowhere", "\"\"", "ABC"]).to_owned();
        match self.below(if depth < 4 { 12 } else { 9 }) {
            0 => format!("BODY {}", word(self)),
            1 => format!("TEXT {}", word(self)),
            2 => format!("FROM {}", word(self)),
            3 => format!("SUBJECT {}", word(self)),
            4 => format!("HEADER X{} {}", self.below(50), word(self)),
            5 => self.one_of(&["SEEN", "UNSEEN", "KEYWORD k", "SENTSINCE 1-Feb-2026", "RECENT"]).to_owned(),
            6 => format!("LARGER {}", self.below(100_000)),
            7 => "1:*,2,3:1".to_owned(),
            8 => format!("UID {}:*", self.below(10) + 1),
            9 => format!("NOT {}", self.key(depth + 1)),
            10 => format!("OR {} {}", self.key(depth + 1), self.key(depth + 1)),
            _ => format!("({})", self.times(3, |dice| dice.key(depth + 1)).join(" ")),
        }
    }

    fn item(&mut self) -> String {
        let part = ["", "1", "2", "1.1"][self.below(4)];
        let dot = if part.is_empty() { "" } else { "." };
        let section = match self.below(5) {
            0 => part.to_owned(),
            1 => format!("{part}{dot}HEADER"),
            2 => format!("{part}{dot}TEXT"),
            _ => {
                let names = self.times(100, |dice| format!("x{}", dice.below(40)));
                format!("{part}{dot}HEADER.FIELDS{} ({})", self.one_of(&["", ".NOT"]), names.join(" "))
            }
        };
        let partial = match self.below(3) {
            0 => format!("<{}.{}>", self.below(100_000), 1 + self.below(100_000)),
            _ => String::new(),
        };
        match self.below(6) {
            0 => self.one_of(&["FLAGS", "UID", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"]).to_owned(),
            1 => self.one_of(&["BODY", "BODYSTRUCTURE", "RFC822.HEADER", "RFC822.TEXT"]).to_owned(),
            2 => format!("BINARY.PEEK[{part}]{partial}"),
            3 => format!("BINARY.SIZE[{part}]"),
            _ => format!("BODY.PEEK[{section}]{partial}"),
        }
    }

    fn command(&mut self) -> String {
        match self.below(8) {
            0 => format!("LIST \"\" \"{}\"", self.pattern()),
            1 => {
                let patterns = self.times(20, |dice| format!("\"{}\"", dice.pattern()));
                format!("LIST (SUBSCRIBED RECURSIVEMATCH) a ({}) RETURN (CHILDREN)", patterns.join(" "))
            }
            2 => format!("LSUB a \"{}\"", self.pattern()),
            3 | 4 => format!("SEARCH {}", self.times(60, |dice| dice.key(0)).join(" ")),
            5 => {
                let keywords = self.times(10, |dice| format!("k{}", dice.below(30)));
                format!("STORE 1:* +FLAGS ({})", keywords.join(" "))
            }
            _ => format!("FETCH 1:* ({})", self.times(20, Self::item).join(" ")),
        }
    }
}

/// Whatever is asked for, of whatever is stored.
#[tokio::test]
async fn the_cost_is_linear_in_what_is_sent_stored_and_got() {
    let _alone = ALONE.lock().await;
    for seed in 0..4 {
        let mut dice = Dice(seed);
        let (store, user) = store();
        let (mut stored, mut largest) = (0, 0);
        for number in 0..30 {
            let name = format!(
                "{}{number}",
                dice.times(20, |dice| dice.one_of(&["a", "ab", "a/"]).to_owned()).concat()
            );
            stored += if user.create(&name.replace("//", "/"), None).is_ok() { 2 * name.len() } else { 0 };
        }
        for _ in 0..5 {
            let raw = dice.message(0);
            stored += raw.len();
            largest = largest.max(raw.len());
            user.deliver(raw.into()).unwrap();
        }
        let mut client = Client::imap(&store).await;
        client.ok("SELECT INBOX").await;
        for _ in 0..25 {
            let command = dice.command();
            let cost = client.command(&command).await;
            let is_answer = ["OK", "NO [LIMIT]", "NO [UNKNOWN-CTE]"];
            assert!(is_answer.iter().any(|known| cost.answer.starts_with(known)), "{command}: {cost:?}");
            let held = MIB + 4 * largest + 100 * command.len();
            let all = (command.len() + stored) as u64 + cost.output;
            let shown =
                || format!("seed {seed}, {stored} stored, {largest} largest: {command:.300}: {cost:?}");
            assert!(cost.held < held, "holds more than {held}: {}", shown());
            assert!(cost.taken < 40 * all + MIB as u64, "takes more than 40 * {all}: {}", shown());
            assert!(cost.turn < 6 * MIB as u64, "others wait: {}", shown());
        }
    }
}
