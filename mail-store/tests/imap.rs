//! The IMAP client and the IMAP server, over sockets.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{future::Future, net::SocketAddr, time::Duration};

use bytes::Bytes;
use mailwire_store::{ImapService, memory::MemoryStore};
use mailwire_transport::{
    Endpoint, Payload, Result, Security,
    imap::{
        Capability, Client, Config, FetchAtt, Flag, FlagChange, LoginMechanism, SearchKey, SequenceSet,
        Server, StatusAtt,
        client::{AppendOptions, Update},
        proto::{
            client::State,
            command::{AString, List, ListReturnOpt, Search, SearchReturnOpt},
            response::StatusAttVal,
            types::{DateTime, ListPattern, MailboxName, Partial, Section, SeqNumber, Uid},
        },
    },
    sasl::{Credentials, Mechanism},
    server::Listener,
    testing::TestCa,
    tls::ClientTls,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Running {
    address: SocketAddr,
    security: Security,
    tls: ClientTls,
    shutdown: CancellationToken,
    server: JoinHandle<Result<()>>,
}

async fn serve(store: &MemoryStore, security: Security) -> Running {
    let ca = TestCa::new().unwrap();
    let tls = ca.server_tls(&["localhost"]).unwrap();
    let listener = Listener::bind("127.0.0.1:0", security, Some(tls)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let (server, token) = (Server::new(ImapService::new(store.clone())), shutdown.clone());
    let server = tokio::spawn(async move { server.serve(listener, token).await });
    Running { address, security, tls: ca.client_tls().unwrap(), shutdown, server }
}

impl Running {
    fn endpoint(&self) -> Endpoint {
        Endpoint::tcp("localhost", self.address.port(), self.security).with_tls(self.tls.clone())
    }

    async fn connect(&self) -> Client {
        soon(Client::connect(self.endpoint(), &Credentials::password("ada", "secret"))).await.unwrap()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        soon(self.server).await.unwrap().unwrap();
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.unwrap()
}

fn store() -> MemoryStore {
    let store = MemoryStore::new();
    store.add_user("ada", "secret").unwrap();
    store
}

#[tokio::test]
async fn all_ways_to_log_in() {
    let store = store();
    for security in [Security::implicit_tls(), Security::required_starttls()] {
        let running = serve(&store, security).await;
        let mechanisms =
            [Mechanism::ScramSha256Plus, Mechanism::ScramSha1, Mechanism::Plain, Mechanism::Login];
        for mechanism in mechanisms.map(LoginMechanism::Sasl).into_iter().chain([LoginMechanism::Login]) {
            let mut config = Config::login(Credentials::password("ada", "secret"));
            config.mechanism = Some(mechanism.clone());
            config.identify("test", "1").unwrap();
            let mut client = soon(Client::connect_with(running.endpoint(), config.clone())).await.unwrap();
            assert!(client.is_encrypted() && client.state() == State::Authenticated);
            assert!(client.has(&Capability::Imap4Rev2));
            soon(client.noop()).await.unwrap();
            soon(client.logout()).await.unwrap();

            config.credentials = Some(Credentials::password("ada", "wrong"));
            let error = soon(Client::connect_with(running.endpoint(), config)).await.unwrap_err();
            let code = error.refused().and_then(|refused| refused.code.clone());
            assert!(code.is_some_and(|code| code == "AUTHENTICATIONFAILED"), "{mechanism:?}: {error:?}");
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn mailboxes_and_messages() {
    let store = store();
    let running = serve(&store, Security::implicit_tls()).await;
    let mut client = running.connect().await;
    soon(use_mailboxes(&mut client)).await.unwrap();
    let sent = soon(append(&mut client)).await.unwrap();
    soon(read(&mut client, &sent)).await.unwrap();
    soon(change(&mut client)).await.unwrap();
    soon(client.logout()).await.unwrap();
    running.stop().await;
}

async fn use_mailboxes(client: &mut Client) -> Result<()> {
    client.create("Entwürfe").await?;
    client.create("a/b").await?;
    client.subscribe("a/b").await?;
    let list = client.list("", "*").await?;
    let mut names: Vec<_> = list.iter().map(|mailbox| mailbox.name.to_unicode()).collect();
    names.sort();
    assert_eq!(names, ["Entwürfe", "INBOX", "a", "a/b"]);
    assert_eq!(client.lsub("", "a/*").await?.len(), 1);
    client.unsubscribe("a/b").await?;
    assert!(client.lsub("", "a/*").await?.is_empty());
    client.rename("a/b", "c").await?;
    client.delete("a").await?;
    let error = client.delete("a").await.unwrap_err();
    assert_eq!(error.refused().unwrap().code.as_ref().unwrap(), &"NONEXISTENT");
    assert_eq!(client.namespace().await?.personal.len(), 1);
    Ok(())
}

/// Messages of all kinds of sizes.
async fn append(client: &mut Client) -> Result<Vec<Bytes>> {
    let date = DateTime::from_unix(837_596_665, 0);
    let mut sent: Vec<Bytes> = Vec::new();
    for size in [0, 1, 100, 5_000, 70_000, 1_000_000] {
        let mut text = format!("Subject: {size}\r\nFrom: Ada <ada@example.org>\r\n\r\n");
        while text.len() < size {
            text.push_str("Grüße, and a line of text. {20}\r\n");
        }
        let text = Bytes::from(text);
        let message: Payload<'_> = match size % 1000 {
            0 => Payload::from_reader(&text[..], Some(text.len() as u64)),
            _ => text.clone().into(),
        };
        let appended = client
            .append_with("INBOX", AppendOptions::new().with_flags([Flag::Flagged]).with_date(date), message)
            .await?;
        sent.push(text);
        assert_eq!(appended.unwrap().uid().map(|uid| uid.get() as usize), Some(sent.len()));
    }
    let status = client.status("inbox", [StatusAtt::Messages, StatusAtt::UidNext]).await?;
    assert_eq!(status.items, [StatusAttVal::Messages(6), StatusAttVal::UidNext(7.try_into().ok())]);
    let list = List::new(MailboxName::new("")?, ListPattern::new("*")?);
    let listed = client.list_with(list.returning([ListReturnOpt::Status(vec![StatusAtt::Messages])])).await?;
    assert!(listed.len() == 3 && listed.iter().all(|listed| listed.status.is_some()));
    let error = client.append("nowhere", "x").await.unwrap_err();
    assert_eq!(error.refused().unwrap().code.as_ref().unwrap(), &"TRYCREATE");
    Ok(sent)
}

async fn read(client: &mut Client, sent: &[Bytes]) -> Result<()> {
    let selected = client.select("INBOX").await?;
    assert_eq!((selected.exists, selected.uid_next, selected.read_only), (6, Uid::new(7), false));
    let items = [
        FetchAtt::Uid,
        FetchAtt::Envelope,
        FetchAtt::InternalDate,
        FetchAtt::Flags,
        FetchAtt::Rfc822Size,
        FetchAtt::BodyStructure,
        FetchAtt::MESSAGE,
    ];
    let mut messages = client.fetch(SequenceSet::all(), items).await?;
    for (number, text) in (1..).zip(sent) {
        let message = messages.next().await?.unwrap();
        assert_eq!((message.number(), message.uid()), (SeqNumber::new(number), Uid::new(number)));
        assert_eq!(message.size(), Some(text.len() as u64));
        assert_eq!(message.internal_date().unwrap().to_unix(), 837_596_665);
        assert!(message.body().unwrap() == text && message.flags().unwrap().contains(&Flag::Flagged));
        assert!(text.starts_with(format!("Subject: {}\r\n", message.subject().unwrap()).as_bytes()));
        assert!(message.body_structure().is_some());
    }
    assert!(messages.next().await?.is_none());
    for (uid, text) in (1..).filter_map(Uid::new).zip(sent) {
        let body = client.fetch_body(uid, Section::WHOLE).await?.unwrap();
        assert_eq!(body.length(), text.len() as u64);
        assert!(body.bytes(2_000_000).await? == text);
        let partial = Some(Partial { offset: 9, length: std::num::NonZeroU64::new(5).unwrap() });
        let item = FetchAtt::BodySection { section: Section::WHOLE, partial, peek: true };
        assert_eq!(client.fetch_item(uid, item).await?.unwrap().bytes(5).await?, text[9..14]);
    }
    assert!(client.fetch_body(Uid::MAX, Section::WHOLE).await?.is_none());

    let large = client.uid_search([SearchKey::Larger(1000), SearchKey::Unseen]).await?;
    assert_eq!(large.ranges(), [(Uid::new(4).unwrap(), Uid::new(6).unwrap())]);
    let text = SearchKey::Text(AString::new("Grüße")?);
    assert_eq!(client.search([SearchKey::Not(Box::new(text))]).await?.len(), 2);
    let mut search = Search::by_uid([SearchKey::All]);
    search.returns = Some(vec![SearchReturnOpt::Min, SearchReturnOpt::Max, SearchReturnOpt::Count]);
    let found = client.search_with(search).await?.of();
    assert_eq!((found.min(), found.max(), found.len()), (Uid::new(1), Uid::new(6), 6));
    assert_eq!(client.malformed().count(), 0);
    Ok(())
}

async fn change(client: &mut Client) -> Result<()> {
    let stored = client.uid_store([4, 5, 6], FlagChange::add([Flag::Seen, Flag::new("$Label1")?])).await?;
    assert!(stored.len() == 3 && stored.iter().all(|message| message.flags().unwrap().contains(&Flag::Seen)));
    assert!(client.store([1, 2], FlagChange::replace([Flag::Deleted]).silent()).await?.is_empty());
    let copied = client.uid_copy_to([4, 5, 6], "c").await?.unwrap();
    assert_eq!((copied.source.count(), copied.destination.count()), (3, 3));
    let moved = client.uid_move_to(6, "Entwürfe").await?.unwrap();
    assert_eq!(moved.source.to_string(), "6");
    assert_eq!(client.exists(), Some(5));
    assert!(client.updates().any(|update| matches!(update, Update::Expunge(number) if number.get() == 6)));
    assert_eq!(client.uid_expunge(2).await?, [SeqNumber::new(2).unwrap()]);
    assert_eq!(client.expunge().await?, [SeqNumber::MIN]);
    assert_eq!(client.exists(), Some(3));
    client.store(1, FlagChange::add([Flag::Deleted])).await?;
    client.unselect().await?;
    assert!(client.examine("INBOX").await?.read_only);
    assert!(client.store(1, FlagChange::add([Flag::Seen])).await.unwrap_err().refused().is_some());
    client.select("INBOX").await?;
    client.close().await?;
    assert_eq!(client.select("INBOX").await?.exists, 2);

    // The other revision.
    assert_eq!(client.enable([Capability::Imap4Rev2]).await?, [Capability::Imap4Rev2]);
    assert_eq!(client.select("Entwürfe").await?.exists, 1);
    assert_eq!(client.uid_search([SearchKey::Text(AString::new("Grüße")?)]).await?.len(), 1);
    assert_eq!(client.malformed().count(), 0);
    Ok(())
}

#[tokio::test]
async fn two_devices_see_each_other() {
    let store = store();
    let running = serve(&store, Security::required_starttls()).await;
    let (mut one, mut two) = (running.connect().await, running.connect().await);
    soon(see(&mut one, &mut two)).await.unwrap();
    soon(one.logout()).await.unwrap();
    // The server's farewell is why the next call fails.
    running.shutdown.cancel();
    soon(running.server).await.unwrap().unwrap();
    let error = soon(two.noop()).await.unwrap_err();
    assert!(error.refused().is_some(), "{error:?}");
}

async fn see(one: &mut Client, two: &mut Client) -> Result<()> {
    one.select("INBOX").await?;
    two.select("INBOX").await?;
    let mut idle = one.idle().await?;
    two.append("INBOX", "Subject: hi\r\n\r\nhi\r\n").await?;
    while idle.next().await? != Update::Exists(1) {}
    two.noop().await?;
    two.store(1, FlagChange::add([Flag::Seen])).await?;
    loop {
        if let Update::Flags { number, flags, .. } = idle.next().await?
            && number == SeqNumber::MIN
            && flags.contains(&Flag::Seen)
        {
            break;
        }
    }
    // Its future is dropped again and again, and nothing is lost.
    two.store(1, FlagChange::add([Flag::Deleted]).silent()).await?;
    two.expunge().await?;
    let mut expunged = false;
    while !expunged {
        if let Ok(update) = tokio::time::timeout(Duration::from_millis(1), idle.next()).await {
            expunged = update? == Update::Expunge(SeqNumber::MIN);
        }
    }
    idle.done().await?;
    assert_eq!(one.exists(), Some(0));
    // An IDLE that is dropped ends with the next call.
    drop(one.idle().await?);
    two.append("INBOX", "Subject: 2\r\n\r\n").await?;
    one.noop().await?;
    assert_eq!(one.exists(), Some(1));
    assert!(one.updates().any(|update| update == Update::Exists(1)));
    Ok(())
}
