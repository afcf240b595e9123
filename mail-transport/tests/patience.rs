//! How long a client waits for servers that never come to an end, in virtual time.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod peer;

use std::time::Duration;

use mailwire_core::Error as Violation;
use mailwire_transport::{
    Endpoint, Error, Payload, Phase, Result, Security, Stream, Timeouts,
    imap::{
        self,
        proto::types::{Section, Uid, UidSet},
    },
    pop3,
    sasl::Mechanism,
    smtp::{self, Envelope},
};
use peer::{ada, imap_script, play, pop3_script, smtp_script};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn endpoint(timeouts: Timeouts) -> Endpoint {
    Endpoint::tcp("mail.example", 1, Security::plaintext_without_encryption()).with_timeouts(timeouts)
}

/// Runs `client` against a server that plays `script` and then says `unit` every `each`, for ever. Gives how
/// the client ended, and after how long.
async fn against<T>(
    script: &str,
    unit: &[u8],
    each: Duration,
    client: impl AsyncFnOnce(Stream) -> Result<T>,
) -> (Error, Duration) {
    let (ours, mut theirs) = tokio::io::duplex(4096);
    let server = async {
        assert_eq!(play(&mut theirs, script).await, "");
        while !unit.is_empty() && theirs.write_all(unit).await.is_ok() {
            sleep(each).await;
        }
        std::future::pending::<()>().await;
    };
    let begun = Instant::now();
    let client = tokio::time::timeout(30 * DAY, client(Stream::other(ours)));
    let error = tokio::select! {
        result = client => match result.unwrap().map(drop) {
            Ok(()) => panic!("it came to a good end"),
            Err(error) => error,
        },
        () = server => unreachable!(),
    };
    (error, begun.elapsed())
}

async fn imap_in(timeouts: Timeouts, stream: Stream) -> Result<imap::Client> {
    let mut config = imap::Config::login(ada()).with_allow_clear_credentials(true);
    config.mechanism = Some(imap::LoginMechanism::Login);
    imap::Client::over(stream, endpoint(timeouts), config).await
}

const SELECTED: &str = "C: ~ SELECT INBOX\nS: * 3 EXISTS\nS: ~ OK [READ-WRITE] x\n";

#[tokio::test(start_paused = true)]
async fn a_command_ends_however_alive_the_server_is() {
    for timeouts in [Timeouts::default(), Timeouts::interactive()] {
        let limit = timeouts.whole;
        let each = timeouts.command / 2;
        let script = imap_script("C: ~ NOOP");
        let noop = async |stream| imap_in(timeouts.clone(), stream).await?.noop().await;
        let (error, after) = against(&script, b"* OK still here\r\n", each, noop).await;
        assert!(matches!(error.violation(), Some(Violation::TimedOut { .. })), "{error:?}");
        assert!(error.is_transient() && after <= limit + each, "{after:?}");

        let second = Duration::from_secs(1);
        let noop = async |stream| imap_in(timeouts.clone(), stream).await?.noop().await;
        let (_, after) = against(&format!("{script}\nS+ * OK "), b"a", second, noop).await;
        assert!(after <= limit + limit / 10, "{after:?}");

        let script = smtp_script("C: NOOP");
        let noop = async |stream| {
            let config = smtp::Config::anonymous();
            smtp::Client::over(stream, endpoint(timeouts.clone()), config).await?.noop().await
        };
        let (_, after) = against(&script, b"250-x\r\n", each, noop).await;
        assert!(after <= limit + each, "{after:?}");

        let uidl = async |stream| {
            let mut config = pop3::Config::login(ada()).with_allow_clear_credentials(true);
            config.mechanism = Some(pop3::LoginMechanism::UserPass);
            let config = config.with_ask_capabilities(false);
            pop3::Client::over(stream, endpoint(timeouts.clone()), config).await?.uidl().await
        };
        let each = timeouts.body / 2;
        let (_, after) = against(&pop3_script("C: UIDL\nS: +OK"), b"1 a\r\n", each, uidl).await;
        assert!(after <= limit + each, "{after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_ends_however_alive_the_server_is() {
    for timeouts in [Timeouts::default(), Timeouts::interactive()] {
        let connect = async |stream| imap_in(timeouts.clone(), stream).await;
        let each = timeouts.command / 2;
        let (error, after) = against("S: * OK hi", b"* OK still here\r\n", each, connect).await;
        assert!(matches!(error, Error::Timeout { phase: Phase::Login, .. }), "{error:?}");
        assert_eq!(after, timeouts.login);
        assert!(error.to_string().starts_with("mail.example:1: the login took longer than"), "{error}");

        // A challenge now and then.
        let connect = async |stream| {
            let mut config = imap::Config::login(ada()).with_allow_clear_credentials(true);
            config.mechanism = Some(imap::LoginMechanism::Sasl(Mechanism::Login));
            imap::Client::over(stream, endpoint(timeouts.clone()), config).await
        };
        let script = "S: * OK [CAPABILITY IMAP4rev1 AUTH=LOGIN] hi";
        let (_, after) = against(script, b"+ VXNlcm5hbWU6\r\n", each, connect).await;
        assert!(after <= timeouts.login, "{after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_have_a_least_rate_in_both_directions() {
    let timeouts = Timeouts::interactive();
    let each = timeouts.body / 2;
    // 1 MB at 500 bytes a second is 2000 seconds more; this one comes at a byte every few seconds.
    let script = imap_script(&format!(
        "{SELECTED}C: ~ UID FETCH 1 BODY.PEEK[]\nS: * 1 FETCH (UID 1 BODY[] {{1000000}}"
    ));
    let fetch = async |stream| {
        let mut client = imap_in(timeouts.clone(), stream).await?;
        client.select("INBOX").await?;
        client.fetch_body(Uid::MIN, Section::WHOLE).await?.unwrap().bytes(1 << 20).await
    };
    let (_, after) = against(&script, b"a", each, fetch).await;
    assert!(after <= timeouts.whole + each, "{after:?}");

    let retr = async |stream| {
        let mut config = pop3::Config::login(ada()).with_allow_clear_credentials(true);
        config.mechanism = Some(pop3::LoginMechanism::UserPass);
        let config = config.with_ask_capabilities(false);
        let mut client = pop3::Client::over(stream, endpoint(timeouts.clone()), config).await?;
        client.retr(1).await?.bytes(1 << 20).await
    };
    let (_, after) = against(&pop3_script("C: RETR 1\nS: +OK"), b"a", each, retr).await;
    assert!(after <= timeouts.whole + each, "{after:?}");

    // A server that takes a byte now and then.
    let (ours, mut theirs) = tokio::io::duplex(64);
    let server = async {
        let script = smtp_script(
            "C: MAIL FROM:<a@b.example>\nC: RCPT TO:<c@d.example>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go",
        );
        assert_eq!(play(&mut theirs, &script).await, "");
        while theirs.read_u8().await.is_ok() {
            sleep(each).await;
        }
        std::future::pending::<()>().await;
    };
    let begun = Instant::now();
    let send = async {
        let config = smtp::Config::anonymous();
        let mut client = smtp::Client::over(Stream::other(ours), endpoint(timeouts.clone()), config).await?;
        let envelope = Envelope::new("a@b.example", ["c@d.example"])?;
        client.send(&envelope, Payload::from("x".repeat(1_000_000))).await
    };
    tokio::select! {
        result = tokio::time::timeout(30 * DAY, send) => drop(result.expect("it ends").unwrap_err()),
        () = server => unreachable!(),
    }
    assert!(begun.elapsed() <= timeouts.whole + 2 * timeouts.body, "{:?}", begun.elapsed());
}

/// What no command asked for gives no time, at whatever rate it comes; nor does it have an end of its own where it comes
/// without a pause.
#[tokio::test(start_paused = true)]
async fn what_nobody_asked_for_gives_no_time() {
    let timeouts = Timeouts::interactive();
    for (command, line) in [
        ("NOOP", "* OK still here\r\n"),
        ("NOOP", "* 5 EXISTS\r\n"),
        ("NOOP", "* 1 FETCH (FLAGS (\\Seen))\r\n"),
        ("NOOP", "* LIST () \"/\" INBOX\r\n"),
        ("NOOP", "* SOMETHING new\r\n"),
        ("LIST", "* 2 FETCH (FLAGS (\\Seen))\r\n"),
        ("LIST", "* OK still here\r\n"),
        ("FETCH", "* 5 EXISTS\r\n"),
    ] {
        let script = imap_script(&match command {
            "NOOP" => format!("{SELECTED}C: ~ NOOP"),
            "LIST" => format!("{SELECTED}C: ~ LIST \"\" *"),
            _ => format!("{SELECTED}C: ~ UID FETCH 1 FLAGS"),
        });
        let call = async |stream| {
            let mut client = imap_in(timeouts.clone(), stream).await?;
            client.select("INBOX").await?;
            match command {
                "NOOP" => client.noop().await,
                "LIST" => client.list("", "*").await.map(drop),
                _ => {
                    let mut messages = client.uid_fetch(Uid::MIN, [imap::FetchAtt::Flags]).await?;
                    while messages.next().await?.is_some() {}
                    Ok(())
                }
            }
        };
        // Faster than the least rate.
        let many = line.repeat(100);
        let second = Duration::from_secs(1);
        let (error, after) = against(&script, many.as_bytes(), second, call).await;
        assert!(matches!(error.violation(), Some(Violation::TimedOut { .. })), "{command} {line}: {error:?}");
        assert!(after <= timeouts.whole + 10 * second, "{command} {line}: {after:?}");
    }
}

/// A server that never pauses is never waited for: it is told what there was too much of, and no time has passed. `unit`
/// comes after `script`, for ever.
async fn flooded<T>(
    script: &str,
    unit: &str,
    client: impl AsyncFnOnce(Stream, Timeouts) -> Result<T>,
) -> Error {
    let mut timeouts = Timeouts::interactive();
    (timeouts.greeting, timeouts.command) = (Duration::from_secs(1), Duration::from_secs(1));
    timeouts.whole = Duration::from_secs(1);
    let (ours, mut theirs) = tokio::io::duplex(1 << 16);
    let many = unit.repeat((1 << 16) / unit.len());
    let server = async {
        assert_eq!(play(&mut theirs, script).await, "");
        let mut bytes = 0;
        while theirs.write_all(many.as_bytes()).await.is_ok() {
            bytes += many.len();
            assert!(bytes < 16 << 20, "{unit:?} after {script}: it goes on for ever");
        }
        std::future::pending::<()>().await;
    };
    let begun = Instant::now();
    let error = tokio::select! {
        result = client(Stream::other(ours), timeouts) => match result.map(drop) {
            Ok(()) => panic!("it came to a good end"),
            Err(error) => error,
        },
        () = server => unreachable!(),
    };
    assert!(begun.elapsed() < Duration::from_secs(1), "{unit:?} after {script}: time has passed");
    error
}

/// What there was too much of, and the limit.
fn excess(error: &Error) -> (&'static str, u64) {
    match error.violation() {
        Some(&Violation::LimitExceeded { what, limit }) => (what, limit),
        Some(&Violation::LineTooLong { limit }) => ("a line", limit as u64),
        _ => panic!("{error:?}"),
    }
}

const UNASKED: (&str, u64) = ("bytes that nobody asked for", 1 << 20);

#[tokio::test(start_paused = true)]
async fn a_flood_without_a_pause_has_an_end() {
    let noop = async |stream, timeouts| {
        let mut client = imap_in(timeouts, stream).await?;
        client.select("INBOX").await?;
        client.noop().await
    };
    let (within, before) = (imap_script(&format!("{SELECTED}C: ~ NOOP")), "S: * OK hi\nC: ~ CAPABILITY");
    // Before the login some of it is not even told to the caller.
    for (script, line) in [
        (&*within, "* 5 EXISTS\r\n"),
        (&*within, "* OK still here\r\n"),
        (&*within, "* LIST () \"/\" INBOX\r\n"),
        (&*within, "* 1 FETCH (BODY[] {5}\r\nabcde)\r\n"),
        (&*within, "odd\r\n"),
        (before, "* 5 EXISTS\r\n"),
        (before, "* 1 FETCH (FLAGS ())\r\n"),
        (before, "* OK still here\r\n"),
        ("", "* OK hi\r\n"),
    ] {
        let error = flooded(script, line, noop).await;
        assert_eq!(excess(&error), UNASKED, "{line:?} after {script}");
        assert!(!error.is_transient() && error.to_string().contains("nobody asked for"), "{error}");
    }
    assert_eq!(excess(&flooded(&within, "x", noop).await), ("a line", 8 << 20));
    let list = async |stream, timeouts| imap_in(timeouts, stream).await?.list("", "*").await;
    let script = imap_script("C: ~ LIST \"\" *");
    assert_eq!(excess(&flooded(&script, "* 5 EXISTS\r\n", list).await), UNASKED);
}

/// The other two have bounds of their own for all that can come without an end.
#[tokio::test(start_paused = true)]
async fn a_flood_of_replies_lines_or_a_body_has_an_end() {
    let noop = async |stream, timeouts| {
        let config = smtp::Config::anonymous();
        smtp::Client::over(stream, endpoint(timeouts), config).await?.noop().await
    };
    let within = smtp_script("C: NOOP");
    for (script, line, expected) in [
        (&*within, "250-x\r\n", ("reply lines", 1000)),
        (&*within, "odd\r\n", ("lines that are no replies", 20)),
        (&*within, "x", ("a line", 16 << 10)),
        ("", "220-x\r\n", ("reply lines", 1000)),
        ("S: 220 hi\nC: EHLO localhost", "250-x\r\n", ("reply lines", 1000)),
    ] {
        assert_eq!(excess(&flooded(script, line, noop).await), expected, "{line:?} after {script}");
    }

    let logged_in = async |stream, timeouts| {
        let mut config = pop3::Config::login(ada()).with_allow_clear_credentials(true);
        config.mechanism = Some(pop3::LoginMechanism::UserPass);
        pop3::Client::over(stream, endpoint(timeouts), config.with_ask_capabilities(false)).await
    };
    let uidl = async |stream, timeouts| logged_in(stream, timeouts).await?.uidl().await;
    let within = pop3_script("C: UIDL\nS: +OK");
    for (script, line, expected) in [(&*within, "x", ("a line", 8 << 10)), ("", "x", ("a line", 8 << 10))] {
        assert_eq!(excess(&flooded(script, line, uidl).await), expected, "{line:?} after {script}");
    }
    let retr =
        async |stream, timeouts| logged_in(stream, timeouts).await?.retr(1).await?.bytes(1 << 20).await;
    let script = pop3_script("C: RETR 1\nS: +OK");
    assert_eq!(excess(&flooded(&script, "x", retr).await), ("bytes of a body", 1 << 20));
}

/// What was asked for may take as long as it is large, and what comes beside it costs nothing then.
#[tokio::test(start_paused = true)]
async fn a_long_listing_that_goes_on_comes_to_its_end() {
    let timeouts = Timeouts::interactive();
    let (ours, mut theirs) = tokio::io::duplex(4096);
    let server = async {
        let script = imap_script(&format!("{SELECTED}C: ~ UID FETCH 1:* FLAGS"));
        assert_eq!(play(&mut theirs, &script).await, "");
        for number in 1..=1000 {
            let flags = "keyword-of-some-length ".repeat(30);
            let line =
                format!("* 3 EXISTS\r\n* {number} FETCH (UID {number} FLAGS ({}))\r\n", flags.trim_end());
            theirs.write_all(line.as_bytes()).await.unwrap();
            sleep(Duration::from_secs(1)).await;
        }
        std::future::pending::<()>().await;
    };
    let fetch = async {
        let mut client = imap_in(timeouts.clone(), Stream::other(ours)).await.unwrap();
        client.select("INBOX").await.unwrap();
        let begun = Instant::now();
        let mut messages = client.uid_fetch(UidSet::all(), [imap::FetchAtt::Flags]).await.unwrap();
        let mut count = 0;
        while count < 1000 {
            messages.next().await.unwrap().unwrap();
            count += 1;
        }
        assert!(begun.elapsed() > 3 * timeouts.whole);
    };
    tokio::select! {
        () = fetch => {}
        () = server => unreachable!(),
    }
}

/// What comes at a fair rate may take as long as it is large, and the caller as long as it likes.
#[tokio::test(start_paused = true)]
async fn a_slow_body_that_goes_on_comes_to_its_end() {
    let timeouts = Timeouts::interactive();
    let (ours, mut theirs) = tokio::io::duplex(4096);
    let server = async {
        let script = imap_script(&format!(
            "{SELECTED}C: ~ UID FETCH 1 BODY.PEEK[]\nS: * 1 FETCH (UID 1 BODY[] {{1000000}}"
        ));
        assert_eq!(play(&mut theirs, &script).await, "");
        for _ in 0..1000 {
            theirs.write_all(&[b'a'; 1000]).await.unwrap();
            sleep(Duration::from_secs(1)).await;
        }
        theirs.write_all(b")\r\n").await.unwrap();
        std::future::pending::<()>().await;
    };
    let fetch = async {
        let mut client = imap_in(timeouts.clone(), Stream::other(ours)).await.unwrap();
        client.select("INBOX").await.unwrap();
        let mut body = client.fetch_body(Uid::MIN, Section::WHOLE).await.unwrap().unwrap();
        let mut length = 0;
        while length < 1_000_000 {
            length += body.chunk().await.unwrap().unwrap().len();
            if length % 10 == 0 {
                sleep(Duration::from_secs(60)).await;
            }
        }
    };
    tokio::select! {
        () = fetch => {}
        () = server => unreachable!(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_can_have_an_end() {
    let mut timeouts = Timeouts::default();
    timeouts.session = Some(Duration::from_secs(600));
    let idle = async |stream| {
        let mut client = imap_in(timeouts.clone(), stream).await?;
        client.select("INBOX").await?;
        let mut idle = client.idle().await?;
        loop {
            idle.next().await?;
        }
        #[allow(unreachable_code, reason = "the type")]
        Ok(())
    };
    let script = imap_script(&format!("{SELECTED}C: ~ IDLE\nS: + idling"));
    let each = Duration::from_secs(60);
    let (error, after) = against(&script, b"* 3 EXISTS\r\n", each, idle).await;
    assert!(matches!(error, Error::Timeout { phase: Phase::Session, .. }), "{error:?}");
    assert_eq!(after, Duration::from_secs(600));
}

/// A server that ends IDLE at once, for ever.
#[tokio::test(start_paused = true)]
async fn an_idle_that_comes_to_nothing_is_given_up() {
    let (ours, mut theirs) = tokio::io::duplex(4096);
    let server = async {
        assert_eq!(play(&mut theirs, &imap_script(SELECTED)).await, "");
        let mut rounds = 0;
        while play(&mut theirs, "C: ~ IDLE\nS: + idling\nS: ~ OK done").await.is_empty() {
            rounds += 1;
        }
        rounds
    };
    let client = async {
        let mut client = imap_in(Timeouts::default(), Stream::other(ours)).await.unwrap();
        client.select("INBOX").await.unwrap();
        let begun = Instant::now();
        let mut idle = client.idle().await.unwrap();
        let error = loop {
            match idle.next().await {
                Ok(update) => assert!(matches!(update, imap::client::Update::Exists(3)), "{update:?}"),
                Err(error) => break error,
            }
        };
        assert!(error.to_string().contains("the end of IDLE at once, again and again"), "{error}");
        let waited = begun.elapsed();
        assert!(waited > Duration::from_secs(60) && waited < Duration::from_secs(600), "{waited:?}");
        idle.done().await.unwrap();
        assert!(client.is_usable());
    };
    let (rounds, ()) = tokio::join!(server, client);
    assert!(rounds < 20, "{rounds}");
}

/// Nothing depends on the answer to LOGOUT, or to QUIT of SMTP.
#[tokio::test(start_paused = true)]
async fn a_goodbye_is_not_waited_for_long() {
    for timeouts in [Timeouts::default(), Timeouts::interactive()] {
        for protocol in ["imap", "smtp"] {
            for unit in ["", "* OK still here\r\n", "250-a\r\n", "a"] {
                let (ours, mut theirs) = tokio::io::duplex(4096);
                let (stream, timeouts) = (Stream::other(ours), timeouts.clone());
                let limit = 2 * timeouts.close;
                let script = match protocol {
                    "imap" => imap_script("C: ~ LOGOUT"),
                    _ => smtp_script("C: QUIT"),
                };
                let server = async {
                    assert_eq!(play(&mut theirs, &script).await, "");
                    while !unit.is_empty() && theirs.write_all(unit.as_bytes()).await.is_ok() {
                        sleep(Duration::from_secs(1)).await;
                    }
                    std::future::pending::<()>().await;
                };
                let client = async {
                    if protocol == "imap" {
                        imap_in(timeouts, stream).await?.logout().await
                    } else {
                        let config = smtp::Config::anonymous();
                        smtp::Client::over(stream, endpoint(timeouts), config).await?.quit().await
                    }
                };
                let begun = Instant::now();
                tokio::select! {
                    result = tokio::time::timeout(DAY, client) => result.unwrap().unwrap(),
                    () = server => unreachable!(),
                }
                assert!(begun.elapsed() <= limit, "{protocol} {unit:?}: {:?}", begun.elapsed());
            }
        }
    }
}
