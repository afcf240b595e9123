//! Parts of a message.

use alloc::vec::Vec;
use core::num::{NonZeroU32, NonZeroU64};

use mailwire_core::{Invalid, ParseError};

use super::{
    chars,
    reader::Reader,
    set::read_nz,
    string::{ImapString, read_astring},
    write::{write_astring, write_number},
};
use crate::deviation;

/// Which part of a message, and what of it (RFC 9051 section 6.4.5.1).
///
/// ```text
/// section       = "[" [section-spec] "]"
/// section-spec  = section-msgtext / (section-part ["." section-text])
/// section-text  = section-msgtext / "MIME"
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Section {
    part: Vec<NonZeroU32>,
    text: Option<SectionText>,
}

/// What of a part, if not all its content.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum SectionText {
    /// `HEADER`: the header of the message.
    Header,
    /// `HEADER.FIELDS (...)`: these fields of the header.
    HeaderFields(Vec<ImapString>),
    /// `HEADER.FIELDS.NOT (...)`: all fields but these.
    HeaderFieldsNot(Vec<ImapString>),
    /// `TEXT`: the body of the message.
    Text,
    /// `MIME`: the MIME header of the part. Only with a part number.
    Mime,
}

impl Section {
    /// `[]`: the whole message.
    pub const WHOLE: Self = Self { part: Vec::new(), text: None };
    /// `[HEADER]`: its header.
    pub const HEADER: Self = Self { part: Vec::new(), text: Some(SectionText::Header) };
    /// `[TEXT]`: its body.
    pub const TEXT: Self = Self { part: Vec::new(), text: Some(SectionText::Text) };

    /// A part by its numbers (none: the message), and what of it (`None`: the content).
    ///
    /// # Errors
    ///
    /// `MIME` without a part number, or an empty list of header fields.
    #[inline]
    pub fn new(part: Vec<NonZeroU32>, text: Option<SectionText>) -> Result<Self, Invalid> {
        match &text {
            Some(SectionText::Mime) if part.is_empty() => {
                Err(Invalid::new("section", 0, "MIME without a part number"))
            }
            Some(SectionText::HeaderFields(names) | SectionText::HeaderFieldsNot(names))
                if names.is_empty() =>
            {
                Err(Invalid::new("section", 0, "no header fields"))
            }
            _ => Ok(Self { part, text }),
        }
    }

    /// The part numbers; none for the message itself.
    #[must_use]
    pub fn part(&self) -> &[NonZeroU32] {
        &self.part
    }

    /// What of the part; `None` for its content.
    #[must_use]
    pub const fn text(&self) -> Option<&SectionText> {
        self.text.as_ref()
    }

    /// Reads from `[` to `]`.
    ///
    /// ```text
    /// section-msgtext = "HEADER" / "HEADER.FIELDS" [".NOT"] SP header-list / "TEXT"
    /// section-part    = nz-number *("." nz-number)
    /// header-list     = "(" header-fld-name *(SP header-fld-name) ")"
    /// header-fld-name = astring
    /// ```
    ///
    /// Lenient: spaces inside; part number 0, which is the header; a dot at the end.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.expect(b'[', "expected [")?;
        r.no_space()?;
        let mut part = Vec::new();
        let mut text = None;
        while r.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            if r.peek() == Some(b'0') && r.peek_at(1) == Some(b']') {
                r.deviate(deviation::ZERO_FOR_PART)?;
                r.skip(1);
                text = Some(SectionText::Header);
                break;
            }
            part.push(read_nz(r)?);
            if !r.eat(b'.') {
                break;
            }
            if r.peek() == Some(b']') {
                r.deviate(deviation::DOT_WITHOUT_PART)?;
            }
        }
        let start = r.offset();
        if r.rest().starts_with(b"HEADER.FIELDS (") {
            r.skip(13);
            text = Some(SectionText::HeaderFields(read_header_list(r)?));
        } else if r.peek().is_some_and(|byte| byte.is_ascii_alphabetic()) {
            let name = r.take_while(|byte| byte.is_ascii_alphabetic() || byte == b'.');
            let is = |known: &str| chars::is_name(name, known);
            text = Some(match name.len() {
                6 if is("HEADER") => SectionText::Header,
                4 if is("TEXT") => SectionText::Text,
                13 if is("HEADER.FIELDS") => SectionText::HeaderFields(read_header_list(r)?),
                17 if is("HEADER.FIELDS.NOT") => SectionText::HeaderFieldsNot(read_header_list(r)?),
                4 if is("MIME") && !part.is_empty() => SectionText::Mime,
                _ => return Err(ParseError::new(start, "not a part of a message")),
            });
        }
        r.no_space()?;
        r.expect(b']', "expected ]")?;
        Ok(Self { part, text })
    }

    /// Appends the section with its brackets, as servers may.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        write_part(out, &self.part);
        if let Some(text) = &self.text {
            if !self.part.is_empty() {
                out.push(b'.');
            }
            let (name, names): (&[u8], _) = match text {
                SectionText::Header => (b"HEADER", None),
                SectionText::Text => (b"TEXT", None),
                SectionText::Mime => (b"MIME", None),
                SectionText::HeaderFields(names) => (b"HEADER.FIELDS", Some(names)),
                SectionText::HeaderFieldsNot(names) => (b"HEADER.FIELDS.NOT", Some(names)),
            };
            out.extend_from_slice(name);
            for (at, name) in names.into_iter().flatten().enumerate() {
                out.extend_from_slice(if at == 0 { b" (" } else { b" " });
                write_astring(out, name.as_bytes());
            }
            if names.is_some() {
                out.push(b')');
            }
        }
        out.push(b']');
    }
}

/// ```text
/// section-binary = "[" [section-part] "]"
/// ```
pub(crate) fn read_section_binary(r: &mut Reader<'_>) -> Result<Vec<NonZeroU32>, ParseError> {
    let start = r.offset();
    match Section::read(r)? {
        Section { part, text: None } => Ok(part),
        _ => Err(ParseError::new(start, "only part numbers can stand in BINARY")),
    }
}

pub(crate) fn write_section_binary(out: &mut Vec<u8>, part: &[NonZeroU32]) {
    out.push(b'[');
    write_part(out, part);
    out.push(b']');
}

/// ```text
/// section-part = nz-number *("." nz-number)
/// ```
#[inline(always)]
fn write_part(out: &mut Vec<u8>, part: &[NonZeroU32]) {
    for (at, number) in part.iter().enumerate() {
        if at > 0 {
            out.push(b'.');
        }
        write_number(out, u64::from(number.get()));
    }
}

/// Lenient: no space before the list; the empty list that Courier and others echo is an error.
fn read_header_list(r: &mut Reader<'_>) -> Result<Vec<ImapString>, ParseError> {
    r.space()?;
    let start = r.offset();
    r.expect(b'(', "expected (")?;
    let mut names = Vec::with_capacity(4);
    r.items(|r| {
        names.push(read_astring(r)?);
        Ok(())
    })?;
    if names.is_empty() {
        return Err(ParseError::new(start, "no header fields"));
    }
    Ok(names)
}

/// A range of bytes of a part, in a command.
///
/// ```text
/// partial = "<" number64 "." nz-number64 ">"
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Partial {
    /// The first byte, from 0.
    pub offset: u64,
    /// How many bytes at most.
    pub length: NonZeroU64,
}

impl Partial {
    /// Reads from `<` to `>`.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.expect(b'<', "expected <")?;
        let offset = r.number_u64()?;
        r.expect(b'.', "expected a dot")?;
        let start = r.offset();
        let length = NonZeroU64::new(r.number_u64()?)
            .ok_or(ParseError::new(start, "zero where a number from 1 is due"))?;
        r.expect(b'>', "expected >")?;
        Ok(Self { offset, length })
    }

    /// Appends the range.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        out.push(b'<');
        write_number(out, self.offset);
        out.push(b'.');
        write_number(out, self.length.get());
        out.push(b'>');
    }
}
