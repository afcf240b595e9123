//! How long a client can hold a connection of a server: in all three protocols, in virtual time.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod raw;

use std::time::Duration;

use mailwire_core::Channel;
use mailwire_transport::server::ServerLimits;
use raw::{ALL, Protocol, Raw, Servers, base64, store};
use tokio::{
    io::AsyncReadExt,
    time::{Instant, sleep},
};

const PIPE: usize = 64 * 1024;

/// Writes one byte each so often until the server has had enough, and gives the seconds that took.
async fn dribble(mut raw: Raw, every: Duration, byte: &[u8]) -> u64 {
    let start = Instant::now();
    while raw.write(byte).await {
        sleep(every).await;
        assert!(start.elapsed() < Duration::from_secs(30 * 24 * 3600), "it goes on for ever");
    }
    start.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn a_command_that_trickles_comes_to_an_end() {
    let servers = Servers::new(&store(0));
    for protocol in ALL {
        let mut raw = servers.connect(protocol, Channel::Tls, PIPE).await;
        assert!(raw.login(protocol, "ada", "secret").await, "{protocol:?}");
        let seconds = dribble(raw, Duration::from_secs(100), b"x").await;
        // IMAP has to let a client be silent for half an hour; more than that is nobody's.
        let limit = if protocol == Protocol::Imap { 1800 } else { 600 };
        assert!((limit..=limit + 200).contains(&seconds), "{protocol:?}: {seconds}");
    }
    // In many lines and literals.
    let mut raw = servers.connect(Protocol::Imap, Channel::Tls, PIPE).await;
    assert!(raw.login(Protocol::Imap, "ada", "secret").await);
    raw.write("a SEARCH").await;
    let seconds = dribble(raw, Duration::from_secs(100), b" SUBJECT {1}\r\nx").await;
    assert!((1800..=2000).contains(&seconds), "{seconds}");
}

/// A connection that has begun to send a message.
async fn sending(servers: &Servers, protocol: Protocol) -> Raw {
    let mut raw = servers.connect(protocol, Channel::Tls, PIPE).await;
    let goes_on = if protocol == Protocol::Smtp {
        for command in ["EHLO x", "MAIL FROM:<a@b>", "RCPT TO:<ada@x>"] {
            assert!(raw.command(protocol, command).await.starts_with("250"), "{command}");
        }
        raw.command(protocol, "DATA").await
    } else {
        assert!(raw.login(protocol, "ada", "secret").await);
        raw.command(protocol, "APPEND INBOX {1000000}").await
    };
    assert!(goes_on.starts_with("354") || goes_on.starts_with('+'), "{goes_on}");
    raw
}

#[tokio::test(start_paused = true)]
async fn a_message_that_trickles_comes_to_an_end() {
    let servers = Servers::new(&store(0));
    for protocol in [Protocol::Smtp, Protocol::Imap] {
        for (every, bytes) in [(299, "x"), (1, "abc"), (1, "\r\n")] {
            let raw = sending(&servers, protocol).await;
            let seconds = dribble(raw, Duration::from_secs(every), bytes.as_bytes()).await;
            assert!((600..=900).contains(&seconds), "{protocol:?}: {seconds}");
        }
        // Slow, and fast enough: 1000 bytes a second.
        let mut raw = sending(&servers, protocol).await;
        for _ in 0..1000 {
            assert!(raw.write(format!("{}\r\n", "x".repeat(998))).await);
            sleep(Duration::from_secs(1)).await;
        }
        raw.write(if protocol == Protocol::Smtp { "\r\n.\r\n" } else { "\r\n" }).await;
        let answer = raw.answer(protocol).await;
        assert!(answer.starts_with("250") || answer.starts_with("a OK"), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_three_bytes_a_second_is_given_up() {
    let servers = Servers::new(&store(1_000_000));
    for protocol in [Protocol::Imap, Protocol::Pop3] {
        let mut raw = servers.connect(protocol, Channel::Tls, 256).await;
        assert!(raw.login(protocol, "ada", "secret").await);
        if protocol == Protocol::Imap {
            raw.command(protocol, "SELECT INBOX").await;
        }
        raw.write(if protocol == Protocol::Imap { "a FETCH 1 BODY[]\r\n" } else { "RETR 1\r\n" }).await;
        let start = Instant::now();
        let mut bytes = [0; 3];
        while raw.stream.read_exact(&mut bytes).await.is_ok() {
            sleep(Duration::from_secs(1)).await;
            assert!(start.elapsed() < Duration::from_secs(24 * 3600), "it goes on for ever");
        }
        raw.ended().await;
        let seconds = start.elapsed().as_secs();
        // What lies in the pipe is read afterwards.
        let limit = if protocol == Protocol::Imap { 1800 } else { 600 };
        assert!((600..=limit + 300).contains(&seconds), "{protocol:?}: {seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_has_no_business_has_minutes() {
    let servers = Servers::new(&store(0));
    for (protocol, limit) in [(Protocol::Smtp, 300), (Protocol::Imap, 180), (Protocol::Pop3, 180)] {
        let mut raw = servers.connect(protocol, Channel::Tls, PIPE).await;
        let start = Instant::now();
        let last = loop {
            sleep(Duration::from_secs(20)).await;
            let answer = raw.command(protocol, "NOOP").await;
            if answer.starts_with("421") || answer.starts_with("* BYE") || answer.contains("in time") {
                break answer;
            }
            assert!(start.elapsed() < Duration::from_secs(3600), "{protocol:?}: {answer}");
        };
        let seconds = start.elapsed().as_secs();
        assert!((limit..=limit + 40).contains(&seconds), "{protocol:?}: {seconds} {last}");
        assert_eq!(raw.rest().await, "");
    }
    // Who has mail for somebody here may go on.
    let mut raw = servers.connect(Protocol::Smtp, Channel::Tls, PIPE).await;
    for command in ["EHLO x", "MAIL FROM:<a@b>", "RCPT TO:<ada@x>"] {
        assert!(raw.command(Protocol::Smtp, command).await.starts_with("250"), "{command}");
    }
    for _ in 0..5 {
        sleep(Duration::from_secs(250)).await;
        assert!(raw.command(Protocol::Smtp, "NOOP").await.starts_with("250"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_exchange_that_trickles_comes_to_an_end() {
    let servers = Servers::new(&store(0));
    for protocol in ALL {
        let mut raw = servers.connect(protocol, Channel::Tls, PIPE).await;
        raw.scram(protocol, "ada").await;
        let seconds = dribble(raw, Duration::from_secs(10), base64(b"c").as_bytes()).await;
        assert!((170..=320).contains(&seconds), "{protocol:?}: {seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_has_an_end() {
    let mut limits = ServerLimits::default();
    limits.session = Some(Duration::from_secs(7200));
    let servers = Servers::new(&store(0)).with_limits(&limits);
    for protocol in ALL {
        let mut raw = servers.connect(protocol, Channel::Tls, PIPE).await;
        assert!(raw.login(protocol, "ada", "secret").await);
        let start = Instant::now();
        let last = loop {
            sleep(Duration::from_secs(290)).await;
            let answer = raw.command(protocol, "NOOP").await;
            if !["250", "a OK", "+OK"].iter().any(|ok| answer.starts_with(ok)) {
                break answer;
            }
            assert!(start.elapsed() < Duration::from_secs(30_000), "{protocol:?}");
        };
        assert!(last.contains("too long"), "{protocol:?}: {last} after {:?}", start.elapsed());
        assert!((7200..=7500).contains(&start.elapsed().as_secs()), "{protocol:?}");
    }
    // What is in progress then has the grace to come to its end.
    for protocol in [Protocol::Smtp, Protocol::Imap] {
        let start = Instant::now();
        let mut raw = servers.connect(protocol, Channel::Tls, PIPE).await;
        assert!(raw.login(protocol, "ada", "secret").await);
        while start.elapsed() < Duration::from_secs(7100) {
            sleep(Duration::from_secs(100)).await;
            raw.command(protocol, "NOOP").await;
        }
        let begin = if protocol == Protocol::Smtp {
            raw.command(protocol, "MAIL FROM:<a@b>").await;
            raw.command(protocol, "RCPT TO:<ada@x>").await;
            "DATA"
        } else {
            "APPEND INBOX {1000000}"
        };
        let goes_on = raw.command(protocol, begin).await;
        assert!(goes_on.starts_with("354") || goes_on.starts_with('+'), "{goes_on}");
        let mut seconds = 0;
        while raw.write("0123456789".repeat(100)).await && seconds < 1000 {
            sleep(Duration::from_secs(1)).await;
            seconds += 1;
        }
        let rest = raw.rest().await;
        assert!(
            rest.starts_with("421 ") || rest.starts_with("* BYE"),
            "{protocol:?}: {rest} after {seconds}"
        );
        assert!((7229..=7235).contains(&start.elapsed().as_secs()), "{protocol:?}: {:?}", start.elapsed());
    }
}
