//! Messages one after the other, without a round trip between two of them.
//!
//! Where they come from is [`Sending`](super::Sending)'s to know: what is here is not generic, so that it is compiled into this crate
//! once, and not into each program that sends something.

use std::{borrow::Cow, collections::VecDeque};

use bytes::Bytes;
use mailwire_core::private::known_text;
use mailwire_smtp::{
    BodyType, Command, Reply, State,
    client::{Event, Outcome},
};

use super::{
    Client, Envelope, Sent,
    client::unclaimed,
    current::{Current, Step},
    send::Plan,
    signed::Start,
    split::{Delivery, Told},
    transaction::{Heard, Transaction},
};
use crate::{Error, Payload, Result, runtime::Boxed};

/// The most messages that were taken and are not told: one whose answer is due, and the one that is sent meanwhile.
const AHEAD: usize = 2;

/// Messages on their way over one connection.
pub(super) struct Pipeline<'c, 'm> {
    pub(super) client: &'c mut Client,
    /// There are no more messages than those that were put.
    exhausted: bool,
    /// Those that were put and are not told, in their order.
    deliveries: VecDeque<Delivery<'m>>,
    /// The transaction whose message was given to its end, and is not answered: of the first delivery.
    ended: Option<Transaction>,
    /// The one after that: of the last delivery.
    current: Option<Current<'m>>,
    /// A transaction was left open.
    reset: bool,
    /// What ended the connection, if that was an answer.
    pub(super) over: Option<Error>,
    outcome: Outcome,
}

/// What has come of a message, or is to be done for it to go on.
pub(super) enum Due {
    /// The first message is answered.
    Told(Result<Sent>),
    /// Another message is to be put, or to be said that there is none: nothing is under way.
    Message,
    /// A message is at its end: [`end`](Pipeline::end) is to be called, after another one was put if it is there.
    End,
    /// Every message is told.
    Nothing,
}

/// Which transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// The one whose message is at its end.
    Ended,
    Current,
}

impl<'c, 'm> Pipeline<'c, 'm> {
    pub(super) const fn new(client: &'c mut Client) -> Self {
        Self {
            client,
            exhausted: false,
            deliveries: VecDeque::new(),
            ended: None,
            current: None,
            reset: false,
            over: None,
            outcome: Outcome::NotSent,
        }
    }

    /// Puts a message after the others.
    pub(super) fn put(&mut self, envelope: Cow<'m, Envelope>, payload: Payload<'m>) {
        self.deliveries.push_back(Delivery::new(envelope, payload));
    }

    /// There are no more messages.
    pub(super) const fn exhausted(&mut self) {
        self.exhausted = true;
    }

    /// Sends the only message.
    pub(super) async fn send(mut self, envelope: &'m Envelope, payload: Payload<'m>) -> Result<Sent> {
        self.put(Cow::Borrowed(envelope), payload);
        self.exhausted();
        loop {
            match self.go_on().await {
                Due::Told(result) => return result,
                Due::End => self.end(),
                Due::Message | Due::Nothing => return Err(Error::Closed),
            }
        }
    }

    /// Whether a message may be put while the answer to another one is waited for.
    pub(super) fn has_room(&self) -> bool {
        let waiting = self.deliveries.back().is_some_and(Delivery::is_waiting);
        self.current.is_none() && self.ended.is_some() && !waiting && self.has_room_for_another()
    }

    fn has_room_for_another(&self) -> bool {
        !self.exhausted && self.deliveries.len() < AHEAD
    }

    /// Sends until there is something to be done. Cancel-safe: called again, it goes on where it was.
    pub(super) fn go_on(&mut self) -> Boxed<'_, Due> {
        Box::pin(self.next_due())
    }

    async fn next_due(&mut self) -> Due {
        loop {
            if self.deliveries.front().is_some_and(Delivery::is_done) {
                if let Some(done) = self.deliveries.pop_front() {
                    return Due::Told(self.tell(done.told()));
                }
            }
            let waiting = self.deliveries.back().is_some_and(Delivery::is_waiting);
            let at_its_end = match (&self.current, &self.ended) {
                (None, None) if waiting => self.start_anew().await.map(|()| false),
                (None, Some(_)) if waiting => {
                    self.start();
                    Ok(false)
                }
                (None, None) if self.exhausted => return Due::Nothing,
                (None, None) => return Due::Message,
                _ => self.advance().await,
            };
            match at_its_end {
                Ok(true) if self.is_next_wanted() => return Due::End,
                Ok(true) => self.end(),
                Ok(false) => {}
                Err(error) => self.lost(error),
            }
        }
    }

    /// The outcome of the message that was told last.
    pub(super) const fn outcome(&self) -> Outcome {
        self.outcome
    }

    fn tell(&mut self, told: Told) -> Result<Sent> {
        crate::metrics::message_sent(self.client.session.protocol(), told.result.is_ok(), told.outcome);
        self.outcome = told.outcome;
        self.client.told = Some(told.outcome);
        self.client.refused = told.refused;
        told.result
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

    /// The next step: an event, or a part of a message. Tells whether the message is at its end.
    async fn advance(&mut self) -> Result<bool> {
        self.give();
        match &self.current {
            Some(Current { next: Step::Body, transaction, .. }) if transaction.chunked => self.chunks().await,
            Some(Current { next: Step::Body, .. }) => self.body().await,
            None if self.ended.is_none() => Ok(false),
            _ => {
                let event = self.client.session.event().await?;
                self.hear(event)?;
                Ok(false)
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

    /// The message by DATA, up to its end.
    async fn body(&mut self) -> Result<bool> {
        let session = &mut self.client.session;
        let Some(current) = &mut self.current else { return Ok(false) };
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
        current.check(current.mended(session.machine_ref()))?;
        Ok(true)
    }

    /// The message by BDAT.
    async fn chunks(&mut self) -> Result<bool> {
        loop {
            let session = &mut self.client.session;
            let Some(current) = &mut self.current else { return Ok(false) };
            if current.transaction.first_chunk.is_some() {
                while let Some(event) = session.next().await? {
                    match current.transaction.hear(event)? {
                        heard @ Heard::Failed(..) => {
                            self.heard(Which::Current, heard);
                            return Ok(false);
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
                    return Ok(false);
                }
            };
            session.expect(ticket, "BDAT");
            current.transaction.first_chunk.get_or_insert(ticket);
            if last {
                current.transaction.data = Some(ticket);
                return Ok(true);
            }
        }
    }

    /// Whether another message may begin together with the end of the current one, whose last words are not said yet.
    fn is_next_wanted(&mut self) -> bool {
        if let (Some(current), Some(delivery)) = (&mut self.current, self.deliveries.back_mut()) {
            delivery.at_its_end(&mut current.transaction);
        }
        self.has_room_for_another() && !self.deliveries.back().is_some_and(Delivery::is_waiting)
    }

    /// The commands of the next transaction, if it is there, then the end of the current message: all in one group.
    pub(super) fn end(&mut self) {
        let Some(current) = self.current.take() else { return };
        let mended = current.mended(self.client.session.machine_ref());
        let (chunked, converted) = (current.transaction.chunked, current.downgrade.is_some());
        let ended = self.ended.insert(current.transaction.at_its_end());
        ended.mended = mended;
        self.reset |= chunked;
        if self.deliveries.back().is_some_and(Delivery::is_waiting) {
            self.start();
        }
        if self.current.is_none() {
            self.client.session.release();
        }
        if chunked {
            return;
        }
        let machine = self.client.session.machine();
        if let Err(reason) = machine.finish_body() {
            self.client.session.hold();
            self.lost(reason.into());
        } else if let (Some(ended), false) = (&mut self.ended, converted) {
            ended.mended = machine.mended();
        }
    }
}
