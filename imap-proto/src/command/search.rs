//! SEARCH.

use alloc::{boxed::Box, vec::Vec};

use mailwire_core::{ParseError, ParseErrorKind, keywords};

use super::{AString, OtherItem, parse::read_atom, rules::Need, writer::Writer};
use crate::extensions::condstore::{self, SearchModSeq};
use crate::types::{Atom, Date, Reader, SequenceSet, UidSet, chars};

/// `SEARCH` and `UID SEARCH` (RFC 9051 section 6.4.4).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Search {
    /// Whether the result is UIDs.
    pub uid: bool,
    /// `RETURN (...)`: what of the result. `None` is a search of RFC 3501; an empty list asks for
    /// `ALL`.
    pub returns: Option<Vec<SearchReturnOpt>>,
    /// The character set of the strings; US-ASCII or UTF-8 if there is none.
    pub charset: Option<Box<AString>>,
    /// What must all be true of a message. None means all messages.
    pub keys: Vec<SearchKey>,
}

/// What SEARCH returns.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum SearchReturnOpt {
    /// `MIN`: the lowest number.
    Min,
    /// `MAX`: the highest number.
    Max,
    /// `ALL`: all numbers.
    All,
    /// `COUNT`: how many.
    Count,
    /// `SAVE`: the result is kept, and is `$` in later commands.
    Save,
    /// Another option, of one word.
    Other(Atom),
}

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
    /// `FLAGGED`
    Flagged,
    /// `FROM`
    From(AString),
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
    /// `ON`: by internal date.
    On(Date),
    /// `OR`
    Or(Box<SearchKey>, Box<SearchKey>),
    /// `RECENT`: RFC 3501 only.
    Recent,
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
    /// `TO`
    To(AString),
    /// `UID`: messages by their unique identifiers.
    Uid(UidSet),
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
    /// Messages by their sequence numbers.
    Sequence(SequenceSet),
    /// `(...)`: all of these, at least one.
    And(Vec<SearchKey>),
    /// A key that is not known here. It is read with all that follows it in the command or in its list, for
    /// only its extension says where its arguments end.
    Other(OtherItem),
}

impl Search {
    /// A `SEARCH` for messages of which all of `keys` are true.
    #[must_use]
    pub fn new(keys: impl Into<Vec<SearchKey>>) -> Self {
        Self { uid: false, returns: None, charset: None, keys: keys.into() }
    }

    /// A `UID SEARCH`.
    #[must_use]
    pub fn by_uid(keys: impl Into<Vec<SearchKey>>) -> Self {
        Self { uid: true, ..Self::new(keys) }
    }

    /// Asks for these results: `RETURN (...)`. None of them asks for `ALL`.
    #[must_use]
    pub fn with_returns(mut self, returns: impl Into<Vec<SearchReturnOpt>>) -> Self {
        self.returns = Some(returns.into());
        self
    }

    /// Names the character set of the strings in the keys: `CHARSET`.
    #[must_use]
    pub fn with_charset(mut self, charset: AString) -> Self {
        self.charset = Some(Box::new(charset));
        self
    }

    /// ```text
    /// search             = "SEARCH" [search-return-opts] SP search-program
    /// search-return-opts = SP "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")"
    /// search-program     = ["CHARSET" SP charset SP] search-key *(SP search-key)
    /// ```
    pub(super) fn read(r: &mut Reader<'_>, uid: bool) -> Result<Self, ParseError> {
        r.space()?;
        let mut returns = None;
        if eat_word(r, "RETURN") {
            r.space()?;
            r.expect(b'(', "expected (")?;
            let mut options = Vec::new();
            let mut name_at = r.offset();
            r.items(|r| {
                // Options are named by letters: this belongs to one that is not known.
                if r.peek().is_some_and(|byte| matches!(byte, b'(' | b'-' | b'*' | b'0'..=b'9')) {
                    let error = ParseError::new(name_at, "unknown SEARCH result option");
                    return Err(error.with_kind(ParseErrorKind::Unknown));
                }
                name_at = r.offset();
                options.push(SearchReturnOpt::read(r)?);
                Ok(())
            })?;
            returns = Some(options);
            r.space()?;
        }
        let mut charset = None;
        if eat_word(r, "CHARSET") {
            r.space()?;
            charset = Some(Box::new(AString::read(r)?));
            r.space()?;
        }
        let mut keys = Vec::with_capacity(2);
        loop {
            keys.push(SearchKey::read(r)?);
            // Another key stands after one space.
            if r.peek() != Some(b' ') || r.peek_at(1).is_none() {
                return Ok(Self { uid, returns, charset, keys });
            }
            r.space()?;
        }
    }

    pub(super) fn write(&self, e: &mut Writer<'_>) {
        e.name(self.uid, b"SEARCH ");
        if let Some(returns) = &self.returns {
            e.put(b"RETURN (");
            e.spaced(returns, |e, option| option.write(e));
            e.put(b") ");
        }
        if let Some(charset) = &self.charset {
            e.put(b"CHARSET ");
            e.astring(charset);
            e.put(b" ");
        }
        SearchKey::write_all(&self.keys, e);
    }
}

/// Steps over a word and not over the beginning of a longer one.
fn eat_word(r: &mut Reader<'_>, word: &str) -> bool {
    !r.peek_at(word.len()).is_some_and(|byte| chars::is(byte, chars::ASTRING)) && r.eat_ignore_case(word)
}

impl SearchReturnOpt {
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let name = read_atom(r)?;
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        Ok(if is("MIN") {
            Self::Min
        } else if is("MAX") {
            Self::Max
        } else if is("ALL") {
            Self::All
        } else if is("COUNT") {
            Self::Count
        } else if is("SAVE") {
            Self::Save
        } else {
            Self::Other(name)
        })
    }

    fn write(&self, e: &mut Writer<'_>) {
        e.put(match self {
            Self::Min => b"MIN",
            Self::Max => b"MAX",
            Self::All => b"ALL",
            Self::Count => b"COUNT",
            Self::Save => b"SAVE",
            Self::Other(name) => name.as_bytes(),
        });
    }
}

impl SearchKey {
    /// Whether sequence numbers stand in it, or may do so.
    #[must_use]
    pub fn uses_sequence_numbers(&self) -> bool {
        match self {
            // It may have some among its arguments.
            Self::Sequence(_) | Self::Other(_) => true,
            Self::Not(key) => key.uses_sequence_numbers(),
            Self::Or(one, other) => one.uses_sequence_numbers() || other.uses_sequence_numbers(),
            Self::And(keys) => keys.iter().any(Self::uses_sequence_numbers),
            _ => false,
        }
    }

    /// Whether it is about modification sequences
    /// ([RFC 7162 section 3.1.5](https://www.rfc-editor.org/rfc/rfc7162#section-3.1.5)): the answer has one then.
    #[must_use]
    pub fn uses_mod_seq(&self) -> bool {
        self.any(&|key| matches!(key, Self::ModSeq(_)))
    }

    /// Whether this is true of a key in it that contains no other.
    fn any(&self, is: &impl Fn(&Self) -> bool) -> bool {
        match self {
            Self::Not(key) => key.any(is),
            Self::Or(one, other) => one.any(is) || other.any(is),
            Self::And(keys) => keys.iter().any(|key| key.any(is)),
            leaf => is(leaf),
        }
    }

    /// What a server must have for it.
    pub(super) fn needs(&self) -> Option<Need> {
        match self {
            Self::ModSeq(_) => Some(condstore::needs_condstore()),
            Self::Not(key) => key.needs(),
            Self::Or(one, other) => one.needs().or_else(|| other.needs()),
            Self::And(keys) => keys.iter().find_map(Self::needs),
            _ => None,
        }
    }

    /// The key in it that is not known here.
    pub(crate) fn unknown(&self) -> Option<&OtherItem> {
        match self {
            Self::Other(item) => Some(item),
            Self::Not(key) => key.unknown(),
            Self::Or(one, other) => one.unknown().or_else(|| other.unknown()),
            Self::And(keys) => keys.iter().find_map(Self::unknown),
            _ => None,
        }
    }

    /// Whether it ends in a key that is not known, to which all belongs that follows.
    fn takes_all(&self) -> bool {
        match self {
            Self::Other(_) => true,
            Self::Not(key) | Self::Or(_, key) => key.takes_all(),
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
    /// search-key = "ALL" / "ANSWERED" / "BCC" SP astring / "BEFORE" SP date / "BODY" SP astring /
    ///              "CC" SP astring / "DELETED" / "FLAGGED" / "FROM" SP astring /
    ///              "KEYWORD" SP flag-keyword / "NEW" / "OLD" / "ON" SP date / "RECENT" / "SEEN" /
    ///              "SINCE" SP date / "SUBJECT" SP astring / "TEXT" SP astring / "TO" SP astring /
    ///              "UNANSWERED" / "UNDELETED" / "UNFLAGGED" / "UNKEYWORD" SP flag-keyword / "UNSEEN" /
    ///              "DRAFT" / "HEADER" SP header-fld-name SP astring / "LARGER" SP number64 /
    ///              "NOT" SP search-key / "OR" SP search-key SP search-key / "SENTBEFORE" SP date /
    ///              "SENTON" SP date / "SENTSINCE" SP date / "SMALLER" SP number64 /
    ///              "UID" SP sequence-set / "UNDRAFT" / sequence-set /
    ///              "(" search-key *(SP search-key) ")" /
    ///              search-modsequence                                         ; RFC 7162
    /// ```
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        // What nests stands apart from what does not, to keep the stack small.
        match r.peek() {
            Some(b'(') => r.nested(Self::read_list),
            Some(b'N' | b'n') if eat_word(r, "NOT") => r.nested(Self::read_not),
            Some(b'O' | b'o') if eat_word(r, "OR") => r.nested(Self::read_or),
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
            Some(Key::On) => Self::On(date(r)?),
            Some(Key::Recent) => Self::Recent,
            Some(Key::Seen) => Self::Seen,
            Some(Key::Sentbefore) => Self::SentBefore(date(r)?),
            Some(Key::Senton) => Self::SentOn(date(r)?),
            Some(Key::Sentsince) => Self::SentSince(date(r)?),
            Some(Key::Since) => Self::Since(date(r)?),
            Some(Key::Smaller) => Self::Smaller(size(r)?),
            Some(Key::Subject) => Self::Subject(text(r)?),
            Some(Key::Text) => Self::Text(text(r)?),
            Some(Key::To) => Self::To(text(r)?),
            Some(Key::Uid) => {
                r.space()?;
                Self::Uid(UidSet::read(r)?)
            }
            Some(Key::Unanswered) => Self::Unanswered,
            Some(Key::Undeleted) => Self::Undeleted,
            Some(Key::Undraft) => Self::Undraft,
            Some(Key::Unflagged) => Self::Unflagged,
            Some(Key::Unkeyword) => Self::Unkeyword(keyword(r)?),
            Some(Key::Unseen) => Self::Unseen,
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

    fn write_all(keys: &[Self], e: &mut Writer<'_>) {
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
            Self::Flagged => e.put(b"FLAGGED"),
            Self::From(word) => write_text(e, b"FROM ", word),
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
            Self::On(date) => write_date(e, b"ON ", *date),
            Self::Or(one, other) => {
                e.put(b"OR ");
                one.write(e);
                e.put(b" ");
                other.write(e);
            }
            Self::Recent => e.put(b"RECENT"),
            Self::Seen => e.put(b"SEEN"),
            Self::SentBefore(date) => write_date(e, b"SENTBEFORE ", *date),
            Self::SentOn(date) => write_date(e, b"SENTON ", *date),
            Self::SentSince(date) => write_date(e, b"SENTSINCE ", *date),
            Self::Since(date) => write_date(e, b"SINCE ", *date),
            Self::Smaller(size) => write_size(e, b"SMALLER ", *size),
            Self::Subject(word) => write_text(e, b"SUBJECT ", word),
            Self::Text(word) => write_text(e, b"TEXT ", word),
            Self::To(word) => write_text(e, b"TO ", word),
            Self::Uid(set) => {
                e.put(b"UID ");
                set.write(e.out);
            }
            Self::Unanswered => e.put(b"UNANSWERED"),
            Self::Undeleted => e.put(b"UNDELETED"),
            Self::Undraft => e.put(b"UNDRAFT"),
            Self::Unflagged => e.put(b"UNFLAGGED"),
            Self::Unkeyword(keyword) => write_word(e, b"UNKEYWORD ", keyword),
            Self::Unseen => e.put(b"UNSEEN"),
            Self::Sequence(set) => set.write(e.out),
            Self::And(keys) => {
                e.put(b"(");
                Self::write_all(keys, e);
                e.put(b")");
            }
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

fn write_date(e: &mut Writer<'_>, name: &[u8], date: Date) {
    e.put(name);
    date.write(e.out);
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
        Flagged = "FLAGGED",
        From = "FROM",
        Header = "HEADER",
        Keyword = "KEYWORD",
        Larger = "LARGER",
        Modseq = "MODSEQ",
        New = "NEW",
        Old = "OLD",
        On = "ON",
        Recent = "RECENT",
        Seen = "SEEN",
        Sentbefore = "SENTBEFORE",
        Senton = "SENTON",
        Sentsince = "SENTSINCE",
        Since = "SINCE",
        Smaller = "SMALLER",
        Subject = "SUBJECT",
        Text = "TEXT",
        To = "TO",
        Uid = "UID",
        Unanswered = "UNANSWERED",
        Undeleted = "UNDELETED",
        Undraft = "UNDRAFT",
        Unflagged = "UNFLAGGED",
        Unkeyword = "UNKEYWORD",
        Unseen = "UNSEEN",
    }
}
