//! `doctor` tells what will be done, and what is wrong, in each form; and logs in for nobody who is not named.

use std::{net::UdpSocket, process::Command, thread};

use serde_json::Value;

use crate::run::{Run as _, Serve, TestFolder, program};

/// A name, the number of a type, and what stands there as it is sent.
type Record = (&'static str, u16, &'static [u8]);

/// A domain with which all is well.
const RIGHT: &[Record] = &[
    ("example.test", 15, b"\0\x0a\x04mail\x07example\x04test\0"),
    ("mail.example.test", 1, &[192, 0, 2, 25]),
    ("25.2.0.192.in-addr.arpa", 12, b"\x04mail\x07example\x04test\0"),
    ("example.test", 16, b"\x0ev=spf1 mx -all"),
    ("localhost", 1, &[127, 0, 0, 1]),
    DMARC,
];
const DMARC: Record = ("_dmarc.example.test", 16, b"\x12v=DMARC1; p=reject");

/// A name server that knows these.
fn name_server(records: Vec<Record>) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut buffer = [0; 1024];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&answered(&buffer[..length], &records), peer);
        }
    });
    address
}

fn answered(asked: &[u8], records: &[Record]) -> Vec<u8> {
    let (mut at, mut labels) = (12, Vec::new());
    while asked[at] > 0 {
        let end = at + 1 + usize::from(asked[at]);
        labels.push(String::from_utf8_lossy(&asked[at + 1..end]).to_lowercase());
        at = end;
    }
    let (name, kind) = (labels.join("."), u16::from_be_bytes([asked[at + 1], asked[at + 2]]));
    let named: Vec<_> = records.iter().filter(|(known, ..)| *known == name).collect();
    let found: Vec<_> = named.iter().filter(|(_, known, _)| *known == kind).collect();
    let mut answer = asked[..at + 5].to_vec();
    // A response, recursion available; NXDOMAIN, if there is nothing of that name.
    (answer[2], answer[3]) = (0x81, if named.is_empty() { 0x83 } else { 0x80 });
    answer[6..12].fill(0);
    answer[7] = u8::try_from(found.len()).unwrap();
    for (_, kind, data) in found {
        // The name that was asked for, class IN, a minute.
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 60, 0, u8::try_from(data.len()).unwrap()]);
        answer.extend(*data);
    }
    answer
}

/// The program with a server that is there, and a domain that is not.
fn doctor(serve: &Serve, folder: &TestFolder) -> Command {
    doctor_of(serve, folder, Vec::new())
}

/// The program with a server that is there, and these records.
fn doctor_of(serve: &Serve, folder: &TestFolder, records: Vec<Record>) -> Command {
    let mut command = program("doctor");
    for variable in ["MAILWIRE_PASSWORD", "NO_COLOR", "CLICOLOR_FORCE"] {
        command.env_remove(variable);
    }
    command.args(["anna@example.test", "--resolver", &name_server(records), "--no-dnssec", "--port", "1"]);
    // By one address: `localhost` can have two.
    let place = format!("localhost:993=127.0.0.1:{}", serve.port("imaps"));
    command.args(["--server", "imaps://localhost", "--connect-to", &place, "--ca"]);
    command.arg(folder.file("ca.pem", &serve.authority));
    command
}

/// The exit status is that of the worst that is found.
#[test]
fn how_bad_it_is_is_the_exit_status() {
    let (serve, folder) = (Serve::start(&["imaps"], &[]), TestFolder::new());
    let without = |left_out: Record| RIGHT.iter().copied().filter(|record| *record != left_out).collect();
    for (records, status, says) in [
        (RIGHT.to_vec(), 0, "notes"),
        (without(DMARC), 1, "1 warning"),
        (without(RIGHT[3]), 2, "1 error"),
        (without(RIGHT[0]), 2, "1 error"),
    ] {
        let ended = doctor_of(&serve, &folder, records).run();
        assert_eq!(ended.status, status, "{}{}", ended.out, ended.err);
        assert!(ended.out.lines().last().unwrap().contains(says), "{}", ended.out);
        assert!(ended.out.contains("localhost:993: The certificate is for localhost"), "{}", ended.out);
    }
}

/// Where there is no terminal there are no colours, unless they are asked for.
#[test]
fn colours() {
    let (serve, folder) = (Serve::start(&["imaps"], &[]), TestFolder::new());
    let is_coloured = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = doctor_of(&serve, &folder, RIGHT.to_vec());
        let ended = command.args(arguments).envs(variables.iter().copied()).run();
        assert_eq!((ended.status, ended.err.contains('\x1b')), (0, false), "{}", ended.err);
        assert!(ended.out.contains("good"), "{}", ended.out);
        ended.out.contains("\x1b[32m✓ good")
    };
    assert!(!is_coloured(&[], &[]) && is_coloured(&["--color", "always"], &[("NO_COLOR", "1")]));
    assert!(is_coloured(&[], &[("CLICOLOR_FORCE", "1")]));
    assert!(!is_coloured(&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
}

#[test]
fn what_is_wrong_is_told_in_each_form() {
    let (serve, folder) = (Serve::start_traced(&["imaps"]), TestFolder::new());
    let page = folder.path().join("report.html");
    let ended = doctor(&serve, &folder).arg("--html").arg(&page).run();
    ended.expect(2, &["what will be done:", "The servers are given: localhost:"]);
    for words in ["✗ error   example.test: No host takes this domain's mail", "[mx-none]", "✓ good", "errors"]
    {
        assert!(ended.out.contains(words), "no {words:?} in {}", ended.out);
    }
    assert!(!ended.out.contains('\x1b'), "colours are for terminals");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<h1>anna@example.test</h1>"));
    assert!(page.contains("<code>mx-none</code>") && page.contains("<code>spf-missing</code>"));
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("href="));

    let ended = doctor(&serve, &folder).arg("--json").run();
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(
        (ended.status, &report["worst"], &report["domain"]),
        (2, &"error".into(), &"example.test".into())
    );
    let findings = report["findings"].as_array().unwrap();
    let mx = findings.iter().find(|finding| finding["check"] == "mx-none").unwrap();
    assert_eq!((&mx["severity"], &mx["section"]), (&"error".into(), &"records".into()));
    assert!(mx["remedy"].as_str().unwrap().contains("MX record"));
    let port = findings.iter().find(|finding| finding["check"] == "port-open").unwrap();
    assert!(port["subject"].as_str().unwrap().starts_with("localhost:"));
    // Nobody was named.
    let said = serve.end();
    assert!(!said.contains("AUTHENTICATE") && !said.contains("LOGIN"), "{said}");
}

#[test]
fn a_dry_run_asks_nobody_and_what_is_wrong_in_the_arguments_is_told() {
    let dry = program("doctor").args(["anna@example.test", "--no-dnssec", "--dry-run", "--test-mail"]).run();
    dry.expect(0, &["what will be done:", "example.test"]);
    assert_eq!(dry.out, "");
    let resolver = ["--resolver", "127.0.0.1:1", "--no-dnssec"];
    let doctor = |arguments: &[&str]| program("doctor").args(resolver).args(arguments).run();
    doctor(&["nonsense"]).expect(64, &["nonsense"]);
    doctor(&["a@b.test", "--server", "gopher://b.test"]).expect(64, &["--server"]);
    doctor(&["a@b.test", "--user", "anna", "--password-file", "/nowhere"]).expect(66, &["--password-file"]);
    doctor(&["a@b.test", "--connect-to", "mail.b.test=127.0.0.1:1"]).expect(64, &["HOST:PORT=IP:PORT"]);
    // Nobody can be asked whether the message may be sent.
    doctor(&["a@b.test", "--test-mail"])
        .expect(64, &["One message is sent from a@b.test to itself", "--yes"]);
    let mut without = program("doctor");
    without.env_remove("MAILWIRE_PASSWORD").args(resolver).args(["a@b.test", "--test-mail"]);
    without.run().expect(64, &["MAILWIRE_PASSWORD"]);
}
