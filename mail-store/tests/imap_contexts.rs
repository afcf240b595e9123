//! Results that are kept up to date, and searches in several mailboxes: our client and clients by hand, against our
//! server.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod raw;

use mailwire_core::Channel;
use mailwire_store::{
    ImapService, InternalDate,
    memory::{MemoryStore, NewMessage, User},
};
use mailwire_transport::imap::{
    Client, Flag, FlagChange, SearchKey, Server,
    proto::{
        command::{Search, Sort, SortKey},
        extensions::{multisearch::ESearch, notify::MailboxFilter},
        types::Uid,
    },
};
use raw::{Protocol, Raw, Servers, imap_client};

fn store() -> (MemoryStore, User) {
    let store = MemoryStore::new();
    let ada = store.add_user("ada", "secret").unwrap();
    (store, ada)
}

fn append(user: &User, mailbox: &str, subject: &str) {
    let mut message = NewMessage::new(format!("Subject: {subject}\r\n\r\n{subject}\r\n").into());
    message.date = InternalDate { seconds: 1_700_000_000, zone: 0 };
    user.append(mailbox, message).unwrap();
}

async fn login(store: &MemoryStore) -> Raw {
    let mut raw = Servers::new(store).connect(Protocol::Imap, Channel::Tls, 1 << 20).await;
    assert!(raw.login(Protocol::Imap, "ada", "secret").await);
    raw
}

/// A session of Ada's in her INBOX.
async fn select(store: &MemoryStore) -> Raw {
    let mut raw = login(store).await;
    assert!(raw.command(Protocol::Imap, "SELECT INBOX").await.starts_with("a OK"));
    raw
}

/// All lines of the answer to a command, without `* ` and without the tag.
async fn ask(raw: &mut Raw, tag: &str, command: &str) -> Vec<String> {
    raw.write(format!("{tag} {command}\r\n")).await;
    let mut lines = Vec::new();
    loop {
        let line = raw.line().await;
        match line.strip_prefix(&format!("{tag} ")) {
            Some(end) => {
                lines.push(end.to_owned());
                return lines;
            }
            None => lines.push(line.strip_prefix("* ").unwrap_or(&line).to_owned()),
        }
    }
}

fn update(tag: &str, what: &str) -> String {
    format!("ESEARCH (TAG \"{tag}\") {what}")
}

#[tokio::test]
async fn results_follow_what_happens() {
    let (store, ada) = store();
    for subject in ["b", "a", "c"] {
        append(&ada, "INBOX", subject);
    }
    let mut watcher = select(&store).await;
    let mut other = select(&store).await;
    let told = ask(&mut watcher, "s", "SEARCH RETURN (UPDATE CONTEXT COUNT) UNSEEN").await;
    assert_eq!(told[..1], [update("s", "COUNT 3")]);
    let told =
        ask(&mut watcher, "u", "UID SORT RETURN (UPDATE PARTIAL 1:2) (SUBJECT) UTF-8 NOT DELETED").await;
    assert_eq!(told[..1], [update("u", "UID PARTIAL (1:2 2,1)")]);
    // A tag is of one search only; so is it after a search without updates.
    let told = ask(&mut watcher, "u", "SEARCH RETURN (UPDATE) ALL").await;
    assert!(told[0].starts_with("BAD"), "{told:?}");

    // Flags of others, and one's own.
    ask(&mut other, "a", "STORE 1 FLAGS.SILENT (\\Seen)").await;
    let told = ask(&mut watcher, "n", "NOOP").await;
    assert!(told[0].starts_with("1 FETCH"), "{told:?}");
    assert_eq!(told[1], update("s", "REMOVEFROM (0 1)"));
    let told = ask(&mut watcher, "n", "STORE 1 -FLAGS.SILENT (\\Seen)").await;
    assert_eq!(told[..1], [update("s", "ADDTO (0 1)")]);
    let told = ask(&mut watcher, "n", "FETCH 2 BODY[]<0.1>").await;
    assert!(told.contains(&update("s", "REMOVEFROM (0 2)")), "{told:?}");

    // New messages, in their place of the order.
    append(&ada, "INBOX", "bb");
    append(&ada, "INBOX", "A");
    let told = ask(&mut watcher, "n", "NOOP").await;
    assert_eq!(told[0], "5 EXISTS");
    assert!(told.contains(&update("s", "ADDTO (0 4:5)")), "{told:?}");
    // a A b bb c
    assert!(told.contains(&update("u", "UID ADDTO (3 4 2 5)")), "{told:?}");
    ask(&mut other, "a", "NOOP").await;
    ask(&mut other, "a", "STORE 1,5 +FLAGS.SILENT (\\Deleted)").await;
    let told = ask(&mut watcher, "n", "NOOP").await;
    assert!(told.contains(&update("u", "UID REMOVEFROM (3 1 2 5)")), "{told:?}");

    // What is gone is told before its number is another's, and only where EXPUNGE may come.
    ask(&mut other, "a", "EXPUNGE").await;
    let told = ask(&mut watcher, "n", "FETCH 2 FLAGS").await;
    assert_eq!(told.len(), 2, "{told:?}");
    let told = ask(&mut watcher, "n", "NOOP").await;
    assert_eq!(told[..3], [update("s", "REMOVEFROM (0 1,5)"), "1 EXPUNGE".into(), "4 EXPUNGE".into()]);

    // One is ended, then the mailbox is left.
    let told = ask(&mut watcher, "n", "CANCELUPDATE \"u\" \"x\"").await;
    assert!(told[0].starts_with("OK"), "{told:?}");
    append(&ada, "INBOX", "d");
    let told = ask(&mut watcher, "n", "NOOP").await;
    assert!(told.contains(&update("s", "ADDTO (0 4)")), "{told:?}");
    assert!(!told.iter().any(|line| line.contains("\"u\"")), "{told:?}");
    ask(&mut watcher, "n", "SELECT INBOX").await;
    append(&ada, "INBOX", "e");
    let told = ask(&mut watcher, "n", "NOOP").await;
    assert!(!told.iter().any(|line| line.contains("ESEARCH")), "{told:?}");
}

/// RFC 5267 section 4.3.1: other results are told nevertheless.
#[tokio::test]
async fn not_all_results_are_kept_up_to_date() {
    let (store, ada) = store();
    append(&ada, "INBOX", "a");
    let mut raw = select(&store).await;
    for number in 0..16 {
        let told = ask(&mut raw, &format!("t{number}"), "SEARCH RETURN (UPDATE ALL) ALL").await;
        assert_eq!(told.len(), 2, "{told:?}");
    }
    let told = ask(&mut raw, "more", "SEARCH RETURN (UPDATE ALL) ALL").await;
    assert_eq!(told[0], update("more", "ALL 1"));
    assert!(told[1].starts_with("NO [NOUPDATE \"more\"]"), "{told:?}");
    assert!(told[2].starts_with("OK"), "{told:?}");
    ask(&mut raw, "n", "CANCELUPDATE \"t3\"").await;
    assert_eq!(ask(&mut raw, "more", "SEARCH RETURN (UPDATE ALL) ALL").await.len(), 2);
}

/// RFC 9586: numbers are not used any more, and so no results of them.
#[tokio::test]
async fn results_by_number_end_with_numbers() {
    let (store, ada) = store();
    append(&ada, "INBOX", "a");
    let mut raw = select(&store).await;
    ask(&mut raw, "s", "SEARCH RETURN (UPDATE ALL) ALL").await;
    ask(&mut raw, "u", "UID SEARCH RETURN (UPDATE ALL) ALL").await;
    ask(&mut raw, "e", "ENABLE UIDONLY").await;
    append(&ada, "INBOX", "b");
    let told = ask(&mut raw, "n", "NOOP").await;
    assert!(told.iter().any(|line| line.starts_with("NO [NOUPDATE \"s\"]")), "{told:?}");
    assert!(told.contains(&update("u", "UID ADDTO (0 2)")), "{told:?}");
    assert!(!told.iter().any(|line| line.starts_with("ESEARCH (TAG \"s\")")), "{told:?}");
}

/// The goodbye is said whatever else there was to tell.
#[tokio::test]
async fn a_mailbox_goes_with_its_results() {
    let (store, ada) = store();
    let mut raw = login(&store).await;
    raw.command(Protocol::Imap, "CREATE gone").await;
    append(&ada, "gone", "a");
    raw.command(Protocol::Imap, "SELECT gone").await;
    ask(&mut raw, "s", "SEARCH RETURN (UPDATE ALL) UNSEEN").await;
    let mut other = login(&store).await;
    other.command(Protocol::Imap, "SELECT gone").await;
    other.command(Protocol::Imap, "STORE 1 +FLAGS (\\Seen)").await;
    other.command(Protocol::Imap, "UNSELECT").await;
    append(&ada, "gone", "b");
    assert!(other.command(Protocol::Imap, "DELETE gone").await.starts_with("a OK"));
    raw.write("n NOOP\r\n".to_owned()).await;
    let mut last = raw.line().await;
    while !last.starts_with("* BYE") {
        last = raw.line().await;
    }
}

/// More than are worth to be told one by one.
#[tokio::test]
async fn many_leave_an_order() {
    let (store, ada) = store();
    for number in 0..1100 {
        append(&ada, "INBOX", if number % 100 == 0 { "b" } else { "a" });
    }
    let mut raw = select(&store).await;
    let mut other = select(&store).await;
    ask(&mut raw, "s", "UID SORT RETURN (UPDATE COUNT) (SUBJECT) UTF-8 UNSEEN").await;
    ask(&mut other, "a", "STORE 1:1050 +FLAGS.SILENT (\\Seen)").await;
    let told = ask(&mut raw, "n", "NOOP").await;
    let updates: Vec<&String> = told.iter().filter(|line| line.starts_with("ESEARCH")).collect();
    // What was there, in three responses, and what is left.
    assert!((3..=4).contains(&updates.len()), "{}", updates.len());
    assert!(updates.last().unwrap().contains("ADDTO (1 1051:1100)"), "{:?}", updates.last());
}

/// Many at once are sorted anew; an order that goes by what changes moves what has changed.
#[tokio::test]
async fn orders_of_many() {
    let (store, ada) = store();
    append(&ada, "INBOX", "m");
    let mut raw = select(&store).await;
    ask(&mut raw, "s", "UID SORT RETURN (UPDATE ALL) (SUBJECT) UTF-8 ALL").await;
    for number in 0..20 {
        append(&ada, "INBOX", if number % 2 == 0 { "a" } else { "z" });
    }
    let told = ask(&mut raw, "n", "NOOP").await;
    let all = "2,4,6,8,10,12,14,16,18,20,1,3,5,7,9,11,13,15,17,19,21";
    assert!(told.contains(&update("s", &format!("UID REMOVEFROM (1 1) ADDTO (1 {all})"))), "{told:?}");
    ask(&mut raw, "m", "UID SORT RETURN (UPDATE PARTIAL 1:1) (REVERSE MODSEQ) UTF-8 UID 3:5").await;
    let told = ask(&mut raw, "n", "UID STORE 4 +FLAGS.SILENT (\\Flagged)").await;
    assert_eq!(told[..1], [update("m", "UID REMOVEFROM (2 4) ADDTO (1 4)")]);
}

async fn connect(store: &MemoryStore) -> Client {
    let mut client = imap_client(&Server::new(ImapService::new(store.clone()))).await;
    client.select("INBOX").await.unwrap();
    client
}

#[tokio::test]
async fn our_client_follows() {
    let (store, ada) = store();
    for subject in ["b", "a"] {
        append(&ada, "INBOX", subject);
    }
    let mut client = connect(&store).await;
    client.select("INBOX").await.unwrap();
    let mut unseen = client.search_context(Search::new([SearchKey::Unseen])).await.unwrap();
    let mut sorted =
        client.sort_context(Sort::new([SortKey::Subject], [SearchKey::Undeleted])).await.unwrap();
    assert!(unseen.is_current() && sorted.is_current());
    let mut other = connect(&store).await;
    other.select("INBOX").await.unwrap();
    append(&ada, "INBOX", "ab");
    let mut idle = client.idle().await.unwrap();
    while unseen.len() < 3 || sorted.len() < 3 {
        let update = idle.next().await.unwrap();
        let _ = unseen.apply(&update) || sorted.apply(&update);
    }
    assert_eq!(sorted.iter().map(Uid::get).collect::<Vec<_>>(), [2, 3, 1]);
    other.noop().await.unwrap();
    other.uid_store(Uid::new(3).unwrap(), FlagChange::add([Flag::Seen])).await.unwrap();
    while unseen.len() > 2 {
        unseen.apply(&idle.next().await.unwrap());
    }
    idle.done().await.unwrap();
    // A search in between is answered by what is its own.
    append(&ada, "INBOX", "c");
    let found = client.uid_search([SearchKey::All]).await.unwrap();
    assert!(found.len() >= 3);
    client.noop().await.unwrap();
    client.updates().collect::<Vec<_>>().iter().for_each(|update| {
        let _ = unseen.apply(update) || sorted.apply(update);
    });
    assert_eq!(unseen.iter().map(Uid::get).collect::<Vec<_>>(), [1, 2, 4]);
    assert_eq!(sorted.iter().map(Uid::get).collect::<Vec<_>>(), [2, 3, 1, 4]);
    client.cancel_updates([unseen, sorted]).await.unwrap();
    append(&ada, "INBOX", "d");
    client.noop().await.unwrap();
    assert!(
        !client.updates().any(|update| matches!(update, mailwire_transport::imap::client::Update::Search(_)))
    );
}

/// RFC 7377: each mailbox in which something is found is told, and no other.
#[tokio::test]
async fn several_mailboxes() {
    let (store, ada) = store();
    let mut raw = login(&store).await;
    for name in ["a", "a/b", "a/b/c", "other", "empty"] {
        assert!(raw.command(Protocol::Imap, &format!("CREATE {name}")).await.starts_with("a OK"));
    }
    for name in ["INBOX", "a", "a/b", "a/b/c", "other"] {
        append(&ada, name, "wanted");
        append(&ada, name, "junk");
    }
    let found = |lines: &[String]| -> Vec<String> {
        let (end, lines) = lines.split_last().unwrap();
        assert!(end.starts_with("OK"), "{end}");
        let one = |line: &String| {
            let line = line.strip_prefix("ESEARCH (TAG \"m\" MAILBOX ").unwrap();
            let (name, rest) = line.split_once(" UIDVALIDITY ").unwrap();
            let (_, rest) = rest.split_once(") ").unwrap();
            format!("{name}: {rest}")
        };
        lines.iter().map(one).collect()
    };
    let told = ask(&mut raw, "m", "ESEARCH IN (MAILBOXES (inbox none empty a)) SUBJECT wanted").await;
    assert_eq!(found(&told), ["INBOX: UID ALL 1", "a: UID ALL 1"]);
    let told = ask(&mut raw, "m", "ESEARCH IN (SUBTREE-ONE a SUBTREE a/b) RETURN (COUNT MAX) 1:100").await;
    assert_eq!(found(&told), ["a: UID COUNT 2 MAX 2", "a/b: UID COUNT 2 MAX 2", "a/b/c: UID COUNT 2 MAX 2"]);
    let told = ask(&mut raw, "m", "ESEARCH IN (SUBTREE-ONE a) SUBJECT wanted").await;
    assert_eq!(found(&told), ["a: UID ALL 1", "a/b: UID ALL 1"]);
    // Each mailbox once, however it is spelt.
    raw.command(Protocol::Imap, "CREATE INBOX/b").await;
    append(&ada, "INBOX/b", "wanted");
    let told = ask(&mut raw, "m", "ESEARCH IN (MAILBOXES (inbox/b a a/) SUBTREE Inbox) SUBJECT wanted").await;
    assert_eq!(found(&told), ["INBOX: UID ALL 1", "INBOX/b: UID ALL 1", "a: UID ALL 1"]);
    raw.command(Protocol::Imap, "DELETE INBOX/b").await;
    raw.command(Protocol::Imap, "UNSUBSCRIBE INBOX").await;
    raw.command(Protocol::Imap, "SUBSCRIBE other").await;
    let told = ask(&mut raw, "m", "ESEARCH IN (SUBSCRIBED) RETURN (PARTIAL -1:-1) ALL").await;
    assert_eq!(found(&told), ["other: UID PARTIAL (-1:-1 2)"]);
    let told = ask(&mut raw, "m", "ESEARCH IN (PERSONAL) RETURN (RELEVANCY ALL) FUZZY SUBJECT wantet").await;
    assert_eq!(found(&told).len(), 5);
    let told = ask(&mut raw, "m", "ESEARCH IN (PERSONAL) RETURN (COUNT) MODSEQ 1").await;
    assert!(found(&told)[0].contains("COUNT 2 MODSEQ "), "{told:?}");

    // The selected mailbox, by itself or with others, which stays selected; each once.
    raw.command(Protocol::Imap, "SELECT a/b").await;
    let told = ask(&mut raw, "m", "ESEARCH SUBJECT wanted").await;
    assert_eq!(found(&told), ["a/b: UID ALL 1"]);
    let told = ask(&mut raw, "m", "ESEARCH IN (SELECTED SUBTREE a) 2").await;
    assert_eq!(found(&told), ["a/b: UID ALL 2", "a: UID ALL 2", "a/b/c: UID ALL 2"]);
    let told = ask(&mut raw, "m", "ESEARCH IN (SELECTED) RETURN (UPDATE COUNT) SUBJECT late").await;
    assert_eq!(told.len(), 1);
    append(&ada, "a/b", "late");
    let told = ask(&mut raw, "n", "NOOP").await;
    assert!(
        told.iter()
            .any(|line| line.starts_with("ESEARCH (TAG \"m\" MAILBOX a/b ")
                && line.ends_with("UID ADDTO (0 3)")),
        "{told:?}"
    );
    let told = ask(&mut raw, "s", "ESEARCH IN (SELECTED) RETURN (SAVE) SUBJECT late").await;
    assert_eq!(told.len(), 1);
    let told = ask(&mut raw, "n", "FETCH $ UID").await;
    assert_eq!(told[0], "3 FETCH (UID 3)");
}

/// Nothing is told of what the user may not read.
#[tokio::test]
async fn several_mailboxes_keep_rights() {
    let (store, ada) = store();
    let mut raw = login(&store).await;
    for name in ["open", "closed"] {
        raw.command(Protocol::Imap, &format!("CREATE {name}")).await;
        append(&ada, name, "x");
    }
    let set = ask(&mut raw, "a", "SETACL closed ada -r").await;
    assert!(set[0].starts_with("OK"), "{set:?}");
    for sources in ["PERSONAL", "SUBTREE (open closed)", "MAILBOXES (open closed)"] {
        let told = ask(&mut raw, "m", &format!("ESEARCH IN ({sources}) ALL")).await;
        assert!(told.len() == 2 && told[0].contains("MAILBOX open "), "{told:?}");
    }
}

#[tokio::test]
async fn our_client_searches_everywhere() {
    let (store, ada) = store();
    let mut client = connect(&store).await;
    client.create("Gr\u{fc}n").await.unwrap();
    append(&ada, "INBOX", "x");
    append(&ada, "Gr\u{fc}n", "x");
    append(&ada, "Gr\u{fc}n", "y");
    let everywhere = ESearch::new([MailboxFilter::Personal], [SearchKey::Subject("x".try_into().unwrap())]);
    let found = client.search_mailboxes(everywhere).await.unwrap();
    let names: Vec<_> = found.iter().map(|one| one.mailbox.name.to_unicode().into_owned()).collect();
    assert_eq!(names, ["Gr\u{fc}n", "INBOX"]);
    assert!(found.iter().all(|one| one.found.ranges().len() == 1 && one.found.len() == 1));
}
