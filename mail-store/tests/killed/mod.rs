//! A process that changes a store until it is killed, and what it was answered.
#![allow(dead_code, unreachable_pub, reason = "not every test uses all of it")]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ffi::OsStr,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
};

use mailwire_imap::{
    command::StoreAction,
    types::{Flag, FlagSet, ModSeq, Uid},
};
use mailwire_store::{
    AccountId, BodyReader as _, BodyWriter as _, Fields, FlagChange, How, MailboxChange, MailboxId,
    MailboxPath, Store, Target, Uids, Which,
};

pub const NAMES: [&str; 2] = ["INBOX", "box"];

pub async fn mailboxes(store: &impl Store) -> (AccountId, Vec<MailboxId>) {
    let ada = store.account("ada").await.unwrap();
    let mut all = Vec::new();
    for name in NAMES {
        all.push(store.mailbox(ada, &MailboxPath::new(name).unwrap()).await.unwrap().id);
    }
    (ada, all)
}

/// One line, written at once.
pub fn tell(line: std::fmt::Arguments<'_>) {
    let mut text = line.to_string();
    text.push('\n');
    std::io::stdout().write_all(text.as_bytes()).unwrap();
}

/// Delivers, appends, flags, moves, expunges, for ever. What it wants stands on a line before, what it was answered on one
/// after.
async fn change(store: impl Store, worker: u64) {
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

/// Where the store is, if this process is there to be killed.
pub fn place() -> Option<String> {
    std::env::var("MAILWIRE_KILLED").ok()
}

/// Changes a store until the process is killed.
pub async fn work(store: impl Store) {
    let (ada, _) = mailboxes(&store).await;
    let now = store.mailboxes(ada, ModSeq::ZERO).await.unwrap().mod_seq;
    tell(format_args!("s 0 1 {now} -"));
    let workers: Vec<_> = (0..4).map(|worker| tokio::spawn(change(store.clone(), worker))).collect();
    for worker in workers {
        worker.await.unwrap();
    }
}

/// A store with room for all that is about to come.
pub async fn prepare(store: &impl Store) {
    let ada = store.account("ada").await.unwrap();
    let path = MailboxPath::new(NAMES[1]).unwrap();
    store.alter(ada, MailboxChange::Create { path, special_use: None }).await.unwrap();
}

/// After how many lines the process is killed, of each round.
pub fn rounds(times: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut random: u64 = 3;
    (1..=times).map(move |round| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (round, 1 + (random >> 33) as usize % 300)
    })
}

/// What the processes have told.
#[derive(Default)]
pub struct Told {
    /// Where each message was put, by its place: mailbox and UID.
    pub put: HashMap<(usize, Uid), String>,
    /// Messages that may be gone from there, and those that are.
    may_be_gone: BTreeSet<(usize, Uid)>,
    pub gone: BTreeSet<(usize, Uid)>,
    seen: BTreeSet<(usize, Uid)>,
    pub highest: u64,
}

impl Told {
    pub fn take(&mut self, lines: &[String]) {
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

    pub async fn check(&self, store: &impl Store) {
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

/// How often it is killed: as `MAILWIRE_KILLS` says, or so often.
pub fn times(default: usize) -> usize {
    std::env::var("MAILWIRE_KILLS").ok().and_then(|times| times.parse().ok()).unwrap_or(default)
}

/// Lines of the process, until so many were told and it is killed.
pub fn killed(place: impl AsRef<OsStr>, after: usize) -> Vec<String> {
    killed_as("to_be_killed", place, after)
}

/// As [`killed`], of a process that runs this test.
pub fn killed_as(test: &str, place: impl AsRef<OsStr>, after: usize) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--include-ignored", "--nocapture", "--quiet"])
        .env("MAILWIRE_KILLED", place)
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
