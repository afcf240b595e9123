//! Reports that the SMTP service sends, and the parameters of envelopes that it keeps.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{
    ops::Range,
    pin::Pin,
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use mailwire_core::Channel;
use mailwire_imap::types::{ModSeq, Uid};
use mailwire_store::{
    AccountId, BodyId, Changes, Copied, Cursor, Delivered, Destination, Error, Fields, Filter, FlagChange,
    How, Inspector, Lease, Mailbox, MailboxChange, MailboxId, MailboxPath, Mailboxes, Opened, OutgoingReport,
    Preselected, Reports, Result, Room, Row, SmtpService, Store, Stored, Target, Uids, Which,
    memory::{Held, MemoryStore, Reader, Watch, Writer},
};
use mailwire_transport::{
    Stream,
    sasl::Authenticator,
    smtp::{
        Server,
        proto::{Host, Reply},
        report::{Action, DeliveryReport, Limits, Original, Report},
        server::{Client, Transaction},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::{mpsc, watch},
};

/// A connection to a server of ada, bob and cy, whose reports come out of a queue.
struct Peer {
    store: MemoryStore,
    stream: DuplexStream,
    reports: mpsc::Receiver<OutgoingReport>,
}

const EHLO: [&str; 4] = ["250-DELIVERBY", "250-DSN", "250-MT-PRIORITY", "250-RRVS"];

impl Peer {
    async fn new(lmtp: bool) -> Self {
        Self::over(users(), lmtp, |store| store).await
    }

    async fn over<S: Store + Authenticator>(
        store: MemoryStore,
        lmtp: bool,
        over: impl FnOnce(MemoryStore) -> S,
    ) -> Self {
        Self::with(store, lmtp, over, |service| service).await
    }

    async fn with<S: Store + Authenticator>(
        store: MemoryStore,
        lmtp: bool,
        over: impl FnOnce(MemoryStore) -> S,
        with: impl FnOnce(SmtpService<S>) -> SmtpService<S>,
    ) -> Self {
        let (queue, reports) = mpsc::channel(10);
        let service = SmtpService::new(over(store.clone()))
            .with_reports(Reports::new(queue))
            .with_priorities(true)
            .with_valid_since(true);
        let server = Server::new(with(service), Host::try_from("mx.example").unwrap());
        let server = if lmtp { server.lmtp() } else { server };
        let (stream, theirs) = tokio::io::duplex(1 << 16);
        tokio::spawn(async move { server.serve_stream(Stream::other(theirs), Channel::Clear).await });
        let mut peer = Self { store, stream, reports };
        assert!(peer.answer().await[0].starts_with("220 "));
        let hello = peer.say(if lmtp { "LHLO a.example" } else { "EHLO a.example" }).await;
        assert!(EHLO.iter().all(|offered| hello.iter().any(|line| line == offered)), "{hello:?}");
        peer
    }

    async fn answer(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                line.push(self.stream.read_u8().await.unwrap());
            }
            line.truncate(line.len() - 2);
            lines.push(String::from_utf8(line).unwrap());
            if lines.last().is_some_and(|line| line.as_bytes()[3] == b' ') {
                return lines;
            }
        }
    }

    async fn put(&mut self, line: &str) {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
    }

    async fn say(&mut self, line: &str) -> Vec<String> {
        self.put(line).await;
        self.answer().await
    }

    /// MAIL, RCPT for each, a message, and the last answer.
    async fn send(&mut self, mail: &str, rcpts: &[&str], message: &str) -> String {
        assert_eq!(self.say(&format!("MAIL FROM:{mail}")).await, ["250 2.1.0 Ok"]);
        for rcpt in rcpts {
            assert_eq!(self.say(&format!("RCPT TO:{rcpt}")).await, ["250 2.1.5 Ok"], "{rcpt}");
        }
        self.data(message).await
    }

    async fn data(&mut self, message: &str) -> String {
        assert!(self.say("DATA").await[0].starts_with("354 "));
        self.say(&format!("{message}\r\n.")).await.remove(0)
    }

    /// The report that is queued, if there is one.
    fn queued(&mut self) -> Option<DeliveryReport> {
        let outgoing = self.reports.try_recv().ok()?;
        let read = read(&outgoing.message);
        assert_eq!(read.recipients, outgoing.report.recipients);
        assert_eq!(outgoing.header.from.as_str(), "MAILER-DAEMON@mx.example");
        Some(read)
    }

    fn inbox(&self, user: &str) -> Vec<Bytes> {
        self.store.user(user).unwrap().messages("INBOX").unwrap()
    }
}

fn users() -> MemoryStore {
    let store = MemoryStore::new();
    for name in ["ada", "bob", "cy"] {
        store.add_user(name, "secret").unwrap();
    }
    store
}

fn read(message: &Bytes) -> DeliveryReport {
    let Report::Delivery(report) = Report::parse(message, &Limits::default()).unwrap() else { panic!() };
    report
}

const MESSAGE: &str = "Subject: hi\r\n\r\nthe body";

#[tokio::test]
async fn success_is_reported_to_who_wants_it() {
    let mut peer = Peer::new(false).await;
    let said = peer
        .send(
            "<x@far.example> RET=FULL ENVID=QQ+2B1",
            &[
                "<ada@mx.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Ada+40old.example",
                "<bob@mx.example> NOTIFY=FAILURE",
                "<cy@mx.example>",
                "<bob@other.example> NOTIFY=NEVER",
                "<Postmaster> NOTIFY=SUCCESS",
            ],
            MESSAGE,
        )
        .await;
    assert!(said.starts_with("250 2.0.0 "), "{said}");
    let report = peer.queued().unwrap();
    assert_eq!(report.envelope_id.as_ref().map(|id| id.as_str()), Some("QQ+1"));
    assert_eq!(report.reporting_mta.as_ref().unwrap().to_string(), "dns; mx.example");
    let told: Vec<_> = report
        .recipients
        .iter()
        .map(|it| {
            (it.recipient.to_string(), it.action.clone(), it.original.as_ref().map(|it| it.to_string()))
        })
        .collect();
    let original = Some("rfc822; Ada@old.example".to_owned());
    let expected = [
        ("rfc822; ada@mx.example".to_owned(), Action::Delivered, original),
        ("rfc822; Postmaster".to_owned(), Action::Delivered, None),
    ];
    assert_eq!(told, expected);
    // The header alone, though all of it was asked for with failures.
    let Some(Original::Headers(header)) = &report.original else { panic!("{report:?}") };
    let header = String::from_utf8_lossy(header);
    assert!(header.contains("Subject: hi\r\n") && !header.contains("the body"), "{header}");
    assert!(peer.queued().is_none());
    assert_eq!(peer.inbox("bob").len(), 1, "the two addresses are one mailbox's");
    // Who asked for nothing hears nothing; nobody answers the null address.
    peer.send("<x@far.example>", &["<ada@mx.example>"], MESSAGE).await;
    peer.send("<>", &["<ada@mx.example> NOTIFY=SUCCESS"], MESSAGE).await;
    assert!(peer.queued().is_none());
    assert_eq!(peer.inbox("ada").len(), 3);
}

#[tokio::test]
async fn a_sender_with_a_mailbox_here_finds_the_report_in_it() {
    let mut peer = Peer::new(false).await;
    peer.send("<bob@mx.example>", &["<ada@mx.example> NOTIFY=SUCCESS"], MESSAGE).await;
    assert!(peer.queued().is_none());
    let [report] = &peer.inbox("bob")[..] else { panic!() };
    assert!(report.starts_with(b"Return-Path: <>\r\n"));
    assert_eq!(read(report).recipients[0].recipient.text(), "ada@mx.example");
    // A sender without a mailbox at a domain that is nobody's.
    peer.send("<nobody@mx.example>", &["<ada@mx.example> NOTIFY=SUCCESS"], MESSAGE).await;
    assert!(peer.queued().is_some());
}

#[tokio::test]
async fn lmtp_and_prdr_report_success_alone() {
    let mut peer = Peer::over(users(), true, Failing::new).await;
    assert_eq!(peer.say("MAIL FROM:<x@far.example> RET=HDRS").await, ["250 2.1.0 Ok"]);
    for user in ["ada", "bob"] {
        peer.say(&format!("RCPT TO:<{user}@mx.example> NOTIFY=SUCCESS,FAILURE")).await;
    }
    assert!(peer.data(MESSAGE).await.starts_with("250 2.0.0 "));
    // The failure is told by a reply, and the report of it is the client's.
    assert_eq!(peer.answer().await, ["452 4.2.2 Mailbox full"]);
    let report = peer.queued().unwrap();
    assert_eq!((report.recipients.len(), &report.recipients[0].action), (1, &Action::Delivered));
    assert!(peer.queued().is_none());
}

#[tokio::test]
async fn a_message_that_fails_for_some_is_not_sent_to_all_again() {
    let mut peer = Peer::over(users(), false, Failing::new).await;
    let both = ["<ada@mx.example>", "<bob@mx.example>"];
    let said = peer.send("<x@far.example> RET=FULL", &both, MESSAGE).await;
    assert!(said.starts_with("250 2.0.0 "), "{said}");
    let report = peer.queued().unwrap();
    let [bob] = &report.recipients[..] else { panic!("{report:?}") };
    assert_eq!((bob.recipient.text(), &bob.action), ("bob@mx.example", &Action::Failed));
    assert_eq!(
        (bob.status.to_string(), bob.diagnostic.as_ref().unwrap().text()),
        ("4.2.2".to_owned(), "452 4.2.2 Mailbox full")
    );
    let Some(Original::Message(whole)) = &report.original else { panic!("{report:?}") };
    assert!(whole.ends_with(b"the body\r\n"));
    // Where the header is enough, or the message is large.
    peer.send("<x@far.example> RET=HDRS", &both, MESSAGE).await;
    assert!(matches!(peer.queued().unwrap().original, Some(Original::Headers(_))));
    let long = format!("X: {}\r\n{MESSAGE}\r\n{}", "y".repeat(90), "z\r\n".repeat(30_000));
    peer.send("<x@far.example>", &both, &long).await;
    assert!(matches!(peer.queued().unwrap().original, Some(Original::Headers(_))));
    // Who does not want to hear of it, does not.
    let never = ["<ada@mx.example> NOTIFY=NEVER", "<bob@mx.example> NOTIFY=NEVER"];
    assert!(peer.send("<x@far.example>", &never, MESSAGE).await.starts_with("250 "));
    assert!(peer.queued().is_none());
    // Nobody could be told: the client has to know.
    assert_eq!(peer.send("<>", &both, MESSAGE).await, "452 4.2.2 Mailbox full");
    assert_eq!(peer.send("<x@far.example>", &both[1..], MESSAGE).await, "452 4.2.2 Mailbox full");
    // The queue is gone: it is as without reports.
    peer.reports.close();
    assert_eq!(peer.send("<x@far.example>", &both, MESSAGE).await, "452 4.2.2 Mailbox full");
}

#[tokio::test]
async fn a_header_without_an_end_is_returned_in_whole_fields() {
    let mut peer = Peer::new(false).await;
    let field = format!("X-Long: {}\r\n\t{}\r\n", "a".repeat(900), "b".repeat(900));
    let message = format!("{}Subject: late\r\n\r\nbody", field.repeat(50));
    peer.send("<x@far.example>", &["<ada@mx.example> NOTIFY=SUCCESS"], &message).await;
    let Some(Original::Headers(header)) = peer.queued().unwrap().original else { panic!() };
    let header = String::from_utf8_lossy(&header);
    assert!(header.trim_end().ends_with(&"b".repeat(900)) && header.len() > 50_000, "{}", header.len());
}

#[tokio::test(start_paused = true)]
async fn what_is_late_is_returned_or_told() {
    let mut peer = Peer::new(false).await;
    let slowly = async |peer: &mut Peer, mail: &str| {
        assert_eq!(peer.say(&format!("MAIL FROM:<x@far.example> {mail}")).await, ["250 2.1.0 Ok"]);
        peer.say("RCPT TO:<ada@mx.example> NOTIFY=SUCCESS,DELAY").await;
        peer.say("RCPT TO:<bob@mx.example> NOTIFY=FAILURE").await;
        tokio::time::advance(Duration::from_secs(60)).await;
        peer.data(MESSAGE).await
    };
    assert_eq!(slowly(&mut peer, "BY=60;R").await, "554 5.4.7 Delivery time expired");
    assert!(peer.inbox("ada").is_empty() && peer.queued().is_none());
    for (by, late) in [("BY=61;R", false), ("BY=61;N", false), ("BY=60;NT", true), ("BY=-5;N", true)] {
        assert!(slowly(&mut peer, by).await.starts_with("250 "), "{by}");
        let mut actions = Vec::new();
        while let Some(report) = peer.queued() {
            let [ada] = &report.recipients[..] else { panic!("{report:?}") };
            actions.push((ada.action.clone(), ada.status.to_string()));
        }
        let delivered = (Action::Delivered, "2.0.0".to_owned());
        let expected =
            if late { vec![(Action::Delayed, "4.4.7".to_owned()), delivered] } else { vec![delivered] };
        assert_eq!(actions, expected, "{by}");
    }
    assert_eq!(peer.inbox("ada").len(), 4);
}

#[tokio::test]
async fn priorities_are_recorded() {
    let mut peer = Peer::new(false).await;
    let priority = |message: &Bytes| {
        let text = String::from_utf8_lossy(message).into_owned();
        text.split("\tpriority ").nth(1).map(|rest| rest.split(';').next().unwrap().to_owned())
    };
    peer.send("<x@far.example> MT-PRIORITY=-4", &["<ada@mx.example>"], MESSAGE).await;
    peer.send("<x@far.example>", &["<ada@mx.example>"], MESSAGE).await;
    let lowered = peer.say("MAIL FROM:<x@far.example> MT-PRIORITY=6").await;
    assert_eq!(lowered, ["250 2.3.6 0 is the priority of who has not logged in"]);
    peer.say("RCPT TO:<ada@mx.example>").await;
    peer.data(MESSAGE).await;
    let told: Vec<_> = peer.inbox("ada").iter().map(priority).collect();
    assert_eq!(told, [Some("-4".to_owned()), None, Some("0".to_owned())]);
    // What a server hands on was looked at there.
    let mut peer = Peer::new(true).await;
    peer.send("<x@far.example> MT-PRIORITY=6", &["<ada@mx.example>"], MESSAGE).await;
    assert_eq!(priority(&peer.inbox("ada")[0]), Some("6".to_owned()));
}

#[tokio::test]
async fn mail_for_an_owner_of_before_is_refused() {
    let mut peer = Peer::new(false).await;
    // 2026-11-28T00:00:00Z.
    peer.store.user("bob").unwrap().set_owner_since(UNIX_EPOCH + Duration::from_secs(1_795_824_000));
    peer.say("MAIL FROM:<x@far.example>").await;
    for (rcpt, answer) in [
        ("<ada@mx.example> RRVS=1990-01-01T00:00:00Z", "250 2.1.5 Ok"),
        ("<bob@mx.example>", "250 2.1.5 Ok"),
        ("<bob@mx.example> RRVS=2026-11-28T01:00:00+01:00;C", "250 2.1.5 Ok"),
        ("<bob@mx.example> RRVS=2026-11-27T23:59:59Z;R", "550 5.7.17 The mailbox has another owner"),
        ("<bob@mx.example> RRVS=2026-11-27T23:59:59Z;C", "550 5.7.17 The mailbox has another owner"),
    ] {
        assert_eq!(peer.say(&format!("RCPT TO:{rcpt}")).await, [answer], "{rcpt}");
    }
    // The header says it where RCPT does not, and is stored without it.
    let field =
        |time: &str| format!("Require-Recipient-Valid-Since: BOB@mx.example;\r\n {time} +0000\r\n{MESSAGE}");
    let (taken, changed) = ("250 2.0.0 ", "550 5.7.17 The mailbox has another owner");
    let (since, before) = ("Sat, 28 Nov 2026 00:00:00", "Fri, 27 Nov 2026 23:59:59");
    for (lmtp, inspected) in [(false, false), (true, false), (false, true), (true, true)] {
        // Who looks at messages gives them in pieces, with a field of its own before them.
        let with = |service: SmtpService<MemoryStore>| match inspected {
            true => service.with_inspector(Marking, Room::new(1 << 20)),
            false => service,
        };
        let mut peer = Peer::with(users(), lmtp, |store| store, with).await;
        peer.store.user("bob").unwrap().set_owner_since(UNIX_EPOCH + Duration::from_secs(1_795_824_000));
        let mut count = 0;
        for (rcpt, time, answer) in [
            ("<bob@mx.example>", since, taken),
            ("<bob@mx.example>", before, changed),
            ("<bob@mx.example> RRVS=2026-11-28T00:00:00Z", before, taken),
            ("<ada@mx.example>", before, taken),
            ("<bob@mx.example>", "Some day", taken),
        ] {
            let said = peer.send("<x@far.example>", &[rcpt], &field(time)).await;
            assert!(said.starts_with(answer), "{rcpt} {time}: {said}");
            count += usize::from(answer == taken);
            let got = [peer.inbox("ada"), peer.inbox("bob")].concat();
            assert_eq!(got.len(), count, "{rcpt} {time}");
            for message in got {
                let text = String::from_utf8(message.to_vec()).unwrap();
                assert!(!text.contains("Valid-Since") && text.ends_with(&format!("{MESSAGE}\r\n")), "{text}");
                assert_eq!(text.matches("\r\nX-Seen: yes\r\n").count(), usize::from(inspected), "{text}");
            }
        }
    }
    // A store that does not know says so.
    let mut peer = Peer::over(users(), false, Failing::new).await;
    peer.say("MAIL FROM:<x@far.example>").await;
    let said = peer.say("RCPT TO:<ada@mx.example> RRVS=1990-01-01T00:00:00Z").await;
    assert!(said[0].starts_with("4") && said[0].contains(" 4.7.19 "), "{said:?}");
}

/// Says that it has seen a message.
struct Marking;

impl Inspector for Marking {
    fn inspect<'a>(
        &'a self,
        _: &'a Client,
        _: &'a Transaction,
        message: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Bytes>, Reply>> + Send + 'a>> {
        let pieces = message.chunks(7).map(Bytes::copy_from_slice);
        let all = std::iter::once(Bytes::from("X-Seen: yes\r\n")).chain(pieces).collect();
        Box::pin(async move { Ok(all) })
    }
}

/// RFC 2033: who has the message is told so while it is put into the mailboxes of the others.
#[tokio::test]
async fn recipients_are_answered_as_the_message_is_delivered() {
    let store = users();
    let (of_turns, turns) = watch::channel(0);
    let mut peer = Peer::over(store.clone(), true, |store| Failing(store, Some(turns))).await;
    peer.say("MAIL FROM:<x@far.example>").await;
    let recipients = ["cy", "ada", "bob", "cy", "ada"];
    for recipient in recipients {
        peer.say(&format!("RCPT TO:<{recipient}@mx.example>")).await;
    }
    peer.say("DATA").await;
    peer.put(&format!("{MESSAGE}\r\n.")).await;
    let count = |user: &str| store.user(user).unwrap().messages("INBOX").unwrap().len();
    // In their order, each account once; bob has no room.
    for (turn, answers, delivered) in
        [(1, &["250"][..], [1, 0]), (2, &["250"], [1, 1]), (3, &["452", "250", "250"], [1, 1])]
    {
        of_turns.send(turn).unwrap();
        for wanted in answers {
            let answer = peer.answer().await;
            assert!(answer[0].starts_with(wanted), "{answer:?}");
        }
        assert_eq!([count("cy"), count("ada")], delivered, "{turn}");
    }
    assert_eq!(peer.say("NOOP").await, ["250 2.0.0 Ok"]);
}

/// Who is not there any more will send the message to those again who were not answered: it is not delivered to them.
#[tokio::test]
async fn nobody_else_gets_a_message_whose_sender_is_gone() {
    let store = users();
    let (of_turns, turns) = watch::channel(0);
    let mut peer = Peer::over(store.clone(), true, |store| Failing(store, Some(turns))).await;
    peer.say("MAIL FROM:<x@far.example>").await;
    for recipient in ["cy", "ada"] {
        peer.say(&format!("RCPT TO:<{recipient}@mx.example>")).await;
    }
    peer.say("DATA").await;
    peer.put(&format!("{MESSAGE}\r\n.")).await;
    drop(peer);
    of_turns.send(1).unwrap();
    // Nobody waits for the next turn.
    tokio::time::timeout(Duration::from_secs(60), of_turns.closed()).await.unwrap();
    let count = |user: &str| store.user(user).unwrap().messages("INBOX").unwrap().len();
    assert_eq!((count("cy"), count("ada")), (1, 0));
}

/// A store in which bob's mailbox is full when a message is to be put into it, and which does not know its owners. It delivers to
/// as many at once as there are turns, if these are counted.
#[derive(Debug, Clone)]
struct Failing(MemoryStore, Option<watch::Receiver<usize>>);

impl Failing {
    const fn new(store: MemoryStore) -> Self {
        Self(store, None)
    }
}

impl Authenticator for Failing {}

impl Store for Failing {
    type Writer = Writer;
    type Reader = Reader;
    type Watch = Watch;
    type Held = Held;

    async fn account(&self, name: &str) -> Result<AccountId> {
        self.0.account(name).await
    }

    async fn body(&self, accounts: &[AccountId], announced: Option<u64>) -> Result<Writer> {
        self.0.body(accounts, announced).await
    }

    async fn deliver(&self, body: BodyId, to: &[Target]) -> Vec<Result<Delivered>> {
        let bob = self.0.user("bob").unwrap().account();
        let is_full = |target: &&Target| target.to == Destination::Inbox(bob);
        let good: Vec<Target> = to.iter().filter(|target| !is_full(target)).cloned().collect();
        let mut delivered = self.0.deliver(body, &good).await.into_iter();
        let each = |target: &Target| {
            if is_full(&target) { Err(Error::OverQuota) } else { delivered.next().unwrap() }
        };
        to.iter().map(each).collect()
    }

    async fn deliver_each(
        &self,
        body: BodyId,
        to: &[Target],
        mut told: impl FnMut(Result<Delivered>) + Send,
    ) {
        let Some(mut turns) = self.1.clone() else {
            return self.deliver(body, to).await.into_iter().for_each(told);
        };
        for (at, target) in to.iter().enumerate() {
            turns.wait_for(|turns| at < *turns).await.unwrap();
            self.deliver(body, std::slice::from_ref(target)).await.into_iter().for_each(&mut told);
        }
    }

    async fn read(&self, body: BodyId, range: Range<u64>) -> Result<Reader> {
        self.0.read(body, range).await
    }

    fn watch(&self, account: AccountId) -> Watch {
        self.0.watch(account)
    }

    async fn lease(&self, account: AccountId, lease: Lease, time: Duration) -> Result<Held> {
        self.0.lease(account, lease, time).await
    }

    async fn mailboxes(&self, account: AccountId, after: ModSeq) -> Result<Mailboxes> {
        self.0.mailboxes(account, after).await
    }

    async fn mailbox(&self, account: AccountId, path: &MailboxPath) -> Result<Mailbox> {
        self.0.mailbox(account, path).await
    }

    async fn alter(&self, account: AccountId, change: MailboxChange) -> Result<ModSeq> {
        self.0.alter(account, change).await
    }

    async fn open(&self, mailbox: MailboxId, since: Option<Cursor>) -> Result<Opened> {
        self.0.open(mailbox, since).await
    }

    async fn changes(&self, mailbox: MailboxId, after: Cursor, limit: usize) -> Result<Changes> {
        self.0.changes(mailbox, after, limit).await
    }

    async fn recent(&self, mailbox: MailboxId, below: Uid, claim: bool) -> Result<Uid> {
        self.0.recent(mailbox, below, claim).await
    }

    async fn messages(
        &self,
        mailbox: MailboxId,
        uids: &Uids,
        fields: Fields,
        limit: usize,
    ) -> Result<Vec<Row>> {
        self.0.messages(mailbox, uids, fields, limit).await
    }

    async fn preselect(&self, mailbox: MailboxId, filter: &Filter) -> Result<Preselected> {
        self.0.preselect(mailbox, filter).await
    }

    async fn store(&self, mailbox: MailboxId, uids: &Uids, change: &FlagChange) -> Result<Stored> {
        self.0.store(mailbox, uids, change).await
    }

    async fn expunge(&self, mailbox: MailboxId, uids: &Uids, which: Which) -> Result<ModSeq> {
        self.0.expunge(mailbox, uids, which).await
    }

    async fn copy(&self, from: MailboxId, uids: &Uids, to: MailboxId, how: How) -> Result<Copied> {
        self.0.copy(from, uids, to, how).await
    }
}
