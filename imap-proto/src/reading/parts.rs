//! Parts with their numbers ([RFC 9051 section 6.4.5.1](https://www.rfc-editor.org/rfc/rfc9051#section-6.4.5.1)).

use alloc::{string::String, vec::Vec};
use core::{fmt, num::NonZeroU32, slice};

use super::{
    charsets::{Charsets, NO_OTHERS},
    parameters::{parameter_with, safe_file_name},
};
use crate::types::{BodyStructure, Disposition, PartKind, Section, SectionText, SinglePart};

/// A part of a message that is not `multipart`, with its number.
///
/// It shows itself as that: `2.1`.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    /// Where it stands: by this, FETCH asks for it.
    pub number: Vec<NonZeroU32>,
    /// What it is.
    pub part: &'a SinglePart,
}

impl<'a> Part<'a> {
    /// What FETCH asks for to get it, in its transfer encoding: `BODY[2.1]`.
    #[must_use]
    pub fn section(&self) -> Section {
        Section::new(self.number.clone(), None).unwrap_or_default()
    }

    /// What FETCH asks for to get its header: `BODY[2.1.MIME]`.
    #[must_use]
    pub fn mime_section(&self) -> Section {
        Section::new(self.number.clone(), Some(SectionText::Mime)).unwrap_or_default()
    }

    /// Its media type in small letters: `text/plain`.
    #[must_use]
    pub fn media_type(&self) -> String {
        let (kind, subtype) =
            (self.part.media_type.to_string_lossy(), self.part.media_subtype.to_string_lossy());
        alloc::format!("{kind}/{subtype}").to_ascii_lowercase()
    }

    /// Whether its media type is this, in any case of the letters.
    #[must_use]
    pub fn is(&self, media_type: &str, media_subtype: &str) -> bool {
        self.part.media_type.eq_ignore_ascii_case(media_type)
            && self.part.media_subtype.eq_ignore_ascii_case(media_subtype)
    }

    /// The charset of a text, as it is named.
    #[must_use]
    pub fn charset(&self) -> Option<&'a [u8]> {
        let mut named = self.part.parameters.iter().filter(|(name, _)| name.eq_ignore_ascii_case("CHARSET"));
        named.next().map(|(_, charset)| charset.as_bytes())
    }

    /// Content-Disposition, which only BODYSTRUCTURE tells.
    #[must_use]
    pub fn disposition(&self) -> Option<&'a Disposition> {
        self.part.extension.as_ref()?.common.disposition.as_ref()
    }

    /// Whether its author calls it an attachment. What has to be shown as one although nobody says so is in
    /// [`Contents::attachments`](super::Contents::attachments), too.
    #[must_use]
    pub fn is_attachment(&self) -> bool {
        self.disposition().is_some_and(|disposition| disposition.kind.eq_ignore_ascii_case("ATTACHMENT"))
    }

    /// Whether its author wants it to be shown where it stands.
    #[must_use]
    pub fn is_inline(&self) -> bool {
        self.disposition().is_some_and(|disposition| disposition.kind.eq_ignore_ascii_case("INLINE"))
    }

    /// Its file name, if it has one: made [safe](safe_file_name), from Content-Disposition or else Content-Type.
    #[must_use]
    pub fn file_name(&self) -> Option<String> {
        self.file_name_with(NO_OTHERS)
    }

    /// As [`file_name`](Self::file_name), and asks `charsets` for those that are not known here.
    #[must_use]
    pub fn file_name_with(&self, charsets: Charsets<'_>) -> Option<String> {
        let in_disposition =
            self.disposition().and_then(|found| parameter_with(&found.parameters, "filename", charsets));
        let name = in_disposition.or_else(|| parameter_with(&self.part.parameters, "name", charsets))?;
        safe_file_name(&name)
    }

    /// Content-ID without its `<` and `>`, by which HTML names the part: `cid:`.
    #[must_use]
    pub fn content_id(&self) -> Option<&'a [u8]> {
        let id = self.part.id.as_ref()?.as_bytes().trim_ascii();
        let inner = id.strip_prefix(b"<").and_then(|id| id.strip_suffix(b">"));
        Some(inner.unwrap_or(id))
    }
}

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, number) in self.number.iter().enumerate() {
            if at > 0 {
                f.write_str(".")?;
            }
            fmt::Display::fmt(number, f)?;
        }
        Ok(())
    }
}

/// The parts of a message, in their order: see [`BodyStructure::parts`].
#[derive(Debug, Clone)]
pub struct Parts<'a> {
    /// What is open, from the outermost: its parts that are left, and how many were there.
    open: Vec<(slice::Iter<'a, BodyStructure>, u32)>,
    /// The numbers of all that is open but the outermost.
    number: Vec<NonZeroU32>,
}

impl BodyStructure {
    /// Iterates over all parts that are not `multipart`, with their numbers, in their order
    /// ([RFC 9051 section 6.4.5.1](https://www.rfc-editor.org/rfc/rfc9051#section-6.4.5.1)).
    ///
    /// A message that is a part comes before the parts that are in it, if the server told of them.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_imap::{Dialect, Response, Untagged, response::MsgAtt};
    ///
    /// let line = concat!(
    ///     r#"* 1 FETCH (BODY (("TEXT" "PLAIN" NIL NIL NIL "7BIT" 5 1)"#,
    ///     r#"("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 90 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"#,
    ///     r#" (("TEXT" "PLAIN" NIL NIL NIL "7BIT" 5 1)("TEXT" "HTML" NIL NIL NIL "7BIT" 5 1) "ALTERNATIVE") 9)"#,
    ///     r#" "MIXED"))"#,
    /// );
    /// let parsed = Response::parse(&line.into(), Dialect::Strict)?;
    /// let Response::Untagged(Untagged::Fetch(message)) = parsed.value else { panic!() };
    /// let MsgAtt::Body(structure) = &message.items[0] else { panic!() };
    /// let shown: Vec<_> = structure.parts().map(|part| format!("{part} {}", part.media_type())).collect();
    /// assert_eq!(shown, ["1 text/plain", "2 message/rfc822", "2.1 text/plain", "2.2 text/html"]);
    /// # Ok::<(), mailwire_imap::ParseError>(())
    /// ```
    #[must_use]
    pub fn parts(&self) -> Parts<'_> {
        Parts { open: [(self.as_message().iter(), 0)].into(), number: Vec::new() }
    }

    /// The parts that have numbers of their own in a message of this structure: of one without several, itself.
    pub(super) fn as_message(&self) -> &[Self] {
        match self {
            Self::Single(_) => slice::from_ref(self),
            Self::Multi(multi) => &multi.parts,
        }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        loop {
            let (left, count) = self.open.last_mut()?;
            let Some(next) = left.next() else {
                self.open.pop();
                self.number.pop();
                continue;
            };
            *count = count.saturating_add(1);
            self.number.push(NonZeroU32::new(*count).unwrap_or(NonZeroU32::MIN));
            match next {
                BodyStructure::Multi(multi) => self.open.push((multi.parts.iter(), 0)),
                BodyStructure::Single(part) => {
                    let number = self.number.clone();
                    match &part.kind {
                        PartKind::Message(message) => self.open.push((message.body.as_message().iter(), 0)),
                        _ => drop(self.number.pop()),
                    }
                    return Some(Part { number, part });
                }
            }
        }
    }
}
