//! The names of addresses: [RFC 1912 section 2.1](https://www.rfc-editor.org/rfc/rfc1912#section-2.1).

use std::{fmt::Write as _, net::IpAddr};

use super::{Exchange, Findings, failed, mx::addresses};
use crate::{
    dns::{RecordType, Resolver},
    doctor::{
        Finding,
        checks::records::{REVERSE_FOUND, REVERSE_MISMATCH, REVERSE_MISSING},
    },
};

/// How many names of an address are looked at.
const NAMES: usize = 4;

/// Looks at the names of a host's addresses.
pub(super) async fn examine(resolver: &impl Resolver, exchange: &Exchange, findings: &mut Findings) {
    for address in &exchange.addresses {
        let host = exchange.host.as_str();
        let answer = match resolver.lookup(&pointer(*address), RecordType::Ptr).await {
            Ok(answer) => answer,
            Err(error) => {
                findings.push(failed(host, "the name of its address", &error));
                continue;
            }
        };
        let names: Vec<&str> = answer.names().take(NAMES).collect();
        if names.is_empty() {
            findings.push(
                Finding::new(&REVERSE_MISSING, host, format!("The address {address} of this host has no name (PTR): mail that the host sends is refused by many."))
                    .with_remedy(format!("Have whoever runs the network of {address} set its PTR record to {host}.")),
            );
            continue;
        }
        let mut is_confirmed = false;
        for name in &names {
            is_confirmed |=
                addresses(resolver, name).await.is_ok_and(|place| place.addresses.contains(address));
        }
        findings.push(match is_confirmed {
            true => Finding::new(&REVERSE_FOUND, host, format!("The address {address} is called {}, which has that address.", names.join(", "))),
            false => Finding::new(&REVERSE_MISMATCH, host, format!("The address {address} is called {}, which does not have that address: mail that the host sends is refused by many.", names.join(", ")))
                .with_remedy(format!("Set the PTR record of {address} to {host}, or publish an A or AAAA record of {} with {address}.", names.join(", "))),
        });
    }
}

/// The name where the name of an address stands: [RFC 1035 section
/// 3.5](https://www.rfc-editor.org/rfc/rfc1035#section-3.5), [RFC 3596 section 2.5](https://www.rfc-editor.org/rfc/rfc3596#section-2.5).
fn pointer(address: IpAddr) -> String {
    let mut name = String::new();
    match address {
        IpAddr::V4(four) => {
            for byte in four.octets().iter().rev() {
                // A string takes all that is written.
                let _ = write!(name, "{byte}.");
            }
            name + "in-addr.arpa"
        }
        IpAddr::V6(six) => {
            for byte in six.octets().iter().rev() {
                let _ = write!(name, "{:x}.{:x}.", byte & 15, byte >> 4);
            }
            name + "ip6.arpa"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_addresses() {
        assert_eq!(pointer("192.0.2.1".parse().unwrap()), "1.2.0.192.in-addr.arpa");
        assert_eq!(
            pointer("2001:db8::567:89ab".parse().unwrap()),
            "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
        );
    }
}
