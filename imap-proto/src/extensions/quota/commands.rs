//! What is asked about quotas, and what is said.

use alloc::vec::Vec;

use bytes::Bytes;
use mailwire_core::{
    Dialect, Invalid, ParseError, Text,
    grammar::{Grammar, expected, list, number64, space},
    keywords,
};
use nom::{
    bytes::complete::take_while1,
    combinator::{cut, map},
    sequence::preceded,
};

use super::{
    super::{rest, spaced},
    ResourceName,
};
use crate::{
    capability::Capability,
    command::{AString, Rules, Writer, rules},
    deviation,
    types::{Atom, MailboxName, Reader, chars, write_astring, write_number, write_spaced},
};

// Types

/// What a client asks about quotas.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum QuotaCommand {
    /// `GETQUOTA`: usage and limits of a quota root (RFC 9208 section 4.1.1).
    Get(AString),
    /// `GETQUOTAROOT`: the quota roots of a mailbox, with their usage and limits (section 4.1.2).
    GetRoot(MailboxName),
    /// `SETQUOTA`: new limits of a quota root (section 4.1.3).
    Set {
        /// The quota root.
        root: AString,
        /// All its limits: what is not named has none.
        limits: Vec<SetQuotaResource>,
    },
}

/// What a server says about quotas.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum QuotaData {
    /// `QUOTA`: usage and limits of a quota root (section 4.2.1).
    Quota {
        /// The quota root.
        root: AString,
        /// What is limited in it.
        usage: Vec<QuotaResource>,
    },
    /// `QUOTAROOT`: the quota roots of a mailbox (section 4.2.2).
    Roots {
        /// The mailbox.
        mailbox: MailboxName,
        /// Its quota roots; there may be none.
        roots: Vec<AString>,
    },
}

/// A limit that is to be set.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SetQuotaResource {
    /// Of what.
    pub resource: ResourceName,
    /// In the resource's units, below 2^63.
    pub limit: u64,
}

/// A quota root: what is limited together.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct QuotaRoot {
    /// Its name, which may be empty.
    pub name: AString,
    /// What is limited in it, with usage and limits.
    pub usage: Vec<QuotaResource>,
}

/// How much of a resource is used.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct QuotaResource {
    /// Of what.
    pub resource: ResourceName,
    /// In the resource's units.
    pub usage: u64,
    /// In the resource's units.
    pub limit: u64,
}

keywords! {
    enum Verb {
        GetQuota = "GETQUOTA",
        GetQuotaRoot = "GETQUOTAROOT",
        SetQuota = "SETQUOTA",
    }
}

keywords! {
    enum Noun {
        Quota = "QUOTA",
        QuotaRoot = "QUOTAROOT",
    }
}

impl QuotaCommand {
    /// `GETQUOTA`: asks for the quota of a root.
    ///
    /// # Errors
    ///
    /// NUL, CR or LF in the name of the root.
    pub fn get(root: impl Into<Text>) -> Result<Self, Invalid> {
        AString::new(root).map(Self::Get)
    }

    /// `SETQUOTA`: sets the limits of a root.
    ///
    /// # Errors
    ///
    /// NUL, CR or LF in the name of the root.
    pub fn set(root: impl Into<Text>, limits: impl Into<Vec<SetQuotaResource>>) -> Result<Self, Invalid> {
        Ok(Self::Set { root: AString::new(root)?, limits: limits.into() })
    }
}

impl SetQuotaResource {
    /// A limit of a resource.
    #[must_use]
    pub const fn new(resource: ResourceName, limit: u64) -> Self {
        Self { resource, limit }
    }
}

impl QuotaRoot {
    /// A quota root with what is limited in it.
    #[must_use]
    pub fn new(name: AString, usage: impl Into<Vec<QuotaResource>>) -> Self {
        Self { name, usage: usage.into() }
    }
}

impl QuotaResource {
    /// What is used of a resource, and its limit.
    #[must_use]
    pub const fn new(resource: ResourceName, usage: u64, limit: u64) -> Self {
        Self { resource, usage, limit }
    }
}

// Rules

impl QuotaCommand {
    const fn verb(&self) -> Verb {
        match self {
            Self::Get(_) => Verb::GetQuota,
            Self::GetRoot(_) => Verb::GetQuotaRoot,
            Self::Set { .. } => Verb::SetQuota,
        }
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.verb().as_str()
    }

    pub(crate) fn rules(&self) -> Rules {
        self.verb().rules()
    }

    pub(crate) fn row(name: &[u8]) -> Option<Rules> {
        Verb::of(name).map(Verb::rules)
    }
}

impl Verb {
    fn rules(self) -> Rules {
        match self {
            Verb::GetQuota | Verb::GetQuotaRoot => rules::logged_in().needs(&Capability::Quota),
            Verb::SetQuota => rules::logged_in().needs(&Capability::QuotaSet),
        }
    }
}

// Grammar

/// ```text
/// resource-name = "STORAGE" / "MESSAGE" / "MAILBOX" / "ANNOTATION-STORAGE" / atom
/// ```
fn resource<'a>(frame: &'a Bytes) -> impl Grammar<'a, ResourceName> {
    let atom = take_while1(|byte| chars::is(byte, chars::ATOM));
    map(expected("expected a resource", atom), move |name: &'a [u8]| {
        let other = || ResourceName::Other(Atom::unchecked(Text::of(frame, name)));
        ResourceName::known(name).unwrap_or_else(other)
    })
}

fn sp_number<'a>(dialect: Dialect) -> impl Grammar<'a, u64> {
    preceded(space(dialect), number64())
}

/// ```text
/// setquota-list     = "(" [setquota-resource *(SP setquota-resource)] ")"
/// setquota-resource = resource-name SP resource-limit
/// resource-limit    = number64
/// ```
fn limits<'a>(frame: &'a Bytes, dialect: Dialect) -> impl Grammar<'a, Vec<SetQuotaResource>> {
    list(
        dialect,
        "expected a list of limits",
        map((resource(frame), cut(sp_number(dialect))), |(resource, limit)| SetQuotaResource {
            resource,
            limit,
        }),
    )
}

/// ```text
/// quota-list     = "(" quota-resource *(SP quota-resource) ")"
/// quota-resource = resource-name SP resource-usage SP resource-limit
/// ```
///
/// An empty list is taken: servers without a limit send it, as RFC 2087 had it.
fn usage<'a>(frame: &'a Bytes, dialect: Dialect) -> impl Grammar<'a, Vec<QuotaResource>> {
    let one = (resource(frame), cut((sp_number(dialect), sp_number(dialect))));
    list(
        dialect,
        "expected a list of resources",
        map(one, |(resource, (usage, limit))| QuotaResource { resource, usage, limit }),
    )
}

impl QuotaCommand {
    /// ```text
    /// getquota     = "GETQUOTA" SP quota-root-name
    /// getquotaroot = "GETQUOTAROOT" SP mailbox
    /// setquota     = "SETQUOTA" SP quota-root-name SP setquota-list
    /// ```
    ///
    /// After the name. `None`: the name is not one of these.
    pub(crate) fn read(name: &[u8], r: &mut Reader<'_>) -> Option<Result<Self, ParseError>> {
        Some(match Verb::of(name)? {
            Verb::GetQuota => spaced(r, AString::read).map(Self::Get),
            Verb::GetQuotaRoot => spaced(r, MailboxName::read).map(Self::GetRoot),
            Verb::SetQuota => spaced(r, AString::read).and_then(|root| {
                let limits = spaced(r, |r| r.run_either(deviation::ODD_QUOTA_LIST, limits))?;
                Ok(Self::Set { root, limits })
            }),
        })
    }

    pub(crate) fn write(&self, e: &mut Writer<'_>) {
        e.put(self.name().as_bytes());
        e.put(b" ");
        match self {
            Self::Get(root) => e.astring(root),
            Self::GetRoot(mailbox) => e.mailbox(mailbox),
            Self::Set { root, limits } => {
                e.astring(root);
                e.put(b" (");
                e.spaced(limits, |e, SetQuotaResource { resource, limit }| {
                    e.put(resource.as_bytes());
                    e.put(b" ");
                    e.number(*limit);
                });
                e.put(b")");
            }
        }
    }
}

impl QuotaData {
    /// ```text
    /// quota-response     = "QUOTA" SP quota-root-name SP quota-list
    /// quotaroot-response = "QUOTAROOT" SP mailbox *(SP quota-root-name)
    /// ```
    ///
    /// After the name. `None`: the name is not one of these.
    pub(crate) fn read(name: &[u8], r: &mut Reader<'_>) -> Option<Result<Self, ParseError>> {
        Some(match Noun::of(name)? {
            Noun::Quota => spaced(r, AString::read).and_then(|root| {
                let usage = spaced(r, |r| r.run_either(deviation::ODD_QUOTA_LIST, usage))?;
                Ok(Self::Quota { root, usage })
            }),
            Noun::QuotaRoot => spaced(r, MailboxName::read).and_then(|mailbox| {
                let roots = rest(r, AString::read)?;
                Ok(Self::Roots { mailbox, roots })
            }),
        })
    }

    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Quota { .. } => Noun::Quota.as_str(),
            Self::Roots { .. } => Noun::QuotaRoot.as_str(),
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name().as_bytes());
        out.push(b' ');
        match self {
            Self::Quota { root, usage } => {
                write_astring(out, root.as_bytes());
                out.extend_from_slice(b" (");
                write_spaced(out, usage, |out, QuotaResource { resource, usage, limit }| {
                    out.extend_from_slice(resource.as_bytes());
                    out.push(b' ');
                    write_number(out, *usage);
                    out.push(b' ');
                    write_number(out, *limit);
                });
                out.push(b')');
            }
            Self::Roots { mailbox, roots } => {
                mailbox.write(out);
                for root in roots {
                    out.push(b' ');
                    write_astring(out, root.as_bytes());
                }
            }
        }
    }
}

// Values for fuzzing

#[cfg(feature = "arbitrary")]
mod arbitrary {
    use ::arbitrary::{Arbitrary, Result, Unstructured};

    use super::{QuotaCommand, QuotaData, QuotaResource, SetQuotaResource};
    use crate::command::arbitrary::{astring, mailbox, some};

    impl<'a> Arbitrary<'a> for QuotaCommand {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(match u.int_in_range(0..=2)? {
                0 => Self::Get(astring(u)?),
                1 => Self::GetRoot(mailbox(u)?),
                _ => {
                    let limits = some(u, |u| Ok(SetQuotaResource::new(u.arbitrary()?, u.arbitrary()?)))?;
                    Self::Set { root: astring(u)?, limits }
                }
            })
        }
    }

    impl<'a> Arbitrary<'a> for QuotaData {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            if u.arbitrary()? {
                let usage =
                    some(u, |u| Ok(QuotaResource::new(u.arbitrary()?, u.arbitrary()?, u.arbitrary()?)))?;
                Ok(Self::Quota { root: astring(u)?, usage })
            } else {
                Ok(Self::Roots { mailbox: mailbox(u)?, roots: some(u, astring)? })
            }
        }
    }
}
