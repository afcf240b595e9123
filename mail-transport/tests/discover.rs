//! Finding the servers of an address: what is asked, what is believed, and what is not.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{
    collections::{HashMap, HashSet},
    sync::Mutex,
    time::Duration,
};

use mailwire_transport::{
    Error, Protocol, Result, Security,
    discover::{
        Authentication, Checked, Discovered, Discovery, Doubt, Found, Options, Probe, Settings, Source,
        Trust, read_autoconfig, read_autodiscover, read_pacc,
    },
    dns::{Answer, DnsError, Mx, Record, RecordType, Resolver, Srv},
    http::{Http, HttpError, Request, Response},
};

const ANNA: &str = "anna@example.org";

/// A network: names, documents and servers, and what was asked of it.
#[derive(Default)]
struct Net {
    names: HashMap<(String, RecordType), Answer>,
    documents: HashMap<String, Response>,
    answering: HashSet<(String, u16)>,
    /// Names and hosts that never answer.
    silent: HashSet<String>,
    asked: Mutex<Vec<String>>,
    probed: Mutex<Vec<String>>,
}

impl Net {
    fn srv(self, name: &str, records: &[(u16, u16, u16, &str)], signed: bool) -> Self {
        let records =
            records.iter().map(|&(p, w, port, target)| Record::Srv(Srv::new(p, w, port, target))).collect();
        self.name(name, RecordType::Srv, Answer::new(records).with_authenticated(signed))
    }

    fn mx(self, hosts: &[(u16, &str)]) -> Self {
        let records = hosts.iter().map(|&(p, host)| Record::Mx(Mx::new(p, host))).collect();
        self.name("example.org", RecordType::Mx, Answer::new(records))
    }

    fn name(mut self, name: &str, record_type: RecordType, answer: Answer) -> Self {
        self.names.insert((name.to_owned(), record_type), answer);
        self
    }

    fn document(self, url: &str, body: impl Into<Vec<u8>>) -> Self {
        self.response(url, Response::new(200, body.into()))
    }

    fn response(mut self, url: &str, response: Response) -> Self {
        self.documents.insert(url.to_owned(), response);
        self
    }

    fn answers(mut self, host: &str, port: u16) -> Self {
        self.answering.insert((host.to_owned(), port));
        self
    }

    fn silent(mut self, name: &str) -> Self {
        self.silent.insert(name.to_owned());
        self
    }

    async fn discover(&self, options: Options) -> Discovered {
        Discovery::over(self, self, self).with_options(options).discover(ANNA).await.unwrap()
    }

    /// Without trying, and without the database.
    async fn told(&self) -> Discovered {
        self.discover(Options::new().with_tries(false).with_database(None)).await
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    async fn ask(&self, what: &str, host: &str) {
        self.asked.lock().unwrap().push(what.to_owned());
        if self.silent.contains(host) {
            std::future::pending::<()>().await;
        }
    }
}

impl Resolver for Net {
    async fn lookup(&self, name: &str, record_type: RecordType) -> Result<Answer, DnsError> {
        self.ask(&format!("{name} {record_type}"), name).await;
        Ok(self.names.get(&(name.to_owned(), record_type)).cloned().unwrap_or_default())
    }
}

impl Http for Net {
    async fn send(&self, request: &Request) -> Result<Response, HttpError> {
        let url = request.url.to_string();
        self.ask(&url, request.url.host()).await;
        Ok(self.documents.get(&url).cloned().unwrap_or_else(|| Response::new(404, "")))
    }
}

impl Probe for Net {
    async fn probe(&self, settings: &Settings) -> Result<()> {
        self.probed.lock().unwrap().push(format!("{}:{}", settings.host, settings.port));
        match self.answering.contains(&(settings.host.clone(), settings.port)) {
            true => Ok(()),
            false => Err(Error::from(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))),
        }
    }
}

/// A document of autoconfig with these servers.
fn autoconfig(servers: &[(&str, &str, &str, &str)]) -> String {
    let servers: String = servers
        .iter()
        .map(|(kind, host, port, socket)| {
            let element = if *kind == "smtp" { "outgoingServer" } else { "incomingServer" };
            format!(
                "<{element} type=\"{kind}\"><hostname>{host}</hostname><port>{port}</port>\
                 <socketType>{socket}</socketType><username>%EMAILADDRESS%</username>\
                 <authentication>password-cleartext</authentication></{element}>"
            )
        })
        .collect();
    format!(
        "<?xml version=\"1.0\"?><clientConfig version=\"1.1\"><emailProvider id=\"e\">\
         <displayName>Example &amp; Sons</displayName>{servers}</emailProvider></clientConfig>"
    )
}

const AUTOCONFIG: &str =
    "https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=anna%40example.org";

fn shown(settings: impl IntoIterator<Item = impl std::borrow::Borrow<Settings>>) -> Vec<String> {
    settings
        .into_iter()
        .map(|settings| std::borrow::Borrow::<Settings>::borrow(&settings).to_string())
        .collect()
}

fn https(document: &str) -> Found {
    Found::new(Source::Autoconfig, document, Trust::Https)
}

#[tokio::test]
async fn srv_records_are_ranked_by_priority_and_by_tls_from_the_first_byte() {
    let net = Net::default()
        .srv("_imap._tcp.example.org", &[(0, 1, 143, "imap.example.org")], false)
        .srv(
            "_imaps._tcp.example.org",
            &[(0, 1, 993, "IMAP.example.org."), (5, 1, 9993, "b.example.org")],
            false,
        )
        .srv("_pop3s._tcp.example.org", &[(10, 1, 995, "pop.example.org")], false)
        .srv("_submission._tcp.example.org", &[(0, 1, 587, "smtp.example.org")], false)
        .srv("_submissions._tcp.example.org", &[(1, 1, 465, "smtp.example.org")], false);
    let found = net.told().await;
    assert_eq!(
        shown(found.incoming()),
        [
            "IMAP at imap.example.org:993 with TLS",
            "IMAP at imap.example.org:143 with STARTTLS",
            "IMAP at b.example.org:9993 with TLS",
            "POP3 at pop.example.org:995 with TLS",
        ]
    );
    assert_eq!(
        shown(found.submission()),
        ["submission at smtp.example.org:587 with STARTTLS", "submission at smtp.example.org:465 with TLS"]
    );
    let first = found.incoming().next().unwrap();
    assert_eq!(first.found, [Found::new(Source::Srv, "_imaps._tcp.example.org", Trust::Plain)]);
    assert_eq!((first.doubt(), first.user.as_str()), (None, ANNA));
    assert_eq!(first.account().unwrap().to_string(), "imaps://anna%40example.org@imap.example.org");
}

#[tokio::test]
async fn a_service_that_is_decidedly_not_there_is_not_guessed() {
    let net = Net::default()
        .srv("_imap._tcp.example.org", &[(0, 0, 0, ".")], false)
        .srv("_pop3._tcp.example.org", &[(0, 0, 0, ".")], false)
        .srv("_pop3s._tcp.example.org", &[(0, 0, 0, ".")], false)
        .answers("imap.example.org", 143)
        .answers("imap.example.org", 993)
        .answers("pop.example.org", 995);
    let found = net.discover(Options::new()).await;
    assert_eq!(shown(&found.settings), ["IMAP at imap.example.org:993 with TLS"]);
    assert_eq!(found.not_offered.len(), 3);
    let tried = net.probed.lock().unwrap().clone();
    assert!(!tried.iter().any(|tried| tried.ends_with(":143") || tried.ends_with(":995")), "{tried:?}");
}

#[tokio::test]
async fn a_server_in_another_domain_needs_a_signature_or_the_users_word() {
    for (signed, doubt) in [(false, Some(Doubt::OtherDomain)), (true, None)] {
        let net = Net::default()
            .srv("_imaps._tcp.example.org", &[(0, 1, 993, "imap.example.org.evil.test")], signed)
            .srv("_submissions._tcp.example.org", &[(0, 1, 465, "smtp.badexample.org")], signed)
            .answers("imap.example.org.evil.test", 993);
        let found = net.discover(Options::new()).await;
        assert_eq!(found.settings.len(), 2);
        for settings in &found.settings {
            assert_eq!(settings.doubt(), doubt, "{settings}");
            assert_eq!(settings.account().is_ok(), signed);
            assert!(settings.clone().confirmed().endpoint().is_ok());
        }
        // Before the user has said so, nobody connects there: RFC 6186 section 6.
        assert_eq!(net.probed.lock().unwrap().len(), if signed { 2 } else { 0 });
        let first = found.incoming().next().unwrap();
        assert_eq!(first.checked == Checked::Answers, signed);
    }
}

#[tokio::test]
async fn after_the_users_word_a_server_can_be_tried() {
    let net = Net::default()
        .srv("_imaps._tcp.example.org", &[(0, 1, 993, "imap.host.test")], false)
        .answers("imap.host.test", 993);
    let found = net.told().await;
    let mut settings = found.settings[0].clone().confirmed();
    let discovery = Discovery::over(&net, &net, &net);
    discovery.check(&mut settings).await.unwrap();
    assert_eq!((&settings.checked, settings.doubt()), (&Checked::Answers, None));
}

#[tokio::test]
async fn autoconfig_is_asked_for_at_its_places() {
    let servers = [
        ("imap", "imap.%EMAILDOMAIN%", "993", "SSL"),
        ("pop3", "pop.example.org", "110", "STARTTLS"),
        ("smtp", "smtp.example.org", "587", "STARTTLS"),
    ];
    let well_known = "https://example.org/.well-known/autoconfig/mail/config-v1.1.xml";
    for place in [AUTOCONFIG, well_known] {
        let net = Net::default().document(place, autoconfig(&servers));
        let found = net.told().await;
        assert_eq!(
            shown(&found.settings),
            [
                "IMAP at imap.example.org:993 with TLS",
                "POP3 at pop.example.org:110 with STARTTLS",
                "submission at smtp.example.org:587 with STARTTLS",
            ]
        );
        let first = &found.settings[0];
        assert_eq!(first.found, [Found::new(Source::Autoconfig, place, Trust::Https)]);
        assert_eq!(first.provider.as_deref(), Some("Example & Sons"));
        assert_eq!((first.authentication.as_slice(), first.doubt()), (&[Authentication::Password][..], None));
    }
}

#[test]
fn all_that_autoconfig_says_is_read() {
    let document = r#"<clientConfig version="1.2"><emailProvider id="example.org">
        <incomingServer type="jmap"><url>https://jmap.example.org</url></incomingServer>
        <incomingServer type="imap"><hostname>IMAP.Example.ORG.</hostname><port>993</port><socketType>TLS</socketType>
            <username>%EMAILLOCALPART%.%EMAILDOMAIN%</username>
            <authentication system="sasl">SCRAM-SHA-256-PLUS</authentication><authentication>OAuth2</authentication>
            <authentication system="http">Basic</authentication><authentication>password-encrypted</authentication>
            <authentication>what is to come</authentication></incomingServer>
        <outgoingServer type="smtp"><hostname>smtp.example.org</hostname><socketType>STARTTLS</socketType></outgoingServer>
        </emailProvider>
        <oAuth2><issuer>login.example.org</issuer><authURL>https://login.example.org/auth</authURL>
            <tokenURL>http://login.example.org/token</tokenURL><scope>IMAP SMTP offline_access</scope></oAuth2>
        </clientConfig>"#;
    let settings = read_autoconfig(document.as_bytes(), ANNA, &https("file")).unwrap();
    assert_eq!(settings.len(), 2);
    assert_eq!(
        (settings[0].host.as_str(), settings[0].user.as_str()),
        ("imap.example.org", "anna.example.org")
    );
    let sasl = Authentication::Sasl("SCRAM-SHA-256-PLUS".into());
    assert_eq!(settings[0].authentication, [sasl, Authentication::OAuth2, Authentication::Proof]);
    let oauth = settings[0].oauth.as_ref().unwrap();
    assert_eq!(oauth.issuer.as_deref(), Some("login.example.org"));
    assert_eq!(oauth.authorization_url.as_deref(), Some("https://login.example.org/auth"));
    assert_eq!((oauth.token_url.as_deref(), oauth.scopes.len()), (None, 3));
    assert_eq!((settings[1].port, settings[1].user.as_str(), settings[1].oauth.is_none()), (587, ANNA, true));
}

#[test]
fn hosts_ports_and_users_that_are_none_are_left_out() {
    let long = "u".repeat(600);
    let hosts =
        ["localhost", "192.0.2.1", "::1", "a b.example.org", "mail.example.org/x", "", "-.example.org"];
    let ports = ["0", "65536", "-1", "99x", ""];
    for (host, port, socket) in hosts
        .into_iter()
        .map(|host| (host, "993", "SSL"))
        .chain(ports[..4].iter().map(|port| ("imap.example.org", *port, "SSL")))
        .chain(["plain", "none", "", "SSLv2"].map(|socket| ("imap.example.org", "993", socket)))
    {
        let document = autoconfig(&[("imap", host, port, socket)]);
        let error = read_autoconfig(document.as_bytes(), ANNA, &https("file")).unwrap_err();
        assert!(error.to_string().contains("no server"), "{host} {port} {socket}: {error}");
    }
    for user in [long.as_str(), "a&#10;b", "&#13;&#10;A1 LOGOUT"] {
        let document =
            autoconfig(&[("imap", "imap.example.org", "993", "SSL")]).replace("%EMAILADDRESS%", user);
        let read = read_autoconfig(document.as_bytes(), ANNA, &https("file"));
        // White space around a name is none of it.
        assert!(read.is_err() || !read.unwrap()[0].user.contains(char::is_control), "{user:?}");
    }
}

#[tokio::test]
async fn nothing_in_clear_is_found() {
    let clear = autoconfig(&[
        ("imap", "imap.example.org", "143", "plain"),
        ("smtp", "smtp.example.org", "25", "plain"),
    ]);
    let found = Net::default().document(AUTOCONFIG, clear).told().await;
    assert_eq!(found.settings, []);
    assert!(found.missed.iter().any(|missed| missed.place == AUTOCONFIG && missed.reason.contains("TLS")));
}

#[tokio::test]
async fn a_lying_autoconfig_gets_no_credentials() {
    let servers = [("imap", "imap.evil.test", "993", "SSL"), ("smtp", "smtp.evil.test", "465", "SSL")];
    let moved = "https://www.evil.test/config.xml";
    // Told by the domain's host, or by whom that leads to: a host of another domain is shown to the user.
    for net in [
        Net::default().document(AUTOCONFIG, autoconfig(&servers)),
        Net::default()
            .response(AUTOCONFIG, Response::new(302, "").with_location(moved))
            .document(moved, autoconfig(&servers)),
    ] {
        let found = net.told().await;
        assert_eq!(found.settings.len(), 2);
        for settings in &found.settings {
            assert_eq!(settings.doubt(), Some(Doubt::OtherDomain));
            assert_eq!(settings.endpoint().unwrap_err(), Doubt::OtherDomain);
            assert_eq!(settings.account().unwrap_err(), Doubt::OtherDomain);
        }
    }
    // Out of HTTPS nothing leads, and no document comes from there.
    let net =
        Net::default().response(AUTOCONFIG, Response::new(302, "").with_location("http://example.org/c.xml"));
    let found = net.told().await;
    assert_eq!(found.settings, []);
    assert!(!net.asked().iter().any(|asked| asked.starts_with("http:")));
}

#[tokio::test]
async fn hostile_documents_tell_nothing() {
    let mut large = autoconfig(&[("imap", "imap.example.org", "993", "SSL")]).into_bytes();
    large.resize(300 * 1024, b' ');
    let entities =
        "<!DOCTYPE a [<!ENTITY b \"c\">]>".to_owned() + &autoconfig(&[("imap", "&b;", "993", "SSL")]);
    for (document, reason) in [
        (large, "more than 262144 bytes"),
        (entities.into_bytes(), "document type"),
        ("<clientConfig>".repeat(10_000).into_bytes(), "deeper"),
        (b"<html><body>Welcome</body></html>".to_vec(), "no document of autoconfig"),
        (vec![0xff; 100], "UTF-8"),
    ] {
        let found = Net::default().document(AUTOCONFIG, document).told().await;
        let missed = found.missed.iter().find(|missed| missed.place == AUTOCONFIG).unwrap();
        assert!(missed.reason.contains(reason), "{missed}");
        assert_eq!(found.settings, []);
    }
    // No more than a few dozen of a flood are looked at.
    let flood: Vec<_> = (0..500).map(|_| ("imap", "imap.example.org", "993", "SSL")).collect();
    assert_eq!(read_autoconfig(autoconfig(&flood).as_bytes(), ANNA, &https("file")).unwrap().len(), 32);
    let records: Vec<_> = (1..=500).map(|n| (0, 0, n, "imap.example.org")).collect();
    let found = Net::default().srv("_imaps._tcp.example.org", &records, false).told().await;
    assert_eq!(found.settings.len(), 32);
}

#[tokio::test]
async fn hostile_names_in_dns_are_no_hosts() {
    for target in
        ["localhost", "192.0.2.1", "a b.example.org", "", "mail\r\nx.example.org", "a/b.example.org"]
    {
        let net = Net::default()
            .srv("_imaps._tcp.example.org", &[(0, 1, 993, target)], false)
            .srv("_pacc._https.example.org", &[(0, 1, 443, target)], false)
            .srv("_autodiscover._tcp.example.org", &[(0, 1, 443, target)], false)
            .mx(&[(10, target)]);
        let found = net.told().await;
        assert_eq!(found.settings, [], "{target:?}");
        assert!(
            net.asked()
                .iter()
                .filter(|asked| asked.starts_with("https:"))
                .all(|url| url.contains("example.org/"))
        );
    }
}

/// An answer of Autodiscover with these protocols.
fn autodiscover(protocols: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Autodiscover \
         xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\"><Response \
         xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\"><Account>\
         <AccountType>email</AccountType><Action>settings</Action>{protocols}</Account></Response></Autodiscover>"
    )
}

#[test]
fn autodiscover_tells_how_servers_are_protected() {
    for (protocol, expected) in [
        (
            "<Type>IMAP</Type><Server>m.example.org</Server><Port>993</Port><SSL>on</SSL>",
            Some("IMAP at m.example.org:993 with TLS"),
        ),
        (
            "<Type>IMAP</Type><Server>m.example.org</Server><Port>143</Port><SSL>on</SSL>",
            Some("IMAP at m.example.org:143 with STARTTLS"),
        ),
        (
            "<Type>POP3</Type><Server>m.example.org</Server><Port>995</Port>",
            Some("POP3 at m.example.org:995 with TLS"),
        ),
        (
            "<Type>SMTP</Type><Server>m.example.org</Server><Port>587</Port><Encryption>TLS</Encryption>",
            Some("submission at m.example.org:587 with STARTTLS"),
        ),
        (
            "<Type>SMTP</Type><Server>m.example.org</Server><Encryption>SSL</Encryption><SSL>off</SSL>",
            Some("submission at m.example.org:465 with TLS"),
        ),
        ("<Type>IMAP</Type><Server>m.example.org</Server><Port>143</Port><SSL>off</SSL>", None),
        (
            "<Type>IMAP</Type><Server>m.example.org</Server><Port>993</Port><Encryption>None</Encryption>",
            None,
        ),
        ("<Type>EXCH</Type><Server>m.example.org</Server>", None),
        ("<Type>IMAP</Type><Server>m.example.org</Server><Port>0</Port>", None),
        ("<Type>IMAP</Type><Port>993</Port>", None),
    ] {
        let document = autodiscover(&format!("<Protocol>{protocol}<LoginName>anna</LoginName></Protocol>"));
        let read = read_autodiscover(document.as_bytes(), ANNA, &https("file"));
        assert_eq!(
            read.as_ref().ok().map(|settings| settings[0].to_string()).as_deref(),
            expected,
            "{protocol}"
        );
        assert!(read.is_err() || read.unwrap()[0].user == "anna");
    }
}

#[tokio::test]
async fn autodiscover_is_asked_at_its_places_and_followed_once() {
    let imap = autodiscover(
        "<Protocol><Type>IMAP</Type><Server>imap.example.org</Server><Port>993</Port></Protocol>",
    );
    let elsewhere = |url: &str| {
        autodiscover("")
            .replace("settings", "redirectUrl")
            .replace("</Action>", &format!("</Action><RedirectUrl>{url}</RedirectUrl>"))
    };
    let own = "https://autodiscover.example.org/autodiscover/autodiscover.xml";
    let other = "https://auto.host.test/autodiscover/autodiscover.xml";
    let srv = |net: Net| net.srv("_autodiscover._tcp.example.org", &[(0, 0, 443, "auto.host.test")], false);
    for (net, trust, is_found) in [
        (Net::default().document(own, imap.clone()), Trust::Https, true),
        (
            Net::default().document("https://example.org/autodiscover/autodiscover.xml", imap.clone()),
            Trust::Https,
            true,
        ),
        (srv(Net::default()).document(other, imap.clone()), Trust::Plain, true),
        (Net::default().document(own, elsewhere(other)).document(other, imap.clone()), Trust::Https, true),
        (Net::default().document(own, elsewhere(own)), Trust::Https, false),
        (Net::default().document(own, elsewhere("http://auto.host.test/")), Trust::Https, false),
        (Net::default().document(own, elsewhere("https://192.0.2.1/")), Trust::Https, false),
    ] {
        let found = net.told().await;
        let trusts: Vec<_> = found.settings.iter().map(|settings| settings.found[0].trust).collect();
        assert_eq!(trusts, if is_found { vec![trust] } else { Vec::new() });
        assert!(net.asked().len() < 25);
    }
}

#[tokio::test]
async fn pacc_is_found_by_its_record() {
    let document = br#"{"servers": {
        "imap": {"url": "imaps://imap.example.org", "authentication": ["OAuth2", "sasl-scram-sha-256", 7]},
        "pop3": {"url": "imaps://pop3.example.org"},
        "smtp": {"url": "submissions://smtp.example.org:4650", "authentication": ["native"]},
        "jmap": {"url": "https://jmap.example.org"}},
        "oAuth2": {"issuer": "auth.example.org"}, "provider": {"name": "ACME"}, "version": "1.0"}"#;
    for (host, trust) in [("pacc.example.org", Trust::Https), ("pacc.host.test", Trust::Plain)] {
        let url = format!("https://{host}/.well-known/pacc.json");
        let net = Net::default()
            .srv("_pacc._https.example.org", &[(0, 0, 443, host)], false)
            .document(&url, &document[..]);
        let found = net.told().await;
        assert_eq!(
            shown(&found.settings),
            ["IMAP at imap.example.org:993 with TLS", "submission at smtp.example.org:4650 with TLS"]
        );
        let first = &found.settings[0];
        assert_eq!(first.found, [Found::new(Source::Pacc, url, trust)]);
        assert_eq!(
            first.authentication,
            [Authentication::OAuth2, Authentication::Sasl("SCRAM-SHA-256".into())]
        );
        assert_eq!(first.oauth.as_ref().unwrap().issuer.as_deref(), Some("auth.example.org"));
        assert_eq!((first.provider.as_deref(), first.doubt()), (Some("ACME"), None));
    }
    let deep = "[".repeat(100_000);
    for document in [
        "{",
        "[]",
        "{\"servers\": 5}",
        deep.as_str(),
        "{\"servers\": {\"imap\": {\"url\": \"imap://a.example\"}}}",
    ] {
        assert!(read_pacc(document.as_bytes(), ANNA, &https("file")).is_err());
    }
}

#[tokio::test]
async fn the_host_that_takes_mail_tells_where_the_domain_does_not() {
    let servers = [("imap", "imap.host.test", "993", "SSL"), ("smtp", "smtp.host.test", "465", "SSL")];
    let by_mx = "https://autoconfig.mx.host.test/mail/config-v1.1.xml?emailaddress=anna%40example.org";
    let database = "https://db.test/mx.host.test";
    for (place, source) in [(by_mx, Source::Autoconfig), (database, Source::Ispdb)] {
        let net = Net::default()
            .mx(&[(20, "b.other.test"), (10, "a.mx.host.test")])
            .document(place, autoconfig(&servers));
        let options = Options::new().with_tries(false).with_database(Some("https://db.test/".into()));
        let found = net.discover(options).await;
        assert_eq!(shown(found.incoming()), ["IMAP at imap.host.test:993 with TLS"]);
        let first = found.incoming().next().unwrap();
        // DNS without signatures led there.
        assert_eq!(first.found, [Found::new(source, place, Trust::Plain)]);
        assert_eq!(first.doubt(), Some(Doubt::OtherDomain));
        // A database is told of a domain, and never of an address.
        let asked = net.asked();
        assert!(asked.iter().filter(|url| url.contains("db.test")).all(|url| !url.contains("anna")));
        assert!(!asked.iter().any(|url| url.contains("other.test")));
    }
    let large = Net::default().mx(&[(10, "aspmx.l.google.com")]).told().await;
    let first = large.incoming().next().unwrap();
    assert_eq!((first.host.as_str(), first.found[0].source), ("imap.gmail.com", Source::Known));
    assert_eq!(first.doubt(), Some(Doubt::OtherDomain));
}

#[tokio::test]
async fn known_providers_need_nobody_to_tell() {
    let net = Net::default();
    let discovery = Discovery::over(&net, &net, &net).with_options(Options::new().with_tries(false));
    let found = discovery.discover("anna@GMail.com").await.unwrap();
    let first = found.incoming().next().unwrap();
    assert_eq!(
        (first.host.as_str(), first.found[0].trust, first.doubt()),
        ("imap.gmail.com", Trust::Table, None)
    );
    assert_eq!(first.oauth.as_ref().unwrap().issuer.as_deref(), Some("https://accounts.google.com"));
    assert_eq!(found.submission().count(), 2);
}

#[tokio::test]
async fn one_server_that_many_tell_of_is_one() {
    let servers = [("imap", "imap.example.org", "993", "SSL"), ("smtp", "smtp.example.org", "465", "SSL")];
    let net = Net::default()
        .srv("_imaps._tcp.example.org", &[(0, 1, 993, "imap.example.org")], false)
        .document(AUTOCONFIG, autoconfig(&servers))
        .document("https://db.test/example.org", autoconfig(&servers));
    let found =
        net.discover(Options::new().with_tries(false).with_database(Some("https://db.test/".into()))).await;
    assert_eq!(found.incoming().count(), 1);
    let sources: Vec<_> = found.settings[0].found.iter().map(|found| found.source).collect();
    assert_eq!(sources, [Source::Autoconfig, Source::Ispdb, Source::Srv]);
    assert_eq!(found.settings[0].authentication, [Authentication::Password]);
}

#[tokio::test]
async fn what_is_guessed_has_to_answer_and_to_be_confirmed() {
    let net = Net::default()
        .mx(&[(10, "mx.example.org")])
        .answers("mail.example.org", 993)
        .answers("mail.example.org", 143)
        .answers("mx.example.org", 587);
    let found = net.discover(Options::new()).await;
    assert_eq!(
        shown(&found.settings),
        [
            "IMAP at mail.example.org:993 with TLS",
            "IMAP at mail.example.org:143 with STARTTLS",
            "submission at mx.example.org:587 with STARTTLS",
        ]
    );
    for settings in &found.settings {
        assert_eq!((settings.doubt(), &settings.checked), (Some(Doubt::Guessed), &Checked::Answers));
        assert!(settings.account().is_err() && settings.found[0].trust == Trust::Guess);
    }
    for options in [Options::new().with_guesses(false), Options::new().with_tries(false)] {
        assert_eq!(net.discover(options).await.settings, []);
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_comes_last() {
    let net = Net::default()
        .srv(
            "_imaps._tcp.example.org",
            &[(0, 1, 993, "dead.example.org"), (9, 1, 993, "alive.example.org")],
            true,
        )
        .srv("_submissions._tcp.example.org", &[(0, 1, 465, "smtp.example.org")], true)
        .answers("alive.example.org", 993);
    let found = net.discover(Options::new()).await;
    let hosts: Vec<_> = found.incoming().map(|settings| settings.host.as_str()).collect();
    assert_eq!(hosts, ["alive.example.org", "dead.example.org"]);
    let dead = found.incoming().last().unwrap();
    assert!(matches!(&dead.checked, Checked::Fails(reason) if !reason.is_empty()));
    // Nothing is guessed where somebody told.
    assert_eq!(net.probed.lock().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_silent_keeps_nobody_waiting_for_long() {
    let servers = [("imap", "imap.example.org", "993", "SSL"), ("smtp", "smtp.example.org", "465", "SSL")];
    let net = Net::default()
        .silent("_imaps._tcp.example.org")
        .silent("autodiscover.example.org")
        .silent("v1.ispdb.net")
        .document(AUTOCONFIG, autoconfig(&servers));
    let begun = tokio::time::Instant::now();
    let found = net.discover(Options::new().with_timeout(Duration::from_secs(10))).await;
    assert!(begun.elapsed() <= Duration::from_secs(10));
    assert_eq!(found.settings.len(), 2);
    let late: Vec<_> = found.missed.iter().filter(|missed| missed.reason.contains("time")).collect();
    assert_eq!(late.len(), 3, "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn where_nobody_answers_there_is_an_end() {
    let mut net = Net::default();
    for (name, _, _) in [
        ("_imaps", 0, 0),
        ("_imap", 0, 0),
        ("_pop3s", 0, 0),
        ("_pop3", 0, 0),
        ("_submissions", 0, 0),
        ("_submission", 0, 0),
    ] {
        net = net.silent(&format!("{name}._tcp.example.org"));
    }
    let net = net.silent("example.org").silent("autoconfig.example.org").silent("v1.ispdb.net");
    let begun = tokio::time::Instant::now();
    let found = net.discover(Options::new()).await;
    assert!(begun.elapsed() <= Duration::from_secs(30));
    assert_eq!(found.settings, []);
    // All were asked at once, before anybody was late.
    assert!(net.asked().len() >= 14);
}

#[tokio::test]
async fn an_address_that_is_none_is_told() {
    let net = Net::default();
    for address in ["anna", "@example.org", "anna@localhost", "anna@[192.0.2.1]", "anna\r\n@example.org", ""]
    {
        assert!(Discovery::over(&net, &net, &net).discover(address).await.is_err(), "{address:?}");
    }
    assert_eq!(net.asked(), Vec::<String>::new());
}

#[cfg(feature = "idn")]
#[tokio::test]
async fn domains_beyond_ascii_are_asked_for_as_dns_knows_them() {
    let net = Net::default();
    let discovery = Discovery::over(&net, &net, &net).with_options(Options::new().with_tries(false));
    discovery.discover("anna@bücher.example").await.unwrap();
    let asked = net.asked();
    assert!(asked.contains(&"_imaps._tcp.xn--bcher-kva.example SRV".to_owned()));
    assert!(asked.iter().all(|asked| asked.is_ascii()));
}

#[test]
fn settings_are_not_made_of_another_protocol() {
    let document = autoconfig(&[("imap", "imap.example.org", "993", "SSL")]);
    let settings = read_autoconfig(document.as_bytes(), ANNA, &https("file")).unwrap();
    assert_eq!((settings[0].protocol, settings[0].security), (Protocol::Imap, Security::implicit_tls()));
    assert_eq!(settings[0].endpoint().unwrap().address().to_string(), "imap.example.org:993");
}
