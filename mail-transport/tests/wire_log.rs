//! What a wire log shows of a conversation, and what it does not.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod peer;
mod support;

use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use mailwire_core::{Connection, Error as Violation, Next, Output, SaslStep, SendError, Upgrade};
use mailwire_transport::{
    Driver, DriverConfig, Endpoint, Result, Step, Stream, WireLog, imap, pop3,
    sasl::{Credentials, Mechanism},
    smtp,
};
use peer::{ada, endpoint, play};
use support::Script;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn endpoint(&self) -> Endpoint {
        let lines = self.clone();
        endpoint().with_wire_log(move |line| lines.0.lock().unwrap().push(line.to_string()))
    }

    fn log(&self, own: fn(Lines) -> WireLog) -> WireLog {
        own(self.clone())
    }

    fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

fn of_client(lines: Lines) -> WireLog {
    WireLog::of_client(move |line| lines.0.lock().unwrap().push(line.to_string()))
}

fn of_server(lines: Lines) -> WireLog {
    WireLog::of_server(move |line| lines.0.lock().unwrap().push(line.to_string()))
}

/// Takes whatever comes, in either role.
struct Anything(Output);

impl Connection for Anything {
    type Event = ();
    type Error = Violation;
    fn next_event(&mut self, input: &mut BytesMut) -> Result<Next<()>, Violation> {
        input.clear();
        Ok(if self.0.is_empty() { Next::NeedInput } else { Next::Paused })
    }
    fn output(&mut self) -> &mut Output {
        &mut self.0
    }
    fn handle_eof(&mut self) {}
    fn timeout(&self) -> Option<std::time::Duration> {
        None
    }
    fn handle_timeout(&mut self) {}
    fn upgraded(&mut self, _: Upgrade) {}
    fn send_auth(&mut self, _: SaslStep) -> Result<(), SendError<SaslStep>> {
        Ok(())
    }
    fn close(&mut self) {}
}

/// The log of a conversation, which is cut into pieces of `size` bytes on its way.
async fn logged(conversation: &str, size: usize, own: fn(Lines) -> WireLog, own_mark: &str) -> String {
    let lines = Lines::default();
    let mut config = DriverConfig::client();
    config.wire_log = Some(lines.log(own));
    let mut script = Script::new([]);
    (script.write_at_most, script.ends) = (size, false);
    let mut driver = Driver::with_config(script, Anything(Output::new(1 << 20)), config);
    for line in conversation.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
        let (mark, text) = line.split_at(2);
        let text = text.strip_prefix(' ').unwrap_or(text);
        let text = text.strip_suffix('~').map_or_else(|| format!("{text}\r\n"), str::to_owned);
        if mark == own_mark {
            driver.connection_mut().0.append(Bytes::from(text.into_bytes()));
            driver.flush().await.unwrap();
        } else {
            driver.stream_mut().reads.extend(text.as_bytes().chunks(size).map(<[u8]>::to_vec));
            let reading = async { while let Ok(Step::Event(())) = driver.next().await {} };
            tokio::select! { biased; () = reading => {}, () = tokio::task::yield_now() => {} }
        }
        assert!(driver.stream().reads.is_empty());
    }
    lines.text()
}

/// In both roles, and in pieces of any size, the log is the expected one.
async fn shows(conversation: &str, expected: &str) {
    let expected: Vec<_> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    for size in [1, 2, 3, 7, 1000] {
        for (own, mark) in [(of_client as fn(Lines) -> WireLog, "C:"), (of_server, "S:")] {
            let shown = logged(conversation, size, own, mark).await;
            assert_eq!(
                shown.lines().map(str::trim_end).collect::<Vec<_>>(),
                expected,
                "own {mark} by {size}"
            );
        }
    }
}

#[tokio::test]
async fn smtp_logins_and_messages_are_not_shown() {
    shows(
        "S: 220 mx.example ESMTP
         C: EHLO localhost
         S: 250-mx.example
         S: 250 AUTH PLAIN LOGIN
         C: AUTH LOGIN
         S: 334 VXNlcm5hbWU6
         C: YWRh
         S: 334 UGFzc3dvcmQ6
         C: dGFuc3RhYWY=
         S: 535 5.7.8 no
         C: AUTH PLAIN AGFkYQB0YW5zdGFhZg==
         S: 235 2.7.0 yes
         C: AUTH AGFkYQB0YW5zdGFhZg==
         S: 504 what
         C: auth\tplain\tAGFkYQB0YW5zdGFhZg==
         S: 503 again
         C: AUTH SCRAM-SHA-256 biws
         S: 334 cj1y
         C: *
         S: 501 cancelled
         C: NOOP
         C: AUTH PLAIN
         C: NOOP
         S: 250 OK
         C: dGFuc3RhYWY=
         S: 334
         C: PASS tanstaaf
         S: 500 what
         C: MAIL FROM:<ada@example.org>
         C: RCPT TO:<bob@example.org>
         C: DATA
         S: 250 OK
         S: 250 OK
         S: 354 go on
         C: Subject: private
         C: 
         C: ..
         C: AUTH PLAIN
         C: .
         S: 250 OK
         C: QUIT
         S: 221 bye",
        "S: 220 mx.example ESMTP
         C: EHLO localhost
         S: 250-mx.example
         S: 250 AUTH PLAIN LOGIN
         C: AUTH LOGIN
         S: 334 [hidden]
         C: [hidden]
         S: 334 [hidden]
         C: [hidden]
         S: 535 5.7.8 no
         C: AUTH PLAIN [hidden]
         S: 235 2.7.0 yes
         C: AUTH [hidden]
         S: 504 what
         C: auth\\tplain [hidden]
         S: 503 again
         C: AUTH SCRAM-SHA-256 [hidden]
         S: 334 [hidden]
         C: *
         S: 501 cancelled
         C: NOOP
         C: AUTH PLAIN
         C: [hidden]
         S: 250 OK
         C: [hidden]
         S: 334
         C: PASS [hidden]
         S: 500 what
         C: MAIL FROM:<ada@example.org>
         C: RCPT TO:<bob@example.org>
         C: DATA
         S: 250 OK
         S: 250 OK
         S: 354 go on
         C: [a message of 36 bytes]
         C: .
         S: 250 OK
         C: QUIT
         S: 221 bye",
    )
    .await;
}

#[tokio::test]
async fn imap_logins_and_literals_are_not_shown() {
    let long = "x".repeat(16_500);
    shows(
        &format!(
            "S: * OK hi
             C: a1 LOGIN ada \"tanstaaf\"
             S: a1 NO no
             C: a2 login {{3}}
             S: + go on
             C: ada {{8+}}
             C: tanstaaf
             S: a2 NO no
             C: a3 LOGIN ada {{8}}
             S: a3 BAD no
             C: a4 NOOP
             S: a4 OK done
             C: LOGIN ada tanstaaf
             S: * BAD what
             C: a5 AUTHENTICATE PLAIN
             S: +
             C: AGFkYQB0YW5zdGFhZg==
             S: a5 NO no
             C: a6 AUTHENTICATE SCRAM-SHA-256 biws
             S: + cj1y
             C: Yz1i
             S: dj1z
             S: + dj1z
             C: 
             S: * CAPABILITY IMAP4rev1
             S: a6 OK in
             C: a7 SEARCH SUBJECT {{5}}
             S: + go on
             C: hello UNSEEN
             S: * SEARCH 1
             S: a7 OK found {{3}}
             C: a8 FETCH 1 BODY[]
             S: * 1 FETCH (BODY[] {{7}}
             S: private~
             S:  FLAGS (){long} {{3}}
             S: abc)
             S: a8 OK done
             C: a9 IDLE
             S: + idling
             C: DONE
             S: a9 OK done
             C: b1 APPEND INBOX {{7+}}
             C: private~
             C: 
             S: b1 OK done
             C: b2 XPASS tanstaaf
             S: b2 BAD what"
        ),
        &format!(
            "S: * OK hi
             C: a1 LOGIN [hidden]
             S: a1 NO no
             C: a2 login [hidden]
             S: + go on
             C: [hidden]
             C: [hidden]
             C: [hidden]
             C: [hidden]
             S: a2 NO no
             C: a3 LOGIN [hidden]
             S: a3 BAD no
             C: a4 NOOP
             S: a4 OK done
             C: [hidden]
             S: * BAD what
             C: a5 AUTHENTICATE PLAIN
             S: +
             C: [hidden]
             S: a5 NO no
             C: a6 AUTHENTICATE SCRAM-SHA-256 [hidden]
             S: + [hidden]
             C: [hidden]
             S: [hidden]
             S: + [hidden]
             C: [hidden]
             S: * CAPABILITY IMAP4rev1
             S: a6 OK in
             C: a7 SEARCH SUBJECT {{5}}
             S: + go on
             C: [5 bytes]
             C:  UNSEEN
             S: * SEARCH 1
             S: a7 OK found {{3}}
             C: a8 FETCH 1 BODY[]
             S: * 1 FETCH (BODY[] {{7}}
             S: [7 bytes]
             S:  FLAGS (){} [129 more bytes] {{3}}
             S: [3 bytes]
             S: )
             S: a8 OK done
             C: a9 IDLE
             S: + idling
             C: DONE
             S: a9 OK done
             C: b1 APPEND INBOX {{7+}}
             C: [7 bytes]
             C:
             S: b1 OK done
             C: [hidden]
             S: b2 BAD what",
            "x".repeat(16_384 - 9)
        ),
    )
    .await;
}

/// RFC 3030: what is sent in chunks has no line of its own, whatever its words look like.
#[tokio::test]
async fn chunks_are_not_shown() {
    shows(
        "S: 220 hi
         C: BDAT 19
         C: HELP me
         C: NOOP now
         C: bdat 7 LAST
         C: QUIT~
         C: abc~
         C: NOOP
         S: 250 OK
         C: BDAT 0 LAST
         C: QUIT",
        "S: 220 hi
         C: BDAT 19
         C: [19 bytes]
         C: bdat 7 LAST
         C: [7 bytes]
         C: NOOP
         S: 250 OK
         C: BDAT 0 LAST
         C: [0 bytes]
         C: QUIT",
    )
    .await;
}

#[tokio::test]
async fn pop3_logins_and_messages_are_not_shown() {
    shows(
        "S: +OK <1@x> hi
         C: USER ada
         C: PASS tan staaf
         S: +OK
         S: -ERR no
         C: APOP ada c4c9334bac560ecc979e58001b3e22fb
         S: -ERR no
         C: AUTH
         S: +OK
         S: PLAIN
         S: .
         C: CAPA
         S: +OK
         S: SASL PLAIN
         S: .
         C: NOOP
         C: AUTH PLAIN
         S: +OK
         S: + 
         C: AGFkYQB0YW5zdGFhZg==
         S: -ERR no
         C: AUTH XOAUTH2 dXNlcj1hZGE=
         S: + eyJzdGF0dXMiOiI0MDEifQ==
         C: 
         S: -ERR no
         C: dGFuc3RhYWY=
         S: -ERR what
         C: RETR 1
         C: LIST
         S: +OK
         S: private
         S: ..
         S: .
         S: +OK
         S: 1 8
         S: .
         C: LIST 1
         S: +OK 1 8",
        "S: +OK <1@x> hi
         C: USER ada
         C: PASS [hidden]
         S: +OK
         S: -ERR no
         C: APOP [hidden]
         S: -ERR no
         C: AUTH
         S: +OK
         S: PLAIN
         S: .
         C: CAPA
         S: +OK
         S: SASL PLAIN
         S: .
         C: NOOP
         C: AUTH PLAIN
         S: +OK
         S: +
         C: [hidden]
         S: -ERR no
         C: AUTH XOAUTH2 [hidden]
         S: + [hidden]
         C: [hidden]
         S: -ERR no
         C: [hidden]
         S: -ERR what
         C: RETR 1
         C: LIST
         S: +OK
         S: [a message of 13 bytes]
         S: .
         S: +OK
         S: 1 8
         S: .
         C: LIST 1
         S: +OK 1 8",
    )
    .await;
}

#[tokio::test]
async fn before_the_greeting_and_of_other_protocols_nothing_is_shown() {
    shows("C: PASS tanstaaf\nS: +OK\nC: PASS tanstaaf", "C: [hidden]\nS: +OK\nC: PASS [hidden]").await;
    shows("S: * OK hi\nC: PASS tanstaaf\nC: AUTH PLAIN x", "S: * OK hi\nC: [hidden]\nC: [hidden]").await;
    shows("S: 220 hi\nC: a LOGIN ada tanstaaf", "S: 220 hi\nC: [hidden]").await;
    shows("S: what\nC: a LOGIN ada tanstaaf", "S: what\nC: [hidden]").await;
}

/// Servers repeat what they do not like.
#[tokio::test]
async fn what_a_server_repeats_of_a_login_is_not_shown() {
    shows(
        "S: 220 hi
         C: AUTH PLAIN AGFkYQB0YW5zdGFhZg==
         S: 501-5.5.4 what is AGFkYQB0YW5zdGFhZg==
         S: 501 5.5.4 wrong: tanstaaf
         C: AUTH PLAIN
         S: 334
         C: AGFkYQB0YW5zdGFhZg==
         S: tanstaaf
         S: 535 tanstaaf is not the password
         C: NOOP
         S: 250 OK",
        "S: 220 hi
         C: AUTH PLAIN [hidden]
         S: 501-5.5.4 [hidden]
         S: 501 [hidden]
         C: AUTH PLAIN
         S: 334
         C: [hidden]
         S: [hidden]
         S: 535 [hidden]
         C: NOOP
         S: 250 OK",
    )
    .await;
    shows(
        "S: * OK hi
         C: a1 LOGIN ada \"tanstaaf\"
         S: * BAD no such command: a1 LOGIN ada \"tanstaaf\"
         S: a1 NO tanstaaf
         C: a2 LOGIN {3}
         S: + go on
         C: ada {8}
         S: + go on
         C: tanstaaf
         S: a2 NO tanstaaf",
        "S: * OK hi
         C: a1 LOGIN [hidden]
         S: * [hidden]
         S: a1 [hidden]
         C: a2 LOGIN [hidden]
         S: + go on
         C: [hidden]
         C: [hidden]
         S: + go on
         C: [hidden]
         C: [hidden]
         S: a2 [hidden]",
    )
    .await;
    shows(
        "S: +OK hi
         C: USER ada
         S: +OK
         C: PASS tanstaaf
         S: -ERR PASS tanstaaf?
         C: STAT
         S: -ERR log in",
        "S: +OK hi
         C: USER ada
         S: +OK
         C: PASS [hidden]
         S: -ERR [hidden]
         C: STAT
         S: -ERR log in",
    )
    .await;
}

/// Of a secret of several words, the last can be too short to be told from any text.
#[tokio::test]
async fn secrets_that_end_in_a_short_word_are_not_shown() {
    shows(
        "S: +OK hi
         C: PASS correct horse ab
         S: -ERR PASS correct horse ab?
         C: PASS a b c d
         S: -ERR what is a b c d
         C: PASS ab
         S: -ERR tab",
        "S: +OK hi
         C: PASS [hidden]
         S: -ERR [hidden]
         C: PASS [hidden]
         S: -ERR [hidden]
         C: PASS [hidden]
         S: -ERR tab",
    )
    .await;
    shows(
        "S: * OK hi
         C: a1 LOGIN ada \"my secret pw\"
         S: a1 NO my secret pw
         C: a2 LOGIN {3}
         S: + go on
         C: ada {12}
         S: + go on
         C: my secret pw
         S: a2 NO my secret pw",
        "S: * OK hi
         C: a1 LOGIN [hidden]
         S: a1 [hidden]
         C: a2 LOGIN [hidden]
         S: + go on
         C: [hidden]
         C: [hidden]
         S: + go on
         C: [hidden]
         C: [hidden]
         S: a2 [hidden]",
    )
    .await;
    // NUL ada NUL "my secret pw"
    shows(
        "S: 220 hi
         C: AUTH PLAIN AGFkYQBteSBzZWNyZXQgcHc=
         S: 535 my secret pw",
        "S: 220 hi
         C: AUTH PLAIN [hidden]
         S: 535 [hidden]",
    )
    .await;
}

/// Over another stream the conversation is the one that it was: nothing greets there.
#[tokio::test]
async fn another_stream_goes_on_with_the_log() {
    let lines = Lines::default();
    let mut config = DriverConfig::client();
    config.wire_log = Some(lines.log(of_client));
    let mut script = Script::new([&b"220 hi\r\n"[..]]);
    script.ends = false;
    let mut driver = Driver::with_config(script, Anything(Output::new(1 << 20)), config);
    let reading = driver.next();
    tokio::select! { biased; _ = reading => {}, () = tokio::task::yield_now() => {} }
    let mut driver = driver.replace_stream(|_, _| Script::new([])).unwrap();
    driver.connection_mut().0.append(Bytes::from_static(b"NOOP\r\nAUTH PLAIN x\r\n"));
    driver.flush().await.unwrap();
    assert_eq!(lines.text(), "S: 220 hi\nC: NOOP\nC: AUTH PLAIN [hidden]");
}

/// Runs a client over a pipe that lets one byte pass at a time.
async fn run<T>(script: &str, client: impl AsyncFnOnce(Stream) -> Result<T>) -> bool {
    let (ours, mut theirs) = tokio::io::duplex(1);
    let (done, wrong) = tokio::join!(client(Stream::other(ours)), async move {
        let wrong = play(&mut theirs, script).await;
        drop(theirs);
        wrong
    });
    assert_eq!(wrong, "", "in {script}");
    done.is_ok()
}

/// The clients' own conversations: nothing of what they log in with is in the log, and the rest is.
#[tokio::test]
async fn clients_show_no_secret() {
    let tokens = [
        (Mechanism::XOAuth2, "dXNlcj1hZGEBYXV0aD1CZWFyZXIgdGFuc3RhYWYBAQ=="),
        (Mechanism::OAuthBearer, "bixhPWFkYSwBYXV0aD1CZWFyZXIgdGFuc3RhYWYBAQ=="),
    ];
    let cases =
        tokens.map(|(mechanism, initial)| (mechanism, Credentials::token("ada", "tanstaaf"), initial));
    let plain = (Mechanism::Plain, ada(), "AGFkYQB0YW5zdGFhZg==");
    for (mechanism, credentials, initial) in cases.into_iter().chain([plain]) {
        let lines = Lines::default();
        let mut config = smtp::Config::login(credentials.clone()).with_allow_clear_credentials(true);
        config.mechanism = Some(mechanism.clone());
        let script = format!(
            "S: 220 hi\nC: EHLO localhost\nS: 250-hi\nS: 250 AUTH {mechanism}\nC: AUTH {mechanism} {initial}\nS: 235 in"
        );
        let over = async |stream| smtp::Client::over(stream, lines.endpoint(), config).await;
        assert!(run(&script, over).await, "{}", lines.text());
        let mut config = imap::Config::login(credentials.clone()).with_allow_clear_credentials(true);
        config.mechanism = Some(imap::LoginMechanism::Sasl(mechanism.clone()));
        let script = format!(
            "S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH={mechanism}] hi\nC: ~ AUTHENTICATE {mechanism} {initial}\nS: ~ OK [CAPABILITY IMAP4rev1] in"
        );
        let over = async |stream| imap::Client::over(stream, lines.endpoint(), config).await;
        assert!(run(&script, over).await, "{}", lines.text());
        let mut config = pop3::Config::login(credentials).with_allow_clear_credentials(true);
        config.mechanism = Some(pop3::LoginMechanism::Sasl(mechanism.clone()));
        let script = format!(
            "S: +OK hi\nC: CAPA\nS: +OK\nS: SASL {mechanism}\nS: .\nC: AUTH {mechanism} {initial}\nS: +OK in"
        );
        let config = config.with_ask_capabilities(true);
        let over = async |stream| pop3::Client::over(stream, lines.endpoint(), config).await;
        assert!(run(&script, over).await, "{}", lines.text());
        let text = lines.text();
        for cut in initial.as_bytes().windows(8) {
            assert!(!text.contains(std::str::from_utf8(cut).unwrap()), "{text}");
        }
        assert!(!text.contains("tan"), "{text}");
        assert_eq!(text.matches(&format!("AUTH {mechanism} [hidden]")).count(), 2, "{text}");
        assert!(text.contains(&format!("AUTHENTICATE {mechanism} [hidden]")), "{text}");
        assert!(text.contains("S: 235 in") && text.contains("S: +OK in"), "{text}");
    }
}
