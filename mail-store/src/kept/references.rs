//! What a message refers to, by which threads are found.

use bytes::Bytes;

use crate::message::header;

/// So many of the messages that one refers to are looked at.
pub(crate) const REFERENCES: usize = 24;
/// So much of a message is looked at for what it refers to.
pub(crate) const LOOKED_AT: usize = 64 << 10;

/// The identifiers of a message and of those that it answers, the oldest first
/// ([RFC 5322 section 3.6.4](https://www.rfc-editor.org/rfc/rfc5322#section-3.6.4)).
pub(crate) fn references(raw: &Bytes) -> Vec<Bytes> {
    let start = raw.slice(..raw.len().min(LOOKED_AT));
    let header = start.slice(..header::body_start(&start));
    let (mut references, mut in_reply_to, mut own) = (Vec::new(), Vec::new(), Vec::new());
    for field in header::fields(&header) {
        let ids = if field.is(b"references") {
            &mut references
        } else if field.is(b"in-reply-to") {
            &mut in_reply_to
        } else if field.is(b"message-id") {
            &mut own
        } else {
            continue;
        };
        ids.extend(message_ids(&field.value()));
    }
    // The first is what all began with; of the others the last are the nearest.
    let near = references.len().saturating_sub(REFERENCES);
    references.drain(1.min(near)..near);
    in_reply_to.truncate(REFERENCES);
    references.append(&mut in_reply_to);
    references.extend(own.into_iter().take(1));
    references
}

/// What stands between `<` and `>`.
fn message_ids(value: &Bytes) -> Vec<Bytes> {
    let mut ids = Vec::new();
    let mut rest = value.clone();
    while let Some(open) = memchr::memchr(b'<', &rest) {
        rest = rest.slice(open + 1..);
        let Some(close) = memchr::memchr(b'>', &rest) else { break };
        ids.push(rest.slice(..close));
        rest = rest.slice(close..);
    }
    ids
}
