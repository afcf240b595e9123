//! What a client keeps of what a server sends is bounded in bytes. A program of its own, whose allocator
//! counts; one test, as it counts for the whole program.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod peer;

use std::fmt::Write;

use mailwire_core::Error as Violation;
use mailwire_oracles::memory::{Counting, held};
use mailwire_transport::{
    Error, Result, Stream,
    imap::{self, Flag, FlagChange, UidSet, proto::command::List, proto::types::ListPattern},
    pop3, smtp,
};
use peer::{ada, endpoint, imap_script, pop3_script, with};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const LIMIT: usize = 512 << 10;

/// How much memory `value` holds.
fn weight_of<T>(value: T) -> usize {
    let before = held();
    drop(value);
    before.saturating_sub(held())
}

fn within_limit(weight: usize, what: &str) {
    assert!(weight <= LIMIT + LIMIT / 10, "{what}: {weight} bytes are kept");
}

async fn client(stream: Stream) -> Result<imap::Client> {
    let mut config = imap::Config::login(ada()).with_allow_clear_credentials(true);
    config.mechanism = Some(imap::LoginMechanism::Login);
    config.update_bytes = LIMIT;
    config.collected = LIMIT;
    config.updates = 1_000_000;
    let mut client = imap::Client::over(stream, endpoint(), config).await?;
    client.select("INBOX").await?;
    Ok(client)
}

const SELECTED: &str = "C: ~ SELECT INBOX\nS: * 3 EXISTS\nS: ~ OK [READ-WRITE] x\n";

fn repeated(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut all, number| {
        let _ = writeln!(all, "S: {}", line(number));
        all
    })
}

/// Floods of what nobody asked for, while a call goes on.
async fn updates() {
    let long = "k".repeat(20_000);
    let many = " f".repeat(10_000);
    let structure = "(\"A\" \"B\" NIL NIL NIL \"7BIT\" 1)".repeat(300);
    type Line<'a> = Box<dyn Fn(usize) -> String + 'a>;
    let floods: Vec<(&str, Line<'_>)> = vec![
        ("a keyword", Box::new(|n| format!("* 1 FETCH (FLAGS (k{n}{long}))"))),
        ("keywords", Box::new(|_| format!("* 1 FETCH (FLAGS (k{many}))"))),
        ("flags", Box::new(|n| format!("* {} FETCH (UID {} FLAGS (\\Seen))", n + 1, n + 1))),
        ("a code", Box::new(|n| format!("* OK [XHUGE {n}{long}] x"))),
        ("a text", Box::new(|n| format!("* NO {n} {long}"))),
        ("an alert", Box::new(|n| format!("* OK [ALERT] {n} {long}"))),
        ("a structure", Box::new(|_| format!("* 1 FETCH (BODYSTRUCTURE ({structure} \"mixed\"))"))),
        ("a list", Box::new(|n| format!("* LIST () \"/\" {n}{long}"))),
        ("a status", Box::new(|n| format!("* STATUS {n}{long} (MESSAGES 1)"))),
        ("numbers", Box::new(|_| format!("* VANISHED 1{}", ",1".repeat(9000)))),
        ("an unknown response", Box::new(|n| format!("* XDATA {n}{long}"))),
        ("exists", Box::new(|n| format!("* {n} EXISTS"))),
        // Small, each in a buffer of its own.
        (
            "a small keyword",
            Box::new(|n| format!("* 1 FETCH (FLAGS ($thirty-bytes-and-a-few-more-{n:010}))\nS: * OK {long}")),
        ),
    ];
    for (what, line) in floods {
        let count = if line(0).len() < 100 { 3000 } else { 150 };
        let script = imap_script(&format!("{SELECTED}C: ~ NOOP\n{}S: ~ OK done", repeated(count, line)));
        with(&script, async |stream| {
            let mut client = client(stream).await.unwrap();
            client.noop().await.unwrap();
            // The last update is in use while the others are counted.
            let before = held();
            let count = client.updates().count();
            within_limit(before.saturating_sub(held()), what);
            assert!(count > 0, "{what}");
        })
        .await;
    }
}

/// What a call collects: either it fits, or the call says that it does not.
fn check<T>(what: &str, fits: bool, result: Result<T>) {
    match result {
        Ok(value) => {
            within_limit(weight_of(value), what);
            assert!(fits, "{what}");
        }
        Err(Error::Protocol { error: Violation::LimitExceeded { limit, .. }, .. }) => {
            assert!(limit == LIMIT as u64 && !fits, "{what}");
        }
        Err(error) => panic!("{what}: {error:?}"),
    }
}

async fn calls() {
    let long = "n".repeat(20_000);
    // In few bytes on the wire, and each in a large buffer.
    let small = |count| {
        repeated(count, |n| format!("* LIST () \"/\" a-name-of-thirty-bytes-or-so-{n}\nS: * OK {long}"))
    };
    let large = repeated(100, |n| format!("* LIST () \"/\" {n}{long}"));
    let attributes = repeated(100, |n| format!("* LIST ({}) \"/\" {n}", "\\a ".repeat(1000)));
    for (what, lines, fits) in
        [("small names", small(200), true), ("large names", large, false), ("attributes", attributes, false)]
    {
        let script = imap_script(&format!("{SELECTED}C: ~ LIST \"\" *\n{lines}S: ~ OK done"));
        with(&script, async |stream| {
            let mut client = client(stream).await.unwrap();
            check(what, fits, client.list("", "*").await);
            // What did not fit is not waited for.
            assert_eq!(client.is_usable(), fits, "{what}");
        })
        .await;
        with(&script, async |stream| {
            let mut client = client(stream).await.unwrap();
            let list = List::new(imap::MailboxName::new("").unwrap(), ListPattern::new("*").unwrap());
            check(what, fits, client.list_with(list).await);
            assert_eq!(client.is_usable(), fits, "{what}");
        })
        .await;
    }
    let flags = repeated(100, |n| format!("* {} FETCH (UID {} FLAGS ({long}))", n + 1, n + 1));
    let script = imap_script(&format!("{SELECTED}C: ~ UID STORE 1:* +FLAGS (\\Seen)\n{flags}S: ~ OK done"));
    with(&script, async |stream| {
        let mut client = client(stream).await.unwrap();
        let change = FlagChange::add([Flag::Seen]);
        check("STORE", false, client.uid_store(UidSet::all(), change).await);
        assert!(!client.is_usable());
    })
    .await;
    let numbers = repeated(20, |k| {
        (0..5000).fold("* SEARCH".to_owned(), |mut line, n| {
            let _ = write!(line, " {}", (k * 5000 + n) * 2 + 1);
            line
        })
    });
    let script = imap_script(&format!("{SELECTED}C: ~ UID SEARCH ALL\n{numbers}S: ~ OK done"));
    with(&script, async |stream| {
        let mut client = client(stream).await.unwrap();
        check("SEARCH", false, client.uid_search([imap::SearchKey::All]).await);
        assert!(!client.is_usable());
    })
    .await;
}

async fn pop3_listings() {
    for (what, command, lines, fits) in [
        ("long ids", "UIDL", repeated(1000, |n| format!("{} {}", n + 1, "u".repeat(8000))), false),
        (
            "ids",
            "UIDL",
            repeated(1000, |n| format!("{} an-id-of-more-than-thirty-bytes-{n:08}", n + 1)),
            true,
        ),
        ("surplus", "LIST", repeated(1000, |n| format!("{} 1 {}", n + 1, "x".repeat(8000))), false),
        ("sizes", "LIST", repeated(1000, |n| format!("{} 1", n + 1)), true),
    ] {
        let script = pop3_script(&format!("C: {command}\nS: +OK\n{lines}S: ."));
        with(&script, async |stream| {
            let mut config = pop3::Config::login(ada()).with_allow_clear_credentials(true);
            config.mechanism = Some(pop3::LoginMechanism::UserPass);
            config.collected = LIMIT;
            let config = config.with_ask_capabilities(false);
            let mut client = pop3::Client::over(stream, endpoint(), config).await.unwrap();
            match command {
                "LIST" => check(what, fits, client.list().await),
                _ => check(what, fits, client.uidl().await),
            }
            // What did not fit is not waited for.
            assert_eq!(client.is_usable(), fits, "{what}");
        })
        .await;
    }
}

async fn capabilities() {
    let names = |count: usize| (0..count).fold(String::new(), |all, n| format!("{all} X-NAME-{n}"));
    let script = format!("S: * OK [CAPABILITY IMAP4rev1{}] hi\nwait", names(10_000));
    let error = with(&script, peer::imap).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { error: Violation::LimitExceeded { .. }, .. }), "{error:?}");
    let lines = repeated(900, |n| format!("250-X{n} {}", "x".repeat(400)));
    let script = format!("S: 220 hi\nC: EHLO localhost\n{lines}wait");
    let config = smtp::Config::anonymous();
    let error = with(&script, async |stream| smtp::Client::over(stream, endpoint(), config).await).await;
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Protocol { error: Violation::LimitExceeded { .. }, .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_kept_is_bounded_in_bytes() {
    assert!(mailwire_oracles::memory::is_counted());
    updates().await;
    calls().await;
    pop3_listings().await;
    capabilities().await;
}
