//! Strings, atoms and tags.

use alloc::{string::String, vec::Vec};
use core::fmt;

use mailwire_core::{Dialect, Invalid, ParseError, Text};

use super::{chars, reader::Reader};

macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        pub struct $name(Text);

        impl $name {
            /// The bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }

            /// The text, if it is UTF-8.
            #[must_use]
            pub fn as_str(&self) -> Option<&str> {
                self.0.as_str()
            }

            /// The text.
            #[must_use]
            pub const fn as_text(&self) -> &Text {
                &self.0
            }

            /// The text, given away.
            #[must_use]
            pub fn into_text(self) -> Text {
                self.0
            }

            /// Whether this is `other` but for the case of ASCII letters.
            #[must_use]
            pub fn eq_ignore_ascii_case(&self, other: &str) -> bool {
                self.0.eq_ignore_ascii_case(other)
            }

            /// A copy that holds nothing else alive.
            #[must_use]
            pub fn compact(&self) -> Self {
                Self(self.0.compact())
            }

            /// Of bytes that the caller has checked.
            #[inline]
            #[allow(dead_code)]
            pub(crate) const fn unchecked(text: Text) -> Self {
                Self(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = Invalid;
            fn try_from(text: &str) -> Result<Self, Invalid> {
                Self::new(text)
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.0.as_bytes() == other.as_bytes()
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.0.as_bytes() == other.as_bytes()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}
pub(crate) use text_newtype;

text_newtype! {
    /// The content of a `string`, `astring` or `nstring`: any bytes but NUL.
    ///
    /// How it is written (as an atom, quoted or as a literal) is up to the serializer; a CR or LF
    /// in it is harmless, for it makes the string a literal.
    ImapString
}

impl ImapString {
    /// No bytes.
    pub const EMPTY: Self = Self(Text::new());

    /// A string of these bytes.
    ///
    /// # Errors
    ///
    /// One of them is NUL.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        let text = text.into();
        match memchr::memchr(0, text.as_bytes()) {
            Some(at) => Err(Invalid::new("string", at, "NUL")),
            None => Ok(Self(text)),
        }
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The text, with U+FFFD for what is not UTF-8.
    #[must_use]
    pub fn to_string_lossy(&self) -> alloc::borrow::Cow<'_, str> {
        self.0.to_string_lossy()
    }
}

impl Default for ImapString {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl TryFrom<String> for ImapString {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::new(text)
    }
}

text_newtype! {
    /// `atom = 1*ATOM-CHAR` (RFC 9051 section 9).
    Atom
}

impl Atom {
    /// An atom of these bytes.
    ///
    /// # Errors
    ///
    /// There are none, or one of them cannot stand in an atom.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        checked("atom", text.into(), chars::ATOM).map(Self)
    }

    /// An atom that is part of the program.
    pub(crate) const fn from_static(text: &'static str) -> Self {
        Self(Text::from_static(text))
    }
}

text_newtype! {
    /// `tag = 1*<any ASTRING-CHAR except "+">` (RFC 9051 section 9).
    Tag
}

impl Tag {
    /// A tag of these bytes.
    ///
    /// # Errors
    ///
    /// There are none, or one of them cannot stand in a tag.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        checked("tag", text.into(), chars::TAG).map(Self)
    }
}

/// `text`, if it is not empty and all its bytes are of `class`.
pub(crate) fn checked(what: &'static str, text: Text, class: u16) -> Result<Text, Invalid> {
    if text.is_empty() {
        return Err(Invalid::new(what, 0, "empty"));
    }
    match text.as_bytes().iter().position(|&byte| !chars::is(byte, class)) {
        Some(at) => Err(Invalid::new(what, at, "a character that cannot stand here")),
        None => Ok(text),
    }
}

/// Bytes that may be large: a part of a message in a FETCH response, a message to APPEND.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Data {
    /// `NIL`: there is no such part.
    Nil,
    /// The bytes, which were part of the message.
    Inline(Text),
    /// A literal that came in chunks, as events of its own, or is to be sent so.
    Streamed {
        /// Its length in bytes.
        length: u64,
    },
}

/// What a literal's header says.
pub(crate) enum Literal {
    /// It stands in the frame.
    Inline(Text),
    /// It was streamed.
    Streamed { length: u64 },
}

/// ```text
/// literal  = "{" number64 ["+"] "}" CRLF *CHAR8
/// literal8 = "~{" number64 ["+"] "}" CRLF *OCTET
/// ```
///
/// The next byte is `{` or `~`. A NUL inside is left to the caller.
pub(crate) fn read_literal(r: &mut Reader<'_>) -> Result<Literal, ParseError> {
    r.eat(b'~');
    r.expect(b'{', "expected a literal")?;
    let length = r.number_u64()?;
    if matches!(r.peek(), Some(b'+' | b'-')) {
        r.skip(1);
    }
    r.expect(b'}', "expected } behind the literal's length")?;
    if !r.eat(b'\r') {
        r.deviate("bare-lf")?;
    }
    r.expect(b'\n', "expected a line end behind the literal's length")?;
    let start = r.offset();
    if r.is_streamed(start) {
        return Ok(Literal::Streamed { length });
    }
    match usize::try_from(length) {
        Ok(count) if count <= r.rest().len() => {
            r.skip(count);
            Ok(Literal::Inline(r.text_from(start)))
        }
        _ => Err(r.error("the literal is cut off")),
    }
}

/// A literal where the grammar has a short value.
fn literal_string(r: &mut Reader<'_>) -> Result<ImapString, ParseError> {
    let start = r.offset();
    match read_literal(r)? {
        Literal::Inline(text) => match memchr::memchr(0, text.as_bytes()) {
            Some(_) => Err(ParseError::new(start, "NUL in a string")),
            None => Ok(ImapString(text)),
        },
        Literal::Streamed { .. } => Err(ParseError::new(start, "the literal is too large for this value")),
    }
}

/// ```text
/// string = quoted / literal
/// ```
///
/// Lenient: an atom, or `NIL`, which is an empty string.
#[inline]
pub(crate) fn read_string(r: &mut Reader<'_>) -> Result<ImapString, ParseError> {
    match r.peek() {
        Some(b'"') => read_quoted(r, Follow::Any),
        Some(b'{' | b'~') => literal_string(r),
        _ => odd_string(r),
    }
}

#[cold]
fn odd_string(r: &mut Reader<'_>) -> Result<ImapString, ParseError> {
    let start = r.offset();
    let word = word(r, "expected a string")?;
    if word.eq_ignore_ascii_case("NIL") {
        r.deviate_at(start, "nil-for-string")?;
        return Ok(ImapString::EMPTY);
    }
    r.deviate_at(start, "atom-for-string")?;
    Ok(word)
}

/// The bytes up to the next space, quote or parenthesis, none of them NUL.
fn word(r: &mut Reader<'_>, reason: &'static str) -> Result<ImapString, ParseError> {
    r.text_class(chars::WORD, reason).map(ImapString)
}

/// ```text
/// astring = 1*ASTRING-CHAR / string
/// ```
///
/// Lenient: a word with characters that an atom cannot have, backslash or 8-bit for instance.
#[inline]
pub(crate) fn read_astring(r: &mut Reader<'_>) -> Result<ImapString, ParseError> {
    match r.peek() {
        Some(b'"') => read_quoted(r, Follow::Any),
        Some(b'{') => literal_string(r),
        Some(b'~') if r.peek_at(1) == Some(b'{') => literal_string(r),
        _ => {
            let start = r.offset();
            r.take_class(chars::ASTRING);
            if r.offset() == start || r.peek().is_some_and(|byte| chars::is(byte, chars::WORD)) {
                return odd_astring(r, start);
            }
            Ok(ImapString(r.text_from(start)))
        }
    }
}

#[cold]
fn odd_astring(r: &mut Reader<'_>, start: usize) -> Result<ImapString, ParseError> {
    let at = r.offset();
    r.take_class(chars::WORD);
    if r.offset() == start {
        return Err(r.error("expected an astring"));
    }
    r.deviate_at(at, "odd-character-in-atom")?;
    Ok(ImapString(r.text_from(start)))
}

/// ```text
/// nstring = string / nil
/// ```
///
/// Lenient: an atom; `()` for `NIL`.
#[inline]
pub(crate) fn read_nstring(r: &mut Reader<'_>) -> Result<Option<ImapString>, ParseError> {
    nstring(r, Follow::Any)
}

/// The same inside of ENVELOPE and BODYSTRUCTURE, where what follows a string is known, so that
/// quotes that somebody forgot to escape can be told from the end.
#[inline]
pub(crate) fn read_nstring_field(r: &mut Reader<'_>) -> Result<Option<ImapString>, ParseError> {
    nstring(r, Follow::Value)
}

/// A `string` inside of ENVELOPE and BODYSTRUCTURE.
#[inline]
pub(crate) fn read_string_field(r: &mut Reader<'_>) -> Result<ImapString, ParseError> {
    match r.peek() {
        Some(b'"') => read_quoted(r, Follow::Value),
        _ => read_string(r),
    }
}

#[inline]
fn nstring(r: &mut Reader<'_>, follow: Follow) -> Result<Option<ImapString>, ParseError> {
    match r.peek() {
        Some(b'"') => read_quoted(r, follow).map(Some),
        Some(b'N' | b'n') if eat_nil(r) => Ok(None),
        Some(b'{' | b'~') => literal_string(r).map(Some),
        _ => odd_nstring(r),
    }
}

#[cold]
fn odd_nstring(r: &mut Reader<'_>) -> Result<Option<ImapString>, ParseError> {
    if r.peek() == Some(b'(') && r.peek_at(1) == Some(b')') {
        r.deviate("empty-list-for-nil")?;
        r.skip(2);
        return Ok(None);
    }
    let start = r.offset();
    let word = word(r, "expected a string or NIL")?;
    r.deviate_at(start, "atom-for-string")?;
    Ok(Some(word))
}

/// Steps over `NIL`, in any case, that is not the beginning of a longer word.
#[inline]
pub(crate) fn eat_nil(r: &mut Reader<'_>) -> bool {
    let found = matches!(r.rest().first_chunk::<3>(), Some([b'N' | b'n', b'I' | b'i', b'L' | b'l']))
        && !r.peek_at(3).is_some_and(|byte| chars::is(byte, chars::ATOM));
    if found {
        r.skip(3);
    }
    found
}

/// What can stand behind the closing quote of a string.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Follow {
    /// Something that is not part of a word.
    Any,
    /// A space and another value, or `)`.
    Value,
}

/// ```text
/// quoted          = DQUOTE *QUOTED-CHAR DQUOTE
/// QUOTED-CHAR     = <any TEXT-CHAR except quoted-specials> / "\" quoted-specials / UTF8-2 / UTF8-3 / UTF8-4
/// quoted-specials = DQUOTE / "\"
/// ```
///
/// The next byte is `"`. Lenient: 8-bit that is not UTF-8; a backslash before something else;
/// quotes that are not escaped.
#[inline]
fn read_quoted(r: &mut Reader<'_>, follow: Follow) -> Result<ImapString, ParseError> {
    let start = r.offset() + 1;
    let inner = r.rest().get(1..).unwrap_or_default();
    let length = chars::quoted_prefix(inner);
    if let Some([b'"', behind @ ..]) = inner.get(length..) {
        if closes(behind, follow) {
            let text = r.text_between(start, start + length);
            r.seek(start + length + 1);
            return Ok(ImapString(text));
        }
    }
    r.skip(1);
    slow_quoted(r, start, follow)
}

/// Whether a quote ends its string, if this stands behind it.
#[inline]
fn closes(behind: &[u8], follow: Follow) -> bool {
    match behind {
        [] | [b')' | b'(', ..] => true,
        [b'"', ..] => false,
        [b' ', rest @ ..] => follow == Follow::Any || begins_value(rest),
        [byte, ..] => follow == Follow::Any && !chars::is(*byte, chars::ATOM),
    }
}

/// Whether a value of ENVELOPE or BODYSTRUCTURE can begin so, or an atom in the place of one.
#[inline]
fn begins_value(rest: &[u8]) -> bool {
    begins_proper_value(rest) || begins_atom(rest)
}

/// An atom, and `)` or a value behind it.
#[cold]
fn begins_atom(rest: &[u8]) -> bool {
    let end = rest.iter().position(|&byte| !chars::is(byte, chars::ASTRING)).unwrap_or(rest.len());
    end > 0
        && match rest.get(end..).unwrap_or_default() {
            [b')', ..] => true,
            [b' ', rest @ ..] => begins_proper_value(rest),
            _ => false,
        }
}

#[inline]
fn begins_proper_value(rest: &[u8]) -> bool {
    match rest {
        [] | [b'"' | b'(' | b')' | b'{' | b'~' | b' ', ..] => true,
        [b'N' | b'n', b'I' | b'i', b'L' | b'l', rest @ ..] => {
            !rest.first().is_some_and(|&byte| chars::is(byte, chars::ATOM))
        }
        [b'0'..=b'9' | b'-', ..] => {
            let end = rest.iter().find(|byte| !byte.is_ascii_digit() && !matches!(byte, b'-' | b'.'));
            matches!(end, None | Some(b' ' | b')'))
        }
        _ => false,
    }
}

/// With escapes, 8-bit characters and mistakes.
#[cold]
fn slow_quoted(r: &mut Reader<'_>, start: usize, follow: Follow) -> Result<ImapString, ParseError> {
    let mut unescaped: Option<Vec<u8>> = None;
    let mut piece = start;
    let mut eight_bit = false;
    // Quotes before this place were found to be part of the text.
    let mut inner_until = start;
    loop {
        let plain = chars::quoted_prefix(r.rest());
        r.skip(plain);
        match r.peek() {
            Some(b'"') => {
                if r.offset() >= inner_until {
                    let behind = r.rest().get(1..).unwrap_or_default();
                    if closes(behind, follow) {
                        break;
                    }
                    // `"a""b"`: a missing space.
                    if let [b'"', next, ..] = behind {
                        if r.offset() > start && !matches!(next, b' ' | b')' | b'"') {
                            break;
                        }
                    }
                    let Some(end) = closes_later(r, follow) else { break };
                    inner_until = end;
                }
                r.deviate("unescaped-quote")?;
                r.skip(1);
            }
            Some(b'\\') => {
                if matches!(r.peek_at(1), Some(b'"' | b'\\')) {
                    // A backslash that somebody forgot to escape, before the real end.
                    if r.peek_at(1) == Some(b'"')
                        && (r.peek_at(2).is_none()
                            || closes(r.rest().get(2..).unwrap_or_default(), Follow::Value)
                                && !quote_ahead(r, 2))
                    {
                        r.deviate("unescaped-backslash")?;
                        r.skip(1);
                        continue;
                    }
                    let so_far = r.slice(piece, r.offset());
                    unescaped.get_or_insert_default().extend_from_slice(&so_far);
                    r.skip(1);
                    piece = r.offset();
                    r.skip(1);
                } else {
                    r.deviate("unescaped-backslash")?;
                    r.skip(1);
                }
            }
            Some(byte) if byte >= 0x80 => {
                eight_bit = true;
                r.take_while(|byte| byte >= 0x80);
            }
            Some(0) => return Err(r.error("NUL in a string")),
            Some(_) => return Err(r.error("a line end in a quoted string")),
            None => return Err(r.error("a quoted string without its end")),
        }
    }
    let text = match unescaped {
        Some(mut bytes) => {
            bytes.extend_from_slice(&r.slice(piece, r.offset()));
            Text::from(bytes)
        }
        None => r.text_from(start),
    };
    if eight_bit && text.as_str().is_none() {
        r.deviate_at(start, "8-bit-not-utf-8")?;
    }
    r.skip(1);
    Ok(ImapString(text))
}

/// Whether a quote stands somewhere behind the next `from` bytes.
fn quote_ahead(r: &Reader<'_>, from: usize) -> bool {
    r.rest().get(from..).is_some_and(|rest| memchr::memchr(b'"', rest).is_some())
}

/// A string with quotes that were not escaped is not expected to go on for longer. It bounds what
/// each quote can cost.
const LONGEST_GUESS: usize = 500;

/// Where a quote behind the next one ends the string, so that the next one does not.
fn closes_later(r: &Reader<'_>, follow: Follow) -> Option<usize> {
    let rest = r.rest();
    let near = rest.get(..LONGEST_GUESS).unwrap_or(rest);
    let line = near.get(..memchr::memchr2(b'\r', b'\n', near).unwrap_or(near.len())).unwrap_or_default();
    memchr::memchr_iter(b'"', line)
        .skip(1)
        .find(|at| closes(rest.get(at + 1..).unwrap_or_default(), follow))
        .map(|at| r.offset() + at)
}

/// ```text
/// nstring / literal8
/// ```
///
/// Bytes that may have been streamed. Lenient: NUL in them, which is not looked for; an atom; `()` for `NIL`.
pub(crate) fn read_data(r: &mut Reader<'_>) -> Result<Data, ParseError> {
    match r.peek() {
        Some(byte @ (b'{' | b'~')) => {
            let start = r.offset();
            match read_literal(r)? {
                Literal::Inline(text) => {
                    // Only the strict dialect has a use for looking through a part of a message.
                    if byte == b'{'
                        && r.dialect() == Dialect::Strict
                        && memchr::memchr(0, text.as_bytes()).is_some()
                    {
                        r.deviate_at(start, "nul-in-literal")?;
                    }
                    Ok(Data::Inline(text))
                }
                Literal::Streamed { length } => Ok(Data::Streamed { length }),
            }
        }
        _ => Ok(read_nstring(r)?.map_or(Data::Nil, |text| Data::Inline(text.0))),
    }
}

/// Appends a decimal number.
pub(crate) fn write_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + (number % 10) as u8;
        number /= 10;
        used += 1;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

/// A longer string is written as a literal.
const LONGEST_QUOTED: usize = 1000;

/// Whether these bytes can be written as a quoted string that every peer understands.
#[must_use]
pub(crate) fn is_quotable(bytes: &[u8]) -> bool {
    bytes.len() <= LONGEST_QUOTED && chars::all(bytes, chars::TEXT)
}

/// Whether these bytes can be written as an atom where an `astring` stands, and are not `NIL`.
#[must_use]
pub(crate) fn is_astring_atom(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes.len() <= LONGEST_QUOTED
        && chars::all(bytes, chars::ASTRING)
        && !bytes.eq_ignore_ascii_case(b"NIL")
}

/// Appends `bytes`, which [`is_quotable`], between quotes.
pub(crate) fn write_quoted(out: &mut Vec<u8>, mut bytes: &[u8]) {
    out.push(b'"');
    while let Some(at) = memchr::memchr2(b'"', b'\\', bytes) {
        let (before, rest) = bytes.split_at(at);
        out.extend_from_slice(before);
        out.push(b'\\');
        let (special, rest) = rest.split_at(1);
        out.extend_from_slice(special);
        bytes = rest;
    }
    out.extend_from_slice(bytes);
    out.push(b'"');
}

/// Appends `bytes` as an inline literal, as servers may always do.
pub(crate) fn write_literal(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'{');
    write_number(out, bytes.len() as u64);
    out.extend_from_slice(b"}\r\n");
    out.extend_from_slice(bytes);
}

/// Appends a `string` as servers may: quoted, or as an inline literal. There is no NUL in `bytes`.
pub(crate) fn write_string(out: &mut Vec<u8>, bytes: &[u8]) {
    if is_quotable(bytes) { write_quoted(out, bytes) } else { write_literal(out, bytes) }
}

/// Appends an `astring` as servers may.
pub(crate) fn write_astring(out: &mut Vec<u8>, bytes: &[u8]) {
    if is_astring_atom(bytes) { out.extend_from_slice(bytes) } else { write_string(out, bytes) }
}

/// Appends an `nstring` as servers may.
pub(crate) fn write_nstring(out: &mut Vec<u8>, string: Option<&ImapString>) {
    match string {
        Some(string) => write_string(out, string.as_bytes()),
        None => out.extend_from_slice(b"NIL"),
    }
}
