//! Fetching what is new on the server.

use std::{
    collections::{BTreeSet, HashSet},
    io,
};

use mailwire_transport::imap::{
    Client, FetchAtt,
    proto::types::{DateTime, Section, Uid},
};
use tokio::task::{JoinError, JoinSet};

use super::{CHANGED_AT_ONCE, One, Run, SMALL, disk};
use crate::{
    Failed, Status,
    maildir::{Arrived, Letters, Maildir},
    progress,
};

/// How many messages one command fetches, and of how many bytes together.
const FETCHED_AT_ONCE: (usize, u64) = (500, 8 << 20);
/// What is taken for the size of a message where the server has not said it.
const USUAL_SIZE: u64 = 16 << 10;
/// How many files are written at the same time.
const WRITERS: usize = 8;

impl Run<'_> {
    /// Fetches messages. One whose content a file has that is not on the server is that file.
    pub(super) async fn fetch(&mut self, client: &mut Client, wanted: &[(Uid, u64)]) -> Result<(), Failed> {
        let wanted: Vec<(Uid, u64)> =
            wanted.iter().copied().filter(|(uid, _)| !self.given_up.contains(&One::There(*uid))).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        self.by_content.clear();
        for name in self.to_store.iter().chain(&self.table.sent) {
            let Some(entry) = self.here.get(name) else { continue };
            if let Some(digest) = self.maildir.digest(entry).map_err(disk)? {
                self.by_content.entry(digest).or_default().push(name.clone());
            }
        }
        let bytes = wanted.iter().fold(0, |sum: u64, (_, size)| sum.saturating_add(*size));
        self.bar = progress(bytes, &self.mailbox.to_unicode());
        let alone: HashSet<Uid> =
            wanted.iter().map(|(uid, _)| *uid).filter(|uid| self.suspects.has(&One::There(*uid))).collect();
        for group in groups(&wanted, &alone) {
            let left = match group {
                [one] => vec![one.0],
                _ => self.fetch_several(client, group).await?,
            };
            for uid in left {
                let fetched = self.fetch_one(client, uid).await;
                fetched.map_err(|failed| self.blamed([One::There(uid)], failed))?;
            }
            if self.unsaved > CHANGED_AT_ONCE.max(self.table.rows.len() / 10) {
                self.save().map_err(disk)?;
            }
        }
        self.bar.finish_and_clear();
        Ok(())
    }

    /// Fetches messages in one command. Gives those that did not come.
    async fn fetch_several(&mut self, client: &mut Client, group: &[(Uid, u64)]) -> Result<Vec<Uid>, Failed> {
        let uids: Vec<Uid> = group.iter().map(|(uid, _)| *uid).collect();
        let mut left: BTreeSet<Uid> = uids.iter().copied().collect();
        let body = FetchAtt::BodySection { section: Section::WHOLE, partial: None, peek: true };
        let mut writing = JoinSet::new();
        let result = async {
            let items = [FetchAtt::Uid, FetchAtt::InternalDate, body];
            let mut messages = client.uid_fetch(&uids, items).await?;
            while let Some(message) = messages.next().await? {
                let (Some(uid), Some(body)) = (message.uid(), message.body()) else { continue };
                if !left.remove(&uid) {
                    continue;
                }
                let date = message.internal_date().map(DateTime::to_unix);
                let name = self.table.name(uid, date).map_err(disk)?;
                while writing.len() >= WRITERS {
                    self.written(writing.join_next().await)?;
                }
                let maildir = self.maildir.clone();
                writing.spawn_blocking(move || write(&maildir, uid, name, &body, date));
            }
            Ok(())
        };
        let result: Result<(), Failed> = result.await;
        while let Some(written) = writing.join_next().await {
            self.written(Some(written))?;
        }
        match result {
            // One by one, it shows which it is.
            Ok(()) | Err(Failed::Alone(..)) => Ok(left.into_iter().collect()),
            Err(failed) => Err(self.blamed(left.into_iter().map(One::There), failed)),
        }
    }

    fn written(&mut self, written: Option<Result<Written, JoinError>>) -> Result<(), Failed> {
        let Some(written) = written else { return Ok(()) };
        let (uid, name, arrived) = written.map_err(disk)?.map_err(disk)?;
        self.arrived(uid, name, arrived).map_err(disk)
    }

    /// Fetches a message of any size.
    async fn fetch_one(&mut self, client: &mut Client, uid: Uid) -> Result<(), Failed> {
        match self.stream_one(client, uid).await {
            Ok(true) => Ok(()),
            // It may be gone by now: then the next comparison shows it.
            Ok(false) if self.missing.insert(uid) => {
                self.again = true;
                Ok(())
            }
            Ok(false) => {
                let what = format_args!("{}: message {uid}", self.mailbox);
                self.tally.failed_as(Status::Refused, what, "the server did not give it");
                Ok(())
            }
            Err(Failed::Alone(status, error)) => {
                let what = format_args!("{}: message {uid}", self.mailbox);
                self.tally.failed_as(status, what, format_args!("{error:#}"));
                Ok(())
            }
            Err(failed) => Err(failed),
        }
    }

    async fn stream_one(&mut self, client: &mut Client, uid: Uid) -> Result<bool, Failed> {
        let mut dates = client.uid_fetch(uid, [FetchAtt::Uid, FetchAtt::InternalDate]).await?;
        let mut date = None;
        while let Some(message) = dates.next().await? {
            date = message.internal_date().map(DateTime::to_unix).or(date);
        }
        let name = self.table.name(uid, date).map_err(disk)?;
        let Some(mut body) = client.fetch_body(uid, Section::WHOLE).await? else { return Ok(false) };
        let mut arriving = self.maildir.begin(&name).map_err(disk)?;
        while let Some(chunk) = body.chunk().await? {
            arriving.write(&chunk).map_err(disk)?;
        }
        let arrived = arriving.end(date).map_err(disk)?;
        self.arrived(uid, name, arrived).map_err(disk)?;
        Ok(true)
    }

    /// A message is on the disk: it gets its name, unless a file has its content.
    fn arrived(&mut self, uid: Uid, name: String, arrived: Arrived) -> io::Result<()> {
        self.done = true;
        let Some(row) = self.table.rows.get_mut(&uid) else { return Ok(()) };
        self.bar.inc(row.size);
        self.unsaved += 1;
        self.tally.done();
        let alike = self.by_content.get_mut(&arrived.digest);
        for (index, known) in alike.iter().flat_map(|names| names.iter().enumerate()) {
            let Some(entry) = self.here.get(known) else { continue };
            if self.maildir.is_same(&arrived, entry)? {
                (row.file, row.agreed) = (Some(known.clone()), Letters::NONE);
                self.to_store.remove(known);
                self.table.sent.remove(known);
                if let Some(names) = alike {
                    names.swap_remove(index);
                }
                return Ok(());
            }
        }
        let letters = row.there.unwrap_or_default();
        let entry = self.maildir.keep(arrived, &name, letters)?;
        (row.file, row.agreed) = (Some(name.clone()), letters);
        self.here.insert(name, entry);
        self.report.fetched += 1;
        Ok(())
    }
}

/// Messages that are asked for together; a large one is alone, and so are these.
fn groups<'a>(wanted: &'a [(Uid, u64)], alone: &'a HashSet<Uid>) -> impl Iterator<Item = &'a [(Uid, u64)]> {
    let (most, bytes) = FETCHED_AT_ONCE;
    let mut rest = wanted;
    std::iter::from_fn(move || {
        let mut sum = 0_u64;
        let mut fits = |(index, (uid, size)): &(usize, &(Uid, u64))| {
            sum = sum.saturating_add(if *size == 0 { USUAL_SIZE } else { *size });
            *index == 0 || *index < most && *size <= SMALL && sum <= bytes && !alone.contains(uid)
        };
        let count = match rest.first() {
            Some((uid, size)) if *size > SMALL || alone.contains(uid) => 1,
            _ => rest.iter().enumerate().take_while(|one| fits(one)).count(),
        };
        let (group, after) = rest.split_at_checked(count)?;
        rest = after;
        (!group.is_empty()).then_some(group)
    })
}

/// A message with the name that it is to have.
type Written = io::Result<(Uid, String, Arrived)>;

fn write(maildir: &Maildir, uid: Uid, name: String, body: &[u8], date: Option<i64>) -> Written {
    let mut arriving = maildir.begin(&name)?;
    arriving.write(body)?;
    Ok((uid, name, arriving.end(date)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_what_a_server_likes() {
        let wanted: Vec<(Uid, u64)> = [1, 0, u64::MAX, u64::MAX, 2]
            .iter()
            .zip(1..)
            .map(|(size, uid)| (Uid::new(uid).unwrap(), *size))
            .collect();
        let counts: Vec<usize> = groups(&wanted, &HashSet::new()).map(<[_]>::len).collect();
        assert_eq!(counts, [2, 1, 1, 1]);
    }
}
