//! POP3 beyond RFC 1939, end to end: UTF8, LANG, EXPIRE, LOGIN-DELAY, XCLIENT.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use mailwire_core::{Channel, Secret};
use mailwire_store::{Pop3Maildrop, Pop3Service, memory::MemoryStore};
use mailwire_transport::{
    Endpoint, Error, Result, Security, Stream,
    pop3::{
        Capability, Client, Config, Deletions, LanguageRange, LanguageTag, LoginMechanism, Server,
        proto::Xclient,
        server::{Expire, Language, Policy, Refusal, Service, Utf8},
    },
    sasl::{Authenticator, Credentials, Identity, LoginContext, Unavailable},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// Knows everybody who has the password, without the work that makes it hard to guess.
struct Quick;

impl Authenticator for Quick {
    async fn verify_password(
        &self,
        _: &str,
        password: &Secret,
        context: &LoginContext,
    ) -> Result<bool, Unavailable> {
        // By the address of whom it speaks for.
        let blocked = context.address.is_some_and(|address| address.ip().to_string() == "192.0.2.66");
        Ok(password.expose() == b"secret" && !blocked)
    }
}

type Over = Pop3Service<MemoryStore, Quick>;

fn store(messages: &[&str]) -> MemoryStore {
    let store = MemoryStore::new();
    let ada = store.add_user("ada", "secret").unwrap();
    store.add_user("bob", "secret").unwrap();
    for message in messages {
        ada.deliver(Bytes::copy_from_slice(message.as_bytes())).unwrap();
    }
    store
}

fn service(store: &MemoryStore) -> Over {
    Pop3Service::with_authenticator(store.clone(), Quick)
}

fn count(store: &MemoryStore) -> usize {
    store.user("ada").unwrap().messages("INBOX").unwrap().len()
}

fn config() -> Config {
    let mut config = Config::login(Credentials::password("ada", "secret")).with_allow_clear_credentials(true);
    config.mechanism = Some(LoginMechanism::UserPass);
    config
}

fn connect<S: Service>(server: &Server<S>) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let server = server.clone();
    tokio::spawn(async move { server.serve_stream(Stream::other(theirs), Channel::Clear).await });
    ours
}

async fn client<S: Service>(server: &Server<S>, config: Config) -> Result<Client> {
    let endpoint = Endpoint::tcp("pipe", 110, Security::plaintext_without_encryption());
    Client::over(Stream::other(connect(server)), endpoint, config).await
}

/// All that the server says to these lines.
async fn said<S: Service>(server: &Server<S>, lines: &str) -> String {
    let mut stream = connect(server);
    stream.write_all(lines.replace('\n', "\r\n").as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    said
}

const ABROAD: &str = "From: J\u{f6}rg <j\u{f6}rg@example.org>\r\nSubject: Gr\u{fc}\u{df}e\r\nX-Note: \u{e9}\r\n\r\n\u{fc}ber\r\n.x\r\n";
const PLAIN: &str = "Subject: plain\r\n\r\n\u{fc}ber\r\n";

#[tokio::test]
async fn headers_beyond_ascii_are_for_those_who_say_utf8() {
    let store = store(&[ABROAD, PLAIN]);
    let server = Server::new(service(&store)).allow_clear_credentials();
    // Our client says it by itself.
    let mut with = client(&server, config()).await.unwrap();
    assert!(with.is_utf8() && with.capabilities().has(&Capability::Utf8 { user: true }));
    assert_eq!(with.retr(1).await.unwrap().bytes(1000).await.unwrap(), ABROAD);
    assert_eq!(with.list_one(1).await.unwrap().octets, Some(ABROAD.len() as u64));
    with.quit().await.unwrap();
    let mut without = client(&server, config().with_utf8(false)).await.unwrap();
    let made = without.retr(1).await.unwrap().bytes(1000).await.unwrap();
    let (header, body) = made.split_at(made.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4);
    assert_eq!(
        std::str::from_utf8(header).unwrap(),
        "From: =?utf-8?B?SsO2cmcgPGrDtnJnQGV4YW1wbGUub3JnPg==?=\r\n <invalid@internationalized.invalid>\r\nSubject: =?utf-8?B?R3LDvMOfZQ==?=\r\n\r\n"
    );
    assert_eq!(body, "\u{fc}ber\r\n.x\r\n".as_bytes());
    // The lines of TOP are those of what is sent.
    let top = without.top(1, 1).await.unwrap().bytes(1000).await.unwrap();
    assert_eq!(&top[..], &made[..made.len() - ".x\r\n".len()]);
    assert_eq!(without.retr(2).await.unwrap().bytes(1000).await.unwrap(), PLAIN);
    without.quit().await.unwrap();
}

#[tokio::test]
async fn or_they_are_refused_with_the_code() {
    let store = store(&[ABROAD, PLAIN]);
    let server = Server::new(service(&store).with_utf8(Utf8::Refuse)).allow_clear_credentials();
    let mut client = client(&server, config().with_utf8(false)).await.unwrap();
    for error in [client.retr(1).await.err().unwrap(), client.top(1, 0).await.err().unwrap()] {
        assert_eq!(error.refused().unwrap().code.as_ref().unwrap(), "UTF8");
    }
    assert_eq!(client.retr(2).await.unwrap().bytes(1000).await.unwrap(), PLAIN);
    client.quit().await.unwrap();
    // Nothing is said of it where it is not offered.
    let server = Server::new(service(&store).with_utf8(Utf8::AsItIs)).allow_clear_credentials();
    let mut client = self::client(&server, config()).await.unwrap();
    assert!(!client.is_utf8() && !client.capabilities().has_tag("UTF8"));
    assert_eq!(client.retr(1).await.unwrap().bytes(1000).await.unwrap(), ABROAD);
}

/// What RFC 1939 asks of a server with a maildrop, a row a sentence; of any server: `pop3-proto/tests/rfcs.rs`.
#[tokio::test]
async fn rfc_1939_with_a_maildrop() {
    let (first, second) = ("Subject: a\r\n\r\none\r\n.two\r\n\r\nfour\r\n", "Subject: b\r\n\r\nno line end");
    let begin = "USER ada\nPASS secret\n";
    let size = first.len() + second.len();
    let all = format!("+OK 2 {size}");
    let stuffed = first.replace("\r\n.", "\r\n..");
    let listed = format!("+OK|1 {}|2 {}|.", first.len(), second.len());
    for (lines, answers) in [
        // 5: the number of messages and their octets, as they are sent.
        ("STAT", all.clone()),
        ("LIST", listed.clone()),
        ("LIST 2", format!("+OK 2 {}", second.len())),
        ("LIST 3|RETR 3|DELE 3|TOP 3 0|UIDL 3", "-|-|-|-|-".into()),
        // A dot that begins a line is doubled; the end is on a line of its own.
        ("RETR 1", format!("+OK|{stuffed}.")),
        ("RETR 2", format!("+OK|{second}\r\n.")),
        // 7: TOP is the header, the line after it, and so many lines, or all there are.
        ("TOP 1 0", "+OK|Subject: a||.".into()),
        ("TOP 1 2", "+OK|Subject: a||one|..two|.".into()),
        ("TOP 1 99", format!("+OK|{stuffed}.")),
        // 5: a message that is marked is gone for every command, and the others keep their numbers.
        ("DELE 1|DELE 1|LIST 1|RETR 1|TOP 1 0|UIDL 1", "+OK|-|-|-|-|-".into()),
        ("DELE 1|STAT|LIST", format!("+OK|+OK 1 {}|+OK|2 {}|.", second.len(), second.len())),
        // RSET takes the marks away.
        ("DELE 1|DELE 2|STAT|RSET|STAT|LIST", format!("+OK|+OK|+OK 0 0|+OK|{all}|{listed}")),
        ("NOOP|XYZZY|NOOP", "+OK|-|+OK".into()),
    ] {
        let server = Server::new(service(&store(&[first, second]))).allow_clear_credentials();
        let said = said(&server, &format!("{begin}{}\n", lines.replace('|', "\n"))).await;
        let answer = said.splitn(4, "\r\n").last().unwrap();
        // Texts for people are left out.
        let plain = |line: &str| match line.as_bytes() {
            [b'-', ..] => "-".to_owned(),
            [b'+', b'O', b'K', b' ', b'0'..=b'9', ..] if !line.ends_with("octets") => line.to_owned(),
            [b'+', ..] => "+OK".to_owned(),
            _ => line.to_owned(),
        };
        let came: Vec<_> = answer.split_terminator("\r\n").map(plain).collect();
        assert_eq!(came.join("|"), answers.replace("\r\n", "|"), "{lines}");
        assert!(answer.split("\r\n").all(|line| line.len() <= 510), "{said}");
    }
    // 6: what is marked goes with QUIT alone, and with no other end.
    for (lines, left) in [
        ("USER ada\nQUIT\n", 2),
        ("USER ada\nPASS secret\nDELE 1\n", 2),
        ("USER ada\nPASS secret\nDELE 1\nRSET\nQUIT\n", 2),
        ("USER ada\nPASS secret\nQUIT\n", 2),
        ("USER ada\nPASS secret\nDELE 1\nQUIT\n", 1),
        ("USER ada\nPASS secret\nDELE 2\nDELE 1\nQUIT\n", 0),
    ] {
        let store = store(&[first, second]);
        said(&Server::new(service(&store)).allow_clear_credentials(), lines).await;
        assert_eq!(count(&store), left, "{lines:?}");
    }
    // 7: the unique identifier of a message is its own, and the same in the next session.
    let store = store(&[first, first]);
    let server = Server::new(service(&store)).allow_clear_credentials();
    let uidl = async || said(&server, &format!("{begin}UIDL\nQUIT\n")).await;
    let once = uidl().await;
    let ids: Vec<_> =
        once.lines().filter_map(|line| line.strip_prefix("1 ").or(line.strip_prefix("2 "))).collect();
    assert!(ids.len() == 2 && ids[0] != ids[1], "{once}");
    assert_eq!(uidl().await, once);
    said(&server, &format!("{begin}DELE 1\nQUIT\n")).await;
    assert!(uidl().await.contains(&format!("\r\n1 {}\r\n", ids[1])));
}

/// A header of any length, with and without an end, from a store that gives large messages in pieces.
#[tokio::test]
async fn large_messages_and_large_headers() {
    let large = format!("Subject: \u{fc}\r\nX: y\r\n\r\n{}", "line\r\n".repeat(200_000));
    let wide = format!("Subject: {}\r\n\r\nbody\r\n", "x ".repeat(400_000));
    let wide_abroad = format!("Subject: {}\u{fc}\r\n\r\nbody\r\n", "x ".repeat(100_000));
    let store = store(&[&large, &wide, &wide_abroad]);
    let server = Server::new(service(&store)).allow_clear_credentials();
    let mut client = client(&server, config().with_utf8(false)).await.unwrap();
    let made = client.retr(1).await.unwrap().bytes(2_000_000).await.unwrap();
    assert!(made.starts_with(b"Subject: =?utf-8?B?w7w=?=\r\nX: y\r\n\r\nline\r\n"));
    assert!(made.ends_with(b"\r\n\r\nline\r\n") || made.ends_with(b"line\r\nline\r\n"));
    assert_eq!(client.retr(2).await.unwrap().bytes(2_000_000).await.unwrap(), wide);
    let made = client.retr(3).await.unwrap().bytes(2_000_000).await.unwrap();
    assert!(made.is_ascii() && made.ends_with(b"=?utf-8?B?w7w=?=\r\n\r\nbody\r\n"));
    client.quit().await.unwrap();
}

/// A service that speaks German.
struct German(Over);

impl Service for German {
    type Maildrop = Pop3Maildrop<MemoryStore>;
    type Authenticator = Quick;

    fn authenticator(&self) -> &Quick {
        self.0.authenticator()
    }

    async fn open(&self, identity: &Identity) -> Result<Self::Maildrop, Refusal> {
        self.0.open(identity).await
    }

    fn languages(&self) -> Vec<Language> {
        vec![Language::new(LanguageTag::new("de-CH").unwrap(), "Schwiizert\u{fc}\u{fc}tsch")]
    }

    fn translate(&self, language: &LanguageTag, english: &str) -> Option<String> {
        let known = match english {
            "language changed" => "ge\u{e4}ndert",
            "no such message" => "gibt es nicht: \u{201e}Gr\u{fc}ezi\u{201c}",
            "bye" => "tsch\u{fc}ss",
            _ => return None,
        };
        (language.as_bytes() == b"de-CH").then(|| known.to_owned())
    }

    async fn policy_of(&self, identity: &Identity) -> Result<Policy, Refusal> {
        let policy = self.policy();
        Ok(if identity.acting_as == "bob" { Policy::new() } else { policy.with_expire(Expire::Days(9)) })
    }

    fn policy(&self) -> Policy {
        let policy = Policy::new().with_expire(Expire::Days(2)).with_login_delay(Duration::from_secs(60));
        policy.with_per_user(true)
    }
}

#[tokio::test]
async fn texts_are_in_the_language_that_was_chosen() {
    let server = Server::new(German(service(&store(&[])))).allow_clear_credentials();
    let said = said(
        &server,
        "LANG\nRETR 9\nLANG fr\nLANG DE\nUSER ada\nPASS secret\nRETR 9\nLANG i-default\nRETR 9\nLANG *\nQUIT\n",
    )
    .await;
    let expected = "+OK POP3 server ready\r\n\
        +OK languages follow\r\nde-CH Schwiizert\u{fc}\u{fc}tsch\r\ni-default English\r\n.\r\n\
        -ERR log in first\r\n-ERR no such language\r\n+OK de-CH ge\u{e4}ndert\r\n+OK send PASS\r\n+OK 0 messages (0 octets)\r\n\
        -ERR gibt es nicht: \u{201e}Gr\u{fc}ezi\u{201c}\r\n+OK i-default language changed\r\n-ERR no such message\r\n\
        +OK de-CH ge\u{e4}ndert\r\n+OK tsch\u{fc}ss\r\n";
    assert_eq!(said, expected);
}

/// More answers than the server keeps at once, for who asks on without reading.
#[tokio::test]
async fn languages_are_listed_as_fast_as_they_are_read() {
    let server = Server::new(German(service(&store(&[])))).allow_clear_credentials();
    let said = said(&server, &format!("{}QUIT\n", "LANG\n".repeat(3000))).await;
    assert_eq!(said.matches("i-default English\r\n.\r\n").count(), 3000);
    assert!(said.ends_with("+OK bye\r\n"));
}

#[tokio::test]
async fn our_client_chooses_a_language() {
    let server = Server::new(German(service(&store(&[])))).allow_clear_credentials();
    let range = LanguageRange::new("de").unwrap();
    let mut client = client(&server, config().with_language(range)).await.unwrap();
    let error = client.retr(9).await.err().unwrap();
    assert!(error.to_string().ends_with("gibt es nicht: \u{201e}Gr\u{fc}ezi\u{201c}"), "{error}");
    let languages = client.languages().await.unwrap();
    assert_eq!(languages[0].description.to_string(), "Schwiizert\u{fc}\u{fc}tsch");
    let chosen = client.set_language(languages[1].tag.clone().into()).await.unwrap().unwrap();
    assert_eq!(chosen.as_bytes(), b"i-default");
    assert!(matches!(client.set_language("fr".parse().unwrap()).await, Err(Error::Refused(_))));
    client.quit().await.unwrap();
    // No service of our own has texts in other languages.
    let server = Server::new(service(&store(&[]))).allow_clear_credentials();
    let mut client = self::client(&server, config().with_language("de".parse().unwrap())).await.unwrap();
    let error = client.languages().await.unwrap_err();
    assert!(matches!(error, Error::Misuse(_)), "{error:?}");
    client.quit().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_too_soon_is_told_so() {
    let policy = Policy::new().with_login_delay(Duration::from_secs(60));
    let server = Server::new(service(&store(&[])).with_policy(policy)).allow_clear_credentials();
    let first = client(&server, config()).await.unwrap();
    assert!(first.capabilities().has(&Capability::LoginDelay { seconds: 60, per_user: false }));
    first.quit().await.unwrap();
    let error = client(&server, config()).await.unwrap_err();
    assert_eq!(error.refused().unwrap().code.as_ref().unwrap(), "LOGIN-DELAY");
    assert!(error.is_transient() && !error.is_authentication(), "{error:?}");
    // A wrong password learns nothing, and others may come.
    let mut wrong = config();
    wrong.credentials = Credentials::password("ada", "wrong");
    let error = client(&server, wrong).await.unwrap_err();
    assert_eq!(error.refused().unwrap().code.as_ref().unwrap(), "AUTH");
    let mut other = config();
    other.credentials = Credentials::password("bob", "secret");
    client(&server, other).await.unwrap().quit().await.unwrap();
    tokio::time::advance(Duration::from_secs(60)).await;
    client(&server, config()).await.unwrap().quit().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_policy_can_be_each_users_own() {
    let server = Server::new(German(service(&store(&[])))).allow_clear_credentials();
    let lists = said(&server, "CAPA\nUSER ada\nPASS secret\nCAPA\nQUIT\n").await;
    let (before, after) = lists.split_once("send PASS").unwrap();
    assert!(before.contains("\r\nLOGIN-DELAY 60 USER\r\nEXPIRE 2 USER\r\n"), "{lists}");
    assert!(after.contains("\r\nLOGIN-DELAY 60\r\nEXPIRE 9\r\n"), "{lists}");
    assert!(!before.contains("IMPLEMENTATION") && after.contains("\r\nIMPLEMENTATION mailwire\r\n"));
    for _ in 0..2 {
        let lists = said(&server, "USER bob\nPASS secret\nCAPA\nQUIT\n").await;
        assert!(lists.ends_with("\r\nLOGIN-DELAY 0\r\nEXPIRE NEVER\r\n.\r\n+OK bye\r\n"), "{lists}");
    }
}

#[tokio::test]
async fn nothing_stays_where_nothing_may() {
    let policy = Policy::new().with_expire(Expire::Days(0));
    let store = store(&[PLAIN, PLAIN, ABROAD, PLAIN]);
    let server = Server::new(service(&store).with_policy(policy)).allow_clear_credentials();
    // Without QUIT nothing is deleted, and RSET takes all back.
    said(&server, "USER ada\nPASS secret\nRETR 1\nRETR 2\n").await;
    said(&server, "USER ada\nPASS secret\nRETR 1\nRSET\nQUIT\n").await;
    assert_eq!(count(&store), 4);
    // TOP is no download, and neither is what stands for a message.
    let list = said(&server, "USER ada\nPASS secret\nCAPA\nRETR 2\nTOP 1 99\nRETR 3\nSTAT\nQUIT\n").await;
    assert!(list.contains("\r\nEXPIRE 0\r\n") && list.contains("\r\n+OK 4 "), "{list}");
    assert_eq!(count(&store), 3);
    let client = client(&server, config()).await.unwrap();
    assert_eq!(client.quit().await.unwrap(), Deletions::None);
}

#[tokio::test]
async fn what_is_too_old_is_deleted_at_a_login() {
    let store = store(&[PLAIN, PLAIN]);
    let policy = Policy::new().with_expire(Expire::Days(7));
    let now = Server::new(service(&store).with_policy(policy)).allow_clear_credentials();
    client(&now, config()).await.unwrap().quit().await.unwrap();
    assert_eq!(count(&store), 2);
    let later = || SystemTime::now() + Duration::from_secs(7 * 24 * 3600 + 60);
    let later = Server::new(service(&store).with_policy(policy).with_clock(later)).allow_clear_credentials();
    let mut client = client(&later, config()).await.unwrap();
    assert_eq!(client.stat().await.unwrap().messages, 0);
    assert_eq!(count(&store), 0);
}

#[tokio::test]
async fn a_trusted_proxy_speaks_for_its_client() {
    let server = Server::new(service(&store(&[]))).allow_clear_credentials();
    let trusting = server.clone().configure(|config| config.xclient = true);
    let config = |address: &str| {
        let address: std::net::IpAddr = address.parse().unwrap();
        config().with_xclient(Xclient::new().with_addr(address).with_port(99))
    };
    let error = client(&trusting, config("192.0.2.66")).await.unwrap_err();
    assert_eq!(error.refused().unwrap().code.as_ref().unwrap(), "AUTH");
    client(&trusting, config("192.0.2.1")).await.unwrap();
    // It is not told where it is not offered, and is not taken.
    client(&server, config("192.0.2.66")).await.unwrap();
    assert!(said(&server, "XCLIENT ADDR=192.0.2.66\n").await.contains("-ERR not offered\r\n"));
}

/// IN-USE is for who has proved who that is, and SYS for trouble that is not the credentials'.
#[tokio::test]
async fn refusals_have_their_codes() {
    let store = store(&[]);
    let server = Server::new(service(&store)).allow_clear_credentials();
    let first = client(&server, config()).await.unwrap();
    let mut wrong = config();
    wrong.credentials = Credentials::password("ada", "wrong");
    for (config, code) in [(config(), "IN-USE"), (wrong, "AUTH")] {
        let error = client(&server, config).await.unwrap_err();
        assert_eq!(error.refused().unwrap().code.as_ref().unwrap(), code);
    }
    drop(first);
    let mut gone = config();
    gone.credentials = Credentials::password("nobody", "secret");
    let error = client(&server, gone).await.unwrap_err();
    assert_eq!(error.refused().unwrap().code.as_ref().unwrap(), "SYS/PERM");
    assert!(!error.is_transient() && !error.is_authentication());
}
