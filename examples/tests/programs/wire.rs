//! `--wire` of the programs, and what `inspect` makes of it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use mailwire_core::testing::{Side, Transcript};
use serde_json::Value;

use crate::run::{PASSWORD, Run as _, Serve, TestFolder, program};

/// What `inspect` tells of a log, all of which it understands.
fn inspected(log: &Path) -> Vec<Value> {
    let ended = program("inspect").arg(log).run();
    assert_eq!(ended.status, 0, "{}\n{}\n{}", ended.err, ended.out, fs::read_to_string(log).unwrap());
    ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Checks that a log is a transcript, that `inspect` understands each line, and that no secret is in it. Returns what was said:
/// protocol, side and kind.
fn checked(log: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(log).unwrap();
    let transcript = Transcript::parse("log", &text).unwrap();
    assert!(!transcript.said_by(Side::Client).is_empty() && text.starts_with("# connection 1 "), "{text}");
    // The password, and in base64 where it follows NUL anna NUL.
    for secret in [PASSWORD, "AGFubmEA", "the body of it"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let found = inspected(log);
    let mut kinds = BTreeSet::new();
    for one in &found {
        let word = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        assert!(one["connection"].as_u64().unwrap() > 0 && one["error"].is_null(), "{one}");
        assert!(one["deviations"] == serde_json::json!([]) && one["raw"].is_null(), "{one}");
        kinds.insert(format!("{} {} {}", word("protocol"), word("side"), word("kind")));
    }
    kinds
}

#[track_caller]
fn has(kinds: &BTreeSet<String>, expected: &[&str]) {
    for kind in expected {
        assert!(kinds.contains(*kind), "no {kind} in {kinds:?}");
    }
}

#[test]
fn what_is_said_is_written_and_explained() {
    let folder = TestFolder::new();
    let log = |name: &str| -> PathBuf { folder.path().join(name) };
    let of_server = log("serve.log");
    let serve = Serve::start(&["submissions", "imaps", "pop3"], &["--wire", of_server.to_str().unwrap()]);
    let run = |name: &str, protocol: &str, options: &[&str]| {
        let security = if protocol.ends_with('s') { "tls" } else { "starttls" };
        let server = format!("127.0.0.1:{}", serve.port(protocol));
        let mut command = program(name);
        command.args(["--user", "anna", "--security", security, "--server", &server, "--ca"]);
        command.arg(folder.file("ca.pem", &serve.authority)).arg("--wire").arg(log(&format!("{name}.log")));
        command.args(options).run().expect(0, &[]);
    };
    let message = "From: anna@example.org\r\nSubject: hello\r\n\r\nthe body of it\r\n.with a dot\r\n";
    let message = folder.file("1.eml", message);
    let (message, out) = (message.to_str().unwrap(), folder.path().to_str().unwrap());
    run("send", "submissions", &["--from", "anna@example.org", "--to", "anna@example.org", message]);
    run("fetch", "imaps", &["--output", out]);
    run("pop", "pop3", &["--output", out]);

    let smtp = [
        "smtp server 220",
        "smtp client EHLO",
        "smtp client AUTH",
        "smtp client MAIL",
        "smtp client RCPT",
        "smtp client BODY",
        "smtp client QUIT",
        "smtp server 250",
    ];
    let imap = [
        "imap server OK",
        "imap client AUTHENTICATE",
        "imap server ID",
        "imap server FETCH",
        "imap client LOGOUT",
        "imap server BYE",
    ];
    let pop3 =
        ["pop3 server OK", "pop3 client STLS", "pop3 client AUTH", "pop3 client RETR", "pop3 client QUIT"];
    has(&checked(&log("send.log")), &smtp);
    has(&checked(&log("fetch.log")), &imap);
    has(&checked(&log("pop.log")), &pop3);
    serve.end();
    let kinds = checked(&of_server);
    for expected in [&smtp[..], &imap, &pop3] {
        has(&kinds, expected);
    }
}

/// What is typed where a part is not shown, and what is said of lines that are not understood for that.
#[test]
fn what_a_log_leaves_out_is_made_up() {
    let folder = TestFolder::new();
    let log = concat!(
        "# connection 3 unknown 0.000\nC: [hidden]\n",
        "# connection 3 imap 0.100\nS: * OK hi\nC: a1 LOGIN [hidden]\nC: [hidden]\nS: + go on\nS: a1 OK in\n",
        "# connection 4 smtp 0.200\nS: 220 hi\nC: EHLO x\nS: 250 hi\n",
        "# connection 3 imap 0.201\nC: a2 APPEND INBOX {70000+}\nC: [70000 bytes]\nC: \nS: a2 OK done\n",
        "S: * STATUS INBOX (MESSAGES [900 more bytes] {3}\nS: [3 bytes]\nS: )\nS: a1 [hidden]\nC: a3 NOOP\n",
        "C: a4 APPEND INBOX {5}\nS: a4 NO [OVERQUOTA] full\nC: a5 SEARCH SUBJECT {5}\nS: + go on\nC: [5 bytes]\nC:  ALL\nS: a5 OK\n",
        "# connection 4 smtp 0.300\nC: MAIL FROM:<a@x>\nC: BDAT 100000\nC: [100000 bytes]\nC: BDAT 0 LAST\nC: [0 bytes]\n",
        "C: DATA\nS: 250 OK\nS: 250 OK\nS: 250 OK\nS: 354 go on\nC: [a message of 36 bytes]\nC: .\nS: 535 [hidden]\n",
    );
    let found = inspected(&folder.file("x.log", log));
    let told: Vec<_> = found
        .iter()
        .map(|one| {
            format!(
                "{} {} {}",
                one["connection"],
                one["side"].as_str().unwrap(),
                one["kind"].as_str().unwrap()
            )
        })
        .collect();
    let expected = [
        "3 client UNKNOWN",
        "3 server OK",
        "3 client LOGIN",
        "3 client HIDDEN",
        "3 server CONTINUATION",
        "3 server OK",
        "4 server 220",
        "4 client EHLO",
        "4 server 250",
        "3 client APPEND",
        "3 server OK",
        "3 server CUT",
        "3 server HIDDEN",
        "3 client NOOP",
        "3 server NO",
        "3 client REFUSED",
        "3 server CONTINUATION",
        "3 client SEARCH",
        "3 server OK",
        "4 client MAIL",
        "4 client BDAT",
        "4 client BODY",
        "4 client BDAT",
        "4 client BODY",
        "4 client DATA",
        "4 server 250",
        "4 server 250",
        "4 server 250",
        "4 server 354",
        "4 client BODY",
        "4 server 535",
    ];
    assert_eq!(told, expected);
    let lengths: Vec<_> = found.iter().filter_map(|one| one["value"]["length"].as_u64()).collect();
    assert_eq!(lengths, [100_000, 0, 36]);
}
