//! SRV records: [RFC 6186](https://www.rfc-editor.org/rfc/rfc6186), [RFC 8314 section
//! 5.1](https://www.rfc-editor.org/rfc/rfc8314#section-5.1).

use super::{Address, Found, Gathered, SERVERS, Settings, Source, Trust};
use crate::{
    Protocol, Security,
    dns::{Answer, RecordType, Resolver, Srv, host_name, srv_in_order},
    pauses::chance,
};

/// The services, and what their records mean. A record of a service that begins in clear is one of STARTTLS: without TLS
/// nothing is used.
pub(super) const SERVICES: [(&str, Protocol, Security); 6] = [
    ("_imaps._tcp", Protocol::Imap, Security::implicit_tls()),
    ("_imap._tcp", Protocol::Imap, Security::required_starttls()),
    ("_pop3s._tcp", Protocol::Pop3, Security::implicit_tls()),
    ("_pop3._tcp", Protocol::Pop3, Security::required_starttls()),
    ("_submissions._tcp", Protocol::Submission, Security::implicit_tls()),
    ("_submission._tcp", Protocol::Submission, Security::required_starttls()),
];

/// Asks for one of the services.
pub(super) async fn ask(
    resolver: &impl Resolver,
    address: &Address<'_>,
    (service, protocol, security): (&str, Protocol, Security),
) -> Gathered {
    let name = format!("{service}.{}", address.domain);
    let mut gathered = Gathered::default();
    let answer = match resolver.lookup(&name, RecordType::Srv).await {
        Ok(answer) => answer,
        Err(error) => {
            gathered.missed(Source::Srv, &name, &error);
            return gathered;
        }
    };
    let trust = trust(&answer);
    if answer.srv().any(|srv| srv.target == ".") {
        gathered.not_offered.push((protocol, security));
    }
    for (srv, rank) in in_order(&answer).into_iter().zip(0..) {
        let Some(host) = host_name(&srv.target) else {
            gathered.missed(
                Source::Srv,
                &name,
                &format_args!("\"{}\" is no host", srv.target.escape_debug()),
            );
            continue;
        };
        let found = Found::new(Source::Srv, name.clone(), trust);
        let mut settings = Settings::new((protocol, security), host, srv.port, address, found);
        // Priorities are compared between services, too: RFC 6186 section 3.4.
        settings.order = (u32::from(srv.priority) << 8) | rank;
        gathered.settings.push(settings);
    }
    gathered
}

/// The records of a service that is there, in the order in which they are to be used.
pub(super) fn in_order(answer: &Answer) -> Vec<Srv> {
    let records = answer.srv().filter(|srv| srv.target != "." && srv.port > 0).take(SERVERS);
    srv_in_order(records.cloned().collect(), chance)
}

/// How far an answer of DNS can be trusted.
pub(super) const fn trust(answer: &Answer) -> Trust {
    if answer.authenticated { Trust::Dnssec } else { Trust::Plain }
}
