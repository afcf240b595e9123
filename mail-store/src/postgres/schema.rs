//! The tables, and how a database comes to have them.

use tokio_postgres::Client;

use super::sql::{Failure, get, int};
use crate::{Error, Result};

/// Each text makes the next version of the schema out of the one before. What was released is not changed any more.
///
/// In the second one, `blob.object` is what a body is called in the object store, where its `doomed` pieces are removed.
///
/// Lines that are written again with each delivery have room for that in their pages (`fillfactor`).
const MIGRATIONS: [&str; 2] = ["
CREATE TABLE account(id BIGSERIAL PRIMARY KEY, name TEXT NOT NULL, key TEXT NOT NULL UNIQUE,
    shared BYTEA, owner_since BIGINT, modseq BIGINT NOT NULL DEFAULT 0, messages BIGINT NOT NULL DEFAULT 0,
    bytes BIGINT NOT NULL DEFAULT 0, mailboxes BIGINT NOT NULL DEFAULT 0, annotations BIGINT NOT NULL DEFAULT 0,
    max_bytes BIGINT, max_messages BIGINT, max_mailboxes BIGINT, max_annotations BIGINT,
    subscribed_at BIGINT NOT NULL DEFAULT 1, gone_floor BIGINT NOT NULL DEFAULT 0,
    annotated_floor BIGINT NOT NULL DEFAULT 0, last_uid_validity BIGINT NOT NULL DEFAULT 0,
    last_thread BIGINT NOT NULL DEFAULT 0, thread_keys BIGINT NOT NULL DEFAULT 0) WITH (fillfactor=50);
CREATE TABLE password(account BIGINT NOT NULL, hash TEXT NOT NULL, salt BYTEA NOT NULL, iterations BIGINT NOT NULL,
    stored_key BYTEA NOT NULL, server_key BYTEA NOT NULL, PRIMARY KEY(account, hash));
CREATE TABLE subscription(account BIGINT NOT NULL, name TEXT COLLATE \"C\" NOT NULL, PRIMARY KEY(account, name));

CREATE TABLE mailbox(id BIGSERIAL PRIMARY KEY, account BIGINT NOT NULL, name TEXT COLLATE \"C\",
    special_use BYTEA, uid_validity BIGINT NOT NULL, uid_next BIGINT NOT NULL DEFAULT 1, modseq BIGINT NOT NULL,
    messages BIGINT NOT NULL DEFAULT 0, unseen BIGINT NOT NULL DEFAULT 0, deleted BIGINT NOT NULL DEFAULT 0,
    recent BIGINT NOT NULL DEFAULT 0, bytes BIGINT NOT NULL DEFAULT 0, deleted_bytes BIGINT NOT NULL DEFAULT 0,
    rights TEXT NOT NULL, first_recent BIGINT NOT NULL DEFAULT 1, vanished BIGINT NOT NULL DEFAULT 0,
    vanished_floor BIGINT NOT NULL DEFAULT 0, keyword_bytes BIGINT NOT NULL DEFAULT 0,
    annotations BIGINT NOT NULL DEFAULT 0, url_key BYTEA, gone BIGINT, UNIQUE(account, name)) WITH (fillfactor=50);
CREATE TABLE keyword(mailbox BIGINT NOT NULL, bit BIGINT NOT NULL, name TEXT NOT NULL, PRIMARY KEY(mailbox, bit));
CREATE TABLE annotation(account BIGINT NOT NULL, mailbox BIGINT NOT NULL, key TEXT NOT NULL, name BYTEA NOT NULL,
    value BYTEA NOT NULL, PRIMARY KEY(account, mailbox, key));
CREATE TABLE annotated(account BIGINT NOT NULL, modseq BIGINT NOT NULL, mailbox BIGINT NOT NULL, name BYTEA NOT NULL,
    PRIMARY KEY(account, modseq, mailbox, name));
CREATE TABLE emptied(mailbox BIGINT PRIMARY KEY);

CREATE TABLE message(mailbox BIGINT NOT NULL, uid BIGINT NOT NULL, modseq BIGINT NOT NULL, keywords BIGINT NOT NULL,
    date BIGINT NOT NULL, saved BIGINT NOT NULL, size BIGINT NOT NULL, blob BIGINT NOT NULL, thread BIGINT NOT NULL,
    flags SMALLINT NOT NULL, zone SMALLINT NOT NULL, PRIMARY KEY(mailbox, uid));
CREATE INDEX message_modseq ON message(mailbox, modseq, uid);
CREATE INDEX message_deleted ON message(mailbox, uid) WHERE flags & 8 <> 0;
CREATE INDEX message_unseen ON message(mailbox, uid) WHERE flags & 1 = 0;
CREATE TABLE vanished(mailbox BIGINT NOT NULL, modseq BIGINT NOT NULL, first BIGINT NOT NULL, last BIGINT NOT NULL,
    PRIMARY KEY(mailbox, modseq, first));
CREATE TABLE page(mailbox BIGINT NOT NULL, page BIGINT NOT NULL, bits BIT(4096) NOT NULL,
    PRIMARY KEY(mailbox, page)) WITH (fillfactor=50);
ALTER TABLE page ALTER bits SET STORAGE PLAIN;
CREATE TABLE thread_key(id BIGSERIAL PRIMARY KEY, account BIGINT NOT NULL, key BYTEA NOT NULL, thread BIGINT NOT NULL,
    UNIQUE(account, key));

CREATE SEQUENCE blob_id INCREMENT 1024;
CREATE TABLE blob(id BIGINT PRIMARY KEY, size BIGINT NOT NULL, refs BIGINT NOT NULL, summary BYTEA);
CREATE TABLE chunk(blob BIGINT NOT NULL, n BIGINT NOT NULL, data BYTEA NOT NULL, PRIMARY KEY(blob, n));
ALTER TABLE chunk ALTER data SET STORAGE EXTERNAL;
CREATE TABLE garbage(blob BIGINT PRIMARY KEY, since BIGINT NOT NULL);
CREATE INDEX garbage_since ON garbage(since);
CREATE TABLE delivery(blob BIGINT NOT NULL, place BIGINT NOT NULL, account BIGINT NOT NULL, mailbox BIGINT NOT NULL,
    uid_validity BIGINT NOT NULL, uid BIGINT NOT NULL, modseq BIGINT NOT NULL, at BIGINT NOT NULL,
    PRIMARY KEY(blob, account, place));
CREATE INDEX delivery_at ON delivery(at);
CREATE TABLE lease(account BIGINT NOT NULL, kind TEXT NOT NULL, holder BYTEA NOT NULL, until TIMESTAMPTZ NOT NULL,
    PRIMARY KEY(account, kind));
", "
ALTER TABLE blob ADD COLUMN object TEXT;
CREATE UNIQUE INDEX blob_object ON blob(object) WHERE object IS NOT NULL;
CREATE TABLE doomed(object TEXT PRIMARY KEY, pieces BIGINT NOT NULL);
"];

/// What a database says of itself.
pub(super) struct Known {
    pub(super) decoy_key: Vec<u8>,
    /// Where the servers of this store, and no other one in the same database, tell each other of changes.
    pub(super) channel: String,
}

/// Any number will do that nobody else takes.
const LOCK: i64 = 0x6d61_696c_7769_7265;

/// Brings the schema up to date, all at once, or not at all. Others wait meanwhile.
pub(super) async fn migrate(client: &Client) -> Result<Known> {
    // A schema that is up to date is not written to.
    let there = "SELECT to_regclass('mailwire') IS NOT NULL";
    let line = client.query_one(there, &[]).await.map_err(failed)?;
    if get(&line, 0)? {
        let (version, known) = known(client).await.map_err(failed)?;
        if missing(version)?.is_empty() {
            return Ok(known);
        }
    }
    let migrated = apply(client).await;
    if migrated.is_err() {
        // The connection is given up in any case.
        let _ = client.batch_execute("ROLLBACK").await;
    }
    migrated
}

fn failed(error: tokio_postgres::Error) -> Error {
    Failure::from(error).not_done()
}

async fn apply(client: &Client) -> Result<Known> {
    client.batch_execute("BEGIN").await.map_err(failed)?;
    client.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await.map_err(failed)?;
    let table = "SELECT to_regclass('mailwire') IS NOT NULL,
        (SELECT count(*) FROM pg_class WHERE relnamespace=current_schema()::regnamespace AND relkind='r')";
    let line = client.query_one(table, &[]).await.map_err(failed)?;
    let (is_ours, tables): (bool, i64) = (get(&line, 0)?, get(&line, 1)?);
    if !is_ours && tables > 0 {
        return Err(Error::NotDone("the database, or this schema of it, is of something else".to_owned()));
    }
    if !is_ours {
        let make =
            "CREATE TABLE mailwire(version BIGINT NOT NULL, decoy_key BYTEA NOT NULL, channel TEXT NOT NULL);
            INSERT INTO mailwire VALUES(0, uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()),
                'mailwire_' || replace(gen_random_uuid()::text, '-', ''))";
        client.batch_execute(make).await.map_err(failed)?;
    }
    let (version, known) = known(client).await.map_err(failed)?;
    for text in missing(version)? {
        client.batch_execute(text).await.map_err(failed)?;
    }
    let version = int(MIGRATIONS.len() as u64);
    client.execute("UPDATE mailwire SET version=$1", &[&version]).await.map_err(failed)?;
    client.batch_execute("COMMIT").await.map_err(failed)?;
    Ok(known)
}

async fn known(client: &Client) -> Result<(usize, Known), tokio_postgres::Error> {
    let line = client.query_one("SELECT version, decoy_key, channel FROM mailwire", &[]).await?;
    let known = Known { decoy_key: line.try_get(1)?, channel: line.try_get(2)? };
    Ok((usize::try_from(line.try_get::<_, i64>(0)?).unwrap_or(usize::MAX), known))
}

/// What a schema of a version still has to become.
fn missing(version: usize) -> Result<&'static [&'static str]> {
    MIGRATIONS.get(version..).ok_or_else(|| {
        let known = MIGRATIONS.len();
        Error::NotDone(format!(
            "the database's schema has version {version}, and this program knows none after {known}"
        ))
    })
}
