//! SMTP's client and server, over sockets.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    future::Future,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};

use bytes::Bytes;
use mailwire_core::{Channel, dot::BareNewline};
use mailwire_store::{Inspector, Room, SmtpService, memory::MemoryStore};
use mailwire_transport::{
    Endpoint, Error, Payload, RefusedKind, Result, Security, Stream,
    sasl::{Credentials, Mechanism, SaslError},
    server::Listener,
    smtp::{
        Client, Config, Envelope, Outcome, Server,
        proto::{self, Host, Reply, ReplyCode},
        server,
    },
    testing::TestCa,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

const CLEAR: Security = Security::plaintext_without_encryption();

struct Running {
    store: MemoryStore,
    ca: TestCa,
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<Result<()>>,
}

async fn start(
    security: Security,
    configure: impl FnOnce(Server<SmtpService<MemoryStore>>) -> Server<SmtpService<MemoryStore>>,
) -> Running {
    let store = MemoryStore::new();
    store.add_user("ada", "secret").unwrap();
    store.add_user("bob", "hidden").unwrap();
    let ca = TestCa::new().unwrap();
    let tls = security.is_tls().then(|| ca.server_tls(&["localhost"]).unwrap());
    let listener = Listener::bind("127.0.0.1:0", security, tls).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Arc::new(configure(Server::new(
        SmtpService::new(store.clone()).with_trace_fields(false),
        Host::try_from("mx.example").unwrap(),
    )));
    let shutdown = CancellationToken::new();
    let token = shutdown.clone();
    let task = tokio::spawn(async move { server.serve(listener, token).await });
    Running { store, ca, address, shutdown, task }
}

impl Running {
    fn endpoint(&self, security: Security) -> Endpoint {
        let endpoint = Endpoint::tcp("localhost", self.address.port(), security);
        if security.is_tls() { endpoint.with_tls(self.ca.client_tls().unwrap()) } else { endpoint }
    }

    /// The inbox of a user.
    fn inbox(&self, user: &str) -> Vec<Bytes> {
        self.store.user(user).unwrap().messages("INBOX").unwrap()
    }
}

fn ada() -> Credentials {
    Credentials::password("ada", "secret")
}

fn to_bob() -> Envelope {
    Envelope::new("ada@client.example", ["bob@mx.example"]).unwrap()
}

#[tokio::test]
async fn submits_with_every_security() {
    for security in [Security::implicit_tls(), Security::required_starttls()] {
        let server = start(security, Server::require_authentication).await;
        let mut client = Client::connect(server.endpoint(security), &ada()).await.unwrap();
        assert!(client.is_encrypted());
        let sent = client.send(&to_bob(), "Subject: dots\r\n\r\n.\r\n..\r\nend").await.unwrap();
        assert!(sent.refused.is_empty());
        assert_eq!(client.outcome(), Outcome::Accepted);
        client.quit().await.unwrap();
        assert_eq!(server.inbox("bob"), ["Subject: dots\r\n\r\n.\r\n..\r\nend\r\n"]);
    }
}

#[tokio::test]
async fn every_mechanism_logs_in() {
    let security = Security::implicit_tls();
    let server = start(security, Server::require_authentication).await;
    for name in ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "PLAIN", "LOGIN"] {
        let mechanism = Mechanism::new(name).unwrap();
        let mut config = Config::login(ada());
        config.mechanism = Some(mechanism.clone());
        let mut client = Client::connect_with(server.endpoint(security), config).await.unwrap();
        client.noop().await.unwrap();

        let mut config = Config::login(Credentials::password("ada", "wrong"));
        config.mechanism = Some(mechanism.clone());
        let error = Client::connect_with(server.endpoint(security), config).await.unwrap_err();
        let refused = error.refused().unwrap_or_else(|| panic!("{mechanism}: {error}"));
        assert_eq!((refused.command, refused.kind), ("AUTH", RefusedKind::Smtp(535)));
        assert!(!format!("{error} {error:?}").contains("wrong"));
    }
}

#[tokio::test]
async fn credentials_stay_home_without_tls() {
    let server = start(CLEAR, |server| server.allow_clear_credentials()).await;
    // SCRAM shows nothing, and may go in clear.
    Client::connect(server.endpoint(CLEAR), &ada()).await.unwrap().quit().await.unwrap();
    let mut config = Config::login(ada());
    config.mechanism = Some(Mechanism::Plain);
    let error = Client::connect_with(server.endpoint(CLEAR), config).await;
    assert!(matches!(error, Err(Error::Sasl(SaslError::CredentialsInClear))), "{error:?}");
    let mut config = Config::login(ada()).with_allow_clear_credentials(true);
    config.mechanism = Some(Mechanism::Plain);
    Client::connect_with(server.endpoint(CLEAR), config).await.unwrap().quit().await.unwrap();

    let strict = start(CLEAR, |server| server).await;
    let client = Client::connect_with(strict.endpoint(CLEAR), Config::anonymous()).await.unwrap();
    let offered = client.capabilities().auth().unwrap_or_default();
    assert!(!offered.is_empty() && offered.iter().all(|mechanism| !mechanism.shows_secret()), "{offered:?}");
}

#[tokio::test]
async fn each_recipient_has_a_result() {
    let server = start(CLEAR, |server| server).await;
    let mut client = Client::connect_with(server.endpoint(CLEAR), Config::anonymous()).await.unwrap();
    let envelope = Envelope::new("", ["nobody@mx.example", "bob@mx.example"]).unwrap();
    let sent = client.send(&envelope, "Hello\r\n").await.unwrap();
    assert_eq!(sent.refused.len(), 1);
    assert_eq!(sent.refused[0].recipient.mailbox().unwrap().as_str(), "nobody@mx.example");
    assert_eq!(sent.refused[0].error.refused().unwrap().code.as_ref().unwrap(), &"5.1.1");

    let envelope = Envelope::new("", ["x@mx.example", "y@mx.example"]).unwrap();
    let error = client.send(&envelope, "Hello\r\n").await.unwrap_err();
    assert_eq!(error.refused().unwrap().kind, RefusedKind::Smtp(550));
    assert_eq!(client.outcome(), Outcome::Refused);
    // The transaction is over, and the next one is not disturbed.
    let _ = client.send(&to_bob(), "again\r\n").await.unwrap();
    assert_eq!(server.inbox("bob"), ["Hello\r\n", "again\r\n"]);
}

#[tokio::test]
async fn lmtp_answers_for_each_recipient() {
    let server = start(CLEAR, |server| server.lmtp()).await;
    let mut client = Client::connect_with(server.endpoint(CLEAR), Config::lmtp()).await.unwrap();
    let envelope = Envelope::new("", ["ada", "nobody", "bob"].map(|_| "ada@mx.example")).unwrap();
    let sent = client.send(&envelope, "one\r\n").await.unwrap();
    assert!(sent.refused.is_empty());
    let envelope = Envelope::new("", ["ada@mx.example", "nobody@mx.example", "bob@mx.example"]).unwrap();
    let sent = client.send(&envelope, "two\r\n").await.unwrap();
    assert_eq!(sent.refused.len(), 1);
    client.quit().await.unwrap();
    assert_eq!(server.inbox("bob"), ["two\r\n"]);
}

/// By other spellings, by another name of the user, and as the postmaster.
#[tokio::test]
async fn whoever_is_named_twice_gets_a_message_once() {
    let names = ["ada@mx.example", "bob@mx.example", "nobody@mx.example", "ADA@mx.example", "postmaster"];
    for lmtp in [false, true] {
        let server = start(CLEAR, |server| if lmtp { server.lmtp() } else { server }).await;
        let config = if lmtp { Config::lmtp() } else { Config::anonymous() };
        let mut client = Client::connect_with(server.endpoint(CLEAR), config).await.unwrap();
        let sent = client.send(&Envelope::new("", names).unwrap(), "Hello\r\n").await.unwrap();
        assert_eq!(sent.refused.len(), 1);
        client.quit().await.unwrap();
        assert_eq!((server.inbox("ada").len(), server.inbox("bob").len()), (1, 1));
    }
}

/// A message of which one recipient has no room is nobody's: it does not stay on its way in.
#[tokio::test]
async fn a_message_that_is_refused_is_given_up() {
    let mut config = mailwire_store::memory::Config::default();
    (config.bytes, config.coming) = (1000, 2000);
    let store = MemoryStore::with_config(config);
    let full = store.add_user("ada", "secret").unwrap();
    let bob = store.add_user("bob", "hidden").unwrap();
    full.deliver(vec![b'x'; 900].into()).unwrap();
    let server = Server::new(SmtpService::new(store), Host::try_from("mx.example").unwrap());
    let (mut stream, theirs) = tokio::io::duplex(64 << 10);
    tokio::spawn(async move { server.serve_stream(Stream::other(theirs), Channel::Tls).await });
    let mut replies = BufReader::new(&mut stream);
    let mut until = async |lines: &str, begin: &str| {
        replies.write_all(lines.as_bytes()).await.unwrap();
        let mut line = String::new();
        while !line.starts_with(begin) {
            line.clear();
            assert!(replies.read_line(&mut line).await.unwrap() > 0, "{begin}");
            assert!(line.starts_with('2') || line.get(..3) == begin.get(..3), "{line} in place of {begin}");
        }
    };
    until("EHLO x\r\n", "250 ").await;
    let body = format!("{}\r\n.\r\n", "x".repeat(500));
    for _ in 0..10 {
        until("MAIL FROM:<>\r\nRCPT TO:<ada@x>\r\nRCPT TO:<bob@x>\r\nDATA\r\n", "354 ").await;
        until(&body, "452 4.2.2 ").await;
    }
    until("MAIL FROM:<>\r\nRCPT TO:<bob@x>\r\nDATA\r\n", "354 ").await;
    until(&body, "250 2.0.0 ").await;
    assert_eq!(bob.status("INBOX").unwrap().messages, 1);
}

/// RFC 5321 section 4.5.1: with a domain and without, in any case of the letters.
#[tokio::test]
async fn the_postmaster_gets_mail() {
    let server = start(CLEAR, |server| server).await;
    let mut client = Client::connect_with(server.endpoint(CLEAR), Config::anonymous()).await.unwrap();
    let to = |to| Envelope::new("", [to]).unwrap();
    for address in ["postmaster", "Postmaster", "postmaster@mx.example", "POSTMASTER@mx.example"] {
        let sent = client.send(&to(address), "Hello\r\n").await.unwrap();
        assert!(sent.refused.is_empty(), "{address}");
    }
    assert_eq!(server.inbox("ada").len(), 4, "the user who was added first");
    server.store.add_user("postmaster", "secret").unwrap();
    let _ = client.send(&to("postmaster"), "Hello\r\n").await.unwrap();
    assert_eq!((server.inbox("ada").len(), server.inbox("postmaster").len()), (4, 1));
}

/// Scripts send to the users of the host that they run on.
#[tokio::test]
async fn a_lenient_server_takes_a_user_without_a_domain() {
    use mailwire_core::Dialect;
    let store = MemoryStore::new();
    let ada = store.add_user("ada", "secret").unwrap();
    for (dialect, verdicts) in
        [(Dialect::Lenient, ["250 2.1.5", "550 5.1.1"]), (Dialect::Strict, ["501 5.", "501 5."])]
    {
        let server = Server::new(
            SmtpService::new(store.clone()).with_trace_fields(false),
            Host::try_from("mx.example").unwrap(),
        )
        .configure(|config| config.dialect = dialect);
        let (stream, theirs) = tokio::io::duplex(64 << 10);
        tokio::spawn(async move { server.serve_stream(Stream::other(theirs), Channel::Tls).await });
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        stream.write_all(b"HELO x\r\nMAIL FROM:<>\r\n").await.unwrap();
        stream.read_line(&mut line).await.unwrap();
        stream.read_line(&mut line).await.unwrap();
        for (user, verdict) in ["<ada>", "<nobody>"].into_iter().zip(verdicts) {
            stream.write_all(format!("RCPT TO:{user}\r\n").as_bytes()).await.unwrap();
            line.clear();
            stream.read_line(&mut line).await.unwrap();
            assert!(line.starts_with(verdict), "{dialect:?} {user}: {line}");
        }
        if dialect == Dialect::Lenient {
            stream.write_all(b"DATA\r\nHello\r\n.\r\n").await.unwrap();
            stream.read_line(&mut line).await.unwrap();
            line.clear();
            stream.read_line(&mut line).await.unwrap();
            assert!(line.starts_with("250 "), "{line}");
        }
    }
    assert_eq!(ada.status("INBOX").unwrap().messages, 1);
}

#[tokio::test]
async fn there_is_a_postmaster_of_served_domains_only() {
    use mailwire_store::{Error, Store, memory::Config};
    let mut config = Config::default();
    config.domains = vec!["ours.example".into()];
    let store = MemoryStore::with_config(config);
    assert!(matches!(store.postmaster(None).await, Err(Error::NoSuchAccount)), "nobody is there");
    let ada = store.add_user("ada@other.example", "secret").unwrap().account();
    for domain in [None, Some("OURS.example"), Some("other.example")] {
        assert_eq!(store.postmaster(domain).await.unwrap(), ada, "{domain:?}");
    }
    assert!(matches!(store.postmaster(Some("third.example")).await, Err(Error::NoSuchAccount)));
}

/// Some servers keep a transaction whose DATA they refused, and refuse MAIL within it.
#[tokio::test]
async fn a_transaction_that_stays_open_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 mx\r\n").await.unwrap();
        let (mut open, mut recipients, mut commands) = (false, 0, Vec::new());
        let mut line = String::new();
        while stream.read_line(&mut line).await.unwrap() > 0 {
            let command = line.get(..4).unwrap().to_owned();
            let reply = match &*command {
                "MAIL" if open => "503 nested MAIL",
                "MAIL" => {
                    open = true;
                    "250 ok"
                }
                "RCPT" if line.contains("nobody") => "550 no such user",
                "RCPT" => {
                    recipients += 1;
                    "250 ok"
                }
                "RSET" => {
                    (open, recipients) = (false, 0);
                    "250 ok"
                }
                "DATA" if recipients == 0 => "554 no valid recipients",
                "DATA" => {
                    stream.write_all(b"354 go\r\n").await.unwrap();
                    while line != ".\r\n" {
                        line.clear();
                        stream.read_line(&mut line).await.unwrap();
                    }
                    "250 queued"
                }
                _ => "250 mx",
            };
            commands.push(command);
            stream.write_all(format!("{reply}\r\n").as_bytes()).await.unwrap();
            line.clear();
        }
        commands
    });
    let mut client = connect_to(address, CLEAR).await.unwrap();
    let nobody = Envelope::new("", ["nobody@mx.example"]).unwrap();
    let error = client.send(&nobody, "Hello\r\n").await.unwrap_err();
    assert_eq!(error.refused().unwrap().kind, RefusedKind::Smtp(550));
    let _ = client.send(&to_bob(), "Hello\r\n").await.unwrap();
    client.quit().await.unwrap();
    let commands = task.await.unwrap().join(" ");
    assert_eq!(commands, "EHLO MAIL RCPT DATA RSET MAIL RCPT DATA QUIT");
}

#[tokio::test]
async fn bare_newlines_are_refused_or_mended() {
    let server = start(CLEAR, |server| server).await;
    let smuggled = "one\r\n.\nMAIL FROM:<x@y>\r\n";
    let refuses = Config::anonymous().with_bare_newline(BareNewline::Refuse);
    let mut client = Client::connect_with(server.endpoint(CLEAR), refuses).await.unwrap();
    let error = client.send(&to_bob(), smuggled).await.unwrap_err();
    assert!(matches!(error, Error::Misuse(mailwire_core::Misuse::InvalidBody { offset: 6, .. })), "{error}");
    // It was found before anything was sent.
    client.noop().await.unwrap();
    assert!(client.is_usable());
    let read = Payload::from_reader(smuggled.as_bytes(), None);
    let error = client.send(&to_bob(), read).await.unwrap_err();
    assert!(matches!(error, Error::Misuse(mailwire_core::Misuse::InvalidBody { offset: 6, .. })), "{error}");
    assert!(matches!(client.noop().await, Err(Error::Ended(_))) && !client.is_usable());
    assert_eq!(client.outcome(), Outcome::NotSent);
    assert!(server.inbox("bob").is_empty(), "a message without its end is none");

    let mut client = Client::connect_with(server.endpoint(CLEAR), Config::anonymous()).await.unwrap();
    assert_eq!(client.send(&to_bob(), smuggled).await.unwrap().mended.count, 1);
    assert_eq!(server.inbox("bob"), ["one\r\n.\r\nMAIL FROM:<x@y>\r\n"]);
}

#[tokio::test]
async fn large_messages_stream() {
    let server = start(CLEAR, |server| server).await;
    let mut client = Client::connect_with(server.endpoint(CLEAR), Config::anonymous()).await.unwrap();
    let line = b".a line that starts with a dot and goes on for a while, as lines do in mail...\r\n";
    let body: Vec<u8> = line.iter().copied().cycle().take(line.len() * 100_000).collect();
    let message = Payload::from_reader(&body[..], None);
    let _ = client.send(&to_bob(), message).await.unwrap();
    assert!(server.inbox("bob")[0] == body);

    let too_large = Payload::from_reader(&body[..], Some(1 << 40));
    let error = client.send(&to_bob(), too_large).await.unwrap_err();
    assert!(matches!(error, Error::Misuse(mailwire_core::Misuse::NotOffered(_))), "{error}");
    client.noop().await.unwrap();
}

#[tokio::test]
async fn many_recipients_go_out_in_waves() {
    let server = start(CLEAR, |server| server.configure(|config| config.limits.recipients = 10_000)).await;
    let mut client = Client::connect_with(server.endpoint(CLEAR), Config::anonymous()).await.unwrap();
    let envelope = Envelope::new("", (0..5000).map(|_| "bob@mx.example")).unwrap();
    let sent = client.send(&envelope, "Hello\r\n").await.unwrap();
    assert!(sent.refused.is_empty());
}

/// Polls `future` so many times, and then drops it. Gives its output if it came to an end.
async fn poll_times<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..times {
        let ready = std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(output) = ready {
            return Some(output);
        }
        tokio::task::yield_now().await;
    }
    None
}

#[tokio::test]
async fn a_dropped_call_drains_or_spends() {
    let server = start(CLEAR, |server| server).await;
    for times in 0..40 {
        let mut client = Client::connect_with(server.endpoint(CLEAR), Config::anonymous()).await.unwrap();
        let done = poll_times(client.noop(), times).await;
        // Whatever became of it, the answer to the next command is its own.
        let verified = client.vrfy("bob").await.unwrap();
        assert_eq!(verified.code().get(), 252);
        if done.is_some() {
            break;
        }
    }
    for times in 0..400 {
        let before = server.inbox("bob").len();
        let mut client = Client::connect_with(server.endpoint(CLEAR), Config::anonymous()).await.unwrap();
        let done = poll_times(client.send(&to_bob(), "Hello\r\n"), times).await;
        let next = client.send(&to_bob(), "again\r\n").await;
        let messages = &server.inbox("bob")[before..];
        match (done, next) {
            (Some(sent), next) => {
                assert!(sent.unwrap().refused.is_empty() && next.is_ok());
                assert_eq!(messages, ["Hello\r\n", "again\r\n"]);
                return;
            }
            (None, Ok(_)) => assert_eq!(messages.last().unwrap(), "again\r\n"),
            (None, Err(error)) => assert!(matches!(error, Error::Spent), "{error}"),
        }
    }
    panic!("sending never came to an end");
}

/// A server that says `lines`, each after one line of the client's, then closes.
async fn script(lines: &'static [&'static str]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        for say in lines {
            stream.write_all(say.as_bytes()).await.unwrap();
            line.clear();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
        }
    });
    address
}

async fn connect_to(address: SocketAddr, security: Security) -> Result<Client> {
    let endpoint = Endpoint::tcp("localhost", address.port(), security)
        .with_tls(TestCa::new().unwrap().client_tls().unwrap());
    let config = if security == CLEAR { Config::anonymous() } else { Config::login(ada()) };
    Client::connect_with(endpoint, config).await
}

#[tokio::test]
async fn a_client_refuses_injected_and_missing_tls() {
    use mailwire_core::Error::{BytesAfterUpgrade, TlsUnavailable};
    let starttls = Security::required_starttls();
    let injected: &[&str] = &["220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n250 injected\r\n"];
    let error = connect_to(script(injected).await, starttls).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { error: BytesAfterUpgrade { .. }, .. }), "{error}");

    for lines in
        [&["220 mx\r\n", "250 mx\r\n"][..], &["220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "454 not now\r\n"]]
    {
        let error = connect_to(script(lines).await, starttls).await.unwrap_err();
        assert!(matches!(error.violation(), Some(TlsUnavailable { .. })), "{error}");
    }
    let error = connect_to(script(&["220 mx\r\n250 early\r\n"]).await, starttls).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
}

#[tokio::test]
async fn a_server_refuses_injected_commands() {
    let server = start(Security::required_starttls(), |server| server).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"EHLO x\r\nSTARTTLS\r\nMAIL FROM:<injected@example.org>\r\n").await.unwrap();
    let mut said = String::new();
    // The server closes, and nothing after STARTTLS was executed.
    stream.read_to_string(&mut said).await.unwrap();
    assert!(said.contains("STARTTLS") && !said.contains("2.1.0"), "{said}");
}

#[tokio::test]
async fn a_refusing_or_vanishing_server_says_which() {
    let error = connect_to(script(&["554 no mail here\r\n"]).await, CLEAR).await.unwrap_err();
    assert_eq!(error.refused().unwrap().kind, RefusedKind::Smtp(554));

    let vanishing: &[&[&str]] = &[
        &[],
        &["220 mx\r\n"],
        &["220 mx\r\n", "250 mx\r\n"],
        &["220 mx\r\n", "250 mx\r\n", "250 ok\r\n"],
        &["220 mx\r\n", "250 mx\r\n", "250 ok\r\n", "250 ok\r\n"],
        &["220 mx\r\n", "250 mx\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n"],
    ];
    for (step, lines) in vanishing.iter().enumerate() {
        match connect_to(script(lines).await, CLEAR).await {
            Err(_) => assert!(step < 2),
            Ok(mut client) => {
                client.send(&to_bob(), "Hello\r\n").await.unwrap_err();
                let expected = if step == 5 { Outcome::Unknown } else { Outcome::NotSent };
                assert_eq!(client.outcome(), expected, "step {step}");
            }
        }
    }
}

#[tokio::test]
async fn an_unasked_421_is_not_the_next_reply() {
    let lines: &[&str] = &["220 mx\r\n", "250 mx\r\n421 idle too long\r\n"];
    let mut client = connect_to(script(lines).await, CLEAR).await.unwrap();
    let error = client.noop().await.unwrap_err();
    let is_421 = error.refused().is_some_and(|refused| refused.kind == RefusedKind::Smtp(421));
    assert!(is_421, "{error}");
}

#[tokio::test]
async fn shutting_down_takes_leave() {
    let server = start(CLEAR, |server| server).await;
    let mut client = Client::connect_with(server.endpoint(CLEAR), Config::anonymous()).await.unwrap();
    client.noop().await.unwrap();
    server.shutdown.cancel();
    server.task.await.unwrap().unwrap();
    let error = client.noop().await.unwrap_err();
    assert!(error.refused().is_some_and(|refused| refused.kind == RefusedKind::Smtp(421)), "{error}");
}

#[tokio::test]
async fn commands_beside_sending() {
    let server = start(CLEAR, |server| server).await;
    let mut client = Client::connect_with(server.endpoint(CLEAR), Config::anonymous()).await.unwrap();
    assert!(client.help().await.unwrap().is_positive());
    client.rset().await.unwrap();
    assert_eq!(client.expn("list").await.unwrap_err().refused().unwrap().kind, RefusedKind::Smtp(502));
    assert!(client.vrfy("a\r\nQUIT").await.is_err(), "an injected line");
    assert!(Envelope::new("a@b\r\nDATA", []).is_err());
    let _: &proto::Capabilities = client.capabilities();
}

/// CVE-2023-51764 and its kin: nothing but the lone dot between CR LFs ends a message, and a message
/// with such an end in it is refused, so that no other server is deceived.
#[tokio::test]
async fn smuggled_messages_are_refused() {
    let server = start(CLEAR, |server| server).await;
    for end in ["\n.\n", "\n.\r\n", "\r.\r\n", "\r.\r", "\r\n.\n", "\r\n.\r", "\r\n.\r\r\n"] {
        // In the middle, and at the very start without the first line end, unless that is the end.
        let start = end.trim_start_matches(['\r', '\n']);
        for message in [format!("one{end}"), start.to_owned()].into_iter().filter(|it| it != ".\r\n") {
            let mut stream = BufReader::new(TcpStream::connect(server.address).await.unwrap());
            let smuggled = "MAIL FROM:<evil@example.org>\r\nRCPT TO:<bob@mx.example>\r\nDATA\r\ntwo";
            let sent = format!(
                "EHLO x\r\nMAIL FROM:<ada@client.example>\r\nRCPT TO:<bob@mx.example>\r\nDATA\r\n\
                 {message}{smuggled}\r\n.\r\nQUIT\r\n"
            );
            stream.write_all(sent.as_bytes()).await.unwrap();
            let mut said = String::new();
            stream.read_to_string(&mut said).await.unwrap();
            assert_eq!(said.matches("\r\n354 ").count(), 1, "{end:?}: {said}");
            assert!(!said.contains("queued") && !said.contains("Queued"), "{end:?}: {said}");
            assert!(said.lines().rev().nth(1).unwrap().starts_with('5'), "{end:?}: {said}");
            assert!(server.inbox("bob").is_empty(), "{end:?}");
        }
    }
}

/// By DATA and BDAT, in SMTP and LMTP: a message is there, once, for each recipient to whom the server has promised it, or is nowhere.
#[tokio::test]
async fn a_client_may_vanish_at_any_byte() {
    let store = MemoryStore::new();
    for name in ["ada", "bob"] {
        store.add_user(name, "secret").unwrap();
    }
    let service = SmtpService::new(store.clone()).with_trace_fields(false);
    let smtp = Server::new(service, Host::try_from("mx.example").unwrap());
    let lmtp = smtp.clone().lmtp();
    let begin = "MAIL FROM:<x@far.example>\r\nRCPT TO:<ada@mx.example>\r\nRCPT TO:<bob@mx.example>\r\n";
    let data = ("DATA\r\nSubject: x\r\n\r\n..\r\n.\r\n", "Subject: x\r\n\r\n.\r\n");
    let bdat = ("BDAT 14\r\nSubject: x\r\n\r\nBDAT 4 LAST\r\n..\r\n", "Subject: x\r\n\r\n..\r\n");
    for (server, hello, promises) in [(&smtp, "EHLO", 1), (&lmtp, "LHLO", 2)] {
        for (message, kept) in [data, bdat] {
            let all = format!("{hello} a.example\r\n{begin}{message}{begin}{message}QUIT\r\n");
            // A message is promised once its last byte has come.
            let ends: Vec<_> = all.match_indices(message).map(|(at, _)| at + message.len()).collect();
            for sent in 0..=all.len() {
                let before =
                    ["ada", "bob"].map(|name| store.user(name).unwrap().messages("INBOX").unwrap().len());
                let (ours, mut theirs) = tokio::io::duplex(1 << 16);
                let talk = async {
                    theirs.write_all(&all.as_bytes()[..sent]).await.unwrap();
                    theirs.shutdown().await.unwrap();
                    let mut said = String::new();
                    theirs.read_to_string(&mut said).await.unwrap();
                    said
                };
                let (_, said) = tokio::join!(server.serve_stream(Stream::other(ours), Channel::Clear), talk);
                let whole = ends.iter().filter(|end| **end <= sent).count();
                assert_eq!(said.matches("250 2.0.0 Stored as ").count(), whole * promises, "{sent}: {said}");
                for (name, before) in ["ada", "bob"].into_iter().zip(before) {
                    let inbox = store.user(name).unwrap().messages("INBOX").unwrap();
                    assert_eq!(inbox.len(), before + whole, "{sent}: {said}");
                    assert!(inbox[before..].iter().all(|message| message == kept), "{sent}: {said}");
                }
            }
        }
    }
}

/// RFC 5321 section 3.5: a server says whether there is a mailbox only where it was told to.
#[tokio::test]
async fn verifying_is_a_switch() {
    for (verify, ada, nobody) in [(false, "252 ", "252 "), (true, "250 ", "550 ")] {
        let store = MemoryStore::new();
        store.add_user("ada", "secret").unwrap();
        let service = SmtpService::new(store).with_verify(verify);
        let server = Server::new(service, Host::try_from("mx.example").unwrap());
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        let said = async {
            let input = "EHLO a\r\nVRFY ada@mx.example\r\nVRFY <nobody@mx.example>\r\nVRFY ada\r\nQUIT\r\n";
            theirs.write_all(input.as_bytes()).await.unwrap();
            theirs.shutdown().await.unwrap();
            let mut said = String::new();
            theirs.read_to_string(&mut said).await.unwrap();
            said
        };
        let (served, said) = tokio::join!(server.serve_stream(Stream::other(ours), Channel::Clear), said);
        served.unwrap();
        let answers: Vec<&str> = said.lines().rev().take(4).collect();
        let starts = answers[3].starts_with(ada) && answers[2].starts_with(nobody);
        assert!(starts && answers[1].starts_with(if verify { "55" } else { "252" }), "{said}");
    }
}

/// RFC 5321 section 4.4: who delivers a message puts the sender's address and a trace field before it.
#[tokio::test]
async fn a_delivery_begins_with_its_trace() {
    let store = MemoryStore::new();
    store.add_user("bob", "hidden").unwrap();
    let name = Host::try_from("mx.example").unwrap();
    for (lmtp, protocol) in [(false, "ESMTP"), (true, "LMTP")] {
        let server = Server::new(SmtpService::new(store.clone()), name.clone());
        let server = if lmtp { server.lmtp() } else { server };
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let client = async {
            let mut config = Config::anonymous();
            (config.lmtp, config.name) = (lmtp, Some("client.example".parse().unwrap()));
            let endpoint = Endpoint::tcp("localhost", 25, CLEAR);
            let mut client = Client::over(Stream::other(theirs), endpoint, config).await.unwrap();
            let envelope = Envelope::new("ada@client.example", ["bob@mx.example"]).unwrap();
            let _sent = client.send(&envelope, "Subject: a\r\n\r\nb\r\n").await.unwrap();
            client.quit().await.unwrap();
        };
        let (served, ()) = tokio::join!(server.serve_stream(Stream::other(ours), Channel::Clear), client);
        served.unwrap();
        let message = store.user("bob").unwrap().messages("INBOX").unwrap().pop().unwrap();
        let message = String::from_utf8(message.to_vec()).unwrap();
        let (trace, date) = message.split_once(";\r\n\t").unwrap();
        assert_eq!(
            trace,
            format!(
                "Return-Path: <ada@client.example>\r\nReceived: from client.example\r\n\
                 \tby mx.example with {protocol}\r\n\tfor <bob@mx.example>"
            )
        );
        let (date, content) = date.split_once("\r\n").unwrap();
        assert!(date.ends_with(" +0000") && content == "Subject: a\r\n\r\nb\r\n", "{message}");
    }
}

/// Refuses what has a word in it, and says of all else that it was looked at.
struct Looking;

impl Inspector for Looking {
    fn inspect<'a>(
        &'a self,
        client: &'a server::Client,
        transaction: &'a server::Transaction,
        message: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Bytes>, Reply>> + Send + 'a>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let found = format!("X-Looked: {} {}\r\n", client.lmtp, transaction.recipients.len());
            if memchr::memmem::find(&message, b"meow").is_some() {
                return Err(Reply::new(ReplyCode::FAILED, "5.7.1 No cats"));
            }
            Ok(vec![found.into(), message])
        })
    }
}

#[tokio::test]
async fn messages_are_looked_at_before_they_are_stored() {
    for lmtp in [false, true] {
        let store = MemoryStore::new();
        for user in ["ada", "bob"] {
            store.add_user(user, "secret").unwrap();
        }
        let listener = Listener::bind("127.0.0.1:0", CLEAR, None).await.unwrap();
        let endpoint = Endpoint::tcp("127.0.0.1", listener.local_addr().unwrap().port(), CLEAR);
        let service = SmtpService::new(store.clone()).with_trace_fields(false);
        let service = service.with_inspector(Looking, Room::new(8 << 10));
        let server = Server::new(service, Host::try_from("mx.example").unwrap());
        let server = if lmtp { server.lmtp() } else { server };
        let stop = CancellationToken::new();
        let task = tokio::spawn({
            let stop = stop.clone();
            async move { server.serve(listener, stop).await }
        });
        let config = if lmtp { Config::lmtp() } else { Config::anonymous() };
        let mut client = Client::connect_with(endpoint, config).await.unwrap();
        let both = Envelope::new("", ["ada@mx.example", "bob@mx.example"]).unwrap();
        let _sent = client.send(&both, "Subject: dogs\r\n\r\nwoof\r\n").await.unwrap();
        let error = client.send(&both, "Subject: cats\r\n\r\nmeow\r\n").await.unwrap_err();
        assert!(error.to_string().contains("5.7.1 No cats"), "{error}");
        // More than there is room for; and then there is again.
        let error = client.send(&both, "x\r\n".repeat(3 << 10)).await.unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("4.3.1"), "{error}");
        let _sent = client.send(&both, "y\r\n".repeat(2 << 10)).await.unwrap();
        client.quit().await.unwrap();
        stop.cancel();
        task.await.unwrap().unwrap();
        for user in ["ada", "bob"] {
            let inbox = store.user(user).unwrap().messages("INBOX").unwrap();
            let [dogs, large] = &inbox[..] else { panic!("{inbox:?}") };
            assert_eq!(*dogs, format!("X-Looked: {lmtp} 2\r\nSubject: dogs\r\n\r\nwoof\r\n"));
            assert!(large.starts_with(b"X-Looked: ") && large.len() > 3 * (2 << 10));
        }
    }
}
