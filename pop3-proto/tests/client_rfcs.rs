//! What RFCs 1939, 2449, 2595, 5034 and 6856 ask of a client in so many words, a row a sentence: what its owner wants (`C`) and a
//! server says (`S`), and what it writes and tells. Whole conversations are in the transcripts.
#![allow(clippy::unwrap_used, clippy::panic, clippy::string_slice)]

mod common;

use bytes::Bytes;
use common::{Client, drain, feed, quiet_config};
use mailwire_core::{AskCapabilities, Channel, Connection as _, Dialect, SaslStep, Secret, Upgrade};
use mailwire_pop3::{
    Command, Mechanism, State,
    client::{Config, Deletions, Event},
};

/// A conversation, and the client in it.
struct Talk {
    client: Client,
    /// A response to a challenge, if an exchange has one.
    response: Option<&'static str>,
}

impl Talk {
    fn new(config: Config) -> Self {
        Self { client: Client::new(config), response: None }
    }

    /// What comes of a step: what is written, or why nothing is; or the events, and what is written then. A server that says nothing is looked at.
    fn step(&mut self, step: &str) -> String {
        let (who, said) = step.split_at(2);
        match who {
            "C " => match self.client.connection.send(command(said)) {
                Ok(_) => self.written(),
                Err(error) => format!("refused: {}", error.reason),
            },
            "S " => {
                let said = if said.is_empty() {
                    String::new()
                } else {
                    format!("{}\r\n", said.replace('|', "\r\n"))
                };
                drain(&mut self.client.connection);
                let mut events = Vec::new();
                let Client { connection, input } = &mut self.client;
                let error =
                    feed(connection, input, &said, &mut events).err().map(|error| format!("error: {error}"));
                let told = events.iter().map(tell).chain(error).collect::<Vec<_>>().join(" ");
                if let (Some(response), true) = (self.response, told.contains("challenge")) {
                    let data = Secret::from(response.as_bytes().to_vec());
                    self.client.connection.send_auth(SaslStep::Data(data)).unwrap();
                }
                let written = self.written();
                if written.is_empty() { told } else { format!("{told} > {written}") }
            }
            other => panic!("{other:?}"),
        }
    }

    fn written(&mut self) -> String {
        drain(&mut self.client.connection).trim_end_matches("\r\n").replace("\r\n", "|")
    }

    fn steps(&mut self, steps: &[&str]) {
        steps.iter().for_each(|step| drop(self.step(step)));
    }

    /// Checks each step by what comes of it.
    fn check(&mut self, steps: &[(&str, &str)]) {
        let came: Vec<_> = steps.iter().map(|(step, _)| (*step, self.step(step))).collect();
        let wanted: Vec<_> = steps.iter().map(|(step, wanted)| (*step, (*wanted).to_owned())).collect();
        assert_eq!(came, wanted);
    }
}

fn command(line: &str) -> Command {
    Command::parse(&Bytes::copy_from_slice(line.as_bytes()), Dialect::Lenient).unwrap().value
}

fn tell(event: &Event) -> String {
    match event {
        Event::Greeting { greeting, .. } => format!("greeting {}", greeting.ok),
        Event::Capabilities(offered) => format!("offers({})", offered.iter().count()),
        Event::StartTlsRefused(_) => "no TLS".into(),
        Event::Reply { reply, .. } if reply.is_ok() => "+".into(),
        Event::Reply { .. } => "-".into(),
        Event::Line { .. } => "line".into(),
        Event::LinesEnd { .. } => "end".into(),
        Event::BodyStart { .. } => "message".into(),
        Event::BodyChunk(chunk) => String::from_utf8_lossy(chunk).replace("\r\n", "|"),
        Event::BodyEnd { .. } => "end".into(),
        Event::AuthChallenge { data, .. } => {
            format!("challenge({})", String::from_utf8_lossy(data.expose()))
        }
        Event::NotSent { reason, .. } => format!("not sent: {reason}"),
        Event::Malformed { .. } => "malformed".into(),
        other => format!("{other:?}"),
    }
}

fn config() -> Config {
    let mut config = quiet_config(Channel::Tls);
    config.dialect = Dialect::Strict;
    config
}

/// After the greeting.
fn greeted(config: Config) -> Talk {
    let mut talk = Talk::new(config);
    talk.steps(&["S +OK ready <1896.697170952@dbc.mtview.ca.us>"]);
    talk
}

/// After the login.
fn logged_in(config: Config) -> Talk {
    let mut talk = greeted(config);
    talk.steps(&["C USER a", "S +OK", "C PASS b", "S +OK"]);
    assert_eq!(talk.client.connection.state(), State::Transaction);
    talk
}

#[test]
fn rfc_1939_login() {
    // 4: the greeting comes first, and a client waits for it.
    let mut early = Talk::new(config());
    early.check(&[("C USER a", ""), ("S +OK hello", "greeting true > USER a")]);
    let mut refused = Talk::new(config());
    refused.check(&[("S -ERR no", "greeting false"), ("C USER a", "refused: the connection is closed")]);
    // 3: a status is in upper case, and stands at the beginning.
    for wrong in ["S +ok", "S OK", "S  +OK", "S 220 smtp.example"] {
        assert!(Talk::new(config()).step(wrong).contains("error"), "{wrong}");
    }
    // 7: PASS after a USER that succeeded, and no other.
    greeted(config()).check(&[
        ("C USER a", "USER a"),
        ("C PASS b", ""),
        ("S -ERR", "- not sent: not possible now: PASS has no accepted USER before it"),
    ]);
    greeted(config()).check(&[
        ("C PASS b", ""),
        ("S ", "not sent: not possible now: PASS has no accepted USER before it"),
    ]);
    // A failed login leaves the state as it is, and another one may be tried.
    let mut again = greeted(config());
    again.steps(&["C USER a", "S +OK", "C PASS b", "S -ERR"]);
    again.check(&[("C USER a", "USER a"), ("S +OK", "+"), ("C PASS c", "PASS c"), ("S +OK", "+")]);
    assert_eq!(again.client.connection.state(), State::Transaction);
    // 7: APOP where the greeting has a timestamp.
    let apop = "C APOP mrose c4c9334bac560ecc979e58001b3e22fb";
    greeted(config()).check(&[(apop, &apop[2..]), ("S +OK", "+")]);
    let mut without = Talk::new(config());
    without.check(&[("S +OK", "greeting true"), (apop, "refused: the peer does not offer APOP")]);
    // 4: what needs a login waits for it, and is not sent without.
    greeted(config()).check(&[("C STAT", "refused: not possible now: log in first")]);
    let mut waiting = greeted(config());
    waiting.steps(&["C USER a", "S +OK"]);
    waiting.check(&[
        ("C PASS b", "PASS b"),
        ("C STAT", ""),
        ("S -ERR", "- not sent: not possible now: the login before it failed"),
    ]);
    let mut logged_in = logged_in(config());
    logged_in.check(&[
        ("C USER a", "refused: not possible now: already logged in"),
        ("C AUTH PLAIN", "refused: not possible now: already logged in"),
    ]);
}

#[test]
fn rfc_1939_commands() {
    logged_in(config()).check(&[
        // 5: what stands after the numbers is for people.
        ("C STAT", "STAT"),
        ("S +OK 2 320", "+"),
        ("C STAT", "STAT"),
        ("S +OK 2 320 and more", "+"),
        ("C LIST", "LIST"),
        ("S +OK 2 messages (320 octets)|1 120|2 200 more|.", "+ line line end"),
        ("C LIST 2", "LIST 2"),
        ("S +OK 2 200", "+"),
        ("C LIST 3", "LIST 3"),
        ("S -ERR no such message", "-"),
        // 3: a line with a dot before it loses that one; the dot alone is no part of it.
        ("C RETR 1", "RETR 1"),
        ("S +OK 120 octets|Subject: x||..|...y|.", "+ message Subject: x|| .| ..y| end"),
        ("C RETR 2", "RETR 2"),
        ("S -ERR", "-"),
        ("C TOP 1 0", "TOP 1 0"),
        ("S +OK|Subject: x||.", "+ message Subject: x|| end"),
        // 7: an identifier has 1 to 70 characters from 0x21 to 0x7E.
        ("C UIDL", "UIDL"),
        ("S +OK|1 whqtswO00WBw418f9t5JxYwZ|2 QhdPYR:00WBw1Ph7x7|.", "+ line line end"),
        ("C UIDL", "UIDL"),
        (
            &format!("S +OK|1 {}|2 {}|3 |4 \u{e9}|.", "x".repeat(70), "x".repeat(71)),
            "+ line malformed malformed malformed end",
        ),
        ("C UIDL 2", "UIDL 2"),
        ("S +OK 2 QhdPYR:00WBw1Ph7x7", "+"),
        ("C NOOP", "NOOP"),
        ("S +OK", "+"),
    ]);
    // 5, 6: DELE only marks; QUIT removes, and says whether it has.
    let deletions = |steps: &[&str]| {
        let mut talk = logged_in(config());
        talk.steps(steps);
        talk.client.connection.deletions()
    };
    for (steps, left) in [
        (&["C DELE 1", "S +OK"][..], Deletions::Marked(1)),
        (&["C DELE 1", "S -ERR"], Deletions::None),
        (&["C DELE 1", "S +OK", "C RSET", "S +OK", "C QUIT", "S +OK"], Deletions::None),
        (&["C DELE 1", "S +OK", "C QUIT"], Deletions::Marked(1)),
        (&["C DELE 1", "S +OK", "C QUIT", "S +OK"], Deletions::Done(1)),
        (
            &["C DELE 1", "S +OK", "C QUIT", "S -ERR some deleted messages not removed"],
            Deletions::Incomplete(1),
        ),
    ] {
        assert_eq!(deletions(steps), left, "{steps:?}");
    }
    // Nothing goes after QUIT.
    let quit = &mut logged_in(config());
    quit.check(&[
        ("C QUIT", "QUIT"),
        ("C NOOP", "refused: not possible now: the session ends"),
        ("S +OK", "+"),
    ]);
    // The connection ends without one: nothing is removed.
    let mut cut = logged_in(config());
    cut.steps(&["C DELE 1", "S +OK"]);
    cut.client.connection.handle_eof();
    assert_eq!(cut.step("S "), "");
    assert_eq!(cut.client.connection.deletions(), Deletions::Lost(1));
}

#[test]
fn rfc_2449() {
    // 4: no command is longer than 255 octets.
    let mut talk = greeted(config());
    let user = |length: usize| format!("C USER {}", "x".repeat(length - 7));
    assert_eq!(talk.step(&user(255)).len(), 253);
    assert!(talk.step(&user(256)).starts_with("refused"));
    // A status line has up to 512, a capability as well.
    assert_eq!(talk.step(&format!("S +OK {}", "x".repeat(505))), "+");
    // 5: what is offered is asked for, again after the login; a server without CAPA has offered nothing.
    let mut asks = config();
    asks.ask_capabilities = AskCapabilities::default();
    let mut talk = Talk::new(asks.clone());
    talk.check(&[
        ("S +OK", "greeting true > CAPA"),
        ("S +OK|USER|TOP|.", "offers(2)"),
        ("C USER a", "USER a"),
        ("S +OK", "+"),
        ("C PASS b", "PASS b"),
        ("S +OK", "+ > CAPA"),
        // 6: names of any case, with arguments, and unknown ones.
        ("S +OK|uidl|EXPIRE 60|X-NEW a b|.", "offers(3)"),
    ]);
    Talk::new(asks.clone()).check(&[
        ("S +OK", "greeting true > CAPA"),
        ("S -ERR", "offers(0)"),
        ("C USER a", "USER a"),
    ]);
    // 6.6: commands go together where PIPELINING is offered, and else one by one.
    let together = |offered: &str| {
        let mut talk = Talk::new(asks.clone());
        talk.steps(&["S +OK", offered, "C USER a", "S +OK", "C PASS b", "S +OK", offered]);
        talk
    };
    together("S +OK|USER|.").check(&[("C NOOP", "NOOP"), ("C STAT", ""), ("S +OK", "+ > STAT")]);
    together("S +OK|USER|PIPELINING|.").check(&[
        ("C NOOP", "NOOP"),
        ("C STAT", "STAT"),
        ("C QUIT", "QUIT"),
        ("S +OK|+OK 1 2", "+ +"),
        ("S +OK", "+"),
    ]);
    // 8: codes are in any case, in levels, and unknown ones are kept.
    let mut codes = greeted(config());
    for text in ["[IN-USE] x", "[in-use/held] x", "[X-NEW]"] {
        assert_eq!(codes.step("C USER a"), "USER a");
        assert_eq!(codes.step(&format!("S -ERR {text}")), "-", "{text}");
    }
}

#[test]
fn rfc_2595() {
    let mut starttls = config();
    starttls.channel = Channel::StartTls;
    starttls.ask_capabilities = AskCapabilities::default();
    // 4: nothing of a login before TLS is up.
    let mut talk = Talk::new(starttls.clone());
    talk.check(&[
        ("C USER a", ""),
        ("S +OK", "greeting true > CAPA"),
        ("S +OK|STLS|SASL X-EVIL|.", " > STLS"),
        ("C PASS b", ""),
    ]);
    assert_eq!(talk.step("S +OK Begin TLS"), "");
    talk.client.connection.upgraded(Upgrade::Tls);
    // 4: what was learnt before it is forgotten, and asked for once more.
    assert!(!talk.client.connection.capabilities().is_known());
    assert_eq!(talk.written(), "CAPA");
    talk.check(&[("S +OK|USER|.", "offers(1) > USER a"), ("S +OK", "+ > PASS b")]);
    // No TLS: nothing goes on without.
    for (steps, reason) in [
        (&["S +OK", "S +OK|USER|.", "S +OK"][..], "STLS"),
        (&["S +OK", "S +OK|STLS|.", "S -ERR"], "no TLS error: TLS"),
        // Bytes in clear behind the answer are of somebody else.
        (&["S +OK", "S +OK|STLS|.", "S +OK|+OK injected"], "STLS"),
    ] {
        let mut talk = Talk::new(starttls.clone());
        let told: Vec<_> = steps.iter().map(|step| talk.step(step)).collect();
        assert!(told.iter().any(|told| told.contains(reason)), "{told:?}");
        assert!(talk.step("C USER a").starts_with("refused") && talk.written().is_empty(), "{steps:?}");
    }
}

#[test]
fn rfc_5034() {
    let mut asks = config();
    asks.ask_capabilities.after_greeting = true;
    let begin = |offered: &str| {
        let mut talk = Talk::new(asks.clone());
        talk.steps(&["S +OK", offered]);
        talk
    };
    let offered = "S +OK|SASL PLAIN LOGIN|.";
    // 4: a first message goes along where SASL is offered, an empty one as `=`.
    begin(offered).check(&[
        ("C AUTH PLAIN AGEAYg==", "AUTH PLAIN AGEAYg=="),
        ("S +OK", "+"),
        ("C STAT", "STAT"),
    ]);
    begin(offered).check(&[("C AUTH EXTERNAL =", "AUTH EXTERNAL ="), ("S +OK", "+")]);
    // Otherwise it waits for the challenge, which is empty.
    begin("S -ERR").check(&[
        ("C AUTH PLAIN AGEAYg==", "AUTH PLAIN"),
        ("S + ", " > AGEAYg=="),
        ("S +OK", "+"),
    ]);
    // So it does where the line would be longer than 255 octets; then it may be longer.
    let mut long = begin(offered);
    let first = "AAAA".repeat(80);
    assert_eq!(long.step(&format!("C AUTH PLAIN {first}")), "AUTH PLAIN");
    assert_eq!(long.step("S + "), format!(" > {first}"));
    // Challenges are answered in turn, and nothing comes between.
    let mut login = begin(offered);
    login.response = Some("ada");
    login.check(&[
        ("C AUTH LOGIN", "AUTH LOGIN"),
        ("C STAT", ""),
        ("S + VXNlciBOYW1lAA==", "challenge(User Name\0) > YWRh"),
        ("S + UGFzc3dvcmQA", "challenge(Password\0) > YWRh"),
        ("S +OK", "+ > STAT"),
    ]);
    // What does not decode is given up by a star.
    let mut odd = begin(offered);
    odd.check(&[
        ("C AUTH LOGIN", "AUTH LOGIN"),
        ("S + !", "malformed > *"),
        ("S -ERR", "-"),
        ("C USER a", "USER a"),
    ]);
    // A failure leaves the state as it is.
    begin(offered).check(&[
        ("C AUTH PLAIN AGEAYg==", "AUTH PLAIN AGEAYg=="),
        ("S -ERR [AUTH] no", "-"),
        ("C AUTH PLAIN AGEAYg==", "AUTH PLAIN AGEAYg=="),
        ("S +OK", "+"),
        // None after the login.
        ("C AUTH PLAIN AGEAYg==", "refused: not possible now: already logged in"),
    ]);
    // What shows the password waits for TLS.
    let mut clear = quiet_config(Channel::Clear);
    clear.dialect = Dialect::Strict;
    let talk = &mut greeted(clear);
    assert!(talk.step("C AUTH PLAIN AGEAYg==").starts_with("refused"));
    assert!(talk.step("C USER a").starts_with("refused"));
    assert!(
        talk.client.connection.send(Command::Auth { mechanism: Mechanism::CramMd5, initial: None }).is_ok()
    );
}

#[test]
fn rfc_6856() {
    let mut asks = config();
    asks.ask_capabilities.after_greeting = true;
    let begin = |offered: &str| {
        let mut talk = Talk::new(asks.clone());
        talk.steps(&["S +OK", offered]);
        talk
    };
    // 2, 3: what is not offered is not sent.
    begin("S +OK|USER|.").check(&[
        ("C UTF8", ""),
        ("S ", "not sent: the peer does not offer UTF8"),
        ("C LANG *", ""),
        ("S ", "not sent: the peer does not offer LANG"),
    ]);
    // 2.1: before the login alone.
    let mut utf8 = begin("S +OK|UTF8|LANG|.");
    utf8.check(&[("C UTF8", "UTF8"), ("S +OK", "+")]);
    assert!(utf8.client.connection.is_utf8());
    assert!(logged_in(config()).step("C UTF8").starts_with("refused"));
    // 2.2: names and passwords beyond ASCII where USER is said with it.
    utf8.check(&[
        ("C USER j\u{f6}rg", ""),
        ("S ", "not sent: the peer does not offer UTF-8 in USER, PASS and APOP"),
    ]);
    begin("S +OK|UTF8 USER|.").check(&[
        ("C USER j\u{f6}rg", "USER j\u{f6}rg"),
        ("S +OK", "+"),
        ("C PASS \u{fc}", "PASS \u{fc}"),
    ]);
    // 3: LANG in both states, with its listing; the answer names the language, and its text is in that.
    utf8.check(&[
        ("C LANG", "LANG"),
        ("S +OK Languages:|en English|de Deutsch|i-default|.", "+ line line line end"),
        ("C LANG de", "LANG de"),
        ("S +OK de Sprache ge\u{e4}ndert", "+"),
        ("C LANG xx", "LANG xx"),
        ("S -ERR nein", "-"),
    ]);
    assert_eq!(utf8.client.connection.language().map(ToString::to_string).as_deref(), Some("de"));
    // 5: a message that needs UTF8 is refused with its code.
    logged_in(config()).check(&[("C RETR 1", "RETR 1"), ("S -ERR [UTF8] needs it", "-")]);
}
