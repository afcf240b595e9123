//! Bodies on their way in, and on their way out, piece by piece: what a store has to do for it is [`Pieces`].

use std::{future::Future, ops::Range, sync::Arc};

use bytes::{Bytes, BytesMut};
use mailwire_transport::{Budget, run_blocking};
use tokio::time::Instant;

use super::{
    coming::{CHUNK, Coming, Room, Staged},
    references::{LOOKED_AT, references},
    summary,
    tables::{int, nat},
};
use crate::{BodyId, Error, Result, message::Message};

/// A piece of a body that is on its way in.
pub(crate) struct Piece {
    pub(crate) blob: i64,
    /// How many come before it.
    pub(crate) number: i64,
    pub(crate) data: Bytes,
    /// Bytes of the body up to its end.
    pub(crate) end: u64,
    pub(crate) is_last: bool,
}

/// Where a store keeps the pieces of a body.
pub(crate) trait Pieces: Send + 'static {
    fn coming(&self) -> &Arc<Coming>;

    /// Bytes of a piece. Only the last one has fewer.
    fn piece_size(&self) -> usize {
        CHUNK
    }

    /// A body of so many bytes stays in memory until it is delivered.
    fn in_memory(&self) -> u64 {
        CHUNK as u64
    }

    /// A number for a body, which is never given again.
    fn next_blob(&self) -> impl Future<Output = Result<i64>> + Send;

    /// Keeps a piece. It is a change of its own, so that nothing is held by a client that is slow.
    fn put(&mut self, piece: Piece) -> impl Future<Output = Result<()>> + Send;

    /// The size of a body that has messages, or `is_staged`, with the begin of a range of it.
    fn open(
        &mut self,
        blob: i64,
        is_staged: bool,
        range: Range<u64>,
    ) -> impl Future<Output = Result<(u64, Option<Bytes>)>> + Send;

    /// The begin of a range, up to the end of the piece that it is in. `None` if there is none.
    fn get(&mut self, blob: i64, range: Range<u64>) -> impl Future<Output = Result<Option<Bytes>>> + Send;
}

/// A body on its way in.
#[derive(Debug)]
pub(crate) struct Incoming<P> {
    pieces: P,
    room: Room,
    /// What is not kept yet.
    rest: BytesMut,
    /// How much there is in all, and how many pieces are kept.
    size: u64,
    count: i64,
    /// The begin of the message, if `rest` has it no more.
    begin: Bytes,
}

impl<P: Pieces> Incoming<P> {
    /// A body for these accounts, which have so much room for it.
    pub(crate) fn new(pieces: P, rooms: Vec<(i64, u64)>, announced: Option<u64>) -> Result<Self> {
        let room = Room::new(Arc::clone(pieces.coming()), rooms, announced)?;
        Ok(Self { pieces, room, rest: BytesMut::new(), size: 0, count: 0, begin: Bytes::new() })
    }

    async fn flush(&mut self, data: Bytes, is_last: bool) -> Result<i64> {
        let blob = match self.room.blob {
            Some(blob) => blob,
            None => {
                let blob = self.pieces.next_blob().await?;
                self.room.enter(blob);
                self.begin = Bytes::copy_from_slice(data.get(..LOOKED_AT).unwrap_or(&data));
                blob
            }
        };
        let (number, end) = (self.count, self.size.saturating_sub(self.rest.len() as u64));
        self.count += 1;
        self.pieces.put(Piece { blob, number, data, end, is_last }).await?;
        Ok(blob)
    }

    /// The pieces are copied, so that a message pins no receive buffer. The body grows as it comes, whatever was
    /// announced.
    pub(crate) async fn write(&mut self, piece: Bytes) -> Result<()> {
        let size = self.size.saturating_add(piece.len() as u64);
        self.room.hold(size)?;
        self.size = size;
        self.rest.extend_from_slice(&piece);
        // What may be the last piece waits: a body of one alone may stay in memory.
        while self.rest.len() > self.pieces.piece_size() {
            let piece = self.rest.split_to(self.pieces.piece_size()).freeze();
            self.flush(piece, false).await?;
        }
        Ok(())
    }

    pub(crate) async fn finish(mut self) -> Result<BodyId> {
        let rest = std::mem::take(&mut self.rest);
        let (blob, raw, begin) = if self.room.blob.is_some() || self.size > self.pieces.in_memory() {
            let blob = self.flush(rest.freeze(), true).await?;
            (blob, None, std::mem::take(&mut self.begin))
        } else {
            // What was reserved for it to grow is not kept.
            let raw = Bytes::copy_from_slice(&rest);
            (self.pieces.next_blob().await?, Some(raw.clone()), raw)
        };
        let whole = raw.clone();
        let work = move || (whole.and_then(|raw| summary::write(&Message::parse(raw))), references(&begin));
        let (summary, references) = if self.size > Budget::TURN { run_blocking(work).await } else { work() };
        let mut room = self.room;
        room.leave_accounts();
        let references = references.iter().map(|id| Bytes::copy_from_slice(id)).collect();
        let (size, since) = (self.size, Instant::now());
        let staged = Staged { size, raw, summary, references, since, _room: room };
        self.pieces.coming().stage(blob, staged);
        Ok(BodyId::new(nat(blob)))
    }
}

/// A range of a body on its way out.
#[derive(Debug)]
pub(crate) struct Outgoing<P> {
    pieces: P,
    blob: i64,
    range: Range<u64>,
    /// What was read already.
    first: Option<Bytes>,
}

impl<P: Pieces> Outgoing<P> {
    pub(crate) async fn new(mut pieces: P, body: BodyId, range: Range<u64>) -> Result<Self> {
        let blob = int(body.get());
        let staged = pieces.coming().staged(blob);
        if let Some((size, Some(raw))) = staged {
            let (start, end) = (range.start.min(size), range.end.min(size));
            let bound = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(raw.len());
            let first = raw.slice(bound(start.min(end))..bound(end));
            return Ok(Self { pieces, blob, range: end..end, first: Some(first) });
        }
        let (size, first) = pieces.open(blob, staged.is_some(), range.clone()).await?;
        let end = range.end.min(size);
        let mut range = range.start.min(end)..end;
        let first = first.filter(|_| !range.is_empty());
        range.start = range.start.saturating_add(first.as_ref().map_or(0, |first| first.len() as u64));
        Ok(Self { pieces, blob, range, first })
    }

    /// Each piece is a look of its own: a client that is slow holds nothing.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        if let Some(first) = self.first.take().filter(|first| !first.is_empty()) {
            return Ok(Some(first));
        }
        if self.range.is_empty() {
            return Ok(None);
        }
        let piece = self.pieces.get(self.blob, self.range.clone()).await?.ok_or(Error::NoSuchBody)?;
        self.range.start = self.range.start.saturating_add(piece.len() as u64);
        Ok(Some(piece))
    }
}

/// The piece that a range begins in, the place there, and how many bytes of it are asked for.
pub(crate) fn place(range: &Range<u64>, piece_size: usize) -> (i64, u64, u64) {
    let size = piece_size as u64;
    let place = range.start % size;
    let length = range.end.saturating_sub(range.start).min(size - place);
    (int(range.start / size), place, length)
}
