//! SMTP.

mod differential;
mod pair;
mod session;

use bytes::{Bytes, BytesMut};
use mailwire_core::Dialect;
use mailwire_smtp::{
    Auth, Capabilities, Capability, Command, DateTime, Limits, Reply, ReplyFrame, ReplyFramer, Secret,
    extensions::{
        deliver_by::DeliverByParam,
        future_release::{FutureRelease, HoldInterval},
        limits::SessionLimits,
    },
};

use self::session::{Caller, Service};
use crate::{case, check_read, session_with_secrets};
use mailwire_oracles::script::session;
use mailwire_oracles::{both_dialects, cuts_of, one_line, pieces, round_trip, shown_alike};

/// Bytes as a command.
pub fn command(data: &[u8]) {
    let frame = Bytes::copy_from_slice(data);
    check_read(both_dialects(frame.len(), |dialect| Command::parse(&frame, dialect)), command_is_written);
}

/// A command is written as one line, which reads back as itself; its secret is not shown. `dialect`: a value
/// that only lenient reading gives can be one that only lenient reading takes.
pub fn command_is_written(command: &Command, dialect: Dialect) {
    let mut out = Vec::new();
    command.write(&mut out);
    one_line(&out);
    let again = Command::parse(&frame_of(&out), dialect);
    round_trip(command, &out, again.map(|parsed| parsed.value));
    if let Command::Auth(auth) = command {
        if auth.initial.is_some() {
            let other = Auth::new(auth.mechanism.clone()).with_initial(Secret::from("another"));
            shown_alike(command, &Command::Auth(other));
        }
    }
}

/// Bytes as replies.
pub fn reply(data: &[u8]) {
    let frames = frames([data]);
    assert_eq!(frames, self::frames(pieces(data, &cuts_of(data))));
    assert_eq!(frames, self::frames(data.chunks(1)));
    let framed = frames.0.iter().map(|frame| frame.bytes.clone());
    for frame in framed.chain([Bytes::copy_from_slice(data)]) {
        let frame = &frame;
        let (strict, lenient) = both_dialects(frame.len(), |dialect| Reply::parse(frame, dialect));
        if let Some(reply) = strict {
            reply_is_written(&reply);
        }
        if let Some(reply) = lenient {
            // What only lenient reading takes can hold what a reply cannot carry. It is written
            // strictly all the same.
            let mut out = Vec::new();
            reply.write(&mut out);
            out.split_inclusive(|&byte| byte == b'\n').for_each(one_line);
            let again = Reply::parse(&frame_of(&out), Dialect::Strict);
            let again = again.unwrap_or_else(|error| panic!("{}: {error}", out.escape_ascii())).value;
            let shape = |reply: &Reply| (reply.code().class(), reply.lines().count());
            assert_eq!(shape(&again), shape(&reply));
        }
        both_dialects(frame.len(), |dialect| Capabilities::parse(frame, dialect));
    }
}

/// A reply is written as lines, which read back as itself.
pub fn reply_is_written(reply: &Reply) {
    let mut out = Vec::new();
    reply.write(&mut out);
    out.split_inclusive(|&byte| byte == b'\n').for_each(one_line);
    let again = Reply::parse(&frame_of(&out), Dialect::Strict);
    round_trip(reply, &out, again.map(|parsed| parsed.value));
    let mut input = BytesMut::from(&out[..]);
    let framed = ReplyFramer::new().next_reply(&mut input, &Limits::client());
    let framed = framed.map(|frame| frame.map(|frame| frame.bytes));
    assert_eq!(framed, Ok(Some(frame_of(&out))), "more than one reply");
}

/// The extensions that have parameters, as a server may offer them.
fn extensions() -> impl Iterator<Item = Capability> {
    let until = DateTime::new("2100-01-01T00:00:00Z").expect("a date");
    let interval = HoldInterval::new(500_000_000).expect("an interval");
    let held = FutureRelease::new(interval, until).expect("in UTC");
    [
        Capability::Conneg,
        Capability::Conperm,
        Capability::DeliverBy(DeliverByParam::new(Some(60)).expect("a time")),
        Capability::Dsn,
        Capability::FutureRelease(held),
        Capability::IgnoreQuota,
        Capability::Limits(SessionLimits::new()),
        Capability::MtPriority(None),
        Capability::Mtrk,
        Capability::NoSoliciting(None),
        Capability::RequireTls,
        Capability::Rrvs,
        Capability::Submitter,
        Capability::XrcptForward,
    ]
    .into_iter()
}

/// What is parsed of what was written: all but the last line end.
fn frame_of(written: &[u8]) -> Bytes {
    Bytes::copy_from_slice(written.strip_suffix(b"\r\n").expect("a line end"))
}

/// The replies as they are framed, and whether a limit was passed.
fn frames<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<ReplyFrame>, bool) {
    let mut limits = Limits::client();
    (limits.line, limits.reply_lines) = (600, 20);
    let (mut framer, mut input, mut seen) = (ReplyFramer::new(), BytesMut::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            match framer.next_reply(&mut input, &limits) {
                Ok(Some(frame)) => seen.push(frame),
                Ok(None) => break,
                Err(_) => return (seen, true),
            }
        }
    }
    (seen, false)
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
            &["EHLO a", "AUTH PLAIN "],
            &["EHLO a", "AUTH LOGIN", ""],
            &["EHLO a", "AUTH UNKNOWN", ""],
            &["AUTH PLAIN "],
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
