//! Bodies: on their way in, in the tables in pieces or in an object store, on their way out.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use tokio_postgres::Row as Line;

use super::{
    Inner, lines,
    objects::Objects,
    sql::{Query, get, int, lines as of, number, query},
};
use crate::{
    BodyId, BodyReader, BodyWriter, Error, Result,
    kept::{
        bodies::{Incoming, Outgoing, Piece, Pieces, place},
        coming::{CHUNK, Coming},
        references::LOOKED_AT,
        tables::now,
    },
};

/// Bytes of a piece in the object store. It stays what it is: what is there has no other mark.
pub(super) const PIECE: usize = 1 << 20;

/// The pieces of a body.
#[derive(Debug)]
struct Stored {
    store: Arc<Inner>,
    /// What it is called in the object store, if it is there.
    object: Option<String>,
}

impl Stored {
    const fn new(store: Arc<Inner>) -> Self {
        Self { store, object: None }
    }

    /// Writes down that there will be a piece in the object store, before it is there: so it is swept whatever becomes of
    /// this process. That time begins with the last piece.
    async fn announce(&mut self, blob: i64, end: u64) -> Result<String> {
        let announce = "INSERT INTO blob(id, size, refs, object) VALUES($1, $2, 0, gen_random_uuid()::text)
            ON CONFLICT (id) DO UPDATE SET size=excluded.size RETURNING object";
        let announce = query!(announce, blob, int(end));
        let written = self.store.apply_and_read(vec![announce, to_be_swept(blob)]).await?;
        let object: String = get(of(&written, 0).first().ok_or(Error::NoSuchBody)?, 0)?;
        // If it took so long that it was swept, it has another name now, and is not whole.
        if self.object.replace(object.clone()).is_some_and(|before| before != object) {
            return Err(Error::NoSuchBody);
        }
        Ok(object)
    }
}

fn to_be_swept(blob: i64) -> Query {
    let text = "INSERT INTO garbage VALUES($1, $2) ON CONFLICT (blob) DO UPDATE SET since=excluded.since";
    query!(text, blob, now())
}

impl Pieces for Stored {
    fn coming(&self) -> &Arc<Coming> {
        &self.store.coming
    }

    fn piece_size(&self) -> usize {
        if self.store.objects().is_some() { PIECE } else { CHUNK }
    }

    fn in_memory(&self) -> u64 {
        self.store.objects().map_or(u64::MAX, Objects::above).min(CHUNK as u64)
    }

    async fn next_blob(&self) -> Result<i64> {
        self.store.next_blob().await
    }

    async fn put(&mut self, piece: Piece) -> Result<()> {
        let Piece { blob, number, data, end, is_last } = piece;
        if self.store.objects().is_some() {
            let object = self.announce(blob, end).await?;
            if let Some(objects) = self.store.objects() {
                return objects.put(&object, number, data).await;
            }
        }
        let mut write = Vec::with_capacity(4);
        if number == 0 {
            write.push(query!("INSERT INTO blob VALUES($1, 0, 0, NULL) ON CONFLICT DO NOTHING", blob));
        }
        write.push(to_be_swept(blob));
        if is_last {
            write.push(query!("UPDATE blob SET size=$2 WHERE id=$1", blob, int(end)));
        }
        let text = "INSERT INTO chunk VALUES($1, $2, $3) ON CONFLICT DO NOTHING";
        write.push(query!(text, blob, number, data.to_vec()));
        self.store.apply(write).await
    }

    async fn open(&mut self, blob: i64, is_staged: bool, range: Range<u64>) -> Result<(u64, Option<Bytes>)> {
        let text = "SELECT size, object FROM blob WHERE id=$1 AND (refs>0 OR $2)";
        // The first piece comes along.
        let look = vec![query!(text, blob, is_staged), look_at_piece(blob, &range)];
        let found = self.store.ask(look).await?;
        let line = of(&found, 0).first().ok_or(Error::NoSuchBody)?;
        let size = number(line, 0)?;
        self.object = get(line, 1)?;
        let range = range.start..range.end.min(size);
        let first = if self.object.is_some() { self.get(blob, range).await? } else { data(of(&found, 1))? };
        Ok((size, first))
    }

    async fn get(&mut self, blob: i64, range: Range<u64>) -> Result<Option<Bytes>> {
        if range.is_empty() {
            return Ok(None);
        }
        if let Some(object) = &self.object {
            let none =
                || Error::NotDone("the body is in an object store, and this server has none".to_owned());
            return self.store.objects().ok_or_else(none)?.read(object, &range).await;
        }
        data(of(&self.store.ask(vec![look_at_piece(blob, &range)]).await?, 0))
    }
}

fn data(lines: &[Line]) -> Result<Option<Bytes>> {
    let data = lines.first().map(|line| get::<Vec<u8>>(line, 0)).transpose()?;
    Ok(data.filter(|data| !data.is_empty()).map(Bytes::from))
}

/// The begin of a range, up to the end of the piece that it is in.
fn look_at_piece(blob: i64, range: &Range<u64>) -> Query {
    let (number, from, length) = place(range, CHUNK);
    let text = "SELECT substr(data, $3::bigint::int, $4::bigint::int) FROM chunk WHERE blob=$1 AND n=$2";
    query!(text, blob, number, int(from + 1), int(length))
}

/// A body on its way into a [`PostgresStore`](super::PostgresStore).
#[derive(Debug)]
pub struct Writer(Incoming<Stored>);

impl Writer {
    /// A writer of a body for these accounts, in the place of a message of `replaced` bytes if it takes the place of one.
    pub(super) async fn new(
        store: Arc<Inner>,
        accounts: &[i64],
        announced: Option<u64>,
        replaced: Option<u64>,
    ) -> Result<Self> {
        let mut rooms = Vec::with_capacity(accounts.len());
        let mut look = Vec::new();
        for account in accounts {
            match store.rooms.plenty(*account) {
                Some(room) => rooms.push((*account, room)),
                None => look.push(lines::look_at_account(*account)),
            }
        }
        let found = if look.is_empty() { Vec::new() } else { store.ask(look).await? };
        for given in found {
            let account = lines::account(given.first().ok_or(Error::NoSuchAccount)?, &store.config)?;
            rooms.extend(account.room(replaced).map(|room| (account.id, room)));
        }
        Incoming::new(Stored::new(store), rooms, announced).map(Self)
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

/// A range of a body of a [`PostgresStore`](super::PostgresStore), piece by piece.
///
/// What was begun can be read to its end, for as long as the store [keeps](super::Config::kept_for) what is gone.
#[derive(Debug)]
pub struct Reader(Outgoing<Stored>);

impl Reader {
    pub(super) async fn new(store: Arc<Inner>, body: BodyId, range: Range<u64>) -> Result<Self> {
        Outgoing::new(Stored::new(store), body, range).await.map(Self)
    }
}

impl BodyReader for Reader {
    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        self.0.chunk().await
    }
}

impl Inner {
    /// A number for a body, which is never given again.
    pub(super) async fn next_blob(&self) -> Result<i64> {
        /// So many are reserved at once: as `blob_id` says.
        const SOME: i64 = 1024;
        loop {
            if let Some(blob) = self.blobs().next() {
                return Ok(blob);
            }
            let found = self.ask(vec![query!("SELECT nextval('blob_id')")]).await?;
            let line = of(&found, 0).first().ok_or_else(|| super::sql::broken("no number"))?;
            let first: i64 = get(line, 0)?;
            let mut blobs = self.blobs();
            if blobs.is_empty() {
                *blobs = first..first.saturating_add(SOME);
            }
        }
    }

    /// The size of a body that has messages, and what its references are looked for in.
    pub(super) async fn begin_of(self: &Arc<Self>, blob: i64) -> Result<(u64, Bytes)> {
        let (size, begin) = Stored::new(Arc::clone(self)).open(blob, false, 0..LOOKED_AT as u64).await?;
        Ok((size, begin.unwrap_or_default()))
    }
}
