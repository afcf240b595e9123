//! LIST with its options.

use std::collections::HashMap;

use mailwire_core::Text;
use mailwire_imap::{
    command::{Command, List},
    extensions::{
        ExtensionData,
        acl::{AclData, Rights},
        metadata::{EntryName, MetadataData},
    },
    response::{ListData, ListKind, StatusData, Untagged},
    types::MailboxName,
};

use super::{Client, error::too_many};
use crate::Result;

/// A mailbox of [`Client::list_with`].
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The mailbox.
    pub mailbox: ListData,
    /// The numbers about the mailbox, if they were asked for and could be had.
    pub status: Option<StatusData>,
    /// The user's rights to the mailbox, if they were asked for and could be had.
    pub rights: Option<Rights>,
    /// The annotations of the mailbox that were asked for and could be had.
    pub metadata: Vec<(EntryName, Option<Text>)>,
}

impl Client {
    /// LIST with its options ([RFC 5258](https://www.rfc-editor.org/rfc/rfc5258)): lists subscribed mailboxes, special uses, and of each
    /// numbers ([RFC 5819](https://www.rfc-editor.org/rfc/rfc5819)), rights ([RFC
    /// 8440](https://www.rfc-editor.org/rfc/rfc8440)) and annotations ([RFC
    /// 9590](https://www.rfc-editor.org/rfc/rfc9590)).
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn list_with(&mut self, list: List) -> Result<Vec<Listed>> {
        let limit = self.settings.items;
        let mut mailboxes: Vec<Listed> = Vec::new();
        let mut places = HashMap::new();
        let mut room = self.room();
        let mut take = |data| match data {
            Untagged::List(mailbox) if mailbox.kind != ListKind::Lsub => {
                let Some(mailbox) = room.keep_list(mailbox)? else { return Ok(None) };
                room.take::<(MailboxName, usize, Listed)>(1, mailbox.name.as_bytes().len())?;
                places.insert(mailbox.name.clone(), mailboxes.len());
                mailboxes.push(Listed { mailbox, status: None, rights: None, metadata: Vec::new() });
                if mailboxes.len() > limit { Err(too_many("mailboxes", limit)) } else { Ok(None) }
            }
            Untagged::Status(status) => {
                match places.get(&status.mailbox).and_then(|&place| mailboxes.get_mut(place)) {
                    Some(listed) => {
                        if let Untagged::Status(status) = room.keep(Untagged::Status(status))? {
                            listed.status = Some(status);
                        }
                        Ok(None)
                    }
                    None => Ok(Some(Untagged::Status(status))),
                }
            }
            Untagged::Extension(data) => {
                let place = data.mailbox().and_then(|mailbox| places.get(mailbox));
                let Some(listed) = place.and_then(|&place| mailboxes.get_mut(place)) else {
                    return Ok(Some(Untagged::Extension(data)));
                };
                let Untagged::Extension(data) = room.keep(Untagged::Extension(data))? else {
                    return Ok(None);
                };
                match *data {
                    ExtensionData::Acl(AclData::MyRights { rights, .. }) => {
                        listed.rights = Some(rights.current())
                    }
                    ExtensionData::Metadata(MetadataData::Values { entries, .. }) => {
                        listed.metadata.extend(entries)
                    }
                    data => return Ok(Some(data.into())),
                }
                Ok(None)
            }
            data => Ok(Some(data)),
        };
        self.run(Command::List(list), &mut take).await?;
        Ok(mailboxes)
    }
}
