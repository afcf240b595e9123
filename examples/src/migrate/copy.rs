//! The messages of one mailbox.

use std::collections::HashSet;

use anyhow::{Error, Result, anyhow};
use indicatif::ProgressBar;
use mailwire_transport::{
    Payload,
    imap::{
        Client, FetchAtt, Flag,
        client::{AppendOptions, Selected},
        proto::types::{FlagSet, MailboxName, Section, Uid, UidValidity},
    },
};

use super::{
    Journal, Report,
    listing::{Item, Side, listing, pairs},
};
use crate::{
    Failed, Link, Status, Suspects, Tally,
    append::{AT_ONCE, Letter, Stored, append_all, stored, takes_several},
    progress,
};

/// A message up to this size is kept in memory, in bytes; others go through.
const SMALL: u64 = 1 << 20;
/// How many bytes of a larger one are on the way.
const IN_TRANSIT: usize = 256 << 10;

/// The copying of one mailbox.
pub(super) struct Copying<'a> {
    source: &'a MailboxName,
    target: &'a MailboxName,
    /// It is not there, and will not be.
    is_new: bool,
    dry_run: bool,
    journal: &'a mut Journal,
    tally: &'a mut Tally,
    pub(super) report: Report,
    given_up: HashSet<Uid>,
    suspects: Suspects<Uid>,
    /// Something has gone over these connections.
    done: bool,
    bar: ProgressBar,
}

fn disk(error: std::io::Error) -> Side {
    Side::Target(Failed::Disk(error.into()))
}

/// Flags that can be given to a message of a mailbox.
struct Kept(Selected);

impl Kept {
    fn of(&self, flags: Option<&FlagSet>) -> Vec<Flag> {
        let can_be = |flag: &&Flag| {
            let is_one = flag.is_settable() && !matches!(flag, Flag::Malformed(_));
            let is_kept = self.0.permanent_flags.as_ref().is_none_or(|permanent| {
                permanent.flags.contains(flag)
                    || permanent.new_keywords && !flag.to_string().starts_with('\\')
            });
            is_one && is_kept
        };
        flags.into_iter().flat_map(FlagSet::iter).filter(can_be).cloned().collect()
    }
}

impl<'a> Copying<'a> {
    pub(super) fn new(
        source: &'a MailboxName,
        target: &'a MailboxName,
        is_new: bool,
        dry_run: bool,
        journal: &'a mut Journal,
        tally: &'a mut Tally,
    ) -> Self {
        let report = Report {
            source: source.to_unicode().into_owned(),
            target: target.to_unicode().into_owned(),
            ..Report::default()
        };
        let given_up = HashSet::new();
        let (suspects, bar) = (Suspects::new(), ProgressBar::hidden());
        Self { source, target, is_new, dry_run, journal, tally, report, given_up, suspects, done: false, bar }
    }

    /// Copies what is to be copied, over as many connections as it takes.
    pub(super) async fn all<A, B>(&mut self, source: &mut Link<A>, target: &mut Link<B>) -> Result<()>
    where
        A: AsyncFnMut() -> Result<Client>,
        B: AsyncFnMut() -> Result<Client>,
    {
        loop {
            self.done = false;
            let result = self.round(source.client().await?, target.client().await?).await;
            self.bar.finish_and_clear();
            if self.done {
                source.done();
                target.done();
            }
            match result {
                Ok(()) => return Ok(()),
                Err(Side::Source(Failed::Connection(error))) => source.lost(error)?,
                Err(Side::Target(Failed::Connection(error))) => target.lost(error)?,
                Err(Side::Source(Failed::Disk(error)) | Side::Target(Failed::Disk(error))) => {
                    return Err(error);
                }
                Err(
                    Side::Source(Failed::Alone(status, error)) | Side::Target(Failed::Alone(status, error)),
                ) => {
                    self.failed(None, status, &error);
                    return Ok(());
                }
            }
        }
    }

    fn failed(&mut self, uid: Option<Uid>, status: Status, error: &Error) {
        let source = &self.report.source;
        let what = uid.map_or_else(|| source.clone(), |uid| format!("{source}: message {uid}"));
        self.tally.failed_as(status, &what, format_args!("{error:#}"));
        self.report.failed.push(format!("{what}: {error:#}"));
        self.given_up.extend(uid);
    }

    async fn round(&mut self, source: &mut Client, target: &mut Client) -> Result<(), Side> {
        let opened = source.examine(self.source).await.map_err(from_source)?;
        let theirs = match self.is_new {
            true => Selected::default(),
            false => target.select(self.target).await.map_err(from_target)?,
        };
        if theirs.read_only {
            let error = anyhow!("the target lets it be read only");
            return Err(Side::Target(Failed::Alone(Status::Refused, error)));
        }
        // Quoted: a name can have a line end in it.
        let mailboxes = format!("{:?} > {:?}", self.report.source, self.report.target);
        let sticky = |selected: &Selected| selected.uid_validity.filter(|_| !selected.uid_not_sticky);
        self.journal.begin(&mailboxes, sticky(&opened), sticky(&theirs)).map_err(disk)?;
        let mut todo = listing(source).await.map_err(Side::Source)?;
        self.report.there += self.past(&mut todo);
        if theirs.exists > 0 && !todo.is_empty() {
            let known = self.journal.arrived();
            let mut there = listing(target).await.map_err(Side::Target)?;
            there.retain(|item| !known.contains(&item.uid.get()));
            let found = pairs(source, target, todo.clone(), there).await?;
            let found: Vec<_> = found.into_iter().map(|(ours, theirs)| (ours, Some(theirs))).collect();
            self.journal.record(&found).map_err(disk)?;
            self.report.there += found.len() as u64;
            self.past(&mut todo);
        }
        if self.dry_run {
            self.report.copied = todo.len() as u64;
            return Ok(());
        }
        let bytes = todo.iter().fold(0, |sum: u64, item| sum.saturating_add(item.size));
        self.bar = progress(bytes, &self.report.source);
        self.copy(source, target, &todo, &Kept(theirs)).await
    }

    /// Takes out what has gone, or will not go. Gives how many of them an earlier run has copied.
    fn past(&self, todo: &mut Vec<Item>) -> u64 {
        let before = todo.len();
        todo.retain(|item| !self.journal.has(item.uid));
        let gone = (before - todo.len()) as u64;
        todo.retain(|item| !self.given_up.contains(&item.uid));
        gone.saturating_sub(self.report.copied + self.report.there)
    }

    /// While messages are stored, the next ones are fetched.
    async fn copy(
        &mut self,
        source: &mut Client,
        target: &mut Client,
        todo: &[Item],
        kept: &Kept,
    ) -> Result<(), Side> {
        let limit = target.capabilities().append_limit();
        let (fits, too_large): (Vec<Item>, Vec<Item>) =
            todo.iter().partition(|item| limit.is_none_or(|limit| item.size <= limit));
        for item in too_large {
            let error = anyhow!("{} bytes are more than the target takes", item.size);
            self.failed(Some(item.uid), Status::Refused, &error);
        }
        let most = if takes_several(target) { AT_ONCE } else { (AT_ONCE.0, SMALL) };
        let mut fetched: Vec<(Item, Letter)> = Vec::new();
        let suspects: HashSet<Uid> =
            fits.iter().map(|item| item.uid).filter(|uid| self.suspects.has(uid)).collect();
        let mut groups = groups(&fits, &suspects, most);
        loop {
            let group = groups.next();
            let (several, large) = match group {
                Some([one]) if one.size > SMALL => (&[][..], Some(*one)),
                Some(group) => (group, None),
                None => (&[][..], None),
            };
            let letters: Vec<Letter> = fetched.iter().map(|(_, letter)| letter.clone()).collect();
            let mut outcomes = Vec::with_capacity(letters.len());
            let storing =
                append_all(target, self.target, &letters, |index, stored| outcomes.push((index, stored)));
            let (stored, next) = tokio::join!(storing, fetch(source, several, kept));
            let outcomes =
                outcomes.into_iter().filter_map(|(index, stored)| Some((fetched.get(index)?.0, stored)));
            let outcomes: Vec<(Item, Stored)> = outcomes.collect();
            let told = outcomes.len();
            self.stored(outcomes)?;
            if let Err(failed) = stored {
                let on_the_way: Vec<Item> = fetched.iter().skip(told).map(|(item, _)| *item).collect();
                return Err(Side::Target(self.blamed(&on_the_way, failed)));
            }
            let (next, missing) = next.map_err(|failed| Side::Source(self.blamed(several, failed)))?;
            fetched = next;
            for item in missing.into_iter().chain(large) {
                self.copy_one(source, target, item, kept).await?;
            }
            if group.is_none() && fetched.is_empty() {
                return Ok(());
            }
        }
    }

    fn stored(&mut self, outcomes: Vec<(Item, Stored)>) -> Result<(), Side> {
        let mut gone = Vec::new();
        for (item, stored) in outcomes {
            self.bar.inc(item.size);
            self.done = true;
            match stored {
                Stored::As(place) => {
                    gone.push((item.uid, place.map(|(_, uid): (UidValidity, Uid)| uid)));
                    self.tally.done();
                    self.report.copied += 1;
                }
                Stored::Refused(status, error) => self.failed(Some(item.uid), status, &error),
            }
        }
        self.journal.record(&gone).map_err(disk)
    }

    /// A connection was lost, perhaps for one of these.
    fn blamed(&mut self, on_the_way: &[Item], failed: Failed) -> Failed {
        let uids = on_the_way.iter().map(|item| item.uid);
        if let Some((uid, error)) = self.suspects.failed(uids, &failed) {
            self.failed(Some(uid), Status::of(error), error);
            // It need not be the connection's fault.
            self.done = true;
        }
        failed
    }

    /// Copies a message of any size.
    async fn copy_one(
        &mut self,
        source: &mut Client,
        target: &mut Client,
        item: Item,
        kept: &Kept,
    ) -> Result<(), Side> {
        let uid = item.uid;
        let options = match options(source, uid, kept).await {
            Ok(Some(options)) => options,
            // It was deleted meanwhile.
            Ok(None) => return Ok(()),
            Err(Failed::Alone(status, error)) => {
                self.failed(Some(uid), status, &error);
                return Ok(());
            }
            Err(failed) => return Err(Side::Source(self.blamed(&[item], failed))),
        };
        let body = match source.fetch_body(uid, Section::WHOLE).await.map_err(Failed::from) {
            Ok(Some(body)) => body,
            Ok(None) => {
                self.failed(Some(uid), Status::Refused, &anyhow!("the source did not give it"));
                return Ok(());
            }
            Err(Failed::Alone(status, error)) => {
                self.failed(Some(uid), status, &error);
                return Ok(());
            }
            Err(failed) => return Err(Side::Source(self.blamed(&[item], failed))),
        };
        let length = body.length();
        let (mut into, out) = tokio::io::duplex(IN_TRANSIT);
        let passing = async {
            let passed = body.copy_to(&mut into).await;
            drop(into);
            passed
        };
        let storing =
            async { target.append_with(self.target, options, Payload::from_reader(out, Some(length))).await };
        let (passed, result) = tokio::join!(passing, storing);
        match (stored(result), passed) {
            (Ok(outcome @ Stored::As(_)), _) => self.stored(vec![(item, outcome)]),
            // What is not whole is not stored.
            (_, Err(error)) if !source.is_usable() => Err(Side::Source(self.blamed(&[item], error.into()))),
            (Ok(outcome), _) => self.stored(vec![(item, outcome)]),
            (Err(failed), _) => Err(Side::Target(self.blamed(&[item], failed))),
        }
    }
}

fn from_source(error: mailwire_transport::Error) -> Side {
    Side::Source(error.into())
}

fn from_target(error: mailwire_transport::Error) -> Side {
    Side::Target(error.into())
}

/// Messages that are fetched and stored together; a large or suspect one is alone.
fn groups<'a>(
    items: &'a [Item],
    suspects: &'a HashSet<Uid>,
    (most, bytes): (usize, u64),
) -> impl Iterator<Item = &'a [Item]> {
    let mut rest = items;
    std::iter::from_fn(move || {
        let mut sum = 0_u64;
        let count = rest.iter().take(most).take_while(|item| {
            sum = sum.saturating_add(item.size);
            item.size <= SMALL && sum <= bytes && !suspects.contains(&item.uid)
        });
        let (group, after) = rest.split_at_checked(count.count().max(1))?;
        rest = after;
        Some(group)
    })
}

/// Fetches messages. Gives those that came, and those that did not.
async fn fetch(
    client: &mut Client,
    group: &[Item],
    kept: &Kept,
) -> Result<(Vec<(Item, Letter)>, Vec<Item>), Failed> {
    let mut came: Vec<(Item, Letter)> = Vec::new();
    let mut left: Vec<Item> = group.to_vec();
    if left.is_empty() {
        return Ok((came, left));
    }
    let uids: Vec<Uid> = group.iter().map(|item| item.uid).collect();
    let body = FetchAtt::BodySection { section: Section::WHOLE, partial: None, peek: true };
    let result = async {
        let items = [FetchAtt::Uid, FetchAtt::Flags, FetchAtt::InternalDate, body];
        let mut messages = client.uid_fetch(uids, items).await?;
        while let Some(message) = messages.next().await? {
            let place = left.iter().position(|item| Some(item.uid) == message.uid());
            let (Some(place), Some(body), Some(_)) = (place, message.body(), message.flags()) else {
                continue;
            };
            let options =
                AppendOptions::new().with_flags(kept.of(message.flags())).with_date(message.internal_date());
            came.push((left.remove(place), (options, body)));
        }
        Ok(())
    };
    match result.await {
        // One by one, it shows which it is.
        Ok(()) | Err(Failed::Alone(..)) => {
            came.sort_unstable_by_key(|(item, _)| item.uid);
            Ok((came, left))
        }
        Err(failed) => Err(failed),
    }
}

/// The flags and the date of a message; `None` if it is not there any more.
async fn options(client: &mut Client, uid: Uid, kept: &Kept) -> Result<Option<AppendOptions>, Failed> {
    let items = [FetchAtt::Uid, FetchAtt::Flags, FetchAtt::InternalDate];
    let mut messages = client.uid_fetch(uid, items).await?;
    let mut options = None;
    while let Some(message) = messages.next().await? {
        if message.uid() == Some(uid) && message.flags().is_some() {
            let flags = kept.of(message.flags());
            options = Some(AppendOptions::new().with_flags(flags).with_date(message.internal_date()));
        }
    }
    Ok(options)
}
