//! Response codes.

mod parse;
mod write;

use alloc::{boxed::Box, vec::Vec};
use core::{fmt, num::NonZeroU32};

use mailwire_core::{Text, setters};

use self::write::is_url;
use crate::{
    Capability,
    extensions::{
        annotate::{AnnotateCode, AnnotationSupport},
        inprogress::Progress,
        metadata::MetadataCode,
        object_ids::ObjectIds,
        urlauth::UrlMechanism,
    },
    types::{
        Atom, ImapString, KnownNumbers, KnownUids, ModSeq, PermanentFlags, SeqNumber, Tag, Uid, UidValidity,
        chars, display,
    },
};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// What a status says to programs (RFC 9051 section 7.1, RFC 5530).
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $variant,)*
            /// `BADCHARSET`: the server does not know the character set; it knows these.
            BadCharset(Vec<ImapString>),
            /// `CAPABILITY`: what the server can do now.
            Capability(Vec<Capability>),
            /// `PERMANENTFLAGS`: the flags that the client can change for good.
            PermanentFlags(PermanentFlags),
            /// `UIDNEXT`: the next new message will have this identifier or a higher one. `None`:
            /// the server says 0. It is not written.
            UidNext(Option<Uid>),
            /// `UIDVALIDITY`: identifiers mean the same messages as long as this stays the same.
            /// `None`: the server says 0. It is not written.
            UidValidity(Option<UidValidity>),
            /// `UNSEEN`: the first message that was not read (IMAP4rev1). `None`: the server says 0.
            /// It is not written.
            Unseen(Option<SeqNumber>),
            /// `APPENDUID`: what the appended messages are called now (RFC 4315).
            AppendUid {
                /// UIDVALIDITY of the mailbox. `None`: the server says 0. It is not written.
                uid_validity: Option<UidValidity>,
                /// The identifiers, in the order of the messages.
                uids: KnownUids,
            },
            /// `COPYUID`: what the copied messages are called now (RFC 4315).
            CopyUid(Box<CopyUid>),
            /// `HIGHESTMODSEQ`: of the mailbox (RFC 7162). `None`: the server says 0. It is not
            /// written.
            HighestModSeq(Option<ModSeq>),
            /// `MODIFIED`: these messages were changed meanwhile, so that STORE left them alone
            /// (RFC 7162).
            Modified(KnownNumbers),
            /// `MESSAGELIMIT`: the command was done for no more than so many messages at once, and the
            /// rest is still to do (RFC 9738).
            MessageLimit {
                /// So many messages.
                limit: NonZeroU32,
                /// The last message that it was done for, going down from the highest identifier; or the
                /// lowest that a search looked at.
                uid: Option<Uid>,
            },
            /// `ANNOTATE`: why an annotation was not stored ([RFC 5257 section
            /// 4.5](https://www.rfc-editor.org/rfc/rfc5257#section-4.5)).
            Annotate(AnnotateCode),
            /// `ANNOTATIONS`: what annotations the messages of the mailbox can have ([RFC 5257 section
            /// 4.1](https://www.rfc-editor.org/rfc/rfc5257#section-4.1)).
            Annotations(AnnotationSupport),
            /// `METADATA`: what was left out, or how much may be set ([RFC
            /// 5464](https://www.rfc-editor.org/rfc/rfc5464#section-5)).
            Metadata(MetadataCode),
            /// `REFERRAL`: it is on another server: the URLs. They are told, and never followed ([RFC
            /// 2221](https://www.rfc-editor.org/rfc/rfc2221), [RFC
            /// 2193](https://www.rfc-editor.org/rfc/rfc2193)).
            Referral(Vec<ImapString>),
            /// `NOUPDATE`: changes of the result of the search of this tag are not told, or no more
            /// ([RFC 5267 section 4.3.1](https://www.rfc-editor.org/rfc/rfc5267#section-4.3.1)).
            NoUpdate(Tag),
            /// `UNDEFINED-FILTER`: no search has this name
            /// ([RFC 5466 section 3.1](https://www.rfc-editor.org/rfc/rfc5466#section-3.1)).
            UndefinedFilter(Atom),
            /// `BADURL`: a message could not be put together for this URL ([RFC 4469 section
            /// 4.1](https://www.rfc-editor.org/rfc/rfc4469#section-4.1)). What cannot stand in a URL is written with
            /// `%`.
            BadUrl(ImapString),
            /// `URLMECH`: how URLs of the mailbox are authorized, beside `INTERNAL` ([RFC
            /// 4467](https://www.rfc-editor.org/rfc/rfc4467)).
            UrlMech(Vec<UrlMechanism>),
            /// `MAXCONVERTMESSAGES`: so many messages are converted at once ([RFC 5259 section
            /// 8](https://www.rfc-editor.org/rfc/rfc5259#section-8)).
            MaxConvertMessages(NonZeroU32),
            /// `MAXCONVERTPARTS`: so many parts are converted at once ([RFC 5259 section
            /// 8](https://www.rfc-editor.org/rfc/rfc5259#section-8)).
            MaxConvertParts(NonZeroU32),
            /// `NEWNAME`: a mailbox has another name now: the old and the new one. Obsolete ([RFC 2060 section
            /// 7.1](https://www.rfc-editor.org/rfc/rfc2060#section-7.1)).
            NewName(Box<[ImapString; 2]>),
            /// `WEBALERT`: the user has to go to this web page before logging in (Gmail).
            WebAlert(ImapString),
            /// `MAILBOXID`: what the mailbox is called for good (RFC 8474).
            MailboxId(ImapString),
            /// `OBJECTID`: what the mailbox and its account are called for good
            /// (draft-ietf-mailmaint-imap-objectid-bis).
            ObjectIds(Box<ObjectIds>),
            /// `INPROGRESS`: a command takes its time
            /// ([RFC 9585](https://www.rfc-editor.org/rfc/rfc9585)). `None`: nothing more is told. Only in an
            /// untagged OK.
            InProgress(Option<Box<Progress>>),
            /// `BADEVENT`: the server can tell of these events and no others
            /// ([RFC 5465](https://www.rfc-editor.org/rfc/rfc5465)).
            BadEvent(Vec<Atom>),
            /// One that is known here, with arguments that could not be read: what stands between the
            /// brackets. It is not written.
            Malformed(Text),
            /// Another.
            Other(Box<OtherCode>),
        }

        impl Code {
            pub(super) const fn known_name(&self) -> Option<&'static str> {
                match self {
                    $(Self::$variant => Some($text),)*
                    _ => None,
                }
            }

            fn plain(name: &[u8]) -> Option<Self> {
                $(if name.len() == $text.len() && chars::is_name(name, $text) {
                    return Some(Self::$variant);
                })*
                None
            }

            /// One without arguments, as it is written.
            pub(in crate::response) const fn plain_form(&self) -> Option<&'static str> {
                match self {
                    $(Self::$variant => Some(concat!("[", $text, "] ")),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// The text must be shown to the user.
    Alert = "ALERT",
    /// The mailbox can be changed.
    ReadWrite = "READ-WRITE",
    /// The mailbox cannot be changed.
    ReadOnly = "READ-ONLY",
    /// A message could not be parsed.
    Parse = "PARSE",
    /// The mailbox does not exist and can be created.
    TryCreate = "TRYCREATE",
    /// The identifiers are not kept (RFC 4315).
    UidNotSticky = "UIDNOTSTICKY",
    /// The previous mailbox was closed.
    Closed = "CLOSED",
    /// A part of the server does not work at the moment.
    Unavailable = "UNAVAILABLE",
    /// Wrong user name or password, or the like.
    AuthenticationFailed = "AUTHENTICATIONFAILED",
    /// The user may not act as that other user.
    AuthorizationFailed = "AUTHORIZATIONFAILED",
    /// The password is too old.
    Expired = "EXPIRED",
    /// TLS is needed for this.
    PrivacyRequired = "PRIVACYREQUIRED",
    /// The user should contact the administrator.
    ContactAdmin = "CONTACTADMIN",
    /// The user may not do this.
    NoPerm = "NOPERM",
    /// Somebody else is using it.
    InUse = "INUSE",
    /// Somebody else has expunged it.
    ExpungeIssued = "EXPUNGEISSUED",
    /// The server has found something damaged.
    Corruption = "CORRUPTION",
    /// The server has found a mistake in itself.
    ServerBug = "SERVERBUG",
    /// The server has found a mistake in the client.
    ClientBug = "CLIENTBUG",
    /// The server can never do this.
    Cannot = "CANNOT",
    /// A limit of the server.
    Limit = "LIMIT",
    /// The user's quota.
    OverQuota = "OVERQUOTA",
    /// It is already there.
    AlreadyExists = "ALREADYEXISTS",
    /// It is not there.
    NonExistent = "NONEXISTENT",
    /// There is none of the comparators (RFC 5255).
    BadComparator = "BADCOMPARATOR",
    /// The search result was not saved (RFC 5182).
    NotSaved = "NOTSAVED",
    /// There are mailboxes below it.
    HasChildren = "HASCHILDREN",
    /// The batches are too small (RFC 10022).
    TooFew = "TOOFEW",
    /// The batches have too many messages together (RFC 10022).
    TooMany = "TOOMANY",
    /// The part's Content-Transfer-Encoding is not known.
    UnknownCte = "UNKNOWN-CTE",
    /// The message is too large (RFC 7889).
    TooBig = "TOOBIG",
    /// The mailbox has no modification sequences (RFC 7162).
    NoModSeq = "NOMODSEQ",
    /// A conversion failed, and may work later (RFC 5259).
    TempFail = "TEMPFAIL",
    /// The client asks too much, and has to wait (Gmail).
    Throttled = "THROTTLED",
    /// The special use is not possible (RFC 6154).
    UseAttr = "USEATTR",
    /// It is already compressed (RFC 4978).
    CompressionActive = "COMPRESSIONACTIVE",
    /// NOTIFY was switched off (RFC 5465).
    NotificationOverflow = "NOTIFICATIONOVERFLOW",
    /// The command is not allowed under UIDONLY (RFC 9586).
    UidRequired = "UIDREQUIRED",
}

/// A code that is not known here.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct OtherCode {
    /// Its name.
    pub name: Atom,
    /// What stands after the name and a space. It is not written where it has a `]` or a line end.
    pub arguments: Option<ImapString>,
}

/// What copied or moved messages are called now (RFC 4315 section 3). The two sets correspond in
/// their order.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct CopyUid {
    /// UIDVALIDITY of the mailbox they were copied to. `None`: the server says 0. It is not written.
    pub uid_validity: Option<UidValidity>,
    /// What they are called in the mailbox they were copied from.
    pub source: KnownUids,
    /// What they are called in the mailbox they were copied to.
    pub destination: KnownUids,
}

impl OtherCode {
    /// Makes a code without arguments.
    #[must_use]
    pub const fn new(name: Atom) -> Self {
        Self { name, arguments: None }
    }
}

setters!(OtherCode {
    with_arguments(arguments: some ImapString),
});

impl CopyUid {
    /// Makes the names before and after copying, in the same order.
    #[must_use]
    pub const fn new(uid_validity: UidValidity, source: KnownUids, destination: KnownUids) -> Self {
        Self { uid_validity: Some(uid_validity), source, destination }
    }
}

impl Code {
    /// Tells whether the code has a form in the grammar.
    pub(super) fn is_writable(&self) -> bool {
        match self {
            Self::Malformed(_)
            | Self::UidNext(None)
            | Self::UidValidity(None)
            | Self::Unseen(None)
            | Self::HighestModSeq(None)
            | Self::AppendUid { uid_validity: None, .. } => false,
            Self::CopyUid(copy) => copy.uid_validity.is_some(),
            Self::BadEvent(names) => !names.is_empty(),
            Self::Referral(urls) => urls.iter().any(|url| is_url(url.as_bytes())),
            Self::BadUrl(url) => !url.is_empty(),
            _ => true,
        }
    }
}

/// As it stands between its brackets.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(text) => fmt::Display::fmt(text, f),
            code => display(f, &|out| code.write(out)),
        }
    }
}

/// The number as it is written where there is one.
pub(super) fn plain<N: Into<u32>>(number: Option<N>) -> u64 {
    number.map_or(0, |number| u64::from(number.into()))
}
