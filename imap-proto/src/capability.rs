//! What a server can do.

use alloc::vec::Vec;
use core::fmt;

use mailwire_core::{Invalid, ParseError, Text, sasl::Mechanism};

use crate::{
    deviation,
    types::{Atom, Reader, chars, checked, display, read_string, write_number},
};

macro_rules! capabilities {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// One capability (RFC 9051 section 7.2.2). Names are compared without regard to case.
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
            /// `AUTH=`: a SASL mechanism for AUTHENTICATE.
            Auth(Mechanism),
            /// `APPENDLIMIT`, with the limit if it is the same for all mailboxes (RFC 7889).
            AppendLimit(Option<u64>),
            /// Another, as it was written.
            Other(Atom),
        }

        const KNOWN: &[(&str, Capability)] = &[$(($text, Capability::$variant)),*];

        impl Capability {
            pub(crate) const fn known_name(&self) -> Option<&'static str> {
                match self {
                    $(Self::$variant => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

capabilities! {
    /// RFC 3501.
    Imap4Rev1 = "IMAP4rev1",
    /// RFC 9051.
    Imap4Rev2 = "IMAP4rev2",
    /// RFC 1730; it promises nothing.
    Imap4 = "IMAP4",
    /// The server takes STARTTLS.
    StartTls = "STARTTLS",
    /// The server refuses LOGIN.
    LoginDisabled = "LOGINDISABLED",
    /// AUTHENTICATE can carry the first answer (RFC 4959).
    SaslIr = "SASL-IR",
    /// Literals without waiting (RFC 7888).
    LiteralPlus = "LITERAL+",
    /// Literals of at most 4096 bytes without waiting (RFC 7888).
    LiteralMinus = "LITERAL-",
    /// RFC 5161.
    Enable = "ENABLE",
    /// RFC 2971.
    Id = "ID",
    /// RFC 2177.
    Idle = "IDLE",
    /// RFC 2342.
    Namespace = "NAMESPACE",
    /// `\HasChildren` in LIST (RFC 3348).
    Children = "CHILDREN",
    /// UID EXPUNGE, APPENDUID and COPYUID (RFC 4315).
    UidPlus = "UIDPLUS",
    /// RFC 3691.
    Unselect = "UNSELECT",
    /// RFC 6851.
    Move = "MOVE",
    /// RFC 6154.
    SpecialUse = "SPECIAL-USE",
    /// RFC 6154.
    CreateSpecialUse = "CREATE-SPECIAL-USE",
    /// RFC 4731.
    ESearch = "ESEARCH",
    /// RFC 5182.
    SearchRes = "SEARCHRES",
    /// RFC 5258.
    ListExtended = "LIST-EXTENDED",
    /// RFC 5819.
    ListStatus = "LIST-STATUS",
    /// RFC 7162.
    CondStore = "CONDSTORE",
    /// RFC 7162.
    QResync = "QRESYNC",
    /// RFC 9755.
    Utf8Accept = "UTF8=ACCEPT",
    /// RFC 9755.
    Utf8Only = "UTF8=ONLY",
    /// RFC 4978.
    CompressDeflate = "COMPRESS=DEFLATE",
    /// RFC 3516.
    Binary = "BINARY",
    /// RFC 3502.
    MultiAppend = "MULTIAPPEND",
    /// RFC 8508.
    Replace = "REPLACE",
    /// RFC 8438.
    StatusSize = "STATUS=SIZE",
    /// RFC 8474.
    ObjectId = "OBJECTID",
    /// RFC 8514.
    SaveDate = "SAVEDATE",
    /// RFC 8970.
    Preview = "PREVIEW",
    /// RFC 5256.
    Sort = "SORT",
    /// RFC 5957.
    SortDisplay = "SORT=DISPLAY",
    /// RFC 5256.
    ThreadOrderedSubject = "THREAD=ORDEREDSUBJECT",
    /// RFC 5256.
    ThreadReferences = "THREAD=REFERENCES",
    /// RFC 5267.
    ESort = "ESORT",
    /// RFC 5267.
    ContextSearch = "CONTEXT=SEARCH",
    /// RFC 5267.
    ContextSort = "CONTEXT=SORT",
    /// RFC 9394.
    Partial = "PARTIAL",
    /// RFC 5032.
    Within = "WITHIN",
    /// RFC 6203.
    SearchFuzzy = "SEARCH=FUZZY",
    /// RFC 7377.
    MultiSearch = "MULTISEARCH",
    /// RFC 9208.
    Quota = "QUOTA",
    /// RFC 9208.
    QuotaSet = "QUOTASET",
    /// RFC 4314.
    Acl = "ACL",
    /// RFC 8440.
    ListMyRights = "LIST-MYRIGHTS",
    /// RFC 5464.
    Metadata = "METADATA",
    /// RFC 5464.
    MetadataServer = "METADATA-SERVER",
    /// RFC 9590.
    ListMetadata = "LIST-METADATA",
    /// RFC 5465.
    Notify = "NOTIFY",
    /// RFC 9586.
    UidOnly = "UIDONLY",
    /// RFC 9585.
    InProgress = "INPROGRESS",
    /// RFC 8437.
    Unauthenticate = "UNAUTHENTICATE",
    /// RFC 4469.
    Catenate = "CATENATE",
    /// RFC 5255.
    Language = "LANGUAGE",
    /// Gmail's labels and identifiers.
    GmailExtensions = "X-GM-EXT-1",
    /// LIST with Gmail's attributes, before SPECIAL-USE.
    XList = "XLIST",
}

impl Capability {
    /// One by its name.
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
        if let Some((b"AUTH=" | b"auth=" | b"Auth=", mechanism)) = name.split_at_checked(5) {
            return Mechanism::from_peer(Text::from(mechanism)).ok().map(Self::Auth);
        }
        if name.len() >= 11 && name.get(..11).is_some_and(|start| start.eq_ignore_ascii_case(b"APPENDLIMIT"))
        {
            return match name.get(11..) {
                Some([]) => Some(Self::AppendLimit(None)),
                Some([b'=', digits @ ..]) if !digits.is_empty() && !digits.starts_with(b"+") => {
                    let limit = core::str::from_utf8(digits).ok()?.parse().ok()?;
                    Some(Self::AppendLimit(Some(limit)))
                }
                _ => None,
            };
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

/// What a server offers, as far as it has said so.
///
/// ```
/// use mailwire_imap::{Capabilities, Capability};
///
/// let offered: Capabilities = [Capability::Imap4Rev2, Capability::Quota].into_iter().collect();
/// assert!(offered.is_known() && offered.has(&Capability::Quota));
/// // Nothing was said yet: that is not the same as that nothing is offered.
/// assert!(!Capabilities::unknown().is_known());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Capabilities {
    known: bool,
    list: Vec<Capability>,
}

impl Capabilities {
    /// Those of a server that has not said what it offers.
    #[must_use]
    pub const fn unknown() -> Self {
        Self { known: false, list: Vec::new() }
    }

    /// Whether the server has said what it offers.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.known
    }

    /// Whether this is offered.
    #[must_use]
    pub fn has(&self, capability: &Capability) -> bool {
        self.list.contains(capability)
    }

    /// Whether this is offered by its own name or as a part of IMAP4rev2.
    #[must_use]
    pub fn has_or_rev2(&self, capability: &Capability) -> bool {
        self.list.iter().any(|has| has == capability || *has == Capability::Imap4Rev2)
    }

    /// The names of the SASL mechanisms, of the capabilities `AUTH=`.
    pub fn mechanisms(&self) -> impl Iterator<Item = &Mechanism> {
        self.list.iter().filter_map(|capability| match capability {
            Capability::Auth(mechanism) => Some(mechanism),
            _ => None,
        })
    }

    /// All of them, in the order in which they were named.
    pub fn iter(&self) -> core::slice::Iter<'_, Capability> {
        self.list.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn as_slice(&self) -> &[Capability] {
        &self.list
    }
}

/// These, as a server names them.
impl From<Vec<Capability>> for Capabilities {
    fn from(list: Vec<Capability>) -> Self {
        Self { known: true, list }
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        Vec::from_iter(capabilities).into()
    }
}

impl IntoIterator for Capabilities {
    type Item = Capability;
    type IntoIter = alloc::vec::IntoIter<Capability>;
    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl<'a> IntoIterator for &'a Capabilities {
    type Item = &'a Capability;
    type IntoIter = core::slice::Iter<'a, Capability>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, |out| self.write(out))
    }
}
