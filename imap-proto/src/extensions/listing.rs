//! Commands that list mailboxes as LIST and LSUB do: those with mailboxes on other servers ([RFC
//! 2193](https://www.rfc-editor.org/rfc/rfc2193)), and XLIST, Gmail's from before
//! [SPECIAL-USE](https://www.rfc-editor.org/rfc/rfc6154).

use mailwire_core::{ParseError, keywords};

use super::spaced;
use crate::{
    capability::Capability,
    command::{Rules, Writer, rules},
    types::{ListPattern, MailboxName, Reader},
};

/// LIST or LSUB by another name.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ListingCommand {
    /// Which of them it is.
    pub kind: ListingKind,
    /// Where the pattern begins.
    pub reference: MailboxName,
    /// What is asked for.
    pub pattern: ListPattern,
}

keywords! {
    /// Which of the commands that list mailboxes.
    #[non_exhaustive]
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    pub enum ListingKind {
        /// `RLIST`: LIST, with mailboxes of other servers too, which refuse by
        /// [`Code::Referral`](crate::response::Code::Referral) what is done to them here ([RFC 2193 section
        /// 4.1](https://www.rfc-editor.org/rfc/rfc2193#section-4)).
        RList = "RLIST",
        /// `RLSUB`: LSUB, with mailboxes of other servers too.
        RLsub = "RLSUB",
        /// `XLIST`: LIST, with what the mailboxes are for. The answers are `XLIST`.
        XList = "XLIST",
    }
}

impl ListingCommand {
    /// Lists mailboxes like `pattern`.
    #[must_use]
    pub const fn new(kind: ListingKind, reference: MailboxName, pattern: ListPattern) -> Self {
        Self { kind, reference, pattern }
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.kind.as_str()
    }

    pub(crate) fn rules(&self) -> Rules {
        self.kind.rules()
    }

    pub(crate) fn row(name: &[u8]) -> Option<Rules> {
        ListingKind::of(name).map(ListingKind::rules)
    }

    /// ```text
    /// rlist = "RLIST" SPACE mailbox SPACE list_mailbox
    /// rlsub = "RLSUB" SPACE mailbox SPACE list_mailbox
    /// ```
    ///
    /// After the name. `None`: the name is not one of these.
    pub(crate) fn read(name: &[u8], r: &mut Reader<'_>) -> Option<Result<Self, ParseError>> {
        ListingKind::of(name).map(|kind| {
            let reference = spaced(r, MailboxName::read)?;
            Ok(Self { kind, reference, pattern: spaced(r, ListPattern::read)? })
        })
    }

    pub(crate) fn write(&self, e: &mut Writer<'_>) {
        e.put(self.name().as_bytes());
        e.put(b" ");
        e.mailbox(&self.reference);
        e.put(b" ");
        e.pattern(&self.pattern);
    }
}

impl ListingKind {
    fn rules(self) -> Rules {
        rules::logged_in().needs(match self {
            Self::RList | Self::RLsub => &Capability::MailboxReferrals,
            Self::XList => &Capability::XList,
        })
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for ListingCommand {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        use crate::command::arbitrary::{mailbox, pattern};
        Ok(Self { kind: *u.choose(&ListingKind::ALL)?, reference: mailbox(u)?, pattern: pattern(u)? })
    }
}
