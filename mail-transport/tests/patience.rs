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

/// A server that never pauses is never waited for.
#[tokio::test(start_paused = true)]
async fn a_flood_without_a_pause_has_an_end() {
    let mut timeouts = Timeouts::interactive();
    timeouts.command = Duration::from_secs(5);
    timeouts.whole = Duration::from_secs(20);
    let (ours, mut theirs) = tokio::io::duplex(1 << 16);
    let many = "* 5 EXISTS\r\n".repeat(5000);
    let server = async {
        let script = imap_script(&format!("{SELECTED}C: ~ NOOP"));
        assert_eq!(play(&mut theirs, &script).await, "");
        let mut bytes = 0;
        while theirs.write_all(many.as_bytes()).await.is_ok() {
            bytes += many.len();
        }
        bytes
    };
    let client = async {
        let mut client = imap_in(timeouts, Stream::other(ours)).await.unwrap();
        client.select("INBOX").await.unwrap();
        client.noop().await.unwrap_err()
    };
    let begun = Instant::now();
    let (bytes, error) = tokio::join!(server, client);
    assert!(matches!(error.violation(), Some(Violation::TimedOut { .. })), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(20), "no time has passed");
    assert!((20 << 20..24 << 20).contains(&bytes), "{bytes}");
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
