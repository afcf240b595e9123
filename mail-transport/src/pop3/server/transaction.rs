//! A session with an open maildrop.

use bytes::Bytes;
use mailwire_core::{Misuse, Ticket, WrongState};
use mailwire_pop3::{
    Command, Listing, MessageNumber, Reply, ScanListing, UniqueIdListing, server::Connection,
};

use super::{
    Entry, Expire, Maildrop, Refusal, Service, Utf8,
    presented::{Presented, present},
    speech::Speech,
    top::Top,
};
use crate::{
    Budget, Driver, Result, Step, Stream,
    server::{Content, Reader as _, without_nul},
};

pub(super) type ServerDriver = Driver<Stream, Connection>;

/// What it costs to look at a message's mark or to list the message, in bytes that are looked at.
const LISTED: u64 = 64;

/// A maildrop and the marks of DELE.
pub(super) struct Transaction<M> {
    maildrop: M,
    messages: Vec<Marked>,
    /// What a message with a header beyond ASCII is for this client.
    utf8: Utf8,
    /// Nothing may stay on the server that was downloaded.
    takes_all: bool,
    /// Has no limit. It counts from command to command: many small ones take turns from others, too.
    turns: Budget,
}

struct Marked {
    entry: Entry,
    deleted: bool,
    /// It was sent whole, as it is.
    retrieved: bool,
}

impl<M: Maildrop> Transaction<M> {
    pub(super) fn new(maildrop: M, messages: Vec<Entry>, utf8: Utf8, expire: Option<Expire>) -> Self {
        let message = |entry| Marked { entry, deleted: false, retrieved: false };
        let messages = messages.into_iter().map(message).collect();
        let takes_all = expire == Some(Expire::Days(0));
        Self { maildrop, messages, utf8, takes_all, turns: Budget::unlimited() }
    }

    /// How many messages are not marked, and how many octets they have together.
    pub(super) async fn totals(&mut self) -> (u64, u64) {
        let (mut count, mut octets): (u64, u64) = (0, 0);
        for message in &self.messages {
            let _ = self.turns.spend(LISTED).await;
            if !message.deleted {
                count += 1;
                octets = octets.saturating_add(message.entry.size);
            }
        }
        (count, octets)
    }

    /// The maildrop, and what is to be deleted.
    pub(super) fn finish(self) -> (M, Vec<usize>) {
        // EXPIRE 0: RFC 2449 section 6.7.
        let goes = |message: &Marked| message.deleted || (self.takes_all && message.retrieved);
        let marked = self.messages.iter().enumerate().filter(|(_, message)| goes(message));
        (self.maildrop, marked.map(|(index, _)| index).collect())
    }

    fn message(&mut self, number: MessageNumber) -> Result<(usize, &mut Marked), Refusal> {
        let index = usize::try_from(number.get()).unwrap_or(usize::MAX).saturating_sub(1);
        match self.messages.get_mut(index) {
            Some(message) if !message.deleted => Ok((index, message)),
            Some(_) => Err(Refusal::new("the message is deleted")),
            None => Err(Refusal::new("no such message")),
        }
    }

    pub(super) async fn command(
        &mut self,
        driver: &mut ServerDriver,
        speech: &Speech<'_, impl Service>,
        ticket: Ticket,
        command: Command,
    ) -> Result<()> {
        let answer = match command {
            Command::Stat => {
                let (count, octets) = self.totals().await;
                Ok(Reply::drop_listing(count, octets))
            }
            Command::List(None) => {
                let line = |number, entry: &Entry| Listing::Scan(ScanListing::new(number, entry.size));
                return self.lines(driver, ticket, line).await;
            }
            Command::Uidl(None) => {
                let line = |number, entry: &Entry| {
                    Listing::UniqueId(UniqueIdListing::new(number, entry.unique_id.clone()))
                };
                return self.lines(driver, ticket, line).await;
            }
            Command::List(Some(number)) => {
                self.message(number).map(|(_, message)| Reply::scan_listing(number, message.entry.size))
            }
            Command::Uidl(Some(number)) => self
                .message(number)
                .map(|(_, message)| Reply::unique_id_listing(number, message.entry.unique_id.clone())),
            Command::Dele(number) => self.message(number).map(|(_, message)| {
                message.deleted = true;
                speech.ok("marked for deletion")
            }),
            Command::Rset => {
                for message in &mut self.messages {
                    let _ = self.turns.spend(LISTED).await;
                    (message.deleted, message.retrieved) = (false, false);
                }
                Ok(speech.ok("nothing is marked"))
            }
            Command::Retr(number) => match self.retr(number).await {
                Ok((size, message)) => {
                    let reply = speech.ok(&format!("{size} octets"));
                    let whole = !message.is_surrogate;
                    self.send(driver, ticket, reply, message, None).await?;
                    if let Ok((_, message)) = self.message(number) {
                        message.retrieved |= whole;
                    }
                    return Ok(());
                }
                Err(refusal) => Err(refusal),
            },
            Command::Top { number, lines } => match self.top(number, lines).await {
                Ok(message) => {
                    let top = Some(Top::new(lines));
                    return self.send(driver, ticket, Reply::ok(""), message, top).await;
                }
                Err(refusal) => Err(refusal),
            },
            _ => Err(Refusal::new("not here")),
        };
        match answer {
            Ok(reply) => Ok(driver.connection_mut().reply(ticket, reply)?),
            Err(refusal) => speech.refuse(driver, ticket, refusal),
        }
    }

    async fn retr(&mut self, number: MessageNumber) -> Result<(u64, Presented<M::Reader>), Refusal> {
        let (index, message) = self.message(number)?;
        let size = message.entry.size;
        let content = self.maildrop.retr(index).await?;
        Ok((size, present(content, self.utf8, &mut self.turns).await?))
    }

    async fn top(&mut self, number: MessageNumber, lines: u64) -> Result<Presented<M::Reader>, Refusal> {
        let (index, _) = self.message(number)?;
        let content = self.maildrop.top(index, lines).await?;
        present(content, self.utf8, &mut self.turns).await
    }

    /// Answers with a line for each message that is not marked.
    async fn lines(
        &mut self,
        driver: &mut ServerDriver,
        ticket: Ticket,
        line: impl Fn(MessageNumber, &Entry) -> Listing,
    ) -> Result<()> {
        driver.connection_mut().reply(ticket, Reply::ok(""))?;
        for (number, message) in (1..).map_while(MessageNumber::new).zip(&self.messages) {
            let _ = self.turns.spend(LISTED).await;
            if message.deleted {
                continue;
            }
            put_line(driver, line(number, &message.entry)).await?;
        }
        Ok(driver.connection_mut().finish_body()?)
    }

    /// Answers with a message, or with the part of it that TOP wants.
    async fn send(
        &mut self,
        driver: &mut ServerDriver,
        ticket: Ticket,
        reply: Reply,
        message: Presented<M::Reader>,
        mut top: Option<Top>,
    ) -> Result<()> {
        driver.connection_mut().reply(ticket, reply)?;
        send_piece(driver, message.start, &mut top, &mut self.turns).await?;
        match message.rest {
            Content::Bytes(bytes) => send_piece(driver, bytes, &mut top, &mut self.turns).await?,
            Content::Stream { mut reader, .. } => {
                while !top.as_ref().is_some_and(Top::ended) {
                    match reader.chunk().await {
                        Ok(None) => break,
                        Ok(Some(piece)) => send_piece(driver, piece, &mut top, &mut self.turns).await?,
                        Err(error) => {
                            // The client must not take this for the whole message.
                            give_up(driver).await;
                            return Err(error.into());
                        }
                    }
                }
            }
        }
        Ok(driver.connection_mut().finish_body()?)
    }
}

/// So much of what is in memory is looked at and handed on at once.
const PIECE: usize = 64 << 10;

async fn send_piece(
    driver: &mut ServerDriver,
    mut piece: Bytes,
    top: &mut Option<Top>,
    turns: &mut Budget,
) -> Result<()> {
    while !piece.is_empty() && !top.as_ref().is_some_and(Top::ended) {
        let part = piece.split_to(piece.len().min(PIECE));
        // The client can read faster than is fair to others.
        let _ = turns.spend(part.len() as u64).await;
        let mut part = without_nul(match top {
            Some(top) => top.cut(part),
            None => part,
        });
        while !part.is_empty() {
            if driver.connection_mut().send_body(&mut part)? == 0 {
                drain(driver).await?;
            }
        }
    }
    Ok(())
}

/// Sends a line of a listing, when there is room for it.
pub(super) async fn put_line(driver: &mut ServerDriver, mut line: Listing) -> Result<()> {
    while let Err(error) = driver.connection_mut().send_line(line) {
        if !matches!(error.reason, Misuse::Full { .. }) {
            return Err(error.into());
        }
        line = error.message;
        drain(driver).await?;
    }
    Ok(())
}

/// Writes what waits. The machine reads nothing meanwhile: the answer is not at its end.
async fn drain(driver: &mut ServerDriver) -> Result<()> {
    match driver.next().await? {
        Step::Blocked => Ok(()),
        _ => Err(Misuse::WrongState(WrongState::Busy("the rest of the answer")).into()),
    }
}

/// Ends the connection without an end of the message.
async fn give_up(driver: &mut ServerDriver) {
    mailwire_core::Connection::close(driver.connection_mut());
    let _: Result<_, _> = driver.next().await;
}
