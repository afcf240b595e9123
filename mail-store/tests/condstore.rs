//! CONDSTORE and QRESYNC (RFC 7162): the server over the memory store by hand, and our client against it.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod raw;

use mailwire_core::Channel;
use mailwire_store::{ImapService, memory::MemoryStore};
use mailwire_transport::{
    Endpoint, Security,
    imap::{
        Capability, Client, FetchAtt, Flag, StatusAtt,
        client::Update,
        proto::{
            command::{Fetch, SearchKey, Select, Since, Store, StoreAction},
            extensions::condstore::QResync,
            response::StatusAttVal,
            types::{FlagSet, MailboxName, ModSeq, Uid, UidSet, UidValidity},
        },
    },
    sasl::Credentials,
    server::Listener,
};
use raw::{Protocol::Imap, Raw, Servers};
use tokio_util::sync::CancellationToken;

/// A store with Ada and so many messages in her INBOX.
fn store(messages: usize) -> MemoryStore {
    let store = MemoryStore::new();
    let ada = store.add_user("ada", "secret").unwrap();
    for number in 1..=messages {
        ada.deliver(format!("Subject: {number}\r\n\r\nx\r\n").into()).unwrap();
    }
    store
}

async fn logged_in(servers: &Servers) -> Raw {
    let mut raw = servers.connect(Imap, Channel::Tls, 1 << 20).await;
    assert!(raw.login(Imap, "ada", "secret").await);
    raw
}

/// The lines of the answer, the tagged one among them.
async fn lines(raw: &mut Raw, command: &str) -> Vec<String> {
    raw.write(format!("a {command}\r\n")).await;
    let mut lines = Vec::new();
    loop {
        let line = raw.line().await;
        assert!(!line.is_empty(), "{command}: {lines:?}");
        let is_last = line.starts_with("a ");
        lines.push(line);
        if is_last {
            return lines;
        }
    }
}

/// The number that stands after a word, as in `[HIGHESTMODSEQ 7]`.
fn number(lines: &[String], word: &str) -> u64 {
    let line =
        lines.iter().rev().find(|line| line.contains(word)).unwrap_or_else(|| panic!("{word}: {lines:?}"));
    let rest = line.split_once(word).unwrap().1.trim_start_matches([' ', '(']);
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn who_counts_changes_is_told_of_them() {
    let servers = Servers::new(&store(3));
    let (mut one, mut two) = (logged_in(&servers).await, logged_in(&servers).await);
    let opened = lines(&mut one, "SELECT INBOX").await;
    let start = number(&opened, "HIGHESTMODSEQ");
    lines(&mut two, "SELECT INBOX").await;
    // Nobody is told before he says that he knows of it.
    let plain = lines(&mut two, "UID STORE 1 +FLAGS (\\Seen)").await;
    assert_eq!(
        plain,
        ["* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent))".replace(" \\Recent", ""), "a OK Done".into()]
    );
    let news = lines(&mut one, "NOOP").await;
    assert!(!news.concat().contains("MODSEQ"), "{news:?}");
    // What begins it tells where the mailbox stands; each FETCH has UID and MODSEQ from then on.
    let asked = lines(&mut one, "FETCH 1:* (MODSEQ)").await;
    assert_eq!(number(&asked[..1], "HIGHESTMODSEQ"), start + 1);
    assert_eq!(number(&asked[1..2], "MODSEQ"), start + 1);
    assert_eq!(asked.last().unwrap(), "a OK Done");
    lines(&mut two, "UID STORE 3 +FLAGS.SILENT (\\Flagged)").await;
    let news = lines(&mut one, "NOOP").await;
    let (third, highest) = (
        number(&news, "FETCH (UID 3 FLAGS (\\Flagged \\Recent) MODSEQ"),
        number(&news, "a OK [HIGHESTMODSEQ"),
    );
    assert_eq!((third, highest), (start + 2, start + 2));
    // Without flags, where they are not asked for.
    let silent = lines(&mut one, "STORE 2 +FLAGS.SILENT (\\Draft)").await;
    assert_eq!(silent[0], format!("* 2 FETCH (UID 2 MODSEQ ({}))", start + 3));
    assert_eq!(silent[1], format!("a OK [HIGHESTMODSEQ {}] Done", start + 3));
    // What sets a flag by the way, too.
    let read = lines(&mut one, "FETCH 2 BODY[TEXT]").await;
    assert!(read.concat().contains("UID 2") && number(&read, "MODSEQ") == start + 4, "{read:?}");
    let status = lines(&mut one, "STATUS INBOX (MESSAGES HIGHESTMODSEQ)").await;
    assert_eq!(number(&status, "HIGHESTMODSEQ"), start + 4);
    // RFC 7162 sections 3.2.7 and 3.2.8.
    lines(&mut one, "STORE 1:2 +FLAGS.SILENT (\\Deleted)").await;
    let expunged = lines(&mut one, "UID EXPUNGE 1").await;
    assert_eq!(expunged[0], "* 1 EXPUNGE");
    assert!(expunged[1].starts_with("a OK [HIGHESTMODSEQ "), "{expunged:?}");
    assert_eq!(lines(&mut one, "CLOSE").await, ["a OK Done"]);
}

#[tokio::test]
async fn stores_that_leave_alone_what_others_changed() {
    let servers = Servers::new(&store(4));
    let (mut one, mut two) = (logged_in(&servers).await, logged_in(&servers).await);
    let opened = lines(&mut one, "SELECT INBOX (CONDSTORE)").await;
    let start = number(&opened, "HIGHESTMODSEQ");
    lines(&mut two, "SELECT INBOX").await;
    lines(&mut two, "STORE 2:3 +FLAGS (\\Seen)").await;
    let stored = lines(&mut one, &format!("STORE 1:4 (UNCHANGEDSINCE {start}) +FLAGS.SILENT ($Own)")).await;
    assert!(
        stored.iter().any(|line| line == &format!("* 1 FETCH (UID 1 MODSEQ ({}))", start + 2)),
        "{stored:?}"
    );
    // Of the others, it is told what they are.
    assert!(
        stored.iter().any(|line| line.starts_with("* 3 FETCH (UID 3 FLAGS (") && line.contains("\\Seen")),
        "{stored:?}"
    );
    assert!(stored.last().unwrap().starts_with("a OK [MODIFIED 2:3]"), "{stored:?}");
    assert_eq!(number(&stored, "* OK [HIGHESTMODSEQ"), start + 2);
    // By UID, UIDs; 0 asks whether there is such a keyword.
    let stored = lines(&mut one, "UID STORE 1,2 (UNCHANGEDSINCE 0) +FLAGS ($Own)").await;
    assert!(stored.last().unwrap().starts_with("a OK [MODIFIED 1]"), "{stored:?}");
    let stored = lines(&mut one, "STORE 2 (UNCHANGEDSINCE 0) +FLAGS (\\Answered)").await;
    assert!(stored.last().unwrap().starts_with("a OK [MODIFIED 2]"), "{stored:?}");
    let found = lines(&mut one, &format!("SEARCH MODSEQ \"/flags/\\\\Seen\" all {}", start + 1)).await;
    assert!(found[0].starts_with("* SEARCH 1 2 3 4 (MODSEQ "), "{found:?}");
    let found = lines(&mut one, &format!("UID SEARCH RETURN (MIN COUNT) MODSEQ {}", start + 3)).await;
    assert_eq!(found[0], format!("* ESEARCH (TAG \"a\") UID MIN 2 COUNT 1 MODSEQ {}", start + 3));
    let found = lines(&mut one, "SEARCH RETURN (ALL) MODSEQ 999").await;
    assert_eq!(found[0], "* ESEARCH (TAG \"a\")");
    let changed = lines(&mut one, &format!("FETCH 1:3 (FLAGS) (CHANGEDSINCE {})", start + 2)).await;
    assert!(changed[0].starts_with("* 2 FETCH (FLAGS (") && changed.len() == 2, "{changed:?}");
}

#[tokio::test]
async fn who_comes_back_is_told_what_changed() {
    let servers = Servers::new(&store(10));
    let (mut one, mut two) = (logged_in(&servers).await, logged_in(&servers).await);
    let opened = lines(&mut one, "SELECT INBOX").await;
    let (validity, start) = (number(&opened, "UIDVALIDITY"), number(&opened, "HIGHESTMODSEQ"));
    lines(&mut one, "UID STORE 2,4,5,10 +FLAGS.SILENT (\\Deleted)").await;
    lines(&mut one, "EXPUNGE").await;
    lines(&mut one, "UID STORE 7 +FLAGS.SILENT (\\Flagged)").await;

    assert_eq!(lines(&mut two, "ENABLE QRESYNC").await[0], "* ENABLED QRESYNC");
    let select = |rest: &str| format!("SELECT INBOX (QRESYNC ({validity} {start}{rest}))");
    let told = |lines: &[String]| {
        let about = |line: &&String| line.contains("VANISHED") || line.contains("FETCH");
        lines.iter().filter(about).cloned().collect::<Vec<_>>()
    };
    let back = lines(&mut two, &select("")).await;
    assert_eq!(told(&back)[0], "* VANISHED (EARLIER) 2,4:5,10");
    assert!(told(&back)[1].starts_with("* 4 FETCH (UID 7 FLAGS ("), "{back:?}");
    assert_eq!(told(&back).len(), 2);
    assert!(back.iter().any(|line| line == "* 6 EXISTS"));
    // Only of what is asked about; nothing before a message that is where it was.
    let back = lines(&mut two, &select(" 1:6")).await;
    assert_eq!(back[0], "* OK [CLOSED] the previous mailbox is closed");
    assert_eq!(told(&back), ["* VANISHED (EARLIER) 2,4:5"]);
    let back = lines(&mut two, &select(" 1:8 (1,4,8 1,4,8)")).await;
    assert_eq!(told(&back)[0], "* VANISHED (EARLIER) 2,4:5");
    let back = lines(&mut two, &select(" (1:2,6 1,3,9)")).await;
    assert_eq!(told(&back)[0], "* VANISHED (EARLIER) 10");
    // Another UIDVALIDITY, or nothing that is new.
    let back = lines(&mut two, &format!("SELECT INBOX (QRESYNC ({} {start}))", validity + 1)).await;
    assert!(told(&back).is_empty() && back.last().unwrap().starts_with("a OK [READ-WRITE]"), "{back:?}");
    let gone = lines(&mut two, &format!("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {start} VANISHED)")).await;
    assert_eq!(gone[0], "* VANISHED (EARLIER) 2,4:5,10");
    assert_eq!(lines(&mut two, "UID FETCH 4 (FLAGS) (CHANGEDSINCE 999 VANISHED)").await, ["a OK Done"]);

    // From now on messages vanish, and not while numbers are in use. The safe number waits for them.
    let safe = number(&lines(&mut two, "SELECT INBOX").await, "HIGHESTMODSEQ");
    lines(&mut one, "UID STORE 1,9 +FLAGS.SILENT (\\Deleted)").await;
    lines(&mut one, "EXPUNGE").await;
    lines(&mut one, "UID STORE 7 +FLAGS.SILENT (\\Answered)").await;
    let delayed = lines(&mut two, "FETCH 2 FLAGS").await;
    assert!(!delayed.concat().contains("VANISHED"), "{delayed:?}");
    assert_eq!(number(&delayed, "MODSEQ ("), safe + 3);
    assert_eq!(number(&delayed, "a OK [HIGHESTMODSEQ"), safe, "{delayed:?}");
    // What vanished and is counted yet is not told as earlier.
    let fetched = lines(&mut two, &format!("UID FETCH 1:* (UID) (CHANGEDSINCE {safe} VANISHED)")).await;
    assert!(!fetched.concat().contains("EARLIER"), "{fetched:?}");
    assert_eq!(fetched[1], "* VANISHED 1,9", "{fetched:?}");
    let end = number(&fetched, "a OK [HIGHESTMODSEQ");
    assert_eq!(end, safe + 3);
    lines(&mut two, "UID STORE 3 +FLAGS.SILENT (\\Deleted)").await;
    assert_eq!(
        lines(&mut two, "EXPUNGE").await,
        ["* VANISHED 3".into(), format!("a OK [HIGHESTMODSEQ {}] Done", end + 2)]
    );
    lines(&mut two, "CREATE x").await;
    let moved = lines(&mut two, "UID MOVE 6 x").await;
    assert!(moved[0].starts_with("* OK [COPYUID ") && moved[1] == "* VANISHED 6", "{moved:?}");
    assert!(moved[2].starts_with("a OK [HIGHESTMODSEQ "), "{moved:?}");
    // While nothing is asked, too.
    two.write("a IDLE\r\n").await;
    assert!(two.line().await.starts_with('+'));
    lines(&mut one, "UID STORE 8 +FLAGS.SILENT (\\Deleted)").await;
    lines(&mut one, "UID EXPUNGE 8").await;
    while two.line().await != "* VANISHED 8" {}
    two.write("DONE\r\n").await;
    assert!(two.line().await.starts_with("a OK [HIGHESTMODSEQ "));
}

/// Where the store has forgotten which messages are gone, each UID without a message is told as gone, in responses of
/// bounded size.
#[tokio::test]
async fn what_was_forgotten_is_told_whole() {
    let store = store(12_000);
    let servers = Servers::new(&store);
    let mut one = logged_in(&servers).await;
    let opened = lines(&mut one, "SELECT INBOX").await;
    let (validity, start) = (number(&opened, "UIDVALIDITY"), number(&opened, "HIGHESTMODSEQ"));
    let odd: Vec<String> = (1..12_000).step_by(2).map(|uid| uid.to_string()).collect();
    for part in odd.chunks(500) {
        lines(&mut one, &format!("UID STORE {} +FLAGS.SILENT (\\Deleted)", part.join(","))).await;
    }
    lines(&mut one, "CLOSE").await;
    lines(&mut one, "ENABLE QRESYNC").await;
    let back = lines(&mut one, &format!("SELECT INBOX (QRESYNC ({validity} {start} 1:11999))")).await;
    let gone: Vec<&str> = back.iter().filter_map(|line| line.strip_prefix("* VANISHED (EARLIER) ")).collect();
    assert!(gone.len() > 1 && back.iter().all(|line| line.len() < 8192));
    assert_eq!(gone.join(","), odd.join(","));
    // Match data keeps it short.
    let matching = format!("SELECT INBOX (QRESYNC ({validity} {start} 1:11999 (1,5999 2,11998)))");
    let back = lines(&mut one, &matching).await;
    assert_eq!(
        back.iter().filter(|line| line.contains("VANISHED")).collect::<Vec<_>>(),
        ["* VANISHED (EARLIER) 11999"]
    );
}

#[tokio::test]
async fn our_client_comes_back() {
    let store = store(6);
    let listener =
        Listener::bind("127.0.0.1:0", Security::plaintext_without_encryption(), None).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let shutdown = CancellationToken::new();
    let server = mailwire_transport::imap::Server::new(ImapService::new(store)).allow_clear_credentials();
    let served = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { server.serve(listener, shutdown).await }
    });
    let connect = async || {
        let endpoint = Endpoint::tcp("127.0.0.1", port, Security::plaintext_without_encryption());
        let config = mailwire_transport::imap::Config::login(Credentials::password("ada", "secret"))
            .with_allow_clear_credentials(true);
        Client::connect_with(endpoint, config).await.unwrap()
    };
    let (mut one, mut two) = (connect().await, connect().await);
    let opened = one.select("INBOX").await.unwrap();
    let (validity, start) = (opened.uid_validity.unwrap(), opened.highest_mod_seq.unwrap());
    let uid = |number| Uid::new(number).unwrap();
    two.select("INBOX").await.unwrap();
    let flags = |flag: Flag| [flag].into_iter().collect::<FlagSet>();
    let store = |set: &str, flag| Store::new(set.parse::<UidSet>().unwrap(), StoreAction::Add, flags(flag));
    two.store_with(store("2:3", Flag::Deleted)).await.unwrap();
    // Our own change only where nobody was faster.
    let change = store("1:2", Flag::Flagged).with_silent(true).with_unchanged_since(start);
    let stored = one.store_unchanged(change).await.unwrap();
    assert_eq!(stored.modified.unwrap().to_string(), "2");
    assert!(
        stored.messages.iter().any(|message| message.uid() == Some(uid(1)) && message.mod_seq().is_some())
    );
    let highest = one.highest_mod_seq().unwrap();
    assert!(highest > start);
    two.uid_expunge(uid(3)).await.unwrap();
    one.noop().await.unwrap();
    assert!(one.updates().any(|update| matches!(update, Update::Expunge(number) if number.get() == 3)));
    let found =
        one.uid_search([SearchKey::ModSeq(ModSeq::new(start.get() + 1).unwrap().into())]).await.unwrap();
    assert_eq!(found.iter().map(Uid::get).collect::<Vec<_>>(), [1, 2]);
    assert!(found.mod_seq().is_some());
    let status = one.status("INBOX", [StatusAtt::HighestModSeq]).await.unwrap();
    assert_eq!(status.items, [StatusAttVal::HighestModSeq(one.highest_mod_seq().unwrap())]);

    // Somebody who was away since the beginning.
    let mut back = connect().await;
    let inbox = || MailboxName::new("INBOX").unwrap();
    let resync = |validity: UidValidity| Select::new(inbox()).with_qresync(QResync::new(validity, start));
    assert!(back.select_with(resync(validity)).await.is_err(), "not enabled yet");
    assert_eq!(back.enable([Capability::QResync]).await.unwrap(), [Capability::QResync]);
    let opened = back.select_with(resync(validity)).await.unwrap();
    assert_eq!((opened.exists, &opened.vanished[..]), (5, &[(uid(3), uid(3))][..]));
    let changed: Vec<_> = opened.changed.iter().map(|message| message.uid().unwrap().get()).collect();
    assert_eq!((changed, back.highest_mod_seq()), (vec![1, 2], opened.highest_mod_seq));
    let fetch = Fetch::new(UidSet::all(), [FetchAtt::Flags]).with_since(Since::ChangedOrVanished(start));
    let mut messages = back.fetch_with(fetch).await.unwrap();
    let mut given = Vec::new();
    while let Some(message) = messages.next().await.unwrap() {
        given.push(message.uid().unwrap().get());
    }
    assert_eq!((given, messages.vanished()), (vec![1, 2], &[(uid(3), uid(3))][..]));
    // VANISHED lowers the number of messages.
    two.uid_expunge(uid(2)).await.unwrap();
    back.noop().await.unwrap();
    assert!(
        back.updates()
            .any(|update| matches!(&update, Update::Vanished(gone) if gone.uids.to_string() == "2"))
    );
    assert_eq!(back.exists(), Some(4));
    shutdown.cancel();
    drop((one, two, back));
    served.await.unwrap().unwrap();
}
