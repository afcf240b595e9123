//! What RFCs 1939, 2449, 5034 and 6856 ask of a server in so many words, a row a sentence: what a client says, and which of it
//! succeeds. Whole conversations are in the transcripts.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Server, drain};
use mailwire_core::{Channel, Connection as _, SaslStep, Upgrade};
use mailwire_pop3::{
    ApopTimestamp, Command, LanguageTag, Mechanism, Reply, UniqueId,
    server::{self, Event, Utf8Offer},
};

/// A server whose application agrees to everything.
struct Granting(Server);

impl Granting {
    fn new(config: server::Config) -> Self {
        let mut server = Server::new(config);
        drain(&mut server.connection);
        Self(server)
    }

    /// What it says to that.
    fn say(&mut self, said: &str) -> String {
        let mut all = String::new();
        let mut events = self.0.hear(said);
        loop {
            if events.is_empty() {
                all.push_str(&drain(&mut self.0.connection));
                return all;
            }
            for event in std::mem::take(&mut events) {
                self.grant(event);
                all.push_str(&drain(&mut self.0.connection));
            }
            events = self.0.hear("");
        }
    }

    fn grant(&mut self, event: Event) {
        let machine = &mut self.0.connection;
        match event {
            Event::Login { ticket, .. } => machine.reply(ticket, Reply::ok("")).unwrap(),
            Event::AuthResponse { ticket, step: SaslStep::Data(_) } => {
                machine.reply(ticket, Reply::ok("")).unwrap()
            }
            Event::Command { ticket, command, .. } => match command {
                Command::Stls => {
                    machine.accept_upgrade(ticket).unwrap();
                    drain(machine);
                    machine.upgraded(Upgrade::Tls);
                }
                Command::Auth { initial: None, .. } => {
                    machine.send_auth(SaslStep::Data(Vec::new().into())).unwrap();
                }
                Command::List(None) | Command::Uidl(None) | Command::Lang(None) => {
                    machine.reply(ticket, Reply::ok("")).unwrap();
                    machine.finish_body().unwrap();
                }
                Command::List(Some(number)) => {
                    machine.reply(ticket, Reply::scan_listing(number, 120)).unwrap()
                }
                Command::Stat => machine.reply(ticket, Reply::drop_listing(2, 320)).unwrap(),
                Command::Uidl(Some(number)) => {
                    let reply = Reply::unique_id_listing(number, UniqueId::try_from("a").unwrap());
                    machine.reply(ticket, reply).unwrap();
                }
                Command::Lang(Some(_)) => {
                    let tag = LanguageTag::try_from("de").unwrap();
                    machine.reply(ticket, Reply::language(tag, "Ja")).unwrap();
                }
                Command::Retr(_) | Command::Top { .. } => {
                    machine.reply(ticket, Reply::ok("")).unwrap();
                    machine.finish_body().unwrap();
                }
                _ => machine.reply(ticket, Reply::ok("")).unwrap(),
            },
            _ => {}
        }
    }
}

/// The statuses of the answers: `+` for each success and each challenge, `-` for each failure.
fn statuses(said: &str) -> String {
    let status = |line: &str| match line.as_bytes() {
        [b'+', b' ', ..] => Some('c'),
        [b'+', ..] => Some('+'),
        [b'-', ..] => Some('-'),
        _ => None,
    };
    said.lines().filter_map(status).collect()
}

fn check(config: &server::Config, begin: &str, rows: &[(&str, &str)]) {
    let answers = rows.iter().map(|(said, _)| {
        let mut server = Granting::new(config.clone());
        server.say(begin);
        (*said, statuses(&server.say(said)))
    });
    let wanted: Vec<_> = rows.iter().map(|(said, answered)| (*said, (*answered).to_owned())).collect();
    assert_eq!(answers.collect::<Vec<_>>(), wanted, "after {begin:?}");
}

const LOGIN: &str = "USER a\r\nPASS b\r\n";

fn config() -> server::Config {
    let mut config = server::Config::new(Channel::Tls);
    config.utf8 = Utf8Offer::Messages;
    config.lang = true;
    config
}

#[test]
fn rfc_1939_before_the_login() {
    check(
        &config(),
        "",
        &[
            // 3: keywords are of any case; what is unknown, not implemented or no command fails, and all in its place.
            ("uSeR a\r\npass b\r\n", "++"),
            ("XYZZY\r\nUSER\r\nUSER a\r\n", "--+"),
            ("\r\n", "-"),
            // So does what comes in the wrong state.
            ("STAT\r\nLIST\r\nRETR 1\r\nDELE 1\r\nNOOP\r\nRSET\r\nTOP 1 0\r\nUIDL\r\n", "--------"),
            // 7: PASS comes right after a USER that succeeded; whatever it has is the password.
            ("PASS b\r\n", "-"),
            ("USER a\r\nPASS b c  d\r\n", "++"),
            ("USER a\r\nCAPA\r\nPASS b\r\n", "++-"),
            ("USER a\r\nUSER b\r\nPASS b\r\n", "+++"),
            // 5: QUIT ends it, and nothing after it is answered.
            ("QUIT\r\nCAPA\r\n", "+"),
            ("USER a\r\nQUIT\r\n", "++"),
            // 7: no APOP where the greeting has no timestamp.
            ("APOP a c4c9334bac560ecc979e58001b3e22fb\r\n", "-"),
        ],
    );
    let mut with_apop = config();
    with_apop.apop = Some(ApopTimestamp::try_from("<1896.697170952@dbc.mtview.ca.us>").unwrap());
    check(
        &with_apop,
        "",
        &[
            ("APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\nSTAT\r\n", "++"),
            // The digest has 16 octets, in small hexadecimal digits.
            ("APOP mrose C4C9334BAC560ECC979E58001B3E22FB\r\n", "-"),
            ("APOP mrose c4c9334bac560ecc979e58001b3e22f\r\n", "-"),
            ("APOP mrose\r\n", "-"),
        ],
    );
}

#[test]
fn rfc_1939_after_the_login() {
    check(
        &config(),
        LOGIN,
        &[
            // 4: the login is over.
            ("USER a\r\nPASS b\r\nSTLS\r\n", "---"),
            // 5: each command, with the arguments that it has.
            ("STAT\r\nLIST\r\nLIST 1\r\nRETR 1\r\nDELE 1\r\nNOOP\r\nRSET\r\n", "+++++++"),
            ("STAT 1\r\nLIST 1 2\r\nRETR\r\nRETR x\r\nDELE\r\nRSET 1\r\n", "------"),
            // A number is at least 1.
            ("LIST 0\r\nRETR 0\r\nDELE -1\r\nTOP 0 1\r\nUIDL 0\r\n", "-----"),
            // 7: TOP has two, the second not negative.
            ("TOP 1 0\r\nTOP 1\r\nTOP 1 -1\r\nTOP\r\nUIDL 1\r\nUIDL\r\n", "+---++"),
            // 6: QUIT ends it.
            ("QUIT\r\nNOOP\r\n", "+"),
        ],
    );
    let mut server = Granting::new(config());
    // 3: lines end in CR LF and what has several ends in a dot.
    server.say(LOGIN);
    for said in ["LIST\r\n", "UIDL\r\n", "RETR 1\r\n", "TOP 1 0\r\n", "CAPA\r\n"] {
        let answer = server.say(said);
        assert!(
            answer.ends_with("\r\n.\r\n") && !answer.replace("\r\n", "").contains(['\r', '\n']),
            "{answer}"
        );
    }
    // A first line has 512 octets at most.
    let long = "x".repeat(505);
    let (ticket, _) = server.0.command("DELE 1");
    assert!(server.0.connection.reply(ticket, Reply::ok(&long)).is_ok());
    assert!(drain(&mut server.0.connection).len() <= 512);
}

#[test]
fn rfc_2449() {
    let command = |length: usize| format!("USER {}\r\n", "x".repeat(length - 7));
    check(
        &config(),
        "",
        &[
            // 4: commands of up to 255 octets, with CR LF.
            (&command(255), "+"),
            // 5: CAPA is there in both states, and has no argument.
            ("CAPA\r\nUSER a\r\nPASS b\r\nCAPA\r\n", "++++"),
            ("CAPA x\r\n", "-"),
            // 6.6: each in turn.
            ("USER a\r\nPASS b\r\nXYZZY\r\nNOOP\r\nRETR x\r\nQUIT\r\n", "++-+-+"),
        ],
    );
    let mut server = Granting::new(config());
    // What is offered before the login is what is there.
    let offered = server.say("CAPA\r\n");
    for capability in ["USER", "TOP", "UIDL", "RESP-CODES", "PIPELINING", "UTF8", "LANG"] {
        assert!(offered.contains(&format!("\r\n{capability}")), "{capability}: {offered}");
    }
    assert!(!offered.contains("STLS") && !offered.contains("SASL"), "{offered}");
}

#[test]
fn rfc_5034() {
    let mut config = config();
    config.mechanisms = vec![Mechanism::Plain, Mechanism::Login];
    check(
        &config,
        "",
        &[
            // 4: a mechanism that is not there is refused; which ones are is a list.
            ("AUTH X-UNKNOWN\r\n", "-"),
            ("auth plain AGEAYg==\r\nSTAT\r\n", "++"),
            // No second one, and none after the login.
            ("AUTH PLAIN AGEAYg==\r\nAUTH PLAIN AGEAYg==\r\n", "+-"),
            ("USER a\r\nPASS b\r\nAUTH PLAIN AGEAYg==\r\n", "++-"),
            // Without a first message there is an empty challenge.
            ("AUTH PLAIN\r\nAGEAYg==\r\n", "c+"),
            // A single star ends it; so does what is no Base64, to the letter.
            ("AUTH PLAIN\r\n*\r\nCAPA\r\n", "c-+"),
            ("AUTH PLAIN\r\n=AAA\r\nCAPA\r\n", "c-+"),
            ("AUTH PLAIN\r\nAAA=BBB=\r\nCAPA\r\n", "c-+"),
            ("AUTH PLAIN\r\nAG!A\r\nCAPA\r\n", "c-+"),
            ("AUTH PLAIN A*==\r\nCAPA\r\n", "-+"),
            // A first message may be empty, and is `=` then.
            ("AUTH PLAIN =\r\n", "+"),
            // A response may be longer than a command.
            (&format!("AUTH PLAIN\r\n{}\r\n", "AAAA".repeat(300)), "c+"),
        ],
    );
    let mut server = Granting::new(config.clone());
    // An empty challenge is a plus and a space.
    assert_eq!(server.say("AUTH PLAIN\r\n"), "+ \r\n");
    // SASL is told before the login and after it.
    assert!(server.say("AGEAYg==\r\nCAPA\r\n").contains("\r\nSASL PLAIN LOGIN\r\n"));
    config.channel = Channel::StartTls;
    // PLAIN waits for TLS.
    check(&config, "", &[("AUTH PLAIN AGEAYg==\r\n", "-")]);
    let mut server = Granting::new(config);
    assert!(!server.say("CAPA\r\n").contains("SASL PLAIN"));
    server.say("STLS\r\n");
    assert!(server.say("CAPA\r\n").contains("\r\nSASL PLAIN LOGIN\r\n"));
}

#[test]
fn rfc_6856() {
    let mut config = config();
    config.utf8 = Utf8Offer::MessagesAndCredentials;
    check(
        &config,
        "",
        &[
            // 2: UTF8 comes before the login, and has no argument.
            ("UTF8\r\nUSER a\r\nPASS b\r\nUTF8\r\n", "+++-"),
            ("UTF8 x\r\n", "-"),
            // 2.1: no STLS after it.
            ("UTF8\r\nSTLS\r\n", "+-"),
            // 2.2: names and passwords beyond ASCII, before it as well.
            ("USER j\u{f6}rg\r\nPASS \u{fc}\r\n", "++"),
            ("UTF8\r\nUSER j\u{f6}rg\r\nPASS \u{fc}\r\n", "+++"),
            // 3: LANG is there in both states.
            ("LANG\r\nLANG *\r\nUSER a\r\nPASS b\r\nLANG\r\nLANG de\r\n", "++++++"),
            ("LANG de fr\r\n", "-"),
        ],
    );
    let mut without = config;
    (without.utf8, without.lang) = (Utf8Offer::Nothing, false);
    check(&without, "", &[("UTF8\r\nLANG\r\n", "--")]);
}
