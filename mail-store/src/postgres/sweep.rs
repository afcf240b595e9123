//! What nobody needs any more is removed.

use std::collections::BTreeMap;

use super::{
    Inner,
    bodies::PIECE,
    mailboxes::empty,
    save::refer,
    sql::{Failure, int, lines as of, query},
};
use crate::kept::tables::{micros, now};

impl Inner {
    /// Sweeps until there is nothing more.
    pub(super) async fn sweep_all(&self) -> Result<(), Failure> {
        let _one = self.sweeping.lock().await;
        while self.sweep().await? {}
        self.sweep_doomed().await
    }

    /// Removes from the object store the bodies that are gone from the tables.
    async fn sweep_doomed(&self) -> Result<(), Failure> {
        const BODIES: i64 = 64;
        let Some(objects) = self.objects() else { return Ok(()) };
        loop {
            let look = query!("SELECT object, pieces FROM doomed ORDER BY object LIMIT $1", BODIES);
            let mut doomed: Vec<(String, i64)> = Vec::new();
            for line in self.conn().await?.send(&[look]).await?.iter().flatten() {
                doomed.push((line.try_get(0)?, line.try_get(1)?));
            }
            if doomed.is_empty() {
                return Ok(());
            }
            objects.delete(&doomed).await.map_err(Failure::Refused)?;
            let names: Vec<String> = doomed.into_iter().map(|(object, _)| object).collect();
            let done = query!("DELETE FROM doomed WHERE object=ANY($1)", names);
            self.conn().await?.send(&[done]).await?;
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
            let text =
                "WITH dead AS (DELETE FROM blob WHERE id=ANY($1) AND refs<=0 RETURNING id, size, object),
                doom AS (INSERT INTO doomed SELECT object, (size+$2-1)/$2 FROM dead WHERE object IS NOT NULL)
                DELETE FROM chunk USING dead WHERE chunk.blob=dead.id";
            write.push(query!(text, dead.clone(), int(PIECE as u64)));
            write.push(query!("DELETE FROM garbage WHERE blob=ANY($1)", dead));
        }
        conn.commit(write).await?;
        Ok(more)
    }
}
