//! All mailboxes of one account are copied into another.
//!
//! Nothing is deleted or changed on either side, only added to the target. Which messages have gone is in a [`Journal`];
//! what that does not know, for the connection was lost or the program killed, is found in the target by its size, its
//! date and its Message-ID, so that nothing comes twice. (But for what a server has received and stores when it was looked for
//! already: IMAP has no word by which one could know.)

mod copy;
mod journal;
mod listing;
mod names;

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use anyhow::Result;
use mailwire_transport::imap::{
    Capability, Client,
    client::SpecialMailbox,
    proto::{
        command::{Create, List, ListReturnOpt, StatusAtt},
        response::ListData,
        types::{ListPattern, MailboxAttribute, MailboxName},
    },
};

pub use self::journal::Journal;
use self::{copy::Copying, names::Names};
use crate::{Failed, Link, MailboxArguments, Tally, delimiter, tell};

/// How an account is copied.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Says what would be done, and does nothing.
    pub dry_run: bool,
    /// Keeps the names of mailboxes that are for the same as another one in the target, as `\Sent`.
    pub keep_names: bool,
}

/// What was done with the messages of a mailbox, or would be.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The mailbox of the source.
    pub source: String,
    /// That of the target.
    pub target: String,
    /// Messages that were copied.
    pub copied: u64,
    /// Messages that were there already.
    pub there: u64,
    /// What was not copied, and why.
    pub failed: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} copied, {} there already", self.source, self.copied, self.there)?;
        if !self.failed.is_empty() {
            write!(f, ", {} not copied", self.failed.len())?;
        }
        if self.source != self.target { write!(f, " (to {})", self.target) } else { Ok(()) }
    }
}

/// What an account has.
#[derive(Debug, Default)]
struct Account {
    mailboxes: Vec<ListData>,
    subscribed: HashSet<MailboxName>,
    /// What mailboxes are for, as far as the server says it.
    uses: HashMap<MailboxName, MailboxAttribute>,
    names: Names,
}

impl Account {
    async fn of(client: &mut Client) -> Result<Self, Failed> {
        let mailboxes = client.list("", "*").await?;
        let names = Names::of(client, delimiter(&mailboxes)).await?;
        let subscribed = subscribed(client).await?.into_iter().map(|listed| listed.name.to_utf7()).collect();
        let told = client.special_mailboxes().await?.into_iter().filter(|special| !special.guessed);
        let uses = told.map(|SpecialMailbox { mailbox, special_use, .. }| (mailbox.to_utf7(), special_use));
        Ok(Self { mailboxes, subscribed, uses: uses.collect(), names })
    }

    fn has(&self, name: &MailboxName) -> bool {
        self.mailboxes.iter().any(|mailbox| mailbox.is_selectable() && mailbox.name.to_utf7() == *name)
    }

    /// The mailbox that is for this.
    fn used_as(&self, special_use: &MailboxAttribute) -> Option<&MailboxName> {
        self.uses.iter().find(|(_, is_for)| *is_for == special_use).map(|(name, _)| name)
    }
}

async fn subscribed(client: &mut Client) -> Result<Vec<ListData>, Failed> {
    if !client.capabilities().has_or_rev2(&Capability::ListExtended) {
        return Ok(client.lsub("", "*").await?);
    }
    let root = MailboxName::from_wire("").map_err(mailwire_transport::Error::from)?;
    let list = List::new(root, ListPattern::ALL).returning([ListReturnOpt::Subscribed]);
    let listed = client.list_with(list).await?.into_iter().map(|listed| listed.mailbox);
    Ok(listed.filter(|mailbox| mailbox.attributes.contains(&MailboxAttribute::Subscribed)).collect())
}

/// Copies the mailboxes that are meant from one account into another.
///
/// What cannot be copied is told, counted in `tally` and said in the reports, and does not stop the rest. `report` is given
/// each mailbox when it is done.
///
/// # Errors
///
/// A connection cannot be had, also after trying again, or the journal not be written.
pub async fn migrate<A, B>(
    source: &mut Link<A>,
    target: &mut Link<B>,
    meant: &MailboxArguments,
    journal: &mut Journal,
    options: Options,
    tally: &mut Tally,
    mut report: impl FnMut(&Report) -> Result<()>,
) -> Result<()>
where
    A: AsyncFnMut() -> Result<Client>,
    B: AsyncFnMut() -> Result<Client>,
{
    let from = source.retried(async |client| Account::of(client).await).await?;
    let to = target.retried(async |client| Account::of(client).await).await?;
    for mailbox in from.mailboxes.iter().filter(|mailbox| mailbox.is_selectable()) {
        let name = mailbox.name.to_unicode();
        if !meant.mean(&mailbox.name, from.names.delimiter)? {
            continue;
        }
        if from.names.is_foreign(&name) {
            tell(format_args!("{name}: passed over, for it is not the user's own"));
            continue;
        }
        let special_use = from.uses.get(&mailbox.name.to_utf7());
        let named = MailboxName::new(&from.names.translate(&name, &to.names))?;
        let same_use =
            special_use.filter(|_| !options.keep_names).and_then(|special_use| to.used_as(special_use));
        let there = same_use.unwrap_or(&named);
        if !options.dry_run {
            let made = target.retried(async |client| make(client, &to, there, special_use).await).await;
            if let Err(error) = made {
                tally.failed(&name, &error);
                continue;
            }
            if from.subscribed.contains(&mailbox.name.to_utf7()) && !to.subscribed.contains(there) {
                let subscribed = target.retried(async |client| Ok(client.subscribe(there).await?)).await;
                if let Err(error) = subscribed {
                    tally.failed(format_args!("{there}: the subscription"), &error);
                }
            }
        }
        let is_new = options.dry_run && !to.has(there);
        let mut copying = Copying::new(&mailbox.name, there, is_new, options.dry_run, journal, tally);
        copying.all(source, target).await?;
        report(&copying.report)?;
    }
    Ok(())
}

/// Makes the mailbox, if it is not there.
async fn make(
    client: &mut Client,
    account: &Account,
    name: &MailboxName,
    special_use: Option<&MailboxAttribute>,
) -> Result<(), Failed> {
    if account.has(name) {
        return Ok(());
    }
    let mut create = Create::new(name.clone());
    let is_for = special_use.filter(|special_use| account.used_as(special_use).is_none());
    if client.has(&Capability::CreateSpecialUse) {
        create.special_use.extend(is_for.cloned());
    }
    let plain = Create::new(name.clone());
    let mut result = client.create_with(create.clone()).await.map_err(Failed::from);
    if !create.special_use.is_empty() && matches!(result, Err(Failed::Alone(..))) {
        result = client.create_with(plain).await.map_err(Failed::from);
    }
    match result {
        Ok(_) => Ok(()),
        // It may have been made before, by a run that has not heard so.
        Err(Failed::Alone(status, error)) => match client.status(name, [StatusAtt::Messages]).await {
            Ok(_) => Ok(()),
            Err(_) => Err(Failed::Alone(status, error)),
        },
        Err(failed) => Err(failed),
    }
}
