//! What can be wrong: the name, the check that tells of it, and the change.

use std::time::Duration;

use hickory_resolver::proto::rr::rdata::A;
use mailwire_store::testing::Fault;
use mailwire_transport::{Protocol, Security, sasl::Credentials};

use crate::{
    bed::{ANNA, Bed, MAIL, Other, POLICY, Spoilt},
    certificates::Wrong,
};

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) check: &'static str,
    pub(crate) change: fn(&mut Bed),
}

const fn row(name: &'static str, check: &'static str, change: fn(&mut Bed)) -> Row {
    Row { name, check, change }
}

const DKIM: &str = "s1._domainkey.example.test";
const RSA_512: &str = "v=DKIM1; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALzOiCjrOZyGuHLFiUzCMLfxm5dlLOmRPU1fdxp6MGgoyCnpdWLYZLh/uhH5\
                       GAsh0uu4YCzcHhMj4fBWJW8XWYkCAwEAAQ==";

fn spf(bed: &mut Bed, record: &str) {
    bed.text("example.test", &[record]);
}

fn dmarc(bed: &mut Bed, record: &str) {
    bed.text("_dmarc.example.test", &[record]);
}

/// What is to be told as an error.
pub(crate) static ERRORS: &[Row] = &[
    // Ports.
    row("the port of IMAP is closed", "port-closed", |bed| {
        bed.without("_pop3s.");
        bed.other(993, Other::Nobody);
    }),
    row("a firewall drops what goes to IMAP", "port-dropped", |bed| {
        bed.without("_pop3s.");
        bed.other(993, Other::Firewall);
    }),
    row("POP3 where IMAP has to be", "protocol-wrong", |bed| bed.other(993, Other::Port(995))),
    row("IMAP in clear where TLS has to be", "tls-not-spoken", |bed| {
        bed.other(993, Other::Says("* OK hello\r\n"))
    }),
    row("port 25 is closed", "port-closed", |bed| bed.other(25, Other::Nobody)),
    row("port 25 refuses everybody", "greeting-refuses", |bed| {
        bed.other(25, Other::Says("554 5.7.1 no\r\n"))
    }),
    row("another protocol on port 25", "protocol-wrong", |bed| {
        bed.other(25, Other::Says("SSH-2.0-OpenSSH_9.2\r\n"))
    }),
    row("nothing is said on port 25", "greeting-none", |bed| bed.other(25, Other::Says(""))),
    // TLS.
    row("an expired certificate", "certificate-expired", |bed| bed.certificate = Wrong::Expired),
    row("a certificate of the future", "certificate-not-yet", |bed| bed.certificate = Wrong::NotYet),
    row("a certificate for another name", "certificate-name", |bed| bed.certificate = Wrong::Name),
    row("a certificate that is signed by itself", "certificate-self-signed", |bed| {
        bed.certificate = Wrong::SelfSigned
    }),
    row("a chain with a gap", "certificate-chain", |bed| bed.certificate = Wrong::Chain),
    row("a certificate that is signed by SHA-1", "certificate-weak", |bed| {
        bed.certificate = Wrong::WeakSignature
    }),
    row("a certificate with a key of 1,024 bits", "certificate-weak", |bed| bed.certificate = Wrong::WeakKey),
    row("a certificate that is revoked, as is stapled to it", "certificate-revoked", |bed| {
        bed.certificate = Wrong::Revoked
    }),
    row("TLS 1.0 and nothing else", "tls-old-only", |bed| bed.other(993, Other::Tls10)),
    row("STARTTLS is overwritten on the way", "starttls-stripped", |bed| {
        bed.by_starttls();
        let answer = "250-mail.example.test\r\n250-PIPELINING\r\n250-XXXXXXXA\r\n250 8BITMIME";
        bed.fault(Fault::reply(answer).in_place_of_answer("EHLO").over(Protocol::Submission));
    }),
    row("mail is sent without TLS", "starttls-missing", |bed| {
        bed.by_starttls();
        bed.submission = Security::plaintext_without_encryption();
    }),
    row("TLS is offered, and refused", "starttls-refused", |bed| {
        bed.by_starttls();
        let refused = Fault::reply("454 4.7.0 TLS is not available");
        bed.fault(refused.before("STARTTLS").over(Protocol::Submission));
    }),
    // Logins.
    row("passwords are taken in clear", "password-in-clear", |bed| {
        bed.in_clear = true;
        bed.options = bed.options.clone().with_ports(vec![25, 465, 993, 995, 143]);
    }),
    row("a wrong password", "login-refused", |bed| {
        let credentials = Credentials::password(ANNA, "wrong");
        bed.options = bed.options.clone().with_credentials(Some(credentials));
    }),
    // The test message.
    row("greylisting of the own user", "test-deferred", |bed| {
        bed.send_test();
        bed.fault(Fault::reply("450 4.7.1 greylisted").before("RCPT").over(Protocol::Submission));
    }),
    row("the test message is refused", "test-refused", |bed| {
        bed.send_test();
        bed.fault(Fault::reply("550 5.7.1 spam").before("RCPT").over(Protocol::Submission));
    }),
    row("the test message is lost", "test-missing", |bed| {
        bed.send_test();
        bed.options = bed.options.clone().with_patience(Duration::from_secs(2));
        bed.fault(Fault::reply("250 2.0.0 taken").before(".").over(Protocol::Submission));
    }),
    // Records.
    row("MX to nowhere", "mx-nowhere", |bed| {
        bed.mx("nowhere.example.test");
        bed.policy(&POLICY.replace("mail.", "*."));
    }),
    row("a null MX", "mx-null", |bed| bed.mx(".")),
    row("no MX and no address", "mx-none", Bed::without_mx),
    row("an address in place of a host", "mx-literal", |bed| bed.mx("192.0.2.25")),
    row("an address that nobody outside can reach", "mx-private", |bed| {
        bed.address(MAIL, A::new(10, 0, 0, 25));
    }),
    row("the name server fails", "dns-fails", |bed| bed.spoilt = Spoilt::Fails("_dmarc.example.test")),
    row("a forged signature", "dnssec-bogus", |bed| bed.spoilt = Spoilt::Forges("_smtp._tls.example.test")),
    row("no SPF", "spf-missing", |bed| spf(bed, "something else")),
    row("two SPF records", "spf-several", |bed| {
        bed.text("example.test", &["v=spf1 mx -all", "v=spf1 a -all"])
    }),
    row("SPF with a mechanism that there is not", "spf-syntax", |bed| {
        spf(bed, "v=spf1 mx ipv4:192.0.2.1 -all")
    }),
    row("SPF with eleven look-ups", "spf-lookups", |bed| {
        let mut record = String::from("v=spf1");
        for index in 0..11 {
            record += &format!(" include:s{index}.example.test");
            bed.text(&format!("s{index}.example.test"), &["v=spf1 ip4:192.0.2.1 -all"]);
        }
        spf(bed, &(record + " -all"));
    }),
    row("SPF with three names that do not exist", "spf-void", |bed| {
        spf(bed, "v=spf1 mx a:x.example.test a:y.example.test mx:z.example.test -all");
    }),
    row("SPF that leads round", "spf-loop", |bed| spf(bed, "v=spf1 mx include:example.test -all")),
    row("SPF that includes nothing", "spf-include", |bed| spf(bed, "v=spf1 mx include:no.example.test -all")),
    row("SPF that lets everybody send", "spf-open", |bed| spf(bed, "v=spf1 mx +all")),
    row("no DKIM key", "dkim-missing", |bed| bed.text(DKIM, &[])),
    row("a DKIM key that is none", "dkim-syntax", |bed| bed.text(DKIM, &["v=DKIM1; k=rsa; p=!"])),
    row("a revoked DKIM key", "dkim-revoked", |bed| bed.text(DKIM, &["v=DKIM1; p="])),
    row("a short DKIM key", "dkim-short", |bed| bed.text(DKIM, &[RSA_512])),
    row("DMARC with a policy that there is not", "dmarc-syntax", |bed| dmarc(bed, "v=DMARC1; p=bounce")),
    row("two DMARC records", "dmarc-several", |bed| {
        bed.text("_dmarc.example.test", &["v=DMARC1; p=none", "v=DMARC1; p=reject"]);
    }),
    row("an MTA-STS record without an id", "mta-sts-record", |bed| {
        bed.text("_mta-sts.example.test", &["v=STSv1;"])
    }),
    row("no MTA-STS policy", "mta-sts-fetch", Bed::no_policy),
    row("an MTA-STS policy from an unproved host", "mta-sts-fetch", |bed| bed.web_certificate = Wrong::Name),
    row("an MTA-STS policy that is none", "mta-sts-policy", |bed| bed.policy("<html>")),
    row("an MTA-STS policy for another host", "mta-sts-mismatch", |bed| {
        bed.policy(&POLICY.replace("mail.", "mx."))
    }),
    row("a TLSRPT record without a URI", "tlsrpt-syntax", |bed| {
        bed.text("_smtp._tls.example.test", &["v=TLSRPTv1; rua=tls@example.test"]);
    }),
    row("a TLSA record for another certificate", "dane-mismatch", |bed| {
        bed.tlsa = Some((3, 0, 1, Some(vec![7; 32])))
    }),
    row("a TLSA record of the wrong length", "dane-malformed", |bed| {
        bed.tlsa = Some((3, 0, 1, Some(vec![7; 31])))
    }),
    row("a TLSA record of a usage that is not for mail", "dane-unusable", |bed| {
        bed.tlsa = Some((1, 0, 1, None))
    }),
];

/// What is to be told as a warning, with no error beside it.
pub(crate) static WARNINGS: &[Row] = &[
    row("SPF that says nothing about others", "spf-neutral", |bed| spf(bed, "v=spf1 mx ?all")),
    row("SPF without an end", "spf-no-all", |bed| spf(bed, "v=spf1 mx")),
    row("no DMARC", "dmarc-missing", |bed| bed.text("_dmarc.example.test", &[])),
    row("DMARC reports to strangers", "dmarc-reports", |bed| {
        dmarc(bed, "v=DMARC1; p=reject; rua=mailto:x@reports.invalid");
    }),
    row("an MTA-STS policy for a minute", "mta-sts-short", |bed| {
        bed.policy(&POLICY.replace("1209600", "60"))
    }),
    row("a slow delivery", "test-slow", |bed| {
        bed.send_test();
        bed.options = bed.options.clone().with_slow(Duration::from_secs(1));
        bed.fault(Fault::delay(Duration::from_millis(1500)).before("MAIL").over(Protocol::Submission));
    }),
    row("port 25 without TLS", "starttls-missing", |bed| {
        let answer = "250-mail.example.test\r\n250 8BITMIME";
        bed.fault(Fault::reply(answer).in_place_of_answer("EHLO").over(Protocol::Smtp));
    }),
    row("an address without a name", "reverse-missing", |bed| bed.pointer(None)),
    row("a name that does not have the address", "reverse-mismatch", |bed| {
        bed.pointer(Some("pool.example.test"))
    }),
];
