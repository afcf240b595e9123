//! How a client gets its connection: names, addresses, sockets.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use mailwire_transport::{Endpoint, Error, Keepalive, Plain, Security, Stream, testing::TestCa};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

async fn listen() -> (TcpListener, Endpoint) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, Endpoint::tcp("127.0.0.1", port, Security::plaintext_without_encryption()))
}

fn tcp(stream: &Stream) -> &TcpStream {
    let Some(Plain::Tcp(tcp)) = stream.plain() else { panic!("{stream:?}") };
    tcp
}

#[tokio::test]
async fn idle_connections_are_probed_unless_that_is_not_wanted() {
    let (_listener, endpoint) = listen().await;
    let stream = endpoint.connect().await.unwrap();
    let socket = SockRef::from(tcp(&stream));
    assert!(socket.keepalive().unwrap());
    #[cfg(target_os = "linux")]
    {
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(120));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(30));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 4);
    }
    assert!(tcp(&stream).nodelay().unwrap());

    let keepalive =
        Keepalive::new(Duration::from_secs(600)).with_interval(Duration::from_secs(7)).with_probes(3);
    let stream = endpoint.clone().with_keepalive(Some(keepalive)).connect().await.unwrap();
    let socket = SockRef::from(tcp(&stream));
    assert!(socket.keepalive().unwrap());
    #[cfg(target_os = "linux")]
    {
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(600));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(7));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
    }

    let stream = endpoint.with_keepalive(None).connect().await.unwrap();
    assert!(!SockRef::from(tcp(&stream)).keepalive().unwrap());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn connections_come_from_the_address_that_is_asked_for() {
    let (listener, endpoint) = listen().await;
    let local: IpAddr = "127.0.0.25".parse().unwrap();
    let stream = endpoint.clone().with_local_address(local).connect().await.unwrap();
    assert_eq!(stream.local_addr().unwrap().ip(), local);
    let (_, peer) = listener.accept().await.unwrap();
    assert_eq!(peer.ip(), local);

    // Not one of this machine.
    let error = endpoint.with_local_address("192.0.2.1".parse().unwrap()).connect().await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("127.0.0.1:") && text.contains(": connecting: from 192.0.2.1: "), "{text}");
}

#[tokio::test]
async fn an_address_of_the_other_family_is_not_tried() {
    let (_listener, endpoint) = listen().await;
    let error = endpoint.with_local_address("::1".parse().unwrap()).connect().await.unwrap_err();
    let text = error.to_string();
    assert!(text.ends_with(": connecting: the name has no address that can be reached from ::1"), "{text}");
}

/// The certificate is for the A-labels, and the client knows the server by its U-labels.
#[tokio::test]
async fn certificates_are_for_internationalized_names_too() {
    let ca = TestCa::new().unwrap();
    let names = "mail.xn--bcher-kva.example";
    for (host, server_name, good) in [
        ("mail.bücher.example", None, true),
        ("mail.BÜCHER.example.", None, true),
        ("127.0.0.1", Some("mail.bücher.example"), true),
        ("mail.büchen.example", None, false),
    ] {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let tls = ca.server_tls(&[names]).unwrap();
        let server = tokio::spawn(async move { tls.accept(Stream::other(theirs)).await });
        let mut endpoint =
            Endpoint::tcp(host, 993, Security::implicit_tls()).with_tls(ca.client_tls().unwrap());
        if let Some(name) = server_name {
            endpoint = endpoint.with_server_name(name);
        }
        let result = endpoint.start_tls(Stream::other(ours)).await;
        assert_eq!(result.is_ok(), good, "{host}: {result:?}");
        assert_eq!(server.await.unwrap().is_ok(), good, "{host}");
    }
}

#[tokio::test]
async fn a_name_that_cannot_be_one_is_an_error_that_names_the_label() {
    for endpoint in [
        Endpoint::tcp("mail.bü cher.example", 993, Security::implicit_tls()),
        Endpoint::tcp("mail.bü cher.example", 143, Security::required_starttls()),
    ] {
        let error = endpoint.connect().await.unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{error:?}");
        assert_eq!(
            error.to_string(),
            "\"bü cher\" is not a valid label of a domain: no domain can have it (at byte 5)"
        );
    }
}
