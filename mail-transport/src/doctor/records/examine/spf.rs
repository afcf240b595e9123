//! What a domain's SPF comes to, with the records that it includes.

use std::collections::VecDeque;

use mailwire_core::ParseError;

use super::{Findings, failed, mx::addresses, same, texts, wrong};
use crate::{
    dns::{RecordType, Resolver, host_name},
    doctor::{
        Finding,
        checks::records::{
            SPF_FOUND, SPF_INCLUDE, SPF_LOOKUPS, SPF_LOOP, SPF_MISSING, SPF_MX, SPF_NEUTRAL, SPF_NO_ALL,
            SPF_OPEN, SPF_PTR, SPF_SEVERAL, SPF_SYNTAX, SPF_VOID,
        },
        records::{DomainSpec, Mechanism, Spf, SpfResult},
    },
};

/// How many look-ups receivers make at most: RFC 7208 section 4.6.4.
const LOOKUPS: usize = 10;

/// How many of them may come to nothing.
const VOID: usize = 2;

/// How many hosts a domain may have where `mx` stands.
const HOSTS: usize = 10;

/// How many records are read, so that the count can be told.
const RECORDS: usize = 40;

/// A record to be read.
struct Todo {
    domain: String,
    /// The domains that lead to it.
    path: Vec<String>,
}

/// What was counted.
#[derive(Default)]
struct Walk {
    lookups: Vec<String>,
    void: Vec<String>,
    records: usize,
}

/// Looks at the SPF of a domain.
pub(super) async fn examine(resolver: &impl Resolver, domain: &str, findings: &mut Findings) {
    let before = findings.len();
    let mut todo = VecDeque::from([Todo { domain: domain.to_owned(), path: Vec::new() }]);
    let mut walk = Walk::default();
    while let Some(next) = todo.pop_front() {
        if walk.records >= RECORDS {
            break;
        }
        walk.records = walk.records.saturating_add(1);
        let Some(spf) = record(resolver, domain, &next, findings).await else { continue };
        if next.path.is_empty() {
            findings.extend(policy(domain, &spf));
        }
        for (_, mechanism) in until_all(&spf) {
            step(resolver, domain, &next, mechanism, &mut walk, &mut todo, findings).await;
        }
        // What stands after `all` is never reached, and the redirection neither: RFC 7208 section 6.1.
        let has_all = spf.directives.iter().any(|(_, mechanism)| *mechanism == Mechanism::All);
        if let Some(other) = spf.redirect.as_ref().filter(|_| !has_all) {
            walk.lookups.push(format!("redirect={}", other.text));
            follow(domain, &next, other, &mut todo, findings);
        }
    }
    let had =
        |findings: &Findings, check: &str| findings.iter().skip(before).any(|finding| finding.check == check);
    if walk.lookups.len() > LOOKUPS && !had(findings, SPF_LOOP.name) {
        let count = walk.lookups.len();
        let more = if walk.records >= RECORDS { " or more" } else { "" };
        findings.push(
            Finding::new(&SPF_LOOKUPS, domain, format!("The SPF record needs {count}{more} look-ups in DNS; receivers stop at {LOOKUPS}, and take it for an error."))
                .with_remedy("Take out what is not needed any more, and replace “a”, “mx” and “include” by networks (ip4, ip6) where they do not change.")
                .with_detail("look-ups", walk.lookups.join(", ")),
        );
    }
    if walk.void.len() > VOID {
        findings.push(
            Finding::new(&SPF_VOID, domain, format!("The SPF record looks up {} names that do not exist; receivers stop at {VOID}, and take it for an error.", walk.void.len()))
                .with_remedy("Take these names out of the record.")
                .with_detail("names", walk.void.join(", ")),
        );
    }
    if findings.len() == before {
        findings.push(Finding::new(
            &SPF_FOUND,
            domain,
            format!(
                "SPF says which hosts may send this domain's mail, with {} look-ups of {LOOKUPS}.",
                walk.lookups.len()
            ),
        ));
    }
}

/// The mechanisms that can be reached.
fn until_all(spf: &Spf) -> impl Iterator<Item = &(SpfResult, Mechanism)> {
    spf.directives.iter().take_while(|(_, mechanism)| *mechanism != Mechanism::All)
}

/// The record of a domain, if there is one that can be used.
async fn record(resolver: &impl Resolver, root: &str, next: &Todo, findings: &mut Findings) -> Option<Spf> {
    let (domain, is_root) = (next.domain.as_str(), next.path.is_empty());
    let answer = match texts(resolver, domain).await {
        Ok(answer) => answer,
        Err(error) => {
            findings.push(failed(domain, "its SPF record", &error));
            return None;
        }
    };
    let mut found = answer.iter().filter(|text| Spf::is_one(text));
    let broken = |text: &[u8], error: ParseError| {
        let told = wrong(&SPF_SYNTAX, domain, "SPF record", text, error);
        match is_root {
            true => told,
            false => told.with_detail("included by", root),
        }
    };
    match (found.next(), found.next()) {
        (Some(text), None) => match Spf::parse(text) {
            Ok(spf) => return Some(spf),
            Err(error) => findings.push(broken(text, error)),
        },
        (Some(_), Some(_)) => findings.push(
            Finding::new(&SPF_SEVERAL, domain, "There are several SPF records; receivers take that for an error, and none of them counts.")
                .with_remedy("Make one record of them."),
        ),
        // Something that was meant to be one.
        (None, _) if near_miss(&answer).is_some() => {
            let text = near_miss(&answer).unwrap_or_default();
            findings.push(broken(text, ParseError::new(0, "expected v=spf1 and a space")));
        }
        (None, _) if is_root => findings.push(
            Finding::new(&SPF_MISSING, domain, "There is no SPF record: anybody can send mail in the name of this domain, and large providers refuse mail without.")
                .with_remedy(format!("Publish a TXT record for {domain} that names the hosts which send its mail, such as “v=spf1 mx -all”.")),
        ),
        (None, _) => findings.push(
            Finding::new(&SPF_INCLUDE, root, format!("The SPF record includes {domain}, which has none; receivers take that for an error."))
                .with_remedy("Take the include out, or ask that provider for the right one."),
        ),
    }
    None
}

/// A text that begins as an SPF record does, and is none.
fn near_miss(texts: &[Vec<u8>]) -> Option<&[u8]> {
    let is_near = |text: &&[u8]| {
        let start = text.get(..5).unwrap_or(text).to_ascii_lowercase();
        start.starts_with(b"v=spf") || start.starts_with(b"spf1") || start.starts_with(b"\"v=sp")
    };
    texts.iter().map(Vec::as_slice).find(is_near)
}

/// What the record of the domain itself says of all others.
fn policy(domain: &str, spf: &Spf) -> Vec<Finding> {
    let mut findings = Vec::new();
    let all = spf.directives.iter().find(|(_, mechanism)| *mechanism == Mechanism::All);
    let end = "End the record with “-all” or “~all”.";
    match all {
        Some((SpfResult::Pass, _)) => findings.push(
            Finding::new(
                &SPF_OPEN,
                domain,
                "The SPF record ends with “+all”: every host in the world may send mail of this domain.",
            )
            .with_remedy(end),
        ),
        Some((SpfResult::Neutral, _)) => findings.push(
            Finding::new(
                &SPF_NEUTRAL,
                domain,
                "The SPF record ends with “?all”, and so says nothing about other hosts.",
            )
            .with_remedy(end),
        ),
        None if spf.redirect.is_none() => findings.push(
            Finding::new(
                &SPF_NO_ALL,
                domain,
                "The SPF record has no end (“all”), and so says nothing about other hosts.",
            )
            .with_remedy(end),
        ),
        _ => {}
    }
    if spf.directives.iter().any(|(_, mechanism)| matches!(mechanism, Mechanism::Ptr(_))) {
        findings.push(
            Finding::new(
                &SPF_PTR,
                domain,
                "The SPF record has “ptr”, which is slow, can fail, and is not to be used any more.",
            )
            .with_remedy("Name the hosts by “a”, “mx”, “ip4” or “ip6”."),
        );
    }
    findings
}

async fn step(
    resolver: &impl Resolver,
    root: &str,
    next: &Todo,
    mechanism: &Mechanism,
    walk: &mut Walk,
    todo: &mut VecDeque<Todo>,
    findings: &mut Findings,
) {
    let own = || next.domain.clone();
    let (name, target) = match mechanism {
        Mechanism::All | Mechanism::Ip4(..) | Mechanism::Ip6(..) => return,
        Mechanism::Include(other) => {
            walk.lookups.push(format!("include:{}", other.text));
            return follow(root, next, other, todo, findings);
        }
        Mechanism::Ptr(_) => {
            walk.lookups.push("ptr".to_owned());
            return;
        }
        Mechanism::A(other) => ("a", other.as_ref()),
        Mechanism::Mx(other) => ("mx", other.as_ref()),
        Mechanism::Exists(other) => ("exists", Some(other)),
    };
    let domain = target.map_or_else(own, |target| target.text.clone());
    walk.lookups.push(format!("{name}:{domain}"));
    // What a macro stands for depends on the message; and what is beyond the limit nobody looks up.
    if target.is_some_and(|target| target.has_macros) || walk.lookups.len() > LOOKUPS {
        return;
    }
    let is_there = match name {
        "mx" => match resolver.lookup(&domain, RecordType::Mx).await {
            Ok(answer) => {
                let count = answer.mx().count();
                if count > HOSTS {
                    findings.push(
                        Finding::new(&SPF_MX, root, format!("The SPF record has “mx” for {domain}, which has {count} hosts; receivers stop at {HOSTS}, and take it for an error."))
                            .with_remedy("Name the networks of the hosts (ip4, ip6)."),
                    );
                }
                Ok(count > 0)
            }
            Err(error) => Err(error),
        },
        _ => addresses(resolver, &domain).await.map(|place| !place.addresses.is_empty()),
    };
    match is_there {
        Ok(true) => {}
        Ok(false) => walk.void.push(domain),
        Err(error) => findings.push(failed(&domain, "a name of the SPF record", &error)),
    }
}

/// Has another domain's record read, too.
fn follow(root: &str, next: &Todo, other: &DomainSpec, todo: &mut VecDeque<Todo>, findings: &mut Findings) {
    if other.has_macros {
        return;
    }
    let mut path = next.path.clone();
    path.push(next.domain.clone());
    if path.iter().any(|before| same(before, &other.text)) {
        findings.push(
            Finding::new(
                &SPF_LOOP,
                root,
                format!(
                    "The SPF record leads round in a circle: {} includes {} again.",
                    next.domain, other.text
                ),
            )
            .with_remedy("Take the include out that leads back."),
        );
        return;
    }
    // A name with underscores is as good as one of a host here.
    let domain =
        host_name(&other.text).unwrap_or_else(|| other.text.trim_end_matches('.').to_ascii_lowercase());
    todo.push_back(Todo { domain, path });
}
