//! What is looked up in DNS, by whichever [`Resolver`]: [`DnsResolver`] is the default.
//!
//! ```no_run
//! # async fn example() -> Result<(), mailwire_transport::dns::DnsError> {
//! use mailwire_transport::dns::{DnsResolver, RecordType, Resolver};
//!
//! let resolver = DnsResolver::system()?;
//! let answer = resolver.lookup("example.org", RecordType::Mx).await?;
//! for mx in answer.mx() {
//!     println!("{} {}", mx.preference, mx.exchange);
//! }
//! # Ok(())
//! # }
//! ```

mod hickory;
#[cfg(feature = "discover")]
mod order;

use std::{fmt, future::Future, net::IpAddr, sync::Arc};

pub use self::hickory::DnsResolver;
#[cfg(feature = "discover")]
pub(crate) use self::order::srv_in_order;
use crate::domain_to_ascii;

/// Looks up DNS records: [`DnsResolver`], or one of an application's own, which has a cache, another transport or a script.
pub trait Resolver: Send + Sync {
    /// Looks up the records of a type that a name has, after its aliases (CNAME) were followed. The name is in ASCII, and
    /// absolute whether it ends in a dot or not.
    ///
    /// A name that does not exist, or has no such record, has an empty answer.
    ///
    /// # Errors
    ///
    /// Nobody answered, or not in a way that can be used; or the answer's signatures are wrong (DNSSEC). Whether there is such
    /// a record is not known then.
    fn lookup(
        &self,
        name: &str,
        record_type: RecordType,
    ) -> impl Future<Output = Result<Answer, DnsError>> + Send;

    /// Whether it verifies signatures (DNSSEC): if not, that an answer is not [authenticated](Answer::authenticated) says nothing about
    /// whether it is signed. False, unless a resolver says otherwise.
    fn verifies_signatures(&self) -> bool {
        false
    }
}

impl<R: Resolver + ?Sized> Resolver for Arc<R> {
    fn lookup(
        &self,
        name: &str,
        record_type: RecordType,
    ) -> impl Future<Output = Result<Answer, DnsError>> + Send {
        (**self).lookup(name, record_type)
    }

    fn verifies_signatures(&self) -> bool {
        (**self).verifies_signatures()
    }
}

impl<R: Resolver + ?Sized> Resolver for &R {
    fn lookup(
        &self,
        name: &str,
        record_type: RecordType,
    ) -> impl Future<Output = Result<Answer, DnsError>> + Send {
        (**self).lookup(name, record_type)
    }

    fn verifies_signatures(&self) -> bool {
        (**self).verifies_signatures()
    }
}

/// The types of records that are looked up here.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordType {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// The name that a name is an alias of, one step, which all other look-ups follow by themselves.
    Cname,
    /// Who takes a domain's mail ([RFC 5321 section 5.1](https://www.rfc-editor.org/rfc/rfc5321#section-5.1)).
    Mx,
    /// The name of an address ([RFC 1035 section 3.5](https://www.rfc-editor.org/rfc/rfc1035#section-3.5)).
    Ptr,
    /// Where a service is ([RFC 2782](https://www.rfc-editor.org/rfc/rfc2782)).
    Srv,
    /// Certificates that a service has ([RFC 6698](https://www.rfc-editor.org/rfc/rfc6698)).
    Tlsa,
    /// Texts of any kind.
    Txt,
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Mx => "MX",
            Self::Ptr => "PTR",
            Self::Srv => "SRV",
            Self::Tlsa => "TLSA",
            Self::Txt => "TXT",
        })
    }
}

/// The records that a name has.
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The records, in no order that means anything.
    pub records: Vec<Record>,
    /// Whether signatures prove all of it, with each alias on the way, from the root down (DNSSEC). Without, whoever is on the
    /// way could have made it up.
    pub authenticated: bool,
    /// The name that has the records, small and without a final dot, where what was asked for is an alias of it.
    pub alias_of: Option<String>,
}

impl Answer {
    /// An answer that nothing proves.
    #[must_use]
    pub const fn new(records: Vec<Record>) -> Self {
        Self { records, authenticated: false, alias_of: None }
    }

    /// Sets whether signatures prove it.
    #[must_use]
    pub const fn with_authenticated(mut self, authenticated: bool) -> Self {
        self.authenticated = authenticated;
        self
    }

    /// Sets the name that has the records, where what was asked for is an alias.
    #[must_use]
    pub fn with_alias_of(mut self, name: impl Into<String>) -> Self {
        self.alias_of = Some(name.into());
        self
    }

    /// Returns the addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.records.iter().filter_map(|record| match record {
            Record::Address(address) => Some(*address),
            _ => None,
        })
    }

    /// Returns the MX records.
    pub fn mx(&self) -> impl Iterator<Item = &Mx> {
        self.records.iter().filter_map(|record| match record {
            Record::Mx(mx) => Some(mx),
            _ => None,
        })
    }

    /// Returns the names of addresses (PTR).
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.records.iter().filter_map(|record| match record {
            Record::Ptr(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Returns the SRV records.
    pub fn srv(&self) -> impl Iterator<Item = &Srv> {
        self.records.iter().filter_map(|record| match record {
            Record::Srv(srv) => Some(srv),
            _ => None,
        })
    }

    /// Returns the TLSA records.
    pub fn tlsa(&self) -> impl Iterator<Item = &Tlsa> {
        self.records.iter().filter_map(|record| match record {
            Record::Tlsa(tlsa) => Some(tlsa),
            _ => None,
        })
    }

    /// Returns the texts, each of one record.
    pub fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.records.iter().filter_map(|record| match record {
            Record::Txt(text) => Some(text.as_slice()),
            _ => None,
        })
    }
}

/// A record.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A or AAAA.
    Address(IpAddr),
    /// CNAME: the name that the other is an alias of.
    Cname(String),
    /// MX: a host that takes mail.
    Mx(Mx),
    /// PTR: the name of an address, without a final dot.
    Ptr(String),
    /// SRV: where a service is.
    Srv(Srv),
    /// TLSA: what a certificate has to be.
    Tlsa(Tlsa),
    /// TXT, its strings one after the other.
    Txt(Vec<u8>),
}

/// A host that takes a domain's mail.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mx {
    /// Lower ones are tried before higher ones.
    pub preference: u16,
    /// The host, without a final dot. The root, `.`, is [no host](https://www.rfc-editor.org/rfc/rfc7505): the domain takes no
    /// mail.
    pub exchange: String,
}

impl Mx {
    /// Makes an MX record.
    #[must_use]
    pub fn new(preference: u16, exchange: impl Into<String>) -> Self {
        Self { preference, exchange: exchange.into() }
    }
}

/// Where a service is.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Srv {
    /// Lower ones are tried before higher ones.
    pub priority: u16,
    /// How large the share of this one is among those of its priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host, without a final dot. The root, `.`, is no host: the service is decidedly not there.
    pub target: String,
}

impl Srv {
    /// Makes an SRV record.
    #[must_use]
    pub fn new(priority: u16, weight: u16, port: u16, target: impl Into<String>) -> Self {
        Self { priority, weight, port, target: target.into() }
    }
}

/// A certificate, or key, that a service has, by the numbers of [RFC 6698 section
/// 2.1](https://www.rfc-editor.org/rfc/rfc6698#section-2.1).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tlsa {
    /// What the data are matched against: 2 is an authority's certificate, 3 the service's own.
    pub usage: u8,
    /// 0: the whole certificate; 1: its public key.
    pub selector: u8,
    /// 0: the data themselves; 1: their SHA-256; 2: their SHA-512.
    pub matching: u8,
    /// The data.
    pub data: Vec<u8>,
}

impl Tlsa {
    /// Makes a TLSA record.
    #[must_use]
    pub fn new(usage: u8, selector: u8, matching: u8, data: impl Into<Vec<u8>>) -> Self {
        Self { usage, selector, matching, data: data.into() }
    }
}

/// As in the file of a zone ([RFC 6698 section 2.2](https://www.rfc-editor.org/rfc/rfc6698#section-2.2)): `3 1 1 8cb0fc...`.
impl fmt::Display for Tlsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} ", self.usage, self.selector, self.matching)?;
        self.data.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A look-up that came to nothing: what is there is not known.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("DNS: {name}: {reason}")]
pub struct DnsError {
    /// The name and type that were asked for.
    pub name: String,
    /// Why it came to nothing.
    pub reason: String,
    /// Whether it is of the signatures (DNSSEC): what came is wrong, or was made up.
    pub bogus: bool,
}

impl DnsError {
    /// Makes an error of a look-up.
    #[must_use]
    pub fn new(name: &str, record_type: RecordType, reason: impl Into<String>) -> Self {
        Self { name: format!("{name} {record_type}"), reason: reason.into(), bogus: false }
    }

    /// Sets whether it is of the signatures.
    #[must_use]
    pub const fn with_bogus(mut self, bogus: bool) -> Self {
        self.bogus = bogus;
        self
    }
}

/// A text as the name of a host, which can be looked up and be in a certificate: in ASCII, small, without a final dot; `None`
/// for what is none, such as an address, a single label, or more than DNS takes.
pub(crate) fn host_name(text: &str) -> Option<String> {
    let ascii = domain_to_ascii(text.trim()).ok()?.to_ascii_lowercase();
    let name = ascii.strip_suffix('.').unwrap_or(&ascii);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_name = name.len() <= 253
        && name.contains('.')
        && name.split('.').all(is_label)
        && !last.bytes().all(|byte| byte.is_ascii_digit());
    is_name.then(|| name.to_owned())
}

/// Whether a host is a domain, or below it. Both are as [`host_name`] makes them.
#[cfg(feature = "discover")]
pub(crate) fn is_within(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_hosts() {
        let long = format!("{}.example", "a".repeat(64));
        let deep = "a.".repeat(130) + "example";
        for (text, name) in [
            ("Mail.Example.ORG.", Some("mail.example.org")),
            (" mail.example.org ", Some("mail.example.org")),
            ("a_b.example", Some("a_b.example")),
            ("localhost", None),
            (".", None),
            ("", None),
            ("192.0.2.1", None),
            ("::1", None),
            ("[::1]", None),
            ("a..example", None),
            ("-a.example", None),
            ("a b.example", None),
            ("a/b.example", None),
            ("a\r\nb.example", None),
            ("user@mail.example", None),
            (long.as_str(), None),
            (deep.as_str(), None),
        ] {
            assert_eq!(host_name(text).as_deref(), name, "{text:?}");
        }
        #[cfg(feature = "idn")]
        assert_eq!(host_name("mail.bücher.example").as_deref(), Some("mail.xn--bcher-kva.example"));
    }

    #[cfg(feature = "discover")]
    #[test]
    fn a_domain_ends_at_a_dot() {
        assert!(is_within("example.org", "example.org") && is_within("mail.example.org", "example.org"));
        assert!(
            !is_within("badexample.org", "example.org") && !is_within("example.org.evil.test", "example.org")
        );
        assert!(!is_within("org", "example.org"));
    }
}
