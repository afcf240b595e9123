//! The harness of all servers, over loopback sockets.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mailwire_core::Channel;
use mailwire_transport::{
    Endpoint, Error, Result, Security,
    server::{Accepted, Acceptor, Listener, Notice, ServerLimits},
    testing::TestCa,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

const CLEAR: Security = Security::plaintext_without_encryption();

/// Says `hello`, and then each byte back until the client goes or a notice comes.
async fn echo(mut connection: Accepted) -> Result<()> {
    connection.stream.write_all(b"hello\r\n").await?;
    loop {
        tokio::select! {
            notice = connection.handle.notice() => {
                let word = match notice {
                    Notice::Shutdown => "shutdown",
                    _ => "unauthenticated",
                };
                connection.stream.write_all(word.as_bytes()).await?;
                connection.stream.shutdown().await?;
                return Ok(());
            }
            byte = connection.stream.read_u8() => match byte {
                Ok(b'!') => connection.handle.authenticated(),
                Ok(byte) => connection.stream.write_u8(byte).await?,
                Err(_) => return Ok(()),
            },
        }
    }
}

fn limits(edit: impl FnOnce(&mut ServerLimits)) -> ServerLimits {
    let mut limits = ServerLimits::default();
    edit(&mut limits);
    limits
}

struct Running {
    address: SocketAddr,
    acceptor: Acceptor,
    shutdown: CancellationToken,
    task: JoinHandle<Result<()>>,
}

async fn start<F, R>(limits: ServerLimits, serve: F) -> Running
where
    F: Fn(Accepted) -> R + Send + Sync + 'static,
    R: Future<Output = Result<()>> + Send + 'static,
{
    let listener = Listener::bind("127.0.0.1:0", CLEAR, None).await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let acceptor =
        Acceptor::new("toy").with_limits(limits).with_refusal(b"busy\r\n").with_shutdown(shutdown.clone());
    let task = tokio::spawn({
        let acceptor = acceptor.clone();
        async move { acceptor.serve(listener, serve).await }
    });
    Running { address, acceptor, shutdown, task }
}

async fn greeted(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut greeting = [0; 7];
    stream.read_exact(&mut greeting).await.unwrap();
    assert_eq!(&greeting, b"hello\r\n");
    stream
}

async fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text).await;
    text
}

#[tokio::test]
async fn connections_are_limited_per_address() {
    let server = start(limits(|limits| limits.connections_per_address = 2), echo).await;
    let (first, _second) = (greeted(server.address).await, greeted(server.address).await);
    assert_eq!(server.acceptor.connections(), 2);
    assert_eq!(rest(TcpStream::connect(server.address).await.unwrap()).await, "busy\r\n");
    drop(first);
    // The place is given back when the server has noticed.
    while server.acceptor.connections() == 2 {
        tokio::task::yield_now().await;
    }
    greeted(server.address).await;
}

#[tokio::test]
async fn connections_are_limited_overall() {
    let server = start(limits(|limits| limits.connections = 1), echo).await;
    let _first = greeted(server.address).await;
    assert_eq!(rest(TcpStream::connect(server.address).await.unwrap()).await, "busy\r\n");
}

/// With the usual 128 places, the connections after them are dropped and come again a second later.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_burst_of_connections_finds_place_to_wait() {
    let places = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    let burst = places.trim().parse::<usize>().unwrap().min(500);
    let listener = Listener::bind("127.0.0.1:0", CLEAR, None).await.unwrap();
    let address = listener.local_addr().unwrap();
    // Nobody takes them meanwhile.
    let connections =
        (0..burst).map(|_| std::net::TcpStream::connect_timeout(&address, Duration::from_secs(20)));
    assert_eq!(connections.collect::<Result<Vec<_>, _>>().unwrap().len(), burst);
}

#[tokio::test]
async fn a_shutdown_lets_connections_say_goodbye() {
    let server = start(ServerLimits::default(), echo).await;
    let streams = [greeted(server.address).await, greeted(server.address).await];
    server.shutdown.cancel();
    for stream in streams {
        assert_eq!(rest(stream).await, "shutdown");
    }
    server.task.await.unwrap().unwrap();
    assert_eq!(server.acceptor.connections(), 0);
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens");
}

#[tokio::test]
async fn who_does_not_heed_a_notice_is_cut() {
    let deaf = |mut connection: Accepted| async move {
        connection.stream.write_all(b"hello\r\n").await?;
        std::future::pending().await
    };
    let edit = |limits: &mut ServerLimits| limits.grace = Duration::from_millis(20);
    let server = start(limits(edit), deaf).await;
    let stream = greeted(server.address).await;
    server.shutdown.cancel();
    server.task.await.unwrap().unwrap();
    assert_eq!(rest(stream).await, "");

    let server = start(
        limits(|limits| {
            edit(limits);
            limits.unauthenticated = Some(Duration::from_millis(20));
        }),
        deaf,
    )
    .await;
    assert_eq!(rest(greeted(server.address).await).await, "");
}

#[tokio::test]
async fn unauthenticated_time_is_limited() {
    let server = start(limits(|limits| limits.unauthenticated = Some(Duration::from_millis(50))), echo).await;
    let mut known = greeted(server.address).await;
    known.write_all(b"!").await.unwrap();
    assert_eq!(rest(greeted(server.address).await).await, "unauthenticated");
    known.write_all(b"x").await.unwrap();
    assert_eq!(known.read_u8().await.unwrap(), b'x');
    server.shutdown.cancel();
    assert_eq!(rest(known).await, "shutdown");
}

#[tokio::test]
async fn dropping_the_server_cuts_its_connections() {
    let server = start(ServerLimits::default(), echo).await;
    let stream = greeted(server.address).await;
    server.task.abort();
    assert_eq!(rest(stream).await, "");
}

#[tokio::test]
async fn implicit_tls_and_starttls() {
    let ca = TestCa::new().unwrap();
    let tls = ca.server_tls(&["localhost"]).unwrap();
    for security in [Security::implicit_tls(), Security::required_starttls()] {
        let listener = Listener::bind("127.0.0.1:0", security, Some(tls.clone())).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shutdown = CancellationToken::new();
        let acceptor = Acceptor::new("toy").with_shutdown(shutdown.clone());
        let serve = move |mut connection: Accepted| async move {
            if security == Security::implicit_tls() {
                assert!(connection.stream.is_tls() && connection.channel == Channel::Tls);
            } else {
                assert!(!connection.stream.is_tls() && connection.channel == Channel::StartTls);
                let stream = std::mem::take(&mut connection.stream);
                connection.stream = connection.handle.start_tls(stream).await?;
            }
            connection.stream.write_all(b"hello").await?;
            connection.stream.shutdown().await?;
            Ok(())
        };
        let task = tokio::spawn(async move { acceptor.serve(listener, serve).await });
        let endpoint = Endpoint::tcp("localhost", port, security).with_tls(ca.client_tls().unwrap());
        let mut stream = endpoint.connect().await.unwrap();
        if !stream.is_tls() {
            stream = endpoint.start_tls(stream).await.unwrap();
        }
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
        shutdown.cancel();
        task.await.unwrap().unwrap();
    }
    assert!(Listener::bind("127.0.0.1:0", Security::implicit_tls(), None).await.is_err());
}

#[tokio::test]
async fn one_failing_connection_does_not_concern_the_others() {
    let count = Arc::new(AtomicUsize::new(0));
    let serve = {
        let count = count.clone();
        move |connection: Accepted| {
            let nth = count.fetch_add(1, Ordering::SeqCst);
            async move {
                match nth {
                    0 => Err(Error::Closed),
                    _ => echo(connection).await,
                }
            }
        }
    };
    let server = start(ServerLimits::default(), serve).await;
    assert_eq!(rest(TcpStream::connect(server.address).await.unwrap()).await, "");
    greeted(server.address).await;
}

#[cfg(unix)]
#[tokio::test]
async fn unix_sockets() {
    let folder = std::env::temp_dir().join(format!("mailwire-server-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("lmtp");
    let listener = Listener::bind_unix(&path).unwrap();
    assert_eq!(listener.channel(), Channel::Tls);
    let acceptor = Acceptor::new("lmtp");
    let task = tokio::spawn(async move { acceptor.serve(listener, echo).await });
    let mut stream = Endpoint::unix(&path).connect().await.unwrap();
    let mut greeting = [0; 7];
    stream.read_exact(&mut greeting).await.unwrap();
    task.abort();
    std::fs::remove_dir_all(folder).unwrap();
}
