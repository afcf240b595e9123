//! What the environment says of proxies.

use std::net::IpAddr;

use crate::proxy_protocol::{Network, NetworkError};

/// Whether connections to `host` go past the proxy: `NO_PROXY`.
pub(super) fn is_excepted(host: &str, no_proxy: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let address: Option<IpAddr> = host.parse().ok();
    no_proxy.split([',', ' ']).filter(|entry| !entry.is_empty()).any(|entry| match address {
        _ if entry == "*" => true,
        Some(address) => is_in(address, entry),
        None => {
            let name = entry.strip_prefix("*.").unwrap_or(entry).trim_matches('.');
            is_below(host, name)
        }
    })
}

fn is_below(host: &str, name: &str) -> bool {
    let Some(at) = host.len().checked_sub(name.len()) else { return false };
    let ends = host.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(name));
    ends && !name.is_empty() && (at == 0 || host.as_bytes().get(at.saturating_sub(1)) == Some(&b'.'))
}

fn is_in(address: IpAddr, entry: &str) -> bool {
    match entry.replace(['[', ']'], "").parse::<Network>() {
        // Nobody doubts here which of the two is meant.
        Ok(network) | Err(NetworkError::Bits { network, .. }) => network.contains(address),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_for_all_below_them_and_networks_for_their_addresses() {
        let list = "localhost, .example.org,*.test,192.0.2.1,10.9.0.0/8,[2001:db8::]/32,[::1],";
        for host in [
            "localhost",
            "example.org",
            "imap.EXAMPLE.org",
            "imap.example.org.",
            "a.test",
            "192.0.2.1",
            "10.1.2.3",
            "::ffff:10.1.2.3",
            "2001:db8::25",
            "::1",
        ] {
            assert!(is_excepted(host, list), "{host}");
        }
        for host in ["notexample.org", "org", "example.net", "192.0.2.2", "11.0.0.1", "2001:db9::1", "t"] {
            assert!(!is_excepted(host, list), "{host}");
        }
        assert!(
            is_excepted("anything", "x,*")
                && is_excepted("1.2.3.4", "0.0.0.0/0")
                && is_excepted("::1", "::/0")
        );
        assert!(!is_excepted("1.2.3.4", "1.2.3.4/33") && !is_excepted("1.2.3.4", "1.2.3.4/x"));
        assert!(!is_excepted("anything", "") && !is_excepted("", ".,"));
    }
}
