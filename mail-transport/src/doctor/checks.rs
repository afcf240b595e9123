//! Everything that is checked, with its name: one table a family.

use super::{Section, Severity};

/// Something that is checked.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// Its name in [`Finding::check`](super::Finding::check): small letters and hyphens.
    pub name: &'static str,
    /// What it is about.
    pub section: Section,
    /// How bad it is if nothing else is said.
    pub severity: Severity,
    /// What it says, in short.
    pub about: &'static str,
}

/// Makes a table of checks: a constant for each, all of them, and their documentation.
macro_rules! checks {
    ($(#[doc = $doc:literal])* $all:ident { $($constant:ident = $name:literal, $section:ident, $severity:ident, $about:literal;)* }) => {
        $(pub(in super::super) const $constant: Check =
            Check { name: $name, section: Section::$section, severity: Severity::$severity, about: $about };)*

        $(#[doc = $doc])*
        ///
        /// | check | section | usually | what it says |
        /// | --- | --- | --- | --- |
        $(#[doc = concat!("| `", $name, "` | ", stringify!($section), " | ", stringify!($severity), " | ", $about, " |")])*
        pub const $all: &[Check] = &[$($constant,)*];
    };
}

/// What follows from what: where the first of these names is told of a server, or of its host, the second is not, for the cause
/// is told already.
pub(super) const FOLLOWS: &[(&str, &str)] = &[
    // Who takes mail without TLS takes passwords without, too.
    ("starttls-missing", "password-in-clear"),
    ("starttls-stripped", "password-in-clear"),
    ("starttls-refused", "password-in-clear"),
    ("tls-old-only", "tls-old"),
    // Where there is no host, or none that can be reached, nobody answers.
    ("mx-nowhere", "host-unknown"),
    ("mx-nowhere", "port-closed"),
    ("mx-nowhere", "port-dropped"),
    ("mx-nowhere", "port-unreachable"),
    ("mx-private", "port-closed"),
    ("mx-private", "port-dropped"),
    ("mx-private", "port-unreachable"),
    // Who does not answer tells of nothing.
    ("dns-fails", "settings-none"),
    ("dnssec-bogus", "settings-none"),
];

/// Checks that connect to servers, and of discovery.
pub mod servers {
    use super::{Check, Section, Severity};

    checks! {
        /// What is checked by connecting.
        SERVERS {
            SETTINGS_FOUND = "settings-found", Discovery, Good, "programs find the servers of the address";
            SETTINGS_NONE = "settings-none", Discovery, Error, "no server of the address can be found";
            SETTINGS_GUESSED = "settings-guessed", Discovery, Warning, "nobody tells of the servers; they were guessed";
            SETTINGS_DOUBTFUL = "settings-doubtful", Discovery, Warning, "nothing proves that the server found is the domain's";
            SETTINGS_CONTRADICT = "settings-contradict", Discovery, Warning, "two sources tell different servers";
            HOST_UNKNOWN = "host-unknown", Ports, Error, "the host has no address";
            ADDRESS_SILENT = "address-silent", Ports, Warning, "one address of several does not answer";
            PORT_OPEN = "port-open", Ports, Good, "the right protocol is spoken there";
            PORT_CLOSED = "port-closed", Ports, Error, "nobody listens";
            PORT_DROPPED = "port-dropped", Ports, Error, "a firewall drops what is sent there";
            PORT_UNREACHABLE = "port-unreachable", Ports, Error, "the connection fails in another way";
            PORT_UNUSED = "port-unused", Ports, Note, "ports that nobody tells of, and that are closed";
            GREETING_NONE = "greeting-none", Ports, Error, "the server says nothing";
            GREETING_REFUSES = "greeting-refuses", Ports, Error, "the server greets with a refusal";
            PROTOCOL_WRONG = "protocol-wrong", Ports, Error, "another protocol is spoken there";
            STARTTLS_MISSING = "starttls-missing", Tls, Error, "TLS is not offered";
            STARTTLS_STRIPPED = "starttls-stripped", Tls, Error, "something on the way overwrites the offer of TLS";
            STARTTLS_REFUSED = "starttls-refused", Tls, Error, "TLS is offered and refused";
            TLS_NOT_SPOKEN = "tls-not-spoken", Tls, Error, "a port for TLS where none is spoken";
            TLS_FAILS = "tls-fails", Tls, Error, "the handshake fails";
            TLS_OLD_ONLY = "tls-old-only", Tls, Error, "nothing newer than TLS 1.1 is spoken";
            TLS_OLD = "tls-old", Tls, Warning, "TLS 1.0 or 1.1 is still taken";
            TLS_VERSIONS = "tls-versions", Tls, Good, "the versions and ciphers that are spoken";
            CIPHERS_BROKEN = "ciphers-broken", Tls, Warning, "a broken cipher is taken";
            CERTIFICATE_GOOD = "certificate-good", Tls, Good, "the certificate is verified";
            CERTIFICATE_UNREADABLE = "certificate-unreadable", Tls, Error, "the certificate is none";
            CERTIFICATE_EXPIRED = "certificate-expired", Tls, Error, "the certificate, or its authority's, has expired";
            CERTIFICATE_NOT_YET = "certificate-not-yet", Tls, Error, "the certificate is not valid yet";
            CERTIFICATE_EXPIRES_SOON = "certificate-expires-soon", Tls, Warning, "the certificate will expire";
            CERTIFICATE_WEAK = "certificate-weak", Tls, Error, "a key or signature that can be broken";
            CERTIFICATE_NAME = "certificate-name", Tls, Error, "the certificate is for another name";
            CERTIFICATE_SELF_SIGNED = "certificate-self-signed", Tls, Error, "the certificate is signed by itself";
            CERTIFICATE_CHAIN = "certificate-chain", Tls, Error, "the certificate of an authority is not sent";
            CERTIFICATE_UNTRUSTED = "certificate-untrusted", Tls, Error, "the authority is not trusted";
            CERTIFICATE_REVOKED = "certificate-revoked", Tls, Error, "the authority has revoked the certificate";
            CERTIFICATE_UNVERIFIED = "certificate-unverified", Tls, Error, "the certificate cannot be verified for another reason";
            STAPLE_MISSING = "staple-missing", Tls, Warning, "must-staple, and nothing is stapled";
            STAPLE_USELESS = "staple-useless", Tls, Warning, "the stapled OCSP response is of no use";
            PASSWORD_IN_CLEAR = "password-in-clear", Login, Error, "passwords are taken without TLS";
            LOGIN_NOT_OFFERED = "login-not-offered", Login, Error, "no way to log in";
            MECHANISMS = "mechanisms", Login, Good, "the ways to log in";
            AUTH_BETWEEN_SERVERS = "auth-between-servers", Login, Note, "one can log in where other servers deliver";
            CAPABILITIES_NONE = "capabilities-none", Capabilities, Error, "the server does not tell what it offers";
            CAPABILITIES_MISSING = "capabilities-missing", Capabilities, Warning, "something of use is not offered";
            PROTOCOL_OLD = "protocol-old", Capabilities, Error, "IMAP before IMAP4rev1";
            LOGIN_WORKS = "login-works", Login, Good, "logging in works";
            LOGIN_REFUSED = "login-refused", Login, Error, "the name and password are not accepted";
            LOGIN_FAILS = "login-fails", Login, Error, "logging in fails for another reason";
            LOGIN_WITHHELD = "login-withheld", Login, Note, "nobody logs in, as nothing proves that it is the right server";
            TEST_DELIVERED = "test-delivered", Delivery, Good, "the test message arrived";
            TEST_WITHHELD = "test-withheld", Delivery, Note, "no test message was sent";
            TEST_REFUSED = "test-refused", Delivery, Error, "the server refuses the test message";
            TEST_DEFERRED = "test-deferred", Delivery, Error, "the server does not take the test message now";
            TEST_FAILS = "test-fails", Delivery, Error, "the test message could not be sent";
            TEST_MISSING = "test-missing", Delivery, Error, "the test message did not arrive in time";
            TEST_SLOW = "test-slow", Delivery, Warning, "the test message arrived late";
            TEST_RETURNED = "test-returned", Delivery, Error, "the test message came back";
            TEST_ONE_WAY = "test-one-way", Delivery, Warning, "one of IMAP and POP3 does not show the test message";
            AUTHENTICATION_RESULTS = "authentication-results", Delivery, Note, "what the server says of SPF, DKIM and DMARC of the test message";
            AUTHENTICATION_FAILED = "authentication-failed", Delivery, Warning, "the test message does not pass SPF, DKIM or DMARC";
            ADVICE_READING = "advice-reading", Advice, Note, "what to read mail by";
            ADVICE_SENDING = "advice-sending", Advice, Note, "what to send mail by";
            DNS_FAILS = "dns-fails", Records, Error, "name servers do not answer, or what they answer cannot be used";
        }
    }
}

/// Checks of the domain's records in DNS.
pub mod records {
    use super::{Check, Section, Severity};

    checks! {
        /// What is checked of the domain's records in DNS.
        RECORDS {
            DNSSEC_BOGUS = "dnssec-bogus", Records, Error, "answers of name servers are signed wrongly";
            MX_FOUND = "mx-found", Records, Good, "a host takes the domain's mail";
            MX_NULL = "mx-null", Records, Error, "the domain says that it takes no mail";
            MX_NONE = "mx-none", Records, Error, "the domain has no host for its mail";
            MX_IMPLICIT = "mx-implicit", Records, Warning, "there is no MX record, and mail goes to the domain's own address";
            MX_NOWHERE = "mx-nowhere", Records, Error, "an MX record names a host without an address";
            MX_LITERAL = "mx-literal", Records, Error, "an MX record names an address in place of a host";
            MX_ALIAS = "mx-alias", Records, Error, "an MX record names an alias";
            MX_PRIVATE = "mx-private", Records, Error, "a host that takes mail has an address that nobody outside can reach";
            SPF_FOUND = "spf-found", Records, Good, "SPF says which hosts send the domain's mail";
            SPF_MISSING = "spf-missing", Records, Error, "there is no SPF record";
            SPF_SEVERAL = "spf-several", Records, Error, "there are several SPF records";
            SPF_SYNTAX = "spf-syntax", Records, Error, "an SPF record is wrong";
            SPF_LOOKUPS = "spf-lookups", Records, Error, "the SPF record needs more than 10 look-ups";
            SPF_VOID = "spf-void", Records, Error, "the SPF record looks up more than 2 names that do not exist";
            SPF_LOOP = "spf-loop", Records, Error, "SPF records include each other";
            SPF_INCLUDE = "spf-include", Records, Error, "the SPF record includes a domain that has none";
            SPF_MX = "spf-mx", Records, Error, "the SPF record has `mx` for a domain with more than 10 hosts";
            SPF_OPEN = "spf-open", Records, Error, "the SPF record lets everybody send";
            SPF_NEUTRAL = "spf-neutral", Records, Warning, "the SPF record says nothing about other hosts";
            SPF_NO_ALL = "spf-no-all", Records, Warning, "the SPF record has no end";
            SPF_PTR = "spf-ptr", Records, Warning, "the SPF record has `ptr`";
            DKIM_FOUND = "dkim-found", Records, Good, "a selector has a DKIM key";
            DKIM_NOT_ASKED = "dkim-not-asked", Records, Note, "no selector was named, and no DKIM key looked at";
            DKIM_MISSING = "dkim-missing", Records, Error, "a selector has no DKIM key";
            DKIM_SEVERAL = "dkim-several", Records, Error, "a selector has several texts";
            DKIM_SYNTAX = "dkim-syntax", Records, Error, "a DKIM key is wrong";
            DKIM_REVOKED = "dkim-revoked", Records, Error, "a DKIM key is revoked";
            DKIM_SHORT = "dkim-short", Records, Error, "a DKIM key is short: below 1024 bits an error, below 2048 a warning";
            DKIM_SERVICE = "dkim-service", Records, Error, "a DKIM key is not for mail";
            DKIM_HASH = "dkim-hash", Records, Error, "a DKIM key is not for SHA-256";
            DKIM_TESTING = "dkim-testing", Records, Warning, "a DKIM key says that the domain is only testing";
            DMARC_FOUND = "dmarc-found", Records, Good, "DMARC says what becomes of forged mail";
            DMARC_MISSING = "dmarc-missing", Records, Warning, "there is no DMARC record";
            DMARC_SEVERAL = "dmarc-several", Records, Error, "there are several DMARC records";
            DMARC_SYNTAX = "dmarc-syntax", Records, Error, "the DMARC record is wrong";
            DMARC_TAG = "dmarc-tag", Records, Warning, "a tag of the DMARC record is wrong";
            DMARC_POLICY_NONE = "dmarc-policy-none", Records, Note, "the DMARC policy is `none`";
            DMARC_REPORTS = "dmarc-reports", Records, Warning, "DMARC reports go to a domain that does not take them";
            STS_FOUND = "mta-sts-found", Records, Good, "MTA-STS has mail delivered within TLS";
            STS_MISSING = "mta-sts-missing", Records, Note, "there is no MTA-STS";
            STS_SEVERAL = "mta-sts-several", Records, Error, "there are several MTA-STS records";
            STS_RECORD = "mta-sts-record", Records, Error, "the MTA-STS record is wrong";
            STS_FETCH = "mta-sts-fetch", Records, Error, "the MTA-STS policy cannot be fetched";
            STS_POLICY = "mta-sts-policy", Records, Error, "the MTA-STS policy is wrong";
            STS_MISMATCH = "mta-sts-mismatch", Records, Error, "the MTA-STS policy does not name a host that takes mail";
            STS_TESTING = "mta-sts-testing", Records, Note, "the MTA-STS policy has the mode `testing`";
            STS_OFF = "mta-sts-off", Records, Note, "the MTA-STS policy has the mode `none`";
            STS_SHORT = "mta-sts-short", Records, Warning, "the MTA-STS policy is kept for less than a day";
            TLSRPT_FOUND = "tlsrpt-found", Records, Good, "reports about TLS have a place to go";
            TLSRPT_MISSING = "tlsrpt-missing", Records, Note, "there is no TLSRPT record";
            TLSRPT_SEVERAL = "tlsrpt-several", Records, Error, "there are several TLSRPT records";
            TLSRPT_SYNTAX = "tlsrpt-syntax", Records, Error, "the TLSRPT record is wrong";
            DANE_FOUND = "dane-found", Records, Good, "DNS vouches for the certificate of a host (DANE)";
            DANE_MISSING = "dane-missing", Records, Note, "there is no TLSA record (DANE)";
            DANE_UNPROVED = "dane-unproved", Records, Note, "there are TLSA records, and nobody looked at their signatures";
            DANE_INSECURE = "dane-insecure", Records, Warning, "TLSA records that no signature proves";
            DANE_MALFORMED = "dane-malformed", Records, Error, "a TLSA record is none";
            DANE_UNUSABLE = "dane-unusable", Records, Error, "no TLSA record is of a kind that counts between mail servers";
            DANE_MISMATCH = "dane-mismatch", Records, Error, "TLSA records are for another certificate than the one shown";
            REVERSE_FOUND = "reverse-found", Records, Good, "the address of a host that takes mail has a name";
            REVERSE_MISSING = "reverse-missing", Records, Warning, "the address of a host that takes mail has no name";
            REVERSE_MISMATCH = "reverse-mismatch", Records, Warning, "the name of an address does not have that address";
        }
    }
}

/// Returns all that is checked.
pub fn checks() -> impl Iterator<Item = &'static Check> {
    servers::SERVERS.iter().chain(records::RECORDS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_words_and_are_there_once() {
        let names: Vec<_> = checks().map(|check| check.name).collect();
        let is_name = |name: &&str| {
            let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            name.split('-').all(|word| !word.is_empty() && word.bytes().all(is_letter))
        };
        assert!(names.iter().all(is_name), "{names:?}");
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        for (cause, consequence) in FOLLOWS {
            assert!(names.contains(cause) && names.contains(consequence), "{cause}: {consequence}");
        }
    }
}
