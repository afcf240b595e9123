//! A transaction that changes an account: what is known of it, what is to be written.
//!
//! It takes two round trips: one to lock the account's line and to look at what the changes need, one to write all that
//! has become of it, with the commit. Or it is worked out from what was seen without a lock, and written together with what
//! has become of other accounts, if it is still so.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use mailwire_imap::types::Uid;
use tokio_postgres::Row as Line;

use super::{
    Config,
    change::Needs,
    lines::{self, account_columns, folder_columns, look_at_keywords},
    save::{Fresh, Part, Told, pages_of, refer, save},
    sql::{Conn, Failure, Query, get, int, lines as of, number, query},
    together::Seen,
};
use crate::{
    Error, MailboxPath, Result, Uids,
    kept::{
        account::Account,
        after,
        folder::{Entry, Folder, MAX_VANISHED},
        keywords::Keywords,
    },
};

pub(super) struct Tx {
    pub(super) conn: Conn,
    /// A statement has failed, and the transaction with it.
    pub(super) failure: Option<Failure>,
    /// Some of its changes may have been made already.
    pub(super) repeated: bool,
    /// Of the account's line, if that is not locked.
    version: Option<i64>,
    pub(super) account: Account,
    loaded: Account,
    folders: HashMap<i64, Folder>,
    /// As they are in the tables.
    stored: HashMap<i64, Folder>,
    inbox: Option<i64>,
    keywords: HashMap<i64, Keywords>,
    threads: HashMap<Bytes, i64>,
    /// How many statements have been sent that write.
    sent: usize,
    writes: Vec<Query>,
    messages: Vec<(i64, Uid, Entry)>,
    bodies: Vec<(i64, Fresh)>,
    fresh_threads: Vec<(Bytes, i64)>,
    told: Vec<Told>,
    /// How many messages more or less there are of bodies.
    refs: BTreeMap<i64, i64>,
}

/// Where a change began.
pub(super) struct Mark {
    account: Account,
    folders: HashMap<i64, Folder>,
    keywords: HashMap<i64, Keywords>,
    refs: BTreeMap<i64, i64>,
    sent: usize,
    counts: [usize; 5],
}

impl Tx {
    /// Locks an account.
    pub(super) async fn begin(
        mut conn: Conn,
        config: &Config,
        account: i64,
        needs: &Needs,
        repeated: bool,
    ) -> Result<Self, Failure> {
        let lock = concat!("SELECT ", account_columns!(), " FROM account WHERE id=$1 FOR NO KEY UPDATE");
        let queries = vec![
            query!(lock, account),
            folders(account, &needs.mailboxes, needs.inbox),
            look_at_keywords(needs.mailboxes.clone()),
            threads(account, needs),
        ];
        let given = conn.begin(queries).await?;
        let line = of(&given, 0).first().ok_or(Error::NoSuchAccount);
        let account = match line.and_then(|line| lines::account(line, config)) {
            Ok(account) => account,
            Err(error) => {
                conn.roll_back().await;
                return Err(Failure::Refused(error));
            }
        };
        let mut tx = Self::new(conn, account, repeated);
        if let Err(error) = tx.know(&given, needs) {
            tx.conn.roll_back().await;
            return Err(Failure::Refused(error));
        }
        Ok(tx)
    }

    /// As if it were a transaction, of what was [seen](Seen) without a lock. It fails where it needs anything else.
    pub(super) fn apart(seen: Seen) -> Self {
        let mut tx = Self::new(Conn::none(), seen.account, false);
        tx.version = Some(seen.version);
        tx.know_folder(seen.inbox);
        tx.threads.extend(seen.threads);
        tx
    }

    fn new(conn: Conn, account: Account, repeated: bool) -> Self {
        Self {
            conn,
            failure: None,
            repeated,
            version: None,
            loaded: account.clone(),
            account,
            folders: HashMap::new(),
            stored: HashMap::new(),
            inbox: None,
            keywords: HashMap::new(),
            threads: HashMap::new(),
            sent: 0,
            writes: Vec::new(),
            messages: Vec::new(),
            bodies: Vec::new(),
            fresh_threads: Vec::new(),
            told: Vec::new(),
            refs: BTreeMap::new(),
        }
    }

    /// Takes up folders, keywords and threads.
    fn know(&mut self, given: &[Vec<Line>], needs: &Needs) -> Result<()> {
        for line in of(given, 1) {
            self.know_folder(lines::folder(line)?);
        }
        for mailbox in &needs.mailboxes {
            self.keywords.insert(*mailbox, lines::keywords(of(given, 2), *mailbox)?);
        }
        for line in of(given, 3) {
            self.threads.insert(Bytes::from(get::<Vec<u8>>(line, 0)?), get(line, 1)?);
        }
        Ok(())
    }

    fn know_folder(&mut self, folder: Folder) -> i64 {
        let id = folder.id;
        if folder.info.path.is_inbox() {
            self.inbox = Some(id);
        }
        if !self.folders.contains_key(&id) {
            self.stored.insert(id, folder.clone());
            self.folders.insert(id, folder);
        }
        id
    }

    /// Sends what is to be written, and then looks.
    pub(super) async fn read(&mut self, queries: Vec<Query>) -> Result<Vec<Vec<Line>>> {
        let mut all = self.pending();
        let before = all.len();
        self.sent += before;
        all.extend(queries);
        match self.conn.send(&all).await {
            Ok(mut given) => Ok(given.split_off(before)),
            Err(failure) => {
                self.failure = Some(failure.clone());
                Err(failure.not_done())
            }
        }
    }

    /// A statement that writes and tells something.
    pub(super) async fn write_and_read(&mut self, query: Query) -> Result<Vec<Line>> {
        self.sent += 1;
        Ok(self.read(vec![query]).await?.pop().unwrap_or_default())
    }

    /// Writes something with what else is written.
    pub(super) fn write(&mut self, query: Query) {
        self.writes.push(query);
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            account: self.account.clone(),
            folders: self.folders.clone(),
            keywords: self.keywords.clone(),
            refs: self.refs.clone(),
            sent: self.sent,
            counts: [
                self.writes.len(),
                self.messages.len(),
                self.bodies.len(),
                self.fresh_threads.len(),
                self.told.len(),
            ],
        }
    }

    /// Forgets what came after a mark. False if some of it was sent already.
    pub(super) fn reset(&mut self, mark: Mark) -> bool {
        if self.sent > mark.sent {
            return false;
        }
        let [writes, messages, bodies, threads, told] = mark.counts;
        self.writes.truncate(writes);
        self.messages.truncate(messages);
        self.bodies.truncate(bodies);
        for (key, _) in self.fresh_threads.drain(threads.min(self.fresh_threads.len())..) {
            self.threads.remove(&key);
        }
        self.told.truncate(told);
        // What was looked at in the meantime is as it was in the tables.
        let looked = std::mem::replace(&mut self.folders, mark.folders);
        for id in looked.into_keys() {
            if let Some(stored) = self.stored.get(&id) {
                self.folders.entry(id).or_insert_with(|| stored.clone());
            }
        }
        self.account = mark.account;
        self.keywords = mark.keywords;
        self.refs = mark.refs;
        true
    }

    /// A mailbox of the account.
    pub(super) async fn folder(&mut self, id: i64) -> Result<Folder> {
        if !self.folders.contains_key(&id) {
            let look = folders(self.account.id, &[id], false);
            for line in of(&self.read(vec![look]).await?, 0) {
                self.know_folder(lines::folder(line)?);
            }
        }
        self.folders.get(&id).cloned().ok_or(Error::NoSuchMailbox)
    }

    pub(super) async fn find(&mut self, name: &str) -> Result<Option<Folder>> {
        if let Some(known) = self.inbox.filter(|_| name == MailboxPath::inbox().as_str()) {
            return self.folder(known).await.map(Some);
        }
        let text = concat!("SELECT ", folder_columns!(), " FROM mailbox WHERE account=$1 AND name=$2");
        let found = self.read(vec![query!(text, self.account.id, name.to_owned())]).await?;
        let Some(line) = of(&found, 0).first() else { return Ok(None) };
        let id = self.know_folder(lines::folder(line)?);
        self.folder(id).await.map(Some)
    }

    pub(super) async fn named(&mut self, path: &MailboxPath) -> Result<Folder> {
        self.find(path.as_str()).await?.ok_or(Error::NoSuchMailbox)
    }

    /// What has become of a mailbox.
    pub(super) fn put(&mut self, folder: Folder) {
        self.folders.insert(folder.id, folder);
    }

    /// A mailbox is gone; its line is the caller's.
    pub(super) fn forget(&mut self, id: i64) {
        self.folders.remove(&id);
        self.stored.remove(&id);
    }

    pub(super) async fn keywords(&mut self, mailbox: i64) -> Result<Keywords> {
        if !self.keywords.contains_key(&mailbox) {
            let found = self.read(vec![look_at_keywords(vec![mailbox])]).await?;
            self.keywords.insert(mailbox, lines::keywords(of(&found, 0), mailbox)?);
        }
        Ok(self.keywords.get(&mailbox).cloned().unwrap_or_default())
    }

    pub(super) fn put_keywords(&mut self, mailbox: i64, keywords: Keywords) {
        self.keywords.insert(mailbox, keywords);
    }

    /// The thread of an identifier, as far as the change has said that it [needs](Needs::threads) it.
    pub(super) fn thread(&self, key: &Bytes) -> Option<i64> {
        self.threads.get(key).copied()
    }

    pub(super) fn add_thread(&mut self, key: Bytes, thread: i64) {
        if self.threads.insert(key.clone(), thread).is_none() {
            self.fresh_threads.push((key, thread));
        }
    }

    pub(super) fn add_message(&mut self, mailbox: i64, uid: Uid, entry: Entry) {
        self.messages.push((mailbox, uid, entry));
        self.refer(entry.blob, 1);
    }

    /// There are so many messages more, or less, of a body.
    pub(super) fn refer(&mut self, blob: i64, by: i64) {
        *self.refs.entry(blob).or_default() += by;
    }

    /// A body comes with a message that was [added](Self::add_message).
    pub(super) fn add_body(&mut self, blob: i64, body: Fresh) {
        if !self.bodies.iter().any(|(known, _)| *known == blob) {
            self.bodies.push((blob, body));
        }
    }

    pub(super) fn tell(&mut self, told: Told) {
        self.told.push(told);
    }

    /// Bodies that are in this transaction, and not in the tables yet.
    pub(super) fn has_body(&self, blob: i64) -> bool {
        self.bodies.iter().any(|(known, _)| *known == blob)
    }

    /// What is to be written so that it can be looked at.
    fn pending(&mut self) -> Vec<Query> {
        let mut all = std::mem::take(&mut self.writes);
        if !self.messages.is_empty() {
            // The line of the account is written again in the end.
            let messages = std::mem::take(&mut self.messages);
            all.push(save(&[&Part { messages, ..Part::new(self.account.clone()) }]));
        }
        all
    }

    fn changed(&self) -> Vec<Folder> {
        let is_changed = |folder: &&Folder| self.stored.get(&folder.id) != Some(*folder);
        self.folders.values().filter(is_changed).cloned().collect()
    }

    /// The account's number if it has changed.
    pub(super) fn mod_seq(&self) -> Option<u64> {
        (self.account.mod_seq != self.loaded.mod_seq).then_some(self.account.mod_seq)
    }

    /// What is to be written, if it is all by which messages come.
    pub(super) fn part(&mut self) -> Option<Part> {
        let folders = self.changed();
        let part = self.rest(folders);
        let is_all = self.writes.is_empty() && self.refs.is_empty();
        (is_all && part.folders.iter().all(|folder| folder.removed.is_empty())).then_some(part)
    }

    fn rest(&mut self, folders: Vec<Folder>) -> Part {
        let bodies = std::mem::take(&mut self.bodies).into_iter().map(|(blob, body)| {
            let count = self.refs.remove(&blob).unwrap_or_default();
            (blob, count, body)
        });
        Part {
            version: self.version,
            bodies: bodies.collect(),
            folders,
            messages: std::mem::take(&mut self.messages),
            threads: std::mem::take(&mut self.fresh_threads),
            told: std::mem::take(&mut self.told),
            account: self.account.clone(),
        }
    }

    /// Writes everything, and commits. Gives the account's number if it has changed. An error says whether the commit may
    /// have been made.
    pub(super) async fn finish(&mut self) -> Result<Option<u64>, (Failure, bool)> {
        let mut changed = self.changed();
        for folder in &mut changed {
            self.clear_map(folder);
            if let Err(error) = self.save_vanished(folder).await {
                return Err((self.failure.take().unwrap_or(Failure::Refused(error)), false));
            }
        }
        let is_same = self.account == self.loaded && self.sent == 0;
        let part = self.rest(changed);
        let mut all = std::mem::take(&mut self.writes);
        let mut refs = std::mem::take(&mut self.refs);
        refs.retain(|_, by| *by != 0);
        if !refs.is_empty() {
            all.push(refer(refs));
        }
        // Whatever changes of an account, its line is written: so nobody writes what was worked out before.
        if !(is_same && all.is_empty() && part.is_empty()) {
            all.push(save(&[&part]));
        }
        self.conn.commit(all).await.map_err(|failure| (failure, true))?;
        Ok(self.mod_seq())
    }

    /// Takes UIDs that are gone out of the map. Those that have come and gone at once never get there.
    fn clear_map(&mut self, folder: &mut Folder) {
        if folder.removed.is_empty() {
            return;
        }
        let gone: Uids = folder.removed.iter().copied().collect();
        folder.added.retain(|uid| !gone.contains(*uid));
        let removed = pages_of(&folder.removed);
        let numbers: Vec<i64> = removed.iter().map(|(page, _)| *page).collect();
        for (page, bits) in removed {
            let text = "UPDATE page SET bits=bits & ~$3::bit(4096) WHERE mailbox=$1 AND page=$2";
            self.write(query!(text, folder.id, page, bits));
        }
        let text = "DELETE FROM page WHERE mailbox=$1 AND page=ANY($2) AND bits=B'0'::bit(4096)";
        self.write(query!(text, folder.id, numbers));
    }

    async fn save_vanished(&mut self, folder: &mut Folder) -> Result<()> {
        if folder.removed.is_empty() {
            return Ok(());
        }
        let (mut first, mut last): (Vec<i64>, Vec<i64>) = (Vec::new(), Vec::new());
        let mut removed = folder.removed.clone();
        removed.sort_unstable();
        for run in removed.chunk_by(|one, next| after(*one) == Some(*next)) {
            first.extend(run.first().map(|uid| i64::from(uid.get())));
            last.extend(run.last().map(|uid| i64::from(uid.get())));
        }
        folder.vanished += first.len() as u64;
        let text = "INSERT INTO vanished SELECT $1, $2, * FROM unnest($3::bigint[], $4::bigint[])";
        self.write(query!(text, folder.id, int(folder.mod_seq().get()), first, last));
        if folder.vanished <= MAX_VANISHED {
            return Ok(());
        }
        // The earlier half of it is forgotten: whole changes.
        let late = int(folder.vanished.saturating_sub(MAX_VANISHED / 2).saturating_sub(1));
        let text = "WITH floor AS (SELECT modseq FROM vanished WHERE mailbox=$1 ORDER BY modseq, first LIMIT 1 OFFSET $2),
            gone AS (DELETE FROM vanished v USING floor f WHERE v.mailbox=$1 AND v.modseq<=f.modseq RETURNING 1)
            SELECT modseq, (SELECT count(*) FROM gone) FROM floor";
        if let Some(line) = self.write_and_read(query!(text, folder.id, late)).await?.first() {
            folder.vanished_floor = number(line, 0)?;
            folder.vanished = folder.vanished.saturating_sub(number(line, 1)?);
        }
        Ok(())
    }
}

/// Mailboxes of an account: some, and INBOX if it is asked for.
fn folders(account: i64, mailboxes: &[i64], inbox: bool) -> Query {
    let text = concat!(
        "SELECT ",
        folder_columns!(),
        " FROM mailbox WHERE id=ANY($2) AND account=$1 AND gone IS NULL UNION ALL SELECT ",
        folder_columns!(),
        " FROM mailbox WHERE $3 AND account=$1 AND name='INBOX' AND NOT id=ANY($2)"
    );
    query!(text, account, mailboxes.to_vec(), inbox)
}

fn threads(account: i64, needs: &Needs) -> Query {
    let keys: Vec<Vec<u8>> = needs.threads.iter().map(|key| key.to_vec()).collect();
    query!("SELECT key, thread FROM thread_key WHERE account=$1 AND key=ANY($2)", account, keys)
}
