//! URLs of documents.

use std::fmt;

use super::HttpError;
use crate::dns::host_name;

/// An `https` URL with the name of a host ([RFC 9110 section 4.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-4.2.2)), not an
/// address, and nobody's name or password in it.
///
/// # Examples
///
/// ```
/// use mailwire_transport::http::Url;
///
/// let url = Url::parse("https://autoconfig.example.org/mail/config-v1.1.xml")?;
/// assert_eq!((url.host(), url.port(), url.target()), ("autoconfig.example.org", 443, "/mail/config-v1.1.xml"));
/// assert!(Url::parse("http://autoconfig.example.org/").is_err());
/// # Ok::<(), mailwire_transport::http::HttpError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Url {
    host: String,
    port: u16,
    target: String,
}

/// The most that a URL may have, in bytes.
const MOST: usize = 4096;

impl Url {
    /// Reads a URL. A fragment is left out.
    ///
    /// # Errors
    ///
    /// It is no such URL.
    pub fn parse(text: &str) -> Result<Self, HttpError> {
        let rest = match text.split_at_checked(8) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https://") => rest,
            _ => return Err(HttpError::Url("it does not begin with https://")),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let (host, port) = match authority.split_once(':') {
            None => (authority, 443),
            Some((host, port)) => {
                let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
                let port = port.parse().ok().filter(|&port| is_number && port > 0);
                (host, port.ok_or(HttpError::Url("its port is none"))?)
            }
        };
        let host = host_name(host)
            .filter(|_| host == host.trim())
            .ok_or(HttpError::Url("its host is not the name of one"))?;
        let target = target.split('#').next().unwrap_or_default();
        if target.len() > MOST || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(HttpError::Url("its path cannot be sent"));
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self { host, port, target: format!("{slash}{target}") })
    }

    /// What this URL's document says of where it is: another URL, or an absolute path at the same host ([RFC 9110 section
    /// 10.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.2)).
    ///
    /// # Errors
    ///
    /// It is neither.
    pub fn join(&self, location: &str) -> Result<Self, HttpError> {
        match location.as_bytes() {
            [b'/', b'/', ..] => Self::parse(&format!("https:{location}")),
            [b'/', ..] => Self::parse(&format!("https://{}{location}", self.authority())),
            _ => Self::parse(location),
        }
    }

    /// Returns the host, in ASCII.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns what the host is asked for: the path and the query.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The host, and the port where it is not the registered one.
    pub(super) fn authority(&self) -> String {
        match self.port {
            443 => self.host.clone(),
            port => format!("{}:{port}", self.host),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}{}", self.authority(), self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_shown() {
        for (text, shown) in [
            ("https://a.example", "https://a.example/"),
            ("HTTPS://A.example:443?b=c#d", "https://a.example/?b=c"),
            ("https://a.example:8443/b/../c", "https://a.example:8443/b/../c"),
        ] {
            assert_eq!(Url::parse(text).unwrap().to_string(), shown);
        }
        for text in [
            "",
            "https:",
            "https:///a",
            "http://a.example",
            "https://a.example:0/",
            "https://a.example:+1/",
            "https://a.example:65536/",
            "https://[::1]/",
            "https://a.example/ b",
            "https://a.example/b\r\nX: y",
            "https://a.example\r\n/",
            "https://user:secret@a.example/",
            "https://ü",
        ] {
            assert!(Url::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn locations_are_joined() {
        let url = Url::parse("https://a.example:8443/b").unwrap();
        for (location, to) in [
            ("/c?d", "https://a.example:8443/c?d"),
            ("//e.example/f", "https://e.example/f"),
            ("https://g.example/", "https://g.example/"),
        ] {
            assert_eq!(url.join(location).unwrap().to_string(), to);
        }
        assert!(url.join("c").is_err() && url.join("//user@e.example").is_err());
    }
}
