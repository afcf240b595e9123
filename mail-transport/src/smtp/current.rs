//! The transaction that is under way, and its message.

use bytes::Bytes;
use mailwire_core::{Misuse, dot::Mended};
use mailwire_smtp::{Command, Mail, client};

use super::{
    Client, client::name_of, downgrade::Downgrade, signed::Start, split::Delivery, transaction::Transaction,
};
use crate::{Payload, Result, payload::unreadable};

/// The most bytes of a chunk: a server tells only after one that it cannot take the message.
const CHUNK: usize = 1024 * 1024;

/// A transaction that is under way.
pub(super) struct Current<'m> {
    pub(super) transaction: Transaction,
    pub(super) mail: Mail,
    pub(super) payload: Payload<'m>,
    /// What is made of it before it is sent.
    pub(super) downgrade: Option<Downgrade>,
    pub(super) next: Step,
    /// What was read of it and not given yet, and with BDAT what comes after that.
    pub(super) piece: Bytes,
    pub(super) ahead: Bytes,
    /// All of it was read.
    pub(super) read: bool,
    /// What was read first, of a message that may be mended while it is read.
    pub(super) start: Option<Start>,
    pub(super) length: u64,
    /// It was looked through, and nothing has to be mended in it.
    pub(super) text: bool,
}

/// What is to be given to the machine next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Rset,
    Mail,
    Rcpt(usize),
    Data,
    /// The answers to those are due.
    Wait,
    Body,
}

impl Current<'_> {
    /// Gives commands until all are given, or the machine is full.
    pub(super) fn give(&mut self, delivery: &Delivery<'_>, client: &mut Client) -> Result<()> {
        let transaction = &mut self.transaction;
        loop {
            let command = match self.next {
                Step::Rset => Command::Rset,
                Step::Mail => Command::Mail(self.mail.clone()),
                Step::Rcpt(at) => match delivery.recipient(transaction, at) {
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

    /// Whether the piece that was read is the last, and so short that what follows it has room beside it.
    pub(super) fn is_short_end(&self) -> bool {
        const SHORT: usize = 48 * 1024;
        self.piece.len() <= SHORT && self.payload.is_used_up() && self.downgrade.is_none()
    }

    /// Reads what is to be sent next; it is empty at the end.
    pub(super) async fn read(&mut self) -> Result<Bytes> {
        loop {
            let piece = match self.downgrade.as_mut().and_then(Downgrade::rest) {
                Some(rest) => rest,
                None => self.read_piece().await?,
            };
            let Some(downgrade) = &mut self.downgrade else { return Ok(piece) };
            if let Some(bytes) = downgrade.next(piece)? {
                return Ok(bytes);
            }
        }
    }

    async fn read_piece(&mut self) -> Result<Bytes> {
        let added = self.payload.added() > 0;
        let piece = self.payload.next(u64::MAX).await.map_err(unreadable)?;
        self.length = self.length.saturating_add(piece.len() as u64);
        if let Some(start) = &mut self.start {
            start.push(&piece, added);
        }
        Ok(piece)
    }

    /// What was mended in what was given: by the machine, unless the lines were mended before they were converted.
    pub(super) fn mended(&self, machine: &client::Connection) -> Mended {
        self.downgrade.as_ref().map_or_else(|| machine.mended(), Downgrade::mended)
    }

    /// Checks that what was mended of a message that was read leaves its signatures valid. Its end is not given yet.
    pub(super) fn check(&self, mended: Mended) -> Result<()> {
        Ok(self.start.as_ref().map_or(Ok(()), |start| start.permits(mended, self.length))?)
    }

    /// Reads until it is known whether the next chunk is the last.
    pub(super) async fn read_ahead(&mut self) -> Result<()> {
        while !self.read && self.piece.len() <= CHUNK && self.ahead.is_empty() {
            let read = self.read().await?;
            self.read = read.is_empty();
            match self.piece.is_empty() {
                true => self.piece = read,
                false => self.ahead = read,
            }
        }
        Ok(())
    }

    /// The next chunk, and whether it is the last. That one is empty where what is mended in those before it decides whether the
    /// message may be sent.
    pub(super) fn chunk(&mut self) -> (Bytes, bool) {
        let chunk = self.piece.split_to(self.piece.len().min(CHUNK));
        if self.piece.is_empty() {
            self.piece = std::mem::take(&mut self.ahead);
        }
        let read = self.read && self.piece.is_empty();
        let last = read && (chunk.is_empty() || !self.start.as_ref().is_some_and(Start::is_signed));
        (chunk, last)
    }
}
