//! Who may ask.

use std::net::{IpAddr, SocketAddr};

use hyper::{
    HeaderMap, Method, Request,
    header::{self, HeaderName},
};

use super::answer::Refused;

/// The names by which the page may be asked for. A page from elsewhere whose name leads here (DNS rebinding) is none of ours.
pub(crate) struct Hosts {
    bound: IpAddr,
    name: String,
}

impl Hosts {
    /// Loopback, the address that is listened at, and a name.
    pub(crate) fn new(bound: SocketAddr, name: &str) -> Self {
        Self { bound: bound.ip().to_canonical(), name: name.to_owned() }
    }

    /// Whether a request comes by a good name, and from nobody else's page where it changes something.
    pub(super) fn check<B>(&self, request: &Request<B>) -> Result<(), Refused> {
        let headers = request.headers();
        let host = only(headers, header::HOST).ok_or(Refused::Host)?;
        let in_line = request.uri().authority().map(|authority| authority.as_str());
        if !self.allows(host) || in_line.is_some_and(|authority| authority != host) {
            return Err(Refused::Host);
        }
        if is_from_elsewhere(headers) && request.uri().path() != "/" {
            return Err(Refused::Origin);
        }
        let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
        if changes && headers.contains_key(header::ORIGIN) {
            let origin = only(headers, header::ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
            return if origin == Some(host) { Ok(()) } else { Err(Refused::Origin) };
        }
        Ok(())
    }

    fn allows(&self, host: &str) -> bool {
        let (name, port) = match host.rfind(':').filter(|_| !host.ends_with(']')) {
            Some(colon) => host.split_at(colon),
            None => (host, ""),
        };
        if !port.bytes().skip(1).all(|byte| byte.is_ascii_digit()) {
            return false;
        }
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(name).parse::<IpAddr>() {
            // An address is no name that somebody could lead here. Where all are listened at, any may be ours.
            let address = address.to_canonical();
            return address.is_loopback() || address == self.bound || self.bound.is_unspecified();
        }
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        name == "localhost" || name.ends_with(".localhost") || name.eq_ignore_ascii_case(&self.name)
    }
}

/// Whether a browser says that a page of another server asks ([Fetch Metadata](https://www.w3.org/TR/fetch-metadata/)): it may
/// lead to the page, and nothing else. It could not read an answer; but have work done, and learn from how long that takes.
fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let mut sites = headers.get_all("sec-fetch-site").iter();
    sites.any(|site| site != "same-origin" && site != "none")
}

/// The value of a field that stands there once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    value.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(bound: &str) -> Hosts {
        Hosts::new(bound.parse().unwrap(), "mail.example.org")
    }

    #[test]
    fn names_that_lead_here() {
        let here = hosts("127.0.0.1:8025");
        let good = [
            "localhost",
            "LOCALHOST:8025",
            "localhost.",
            "x.localhost:1",
            "127.0.0.1:8025",
            "127.1.2.3",
            "[::1]:8025",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "Mail.example.org:8025",
        ];
        for host in good {
            assert!(here.allows(host), "{host}");
        }
        let bad = [
            "",
            ":",
            ":8025",
            "evil.example",
            "evil.example:8025",
            "localhost.evil.example",
            "localhost:8025.evil.example",
            "localhost:x",
            "127.0.0.1.evil.example",
            "192.0.2.1",
            "[2001:db8::1]:8025",
            "0.0.0.0",
            "evillocalhost",
            "localhost@evil.example",
            "127.0.0.1:8025:evil",
        ];
        for host in bad {
            assert!(!here.allows(host), "{host}");
        }
        let public = hosts("192.0.2.1:80");
        assert!(public.allows("192.0.2.1") && !public.allows("192.0.2.2") && !public.allows("evil.example"));
        let everywhere = hosts("[::]:80");
        assert!(everywhere.allows("192.0.2.2:80") && everywhere.allows("[2001:db8::1]"));
        assert!(!everywhere.allows("evil.example"));
    }

    #[test]
    fn another_page_changes_nothing() {
        let here = hosts("127.0.0.1:8025");
        let ask = |method: Method, fields: &[(&str, &str)], line: &str| {
            let mut request = Request::builder().method(method).uri(line);
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            here.check(&request.body(()).unwrap()).is_ok()
        };
        let host = ("host", "localhost:8025");
        assert!(ask(Method::DELETE, &[host], "/"));
        assert!(ask(Method::DELETE, &[host, ("origin", "http://localhost:8025")], "/"));
        for origin in ["http://localhost:8026", "http://evil.example", "https://localhost:8025", "null", ""] {
            assert!(!ask(Method::DELETE, &[host, ("origin", origin)], "/"), "{origin}");
            assert!(ask(Method::GET, &[host, ("origin", origin)], "/"), "{origin}");
        }
        for (site, path, good) in [
            ("same-origin", "/api/messages", true),
            ("none", "/html/1", true),
            ("cross-site", "/api/messages?search=x", false),
            ("same-site", "/api/events", false),
            ("cross-site", "/", true),
        ] {
            assert_eq!(ask(Method::GET, &[host, ("sec-fetch-site", site)], path), good, "{site} {path}");
        }
        let twice = [host, ("origin", "http://localhost:8025"), ("origin", "http://evil.example")];
        assert!(!ask(Method::DELETE, &twice, "/"));
        assert!(!ask(Method::GET, &[], "/"));
        assert!(!ask(Method::GET, &[host, ("host", "evil.example")], "/"));
        assert!(!ask(Method::GET, &[host], "http://evil.example/"));
        assert!(ask(Method::GET, &[host], "http://localhost:8025/"));
    }
}
