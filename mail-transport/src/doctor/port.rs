//! One port of a server: whether it is open and speaks what it should, its TLS, and what it offers.

use std::time::SystemTime;

use rustls::{
    ProtocolVersion,
    pki_types::CertificateDer,
    version::{TLS12, TLS13},
};

use super::{
    Check, Doctor, Finding, Server, Severity,
    certificate::Case,
    checks::servers::{
        CERTIFICATE_REVOKED, CIPHERS_BROKEN, GREETING_NONE, GREETING_REFUSES, PORT_CLOSED, PORT_DROPPED,
        PORT_OPEN, PORT_UNREACHABLE, PROTOCOL_WRONG, STARTTLS_MISSING, STARTTLS_REFUSED, STARTTLS_STRIPPED,
        TLS_FAILS, TLS_NOT_SPOKEN, TLS_OLD, TLS_OLD_ONLY, TLS_VERSIONS,
    },
    handshake::{self, Shown},
    legacy::{self, Chosen, Question},
    offered,
    reach::{HostEndpoints, Silence},
    talk::{Said, Talk, spoken},
};
use crate::{Endpoint, Error, Protocol, Security, Stream, dns::Resolver, http::Http};

/// What a port is to be for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) server: Server,
    /// Somebody tells of it: that it is closed is an error.
    pub(super) is_used: bool,
    /// There are other servers for the same.
    pub(super) has_others: bool,
}

/// What was found at a port.
#[derive(Debug, Default)]
pub(super) struct Examined {
    pub(super) findings: Vec<Finding>,
    /// Somebody speaks the right protocol there.
    pub(super) is_open: bool,
    /// The certificates that it shows, its own first.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// Where it was reached.
    pub(super) endpoint: Option<Endpoint>,
    /// A client that verifies certificates can shake hands, and nobody says that the certificate is revoked.
    pub(super) is_verified: bool,
}

/// A port under examination.
struct Examination<'a, R, H> {
    doctor: &'a Doctor<R, H>,
    port: &'a Port,
    subject: String,
    endpoint: Endpoint,
    done: Examined,
}

impl<R: Resolver, H: Http> Doctor<R, H> {
    /// Examines a port.
    pub(super) async fn port(&self, port: &Port, host: &HostEndpoints) -> Examined {
        self.step(&format!("examining {}", port.server));
        let mut done = Examined::default();
        match self.open(&port.server, host, &mut done.findings).await {
            Ok((stream, endpoint)) => {
                let subject = port.server.to_string();
                let mut examination = Examination { doctor: self, port, subject, endpoint, done };
                match port.server.security == Security::implicit_tls() {
                    true => examination.implicit(stream).await,
                    false => examination.clear(stream).await,
                }
                examination.done
            }
            Err((silence, error)) => {
                done.findings.extend(not_open(port, silence, &error));
                done
            }
        }
    }
}

/// What is told of a port where nobody is.
fn not_open(port: &Port, silence: Silence, error: &Error) -> Option<Finding> {
    let subject = port.server.to_string();
    let what = what_for(&port.server);
    let (check, what, remedy) = match silence {
        Silence::Closed => (
            &PORT_CLOSED,
            format!("Nobody listens there: {what} is not possible."),
            "Start the service, let it listen on this port and on all addresses of the host, or tell programs another port.",
        ),
        Silence::Dropped => (
            &PORT_DROPPED,
            format!(
                "Nothing comes back: a firewall drops what is sent there, or the host is off; {what} is not possible from here."
            ),
            match port.server.port {
                25 => {
                    "Open the port in the firewalls before the host. Many networks let nobody connect to port 25: see that it is not yours, by trying from elsewhere."
                }
                _ => {
                    "Open the port in the firewalls before the host, and see that it is not your own network that blocks it, by trying from elsewhere."
                }
            },
        ),
        Silence::NoWay => (
            &PORT_UNREACHABLE,
            "This machine has no way to the host's addresses.".to_owned(),
            "Examine it from a machine whose network reaches these addresses (IPv4 or IPv6).",
        ),
        Silence::Failed => (
            &PORT_UNREACHABLE,
            format!("The connection fails: {what} is not possible from here."),
            "See whether the network between here and the host works.",
        ),
    };
    // What nobody tells of need not be there.
    let severity = match (port.is_used, port.has_others) {
        (false, _) => return None,
        (true, true) => Severity::Warning,
        (true, false) => Severity::Error,
    };
    let finding = Finding::new(check, subject, what).with_severity(severity);
    Some(finding.with_remedy(remedy).with_detail("answer", error))
}

/// What people do there.
fn what_for(server: &Server) -> &'static str {
    match server.protocol {
        Protocol::Imap => "reading mail by IMAP",
        Protocol::Pop3 => "reading mail by POP3",
        Protocol::Submission => "sending mail",
        _ => "delivering mail to this domain",
    }
}

impl<R: Resolver, H: Http> Examination<'_, R, H> {
    fn tell(&mut self, check: &Check, what: impl Into<String>, remedy: &str, said: Option<&Said>) {
        let finding = Finding::new(check, &self.subject, what).with_remedy(remedy);
        let finding = match said {
            Some(said) => finding.with_detail("answer", said),
            None => finding,
        };
        self.done.findings.push(self.tempered(finding));
    }

    /// What is wrong with a port that nobody tells of is no error. Servers that take mail from everywhere are talked to without
    /// anybody looking at their certificates.
    fn tempered(&self, finding: Finding) -> Finding {
        let is_lenient = !self.port.is_used || self.port.server.protocol == Protocol::Smtp;
        match is_lenient && finding.section == super::Section::Tls {
            true => {
                let severity = finding.severity.min(Severity::Warning);
                finding.with_severity(severity)
            }
            false => finding,
        }
    }

    fn talk(&self, stream: Stream) -> Talk {
        Talk::new(stream, self.port.server.protocol, self.doctor.options.timeout)
    }

    /// A connection like the first.
    async fn again(&self) -> Option<Stream> {
        self.endpoint.connect().await.ok()
    }

    /// A port where TLS is from the first byte.
    async fn implicit(&mut self, stream: Stream) {
        match handshake::look(&self.endpoint, stream, &[&TLS13, &TLS12]).await {
            Ok((stream, shown)) => {
                let verified = match self.again().await {
                    Some(stream) => self.endpoint.start_tls(stream).await.map(drop),
                    None => Err(Error::Closed),
                };
                let mut talk = self.talk(stream);
                if self.greeting(talk.greeting().await).await {
                    self.opened();
                    self.offered_within_tls(&mut talk).await;
                    talk.end().await;
                }
                self.tls(shown, verified).await;
            }
            Err(error) => self.no_handshake(error).await,
        }
    }

    /// A port where the conversation begins in clear.
    async fn clear(&mut self, stream: Stream) {
        let is_near = stream.peer_addr().is_some_and(|address| address.ip().is_loopback());
        let mut talk = self.talk(stream);
        let greeting = talk.greeting().await;
        if !self.greeting(greeting).await {
            return;
        }
        self.opened();
        let words = match talk.offered().await {
            Said::Yes(words) => words,
            other => {
                let findings = offered::not_told(&self.subject, self.port.server.protocol, &other);
                self.done.findings.extend(findings);
                talk.end().await;
                return;
            }
        };
        let protocol = self.port.server.protocol;
        let in_clear = offered::password_in_clear(&self.subject, protocol, &words);
        self.done.findings.extend(in_clear.map(|finding| match is_near {
            true => finding.with_detail("mind", "this is the server's own machine, from which some take passwords in clear: examine it from another one, too"),
            false => finding,
        }));
        if !offered::has_tls(protocol, &words) {
            talk.end().await;
            return self.no_starttls(&words);
        }
        match talk.start_tls().await {
            Ok(stream) => self.after_starttls(stream).await,
            Err(said) => {
                let what = "The server offers TLS, and then does not do it.";
                let remedy = "See in the server's log why: mostly its certificate or key cannot be read.";
                self.tell(&STARTTLS_REFUSED, what, remedy, Some(&said));
            }
        }
    }

    async fn after_starttls(&mut self, stream: Stream) {
        match handshake::look(&self.endpoint, stream, &[&TLS13, &TLS12]).await {
            Ok((stream, shown)) => {
                let verified = match self.again_to_tls().await {
                    Some(stream) => self.endpoint.start_tls(stream).await.map(drop),
                    None => Err(Error::Closed),
                };
                let mut talk = self.talk(stream);
                self.offered_within_tls(&mut talk).await;
                talk.end().await;
                self.tls(shown, verified).await;
            }
            Err(error) => self.no_handshake(error).await,
        }
    }

    /// A stream where the handshake comes next.
    async fn again_to_tls(&self) -> Option<Stream> {
        let stream = self.again().await?;
        if self.port.server.security == Security::implicit_tls() {
            return Some(stream);
        }
        let mut talk = self.talk(stream);
        let Said::Yes(_) = talk.greeting().await else { return None };
        let Said::Yes(_) = talk.offered().await else { return None };
        talk.start_tls().await.ok()
    }

    /// Whether a greeting is one.
    async fn greeting(&mut self, said: Said) -> bool {
        let protocol = self.port.server.protocol;
        match &said {
            Said::Yes(_) => return true,
            Said::No(_) => {
                let what = "The server greets with a refusal: nobody is served there.";
                let remedy = "Its words tell why: it is overloaded, shutting down, or does not want this machine's address.";
                self.tell(&GREETING_REFUSES, what, remedy, Some(&said));
            }
            Said::Strange(line) => {
                let name = name(protocol);
                let what = match spoken(line) {
                    Some(other) => format!("This is a port for {name}, and {other} is spoken there."),
                    None => format!("This is a port for {name}, and something else is spoken there."),
                };
                let remedy = "Give each service its own port; see which program listens there.";
                self.tell(&PROTOCOL_WRONG, what, remedy, Some(&said));
            }
            Said::Silence | Said::Gone(_) => {
                if self.port.server.security != Security::implicit_tls() && self.speaks_tls().await {
                    let what =
                        "The conversation should begin in clear there, and the server begins with TLS.";
                    let remedy = "Switch TLS from the first byte off for this port (it belongs to 465, 993 and 995), and STARTTLS on.";
                    self.tell(&PROTOCOL_WRONG, what, remedy, None);
                } else {
                    let what = match said {
                        Said::Silence => "The server takes the connection and says nothing.",
                        _ => "The server takes the connection and closes it without a word.",
                    };
                    let remedy = "See whether the service behind the port runs and is not overloaded, and whether it refuses this machine's address.";
                    self.tell(&GREETING_NONE, what, remedy, Some(&said));
                }
            }
        }
        false
    }

    async fn speaks_tls(&self) -> bool {
        match self.again().await {
            Some(stream) => handshake::look(&self.endpoint, stream, &[&TLS13, &TLS12]).await.is_ok(),
            None => false,
        }
    }

    fn opened(&mut self) {
        self.done.is_open = true;
        self.done.endpoint = Some(self.endpoint.clone());
        let what = format!("{} answers.", name(self.port.server.protocol));
        self.done.findings.push(Finding::new(&PORT_OPEN, &self.subject, what));
    }

    fn no_starttls(&mut self, words: &[String]) {
        let what = what_for(&self.port.server);
        // A box on the way that does not want TLS overwrites the word: XXXXXXXX, or XXXXXXXA.
        let is_overwritten =
            |word: &String| word.len() >= 4 && word.bytes().rev().skip(1).all(|byte| byte == b'X');
        let is_stripped = words.iter().any(is_overwritten);
        let finding = if is_stripped {
            let what = "Something between here and the server has overwritten the offer of TLS: all that is said can be read and changed on the way.";
            let remedy = "Find the firewall that inspects SMTP (\"fixup\", \"inspect esmtp\") and switch that off; use ports 465 and 993, where nothing can be taken away.";
            Finding::new(&STARTTLS_STRIPPED, &self.subject, what).with_remedy(remedy)
        } else {
            let what = format!(
                "The server does not offer TLS (STARTTLS): {what} is readable by everyone on the way, and careful programs refuse."
            );
            let remedy = "Switch STARTTLS on, with a certificate. If it is on, something on the way takes the offer away.";
            Finding::new(&STARTTLS_MISSING, &self.subject, what).with_remedy(remedy)
        };
        let finding = finding.with_detail("offered", words.join(", "));
        self.done.findings.push(self.tempered(finding));
    }

    async fn offered_within_tls(&mut self, talk: &mut Talk) {
        match talk.offered().await {
            Said::Yes(words) => {
                let findings = offered::judge(&self.subject, self.port.server.protocol, &words);
                self.done.findings.extend(findings);
            }
            other => {
                let findings = offered::not_told(&self.subject, self.port.server.protocol, &other);
                self.done.findings.extend(findings);
            }
        }
    }

    /// The handshake failed: because the server is too old, or speaks no TLS.
    async fn no_handshake(&mut self, error: Error) {
        if let Some(chosen) = self.old_version().await {
            let version = version(chosen.version);
            let what = format!(
                "The server speaks no newer version of TLS than {version}, which is broken: programs of today refuse to connect."
            );
            let remedy = "Bring the server and its TLS library up to date, and switch TLS 1.2 and 1.3 on.";
            self.tell(&TLS_OLD_ONLY, what, remedy, None);
            return;
        }
        if self.port.server.security == Security::implicit_tls() {
            if let Some(stream) = self.again().await {
                let said = self.talk(stream).greeting().await;
                if matches!(said, Said::Yes(_) | Said::No(_) | Said::Strange(_)) {
                    let what = "This is a port for TLS from the first byte, and the server begins in clear.";
                    let remedy =
                        "Switch TLS from the first byte on for this port (\"wrapper mode\", \"ssl = yes\").";
                    self.tell(&TLS_NOT_SPOKEN, what, remedy, Some(&said));
                    return;
                }
            }
        }
        let what = "The handshake of TLS fails: no program can connect.";
        let remedy = "See in the server's log why: mostly its certificate or key cannot be read, or no version or cipher is in common.";
        let finding =
            Finding::new(&TLS_FAILS, &self.subject, what).with_remedy(remedy).with_detail("error", error);
        self.done.findings.push(self.tempered(finding));
    }

    /// The newest of the old versions that the server takes.
    async fn old_version(&self) -> Option<Chosen> {
        for version in [legacy::TLS_1_1, legacy::TLS_1_0] {
            let chosen = self.ask(Question::Version(version)).await;
            if chosen.is_some_and(|chosen| chosen.version <= legacy::TLS_1_1) {
                return chosen;
            }
        }
        None
    }

    /// A broken suite that the server takes.
    async fn broken_suite(&self) -> Option<Chosen> {
        for integers in [true, false] {
            let chosen = self.ask(Question::BrokenSuites { integers }).await;
            if chosen.is_some_and(|chosen| chosen.version == legacy::TLS_1_2) {
                return chosen;
            }
        }
        None
    }

    async fn ask(&self, question: Question) -> Option<Chosen> {
        let mut stream = self.again_to_tls().await?;
        legacy::ask(&mut stream, question, &self.port.server.host, self.doctor.options.timeout).await
    }

    /// What TLS is like there: the certificate, versions, ciphers.
    async fn tls(&mut self, shown: Shown, verified: Result<(), Error>) {
        let case = Case {
            subject: &self.subject,
            host: &self.port.server.host,
            shown: &shown,
            verified: verified.as_ref().copied(),
            now: SystemTime::now(),
            soon: self.doctor.options.certificate_days,
        };
        let findings = case.judge();
        // Of what is stapled rustls thinks nothing; nobody should log in by a key that may be stolen.
        let is_revoked = findings.iter().any(|finding| finding.check == CERTIFICATE_REVOKED.name);
        self.done.is_verified = verified.is_ok() && !is_revoked;
        let findings: Vec<_> = findings.into_iter().map(|finding| self.tempered(finding)).collect();
        self.done.findings.extend(findings);
        self.done.chain.clone_from(&shown.chain);
        if let Some(old) = self.old_version().await {
            let version = version(old.version);
            let what = format!("The server still takes {version}, which is broken (RFC 8996).");
            self.tell(&TLS_OLD, what, "Switch TLS 1.0 and 1.1 off.", None);
        }
        if let Some(broken) = self.broken_suite().await {
            let what = "The server takes a cipher that is broken, if somebody asks for it.";
            let remedy = "Leave the server nothing but ciphers with AES-GCM or ChaCha20 and ECDHE.";
            let finding = Finding::new(&CIPHERS_BROKEN, &self.subject, what).with_remedy(remedy);
            self.done.findings.push(self.tempered(finding.with_detail("cipher", broken)));
        }
        self.versions(&shown).await;
    }

    async fn versions(&mut self, shown: &Shown) {
        let mut versions = Vec::new();
        let spoken = |version: Option<ProtocolVersion>, suite: Option<&str>| {
            let version = if version == Some(ProtocolVersion::TLSv1_3) { "TLS 1.3" } else { "TLS 1.2" };
            format!("{version} with {}", suite.unwrap_or("an unknown cipher"))
        };
        versions.push(spoken(shown.version, shown.suite));
        if shown.version == Some(ProtocolVersion::TLSv1_3) {
            if let Some(stream) = self.again_to_tls().await {
                if let Ok((_, older)) = handshake::look(&self.endpoint, stream, &[&TLS12]).await {
                    versions.push(spoken(older.version, older.suite));
                }
            }
        }
        let what = format!("The server speaks {}.", versions.join(", and "));
        self.done.findings.push(Finding::new(&TLS_VERSIONS, &self.subject, what));
    }
}

const fn version(number: u16) -> &'static str {
    if number == legacy::TLS_1_1 { "TLS 1.1" } else { "TLS 1.0 or older" }
}

/// The protocol's name for people.
pub(super) const fn name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Imap => "IMAP",
        Protocol::Pop3 => "POP3",
        Protocol::Submission => "SMTP for sending (submission)",
        _ => "SMTP",
    }
}
