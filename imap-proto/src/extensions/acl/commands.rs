//! What is asked about rights, and what is said.

use alloc::vec::Vec;

use mailwire_core::{Invalid, ParseError, Text, keywords};

use super::{
    super::{rest, spaced},
    Rights, RightsChange,
};
use crate::{
    capability::Capability,
    command::{AString, Rules, Writer, rules},
    types::{MailboxName, Reader, write_astring},
};

// Types

/// What a client asks about the rights to a mailbox.
///
/// An identifier is a user or a group, in UTF-8; `anyone` is everybody, and one that begins with `-` loses the
/// rights that are given to it ([RFC 4314 section 2](https://www.rfc-editor.org/rfc/rfc4314#section-2)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum AclCommand {
    /// `SETACL`: gives rights to an identifier, or takes some away (section 3.1).
    Set {
        /// The mailbox.
        mailbox: MailboxName,
        /// Who has the rights.
        identifier: AString,
        /// How they change.
        change: RightsChange,
    },
    /// `DELETEACL`: takes an identifier and its rights off the list (section 3.2).
    Delete {
        /// The mailbox.
        mailbox: MailboxName,
        /// Who has the rights.
        identifier: AString,
    },
    /// `GETACL`: who has which rights to a mailbox (section 3.3).
    Get(MailboxName),
    /// `LISTRIGHTS`: which rights can be given to an identifier (section 3.4).
    ListRights {
        /// The mailbox.
        mailbox: MailboxName,
        /// Who is to have them.
        identifier: AString,
    },
    /// `MYRIGHTS`: which rights the user has (section 3.5).
    MyRights(MailboxName),
}

/// What a server says about the rights to a mailbox.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum AclData {
    /// `ACL`: who has which rights (section 3.6).
    Acl {
        /// The mailbox.
        mailbox: MailboxName,
        /// Identifiers and their rights.
        entries: Vec<(AString, Rights)>,
    },
    /// `LISTRIGHTS`: which rights can be given (section 3.7).
    ListRights {
        /// The mailbox.
        mailbox: MailboxName,
        /// To whom.
        identifier: AString,
        /// What the identifier always has here.
        required: Rights,
        /// What it can be given: the rights of one member only together.
        optional: Vec<Rights>,
    },
    /// `MYRIGHTS`: which rights the user has (section 3.8).
    MyRights {
        /// The mailbox.
        mailbox: MailboxName,
        /// The rights.
        rights: Rights,
    },
}

impl AclCommand {
    /// `SETACL`: changes the rights of an identifier.
    ///
    /// # Errors
    ///
    /// NUL, CR or LF in the identifier.
    pub fn set(
        mailbox: MailboxName,
        identifier: impl Into<Text>,
        change: RightsChange,
    ) -> Result<Self, Invalid> {
        Ok(Self::Set { mailbox, identifier: AString::new(identifier)?, change })
    }

    /// `DELETEACL`: takes all rights from an identifier.
    ///
    /// # Errors
    ///
    /// NUL, CR or LF in the identifier.
    pub fn delete(mailbox: MailboxName, identifier: impl Into<Text>) -> Result<Self, Invalid> {
        Ok(Self::Delete { mailbox, identifier: AString::new(identifier)? })
    }

    /// `LISTRIGHTS`: asks which rights an identifier can have.
    ///
    /// # Errors
    ///
    /// NUL, CR or LF in the identifier.
    pub fn list_rights(mailbox: MailboxName, identifier: impl Into<Text>) -> Result<Self, Invalid> {
        Ok(Self::ListRights { mailbox, identifier: AString::new(identifier)? })
    }
}

keywords! {
    enum Verb {
        Set = "SETACL",
        Delete = "DELETEACL",
        Get = "GETACL",
        ListRights = "LISTRIGHTS",
        MyRights = "MYRIGHTS",
    }
}

keywords! {
    enum Noun {
        Acl = "ACL",
        ListRights = "LISTRIGHTS",
        MyRights = "MYRIGHTS",
    }
}

// Rules

impl AclCommand {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Set { .. } => Verb::Set,
            Self::Delete { .. } => Verb::Delete,
            Self::Get(_) => Verb::Get,
            Self::ListRights { .. } => Verb::ListRights,
            Self::MyRights(_) => Verb::MyRights,
        }
        .as_str()
    }

    #[allow(clippy::unused_self)]
    pub(crate) fn rules(&self) -> Rules {
        rules::logged_in().needs(&Capability::Acl)
    }

    pub(crate) fn row(name: &[u8]) -> Option<Rules> {
        Verb::of(name).map(|_| rules::logged_in().needs(&Capability::Acl))
    }
}

// Grammar

impl AclCommand {
    /// ```text
    /// setacl     = "SETACL" SP mailbox SP identifier SP mod-rights
    /// deleteacl  = "DELETEACL" SP mailbox SP identifier
    /// getacl     = "GETACL" SP mailbox
    /// listrights = "LISTRIGHTS" SP mailbox SP identifier
    /// myrights   = "MYRIGHTS" SP mailbox
    /// ```
    ///
    /// After the name. `None`: the name is not one of these.
    pub(crate) fn read(name: &[u8], r: &mut Reader<'_>) -> Option<Result<Self, ParseError>> {
        Verb::of(name).map(|verb| Self::read_verb(verb, r))
    }

    fn read_verb(verb: Verb, r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let mailbox = spaced(r, MailboxName::read)?;
        Ok(match verb {
            Verb::Get => Self::Get(mailbox),
            Verb::MyRights => Self::MyRights(mailbox),
            Verb::Delete => Self::Delete { mailbox, identifier: spaced(r, AString::read)? },
            Verb::ListRights => Self::ListRights { mailbox, identifier: spaced(r, AString::read)? },
            Verb::Set => {
                let identifier = spaced(r, AString::read)?;
                Self::Set { mailbox, identifier, change: spaced(r, RightsChange::read)? }
            }
        })
    }

    pub(crate) fn write(&self, e: &mut Writer<'_>) {
        e.put(self.name().as_bytes());
        e.put(b" ");
        let (mailbox, identifier) = match self {
            Self::Get(mailbox) | Self::MyRights(mailbox) => (mailbox, None),
            Self::Set { mailbox, identifier, .. }
            | Self::Delete { mailbox, identifier }
            | Self::ListRights { mailbox, identifier } => (mailbox, Some(identifier)),
        };
        e.mailbox(mailbox);
        if let Some(identifier) = identifier {
            e.put(b" ");
            e.astring(identifier);
        }
        if let Self::Set { change, .. } = self {
            e.put(b" ");
            change.write(e.out);
        }
    }
}

impl AclData {
    /// ```text
    /// acl-data        = "ACL" SP mailbox *(SP identifier SP rights)
    /// listrights-data = "LISTRIGHTS" SP mailbox SP identifier SP rights *(SP rights)
    /// myrights-data   = "MYRIGHTS" SP mailbox SP rights
    /// ```
    ///
    /// After the name. `None`: the name is not one of these.
    pub(crate) fn read(name: &[u8], r: &mut Reader<'_>) -> Option<Result<Self, ParseError>> {
        Noun::of(name).map(|noun| Self::read_noun(noun, r))
    }

    fn read_noun(noun: Noun, r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let mailbox = spaced(r, MailboxName::read)?;
        Ok(match noun {
            Noun::Acl => {
                let entries = rest(r, |r| Ok((AString::read(r)?, spaced(r, Rights::read)?)))?;
                Self::Acl { mailbox, entries }
            }
            Noun::ListRights => {
                let identifier = spaced(r, AString::read)?;
                let required = spaced(r, Rights::read)?;
                let optional = rest(r, Rights::read)?;
                Self::ListRights { mailbox, identifier, required, optional }
            }
            Noun::MyRights => Self::MyRights { mailbox, rights: spaced(r, Rights::read)? },
        })
    }

    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Acl { .. } => Noun::Acl,
            Self::ListRights { .. } => Noun::ListRights,
            Self::MyRights { .. } => Noun::MyRights,
        }
        .as_str()
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name().as_bytes());
        out.push(b' ');
        let next = |out: &mut Vec<u8>, rights: Rights| {
            out.push(b' ');
            rights.write(out);
        };
        match self {
            Self::Acl { mailbox, entries } => {
                mailbox.write(out);
                for (identifier, rights) in entries {
                    out.push(b' ');
                    write_astring(out, identifier.as_bytes());
                    next(out, *rights);
                }
            }
            Self::ListRights { mailbox, identifier, required, optional } => {
                mailbox.write(out);
                out.push(b' ');
                write_astring(out, identifier.as_bytes());
                next(out, *required);
                optional.iter().for_each(|rights| next(out, *rights));
            }
            Self::MyRights { mailbox, rights } => {
                mailbox.write(out);
                next(out, *rights);
            }
        }
    }
}

// Values for fuzzing

#[cfg(feature = "arbitrary")]
mod arbitrary {
    use ::arbitrary::{Arbitrary, Result, Unstructured};

    use super::{AclCommand, AclData};
    use crate::command::arbitrary::{astring, mailbox, maybe, some};

    impl<'a> Arbitrary<'a> for AclCommand {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let (kind, mailbox) = (u.int_in_range(0..=4)?, mailbox(u)?);
            Ok(match kind {
                0 => Self::Get(mailbox),
                1 => Self::MyRights(mailbox),
                2 => Self::Delete { mailbox, identifier: astring(u)? },
                3 => Self::ListRights { mailbox, identifier: astring(u)? },
                _ => Self::Set { mailbox, identifier: astring(u)?, change: u.arbitrary()? },
            })
        }
    }

    impl<'a> Arbitrary<'a> for AclData {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let (kind, mailbox) = (u.int_in_range(0..=2)?, mailbox(u)?);
            Ok(match kind {
                0 => {
                    let entries = maybe(u, |u| some(u, |u| Ok((astring(u)?, u.arbitrary()?))))?;
                    Self::Acl { mailbox, entries: entries.unwrap_or_default() }
                }
                1 => Self::ListRights {
                    mailbox,
                    identifier: astring(u)?,
                    required: u.arbitrary()?,
                    optional: maybe(u, |u| some(u, |u| u.arbitrary()))?.unwrap_or_default(),
                },
                _ => Self::MyRights { mailbox, rights: u.arbitrary()? },
            })
        }
    }
}
