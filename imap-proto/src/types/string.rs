//! Strings, atoms and tags.

use mailwire_core::{Dialect, Invalid, ParseError, Text};

use super::{
    chars,
    quoted::{Follow, read_quoted, read_quoted_field, take_plain},
    reader::Reader,
};
use crate::deviation;

mailwire_core::text_newtype! {
    /// The content of a `string`, `astring` or `nstring`: any bytes but NUL.
    ///
    /// How it is written (as an atom, quoted or as a literal) is up to the serializer; a CR or LF
    /// in it is harmless, for it makes the string a literal.
    pub struct ImapString: bytes;
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

mailwire_core::text_newtype! {
    /// `atom = 1*ATOM-CHAR` (RFC 9051 section 9).
    pub struct Atom: bytes;
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
}

mailwire_core::text_newtype! {
    /// `tag = 1*<any ASTRING-CHAR except "+">` (RFC 9051 section 9).
    pub struct Tag: bytes;
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
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Data {
    /// `NIL`: there is no such part.
    #[default]
    Nil,
    /// The bytes, which were part of the message. To be sent, many of them are chained to the output,
    /// not copied.
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
    r.expect(b'}', "expected } after the literal's length")?;
    if !r.eat(b'\r') {
        r.deviate(deviation::BARE_LF)?;
    }
    r.expect(b'\n', "expected a line end after the literal's length")?;
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
pub(crate) fn read_string(r: &mut Reader<'_>) -> Result<ImapString, ParseError> {
    match r.peek() {
        Some(b'"') => read_quoted(r),
        Some(b'{' | b'~') => literal_string(r),
        _ => odd_string(r),
    }
}

#[cold]
fn odd_string(r: &mut Reader<'_>) -> Result<ImapString, ParseError> {
    let start = r.offset();
    let word = word(r, "expected a string")?;
    if word.eq_ignore_ascii_case("NIL") {
        r.deviate_at(start, deviation::NIL_FOR_STRING)?;
        return Ok(ImapString::EMPTY);
    }
    r.deviate_at(start, deviation::ATOM_FOR_STRING)?;
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
pub(crate) fn read_astring(r: &mut Reader<'_>) -> Result<ImapString, ParseError> {
    match r.peek() {
        Some(b'"') => read_quoted(r),
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
    r.deviate_at(at, deviation::ODD_CHARACTER_IN_ATOM)?;
    Ok(ImapString(r.text_from(start)))
}

/// ```text
/// nstring = string / nil
/// ```
///
/// Lenient: an atom; `()` for `NIL`.
pub(crate) fn read_nstring(r: &mut Reader<'_>) -> Result<Option<ImapString>, ParseError> {
    nstring(r, Follow::Any)
}

/// Reads a string or NIL inside of ENVELOPE and BODYSTRUCTURE, where what follows a string is known, so that
/// quotes that somebody forgot to escape can be told from the end.
///
/// It is put into its place, which holds `None`: moving it there would cost as much as reading it.
pub(crate) fn read_nstring_field(r: &mut Reader<'_>, to: &mut Option<ImapString>) -> Result<(), ParseError> {
    match r.peek() {
        Some(b'"') => {
            let start = r.offset() + 1;
            if let Some(plain) = take_plain(r, Follow::Value) {
                r.put_text(start, start + plain.len(), |text| *to = Some(ImapString(text)));
                return Ok(());
            }
        }
        Some(b'N' | b'n') if eat_nil(r) => return Ok(()),
        _ => {}
    }
    odd_nstring_field(r, to)
}

#[cold]
fn odd_nstring_field(r: &mut Reader<'_>, to: &mut Option<ImapString>) -> Result<(), ParseError> {
    *to = nstring(r, Follow::Value)?;
    Ok(())
}

/// A `string` inside of ENVELOPE and BODYSTRUCTURE, likewise put into its place.
pub(crate) fn read_string_field(r: &mut Reader<'_>, to: &mut ImapString) -> Result<(), ParseError> {
    if r.peek() == Some(b'"') {
        let start = r.offset() + 1;
        if let Some(plain) = take_plain(r, Follow::Value) {
            r.put_text(start, start + plain.len(), |text| to.0 = text);
            return Ok(());
        }
    }
    odd_string_field(r, to)
}

#[cold]
fn odd_string_field(r: &mut Reader<'_>, to: &mut ImapString) -> Result<(), ParseError> {
    *to = match r.peek() {
        Some(b'"') => read_quoted_field(r)?,
        _ => read_string(r)?,
    };
    Ok(())
}

#[inline]
fn nstring(r: &mut Reader<'_>, follow: Follow) -> Result<Option<ImapString>, ParseError> {
    match r.peek() {
        Some(b'"') if follow == Follow::Any => read_quoted(r).map(Some),
        Some(b'"') => read_quoted_field(r).map(Some),
        Some(b'N' | b'n') if eat_nil(r) => Ok(None),
        Some(b'{' | b'~') => literal_string(r).map(Some),
        _ => odd_nstring(r),
    }
}

#[cold]
fn odd_nstring(r: &mut Reader<'_>) -> Result<Option<ImapString>, ParseError> {
    if r.peek() == Some(b'(') && r.peek_at(1) == Some(b')') {
        r.deviate(deviation::EMPTY_LIST_FOR_NIL)?;
        r.skip(2);
        return Ok(None);
    }
    let start = r.offset();
    let word = word(r, "expected a string or NIL")?;
    r.deviate_at(start, deviation::ATOM_FOR_STRING)?;
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
                        r.deviate_at(start, deviation::NUL_IN_LITERAL)?;
                    }
                    Ok(Data::Inline(text))
                }
                Literal::Streamed { length } => Ok(Data::Streamed { length }),
            }
        }
        _ => Ok(read_nstring(r)?.map_or(Data::Nil, |text| Data::Inline(text.0))),
    }
}
