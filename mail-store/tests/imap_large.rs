//! Mailboxes with many messages: sessions without sequence numbers (RFC 9586), limits on messages (RFC 9738),
//! batches (RFC 10022). Our client and clients by hand, against our server.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod raw;

use std::num::NonZeroU32;

use mailwire_store::{
    ImapService,
    memory::{MemoryStore, NewMessage, User},
};
use mailwire_transport::{
    Error, Payload, RefusedKind,
    imap::{
        Capability, Client, FetchAtt, Flag, FlagChange, SearchKey, Server,
        client::{AppendOptions, Update},
        proto::{
            command::{Search, SearchReturnOpt},
            extensions::uid_batches::UidBatchesCommand,
            types::{Section, Uid, UidSet},
        },
    },
};
use raw::{imap_over, imap_pipe};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};

const MESSAGES: u32 = 23;
const LIMIT: u32 = 5;

/// A store with a mailbox of Ada's.
fn store() -> (MemoryStore, User) {
    let store = MemoryStore::new();
    let ada = store.add_user("ada", "secret").unwrap();
    for number in 0..MESSAGES {
        let raw = format!("Subject: {number}\r\n\r\n{}", "x".repeat(if number == 4 { 100_000 } else { 10 }));
        ada.append("INBOX", NewMessage::new(raw.into())).unwrap();
    }
    ada.create("Archive", None).unwrap();
    (store, ada)
}

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn serve(store: &MemoryStore, limit: Option<u32>) -> DuplexStream {
    imap_pipe(&Server::new(ImapService::new(store.clone())).with_message_limit(limit.map(number)), 1 << 16)
}

async fn connect(store: &MemoryStore, limit: Option<u32>) -> Client {
    imap_over(serve(store, limit)).await
}

async fn select(store: &MemoryStore, limit: Option<u32>) -> Client {
    let mut client = connect(store, limit).await;
    client.select("INBOX").await.unwrap();
    client
}

/// A client by hand, its mailbox selected.
struct Hand(BufReader<DuplexStream>);

impl Hand {
    async fn new(store: &MemoryStore, limit: Option<u32>) -> Self {
        let mut hand = Self(BufReader::new(serve(store, limit)));
        hand.0.read_line(&mut String::new()).await.unwrap();
        hand.ask("LOGIN ada secret").await;
        hand
    }

    /// The lines of the answer.
    async fn ask(&mut self, command: &str) -> Vec<String> {
        self.0.write_all(format!("a {command}\r\n").as_bytes()).await.unwrap();
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).await.unwrap();
            let last = line.starts_with("a ");
            lines.push(line.trim_end().to_owned());
            if last {
                return lines;
            }
        }
    }

    async fn last(&mut self, command: &str) -> String {
        self.ask(command).await.pop().unwrap()
    }
}

fn all() -> UidSet {
    "1:*".parse().unwrap()
}

async fn uids(client: &mut Client) -> Vec<u32> {
    let mut messages = client.uid_fetch(all(), [FetchAtt::Rfc822Size]).await.unwrap();
    let mut uids = Vec::new();
    while let Some(message) = messages.next().await.unwrap() {
        uids.push(message.uid().unwrap().get());
    }
    uids.sort_unstable();
    uids
}

#[tokio::test]
async fn without_sequence_numbers() {
    let (store, ada) = store();
    let mut client = connect(&store, None).await;
    assert_eq!(client.enable([Capability::UidOnly]).await.unwrap(), [Capability::UidOnly]);
    client.select("INBOX").await.unwrap();
    assert_eq!(uids(&mut client).await, (1..=MESSAGES).collect::<Vec<_>>());
    // A large literal, streamed.
    let body = client.fetch_body(Uid::new(5).unwrap(), Section::TEXT).await.unwrap().unwrap();
    assert_eq!(body.length(), 100_000);
    let told = client.uid_store(7, FlagChange::add([Flag::Deleted])).await.unwrap();
    assert_eq!((told.len(), told[0].number(), told[0].uid().map(Uid::get)), (1, None, Some(7)));
    assert!(client.expunge().await.unwrap().is_empty());
    let gone: Vec<_> = client.updates().collect();
    assert!(matches!(&gone[..], [Update::Vanished(gone)] if gone.uids.to_string() == "7"), "{gone:?}");
    assert_eq!(client.exists(), Some(MESSAGES - 1));
    assert!(matches!(client.search([SearchKey::All]).await, Err(Error::Misuse(_))));
    assert_eq!(client.uid_search([SearchKey::All]).await.unwrap().len(), u64::from(MESSAGES - 1));
    // What another session does.
    let mut other = select(&store, None).await;
    other.uid_store(9, FlagChange::add([Flag::Seen])).await.unwrap();
    other.uid_move_to(10, "Archive").await.unwrap();
    ada.append("INBOX", NewMessage::new("Subject: new\r\n\r\n".into())).unwrap();
    client.noop().await.unwrap();
    let news: Vec<_> = client.updates().collect();
    assert!(
        news.iter().any(|news| matches!(news, Update::UidFlags { uid, flags, .. }
        if uid.get() == 9 && flags.contains(&Flag::Seen))),
        "{news:?}"
    );
    assert!(news.iter().any(|news| matches!(news, Update::Vanished(gone) if gone.uids.to_string() == "10")));
    assert!(news.iter().any(|news| matches!(news, Update::Exists(_))));
}

#[tokio::test]
async fn uidonly_on_the_wire() {
    let (store, _) = store();
    let mut hand = Hand::new(&store, None).await;
    // A mailbox may be open already.
    hand.ask("SELECT INBOX").await;
    assert_eq!(hand.ask("ENABLE UIDONLY").await, ["* ENABLED UIDONLY", "a OK done"]);
    assert_eq!(hand.ask("UID FETCH 2 FLAGS").await[0], "* 2 UIDFETCH (UID 2 FLAGS (\\Recent))");
    for command in ["FETCH 1 FLAGS", "STORE 1 FLAGS ()", "SEARCH ALL", "COPY 1 Archive", "UID SEARCH 1:2"] {
        assert!(hand.last(command).await.starts_with("a BAD [UIDREQUIRED]"), "{command}");
    }
    let lines = hand.ask("UID MOVE 3 Archive").await;
    assert!(lines[0].starts_with("* OK [COPYUID ") && lines[1] == "* VANISHED 3", "{lines:?}");
    // Nor is the number of the first unseen message told.
    assert!(hand.ask("SELECT INBOX").await.iter().all(|line| !line.contains("UNSEEN")));
}

#[tokio::test]
async fn a_limit_on_the_wire() {
    let (store, _) = store();
    let mut hand = Hand::new(&store, Some(LIMIT)).await;
    hand.ask("SELECT INBOX").await;
    let lines = hand.ask("UID FETCH 1:* UID").await;
    assert_eq!(lines.len(), 6);
    assert_eq!(lines[0], "* 19 FETCH (UID 19)");
    assert_eq!(lines[5], "a OK [MESSAGELIMIT 5 19] Done");
    assert_eq!(hand.last("UID FETCH 1:5 UID").await, "a OK Done");
    assert_eq!(hand.last("FETCH 1:6 UID").await, "a OK [MESSAGELIMIT 5 2] Done");
    assert_eq!(
        hand.last("UID COPY 1:6 Archive").await,
        "a NO [MESSAGELIMIT 5] No more than 5 messages at once"
    );
    assert!(hand.last("UID COPY 1:5 Archive").await.starts_with("a OK [COPYUID"));
    assert!(hand.last("UID FETCH 1:* UID (PARTIAL 1:6)").await.starts_with("a NO [MESSAGELIMIT 5] "));
    assert_eq!(hand.last("UID FETCH 1:* UID (PARTIAL 1:5)").await, "a OK Done");
    // What is looked at counts.
    assert_eq!(
        hand.ask("UID SEARCH UNSEEN").await,
        ["* SEARCH 19 20 21 22 23", "a OK [MESSAGELIMIT 5 19] Done"]
    );
    assert_eq!(hand.ask("UID SEARCH UIDBEFORE 5 SEEN").await, ["* SEARCH", "a OK Done"]);
    assert_eq!(hand.last("UID SEARCH UIDBEFORE 9 SEEN").await, "a OK [MESSAGELIMIT 5 4] Done");
    assert!(hand.last("UID SEARCH RETURN (PARTIAL 1:2) ALL").await.starts_with("a NO [MESSAGELIMIT 5] "));
    // All that is marked goes by EXPUNGE.
    assert_eq!(hand.last("UID STORE 1:* +FLAGS.SILENT (\\Deleted)").await, "a OK [MESSAGELIMIT 5 19] Done");
    assert_eq!(hand.last("UID STORE 1:18 +FLAGS.SILENT (\\Deleted)").await, "a OK [MESSAGELIMIT 5 14] Done");
    let lines = hand.ask("UID EXPUNGE 1:*").await;
    assert_eq!((lines.len(), lines[5].as_str()), (6, "a OK [MESSAGELIMIT 5 19] Done"));
    assert_eq!(hand.last("UID EXPUNGE 1:*").await, "a OK Done");
    assert_eq!(hand.last("UID MOVE 1:* Archive").await, "a OK [MESSAGELIMIT 5 9] Done");
}

#[tokio::test]
async fn a_client_takes_no_part_for_the_whole() {
    let (store, _) = store();
    let everything: Vec<u32> = (1..=MESSAGES).collect();
    let mut client = select(&store, Some(LIMIT)).await;
    assert_eq!(uids(&mut client).await, everything);
    let found = client.uid_search([SearchKey::Unseen]).await.unwrap();
    assert_eq!(found.iter().map(Uid::get).collect::<Vec<_>>(), everything);
    let extremes = [SearchReturnOpt::Min, SearchReturnOpt::Max, SearchReturnOpt::Count];
    let found = client.search_with(Search::by_uid([]).with_returns(extremes)).await.unwrap().of::<Uid>();
    assert_eq!((found.min(), found.max()), (Uid::new(1), Uid::new(MESSAGES)));
    assert_eq!(found.len(), u64::from(MESSAGES));
    let told = client.uid_store(all(), FlagChange::add([Flag::Seen])).await.unwrap();
    assert_eq!(told.len(), everything.len());
    client
        .uid_store("1:12".parse::<UidSet>().unwrap(), FlagChange::add([Flag::Deleted]).silent())
        .await
        .unwrap();
    assert_eq!(client.uid_expunge(all()).await.unwrap().len(), 12);
    // Where nobody can tell what is left, it is an error.
    let numbered =
        client.fetch("1:*".parse::<mailwire_imap::types::SequenceSet>().unwrap(), [FetchAtt::Uid]).await;
    let mut numbered = numbered.unwrap();
    let end = loop {
        match numbered.next().await {
            Ok(Some(_)) => {}
            end => break end,
        }
    };
    assert!(matches!(end, Err(Error::Refused(refused)) if refused.kind == RefusedKind::Partial));
    assert!(matches!(client.uid_copy_to(all(), "Archive").await, Err(Error::Refused(refused))
        if refused.kind == RefusedKind::No));
    let moved = client.uid_move_to(all(), "Archive").await.unwrap().unwrap();
    assert_eq!((moved.source.count(), moved.destination.count()), (11, 11));
    assert_eq!(client.exists(), Some(0));
    assert_eq!(client.select("Archive").await.unwrap().exists, 11);
}

#[tokio::test]
async fn batches() {
    let store = MemoryStore::new();
    let ada = store.add_user("ada", "secret").unwrap();
    for _ in 0..1203 {
        ada.append("INBOX", NewMessage::new("Subject: x\r\n\r\n".into())).unwrap();
    }
    let mut client = select(&store, None).await;
    let pairs = |batches: Vec<(Uid, Uid)>| -> Vec<(u32, u32)> {
        batches.into_iter().map(|(low, high)| (low.get(), high.get())).collect()
    };
    let asked = UidBatchesCommand::new(number(500));
    let found = client.uid_batches(asked.clone()).await.unwrap();
    assert_eq!(pairs(found), [(704, 1203), (204, 703), (1, 203)]);
    // Once in a selection, unless more than half a batch has come or gone.
    let too_soon = client.uid_batches(asked.clone()).await;
    assert!(
        matches!(too_soon, Err(Error::Refused(refused)) if refused.code.as_ref().is_some_and(|code| *code == "LIMIT"))
    );
    client.uid_store(1000, FlagChange::add([Flag::Deleted])).await.unwrap();
    client.expunge().await.unwrap();
    client.select("INBOX").await.unwrap();
    let found = client.uid_batches(asked.clone().with_batches(number(2), number(3))).await.unwrap();
    assert_eq!(pairs(found), [(203, 702), (1, 202)]);
    assert_eq!(client.uid_batches(asked.with_batches(number(4), number(5))).await.unwrap(), []);
    let small = client.uid_batches(UidBatchesCommand::new(number(499))).await;
    assert!(
        matches!(small, Err(Error::Refused(refused)) if refused.code.as_ref().is_some_and(|code| *code == "TOOFEW"))
    );
}

#[tokio::test]
async fn more_is_not_saved_at_once() {
    let (store, _) = store();
    let mut client = select(&store, Some(2)).await;
    let message = || (AppendOptions::new(), Payload::from("Subject: x\r\n\r\n"));
    let refused = client.append_all("Archive", [message(), message(), message()]).await.unwrap_err();
    assert!(matches!(refused, Error::Misuse(_)), "{refused}");
    client.append_all("Archive", [message(), message()]).await.unwrap();
    let mut hand = Hand::new(&store, Some(2)).await;
    let one = "{1+}\r\nx";
    let answer = hand.last(&format!("APPEND Archive {one} {one} {one}")).await;
    assert!(answer.starts_with("a NO [MESSAGELIMIT 2] "), "{answer}");
    assert!(hand.last(&format!("APPEND Archive {one} {one}")).await.starts_with("a OK [APPENDUID "));
    assert_eq!(client.select("Archive").await.unwrap().exists, 4);
}
