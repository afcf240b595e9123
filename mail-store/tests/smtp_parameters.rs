//! Parameters of envelopes between our client and our server, over sockets.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use mailwire_core::{Misuse, NotOffered};
use mailwire_store::{SmtpService, memory::MemoryStore};
use mailwire_transport::{
    Endpoint, Error, Result, Security,
    server::Listener,
    smtp::{
        Client, Config, Envelope, Outcome, Server,
        proto::{Capability, Host, extensions::dsn::Notify},
    },
    testing::TestCa,
    tls::ClientTls,
};
use tokio_util::sync::CancellationToken;

/// A server for ada, bob and cy, and a client of it.
async fn connect(
    security: Security,
    verified: bool,
    configure: impl FnOnce(Server<SmtpService<MemoryStore>>) -> Server<SmtpService<MemoryStore>>,
) -> (MemoryStore, Client) {
    let store = MemoryStore::new();
    for name in ["ada", "bob", "cy"] {
        store.add_user(name, "secret").unwrap();
    }
    let ca = TestCa::new().unwrap();
    let tls = security.is_tls().then(|| ca.server_tls(&["localhost"]).unwrap());
    let listener = Listener::bind("127.0.0.1:0", security, tls).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let name = Host::try_from("mx.example").unwrap();
    let server = Arc::new(configure(Server::new(SmtpService::new(store.clone()), name)));
    tokio::spawn(async move { server.serve(listener, CancellationToken::new()).await });
    let mut endpoint = Endpoint::tcp("localhost", port, security);
    if security.is_tls() {
        let tls: ClientTls = ca.client_tls().unwrap();
        endpoint = endpoint.with_tls(tls.with_verification(verified));
    }
    (store, Client::connect_with(endpoint, Config::anonymous()).await.unwrap())
}

fn inbox(store: &MemoryStore, user: &str) -> usize {
    store.user(user).unwrap().messages("INBOX").unwrap().len()
}

fn to_all() -> Envelope {
    Envelope::new(
        "x@client.example",
        ["ada@mx.example", "nobody@mx.example", "bob@mx.example", "cy@mx.example"],
    )
    .unwrap()
}

#[tokio::test]
async fn limits_are_told_and_obeyed() -> Result<()> {
    let limited =
        |server: Server<SmtpService<MemoryStore>>| server.configure(|config| config.limits.recipients = 2);
    let (store, mut client) = connect(Security::plaintext_without_encryption(), false, limited).await;
    assert_eq!(client.capabilities().limits().unwrap().rcpt_max(), Some(2));
    let sent = client.send(&to_all(), "Subject: x\r\n\r\nhi\r\n").await?;
    let refused: Vec<_> = sent.refused.iter().map(|it| (it.recipient.to_string(), it.outcome)).collect();
    assert_eq!(refused, [("<nobody@mx.example>".to_owned(), Outcome::Refused)]);
    assert_eq!(["ada", "bob", "cy"].map(|user| inbox(&store, user)), [1, 1, 1]);
    client.quit().await?;
    Ok(())
}

#[tokio::test]
async fn tls_that_is_required() -> Result<()> {
    let offering =
        |server: Server<SmtpService<MemoryStore>>| server.with_extension(Capability::RequireTls).unwrap();
    let envelope = to_all().with_require_tls();
    for security in [Security::implicit_tls(), Security::required_starttls()] {
        let (store, mut client) = connect(security, true, offering).await;
        let sent = client.send(&envelope, "hi\r\n").await?;
        assert_eq!((sent.refused.len(), inbox(&store, "bob")), (1, 1));
        // A certificate that nobody looked at proves nothing.
        let (store, mut client) = connect(security, false, offering).await;
        let error = client.send(&envelope, "hi\r\n").await.unwrap_err();
        assert!(matches!(error, Error::Misuse(Misuse::NotOffered(NotOffered::Extension(_)))), "{error}");
        assert_eq!((client.outcome(), inbox(&store, "bob")), (Outcome::NotSent, 0));
    }
    let (_, mut client) = connect(Security::plaintext_without_encryption(), false, offering).await;
    assert!(!client.capabilities().has(&Capability::RequireTls));
    assert!(client.send(&envelope, "hi\r\n").await.is_err());
    Ok(())
}

/// A store sends nothing, so it offers no reports.
#[tokio::test]
async fn reports_are_not_offered_by_a_store() -> Result<()> {
    let (store, mut client) = connect(Security::plaintext_without_encryption(), false, |server| server).await;
    assert!(!client.capabilities().has(&Capability::Dsn));
    let error = client.send(&to_all().with_notify(Notify::SUCCESS), "hi\r\n").await.unwrap_err();
    assert!(matches!(error, Error::Misuse(Misuse::NotOffered(NotOffered::Extension("DSN")))), "{error}");
    assert_eq!(inbox(&store, "bob"), 0);
    Ok(())
}
