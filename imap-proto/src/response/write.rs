//! Writing: always what the grammar has.

use alloc::vec::Vec;

use bytes::Bytes;
use mailwire_core::Output;

use super::{Response, Untagged};
use crate::{Capability, extensions::id, types::write_number};

/// A literal that was announced in a response, and whose bytes are given in chunks.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamedLiteral {
    /// Where its bytes belong: the offset in the buffer after its announcement.
    pub offset: usize,
    /// How many bytes there are.
    pub length: u64,
    /// Whether it is a `literal8`, which can hold NUL.
    pub binary: bool,
}

/// What of a response does not stand in the buffer that it is written to.
pub(crate) struct Detached<'a> {
    /// Literals whose bytes are given in chunks, in order.
    pub(crate) streamed: &'a mut Vec<StreamedLiteral>,
    /// Large literals, each with its place. They are copied if there is no list for them.
    pub(crate) chained: Option<&'a mut Vec<(usize, Bytes)>>,
}

impl Response {
    /// Appends the response with its line end.
    ///
    /// What has no form in the grammar is left out: an item that was malformed, a date that is none.
    /// A streamed literal is announced, and its bytes are left to the caller: see
    /// [`write_streamed`](Self::write_streamed).
    pub fn write(&self, out: &mut Vec<u8>) {
        self.write_streamed(out, &mut Vec::new());
    }

    /// Appends the response as [`write`](Self::write) does, and adds to `streamed` which literals are to
    /// be given in chunks.
    pub fn write_streamed(&self, out: &mut Vec<u8>, streamed: &mut Vec<StreamedLiteral>) {
        self.write_detached(out, &mut Detached { streamed, chained: None });
    }

    /// Appends the response as [`write`](Self::write) does, to an output: large parts of messages are
    /// chained to it and not copied.
    pub fn write_to(&self, output: &mut Output) {
        output.write_chained(|out, chained| {
            self.write_detached(out, &mut Detached { streamed: &mut Vec::new(), chained: Some(chained) });
        });
    }

    pub(crate) fn write_detached(&self, out: &mut Vec<u8>, detached: &mut Detached<'_>) {
        match self {
            Self::Tagged(tagged) => {
                tagged.tag.as_text().append_to(out);
                out.push(b' ');
                tagged.reply.write(out);
            }
            Self::Continuation(continuation) => continuation.write(out),
            Self::Untagged(data) => {
                let start = out.len();
                out.extend_from_slice(b"* ");
                data.write(out, detached);
                if out.len() == start + 2 {
                    return out.truncate(start);
                }
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

impl Untagged {
    /// Whether the grammar has a form for it.
    pub(crate) fn has_form(&self) -> bool {
        match self {
            Self::Fetch(fetch) => fetch.has_form(),
            Self::Expunge(number) => number.is_some(),
            Self::Extension(data) => data.has_form(),
            Self::Other(other) => other.complete,
            _ => true,
        }
    }

    /// Appends what stands between `* ` and the line end; nothing for data that [has no
    /// form](Self::has_form).
    fn write(&self, out: &mut Vec<u8>, detached: &mut Detached<'_>) {
        let numbered = |out: &mut Vec<u8>, number: u32, name: &[u8]| {
            write_number(out, u64::from(number));
            out.extend_from_slice(name);
        };
        match self {
            Self::Reply(reply) => reply.write(out),
            Self::Capability(capabilities) => {
                out.extend_from_slice(b"CAPABILITY");
                Capability::write_all(out, capabilities);
            }
            Self::Enabled(capabilities) => {
                out.extend_from_slice(b"ENABLED");
                Capability::write_all(out, capabilities);
            }
            Self::List(list) => list.write(out),
            Self::Status(status) => status.write(out),
            Self::Search(found) => found.write(b"SEARCH", out),
            Self::ESearch(found) => found.write(out),
            Self::Sort(found) => found.write(b"SORT", out),
            Self::Thread(threads) => threads.write(out),
            Self::Flags(flags) => {
                out.extend_from_slice(b"FLAGS ");
                flags.write(out);
            }
            Self::Exists(number) => numbered(out, *number, b" EXISTS"),
            Self::Recent(number) => numbered(out, *number, b" RECENT"),
            Self::Expunge(None) => {}
            Self::Expunge(Some(number)) => numbered(out, number.get(), b" EXPUNGE"),
            Self::Fetch(fetch) => fetch.write(out, detached),
            Self::Vanished(vanished) => vanished.write(out),
            Self::Namespace(namespace) => namespace.write(out),
            Self::Id(fields) => id::write_data(out, fields),
            Self::Extension(data) if !data.has_form() => {}
            Self::Extension(data) => data.write(out),
            Self::Other(other) if !other.complete => {}
            Self::Other(other) => {
                if let Some(number) = other.number {
                    write_number(out, number);
                    out.push(b' ');
                }
                out.extend_from_slice(other.name.as_bytes());
                if !other.rest.is_empty() {
                    out.push(b' ');
                    out.extend_from_slice(other.rest.as_bytes());
                }
            }
        }
    }
}
