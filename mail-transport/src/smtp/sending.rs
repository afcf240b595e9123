//! Messages one after the other, without a round trip between two of them.

use std::{borrow::Borrow, iter::Fuse};

use bytes::Bytes;
use mailwire_core::Misuse;
use mailwire_smtp::{
    Command, Mail, State,
    client::{Event, Outcome},
};

use super::{
    Client, Envelope, Sent,
    client::{name_of, unclaimed},
    transaction::{Heard, Transaction},
};
use crate::{Error, Payload, Result, payload::unreadable};

/// The most bytes of a chunk: a server tells only after one that it cannot take the message.
const CHUNK: usize = 1024 * 1024;

/// Messages on their way, from [`Client::send_all`].
///
/// Dropped before its end, it leaves the client [spent](Error::Spent) if a message was under way. Messages that
/// were not begun stay in the iterator.
#[must_use = "nothing is sent until `next` is called"]
pub struct Sending<'c, 'm, I: Iterator, E> {
    client: &'c mut Client,
    messages: Fuse<I>,
    /// The message whose end was given, and that is not answered.
    ended: Option<Transaction<E>>,
    /// The message after that.
    current: Option<Message<'m, E>>,
    /// Why that one was not begun.
    failed: Option<Error>,
    /// A transaction was left open.
    reset: bool,
    outcome: Outcome,
}

/// A message that is under way.
struct Message<'m, E> {
    transaction: Transaction<E>,
    mail: Mail,
    payload: Payload<'m>,
    next: Step,
    /// What was read of it and not given yet, and with BDAT what comes after that.
    piece: Bytes,
    ahead: Bytes,
    /// All of it was read.
    read: bool,
}

/// What is to be given to the machine next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Rset,
    Mail,
    Rcpt(usize),
    Data,
    /// The answers to those are due.
    Wait,
    Body,
}

/// What is to be told of a message.
struct Told {
    result: Result<Sent>,
    outcome: Outcome,
}

impl Client {
    /// Sends messages one after the other, the end of each together with the commands of the next where the server
    /// allows it ([RFC 2920 section 3.1](https://www.rfc-editor.org/rfc/rfc2920#section-3.1)): one round trip for
    /// each, where [`send`](Self::send) needs two.
    ///
    /// [`Sending::next`] gives the result of each message in their order, all that `send` tells. A message that is
    /// refused, or that cannot be sent to this server, does not disturb the next one.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: &mut mailwire_transport::smtp::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use mailwire_transport::smtp::{Envelope, Outcome};
    ///
    /// let messages = [
    ///     (Envelope::new("ada@example.org", ["bob@example.net"])?, "Subject: One\r\n\r\n1\r\n"),
    ///     (Envelope::new("ada@example.org", ["carol@example.net"])?, "Subject: Two\r\n\r\n2\r\n"),
    /// ];
    /// let mut sending = client.send_all(messages);
    /// while let Some(result) = sending.next().await {
    ///     match (result, sending.outcome()) {
    ///         (Ok(sent), _) => println!("{}", sent.reply),
    ///         (Err(error), Outcome::Unknown) => println!("perhaps sent: {error}"),
    ///         (Err(error), _) => println!("not accepted: {error}"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_all<'m, M, E, P>(&mut self, messages: M) -> Sending<'_, 'm, M::IntoIter, E>
    where
        M: IntoIterator<Item = (E, P)>,
        E: Borrow<Envelope>,
        P: Into<Payload<'m>>,
    {
        Sending {
            client: self,
            messages: messages.into_iter().fuse(),
            ended: None,
            current: None,
            failed: None,
            reset: false,
            outcome: Outcome::NotSent,
        }
    }
}

impl<'m, I, E, P> Sending<'_, 'm, I, E>
where
    I: Iterator<Item = (E, P)>,
    E: Borrow<Envelope>,
    P: Into<Payload<'m>>,
{
    /// Sends until the next message is answered; `None` after the last. Cancel-safe: dropped and called again, it
    /// goes on where it was.
    ///
    /// # Errors
    ///
    /// Those of [`Client::send`]. After one that ends the connection each message that is left has one, too.
    pub async fn next(&mut self) -> Option<Result<Sent>> {
        loop {
            if self.ended.is_none() {
                if let Some(error) = self.failed.take() {
                    return Some(self.tell(Told::not_sent(error)));
                }
                if self.current.is_none() {
                    if let Err(error) = self.client.finish_dropped().await {
                        self.messages.next()?;
                        return Some(self.tell(Told::not_sent(error)));
                    }
                    // A transaction whose message was refused before it came may still be open.
                    let reset = self.reset || self.client.session.machine_ref().state() > State::Ready;
                    if !self.begin(reset) {
                        return None;
                    }
                    continue;
                }
            }
            match self.advance().await {
                Ok(None) => {}
                Ok(Some(told)) => {
                    // This may be what ended the connection.
                    let closed = self.client.session.machine_ref().is_closed();
                    return Some(self.tell(told).map_err(|error| match closed {
                        true => self.client.session.failed(error),
                        false => error,
                    }));
                }
                Err(error) => {
                    let told = self.lost(error);
                    return Some(self.tell(told));
                }
            }
        }
    }

    /// Returns the outcome of the message whose result was given last: after an error, whether the server can have
    /// accepted it.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    fn tell(&mut self, told: Told) -> Result<Sent> {
        self.outcome = told.outcome;
        told.result
    }

    /// The connection has come to its end, or must.
    fn lost(&mut self, error: Error) -> Told {
        let error = self.client.session.failed(error);
        let current = self.current.take();
        let machine = self.client.session.machine_ref();
        match self.ended.take() {
            Some(ended) => {
                self.failed = current.map(|_| error.clone());
                let outcome = ended.data.map_or(Outcome::NotSent, |data| machine.outcome_of(data));
                // With PRDR nobody has it before the last reply.
                if !machine.is_lmtp() {
                    return Told { result: Err(error), outcome };
                }
                let result = ended.lost(error, outcome);
                let outcome = if result.is_ok() { Outcome::Accepted } else { outcome };
                Told { result, outcome }
            }
            // Answered it is if the server would not take all of it.
            None if current.is_some_and(|message| message.transaction.mail.is_some()) => {
                Told { result: Err(error), outcome: machine.outcome() }
            }
            None => Told::not_sent(error),
        }
    }

    /// Begins the next message, if there is one: with the commands that the machine takes now.
    fn begin(&mut self, reset: bool) -> bool {
        let Some((envelope, payload)) = self.messages.next() else { return false };
        let payload = payload.into();
        self.client.refused.clear();
        match self.client.prepare(envelope.borrow(), &payload) {
            Ok((mail, chunked)) => {
                let next = if reset { Step::Rset } else { Step::Mail };
                let transaction = Transaction::new(envelope, chunked);
                let (piece, ahead) = (Bytes::new(), Bytes::new());
                self.current = Some(Message { transaction, mail, payload, next, piece, ahead, read: false });
                self.reset = false;
                self.give();
            }
            Err(error) => {
                self.reset |= reset;
                self.failed = Some(error);
            }
        }
        true
    }

    /// Gives the commands of the current message to the machine, as many as it takes.
    fn give(&mut self) {
        let Some(message) = &mut self.current else { return };
        if let Err(error) = message.give(self.client) {
            self.reset |= message.transaction.mail.is_some();
            self.failed = Some(error);
            self.current = None;
            self.client.session.release();
        }
    }

    /// The next step: an event, or a part of a message.
    async fn advance(&mut self) -> Result<Option<Told>> {
        self.give();
        match &self.current {
            Some(Message { next: Step::Body, transaction, .. }) if transaction.chunked => self.chunks().await,
            Some(Message { next: Step::Body, .. }) => self.body().await,
            None if self.ended.is_none() => Ok(None),
            _ => {
                let event = self.client.session.event().await?;
                self.hear(event)
            }
        }
    }

    fn hear(&mut self, event: Event) -> Result<Option<Told>> {
        let event = match &mut self.ended {
            Some(ended) => match ended.hear(event)? {
                Heard::Unclaimed(event) => event,
                heard => {
                    let told = self.told(heard);
                    if told.is_some() {
                        self.ended = None;
                    }
                    return Ok(told);
                }
            },
            None => event,
        };
        let heard = match &mut self.current {
            Some(message) => message.transaction.hear(event)?,
            None => Heard::Unclaimed(event),
        };
        match heard {
            Heard::Unclaimed(event) => unclaimed(event).map(|()| None),
            Heard::Requested => {
                if let Some(message) = &mut self.current {
                    message.next = Step::Body;
                }
                Ok(None)
            }
            heard => {
                let told = self.told(heard);
                if told.is_some() {
                    self.give_up();
                }
                Ok(told)
            }
        }
    }

    fn told(&mut self, heard: Heard) -> Option<Told> {
        match heard {
            Heard::Sent(sent) => Some(Told { result: Ok(sent), outcome: Outcome::Accepted }),
            Heard::Failed(error, outcome) => {
                let transaction = self.ended.as_mut().or(self.current.as_mut().map(|it| &mut it.transaction));
                self.client.refused =
                    transaction.map(|it| std::mem::take(&mut it.refused)).unwrap_or_default();
                Some(Told { result: Err(error), outcome })
            }
            Heard::Unclaimed(_) | Heard::GoOn | Heard::Requested => None,
        }
    }

    /// The current message is not sent to its end, and nothing of it is half given.
    fn give_up(&mut self) {
        self.reset |= self.current.take().is_some_and(|message| message.transaction.chunked);
        self.client.session.release();
    }

    /// The message by DATA, then the commands of the next, then its end: all in one group.
    async fn body(&mut self) -> Result<Option<Told>> {
        let session = &mut self.client.session;
        let Some(message) = &mut self.current else { return Ok(None) };
        loop {
            while !message.piece.is_empty() {
                session.machine().send_body(&mut message.piece)?;
                // Written until the machine has room again; a reply that comes now is a refusal.
                while let Some(event) = session.next().await? {
                    match message.transaction.hear(event)? {
                        Heard::Failed(error, _) => return Err(error),
                        Heard::Unclaimed(event) => unclaimed(event)?,
                        _ => {}
                    }
                }
            }
            message.piece = message.payload.next(u64::MAX).await.map_err(unreadable)?;
            if message.piece.is_empty() {
                break;
            }
        }
        self.end(false);
        if let Err(reason) = self.client.session.machine().finish_body() {
            self.client.session.hold();
            return Err(reason.into());
        }
        Ok(None)
    }

    /// The current message is at its end: the next one begins.
    fn end(&mut self, reset: bool) {
        self.ended = self.current.take().map(|message| message.transaction.at_its_end());
        self.begin(reset);
        if self.current.is_none() {
            self.client.session.release();
        }
    }

    /// The message by BDAT.
    async fn chunks(&mut self) -> Result<Option<Told>> {
        loop {
            let session = &mut self.client.session;
            let Some(message) = &mut self.current else { return Ok(None) };
            if message.transaction.first_chunk.is_some() {
                while let Some(event) = session.next().await? {
                    match message.transaction.hear(event)? {
                        Heard::Failed(error, outcome) => {
                            self.give_up();
                            return Ok(Some(Told { result: Err(error), outcome }));
                        }
                        Heard::Unclaimed(event) => unclaimed(event)?,
                        _ => {}
                    }
                }
            }
            let given = match message.read_ahead().await {
                Ok(()) => {
                    let (chunk, last) = message.chunk();
                    session.machine().send_chunk(chunk, last).map_err(Error::from).map(|it| (it, last))
                }
                Err(error) => Err(error),
            };
            let (ticket, last) = match given {
                Ok(given) => given,
                // The server waits for no more than the next command.
                Err(error) => {
                    self.give_up();
                    return Ok(Some(Told::not_sent(error)));
                }
            };
            session.expect(ticket, "BDAT");
            message.transaction.first_chunk.get_or_insert(ticket);
            if last {
                message.transaction.data = Some(ticket);
                self.end(true);
                return Ok(None);
            }
        }
    }
}

impl<E: Borrow<Envelope>> Message<'_, E> {
    /// Gives commands until all are given, or the machine is full.
    fn give(&mut self, client: &mut Client) -> Result<()> {
        let transaction = &mut self.transaction;
        loop {
            let recipients = transaction.envelope.borrow().recipients();
            let command = match self.next {
                Step::Rset => Command::Rset,
                Step::Mail => Command::Mail(self.mail.clone()),
                Step::Rcpt(at) => match recipients.get(at) {
                    Some(recipient) => {
                        Command::Rcpt(client.adapted(recipient, self.mail.smtp_utf8).into_owned())
                    }
                    None => {
                        self.next = if transaction.chunked { Step::Wait } else { Step::Data };
                        continue;
                    }
                },
                Step::Data => Command::Data,
                Step::Wait | Step::Body => return Ok(()),
            };
            let name = name_of(&command);
            let ticket = match client.session.machine().send(command) {
                Ok(ticket) => client.session.expect(ticket, name),
                Err(full) if matches!(full.reason, Misuse::Full { .. }) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            self.next = match self.next {
                Step::Rset => Step::Mail,
                Step::Mail => {
                    client.begun = true;
                    client.session.hold();
                    transaction.mail = Some(ticket);
                    Step::Rcpt(0)
                }
                Step::Rcpt(at) => {
                    transaction.recipients.push(ticket);
                    Step::Rcpt(at + 1)
                }
                _ => {
                    transaction.data = Some(ticket);
                    Step::Wait
                }
            };
        }
    }

    /// Reads until it is known whether the next chunk is the last.
    async fn read_ahead(&mut self) -> Result<()> {
        while !self.read && self.piece.len() <= CHUNK && self.ahead.is_empty() {
            let read = self.payload.next(u64::MAX).await.map_err(unreadable)?;
            self.read = read.is_empty();
            match self.piece.is_empty() {
                true => self.piece = read,
                false => self.ahead = read,
            }
        }
        Ok(())
    }

    /// The next chunk, and whether it is the last.
    fn chunk(&mut self) -> (Bytes, bool) {
        let chunk = self.piece.split_to(self.piece.len().min(CHUNK));
        if self.piece.is_empty() {
            self.piece = std::mem::take(&mut self.ahead);
        }
        (chunk, self.read && self.piece.is_empty())
    }
}

impl Told {
    const fn not_sent(error: Error) -> Self {
        Self { result: Err(error), outcome: Outcome::NotSent }
    }
}

impl<I: Iterator, E> std::fmt::Debug for Sending<'_, '_, I, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sending").field("client", &self.client).finish_non_exhaustive()
    }
}
