//! INPROGRESS: a client hears how far its search has come.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use mailwire_core::Channel;
use mailwire_imap::types::{Uid, UidValidity};
use mailwire_store::memory::MemoryStore;
use mailwire_transport::{
    Budget, Endpoint, Security, Stream,
    imap::{
        Capability, Client, Config, SearchKey, Server,
        proto::command::List,
        server::{
            Copied, CopyOptions, FetchOptions, FetchWriter, Mailbox, Refusal, SearchOptions, SelectOptions,
            Selected, Service, Session, Status, StatusOptions,
        },
    },
    sasl::{Credentials, Identity},
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

/// A user with four messages, each of which takes five seconds to be looked at.
struct Slow(MemoryStore);
struct SlowSession;

impl Service for Slow {
    type Session = SlowSession;
    type Authenticator = MemoryStore;

    fn authenticator(&self) -> &MemoryStore {
        &self.0
    }

    async fn open(&self, _: &Identity) -> Result<SlowSession, Refusal> {
        Ok(SlowSession)
    }
}

impl Session for SlowSession {
    async fn list(&mut self, _: &List) -> Result<Vec<Mailbox>, Refusal> {
        Ok(vec![Mailbox::new("INBOX")])
    }

    async fn status(&mut self, _: &str, _: &StatusOptions) -> Result<Status, Refusal> {
        Ok(Status::default())
    }

    async fn select(&mut self, _: &str, _: &SelectOptions) -> Result<Selected, Refusal> {
        let uids: Vec<Uid> = (1..=4).filter_map(Uid::new).collect();
        Ok(Selected::new(UidValidity::MIN, Uid::new(5).unwrap(), uids))
    }

    async fn fetch(&mut self, _: &[Uid], _: &FetchOptions, _: &mut FetchWriter<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    async fn search(&mut self, options: &SearchOptions, _: &mut Budget) -> Result<Vec<Uid>, Refusal> {
        options.progress.expect(4);
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_secs(5)).await;
            options.progress.advance(1);
        }
        // What is left to do then is not known.
        tokio::time::sleep(Duration::from_secs(25)).await;
        Ok(vec![Uid::MIN])
    }

    async fn copy_to(
        &mut self,
        uids: &[Uid],
        _: &str,
        options: &CopyOptions,
    ) -> Result<Option<Copied>, Refusal> {
        if uids.len() > 1 {
            options.progress.expect(uids.len() as u64);
            options.progress.advance(1);
        }
        tokio::time::sleep(Duration::from_secs(20)).await;
        Ok(None)
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_command_tells_how_far_it_is() {
    let store = MemoryStore::new();
    store.add_user("ada", "secret").unwrap();
    let server = Server::new(Slow(store));
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    tokio::spawn(async move { server.serve_stream(Stream::other(theirs), Channel::Tls).await });
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hear = Arc::clone(&heard);
    let mut config = Config::login(Credentials::password("ada", "secret")).with_progress(move |progress| {
        let count = progress.count.map(|count| (count.done, count.goal.map(u32::from)));
        hear.lock().unwrap().push((progress.tag.is_some(), count));
    });
    config.allow_clear_credentials = true;
    let endpoint = Endpoint::tcp("localhost", 143, Security::plaintext_without_encryption());
    let mut client = Client::over(Stream::other(ours), endpoint, config).await.unwrap();
    assert!(client.has(&Capability::InProgress));
    client.select("INBOX").await.unwrap();
    assert_eq!(client.uid_search([SearchKey::All]).await.unwrap().len(), 1);
    // After 12, 24 and 36 seconds; what is done is not told to be.
    let told: Vec<_> = heard.lock().unwrap().drain(..).collect();
    let told_of = |done| (true, Some((done, Some(4))));
    assert_eq!(told, [told_of(2), told_of(3), told_of(3)]);
    client.uid_copy_to(Uid::MIN, "INBOX").await.unwrap();
    assert_eq!(heard.lock().unwrap().split_off(0), [(true, None)]);
    client.uid_copy_to(&[1u32, 2, 3][..], "INBOX").await.unwrap();
    assert_eq!(*heard.lock().unwrap(), [(true, Some((1, Some(3))))]);
    // It is not among the news.
    assert!(client.updates().next().is_none());
}

/// A service that offers CONDSTORE, with mailboxes that have no modification sequences: SELECT has to answer NOMODSEQ.
struct Uncounted(MemoryStore);

impl Service for Uncounted {
    type Session = SlowSession;
    type Authenticator = MemoryStore;

    fn authenticator(&self) -> &MemoryStore {
        &self.0
    }

    fn capabilities(&self) -> Vec<Capability> {
        vec![Capability::CondStore]
    }

    async fn open(&self, _: &Identity) -> Result<SlowSession, Refusal> {
        Ok(SlowSession)
    }
}

/// RFC 7162 section 3.1.2.2.
#[tokio::test]
async fn a_mailbox_that_does_not_count_its_changes_says_so() {
    let store = MemoryStore::new();
    store.add_user("ada", "secret").unwrap();
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    let server = Server::new(Uncounted(store));
    tokio::spawn(async move { server.serve_stream(Stream::other(theirs), Channel::Tls).await });
    let mut lines = BufReader::new(ours).lines();
    lines.next_line().await.unwrap();
    let mut command = async |command: &str| {
        let line = format!("a {command}\r\n");
        lines.get_mut().get_mut().write_all(line.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        loop {
            said.push(lines.next_line().await.unwrap().unwrap());
            if said.last().unwrap().starts_with("a ") {
                return said;
            }
        }
    };
    command("LOGIN ada secret").await;
    let selected = command("SELECT INBOX (CONDSTORE)").await;
    assert!(selected.iter().any(|line| line.starts_with("* OK [NOMODSEQ]")), "{selected:?}");
    for refused in [
        "UID FETCH 1 (FLAGS) (CHANGEDSINCE 1)",
        "FETCH 1 (MODSEQ)",
        "STORE 1 (UNCHANGEDSINCE 1) FLAGS (\\Seen)",
        "SEARCH MODSEQ 1",
    ] {
        let said = command(refused).await;
        assert!(said[0].starts_with("a BAD"), "{refused}: {said:?}");
    }
    assert_eq!(command("NOOP").await, ["a OK Done"]);
}
