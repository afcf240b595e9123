//! Reading: the first bytes decide.

use alloc::boxed::Box;

use bytes::Bytes;
use mailwire_core::{Dialect, ParseError, ParseErrorKind, Parsed, Text};

use super::{
    Continuation, ESearchData, FetchData, ListData, ListKind, OtherData, Reply, ReplyKind, Response,
    SearchData, StatusData, Tagged, ThreadData, Untagged, VanishedData, reply::read_text,
};
use crate::{
    Capability, deviation,
    extensions::{ExtensionData, id, namespace::NamespaceData},
    framing::announcement,
    types::{FlagSet, Literal, ParseContext, Reader, SeqNumber, ShortList, Tag, Uid, chars, read_literal},
};

impl Response {
    /// Reads one complete response: its lines with their literals, without its last line end.
    ///
    /// # Errors
    ///
    /// It is not a response. In the strict dialect, every deviation from the grammar.
    #[inline]
    pub fn parse(frame: &Bytes, context: impl Into<ParseContext>) -> Result<Parsed<Self>, ParseError> {
        Self::parse_in(frame, &context.into())
    }

    pub(crate) fn parse_in(frame: &Bytes, context: &ParseContext) -> Result<Parsed<Self>, ParseError> {
        let mut reader = Reader::new(frame, context);
        reader.line_end(context.newline)?;
        let response = Self::read(&mut reader);
        // It is moved only once.
        response.map(|response| reader.finish(response))
    }

    /// ```text
    /// response        = *(continue-req / response-data) response-done
    /// continue-req    = "+" SP (resp-text / base64) CRLF
    /// response-tagged = tag SP resp-cond-state CRLF
    /// ```
    ///
    /// Lenient: a response code without `* OK` before it.
    #[inline(always)]
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        match r.peek() {
            Some(b'*') => {
                r.skip(1);
                r.space()?;
                Untagged::read(r).map(Self::Untagged)
            }
            Some(b'+') => {
                r.skip(1);
                if !r.eat(b' ') {
                    let name = if r.is_at_end() { deviation::MISSING_TEXT } else { deviation::MISSING_SPACE };
                    r.deviate(name)?;
                }
                let (code, text) = read_text(r)?;
                Ok(Self::Continuation(Continuation { code, text }))
            }
            Some(b'[') if begins_code(r)? => read_code_alone(r),
            Some(_) => read_tagged(r),
            None => Err(r.error("an empty line")),
        }
    }
}

/// Whether a response code begins here, with no `* OK` before it. A tag can begin with a bracket, too.
///
/// Lenient: it is taken.
#[cold]
fn begins_code(r: &mut Reader<'_>) -> Result<bool, ParseError> {
    let after = r.rest().iter().position(|byte| *byte == b' ').and_then(|at| r.rest().get(at + 1..));
    let kind = after.and_then(|after| after.split(|byte| !byte.is_ascii_alphabetic()).next());
    let tagged = kind.is_some_and(|kind| ReplyKind::from_name(kind).is_some());
    if tagged || r.dialect() == Dialect::Strict {
        return Ok(false);
    }
    r.deviate(deviation::MISSING_ASTERISK).map(|()| true)
}

#[cold]
fn read_code_alone(r: &mut Reader<'_>) -> Result<Response, ParseError> {
    let (code, text) = read_text(r)?;
    Ok(Response::Untagged(Untagged::Reply(Reply { kind: ReplyKind::Ok, code, text })))
}

#[inline(always)]
fn read_tagged(r: &mut Reader<'_>) -> Result<Response, ParseError> {
    let tag = Tag::unchecked(r.text_class(chars::TAG, "expected *, + or a tag")?);
    r.space()?;
    let start = r.offset();
    let kind = match ReplyKind::from_name(r.take_while(|byte| byte.is_ascii_alphabetic())) {
        Some(kind @ (ReplyKind::Ok | ReplyKind::No | ReplyKind::Bad)) => kind,
        Some(ReplyKind::Bye) => return read_tagged_bye(r, start),
        _ => return Err(ParseError::new(start, "expected OK, NO or BAD")),
    };
    Ok(Response::Tagged(Tagged { tag, reply: read_reply(r, kind)? }))
}

/// Lenient: BYE with the tag of a command, mostly of LOGOUT.
#[cold]
fn read_tagged_bye(r: &mut Reader<'_>, start: usize) -> Result<Response, ParseError> {
    r.deviate_at(start, deviation::TAGGED_BYE)?;
    read_reply(r, ReplyKind::Bye).map(|bye| Response::Untagged(Untagged::Reply(bye)))
}

/// After the kind, to the end of the line.
#[inline(always)]
fn read_reply(r: &mut Reader<'_>, kind: ReplyKind) -> Result<Reply, ParseError> {
    match r.peek() {
        Some(b' ') => r.skip(1),
        None => r.deviate(deviation::MISSING_TEXT)?,
        Some(b'[' | b'\r' | b'\t') => r.deviate(deviation::MISSING_SPACE)?,
        Some(_) => return Err(r.error("expected a space")),
    }
    if r.peek() == Some(b' ') {
        // More spaces are text; but a code can follow them.
        let spaces = r.rest().iter().take_while(|&&byte| byte == b' ').count();
        if r.peek_at(spaces) == Some(b'[') {
            r.deviate(deviation::EXTRA_SPACE)?;
            r.skip(spaces);
        }
    }
    let (code, text) = read_text(r)?;
    Ok(Reply { kind, code, text })
}

impl Untagged {
    /// After `* `.
    ///
    /// ```text
    /// response-data = "*" SP (resp-cond-state / resp-cond-bye / mailbox-data / message-data /
    ///                 capability-data / enable-data) CRLF
    /// ```
    ///
    /// Lenient: a response code without `OK`.
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        match r.peek() {
            Some(b'0'..=b'9') => return Self::read_numbered(r),
            Some(b'[') => {
                r.deviate(deviation::CODE_WITHOUT_OK)?;
                let (code, text) = read_text(r)?;
                return Ok(Self::Reply(Reply { kind: ReplyKind::Ok, code, text }));
            }
            _ => {}
        }
        let name = r.take_class(chars::ATOM);
        // `OK[ALERT]`, without its space.
        let name = match memchr::memchr(b'[', name) {
            Some(at) => {
                r.seek(start + at);
                r.since(start)
            }
            None => name,
        };
        if let Some(kind) = ReplyKind::from_name(name) {
            return read_reply(r, kind).map(Self::Reply);
        }
        let is = |known: &str| chars::is_name(name, known);
        let data = match name.len() {
            4 if is("LIST") => Self::List(ListData::read(r, ListKind::List)?),
            4 if is("LSUB") => Self::List(ListData::read(r, ListKind::Lsub)?),
            5 if is("XLIST") => Self::List(ListData::read(r, ListKind::Xlist)?),
            5 if is("FLAGS") => {
                r.space()?;
                Self::Flags(FlagSet::read(r)?)
            }
            6 if is("STATUS") => Self::Status(StatusData::read(r)?),
            4 if is("SORT") => Self::Sort(SearchData::read(r)?),
            6 if is("THREAD") => Self::Thread(ThreadData::read(r)?),
            6 if is("SEARCH") => Self::Search(SearchData::read(r)?),
            7 if is("ESEARCH") => Self::ESearch(ESearchData::read(r)?),
            7 if is("ENABLED") => Self::Enabled(Capability::read_all(r)?),
            10 if is("CAPABILITY") => Self::Capability(Capability::read_all(r)?),
            8 if is("VANISHED") => Self::Vanished(VanishedData::read(r)?),
            9 if is("NAMESPACE") => Self::Namespace(Box::new(NamespaceData::read(r)?)),
            2 if is("ID") => Self::Id(id::read_data(r)?),
            _ => match ExtensionData::read(name, r) {
                Some(data) => data?.into(),
                None => {
                    r.seek(start);
                    return read_other(r, None);
                }
            },
        };
        r.end_of_response()?;
        Ok(data)
    }

    /// ```text
    /// message-data = nz-number SP ("EXPUNGE" / ("FETCH" SP msg-att)) / uniqueid SP "UIDFETCH" SP msg-att
    /// mailbox-data =/ number SP "EXISTS" / number SP "RECENT"
    /// ```
    ///
    /// Lenient: message number 0.
    fn read_numbered(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        let number = r.number_u64()?;
        let small = u32::try_from(number)
            .map_err(|_| ParseError::new(start, "number too large").with_kind(ParseErrorKind::OutOfRange));
        r.space()?;
        let name_at = r.offset();
        let name = r.take_class(chars::ATOM);
        let is = |known: &str| chars::is_name(name, known);
        let data = match name.len() {
            5 if is("FETCH") => {
                let number = from_one(r, start, small?)?;
                r.space()?;
                let mut fetch = FetchData { number, uid: None, items: ShortList::new() };
                fetch.read_items(r)?;
                r.end_of_response()?;
                return Ok(Self::Fetch(fetch));
            }
            6 if is("EXISTS") => Self::Exists(small?),
            6 if is("RECENT") => Self::Recent(small?),
            8 if is("UIDFETCH") => {
                let number = small?;
                if number == 0 {
                    r.deviate_at(start, deviation::ZERO_FOR_UID)?;
                }
                r.space()?;
                let mut fetch = FetchData { number: None, uid: Uid::new(number), items: ShortList::new() };
                fetch.read_items(r)?;
                r.end_of_response()?;
                return Ok(Self::Fetch(fetch));
            }
            7 if is("EXPUNGE") => Self::Expunge(from_one(r, start, small?)?),
            _ => {
                r.seek(name_at);
                return read_other(r, Some(number));
            }
        };
        r.end_of_response()?;
        Ok(data)
    }
}

#[inline]
fn from_one(r: &mut Reader<'_>, start: usize, number: u32) -> Result<Option<SeqNumber>, ParseError> {
    if number == 0 {
        r.deviate_at(start, deviation::ZERO_FOR_MESSAGE_NUMBER)?;
    }
    Ok(SeqNumber::new(number))
}

/// A response that is not known here: its name, and the rest of the frame.
fn read_other(r: &mut Reader<'_>, number: Option<u64>) -> Result<Untagged, ParseError> {
    let name = r.text_class(chars::ATOM, "expected a response")?;
    if !r.is_at_end() && !r.eat(b' ') {
        match r.dialect() {
            Dialect::Strict => return Err(r.error("expected a space")),
            Dialect::Lenient => r.deviate(deviation::MISSING_SPACE)?,
        }
    }
    let start = r.offset();
    // Literals in it are stepped over, to see whether one is not there.
    let mut complete = true;
    while let Some(at) = memchr::memchr(b'\n', r.rest()) {
        let line = r.rest().get(..at).unwrap_or_default();
        let Some(open) = memchr::memrchr(b'{', line) else {
            return Err(r.error("a line end in a response"));
        };
        r.skip(open);
        complete &= matches!(read_literal(r)?, Literal::Inline(_));
    }
    let rest = r.rest();
    if memchr::memchr2(0, b'\r', rest).is_some() {
        r.deviate(deviation::CONTROL_CHARACTER)?;
    }
    r.skip(rest.len());
    let end = r.offset();
    let trailing = rest.iter().rev().take_while(|&&byte| byte == b' ').count();
    if trailing > 0 {
        r.deviate_at(end - trailing, deviation::SPACE_BEFORE_LINE_END)?;
    }
    // What was odd about it must not be sent on.
    complete &= r.is_undeviated() && announcement(rest).is_none();
    let rest = Text::from(r.slice(start, end - trailing));
    Ok(Untagged::Other(Box::new(OtherData { number, name, rest, complete })))
}
