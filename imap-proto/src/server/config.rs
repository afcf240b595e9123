//! The settings of a server.

use alloc::vec::Vec;
use core::time::Duration;

use mailwire_core::{Channel, Dialect, Invalid, sasl::Mechanism};

use super::rules::permits_offer;
use crate::{
    capability::{Capabilities, Capability},
    command::Literals,
    limits::Limits,
    response::{Reply, ReplyKind},
    types::Atom,
};

/// Says how a server's connection behaves.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How the stream is protected. With [`Channel::StartTls`] the machine offers STARTTLS.
    pub channel: Channel,
    /// How exactly clients are held to the grammar.
    pub dialect: Dialect,
    /// Whether LOGIN, and mechanisms that show the password, may be used without TLS. Otherwise they
    /// are neither offered nor taken.
    pub allow_clear_credentials: bool,
    greeting: Reply,
    capabilities: Capabilities,
    /// What is offered after the login: one list for all connections.
    pub(super) after_login: Capabilities,
    /// What of them is asked with each command.
    pub(super) offers: Offers,
    /// The SASL mechanisms that AUTHENTICATE takes.
    pub mechanisms: Vec<Mechanism>,
    /// Whether LOGIN is taken.
    pub login: bool,
    /// The names of commands that this crate does not know and the application does: they are handed
    /// out as [`Command::Other`](crate::Command::Other). They are valid in every state.
    pub commands: Vec<Atom>,
    /// Whether commands that this crate does not know are handed out, as [`Command::Other`](crate::Command::Other)
    /// if nothing of them is known: the application answers BAD to those that it does not know either. So are
    /// known commands with a parameter, a modifier, a key of SEARCH or an item of FETCH that this crate does
    /// not know. Otherwise, which is the default, the machine answers all of them BAD, but for
    /// [`commands`](Self::commands).
    pub pass_unknown_commands: bool,
    /// Which of ENABLE's extensions the application has. The machine itself has IMAP4rev2 where it is offered,
    /// and UTF8=ACCEPT where that or UTF8=ONLY is.
    pub enable: Capabilities,
    literals: Literals,
    /// Whether every APPEND within the limits is let go on by itself. Otherwise the application
    /// says [`accept_body`](super::Connection::accept_body).
    pub accept_bodies: bool,
    /// Whether a NUL may stand in the message of an APPEND that is no `literal8`, which only BINARY
    /// has. False by default: a message with one is refused after it came
    /// ([RFC 9051 section 4.3](https://www.rfc-editor.org/rfc/rfc9051#section-4.3)).
    pub allow_nul: bool,
    /// What is taken from a client.
    pub limits: Limits,
    /// How long a client may take.
    pub timeouts: Timeouts,
}

/// Whether these capabilities are among those offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Offers {
    pub(super) utf8_only: bool,
    /// CONDSTORE, by itself or with QRESYNC.
    pub(super) condstore: bool,
}

impl Config {
    /// Makes the default settings for a channel: IMAP4rev1 and IMAP4rev2 with the extensions that belong
    /// to it.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        let mut config = Self {
            channel,
            dialect: Dialect::Strict,
            allow_clear_credentials: false,
            greeting: Reply::from_static(ReplyKind::Ok, "ready"),
            capabilities: [
                Capability::Imap4Rev1,
                Capability::Imap4Rev2,
                Capability::Enable,
                Capability::Id,
                Capability::Idle,
                Capability::Namespace,
                Capability::UidPlus,
                Capability::Unselect,
                Capability::Move,
                Capability::ESearch,
                Capability::ListExtended,
                Capability::ListStatus,
                Capability::Children,
                Capability::SpecialUse,
                Capability::StatusSize,
            ]
            .into_iter()
            .collect(),
            after_login: Capabilities::unknown(),
            offers: Offers::default(),
            mechanisms: Vec::new(),
            login: true,
            commands: Vec::new(),
            pass_unknown_commands: false,
            enable: Capabilities::from_iter([]),
            literals: Literals::Plus,
            accept_bodies: false,
            allow_nul: false,
            limits: Limits::server(),
            timeouts: Timeouts::default(),
        };
        config.renew_offer();
        config
    }

    fn renew_offer(&mut self) {
        let literals = match self.literals {
            Literals::Plus => Some(Capability::LiteralPlus),
            Literals::Minus => Some(Capability::LiteralMinus),
            Literals::Synchronizing => None,
        };
        self.after_login = self.capabilities.iter().cloned().chain(literals).collect();
    }

    /// What a client is greeted with.
    #[must_use]
    pub const fn greeting(&self) -> &Reply {
        &self.greeting
    }

    /// Sets the greeting: OK; or PREAUTH, for a client that is known already. The machine adds the
    /// capabilities where there is no code. (Whoever is not let in at all is
    /// [refused](super::Connection::refuse).)
    ///
    /// # Errors
    ///
    /// The greeting is neither OK nor PREAUTH.
    pub fn set_greeting(&mut self, greeting: Reply) -> Result<(), Invalid> {
        match greeting.kind {
            ReplyKind::Ok | ReplyKind::PreAuth => self.greeting = greeting,
            _ => return Err(Invalid::new("greeting", 0, "neither OK nor PREAUTH")),
        }
        Ok(())
    }

    /// What the application can do, in the order of listing. The machine itself adds STARTTLS,
    /// LOGINDISABLED, `AUTH=`, LITERAL+ or LITERAL- and SASL-IR where they apply.
    #[must_use]
    pub const fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Offers these and no others.
    ///
    /// # Errors
    ///
    /// The machine cannot keep what one of them promises, or says it by itself; nothing is changed.
    pub fn set_capabilities(
        &mut self,
        capabilities: impl IntoIterator<Item = Capability>,
    ) -> Result<(), Invalid> {
        let capabilities = capabilities.into_iter();
        let mut list = Vec::with_capacity(capabilities.size_hint().0);
        for capability in capabilities {
            permits_offer(&capability)?;
            if !list.contains(&capability) {
                list.push(capability);
            }
        }
        // RFC 6855 section 6.
        if list.contains(&Capability::Utf8Accept) && list.contains(&Capability::Utf8Only) {
            return Err(Invalid::new("capabilities of this server", 0, "UTF8=ACCEPT and UTF8=ONLY"));
        }
        self.offers = Offers {
            utf8_only: list.contains(&Capability::Utf8Only),
            condstore: list.contains(&Capability::CondStore) || list.contains(&Capability::QResync),
        };
        self.capabilities = list.into();
        self.renew_offer();
        Ok(())
    }

    /// Offers these as well.
    ///
    /// # Errors
    ///
    /// Those of [`set_capabilities`](Self::set_capabilities).
    pub fn add_capabilities(
        &mut self,
        capabilities: impl IntoIterator<Item = Capability>,
    ) -> Result<(), Invalid> {
        let before = self.capabilities.clone();
        self.set_capabilities(before.into_iter().chain(capabilities))
    }

    /// Which literals are taken without a go-ahead: by default all, LITERAL+.
    #[must_use]
    pub const fn literals(&self) -> Literals {
        self.literals
    }

    /// Sets which literals are taken without a go-ahead.
    pub fn set_literals(&mut self, literals: Literals) {
        self.literals = literals;
        self.renew_offer();
    }
}

/// Says how long a client may be silent. The driver keeps the clock.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// How long a client may be silent before the login: 60 seconds by default.
    pub login: Duration,
    /// How long a client may be silent after the login: 30 minutes by default, and not to be less
    /// ([RFC 9051 section 5.4](https://www.rfc-editor.org/rfc/rfc9051#section-5.4)).
    pub idle: Duration,
    /// How long a client may be silent within a message: 5 minutes by default.
    pub body: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            login: Duration::from_secs(60),
            idle: Duration::from_secs(30 * 60),
            body: Duration::from_secs(300),
        }
    }
}
