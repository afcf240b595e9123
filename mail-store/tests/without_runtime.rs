//! Clients in programs without a runtime: they wait on their thread, or run on an executor that is not tokio's.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{
    future::Future,
    io::{Read, Write},
    net::TcpListener,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::Thread,
    time::{Duration, Instant},
};

use mailwire_store::testing::MailServer;
use mailwire_transport::{
    Endpoint, Error, Phase, Protocol, Security, Stream, Timeouts,
    blocking::{Socket, Wait as _, block_on},
    imap::{self, FetchAtt},
    pop3,
    sasl::Credentials,
    smtp::{self, Envelope},
    testing::TestCa,
};
use tokio::runtime::{Handle, Runtime};
use tokio_util::compat::TokioAsyncReadCompatExt;

const CLEAR: Security = Security::plaintext_without_encryption();

/// A server, on threads of its own.
fn server() -> (Runtime, MailServer) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(MailServer::start()).unwrap();
    assert!(Handle::try_current().is_err(), "there is none for the clients");
    (runtime, server)
}

fn large() -> String {
    format!("Subject: large\r\n\r\n{}", "0123456789abcdef0123456789abcdef\r\n".repeat(100_000))
}

#[test]
fn smtp_waits() {
    let (runtime, server) = server();
    for security in [Security::implicit_tls(), Security::required_starttls()] {
        let endpoint = server.endpoint_with(Protocol::Submission, security);
        let mut client = smtp::Client::connect(endpoint, &server.credentials()).wait().unwrap();
        let envelope = Envelope::new("ada@example.org", ["bob@example.net"]).unwrap();
        for message in ["Subject: small\r\n\r\nHello\r\n".to_owned(), large()] {
            let sent = client.send(&envelope, message).wait().unwrap();
            assert!(sent.refused.is_empty());
        }
        client.quit().wait().unwrap();
    }
    assert_eq!(server.messages().len(), 4);
    runtime.block_on(server.shutdown());
}

#[test]
fn imap_waits() {
    let (runtime, server) = server();
    let endpoint = server.endpoint_with(Protocol::Imap, Security::required_starttls());
    let mut client = imap::Client::connect(endpoint, &server.credentials()).wait().unwrap();
    client.select("INBOX").wait().unwrap();
    for _ in 0..3 {
        client.append("INBOX", large()).wait().unwrap();
    }
    let all = client.uid_search([imap::SearchKey::All]).wait().unwrap();
    let mut messages = client.uid_fetch(&all, [FetchAtt::Envelope]).wait().unwrap();
    let mut subjects = 0;
    while let Some(message) = messages.next().wait().unwrap() {
        assert_eq!(message.subject().as_deref(), Some("large"));
        subjects += 1;
    }
    assert_eq!(subjects, 3);
    drop(messages);
    client.logout().wait().unwrap();
    runtime.block_on(server.shutdown());
}

#[test]
fn pop3_waits() {
    let (runtime, server) = server();
    server.deliver("ada", large()).unwrap();
    let endpoint = server.endpoint_with(Protocol::Pop3, Security::implicit_tls());
    let mut client = pop3::Client::connect(endpoint, &Credentials::password("ada", "secret")).wait().unwrap();
    let body = client.retr(1).wait().unwrap().bytes(1 << 30).wait().unwrap();
    assert_eq!(body.len(), large().len());
    client.dele(1).wait().unwrap();
    client.quit().wait().unwrap();
    runtime.block_on(server.shutdown());
}

#[cfg(unix)]
#[test]
fn unix_sockets_wait() {
    let path = std::env::temp_dir().join(format!("mailwire-blocking-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.write_all(b"+OK hello\r\n").unwrap();
        let mut said = Vec::new();
        while !said.ends_with(b"\r\n") {
            said.resize(said.len() + 1, 0);
            let last = said.len() - 1;
            socket.read_exact(&mut said[last..]).unwrap();
        }
        String::from_utf8(said).unwrap()
    });
    let config = pop3::Config::login(Credentials::password("ada", "x"));
    let client = pop3::Client::connect_with(Endpoint::unix(&path), config).wait();
    assert!(client.is_err(), "it says no more");
    assert_eq!(server.join().unwrap(), "CAPA\r\n");
    std::fs::remove_file(&path).unwrap();
}

/// Times are kept without a runtime's clock.
#[test]
fn a_silent_server_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut timeouts = Timeouts::default();
    timeouts.tls = Duration::from_millis(50);
    timeouts.greeting = Duration::from_millis(50);
    let before = Instant::now();
    for security in [Security::implicit_tls(), CLEAR] {
        let endpoint = Endpoint::tcp("127.0.0.1", port, security)
            .with_timeouts(timeouts.clone())
            .with_tls(TestCa::new().unwrap().client_tls().unwrap());
        let error = imap::Client::connect(endpoint, &Credentials::password("ada", "x")).wait().err().unwrap();
        match security == CLEAR {
            true => assert!(error.to_string().contains("greeting"), "{error}"),
            false => assert!(matches!(error, Error::Timeout { phase: Phase::Tls, .. }), "{error}"),
        }
    }
    assert!(before.elapsed() >= Duration::from_millis(100));
    // Nobody listens, or there is no such name.
    drop(listener);
    let refused = Endpoint::tcp("127.0.0.1", port, CLEAR).connect().wait().unwrap_err();
    assert!(matches!(&refused, Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused));
}

/// Two that both write first, more than their buffers hold, do not wait for each other for ever.
#[test]
fn full_buffers_on_both_sides_are_no_deadlock() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const MOST: usize = 20 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let peer = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.write_all(&vec![b'x'; MOST]).unwrap();
        let mut all = vec![0; MOST];
        socket.read_exact(&mut all).unwrap();
    });
    let socket = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (mut read, mut write) = tokio::io::split(Stream::from(Socket::tcp(socket).unwrap()));
    block_on(async {
        let mut all = vec![0; MOST];
        let mine = vec![b'y'; MOST];
        let (wrote, got) = tokio::join!(write.write_all(&mine), read.read_exact(&mut all));
        wrote.unwrap();
        got.unwrap();
    });
    peer.join().unwrap();
}

#[test]
fn a_future_that_another_thread_wakes_is_run_on() {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let (beside, _peer) = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (socket, listener.accept().unwrap())
    };
    let mut stream = Stream::from(Socket::tcp(beside).unwrap());
    std::thread::spawn(move || sender.send(7));
    // Beside a socket on which nothing comes.
    let got = block_on(async {
        tokio::select! {
            got = receiver => got.unwrap(),
            _ = tokio::io::AsyncReadExt::read_u8(&mut stream) => 0,
        }
    });
    assert_eq!(got, 7);
    assert_eq!(block_on(async { block_on(async { 1 }) + 1 }), 2);
}

#[tokio::test]
async fn a_socket_of_a_blocking_client_says_so_elsewhere() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut stream = Stream::from(Socket::tcp(socket).unwrap());
    let error = tokio::io::AsyncReadExt::read_u8(&mut stream).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
}

/// The smallest executor that there is.
fn run<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn another_executor_runs_clients_over_its_streams() {
    let (runtime, server) = server();
    let endpoint = server.endpoint_with(Protocol::Imap, Security::implicit_tls());
    let address = server.address(Protocol::Imap, Security::implicit_tls());
    // The two ends of a pipe: the other one is carried to the server.
    let (ours, theirs) = tokio::io::duplex(4096);
    runtime.spawn(async move {
        let mut theirs = theirs;
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        tokio::io::copy_bidirectional(&mut theirs, &mut socket).await
    });
    run(async {
        let stream = Stream::futures_io(ours.compat());
        let config = imap::Config::login(server.credentials());
        let mut client = imap::Client::over(stream, endpoint, config).await.unwrap();
        client.select("INBOX").await.unwrap();
        client.append("INBOX", large()).await.unwrap();
        client.logout().await.unwrap();
    });
    // A peer that is silent: the timer is a thread's.
    let mut timeouts = Timeouts::default();
    timeouts.greeting = Duration::from_millis(50);
    let (ours, _theirs) = tokio::io::duplex(4096);
    let endpoint = Endpoint::tcp("localhost", 143, CLEAR).with_timeouts(timeouts);
    let config = imap::Config::login(server.credentials());
    let before = Instant::now();
    let error = run(imap::Client::over(Stream::futures_io(ours.compat()), endpoint, config)).err().unwrap();
    assert!(
        error.to_string().contains("greeting") && before.elapsed() >= Duration::from_millis(50),
        "{error}"
    );
    runtime.block_on(server.shutdown());
}
