//! What is known of messages: rows, and what lists of them show.

use bytes::{Bytes, BytesMut};
use mailwire_imap::types::{BodyStructure, Envelope, Uid};
use mailwire_transport::Budget;

use super::{
    PostgresStore,
    lines::{keywords, look_at_folder, look_at_keywords},
    messages::{entries, look_within},
    sql::{get, int, lines, nat, query},
};
use crate::{
    BodyId, BodyReader as _, Error, Fields, MailboxId, Result, Row, Store as _, ThreadId, Uids,
    kept::{mod_seq, summary, tables::time},
    message::Message,
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
                let mut row = Row::new(uid, mod_seq(entry.mod_seq), BodyId::new(nat(entry.blob)), entry.size);
                (row.date, row.saved) = (entry.date, time(entry.saved));
                row.thread = Some(ThreadId::new(nat(entry.thread)));
                if fields.flags {
                    row.flags = keywords.set(entry.bits);
                }
                rows.push(row);
            }
            if rest.is_empty() || rows.len() >= limit {
                return Ok(rows);
            }
        }
    }

    /// All bytes of a body.
    pub(super) async fn whole(&self, body: BodyId) -> Result<Bytes> {
        let mut reader = self.read(body, 0..u64::MAX).await?;
        let first = reader.chunk().await?.unwrap_or_default();
        let Some(second) = reader.chunk().await? else { return Ok(first) };
        let mut raw = BytesMut::from(first);
        raw.extend_from_slice(&second);
        while let Some(chunk) = reader.chunk().await? {
            raw.extend_from_slice(&chunk);
        }
        Ok(raw.freeze())
    }

    /// Adds envelopes and structures to rows. What has no summary yet is read once for it.
    pub(super) async fn summarize(&self, rows: &mut [Row], fields: Fields) -> Result<()> {
        let bodies: Vec<i64> = rows.iter().map(|row| int(row.body.get())).collect();
        let look = query!("SELECT id, summary FROM blob WHERE id=ANY($1) AND summary IS NOT NULL", bodies);
        let mut known = std::collections::HashMap::new();
        for line in self.inner.ask(vec![look]).await?.iter().flatten() {
            known.insert(nat(get(line, 0)?), get::<Vec<u8>>(line, 1)?);
        }
        let (mut missing, mut texts) = (Vec::new(), Vec::new());
        let mut turns = Budget::unlimited();
        for row in rows {
            let text = known.get(&row.body.get()).cloned();
            // It has no limit.
            let _ = turns.spend(text.as_ref().map_or(0, |text| text.len() as u64)).await;
            if let Some((envelope, structure)) = text.and_then(summary::read) {
                show(row, fields, envelope, structure);
                continue;
            }
            let raw = match self.whole(row.body).await {
                Ok(raw) => raw,
                // It went in the meantime; the caller will be told.
                Err(Error::NoSuchBody) => Bytes::new(),
                Err(error) => return Err(error),
            };
            let work = move || {
                let message = Message::parse(raw);
                (Box::new(message.envelope()), message.structure(true), summary::write(&message))
            };
            let Ok((envelope, structure, text)) = turns.run(row.size, work).await else { continue };
            if let Some(text) = text {
                missing.push(int(row.body.get()));
                texts.push(text);
            }
            show(row, fields, envelope, structure);
        }
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

fn show(row: &mut Row, fields: Fields, envelope: Box<Envelope>, structure: BodyStructure) {
    row.envelope = fields.envelope.then_some(envelope);
    row.structure = fields.structure.then(|| Box::new(structure));
}
