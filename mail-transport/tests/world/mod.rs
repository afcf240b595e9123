//! Name servers, web servers and mail servers of a world on loopback, for deliveries.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "each test uses a part of it"
)]

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Duration,
};

use mailwire_transport::{
    Address, Endpoint, Stream,
    deliver::{Delivery, Options, Report, Status},
    dns::{Answer, DnsError, Mx, Record, RecordType, Resolver},
    http::{Http, HttpError, Request, Response},
    smtp::Envelope,
    testing::TestCa,
    tls::ServerTls,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

pub const MESSAGE: &str = "From: anna@example.org\r\nSubject: Hi\r\n\r\nHello.\r\n";

/// What name servers and web servers say.
#[derive(Default)]
pub struct World {
    pub names: Mutex<HashMap<(String, RecordType), Answer>>,
    pub documents: Mutex<HashMap<String, Response>>,
    pub fetched: Mutex<Vec<String>>,
    /// Names that name servers fail at.
    pub broken: Mutex<HashSet<String>>,
}

impl World {
    pub fn answer(&self, name: &str, record_type: RecordType, answer: Answer) {
        self.names.lock().unwrap().insert((name.to_owned(), record_type), answer);
    }

    pub fn mx(&self, domain: &str, hosts: &[(u16, &str)], signed: bool) {
        let records = hosts.iter().map(|&(preference, host)| Record::Mx(Mx::new(preference, host))).collect();
        self.answer(domain, RecordType::Mx, Answer::new(records).with_authenticated(signed));
        for (_, host) in hosts {
            let host = host.trim_end_matches('.').to_ascii_lowercase();
            self.address(&host, signed);
        }
    }

    pub fn address(&self, host: &str, signed: bool) {
        let address = vec![Record::Address("192.0.2.25".parse().unwrap())];
        self.answer(host, RecordType::A, Answer::new(address).with_authenticated(signed));
    }

    pub fn policy(&self, domain: &str, id: &str, mode: &str, mx: &str) {
        let text = Record::Txt(format!("v=STSv1; id={id};").into_bytes());
        self.answer(&format!("_mta-sts.{domain}"), RecordType::Txt, Answer::new(vec![text]));
        let policy = format!("version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: 86400\n");
        let response = Response::new(200, policy).with_media_type("text/plain; charset=utf-8");
        self.documents
            .lock()
            .unwrap()
            .insert(format!("https://mta-sts.{domain}/.well-known/mta-sts.txt"), response);
    }
}

impl Resolver for World {
    async fn lookup(&self, name: &str, record_type: RecordType) -> Result<Answer, DnsError> {
        if self.broken.lock().unwrap().contains(name) {
            return Err(DnsError::new(name, record_type, "SERVFAIL"));
        }
        Ok(self.names.lock().unwrap().get(&(name.to_owned(), record_type)).cloned().unwrap_or_default())
    }
}

impl Http for World {
    async fn send(&self, request: &Request) -> Result<Response, HttpError> {
        let url = request.url.to_string();
        self.fetched.lock().unwrap().push(url.clone());
        Ok(self.documents.lock().unwrap().get(&url).cloned().unwrap_or_else(|| Response::new(404, "")))
    }
}

/// What a host says to a line in place of what it would say; an empty text ends the connection.
pub type Say = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// A message that came: to which host, for whom, and whether within TLS.
pub type Came = (String, Vec<String>, bool);

/// The hosts of the world, and what came to them.
pub struct Hosts {
    pub world: Arc<World>,
    pub ca: TestCa,
    pub ports: HashMap<String, u16>,
    pub came: Arc<Mutex<Vec<Came>>>,
    pub connections: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Hosts {
    pub fn new() -> Self {
        Self {
            world: Arc::default(),
            ca: TestCa::new().unwrap(),
            ports: HashMap::new(),
            came: Arc::default(),
            connections: Arc::default(),
        }
    }

    pub fn tls(&self, name: &str) -> Option<ServerTls> {
        Some(self.ca.server_tls(&[name]).unwrap())
    }

    pub async fn host(
        &mut self,
        name: &str,
        tls: Option<ServerTls>,
        say: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        self.ports.insert(name.to_owned(), listener.local_addr().unwrap().port());
        let (name, say): (_, Say) = (name.to_owned(), Arc::new(say));
        let (came, connections) = (self.came.clone(), self.connections.clone());
        tokio::spawn(async move {
            loop {
                let stream = listener.accept().await.unwrap().0.into();
                *connections.lock().unwrap().entry(name.clone()).or_default() += 1;
                tokio::spawn(serve(stream, name.clone(), tls.clone(), say.clone(), came.clone()));
            }
        });
    }

    /// A host that takes all, with a certificate for its name.
    pub async fn good(&mut self, name: &str) {
        self.host(name, self.tls(name), |_| None).await;
    }

    pub fn delivery(&self, options: Options) -> Delivery<Arc<World>, Arc<World>> {
        self.delivery_over(self.world.clone(), options)
    }

    /// Which asks this resolver in place of the world.
    pub fn delivery_over<R: Resolver>(&self, resolver: R, options: Options) -> Delivery<R, Arc<World>> {
        let (ports, tls) = (self.ports.clone(), self.ca.client_tls().unwrap());
        Delivery::over(resolver, self.world.clone()).with_options(options).with_endpoint(move |endpoint| {
            let Address::Tcp { host, port } = endpoint.address().clone() else { return endpoint };
            assert_eq!(port, 25);
            // Who is not there is a port where nobody listens.
            let port = ports.get(&host).copied().unwrap_or(1);
            Endpoint::tcp("127.0.0.1", port, endpoint.security()).with_server_name(host).with_tls(tls.clone())
        })
    }

    pub async fn deliver(&self, to: &[&str]) -> Report {
        let envelope = Envelope::new("anna@example.org", to.iter().copied()).unwrap();
        let delivery = self.delivery(Options::new());
        let delivering = delivery.deliver(&envelope, MESSAGE);
        tokio::time::timeout(Duration::from_secs(60), delivering).await.unwrap()
    }

    pub fn came(&self) -> Vec<Came> {
        std::mem::take(&mut *self.came.lock().unwrap())
    }
}

async fn serve(stream: Stream, name: String, tls: Option<ServerTls>, say: Say, came: Arc<Mutex<Vec<Came>>>) {
    let mut stream = BufReader::new(stream);
    let greeting = say("").unwrap_or_else(|| format!("220 {name} ESMTP"));
    let mut to = Vec::new();
    let mut has_sender = false;
    let mut reply = greeting;
    loop {
        if reply.is_empty() || stream.write_all(format!("{reply}\r\n").as_bytes()).await.is_err() {
            return;
        }
        let _ = stream.flush().await;
        if reply.starts_with("354") {
            let mut body = String::new();
            while stream.read_line(&mut body).await.is_ok_and(|length| length > 0)
                && !format!("\r\n{body}").ends_with("\r\n.\r\n")
            {}
            let said = say(".").unwrap_or_else(|| "250 2.0.0 queued".into());
            if said.starts_with('2') {
                came.lock().unwrap().push((name.clone(), std::mem::take(&mut to), stream.get_ref().is_tls()));
            }
            reply = said;
            continue;
        }
        let mut line = String::new();
        if !stream.read_line(&mut line).await.is_ok_and(|length| length > 0) {
            return;
        }
        let line = line.trim_end();
        let verb = line.split([' ', ':']).next().unwrap().to_ascii_uppercase();
        let said = say(line).unwrap_or_else(|| match verb.as_str() {
            "EHLO" if tls.is_some() && !stream.get_ref().is_tls() => format!("250-{name}\r\n250 STARTTLS"),
            "EHLO" => format!("250-{name}\r\n250 SMTPUTF8"),
            "STARTTLS" => "220 2.0.0 go".into(),
            "DATA" if to.is_empty() => "503 5.5.1 no recipient".into(),
            "RCPT" if !has_sender => "503 5.5.1 no sender".into(),
            "DATA" => "354 go".into(),
            "QUIT" => "221 2.0.0 bye".into(),
            _ => "250 2.1.0 ok".into(),
        });
        match verb.as_str() {
            "MAIL" => {
                to.clear();
                has_sender = said.starts_with('2');
            }
            "RCPT" if said.starts_with('2') => to.push(line[9..line.find('>').unwrap()].to_owned()),
            _ => {}
        }
        if verb == "STARTTLS" && said.starts_with('2') {
            let mut plain = stream.into_inner();
            plain.write_all(format!("{said}\r\n").as_bytes()).await.unwrap();
            plain.flush().await.unwrap();
            let Ok(inner) = tls.as_ref().unwrap().accept(plain).await else { return };
            stream = BufReader::new(inner);
            let mut hello = String::new();
            if !stream.read_line(&mut hello).await.is_ok_and(|length| length > 0) {
                return;
            }
            reply = say(hello.trim_end()).unwrap_or_else(|| format!("250-{name}\r\n250 SMTPUTF8"));
            continue;
        }
        reply = said;
    }
}

/// Each recipient's outcome in short: a letter, and the code of the reason.
pub fn outcomes(report: &Report) -> Vec<String> {
    let outcome = |status: &Status| match status {
        Status::Delivered(_) => "delivered".to_owned(),
        Status::Deferred(reason) => format!("deferred {}", reason.code),
        Status::Failed(reason) => format!("failed {}", reason.code),
        Status::InDoubt(_) => "in doubt".to_owned(),
        _ => "?".to_owned(),
    };
    report.recipients.iter().map(|recipient| outcome(&recipient.status)).collect()
}

pub fn says(on: &'static str, reply: &'static str) -> impl Fn(&str) -> Option<String> + Send + Sync {
    move |line| (line.starts_with(on) && (on.is_empty() == line.is_empty())).then(|| reply.to_owned())
}
