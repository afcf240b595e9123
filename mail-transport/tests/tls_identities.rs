//! Servers with several certificates, chosen by the name that a client asks for, and renewed while they serve.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use mailwire_transport::{
    Endpoint, Error, Result, Security,
    server::{Accepted, Acceptor, Listener},
    testing::{Identity, TestCa},
    tls::{CertificateFiles, ServerTls, ServerTlsBuilder, TlsError},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::{CancellationToken, DropGuard};

const EXPIRED: &str = include_str!("certificates/expired.pem");

/// A configuration with a certificate for each of these lists of names.
fn several(ca: &TestCa, all: &[&[&str]]) -> ServerTls {
    let identities: Vec<Identity> = all.iter().map(|names| ca.server(names).unwrap()).collect();
    builder(&identities).build().unwrap()
}

fn builder(identities: &[Identity]) -> ServerTlsBuilder {
    let (first, others) = identities.split_first().unwrap();
    let mut builder = ServerTls::builder(&first.chain_pem, &first.key_pem).unwrap();
    for other in others {
        builder = builder.certificate(&other.chain_pem, &other.key_pem).unwrap();
    }
    builder
}

/// Says each byte back.
async fn echo(mut connection: Accepted) -> Result<()> {
    while let Ok(byte) = connection.stream.read_u8().await {
        connection.stream.write_u8(byte).await?;
    }
    Ok(())
}

async fn serve(tls: &ServerTls) -> (SocketAddr, DropGuard) {
    let listener = Listener::bind("127.0.0.1:0", Security::implicit_tls(), Some(tls.clone())).await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let acceptor = Acceptor::new("toy").with_shutdown(shutdown.clone());
    tokio::spawn(async move { acceptor.serve(listener, echo).await });
    (address, shutdown.drop_guard())
}

fn endpoint(ca: &TestCa, address: SocketAddr, name: &str) -> Endpoint {
    Endpoint::tcp("127.0.0.1", address.port(), Security::implicit_tls())
        .with_tls(ca.client_tls().unwrap())
        .with_server_name(name)
}

/// The certificate that a client sees which asks for `name`, or why it does not like it.
async fn seen(ca: &TestCa, address: SocketAddr, name: &str) -> Result<Vec<u8>, Error> {
    let stream = endpoint(ca, address, name).connect().await?;
    Ok(stream.peer_certificates().unwrap()[0].to_vec())
}

#[tokio::test]
async fn a_client_sees_the_certificate_for_the_name_that_it_asks_for() {
    let ca = TestCa::new().unwrap();
    let tls = several(
        &ca,
        &[
            &["mail.example.org", "127.0.0.1"],
            &["*.example.net"],
            &["mx.example.net", "xn--bcher-kva.example"],
        ],
    );
    let (address, _running) = serve(&tls).await;
    let see = async |name: &str| seen(&ca, address, name).await;
    let [org, net, mx] = [
        see("mail.example.org").await.unwrap(),
        see("imap.example.net").await.unwrap(),
        see("mx.example.net").await.unwrap(),
    ];
    assert!(org != net && net != mx && mx != org, "a name itself is before a wildcard");
    assert_eq!(see("MX.Example.NET").await.unwrap(), mx);
    assert_eq!(see("xn--bcher-kva.example").await.unwrap(), mx);
    assert_eq!(see("pop.example.net").await.unwrap(), net);
    // Without a name: addresses are none.
    assert_eq!(see("127.0.0.1").await.unwrap(), org);
    // For others the first is shown, which is not for them; a wildcard is for one label.
    for name in ["a.b.example.net", "example.net", "example.com", "org"] {
        let error = see(name).await.unwrap_err();
        assert!(matches!(error, Error::Tls(TlsError::Handshake(_))), "{name}: {error}");
    }
    let names: Vec<_> = tls.certificates().into_iter().map(|info| info.names).collect();
    assert_eq!(
        names,
        [
            vec!["mail.example.org".to_owned(), "127.0.0.1".into()],
            vec!["*.example.net".into()],
            vec!["mx.example.net".into(), "xn--bcher-kva.example".into()],
        ]
    );
}

/// SASL binds to the certificate that was shown.
#[tokio::test]
async fn both_sides_bind_to_the_certificate_that_was_shown() {
    let ca = TestCa::new().unwrap();
    let tls = several(&ca, &[&["mail.example.org"], &["mail.example.net"]]);
    for name in ["mail.example.org", "mail.example.net"] {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let [client, server] = [client, server].map(mailwire_transport::Stream::other);
        let server = tokio::spawn({
            let tls = tls.clone();
            async move { tls.accept(server).await.unwrap() }
        });
        let endpoint = endpoint(&ca, "127.0.0.1:1".parse().unwrap(), name);
        let client = endpoint.start_tls(client).await.unwrap();
        let server = server.await.unwrap();
        let [client, server] = [client, server].map(|stream| stream.channel_bindings());
        for data in ["tls-exporter", "tls-server-end-point"] {
            assert_eq!(client.get(data).unwrap(), server.get(data).unwrap());
        }
    }
}

#[tokio::test]
async fn a_reload_is_seen_by_new_connections_and_hurts_none() {
    let ca = Arc::new(TestCa::new().unwrap());
    let tls = several(&ca, &[&["mail.example.org"]]);
    let (address, _running) = serve(&tls).await;
    let mut before = endpoint(&ca, address, "mail.example.org").connect().await.unwrap();
    let first = seen(&ca, address, "mail.example.org").await.unwrap();

    // Clients come all the time, while the certificate is renewed again and again.
    let certificates = Arc::new(Mutex::new(Vec::new()));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (ca, certificates) = (Arc::clone(&ca), Arc::clone(&certificates));
            tokio::spawn(async move {
                for _ in 0..20 {
                    let seen = seen(&ca, address, "mail.example.org").await.unwrap();
                    certificates.lock().unwrap().push(seen);
                }
            })
        })
        .collect();
    while clients.iter().any(|client| !client.is_finished()) {
        tls.replace(&several(&ca, &[&["mail.example.org"], &["mail.example.net"]]));
        tokio::task::yield_now().await;
    }
    for client in clients {
        client.await.unwrap();
    }
    let mut different = certificates.lock().unwrap().clone();
    assert_eq!(different.len(), 80, "none was refused");
    different.sort();
    different.dedup();
    assert!(different.len() > 1);

    // With a name that was not there at the beginning.
    assert_ne!(seen(&ca, address, "mail.example.org").await.unwrap(), first);
    seen(&ca, address, "mail.example.net").await.unwrap();
    before.write_u8(b'x').await.unwrap();
    assert_eq!(before.read_u8().await.unwrap(), b'x', "who was there goes on");
}

#[tokio::test]
async fn what_is_no_tls_ends_the_handshake() {
    let ca = TestCa::new().unwrap();
    let tls = several(&ca, &[&["a.example.org"], &["b.example.org"]]);
    for begin in [&b"EHLO example.org\r\n\r\n"[..], b"", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"] {
        let (mut client, server) = tokio::io::duplex(1024);
        client.write_all(begin).await.unwrap();
        client.shutdown().await.unwrap();
        assert!(tls.accept(mailwire_transport::Stream::other(server)).await.is_err());
    }
}

#[test]
fn a_key_of_another_certificate_is_refused_with_the_names() {
    let ca = TestCa::new().unwrap();
    let [a, b] =
        [ca.server(&["a.example.org", "*.example.net"]).unwrap(), ca.server(&["b.example.org"]).unwrap()];
    let error = ServerTls::from_pem(&a.chain_pem, &b.key_pem).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the private key does not belong to the certificate for a.example.org, *.example.net"
    );
    let builder = ServerTls::builder(&b.chain_pem, &b.key_pem).unwrap();
    let error = builder.certificate(&a.chain_pem, &b.key_pem).unwrap().build().unwrap_err();
    assert!(matches!(error, TlsError::KeyMismatch(_)), "{error}");
}

#[test]
fn files_are_read_again_and_named_where_they_are_of_no_use() {
    let ca = TestCa::new().unwrap();
    let folder = std::env::temp_dir().join(format!("mailwire-certificates-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = |name: &str| folder.join(name);
    let write = |name: &str, identity: &Identity| {
        std::fs::write(path(name), format!("{}{}", identity.chain_pem, identity.key_pem)).unwrap();
    };
    write("a", &ca.server(&["a.example.org"]).unwrap());
    write("b", &ca.server(&["b.example.org"]).unwrap());
    let files = CertificateFiles::new(path("a"), path("a")).and(path("b"), path("b"));
    let tls = files.read().unwrap().build().unwrap();
    let names =
        |tls: &ServerTls| tls.certificates().into_iter().flat_map(|info| info.names).collect::<Vec<_>>();
    assert_eq!(names(&tls), ["a.example.org", "b.example.org"]);
    write("b", &ca.server(&["c.example.org"]).unwrap());
    tls.clone().replace(&files.read().unwrap().build().unwrap());
    assert_eq!(names(&tls), ["a.example.org", "c.example.org"]);

    std::fs::write(path("b"), &ca.server(&["c.example.org"]).unwrap().chain_pem).unwrap();
    let error = files.read().err().unwrap().to_string();
    assert!(error.contains(path("b").to_str().unwrap()) && error.contains("private key"), "{error}");
    std::fs::remove_file(path("b")).unwrap();
    let error = files.read().err().unwrap().to_string();
    assert!(error.contains(path("b").to_str().unwrap()), "{error}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn an_expired_certificate_is_told_as_a_warning() {
    let log = Log::default();
    let guard = tracing::subscriber::set_default(log.clone());
    let tls = ServerTls::from_pem(EXPIRED, EXPIRED).unwrap();
    drop(guard);
    let [info] = &tls.certificates()[..] else { unreachable!() };
    assert_eq!(info.names, ["old.example.org", "192.0.2.1"]);
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    // All of 2020, and the first second of 2021.
    assert_eq!((info.not_before, info.not_after), (at(1_577_836_800), at(1_609_459_200)));
    assert!(!info.is_valid_at(at(1_577_836_799)) && info.is_valid_at(at(1_577_836_800)));
    assert!(info.is_valid_at(at(1_609_459_200)) && !info.is_valid_at(at(1_609_459_201)));
    assert!(!info.is_valid_at(SystemTime::now()));
    let told = log.0.lock().unwrap().clone();
    assert!(told.contains("the certificate for old.example.org, 192.0.2.1 is not valid now"), "{told}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
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
