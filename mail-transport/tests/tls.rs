//! TLS and STARTTLS over loopback sockets.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod downgraded;
mod support;

use std::net::Ipv4Addr;

use mailwire_core::Upgrade;
use mailwire_transport::{
    Driver, DriverError, Endpoint, Error, Security, Step, Stream,
    testing::TestCa,
    tls::{ClientTls, ServerTls, TlsError},
};
use support::Toy;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

async fn accept(listener: &TcpListener) -> Stream {
    listener.accept().await.unwrap().0.into()
}

fn endpoint(port: u16, security: Security, tls: ClientTls) -> Endpoint {
    Endpoint::tcp("localhost", port, security).with_tls(tls)
}

/// Answers each command with itself until the client goes, doing STARTTLS when asked.
async fn serve(stream: Stream, tls: ServerTls) -> Result<Vec<String>, Error> {
    let mut driver = Driver::new(stream, Toy::server());
    let mut log = Vec::new();
    loop {
        match driver.next().await? {
            Step::Event(line) => {
                driver.connection_mut().reply(&line);
                log.push(line);
            }
            Step::Upgrade(Upgrade::Tls) => {
                driver.upgrade_in_place(Stream::Absent, |stream, _| tls.accept(stream)).await?;
            }
            Step::Closed => return Ok(log),
            _ => unreachable!(),
        }
    }
}

#[tokio::test]
async fn starttls_in_both_roles() {
    let ca = TestCa::new().unwrap();
    let server_tls = ca.server_tls(&["localhost"]).unwrap();
    let (listener, port) = listen().await;
    let server = tokio::spawn(async move { serve(accept(&listener).await, server_tls).await });

    let endpoint = endpoint(port, Security::required_starttls(), ca.client_tls().unwrap());
    let stream = endpoint.connect().await.unwrap();
    assert!(!stream.is_tls());
    let mut toy = Toy::client();
    toy.send("STARTTLS");
    let mut driver = Driver::new(stream, toy);
    assert_eq!(driver.next().await.unwrap(), Step::Upgrade(Upgrade::Tls));
    driver.upgrade_in_place(Stream::Absent, |stream, _| endpoint.start_tls(stream)).await.unwrap();
    assert!(driver.stream().is_tls());
    driver.connection_mut().send("hello");
    assert_eq!(driver.next().await.unwrap(), Step::Event("hello".into()));
    drop(driver);
    assert_eq!(server.await.unwrap().unwrap(), ["hello"]);
}

#[tokio::test]
async fn injected_bytes_after_starttls_are_refused_by_the_server() {
    let ca = TestCa::new().unwrap();
    // In the same segment as the command.
    let (listener, port) = listen().await;
    let tls = ca.server_tls(&["localhost"]).unwrap();
    let server = tokio::spawn({
        let tls = tls.clone();
        async move {
            (serve(accept(&listener).await, tls.clone()).await, serve(accept(&listener).await, tls).await)
        }
    });
    let mut raw = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    raw.write_all(b"STARTTLS\r\nEVIL\r\n").await.unwrap();
    let mut answer = String::new();
    raw.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "fatal\r\n");
    // In a later one, before the handshake.
    let mut raw = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    raw.write_all(b"STARTTLS\r\n").await.unwrap();
    let mut go = [0; 4];
    raw.read_exact(&mut go).await.unwrap();
    raw.write_all(b"EVIL\r\n").await.unwrap();
    let (same, later) = server.await.unwrap();
    assert!(matches!(
        same,
        Err(Error::Protocol { error: mailwire_core::Error::BytesAfterUpgrade { .. }, .. })
    ));
    assert!(matches!(later, Err(Error::Tls(TlsError::Handshake(_)))), "{later:?}");
}

#[tokio::test]
async fn injected_bytes_after_starttls_are_refused_by_the_client() {
    let ca = TestCa::new().unwrap();
    for same_segment in [true, false] {
        let (listener, port) = listen().await;
        let server = tokio::spawn(async move {
            let (mut raw, _) = listener.accept().await.unwrap();
            let mut command = [0; 10];
            raw.read_exact(&mut command).await.unwrap();
            if same_segment {
                raw.write_all(b"GO\r\nEVIL\r\n").await.unwrap();
            } else {
                raw.write_all(b"GO\r\n").await.unwrap();
                let mut hello = [0; 5];
                raw.read_exact(&mut hello).await.unwrap();
                raw.write_all(b"EVIL\r\n").await.unwrap();
            }
            let mut rest = Vec::new();
            let _ = raw.read_to_end(&mut rest).await;
        });
        let endpoint = endpoint(port, Security::required_starttls(), ca.client_tls().unwrap());
        let mut toy = Toy::client();
        toy.send("STARTTLS");
        let mut driver = Driver::new(endpoint.connect().await.unwrap(), toy);
        if same_segment {
            assert!(matches!(
                driver.next().await,
                Err(DriverError::Protocol(mailwire_core::Error::BytesAfterUpgrade { .. }))
            ));
        } else {
            assert_eq!(driver.next().await.unwrap(), Step::Upgrade(Upgrade::Tls));
            let result =
                driver.upgrade_in_place(Stream::Absent, |stream, _| endpoint.start_tls(stream)).await;
            assert!(matches!(result, Err(Error::Tls(TlsError::Handshake(_)))), "{result:?}");
            assert_eq!(driver.connection().upgrades, 0);
        }
        drop(driver);
        server.await.unwrap();
    }
}

async fn handshake(
    client: ClientTls,
    server: ServerTls,
    host: &str,
) -> (Result<Stream, Error>, Result<Stream, Error>) {
    let (listener, port) = listen().await;
    let accepting = tokio::spawn(async move {
        let mut stream = server.accept(accept(&listener).await).await?;
        // With TLS 1.3 a client hears only now that its certificate was refused.
        stream.write_all(b"x").await?;
        stream.flush().await?;
        Ok::<_, Error>(stream)
    });
    let endpoint = endpoint(port, Security::implicit_tls(), client).with_server_name(host);
    let connected = async {
        let mut stream = endpoint.connect().await?;
        stream.read_u8().await?;
        Ok::<_, Error>(stream)
    }
    .await;
    (connected, accepting.await.unwrap())
}

#[tokio::test]
async fn only_the_right_server_is_trusted() {
    let (ca, other) = (TestCa::new().unwrap(), TestCa::new().unwrap());
    let server = ca.server_tls(&["mail.example", "127.0.0.1"]).unwrap();
    for name in ["mail.example", "MAIL.example", "mail.example.", "127.0.0.1"] {
        let (client, accepted) = handshake(ca.client_tls().unwrap(), server.clone(), name).await;
        assert!(client.unwrap().is_tls() && accepted.unwrap().is_tls(), "{name}");
    }
    let (client, _) = handshake(ca.client_tls().unwrap(), server.clone(), "other.example").await;
    assert!(matches!(client, Err(Error::Tls(TlsError::Handshake(_)))));
    let (client, accepted) = handshake(other.client_tls().unwrap(), server, "mail.example").await;
    assert!(matches!(client, Err(Error::Tls(TlsError::Handshake(_)))));
    assert!(matches!(accepted, Err(Error::Tls(TlsError::Handshake(_)))), "an alert was sent");
}

#[tokio::test]
async fn client_certificates() {
    let (ca, other) = (TestCa::new().unwrap(), TestCa::new().unwrap());
    let identity = ca.server(&["localhost"]).unwrap();
    let builder = || ServerTls::builder(&identity.chain_pem, &identity.key_pem).unwrap();
    let required = builder().client_certificates_required(ca.root_pem()).unwrap().build().unwrap();
    let optional = builder().client_certificates_optional(ca.root_pem()).unwrap().build().unwrap();
    let with = |authority: &TestCa| {
        let identity = authority.client("alice").unwrap();
        ClientTls::builder()
            .roots_pem(ca.root_pem())
            .unwrap()
            .client_certificate_pem(identity.chain_pem, identity.key_pem)
            .unwrap()
            .build()
            .unwrap()
    };

    let (client, server) = handshake(with(&ca), required.clone(), "localhost").await;
    assert!(client.is_ok());
    assert_eq!(server.unwrap().peer_certificates().unwrap().len(), 1);
    let (_, server) = handshake(ca.client_tls().unwrap(), required.clone(), "localhost").await;
    assert!(server.is_err());
    let (client, server) = handshake(ca.client_tls().unwrap(), optional.clone(), "localhost").await;
    assert!(client.is_ok());
    assert!(server.unwrap().peer_certificates().is_none());
    for server in [required, optional] {
        let (_, server) = handshake(with(&other), server, "localhost").await;
        assert!(server.is_err(), "a certificate of somebody else's authority");
    }
}

#[tokio::test]
async fn both_sides_have_the_same_bindings() {
    let ca = TestCa::new().unwrap();
    let server = ca.server_tls(&["localhost"]).unwrap();
    let (client, server) = handshake(ca.client_tls().unwrap(), server, "localhost").await;
    let (client, server) = (client.unwrap().channel_bindings(), server.unwrap().channel_bindings());
    assert_eq!(client.preferred(), Some("tls-exporter"));
    for name in ["tls-exporter", "tls-server-end-point"] {
        assert_eq!(client.get(name).unwrap().len(), 32);
        assert_eq!(client.get(name), server.get(name));
    }
    assert_eq!(client.get("tls-unique"), None);
}

#[tokio::test]
async fn tls_1_2_binds_to_the_certificate() {
    let ca = TestCa::new().unwrap();
    let identity = ca.server(&["localhost"]).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    roots.add(CertificateDer::from_pem_slice(ca.root_pem().as_bytes()).unwrap()).unwrap();
    let provider = mailwire_transport::tls::default_provider().unwrap();
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = ServerTls::from_pem(identity.chain_pem, identity.key_pem).unwrap();
    let (client, server) = handshake(ClientTls::from_config(config.into()), server, "localhost").await;
    let (client, server) = (client.unwrap(), server.unwrap());
    assert_eq!(client.tls().unwrap().version(), Some(rustls::ProtocolVersion::TLSv1_2));
    let (client, server) = (client.channel_bindings(), server.channel_bindings());
    assert_eq!(client.preferred(), Some("tls-server-end-point"));
    assert!(client.get("tls-exporter").is_none());
    assert_eq!(client.get("tls-server-end-point"), server.get("tls-server-end-point"));
}

#[tokio::test]
async fn no_process_wide_provider() {
    let ca = TestCa::new().unwrap();
    let server = ca.server_tls(&["localhost"]).unwrap();
    let (client, _) = handshake(ca.client_tls().unwrap(), server, "localhost").await;
    client.unwrap();
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
}

#[test]
fn pem_that_cannot_be_used() {
    assert!(matches!(ClientTls::with_roots_pem("nothing"), Err(TlsError::Pem { .. })));
    let (ca, other) = (TestCa::new().unwrap(), TestCa::new().unwrap());
    let (a, b) = (ca.server(&["a"]).unwrap(), other.server(&["b"]).unwrap());
    assert!(matches!(ServerTls::from_pem(&a.chain_pem, &a.chain_pem), Err(TlsError::Pem { .. })));
    assert!(matches!(ServerTls::from_pem(&a.chain_pem, &b.key_pem), Err(TlsError::KeyMismatch(_))));
    assert!(ClientTls::server_name("not a name").is_err());
    let tls = ServerTls::from_pem(&a.chain_pem, &a.key_pem).unwrap();
    assert!(!format!("{tls:?} {a:?} {ca:?}").contains("PRIVATE"));
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_ends_the_handshake_in_time() {
    let (a, _b) = tokio::io::duplex(10_000);
    let ca = TestCa::new().unwrap();
    let endpoint = endpoint(1, Security::required_starttls(), ca.client_tls().unwrap());
    assert!(matches!(
        endpoint.start_tls(Stream::other(a)).await,
        Err(Error::Timeout { phase: mailwire_transport::Phase::Tls, .. })
    ));
}

#[tokio::test]
async fn a_server_that_begins_in_clear_is_told_from_bad_tls() {
    let (listener, port) = listen().await;
    let ca = TestCa::new().unwrap();
    let endpoint = endpoint(port, Security::implicit_tls(), ca.client_tls().unwrap());
    let greeting = async { listener.accept().await.unwrap().0.write_all(b"220 mx.example.org\r\n").await };
    let (error, sent) = tokio::join!(endpoint.connect(), greeting);
    let (error, ()) = (error.unwrap_err().to_string(), sent.unwrap());
    assert!(error.starts_with(&format!("localhost:{port}: the TLS handshake failed: ")), "{error}");
    assert!(error.contains("Security::required_starttls()"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn unix_sockets_count_as_protected() {
    let folder = std::env::temp_dir().join(format!("mailwire-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("lmtp");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let endpoint = Endpoint::unix(&path);
    assert_eq!(endpoint.channel(), mailwire_core::Channel::Tls);
    let (client, server) = tokio::join!(endpoint.connect(), listener.accept());
    let (mut client, mut server) = (client.unwrap(), Stream::from(server.unwrap().0));
    assert!(client.is_unix() && server.is_unix());
    client.write_all(b"x").await.unwrap();
    assert_eq!(server.read_u8().await.unwrap(), b'x');
    std::fs::remove_dir_all(folder).unwrap();
}

#[cfg(feature = "webpki-roots")]
#[test]
fn compiled_in_roots_beside_others() {
    let ca = TestCa::new().unwrap();
    ClientTls::builder().webpki_roots().build().unwrap();
    ClientTls::builder().webpki_roots().roots_pem(ca.root_pem()).unwrap().build().unwrap();
}
