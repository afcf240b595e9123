//! Bodies: on their way in, in the file in pieces, on their way out.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use super::{
    Inner,
    account::Account,
    sql::{Sql, all, failed, get, int, nat, one, params, run},
    writer::Tx,
};
use crate::{
    BodyId, BodyReader, BodyWriter, Error, Result,
    kept::{
        bodies::{Incoming, Outgoing, Piece, Pieces, place},
        coming::{CHUNK, Coming},
        references::{LOOKED_AT, references},
        tables::now,
    },
};

/// A body has room for so many pieces.
const CHUNKS: i64 = 1 << 16;

/// The pieces of bodies in a file.
#[derive(Debug)]
struct InFile(Arc<Inner>);

impl Pieces for InFile {
    fn coming(&self) -> &Arc<Coming> {
        &self.0.coming
    }

    async fn next_blob(&self) -> Result<i64> {
        self.0.next_blob().await
    }

    async fn put(&mut self, piece: Piece) -> Result<()> {
        let Piece { blob, number, data, end, is_last } = piece;
        if number >= CHUNKS {
            return Err(Error::Limit("bytes in a message"));
        }
        let write = self.0.writer.change(move |tx| {
            if number == 0 {
                // Whatever becomes of this process, it is swept if it is never delivered.
                run(tx.sql, "INSERT INTO blob VALUES(?1, 0, 0, NULL)", [blob])?;
                run(tx.sql, "INSERT INTO garbage VALUES(?1, ?2)", [blob, now()])?;
            }
            if is_last {
                run(tx.sql, "UPDATE blob SET size=?2 WHERE id=?1", [blob, int(end)])?;
            }
            tx.write_chunk(blob, number, &data)
        });
        write.await
    }

    async fn open(&mut self, blob: i64, is_staged: bool, range: Range<u64>) -> Result<(u64, Option<Bytes>)> {
        // The first piece comes by the same look.
        let found = self.0.look(move |sql, _| {
            let text = "SELECT size FROM blob WHERE id=?1 AND (refs>0 OR ?2)";
            let size = one(sql, text, params![blob, is_staged], |line| get(line, 0).map(nat))?;
            let size = size.ok_or(Error::NoSuchBody)?;
            Ok((size, piece(sql, blob, &(range.start..range.end.min(size)))?))
        });
        found.await
    }

    async fn get(&mut self, blob: i64, range: Range<u64>) -> Result<Option<Bytes>> {
        self.0.look(move |sql, _| piece(sql, blob, &range)).await
    }
}

/// A body on its way into a [`SqliteStore`](super::SqliteStore).
#[derive(Debug)]
pub struct Writer(Incoming<InFile>);

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
        let rooms = rooms.await?;
        Incoming::new(InFile(store), rooms, announced).map(Self)
    }
}

impl BodyWriter for Writer {
    async fn write(&mut self, piece: Bytes) -> Result<()> {
        self.0.write(piece).await
    }

    async fn finish(self) -> Result<BodyId> {
        self.0.finish().await
    }
}

/// A range of a body of a [`SqliteStore`](super::SqliteStore), piece by piece.
///
/// What was begun can be read to its end, for as long as the store [keeps](super::Config::kept_for) what is gone.
#[derive(Debug)]
pub struct Reader(Outgoing<InFile>);

impl Reader {
    pub(super) async fn new(store: Arc<Inner>, body: BodyId, range: Range<u64>) -> Result<Self> {
        Outgoing::new(InFile(store), body, range).await.map(Self)
    }
}

impl BodyReader for Reader {
    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        self.0.chunk().await
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
    let (number, from, length) = place(range, CHUNK);
    let text = "SELECT substr(data, ?2, ?3) FROM chunk WHERE id=?1";
    let line = [first_chunk(blob).saturating_add(number), int(from + 1), int(length)];
    let data = one(sql, text, line, |line| get::<Vec<u8>>(line, 0))?;
    Ok(data.filter(|data| !data.is_empty()).map(Bytes::from))
}
