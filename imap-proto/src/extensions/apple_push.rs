//! XAPPLEPUSHSERVICE: Apple's way to have a device told of new mail.
//!
//! It is not published: these are the values of servers that have it. What they mean is the application's.

use alloc::vec::Vec;

use mailwire_core::{ParseError, keywords};

use super::{more, rest, spaced};
use crate::{
    capability::Capability,
    command::{AString, Rules, Writer, rules},
    types::{ImapString, MailboxName, Reader, read_astring, write_astring, write_string},
};

/// `XAPPLEPUSHSERVICE`: registers a device for news of mailboxes.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ApplePushCommand {
    /// Names and values: `aps-version`, `aps-account-id`, `aps-device-token`, `aps-subtopic`.
    pub parameters: Vec<(AString, AString)>,
    /// The mailboxes; there may be none.
    pub mailboxes: Vec<MailboxName>,
}

/// `XAPPLEPUSHSERVICE`: what the server answers.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ApplePushData {
    /// Names and values: `aps-version`, `aps-topic`; `mailbox`.
    pub parameters: Vec<(ImapString, ImapString)>,
}

keywords! {
    enum Word { Command = "XAPPLEPUSHSERVICE", Mailboxes = "mailboxes" }
}

fn is_command(name: &[u8]) -> bool {
    Word::of(name) == Some(Word::Command)
}

impl ApplePushCommand {
    /// Registers for these mailboxes.
    #[must_use]
    pub fn new(
        parameters: impl Into<Vec<(AString, AString)>>,
        mailboxes: impl Into<Vec<MailboxName>>,
    ) -> Self {
        Self { parameters: parameters.into(), mailboxes: mailboxes.into() }
    }

    #[allow(clippy::unused_self)]
    pub(crate) const fn name(&self) -> &'static str {
        Word::Command.as_str()
    }

    #[allow(clippy::unused_self)]
    pub(crate) fn rules(&self) -> Rules {
        rules::logged_in().needs(&Capability::ApplePush)
    }

    pub(crate) fn row(name: &[u8]) -> Option<Rules> {
        is_command(name).then(|| rules::logged_in().needs(&Capability::ApplePush))
    }

    /// ```text
    /// "XAPPLEPUSHSERVICE" *(SP astring SP astring) [SP "mailboxes" SP "(" mailbox *(SP mailbox) ")"]
    /// ```
    ///
    /// After the name. `None`: the name is another.
    pub(crate) fn read(name: &[u8], r: &mut Reader<'_>) -> Option<Result<Self, ParseError>> {
        is_command(name).then(|| Self::read_arguments(r))
    }

    fn read_arguments(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let mut command = Self::new([], []);
        while more(r) {
            let name = spaced(r, AString::read)?;
            r.space()?;
            if Word::of(name.as_bytes()) == Some(Word::Mailboxes) && r.eat(b'(') {
                r.items(|r| {
                    command.mailboxes.push(MailboxName::read(r)?);
                    Ok(())
                })?;
            } else {
                command.parameters.push((name, AString::read(r)?));
            }
        }
        Ok(command)
    }

    pub(crate) fn write(&self, e: &mut Writer<'_>) {
        e.put(self.name().as_bytes());
        for (name, value) in &self.parameters {
            e.put(b" ");
            e.astring(name);
            e.put(b" ");
            e.astring(value);
        }
        if !self.mailboxes.is_empty() {
            e.put(b" mailboxes (");
            e.spaced(&self.mailboxes, |e, mailbox| e.mailbox(mailbox));
            e.put(b")");
        }
    }
}

impl ApplePushData {
    /// Answers with these names and values.
    #[must_use]
    pub fn new(parameters: impl Into<Vec<(ImapString, ImapString)>>) -> Self {
        Self { parameters: parameters.into() }
    }

    #[allow(clippy::unused_self)]
    pub(crate) const fn name(&self) -> &'static str {
        Word::Command.as_str()
    }

    /// ```text
    /// "XAPPLEPUSHSERVICE" *(SP astring SP astring)
    /// ```
    ///
    /// After the name. `None`: the name is another.
    pub(crate) fn read(name: &[u8], r: &mut Reader<'_>) -> Option<Result<Self, ParseError>> {
        is_command(name).then(|| {
            let parameters = rest(r, |r| Ok((read_astring(r)?, spaced(r, read_astring)?)))?;
            Ok(Self { parameters })
        })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name().as_bytes());
        for (name, value) in &self.parameters {
            out.push(b' ');
            write_string(out, name.as_bytes());
            out.push(b' ');
            write_astring(out, value.as_bytes());
        }
    }
}

#[cfg(feature = "arbitrary")]
mod arbitrary {
    use ::arbitrary::{Arbitrary, Error, Result, Unstructured};

    use super::{ApplePushCommand, ApplePushData};
    use crate::{
        command::arbitrary::{astring, atom, mailbox, maybe, some, text},
        types::ImapString,
    };

    impl<'a> Arbitrary<'a> for ApplePushCommand {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let parameters = some(u, |u| {
                let name = crate::command::AString::new(atom(u)?.into_text());
                Ok((name.map_err(|_| Error::IncorrectFormat)?, astring(u)?))
            })?;
            Ok(Self::new(parameters, maybe(u, |u| some(u, mailbox))?.unwrap_or_default()))
        }
    }

    impl<'a> Arbitrary<'a> for ApplePushData {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let string =
                |u: &mut Unstructured<'_>| ImapString::new(text(u)?).map_err(|_| Error::IncorrectFormat);
            Ok(Self::new(some(u, |u| Ok((string(u)?, string(u)?)))?))
        }
    }
}
