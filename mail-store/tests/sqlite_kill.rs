//! A process that is killed while it changes a store: what it was answered is there once, what it was not at most once, and
//! no number comes again.
//!
//! The process is this test itself, which does nothing but to be killed where `MAILWIRE_KILLED` names a file.
//! `.ci/run kills` kills it 200 times. In `served` the same is done to a server over a store.
#![cfg(all(feature = "sqlite", unix))]
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod file;
mod served;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use mailwire_imap::{
    command::StoreAction,
    types::{Flag, FlagSet, ModSeq, Uid},
};
use mailwire_store::{
    AccountId, BodyReader as _, BodyWriter as _, Fields, FlagChange, How, MailboxChange, MailboxId,
    MailboxPath, Store as _, Target, Uids, Which,
    sqlite::{Config, SqliteStore},
};

const NAMES: [&str; 2] = ["INBOX", "box"];

async fn mailboxes(store: &SqliteStore) -> (AccountId, Vec<MailboxId>) {
    let ada = store.account("ada").await.unwrap();
    let mut all = Vec::new();
    for name in NAMES {
        all.push(store.mailbox(ada, &MailboxPath::new(name).unwrap()).await.unwrap().id);
    }
    (ada, all)
}

/// One line, written at once.
fn tell(line: std::fmt::Arguments<'_>) {
    let mut text = line.to_string();
    text.push('\n');
    std::io::stdout().write_all(text.as_bytes()).unwrap();
}

/// Delivers, appends, flags, moves, expunges, for ever. What it wants stands on a line before, what it was answered on one
/// after.
async fn work(store: SqliteStore, worker: u64) {
    let (ada, boxes) = mailboxes(&store).await;
    let pid = std::process::id();
    let seen: FlagSet = [Flag::Seen].into_iter().collect();
    let deleted: FlagSet = [Flag::Deleted].into_iter().collect();
    for round in 0_u64.. {
        let place = usize::from((round + worker).is_multiple_of(3));
        let mailbox = boxes[place];
        let mut uids = Vec::new();
        for part in 0..2 {
            let token = format!("{pid}-{worker}-{round}-{part}");
            // Some are longer than a piece in the file.
            let pad = if round % 16 == 5 { 600_000 } else { 100 };
            let raw = format!("Subject: {token}\r\n\r\n{}", "x".repeat(pad));
            let mut body = store.body(&[ada], Some(raw.len() as u64)).await.unwrap();
            body.write(raw.into()).await.unwrap();
            let body = body.finish().await.unwrap();
            let target = if place == 0 { Target::inbox(ada) } else { Target::mailbox(mailbox) };
            let delivered = store.deliver(body, &[target]).await.remove(0).unwrap();
            let (uid, mod_seq) = (delivered.uid, delivered.mod_seq);
            tell(format_args!("+ {place} {uid} {mod_seq} {token}"));
            uids.push(uid);
        }
        let both: Uids = uids.iter().copied().collect();
        let action = if round % 2 == 0 { StoreAction::Add } else { StoreAction::Replace };
        tell(format_args!("f? {place} {both} 0 -"));
        let stored = store.store(mailbox, &both, &FlagChange::new(action, seen.clone())).await.unwrap();
        tell(format_args!("f {place} {both} {} -", stored.mod_seq));
        match round % 4 {
            // As IMAP does it.
            0 => {
                let one: Uids = uids[0].into();
                tell(format_args!("x? {place} {one} 0 -"));
                let mark = FlagChange::new(StoreAction::Add, deleted.clone());
                store.store(mailbox, &one, &mark).await.unwrap();
                let mod_seq = store.expunge(mailbox, &one, Which::Deleted).await.unwrap();
                tell(format_args!("x {place} {one} {mod_seq} -"));
            }
            // As POP3 does it.
            1 => {
                tell(format_args!("x? {place} {both} 0 -"));
                let mod_seq = store.expunge(mailbox, &both, Which::All).await.unwrap();
                tell(format_args!("x {place} {both} {mod_seq} -"));
            }
            2 => {
                let other = 1 - place;
                let one: Uids = uids[1].into();
                tell(format_args!("m? {place} {one} 0 -"));
                let moved = store.copy(mailbox, &one, boxes[other], How::Move).await.unwrap();
                tell(format_args!("m {place} {one} {} {}", moved.mod_seq, moved.first));
            }
            _ => {}
        }
    }
}

#[test]
#[ignore = "it is run to be killed"]
fn to_be_killed() {
    let Ok(path) = std::env::var("MAILWIRE_KILLED") else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(path, Config::new().with_search_index(true)).unwrap();
        let (ada, _) = mailboxes(&store).await;
        let now = store.mailboxes(ada, ModSeq::ZERO).await.unwrap().mod_seq;
        tell(format_args!("s 0 1 {now} -"));
        let workers: Vec<_> = (0..4).map(|worker| tokio::spawn(work(store.clone(), worker))).collect();
        for worker in workers {
            worker.await.unwrap();
        }
    });
}

/// What the processes have told.
#[derive(Default)]
struct Told {
    /// Where each message was put, by its place: mailbox and UID.
    put: HashMap<(usize, Uid), String>,
    /// Messages that may be gone from there, and those that are.
    may_be_gone: BTreeSet<(usize, Uid)>,
    gone: BTreeSet<(usize, Uid)>,
    seen: BTreeSet<(usize, Uid)>,
    highest: u64,
}

impl Told {
    fn take(&mut self, lines: &[String]) {
        let before = self.highest;
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            let [what, place, uids, mod_seq, token] = words[..] else { panic!("{line}") };
            let (place, mod_seq): (usize, u64) = (place.parse().unwrap(), mod_seq.parse().unwrap());
            let mut uids = uids.split([',', ':']).map(|uid| (place, uid.parse::<Uid>().unwrap()));
            if !what.ends_with('?') {
                // `s` may tell the last one again, and all that was answered is below it.
                assert!(mod_seq > before || (what == "s" && mod_seq >= before), "{line}: it was {before}");
                self.highest = self.highest.max(mod_seq);
            }
            match what {
                "+" => {
                    let uid = uids.next_back().unwrap();
                    assert!(
                        self.put.insert(uid, token.to_owned()).is_none(),
                        "a UID was given twice: {line}"
                    );
                }
                "f" => self.seen.extend(uids),
                "x?" | "m?" => self.may_be_gone.extend(uids),
                "x" => self.gone.extend(uids),
                "m" => {
                    let from = uids.next_back().unwrap();
                    self.gone.insert(from);
                    let to = (1 - place, token.parse().unwrap());
                    let moved = self.put[&from].clone();
                    assert!(self.put.insert(to, moved).is_none(), "a UID was given twice: {line}");
                }
                "f?" | "s" => {}
                _ => panic!("{line}"),
            }
        }
    }

    async fn check(&self, store: &SqliteStore) {
        let (ada, boxes) = mailboxes(store).await;
        let mut tokens = BTreeMap::new();
        let mut found = BTreeMap::new();
        for (place, mailbox) in boxes.iter().enumerate() {
            let opened = store.open(*mailbox, None).await.unwrap();
            let all = Uids::range(Uid::MIN, Uid::MAX);
            let fields = Fields::new().with_flags(true).with_envelope(true);
            let rows = store.messages(*mailbox, &all, fields, usize::MAX).await.unwrap();
            assert_eq!(rows.iter().map(|row| row.uid).collect::<Uids>(), opened.uids);
            assert_eq!(opened.mailbox.messages as usize, rows.len());
            assert_eq!(opened.mailbox.bytes, rows.iter().map(|row| row.size).sum::<u64>());
            let unseen = rows.iter().filter(|row| !row.flags.contains(&Flag::Seen)).count();
            assert_eq!(opened.mailbox.unseen as usize, unseen);
            assert!(rows.iter().all(|row| row.uid < opened.mailbox.uid_next));
            for row in rows {
                let token = row.envelope.unwrap().subject().unwrap().to_string_lossy().into_owned();
                let mut reader = store.read(row.body, 0..u64::MAX).await.unwrap();
                let mut size = 0;
                while let Some(chunk) = reader.chunk().await.unwrap() {
                    size += chunk.len() as u64;
                }
                assert_eq!(size, row.size, "{token}");
                assert!(tokens.insert(token.clone(), (place, row.uid)).is_none(), "{token} is there twice");
                found.insert((place, row.uid), (token, row.flags));
            }
        }
        for (place, token) in &self.put {
            match found.get(place) {
                Some((there, flags)) => {
                    assert_eq!(there, token);
                    assert!(!self.gone.contains(place), "{token} is back at {place:?}");
                    assert!(
                        !self.seen.contains(place) || flags.contains(&Flag::Seen),
                        "{token} lost its flag"
                    );
                }
                // A move that was not answered may have been made all the same.
                None => assert!(self.may_be_gone.contains(place), "{token} is lost from {place:?}"),
            }
        }
        let told = store.mailboxes(ada, ModSeq::ZERO).await.unwrap().mod_seq;
        assert!(told.get() >= self.highest);
    }
}

/// Lines of the process, until so many were told and it is killed.
fn killed(path: &Path, after: usize) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "to_be_killed", "--include-ignored", "--nocapture", "--quiet"])
        .env("MAILWIRE_KILLED", path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let (mut lines, mut line, mut dead) = (Vec::new(), String::new(), false);
    loop {
        line.clear();
        if out.read_line(&mut line).unwrap() == 0 || !line.ends_with('\n') {
            break;
        }
        // The rest is the test program's.
        if line.starts_with(['+', 'f', 'x', 'm', 's']) && line.split(' ').count() == 5 {
            lines.push(line.trim_end().to_owned());
        }
        if lines.len() >= after && !dead {
            // SIGKILL.
            child.kill().unwrap();
            dead = true;
        }
    }
    child.wait().unwrap();
    assert!(dead, "it ended by itself: {lines:?}");
    lines
}

fn kill(times: usize) {
    let folder = file::Folder::new();
    let path = folder.path("mail.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = || Config::new().with_bytes(u64::MAX);
    runtime.block_on(async {
        let store = SqliteStore::open(&path, config()).unwrap();
        let ada = store.add_user("ada", "secret").await.unwrap();
        let path = MailboxPath::new(NAMES[1]).unwrap();
        store.alter(ada, MailboxChange::Create { path, special_use: None }).await.unwrap();
    });
    let mut told = Told::default();
    let mut random: u64 = 3;
    for round in 1..=times {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        told.take(&killed(&path, 1 + (random >> 33) as usize % 300));
        // All of it is read after each of the first, and then more and more seldom.
        if round <= 5 || round.is_power_of_two() || round == times {
            runtime.block_on(async {
                let store = SqliteStore::open(&path, config()).unwrap();
                told.check(&store).await;
                store.index().await.unwrap();
            });
            let sql = rusqlite::Connection::open(&path).unwrap();
            let whole: String = sql.query_row("PRAGMA integrity_check", [], |line| line.get(0)).unwrap();
            assert_eq!(whole, "ok");
            // All messages are in the index, and nothing else.
            let count = |text: &str| sql.query_row(text, [], |line| line.get::<_, i64>(0)).unwrap();
            let there = count("SELECT count(*) FROM message");
            assert_eq!(count("SELECT count(*) FROM words_docsize"), there);
            let both =
                "SELECT count(*) FROM words_docsize JOIN message ON words_docsize.id = mailbox << 32 | uid";
            assert_eq!(count(both), there);
        }
    }
    println!(
        "{times} kills: {} messages were answered, {} are gone, change {}",
        told.put.len(),
        told.gone.len(),
        told.highest
    );
    assert!(told.put.len() > times);
}

#[test]
fn what_was_answered_outlives_the_process() {
    kill(5);
}

#[test]
#[ignore = "it takes a minute: .ci/run kills"]
fn what_was_answered_outlives_200_kills() {
    kill(200);
}
