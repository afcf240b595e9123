//! An open mailbox, kept up to date by the feed.

use std::collections::BTreeSet;

use mailwire_imap::{
    extensions::acl::Rights,
    types::{FlagSet, ModSeq, Uid},
};
use mailwire_transport::imap::server::{Flagged, Update};

use crate::{
    AccountId, Cursor, Fields, Mailbox, MailboxId, MailboxPath, Result, Row, Store, Stored, Uids, Watch as _,
};

/// So many messages' flags are asked for at once.
const PAGE: usize = 256;

/// The mailbox that a session has open.
pub(super) struct Open<S: Store> {
    pub(super) store: S,
    pub(super) mailbox: MailboxId,
    /// What the feed has told so far.
    pub(super) cursor: Cursor,
    /// What the session may do, as far as was asked last: see [`rights`](Self::rights).
    rights: Rights,
    /// Whose mailbox it is, and what it was called when it was opened.
    named: (AccountId, MailboxPath),
    /// The change up to which the client has been told all.
    given: ModSeq,
    /// The feed has more than what was read.
    behind: bool,
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
    /// Messages whose flags are others now: which they are is looked up when it is told. They come in the
    /// order of the changes, many pages of them, and go page by page.
    flags: BTreeSet<Uid>,
    vanished: Uids,
    gone: bool,
}

impl News {
    fn is_empty(&self) -> bool {
        let sets = [&self.arrived, &self.recent, &self.vanished];
        sets.iter().all(|set| set.is_empty()) && self.flags.is_empty() && !self.gone
    }

    /// Messages are gone. Those that the client was never told of it is not told of now.
    fn vanish(&mut self, gone: &Uids) {
        let unknown = self.arrived.union(&self.recent);
        for news in [&mut self.arrived, &mut self.recent] {
            *news = news.difference(gone);
        }
        for uid in gone
            .ranges()
            .flat_map(|(first, last)| self.flags.range(first..=last))
            .copied()
            .collect::<Vec<_>>()
        {
            self.flags.remove(&uid);
        }
        self.vanished.add(&gone.difference(&unknown));
    }
}

impl<S: Store> Open<S> {
    /// `watch` was made before the mailbox was looked at.
    pub(super) fn new(
        store: S,
        mailbox: MailboxId,
        cursor: Cursor,
        read_only: bool,
        watch: S::Watch,
        (account, named): (AccountId, Mailbox),
    ) -> Self {
        Self {
            store,
            mailbox,
            rights: named.rights,
            named: (account, named.path),
            given: cursor.mod_seq(),
            cursor,
            behind: false,
            read_only,
            watch,
            news: News::default(),
        }
    }

    /// What the session may do now: others can take a right away while the mailbox is open. A mailbox that has another name
    /// since, or cannot be asked for, has the rights that it had.
    pub(super) async fn rights(&mut self) -> Rights {
        let (account, path) = &self.named;
        if let Ok(now) = self.store.mailbox(*account, path).await
            && now.id == self.mailbox
        {
            self.rights = now.rights;
        }
        self.rights
    }

    /// Reads the feed to its end. `own` are changes of this session, of which the client needs not be told:
    /// gives the flags that they made. It can be dropped: what was read is kept.
    pub(super) async fn catch_up(&mut self, own: &[Stored]) -> Result<Vec<(Uid, ModSeq, FlagSet)>> {
        let mut mine = Vec::new();
        loop {
            let changes = self.store.changes(self.mailbox, self.cursor, PAGE).await?;
            let mut recent = Uids::new();
            if !changes.arrived.is_empty() {
                let below = changes.cursor.uid_next();
                let first = self.store.recent(self.mailbox, below, !self.read_only).await?;
                recent = changes.arrived.difference(&Uids::below(first));
            }
            let known = Uids::below(self.cursor.uid_next());
            self.cursor = changes.cursor;
            self.behind = changes.more;
            let arrived = changes.arrived.difference(&recent);
            self.news.recent.add(&recent);
            self.news.arrived.add(&arrived);
            self.news.gone |= changes.gone;
            if !changes.vanished.is_empty() {
                self.news.vanish(&changes.vanished.intersection(&known));
            }
            for (uid, mod_seq, flags) in changes.flags {
                let is_ours = |own: &&Stored| own.mod_seq == mod_seq && own.changed.contains(uid);
                let own = own.iter().find(is_ours);
                if own.is_none_or(|own| own.met.contains(uid)) {
                    self.news.flags.insert(uid);
                }
                mine.extend(own.map(|_| (uid, mod_seq, flags)));
            }
            if !changes.more {
                self.note_given();
                return Ok(mine);
            }
            // Many changes take a while; others have their turn.
            tokio::task::yield_now().await;
        }
    }

    /// The messages that are gone, of which the client is told by the answer to its command.
    pub(super) fn take_vanished(&mut self) -> Uids {
        let vanished = std::mem::take(&mut self.news.vanished);
        self.note_given();
        vanished
    }

    /// The change up to which the client has been told all.
    pub(super) const fn given(&self) -> ModSeq {
        self.given
    }

    /// Where nothing is left to tell, all that the feed gave is told.
    fn note_given(&mut self) {
        if self.news.is_empty() && !self.behind {
            self.given = self.cursor.mod_seq();
        }
    }

    /// The end of the mailbox, if that has come, and nothing else.
    pub(super) fn take_end(&mut self) -> Vec<Update> {
        if std::mem::take(&mut self.news.gone) { vec![Update::MailboxGone] } else { Vec::new() }
    }

    pub(super) async fn changed(&mut self) {
        self.watch.changed().await;
    }

    /// What the client is to be told, a page of it; flags only `with_flags`. It can be dropped: nothing is lost.
    pub(super) async fn take_news(&mut self, with_flags: bool) -> Vec<Update> {
        let mut flags = Vec::new();
        let page: Uids = self.news.flags.iter().take(if with_flags { PAGE } else { 0 }).copied().collect();
        if !page.is_empty() {
            let fields = Fields::new().with_flags(true);
            match self.store.messages(self.mailbox, &page, fields, usize::MAX).await {
                Ok(rows) => {
                    let flagged = |row: Row| Flagged::new(row.uid, row.flags).with_mod_seq(row.mod_seq);
                    flags.extend(rows.into_iter().map(flagged));
                    for uid in page.iter() {
                        self.news.flags.remove(&uid);
                    }
                }
                // They stay what they are: news.
                Err(error) => tracing::warn!(%error, "the store does not tell what flags are"),
            }
        }
        let later = std::mem::take(&mut self.news.flags);
        let news = std::mem::replace(&mut self.news, News { flags: later, ..News::default() });
        let mut updates = Vec::new();
        for (uids, recent) in [(news.arrived, false), (news.recent, true)] {
            if !uids.is_empty() {
                updates.push(Update::Added { uids: uids.iter().collect(), recent });
            }
        }
        if !flags.is_empty() {
            updates.push(Update::Flags(flags));
        }
        if !news.vanished.is_empty() {
            updates.push(Update::Expunged(news.vanished.iter().collect()));
        }
        if news.gone {
            updates.push(Update::MailboxGone);
        }
        self.note_given();
        updates
    }
}
