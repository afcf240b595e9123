//! What a server can do.

use alloc::vec::Vec;
use core::{fmt, num::NonZeroU32};

use mailwire_core::{Invalid, ParseError, Text, sasl::Mechanism};

use crate::{
    deviation,
    extensions::{acl::Rights, quota::ResourceName},
    types::{Atom, Reader, chars, checked, display, read_string, write_number},
};

macro_rules! capabilities {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// Names one thing that a server can do ([RFC 9051 section
        /// 7.2.2](https://www.rfc-editor.org/rfc/rfc9051#section-7.2.2)). Names are compared without
        /// regard to case.
        ///
        /// ```
        /// use mailwire_imap::Capability;
        ///
        /// assert_eq!(Capability::new("idle")?, Capability::Idle);
        /// assert_eq!(Capability::new("AUTH=PLAIN")?.to_string(), "AUTH=PLAIN");
        /// assert_eq!(Capability::new("APPENDLIMIT=1000")?, Capability::AppendLimit(Some(1000)));
        /// # Ok::<(), mailwire_core::Invalid>(())
        /// ```
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[non_exhaustive]
        pub enum Capability {
            $($(#[$doc])* $variant,)*
            /// AUTHENTICATE takes this SASL mechanism: `AUTH=`.
            Auth(Mechanism),
            /// Messages have a largest size: `APPENDLIMIT`, with the bytes if it is the same for all
            /// mailboxes ([RFC 7889](https://www.rfc-editor.org/rfc/rfc7889)).
            AppendLimit(Option<u64>),
            /// Commands about messages do their work for so many of them at once: `MESSAGELIMIT=`
            /// ([RFC 9738](https://www.rfc-editor.org/rfc/rfc9738)).
            MessageLimit(NonZeroU32),
            /// COPY and APPEND take so many messages at once: `SAVELIMIT=`
            /// ([RFC 9738](https://www.rfc-editor.org/rfc/rfc9738)).
            SaveLimit(NonZeroU32),
            /// This is limited: `QUOTA=RES-STORAGE` and the like ([RFC 9208 section
            /// 3.1.1](https://www.rfc-editor.org/rfc/rfc9208#section-3.1.1)).
            QuotaResource(ResourceName),
            /// ACL has these rights beyond those of RFC 2086: `RIGHTS=` ([RFC 4314 section
            /// 4](https://www.rfc-editor.org/rfc/rfc4314#section-4)).
            Rights(Rights),
            /// A capability that is not known here, as it was written.
            Other(Atom),
        }

        const KNOWN: &[(&str, Capability)] = &[$(($text, Capability::$variant)),*];

        impl Capability {
            pub(crate) const fn known_name(&self) -> Option<&'static str> {
                match self {
                    $(Self::$variant => Some($text),)*
                    Self::AppendLimit(_) => Some("APPENDLIMIT"),
                    Self::MessageLimit(_) => Some("MESSAGELIMIT"),
                    Self::SaveLimit(_) => Some("SAVELIMIT"),
                    Self::QuotaResource(_) => Some("QUOTA=RES-"),
                    Self::Rights(_) => Some("RIGHTS="),
                    _ => None,
                }
            }
        }
    };
}

capabilities! {
    /// IMAP4rev1 is spoken ([RFC 3501](https://www.rfc-editor.org/rfc/rfc3501)).
    Imap4Rev1 = "IMAP4rev1",
    /// IMAP4rev2 is spoken, with all that it took in ([RFC
    /// 9051](https://www.rfc-editor.org/rfc/rfc9051)).
    Imap4Rev2 = "IMAP4rev2",
    /// The first IMAP4 is spoken ([RFC 1730](https://www.rfc-editor.org/rfc/rfc1730)), which promises
    /// nothing today.
    Imap4 = "IMAP4",
    /// STARTTLS is taken ([RFC 9051 section
    /// 6.2.1](https://www.rfc-editor.org/rfc/rfc9051#section-6.2.1)).
    StartTls = "STARTTLS",
    /// LOGIN is refused ([RFC 9051 section 6.2.3](https://www.rfc-editor.org/rfc/rfc9051#section-6.2.3)).
    LoginDisabled = "LOGINDISABLED",
    /// AUTHENTICATE can carry the first message of its exchange ([RFC
    /// 4959](https://www.rfc-editor.org/rfc/rfc4959)).
    SaslIr = "SASL-IR",
    /// Literals of any size can be sent without waiting ([RFC
    /// 7888](https://www.rfc-editor.org/rfc/rfc7888)).
    LiteralPlus = "LITERAL+",
    /// Literals of up to 4096 bytes can be sent without waiting ([RFC
    /// 7888](https://www.rfc-editor.org/rfc/rfc7888)).
    LiteralMinus = "LITERAL-",
    /// Extensions are turned on with ENABLE ([RFC 5161](https://www.rfc-editor.org/rfc/rfc5161)).
    Enable = "ENABLE",
    /// Client and server tell what they are with ID ([RFC 2971](https://www.rfc-editor.org/rfc/rfc2971)).
    Id = "ID",
    /// The client is told of changes while it waits in IDLE ([RFC
    /// 2177](https://www.rfc-editor.org/rfc/rfc2177)).
    Idle = "IDLE",
    /// NAMESPACE tells where mailboxes of oneself and of others are ([RFC
    /// 2342](https://www.rfc-editor.org/rfc/rfc2342)).
    Namespace = "NAMESPACE",
    /// LIST tells which mailboxes have children: `\HasChildren` ([RFC
    /// 3348](https://www.rfc-editor.org/rfc/rfc3348)).
    Children = "CHILDREN",
    /// UID EXPUNGE, APPENDUID and COPYUID are there ([RFC 4315](https://www.rfc-editor.org/rfc/rfc4315)).
    UidPlus = "UIDPLUS",
    /// UNSELECT closes a mailbox and expunges nothing ([RFC
    /// 3691](https://www.rfc-editor.org/rfc/rfc3691)).
    Unselect = "UNSELECT",
    /// MOVE takes messages to another mailbox in one step ([RFC
    /// 6851](https://www.rfc-editor.org/rfc/rfc6851)).
    Move = "MOVE",
    /// LIST tells what mailboxes are for: `\Sent` ([RFC 6154](https://www.rfc-editor.org/rfc/rfc6154)).
    SpecialUse = "SPECIAL-USE",
    /// CREATE can say what the mailbox is for ([RFC 6154](https://www.rfc-editor.org/rfc/rfc6154)).
    CreateSpecialUse = "CREATE-SPECIAL-USE",
    /// SEARCH can be answered with ranges, counts and extremes ([RFC
    /// 4731](https://www.rfc-editor.org/rfc/rfc4731)).
    ESearch = "ESEARCH",
    /// The result of a SEARCH can be saved, and named as `$` ([RFC
    /// 5182](https://www.rfc-editor.org/rfc/rfc5182)).
    SearchRes = "SEARCHRES",
    /// LIST takes options and several patterns ([RFC 5258](https://www.rfc-editor.org/rfc/rfc5258)).
    ListExtended = "LIST-EXTENDED",
    /// LIST can tell the STATUS of each mailbox ([RFC 5819](https://www.rfc-editor.org/rfc/rfc5819)).
    ListStatus = "LIST-STATUS",
    /// Changes have modification sequences, and STORE can depend on them ([RFC
    /// 7162](https://www.rfc-editor.org/rfc/rfc7162)).
    CondStore = "CONDSTORE",
    /// A client that comes back is told what changed and what vanished ([RFC
    /// 7162](https://www.rfc-editor.org/rfc/rfc7162)).
    QResync = "QRESYNC",
    /// UTF-8 can be enabled in names, strings and messages ([RFC
    /// 9755](https://www.rfc-editor.org/rfc/rfc9755)).
    Utf8Accept = "UTF8=ACCEPT",
    /// UTF-8 has to be enabled ([RFC 9755](https://www.rfc-editor.org/rfc/rfc9755)).
    Utf8Only = "UTF8=ONLY",
    /// The connection can be compressed ([RFC 4978](https://www.rfc-editor.org/rfc/rfc4978)).
    CompressDeflate = "COMPRESS=DEFLATE",
    /// Parts can be fetched decoded, and messages appended with NUL ([RFC
    /// 3516](https://www.rfc-editor.org/rfc/rfc3516)).
    Binary = "BINARY",
    /// APPEND takes several messages ([RFC 3502](https://www.rfc-editor.org/rfc/rfc3502)).
    MultiAppend = "MULTIAPPEND",
    /// REPLACE puts a message in the place of another ([RFC
    /// 8508](https://www.rfc-editor.org/rfc/rfc8508)).
    Replace = "REPLACE",
    /// STATUS tells the size of a mailbox ([RFC 8438](https://www.rfc-editor.org/rfc/rfc8438)).
    StatusSize = "STATUS=SIZE",
    /// Mailboxes, messages and threads have identifiers that stay ([RFC
    /// 8474](https://www.rfc-editor.org/rfc/rfc8474)).
    ObjectId = "OBJECTID",
    /// Identifiers come in one list, accounts' among them, and SELECT takes them
    /// (draft-ietf-mailmaint-imap-objectid-bis).
    ObjectIds = "OBJECTID+",
    /// The date on which a message was put into its mailbox is known ([RFC
    /// 8514](https://www.rfc-editor.org/rfc/rfc8514)).
    SaveDate = "SAVEDATE",
    /// A few words of a message can be fetched ([RFC 8970](https://www.rfc-editor.org/rfc/rfc8970)).
    Preview = "PREVIEW",
    /// A few words of a message can be fetched, as an early draft of RFC 8970 had it.
    PreviewFuzzy = "PREVIEW=FUZZY",
    /// A few words of a message can be fetched as SNIPPET, from before PREVIEW.
    SnippetFuzzy = "SNIPPET=FUZZY",
    /// SORT gives messages in an order ([RFC 5256](https://www.rfc-editor.org/rfc/rfc5256)).
    Sort = "SORT",
    /// SORT can go by the names that are shown ([RFC 5957](https://www.rfc-editor.org/rfc/rfc5957)).
    SortDisplay = "SORT=DISPLAY",
    /// THREAD groups messages by their subjects ([RFC 5256](https://www.rfc-editor.org/rfc/rfc5256)).
    ThreadOrderedSubject = "THREAD=ORDEREDSUBJECT",
    /// THREAD groups messages by what they refer to ([RFC 5256](https://www.rfc-editor.org/rfc/rfc5256)).
    ThreadReferences = "THREAD=REFERENCES",
    /// THREAD groups messages by what they refer to, those with the newest message last
    /// (draft-ietf-morg-inthread).
    ThreadRefs = "THREAD=REFS",
    /// SORT can go by modification sequences (Cyrus).
    SortModSeq = "SORT=MODSEQ",
    /// SORT can go by unique identifiers (Cyrus).
    SortUid = "SORT=UID",
    /// SORT can be answered as ESEARCH is ([RFC 5267](https://www.rfc-editor.org/rfc/rfc5267)).
    ESort = "ESORT",
    /// SEARCH can keep its result up to date ([RFC 5267](https://www.rfc-editor.org/rfc/rfc5267)).
    ContextSearch = "CONTEXT=SEARCH",
    /// SORT can keep its result up to date ([RFC 5267](https://www.rfc-editor.org/rfc/rfc5267)).
    ContextSort = "CONTEXT=SORT",
    /// A part of the result of SEARCH or FETCH can be asked for ([RFC
    /// 9394](https://www.rfc-editor.org/rfc/rfc9394)).
    Partial = "PARTIAL",
    /// SEARCH has keys for how old a message is ([RFC 5032](https://www.rfc-editor.org/rfc/rfc5032)).
    Within = "WITHIN",
    /// SEARCH can look for what is alike ([RFC 6203](https://www.rfc-editor.org/rfc/rfc6203)).
    SearchFuzzy = "SEARCH=FUZZY",
    /// ESEARCH looks into several mailboxes ([RFC 7377](https://www.rfc-editor.org/rfc/rfc7377)).
    MultiSearch = "MULTISEARCH",
    /// SEARCH knows filters, which are stored by name ([RFC 5466](https://www.rfc-editor.org/rfc/rfc5466)).
    Filters = "FILTERS",
    /// Texts are compared by `i;unicode-casemap` ([RFC 5255](https://www.rfc-editor.org/rfc/rfc5255)).
    I18nLevel1 = "I18NLEVEL=1",
    /// Texts are compared as the client chooses by COMPARATOR ([RFC
    /// 5255](https://www.rfc-editor.org/rfc/rfc5255)).
    I18nLevel2 = "I18NLEVEL=2",
    /// Limits on what mailboxes hold can be asked for ([RFC
    /// 9208](https://www.rfc-editor.org/rfc/rfc9208)).
    Quota = "QUOTA",
    /// These limits can be set ([RFC 9208](https://www.rfc-editor.org/rfc/rfc9208)).
    QuotaSet = "QUOTASET",
    /// Mailboxes have lists of who may do what ([RFC 4314](https://www.rfc-editor.org/rfc/rfc4314)).
    Acl = "ACL",
    /// LIST can tell the rights to each mailbox ([RFC 8440](https://www.rfc-editor.org/rfc/rfc8440)).
    ListMyRights = "LIST-MYRIGHTS",
    /// Mailboxes and the server have annotations ([RFC 5464](https://www.rfc-editor.org/rfc/rfc5464)).
    Metadata = "METADATA",
    /// The server alone has annotations ([RFC 5464](https://www.rfc-editor.org/rfc/rfc5464)).
    MetadataServer = "METADATA-SERVER",
    /// LIST can tell the annotations of each mailbox ([RFC
    /// 9590](https://www.rfc-editor.org/rfc/rfc9590)).
    ListMetadata = "LIST-METADATA",
    /// The client can ask to be told of changes in other mailboxes ([RFC
    /// 5465](https://www.rfc-editor.org/rfc/rfc5465)).
    Notify = "NOTIFY",
    /// Sequence numbers can be turned off ([RFC 9586](https://www.rfc-editor.org/rfc/rfc9586)).
    UidOnly = "UIDONLY",
    /// UIDBATCHES tells how identifiers part a mailbox ([RFC
    /// 10022](https://www.rfc-editor.org/rfc/rfc10022)).
    UidBatches = "UIDBATCHES",
    /// The server tells how far a long command has come ([RFC
    /// 9585](https://www.rfc-editor.org/rfc/rfc9585)).
    InProgress = "INPROGRESS",
    /// A session can log out and stay connected ([RFC 8437](https://www.rfc-editor.org/rfc/rfc8437)).
    Unauthenticate = "UNAUTHENTICATE",
    /// APPEND can be made of parts that the server has ([RFC
    /// 4469](https://www.rfc-editor.org/rfc/rfc4469)).
    Catenate = "CATENATE",
    /// URLs can name ranges of bytes ([RFC 5550 section
    /// 5.7.1](https://www.rfc-editor.org/rfc/rfc5550#section-5.7.1)).
    UrlPartial = "URL-PARTIAL",
    /// URLs can be made that others can use ([RFC 4467](https://www.rfc-editor.org/rfc/rfc4467)).
    UrlAuth = "URLAUTH",
    /// Such URLs give decoded parts, too ([RFC 5524](https://www.rfc-editor.org/rfc/rfc5524)).
    UrlAuthBinary = "URLAUTH=BINARY",
    /// Texts can come in other languages ([RFC 5255](https://www.rfc-editor.org/rfc/rfc5255)).
    Language = "LANGUAGE",
    /// The mail is to be had by JMAP, too ([RFC 9698](https://www.rfc-editor.org/rfc/rfc9698)).
    JmapAccess = "JMAPACCESS",
    /// A login may be refused with the server that it belongs to ([RFC
    /// 2221](https://www.rfc-editor.org/rfc/rfc2221)).
    LoginReferrals = "LOGIN-REFERRALS",
    /// Mailboxes of other servers are listed, and refused with where they are ([RFC
    /// 2193](https://www.rfc-editor.org/rfc/rfc2193)).
    MailboxReferrals = "MAILBOX-REFERRALS",
    /// Messages have annotations ([RFC 5257](https://www.rfc-editor.org/rfc/rfc5257)).
    Annotate = "ANNOTATE-EXPERIMENT-1",
    /// Gmail's labels and identifiers can be fetched.
    GmailExtensions = "X-GM-EXT-1",
    /// Apple devices can be told of new mail.
    ApplePush = "XAPPLEPUSHSERVICE",
    /// LIST is there with Gmail's attributes, from before SPECIAL-USE.
    XList = "XLIST",
}

/// What stands after `start`, which is in any case.
fn after<'a>(name: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    let (first, rest) = name.split_at_checked(start.len())?;
    first.eq_ignore_ascii_case(start).then_some(rest)
}

/// A number, without the sign that `parse` takes.
fn number<N: core::str::FromStr>(digits: &[u8]) -> Option<N> {
    core::str::from_utf8(digits).ok().filter(|_| digits.first().is_some_and(u8::is_ascii_digit))?.parse().ok()
}

impl Capability {
    /// Makes a capability of its name; [`Other`](Self::Other) if it is not known here.
    ///
    /// # Errors
    ///
    /// The name is not an atom.
    pub fn new(name: impl Into<Text>) -> Result<Self, Invalid> {
        let name = name.into();
        if let Some(known) = Self::known(name.as_bytes()) {
            return Ok(known);
        }
        checked("capability", name, chars::ATOM).map(|name| Self::Other(Atom::unchecked(name)))
    }

    fn known(name: &[u8]) -> Option<Self> {
        if let Some((start @ [.., b'='], mechanism)) = name.split_at_checked(5) {
            if start.eq_ignore_ascii_case(b"AUTH=") {
                return Mechanism::from_peer(Text::from(mechanism)).ok().map(Self::Auth);
            }
        }
        if let Some(limit) = after(name, b"APPENDLIMIT") {
            return match limit {
                [] => Some(Self::AppendLimit(None)),
                [b'=', digits @ ..] => number(digits).map(|limit| Self::AppendLimit(Some(limit))),
                _ => None,
            };
        }
        if let Some(limit) = after(name, b"MESSAGELIMIT=").and_then(number) {
            return Some(Self::MessageLimit(limit));
        }
        if let Some(limit) = after(name, b"SAVELIMIT=").and_then(number) {
            return Some(Self::SaveLimit(limit));
        }
        if let Some(resource) = after(name, b"QUOTA=RES-") {
            return ResourceName::new(Text::from(resource)).ok().map(Self::QuotaResource);
        }
        if let Some(rights) = after(name, b"RIGHTS=") {
            let rights = core::str::from_utf8(rights).ok().and_then(|rights| Rights::new(rights).ok());
            return rights.filter(|rights| !rights.is_empty()).map(Self::Rights);
        }
        KNOWN
            .iter()
            .find(|(known, _)| known.len() == name.len() && chars::is_name(name, known))
            .map(|(_, capability)| capability.clone())
    }

    /// Reads one.
    ///
    /// ```text
    /// capability = ("AUTH=" auth-type) / atom
    /// ```
    ///
    /// Lenient: between quotes; nothing, where the name has a character that cannot be kept.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Option<Self>, ParseError> {
        let start = r.offset();
        if r.peek() == Some(b'"') {
            r.deviate(deviation::QUOTED_CAPABILITY)?;
            return Ok(Self::new(read_string(r)?.into_text()).ok());
        }
        let name = r.take_class(chars::ATOM);
        if name.is_empty() || r.peek().is_some_and(|byte| !matches!(byte, b' ' | b']' | b'\t' | b')')) {
            r.take_while(|byte| !matches!(byte, b' ' | b']' | b'\t'));
            if r.offset() == start {
                return Err(r.error("expected a capability"));
            }
            r.deviate_at(start, deviation::ODD_CAPABILITY)?;
            return Ok(None);
        }
        Ok(Some(match Self::known(name) {
            Some(known) => known,
            None => Self::Other(Atom::unchecked(r.text_from(start))),
        }))
    }

    /// Reads all up to the end of the line, or up to `]`, each after a space.
    pub(crate) fn read_all(r: &mut Reader<'_>) -> Result<Vec<Self>, ParseError> {
        let mut capabilities = Vec::new();
        while !matches!(r.peek(), None | Some(b']')) {
            if matches!(r.peek(), Some(b'\t')) {
                r.deviate(deviation::TAB_FOR_SPACE)?;
                r.skip(1);
            } else {
                r.expect_space()?;
            }
            match r.peek() {
                None | Some(b']') => r.deviate(deviation::EXTRA_SPACE)?,
                Some(b' ' | b'\t') => r.deviate(deviation::EXTRA_SPACE)?,
                Some(_) => {
                    // A reserve on the first is worth it: servers name a dozen or more.
                    if capabilities.is_empty() {
                        capabilities.reserve(16);
                    }
                    capabilities.extend(Self::read(r)?);
                }
            }
        }
        Ok(capabilities)
    }

    /// Whether ENABLE of it changes neither how bytes are read nor what a machine has to say. What a name
    /// means that is not known here, whoever enables it has to know.
    pub(crate) const fn is_enabled_freely(&self) -> bool {
        matches!(
            self,
            Self::CondStore
                | Self::QResync
                | Self::Metadata
                | Self::MetadataServer
                | Self::ObjectIds
                | Self::Other(_)
        )
    }

    /// Appends the name.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Auth(mechanism) => {
                out.extend_from_slice(b"AUTH=");
                out.extend_from_slice(mechanism.as_bytes());
            }
            Self::AppendLimit(limit) => {
                out.extend_from_slice(b"APPENDLIMIT");
                if let Some(limit) = limit {
                    out.push(b'=');
                    write_number(out, *limit);
                }
            }
            Self::MessageLimit(limit) => {
                out.extend_from_slice(b"MESSAGELIMIT=");
                write_number(out, u64::from(limit.get()));
            }
            Self::SaveLimit(limit) => {
                out.extend_from_slice(b"SAVELIMIT=");
                write_number(out, u64::from(limit.get()));
            }
            Self::QuotaResource(resource) => {
                out.extend_from_slice(b"QUOTA=RES-");
                out.extend_from_slice(resource.as_bytes());
            }
            Self::Rights(rights) => {
                out.extend_from_slice(b"RIGHTS=");
                rights.write_letters(out);
            }
            Self::Other(name) => out.extend_from_slice(name.as_bytes()),
            known => out.extend_from_slice(known.known_name().unwrap_or_default().as_bytes()),
        }
    }

    /// Appends several, each after a space.
    pub(crate) fn write_all(out: &mut Vec<u8>, capabilities: &[Self]) {
        for capability in capabilities {
            out.push(b' ');
            capability.write(out);
        }
    }
}

mailwire_core::capability_list! {
    /// Lists what a server offers, as far as it has said so.
    ///
    /// ```
    /// use mailwire_imap::{Capabilities, Capability};
    ///
    /// let offered: Capabilities = [Capability::Imap4Rev2, Capability::Quota].into_iter().collect();
    /// assert!(offered.is_known() && offered.has(&Capability::Quota));
    /// // Nothing was said yet: that is not the same as that nothing is offered.
    /// assert!(!Capabilities::unknown().is_known());
    /// ```
    #[derive(Hash)]
    pub struct Capabilities of Capability;
}

impl Capabilities {
    /// Whether a capability is offered, with any value or none if it has one.
    pub(crate) fn has_some(&self, capability: &Capability) -> bool {
        match capability {
            Capability::AppendLimit(_) | Capability::MessageLimit(_) | Capability::SaveLimit(_) => {
                let kind = core::mem::discriminant(capability);
                self.iter().any(|has| core::mem::discriminant(has) == kind)
            }
            known => self.has(known),
        }
    }

    /// Whether a capability is offered by its own name or as a part of IMAP4rev2.
    #[must_use]
    pub fn has_or_rev2(&self, capability: &Capability) -> bool {
        self.iter().any(|has| has == capability || *has == Capability::Imap4Rev2)
    }

    /// The names of the SASL mechanisms, of the capabilities `AUTH=`.
    pub fn mechanisms(&self) -> impl Iterator<Item = &Mechanism> {
        self.iter().filter_map(|capability| match capability {
            Capability::Auth(mechanism) => Some(mechanism),
            _ => None,
        })
    }

    /// The largest message that APPEND takes, in bytes, where it is the same for all mailboxes: that of
    /// `APPENDLIMIT=` ([RFC 7889](https://www.rfc-editor.org/rfc/rfc7889)).
    #[inline]
    #[must_use]
    pub fn append_limit(&self) -> Option<u64> {
        self.iter().find_map(|capability| match capability {
            Capability::AppendLimit(limit) => *limit,
            _ => None,
        })
    }

    /// How many messages a command is done for at once: that of `MESSAGELIMIT=`
    /// ([RFC 9738](https://www.rfc-editor.org/rfc/rfc9738)).
    #[must_use]
    pub fn message_limit(&self) -> Option<NonZeroU32> {
        self.iter().find_map(|capability| match capability {
            Capability::MessageLimit(limit) => Some(*limit),
            _ => None,
        })
    }

    /// How many messages COPY and APPEND take at once: the lower of `MESSAGELIMIT=` and `SAVELIMIT=`
    /// ([RFC 9738](https://www.rfc-editor.org/rfc/rfc9738)).
    #[must_use]
    pub fn save_limit(&self) -> Option<NonZeroU32> {
        let limits = self.iter().filter_map(|capability| match capability {
            Capability::MessageLimit(limit) | Capability::SaveLimit(limit) => Some(*limit),
            _ => None,
        });
        limits.min()
    }

    /// A copy that holds no receive buffer alive, if it has at most `limit` bytes.
    pub(crate) fn kept(list: &[Capability], limit: usize) -> Option<Self> {
        let mut room = limit.checked_sub(core::mem::size_of_val(list))?;
        let compact = |capability: &Capability| {
            let (copy, length) = match capability {
                Capability::Other(name) => (Capability::Other(name.compact()), name.as_bytes().len()),
                Capability::QuotaResource(ResourceName::Other(name)) => {
                    let length = name.as_bytes().len();
                    (Capability::QuotaResource(ResourceName::Other(name.compact())), length)
                }
                Capability::Auth(mechanism) => {
                    let name = Text::from(mechanism.as_bytes());
                    let mechanism = Mechanism::from_peer(name).unwrap_or_else(|_| mechanism.clone());
                    let length = mechanism.as_bytes().len();
                    (Capability::Auth(mechanism), length)
                }
                known => (known.clone(), 0),
            };
            room = room.checked_sub(length)?;
            Some(copy)
        };
        let list: Option<Vec<_>> = list.iter().map(compact).collect();
        list.map(Self::from)
    }
}

/// Takes a list as what a server has said: capabilities that are known.
impl From<Vec<Capability>> for Capabilities {
    fn from(list: Vec<Capability>) -> Self {
        list.into_iter().collect()
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, &|out| self.write(out))
    }
}
