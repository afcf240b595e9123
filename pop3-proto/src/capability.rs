//! Capabilities (RFC 2449 sections 5 and 6, and the RFCs that add some).

use alloc::vec::Vec;

use bytes::Bytes;
use mailwire_core::{Cursor, Dialect, ParseError, Parsed};

use crate::{
    command::write_number,
    types::{Keyword, LineText, Mechanism, find_break, is_vchar},
};

/// One line of the reply to CAPA.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Capability {
    /// `TOP` (RFC 2449 section 6.1).
    Top,
    /// `USER`: USER and PASS are there (RFC 2449 section 6.2).
    User,
    /// `SASL mechanism ...` (RFC 5034 section 3).
    Sasl(Vec<Mechanism>),
    /// `RESP-CODES` (RFC 2449 section 6.4).
    RespCodes,
    /// `LOGIN-DELAY seconds [USER]` (RFC 2449 section 6.5).
    LoginDelay {
        /// The least time between two logins.
        seconds: u64,
        /// A more accurate value comes after the login.
        per_user: bool,
    },
    /// `PIPELINING` (RFC 2449 section 6.6).
    Pipelining,
    /// `EXPIRE days|NEVER [USER]` (RFC 2449 section 6.7).
    Expire {
        /// For how many days messages are kept at least; `None` means `NEVER` deleted.
        days: Option<u64>,
        /// A more accurate value comes after the login.
        per_user: bool,
    },
    /// `UIDL` (RFC 2449 section 6.8).
    Uidl,
    /// `IMPLEMENTATION text` (RFC 2449 section 6.9).
    Implementation(LineText),
    /// `STLS` (RFC 2595 section 4).
    Stls,
    /// `AUTH-RESP-CODE` (RFC 3206 section 6).
    AuthRespCode,
    /// `UTF8 [USER]` (RFC 6856 section 2).
    Utf8 {
        /// UTF-8 is possible in USER, PASS and APOP.
        user: bool,
    },
    /// `LANG` (RFC 6856 section 3).
    Lang,
    /// Any other, or a known one whose arguments mean nothing.
    Other {
        /// Its tag.
        tag: Keyword,
        /// What stands behind it and a space.
        arguments: Option<LineText>,
    },
}

impl Capability {
    /// Reads a capability from a line without its line end and without stuffing.
    ///
    /// ```text
    /// capability = capa-tag *(SP param) CRLF ;512 octets maximum
    /// capa-tag   = 1*cchar
    /// param      = 1*VCHAR                   ; RFC 2449 section 3
    /// ```
    ///
    /// A dot in a tag is read too: stuffing keeps it from ending the list.
    ///
    /// # Errors
    ///
    /// What is wrong and where.
    pub fn parse(line: &Bytes, dialect: Dialect) -> Result<Parsed<Self>, ParseError> {
        Cursor::parse(line, dialect, capability)
    }

    /// Appends the capability without a line end.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.tag().as_bytes());
        match self {
            Self::Sasl(mechanisms) => {
                for mechanism in mechanisms {
                    out.push(b' ');
                    out.extend_from_slice(mechanism.as_bytes());
                }
            }
            Self::LoginDelay { seconds, per_user } => {
                out.push(b' ');
                write_number(out, *seconds);
                write_user(out, *per_user);
            }
            Self::Expire { days, per_user } => {
                out.push(b' ');
                match days {
                    Some(days) => write_number(out, *days),
                    None => out.extend_from_slice(b"NEVER"),
                }
                write_user(out, *per_user);
            }
            Self::Implementation(arguments) | Self::Other { arguments: Some(arguments), .. } => {
                out.push(b' ');
                out.extend_from_slice(arguments.as_bytes());
            }
            Self::Utf8 { user } => write_user(out, *user),
            _ => {}
        }
    }

    /// The tag.
    #[must_use]
    pub fn tag(&self) -> Keyword {
        Keyword::from_static(match self {
            Self::Top => "TOP",
            Self::User => "USER",
            Self::Sasl(_) => "SASL",
            Self::RespCodes => "RESP-CODES",
            Self::LoginDelay { .. } => "LOGIN-DELAY",
            Self::Pipelining => "PIPELINING",
            Self::Expire { .. } => "EXPIRE",
            Self::Uidl => "UIDL",
            Self::Implementation(_) => "IMPLEMENTATION",
            Self::Stls => "STLS",
            Self::AuthRespCode => "AUTH-RESP-CODE",
            Self::Utf8 { .. } => "UTF8",
            Self::Lang => "LANG",
            Self::Other { tag, .. } => return tag.clone(),
        })
    }
}

fn write_user(out: &mut Vec<u8>, user: bool) {
    if user {
        out.extend_from_slice(b" USER");
    }
}

fn capability(cursor: &mut Cursor<'_>) -> Result<Capability, ParseError> {
    if matches!(cursor.peek(), Some(b' ' | b'\t')) {
        cursor.deviate("space-at-line-start")?;
        cursor.take_while(|byte| matches!(byte, b' ' | b'\t'));
    }
    let tag = cursor.text_while1(is_vchar, "expected a capability")?;
    let start = cursor.offset();
    if !matches!(cursor.peek(), None | Some(b' ')) {
        cursor.deviate("no-space-behind-capability")?;
    }
    let is = |name| tag.eq_ignore_ascii_case(name);
    let simple = match tag.len() {
        3 if is("TOP") => Capability::Top,
        4 if is("USER") => Capability::User,
        4 if is("UIDL") => Capability::Uidl,
        4 if is("STLS") => Capability::Stls,
        4 if is("LANG") => Capability::Lang,
        4 if is("UTF8") => return utf8(cursor),
        4 if is("SASL") => return sasl(cursor),
        6 if is("EXPIRE") => return per_user(cursor, &tag, start),
        10 if is("RESP-CODES") => Capability::RespCodes,
        10 if is("PIPELINING") => Capability::Pipelining,
        11 if is("LOGIN-DELAY") => return per_user(cursor, &tag, start),
        14 if is("AUTH-RESP-CODE") => Capability::AuthRespCode,
        14 if is("IMPLEMENTATION") => {
            let arguments = arguments(cursor)?.unwrap_or_default();
            return Ok(Capability::Implementation(arguments));
        }
        _ => {
            let arguments = arguments(cursor)?;
            return Ok(Capability::Other { tag: Keyword::from_peer(tag), arguments });
        }
    };
    // What is behind these means nothing to anybody.
    if spaces(cursor)? {
        cursor.deviate("unexpected-parameter")?;
        cursor.skip(usize::MAX);
    }
    Ok(simple)
}

/// Steps over the space before a parameter; false at the end of the line.
fn spaces(cursor: &mut Cursor<'_>) -> Result<bool, ParseError> {
    if cursor.is_at_end() {
        return Ok(false);
    }
    let start = cursor.offset();
    let blank = cursor.take_while(|byte| matches!(byte, b' ' | b'\t'));
    if cursor.is_at_end() {
        cursor.deviate_at(start, "space-at-line-end")?;
        return Ok(false);
    }
    if blank.len() > 1 || blank.first() == Some(&b'\t') {
        cursor.deviate_at(start, "not-a-single-space")?;
    }
    Ok(true)
}

/// All that is left behind one space, as it is.
fn arguments(cursor: &mut Cursor<'_>) -> Result<Option<LineText>, ParseError> {
    if cursor.is_at_end() {
        return Ok(None);
    }
    if matches!(cursor.peek(), Some(b' ' | b'\t')) {
        cursor.skip(1);
    }
    let start = cursor.offset();
    let text = cursor.text_rest();
    match find_break(text.as_bytes()) {
        Some(offset) => Err(ParseError::new(start.saturating_add(offset), "a CR or NUL in a capability")),
        None => Ok(Some(LineText::from_peer(text))),
    }
}

/// `UTF8 [USER]`
fn utf8(cursor: &mut Cursor<'_>) -> Result<Capability, ParseError> {
    let mut user = false;
    while spaces(cursor)? {
        let start = cursor.offset();
        if cursor.text_while(|byte| !matches!(byte, b' ' | b'\t')).eq_ignore_ascii_case("USER") {
            user = true;
        } else {
            cursor.deviate_at(start, "unexpected-parameter")?;
        }
    }
    Ok(Capability::Utf8 { user })
}

/// `SASL *(SP sasl-mech)`
fn sasl(cursor: &mut Cursor<'_>) -> Result<Capability, ParseError> {
    let mut mechanisms = Vec::new();
    while spaces(cursor)? {
        let start = cursor.offset();
        let name = cursor.text_while1(is_vchar, "not a SASL mechanism name")?;
        match Mechanism::new(name.clone()) {
            Ok(mechanism) => mechanisms.push(mechanism),
            Err(invalid) => {
                cursor.deviate_at(start.saturating_add(invalid.offset), "odd-mechanism-name")?;
                mechanisms.push(Mechanism::from_peer(name));
            }
        }
    }
    Ok(Capability::Sasl(mechanisms))
}

/// `LOGIN-DELAY seconds [USER]`, `EXPIRE days|NEVER [USER]`. One whose number is none keeps its
/// bytes.
fn per_user(
    cursor: &mut Cursor<'_>,
    tag: &mailwire_core::Text,
    start: usize,
) -> Result<Capability, ParseError> {
    let expire = tag.eq_ignore_ascii_case("EXPIRE");
    let behind_tag = cursor.offset();
    let value = if spaces(cursor)? {
        let argument = cursor.text_while(|byte| !matches!(byte, b' ' | b'\t'));
        if expire && argument.eq_ignore_ascii_case("NEVER") {
            Some(None)
        } else {
            number(&argument).map(Some)
        }
    } else {
        None
    };
    let Some(value) = value else {
        cursor.rewind(behind_tag);
        cursor.deviate_at(start, "parameter-is-not-a-number")?;
        let arguments = arguments(cursor)?;
        return Ok(Capability::Other { tag: Keyword::from_peer(tag.clone()), arguments });
    };
    let mut per_user = false;
    while spaces(cursor)? {
        let start = cursor.offset();
        if cursor.text_while(|byte| !matches!(byte, b' ' | b'\t')).eq_ignore_ascii_case("USER") {
            per_user = true;
        } else {
            cursor.deviate_at(start, "unexpected-parameter")?;
        }
    }
    Ok(match value {
        days if expire => Capability::Expire { days, per_user },
        Some(seconds) => Capability::LoginDelay { seconds, per_user },
        None => Capability::Expire { days: None, per_user },
    })
}

fn number(text: &mailwire_core::Text) -> Option<u64> {
    let digits = text.as_bytes();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(digits).ok()?.parse().ok()
}

/// What a server offers, as its reply to CAPA said it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Capabilities {
    list: Vec<Capability>,
    known: bool,
}

impl Capabilities {
    /// What a server offers that does not know CAPA: it may have TOP, UIDL and the rest, and only
    /// trying tells.
    #[must_use]
    pub const fn unknown() -> Self {
        Self { list: Vec::new(), known: false }
    }

    /// Whether the server answered CAPA with a list.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.known
    }

    /// All, in the order of the list.
    pub fn iter(&self) -> impl Iterator<Item = &Capability> {
        self.list.iter()
    }

    /// Whether `capability` is in the list, arguments and all.
    #[must_use]
    pub fn contains(&self, capability: &Capability) -> bool {
        self.list.contains(capability)
    }

    /// Whether a capability with this tag is in the list.
    #[must_use]
    pub fn has(&self, tag: &str) -> bool {
        self.list.iter().any(|capability| capability.tag().is(tag))
    }

    /// The SASL mechanisms.
    pub fn mechanisms(&self) -> impl Iterator<Item = &Mechanism> {
        self.list
            .iter()
            .filter_map(|capability| match capability {
                Capability::Sasl(mechanisms) => Some(mechanisms),
                _ => None,
            })
            .flatten()
    }

    /// Whether AUTH is announced.
    #[must_use]
    pub fn has_sasl(&self) -> bool {
        self.list.iter().any(|capability| matches!(capability, Capability::Sasl(_)))
    }

    /// Whether UTF-8 is possible in USER, PASS and APOP (RFC 6856 section 2.2).
    #[must_use]
    pub fn has_utf8_user(&self) -> bool {
        self.list.contains(&Capability::Utf8 { user: true })
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(list: I) -> Self {
        Self { list: list.into_iter().collect(), known: true }
    }
}
