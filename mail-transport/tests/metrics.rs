//! What is counted of clients and servers. A program of its own: a recorder is installed once for all of a program.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod peer;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use mailwire_transport::{
    Endpoint, Error, Result, Security, imap,
    sasl::Mechanism,
    server::{Accepted, Acceptor, Listener},
};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use peer::{ada, endpoint, pop3, pop3_script, with};
use tokio::{io::AsyncReadExt, net::TcpStream};
use tokio_util::sync::CancellationToken;

/// Keeps what was counted, by name and labels.
#[derive(Clone, Default)]
struct Numbers(Arc<Mutex<BTreeMap<String, f64>>>);

/// One of them.
struct Number(String, Numbers);

impl Numbers {
    fn of(&self, key: &Key) -> Arc<Number> {
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        Arc::new(Number(format!("{}{{{}}}", key.name(), labels.join(",")), self.clone()))
    }

    fn get(&self, name: &str) -> f64 {
        self.0.lock().unwrap().get(name).copied().unwrap_or_default()
    }
}

impl Number {
    fn add(&self, value: f64) {
        *self.1.0.lock().unwrap().entry(self.0.clone()).or_default() += value;
    }
}

#[allow(clippy::cast_precision_loss, reason = "small numbers")]
impl metrics::CounterFn for Number {
    fn increment(&self, value: u64) {
        self.add(value as f64);
    }
    fn absolute(&self, _: u64) {}
}

impl metrics::GaugeFn for Number {
    fn increment(&self, value: f64) {
        self.add(value);
    }
    fn decrement(&self, value: f64) {
        self.add(-value);
    }
    fn set(&self, _: f64) {}
}

/// How many there were.
impl metrics::HistogramFn for Number {
    fn record(&self, _: f64) {
        self.add(1.0);
    }
}

impl Recorder for Numbers {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.of(key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.of(key))
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.of(key))
    }
}

async fn clients() {
    let script = pop3_script("C: NOOP\nS: -ERR no\nC: NOOP\nS: +OK\nC: NOOP");
    let lost = with(&script, async |stream| {
        let mut client = pop3(stream).await?;
        assert!(client.noop().await.is_err());
        client.noop().await?;
        client.noop().await
    });
    lost.await.unwrap_err();
    with("S: +OK hi\nC: USER ada\nS: -ERR nobody", pop3).await.unwrap_err();
    let mut config = imap::Config::login(ada()).with_allow_clear_credentials(true);
    config.mechanism = Some(imap::LoginMechanism::Sasl(Mechanism::Plain));
    let script = "S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\nC: ~ AUTHENTICATE PLAIN AGFkYQB0YW5zdGFhZg==\nS: ~ NO no";
    let refused = with(script, async |stream| imap::Client::over(stream, endpoint(), config).await).await;
    refused.unwrap_err();
    // Nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let nobody = Endpoint::tcp("127.0.0.1", port, Security::plaintext_without_encryption());
    nobody.connect().await.unwrap_err();
}

async fn server() {
    let listener =
        Listener::bind("127.0.0.1:0", Security::plaintext_without_encryption(), None).await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let acceptor = Acceptor::new("toy").with_shutdown(shutdown.clone());
    let serve = |_: Accepted| async { Result::Err(Error::Io(std::io::ErrorKind::BrokenPipe.into())) };
    let task = tokio::spawn(async move { acceptor.serve(listener, serve).await });
    TcpStream::connect(address).await.unwrap().read_to_end(&mut Vec::new()).await.unwrap();
    shutdown.cancel();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn connections_bytes_and_logins_are_counted() {
    let numbers = Numbers::default();
    metrics::set_global_recorder(numbers.clone()).ok().unwrap();
    clients().await;
    server().await;
    for (name, expected) in [
        ("mailwire_connections_opened_total{protocol=pop3,role=client}", 2.0),
        ("mailwire_connections_open{protocol=pop3,role=client}", 0.0),
        ("mailwire_connection_seconds{protocol=pop3,role=client}", 2.0),
        ("mailwire_connections_opened_total{protocol=imap,role=client}", 1.0),
        ("mailwire_logins_total{protocol=pop3,role=client,result=ok,mechanism=command}", 1.0),
        ("mailwire_logins_total{protocol=pop3,role=client,result=refused,mechanism=command}", 1.0),
        ("mailwire_logins_total{protocol=imap,role=client,result=refused,mechanism=PLAIN}", 1.0),
        ("mailwire_connects_failed_total{phase=connect}", 1.0),
        ("mailwire_connections_opened_total{protocol=toy,role=server}", 1.0),
        ("mailwire_connections_open{protocol=toy,role=server}", 0.0),
        ("mailwire_connections_ended_total{protocol=toy,role=server,cause=io}", 1.0),
    ] {
        let counted = numbers.get(name);
        assert!((counted - expected).abs() < 0.5, "{name}: {counted} {:#?}", numbers.0.lock().unwrap());
    }
    for direction in ["received", "sent"] {
        let name = format!("mailwire_bytes_{direction}_total{{protocol=pop3,role=client}}");
        assert!(numbers.get(&name) > 20.0, "{name}");
    }
    // What there is of labels is ours: nothing of a peer is among them.
    for name in numbers.0.lock().unwrap().keys() {
        assert!(!["ada", "tanstaaf", "127.0.0.1", "nobody"].iter().any(|word| name.contains(word)), "{name}");
    }
}
