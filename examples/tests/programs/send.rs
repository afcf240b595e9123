use std::{path::PathBuf, process::Command};

use crate::{
    peer::{Answer::Usual, Peer, last, say},
    run::{Run as _, Serve, TestFolder, client, program},
};

/// `send` to these recipients, with files of its own.
fn to(peer: &Peer, recipients: &[&str]) -> Command {
    let mut command = client("send", peer.port);
    command.args(["--from", "anna@example.org"]);
    for recipient in recipients {
        command.args(["--to", recipient]);
    }
    command
}

fn files(folder: &TestFolder, count: usize) -> Vec<PathBuf> {
    (1..=count).map(|n| folder.file(&format!("{n}.eml"), format!("Subject: {n}\n\nhi\n"))).collect()
}

#[test]
fn each_recipient_has_an_outcome() {
    let folder = TestFolder::new();
    let peer = Peer::smtp(|_, line| match line {
        line if line.contains("<bob@") => say("550 5.1.1 no such user\r\n"),
        line if line.contains("<carol@") => say("451 4.3.0 try later\r\n"),
        _ => Usual,
    });
    let mut command = to(&peer, &["bob@example.net", "carol@example.net", "dan@example.net"]);
    let ended = command.args(files(&folder, 1)).run();
    ended
        .expect(1, &["1.eml: <bob@example.net>: ", "550 5.1.1", "1.eml: <carol@example.net>: ", "451 4.3.0"]);
    assert_eq!(ended.out.lines().count(), 1);
    assert!(ended.out.contains("1.eml: <dan@example.net>: 250 2.0.0 queued as 1"), "{}", ended.out);
}

#[test]
fn if_nobody_gets_it_each_reason_is_told() {
    let folder = TestFolder::new();
    let files = files(&folder, 1);
    let peer = Peer::smtp(|_, line| match line {
        line if line.contains("<bob@") => say("550 5.1.1 no such user\r\n"),
        line if line.contains("<carol@") => say("451 4.3.0 try later\r\n"),
        _ => Usual,
    });
    // One of them may get it later.
    let ended = to(&peer, &["bob@example.net", "carol@example.net"]).args(&files).run();
    ended.expect(75, &["<bob@example.net>: ", "no such user", "<carol@example.net>: ", "try later"]);
    to(&peer, &["bob@example.net"]).args(&files).run().expect(69, &["no such user"]);
    to(&peer, &["carol@example.net"]).args(&files).run().expect(75, &["try later"]);
}

#[test]
fn lmtp_has_an_outcome_for_each_recipient_after_the_message() {
    let folder = TestFolder::new();
    let files = files(&folder, 1);
    let peer = Peer::smtp(|_, line| match line {
        "." => say("250 2.0.0 stored\r\n552 5.2.2 full\r\n"),
        _ => Usual,
    });
    let ended = to(&peer, &["bob@example.net", "carol@example.net"]).arg("--lmtp").args(&files).run();
    ended.expect(1, &["<carol@example.net>: ", "552 5.2.2 full"]);
    assert!(ended.out.contains("<bob@example.net>: 250 2.0.0 stored"), "{}", ended.out);
    assert!(!ended.out.contains("carol"), "{}", ended.out);
    let peer =
        Peer::smtp(|_, line| if line == "." { say("452 4.2.2 full\r\n552 5.2.2 full\r\n") } else { Usual });
    let ended = to(&peer, &["bob@example.net", "carol@example.net"]).arg("--lmtp").args(&files).run();
    ended.expect(75, &["<bob@example.net>: ", "452 4.2.2 full", "<carol@example.net>: ", "552 5.2.2 full"]);
}

#[test]
fn a_lost_farewell_is_no_failure() {
    let folder = TestFolder::new();
    let peer = Peer::smtp(|_, line| if line == "QUIT" { last("") } else { Usual });
    let ended = to(&peer, &["bob@example.net"]).args(files(&folder, 1)).run();
    ended.expect(0, &[]);
    assert!(ended.out.contains("queued as 1"), "{}", ended.out);
}

#[test]
fn a_refused_message_does_not_stop_the_others() {
    let folder = TestFolder::new();
    let mut messages = 0;
    let peer = Peer::smtp(move |_, line| {
        messages += usize::from(line == ".");
        if line == "." && messages == 1 { say("554 5.7.1 spam\r\n") } else { Usual }
    });
    let ended = to(&peer, &["bob@example.net"]).args(files(&folder, 2)).run();
    ended.expect(1, &["1.eml: not sent: ", "554 5.7.1 spam"]);
    assert!(ended.out.contains("2.eml: <bob@example.net>: 250"), "{}", ended.out);
    assert_eq!(peer.count("EHLO"), 1);
}

#[test]
fn a_lost_connection_does_not_stop_the_others() {
    let folder = TestFolder::new();
    let peer = Peer::smtp(|connection, line| match line {
        line if connection == 1 && line.starts_with("RCPT") => last("421 4.7.0 closing\r\n"),
        _ => Usual,
    });
    let ended = to(&peer, &["bob@example.net"]).args(files(&folder, 2)).run();
    ended.expect(1, &["1.eml: not sent: "]);
    assert!(ended.out.contains("2.eml: <bob@example.net>: 250"), "{}", ended.out);
    // Alone, it may be sent later.
    let peer = Peer::smtp(|_, line| if line.starts_with("MAIL") { last("") } else { Usual });
    to(&peer, &["bob@example.net"]).args(files(&folder, 1)).run().expect(75, &["1.eml: not sent: "]);
}

#[test]
fn a_lost_answer_may_be_a_success() {
    let folder = TestFolder::new();
    let peer = Peer::smtp(|_, line| if line == "." { last("") } else { Usual });
    let ended = to(&peer, &["bob@example.net"]).args(files(&folder, 1)).run();
    // Neither a success nor something to be repeated without a thought.
    ended.expect(1, &["1.eml: sent in full, but the answer is lost"]);
    assert_eq!(ended.out, "");
}

#[test]
fn a_file_that_cannot_be_read_does_not_stop_the_others() {
    let folder = TestFolder::new();
    let peer = Peer::smtp(|_, _| Usual);
    let none = folder.path().join("none.eml");
    to(&peer, &["bob@example.net"]).arg(&none).run().expect(66, &["none.eml: "]);
    to(&peer, &["bob@example.net"]).arg(folder.path()).run().expect(66, &["not a file"]);
    assert_eq!(peer.count("EHLO"), 0);
    let ended = to(&peer, &["bob@example.net"]).arg(&none).args(files(&folder, 1)).run();
    ended.expect(1, &["none.eml: "]);
    assert_eq!(peer.count("DATA"), 1);
}

#[test]
fn a_file_that_changes_is_not_sent_in_part() {
    let folder = TestFolder::new();
    for length in [5, 5_000_000] {
        let file = files(&folder, 1).remove(0);
        let changed = file.clone();
        let peer = Peer::smtp(move |_, line| {
            if line == "DATA" {
                std::fs::OpenOptions::new().write(true).open(&changed).unwrap().set_len(length).unwrap();
            }
            Usual
        });
        let ended = to(&peer, &["bob@example.net"]).arg(&file).run();
        ended.expect(75, &["1.eml: not sent: ", "the file has changed"]);
        // The end of the message was not sent.
        assert_eq!(peer.said().iter().filter(|line| *line == ".").count(), 0);
    }
}

#[test]
fn what_was_not_tried_is_named() {
    let folder = TestFolder::new();
    let peer = Peer::smtp(|connection, line| match line {
        "DATA" => last(""),
        line if connection == 2 && line.starts_with("EHLO") => last("421 4.3.2 no more today\r\n"),
        _ => Usual,
    });
    let ended = to(&peer, &["bob@example.net"]).args(files(&folder, 3)).run();
    ended.expect(75, &["1.eml: not sent", "2.eml: not tried", "3.eml: not tried", "no more today"]);
}

#[test]
fn an_address_without_a_domain_gets_one_or_is_named() {
    let folder = TestFolder::new();
    let files = files(&folder, 1);
    let peer = Peer::smtp(|_, _| Usual);
    to(&peer, &["root"]).args(&files).run().expect(64, &["--to root: no domain", "--domain"]);
    to(&peer, &["a b@example.net"]).args(&files).run().expect(64, &["--to a b@example.net: "]);
    assert_eq!(peer.said().len(), 0);
    let ended =
        to(&peer, &["root", "bob@example.net"]).args(["--domain", "mx.example.net"]).args(&files).run();
    ended.expect(0, &[]);
    assert_eq!(peer.count("RCPT TO:<root@mx.example.net>"), 1);
    assert_eq!(peer.count("RCPT TO:<bob@example.net>"), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_message_that_was_sent_is_not_a_failure_to_be_repeated() {
    let folder = TestFolder::new();
    let peer = Peer::smtp(|_, _| Usual);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = to(&peer, &["bob@example.net"]);
    let child = command.args(files(&folder, 1)).stdout(full).stderr(std::process::Stdio::piped()).spawn();
    let ended = crate::run::Ended::from(child.unwrap().wait_with_output().unwrap());
    ended.expect(1, &["standard output"]);
}

/// The peer does not look at messages, the store does.
#[test]
fn a_message_is_written_with_attachments() {
    let serve = Serve::start(&["submission", "imaps"], &[]);
    let folder = TestFolder::new();
    let authority = folder.file("ca.pem", &serve.authority);
    let server = format!("127.0.0.1:{}", serve.port("submission"));
    let sent = |words: &[&str]| {
        let mut command = program("send");
        command
            .args(["--server", &server, "--security", "starttls", "--user", "anna", "--ca"])
            .arg(&authority);
        command.args(["--from", "anna@example.org", "--to", "anna@example.org"]).args(words);
        command.current_dir(folder.path()).run()
    };
    folder.file("Übersicht 1.pdf", "%PDF-1.7\nbare line ends\n");
    folder.file("notes.txt", "grüße\n");
    let attached = ["--attach", "Übersicht 1.pdf", "--attach", "notes.txt"];
    sent(&[&["--subject", "Grüße", "--body", "Hier ist es.\n"], &attached[..]].concat()).expect(0, &[]);
    let mut fetch = program("fetch");
    let server = format!("127.0.0.1:{}", serve.port("imaps"));
    fetch.args(["--server", &server, "--user", "anna", "--ca"]).arg(&authority).arg("--output").arg("mail");
    fetch.current_dir(folder.path()).run().expect(0, &[]);
    let message = std::fs::read_to_string(folder.path().join("mail/1.eml")).unwrap();
    for part in [
        "From: <anna@example.org>\r\n",
        "To: <anna@example.org>\r\n",
        "Message-ID: <",
        "@example.org>\r\n",
        "Date: ",
        "Hier ist es.",
        "Content-Type: application/pdf",
        "Content-Type: text/plain; charset=\"utf-8\"\r\nContent-Disposition: attachment; filename=\"notes.txt\"",
        // Each byte as it is in the file.
        "JVBERi0xLjcKYmFyZSBsaW5lIGVuZHMK",
        "Z3LDvMOfZQo=",
    ] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }

    sent(&["--attach", "missing.pdf"]).expect(66, &["missing.pdf"]);
    sent(&["--subject", "x", "notes.txt"]).expect(64, &["cannot be used with"]);
    sent(&[]).expect(64, &["required"]);
    let nobody = sent(&["--from", "", "--subject", "x"]);
    nobody.expect(64, &[]);
}
