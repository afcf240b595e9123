//! Bodies on their way to clients.

use std::{io, ops::Range};

use bytes::Bytes;
use mailwire_imap::types::Partial;
use mailwire_transport::{
    Budget, OverBudget, run_blocking,
    server::{Content, Reader},
};

use crate::{BodyReader, Result, Row, Store, message::Pieces};

/// A large body, or what is worked out of one, on its way from a [`Store`] to a client.
#[derive(Debug)]
pub struct Contents<R>(Source<R>);

#[derive(Debug)]
enum Source<R> {
    Stored {
        /// What was read already.
        first: Option<Bytes>,
        rest: R,
    },
    /// None while it is being worked at.
    Worked(Option<Box<Pieces>>),
}

impl<R: BodyReader> Reader for Contents<R> {
    async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        match &mut self.0 {
            Source::Stored { first, rest } => match first.take() {
                Some(first) => Ok(Some(first)),
                None => rest.chunk().await.map_err(io::Error::other),
            },
            Source::Worked(pieces) => {
                let Some(mut work) = pieces.take() else { return Ok(None) };
                let is_large = work.cost() as u64 > Budget::TURN;
                let next = move || {
                    let piece = work.next();
                    (work, piece)
                };
                let (work, piece) = if is_large { run_blocking(next).await } else { next() };
                *pieces = Some(work);
                Ok(piece)
            }
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
    Ok(Content::stream(length, Contents(Source::Stored { first, rest })))
}

/// So many bytes of a message are worked out before they are sent.
const SMALL: usize = 4096;

/// A range of what is worked out of a message, while it is sent if it is large. `length` is the length of all of
/// it, if it is known.
pub(crate) async fn worked<R>(
    pieces: Pieces,
    length: Option<u64>,
    range: Option<Partial>,
    budget: &mut Budget,
) -> Result<Content<Contents<R>>, OverBudget> {
    let cost = pieces.cost();
    if cost <= SMALL {
        budget.spend(cost as u64).await?;
        return Ok(Content::Bytes(pieces.cut(range).whole()));
    }
    let length = match length {
        Some(length) => length,
        None => count(&pieces, budget).await?,
    };
    // To send it is to work it out once more.
    budget.spend(cost as u64).await?;
    let length = match range {
        Some(range) => length.saturating_sub(range.offset).min(range.length.get()),
        None => length,
    };
    Ok(Content::stream(length, Contents(Source::Worked(Some(Box::new(pieces.cut(range)))))))
}

/// How long something is that is worked out.
pub(crate) async fn count(pieces: &Pieces, budget: &mut Budget) -> Result<u64, OverBudget> {
    let (cost, pieces) = (pieces.cost() as u64, pieces.clone());
    budget.run(cost, move || pieces.length()).await
}
