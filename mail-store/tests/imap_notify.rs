//! NOTIFY: what a server tells by itself.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod raw;

use std::{fmt::Write as _, time::Duration};

use mailwire_core::Channel;
use mailwire_imap::{
    command::{FetchAtt, StoreAction},
    extensions::metadata::EntryName,
    extensions::notify::{EventGroup, MailboxFilter, Notify, NotifyEvent},
    response::{MsgAtt, Untagged},
    types::{Flag, MailboxName, Uid},
};
use mailwire_store::{
    FlagChange, How, ImapService, MailboxChange, MailboxPath, Store as _, Uids, Which,
    memory::{Config as StoreConfig, MemoryStore, NewMessage, User},
};
use mailwire_transport::imap::{Client, Server, client::Update};
use raw::{Protocol, Raw, Servers, imap_client};
use tokio::time::timeout;

/// A session that speaks by hand, and others that change what it sees.
struct Scene {
    store: MemoryStore,
    user: User,
    raw: Raw,
}

impl Scene {
    async fn new(mailboxes: &[&str]) -> Self {
        Self::with(StoreConfig::default(), mailboxes, 1 << 16).await
    }

    async fn with(config: StoreConfig, mailboxes: &[&str], pipe: usize) -> Self {
        let store = MemoryStore::with_config(config);
        let user = store.add_user("ada", "secret").unwrap();
        for mailbox in mailboxes {
            user.create(mailbox, None).unwrap();
        }
        let mut raw = Servers::new(&store).connect(Protocol::Imap, Channel::Tls, pipe).await;
        assert!(raw.login(Protocol::Imap, "ada", "secret").await);
        Self { store, user, raw }
    }

    /// The untagged lines of a command, and the last one without its tag.
    async fn answer(&mut self, command: &str) -> (Vec<String>, String) {
        self.raw.write(format!("a {command}\r\n")).await;
        let mut lines = Vec::new();
        loop {
            let line = self.raw.line().await;
            assert!(!line.is_empty(), "{command}: the end, after {lines:?}");
            if let Some(end) = line.strip_prefix("a ") {
                return (lines, end.to_owned());
            }
            lines.push(line);
        }
    }

    /// The untagged lines of a command that succeeds.
    async fn ok(&mut self, command: &str) -> Vec<String> {
        let (lines, end) = self.answer(command).await;
        assert!(end.starts_with("OK"), "{command}: {end}");
        lines
    }

    /// The lines that come by themselves until nothing more does.
    async fn told(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Ok(line) = timeout(Duration::from_secs(1), self.raw.line()).await {
            assert!(!line.is_empty(), "the end, after {lines:?}");
            lines.push(line);
        }
        lines
    }

    async fn expect(&mut self, lines: &[&str]) {
        assert_eq!(self.told().await, lines);
    }

    fn deliver(&self, mailbox: &str) -> Uid {
        let message = NewMessage::new("Subject: hi\r\n\r\nhello\r\n".into());
        self.user.append(mailbox, message).unwrap().uid
    }

    async fn flag(&self, mailbox: &str, uid: u32, flag: Flag) {
        let id = self.user.status(mailbox).unwrap().id;
        let change = FlagChange::new(StoreAction::Add, [flag].into());
        self.store.store(id, &one(uid), &change).await.unwrap();
    }

    async fn expunge(&self, mailbox: &str, uid: u32) {
        let id = self.user.status(mailbox).unwrap().id;
        self.store.expunge(id, &one(uid), Which::All).await.unwrap();
    }

    async fn alter(&self, change: MailboxChange) {
        self.store.alter(self.user.account(), change).await.unwrap();
    }

    async fn rename(&self, from: &str, to: &str) {
        self.alter(MailboxChange::Rename { from: path(from), to: path(to) }).await;
    }

    async fn rights(&self, mailbox: &str, change: &str) {
        let id = self.user.status(mailbox).unwrap().id;
        let mut other = Servers::new(&self.store).connect(Protocol::Imap, Channel::Tls, 1 << 16).await;
        assert!(other.login(Protocol::Imap, "ada", "secret").await);
        let answer = other.command(Protocol::Imap, &format!("SETACL {mailbox} ada {change}")).await;
        assert!(answer.starts_with("a OK"), "{answer}");
        assert_eq!(self.user.status(mailbox).unwrap().id, id);
    }

    async fn annotate(&self, mailbox: &str, entry: &str) {
        let mut other = Servers::new(&self.store).connect(Protocol::Imap, Channel::Tls, 1 << 16).await;
        assert!(other.login(Protocol::Imap, "ada", "secret").await);
        let command = format!("SETMETADATA \"{mailbox}\" ({entry} \"x\")");
        let answer = other.command(Protocol::Imap, &command).await;
        assert!(answer.starts_with("a OK"), "{answer}");
    }
}

fn path(name: &str) -> MailboxPath {
    MailboxPath::new(name).unwrap()
}

fn one(uid: u32) -> Uids {
    Uids::from(Uid::new(uid).unwrap())
}

const BOTH: &str = "MessageNew MessageExpunge";

#[tokio::test(start_paused = true)]
async fn selected() {
    let mut scene = Scene::new(&[]).await;
    scene.deliver("INBOX");
    scene.ok("SELECT INBOX").await;
    let items = "(UID BODY.PEEK[TEXT])";
    scene.ok(&format!("NOTIFY SET (SELECTED (MessageNew {items} MessageExpunge FlagChange))")).await;
    scene.deliver("INBOX");
    let told = scene.told().await;
    assert_eq!(told[..2], ["* 2 EXISTS", "* 2 RECENT"]);
    assert_eq!(told[2..], ["* 2 FETCH (UID 2 BODY[TEXT] {7}", "hello", ")"]);
    scene.flag("INBOX", 1, Flag::Seen).await;
    scene.expect(&["* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent))"]).await;
    scene.expunge("INBOX", 1).await;
    scene.expect(&["* 1 EXPUNGE"]).await;
    // During a command with sequence numbers, it waits, and comes after that.
    scene.deliver("INBOX");
    assert_eq!(scene.told().await.len(), 5);
    scene.raw.write("a FETCH 1:2 (UID)\r\n").await;
    scene.expunge("INBOX", 2).await;
    let told = scene.told().await;
    assert_eq!(told.last().unwrap(), "* 1 EXPUNGE");
    // What the client does itself, it knows.
    scene.raw.write("a APPEND INBOX {3+}\r\nx\r\n\r\n").await;
    let told = scene.told().await;
    assert_eq!(told[..2], ["* 2 EXISTS", "* 2 RECENT"]);
    assert!(told[2].starts_with("a OK [APPENDUID ") && told.len() == 3, "{told:?}");
    assert_eq!(
        scene.ok("UID STORE 4 +FLAGS (\\Flagged)").await,
        ["* 2 FETCH (UID 4 FLAGS (\\Flagged \\Recent))"]
    );
    scene.expect(&[]).await;
}

#[tokio::test(start_paused = true)]
async fn selected_delayed() {
    let mut scene = Scene::new(&[]).await;
    for _ in 0..3 {
        scene.deliver("INBOX");
    }
    scene.ok("SELECT INBOX").await;
    scene.ok(&format!("NOTIFY SET (SELECTED-DELAYED ({BOTH} FlagChange))")).await;
    scene.expunge("INBOX", 1).await;
    scene.flag("INBOX", 2, Flag::Seen).await;
    scene.deliver("INBOX");
    scene.expect(&["* 4 EXISTS", "* 4 RECENT", "* 2 FETCH (UID 2 FLAGS (\\Seen \\Recent))"]).await;
    // The numbers are what they were.
    assert_eq!(scene.ok("FETCH 3 (UID)").await, ["* 3 FETCH (UID 3)"]);
    scene.expect(&[]).await;
    assert_eq!(scene.ok("NOOP").await, ["* 1 EXPUNGE"]);
    scene.expunge("INBOX", 2).await;
    scene.expect(&[]).await;
    scene.raw.write("a IDLE\r\n").await;
    scene.expect(&["+ idling", "* 1 EXPUNGE"]).await;
    scene.raw.write("DONE\r\n").await;
    assert_eq!(scene.told().await.len(), 1);
}

/// News that came while the client wanted none are told by the next NOTIFY that asks for them.
#[tokio::test(start_paused = true)]
async fn what_was_not_told_is_told_later() {
    let mut scene = Scene::new(&[]).await;
    for _ in 0..3 {
        scene.deliver("INBOX");
    }
    scene.ok("SELECT INBOX (CONDSTORE)").await;
    scene.ok(&format!("NOTIFY SET (SELECTED ({BOTH}))")).await;
    scene.flag("INBOX", 1, Flag::Seen).await;
    scene.deliver("INBOX");
    scene.expect(&["* 4 EXISTS", "* 4 RECENT"]).await;
    // Below HIGHESTMODSEQ all is told: so it stays where it was.
    let before = scene.answer("NOOP").await;
    assert!(before.0.is_empty() && !before.1.contains("HIGHESTMODSEQ"), "{before:?}");
    scene.ok("NOTIFY NONE").await;
    scene.deliver("INBOX");
    scene.expunge("INBOX", 2).await;
    scene.expunge("INBOX", 5).await;
    scene.expect(&[]).await;
    assert!(scene.ok("NOOP").await.is_empty());
    scene.raw.write("a IDLE\r\n").await;
    scene.expect(&["+ idling"]).await;
    scene.raw.write("DONE\r\n").await;
    scene.told().await;
    let (told, end) = scene.answer("NOTIFY SET (SELECTED NONE)").await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent) MODSEQ "), "{told:?}");
    assert_eq!(told[1], "* 2 EXPUNGE");
    assert!(end.starts_with("OK [HIGHESTMODSEQ "), "{end}");
    scene.deliver("INBOX");
    scene.expect(&[]).await;
}

#[tokio::test(start_paused = true)]
async fn other_mailboxes() {
    let mut scene = Scene::new(&["lists", "lists/rust", "work"]).await;
    scene.deliver("work");
    scene.ok("SELECT INBOX").await;
    let told = scene
        .ok(&format!(
            "NOTIFY SET STATUS (SUBTREE lists ({BOTH} FlagChange)) (MAILBOXES (work none) ({BOTH}))"
        ))
        .await;
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].starts_with("* STATUS lists (MESSAGES 0 UIDNEXT 1 UNSEEN 0 UIDVALIDITY "));
    assert!(told[0].contains(" HIGHESTMODSEQ "), "{told:?}");
    assert!(told[2].starts_with("* STATUS work (MESSAGES 1 UIDNEXT 2 UIDVALIDITY "), "{told:?}");
    assert!(!told[2].contains("UNSEEN"), "{told:?}");
    let uid_validity = |scene: &Scene, name: &str| scene.user.status(name).unwrap().uid_validity;
    let (rust, work) = (uid_validity(&scene, "lists/rust"), uid_validity(&scene, "work"));
    scene.deliver("lists/rust");
    scene.expect(&[&format!("* STATUS lists/rust (MESSAGES 1 UIDNEXT 2 UNSEEN 1 UIDVALIDITY {rust})")]).await;
    scene.flag("lists/rust", 1, Flag::Seen).await;
    scene.expect(&[&format!("* STATUS lists/rust (UNSEEN 0 UIDVALIDITY {rust})")]).await;
    // Nothing that could be told has changed.
    scene.flag("lists/rust", 1, Flag::Flagged).await;
    scene.flag("work", 1, Flag::Seen).await;
    scene.deliver("INBOX");
    scene.expect(&[]).await;
    scene.expunge("work", 1).await;
    scene.expect(&[&format!("* STATUS work (MESSAGES 0 UIDNEXT 2 UIDVALIDITY {work})")]).await;
    // The client's own messages.
    scene.raw.write("a APPEND work {3+}\r\nx\r\n\r\n").await;
    let told = scene.told().await;
    assert!(told[0].starts_with("a OK") && told.len() == 1, "{told:?}");
    // With modification sequences, each change is one.
    scene.ok("ENABLE CONDSTORE").await;
    assert!(scene.told().await[0].starts_with("* OK [HIGHESTMODSEQ "));
    scene.flag("lists/rust", 1, Flag::Answered).await;
    let mod_seq = scene.user.status("lists/rust").unwrap().mod_seq;
    let line = format!("* STATUS lists/rust (UNSEEN 0 UIDVALIDITY {rust} HIGHESTMODSEQ {mod_seq})");
    scene.expect(&[&line]).await;
    // The mailbox that is open is another matter.
    scene.ok("SELECT work").await;
    scene.deliver("work");
    scene.expect(&[]).await;
    scene.ok("UNSELECT").await;
    scene.deliver("work");
    assert_eq!(scene.told().await.len(), 1);
}

/// A message of one's own and one of others at the same time: the others' counts.
#[tokio::test(start_paused = true)]
async fn what_others_do_meanwhile_is_told() {
    let mut scene = Scene::new(&["work"]).await;
    scene.deliver("INBOX");
    scene.ok("SELECT INBOX").await;
    scene.ok(&format!("NOTIFY SET (PERSONAL ({BOTH}))")).await;
    assert!(scene.ok("COPY 1 work").await.is_empty());
    let inbox = scene.user.status("INBOX").unwrap().id;
    let work = scene.user.status("work").unwrap().id;
    scene.raw.write("a COPY 1 work\r\n").await;
    scene.store.copy(inbox, &one(1), work, How::Copy).await.unwrap();
    let told = scene.told().await;
    assert!(told.iter().any(|line| line.starts_with("* STATUS work (MESSAGES 3 ")), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn names() {
    let mut scene = Scene::new(&["a", "a/b"]).await;
    scene.ok("NOTIFY SET (PERSONAL (MailboxName))").await;
    scene.user.create("a/b/c", None).unwrap();
    scene.expect(&["* LIST (\\HasChildren) \"/\" a/b", "* LIST (\\HasNoChildren) \"/\" a/b/c"]).await;
    scene.rename("a", "x y").await;
    scene.expect(&["* LIST (\\HasChildren) \"/\" \"x y\" (\"OLDNAME\" (a))"]).await;
    scene.user.delete("x y/b/c").unwrap();
    let gone = "* LIST (\\HasNoChildren \\NonExistent) \"/\" \"x y/b/c\"";
    scene.expect(&["* LIST (\\HasNoChildren) \"/\" \"x y/b\"", gone]).await;
    scene.deliver("INBOX");
    scene.rename("INBOX", "old").await;
    scene.expect(&["* LIST (\\HasNoChildren) \"/\" old"]).await;
    // Its own changes.
    for command in ["CREATE new", "RENAME \"x y\" new/x", "SUBSCRIBE new", "DELETE new/x/b"] {
        assert!(scene.ok(command).await.is_empty(), "{command}");
    }
    scene.expect(&[]).await;
    // A level that it does not know of.
    assert_eq!(scene.ok("CREATE p/q").await, ["* LIST (\\HasChildren) \"/\" p"]);
    // Two that change their names at one time.
    scene.rename("old", "tmp").await;
    scene.rename("p", "old").await;
    scene.rename("tmp", "p").await;
    let mut told = scene.told().await;
    told.sort();
    assert_eq!(
        told,
        [
            "* LIST (\\HasChildren) \"/\" old (\"OLDNAME\" (p))",
            "* LIST (\\HasNoChildren) \"/\" p (\"OLDNAME\" (old))"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn subscriptions_and_those_subscribed_to() {
    let mut scene = Scene::new(&["a", "b"]).await;
    let command =
        format!("NOTIFY SET (SUBSCRIBED ({BOTH} SubscriptionChange)) (MAILBOXES a (SubscriptionChange))");
    scene.ok(&command).await;
    scene.deliver("a");
    scene.expect(&[]).await;
    scene.alter(MailboxChange::Subscribe(path("a"))).await;
    scene.expect(&["* LIST (\\HasNoChildren \\Subscribed) \"/\" a"]).await;
    scene.deliver("a");
    assert_eq!(scene.told().await.len(), 1);
    // By the client itself: not told, but followed.
    assert!(scene.ok("UNSUBSCRIBE a").await.is_empty());
    scene.deliver("a");
    scene.expect(&[]).await;
    scene.ok("SUBSCRIBE b").await;
    scene.deliver("b");
    assert_eq!(scene.told().await.len(), 1);
    scene.alter(MailboxChange::Unsubscribe(path("b"))).await;
    scene.expect(&["* LIST (\\HasNoChildren) \"/\" b"]).await;
    scene.alter(MailboxChange::Subscribe(path("none"))).await;
    scene.expect(&["* LIST (\\HasNoChildren \\NonExistent \\Subscribed) \"/\" none"]).await;
}

#[tokio::test(start_paused = true)]
async fn filters_take_names_as_they_are() {
    let mut scene = Scene::new(&["INBOX/x", "a", "a/b", "ab", "Entw\u{fc}rfe"]).await;
    for (filter, covered) in [
        ("MAILBOXES inbox", vec!["INBOX"]),
        ("SUBTREE (inbox a/)", vec!["INBOX", "INBOX/x", "a", "a/b"]),
        ("MAILBOXES (\"a*\" \"%\" \"a/%\")", vec![]),
        ("MAILBOXES (inbox/x \"Entw&APw-rfe\")", vec!["INBOX/x", "Entw\u{fc}rfe"]),
        ("INBOXES", vec!["INBOX", "INBOX/x", "a", "a/b", "ab", "Entw\u{fc}rfe"]),
        ("SUBSCRIBED", vec!["INBOX"]),
        ("MAILBOXES (\"Entw\u{fc}rfe\" \"&\" none)", vec![]),
    ] {
        scene.ok(&format!("NOTIFY SET ({filter} ({BOTH}))")).await;
        for mailbox in ["INBOX", "INBOX/x", "a", "a/b", "ab", "Entw\u{fc}rfe"] {
            scene.deliver(mailbox);
            assert_eq!(
                scene.told().await.len(),
                usize::from(covered.contains(&mailbox)),
                "{filter} {mailbox}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn annotations() {
    let mut scene = Scene::new(&["a", "b"]).await;
    scene.ok("NOTIFY SET (MAILBOXES a (MailboxMetadataChange)) (PERSONAL (ServerMetadataChange))").await;
    scene.annotate("a", "/shared/comment").await;
    scene.expect(&["* METADATA a /shared/comment"]).await;
    scene.annotate("b", "/shared/comment").await;
    scene.annotate("", "/private/comment").await;
    scene.expect(&["* METADATA \"\" /private/comment"]).await;
    assert!(scene.ok("SETMETADATA a (/private/comment NIL /Shared/x \"y\")").await.is_empty());
    assert!(scene.ok("SETMETADATA \"\" (/private/comment NIL)").await.is_empty());
    scene.expect(&[]).await;
    // More than the store remembers.
    for number in 0..600 {
        let entry = format!("/private/vendor/x/{}", number % 7);
        scene.raw.write(format!("a SETMETADATA b ({entry} \"{number}\")\r\n")).await;
        assert!(scene.raw.answer(Protocol::Imap).await.starts_with("a OK"));
    }
    scene.expect(&[]).await;
}

/// A server that cannot tell all says so, and tells nothing any more.
#[tokio::test(start_paused = true)]
async fn overflow() {
    let mut scene = Scene::with(StoreConfig::default(), &["a"], 1 << 16).await;
    scene.ok("SELECT INBOX").await;
    scene.ok(&format!("NOTIFY SET (SELECTED ({BOTH})) (PERSONAL ({BOTH} MailboxMetadataChange))")).await;
    // All of it before the session has its turn.
    let store = scene.store.clone();
    let id = scene.user.status("a").unwrap().id;
    let account = scene.user.account();
    for number in 0..1000 {
        let name = EntryName::new(format!("/private/{}/x", number % 9)).unwrap();
        let entries = [(name, Some("x".into()))];
        let set = store.set_metadata(account, Some(id), &entries);
        futures_util::FutureExt::now_or_never(set).unwrap().unwrap();
    }
    let told = scene.told().await;
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("* OK [NOTIFICATIONOVERFLOW] "), "{told:?}");
    scene.deliver("INBOX");
    scene.deliver("a");
    scene.expect(&[]).await;
    assert!(scene.ok("NOOP").await.is_empty());
    // It begins anew.
    let told = scene.ok(&format!("NOTIFY SET (SELECTED ({BOTH})) (PERSONAL ({BOTH}))")).await;
    assert_eq!(told, ["* 1 EXISTS", "* 1 RECENT"]);
    scene.deliver("a");
    assert_eq!(scene.told().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn events_that_are_not_told_are_refused() {
    let mut scene = Scene::new(&["a"]).await;
    scene.ok(&format!("NOTIFY SET (PERSONAL ({BOTH}))")).await;
    for events in ["AnnotationChange MessageNew MessageExpunge", "X-Other"] {
        let (_, end) = scene.answer(&format!("NOTIFY SET (PERSONAL ({events}))")).await;
        let supported = "MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange \
                         ServerMetadataChange";
        assert!(end.starts_with(&format!("NO [BADEVENT ({supported})] ")), "{end}");
    }
    let (_, end) = scene.answer("NOTIFY SET (SELECTED (MessageNew (X-ITEM) MessageExpunge))").await;
    assert!(end.starts_with("BAD "), "{end}");
    let many = (0..60).fold(String::new(), |mut names, number| {
        let _ = write!(names, " {}{number}", "n".repeat(900));
        names
    });
    let events = format!("{BOTH} FlagChange MailboxName");
    let (_, end) = scene.answer(&format!("NOTIFY SET (MAILBOXES (a{many}) ({events}))")).await;
    assert!(end.starts_with("NO [NOTIFICATIONOVERFLOW] "), "{end:.200}");
    // None of it has changed anything.
    scene.deliver("a");
    assert_eq!(scene.told().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_read() {
    let mut scene = Scene::new(&["a", "b"]).await;
    scene.rights("b", "-r").await;
    let told = scene.ok(&format!("NOTIFY SET STATUS (MAILBOXES (a b none) ({BOTH}))")).await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("* STATUS a "), "{told:?}");
    assert_eq!(told[1], "* LIST (\\NoAccess) \"/\" b");
    scene.deliver("b");
    scene.annotate("a", "/shared/x").await;
    scene.expect(&[]).await;
    // It is taken away, and comes back.
    scene.rights("a", "-r").await;
    scene.expect(&["* LIST (\\HasNoChildren \\NoAccess) \"/\" a"]).await;
    scene.deliver("a");
    scene.expect(&[]).await;
    scene.rights("a", "+r").await;
    let told = scene.told().await;
    assert_eq!(told[0], "* LIST (\\HasNoChildren) \"/\" a");
    assert!(told[1].starts_with("* STATUS a (MESSAGES 1 UIDNEXT 2 ") && told.len() == 2, "{told:?}");
    // The mailbox that is selected.
    scene.ok("SELECT a").await;
    scene.ok(&format!("NOTIFY SET (SELECTED (MessageNew (UID) MessageExpunge)) (PERSONAL ({BOTH}))")).await;
    scene.rights("a", "-r").await;
    scene.expect(&["* LIST (\\HasNoChildren \\NoAccess) \"/\" a"]).await;
    scene.deliver("a");
    scene.expect(&[]).await;
    assert!(scene.ok("NOOP").await.is_empty());
    scene.rights("a", "+r").await;
    let told = scene.told().await;
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(
        told.contains(&"* 2 EXISTS".to_owned()) && told.contains(&"* 2 FETCH (UID 2)".to_owned()),
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_within_idle_and_without_a_mailbox() {
    let mut scene = Scene::new(&["a"]).await;
    scene.ok(&format!("NOTIFY SET (MAILBOXES a ({BOTH}))")).await;
    scene.raw.write("a IDLE\r\n").await;
    scene.expect(&["+ idling"]).await;
    scene.deliver("a");
    scene.deliver("INBOX");
    let told = scene.told().await;
    assert!(told.len() == 1 && told[0].starts_with("* STATUS a (MESSAGES 1 "), "{told:?}");
    scene.raw.write("DONE\r\n").await;
    assert_eq!(scene.told().await.len(), 1);
    // Not a word of the mailbox that is selected.
    scene.ok("SELECT INBOX").await;
    scene.raw.write("a IDLE\r\n").await;
    scene.expect(&["+ idling"]).await;
    scene.deliver("INBOX");
    scene.expect(&[]).await;
    scene.raw.write("DONE\r\n").await;
    assert_eq!(scene.told().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn vanished_at_once() {
    for enable in ["QRESYNC", "UIDONLY"] {
        let mut scene = Scene::new(&[]).await;
        for _ in 0..3 {
            scene.deliver("INBOX");
        }
        scene.ok(&format!("ENABLE {enable}")).await;
        scene.ok("SELECT INBOX").await;
        scene.ok(&format!("NOTIFY SET (SELECTED ({BOTH}))")).await;
        scene.expunge("INBOX", 2).await;
        scene.expect(&["* VANISHED 2"]).await;
        scene.user.create("x", None).unwrap();
        scene.expect(&[]).await;
        scene.ok(&format!("NOTIFY SET (SELECTED-DELAYED ({BOTH}))")).await;
        scene.expunge("INBOX", 3).await;
        scene.expect(&[]).await;
        assert_eq!(scene.ok("NOOP").await, ["* VANISHED 3"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_that_is_made_anew_has_another_validity() {
    let mut scene = Scene::new(&["a"]).await;
    scene.deliver("a");
    scene.ok(&format!("NOTIFY SET (MAILBOXES a ({BOTH} FlagChange))")).await;
    scene.user.delete("a").unwrap();
    scene.user.create("a", None).unwrap();
    let uid_validity = scene.user.status("a").unwrap().uid_validity;
    let line = format!("* STATUS a (MESSAGES 0 UIDNEXT 1 UNSEEN 0 UIDVALIDITY {uid_validity})");
    scene.expect(&[&line]).await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_selected_mailbox() {
    let mut scene = Scene::new(&["a"]).await;
    scene.ok("SELECT a").await;
    scene.ok(&format!("NOTIFY SET (SELECTED ({BOTH})) (PERSONAL (MailboxName))")).await;
    scene.user.delete("a").unwrap();
    let rest = scene.raw.rest().await;
    assert!(rest.contains("* LIST (\\HasNoChildren \\NonExistent) \"/\" a\r\n"), "{rest}");
    assert!(rest.ends_with("* BYE The selected mailbox was deleted\r\n"), "{rest}");
}

/// Thousands of mailboxes, and a client that does not read: when it does, it has what is so then.
#[tokio::test(start_paused = true)]
async fn a_client_that_reads_late() {
    const MAILBOXES: usize = 3000;
    let mut config = StoreConfig::default();
    config.mailboxes = 2 * MAILBOXES;
    let mut scene = Scene::with(config, &[], 1 << 10).await;
    let name = |number: usize| format!("mailbox-{number}");
    for number in 0..MAILBOXES {
        scene.user.create(&name(number), None).unwrap();
    }
    scene.ok(&format!("NOTIFY SET (PERSONAL ({BOTH} MailboxName))")).await;
    for _ in 0..5 {
        for number in 0..MAILBOXES {
            scene.deliver(&name(number));
        }
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
    let told = scene.told().await;
    assert!(told.len() < 4 * MAILBOXES, "{}", told.len());
    for number in 0..MAILBOXES {
        let start = format!("* STATUS {} (MESSAGES ", name(number));
        let last = told.iter().rev().find_map(|line| line.strip_prefix(&start));
        assert!(last.is_some_and(|rest| rest.starts_with("5 UIDNEXT 6 ")), "{start}{last:?}");
    }
    // It is heard nevertheless.
    assert!(scene.ok("NOOP").await.is_empty());
}

async fn connect(store: &MemoryStore) -> Client {
    imap_client(&Server::new(ImapService::new(store.clone()))).await
}

#[tokio::test]
async fn by_our_client() {
    let store = MemoryStore::new();
    let user = store.add_user("ada", "secret").unwrap();
    user.create("work", None).unwrap();
    let mut client = connect(&store).await;
    client.select("INBOX").await.unwrap();
    let new = |items: &[FetchAtt]| [NotifyEvent::MessageNew(items.to_vec()), NotifyEvent::MessageExpunge];
    let notify = Notify::set([
        EventGroup::new(MailboxFilter::Selected, new(&[FetchAtt::Uid, FetchAtt::Flags, FetchAtt::Envelope])),
        EventGroup::new(MailboxFilter::Mailboxes(vec![MailboxName::new("work").unwrap()]), new(&[])),
    ]);
    client.notify(notify.unwrap().with_status(true)).await.unwrap();
    let told: Vec<Update> = client.updates().collect();
    assert!(matches!(&told[..], [Update::Data(data)] if matches!(**data, Untagged::Status(_))), "{told:?}");

    let mut other = connect(&store).await;
    other.append("INBOX", "Subject: hello\r\n\r\nx\r\n").await.unwrap();
    other.append("work", "Subject: hello\r\n\r\nx\r\n").await.unwrap();
    let mut idle = client.idle().await.unwrap();
    let mut told = Vec::new();
    while told.len() < 4 {
        told.push(idle.next().await.unwrap());
    }
    idle.done().await.unwrap();
    let shown = told.iter().find_map(|update| match update {
        Update::Data(data) => match &**data {
            Untagged::Fetch(fetch) => Some(fetch.clone()),
            _ => None,
        },
        _ => None,
    });
    let shown = shown.unwrap();
    assert_eq!(shown.message_uid(), Some(Uid::MIN));
    assert!(shown.items.iter().any(|item| matches!(item, MsgAtt::Envelope(_))), "{shown:?}");
    let status =
        |update: &Update| matches!(update, Update::Data(data) if matches!(**data, Untagged::Status(_)));
    assert_eq!(told.iter().filter(|update| status(update)).count(), 1);
    assert_eq!(client.exists(), Some(1));
    client.notify(Notify::none()).await.unwrap();
    other.append("INBOX", "x\r\n").await.unwrap();
    client.noop().await.unwrap();
    assert_eq!(client.updates().count(), 0);
    client.logout().await.unwrap();
}
