//! Reaching a server: which addresses it has, and what becomes of a connection to them.

use std::{io, net::IpAddr};

use super::{
    Doctor, Finding, Server, Severity,
    checks::servers::{ADDRESS_SILENT, HOST_UNKNOWN},
};
use crate::{
    Address, Endpoint, Error, Phase, Security, Stream, Timeouts,
    dns::{RecordType, Resolver},
    http::Http,
};

/// How many addresses of a host are tried.
const ADDRESSES: usize = 6;

/// Where a server is: an endpoint for each of its addresses.
pub(super) struct HostEndpoints {
    pub(super) endpoints: Vec<Endpoint>,
}

/// Why nobody is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Silence {
    /// This machine has no way to such an address.
    NoWay,
    /// The host answers that nobody listens.
    Closed,
    /// Nothing comes back: a firewall drops what is sent, or the host is off.
    Dropped,
    /// Something else.
    Failed,
}

impl Silence {
    fn of(error: &Error) -> Self {
        match error {
            Error::Timeout { phase: Phase::Connect | Phase::Proxy, .. } => Self::Dropped,
            Error::Io(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => Self::Closed,
                io::ErrorKind::TimedOut => Self::Dropped,
                io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::AddrNotAvailable
                | io::ErrorKind::Unsupported => Self::NoWay,
                _ => Self::Failed,
            },
            _ => Self::Failed,
        }
    }
}

impl<R: Resolver, H: Http> Doctor<R, H> {
    /// Finds the addresses of a host.
    ///
    /// # Errors
    ///
    /// It has none: the finding that says so.
    pub(super) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Box<Finding>> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        // Who is reached in another way need not be in DNS.
        let port = Endpoint::tcp(host, 0, Security::plaintext_without_encryption());
        if *(self.shape)(port.clone()).address() != *port.address() {
            return Ok(Vec::new());
        }
        let (four, six) = tokio::join!(
            self.resolver.lookup(host, RecordType::A),
            self.resolver.lookup(host, RecordType::Aaaa)
        );
        let found: Vec<_> = [&four, &six]
            .into_iter()
            .flatten()
            .flat_map(|answer| answer.addresses())
            .take(ADDRESSES)
            .collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let what = format!("{host} has no address in DNS: nobody can connect to it.");
        let finding = Finding::new(&HOST_UNKNOWN, host, what)
            .with_remedy("Publish A and AAAA records for the host, or name another one where it is told.");
        Err(Box::new(match four.and(six) {
            Ok(_) => finding,
            Err(error) => finding.with_detail("answer", error),
        }))
    }

    /// Where a server is, by the addresses of its host.
    pub(super) fn endpoints(&self, server: &Server, addresses: &[IpAddr]) -> HostEndpoints {
        let mut timeouts = Timeouts::interactive();
        timeouts.connect = self.options.timeout;
        timeouts.tls = self.options.timeout;
        timeouts.greeting = self.options.timeout;
        let mut endpoint =
            Endpoint::tcp(server.host.clone(), server.port, Security::plaintext_without_encryption())
                .with_timeouts(timeouts);
        if let Some(tls) = self.tls() {
            endpoint = endpoint.with_tls(tls);
        }
        let given = endpoint.address().clone();
        let endpoint = (self.shape)(endpoint);
        let is_elsewhere = *endpoint.address() != given;
        let endpoints = match is_elsewhere || addresses.is_empty() || endpoint.proxy().is_some() {
            true => vec![endpoint],
            false => addresses.iter().map(|&address| endpoint.clone().toward(address)).collect(),
        };
        HostEndpoints { endpoints }
    }

    /// Connects to each address, and gives the first stream, with the way it went. `silent` are findings about addresses that
    /// do not answer where others do.
    ///
    /// # Errors
    ///
    /// None answers, and why.
    pub(super) async fn open(
        &self,
        server: &Server,
        host: &HostEndpoints,
        silent: &mut Vec<Finding>,
    ) -> Result<(Stream, Endpoint), (Silence, Error)> {
        let (mut opened, mut failures) = (None, Vec::new());
        for endpoint in &host.endpoints {
            match endpoint.connect().await {
                Ok(stream) => drop(opened.get_or_insert((stream, endpoint.clone()))),
                Err(error) => failures.push((Silence::of(&error), endpoint.address().clone(), error)),
            }
        }
        match opened {
            Some(opened) => {
                let others = failures.into_iter().filter(|(silence, ..)| *silence != Silence::NoWay);
                silent.extend(others.map(|(_, address, error)| {
                    let host = match &address {
                        Address::Tcp { host, .. } => host.clone(),
                        address => address.to_string(),
                    };
                    let what = format!("One of the server's addresses, {host}, does not answer: programs that try it first wait, or fail.");
                    Finding::new(&ADDRESS_SILENT, server.to_string(), what)
                        .with_severity(Severity::Warning)
                        .with_remedy("Let the server listen there, or take the address out of DNS.")
                        .with_detail("answer", error)
                }));
                Ok(opened)
            }
            None => {
                let worst = failures.into_iter().max_by_key(|(silence, ..)| *silence);
                Err(match worst {
                    Some((silence, _, error)) => (silence, error),
                    None => (Silence::Failed, Error::Closed),
                })
            }
        }
    }
}
