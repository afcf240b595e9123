//! Extensions that stand on their own, one RFC a file: types, rows, parser and writer.
//!
//! What the machines must act on is a [`Command`] or [`Untagged`] of its own; all else is in the two lists
//! [`ExtensionCommand`] and [`ExtensionData`], and costs a line in each. Those are there with the feature `extensions`.

pub mod acl;
pub mod annotate;
#[cfg(feature = "extensions")]
pub mod apple_push;
#[cfg(feature = "extensions")]
pub mod comparator;
pub mod condstore;
#[cfg(feature = "extensions")]
pub mod context;
pub mod gmail;
pub(crate) mod id;
pub mod inprogress;
#[cfg(feature = "extensions")]
pub mod jmap_access;
#[cfg(feature = "extensions")]
pub mod language;
#[cfg(feature = "extensions")]
pub mod listing;
pub mod metadata;
pub mod multisearch;
pub mod namespace;
pub mod notify;
pub mod object_ids;
pub mod quota;
#[cfg(feature = "extensions")]
pub mod uid_batches;
pub mod urlauth;

#[cfg(feature = "extensions")]
#[path = "lists.rs"]
mod lists;
#[cfg(not(feature = "extensions"))]
#[path = "no_lists.rs"]
mod lists;

use alloc::{boxed::Box, vec::Vec};

use mailwire_core::{Invalid, ParseError, Text};

pub use self::lists::{ExtensionCommand, ExtensionData};
use crate::{
    command::{AString, Command},
    response::Untagged,
    types::{Reader, Tag, read_string},
};

impl From<ExtensionCommand> for Command {
    fn from(command: ExtensionCommand) -> Self {
        Self::Extension(command)
    }
}

impl From<ExtensionData> for Untagged {
    fn from(data: ExtensionData) -> Self {
        Self::Extension(Box::new(data))
    }
}

/// A value after a space.
pub(crate) fn spaced<'a, T>(
    r: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, ParseError>,
) -> Result<T, ParseError> {
    r.space()?;
    read(r)
}

/// Whether another value stands after a space.
pub(crate) fn more(r: &Reader<'_>) -> bool {
    r.peek() == Some(b' ') && r.peek_at(1).is_some_and(|byte| byte != b' ')
}

/// The values that are left, each after a space.
pub(crate) fn rest<'a, T>(
    r: &mut Reader<'a>,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<T, ParseError>,
) -> Result<Vec<T>, ParseError> {
    let mut values = Vec::new();
    while more(r) {
        values.push(spaced(r, &mut read)?);
    }
    Ok(values)
}

/// Values, each after a space: at least one.
pub(crate) fn some<'a, T>(
    r: &mut Reader<'a>,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<T, ParseError>,
) -> Result<Vec<T>, ParseError> {
    let mut values = alloc::vec![spaced(r, &mut read)?];
    values.extend(rest(r, read)?);
    Ok(values)
}

/// Texts that a command can have.
///
/// # Errors
///
/// NUL, CR or LF in one of them.
fn astrings<T: Into<Text>>(texts: impl IntoIterator<Item = T>) -> Result<Vec<AString>, Invalid> {
    texts.into_iter().map(AString::new).collect()
}

/// A tag between quotes.
pub(crate) fn quoted_tag(r: &mut Reader<'_>) -> Result<Tag, ParseError> {
    let start = r.offset();
    let tag = read_string(r)?.into_text();
    Tag::new(tag).map_err(|_| ParseError::new(start, "not a tag"))
}
