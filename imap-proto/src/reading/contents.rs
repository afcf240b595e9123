//! Which parts of a message are what.

use alloc::vec::Vec;
use core::num::NonZeroU32;

use super::parts::Part;
use crate::types::{BodyStructure, MultiPart, SinglePart};

/// What a message has for somebody who reads it: see [`BodyStructure::contents`].
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contents<'a> {
    /// What is shown, one after the other, to who prefers plain text. There is HTML where there is nothing else.
    pub plain: Vec<Part<'a>>,
    /// What is shown to who prefers HTML. There is plain text where there is nothing else.
    pub html: Vec<Part<'a>>,
    /// What belongs to the HTML and is not shown by itself: its images, which it names by [`Part::content_id`].
    pub related: Vec<Part<'a>>,
    /// All others: what is offered as a file.
    pub attachments: Vec<Part<'a>>,
}

impl BodyStructure {
    /// Sorts the parts: texts to show, and attachments.
    ///
    /// A text is shown that is not called an attachment and has no file name, or is the first of its `multipart`. Of
    /// `multipart/alternative`, the last plain text and the last HTML are taken; of `multipart/related`, the first part or the one
    /// that `start` names. A message that is a part is an attachment as a whole: its own contents are those of its
    /// [structure](crate::types::MessagePart::body).
    #[must_use]
    pub fn contents(&self) -> Contents<'_> {
        let mut number = Vec::new();
        match self {
            Self::Single(part) => {
                number.push(NonZeroU32::MIN);
                of_part(part, true, &number)
            }
            Self::Multi(multi) => of_multipart(multi, &mut number),
        }
    }
}

impl<'a> Contents<'a> {
    fn append(&mut self, mut other: Self) {
        self.plain.append(&mut other.plain);
        self.html.append(&mut other.html);
        self.related.append(&mut other.related);
        self.attachments.append(&mut other.attachments);
    }

    /// Nothing of it is shown by itself; what is called an attachment stays one.
    fn belongs_to_another(&mut self) {
        let texts = core::mem::take(&mut self.html);
        self.plain.clear();
        let others = core::mem::take(&mut self.attachments);
        let (attachments, related): (Vec<_>, Vec<_>) =
            texts.into_iter().chain(others).partition(Part::is_attachment);
        self.related.extend(related);
        self.attachments = attachments;
    }

    /// Whether there is something to offer as a file. What is to be shown where it stands does not count.
    #[must_use]
    pub fn has_attachment(&self) -> bool {
        self.attachments.iter().any(|part| !part.is_inline())
    }
}

fn of_part<'a>(part: &'a SinglePart, is_first: bool, number: &[NonZeroU32]) -> Contents<'a> {
    let part = Part { number: number.to_vec(), part };
    let is_text = part.is("TEXT", "PLAIN") || part.is("TEXT", "HTML");
    let mut contents = Contents::default();
    if is_text && !part.is_attachment() && (is_first || part.file_name().is_none()) {
        contents.plain.push(part.clone());
        contents.html.push(part);
    } else {
        contents.attachments.push(part);
    }
    contents
}

fn of_multipart<'a>(multi: &'a MultiPart, number: &mut Vec<NonZeroU32>) -> Contents<'a> {
    let is = |subtype| multi.media_subtype.eq_ignore_ascii_case(subtype);
    let root = if is("RELATED") { Some(root(multi)) } else { None };
    let mut alternatives = Alternatives::default();
    let mut contents = Contents::default();
    for (at, child) in multi.parts.iter().enumerate() {
        number.push(u32::try_from(at + 1).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN));
        let mut child = match child {
            BodyStructure::Single(part) => of_part(part, at == 0 || root == Some(at), number),
            BodyStructure::Multi(multi) => of_multipart(multi, number),
        };
        number.pop();
        if is("ALTERNATIVE") {
            alternatives.add(&mut child);
        } else if root.is_some_and(|root| root != at) {
            child.belongs_to_another();
        }
        contents.append(child);
    }
    alternatives.choose(&mut contents);
    contents
}

/// The part of `multipart/related` that the others belong to ([RFC 2387 section
/// 3.2](https://www.rfc-editor.org/rfc/rfc2387#section-3.2)).
fn root(multi: &MultiPart) -> usize {
    let parameters = multi.extension.iter().flat_map(|extension| extension.parameters.iter());
    let start =
        parameters.filter(|(name, _)| name.eq_ignore_ascii_case("START")).map(|(_, start)| start).next();
    let is_start = |part: &BodyStructure| matches!(part, BodyStructure::Single(part) if start.is_some() && part.id.as_ref() == start);
    multi.parts.iter().position(is_start).unwrap_or(0)
}

/// What there is to choose from.
#[derive(Default)]
struct Alternatives<'a> {
    plain: Vec<Part<'a>>,
    html: Vec<Part<'a>>,
}

impl<'a> Alternatives<'a> {
    /// Takes the texts of one. The last is the best (RFC 2046 section 5.1.4).
    fn add(&mut self, one: &mut Contents<'a>) {
        let (plain, html) = (core::mem::take(&mut one.plain), core::mem::take(&mut one.html));
        let has_html = |parts: &[Part<'_>]| parts.iter().any(|part| part.is("TEXT", "HTML"));
        if !plain.is_empty() && !has_html(&plain) {
            self.plain = plain;
        }
        if has_html(&html) {
            self.html = html;
        }
    }

    fn choose(self, contents: &mut Contents<'a>) {
        let or = |one: Vec<Part<'a>>, other: &[Part<'a>]| if one.is_empty() { other.to_vec() } else { one };
        let (plain, html) = (or(self.plain.clone(), &self.html), or(self.html, &self.plain));
        contents.plain.extend(plain);
        contents.html.extend(html);
    }
}
