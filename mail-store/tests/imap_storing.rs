//! What is told of messages and mailboxes by extensions, and how messages are stored: our client and our server.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod raw;

use mailwire_core::Channel;
use mailwire_store::{
    ImapService,
    memory::{MemoryStore, User},
};
use mailwire_transport::{
    Endpoint, Payload, Security, Stream,
    imap::{
        Client, Config, FetchAtt, Flag, Server, StatusAtt,
        client::{AppendOptions, Update},
        proto::{command::PreviewMods, types::Uid},
    },
    sasl::Credentials,
};

fn store() -> (MemoryStore, User) {
    let store = MemoryStore::new();
    let ada = store.add_user("ada", "secret").unwrap();
    (store, ada)
}

fn server(store: &MemoryStore) -> Server<ImapService<MemoryStore>> {
    Server::new(ImapService::new(store.clone())).allow_clear_credentials()
}

async fn client_of(server: Server<ImapService<MemoryStore>>) -> Client {
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    tokio::spawn(async move { server.serve_stream(Stream::other(theirs), Channel::Clear).await });
    let endpoint = Endpoint::tcp("test", 143, Security::plaintext_without_encryption());
    let config = Config::login(Credentials::password("ada", "secret")).with_allow_clear_credentials(true);
    Client::over(Stream::other(ours), endpoint, config).await.unwrap()
}

async fn client(store: &MemoryStore) -> Client {
    client_of(server(store)).await
}

#[tokio::test]
async fn the_largest_message_is_told() {
    let (store, _) = store();
    let server = server(&store).configure(|config| config.limits.message = 1000);
    let mut client = client_of(server).await;
    assert_eq!(client.capabilities().append_limit(), Some(1000));
    let status = client.status("INBOX", [StatusAtt::AppendLimit]).await.unwrap();
    assert_eq!(status.append_limit(), Some(Some(1000)));
    // It is not even sent.
    let error = client.append("INBOX", vec![b'x'; 1001]).await.unwrap_err();
    assert!(error.to_string().contains("size"), "{error}");
    client.append("INBOX", vec![b'x'; 1000]).await.unwrap();

    // And refused where it is sent nevertheless.
    let mut raw = raw::Servers::new(&store).connect(raw::Protocol::Imap, Channel::Tls, 4096).await;
    assert!(raw.login(raw::Protocol::Imap, "ada", "secret").await);
    let refused = raw.command(raw::Protocol::Imap, "APPEND INBOX {200000000}").await;
    assert!(refused.starts_with("a NO [TOOBIG]"), "{refused}");
}

#[tokio::test]
async fn first_words_are_told() {
    let (store, ada) = store();
    ada.deliver("Subject: a\r\n\r\nSee you\r\n   tomorrow.\r\n".into()).unwrap();
    ada.deliver("Content-Type: image/png\r\n\r\nx".into()).unwrap();
    ada.deliver(format!("Subject: large\r\n\r\nLarge {}", "x".repeat(4 << 20)).into()).unwrap();
    let mut client = client(&store).await;
    client.select("INBOX").await.unwrap();
    let mut words = async |mods| {
        let mut messages = client.uid_fetch(&[1u32, 2, 3][..], [FetchAtt::Preview(mods)]).await.unwrap();
        let mut words = Vec::new();
        while let Some(message) = messages.next().await.unwrap() {
            words.push(message.preview().map(|words| words.into_owned()));
        }
        words
    };
    let large = format!("Large {}", "x".repeat(194));
    assert_eq!(
        words(PreviewMods::new()).await,
        [Some("See you tomorrow."), Some(""), Some(&large)].map(|words| words.map(str::to_owned))
    );
    // What is not at hand is not waited for.
    let lazy = words(PreviewMods::new().with_lazy(true)).await;
    assert_eq!(lazy, [Some("See you tomorrow.".to_owned()), Some(String::new()), None]);
}

#[tokio::test]
async fn several_messages_are_stored_or_none() {
    let (store, ada) = store();
    let mut client = client(&store).await;
    let large = "Subject: large\r\n\r\n".to_owned() + &"x".repeat(300 << 10);
    let messages = [
        (AppendOptions::new().with_flags([Flag::Seen]), Payload::from("Subject: a\r\n\r\n")),
        (AppendOptions::new(), Payload::from_reader(large.as_bytes(), Some(large.len() as u64))),
        (AppendOptions::new(), Payload::from_reader(&b"Subject: c\r\n\r\n"[..], Some(14))),
    ];
    let appended = client.append_all("INBOX", messages).await.unwrap().unwrap();
    assert_eq!(appended.uids.to_string(), "1:3");
    let stored = ada.messages("INBOX").unwrap();
    assert_eq!(stored, ["Subject: a\r\n\r\n", &large, "Subject: c\r\n\r\n"]);

    // The mailbox is not there, or a message is too large: nothing is stored of the others either.
    let two = || [(AppendOptions::new(), Payload::from("a")), (AppendOptions::new(), Payload::from("b"))];
    client.append_all("nowhere", two()).await.unwrap_err();
    let mut raw = raw::Servers::new(&store).connect(raw::Protocol::Imap, Channel::Tls, 4096).await;
    assert!(raw.login(raw::Protocol::Imap, "ada", "secret").await);
    for (more, answer) in [
        (" {200000000}\r\n", "a NO [TOOBIG]"),
        (" {3+}\r\na\0b\r\n", "a BAD"),
        (" (\\Seen) 5\r\n", "a BAD"),
        (" (\\X) {1+}\r\na\r\n", "a NO [CANNOT]"),
    ] {
        raw.write(format!("a APPEND INBOX {{3+}}\r\nabc{more}")).await;
        let said = raw.answer(raw::Protocol::Imap).await;
        assert!(said.starts_with(answer), "{more}: {said}");
    }
    assert_eq!(raw.command(raw::Protocol::Imap, "NOOP").await, "a OK Done");
    assert_eq!(ada.messages("INBOX").unwrap().len(), 3);
    client.append_all("INBOX", two()).await.unwrap();
    assert_eq!(ada.status("INBOX").unwrap().uid_next.get(), 6);
}

#[tokio::test]
async fn a_message_takes_the_place_of_another() {
    let (store, ada) = store();
    for number in 1..=3 {
        ada.deliver(format!("Subject: {number}\r\n\r\n").into()).unwrap();
    }
    ada.create("Sent", None).unwrap();
    let mut client = client(&store).await;
    client.select("INBOX").await.unwrap();
    let draft = || AppendOptions::new().with_flags([Flag::Draft]);
    let uid = |number| Uid::new(number).unwrap();
    let stored = client.uid_replace(uid(2), "INBOX", draft(), "Subject: new\r\n\r\n").await.unwrap();
    assert_eq!(stored.and_then(|stored| stored.uid()), Some(uid(4)));
    let updates: Vec<_> = client.updates().collect();
    assert!(matches!(updates[..], [Update::Exists(4), .., Update::Expunge(_)]), "{updates:?}");
    let left = ["Subject: 1\r\n\r\n", "Subject: 3\r\n\r\n", "Subject: new\r\n\r\n"];
    assert_eq!(ada.messages("INBOX").unwrap(), left);

    // To another mailbox; and where that cannot be, the old one stays.
    client.uid_replace(uid(4), "Sent", draft(), "Subject: sent\r\n\r\n").await.unwrap();
    assert_eq!(ada.messages("Sent").unwrap(), ["Subject: sent\r\n\r\n"]);
    client.uid_replace(uid(3), "nowhere", draft(), "x").await.unwrap_err();
    client.uid_replace(uid(4), "INBOX", draft(), "x").await.unwrap_err();
    assert_eq!(ada.messages("INBOX").unwrap(), left[..2]);

    // By number; a mailbox that is open for reading only keeps its messages.
    let mut raw = raw::Servers::new(&store).connect(raw::Protocol::Imap, Channel::Tls, 4096).await;
    assert!(raw.login(raw::Protocol::Imap, "ada", "secret").await);
    raw.command(raw::Protocol::Imap, "EXAMINE INBOX").await;
    let refused = raw.command(raw::Protocol::Imap, "REPLACE 1 INBOX {1}").await;
    assert!(refused.starts_with("a NO [NOPERM]"), "{refused}");
    raw.command(raw::Protocol::Imap, "SELECT INBOX").await;
    raw.write("a REPLACE * Sent {1+}\r\nx\r\n").await;
    assert_eq!(raw.answer(raw::Protocol::Imap).await, "a OK Done");
    assert_eq!(ada.messages("INBOX").unwrap(), left[..1]);
}
