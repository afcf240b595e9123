//! The mailboxes of a user that come, change their names and go, and what is remembered of that.

use std::ops::Bound;

use mailwire_core::Text;
use mailwire_imap::{
    extensions::metadata::EntryName,
    types::{ModSeq, Uid, UidValidity},
};

use super::{super::folder::Folder, State};
use crate::{
    DELIMITER, Error, How, InternalDate, MAX_COPIED, Mailbox, MailboxChange, MailboxId, MailboxPath,
    Mailboxes, Result, Uids,
    kept::{limits::check_use, mod_seq},
};

/// So many mailboxes are remembered as gone.
const MAX_GONE: usize = 1000;
/// So many changes of annotations are remembered.
const MAX_ANNOTATED: usize = 500;

impl State {
    pub(in crate::memory) fn mailboxes(&self, after: ModSeq) -> Mailboxes {
        let after = after.get();
        let complete = after == 0 || after < self.gone_floor;
        let changed = |folder: &&Folder| complete || folder.mod_seq().get() > after;
        let gone = self.gone.iter().filter(|(change, _)| *change > after).map(|(_, id)| *id);
        let subscriptions = (complete || self.subscribed_at > after).then(|| self.subscribed.iter().cloned());
        Mailboxes {
            mod_seq: mod_seq(self.mod_seq),
            mailboxes: self.folders.values().filter(changed).map(Folder::info).cloned().collect(),
            gone: gone.collect(),
            complete,
            subscriptions: subscriptions.map(Iterator::collect),
            annotations: self.annotated_after(after),
        }
    }

    /// The annotations that were changed after some change; `None` if that is not known any more.
    fn annotated_after(&self, after: u64) -> Option<Vec<(Option<MailboxId>, EntryName)>> {
        let later = self.annotated.iter().rev().take_while(|(change, ..)| *change > after);
        let of_mailbox = |number: u32| self.folder(number).ok().map(|folder| folder.info().id);
        let entries = later.filter_map(|(_, number, entry)| match number {
            Some(number) => Some((Some(of_mailbox(*number)?), entry.clone())),
            None => Some((None, entry.clone())),
        });
        (after == 0 || after >= self.annotated_floor).then(|| entries.collect())
    }

    /// Annotations were changed, by one change.
    pub(in crate::memory) fn annotated(
        &mut self,
        number: Option<u32>,
        entries: impl Iterator<Item = EntryName>,
    ) {
        let change = self.next_change();
        // What is kept holds no receive buffer alive.
        self.annotated.extend(entries.map(|entry| (change, number, entry.compact())));
        if self.annotated.len() > MAX_ANNOTATED {
            let late = self.annotated.len() - MAX_ANNOTATED / 2;
            self.annotated_floor = self.annotated.drain(..late).next_back().map_or(0, |(change, ..)| change);
        }
    }

    /// Gives the mailbox that is gone, too: its messages are dropped after the lock is given back.
    pub(in crate::memory) fn alter(&mut self, change: MailboxChange) -> Result<(ModSeq, Option<Folder>)> {
        let mut gone = None;
        match change {
            MailboxChange::Create { path, special_use } => self.create(&path, special_use)?,
            MailboxChange::Delete(path) => gone = Some(self.delete(&path)?),
            MailboxChange::Rename { from, to } => self.rename(&from, &to)?,
            MailboxChange::Subscribe(path) => {
                if self.subscribed.len() >= self.limits.mailboxes {
                    return Err(Error::OverQuota);
                }
                if self.subscribed.insert(path) {
                    self.subscribed_at = self.next_change();
                }
            }
            MailboxChange::Unsubscribe(path) => {
                if self.subscribed.remove(&path) {
                    self.subscribed_at = self.next_change();
                }
            }
        }
        Ok((mod_seq(self.mod_seq), gone))
    }

    pub(super) fn create(&mut self, path: &MailboxPath, special_use: Option<Text>) -> Result<()> {
        if self.names.contains_key(path) {
            return Err(Error::MailboxExists);
        }
        check_use(special_use.as_ref())?;
        self.create_levels(path.parents().chain([path.as_str()]))?;
        let number = self.number(path)?;
        self.folder_mut(number)?.info_mut().special_use = special_use;
        Ok(())
    }

    /// Makes those of the mailboxes that are missing: all or none.
    fn create_levels<'a>(&mut self, levels: impl Iterator<Item = &'a str>) -> Result<()> {
        let missing: Vec<&str> = levels.filter(|name| !self.names.contains_key(*name)).collect();
        if self.folders.len() + missing.len() > self.limits.mailboxes {
            return Err(Error::OverQuota);
        }
        for name in missing {
            // A name that is used again must not bring old UIDs back.
            let now = u32::try_from(InternalDate::now().seconds).unwrap_or(1);
            self.last_uid_validity = now.max(self.last_uid_validity.saturating_add(1));
            self.last_folder += 1;
            let id = MailboxId::new(u64::from(self.account) << 32 | u64::from(self.last_folder));
            let path = MailboxPath::new(name)?;
            let uid_validity = UidValidity::new(self.last_uid_validity).unwrap_or(UidValidity::MIN);
            let mut info = Mailbox::new(id, path.clone(), uid_validity);
            info.mod_seq = mod_seq(self.next_change());
            self.folders.insert(self.last_folder, Folder::new(info));
            self.names.insert(path, self.last_folder);
        }
        Ok(())
    }

    fn below(&self, path: &MailboxPath) -> impl Iterator<Item = &MailboxPath> {
        let prefix = format!("{path}{DELIMITER}");
        let names = self.names.range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded));
        names.map(|(name, _)| name).take_while(move |name| name.as_str().starts_with(&prefix))
    }

    fn delete(&mut self, path: &MailboxPath) -> Result<Folder> {
        if path.is_inbox() {
            return Err(Error::Inbox);
        }
        let Some(number) = self.names.remove(path) else {
            let has_children = self.below(path).next().is_some();
            return Err(if has_children { Error::HasChildren } else { Error::NoSuchMailbox });
        };
        let Some(folder) = self.folders.remove(&number) else { return Err(Error::NoSuchMailbox) };
        let labels: u64 = folder.messages.values().map(|message| message.labels.bytes()).sum();
        let bytes = folder.info().bytes.saturating_add(folder.keywords.bytes()).saturating_add(labels);
        self.release(folder.info().messages.into(), bytes);
        let change = self.next_change();
        self.gone.push((change, folder.info().id));
        if self.gone.len() > MAX_GONE {
            let late = self.gone.len() - MAX_GONE / 2;
            self.gone_floor = self.gone.drain(..late).next_back().map_or(0, |(change, _)| change);
        }
        Ok(folder)
    }

    fn rename(&mut self, from: &MailboxPath, to: &MailboxPath) -> Result<()> {
        if self.names.contains_key(to) {
            return Err(Error::MailboxExists);
        }
        if from.is_inbox() {
            let inbox = self.number(from)?;
            if self.folder(inbox)?.info().messages > MAX_COPIED {
                return Err(Error::Limit("messages at once"));
            }
            self.create(to, None)?;
            let to = self.number(to)?;
            // They stay there, too (RFC 5464 section 4.1), as far as there is room.
            let annotations = self.folder(inbox)?.annotations.clone();
            if self.annotation_room() >= annotations.bytes() {
                self.folder_mut(to)?.annotations = annotations;
            }
            return self.copy(inbox, &Uids::below(Uid::MAX), to, How::Move).map(drop);
        }
        if to.is_below(from) {
            return Err(Error::MailboxName("it lies below the mailbox itself"));
        }
        let mut renamed = Vec::new();
        for name in self.names.get_key_value(from).map(|(name, _)| name).into_iter().chain(self.below(from)) {
            let target = name.renamed(from, to)?;
            if self.names.contains_key(&target) {
                return Err(Error::MailboxExists);
            }
            renamed.push((name.clone(), target));
        }
        if renamed.is_empty() {
            return Err(Error::NoSuchMailbox);
        }
        self.create_levels(to.parents())?;
        let change = self.next_change();
        for (name, target) in renamed {
            let Some(number) = self.names.remove(&name) else { continue };
            if let Some(folder) = self.folders.get_mut(&number) {
                folder.info_mut().path = target.clone();
                folder.info_mut().mod_seq = mod_seq(change);
            }
            self.names.insert(target, number);
        }
        Ok(())
    }
}
