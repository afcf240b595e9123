//! How a server behaves.

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use mailwire_core::{Channel, Dialect, Invalid, keywords, sasl::Mechanism, setters};

use crate::{Capabilities, Capability, Host, Limits};

/// The settings of a server's connection.
///
/// # Examples
///
/// ```
/// use mailwire_smtp::{Channel, Mechanism, server::Config};
///
/// // A submission server.
/// let config = Config::new("mx.example".try_into()?, Channel::StartTls)
///     .with_mechanisms(vec![Mechanism::Plain])
///     .with_require_auth(true);
/// # let _ = config;
/// # Ok::<(), mailwire_smtp::Invalid>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct Config {
    /// The server's name, in the greeting and the reply to EHLO.
    pub name: Host,
    /// What follows the name in the greeting. By default `ESMTP`, and `LMTP` in LMTP.
    pub banner: String,
    /// How the stream is protected. STARTTLS is offered with [`Channel::StartTls`].
    pub channel: Channel,
    /// Whether LMTP ([RFC 2033](https://www.rfc-editor.org/rfc/rfc2033)) is spoken in place of SMTP: LHLO,
    /// and one reply for each accepted recipient after a
    /// message. False by default.
    pub lmtp: bool,
    /// How exactly commands are read. Strict by default. A bare CR or LF is refused in both.
    pub dialect: Dialect,
    /// What the client may use up.
    pub limits: Limits,
    /// How long the client may take.
    pub timeouts: Timeouts,
    /// See [`capabilities`](Self::capabilities).
    capabilities: Capabilities,
    /// The SASL mechanisms to offer. None by default. In clear, only those are offered that do not show
    /// the secret.
    pub mechanisms: Vec<Mechanism>,
    /// Whether a NUL may stand in a message ([RFC 5322 section
    /// 2.2](https://www.rfc-editor.org/rfc/rfc5322#section-2.2) has none). False by default: a message with one is
    /// refused after it came, by 554.
    pub allow_nul: bool,
    /// Whether mechanisms that show the secret are offered and accepted without TLS. False by default.
    pub allow_clear_credentials: bool,
    /// Whether mail needs TLS first (530). False by default.
    pub require_tls: bool,
    /// Whether mail needs authentication first (530), as in submission. False by default.
    pub require_auth: bool,
    /// Whether commands that this crate does not know go to the application; otherwise 500. False by
    /// default.
    pub pass_unknown_commands: bool,
    /// Whether parameters that this crate does not know go to the application; otherwise 555. False
    /// by default.
    pub pass_unknown_parameters: bool,
}

impl Config {
    /// The defaults, for a server called `name`.
    #[must_use]
    pub fn new(name: Host, channel: Channel) -> Self {
        Self {
            name,
            banner: String::new(),
            channel,
            lmtp: false,
            dialect: Dialect::Strict,
            limits: Limits::server(),
            timeouts: Timeouts::default(),
            capabilities: [
                Capability::Pipelining,
                Capability::Size(None),
                Capability::EightBitMime,
                Capability::SmtpUtf8,
                Capability::EnhancedStatusCodes,
            ]
            .into_iter()
            .collect(),
            mechanisms: Vec::new(),
            allow_nul: false,
            allow_clear_credentials: false,
            require_tls: false,
            require_auth: false,
            pass_unknown_commands: false,
            pass_unknown_parameters: false,
        }
    }

    /// What is offered besides STARTTLS and AUTH, which the machine adds by itself. By default
    /// PIPELINING, SIZE, 8BITMIME, SMTPUTF8 and ENHANCEDSTATUSCODES. SIZE is offered with
    /// [`Limits::message`] where it has no number, or a larger one.
    #[must_use]
    pub const fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Offers these and no others.
    ///
    /// An extension that this crate does not know is the application's, which gets its commands and
    /// parameters where [`pass_unknown_commands`](Self::pass_unknown_commands) and
    /// [`pass_unknown_parameters`](Self::pass_unknown_parameters) let them through.
    ///
    /// # Errors
    ///
    /// The machine cannot keep what one of them promises, such as CHECKPOINT; BINARYMIME stands without CHUNKING, or BURL without 8BITMIME; it offers
    /// one by itself; or its parameters (XVERP) would not get through, as the configuration is now. Nothing is changed.
    pub fn set_capabilities(
        &mut self,
        capabilities: impl IntoIterator<Item = Capability>,
    ) -> Result<(), Invalid> {
        let mut list = Capabilities::new();
        for capability in capabilities {
            self.permits_offer(&capability)?;
            list.push(capability);
        }
        if list.has(&Capability::BinaryMime) && !list.has(&Capability::Chunking) {
            return Err(Invalid::new("capability to be offered", 0, "BINARYMIME needs CHUNKING"));
        }
        // RFC 4468 section 4.
        if list.burl().is_some() && !list.has(&Capability::EightBitMime) {
            return Err(Invalid::new("capability to be offered", 0, "BURL needs 8BITMIME"));
        }
        self.capabilities = list;
        Ok(())
    }

    /// [`set_capabilities`](Self::set_capabilities), in one expression with other settings.
    ///
    /// # Errors
    ///
    /// Those of `set_capabilities`.
    pub fn with_capabilities(
        mut self,
        capabilities: impl IntoIterator<Item = Capability>,
    ) -> Result<Self, Invalid> {
        self.set_capabilities(capabilities)?;
        Ok(self)
    }

    fn permits_offer(&self, capability: &Capability) -> Result<(), Invalid> {
        let reason = match capability {
            Capability::StartTls | Capability::Auth(_) => "the machine offers it by itself",
            Capability::Checkpoint => "the machine cannot keep what it promises",
            Capability::Other(other) => match Promise::of(other.keyword().as_bytes()).map(Promise::needs) {
                Some(Needs::Machine) => "the machine cannot keep what it promises",
                Some(Needs::Parameters) if !self.pass_unknown_parameters => {
                    "its parameters do not get through without pass_unknown_parameters"
                }
                _ => return Ok(()),
            },
            _ => return Ok(()),
        };
        Err(Invalid::new("capability to be offered", 0, reason))
    }
}

keywords! {
    /// Extensions that are not known here, and whose promise somebody has to keep.
    enum Promise {
        Turn = "TURN",
        Xanonymoustls = "X-ANONYMOUSTLS",
        Xexch50 = "XEXCH50",
        Xexps = "X-EXPS",
        Xverp = "XVERP",
    }
}

/// What an extension needs so that its promise is kept.
enum Needs {
    /// The machine itself, which does not have it.
    Machine,
    /// The application gets parameters that are not known here.
    Parameters,
}

impl Promise {
    const fn needs(self) -> Needs {
        match self {
            Self::Turn | Self::Xanonymoustls | Self::Xexch50 | Self::Xexps => Needs::Machine,
            Self::Xverp => Needs::Parameters,
        }
    }
}

/// How long a client may take for each step ([RFC 5321 section
/// 4.5.3.2.7](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.2.7)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// For the next command, or response to a challenge: 5 minutes.
    pub command: Duration,
    /// For the next part of a message: 5 minutes.
    pub body: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { command: Duration::from_secs(300), body: Duration::from_secs(300) }
    }
}

setters!(Config {
    with_name(name: Host),
    with_banner(banner: String),
    with_channel(channel: Channel),
    with_lmtp(lmtp: bool),
    with_dialect(dialect: Dialect),
    with_limits(limits: Limits),
    with_timeouts(timeouts: Timeouts),
    with_mechanisms(mechanisms: Vec<Mechanism>),
    with_allow_nul(allow_nul: bool),
    with_allow_clear_credentials(allow_clear_credentials: bool),
    with_require_tls(require_tls: bool),
    with_require_auth(require_auth: bool),
    with_pass_unknown_commands(pass_unknown_commands: bool),
    with_pass_unknown_parameters(pass_unknown_parameters: bool),
});

setters!(Timeouts {
    with_command(command: Duration),
    with_body(body: Duration),
});
