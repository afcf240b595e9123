//! What can be chosen of a client.

use std::net::SocketAddr;

use mailwire_core::{Channel, Dialect, setters};
use mailwire_smtp::{AddressLiteral, Domain, EhloName, Host, Limits, client};

use super::Missing;
use crate::{
    Endpoint, Stream,
    sasl::{Credentials, DEFAULT_MAX_ITERATIONS, Mechanism},
};

/// The configuration of a [`Client`](super::Client), beyond what its [`Endpoint`] says.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The credentials to log in with. Without, nobody logs in: for relaying and LMTP.
    pub credentials: Option<Credentials>,
    /// The mechanism to use, if not the best one that the server offers.
    pub mechanism: Option<Mechanism>,
    /// The name in EHLO. Without, the socket's own address, or `localhost`.
    pub name: Option<EhloName>,
    /// Speak LMTP ([RFC 2033](https://www.rfc-editor.org/rfc/rfc2033)).
    pub lmtp: bool,
    /// Send commands in groups where the server offers PIPELINING. True by default; some servers offer it
    /// and fail at it.
    pub pipelining: bool,
    /// Send large messages by BDAT where the server offers CHUNKING
    /// ([RFC 3030](https://www.rfc-editor.org/rfc/rfc3030)). True by default; some servers offer it and fail at it.
    pub chunking: bool,
    /// What happens to the parameters of DSN ([RFC 3461](https://www.rfc-editor.org/rfc/rfc3461)) in an envelope where the
    /// server does not offer it: the message is refused by default, or sent without them.
    /// [`Client::leaves_out_reports`](super::Client::leaves_out_reports) tells.
    pub missing_dsn: Missing,
    /// What happens to the priority in an envelope (MT-PRIORITY, [RFC 6710](https://www.rfc-editor.org/rfc/rfc6710)) where the server does
    /// not offer it: the message is refused by default, or sent without it, as a relay does ([RFC 6710 section
    /// 4.3](https://www.rfc-editor.org/rfc/rfc6710#section-4.3)). [`Missing::Downgrade`] is `Drop`.
    pub missing_priority: Missing,
    /// What happens to a message with bytes beyond ASCII where the server does not offer 8BITMIME ([RFC
    /// 6152](https://www.rfc-editor.org/rfc/rfc6152)): it is refused by default, or sent as it is, which most servers take
    /// though nothing says so, or converted: each part that needs it is encoded as quoted-printable or base64 ([RFC 2045
    /// section 6](https://www.rfc-editor.org/rfc/rfc2045#section-6)). With [`Missing::Downgrade`] the same is done to a
    /// message with BODY=BINARYMIME where the server does not offer that, which is refused otherwise.
    ///
    /// What is signed (multipart/signed, DKIM-Signature) is not converted but refused: sign after the conversion, or for it.
    /// So are header fields beyond ASCII. A message in memory is looked through before; of one that is read a part is encoded
    /// if it says `8bit` or `binary`, and what cannot be converted ends the message within.
    pub missing_eight_bit_mime: Missing,
    /// What happens to recipients whose addresses are not ASCII where the server does not offer SMTPUTF8 ([RFC
    /// 6531](https://www.rfc-editor.org/rfc/rfc6531)): the message is refused by default, or [sent](super::Client::send) to the
    /// others. With [`Missing::Downgrade`] the domains of addresses, the sender's too, are written as A-labels ([RFC 5890
    /// section 2.3.2.1](https://www.rfc-editor.org/rfc/rfc5890#section-2.3.2.1)), which needs the feature `idn`; recipients
    /// whose local part is not ASCII are left out, and the error names the address. A sender whose local part is not ASCII
    /// needs SMTPUTF8 in any case, and so does a header beyond ASCII.
    pub missing_smtp_utf8: Missing,
    /// What happens to CRs and LFs that stand alone in a message: they are made CR LF by default, which
    /// [`Sent::mended`](super::Sent::mended) tells, or the message is refused. A message that is signed (DKIM, ARC, S/MIME, PGP)
    /// and whose first line ends in CR LF is refused in either case: its signature would not survive the change.
    pub bare_newline: mailwire_core::dot::BareNewline,
    /// Send EHLO before the greeting has come, to a server that said PIPECONNECT at an earlier connection. False by
    /// default.
    pub early_hello: bool,
    /// Send messages with a NUL in them, which most servers refuse or cut off there. False by default: such a
    /// message is not sent.
    pub allow_nul: bool,
    /// Send credentials without TLS, readable by everyone on the way.
    pub allow_clear_credentials: bool,
    /// Log in without channel binding where the server offers it and then refuses the bound exchange
    /// (`-PLUS`), as some do that know other bindings. Done only within TLS with a verified certificate,
    /// and without [`mechanism`](Self::mechanism). True by default.
    pub binding_fallback: bool,
    /// The most iterations that a server may ask for in SCRAM: 500,000 by default.
    pub scram_iterations: u32,
    /// The dialect in which the server is read: how exactly it is held to the grammar.
    pub dialect: Dialect,
    /// What the server may use up.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            credentials: None,
            mechanism: None,
            name: None,
            lmtp: false,
            pipelining: true,
            chunking: true,
            missing_dsn: Missing::Refuse,
            missing_priority: Missing::Refuse,
            missing_eight_bit_mime: Missing::Refuse,
            missing_smtp_utf8: Missing::Refuse,
            bare_newline: mailwire_core::dot::BareNewline::Normalize,
            early_hello: false,
            allow_nul: false,
            allow_clear_credentials: false,
            binding_fallback: true,
            scram_iterations: DEFAULT_MAX_ITERATIONS,
            dialect: Dialect::default(),
            limits: Limits::client(),
        }
    }
}

impl Config {
    /// A configuration without a login: for a relay on port 25, or tests.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// A configuration to log in with `credentials`.
    #[must_use]
    pub fn login(credentials: Credentials) -> Self {
        Self { credentials: Some(credentials), ..Self::default() }
    }

    /// A configuration to deliver by LMTP ([RFC 2033](https://www.rfc-editor.org/rfc/rfc2033)).
    #[must_use]
    pub fn lmtp() -> Self {
        Self { lmtp: true, ..Self::default() }
    }

    pub(super) fn machine(&self, endpoint: &Endpoint, stream: &Stream, channel: Channel) -> client::Config {
        let name = self.name.clone().unwrap_or_else(|| own_name(stream.local_addr()));
        let timeouts = endpoint.timeouts();
        let mut config = client::Config::new(name, channel);
        config.lmtp = self.lmtp;
        config.dialect = self.dialect;
        config.pipelining = self.pipelining;
        config.bare_newline = self.bare_newline;
        config.early_hello = self.early_hello;
        config.allow_nul = self.allow_nul;
        config.allow_clear_credentials = self.allow_clear_credentials;
        config.limits = self.limits;
        config.timeouts.greeting = timeouts.greeting;
        config.timeouts.mail = timeouts.command;
        config.timeouts.rcpt = timeouts.command;
        config.timeouts.command = timeouts.command;
        config.timeouts.data = timeouts.command;
        config.timeouts.body = timeouts.body;
        config.timeouts.body_reply = timeouts.body_reply;
        config
    }
}

setters!(Config {
    with_pipelining(pipelining: bool),
    with_early_hello(early_hello: bool),
    with_chunking(chunking: bool),
    with_missing_dsn(missing_dsn: Missing),
    with_missing_priority(missing_priority: Missing),
    with_missing_eight_bit_mime(missing_eight_bit_mime: Missing),
    with_missing_smtp_utf8(missing_smtp_utf8: Missing),
    with_bare_newline(bare_newline: mailwire_core::dot::BareNewline),
    with_allow_clear_credentials(allow_clear_credentials: bool),
    with_binding_fallback(binding_fallback: bool),
    with_dialect(dialect: Dialect),
    with_limits(limits: Limits),
});

/// The address that this side has, unless it tells nothing: some servers refuse `[127.0.0.1]`.
pub(crate) fn own_name(address: Option<SocketAddr>) -> EhloName {
    match address {
        Some(address) if !address.ip().is_loopback() => {
            Host::from(AddressLiteral::from(address.ip().to_canonical())).into()
        }
        _ => Host::from(Domain::localhost()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some servers refuse `[127.0.0.1]`.
    #[test]
    fn a_loopback_address_is_no_name() {
        for (address, name) in [
            ("127.0.0.1:25", "localhost"),
            ("[::1]:25", "localhost"),
            ("192.0.2.1:25", "[192.0.2.1]"),
            ("[::ffff:192.0.2.1]:25", "[192.0.2.1]"),
        ] {
            assert_eq!(own_name(address.parse().ok()).as_str(), name);
        }
        assert_eq!(own_name(None).as_str(), "localhost");
    }

    #[test]
    fn commands_go_in_groups_by_default() {
        assert!(Config::default().pipelining && Config::lmtp().pipelining);
        assert!(!Config::anonymous().with_pipelining(false).pipelining);
    }
}
