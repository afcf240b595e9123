//! Many commands at once.

use std::collections::VecDeque;

use mailwire_core::{Misuse, Ticket};
use mailwire_pop3::{Command, MessageNumber, client::Connection};

use super::{Body, Call, Client, ToNumber, answer, send, unclaimed};
use crate::{Error, Refused, Result, session::Session};

/// DELE commands on their way at once. The machine sends them one by one where PIPELINING (RFC 2449
/// section 6.6) is not offered.
const DELE_WINDOW: usize = 64;
/// RETR or TOP commands on their way at once: enough to hide the way there and back, and few enough to be
/// given up.
const RETR_WINDOW: usize = 4;

impl Client {
    /// DELE: marks many messages. Each has its own result: a refused one does not stop the others.
    ///
    /// # Errors
    ///
    /// A number is 0, and nothing is sent; or the connection fails.
    pub async fn dele_all(
        &mut self,
        messages: impl IntoIterator<Item = impl ToNumber>,
    ) -> Result<Vec<(u32, Result<(), Refused>)>> {
        let messages = numbers(messages)?;
        self.session.finish_dropped(unclaimed).await?;
        let mut results = Vec::with_capacity(messages.len());
        let mut waiting = VecDeque::new();
        let mut messages = messages.into_iter().peekable();
        loop {
            while waiting.len() < DELE_WINDOW {
                let Some(&message) = messages.peek() else { break };
                let Some(call) = try_send(&mut self.session, Command::Dele(message), waiting.is_empty())?
                else {
                    break;
                };
                waiting.push_back((message.get(), call));
                messages.next();
            }
            let Some((message, call)) = waiting.pop_front() else { return Ok(results) };
            match answer(&mut self.session, call).await {
                Ok(_) => results.push((message, Ok(()))),
                Err(Error::Refused(refused)) => results.push((message, Err(*refused))),
                Err(error) => return Err(error),
            }
        }
    }

    /// RETR: retrieves many messages. The next are asked for while one is being read.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: &mut mailwire_transport::pop3::Client) -> mailwire_transport::Result<()> {
    /// let mut messages = client.retr_all(1..=10).await?;
    /// while let Some((number, body)) = messages.next().await? {
    ///     match body {
    ///         Ok(body) => println!("{number}: {} bytes", body.bytes(1_000_000).await?.len()),
    ///         Err(refused) => println!("{number}: {refused}"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// A number is 0, and nothing is sent; or the connection fails.
    pub async fn retr_all(
        &mut self,
        messages: impl IntoIterator<Item = impl ToNumber>,
    ) -> Result<RetrievedMessages<'_>> {
        let messages = numbers(messages)?;
        self.session.finish_dropped(unclaimed).await?;
        Ok(RetrievedMessages {
            session: &mut self.session,
            retrieving: Retrieving::new(messages, Command::Retr),
        })
    }
}

/// Messages that are being received one after the other: see [`Client::retr_all`].
///
/// If this is dropped before its end, the next call to the client reads the few messages that are
/// asked for already, and throws them away.
#[must_use]
pub struct RetrievedMessages<'a> {
    session: &'a mut Session<Connection>,
    retrieving: Retrieving,
}

/// Messages, whole or not, of which some are asked for already.
pub(super) struct Retrieving {
    command: fn(MessageNumber) -> Command,
    messages: VecDeque<MessageNumber>,
    waiting: VecDeque<(MessageNumber, Call)>,
    /// The message whose body was handed out last.
    current: Option<Ticket>,
}

impl RetrievedMessages<'_> {
    /// Receives the next message, or the server's refusal of it; `None` at the end. What was not read of the one
    /// before is thrown away. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The connection fails.
    pub async fn next(&mut self) -> Result<Option<(u32, Result<Body<'_>, Refused>)>> {
        let next = self.retrieving.next(self.session).await?;
        Ok(next.map(|(message, body)| (message.get(), body)))
    }
}

impl Retrieving {
    /// Asks for each message by `command`: RETR or TOP.
    pub(super) fn new(messages: Vec<MessageNumber>, command: fn(MessageNumber) -> Command) -> Self {
        Self { command, messages: messages.into(), waiting: VecDeque::new(), current: None }
    }

    /// How many messages are to come.
    pub(super) fn left(&self) -> usize {
        self.messages.len().saturating_add(self.waiting.len())
    }

    /// Whether the message that was handed out last came whole.
    pub(super) fn is_whole(&self, session: &Session<Connection>) -> bool {
        self.current.is_some_and(|current| !session.is_pending(current))
    }

    pub(super) async fn next<'a>(
        &mut self,
        session: &'a mut Session<Connection>,
    ) -> Result<Option<(MessageNumber, Result<Body<'a>, Refused>)>> {
        self.fill(session)?;
        while let Some(current) = self.current {
            // It may have been read to its end.
            if !session.is_pending(current) {
                self.current = None;
                break;
            }
            unclaimed(session.event().await?);
        }
        let Some(&(message, call)) = self.waiting.front() else { return Ok(None) };
        let result = answer(session, call).await;
        self.waiting.pop_front();
        match result {
            Ok(_) => {
                self.current = Some(call.ticket);
                Ok(Some((message, Ok(Body::new(session, call.ticket)))))
            }
            Err(Error::Refused(refused)) => Ok(Some((message, Err(*refused)))),
            Err(error) => Err(error),
        }
    }

    fn fill(&mut self, session: &mut Session<Connection>) -> Result<()> {
        while self.waiting.len() < RETR_WINDOW {
            let Some(&message) = self.messages.front() else { break };
            let alone = self.waiting.is_empty();
            let Some(call) = try_send(session, (self.command)(message), alone)? else { break };
            self.waiting.push_back((message, call));
            self.messages.pop_front();
        }
        Ok(())
    }
}

impl std::fmt::Debug for RetrievedMessages<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RetrievedMessages").field("left", &self.retrieving.left()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Retrieving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Retrieving").field("left", &self.left()).finish_non_exhaustive()
    }
}

/// All of them are checked before the first is sent.
fn numbers(messages: impl IntoIterator<Item = impl ToNumber>) -> Result<Vec<MessageNumber>> {
    messages.into_iter().map(|message| message.to_number().map_err(Error::from)).collect()
}

/// `None` if the queue is full; if this command is `alone`, that is an error, as waiting for another
/// would not help.
fn try_send(session: &mut Session<Connection>, command: Command, alone: bool) -> Result<Option<Call>> {
    match send(session, command) {
        Ok(call) => Ok(Some(call)),
        Err(Error::Misuse(Misuse::Full { .. })) if !alone => Ok(None),
        Err(error) => Err(error),
    }
}
