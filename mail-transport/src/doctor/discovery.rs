//! Whether programs find the servers of the address.

use super::{
    Doctor, Finding, Server, Severity, Subject,
    checks::servers::{
        SETTINGS_CONTRADICT, SETTINGS_DOUBTFUL, SETTINGS_FOUND, SETTINGS_GUESSED, SETTINGS_NONE,
    },
};
use crate::{
    InvalidValue,
    discover::{Connect, Discovered, Discovery, Doubt, Settings, Source},
    dns::Resolver,
    http::Http,
};

/// How many servers of one kind are examined.
const SERVERS: usize = 4;

impl<R: Resolver, H: Http> Doctor<R, H> {
    /// The servers of the address: those that were given, or those that can be found.
    ///
    /// # Errors
    ///
    /// It is no address.
    pub(super) async fn servers(
        &self,
        subject: &Subject,
        findings: &mut Vec<Finding>,
    ) -> Result<Vec<Server>, InvalidValue> {
        if let Some(servers) = &self.options.servers {
            return Ok(servers.clone());
        }
        let shape = self.shape.clone();
        let probe = Connect::new().with_endpoint(move |endpoint| shape(endpoint));
        let discovery = Discovery::over(&self.resolver, &self.http, probe);
        // Each server is connected to later, with more care than discovery has; only guesses have to be tried at once.
        let options = self.options.discovery.clone();
        let told = discovery.clone().with_options(options.clone().with_tries(false));
        let mut discovered = told.discover(&subject.address).await?;
        if discovered.incoming().next().is_none() || discovered.submission().next().is_none() {
            discovered = discovery.with_options(options).discover(&subject.address).await?;
        }
        findings.extend(judged(subject, &discovered));
        let used = discovered.incoming().take(SERVERS).chain(discovered.submission().take(SERVERS));
        Ok(used.map(Server::from).collect())
    }
}

fn judged(subject: &Subject, discovered: &Discovered) -> Vec<Finding> {
    let mut findings = Vec::new();
    let domain = subject.domain.as_str();
    let parts = [
        ("read", discovered.incoming().collect::<Vec<_>>()),
        ("sent", discovered.submission().collect::<Vec<_>>()),
    ];
    if parts.iter().all(|(_, settings)| settings.is_empty()) {
        let mut finding = Finding::new(
            &SETTINGS_NONE,
            domain,
            "No server for this address can be found: programs cannot set up the account by themselves.",
        )
        .with_remedy(format!(
            "Publish SRV records (_imaps._tcp.{domain} and _submissions._tcp.{domain}), or an autoconfig document at \
             https://autoconfig.{domain}/mail/config-v1.1.xml. To examine servers that you know, name them."
        ));
        for missed in &discovered.missed {
            finding = finding
                .with_detail(missed.source.to_string(), format!("{}: {}", missed.place, missed.reason));
        }
        findings.push(finding);
        return findings;
    }
    for (use_, settings) in &parts {
        match settings.first() {
            None => findings.push(
                Finding::new(
                    &SETTINGS_NONE,
                    domain,
                    format!("No server where mail of this address is {use_} can be found."),
                )
                .with_severity(Severity::Warning)
                .with_remedy(format!(
                    "Publish the SRV records and the autoconfig document of {domain} for both uses."
                )),
            ),
            Some(first) => findings.extend(of_first(domain, first)),
        }
        findings.extend(contradiction(domain, settings));
    }
    findings
}

/// How good the server is that programs would take.
fn of_first(domain: &str, settings: &Settings) -> Option<Finding> {
    let sources: Vec<_> = settings
        .found
        .iter()
        .map(|found| format!("{} ({}), {}", found.source, found.place, found.trust))
        .collect();
    let finding = match settings.doubt() {
        Some(Doubt::Guessed) => Finding::new(
            &SETTINGS_GUESSED,
            domain,
            format!("Nobody tells of {settings}: it was guessed, and programs that do not guess will not find it."),
        )
        .with_remedy(format!("Publish SRV records or an autoconfig document for {domain}.")),
        Some(Doubt::OtherDomain) => Finding::new(
            &SETTINGS_DOUBTFUL,
            domain,
            format!("{settings} is in another domain, and nothing proves that it is the right one: careful programs ask their users."),
        )
        .with_remedy(format!("Sign {domain} with DNSSEC, or name servers below {domain}.")),
        None => Finding::new(&SETTINGS_FOUND, domain, format!("Programs find {settings}.")),
    };
    Some(sources.into_iter().fold(finding, |finding, source| finding.with_detail("found by", source)))
}

/// Two who speak for the domain name different hosts for one protocol.
fn contradiction(domain: &str, all: &[&Settings]) -> Option<Finding> {
    let told =
        |settings: &Settings, source: Source| settings.found.iter().any(|found| found.source == source);
    let sources = [Source::Srv, Source::Autoconfig, Source::Pacc, Source::Autodiscover];
    let hosts = |source, protocol| {
        let of_it =
            all.iter().filter(move |settings| settings.protocol == protocol && told(settings, source));
        let mut hosts: Vec<&str> = of_it.map(|settings| settings.host.as_str()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    };
    let protocols = all.iter().map(|settings| settings.protocol);
    for protocol in protocols {
        let said: Vec<_> = sources.iter().map(|&source| (source, hosts(source, protocol))).collect();
        let mut said = said.into_iter().filter(|(_, hosts)| !hosts.is_empty());
        let Some((first, hosts)) = said.next() else { continue };
        if let Some((other, others)) =
            said.find(|(_, others)| others.iter().all(|host| !hosts.contains(host)))
        {
            return Some(
                Finding::new(
                    &SETTINGS_CONTRADICT,
                    domain,
                    format!(
                        "{first} says {}, and {other} says {}: which of them a program uses is left to chance.",
                        hosts.join(", "),
                        others.join(", ")
                    ),
                )
                .with_remedy("Let all of them name the same servers, or take away those that are out of date."),
            );
        }
    }
    None
}
