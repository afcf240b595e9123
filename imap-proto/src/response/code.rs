//! Response codes.

use alloc::{boxed::Box, vec::Vec};
use core::{fmt, num::NonZeroU32};

use mailwire_core::{Dialect, ParseError, ParseErrorKind, Text};

use crate::{
    Capability, deviation,
    extensions::{context::read_tag, inprogress::Progress, metadata::MetadataCode},
    types::{
        Atom, ImapString, KnownNumbers, KnownUids, ModSeq, PermanentFlags, Reader, SeqNumber, Tag, Uid,
        UidValidity, chars, display, read_astring, read_count, read_mod_seq, read_nz, write_number,
        write_quoted, write_spaced,
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
            /// `MAILBOXID`: what the mailbox is called for good (RFC 8474).
            MailboxId(ImapString),
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
                let known: &[(&str, Self)] = const { &[$(($text, Self::$variant)),*] };
                known
                    .iter()
                    .find(|(known, _)| known.len() == name.len() && chars::is_name(name, known))
                    .map(|(_, code)| code.clone())
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

    /// Adds what stands after the name and a space.
    #[must_use]
    pub fn with_arguments(mut self, arguments: ImapString) -> Self {
        self.arguments = Some(arguments);
        self
    }
}

impl CopyUid {
    /// Makes the names before and after copying, in the same order.
    #[must_use]
    pub const fn new(uid_validity: UidValidity, source: KnownUids, destination: KnownUids) -> Self {
        Self { uid_validity: Some(uid_validity), source, destination }
    }
}

impl Code {
    /// Reads a code and its `]`; its `[` was read.
    ///
    /// Lenient: a known code with arguments that are not what they should be, kept as
    /// [`Malformed`](Self::Malformed); spaces before `]`; no code at all.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Option<Self>, ParseError> {
        r.no_space()?;
        if r.peek() == Some(b']') {
            r.deviate(deviation::EMPTY_CODE)?;
            r.skip(1);
            return Ok(None);
        }
        let start = r.offset();
        let name = r.take_class(chars::ATOM);
        match Self::read_known(r, name) {
            Ok(Some(code)) => {
                r.no_space()?;
                if r.eat(b']') {
                    return Ok(Some(code));
                }
                if r.dialect() == Dialect::Strict {
                    return Err(r.error("expected ]"));
                }
                return Self::keep(r, start);
            }
            Ok(None) => r.seek(start),
            Err(error) if r.dialect() == Dialect::Strict || error.kind == ParseErrorKind::TooDeep => {
                return Err(error);
            }
            Err(_) => return Self::keep(r, start),
        }
        Self::read_other(r).map(Some)
    }

    /// One that is a name alone, with its `]`, as it is mostly written. Nothing is read otherwise.
    #[inline]
    pub(crate) fn read_plain(r: &mut Reader<'_>) -> Option<Self> {
        let start = r.offset();
        let name = r.take_class(chars::ATOM);
        let code = if r.eat(b']') { Self::plain(name) } else { None };
        if code.is_none() {
            r.seek(start);
        }
        code
    }

    /// The code from `start` to its `]`, unread.
    #[cold]
    fn keep(r: &mut Reader<'_>, start: usize) -> Result<Option<Self>, ParseError> {
        r.rewind(start);
        r.deviate(deviation::MALFORMED_CODE)?;
        let length = memchr::memchr(b']', r.rest()).ok_or(r.error("expected ]"))?;
        r.skip(length);
        let raw = r.text_from(start);
        r.skip(1);
        Ok(Some(Self::Malformed(raw)))
    }

    /// ```text
    /// atom [SP 1*<any TEXT-CHAR except "]">]
    /// ```
    fn read_other(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        let end = start + memchr::memchr(b']', r.rest()).ok_or(r.error("expected ]"))?;
        let name = Atom::unchecked(match r.text_class(chars::ATOM, "expected a response code") {
            Ok(name) => name,
            Err(error) => match r.dialect() {
                Dialect::Strict => return Err(error),
                Dialect::Lenient => {
                    r.deviate(deviation::ODD_CODE)?;
                    Text::from_static("X-UNKNOWN")
                }
            },
        });
        let mut arguments = None;
        if r.offset() < end {
            if !r.eat(b' ') {
                r.deviate(deviation::MISSING_SPACE)?;
            }
            let from = r.offset();
            let bytes = r.between(from, end);
            if memchr::memchr3(0, b'\r', b'\n', bytes).is_some() {
                return Err(r.error("a control character in a response code"));
            }
            if bytes.is_empty() {
                r.deviate(deviation::EXTRA_SPACE)?;
            } else {
                r.skip(bytes.len());
                if !r.utf8() && !bytes.is_ascii() {
                    r.deviate_at(from, deviation::EIGHT_BIT_TEXT)?;
                }
                arguments = Some(ImapString::unchecked(r.text_from(from)));
            }
        }
        r.expect(b']', "expected ]")?;
        Ok(Self::Other(Box::new(OtherCode { name, arguments })))
    }

    fn read_known(r: &mut Reader<'_>, name: &[u8]) -> Result<Option<Self>, ParseError> {
        let is = |known: &str| chars::is_name(name, known);
        let code = match name.len() {
            6 if is("UNSEEN") => Self::Unseen(read_number(r, deviation::ZERO_FOR_UNSEEN)?),
            7 if is("UIDNEXT") => Self::UidNext(read_number(r, deviation::ZERO_FOR_UIDNEXT)?),
            7 if is("COPYUID") => {
                let uid_validity = read_number(r, deviation::ZERO_FOR_UIDVALIDITY)?;
                r.space()?;
                let source = KnownUids::read(r)?;
                r.space()?;
                let destination = KnownUids::read(r)?;
                Self::CopyUid(Box::new(CopyUid { uid_validity, source, destination }))
            }
            8 if is("METADATA") => Self::Metadata(MetadataCode::read(r)?),
            8 if is("NOUPDATE") => {
                r.space()?;
                Self::NoUpdate(read_tag(r)?)
            }
            8 if is("REFERRAL") => Self::Referral(read_urls(r)?),
            8 if is("BADEVENT") => {
                r.space()?;
                let start = r.offset();
                r.expect(b'(', "expected (")?;
                let names =
                    r.list_of(|r| r.text_class(chars::ATOM, "expected an event").map(Atom::unchecked))?;
                if names.is_empty() {
                    r.deviate_at(start, deviation::EMPTY_LIST)?;
                }
                Self::BadEvent(names)
            }
            8 if is("MODIFIED") => {
                r.space()?;
                Self::Modified(KnownNumbers::read(r)?)
            }
            9 if is("MAILBOXID") => {
                r.space()?;
                r.expect(b'(', "expected (")?;
                r.no_space()?;
                let id = read_astring(r)?;
                r.no_space()?;
                r.expect(b')', "expected )")?;
                Self::MailboxId(id)
            }
            9 if is("APPENDUID") => {
                let uid_validity = read_number(r, deviation::ZERO_FOR_UIDVALIDITY)?;
                r.space()?;
                Self::AppendUid { uid_validity, uids: KnownUids::read(r)? }
            }
            10 if is("INPROGRESS") => Self::InProgress(Progress::read(r)?),
            10 if is("CAPABILITY") => Self::Capability(Capability::read_all(r)?),
            10 if is("BADCHARSET") => Self::BadCharset(read_charsets(r)?),
            11 if is("UIDVALIDITY") => Self::UidValidity(read_number(r, deviation::ZERO_FOR_UIDVALIDITY)?),
            12 if is("MESSAGELIMIT") => {
                r.space()?;
                let limit = read_nz(r)?;
                let uid = if r.peek() == Some(b' ') && r.peek_at(1) != Some(b']') {
                    r.space()?;
                    Some(read_nz(r)?.into())
                } else {
                    None
                };
                Self::MessageLimit { limit, uid }
            }
            13 if is("HIGHESTMODSEQ") => {
                r.space()?;
                Self::HighestModSeq(read_mod_seq(r)?)
            }
            14 if is("PERMANENTFLAGS") => {
                r.space()?;
                Self::PermanentFlags(PermanentFlags::read(r)?)
            }
            16 if is("UNDEFINED-FILTER") => {
                r.space()?;
                Self::UndefinedFilter(r.text_class(chars::ATOM, "expected a name").map(Atom::unchecked)?)
            }
            _ => match Self::plain(name) {
                // With arguments that it should not have, it is another.
                Some(code) if matches!(r.peek(), Some(b']')) || is_space_before_bracket(r) => code,
                Some(_) => return Err(r.error("expected ]")),
                None => return Ok(None),
            },
        };
        Ok(Some(code))
    }

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
            _ => true,
        }
    }

    /// Appends the code without its brackets.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let number = |out: &mut Vec<u8>, name: &[u8], value: u64| {
            out.extend_from_slice(name);
            write_number(out, value);
        };
        match self {
            Self::BadCharset(charsets) => {
                out.extend_from_slice(b"BADCHARSET");
                for (at, charset) in charsets.iter().enumerate() {
                    out.extend_from_slice(if at == 0 { b" (" } else { b" " });
                    write_word(out, charset);
                }
                if !charsets.is_empty() {
                    out.push(b')');
                }
            }
            Self::InProgress(progress) => {
                out.extend_from_slice(b"INPROGRESS");
                if let Some(progress) = progress {
                    progress.write(out);
                }
            }
            Self::BadEvent(names) => {
                out.extend_from_slice(b"BADEVENT (");
                write_spaced(out, names, |out, name| out.extend_from_slice(name.as_bytes()));
                out.push(b')');
            }
            Self::Capability(capabilities) => {
                out.extend_from_slice(b"CAPABILITY");
                Capability::write_all(out, capabilities);
            }
            Self::PermanentFlags(flags) => {
                out.extend_from_slice(b"PERMANENTFLAGS ");
                flags.write(out);
            }
            Self::UidNext(uid) => number(out, b"UIDNEXT ", plain(*uid)),
            Self::UidValidity(validity) => number(out, b"UIDVALIDITY ", plain(*validity)),
            Self::Unseen(message) => number(out, b"UNSEEN ", plain(*message)),
            Self::AppendUid { uid_validity, uids } => {
                number(out, b"APPENDUID ", plain(*uid_validity));
                out.push(b' ');
                uids.write(out);
            }
            Self::CopyUid(copy) => {
                number(out, b"COPYUID ", plain(copy.uid_validity));
                out.push(b' ');
                copy.source.write(out);
                out.push(b' ');
                copy.destination.write(out);
            }
            Self::HighestModSeq(value) => number(out, b"HIGHESTMODSEQ ", value.map_or(0, ModSeq::get)),
            Self::MessageLimit { limit, uid } => {
                number(out, b"MESSAGELIMIT ", u64::from(limit.get()));
                if let Some(uid) = uid {
                    number(out, b" ", u64::from(uid.get()));
                }
            }
            Self::Modified(set) => {
                out.extend_from_slice(b"MODIFIED ");
                set.write(out);
            }
            Self::Metadata(code) => code.write(out),
            Self::NoUpdate(tag) => {
                out.extend_from_slice(b"NOUPDATE ");
                write_quoted(out, tag.as_bytes());
            }
            Self::UndefinedFilter(name) => {
                out.extend_from_slice(b"UNDEFINED-FILTER ");
                out.extend_from_slice(name.as_bytes());
            }
            Self::Referral(urls) => {
                out.extend_from_slice(b"REFERRAL");
                // An URL with another character has it in its form with `%`.
                for url in urls.iter().filter(|url| is_url(url.as_bytes())) {
                    out.push(b' ');
                    out.extend_from_slice(url.as_bytes());
                }
            }
            Self::MailboxId(id) => {
                out.extend_from_slice(b"MAILBOXID (");
                write_word(out, id);
                out.push(b')');
            }
            Self::Other(other) => {
                out.extend_from_slice(other.name.as_bytes());
                // Where they could not be read back they are left out.
                let arguments = other.arguments.as_ref().filter(|arguments| {
                    memchr::memchr3(b']', b'\r', b'\n', arguments.as_bytes()).is_none()
                        && !arguments.is_empty()
                        && arguments.as_str().is_some()
                });
                if let Some(arguments) = arguments {
                    out.push(b' ');
                    out.extend_from_slice(arguments.as_bytes());
                }
            }
            Self::Malformed(_) => {}
            known => out.extend_from_slice(known.known_name().unwrap_or_default().as_bytes()),
        }
    }
}

/// As it stands between its brackets.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(text) => fmt::Display::fmt(text, f),
            code => display(f, |out| code.write(out)),
        }
    }
}

/// Appends an atom, or a quoted string; a literal cannot stand in a code.
fn write_word(out: &mut Vec<u8>, word: &ImapString) {
    let plain: Vec<u8>;
    let mut bytes = word.as_bytes();
    if !chars::all(bytes, chars::TEXT) {
        plain = bytes.iter().map(|&byte| if chars::is(byte, chars::TEXT) { byte } else { b'?' }).collect();
        bytes = &plain;
    }
    if !bytes.is_empty() && chars::all(bytes, chars::ATOM) {
        out.extend_from_slice(bytes);
    } else {
        write_quoted(out, bytes);
    }
}

fn is_space_before_bracket(r: &Reader<'_>) -> bool {
    r.rest().iter().find(|&&byte| byte != b' ') == Some(&b']')
}

/// Lenient: 0, in scientific notation and the like.
fn read_number<N: From<NonZeroU32>>(r: &mut Reader<'_>, zero: &'static str) -> Result<Option<N>, ParseError> {
    r.space()?;
    let start = r.offset();
    let value = read_count(r)?.and_then(|value| u32::try_from(value).ok());
    let value = value.ok_or(ParseError::new(start, "not a number of 32 bits"))?;
    if value == 0 {
        r.deviate_at(start, zero)?;
    }
    Ok(NonZeroU32::new(value).map(N::from))
}

/// The number as it is written where there is one.
pub(super) fn plain<N: Into<u32>>(number: Option<N>) -> u64 {
    number.map_or(0, |number| u64::from(number.into()))
}

/// ```text
/// referral_response_code = "[" "REFERRAL" 1*(SPACE <url>) "]"
/// ```
fn read_urls(r: &mut Reader<'_>) -> Result<Vec<ImapString>, ParseError> {
    let mut urls = Vec::new();
    loop {
        r.space()?;
        let start = r.offset();
        r.take_while(|byte| byte > b' ' && byte < 0x7f && byte != b']');
        if r.offset() == start {
            return Err(r.error("expected a URL"));
        }
        urls.push(ImapString::unchecked(r.text_from(start)));
        if r.peek() != Some(b' ') || is_space_before_bracket(r) {
            return Ok(urls);
        }
    }
}

fn is_url(url: &[u8]) -> bool {
    !url.is_empty() && url.iter().all(|&byte| byte > b' ' && byte < 0x7f && byte != b']')
}

/// ```text
/// "BADCHARSET" [SP "(" charset *(SP charset) ")" ]
/// ```
///
/// Lenient: without parentheses; an empty list.
fn read_charsets(r: &mut Reader<'_>) -> Result<Vec<ImapString>, ParseError> {
    let mut charsets = Vec::new();
    if r.peek() == Some(b']') {
        return Ok(charsets);
    }
    r.space()?;
    let start = r.offset();
    if r.eat(b'(') {
        r.items(|r| {
            charsets.push(read_charset(r)?);
            Ok(())
        })?;
        if charsets.is_empty() {
            r.deviate_at(start, deviation::EMPTY_LIST)?;
        }
        return Ok(charsets);
    }
    r.deviate(deviation::MISSING_PARENTHESIS)?;
    while !matches!(r.peek(), None | Some(b']')) {
        charsets.push(read_charset(r)?);
        while r.eat(b' ') {}
    }
    Ok(charsets)
}

fn read_charset(r: &mut Reader<'_>) -> Result<ImapString, ParseError> {
    if matches!(r.peek(), Some(b'"' | b'{')) {
        return read_astring(r);
    }
    // `]` can stand in an astring, and ends the code here.
    r.text_class(chars::ATOM, "expected a character set").map(ImapString::unchecked)
}
