//! What commands change in the open mailbox, and ask of its changes.

use mailwire_imap::{
    command::{SearchKey, StoreAction},
    extensions::acl::Rights,
    types::{ModSeq, Uid, UidSet},
};
use mailwire_transport::imap::server::{
    Changes, ChangesOptions, LabelOptions, Labelled, Refusal, StoreOptions, Stored,
};

use super::{open::Open, rights};
use crate::{Cursor, Fields, Filter, FlagChange, LabelChange, MAX_CHANGED, Store, Uids, Which};

/// So many rows are asked of a store at once.
const ROWS: u32 = 1000;

impl<S: Store> Open<S> {
    /// STORE: the messages as they are then, each with what became of it.
    pub(super) async fn store_flags(
        &mut self,
        uids: &[Uid],
        options: &StoreOptions,
    ) -> Result<Vec<Stored>, Refusal> {
        let replaces = options.action == StoreAction::Replace;
        let flags = rights::stored(&options.flags, replaces, self.rights().await)?;
        let uids = Uids::from(uids);
        let mut change = FlagChange::new(options.action, flags).seen(self.cursor.mod_seq());
        change.unchanged_since = options.unchanged_since;
        let mut own = Vec::new();
        for page in uids.pages(MAX_CHANGED) {
            own.push(self.store.store(self.mailbox, &page, &change).await?);
        }
        let changed: Uids = own.iter().flat_map(|own| own.changed.iter()).collect();
        let mine = self.catch_up(&own).await?;
        let refused: Uids = own.iter().flat_map(|own| own.refused.iter()).collect();
        let known: Uids = mine.iter().map(|(uid, ..)| *uid).collect();
        let of_ours = |(uid, mod_seq, flags)| Stored::new(uid, flags, true).with_mod_seq(mod_seq);
        let mut stored: Vec<Stored> = mine.into_iter().map(of_ours).collect();
        // Those that were so before, that were left alone, or that others have changed since.
        for page in uids.difference(&known).pages(ROWS) {
            let rows =
                self.store.messages(self.mailbox, &page, Fields::new().with_flags(true), usize::MAX).await?;
            stored.extend(rows.into_iter().map(|row| {
                let (uid, mod_seq) = (row.uid, row.mod_seq);
                let stored = Stored::new(uid, row.flags, changed.contains(uid)).with_mod_seq(mod_seq);
                stored.with_refused(refused.contains(uid))
            }));
        }
        stored.sort_unstable_by_key(|stored| stored.uid);
        Ok(stored)
    }

    /// STORE X-GM-LABELS.
    pub(super) async fn store_labels(
        &mut self,
        uids: &[Uid],
        options: &LabelOptions,
    ) -> Result<Vec<Labelled>, Refusal> {
        rights::check(self.rights().await, Rights::WRITE)?;
        let uids = Uids::from(uids);
        let mut change = LabelChange::new(options.action, options.labels.clone()).seen(self.cursor.mod_seq());
        change.unchanged_since = options.unchanged_since;
        let mut own = Vec::new();
        for page in uids.pages(MAX_CHANGED) {
            own.push(self.store.store_labels(self.mailbox, &page, &change).await?);
        }
        self.catch_up(&own).await?;
        let refused: Uids = own.iter().flat_map(|own| own.refused.iter()).collect();
        let (mut stored, fields) = (Vec::new(), Fields::new().with_labels(true));
        for page in uids.pages(ROWS) {
            let rows = self.store.messages(self.mailbox, &page, fields, usize::MAX).await?;
            stored.extend(rows.into_iter().map(|row| {
                let stored = Labelled::new(row.uid, row.labels).with_mod_seq(row.mod_seq);
                stored.with_refused(refused.contains(row.uid))
            }));
        }
        Ok(stored)
    }

    /// EXPUNGE: of all messages that the client knows, or `only` of these. Gives those that are gone.
    pub(super) async fn expunge(&mut self, only: Option<&[Uid]>) -> Result<Vec<Uid>, Refusal> {
        rights::check(self.rights().await, Rights::EXPUNGE)?;
        let known = Uids::below(self.cursor.uid_next());
        let named = only.map_or_else(|| known.clone(), Uids::from);
        let Some(set) = named.to_known() else { return Ok(Vec::new()) };
        let filter = Filter::new([SearchKey::Deleted, SearchKey::Uid(UidSet::from(set))]);
        let doomed = self.store.preselect(self.mailbox, &filter).await?;
        for page in doomed.sure.intersection(&known).pages(MAX_CHANGED) {
            // Before the change, so that none is made for a client that is gone.
            tokio::task::yield_now().await;
            self.store.expunge(self.mailbox, &page, Which::Deleted).await?;
        }
        self.catch_up(&[]).await?;
        Ok(self.take_vanished().iter().collect())
    }

    /// What has changed after a number that the client names (QRESYNC, CHANGEDSINCE).
    pub(super) async fn changes_since(&mut self, options: &ChangesOptions) -> Result<Changes, Refusal> {
        let asked: Uids = options.uids.iter().copied().collect();
        let (mut changed, mut vanished) = (Vec::new(), Uids::new());
        let mut cursor = Cursor::since(options.since);
        loop {
            let page = self.store.changes(self.mailbox, cursor, ROWS as usize).await?;
            changed.extend(page.flags.into_iter().map(|(uid, ..)| uid).filter(|uid| asked.contains(*uid)));
            if options.vanished {
                vanished.add(&page.vanished.intersection(&asked));
            }
            if !page.more {
                return Ok(Changes::new(changed, vanished.ranges().collect::<Vec<_>>()));
            }
            cursor = page.cursor;
            // Many changes take a while; others have their turn.
            tokio::task::yield_now().await;
        }
    }

    /// The highest number of a change of these messages.
    pub(super) async fn mod_seq_of(&mut self, uids: &[Uid]) -> Result<Option<ModSeq>, Refusal> {
        let (uids, mut highest) = (Uids::from(uids), None);
        for page in uids.pages(ROWS) {
            let rows = self.store.messages(self.mailbox, &page, Fields::new(), usize::MAX).await?;
            highest = rows.iter().map(|row| Some(row.mod_seq)).fold(highest, Option::max);
            tokio::task::yield_now().await;
        }
        Ok(highest)
    }
}
