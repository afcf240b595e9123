//! Each mechanism, client and server face to face in memory.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{
    collections::HashMap,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use mailwire_core::{SaslStep, Secret};
use mailwire_transport::{
    sasl::{
        Authenticator, ClientExchange, Credentials, Identity, LoginContext, Mechanism, SPOKEN, SaslContext,
        SaslError, ServerExchange, ServerStep, StoredPassword, Unavailable,
    },
    tls::ChannelBindings,
};
use rustls::pki_types::CertificateDer;

#[derive(Clone)]
struct Users {
    users: HashMap<&'static str, StoredPassword>,
    down: bool,
}

fn users() -> Users {
    static STORED: OnceLock<(StoredPassword, StoredPassword)> = OnceLock::new();
    let (tim, odd) = STORED.get_or_init(|| {
        (
            StoredPassword::derive(&"tanstaaf".into()).unwrap(),
            StoredPassword::derive(&"päss,w=rd \u{2168}".into()).unwrap(),
        )
    });
    Users { users: [("tim", tim.clone()), ("a,b=c@ü", odd.clone())].into(), down: false }
}

impl Authenticator for Users {
    fn mechanisms(&self) -> &[Mechanism] {
        &SPOKEN
    }

    async fn lookup(&self, user: &str, _: &LoginContext) -> Result<Option<StoredPassword>, Unavailable> {
        if self.down { Err(Unavailable) } else { Ok(self.users.get(user).cloned()) }
    }

    async fn shared_secret(&self, user: &str, _: &LoginContext) -> Result<Option<Secret>, Unavailable> {
        match user {
            _ if self.down => Err(Unavailable),
            "tim" => Ok(Some("tanstaaf".into())),
            "a,b=c@ü" => Ok(Some("päss,w=rd IX".into())),
            _ => Ok(None),
        }
    }

    async fn verify_token(
        &self,
        user: Option<&str>,
        token: &Secret,
        _: &LoginContext,
    ) -> Result<Option<String>, Unavailable> {
        Ok((user == Some("a,b=c@ü") && token.expose() == b"ya29.token=").then(|| "a,b=c@ü".into()))
    }

    async fn verify_external(
        &self,
        certificates: &[CertificateDer<'static>],
        _: Option<&str>,
        _: &LoginContext,
    ) -> Result<Option<String>, Unavailable> {
        Ok(certificates.is_empty().then(|| "tim".into()))
    }

    async fn anonymous(&self, trace: &str, _: &LoginContext) -> Result<Option<String>, Unavailable> {
        Ok((trace == "sirhc").then(|| "guest".into()))
    }

    async fn may_act_as(&self, user: &str, other: &str, _: &LoginContext) -> Result<bool, Unavailable> {
        Ok(user == "tim" && other == "shared")
    }
}

fn bindings(exporter: bool) -> ChannelBindings {
    ChannelBindings::new(exporter.then(|| vec![7; 32]), Some(vec![9; 32]))
}

fn tls() -> SaslContext {
    SaslContext::protected(bindings(true)).with_external_identity()
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Success(Identity),
    /// The server said no.
    Failed,
    /// The client broke it off.
    Broken(SaslError),
    Unavailable,
}

/// Runs both sides to the end. `sent` gets all that went over the wire.
async fn run(
    mut client: ClientExchange,
    users: &Users,
    context: &SaslContext,
    initial: bool,
    sent: &mut Vec<Vec<u8>>,
) -> Outcome {
    let mut server = ServerExchange::new(users, client.mechanism(), context).unwrap();
    let first = if initial {
        match client.initial() {
            Ok(first) => first,
            Err(error) => return Outcome::Broken(error),
        }
    } else {
        None
    };
    sent.extend(first.iter().map(|secret| secret.expose().to_vec()));
    let mut step = server.start(users, first.as_ref()).await;
    for _ in 0..6 {
        match step {
            ServerStep::Challenge(challenge) => {
                sent.push(challenge.expose().to_vec());
                let answer = match client.step(&challenge) {
                    Ok(answer) => answer,
                    Err(error) => {
                        assert_eq!(server.step(users, &SaslStep::Cancel).await, ServerStep::Cancelled);
                        assert!(client.step(&challenge).is_err(), "it stays broken");
                        return Outcome::Broken(error);
                    }
                };
                if let SaslStep::Data(data) = &answer {
                    sent.push(data.expose().to_vec());
                }
                step = server.step(users, &answer).await;
            }
            ServerStep::Success(identity) => {
                return match client.finish(None) {
                    Ok(()) => Outcome::Success(identity),
                    Err(error) => Outcome::Broken(error),
                };
            }
            ServerStep::Failed => {
                let again = server.step(users, &SaslStep::Data(Secret::default())).await;
                assert_eq!(again, ServerStep::Failed, "it stays failed");
                return Outcome::Failed;
            }
            ServerStep::Unavailable => return Outcome::Unavailable,
            _ => panic!("{step:?}"),
        }
    }
    panic!("endless");
}

async fn with(mechanism: Mechanism, credentials: &Credentials, context: &SaslContext) -> Outcome {
    let client = || ClientExchange::with_mechanism(credentials, &mechanism, context).unwrap();
    let users = users();
    let outcome = run(client(), &users, context, true, &mut Vec::new()).await;
    let later = run(client(), &users, context, false, &mut Vec::new()).await;
    assert_eq!(outcome, later, "with an initial response and without");
    outcome
}

/// Those that take a password.
fn password_mechanisms() -> [Mechanism; 9] {
    [
        "SCRAM-SHA-512-PLUS",
        "SCRAM-SHA-512",
        "SCRAM-SHA-256-PLUS",
        "SCRAM-SHA-256",
        "SCRAM-SHA-1-PLUS",
        "SCRAM-SHA-1",
        "PLAIN",
        "LOGIN",
        "CRAM-MD5",
    ]
    .map(|name| Mechanism::new(name).unwrap())
}

#[tokio::test]
async fn every_mechanism_with_a_password() {
    for mechanism in password_mechanisms() {
        // The second password is written otherwise, but the same after SASLprep.
        for (user, password) in [("tim", "tanstaaf"), ("a,b=c@ü", "päss,w=rd IX")] {
            match with(mechanism.clone(), &Credentials::password(user, password), &tls()).await {
                Outcome::Success(identity) => {
                    assert_eq!((&*identity.user, &*identity.acting_as), (user, user));
                    assert_eq!(identity.mechanism.as_ref(), Some(&mechanism));
                }
                other => panic!("{mechanism}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn wrong_passwords_and_users_fail_alike() {
    for mechanism in password_mechanisms() {
        for (user, password) in [("tim", "tanstaag"), ("tom", "tanstaaf"), ("tim", "x")] {
            let outcome = with(mechanism.clone(), &Credentials::password(user, password), &tls()).await;
            assert_eq!(outcome, Outcome::Failed, "{mechanism} {user} {password}");
        }
    }
}

#[tokio::test]
async fn an_unknown_user_looks_like_a_known_one() {
    let users = users();
    for mechanism in [Mechanism::ScramSha512, Mechanism::ScramSha256, Mechanism::ScramSha1Plus] {
        let mut shapes = Vec::new();
        for user in ["tim", "tom"] {
            let mut salts = Vec::new();
            for _ in 0..2 {
                let credentials = Credentials::password(user, "wrong");
                let client = ClientExchange::with_mechanism(&credentials, &mechanism, &tls()).unwrap();
                let mut sent = Vec::new();
                assert_eq!(run(client, &users, &tls(), true, &mut sent).await, Outcome::Failed);
                let first = String::from_utf8(sent[1].clone()).unwrap();
                let salt = first.split(',').nth(1).unwrap().to_owned();
                shapes.push((sent.len(), first.len(), salt.len(), first.ends_with(",i=4096")));
                salts.push(salt);
            }
            assert_eq!(salts[0], salts[1], "the salt is the same each time");
        }
        shapes.dedup();
        assert_eq!(shapes.len(), 1, "{shapes:?}");
    }
}

#[tokio::test]
async fn a_store_that_is_down_says_so() {
    let users = Users { down: true, ..users() };
    for mechanism in password_mechanisms() {
        let credentials = Credentials::password("tim", "tanstaaf");
        let client = ClientExchange::with_mechanism(&credentials, &mechanism, &tls()).unwrap();
        assert_eq!(run(client, &users, &tls(), true, &mut Vec::new()).await, Outcome::Unavailable);
    }
}

#[tokio::test]
async fn tokens() {
    for mechanism in [Mechanism::OAuthBearer, Mechanism::XOAuth2] {
        let good = Credentials::token("a,b=c@ü", "ya29.token=");
        assert!(matches!(with(mechanism.clone(), &good, &tls()).await, Outcome::Success(_)), "{mechanism}");
        for (user, token) in [("a,b=c@ü", "ya29.other"), ("tim", "ya29.token=")] {
            let bad = Credentials::token(user, token);
            let mut client = ClientExchange::with_mechanism(&bad, &mechanism, &tls()).unwrap();
            let users = users();
            let mut server = ServerExchange::new(&users, &mechanism, &tls()).unwrap();
            let initial = client.initial().unwrap();
            let ServerStep::Challenge(error) = server.start(&users, initial.as_ref()).await else { panic!() };
            let answer = client.step(&error).unwrap();
            let dummy: &[u8] = if mechanism == Mechanism::OAuthBearer { b"\x01" } else { b"" };
            assert_eq!(answer, SaslStep::Data(dummy.into()));
            assert!(client.server_error().unwrap().to_string().contains("status"));
            assert_eq!(server.step(&users, &answer).await, ServerStep::Failed);
            assert_eq!(client.finish(None), Err(SaslError::ServerNotVerified), "no success after that");
        }
    }
}

#[tokio::test]
async fn external_and_anonymous() {
    let outcome = with(Mechanism::External, &Credentials::external(), &tls()).await;
    assert!(matches!(outcome, Outcome::Success(identity) if identity.user == "tim"));
    let outcome = with(Mechanism::External, &Credentials::external().acting_as("shared"), &tls()).await;
    assert!(matches!(outcome, Outcome::Success(identity) if identity.acting_as == "shared"));
    let outcome = with(Mechanism::External, &Credentials::external().acting_as("root"), &tls()).await;
    assert_eq!(outcome, Outcome::Failed);
    assert!(ServerExchange::new(&users(), &Mechanism::External, &SaslContext::clear()).is_err());

    let outcome = with(Mechanism::Anonymous, &Credentials::anonymous("sirhc"), &SaslContext::clear()).await;
    assert!(matches!(outcome, Outcome::Success(identity) if identity.user == "guest"));
    let outcome = with(Mechanism::Anonymous, &Credentials::anonymous(""), &SaslContext::clear()).await;
    assert_eq!(outcome, Outcome::Failed);
}

#[tokio::test]
async fn acting_as_somebody_else() {
    for mechanism in
        [Mechanism::ScramSha512, Mechanism::ScramSha256Plus, Mechanism::ScramSha1, Mechanism::Plain]
    {
        for (other, allowed) in [("shared", true), ("tim", true), ("root", false), ("a,b=c@ü", false)] {
            let credentials = Credentials::password("tim", "tanstaaf").acting_as(other);
            match with(mechanism.clone(), &credentials, &tls()).await {
                Outcome::Success(identity) => {
                    assert!(allowed);
                    assert_eq!((&*identity.user, &*identity.acting_as), ("tim", other));
                }
                Outcome::Failed => assert!(!allowed, "{mechanism} {other}"),
                outcome => panic!("{outcome:?}"),
            }
        }
    }
    let credentials = Credentials::password("tim", "tanstaaf").acting_as("shared");
    for name in ["LOGIN", "CRAM-MD5"] {
        assert!(
            ClientExchange::choose(&credentials, [name], &tls()).is_err(),
            "{name} has no place for that"
        );
    }
}

#[test]
fn the_best_mechanism_is_chosen() {
    let password = Credentials::password("tim", "tanstaaf");
    let all: Vec<_> = SPOKEN.iter().rev().map(Mechanism::as_str).collect();
    let chosen = |credentials: &Credentials, offered: &[&str], context: &SaslContext| {
        ClientExchange::choose(credentials, offered, context).map(|exchange| exchange.mechanism().clone())
    };
    let unbound = SaslContext::protected(ChannelBindings::none());
    assert_eq!(chosen(&password, &all, &tls()), Ok(Mechanism::ScramSha512Plus));
    assert_eq!(chosen(&password, &all, &unbound), Ok(Mechanism::ScramSha512));
    assert_eq!(chosen(&password, &all, &SaslContext::clear()), Ok(Mechanism::ScramSha512));
    let sha256 = ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS"];
    assert_eq!(chosen(&password, &sha256, &tls()), Ok(Mechanism::ScramSha256));
    // In clear CRAM-MD5 hides the password; within TLS there are servers that fail at it.
    let old = ["DIGEST-MD5", "CRAM-MD5", "LOGIN", "PLAIN"];
    assert_eq!(chosen(&password, &old, &SaslContext::clear()), Ok(Mechanism::CramMd5));
    assert_eq!(chosen(&password, &old[..2], &tls()), Ok(Mechanism::CramMd5));
    assert!(chosen(&password, &old[..1], &tls()).is_err(), "DIGEST-MD5 is not chosen");
    assert_eq!(chosen(&password, &["plain", "Login", "scram-sha-1"], &tls()), Ok(Mechanism::ScramSha1));
    assert_eq!(chosen(&password, &["LOGIN", "PLAIN", "CRAM-MD5"], &tls()), Ok(Mechanism::Plain));
    assert_eq!(chosen(&password, &["LOGIN"], &tls()), Ok(Mechanism::Login));
    assert_eq!(
        chosen(&password, &["LOGIN", "PLAIN"], &SaslContext::clear()),
        Err(SaslError::CredentialsInClear)
    );
    let by_name = SaslContext::clear().allow_clear_credentials(true);
    assert_eq!(chosen(&password, &["LOGIN", "PLAIN"], &by_name), Ok(Mechanism::Plain));
    assert_eq!(chosen(&password, &old, &by_name), Ok(Mechanism::CramMd5));
    for offered in [&["XOAUTH2", "GSSAPI"][..], &[], &["SCRAM-SHA-256-PLUS"]] {
        assert!(matches!(chosen(&password, offered, &unbound), Err(SaslError::NoMechanism { .. })));
    }
    let token = Credentials::token("tim", "token");
    assert_eq!(chosen(&token, &all, &tls()), Ok(Mechanism::OAuthBearer));
    assert_eq!(chosen(&token, &["XOAUTH2", "PLAIN"], &tls()), Ok(Mechanism::XOAuth2));
    assert_eq!(chosen(&token, &["XOAUTH2"], &SaslContext::clear()), Err(SaslError::CredentialsInClear));
    assert_eq!(chosen(&Credentials::external(), &all, &tls()), Ok(Mechanism::External));
    assert_eq!(chosen(&Credentials::anonymous(""), &all, &tls()), Ok(Mechanism::Anonymous));
}

#[test]
fn a_server_offers_what_the_channel_allows() {
    let names = |context: &SaslContext| {
        context.offered(&SPOKEN).iter().map(Mechanism::as_str).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&SaslContext::clear()), "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 ANONYMOUS");
    assert_eq!(
        names(&SaslContext::clear().allow_clear_credentials(true)),
        "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 OAUTHBEARER XOAUTH2 CRAM-MD5 PLAIN LOGIN ANONYMOUS"
    );
    assert_eq!(
        names(&SaslContext::protected(bindings(true))),
        "SCRAM-SHA-512-PLUS SCRAM-SHA-512 SCRAM-SHA-256-PLUS SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-1 \
         OAUTHBEARER XOAUTH2 CRAM-MD5 PLAIN LOGIN ANONYMOUS"
    );
    for mechanism in [Mechanism::Plain, Mechanism::Login, Mechanism::XOAuth2, Mechanism::ScramSha1Plus] {
        let refused = ServerExchange::new(&users(), &mechanism, &SaslContext::clear());
        assert_eq!(refused.unwrap_err(), SaslError::NotAvailable(mechanism));
    }
}

#[tokio::test]
async fn bindings_must_be_the_same_on_both_sides() {
    let credentials = Credentials::password("tim", "tanstaaf");
    let users = users();
    for exporter in [true, false] {
        let context = SaslContext::protected(bindings(exporter));
        for mechanism in [Mechanism::ScramSha512Plus, Mechanism::ScramSha256Plus, Mechanism::ScramSha1Plus] {
            let client = || ClientExchange::with_mechanism(&credentials, &mechanism, &context).unwrap();
            let mut sent = Vec::new();
            let outcome = run(client(), &users, &context, true, &mut sent).await;
            assert!(matches!(outcome, Outcome::Success(_)));
            let flag: &[u8] = if exporter { b"p=tls-exporter," } else { b"p=tls-server-end-point," };
            assert!(sent[0].starts_with(flag));
            // Somebody in the middle has two TLS sessions, and so two bindings.
            let other = SaslContext::protected(ChannelBindings::new(Some(vec![8; 32]), Some(vec![8; 32])));
            assert_eq!(run(client(), &users, &other, true, &mut Vec::new()).await, Outcome::Failed);
        }
    }
}

#[tokio::test]
async fn taking_plus_off_the_list_is_noticed() {
    let credentials = Credentials::password("tim", "tanstaaf");
    let client = || ClientExchange::choose(&credentials, ["SCRAM-SHA-256", "PLAIN"], &tls()).unwrap();
    let mut first = client();
    assert!(first.initial().unwrap().unwrap().expose().starts_with(b"y,,"));
    // This server does offer it.
    assert_eq!(run(client(), &users(), &tls(), true, &mut Vec::new()).await, Outcome::Failed);
    // This one cannot.
    let unbound = SaslContext::protected(ChannelBindings::none());
    let outcome = run(client(), &users(), &unbound, true, &mut Vec::new()).await;
    assert!(matches!(outcome, Outcome::Success(_)));
    // Without bindings of its own, a client says so.
    let mut plain = ClientExchange::choose(&credentials, ["SCRAM-SHA-256"], &unbound).unwrap();
    assert!(plain.initial().unwrap().unwrap().expose().starts_with(b"n,,"));
}

#[tokio::test]
async fn success_without_the_servers_proof_is_a_failure() {
    let credentials = Credentials::password("tim", "tanstaaf");
    let users = users();
    for mechanism in [Mechanism::ScramSha512, Mechanism::ScramSha256Plus, Mechanism::ScramSha1] {
        let new = || ClientExchange::with_mechanism(&credentials, &mechanism, &tls()).unwrap();
        // At once; after the first message; after the client's proof.
        let mut client = new();
        assert_eq!(client.finish(None), Err(SaslError::ServerNotVerified));
        let mut client = new();
        let initial = client.initial().unwrap();
        assert_eq!(client.finish(None), Err(SaslError::ServerNotVerified));
        let mut client = new();
        let mut server = ServerExchange::new(&users, &mechanism, &tls()).unwrap();
        let mine = client.initial().unwrap();
        let ServerStep::Challenge(first) = server.start(&users, mine.as_ref()).await else { panic!() };
        let proof = client.step(&first).unwrap();
        assert_eq!(client.finish(None), Err(SaslError::ServerNotVerified));
        drop(initial);
        // A server that does not know the password.
        for forged in ["v=AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "v=", "v=AAAA", "x"] {
            let mut client = new();
            let mut server = ServerExchange::new(&users, &mechanism, &tls()).unwrap();
            let mine = client.initial().unwrap();
            let ServerStep::Challenge(first) = server.start(&users, mine.as_ref()).await else { panic!() };
            client.step(&first).unwrap();
            assert!(client.step(&forged.into()).is_err(), "{forged}");
            assert!(client.finish(None).is_err());
        }
        // The proof may come with the success.
        let mut client = new();
        let mut server = ServerExchange::new(&users, &mechanism, &tls()).unwrap();
        let mine = client.initial().unwrap();
        let ServerStep::Challenge(first) = server.start(&users, mine.as_ref()).await else { panic!() };
        let mine = client.step(&first).unwrap();
        let ServerStep::Challenge(last) = server.step(&users, &mine).await else { panic!() };
        client.finish(Some(&last)).unwrap();
        let _ = proof;
    }
}

#[test]
fn a_hostile_server_is_refused() {
    let credentials = Credentials::password("tim", "tanstaaf");
    let answer = |challenge: &dyn Fn(&str) -> String| {
        let mut client =
            ClientExchange::with_mechanism(&credentials, &Mechanism::ScramSha256, &SaslContext::clear())
                .unwrap();
        let first = client.initial().unwrap().unwrap();
        let first = String::from_utf8(first.expose().to_vec()).unwrap();
        let nonce = first.split("r=").nth(1).unwrap();
        client.step(&challenge(nonce).as_str().into())
    };
    assert!(answer(&|nonce| format!("r={nonce}x,s=YQ==,i=4096")).is_ok());
    for (iterations, refused) in [("1", 1), ("4000000000", 4_000_000_000)] {
        assert_eq!(
            answer(&|nonce| format!("r={nonce}x,s=YQ==,i={iterations}")),
            Err(SaslError::Iterations(refused))
        );
    }
    let bad: [&dyn Fn(&str) -> String; 8] = [
        &|nonce| format!("r={nonce},s=YQ==,i=4096"),
        &|_| "r=other,s=YQ==,i=4096".into(),
        &|nonce| format!("r={nonce}x,s=?,i=4096"),
        &|nonce| format!("r={nonce}x,,i=4096"),
        &|nonce| format!("m=x,r={nonce}x,s=YQ==,i=4096"),
        &|_| String::new(),
        &|_| "r".into(),
        &|_| "e=other-error".into(),
    ];
    for challenge in bad {
        assert!(matches!(answer(challenge), Err(SaslError::Malformed(_))));
    }
    // No mechanism has a second challenge after the password.
    for mechanism in [Mechanism::Plain, Mechanism::Login, Mechanism::External] {
        let credentials =
            if mechanism == Mechanism::External { Credentials::external() } else { credentials.clone() };
        let mut client = ClientExchange::with_mechanism(&credentials, &mechanism, &tls()).unwrap();
        let steps = if mechanism == Mechanism::Login { 2 } else { 1 };
        for _ in 0..steps {
            client.step(&"User name\0".into()).unwrap();
        }
        assert_eq!(client.step(&"More:".into()), Err(SaslError::UnexpectedChallenge));
        assert!(client.finish(None).is_err());
    }
    // LOGIN: success before the password was asked for.
    let mut client = ClientExchange::with_mechanism(&credentials, &Mechanism::Login, &tls()).unwrap();
    client.step(&"".into()).unwrap();
    assert!(client.finish(None).is_err());
}

#[tokio::test]
async fn a_hostile_client_is_refused() {
    let users = users();
    let nonsense: [&[u8]; 22] = [
        b"",
        b",",
        b",,",
        b"n",
        b"n,",
        b"n,,",
        b"n,,n",
        b"n,,n=",
        b"n,,n=tim",
        b"n,,n=tim,",
        b"n,,n=tim,r",
        b"n,,n=tim,r=",
        b"n,a,n=tim,r=x",
        b"n,,n=tim,r=x,",
        b"n,,m=x,n=tim,r=x",
        b"p=,,n=tim,r=x",
        b"p=tls-unique,,n=tim,r=x",
        b"z,,n=tim,r=x",
        b"n,,n=\xff,r=x",
        b"\0\0\0",
        b"\0tim\0tanstaaf\0x",
        b"user=tim\x01auth=Bearer \x01",
    ];
    for mechanism in SPOKEN {
        if matches!(mechanism, Mechanism::Login | Mechanism::External | Mechanism::Anonymous) {
            continue;
        }
        for message in nonsense {
            let mut server = ServerExchange::new(&users, &mechanism, &tls()).unwrap();
            let step = server.start(&users, Some(&message.into())).await;
            assert_eq!(step, ServerStep::Failed, "{mechanism} {message:?}");
        }
    }
    // The second message of SCRAM.
    for message in nonsense.into_iter().chain([
        &b"c=biws"[..],
        b"c=biws,r=x",
        b"c=biws,r=x,",
        b"c=biws,r=x,p",
        b"c=biws,r=x,p=",
        b"c=biws,r=x,p=?",
        b"c=biws,r=x,p=YQ==,",
        b"c=?,r=x,p=YQ==",
    ]) {
        let mut server = ServerExchange::new(&users, &Mechanism::ScramSha256, &tls()).unwrap();
        let step = server.start(&users, Some(&"n,,n=tim,r=x".into())).await;
        assert!(matches!(step, ServerStep::Challenge(_)));
        let step = server.step(&users, &SaslStep::Data(message.into())).await;
        assert_eq!(step, ServerStep::Failed, "{message:?}");
    }
    // -PLUS without binding, and binding without -PLUS.
    for (mechanism, message) in [
        (Mechanism::ScramSha256Plus, "n,,n=tim,r=x"),
        (Mechanism::ScramSha256Plus, "y,,n=tim,r=x"),
        (Mechanism::ScramSha256, "p=tls-exporter,,n=tim,r=x"),
    ] {
        let mut server = ServerExchange::new(&users, &mechanism, &tls()).unwrap();
        assert_eq!(server.start(&users, Some(&message.into())).await, ServerStep::Failed);
    }
}

#[tokio::test]
async fn login_with_an_initial_response() {
    let users = users();
    let mut server = ServerExchange::new(&users, &Mechanism::Login, &tls()).unwrap();
    assert_eq!(server.start(&users, Some(&"tim".into())).await, ServerStep::Challenge("Password:".into()));
    let step = server.step(&users, &SaslStep::Data("tanstaaf".into())).await;
    assert!(matches!(step, ServerStep::Success(_)));
    let mut server = ServerExchange::new(&users, &Mechanism::Login, &tls()).unwrap();
    assert_eq!(server.start(&users, None).await, ServerStep::Challenge("Username:".into()));
}

#[test]
fn credentials_that_cannot_be_carried() {
    for credentials in [
        Credentials::password("", "x"),
        Credentials::password("tim", ""),
        Credentials::password("t\0m", "x"),
        Credentials::password("tim", "x\0y"),
        Credentials::password("tim", "x").acting_as("a\0b"),
        Credentials::token("tim", "a\x01b"),
        Credentials::token("tim\x01", "a"),
        Credentials::token("tim", ""),
        Credentials::anonymous("a\0"),
        Credentials::anonymous("a\n"),
        Credentials::anonymous("a".repeat(256)),
    ] {
        for mechanism in credentials.mechanisms() {
            let result = ClientExchange::with_mechanism(&credentials, &mechanism, &tls());
            assert!(matches!(result, Err(SaslError::InvalidCredentials(_))), "{mechanism}");
        }
    }
}

#[test]
fn debug_shows_no_secret() {
    let credentials = Credentials::password("tim", "tanstaaf");
    let mut exchange = ClientExchange::choose(&credentials, ["PLAIN"], &tls()).unwrap();
    exchange.initial().unwrap();
    let token = Credentials::token("tim", "tanstaaf");
    let shown = format!("{credentials:?} {exchange:?} {token:?} {:?} {:?}", tls(), users().users);
    assert!(!shown.contains("tanstaaf"));
    assert!(!shown.contains("7, 7"));
}

#[tokio::test]
async fn cram_md5_answers_a_challenge_and_nothing_else() {
    let users = users();
    let server = || ServerExchange::new(&users, &Mechanism::CramMd5, &SaslContext::clear()).unwrap();
    assert_eq!(
        server().start(&users, Some(&"tim x".into())).await,
        ServerStep::Failed,
        "the server speaks first"
    );
    let mut challenges = Vec::new();
    for _ in 0..2 {
        let mut server = server();
        let ServerStep::Challenge(challenge) = server.start(&users, None).await else { panic!() };
        let text = String::from_utf8(challenge.expose().to_vec()).unwrap();
        assert!(text.starts_with('<') && text.contains('@') && text.ends_with('>'), "{text}");
        challenges.push(text);
        // What was right for another challenge is not for this one.
        let old = "tim b913a602c7eda7a495b4e6e7334d3890";
        assert_eq!(server.step(&users, &SaslStep::Data(old.into())).await, ServerStep::Failed);
    }
    assert_ne!(challenges[0], challenges[1]);
    let credentials = Credentials::password("tim", "tanstaaf");
    let mut client =
        ClientExchange::with_mechanism(&credentials, &Mechanism::CramMd5, &SaslContext::clear()).unwrap();
    assert_eq!(client.initial(), Ok(None));
    assert_eq!(client.finish(None), Err(SaslError::ServerNotVerified), "nothing was proved");
    let mut client =
        ClientExchange::with_mechanism(&credentials, &Mechanism::CramMd5, &SaslContext::clear()).unwrap();
    client.step(&"<1@x>".into()).unwrap();
    assert_eq!(client.step(&"<2@x>".into()), Err(SaslError::UnexpectedChallenge));
}

/// RFC 2831 section 4, with another nonce of the client.
#[test]
fn digest_md5_is_asked_for_by_name() {
    let credentials = Credentials::password("chris", "secret");
    let plain = SaslContext::clear();
    let new = |context| ClientExchange::with_mechanism(&credentials, &Mechanism::DigestMd5, context);
    assert_eq!(new(&plain).unwrap_err(), SaslError::NotAvailable(Mechanism::DigestMd5), "of which host?");
    let context = plain.clone().with_service("imap", "elwood.innosoft.com");
    let challenge = "realm=\"elwood.innosoft.com\",nonce=\"OA6MG9tEQGm2hh\",qop=\"auth\",\
        algorithm=md5-sess,charset=utf-8";
    let answered = || {
        let mut client = new(&context).unwrap();
        assert_eq!(client.initial(), Ok(None));
        let SaslStep::Data(answer) = client.step(&challenge.into()).unwrap() else { panic!() };
        let answer = String::from_utf8(answer.expose().to_vec()).unwrap();
        assert!(answer.contains("digest-uri=\"imap/elwood.innosoft.com\""), "{answer}");
        client
    };
    assert_eq!(answered().finish(None), Err(SaslError::ServerNotVerified), "it has to prove itself");
    for (forged, error) in [
        ("rspauth=ea40f60335c427b5527b84dbabcdfffd", SaslError::ServerNotVerified),
        ("rspauth=", SaslError::Malformed(mailwire_core::ParseError::new(7, "expected the end"))),
    ] {
        let mut client = answered();
        let refused = client.step(&forged.into()).unwrap_err();
        assert_eq!(std::mem::discriminant(&refused), std::mem::discriminant(&error), "{refused:?}");
        assert!(client.finish(None).is_err());
    }
    assert!(ServerExchange::new(&users(), &Mechanism::DigestMd5, &tls()).is_err(), "no server has it");
}

#[test]
fn salts_and_challenges_cost_no_more_than_their_bytes() {
    let credentials = Credentials::password("tim", "tanstaaf");
    // A salt of megabytes is hashed once, not once an iteration.
    for mechanism in [Mechanism::ScramSha512, Mechanism::ScramSha1] {
        let mut client =
            ClientExchange::with_mechanism(&credentials, &mechanism, &SaslContext::clear()).unwrap();
        let first = client.initial().unwrap().unwrap();
        let first = String::from_utf8(first.expose().to_vec()).unwrap();
        let nonce = first.split("r=").nth(1).unwrap();
        let salt = "YWJj".repeat(1 << 20);
        client.step(&format!("r={nonce}x,s={salt},i=4096").into()).unwrap();
    }
    let context = SaslContext::clear().with_service("smtp", "x");
    let huge = Secret::from(vec![b','; 1 << 20]);
    let mut client = ClientExchange::with_mechanism(&credentials, &Mechanism::DigestMd5, &context).unwrap();
    assert!(matches!(client.step(&huge), Err(SaslError::Malformed(_))));
}

/// Counts what a login asks of a store.
#[derive(Default)]
struct Counting {
    lookups: AtomicUsize,
    decoys: AtomicUsize,
    secrets: AtomicUsize,
}

impl Authenticator for Counting {
    fn mechanisms(&self) -> &[Mechanism] {
        &SPOKEN
    }

    async fn lookup(&self, user: &str, login: &LoginContext) -> Result<Option<StoredPassword>, Unavailable> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        users().lookup(user, login).await
    }

    async fn shared_secret(&self, user: &str, login: &LoginContext) -> Result<Option<Secret>, Unavailable> {
        self.secrets.fetch_add(1, Ordering::SeqCst);
        users().shared_secret(user, login).await
    }

    fn decoy(&self, user: &str) -> StoredPassword {
        self.decoys.fetch_add(1, Ordering::SeqCst);
        StoredPassword::decoy(user, &self.decoy_key(), self.decoy_iterations())
    }
}

/// Who exists is not told by how many messages there are, how long they are, and what is done for them.
#[tokio::test]
async fn who_does_not_exist_costs_as_much() {
    for mechanism in password_mechanisms() {
        let mut seen = Vec::new();
        for user in ["tim", "tom"] {
            let store = Counting::default();
            let credentials = Credentials::password(user, "wrong");
            let mut client = ClientExchange::with_mechanism(&credentials, &mechanism, &tls()).unwrap();
            let mut server = ServerExchange::new(&store, &mechanism, &tls()).unwrap();
            let first = client.initial().unwrap();
            let mut step = server.start(&store, first.as_ref()).await;
            let mut lengths = Vec::new();
            while let ServerStep::Challenge(challenge) = step {
                lengths.push(challenge.expose().len());
                step = server.step(&store, &client.step(&challenge).unwrap()).await;
            }
            assert_eq!(step, ServerStep::Failed);
            let counts = [&store.lookups, &store.decoys, &store.secrets];
            seen.push((lengths, counts.map(|count| count.load(Ordering::SeqCst))));
        }
        assert_eq!(seen[0], seen[1], "{mechanism}");
    }
}

/// Runs both sides, with one bit of what goes over the wire changed: whether that was met, and whether both were
/// content.
async fn changed(mechanism: &Mechanism, at: usize) -> (bool, bool) {
    let (users, mut left, mut met) = (users(), at, false);
    let mut change = |message: &Secret| {
        let mut bytes = message.expose().to_vec();
        if let (false, Some(byte)) = (met, bytes.get_mut(left)) {
            *byte ^= 1;
            met = true;
        }
        left = left.saturating_sub(bytes.len());
        Secret::from(bytes)
    };
    let credentials = Credentials::password("tim", "tanstaaf");
    let mut client = ClientExchange::with_mechanism(&credentials, mechanism, &tls()).unwrap();
    let mut server = ServerExchange::new(&users, mechanism, &tls()).unwrap();
    let first = client.initial().unwrap().map(|first| change(&first));
    let mut step = server.start(&users, first.as_ref()).await;
    while let ServerStep::Challenge(challenge) = step {
        let Ok(SaslStep::Data(answer)) = client.step(&change(&challenge)) else { return (met, false) };
        step = server.step(&users, &SaslStep::Data(change(&answer))).await;
    }
    let content = matches!(step, ServerStep::Success(_)) && client.finish(None).is_ok();
    (met, content)
}

#[tokio::test]
async fn every_changed_bit_is_noticed() {
    for (mechanism, each) in [(Mechanism::ScramSha512Plus, 5), (Mechanism::CramMd5, 1)] {
        let mut at = 0;
        while let (true, content) = changed(&mechanism, at).await {
            assert!(!content, "{mechanism}: byte {at}");
            at += each;
        }
        assert!(at > 60, "{mechanism}: {at}");
        assert_eq!(changed(&mechanism, usize::MAX).await, (false, true), "{mechanism}");
    }
}
