//! The items of FETCH.

use alloc::{boxed::Box, vec::Vec};
use core::num::NonZeroU32;

use mailwire_core::{ParseError, ParseErrorKind, Text, keywords};

use crate::{
    capability::Capability,
    command::{OtherItem, PreviewMods, rules::Need, writer::Writer},
    extensions::{
        annotate::{self, FetchAnnotations},
        condstore,
        object_ids::needs_object_ids,
    },
    types::{Atom, Partial, Reader, Section, Value, chars, read_section_binary, write_section_binary},
};

/// One item that FETCH asks for.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum FetchAtt {
    /// `ENVELOPE`: what the header says, by field.
    Envelope,
    /// `FLAGS`: all flags of the message.
    Flags,
    /// `INTERNALDATE`: when the message came.
    InternalDate,
    /// `RFC822`: RFC 3501 only.
    Rfc822,
    /// `RFC822.HEADER`: RFC 3501 only.
    Rfc822Header,
    /// `RFC822.SIZE`: the size of the message, in bytes.
    Rfc822Size,
    /// `RFC822.TEXT`: RFC 3501 only.
    Rfc822Text,
    /// `BODY`: the structure without extension data.
    Body,
    /// `BODYSTRUCTURE`: the structure with extension data.
    BodyStructure,
    /// `UID`: the unique identifier.
    Uid,
    /// `MODSEQ`: the modification sequence of the last change (RFC 7162).
    ModSeq,
    /// `BODY[...]`, `BODY.PEEK[...]`: the part as it is.
    BodySection {
        /// Which part.
        section: Section,
        /// Which bytes of it.
        partial: Option<Partial>,
        /// Whether `\Seen` is left alone.
        peek: bool,
    },
    /// `BINARY[...]`, `BINARY.PEEK[...]`: the part, decoded.
    Binary {
        /// Its numbers; none for the message.
        part: Vec<NonZeroU32>,
        /// Which bytes of it.
        partial: Option<Partial>,
        /// Whether `\Seen` is left alone.
        peek: bool,
    },
    /// `BINARY.SIZE[...]`: the length of the decoded part.
    BinarySize {
        /// Its numbers; none for the message.
        part: Vec<NonZeroU32>,
    },
    /// `EMAILID`: what identifies the message's content ([RFC 8474](https://www.rfc-editor.org/rfc/rfc8474)).
    EmailId,
    /// `THREADID`: what identifies the thread that it belongs to (RFC 8474).
    ThreadId,
    /// `OBJECTID`: both in one list
    /// ([draft-ietf-mailmaint-imap-objectid-bis](https://datatracker.ietf.org/doc/draft-ietf-mailmaint-imap-objectid-bis/)).
    ObjectIds,
    /// `SAVEDATE`: when it was put into the mailbox ([RFC 8514](https://www.rfc-editor.org/rfc/rfc8514)).
    SaveDate,
    /// `PREVIEW`: its first words ([RFC 8970](https://www.rfc-editor.org/rfc/rfc8970)).
    Preview(PreviewMods),
    /// `SNIPPET`: its first words, from before PREVIEW.
    Snippet(PreviewMods),
    /// `ANNOTATION`: annotations ([RFC 5257](https://www.rfc-editor.org/rfc/rfc5257)).
    Annotation(Box<FetchAnnotations>),
    /// `X-GM-LABELS`: Gmail's labels.
    GmailLabels,
    /// `X-GM-MSGID`: Gmail's identifier of the message.
    GmailMessageId,
    /// `X-GM-THRID`: Gmail's identifier of the conversation.
    GmailThreadId,
    /// Another item.
    Other(OtherItem),
}

impl FetchAtt {
    /// `BODY.PEEK[]`: the whole message, and `\Seen` left alone.
    pub const MESSAGE: Self = Self::BodySection { section: Section::WHOLE, partial: None, peek: true };
    /// `BODY.PEEK[HEADER]`: its header.
    pub const HEADER: Self = Self::BodySection { section: Section::HEADER, partial: None, peek: true };

    /// ```text
    /// fetch-att = "ENVELOPE" / "FLAGS" / "INTERNALDATE" / "RFC822" [".HEADER" / ".SIZE" / ".TEXT"] /
    ///             "BODY" ["STRUCTURE"] / "UID" / "BODY" section [partial] /
    ///             "BODY.PEEK" section [partial] / "BINARY" [".PEEK"] section-binary [partial] /
    ///             "BINARY.SIZE" section-binary /
    ///             "MODSEQ"                                                    ; RFC 7162
    /// ```
    ///
    /// After those that are there. In a list, arguments may follow that are not known here.
    // What has no arguments goes into its place without a stop in memory.
    pub(super) fn read(r: &mut Reader<'_>, in_list: bool, items: &mut Vec<Self>) -> Result<(), ParseError> {
        let start = r.offset();
        // `[` is an ATOM-CHAR, but ends the name of an item.
        let name = r.take_class(chars::FETCH_ATT);
        items.push(match Att::of(name) {
            Some(Att::Flags) => Self::Flags,
            Some(Att::Uid) => Self::Uid,
            Some(Att::Modseq) => Self::ModSeq,
            Some(Att::Envelope) => Self::Envelope,
            Some(Att::Internaldate) => Self::InternalDate,
            Some(Att::Rfc822Size) => Self::Rfc822Size,
            Some(Att::Bodystructure) => Self::BodyStructure,
            Some(Att::Body) if r.peek() != Some(b'[') => Self::Body,
            Some(Att::Rfc822) => Self::Rfc822,
            Some(Att::Rfc822Header) => Self::Rfc822Header,
            Some(Att::Rfc822Text) => Self::Rfc822Text,
            Some(Att::Emailid) => Self::EmailId,
            Some(Att::Threadid) => Self::ThreadId,
            Some(Att::Savedate) => Self::SaveDate,
            Some(Att::Objectid) => Self::ObjectIds,
            Some(Att::GmailLabels) => Self::GmailLabels,
            Some(Att::GmailMessageId) => Self::GmailMessageId,
            Some(Att::GmailThreadId) => Self::GmailThreadId,
            name => {
                items.push(Self::read_with_arguments(name, r, start, in_list)?);
                return Ok(());
            }
        });
        Ok(())
    }

    fn read_with_arguments(
        name: Option<Att>,
        r: &mut Reader<'_>,
        start: usize,
        in_list: bool,
    ) -> Result<Self, ParseError> {
        Ok(match name {
            Some(Att::Body) => Self::section(r, false)?,
            Some(Att::BodyPeek) if r.peek() == Some(b'[') => Self::section(r, true)?,
            Some(Att::Binary) => {
                Self::Binary { part: read_section_binary(r)?, partial: read_partial(r)?, peek: false }
            }
            Some(Att::BinaryPeek) => {
                Self::Binary { part: read_section_binary(r)?, partial: read_partial(r)?, peek: true }
            }
            Some(Att::BinarySize) => Self::BinarySize { part: read_section_binary(r)? },
            Some(Att::Preview) => Self::Preview(PreviewMods::read(r)).with_what_follows(r, start, in_list)?,
            Some(Att::Snippet) => Self::Snippet(PreviewMods::read(r)).with_what_follows(r, start, in_list)?,
            Some(Att::Annotation) => Self::Annotation(Box::new(FetchAnnotations::read(r)?)),
            _ => Self::other(r, start)?.with_what_follows(r, start, in_list)?,
        })
    }

    fn other(r: &Reader<'_>, start: usize) -> Result<Self, ParseError> {
        if r.offset() == start {
            return Err(ParseError::new(start, "expected a FETCH item"));
        }
        if r.peek() == Some(b'[') {
            return Err(ParseError::new(start, "unknown FETCH item").with_kind(ParseErrorKind::Unknown));
        }
        Ok(Self::Other(Atom::unchecked(r.text_from(start)).into()))
    }

    /// The arguments of an item that is not known, which stand in a list: `FOO (BAR)`. With modifiers of PREVIEW that
    /// are not known, it is an item that is not known.
    #[cold]
    fn with_what_follows(self, r: &mut Reader<'_>, start: usize, in_list: bool) -> Result<Self, ParseError> {
        if !in_list || !r.rest().starts_with(b" (") {
            return Ok(self);
        }
        let mut item = match self {
            Self::Other(item) => item,
            Self::Snippet(_) => OtherItem::new(Atom::unchecked(Text::from_static("SNIPPET"))),
            _ => OtherItem::new(Atom::unchecked(Text::from_static("PREVIEW"))),
        };
        r.skip(1);
        let at = r.offset();
        match Value::read(r)? {
            Value::List(values) if !values.is_empty() => item.arguments = values,
            _ => return Err(ParseError::new(at, "empty arguments of a FETCH item")),
        }
        r.leave_unknown(start, "unknown FETCH item");
        Ok(Self::Other(item))
    }

    pub(super) fn has_arguments(&self) -> bool {
        match self {
            Self::Other(item) => !item.arguments.is_empty(),
            Self::Preview(mods) | Self::Snippet(mods) => *mods != PreviewMods::new(),
            _ => false,
        }
    }

    /// What a server must have for this item, if the base protocol does not have it.
    #[inline]
    pub(crate) fn needs(&self) -> Option<Need> {
        Some(match self {
            Self::ModSeq => condstore::needs_condstore(),
            Self::Binary { .. } | Self::BinarySize { .. } => {
                Need::one_of(&[Capability::Binary, Capability::Imap4Rev2])
            }
            Self::EmailId | Self::ThreadId => Need::of(&Capability::ObjectId),
            Self::SaveDate => Need::of(&Capability::SaveDate),
            Self::ObjectIds => needs_object_ids(),
            Self::Annotation(_) => annotate::needs_annotate(),
            Self::GmailLabels | Self::GmailMessageId | Self::GmailThreadId => {
                Need::of(&Capability::GmailExtensions)
            }
            Self::Preview(mods) => mods.needs(),
            Self::Snippet(_) => Need::of(&Capability::SnippetFuzzy),
            _ => return None,
        })
    }

    fn section(r: &mut Reader<'_>, peek: bool) -> Result<Self, ParseError> {
        Ok(Self::BodySection { section: Section::read(r)?, partial: read_partial(r)?, peek })
    }

    #[inline(always)]
    pub(crate) fn write(&self, e: &mut Writer<'_>) {
        match self {
            Self::Envelope => e.put(b"ENVELOPE"),
            Self::Flags => e.put(b"FLAGS"),
            Self::InternalDate => e.put(b"INTERNALDATE"),
            Self::Rfc822 => e.put(b"RFC822"),
            Self::Rfc822Header => e.put(b"RFC822.HEADER"),
            Self::Rfc822Size => e.put(b"RFC822.SIZE"),
            Self::Rfc822Text => e.put(b"RFC822.TEXT"),
            Self::Body => e.put(b"BODY"),
            Self::BodyStructure => e.put(b"BODYSTRUCTURE"),
            Self::Uid => e.put(b"UID"),
            Self::ModSeq => e.put(b"MODSEQ"),
            Self::BodySection { section, partial, peek } => {
                e.put(if *peek { b"BODY.PEEK" } else { b"BODY" });
                e.section(section);
                write_partial(e, *partial);
            }
            Self::Binary { part, partial, peek } => {
                e.put(if *peek { b"BINARY.PEEK" } else { b"BINARY" });
                write_section_binary(e.out, part);
                write_partial(e, *partial);
            }
            Self::BinarySize { part } => {
                e.put(b"BINARY.SIZE");
                write_section_binary(e.out, part);
            }
            Self::EmailId => e.put(b"EMAILID"),
            Self::ThreadId => e.put(b"THREADID"),
            Self::SaveDate => e.put(b"SAVEDATE"),
            Self::ObjectIds => e.put(b"OBJECTID"),
            Self::Preview(mods) => {
                e.put(b"PREVIEW");
                mods.write(e);
            }
            Self::Snippet(mods) => {
                e.put(b"SNIPPET");
                mods.write(e);
            }
            Self::Annotation(asked) => asked.write(e),
            Self::GmailLabels => e.put(b"X-GM-LABELS"),
            Self::GmailMessageId => e.put(b"X-GM-MSGID"),
            Self::GmailThreadId => e.put(b"X-GM-THRID"),
            Self::Other(item) => write_other(item, e),
        }
    }
}

#[cold]
fn write_other(item: &OtherItem, e: &mut Writer<'_>) {
    e.put(item.name.as_bytes());
    if !item.arguments.is_empty() {
        e.put(b" (");
        e.values(&item.arguments);
        e.put(b")");
    }
}

fn read_partial(r: &mut Reader<'_>) -> Result<Option<Partial>, ParseError> {
    if r.peek() == Some(b'<') { Partial::read(r).map(Some) } else { Ok(None) }
}

fn write_partial(e: &mut Writer<'_>, partial: Option<Partial>) {
    if let Some(partial) = partial {
        partial.write(e.out);
    }
}

keywords! {
    /// The names of FETCH items.
    enum Att {
        Annotation = "ANNOTATION",
        Binary = "BINARY",
        BinaryPeek = "BINARY.PEEK",
        BinarySize = "BINARY.SIZE",
        Body = "BODY",
        BodyPeek = "BODY.PEEK",
        Bodystructure = "BODYSTRUCTURE",
        Emailid = "EMAILID",
        Envelope = "ENVELOPE",
        Flags = "FLAGS",
        Internaldate = "INTERNALDATE",
        Modseq = "MODSEQ",
        Preview = "PREVIEW",
        Rfc822 = "RFC822",
        Rfc822Header = "RFC822.HEADER",
        Rfc822Size = "RFC822.SIZE",
        Rfc822Text = "RFC822.TEXT",
        Savedate = "SAVEDATE",
        Objectid = "OBJECTID",
        Snippet = "SNIPPET",
        Threadid = "THREADID",
        GmailLabels = "X-GM-LABELS",
        GmailMessageId = "X-GM-MSGID",
        GmailThreadId = "X-GM-THRID",
        Uid = "UID",
    }
}
