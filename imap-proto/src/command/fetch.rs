//! FETCH.

use alloc::vec::Vec;
use core::num::NonZeroU32;

use mailwire_core::{ParseError, ParseErrorKind, Text, keywords};

use super::{Messages, OtherItem, PreviewMods, rules::Need, writer::Writer};
use crate::capability::Capability;
use crate::extensions::condstore;
use crate::types::{Atom, ModSeq, Partial, PartialRange, Reader, Section, Value, chars};

/// `FETCH` and `UID FETCH` (RFC 9051 section 6.4.5).
///
/// ```
/// use mailwire_imap::command::{Fetch, FetchAtt};
/// use mailwire_imap::types::{ModSeq, UidSet};
///
/// let fetch = Fetch::new(UidSet::all(), [FetchAtt::Flags]);
/// let changed = fetch.with_since(ModSeq::new(715_194_045_007).unwrap().into());
/// # let _ = changed;
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Fetch {
    /// Which messages; UIDs make it `UID FETCH`.
    pub messages: Messages,
    /// What of them.
    pub items: FetchAtts,
    /// Only those that changed, and the ones that are gone.
    pub since: Option<Since>,
    /// Only a part of the messages, by their places among them: with UIDs only
    /// ([RFC 9394 section 3.3](https://www.rfc-editor.org/rfc/rfc9394#section-3.3)).
    pub partial: Option<PartialRange>,
}

/// Which changes FETCH asks for (RFC 7162 sections 3.1.4.1 and 3.2.6).
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Since {
    /// `CHANGEDSINCE`: messages that changed.
    Changed(ModSeq),
    /// `CHANGEDSINCE`, `VANISHED`: and those that are gone. With UIDs and QRESYNC only.
    ChangedOrVanished(ModSeq),
}

impl From<ModSeq> for Since {
    fn from(mod_seq: ModSeq) -> Self {
        Self::Changed(mod_seq)
    }
}

/// ```text
/// fetch-modifiers = SP "(" fetch-modifier *(SP fetch-modifier) ")"   ; RFC 4466
/// fetch-modifier  = "CHANGEDSINCE" SP mod-sequence-value / "VANISHED" ; RFC 7162
/// fetch-modifier  =/ "PARTIAL" SP partial-range                       ; RFC 9394
/// ```
#[cold]
fn read_modifiers(
    r: &mut Reader<'_>,
    uid: bool,
) -> Result<(Option<Since>, Option<PartialRange>), ParseError> {
    if r.peek() != Some(b' ') || r.peek_at(1) != Some(b'(') {
        return Ok((None, None));
    }
    r.skip(2);
    let (start, mut changed, mut vanished, mut partial) = (r.offset(), None, false, None);
    r.items(|r| {
        let at = r.offset();
        match Modifier::of(r.take_class(chars::ATOM)) {
            Some(Modifier::ChangedSince) if changed.is_none() => {
                r.space()?;
                changed = Some(ModSeq::read(r)?);
            }
            Some(Modifier::Vanished) if uid => vanished = true,
            Some(Modifier::Partial) if uid && partial.is_none() => {
                r.space()?;
                partial = Some(PartialRange::read(r)?);
            }
            Some(_) => return Err(ParseError::new(at, "not a FETCH modifier here")),
            None => {
                return Err(ParseError::new(at, "unknown FETCH modifier").with_kind(ParseErrorKind::Unknown));
            }
        }
        Ok(())
    })?;
    let since = match changed {
        Some(mod_seq) if vanished => Some(Since::ChangedOrVanished(mod_seq)),
        Some(mod_seq) => Some(Since::Changed(mod_seq)),
        None if vanished || partial.is_none() => {
            return Err(ParseError::new(start, "expected CHANGEDSINCE"));
        }
        None => None,
    };
    Ok((since, partial))
}

keywords! {
    enum Modifier { ChangedSince = "CHANGEDSINCE", Partial = "PARTIAL", Vanished = "VANISHED" }
}

/// What FETCH asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum FetchAtts {
    /// `ALL`: FLAGS, INTERNALDATE, RFC822.SIZE and ENVELOPE.
    All,
    /// `FAST`: the same without ENVELOPE.
    Fast,
    /// `FULL`: that of `ALL` and BODY.
    Full,
    /// These, at least one.
    List(Vec<FetchAtt>),
}

/// One item that FETCH asks for.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum FetchAtt {
    /// `ENVELOPE`
    Envelope,
    /// `FLAGS`
    Flags,
    /// `INTERNALDATE`
    InternalDate,
    /// `RFC822`: RFC 3501 only.
    Rfc822,
    /// `RFC822.HEADER`: RFC 3501 only.
    Rfc822Header,
    /// `RFC822.SIZE`
    Rfc822Size,
    /// `RFC822.TEXT`: RFC 3501 only.
    Rfc822Text,
    /// `BODY`: the structure without extension data.
    Body,
    /// `BODYSTRUCTURE`
    BodyStructure,
    /// `UID`
    Uid,
    /// `MODSEQ`: the modification sequence of the last change (RFC 7162).
    ModSeq,
    /// `BODY[...]`, `BODY.PEEK[...]`
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
    /// `SAVEDATE`: when it was put into the mailbox ([RFC 8514](https://www.rfc-editor.org/rfc/rfc8514)).
    SaveDate,
    /// `PREVIEW`: its first words ([RFC 8970](https://www.rfc-editor.org/rfc/rfc8970)).
    Preview(PreviewMods),
    /// `SNIPPET`: its first words, from before PREVIEW.
    Snippet(PreviewMods),
    /// `X-GM-LABELS`: Gmail's labels.
    GmailLabels,
    /// `X-GM-MSGID`: Gmail's identifier of the message.
    GmailMessageId,
    /// `X-GM-THRID`: Gmail's identifier of the conversation.
    GmailThreadId,
    /// Another item.
    Other(OtherItem),
}

impl Fetch {
    /// Asks for `items` of these messages.
    #[must_use]
    pub fn new(messages: impl Into<Messages>, items: impl Into<FetchAtts>) -> Self {
        Self { messages: messages.into(), items: items.into(), since: None, partial: None }
    }

    /// Only what changed since then.
    #[must_use]
    pub fn with_since(mut self, since: Since) -> Self {
        self.since = Some(since);
        self
    }

    /// Only a part of the messages, by their places among them. It is left out where they are not named by UIDs.
    #[must_use]
    pub fn with_partial(mut self, partial: PartialRange) -> Self {
        self.partial = Some(partial);
        self
    }

    /// What a peer lacks of what it must have for the options and items.
    #[inline]
    pub(super) fn lacks(&self, lacks: &impl Fn(&Need) -> bool) -> Option<Need> {
        let since = self.since.map(|since| match since {
            Since::Changed(_) => condstore::needs_condstore(),
            Since::ChangedOrVanished(_) => condstore::needs_qresync(),
        });
        let items: &[FetchAtt] = match &self.items {
            FetchAtts::List(items) => items,
            _ => &[],
        };
        let partial = || self.partial.and_then(|_| Some(Need::of(&Capability::Partial)).filter(lacks));
        let saved = || self.messages.needs().filter(lacks);
        let in_items = || items.iter().find_map(|item| item.needs().filter(lacks));
        since.filter(lacks).or_else(partial).or_else(saved).or_else(in_items)
    }

    /// ```text
    /// fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att /
    ///         "(" fetch-att *(SP fetch-att) ")")
    /// ```
    pub(super) fn read(r: &mut Reader<'_>, uid: bool) -> Result<Self, ParseError> {
        r.space()?;
        let messages = Messages::read(r, uid)?;
        r.space()?;
        let items = FetchAtts::read(r)?;
        let (since, partial) = if r.is_at_end() { (None, None) } else { read_modifiers(r, uid)? };
        Ok(Self { messages, items, since, partial })
    }

    pub(super) fn write(&self, e: &mut Writer<'_>) {
        e.name(self.messages.is_uid(), b"FETCH ");
        self.messages.write(e.out);
        e.put(b" ");
        self.write_items(e);
        if self.since.is_some() || self.partial.is_some() {
            self.write_modifiers(e);
        }
    }

    #[cold]
    fn write_modifiers(&self, e: &mut Writer<'_>) {
        let by_uid = self.messages.is_uid();
        let mut before: &[u8] = b" (";
        if let Some(Since::Changed(mod_seq) | Since::ChangedOrVanished(mod_seq)) = self.since {
            e.put(b" (CHANGEDSINCE ");
            e.number(mod_seq.get());
            if by_uid && matches!(self.since, Some(Since::ChangedOrVanished(_))) {
                e.put(b" VANISHED");
            }
            before = b" ";
        }
        if let Some(partial) = self.partial.filter(|_| by_uid) {
            e.put(before);
            e.put(b"PARTIAL ");
            partial.write(e.out);
            before = b" ";
        }
        if before == b" " {
            e.put(b")");
        }
    }

    fn write_items(&self, e: &mut Writer<'_>) {
        match &self.items {
            FetchAtts::All => e.put(b"ALL"),
            FetchAtts::Fast => e.put(b"FAST"),
            FetchAtts::Full => e.put(b"FULL"),
            FetchAtts::List(items) => {
                let alone = matches!(items.as_slice(), [item] if !item.has_arguments());
                if !alone {
                    e.put(b"(");
                }
                e.spaced(items, |e, item| item.write(e));
                if !alone {
                    e.put(b")");
                }
            }
        }
    }
}

impl From<Vec<FetchAtt>> for FetchAtts {
    fn from(items: Vec<FetchAtt>) -> Self {
        Self::List(items)
    }
}

impl<const N: usize> From<[FetchAtt; N]> for FetchAtts {
    fn from(items: [FetchAtt; N]) -> Self {
        Self::List(items.into())
    }
}

impl From<FetchAtt> for FetchAtts {
    fn from(item: FetchAtt) -> Self {
        Self::List(alloc::vec![item])
    }
}

impl FetchAtts {
    #[inline]
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        if r.eat(b'(') {
            let mut items = Vec::with_capacity(6);
            r.items(|r| {
                items.push(FetchAtt::read(r)?);
                match items.last_mut() {
                    Some(item @ (FetchAtt::Other(_) | FetchAtt::Preview(_) | FetchAtt::Snippet(_))) => {
                        read_what_follows(r, item)
                    }
                    _ => Ok(()),
                }
            })?;
            if items.is_empty() {
                return Err(r.error("an empty list of items"));
            }
            return Ok(Self::List(items));
        }
        Ok(match FetchAtt::read(r)? {
            FetchAtt::Other(item) if item.name.eq_ignore_ascii_case("ALL") => Self::All,
            FetchAtt::Other(item) if item.name.eq_ignore_ascii_case("FAST") => Self::Fast,
            FetchAtt::Other(item) if item.name.eq_ignore_ascii_case("FULL") => Self::Full,
            item => Self::List(alloc::vec![item]),
        })
    }
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
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        // `[` is an ATOM-CHAR, but ends the name of an item.
        let name = r.take_while(|byte| byte != b'[' && chars::is(byte, chars::ATOM));
        Ok(match Att::of(name) {
            Some(Att::Flags) => Self::Flags,
            Some(Att::Uid) => Self::Uid,
            Some(Att::Modseq) => Self::ModSeq,
            Some(Att::Envelope) => Self::Envelope,
            Some(Att::Internaldate) => Self::InternalDate,
            Some(Att::Rfc822Size) => Self::Rfc822Size,
            Some(Att::Bodystructure) => Self::BodyStructure,
            Some(Att::Body) if r.peek() == Some(b'[') => Self::section(r, false)?,
            Some(Att::BodyPeek) if r.peek() == Some(b'[') => Self::section(r, true)?,
            Some(Att::Body) => Self::Body,
            Some(Att::Rfc822) => Self::Rfc822,
            Some(Att::Rfc822Header) => Self::Rfc822Header,
            Some(Att::Rfc822Text) => Self::Rfc822Text,
            Some(Att::Binary) => Self::Binary { part: read_part(r)?, partial: read_partial(r)?, peek: false },
            Some(Att::BinaryPeek) => {
                Self::Binary { part: read_part(r)?, partial: read_partial(r)?, peek: true }
            }
            Some(Att::BinarySize) => Self::BinarySize { part: read_part(r)? },
            Some(Att::Emailid) => Self::EmailId,
            Some(Att::Threadid) => Self::ThreadId,
            Some(Att::Savedate) => Self::SaveDate,
            Some(Att::Preview) => Self::Preview(PreviewMods::read(r)),
            Some(Att::Snippet) => Self::Snippet(PreviewMods::read(r)),
            Some(Att::GmailLabels) => Self::GmailLabels,
            Some(Att::GmailMessageId) => Self::GmailMessageId,
            Some(Att::GmailThreadId) => Self::GmailThreadId,
            _ => return Self::other(r, start),
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

    fn has_arguments(&self) -> bool {
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
            Self::Binary { .. } | Self::BinarySize { .. } => Need::of(&Capability::Binary).or_rev2(),
            Self::EmailId | Self::ThreadId => Need::of(&Capability::ObjectId),
            Self::SaveDate => Need::of(&Capability::SaveDate),
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

    #[inline]
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
                write_part(e, part);
                write_partial(e, *partial);
            }
            Self::BinarySize { part } => {
                e.put(b"BINARY.SIZE");
                write_part(e, part);
            }
            Self::EmailId => e.put(b"EMAILID"),
            Self::ThreadId => e.put(b"THREADID"),
            Self::SaveDate => e.put(b"SAVEDATE"),
            Self::Preview(mods) => {
                e.put(b"PREVIEW");
                mods.write(e);
            }
            Self::Snippet(mods) => {
                e.put(b"SNIPPET");
                mods.write(e);
            }
            Self::GmailLabels => e.put(b"X-GM-LABELS"),
            Self::GmailMessageId => e.put(b"X-GM-MSGID"),
            Self::GmailThreadId => e.put(b"X-GM-THRID"),
            Self::Other(item) => write_other(item, e),
        }
    }
}

/// What belongs to an item and is not known here.
#[cold]
fn read_what_follows(r: &mut Reader<'_>, item: &mut FetchAtt) -> Result<(), ParseError> {
    match item {
        FetchAtt::Other(item) => read_arguments(r, item),
        FetchAtt::Preview(_) | FetchAtt::Snippet(_) => read_unknown_mods(r, item),
        _ => Ok(()),
    }
}

/// Modifiers of PREVIEW that are not known: then it is an item that is not known.
fn read_unknown_mods(r: &mut Reader<'_>, item: &mut FetchAtt) -> Result<(), ParseError> {
    if !r.rest().starts_with(b" (") {
        return Ok(());
    }
    let name = if matches!(item, FetchAtt::Preview(_)) { "PREVIEW" } else { "SNIPPET" };
    let mut other = OtherItem::new(Atom::unchecked(Text::from_static(name)));
    read_arguments(r, &mut other)?;
    *item = FetchAtt::Other(other);
    Ok(())
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

/// The arguments of an item that is not known, which stand in a list: `PREVIEW (LAZY)`.
fn read_arguments(r: &mut Reader<'_>, item: &mut OtherItem) -> Result<(), ParseError> {
    if !r.rest().starts_with(b" (") {
        return Ok(());
    }
    let start = r.offset();
    r.skip(1);
    match Value::read(r)? {
        Value::List(values) if !values.is_empty() => item.arguments = values,
        _ => return Err(ParseError::new(start + 1, "empty arguments of a FETCH item")),
    }
    Ok(())
}

/// ```text
/// section-binary = "[" [section-part] "]"
/// section-part   = nz-number *("." nz-number)
/// ```
fn read_part(r: &mut Reader<'_>) -> Result<Vec<NonZeroU32>, ParseError> {
    let start = r.offset();
    let section = Section::read(r)?;
    if section.text().is_some() {
        return Err(ParseError::new(start, "only part numbers can stand in BINARY"));
    }
    Ok(section.part().to_vec())
}

fn write_part(e: &mut Writer<'_>, part: &[NonZeroU32]) {
    e.put(b"[");
    for (index, number) in part.iter().enumerate() {
        if index > 0 {
            e.put(b".");
        }
        e.number(u64::from(number.get()));
    }
    e.put(b"]");
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
        Snippet = "SNIPPET",
        Threadid = "THREADID",
        GmailLabels = "X-GM-LABELS",
        GmailMessageId = "X-GM-MSGID",
        GmailThreadId = "X-GM-THRID",
        Uid = "UID",
    }
}
