//! Messages one after the other, without a round trip between two of them.

use std::{
    borrow::Borrow,
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use mailwire_core::private::known_text;
use mailwire_smtp::{
    BodyType, Command, Reply, State,
    client::{Event, Outcome},
};

use super::{
    Client, Envelope, RefusedRecipient, Sent,
    client::unclaimed,
    current::{Current, Step},
    send::Plan,
    signed::Start,
    split::{Delivery, Told},
    transaction::{Heard, Transaction},
};
use crate::{Error, Payload, Result};

/// The most messages that were taken and are not told: one whose answer is due, and the one that is sent meanwhile.
const AHEAD: usize = 2;

/// Messages on their way, from [`Client::send_all`] or [`Client::send_stream`].
///
/// Dropped before its end, it leaves the client [spent](Error::Spent) if a message was under way. Messages that
/// were not begun stay where they come from, but for one that may have been taken.
#[must_use = "nothing is sent until `next` is called"]
pub struct Sending<'c, 'm, M, E> {
    client: &'c mut Client,
    messages: M,
    exhausted: bool,
    /// Those that were taken and are not told, in their order.
    deliveries: VecDeque<Delivery<'m, E>>,
    /// The transaction whose message was given to its end, and is not answered: of the first delivery.
    ended: Option<Transaction>,
    /// The one after that: of the last delivery.
    current: Option<Current<'m>>,
    /// A transaction was left open.
    reset: bool,
    /// What ended the connection, if that was an answer.
    over: Option<Error>,
    outcome: Outcome,
}

/// Which transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// The one whose message is at its end.
    Ended,
    Current,
}

/// Messages that are all there, for [`Client::send_all`] and [`Mailer::send_all`](super::Mailer::send_all).
#[derive(Debug, Clone)]
pub struct Messages<I>(I);

impl<I> Messages<I> {
    pub(super) fn new(messages: impl IntoIterator<IntoIter = I>) -> Self {
        Self(messages.into_iter())
    }
}

/// Nothing is pinned.
impl<I> Unpin for Messages<I> {}

impl<I: Iterator> Stream for Messages<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }
}

impl Client {
    /// Sends messages one after the other, the end of each together with the commands of the next where the server
    /// allows it ([RFC 2920 section 3.1](https://www.rfc-editor.org/rfc/rfc2920#section-3.1)): one round trip for
    /// each, where [`send`](Self::send) needs two.
    ///
    /// [`Sending::next`] gives the result of each message in their order, all that `send` tells: also a message whose
    /// recipients need several transactions has one. A message that is refused, or that cannot be sent to this server,
    /// does not disturb the next one.
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
    pub fn send_all<'m, M, E, P>(&mut self, messages: M) -> Sending<'_, 'm, Messages<M::IntoIter>, E>
    where
        M: IntoIterator<Item = (E, P)>,
        E: Borrow<Envelope>,
        P: Into<Payload<'m>>,
    {
        self.send_stream(Messages::new(messages))
    }

    /// Sends messages as they come, as [`send_all`](Self::send_all) does: one that is there in time is begun together
    /// with the end of the one before, and none is waited for while an answer is due. One message at most is taken from
    /// the stream before the one before it is answered.
    ///
    /// Any [`Stream`] will do, also the receiving end of a channel of tokio-stream or futures; one that is not [`Unpin`]
    /// in a [`Box::pin`]. A server ends a connection on which nothing comes for some minutes.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: &mut mailwire_transport::smtp::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use futures_util::stream::unfold;
    /// use mailwire_transport::smtp::Envelope;
    ///
    /// let (sender, receiver) = tokio::sync::mpsc::channel(10);
    /// sender.send((Envelope::new("ada@example.org", ["bob@example.net"])?, "Subject: One\r\n\r\n1\r\n")).await?;
    /// drop(sender);
    /// let queue = unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    /// let mut sending = client.send_stream(Box::pin(queue));
    /// while let Some(result) = sending.next().await {
    ///     println!("{result:?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub const fn send_stream<'m, M, E, P>(&mut self, messages: M) -> Sending<'_, 'm, M, E>
    where
        M: Stream<Item = (E, P)> + Unpin,
        E: Borrow<Envelope>,
        P: Into<Payload<'m>>,
    {
        Sending {
            client: self,
            messages,
            exhausted: false,
            deliveries: VecDeque::new(),
            ended: None,
            current: None,
            reset: false,
            over: None,
            outcome: Outcome::NotSent,
        }
    }
}

impl<'m, M, E, P> Sending<'_, 'm, M, E>
where
    M: Stream<Item = (E, P)> + Unpin,
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
            if self.deliveries.front().is_some_and(Delivery::is_done) {
                return self.deliveries.pop_front().map(|done| self.tell(done.told()));
            }
            let waiting = self.deliveries.back().is_some_and(Delivery::is_waiting);
            let gone_on = match (&self.current, &self.ended) {
                (None, None) if waiting => self.start_anew().await,
                (None, Some(_)) if waiting => {
                    self.start();
                    Ok(())
                }
                (None, None) => {
                    let Some(message) = next_of(&mut self.messages, self.exhausted).await else {
                        self.exhausted = true;
                        return None;
                    };
                    self.take(message);
                    Ok(())
                }
                (None, Some(_)) if !self.exhausted && self.deliveries.len() < AHEAD => {
                    tokio::select! {
                        biased;
                        event = self.client.session.event() => event.and_then(|event| self.hear(event)),
                        message = next_of(&mut self.messages, false) => {
                            match message {
                                Some(message) => self.take(message),
                                None => self.exhausted = true,
                            }
                            Ok(())
                        }
                    }
                }
                _ => self.advance().await,
            };
            if let Err(error) = gone_on {
                self.lost(error);
            }
        }
    }

    /// Returns the outcome of the message whose result was given last: after an error, whether the server can have
    /// accepted it.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Takes the recipients of the message whose result was given last, as [`Client::take_refused`] does.
    #[must_use]
    pub fn take_refused(&mut self) -> Vec<RefusedRecipient> {
        self.client.take_refused()
    }

    /// Whether nothing more can be sent over the connection.
    #[cfg(feature = "pool")]
    pub(super) fn is_over(&self) -> bool {
        self.over.is_some() || self.client.session.is_over()
    }

    fn tell(&mut self, told: Told) -> Result<Sent> {
        crate::metrics::message_sent(self.client.session.protocol(), told.result.is_ok(), told.outcome);
        self.outcome = told.outcome;
        self.client.told = Some(told.outcome);
        self.client.refused = told.refused;
        told.result
    }

    fn take(&mut self, (envelope, payload): (E, P)) {
        self.deliveries.push_back(Delivery::new(envelope, payload.into()));
    }

    /// Begins a transaction where nothing is under way.
    async fn start_anew(&mut self) -> Result<()> {
        if let Err(error) = self.client.finish_dropped().await {
            self.deliveries.iter_mut().for_each(|delivery| delivery.give_up(&error));
            return Ok(());
        }
        // A transaction whose message was refused before it came may still be open.
        self.reset |= self.client.session.machine_ref().state() > State::Ready;
        self.start();
        Ok(())
    }

    /// Begins the next transaction of the last delivery, if there is one: with the commands that the machine takes now.
    fn start(&mut self) {
        let Some(delivery) = self.deliveries.back_mut() else { return };
        let Some((mut transaction, payload)) = delivery.next(self.client) else { return };
        let recipients = (0..).map_while(|at| delivery.recipient(&transaction, at));
        match self.client.prepare(delivery.envelope().mail(), recipients, &payload) {
            Ok(Plan { mail, chunked, downgrade }) => {
                let next = if std::mem::take(&mut self.reset) { Step::Rset } else { Step::Mail };
                transaction.chunked = chunked;
                let (piece, ahead) = (Bytes::new(), Bytes::new());
                let binary = mail.body == Some(BodyType::BinaryMime);
                let checked = !binary && !payload.is_in_memory();
                let text = !binary && downgrade.is_none() && payload.is_text();
                self.current = Some(Current {
                    start: checked.then(Start::default),
                    length: 0,
                    text,
                    transaction,
                    mail,
                    payload,
                    downgrade,
                    next,
                    piece,
                    ahead,
                    read: false,
                });
                self.give();
            }
            Err(error) => delivery.conclude(transaction, (Err(error), Outcome::NotSent), false),
        }
    }

    /// Gives the commands of the current transaction to the machine, as many as it takes.
    fn give(&mut self) {
        let (Some(current), Some(delivery)) = (&mut self.current, self.deliveries.back()) else { return };
        if let Err(error) = current.give(delivery, self.client) {
            let begun = current.transaction.mail.is_some();
            let error = self.over.clone().unwrap_or(error);
            if let (Some(current), Some(delivery)) = (self.current.take(), self.deliveries.back_mut()) {
                self.reset |= begun;
                delivery.conclude(current.transaction, (Err(error), Outcome::NotSent), false);
            }
            self.client.session.release();
        }
    }

    /// The next step: an event, or a part of a message.
    async fn advance(&mut self) -> Result<()> {
        self.give();
        match &self.current {
            Some(Current { next: Step::Body, transaction, .. }) if transaction.chunked => self.chunks().await,
            Some(Current { next: Step::Body, .. }) => self.body().await,
            None if self.ended.is_none() => Ok(()),
            _ => {
                let event = self.client.session.event().await?;
                self.hear(event)
            }
        }
    }

    fn hear(&mut self, event: Event) -> Result<()> {
        let event = match &mut self.ended {
            Some(ended) => match ended.hear(event)? {
                Heard::Unclaimed(event) => event,
                heard => {
                    self.heard(Which::Ended, heard);
                    return Ok(());
                }
            },
            None => event,
        };
        let heard = match &mut self.current {
            Some(current) => current.transaction.hear(event)?,
            None => Heard::Unclaimed(event),
        };
        match heard {
            Heard::Unclaimed(event) => return unclaimed(event),
            Heard::Requested => {
                if let Some(current) = &mut self.current {
                    current.next = Step::Body;
                }
            }
            heard => self.heard(Which::Current, heard),
        }
        Ok(())
    }

    fn heard(&mut self, which: Which, heard: Heard) {
        match heard {
            Heard::Sent(reply) => self.conclude(which, Ok(reply), Outcome::Accepted),
            Heard::Failed(error, outcome) => self.conclude(which, Err(error), outcome),
            Heard::Unclaimed(_) | Heard::GoOn | Heard::Requested => {}
        }
    }

    /// It is known what became of a transaction.
    fn conclude(&mut self, which: Which, result: Result<Reply>, outcome: Outcome) {
        let transaction = match which {
            Which::Ended => self.ended.take(),
            // It is not sent to its end, and nothing of it is half given.
            Which::Current => self.current.take().map(|current| {
                self.reset |= current.transaction.chunked;
                self.client.session.release();
                current.transaction
            }),
        };
        let Some(transaction) = transaction else { return };
        // This may be what ended the connection.
        let closed = self.client.session.machine_ref().is_closed();
        let result = match (result, transaction.goodbye()) {
            (Err(error), _) if closed => {
                let error = self.client.session.failed(error);
                self.over = Some(error.clone());
                Err(error)
            }
            (Ok(reply), Some(goodbye)) if closed => {
                self.over = Some(self.client.session.failed(goodbye.clone()));
                Ok(reply)
            }
            (result, _) => result,
        };
        let delivery = match which {
            Which::Ended => self.deliveries.front_mut(),
            Which::Current => self.deliveries.back_mut(),
        };
        if let Some(delivery) = delivery {
            delivery.conclude(transaction, (result, outcome), closed);
        }
    }

    /// The connection has come to its end, or must.
    fn lost(&mut self, error: Error) {
        let error = self.client.session.failed(error);
        let error = self.over.clone().unwrap_or(error);
        let machine = self.client.session.machine_ref();
        let mut current = match (&self.ended, &self.current) {
            // Answered it is if the server would not take all of it.
            (None, Some(current)) if current.transaction.mail.is_some() => machine.outcome(),
            _ => Outcome::NotSent,
        };
        if let (Some(mut ended), Some(delivery)) = (self.ended.take(), self.deliveries.front_mut()) {
            let outcome = ended.data.map_or(Outcome::NotSent, |data| machine.outcome_of(data));
            // With PRDR nobody has it before the last reply.
            let result =
                if machine.is_lmtp() { ended.lost(error.clone(), outcome) } else { Err(error.clone()) };
            let outcome = if result.is_ok() { Outcome::Accepted } else { outcome };
            delivery.conclude(ended, (result, outcome), true);
            current = Outcome::NotSent;
        }
        if let (Some(under_way), Some(delivery)) = (self.current.take(), self.deliveries.back_mut()) {
            delivery.conclude(under_way.transaction, (Err(error.clone()), current), true);
        }
        self.deliveries.iter_mut().for_each(|delivery| delivery.give_up(&error));
    }

    /// The message by DATA, then the commands of the next transaction, then its end: all in one group.
    async fn body(&mut self) -> Result<()> {
        let session = &mut self.client.session;
        let Some(current) = &mut self.current else { return Ok(()) };
        loop {
            while !current.piece.is_empty() {
                let short_end = current.is_short_end();
                session.machine().send_body(&mut current.piece)?;
                if short_end && current.piece.is_empty() {
                    // It is written together with the end of the message, and the commands of the next.
                    break;
                }
                // Written until the machine has room again; a reply that comes now is a refusal.
                while let Some(event) = session.next().await? {
                    match current.transaction.hear(event)? {
                        Heard::Failed(error, _) => return Err(error),
                        Heard::Unclaimed(event) => unclaimed(event)?,
                        _ => {}
                    }
                }
            }
            current.piece = current.read().await?;
            if current.piece.is_empty() {
                break;
            }
        }
        let before = current.mended(session.machine_ref());
        current.check(before)?;
        let converted = current.downgrade.is_some();
        self.end(false).await;
        let machine = self.client.session.machine();
        if let Err(reason) = machine.finish_body() {
            self.client.session.hold();
            return Err(reason.into());
        }
        let mended = if converted { before } else { machine.mended() };
        if let Some(ended) = &mut self.ended {
            ended.mended = mended;
        }
        Ok(())
    }

    /// The current message is at its end: the next transaction begins, if it is there. This does not wait, so that a call
    /// cannot be dropped here.
    async fn end(&mut self, reset: bool) {
        self.ended = self.current.take().map(|current| current.transaction.at_its_end());
        self.reset |= reset;
        if let (Some(ended), Some(delivery)) = (&mut self.ended, self.deliveries.back_mut()) {
            delivery.at_its_end(ended);
        }
        let waiting = self.deliveries.back().is_some_and(Delivery::is_waiting);
        if !waiting && !self.exhausted && self.deliveries.len() < AHEAD {
            let next = poll_fn(|cx| Poll::Ready(Pin::new(&mut self.messages).poll_next(cx))).await;
            match next {
                Poll::Ready(Some(message)) => self.take(message),
                Poll::Ready(None) => self.exhausted = true,
                Poll::Pending => {}
            }
        }
        if self.deliveries.back().is_some_and(Delivery::is_waiting) {
            self.start();
        }
        if self.current.is_none() {
            self.client.session.release();
        }
    }

    /// The message by BDAT.
    async fn chunks(&mut self) -> Result<()> {
        loop {
            let session = &mut self.client.session;
            let Some(current) = &mut self.current else { return Ok(()) };
            if current.transaction.first_chunk.is_some() {
                while let Some(event) = session.next().await? {
                    match current.transaction.hear(event)? {
                        heard @ Heard::Failed(..) => {
                            self.heard(Which::Current, heard);
                            return Ok(());
                        }
                        Heard::Unclaimed(event) => unclaimed(event)?,
                        _ => {}
                    }
                }
            }
            let given = match current.read_ahead().await {
                Ok(()) => {
                    let (chunk, last) = current.chunk();
                    let mended = current.mended(session.machine_ref());
                    let checked = if last { current.check(mended) } else { Ok(()) };
                    let machine = session.machine();
                    let given = checked.and_then(|()| match current.text {
                        true => Ok(machine.send_text(known_text(chunk), last)?),
                        false => Ok(machine.send_chunk(chunk, last)?),
                    });
                    given.map(|ticket| (ticket, last))
                }
                Err(error) => Err(error),
            };
            let (ticket, last) = match given {
                Ok(given) => given,
                // The server waits for no more than the next command. The machine waits for a chunk or for that.
                Err(error) => {
                    self.conclude(Which::Current, Err(error), Outcome::NotSent);
                    let session = &mut self.client.session;
                    if let Ok(ticket) = session.machine().send(Command::Rset) {
                        session.expect(ticket, "RSET");
                        self.reset = false;
                    }
                    return Ok(());
                }
            };
            session.expect(ticket, "BDAT");
            current.transaction.first_chunk.get_or_insert(ticket);
            if last {
                current.transaction.data = Some(ticket);
                current.transaction.mended = current.mended(session.machine_ref());
                self.end(true).await;
                return Ok(());
            }
        }
    }
}

/// The next message, once it is there.
async fn next_of<M: Stream + Unpin>(messages: &mut M, exhausted: bool) -> Option<M::Item> {
    if exhausted {
        return None;
    }
    poll_fn(|cx| Pin::new(&mut *messages).poll_next(cx)).await
}

impl<M, E> std::fmt::Debug for Sending<'_, '_, M, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sending").field("client", &self.client).finish_non_exhaustive()
    }
}
