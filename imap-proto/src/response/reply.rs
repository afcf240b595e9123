//! Reply responses: the end of commands, greetings, warnings.

use alloc::vec::Vec;
use core::fmt;

use mailwire_core::{Dialect, Invalid, ParseError, Text, setters};

use super::code::Code;
use crate::{
    deviation,
    types::{ImapString, Reader, Tag, chars},
};

/// What a status says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum ReplyKind {
    /// It is done.
    Ok,
    /// It cannot be done.
    No,
    /// It was not understood, or not allowed.
    Bad,
    /// A greeting: the client is already authenticated.
    PreAuth,
    /// The server closes the connection.
    Bye,
}

impl ReplyKind {
    /// The name as it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::No => "NO",
            Self::Bad => "BAD",
            Self::PreAuth => "PREAUTH",
            Self::Bye => "BYE",
        }
    }

    #[inline]
    pub(crate) fn from_name(name: &[u8]) -> Option<Self> {
        let kind = match name.len() {
            2 => match name {
                [b'O' | b'o', b'K' | b'k'] => Self::Ok,
                [b'N' | b'n', b'O' | b'o'] => Self::No,
                _ => return None,
            },
            3 if name.eq_ignore_ascii_case(b"BAD") => Self::Bad,
            3 if name.eq_ignore_ascii_case(b"BYE") => Self::Bye,
            7 if name.eq_ignore_ascii_case(b"PREAUTH") => Self::PreAuth,
            _ => return None,
        };
        Some(kind)
    }
}

mailwire_core::text_newtype! {
    /// Text for people: bytes without NUL, CR and LF. It is empty only where a server left it out. What is
    /// not UTF-8 in it is written as U+FFFD; a server says `?` for what is not ASCII, unless its client has
    /// enabled more.
    pub struct ReplyText: bytes;
}

impl ReplyText {
    /// A text. Text beyond ASCII is for clients that have enabled it.
    ///
    /// # Errors
    ///
    /// It is empty, begins with `[`, or has a NUL, CR or LF in it.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        let text = text.into();
        match text.as_bytes() {
            [] => return Err(Invalid::new("response text", 0, "empty")),
            [b'[', ..] => return Err(Invalid::new("response text", 0, "looks like a response code")),
            _ => {}
        }
        match memchr::memchr3(0, b'\r', b'\n', text.as_bytes()) {
            Some(at) => Err(Invalid::new("response text", at, "NUL, CR or LF")),
            None => Ok(Self(text)),
        }
    }

    /// A text that is part of the program, with the same rules.
    #[must_use]
    pub(crate) const fn from_static(text: &'static str) -> Self {
        Self(Text::from_static(text))
    }

    /// Whether a server left it out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// `OK [CODE] text` and its kind.
///
/// ```text
/// resp-cond-state = ("OK" / "NO" / "BAD") SP resp-text
/// resp-cond-auth  = ("OK" / "PREAUTH") SP resp-text
/// resp-cond-bye   = "BYE" SP resp-text
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Reply {
    /// What it says.
    pub kind: ReplyKind,
    /// What it says to programs.
    pub code: Option<Code>,
    /// What it says to people.
    pub text: ReplyText,
}

impl Reply {
    /// A status without a code.
    ///
    /// # Errors
    ///
    /// The text is not a [`ReplyText`].
    pub fn new(kind: ReplyKind, text: impl Into<Text>) -> Result<Self, Invalid> {
        Ok(Self { kind, code: None, text: ReplyText::new(text)? })
    }

    /// A status whose text is part of the program and known to be one.
    pub(crate) const fn from_static(kind: ReplyKind, text: &'static str) -> Self {
        Self { kind, code: None, text: ReplyText::from_static(text) }
    }

    /// Makes a reply without a code of a checked text.
    #[must_use]
    pub const fn from_text(kind: ReplyKind, text: ReplyText) -> Self {
        Self { kind, code: None, text }
    }

    /// Whether it is OK.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.kind == ReplyKind::Ok
    }

    /// Whether all of it is ASCII.
    #[inline]
    pub(crate) fn is_ascii(&self) -> bool {
        let code = match &self.code {
            Some(Code::Other(other)) => {
                other.arguments.as_ref().is_none_or(|arguments| arguments.as_bytes().is_ascii())
            }
            _ => true,
        };
        code && self.text.as_text().is_ascii()
    }

    /// This reply with `?` for what is not ASCII, for a client that has not enabled more.
    #[cold]
    pub(crate) fn to_ascii(&self) -> Self {
        let plain = |text: &[u8]| -> Text {
            text.iter().map(|byte| if byte.is_ascii() { *byte } else { b'?' }).collect::<Vec<u8>>().into()
        };
        let mut reply = Self { text: ReplyText::unchecked(plain(self.text.as_bytes())), ..self.clone() };
        if let Some(Code::Other(other)) = &mut reply.code {
            other.arguments =
                other.arguments.take().map(|text| ImapString::unchecked(plain(text.as_bytes())));
        }
        reply
    }

    /// Appends the response as it stands after a tag or `* `, without a line end.
    pub fn write(&self, out: &mut Vec<u8>) {
        // What has a known length is put by an instruction or two, and not by a call.
        match self.kind {
            ReplyKind::Ok => out.extend_from_slice(b"OK "),
            ReplyKind::No => out.extend_from_slice(b"NO "),
            ReplyKind::Bad => out.extend_from_slice(b"BAD "),
            ReplyKind::PreAuth => out.extend_from_slice(b"PREAUTH "),
            ReplyKind::Bye => out.extend_from_slice(b"BYE "),
        }
        write_text(out, self.code.as_ref(), &self.text);
    }
}

setters!(Reply {
    with_code(code: some Code),
});

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.text)
    }
}

/// The end of a command.
///
/// ```text
/// response-tagged = tag SP resp-cond-state CRLF
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Tagged {
    /// The command's tag.
    pub tag: Tag,
    /// How it ended. The kind is `OK`, `NO` or `BAD`.
    pub reply: Reply,
}

/// The server waits for the rest of a command.
///
/// ```text
/// continue-req = "+" SP (resp-text / base64) CRLF
/// ```
///
/// Whether the text is for people or a challenge of a SASL mechanism in base64, only the command
/// says that it answers.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Continuation {
    /// What it says to programs.
    pub code: Option<Code>,
    /// The text, or base64; it can be empty.
    pub text: ReplyText,
}

impl Tagged {
    /// Makes the end of a command. The kind must be `OK`, `NO` or `BAD`.
    #[must_use]
    pub const fn new(tag: Tag, reply: Reply) -> Self {
        Self { tag, reply }
    }
}

impl Continuation {
    /// A continuation with text for people.
    ///
    /// # Errors
    ///
    /// The text is not a [`ReplyText`].
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        Ok(Self { code: None, text: ReplyText::new(text)? })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"+ ");
        // An empty challenge is an empty line.
        if self.code.is_some() || !self.text.is_empty() {
            write_text(out, self.code.as_ref(), &self.text);
        }
    }
}

fn write_text(out: &mut Vec<u8>, code: Option<&Code>, text: &ReplyText) {
    let is_written = code.is_some_and(|code| write_code(out, code));
    // It must not be read as a code, which lenient readers do after several spaces too.
    if !is_written && begins_like_code(text) {
        out.extend_from_slice(b"- ");
    }
    // RFC 3501 wants text, RFC 9051 does not.
    if text.is_empty() {
        out.push(b'-');
    } else if text.as_text().is_ascii() {
        text.as_text().append_to(out);
    } else {
        write_beyond_ascii(out, text);
    }
}

/// A code, if it has a form that can be written.
#[inline]
fn write_code(out: &mut Vec<u8>, code: &Code) -> bool {
    if let Some(form) = code.plain_form() {
        out.extend_from_slice(form.as_bytes());
        return true;
    }
    if !code.is_writable() {
        return false;
    }
    out.push(b'[');
    code.write(out);
    out.extend_from_slice(b"] ");
    true
}

#[inline]
fn begins_like_code(text: &ReplyText) -> bool {
    match text.as_bytes() {
        [b'[', ..] => true,
        [b' ', spaces @ ..] => spaces.iter().find(|&&byte| byte != b' ') == Some(&b'['),
        _ => false,
    }
}

#[cold]
fn write_beyond_ascii(out: &mut Vec<u8>, text: &ReplyText) {
    out.extend_from_slice(text.as_text().to_string_lossy().as_bytes());
}

/// ```text
/// resp-text = ["[" resp-text-code "]" SP] [text]
/// text      = 1*(TEXT-CHAR / UTF8-2 / UTF8-3 / UTF8-4)
/// ```
///
/// Up to the end of the line. Lenient: nothing after the code, or no space; text beyond ASCII.
#[inline(always)]
pub(crate) fn read_text(r: &mut Reader<'_>) -> Result<(Option<Code>, ReplyText), ParseError> {
    let code = if r.peek() == Some(b'[') { read_code(r)? } else { None };
    let start = r.offset();
    let length = chars::text_prefix(r.rest());
    r.skip(length);
    if r.is_at_end() {
        return Ok((code, ReplyText::unchecked(r.text_from(start))));
    }
    Ok((code, odd_text(r, start)?))
}

fn read_code(r: &mut Reader<'_>) -> Result<Option<Code>, ParseError> {
    let start = r.offset();
    r.skip(1);
    let mut code = Code::read_plain(r);
    if code.is_none() {
        if memchr::memchr(b']', r.rest()).is_none() {
            // Text that begins with a bracket.
            r.seek(start);
            return match r.dialect() {
                Dialect::Strict => Err(r.error("expected ]")),
                Dialect::Lenient => r.deviate_at(start, deviation::UNCLOSED_CODE).map(|()| None),
            };
        }
        code = Code::read(r)?;
    }
    match r.peek() {
        Some(b' ') => r.skip(1),
        None => r.deviate(deviation::MISSING_TEXT)?,
        Some(_) => r.deviate(deviation::MISSING_SPACE)?,
    }
    Ok(code)
}

#[cold]
fn odd_text(r: &mut Reader<'_>, start: usize) -> Result<ReplyText, ParseError> {
    let at = r.offset();
    let bytes = r.rest();
    let controls = bytes.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n'));
    if bytes.iter().any(|&byte| byte >= 0x80)
        && !(r.utf8() && core::str::from_utf8(r.between(start, at + bytes.len())).is_ok())
    {
        r.deviate_at(at, deviation::EIGHT_BIT_TEXT)?;
    }
    r.skip(bytes.len());
    if !controls {
        return Ok(ReplyText::unchecked(r.text_from(start)));
    }
    r.deviate_at(at, deviation::CONTROL_CHARACTER)?;
    let clean: Vec<u8> = r
        .since(start)
        .iter()
        .map(|&byte| if matches!(byte, 0 | b'\r' | b'\n') { b' ' } else { byte })
        .collect();
    let length = clean.iter().rposition(|&byte| byte != b' ').map_or(0, |last| last + 1);
    Ok(ReplyText::unchecked(Text::from(clean.get(..length).unwrap_or_default())))
}
