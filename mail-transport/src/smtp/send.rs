//! Sending a message.

use std::collections::HashMap;

use bytes::Bytes;
use mailwire_core::{Misuse, Ticket, WrongState};
use mailwire_smtp::{
    BodyType, Capability, Command, ForwardPath, Mail, Reply, ReplyCode, State, client::Event,
};

use super::{
    Client, Envelope,
    client::{name_of, refused},
};
use crate::{Error, Payload, Result, payload::unreadable};

/// A message that the server took for at least one recipient.
#[must_use = "some recipients may have been refused"]
#[non_exhaustive]
#[derive(Debug)]
pub struct Sent {
    /// The server's reply to the message: often with the name that it has there. In LMTP, to its last
    /// recipient that was accepted.
    pub reply: Reply,
    /// The recipients who will not get it.
    pub refused: Vec<RefusedRecipient>,
}

/// A recipient who will not get a message, while others do.
#[non_exhaustive]
#[derive(Debug)]
pub struct RefusedRecipient {
    /// The address of the recipient.
    pub recipient: ForwardPath,
    /// The reason: always [`Error::Refused`].
    pub error: Error,
}

/// What became of a transaction's commands before the message.
struct Transaction<'a> {
    data: Ticket,
    mail: Ticket,
    recipients: HashMap<Ticket, &'a ForwardPath>,
    refused: Vec<RefusedRecipient>,
    mail_refused: Option<Error>,
}

impl Client {
    /// Sends a message: MAIL, RCPT and DATA in one group where the server allows it, then the
    /// message, which is not copied.
    ///
    /// SIZE, BODY=8BITMIME and SMTPUTF8 are given where the message or its addresses need them and
    /// the server offers them. Lines must end in CR LF, unless
    /// [`Config::bare_newline`](super::Config::bare_newline) says that they are mended.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: &mut mailwire_transport::smtp::Client) -> mailwire_transport::Result<()> {
    /// use mailwire_transport::smtp::Envelope;
    ///
    /// let envelope = Envelope::new("ada@example.org", ["bob@example.net", "carol@example.net"])?;
    /// let message = "From: ada@example.org\r\nSubject: Hello\r\n\r\nHello, both of you.\r\n";
    /// let sent = client.send(&envelope, message).await?;
    /// for refused in &sent.refused {
    ///     println!("{} will not get it: {}", refused.recipient, refused.error);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if the server takes the message for no recipient; of several reasons, the
    /// first, unless one of them ended the connection; [`take_refused`](Client::take_refused) has them all. [`Error::Misuse`] with [`Misuse::NotOffered`] if the
    /// server lacks what this message needs, with [`Misuse::InvalidBody`] if a message in memory has a CR
    /// or LF that stands alone: nothing is sent then. Any other error ends the connection; so does a
    /// message that is read while it is sent, if it cannot be read or sent to its end. Whether the client
    /// can be used on says [`is_usable`](Client::is_usable), whether the server can have accepted the
    /// message [`outcome`](Client::outcome).
    pub async fn send(&mut self, envelope: &Envelope, message: impl Into<Payload<'_>>) -> Result<Sent> {
        let mut message = message.into();
        if envelope.recipients().is_empty() {
            return Err(Misuse::WrongState(WrongState::NoRecipients).into());
        }
        self.refused.clear();
        self.begun = false;
        self.finish_dropped().await?;
        // A transaction whose message was refused before it came may still be open.
        if matches!(self.session.machine().state(), State::Sender | State::Recipients) {
            self.rset().await?;
        }
        let mail = self.mail(envelope, &message)?;
        if let Some(pieces) = message.pieces() {
            self.session.machine_ref().check_pieces(pieces)?;
        }
        let sent = self.deliver(envelope, mail, &mut message).await;
        sent.map_err(|error| self.session.failed(error))
    }

    /// From MAIL to the answer. What is held after an error cannot be brought to its end.
    async fn deliver(&mut self, envelope: &Envelope, mail: Mail, message: &mut Payload<'_>) -> Result<Sent> {
        let mut transaction = self.transact(envelope, mail).await?;
        if let Some(error) = self.until_body(&mut transaction).await? {
            self.session.release();
            return Err(error);
        }
        self.body(message, &transaction).await?;
        self.session.machine().finish_body()?;
        self.session.release();
        self.answer_to(transaction).await
    }

    fn mail(&self, envelope: &Envelope, message: &Payload<'_>) -> Result<Mail> {
        let mut mail = envelope.mail().clone();
        mail.smtp_utf8 |= envelope.is_international();
        let capabilities = self.capabilities();
        if capabilities.has_size() {
            mail.size = message.length();
        }
        let offered = capabilities.has(&Capability::EightBitMime);
        mail.body = match message.is_ascii() {
            Some(false) => Some(BodyType::EightBitMime),
            None if offered => Some(BodyType::EightBitMime),
            Some(true) | None => None,
        };
        Ok(mail)
    }

    /// Puts the transaction's commands into the machine, waiting where its queue is full.
    async fn transact<'a>(&mut self, envelope: &'a Envelope, mail: Mail) -> Result<Transaction<'a>> {
        let mail = self.session.machine().send(Command::Mail(mail))?;
        self.begun = true;
        self.session.hold();
        let mut transaction = Transaction {
            mail: self.session.expect(mail, "MAIL"),
            // Replaced below; no reply comes with it.
            data: mail,
            recipients: HashMap::with_capacity(envelope.recipients().len()),
            refused: Vec::new(),
            mail_refused: None,
        };
        for recipient in envelope.recipients() {
            let ticket = self.push(Command::Rcpt(recipient.clone()), &mut transaction).await?;
            transaction.recipients.insert(ticket, &recipient.to);
        }
        transaction.data = self.push(Command::Data, &mut transaction).await?;
        Ok(transaction)
    }

    async fn push(&mut self, mut command: Command, transaction: &mut Transaction<'_>) -> Result<Ticket> {
        let name = name_of(&command);
        loop {
            match self.session.machine().send(command) {
                Ok(ticket) => return Ok(self.session.expect(ticket, name)),
                Err(full) if matches!(full.reason, Misuse::Full { .. }) => command = full.message,
                Err(error) => return Err(error.into()),
            }
            let event = self.session.event().await?;
            self.early(event, transaction)?;
        }
    }

    /// A reply to MAIL or RCPT. After 421 there will be none to DATA.
    fn early(&mut self, event: Event, transaction: &mut Transaction<'_>) -> Result<()> {
        let Event::Reply { ticket, reply, .. } = event else { return self.unclaimed(event) };
        if reply.is_positive() {
            return Ok(());
        }
        let ends = reply.code() == ReplyCode::UNAVAILABLE;
        if ticket == transaction.mail {
            let error = refused("MAIL", &reply);
            if ends {
                return Err(error);
            }
            transaction.mail_refused = Some(error);
        } else if let Some(&recipient) = transaction.recipients.get(&ticket) {
            let error = refused("RCPT", &reply);
            if ends {
                return Err(error);
            }
            transaction.refused.push(RefusedRecipient { recipient: recipient.clone(), error });
        } else if ends {
            return Err(refused("RCPT", &reply));
        }
        Ok(())
    }

    /// Waits until the message is asked for; otherwise gives the reason why it is not.
    async fn until_body(&mut self, transaction: &mut Transaction<'_>) -> Result<Option<Error>> {
        loop {
            match self.session.event().await? {
                Event::BodyRequested { ticket, .. } if ticket == transaction.data => return Ok(None),
                Event::Reply { ticket, reply, .. } | Event::NoRecipients { ticket, reply, .. }
                    if ticket == transaction.data =>
                {
                    // The first refusal is the reason for those after it.
                    let first = transaction.mail_refused.take();
                    let first = first.or_else(|| self.refused_all(std::mem::take(&mut transaction.refused)));
                    return Ok(Some(first.unwrap_or_else(|| refused("DATA", &reply))));
                }
                event => self.early(event, transaction)?,
            }
        }
    }

    async fn body(&mut self, message: &mut Payload<'_>, transaction: &Transaction<'_>) -> Result<()> {
        loop {
            let mut chunk: Bytes = message.next(u64::MAX).await.map_err(unreadable)?;
            if chunk.is_empty() {
                return Ok(());
            }
            while !chunk.is_empty() {
                self.session.machine().send_body(&mut chunk)?;
                // Written until the machine has room again; a reply that comes now is a refusal.
                while let Some(event) = self.session.next().await? {
                    match event {
                        Event::Reply { ticket, reply, .. } if ticket == transaction.data => {
                            return Err(refused("DATA", &reply));
                        }
                        event => self.unclaimed(event)?,
                    }
                }
            }
        }
    }

    async fn answer_to(&mut self, mut transaction: Transaction<'_>) -> Result<Sent> {
        let mut accepted = None;
        loop {
            match self.session.event().await? {
                Event::Reply { ticket, reply, .. } if ticket == transaction.data => {
                    return if reply.is_positive() {
                        Ok(Sent { reply, refused: transaction.refused })
                    } else {
                        Err(refused("DATA", &reply))
                    };
                }
                Event::RecipientReply { ticket, reply, last, .. } => {
                    if reply.is_positive() {
                        accepted = Some(reply);
                    } else if let Some(&recipient) = transaction.recipients.get(&ticket) {
                        transaction.refused.push(RefusedRecipient {
                            recipient: recipient.clone(),
                            error: refused("DATA", &reply),
                        });
                    }
                    if last {
                        let refused = transaction.refused;
                        return match accepted {
                            Some(reply) => Ok(Sent { reply, refused }),
                            None => Err(self.refused_all(refused).unwrap_or(Error::Closed)),
                        };
                    }
                }
                event => self.unclaimed(event)?,
            }
        }
    }

    /// Keeps the refusals of a message that nobody gets. Returns the first one's reason.
    fn refused_all(&mut self, refused: Vec<RefusedRecipient>) -> Option<Error> {
        self.refused = refused;
        let first = self.refused.first()?.error.refused()?;
        Some(first.clone().into())
    }
}
