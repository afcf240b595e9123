//! SCRAM logins of the three clients, against servers that follow a plan: bound exchanges that are refused, and
//! iterations away from the worker.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::sync::{Arc, Mutex, mpsc};

use mailwire_core::{SaslStep, Secret, sasl};
use mailwire_transport::{
    Endpoint, Error, Login, Result, Security, Stream, imap, pop3,
    sasl::{
        Authenticator, Credentials, Custom, CustomClient, LoginContext, Mechanism, SPOKEN, SaslContext,
        SaslError, ServerExchange, ServerStep, StoredPassword, UNBOUND_AFTER_REFUSAL, Unavailable,
    },
    smtp,
    testing::TestCa,
    tls::ClientTls,
};
use md5::{Digest, Md5};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Smtp,
    Imap,
    Pop3,
}

const ALL: [Protocol; 3] = [Protocol::Smtp, Protocol::Imap, Protocol::Pop3];

/// What the server makes of a bound exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Refused,
    Later,
    /// Refused within the mechanism, with this word.
    Within(&'static str),
}

#[derive(Debug, Clone, Copy)]
struct Plan {
    bound: Bound,
    /// Whether an exchange without binding may succeed.
    takes_unbound: bool,
    offers: &'static str,
}

const PLAN: Plan = Plan {
    bound: Bound::Refused,
    takes_unbound: true,
    offers: "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN",
};

struct Ada(StoredPassword);

impl Authenticator for Ada {
    fn mechanisms(&self) -> &[Mechanism] {
        &SPOKEN
    }

    async fn lookup(&self, user: &str, _: &LoginContext) -> Result<Option<StoredPassword>, Unavailable> {
        Ok((user == "ada").then(|| self.0.clone()))
    }
}

fn base64(data: &[u8]) -> String {
    let mut out = Vec::new();
    sasl::encode(data, &mut out);
    String::from_utf8(out).unwrap()
}

/// A server with its words in the protocol's form.
struct Server {
    stream: Stream,
    protocol: Protocol,
    tag: String,
    /// The mechanisms that were asked for, each with the first letter of its first message.
    asked: Vec<String>,
    /// What went in an exchange, in both directions, in base64.
    exchanged: Vec<String>,
}

impl Server {
    const fn new(stream: Stream, protocol: Protocol) -> Self {
        Self { stream, protocol, tag: String::new(), asked: Vec::new(), exchanged: Vec::new() }
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(self.stream.read_u8().await.ok()?);
        }
        line.truncate(line.len() - 2);
        String::from_utf8(line).ok()
    }

    async fn say(&mut self, line: &str) {
        let _ = self.stream.write_all(format!("{line}\r\n").as_bytes()).await;
        let _ = self.stream.flush().await;
    }

    async fn greet(&mut self, offers: &str) {
        match self.protocol {
            Protocol::Smtp => self.say("220 hi").await,
            Protocol::Imap => {
                let auth = offers.replace(' ', " AUTH=");
                self.say(&format!("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH={auth}] hi")).await;
            }
            Protocol::Pop3 => self.say("+OK hi").await,
        }
    }

    async fn challenge(&mut self, data: &[u8]) {
        let mark = if self.protocol == Protocol::Smtp { "334" } else { "+" };
        self.exchanged.push(base64(data));
        self.say(&format!("{mark} {}", base64(data))).await;
    }

    async fn end(&mut self, [smtp, imap, pop3]: [&str; 3]) {
        match self.protocol {
            Protocol::Smtp => self.say(smtp).await,
            Protocol::Imap => self.say(&format!("{} {imap}", self.tag)).await,
            Protocol::Pop3 => self.say(pop3).await,
        }
    }

    async fn refuse(&mut self) {
        self.end(["535 5.7.8 no", "NO [AUTHENTICATIONFAILED] no", "-ERR [AUTH] no"]).await;
    }

    /// Answers commands until the client asks for a mechanism: that and the initial response, decoded.
    async fn asked(&mut self, offers: &str) -> Option<(Mechanism, Secret)> {
        loop {
            let line = self.line().await?;
            let line = match (self.protocol, line.split_once(' ')) {
                (Protocol::Imap, Some((tag, rest))) => {
                    tag.clone_into(&mut self.tag);
                    rest.to_owned()
                }
                _ => line,
            };
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                ["AUTH" | "AUTHENTICATE", mechanism, initial] => {
                    let initial = sasl::decode_initial(initial.as_bytes()).unwrap();
                    self.exchanged.push(base64(initial.expose()));
                    let first = char::from(initial.expose()[0]);
                    self.asked.push(format!("{mechanism} {first}"));
                    return Some((Mechanism::from_peer(mechanism.as_bytes()).ok()?, initial));
                }
                ["AUTH" | "AUTHENTICATE", mechanism] => {
                    self.asked.push(mechanism.to_owned());
                    self.refuse().await;
                }
                ["EHLO", _] => self.say(&format!("250-hi\r\n250 AUTH {offers}")).await,
                ["CAPA"] => self.say(&format!("+OK\r\nSASL {offers}\r\n.")).await,
                _ => self.end(["250 OK", "OK done", "+OK"]).await,
            }
        }
    }

    /// Plays the plan until the client goes, and says what was asked for and what was exchanged.
    async fn play(mut self, plan: Plan, ada: &Ada) -> (Vec<String>, Vec<String>) {
        self.greet(plan.offers).await;
        while let Some((mechanism, initial)) = self.asked(plan.offers).await {
            if mechanism.binds_channel() {
                match plan.bound {
                    Bound::Refused => self.refuse().await,
                    Bound::Later => {
                        self.end(["454 4.7.0 later", "NO [UNAVAILABLE] later", "-ERR [SYS/TEMP] later"])
                            .await;
                    }
                    Bound::Within(word) => {
                        let first = String::from_utf8(initial.expose().to_vec()).unwrap();
                        let (_, nonce) = first.split_once("r=").unwrap();
                        self.challenge(format!("r={nonce}x,s=YWJj,i=4096").as_bytes()).await;
                        let proof = self.line().await.unwrap();
                        self.exchanged.push(proof);
                        self.challenge(format!("e={word}").as_bytes()).await;
                        assert_eq!(self.line().await.unwrap(), "*");
                        self.refuse().await;
                    }
                }
            } else if plan.takes_unbound && mechanism.is_scram() {
                let context = SaslContext::of(&self.stream);
                let mut exchange = ServerExchange::new(ada, &mechanism, &context).unwrap();
                let mut step = exchange.start(ada, Some(&initial)).await;
                while let ServerStep::Challenge(data) = step {
                    self.challenge(data.expose()).await;
                    let line = self.line().await.unwrap();
                    let answer = sasl::decode_step(line.as_bytes()).unwrap();
                    self.exchanged.push(line);
                    step = exchange.step(ada, &answer).await;
                }
                assert!(matches!(step, ServerStep::Success(_)), "{step:?}");
                self.end(["235 in", "OK [CAPABILITY IMAP4rev1] in", "+OK in"]).await;
            } else {
                self.refuse().await;
            }
        }
        (self.asked, self.exchanged)
    }
}

/// Logs in by a password, with the fallback or without.
async fn log_in(protocol: Protocol, stream: Stream, endpoint: Endpoint, fallback: bool) -> Result<Login> {
    let ada = Credentials::password("ada", "tanstaaf");
    Ok(match protocol {
        Protocol::Smtp => {
            let config = smtp::Config::login(ada).with_binding_fallback(fallback);
            smtp::Client::over(stream, endpoint, config).await?.login().unwrap().clone()
        }
        Protocol::Imap => {
            let config = imap::Config::login(ada).with_binding_fallback(fallback);
            imap::Client::over(stream, endpoint, config).await?.login().unwrap().clone()
        }
        Protocol::Pop3 => {
            let config = pop3::Config::login(ada).with_binding_fallback(fallback);
            pop3::Client::over(stream, endpoint, config).await?.login().unwrap().clone()
        }
    })
}

/// A client and a server with a plan, within TLS: how the login ended, and what the client asked for. The
/// client's wire log shows nothing that is secret.
async fn against(
    plan: Plan,
    protocol: Protocol,
    fallback: bool,
    verify: bool,
) -> (Result<Login>, Vec<String>) {
    let ca = TestCa::new().unwrap();
    let server_tls = ca.server_tls(&["localhost"]).unwrap();
    let tls = if verify {
        ca.client_tls().unwrap()
    } else {
        // A configuration of the caller's may verify nobody.
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca.root_pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
        ClientTls::from_config(Arc::new(config))
    };
    let log = Arc::new(Mutex::new(String::new()));
    let shown = Arc::clone(&log);
    let endpoint = Endpoint::tcp("localhost", 1, Security::implicit_tls())
        .with_tls(tls)
        .with_wire_log(move |line| shown.lock().unwrap().push_str(&format!("{line}\n")));
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let ada = Ada(StoredPassword::derive_with(&"tanstaaf".into(), 4096).unwrap());
    let (login, (asked, exchanged)) =
        tokio::join!(log_in(protocol, Stream::other(ours), endpoint, fallback), async move {
            let stream = server_tls.accept(Stream::other(theirs)).await.unwrap();
            Server::new(stream, protocol).play(plan, &ada).await
        });
    let log = log.lock().unwrap().clone();
    assert!(asked.iter().all(|asked| log.contains(asked.split(' ').next().unwrap())), "{log}");
    for secret in exchanged.iter().map(String::as_str).chain(["tanstaaf"]).filter(|text| !text.is_empty()) {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    (login, asked)
}

const BOUND: &str = "SCRAM-SHA-256-PLUS p";

#[tokio::test]
async fn a_refused_binding_is_left_out_once_and_reported() {
    for protocol in ALL {
        for bound in [Bound::Refused, Bound::Within("channel-bindings-dont-match")] {
            let (login, asked) = against(Plan { bound, ..PLAN }, protocol, true, true).await;
            let login = login.unwrap();
            assert_eq!(login.mechanism, Some(Mechanism::ScramSha256), "{protocol:?}");
            let names: Vec<_> = login.deviations.iter().map(|deviation| deviation.name).collect();
            assert_eq!(names, [UNBOUND_AFTER_REFUSAL], "{protocol:?}");
            // `n`: this side cannot. With `y` the server would have to refuse.
            assert_eq!(asked, [BOUND, "SCRAM-SHA-256 n"], "{protocol:?}");
        }
    }
}

#[tokio::test]
async fn a_refused_binding_is_not_left_out_where_that_is_not_allowed_or_no_help() {
    for protocol in ALL {
        for (plan, fallback, verify) in [
            (PLAN, false, true),
            (PLAN, true, false),
            (Plan { bound: Bound::Later, ..PLAN }, true, true),
            (Plan { bound: Bound::Within("invalid-proof"), ..PLAN }, true, true),
            (Plan { bound: Bound::Within("invalid-username-encoding"), ..PLAN }, true, true),
            // What there is besides would show the password.
            (Plan { offers: "SCRAM-SHA-256-PLUS PLAIN LOGIN", ..PLAN }, true, true),
            (Plan { offers: "SCRAM-SHA-256-PLUS SCRAM-SHA-1 PLAIN LOGIN", ..PLAN }, true, true),
        ] {
            let (login, asked) = against(plan, protocol, fallback, verify).await;
            let error = login.unwrap_err();
            assert_eq!(asked, [BOUND], "{protocol:?}: {plan:?}");
            match plan.bound {
                Bound::Later => assert!(error.is_transient(), "{error:?}"),
                Bound::Refused => assert!(error.is_authentication(), "{error:?}"),
                Bound::Within(_) => {
                    assert!(matches!(error, Error::Sasl(SaslError::ServerError(_))), "{error:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_second_refusal_is_the_end() {
    for protocol in ALL {
        let (login, asked) = against(Plan { takes_unbound: false, ..PLAN }, protocol, true, true).await;
        assert!(login.unwrap_err().is_authentication());
        assert_eq!(asked, [BOUND, "SCRAM-SHA-256 n"], "{protocol:?}");
    }
}

/// The pool for blocking work is full: the client's answer comes when there is room, and others go on meanwhile.
#[test]
fn iterations_are_not_done_on_the_worker() {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        for protocol in ALL {
            let (room, full) = mpsc::channel::<()>();
            let busy = tokio::task::spawn_blocking(move || full.recv());
            let (ours, theirs) = tokio::io::duplex(1 << 16);
            let server = async move {
                let mut server = Server::new(Stream::other(theirs), protocol);
                server.greet("SCRAM-SHA-256").await;
                let (_, initial) = server.asked("SCRAM-SHA-256").await.unwrap();
                let first = String::from_utf8(initial.expose().to_vec()).unwrap();
                let (_, nonce) = first.split_once("r=").unwrap();
                server.challenge(format!("r={nonce}x,s=YWJj,i=4096").as_bytes()).await;
                let others = async {
                    for _ in 0..1000 {
                        tokio::task::yield_now().await;
                    }
                };
                tokio::select! {
                    biased;
                    line = server.line() => panic!("computed on the worker: {line:?}"),
                    () = others => {}
                }
                drop(room);
                let answer = sasl::decode_step(server.line().await.unwrap().as_bytes()).unwrap();
                let SaslStep::Data(proof) = answer else { panic!("{answer:?}") };
                assert!(proof.expose().starts_with(b"c=biws,r="));
            };
            let endpoint = Endpoint::tcp("localhost", 1, Security::plaintext_without_encryption());
            let (login, ()) = tokio::join!(log_in(protocol, Stream::other(ours), endpoint, true), server);
            assert!(login.is_err(), "the server has gone");
            assert!(busy.await.unwrap().is_err());
        }
    });
}

/// A client that answers everything.
struct Patient;

impl CustomClient for Patient {
    fn step(&mut self, _: &Secret) -> Result<Secret, SaslError> {
        Ok("y".into())
    }

    fn is_done(&self) -> bool {
        true
    }
}

/// How a login goes in clear against a server that follows this.
async fn in_clear<F: Future<Output = ()>>(
    protocol: Protocol,
    credentials: Credentials,
    mechanism: Option<Mechanism>,
    serve: impl FnOnce(Server) -> F,
) -> Result<Login> {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let stream = Stream::other(ours);
    let endpoint = Endpoint::tcp("mail.example.org", 1, Security::plaintext_without_encryption());
    let client = async {
        Ok(match protocol {
            Protocol::Smtp => {
                let mut config = smtp::Config::login(credentials).with_allow_clear_credentials(true);
                config.mechanism = mechanism;
                smtp::Client::over(stream, endpoint, config).await?.login().unwrap().clone()
            }
            Protocol::Imap => {
                let mut config = imap::Config::login(credentials).with_allow_clear_credentials(true);
                config.mechanism = mechanism.map(imap::LoginMechanism::Sasl);
                imap::Client::over(stream, endpoint, config).await?.login().unwrap().clone()
            }
            Protocol::Pop3 => {
                let mut config = pop3::Config::login(credentials).with_allow_clear_credentials(true);
                config.mechanism = mechanism.map(pop3::LoginMechanism::Sasl);
                pop3::Client::over(stream, endpoint, config).await?.login().unwrap().clone()
            }
        })
    };
    let (login, ()) = tokio::join!(client, serve(Server::new(Stream::other(theirs), protocol)));
    login
}

impl Server {
    /// Answers commands until the client asks for a mechanism in which the server speaks first.
    async fn asked_first(&mut self, offers: &str) {
        self.greet(offers).await;
        loop {
            let line = self.line().await.unwrap();
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                ["AUTH", _] => return,
                [tag, "AUTHENTICATE", _] => {
                    tag.clone_into(&mut self.tag);
                    return;
                }
                ["EHLO", _] => self.say(&format!("250-hi\r\n250 AUTH {offers}")).await,
                ["CAPA"] => self.say(&format!("+OK\r\nSASL {offers}\r\n.")).await,
                _ => panic!("{line}"),
            }
        }
    }
}

#[tokio::test]
async fn challenges_without_end_come_to_one() {
    for protocol in ALL {
        let own = Mechanism::new("X-LONG").unwrap();
        let credentials = Credentials::custom(Custom::new(own, |_| Ok(Patient)));
        let error = in_clear(protocol, credentials.clone(), None, async |mut server| {
            server.asked_first("X-LONG").await;
            let mut answers = 0;
            while server.stream.write_all(b"").await.is_ok() {
                server.challenge(b"more").await;
                match server.line().await {
                    Some(_) => answers += 1,
                    None => break,
                }
            }
            assert!((10..100).contains(&answers), "{protocol:?}: {answers}");
        })
        .await
        .unwrap_err();
        let limit = error.violation().copied();
        assert!(matches!(limit, Some(mailwire_core::Error::LimitExceeded { .. })), "{protocol:?}: {error:?}");

        // One that does not end itself.
        let error = in_clear(protocol, credentials, None, async |mut server| {
            server.asked_first("X-LONG").await;
            let mark = if protocol == Protocol::Smtp { "334 " } else { "+ " };
            let mut room = 64 << 20;
            let _ = server.stream.write_all(mark.as_bytes()).await;
            while room > 0 && server.stream.write_all(&[b'A'; 4096]).await.is_ok() {
                room -= 4096;
            }
            assert!(room > 0, "{protocol:?}: nobody stopped it");
        })
        .await
        .unwrap_err();
        assert!(error.violation().is_some(), "{protocol:?}: {error:?}");
    }
}

#[tokio::test]
async fn digest_md5_in_all_three_protocols() {
    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
    fn hash(parts: &[&str]) -> String {
        hex(&Md5::digest(parts.join(":")))
    }
    for (protocol, service) in ALL.into_iter().zip(["smtp", "imap", "pop"]) {
        for knows in [true, false] {
            let credentials = Credentials::password("ada", "tanstaaf");
            let login = in_clear(protocol, credentials, Some(Mechanism::DigestMd5), async |mut server| {
                server.asked_first("DIGEST-MD5").await;
                server
                    .challenge(b"realm=\"r\",nonce=\"n\",qop=\"auth\",charset=utf-8,algorithm=md5-sess")
                    .await;
                let answer = sasl::decode(server.line().await.unwrap().as_bytes()).unwrap();
                let answer = String::from_utf8(answer.expose().to_vec()).unwrap();
                let value = |name: &str| {
                    let (_, rest) = answer.split_once(&format!("{name}=")).unwrap();
                    rest.split(',').next().unwrap().trim_matches('"').to_owned()
                };
                let (uri, cnonce) = (value("digest-uri"), value("cnonce"));
                assert_eq!(uri, format!("{service}/mail.example.org"));
                let mut a1 = Md5::digest("ada:r:tanstaaf").to_vec();
                a1.extend_from_slice(format!(":n:{cnonce}").as_bytes());
                let a1 = hex(&Md5::digest(&a1));
                let proof =
                    |method: &str| hash(&[&a1, "n", "00000001", &cnonce, "auth", &hash(&[method, &uri])]);
                assert_eq!(value("response"), proof("AUTHENTICATE"));
                let own = if knows { proof("") } else { proof("x") };
                server.challenge(format!("rspauth={own}").as_bytes()).await;
                let end = server.line().await.unwrap();
                assert_eq!(end, if knows { "" } else { "*" });
                if knows {
                    server.end(["235 in", "OK [CAPABILITY IMAP4rev1] in", "+OK in"]).await;
                } else {
                    server.refuse().await;
                }
            })
            .await;
            match login {
                Ok(login) => assert!(knows && login.mechanism == Some(Mechanism::DigestMd5)),
                Err(error) => {
                    let forged = matches!(error, Error::Sasl(SaslError::ServerNotVerified));
                    assert!(!knows && forged, "{protocol:?}: {error:?}");
                }
            }
        }
    }
}
