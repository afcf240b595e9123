//! CONTEXT: results of searches that the server keeps up to date ([RFC
//! 5267](https://www.rfc-editor.org/rfc/rfc5267)).
//!
//! A search with [`SearchReturnOpt::Update`](crate::command::SearchReturnOpt::Update) goes on after its answer: the
//! server tells with `ADDTO` and `REMOVEFROM` what comes into the result and what leaves it, until the mailbox is left or
//! `CANCELUPDATE` names the tag of the search.
//!
//! ```
//! use mailwire_imap::command::{Command, WriteOptions, Request};
//! use mailwire_imap::{extensions::context::CancelUpdateCommand, types::Tag};
//!
//! let command = CancelUpdateCommand::new([Tag::new("B01")?, Tag::new("B02")?])?;
//! let request = Request { tag: Tag::new("B04")?, command: command.into() };
//! let mut out = Vec::new();
//! request.write(WriteOptions::default(), &mut out);
//! assert_eq!(out, b"B04 CANCELUPDATE \"B01\" \"B02\"\r\n");
//! # Ok::<(), mailwire_core::Invalid>(())
//! ```

use alloc::vec::Vec;

use mailwire_core::{Invalid, ParseError};

use super::{quoted_tag, some};
use crate::{
    capability::Capability,
    command::{Rules, Writer, rules},
    types::{Reader, Tag, write_quoted},
};

/// `CANCELUPDATE`: the server tells no more changes of the results of these searches ([RFC 5267 section
/// 4.3.5](https://www.rfc-editor.org/rfc/rfc5267#section-4.3.5)).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct CancelUpdateCommand {
    tags: Vec<Tag>,
}

impl CancelUpdateCommand {
    /// Ends the updates of the searches that had these tags.
    ///
    /// # Errors
    ///
    /// There is no tag.
    pub fn new(tags: impl Into<Vec<Tag>>) -> Result<Self, Invalid> {
        let tags = tags.into();
        if tags.is_empty() { Err(Invalid::new("CANCELUPDATE", 0, "no tag")) } else { Ok(Self { tags }) }
    }

    /// The tags of the searches, at least one.
    #[must_use]
    pub fn tags(&self) -> &[Tag] {
        &self.tags
    }
}

// Rules

const NAME: &str = "CANCELUPDATE";

fn row() -> Rules {
    rules::selected().needs_one_of(&[Capability::ContextSearch, Capability::ContextSort])
}

impl CancelUpdateCommand {
    #[allow(clippy::unused_self, reason = "each extension has it")]
    pub(crate) const fn name(&self) -> &'static str {
        NAME
    }

    #[allow(clippy::unused_self, reason = "each extension has it")]
    pub(crate) fn rules(&self) -> Rules {
        row()
    }

    pub(crate) fn row(name: &[u8]) -> Option<Rules> {
        name.eq_ignore_ascii_case(NAME.as_bytes()).then(row)
    }
}

// Grammar

impl CancelUpdateCommand {
    /// ```text
    /// command-select =/ "CANCELUPDATE" 1*(SP quoted)
    /// ```
    ///
    /// After the name. `None`: it is another.
    pub(crate) fn read(name: &[u8], r: &mut Reader<'_>) -> Option<Result<Self, ParseError>> {
        name.eq_ignore_ascii_case(NAME.as_bytes()).then(|| some(r, quoted_tag).map(|tags| Self { tags }))
    }

    pub(crate) fn write(&self, e: &mut Writer<'_>) {
        e.put(NAME.as_bytes());
        for tag in &self.tags {
            e.put(b" ");
            write_quoted(e.out, tag.as_bytes());
        }
    }
}

// Values for fuzzing

#[cfg(feature = "arbitrary")]
mod arbitrary {
    use ::arbitrary::{Arbitrary, Error, Result, Unstructured};

    use super::CancelUpdateCommand;
    use crate::{
        command::arbitrary::{some, word},
        types::Tag,
    };

    impl<'a> Arbitrary<'a> for CancelUpdateCommand {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let tags = some(u, |u| Tag::new(word(u, b"Aa09.-]")?).map_err(|_| Error::IncorrectFormat))?;
            Self::new(tags).map_err(|_| Error::IncorrectFormat)
        }
    }
}
