//! Reading what extensions add.

use mailwire_core::{
    Cursor, ParseError, Text,
    grammar::{Expected, Grammar, run_all},
};
use nom::{Parser, bytes::complete::take_while_m_n};

use super::{Field, Offered, Value};
use crate::{
    Capabilities, Capability,
    capability::Extension,
    types::{Mailbox, ParameterValue, chars, xtext},
};

/// What is read after an extension's keyword in the reply to EHLO.
pub(super) trait ReadOffered: Offered + Sized {
    /// That of all that stands there, without the space before it.
    fn grammar<'a>() -> impl Grammar<'a, Self>;
}

fn offered<T: ReadOffered>(
    parameters: &[u8],
    make: impl FnOnce(T) -> Capability,
) -> Result<Capability, ParseError> {
    run_all(parameters, T::grammar()).map(make)
}

/// An extension that has parameters in the reply to EHLO, if it is one whose parameters are read.
///
/// # Errors
///
/// They are not what they have to be.
#[cold]
pub(crate) fn read_offered(
    extension: Extension,
    parameters: &[u8],
) -> Option<Result<Capability, ParseError>> {
    Some(match extension {
        Extension::Burl => offered(parameters, Capability::Burl),
        Extension::DeliverBy => offered(parameters, Capability::DeliverBy),
        Extension::FutureRelease => offered(parameters, Capability::FutureRelease),
        Extension::Limits => offered(parameters, Capability::Limits),
        Extension::MtPriority => offered(parameters, Capability::MtPriority),
        Extension::NoSoliciting => offered(parameters, Capability::NoSoliciting),
        Extension::Xclient => offered(parameters, Capability::Xclient),
        Extension::Xforward => offered(parameters, Capability::Xforward),
        _ => return None,
    })
}

/// What the first line of an extension says.
pub(crate) fn find_offered<T>(
    capabilities: &Capabilities,
    extension: Extension,
    pick: impl FnMut(Capability) -> Option<T>,
) -> Option<T> {
    if capabilities.offers(extension) { capabilities.iter().find_map(pick) } else { None }
}

/// What is read after the `=` of a parameter.
pub(super) trait ReadValue: Value {
    /// Reads it; `keyword` is the parameter's name.
    fn read(keyword: &[u8], cursor: &mut Cursor<'_>) -> Result<Self, ParseError>;
}

impl ReadValue for Mailbox {
    fn read(_: &[u8], cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        let start = cursor.offset();
        let encoded = cursor.take_while(|byte| chars::is(byte, chars::VALUE));
        let decoded =
            xtext::read(encoded).map_err(|at| ParseError::new(start.saturating_add(at), "not xtext"))?;
        Self::try_from(Text::from(decoded)).map_err(|_| ParseError::new(start, "expected a mailbox"))
    }
}

impl ReadValue for ParameterValue {
    fn read(_: &[u8], cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        Self::read(cursor)
    }
}

/// A field that is read.
pub(super) trait ReadField: Field {
    /// Reads what follows the parameter's name. Whether it was given before.
    fn read(&mut self, keyword: &[u8], cursor: &mut Cursor<'_>) -> Result<bool, ParseError>;
}

impl ReadField for bool {
    fn read(&mut self, _: &[u8], _: &mut Cursor<'_>) -> Result<bool, ParseError> {
        Ok(core::mem::replace(self, true))
    }
}

impl<T: ReadValue> ReadField for Option<T> {
    fn read(&mut self, keyword: &[u8], cursor: &mut Cursor<'_>) -> Result<bool, ParseError> {
        cursor.expect(b'=', "expected = and a value")?;
        let again = self.is_some();
        *self = Some(T::read(keyword, cursor)?);
        Ok(again)
    }
}

/// Reads a number of one to nine digits.
pub(super) fn number9<'a>(reason: &'static str) -> impl Grammar<'a, u32> {
    move |input: &'a [u8]| {
        let error = nom::Err::Error(Expected { rest: input, reason });
        let mut digits = take_while_m_n::<_, &[u8], Expected<'a>>(1, 9, |byte: u8| byte.is_ascii_digit());
        let (rest, digits) = digits.parse_complete(input).map_err(|_| error)?;
        Ok((rest, digits.iter().fold(0, |number, byte| number * 10 + u32::from(byte - b'0'))))
    }
}
