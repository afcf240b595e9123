//! Domains that are wrong in one way, and what is told of them.

use std::collections::HashMap;

use super::super::super::{Doctor, Finding, Options, Severity};
use crate::{
    dns::{Answer, DnsError, Mx, Record, RecordType, Resolver},
    http::{Http, HttpError, Request, Response},
};

const KEY: &str = "k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const RSA_512: &str = "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALzOiCjrOZyGuHLFiUzCMLfxm5dlLOmRPU1fdxp6MGgoyCnpdWLYZLh/uhH5GAsh0uu4\
                       YCzcHhMj4fBWJW8XWYkCAwEAAQ==";
const POLICY: &str = "version: STSv1\nmode: enforce\nmx: mx.example.org\nmax_age: 1209600\n";

/// The names of a domain, and its policy.
struct Domain {
    names: HashMap<(String, RecordType), Vec<Record>>,
    failing: Option<(&'static str, bool)>,
    policy: Response,
}

impl Domain {
    /// One where all is right.
    fn right() -> Self {
        let policy = Response::new(200, POLICY).with_media_type("text/plain");
        let domain = Self { names: HashMap::new(), failing: None, policy };
        domain
            .with("example.org", RecordType::Mx, [Record::Mx(Mx::new(10, "mx.example.org"))])
            .with("mx.example.org", RecordType::A, ["192.0.2.1"].map(address))
            .with("1.2.0.192.in-addr.arpa", RecordType::Ptr, [Record::Ptr("mx.example.org".into())])
            .text("example.org", ["something else", "v=spf1 mx include:_spf.example.net -all"])
            .text("_spf.example.net", ["v=spf1 ip4:198.51.100.0/24 ~all"])
            .text("s1._domainkey.example.org", [KEY])
            .text("_dmarc.example.org", ["v=DMARC1; p=reject; rua=mailto:dmarc@example.org"])
            .text("_mta-sts.example.org", ["v=STSv1; id=1"])
            .text("_smtp._tls.example.org", ["v=TLSRPTv1; rua=mailto:tls@example.org"])
    }

    fn with<const N: usize>(mut self, name: &str, kind: RecordType, records: [Record; N]) -> Self {
        self.names.insert((name.to_owned(), kind), records.into());
        self
    }

    fn text<const N: usize>(self, name: &str, texts: [&str; N]) -> Self {
        self.with(name, RecordType::Txt, texts.map(|text| Record::Txt(text.into())))
    }

    fn spf(self, record: &str) -> Self {
        self.text("example.org", [record])
    }

    fn dkim(self, record: &str) -> Self {
        self.text("s1._domainkey.example.org", [record])
    }

    fn dmarc(self, record: &str) -> Self {
        self.text("_dmarc.example.org", [record])
    }

    fn policy(mut self, policy: &str) -> Self {
        self.policy = Response::new(200, policy.to_owned()).with_media_type("text/plain");
        self
    }

    fn mx(self, host: &str) -> Self {
        self.with("example.org", RecordType::Mx, [Record::Mx(Mx::new(10, host))])
    }

    async fn findings(&self) -> Vec<Finding> {
        let options = Options::new().with_selectors(vec!["s1".to_owned()]);
        let doctor = Doctor::over(self, self).with_options(options);
        let subject = super::Subject { address: "anna@example.org".into(), domain: "example.org".into() };
        let mut findings = Vec::new();
        doctor.records(&subject, &mut findings).await;
        findings
    }
}

fn address(text: &str) -> Record {
    Record::Address(text.parse().unwrap())
}

impl Resolver for Domain {
    async fn lookup(&self, name: &str, record_type: RecordType) -> Result<Answer, DnsError> {
        if let Some((_, bogus)) = self.failing.filter(|(failing, _)| *failing == name) {
            return Err(DnsError::new(name, record_type, "SERVFAIL").with_bogus(bogus));
        }
        Ok(Answer::new(self.names.get(&(name.to_owned(), record_type)).cloned().unwrap_or_default()))
    }
}

impl Http for Domain {
    async fn send(&self, request: &Request) -> Result<Response, HttpError> {
        assert_eq!(request.url.to_string(), "https://mta-sts.example.org/.well-known/mta-sts.txt");
        Ok(self.policy.clone())
    }
}

#[tokio::test]
async fn a_domain_where_all_is_right() {
    let findings = Domain::right().findings().await;
    assert!(findings.iter().all(|finding| finding.severity == Severity::Good), "{findings:#?}");
    let checks: Vec<_> = findings.iter().map(|finding| finding.check).collect();
    let expected = [
        "mx-found",
        "spf-found",
        "dkim-found",
        "dmarc-found",
        "mta-sts-found",
        "tlsrpt-found",
        "reverse-found",
    ];
    assert_eq!(checks, expected);
    assert!(findings[1].what.contains("2 look-ups"), "{}", findings[1].what);
}

/// Each is wrong in one way: that is told, and nothing else.
#[tokio::test]
async fn what_is_wrong_is_told_and_nothing_else() {
    use Severity::{Error, Note, Warning};
    let right = Domain::right;
    let many = |count: usize| {
        let includes: String = (0..count).map(|index| format!("include:s{index}.example.net ")).collect();
        let domain = right().spf(&format!("v=spf1 {includes}-all"));
        (0..count).fold(domain, |domain, index| {
            domain.text(&format!("s{index}.example.net"), ["v=spf1 ip4:192.0.2.1 -all"])
        })
    };
    let void = "v=spf1 mx a:no1.example.org a:no2.example.org exists:no3.example.org a:%{i}.example.org -all";
    let hosts = (0..11).map(|index| Record::Mx(Mx::new(1, format!("h{index}.example.net"))));
    let hosts: [Record; 11] = hosts.collect::<Vec<_>>().try_into().unwrap();
    let long = format!("v=spf1 {}-all", "a ".repeat(5000));
    let failing = |name, bogus| Domain { failing: Some((name, bogus)), ..right() };
    let with_policy = |response| Domain { policy: response, ..right() };
    for (check, severity, domain) in [
        ("mx-null", Error, right().mx(".")),
        ("mx-none", Error, right().with("example.org", RecordType::Mx, []).spf("v=spf1 -all")),
        ("mx-nowhere", Error, right().with("mx.example.org", RecordType::A, [])),
        ("mx-nowhere", Error, right().mx("not a host").policy(&POLICY.replace("mx.", "*."))),
        ("mx-literal", Error, right().mx("192.0.2.1")),
        ("mx-literal", Error, right().mx("[192.0.2.1].")),
        ("dns-fails", Error, failing("_dmarc.example.org", false)),
        ("dnssec-bogus", Error, failing("_smtp._tls.example.org", true)),
        ("spf-missing", Error, right().spf("something else")),
        ("spf-several", Error, right().text("example.org", ["v=spf1 -all", "v=spf1 mx -all"])),
        ("spf-syntax", Error, right().spf("v=spf1 ipv4:192.0.2.1 -all")),
        ("spf-syntax", Error, right().spf("v=spf1;mx -all")),
        ("spf-syntax", Error, right().spf(&long)),
        ("spf-syntax", Error, right().text("_spf.example.net", ["v=spf1 ip4:1.2.3 -all"])),
        ("spf-lookups", Error, many(11)),
        ("spf-lookups", Error, many(60)),
        ("spf-void", Error, right().spf(void)),
        ("spf-loop", Error, right().text("_spf.example.net", ["v=spf1 include:Example.ORG. -all"])),
        ("spf-include", Error, right().text("_spf.example.net", [])),
        (
            "spf-mx",
            Error,
            right().spf("v=spf1 mx:many.example.net -all").with("many.example.net", RecordType::Mx, hosts),
        ),
        ("spf-open", Error, right().spf("v=spf1 +all")),
        ("spf-neutral", Warning, right().spf("v=spf1 mx ?all")),
        ("spf-no-all", Warning, right().spf("v=spf1 mx")),
        ("spf-ptr", Warning, right().spf("v=spf1 ptr -all")),
        ("dkim-missing", Error, right().text("s1._domainkey.example.org", [])),
        ("dkim-several", Error, right().text("s1._domainkey.example.org", [KEY, KEY])),
        ("dkim-syntax", Error, right().dkim("v=DKIM1; k=rsa; p=abc!")),
        ("dkim-revoked", Error, right().dkim("v=DKIM1; p=")),
        ("dkim-short", Error, right().dkim(&format!("v=DKIM1; p={RSA_512}"))),
        ("dkim-service", Error, right().dkim(&format!("v=DKIM1; s=tlsrpt; {KEY}"))),
        ("dkim-hash", Error, right().dkim(&format!("v=DKIM1; h=sha1; {KEY}"))),
        ("dkim-testing", Warning, right().dkim(&format!("v=DKIM1; t=y; {KEY}"))),
        ("dmarc-missing", Warning, right().text("_dmarc.example.org", [])),
        (
            "dmarc-several",
            Error,
            right().text("_dmarc.example.org", ["v=DMARC1; p=none", "v=DMARC1; p=reject"]),
        ),
        ("dmarc-syntax", Error, right().dmarc("v=DMARC1; p=nothing")),
        ("dmarc-syntax", Error, right().dmarc("p=none; v=DMARC1")),
        ("dmarc-tag", Warning, right().dmarc("v=DMARC1; p=reject; pct=200")),
        ("dmarc-policy-none", Note, right().dmarc("v=DMARC1; p=none")),
        ("dmarc-reports", Warning, right().dmarc("v=DMARC1; p=reject; rua=mailto:x@reports.example")),
        ("mta-sts-missing", Note, right().text("_mta-sts.example.org", [])),
        ("mta-sts-several", Error, right().text("_mta-sts.example.org", ["v=STSv1; id=1", "v=STSv1; id=2"])),
        ("mta-sts-record", Error, right().text("_mta-sts.example.org", ["v=STSv1; id=2026-01-01"])),
        ("mta-sts-fetch", Error, with_policy(Response::new(404, ""))),
        ("mta-sts-policy", Error, with_policy(Response::new(200, POLICY).with_media_type("text/html"))),
        ("mta-sts-policy", Error, right().policy("version: STSv1\nmode: enforce\n")),
        ("mta-sts-mismatch", Error, right().policy(&POLICY.replace("mx.example", "mx2.example"))),
        ("mta-sts-off", Note, right().policy(&POLICY.replace("enforce", "none"))),
        ("mta-sts-testing", Note, right().policy(&POLICY.replace("enforce", "testing"))),
        ("mta-sts-short", Warning, right().policy(&POLICY.replace("1209600", "60"))),
        ("tlsrpt-missing", Note, right().text("_smtp._tls.example.org", [])),
        ("tlsrpt-several", Error, right().text("_smtp._tls.example.org", ["v=TLSRPTv1;", "v=TLSRPTv1;"])),
        ("tlsrpt-syntax", Error, right().text("_smtp._tls.example.org", ["v=TLSRPTv1; rua=tls@example.org"])),
        ("reverse-missing", Warning, right().with("1.2.0.192.in-addr.arpa", RecordType::Ptr, [])),
        (
            "reverse-mismatch",
            Warning,
            right().with("1.2.0.192.in-addr.arpa", RecordType::Ptr, [Record::Ptr("pool.example.net".into())]),
        ),
    ] {
        let findings = domain.findings().await;
        let told: Vec<_> = findings
            .iter()
            .filter(|finding| finding.severity > Severity::Good)
            .map(|finding| (finding.check, finding.severity))
            .collect();
        assert_eq!(told, [(check, severity)], "{check}: {findings:#?}");
        let told = findings.iter().find(|finding| finding.check == check).unwrap();
        assert!(told.remedy.is_some() && told.what.ends_with('.'), "{told:?}");
    }
}

#[tokio::test]
async fn a_domain_without_mx_is_its_own_host_and_one_above_has_the_policy() {
    let domain = Domain::right()
        .with("example.org", RecordType::Mx, [])
        .with("example.org", RecordType::A, ["192.0.2.1"].map(address))
        .with("1.2.0.192.in-addr.arpa", RecordType::Ptr, [Record::Ptr("example.org".into())])
        .spf("v=spf1 a -all")
        .policy(&POLICY.replace("mx.example", "example"));
    let findings = domain.findings().await;
    let told: Vec<_> = findings.iter().filter(|finding| finding.severity > Severity::Good).collect();
    assert_eq!(told.iter().map(|finding| finding.check).collect::<Vec<_>>(), ["mx-implicit"]);

    let domain = Domain::right();
    let mut findings = Vec::new();
    super::dmarc::examine(&&domain, "lists.mail.example.org", &mut findings).await;
    assert_eq!(findings[0].check, "dmarc-found");
}

#[tokio::test]
async fn the_private_address_of_a_host() {
    let domain = Domain::right().with("mx.example.org", RecordType::A, ["10.0.0.1"].map(address)).with(
        "1.0.0.10.in-addr.arpa",
        RecordType::Ptr,
        [Record::Ptr("mx.example.org".into())],
    );
    let findings = domain.findings().await;
    assert!(findings.iter().any(|finding| finding.check == "mx-private"));
}
