//! No secret is left in memory that is given back: for each protocol, role and way to log in.
#![allow(missing_docs, reason = "tests")]

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use mailwire_core::{Channel, Secret, sasl};
use mailwire_oracles::freed;
use mailwire_store::{ImapService, Pop3Service, SmtpService, memory::MemoryStore};
use mailwire_transport::{
    Account, Endpoint, Security, Stream, imap, pop3,
    sasl::{Credentials, Mechanism, prepared_password},
    smtp,
};
use tokio::io::{AsyncRead, ReadBuf};

#[global_allocator]
static ALLOCATOR: freed::Inspecting = freed::Inspecting;

/// Long enough for its parts to be found, and to be nothing else.
const SECRET: &str = "n0-wAy-th1s-1s-1n-fr33d-m3m0ry";

/// A peer that says what it is told, whatever it hears. Its bytes are never given back.
struct Script {
    reads: VecDeque<&'static [u8]>,
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(bytes) = self.reads.pop_front() {
            let (now, later) = bytes.split_at(bytes.len().min(buf.remaining()));
            buf.put_slice(now);
            if !later.is_empty() {
                self.reads.push_front(later);
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The lines one by one, or in pieces of so many bytes.
fn script(text: &'static str, piece: usize) -> Stream {
    let text = text.as_bytes();
    let reads = if piece == 0 {
        text.split_inclusive(|&byte| byte == b'\n').collect()
    } else {
        text.chunks(piece).collect()
    };
    Stream::other(tokio::io::join(Script { reads }, tokio::io::sink()))
}

/// These together, for ever: what the test itself holds is never given back, not even while it grows.
fn kept(parts: &[&str]) -> &'static str {
    let mut text = String::with_capacity(parts.iter().map(|part| part.len()).sum());
    parts.iter().for_each(|part| text.push_str(part));
    text.leak()
}

fn base64(message: &str) -> &'static str {
    let mut text = Vec::with_capacity(4 * message.len());
    sasl::encode(message.as_bytes(), &mut text);
    String::from_utf8(text).unwrap().leak()
}

/// Parts of the secret as it stands in a message, in base64: those that are of it alone.
fn encoded_parts(message: &str) -> Vec<Vec<u8>> {
    let start = message.find(SECRET).unwrap();
    let (from, to) = (start.div_ceil(3) * 4, (start + SECRET.len()) / 3 * 4);
    base64(message).as_bytes()[from..to].chunks_exact(12).map(<[u8]>::to_vec).collect()
}

/// What was found after which step.
#[derive(Default)]
struct Found {
    before: usize,
    steps: Vec<String>,
}

impl Found {
    fn after(&mut self, step: &str) {
        let now = freed::found();
        if now > self.before {
            self.steps.push(format!("{} after {step}", now - self.before));
        }
        self.before = now;
    }
}

async fn servers(store: &MemoryStore, found: &mut Found) {
    let plain = base64(kept(&["\0ada\0", SECRET]));
    let login = base64(SECRET);
    let xoauth2 = base64(kept(&["user=ada\x01auth=Bearer ", SECRET, "\x01\x01"]));
    let oauthbearer = base64(kept(&["n,a=ada,\x01auth=Bearer ", SECRET, "\x01\x01"]));
    let long = &*"A".repeat(20_000);
    let smtp = [
        kept(&["AUTH PLAIN ", plain]),
        kept(&["AUTH PLAIN\r\n", plain]),
        kept(&["AUTH LOGIN\r\nYWRh\r\n", login]),
        // What is not base64, a second try that takes it for a command, a mechanism that is not offered.
        kept(&["AUTH LOGIN YWRh\r\n", login, "!"]),
        kept(&["AUTH PLAIN ", plain, "!\r\n", plain]),
        kept(&["AUTH XOAUTH2 ", xoauth2, "\r\nAUTH OAUTHBEARER ", oauthbearer]),
        // A line that is too long.
        kept(&["AUTH PLAIN ", long, plain]),
    ];
    let imap = [
        kept(&["a LOGIN ada ", SECRET]),
        kept(&["a LOGIN ada \"", SECRET, "\""]),
        kept(&["a LOGIN {3+}\r\nada {30+}\r\n", SECRET]),
        kept(&["a AUTHENTICATE PLAIN ", plain]),
        kept(&["a AUTHENTICATE PLAIN\r\n", plain]),
        kept(&["a AUTHENTICATE LOGIN\r\nYWRh\r\n", login]),
        kept(&["a AUTHENTICATE LOGIN\r\nYWRh\r\n", login, "!"]),
        kept(&["a AUTHENTICATE XOAUTH2 ", xoauth2, "\r\nb AUTHENTICATE OAUTHBEARER ", oauthbearer]),
        kept(&["a LOGIN ada ", SECRET, " more\r\nLOGIN ada ", SECRET]),
    ];
    let pop3 = [
        kept(&["USER ada\r\nPASS ", SECRET]),
        kept(&["AUTH PLAIN ", plain]),
        kept(&["AUTH PLAIN\r\n", plain]),
        kept(&["AUTH LOGIN\r\nYWRh\r\n", login]),
        kept(&["AUTH LOGIN\r\nYWRh\r\n", login, "!"]),
        kept(&["PASS ", SECRET, "\r\nAUTH PLAIN ", plain, "!\r\nAUTH XOAUTH2 ", xoauth2]),
    ];
    let name = smtp::proto::Host::try_from("mx.example").unwrap();
    // The last ends within the secret.
    for (piece, cut) in [(0, 0), (1, 0), (1, 9)] {
        let script = |text: &str, end: &str| {
            let whole = kept(&[text, "\r\n", end, "\r\n"]);
            let length = if cut > 0 { text.len() - cut } else { whole.len() };
            script(&whole[..length], piece)
        };
        for text in &smtp {
            let server = smtp::Server::new(SmtpService::new(store.clone()), name.clone());
            let text = kept(&["EHLO x\r\n", text]);
            let _ = server.serve_stream(script(text, "QUIT"), Channel::Tls).await;
            drop(server);
            found.after(&format!("SMTP server, {}, pieces of {piece}, -{cut}", &text[8..22]));
        }
        for text in &imap {
            let server = imap::Server::new(ImapService::new(store.clone()));
            let _ = server.serve_stream(script(text, "z LOGOUT"), Channel::Tls).await;
            drop(server);
            found.after(&format!("IMAP server, {}, pieces of {piece}, -{cut}", &text[..14]));
        }
        for text in &pop3 {
            let server = pop3::Server::new(Pop3Service::new(store.clone()));
            let _ = server.serve_stream(script(text, "QUIT"), Channel::Tls).await;
            drop(server);
            found.after(&format!("POP3 server, {}, pieces of {piece}, -{cut}", &text[..14]));
        }
    }
}

async fn clients(found: &mut Found) {
    let clear = || Endpoint::tcp("pipe", 1, Security::plaintext_without_encryption());
    let password = Credentials::password("ada", SECRET);
    let token = Credentials::token("ada", SECRET);
    let ways = [
        (Mechanism::Plain, &password),
        (Mechanism::Login, &password),
        (Mechanism::XOAuth2, &token),
        (Mechanism::OAuthBearer, &token),
        (Mechanism::ScramSha256, &password),
    ];
    for (mechanism, credentials) in ways {
        // Success, a refusal, and a connection that ends.
        for end in ["235 ok\r\n221 bye\r\n", "535 no\r\n221 bye\r\n", ""] {
            let mut config = smtp::Config::login(credentials.clone());
            config.mechanism = Some(mechanism.clone());
            config.allow_clear_credentials = true;
            let challenges = match mechanism {
                Mechanism::Login => "334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n",
                Mechanism::ScramSha256 => "334 eHl6\r\n",
                _ => "",
            };
            let said = format!("220 hi\r\n250-hi\r\n250 AUTH {mechanism}\r\n{challenges}{end}");
            drop(smtp::Client::over(script(said.leak(), 0), clear(), config).await);
            found.after(&format!("SMTP client, {mechanism}, {end:?}"));
        }
        // The tags cannot be foreseen: the connection ends.
        for sasl_ir in ["SASL-IR ", ""] {
            let mut config = imap::Config::login(credentials.clone());
            config.mechanism = Some(imap::LoginMechanism::Sasl(mechanism.clone()));
            config.allow_clear_credentials = true;
            let said = format!("* OK [CAPABILITY IMAP4rev1 {sasl_ir}AUTH={mechanism}] hi\r\n+ \r\n+ \r\n");
            drop(imap::Client::over(script(said.leak(), 0), clear(), config).await);
            found.after(&format!("IMAP client, {mechanism}, {sasl_ir}"));
        }
        for end in ["+OK ok\r\n+OK bye\r\n", "-ERR no\r\n", ""] {
            let mut config = pop3::Config::login(credentials.clone());
            config.mechanism = Some(pop3::LoginMechanism::Sasl(mechanism.clone()));
            config.allow_clear_credentials = true;
            let challenges = if mechanism == Mechanism::Login { "+ \r\n+ \r\n" } else { "+ \r\n" };
            let said = format!("+OK hi\r\n+OK\r\nSASL {mechanism}\r\n.\r\n{challenges}{end}");
            drop(pop3::Client::over(script(said.leak(), 0), clear(), config).await);
            found.after(&format!("POP3 client, {mechanism}, {end:?}"));
        }
    }
    for mechanism in [pop3::LoginMechanism::UserPass, pop3::LoginMechanism::Apop] {
        let mut config = pop3::Config::login(password.clone());
        config.mechanism = Some(mechanism);
        config.allow_clear_credentials = true;
        let said = "+OK hi <1.2@x>\r\n+OK\r\nUSER\r\n.\r\n+OK\r\n+OK\r\n".to_owned();
        drop(pop3::Client::over(script(said.leak(), 0), clear(), config).await);
        found.after("POP3 client, PASS or APOP");
    }
    for goes_on in ["", "+ go\r\n+ go\r\n"] {
        let mut config = imap::Config::login(Credentials::password("\u{e4}da", SECRET));
        config.mechanism = Some(imap::LoginMechanism::Login);
        config.allow_clear_credentials = true;
        let said = format!("* OK [CAPABILITY IMAP4rev1] hi\r\n{goes_on}");
        drop(imap::Client::over(script(said.leak(), 0), clear(), config).await);
        found.after("IMAP client, LOGIN");
    }
    drop((password, token));
    found.after("the credentials");
}

#[tokio::test]
async fn nothing_is_left_of_a_secret() {
    let store = MemoryStore::new();
    store.add_user("ada", SECRET).unwrap();
    let mut secrets: Vec<_> = SECRET.as_bytes().chunks_exact(10).map(<[u8]>::to_vec).collect();
    secrets.extend(encoded_parts(kept(&["\0ada\0", SECRET])));
    secrets.extend(encoded_parts(kept(&["\0\u{e4}da\0", SECRET])));
    secrets.extend(encoded_parts(SECRET));
    secrets.extend(encoded_parts(kept(&["user=ada\x01auth=Bearer ", SECRET, "\x01\x01"])));
    secrets.extend(encoded_parts(kept(&["n,a=ada,\x01auth=Bearer ", SECRET, "\x01\x01"])));
    freed::watch(secrets);

    let mut found = Found::default();
    servers(&store, &mut found).await;
    clients(&mut found).await;
    // A URL has it, for whoever asks.
    let account = Account::parse("imaps://ada@mail.example.org").unwrap();
    drop(account.with_password(SECRET).to_url());
    found.after("the URL of an account");
    // A password that SASLprep changes, by its rules and by those of its successor.
    for other in ["\u{2168}\u{ad}", "\u{1f511}e\u{301}"] {
        let password = Secret::from(kept(&[SECRET, other]));
        drop(prepared_password(&password).unwrap());
        found.after("a password is prepared");
        // Its memory is not the test's to give back.
        std::mem::forget(password);
    }
    assert!(found.steps.is_empty(), "{:#?}", found.steps);
    // The allocator does look.
    drop(SECRET.as_bytes().to_vec());
    assert_eq!(freed::found(), 1);
}
