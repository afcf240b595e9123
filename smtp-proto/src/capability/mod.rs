//! What a server offers: the lines of its reply to EHLO.

mod line;
mod list;

use alloc::vec::Vec;
use core::fmt;

use mailwire_core::{
    Invalid, Text, escape_ascii, keywords,
    private::{check_text, write_number},
    sasl::Mechanism,
};

pub use self::list::{Capabilities, CapabilitiesIter};
use crate::{
    extensions::{
        burl::UrlSources, deliver_by::DeliverByParam, future_release::FutureRelease, limits::SessionLimits,
        no_soliciting::SolicitationKeywords, priority::PriorityProfile, write_offered,
        xclient::AttributeNames,
    },
    types::Keyword,
};

/// One extension that a server offers ([RFC 5321 section
/// 4.1.1.1](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.1)).
///
/// # Examples
///
/// ```
/// use mailwire_smtp::Capability;
///
/// assert_eq!(Capability::Size(Some(1000)).to_string(), "SIZE 1000");
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Capability {
    /// PIPELINING: commands may come in groups ([RFC 2920 section
    /// 3](https://www.rfc-editor.org/rfc/rfc2920#section-3)).
    Pipelining,
    /// SIZE: the size of the largest message in bytes, if the server tells it ([RFC 1870 section
    /// 4](https://www.rfc-editor.org/rfc/rfc1870#section-4)).
    Size(Option<u64>),
    /// DSN: the sender can say which reports of delivery it wants ([RFC 3461 section
    /// 3](https://www.rfc-editor.org/rfc/rfc3461#section-3)).
    Dsn,
    /// 8BITMIME: messages may have bytes beyond ASCII ([RFC 6152 section
    /// 2](https://www.rfc-editor.org/rfc/rfc6152#section-2)).
    EightBitMime,
    /// CHUNKING: messages may be sent in parts by BDAT ([RFC 3030 section
    /// 2](https://www.rfc-editor.org/rfc/rfc3030#section-2)).
    Chunking,
    /// BINARYMIME: messages may have any bytes, if BDAT sends them ([RFC 3030 section
    /// 3](https://www.rfc-editor.org/rfc/rfc3030#section-3)).
    BinaryMime,
    /// SMTPUTF8: addresses may have more than ASCII ([RFC 6531 section
    /// 3.1](https://www.rfc-editor.org/rfc/rfc6531#section-3.1)).
    SmtpUtf8,
    /// ENHANCEDSTATUSCODES: replies have enhanced status codes ([RFC 2034 section
    /// 3](https://www.rfc-editor.org/rfc/rfc2034#section-3)).
    EnhancedStatusCodes,
    /// STARTTLS: the server can do TLS ([RFC 3207 section
    /// 4](https://www.rfc-editor.org/rfc/rfc3207#section-4)).
    StartTls,
    /// AUTH: the client can log in, with these SASL mechanisms ([RFC 4954 section
    /// 3](https://www.rfc-editor.org/rfc/rfc4954#section-3)).
    Auth(Vec<Mechanism>),
    /// VRFY: users can be verified ([RFC 5321 section
    /// 3.5](https://www.rfc-editor.org/rfc/rfc5321#section-3.5)).
    Vrfy,
    /// EXPN: mailing lists can be expanded ([RFC 5321 section
    /// 3.5](https://www.rfc-editor.org/rfc/rfc5321#section-3.5)).
    Expn,
    /// HELP: help can be asked for ([RFC 5321 section
    /// 4.1.1.8](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.8)).
    Help,
    /// ATRN: the client can ask for its mail over the same connection, in which the roles change then ([RFC
    /// 2645](https://www.rfc-editor.org/rfc/rfc2645)).
    Atrn,
    /// BURL: the server fetches messages from these sources ([RFC 4468 section
    /// 3.3](https://www.rfc-editor.org/rfc/rfc4468#section-3.3)).
    Burl(UrlSources),
    /// CHECKPOINT: a transaction whose connection was cut can go on ([RFC 1845 section
    /// 2](https://www.rfc-editor.org/rfc/rfc1845#section-2)).
    Checkpoint,
    /// CLIENTID: the client can tell which device it is
    /// ([draft-storey-smtp-client-id](https://datatracker.ietf.org/doc/html/draft-storey-smtp-client-id)).
    ClientId,
    /// CONNEG: the server tells what recipients' devices can show ([RFC 4141 section
    /// 5](https://www.rfc-editor.org/rfc/rfc4141#section-5)).
    Conneg,
    /// CONPERM: messages are converted as they permit ([RFC 4141 section
    /// 4](https://www.rfc-editor.org/rfc/rfc4141#section-4)).
    Conperm,
    /// DELIVERBY: messages can have a time by which they are to be delivered ([RFC 2852 section
    /// 2](https://www.rfc-editor.org/rfc/rfc2852#section-2)).
    DeliverBy(DeliverByParam),
    /// ETRN: the client can ask for its mail ([RFC 1985 section
    /// 2](https://www.rfc-editor.org/rfc/rfc1985#section-2)).
    Etrn,
    /// FUTURERELEASE: messages can be held back ([RFC 4865 section
    /// 3](https://www.rfc-editor.org/rfc/rfc4865#section-3)).
    FutureRelease(FutureRelease),
    /// IGNOREQUOTA, of Cyrus' LMTP: recipients can get more than they have room for.
    IgnoreQuota,
    /// LIMITS: how much the server takes at once ([RFC 9422 section
    /// 3](https://www.rfc-editor.org/rfc/rfc9422#section-3)). A server's machine says its own limits, whatever stands here.
    Limits(SessionLimits),
    /// MT-PRIORITY: messages have priorities, perhaps by a profile that has a name ([RFC 6710 section
    /// 3](https://www.rfc-editor.org/rfc/rfc6710#section-3)).
    MtPriority(Option<PriorityProfile>),
    /// MTRK: the way of messages can be asked for ([RFC 3885 section
    /// 3](https://www.rfc-editor.org/rfc/rfc3885#section-3)).
    Mtrk,
    /// NO-SOLICITING: which solicitations the server does not want ([RFC 3865 section
    /// 2](https://www.rfc-editor.org/rfc/rfc3865#section-2)).
    NoSoliciting(Option<SolicitationKeywords>),
    /// ONEX, of Sendmail: the client can say that one message comes.
    Onex,
    /// PIPECONNECT, of Exim: at the next connection, the client may send EHLO before the greeting
    /// ([description](https://www.exim.org/exim-html-current/doc/html/spec_html/ch-main_configuration.html), option
    /// `pipelining_connect_advertise_hosts`).
    PipeConnect,
    /// PRDR: each recipient can have an answer of its own to the message
    /// ([draft-hall-prdr](https://datatracker.ietf.org/doc/html/draft-hall-prdr-00)).
    Prdr,
    /// REQUIRETLS: messages can be kept to verified TLS ([RFC 8689 section
    /// 2](https://www.rfc-editor.org/rfc/rfc8689#section-2)). A server's machine offers it within TLS only.
    RequireTls,
    /// RRVS: mail can be kept to who had an address at a time ([RFC 7293 section
    /// 3](https://www.rfc-editor.org/rfc/rfc7293#section-3)).
    Rrvs,
    /// SUBMITTER: MAIL can tell who is responsible for the message ([RFC 4405 section
    /// 3](https://www.rfc-editor.org/rfc/rfc4405#section-3)).
    Submitter,
    /// VERB, of Sendmail: the client can ask for longer replies.
    Verb,
    /// XCLIENT, of Postfix: the client is a proxy that is trusted, and can tell who its own client is
    /// ([description](https://www.postfix.org/XCLIENT_README.html)). A server offers it to such clients alone.
    Xclient(AttributeNames),
    /// XFORWARD, of Postfix: the client is trusted, and can tell where a message came from
    /// ([description](https://www.postfix.org/XFORWARD_README.html)). A server offers it to such clients alone.
    Xforward(AttributeNames),
    /// XRCPTFORWARD, of Dovecot's LMTP: servers of a site tell each other about recipients.
    XrcptForward,
    /// An extension that this crate does not know: X-EXPS; without the feature `extensions` also one whose parameters are not read
    /// then.
    Other(OtherCapability),
}

/// An extension that this crate does not know, in [`Capability::Other`].
///
/// # Examples
///
/// ```
/// use mailwire_smtp::OtherCapability;
///
/// let other = OtherCapability::new("X-EXPS".parse()?)?.with_parameters("GSSAPI NTLM")?;
/// assert_eq!((other.keyword().as_str(), other.parameters()), ("X-EXPS", &"GSSAPI NTLM".into()));
/// # Ok::<(), mailwire_smtp::Invalid>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct OtherCapability {
    keyword: Keyword,
    parameters: Text,
}

impl OtherCapability {
    /// An extension without parameters.
    ///
    /// # Errors
    ///
    /// The keyword is one that this crate knows, which is a variant of [`Capability`].
    pub fn new(keyword: Keyword) -> Result<Self, Invalid> {
        match Extension::of(keyword.as_bytes()) {
            Some(_) => Err(Invalid::new("capability", 0, "an extension that is known by name")),
            None => Ok(Self { keyword, parameters: Text::default() }),
        }
    }

    /// Sets what follows the keyword and a space: words with a space between two of them.
    ///
    /// # Errors
    ///
    /// A byte that is not printable ASCII, a space at an end, or two in a row.
    pub fn with_parameters(self, parameters: impl Into<Text>) -> Result<Self, Invalid> {
        const WHAT: &str = "parameters of a capability";
        let parameters = parameters.into();
        let bytes = parameters.as_bytes();
        check_text(WHAT, bytes, 0..=usize::MAX, is_parameter, "not printable ASCII")?;
        let empty = bytes.split(|&byte| byte == b' ').any(<[u8]>::is_empty);
        if empty && !bytes.is_empty() {
            return Err(Invalid::new(WHAT, 0, "a space at an end, or two in a row"));
        }
        Ok(Self { parameters, ..self })
    }

    /// The keyword.
    #[must_use]
    pub const fn keyword(&self) -> &Keyword {
        &self.keyword
    }

    /// What follows the keyword and a space; empty if nothing does. What a peer sent can have any bytes but
    /// line ends.
    #[must_use]
    pub const fn parameters(&self) -> &Text {
        &self.parameters
    }
}

/// A byte of the parameters, or a space between them.
const fn is_parameter(byte: u8) -> bool {
    matches!(byte, b' '..=126)
}

keywords! {
    /// The extensions that are known here, by their keywords in the reply to EHLO.
    pub(crate) enum Extension of Capability except Other {
        Atrn = "ATRN",
        Auth = "AUTH",
        BinaryMime = "BINARYMIME",
        Burl = "BURL",
        Chunking = "CHUNKING",
        Checkpoint = "CHECKPOINT",
        ClientId = "CLIENTID",
        Conneg = "CONNEG",
        Conperm = "CONPERM",
        DeliverBy = "DELIVERBY",
        Dsn = "DSN",
        EightBitMime = "8BITMIME",
        EnhancedStatusCodes = "ENHANCEDSTATUSCODES",
        Etrn = "ETRN",
        Expn = "EXPN",
        FutureRelease = "FUTURERELEASE",
        Help = "HELP",
        IgnoreQuota = "IGNOREQUOTA",
        Limits = "LIMITS",
        MtPriority = "MT-PRIORITY",
        Mtrk = "MTRK",
        NoSoliciting = "NO-SOLICITING",
        Onex = "ONEX",
        PipeConnect = "PIPECONNECT",
        Pipelining = "PIPELINING",
        Prdr = "PRDR",
        RequireTls = "REQUIRETLS",
        Rrvs = "RRVS",
        Size = "SIZE",
        SmtpUtf8 = "SMTPUTF8",
        StartTls = "STARTTLS",
        Submitter = "SUBMITTER",
        Verb = "VERB",
        Vrfy = "VRFY",
        Xclient = "XCLIENT",
        Xforward = "XFORWARD",
        XrcptForward = "XRCPTFORWARD",
    }
}

/// Several of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ExtensionSet(u64);

const _: () = assert!(Extension::ALL.len() <= 64);

impl ExtensionSet {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn with(self, extension: Extension) -> Self {
        Self(self.0 | extension.bit())
    }

    #[inline]
    pub(crate) const fn with_if(self, is_so: bool, extension: Extension) -> Self {
        Self(self.0 | (is_so as u64) << extension as u64)
    }

    #[inline]
    pub(crate) const fn has(self, extension: Extension) -> bool {
        self.0 & extension.bit() != 0
    }
}

impl Iterator for ExtensionSet {
    type Item = Extension;

    #[inline]
    fn next(&mut self) -> Option<Extension> {
        let next = Extension::ALL.get(self.0.trailing_zeros() as usize).copied();
        self.0 &= self.0.wrapping_sub(1);
        next
    }
}

impl Extend<Extension> for ExtensionSet {
    fn extend<I: IntoIterator<Item = Extension>>(&mut self, list: I) {
        *self = list.into_iter().fold(*self, Self::with);
    }
}

impl Extension {
    const fn bit(self) -> u64 {
        1 << self as u64
    }

    /// How much the parameters add to the 512 bytes of a MAIL or RCPT line, by each one's RFC.
    const fn line_growth(self) -> usize {
        match self {
            Self::Auth => 500,
            Self::BinaryMime => 16,
            Self::Checkpoint => 88,
            Self::DeliverBy => 17,
            // RFC 3461 section 7: 1036 in all.
            Self::Dsn => 524,
            Self::FutureRelease => 34,
            Self::MtPriority => 15,
            Self::Mtrk => 40,
            Self::NoSoliciting => 1007,
            Self::RequireTls => 11,
            Self::Rrvs => 33,
            Self::Size => 26,
            Self::SmtpUtf8 => 10,
            _ => 0,
        }
    }

    /// Whether something can stand after the keyword.
    const fn has_parameters(self) -> bool {
        self.is_valued() || matches!(self, Self::Size | Self::Auth)
    }

    /// Whether what stands after the keyword is read by `read_offered`.
    const fn is_valued(self) -> bool {
        matches!(
            self,
            Self::Burl
                | Self::DeliverBy
                | Self::FutureRelease
                | Self::Limits
                | Self::MtPriority
                | Self::NoSoliciting
                | Self::Xclient
                | Self::Xforward
        )
    }

    /// The capability, if nothing stands after the keyword, or nothing has to.
    pub(crate) const fn plain(self) -> Option<Capability> {
        Some(match self {
            Self::Pipelining => Capability::Pipelining,
            Self::Size => Capability::Size(None),
            Self::Dsn => Capability::Dsn,
            Self::EightBitMime => Capability::EightBitMime,
            Self::Chunking => Capability::Chunking,
            Self::BinaryMime => Capability::BinaryMime,
            Self::SmtpUtf8 => Capability::SmtpUtf8,
            Self::EnhancedStatusCodes => Capability::EnhancedStatusCodes,
            Self::StartTls => Capability::StartTls,
            Self::Auth => Capability::Auth(Vec::new()),
            Self::Vrfy => Capability::Vrfy,
            Self::Expn => Capability::Expn,
            Self::Help => Capability::Help,
            Self::Atrn => Capability::Atrn,
            Self::Checkpoint => Capability::Checkpoint,
            Self::ClientId => Capability::ClientId,
            Self::Conneg => Capability::Conneg,
            Self::Etrn => Capability::Etrn,
            Self::Conperm => Capability::Conperm,
            Self::IgnoreQuota => Capability::IgnoreQuota,
            Self::Mtrk => Capability::Mtrk,
            Self::Onex => Capability::Onex,
            Self::PipeConnect => Capability::PipeConnect,
            Self::Prdr => Capability::Prdr,
            Self::RequireTls => Capability::RequireTls,
            Self::Rrvs => Capability::Rrvs,
            Self::Submitter => Capability::Submitter,
            Self::Verb => Capability::Verb,
            Self::XrcptForward => Capability::XrcptForward,
            Self::Burl
            | Self::DeliverBy
            | Self::FutureRelease
            | Self::Limits
            | Self::MtPriority
            | Self::NoSoliciting
            | Self::Xclient
            | Self::Xforward => {
                return None;
            }
        })
    }
}

/// The line of the reply to EHLO: `SIZE 1000`.
impl fmt::Display for Capability {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.write(&mut out);
        escape_ascii(&out).fmt(f)
    }
}

impl Capability {
    /// Appends the line without code and line end.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Size(size) => {
                out.extend_from_slice(b"SIZE");
                if let Some(size) = size {
                    out.push(b' ');
                    write_number(out, *size);
                }
            }
            Self::Auth(mechanisms) => {
                out.extend_from_slice(b"AUTH");
                for mechanism in mechanisms {
                    out.push(b' ');
                    out.extend_from_slice(mechanism.as_bytes());
                }
            }
            Self::Other(OtherCapability { keyword, parameters }) => {
                out.extend_from_slice(keyword.as_bytes());
                if !parameters.is_empty() {
                    out.push(b' ');
                    // Those of a peer can have other bytes.
                    let written = |&byte| if is_parameter(byte) { byte } else { b'?' };
                    out.extend(parameters.as_bytes().iter().map(written));
                }
            }
            other => {
                let name = Extension::of_value(other).map_or("", Extension::as_str);
                out.extend_from_slice(name.as_bytes());
                write_offered(other, out);
            }
        }
    }
}
