//! Bodies: on their way in, in the tables in pieces, on their way out.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use bytes::{Bytes, BytesMut};
use mailwire_transport::{Budget, run_blocking};
use tokio::time::Instant;

use super::{
    Inner, lines,
    mailboxes::empty,
    sql::{Failure, Query, get, int, lines as of, nat, number, query},
    tx::refer,
};
use crate::{
    BodyId, BodyReader, BodyWriter, Error, Result,
    kept::{
        coming::{CHUNK, Room, Staged},
        references::{LOOKED_AT, references},
        summary,
        tables::{micros, now},
    },
    message::Message,
};

/// A body on its way into a [`PostgresStore`](super::PostgresStore).
#[derive(Debug)]
pub struct Writer {
    store: Arc<Inner>,
    room: Room,
    /// What is not in the tables yet.
    rest: BytesMut,
    /// How much there is in all, and how many pieces are in the tables.
    size: u64,
    pieces: i64,
    /// The begin of the message, if `rest` has it no more.
    begin: Bytes,
}

impl Writer {
    /// A writer of a body for these accounts, in the place of a message of `replaced` bytes if it takes the place of one.
    pub(super) async fn new(
        store: Arc<Inner>,
        accounts: &[i64],
        announced: Option<u64>,
        replaced: Option<u64>,
    ) -> Result<Self> {
        let look = accounts.iter().map(|account| lines::look_at_account(*account)).collect();
        let mut rooms = Vec::with_capacity(accounts.len());
        for given in store.ask(look).await? {
            let account = lines::account(given.first().ok_or(Error::NoSuchAccount)?, &store.config)?;
            rooms.extend(account.room(replaced).map(|room| (account.id, room)));
        }
        let room = Room::new(Arc::clone(&store.coming), rooms, announced)?;
        Ok(Self { store, room, rest: BytesMut::new(), size: 0, pieces: 0, begin: Bytes::new() })
    }

    /// Writes a piece into the tables, or the last one. It is a transaction of its own, so that nothing is held by a client
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
        let number = self.pieces;
        self.pieces += 1;
        let mut write = Vec::with_capacity(3);
        if number == 0 {
            write.push(query!("INSERT INTO blob VALUES($1, 0, 0, NULL) ON CONFLICT DO NOTHING", blob));
        }
        // Whatever becomes of this process, it is swept if it is never delivered. That time begins with its last piece.
        let text = "INSERT INTO garbage VALUES($1, $2) ON CONFLICT (blob) DO UPDATE SET since=excluded.since";
        write.push(query!(text, blob, now()));
        if is_last {
            write.push(query!("UPDATE blob SET size=$2 WHERE id=$1", blob, int(self.size)));
        }
        if !piece.is_empty() {
            let text = "INSERT INTO chunk VALUES($1, $2, $3) ON CONFLICT DO NOTHING";
            write.push(query!(text, blob, number, piece.to_vec()));
        }
        self.store.apply(write).await?;
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

/// The size of a body that has messages, and the begin of it.
pub(super) fn look_at_begin(blob: i64) -> Vec<Query> {
    vec![
        query!("SELECT size FROM blob WHERE id=$1 AND refs>0", blob),
        query!(
            "SELECT substr(data, 1, $2::bigint::int) FROM chunk WHERE blob=$1 AND n=0",
            blob,
            int(LOOKED_AT as u64)
        ),
    ]
}

/// A range of a body of a [`PostgresStore`](super::PostgresStore), piece by piece.
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
        let text = "SELECT size FROM blob WHERE id=$1 AND (refs>0 OR $2)";
        // The first piece comes along.
        let found =
            store.ask(vec![query!(text, blob, staged.is_some()), look_at_piece(blob, &range)]).await?;
        let size = number(of(&found, 0).first().ok_or(Error::NoSuchBody)?, 0)?;
        let end = range.end.min(size);
        let mut range = range.start.min(end)..end;
        let first = of(&found, 1).first().map(|line| get::<Vec<u8>>(line, 0)).transpose()?;
        let first = first.filter(|first| !first.is_empty() && !range.is_empty()).map(Bytes::from);
        range.start = range.start.saturating_add(first.as_ref().map_or(0, |first| first.len() as u64));
        Ok(Self { store, blob, range, first })
    }
}

impl BodyReader for Reader {
    /// Each piece is a look of its own: a client that is slow holds nothing. What was begun can be read to its end, for as
    /// long as the store [keeps](super::Config::kept_for) what is gone.
    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first).filter(|first| !first.is_empty()));
        }
        if self.range.is_empty() {
            return Ok(None);
        }
        let found = self.store.ask(vec![look_at_piece(self.blob, &self.range)]).await?;
        let piece: Vec<u8> = get(of(&found, 0).first().ok_or(Error::NoSuchBody)?, 0)?;
        if piece.is_empty() {
            return Err(Error::NoSuchBody);
        }
        self.range.start = self.range.start.saturating_add(piece.len() as u64);
        Ok(Some(piece.into()))
    }
}

/// The begin of a range, up to the end of the piece that it is in.
fn look_at_piece(blob: i64, range: &Range<u64>) -> Query {
    let number = range.start / CHUNK as u64;
    let from = range.start % CHUNK as u64;
    let length = range.end.saturating_sub(range.start).min(CHUNK as u64);
    let text = "SELECT substr(data, $3::bigint::int, $4::bigint::int) FROM chunk WHERE blob=$1 AND n=$2";
    query!(text, blob, int(number), int(from + 1), int(length))
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

    /// Removes some of what nobody needs: messages of mailboxes that are gone, bodies whose last message is gone since some
    /// time, or that never had one. Whether there may be more. Several servers do it beside each other.
    pub(super) async fn sweep(&self) -> Result<bool, Failure> {
        const MESSAGES: i64 = 1000;
        const BODIES: i64 = 64;
        /// So long what was delivered is remembered for those who ask again.
        const TOLD: i64 = 3_600_000_000;
        let mut conn = self.conn().await?;
        let look = "SELECT m.mailbox, m.uid, m.blob FROM
            (SELECT mailbox FROM emptied ORDER BY mailbox LIMIT 1 FOR UPDATE SKIP LOCKED) e,
            LATERAL (SELECT mailbox, uid, blob FROM message WHERE mailbox=e.mailbox ORDER BY uid LIMIT $1) m";
        let done =
            "DELETE FROM emptied e WHERE NOT EXISTS (SELECT 1 FROM message m WHERE m.mailbox=e.mailbox)
            RETURNING mailbox";
        let given = conn.begin(vec![query!(look, MESSAGES), query!(done)]).await?;
        let mut write = Vec::new();
        let mut refs: BTreeMap<i64, i64> = BTreeMap::new();
        let mut uids: Vec<i64> = Vec::new();
        let mut mailbox = None;
        let (found, emptied) = (of(&given, 0), of(&given, 1));
        for line in found {
            mailbox = Some(line.try_get::<_, i64>(0)?);
            uids.push(line.try_get(1)?);
            *refs.entry(line.try_get(2)?).or_default() -= 1;
        }
        if let Some(mailbox) = mailbox {
            write.push(query!("DELETE FROM message WHERE mailbox=$1 AND uid=ANY($2)", mailbox, uids));
            write.push(refer(refs));
        }
        let emptied: Vec<i64> = emptied.iter().map(|line| line.try_get(0)).collect::<Result<_, _>>()?;
        if !emptied.is_empty() {
            write.extend(empty(emptied));
        }
        conn.commit(write).await?;
        if mailbox.is_some() {
            return Ok(true);
        }

        let late = now().saturating_sub(i64::try_from(self.config.kept_for.as_micros()).unwrap_or(i64::MAX));
        let look = "SELECT blob FROM garbage WHERE since<=$1 ORDER BY since LIMIT $2 FOR UPDATE SKIP LOCKED";
        let given = conn.begin(vec![query!(look, late, BODIES)]).await?;
        let found = of(&given, 0);
        let mut dead: Vec<i64> = found.iter().map(|line| line.try_get(0)).collect::<Result<_, _>>()?;
        dead.retain(|blob| !self.coming.is_in_tables(*blob));
        dead.sort_unstable();
        let more = !dead.is_empty() && int(found.len() as u64) == BODIES;
        let told = micros(std::time::SystemTime::now()).saturating_sub(TOLD);
        let mut write = vec![query!("DELETE FROM delivery WHERE at<$1", told)];
        if !dead.is_empty() {
            let text = "WITH dead AS (DELETE FROM blob WHERE id=ANY($1) AND refs<=0 RETURNING id)
                DELETE FROM chunk USING dead WHERE chunk.blob=dead.id";
            write.push(query!(text, dead.clone()));
            write.push(query!("DELETE FROM garbage WHERE blob=ANY($1)", dead));
        }
        conn.commit(write).await?;
        Ok(more)
    }
}
