use mailwire_core::sasl::{Mechanism, Policy};
use rustls::pki_types::CertificateDer;

use crate::{Stream, tls::ChannelBindings};

/// The mechanisms that a password is enough for, the best first: what a server offers unless its application
/// says otherwise.
pub const DEFAULT_MECHANISMS: [Mechanism; 6] = [
    Mechanism::ScramSha256Plus,
    Mechanism::ScramSha256,
    Mechanism::ScramSha1Plus,
    Mechanism::ScramSha1,
    Mechanism::Plain,
    Mechanism::Login,
];

/// The mechanisms that are spoken, in both roles, the best first: the order in which a client chooses, but that
/// within TLS CRAM-MD5 comes last. A client has SCRAM and CRAM-MD5 only with the feature `scram`.
pub const SPOKEN: [Mechanism; 13] = [
    Mechanism::ScramSha512Plus,
    Mechanism::ScramSha512,
    Mechanism::ScramSha256Plus,
    Mechanism::ScramSha256,
    Mechanism::ScramSha1Plus,
    Mechanism::ScramSha1,
    Mechanism::OAuthBearer,
    Mechanism::XOAuth2,
    Mechanism::CramMd5,
    Mechanism::Plain,
    Mechanism::Login,
    Mechanism::External,
    Mechanism::Anonymous,
];

/// Above this, computing a password's iterations of SCRAM is an attack on the client, if nothing else is set.
#[cfg(feature = "client")]
pub(crate) const DEFAULT_MAX_ITERATIONS: u32 = 500_000;

/// The channel as an exchange sees it: how it is protected, and what can be bound to.
#[derive(Debug, Clone)]
pub struct SaslContext {
    protected: bool,
    policy: Policy,
    pub(super) bindings: ChannelBindings,
    pub(super) external: Option<Vec<CertificateDer<'static>>>,
    /// Client: the server's certificate was verified.
    #[cfg(feature = "client")]
    pub(super) verified: bool,
    #[cfg(feature = "client")]
    pub(super) binding_fallback: bool,
    #[cfg(feature = "client")]
    pub(super) max_iterations: u32,
    #[cfg(feature = "client")]
    service: Option<(&'static str, String)>,
}

impl SaslContext {
    /// A channel in clear.
    #[must_use]
    pub fn clear() -> Self {
        Self::new(false, ChannelBindings::default())
    }

    /// A protected channel, with what can be bound to.
    #[must_use]
    pub const fn protected(bindings: ChannelBindings) -> Self {
        Self::new(true, bindings)
    }

    const fn new(protected: bool, bindings: ChannelBindings) -> Self {
        Self {
            protected,
            policy: Policy::new(protected),
            bindings,
            external: None,
            #[cfg(feature = "client")]
            verified: false,
            #[cfg(feature = "client")]
            binding_fallback: true,
            #[cfg(feature = "client")]
            max_iterations: DEFAULT_MAX_ITERATIONS,
            #[cfg(feature = "client")]
            service: None,
        }
    }

    /// Describes this stream: TLS protects, and so does a Unix socket, which never leaves the
    /// machine. In the server's role, a verified certificate of the client makes EXTERNAL available.
    #[must_use]
    pub fn of(stream: &Stream) -> Self {
        let external = stream.peer_certificates().filter(|chain| !chain.is_empty()).map(<[_]>::to_vec);
        Self {
            external,
            #[cfg(feature = "client")]
            verified: stream.tls().is_some_and(crate::tls::TlsStream::is_verified),
            ..Self::new(stream.is_tls() || stream.is_unix(), stream.channel_bindings())
        }
    }

    /// Says that nobody can listen, for a stream that its owner calls protected without TLS of ours.
    #[cfg(feature = "server")]
    pub(crate) const fn with_protection(mut self, protected: bool) -> Self {
        self.protected = self.protected || protected;
        self.policy = Policy::new(self.protected);
        self
    }

    /// Lets passwords and tokens go over a channel in clear, if `allow`. Whoever is on the way can read
    /// them.
    #[must_use]
    pub const fn allow_clear_credentials(mut self, allow: bool) -> Self {
        self.policy = Policy::new(self.protected).allow_clear_credentials(allow);
        self
    }

    /// Sets whether `-PLUS` mechanisms can be used, where TLS has something to bind to. A server that sets
    /// `false` neither offers nor takes them: for clients that choose them and cannot bind.
    #[must_use]
    pub fn with_channel_binding(mut self, allow: bool) -> Self {
        if !allow {
            self.bindings = ChannelBindings::default();
        }
        self
    }

    /// Sets whether a client whose bound exchange (`-PLUS`) was refused may log in without binding: true by
    /// default. It does so only within TLS, where the server's certificate was verified.
    #[cfg(feature = "client")]
    #[must_use]
    pub const fn with_binding_fallback(mut self, binding_fallback: bool) -> Self {
        self.binding_fallback = binding_fallback;
        self
    }

    /// Sets how many iterations of SCRAM a server may ask a client for: 500,000 by default.
    #[cfg(feature = "client")]
    #[must_use]
    pub const fn with_max_iterations(mut self, max_iterations: u32) -> Self {
        self.max_iterations = max_iterations;
        self
    }

    /// Says which service is spoken to: its name as [GSSAPI](https://www.rfc-editor.org/rfc/rfc4422#section-4)
    /// registers it (`smtp`, `imap`, `pop`), and the host by the name that the client knows it by. DIGEST-MD5 needs it,
    /// and so do many [mechanisms of the application's own](super::Custom).
    #[cfg(feature = "client")]
    #[must_use]
    pub fn with_service(mut self, service: &'static str, host: impl Into<String>) -> Self {
        self.service = Some((service, host.into()));
        self
    }

    /// Returns the registered name of the service that is spoken to, if it is known: `smtp`, `imap`, `pop`.
    #[cfg(feature = "client")]
    #[must_use]
    pub fn service(&self) -> Option<&'static str> {
        self.service.as_ref().map(|&(service, _)| service)
    }

    /// Returns the name of the host that is spoken to, if it is known.
    #[cfg(feature = "client")]
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.service.as_ref().map(|(_, host)| host.as_str())
    }

    /// Returns what an exchange can be bound to.
    #[must_use]
    pub const fn bindings(&self) -> &ChannelBindings {
        &self.bindings
    }

    /// Makes EXTERNAL available: the client is known by other means, such as a certificate or the
    /// ownership of a Unix socket.
    #[must_use]
    pub fn with_external_identity(mut self) -> Self {
        self.external.get_or_insert_with(Vec::new);
        self
    }

    /// Returns the rules for what may go in clear.
    #[must_use]
    pub const fn policy(&self) -> Policy {
        self.policy
    }

    /// Whether nobody can listen: TLS protects the channel, or it never leaves the machine.
    #[must_use]
    pub const fn is_protected(&self) -> bool {
        self.protected
    }

    /// Whether this mechanism can be used over this channel.
    pub(super) fn permits(&self, mechanism: &Mechanism) -> bool {
        self.policy.permits(mechanism) && (!mechanism.binds_channel() || !self.bindings.is_empty())
    }

    /// Returns what a server offers over this channel, of those that it supports and that are [spoken](SPOKEN):
    /// those that show credentials only where they are protected (or that is allowed by name), `-PLUS`
    /// only within TLS, EXTERNAL only to whom is known already.
    #[must_use]
    pub fn offered(&self, supported: &[Mechanism]) -> Vec<Mechanism> {
        supported
            .iter()
            .filter(|mechanism| SPOKEN.contains(mechanism) && self.can_offer(mechanism))
            .cloned()
            .collect()
    }

    fn can_offer(&self, mechanism: &Mechanism) -> bool {
        self.permits(mechanism) && (*mechanism != Mechanism::External || self.external.is_some())
    }

    /// Returns what a server offers over this channel, of those that its authenticator supports: by
    /// [`offered`](Self::offered), and the [application's own](super::Authenticator::custom).
    #[cfg(feature = "server")]
    #[must_use]
    pub fn offered_by(&self, authenticator: &impl super::Authenticator) -> Vec<Mechanism> {
        authenticator
            .mechanisms()
            .iter()
            .filter(|mechanism| SPOKEN.contains(mechanism) || authenticator.custom(mechanism).is_some())
            .filter(|mechanism| self.can_offer(mechanism))
            .cloned()
            .collect()
    }
}
