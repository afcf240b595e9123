//! ID: client and server tell what they are ([RFC 2971](https://www.rfc-editor.org/rfc/rfc2971)).

use alloc::vec::Vec;

use mailwire_core::ParseError;

use crate::{
    command::{AString, Writer},
    deviation,
    types::{ImapString, Reader, eat_nil, read_nstring, read_string, write_nstring, write_string},
};

/// Names with their values.
type Fields = Vec<(AString, Option<AString>)>;

/// More than this must not be sent (RFC 2971 section 3.3).
const MOST_FIELDS: usize = 30;

/// ```text
/// id             = "ID" SPACE id_params_list
/// id_params_list = "(" #(string SPACE nstring) ")" / nil
/// ```
///
/// What a client says of itself, after the name.
pub(crate) fn read_command(r: &mut Reader<'_>) -> Result<Option<Fields>, ParseError> {
    r.space()?;
    if eat_nil(r) {
        return Ok(None);
    }
    r.expect(b'(', "expected ( or NIL")?;
    let mut fields = Vec::new();
    r.items(|r| {
        let start = r.offset();
        if fields.len() == MOST_FIELDS {
            r.deviate(deviation::SURPLUS_ID_FIELD)?;
        }
        let line_end = |_| ParseError::new(start, "a line end in an argument");
        let field = AString::new(read_string(r)?.into_text()).map_err(line_end)?;
        r.space()?;
        let value = read_nstring(r)?.map(|value| AString::new(value.into_text())).transpose();
        fields.push((field, value.map_err(line_end)?));
        Ok(())
    })?;
    Ok(Some(fields))
}

pub(crate) fn write_command(fields: Option<&[(AString, Option<AString>)]>, e: &mut Writer<'_>) {
    e.put(b"ID ");
    let Some(fields) = fields else { return e.put(b"NIL") };
    e.put(b"(");
    e.spaced(fields, |e, (field, value)| {
        e.string_bytes(field.as_bytes());
        e.put(b" ");
        match value {
            Some(value) => e.string_bytes(value.as_bytes()),
            None => e.put(b"NIL"),
        }
    });
    e.put(b")");
}

/// ```text
/// id_response = "ID" SPACE id_params_list
/// ```
///
/// What a server says of itself, after the name. Lenient: nothing; a name without a value; no parentheses.
pub(crate) fn read_data(r: &mut Reader<'_>) -> Result<Vec<(ImapString, Option<ImapString>)>, ParseError> {
    let mut fields = Vec::new();
    if r.rest().iter().all(|&byte| byte == b' ') {
        r.deviate(deviation::MISSING_VALUE)?;
        return Ok(fields);
    }
    r.space()?;
    if eat_nil(r) {
        return Ok(fields);
    }
    if !r.eat(b'(') {
        r.deviate(deviation::MISSING_PARENTHESIS)?;
        while !r.is_at_end() {
            fields.push(read_data_field(r)?);
            while r.eat(b' ') {}
        }
        return Ok(fields);
    }
    r.items(|r| {
        fields.push(read_data_field(r)?);
        Ok(())
    })?;
    Ok(fields)
}

fn read_data_field(r: &mut Reader<'_>) -> Result<(ImapString, Option<ImapString>), ParseError> {
    let start = r.offset();
    let name = read_string(r)?;
    let after = r.rest().iter().find(|&&byte| byte != b' ');
    if matches!(after, None | Some(b')')) {
        r.deviate_at(start, deviation::FIELD_WITHOUT_VALUE)?;
        return Ok((name, None));
    }
    r.space()?;
    Ok((name, read_nstring(r)?))
}

pub(crate) fn write_data(out: &mut Vec<u8>, fields: &[(ImapString, Option<ImapString>)]) {
    if fields.is_empty() {
        return out.extend_from_slice(b"ID NIL");
    }
    for (at, (name, value)) in fields.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"ID (" } else { b" " });
        write_string(out, name.as_bytes());
        out.push(b' ');
        write_nstring(out, value.as_ref());
    }
    out.push(b')');
}
