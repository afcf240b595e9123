//! Whether a message is from whom it says: SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 7489) and ARC (RFC 8617). What was found
//! goes before the message as Authentication-Results (RFC 8601).

use std::{collections::BTreeSet, future::Future, net::IpAddr, pin::Pin, time::Duration};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use mail_auth::{
    AuthenticatedMessage, AuthenticationResults, DkimResult, DmarcResult, MessageAuthenticator, SpfResult,
    common::headers::HeaderWriter,
    dmarc::{Policy, verify::DmarcParameters},
    hickory_resolver::{
        config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts},
        system_conf::read_system_conf,
    },
    spf::verify::SpfParameters,
};
use mailwire_store::Inspector;
use mailwire_transport::smtp::{
    proto::{Reply, ReplyCode},
    server::{Client, Transaction},
    without_fields,
};

use crate::config::{Checks, Dns};

/// The most signatures of a message that are looked at: each is a look-up and a verification.
const SIGNATURES: usize = 10;
/// So long all checks of a message may take. What is not known by then is not told.
const PATIENCE: Duration = Duration::from_secs(45);
/// So long a name server is waited for.
const LOOK_UP: Duration = Duration::from_secs(5);

/// Checks messages from elsewhere.
pub(crate) struct Checker {
    /// Who vouches for what was found.
    name: String,
    reject: bool,
    resolver: MessageAuthenticator,
}

impl Checker {
    pub(crate) fn new(name: &str, checks: Checks, dns: &Dns) -> Result<Self> {
        let (config, mut options) = if dns.servers.is_empty() {
            read_system_conf().context("the system's name servers")?
        } else {
            let mut config = ResolverConfig::default();
            for &server in &dns.servers {
                let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
                (udp.port, tcp.port) = (server.port(), server.port());
                config.add_name_server(NameServerConfig::new(server.ip(), true, vec![udp, tcp]));
            }
            (config, ResolverOpts::default())
        };
        options.timeout = LOOK_UP;
        let resolver = MessageAuthenticator::new(config, options).context("a resolver")?;
        Ok(Self { name: name.to_owned(), reject: checks.reject, resolver })
    }

    /// What was found, as a field; or why the message is refused.
    async fn check(
        &self,
        client: &Client,
        transaction: &Transaction,
        message: &[u8],
    ) -> Result<String, Reply> {
        let Some(address) = client.address.map(|address| address.ip().to_canonical()) else {
            return Ok(self.nothing());
        };
        // It goes through the whole message, as often as its signatures want.
        let parsed = tokio::task::block_in_place(|| AuthenticatedMessage::parse(message));
        let Some(mut parsed) = parsed else {
            return self.unless_rejecting(ReplyCode::FAILED, "5.6.0 The message has no header");
        };
        // Whoever names two domains in From is neither.
        if domains(&parsed) != 1 {
            return self
                .unless_rejecting(ReplyCode::MAILBOX_UNAVAILABLE, "5.7.26 From has to name one domain");
        }
        parsed.dkim_headers.truncate(SIGNATURES);
        match tokio::time::timeout(PATIENCE, self.check_parsed(address, client, transaction, &parsed)).await {
            Ok(found) => found,
            Err(_) => self.unless_rejecting(ReplyCode::LOCAL_ERROR, "4.4.3 The sender cannot be checked now"),
        }
    }

    async fn check_parsed(
        &self,
        address: IpAddr,
        client: &Client,
        transaction: &Transaction,
        parsed: &AuthenticatedMessage<'_>,
    ) -> Result<String, Reply> {
        let hello = client.hello.as_ref().map(ToString::to_string).unwrap_or_default();
        // Of the null address there is only the host.
        let from = transaction.from().mailbox();
        let domain = from.map_or(&*hello, |from| from.domain());
        let sender = from.map_or_else(|| format!("postmaster@{hello}"), ToString::to_string);
        let asked = SpfParameters::verify_mail_from(address, &hello, &self.name, &sender);
        let spf = self.resolver.verify_spf(asked).await;
        let dkim = self.resolver.verify_dkim(parsed).await;
        let arc = self.resolver.verify_arc(parsed).await;
        let dmarc = DmarcParameters::new(parsed, &dkim, domain, &spf).with_domain_suffix_fn(organization);
        let mut dmarc = self.resolver.verify_dmarc(dmarc).await;
        let results = [dmarc.spf_result(), dmarc.dkim_result()];
        let passes = results.contains(&&DmarcResult::Pass);
        if self.reject && dmarc.policy() == Policy::Reject && !passes {
            // It may pass once all can be looked up. It is not taken until then: anybody can have look-ups fail.
            let later = spf.result() == SpfResult::TempError
                || dkim.iter().any(|signature| matches!(signature.result(), DkimResult::TempError(_)));
            return Err(match later {
                true => Reply::new(ReplyCode::LOCAL_ERROR, "4.4.3 The sender cannot be checked now"),
                false => Reply::new(
                    ReplyCode::MAILBOX_UNAVAILABLE,
                    "5.7.26 The domain in From wants such messages refused (DMARC)",
                ),
            });
        }
        // Where there is a policy, and nothing that could pass, mail-auth has no result.
        if dmarc.dmarc_record().is_some() && results.iter().all(|result| **result == DmarcResult::None) {
            dmarc = dmarc.with_spf_result(DmarcResult::Fail(mail_auth::Error::NotAligned));
        }
        // Of the sender the domain alone: a quoted local part could have anything in it, a result of its own, too.
        Ok(AuthenticationResults::new(&self.name)
            .with_spf_mailfrom_result(&spf, address, domain, &hello)
            .with_dkim_results(&dkim, parsed.from())
            .with_arc_result(&arc, address)
            .with_dmarc_result(&dmarc)
            .to_header())
    }

    /// What is not known is no reason to refuse a message where nothing is refused.
    fn unless_rejecting(&self, code: ReplyCode, why: &str) -> Result<String, Reply> {
        if self.reject { Err(Reply::new(code, why)) } else { Ok(self.nothing()) }
    }

    /// Nothing could be checked.
    fn nothing(&self) -> String {
        format!("Authentication-Results: {}; none\r\n", self.name)
    }
}

/// How many domains are named in From.
fn domains(parsed: &AuthenticatedMessage<'_>) -> usize {
    let domains = parsed.froms().iter().filter_map(|from| from.rsplit_once('@'));
    domains.map(|(_, domain)| domain.to_lowercase()).collect::<BTreeSet<_>>().len()
}

/// Of a domain the part that an organization has registered, by the public suffix list.
fn organization(domain: &str) -> &str {
    psl::domain_str(domain).unwrap_or(domain)
}

impl Inspector for Checker {
    fn inspect<'a>(
        &'a self,
        client: &'a Client,
        transaction: &'a Transaction,
        message: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Bytes>, Reply>> + Send + 'a>> {
        Box::pin(async move {
            let found = self.check(client, transaction, &message).await?;
            let mut pieces = vec![Bytes::from(found)];
            // Without the results that it came with, in our name or another's (RFC 8601 section 5 permits that): our name can
            // be written in many ways, and what nobody here vouches for is of no use to a reader either.
            pieces.extend(without_fields(&message, &["authentication-results"]));
            Ok(pieces)
        })
    }
}
