//! What a shutdown does to whom, over sockets. The times that are allowed are long, so that a test which
//! waits for one of them does not end.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod raw;

use std::{net::SocketAddr, time::Duration};

use mailwire_core::Secret;
use mailwire_store::{ImapService, Pop3Service, SmtpService};
use mailwire_transport::{
    Endpoint, Result, Security, Stream, imap, pop3,
    sasl::{Authenticator, LoginContext, Unavailable},
    server::{Listener, ServerLimits},
    smtp,
    testing::TestCa,
};
use raw::{ALL, Protocol, store};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

const LONG: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_secs(30);

struct Running {
    ca: TestCa,
    address: SocketAddr,
    security: Security,
    shutdown: CancellationToken,
    task: JoinHandle<Result<()>>,
}

async fn start(protocol: Protocol, security: Security, grace: Duration, offer_binding: bool) -> Running {
    let mut limits = ServerLimits::default();
    limits.tls_timeout = LONG;
    limits.unauthenticated = Some(LONG);
    limits.grace = grace;
    let ca = TestCa::new().unwrap();
    let tls = security.is_tls().then(|| ca.server_tls(&["localhost"]).unwrap());
    let listener = Listener::bind("127.0.0.1:0", security, tls).await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let (token, store) = (shutdown.clone(), store(0));
    let task = tokio::spawn(async move {
        match protocol {
            Protocol::Smtp => {
                let name = smtp::proto::Host::try_from("mx.example").unwrap();
                let server = smtp::Server::new(SmtpService::new(store), name).with_server_limits(limits);
                server.with_channel_binding(offer_binding).serve(listener, token).await
            }
            Protocol::Imap => {
                let server = imap::Server::new(ImapService::new(store)).with_server_limits(limits);
                server.with_channel_binding(offer_binding).serve(listener, token).await
            }
            Protocol::Pop3 => {
                let server = pop3::Server::new(Pop3Service::new(store)).with_server_limits(limits);
                server.with_channel_binding(offer_binding).serve(listener, token).await
            }
        }
    });
    Running { ca, address, security, shutdown, task }
}

impl Running {
    async fn plain(&self) -> BufReader<TcpStream> {
        BufReader::new(TcpStream::connect(self.address).await.unwrap())
    }

    async fn over_tls(&self) -> BufReader<Stream> {
        let endpoint = Endpoint::tcp("localhost", self.address.port(), self.security);
        BufReader::new(endpoint.with_tls(self.ca.client_tls().unwrap()).connect().await.unwrap())
    }

    /// Shuts down, and waits for the end.
    async fn ends(self, what: &str) {
        self.shutdown.cancel();
        timeout(SOON, self.task).await.unwrap_or_else(|_| panic!("{what} holds it up")).unwrap().unwrap();
    }
}

async fn line<S: AsyncReadExt + Unpin>(stream: &mut BufReader<S>) -> String {
    let mut line = String::new();
    timeout(SOON, stream.read_line(&mut line)).await.unwrap().unwrap();
    line
}

async fn rest<S: AsyncReadExt + Unpin>(stream: &mut BufReader<S>) -> String {
    let mut rest = Vec::new();
    let _ = timeout(SOON, stream.read_to_end(&mut rest)).await.unwrap();
    String::from_utf8_lossy(&rest).into_owned()
}

fn tagged(protocol: Protocol, command: &str) -> String {
    format!("{}{command}\r\n", if protocol == Protocol::Imap { "a " } else { "" })
}

fn is_goodbye(protocol: Protocol, said: &str) -> bool {
    match protocol {
        Protocol::Smtp => said.contains("421 "),
        Protocol::Imap => said.contains("* BYE "),
        Protocol::Pop3 => said.contains("-ERR "),
    }
}

#[tokio::test]
async fn handshakes_end_with_the_shutdown() {
    for protocol in ALL {
        let server = start(protocol, Security::implicit_tls(), LONG, true).await;
        let mut silent = server.plain().await;
        let mut halting = server.plain().await;
        halting.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
        // Both are accepted before a third one is served.
        line(&mut server.over_tls().await).await;
        server.ends("a handshake").await;
        assert_eq!(rest(&mut silent).await + &rest(&mut halting).await, "");

        let server = start(protocol, Security::required_starttls(), LONG, true).await;
        let mut upgrading = server.plain().await;
        line(&mut upgrading).await;
        let command = match protocol {
            Protocol::Smtp => "EHLO x\r\nSTARTTLS\r\n",
            Protocol::Imap => "a STARTTLS\r\n",
            Protocol::Pop3 => "STLS\r\n",
        };
        for command in command.split_inclusive('\n') {
            upgrading.write_all(command.as_bytes()).await.unwrap();
            let mut answer = line(&mut upgrading).await;
            while answer.starts_with("250-") {
                answer = line(&mut upgrading).await;
            }
        }
        server.ends("a handshake after STARTTLS").await;
    }
}

#[tokio::test]
async fn whoever_is_not_logged_in_is_told_and_cut() {
    for protocol in ALL {
        let server = start(protocol, Security::implicit_tls(), LONG, true).await;
        let (mut silent, mut within) = (server.over_tls().await, server.over_tls().await);
        line(&mut silent).await;
        line(&mut within).await;
        if protocol == Protocol::Smtp {
            within.write_all(b"EHLO x\r\n").await.unwrap();
            while line(&mut within).await.starts_with("250-") {}
        }
        let command = if protocol == Protocol::Imap { "AUTHENTICATE" } else { "AUTH" };
        let first = raw::base64(b"n,,n=ada,r=abcdefgh");
        within
            .write_all(tagged(protocol, &format!("{command} SCRAM-SHA-256 {first}")).as_bytes())
            .await
            .unwrap();
        let challenge = line(&mut within).await;
        assert!(challenge.starts_with('+') || challenge.starts_with("334 "), "{challenge}");
        server.ends("a client without a login").await;
        for stream in [&mut silent, &mut within] {
            let said = rest(stream).await;
            assert!(is_goodbye(protocol, &said), "{protocol:?}: {said}");
        }
    }
}

/// Says that it was asked, and never comes to a verdict.
struct Undecided(CancellationToken);

impl Authenticator for Undecided {
    async fn verify_password(&self, _: &str, _: &Secret, _: &LoginContext) -> Result<bool, Unavailable> {
        self.0.cancel();
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_user_store_that_does_not_answer_holds_nothing_up() {
    let mut limits = ServerLimits::default();
    limits.grace = LONG;
    let asked = CancellationToken::new();
    let service = ImapService::with_authenticator(store(0), Undecided(asked.clone()));
    let server = imap::Server::new(service).with_server_limits(limits).allow_clear_credentials();
    let security = Security::plaintext_without_encryption();
    let listener = Listener::bind("127.0.0.1:0", security, None).await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let token = shutdown.clone();
    let task = tokio::spawn(async move { server.serve(listener, token).await });
    let mut client = BufReader::new(TcpStream::connect(address).await.unwrap());
    line(&mut client).await;
    client.write_all(b"a LOGIN ada secret\r\n").await.unwrap();
    asked.cancelled().await;
    shutdown.cancel();
    timeout(SOON, task).await.unwrap().unwrap().unwrap();
    assert!(rest(&mut client).await.starts_with("* BYE"));
}

#[tokio::test]
async fn what_is_in_progress_gets_a_last_word_at_the_end_of_the_grace() {
    for protocol in ALL {
        let server = start(protocol, Security::implicit_tls(), Duration::from_millis(200), true).await;
        let mut stream = server.over_tls().await;
        line(&mut stream).await;
        let commands: &[&str] = match protocol {
            Protocol::Smtp => &["EHLO x", "MAIL FROM:<a@b>", "RCPT TO:<ada@x>", "DATA"],
            Protocol::Imap => &["LOGIN ada secret", "APPEND INBOX {100}"],
            Protocol::Pop3 => &["USER ada", "PASS secret"],
        };
        for command in commands {
            stream.write_all(tagged(protocol, command).as_bytes()).await.unwrap();
            let mut answer = line(&mut stream).await;
            while answer.starts_with("250-") || answer.starts_with("* ") {
                answer = line(&mut stream).await;
            }
            assert!(!is_goodbye(protocol, &answer), "{answer}");
        }
        stream.write_all(b"Subject: a part\r\n").await.unwrap();
        server.ends("a message on its way").await;
        let said = rest(&mut stream).await;
        assert!(is_goodbye(protocol, &said), "{protocol:?}: {said}");
        assert!(!said.contains("250") && !said.contains("a OK"), "{protocol:?}: {said}");
    }
}

#[tokio::test]
async fn channel_binding_can_be_left_out() {
    use mailwire_transport::sasl::{Credentials, Mechanism};
    let ada = Credentials::password("ada", "secret");
    for security in [Security::implicit_tls(), Security::required_starttls()] {
        for offer in [true, false] {
            for protocol in ALL {
                let server = start(protocol, security, LONG, offer).await;
                let endpoint = Endpoint::tcp("localhost", server.address.port(), security)
                    .with_tls(server.ca.client_tls().unwrap());
                let plus = Mechanism::ScramSha256Plus;
                // What a client chooses by itself works either way; what is not offered is refused.
                let (chosen, forced) = match protocol {
                    Protocol::Smtp => {
                        let mut forced = smtp::Config::login(ada.clone());
                        forced.mechanism = Some(plus);
                        let chosen = smtp::Client::connect(endpoint.clone(), &ada).await.is_ok();
                        (chosen, smtp::Client::connect_with(endpoint, forced).await.is_ok())
                    }
                    Protocol::Imap => {
                        let mut forced = imap::Config::login(ada.clone());
                        forced.mechanism = Some(imap::LoginMechanism::Sasl(plus));
                        let chosen = imap::Client::connect(endpoint.clone(), &ada).await.is_ok();
                        (chosen, imap::Client::connect_with(endpoint, forced).await.is_ok())
                    }
                    Protocol::Pop3 => {
                        let mut forced = pop3::Config::login(ada.clone());
                        forced.mechanism = Some(pop3::LoginMechanism::Sasl(plus));
                        let chosen = pop3::Client::connect(endpoint.clone(), &ada).await.is_ok();
                        (chosen, pop3::Client::connect_with(endpoint, forced).await.is_ok())
                    }
                };
                assert_eq!((chosen, forced), (true, offer), "{protocol:?}");
            }
        }
    }
}
