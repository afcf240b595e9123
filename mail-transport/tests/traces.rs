//! What servers and clients say of themselves to `tracing`. A program of its own: whether a trace is wanted is asked once
//! for all of a program, so other tests at the same time would answer.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod peer;

use std::sync::{Arc, Mutex};

use mailwire_transport::{
    Endpoint, Error, Result, Security, imap,
    sasl::Mechanism,
    server::{Accepted, Acceptor, Listener},
};
use peer::{ada, endpoint, pop3, pop3_script, with};
use tokio::{io::AsyncReadExt, net::TcpStream};
use tokio_util::sync::CancellationToken;

/// Traces of a whole conversation, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, attributes: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        attributes.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            self.0.lock().unwrap().push_str(&format!("{field}={value:?} "));
        });
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        self.0.lock().unwrap().push_str(&format!("{}: ", event.metadata().target()));
        event.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            self.0.lock().unwrap().push_str(&format!("{field}={value:?}\n"));
        });
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

/// Connecting, the login, commands and the end are told; nothing that is secret is.
#[tokio::test]
async fn traces_of_clients() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let script = pop3_script("C: NOOP\nS: -ERR no\nC: NOOP\nS: +OK\nC: NOOP");
    let error = with(&script, async |stream| {
        let mut client = pop3(stream).await?;
        assert!(client.noop().await.is_err());
        client.noop().await?;
        client.noop().await
    });
    error.await.unwrap_err();
    with("S: +OK hi\nC: USER ada\nS: -ERR nobody", pop3).await.unwrap_err();
    let mut config = imap::Config::login(ada()).with_allow_clear_credentials(true);
    config.mechanism = Some(imap::LoginMechanism::Sasl(Mechanism::Plain));
    let script = "S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\nC: ~ AUTHENTICATE PLAIN AGFkYQB0YW5zdGFhZg==\nS: ~ NO no";
    let error = with(script, async |stream| imap::Client::over(stream, endpoint(), config).await).await;
    error.unwrap_err();
    // Nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let nobody = Endpoint::tcp("127.0.0.1", port, Security::plaintext_without_encryption());
    nobody.connect().await.unwrap_err();

    let text = log.0.lock().unwrap().clone();
    for part in [
        "mailwire_transport::client: ",
        "message=sent",
        "command=\"NOOP\"",
        "verdict=Some(Accepted)",
        "verdict=Some(Refused)",
        "message=logged in",
        "message=connection ended",
        "message=login refused",
        "command=\"AUTHENTICATE\"",
        "message=connecting",
        "message=failed",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // PASS was at hand, and USER is what was refused.
    let refused = text.split("mailwire_transport::client: ").find(|trace| trace.contains("login refused"));
    assert!(refused.unwrap().contains("command=\"USER\""), "{text}");
    for secret in ["tanstaaf", "AGFkYQB0", "YW5zdGFh"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn traces_name_the_connection_and_its_end() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let security = Security::plaintext_without_encryption();
    let listener = Listener::bind("127.0.0.1:0", security, None).await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let acceptor = Acceptor::new("toy").with_shutdown(shutdown.clone());
    let serve = |_: Accepted| async { Result::Err(Error::Io(std::io::ErrorKind::BrokenPipe.into())) };
    let task = tokio::spawn(async move { acceptor.serve(listener, serve).await });

    let mut read = Vec::new();
    TcpStream::connect(address).await.unwrap().read_to_end(&mut read).await.unwrap();
    assert!(read.is_empty());
    shutdown.cancel();
    task.await.unwrap().unwrap();
    let text = log.0.lock().unwrap().clone();
    assert!(text.contains("protocol=\"toy\"") && text.contains("peer=127.0.0.1:"), "{text}");
    assert!(text.contains("the connection failed: broken pipe"), "{text}");
}
