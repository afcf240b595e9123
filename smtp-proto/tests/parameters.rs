//! The parameters of extensions: read, written, and kept to what is offered.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use common::{Granting, client_config, drain, ready_client_with, server_config};
use mailwire_core::{Channel, NotOffered, WrongState};
use mailwire_smtp::{
    Capabilities, Capability, Command, DateTime, Dialect, Misuse, Rcpt,
    extensions::{
        deliver_by::{ByMode, DeliverBy, DeliverByParam},
        future_release::{FutureRelease, Hold, HoldInterval},
        limits::SessionLimits,
        priority::Priority,
        tracking::Tracking,
        valid_since::{NoSupport, ValidSince},
    },
    server,
};

const MAIL: &str = "MAIL FROM:<a@b.example> ";
const RCPT: &str = "RCPT TO:<a@b.example> ";

fn parse(line: &str) -> Command {
    let frame = Bytes::copy_from_slice(line.as_bytes());
    Command::parse(&frame, Dialect::Strict).unwrap_or_else(|error| panic!("{line}: {error}")).value
}

/// Each is written as the other.
fn written(start: &str, pairs: &[(&str, &str)]) {
    for (parameter, meaning) in pairs {
        let mut out = Vec::new();
        parse(&format!("{start}{parameter}")).write(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), format!("{start}{meaning}\r\n"));
    }
}

/// Each is refused in both dialects, so many bytes after `start`.
fn refused(start: &str, list: &[(&str, usize)]) {
    for (parameter, offset) in list {
        let line = Bytes::from(format!("{start}{parameter}"));
        for dialect in [Dialect::Strict, Dialect::Lenient] {
            match Command::parse(&line, dialect) {
                Ok(parsed) => panic!("{parameter}: {parsed:?}"),
                Err(error) => assert_eq!(error.offset, start.len() + offset, "{parameter}: {error}"),
            }
        }
    }
}

fn offered(line: &str) -> Option<Capability> {
    let frame = Bytes::from(format!("250-mx\r\n250 {line}"));
    let found = Capabilities::parse(&frame, Dialect::Strict).ok()?.value.iter().next()?;
    let mut out = Vec::new();
    found.write(&mut out);
    let again = Bytes::from(format!("250-mx\r\n250 {}", String::from_utf8(out).unwrap()));
    assert_eq!(
        Capabilities::parse(&again, Dialect::Strict).unwrap().value.iter().next().as_ref(),
        Some(&found)
    );
    Some(found)
}

/// What a client says to a server that offers these lines.
fn client(offer: &str, line: &str) -> Result<String, Misuse> {
    let ehlo = format!("250-mx.example\r\n250-PIPELINING\r\n{offer}250 HELP\r\n");
    let mut client = ready_client_with(client_config(), &ehlo);
    client.send(parse(line)).map_err(|error| error.reason)?;
    Ok(drain(&mut client))
}

/// What a server that offers these answers to a line.
fn server(offer: Vec<Capability>, line: &str) -> String {
    let mut offer = offer;
    offer.push(Capability::EnhancedStatusCodes);
    let mut server = Granting::new(server_config().with_capabilities(offer).unwrap());
    server.say("EHLO client.example\r\n");
    server.say(format!("{line}\r\n"))
}

/// Without its extension each parameter is neither sent nor taken.
#[test]
fn what_is_not_offered() {
    for (line, keyword) in [
        ("REQUIRETLS", "REQUIRETLS"),
        ("HOLDFOR=5", "FUTURERELEASE"),
        ("HOLDUNTIL=2026-11-28T10:00:00Z", "FUTURERELEASE"),
        ("BY=5;N", "DELIVERBY"),
        ("MT-PRIORITY=3", "MT-PRIORITY"),
        ("SOLICIT=a:B", "NO-SOLICITING"),
        ("SUBMITTER=a@b", "SUBMITTER"),
        ("MTRK=abc", "MTRK"),
        ("CONPERM", "CONPERM"),
        ("TRANSID=<a@b>", "CHECKPOINT"),
        ("PRDR", "PRDR"),
    ] {
        let line = format!("{MAIL}{line}");
        let missing = Misuse::NotOffered(NotOffered::Extension(keyword));
        assert_eq!(client("", &line), Err(missing), "{line}");
        let code = if keyword == "CONPERM" { 504 } else { 555 };
        assert_eq!(server(Vec::new(), &line), format!("{code} 5.5.4 {keyword} is not offered\r\n"));
    }
    for (line, keyword) in [
        ("RRVS=2026-11-28T10:00:00Z", "RRVS"),
        ("CONNEG", "CONNEG"),
        ("IGNOREQUOTA", "IGNOREQUOTA"),
        ("XRCPTFORWARD=eA", "XRCPTFORWARD"),
    ] {
        let line = format!("{RCPT}{line}");
        let missing = Misuse::NotOffered(NotOffered::Extension(keyword));
        assert_eq!(client("", &line), Err(missing), "{line}");
        let code = if keyword == "CONNEG" { 504 } else { 555 };
        let answer = server(Vec::new(), &format!("MAIL FROM:<>\r\n{line}"));
        assert!(answer.ends_with(&format!("{code} 5.5.4 {keyword} is not offered\r\n")), "{answer}");
    }
}

/// RFC 6531: addresses beyond ASCII stand in transactions with SMTPUTF8.
#[test]
fn addresses_beyond_ascii() {
    let ehlo = "250-mx.example\r\n250-PIPELINING\r\n250 SMTPUTF8\r\n";
    let mut client = ready_client_with(client_config(), ehlo);
    let needs = Err(Misuse::WrongState(WrongState::NeedsSmtpUtf8));
    let mut send = |line: &str| client.send(parse(line)).map(drop).map_err(|error| error.reason);
    assert_eq!(send("MAIL FROM:<jörg@b.example>"), needs);
    send("MAIL FROM:<a@b.example>").unwrap();
    assert_eq!(send("RCPT TO:<a@bücher.example>"), needs);
    send("RSET").unwrap();
    send("MAIL FROM:<jörg@b.example> SMTPUTF8").unwrap();
    send("RCPT TO:<a@bücher.example>").unwrap();
    let offer = || vec![Capability::SmtpUtf8];
    let refused = "553 5.6.7 An address beyond ASCII needs SMTPUTF8\r\n";
    assert_eq!(server(offer(), "MAIL FROM:<jörg@b.example>"), refused);
    assert!(server(offer(), "MAIL FROM:<a@b>\r\nRCPT TO:<a@bücher.example>").ends_with(refused));
    let taken = server(offer(), "MAIL FROM:<jörg@b> SMTPUTF8\r\nRCPT TO:<a@bücher.example>");
    assert_eq!(taken, "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n");
    assert_eq!(server(Vec::new(), "MAIL FROM:<a@b> SMTPUTF8"), "555 5.5.4 SMTPUTF8 is not offered\r\n");
}

/// RFC 8689.
#[test]
fn tls_that_is_required() {
    written(MAIL, &[("requiretls", "REQUIRETLS")]);
    refused(MAIL, &[("REQUIRETLS=YES", 10), ("REQUIRETLS REQUIRETLS", 11)]);
    let line = "MAIL FROM:<> REQUIRETLS";
    assert_eq!(client("250-REQUIRETLS\r\n", line).unwrap(), format!("{line}\r\n"));
    assert_eq!(server(vec![Capability::RequireTls], line), "250 2.1.0 Ok\r\n");
    // In clear, whatever is said.
    let mut config = client_config();
    config.channel = Channel::Clear;
    let mut client = ready_client_with(config, "250-mx.example\r\n250 REQUIRETLS\r\n");
    let missing = NotOffered::Extension("REQUIRETLS");
    assert_eq!(client.send(parse(line)).unwrap_err().reason, Misuse::NotOffered(missing));
    let mut config = server_config().with_capabilities([Capability::RequireTls]).unwrap();
    config.channel = Channel::StartTls;
    let mut server = Granting::new(config);
    assert_eq!(server.say("EHLO client.example\r\n"), "250-mx.example\r\n250 STARTTLS\r\n");
    assert_eq!(server.say(format!("{line}\r\n")), "555 REQUIRETLS is not offered\r\n");
    assert_eq!(server.say("STARTTLS\r\n"), "220 Ready to start TLS\r\n");
    let _ = server.say("");
    assert_eq!(
        server.say("EHLO client.example\r\n"),
        "250-mx.example\r\n250-REQUIRETLS\r\n250 AUTH PLAIN LOGIN\r\n"
    );
    assert_eq!(server.say(format!("{line}\r\n")), "250 Ok\r\n");
}

/// RFC 4865.
#[test]
fn messages_that_are_held_back() {
    written(
        MAIL,
        &[
            ("holdfor=86400", "HOLDFOR=86400"),
            ("HOLDUNTIL=2026-11-28t10:00:00z", "HOLDUNTIL=2026-11-28t10:00:00z"),
            ("HOLDUNTIL=2026-11-28T10:00:00+00:00", "HOLDUNTIL=2026-11-28T10:00:00+00:00"),
        ],
    );
    refused(
        MAIL,
        &[
            ("HOLDFOR", 7),
            ("HOLDFOR=", 8),
            ("HOLDFOR=0", 8),
            ("HOLDFOR=01", 8),
            ("HOLDFOR=1000000000", 17),
            ("HOLDFOR=-1", 8),
            ("HOLDUNTIL=2026-11-28T10:00:00+01:00", 10),
            ("HOLDUNTIL=2026-11-31T10:00:00Z", 18),
            // One of them, once.
            ("HOLDFOR=5 HOLDUNTIL=2026-11-28T10:00:00Z", 10),
            ("HOLDFOR=5 HOLDFOR=5", 10),
        ],
    );
    let offer = "250-FUTURERELEASE 1000 2026-11-28T10:00:00Z\r\n";
    let capability = offered("FUTURERELEASE 1000 2026-11-28T10:00:00Z").unwrap();
    let until = DateTime::new("2026-11-28T10:00:00Z").unwrap();
    let most = FutureRelease::new(HoldInterval::new(1000).unwrap(), until.clone()).unwrap();
    assert_eq!(capability, Capability::FutureRelease(most));
    for bad in
        ["", " 5", " 0 2026-11-28T10:00:00Z", " 5 2026-11-28T10:00:00+01:00", " 5 2026-11-28T10:00:00Z 5"]
    {
        assert_eq!(offered(&format!("FUTURERELEASE{bad}")), None, "{bad}");
    }
    let too_long = "501 5.5.4 Messages are not held for so long\r\n";
    for (parameter, is_held) in [
        ("HOLDFOR=1000", true),
        ("HOLDFOR=1001", false),
        ("HOLDUNTIL=2026-11-28T10:00:00Z", true),
        ("HOLDUNTIL=2026-11-28T10:00:01Z", false),
    ] {
        let line = format!("{MAIL}{parameter}");
        assert_eq!(client(offer, &line).is_ok(), is_held, "{parameter}");
        let answer = if is_held { "250 2.1.0 Ok\r\n" } else { too_long };
        assert_eq!(server(vec![capability.clone()], &line), answer, "{parameter}");
    }
    // Not until after it has to be delivered (section 5.2).
    let both = vec![capability, Capability::DeliverBy(DeliverByParam::default())];
    let offer = "250-DELIVERBY\r\n250-FUTURERELEASE 1000 2026-11-28T10:00:00Z\r\n";
    for (parameters, is_possible) in [
        ("HOLDFOR=60 BY=61;R", true),
        ("HOLDFOR=60 BY=60;N", true),
        ("HOLDFOR=60 BY=59;R", false),
        ("HOLDFOR=60 BY=0;N", false),
        ("HOLDFOR=60 BY=-61;N", false),
        ("HOLDUNTIL=2026-11-28T10:00:00Z BY=1;R", true),
    ] {
        let line = format!("{MAIL}{parameters}");
        assert_eq!(client(offer, &line).is_ok(), is_possible, "{parameters}");
        let refused = "501 5.5.4 It would be held until it is too late\r\n";
        let answer = if is_possible { "250 2.1.0 Ok\r\n" } else { refused };
        assert_eq!(server(both.clone(), &line), answer, "{parameters}");
    }
    // A date in another zone is written in UTC.
    let other = Hold::Until(DateTime::new("2026-11-28T10:00:00+01:00").unwrap());
    let mut out = Vec::new();
    Command::from(mailwire_smtp::Mail::new(mailwire_smtp::ReversePath::Null).with_hold(other))
        .write(&mut out);
    assert_eq!(out, b"MAIL FROM:<> HOLDUNTIL=2026-11-28T09:00:00Z\r\n");
}

/// RFC 4865 section 4.2: never too early, and what is offered goes with the time.
#[test]
fn messages_are_released_when_they_may_be() {
    let at = |seconds| UNIX_EPOCH + Duration::from_millis(seconds);
    let now = at(1_000_000_000_900);
    let until = |text: &str| Hold::Until(DateTime::new(text).unwrap());
    let minute = Hold::For(HoldInterval::new(60).unwrap());
    for (hold, release) in [
        (minute.clone(), at(1_000_000_060_900)),
        (until("2001-09-09T01:47:40Z"), at(1_000_000_060_000)),
        (until("2001-09-09T01:47:40.5Z"), at(1_000_000_061_000)),
        (until("2001-09-09T01:46:40Z"), now),
        (until("1900-01-01T00:00:00Z"), now),
        (until("9999-12-31T23:59:60Z"), at(253_402_300_800_000)),
    ] {
        assert_eq!(hold.release_time(now), release, "{hold:?}");
    }
    let left = |hold: &Hold, by| hold.time_to_deliver(by, now).map(|left| left.as_millis());
    let by = |seconds| DeliverBy::or_notify(seconds).unwrap();
    assert_eq!(
        [59, 60, 61, -60].map(|seconds| left(&minute, by(seconds))),
        [None, Some(0), Some(1000), None]
    );
    let date = until("2001-09-09T01:47:40Z");
    assert_eq!([59, 60].map(|seconds| left(&date, by(seconds))), [None, Some(900)]);
    let offered = FutureRelease::starting(now, HoldInterval::new(60).unwrap()).unwrap();
    assert_eq!(offered.max_date_time(), &"2001-09-09T01:47:40Z");
    assert!(offered.permits(&minute) && offered.permits(&date));
    assert!(!offered.permits(&until("2001-09-09T01:47:41Z")));
}

/// RFC 2852.
#[test]
fn times_of_delivery() {
    written(
        MAIL,
        &[
            ("by=+120;r", "BY=120;R"),
            ("BY=-5;nt", "BY=-5;NT"),
            ("BY=0;N", "BY=0;N"),
            ("BY=-0;N", "BY=0;N"),
            ("BY=999999999;RT", "BY=999999999;RT"),
        ],
    );
    refused(
        MAIL,
        &[
            ("BY", 2),
            ("BY=;N", 3),
            ("BY=5", 4),
            ("BY=5;", 5),
            ("BY=5;X", 5),
            ("BY=5;NX", 6),
            ("BY=0;R", 3),
            ("BY=-1;R", 3),
            ("BY=1000000000;N", 12),
            ("BY=5;N BY=5;N", 7),
        ],
    );
    let Command::Mail(mail) = parse("MAIL FROM:<> BY=60;RT") else { panic!() };
    let by = mail.parameters().deliver_by.unwrap();
    assert_eq!((by.seconds(), by.mode(), by.has_trace()), (60, ByMode::Return, true));
    assert!(DeliverBy::or_return(0).is_err() && DeliverBy::or_notify(i32::MIN).is_err());
    assert_eq!(offered("DELIVERBY"), Some(Capability::DeliverBy(DeliverByParam::default())));
    let Some(Capability::DeliverBy(param)) = offered("DELIVERBY 60,one,two") else { panic!() };
    assert_eq!(param.min_by_time(), Some(60));
    assert!(param.extension_tokens().eq([b"one", b"two"]));
    assert!(matches!(offered("DELIVERBY ,one"), Some(Capability::DeliverBy(_))));
    assert_eq!(offered("DELIVERBY x"), None);
    let least = Capability::DeliverBy(DeliverByParam::new(Some(60)).unwrap());
    let near = "555 5.5.4 The time of delivery is too near\r\n";
    for (parameter, is_kept) in [("BY=60;R", true), ("BY=59;R", false), ("BY=5;N", true)] {
        let line = format!("{MAIL}{parameter}");
        assert_eq!(client("250-DELIVERBY 60\r\n", &line).is_ok(), is_kept, "{parameter}");
        let answer = if is_kept { "250 2.1.0 Ok\r\n" } else { near };
        assert_eq!(server(vec![least.clone()], &line), answer, "{parameter}");
    }
}

/// RFC 6710.
#[test]
fn priorities() {
    written(MAIL, &[("mt-priority=9", "MT-PRIORITY=9"), ("MT-PRIORITY=-9", "MT-PRIORITY=-9")]);
    refused(
        MAIL,
        &[
            ("MT-PRIORITY", 11),
            ("MT-PRIORITY=", 12),
            ("MT-PRIORITY=10", 13),
            ("MT-PRIORITY=+1", 12),
            ("MT-PRIORITY=-0", 12),
            ("MT-PRIORITY=1 MT-PRIORITY=1", 14),
        ],
    );
    let Command::Mail(mail) = parse("MAIL FROM:<> MT-PRIORITY=-3") else { panic!() };
    assert_eq!(mail.parameters().priority, Priority::new(-3));
    assert_eq!(Priority::new(10), None);
    assert_eq!(offered("MT-PRIORITY"), Some(Capability::MtPriority(None)));
    assert!(
        matches!(offered("MT-PRIORITY STANAG4406"), Some(Capability::MtPriority(Some(name))) if name == "STANAG4406")
    );
    assert_eq!(offered("MT-PRIORITY a-name-of-more-than-20-characters"), None);
    assert_eq!(
        client("250-MT-PRIORITY MIXER\r\n", "MAIL FROM:<> MT-PRIORITY=3").unwrap(),
        "MAIL FROM:<> MT-PRIORITY=3\r\n"
    );
    assert_eq!(server(vec![Capability::MtPriority(None)], "MAIL FROM:<> MT-PRIORITY=3"), "250 2.1.0 Ok\r\n");
}

/// RFC 7293.
#[test]
fn recipients_of_old() {
    written(
        RCPT,
        &[
            ("rrvs=2014-04-03T23:01:00Z", "RRVS=2014-04-03T23:01:00Z"),
            ("RRVS=2014-04-03T23:01:00-08:00;c", "RRVS=2014-04-03T23:01:00-08:00;C"),
            ("RRVS=2014-04-03T23:01:00Z;R", "RRVS=2014-04-03T23:01:00Z;R"),
        ],
    );
    refused(
        RCPT,
        &[
            ("RRVS", 4),
            ("RRVS=2014", 9),
            ("RRVS=2014-04-03T23:01:00.5Z", 5),
            ("RRVS=2014-04-03T23:01:00Z;", 26),
            ("RRVS=2014-04-03T23:01:00Z;X", 26),
            ("RRVS=2014-04-03T23:01:00Z RRVS=2014-04-03T23:01:00Z", 26),
        ],
    );
    let since = ValidSince::new(DateTime::new("2014-04-03T23:01:00Z").unwrap()).unwrap();
    assert_eq!(since.no_support(), NoSupport::Reject);
    assert!(ValidSince::new(DateTime::new("2014-04-03T23:01:00.1Z").unwrap()).is_err());
    let line = format!("{RCPT}RRVS=2014-04-03T23:01:00Z");
    assert_eq!(client("250-RRVS\r\n", &line).unwrap(), format!("{line}\r\n"));
    assert!(server(vec![Capability::Rrvs], &format!("MAIL FROM:<>\r\n{line}")).ends_with("250 2.1.5 Ok\r\n"));
}

/// RFC 3865, RFC 4405, RFC 3885, RFC 4141, RFC 1845, and those of Cyrus and Dovecot.
#[test]
fn rare_ones() {
    written(
        MAIL,
        &[
            ("solicit=net.example:ADV,org.example:A_1", "SOLICIT=net.example:ADV,org.example:A_1"),
            ("SUBMITTER=a+2Bb@c.example", "SUBMITTER=a+2Bb@c.example"),
            ("ENVID=x@y MTRK=YWJj:3600", "ENVID=x@y MTRK=YWJj:3600"),
            ("conperm PRDR", "CONPERM PRDR"),
            ("TRANSID=<12345.6@claremont.edu>", "TRANSID=<12345.6@claremont.edu>"),
        ],
    );
    written(RCPT, &[("XRCPTFORWARD=QUJD IGNOREQUOTA conneg", "CONNEG IGNOREQUOTA XRCPTFORWARD=QUJD")]);
    let long = format!("SOLICIT={}", "a".repeat(1001));
    let longest = "a".repeat(100);
    refused(
        MAIL,
        &[
            ("SOLICIT=", 8),
            ("SOLICIT=1a", 8),
            ("SOLICIT=a,", 10),
            ("SOLICIT=a;b", 9),
            (&long, 8),
            ("SUBMITTER=", 10),
            ("SUBMITTER=a", 10),
            ("SUBMITTER=a+b@c", 11),
            ("MTRK=", 5),
            ("MTRK=a=", 6),
            ("MTRK=a:", 7),
            ("MTRK=a:1234567890", 16),
            ("CONPERM=x", 7),
            ("TRANSID=a@b", 8),
            ("TRANSID=<a>", 10),
            ("TRANSID=<a@b", 12),
            ("TRANSID=<a..b@c>", 11),
            (&format!("TRANSID=<{longest}@b>"), 8),
        ],
    );
    refused(RCPT, &[("CONNEG=x", 6), ("IGNOREQUOTA=1", 11), ("XRCPTFORWARD", 12)]);
    assert!(
        Tracking::new("a b").is_err() && Tracking::new("a").unwrap().with_timeout(1_000_000_000).is_err()
    );
    // MTRK stands with ENVID only.
    let offer = "250-DSN\r\n250-MTRK\r\n";
    assert!(client(offer, "MAIL FROM:<> MTRK=a").is_err());
    assert!(client(offer, "MAIL FROM:<> MTRK=a ENVID=x@y").is_ok());
    let offer = || vec![Capability::Dsn, Capability::Mtrk];
    assert_eq!(server(offer(), "MAIL FROM:<> MTRK=a"), "501 5.5.4 MTRK needs ENVID\r\n");
    assert_eq!(server(offer(), "MAIL FROM:<> MTRK=a ENVID=x@y"), "250 2.1.0 Ok\r\n");
    assert!(matches!(offered("NO-SOLICITING net.example:ADV"), Some(Capability::NoSoliciting(Some(_)))));
    assert_eq!(offered("NO-SOLICITING"), Some(Capability::NoSoliciting(None)));
    assert_eq!(offered("NO-SOLICITING 5"), None);
    // What is said after a keyword that has nothing to say is passed over.
    assert_eq!(offered("REQUIRETLS now"), Some(Capability::RequireTls));
    // RFC 5336 is obsolete: its parameter is kept as it came.
    written(RCPT, &[("ALT-ADDRESS=a@b", "ALT-ADDRESS=a@b")]);
}

/// RFC 9422 section 3 and 4: what is no limit that is known, or has no value that it can have, counts as none.
#[test]
fn limits_are_read() {
    let limits = |text: &str| match offered(&format!("LIMITS {text}")) {
        Some(Capability::Limits(limits)) => (limits.mail_max(), limits.rcpt_max(), limits.rcpt_domain_max()),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(limits("RCPTMAX=20 MAILMAX=5"), (Some(5), Some(20), None));
    assert_eq!(limits("rcptdomainmax=1 X-OURS=a=b,c X_2"), (None, None, Some(1)));
    assert_eq!(limits("RCPTMAX=999999"), (None, Some(999_999), None));
    for bad in ["RCPTMAX=0", "RCPTMAX=05", "RCPTMAX=1000000", "RCPTMAX=5x", "RCPTMAX", "RCPTMAX=-1"] {
        assert_eq!(limits(&format!("MAILMAX=1 {bad}")), (Some(1), None, None), "{bad}");
    }
    // The first counts.
    assert_eq!(limits("RCPTMAX=1 RCPTMAX=2"), (None, Some(1), None));
    assert_eq!(offered("LIMITS"), Some(Capability::Limits(SessionLimits::new())));
    for bad in ["LIMITS =5", "LIMITS RCPTMAX=", "LIMITS RCPTMAX=5;", "LIMITS A  B"] {
        assert_eq!(offered(bad), None, "{bad}");
    }
    assert_eq!(SessionLimits::new().with_rcpt_max(0).with_mail_max(1_000_000), SessionLimits::new());
}

/// Every command counts, whatever becomes of it (RFC 9422 section 4).
#[test]
fn a_client_obeys_limits() {
    let ehlo = "250-mx.example\r\n250-PIPELINING\r\n250 LIMITS RCPTMAX=2 MAILMAX=3 RCPTDOMAINMAX=2\r\n";
    let mut client = ready_client_with(client_config(), ehlo);
    let limit = |name| Err(Misuse::NotOffered(NotOffered::Limit(name)));
    let mut send = |line: &str| client.send(parse(line)).map(drop).map_err(|error| error.reason);
    send("MAIL FROM:<>").unwrap();
    send("RCPT TO:<a@One.example>").unwrap();
    send("RCPT TO:<b@one.example>").unwrap();
    assert_eq!(send("RCPT TO:<c@one.example>"), limit("RCPTMAX"));
    send("RSET").unwrap();
    send("MAIL FROM:<>").unwrap();
    send("RCPT TO:<a@two.example>").unwrap();
    assert_eq!(send("RCPT TO:<a@three.example>"), limit("RCPTDOMAINMAX"));
    send("RCPT TO:<a@ONE.example>").unwrap();
    send("RSET").unwrap();
    send("MAIL FROM:<>").unwrap();
    send("RSET").unwrap();
    assert_eq!(send("MAIL FROM:<>"), limit("MAILMAX"));
}

#[test]
fn a_server_announces_its_limits() {
    let mut config = server_config().with_capabilities([Capability::Limits(SessionLimits::new())]).unwrap();
    (config.limits.recipients, config.limits.transactions) = (2, 2);
    let mut server = Granting::new(config);
    assert_eq!(
        server.say("EHLO client.example\r\n"),
        "250-mx.example\r\n250-LIMITS RCPTMAX=2 MAILMAX=2\r\n250 AUTH PLAIN LOGIN\r\n"
    );
    server.say("MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nRCPT TO:<a@b>\r\n");
    assert_eq!(server.say("RCPT TO:<a@b>\r\n"), "452 Too many recipients\r\n");
    server.say("RSET\r\n");
    // One that is refused counts, too.
    assert_eq!(server.say("MAIL FROM:<> RET=FULL\r\n"), "555 DSN is not offered\r\n");
    assert_eq!(server.say("MAIL FROM:<>\r\n"), "452 Too many messages in this session\r\n");
    // What nobody would reach is not said.
    let config = server_config().with_capabilities([Capability::Limits(SessionLimits::new())]).unwrap();
    let mut server = Granting::new(config);
    assert_eq!(
        server.say("EHLO client.example\r\n"),
        "250-mx.example\r\n250-LIMITS RCPTMAX=1000\r\n250 AUTH PLAIN LOGIN\r\n"
    );
}

/// Extensions make lines longer than 512 bytes, and a server that offers them takes such lines.
#[test]
fn lines_grow_with_what_is_offered() {
    let answer = |capability: Option<Capability>, length: usize| {
        let mut config = server_config().with_capabilities(capability).unwrap();
        config.limits.line = 512;
        let mut server = Granting::new(config);
        server.say("EHLO client.example\r\n");
        let line = format!("NOOP {}\r\n", "x".repeat(length - 7));
        server.say(line)
    };
    // AUTH is offered, which has 500 of them.
    assert!(answer(None, 1012).starts_with("250 "));
    assert!(answer(None, 1013).starts_with("500 "));
    assert!(answer(Some(Capability::NoSoliciting(None)), 1012 + 1007).starts_with("250 "));
    assert!(answer(Some(Capability::NoSoliciting(None)), 1013 + 1007).starts_with("500 "));
}

/// What the machine does not understand the answers of is not sent.
#[test]
fn what_is_not_understood_is_not_sent() {
    let refused = client("250-CHECKPOINT\r\n", "MAIL FROM:<> TRANSID=<a@b>");
    assert_eq!(refused, Err(Misuse::WrongState(WrongState::Unsupported("TRANSID"))));
}

/// What the machine has not is not offered.
#[test]
fn what_nobody_keeps_is_not_offered() {
    assert!(server_config().with_capabilities([Capability::Checkpoint]).is_err());
    let _: Option<server::Event> = None;
}

/// What a transaction needs is known before its MAIL is sent.
#[test]
fn a_transaction_is_checked_before_it_begins() {
    let ehlo = "250-mx.example\r\n250-DSN\r\n250 LIMITS RCPTMAX=2 MAILMAX=1 RCPTDOMAINMAX=2\r\n";
    let mut client = ready_client_with(client_config(), ehlo);
    let mail = |line: &str| match parse(line) {
        Command::Mail(mail) => mail,
        other => panic!("{other:?}"),
    };
    let rcpts = |lines: &[&str]| -> Vec<Rcpt> {
        let rcpt = |line: &&str| match parse(&format!("RCPT TO:{line}")) {
            Command::Rcpt(rcpt) => rcpt,
            other => panic!("{other:?}"),
        };
        lines.iter().map(rcpt).collect()
    };
    let missing = |name| Err(Misuse::NotOffered(NotOffered::Extension(name)));
    let limit = |name| Err(Misuse::NotOffered(NotOffered::Limit(name)));
    let plain = mail("MAIL FROM:<>");
    assert_eq!(client.check_transaction(&plain, rcpts(&["<a@b> NOTIFY=NEVER", "<a@c>"])), Ok(()));
    assert_eq!(client.check_transaction(&mail("MAIL FROM:<> SIZE=1"), rcpts(&["<a@b>"])), missing("SIZE"));
    assert_eq!(client.check_transaction(&plain, rcpts(&["<a@b>", "<a@b> CONNEG"])), missing("CONNEG"));
    assert_eq!(client.check_transaction(&plain, rcpts(&["<a@b>", "<ü@b>"])), missing("SMTPUTF8"));
    let three = rcpts(&["<a@b>", "<b@b>", "<c@b>"]);
    assert_eq!(client.check_transaction(&plain, &three), limit("RCPTMAX"));
    assert!(client.room_for(&three).eq([Ok(()), Ok(()), limit("RCPTMAX")]));
    client.send(plain.clone().into()).unwrap();
    client.send(parse("RCPT TO:<a@b>")).unwrap();
    assert_eq!(client.check_transaction(&plain, rcpts(&["<a@b>"])), limit("MAILMAX"));
    let ehlo = "250-mx.example\r\n250 LIMITS RCPTDOMAINMAX=2\r\n";
    let client = ready_client_with(client_config(), ehlo);
    let domains = rcpts(&["<a@b>", "<a@c>", "<a@d>", "<b@C>", "<Postmaster>"]);
    let expected = [Ok(()), Ok(()), limit("RCPTDOMAINMAX"), Ok(()), Ok(())];
    assert!(client.room_for(&domains).eq(expected));
}
