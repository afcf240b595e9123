//! Names and ports that many have, for domains that tell nothing.

use super::{Address, Found, Settings, Source, Trust, srv::SERVICES};
use crate::{Protocol, Security};

/// What may be there: each service at the hosts that it often has. `mx` is the host that takes the domain's mail, which often is
/// the only one. What the domain says it has not is left out.
pub(super) fn candidates(
    address: &Address<'_>,
    mx: Option<&str>,
    is_missing: impl Fn(Protocol) -> bool,
    not_offered: &[(Protocol, Security)],
) -> Vec<Settings> {
    let mut candidates: Vec<Settings> = Vec::new();
    for (_, protocol, security) in SERVICES {
        if !is_missing(protocol) || not_offered.contains(&(protocol, security)) {
            continue;
        }
        let own = match protocol {
            Protocol::Imap => ["imap.", "mail.", ""].as_slice(),
            Protocol::Pop3 => &["pop3.", "pop.", "mail.", ""],
            _ => &["smtp.", "mail.", ""],
        };
        let own = own.iter().map(|name| format!("{name}{}", address.domain));
        for (host, order) in own.chain(mx.map(str::to_owned)).zip(0..) {
            let port = security.default_port(protocol);
            let found = Found::new(Source::Guess, format!("{host}:{port}"), Trust::Guess);
            let mut settings = Settings::new((protocol, security), host, port, address, found);
            settings.order = order;
            if !candidates.iter().any(|known| known.is_same(&settings)) {
                candidates.push(settings);
            }
        }
    }
    candidates
}
