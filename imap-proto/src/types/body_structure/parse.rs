//! Reading body structures.

use alloc::boxed::Box;

use mailwire_core::{ParseError, Text};

use super::{
    BodyStructure, ContentEncoding, MessagePart, MultiPart, PartExtension, PartKind, SinglePart,
    extension::{eat, has_extension, read_common, read_multi_extension, read_parameters},
};
use crate::{
    deviation,
    types::{
        ImapString, Reader,
        address::{more_fields, next_field},
        chars, eat_nil,
        envelope::Envelope,
        number::read_count,
        quoted::{Follow, take_plain},
        raw::skip_value,
        string::{read_nstring_field, read_string_field},
    },
};

impl BodyStructure {
    /// A part of which nothing is known.
    fn unknown() -> Self {
        Self::Multi(Box::default())
    }

    /// ```text
    /// body            = "(" (body-type-1part / body-type-mpart) ")"
    /// body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart]
    /// body-type-1part = (body-type-basic / body-type-msg / body-type-text) [SP body-ext-1part]
    /// ```
    ///
    /// Lenient: `NIL`; spaces between parts; a multipart without parts or subtype; fields that are
    /// missing at the end.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        if !r.eat(b'(') {
            if eat_nil(r) {
                r.deviate_at(start, deviation::NIL_FOR_BODY)?;
                return Ok(Self::unknown());
            }
            return Err(r.error("expected a body structure"));
        }
        r.nested(|r| {
            r.no_space()?;
            match r.peek() {
                Some(b'(') => read_multi(r),
                Some(b')') => {
                    r.deviate(deviation::EMPTY_BODY)?;
                    r.skip(1);
                    Ok(Self::unknown())
                }
                Some(_) => read_single(r),
                None => Err(r.error("expected a body structure")),
            }
        })
    }
}

impl ContentEncoding {
    /// An empty string is the default. Lenient: so is `NIL`.
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        if r.peek() == Some(b'"') {
            if let Some(known) = take_plain(r, Follow::Value).and_then(Self::known) {
                return Ok(known);
            }
            r.seek(start);
        }
        let mut name = None;
        read_nstring_field(r, &mut name)?;
        match name {
            None => r.deviate_at(start, deviation::NIL_FOR_STRING).map(|()| Self::SevenBit),
            Some(name) => Ok(Self::from(name)),
        }
    }
}

/// After the first `(`, before the first part's.
fn read_multi(r: &mut Reader<'_>) -> Result<BodyStructure, ParseError> {
    let mut part = Box::<MultiPart>::default();
    loop {
        part.parts.push(BodyStructure::read(r)?);
        match r.peek() {
            Some(b'(') => {}
            Some(b' ') if r.peek_at(1) == Some(b'(') => {
                r.deviate(deviation::SPACE_BETWEEN_PARTS)?;
                r.skip(1);
            }
            _ => break,
        }
    }
    if more_fields(r)? {
        read_string_field(r, &mut part.media_subtype)?;
        read_multi_extension(r, &mut part.extension)?;
    } else {
        r.skip(1);
    }
    Ok(BodyStructure::Multi(part))
}

/// ```text
/// body-type-basic = media-basic SP body-fields
/// body-type-msg   = media-message SP body-fields SP envelope SP body SP body-fld-lines
/// body-type-text  = media-text SP body-fields SP body-fld-lines
/// body-fields     = body-fld-param SP body-fld-id SP body-fld-desc SP body-fld-enc SP body-fld-octets
/// ```
///
/// Lenient: a multipart without parts.
fn read_single(r: &mut Reader<'_>) -> Result<BodyStructure, ParseError> {
    let start = r.offset();
    let mut part = Box::<SinglePart>::default();
    read_string_field(r, &mut part.media_type)?;
    if !matches!(r.rest(), [b' ', b'"', ..]) || part.media_type.is_empty() {
        if let Some(subtype) = missing_subtype(r, &part.media_type)? {
            part.media_subtype = subtype;
        } else if let Some(odd) = childless(r, start, &part.media_type)? {
            return Ok(BodyStructure::Multi(odd));
        } else if more_fields(r)? {
            read_string_field(r, &mut part.media_subtype)?;
        }
    } else if more_fields(r)? {
        read_string_field(r, &mut part.media_subtype)?;
    }
    if more_fields(r)? {
        read_parameters(r, &mut part.parameters)?;
    }
    if !eat(r, b" NIL NIL") {
        next_field(r, &mut part.id)?;
        next_field(r, &mut part.description)?;
    }
    if more_fields(r)? {
        if r.peek().is_some_and(|byte| byte.is_ascii_digit()) && is_count(r) {
            // Its place is one before: a field before it is missing.
            r.deviate(deviation::MISSING_FIELD)?;
            part.encoding = part.description.take().map_or(ContentEncoding::SevenBit, ContentEncoding::from);
            let space = r.offset().saturating_sub(1);
            r.seek(space);
        } else {
            part.encoding = ContentEncoding::read(r)?;
        }
    }
    if more_fields(r)? {
        part.octets = read_count(r)?;
    }
    if is_text(&part.media_type) {
        part.kind = PartKind::Text { lines: read_lines(r)? };
    } else if is_message(&part.media_type, &part.media_subtype) {
        part.kind = read_message(r)?;
    } else if r.peek() == Some(b' ') && r.peek_at(1).is_some_and(|byte| byte.is_ascii_digit()) {
        r.deviate(deviation::LINES_OF_A_BASIC_PART)?;
        r.skip(1);
        read_count(r)?;
    }
    if eat(r, b" NIL NIL NIL NIL)") {
        // So most parts end.
        part.extension = Some(PartExtension::default());
    } else if has_extension(r)? {
        let extension = part.extension.insert(PartExtension::default());
        if r.peek() == Some(b'(') {
            odd_md5(r, &mut extension.md5)?;
        } else {
            read_nstring_field(r, &mut extension.md5)?;
        }
        read_common(r, &mut extension.common)?;
    }
    Ok(BodyStructure::Single(part))
}

/// A list where Content-MD5 is due: the field is missing and this is the disposition, unless it is
/// empty, or has two strings: those are the parameters of a multipart, whose extension data this is.
#[cold]
fn odd_md5(r: &mut Reader<'_>, to: &mut Option<ImapString>) -> Result<(), ParseError> {
    if r.peek_at(1) == Some(b')') {
        return read_nstring_field(r, to);
    }
    let here = r.mark();
    r.skip(1);
    let parameters = skip_value(r).is_ok() && r.eat(b' ') && matches!(r.peek(), Some(b'"' | b'{'));
    r.reset(here);
    if parameters {
        r.deviate(deviation::PARAMETERS_FOR_MD5)?;
        return skip_value(r).map(|_| ());
    }
    // The space before the disposition is read again there.
    let before = r.offset().saturating_sub(1);
    if r.between(before, r.offset()) == b" " {
        r.seek(before);
    }
    r.deviate(deviation::MISSING_FIELD)
}

/// `("APPLICATION" NIL NIL NIL "base64" 356)`: a part without its subtype, whose type was read, if what
/// follows are the other fields: parameters, id, description, encoding and then a number. The subtype
/// that is meant.
#[cold]
fn missing_subtype(r: &mut Reader<'_>, media_type: &ImapString) -> Result<Option<ImapString>, ParseError> {
    let here = r.mark();
    let mut fields = [None; 5];
    for field in &mut fields {
        if !r.eat(b' ') {
            break;
        }
        *field = r.peek();
        if skip_value(r).is_err() {
            break;
        }
    }
    let message = r.peek() == Some(b' ') && r.peek_at(1) == Some(b'(');
    r.reset(here);
    let [Some(b'N' | b'n' | b'('), Some(_), Some(_), Some(_), Some(b'0'..=b'9')] = fields else {
        return Ok(None);
    };
    if media_type.is_empty() {
        return Ok(None);
    }
    r.deviate(deviation::MISSING_SUBTYPE)?;
    let is = |known: &str| chars::is_name(media_type.as_bytes(), known);
    let subtype = if is("TEXT") {
        "plain"
    } else if is("MESSAGE") && message {
        "rfc822"
    } else if is("MULTIPART") {
        "mixed"
    } else {
        "octet-stream"
    };
    Ok(Some(ImapString::unchecked(Text::from_static(subtype))))
}

/// `("RELATED" NIL ("ATTACHMENT" NIL) NIL)`, `("MIXED")`, `(NIL "MIXED")`: a multipart without
/// parts, whose `start` and first string were read.
#[cold]
fn childless(
    r: &mut Reader<'_>,
    start: usize,
    first: &ImapString,
) -> Result<Option<Box<MultiPart>>, ParseError> {
    let mut part = Box::<MultiPart>::default();
    match (r.peek(), r.peek_at(1)) {
        (Some(b' '), Some(b'"')) if first.is_empty() => {
            // A part of no type has no subtype either: NIL NIL, "" "".
            r.skip(1);
            read_string_field(r, &mut part.media_subtype)?;
            if part.media_subtype.is_empty()
                || r.peek() == Some(b' ') && r.peek_at(1) != Some(b')') && is_media_field(r)
            {
                r.rewind(start);
                read_string_field(r, &mut part.media_subtype)?;
                return Ok(None);
            }
        }
        (Some(b' '), Some(b'"' | b'{')) => return Ok(None),
        (Some(b' '), Some(b'N' | b'n')) if first.is_empty() || is_media_type(first) => return Ok(None),
        (Some(b' '), Some(b' ')) => return Ok(None),
        (Some(b' ' | b')'), _) => part.media_subtype = first.clone(),
        _ => return Ok(None),
    }
    r.deviate_at(start, deviation::MULTIPART_WITHOUT_PARTS)?;
    read_multi_extension(r, &mut part.extension)?;
    Ok(Some(part))
}

/// Whether the values that follow are those of a part: parameters, id, description and an encoding
/// that is a string.
fn is_media_field(r: &mut Reader<'_>) -> bool {
    let start = r.mark();
    let mut string = false;
    for _ in 0..4 {
        if !r.eat(b' ') {
            string = false;
            break;
        }
        string = r.peek() == Some(b'"');
        if skip_value(r).is_err() {
            string = false;
            break;
        }
    }
    r.reset(start);
    string
}

/// Whether the next word is a number and nothing else.
#[cold]
fn is_count(r: &Reader<'_>) -> bool {
    let end = r.rest().iter().position(|byte| !byte.is_ascii_digit());
    end.is_some_and(|end| matches!(r.peek_at(end), Some(b' ' | b')')))
}

#[inline]
pub(super) fn is_text(media_type: &ImapString) -> bool {
    chars::is_name(media_type.as_bytes(), "TEXT")
}

#[inline]
pub(super) fn is_message(media_type: &ImapString, subtype: &ImapString) -> bool {
    chars::is_name(media_type.as_bytes(), "MESSAGE")
        && (chars::is_name(subtype.as_bytes(), "RFC822") || chars::is_name(subtype.as_bytes(), "GLOBAL"))
}

fn is_media_type(name: &ImapString) -> bool {
    ["text", "application", "image", "audio", "video", "message", "font", "model", "multipart"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

/// ```text
/// body-fld-lines = number64
/// ```
///
/// Lenient: `NIL`, or none.
fn read_lines(r: &mut Reader<'_>) -> Result<Option<u64>, ParseError> {
    if r.peek() == Some(b' ') && r.peek_at(1).is_some_and(|byte| byte.is_ascii_digit()) {
        r.skip(1);
        return read_count(r);
    }
    odd_lines(r)
}

#[cold]
fn odd_lines(r: &mut Reader<'_>) -> Result<Option<u64>, ParseError> {
    let start = r.offset();
    if !more_fields(r)? {
        return Ok(None);
    }
    let has_lines = match r.peek() {
        Some(b'N' | b'n') => {
            // NIL for the lines, or lines missing and NIL for Content-MD5. The disposition, a list,
            // is the second field after the lines.
            let here = r.mark();
            let mut fields = 0;
            let mut list = None;
            while !matches!(r.peek(), None | Some(b')')) {
                if r.peek() == Some(b'(') && list.is_none() {
                    list = Some(fields);
                }
                if skip_value(r).is_err() {
                    break;
                }
                fields += 1;
                r.eat(b' ');
            }
            r.reset(here);
            match list {
                Some(at) => at == 2,
                None => fields == 1 || fields >= 5,
            }
        }
        Some(b'"') => {
            // A number between quotes, or Content-MD5.
            r.peek_at(1).is_some_and(|byte| byte.is_ascii_digit())
                && r.rest()
                    .get(1..)
                    .is_some_and(|rest| rest.iter().find(|byte| !byte.is_ascii_digit()) == Some(&b'"'))
        }
        Some(byte) => !matches!(byte, b'(' | b'{' | b'~'),
        None => false,
    };
    if has_lines {
        return read_count(r);
    }
    r.seek(start);
    r.deviate(deviation::MISSING_FIELD)?;
    Ok(None)
}

/// Lenient: the fields of a basic part alone; `NIL` for the envelope.
fn read_message(r: &mut Reader<'_>) -> Result<PartKind, ParseError> {
    if r.peek() != Some(b' ') || r.peek_at(1) != Some(b'(') {
        let start = r.offset();
        if !odd_message(r)? {
            r.deviate_at(start, deviation::MESSAGE_WITHOUT_STRUCTURE)?;
            if r.peek() == Some(b' ') && r.peek_at(1).is_some_and(|byte| byte.is_ascii_digit()) {
                r.skip(1);
                read_count(r)?;
            }
            return Ok(PartKind::Basic);
        }
    } else {
        r.skip(1);
    }
    let mut envelope = Envelope::default();
    envelope.read(r)?;
    let body = if more_fields(r)? { BodyStructure::read(r)? } else { BodyStructure::unknown() };
    let lines = read_lines(r)?;
    Ok(PartKind::Message(Box::new(MessagePart { envelope, body, lines })))
}

/// Steps to the envelope, if there is one that is `NIL` or stands after odd spaces: `NIL` and then
/// a body, whose second field is a string (a disposition's is a list).
#[cold]
fn odd_message(r: &mut Reader<'_>) -> Result<bool, ParseError> {
    let start = r.offset();
    while r.eat(b' ') {}
    if r.peek() == Some(b'(') {
        r.seek(start);
        r.space()?;
        return Ok(true);
    }
    let nil = r.offset();
    let mark = r.mark();
    let body = eat_nil(r)
        && r.eat(b' ')
        && r.eat(b'(')
        && (r.peek() == Some(b'(') || skip_value(r).is_ok() && r.eat(b' ') && r.peek() == Some(b'"'));
    r.reset(mark);
    r.seek(if body { nil } else { start });
    Ok(body)
}
