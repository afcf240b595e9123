//! A mirror that is kept by the synchroniser, over connections that come and go.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use mailwire_transport::imap::{
    Flag, FlagChange,
    proto::{
        sync::{Change, SyncOptions, SyncState},
        types::{FlagSet, MailboxName, Uid},
    },
};

use crate::{
    AS_EXPECTED,
    tour::{Tour, same, soon},
};

/// What an application would keep.
#[derive(Default)]
struct Mirror {
    messages: BTreeMap<Uid, FlagSet>,
    state: SyncState,
}

impl Mirror {
    fn apply(&mut self, change: Change) {
        match change {
            Change::Reset { .. } => self.messages.clear(),
            Change::New { uid, flags, .. } | Change::Flags { uid, flags } => {
                self.messages.insert(uid, flags);
            }
            Change::Gone { first, last } => self.messages.retain(|uid, _| !(first..=last).contains(uid)),
            _ => {}
        }
    }

    /// Over a new connection; what is stored is read again.
    async fn catch_up(&mut self, tour: &Tour<'_>) -> Result<()> {
        let mut client = tour.connect().await?;
        let known: Vec<_> = self.messages.keys().map(|&uid| (uid, uid)).collect();
        let state = SyncState::from_bytes(&self.state.to_bytes())?;
        let options = SyncOptions::new(MailboxName::new(&tour.mailbox)?).with_batch(3);
        let mut syncing = client.sync(state, known, options).await?;
        while let Some(change) = syncing.next().await? {
            self.apply(change);
        }
        self.state = syncing.state().clone();
        ensure!(syncing.in_doubt().is_none(), "{:?}", syncing.in_doubt());
        Ok(())
    }

    async fn is_equal(&self, tour: &mut Tour<'_>) -> Result<()> {
        let there = tour.messages().await?.into_iter().map(|message| (message.uid, message.flags)).collect();
        same("the mirror", &self.messages, &there)
    }
}

pub(crate) async fn synchroniser(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut mirror = Mirror::default();
    mirror.catch_up(tour).await?;
    mirror.is_equal(tour).await?;
    // Others change the mailbox, again and again.
    let mut added = Vec::new();
    for round in 0..6 {
        for number in 0..4 {
            added.push(tour.add(&format!("Subject: {round} {number}\r\n\r\nHere.\r\n")).await?);
        }
        let marked: Vec<Uid> = tour.uids().await?.into_iter().step_by(2 + round % 3).collect();
        let keyword = if round % 2 == 0 { Flag::Flagged } else { Flag::Answered };
        tour.plain.uid_store(marked, FlagChange::add([keyword])).await?;
        // The highest ones, too.
        for place in [round % added.len(), added.len() - 2].into_iter().take(round % 3) {
            let uid = added.remove(place);
            tour.remove_message(uid).await?;
        }
        mirror.catch_up(tour).await?;
        mirror.is_equal(tour).await?;
    }
    live(&mut mirror, tour).await?;
    for uid in added {
        tour.remove_message(uid).await?;
    }
    let all = tour.uids().await?;
    tour.plain.uid_store(all, FlagChange::remove([Flag::Flagged, Flag::Answered])).await?;
    mirror.catch_up(tour).await?;
    mirror.is_equal(tour).await?;
    Ok(AS_EXPECTED)
}

/// Changes come as they happen.
async fn live(mirror: &mut Mirror, tour: &mut Tour<'_>) -> Result<()> {
    let mut client = tour.connect().await?;
    let known: Vec<_> = mirror.messages.keys().map(|&uid| (uid, uid)).collect();
    let options = SyncOptions::new(MailboxName::new(&tour.mailbox)?);
    let mut syncing = client.sync(mirror.state.clone(), known, options).await?;
    while let Some(change) = syncing.next().await? {
        mirror.apply(change);
    }
    let uid = tour.add("Subject: live\r\n\r\nNow.\r\n").await?;
    soon("the new message", async {
        while !mirror.messages.contains_key(&uid) {
            mirror.apply(syncing.wait().await?);
        }
        Ok(())
    })
    .await?;
    tour.remove_message(uid).await?;
    soon("the removal", async {
        while mirror.messages.contains_key(&uid) {
            mirror.apply(syncing.wait().await?);
        }
        Ok(())
    })
    .await?;
    while let Some(change) = syncing.next().await? {
        mirror.apply(change);
    }
    mirror.state = syncing.state().clone();
    Ok(())
}
