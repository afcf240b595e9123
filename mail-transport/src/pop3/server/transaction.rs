//! A session with an open maildrop.

use bytes::Bytes;
use mailwire_core::{Misuse, Ticket, WrongState};
use mailwire_pop3::{
    Command, Listing, MessageNumber, Reply, ScanListing, UniqueIdListing, server::Connection,
};

use super::{Entry, Maildrop, Refusal, top::Top};
use crate::{
    Driver, Result, Step, Stream,
    server::{Content, Reader, without_nul},
};

pub(super) type ServerDriver = Driver<Stream, Connection>;

/// A maildrop and the marks of DELE.
pub(super) struct Transaction<M> {
    maildrop: M,
    messages: Vec<Marked>,
}

struct Marked {
    entry: Entry,
    deleted: bool,
}

impl<M: Maildrop> Transaction<M> {
    pub(super) fn new(maildrop: M, messages: Vec<Entry>) -> Self {
        let message = |entry| Marked { entry, deleted: false };
        Self { maildrop, messages: messages.into_iter().map(message).collect() }
    }

    /// The messages that are not marked.
    fn listed(&self) -> impl Iterator<Item = (MessageNumber, &Entry)> {
        let numbered = (1..).zip(&self.messages).filter(|(_, message)| !message.deleted);
        numbered.filter_map(|(number, message)| Some((MessageNumber::new(number)?, &message.entry)))
    }

    pub(super) fn count(&self) -> u64 {
        self.listed().count() as u64
    }

    pub(super) fn octets(&self) -> u64 {
        self.listed().fold(0, |sum: u64, (_, entry)| sum.saturating_add(entry.size))
    }

    /// The maildrop, and what is to be deleted.
    pub(super) fn finish(self) -> (M, Vec<usize>) {
        let marked = self.messages.iter().enumerate().filter(|(_, message)| message.deleted);
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
        ticket: Ticket,
        command: Command,
    ) -> Result<()> {
        let answer = match command {
            Command::Stat => Ok(Reply::drop_listing(self.count(), self.octets())),
            Command::List(None) => {
                let line = |(number, entry): (_, &Entry)| Listing::Scan(ScanListing::new(number, entry.size));
                return lines(driver, ticket, self.listed().map(line)).await;
            }
            Command::Uidl(None) => {
                let line = |(number, entry): (_, &Entry)| {
                    Listing::UniqueId(UniqueIdListing::new(number, entry.unique_id.clone()))
                };
                return lines(driver, ticket, self.listed().map(line)).await;
            }
            Command::List(Some(number)) => {
                self.message(number).map(|(_, message)| Reply::scan_listing(number, message.entry.size))
            }
            Command::Uidl(Some(number)) => self
                .message(number)
                .map(|(_, message)| Reply::unique_id_listing(number, message.entry.unique_id.clone())),
            Command::Dele(number) => self.message(number).map(|(_, message)| {
                message.deleted = true;
                Reply::ok("marked for deletion")
            }),
            Command::Rset => {
                self.messages.iter_mut().for_each(|message| message.deleted = false);
                Ok(Reply::ok("nothing is marked"))
            }
            Command::Retr(number) => match self.retr(number).await {
                Ok((size, content)) => {
                    let reply = Reply::ok(&format!("{size} octets"));
                    return send(driver, ticket, reply, content, None).await;
                }
                Err(refusal) => Err(refusal),
            },
            Command::Top { number, lines } => match self.top(number, lines).await {
                Ok(content) => {
                    return send(driver, ticket, Reply::ok(""), content, Some(Top::new(lines))).await;
                }
                Err(refusal) => Err(refusal),
            },
            _ => Err(Refusal::new("not here")),
        };
        match answer {
            Ok(reply) => Ok(driver.connection_mut().reply(ticket, reply)?),
            Err(refusal) => refuse(driver, ticket, refusal),
        }
    }

    async fn retr(&mut self, number: MessageNumber) -> Result<(u64, Content<M::Reader>), Refusal> {
        let (index, message) = self.message(number)?;
        let size = message.entry.size;
        Ok((size, self.maildrop.retr(index).await?))
    }

    async fn top(&mut self, number: MessageNumber, lines: u64) -> Result<Content<M::Reader>, Refusal> {
        let (index, _) = self.message(number)?;
        self.maildrop.top(index, lines).await
    }
}

pub(super) fn refuse(driver: &mut ServerDriver, ticket: Ticket, refusal: Refusal) -> Result<()> {
    let reply = match refusal.code {
        Some(code) => Reply::err_with(code, &refusal.text),
        None => Reply::err(&refusal.text),
    };
    Ok(driver.connection_mut().reply(ticket, reply)?)
}

/// Answers with lines.
async fn lines(
    driver: &mut ServerDriver,
    ticket: Ticket,
    lines: impl Iterator<Item = Listing>,
) -> Result<()> {
    driver.connection_mut().reply(ticket, Reply::ok(""))?;
    for mut line in lines {
        while let Err(error) = driver.connection_mut().send_line(line) {
            if !matches!(error.reason, Misuse::Full { .. }) {
                return Err(error.into());
            }
            line = error.message;
            drain(driver).await?;
        }
    }
    Ok(driver.connection_mut().finish_body()?)
}

/// Answers with a message, or with the part of it that TOP wants.
async fn send<R: Reader>(
    driver: &mut ServerDriver,
    ticket: Ticket,
    reply: Reply,
    content: Content<R>,
    mut top: Option<Top>,
) -> Result<()> {
    driver.connection_mut().reply(ticket, reply)?;
    match content {
        Content::Bytes(bytes) => send_piece(driver, bytes, &mut top).await?,
        Content::Stream { mut reader, .. } => {
            while !top.as_ref().is_some_and(Top::ended) {
                match reader.chunk().await {
                    Ok(None) => break,
                    Ok(Some(piece)) => send_piece(driver, piece, &mut top).await?,
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

/// So much of what is in memory is looked at and handed on at once.
const PIECE: usize = 64 << 10;

async fn send_piece(driver: &mut ServerDriver, mut piece: Bytes, top: &mut Option<Top>) -> Result<()> {
    if let Some(top) = top {
        piece = top.cut(piece);
    }
    while !piece.is_empty() {
        // What stands in memory as a whole is not copied as a whole.
        let mut part = without_nul(piece.split_to(piece.len().min(PIECE)));
        while !part.is_empty() {
            if driver.connection_mut().send_body(&mut part)? == 0 {
                drain(driver).await?;
            }
        }
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
