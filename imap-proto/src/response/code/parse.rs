//! Reading response codes.

use alloc::{boxed::Box, vec::Vec};
use core::num::NonZeroU32;

use mailwire_core::{Dialect, ParseError, ParseErrorKind, Text};

use super::{Code, CopyUid, OtherCode, write::write_bad_url};
use crate::{
    Capability, deviation,
    extensions::{
        annotate::{AnnotateCode, AnnotationSupport},
        inprogress::Progress,
        metadata::MetadataCode,
        object_ids::ObjectIds,
        quoted_tag,
        urlauth::UrlMechanism,
    },
    types::{
        Atom, ImapString, KnownNumbers, KnownUids, PermanentFlags, Reader, chars, read_astring, read_count,
        read_mod_seq, read_nz, read_string,
    },
};

impl Code {
    /// Reads a code and its `]`; its `[` was read.
    ///
    /// Lenient: a known code with arguments that are not what they should be, kept as
    /// [`Malformed`](Self::Malformed); spaces before `]`; no code at all.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Option<Self>, ParseError> {
        r.no_space()?;
        if r.peek() == Some(b']') {
            r.deviate(deviation::EMPTY_CODE)?;
            r.skip(1);
            return Ok(None);
        }
        let start = r.offset();
        let name = r.take_class(chars::ATOM);
        match Self::read_known(r, name) {
            Ok(Some(code)) => {
                r.no_space()?;
                if r.eat(b']') {
                    return Ok(Some(code));
                }
                if r.dialect() == Dialect::Strict {
                    return Err(r.error("expected ]"));
                }
                return Self::keep(r, start);
            }
            Ok(None) => r.seek(start),
            Err(error) if r.dialect() == Dialect::Strict || error.kind == ParseErrorKind::TooDeep => {
                return Err(error);
            }
            Err(_) => return Self::keep(r, start),
        }
        Self::read_other(r).map(Some)
    }

    /// One that is a name alone, with its `]`, as it is mostly written. Nothing is read otherwise.
    #[inline]
    pub(crate) fn read_plain(r: &mut Reader<'_>) -> Option<Self> {
        let start = r.offset();
        let name = r.take_class(chars::ATOM);
        let code = if r.eat(b']') { Self::plain(name) } else { None };
        if code.is_none() {
            r.seek(start);
        }
        code
    }

    /// The code from `start` to its `]`, unread.
    #[cold]
    fn keep(r: &mut Reader<'_>, start: usize) -> Result<Option<Self>, ParseError> {
        r.rewind(start);
        r.deviate(deviation::MALFORMED_CODE)?;
        let length = memchr::memchr(b']', r.rest()).ok_or(r.error("expected ]"))?;
        r.skip(length);
        let raw = r.text_from(start);
        r.skip(1);
        Ok(Some(Self::Malformed(raw)))
    }

    /// ```text
    /// atom [SP 1*<any TEXT-CHAR except "]">]
    /// ```
    fn read_other(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        let end = start + memchr::memchr(b']', r.rest()).ok_or(r.error("expected ]"))?;
        let name = Atom::unchecked(match r.text_class(chars::ATOM, "expected a response code") {
            Ok(name) => name,
            Err(error) => match r.dialect() {
                Dialect::Strict => return Err(error),
                Dialect::Lenient => {
                    r.deviate(deviation::ODD_CODE)?;
                    Text::from_static("X-UNKNOWN")
                }
            },
        });
        let mut arguments = None;
        if r.offset() < end {
            if !r.eat(b' ') {
                r.deviate(deviation::MISSING_SPACE)?;
            }
            let from = r.offset();
            let bytes = r.between(from, end);
            if memchr::memchr3(0, b'\r', b'\n', bytes).is_some() {
                return Err(r.error("a control character in a response code"));
            }
            if bytes.is_empty() {
                r.deviate(deviation::EXTRA_SPACE)?;
            } else {
                r.skip(bytes.len());
                if !r.utf8() && !bytes.is_ascii() {
                    r.deviate_at(from, deviation::EIGHT_BIT_TEXT)?;
                }
                arguments = Some(ImapString::unchecked(r.text_from(from)));
            }
        }
        r.expect(b']', "expected ]")?;
        Ok(Self::Other(Box::new(OtherCode { name, arguments })))
    }

    fn read_known(r: &mut Reader<'_>, name: &[u8]) -> Result<Option<Self>, ParseError> {
        let is = |known: &str| chars::is_name(name, known);
        let code = match name.len() {
            6 if is("UNSEEN") => Self::Unseen(read_number(r, deviation::ZERO_FOR_UNSEEN)?),
            6 if is("BADURL") => Self::BadUrl(read_bad_url(r)?),
            7 if is("URLMECH") => Self::UrlMech(UrlMechanism::read_all(r)?),
            7 if is("UIDNEXT") => Self::UidNext(read_number(r, deviation::ZERO_FOR_UIDNEXT)?),
            7 if is("COPYUID") => {
                let uid_validity = read_number(r, deviation::ZERO_FOR_UIDVALIDITY)?;
                r.space()?;
                let source = KnownUids::read(r)?;
                r.space()?;
                let destination = KnownUids::read(r)?;
                Self::CopyUid(Box::new(CopyUid { uid_validity, source, destination }))
            }
            7 if is("NEWNAME") => {
                r.space()?;
                let old = read_word(r)?;
                r.space()?;
                Self::NewName(Box::new([old, read_word(r)?]))
            }
            8 if is("ANNOTATE") => Self::Annotate(AnnotateCode::read(r)?),
            8 if is("METADATA") => Self::Metadata(MetadataCode::read(r)?),
            8 if is("NOUPDATE") => {
                r.space()?;
                Self::NoUpdate(quoted_tag(r)?)
            }
            8 if is("REFERRAL") => Self::Referral(read_urls(r)?),
            8 if is("WEBALERT") => {
                r.space()?;
                Self::WebAlert(read_url(r)?)
            }
            8 if is("BADEVENT") => {
                r.space()?;
                let start = r.offset();
                r.expect(b'(', "expected (")?;
                let names =
                    r.list_of(|r| r.text_class(chars::ATOM, "expected an event").map(Atom::unchecked))?;
                if names.is_empty() {
                    r.deviate_at(start, deviation::EMPTY_LIST)?;
                }
                Self::BadEvent(names)
            }
            8 if is("MODIFIED") => {
                r.space()?;
                Self::Modified(KnownNumbers::read(r)?)
            }
            8 if is("OBJECTID") => {
                r.space()?;
                Self::ObjectIds(Box::new(ObjectIds::read(r)?))
            }
            9 if is("MAILBOXID") => {
                r.space()?;
                r.expect(b'(', "expected (")?;
                r.no_space()?;
                let id = read_astring(r)?;
                r.no_space()?;
                r.expect(b')', "expected )")?;
                Self::MailboxId(id)
            }
            9 if is("APPENDUID") => {
                let uid_validity = read_number(r, deviation::ZERO_FOR_UIDVALIDITY)?;
                r.space()?;
                Self::AppendUid { uid_validity, uids: KnownUids::read(r)? }
            }
            10 if is("INPROGRESS") => Self::InProgress(Progress::read(r)?),
            10 if is("CAPABILITY") => Self::Capability(Capability::read_all(r)?),
            10 if is("BADCHARSET") => Self::BadCharset(read_charsets(r)?),
            11 if is("ANNOTATIONS") => Self::Annotations(AnnotationSupport::read(r)?),
            11 if is("UIDVALIDITY") => Self::UidValidity(read_number(r, deviation::ZERO_FOR_UIDVALIDITY)?),
            12 if is("MESSAGELIMIT") => {
                r.space()?;
                let limit = read_nz(r)?;
                let uid = if r.peek() == Some(b' ') && r.peek_at(1) != Some(b']') {
                    r.space()?;
                    Some(read_nz(r)?.into())
                } else {
                    None
                };
                Self::MessageLimit { limit, uid }
            }
            13 if is("HIGHESTMODSEQ") => {
                r.space()?;
                Self::HighestModSeq(read_mod_seq(r)?)
            }
            14 if is("PERMANENTFLAGS") => {
                r.space()?;
                Self::PermanentFlags(PermanentFlags::read(r)?)
            }
            15 if is("MAXCONVERTPARTS") => {
                r.space()?;
                Self::MaxConvertParts(read_nz(r)?)
            }
            18 if is("MAXCONVERTMESSAGES") => {
                r.space()?;
                Self::MaxConvertMessages(read_nz(r)?)
            }
            16 if is("UNDEFINED-FILTER") => {
                r.space()?;
                Self::UndefinedFilter(r.text_class(chars::ATOM, "expected a name").map(Atom::unchecked)?)
            }
            _ => match Self::plain(name) {
                // With arguments that it should not have, it is another.
                Some(code) if matches!(r.peek(), Some(b']')) || is_space_before_bracket(r) => code,
                Some(_) => return Err(r.error("expected ]")),
                None => return Ok(None),
            },
        };
        Ok(Some(code))
    }
}

fn is_space_before_bracket(r: &Reader<'_>) -> bool {
    r.rest().iter().find(|&&byte| byte != b' ') == Some(&b']')
}

/// Lenient: 0, in scientific notation and the like.
fn read_number<N: From<NonZeroU32>>(r: &mut Reader<'_>, zero: &'static str) -> Result<Option<N>, ParseError> {
    r.space()?;
    let start = r.offset();
    let value = read_count(r)?.and_then(|value| u32::try_from(value).ok());
    let value = value.ok_or(ParseError::new(start, "not a number of 32 bits"))?;
    if value == 0 {
        r.deviate_at(start, zero)?;
    }
    Ok(NonZeroU32::new(value).map(N::from))
}

/// ```text
/// badurl-response-code = "BADURL" SP url-resp-text
/// url-resp-text        = 1*(<any TEXT-CHAR except "]">)
/// ```
///
/// Quotes around it, as the RFC's example has them, are no part of it. Lenient: what cannot stand in a URL, of which `%` is
/// made.
fn read_bad_url(r: &mut Reader<'_>) -> Result<ImapString, ParseError> {
    r.space()?;
    let start = r.offset();
    let url = if r.peek() == Some(b'"') {
        read_string(r)?
    } else {
        r.take_while(|byte| byte > b' ' && byte < 0x7f && byte != b']');
        if r.peek().is_some_and(|byte| byte != b']') {
            r.deviate(deviation::ODD_URL)?;
            r.take_while(|byte| !matches!(byte, 0 | b'\r' | b'\n' | b']'));
        }
        ImapString::unchecked(r.text_from(start))
    };
    if url.is_empty() {
        return Err(ParseError::new(start, "expected a URL"));
    }
    let mut written = Vec::new();
    write_bad_url(&mut written, url.as_bytes());
    Ok(if written == url.as_bytes() { url } else { ImapString::unchecked(written.into()) })
}

/// ```text
/// referral_response_code = "[" "REFERRAL" 1*(SPACE <url>) "]"
/// ```
fn read_urls(r: &mut Reader<'_>) -> Result<Vec<ImapString>, ParseError> {
    let mut urls = Vec::new();
    loop {
        r.space()?;
        urls.push(read_url(r)?);
        if r.peek() != Some(b' ') || is_space_before_bracket(r) {
            return Ok(urls);
        }
    }
}

fn read_url(r: &mut Reader<'_>) -> Result<ImapString, ParseError> {
    let start = r.offset();
    r.take_while(|byte| byte > b' ' && byte < 0x7f && byte != b']');
    if r.offset() == start {
        Err(r.error("expected a URL"))
    } else {
        Ok(ImapString::unchecked(r.text_from(start)))
    }
}

/// ```text
/// "BADCHARSET" [SP "(" charset *(SP charset) ")" ]
/// ```
///
/// Lenient: without parentheses; an empty list.
fn read_charsets(r: &mut Reader<'_>) -> Result<Vec<ImapString>, ParseError> {
    let mut charsets = Vec::new();
    if r.peek() == Some(b']') {
        return Ok(charsets);
    }
    r.space()?;
    let start = r.offset();
    if r.eat(b'(') {
        r.items(|r| {
            charsets.push(read_word(r)?);
            Ok(())
        })?;
        if charsets.is_empty() {
            r.deviate_at(start, deviation::EMPTY_LIST)?;
        }
        return Ok(charsets);
    }
    r.deviate(deviation::MISSING_PARENTHESIS)?;
    while !matches!(r.peek(), None | Some(b']')) {
        charsets.push(read_word(r)?);
        while r.eat(b' ') {}
    }
    Ok(charsets)
}

/// An atom or a string.
fn read_word(r: &mut Reader<'_>) -> Result<ImapString, ParseError> {
    if matches!(r.peek(), Some(b'"' | b'{')) {
        return read_astring(r);
    }
    // `]` can stand in an astring, and ends the code here.
    r.text_class(chars::ATOM, "expected a word").map(ImapString::unchecked)
}
