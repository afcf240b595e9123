//! What an examination comes to: findings, and the report of them.

use std::fmt;

use super::Check;

/// How bad a finding is.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It is as it should be.
    Good,
    /// Nothing is wrong, but it is of use to know.
    Note,
    /// It works, and could fail or harm somebody one day.
    Warning,
    /// Something does not work, or is not safe.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// What a finding is about. In this order they are told.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// Whether programs find the servers of the address.
    Discovery,
    /// Whether the servers can be reached, and speak what they should.
    Ports,
    /// TLS and certificates.
    Tls,
    /// Logging in.
    Login,
    /// What servers offer.
    Capabilities,
    /// The records of the domain in DNS.
    Records,
    /// The test message.
    Delivery,
    /// Which protocol is for which use.
    Advice,
}

impl Section {
    /// All of them, in their order.
    pub const ALL: [Self; 8] = [
        Self::Discovery,
        Self::Ports,
        Self::Tls,
        Self::Login,
        Self::Capabilities,
        Self::Records,
        Self::Delivery,
        Self::Advice,
    ];
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Discovery => "discovery",
            Self::Ports => "ports",
            Self::Tls => "TLS",
            Self::Login => "login",
            Self::Capabilities => "capabilities",
            Self::Records => "records",
            Self::Delivery => "delivery",
            Self::Advice => "advice",
        })
    }
}

/// One thing that was found, good or bad. It has one cause.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which of the [checks](super::checks()), by its name: `certificate-expired`. Names stay as they are.
    pub check: &'static str,
    /// What it is about.
    pub section: Section,
    /// How bad it is.
    pub severity: Severity,
    /// Whom it is about: a server such as `mail.example.org:993`, a host, or a domain.
    pub subject: String,
    /// What was found, in plain words: one sentence or two.
    pub what: String,
    /// What to do about it, if there is anything to do.
    pub remedy: Option<String>,
    /// More for those who want to know: what was asked, what was answered, as names and values.
    pub details: Vec<(String, String)>,
}

impl Finding {
    /// Makes a finding of a check, as bad as the check usually is.
    #[must_use]
    pub fn new(check: &Check, subject: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            check: check.name,
            section: check.section,
            severity: check.severity,
            subject: subject.into(),
            what: what.into(),
            remedy: None,
            details: Vec::new(),
        }
    }

    /// Sets how bad it is, where that is not as usual.
    #[must_use]
    pub const fn with_severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Sets what to do about it.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Adds a detail. Of what a server or a record said no more than 1000 bytes are kept, and no control characters.
    #[must_use]
    pub fn with_detail(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.details.push((name.into(), shown(&value.to_string())));
        self
    }

    /// Returns the host, or domain, that it is about: the subject without a port.
    #[must_use]
    pub fn host(&self) -> &str {
        match self.subject.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => &self.subject,
        }
    }
}

/// `error: mail.example.org:993: the certificate has expired`, in one line.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.severity, self.subject, self.what)
    }
}

/// Words of a stranger, as they can be shown: not too many, and nothing that a terminal would obey.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 1000;
    let mut shown = String::new();
    for letter in text.chars() {
        if shown.len() >= MOST {
            shown.push('…');
            break;
        }
        let is_hidden = letter.is_control()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        shown.push(if is_hidden { '\u{fffd}' } else { letter });
    }
    shown
}

/// All that an examination has found.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The address that was examined.
    pub address: String,
    /// Its domain, as DNS has it.
    pub domain: String,
    /// The servers that were examined.
    pub servers: Vec<super::Server>,
    /// The hosts that take the domain's mail, the preferred ones first.
    pub hosts: Vec<String>,
    /// The findings, by section.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) const fn new(address: String, domain: String) -> Self {
        Self { address, domain, servers: Vec::new(), hosts: Vec::new(), findings: Vec::new() }
    }

    /// Returns how bad the worst finding is; good, where there is none.
    #[must_use]
    pub fn worst(&self) -> Severity {
        self.findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Good)
    }

    /// Returns the findings of a section.
    pub fn section(&self, section: Section) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.section == section)
    }

    /// Returns the findings that are at least so bad.
    pub fn at_least(&self, severity: Severity) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.severity >= severity)
    }

    /// Takes out what follows from something else that is told, tells once what is the same at several ports of a host, and
    /// brings all into its order.
    pub(super) fn arrange(&mut self) {
        let all = std::mem::take(&mut self.findings);
        let follows = |finding: &Finding| {
            super::checks::FOLLOWS.iter().any(|(cause, consequence)| {
                let is_cause = |other: &Finding| {
                    other.check == *cause && [finding.host(), &finding.subject].contains(&&*other.subject)
                };
                *consequence == finding.check && all.iter().any(is_cause)
            })
        };
        for finding in all.iter().filter(|finding| !follows(finding)) {
            let is_same = |known: &&mut Finding| {
                known.check == finding.check && known.what == finding.what && known.host() == finding.host()
            };
            match self.findings.iter_mut().find(is_same) {
                Some(known) => {
                    known.severity = known.severity.max(finding.severity);
                    known.details.push(("also at".into(), finding.subject.clone()));
                }
                None => self.findings.push(finding.clone()),
            }
        }
        self.findings.sort_by_key(|finding| finding.section);
    }
}
