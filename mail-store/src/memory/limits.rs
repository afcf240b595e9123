//! What is told and changed about an account beside its messages: quotas, rights, annotations.

use mailwire_core::Text;
use mailwire_imap::{
    command::AString,
    extensions::{
        acl::{Rights, RightsChange},
        metadata::EntryName,
        quota::{QuotaResource, QuotaRoot, ResourceName, SetQuotaResource},
    },
};
use mailwire_transport::imap::server::MetadataOptions;

use super::{Config, account::State, folder::mod_seq};
use crate::{Error, Result};

/// Units of `STORAGE`.
const UNIT: u64 = 1024;

/// What an account may have: as much as the store's settings say, or less.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) bytes: u64,
    pub(super) messages: u64,
    pub(super) mailboxes: usize,
    pub(super) annotations: u64,
}

impl Limits {
    pub(super) const fn new(config: &Config) -> Self {
        Self {
            bytes: config.bytes,
            messages: config.messages,
            mailboxes: config.mailboxes,
            annotations: config.annotations,
        }
    }
}

impl State {
    /// The one quota root of the account, which has no name.
    pub(super) fn quota_root(&self) -> QuotaRoot {
        use ResourceName as Of;
        let storage = |bytes: u64| bytes / UNIT;
        let mailboxes = self.folders.len() as u64;
        let annotations = self.annotation_bytes().div_ceil(UNIT);
        let usage = [
            QuotaResource::new(Of::Storage, self.bytes.div_ceil(UNIT), storage(self.limits.bytes)),
            QuotaResource::new(Of::Message, self.messages, self.limits.messages),
            QuotaResource::new(Of::Mailbox, mailboxes, self.limits.mailboxes as u64),
            QuotaResource::new(Of::AnnotationStorage, annotations, storage(self.limits.annotations)),
        ];
        QuotaRoot::new(AString::try_from(String::new()).unwrap_or_else(|_| unnamed()), usage)
    }

    /// Sets the limits: what is not named has that of the store's settings, which no other goes beyond.
    pub(super) fn set_quota(&mut self, limits: &[SetQuotaResource]) -> Result<QuotaRoot> {
        if !self.config.set_quota {
            return Err(Error::Denied("users cannot change their limits"));
        }
        let mut set = Limits::new(&self.config);
        for SetQuotaResource { resource, limit, .. } in limits {
            let bytes = limit.saturating_mul(UNIT);
            match resource {
                ResourceName::Storage => set.bytes = set.bytes.min(bytes),
                ResourceName::Message => set.messages = set.messages.min(*limit),
                ResourceName::Mailbox => {
                    set.mailboxes = set.mailboxes.min(usize::try_from(*limit).unwrap_or(usize::MAX));
                }
                ResourceName::AnnotationStorage => set.annotations = set.annotations.min(bytes),
                _ => return Err(Error::Denied("there is no limit of this")),
            }
        }
        self.limits = set;
        Ok(self.quota_root())
    }

    /// The owner's rights to a mailbox change. To see it and to change its rights stay.
    pub(super) fn set_rights(&mut self, number: u32, change: RightsChange) -> Result<()> {
        let before = self.folder(number)?.info().rights;
        let after = change.applied_to(before);
        if !Rights::ALL.contains(after) {
            return Err(Error::Denied("there is no such right"));
        }
        let after = after | Self::KEPT_RIGHTS;
        if after != before {
            let change = self.next_change();
            let info = self.folder_mut(number)?.info_mut();
            (info.rights, info.mod_seq) = (after, mod_seq(change));
        }
        Ok(())
    }

    /// What an owner always has.
    pub(super) const KEPT_RIGHTS: Rights = Rights::LOOKUP.with(Rights::ADMINISTER);

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

#[allow(clippy::expect_used, reason = "an empty text has no line end")]
fn unnamed() -> AString {
    AString::new("").expect("an empty text")
}
