//! Without the feature `downgrade` no message is converted.

use bytes::Bytes;
use mailwire_core::{Misuse, NotOffered, dot::Mended};

use super::needs::Target;

/// A message that is converted as it is sent: there is none.
pub(super) enum Downgrade {}

impl Downgrade {
    /// # Errors
    ///
    /// What the server does not offer.
    pub(super) fn new<T>(target: Target, _mends: bool, _pieces: T) -> Result<Self, Misuse> {
        Err(Misuse::NotOffered(NotOffered::Extension(match target {
            Target::SevenBit => "8BITMIME",
            Target::EightBit => "BINARYMIME",
        })))
    }

    pub(super) const fn target(&self) -> Target {
        match *self {}
    }

    pub(super) const fn length(&self) -> Option<u64> {
        match *self {}
    }

    pub(super) const fn mended(&self) -> Mended {
        match *self {}
    }

    pub(super) const fn rest(&mut self) -> Option<Bytes> {
        match *self {}
    }

    pub(super) const fn next(&mut self, _read: Bytes) -> Result<Option<Bytes>, Misuse> {
        match *self {}
    }
}
