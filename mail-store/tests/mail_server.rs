//! The server for tests, by our own clients.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[cfg(feature = "sqlite")]
mod file;

use std::time::Duration;

use bytes::Bytes;
use mailwire_store::testing::{Config, MailServer, StartError, TooFew};
use mailwire_transport::{
    Protocol, Security, imap, pop3,
    sasl::Credentials,
    smtp::{self, Envelope, proto::extensions::xclient::Attributes},
};

const SOON: Duration = Duration::from_secs(20);
const MESSAGE: Bytes = Bytes::from_static(b"Subject: =?utf-8?q?Caf=C3=A9?=\r\n\r\n.dot\r\nHi!\r\n");

fn envelope(to: &str) -> Envelope {
    Envelope::new("ada@example.org", [to]).unwrap()
}

async fn smtp(server: &MailServer, protocol: Protocol, security: Security) -> smtp::Client {
    let config = match protocol {
        Protocol::Lmtp => smtp::Config::lmtp(),
        Protocol::Submission => {
            let mut config = smtp::Config::login(server.credentials());
            config.allow_clear_credentials = true;
            config
        }
        _ => smtp::Config::anonymous(),
    };
    smtp::Client::connect_with(server.endpoint_with(protocol, security), config).await.unwrap()
}

fn code(error: &mailwire_transport::Error) -> u16 {
    error.refused().unwrap().reply().unwrap().code().get()
}

async fn count_by_imap(server: &MailServer, user: &str) -> u32 {
    let credentials = Credentials::password(user, "anything");
    let mut client = imap::Client::connect(server.endpoint(Protocol::Imap), &credentials).await.unwrap();
    let exists = client.select("INBOX").await.unwrap().exists;
    client.logout().await.unwrap();
    exists
}

#[tokio::test]
async fn all_protocols_are_there_in_each_protection() {
    let server = MailServer::start().await.unwrap();
    let securities =
        [Security::implicit_tls(), Security::required_starttls(), Security::plaintext_without_encryption()];
    let mut sent = 0;
    for security in securities {
        for protocol in [Protocol::Smtp, Protocol::Submission, Protocol::Lmtp] {
            let mut client = smtp(&server, protocol, security).await;
            assert!(client.send(&envelope("bob@example.net"), MESSAGE).await.unwrap().refused.is_empty());
            client.quit().await.unwrap();
            sent += 1;
            let messages = server.wait_for(sent, SOON).await.unwrap();
            let last = &messages[sent - 1];
            assert_eq!((last.protocol, last.client.tls), (protocol, security.is_tls()));
            assert_eq!(
                (last.from(), last.recipients()),
                ("ada@example.org".into(), vec!["bob@example.net".into()])
            );
            assert_eq!((last.subject().unwrap(), &last.raw), ("Café".into(), &MESSAGE));
            let user = (protocol == Protocol::Submission).then_some("user@localhost");
            assert_eq!(last.user(), user);
        }
        let bob = Credentials::password("bob@example.net", "any");
        let mut config = imap::Config::login(bob.clone());
        config.allow_clear_credentials = true;
        let endpoint = server.endpoint_with(Protocol::Imap, security);
        let mut client = imap::Client::connect_with(endpoint, config).await.unwrap();
        assert_eq!(client.select("INBOX").await.unwrap().exists as usize, sent);
        let mut config = pop3::Config::login(bob);
        config.allow_clear_credentials = true;
        let endpoint = server.endpoint_with(Protocol::Pop3, security);
        let mut client = pop3::Client::connect_with(endpoint, config).await.unwrap();
        assert_eq!(client.stat().await.unwrap().messages as usize, sent);
        client.quit().await.unwrap();
    }
    server.clear();
    assert!(server.messages().is_empty());
    assert_eq!(count_by_imap(&server, "bob@example.net").await, 0);
    server.shutdown().await;
}

#[tokio::test]
async fn users_can_be_named() {
    let config = Config::new().with_user("ada", "secret").with_user("eve@example.com", "other");
    let server = MailServer::start_with(config).await.unwrap();
    let mut client = smtp(&server, Protocol::Smtp, Security::required_starttls()).await;
    let refused = client.send(&envelope("bob@example.net"), MESSAGE).await.unwrap_err();
    assert_eq!(code(&refused), 550);
    assert!(client.send(&envelope("ada@anywhere.example"), MESSAGE).await.unwrap().refused.is_empty());
    assert_eq!(server.messages().len(), 1);
    let wrong = Credentials::password("ada", "guess");
    let error = imap::Client::connect(server.endpoint(Protocol::Imap), &wrong).await.unwrap_err();
    assert!(error.is_authentication(), "{error}");
    let mut client =
        pop3::Client::connect(server.endpoint(Protocol::Pop3), &server.credentials()).await.unwrap();
    assert_eq!(client.stat().await.unwrap().messages, 1);
    assert!(server.user("bob").is_err());
}

#[tokio::test]
async fn one_user_gets_all_the_rest() {
    let config = Config::new().with_user("ada", "secret").with_user("eve", "other").with_catch_all("ada");
    let server = MailServer::start_with(config).await.unwrap();
    let mut client = smtp(&server, Protocol::Lmtp, Security::required_starttls()).await;
    for to in ["bob@example.net", "eve@example.net", "carol@example.net"] {
        assert!(client.send(&envelope(to), MESSAGE).await.unwrap().refused.is_empty());
    }
    let count = |name| server.user(name).unwrap().messages("INBOX").unwrap().len();
    assert_eq!((count("ada"), count("eve")), (2, 1));
    assert_eq!(server.messages().len(), 3);
    let config = Config::new().with_user("ada", "secret").with_catch_all("bob");
    assert!(matches!(MailServer::start_with(config).await, Err(StartError::CatchAll(_))));
}

#[tokio::test]
async fn who_waits_is_woken_and_told_of_what_is_missing() {
    let server = MailServer::start().await.unwrap();
    let wait = async { server.wait_for(2, SOON).await.unwrap().len() };
    let send = async {
        let mut client = smtp(&server, Protocol::Smtp, Security::required_starttls()).await;
        for _ in 0..2 {
            assert!(client.send(&envelope("bob@example.net"), MESSAGE).await.unwrap().refused.is_empty());
        }
    };
    assert_eq!(tokio::join!(wait, send).0, 2);
    let error: TooFew = server.wait_for(3, Duration::from_millis(1)).await.unwrap_err();
    assert_eq!((error.wanted, error.came), (3, 2));
    assert_eq!(error.to_string(), "2 of 3 messages came within 1ms");
}

#[tokio::test]
async fn what_is_kept_is_bounded() {
    let server = MailServer::start_with(Config::new().with_kept(100_000)).await.unwrap();
    let mut client = smtp(&server, Protocol::Smtp, Security::required_starttls()).await;
    let message =
        [&MESSAGE[..], &b"0123456789abcdef 0123456789abcdef 0123456789abcdef\r\n".repeat(500)].concat();
    let message = Bytes::from(message);
    for _ in 0..10 {
        assert!(client.send(&envelope("bob@example.net"), message.clone()).await.unwrap().refused.is_empty());
    }
    let kept = server.wait_for(10, SOON).await.unwrap();
    assert_eq!(kept.len(), 3);
}

#[tokio::test]
async fn messages_have_numbers_and_can_be_forgotten() {
    let server = MailServer::start_with(Config::new().with_kept(100_000)).await.unwrap();
    let mut client = smtp(&server, Protocol::Smtp, Security::required_starttls()).await;
    let before = server.tally();
    let changed = server.changed(before);
    let bob = envelope("bob@example.net");
    let (tally, sent) = tokio::join!(changed, client.send(&bob, MESSAGE));
    let _ = sent.unwrap();
    assert_eq!((tally.came, tally.kept, tally.last, tally.forgotten), (1, 1, 1, 0));
    for _ in 0..4 {
        let _ = client.send(&bob, MESSAGE).await.unwrap();
    }
    let numbers = |before, most| -> Vec<u64> {
        server.latest(before, most).iter().map(|message| message.number).collect()
    };
    assert_eq!(numbers(None, 2), [5, 4]);
    assert_eq!(numbers(Some(4), 2), [3, 2]);
    assert_eq!(numbers(Some(2), 9), [1]);
    assert!(numbers(Some(1), 9).is_empty() && numbers(None, 0).is_empty());
    assert!(server.forget(3) && !server.forget(3) && !server.forget(6));
    assert!(server.message(3).is_none());
    assert_eq!(server.message(4).unwrap().number, 4);
    assert_eq!((numbers(None, 9), numbers(Some(4), 9)), (vec![5, 4, 2, 1], vec![2, 1]));
    let tally = server.tally();
    assert_eq!((tally.came, tally.kept, tally.last, tally.forgotten), (5, 4, 5, 1));
    // The room of one that is forgotten is another's, and numbers are not given twice.
    server.forget_all();
    let room = server.messages().len();
    let _ = client.send(&bob, MESSAGE).await.unwrap();
    let tally = server.tally();
    assert_eq!((room, tally.came, tally.kept, tally.last, tally.forgotten), (0, 1, 1, 6, 2));
    assert_eq!(server.user("bob@example.net").unwrap().messages("INBOX").unwrap().len(), 6);
}

#[tokio::test]
async fn what_is_put_there_is_found() {
    let server = MailServer::start().await.unwrap();
    server.deliver("bob", MESSAGE).unwrap();
    server.user("bob").unwrap().create("Work", None).unwrap();
    assert!(server.messages().is_empty());
    assert_eq!(count_by_imap(&server, "bob").await, 1);
    // Without the domain, the first of the name is meant.
    server.deliver("ada@example.org", MESSAGE).unwrap();
    server.deliver("ada@example.net", MESSAGE).unwrap();
    server.deliver("ada@example.org", MESSAGE).unwrap();
    assert_eq!(count_by_imap(&server, "ada").await, 2);
    assert_eq!(count_by_imap(&server, "ada@example.net").await, 1);
}

#[tokio::test]
async fn many_run_at_once_and_end_when_they_are_dropped() {
    let servers: Vec<_> = (0..8).map(|_| MailServer::start()).collect();
    let mut running = tokio::task::JoinSet::new();
    for (number, server) in servers.into_iter().enumerate() {
        running.spawn(async move {
            let server = server.await.unwrap();
            let mut client = smtp(&server, Protocol::Smtp, Security::required_starttls()).await;
            for _ in 0..=number {
                assert!(client.send(&envelope("bob@example.net"), MESSAGE).await.unwrap().refused.is_empty());
            }
            assert_eq!(server.wait_for(number + 1, SOON).await.unwrap().len(), number + 1);
            (server, client)
        });
    }
    while let Some(ended) = running.join_next().await {
        let (server, mut client) = ended.unwrap();
        let address = server.address(Protocol::Smtp, Security::required_starttls());
        drop(server);
        assert!(client.noop().await.is_err());
        assert!(tokio::net::TcpStream::connect(address).await.is_err());
    }
}

#[tokio::test]
async fn a_shutdown_tells_the_clients() {
    let server = MailServer::start().await.unwrap();
    let mut client = smtp(&server, Protocol::Smtp, Security::required_starttls()).await;
    let mut imap =
        imap::Client::connect(server.endpoint(Protocol::Imap), &server.credentials()).await.unwrap();
    server.shutdown().await;
    let refused = client.noop().await.unwrap_err();
    assert_eq!(code(&refused), 421);
    assert!(imap.noop().await.is_err());
}

/// Futures of large futures are moved into each other: without optimisation, the stack of a test did not do for them.
#[tokio::test]
async fn connecting_is_no_large_future() {
    let server = MailServer::start().await.unwrap();
    let credentials = server.credentials();
    let sizes = [
        size_of_val(&smtp::Client::connect(server.endpoint(Protocol::Submission), &credentials)),
        size_of_val(&imap::Client::connect(server.endpoint(Protocol::Imap), &credentials)),
        size_of_val(&pop3::Client::connect(server.endpoint(Protocol::Pop3), &credentials)),
    ];
    assert!(sizes.iter().all(|size| *size < 16 * 1024), "{sizes:?}");
}

#[tokio::test]
async fn a_trusted_proxy_tells_who_its_client_is() {
    let there: Attributes = Attributes::of_address("192.0.2.7".parse().unwrap());
    let trusting = Config::new().with_trusted(["127.0.0.0/8".parse().unwrap()]);
    let server = MailServer::start_with(trusting).await.unwrap();
    let security = Security::plaintext_without_encryption();
    let mut client = smtp(&server, Protocol::Smtp, security).await;
    client.xclient(there.clone()).await.unwrap();
    let _ = client.send(&envelope("bob@example.net"), MESSAGE).await.unwrap();
    client.quit().await.unwrap();
    let messages = server.wait_for(1, SOON).await.unwrap();
    assert_eq!(messages[0].client.address.unwrap().ip(), there.address().unwrap());
    server.shutdown().await;

    for config in [Config::new(), Config::new().with_trusted(["192.0.2.0/24".parse().unwrap()])] {
        let server = MailServer::start_with(config).await.unwrap();
        let mut client = smtp(&server, Protocol::Smtp, security).await;
        assert!(client.xclient(there.clone()).await.is_err(), "it is not offered");
        client.quit().await.unwrap();
        server.shutdown().await;
    }
}

/// Mail that is in a file is there for the next server, too.
#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_server_over_a_file() {
    use mailwire_store::sqlite::{self, SqliteStore};

    let folder = file::Folder::new();
    let open = || SqliteStore::open(folder.path("mail.db"), sqlite::Config::new()).unwrap();
    let store = open();
    store.add_user("bob", "secret").await.unwrap();
    let config = Config::new().with_user("bob", "secret");
    let server = MailServer::start_over(store, config.clone()).await.unwrap();
    let mut client =
        smtp::Client::connect_with(server.endpoint(Protocol::Smtp), smtp::Config::anonymous()).await.unwrap();
    for _ in 0..2 {
        assert!(client.send(&envelope("bob@example.net"), MESSAGE).await.unwrap().refused.is_empty());
    }
    assert_eq!(code(&client.send(&envelope("eve@example.net"), MESSAGE).await.unwrap_err()), 550);
    let messages = server.wait_for(2, SOON).await.unwrap();
    assert!(messages.iter().all(|message| message.raw == MESSAGE && message.from() == "ada@example.org"));
    drop(client);
    server.shutdown().await;

    let server = MailServer::start_over(open(), config).await.unwrap();
    let mut client =
        imap::Client::connect(server.endpoint(Protocol::Imap), &server.credentials()).await.unwrap();
    assert_eq!(client.select("INBOX").await.unwrap().exists, 2);
    assert!(server.messages().is_empty());
}
