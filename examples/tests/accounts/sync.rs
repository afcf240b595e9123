use std::{collections::BTreeMap, fs};

use anyhow::Result;
use mailwire_examples::{
    Link, Status, Tally,
    maildir::{Letters, Maildir},
    sync::{Options, Report, STATE, synchronize},
};
use mailwire_transport::imap::{
    Flag, FlagChange, SearchKey,
    proto::{command::AString, types::MailboxName},
};

use crate::world::{Account, Chance, TestFolder, run, run_for};

/// A mailbox and a Maildir.
struct Pair {
    account: Account,
    _folder: TestFolder,
    maildir: Maildir,
}

const BOX: &str = "Box";

/// A message whose subject is its name.
fn message(name: &str) -> String {
    format!("Message-ID: <{name}@example.net>\r\nSubject: {name}\r\n\r\nThis is {name}.\r\n")
}

fn name_of(content: &str) -> String {
    content.split("Subject: ").nth(1).unwrap().lines().next().unwrap().to_owned()
}

type Contents = BTreeMap<String, Letters>;

impl Pair {
    fn new() -> Self {
        let account = Account::new();
        account.user.create(BOX, None).unwrap();
        let folder = TestFolder::new();
        let maildir = Maildir::open(folder.path().join("mail")).unwrap();
        Self { account, _folder: folder, maildir }
    }

    async fn sync_with(&self, options: Options, tally: &mut Tally) -> Result<Report> {
        let account = self.account.clone();
        let mut link = Link::new(async move || account.connect().await);
        let name = MailboxName::new(BOX).unwrap();
        let report = synchronize(&mut link, &name, &self.maildir, "anna Box", options, tally).await?;
        link.leave().await;
        Ok(report)
    }

    /// Synchronizes, where nothing may fail.
    #[track_caller]
    fn sync(&self) -> Report {
        let mut tally = Tally::new();
        let report = run(self.sync_with(Options::default(), &mut tally)).unwrap();
        assert_eq!(tally.status(), Status::Done);
        report
    }

    fn put(&self, name: &str, letters: Letters) {
        let content = message(name).replace("\r\n", "\n");
        let file = match letters.is_empty() {
            true => format!("new/1700000000.{name}.here"),
            false => format!("cur/1700000000.{name}.here:2,{letters}"),
        };
        fs::write(self.maildir.path().join(file), content).unwrap();
    }

    fn here(&self) -> Contents {
        let entries = self.maildir.entries(|odd| panic!("{odd:?}")).unwrap();
        let mut contents = Contents::new();
        for entry in entries.values() {
            let content = fs::read_to_string(self.maildir.file(entry)).unwrap();
            assert!(!content.contains('\r'));
            let name = name_of(&content);
            assert_eq!(content.replace('\n', "\r\n"), message(&name));
            assert_eq!(contents.insert(name, entry.letters()), None, "twice");
        }
        contents
    }

    fn there(&self) -> Contents {
        let mut contents = Contents::new();
        for (content, letters) in self.account.contents(BOX) {
            let name = name_of(&content);
            assert_eq!(content, message(&name));
            assert_eq!(contents.insert(name, letters), None, "twice");
        }
        contents
    }

    fn entry(&self, name: &str) -> mailwire_examples::maildir::Entry {
        let entries = self.maildir.entries(|odd| panic!("{odd:?}")).unwrap();
        let is_it = |file| name_of(&fs::read_to_string(file).unwrap()) == name;
        entries.into_values().find(|entry| is_it(self.maildir.file(entry))).unwrap()
    }

    fn mark_here(&self, name: &str, letters: Letters) {
        self.maildir.mark(&self.entry(name), letters).unwrap().unwrap();
    }

    fn mark_there(&self, name: &str, letters: Letters) {
        self.change_there(name, FlagChange::replace(letters.flags()), false);
    }

    fn remove_here(&self, name: &str) {
        assert!(self.maildir.remove(&self.entry(name)).unwrap());
    }

    fn remove_there(&self, name: &str) {
        self.change_there(name, FlagChange::add([Flag::Deleted]), true);
    }

    fn change_there(&self, name: &str, change: FlagChange, expunge: bool) {
        self.account.with(async |client| {
            client.select(BOX).await.unwrap();
            let id = AString::new(format!("<{name}@example.net>")).unwrap();
            let id = SearchKey::Header(AString::new("Message-ID").unwrap(), id);
            let found = client.uid_search([id]).await.unwrap();
            assert_eq!(found.len(), 1);
            client.uid_store(&found, change).await.unwrap();
            if expunge {
                client.uid_expunge(&found).await.unwrap();
            }
        });
    }

    /// The mailbox is another one by the same name, with the same messages.
    fn renew(&self) {
        let contents = self.there();
        self.account.user.delete(BOX).unwrap();
        self.account.user.create(BOX, None).unwrap();
        for (name, letters) in contents {
            self.account.add(BOX, &message(&name), letters);
        }
    }

    #[track_caller]
    fn expect(&self, expected: &Contents) {
        assert_eq!(&self.here(), expected, "here");
        assert_eq!(&self.there(), expected, "there");
    }
}

fn letters(letters: &str) -> Letters {
    Letters::of_name(letters)
}

fn contents(all: &[(&str, &str)]) -> Contents {
    all.iter().map(|(name, flags)| ((*name).to_owned(), letters(flags))).collect()
}

/// Two sides with all kinds of changes since they were equal, and what is to come of them.
fn changed() -> (Pair, Contents) {
    let pair = Pair::new();
    for name in ["a", "b", "c", "d"] {
        pair.account.add(BOX, &message(name), letters("S"));
    }
    pair.put("e", letters(""));
    pair.put("f", letters("FR"));
    pair.sync();
    pair.mark_there("a", letters("SF"));
    pair.mark_here("a", letters("R"));
    pair.remove_there("b");
    pair.remove_here("c");
    pair.remove_there("e");
    pair.mark_here("f", letters(""));
    pair.account.add(BOX, &message("g"), letters("D"));
    pair.account.add(BOX, &message("h"), letters(""));
    pair.put("i", letters("S"));
    pair.put("j", letters(""));
    (pair, contents(&[("a", "FR"), ("d", "S"), ("f", ""), ("g", "D"), ("h", ""), ("i", "S"), ("j", "")]))
}

#[test]
fn changes_go_both_ways() {
    let (pair, expected) = changed();
    let report = pair.sync();
    pair.expect(&expected);
    let done =
        Report { fetched: 2, stored: 2, removed_here: 2, removed_there: 1, marked_here: 1, marked_there: 2 };
    assert_eq!(report, done);
    assert_eq!(pair.sync(), Report::default());
    pair.expect(&expected);
}

#[test]
fn servers_with_less() {
    for hidden in
        [&["QRESYNC"][..], &["QRESYNC", "CONDSTORE"], &["MULTIAPPEND", "UIDPLUS", "IMAP4rev2"], &["LITERAL+"]]
    {
        let (mut pair, mut expected) = changed();
        pair.account.hide(hidden);
        let report = pair.sync();
        assert_eq!(report.stored, 2);
        if hidden.contains(&"UIDPLUS") {
            // It is marked there, and not fetched again.
            assert_eq!(pair.here(), expected);
            expected.insert("c".into(), letters("ST"));
            assert_eq!(pair.there(), expected);
        } else {
            pair.expect(&expected);
        }
        assert_eq!(pair.sync(), Report::default(), "{hidden:?}");
    }
}

/// Also: nothing of it is left in `tmp`.
#[test]
fn dropped_at_any_step_it_goes_on() {
    let mut steps = 1;
    loop {
        let (pair, expected) = changed();
        let done = run_for(steps, pair.sync_with(Options::default(), &mut Tally::new()));
        if let Some(result) = &done {
            assert!(result.is_ok());
        }
        pair.sync();
        pair.expect(&expected);
        assert_eq!(fs::read_dir(pair.maildir.path().join("tmp")).unwrap().count(), 0);
        if done.is_some() {
            break;
        }
        steps += 1;
    }
    assert!(steps > 15, "{steps}");
}

#[test]
fn cut_at_any_byte_it_goes_on() {
    let mut bytes = 1;
    for hidden in [&[][..], &["MULTIAPPEND", "UIDPLUS", "QRESYNC", "IMAP4rev2"]] {
        for _ in 0..20 {
            let (mut pair, mut expected) = changed();
            pair.account.hide(hidden);
            pair.account.cut_after(bytes);
            // Without a first connection it ends.
            let first = run(pair.sync_with(Options::default(), &mut Tally::new()));
            pair.account.cut_never();
            if first.is_err() {
                pair.sync();
            }
            if hidden.is_empty() {
                pair.expect(&expected);
            } else {
                assert_eq!(pair.here(), expected, "cut after {bytes}");
                expected.insert("c".into(), letters("ST"));
                assert_eq!(pair.there(), expected, "cut after {bytes}");
            }
            bytes = bytes % 5_000 + 251;
        }
    }
}

/// A server that ends the connection at a message, whichever way that goes, keeps no other from its place.
#[test]
fn a_message_that_ends_each_connection_is_given_up() {
    for here in [true, false] {
        let mut pair = Pair::new();
        let names: Vec<String> = (0..30).map(|number| format!("m{number:02}")).collect();
        for name in &names {
            if here {
                pair.put(name, Letters::NONE)
            } else {
                pair.account.add(BOX, &message(name), Letters::NONE)
            }
        }
        pair.account.end_at(Some("This is m17"));
        let mut tally = Tally::new();
        run(pair.sync_with(Options::default(), &mut tally)).unwrap();
        assert_ne!(tally.status(), Status::Done);
        let there = if here { pair.there() } else { pair.here() };
        assert_eq!((there.len(), there.contains_key("m17")), (29, false), "{here}");
        // The next run tries once more.
        pair.account.end_at(None);
        pair.sync();
        pair.expect(&names.iter().map(|name| (name.clone(), Letters::NONE)).collect());
    }
}

#[test]
fn another_validity_loses_nothing() {
    let (pair, _) = changed();
    pair.renew();
    pair.sync();
    // What was deleted on one side is back; flags are those of both.
    let all =
        [("a", "FRS"), ("c", "S"), ("d", "S"), ("f", "FR"), ("g", "D"), ("h", ""), ("i", "S"), ("j", "")];
    let mut expected = contents(&all);
    // Here only, and so new.
    expected.extend(contents(&[("b", "S"), ("e", "")]));
    pair.expect(&expected);
    assert_eq!(pair.sync(), Report::default());
}

#[test]
fn a_server_that_goes_back_loses_nothing() {
    // Two mailboxes of the same UIDVALIDITY, which is of the second when they were made.
    let validity = |pair: &Pair| {
        pair.account.with(async |client| client.select(BOX).await.unwrap().uid_validity.unwrap())
    };
    let (mut pair, earlier) = loop {
        let (pair, earlier) = (Pair::new(), Pair::new());
        if validity(&pair) == validity(&earlier) {
            break (pair, earlier);
        }
    };
    for name in ["a", "b", "c", "d"] {
        pair.account.add(BOX, &message(name), Letters::NONE);
    }
    pair.sync();
    // A backup is in its place. Its first UID is another message's.
    for name in ["x", "b"] {
        earlier.account.add(BOX, &message(name), Letters::NONE);
    }
    pair.account = earlier.account.clone();
    pair.sync();
    pair.expect(&contents(&[("a", ""), ("b", ""), ("c", ""), ("d", ""), ("x", "")]));
    assert_eq!(pair.sync(), Report::default());
}

#[test]
fn a_lost_state_loses_nothing() {
    let (pair, _) = changed();
    fs::remove_file(pair.maildir.path().join(STATE)).unwrap();
    let report = pair.sync();
    // b and e are here alone, c is there alone.
    assert_eq!((report.fetched, report.stored), (3, 4));
    assert_eq!(pair.here().len(), 10);
    assert_eq!(pair.here(), pair.there());
}

#[test]
fn a_damaged_state_is_told() {
    let (pair, _) = changed();
    let state = pair.maildir.path().join(STATE);
    let whole = fs::read_to_string(&state).unwrap();
    fs::write(&state, &whole.as_bytes()[..whole.len() / 2]).unwrap();
    let error = run(pair.sync_with(Options::default(), &mut Tally::new())).unwrap_err();
    assert!(error.to_string().contains("is damaged"), "{error:#}");
}

#[test]
fn a_dry_run_does_nothing() {
    let (pair, _) = changed();
    let before = (pair.here(), pair.there(), fs::read(pair.maildir.path().join(STATE)).unwrap());
    let dry = Options { dry_run: true, ..Options::default() };
    let report = run(pair.sync_with(dry, &mut Tally::new())).unwrap();
    let after = (pair.here(), pair.there(), fs::read(pair.maildir.path().join(STATE)).unwrap());
    assert_eq!(before, after);
    assert_eq!(report, pair.sync());
}

#[test]
fn a_side_that_is_empty_empties_the_other_only_if_told() {
    for here in [true, false] {
        let pair = Pair::new();
        for number in 0..30 {
            pair.account.add(BOX, &message(&format!("m{number}")), letters(""));
        }
        pair.sync();
        for number in 0..30 {
            let name = format!("m{number}");
            if here { pair.remove_here(&name) } else { pair.remove_there(&name) }
        }
        let mut tally = Tally::new();
        run(pair.sync_with(Options::default(), &mut tally)).unwrap();
        assert_eq!(tally.status(), Status::Refused);
        assert_eq!(pair.here().len() + pair.there().len(), 30);
        let options = Options { delete_all: true, ..Options::default() };
        run(pair.sync_with(options, &mut Tally::new())).unwrap();
        pair.expect(&Contents::new());
    }
}

#[test]
fn a_maildir_that_is_gone_is_fetched_again() {
    let pair = Pair::new();
    pair.account.add(BOX, &message("a"), letters("S"));
    pair.sync();
    fs::remove_dir_all(pair.maildir.path()).unwrap();
    Maildir::open(pair.maildir.path()).unwrap();
    assert_eq!(pair.sync().fetched, 1);
    pair.expect(&contents(&[("a", "S")]));
}

#[test]
fn dates_go_both_ways() {
    let pair = Pair::new();
    pair.put("a", letters(""));
    let file = fs::File::options().write(true).open(pair.maildir.file(&pair.entry("a"))).unwrap();
    let date = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_400_000_000);
    file.set_modified(date).unwrap();
    pair.sync();
    pair.remove_here("a");
    fs::remove_file(pair.maildir.path().join(STATE)).unwrap();
    pair.sync();
    let back = fs::metadata(pair.maildir.file(&pair.entry("a"))).unwrap();
    assert_eq!(back.modified().unwrap(), date);
}

/// A large message is neither collected nor sent from memory.
#[test]
fn large_messages_go_both_ways() {
    let pair = Pair::new();
    let large = |name: &str| format!("{}{}", message(name), "0123456789abcdef\r\n".repeat(100_000));
    pair.account.add(BOX, &large("a"), letters("F"));
    fs::write(pair.maildir.path().join("new/b"), large("b").replace("\r\n", "\n")).unwrap();
    pair.sync();
    let there = pair.account.contents(BOX);
    assert_eq!(there, [(large("a"), letters("F")), (large("b"), letters(""))]);
    let here = fs::read_to_string(pair.maildir.file(&pair.entry("a"))).unwrap();
    assert_eq!(here.replace('\n', "\r\n"), large("a"));
    assert_eq!(pair.sync(), Report::default());
}

/// Both sides are changed by chance, and runs are dropped and cut by chance: what comes of it is what a model says.
#[test]
fn chance_agrees_with_the_model() {
    for seed in 0..8 {
        let mut chance = Chance(seed);
        let mut pair = Pair::new();
        let offers = [&[][..], &["QRESYNC"], &["QRESYNC", "CONDSTORE", "MULTIAPPEND"]];
        pair.account.hide(offers[chance.below(3)]);
        let mut agreed = Contents::new();
        let mut number = 0;
        for round in 0..8 {
            let (mut here, mut there) = (agreed.clone(), agreed.clone());
            for _ in 0..chance.below(12) {
                let flags = chance.letters();
                let known: Vec<String> = agreed.keys().cloned().collect();
                let one =
                    if known.is_empty() { String::new() } else { known[chance.below(known.len())].clone() };
                number += 1;
                let new = format!("m{number}");
                match chance.below(6) {
                    0 => {
                        pair.put(&new, flags);
                        here.insert(new, flags);
                    }
                    1 => {
                        pair.account.add(BOX, &message(&new), flags);
                        there.insert(new, flags);
                    }
                    2 if here.contains_key(&one) => {
                        pair.mark_here(&one, flags);
                        here.insert(one, flags);
                    }
                    3 if there.contains_key(&one) => {
                        pair.mark_there(&one, flags);
                        there.insert(one, flags);
                    }
                    4 if here.remove(&one).is_some() => pair.remove_here(&one),
                    5 if there.remove(&one).is_some() => pair.remove_there(&one),
                    _ => {}
                }
            }
            match chance.below(12) {
                0 => {
                    pair.renew();
                    agreed.clear();
                }
                1 if round > 0 => {
                    fs::remove_file(pair.maildir.path().join(STATE)).unwrap();
                    agreed.clear();
                }
                _ => {}
            }
            if chance.one_in(2) {
                pair.account.cut_after(chance.below(4_000) as i64);
            }
            if chance.one_in(2) {
                let steps = chance.below(200) as u32;
                let _ = run_for(steps, pair.sync_with(Options::default(), &mut Tally::new()));
            }
            pair.account.cut_never();
            pair.sync();
            let before = std::mem::take(&mut agreed);
            for name in here.keys().chain(there.keys()) {
                let flags = match (here.get(name), there.get(name)) {
                    (Some(here), Some(there)) => {
                        before.get(name).copied().unwrap_or_default().merged(*here, *there)
                    }
                    (Some(flags), None) | (None, Some(flags)) if !before.contains_key(name) => *flags,
                    _ => continue,
                };
                agreed.insert(name.clone(), flags);
            }
            assert_eq!(pair.here(), agreed, "here, seed {seed}, round {round}");
            assert_eq!(pair.there(), agreed, "there, seed {seed}, round {round}");
        }
    }
}
