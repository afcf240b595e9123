//! What is told of messages and mailboxes by extensions, and how messages are stored: our client and our server.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod raw;

use mailwire_core::Channel;
use mailwire_store::{
    ImapService,
    memory::{MemoryStore, User},
};
use mailwire_transport::{
    Endpoint, Security, Stream,
    imap::{Client, Config, FetchAtt, Server, StatusAtt, proto::command::PreviewMods},
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
