//! Which protocol is for which use, from what is there.

use super::{
    Finding,
    checks::servers::{ADVICE_READING, ADVICE_SENDING},
    port::{Examined, Port},
};
use crate::{Protocol, Security};

/// What programs should be told to use.
pub(super) fn of(domain: &str, examined: &[(Port, Examined)]) -> Vec<Finding> {
    let best = |protocol| {
        let good = |(port, examined): &&(Port, Examined)| {
            port.server.protocol == protocol && examined.is_open && examined.is_verified
        };
        let is_implicit = |(port, _): &&(Port, Examined)| port.server.security == Security::implicit_tls();
        examined.iter().filter(good).max_by_key(is_implicit).map(|(port, _)| {
            let how = if port.server.security == Security::implicit_tls() { "TLS" } else { "STARTTLS" };
            format!("{} with {how}", port.server)
        })
    };
    let mut findings = Vec::new();
    let reading = match (best(Protocol::Imap), best(Protocol::Pop3)) {
        (Some(imap), Some(pop3)) => Some(format!(
            "IMAP at {imap}, for programs on several devices, which then see the same mail; POP3 at {pop3} only for one program that \
             takes mail away to keep it."
        )),
        (Some(imap), None) => Some(format!("IMAP at {imap}, on as many devices as you like.")),
        (None, Some(pop3)) => Some(format!(
            "POP3 at {pop3}. Let programs leave mail on the server if there is more than one; folders and flags are not shared."
        )),
        (None, None) => None,
    };
    findings
        .extend(reading.map(|what| Finding::new(&ADVICE_READING, domain, format!("Read mail by {what}"))));
    if let Some(submission) = best(Protocol::Submission) {
        let what =
            format!("Send mail through {submission}, with a login; port 25 is for servers among each other.");
        findings.push(Finding::new(&ADVICE_SENDING, domain, what));
    }
    findings
}
