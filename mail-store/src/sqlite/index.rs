//! The index of texts: which messages may have a word, so that a search reads no others.

use std::sync::{Arc, PoisonError, Weak};

use bytes::{Bytes, BytesMut};
use mailwire_imap::types::Uid;

use super::{
    Inner,
    bodies::pieces,
    folder::uid,
    sql::{Sql, all, get, int, nat, one, params, run},
    writer::Tx,
};
use crate::{
    Result, Uids,
    filter::Candidates,
    kept::{after, folder::Folder},
    message::{Message, indexed},
};

/// So many bytes of a message's texts are indexed, and messages of so many bytes are read for it. Whatever has more has
/// [`LARGE`] for its text.
const TEXTS: usize = 1 << 20;
const SIZE: u64 = 32 << 20;
/// What is found with whatever is looked for.
const LARGE: &str = "\u{10ffff}\u{10ffff}\u{10ffff}";
/// So many messages are indexed by one change, or as many as have so many bytes of texts: others wait for it.
const SOME: usize = 32;
const SOME_TEXTS: usize = 128 << 10;
/// The index is asked for so many words of a search, and for so many parts of a word.
const WORDS: usize = 16;
const PARTS: usize = 24;

/// Messages that are to be put into the index.
pub(super) struct Batch {
    mailbox: i64,
    /// All of the mailbox that have UIDs above `from`, up to `to`.
    from: u32,
    to: u32,
    texts: Vec<(Uid, String)>,
}

/// A message's place in the index.
fn place(mailbox: i64, uid: Uid) -> i64 {
    mailbox << 32 | i64::from(uid.get())
}

/// The next messages that are not in the index.
fn gather(sql: &Sql) -> Result<Option<Batch>> {
    let text = "SELECT id, indexed_to, uid_next - 1 FROM mailbox INDEXED BY mailbox_unindexed
        WHERE uid_next > indexed_to + 1 AND gone IS NULL LIMIT 1";
    let next =
        one(sql, text, [], |line| Ok((get::<i64>(line, 0)?, get::<u32>(line, 1)?, get::<u32>(line, 2)?)));
    let Some((mailbox, from, last)) = next? else { return Ok(None) };
    let text = "SELECT uid, blob, size FROM message WHERE mailbox=?1 AND uid>?2 ORDER BY uid LIMIT ?3";
    let found = all(sql, text, params![mailbox, from, int(SOME as u64)], |line| {
        Ok((uid(line, 0)?, get::<i64>(line, 1)?, get(line, 2).map(nat)?))
    })?;
    let mut batch = Batch { mailbox, from, to: last, texts: Vec::new() };
    let mut bytes = 0;
    for (uid, blob, size) in &found {
        let texts = texts(sql, *blob, *size)?;
        bytes += texts.len();
        batch.texts.push((*uid, texts));
        if bytes >= SOME_TEXTS {
            break;
        }
    }
    if let Some((uid, _)) = batch.texts.last().filter(|_| bytes >= SOME_TEXTS || found.len() == SOME) {
        batch.to = uid.get();
    }
    Ok(Some(batch))
}

/// The texts of a message, as they are indexed.
fn texts(sql: &Sql, blob: i64, size: u64) -> Result<String> {
    if size > SIZE {
        return Ok(LARGE.to_owned());
    }
    let mut raw = BytesMut::new();
    pieces(sql, blob, |piece| raw.extend_from_slice(piece))?;
    let message = Message::parse(Bytes::from(raw));
    let mut texts = indexed(&message, TEXTS).unwrap_or_else(|| LARGE.to_owned());
    // It would end there.
    if texts.contains('\0') {
        texts = texts.replace('\0', " ");
    }
    Ok(texts)
}

/// Removes a message from the index.
pub(super) fn forget(sql: &Sql, mailbox: i64, uid: Uid) -> Result<()> {
    run(sql, "DELETE FROM words WHERE rowid=?1", [place(mailbox, uid)]).map(drop)
}

/// What the index knows of words. Whoever looks at the mailbox later looks at no other messages up to its `indexed_to`.
pub(super) fn candidates<'a>(
    sql: &Sql,
    folder: &Folder,
    words: impl Iterator<Item = &'a [u8]>,
) -> Result<Candidates> {
    let text = "SELECT indexed_to FROM mailbox WHERE id=?1";
    let indexed_to = one(sql, text, [folder.id], |line| get::<u32>(line, 0))?.unwrap_or_default();
    let not_there = Uid::new(indexed_to).map_or(Some(Uid::MIN), after);
    let not_there = not_there.map(|first| Uids::range(first, Uid::MAX)).unwrap_or_default();
    let may_have = |word: &[u8]| {
        let Some(question) = question(word) else { return Ok(None) };
        let text = "SELECT rowid FROM words WHERE words MATCH ?1 AND rowid BETWEEN ?2 AND ?3 ORDER BY rowid";
        let bounds = (place(folder.id, Uid::MIN), place(folder.id, Uid::MAX));
        let found = all(sql, text, params![question, bounds.0, bounds.1], |line| {
            let place: i64 = get(line, 0)?;
            Ok(u32::try_from(place & i64::from(u32::MAX)).ok().and_then(Uid::new))
        })?;
        Ok(Some(found.into_iter().flatten().collect::<Uids>().union(&not_there)))
    };
    Ok(Candidates::new(words.take(WORDS).map(may_have).collect::<Result<_>>()?))
}

/// Asks for messages that may have a word. `None`: the index does not know.
fn question(word: &[u8]) -> Option<String> {
    let word = str::from_utf8(word).ok().filter(|word| !word.contains('\0'))?;
    let letters: Vec<char> = word.chars().collect();
    let parts: Vec<String> = letters.windows(3).map(|three| three.iter().collect()).collect();
    // Those of a long word, from its begin to its end.
    let step = parts.len().div_ceil(PARTS).max(1);
    let parts: Vec<_> = parts.iter().step_by(step).map(|part| quoted(part)).collect();
    (!parts.is_empty()).then(|| format!("({}) OR {}", parts.join(" AND "), quoted(LARGE)))
}

fn quoted(part: &str) -> String {
    format!("\"{}\"", part.replace('"', "\"\""))
}

impl Tx<'_> {
    /// Puts messages into the index, those of them that are still there.
    fn index(&mut self, batch: &Batch) -> Result<()> {
        let text = "SELECT indexed_to FROM mailbox WHERE id=?1 AND gone IS NULL";
        let from = one(self.sql, text, [batch.mailbox], |line| get::<u32>(line, 0))?;
        // Somebody else has put them there, or they are gone.
        if from != Some(batch.from) {
            return Ok(());
        }
        for (uid, texts) in &batch.texts {
            let text = "INSERT INTO words(rowid, text) SELECT ?1, ?2
                WHERE EXISTS(SELECT 1 FROM message WHERE mailbox=?3 AND uid=?4)";
            run(self.sql, text, params![place(batch.mailbox, *uid), texts, batch.mailbox, uid.get()])?;
        }
        let text = "UPDATE mailbox SET indexed_to=?2 WHERE id=?1";
        run(self.sql, text, params![batch.mailbox, batch.to]).map(drop)
    }
}

/// Whether somebody fills the index, and has to look once more before the end.
#[derive(Debug, Default)]
pub(super) struct Indexing {
    runs: bool,
    again: bool,
}

impl Inner {
    /// Makes a change by which messages may come, and has them indexed.
    pub(super) async fn grow<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let done = self.writer.change(work).await;
        if self.config.search_index && done.is_ok() {
            self.index_soon();
        }
        done
    }

    /// Has what is not in the index put there, in the background.
    pub(super) fn index_soon(self: &Arc<Self>) {
        let mut indexing = self.indexing.lock().unwrap_or_else(PoisonError::into_inner);
        indexing.again = true;
        if !std::mem::replace(&mut indexing.runs, true) {
            tokio::spawn(Indexer(Arc::downgrade(self)).run());
        }
    }

    /// Puts some messages into the index. Whether there may be more.
    pub(super) async fn index_some(self: &Arc<Self>) -> Result<bool> {
        let Some(batch) = self.look(|sql, _| gather(sql)).await? else { return Ok(false) };
        self.writer.change(move |tx| tx.index(&batch)).await?;
        Ok(true)
    }
}

/// Fills the index as long as the store is there.
struct Indexer(Weak<Inner>);

impl Indexer {
    async fn run(self) {
        while let Some(store) = self.0.upgrade() {
            {
                let mut indexing = store.indexing.lock().unwrap_or_else(PoisonError::into_inner);
                if !std::mem::take(&mut indexing.again) {
                    indexing.runs = false;
                    return;
                }
            }
            drop(store);
            while let Some(store) = self.0.upgrade() {
                match store.index_some().await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        tracing::warn!(%error, "messages cannot be put into the index now");
                        break;
                    }
                }
            }
        }
    }
}

impl Drop for Indexer {
    /// Its runtime may end before the store.
    fn drop(&mut self) {
        if let Some(store) = self.0.upgrade() {
            store.indexing.lock().unwrap_or_else(PoisonError::into_inner).runs = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_asked_for_by_three_letters() {
        for short in ["", "a", "ab", "a\0bc"] {
            assert_eq!(question(short.as_bytes()), None, "{short:?}");
        }
        let large = quoted(LARGE);
        assert_eq!(question(b"ABC").unwrap(), format!("(\"ABC\") OR {large}"));
        assert_eq!(question(b"A\"B*").unwrap(), format!("(\"A\"\"B\" AND \"\"\"B*\") OR {large}"));
        let long = question("O\u{308}".repeat(10_000).as_bytes()).unwrap();
        assert!(long.len() < 1000, "{long}");
    }
}
