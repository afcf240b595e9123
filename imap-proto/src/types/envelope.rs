//! The envelope of a message.

use alloc::vec::Vec;
use core::{
    fmt,
    hash::{Hash, Hasher},
};

use mailwire_core::ParseError;

use super::{
    address::{Address, more_fields, next_field, read_addresses, rest_of_list, write_addresses},
    reader::Reader,
    string::{ImapString, eat_nil, read_nstring_field},
    write::{write_next_nstring, write_nstring},
};
use crate::deviation;

/// Holds what the header of a message says about it, parsed by the server
/// ([RFC 9051 section 7.5.2](https://www.rfc-editor.org/rfc/rfc9051#section-7.5.2)).
///
/// ```
/// use mailwire_imap::types::{Address, Envelope};
///
/// let alice = || vec![Address::new("alice".try_into().ok(), None)];
/// let [to, cc, bcc] = [const { Vec::new() }; 3];
/// let envelope = Envelope::new([alice(), alice(), alice(), to, cc, bcc])
///     .with_subject("hello".try_into().ok());
/// assert_eq!((envelope.from(), envelope.reply_to().len()), (&alice()[..], 1));
/// assert!(envelope.bcc().is_empty());
/// assert_eq!(envelope.subject().unwrap(), &"hello");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Envelope {
    date: Option<ImapString>,
    subject: Option<ImapString>,
    addresses: AddressLists,
    in_reply_to: Option<ImapString>,
    message_id: Option<ImapString>,
}

/// The addresses of an [`Envelope`], which stand in one piece of memory. Sender and Reply-To are
/// mostly what From is, and then take none.
#[derive(Clone, Default)]
struct AddressLists {
    all: Vec<Address>,
    /// Where in it the lists begin and end.
    bounds: [(usize, usize); 6],
}

impl AddressLists {
    #[inline]
    fn new(lists: [Vec<Address>; 6]) -> Self {
        let mut made = Self::default();
        for (at, list) in lists.into_iter().enumerate() {
            let same = (0..at).find(|&before| made.list(before) == list);
            let bounds = match same.and_then(|same| made.bounds.get(same)) {
                Some(&same) => same,
                None => {
                    let start = made.all.len();
                    made.all.extend(list);
                    (start, made.all.len())
                }
            };
            if let Some(place) = made.bounds.get_mut(at) {
                *place = bounds;
            }
        }
        made
    }

    fn list(&self, at: usize) -> &[Address] {
        self.bounds.get(at).and_then(|&(start, end)| self.all.get(start..end)).unwrap_or_default()
    }

    #[inline]
    fn lists(&self) -> [&[Address]; 6] {
        self.bounds.map(|(start, end)| self.all.get(start..end).unwrap_or_default())
    }

    /// Reads the six fields. Sender and Reply-To most likely have the bytes of From.
    fn read(&mut self, r: &mut Reader<'_>) -> Result<(), ParseError> {
        // An address, with what else there is, takes about as much.
        self.all.reserve_exact((r.rest().len() / 64).clamp(1, 6));
        let [from, sender, reply_to, to, cc, bcc] = &mut self.bounds;
        let from_start = r.offset();
        *from = next_addresses(r, &mut self.all)?;
        let from_bytes = r.since(from_start);
        for same in [sender, reply_to] {
            // What was odd about the known ones would have to be told again.
            *same = if from_bytes.ends_with(b"))") && r.rest().starts_with(from_bytes) && r.is_undeviated() {
                r.skip(from_bytes.len());
                *from
            } else {
                next_addresses(r, &mut self.all)?
            };
        }
        for other in [to, cc, bcc] {
            *other = next_addresses(r, &mut self.all)?;
        }
        Ok(())
    }
}

/// Where the addresses of the next list were put.
fn next_addresses(r: &mut Reader<'_>, all: &mut Vec<Address>) -> Result<(usize, usize), ParseError> {
    let start = all.len();
    if more_fields(r)? {
        read_addresses(r, all)?;
    }
    Ok((start, all.len()))
}

impl PartialEq for AddressLists {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.lists() == other.lists()
    }
}

impl Eq for AddressLists {}

impl Hash for AddressLists {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.lists().hash(state);
    }
}

impl fmt::Debug for AddressLists {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(NAMES.into_iter().zip(self.lists())).finish()
    }
}

const NAMES: [&str; 6] = ["from", "sender", "reply_to", "to", "cc", "bcc"];

#[cfg(feature = "serde")]
impl serde::Serialize for Envelope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut fields = serializer.serialize_struct("Envelope", 10)?;
        fields.serialize_field("date", &self.date)?;
        fields.serialize_field("subject", &self.subject)?;
        for (name, addresses) in NAMES.into_iter().zip(self.addresses.lists()) {
            fields.serialize_field(name, addresses)?;
        }
        fields.serialize_field("in_reply_to", &self.in_reply_to)?;
        fields.serialize_field("message_id", &self.message_id)?;
        fields.end()
    }
}

impl Envelope {
    /// Makes an envelope of its lists of addresses: From, Sender, Reply-To, To, Cc and Bcc.
    #[inline]
    #[must_use]
    pub fn new(addresses: [Vec<Address>; 6]) -> Self {
        Self { addresses: AddressLists::new(addresses), ..Self::default() }
    }

    /// Sets Date.
    #[inline]
    #[must_use]
    pub fn with_date(mut self, date: Option<ImapString>) -> Self {
        self.date = date;
        self
    }

    /// Sets Subject.
    #[inline]
    #[must_use]
    pub fn with_subject(mut self, subject: Option<ImapString>) -> Self {
        self.subject = subject;
        self
    }

    /// Sets In-Reply-To.
    #[inline]
    #[must_use]
    pub fn with_in_reply_to(mut self, in_reply_to: Option<ImapString>) -> Self {
        self.in_reply_to = in_reply_to;
        self
    }

    /// Sets Message-ID.
    #[inline]
    #[must_use]
    pub fn with_message_id(mut self, message_id: Option<ImapString>) -> Self {
        self.message_id = message_id;
        self
    }

    /// Returns Date, as it stands.
    #[must_use]
    pub const fn date(&self) -> Option<&ImapString> {
        self.date.as_ref()
    }

    /// Returns Subject, with its encoded words.
    #[must_use]
    pub const fn subject(&self) -> Option<&ImapString> {
        self.subject.as_ref()
    }

    /// Returns In-Reply-To, as it stands.
    #[must_use]
    pub const fn in_reply_to(&self) -> Option<&ImapString> {
        self.in_reply_to.as_ref()
    }

    /// Returns Message-ID, as it stands.
    #[must_use]
    pub const fn message_id(&self) -> Option<&ImapString> {
        self.message_id.as_ref()
    }

    /// Returns the addresses of From.
    #[inline]
    #[must_use]
    pub fn from(&self) -> &[Address] {
        self.addresses.list(0)
    }

    /// Returns the addresses of Sender; the server gives From where there is none.
    #[inline]
    #[must_use]
    pub fn sender(&self) -> &[Address] {
        self.addresses.list(1)
    }

    /// Returns the addresses of Reply-To; the server gives From where there is none.
    #[inline]
    #[must_use]
    pub fn reply_to(&self) -> &[Address] {
        self.addresses.list(2)
    }

    /// Returns the addresses of To.
    #[inline]
    #[must_use]
    pub fn to(&self) -> &[Address] {
        self.addresses.list(3)
    }

    /// Returns the addresses of Cc.
    #[inline]
    #[must_use]
    pub fn cc(&self) -> &[Address] {
        self.addresses.list(4)
    }

    /// Returns the addresses of Bcc.
    #[inline]
    #[must_use]
    pub fn bcc(&self) -> &[Address] {
        self.addresses.list(5)
    }

    /// ```text
    /// envelope = "(" env-date SP env-subject SP env-from SP env-sender SP env-reply-to SP env-to SP
    ///            env-cc SP env-bcc SP env-in-reply-to SP env-message-id ")"
    /// ```
    ///
    /// It is read into an empty one, in its place. Lenient: fields that are missing at the end or too
    /// many; `NIL`.
    pub(crate) fn read(&mut self, r: &mut Reader<'_>) -> Result<(), ParseError> {
        let start = r.offset();
        if !r.eat(b'(') {
            if eat_nil(r) {
                return r.deviate_at(start, deviation::NIL_FOR_ENVELOPE);
            }
            return Err(r.error("expected an envelope"));
        }
        r.no_space()?;
        if r.peek() == Some(b')') {
            r.deviate(deviation::MISSING_FIELD)?;
            r.skip(1);
            return Ok(());
        }
        read_nstring_field(r, &mut self.date)?;
        next_field(r, &mut self.subject)?;
        self.addresses.read(r)?;
        next_field(r, &mut self.in_reply_to)?;
        next_field(r, &mut self.message_id)?;
        if r.eat(b')') { Ok(()) } else { rest_of_list(r, deviation::SURPLUS_ENVELOPE_FIELD) }
    }

    /// Appends the envelope.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(b'(');
        write_nstring(out, self.date.as_ref());
        write_next_nstring(out, self.subject.as_ref());
        for addresses in self.addresses.lists() {
            out.push(b' ');
            write_addresses(out, addresses);
        }
        for field in [&self.in_reply_to, &self.message_id] {
            write_next_nstring(out, field.as_ref());
        }
        out.push(b')');
    }
}
