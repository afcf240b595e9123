//! INPROGRESS: how far a long command has come ([RFC 9585](https://www.rfc-editor.org/rfc/rfc9585)).
//!
//! ```
//! use core::num::NonZeroU32;
//! use mailwire_imap::extensions::inprogress::Progress;
//! use mailwire_imap::response::Code;
//!
//! let progress = Progress::new().with_tag("A001")?.with_count(454, NonZeroU32::new(1000));
//! assert_eq!(Code::InProgress(progress.into()).to_string(), "INPROGRESS (\"A001\" 454 1000)");
//! # Ok::<(), mailwire_core::Invalid>(())
//! ```

use alloc::{boxed::Box, vec::Vec};
use core::num::NonZeroU32;

use mailwire_core::{Invalid, ParseError, Text};

use crate::types::{
    ImapString, Reader, eat_nil, is_quotable, read_count, read_nstring, write_number, write_quoted,
};

/// Tells how far a command has come, as much as the server knows of it.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Progress {
    /// The tag of the command.
    pub tag: Option<ImapString>,
    /// How many items are done.
    pub count: Option<Count>,
}

/// A number of items that are done.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Count {
    /// So many are done: messages mostly.
    pub done: u32,
    /// Of so many, if that is known. It may become another while the command goes on.
    pub goal: Option<NonZeroU32>,
}

impl Progress {
    /// Makes a sign that a command goes on, and nothing else.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the tag of the command.
    ///
    /// # Errors
    ///
    /// NUL, CR or LF in it.
    pub fn with_tag(mut self, tag: impl Into<Text>) -> Result<Self, Invalid> {
        self.tag = Some(ImapString::new(tag)?);
        Ok(self)
    }

    /// Adds how many items are done, and of how many if that is known.
    #[must_use]
    pub const fn with_count(mut self, done: u32, goal: Option<NonZeroU32>) -> Self {
        self.count = Some(Count { done, goal });
        self
    }

    /// Whether the numbers can be true: no more is done than there is. A client disregards others
    /// ([RFC 9585 section 6](https://www.rfc-editor.org/rfc/rfc9585#section-6)).
    #[must_use]
    pub const fn is_plausible(&self) -> bool {
        match self.count {
            Some(Count { done, goal: Some(goal) }) => done <= goal.get(),
            _ => true,
        }
    }

    /// ```text
    /// "INPROGRESS" [ SP "(" inprogress-tag SP inprogress-state ")" ]
    /// inprogress-tag   = quoted / nil
    /// inprogress-state = (nil SP nil) / (number SP nil) / (number SP nz-number)
    /// ```
    ///
    /// After the name.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Option<Box<Self>>, ParseError> {
        if r.peek() != Some(b' ') || r.peek_at(1) != Some(b'(') {
            return Ok(None);
        }
        r.skip(2);
        r.no_space()?;
        let tag = read_nstring(r)?;
        r.space()?;
        let done = read_number(r)?;
        r.space()?;
        let start = r.offset();
        let goal = read_number(r)?;
        r.no_space()?;
        r.expect(b')', "expected )")?;
        let count = match (done, goal.map(NonZeroU32::new)) {
            (None, None) => None,
            (Some(done), None) => Some(Count { done, goal: None }),
            (Some(done), Some(Some(goal))) => Some(Count { done, goal: Some(goal) }),
            _ => return Err(ParseError::new(start, "not a goal")),
        };
        Ok(Some(Box::new(Self { tag, count })))
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b" (");
        // A `]` would be taken for the end of the code.
        let tag = self.tag.as_ref().map(ImapString::as_bytes);
        match tag.filter(|tag| tag.is_ascii() && is_quotable(tag) && !tag.contains(&b']')) {
            Some(tag) => write_quoted(out, tag),
            None => out.extend_from_slice(b"NIL"),
        }
        let number = |out: &mut Vec<u8>, number: Option<u32>| {
            out.push(b' ');
            match number {
                Some(number) => write_number(out, u64::from(number)),
                None => out.extend_from_slice(b"NIL"),
            }
        };
        number(out, self.count.map(|count| count.done));
        number(out, self.count.and_then(|count| count.goal).map(NonZeroU32::get));
        out.push(b')');
    }
}

impl From<Progress> for Option<Box<Progress>> {
    fn from(progress: Progress) -> Self {
        Some(Box::new(progress))
    }
}

/// ```text
/// number / nil
/// ```
fn read_number(r: &mut Reader<'_>) -> Result<Option<u32>, ParseError> {
    if eat_nil(r) {
        return Ok(None);
    }
    let start = r.offset();
    let number = read_count(r)?.and_then(|number| u32::try_from(number).ok());
    number.map(Some).ok_or(ParseError::new(start, "not a number of 32 bits"))
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Progress {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        use crate::command::arbitrary::{maybe, word};
        let tag = maybe(u, |u| word(u, b"Aa09.- "))?;
        let tag = tag.map(ImapString::new).transpose().map_err(|_| arbitrary::Error::IncorrectFormat)?;
        Ok(Self { tag, count: maybe(u, |u| Ok(Count { done: u.arbitrary()?, goal: u.arbitrary()? }))? })
    }
}
