//! A mailbox and a Maildir that are kept equal.
//!
//! What both sides had when they were compared last is in a file in the Maildir. Messages that only one side has are
//! new there if that file does not know them, and deleted on the other side if it does. Whoever is killed has lost
//! nothing: a file that was fetched has its UID in its name, and one that was stored is known by its content when it
//! comes back.

mod fetch;
mod lock;
mod plan;
mod store;
mod table;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt,
    path::PathBuf,
};

use anyhow::{Result, anyhow};
use indicatif::ProgressBar;
use mailwire_imap::sync::{Change, SyncOptions, SyncState};
use mailwire_transport::imap::{
    Capability, Client, FetchAtt, FlagChange,
    client::Selected,
    proto::{
        response::MsgAtt,
        types::{Flag, MailboxName, Uid},
    },
};

pub use self::{lock::Lock, table::Table};
use self::{
    plan::{Marks, Plan},
    table::Row,
};
use crate::{
    Failed, Later, Link, Status, Suspects, Tally,
    maildir::{Digest, Entries, Entry, Letters, Maildir},
    tell,
};

/// How a mailbox is synchronized.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Says what would be done, and does nothing.
    pub dry_run: bool,
    /// Removes all messages of one side if all of them are gone on the other.
    pub delete_all: bool,
}

/// What was done, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Messages that were fetched.
    pub fetched: usize,
    /// Messages that were stored on the server.
    pub stored: usize,
    /// Messages that were removed here, for they are gone there.
    pub removed_here: usize,
    /// Messages that were removed there, for they are gone here.
    pub removed_there: usize,
    /// Messages whose flags were changed here.
    pub marked_here: usize,
    /// Messages whose flags were changed there.
    pub marked_there: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fetched, stored, removed_here, removed_there, marked_here, marked_there } = self;
        write!(
            f,
            "{fetched} fetched, {stored} stored, {removed_here} removed here, {removed_there} removed there, \
             {marked_here} marked here, {marked_there} marked there"
        )
    }
}

/// The file in a Maildir that says what both sides had.
pub const STATE: &str = ".mailwire-sync";
/// A file of this size or below is sent from memory, and a message asked for with others. In bytes.
const SMALL: u64 = 1 << 20;
/// How many messages one command changes or removes.
const CHANGED_AT_ONCE: usize = 500;
/// From how many messages on it takes a word to remove all.
const MANY: usize = 20;
/// How often both sides are compared, at most.
const ROUNDS: u32 = 5;

/// Makes a mailbox and a Maildir equal. `place` names the mailbox and its account.
///
/// What cannot be done for single messages is told and counted in `tally`, and does not stop the others.
///
/// # Errors
///
/// The connection cannot be had, or the Maildir or what is remembered not be read or written.
pub async fn synchronize<C: AsyncFnMut() -> Result<Client>>(
    link: &mut Link<C>,
    mailbox: &MailboxName,
    maildir: &Maildir,
    place: &str,
    options: Options,
    tally: &mut Tally,
) -> Result<Report> {
    let path = maildir.path().join(STATE);
    let table = match Table::load(&path)? {
        Some(table) if table.place == place => table,
        Some(table) => {
            tell(format_args!(
                "{mailbox}: the Maildir was equal to {}; it begins anew with {place}",
                table.place
            ));
            Table::new(place)
        }
        None => Table::new(place),
    };
    if !options.dry_run {
        maildir.sweep(&table.id)?;
    }
    let mut run = Run {
        mailbox: mailbox.clone(),
        maildir,
        path,
        table,
        here: Entries::new(),
        options,
        tally,
        report: Report::default(),
        to_store: BTreeSet::new(),
        by_content: HashMap::new(),
        given_up: HashSet::new(),
        suspects: Suspects::new(),
        missing: HashSet::new(),
        again: false,
        done: false,
        unsaved: 0,
        bar: ProgressBar::hidden(),
    };
    let result = run.all(link).await;
    run.bar.finish_and_clear();
    result.map(|()| run.report)
}

struct Run<'a> {
    mailbox: MailboxName,
    maildir: &'a Maildir,
    path: PathBuf,
    table: Table,
    here: Entries,
    options: Options,
    tally: &'a mut Tally,
    report: Report,
    /// Files that the server does not have.
    to_store: BTreeSet<String>,
    /// By their contents, the files of `to_store`, and those that the server has taken without telling their UIDs.
    by_content: HashMap<Digest, Vec<String>>,
    /// What was told to be impossible to fetch or to store.
    given_up: HashSet<One>,
    suspects: Suspects<One>,
    /// Messages that the server did not give, though it has them.
    missing: HashSet<Uid>,
    /// Both sides have to be compared once more.
    again: bool,
    /// Something was done over this connection.
    done: bool,
    unsaved: usize,
    bar: ProgressBar,
}

/// A message on one side, which goes to the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum One {
    There(Uid),
    /// A file, by its name.
    Here(String),
}

impl fmt::Display for One {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::There(uid) => write!(f, "message {uid}"),
            Self::Here(name) => f.write_str(name),
        }
    }
}

fn disk(error: impl Into<anyhow::Error>) -> Failed {
    Failed::Disk(error.into())
}

impl Run<'_> {
    async fn all<C: AsyncFnMut() -> Result<Client>>(&mut self, link: &mut Link<C>) -> Result<()> {
        let mut rounds = 0;
        loop {
            self.again = false;
            self.done = false;
            let result = self.round(link.client().await?).await;
            if self.unsaved > 0 {
                self.save()?;
            }
            if self.done {
                link.done();
            }
            match result {
                Ok(()) if !self.again => return Ok(()),
                Ok(()) => rounds += 1,
                Err(Failed::Alone(status, error)) => {
                    self.tally.failed_as(status, &self.mailbox, format_args!("{error:#}"));
                    return Ok(());
                }
                Err(Failed::Connection(error)) => link.lost(error)?,
                Err(Failed::Disk(error)) => return Err(error),
            }
            if rounds == ROUNDS {
                return Err(Later("both sides change faster than they can be made equal").into());
            }
        }
    }

    async fn round(&mut self, client: &mut Client) -> Result<(), Failed> {
        self.learn(client).await?;
        let selected = client.select(&self.mailbox).await?;
        if selected.uid_not_sticky || selected.uid_validity.is_none() {
            return Err(Failed::Alone(Status::Refused, anyhow!("the server does not keep UIDs")));
        }
        self.again |= selected.uid_validity != self.table.sync.uid_validity();
        if self.again {
            return Ok(());
        }
        let told = |path: &std::path::Path| tell(format_args!("{}: passed over", path.display()));
        self.here = self.maildir.entries_with(self.table.files(), told).map_err(disk)?;
        self.table.sent.retain(|name| self.here.contains_key(name));
        let plan = Plan::of(&self.table, &self.here);
        let kept = kept(&selected);
        if self.options.dry_run {
            let marks = Marks::of(&self.table, &self.here, kept);
            self.report = Report {
                fetched: plan.fetch.len(),
                stored: plan.store.len(),
                removed_here: plan.remove_here.len(),
                removed_there: plan.remove_there.len(),
                marked_here: marks.here.len(),
                marked_there: marks.there.values().map(Vec::len).sum(),
            };
            return Ok(());
        }
        self.carry_out(client, plan, selected.read_only, kept).await
    }

    async fn carry_out(
        &mut self,
        client: &mut Client,
        plan: Plan,
        read_only: bool,
        kept: Letters,
    ) -> Result<(), Failed> {
        for (uid, name) in plan.adopt {
            if let Some(row) = self.table.rows.get_mut(&uid) {
                (row.file, row.agreed) = (Some(name), Letters::NONE);
                self.unsaved += 1;
            }
        }
        let (here, there) = (self.here.len(), self.table.rows.len());
        if self.may_remove("the server", plan.remove_here.len(), here) {
            self.remove_here(&plan.remove_here)?;
        }
        self.to_store = plan.store.into_iter().collect();
        self.fetch(client, &plan.fetch).await?;
        if read_only {
            self.mark(client, Letters::NONE).await?;
            if !plan.remove_there.is_empty() || !self.to_store.is_empty() {
                let why = "the server lets it be read only";
                self.tally.failed_as(Status::Refused, &self.mailbox, why);
            }
        } else {
            self.mark(client, kept).await?;
            if self.may_remove("the Maildir", plan.remove_there.len(), there) {
                self.remove_there(client, &plan.remove_there).await?;
            }
            self.store(client, kept).await?;
        }
        self.save().map_err(disk)
    }

    /// A connection was lost, perhaps for one of these.
    fn blamed(&mut self, on_the_way: impl IntoIterator<Item = One>, failed: Failed) -> Failed {
        if let Some((one, error)) = self.suspects.failed(on_the_way, &failed) {
            let what = format_args!("{}: {one}", self.mailbox);
            self.tally.failed_as(Status::of(error), what, format_args!("{error:#}"));
            self.given_up.insert(one);
            // It need not be the connection's fault.
            self.done = true;
        }
        failed
    }

    /// Brings what is known of the server up to date.
    async fn learn(&mut self, client: &mut Client) -> Result<(), Failed> {
        let known: Vec<(Uid, Uid)> = self.table.known().collect();
        let options = SyncOptions::new(self.mailbox.clone()).with_items([FetchAtt::Rfc822Size]);
        let mut syncing = client.sync(self.table.sync.clone(), known, options).await?;
        let result = loop {
            // Before what it stands for: if this is saved with a part of the changes, the next run asks again.
            self.table.sync = syncing.state().clone();
            let change = match syncing.next().await {
                Ok(Some(change)) => change,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            self.unsaved += usize::from(change != Change::Checkpoint);
            match change {
                Change::Reset { .. } if self.table.rows.is_empty() => {}
                Change::Reset { uid_validity } => {
                    tell(format_args!(
                        "{}: UIDVALIDITY is another one, {uid_validity}: all messages are fetched again, and found here \
                         by their content; what was deleted here comes back",
                        self.mailbox
                    ));
                    self.table.forget();
                }
                Change::Rewound => {
                    tell(format_args!(
                        "{}: the server went back to an earlier state: all messages are fetched again, and found here by \
                         their content",
                        self.mailbox
                    ));
                    self.table.forget();
                    self.table.sync = SyncState::default();
                    self.again = true;
                    break Ok(());
                }
                Change::New { uid, flags, items } => {
                    let row = self.table.rows.entry(uid).or_default();
                    row.there = Some(Letters::of_flags(&flags));
                    row.size = items.iter().find_map(size).unwrap_or(row.size);
                }
                Change::Flags { uid, flags } => {
                    self.table.rows.entry(uid).or_default().there = Some(Letters::of_flags(&flags));
                }
                Change::Gone { first, last } => {
                    let gone: Vec<Uid> = self.table.rows.range(first..=last).map(|(uid, _)| *uid).collect();
                    for uid in gone {
                        match self.table.rows.get_mut(&uid) {
                            Some(row) if row.file.is_some() => row.there = None,
                            _ => drop(self.table.rows.remove(&uid)),
                        }
                    }
                }
                _ => {}
            }
        };
        if !self.again {
            self.table.sync = syncing.state().clone();
        }
        if let Some(doubt) = syncing.in_doubt() {
            let why = format_args!("the server contradicts itself ({doubt:?}); something may be missing");
            self.tally.failed_as(Status::Temporary, &self.mailbox, why);
        }
        result?;
        // The names of files need what is in it.
        self.save().map_err(disk)
    }

    fn save(&mut self) -> Result<()> {
        self.unsaved = 0;
        if self.options.dry_run {
            return Ok(());
        }
        self.maildir.sync()?;
        self.table.save(&self.path)
    }

    /// Whether so many messages of all may be removed.
    fn may_remove(&mut self, gone_from: &str, count: usize, all: usize) -> bool {
        if count < all || count <= MANY || self.options.delete_all {
            return true;
        }
        let why = format_args!(
            "all {count} messages are gone from {gone_from}; with --delete-all they are removed"
        );
        self.tally.failed_as(Status::Refused, &self.mailbox, why);
        false
    }

    fn remove_here(&mut self, uids: &[Uid]) -> Result<(), Failed> {
        for uid in uids {
            let file = self.table.rows.get(uid).and_then(|row| row.file.clone());
            if let Some(entry) = file.as_ref().and_then(|file| self.here.get(file)) {
                if !self.maildir.remove(entry).map_err(disk)? {
                    // It has another name by now.
                    self.again = true;
                    continue;
                }
                self.report.removed_here += 1;
            }
            file.and_then(|file| self.here.remove(&file));
            self.table.rows.remove(uid);
            self.unsaved += 1;
        }
        Ok(())
    }

    async fn remove_there(&mut self, client: &mut Client, uids: &[Uid]) -> Result<(), Failed> {
        // Without it, what others have marked would be removed as well.
        let expunges = client.capabilities().has_or_rev2(&Capability::UidPlus);
        let deleted = Letters::of_name("T");
        let is_marked = |uid: &&Uid| {
            let there = self.table.rows.get(*uid).and_then(|row| row.there);
            there.is_some_and(|there| !there.and(deleted).is_empty())
        };
        let uids: Vec<Uid> = uids.iter().filter(|uid| expunges || !is_marked(uid)).copied().collect();
        if !uids.is_empty() && !expunges {
            let marked = uids.len();
            tell(format_args!(
                "{}: {marked} messages are marked as deleted, for the server has no UIDPLUS",
                self.mailbox
            ));
        }
        for uids in uids.chunks(CHANGED_AT_ONCE) {
            let change = FlagChange::add([Flag::Deleted]).silent();
            let mut result = client.uid_store(uids, change).await.map(drop);
            if result.is_ok() && expunges {
                result = client.uid_expunge(uids).await.map(drop);
            }
            match result.map_err(Failed::from) {
                Ok(()) => self.done = true,
                Err(Failed::Alone(status, error)) => {
                    let what = format_args!("{}: the deletion of {} messages", self.mailbox, uids.len());
                    self.tally.failed_as(status, what, format_args!("{error:#}"));
                    continue;
                }
                Err(failed) => return Err(failed),
            }
            for uid in uids {
                if expunges {
                    self.table.rows.remove(uid);
                } else if let Some(row) = self.table.rows.get_mut(uid) {
                    row.there = row.there.map(|there| there.or(deleted));
                }
            }
            self.report.removed_there += uids.len();
            self.unsaved += uids.len();
        }
        Ok(())
    }

    /// Makes the flags equal that the server keeps.
    async fn mark(&mut self, client: &mut Client, kept: Letters) -> Result<(), Failed> {
        let marks = Marks::of(&self.table, &self.here, kept);
        for (uid, letters) in marks.here {
            let file = self.table.rows.get(&uid).and_then(|row| row.file.as_ref());
            let Some(entry) = file.and_then(|file| self.here.get_mut(file)) else { continue };
            match self.maildir.mark(entry, letters).map_err(disk)? {
                Some(marked) => *entry = marked,
                // It has another name by now, and other flags perhaps.
                None => {
                    self.again = true;
                    continue;
                }
            }
            self.report.marked_here += 1;
        }
        for ((add, remove), uids) in marks.there {
            for uids in uids.chunks(CHANGED_AT_ONCE) {
                let mut changes = Vec::new();
                if !add.is_empty() {
                    changes.push(FlagChange::add(add.flags()));
                }
                if !remove.is_empty() {
                    changes.push(FlagChange::remove(remove.flags()));
                }
                let mut result = Ok(());
                for change in changes {
                    if result.is_ok() {
                        result = client.uid_store(uids, change.silent()).await.map(drop);
                    }
                }
                match result.map_err(Failed::from) {
                    Ok(()) => self.done = true,
                    Err(Failed::Alone(status, error)) => {
                        let what = format_args!("{}: flags of {} messages", self.mailbox, uids.len());
                        self.tally.failed_as(status, what, format_args!("{error:#}"));
                        continue;
                    }
                    Err(failed) => return Err(failed),
                }
                for uid in uids {
                    if let Some(row) = self.table.rows.get_mut(uid) {
                        row.there = row.there.map(|there| there.or(add).without(remove));
                    }
                }
                self.report.marked_there += uids.len();
            }
        }
        for row in self.table.rows.values_mut() {
            let Row { there: Some(there), agreed, file: Some(file), .. } = row else { continue };
            let Some(ours) = self.here.get(file).map(Entry::letters) else { continue };
            if ours.and(kept) == there.and(kept) && *agreed != ours {
                *agreed = ours;
                self.unsaved += 1;
            }
        }
        Ok(())
    }
}

fn size(item: &MsgAtt) -> Option<u64> {
    if let MsgAtt::Rfc822Size(size) = item { Some(*size) } else { None }
}

/// The flags that the server keeps for good.
fn kept(selected: &Selected) -> Letters {
    match &selected.permanent_flags {
        None => Letters::ALL,
        Some(permanent) => {
            let named = Letters::of_flags(&permanent.flags);
            // `\*`: keywords can be made.
            if permanent.new_keywords { named.or(Letters::of_name("P")) } else { named }
        }
    }
}
