//! The tables, and how a file comes to have them.

use std::path::Path;

use rusqlite::OpenFlags;

use super::{
    Config,
    sql::{Sql, failed},
};
use crate::{Error, Result};

/// Each text makes the next version of the schema out of the one before. What was released is not changed any more.
const MIGRATIONS: [&str; 2] = [
    "
CREATE TABLE setting(name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO setting VALUES('decoy key', randomblob(32));
CREATE TABLE counter(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO counter VALUES('next blob', 1);

CREATE TABLE account(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, key TEXT NOT NULL UNIQUE,
    shared BLOB, owner_since INTEGER, modseq INTEGER NOT NULL DEFAULT 0, messages INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0, mailboxes INTEGER NOT NULL DEFAULT 0, annotations INTEGER NOT NULL DEFAULT 0,
    max_bytes INTEGER, max_messages INTEGER, max_mailboxes INTEGER, max_annotations INTEGER,
    subscribed_at INTEGER NOT NULL DEFAULT 1, gone_floor INTEGER NOT NULL DEFAULT 0,
    annotated_floor INTEGER NOT NULL DEFAULT 0, last_uid_validity INTEGER NOT NULL DEFAULT 0,
    last_thread INTEGER NOT NULL DEFAULT 0, thread_keys INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE password(account INTEGER NOT NULL, hash TEXT NOT NULL, salt BLOB NOT NULL, iterations INTEGER NOT NULL,
    stored_key BLOB NOT NULL, server_key BLOB NOT NULL, PRIMARY KEY(account, hash)) STRICT, WITHOUT ROWID;
CREATE TABLE subscription(account INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY(account, name)) STRICT, WITHOUT ROWID;

CREATE TABLE mailbox(id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL, name TEXT,
    special_use BLOB, uid_validity INTEGER NOT NULL, uid_next INTEGER NOT NULL DEFAULT 1, modseq INTEGER NOT NULL,
    messages INTEGER NOT NULL DEFAULT 0, unseen INTEGER NOT NULL DEFAULT 0, deleted INTEGER NOT NULL DEFAULT 0,
    recent INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0, deleted_bytes INTEGER NOT NULL DEFAULT 0,
    rights TEXT NOT NULL, first_recent INTEGER NOT NULL DEFAULT 1, vanished INTEGER NOT NULL DEFAULT 0,
    vanished_floor INTEGER NOT NULL DEFAULT 0, keyword_bytes INTEGER NOT NULL DEFAULT 0,
    annotations INTEGER NOT NULL DEFAULT 0, url_key BLOB, gone INTEGER, UNIQUE(account, name)) STRICT;
CREATE TABLE keyword(mailbox INTEGER NOT NULL, bit INTEGER NOT NULL, name TEXT NOT NULL,
    PRIMARY KEY(mailbox, bit)) STRICT, WITHOUT ROWID;
CREATE TABLE annotation(account INTEGER NOT NULL, mailbox INTEGER NOT NULL, key TEXT NOT NULL, name BLOB NOT NULL,
    value BLOB NOT NULL, PRIMARY KEY(account, mailbox, key)) STRICT, WITHOUT ROWID;
CREATE TABLE annotated(account INTEGER NOT NULL, modseq INTEGER NOT NULL, mailbox INTEGER NOT NULL, name BLOB NOT NULL,
    PRIMARY KEY(account, modseq, mailbox, name)) STRICT, WITHOUT ROWID;
CREATE TABLE emptied(mailbox INTEGER PRIMARY KEY) STRICT;

CREATE TABLE message(mailbox INTEGER NOT NULL, uid INTEGER NOT NULL, modseq INTEGER NOT NULL, flags INTEGER NOT NULL,
    keywords INTEGER NOT NULL, date INTEGER NOT NULL, zone INTEGER NOT NULL, saved INTEGER NOT NULL,
    size INTEGER NOT NULL, blob INTEGER NOT NULL, thread INTEGER NOT NULL, PRIMARY KEY(mailbox, uid)) STRICT, WITHOUT ROWID;
CREATE INDEX message_modseq ON message(mailbox, modseq);
CREATE INDEX message_deleted ON message(mailbox, uid) WHERE flags & 8;
CREATE INDEX message_unseen ON message(mailbox, uid) WHERE NOT flags & 1;
CREATE TABLE vanished(mailbox INTEGER NOT NULL, modseq INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY(mailbox, modseq, first)) STRICT, WITHOUT ROWID;
CREATE TABLE page(mailbox INTEGER NOT NULL, page INTEGER NOT NULL, bits BLOB NOT NULL,
    PRIMARY KEY(mailbox, page)) STRICT, WITHOUT ROWID;
CREATE TABLE thread_key(id INTEGER PRIMARY KEY, account INTEGER NOT NULL, key BLOB NOT NULL, thread INTEGER NOT NULL,
    UNIQUE(account, key)) STRICT;

CREATE TABLE blob(id INTEGER PRIMARY KEY, size INTEGER NOT NULL, refs INTEGER NOT NULL, summary BLOB) STRICT;
CREATE TABLE chunk(id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE garbage(blob INTEGER PRIMARY KEY, since INTEGER NOT NULL) STRICT;
CREATE INDEX garbage_since ON garbage(since);
",
    // The texts of the messages up to `indexed_to`, by mailbox and UID in one number. They are not kept, only where their
    // trigrams are; and of these not at what place.
    "
ALTER TABLE mailbox ADD COLUMN indexed_to INTEGER NOT NULL DEFAULT 0;
CREATE INDEX mailbox_unindexed ON mailbox(id) WHERE uid_next > indexed_to + 1 AND gone IS NULL;
CREATE VIRTUAL TABLE words USING fts5(text, content='', contentless_delete=1, detail=none,
    tokenize='trigram case_sensitive 1');
",
];

/// A connection that writes: the file and its tables are made where they are missing.
pub(super) fn open(path: &Path, config: &Config) -> Result<Sql> {
    make(path);
    let mut sql = connect(path, config, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    // Before anything is written: what is not ours stays as it is.
    missing(&sql, path)?;
    let mode: String = sql.query_row("PRAGMA journal_mode=WAL", [], |line| line.get(0)).map_err(failed)?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(Error::NotDone(format!(
            "{}: its file system has no shared memory (WAL)",
            path.display()
        )));
    }
    set(&sql, "synchronous", config.synchronous.name())?;
    // What a burst has made it grow to is given back.
    set(&sql, "journal_size_limit", 64 << 20)?;
    if let Some(bytes) = config.max_file {
        let page: i64 = sql.query_row("PRAGMA page_size", [], |line| line.get(0)).map_err(failed)?;
        let pages = super::sql::int(bytes) / page.max(1);
        sql.query_row(&format!("PRAGMA max_page_count={}", pages.max(1)), [], |_| Ok(())).map_err(failed)?;
    }
    migrate(&mut sql, path)?;
    Ok(sql)
}

/// Makes the file, if there is none, for its owner alone: passwords and mail will be in it. The files beside it get the same
/// permissions. Why it cannot be made, SQLite tells.
fn make(path: &Path) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let _ = options.open(path);
}

/// A connection that reads.
pub(super) fn reader(path: &Path, config: &Config) -> Result<Sql> {
    let sql = connect(path, config, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    set(&sql, "query_only", 1)?;
    Ok(sql)
}

fn connect(path: &Path, config: &Config, flags: OpenFlags) -> Result<Sql> {
    let sql = Sql::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|error| Error::NotDone(format!("{}: {error}", path.display())))?;
    sql.busy_timeout(config.wait).map_err(failed)?;
    sql.set_prepared_statement_cache_capacity(128);
    Ok(sql)
}

fn set(sql: &Sql, name: &str, value: impl rusqlite::ToSql) -> Result<()> {
    sql.pragma_update(None, name, value).map_err(failed)
}

/// What a database still has to become, if it is ours.
fn missing(sql: &Sql, path: &Path) -> Result<&'static [&'static str]> {
    let version: i64 = sql.query_row("PRAGMA user_version", [], |line| line.get(0)).map_err(failed)?;
    let Some(missing) = usize::try_from(version).ok().and_then(|version| MIGRATIONS.get(version..)) else {
        let (path, known) = (path.display(), MIGRATIONS.len());
        return Err(Error::NotDone(format!(
            "{path}: its schema has version {version}, and this program knows none after {known}"
        )));
    };
    let tables = "SELECT count(*) FROM sqlite_schema WHERE type='table'";
    let tables: i64 = sql.query_row(tables, [], |line| line.get(0)).map_err(failed)?;
    if version == 0 && tables > 0 {
        return Err(Error::NotDone(format!("{}: it is the database of something else", path.display())));
    }
    Ok(missing)
}

/// Brings the schema up to date, all at once, or not at all.
fn migrate(sql: &mut Sql, path: &Path) -> Result<()> {
    let change = sql.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
    let missing = missing(&change, path)?;
    if missing.is_empty() {
        return Ok(());
    }
    for text in missing {
        change.execute_batch(text).map_err(failed)?;
    }
    change.pragma_update(None, "user_version", super::sql::int(MIGRATIONS.len() as u64)).map_err(failed)?;
    change.commit().map_err(failed)
}
