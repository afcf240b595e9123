//! `doctor` tells what will be done, and what is wrong, in each form; and logs in for nobody who is not named.

use std::{net::UdpSocket, process::Command, thread};

use serde_json::Value;

use crate::run::{Run as _, Serve, TestFolder, program};

/// A name server that knows no name.
fn name_server() -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut buffer = [0; 1024];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            let question = buffer[12..length].iter().position(|&byte| byte == 0).unwrap() + 5;
            let mut answer = buffer[..12 + question].to_vec();
            // A response, recursion available, NXDOMAIN; and nothing but the question.
            (answer[2], answer[3]) = (0x81, 0x83);
            answer[6..12].fill(0);
            let _ = socket.send_to(&answer, peer);
        }
    });
    address
}

/// The program with a server that is there, and a domain that is not.
fn doctor(serve: &Serve, folder: &TestFolder) -> Command {
    let mut command = program("doctor");
    command.env_remove("MAILWIRE_PASSWORD").args([
        "anna@example.test",
        "--resolver",
        &name_server(),
        "--port",
        "1",
    ]);
    command.args(["--server", &format!("imaps://localhost:{}", serve.port("imaps")), "--ca"]);
    command.arg(folder.file("ca.pem", &serve.authority));
    command
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
    let mut without = program("doctor");
    without.env_remove("MAILWIRE_PASSWORD").args(resolver).args(["a@b.test", "--test-mail"]);
    without.run().expect(64, &["MAILWIRE_PASSWORD"]);
}
