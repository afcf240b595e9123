//! The keys of SEARCH.

use alloc::{boxed::Box, vec::Vec};
use core::num::NonZeroU32;

use mailwire_core::{ParseError, ParseErrorKind, keywords};

use super::{eat_word, fuzzy, saved};
use crate::{
    capability::Capability,
    command::{AString, OtherItem, parse::read_atom, rules::Need, writer::Writer},
    extensions::{
        condstore::{self, SearchModSeq},
        gmail::GmailLabel,
    },
    types::{Atom, Date, ObjectId, Reader, SequenceSet, Uid, UidSet, chars, read_nz},
};

/// What SEARCH looks for.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum SearchKey {
    /// `ALL`
    All,
    /// `ANSWERED`
    Answered,
    /// `BCC`: a word in that field.
    Bcc(AString),
    /// `BEFORE`: by internal date.
    Before(Date),
    /// `BODY`: a word in the body.
    Body(AString),
    /// `CC`
    Cc(AString),
    /// `DELETED`
    Deleted,
    /// `DRAFT`
    Draft,
    /// `EMAILID`: the message of this identifier
    /// ([RFC 8474 section 5.4](https://www.rfc-editor.org/rfc/rfc8474#section-5.4)).
    EmailId(ObjectId),
    /// `FILTER`: the keys that are stored under this name, an atom without `/`
    /// ([RFC 5466 section 3.1](https://www.rfc-editor.org/rfc/rfc5466#section-3.1)).
    Filter(Atom),
    /// `FLAGGED`
    Flagged,
    /// `FROM`
    From(AString),
    /// `FUZZY`: what is like this
    /// ([RFC 6203 section 3](https://www.rfc-editor.org/rfc/rfc6203#section-3)).
    Fuzzy(Box<SearchKey>),
    /// `HEADER`: a word in a field. The empty word asks for the field itself.
    Header(AString, AString),
    /// `KEYWORD`
    Keyword(Atom),
    /// `LARGER`, in bytes.
    Larger(u64),
    /// `MODSEQ`: changed at some change or after it (RFC 7162).
    ModSeq(SearchModSeq),
    /// `NEW`: recent and not seen. RFC 3501 only.
    New,
    /// `NOT`
    Not(Box<SearchKey>),
    /// `OLD`: not recent. RFC 3501 only.
    Old,
    /// `OLDER`: whose internal date is at least so many seconds ago
    /// ([RFC 5032 section 2](https://www.rfc-editor.org/rfc/rfc5032#section-2)).
    Older(NonZeroU32),
    /// `ON`: by internal date.
    On(Date),
    /// `OR`
    Or(Box<SearchKey>, Box<SearchKey>),
    /// `RECENT`: RFC 3501 only.
    Recent,
    /// `SAVEDATESUPPORTED`: all messages, if their mailbox knows when they were put into it
    /// ([RFC 8514 section 4.3](https://www.rfc-editor.org/rfc/rfc8514#section-4.3)).
    SaveDateSupported,
    /// `SAVEDBEFORE`: by the date on which they were put into the mailbox
    /// ([RFC 8514 section 4.3](https://www.rfc-editor.org/rfc/rfc8514#section-4.3)).
    SavedBefore(Date),
    /// `SAVEDON`
    SavedOn(Date),
    /// `SAVEDSINCE`
    SavedSince(Date),
    /// `SEEN`
    Seen,
    /// `SENTBEFORE`: by the Date field.
    SentBefore(Date),
    /// `SENTON`
    SentOn(Date),
    /// `SENTSINCE`
    SentSince(Date),
    /// `SINCE`: by internal date.
    Since(Date),
    /// `SMALLER`, in bytes.
    Smaller(u64),
    /// `SUBJECT`
    Subject(AString),
    /// `TEXT`: a word in header or body.
    Text(AString),
    /// `THREADID`: the messages of the thread with this identifier
    /// ([RFC 8474 section 5.4](https://www.rfc-editor.org/rfc/rfc8474#section-5.4)).
    ThreadId(ObjectId),
    /// `TO`
    To(AString),
    /// `UID`: messages by their unique identifiers.
    Uid(UidSet),
    /// `UIDAFTER`: higher unique identifiers than this
    /// ([RFC 9738](https://www.rfc-editor.org/rfc/rfc9738)).
    UidAfter(Uid),
    /// `UIDBEFORE`: lower unique identifiers than this
    /// ([RFC 9738](https://www.rfc-editor.org/rfc/rfc9738)).
    UidBefore(Uid),
    /// `UNANSWERED`
    Unanswered,
    /// `UNDELETED`
    Undeleted,
    /// `UNDRAFT`
    Undraft,
    /// `UNFLAGGED`
    Unflagged,
    /// `UNKEYWORD`
    Unkeyword(Atom),
    /// `UNSEEN`
    Unseen,
    /// `YOUNGER`: whose internal date is at most so many seconds ago
    /// ([RFC 5032 section 2](https://www.rfc-editor.org/rfc/rfc5032#section-2)).
    Younger(NonZeroU32),
    /// Messages by their sequence numbers.
    Sequence(SequenceSet),
    /// `(...)`: all of these, at least one.
    And(Vec<SearchKey>),
    /// `X-GM-LABELS`: messages with this label of Gmail.
    GmailLabel(GmailLabel),
    /// `X-GM-MSGID`: the message of this identifier of Gmail.
    GmailMessageId(u64),
    /// `X-GM-RAW`: what Gmail finds by its own search language: `has:attachment larger:5M`.
    GmailRaw(AString),
    /// `X-GM-THRID`: the messages of this conversation of Gmail.
    GmailThreadId(u64),
    /// A key that is not known here. It is read with all that follows it in the command or in its list, for
    /// only its extension says where its arguments end.
    Other(OtherItem),
}

impl SearchKey {
    /// Whether sequence numbers stand in it, or may do so.
    #[inline]
    #[must_use]
    pub fn uses_sequence_numbers(&self) -> bool {
        // It may have some among its arguments.
        let names = |key: &Self| matches!(key, Self::Sequence(_) | Self::Other(_)).then_some(());
        self.leaf(&mut |key| names(key)).is_some()
    }

    /// The first that `find` gives for a key in it that holds no other keys.
    #[inline]
    pub(crate) fn leaf<'a, T>(&'a self, find: &mut impl FnMut(&'a Self) -> Option<T>) -> Option<T> {
        match self {
            // Apart, as most keys hold no others.
            Self::Not(_) | Self::Fuzzy(_) | Self::Or(..) | Self::And(_) => self.leaf_within(find),
            leaf => find(leaf),
        }
    }

    #[inline(never)]
    fn leaf_within<'a, T>(&'a self, find: &mut impl FnMut(&'a Self) -> Option<T>) -> Option<T> {
        match self {
            Self::Not(key) => key.leaf(find),
            // What is within may need nothing, and this does.
            Self::Fuzzy(key) => find(self).or_else(|| key.leaf(find)),
            Self::Or(one, other) => one.leaf(find).or_else(|| other.leaf(find)),
            Self::And(keys) => keys.iter().find_map(|key| key.leaf(find)),
            leaf => find(leaf),
        }
    }

    /// Whether it is about modification sequences
    /// ([RFC 7162 section 3.1.5](https://www.rfc-editor.org/rfc/rfc7162#section-3.1.5)): the answer has one then.
    #[inline]
    #[must_use]
    pub fn uses_mod_seq(&self) -> bool {
        self.leaf(&mut |key| matches!(key, Self::ModSeq(_)).then_some(())).is_some()
    }

    /// The key in it that is not known here.
    #[inline]
    pub(crate) fn unknown(&self) -> Option<&OtherItem> {
        self.leaf(&mut |key| match key {
            Self::Other(item) => Some(item),
            _ => None,
        })
    }

    /// Whether something in it may be like what is looked for
    /// ([RFC 6203 section 3](https://www.rfc-editor.org/rfc/rfc6203#section-3)).
    #[must_use]
    pub fn is_fuzzy(&self) -> bool {
        self.leaf(&mut |key| matches!(key, Self::Fuzzy(_)).then_some(())).is_some()
    }

    /// What a server must have for this key itself.
    pub(super) fn needs(&self) -> Option<Need> {
        Some(match self {
            Self::ModSeq(_) => condstore::needs_condstore(),
            Self::Older(_) | Self::Younger(_) => Need::of(&Capability::Within),
            Self::Fuzzy(_) => fuzzy(),
            Self::Filter(_) => Need::of(&Capability::Filters),
            Self::GmailLabel(_) | Self::GmailMessageId(_) | Self::GmailRaw(_) | Self::GmailThreadId(_) => {
                Need::of(&Capability::GmailExtensions)
            }
            Self::EmailId(_) | Self::ThreadId(_) => Need::of(&Capability::ObjectId),
            Self::SaveDateSupported | Self::SavedBefore(_) | Self::SavedOn(_) | Self::SavedSince(_) => {
                Need::of(&Capability::SaveDate)
            }
            Self::UidAfter(_) | Self::UidBefore(_) => Need::of(&Capability::MessageLimit(NonZeroU32::MIN))
                .or(&[Capability::SaveLimit(NonZeroU32::MIN)]),
            Self::Sequence(set) if set.is_saved() => saved(),
            Self::Uid(set) if set.is_saved() => saved(),
            _ => return None,
        })
    }

    /// Whether it ends in a key that is not known, to which all belongs that follows.
    fn takes_all(&self) -> bool {
        match self {
            Self::Other(_) => true,
            Self::Not(key) | Self::Or(_, key) | Self::Fuzzy(key) => key.takes_all(),
            _ => false,
        }
    }

    /// The opposite.
    #[must_use]
    #[allow(clippy::should_implement_trait)]
    pub fn not(self) -> Self {
        Self::Not(Box::new(self))
    }

    /// This or `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::Or(Box::new(self), Box::new(other))
    }

    /// ```text
    /// search-key *(SP search-key)
    /// ```
    pub(in crate::command) fn read_all(r: &mut Reader<'_>) -> Result<Vec<Self>, ParseError> {
        let mut keys = Vec::with_capacity(2);
        loop {
            keys.push(Self::read(r)?);
            // Another key stands after one space.
            if r.peek() != Some(b' ') || r.peek_at(1).is_none() {
                return Ok(keys);
            }
            r.space()?;
        }
    }

    /// ```text
    /// search-key = "ALL" / "ANSWERED" / "BCC" SP astring / "BEFORE" SP date / "BODY" SP astring /
    ///              "CC" SP astring / "DELETED" / "FLAGGED" / "FROM" SP astring /
    ///              "KEYWORD" SP flag-keyword / "NEW" / "OLD" / "ON" SP date / "RECENT" / "SEEN" /
    ///              "SINCE" SP date / "SUBJECT" SP astring / "TEXT" SP astring / "TO" SP astring /
    ///              "UNANSWERED" / "UNDELETED" / "UNFLAGGED" / "UNKEYWORD" SP flag-keyword / "UNSEEN" /
    ///              "DRAFT" / "HEADER" SP header-fld-name SP astring / "LARGER" SP number64 /
    ///              "NOT" SP search-key / "OR" SP search-key SP search-key / "SENTBEFORE" SP date /
    ///              "SENTON" SP date / "SENTSINCE" SP date / "SMALLER" SP number64 /
    ///              "UID" SP sequence-set / "UNDRAFT" / sequence-set /
    ///              "(" search-key *(SP search-key) ")"
    /// search-key =/ search-modsequence                                         ; RFC 7162
    /// search-key =/ ( "OLDER" / "YOUNGER" ) SP nz-number                       ; RFC 5032
    /// search-key =/ "FILTER" SP filter-name                                    ; RFC 5466
    /// search-key =/ "FUZZY" SP search-key                                      ; RFC 6203
    /// search-key =/ "EMAILID" SP objectid / "THREADID" SP objectid             ; RFC 8474
    /// search-key =/ "SAVEDBEFORE" SP date / "SAVEDON" SP date / "SAVEDSINCE" SP date /
    ///               "SAVEDATESUPPORTED"                                        ; RFC 8514
    /// search-key =/ "UIDAFTER" SP uniqueid / "UIDBEFORE" SP uniqueid           ; RFC 9738
    /// ```
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        // What nests stands apart from what does not, to keep the stack small.
        match r.peek() {
            Some(b'(') => r.nested(Self::read_list),
            Some(b'N' | b'n') if eat_word(r, "NOT") => r.nested(Self::read_not),
            Some(b'O' | b'o') if eat_word(r, "OR") => r.nested(Self::read_or),
            Some(b'F' | b'f') if eat_word(r, "FUZZY") => r.nested(Self::read_fuzzy),
            Some(b'0'..=b'9' | b'*' | b'$') => SequenceSet::read(r).map(Self::Sequence),
            _ => Self::read_leaf(r),
        }
    }

    #[inline(never)]
    fn read_leaf(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        let name = r.take_class(chars::ATOM);
        Ok(match Key::of(name) {
            Some(Key::All) => Self::All,
            Some(Key::Answered) => Self::Answered,
            Some(Key::Bcc) => Self::Bcc(text(r)?),
            Some(Key::Before) => Self::Before(date(r)?),
            Some(Key::Body) => Self::Body(text(r)?),
            Some(Key::Cc) => Self::Cc(text(r)?),
            Some(Key::Deleted) => Self::Deleted,
            Some(Key::Draft) => Self::Draft,
            Some(Key::EmailId) => Self::EmailId(object_id(r)?),
            Some(Key::Filter) => Self::Filter(filter_name(r)?),
            Some(Key::Flagged) => Self::Flagged,
            Some(Key::From) => Self::From(text(r)?),
            Some(Key::Header) => {
                let field = text(r)?;
                Self::Header(field, text(r)?)
            }
            Some(Key::Keyword) => Self::Keyword(keyword(r)?),
            Some(Key::Larger) => Self::Larger(size(r)?),
            Some(Key::Modseq) => Self::ModSeq(SearchModSeq::read(r)?),
            Some(Key::New) => Self::New,
            Some(Key::Old) => Self::Old,
            Some(Key::Older) => Self::Older(nz_number(r)?),
            Some(Key::On) => Self::On(date(r)?),
            Some(Key::Recent) => Self::Recent,
            Some(Key::SaveDateSupported) => Self::SaveDateSupported,
            Some(Key::SavedBefore) => Self::SavedBefore(date(r)?),
            Some(Key::SavedOn) => Self::SavedOn(date(r)?),
            Some(Key::SavedSince) => Self::SavedSince(date(r)?),
            Some(Key::Seen) => Self::Seen,
            Some(Key::Sentbefore) => Self::SentBefore(date(r)?),
            Some(Key::Senton) => Self::SentOn(date(r)?),
            Some(Key::Sentsince) => Self::SentSince(date(r)?),
            Some(Key::Since) => Self::Since(date(r)?),
            Some(Key::Smaller) => Self::Smaller(size(r)?),
            Some(Key::Subject) => Self::Subject(text(r)?),
            Some(Key::Text) => Self::Text(text(r)?),
            Some(Key::ThreadId) => Self::ThreadId(object_id(r)?),
            Some(Key::To) => Self::To(text(r)?),
            Some(Key::Uid) => {
                r.space()?;
                Self::Uid(UidSet::read(r)?)
            }
            Some(Key::UidAfter) => Self::UidAfter(nz_number(r)?.into()),
            Some(Key::UidBefore) => Self::UidBefore(nz_number(r)?.into()),
            Some(Key::Unanswered) => Self::Unanswered,
            Some(Key::Undeleted) => Self::Undeleted,
            Some(Key::Undraft) => Self::Undraft,
            Some(Key::Unflagged) => Self::Unflagged,
            Some(Key::Unkeyword) => Self::Unkeyword(keyword(r)?),
            Some(Key::Unseen) => Self::Unseen,
            Some(Key::Younger) => Self::Younger(nz_number(r)?),
            Some(Key::GmailLabels) => {
                r.space()?;
                Self::GmailLabel(GmailLabel::read(r)?)
            }
            Some(Key::GmailMessageId) => Self::GmailMessageId(long(r)?),
            Some(Key::GmailRaw) => Self::GmailRaw(text(r)?),
            Some(Key::GmailThreadId) => Self::GmailThreadId(long(r)?),
            None if name.first().is_some_and(u8::is_ascii_alphabetic) => {
                let mut other = OtherItem::new(Atom::unchecked(r.text_from(start)));
                other.read_arguments(r)?;
                if !matches!(r.peek(), None | Some(b' ' | b')')) {
                    return Err(r.error("expected a space"));
                }
                Self::Other(other)
            }
            None => return Err(ParseError::new(start, "not a search key")),
        })
    }

    fn read_boxed(r: &mut Reader<'_>) -> Result<Box<Self>, ParseError> {
        r.space()?;
        Self::read(r).map(Box::new)
    }

    #[inline(never)]
    fn read_not(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        Self::read_boxed(r).map(Self::Not)
    }

    #[inline(never)]
    fn read_fuzzy(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        Self::read_boxed(r).map(Self::Fuzzy)
    }

    #[inline(never)]
    fn read_or(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        let start = r.offset();
        let one = Box::new(Self::read(r)?);
        if one.takes_all() {
            // The second key is among its arguments.
            return Err(ParseError::new(start, "unknown search key").with_kind(ParseErrorKind::Unknown));
        }
        Ok(Self::Or(one, Self::read_boxed(r)?))
    }

    #[inline(never)]
    fn read_list(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        r.skip(1);
        let mut keys = Vec::with_capacity(2);
        r.items(|r| {
            keys.push(Self::read(r)?);
            Ok(())
        })?;
        if keys.is_empty() {
            Err(ParseError::new(start, "an empty list of search keys"))
        } else {
            Ok(Self::And(keys))
        }
    }

    pub(in crate::command) fn write_all(keys: &[Self], e: &mut Writer<'_>) {
        if keys.is_empty() {
            e.put(b"ALL");
        }
        e.spaced(keys, |e, key| key.write(e));
    }

    fn write(&self, e: &mut Writer<'_>) {
        match self {
            Self::All => e.put(b"ALL"),
            Self::Answered => e.put(b"ANSWERED"),
            Self::Bcc(word) => write_text(e, b"BCC ", word),
            Self::Before(date) => write_date(e, b"BEFORE ", *date),
            Self::Body(word) => write_text(e, b"BODY ", word),
            Self::Cc(word) => write_text(e, b"CC ", word),
            Self::Deleted => e.put(b"DELETED"),
            Self::Draft => e.put(b"DRAFT"),
            Self::EmailId(id) => write_id(e, b"EMAILID ", id),
            Self::Filter(name) => write_word(e, b"FILTER ", name),
            Self::Flagged => e.put(b"FLAGGED"),
            Self::From(word) => write_text(e, b"FROM ", word),
            Self::Fuzzy(key) => {
                e.put(b"FUZZY ");
                key.write(e);
            }
            Self::Header(field, word) => {
                write_text(e, b"HEADER ", field);
                write_text(e, b" ", word);
            }
            Self::Keyword(keyword) => write_word(e, b"KEYWORD ", keyword),
            Self::Larger(size) => write_size(e, b"LARGER ", *size),
            Self::ModSeq(search) => search.write(e),
            Self::New => e.put(b"NEW"),
            Self::Not(key) => {
                e.put(b"NOT ");
                key.write(e);
            }
            Self::Old => e.put(b"OLD"),
            Self::Older(seconds) => write_nz(e, b"OLDER ", *seconds),
            Self::On(date) => write_date(e, b"ON ", *date),
            Self::Or(one, other) => {
                e.put(b"OR ");
                one.write(e);
                e.put(b" ");
                other.write(e);
            }
            Self::Recent => e.put(b"RECENT"),
            Self::SaveDateSupported => e.put(b"SAVEDATESUPPORTED"),
            Self::SavedBefore(date) => write_date(e, b"SAVEDBEFORE ", *date),
            Self::SavedOn(date) => write_date(e, b"SAVEDON ", *date),
            Self::SavedSince(date) => write_date(e, b"SAVEDSINCE ", *date),
            Self::Seen => e.put(b"SEEN"),
            Self::SentBefore(date) => write_date(e, b"SENTBEFORE ", *date),
            Self::SentOn(date) => write_date(e, b"SENTON ", *date),
            Self::SentSince(date) => write_date(e, b"SENTSINCE ", *date),
            Self::Since(date) => write_date(e, b"SINCE ", *date),
            Self::Smaller(size) => write_size(e, b"SMALLER ", *size),
            Self::Subject(word) => write_text(e, b"SUBJECT ", word),
            Self::Text(word) => write_text(e, b"TEXT ", word),
            Self::ThreadId(id) => write_id(e, b"THREADID ", id),
            Self::To(word) => write_text(e, b"TO ", word),
            Self::Uid(set) => {
                e.put(b"UID ");
                set.write(e.out);
            }
            Self::UidAfter(uid) => write_nz(e, b"UIDAFTER ", (*uid).into()),
            Self::UidBefore(uid) => write_nz(e, b"UIDBEFORE ", (*uid).into()),
            Self::Unanswered => e.put(b"UNANSWERED"),
            Self::Undeleted => e.put(b"UNDELETED"),
            Self::Undraft => e.put(b"UNDRAFT"),
            Self::Unflagged => e.put(b"UNFLAGGED"),
            Self::Unkeyword(keyword) => write_word(e, b"UNKEYWORD ", keyword),
            Self::Unseen => e.put(b"UNSEEN"),
            Self::Younger(seconds) => write_nz(e, b"YOUNGER ", *seconds),
            Self::Sequence(set) => set.write(e.out),
            Self::And(keys) => {
                e.put(b"(");
                Self::write_all(keys, e);
                e.put(b")");
            }
            Self::GmailLabel(label) => {
                e.put(b"X-GM-LABELS ");
                label.put(e);
            }
            Self::GmailMessageId(id) => write_long(e, b"X-GM-MSGID ", *id),
            Self::GmailRaw(query) => write_text(e, b"X-GM-RAW ", query),
            Self::GmailThreadId(id) => write_long(e, b"X-GM-THRID ", *id),
            Self::Other(item) => write_other(item, e),
        }
    }
}

#[cold]
fn write_other(item: &OtherItem, e: &mut Writer<'_>) {
    e.put(item.name.as_bytes());
    if !item.arguments.is_empty() {
        e.put(b" ");
        e.values(&item.arguments);
    }
}

fn text(r: &mut Reader<'_>) -> Result<AString, ParseError> {
    r.space()?;
    AString::read(r)
}

fn date(r: &mut Reader<'_>) -> Result<Date, ParseError> {
    r.space()?;
    Date::read(r)
}

fn keyword(r: &mut Reader<'_>) -> Result<Atom, ParseError> {
    r.space()?;
    read_atom(r)
}

/// ```text
/// filter-name = 1*<any ATOM-CHAR except "/">
/// ```
fn filter_name(r: &mut Reader<'_>) -> Result<Atom, ParseError> {
    let name = keyword(r)?;
    if name.as_bytes().contains(&b'/') { Err(r.error("not the name of a filter")) } else { Ok(name) }
}

fn object_id(r: &mut Reader<'_>) -> Result<ObjectId, ParseError> {
    r.space()?;
    let start = r.offset();
    ObjectId::new(r.text_class(chars::ATOM, "expected an identifier")?)
        .map_err(|_| ParseError::new(start, "not an identifier"))
}

fn nz_number(r: &mut Reader<'_>) -> Result<NonZeroU32, ParseError> {
    r.space()?;
    read_nz(r)
}

/// A number of 64 bits.
fn long(r: &mut Reader<'_>) -> Result<u64, ParseError> {
    r.space()?;
    r.number_u64()
}

fn size(r: &mut Reader<'_>) -> Result<u64, ParseError> {
    r.space()?;
    let start = r.offset();
    let size = r.number_u64()?;
    if size > i64::MAX as u64 {
        Err(ParseError::new(start, "number too large").with_kind(ParseErrorKind::OutOfRange))
    } else {
        Ok(size)
    }
}

fn write_text(e: &mut Writer<'_>, name: &[u8], word: &AString) {
    e.put(name);
    e.astring(word);
}

fn write_word(e: &mut Writer<'_>, name: &[u8], word: &Atom) {
    e.put(name);
    e.put(word.as_bytes());
}

fn write_id(e: &mut Writer<'_>, name: &[u8], id: &ObjectId) {
    e.put(name);
    e.put(id.as_bytes());
}

fn write_date(e: &mut Writer<'_>, name: &[u8], date: Date) {
    e.put(name);
    date.write(e.out);
}

fn write_nz(e: &mut Writer<'_>, name: &[u8], number: NonZeroU32) {
    e.put(name);
    e.number(u64::from(number.get()));
}

fn write_long(e: &mut Writer<'_>, name: &[u8], number: u64) {
    e.put(name);
    e.number(number);
}

fn write_size(e: &mut Writer<'_>, name: &[u8], size: u64) {
    e.put(name);
    e.number(size.min(i64::MAX as u64));
}

keywords! {
    /// The names of search keys.
    enum Key {
        All = "ALL",
        Answered = "ANSWERED",
        Bcc = "BCC",
        Before = "BEFORE",
        Body = "BODY",
        Cc = "CC",
        Deleted = "DELETED",
        Draft = "DRAFT",
        EmailId = "EMAILID",
        Filter = "FILTER",
        Flagged = "FLAGGED",
        From = "FROM",
        Header = "HEADER",
        Keyword = "KEYWORD",
        Larger = "LARGER",
        Modseq = "MODSEQ",
        New = "NEW",
        Old = "OLD",
        Older = "OLDER",
        On = "ON",
        Recent = "RECENT",
        SaveDateSupported = "SAVEDATESUPPORTED",
        SavedBefore = "SAVEDBEFORE",
        SavedOn = "SAVEDON",
        SavedSince = "SAVEDSINCE",
        Seen = "SEEN",
        Sentbefore = "SENTBEFORE",
        Senton = "SENTON",
        Sentsince = "SENTSINCE",
        Since = "SINCE",
        Smaller = "SMALLER",
        Subject = "SUBJECT",
        Text = "TEXT",
        ThreadId = "THREADID",
        To = "TO",
        Uid = "UID",
        UidAfter = "UIDAFTER",
        UidBefore = "UIDBEFORE",
        Unanswered = "UNANSWERED",
        Undeleted = "UNDELETED",
        Undraft = "UNDRAFT",
        Unflagged = "UNFLAGGED",
        Unkeyword = "UNKEYWORD",
        Unseen = "UNSEEN",
        Younger = "YOUNGER",
        GmailLabels = "X-GM-LABELS",
        GmailMessageId = "X-GM-MSGID",
        GmailRaw = "X-GM-RAW",
        GmailThreadId = "X-GM-THRID",
    }
}
