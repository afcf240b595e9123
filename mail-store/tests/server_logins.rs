//! Logins that fail, are broken off, or are of nobody: in all three protocols.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod raw;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use mailwire_core::Channel;
use mailwire_transport::server::{LoginLimits, ServerLimits};
use raw::{ALL, Servers, store};
use tokio::time::Instant;

const PIPE: usize = 64 * 1024;

#[tokio::test(start_paused = true)]
async fn guesses_cost_more_and_more_time() {
    for protocol in ALL {
        let servers = Servers::new(&store(0));
        let start = Instant::now();
        let mut times = Vec::new();
        for _ in 0..12 {
            let mut raw = servers.connect(protocol, Channel::Tls, PIPE).await;
            assert!(!raw.login(protocol, "ada", "wrong").await, "{protocol:?}");
            times.push(start.elapsed());
        }
        let waits: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(waits.is_sorted() && waits[0].is_zero() && waits[10] >= Duration::from_secs(3), "{waits:?}");

        // Another account is not concerned, and the owner gets in after the wait.
        let mut raw = servers.connect(protocol, Channel::Tls, PIPE).await;
        let before = Instant::now();
        assert!(!raw.login(protocol, "bob", "wrong").await);
        assert!(before.elapsed().is_zero());
        let mut raw = servers.connect(protocol, Channel::Tls, PIPE).await;
        assert!(raw.login(protocol, "ada", "secret").await);
        assert!(before.elapsed() >= Duration::from_secs(3), "{:?}", before.elapsed());
    }
}

/// RFC 4954 section 4, RFC 4959 section 3: a mechanism in which the server speaks first has none. LOGIN has one in
/// practice.
#[tokio::test]
async fn an_initial_response_goes_with_mechanisms_that_have_one() {
    let mut config = mailwire_store::memory::Config::default();
    config.mechanisms.push(mailwire_transport::sasl::Mechanism::CramMd5);
    let store = mailwire_store::memory::MemoryStore::with_config(config);
    store.add_user("ada", "secret").unwrap();
    let servers = Servers::new(&store);
    for (protocol, auth, refused, go_on) in [
        (raw::Protocol::Smtp, "AUTH", "501 5.7.0 ", "334 "),
        (raw::Protocol::Imap, "AUTHENTICATE", "a BAD ", "+ "),
        (raw::Protocol::Pop3, "AUTH", "-ERR ", "+ "),
    ] {
        let mut raw = servers.connect(protocol, Channel::Tls, PIPE).await;
        if protocol == raw::Protocol::Smtp {
            raw.command(protocol, "EHLO a.example").await;
        }
        for initial in ["YWRh", "="] {
            let said = raw.command(protocol, &format!("{auth} CRAM-MD5 {initial}")).await;
            assert!(said.starts_with(refused), "{protocol:?}: {said}");
        }
        let tag = if protocol == raw::Protocol::Imap { "a " } else { "" };
        for mechanism in ["CRAM-MD5", "LOGIN YWRh"] {
            raw.write(format!("{tag}{auth} {mechanism}\r\n")).await;
            let said = raw.line().await;
            assert!(said.starts_with(go_on), "{protocol:?}: {said}");
            raw.write("*\r\n").await;
            raw.line().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_exchange_that_is_broken_off_is_a_failure() {
    for protocol in ALL {
        for cancels in [false, true] {
            let servers = Servers::new(&store(0));
            for _ in 0..10 {
                let mut raw = servers.connect(protocol, Channel::Tls, PIPE).await;
                raw.scram(protocol, "ada").await;
                if cancels {
                    raw.write("*\r\n").await;
                    raw.line().await;
                }
                let raw::Raw { stream, .. } = raw;
                drop(stream);
                tokio::task::yield_now().await;
            }
            let mut raw = servers.connect(protocol, Channel::Tls, PIPE).await;
            let before = Instant::now();
            assert!(raw.login(protocol, "ada", "secret").await);
            assert!(before.elapsed() >= Duration::from_secs(1), "{protocol:?}: {:?}", before.elapsed());
        }
    }
}

#[tokio::test]
async fn a_wire_log_of_servers_shows_no_login() {
    for protocol in ALL {
        let log = Arc::new(Mutex::new(String::new()));
        let shown = Arc::clone(&log);
        let servers = Servers::new(&store(0))
            .with_wire_log(move |line| shown.lock().unwrap().push_str(&format!("{line}\n")));
        let mut raw = servers.connect(protocol, Channel::Tls, PIPE).await;
        assert!(raw.login(protocol, "ada", "secret").await, "{protocol:?}");
        raw.command(protocol, "NOOP").await;
        let mut raw = servers.connect(protocol, Channel::Tls, PIPE).await;
        let salt = raw.scram(protocol, "ada").await;
        let log = log.lock().unwrap().clone();
        let noop = log.lines().any(|line| line.starts_with("C: ") && line.ends_with("NOOP"));
        assert!(noop && log.matches("S: ").count() > 4 && log.matches("[hidden]").count() > 2, "{log}");
        for secret in ["secret", "AGFkYQBzZWNyZXQ", "c2VjcmV0", salt.as_str()] {
            assert!(!log.contains(secret), "{secret}: {log}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn delays_can_be_left_to_others() {
    let mut limits = ServerLimits::default();
    limits.logins = LoginLimits::without_delays();
    for protocol in ALL {
        let servers = Servers::new(&store(0)).with_limits(&limits);
        let start = Instant::now();
        for _ in 0..50 {
            let mut raw = servers.connect(protocol, Channel::Tls, PIPE).await;
            assert!(!raw.login(protocol, "ada", "wrong").await);
        }
        assert!(start.elapsed().is_zero());
    }
}

#[tokio::test(start_paused = true)]
async fn who_exists_cannot_be_told_from_salts() {
    /// The salt and the iterations.
    fn shown(message: &str) -> &str {
        message.split_once(",s=").unwrap().1
    }
    let servers = Servers::new(&store(0));
    for protocol in ALL {
        // One exists, the other does not; each is spelt in all the ways that are one name to the store.
        for spellings in
            [["ada", "ADA", "a\u{ad}da", "\u{ff21}da"], ["eve", "EVE", "e\u{ad}ve", "\u{ff25}ve"]]
        {
            let mut seen = Vec::new();
            for name in spellings.into_iter().chain(spellings) {
                let mut raw = servers.connect(protocol, Channel::Tls, PIPE).await;
                seen.push(shown(&raw.scram(protocol, name).await).to_owned());
            }
            seen.dedup();
            assert_eq!(seen.len(), 1, "{protocol:?}: {spellings:?}: {seen:?}");
            assert!(seen[0].ends_with(",i=4096") && seen[0].len() == 24 + ",i=4096".len(), "{seen:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn all_servers_offer_the_same_in_clear() {
    let servers = Servers::new(&store(0));
    let offered = async |channel| {
        let mut lists = Vec::new();
        for (protocol, command) in ALL.into_iter().zip(["EHLO x", "CAPABILITY", "CAPA"]) {
            let mut raw = servers.connect(protocol, channel, PIPE).await;
            raw.write(format!("{}{command}\r\nQUIT\r\n", if command == "CAPABILITY" { "a " } else { "" }))
                .await;
            let mut list: Vec<String> = Vec::new();
            loop {
                let line = raw.line().await;
                let line = line.strip_prefix("250-").or(line.strip_prefix("250 ")).unwrap_or(&line);
                let mechanisms = line.strip_prefix("AUTH ").or(line.strip_prefix("SASL "));
                list.extend(mechanisms.into_iter().flat_map(|list| list.split(' ')).map(str::to_owned));
                list.extend(line.split(' ').filter_map(|word| word.strip_prefix("AUTH=")).map(str::to_owned));
                if [".", ""].contains(&line) || line.starts_with("a ") || line.starts_with("221") {
                    break;
                }
            }
            list.sort();
            lists.push(list);
        }
        assert!(lists[0] == lists[1] && lists[1] == lists[2], "{lists:?}");
        lists.remove(0)
    };
    assert_eq!(offered(Channel::Clear).await, ["SCRAM-SHA-1", "SCRAM-SHA-256"]);
    assert_eq!(offered(Channel::Tls).await, ["LOGIN", "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"]);
}
