//! What DNS says about a host that takes mail: [RFC 7672 section 2.2](https://www.rfc-editor.org/rfc/rfc7672#section-2.2).

use std::net::IpAddr;

use crate::dns::{Answer, DnsError, RecordType, Resolver, Tlsa, host_name};

/// How many addresses of a host are tried.
const ADDRESSES: usize = 32;

/// A host that takes mail, as DNS has it.
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MxHost {
    /// The addresses, those of IPv6 first, in the order of their numbers.
    pub addresses: Vec<IpAddr>,
    /// Whether signatures prove the addresses (DNSSEC).
    pub authenticated: bool,
    /// The TLSA records, proved by signatures (DNSSEC); empty if there are none, or only such that nothing proves. With one that
    /// [can be used](super::Dane::is_usable), the host's certificate has to match; with any, it has to have TLS.
    pub tlsa: Vec<Tlsa>,
    /// The "TLSA base domain": the host's name, or the one that it is an alias of, whichever has the records. A client asks for the
    /// certificate of this name (SNI).
    pub tlsa_name: String,
}

impl MxHost {
    /// Looks up the addresses of a host, and, if signatures prove them, its TLSA records for this port (25 is the port of mail
    /// servers). An alias is followed; records of the name at its end go before those of the host's own.
    ///
    /// # Errors
    ///
    /// A look-up came to nothing, or the signatures are wrong. The host must not be used then: whoever can keep an answer away
    /// would take the records away ([RFC 7672 section 2.1.2](https://www.rfc-editor.org/rfc/rfc7672#section-2.1.2)).
    pub async fn find(resolver: &impl Resolver, host: &str, port: u16) -> Result<Self, DnsError> {
        let mut found = Self { tlsa_name: host.to_owned(), ..Self::default() };
        let alias_of = found.look_up_addresses(resolver, host).await?;
        found.look_up_tlsa(resolver, host, alias_of, port).await?;
        Ok(found)
    }

    /// Looks up nothing but the addresses.
    pub(super) async fn without_tlsa(resolver: &impl Resolver, host: &str) -> Result<Self, DnsError> {
        let mut found = Self { tlsa_name: host.to_owned(), ..Self::default() };
        found.look_up_addresses(resolver, host).await?;
        Ok(found)
    }

    /// Sets the addresses, and returns the name that the host is an alias of.
    async fn look_up_addresses(
        &mut self,
        resolver: &impl Resolver,
        host: &str,
    ) -> Result<Option<String>, DnsError> {
        let (six, four) =
            tokio::join!(resolver.lookup(host, RecordType::Aaaa), resolver.lookup(host, RecordType::A));
        let has_addresses = |answer: &Answer| answer.addresses().next().is_some();
        let answers: Vec<Answer> = match (six, four) {
            (Ok(six), Ok(four)) => vec![six, four],
            // Addresses of one family will do.
            (Ok(one), Err(_)) | (Err(_), Ok(one)) if has_addresses(&one) => vec![one],
            (Err(error), _) | (_, Err(error)) => return Err(error),
        };
        self.addresses = answers.iter().flat_map(Answer::addresses).take(ADDRESSES).collect();
        self.addresses.sort_unstable_by_key(|address| (address.is_ipv4(), *address));
        self.addresses.dedup();
        let with_some = || answers.iter().filter(|answer| has_addresses(answer));
        self.authenticated = with_some().any(|answer| answer.authenticated);
        Ok(with_some().find_map(|answer| host_name(answer.alias_of.as_deref()?)))
    }

    async fn look_up_tlsa(
        &mut self,
        resolver: &impl Resolver,
        host: &str,
        alias_of: Option<String>,
        port: u16,
    ) -> Result<(), DnsError> {
        let own = host.to_owned();
        let bases = match alias_of {
            Some(end) if self.authenticated => vec![end, own],
            None if self.authenticated => vec![own],
            // What it is an alias of is not signed; its own zone may be: RFC 7672 section 2.2.2.
            Some(_) => match resolver.lookup(host, RecordType::Cname).await? {
                alias if alias.authenticated && !alias.records.is_empty() => vec![own],
                _ => Vec::new(),
            },
            // Name servers of zones that are not signed often answer no such question.
            None => Vec::new(),
        };
        for base in bases {
            let answer = resolver.lookup(&format!("_{port}._tcp.{base}"), RecordType::Tlsa).await?;
            self.tlsa = if answer.authenticated { answer.tlsa().cloned().collect() } else { Vec::new() };
            if !self.tlsa.is_empty() {
                self.tlsa_name = base;
                break;
            }
        }
        Ok(())
    }
}
