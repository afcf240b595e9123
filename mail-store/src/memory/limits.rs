//! What is told and changed about an account beside its messages: quotas, rights, annotations.

use mailwire_core::Text;
use mailwire_imap::extensions::{
    acl::RightsChange,
    metadata::EntryName,
    quota::{QuotaRoot, SetQuotaResource},
};
use mailwire_transport::imap::server::MetadataOptions;

use super::account::State;
use crate::{
    Error, Result,
    kept::{
        limits::{Limits, changed_rights},
        mod_seq,
    },
};

impl State {
    /// The one quota root of the account, which has no name.
    pub(super) fn quota_root(&self) -> QuotaRoot {
        self.limits.quota_root(Limits {
            bytes: self.bytes,
            messages: self.messages,
            mailboxes: self.folders.len(),
            annotations: self.annotation_bytes(),
        })
    }

    /// Sets the limits: what is not named has that of the store's settings, which no other goes beyond.
    pub(super) fn set_quota(&mut self, limits: &[SetQuotaResource]) -> Result<QuotaRoot> {
        if !self.config.set_quota {
            return Err(Error::Denied("users cannot change their limits"));
        }
        self.limits = self.config.limits().lowered(limits)?;
        Ok(self.quota_root())
    }

    /// The owner's rights to a mailbox change. To see it and to change its rights stay.
    pub(super) fn set_rights(&mut self, number: u32, change: RightsChange) -> Result<()> {
        let before = self.folder(number)?.info().rights;
        let after = changed_rights(before, change)?;
        if after != before {
            let change = self.next_change();
            let info = self.folder_mut(number)?.info_mut();
            (info.rights, info.mod_seq) = (after, mod_seq(change));
        }
        Ok(())
    }

    pub(super) fn metadata(
        &self,
        number: Option<u32>,
        options: &MetadataOptions,
    ) -> Result<Vec<(EntryName, Text)>> {
        Ok(match number {
            Some(number) => self.folder(number)?.annotations.find(options),
            None => self.annotations.find(options),
        })
    }

    pub(super) fn set_metadata(
        &mut self,
        number: Option<u32>,
        entries: &[(EntryName, Option<Text>)],
    ) -> Result<()> {
        let before = match number {
            Some(number) => &self.folder(number)?.annotations,
            None => &self.annotations,
        };
        // Entries of the server that all users see are nobody's to change.
        let after = before.changed(entries, number.is_some())?;
        let all = self.annotation_bytes() - before.bytes() + after.bytes();
        if all > self.limits.annotations && after.bytes() > before.bytes() {
            return Err(Error::OverQuota);
        }
        // Of what neither was there nor is, there is nothing to tell: its name can be of any length.
        let names = entries.iter().map(|(name, _)| name);
        let changed: Vec<EntryName> =
            names.filter(|name| before.contains(name) || after.contains(name)).cloned().collect();
        match number {
            Some(number) => self.folder_mut(number)?.annotations = after,
            None => self.annotations = after,
        }
        if !changed.is_empty() {
            self.annotated(number, changed.into_iter());
        }
        Ok(())
    }

    /// How many bytes of annotations there is room for.
    pub(super) fn annotation_room(&self) -> u64 {
        self.limits.annotations.saturating_sub(self.annotation_bytes())
    }

    fn annotation_bytes(&self) -> u64 {
        let of_mailboxes: u64 = self.folders.values().map(|folder| folder.annotations.bytes()).sum();
        of_mailboxes + self.annotations.bytes()
    }
}
