//! FETCH: data of one message.

mod parse;

use alloc::{boxed::Box, vec::Vec};
use core::num::NonZeroU32;

use mailwire_core::{Output, Text, setters};

use super::write::{Detached, StreamedLiteral};
use crate::{
    extensions::{annotate::AnnotationData, gmail::GmailLabel, object_ids::ObjectIds},
    literal::Announcement,
    types::{
        BodyStructure, Data, DateTime, Envelope, FlagSet, ImapString, ModSeq, RawValue, Section, SeqNumber,
        ShortList, Uid, is_quotable, write_nstring, write_number, write_plain_quoted, write_quoted,
        write_section_binary, write_spaced,
    },
};

/// Data of one message.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct FetchData {
    /// The message's sequence number. `None`: it is named by [`uid`](Self::uid); or the server says 0, which is
    /// not written.
    pub number: Option<SeqNumber>,
    /// The identifier that names the message in place of a number: the response is `UIDFETCH`, as it is once
    /// UIDONLY is enabled ([RFC 9586 section 3.3](https://www.rfc-editor.org/rfc/rfc9586#section-3.3)).
    pub uid: Option<Uid>,
    /// The data, in the order they came. One that cannot be written (`Malformed`) is left out by the
    /// writer, and so is a response without any.
    pub items: ShortList<MsgAtt>,
}

/// One item of a FETCH response (RFC 9051 section 7.5.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum MsgAtt {
    /// `UID`: the unique identifier.
    Uid(Uid),
    /// `FLAGS`: all flags of the message.
    Flags(FlagSet),
    /// `INTERNALDATE`: when the message came. `None` where the server gave a day that does not
    /// exist.
    InternalDate(Option<DateTime>),
    /// `RFC822.SIZE`: the size of the message in bytes.
    Rfc822Size(u64),
    /// `ENVELOPE`: what the header says, by field.
    Envelope(Box<Envelope>),
    /// `BODYSTRUCTURE`: with the extension data.
    BodyStructure(BodyStructure),
    /// `BODY`: the structure without extension data.
    Body(BodyStructure),
    /// `BODY[...]`: a part of the message.
    Section(Box<SectionData>),
    /// `BINARY[...]`: a part of the message without its Content-Transfer-Encoding.
    Binary(Box<BinaryData>),
    /// `BINARY.SIZE[...]`: the size of such a part.
    BinarySize(Box<BinarySize>),
    /// `RFC822`: the message (IMAP4rev1).
    Rfc822(Data),
    /// `RFC822.HEADER`: its header (IMAP4rev1).
    Rfc822Header(Data),
    /// `RFC822.TEXT`: its body (IMAP4rev1).
    Rfc822Text(Data),
    /// `MODSEQ` (RFC 7162). `None` where the server said 0 or less.
    ModSeq(Option<ModSeq>),
    /// `EMAILID` (RFC 8474).
    EmailId(ImapString),
    /// `THREADID` (RFC 8474).
    ThreadId(Option<ImapString>),
    /// `OBJECTID`: of the message and its thread (draft-ietf-mailmaint-imap-objectid-bis).
    ObjectIds(Box<ObjectIds>),
    /// `SAVEDATE` (RFC 8514).
    SaveDate(Option<DateTime>),
    /// `PREVIEW`: the message's first words; empty if it has none to show, `None` if they are not at hand
    /// (RFC 8970).
    Preview(Option<ImapString>),
    /// `SNIPPET`: the message's first words, from before PREVIEW.
    Snippet(Option<ImapString>),
    /// `ANNOTATION`: annotations, or which of them were changed (RFC 5257).
    Annotation(Box<AnnotationData>),
    /// `X-GM-MSGID`: Gmail's identifier of the message.
    GmailMessageId(u64),
    /// `X-GM-THRID`: Gmail's identifier of the conversation.
    GmailThreadId(u64),
    /// `X-GM-LABELS`: Gmail's labels.
    GmailLabels(Vec<GmailLabel>),
    /// An item that is not known here.
    Other(Box<OtherMsgAtt>),
    /// An item that is known here, with a value that could not be read, as it stands on the wire.
    Malformed(Text),
}

/// A part of a message.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SectionData {
    /// Which part.
    pub section: Section,
    /// The first byte, if not the whole part was asked for.
    pub origin: Option<u64>,
    /// Its bytes. A NUL in them is written as the byte 0x80, but in large ones, which are not looked through:
    /// a message with NUL is for BINARY.
    pub data: Data,
}

/// A part of a message without its Content-Transfer-Encoding (RFC 3516).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct BinaryData {
    /// The part's numbers; none for the whole message.
    pub part: Vec<NonZeroU32>,
    /// The first byte, if not the whole part was asked for.
    pub origin: Option<u64>,
    /// Its bytes.
    pub data: Data,
}

/// The size of a part without its Content-Transfer-Encoding.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct BinarySize {
    /// The part's numbers; none for the whole message.
    pub part: Vec<NonZeroU32>,
    /// In bytes.
    pub size: u64,
}

/// An item that is not known here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct OtherMsgAtt {
    pub(crate) name: Text,
    pub(crate) value: RawValue,
}

impl OtherMsgAtt {
    /// Its name: `X-FOO`.
    #[must_use]
    pub const fn name(&self) -> &Text {
        &self.name
    }

    /// Its value.
    #[must_use]
    pub const fn value(&self) -> &RawValue {
        &self.value
    }
}

impl MsgAtt {
    /// Whether the grammar has a form for it.
    #[inline]
    const fn has_form(&self) -> bool {
        match self {
            Self::InternalDate(None) | Self::ModSeq(None) | Self::Malformed(_) => false,
            Self::Other(other) => other.value.is_complete(),
            _ => true,
        }
    }

    /// Appends the item, which [has a form](Self::has_form).
    fn write(&self, out: &mut Vec<u8>, detached: &mut Detached<'_>) {
        match self {
            Self::Uid(uid) => named_number(out, b"UID ", u64::from(uid.get())),
            Self::Flags(flags) => {
                out.extend_from_slice(b"FLAGS ");
                flags.write(out);
            }
            Self::InternalDate(None) | Self::ModSeq(None) | Self::Malformed(_) => {}
            Self::InternalDate(Some(date)) => {
                out.extend_from_slice(b"INTERNALDATE ");
                date.write(out);
            }
            Self::Rfc822Size(size) => named_number(out, b"RFC822.SIZE ", *size),
            Self::Envelope(envelope) => {
                out.extend_from_slice(b"ENVELOPE ");
                envelope.write(out);
            }
            Self::BodyStructure(body) => {
                out.extend_from_slice(b"BODYSTRUCTURE ");
                body.write(out);
            }
            Self::Body(body) => {
                out.extend_from_slice(b"BODY ");
                body.write(out);
            }
            Self::Section(part) => {
                out.extend_from_slice(b"BODY");
                part.section.write(out);
                write_origin(out, part.origin);
                out.push(b' ');
                write_data(out, &part.data, false, detached);
            }
            Self::Binary(part) => {
                out.extend_from_slice(b"BINARY");
                write_section_binary(out, &part.part);
                write_origin(out, part.origin);
                out.push(b' ');
                write_data(out, &part.data, true, detached);
            }
            Self::BinarySize(part) => {
                out.extend_from_slice(b"BINARY.SIZE");
                write_section_binary(out, &part.part);
                named_number(out, b" ", part.size);
            }
            Self::Rfc822(data) => {
                out.extend_from_slice(b"RFC822 ");
                write_data(out, data, false, detached);
            }
            Self::Rfc822Header(data) => {
                out.extend_from_slice(b"RFC822.HEADER ");
                write_data(out, data, false, detached);
            }
            Self::Rfc822Text(data) => {
                out.extend_from_slice(b"RFC822.TEXT ");
                write_data(out, data, false, detached);
            }
            Self::ModSeq(Some(value)) => {
                named_number(out, b"MODSEQ (", value.get());
                out.push(b')');
            }
            Self::EmailId(id) => {
                out.extend_from_slice(b"EMAILID (");
                write_object_id(out, id);
            }
            Self::ThreadId(None) => out.extend_from_slice(b"THREADID NIL"),
            Self::ThreadId(Some(id)) => {
                out.extend_from_slice(b"THREADID (");
                write_object_id(out, id);
            }
            Self::ObjectIds(ids) => {
                out.extend_from_slice(b"OBJECTID ");
                ids.write(out);
            }
            Self::SaveDate(None) => out.extend_from_slice(b"SAVEDATE NIL"),
            Self::SaveDate(Some(date)) => {
                out.extend_from_slice(b"SAVEDATE ");
                date.write(out);
            }
            Self::Preview(text) => {
                out.extend_from_slice(b"PREVIEW ");
                write_nstring(out, text.as_ref());
            }
            Self::Snippet(text) => {
                out.extend_from_slice(b"SNIPPET (FUZZY ");
                write_nstring(out, text.as_ref());
                out.push(b')');
            }
            Self::Annotation(data) => data.write(out),
            Self::GmailMessageId(id) => named_number(out, b"X-GM-MSGID ", *id),
            Self::GmailThreadId(id) => named_number(out, b"X-GM-THRID ", *id),
            Self::GmailLabels(labels) => {
                out.extend_from_slice(b"X-GM-LABELS (");
                write_spaced(out, labels, |out, label| label.write(out));
                out.push(b')');
            }
            Self::Other(other) => {
                out.extend_from_slice(other.name.as_bytes());
                out.push(b' ');
                other.value.write(out);
            }
        }
    }
}

impl SectionData {
    /// Makes a part of a message of its bytes; all of the part.
    #[must_use]
    pub const fn new(section: Section, data: Data) -> Self {
        Self { section, origin: None, data }
    }
}

setters!(const SectionData {
    with_origin(origin: Option<u64>),
});

impl BinaryData {
    /// Makes a part of a message of its bytes; all of the part.
    #[must_use]
    pub const fn new(part: Vec<NonZeroU32>, data: Data) -> Self {
        Self { part, origin: None, data }
    }
}

setters!(const BinaryData {
    with_origin(origin: Option<u64>),
});

impl BinarySize {
    /// Makes the size of a part, in bytes.
    #[must_use]
    pub const fn new(part: Vec<NonZeroU32>, size: u64) -> Self {
        Self { part, size }
    }
}

impl MsgAtt {
    /// Whether its bytes are given in chunks.
    fn is_streamed(&self) -> bool {
        let data = match self {
            Self::Section(part) => &part.data,
            Self::Binary(part) => &part.data,
            Self::Rfc822(data) | Self::Rfc822Header(data) | Self::Rfc822Text(data) => data,
            _ => return false,
        };
        matches!(data, Data::Streamed { .. })
    }
}

impl FetchData {
    /// Makes the data of the message with this sequence number.
    #[must_use]
    pub fn new(number: SeqNumber, items: impl Into<ShortList<MsgAtt>>) -> Self {
        Self { number: Some(number), uid: None, items: items.into() }
    }

    /// Makes the data of the message with this identifier, in a session without sequence numbers
    /// ([RFC 9586](https://www.rfc-editor.org/rfc/rfc9586)).
    #[must_use]
    pub fn by_uid(uid: Uid, items: impl Into<ShortList<MsgAtt>>) -> Self {
        Self { number: None, uid: Some(uid), items: items.into() }
    }

    /// The message's identifier: that which names it, or the item `UID`.
    #[must_use]
    pub fn message_uid(&self) -> Option<Uid> {
        let item = |item: &MsgAtt| if let MsgAtt::Uid(uid) = item { Some(*uid) } else { None };
        self.uid.or_else(|| self.items.iter().find_map(item))
    }

    /// Whether it says which message it is about.
    pub(crate) const fn names_a_message(&self) -> bool {
        self.number.is_some() || self.uid.is_some()
    }

    /// Whether it has literals that are given in chunks.
    pub(crate) fn is_streamed(&self) -> bool {
        self.items.iter().any(MsgAtt::is_streamed)
    }

    /// Whether the grammar has a form for it: there is a number, and an item that has one.
    pub(crate) fn has_form(&self) -> bool {
        self.names_a_message() && self.items.iter().any(MsgAtt::has_form)
    }

    /// Appends the response without its `* ` and line end; nothing if it [has no form](Self::has_form).
    pub(crate) fn write(&self, out: &mut Vec<u8>, detached: &mut Detached<'_>) {
        let start = out.len();
        match (self.uid, self.number) {
            (None, Some(number)) => named_number_first(out, number.get(), b" FETCH ("),
            (Some(uid), _) => named_number_first(out, uid.get(), b" UIDFETCH ("),
            (None, None) => return,
        }
        let mut is_first = true;
        for item in &self.items {
            if item.has_form() {
                if !is_first {
                    out.push(b' ');
                }
                item.write(out, detached);
                is_first = false;
            }
        }
        if is_first {
            return out.truncate(start);
        }
        out.push(b')');
    }
}

fn write_origin(out: &mut Vec<u8>, origin: Option<u64>) {
    if let Some(origin) = origin {
        out.push(b'<');
        write_number(out, origin);
        out.push(b'>');
    }
}

fn write_object_id(out: &mut Vec<u8>, id: &ImapString) {
    crate::types::write_astring(out, id.as_bytes());
    out.push(b')');
}

#[inline]
fn named_number_first(out: &mut Vec<u8>, number: u32, name: &[u8]) {
    write_number(out, u64::from(number));
    out.extend_from_slice(name);
}

#[inline]
fn named_number(out: &mut Vec<u8>, name: &[u8], number: u64) {
    out.extend_from_slice(name);
    write_number(out, number);
}

/// Appends bytes as an `nstring`, or a `literal8` if they may be one, and have a NUL or are too many
/// to look for it.
fn write_data(out: &mut Vec<u8>, data: &Data, binary: bool, detached: &mut Detached<'_>) {
    match data {
        Data::Nil => out.extend_from_slice(b"NIL"),
        Data::Inline(text) => {
            let bytes = text.as_bytes();
            let large = bytes.len() >= Output::CHAIN_FROM;
            if write_plain_quoted(out, bytes) {
                return;
            }
            if is_quotable(bytes) {
                return write_quoted(out, bytes);
            }
            // Large bytes are not looked through, which would cost more than all else.
            let nul = !large && memchr::memchr(0, bytes).is_some();
            Announcement::by_server(bytes.len() as u64, binary && (large || nul)).write(out);
            match &mut detached.chained {
                _ if nul && !binary => {
                    // Of the same length, which the client may have been told: as other servers do.
                    out.extend(bytes.iter().map(|byte| if *byte == 0 { 0x80 } else { *byte }));
                }
                Some(chained) if large => chained.push((out.len(), text.clone().into_bytes())),
                _ => out.extend_from_slice(bytes),
            }
        }
        Data::Streamed { length } => {
            Announcement::by_server(*length, binary).write(out);
            detached.streamed.push(StreamedLiteral { offset: out.len(), length: *length, binary });
        }
    }
}
