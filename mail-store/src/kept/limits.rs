//! What accounts may have, and what an owner may do.

use mailwire_core::Text;
use mailwire_imap::{
    Capability,
    command::AString,
    extensions::{
        acl::{Rights, RightsChange},
        quota::{QuotaResource, QuotaRoot, ResourceName, SetQuotaResource},
    },
    types::MailboxAttribute,
};
use mailwire_transport::imap::server::GrantableRights;

use crate::{Error, Result};

/// Units of `STORAGE`.
const UNIT: u64 = 1024;

/// What an account may have: as much as the store's settings say, or less. Also what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) bytes: u64,
    pub(crate) messages: u64,
    pub(crate) mailboxes: usize,
    pub(crate) annotations: u64,
}

impl Limits {
    /// The one quota root of an account, which has no name: these limits, and what it has of them.
    pub(crate) fn quota_root(self, usage: Self) -> QuotaRoot {
        use ResourceName as Of;
        let storage = |bytes: u64| bytes / UNIT;
        let resources = [
            QuotaResource::new(Of::Storage, usage.bytes.div_ceil(UNIT), storage(self.bytes)),
            QuotaResource::new(Of::Message, usage.messages, self.messages),
            QuotaResource::new(Of::Mailbox, usage.mailboxes as u64, self.mailboxes as u64),
            QuotaResource::new(
                Of::AnnotationStorage,
                usage.annotations.div_ceil(UNIT),
                storage(self.annotations),
            ),
        ];
        QuotaRoot::new(AString::try_from(String::new()).unwrap_or_else(|_| unnamed()), resources)
    }

    /// These limits, which are the highest, with lower ones where a user has named some.
    pub(crate) fn lowered(mut self, limits: &[SetQuotaResource]) -> Result<Self> {
        for SetQuotaResource { resource, limit, .. } in limits {
            let bytes = limit.saturating_mul(UNIT);
            match resource {
                ResourceName::Storage => self.bytes = self.bytes.min(bytes),
                ResourceName::Message => self.messages = self.messages.min(*limit),
                ResourceName::Mailbox => {
                    self.mailboxes = self.mailboxes.min(usize::try_from(*limit).unwrap_or(usize::MAX));
                }
                ResourceName::AnnotationStorage => self.annotations = self.annotations.min(bytes),
                _ => return Err(Error::Denied("there is no limit of this")),
            }
        }
        Ok(self)
    }
}

#[allow(clippy::expect_used, reason = "an empty text has no line end")]
fn unnamed() -> AString {
    AString::new("").expect("an empty text")
}

/// What an owner always has.
const KEPT_RIGHTS: Rights = Rights::LOOKUP.with(Rights::ADMINISTER);

/// The rights that RFC 2086 did not have.
const NEW_RIGHTS: Rights =
    Rights::CREATE.with(Rights::DELETE_MAILBOX).with(Rights::DELETE_MESSAGES).with(Rights::EXPUNGE);

/// An owner's rights after a change. To see the mailbox and to change its rights stay.
pub(crate) fn changed_rights(before: Rights, change: RightsChange) -> Result<Rights> {
    let after = change.applied_to(before);
    if !Rights::ALL.contains(after) {
        return Err(Error::Denied("there is no such right"));
    }
    Ok(after | KEPT_RIGHTS)
}

/// What the owner of a mailbox can be given; nobody else can be given anything.
pub(crate) fn grantable(is_owner: bool) -> GrantableRights {
    if !is_owner {
        return GrantableRights::new(Rights::NONE, []);
    }
    let others = Rights::ALL.without(KEPT_RIGHTS).with_obsolete();
    let each: Vec<Rights> = others.iter().collect();
    GrantableRights::new(KEPT_RIGHTS, each)
}

/// Checks a change of rights, which only an owner has.
pub(crate) fn of_owner(is_owner: bool, change: Option<RightsChange>) -> Result<RightsChange> {
    if !is_owner {
        return Err(Error::Denied("nobody but its owner can reach this mailbox"));
    }
    change.ok_or(Error::Denied("its owner stays on the list"))
}

/// What nobody keeps up to date here: mailboxes that show messages of others.
pub(crate) fn check_use(special_use: Option<&Text>) -> Result<()> {
    use MailboxAttribute::{All, Flagged, Important};
    let Some(name) = special_use else { return Ok(()) };
    match MailboxAttribute::new(name.clone()) {
        Ok(All | Flagged | Important) => Err(Error::SpecialUse("no mailbox shows messages of others here")),
        Ok(attribute) if attribute.is_special_use() => Ok(()),
        _ => Err(Error::SpecialUse("no mailbox can be for this")),
    }
}

/// The extensions that the stores of this crate have all it takes for.
pub(crate) fn extensions(set_quota: bool) -> impl Iterator<Item = Capability> {
    let all = [
        Capability::Acl,
        Capability::CreateSpecialUse,
        Capability::ListMetadata,
        Capability::ListMyRights,
        Capability::Metadata,
        Capability::MultiAppend,
        Capability::Quota,
        Capability::QuotaResource(ResourceName::Storage),
        Capability::QuotaResource(ResourceName::Message),
        Capability::QuotaResource(ResourceName::Mailbox),
        Capability::QuotaResource(ResourceName::AnnotationStorage),
        Capability::Replace,
        Capability::Rights(NEW_RIGHTS),
    ];
    all.into_iter().chain(set_quota.then_some(Capability::QuotaSet))
}
