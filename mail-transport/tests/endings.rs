//! What the caller is told when a call fails, and after it: the server's words, what ended the
//! connection, whether it is worth another try.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod peer;

use mailwire_core::{Dialect, Error as Violation};
use mailwire_transport::{
    Endpoint, Error, InvalidValue, Payload, Phase, RefusedKind, Result, Security, Stream, Timeouts,
    imap::{self, UidSet},
    pop3::{self, Deletions},
    sasl::{Credentials, Mechanism, SaslError},
    smtp::{self, Envelope, proto::client::Outcome},
};
use peer::{ada, endpoint, imap, imap_script, pop3, pop3_script, smtp, smtp_script, with};

fn to_bob() -> Envelope {
    Envelope::new("ada@a.example", ["bob@b.example"]).unwrap()
}

/// What the server says to MAIL, RCPT and DATA of one message.
fn transaction(replies: &str) -> String {
    smtp_script(&format!("C: MAIL FROM:<ada@a.example>\nC: RCPT TO:<bob@b.example>\nC: DATA\n{replies}"))
}

async fn send(script: &str) -> (Error, smtp::Client) {
    with(script, async |stream| {
        let mut client = smtp(stream).await.unwrap();
        let error = client.send(&to_bob(), "hello\r\n").await.unwrap_err();
        (error, client)
    })
    .await
}

#[tokio::test]
async fn a_421_within_a_transaction_is_told() {
    for (replies, command) in [
        ("S: 421 4.7.0 Try again later", "MAIL"),
        ("S: 250 ok\nS: 421 4.7.0 Try again later", "RCPT"),
        ("S: 250 ok\nS: 250 ok\nS: 421 4.7.0 Try again later", "DATA"),
    ] {
        let (error, mut client) = send(&transaction(replies)).await;
        assert_eq!(error.to_string(), format!("the server refused {command}: 421 4.7.0 Try again later"));
        assert!(error.is_transient() && !error.is_authentication());
        assert!(!client.is_usable());
        // Each later call says that once more; of its message, nothing was sent.
        for _ in 0..2 {
            let later = client.send(&to_bob(), "hello\r\n").await.unwrap_err();
            assert_eq!(later.to_string(), error.to_string());
            assert!(later.is_transient());
            assert_eq!(client.outcome(), Outcome::NotSent);
        }
        assert_eq!(client.noop().await.unwrap_err().to_string(), error.to_string());
        client.quit().await.unwrap_err();
    }
}

#[tokio::test]
async fn a_421_between_messages_is_told() {
    let script = transaction(
        "S: 250 ok\nS: 250 ok\nS: 354 go\nR: message\nS: 250 queued\nS: 421 4.4.2 idle for too long",
    );
    with(&script, async |stream| {
        let mut client = smtp(stream).await.unwrap();
        let _ = client.send(&to_bob(), "hello\r\n").await.unwrap();
        assert_eq!(client.outcome(), Outcome::Accepted);
        for _ in 0..2 {
            let error = client.send(&to_bob(), "hello\r\n").await.unwrap_err();
            assert_eq!(error.refused().unwrap().kind, RefusedKind::Smtp(421), "{error}");
            assert!(error.is_transient());
            assert_eq!(client.outcome(), Outcome::NotSent);
        }
        assert!(!client.is_usable());
    })
    .await;
}

#[tokio::test]
async fn an_ended_connection_says_what_ended_it() {
    let (error, mut client) = send(&transaction("S: 250 ok\nS: 250 ok\nS: 354 go")).await;
    assert!(
        matches!(error, Error::Io(_) | Error::Protocol { error: Violation::UnexpectedEof { .. }, .. }),
        "{error:?}"
    );
    for _ in 0..2 {
        let later = client.noop().await.unwrap_err();
        assert_eq!(later.to_string(), format!("the connection is over: {error}"));
        assert!(matches!(later, Error::Ended(_)) && later.is_transient());
    }

    // A refused message is not the refusal of the next one.
    let refused = "S: 250 ok\nS: 250 ok\nS: 354 go\nS: 554 5.3.4 no room";
    let (error, mut client) = send(&transaction(refused)).await;
    if let Some(refused) = error.refused() {
        assert_eq!(refused.kind, RefusedKind::Smtp(554));
    }
    if !client.is_usable() {
        let later = client.noop().await.unwrap_err();
        assert!(matches!(later, Error::Ended(_)) && later.is_transient(), "{later}");
    }

    let script = imap_script("C: ~ NOOP\nS: * BYE [UNAVAILABLE] restarting");
    with(&script, async |stream| {
        let mut client = imap(stream).await.unwrap();
        assert!(client.is_usable());
        for _ in 0..2 {
            let error = client.noop().await.unwrap_err();
            assert_eq!(error.to_string(), "the server refused NOOP: BYE [UNAVAILABLE] restarting");
            assert!(error.is_transient() && !client.is_usable());
        }
    })
    .await;
    with(&imap_script("C: ~ NOOP"), async |stream| {
        let mut client = imap(stream).await.unwrap();
        let error = client.noop().await.unwrap_err();
        assert!(matches!(error.violation(), Some(Violation::UnexpectedEof { .. })), "{error:?}");
        for _ in 0..2 {
            let later = client.select("INBOX").await.unwrap_err();
            assert_eq!(later.to_string(), format!("the connection is over: {error}"));
            assert!(later.is_transient());
        }
        client.logout().await.unwrap_err();
    })
    .await;
    with(&pop3_script("C: STAT\nS: +OK 1 1\nC: NOOP"), async |stream| {
        let mut client = pop3(stream).await.unwrap();
        client.stat().await.unwrap();
        assert!(client.is_usable());
        let error = client.noop().await.unwrap_err();
        for _ in 0..2 {
            let later = client.stat().await.unwrap_err();
            assert_eq!(later.to_string(), format!("the connection is over: {error}"));
            assert!(later.is_transient() && !client.is_usable());
        }
    })
    .await;
}

#[tokio::test]
async fn a_sentence_in_place_of_an_answer_is_told() {
    let words = "Your IP Address is blocked. Please contact support* BYE";
    let script = format!("S: * OK [CAPABILITY IMAP4rev1] hi\nC: ~ LOGIN ada \"tanstaaf\"\nS: {words}");
    let error = with(&script, imap).await.unwrap_err();
    assert!(error.to_string().ends_with(&format!("the server said: {words}")), "{error}");
    assert!(matches!(error.violation(), Some(Violation::UnexpectedEof { .. })) && error.is_transient());

    let script = format!("S: +OK hi\nC: USER ada\nS: {words}");
    let error = with(&script, pop3).await.unwrap_err();
    assert!(error.to_string().ends_with(&format!("the server said: {words}")), "{error}");

    for script in [
        smtp_script(&format!("C: NOOP\nS: {words}")),
        smtp_script(&format!("C: NOOP\nS: 999-{words}\nS: 999 x")),
    ] {
        let error = with(&script, async |stream| smtp(stream).await?.noop().await).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }

    // Escaped and cut.
    let long = format!("\u{1b}[31m{}", "x".repeat(100_000));
    let script = format!("S: * OK [CAPABILITY IMAP4rev1] hi\nC: ~ LOGIN ada \"tanstaaf\"\nS: {long}");
    let error = with(&script, imap).await.unwrap_err().to_string();
    assert!(error.len() < 1000 && !error.contains('\u{1b}'), "{error}");
}

#[tokio::test]
async fn greetings_of_another_kind_are_told() {
    for (greeting, protocols) in [
        ("* OK IMAP4rev1 ready", "sp"),
        ("220 mx.example ESMTP", "ip"),
        ("+OK POP3 ready", "is"),
        ("SSH-2.0-OpenSSH_9.9", "isp"),
        ("HTTP/1.1 400 Bad Request", "isp"),
        ("* NO too many connections", "i"),
        ("250 what", "s"),
    ] {
        let script = format!("S: {greeting}\nwait");
        for protocol in protocols.chars() {
            let error = match protocol {
                'i' => with(&script, imap).await.unwrap_err(),
                's' => with(&script, smtp).await.unwrap_err(),
                _ => with(&script, pop3).await.unwrap_err(),
            };
            assert!(matches!(error.violation(), Some(Violation::InvalidGreeting { .. })), "{error:?}");
            let text = error.to_string();
            assert!(text.ends_with(&format!("the server said: {greeting}")), "{text}");
            assert!(text.starts_with("mail.example:1: the greeting is not one of this protocol"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_strict_client_takes_no_deviation() {
    // A tab where a space is due.
    let script = "S: 220\tmx.example\nC: EHLO localhost\nS: 250 mx.example";
    assert!(with(script, smtp).await.is_ok());
    let strict = smtp::Config::anonymous().with_dialect(Dialect::Strict);
    let greeting = "S: 220\tmx.example\nwait";
    let refused = with(greeting, async |stream| smtp::Client::over(stream, endpoint(), strict).await).await;
    let error = refused.unwrap_err();
    assert!(matches!(error.violation(), Some(Violation::InvalidGreeting { .. })), "{error:?}");
}

#[tokio::test]
async fn the_refusal_of_ehlo_is_told() {
    let refused = "S: 220 mx.example\nC: EHLO localhost\nS: 550 5.5.0 Invalid EHLO domain.";
    for rest in ["", "C: HELO localhost", "C: HELO localhost\nS: 500 what", "C: HELO localhost\nS: 421 x"] {
        let error = with(&format!("{refused}\n{rest}"), smtp).await.unwrap_err();
        assert_eq!(error.to_string(), "the server refused EHLO: 550 5.5.0 Invalid EHLO domain.", "{rest}");
        assert!(!error.is_transient());
    }
    let client = with(&format!("{refused}\nC: HELO localhost\nS: 250 mx"), smtp).await;
    assert!(client.is_ok());
}

#[tokio::test]
async fn the_refusal_of_tls_is_told() {
    let endpoint = || Endpoint::tcp("mail.example", 1, Security::required_starttls());
    let script =
        "S: 220 hi\nC: EHLO localhost\nS: 250-hi\nS: 250 STARTTLS\nC: STARTTLS\nS: 454 4.7.0 no certificate";
    let config = smtp::Config::anonymous;
    let error = with(script, async |stream| smtp::Client::over(stream, endpoint(), config()).await)
        .await
        .unwrap_err();
    assert!(error.to_string().ends_with("the server said: 454 4.7.0 no certificate"), "{error}");
    let script = "S: * OK hi\nC: ~ STARTTLS\nS: ~ NO no certificate";
    let config = imap::Config::anonymous;
    let error = with(script, async |stream| imap::Client::over(stream, endpoint(), config()).await)
        .await
        .unwrap_err();
    assert!(error.to_string().ends_with("the server said: NO no certificate"), "{error}");
    let script = "S: +OK hi\nC: STLS\nS: -ERR no certificate";
    let config = pop3::Config::login(ada()).with_ask_capabilities(false);
    let error =
        with(script, async |stream| pop3::Client::over(stream, endpoint(), config).await).await.unwrap_err();
    assert!(error.to_string().ends_with("the server said: -ERR no certificate"), "{error}");
    assert!(matches!(error.violation(), Some(Violation::TlsUnavailable { .. })), "{error:?}");
}

/// The server means the command, but says so without its tag, and waits.
#[tokio::test(start_paused = true)]
async fn an_untagged_bad_refuses_what_waits_for_the_server() {
    let bad = "S: * BAD command line limit exceeded\nwait";
    let script = imap_script(&format!("C: ~ APPEND x {{5}}\n{bad}"));
    with(&script, async |stream| {
        let mut client = imap(stream).await.unwrap();
        let begun = tokio::time::Instant::now();
        let error = client.append("x", "hello").await.unwrap_err();
        assert_eq!(error.to_string(), "the server refused APPEND: BAD command line limit exceeded");
        assert!(!error.is_transient() && !client.is_usable() && begun.elapsed().is_zero());
        assert!(matches!(client.noop().await, Err(Error::Ended(_))));
    })
    .await;
    with(&imap_script(&format!("C: ~ IDLE\n{bad}")), async |stream| {
        let mut client = imap(stream).await.unwrap();
        let error = client.idle().await.unwrap_err();
        assert_eq!(error.to_string(), "the server refused IDLE: BAD command line limit exceeded");
    })
    .await;
    let script = format!("S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\nC: ~ AUTHENTICATE PLAIN\n{bad}");
    let config = || imap::Config::login(ada()).with_allow_clear_credentials(true);
    let error = with(&script, async |stream| imap::Client::over(stream, endpoint(), config()).await).await;
    let error = error.unwrap_err();
    assert_eq!(error.to_string(), "the server refused AUTHENTICATE: BAD command line limit exceeded");

    // Where nothing waits for the server it is a warning, and told when time runs out.
    with(&imap_script(&format!("C: ~ NOOP\n{bad}")), async |stream| {
        let mut client = imap(stream).await.unwrap();
        let error = client.noop().await.unwrap_err();
        assert!(error.to_string().ends_with("the server said: BAD command line limit exceeded"), "{error}");
        assert!(error.is_transient());
    })
    .await;
}

#[tokio::test]
async fn a_tagged_bye_is_the_end_of_its_command() {
    with(&imap_script("C: ~ LOGOUT\nS: ~ BYE Server logging out\nwait"), async |stream| {
        imap(stream).await.unwrap().logout().await.unwrap();
    })
    .await;
    with(&imap_script("C: ~ NOOP\nS: ~ BYE [UNAVAILABLE] x\nwait"), async |stream| {
        let error = imap(stream).await.unwrap().noop().await.unwrap_err();
        assert_eq!(error.to_string(), "the server refused NOOP: BYE [UNAVAILABLE] x");
    })
    .await;
    let script = "S: * OK [CAPABILITY IMAP4rev1] hi\nC: ~ LOGIN ada \"tanstaaf\"\nS: ~ BYE not you\nwait";
    let error = with(script, imap).await.unwrap_err();
    assert_eq!(error.to_string(), "the server refused LOGIN: BYE not you");
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_without_its_answer_is_no_failure() {
    for rest in ["", "S: 221 bye", "S: 421 bye", "S: what", "S: 500 what", "wait"] {
        with(&smtp_script(&format!("C: QUIT\n{rest}")), async |stream| {
            smtp(stream).await.unwrap().quit().await.unwrap();
        })
        .await;
    }
    for rest in
        ["", "S: * BYE", "S: * BYE\nS: ~ OK", "S: * NO nobody cares", "S: * BAD what", "S: what", "wait"]
    {
        with(&imap_script(&format!("C: ~ LOGOUT\n{rest}")), async |stream| {
            imap(stream).await.unwrap().logout().await.unwrap();
        })
        .await;
    }
    for rest in ["", "S: +OK"] {
        with(&pop3_script(&format!("C: QUIT\n{rest}")), async |stream| {
            let deletions = pop3(stream).await.unwrap().quit().await.unwrap();
            assert_eq!(deletions, Deletions::None);
        })
        .await;
    }
    // Here something depends on it.
    with(&pop3_script("C: DELE 1\nS: +OK\nC: QUIT"), async |stream| {
        let mut client = pop3(stream).await.unwrap();
        client.dele(1).await.unwrap();
        assert_eq!(client.quit().await.unwrap_err().deletions, Deletions::Unknown);
    })
    .await;
}

#[tokio::test]
async fn after_a_goodbye_each_call_says_that_it_is_over() {
    with(&smtp_script("C: QUIT\nS: 221 bye"), async |stream| {
        let mut client = smtp(stream).await.unwrap();
        client.call(smtp::proto::Command::Quit).await.unwrap();
        client.noop().await.unwrap_err();
        for _ in 0..2 {
            let later = client.noop().await.unwrap_err();
            assert!(matches!(later, Error::Ended(_)) && later.is_transient(), "{later:?}");
            let later = client.send(&to_bob(), "hello\r\n").await.unwrap_err();
            assert!(matches!(later, Error::Ended(_)), "{later:?}");
        }
    })
    .await;
    with(&imap_script("C: ~ LOGOUT\nS: ~ OK bye"), async |stream| {
        let mut client = imap(stream).await.unwrap();
        client.call(imap::proto::command::Command::Logout).await.unwrap();
        client.noop().await.unwrap_err();
        for _ in 0..2 {
            let later = client.noop().await.unwrap_err();
            assert!(matches!(later, Error::Ended(_)) && later.is_transient(), "{later:?}");
        }
    })
    .await;
}

/// A stream that gives what comes once that was written what it waits for, and is reset then.
struct Reset {
    written: Vec<u8>,
    coming: std::collections::VecDeque<(&'static str, &'static str)>,
    reading: Option<std::task::Waker>,
}

impl tokio::io::AsyncRead for Reset {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let Some(&(awaited, comes)) = self.coming.front() else { return std::task::Poll::Pending };
        if !String::from_utf8_lossy(&self.written).contains(awaited) {
            self.reading = Some(cx.waker().clone());
            return std::task::Poll::Pending;
        }
        if comes.is_empty() {
            return std::task::Poll::Ready(Err(std::io::ErrorKind::ConnectionReset.into()));
        }
        self.coming.pop_front();
        buffer.put_slice(comes.as_bytes());
        std::task::Poll::Ready(Ok(()))
    }
}

impl tokio::io::AsyncWrite for Reset {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        self.written.extend_from_slice(bytes);
        if let Some(waker) = self.reading.take() {
            waker.wake();
        }
        std::task::Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

/// Of commands in one group, the first without an answer is the one that was waited for.
#[tokio::test]
async fn a_reset_names_the_command_that_was_waited_for() {
    for (replies, command) in [("", "MAIL"), ("250 a\r\n", "RCPT"), ("250 a\r\n250 b\r\n", "DATA")] {
        let mut coming: std::collections::VecDeque<_> =
            [("", "220 hi\r\n"), ("EHLO", "250-hi\r\n250 PIPELINING\r\n")].into();
        coming.extend((!replies.is_empty()).then_some(("DATA", replies)));
        coming.push_back(("DATA", ""));
        let stream = Stream::other(Reset { written: Vec::new(), coming, reading: None });
        let mut client = smtp(stream).await.unwrap();
        let error = client.send(&to_bob(), "hello\r\n").await.unwrap_err();
        assert!(error.to_string().starts_with(&format!("mail.example:1: {command}: ")), "{error}");
    }
}

#[tokio::test]
async fn answers_without_their_beginning() {
    let script = imap_script(
        "C: ~ SELECT INBOX
        S: * 3 EXISTS
        S: ~ OK [READ-WRITE] x
        C: ~ UID MOVE 7:8 Archive
        S: [COPYUID 124 7:8 233:234]
        S: * 2 EXPUNGE
        S: * 1 EXPUNGE
        S: ~ OK moved",
    );
    with(&script, async |stream| {
        let mut client = imap(stream).await.unwrap();
        client.select("INBOX").await.unwrap();
        let moved = client.uid_move_to([7, 8], "Archive").await.unwrap().unwrap();
        assert_eq!(moved.destination.to_string(), "233:234");
    })
    .await;
    with(&pop3_script("C: UIDL 1\nS: +OK 00001a1457b5a851\nC: LIST 1\nS: +OK 99"), async |stream| {
        let mut client = pop3(stream).await.unwrap();
        assert_eq!(client.uidl_one(1).await.unwrap().unique_id.as_bytes(), b"00001a1457b5a851");
        assert_eq!(client.list_one(1).await.unwrap().octets, Some(99));
    })
    .await;
}

/// A client that mends nothing.
async fn refusing(stream: Stream) -> Result<smtp::Client> {
    let config = smtp::Config::anonymous().with_bare_newline(smtp::BareNewline::Refuse);
    smtp::Client::over(stream, endpoint(), config).await
}

#[tokio::test]
async fn a_bare_newline_in_memory_is_found_before_anything_is_sent() {
    with(&smtp_script("C: NOOP\nS: 250 ok"), async |stream| {
        let mut client = refusing(stream).await.unwrap();
        let error = client.send(&to_bob(), "one\r\ntwo\nthree\r\n").await.unwrap_err();
        assert!(matches!(error, Error::Misuse(mailwire_core::Misuse::InvalidBody { offset: 8, .. })));
        assert_eq!(client.outcome(), Outcome::NotSent);
        assert!(client.is_usable());
        client.noop().await.unwrap();
    })
    .await;
    // From a reader it is found too late, and that is what each later call says.
    with(&transaction("S: 250 ok\nS: 250 ok\nS: 354 go\nwait"), async |stream| {
        let mut client = refusing(stream).await.unwrap();
        let message = Payload::from_reader(&b"one\r\ntwo\nthree\r\n"[..], None);
        let error = client.send(&to_bob(), message).await.unwrap_err();
        let later = client.noop().await.unwrap_err();
        assert_eq!(later.to_string(), format!("the connection is over: {error}"));
        assert!(later.is_transient() && !client.is_usable());
    })
    .await;
}

/// A reader that fails is not the network.
#[tokio::test]
async fn a_reader_that_fails_is_named() {
    struct Broken;
    impl tokio::io::AsyncRead for Broken {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Ready(Err(std::io::Error::other("the disk is gone")))
        }
    }
    with(&transaction("S: 250 ok\nS: 250 ok\nS: 354 go\nwait"), async |stream| {
        let mut client = smtp(stream).await.unwrap();
        let error = client.send(&to_bob(), Payload::from_reader(Broken, None)).await.unwrap_err();
        assert_eq!(error.to_string(), "the message: cannot be read: the disk is gone");
        let later = client.noop().await.unwrap_err().to_string();
        assert_eq!(later, "the connection is over: the message: cannot be read: the disk is gone");
    })
    .await;
}

#[tokio::test]
async fn failures_name_host_phase_and_cause() {
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let clear = Security::plaintext_without_encryption();
    let endpoint = Endpoint::tcp("127.0.0.1", closed, clear);
    let error = endpoint.connect().await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with(&format!("127.0.0.1:{closed}: connecting: ")), "{text}");
    assert!(text.to_lowercase().contains("connection refused"), "{text}");
    let Error::Io(error) = error else { panic!("{error:?}") };
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);

    let error = Endpoint::tcp("no.such.host.invalid", 25, clear).connect().await.unwrap_err();
    assert!(error.to_string().starts_with("no.such.host.invalid:25: looking up the name"), "{error}");

    // A server that does not speak TLS.
    let (ours, theirs) = tokio::io::duplex(4096);
    drop(theirs);
    let endpoint = Endpoint::tcp("mail.example", 993, Security::implicit_tls());
    let error = endpoint.start_tls(mailwire_transport::Stream::other(ours)).await.unwrap_err();
    assert!(error.to_string().starts_with("mail.example:993: "), "{error}");

    // What is displayed is not told once more by the source.
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        assert!(!error.to_string().contains(&cause.to_string()), "{error} {cause}");
        source = cause.source();
    }
}

#[tokio::test(start_paused = true)]
async fn time_that_runs_out_names_the_host() {
    let endpoint =
        Endpoint::tcp("mail.example", 993, Security::implicit_tls()).with_timeouts(Timeouts::interactive());
    let (ours, _theirs) = tokio::io::duplex(4096);
    let error = endpoint.start_tls(mailwire_transport::Stream::other(ours)).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { phase: Phase::Tls, .. }));
    assert_eq!(error.to_string(), "mail.example:993: the TLS handshake took longer than 10s");
}

#[test]
fn refused_values_are_shown() {
    let error = Envelope::new("nobody", ["bob@b.example"]).unwrap_err();
    assert!(error.to_string().starts_with("\"nobody\" is not a valid "), "{error}");
    let error = Error::from(Envelope::new("", ["a\u{1b}b"]).unwrap_err()).to_string();
    assert!(error.starts_with("\"a\\u{1b}b\" is not"), "{error}");
    let long = InvalidValue::new(mailwire_core::Invalid::new("x", 0, "y"), &"x".repeat(1 << 20));
    assert!(long.to_string().len() < 1000);
}

#[tokio::test]
async fn servers_that_forbid_logins_in_clear_say_so() {
    let token = || Credentials::token("ada", "token");
    let script = "S: * OK [CAPABILITY IMAP4rev1 LOGINDISABLED STARTTLS] hi\nwait";
    let mut config = imap::Config::login(ada());
    config.allow_clear_credentials = true;
    let error = with(script, async |stream| imap::Client::over(stream, endpoint(), config).await).await;
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Sasl(SaslError::NoMechanism { needs_tls: true, .. })), "{error:?}");
    assert!(error.to_string().contains("within TLS"), "{error}");
    let script = "S: 220 hi\nC: EHLO localhost\nS: 250-hi\nS: 250 STARTTLS\nwait";
    let config = smtp::Config::login(ada()).with_allow_clear_credentials(true);
    let error = with(script, async |stream| smtp::Client::over(stream, endpoint(), config).await).await;
    assert!(error.unwrap_err().to_string().contains("within TLS"));
    for (credentials, offered) in [(token(), "PLAIN"), (ada(), "EXTERNAL")] {
        let script = format!("S: +OK hi\nC: CAPA\nS: +OK\nS: SASL {offered}\nS: STLS\nS: .\nwait");
        let config = pop3::Config::login(credentials).with_allow_clear_credentials(true);
        let error = with(&script, async |stream| pop3::Client::over(stream, endpoint(), config).await).await;
        let error = error.unwrap_err();
        assert!(matches!(error, Error::Sasl(SaslError::NoMechanism { needs_tls: true, .. })), "{error:?}");
        assert!(error.to_string().contains("within TLS"), "{error}");
    }
}

/// The three protocols say it in their own ways.
#[tokio::test]
async fn failed_logins_are_alike() {
    async fn all(credentials: Credentials, replies: [&str; 3], mechanism: Mechanism) -> [Error; 3] {
        let [smtp_reply, imap_reply, pop3_reply] = replies;
        let name = mechanism.as_str().to_owned();
        let mut config = smtp::Config::login(credentials.clone()).with_allow_clear_credentials(true);
        config.mechanism = Some(mechanism.clone());
        let script = format!("S: 220 hi\nC: EHLO localhost\nS: 250-hi\nS: 250 AUTH {name}\n{smtp_reply}");
        let smtp = with(&script, async |stream| smtp::Client::over(stream, endpoint(), config).await).await;
        let mut config = imap::Config::login(credentials.clone()).with_allow_clear_credentials(true);
        config.mechanism = Some(imap::LoginMechanism::Sasl(mechanism.clone()));
        let script = format!("S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH={name}] hi\n{imap_reply}");
        let imap = with(&script, async |stream| imap::Client::over(stream, endpoint(), config).await).await;
        let mut config = pop3::Config::login(credentials).with_allow_clear_credentials(true);
        config.mechanism = Some(pop3::LoginMechanism::Sasl(mechanism));
        let script = format!("S: +OK hi\nC: CAPA\nS: +OK\nS: SASL {name}\nS: .\n{pop3_reply}");
        let pop3 = with(&script, async |stream| pop3::Client::over(stream, endpoint(), config).await).await;
        [smtp.unwrap_err(), imap.unwrap_err(), pop3.unwrap_err()]
    }
    const PLAIN: &str = "AGFkYQB0YW5zdGFhZg==";
    let errors = all(
        ada(),
        [
            &format!("C: AUTH PLAIN {PLAIN}\nS: 535 5.7.8 no"),
            &format!("C: ~ AUTHENTICATE PLAIN {PLAIN}\nS: ~ NO [AUTHENTICATIONFAILED] no"),
            &format!("C: AUTH PLAIN {PLAIN}\nS: -ERR [AUTH] no"),
        ],
        Mechanism::Plain,
    )
    .await;
    for error in errors {
        assert!(error.is_authentication() && !error.is_transient(), "{error}");
    }
    let errors = all(
        ada(),
        [
            &format!("C: AUTH PLAIN {PLAIN}\nS: 454 4.7.0 later"),
            &format!("C: ~ AUTHENTICATE PLAIN {PLAIN}\nS: ~ NO [UNAVAILABLE] later"),
            &format!("C: AUTH PLAIN {PLAIN}\nS: -ERR [SYS/TEMP] later"),
        ],
        Mechanism::Plain,
    )
    .await;
    for error in errors {
        assert!(!error.is_authentication() && error.is_transient(), "{error}");
    }
    // {"status":"invalid_token","scope":"mail"}
    let json = "eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NvcGUiOiJtYWlsIn0=";
    let initial = "dXNlcj1hZGEBYXV0aD1CZWFyZXIgdG9rZW4BAQ==";
    let errors = all(
        Credentials::token("ada", "token"),
        [
            &format!("C: AUTH XOAUTH2 {initial}\nS: 334 {json}\nC:\nS: 535 5.7.8 no"),
            &format!("C: ~ AUTHENTICATE XOAUTH2 {initial}\nS: + {json}\nC:\nS: ~ NO no"),
            &format!("C: AUTH XOAUTH2 {initial}\nS: + {json}\nC:\nS: -ERR no"),
        ],
        Mechanism::XOAuth2,
    )
    .await;
    for error in errors {
        assert!(error.is_authentication(), "{error}");
        let oauth = error.refused().unwrap().oauth.as_ref().unwrap();
        assert_eq!(oauth.status, Some("invalid_token".into()));
        assert_eq!(oauth.scope, Some("mail".into()));
        assert!(error.to_string().ends_with("(OAuth status=invalid_token scope=mail)"), "{error}");
    }
}

#[tokio::test]
async fn lines_of_a_refusal_are_joined_one_way() -> Result<()> {
    let script = smtp_script("C: NOOP\nS: 550-5.7.1 one\nS: 550 5.7.1 two");
    let error = with(&script, async |stream| smtp(stream).await?.noop().await).await.unwrap_err();
    assert_eq!(error.refused().unwrap().text, *"one two");
    // An IMAP text has one line.
    let script = imap_script("C: ~ SELECT INBOX\nS: ~ OK x\nC: ~ UID FETCH 1:* FLAGS\nS: ~ NO one");
    let error = with(&script, async |stream| {
        let mut client = imap(stream).await?;
        client.select("INBOX").await?;
        let mut messages = client.uid_fetch(UidSet::all(), [imap::FetchAtt::Flags]).await?;
        messages.next().await.map(drop)
    });
    assert_eq!(error.await.unwrap_err().refused().unwrap().text, *"one");
    Ok(())
}
