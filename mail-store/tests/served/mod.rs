//! A process that serves SMTP, IMAP and POP3 over a file, and is killed at random moments while clients of all three change
//! what is in there: what they were answered is there once, what they were not at most once, and no number comes again.
//!
//! The process is this test itself, where `MAILWIRE_SERVED` names a file. `MAILWIRE_KILLS` says how often it is killed.

use std::{
    collections::{BTreeSet, HashMap},
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use mailwire_core::Secret;
use mailwire_imap::types::{Flag, Uid};
use mailwire_store::{
    Fields, ImapService, MailboxChange, MailboxPath, Pop3Service, SmtpService, Store as _, Uids,
    sqlite::{Config, SqliteStore},
};
use mailwire_transport::{
    Security, imap, pop3,
    sasl::{Authenticator, LoginContext, Unavailable},
    server::Listener,
    smtp,
};
use tokio_util::sync::CancellationToken;

use super::{
    file,
    killed::{NAMES, mailboxes, tell},
};

/// Knows Ada without the work that makes passwords hard to guess.
struct Quick;

impl Authenticator for Quick {
    async fn verify_password(
        &self,
        user: &str,
        password: &Secret,
        _: &LoginContext,
    ) -> Result<bool, Unavailable> {
        Ok(user == "ada" && password.expose() == b"secret")
    }
}

#[test]
#[ignore = "it is run to be killed"]
fn to_be_killed() {
    let Ok(path) = std::env::var("MAILWIRE_SERVED") else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(path, Config::new().with_search_index(true)).unwrap();
        let clear = Security::plaintext_without_encryption();
        let bind = || Listener::bind("127.0.0.1:0", clear, None);
        let all = [bind().await.unwrap(), bind().await.unwrap(), bind().await.unwrap()];
        let ports = all.each_ref().map(|listener| listener.local_addr().unwrap().port());
        tell(format_args!("ports {} {} {}", ports[0], ports[1], ports[2]));
        let [smtp, imap, pop3] = all;
        let name = smtp::proto::Host::try_from("mx.example").unwrap();
        let smtp_server = smtp::Server::new(SmtpService::new(store.clone()), name);
        let imap_server = imap::Server::new(ImapService::with_authenticator(store.clone(), Quick))
            .allow_clear_credentials();
        let pop3_server =
            pop3::Server::new(Pop3Service::with_authenticator(store, Quick)).allow_clear_credentials();
        let stop = CancellationToken::new();
        let (one, two, three) = tokio::join!(
            smtp_server.serve(smtp, stop.clone()),
            imap_server.serve(imap, stop.clone()),
            pop3_server.serve(pop3, stop.clone()),
        );
        one.and(two).and(three).unwrap();
    });
}

/// What a client tells. A message is named by a word that is its subject.
enum Told {
    /// It is about to be sent; it was taken.
    Coming(String),
    Came(String),
    /// It was given this UID in the second mailbox.
    Uid(Uid, String),
    Seen(String),
    /// It is about to be removed; it was.
    Going(String),
    Gone(String),
    /// The highest mod-sequence of the second mailbox; that of a change in it.
    Highest(u64),
    Change(u64),
}

/// A connection. Nothing comes of it any more once the process is killed: `None`.
struct Line(BufReader<TcpStream>);

impl Line {
    fn connect(port: u16) -> Option<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_nodelay(true).ok()?;
        let mut line = Self(BufReader::new(stream));
        line.read().map(|_| line)
    }

    fn write(&mut self, text: &str) -> Option<()> {
        self.0.get_mut().write_all(text.as_bytes()).ok()
    }

    fn read(&mut self) -> Option<String> {
        let mut line = String::new();
        self.0.read_line(&mut line).ok()?;
        line.ends_with('\n').then(|| line.trim_end().to_owned())
    }

    /// A command that has to be answered by a line that begins so.
    fn ask(&mut self, text: &str, answer: &str) -> Option<String> {
        self.write(text)?;
        let line = self.read()?;
        assert!(line.starts_with(answer), "{line:?} answers {text:?}");
        Some(line)
    }

    /// An IMAP command that has to be answered with OK: all lines of the answer.
    fn imap(&mut self, text: &str) -> Option<Vec<String>> {
        self.write(&format!("a {text}\r\n"))?;
        let mut lines = Vec::new();
        loop {
            let line = self.read()?;
            let is_last = line.starts_with("a ");
            assert!(!is_last || line.starts_with("a OK"), "{line:?} answers {text:?}");
            lines.push(line);
            if is_last {
                return Some(lines);
            }
        }
    }
}

/// The number after some words in one of the lines.
fn number(lines: &[String], words: &str) -> Option<u64> {
    let rest = lines.iter().find_map(|line| line.split_once(words))?.1;
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

fn deliver(port: u16, name: &str, told: &Sender<Told>) -> Option<()> {
    let mut line = Line::connect(port)?;
    line.ask("HELO client.example\r\n", "250")?;
    for round in 0.. {
        let token = format!("{name}-{round}");
        line.ask("MAIL FROM:<bob@example.net>\r\n", "250")?;
        line.ask("RCPT TO:<ada@example.org>\r\n", "250")?;
        line.ask("DATA\r\n", "354")?;
        told.send(Told::Coming(token.clone())).ok()?;
        let text = "words\r\n".repeat(if round % 16 == 5 { 60_000 } else { 10 });
        line.ask(&format!("Subject: {token}\r\n\r\n{text}.\r\n"), "250")?;
        told.send(Told::Came(token)).ok()?;
    }
    None
}

fn append(port: u16, name: &str, told: &Sender<Told>) -> Option<()> {
    let mut line = Line::connect(port)?;
    line.imap("LOGIN ada secret")?;
    let selected = line.imap(&format!("SELECT {} (CONDSTORE)", NAMES[1]))?;
    told.send(Told::Highest(number(&selected, "[HIGHESTMODSEQ ").unwrap())).ok()?;
    for round in 0.. {
        let token = format!("{name}-{round}");
        let raw =
            format!("Subject: {token}\r\n\r\n{}", "x".repeat(if round % 16 == 5 { 300_000 } else { 50 }));
        told.send(Told::Coming(token.clone())).ok()?;
        let answer = line.imap(&format!("APPEND {} {{{}+}}\r\n{raw}", NAMES[1], raw.len()))?;
        let validity = number(&answer, "[APPENDUID ").unwrap();
        let uid = number(&answer, &format!("[APPENDUID {validity} ")).unwrap();
        let given = Uid::new(u32::try_from(uid).unwrap()).unwrap();
        told.send(Told::Uid(given, token.clone())).ok()?;
        told.send(Told::Came(token.clone())).ok()?;
        let stored = line.imap(&format!("UID STORE {uid} +FLAGS (\\Seen)"))?;
        told.send(Told::Change(number(&stored, "MODSEQ (").unwrap())).ok()?;
        told.send(Told::Seen(token.clone())).ok()?;
        if round % 3 == 0 {
            told.send(Told::Going(token.clone())).ok()?;
            line.imap(&format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)"))?;
            line.imap(&format!("UID EXPUNGE {uid}"))?;
            told.send(Told::Gone(token)).ok()?;
        }
    }
    None
}

/// Takes some messages out of the maildrop, and comes again.
fn download(port: u16, told: &Sender<Told>) -> Option<()> {
    loop {
        let mut line = Line::connect(port)?;
        line.ask("USER ada\r\n", "+OK")?;
        line.ask("PASS secret\r\n", "+OK")?;
        let there = line.ask("STAT\r\n", "+OK ")?;
        let count: u32 = there.split(' ').nth(1).unwrap().parse().unwrap();
        let mut tokens = Vec::new();
        for message in 1..=count.min(3) {
            line.ask(&format!("TOP {message} 0\r\n"), "+OK")?;
            let mut token = None;
            loop {
                let header = line.read()?;
                token = token.or(header.strip_prefix("Subject: ").map(str::to_owned));
                if header == "." {
                    break;
                }
            }
            tokens.extend(token);
            line.ask(&format!("DELE {message}\r\n"), "+OK")?;
        }
        for token in &tokens {
            told.send(Told::Going(token.clone())).ok()?;
        }
        line.ask("QUIT\r\n", "+OK")?;
        for token in tokens {
            told.send(Told::Gone(token)).ok()?;
        }
    }
}

/// All that was told by the clients of all processes.
#[derive(Default)]
struct Ledger {
    coming: BTreeSet<String>,
    came: BTreeSet<String>,
    seen: BTreeSet<String>,
    going: BTreeSet<String>,
    gone: BTreeSet<String>,
    /// Whose each UID of each mailbox is.
    uids: HashMap<(usize, Uid), String>,
    highest: u64,
}

impl Ledger {
    fn given(&mut self, place: usize, uid: Uid, token: &str) {
        let whose = self.uids.entry((place, uid)).or_insert_with(|| token.to_owned());
        assert_eq!(whose, token, "UID {uid} of {} was given twice", NAMES[place]);
    }

    /// Takes what clients tell until so many answers have come and the process is killed, and what they still tell then.
    fn take(&mut self, told: &Receiver<Told>, after: usize, child: &mut Child) {
        let (before, mut answers) = (self.highest, 0);
        for told in told {
            let answered = matches!(told, Told::Came(_) | Told::Seen(_) | Told::Gone(_));
            match told {
                Told::Coming(token) => drop(self.coming.insert(token)),
                Told::Came(token) => drop(self.came.insert(token)),
                Told::Uid(uid, token) => self.given(1, uid, &token),
                Told::Seen(token) => drop(self.seen.insert(token)),
                Told::Going(token) => drop(self.going.insert(token)),
                Told::Gone(token) => drop(self.gone.insert(token)),
                Told::Highest(told) => assert!(told >= before, "{told}: it was {before}"),
                Told::Change(told) => {
                    assert!(told > before, "{told}: it was {before}");
                    self.highest = self.highest.max(told);
                }
            }
            answers += usize::from(answered);
            if answered && answers == after {
                child.kill().unwrap();
            }
        }
        assert!(answers >= after, "the process ended by itself after {answers} answers");
    }

    async fn check(&mut self, store: &SqliteStore) {
        let (_, boxes) = mailboxes(store).await;
        let mut found = BTreeSet::new();
        for (place, mailbox) in boxes.iter().enumerate() {
            let all = Uids::range(Uid::MIN, Uid::MAX);
            let fields = Fields::new().with_flags(true).with_envelope(true);
            let rows = store.messages(*mailbox, &all, fields, usize::MAX).await.unwrap();
            for row in rows {
                let token = row.envelope.unwrap().subject().unwrap().to_string_lossy().into_owned();
                self.given(place, row.uid, &token);
                assert!(self.coming.contains(&token), "nobody sent {token}");
                assert!(!self.gone.contains(&token), "{token} is back");
                let is_seen = row.flags.contains(&Flag::Seen);
                assert!(is_seen || !self.seen.contains(&token), "{token} lost its flag");
                assert!(found.insert(token.clone()), "{token} is there twice");
            }
        }
        for token in self.came.difference(&found) {
            assert!(self.going.contains(token), "{token} is lost");
        }
    }
}

/// Serves, has clients at work until so many answers have come, and is killed.
fn serve_and_kill(path: &Path, round: usize, after: usize, ledger: &mut Ledger) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "served::to_be_killed", "--include-ignored", "--nocapture", "--quiet"])
        .env("MAILWIRE_SERVED", path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    let ports = out.find_map(|line| Some(line.unwrap().split_once("ports ")?.1.to_owned()));
    let ports: Vec<u16> = ports.unwrap().split(' ').map(|port| port.parse().unwrap()).collect();
    let (tell, told) = channel();
    thread::scope(|clients| {
        for client in 0..2 {
            let (smtp, imap) = (tell.clone(), tell.clone());
            let (smtp_port, imap_port) = (ports[0], ports[1]);
            clients.spawn(move || deliver(smtp_port, &format!("smtp-{round}-{client}"), &smtp));
            clients.spawn(move || append(imap_port, &format!("imap-{round}-{client}"), &imap));
        }
        clients.spawn(move || download(ports[2], &tell));
        ledger.take(&told, after, &mut child);
    });
    child.wait().unwrap();
}

fn kill(times: usize) {
    let folder = file::Folder::new();
    let path = folder.path("mail.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let open = || SqliteStore::open(&path, Config::new()).unwrap();
    runtime.block_on(async {
        let store = open();
        let ada = store.add_user("ada", "secret").await.unwrap();
        let path = MailboxPath::new(NAMES[1]).unwrap();
        store.alter(ada, MailboxChange::Create { path, special_use: None }).await.unwrap();
    });
    let mut ledger = Ledger::default();
    let mut random: u64 = 5;
    for round in 1..=times {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        serve_and_kill(&path, round, 1 + (random >> 33) as usize % 150, &mut ledger);
        runtime.block_on(async { ledger.check(&open()).await });
    }
    println!(
        "{times} kills of a server: {} messages were answered, {} removals, change {}",
        ledger.came.len(),
        ledger.gone.len(),
        ledger.highest
    );
    assert!(ledger.came.len() > times);
}

#[test]
fn what_clients_were_answered_outlives_the_server() {
    kill(2);
}

#[test]
#[ignore = "it takes a minute: .ci/run kills"]
fn what_clients_were_answered_outlives_many_kills() {
    kill(std::env::var("MAILWIRE_KILLS").map_or(20, |times| times.parse().unwrap()));
}
