//! What a server says of itself to `tracing`. A program of its own: whether a trace is wanted is asked once
//! for all of a program, so other tests at the same time would answer.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, Mutex};

use mailwire_transport::{
    Error, Result, Security,
    server::{Accepted, Acceptor, Listener},
};
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
        event.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            self.0.lock().unwrap().push_str(&format!("{field}={value:?}\n"));
        });
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
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
