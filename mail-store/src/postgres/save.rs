//! What has become of accounts is written by one statement, however much it is.

use std::collections::BTreeMap;

use bytes::Bytes;
use mailwire_imap::types::Uid;

use super::sql::{Bitmap, Query, int, query};
use crate::kept::{
    account::Account,
    folder::{Entry, Folder, PAGE},
    tables::now,
};

/// A body that comes with its first message.
#[derive(Debug, Clone)]
pub(super) struct Fresh {
    pub(super) size: u64,
    pub(super) raw: Bytes,
    pub(super) summary: Option<Vec<u8>>,
}

/// What was delivered, for whoever has to ask again.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) blob: i64,
    pub(super) place: i64,
    pub(super) mailbox: i64,
    pub(super) uid_validity: u32,
    pub(super) uid: Uid,
    pub(super) mod_seq: u64,
}

/// What has become of an account.
#[derive(Debug)]
pub(super) struct Part {
    /// Of its line, when it was looked at. `None`: the line is locked since then.
    pub(super) version: Option<i64>,
    pub(super) account: Account,
    pub(super) folders: Vec<Folder>,
    pub(super) messages: Vec<(i64, Uid, Entry)>,
    /// With how many messages they have.
    pub(super) bodies: Vec<(i64, i64, Fresh)>,
    pub(super) threads: Vec<(Bytes, i64)>,
    pub(super) told: Vec<Told>,
}

impl Part {
    /// An account whose line is locked.
    pub(super) const fn new(account: Account) -> Self {
        Self {
            version: None,
            account,
            folders: Vec::new(),
            messages: Vec::new(),
            bodies: Vec::new(),
            threads: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Whether it says nothing beside the account's own line.
    pub(super) const fn is_empty(&self) -> bool {
        self.folders.is_empty()
            && self.messages.is_empty()
            && self.bodies.is_empty()
            && self.threads.is_empty()
            && self.told.is_empty()
    }

    /// Bytes that are sent of its bodies.
    pub(super) fn weight(&self) -> usize {
        self.bodies.iter().map(|(.., body)| body.raw.len()).sum()
    }
}

/// Writes parts, and tells of which accounts: of those whose line is the one that was looked at, and that nobody has locked.
/// Of the others nothing is written. It waits for no lock, so that nothing can wait for it in a circle.
///
/// Numbers are one array for each table, line after line, which costs least: each of them is looked at where it stands. Pages
/// of the map get bits, and a body may be there already, where this is the second try.
const SAVE: &str = "WITH line AS MATERIALIZED (SELECT n.* FROM (SELECT
        ($1::bigint[])[i+1] AS id, ($1::bigint[])[i+2] AS version, ($1::bigint[])[i+3] AS modseq,
        ($1::bigint[])[i+4] AS messages, ($1::bigint[])[i+5] AS bytes, ($1::bigint[])[i+6] AS mailboxes,
        ($1::bigint[])[i+7] AS annotations, ($1::bigint[])[i+8] AS subscribed_at,
        ($1::bigint[])[i+9] AS gone_floor, ($1::bigint[])[i+10] AS annotated_floor,
        ($1::bigint[])[i+11] AS last_uid_validity, ($1::bigint[])[i+12] AS last_thread,
        ($1::bigint[])[i+13] AS thread_keys
        FROM (SELECT generate_series(0, cardinality($1::bigint[])-1, 13) AS i) each) n,
    LATERAL (SELECT 1 FROM account WHERE id=n.id AND (n.version=0 OR xmin::text::bigint=n.version)
        FOR NO KEY UPDATE SKIP LOCKED) locked),
folders AS (UPDATE mailbox m SET uid_next=n.uid_next, modseq=n.modseq, messages=n.messages, unseen=n.unseen, deleted=n.deleted,
        recent=n.recent, bytes=n.bytes, deleted_bytes=n.deleted_bytes, first_recent=n.first_recent,
        vanished=n.vanished, vanished_floor=n.vanished_floor, keyword_bytes=n.keyword_bytes,
        annotations=n.annotations
    FROM (SELECT
        ($2::bigint[])[i+1] AS account, ($2::bigint[])[i+2] AS id, ($2::bigint[])[i+3] AS uid_next,
        ($2::bigint[])[i+4] AS modseq, ($2::bigint[])[i+5] AS messages, ($2::bigint[])[i+6] AS unseen,
        ($2::bigint[])[i+7] AS deleted, ($2::bigint[])[i+8] AS recent, ($2::bigint[])[i+9] AS bytes,
        ($2::bigint[])[i+10] AS deleted_bytes, ($2::bigint[])[i+11] AS first_recent,
        ($2::bigint[])[i+12] AS vanished, ($2::bigint[])[i+13] AS vanished_floor,
        ($2::bigint[])[i+14] AS keyword_bytes, ($2::bigint[])[i+15] AS annotations
        FROM (SELECT generate_series(0, cardinality($2::bigint[])-1, 15) AS i) each) n
    WHERE m.id=n.id AND n.account=ANY(ARRAY(SELECT id FROM line))),
pages AS (INSERT INTO page SELECT ($3::bigint[])[i+2], ($3::bigint[])[i+3], ($4::bit(4096)[])[i/3+1]
    FROM (SELECT generate_series(0, cardinality($3::bigint[])-1, 3) AS i) each
    WHERE ($3::bigint[])[i+1]=ANY(ARRAY(SELECT id FROM line))
    ON CONFLICT (mailbox, page) DO UPDATE SET bits=page.bits | excluded.bits),
messages AS (INSERT INTO message(mailbox, uid, modseq, keywords, date, saved, size, blob, thread, flags, zone) SELECT
        ($5::bigint[])[i+1] AS mailbox, ($5::bigint[])[i+2] AS uid, ($5::bigint[])[i+3] AS modseq,
        ($5::bigint[])[i+4] AS keywords, ($5::bigint[])[i+5] AS date, ($5::bigint[])[i+6] AS saved,
        ($5::bigint[])[i+7] AS size, ($5::bigint[])[i+8] AS blob, ($5::bigint[])[i+9] AS thread,
        ($5::bigint[])[i+10] AS flags, ($5::bigint[])[i+11] AS zone
    FROM (SELECT generate_series(0, cardinality($5::bigint[])-1, 12) AS i) each
    WHERE ($5::bigint[])[i+12]=ANY(ARRAY(SELECT id FROM line))),
bodies AS (INSERT INTO blob(id, size, refs, summary)
    SELECT ($6::bigint[])[i+2], ($6::bigint[])[i+3], ($6::bigint[])[i+4], ($7::bytea[])[i/4+1]
    FROM (SELECT generate_series(0, cardinality($6::bigint[])-1, 4) AS i) each
    WHERE ($6::bigint[])[i+1]=ANY(ARRAY(SELECT id FROM line))
    ON CONFLICT (id) DO UPDATE SET refs=blob.refs+excluded.refs),
pieces AS (INSERT INTO chunk SELECT ($6::bigint[])[i+2], 0, ($8::bytea[])[i/4+1]
    FROM (SELECT generate_series(0, cardinality($6::bigint[])-1, 4) AS i) each
    WHERE length(($8::bytea[])[i/4+1])>0 AND ($6::bigint[])[i+1]=ANY(ARRAY(SELECT id FROM line))
    ON CONFLICT DO NOTHING),
threads AS (INSERT INTO thread_key(account, key, thread)
    SELECT ($9::bigint[])[i+1], ($10::bytea[])[i/2+1], ($9::bigint[])[i+2]
    FROM (SELECT generate_series(0, cardinality($9::bigint[])-1, 2) AS i) each
    WHERE ($9::bigint[])[i+1]=ANY(ARRAY(SELECT id FROM line)) ON CONFLICT DO NOTHING),
told AS (INSERT INTO delivery(account, at, blob, place, mailbox, uid_validity, uid, modseq) SELECT
        ($11::bigint[])[i+1] AS account, ($11::bigint[])[i+2] AS at, ($11::bigint[])[i+3] AS blob,
        ($11::bigint[])[i+4] AS place, ($11::bigint[])[i+5] AS mailbox, ($11::bigint[])[i+6] AS uid_validity,
        ($11::bigint[])[i+7] AS uid, ($11::bigint[])[i+8] AS modseq
    FROM (SELECT generate_series(0, cardinality($11::bigint[])-1, 8) AS i) each
    WHERE ($11::bigint[])[i+1]=ANY(ARRAY(SELECT id FROM line)) ON CONFLICT DO NOTHING)
UPDATE account a SET modseq=n.modseq, messages=n.messages, bytes=n.bytes, mailboxes=n.mailboxes,
        annotations=n.annotations, subscribed_at=n.subscribed_at, gone_floor=n.gone_floor,
        annotated_floor=n.annotated_floor, last_uid_validity=n.last_uid_validity, last_thread=n.last_thread,
        thread_keys=n.thread_keys
FROM line n WHERE a.id=n.id RETURNING a.id";

/// Writes parts of different accounts: see [`SAVE`].
pub(super) fn save(parts: &[&Part]) -> Query {
    let (mut accounts, mut folders) = (Vec::new(), Vec::new());
    let (mut places, mut pages) = (Vec::new(), Vec::new());
    let mut messages = Vec::new();
    let (mut bodies, mut summaries, mut pieces) = (Vec::new(), Vec::new(), Vec::new());
    let (mut threads, mut keys) = (Vec::new(), Vec::new());
    let mut told = Vec::new();
    let now = now();
    for part in parts {
        let id = part.account.id;
        accounts.extend(of_account(&part.account, part.version));
        for folder in &part.folders {
            folders.extend(of_folder(id, folder));
            for (page, bits) in pages_of(&folder.added) {
                places.extend([id, folder.id, page]);
                pages.push(bits);
            }
        }
        for (mailbox, uid, entry) in &part.messages {
            messages.extend(of_message(id, *mailbox, *uid, entry));
        }
        for (blob, count, body) in &part.bodies {
            bodies.extend([id, *blob, int(body.size), *count]);
            summaries.push(body.summary.clone());
            pieces.push(body.raw.to_vec());
        }
        for (key, thread) in &part.threads {
            threads.extend([id, *thread]);
            keys.push(key.to_vec());
        }
        for one in &part.told {
            let (uid_validity, uid) = (i64::from(one.uid_validity), i64::from(one.uid.get()));
            told.extend([id, now, one.blob, one.place, one.mailbox, uid_validity, uid, int(one.mod_seq)]);
        }
    }
    query!(SAVE, accounts, folders, places, pages, messages, bodies, summaries, pieces, threads, keys, told,)
}

fn of_account(account: &Account, version: Option<i64>) -> [i64; 13] {
    [
        account.id,
        version.unwrap_or(0),
        int(account.mod_seq),
        int(account.messages),
        int(account.bytes),
        int(account.mailboxes),
        int(account.annotations),
        int(account.subscribed_at),
        int(account.gone_floor),
        int(account.annotated_floor),
        account.last_uid_validity.into(),
        int(account.last_thread),
        int(account.thread_keys),
    ]
}

fn of_folder(account: i64, folder: &Folder) -> [i64; 15] {
    let info = &folder.info;
    [
        account,
        folder.id,
        info.uid_next.get().into(),
        int(info.mod_seq.get()),
        info.messages.into(),
        info.unseen.into(),
        info.deleted.into(),
        info.recent.into(),
        int(info.bytes),
        int(info.deleted_bytes),
        folder.first_recent.get().into(),
        int(folder.vanished),
        int(folder.vanished_floor),
        int(folder.keyword_bytes),
        int(folder.annotations),
    ]
}

fn of_message(account: i64, mailbox: i64, uid: Uid, entry: &Entry) -> [i64; 12] {
    [
        mailbox,
        uid.get().into(),
        int(entry.mod_seq),
        int(entry.bits.keywords()),
        entry.date.seconds,
        entry.saved,
        int(entry.size),
        entry.blob,
        entry.thread,
        entry.bits.system().into(),
        entry.date.zone.into(),
        account,
    ]
}

/// Pages of the map of UIDs with these bits set.
pub(super) fn pages_of(uids: &[Uid]) -> Vec<(i64, Bitmap)> {
    let mut pages: BTreeMap<i64, Bitmap> = BTreeMap::new();
    for uid in uids {
        let empty = || Bitmap(vec![0; PAGE as usize / 8]);
        let page = pages.entry(i64::from(uid.get() / PAGE)).or_insert_with(empty);
        let place = uid.get() % PAGE;
        if let Some(byte) = page.0.get_mut(place as usize / 8) {
            *byte |= 1 << (place % 8);
        }
    }
    pages.into_iter().collect()
}

/// Counts messages of bodies. Their lines are locked in one order, as other accounts have messages of them, too.
pub(super) fn refer(refs: BTreeMap<i64, i64>) -> Query {
    let (blobs, by): (Vec<i64>, Vec<i64>) = refs.into_iter().unzip();
    let text = "WITH change AS (SELECT * FROM unnest($1::bigint[], $2::bigint[]) AS change(id, by)),
        locked AS MATERIALIZED (SELECT id FROM blob WHERE id=ANY($1) ORDER BY id FOR NO KEY UPDATE),
        changed AS (UPDATE blob b SET refs=b.refs+change.by FROM change JOIN locked USING (id) WHERE b.id=change.id
            RETURNING b.id, b.refs)
        INSERT INTO garbage SELECT id, $3 FROM changed WHERE refs<=0
            ON CONFLICT (blob) DO UPDATE SET since=excluded.since";
    query!(text, blobs, by, now())
}
