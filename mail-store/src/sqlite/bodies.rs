//! Bodies: on their way in, in the file in pieces, on their way out.

use std::{ops::Range, sync::Arc};

use bytes::{Bytes, BytesMut};
use mailwire_transport::{Budget, run_blocking};
use tokio::time::Instant;

use super::{
    Inner,
    account::Account,
    sql::{Sql, all, failed, get, int, nat, one, params, run},
    writer::Tx,
};
use crate::{
    BodyId, BodyReader, BodyWriter, Error, Result,
    kept::{
        coming::{CHUNK, Room, Staged},
        references::{LOOKED_AT, references},
        summary,
        tables::now,
    },
    message::Message,
};

/// A body has room for so many pieces.
const CHUNKS: i64 = 1 << 16;

/// A body on its way into a [`SqliteStore`](super::SqliteStore).
#[derive(Debug)]
pub struct Writer {
    store: Arc<Inner>,
    room: Room,
    /// What is not in the file yet.
    rest: BytesMut,
    /// How much there is in all, and how many pieces are in the file.
    size: u64,
    pieces: i64,
    /// The begin of the message, if `rest` has it no more.
    begin: Bytes,
}

impl Writer {
    /// A writer of a body for these accounts, in the place of a message of `replaced` bytes if it takes the place of one.
    pub(super) async fn new(
        store: Arc<Inner>,
        accounts: Vec<i64>,
        announced: Option<u64>,
        replaced: Option<u64>,
    ) -> Result<Self> {
        let rooms = store.look(move |sql, config| {
            let mut rooms = Vec::with_capacity(accounts.len());
            for account in accounts {
                let account = Account::load(sql, account, config)?;
                rooms.extend(account.room(replaced).map(|room| (account.id, room)));
            }
            Ok(rooms)
        });
        let room = Room::new(Arc::clone(&store.coming), rooms.await?, announced)?;
        Ok(Self { store, room, rest: BytesMut::new(), size: 0, pieces: 0, begin: Bytes::new() })
    }

    /// Writes a piece into the file, or the last one. It is a change of its own, so that nothing is held by a client
    /// that is slow.
    async fn flush(&mut self, piece: Bytes, is_last: bool) -> Result<i64> {
        let blob = match self.room.blob {
            Some(blob) => blob,
            None => {
                let blob = self.store.next_blob().await?;
                self.room.enter(blob);
                self.begin = Bytes::copy_from_slice(piece.get(..LOOKED_AT).unwrap_or(&piece));
                blob
            }
        };
        if self.pieces >= CHUNKS {
            return Err(Error::Limit("bytes in a message"));
        }
        let (number, size) = (self.pieces, self.size);
        self.pieces += 1;
        let write = self.store.writer.change(move |tx| {
            if number == 0 {
                // Whatever becomes of this process, it is swept if it is never delivered.
                run(tx.sql, "INSERT INTO blob VALUES(?1, 0, 0, NULL)", [blob])?;
                run(tx.sql, "INSERT INTO garbage VALUES(?1, ?2)", [blob, now()])?;
            }
            if is_last {
                run(tx.sql, "UPDATE blob SET size=?2 WHERE id=?1", [blob, int(size)])?;
            }
            tx.write_chunk(blob, number, &piece)
        });
        write.await?;
        Ok(blob)
    }
}

impl BodyWriter for Writer {
    /// The pieces are copied, so that a message pins no receive buffer. The body grows as it comes, whatever was
    /// announced.
    async fn write(&mut self, piece: Bytes) -> Result<()> {
        let size = self.size.saturating_add(piece.len() as u64);
        self.room.hold(size)?;
        self.size = size;
        self.rest.extend_from_slice(&piece);
        // A body of exactly one piece stays in memory.
        while self.rest.len() > CHUNK {
            let piece = self.rest.split_to(CHUNK).freeze();
            self.flush(piece, false).await?;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<BodyId> {
        let rest = std::mem::take(&mut self.rest);
        let (blob, raw, begin) = if self.room.blob.is_some() {
            let blob = self.flush(rest.freeze(), true).await?;
            (blob, None, std::mem::take(&mut self.begin))
        } else {
            // What was reserved for it to grow is not kept.
            let raw = Bytes::copy_from_slice(&rest);
            (self.store.next_blob().await?, Some(raw.clone()), raw)
        };
        let whole = raw.clone();
        let work = move || (whole.and_then(|raw| summary::write(&Message::parse(raw))), references(&begin));
        let (summary, references) = if self.size > Budget::TURN { run_blocking(work).await } else { work() };
        let mut room = self.room;
        room.leave_accounts();
        let references = references.iter().map(|id| Bytes::copy_from_slice(id)).collect();
        let (size, since) = (self.size, Instant::now());
        let staged = Staged { size, raw, summary, references, since, _room: room };
        self.store.coming.stage(blob, staged);
        Ok(BodyId::new(nat(blob)))
    }
}

/// The number of a body's first piece.
const fn first_chunk(blob: i64) -> i64 {
    blob.saturating_mul(CHUNKS)
}

impl Tx<'_> {
    pub(super) fn write_chunk(&mut self, blob: i64, number: i64, data: &[u8]) -> Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        let text = "INSERT INTO chunk VALUES(?1, ?2)";
        run(self.sql, text, params![first_chunk(blob).saturating_add(number), data]).map(drop)
    }

    /// What a body in the file refers to.
    pub(super) fn references(&self, blob: i64) -> Result<Vec<Bytes>> {
        let text = "SELECT substr(data, 1, ?2) FROM chunk WHERE id=?1";
        let begin =
            one(self.sql, text, [first_chunk(blob), int(LOOKED_AT as u64)], |line| get::<Vec<u8>>(line, 0))?;
        Ok(references(&begin.unwrap_or_default().into()))
    }

    /// Removes some of what nobody needs: messages of mailboxes that are gone, bodies whose last message is gone since some
    /// time, or that never had one. Whether there is more.
    pub(super) fn sweep(&mut self) -> Result<bool> {
        const BODIES: i64 = 64;
        const PIECES: i64 = 16;
        if let Some(mailbox) = one(self.sql, "SELECT mailbox FROM emptied LIMIT 1", [], |line| get(line, 0))?
        {
            self.empty(mailbox)?;
            return Ok(true);
        }
        let kept_for = i64::try_from(self.config.kept_for.as_micros()).unwrap_or(i64::MAX);
        let text = "SELECT blob FROM garbage WHERE since<=?1 ORDER BY since LIMIT ?2";
        let found =
            all(self.sql, text, [now().saturating_sub(kept_for), BODIES], |line| get::<i64>(line, 0))?;
        let (mut left, mut swept) = (PIECES, 0);
        for blob in &found {
            if self.coming.is_in_tables(*blob) {
                continue;
            }
            let first = first_chunk(*blob);
            let text = "DELETE FROM chunk WHERE id IN
                (SELECT id FROM chunk WHERE id>=?1 AND id<?2 ORDER BY id DESC LIMIT ?3)";
            let gone = run(self.sql, text, [first, first.saturating_add(CHUNKS), left])?;
            swept += 1;
            left -= int(gone as u64);
            if left <= 0 {
                // Of this one, too, there may be more.
                return Ok(true);
            }
            run(self.sql, "DELETE FROM blob WHERE id=?1", [*blob])?;
            run(self.sql, "DELETE FROM garbage WHERE blob=?1", [*blob])?;
        }
        Ok(swept > 0 && int(found.len() as u64) == BODIES)
    }
}

/// A range of a body of a [`SqliteStore`](super::SqliteStore), piece by piece.
#[derive(Debug)]
pub struct Reader {
    store: Arc<Inner>,
    blob: i64,
    range: Range<u64>,
    /// What was read already.
    first: Option<Bytes>,
}

impl Reader {
    pub(super) async fn new(store: Arc<Inner>, body: BodyId, range: Range<u64>) -> Result<Self> {
        let blob = int(body.get());
        let staged = store.coming.staged(blob);
        if let Some((size, Some(raw))) = staged {
            let (start, end) = (range.start.min(size), range.end.min(size));
            let bound = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(raw.len());
            let first = raw.slice(bound(start.min(end))..bound(end));
            return Ok(Self { store, blob, range: end..end, first: Some(first) });
        }
        let is_staged = staged.is_some();
        // The first piece comes by the same look.
        let found = store.look(move |sql, _| {
            let text = "SELECT size FROM blob WHERE id=?1 AND (refs>0 OR ?2)";
            let size = one(sql, text, params![blob, is_staged], |line| get(line, 0).map(nat))?;
            let end = range.end.min(size.ok_or(Error::NoSuchBody)?);
            let range = range.start.min(end)..end;
            Ok((piece(sql, blob, &range)?, range))
        });
        let (first, mut range) = found.await?;
        range.start = range.start.saturating_add(first.as_ref().map_or(0, |first| first.len() as u64));
        Ok(Self { store, blob, range, first })
    }
}

impl BodyReader for Reader {
    /// Each piece is a look of its own: a client that is slow holds nothing. What was begun can be read to its end, for as
    /// long as the store [keeps](super::Config::kept_for) what is gone.
    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        if let Some(first) = self.first.take().filter(|first| !first.is_empty()) {
            return Ok(Some(first));
        }
        let (blob, range) = (self.blob, self.range.clone());
        if range.is_empty() {
            return Ok(None);
        }
        let read = self.store.look(move |sql, _| piece(sql, blob, &range)?.ok_or(Error::NoSuchBody)).await?;
        self.range.start = self.range.start.saturating_add(read.len() as u64);
        Ok(Some(read))
    }
}

/// Gives the pieces of a body, in their order.
pub(super) fn pieces(sql: &Sql, blob: i64, mut give: impl FnMut(&[u8])) -> Result<()> {
    let first = first_chunk(blob);
    let text = "SELECT data FROM chunk WHERE id>=?1 AND id<?2 ORDER BY id";
    all(sql, text, [first, first.saturating_add(CHUNKS)], |line| {
        give(line.get_ref(0).and_then(|data| Ok(data.as_blob()?)).map_err(failed)?);
        Ok(())
    })
    .map(drop)
}

/// The begin of a range, up to the end of the piece that it is in. `None` if there is none.
fn piece(sql: &Sql, blob: i64, range: &Range<u64>) -> Result<Option<Bytes>> {
    if range.is_empty() {
        return Ok(None);
    }
    let number = range.start / CHUNK as u64;
    let from = range.start % CHUNK as u64;
    let length = range.end - range.start;
    let text = "SELECT substr(data, ?2, ?3) FROM chunk WHERE id=?1";
    let line = [first_chunk(blob).saturating_add(int(number)), int(from + 1), int(length)];
    let data = one(sql, text, line, |line| get::<Vec<u8>>(line, 0))?;
    Ok(data.filter(|data| !data.is_empty()).map(Bytes::from))
}
