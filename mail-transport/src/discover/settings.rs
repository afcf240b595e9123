//! What is found: servers, and how far they can be trusted.

use std::fmt;

use crate::{Account, Endpoint, Protocol, Security, dns::is_within};

/// A server that may be an address's, with how to log in there.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use mailwire_transport::discover::Discovery;
///
/// let discovered = Discovery::new()?.discover("anna@example.org").await?;
/// let mut settings = discovered.incoming().next().ok_or("nothing was found")?.clone();
/// if let Some(doubt) = settings.doubt() {
///     // Show the host to the user, and ask.
///     println!("{}: {doubt}", settings.host);
///     settings = settings.confirmed();
/// }
/// let account = settings.account()?.with_password("secret");
/// # let _ = account;
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// What it speaks: IMAP, POP3 or submission.
    pub protocol: Protocol,
    /// Its host, in ASCII.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected: always by TLS.
    pub security: Security,
    /// Who logs in there. If that fails, the part of the address before the @ may do ([RFC 6186 section
    /// 4](https://www.rfc-editor.org/rfc/rfc6186#section-4)).
    pub user: String,
    /// How one may log in, the best first as the provider sees it; empty where nobody told.
    pub authentication: Vec<Authentication>,
    /// Where OAuth tokens come from, if somebody told.
    pub oauth: Option<OAuth>,
    /// The provider's name for people.
    pub provider: Option<String>,
    /// Where it was found, the most trustworthy place first.
    pub found: Vec<Found>,
    /// Whether it was tried.
    pub checked: Checked,
    pub(super) is_within_domain: bool,
    pub(super) is_confirmed: bool,
    /// The wish of whoever told: lower is better.
    pub(super) order: u32,
}

impl Settings {
    /// A server that somebody told of. The host is as `dns::host_name` makes it.
    pub(super) fn new(
        (protocol, security): (Protocol, Security),
        host: String,
        port: u16,
        address: &super::Address<'_>,
        found: Found,
    ) -> Self {
        Self {
            protocol,
            is_within_domain: is_within(&host, &address.domain),
            host,
            port,
            security,
            user: address.text.to_owned(),
            authentication: Vec::new(),
            oauth: None,
            provider: None,
            found: vec![found],
            checked: Checked::NotTried,
            is_confirmed: false,
            order: 0,
        }
    }

    /// Returns why the user has to be asked before anything of worth is sent to this server; `None` where there is no need to.
    ///
    /// A server below the domain of the address can be had by everyone who may say what is there. Any other needs a signature
    /// (DNSSEC), or this crate's own table, to be the domain's ([RFC 6186 section
    /// 6](https://www.rfc-editor.org/rfc/rfc6186#section-6), [RFC 8314 section
    /// 5.1](https://www.rfc-editor.org/rfc/rfc8314#section-5.1)); and one that was guessed needs somebody who knows.
    #[must_use]
    pub fn doubt(&self) -> Option<Doubt> {
        if self.is_confirmed {
            return None;
        }
        let doubts = |found: &Found| match found.trust {
            Trust::Dnssec | Trust::Table => None,
            Trust::Https | Trust::Plain if self.is_within_domain => None,
            Trust::Https | Trust::Plain => Some(Doubt::OtherDomain),
            Trust::Guess => Some(Doubt::Guessed),
        };
        self.found.iter().map(doubts).min().unwrap_or(Some(Doubt::Guessed))
    }

    /// The user has seen the host and says that it is the right one: [`doubt`](Self::doubt) is gone.
    #[must_use]
    pub fn confirmed(mut self) -> Self {
        self.is_confirmed = true;
        self
    }

    /// Returns the server, for a client.
    ///
    /// # Errors
    ///
    /// There is a [`doubt`](Self::doubt).
    pub fn endpoint(&self) -> Result<Endpoint, Doubt> {
        match self.doubt() {
            Some(doubt) => Err(doubt),
            None => Ok(self.unconfirmed_endpoint()),
        }
    }

    /// Returns the account, with its user, for [`with_password`](Account::with_password) and the like.
    ///
    /// # Errors
    ///
    /// There is a [`doubt`](Self::doubt).
    pub fn account(&self) -> Result<Account, Doubt> {
        Ok(Account::new(self.protocol, self.endpoint()?).with_user(self.user.clone()))
    }

    /// Whether mail is read there; sent, otherwise.
    #[must_use]
    pub const fn is_incoming(&self) -> bool {
        matches!(self.protocol, Protocol::Imap | Protocol::Pop3)
    }

    /// The server, for a look without credentials.
    pub(super) fn unconfirmed_endpoint(&self) -> Endpoint {
        Endpoint::tcp(self.host.clone(), self.port, self.security)
    }

    /// How far the best place where it was found can be trusted.
    pub(super) fn trust(&self) -> Trust {
        self.found.first().map_or(Trust::Guess, |found| found.trust)
    }

    /// Whether it is the same server, reached in the same way.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (self.protocol, self.port, self.security) == (other.protocol, other.port, other.security)
            && self.host == other.host
    }

    /// Takes over what another place says of the same server: from the more trustworthy one, what only one says from either.
    pub(super) fn merge(&mut self, mut other: Self) {
        if (other.trust(), other.found.first().map(|found| found.source))
            < (self.trust(), self.found.first().map(|found| found.source))
        {
            std::mem::swap(self, &mut other);
        }
        self.found.extend(other.found);
        self.found.sort_by_key(|found| (found.trust, found.source));
        self.found.dedup();
        if self.authentication.is_empty() {
            self.authentication = other.authentication;
            self.oauth = self.oauth.take().or(other.oauth);
        }
        self.provider = self.provider.take().or(other.provider);
        if self.checked == Checked::NotTried {
            self.checked = other.checked;
        }
    }

    /// Whether it may be connected to before the user was asked: not where nothing but DNS without signatures leads out of the
    /// domain ([RFC 6186 section 6](https://www.rfc-editor.org/rfc/rfc6186#section-6)).
    pub(super) fn may_be_tried(&self) -> bool {
        self.doubt() != Some(Doubt::OtherDomain) || self.found.iter().any(|found| found.trust != Trust::Plain)
    }
}

/// As people read it: `IMAP at mail.example.org:993 with TLS`.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}:{} with {}", self.protocol, self.host, self.port, self.security)
    }
}

/// Where a server was found.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// By which of the ways.
    pub source: Source,
    /// The name in DNS, the URL, or what else it was.
    pub place: String,
    /// How far that can be trusted.
    pub trust: Trust,
}

impl Found {
    /// Makes a place.
    #[must_use]
    pub fn new(source: Source, place: impl Into<String>, trust: Trust) -> Self {
        Self { source, place: place.into(), trust }
    }
}

/// The ways to find servers. In this order one is preferred to another that is trusted as far.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// SRV records ([RFC 6186](https://www.rfc-editor.org/rfc/rfc6186), [RFC
    /// 8314](https://www.rfc-editor.org/rfc/rfc8314#section-5.1)).
    Srv,
    /// The provider's [autoconfig](https://datatracker.ietf.org/doc/draft-ietf-mailmaint-autoconfig/) document.
    Autoconfig,
    /// The provider's PACC document (draft-bucksch-mailmaint-pacc).
    Pacc,
    /// The provider's Autodiscover, as far as it tells of IMAP, POP3 and SMTP.
    Autodiscover,
    /// A table of large providers in this crate: [`KNOWN`](super::KNOWN).
    Known,
    /// A database of many providers' autoconfig documents.
    Ispdb,
    /// Names and ports that many have.
    Guess,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Srv => "SRV",
            Self::Autoconfig => "autoconfig",
            Self::Pacc => "PACC",
            Self::Autodiscover => "Autodiscover",
            Self::Known => "known provider",
            Self::Ispdb => "ISPDB",
            Self::Guess => "guess",
        })
    }
}

/// How far a place can be trusted to speak for the domain of the address.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trust {
    /// Signatures from the root of DNS down to the domain prove it (DNSSEC).
    Dnssec,
    /// It stands in this crate's own table.
    Table,
    /// A host whose name is derived from the domain said so, and proved by its certificate to be that host; or the database
    /// that the caller chose did.
    Https,
    /// DNS without signatures said so, or led to whoever did: anybody on the way can have made it up.
    Plain,
    /// Nobody said so.
    Guess,
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dnssec => "signed (DNSSEC)",
            Self::Table => "of a table",
            Self::Https => "over HTTPS",
            Self::Plain => "not protected",
            Self::Guess => "guessed",
        })
    }
}

/// Why a user has to be asked before a server is used.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Doubt {
    /// The server belongs to another domain than the address.
    #[error(
        "the server is in another domain than the address, and no signature proves that it is the right one"
    )]
    OtherDomain,
    /// Nobody told of it.
    #[error("the server was guessed")]
    Guessed,
}

/// Whether a server was tried: connected to, with TLS and a verified certificate, up to its greeting, without credentials.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// It was not: there was no time, the caller wants none tried, or the user has to be asked before.
    NotTried,
    /// It answers.
    Answers,
    /// It does not, and why.
    Fails(String),
}

/// How one may log in to a server.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// With a password, which the server sees, within TLS.
    Password,
    /// With a proof of a password: SCRAM, CRAM-MD5.
    Proof,
    /// With an OAuth token.
    OAuth2,
    /// With a certificate of the client.
    ClientCertificate,
    /// With Kerberos.
    Gssapi,
    /// With NTLM, of Windows domains.
    Ntlm,
    /// By the address that the client connects from.
    ClientAddress,
    /// By this SASL mechanism.
    Sasl(String),
}

/// Where OAuth tokens come from ([RFC 6749](https://www.rfc-editor.org/rfc/rfc6749)). What the user is shown there stands at the
/// hosts of these URLs: show those, too.
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OAuth {
    /// Who issues them: a host or a URL ([RFC 8414 section 2](https://www.rfc-editor.org/rfc/rfc8414#section-2)).
    pub issuer: Option<String>,
    /// Where the user allows it: an `https` URL.
    pub authorization_url: Option<String>,
    /// Where tokens are handed out: an `https` URL.
    pub token_url: Option<String>,
    /// What to ask for.
    pub scopes: Vec<String>,
}
