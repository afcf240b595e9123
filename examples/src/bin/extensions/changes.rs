//! What has changed, and what happens.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use mailwire_transport::imap::{
    Capability, FetchAtt, Flag, FlagChange, SearchKey, StatusAtt, UidSet,
    client::Update,
    proto::{
        command::{Fetch, Select, Since, Store, StoreAction},
        extensions::{
            condstore::{QResync, SearchModSeq},
            notify::{EventGroup, MailboxFilter, Notify, NotifyEvent},
        },
        response::{StatusAttVal, Untagged},
        types::{MailboxName, ModSeq, Uid},
    },
};

use crate::{
    AS_EXPECTED,
    tour::{Tour, same, soon},
};

const NOTE: &str = "Subject: note\r\n\r\nNews.\r\n";

fn mark(on: bool) -> FlagChange {
    if on { FlagChange::add([Flag::Flagged]) } else { FlagChange::remove([Flag::Flagged]) }
}

pub(crate) async fn condstore(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.connect().await?;
    let mailbox = MailboxName::new(&tour.mailbox)?;
    let mut select = Select::new(mailbox);
    select.condstore = true;
    let before = client.select_with(select).await?.highest_mod_seq.context("no HIGHESTMODSEQ")?;
    let uids = tour.uids().await?;
    let (Some(&changed), Some(&alone)) = (uids.get(1), uids.get(2)) else { anyhow::bail!("no messages") };
    tour.plain.uid_store(changed, mark(true)).await?;
    client.noop().await?;

    // What changed is told by FETCH, by SEARCH and by STATUS.
    let all = UidSet::all();
    let fetch = Fetch::new(all, [FetchAtt::Flags, FetchAtt::ModSeq]).with_since(Since::Changed(before));
    let mut seen = BTreeMap::new();
    let mut messages = client.fetch_with(fetch).await?;
    while let Some(message) = messages.next().await? {
        let at = message.mod_seq().and_then(ModSeq::new).context("no MODSEQ")?;
        seen.insert(message.uid().context("no UID")?, at);
    }
    drop(messages);
    let at = *seen.get(&changed).context("the change is not told")?;
    same("CHANGEDSINCE", &seen, &[(changed, at)].into())?;
    let found = client.uid_search([SearchKey::ModSeq(SearchModSeq::new(at))]).await?;
    same("SEARCH MODSEQ", &found.iter().collect::<Vec<Uid>>(), &vec![changed])?;
    same("the MODSEQ of what is found", &found.mod_seq(), &Some(at))?;
    let status = tour.plain_status(&[StatusAtt::HighestModSeq]).await?;
    ensure!(status.items.contains(&StatusAttVal::HighestModSeq(at)), "STATUS: {:?}, not {at}", status.items);

    // What another has changed is left alone.
    let set = UidSet::from_numbers([changed, alone])?;
    let store = Store::new(set, StoreAction::Add, [Flag::Answered].into()).with_unchanged_since(before);
    let stored = client.store_unchanged(store).await?;
    let left: Vec<u32> = stored.modified.iter().flat_map(|set| set.iter(9)).map(u32::from).collect();
    same("MODIFIED", &left, &vec![changed.get()])?;
    let flags: Vec<_> =
        tour.messages().await?.into_iter().map(|it| it.flags.contains(&Flag::Answered)).collect();
    same("who was changed", &flags, &vec![false, false, true, false, false, false])?;
    tour.plain.uid_store(changed, mark(false)).await?;
    tour.plain.uid_store(alone, FlagChange::remove([Flag::Answered])).await?;
    Ok(AS_EXPECTED)
}

pub(crate) async fn qresync(tour: &mut Tour<'_>) -> Result<&'static str> {
    let gone = tour.add(NOTE).await?;
    let mut client = tour.connect().await?;
    client.enable([Capability::QResync]).await?;
    let known = client.select(&tour.mailbox).await?;
    client.unselect().await?;

    let uids = tour.uids().await?;
    let changed = *uids.first().context("no message")?;
    tour.plain.uid_store(changed, mark(true)).await?;
    tour.remove_message(gone).await?;
    let new = tour.add(NOTE).await?;

    let since = QResync::new(
        known.uid_validity.context("no UIDVALIDITY")?,
        known.highest_mod_seq.context("no HIGHESTMODSEQ")?,
    );
    let select = Select::new(MailboxName::new(&tour.mailbox)?).with_qresync(since);
    let now = client.select_with(select).await?;
    let vanished = |uid: Uid| now.vanished.iter().any(|(first, last)| (*first..=*last).contains(&uid));
    ensure!(vanished(gone), "{gone} has not vanished: {:?}", now.vanished);
    for uid in tour.uids().await? {
        ensure!(!vanished(uid), "{uid} has not gone");
    }
    let mut told: Vec<_> =
        now.changed.iter().filter_map(mailwire_transport::imap::FetchedMessage::uid).collect();
    told.sort_unstable();
    same("what has changed", &told, &vec![changed, new])?;

    // In this session what goes is told by its UID, too.
    tour.remove_message(new).await?;
    client.noop().await?;
    let vanished = client.updates().any(|update| match update {
        Update::Vanished(data) => data.uids.contains(new),
        _ => false,
    });
    ensure!(vanished, "VANISHED did not come");
    // And on demand. Beyond `*`, the highest that is there, nothing has to be told.
    let set = UidSet::range(uids.first().copied().context("no message")?, new);
    let fetch = Fetch::new(set, [FetchAtt::Flags])
        .with_since(Since::ChangedOrVanished(known.highest_mod_seq.context("no HIGHESTMODSEQ")?));
    let mut messages = client.fetch_with(fetch).await?;
    let mut told = Vec::new();
    while let Some(message) = messages.next().await? {
        told.extend(message.uid());
    }
    let vanished = messages.vanished().to_vec();
    drop(messages);
    same("CHANGEDSINCE", &told, &vec![changed])?;
    for uid in [gone, new] {
        let is_there = vanished.iter().any(|(first, last)| (*first..=*last).contains(&uid));
        ensure!(is_there, "{uid} has not vanished: {vanished:?}");
    }
    tour.plain.uid_store(changed, mark(false)).await?;
    Ok(AS_EXPECTED)
}

pub(crate) async fn idle(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.open().await?;
    let count = client.exists().unwrap_or(0);
    let mut idle = client.idle().await?;
    let uid = tour.add(NOTE).await?;
    soon("the new message", async {
        loop {
            match idle.next().await? {
                Update::Exists(now) if now != count => return same("EXISTS", &now, &(count + 1)),
                _ => {}
            }
        }
    })
    .await?;
    tour.remove_message(uid).await?;
    soon("the removal", async {
        loop {
            if let Update::Expunge(number) = idle.next().await? {
                return same("EXPUNGE", &number.get(), &(count + 1));
            }
        }
    })
    .await?;
    idle.done().await?;
    client.noop().await?;
    Ok(AS_EXPECTED)
}

/// A message comes in a mailbox that is not open.
pub(crate) async fn notify(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.open().await?;
    let other = tour.below("Told");
    let events = [NotifyEvent::MessageNew(vec![]), NotifyEvent::MessageExpunge, NotifyEvent::FlagChange];
    let elsewhere = [events.as_slice(), &[NotifyEvent::MailboxName]].concat();
    let groups = [
        EventGroup::new(MailboxFilter::SelectedDelayed, events),
        EventGroup::new(MailboxFilter::Personal, elsewhere),
    ];
    client.notify(Notify::set(groups)?).await?;
    let count = client.exists().unwrap_or(0);
    tour.plain.create(&other).await?;
    tour.plain.append(&other, NOTE).await?;
    let uid = tour.add(NOTE).await?;
    let (mut listed, mut counted, mut came) = (false, false, false);
    let mut idle = client.idle().await?;
    let told = soon("news", async {
        while !(listed && counted && came) {
            match idle.next().await? {
                Update::Data(data) => match *data {
                    Untagged::List(list) => listed |= list.name == MailboxName::new(&other)?,
                    Untagged::Status(status) if status.mailbox == MailboxName::new(&other)? => {
                        counted |= status.messages() == Some(1);
                    }
                    _ => {}
                },
                Update::Exists(now) => came |= now == count + 1,
                _ => {}
            }
        }
        Ok(())
    })
    .await;
    told.with_context(|| format!("LIST {listed}, STATUS {counted}, EXISTS {came}"))?;
    idle.done().await?;
    client.notify(Notify::none()).await?;
    tour.remove_message(uid).await?;
    tour.plain.delete(&other).await?;
    Ok(AS_EXPECTED)
}

pub(crate) async fn uid_only(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.connect().await?;
    client.enable([Capability::UidOnly]).await?;
    client.select(&tour.mailbox).await?;
    let mut told = Vec::new();
    let mut messages = client.uid_fetch(UidSet::all(), [FetchAtt::Flags]).await?;
    while let Some(message) = messages.next().await? {
        ensure!(message.number().is_none(), "a sequence number");
        told.extend(message.uid());
    }
    same("UIDs", &told, &tour.uids().await?)?;
    Ok(AS_EXPECTED)
}

/// What is marked as deleted stays.
pub(crate) async fn unselect(tour: &mut Tour<'_>) -> Result<&'static str> {
    let uid = tour.add(NOTE).await?;
    let mut client = tour.open().await?;
    client.uid_store(uid, FlagChange::add([Flag::Deleted])).await?;
    client.unselect().await?;
    ensure!(tour.uids().await?.contains(&uid), "UNSELECT has removed {uid}");
    tour.remove_message(uid).await?;
    Ok(AS_EXPECTED)
}
