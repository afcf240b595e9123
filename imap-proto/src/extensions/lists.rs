//! The two lists of extensions that stand on their own.

use alloc::vec::Vec;

use mailwire_core::ParseError;

use super::{
    acl, apple_push, comparator, context, jmap_access, language, listing, metadata, quota, uid_batches,
    urlauth,
};
use crate::{
    command::{Command, Rules, Writer},
    response::{Reply, Untagged},
    types::{MailboxName, Reader},
};

/// Makes an enum of a type for each extension, each of which has `read`, `write` and `name`.
macro_rules! extensions {
    ($(#[$meta:meta])* pub enum $list:ident in $whole:ident written to $out:ty {
        $($(#[$doc:meta])* $variant:ident($kind:ty),)*
    }) => {
        $(#[$meta])*
        #[non_exhaustive]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        pub enum $list { $($(#[$doc])* $variant($kind),)* }

        impl $list {
            /// After the name. `None`: no extension has the name.
            #[inline(never)]
            pub(crate) fn read(name: &[u8], r: &mut Reader<'_>) -> Option<Result<Self, ParseError>> {
                // It returns at once: what was read is not moved once more for each that follows.
                $(if let Some(read) = <$kind>::read(name, r) {
                    return Some(read.map(Self::$variant));
                })*
                None
            }

            /// Its name, as it stands on the wire.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$variant(value) => value.name(),)* }
            }

            pub(crate) fn write(&self, out: &mut $out) {
                match self { $(Self::$variant(value) => value.write(out),)* }
            }
        }

        $(impl From<$kind> for $list {
            fn from(value: $kind) -> Self {
                Self::$variant(value)
            }
        }

        impl From<$kind> for $whole {
            fn from(value: $kind) -> Self {
                $list::$variant(value).into()
            }
        })*

        #[cfg(feature = "arbitrary")]
        impl<'a> arbitrary::Arbitrary<'a> for $list {
            fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
                type Make<'a> = fn(&mut arbitrary::Unstructured<'a>) -> arbitrary::Result<$list>;
                let all: &[Make<'a>] = &[$(|u| u.arbitrary::<$kind>().map($list::$variant)),*];
                u.choose(all)?(u)
            }
        }
    };
}

/// The commands, which have `rules` and `row`, too.
macro_rules! commands {
    ($($(#[$doc:meta])* $variant:ident($kind:ty),)*) => {
        extensions! {
            /// A command of an extension that stands on its own.
            #[derive(Debug, Clone, PartialEq, Eq)]
            pub enum ExtensionCommand in Command written to Writer<'_> {
                $($(#[$doc])* $variant($kind),)*
            }
        }

        impl ExtensionCommand {
            /// The row of the command.
            pub(crate) fn rules(&self) -> Rules {
                match self { $(Self::$variant(command) => command.rules(),)* }
            }

            /// The row of the command with this name. `None`: no extension has it.
            #[cold]
            pub(crate) fn row(name: &[u8]) -> Option<Rules> {
                None$(.or_else(|| <$kind>::row(name)))*
            }
        }
    };
}

commands! {
    /// `SETACL`, `DELETEACL`, `GETACL`, `LISTRIGHTS`, `MYRIGHTS` ([RFC
    /// 4314](https://www.rfc-editor.org/rfc/rfc4314)).
    Acl(acl::AclCommand),
    /// `XAPPLEPUSHSERVICE`: asks for news to be pushed to a device.
    ApplePush(apple_push::ApplePushCommand),
    /// `CANCELUPDATE` ([RFC 5267](https://www.rfc-editor.org/rfc/rfc5267)).
    CancelUpdate(context::CancelUpdateCommand),
    /// `COMPARATOR` ([RFC 5255](https://www.rfc-editor.org/rfc/rfc5255)).
    Comparator(comparator::ComparatorCommand),
    /// `GETJMAPACCESS` ([RFC 9698](https://www.rfc-editor.org/rfc/rfc9698)).
    GetJmapAccess(jmap_access::GetJmapAccess),
    /// `LANGUAGE` ([RFC 5255](https://www.rfc-editor.org/rfc/rfc5255)).
    Language(language::LanguageCommand),
    /// `RLIST`, `RLSUB` ([RFC 2193](https://www.rfc-editor.org/rfc/rfc2193)), `XLIST`.
    Listing(listing::ListingCommand),
    /// `GETMETADATA`, `SETMETADATA` ([RFC 5464](https://www.rfc-editor.org/rfc/rfc5464)).
    Metadata(metadata::MetadataCommand),
    /// `GETQUOTA`, `GETQUOTAROOT`, `SETQUOTA` ([RFC 9208](https://www.rfc-editor.org/rfc/rfc9208)).
    Quota(quota::QuotaCommand),
    /// `UIDBATCHES` ([RFC 10022](https://www.rfc-editor.org/rfc/rfc10022)).
    UidBatches(uid_batches::UidBatchesCommand),
    /// `RESETKEY`, `GENURLAUTH`, `URLFETCH` ([RFC 4467](https://www.rfc-editor.org/rfc/rfc4467)).
    UrlAuth(urlauth::UrlAuthCommand),
}

extensions! {
    /// Untagged data of an extension that stands on its own.
    #[derive(Debug, Clone, PartialEq, Eq, Hash)]
    pub enum ExtensionData in Untagged written to Vec<u8> {
        // First, as names are looked for in this order, and QUOTA is asked for often.
        /// `QUOTA`, `QUOTAROOT` ([RFC 9208](https://www.rfc-editor.org/rfc/rfc9208)).
        Quota(quota::QuotaData),
        /// `ACL`, `LISTRIGHTS`, `MYRIGHTS` ([RFC 4314](https://www.rfc-editor.org/rfc/rfc4314)).
        Acl(acl::AclData),
        /// `XAPPLEPUSHSERVICE`: asks for news to be pushed to a device.
        ApplePush(apple_push::ApplePushData),
        /// `COMPARATOR` ([RFC 5255](https://www.rfc-editor.org/rfc/rfc5255)).
        Comparator(comparator::ComparatorData),
        /// `JMAPACCESS` ([RFC 9698](https://www.rfc-editor.org/rfc/rfc9698)).
        JmapAccess(jmap_access::JmapAccessData),
        /// `LANGUAGE` ([RFC 5255](https://www.rfc-editor.org/rfc/rfc5255)).
        Language(language::LanguageData),
        /// `METADATA` ([RFC 5464](https://www.rfc-editor.org/rfc/rfc5464)).
        Metadata(metadata::MetadataData),
        /// `UIDBATCHES` ([RFC 10022](https://www.rfc-editor.org/rfc/rfc10022)).
        UidBatches(uid_batches::UidBatchesData),
        /// `GENURLAUTH`, `URLFETCH` ([RFC 4467](https://www.rfc-editor.org/rfc/rfc4467)).
        UrlAuth(urlauth::UrlAuthData),
    }
}

impl ExtensionCommand {
    /// What a server answers by itself to one that nobody can do, and why it cannot be done.
    pub(crate) fn refusal(&self) -> Option<(Reply, &'static str)> {
        match self {
            Self::UidBatches(batches) => {
                batches.refusal().map(|reply| (reply, "these batches cannot be made"))
            }
            _ => None,
        }
    }
}

impl ExtensionData {
    /// The one mailbox that it is about, if it is about one.
    #[must_use]
    pub const fn mailbox(&self) -> Option<&MailboxName> {
        match self {
            Self::Acl(
                acl::AclData::Acl { mailbox, .. }
                | acl::AclData::ListRights { mailbox, .. }
                | acl::AclData::MyRights { mailbox, .. },
            )
            | Self::Metadata(
                metadata::MetadataData::Values { mailbox, .. }
                | metadata::MetadataData::Changed { mailbox, .. },
            )
            | Self::Quota(quota::QuotaData::Roots { mailbox, .. }) => Some(mailbox),
            _ => None,
        }
    }

    /// Whether it can come before the login.
    pub(crate) const fn is_for_all(&self) -> bool {
        matches!(self, Self::Language(_))
    }

    /// Whether the grammar has a form for it.
    pub(crate) fn has_form(&self) -> bool {
        match self {
            Self::Language(language) => !language.tags.is_empty(),
            Self::Metadata(metadata) => metadata.has_form(),
            Self::UidBatches(batches) => batches.tag.is_some(),
            Self::UrlAuth(urls) => urls.has_form(),
            _ => true,
        }
    }
}
