//! Whether and how bytes are protected.

use std::{fmt, future::Future, time::Duration};

use mailwire_core::Channel;

use crate::{Error, Phase};

/// The protection of a conversation. There is no "TLS if offered": it protects from nobody who can
/// change what is offered.
///
/// # Examples
///
/// ```
/// use mailwire_transport::{Protocol, Security};
///
/// assert_eq!(Security::implicit_tls().default_port(Protocol::Imap), 993);
/// assert_eq!(Security::required_starttls().default_port(Protocol::Submission), 587);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Security(pub(crate) Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Implicit,
    StartTls,
    Plaintext,
}

impl Security {
    /// TLS from the first byte: ports 465, 993, 995 ([RFC 8314](https://www.rfc-editor.org/rfc/rfc8314)). The best choice where it is offered.
    #[must_use]
    pub const fn implicit_tls() -> Self {
        Self(Kind::Implicit)
    }

    /// STARTTLS or STLS before anything else, and an error where it is not to be had: ports 25, 587,
    /// 143, 110.
    #[must_use]
    pub const fn required_starttls() -> Self {
        Self(Kind::StartTls)
    }

    /// Everything in clear, for whoever is on the way to read and to change. For tests, and for
    /// connections that never leave the machine.
    #[must_use]
    pub const fn plaintext_without_encryption() -> Self {
        Self(Kind::Plaintext)
    }

    /// Whether TLS will be there before anything of worth is sent.
    #[must_use]
    pub const fn is_tls(self) -> bool {
        !matches!(self.0, Kind::Plaintext)
    }

    /// Returns the channel that the state machines are told.
    #[must_use]
    pub const fn channel(self) -> Channel {
        match self.0 {
            Kind::Implicit => Channel::Tls,
            Kind::StartTls => Channel::StartTls,
            Kind::Plaintext => Channel::Clear,
        }
    }

    /// Returns the port that is registered for `protocol` with this protection.
    #[must_use]
    pub const fn default_port(self, protocol: Protocol) -> u16 {
        match (protocol, self.0) {
            (Protocol::Smtp, Kind::StartTls | Kind::Plaintext) => 25,
            (Protocol::Smtp | Protocol::Submission, Kind::Implicit) => 465,
            (Protocol::Submission, Kind::StartTls | Kind::Plaintext) => 587,
            (Protocol::Lmtp, _) => 24,
            (Protocol::Imap, Kind::Implicit) => 993,
            (Protocol::Imap, Kind::StartTls | Kind::Plaintext) => 143,
            (Protocol::Pop3, Kind::Implicit) => 995,
            (Protocol::Pop3, Kind::StartTls | Kind::Plaintext) => 110,
        }
    }
}

/// `TLS`, `STARTTLS` or `no TLS`.
impl fmt::Display for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self.0 {
            Kind::Implicit => "TLS",
            Kind::StartTls => "STARTTLS",
            Kind::Plaintext => "no TLS",
        })
    }
}

/// The protocols, as far as ports go.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// SMTP between servers.
    Smtp,
    /// SMTP from a user to the own server ([RFC 6409](https://www.rfc-editor.org/rfc/rfc6409)).
    Submission,
    /// LMTP ([RFC 2033](https://www.rfc-editor.org/rfc/rfc2033)). A client speaks it by `smtp::Config::lmtp`.
    Lmtp,
    /// IMAP ([RFC 9051](https://www.rfc-editor.org/rfc/rfc9051)).
    Imap,
    /// POP3 ([RFC 1939](https://www.rfc-editor.org/rfc/rfc1939)).
    Pop3,
}

/// The name for people: `IMAP`, `submission`.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Smtp => "SMTP",
            Self::Submission => "submission",
            Self::Lmtp => "LMTP",
            Self::Imap => "IMAP",
            Self::Pop3 => "POP3",
        })
    }
}

/// Lets `work` take `limit` at most.
///
/// # Errors
///
/// Its own, or [`Error::Timeout`] with `phase`.
pub async fn within<T, E: Into<Error>>(
    limit: Duration,
    phase: Phase,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Error> {
    match crate::runtime::timeout(limit, work).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(Error::Timeout { phase, after: limit, server: None }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_the_registered_ones() {
        let ways = [
            Security::implicit_tls(),
            Security::required_starttls(),
            Security::plaintext_without_encryption(),
        ];
        for (protocol, ports) in [
            (Protocol::Smtp, [465, 25, 25]),
            (Protocol::Submission, [465, 587, 587]),
            (Protocol::Lmtp, [24, 24, 24]),
            (Protocol::Imap, [993, 143, 143]),
            (Protocol::Pop3, [995, 110, 110]),
        ] {
            assert_eq!(ways.map(|way| way.default_port(protocol)), ports);
        }
    }

    #[test]
    fn people_can_read_them() {
        let security = Security::required_starttls();
        assert_eq!(format!("{} with {security}", Protocol::Submission), "submission with STARTTLS");
    }
}
