//! Bodies on their way to clients.

use std::{io, ops::Range};

use bytes::Bytes;
use mailwire_transport::server::{Content, Reader};

use crate::{BodyReader, Result, Row, Store};

/// A large body on its way from a [`Store`] to a client.
#[derive(Debug)]
pub struct Contents<R> {
    /// What was read already.
    first: Option<Bytes>,
    rest: R,
}

impl<R: BodyReader> Reader for Contents<R> {
    async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.rest.chunk().await.map_err(io::Error::other),
        }
    }
}

/// A range of a message as it is. What the store gives in one piece is not copied, and is no stream.
pub(crate) async fn content<S: Store>(
    store: &S,
    row: &Row,
    range: Range<u64>,
) -> Result<Content<Contents<S::Reader>>> {
    let (start, end) = (range.start.min(row.size), range.end.min(row.size));
    let length = end.saturating_sub(start);
    let mut rest = store.read(row.body, start..end).await?;
    let first = if length > 0 { rest.chunk().await? } else { None };
    let first = first.unwrap_or_default();
    if first.len() as u64 == length {
        return Ok(Content::Bytes(first));
    }
    let first = (!first.is_empty()).then_some(first);
    Ok(Content::stream(length, Contents { first, rest }))
}
