//! Extensions that stand on their own, one RFC a file: types, parser, writer and rules.

pub(crate) mod id;
pub mod namespace;
pub mod quota;

use mailwire_core::ParseError;

use crate::{command::Command, response::Untagged, types::Reader};

/// A command of an extension, after its name. `None`: no extension has the name.
pub(crate) fn read_command(name: &[u8], r: &mut Reader<'_>) -> Option<Result<Command, ParseError>> {
    quota::QuotaCommand::read(name, r).map(|read| read.map(Command::from))
}

/// Untagged data of an extension, after its name.
pub(crate) fn read_data(name: &[u8], r: &mut Reader<'_>) -> Option<Result<Untagged, ParseError>> {
    quota::QuotaData::read(name, r).map(|read| read.map(Untagged::from))
}
