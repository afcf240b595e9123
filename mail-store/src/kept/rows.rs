//! What is told of messages.

use std::sync::Arc;

use bytes::Bytes;
use mailwire_imap::types::{BodyStructure, Envelope, Uid};
use mailwire_transport::{Budget, run_blocking};

use super::{
    folder::Entry,
    keywords::Keywords,
    mod_seq, summary,
    tables::{int, nat, time},
};
use crate::{BodyId, Error, Fields, Result, Row, Store, ThreadId, message::Message, store::whole};

/// What is known of a message, but for its summary.
pub(crate) fn row(uid: Uid, entry: &Entry, fields: Fields, keywords: &Keywords) -> Row {
    let mut row = Row::new(uid, mod_seq(entry.mod_seq), BodyId::new(nat(entry.blob)), entry.size);
    (row.date, row.saved) = (entry.date, time(entry.saved));
    row.thread = Some(ThreadId::new(nat(entry.thread)));
    if fields.flags {
        row.flags = keywords.set(entry.bits);
    }
    row
}

/// A body with its parts found.
pub(crate) async fn message(store: &impl Store, body: BodyId) -> Result<Arc<Message>> {
    let raw = whole(store, body).await?;
    if raw.len() as u64 <= Budget::TURN {
        return Ok(Arc::new(Message::parse(raw)));
    }
    Ok(run_blocking(move || Arc::new(Message::parse(raw))).await)
}

/// Adds envelopes and structures to rows, by the summaries that are kept of their bodies. What has none is read once for
/// it: gives the summaries of these bodies.
pub(crate) async fn summarize(
    store: &impl Store,
    rows: &mut [Row],
    kept: Vec<Option<Vec<u8>>>,
    fields: Fields,
) -> Result<Vec<(i64, Vec<u8>)>> {
    let mut fresh = Vec::new();
    let mut turns = Budget::unlimited();
    for (row, kept) in rows.iter_mut().zip(kept) {
        // It has no limit.
        let _ = turns.spend(kept.as_ref().map_or(0, |text| text.len() as u64)).await;
        if let Some((envelope, structure)) = kept.and_then(summary::read) {
            show(row, fields, envelope, structure);
            continue;
        }
        let raw = match whole(store, row.body).await {
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
        fresh.extend(text.map(|text| (int(row.body.get()), text)));
        show(row, fields, envelope, structure);
    }
    Ok(fresh)
}

fn show(row: &mut Row, fields: Fields, envelope: Box<Envelope>, structure: BodyStructure) {
    row.envelope = fields.envelope.then_some(envelope);
    row.structure = fields.structure.then(|| Box::new(structure));
}
