//! Commands, from client to server.
//!
//! A new verb (BDAT, ETRN, XCLIENT) is a variant of [`Command`], an arm in `parse.rs`, one in
//! `write.rs`, and one in the name table here. A new parameter of MAIL or RCPT (DSN's RET and
//! ENVID, DELIVERBY's BY) is a field of [`Mail`] or [`Rcpt`].

mod parse;
mod rules;
mod write;

pub(crate) use parse::first_word;
pub(crate) use rules::{Effect, Name, OutOfOrder, Rules};
pub(crate) use write::put_number;

use alloc::vec::Vec;

use mailwire_core::{Secret, sasl::Mechanism};

use crate::types::{Argument, BodyType, EhloName, ForwardPath, Parameter, ReversePath, Submitter, Verb};

/// A command (RFC 5321 section 4.1.1).
///
/// ```
/// use mailwire_core::Dialect;
/// use mailwire_smtp::Command;
///
/// let line = bytes::Bytes::from_static(b"mail from:<a@example.org> size=1000");
/// let Command::Mail(mail) = Command::parse(&line, Dialect::Strict).unwrap().value else { panic!() };
/// assert_eq!((mail.from.mailbox().unwrap().domain(), mail.size), ("example.org", Some(1000)));
///
/// let mut out = Vec::new();
/// Command::Mail(mail).write(&mut out);
/// assert_eq!(out, b"MAIL FROM:<a@example.org> SIZE=1000\r\n");
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Command {
    /// The client's name; asks for the server's extensions.
    Ehlo(EhloName),
    /// The client's name, to a server without extensions.
    Helo(EhloName),
    /// EHLO's counterpart in LMTP (RFC 2033 section 4.1).
    Lhlo(EhloName),
    /// Begins a transaction with its sender.
    Mail(Mail),
    /// One recipient.
    Rcpt(Rcpt),
    /// Asks to send the message.
    Data,
    /// Ends the transaction, if there is one.
    Rset,
    /// Nothing.
    Noop(Option<Argument>),
    /// Whether there is such a mailbox.
    Vrfy(Argument),
    /// Who is on a mailing list.
    Expn(Argument),
    /// Help, perhaps on something.
    Help(Option<Argument>),
    /// The end.
    Quit,
    /// Asks for TLS (RFC 3207).
    StartTls,
    /// Begins a SASL exchange (RFC 4954).
    Auth(Auth),
    /// A command that this crate does not know.
    Other {
        /// Its name.
        verb: Verb,
        /// What follows the name.
        argument: Option<Argument>,
    },
}

/// MAIL: the sender and what is said about the message.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Mail {
    /// Who gets reports.
    pub from: ReversePath,
    /// SIZE: the message's size as its sender estimates it (RFC 1870).
    pub size: Option<u64>,
    /// BODY: what bytes the message has (RFC 6152).
    pub body: Option<BodyType>,
    /// SMTPUTF8: that addresses or header fields have more than ASCII (RFC 6531).
    pub smtp_utf8: bool,
    /// AUTH: who submitted the message first (RFC 4954 section 5).
    pub auth: Option<Submitter>,
    /// Parameters that this crate does not know.
    pub other: Vec<Parameter>,
}

impl Mail {
    /// MAIL without parameters.
    #[must_use]
    pub fn new(from: impl Into<ReversePath>) -> Self {
        Self { from: from.into(), size: None, body: None, smtp_utf8: false, auth: None, other: Vec::new() }
    }

    /// Sets SIZE.
    #[must_use]
    pub const fn with_size(mut self, size: u64) -> Self {
        self.size = Some(size);
        self
    }

    /// Sets BODY.
    #[must_use]
    pub const fn with_body(mut self, body: BodyType) -> Self {
        self.body = Some(body);
        self
    }

    /// Sets SMTPUTF8.
    #[must_use]
    pub const fn with_smtp_utf8(mut self, smtp_utf8: bool) -> Self {
        self.smtp_utf8 = smtp_utf8;
        self
    }

    /// Sets AUTH.
    #[must_use]
    pub fn with_auth(mut self, auth: impl Into<Submitter>) -> Self {
        self.auth = Some(auth.into());
        self
    }

    /// Adds a parameter that this crate does not know.
    #[must_use]
    pub fn with_parameter(mut self, parameter: Parameter) -> Self {
        self.other.push(parameter);
        self
    }

    /// Whether the sender's address needs SMTPUTF8.
    #[must_use]
    pub fn is_international(&self) -> bool {
        self.from.mailbox().is_some_and(|mailbox| !mailbox.is_ascii())
    }
}

/// RCPT: one recipient.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Rcpt {
    /// Who is to get the message.
    pub to: ForwardPath,
    /// Parameters that this crate does not know.
    pub other: Vec<Parameter>,
}

impl Rcpt {
    /// RCPT without parameters.
    #[must_use]
    pub fn new(to: impl Into<ForwardPath>) -> Self {
        Self { to: to.into(), other: Vec::new() }
    }

    /// Adds a parameter that this crate does not know.
    #[must_use]
    pub fn with_parameter(mut self, parameter: Parameter) -> Self {
        self.other.push(parameter);
        self
    }

    /// Whether the address needs SMTPUTF8.
    #[must_use]
    pub fn is_international(&self) -> bool {
        self.to.mailbox().is_some_and(|mailbox| !mailbox.is_ascii())
    }
}

/// AUTH: a mechanism, and perhaps its first message
/// ([RFC 4954 section 4](https://www.rfc-editor.org/rfc/rfc4954#section-4)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Auth {
    /// The mechanism.
    pub mechanism: Mechanism,
    /// The client's first message, decoded. It may be empty, which is not the same as none.
    #[cfg_attr(feature = "serde", serde(serialize_with = "hide"))]
    pub initial: Option<Secret>,
}

impl Auth {
    /// AUTH without a first message.
    #[must_use]
    pub const fn new(mechanism: Mechanism) -> Self {
        Self { mechanism, initial: None }
    }

    /// Sets the first message, or none.
    #[must_use]
    pub fn with_initial(mut self, initial: impl Into<Option<Secret>>) -> Self {
        self.initial = initial.into();
        self
    }
}

#[cfg(feature = "serde")]
fn hide<S: serde::Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(_) => serializer.serialize_some("<secret>"),
        None => serializer.serialize_none(),
    }
}

// Up to here, moving a command is a few instructions and no call.
const _: () = assert!(size_of::<mailwire_core::Parsed<Command>>() <= 128);

impl Command {
    /// The command's name, in the case in which it is written.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Other { verb, .. } => verb.as_str(),
            known => known.key().map_or("", Name::as_str),
        }
    }
}

/// Whether `verb` names a command that is known, in any case.
pub(crate) fn is_known(verb: &[u8]) -> bool {
    Name::of(verb).is_some()
}
