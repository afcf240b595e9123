//! The store as a destination of SMTP and LMTP.

use bytes::Bytes;
use mailwire_smtp::{ForwardPath, Mail, Rcpt, Reply, ReplyCode};

use super::{Refused, Store, User};
use mailwire_transport::smtp::server::{Body, BodyError, Client, Service, Session};

/// One SMTP or LMTP connection to a [`Store`]: it takes mail for the store's users from anybody, and
/// relays nothing.
#[derive(Debug)]
pub struct Delivery {
    store: Store,
    size: u64,
    recipients: Vec<User>,
}

impl Service for Store {
    type Session = Delivery;
    type Authenticator = Self;

    fn authenticator(&self) -> &Self {
        self
    }

    async fn connect(&self, _client: &Client) -> Result<Delivery, Reply> {
        Ok(Delivery { store: self.clone(), size: 0, recipients: Vec::new() })
    }
}

impl Delivery {
    /// Stores the message for each recipient. The bytes are shared between them.
    fn deliver(&mut self, message: &Bytes) -> Vec<Reply> {
        let recipients = std::mem::take(&mut self.recipients);
        recipients.iter().map(|user| verdict(user.deliver(message.clone()))).collect()
    }
}

fn verdict(delivered: Result<u32, Refused>) -> Reply {
    match delivered {
        Ok(uid) => Reply::new(ReplyCode::OK, &format!("2.0.0 Stored as {uid}")),
        Err(Refused::OverQuota) => Reply::new(ReplyCode::INSUFFICIENT_STORAGE, "4.2.2 Mailbox full"),
        Err(error) => Reply::new(ReplyCode::LOCAL_ERROR, &format!("4.3.0 {error}")),
    }
}

impl Session for Delivery {
    async fn mail(&mut self, _client: &Client, mail: &Mail) -> Reply {
        self.recipients.clear();
        self.size = mail.size.unwrap_or(0);
        Reply::new(ReplyCode::OK, "2.1.0 Ok")
    }

    async fn rcpt(&mut self, _client: &Client, rcpt: &Rcpt) -> Reply {
        let address = match &rcpt.to {
            ForwardPath::Mailbox(mailbox) => {
                format!("{}@{}", mailbox.unquoted_local_part(), mailbox.domain())
            }
            _ => "postmaster".to_owned(),
        };
        match self.store.resolve(&address) {
            Some(user) if user.room() < self.size => {
                Reply::new(ReplyCode::INSUFFICIENT_STORAGE, "4.2.2 Mailbox full")
            }
            Some(user) => {
                self.recipients.push(user);
                Reply::new(ReplyCode::OK, "2.1.5 Ok")
            }
            None => Reply::new(ReplyCode::MAILBOX_UNAVAILABLE, "5.1.1 No such user here"),
        }
    }

    /// One refusal refuses the message for all, so that no recipient gets it twice when the client
    /// tries again; room was asked for at RCPT.
    async fn message(&mut self, _client: &Client, body: &mut Body<'_>) -> Result<Reply, BodyError> {
        let message = body.bytes().await?;
        let full = self.recipients.iter().any(|user| user.room() < message.len() as u64);
        if full {
            self.recipients.clear();
            return Ok(verdict(Err(Refused::OverQuota)));
        }
        let replies = self.deliver(&message);
        let refused = replies.iter().find(|reply| !reply.is_positive());
        Ok(refused.or(replies.first()).cloned().unwrap_or_else(|| Reply::new(ReplyCode::OK, "2.0.0 Ok")))
    }

    async fn message_for_each(
        &mut self,
        _client: &Client,
        body: &mut Body<'_>,
    ) -> Result<Vec<Reply>, BodyError> {
        let message = body.bytes().await?;
        Ok(self.deliver(&message))
    }

    async fn reset(&mut self) {
        self.recipients.clear();
    }
}
