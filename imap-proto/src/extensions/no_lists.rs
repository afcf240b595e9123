//! The two lists of extensions that stand on their own, where the crate has none of them: nothing is on them.

use alloc::vec::Vec;

use mailwire_core::ParseError;

use crate::{
    command::{Rules, Writer},
    response::Reply,
    types::{MailboxName, Reader},
};

/// A command of an extension that stands on its own: the feature `extensions` has some.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum ExtensionCommand {}

/// Untagged data of an extension that stands on its own: the feature `extensions` has some.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum ExtensionData {}

impl ExtensionCommand {
    pub(crate) const fn read(_: &[u8], _: &mut Reader<'_>) -> Option<Result<Self, ParseError>> {
        None
    }

    pub(crate) const fn row(_: &[u8]) -> Option<Rules> {
        None
    }

    /// Its name, as it stands on the wire.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match *self {}
    }

    pub(crate) const fn rules(&self) -> Rules {
        match *self {}
    }

    pub(crate) const fn refusal(&self) -> Option<(Reply, &'static str)> {
        match *self {}
    }

    pub(crate) const fn write(&self, _: &mut Writer<'_>) {
        match *self {}
    }
}

impl ExtensionData {
    pub(crate) const fn read(_: &[u8], _: &mut Reader<'_>) -> Option<Result<Self, ParseError>> {
        None
    }

    /// Its name, as it stands on the wire.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match *self {}
    }

    /// The one mailbox that it is about, if it is about one.
    #[must_use]
    pub const fn mailbox(&self) -> Option<&MailboxName> {
        match *self {}
    }

    pub(crate) const fn is_for_all(&self) -> bool {
        match *self {}
    }

    pub(crate) const fn has_form(&self) -> bool {
        match *self {}
    }

    pub(crate) const fn write(&self, _: &mut Vec<u8>) {
        match *self {}
    }
}
