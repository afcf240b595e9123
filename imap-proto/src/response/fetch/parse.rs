//! Reading FETCH responses.

use alloc::{boxed::Box, vec::Vec};

use mailwire_core::{Dialect, ParseError, ParseErrorKind};

use super::{BinaryData, BinarySize, FetchData, MsgAtt, OtherMsgAtt, SectionData};
use crate::{
    deviation,
    extensions::{annotate::AnnotationData, gmail::GmailLabel, object_ids::ObjectIds},
    types::{
        BodyStructure, Data, DateTime, Envelope, FlagSet, ImapString, RawValue, Reader, Section, ShortList,
        Uid, chars, eat_nil, read_astring, read_data, read_known_count, read_mod_seq, read_nstring, read_nz,
        read_section_binary, skip_value,
    },
};

impl FetchData {
    /// ```text
    /// msg-att = "(" (msg-att-dynamic / msg-att-static) *(SP (msg-att-dynamic / msg-att-static)) ")"
    /// ```
    ///
    /// Lenient: an empty list; parentheses around items; items after the list; an item that cannot be
    /// read costs itself.
    pub(crate) fn read_items(&mut self, r: &mut Reader<'_>) -> Result<(), ParseError> {
        let start = r.offset();
        r.expect(b'(', "expected (")?;
        // Parentheses inside of the outer ones, which do not belong there.
        let mut open = 0usize;
        let mut closed = false;
        r.no_space()?;
        loop {
            match r.peek() {
                Some(b')') => {
                    r.skip(1);
                    if open > 0 {
                        open -= 1;
                    } else if is_last(r) {
                        break;
                    } else {
                        closed = true;
                        r.deviate(deviation::SURPLUS_DATA)?;
                    }
                }
                Some(b'(') => {
                    r.deviate(deviation::PARENTHESIS_AROUND_ITEM)?;
                    r.skip(1);
                    open += 1;
                    continue;
                }
                Some(_) => MsgAtt::read_or_keep(r, &mut self.items)?,
                None if closed => break,
                None => {
                    r.deviate(deviation::MISSING_PARENTHESIS)?;
                    break;
                }
            }
            match r.peek() {
                Some(b' ') if !matches!(r.peek_at(1), Some(b' ' | b')') | None) => r.skip(1),
                Some(b' ') => r.no_space()?,
                Some(b')') | None => {}
                Some(_) => r.deviate(deviation::MISSING_SPACE)?,
            }
        }
        if self.items.is_empty() {
            r.deviate_at(start, deviation::EMPTY_FETCH)?;
        }
        Ok(())
    }
}

/// Whether a response ends here, but for spaces.
#[inline]
fn is_last(r: &Reader<'_>) -> bool {
    r.is_at_end() || r.rest().iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}

impl MsgAtt {
    fn read_or_keep(r: &mut Reader<'_>, items: &mut ShortList<Self>) -> Result<(), ParseError> {
        let start = r.offset();
        match Self::read(r, items) {
            Ok(()) if matches!(r.peek(), Some(b' ' | b')')) => return Ok(()),
            Ok(()) => {
                if r.dialect() == Dialect::Strict {
                    return Err(r.error("expected a space or )"));
                }
                // The next item without a space, or the rest of a value that was read in part.
                if r.peek().is_none_or(|byte| byte.is_ascii_alphabetic() || byte == b'(') {
                    return Ok(());
                }
                items.pop();
            }
            Err(error) if r.dialect() == Dialect::Strict || error.kind == ParseErrorKind::TooDeep => {
                return Err(error);
            }
            Err(_) => {}
        }
        items.push(Self::keep(r, start)?);
        Ok(())
    }

    /// The item from `start` on, unread: its name and one value, or all that is left if the value
    /// has no end.
    #[cold]
    fn keep(r: &mut Reader<'_>, start: usize) -> Result<Self, ParseError> {
        r.rewind(start);
        r.deviate(deviation::MALFORMED_ITEM)?;
        match skip_item(r) {
            Ok(()) => {}
            Err(error) if error.kind == ParseErrorKind::TooDeep => return Err(error),
            Err(_) => {
                r.rewind(start);
                r.deviate(deviation::MALFORMED_ITEM)?;
                let rest = r.rest();
                r.skip(memchr::memrchr(b')', rest).unwrap_or(rest.len()));
            }
        }
        if r.offset() == start {
            return Err(r.error("expected an item"));
        }
        Ok(Self::Malformed(r.text_from(start)))
    }

    /// Reads one, after those that are there.
    #[inline(always)]
    fn read(r: &mut Reader<'_>, items: &mut ShortList<Self>) -> Result<(), ParseError> {
        let start = r.offset();
        let name = r.take_class(chars::LABEL);
        let is = |known: &str| chars::is_name(name, known);
        // The length tells nearly all names apart.
        match name.len() {
            3 if is("UID") => {
                r.space()?;
                if let Some(uid) = read_uid(r)? {
                    items.push(Self::Uid(uid));
                }
            }
            4 if is("BODY") => return read_body(r, items),
            5 if is("FLAGS") => {
                r.space()?;
                items.push(Self::Flags(FlagSet::read(r)?));
            }
            6 if is("BINARY") => items.push(read_binary(r)?),
            6 if is("RFC822") => items.push(read_rfc822(r)?),
            6 if is("MODSEQ") => items.push(read_modseq(r)?),
            7 if is("EMAILID") => {
                r.space()?;
                let start = r.offset();
                items.push(Self::EmailId(
                    read_object_id(r)?.ok_or(ParseError::new(start, "expected an identifier"))?,
                ));
            }
            7 if is("PREVIEW") => {
                r.space()?;
                items.push(read_preview(r)?);
            }
            7 if is("SNIPPET") => {
                r.space()?;
                items.push(read_snippet(r)?);
            }
            8 if is("ENVELOPE") => {
                r.space()?;
                let mut envelope = Box::<Envelope>::default();
                envelope.read(r)?;
                items.push(Self::Envelope(envelope));
            }
            8 if is("THREADID") => {
                r.space()?;
                items.push(Self::ThreadId(read_object_id(r)?));
            }
            8 if is("OBJECTID") => {
                r.space()?;
                items.push(Self::ObjectIds(Box::new(ObjectIds::read(r)?)));
            }
            8 if is("SAVEDATE") => {
                r.space()?;
                items.push(Self::SaveDate(if eat_nil(r) { None } else { DateTime::read_lenient(r)? }));
            }
            9 if is("BODY.PEEK") && r.peek() == Some(b'[') => {
                r.deviate_at(start, deviation::PEEK_IN_RESPONSE)?;
                return read_body(r, items);
            }
            11 if is("BINARY.PEEK") => {
                r.deviate_at(start, deviation::PEEK_IN_RESPONSE)?;
                items.push(read_binary(r)?);
            }
            10 if is("X-GM-MSGID") => {
                r.space()?;
                items.push(Self::GmailMessageId(read_known_count(r)?));
            }
            10 if is("X-GM-THRID") => {
                r.space()?;
                items.push(Self::GmailThreadId(read_known_count(r)?));
            }
            10 if is("ANNOTATION") => items.push(Self::Annotation(Box::new(AnnotationData::read(r)?))),
            11 if is("RFC822.SIZE") => {
                r.space()?;
                items.push(Self::Rfc822Size(read_known_count(r)?));
            }
            11 if is("RFC822.TEXT") => {
                empty_section(r)?;
                items.push(Self::Rfc822Text(read_spaced_data(r)?));
            }
            11 if is("BINARY.SIZE") => {
                let part = read_section_binary(r)?;
                r.space()?;
                items.push(Self::BinarySize(Box::new(BinarySize { part, size: read_known_count(r)? })));
            }
            11 if is("X-GM-LABELS") => {
                r.space()?;
                items.push(Self::GmailLabels(read_labels(r)?));
            }
            12 if is("INTERNALDATE") => {
                r.space()?;
                items.push(Self::InternalDate(read_internal_date(r)?));
            }
            13 if is("BODYSTRUCTURE") => {
                r.space()?;
                items.push(Self::BodyStructure(BodyStructure::read(r)?));
            }
            13 if is("RFC822.HEADER") => {
                empty_section(r)?;
                items.push(Self::Rfc822Header(read_spaced_data(r)?));
            }
            _ => {
                r.seek(start);
                read_item_name(r)?;
                let name = r.text_from(start);
                r.space()?;
                items.push(Self::Other(Box::new(OtherMsgAtt { name, value: RawValue::read(r)? })));
            }
        }
        Ok(())
    }
}

/// ```text
/// "BODY" ["STRUCTURE"] SP body / "BODY" section ["<" number ">"] SP nstring
/// ```
///
/// `BODY` was read.
fn read_body(r: &mut Reader<'_>, items: &mut ShortList<MsgAtt>) -> Result<(), ParseError> {
    if r.peek() != Some(b'[') {
        r.space()?;
        items.push(MsgAtt::Body(BodyStructure::read(r)?));
        return Ok(());
    }
    let mut part = Box::<SectionData>::default();
    part.section = Section::read(r)?;
    part.origin = read_origin(r)?;
    r.space()?;
    part.data = read_data(r)?;
    items.push(MsgAtt::Section(part));
    Ok(())
}

/// ```text
/// "BINARY" section-binary SP (nstring / literal8)
/// ```
fn read_binary(r: &mut Reader<'_>) -> Result<MsgAtt, ParseError> {
    let part = read_section_binary(r)?;
    let origin = read_origin(r)?;
    r.space()?;
    let data = read_data(r)?;
    Ok(MsgAtt::Binary(Box::new(BinaryData { part, origin, data })))
}

/// ```text
/// "RFC822" SP nstring
/// ```
///
/// `RFC822` was read. Lenient: a section in brackets, which is that of BODY.
#[inline]
fn read_rfc822(r: &mut Reader<'_>) -> Result<MsgAtt, ParseError> {
    if r.peek() == Some(b'[') {
        r.deviate(deviation::SECTION_OF_RFC822)?;
        let section = Section::read(r)?;
        if section != Section::WHOLE {
            return Ok(MsgAtt::Section(Box::new(SectionData::new(section, read_spaced_data(r)?))));
        }
    }
    Ok(MsgAtt::Rfc822(read_spaced_data(r)?))
}

/// Lenient: `[]` where no section stands.
#[inline]
fn empty_section(r: &mut Reader<'_>) -> Result<(), ParseError> {
    if r.peek() == Some(b'[') && r.peek_at(1) == Some(b']') {
        r.deviate(deviation::SECTION_OF_RFC822)?;
        r.skip(2);
    }
    Ok(())
}

fn read_spaced_data(r: &mut Reader<'_>) -> Result<Data, ParseError> {
    r.space()?;
    read_data(r)
}

/// ```text
/// ["<" number ">"]
/// ```
///
/// Lenient: the length that was asked for, too; a space before it.
fn read_origin(r: &mut Reader<'_>) -> Result<Option<u64>, ParseError> {
    if r.peek() == Some(b' ') && r.peek_at(1) == Some(b'<') {
        r.deviate(deviation::EXTRA_SPACE)?;
        r.skip(1);
    }
    if !r.eat(b'<') {
        return Ok(None);
    }
    let origin = r.number_u64()?;
    if r.peek() == Some(b'.') {
        r.deviate(deviation::LENGTH_IN_ORIGIN)?;
        r.skip(1);
        r.number_u64()?;
    }
    r.expect(b'>', "expected >")?;
    Ok(Some(origin))
}

/// Lenient: between quotes; 0, which is none.
fn read_uid(r: &mut Reader<'_>) -> Result<Option<Uid>, ParseError> {
    if r.peek().is_some_and(|byte| byte.is_ascii_digit()) && r.peek() != Some(b'0') {
        return read_nz(r).map(|uid| Some(Uid::from(uid)));
    }
    let start = r.offset();
    let uid = read_known_count(r)?;
    let uid = u32::try_from(uid).map_err(|_| ParseError::new(start, "not a unique identifier"))?;
    if uid == 0 {
        r.deviate_at(start, deviation::ZERO_FOR_UID)?;
    }
    Ok(Uid::new(uid))
}

/// ```text
/// "MODSEQ" SP "(" permsg-modsequence ")"     ; RFC 7162
/// ```
///
/// Lenient: without parentheses; 0 or less, which is none.
fn read_modseq(r: &mut Reader<'_>) -> Result<MsgAtt, ParseError> {
    r.space()?;
    let list = r.eat(b'(');
    if !list && r.peek() != Some(b'(') {
        r.deviate(deviation::MISSING_PARENTHESIS)?;
    }
    r.no_space()?;
    let value = match r.peek() {
        Some(b')') if list => {
            r.deviate(deviation::MISSING_FIELD)?;
            None
        }
        _ => read_mod_seq(r)?,
    };
    if list {
        r.no_space()?;
        r.expect(b')', "expected )")?;
    }
    Ok(MsgAtt::ModSeq(value))
}

/// ```text
/// objectid = 1*255(ALPHA / DIGIT / "_" / "-")     ; RFC 8474
/// "(" objectid ")" / nil
/// ```
///
/// Lenient: without parentheses, or between quotes.
fn read_object_id(r: &mut Reader<'_>) -> Result<Option<ImapString>, ParseError> {
    let start = r.offset();
    if !r.eat(b'(') {
        if eat_nil(r) {
            return Ok(None);
        }
        r.deviate(deviation::MISSING_PARENTHESIS)?;
        return read_astring(r).map(Some);
    }
    r.no_space()?;
    if r.eat(b')') {
        return r.deviate_at(start, deviation::EMPTY_LIST_FOR_NIL).map(|()| None);
    }
    let id = read_astring(r)?;
    r.no_space()?;
    r.expect(b')', "expected )")?;
    Ok(Some(id))
}

/// ```text
/// "PREVIEW" SP nstring     ; RFC 8970
/// ```
///
/// Lenient: the list of an early draft, `(FUZZY "text")`.
fn read_preview(r: &mut Reader<'_>) -> Result<MsgAtt, ParseError> {
    if r.peek() == Some(b'(') && r.peek_at(1) != Some(b')') {
        r.deviate(deviation::LIST_FOR_PREVIEW)?;
        return read_fuzzy(r).map(MsgAtt::Preview);
    }
    read_nstring(r).map(MsgAtt::Preview)
}

/// ```text
/// "SNIPPET" SP ("(" algorithm SP nstring ")" / nil)
/// ```
fn read_snippet(r: &mut Reader<'_>) -> Result<MsgAtt, ParseError> {
    if eat_nil(r) {
        return Ok(MsgAtt::Snippet(None));
    }
    read_fuzzy(r).map(MsgAtt::Snippet)
}

/// The name of an algorithm, which may be missing, and what it found: in parentheses.
#[cold]
fn read_fuzzy(r: &mut Reader<'_>) -> Result<Option<ImapString>, ParseError> {
    r.expect(b'(', "expected (")?;
    if r.peek() != Some(b'"') {
        read_astring(r)?;
        r.space()?;
    }
    let text = read_nstring(r)?;
    r.no_space()?;
    r.expect(b')', "expected )")?;
    Ok(text)
}

/// Gmail's labels: astrings, and names with a backslash like flags.
fn read_labels(r: &mut Reader<'_>) -> Result<Vec<GmailLabel>, ParseError> {
    let start = r.offset();
    if !r.eat(b'(') {
        if eat_nil(r) {
            return r.deviate_at(start, deviation::NIL_FOR_EMPTY_LIST).map(|()| Vec::new());
        }
        return Err(r.error("expected ("));
    }
    r.list_of(GmailLabel::read)
}

/// Lenient: `NIL` or an empty string; a literal; an unquoted word is an error of the item.
fn read_internal_date(r: &mut Reader<'_>) -> Result<Option<DateTime>, ParseError> {
    let start = r.offset();
    if eat_nil(r) {
        return r.deviate_at(start, deviation::NIL_FOR_DATE).map(|()| None);
    }
    if r.peek() == Some(b'"') && r.peek_at(1) == Some(b'"') {
        r.deviate(deviation::EMPTY_DATE)?;
        r.skip(2);
        return Ok(None);
    }
    DateTime::read_lenient(r)
}

/// A name and what stands in brackets after it.
fn read_item_name(r: &mut Reader<'_>) -> Result<(), ParseError> {
    let start = r.offset();
    loop {
        r.take_while(|byte| chars::is(byte, chars::ATOM) && byte != b'[');
        if r.peek() != Some(b'[') {
            break;
        }
        // One look decides, so that many brackets without an end cost no more than one.
        r.take_while(|byte| !matches!(byte, b']' | 0 | b'\r' | b'\n'));
        r.expect(b']', "expected ]")?;
    }
    if r.offset() == start { Err(r.error("expected an item")) } else { Ok(()) }
}

/// A name and one value.
fn skip_item(r: &mut Reader<'_>) -> Result<(), ParseError> {
    read_item_name(r)?;
    if r.peek() == Some(b')') {
        return Ok(());
    }
    while r.eat(b' ') {}
    if r.peek() == Some(b')') {
        return Ok(());
    }
    skip_value(r)?;
    if !matches!(r.peek(), None | Some(b' ' | b')')) {
        return Err(r.error("a value without its end"));
    }
    Ok(())
}
