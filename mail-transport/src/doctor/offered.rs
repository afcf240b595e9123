//! What a server offers, and what of it is missing.

use super::{
    Finding, Severity,
    checks::servers::{
        AUTH_BETWEEN_SERVERS, CAPABILITIES_MISSING, CAPABILITIES_NONE, LOGIN_NOT_OFFERED, MECHANISMS,
        PASSWORD_IN_CLEAR, PROTOCOL_OLD,
    },
    port::name,
    talk::Said,
};
use crate::Protocol;

/// What a program misses if a server does not offer it.
struct Wish {
    word: &'static str,
    why: &'static str,
    severity: Severity,
}

const fn wish(word: &'static str, why: &'static str, severity: Severity) -> Wish {
    Wish { word, why, severity }
}

/// SIZE, PIPELINING, 8BITMIME: RFC 1870, 2920, 6152; SMTPUTF8: RFC 6531.
const SMTP: &[Wish] = &[
    wish(
        "SIZE",
        "programs find out that a message is too large only after all of it was sent",
        Severity::Note,
    ),
    wish("PIPELINING", "each command waits for the answer to the one before it", Severity::Note),
    wish(
        "8BITMIME",
        "messages beyond ASCII have to be converted, which breaks signatures",
        Severity::Warning,
    ),
    wish("SMTPUTF8", "mail of addresses beyond ASCII cannot pass", Severity::Note),
];

/// UIDL and TOP are what programs need that leave mail on the server: RFC 1939 section 7.
const POP3: &[Wish] = &[
    wish(
        "UIDL",
        "programs that leave mail on the server cannot tell which of it they know",
        Severity::Warning,
    ),
    wish("TOP", "programs cannot look at headers before they download", Severity::Note),
];

/// What is offered before the login is not all: the rest is judged after it.
const IMAP_AFTER_LOGIN: &[Wish] = &[
    wish("IDLE", "programs learn of new mail only when they ask", Severity::Warning),
    wish(
        "UIDPLUS",
        "programs cannot find what they have stored, and expunge more than they want",
        Severity::Note,
    ),
    wish("MOVE", "messages are moved in three steps, and doubled if one fails", Severity::Note),
    wish("SPECIAL-USE", "programs guess which mailbox is for what was sent, and for drafts", Severity::Note),
    wish("CONDSTORE", "programs read the flags of all messages to see what has changed", Severity::Note),
];

/// The first word of each line.
fn has(words: &[String], wanted: &str) -> bool {
    words
        .iter()
        .any(|line| line.split([' ', '=']).next().is_some_and(|word| word.eq_ignore_ascii_case(wanted)))
}

/// Whether TLS is offered on a connection in clear.
pub(super) fn has_tls(protocol: Protocol, words: &[String]) -> bool {
    has(words, if protocol == Protocol::Pop3 { "STLS" } else { "STARTTLS" })
}

/// The SASL mechanisms that are offered, in capitals.
pub(super) fn mechanisms(protocol: Protocol, words: &[String]) -> Vec<String> {
    let mut mechanisms: Vec<String> = match protocol {
        Protocol::Imap => words
            .iter()
            .filter_map(|word| {
                word.get(..5).filter(|auth| auth.eq_ignore_ascii_case("AUTH=")).and(word.get(5..))
            })
            .map(str::to_ascii_uppercase)
            .collect(),
        _ => {
            let keyword = if protocol == Protocol::Pop3 { "SASL" } else { "AUTH" };
            let line = words.iter().filter(|line| {
                line.split([' ', '=']).next().is_some_and(|word| word.eq_ignore_ascii_case(keyword))
            });
            line.flat_map(|line| line.split([' ', '=']).skip(1)).map(str::to_ascii_uppercase).collect()
        }
    };
    mechanisms.sort();
    mechanisms.dedup();
    mechanisms.retain(|mechanism| !mechanism.is_empty());
    mechanisms
}

/// Whether a password would be taken in clear: what a program, or a user, does once is read by everyone on the way.
pub(super) fn password_in_clear(subject: &str, protocol: Protocol, words: &[String]) -> Option<Finding> {
    let mechanisms = mechanisms(protocol, words);
    let mut ways: Vec<String> =
        mechanisms.into_iter().filter(|mechanism| matches!(mechanism.as_str(), "PLAIN" | "LOGIN")).collect();
    match protocol {
        Protocol::Imap if !has(words, "LOGINDISABLED") => ways.push("the command LOGIN".into()),
        Protocol::Pop3 if has(words, "USER") => ways.push("the command USER".into()),
        _ => {}
    }
    (!ways.is_empty()).then(|| {
        let what = format!("The server takes passwords before TLS is there, by {}: whoever is on the way reads them.", ways.join(", "));
        Finding::new(&PASSWORD_IN_CLEAR, subject, what)
            .with_remedy("Forbid logging in without TLS (Postfix: smtpd_tls_auth_only; Dovecot: ssl = required, auth_allow_cleartext = no).")
    })
}

/// What is offered within TLS, before anybody has logged in.
pub(super) fn judge(subject: &str, protocol: Protocol, words: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let offered = mechanisms(protocol, words);
    let can_log_in = match protocol {
        Protocol::Imap => !offered.is_empty() || !has(words, "LOGINDISABLED"),
        Protocol::Pop3 => !offered.is_empty() || has(words, "USER"),
        _ => !offered.is_empty(),
    };
    match (protocol, can_log_in) {
        (Protocol::Smtp, true) => findings.push(
            Finding::new(
                &AUTH_BETWEEN_SERVERS,
                subject,
                "The server that takes mail from other servers also lets users log in: passwords are tried there all day.",
            )
            .with_remedy("Offer AUTH on ports 465 and 587 only."),
        ),
        (Protocol::Smtp, false) => {}
        (_, false) => findings.push(
            Finding::new(&LOGIN_NOT_OFFERED, subject, "The server offers no way to log in, not even within TLS.")
                .with_remedy("Switch authentication on for this port, and see that the service behind it runs.")
                .with_detail("offered", words.join(", ")),
        ),
        (_, true) => findings.push(mechanisms_told(subject, offered)),
    }
    if protocol == Protocol::Imap && !has(words, "IMAP4rev1") && !has(words, "IMAP4rev2") {
        findings.push(
            Finding::new(&PROTOCOL_OLD, subject, "The server speaks neither IMAP4rev1 nor IMAP4rev2.")
                .with_remedy("Bring the server up to date.")
                .with_detail("offered", words.join(", ")),
        );
    }
    let wishes = match protocol {
        Protocol::Imap => &[],
        Protocol::Pop3 => POP3,
        _ => SMTP,
    };
    findings.extend(missing(subject, protocol, wishes, words));
    findings
}

/// What IMAP offers after the login.
pub(super) fn after_login(subject: &str, words: &[String]) -> Option<Finding> {
    missing(subject, Protocol::Imap, IMAP_AFTER_LOGIN, words)
}

/// One finding for all that is missing, as bad as the worst of it.
fn missing(subject: &str, protocol: Protocol, wishes: &[Wish], words: &[String]) -> Option<Finding> {
    let missing: Vec<_> = wishes.iter().filter(|wish| !has(words, wish.word)).collect();
    let severity = missing.iter().map(|wish| wish.severity).max()?;
    let names: Vec<_> = missing.iter().map(|wish| wish.word).collect();
    let what = format!("{} without {}.", name(protocol), names.join(", "));
    let finding = Finding::new(&CAPABILITIES_MISSING, subject, what).with_severity(severity).with_remedy(
        "Switch it on, or bring the server up to date; see that no filter in front of it takes it away.",
    );
    Some(missing.into_iter().fold(finding, |finding, wish| finding.with_detail(wish.word, wish.why)))
}

fn mechanisms_told(subject: &str, offered: Vec<String>) -> Finding {
    let is_proof = |name: &String| name.starts_with("SCRAM-") || name.starts_with("CRAM-");
    let is_token = |name: &String| matches!(name.as_str(), "OAUTHBEARER" | "XOAUTH2");
    let mut ways = Vec::new();
    if offered.iter().any(is_proof) {
        ways.push("with a proof of the password");
    }
    if offered.iter().any(is_token) {
        ways.push("with an OAuth token");
    }
    if offered.is_empty() || offered.iter().any(|name| matches!(name.as_str(), "PLAIN" | "LOGIN")) {
        ways.push("with a password within TLS");
    }
    let what = match ways.is_empty() {
        true => "One can log in.".to_owned(),
        false => format!("One can log in {}.", ways.join(", ")),
    };
    Finding::new(&MECHANISMS, subject, what).with_detail("mechanisms", offered.join(", "))
}

/// The server does not say what it offers.
pub(super) fn not_told(subject: &str, protocol: Protocol, said: &Said) -> Option<Finding> {
    let what = format!(
        "The server does not tell what it offers ({}): programs can use nothing beyond the oldest of {}.",
        match protocol {
            Protocol::Imap => "CAPABILITY",
            Protocol::Pop3 => "CAPA",
            _ => "EHLO",
        },
        name(protocol)
    );
    // The oldest servers of POP3 know no CAPA, and work.
    let severity = if protocol == Protocol::Pop3 { Severity::Warning } else { Severity::Error };
    Some(
        Finding::new(&CAPABILITIES_NONE, subject, what)
            .with_severity(severity)
            .with_remedy(
                "Bring the server up to date; see that no filter in front of it takes the command away.",
            )
            .with_detail("answer", said),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|&line| line.to_owned()).collect()
    }

    fn in_clear(protocol: Protocol, lines: &[&str]) -> bool {
        password_in_clear("x", protocol, &words(lines)).is_some()
    }

    #[test]
    fn passwords_in_clear() {
        use Protocol::{Imap, Pop3, Smtp, Submission};
        for (protocol, lines) in [
            (Smtp, &["STARTTLS", "AUTH LOGIN"][..]),
            (Submission, &["STARTTLS", "AUTH=PLAIN"]),
            (Submission, &["auth scram-sha-256 plain"]),
            (Imap, &["IMAP4rev1", "STARTTLS"]),
            (Imap, &["IMAP4rev1", "STARTTLS", "LOGINDISABLED", "AUTH=PLAIN"]),
            (Pop3, &["STLS", "USER"]),
            (Pop3, &["STLS", "SASL PLAIN"]),
        ] {
            assert!(in_clear(protocol, lines), "{protocol:?} {lines:?}");
        }
        for (protocol, lines) in [
            (Smtp, &["STARTTLS", "SIZE 10"][..]),
            (Submission, &["STARTTLS", "AUTH SCRAM-SHA-256"]),
            (Imap, &["IMAP4rev1", "STARTTLS", "LOGINDISABLED"]),
            (Pop3, &["STLS", "TOP"]),
        ] {
            assert!(!in_clear(protocol, lines), "{protocol:?} {lines:?}");
        }
    }

    #[test]
    fn what_is_missing_is_told_once() {
        let found = judge("x", Protocol::Submission, &words(&["SIZE 10", "AUTH PLAIN"]));
        let names: Vec<_> = found.iter().map(|finding| (finding.check, finding.severity)).collect();
        assert_eq!(names, [("mechanisms", Severity::Good), ("capabilities-missing", Severity::Warning)]);
        assert_eq!(found[1].details.len(), 3);
        let all = words(&["PIPELINING", "SIZE 1", "8BITMIME", "SMTPUTF8"]);
        assert_eq!(judge("x", Protocol::Smtp, &all), []);
    }
}
