//! The default resolver.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts},
    net::{DnsError as Refused, NetError, runtime::TokioRuntimeProvider},
    proto::{
        dnssec::{Algorithm, Proof, PublicKeyBuf, TrustAnchors},
        rr::{Name, RData, Record as Signed, RecordType as Type},
    },
};

use super::{Answer, DnsError, Mx, Record, RecordType, Resolver, Srv, Tlsa};

/// The resolver that is used if there is no other: hickory's, which asks the system's name servers, or those that it is told.
///
/// It keeps a few answers for as long as they are valid. Cheap to clone; clones share them.
#[derive(Clone)]
pub struct DnsResolver {
    config: ResolverConfig,
    options: ResolverOpts,
    anchors: Option<Arc<TrustAnchors>>,
    resolver: Result<TokioResolver, NetError>,
}

impl DnsResolver {
    /// Asks the name servers of the system, and believes what they say: no signature is looked at.
    ///
    /// # Errors
    ///
    /// The system's configuration (`/etc/resolv.conf`) cannot be read.
    pub fn system() -> Result<Self, DnsError> {
        let (config, options) = hickory_resolver::system_conf::read_system_conf().map_err(|error| {
            DnsError { name: "the system's name servers".into(), reason: error.to_string(), bogus: false }
        })?;
        Ok(Self::with(config, options, None))
    }

    /// Asks these name servers.
    #[must_use]
    pub fn of_servers(servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        let servers = servers.into_iter().map(|server| {
            let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
            connections.iter_mut().for_each(|connection| connection.port = server.port());
            NameServerConfig::new(server.ip(), true, connections)
        });
        Self::with(ResolverConfig::from_name_servers(servers.collect()), ResolverOpts::default(), None)
    }

    /// Sets how long each name server is waited for, at each of two attempts: 5 seconds, unless the system's configuration says
    /// otherwise.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = timeout;
        Self::with(self.config, self.options, self.anchors)
    }

    /// Verifies the signatures of each answer from the root down
    /// (DNSSEC, [RFC 4035](https://www.rfc-editor.org/rfc/rfc4035)), so that an answer can be
    /// [authenticated](Answer::authenticated), and one that is signed wrongly is an error. The name servers must hand
    /// signatures on, which those of some networks do not: nothing can be looked up there then.
    #[must_use]
    pub fn with_dnssec(mut self) -> Self {
        self.options.validate = true;
        // Each alias on the way has to be proved.
        self.options.preserve_intermediates = true;
        Self::with(self.config, self.options, self.anchors)
    }

    /// Trusts this key of the root (or of a zone), in place of those of the internet's root, and verifies the signatures of each
    /// answer: for a network with a root of its own, and for tests. `algorithm` is the [registered
    /// number](https://www.rfc-editor.org/rfc/rfc8624#section-3.1), `key` what a DNSKEY record has after it.
    #[must_use]
    pub fn with_trusted_key(mut self, algorithm: u8, key: impl Into<Vec<u8>>) -> Self {
        let mut anchors = TrustAnchors::empty();
        anchors.insert(&PublicKeyBuf::new(key.into(), Algorithm::from_u8(algorithm)));
        self.anchors = Some(Arc::new(anchors));
        self.with_dnssec()
    }

    fn with(config: ResolverConfig, options: ResolverOpts, anchors: Option<Arc<TrustAnchors>>) -> Self {
        let builder = TokioResolver::builder_with_config(config.clone(), TokioRuntimeProvider::default())
            .with_options(options.clone());
        let builder = match &anchors {
            Some(anchors) => builder.with_trust_anchor(anchors.clone()),
            None => builder,
        };
        Self { config, options, anchors, resolver: builder.build() }
    }
}

impl Resolver for DnsResolver {
    async fn lookup(&self, name: &str, record_type: RecordType) -> Result<Answer, DnsError> {
        let failed = |error: &dyn fmt::Display| DnsError::new(name, record_type, error.to_string());
        let mut absolute = Name::from_ascii(name).map_err(|error| failed(&error))?;
        // No name is looked for below the domain of this machine.
        absolute.set_fqdn(true);
        let asked = of(record_type);
        let resolver = self.resolver.as_ref().map_err(|error| failed(error))?;
        let lookup = match resolver.lookup(absolute.clone(), asked).await {
            Ok(lookup) => lookup,
            // Where signatures are verified, those that prove it have been.
            Err(error) if error.is_no_records_found() => return Ok(Answer::default()),
            Err(error) => return Err(failed(&error).with_bogus(is_bogus(&error))),
        };
        let chain = chain(lookup.answers(), &absolute, asked);
        let mut authenticated = self.options.validate && !chain.records.is_empty();
        for record in chain.aliases.iter().chain(&chain.records) {
            match record.proof {
                Proof::Bogus => return Err(failed(&"the signatures are wrong").with_bogus(true)),
                // Whether there should be signatures cannot be found out: RFC 7672 section 2.1.1.
                Proof::Indeterminate if self.options.validate => {
                    return Err(failed(&"the signatures cannot be had").with_bogus(true));
                }
                proof => authenticated &= proof == Proof::Secure,
            }
        }
        // That there is nothing has to be proved, too.
        if chain.records.is_empty() && self.options.validate {
            return Err(failed(&"the answer is to another question").with_bogus(true));
        }
        let records = chain.records.iter().filter_map(|record| read(&record.data)).collect();
        let owner = chain.records.first().filter(|_| !chain.aliases.is_empty());
        let alias_of = owner.map(|record| host(&record.name).to_ascii_lowercase());
        Ok(Answer { records, authenticated, alias_of })
    }

    fn verifies_signatures(&self) -> bool {
        self.options.validate
    }
}

impl fmt::Debug for DnsResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.config.name_servers().iter().map(|server| server.ip);
        f.debug_tuple("DnsResolver").field(&servers.collect::<Vec<_>>()).finish()
    }
}

const fn is_bogus(error: &NetError) -> bool {
    matches!(error, NetError::Dns(Refused::Nsec { .. } | Refused::DnssecBogus))
}

/// The records of an answer that are about the question; a name server can put others beside them.
struct Chain<'a> {
    /// The aliases that lead from the name to the one that has the records.
    aliases: Vec<&'a Signed>,
    records: Vec<&'a Signed>,
}

fn chain<'a>(answers: &'a [Signed], name: &Name, asked: Type) -> Chain<'a> {
    let mut found = Chain { aliases: Vec::new(), records: Vec::new() };
    let mut name = name;
    // Each record is an alias once at most, so that a circle ends.
    for _ in 0..=answers.len() {
        let of_name = || answers.iter().filter(|record| record.name == *name);
        found.records = of_name().filter(|record| record.record_type() == asked).collect();
        let alias = of_name().find(|record| record.record_type() == Type::CNAME);
        match alias.map(|record| (record, &record.data)) {
            Some((record, RData::CNAME(target))) if found.records.is_empty() => {
                found.aliases.push(record);
                name = &target.0;
            }
            _ => break,
        }
    }
    found
}

const fn of(record_type: RecordType) -> Type {
    match record_type {
        RecordType::A => Type::A,
        RecordType::Aaaa => Type::AAAA,
        RecordType::Cname => Type::CNAME,
        RecordType::Mx => Type::MX,
        RecordType::Ptr => Type::PTR,
        RecordType::Srv => Type::SRV,
        RecordType::Tlsa => Type::TLSA,
        RecordType::Txt => Type::TXT,
    }
}

fn read(data: &RData) -> Option<Record> {
    Some(match data {
        RData::A(address) => Record::Address(address.0.into()),
        RData::AAAA(address) => Record::Address(address.0.into()),
        RData::CNAME(name) => Record::Cname(host(name)),
        RData::MX(mx) => Record::Mx(Mx::new(mx.preference, host(&mx.exchange))),
        RData::PTR(name) => Record::Ptr(host(name)),
        RData::SRV(srv) => Record::Srv(Srv::new(srv.priority, srv.weight, srv.port, host(&srv.target))),
        RData::TLSA(tlsa) => Record::Tlsa(Tlsa::new(
            tlsa.cert_usage.into(),
            tlsa.selector.into(),
            tlsa.matching.into(),
            tlsa.cert_data.as_slice(),
        )),
        RData::TXT(text) => Record::Txt(text.txt_data.concat()),
        _ => return None,
    })
}

fn host(name: &Name) -> String {
    if name.is_root() {
        return ".".into();
    }
    let mut text = name.to_ascii();
    if text.ends_with('.') {
        text.pop();
    }
    text
}
