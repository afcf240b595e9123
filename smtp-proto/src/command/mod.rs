//! Commands, from client to server.
//!
//! A new verb (ETRN, XCLIENT) is a variant of [`Command`], an arm in `parse.rs`, one in `write.rs`,
//! and a row in `rules.rs`. A new parameter of MAIL or RCPT is a line in
//! `extensions/mod.rs`.

#[cfg(feature = "server")]
mod parse;
mod rules;
mod write;

#[cfg(feature = "server")]
pub(crate) use parse::first_word;
pub(crate) use rules::{Effect, Foreign, Name, OutOfOrder, Rules};

use alloc::vec::Vec;

use mailwire_core::{Secret, from_variants, sasl::Mechanism, setters};

use crate::extensions::{
    MailParameters, Rare, RcptParameters, burl::Burl, client_id::ClientId, etrn::Node, xclient::Attributes,
};
use crate::types::{Argument, BodyType, Domain, EhloName, ForwardPath, Query, ReversePath, Submitter, Verb};

/// A command of a client ([RFC 5321 section 4.1.1](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1)).
///
/// # Examples
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
    /// EHLO: gives the client's name, and asks for the server's extensions ([RFC 5321 section
    /// 4.1.1.1](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.1)).
    Ehlo(EhloName),
    /// HELO: gives the client's name to a server without extensions ([RFC 5321 section
    /// 4.1.1.1](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.1)).
    Helo(EhloName),
    /// LHLO: what EHLO is in LMTP ([RFC 2033 section
    /// 4.1](https://www.rfc-editor.org/rfc/rfc2033#section-4.1)).
    Lhlo(EhloName),
    /// MAIL: begins a transaction with its sender ([RFC 5321 section
    /// 4.1.1.2](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.2)).
    Mail(Mail),
    /// RCPT: adds a recipient ([RFC 5321 section
    /// 4.1.1.3](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.3)).
    Rcpt(Rcpt),
    /// DATA: asks to send the message ([RFC 5321 section
    /// 4.1.1.4](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.4)).
    Data,
    /// BDAT: sends a part of the message, a chunk, whose bytes follow the line ([RFC 3030 section
    /// 2](https://www.rfc-editor.org/rfc/rfc3030#section-2)).
    Bdat {
        /// The length of the chunk in bytes, below 2^63. It may be 0.
        size: u64,
        /// LAST: the message ends with this chunk.
        last: bool,
    },
    /// BURL: asks the server to fetch the message, or a part of it ([RFC 4468 section
    /// 3.2](https://www.rfc-editor.org/rfc/rfc4468#section-3.2)).
    Burl(Burl),
    /// RSET: gives up the transaction, if there is one ([RFC 5321 section
    /// 4.1.1.5](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.5)).
    Rset,
    /// NOOP: asks for a reply and nothing else ([RFC 5321 section
    /// 4.1.1.9](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.9)).
    Noop(Option<Argument>),
    /// VRFY: asks whether there is such a user or mailbox ([RFC 5321 section
    /// 4.1.1.6](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.6)).
    Vrfy(Query),
    /// EXPN: asks for the members of a mailing list ([RFC 5321 section
    /// 4.1.1.7](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.7)).
    Expn(Query),
    /// HELP: asks for help, in general or on a command ([RFC 5321 section
    /// 4.1.1.8](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.8)).
    Help(Option<Argument>),
    /// QUIT: ends the session ([RFC 5321 section
    /// 4.1.1.10](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.10)).
    Quit,
    /// STARTTLS: asks for TLS ([RFC 3207 section 4](https://www.rfc-editor.org/rfc/rfc3207#section-4)).
    StartTls,
    /// AUTH: begins a SASL exchange ([RFC 4954 section 4](https://www.rfc-editor.org/rfc/rfc4954#section-4)).
    Auth(Auth),
    /// ATRN: asks for the mail for these domains, or all of the client's, over this connection, whose roles change with
    /// a positive reply ([RFC 2645 section 5.2.1](https://www.rfc-editor.org/rfc/rfc2645#section-5.2.1)).
    Atrn(Vec<Domain>),
    /// CLIENTID: tells which device or program the client is
    /// ([draft-storey-smtp-client-id](https://datatracker.ietf.org/doc/html/draft-storey-smtp-client-id)).
    ClientId(ClientId),
    /// ETRN: asks that mail be sent now, over another connection ([RFC 1985 section
    /// 5](https://www.rfc-editor.org/rfc/rfc1985#section-5)).
    Etrn(Node),
    /// ONEX, of Sendmail: one message comes.
    Onex,
    /// VERB, of Sendmail: asks for longer replies.
    Verb,
    /// XCLIENT, of Postfix: a trusted proxy's client takes its place, and the session begins anew
    /// ([description](https://www.postfix.org/XCLIENT_README.html)).
    Xclient(Attributes),
    /// XFORWARD, of Postfix: tells for the logs where the next message came from
    /// ([description](https://www.postfix.org/XFORWARD_README.html)).
    Xforward(Attributes),
    /// A command that this crate does not know.
    Other {
        /// Its name.
        verb: Verb,
        /// What follows the name.
        argument: Option<Argument>,
    },
}

/// The command MAIL: the sender, and what is said about the message ([RFC 5321 section
/// 4.1.1.2](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.2)).
///
/// # Examples
///
/// ```
/// use mailwire_smtp::{BodyType, Mail, Mailbox};
///
/// let mail = Mail::new(Mailbox::try_from("anna@example.org")?).with_size(2000).with_body(BodyType::EightBitMime);
/// assert_eq!(mail.size, Some(2000));
/// # Ok::<(), mailwire_smtp::Invalid>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Mail {
    /// The sender: who gets reports of failure.
    pub from: ReversePath,
    /// SIZE: the message's size in bytes, as its sender estimates it ([RFC 1870 section
    /// 6](https://www.rfc-editor.org/rfc/rfc1870#section-6)).
    pub size: Option<u64>,
    /// BODY: which bytes the message has ([RFC 6152 section
    /// 2](https://www.rfc-editor.org/rfc/rfc6152#section-2)).
    pub body: Option<BodyType>,
    /// SMTPUTF8: whether addresses or header fields have more than ASCII ([RFC 6531 section
    /// 3.4](https://www.rfc-editor.org/rfc/rfc6531#section-3.4)).
    pub smtp_utf8: bool,
    /// AUTH: who submitted the message first ([RFC 4954 section
    /// 5](https://www.rfc-editor.org/rfc/rfc4954#section-5)).
    pub auth: Option<Submitter>,
    /// See [`parameters`](Self::parameters).
    #[cfg_attr(feature = "serde", serde(rename = "parameters"))]
    pub(crate) rare: Rare<MailParameters>,
}

impl Mail {
    /// A MAIL command without parameters.
    #[must_use]
    pub fn new(from: impl Into<ReversePath>) -> Self {
        Self { from: from.into(), size: None, body: None, smtp_utf8: false, auth: None, rare: Rare::NONE }
    }

    /// A copy that keeps no receive buffer alive.
    #[must_use]
    #[inline]
    pub fn compact(&self) -> Self {
        let Self { from, size, body, smtp_utf8, auth, rare } = self;
        Self {
            from: from.compact(),
            size: *size,
            body: *body,
            smtp_utf8: *smtp_utf8,
            auth: auth.as_ref().map(Submitter::compact),
            rare: rare.map(MailParameters::compact),
        }
    }

    /// Whether the sender's address needs SMTPUTF8.
    #[must_use]
    pub fn is_international(&self) -> bool {
        self.from.mailbox().is_some_and(|mailbox| !mailbox.is_ascii())
    }
}

setters!(const Mail {
    with_size(size: some u64),
    with_body(body: some BodyType),
    with_smtp_utf8(smtp_utf8: bool),
});

setters!(Mail {
    with_auth(auth: some into Submitter),
});

/// The command RCPT: one recipient, and what is said about it ([RFC 5321 section
/// 4.1.1.3](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.3)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Rcpt {
    /// The recipient.
    pub to: ForwardPath,
    /// See [`parameters`](Self::parameters).
    #[cfg_attr(feature = "serde", serde(rename = "parameters"))]
    pub(crate) rare: Rare<RcptParameters>,
}

impl Rcpt {
    /// A RCPT command without parameters.
    #[must_use]
    pub fn new(to: impl Into<ForwardPath>) -> Self {
        Self { to: to.into(), rare: Rare::NONE }
    }

    /// A copy that keeps no receive buffer alive.
    #[must_use]
    #[inline]
    pub fn compact(&self) -> Self {
        let Self { to, rare } = self;
        Self { to: to.compact(), rare: rare.map(RcptParameters::compact) }
    }

    /// Whether the address needs SMTPUTF8.
    #[must_use]
    pub fn is_international(&self) -> bool {
        self.to.mailbox().is_some_and(|mailbox| !mailbox.is_ascii())
    }
}

from_variants!(Command { Mail(Mail), Rcpt(Rcpt) });

/// The command AUTH: a mechanism, and perhaps its first message
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
    /// An AUTH command without a first message.
    #[must_use]
    pub const fn new(mechanism: Mechanism) -> Self {
        Self { mechanism, initial: None }
    }
}

setters!(Auth {
    with_initial(initial: into Option<Secret>),
});

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
            known => known.known_name().unwrap_or_default(),
        }
    }

    /// If it is a part of a message, whether the message ends with it.
    pub(crate) const fn part_of_message(&self) -> Option<bool> {
        match self {
            Self::Bdat { last, .. } | Self::Burl(Burl { last, .. }) => Some(*last),
            _ => None,
        }
    }

    /// Its name, if this crate knows the command.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_smtp::{Command, Verb};
    ///
    /// assert_eq!(Command::Noop(None).known_name(), Some("NOOP"));
    /// let other = Command::Other { verb: Verb::try_from("XFOO")?, argument: None };
    /// assert_eq!((other.known_name(), other.name()), (None, "XFOO"));
    /// # Ok::<(), mailwire_smtp::Invalid>(())
    /// ```
    #[must_use]
    pub fn known_name(&self) -> Option<&'static str> {
        Name::of_value(self).map(Name::as_str)
    }
}

/// Whether `verb` names a command that is known, in any case.
pub(crate) fn is_known(verb: &[u8]) -> bool {
    Name::of(verb).is_some()
}
