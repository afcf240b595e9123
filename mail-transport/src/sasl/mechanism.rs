use std::fmt;

use rustls::pki_types::CertificateDer;

use crate::{Stream, tls::ChannelBindings};

/// The mechanisms that are spoken, the best first.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mechanism {
    /// SCRAM-SHA-256-PLUS: RFC 7677, bound to TLS.
    ScramSha256Plus,
    /// SCRAM-SHA-256: RFC 7677.
    ScramSha256,
    /// SCRAM-SHA-1-PLUS: RFC 5802, bound to TLS.
    ScramSha1Plus,
    /// SCRAM-SHA-1: RFC 5802.
    ScramSha1,
    /// OAUTHBEARER: RFC 7628.
    OAuthBearer,
    /// XOAUTH2, OAUTHBEARER's forerunner.
    XOAuth2,
    /// PLAIN: RFC 4616.
    Plain,
    /// LOGIN, PLAIN's forerunner.
    Login,
    /// EXTERNAL: RFC 4422 appendix A. The client's certificate says who it is.
    External,
    /// ANONYMOUS: RFC 4505.
    Anonymous,
}

impl Mechanism {
    /// All of them, the best first.
    pub const ALL: [Self; 10] = [
        Self::ScramSha256Plus,
        Self::ScramSha256,
        Self::ScramSha1Plus,
        Self::ScramSha1,
        Self::OAuthBearer,
        Self::XOAuth2,
        Self::Plain,
        Self::Login,
        Self::External,
        Self::Anonymous,
    ];

    /// The registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha1Plus => "SCRAM-SHA-1-PLUS",
            Self::ScramSha1 => "SCRAM-SHA-1",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::External => "EXTERNAL",
            Self::Anonymous => "ANONYMOUS",
        }
    }

    /// The mechanism of this name, in any case of its letters.
    #[must_use]
    pub fn from_name(name: impl AsRef<[u8]>) -> Option<Self> {
        let name = name.as_ref();
        Self::ALL.into_iter().find(|mechanism| mechanism.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// Whether its messages hold a password or a token that whoever sees them can use.
    #[must_use]
    pub const fn shows_credentials(self) -> bool {
        matches!(self, Self::Plain | Self::Login | Self::OAuthBearer | Self::XOAuth2)
    }

    /// Whether it binds to TLS.
    #[must_use]
    pub const fn binds_channel(self) -> bool {
        matches!(self, Self::ScramSha256Plus | Self::ScramSha1Plus)
    }

    /// Whether the client speaks first. Only LOGIN's does not.
    #[must_use]
    pub const fn is_client_first(self) -> bool {
        !matches!(self, Self::Login)
    }

    pub(super) const fn is_scram(self) -> bool {
        matches!(self, Self::ScramSha256Plus | Self::ScramSha256 | Self::ScramSha1Plus | Self::ScramSha1)
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an exchange may rely on: how the channel is protected, and what it can bind to.
#[derive(Debug, Clone, Default)]
pub struct SaslContext {
    pub(super) protected: bool,
    pub(super) allow_clear: bool,
    pub(super) bindings: ChannelBindings,
    pub(super) external: Option<Vec<CertificateDer<'static>>>,
}

impl SaslContext {
    /// A channel in clear.
    #[must_use]
    pub fn clear() -> Self {
        Self::default()
    }

    /// A protected channel, with what can be bound to.
    #[must_use]
    pub const fn protected(bindings: ChannelBindings) -> Self {
        Self { protected: true, allow_clear: false, bindings, external: None }
    }

    /// What this stream gives: TLS protects, and so does a Unix socket, which never leaves the
    /// machine. In the server's role, a verified certificate of the client makes EXTERNAL available.
    #[must_use]
    pub fn of(stream: &Stream) -> Self {
        Self {
            protected: stream.is_tls() || stream.is_unix(),
            allow_clear: false,
            bindings: stream.channel_bindings(),
            external: stream.peer_certificates().filter(|chain| !chain.is_empty()).map(<[_]>::to_vec),
        }
    }

    /// The same in a server's role: a stream that its owner calls protected is so without TLS of ours.
    pub(crate) fn of_server(stream: &Stream, protected: bool, allow_clear: bool) -> Self {
        let context = Self::of(stream);
        Self { protected: protected || context.protected, allow_clear, ..context }
    }

    /// Lets passwords and tokens go over a channel in clear. Whoever is on the way can read them.
    #[must_use]
    pub const fn allow_clear_credentials(mut self) -> Self {
        self.allow_clear = true;
        self
    }

    /// Makes EXTERNAL available: the client is known by other means, such as a certificate or the
    /// ownership of a Unix socket.
    #[must_use]
    pub fn with_external_identity(mut self) -> Self {
        self.external.get_or_insert_with(Vec::new);
        self
    }

    /// Whether passwords and tokens may be sent.
    #[must_use]
    pub const fn may_show_credentials(&self) -> bool {
        self.protected || self.allow_clear
    }

    /// Whether this mechanism can be used over this channel.
    pub(super) const fn permits(&self, mechanism: Mechanism) -> bool {
        (!mechanism.shows_credentials() || self.may_show_credentials())
            && (!mechanism.binds_channel() || !self.bindings.is_empty())
    }

    /// What a server offers over this channel, of those that it supports: those that show
    /// credentials only where they are protected (or that is allowed by name), `-PLUS` only within
    /// TLS, EXTERNAL only to whom is known already.
    #[must_use]
    pub fn offered(&self, supported: &[Mechanism]) -> Vec<Mechanism> {
        let offered = |mechanism: &Mechanism| {
            self.permits(*mechanism) && (*mechanism != Mechanism::External || self.external.is_some())
        };
        supported.iter().copied().filter(offered).collect()
    }
}

/// Those of rsasl's mechanisms, as a registry wants them.
macro_rules! registry {
    ($($mechanism:path),+) => {{
        static REGISTRY: &[rsasl::prelude::Mechanism] = &[$($mechanism),+];
        REGISTRY
    }};
}
pub(super) use registry;
