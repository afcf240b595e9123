//! A domain with its name server, its web server and its mail server, all on loopback: all is right until something is changed.

use std::{collections::HashMap, sync::Arc, time::Duration};

use hickory_resolver::proto::{
    op::{Message, ResponseCode},
    rr::{
        RData, RecordType,
        rdata::{A, MX, PTR, SRV, TLSA, TXT},
    },
};
use mailwire_smtp::Host;
use mailwire_store::testing::{Config, Fault, MailServer};
use mailwire_transport::{
    Address, Endpoint, Protocol, Security,
    dns::DnsResolver,
    doctor::{Doctor, Options, Report},
    http::HttpsClient,
    sasl::Credentials,
    tls::ClientTls,
};

use crate::{
    certificates::{Authority, Wrong},
    peers::{self, Documents, Firewall},
    zone::{Root, name, name_server},
};

pub(crate) const ANNA: &str = "anna@example.test";
pub(crate) const PASSWORD: &str = "correct-horse-7";
pub(crate) const MAIL: &str = "mail.example.test";
pub(crate) const POLICY: &str = "version: STSv1\nmode: enforce\nmx: mail.example.test\nmax_age: 1209600\n";
const KEY: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const POLICY_PATH: &str = "/.well-known/mta-sts.txt";

/// Who is at a port of the mail server's host, in place of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Other {
    Nobody,
    /// What is sent there is dropped.
    Firewall,
    Tls10,
    Says(&'static str),
    /// Another port of the mail server.
    Port(u16),
}

/// What is wrong with the name server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoilt {
    Nothing,
    /// It fails for this name.
    Fails(&'static str),
    /// The text of this name is not the one that is signed.
    Forges(&'static str),
}

impl Spoilt {
    fn change(self, answer: &mut Message) {
        let asked = answer.queries[0].name().clone();
        match self {
            Self::Fails(owner) if name(owner) == asked => {
                answer.metadata.response_code = ResponseCode::ServFail;
                answer.answers.clear();
                answer.authorities.clear();
            }
            Self::Forges(owner) if name(owner) == asked => {
                let texts =
                    answer.answers.iter_mut().filter(|record| record.record_type() == RecordType::TXT);
                texts.for_each(|record| record.data = RData::TXT(TXT::new(vec!["forged".into()])));
            }
            _ => {}
        }
    }
}

/// The number of the algorithm of the root's key: Ed25519.
const ALGORITHM: u8 = 15;

/// The domain.
pub(crate) struct Bed {
    zone: Vec<(String, RData)>,
    pub(crate) spoilt: Spoilt,
    pub(crate) documents: Documents,
    /// What is wrong with the certificates of the mail server and of the web server.
    pub(crate) certificate: Wrong,
    pub(crate) web_certificate: Wrong,
    pub(crate) others: HashMap<u16, Other>,
    pub(crate) faults: Vec<Fault>,
    /// Whether the mail server takes passwords without TLS.
    pub(crate) in_clear: bool,
    /// How mail is sent: within TLS at port 465, or with STARTTLS, or without, at port 587.
    pub(crate) submission: Security,
    /// The TLSA record: its numbers, and its data where they are not those of the certificate.
    pub(crate) tlsa: Option<(u8, u8, u8, Option<Vec<u8>>)>,
    pub(crate) options: Options,
}

impl Bed {
    pub(crate) fn right() -> Self {
        let options = Options::new()
            .with_timeout(Duration::from_secs(3))
            .with_selectors(vec!["s1".to_owned()])
            .with_credentials(Some(Credentials::password(ANNA, PASSWORD)))
            .with_ports(vec![25, 465, 993, 995]);
        let discovery = options.discovery.clone().with_database(None);
        let mut bed = Self {
            zone: Vec::new(),
            spoilt: Spoilt::Nothing,
            documents: Documents::new(),
            certificate: Wrong::Nothing,
            web_certificate: Wrong::Nothing,
            others: HashMap::new(),
            faults: Vec::new(),
            in_clear: false,
            submission: Security::implicit_tls(),
            tlsa: Some((3, 0, 1, None)),
            options: options.with_discovery(discovery),
        };
        bed.mx(MAIL);
        bed.address(MAIL, A::new(192, 0, 2, 25));
        bed.set("25.2.0.192.in-addr.arpa", RData::PTR(PTR(name(MAIL))));
        for (service, port) in [("_imaps", 993), ("_pop3s", 995), ("_submissions", 465)] {
            bed.set(&format!("{service}._tcp.example.test"), RData::SRV(SRV::new(0, 1, port, name(MAIL))));
        }
        bed.text("example.test", &["v=spf1 mx -all"]);
        bed.text("s1._domainkey.example.test", &[KEY]);
        bed.text("_dmarc.example.test", &["v=DMARC1; p=reject; rua=mailto:dmarc@example.test"]);
        bed.text("_mta-sts.example.test", &["v=STSv1; id=1"]);
        bed.text("_smtp._tls.example.test", &["v=TLSRPTv1; rua=mailto:tls@example.test"]);
        bed.policy(POLICY);
        bed
    }

    /// Sets the one record of this name and type.
    fn set(&mut self, owner: &str, data: RData) {
        self.forget(owner, &data);
        self.zone.push((owner.to_owned(), data));
    }

    fn forget(&mut self, owner: &str, like: &RData) {
        self.zone.retain(|(other, data)| other != owner || data.record_type() != like.record_type());
    }

    pub(crate) fn mx(&mut self, host: &str) {
        self.set("example.test", RData::MX(MX::new(10, name(host))));
    }

    pub(crate) fn without_mx(&mut self) {
        self.forget("example.test", &RData::MX(MX::new(0, name("."))));
    }

    pub(crate) fn address(&mut self, host: &str, address: A) {
        self.set(host, RData::A(address));
    }

    pub(crate) fn pointer(&mut self, host: Option<&str>) {
        let pointer = |host| RData::PTR(PTR(name(host)));
        match host {
            Some(host) => self.set("25.2.0.192.in-addr.arpa", pointer(host)),
            None => self.forget("25.2.0.192.in-addr.arpa", &pointer(".")),
        }
    }

    /// Sets the texts of a name. None takes them away.
    pub(crate) fn text(&mut self, owner: &str, texts: &[&str]) {
        self.forget(owner, &RData::TXT(TXT::new(Vec::new())));
        for text in texts {
            let strings = text.as_bytes().chunks(255).collect();
            self.zone.push((owner.to_owned(), RData::TXT(TXT::from_bytes(strings))));
        }
    }

    /// No SRV record tells of this service.
    pub(crate) fn without(&mut self, service: &str) {
        self.zone.retain(|(owner, _)| !owner.starts_with(service));
    }

    /// Mail is sent at port 587.
    pub(crate) fn by_starttls(&mut self) {
        self.submission = Security::required_starttls();
        self.without("_submissions.");
        self.set("_submission._tcp.example.test", RData::SRV(SRV::new(0, 1, 587, name(MAIL))));
    }

    pub(crate) fn policy(&mut self, policy: &str) {
        self.documents.insert(POLICY_PATH.to_owned(), (200, "text/plain", policy.to_owned()));
    }

    pub(crate) fn no_policy(&mut self) {
        self.documents.remove(POLICY_PATH);
    }

    pub(crate) fn other(&mut self, port: u16, other: Other) {
        self.others.insert(port, other);
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        self.faults.push(fault.always());
    }

    /// A message is sent and waited for.
    pub(crate) fn send_test(&mut self) {
        let options = self.options.clone().with_send_test(true);
        self.options = options.with_patience(Duration::from_secs(30)).with_slow(Duration::from_secs(30));
    }

    /// Starts all, and has it examined.
    pub(crate) async fn examine(mut self) -> Report {
        let authority = Authority::new();
        let mail = authority.issue(&[MAIL], self.certificate);
        if let Some((usage, selector, matching, data)) = self.tlsa.clone() {
            let data = data.unwrap_or_else(|| mail.digest.clone());
            let tlsa = TLSA::new(usage.into(), selector.into(), matching.into(), data);
            self.set(&format!("_25._tcp.{MAIL}"), RData::TLSA(tlsa));
        }
        let web = authority.issue(&["mta-sts.example.test", "autoconfig.example.test"], self.web_certificate);
        let web = peers::web(web.tls, std::mem::take(&mut self.documents)).await;
        let root = Arc::new(Root::new());
        let zone = self.zone.drain(..).map(|(owner, data)| (&*owner.leak(), data)).collect();
        let spoilt = self.spoilt;
        let names = name_server(zone, Some(root.clone()), move |answer| spoilt.change(answer)).await;
        let resolver = DnsResolver::of_servers([names]).with_trusted_key(ALGORITHM, root.public());

        let server = MailServer::start_with(self.config().with_tls(mail.tls)).await.unwrap();
        let (ports, _kept) = self.ports(&server).await;
        let tls = ClientTls::with_roots_pem(&authority.root_pem).unwrap();
        let shape = move |endpoint: Endpoint| {
            let Address::Tcp { host, port } = endpoint.address().clone() else { return endpoint };
            // What is not there is a port where nobody listens.
            let here = match (host.as_str(), port) {
                ("mta-sts.example.test" | "autoconfig.example.test", 443) => web,
                (MAIL, port) => ports.get(&port).copied().unwrap_or(1),
                _ => 1,
            };
            Endpoint::tcp("127.0.0.1", here, endpoint.security())
                .with_timeouts(endpoint.timeouts().clone())
                .with_server_name(host)
                .with_tls(tls.clone())
        };
        let doctor = Doctor::over(resolver, HttpsClient::new().with_endpoint(shape.clone()))
            .with_options(self.options.clone())
            .with_endpoint(shape);
        doctor.examine(ANNA).await.unwrap()
    }

    fn config(&self) -> Config {
        let config = Config::new()
            .with_user(ANNA, PASSWORD)
            .with_name(Host::try_from(MAIL).unwrap())
            .with_faults(self.faults.iter().cloned());
        if self.in_clear {
            return config;
        }
        let tls = Security::implicit_tls();
        [
            (Protocol::Smtp, Security::required_starttls()),
            (Protocol::Submission, self.submission),
            (Protocol::Imap, tls),
            (Protocol::Pop3, tls),
        ]
        .into_iter()
        .fold(config, |config, (protocol, security)| config.with_listener(protocol, security, "127.0.0.1:0"))
    }

    /// Where the ports of the host are in truth.
    async fn ports(&self, server: &MailServer) -> (HashMap<u16, u16>, Vec<Firewall>) {
        let mut ports: HashMap<u16, u16> = server
            .addresses()
            .filter(|(protocol, security, _)| {
                !matches!(protocol, Protocol::Smtp) || *security != Security::implicit_tls()
            })
            .map(|(protocol, security, address)| {
                let port = if protocol == Protocol::Smtp { 25 } else { security.default_port(protocol) };
                (port, address.port())
            })
            .collect();
        let mut kept = Vec::new();
        for (port, other) in &self.others {
            let here = match other {
                Other::Nobody => 1,
                Other::Firewall => {
                    kept.push(Firewall::new().await);
                    kept.last().unwrap().port
                }
                Other::Tls10 => peers::tls_1_0().await,
                Other::Says(greeting) => peers::says(greeting).await,
                Other::Port(other) => ports[other],
            };
            ports.insert(*port, here);
        }
        (ports, kept)
    }
}
