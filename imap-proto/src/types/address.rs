//! Addresses of an envelope.

use alloc::{sync::Arc, vec::Vec};
use core::{fmt, ops::Deref};

use mailwire_core::ParseError;

use super::{
    raw::skip_value,
    reader::Reader,
    string::{ImapString, eat_nil, read_nstring_field},
    write::write_nstring,
};

/// One address of an [`Envelope`](super::Envelope) (RFC 9051 section 7.5.2).
///
/// Groups are marked by addresses without a host: one with a mailbox name begins the group of this
/// name, one without a mailbox ends it.
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

/// A list of addresses, which is cheap to clone.
///
/// Sender and Reply-To of an envelope are mostly what From is, and then share its list.
///
/// ```
/// use mailwire_imap::types::{Address, AddressList};
///
/// let none = AddressList::default();
/// assert!(none.is_empty());
/// let one: AddressList = [Address::default()].into();
/// assert_eq!(one.len(), 1);
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct AddressList(Option<Arc<[Address]>>);

impl Deref for AddressList {
    type Target = [Address];
    fn deref(&self) -> &[Address] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl From<Vec<Address>> for AddressList {
    fn from(addresses: Vec<Address>) -> Self {
        Self((!addresses.is_empty()).then(|| addresses.into()))
    }
}

impl<const N: usize> From<[Address; N]> for AddressList {
    fn from(addresses: [Address; N]) -> Self {
        Self((N > 0).then(|| Arc::new(addresses) as Arc<[Address]>))
    }
}

impl FromIterator<Address> for AddressList {
    fn from_iter<I: IntoIterator<Item = Address>>(addresses: I) -> Self {
        addresses.into_iter().collect::<Vec<_>>().into()
    }
}

impl<'a> IntoIterator for &'a AddressList {
    type Item = &'a Address;
    type IntoIter = core::slice::Iter<'a, Address>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for AddressList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for AddressList {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl Address {
    /// ```text
    /// address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")"
    /// ```
    ///
    /// The `(` was read. Lenient: fields that are missing or too many.
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.no_space()?;
        let name = read_nstring_field(r)?;
        let adl = next_field(r)?;
        let mailbox = next_field(r)?;
        let host = next_field(r)?;
        if !r.eat(b')') {
            rest_of_list(r, "surplus-address-field")?;
        }
        Ok(Self { name, adl, mailbox, host })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'(');
        write_nstring(out, self.name.as_ref());
        for field in [&self.adl, &self.mailbox, &self.host] {
            out.push(b' ');
            write_nstring(out, field.as_ref());
        }
        out.push(b')');
    }
}

/// The next `nstring` of a list. Lenient: none, at the end of the list.
#[inline]
pub(crate) fn next_field(r: &mut Reader<'_>) -> Result<Option<ImapString>, ParseError> {
    if more_fields(r)? { read_nstring_field(r) } else { Ok(None) }
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
        r.deviate("missing-field")?;
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
/// Lenient: an empty list or string, which is `NIL`; spaces between addresses; an address without
/// a list around it; `NIL` among addresses.
#[inline]
pub(crate) fn read_addresses(r: &mut Reader<'_>) -> Result<AddressList, ParseError> {
    if let [b'(', b'(', next, ..] = r.rest() {
        if *next != b')' {
            r.skip(2);
            let first = Address::read(r)?;
            if r.eat(b')') {
                return Ok([first].into());
            }
            return read_more(r, [first].into());
        }
    } else if eat_nil(r) {
        return Ok(AddressList::default());
    }
    odd_addresses(r)
}

#[cold]
fn odd_addresses(r: &mut Reader<'_>) -> Result<AddressList, ParseError> {
    let start = r.offset();
    if !r.eat(b'(') {
        return match read_nstring_field(r)? {
            Some(text) if !text.is_empty() && !text.eq_ignore_ascii_case("NIL") => {
                Err(ParseError::new(start, "expected a list of addresses"))
            }
            _ => r.deviate_at(start, "string-for-nil").map(|()| AddressList::default()),
        };
    }
    if matches!(r.peek(), Some(b'"' | b'{')) || is_bare_address(r) {
        r.deviate_at(start, "address-without-list")?;
        return Ok([Address::read(r)?].into());
    }
    let list = read_more(r, Vec::new())?;
    if list.is_empty() {
        r.deviate_at(start, "empty-list-for-nil")?;
    }
    Ok(list)
}

/// The addresses up to the list's `)`.
fn read_more(r: &mut Reader<'_>, mut addresses: Vec<Address>) -> Result<AddressList, ParseError> {
    loop {
        match r.peek() {
            Some(b'(') => {
                r.skip(1);
                if matches!(r.peek(), Some(b')')) {
                    r.deviate("empty-address")?;
                    r.skip(1);
                } else {
                    addresses.push(Address::read(r)?);
                }
            }
            Some(b')') => {
                r.skip(1);
                return Ok(addresses.into());
            }
            Some(b' ') => {
                r.deviate("space-between-addresses")?;
                while r.eat(b' ') {}
            }
            _ => {
                let start = r.offset();
                if !eat_nil(r) {
                    return Err(r.error("expected an address"));
                }
                r.deviate_at(start, "nil-for-address")?;
            }
        }
    }
}

/// `NIL` and another field: an address begins here, and not a list of them.
fn is_bare_address(r: &mut Reader<'_>) -> bool {
    let start = r.offset();
    let bare = eat_nil(r) && r.peek() == Some(b' ');
    r.seek(start);
    bare
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
