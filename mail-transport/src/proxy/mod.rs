//! Connecting through a proxy: SOCKS5 ([RFC 1928](https://www.rfc-editor.org/rfc/rfc1928), [RFC
//! 1929](https://www.rfc-editor.org/rfc/rfc1929)) or CONNECT of HTTP ([RFC 9110 section
//! 9.3.6](https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6)).
//!
//! An [`Endpoint`](crate::Endpoint) is given a [`Proxy`]. What is said to it is a [`Handshake`] without I/O, for whoever
//! has another stream.
//!
//! ```
//! use mailwire_transport::{Endpoint, Protocol, Proxy, Security};
//!
//! let proxy: Proxy = "socks5://anna:secret@proxy.example:1080".parse()?;
//! let endpoint = Endpoint::new("imap.example.org", Protocol::Imap, Security::implicit_tls()).with_proxy(Some(proxy));
//! # let _ = endpoint;
//! # Ok::<(), mailwire_core::Invalid>(())
//! ```

mod environment;
mod handshake;
mod http;
mod socks5;

use std::{fmt, str::FromStr};

use mailwire_core::{Invalid, Secret, Text, grammar::run_all};
use nom::{
    branch::alt,
    bytes::complete::tag_no_case,
    combinator::{map, opt, value},
};

pub(crate) use self::handshake::ask;
pub use self::handshake::{Handshake, Step};
#[cfg(any(feature = "deliver", feature = "discover"))]
pub(crate) use self::http::status as http_status;
use crate::{account::authority, endpoint::HostPort};

/// A proxy that connects clients to servers: where it is, what it speaks, and who asks it.
///
/// The client gives it the server's name, and the proxy looks the address up: the client needs no DNS for that. TLS
/// begins when the proxy has connected, between the client and the server, whose certificate the client checks: the proxy
/// passes on bytes that it cannot read. Without TLS it can read and change all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    kind: Kind,
    host: String,
    port: u16,
    login: Option<(String, Secret)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Socks5,
    Http,
}

impl Proxy {
    /// A proxy that speaks SOCKS5; its port often is 1080.
    #[must_use]
    pub fn socks5(host: impl Into<String>, port: u16) -> Self {
        Self { kind: Kind::Socks5, host: host.into(), port, login: None }
    }

    /// A proxy that speaks HTTP/1.1 and permits CONNECT to the server's port; many permit 443 alone. What is said to the
    /// proxy itself, a password too, goes in clear.
    #[must_use]
    pub fn http(host: impl Into<String>, port: u16) -> Self {
        Self { kind: Kind::Http, host: host.into(), port, login: None }
    }

    /// Sets who asks the proxy: by RFC 1929, or by Basic ([RFC 7617](https://www.rfc-editor.org/rfc/rfc7617)). Both show
    /// the password to whoever is on the way to the proxy.
    #[must_use]
    pub fn with_login(mut self, user: impl Into<String>, password: impl Into<Secret>) -> Self {
        self.login = Some((user.into(), password.into()));
        self
    }

    /// Reads a URL: `socks5://` (or `socks5h://`) or `http://`, a user and password where there are, a host and a port:
    /// 1080 or 80 if there is none.
    ///
    /// # Errors
    ///
    /// It is none of these: where, in bytes, and what was expected there. Nothing of the URL stands in the error.
    pub fn parse(url: &str) -> Result<Self, Invalid> {
        let socks = || value(Kind::Socks5, alt((tag_no_case("socks5h://"), tag_no_case("socks5://"))));
        let scheme = alt((socks(), value(Kind::Http, tag_no_case("http://"))));
        let scheme = mailwire_core::grammar::expected("expected socks5:// or http://", scheme);
        let slash = opt(mailwire_core::grammar::byte(b'/', ""));
        let url = run_all(url.as_bytes(), map((scheme, authority(None), slash), |parts| parts));
        let (kind, (user, host, port), _) =
            url.map_err(|error| Invalid::new("URL of a proxy", error.offset, error.reason))?;
        let port = port.unwrap_or(match kind {
            Kind::Socks5 => 1080,
            Kind::Http => 80,
        });
        let login = user.and_then(|info| Some((info.user?, info.password.unwrap_or_default())));
        Ok(Self { kind, host, port, login })
    }

    /// Returns the proxy that the environment names for connections to this host: `ALL_PROXY`, unless `NO_PROXY` has the
    /// host. Nothing looks there unless this is called.
    ///
    /// `NO_PROXY` is a list with commas: names, which hold for all below them, addresses, networks such as `10.0.0.0/8`,
    /// or `*` for all. The names of the variables can be in small letters, which come first.
    ///
    /// # Errors
    ///
    /// `ALL_PROXY` is none of the [URLs](Self::parse).
    pub fn from_environment(host: &str) -> Result<Option<Self>, Invalid> {
        let variable = |small: &str, large: &str| {
            std::env::var(small).or_else(|_| std::env::var(large)).ok().filter(|value| !value.is_empty())
        };
        let no_proxy = variable("no_proxy", "NO_PROXY").unwrap_or_default();
        match variable("all_proxy", "ALL_PROXY") {
            Some(url) if !environment::is_excepted(host, &no_proxy) => Self::parse(&url).map(Some),
            _ => Ok(None),
        }
    }

    /// Returns the host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for Proxy {
    type Err = Invalid;

    fn from_str(url: &str) -> Result<Self, Invalid> {
        Self::parse(url)
    }
}

/// Its host and port, without who asks it.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        HostPort(&self.host, self.port).fmt(f)
    }
}

/// A proxy that does not connect.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{server} through the proxy {proxy}: {reason}")]
pub struct ProxyError {
    /// The proxy.
    pub proxy: String,
    /// The server to which it was to connect.
    pub server: String,
    /// Why it does not.
    pub reason: ProxyRefusal,
}

/// Why a proxy does not connect.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyRefusal {
    /// It asks for a login, and [none is set](Proxy::with_login); or it accepts none of the ways to log in that it was offered.
    #[error("it asks for a login that there is not")]
    LoginNeeded,
    /// It does not accept the login.
    #[error("it refuses the login")]
    LoginRefused,
    /// It says no, in SOCKS5: [RFC 1928 section 6](https://www.rfc-editor.org/rfc/rfc1928#section-6).
    #[error("{}", socks5::meaning(*.0))]
    Socks(u8),
    /// It says no, in HTTP.
    #[error("it answers {status} {reason}")]
    Http {
        /// The status: [RFC 9110 section 15](https://www.rfc-editor.org/rfc/rfc9110#section-15).
        status: u16,
        /// The proxy's words, or the beginning of them.
        reason: Text,
    },
    /// It cannot be asked: the names are longer than its protocol has room for, or have what that cannot carry.
    #[error("it cannot be asked: {0}")]
    NotAskable(&'static str),
    /// What it says is not of the protocol.
    #[error("not an answer of such a proxy: {0}")]
    NotAProxy(&'static str),
}

impl ProxyRefusal {
    /// Whether the same may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            // A failure in general; network or host not reachable; refused; no time left.
            Self::Socks(1 | 3..=6) => true,
            Self::Http { status, .. } => matches!(status, 408 | 429 | 500..=599),
            _ => false,
        }
    }
}
