//! Responses of real servers, read in both dialects.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use bytes::Bytes;
use mailwire_core::{Dialect, Newline, ParseError, Parsed};
use mailwire_imap::{response::*, types::*};

pub fn parse(line: &[u8], dialect: Dialect) -> Result<Parsed<Response>, ParseError> {
    let (text, newline) = match line {
        [text @ .., b'\r', b'\n'] => (text, Newline::CrLf),
        [text @ .., b'\n'] => (text, Newline::Lf),
        text => (text, Newline::CrLf),
    };
    let mut context = ParseContext::new(dialect);
    context.newline = newline;
    Response::parse(&Bytes::copy_from_slice(text), context)
}

/// Lenient: the value, with at least one deviation. Strict: an error.
#[track_caller]
pub fn accepted(line: impl AsRef<[u8]>) -> Untagged {
    let line = line.as_ref();
    let shown = mailwire_core::escape_ascii(line).to_string();
    let parsed = parse(line, Dialect::Lenient).unwrap_or_else(|error| panic!("{shown}: {error}"));
    assert!(!parsed.deviations.is_empty(), "{shown}: no deviation in {:?}", parsed.value);
    for deviation in &parsed.deviations {
        assert!(deviation.offset <= line.len(), "{shown}: {deviation:?}");
    }
    let strict = parse(line, Dialect::Strict);
    assert!(strict.is_err(), "{shown}: strict gives {strict:?}");
    rewritten(&parsed.value);
    match parsed.value {
        Response::Untagged(data) => data,
        other => panic!("{shown}: {other:?}"),
    }
}

/// Reads a line that both dialects must read as one and the same value, without a deviation.
#[track_caller]
pub fn valid(line: impl AsRef<[u8]>) -> Untagged {
    let line = line.as_ref();
    let shown = mailwire_core::escape_ascii(line).to_string();
    let parsed = parse(line, Dialect::Lenient).unwrap_or_else(|error| panic!("{shown}: {error}"));
    assert_eq!(parsed.deviations, [], "{shown}");
    assert_eq!(parse(line, Dialect::Strict).as_ref(), Ok(&parsed), "{shown}");
    rewritten(&parsed.value);
    match parsed.value {
        Response::Untagged(data) => data,
        other => panic!("{shown}: {other:?}"),
    }
}

/// What is written is always in the grammar, where text beyond ASCII is agreed on.
#[track_caller]
pub fn rewritten(response: &Response) {
    let mut out = Vec::new();
    response.write(&mut out);
    if out.is_empty() {
        return;
    }
    assert!(out.ends_with(b"\r\n"));
    let shown = mailwire_core::escape_ascii(&out).to_string();
    let mut context = ParseContext::new(Dialect::Strict);
    context.utf8 = true;
    let frame = Bytes::copy_from_slice(&out[..out.len() - 2]);
    Response::parse(&frame, context).unwrap_or_else(|error| panic!("{shown}: {error}"));
}

#[track_caller]
pub fn items(data: Untagged) -> Vec<MsgAtt> {
    match data {
        Untagged::Fetch(fetch) => fetch.items.into(),
        other => panic!("{other:?}"),
    }
}

/// The first item that `pick` takes.
#[track_caller]
pub fn item<T>(data: Untagged, pick: fn(MsgAtt) -> Option<T>) -> T {
    items(data).into_iter().find_map(pick).expect("an item of the kind")
}

#[track_caller]
pub fn body(data: Untagged) -> BodyStructure {
    item(data, |item| match item {
        MsgAtt::BodyStructure(body) | MsgAtt::Body(body) => Some(body),
        _ => None,
    })
}

#[track_caller]
pub fn single(data: Untagged) -> SinglePart {
    match body(data) {
        BodyStructure::Single(part) => *part,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub fn multi(data: Untagged) -> MultiPart {
    match body(data) {
        BodyStructure::Multi(part) => *part,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub fn envelope(data: Untagged) -> Envelope {
    item(data, |item| match item {
        MsgAtt::Envelope(envelope) => Some(*envelope),
        _ => None,
    })
}

#[track_caller]
pub fn list(data: Untagged) -> ListData {
    match data {
        Untagged::List(list) => list,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub fn status(data: Untagged) -> Reply {
    match data {
        Untagged::Reply(status) => status,
        other => panic!("{other:?}"),
    }
}

pub fn s(text: &str) -> ImapString {
    ImapString::new(text).unwrap()
}

pub fn some(text: &str) -> Option<ImapString> {
    Some(s(text))
}

pub fn uid(number: u32) -> MsgAtt {
    MsgAtt::Uid(Uid::new(number).unwrap())
}
