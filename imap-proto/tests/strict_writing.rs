//! What is written is strict: whatever lenient reading makes of bytes, the strict dialect reads what the
//! writer makes of that, without a deviation and as the same value.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::{fs, path::Path, sync::OnceLock};

use arbitrary::{Arbitrary, Unstructured};
use bytes::{Bytes, BytesMut};
use mailwire_core::Dialect;
use mailwire_imap::{
    Limits,
    command::{Literals, Request, WriteOptions},
    extensions::{
        ExtensionData,
        urlauth::{UrlAuthData, UrlContent, UrlItem},
    },
    framing::{Framed, Framer, Speaker},
    response::{Code, MsgAtt, Reply, Response, StatusAttVal, Untagged},
    types::{BodyStructure, MailboxAttribute, ParseContext, PartKind},
};
use proptest::prelude::*;

/// The first message that a framer finds, and whether it finds nothing else.
fn first_message(speaker: Speaker, bytes: &[u8]) -> Option<(Bytes, bool)> {
    let mut limits = Limits::client();
    limits.inline_literal = usize::MAX;
    let (mut framer, mut input) = (Framer::new(speaker), BytesMut::from(bytes));
    loop {
        match framer.next(&mut input, &limits).ok()? {
            Framed::Literal(announced) if announced.size > 10_000 => return None,
            Framed::Literal(_) => framer.keep(&limits).ok()?,
            Framed::Message(frame) => return Some((frame.bytes, input.is_empty())),
            _ => return None,
        }
    }
}

fn context(dialect: Dialect, utf8: bool) -> ParseContext {
    let mut context = ParseContext::new(dialect);
    context.utf8 = utf8;
    context
}

/// The lines of the transcripts, the quirks of other tests and the seeds of the fuzz targets.
fn samples(speaker: Speaker) -> &'static [Vec<u8>] {
    static SAMPLES: OnceLock<[Vec<Vec<u8>>; 2]> = OnceLock::new();
    let [client, server] = SAMPLES.get_or_init(|| {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let [mut client, mut server] = [const { Vec::new() }; 2];
        for file in fs::read_dir(tests.join("transcripts")).unwrap() {
            let text = fs::read(file.unwrap().path()).unwrap();
            for line in text.split(|byte| *byte == b'\n') {
                match line {
                    [b'C', b':', b' ', said @ ..] => client.push(said.to_vec()),
                    [b'S', b':', b' ', said @ ..] => server.push(said.to_vec()),
                    _ => {}
                }
            }
        }
        for name in ["quirks.rs", "quirks_fetch.rs", "commands.rs", "attacks.rs"] {
            for text in literals(&fs::read_to_string(tests.join(name)).unwrap_or_default()) {
                if text.starts_with(b"* ") { server.push(text) } else { client.push(text) }
            }
        }
        assert!(client.len() > 100 && server.len() > 200, "{} {}", client.len(), server.len());
        [client, server]
    });
    if speaker == Speaker::Client { client } else { server }
}

/// The string literals of a source file.
fn literals(source: &str) -> Vec<Vec<u8>> {
    let (mut found, mut rest) = (Vec::new(), source);
    while let Some(at) = rest.find('"') {
        let raw = rest[..at].ends_with("r#");
        rest = &rest[at + 1..];
        let (mut text, mut end) = (Vec::new(), 0);
        let mut characters = rest.char_indices();
        while let Some((at, character)) = characters.next() {
            end = at + 1;
            match character {
                '"' if !raw || rest[end..].starts_with('#') => break,
                '\\' if !raw => match characters.next() {
                    Some((_, 'r')) => text.push(b'\r'),
                    Some((_, 'n')) => text.push(b'\n'),
                    Some((_, 't')) => text.push(b'\t'),
                    Some((_, other)) => text.extend_from_slice(other.to_string().as_bytes()),
                    None => {}
                },
                other => text.extend_from_slice(other.to_string().as_bytes()),
            }
        }
        rest = rest.get(end..).unwrap_or_default();
        found.push(text);
    }
    found
}

/// What a message is made worse with.
const PIECES: &[&str] = &[
    " ",
    "  ",
    "(",
    ")",
    "()",
    "((",
    "))",
    "\"",
    "\"\"",
    "\\",
    "[",
    "]",
    "<",
    ">",
    "{3}\r\nabc",
    "{0}\r\n",
    "~{1}\r\n\0",
    "{1}\r\n\"",
    "{2}\r\n\r\n",
    "NIL",
    " NIL",
    "nil ",
    "0",
    "1",
    "-1",
    "99999999999",
    "5,7",
    "1:*",
    ",",
    ":",
    "*",
    "%",
    "\\Seen",
    "\\*",
    "\\",
    "a]b",
    "x",
    "\u{e9}",
    "\u{fffd}",
    "\t",
    "\r",
    "\0",
    "\x7f",
    "\"a\"",
    " \"b c\"",
    "\"\u{fc}\"",
    "OK ",
    "* ",
    "[ALERT] ",
    "[UIDNEXT 0]",
    "[X y] ",
    "&",
    "&-",
    "&AGE-",
    "FLAGS ",
    "UID ",
    "UID 0",
    "BODY[] {3}\r\nabc",
    "BODY[HEADER.FIELDS (A)] NIL",
    "RFC822[] ",
    "X-FOO ",
    "X-FOO (a {1}\r\nb)",
    " {3}",
    "{3+}",
    "ENVELOPE ",
    "INTERNALDATE ",
    "\" 4-Jan-2015 16:53:35 +0800\"",
    "MODSEQ (0)",
    "MODSEQ (5)",
    "=",
    "+",
    "-",
    "CHARSET ",
    "INBOX",
    "inbox",
    "text",
    "multipart",
    "message",
    "rfc822",
    "7bit",
    "(\"a\" \"b\")",
    "((NIL NIL a b))",
    "PREVIEW (LAZY)",
    "OR ",
    "NOT ",
    "RETURN (",
    "(CONDSTORE)",
    "&Jjo-",
    "a&b",
    ".",
    "..",
    "<0>",
    "<0.5>",
];

/// A sample with a few places changed.
fn worse(speaker: Speaker) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), 0..6u8, prop::sample::select(PIECES), 0..12usize);
    let changes = prop::collection::vec(change, 0..4);
    (any::<prop::sample::Index>(), changes).prop_map(move |(sample, changes)| {
        let mut text = sample.get(samples(speaker)).clone();
        for (at, how, piece, count) in changes {
            let at = at.index(text.len() + 1);
            let end = (at + count).min(text.len());
            match how {
                0 => drop(text.drain(at..end)),
                1 => {
                    let part = text[at..end].to_vec();
                    text.splice(at..at, part);
                }
                2 => drop(text.splice(at..end, piece.bytes())),
                _ => drop(text.splice(at..at, piece.bytes())),
            }
        }
        text.extend_from_slice(b"\r\n");
        text
    })
}

/// Whether all of a response has a form in the grammar, so that writing leaves nothing out.
fn has_form(response: &Response) -> bool {
    let reply = |code: Option<&Code>, text: &[u8]| {
        let text = std::str::from_utf8(text).is_ok_and(|text| !text.trim_start_matches(' ').starts_with('['));
        let code = match code {
            Some(Code::Malformed(_)) => false,
            Some(
                Code::UidNext(None)
                | Code::UidValidity(None)
                | Code::Unseen(None)
                | Code::HighestModSeq(None)
                | Code::AppendUid { uid_validity: None, .. },
            ) => false,
            Some(Code::CopyUid(copy)) => copy.uid_validity.is_some(),
            Some(Code::PermanentFlags(flags)) => {
                !flags.flags.iter().any(|flag| matches!(flag, mailwire_imap::types::Flag::Malformed(_)))
            }
            // A tag that cannot stand there is left out.
            Some(Code::InProgress(Some(progress))) => progress.tag.as_ref().is_none_or(|tag| {
                tag.as_bytes().iter().all(|byte| byte.is_ascii() && !matches!(byte, 0 | b'\r' | b'\n' | b']'))
            }),
            // What cannot stand in a code is replaced.
            Some(
                Code::BadCharset(_)
                | Code::BadUrl(_)
                | Code::MailboxId(_)
                | Code::NewName(_)
                | Code::Other(_),
            ) => false,
            _ => true,
        };
        code && text
    };
    match response {
        Response::Tagged(tagged) => {
            reply(tagged.reply.code.as_ref(), tagged.reply.text.as_bytes()) && !tagged.reply.text.is_empty()
        }
        Response::Continuation(text) => {
            reply(text.code.as_ref(), text.text.as_bytes()) && (text.code.is_none() || !text.text.is_empty())
        }
        Response::Untagged(Untagged::Reply(Reply { code, text, .. })) => {
            reply(code.as_ref(), text.as_bytes()) && !text.is_empty()
        }
        Response::Untagged(Untagged::Fetch(fetch)) => fetch.items.iter().all(|item| match item {
            MsgAtt::InternalDate(None) | MsgAtt::ModSeq(None) | MsgAtt::Malformed(_) => false,
            MsgAtt::Other(other) => other.value().is_complete(),
            MsgAtt::Body(body) | MsgAtt::BodyStructure(body) => body_has_form(body),
            MsgAtt::Flags(flags) => {
                !flags.iter().any(|flag| matches!(flag, mailwire_imap::types::Flag::Malformed(_)))
            }
            MsgAtt::Section(part) => no_nul(&part.data),
            MsgAtt::Rfc822(data) | MsgAtt::Rfc822Header(data) | MsgAtt::Rfc822Text(data) => no_nul(data),
            _ => true,
        }),
        Response::Untagged(Untagged::Flags(flags)) => {
            !flags.iter().any(|flag| matches!(flag, mailwire_imap::types::Flag::Malformed(_)))
        }
        Response::Untagged(Untagged::List(list)) => {
            list.delimiter.is_none_or(|byte| byte.is_ascii())
                && !list.attributes.iter().any(|one| matches!(one, MailboxAttribute::Malformed(_)))
                && list.extensions.iter().all(|extension| match extension {
                    mailwire_imap::response::ListExtension::Other { value, .. } => value.is_complete(),
                    _ => true,
                })
        }
        Response::Untagged(Untagged::Status(status)) => status.items.iter().all(|item| match item {
            StatusAttVal::Malformed(_) | StatusAttVal::UidNext(None) | StatusAttVal::UidValidity(None) => {
                false
            }
            StatusAttVal::Other { value, .. } => value.is_complete(),
            _ => true,
        }),
        Response::Untagged(Untagged::ESearch(found)) => found.items.iter().all(|item| match item {
            mailwire_imap::response::SearchReturnData::Other { value, .. } => value.is_complete(),
            _ => true,
        }),
        Response::Untagged(Untagged::Extension(data)) => match &**data {
            ExtensionData::UrlAuth(UrlAuthData::Fetched(urls)) => urls.iter().all(|url| match &url.content {
                UrlContent::Items(items) => items.iter().all(|item| match item {
                    UrlItem::BodyPartStructure(body) => body_has_form(body),
                    _ => true,
                }),
                _ => true,
            }),
            _ => true,
        },
        Response::Untagged(Untagged::Namespace(found)) => {
            [&found.personal, &found.other_users, &found.shared]
                .into_iter()
                .flatten()
                .all(|one| one.extensions.iter().all(|(_, values)| !values.is_empty()))
        }
        _ => true,
    }
}

fn no_nul(data: &mailwire_imap::types::Data) -> bool {
    !matches!(data, mailwire_imap::types::Data::Inline(text) if text.as_bytes().contains(&0))
}

fn body_has_form(body: &BodyStructure) -> bool {
    body.common().is_none_or(|common| common.others.iter().all(|other| other.is_complete()))
        && match body {
            BodyStructure::Single(part) => {
                part.octets.is_some()
                    && match &part.kind {
                        PartKind::Text { lines } => lines.is_some(),
                        PartKind::Message(message) => message.lines.is_some() && body_has_form(&message.body),
                        PartKind::Basic => !part.media_type.eq_ignore_ascii_case("message"),
                    }
            }
            BodyStructure::Multi(part) => !part.parts.is_empty() && part.parts.iter().all(body_has_form),
        }
}

fn check_response(text: &[u8]) -> Result<(), TestCaseError> {
    let Some((frame, _)) = first_message(Speaker::Server, text) else { return Ok(()) };
    let Ok(lenient) = Response::parse(&frame, context(Dialect::Lenient, true)) else { return Ok(()) };
    let mut out = Vec::new();
    lenient.value.write(&mut out);
    if out.is_empty() {
        return Ok(());
    }
    let shown = format!("{} from {}", out.escape_ascii(), frame.escape_ascii());
    let Some((again, true)) = first_message(Speaker::Server, &out) else {
        return Err(TestCaseError::fail(format!("not one message: {shown}")));
    };
    match Response::parse(&again, context(Dialect::Strict, true)) {
        Err(error) => return Err(TestCaseError::fail(format!("{error}: {shown}"))),
        Ok(strict) => {
            prop_assert_eq!(&strict.deviations, &[], "{}", shown);
            let mut third = Vec::new();
            strict.value.write(&mut third);
            prop_assert_eq!(third.escape_ascii().to_string(), out.escape_ascii().to_string(), "{}", shown);
            if has_form(&lenient.value) {
                prop_assert_eq!(&strict.value, &lenient.value, "{}", shown);
            }
        }
    }
    Ok(())
}

fn check_command(text: &[u8], options: WriteOptions) -> Result<(), TestCaseError> {
    let Some((frame, _)) = first_message(Speaker::Client, text) else { return Ok(()) };
    let Ok(lenient) = Request::parse(&frame, context(Dialect::Lenient, options.utf8)) else { return Ok(()) };
    let mut out = Vec::new();
    lenient.value.write(options, &mut out);
    let shown = format!("{} from {}", out.escape_ascii(), frame.escape_ascii());
    let Some((again, true)) = first_message(Speaker::Client, &out) else {
        return Err(TestCaseError::fail(format!("not one message: {shown}")));
    };
    match Request::parse(&again, context(Dialect::Strict, options.utf8)) {
        Err(error) => return Err(TestCaseError::fail(format!("{error}: {shown}"))),
        Ok(strict) => {
            prop_assert_eq!(&strict.deviations, &[], "{}", shown);
            // A name that is read as it stands is taken for modified UTF-7 if it can be that, and is another one then.
            if options.utf8 && has_utf7(&again) {
                return Ok(());
            }
            let mut third = Vec::new();
            strict.value.write(options, &mut third);
            prop_assert_eq!(third.escape_ascii().to_string(), out.escape_ascii().to_string(), "{}", shown);
        }
    }
    Ok(())
}

/// Whether there is something that modified UTF-7 has for a character.
fn has_utf7(text: &[u8]) -> bool {
    let mut shifts = text.split(|byte| *byte == b'&').skip(1);
    shifts.any(|rest| {
        let letters = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b',');
        rest.get(rest.iter().take_while(letters).count()) == Some(&b'-')
    })
}

fn options() -> impl Strategy<Value = WriteOptions> {
    let literals = prop_oneof![Just(Literals::Synchronizing), Just(Literals::Minus), Just(Literals::Plus)];
    (literals, any::<bool>())
        .prop_map(|(literals, utf8)| WriteOptions::default().with_literals(literals).with_utf8(utf8))
}

/// How often each property is tried; more by `PROPTEST_CASES`.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(8192)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn responses_made_worse(text in worse(Speaker::Server)) {
        check_response(&text)?;
    }

    #[test]
    fn commands_made_worse(text in worse(Speaker::Client), options in options()) {
        check_command(&text, options)?;
    }

    #[test]
    fn responses_of_any_value(seed in prop::collection::vec(any::<u8>(), 10..400), at in any::<prop::sample::Index>(), piece in prop::sample::select(PIECES)) {
        let Ok(response) = Response::arbitrary(&mut Unstructured::new(&seed)) else { return Ok(()) };
        let mut text = Vec::new();
        response.write(&mut text);
        let at = at.index(text.len());
        text.splice(at..at, piece.bytes());
        check_response(&text)?;
    }

    #[test]
    fn commands_of_any_value(seed in prop::collection::vec(any::<u8>(), 10..300), at in any::<prop::sample::Index>(), piece in prop::sample::select(PIECES), options in options()) {
        let Ok(request) = Request::arbitrary(&mut Unstructured::new(&seed)) else { return Ok(()) };
        let mut text = Vec::new();
        request.write(options, &mut text);
        let at = at.index(text.len());
        text.splice(at..at, piece.bytes());
        check_command(&text, options)?;
    }
}

#[test]
fn samples_as_they_are() {
    for text in samples(Speaker::Server) {
        check_response(&[text, &b"\r\n"[..]].concat()).unwrap();
    }
    for text in samples(Speaker::Client) {
        check_command(&[text, &b"\r\n"[..]].concat(), WriteOptions::default()).unwrap();
    }
}
