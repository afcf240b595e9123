#![allow(clippy::unwrap_used, reason = "tests")]

use mailwire_core::Channel;
use proptest::prelude::*;

use super::*;
use crate::{Address, Security};

fn account(url: &str) -> Account {
    Account::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

const TLS: Security = Security::implicit_tls();
const STARTTLS: Security = Security::required_starttls();
const CLEAR: Security = Security::plaintext_without_encryption();

#[test]
fn schemes_and_options_say_the_protocol_and_its_protection() {
    for (url, protocol, security, address) in [
        ("smtp://mx.example", Protocol::Smtp, STARTTLS, "mx.example:25"),
        ("SMTPS://mx.example", Protocol::Smtp, TLS, "mx.example:465"),
        ("submission://mx.example/", Protocol::Submission, STARTTLS, "mx.example:587"),
        ("submissions://mx.example", Protocol::Submission, TLS, "mx.example:465"),
        ("lmtp://mx.example:2424", Protocol::Lmtp, STARTTLS, "mx.example:2424"),
        ("lmtp://mx.example?tls=none", Protocol::Lmtp, CLEAR, "mx.example:24"),
        ("imap://mx.example", Protocol::Imap, STARTTLS, "mx.example:143"),
        ("imap://mx.example?tls=implicit", Protocol::Imap, TLS, "mx.example:993"),
        ("imaps://mx.example?TLS=Implicit", Protocol::Imap, TLS, "mx.example:993"),
        ("imap://mx.example/?tls=starttls", Protocol::Imap, STARTTLS, "mx.example:143"),
        ("pop://mx.example", Protocol::Pop3, STARTTLS, "mx.example:110"),
        ("pop3://mx.example", Protocol::Pop3, STARTTLS, "mx.example:110"),
        ("pop3s://mx.example", Protocol::Pop3, TLS, "mx.example:995"),
        ("imaps://[::1]", Protocol::Imap, TLS, "[::1]:993"),
        ("imaps://anna:x@[2001:db8::25]:1993", Protocol::Imap, TLS, "[2001:db8::25]:1993"),
        ("imaps://192.0.2.1", Protocol::Imap, TLS, "192.0.2.1:993"),
        ("imaps://mail.bücher.example", Protocol::Imap, TLS, "mail.bücher.example:993"),
        ("imaps://mail.b%C3%BCcher.example", Protocol::Imap, TLS, "mail.bücher.example:993"),
    ] {
        let account = account(url);
        assert_eq!((account.protocol(), account.endpoint().security()), (protocol, security), "{url}");
        assert_eq!(account.endpoint().address().to_string(), address, "{url}");
        assert!(!account.allows_clear_credentials() && account.credentials().is_ok(), "{url}");
    }
}

#[test]
fn unix_sockets_are_paths() {
    for (url, protocol, path, user) in [
        ("lmtp+unix:/run/dovecot/lmtp", Protocol::Lmtp, "/run/dovecot/lmtp", None),
        ("lmtp+unix:///run/a%20b", Protocol::Lmtp, "/run/a b", None),
        ("imap+unix://anna:pw@/run/imap", Protocol::Imap, "/run/imap", Some("anna")),
        ("SMTP+UNIX:/run/smtp@1", Protocol::Smtp, "/run/smtp@1", None),
    ] {
        let account = account(url);
        assert_eq!(account.endpoint().address(), &Address::Unix(path.into()), "{url}");
        assert_eq!((account.protocol(), account.user()), (protocol, user), "{url}");
        assert_eq!(account.endpoint().channel(), Channel::Tls, "it never leaves the machine");
    }
}

#[test]
fn who_logs_in_and_how() {
    let logs_in = |url: &str| (account(url).credentials().unwrap(), account(url).mechanism().cloned());
    let password = |user: &str, password: &str| Some(Credentials::password(user, password));
    let sasl = |name: &str| Some(Mechanism::new(name).unwrap());
    assert_eq!(logs_in("imaps://h"), (None, None));
    assert_eq!(logs_in("imaps://anna:pw@h"), (password("anna", "pw"), None));
    assert_eq!(logs_in("imaps://anna;AUTH=*:pw@h"), (password("anna", "pw"), None));
    assert_eq!(logs_in("imaps://anna;auth=plain:pw@h"), (password("anna", "pw"), sasl("PLAIN")));
    assert_eq!(
        logs_in("smtps://anna%40example.org:p:w;%2f%20%C3%BC@h"),
        (password("anna@example.org", "p:w;/ ü"), None)
    );
    assert_eq!(logs_in("smtps://jörg:pä@h"), (password("jörg", "pä"), None));
    assert_eq!(
        logs_in("imaps://anna;AUTH=XOAUTH2:token@h"),
        (Some(Credentials::token("anna", "token")), sasl("XOAUTH2"))
    );
    assert_eq!(logs_in("imaps://;AUTH=EXTERNAL@h"), (Some(Credentials::external()), sasl("EXTERNAL")));
    assert_eq!(logs_in("imaps://;AUTH=ANONYMOUS@h"), (Some(Credentials::anonymous("")), sasl("ANONYMOUS")));
    assert!(account("imaps://anna@h").credentials().is_err(), "no password");
    let later = account("imaps://anna@h").with_password("pw");
    assert_eq!(later.credentials().unwrap(), password("anna", "pw"));
    assert_eq!(account("imaps://h/A%2fB/C").mailbox(), Some("A/B/C"));
    assert_eq!(account("imap://anna@h/Entw%C3%BCrfe?tls=none").mailbox(), Some("Entwürfe"));
    assert!(account("imap://h?tls=none&credentials=clear").allows_clear_credentials());
}

#[cfg(all(feature = "smtp", feature = "imap", feature = "pop3"))]
#[test]
fn each_client_takes_accounts_of_its_protocol() {
    use crate::{imap, pop3, smtp};

    let lmtp = smtp::Config::try_from(&account("lmtp+unix:/run/lmtp")).unwrap();
    assert!(lmtp.lmtp && lmtp.credentials.is_none());
    let submission = account("submission://anna;AUTH=PLAIN:pw@h?credentials=clear&tls=none");
    let submission = smtp::Config::try_from(&submission).unwrap();
    assert!(!submission.lmtp && submission.allow_clear_credentials);
    assert_eq!(submission.mechanism, Some(Mechanism::Plain));
    let imap = imap::Config::try_from(&account("imaps://anna;AUTH=+LOGIN:pw@h")).unwrap();
    assert_eq!(imap.mechanism, Some(imap::LoginMechanism::Login));
    let apop = pop3::Config::try_from(&account("pop://rg;AUTH=+APOP:pw@mail.eudora.com:8110")).unwrap();
    assert_eq!(apop.mechanism, Some(pop3::LoginMechanism::Apop));
    let user = pop3::Config::try_from(&account("pop://rg;AUTH=+LOGIN:pw@h")).unwrap();
    assert_eq!(user.mechanism, Some(pop3::LoginMechanism::UserPass));

    let error = imap::Config::try_from(&account("pop3s://anna:hunter2@h")).unwrap_err().to_string();
    assert_eq!(error, "\"pop3s://anna@h\" is not a valid account: not one of IMAP (at byte 0)");
    let error = smtp::Config::try_from(&account("imaps://anna:hunter2@h")).unwrap_err();
    assert!(!format!("{error:?} {error}").contains("hunter2"));
    let error = pop3::Config::try_from(&account("pop3s://h")).unwrap_err().to_string();
    assert!(error.contains("no user, which POP3 needs"), "{error}");
    let error = imap::Config::try_from(&account("imaps://anna@h")).unwrap_err().to_string();
    assert!(error.contains("a user without a password"), "{error}");
}

#[test]
fn what_is_no_url_is_an_error_at_its_place() {
    for (url, offset, reason) in [
        ("", 0, "expected a scheme"),
        ("http://h", 0, "not a scheme of mail: smtp, submission, lmtp, imap, pop3, most with an s"),
        ("imaps:h", 5, "expected ://"),
        ("imaps://", 8, "expected a host"),
        ("imaps://anna@", 13, "expected a host"),
        ("imaps://@h", 8, "expected a name"),
        ("imaps://:pw@h", 8, "expected a name"),
        ("imaps://anna@b:pw@h", 12, AT),
        ("imaps://anna@b@h", 12, AT),
        ("imaps://b:p@w@h", 11, AT),
        ("imaps://an%4na:pw@h", 10, "% without two hexadecimal digits"),
        ("imaps://an;na:pw@h", 10, "a ; in a name is written %3B"),
        ("imaps://an na:pw@h", 10, "percent-encode what is not a letter or digit in a name or password"),
        ("imaps://anna:p[w@h", 14, "percent-encode what is not a letter or digit in a name or password"),
        ("imaps://an%0D%0Ana:pw@h", 8, "a control character"),
        ("imaps://anna:%00@h", 12, "a password that is not UTF-8, or has a NUL in it"),
        ("imaps://anna;AUTH=:pw@h", 18, "expected a SASL mechanism"),
        ("smtps://anna;AUTH=+APOP:pw@h", 18, "not a SASL mechanism"),
        // Nobody connects to a name that is a part of a password.
        ("imaps://anna:12/34@h", 15, "a / that is part of a name or password is written %2F"),
        ("imaps://anna:12#34@h", 15, "expected :, /, ? or the end"),
        ("imaps://anna:12?34@h", 16, "expected the option tls or credentials"),
        ("imaps://[::1", 8, "not an IPv6 address in brackets"),
        ("imaps://[mail.example]", 8, "not an IPv6 address in brackets"),
        ("imaps://::1", 8, "expected a host"),
        ("imaps://a%20b", 8, "not the name of a host"),
        ("imaps://a%2Fb", 8, "not the name of a host"),
        ("imaps://bü..h", 8, "not the name of a host"),
        ("imaps://h:", 10, "expected a port"),
        ("imaps://h:65536", 10, "expected a port"),
        ("imaps://h:993x", 13, "expected :, /, ? or the end"),
        ("smtps://h/x", 10, "only IMAP has mailboxes"),
        ("imaps://h/x;UID=1", 11, "expected no more than a mailbox"),
        ("imaps://h?tls=none", 10, "the scheme says TLS from the first byte"),
        ("imap://h?tls=maybe", 13, "expected starttls, implicit or none"),
        ("imap://h?tls=none&tls=starttls", 18, "the option stands there twice"),
        ("imap://h?tls=none&", 18, "expected the option tls or credentials"),
        ("imap://h?x=y", 9, "expected the option tls or credentials"),
        ("imap://h?credentials=yes", 21, "expected clear"),
        ("imap://h?tls=none;", 17, "expected the end"),
        ("lmtp+unix:run/lmtp", 10, "expected an absolute path"),
        ("lmtp+unix:", 10, "expected an absolute path"),
        ("lmtp+unix:/run/lmtp?tls=starttls", 20, "a Unix socket is without TLS"),
        ("imaps+unix:/run/imap", 0, "a Unix socket is without TLS"),
    ] {
        let error = Account::parse(url).unwrap_err();
        assert_eq!(error, Invalid::new("URL of an account", offset, reason), "{url}");
    }
}

const AT: &str = "an @ that is part of a name or password is written %40";

#[test]
fn passwords_are_shown_by_nothing_but_the_whole_url() {
    let account = account("imaps://anna;AUTH=PLAIN:hunter2@h/x?tls=implicit");
    assert_eq!(account.to_string(), "imaps://anna;AUTH=PLAIN@h/x");
    assert_eq!(account.to_url().expose(), b"imaps://anna;AUTH=PLAIN:hunter2@h/x");
    assert!(!format!("{account:?} {account:#?}").contains("hunter2"));
}

fn texts() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "[ -~]{1,4}",
        Just("%".to_owned()),
        Just("ü".to_owned()),
        Just("台".to_owned()),
        Just(":@/?#[];AUTH=*".to_owned()),
    ];
    proptest::collection::vec(part, 1..4).prop_map(|parts| parts.concat())
}

fn accounts() -> impl Strategy<Value = Account> {
    let protocol = prop_oneof![
        Just(Protocol::Smtp),
        Just(Protocol::Submission),
        Just(Protocol::Lmtp),
        Just(Protocol::Imap),
        Just(Protocol::Pop3)
    ];
    let host = prop_oneof![
        Just("mail.example.org"),
        Just("::1"),
        Just("192.0.2.1"),
        Just("bücher.example"),
        Just("a_b.例え.jp")
    ];
    let endpoint = (host, any::<u16>(), prop_oneof![Just(TLS), Just(STARTTLS), Just(CLEAR)])
        .prop_map(|(host, port, security)| Endpoint::tcp(host, port, security));
    let unix = texts().prop_map(|name| Endpoint::unix(format!("/{name}")));
    let endpoint = prop_oneof![3 => endpoint, 1 => unix];
    let mechanism =
        prop_oneof![Just(Mechanism::Plain), Just(Mechanism::XOAuth2), Just(Mechanism::ScramSha256Plus)];
    let login =
        (proptest::option::of(texts()), proptest::option::of(texts()), proptest::option::of(mechanism));
    (protocol, endpoint, login, proptest::option::of(texts()), any::<bool>()).prop_map(
        |(protocol, endpoint, (user, password, mechanism), mailbox, clear)| {
            let is_unix = matches!(endpoint.address(), Address::Unix(_));
            let mut account = Account::new(protocol, endpoint).with_allow_clear_credentials(clear);
            account.password = password.filter(|_| user.is_some()).map(Secret::from);
            account.user = user;
            account.auth = mechanism.map(Auth::Sasl);
            account.mailbox = mailbox.filter(|_| protocol == Protocol::Imap && !is_unix);
            account
        },
    )
}

fn parts(account: &Account) -> impl PartialEq + std::fmt::Debug + '_ {
    let endpoint = (account.protocol, account.endpoint.address(), account.endpoint.security());
    let login = (&account.user, &account.password, &account.auth, account.clear_credentials);
    (endpoint, login, &account.mailbox)
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same(account in accounts()) {
        let url = account.to_url();
        let text = std::str::from_utf8(url.expose()).unwrap();
        let read = Account::parse(text).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        prop_assert_eq!(parts(&read), parts(&account), "{}", text);
        prop_assert_eq!(read.to_url(), url, "one form");
        let shown = Account::parse(&account.to_string()).unwrap();
        prop_assert!(!shown.has_password());
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(imaps?|smtp|lmtp\\+unix|pop):(//)?[a-z@:;/?&=%\\[\\].0-9AUTH*+\u{fc} -]{0,40}") {
        match Account::parse(&text) {
            Ok(account) => {
                let url = account.to_url();
                let again = Account::parse(std::str::from_utf8(url.expose()).unwrap());
                prop_assert_eq!(again.map(|again| again.to_url()), Ok(url));
            }
            Err(error) => prop_assert!(error.offset <= text.len()),
        }
    }
}
