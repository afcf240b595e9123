//! IMAP.

mod differential;
mod pair;
mod session;

use bytes::{Bytes, BytesMut};
use mailwire_core::Dialect;
use mailwire_imap::{
    Limits,
    command::{Authenticate, Command, Literals, Login, Request, WriteOptions, Written},
    framing::{Frame, Framed, Framer, Speaker},
    reading,
    response::{MsgAtt, Response, Untagged},
    url::ImapUrl,
};

use self::session::{Caller, Service};
use crate::{case, check_read, session_with_secrets};
use mailwire_oracles::script::session;
use mailwire_oracles::{both_dialects, cuts_of, pieces, round_trip, shown_alike};

/// Literals of more bytes are streamed where bytes are framed.
const INLINE: u64 = 40;

/// Bytes as commands, and as URLs.
pub fn command(data: &[u8]) {
    url(data);
    for frame in frames(Speaker::Client, data) {
        let length = frame.bytes.len();
        check_read(
            both_dialects(length, |dialect| Request::parse(&frame.bytes, frame.context(dialect, 16))),
            command_is_written,
        );
    }
}

/// What is read as a URL is written as one that is read as the same.
fn url(data: &[u8]) {
    let base = ImapUrl::parse("imap://example.com/a/;UID=1").expect("a URL");
    for url in [ImapUrl::parse(data), base.resolve(data)].into_iter().flatten() {
        assert_eq!(ImapUrl::parse(url.to_string()), Ok(url.clone()), "{url}");
    }
}

/// A command is written as one message, in each form that literals can have, and reads back as
/// itself; its secret is not shown. `dialect`: a value that only lenient reading gives can be one that
/// only lenient reading takes.
pub fn command_is_written(request: &Request, dialect: Dialect) {
    for literals in [Literals::Synchronizing, Literals::Minus, Literals::Plus] {
        for utf8 in [false, true] {
            command_is_written_as(
                request,
                dialect,
                WriteOptions::default().with_literals(literals).with_utf8(utf8),
            );
        }
    }
    let command = match &request.command {
        Command::Login(login) => {
            Command::Login(Login::new(login.user().clone(), "another").expect("a password"))
        }
        Command::Authenticate(Authenticate { mechanism, initial: Some(_) }) => {
            Command::Authenticate(Authenticate {
                mechanism: mechanism.clone(),
                initial: Some("another".into()),
            })
        }
        _ => return,
    };
    shown_alike(request, &Request { tag: request.tag.clone(), command });
}

fn command_is_written_as(request: &Request, dialect: Dialect, options: WriteOptions) {
    let mut out = Vec::new();
    let Written { waits, bodies, .. } = request.write(options, &mut out);
    let shown = out.escape_ascii().to_string();
    for &wait in &waits {
        let before = &out[..wait];
        assert!(before.ends_with(b"}\r\n") && !before.ends_with(b"+}\r\n"), "{shown}");
    }
    // The arguments of a command that is not known are written as they came.
    if options.literals == Literals::Plus && !matches!(request.command, Command::Other(_)) {
        assert!(waits.is_empty(), "{waits:?}");
    }
    nul_in_literal8_only(&out);
    let frame = if bodies.is_empty() {
        the_frame(Speaker::Client, &out)
    } else {
        Frame {
            streamed: bodies.iter().map(|(at, _)| *at).collect(),
            bytes: out[..out.len() - 2].to_vec().into(),
            newline: mailwire_core::Newline::CrLf,
        }
    };
    let mut context = frame.context(dialect, 64);
    context.utf8 = options.utf8;
    let again = Request::parse(&frame.bytes, context).map(|parsed| parsed.value);
    // Mailbox names are converted between their encodings on the way.
    let converted = out.contains(&b'&') || options.utf8 && !out.is_ascii();
    if converted && again.is_ok() {
        return;
    }
    match (dialect, again) {
        // What has no form in the grammar, such as a flag of odd letters, is left out.
        (Dialect::Lenient, Ok(again)) => {
            let mut twice = Vec::new();
            again.write(options, &mut twice);
            assert_eq!(out.escape_ascii().to_string(), twice.escape_ascii().to_string(), "{request:?}");
        }
        (_, again) => round_trip(request, &out, again),
    }
}

/// Bytes as responses.
pub fn response(data: &[u8]) {
    for frame in frames(Speaker::Server, data) {
        let length = frame.bytes.len();
        let (strict, lenient) =
            both_dialects(length, |dialect| Response::parse(&frame.bytes, frame.context(dialect, 16)));
        for response in [&strict, &lenient].into_iter().flatten() {
            people_can_read(response);
        }
        if let Some(response) = strict {
            response_is_written(&response);
        } else if let Some(response) = lenient {
            // What has no form in the grammar is left out, so that only what is written can be
            // compared.
            if let Some((once, again)) = rewritten(&response, Dialect::Strict) {
                let name = |response: &Response| match response {
                    Response::Untagged(data) => data.name().to_vec(),
                    Response::Tagged(_) => b"tagged".to_vec(),
                    Response::Continuation(_) => b"+".to_vec(),
                };
                assert_eq!(name(&response), name(&again), "{}", once.escape_ascii());
            }
        }
    }
}

/// What is shown of a message to people is in one line, and each part has a number of its own.
fn people_can_read(response: &Response) {
    let Response::Untagged(Untagged::Fetch(message)) = response else { return };
    for item in &message.items {
        match item {
            MsgAtt::Envelope(envelope) => {
                let all = [envelope.from(), envelope.to(), envelope.cc(), envelope.bcc()];
                for list in all {
                    let grouped = reading::groups(list).into_iter().flat_map(|group| group.members);
                    assert!(reading::addresses(list).eq(grouped));
                }
                let subject = envelope.decoded_subject().unwrap_or_default();
                let mut people = all.into_iter().flat_map(reading::addresses);
                assert!(!subject.contains(char::is_control));
                assert!(people.all(|one| !one.to_string().contains(char::is_control)));
            }
            MsgAtt::Body(structure) | MsgAtt::BodyStructure(structure) => {
                let parts: Vec<_> = structure.parts().collect();
                assert!(parts.windows(2).all(|two| two[0].number < two[1].number));
                let contents = structure.contents();
                let sorted = [contents.plain, contents.html, contents.related, contents.attachments];
                assert!(sorted.iter().flatten().all(|part| parts.contains(part)));
                for name in parts.iter().filter_map(|part| part.file_name()) {
                    assert!(!name.is_empty() && !name.contains(['/', '\\', ':', '\n']));
                }
            }
            _ => {}
        }
    }
}

/// A response is written as one message, which reads back as itself.
pub fn response_is_written(response: &Response) {
    if let Some((written, again)) = rewritten(response, Dialect::Strict) {
        // No text is written as "-", since RFC 3501 asks for some; a value that is not all there is left out.
        let changed = written.ends_with(b" -\r\n")
            || looked_like_a_code(&written)
            || format!("{response:?}").contains("complete: false");
        if !changed {
            round_trip(response, &written, Ok::<_, ()>(again));
        }
    }
}

/// Before a text that lenient readers would take for a code, something is written that keeps them from it.
fn looked_like_a_code(written: &[u8]) -> bool {
    let after = |at: usize| written[at + 3..].trim_ascii_start().starts_with(b"[");
    written.windows(3).position(|three| three == b" - ").is_some_and(after)
}

/// What is written for a response, and what that reads as. Nothing if it cannot be written at
/// all.
fn rewritten(response: &Response, dialect: Dialect) -> Option<(Vec<u8>, Response)> {
    let (mut out, mut streamed) = (Vec::new(), Vec::new());
    response.write_streamed(&mut out, &mut streamed);
    if out.is_empty() {
        return None;
    }
    nul_in_literal8_only(&out);
    let frame = if streamed.is_empty() {
        the_frame(Speaker::Server, &out)
    } else {
        let bytes = Bytes::copy_from_slice(out.strip_suffix(b"\r\n").expect("a line end"));
        let streamed = streamed.iter().map(|literal| literal.offset).collect();
        Frame { bytes, streamed, newline: mailwire_core::Newline::CrLf }
    };
    let mut context = frame.context(dialect, 64);
    context.utf8 = true;
    match Response::parse(&frame.bytes, context) {
        Ok(again) => Some((out, again.value)),
        Err(error) => panic!("{response:?} was written as {}: {error}", out.escape_ascii()),
    }
}

/// RFC 9051 section 4.3: NUL stands nowhere but in a `literal8`.
fn nul_in_literal8_only(written: &[u8]) {
    // What lenient reading takes out of a literal stays in one.
    let literal = written.contains(&b'{');
    assert!(literal || !written.contains(&0), "a NUL: {}", written.escape_ascii());
}

/// The one message that was written.
fn the_frame(speaker: Speaker, written: &[u8]) -> Frame {
    let limits = Limits::client();
    let (mut framer, mut input) = (Framer::new(speaker), BytesMut::from(written));
    loop {
        match framer.next(&mut input, &limits).expect("within limits") {
            Framed::Literal(_) => framer.keep(&limits).expect("within limits"),
            Framed::Message(frame) => {
                assert!(input.is_empty(), "more than one message: {}", written.escape_ascii());
                return frame;
            }
            other => panic!("{other:?} in {}", written.escape_ascii()),
        }
    }
}

/// The messages in `data`, the same however it is cut.
fn frames(speaker: Speaker, data: &[u8]) -> Vec<Frame> {
    let whole = framed(speaker, [data]);
    assert_eq!(whole, framed(speaker, pieces(data, &cuts_of(data))));
    assert_eq!(whole, framed(speaker, data.chunks(1)));
    whole.frames
}

#[derive(Debug, PartialEq)]
struct Seen {
    frames: Vec<Frame>,
    /// What was streamed.
    literals: Vec<Vec<u8>>,
    error: Option<mailwire_core::Error>,
}

fn framed<'a>(speaker: Speaker, pieces: impl IntoIterator<Item = &'a [u8]>) -> Seen {
    let mut limits = Limits::server();
    (limits.line, limits.frame, limits.literals) = (2000, 3000, 30);
    let (mut framer, mut input) = (Framer::new(speaker), BytesMut::new());
    let mut seen = Seen { frames: Vec::new(), literals: Vec::new(), error: None };
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            match framer.next(&mut input, &limits) {
                Ok(Framed::NeedInput) => break,
                Ok(Framed::Message(frame)) => seen.frames.push(frame),
                Ok(Framed::Literal(announced)) if announced.size <= INLINE => {
                    if let Err(error) = framer.keep(&limits) {
                        seen.error = Some(error);
                        return seen;
                    }
                }
                Ok(Framed::Literal(_)) => {
                    framer.stream(&mut input);
                    seen.literals.push(Vec::new());
                }
                Ok(Framed::Chunk(chunk)) => {
                    seen.literals.last_mut().expect("streamed").extend_from_slice(&chunk);
                }
                Ok(Framed::End) => {}
                Err(error) => {
                    seen.error = Some(error);
                    return seen;
                }
            }
        }
    }
    seen
}

/// A script of a client's session.
pub fn client_session(data: &[u8]) {
    session::<Caller>(data);
}

/// A script of a server's session; and the same bytes around a secret.
pub fn server_session(data: &[u8]) {
    session_with_secrets::<Service>(
        data,
        &[
            &["a LOGIN user "],
            &["a LOGIN \"user\" \""],
            &["a AUTHENTICATE PLAIN "],
            &["a AUTHENTICATE PLAIN", ""],
            &["a AUTHENTICATE UNKNOWN "],
        ],
    );
}

/// A client and a server face to face, in a case made of `data`.
pub fn pair(data: &[u8]) {
    case(data, pair::run);
}

/// Bytes as another parser reads them.
pub fn differential(data: &[u8]) {
    differential::run(data);
}
