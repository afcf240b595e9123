//! What became of a message.

use std::fmt;

use mailwire_core::{Misuse, NotOffered};
use mailwire_smtp::{ForwardPath, Rcpt, Reply};

use crate::{Error, RefusedKind};

/// What became of a message, for each recipient.
#[must_use = "what is deferred is for the caller to keep"]
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct Report {
    /// The recipients, in the order of the envelope.
    pub recipients: Vec<Recipient>,
    /// What came of TLS, for reports to the domains' owners ([RFC 8460](https://www.rfc-editor.org/rfc/rfc8460)): one for each
    /// session whose host has TLSA records or whose domain has a policy, and for each policy and proof that cannot be had.
    pub tls: Vec<TlsResult>,
}

impl Report {
    pub(super) fn new(recipients: &[Rcpt]) -> Self {
        let lost = || Reason::new("4.3.0", "it was not tried");
        let recipients = recipients.iter().map(|rcpt| Recipient {
            address: rcpt.to.clone(),
            status: Status::Deferred(lost()),
            host: None,
            reports_end: false,
        });
        Self { recipients: recipients.collect(), tls: Vec::new() }
    }

    pub(super) fn set(&mut self, index: usize, status: Status) {
        if let Some(recipient) = self.recipients.get_mut(index) {
            recipient.status = status;
        }
    }

    /// Of one who was tried.
    pub(super) fn said(&mut self, said: Said) {
        let Said { index, status, host, reports_end } = said;
        if let Some(recipient) = self.recipients.get_mut(index) {
            (recipient.status, recipient.host, recipient.reports_end) = (status, host, reports_end);
        }
    }

    /// Whether all recipients have the message.
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        self.recipients.iter().all(|recipient| matches!(recipient.status, Status::Delivered(_)))
    }
}

/// A recipient, and what became of the message for it.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct Recipient {
    /// The address.
    pub address: ForwardPath,
    /// What became of the message.
    pub status: Status,
    /// The host that said so, if one did.
    pub host: Option<String>,
    /// Whether the host has taken the message without the reports that the envelope asks for, as it does not offer DSN and they
    /// are [left out](crate::smtp::Config::missing_dsn): a sender who wants to hear of success is to be told that the message
    /// was relayed ([RFC 3461 section 5.2.2](https://www.rfc-editor.org/rfc/rfc3461#section-5.2.2)).
    pub reports_end: bool,
}

/// What was said of the recipient of this number in the envelope, and by whom.
pub(super) struct Said {
    pub(super) index: usize,
    pub(super) status: Status,
    pub(super) host: Option<String>,
    pub(super) reports_end: bool,
}

/// What became of a message for a recipient.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub enum Status {
    /// The next host has it, with its reply.
    Delivered(Reply),
    /// Not now: to be tried again.
    Deferred(Reason),
    /// For good.
    Failed(Reason),
    /// It was sent to its end, and the connection lost before the answer: the host may have it. Trying again can double it.
    InDoubt(Reason),
}

/// Why a message is not delivered.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct Reason {
    /// The enhanced status code ([RFC 3463](https://www.rfc-editor.org/rfc/rfc3463)): the server's, or one of this side's.
    pub code: String,
    /// What happened, in words.
    pub text: String,
    /// The server's reply, if it gave one.
    pub reply: Option<Reply>,
}

impl Reason {
    pub(super) fn new(code: &str, text: impl fmt::Display) -> Self {
        Self { code: code.to_owned(), text: text.to_string(), reply: None }
    }

    /// What an error says of a message: that of a server that refused it, does not offer what it needs, or could not be reached.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        let refused = error.refused().filter(|refused| matches!(refused.kind, RefusedKind::Smtp(_)));
        let reply = refused.and_then(|refused| refused.reply());
        let code = refused.and_then(|refused| refused.code.as_ref()?.as_str().map(str::to_owned));
        let code = code.unwrap_or_else(|| own_code(error).to_owned());
        Self { code, text: error.to_string(), reply }
    }

    /// Whether the server delays what it does not know yet, so that trying again in a quarter of an hour will do.
    #[must_use]
    pub fn is_greylisting(&self) -> bool {
        self.reply.as_ref().is_some_and(Reply::is_greylisting)
    }
}

/// The code where the server gave none ([RFC 3463](https://www.rfc-editor.org/rfc/rfc3463)).
fn own_code(error: &Error) -> &'static str {
    match error {
        // A server that does not tell more: section 3.8.
        Error::Refused(refused) if !refused.is_transient() => "5.0.0",
        Error::Refused(_) => "4.0.0",
        // RFC 8689 section 4.2.1.
        Error::Misuse(Misuse::NotOffered(NotOffered::Extension(what))) if what.starts_with("REQUIRETLS") => {
            "5.7.30"
        }
        Error::Misuse(_) | Error::Invalid(_) => "5.6.0",
        _ => "4.4.2",
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

/// What came of TLS in one session, or of a domain's policy.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsResult {
    /// The domain whose policy it is about.
    pub domain: String,
    /// The kind of policy.
    pub policy: TlsPolicy,
    /// The host, if it is about a session.
    pub host: Option<String>,
    /// What failed; `None` for a session that is as the policy wants it.
    pub failure: Option<TlsFailure>,
    /// More about it, for people.
    pub detail: Option<String>,
}

impl TlsResult {
    pub(super) fn of_policy(domain: &str, (failure, detail): (TlsFailure, String)) -> Self {
        let (policy, failure, detail) = (TlsPolicy::Sts, Some(failure), Some(detail));
        Self { domain: domain.to_owned(), policy, host: None, failure, detail }
    }

    pub(super) fn of_host(
        domain: &str,
        policy: TlsPolicy,
        host: &str,
        failure: Option<(TlsFailure, String)>,
    ) -> Self {
        let (failure, detail) = failure.unzip();
        Self { domain: domain.to_owned(), policy, host: Some(host.to_owned()), failure, detail }
    }
}

/// The kinds of policies ([RFC 8460 section 4.4](https://www.rfc-editor.org/rfc/rfc8460#section-4.4), "policy-type"). Displays
/// as it is called there.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsPolicy {
    /// TLSA records of the host.
    Tlsa,
    /// A policy of the domain (MTA-STS).
    Sts,
}

impl fmt::Display for TlsPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tlsa => "tlsa",
            Self::Sts => "sts",
        })
    }
}

/// What fails about TLS ([RFC 8460 section 4.3](https://www.rfc-editor.org/rfc/rfc8460#section-4.3), "result-type"). Displays as it
/// is called there.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsFailure {
    /// The host does not offer STARTTLS.
    StarttlsNotSupported,
    /// The certificate is for another host.
    CertificateHostMismatch,
    /// The certificate has expired.
    CertificateExpired,
    /// The certificate is of nobody who is trusted.
    CertificateNotTrusted,
    /// Anything else of TLS: a host that the policy does not name, a certificate that no TLSA record is for.
    ValidationFailure,
    /// None of the TLSA records can be used.
    TlsaInvalid,
    /// What proves the hosts' records (DNSSEC) is wrong, or the records cannot be had.
    DnssecInvalid,
    /// [Options](super::Options::dane_required) want TLSA records, and the host has none.
    DaneRequired,
    /// The policy cannot be fetched.
    StsPolicyFetchError,
    /// The policy cannot be read.
    StsPolicyInvalid,
    /// The policy's host has no certificate that can be verified.
    StsWebpkiInvalid,
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StarttlsNotSupported => "starttls-not-supported",
            Self::CertificateHostMismatch => "certificate-host-mismatch",
            Self::CertificateExpired => "certificate-expired",
            Self::CertificateNotTrusted => "certificate-not-trusted",
            Self::ValidationFailure => "validation-failure",
            Self::TlsaInvalid => "tlsa-invalid",
            Self::DnssecInvalid => "dnssec-invalid",
            Self::DaneRequired => "dane-required",
            Self::StsPolicyFetchError => "sts-policy-fetch-error",
            Self::StsPolicyInvalid => "sts-policy-invalid",
            Self::StsWebpkiInvalid => "sts-webpki-invalid",
        })
    }
}
