//! Reading the keys of SEARCH.

use alloc::{boxed::Box, vec::Vec};
use core::num::NonZeroU32;

use bytes::Bytes;
use mailwire_core::{ParseError, ParseErrorKind, keywords};

use super::SearchKey;
use crate::{
    command::{
        AString, OtherItem,
        parse::{eat_word, read_atom},
    },
    extensions::{annotate::SearchAnnotation, condstore::SearchModSeq, gmail::GmailLabel},
    types::{Atom, Date, ObjectId, ParseContext, Reader, SequenceSet, UidSet, chars, read_nz},
};

#[cfg(feature = "server")]
impl SearchKey {
    /// Reads keys as they stand at the end of SEARCH and in a stored filter ([RFC 5466 section
    /// 3.2](https://www.rfc-editor.org/rfc/rfc5466#section-3.2)): all of them have to be true.
    ///
    /// ```
    /// use mailwire_core::Dialect;
    /// use mailwire_imap::{command::SearchKey, types::ParseContext};
    ///
    /// let keys = SearchKey::parse_all(&"OR SMALLER 5000 FROM boss".into(), &ParseContext::new(Dialect::Strict))?;
    /// assert!(matches!(keys.as_slice(), [SearchKey::Or(..)]));
    /// # Ok::<(), mailwire_core::ParseError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// It is not in the grammar.
    pub fn parse_all(text: &Bytes, context: &ParseContext) -> Result<Vec<Self>, ParseError> {
        let mut r = Reader::new(text, context);
        let keys = Self::read_all(&mut r)?;
        r.expect_end()?;
        Ok(keys)
    }
}

impl SearchKey {
    /// ```text
    /// search-key *(SP search-key)
    /// ```
    pub(in crate::command) fn read_all(r: &mut Reader<'_>) -> Result<Vec<Self>, ParseError> {
        let mut keys = Vec::with_capacity(4);
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
            Some(Key::Annotation) => Self::Annotation(Box::new(SearchAnnotation::read(r)?)),
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
                r.leave_unknown(start, "unknown search key");
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

keywords! {
    /// The names of search keys.
    enum Key {
        All = "ALL",
        Annotation = "ANNOTATION",
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
