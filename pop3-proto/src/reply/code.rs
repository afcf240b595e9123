//! Response codes.

use mailwire_core::{Cursor, Invalid, ParseError, Text, keywords};

use crate::types::is_vchar;

/// What machines read of a status line, `[SYS/TEMP]` ([RFC 2449 section
/// 8](https://www.rfc-editor.org/rfc/rfc2449#section-8)).
///
/// Codes are hierarchical. One with more detail than is known here counts as what its longest known
/// beginning says: see [`kind`](Self::kind).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ResponseCode(Text);

/// What a [`ResponseCode`] means, as far as it is known.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum ResponseCodeKind {
    /// `LOGIN-DELAY`: the last login is too recent ([RFC 2449 section
    /// 8.1.1](https://www.rfc-editor.org/rfc/rfc2449#section-8.1.1)).
    LoginDelay,
    /// `IN-USE`: the login is right, but the maildrop is locked ([RFC 2449
    /// section 8.1.2](https://www.rfc-editor.org/rfc/rfc2449#section-8.1.2)).
    InUse,
    /// `SYS/TEMP`: trouble of the system that will pass ([RFC 3206 section
    /// 4](https://www.rfc-editor.org/rfc/rfc3206#section-4)).
    SysTemp,
    /// `SYS/PERM`: trouble of the system that will not pass by itself ([RFC 3206 section
    /// 4](https://www.rfc-editor.org/rfc/rfc3206#section-4)).
    SysPerm,
    /// `SYS` with another detail or none: trouble of the system ([RFC 3206 section
    /// 4](https://www.rfc-editor.org/rfc/rfc3206#section-4)).
    Sys,
    /// `AUTH`: the credentials are wrong ([RFC 3206 section
    /// 5](https://www.rfc-editor.org/rfc/rfc3206#section-5)).
    Auth,
    /// `UTF8`: the message needs UTF-8 mode ([RFC 6856 section
    /// 5](https://www.rfc-editor.org/rfc/rfc6856#section-5)).
    Utf8,
    /// `XCLIENT`, in Dovecot's greeting: a proxy may tell who its client is ([`Xclient`](crate::Xclient)).
    Xclient,
    /// Any other code.
    Other,
}

keywords! {
    /// The first levels that are known here.
    enum Level {
        Auth = "AUTH",
        InUse = "IN-USE",
        LoginDelay = "LOGIN-DELAY",
        Sys = "SYS",
        Utf8 = "UTF8",
        Xclient = "XCLIENT",
    }
}

impl ResponseCode {
    /// `LOGIN-DELAY`: the last login was too short ago.
    pub const LOGIN_DELAY: Self = Self(Text::from_static("LOGIN-DELAY"));
    /// `IN-USE`: another session has the maildrop.
    pub const IN_USE: Self = Self(Text::from_static("IN-USE"));
    /// `SYS/TEMP`: the server fails, and may not later.
    pub const SYS_TEMP: Self = Self(Text::from_static("SYS/TEMP"));
    /// `SYS/PERM`: the server fails, and somebody has to mend it.
    pub const SYS_PERM: Self = Self(Text::from_static("SYS/PERM"));
    /// `AUTH`: the credentials are wrong.
    pub const AUTH: Self = Self(Text::from_static("AUTH"));
    /// `UTF8`: the message or the login needs UTF8 to be on.
    pub const UTF8: Self = Self(Text::from_static("UTF8"));
    /// `XCLIENT`: what a proxy told of its client is not taken.
    pub const XCLIENT: Self = Self(Text::from_static("XCLIENT"));

    /// A code without its brackets.
    ///
    /// ```text
    /// resp-code  = "[" resp-level *("/" resp-level) "]"
    /// resp-level = 1*rchar
    /// rchar      = %x21-2E / %x30-5C / %x5E-7F      ; RFC 2449 section 3
    /// ```
    ///
    /// # Errors
    ///
    /// An empty level, `]`, or what is not printable ASCII.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        let text = text.into();
        match find_invalid(text.as_bytes()) {
            None => Ok(Self(text)),
            Some((offset, reason)) => Err(Invalid::new("response code", offset, reason)),
        }
    }

    /// The meaning of the code, or of its longest known beginning. Case does not matter.
    ///
    /// ```
    /// use mailwire_pop3::{ResponseCode, ResponseCodeKind};
    /// let code = ResponseCode::new("AUTH/EXPIRED").unwrap();
    /// assert_eq!(code.kind(), ResponseCodeKind::Auth);
    /// ```
    #[must_use]
    pub fn kind(&self) -> ResponseCodeKind {
        let mut levels = self.levels();
        let first = levels.next().unwrap_or_default();
        match Level::of(first) {
            Some(Level::Sys) => match levels.next() {
                Some(second) if second.eq_ignore_ascii_case(b"TEMP") => ResponseCodeKind::SysTemp,
                Some(second) if second.eq_ignore_ascii_case(b"PERM") => ResponseCodeKind::SysPerm,
                _ => ResponseCodeKind::Sys,
            },
            Some(Level::Auth) => ResponseCodeKind::Auth,
            Some(Level::InUse) => ResponseCodeKind::InUse,
            Some(Level::LoginDelay) => ResponseCodeKind::LoginDelay,
            Some(Level::Utf8) => ResponseCodeKind::Utf8,
            Some(Level::Xclient) => ResponseCodeKind::Xclient,
            None => ResponseCodeKind::Other,
        }
    }

    /// Whether it is `general`, or says more exactly what that says: its levels begin with those of `general`. The
    /// case of letters does not count.
    ///
    /// ```
    /// use mailwire_pop3::ResponseCode;
    ///
    /// let code = ResponseCode::new("SYS/TEMP/DISK").unwrap();
    /// assert!(code.is_within(&ResponseCode::SYS_TEMP) && !code.is_within(&ResponseCode::SYS_PERM));
    /// ```
    #[must_use]
    pub fn is_within(&self, general: &Self) -> bool {
        let mut levels = self.levels();
        general.levels().all(|level| levels.next().is_some_and(|own| own.eq_ignore_ascii_case(level)))
    }

    /// Whether it will pass without anybody's doing: `SYS/TEMP`, `IN-USE` and `LOGIN-DELAY`.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self.kind(),
            ResponseCodeKind::SysTemp | ResponseCodeKind::InUse | ResponseCodeKind::LoginDelay
        )
    }

    /// Whether it will not pass by itself: `SYS/PERM`, and wrong credentials.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        matches!(self.kind(), ResponseCodeKind::SysPerm | ResponseCodeKind::Auth)
    }

    /// Whether the credentials are wrong: asking the user for others can help. A server that announces
    /// `AUTH-RESP-CODE` says so of all that are wrong ([RFC 3206 section
    /// 6](https://www.rfc-editor.org/rfc/rfc3206#section-6)).
    #[must_use]
    pub fn is_authentication(&self) -> bool {
        self.kind() == ResponseCodeKind::Auth
    }

    /// Whether the system is in trouble, not the user: `SYS` and all within it.
    #[must_use]
    pub fn is_system(&self) -> bool {
        matches!(self.kind(), ResponseCodeKind::Sys | ResponseCodeKind::SysTemp | ResponseCodeKind::SysPerm)
    }

    /// The levels, from the most general on.
    pub fn levels(&self) -> impl Iterator<Item = &[u8]> {
        self.0.as_bytes().split(|&byte| byte == b'/')
    }

    /// The code as it is written, without brackets.
    #[must_use]
    pub const fn as_text(&self) -> &Text {
        &self.0
    }
}

fn find_invalid(code: &[u8]) -> Option<(usize, &'static str)> {
    let mut at_start = true;
    for (offset, &byte) in code.iter().enumerate() {
        match byte {
            b'/' if at_start => return Some((offset, "an empty level")),
            b'/' => at_start = true,
            b']' => return Some((offset, "a closing bracket")),
            byte if is_vchar(byte) => at_start = false,
            _ => return Some((offset, "a character that is not printable ASCII")),
        }
    }
    at_start.then_some((code.len(), "an empty level"))
}

/// A code with its brackets, at the cursor. An error leaves the cursor anywhere.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<ResponseCode, ParseError> {
    cursor.expect(b'[', "expected a response code")?;
    let start = cursor.offset();
    let text = cursor.text_while(|byte| is_vchar(byte) && byte != b']');
    if let Some((offset, reason)) = find_invalid(text.as_bytes()) {
        return Err(ParseError::new(start.saturating_add(offset), reason));
    }
    cursor.expect(b']', "a response code without an end")?;
    Ok(ResponseCode(text))
}

impl core::fmt::Debug for ResponseCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "[{}]", self.0)
    }
}

impl core::fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for ResponseCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut code = serializer.serialize_struct("ResponseCode", 2)?;
        code.serialize_field("kind", &self.kind())?;
        code.serialize_field("text", &self.0)?;
        code.end()
    }
}
