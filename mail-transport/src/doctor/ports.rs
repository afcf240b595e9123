//! Which ports of which hosts are examined, and all of them at once.

use std::{collections::BTreeMap, net::IpAddr};

use super::{
    Doctor, Finding, Server,
    checks::servers::PORT_UNUSED,
    port::{Examined, Port},
};
use crate::{
    Protocol, Security,
    dns::Resolver,
    http::Http,
    side_by_side::{all, boxed},
};

/// How many ports are examined at once.
const AT_ONCE: usize = 16;

/// How many hosts are examined.
const HOSTS: usize = 12;

/// The registered ports.
const REGISTERED: &[(u16, Protocol, Security)] = &[
    (465, Protocol::Submission, Security::implicit_tls()),
    (587, Protocol::Submission, Security::required_starttls()),
    (993, Protocol::Imap, Security::implicit_tls()),
    (143, Protocol::Imap, Security::required_starttls()),
    (995, Protocol::Pop3, Security::implicit_tls()),
    (110, Protocol::Pop3, Security::required_starttls()),
];

impl<R: Resolver, H: Http> Doctor<R, H> {
    /// The ports that are to be examined: those that somebody tells of first, and beside them those that the same hosts may have.
    pub(super) fn ports(&self, servers: &[Server], hosts: &[String]) -> Vec<Port> {
        let is_asked = |port| self.options.ports.contains(&port);
        let mut ports: Vec<Port> = Vec::new();
        let mut add = |port: Port| {
            let server = &port.server;
            if !ports
                .iter()
                .any(|known| (&known.server.host, known.server.port) == (&server.host, server.port))
            {
                ports.push(port);
            }
        };
        for server in servers {
            let is_alike = |other: &&Server| is_incoming(other) == is_incoming(server);
            let has_others = servers.iter().filter(is_alike).count() > 1;
            add(Port { server: server.clone(), is_used: true, has_others });
        }
        for host in hosts.iter().filter(|_| is_asked(25)) {
            let server = Server::new(Protocol::Smtp, host.clone(), Security::required_starttls());
            add(Port { server, is_used: true, has_others: hosts.len() > 1 });
        }
        for server in servers {
            for &(number, protocol, security) in REGISTERED {
                let other = Server::new(protocol, server.host.clone(), security);
                if is_asked(number) && is_incoming(&other) == is_incoming(server) {
                    add(Port { server: other, is_used: false, has_others: true });
                }
            }
        }
        ports
    }

    /// Examines ports, and returns what was found at each.
    pub(super) async fn examine_ports(
        &self,
        ports: Vec<Port>,
        findings: &mut Vec<Finding>,
    ) -> Vec<(Port, Examined)> {
        let mut names: Vec<&str> = ports.iter().map(|port| port.server.host.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.truncate(HOSTS);
        // Whole vectors, so that the future can be sent to another thread.
        let looking: Vec<_> =
            names.into_iter().map(|host| boxed(async move { (host, self.addresses(host).await) })).collect();
        let mut addresses: BTreeMap<&str, Vec<IpAddr>> = BTreeMap::new();
        for (host, found) in all(looking, AT_ONCE).await {
            match found {
                Ok(found) => drop(addresses.insert(host, found)),
                // Of hosts that only take mail it is told where the records are.
                Err(finding) => {
                    let is_for_users =
                        |port: &Port| port.server.host == host && port.server.protocol != Protocol::Smtp;
                    findings.extend(ports.iter().any(is_for_users).then_some(*finding));
                }
            }
        }
        let addresses = &addresses;
        let examining: Vec<_> = ports
            .iter()
            .filter_map(|port| {
                let host = self.endpoints(&port.server, addresses.get(port.server.host.as_str())?);
                Some(boxed(async move { (port.clone(), self.port(port, &host).await) }))
            })
            .collect();
        let examined = all(examining, AT_ONCE).await;
        findings.extend(unused(&examined));
        for (_, examined) in &examined {
            findings.extend(examined.findings.iter().cloned());
        }
        examined
    }
}

fn is_incoming(server: &Server) -> bool {
    matches!(server.protocol, Protocol::Imap | Protocol::Pop3)
}

/// What nobody tells of and is not there: one finding a host.
fn unused(examined: &[(Port, Examined)]) -> Vec<Finding> {
    let mut closed: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (port, examined) in examined {
        if !port.is_used && !examined.is_open && examined.findings.is_empty() {
            closed.entry(&port.server.host).or_default().push(port.server.port.to_string());
        }
    }
    let told = closed.into_iter().map(|(host, mut ports)| {
        ports.sort();
        let what = format!("Nobody is at the ports {}, of which nobody tells.", ports.join(", "));
        Finding::new(&PORT_UNUSED, host, what)
    });
    told.collect()
}
