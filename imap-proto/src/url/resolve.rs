//! Relative URLs: [RFC 5092 section 7](https://www.rfc-editor.org/rfc/rfc5092#section-7), [RFC 3986 section
//! 5.2](https://www.rfc-editor.org/rfc/rfc3986#section-5.2).

use alloc::{format, vec::Vec};

use mailwire_core::{ParseError, grammar::run_all};

use super::{ImapUrl, MailboxRef, MessageList, Target, parse};

/// What `reference` is, seen from `base`.
pub(super) fn resolve(base: &ImapUrl, reference: &[u8]) -> Result<ImapUrl, ParseError> {
    if has_scheme(reference) {
        return ImapUrl::parse(reference);
    }
    if reference.starts_with(b"//") {
        return ImapUrl::parse([b"imap:", reference].concat());
    }
    let target = match (reference, &base.target) {
        ([], target) => target.clone(),
        (reference, target) => path(reference, target.as_ref())?,
    };
    Ok(ImapUrl { server: base.server.clone(), target })
}

/// What `reference` is on a server where `mailbox` is selected.
pub(super) fn target(reference: &[u8], mailbox: Option<&MailboxRef>) -> Result<Target, ParseError> {
    if has_scheme(reference) || reference.starts_with(b"//") {
        return Err(ParseError::new(0, "a URL of a server"));
    }
    let base = mailbox.map(|mailbox| Target::from(MessageList::new(mailbox.clone())));
    path(reference, base.as_ref())?.ok_or(ParseError::new(0, "a URL of nothing"))
}

fn path(reference: &[u8], base: Option<&Target>) -> Result<Option<Target>, ParseError> {
    let mut whole = Vec::new();
    let (path, query) = match memchr::memchr(b'?', reference) {
        Some(at) => reference.split_at_checked(at).unwrap_or((reference, &[])),
        None => (reference, &[][..]),
    };
    if !path.starts_with(b"/") {
        let mut before = base.map(|base| format!("{base}")).unwrap_or_else(|| "/".into());
        if let Some(Target::Messages(list)) = base {
            before = format!("/{}", list.mailbox);
            // Section 9.1: a message of the mailbox that the base is.
            if path.starts_with(b";") {
                before.push('/');
            }
        }
        let merged = if path.is_empty() { before.len() } else { before.rfind('/').map_or(0, |at| at + 1) };
        whole.extend_from_slice(before.as_bytes().get(..merged).unwrap_or_default());
    }
    whole.extend_from_slice(path);
    let mut whole = without_dots(&whole);
    whole.extend_from_slice(query);
    run_all(&whole, parse::path())
        .map_err(|error| ParseError::new(error.offset.min(reference.len()), error.reason))
}

/// A path without its steps up, and without the slash that one leaves at its end (section 9.1).
fn without_dots(path: &[u8]) -> Vec<u8> {
    let mut levels: Vec<&[u8]> = Vec::new();
    for level in path.strip_prefix(b"/").unwrap_or(path).split(|byte| *byte == b'/') {
        match level {
            b"." => {}
            b".." => drop(levels.pop()),
            level => levels.push(level),
        }
    }
    let mut out = Vec::with_capacity(path.len());
    out.push(b'/');
    out.extend_from_slice(&levels.join(&b'/'));
    out
}

/// Whether a URL has a scheme: letters, digits and the like before a colon.
fn has_scheme(reference: &[u8]) -> bool {
    let length = reference
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        .count();
    let is_scheme = reference.first().is_some_and(u8::is_ascii_alphabetic);
    is_scheme && reference.get(length) == Some(&b':')
}
