//! What name servers and web servers say, and where hosts are: on loopback.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Duration,
};

use mailwire_transport::{
    Address, Endpoint,
    dns::{Answer, DnsError, Mx, Record, RecordType, Resolver, Srv},
    doctor::{Doctor, Options, Report, Severity},
    http::{Http, HttpError, Request, Response},
    tls::ClientTls,
};
use tokio::net::TcpListener;

use crate::{certificates::Authority, servers::Mailbox};

#[derive(Default)]
pub struct World {
    names: Mutex<HashMap<(String, RecordType), Answer>>,
    documents: Mutex<HashMap<String, Response>>,
}

impl World {
    pub fn answer(&self, name: &str, record_type: RecordType, record: Record) {
        let answer = Answer::new(vec![record]).with_authenticated(true);
        self.names.lock().unwrap().insert((name.to_owned(), record_type), answer);
    }

    pub fn unsigned(&self, name: &str, record_type: RecordType, record: Record) {
        self.names.lock().unwrap().insert((name.to_owned(), record_type), Answer::new(vec![record]));
    }

    pub fn forget(&self, name: &str, record_type: RecordType) {
        self.names.lock().unwrap().remove(&(name.to_owned(), record_type));
    }

    pub fn srv(&self, service: &str, port: u16, host: &str) {
        self.answer(
            &format!("{service}._tcp.example.org"),
            RecordType::Srv,
            Record::Srv(Srv::new(0, 1, port, host)),
        );
    }

    pub fn text(&self, name: &str, text: &str) {
        self.answer(name, RecordType::Txt, Record::Txt(text.into()));
    }

    pub fn document(&self, url: &str, text: &str) {
        let response = Response::new(200, text.to_owned()).with_media_type("text/plain");
        self.documents.lock().unwrap().insert(url.to_owned(), response);
    }
}

impl Resolver for World {
    async fn lookup(&self, name: &str, record_type: RecordType) -> Result<Answer, DnsError> {
        if name == "broken.test" {
            return Err(DnsError::new(name, record_type, "SERVFAIL"));
        }
        Ok(self.names.lock().unwrap().get(&(name.to_owned(), record_type)).cloned().unwrap_or_default())
    }
}

impl Http for World {
    async fn send(&self, request: &Request) -> Result<Response, HttpError> {
        let url = request.url.to_string();
        Ok(self.documents.lock().unwrap().get(&url).cloned().unwrap_or_else(|| Response::new(404, "")))
    }
}

/// A domain with its world and its hosts: all is well with it until something is changed.
pub struct Net {
    pub world: Arc<World>,
    pub authority: Authority,
    ports: HashMap<(String, u16), u16>,
    pub options: Options,
    pub mailbox: Mailbox,
}

impl Net {
    /// `mail.example.org` has 993, 465 and 25, and records say so.
    pub fn new() -> Self {
        let world = World::default();
        world.answer("example.org", RecordType::Mx, Record::Mx(Mx::new(10, "mail.example.org")));
        world.answer("mail.example.org", RecordType::A, Record::Address([192, 0, 2, 25].into()));
        world.srv("_imaps", 993, "mail.example.org");
        world.srv("_submissions", 465, "mail.example.org");
        world.text("example.org", "v=spf1 mx -all");
        world.text("_dmarc.example.org", "v=DMARC1; p=reject; rua=mailto:dmarc@example.org");
        let mut options = Options::new().with_timeout(Duration::from_secs(20));
        options.discovery.database = None;
        Self {
            world: Arc::new(world),
            authority: Authority::new(),
            ports: HashMap::new(),
            options,
            mailbox: Mailbox::default(),
        }
    }

    pub fn at(&mut self, port: u16, listener: &TcpListener) -> u16 {
        let real = listener.local_addr().unwrap().port();
        self.at_host("mail.example.org", port, real);
        real
    }

    pub fn at_host(&mut self, host: &str, port: u16, real: u16) {
        self.ports.insert((host.to_owned(), port), real);
    }

    pub async fn listener() -> TcpListener {
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap()
    }

    pub fn doctor(&self) -> Doctor<Arc<World>, Arc<World>> {
        let (ports, tls) =
            (self.ports.clone(), ClientTls::with_roots_pem(self.authority.root_pem()).unwrap());
        let options = self.options.clone();
        Doctor::over(self.world.clone(), self.world.clone()).with_options(options).with_endpoint(
            move |endpoint| {
                let Address::Tcp { host, port } = endpoint.address().clone() else { return endpoint };
                // Who is not there is a port where nobody listens.
                let port = ports.get(&(host.clone(), port)).copied().unwrap_or(1);
                Endpoint::tcp("127.0.0.1", port, endpoint.security())
                    .with_timeouts(endpoint.timeouts().clone())
                    .with_server_name(host)
                    .with_tls(tls.clone())
            },
        )
    }

    pub async fn examine(&self) -> Report {
        let doctor = self.doctor();
        tokio::time::timeout(Duration::from_secs(120), doctor.examine("anna@example.org"))
            .await
            .unwrap()
            .unwrap()
    }

    /// The names of what is at least so bad, of the servers.
    pub async fn told(&self, severity: Severity) -> Vec<&'static str> {
        let report = self.examine().await;
        let mut told: Vec<_> = report.at_least(severity).map(|finding| finding.check).collect();
        told.retain(|name| {
            mailwire_transport::doctor::checks::servers::SERVERS.iter().any(|check| check.name == *name)
        });
        told
    }
}
