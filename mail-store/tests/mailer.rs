//! Connections that are kept, over real sockets: who may have which.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use deadpool::managed::{Object, Pool};
use mailwire_store::testing::{Config, Fault, MailServer, Moment};
use mailwire_transport::{
    Error, Protocol, Security, imap,
    pool::{PoolOptions, deadpool::Manager},
    sasl::Credentials,
    smtp::{self, Envelope, Mailer, MailerOptions},
    testing::TestCa,
};

const SOON: Duration = Duration::from_secs(20);
const MESSAGE: &str = "From: ada@example.org\r\nTo: bob@example.net\r\nSubject: x\r\n\r\nx\r\n";

fn envelope(to: &str) -> Envelope {
    Envelope::new("ada@example.org", [to]).unwrap()
}

#[tokio::test]
async fn mail_goes_by_smtp_submission_and_lmtp() {
    let server = MailServer::start().await.unwrap();
    let mut sent = 0;
    for (protocol, config) in [
        (Protocol::Smtp, smtp::Config::anonymous()),
        (Protocol::Submission, smtp::Config::login(server.credentials())),
        (Protocol::Lmtp, smtp::Config::lmtp()),
    ] {
        for security in [Security::implicit_tls(), Security::required_starttls()] {
            if !server.addresses().any(|(it, how, _)| (it, how) == (protocol, security)) {
                continue;
            }
            let endpoint = server.endpoint_with(protocol, security);
            let pool = PoolOptions::new().with_connections(2);
            let mailer = Mailer::with_options(endpoint, config.clone(), MailerOptions::new().with_pool(pool));
            for to in ["bob@example.net", "cy@example.net", "dan@example.net"] {
                let (envelope, _) = (envelope(to), sent += 1);
                let _ = mailer.send(&envelope, MESSAGE).await.unwrap();
            }
            assert_eq!((mailer.status().idle, mailer.status().in_use), (1, 0));
            assert_eq!(mailer.close(SOON).await, 0);
        }
    }
    assert!(sent >= 9);
    assert_eq!(server.wait_for(sent, SOON).await.unwrap().len(), sent);
    server.shutdown().await;
}

#[tokio::test]
async fn a_connection_is_never_somebody_elses() {
    let config = Config::new().with_user("ada", "lovelace").with_user("bob", "roberts");
    let server = MailServer::start_with(config).await.unwrap();
    server.deliver("ada", "Subject: for Ada\r\n\r\nx\r\n").unwrap();
    let login = |user: &str, password: &str| imap::Config::login(Credentials::password(user, password));
    let endpoint = server.endpoint(Protocol::Imap);
    let options = PoolOptions::new().with_connections(3);
    let ada = imap::Pool::with_options(endpoint.clone(), login("ada", "lovelace"), options);
    assert_eq!(ada.select("INBOX", None).await.unwrap().1.exists, 1);
    assert_eq!(ada.status().idle, 1);

    let bob = ada.for_account(endpoint.clone(), login("bob", "roberts"));
    assert_eq!(bob.select("INBOX", None).await.unwrap().1.exists, 0);
    assert_eq!(ada.status().idle, 2);
    // Knowing the name is not enough, though somebody who has the password is there.
    let mallory = ada.for_account(endpoint.clone(), login("ada", "guessed"));
    let error = mallory.get().await.unwrap_err();
    assert!(error.is_authentication(), "{error}");
    // Whoever has the same credentials has the same connections.
    let again = ada.for_account(endpoint.clone(), login("ada", "lovelace"));
    assert!(again.get().await.unwrap().is_reused());
    // Somebody who trusts others does not.
    let mistrustful = endpoint.with_tls(TestCa::new().unwrap().client_tls().unwrap());
    assert!(ada.for_account(mistrustful, login("ada", "lovelace")).get().await.is_err());

    // All connections are taken: the one that was unused longest makes room, and no more are made.
    let (one, two) = (again.get().await.unwrap(), again.get().await.unwrap());
    assert_eq!((ada.status().in_use, ada.status().idle), (2, 1));
    let three = again.get().await.unwrap();
    assert!(!three.is_reused());
    assert_eq!((ada.status().in_use, ada.status().idle), (3, 0));
    drop((one, two, three));
    assert!(!bob.get().await.unwrap().is_reused());
    assert_eq!((ada.status().in_use, ada.status().idle), (0, 3));
    assert_eq!(ada.close(SOON).await, 0);
    assert!(matches!(bob.get().await, Err(Error::Closed)));
    server.shutdown().await;
}

#[tokio::test]
async fn an_account_has_no_more_connections_than_are_its_own() {
    let server = MailServer::start().await.unwrap();
    let login = |user: &str| imap::Config::login(Credentials::password(user, "x"));
    let endpoint = server.endpoint(Protocol::Imap);
    let options =
        PoolOptions::new().with_connections(3).with_connections_per_account(1).with_wait(Duration::ZERO);
    let ada = imap::Pool::with_options(endpoint.clone(), login("ada@example.org"), options);
    let bob = ada.for_account(endpoint, login("bob@example.org"));
    let lease = ada.get().await.unwrap();
    assert!(matches!(ada.get().await, Err(Error::Timeout { .. })));
    drop(bob.get().await.unwrap());
    drop(lease);
    assert!(ada.get().await.unwrap().is_reused());
    server.shutdown().await;
}

/// An account whose own connection was lost gets a new one in place of another's, whose server is told goodbye.
#[tokio::test]
async fn a_connection_that_makes_room_is_ended_with_quit() {
    let server = MailServer::start().await.unwrap();
    let endpoint = server.endpoint(Protocol::Submission);
    let login = |user: &str| smtp::Config::login(Credentials::password(user, "x"));
    let options = MailerOptions::new().with_pool(PoolOptions::new().with_connections(1));
    let ada = Mailer::with_options(endpoint.clone(), login("ada@example.org"), options);
    let bob = ada.for_account(endpoint, login("bob@example.org"));
    let to = envelope("cy@example.net");
    let _ = ada.send(&to, MESSAGE).await.unwrap();
    // What happens before each QUIT is told.
    server.inject(Fault::delay(Duration::ZERO).before("QUIT").always());
    server.inject(Fault::cut().before("MAIL"));
    // Ada's is lost while Bob waits, who comes first then.
    let (again, other) = tokio::join!(ada.send(&to, MESSAGE), bob.send(&to, MESSAGE));
    assert!(again.is_ok() && other.is_ok(), "{again:?} {other:?}");
    let quit = Moment::Before("QUIT".into());
    assert_eq!(server.faults().iter().filter(|fault| fault.moment == quit).count(), 1);
    server.shutdown().await;
}

#[tokio::test]
async fn a_server_that_begins_anew_is_no_end() {
    let server = MailServer::start().await.unwrap();
    let address = server.address(Protocol::Smtp, Security::plaintext_without_encryption());
    let endpoint = || {
        let port = address.port();
        mailwire_transport::Endpoint::tcp("127.0.0.1", port, Security::plaintext_without_encryption())
    };
    let mailer = Mailer::with_config(endpoint(), smtp::Config::anonymous());
    let _ = mailer.send(&envelope("bob@example.net"), MESSAGE).await.unwrap();
    server.shutdown().await;
    let config = Config::new().with_listener(
        Protocol::Smtp,
        Security::plaintext_without_encryption(),
        address.to_string(),
    );
    let server = MailServer::start_with(config).await.unwrap();
    let _ = mailer.send(&envelope("bob@example.net"), MESSAGE).await.unwrap();
    assert_eq!(server.wait_for(1, SOON).await.unwrap().len(), 1);
    server.shutdown().await;
}

#[tokio::test]
async fn pools_of_deadpool() {
    let server = MailServer::start().await.unwrap();
    let manager = Manager::<smtp::Client>::new(server.endpoint(Protocol::Smtp), smtp::Config::anonymous());
    let pool: Pool<Manager<smtp::Client>> = Pool::builder(manager).max_size(1).build().unwrap();
    for _ in 0..3 {
        let mut client = pool.get().await.unwrap();
        let _ = client.send(&envelope("bob@example.net"), MESSAGE).await.unwrap();
    }
    let client = pool.get().await.unwrap();
    assert_eq!(Object::metrics(&client).recycle_count, 3);
    drop(client);
    assert_eq!(server.messages().len(), 3);

    // A session that is somebody else's is not used again; one that is asked answers.
    let config = imap::Config::login(server.credentials());
    let manager = Manager::<imap::Client>::new(server.endpoint(Protocol::Imap), config);
    let manager = manager.with_ask_after(Duration::ZERO);
    let pool: Pool<Manager<imap::Client>> = Pool::builder(manager).max_size(1).build().unwrap();
    let mut client = pool.get().await.unwrap();
    client.select("INBOX").await.unwrap();
    drop(client);
    let mut client = pool.get().await.unwrap();
    assert_eq!(Object::metrics(&client).recycle_count, 1);
    client.enable([imap::Capability::CondStore]).await.unwrap();
    drop(client);
    let client = pool.get().await.unwrap();
    assert_eq!(Object::metrics(&client).recycle_count, 0);
    drop(client);
    server.shutdown().await;
}
