//! `inspect` explains what is there, and says what is not.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::Value;

/// What is printed of one server's bytes, and whether all was well.
fn inspected(arguments: &[&str], bytes: &[u8]) -> (Vec<Value>, bool) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_inspect"))
        .args(arguments)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || drop(input.write_all(&bytes)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), output.status.success())
}

const SERVER: &[&str] = &["--protocol", "imap", "--side", "server"];

/// A body that ends before its announced length takes nothing with it.
#[test]
fn a_cut_literal_is_an_error_and_what_follows_is_read() {
    for announced in [200, 100_000, 3_000_000] {
        let body = "Subject: x\r\n\r\nOK then\r\n";
        let bytes = format!(
            "* OK hi\r\n* 1 FETCH (UID 7 BODY[] {{{announced}}}\r\n{body})\r\nb.2 OK done\r\n* 5 EXISTS\r\n"
        );
        let (found, well) = inspected(SERVER, bytes.as_bytes());
        assert!(!well, "{announced}");
        let kinds: Vec<_> = found.iter().map(|one| one["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["OK", "MALFORMED", "OK", "EXISTS"], "{announced}");
        assert_eq!(found[1]["error"]["reason"], "the input ends within a message");
        assert!(found[1]["raw"].as_str().unwrap().ends_with("OK then\r\n)\r\n"), "{announced}");
        // Each byte belongs to one object.
        let ends: Vec<_> = found
            .iter()
            .map(|one| one["offset"].as_u64().unwrap() + one["length"].as_u64().unwrap())
            .collect();
        assert_eq!(ends.last(), Some(&(bytes.len() as u64)), "{announced}");
        assert_eq!(found[2]["offset"].as_u64(), Some(ends[1]));
    }
}

/// Larger than what is waited for.
#[test]
fn a_literal_that_is_passed_over_is_missed_at_the_end() {
    let (found, well) = inspected(SERVER, b"* 1 FETCH (BODY[] {1000000000}\r\nab");
    assert!(!well);
    let [one] = &found[..] else { panic!("{found:?}") };
    assert_eq!(
        (one["kind"].as_str(), one["raw"].as_str()),
        (Some("MALFORMED"), Some("* 1 FETCH (BODY[] {1000000000}\r\n"))
    );
}

#[test]
fn a_literal_that_is_there_is_named_by_its_length() {
    let bytes = format!("* 1 FETCH (BODY[] {{100000}}\r\n{})\r\n", "x".repeat(100_000));
    let (found, well) = inspected(SERVER, bytes.as_bytes());
    assert!(well && found.len() == 1 && found[0]["kind"] == "FETCH", "{found:?}");
    assert!(found[0].to_string().len() < 1000);
}
