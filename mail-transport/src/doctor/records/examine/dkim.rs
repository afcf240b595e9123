//! What the keys of DKIM come to.

use super::{Findings, failed, texts, wrong};
use crate::{
    dns::Resolver,
    doctor::{
        Finding, Severity,
        checks::records::{
            DKIM_FOUND, DKIM_HASH, DKIM_MISSING, DKIM_NOT_ASKED, DKIM_REVOKED, DKIM_SERVICE, DKIM_SEVERAL,
            DKIM_SHORT, DKIM_SYNTAX, DKIM_TESTING,
        },
        records::DkimKey,
    },
};

/// How many selectors are looked at.
const SELECTORS: usize = 32;

/// What verifiers take at least, and what signers are to have: RFC 8301 section 3.2.
const LEAST: usize = 1024;
const BETTER: usize = 2048;

/// Looks at the keys of these selectors.
pub(super) async fn examine(
    resolver: &impl Resolver,
    domain: &str,
    selectors: &[String],
    findings: &mut Findings,
) {
    if selectors.is_empty() {
        findings.push(
            Finding::new(&DKIM_NOT_ASKED, domain, "The keys of DKIM were not looked at: nobody can know from outside which there are.")
                .with_remedy("Name the selectors: they stand after “s=” in the DKIM-Signature field of mail that the domain has sent."),
        );
    }
    for selector in selectors.iter().take(SELECTORS) {
        of_selector(resolver, domain, selector, findings).await;
    }
}

async fn of_selector(resolver: &impl Resolver, domain: &str, selector: &str, findings: &mut Findings) {
    let name = format!("{selector}._domainkey.{domain}");
    let texts = match texts(resolver, &name).await {
        Ok(texts) => texts,
        Err(error) => return findings.push(failed(&name, "this key of DKIM", &error)),
    };
    let publish =
        "Publish the public key there, or have the server sign with a selector whose key is published.";
    let text = match texts.as_slice() {
        [] => {
            return findings.push(
                Finding::new(&DKIM_MISSING, name, format!("There is no DKIM key for the selector {selector}: signatures that name it cannot be verified."))
                    .with_remedy(publish),
            );
        }
        [text] => text,
        [..] => {
            return findings.push(
                Finding::new(&DKIM_SEVERAL, name, "There are several texts where one DKIM key has to be: which of them is taken is left to chance.")
                    .with_remedy("Leave the one that is the key. A key longer than 255 bytes is several strings of one record."),
            );
        }
    };
    match DkimKey::parse(text) {
        Err(error) => findings.push(wrong(&DKIM_SYNTAX, &name, "DKIM key", text, error)),
        Ok(key) => findings.extend(of_key(&name, &key, publish)),
    }
}

fn of_key(name: &str, key: &DkimKey, publish: &str) -> Vec<Finding> {
    if key.key.is_none() {
        return vec![
            Finding::new(
                &DKIM_REVOKED,
                name,
                "This DKIM key is revoked (an empty p=): all signatures that name it are invalid.",
            )
            .with_remedy(publish),
        ];
    }
    let mut findings = Vec::new();
    let is_rsa = key.kind == "rsa";
    match key.bits() {
        Some(bits) if is_rsa && bits < LEAST => findings.push(
            Finding::new(&DKIM_SHORT, name, format!("This DKIM key has {bits} bits: it can be broken, and receivers do not take less than {LEAST}."))
                .with_remedy(format!("Make a key of {BETTER} bits, with a selector of its own.")),
        ),
        Some(bits) if is_rsa && bits < BETTER => findings.push(
            Finding::new(&DKIM_SHORT, name, format!("This DKIM key has {bits} bits. It works, and is short by now."))
                .with_severity(Severity::Warning)
                .with_remedy(format!("Make a key of {BETTER} bits, with a selector of its own.")),
        ),
        _ => {}
    }
    if !key.is_for_mail() {
        findings.push(
            Finding::new(&DKIM_SERVICE, name, format!("This DKIM key is not for mail, but for {} (s=): signatures of mail that name it are invalid.", key.services.join(", ")))
                .with_remedy("Take “s=” out of the record, or add “email”."),
        );
    }
    if !key.hashes.is_empty() && !key.hashes.iter().any(|hash| hash == "sha256") {
        findings.push(
            Finding::new(
                &DKIM_HASH,
                name,
                format!(
                    "This DKIM key is only for signatures with {} (h=), which receivers do not take.",
                    key.hashes.join(", ")
                ),
            )
            .with_remedy("Take “h=” out of the record, or say “h=sha256”."),
        );
    }
    if key.is_testing() {
        findings.push(
            Finding::new(&DKIM_TESTING, name, "This DKIM key says that the domain is only testing (t=y): receivers treat mail as if it were not signed.")
                .with_remedy("Take “t=y” out of the record when signing works."),
        );
    }
    if findings.is_empty() {
        let bits = key.bits().map(|bits| format!(" of {bits} bits")).unwrap_or_default();
        findings.push(Finding::new(&DKIM_FOUND, name, format!("There is a DKIM key ({}{bits}).", key.kind)));
    }
    findings
}
