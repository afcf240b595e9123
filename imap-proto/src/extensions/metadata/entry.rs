//! The names of annotations, and their values.

use alloc::vec::Vec;

use mailwire_core::{Invalid, ParseError, Text};

use crate::{
    command::{AString, Writer},
    deviation,
    extensions::spaced,
    literal::Announcement,
    types::{Literal, Reader, chars, read_literal, read_nstring, write_string},
};

mailwire_core::text_newtype! {
    /// The name of an annotation: `/shared/comment`, `/private/vendor/example/color`. It is compared without regard
    /// to case ([RFC 5464 section 3.2](https://www.rfc-editor.org/rfc/rfc5464#section-3.2)).
    pub struct EntryName: bytes, ignore_case;
}

/// How far below an entry GETMETADATA goes ([RFC 5464 section
/// 4.2.2](https://www.rfc-editor.org/rfc/rfc5464#section-4.2.2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Depth {
    /// `0`: only the entry itself.
    #[default]
    Zero,
    /// `1`: and what lies directly below it.
    One,
    /// `infinity`: and all that lies below it.
    Infinity,
}

impl EntryName {
    /// A name of these bytes.
    ///
    /// # Errors
    ///
    /// It does not begin with `/`, ends with one or has two in a row; or there is a character in it that is no
    /// printable ASCII, or `*` or `%`.
    pub fn new(name: impl Into<Text>) -> Result<Self, Invalid> {
        let name = name.into();
        match Self::fault(name.as_bytes()) {
            Some((at, reason)) => Err(Invalid::new("annotation", at, reason)),
            None => Ok(Self::unchecked(name)),
        }
    }

    /// Whether it is a name that an annotation may have: what a peer sends need not be.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        Self::fault(self.as_bytes()).is_none()
    }

    fn fault(name: &[u8]) -> Option<(usize, &'static str)> {
        if name.first() != Some(&b'/') {
            return Some((0, "it does not begin with /"));
        }
        if name.last() == Some(&b'/') {
            return Some((name.len() - 1, "it ends with /"));
        }
        if let Some(at) = name.windows(2).position(|pair| pair == b"//") {
            return Some((at, "an empty level"));
        }
        let odd = |byte: &u8| !(b' '..0x7f).contains(byte) || matches!(byte, b'*' | b'%');
        name.iter().position(odd).map(|at| (at, "a character that cannot stand here"))
    }

    /// Whether it is this one, or lies below it as far as `depth` goes.
    ///
    /// ```
    /// use mailwire_imap::extensions::metadata::{Depth, EntryName};
    ///
    /// let name = EntryName::new("/shared/vendor/Example")?;
    /// assert!(name.is_within("/shared", Depth::Infinity) && !name.is_within("/shared", Depth::One));
    /// assert!(name.is_within("/SHARED/vendor", Depth::One) && !name.is_within("/shared/vend", Depth::One));
    /// # Ok::<(), mailwire_imap::Invalid>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn is_within(&self, above: &str, depth: Depth) -> bool {
        let Some((start, rest)) = self.as_bytes().split_at_checked(above.len()) else { return false };
        start.eq_ignore_ascii_case(above.as_bytes())
            && match (rest, depth) {
                ([], _) => true,
                ([b'/', ..], Depth::Infinity) => true,
                ([b'/', below @ ..], Depth::One) => !below.contains(&b'/'),
                _ => false,
            }
    }

    /// Whether it is one of all users, and not the user's own: it lies below `/shared`.
    #[inline]
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.is_within("/shared", Depth::Infinity)
    }
}

impl EntryName {
    /// ```text
    /// entry = astring
    /// ```
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        AString::read(r).map(|name| Self::unchecked(name.into_text()))
    }

    /// A list of them, at least one, whose `(` is next.
    pub(crate) fn read_list(r: &mut Reader<'_>) -> Result<Vec<Self>, ParseError> {
        let start = r.offset();
        r.expect(b'(', "expected a list of entries")?;
        let entries = r.list_of(Self::read)?;
        if entries.is_empty() { Err(no_entries(start)) } else { Ok(entries) }
    }

    pub(crate) fn write_list(entries: &[Self], e: &mut Writer<'_>) {
        e.put(b"(");
        e.spaced(entries, |e, entry| match entry.as_bytes() {
            // A word would be taken for an option.
            name @ [first, ..] if first.is_ascii_alphabetic() => e.string_bytes(name),
            name => e.astring_bytes(name),
        });
        e.put(b")");
    }
}

impl Depth {
    pub(super) const fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Zero => b"0",
            Self::One => b"1",
            Self::Infinity => b"infinity",
        }
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        let word = r.take_class(chars::ATOM);
        let all = [Self::Zero, Self::One, Self::Infinity];
        let found = all.into_iter().find(|depth| word.eq_ignore_ascii_case(depth.as_bytes()));
        found.ok_or(ParseError::new(start, "expected 0, 1 or infinity"))
    }
}

/// ```text
/// value = nstring / literal8
/// ```
pub(in crate::extensions) fn read_value(r: &mut Reader<'_>) -> Result<Option<Text>, ParseError> {
    let start = r.offset();
    let binary = r.peek() == Some(b'~');
    if !binary && r.peek() != Some(b'{') {
        return Ok(read_nstring(r)?.map(|text| text.into_text()));
    }
    match read_literal(r)? {
        Literal::Inline(text) if binary || memchr::memchr(0, text.as_bytes()).is_none() => Ok(Some(text)),
        Literal::Inline(text) => {
            r.deviate_at(start, deviation::NUL_IN_LITERAL)?;
            Ok(Some(text))
        }
        Literal::Streamed { .. } => Err(ParseError::new(start, "the literal is too large for this value")),
    }
}

/// ```text
/// entry-values = "(" entry-value *(SP entry-value) ")"
/// entry-value  = entry SP value
/// ```
pub(super) fn read_values(r: &mut Reader<'_>) -> Result<Vec<(EntryName, Option<Text>)>, ParseError> {
    r.expect(b'(', "expected a list of entries")?;
    let mut entries = Vec::new();
    r.items(|r| {
        let name = EntryName::read(r)?;
        entries.push((name, spaced(r, read_value)?));
        Ok(())
    })?;
    Ok(entries)
}

#[cold]
pub(super) fn no_entries(start: usize) -> ParseError {
    ParseError::new(start, "an empty list of entries")
}

pub(in crate::extensions) fn write_value(out: &mut Vec<u8>, value: Option<&Text>) {
    match value {
        None => out.extend_from_slice(b"NIL"),
        Some(value) if memchr::memchr(0, value.as_bytes()).is_some() => {
            Announcement::by_server(value.as_bytes().len() as u64, true).write(out);
            out.extend_from_slice(value.as_bytes());
        }
        Some(value) => write_string(out, value.as_bytes()),
    }
}

pub(in crate::extensions) fn put_value(value: Option<&Text>, e: &mut Writer<'_>) {
    match value {
        None => e.put(b"NIL"),
        Some(value) if memchr::memchr(0, value.as_bytes()).is_some() => {
            e.announce(value.as_bytes().len() as u64, true);
            e.put(value.as_bytes());
        }
        Some(value) => e.string_bytes(value.as_bytes()),
    }
}

#[cfg(feature = "arbitrary")]
pub(super) mod arbitrary {
    use alloc::{format, vec::Vec};

    use ::arbitrary::{Arbitrary, Error, Result, Unstructured};
    use mailwire_core::Text;

    use super::{Depth, EntryName};
    use crate::command::arbitrary::{maybe, some, word};

    impl<'a> Arbitrary<'a> for EntryName {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let root = u.choose(&["/shared", "/private"])?;
            let name = format!("{root}/{}", word(u, b"aB0 \"\\(){}]")?);
            Self::new(name).map_err(|_| Error::IncorrectFormat)
        }
    }

    impl<'a> Arbitrary<'a> for Depth {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            u.choose(&[Self::Zero, Self::One, Self::Infinity]).copied()
        }
    }

    pub(in crate::extensions::metadata) fn values(
        u: &mut Unstructured<'_>,
    ) -> Result<Vec<(EntryName, Option<Text>)>> {
        some(u, |u| {
            let value = maybe(u, value)?;
            Ok((u.arbitrary()?, value))
        })
    }

    pub(in crate::extensions) fn value(u: &mut Unstructured<'_>) -> Result<Text> {
        let mut bytes = u.arbitrary::<Vec<u8>>()?;
        bytes.truncate(40);
        // Others in a quoted string are a deviation.
        bytes.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = 0);
        Ok(Text::from(bytes))
    }
}
