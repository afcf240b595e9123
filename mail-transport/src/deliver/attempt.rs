//! Trying the hosts of a route.

use bytes::Bytes;
use mailwire_smtp::client::Outcome;

use super::{
    Dane, Delivery, Mode, MxHost, Reason, Route, Status, TlsFailure, TlsPolicy, TlsResult, Wishes,
    recipients,
    report::Said,
    route::later,
    tls::{Way, failure},
};
use crate::{
    Endpoint, Error, Security,
    dns::Resolver,
    http::Http,
    pool::Lease,
    smtp::{Client, Envelope},
    tls::TlsError,
};

impl<R: Resolver, H: Http> Delivery<R, H> {
    /// Delivers to the recipients of one route.
    pub(super) async fn deliver_to(
        &self,
        route: &Route,
        mut open: Vec<usize>,
        envelope: &Envelope,
        message: &Bytes,
        wishes: Wishes,
    ) -> (Vec<Said>, Vec<TlsResult>) {
        // Only the semaphore's end is an error, and it has none.
        let _turn = self.turns.acquire().await;
        let (mut done, mut results) = (Vec::new(), Vec::new());
        let untold = |index, status, host| Said { index, status, host, reports_end: false };
        let policy = route.policy.as_deref();
        let is_known = route.authenticated || policy.is_some_and(|policy| policy.mode == Mode::Enforce);
        if wishes == Wishes::Tls && !is_known {
            let reason =
                Reason::new("5.7.30", "REQUIRETLS: nothing proves which hosts take this domain's mail");
            done.extend(open.into_iter().map(|index| untold(index, Status::Failed(reason.clone()), None)));
            return (done, results);
        }
        let mut last = (Status::Deferred(Reason::new("4.4.1", "no host could be tried")), None);
        for host in route.hosts().into_iter().take(self.options.hosts.max(1)) {
            if open.is_empty() {
                break;
            }
            let (found, ways) = match self.ways(route, host, wishes, &mut results).await {
                Ok(found) => found,
                Err(reason) => {
                    last = (Status::Deferred(reason), Some(host.to_owned()));
                    continue;
                }
            };
            let mut client = match self.connect(route, host, &found, &ways, &mut results).await {
                Ok(client) => client,
                Err(error) => {
                    let code = if failure(&error).is_some() { "4.7.5" } else { "4.4.1" };
                    let mut reason = Reason::of(&error);
                    if reason.reply.is_none() {
                        code.clone_into(&mut reason.code);
                    }
                    // A host that talks to nobody is no word about the message: the next one may.
                    last = (Status::Deferred(reason), Some(host.to_owned()));
                    continue;
                }
            };
            let said = send(&mut client, envelope, &open, message).await;
            let leaves_out = client.leaves_out_reports(envelope);
            open.clear();
            for (index, status) in said {
                let is_to_go_on = match &status {
                    Status::Deferred(reason) => !reason.is_greylisting(),
                    // What cannot be said to this host, another one may offer.
                    Status::Failed(reason) => reason.reply.is_none(),
                    _ => false,
                };
                match is_to_go_on {
                    // What the last host says is the word that counts.
                    true => {
                        last = (status, Some(host.to_owned()));
                        open.push(index);
                    }
                    false => {
                        let reports_end = leaves_out && matches!(status, Status::Delivered(_));
                        done.push(Said { index, status, host: Some(host.to_owned()), reports_end });
                    }
                }
            }
        }
        let (status, host) = last;
        done.extend(open.into_iter().map(|index| untold(index, status.clone(), host.clone())));
        (done, results)
    }

    /// Where a host is, and how it may be talked to: as its TLSA records want it, as the domain's policy does, or as it comes.
    ///
    /// TLSA records go before the policy: what fails by them is not mended by a policy that is kept (RFC 8461 section 2).
    async fn ways(
        &self,
        route: &Route,
        host: &str,
        wishes: Wishes,
        results: &mut Vec<TlsResult>,
    ) -> Result<(MxHost, Vec<Way>), Reason> {
        if route.is_literal {
            return Ok((MxHost::default(), self.ways_by_policy(route, host, wishes, results)?));
        }
        let is_required = self.is_dane_required(&route.domain);
        let mut tell = |failure, detail: &str| {
            let failure = Some((failure, detail.to_owned()));
            results.push(TlsResult::of_host(&route.domain, TlsPolicy::Tlsa, host, failure));
        };
        let is_asked = route.authenticated && (is_required || wishes != Wishes::NoTls);
        let found = match is_asked {
            true => MxHost::find(&self.resolver, host, self.options.port).await,
            false => MxHost::without_tlsa(&self.resolver, host).await,
        };
        let found = found.map_err(|error| {
            if is_asked {
                tell(TlsFailure::DnssecInvalid, &error.to_string());
            }
            later(error)
        })?;
        if found.addresses.is_empty() {
            return Err(Reason::new("4.4.4", "the host has no address"));
        }
        let has_tlsa = !found.tlsa.is_empty();
        let dane = Dane::new(found.tlsa.iter().cloned()).with_names(route.names());
        if dane.is_usable() {
            let tls = self.configurations.of(dane).map_err(|error| Reason::of(&error.into()))?;
            return Ok((found, vec![Way::Dane(tls)]));
        }
        if has_tlsa {
            tell(TlsFailure::TlsaInvalid, "no TLSA record that can be used");
        }
        if is_required {
            let detail = "TLSA records are required, and there is none that is proved and can be used";
            tell(TlsFailure::DaneRequired, detail);
            return Err(Reason::new("4.7.5", detail));
        }
        let mut ways = self.ways_by_policy(route, host, wishes, results)?;
        if has_tlsa {
            // Whoever has TLSA records has TLS: RFC 7672 section 2.2.
            ways.retain(|way| !matches!(way, Way::Clear));
        }
        Ok((found, ways))
    }

    fn ways_by_policy(
        &self,
        route: &Route,
        host: &str,
        wishes: Wishes,
        results: &mut Vec<TlsResult>,
    ) -> Result<Vec<Way>, Reason> {
        let policy = route.policy.as_deref();
        let is_named = policy.is_none_or(|policy| policy.permits(host));
        let is_enforced = policy.is_some_and(|policy| policy.mode == Mode::Enforce);
        if !is_named {
            let detail = "the policy does not name this host".to_owned();
            let failure = Some((TlsFailure::ValidationFailure, detail.clone()));
            results.push(TlsResult::of_host(&route.domain, TlsPolicy::Sts, host, failure));
            if is_enforced {
                return Err(Reason::new("4.7.5", detail));
            }
        }
        let any = || Ok(Way::AnyCertificate(self.opportunistic()?.clone()));
        let any = || any().map_err(|error: TlsError| Reason::of(&error.into()));
        Ok(match policy {
            _ if wishes == Wishes::Tls || is_enforced => vec![Way::Verified],
            Some(_) if is_named => vec![Way::Verified, any()?, Way::Clear],
            _ => vec![any()?, Way::Clear],
        })
    }

    /// A connection by the first way that is to be had. What fails but TLS ends it.
    async fn connect(
        &self,
        route: &Route,
        host: &str,
        found: &MxHost,
        ways: &[Way],
        results: &mut Vec<TlsResult>,
    ) -> Result<Lease<Client>, Error> {
        let mut last = Error::Closed;
        for way in ways {
            let security = match way {
                Way::Clear => Security::plaintext_without_encryption(),
                _ => Security::required_starttls(),
            };
            let mut endpoint = Endpoint::tcp(host, self.options.port, security);
            if !route.is_literal {
                endpoint = endpoint.with_addresses(found.addresses.iter().copied());
            }
            endpoint = (self.shape)(endpoint);
            endpoint = match way {
                Way::Dane(tls) => endpoint.with_tls(tls.clone()).with_server_name(&found.tlsa_name),
                Way::AnyCertificate(tls) => endpoint.with_tls(tls.clone()),
                Way::Verified | Way::Clear => endpoint,
            };
            let client = self.pool(endpoint).get().await;
            let failed = client.as_ref().err().and_then(failure);
            let policy = match way {
                Way::Dane(_) => Some(TlsPolicy::Tlsa),
                Way::Verified => route.policy.as_ref().map(|_| TlsPolicy::Sts),
                Way::AnyCertificate(_) | Way::Clear => None,
            };
            if let Some(policy) = policy {
                let failure = failed.map(|failed| {
                    (failed, client.as_ref().err().map(ToString::to_string).unwrap_or_default())
                });
                if failure.is_some() || client.is_ok() {
                    results.push(TlsResult::of_host(&route.domain, policy, host, failure));
                }
            }
            match client {
                Ok(client) => return Ok(client),
                Err(error) if failed.is_some() => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }
}

/// Sends the message to these recipients over a connection, and says what the server said of each.
async fn send(
    client: &mut Client,
    envelope: &Envelope,
    open: &[usize],
    message: &Bytes,
) -> Vec<(usize, Status)> {
    let part = Envelope::from_commands(envelope.mail().clone(), recipients(envelope, open).cloned());
    let (refused, all) = match client.send(&part, message.clone()).await {
        Ok(sent) => (sent.refused, Status::Delivered(sent.reply)),
        Err(error) => {
            let status = status(&error, client.outcome());
            let refused = client.take_refused();
            // What is said of recipients after a refusal of MAIL is about their order.
            let is_of_all = error.refused().is_some_and(|refused| refused.command == "MAIL");
            (if is_of_all { Vec::new() } else { refused }, status)
        }
    };
    let said = open.iter().map(|&index| {
        let address = envelope.recipients().get(index).map(|rcpt| &rcpt.to);
        let own = refused.iter().find(|refused| Some(&refused.recipient) == address);
        (index, own.map_or_else(|| all.clone(), |own| status(&own.error, own.outcome)))
    });
    said.collect()
}

fn status(error: &Error, outcome: Outcome) -> Status {
    let reason = Reason::of(error);
    match error {
        _ if outcome == Outcome::Unknown => Status::InDoubt(reason),
        Error::Refused(refused) if !refused.is_transient() => Status::Failed(reason),
        // What this host does not offer, another one may; if none does, the message is for nobody there.
        Error::Misuse(_) | Error::Invalid(_) => Status::Failed(reason),
        _ => Status::Deferred(reason),
    }
}
