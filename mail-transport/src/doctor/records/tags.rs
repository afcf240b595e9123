//! Lists of tags, which the records of DKIM and DMARC are: [RFC 6376 section
//! 3.2](https://www.rfc-editor.org/rfc/rfc6376#section-3.2).

use std::collections::BTreeSet;

use mailwire_core::{
    ParseError,
    grammar::{Expected, Grammar, byte, expected, run_all},
};
use nom::{
    Err, IResult, Parser,
    branch::alt,
    bytes::complete::{tag, take_while, take_while_m_n},
    combinator::recognize,
    multi::{many0_count, separated_list1},
    sequence::delimited,
};

/// The most that a record is read of, in bytes: ten times what the longest key takes.
const MOST: usize = 8192;

/// A tag of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    pub(super) name: &'a str,
    /// Without white space around it.
    pub(super) value: &'a [u8],
    /// Where the value begins in the record.
    pub(super) at: usize,
}

impl Tag<'_> {
    /// Reads the whole of the value; errors have their place in the record.
    pub(super) fn read<'a, T>(&'a self, grammar: impl Grammar<'a, T>) -> Result<T, ParseError> {
        run_all(self.value, grammar).map_err(|error| error.after(self.at))
    }
}

/// Reads a list of tags. A list that ends in a semicolon may have white space after it, as DMARC's.
///
/// ```text
/// tag-list  =  tag-spec *( ";" tag-spec ) [ ";" ]
/// tag-spec  =  [FWS] tag-name [FWS] "=" [FWS] tag-value [FWS]
/// ```
pub(super) fn tags(record: &[u8]) -> Result<Vec<Tag<'_>>, ParseError> {
    within_bounds(record)?;
    run_all(record, |mut rest| {
        let (mut tags, mut names) = (Vec::new(), BTreeSet::new());
        loop {
            let before = fws(rest)?.0;
            if before.is_empty() && !tags.is_empty() {
                return Ok((before, tags));
            }
            let (after, (name, value)) = tag_spec(before)?;
            if !names.insert(name) {
                return Err(Err::Failure(Expected { rest: before, reason: "a tag that is there twice" }));
            }
            let at = record.len().saturating_sub(after.len()).saturating_sub(value.len());
            let bare = value.trim_ascii_end();
            tags.push(Tag { name, value: bare, at });
            rest = after;
            if !rest.is_empty() {
                (rest, ()) = byte(b';', "expected ; or the end").parse_complete(rest)?;
            }
        }
    })
}

/// That a record is no longer than what is read.
pub(super) fn within_bounds(record: &[u8]) -> Result<(), ParseError> {
    match record.len() {
        0..=MOST => Ok(()),
        _ => Err(ParseError::new(MOST, "longer than any such record is")),
    }
}

/// ```text
/// tag-name  =  ALPHA *ALNUMPUNC
/// tag-value =  [ tval *( 1*(WSP / FWS) tval ) ]
/// VALCHAR   =  %x21-3A / %x3C-7E
/// ```
fn tag_spec(input: &[u8]) -> IResult<&[u8], (&str, &[u8]), Expected<'_>> {
    let name = recognize((
        take_while_m_n(1, 1, |byte: u8| byte.is_ascii_alphabetic()),
        take_while(|byte: u8| byte.is_ascii_alphanumeric() || byte == b'_'),
    ));
    let (rest, name) = expected("expected the name of a tag", name).parse_complete(input)?;
    let (rest, ()) = delimited(fws, byte(b'=', "expected ="), fws).parse_complete(rest)?;
    let is_value = |byte: u8| matches!(byte, b'\t' | b'\r' | b'\n' | b' '..=b':' | b'<'..=b'~');
    let (rest, value) = take_while(is_value).parse_complete(rest)?;
    // Letters, digits and underscores are ASCII.
    Ok((rest, (std::str::from_utf8(name).unwrap_or_default(), value)))
}

/// ```text
/// FWS = [*WSP CRLF] 1*WSP
/// ```
/// Any number of them, or none.
pub(super) fn fws(input: &[u8]) -> IResult<&[u8], (), Expected<'_>> {
    let line = alt((tag(&b" "[..]), tag(&b"\t"[..]), tag(&b"\r\n "[..]), tag(&b"\r\n\t"[..])));
    many0_count(line).map(drop).parse_complete(input)
}

/// ```text
/// *( [FWS] ":" [FWS] item )
/// ```
pub(super) fn with_colons<'a, T>(item: impl Grammar<'a, T>) -> impl Grammar<'a, Vec<T>> {
    separated_list1(delimited(fws, byte(b':', "expected : or the end"), fws), item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        let read = tags(b"v=DKIM1; k = rsa ;n=a b\t;p=;").unwrap();
        let shown: Vec<_> = read.iter().map(|tag| (tag.name, tag.value, tag.at)).collect();
        assert_eq!(shown, [("v", &b"DKIM1"[..], 2), ("k", b"rsa", 13), ("n", b"a b", 20), ("p", b"", 27)]);
        assert_eq!(tags(b"a=1; ").unwrap().len(), 1);
        assert_eq!(tags(b" a\r\n\t=\r\n 1").unwrap().len(), 1);
    }

    #[test]
    fn lists_that_are_none() {
        for (record, offset, reason) in [
            ("", 0, "expected the name of a tag"),
            (";", 0, "expected the name of a tag"),
            ("a=1;;b=2", 4, "expected the name of a tag"),
            ("a", 1, "expected ="),
            ("a=1; b", 6, "expected ="),
            ("a=1;b=\u{fc}", 6, "expected ; or the end"),
            ("a=1;b=2;a=3", 8, "a tag that is there twice"),
            ("1=a", 0, "expected the name of a tag"),
        ] {
            assert_eq!(tags(record.as_bytes()), Err(ParseError::new(offset, reason)), "{record}");
        }
        assert_eq!(tags(&[b'a'; MOST + 1]).unwrap_err().offset, MOST);
        // Many tags take no longer each.
        let many: String = (0..1000).map(|number| format!("a{number}=1;")).collect();
        assert_eq!(tags(many.as_bytes()).unwrap().len(), 1000);
    }
}
