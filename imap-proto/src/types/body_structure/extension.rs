//! Reading what parts can have beyond what they are: parameters and extension data.

use alloc::vec::Vec;

use mailwire_core::ParseError;

use super::{CommonExtension, Disposition, MultiExtension};
use crate::{
    deviation,
    types::{
        ImapString, RawValue, Reader,
        address::{more_fields, rest_of_list},
        eat_nil,
        raw::skip_value,
        short_list::ShortList,
        string::{read_nstring_field, read_string_field},
    },
};

/// Steps over what is mostly there.
#[inline]
pub(super) fn eat(r: &mut Reader<'_>, expected: &[u8]) -> bool {
    let found = r.rest().starts_with(expected);
    if found {
        r.skip(expected.len());
    }
    found
}

/// Whether extension data follow; if not, the part's `)` was read.
#[inline]
pub(super) fn has_extension(r: &mut Reader<'_>) -> Result<bool, ParseError> {
    match r.rest() {
        [b')', ..] => {
            r.skip(1);
            Ok(false)
        }
        [b' ', next, ..] if !matches!(next, b' ' | b')') => {
            r.skip(1);
            Ok(true)
        }
        _ => odd_extension(r),
    }
}

#[cold]
fn odd_extension(r: &mut Reader<'_>) -> Result<bool, ParseError> {
    if r.is_at_end() {
        return Err(r.error("expected )"));
    }
    if r.peek() == Some(b' ') {
        r.deviate(deviation::EXTRA_SPACE)?;
        while r.eat(b' ') {}
    } else {
        r.space()?;
    }
    Ok(!r.eat(b')'))
}

/// ```text
/// body-ext-mpart = body-fld-param [SP body-fld-dsp [SP body-fld-lang [SP body-fld-loc *(SP body-extension)]]]
/// ```
pub(super) fn read_multi_extension(
    r: &mut Reader<'_>,
    to: &mut Option<MultiExtension>,
) -> Result<(), ParseError> {
    if !has_extension(r)? {
        return Ok(());
    }
    let extension = to.insert(MultiExtension::default());
    read_parameters(r, &mut extension.parameters)?;
    read_common(r, &mut extension.common)
}

/// ```text
/// [SP body-fld-dsp [SP body-fld-lang [SP body-fld-loc *(SP body-extension)]]]
/// ```
///
/// And the part's `)`.
pub(super) fn read_common(r: &mut Reader<'_>, common: &mut CommonExtension) -> Result<(), ParseError> {
    if eat(r, b" NIL NIL NIL)") || !has_extension(r)? {
        return Ok(());
    }
    read_disposition(r, &mut common.disposition)?;
    if eat(r, b" NIL NIL)") || !has_extension(r)? {
        return Ok(());
    }
    common.language = read_language(r)?;
    if !has_extension(r)? {
        return Ok(());
    }
    if r.peek() == Some(b'(') && r.peek_at(1) != Some(b')') {
        r.deviate(deviation::LIST_FOR_LOCATION)?;
        skip_value(r)?;
    } else {
        read_nstring_field(r, &mut common.location)?;
    }
    while has_extension(r)? {
        common.others.push(RawValue::read_extension(r)?);
    }
    Ok(())
}

/// ```text
/// body-fld-dsp = "(" string SP body-fld-param ")" / nil
/// ```
///
/// Lenient: a string, which has no parameters; an empty list.
fn read_disposition(r: &mut Reader<'_>, to: &mut Option<Disposition>) -> Result<(), ParseError> {
    let start = r.offset();
    if r.eat(b'(') {
        r.no_space()?;
        if r.eat(b')') {
            return r.deviate_at(start, deviation::EMPTY_LIST_FOR_NIL);
        }
        let disposition = to.insert(Disposition::default());
        read_string_field(r, &mut disposition.kind)?;
        if more_fields(r)? {
            read_parameters(r, &mut disposition.parameters)?;
        }
        return if r.eat(b')') { Ok(()) } else { rest_of_list(r, deviation::SURPLUS_DISPOSITION_FIELD) };
    }
    if eat_nil(r) {
        return Ok(());
    }
    let mut kind = ImapString::EMPTY;
    read_string_field(r, &mut kind)?;
    r.deviate_at(start, deviation::DISPOSITION_WITHOUT_LIST)?;
    if !kind.is_empty() {
        *to = Some(Disposition { kind, parameters: ShortList::new() });
    }
    Ok(())
}

/// ```text
/// body-fld-lang = nstring / "(" string *(SP string) ")"
/// ```
///
/// Lenient: an empty list; `NIL` in a list.
fn read_language(r: &mut Reader<'_>) -> Result<Vec<ImapString>, ParseError> {
    let mut languages = Vec::new();
    if r.peek() != Some(b'(') {
        let mut language = None;
        read_nstring_field(r, &mut language)?;
        languages.extend(language);
        return Ok(languages);
    }
    let start = r.offset();
    r.skip(1);
    r.items(|r| {
        let start = r.offset();
        if r.peek() == Some(b'(') {
            r.deviate(deviation::LIST_FOR_STRING)?;
            return skip_value(r).map(|_| ());
        }
        let mut language = None;
        read_nstring_field(r, &mut language)?;
        if language.is_none() {
            r.deviate_at(start, deviation::NIL_FOR_STRING)?;
        }
        languages.extend(language);
        Ok(())
    })?;
    if languages.is_empty() {
        r.deviate_at(start, deviation::EMPTY_LIST_FOR_NIL)?;
    }
    Ok(languages)
}

/// ```text
/// body-fld-param = "(" string SP string *(SP string SP string) ")" / nil
/// ```
///
/// Lenient: an empty list or string, which is `NIL`; a name without a value; `NIL` for a value.
pub(super) fn read_parameters(
    r: &mut Reader<'_>,
    parameters: &mut ShortList<(ImapString, ImapString)>,
) -> Result<(), ParseError> {
    let start = r.offset();
    if !r.eat(b'(') {
        if eat_nil(r) {
            return Ok(());
        }
        let mut text = ImapString::EMPTY;
        read_string_field(r, &mut text)?;
        if !text.is_empty() {
            return Err(ParseError::new(start, "expected a list of parameters"));
        }
        return r.deviate_at(start, deviation::STRING_FOR_NIL);
    }
    r.items(|r| {
        let name_at = r.offset();
        let mut name = ImapString::EMPTY;
        read_string_field(r, &mut name)?;
        let mut value = None;
        if matches!(r.rest(), [b')', ..] | [b' ', b')', ..]) {
            r.deviate_at(name_at, deviation::PARAMETER_WITHOUT_VALUE)?;
        } else {
            r.space()?;
            read_nstring_field(r, &mut value)?;
            if value.is_none() {
                r.deviate_at(name_at, deviation::NIL_FOR_STRING)?;
            }
        }
        parameters.push((name, value.unwrap_or_default()));
        Ok(())
    })?;
    if parameters.is_empty() {
        r.deviate_at(start, deviation::EMPTY_LIST_FOR_NIL)?;
    }
    Ok(())
}
