//! Why a call fails.

use mailwire_core::Text;
use mailwire_imap::response::{Code, Reply, ReplyKind};

use crate::{Error, Refused, RefusedKind};

/// A server's no, or its OK for a part. It outlives the connection's buffers, so it is a copy.
pub(super) fn refused(command: &'static str, reply: &Reply) -> Error {
    refusal(command, reply).into()
}

pub(super) fn refusal(command: &'static str, reply: &Reply) -> Refused {
    let kind = match reply.kind {
        ReplyKind::Bad => RefusedKind::Bad,
        ReplyKind::Bye => RefusedKind::Bye,
        ReplyKind::Ok => RefusedKind::Partial,
        ReplyKind::No | ReplyKind::PreAuth => RefusedKind::No,
    };
    let code = reply.code.as_ref().map(code_text);
    Refused::new(command, kind, code, Text::from(reply.text.as_bytes()))
}

pub(super) fn unexpected(what: &'static str) -> Error {
    mailwire_core::Error::Unexpected { what, offset: 0 }.into()
}

pub(super) fn too_many(what: &'static str, limit: usize) -> Error {
    mailwire_core::Error::LimitExceeded { what, limit: limit as u64 }.into()
}

/// A response code as it stands between its brackets.
fn code_text(code: &Code) -> Text {
    Text::from(code.to_string())
}

/// A status response as it came, without its line end.
pub(super) fn reply_line(reply: &Reply) -> String {
    let mut line = Vec::new();
    reply.write(&mut line);
    String::from_utf8_lossy(line.trim_ascii_end()).into_owned()
}
