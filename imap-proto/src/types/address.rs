//! Addresses of an envelope.

use alloc::vec::Vec;

use mailwire_core::{Dialect, ParseError, ParseErrorKind};

use super::{
    raw::skip_value,
    reader::Reader,
    string::{ImapString, eat_nil, read_nstring_field},
    write::{write_next_nstring, write_nstring},
};
use crate::deviation;

/// One address of an [`Envelope`](super::Envelope) (RFC 9051 section 7.5.2).
///
/// Groups are marked by addresses without a host: one with a mailbox name begins the group of this
/// name, one without a mailbox ends it.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Address {
    /// The display name, still encoded as the header has it.
    pub name: Option<ImapString>,
    /// The source route, which is obsolete.
    pub adl: Option<ImapString>,
    /// The local part.
    pub mailbox: Option<ImapString>,
    /// The domain.
    pub host: Option<ImapString>,
}

mailwire_core::setters!(Address {
    with_name(name: Option<ImapString>),
    with_adl(adl: Option<ImapString>),
});

impl Address {
    /// Makes an address of its local part and domain.
    #[must_use]
    pub const fn new(mailbox: Option<ImapString>, host: Option<ImapString>) -> Self {
        Self { name: None, adl: None, mailbox, host }
    }

    /// ```text
    /// address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")"
    /// ```
    ///
    /// The `(` was read. Lenient: fields that are missing or too many.
    fn read(&mut self, r: &mut Reader<'_>) -> Result<(), ParseError> {
        r.no_space()?;
        read_nstring_field(r, &mut self.name)?;
        next_field(r, &mut self.adl)?;
        next_field(r, &mut self.mailbox)?;
        next_field(r, &mut self.host)?;
        if r.eat(b')') { Ok(()) } else { rest_of_list(r, deviation::SURPLUS_ADDRESS_FIELD) }
    }

    /// Reads one after the others.
    fn read_next(r: &mut Reader<'_>, addresses: &mut Vec<Self>) -> Result<(), ParseError> {
        addresses.push(Self::default());
        addresses.last_mut().map_or(Ok(()), |address| address.read(r))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'(');
        write_nstring(out, self.name.as_ref());
        for field in [&self.adl, &self.mailbox, &self.host] {
            write_next_nstring(out, field.as_ref());
        }
        out.push(b')');
    }
}

/// The next `nstring` of a list. Lenient: none, at the end of the list.
#[inline]
pub(crate) fn next_field(r: &mut Reader<'_>, to: &mut Option<ImapString>) -> Result<(), ParseError> {
    if more_fields(r)? { read_nstring_field(r, to) } else { Ok(()) }
}

/// Steps to the next field of a list. Lenient: whether there is one.
#[inline]
pub(crate) fn more_fields(r: &mut Reader<'_>) -> Result<bool, ParseError> {
    match r.peek() {
        Some(b' ') if !matches!(r.peek_at(1), Some(b' ' | b')')) => {
            r.skip(1);
            Ok(true)
        }
        _ => odd_fields(r),
    }
}

#[cold]
fn odd_fields(r: &mut Reader<'_>) -> Result<bool, ParseError> {
    if r.peek() != Some(b')') {
        if r.is_at_end() {
            return Err(r.error("expected )"));
        }
        r.space()?;
    }
    if r.peek() == Some(b')') {
        r.deviate(deviation::MISSING_FIELD)?;
        return Ok(false);
    }
    Ok(true)
}

/// The end of a list. Lenient: spaces, and values that do not belong there.
#[cold]
pub(crate) fn rest_of_list(r: &mut Reader<'_>, name: &'static str) -> Result<(), ParseError> {
    loop {
        r.no_space()?;
        if r.eat(b')') {
            return Ok(());
        }
        if r.is_at_end() {
            return Err(r.error("expected )"));
        }
        r.deviate(name)?;
        skip_value(r)?;
    }
}

/// ```text
/// "(" 1*address ")" / nil
/// ```
///
/// They are put after those that are there. Lenient: an empty list or string, which is `NIL`; spaces
/// between addresses; an address without a list around it; `NIL` or an empty string among addresses; an
/// address that cannot be read costs itself.
#[inline]
pub(crate) fn read_addresses(r: &mut Reader<'_>, addresses: &mut Vec<Address>) -> Result<(), ParseError> {
    if let [b'(', b'(', next, ..] = r.rest() {
        if *next != b')' {
            r.skip(1);
            return read_more(r, addresses);
        }
    } else if eat_nil(r) {
        return Ok(());
    }
    odd_addresses(r, addresses)
}

#[cold]
fn odd_addresses(r: &mut Reader<'_>, addresses: &mut Vec<Address>) -> Result<(), ParseError> {
    let start = r.offset();
    if !r.eat(b'(') {
        let mut text = None;
        read_nstring_field(r, &mut text)?;
        return match text {
            Some(text) if !text.is_empty() && !text.eq_ignore_ascii_case("NIL") => {
                Err(ParseError::new(start, "expected a list of addresses"))
            }
            _ => r.deviate_at(start, deviation::STRING_FOR_NIL),
        };
    }
    if is_bare_address(r) {
        r.deviate_at(start, deviation::ADDRESS_WITHOUT_LIST)?;
        return Address::read_next(r, addresses);
    }
    let before = addresses.len();
    read_more(r, addresses)?;
    if addresses.len() == before {
        r.deviate_at(start, deviation::EMPTY_LIST_FOR_NIL)?;
    }
    Ok(())
}

/// The addresses up to the list's `)`.
fn read_more(r: &mut Reader<'_>, addresses: &mut Vec<Address>) -> Result<(), ParseError> {
    loop {
        match r.peek() {
            Some(b'(') => {
                let (start, before) = (r.offset(), addresses.len());
                r.skip(1);
                if matches!(r.peek(), Some(b')')) {
                    r.deviate(deviation::EMPTY_ADDRESS)?;
                    r.skip(1);
                } else if let Err(error) = Address::read_next(r, addresses) {
                    addresses.truncate(before);
                    skip_address(r, start, error)?;
                }
            }
            Some(b')') => {
                r.skip(1);
                return Ok(());
            }
            Some(b' ') => {
                r.deviate(deviation::SPACE_BETWEEN_ADDRESSES)?;
                while r.eat(b' ') {}
            }
            _ => {
                let start = r.offset();
                let empty = r.rest().starts_with(b"\"\"");
                if empty {
                    r.skip(2);
                } else if !eat_nil(r) {
                    return Err(r.error("expected an address"));
                }
                r.deviate_at(start, deviation::NIL_FOR_ADDRESS)?;
            }
        }
    }
}

/// A name and another field: an address begins here, and not a list of them, in which `NIL` or an empty
/// string can stand before an address.
fn is_bare_address(r: &mut Reader<'_>) -> bool {
    let start = r.offset();
    let empty = r.rest().starts_with(b"\"\"");
    if empty {
        r.skip(2);
    }
    let bare = if empty || eat_nil(r) {
        r.peek() == Some(b' ') && !matches!(r.peek_at(1), Some(b'(' | b')'))
    } else {
        matches!(r.peek(), Some(b'"' | b'{'))
    };
    r.seek(start);
    bare
}

/// Steps over an address from `start` on that cannot be read.
#[cold]
fn skip_address(r: &mut Reader<'_>, start: usize, error: ParseError) -> Result<(), ParseError> {
    if r.dialect() == Dialect::Strict || error.kind == ParseErrorKind::TooDeep {
        return Err(error);
    }
    r.rewind(start);
    r.deviate(deviation::MALFORMED_ADDRESS)?;
    skip_value(r).map(|_| ())
}

/// Appends a list of addresses, or `NIL`.
pub(crate) fn write_addresses(out: &mut Vec<u8>, addresses: &[Address]) {
    if addresses.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    out.push(b'(');
    for address in addresses {
        address.write(out);
    }
    out.push(b')');
}
