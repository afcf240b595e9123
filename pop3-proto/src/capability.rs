//! Capabilities.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use mailwire_core::{
    Cursor, ParseError, Parsed, Text, escape_ascii, keywords, private::write_number, sasl::Mechanism,
};

use crate::{
    context::ParseContext,
    deviation,
    types::{Keyword, LineText, find_break, is_blank, is_vchar},
};

/// One thing that a server offers: a line of the reply to CAPA ([RFC 2449 sections 5 and
/// 6](https://www.rfc-editor.org/rfc/rfc2449#section-5)).
///
/// # Examples
///
/// ```
/// use mailwire_pop3::Capability;
///
/// assert_eq!(Capability::LoginDelay { seconds: 900, per_user: true }.to_string(), "LOGIN-DELAY 900 USER");
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Capability {
    /// `TOP` ([RFC 2449 section 6.1](https://www.rfc-editor.org/rfc/rfc2449#section-6.1)).
    Top,
    /// `USER`: USER and PASS ([RFC 2449 section
    /// 6.2](https://www.rfc-editor.org/rfc/rfc2449#section-6.2)).
    User,
    /// `SASL mechanism ...`: AUTH ([RFC 5034 section
    /// 3](https://www.rfc-editor.org/rfc/rfc5034#section-3)).
    Sasl(Vec<Mechanism>),
    /// `RESP-CODES` ([RFC 2449 section 6.4](https://www.rfc-editor.org/rfc/rfc2449#section-6.4)).
    RespCodes,
    /// `LOGIN-DELAY seconds [USER]` ([RFC 2449 section
    /// 6.5](https://www.rfc-editor.org/rfc/rfc2449#section-6.5)).
    LoginDelay {
        /// The least time between two logins.
        seconds: u64,
        /// A more accurate value comes after the login.
        per_user: bool,
    },
    /// `PIPELINING` ([RFC 2449 section 6.6](https://www.rfc-editor.org/rfc/rfc2449#section-6.6)).
    Pipelining,
    /// `EXPIRE days|NEVER [USER]` ([RFC 2449 section
    /// 6.7](https://www.rfc-editor.org/rfc/rfc2449#section-6.7)).
    Expire {
        /// For how many days messages are kept at least; `None` means `NEVER` deleted.
        days: Option<u64>,
        /// A more accurate value comes after the login.
        per_user: bool,
    },
    /// `UIDL` ([RFC 2449 section 6.8](https://www.rfc-editor.org/rfc/rfc2449#section-6.8)).
    Uidl,
    /// `IMPLEMENTATION text` ([RFC 2449 section
    /// 6.9](https://www.rfc-editor.org/rfc/rfc2449#section-6.9)).
    Implementation(LineText),
    /// `STLS` ([RFC 2595 section 4](https://www.rfc-editor.org/rfc/rfc2595#section-4)).
    Stls,
    /// `AUTH-RESP-CODE` ([RFC 3206 section 6](https://www.rfc-editor.org/rfc/rfc3206#section-6)).
    AuthRespCode,
    /// `UTF8 [USER]` ([RFC 6856 section 2](https://www.rfc-editor.org/rfc/rfc6856#section-2)).
    Utf8 {
        /// UTF-8 is possible in USER, PASS and APOP.
        user: bool,
    },
    /// `LANG` ([RFC 6856 section 3](https://www.rfc-editor.org/rfc/rfc6856#section-3)).
    Lang,
    /// Any other, or a known one whose arguments mean nothing.
    Other {
        /// Its tag.
        tag: Keyword,
        /// What stands after the tag and a space.
        arguments: Option<LineText>,
    },
}

keywords! {
    /// The tags of the capabilities that are known here.
    pub(crate) enum Tag of Capability except Other {
        Top = "TOP",
        User = "USER",
        Sasl = "SASL",
        RespCodes = "RESP-CODES",
        LoginDelay = "LOGIN-DELAY",
        Pipelining = "PIPELINING",
        Expire = "EXPIRE",
        Uidl = "UIDL",
        Implementation = "IMPLEMENTATION",
        Stls = "STLS",
        AuthRespCode = "AUTH-RESP-CODE",
        Utf8 = "UTF8",
        Lang = "LANG",
    }
}

/// The line of the reply to CAPA: `LOGIN-DELAY 900`.
impl fmt::Display for Capability {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.write(&mut out);
        escape_ascii(&out).fmt(f)
    }
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
    pub fn parse(frame: &Bytes, context: impl Into<ParseContext>) -> Result<Parsed<Self>, ParseError> {
        context.into().parse(frame, capability)
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

    /// A copy that keeps no receive buffer alive.
    #[must_use]
    pub fn compact(&self) -> Self {
        let text = |text: &LineText| LineText::unchecked(text.as_text().compact());
        match self {
            Self::Sasl(mechanisms) => Self::Sasl(mechanisms.iter().map(Mechanism::compact).collect()),
            Self::Implementation(words) => Self::Implementation(text(words)),
            Self::Other { tag, arguments } => Self::Other {
                tag: Keyword::unchecked(tag.as_text().compact()),
                arguments: arguments.as_ref().map(text),
            },
            plain => plain.clone(),
        }
    }

    /// The tag, in upper case if it is one of the RFCs'.
    #[must_use]
    pub fn tag(&self) -> Keyword {
        match (self, Tag::of_value(self)) {
            (_, Some(tag)) => Keyword::unchecked(Text::from_static(tag.as_str())),
            (Self::Other { tag, .. }, None) => tag.clone(),
            (_, None) => Keyword::unchecked(Text::from_static("")),
        }
    }
}

fn write_user(out: &mut Vec<u8>, user: bool) {
    if user {
        out.extend_from_slice(b" USER");
    }
}

fn capability(cursor: &mut Cursor<'_>) -> Result<Capability, ParseError> {
    if cursor.peek().is_some_and(is_blank) {
        cursor.deviate(deviation::SPACE_AT_LINE_START)?;
        cursor.take_while(is_blank);
    }
    let tag = cursor.text_while1(is_vchar, "expected a capability")?;
    if !matches!(cursor.peek(), None | Some(b' ')) {
        let tab = cursor.peek() == Some(b'\t');
        cursor.deviate(if tab { deviation::TAB_FOR_SPACE } else { deviation::MISSING_SPACE })?;
    }
    let simple = match Tag::of(tag.as_bytes()) {
        Some(Tag::Top) => Capability::Top,
        Some(Tag::User) => Capability::User,
        Some(Tag::Uidl) => Capability::Uidl,
        Some(Tag::Stls) => Capability::Stls,
        Some(Tag::Lang) => Capability::Lang,
        Some(Tag::RespCodes) => Capability::RespCodes,
        Some(Tag::Pipelining) => Capability::Pipelining,
        Some(Tag::AuthRespCode) => Capability::AuthRespCode,
        Some(Tag::Utf8) => return Ok(Capability::Utf8 { user: user(cursor)? }),
        Some(Tag::Sasl) => return sasl(cursor),
        Some(Tag::Expire) => return expire(cursor, tag),
        Some(Tag::LoginDelay) => return login_delay(cursor, tag),
        Some(Tag::Implementation) => {
            return Ok(Capability::Implementation(arguments(cursor)?.unwrap_or_default()));
        }
        None => return other(cursor, tag),
    };
    // What stands after these means nothing to anybody.
    if spaces(cursor)? {
        cursor.deviate(deviation::SURPLUS_PARAMETER)?;
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
    let blank = cursor.take_while(is_blank);
    if cursor.is_at_end() {
        cursor.deviate_at(start, deviation::SPACE_BEFORE_LINE_END)?;
        return Ok(false);
    }
    if blank.contains(&b'\t') {
        cursor.deviate_at(start, deviation::TAB_FOR_SPACE)?;
    } else if blank.len() > 1 {
        cursor.deviate_at(start, deviation::EXTRA_SPACE)?;
    }
    Ok(true)
}

/// All that is left after one space, as it is.
fn arguments(cursor: &mut Cursor<'_>) -> Result<Option<LineText>, ParseError> {
    if cursor.is_at_end() {
        return Ok(None);
    }
    if cursor.peek().is_some_and(is_blank) {
        cursor.skip(1);
    }
    let start = cursor.offset();
    let text = cursor.text_rest();
    match find_break(text.as_bytes()) {
        Some(offset) => Err(ParseError::new(start.saturating_add(offset), "a CR or NUL in a capability")),
        None => Ok(Some(LineText::unchecked(text))),
    }
}

fn other(cursor: &mut Cursor<'_>, tag: Text) -> Result<Capability, ParseError> {
    let arguments = arguments(cursor)?;
    Ok(Capability::Other { tag: Keyword::unchecked(tag), arguments })
}

/// `[USER]`
fn user(cursor: &mut Cursor<'_>) -> Result<bool, ParseError> {
    let mut user = false;
    while spaces(cursor)? {
        let start = cursor.offset();
        if cursor.text_while(|byte| !is_blank(byte)).eq_ignore_ascii_case("USER") {
            user = true;
        } else {
            cursor.deviate_at(start, deviation::SURPLUS_PARAMETER)?;
        }
    }
    Ok(user)
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
                cursor.deviate_at(start.saturating_add(invalid.offset), deviation::ODD_MECHANISM_NAME)?;
                mechanisms.extend(Mechanism::from_peer(name));
            }
        }
    }
    Ok(Capability::Sasl(mechanisms))
}

/// `LOGIN-DELAY seconds [USER]`
fn login_delay(cursor: &mut Cursor<'_>, tag: Text) -> Result<Capability, ParseError> {
    match first_parameter(cursor, number)? {
        Some(seconds) => Ok(Capability::LoginDelay { seconds, per_user: user(cursor)? }),
        None => other(cursor, tag),
    }
}

/// `EXPIRE days|NEVER [USER]`
fn expire(cursor: &mut Cursor<'_>, tag: Text) -> Result<Capability, ParseError> {
    let days =
        |text: &Text| if text.eq_ignore_ascii_case("NEVER") { Some(None) } else { number(text).map(Some) };
    match first_parameter(cursor, days)? {
        Some(days) => Ok(Capability::Expire { days, per_user: user(cursor)? }),
        None => other(cursor, tag),
    }
}

/// The first parameter, as `read` understands it. If it does not, the cursor stays before it.
fn first_parameter<T>(
    cursor: &mut Cursor<'_>,
    read: impl FnOnce(&Text) -> Option<T>,
) -> Result<Option<T>, ParseError> {
    let before = cursor.mark();
    let start = cursor.offset();
    let name = if spaces(cursor)? {
        let value = read(&cursor.text_while(|byte| !is_blank(byte)));
        if value.is_some() {
            return Ok(value);
        }
        deviation::TEXT_FOR_NUMBER
    } else {
        deviation::MISSING_PARAMETER
    };
    cursor.reset(before);
    cursor.deviate_at(start, name)?;
    Ok(None)
}

fn number(text: &Text) -> Option<u64> {
    let digits = text.as_bytes();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(digits).ok()?.parse().ok()
}

mailwire_core::capability_list! {
    /// What a server offers, as its reply to CAPA says it.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_pop3::{Capabilities, Capability};
    ///
    /// let capabilities: Capabilities = [Capability::Top, Capability::Uidl].into_iter().collect();
    /// assert!(capabilities.is_known() && capabilities.has(&Capability::Uidl));
    /// // A server that does not know CAPA may have all of it: only trying tells.
    /// assert!(!Capabilities::unknown().is_known());
    /// ```
    pub struct Capabilities of Capability;
}

impl Capabilities {
    /// Whether a capability with this tag is in the list, whatever its arguments.
    #[must_use]
    pub fn has_tag(&self, tag: &str) -> bool {
        self.iter().any(|capability| capability.tag() == *tag)
    }

    /// Whether a known capability with this tag is in the list, whatever its arguments.
    pub(crate) fn offers(&self, tag: Tag) -> bool {
        self.iter().any(|capability| Tag::of_value(capability) == Some(tag))
    }

    /// The SASL mechanisms.
    pub fn mechanisms(&self) -> impl Iterator<Item = &Mechanism> {
        self.iter()
            .filter_map(|capability| match capability {
                Capability::Sasl(mechanisms) => Some(mechanisms),
                _ => None,
            })
            .flatten()
    }
}
