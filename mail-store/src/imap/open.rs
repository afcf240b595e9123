//! An open mailbox, kept up to date by the feed.

use mailwire_imap::types::{FlagSet, Uid};
use mailwire_transport::imap::server::Update;

use crate::{Cursor, MailboxId, Result, Store, Stored, Uids, Watch as _};

/// So many messages' flags are asked of the feed at once.
const PAGE: usize = 1000;

/// The mailbox that a session has open.
pub(super) struct Open<S: Store> {
    store: S,
    pub(super) mailbox: MailboxId,
    /// What the feed has told so far.
    pub(super) cursor: Cursor,
    /// About how many messages there are.
    pub(super) messages: u64,
    read_only: bool,
    watch: S::Watch,
    /// What the client has not been told of that.
    news: News,
}

/// What others did.
#[derive(Debug, Default)]
struct News {
    arrived: Uids,
    recent: Uids,
    flags: Vec<(Uid, FlagSet)>,
    vanished: Uids,
    gone: bool,
}

impl<S: Store> Open<S> {
    /// `watch` was made before the mailbox was looked at.
    pub(super) fn new(
        store: S,
        mailbox: MailboxId,
        cursor: Cursor,
        read_only: bool,
        watch: S::Watch,
    ) -> Self {
        Self { store, mailbox, cursor, messages: 0, read_only, watch, news: News::default() }
    }

    /// Reads the feed to its end. `own` are changes of this session, of which the client needs not be told:
    /// gives the flags that they made. It can be dropped: what was read is kept.
    pub(super) async fn catch_up(&mut self, own: &[Stored]) -> Result<Vec<(Uid, FlagSet)>> {
        let mut mine = Vec::new();
        loop {
            let changes = self.store.changes(self.mailbox, self.cursor, PAGE).await?;
            let mut recent = Uids::new();
            if !changes.arrived.is_empty() {
                let below = changes.cursor.uid_next();
                let first = self.store.recent(self.mailbox, below, !self.read_only).await?;
                recent = changes.arrived.difference(&Uids::below(first));
            }
            self.cursor = changes.cursor;
            self.messages = self.messages.saturating_sub(changes.vanished.len());
            self.messages = self.messages.saturating_add(changes.arrived.len());
            self.news.recent = self.news.recent.union(&recent);
            self.news.arrived = self.news.arrived.union(&changes.arrived.difference(&recent));
            self.news.vanished = self.news.vanished.union(&changes.vanished);
            self.news.gone |= changes.gone;
            for (uid, mod_seq, flags) in changes.flags {
                match own.iter().find(|own| own.mod_seq == mod_seq && own.changed.contains(uid)) {
                    Some(own) if !own.met.contains(uid) => mine.push((uid, flags)),
                    Some(_) => {
                        mine.push((uid, flags.clone()));
                        self.news.flags.push((uid, flags));
                    }
                    None => self.news.flags.push((uid, flags)),
                }
            }
            if !changes.more {
                return Ok(mine);
            }
        }
    }

    /// The messages that are gone, of which the client is told by the answer to its command.
    pub(super) fn take_vanished(&mut self) -> Uids {
        std::mem::take(&mut self.news.vanished)
    }

    pub(super) async fn changed(&mut self) {
        self.watch.changed().await;
    }

    pub(super) fn take_news(&mut self) -> Vec<Update> {
        let news = std::mem::take(&mut self.news);
        let mut updates = Vec::new();
        for (uids, recent) in [(news.arrived, false), (news.recent, true)] {
            if !uids.is_empty() {
                updates.push(Update::Added { uids: uids.iter().collect(), recent });
            }
        }
        if !news.flags.is_empty() {
            updates.push(Update::Flags(news.flags));
        }
        if !news.vanished.is_empty() {
            updates.push(Update::Expunged(news.vanished.iter().collect()));
        }
        if news.gone {
            updates.push(Update::MailboxGone);
        }
        updates
    }
}
