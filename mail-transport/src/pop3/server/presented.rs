//! A message as a client may have it: RFC 6856 section 2.1.

use bytes::{Bytes, BytesMut};

use super::{Refusal, Utf8, surrogate::surrogate, top::Top};
use crate::{
    Budget,
    server::{Content, Reader},
};

/// A message on its way to a client.
pub(super) struct Presented<R> {
    /// What was looked at already.
    pub(super) start: Bytes,
    pub(super) rest: Content<R>,
    /// Its header is not as it was.
    pub(super) is_surrogate: bool,
}

/// So many bytes are looked at for the end of a header. What comes after is not taken for one.
const HEADER: usize = 256 << 10;
/// A header that would be larger in ASCII needs UTF8: what is made of it is made in one go.
const SURROGATE: usize = 2 * HEADER;

/// Looks at a header, where there is something to be done about one beyond ASCII.
///
/// # Errors
///
/// The client needs the UTF-8 mode; or the message cannot be read.
pub(super) async fn present<R: Reader>(
    content: Content<R>,
    utf8: Utf8,
    turns: &mut Budget,
) -> Result<Presented<R>, Refusal> {
    if utf8 == Utf8::AsItIs {
        return Ok(Presented { start: Bytes::new(), rest: content, is_surrogate: false });
    }
    let mut end = Top::new(0);
    let (start, length, rest) = match content {
        Content::Bytes(mut bytes) => {
            let start = bytes.split_to(bytes.len().min(HEADER));
            let length = end.cut(start.clone()).len();
            (start, length, Content::Bytes(bytes))
        }
        Content::Stream { length: all, mut reader } => {
            let (mut start, mut length) = (BytesMut::new(), 0_usize);
            while !end.ended() && start.len() < HEADER {
                // Nothing is said yet: the client can ask again.
                match reader.chunk().await.map_err(|_| Refusal::unavailable())? {
                    Some(piece) => {
                        length = length.saturating_add(end.cut(piece.clone()).len());
                        start.extend_from_slice(&piece);
                    }
                    None => break,
                }
            }
            let left = all.saturating_sub(start.len() as u64);
            (start.freeze(), length, Content::stream(left, reader))
        }
    };
    let _ = turns.spend(length as u64).await;
    let header = start.get(..length).unwrap_or_default();
    if header.is_ascii() {
        return Ok(Presented { start, rest, is_surrogate: false });
    }
    let is_whole = end.ended() || start.len() < HEADER;
    if utf8 == Utf8::Refuse || !is_whole {
        return Err(Refusal::needs_utf8());
    }
    let Some(mut made) = surrogate(header, SURROGATE) else { return Err(Refusal::needs_utf8()) };
    // It may be larger than what it was made of.
    let _ = turns.spend(made.len() as u64).await;
    made.extend_from_slice(start.get(length..).unwrap_or_default());
    Ok(Presented { start: made.into(), rest, is_surrogate: true })
}
