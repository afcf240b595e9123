//! In place of reading what extensions add.

use mailwire_core::ParseError;

use crate::{Capabilities, Capability, capability::Extension};

/// Nothing is read: what a server says is as that of an extension that is not known.
pub(crate) const fn read_offered(_: Extension, _: &[u8]) -> Option<Result<Capability, ParseError>> {
    None
}

/// So no line says anything.
pub(crate) fn find_offered<T>(
    _: &Capabilities,
    _: Extension,
    _: impl FnMut(Capability) -> Option<T>,
) -> Option<T> {
    None
}
