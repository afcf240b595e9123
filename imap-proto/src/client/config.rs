//! The settings of a client.

use core::time::Duration;

use mailwire_core::{AskCapabilities, Channel, Dialect};

use super::Profile;
use crate::limits::Limits;

/// Says how a client's connection behaves.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How the stream is protected. With [`Channel::StartTls`] the machine sends STARTTLS by
    /// itself, and nothing before TLS is up.
    pub channel: Channel,
    /// Where tags come from. Give each connection a random number of its own: a completion cannot
    /// be forged by who does not know the tag.
    pub tag_seed: u64,
    /// How exactly the server is held to the grammar.
    pub dialect: Dialect,
    /// Whether LOGIN and mechanisms that show the secret may be used without TLS.
    pub allow_clear_credentials: bool,
    /// When the machine asks for the capabilities by itself.
    pub ask_capabilities: AskCapabilities,
    /// Whether several commands may be in progress. Off, each waits for the completion of the one
    /// before it.
    pub pipelining: bool,
    /// Whether the first message of a SASL exchange is sent with AUTHENTICATE where SASL-IR is
    /// offered. Otherwise the machine sends it when the server asks for it, as some servers that
    /// offer SASL-IR need it.
    pub initial_response: bool,
    /// Whether literals are sent without waiting where LITERAL+ or LITERAL- is offered.
    pub non_synchronizing_literals: bool,
    /// What is sent where servers differ. `None`, the default: what is known of the server.
    pub profile: Option<Profile>,
    /// What is taken from the server.
    pub limits: Limits,
    /// How long the server may take.
    pub timeouts: Timeouts,
}

impl Config {
    /// Makes the default settings for a channel. `tag_seed` should be random.
    #[must_use]
    pub fn new(channel: Channel, tag_seed: u64) -> Self {
        Self {
            channel,
            tag_seed,
            dialect: Dialect::default(),
            allow_clear_credentials: false,
            ask_capabilities: AskCapabilities::default(),
            pipelining: true,
            initial_response: true,
            non_synchronizing_literals: true,
            profile: None,
            limits: Limits::client(),
            timeouts: Timeouts::default(),
        }
    }
}

/// Says how long a server may be silent. The driver keeps the clock.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// How long the greeting may take: 60 seconds by default.
    pub greeting: Duration,
    /// How long the next response may take while a command is in progress: 5 minutes by default.
    pub command: Duration,
    /// How long IDLE lasts before the machine ends it and begins it anew: 14 minutes by default, below 29
    /// minutes ([RFC 9051 section 6.3.13](https://www.rfc-editor.org/rfc/rfc9051#section-6.3.13)), and
    /// shorter where something between the peers forgets idle connections.
    ///
    /// The driver starts its clock anew whenever bytes move. A server that says `* OK still here`
    /// every now and then keeps it from running out: whoever needs a fixed interval calls
    /// [`renew_idle`](super::Connection::renew_idle) by a clock of its own.
    pub idle_renewal: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            greeting: Duration::from_secs(60),
            command: Duration::from_secs(300),
            idle_renewal: Duration::from_secs(14 * 60),
        }
    }
}
