//! The envelope of a message.

use alloc::vec::Vec;

use mailwire_core::ParseError;

use super::{
    address::{AddressList, more_fields, next_field, read_addresses, rest_of_list, write_addresses},
    reader::Reader,
    string::{ImapString, eat_nil, read_nstring_field},
    write::write_nstring,
};

/// What the header of a message says about it, parsed by the server (RFC 9051 section 7.5.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Envelope {
    /// The Date field, as it stands.
    pub date: Option<ImapString>,
    /// The Subject, still encoded.
    pub subject: Option<ImapString>,
    /// From.
    pub from: AddressList,
    /// Sender; the server gives From where there is none.
    pub sender: AddressList,
    /// Reply-To; the server gives From where there is none.
    pub reply_to: AddressList,
    /// To.
    pub to: AddressList,
    /// Cc.
    pub cc: AddressList,
    /// Bcc.
    pub bcc: AddressList,
    /// In-Reply-To.
    pub in_reply_to: Option<ImapString>,
    /// Message-ID.
    pub message_id: Option<ImapString>,
}

impl Envelope {
    /// ```text
    /// envelope = "(" env-date SP env-subject SP env-from SP env-sender SP env-reply-to SP env-to SP
    ///            env-cc SP env-bcc SP env-in-reply-to SP env-message-id ")"
    /// ```
    ///
    /// Lenient: fields that are missing at the end or too many; `NIL`.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        if !r.eat(b'(') {
            if eat_nil(r) {
                r.deviate_at(start, "nil-for-envelope")?;
                return Ok(Self::default());
            }
            return Err(r.error("expected an envelope"));
        }
        r.no_space()?;
        if r.peek() == Some(b')') {
            r.deviate("missing-field")?;
            r.skip(1);
            return Ok(Self::default());
        }
        let date = read_nstring_field(r)?;
        let subject = next_field(r)?;
        let from_start = r.offset();
        let from = next_addresses(r)?;
        let from_bytes = r.since(from_start);
        let envelope = Self {
            date,
            subject,
            sender: same_addresses(r, from_bytes, &from)?,
            reply_to: same_addresses(r, from_bytes, &from)?,
            from,
            to: next_addresses(r)?,
            cc: next_addresses(r)?,
            bcc: next_addresses(r)?,
            in_reply_to: next_field(r)?,
            message_id: next_field(r)?,
        };
        if !r.eat(b')') {
            rest_of_list(r, "surplus-envelope-field")?;
        }
        Ok(envelope)
    }

    /// Appends the envelope.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(b'(');
        write_nstring(out, self.date.as_ref());
        out.push(b' ');
        write_nstring(out, self.subject.as_ref());
        for addresses in [&self.from, &self.sender, &self.reply_to, &self.to, &self.cc, &self.bcc] {
            out.push(b' ');
            write_addresses(out, addresses);
        }
        for field in [&self.in_reply_to, &self.message_id] {
            out.push(b' ');
            write_nstring(out, field.as_ref());
        }
        out.push(b')');
    }
}

/// The next list of addresses, which is most likely the one whose bytes were `known`.
#[inline]
fn same_addresses(r: &mut Reader<'_>, known: &[u8], list: &AddressList) -> Result<AddressList, ParseError> {
    // What was odd about the known ones would have to be told again.
    if known.ends_with(b"))") && r.rest().starts_with(known) && r.is_undeviated() {
        r.skip(known.len());
        return Ok(list.clone());
    }
    next_addresses(r)
}

#[inline]
fn next_addresses(r: &mut Reader<'_>) -> Result<AddressList, ParseError> {
    if more_fields(r)? { read_addresses(r) } else { Ok(AddressList::default()) }
}
