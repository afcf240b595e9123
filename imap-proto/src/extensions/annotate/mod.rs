//! ANNOTATE: annotations of messages ([RFC 5257](https://www.rfc-editor.org/rfc/rfc5257)), which Cyrus has. Those of
//! mailboxes are [METADATA](super::metadata).
//!
//! [FETCH](crate::command::FetchAtt::Annotation) and [SEARCH](crate::command::SearchKey::Annotation) ask for them,
//! [APPEND](crate::command::AppendMessage::annotations) and STORE set them. SELECT says what a mailbox takes
//! ([`AnnotationSupport`]), and with [`annotate`](crate::command::Select::annotate) it has the server tell changes.
//!
//! ```
//! use mailwire_imap::command::{Command, Request, WriteOptions};
//! use mailwire_imap::extensions::annotate::{AnnotationAttribute, AnnotationName, AnnotationStore, EntryAtts};
//! use mailwire_imap::types::{Tag, UidSet};
//!
//! let comment = EntryAtts::new(AnnotationName::new("/comment")?)
//!     .with_value(AnnotationAttribute::VALUE_PRIV, "Get tickets")
//!     .without_value(AnnotationAttribute::VALUE_SHARED);
//! let command = AnnotationStore::new("7".parse::<UidSet>()?, [comment]).into();
//! let mut out = Vec::new();
//! Request { tag: Tag::new("a1")?, command }.write(WriteOptions::default(), &mut out);
//! assert_eq!(
//!     out,
//!     b"a1 UID STORE 7 ANNOTATION (/comment (value.priv \"Get tickets\" value.shared NIL))\r\n"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "arbitrary")]
mod arbitrary;
mod grammar;

use alloc::{boxed::Box, vec::Vec};
use core::num::NonZeroU32;

use mailwire_core::{Invalid, Text, keywords, setters};

use crate::{
    capability::Capability,
    command::{Command, Messages, Need, Needs},
    extensions::{condstore, metadata::EntryName},
    types::ModSeq,
};

// Types

mailwire_core::text_newtype! {
    /// The name of an annotation of a message: `/comment`; of a part of it: `/1.2/comment`. Case counts
    /// ([RFC 5257 section 3.2](https://www.rfc-editor.org/rfc/rfc5257#section-3.2)).
    pub struct AnnotationName: bytes;
}

mailwire_core::text_newtype! {
    /// Which annotations are asked for: a name, in which `*` stands for anything, and `%` for anything without `/`.
    pub struct AnnotationPattern: bytes;
}

mailwire_core::text_newtype! {
    /// What of an annotation: its value or its size, the user's own, the one of all users, or both. Case counts
    /// ([RFC 5257 section 3.2.2](https://www.rfc-editor.org/rfc/rfc5257#section-3.2.2)).
    pub struct AnnotationAttribute: bytes;
}

keywords! {
    /// Which values SEARCH looks into.
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    pub enum AnnotationScope {
        /// `value`: the user's own, and those of all users.
        Both = "value",
        /// `value.priv`: the user's own.
        Private = "value.priv",
        /// `value.shared`: those of all users.
        Shared = "value.shared",
    }
}

/// An annotation with some of its attributes.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct EntryAtts {
    /// Which annotation.
    pub name: AnnotationName,
    /// The attributes, at least one, and what they are. `None`: there is none, or it is removed.
    pub attributes: Vec<(AnnotationAttribute, Option<Text>)>,
}

/// What FETCH asks for ([RFC 5257 section 4.3](https://www.rfc-editor.org/rfc/rfc5257#section-4.3)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct FetchAnnotations {
    /// Which annotations, at least one pattern.
    pub names: Vec<AnnotationPattern>,
    /// What of them, at least one attribute.
    pub attributes: Vec<AnnotationAttribute>,
}

/// What FETCH is answered with, or is told because it changed.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum AnnotationData {
    /// Annotations with what was asked for.
    Values(Vec<EntryAtts>),
    /// These were changed ([RFC 5257 section 4.4](https://www.rfc-editor.org/rfc/rfc5257#section-4.4)).
    Changed(Vec<AnnotationName>),
}

/// What SEARCH looks for ([RFC 5257 section 4.8](https://www.rfc-editor.org/rfc/rfc5257#section-4.8)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SearchAnnotation {
    /// In which annotations.
    pub name: AnnotationPattern,
    /// In which of their values.
    pub scope: AnnotationScope,
    /// The words that are in the value. `None` is `NIL`.
    pub value: Option<Text>,
}

/// `STORE` and `UID STORE` of annotations ([RFC 5257 section 4.5](https://www.rfc-editor.org/rfc/rfc5257#section-4.5)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct AnnotationStore {
    /// Which messages; UIDs make it `UID STORE`.
    pub messages: Messages,
    /// The annotations, at least one, with their new values.
    pub annotations: Vec<EntryAtts>,
    /// `UNCHANGEDSINCE`: only messages that did not change since ([RFC 7162 section
    /// 3.1.3](https://www.rfc-editor.org/rfc/rfc7162#section-3.1.3)).
    pub unchanged_since: Option<ModSeq>,
}

/// What annotations the messages of a mailbox can have: `ANNOTATIONS` ([RFC 5257 section
/// 4.1](https://www.rfc-editor.org/rfc/rfc5257#section-4.1)).
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum AnnotationSupport {
    /// `NONE`: messages have no annotations.
    None,
    /// `READ-ONLY`: annotations can be read alone.
    ReadOnly {
        /// Whether users can have some of their own: not `NOPRIVATE`.
        private: bool,
    },
    /// Annotations can be written, of so many bytes each.
    Writable {
        /// How many bytes a value may have.
        size: NonZeroU32,
        /// Whether users can have some of their own: not `NOPRIVATE`.
        private: bool,
    },
}

keywords! {
    /// Why an annotation was not stored: `ANNOTATE` ([RFC 5257 section
    /// 4.5](https://www.rfc-editor.org/rfc/rfc5257#section-4.5)).
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    #[non_exhaustive]
    pub enum AnnotateCode {
        /// `TOOBIG`: its value is too large.
        TooBig = "TOOBIG",
        /// `TOOMANY`: the message has too many.
        TooMany = "TOOMANY",
    }
}

impl AnnotationName {
    /// A name of these bytes.
    ///
    /// # Errors
    ///
    /// It does not begin with `/`, ends with one or has two in a row; or there is a character in it that is no
    /// printable ASCII, or `*` or `%`.
    pub fn new(name: impl Into<Text>) -> Result<Self, Invalid> {
        EntryName::new(name).map(|name| Self::unchecked(name.into_text()))
    }
}

impl AnnotationPattern {
    /// Every annotation.
    pub const ALL: Self = Self::unchecked(Text::from_static("*"));

    /// A pattern of these bytes.
    ///
    /// # Errors
    ///
    /// It is empty, or there is a character in it that is no printable ASCII.
    pub fn new(pattern: impl Into<Text>) -> Result<Self, Invalid> {
        let pattern = pattern.into();
        match pattern.as_bytes().iter().position(|byte| !(b' '..0x7f).contains(byte)) {
            Some(at) => Err(Invalid::new("pattern of annotations", at, "a character that cannot stand here")),
            None if pattern.is_empty() => Err(Invalid::new("pattern of annotations", 0, "empty")),
            None => Ok(Self::unchecked(pattern)),
        }
    }
}

impl AnnotationAttribute {
    /// `value`: the user's own value and that of all users. Only to be asked for.
    pub const VALUE: Self = Self::unchecked(Text::from_static("value"));
    /// `value.priv`: the user's own value.
    pub const VALUE_PRIV: Self = Self::unchecked(Text::from_static("value.priv"));
    /// `value.shared`: the value of all users.
    pub const VALUE_SHARED: Self = Self::unchecked(Text::from_static("value.shared"));
    /// `size`: the bytes of both values. Only to be asked for.
    pub const SIZE: Self = Self::unchecked(Text::from_static("size"));
    /// `size.priv`: the bytes of the user's own value.
    pub const SIZE_PRIV: Self = Self::unchecked(Text::from_static("size.priv"));
    /// `size.shared`: the bytes of the value of all users.
    pub const SIZE_SHARED: Self = Self::unchecked(Text::from_static("size.shared"));

    /// An attribute of this name.
    ///
    /// # Errors
    ///
    /// It is empty, ends with `.` or has two in a row; or there is a character in it that is no printable ASCII, or
    /// `*` or `%`.
    pub fn new(name: impl Into<Text>) -> Result<Self, Invalid> {
        let name = name.into();
        let odd = |byte: &u8| !(b' '..0x7f).contains(byte) || matches!(byte, b'*' | b'%');
        let bytes = name.as_bytes();
        let fault = match bytes.iter().position(odd) {
            Some(at) => Some((at, "a character that cannot stand here")),
            None if matches!(bytes, [] | [.., b'.']) => Some((bytes.len(), "an empty level at its end")),
            None => bytes.windows(2).position(|pair| pair == b"..").map(|at| (at, "an empty level")),
        };
        match fault {
            Some((at, reason)) => Err(Invalid::new("attribute of annotations", at, reason)),
            None => Ok(Self::unchecked(name)),
        }
    }
}

impl EntryAtts {
    /// An annotation without attributes.
    #[must_use]
    pub const fn new(name: AnnotationName) -> Self {
        Self { name, attributes: Vec::new() }
    }

    /// With this attribute, too.
    #[must_use]
    pub fn with_value(mut self, attribute: AnnotationAttribute, value: impl Into<Text>) -> Self {
        self.attributes.push((attribute, Some(value.into())));
        self
    }

    /// With `NIL` for this attribute, which removes it.
    #[inline]
    #[must_use]
    pub fn without_value(mut self, attribute: AnnotationAttribute) -> Self {
        self.attributes.push((attribute, None));
        self
    }

    /// What this attribute is: none, or one that is `NIL`, is `None`.
    #[inline]
    #[must_use]
    pub fn value(&self, attribute: &AnnotationAttribute) -> Option<&Text> {
        self.attributes.iter().find(|(name, _)| name == attribute)?.1.as_ref()
    }
}

impl FetchAnnotations {
    /// Asks for these attributes of annotations: at least one pattern and one attribute.
    #[must_use]
    pub fn new(
        names: impl Into<Vec<AnnotationPattern>>,
        attributes: impl Into<Vec<AnnotationAttribute>>,
    ) -> Self {
        Self { names: names.into(), attributes: attributes.into() }
    }
}

impl SearchAnnotation {
    /// Looks for words in the values of annotations.
    #[must_use]
    pub fn new(name: AnnotationPattern, scope: AnnotationScope, value: impl Into<Text>) -> Self {
        Self { name, scope, value: Some(value.into()) }
    }
}

impl AnnotationStore {
    /// Sets annotations of these messages.
    #[must_use]
    pub fn new(messages: impl Into<Messages>, annotations: impl Into<Vec<EntryAtts>>) -> Self {
        Self { messages: messages.into(), annotations: annotations.into(), unchanged_since: None }
    }

    /// What a server must have for it.
    pub(crate) fn needs(&self, needs: &mut Needs<'_>) {
        needs.add(Some(needs_annotate()));
        needs.add(self.unchanged_since.map(|_| condstore::needs_condstore()));
        needs.add(self.messages.needs());
    }
}

setters!(const AnnotationStore {
    with_unchanged_since(unchanged_since: some ModSeq),
});

impl From<AnnotationStore> for Command {
    fn from(store: AnnotationStore) -> Self {
        Self::StoreAnnotations(Box::new(store))
    }
}

/// What a server must have for anything of this file.
pub(crate) fn needs_annotate() -> Need {
    Need::of(&Capability::Annotate)
}
