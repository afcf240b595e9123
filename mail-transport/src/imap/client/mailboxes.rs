//! What can be done with mailboxes that are not open.

use mailwire_core::Invalid;
use mailwire_imap::{
    command::{Command, Create, List, Status, StatusAtt},
    response::{Code, ListData, ListKind, StatusData, Untagged},
    types::{ImapString, ListPattern},
};

use super::{
    Client, ToMailbox,
    call::hand_back,
    error::{too_many, unexpected},
};
use crate::Result;

impl Client {
    /// LIST: lists the mailboxes whose names match `pattern`, in which `*` stands for anything and `%`
    /// for anything within one level; `reference`, mostly empty, says where it begins.
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn list(&mut self, reference: impl ToMailbox, pattern: &str) -> Result<Vec<ListData>> {
        let list = List::new(reference.to_mailbox()?, ListPattern::new(pattern)?);
        self.listed(Command::List(list), |kind| kind != ListKind::Lsub).await
    }

    /// LSUB: lists the subscribed mailboxes. Servers with LIST-EXTENDED tell more of them by
    /// [`list_with`](Self::list_with).
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn lsub(&mut self, reference: impl ToMailbox, pattern: &str) -> Result<Vec<ListData>> {
        let command =
            Command::Lsub { reference: reference.to_mailbox()?, pattern: ListPattern::new(pattern)? };
        self.listed(command, |kind| kind == ListKind::Lsub).await
    }

    pub(super) async fn listed(
        &mut self,
        command: Command,
        wanted: fn(ListKind) -> bool,
    ) -> Result<Vec<ListData>> {
        let limit = self.settings.items;
        let mut mailboxes = Vec::new();
        let mut room = self.room();
        let mut take = |data| match data {
            Untagged::List(mailbox) if wanted(mailbox.kind) => {
                mailboxes.extend(room.keep_list(mailbox)?);
                if mailboxes.len() > limit { Err(too_many("mailboxes", limit)) } else { Ok(None) }
            }
            data => Ok(Some(data)),
        };
        self.run(command, &mut take).await?;
        Ok(mailboxes)
    }

    /// STATUS: asks for numbers about a mailbox that is not open ([RFC 9051 section 6.3.11](https://www.rfc-editor.org/rfc/rfc9051#section-6.3.11)).
    ///
    /// # Errors
    ///
    /// Nothing is asked for, the server refuses, or the connection fails.
    pub async fn status(
        &mut self,
        mailbox: impl ToMailbox,
        items: impl Into<Vec<StatusAtt>>,
    ) -> Result<StatusData> {
        self.status_with(Status::new(mailbox.to_mailbox()?, items)).await
    }

    /// STATUS with all that extensions add to it.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub async fn status_with(&mut self, status: Status) -> Result<StatusData> {
        if status.items.is_empty() {
            return Err(Invalid::new("STATUS", 0, "nothing is asked for").into());
        }
        let asked = status.mailbox.to_utf8();
        let (mut answer, mut other) = (None, None);
        let mut take = |data| match data {
            Untagged::Status(status) if status.mailbox.to_utf8() == asked => {
                answer = Some(status);
                Ok(None)
            }
            // Some servers write the name otherwise than they were asked.
            Untagged::Status(status) if other.is_none() => {
                other = Some(status);
                Ok(None)
            }
            data => Ok(Some(data)),
        };
        self.run(Command::Status(status), &mut take).await?;
        if answer.is_none() {
            answer = other;
        } else if let Some(other) = other {
            self.inbox.push(Untagged::Status(other));
        }
        answer.ok_or(unexpected("an answer to STATUS about something else"))
    }

    /// CREATE: makes a mailbox. Returns what identifies it for good, if the server says so
    /// ([RFC 8474 section 4.1](https://www.rfc-editor.org/rfc/rfc8474#section-4.1)).
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn create(&mut self, mailbox: impl ToMailbox) -> Result<Option<ImapString>> {
        self.create_with(mailbox.to_mailbox()?.into()).await
    }

    /// CREATE with all that extensions add to it.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub async fn create_with(&mut self, create: Create) -> Result<Option<ImapString>> {
        let reply = self.run(Command::Create(create), &mut hand_back).await?;
        Ok(match reply.code {
            Some(Code::MailboxId(id)) => Some(id),
            Some(Code::ObjectIds(ids)) => ids.mailbox.map(ImapString::from),
            _ => None,
        })
    }

    /// DELETE: removes a mailbox with all that is in it.
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn delete(&mut self, mailbox: impl ToMailbox) -> Result<()> {
        self.simple(Command::Delete(mailbox.to_mailbox()?)).await
    }

    /// RENAME: gives a mailbox another name. Of INBOX, only the messages move.
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn rename(&mut self, from: impl ToMailbox, to: impl ToMailbox) -> Result<()> {
        self.simple(Command::Rename { from: from.to_mailbox()?, to: to.to_mailbox()? }).await
    }

    /// SUBSCRIBE: puts a mailbox on the user's list.
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn subscribe(&mut self, mailbox: impl ToMailbox) -> Result<()> {
        self.simple(Command::Subscribe(mailbox.to_mailbox()?)).await
    }

    /// UNSUBSCRIBE: takes a mailbox off the user's list.
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn unsubscribe(&mut self, mailbox: impl ToMailbox) -> Result<()> {
        self.simple(Command::Unsubscribe(mailbox.to_mailbox()?)).await
    }
}
