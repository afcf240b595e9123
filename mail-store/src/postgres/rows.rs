//! What is known of messages: rows, and what lists of them show.

use std::collections::HashMap;

use mailwire_imap::types::Uid;

use super::{
    PostgresStore,
    lines::{keywords, look_at_folder, look_at_keywords},
    messages::{entries, look_within},
    sql::{get, int, lines, nat, query},
};
use crate::{
    Error, Fields, MailboxId, Result, Row, Uids,
    kept::rows::{row, summarize},
};

/// So many ranges of UIDs are asked for at once.
const RANGES: usize = 1000;

impl PostgresStore {
    /// What is known of messages, but for their summaries.
    pub(super) async fn rows(
        &self,
        mailbox: MailboxId,
        uids: &Uids,
        fields: Fields,
        limit: usize,
    ) -> Result<Vec<Row>> {
        let id = int(mailbox.get());
        let mut rows: Vec<Row> = Vec::new();
        let ranges: Vec<(Uid, Uid)> = uids.ranges().collect();
        let mut rest = ranges.as_slice();
        loop {
            let left = limit.saturating_sub(rows.len());
            let (now, later) = rest.split_at(enough(rest, left));
            rest = later;
            let some = now.iter().copied().collect();
            let mut look = vec![look_at_folder(mailbox), look_within(id, &some, left)];
            if fields.flags {
                look.push(look_at_keywords(vec![id]));
            }
            let found = self.inner.ask(look).await?;
            lines(&found, 0).first().ok_or(Error::NoSuchMailbox)?;
            let keywords = keywords(lines(&found, 2), id)?;
            for (uid, entry) in entries(lines(&found, 1))? {
                rows.push(row(uid, &entry, fields, &keywords));
            }
            if rest.is_empty() || rows.len() >= limit {
                return Ok(rows);
            }
        }
    }

    /// Adds envelopes and structures to rows. What has no summary yet is read once for it.
    pub(super) async fn summarize(&self, rows: &mut [Row], fields: Fields) -> Result<()> {
        let bodies: Vec<i64> = rows.iter().map(|row| int(row.body.get())).collect();
        let look = query!("SELECT id, summary FROM blob WHERE id=ANY($1) AND summary IS NOT NULL", bodies);
        let mut known = HashMap::new();
        for line in self.inner.ask(vec![look]).await?.iter().flatten() {
            known.insert(nat(get(line, 0)?), get::<Vec<u8>>(line, 1)?);
        }
        // Copies have one body.
        let kept = rows.iter().map(|row| known.get(&row.body.get()).cloned()).collect();
        let (missing, texts): (Vec<_>, Vec<_>) =
            summarize(self, rows, kept, fields).await?.into_iter().unzip();
        if missing.is_empty() {
            return Ok(());
        }
        let text =
            "UPDATE blob b SET summary=s.summary FROM unnest($1::bigint[], $2::bytea[]) AS s(id, summary)
            WHERE b.id=s.id AND b.summary IS NULL";
        // It is worked out once more if it cannot be kept.
        if let Err(error) = self.inner.apply(vec![query!(text, missing, texts)]).await {
            tracing::debug!(%error, "summaries of messages cannot be kept now");
        }
        Ok(())
    }
}

/// How many of the ranges are likely to have so many messages.
fn enough(ranges: &[(Uid, Uid)], messages: usize) -> usize {
    let mut count = 0_u64;
    let most = (messages as u64).saturating_mul(2);
    let fits = |(first, last): &&(Uid, Uid)| {
        let is_before = count < most;
        count = count.saturating_add(u64::from(last.get() - first.get()) + 1);
        is_before
    };
    ranges.iter().take(RANGES).take_while(fits).count()
}
