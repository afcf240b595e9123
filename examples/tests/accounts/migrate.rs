use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
};

use anyhow::Result;
use mailwire_examples::{
    Link, MailboxArguments, Status, Tally,
    migrate::{Journal, Options, Report, migrate},
};
use mailwire_transport::imap::{
    Client, Flag,
    client::AppendOptions,
    proto::types::{DateTime, MailboxName},
};

use crate::world::{Account, Chance, TestFolder, messages, run, run_for};

/// A message with a Message-ID.
fn message(name: &str) -> String {
    format!("Message-ID: <{name}@example.net>\r\nSubject: {name}\r\n\r\nThis is {name}.\r\n")
}

/// One without.
fn nameless(subject: &str) -> String {
    format!("Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nSubject: {subject}\r\n\r\nThis has no name.\r\n")
}

fn large() -> String {
    format!("{}{}", message("large"), "0123456789abcdef\r\n".repeat(65_000))
}

type New<'a> = (String, &'a [&'a str], i64);

async fn append(client: &mut Client, mailbox: &str, messages: &[New<'_>]) {
    for (raw, flags, date) in messages {
        let flags = flags.iter().map(|flag| Flag::new(*flag).unwrap());
        let date = DateTime::from_unix(*date, 60);
        let options = AppendOptions::new().with_flags(flags).with_date(date);
        client.append_with(mailbox, options, raw.clone()).await.unwrap();
    }
}

/// The messages of a mailbox, each as often as it is there.
async fn counted(client: &mut Client, mailbox: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (raw, flags, date) in messages(client, mailbox).await {
        let mut flags: Vec<String> = flags.iter().map(ToString::to_string).collect();
        flags.sort();
        *counts.entry(format!("{date} {flags:?} {raw}")).or_default() += 1;
    }
    counts
}

struct Pair {
    source: Account,
    target: Account,
}

const BOXES: [(&str, &str); 4] =
    [("INBOX", "INBOX"), ("Entwürfe/alt", "Entwürfe/alt"), ("Gesendet", "Sent Items"), ("leer", "leer")];

impl Pair {
    /// An account with all kinds of messages, and one that has other mail, and one of the messages.
    fn new() -> Self {
        let pair = Self::small();
        let draft: New<'_> = (large(), &["\\Draft"], 1_500_000_000);
        pair.source.with(async |client| append(client, "Entwürfe/alt", &[draft]).await);
        pair
    }

    /// As `new`, without the large draft.
    fn small() -> Self {
        let (source, target) = (Account::new(), Account::new());
        let mut inbox: Vec<(String, &[&str], i64)> = Vec::new();
        for number in 0..60 {
            let flags: &[&str] = match number % 4 {
                0 => &[],
                1 => &["\\Seen"],
                2 => &["\\Seen", "\\Answered", "$Forwarded"],
                _ => &["\\Flagged", "Wichtig"],
            };
            inbox.push((message(&format!("m{number}")), flags, 1_700_000_000 + number));
        }
        // Twice the same is two messages.
        inbox.push((message("m7"), &["\\Flagged", "Wichtig"], 1_700_000_007));
        inbox.push((nameless("a"), &[], 1_600_000_000));
        inbox.push((nameless("b"), &[], 1_600_000_000));
        source.user.create("Entwürfe/alt", None).unwrap();
        source.user.create("Gesendet", Some("\\Sent".into())).unwrap();
        source.user.create("leer", None).unwrap();
        target.user.create("Sent Items", Some("\\Sent".into())).unwrap();
        source.with(async |client| {
            append(client, "INBOX", &inbox).await;
            append(client, "Entwürfe/alt", &[(message("d"), &[], 1)]).await;
            append(client, "Gesendet", &[(message("s"), &["\\Seen"], 1_500_000_000)]).await;
            for name in ["Entwürfe/alt", "leer"] {
                client.subscribe(name).await.unwrap();
            }
        });
        target.with(async |client| {
            append(client, "INBOX", &[(message("other"), &[], 5), inbox[3].clone()]).await;
        });
        Self { source, target }
    }

    async fn migrate(&self, journal: Option<&Path>, tally: &mut Tally) -> Result<Vec<Report>> {
        self.migrate_with(journal, &MailboxArguments::default(), Options::default(), tally).await
    }

    async fn migrate_with(
        &self,
        journal: Option<&Path>,
        meant: &MailboxArguments,
        options: Options,
        tally: &mut Tally,
    ) -> Result<Vec<Report>> {
        let mut journal = match journal {
            Some(path) => Journal::open(path, "a > b")?,
            None => Journal::new(),
        };
        let (from, to) = (self.source.clone(), self.target.clone());
        let mut source = Link::new(async move || from.connect().await);
        let mut target = Link::new(async move || to.connect().await);
        let mut reports = Vec::new();
        let told = |report: &Report| {
            reports.push(report.clone());
            Ok(())
        };
        migrate(&mut source, &mut target, meant, &mut journal, options, tally, told).await?;
        source.leave().await;
        target.leave().await;
        Ok(reports)
    }

    /// Migrates, where nothing may fail, and gives how many messages went, and were there.
    #[track_caller]
    fn run(&self, journal: Option<&Path>) -> (u64, u64) {
        let mut tally = Tally::new();
        let reports = run(self.migrate(journal, &mut tally)).unwrap();
        assert_eq!(tally.status(), Status::Done);
        assert!(reports.iter().all(|report| report.failed.is_empty()));
        (reports.iter().map(|report| report.copied).sum(), reports.iter().map(|report| report.there).sum())
    }

    /// The target has all of the source, and what it had before, each as often.
    #[track_caller]
    fn expect(&self) {
        let from = self.source.with(async |client| {
            let mut all = Vec::new();
            for (name, _) in BOXES {
                all.push(counted(client, name).await);
            }
            all[0].insert(format!("5 [] {}", message("other")), 1);
            all
        });
        let (to, subscribed) = self.target.with(async |client| {
            let mut all = Vec::new();
            for (_, name) in BOXES {
                all.push(counted(client, name).await);
            }
            (all, client.lsub("", "*").await.unwrap())
        });
        assert_eq!(to, from);
        let names: HashSet<String> =
            subscribed.iter().map(|one| one.name.to_unicode().into_owned()).collect();
        for name in ["Entwürfe/alt", "leer"] {
            assert!(names.contains(name), "{names:?}");
        }
    }
}

const ALL: u64 = 66;

#[test]
fn all_of_an_account_goes_once() {
    let pair = Pair::new();
    assert_eq!(pair.run(None), (ALL - 1, 1));
    pair.expect();
    assert_eq!(pair.run(None), (0, ALL));
    pair.expect();
    // In the same order.
    let order = |account: &Account| {
        let all = account.messages("INBOX").into_iter();
        all.map(|(raw, ..)| raw)
            .filter(|raw| *raw != message("other") && *raw != message("m3"))
            .collect::<Vec<_>>()
    };
    assert_eq!(order(&pair.target), order(&pair.source));
}

#[test]
fn a_journal_saves_looking() {
    let folder = TestFolder::new();
    let path = folder.path().join("state");
    let pair = Pair::new();
    assert_eq!(pair.run(Some(&path)), (ALL - 1, 1));
    assert_eq!(pair.run(Some(&path)), (0, ALL));
    // What the target has deleted since does not come back.
    pair.target.user.delete("leer").unwrap();
    pair.target.with(async |client| {
        client.select("INBOX").await.unwrap();
        client.uid_store(5, mailwire_transport::imap::FlagChange::add([Flag::Deleted])).await.unwrap();
        client.uid_expunge(5).await.unwrap();
    });
    assert_eq!(pair.run(Some(&path)), (0, ALL));
    // Without, it does.
    assert_eq!(pair.run(None), (1, ALL - 1));
    pair.expect();
}

#[test]
fn dropped_at_any_step_it_goes_on() {
    let folder = TestFolder::new();
    for journal in [true, false] {
        let mut steps = 1;
        loop {
            let path = folder.path().join(format!("state{steps}"));
            let path = journal.then_some(path.as_path());
            let pair = Pair::small();
            let done = run_for(steps, pair.migrate(path, &mut Tally::new()));
            if let Some(result) = &done {
                assert!(result.is_ok());
            }
            pair.run(path);
            pair.expect();
            if done.is_some() {
                break;
            }
            steps += 1 + steps / 6;
        }
        assert!(steps > 15, "{steps}");
    }
}

#[test]
fn cut_by_chance_it_goes_on() {
    let folder = TestFolder::new();
    for seed in 0..8 {
        let mut chance = Chance(seed);
        let path = folder.path().join(format!("state{seed}"));
        let path = chance.one_in(2).then_some(path.as_path());
        let mut pair = Pair::new();
        let less = [&[][..], &["MULTIAPPEND"], &["UIDPLUS", "IMAP4rev2"], &["LIST-EXTENDED", "IMAP4rev2"]];
        pair.target.hide(less[chance.below(4)]);
        pair.source.hide(less[chance.below(4)]);
        // The first connection is made without harm; others are made again.
        pair.source.cut_after(2_000 + chance.below(1_900_000) as i64);
        pair.target.cut_after(2_000 + chance.below(60_000) as i64);
        if run(pair.migrate(path, &mut Tally::new())).is_err() {
            pair.run(path);
        }
        pair.expect();
        pair.run(path);
        pair.expect();
    }
}

#[test]
fn what_is_refused_does_not_stop_the_rest() {
    // The server says its limit, or shows it.
    for hidden in [&[][..], &["APPENDLIMIT"]] {
        let pair = Pair::new();
        let medium = format!("{}{}", message("medium"), "0123456789abcdef\r\n".repeat(2_000));
        let new: [New<'_>; 2] = [(medium, &[], 7), (message("after"), &[], 8)];
        pair.source.with(async |client| append(client, "INBOX", &new).await);
        let mut target = pair.target.clone();
        target.take_at_most(20_000);
        target.hide(hidden);
        let pair = Pair { target, ..pair };
        let mut tally = Tally::new();
        let reports = run(pair.migrate(None, &mut tally)).unwrap();
        assert_eq!(tally.status(), Status::Partly);
        let failed: Vec<_> = reports.iter().flat_map(|report| &report.failed).collect();
        assert_eq!(failed.len(), 2, "{failed:?}");
        assert!(failed[0].contains("INBOX: message 64: ") && failed[1].contains("Entwürfe/alt: message 2: "));
        assert_eq!(reports.iter().map(|report| report.copied).sum::<u64>(), ALL - 1);
    }
}

#[test]
fn a_dry_run_does_nothing() {
    let pair = Pair::new();
    let dry = Options { dry_run: true, ..Options::default() };
    let meant = MailboxArguments::default();
    let reports = run(pair.migrate_with(None, &meant, dry, &mut Tally::new())).unwrap();
    assert_eq!(reports.iter().map(|report| report.copied).sum::<u64>(), ALL - 1);
    assert_eq!(pair.target.messages("INBOX").len(), 2);
    assert!(pair.target.user.status("leer").is_err());
}

#[test]
fn mailboxes_can_be_left_out_and_keep_their_names() {
    let pair = Pair::new();
    let meant =
        MailboxArguments { exclude: vec!["INBOX".into(), "Entw*".into()], ..MailboxArguments::default() };
    let options = Options { keep_names: true, ..Options::default() };
    let reports = run(pair.migrate_with(None, &meant, options, &mut Tally::new())).unwrap();
    let names: Vec<_> = reports.iter().map(|report| report.target.as_str()).collect();
    assert_eq!(names, ["Gesendet", "leer"]);
    assert_eq!(pair.target.messages("INBOX").len(), 2);
    assert!(
        MailboxName::new("Gesendet").is_ok_and(|name| pair.target.user.status(&name.to_unicode()).is_ok())
    );
}
