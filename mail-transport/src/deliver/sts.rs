//! MTA-STS: [RFC 8461](https://www.rfc-editor.org/rfc/rfc8461).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::TlsFailure;
use crate::{
    Error,
    dns::{RecordType, Resolver, host_name},
    http::{Http, HttpError, Request, Response, Url},
};

/// The most that a policy may have, in bytes: RFC 8461 section 3.3.
const DOCUMENT: usize = 64 * 1024;

/// How many hosts of a policy are kept.
const HOSTS: usize = 256;

/// How many policies are kept.
const KEPT: usize = 10_000;

/// The longest time that a policy is kept: RFC 8461 section 3.2.
const LONGEST: Duration = Duration::from_secs(31_557_600);

/// How long after a failure a policy is not asked for again: RFC 8461 section 3.3.
const AGAIN: Duration = Duration::from_secs(300);

/// A domain's policy: which hosts take its mail, and whether they have to prove it.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What happens where a host is another, or proves nothing.
    pub mode: Mode,
    /// The hosts, in ASCII and small; `*.` at the beginning is any one label.
    pub mx: Vec<String>,
    /// How long it is in force, from when it was fetched.
    pub max_age: Duration,
}

/// What happens where a policy is not kept ([RFC 8461 section 5](https://www.rfc-editor.org/rfc/rfc8461#section-5)).
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The message is not delivered.
    Enforce,
    /// It is reported.
    Testing,
    /// Nothing: there is no policy any more.
    None,
}

impl Policy {
    /// Reads a policy ([RFC 8461 section 3.2](https://www.rfc-editor.org/rfc/rfc8461#section-3.2)). Of a key that is there twice the
    /// first counts; unknown keys mean nothing.
    ///
    /// # Errors
    ///
    /// What is missing or wrong, in words.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_transport::deliver::Policy;
    ///
    /// let policy = Policy::parse(b"version: STSv1\nmode: enforce\nmx: *.example.org\nmax_age: 604800\n")?;
    /// assert!(policy.permits("mx1.example.org") && !policy.permits("a.b.example.org"));
    /// # Ok::<(), &'static str>(())
    /// ```
    pub fn parse(document: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(document).map_err(|_| "not UTF-8")?;
        let (mut version, mut mode, mut max_age, mut mx) = (None, None, None, Vec::new());
        for line in text.split('\n').map(|line| line.trim_end_matches(['\r', ' ', '\t'])) {
            if line.is_empty() {
                continue;
            }
            let (key, value) = line.split_once(':').ok_or("a line without a colon")?;
            let value = value.trim_start_matches([' ', '\t']);
            match key {
                "version" => drop(version.get_or_insert(value)),
                "mode" => drop(mode.get_or_insert(value)),
                "max_age" => drop(max_age.get_or_insert(value)),
                "mx" if mx.len() < HOSTS => mx.push(pattern(value).ok_or("a host that is none")?),
                _ => {}
            }
        }
        if version != Some("STSv1") {
            return Err("another version than STSv1");
        }
        let mode = match mode {
            Some("enforce") => Mode::Enforce,
            Some("testing") => Mode::Testing,
            Some("none") => Mode::None,
            _ => return Err("no mode"),
        };
        let is_number =
            |age: &&str| (1..=10).contains(&age.len()) && age.bytes().all(|byte| byte.is_ascii_digit());
        let max_age: u64 = max_age.filter(is_number).and_then(|age| age.parse().ok()).ok_or("no max_age")?;
        if mx.is_empty() && mode != Mode::None {
            return Err("no host");
        }
        Ok(Self { mode, mx, max_age: Duration::from_secs(max_age).min(LONGEST) })
    }

    /// Whether a host is one of the policy's ([RFC 8461 section 4.1](https://www.rfc-editor.org/rfc/rfc8461#section-4.1)).
    #[must_use]
    pub fn permits(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        self.mx.iter().any(|pattern| match pattern.strip_prefix("*.") {
            None => pattern.eq_ignore_ascii_case(host),
            Some(domain) => host
                .split_once('.')
                .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(domain)),
        })
    }
}

/// ```text
/// sts-policy-mx-value = ["*."] Domain
/// ```
fn pattern(value: &str) -> Option<String> {
    let (star, domain) = value.strip_prefix("*.").map_or(("", value), |domain| ("*.", domain));
    Some(format!("{star}{}", host_name(domain)?))
}

/// Whether a text of `_mta-sts` is meant to be a record.
pub(crate) fn is_record(text: &[u8]) -> bool {
    text.starts_with(b"v=STSv1;") || text.starts_with(b"v=STSv1 ")
}

/// The id of a domain's policy, in the text of `_mta-sts` ([RFC 8461 section
/// 3.1](https://www.rfc-editor.org/rfc/rfc8461#section-3.1)).
pub(crate) fn id(text: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(text).ok()?;
    let fields = text.strip_prefix("v=STSv1")?.trim_start_matches([' ', '\t']).strip_prefix(';')?;
    let mut fields = fields.split(';').map(|field| field.trim_matches([' ', '\t']));
    let id = fields.find_map(|field| field.strip_prefix("id="))?;
    let is_id = (1..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_id.then_some(id)
}

/// The policies that were fetched.
#[derive(Debug, Default)]
pub(super) struct Policies {
    kept: Mutex<HashMap<String, Kept>>,
}

#[derive(Debug, Clone)]
struct Kept {
    id: String,
    policy: Result<Arc<Policy>, (TlsFailure, String)>,
    until: Instant,
}

impl Policies {
    /// The policy of a domain. One that is kept and in force is taken where another cannot be had.
    pub(super) async fn of(
        &self,
        resolver: &impl Resolver,
        http: &impl Http,
        domain: &str,
    ) -> Result<Option<Arc<Policy>>, (TlsFailure, String)> {
        let kept = self.kept(domain);
        let known = kept.as_ref().and_then(|kept| kept.policy.clone().ok());
        let answer = resolver.lookup(&format!("_mta-sts.{domain}"), RecordType::Txt).await;
        let answer = answer.unwrap_or_default();
        let mut ids = answer.texts().filter(|text| is_record(text)).map(id);
        let (Some(Some(id)), None) = (ids.next(), ids.next()) else { return Ok(known) };
        if let Some(kept) = kept.filter(|kept| kept.id == id) {
            return kept.policy.map(Some);
        }
        let fetched = fetch(http, domain).await.map(Arc::new);
        let until = |time| Instant::now() + time;
        match (fetched, known) {
            (Ok(policy), _) => {
                self.keep(
                    domain,
                    Kept { id: id.to_owned(), policy: Ok(policy.clone()), until: until(policy.max_age) },
                );
                Ok(Some(policy))
            }
            // What is in force stays so: RFC 8461 section 3.3.
            (Err(_), Some(known)) => Ok(Some(known)),
            (Err(failure), None) => {
                let policy = Err(failure.clone());
                self.keep(domain, Kept { id: id.to_owned(), policy, until: until(AGAIN) });
                Err(failure)
            }
        }
    }

    fn kept(&self, domain: &str) -> Option<Kept> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(domain).filter(|kept| kept.until > Instant::now()).cloned()
    }

    fn keep(&self, domain: &str, policy: Kept) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT && !kept.contains_key(domain) {
            let now = Instant::now();
            kept.retain(|_, kept| kept.until > now);
            // Where all are in force, some make room: they are fetched again.
            if kept.len() >= KEPT {
                let some: Vec<_> = kept.keys().take(KEPT / 10).cloned().collect();
                some.iter().for_each(|domain| drop(kept.remove(domain)));
            }
        }
        kept.insert(domain.to_owned(), policy);
    }
}

/// Asks for a domain's policy, without a look at what is kept.
pub(crate) async fn fetch(http: &impl Http, domain: &str) -> Result<Policy, (TlsFailure, String)> {
    let failed = |error: HttpError| {
        let failure = match &error {
            HttpError::Connection(error) if matches!(**error, Error::Tls(_)) => TlsFailure::StsWebpkiInvalid,
            _ => TlsFailure::StsPolicyFetchError,
        };
        (failure, error.to_string())
    };
    let url = Url::parse(&format!("https://mta-sts.{domain}/.well-known/mta-sts.txt")).map_err(failed)?;
    // No redirection is followed: RFC 8461 section 3.3.
    let Response { status, media_type, body, .. } =
        http.send(&Request::get(url, DOCUMENT)).await.map_err(failed)?;
    if status != 200 {
        return Err((TlsFailure::StsPolicyFetchError, format!("the status is {status}")));
    }
    let invalid = |reason: &str| (TlsFailure::StsPolicyInvalid, reason.to_owned());
    let media_type = media_type.unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("text/plain") {
        return Err(invalid("it is not text/plain"));
    }
    match body.len() {
        0..=DOCUMENT => Policy::parse(&body).map_err(invalid),
        _ => Err(invalid("it is too large")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read() {
        let document = "version: STSv1\r\nmode: testing\r\nmx: Mail.Example.com\r\nmx:*.example.net \r\nx: y\r\n\
            mode: enforce\r\nmax_age: 99999999999\r\n";
        assert_eq!(Policy::parse(document.as_bytes()), Err("no max_age"));
        let policy = Policy::parse(document.replace("99999999999", "9999999999").as_bytes()).unwrap();
        assert_eq!((policy.mode, policy.max_age), (Mode::Testing, LONGEST));
        assert_eq!(policy.mx, ["mail.example.com", "*.example.net"]);
        for (host, permitted) in [
            ("mail.example.com", true),
            ("MAIL.example.com.", true),
            ("a.example.net", true),
            ("example.net", false),
            ("a.b.example.net", false),
            (".example.net", false),
            ("mail.example.com.evil.test", false),
        ] {
            assert_eq!(policy.permits(host), permitted, "{host}");
        }
        let none = Policy::parse(b"version: STSv1\nmode: none\nmax_age: 0").unwrap();
        assert_eq!((none.mode, none.mx.len(), none.max_age), (Mode::None, 0, Duration::ZERO));
    }

    #[test]
    fn policies_that_are_none() {
        for (document, reason) in [
            ("", "version"),
            ("version: STSv2\nmode: none\nmax_age: 1", "version"),
            ("version: STSv1\nmode: Enforce\nmx: a.example\nmax_age: 1", "mode"),
            ("version: STSv1\nmode: enforce\nmax_age: 1", "no host"),
            ("version: STSv1\nmode: enforce\nmx: a.example\nmax_age: -1", "max_age"),
            ("version: STSv1\nmode: enforce\nmx: *\nmax_age: 1", "none"),
            ("version: STSv1\nmode: enforce\nmx: a.*.example\nmax_age: 1", "none"),
            ("<html>", "colon"),
        ] {
            assert!(Policy::parse(document.as_bytes()).unwrap_err().contains(reason), "{document}");
        }
        assert!(Policy::parse(b"version: STSv1\nmode: none\nx: \xff\nmax_age: 1").is_err());
        let many = format!("version: STSv1\nmode: enforce\nmax_age: 1\n{}", "mx: a.example\n".repeat(4000));
        assert_eq!(Policy::parse(many.as_bytes()).unwrap().mx.len(), HOSTS);
    }

    #[test]
    fn ids() {
        for (text, expected) in [
            ("v=STSv1; id=20160831085700Z;", Some("20160831085700Z")),
            ("v=STSv1;x=y ; id=1", Some("1")),
            ("v=STSv1; id=", None),
            ("v=STSv1; id=a-b", None),
            ("v=STSv1", None),
            ("v=STSv2; id=1", None),
            ("id=1; v=STSv1", None),
        ] {
            assert_eq!(id(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(id(format!("v=STSv1; id={}", "1".repeat(33)).as_bytes()), None);
    }
}
