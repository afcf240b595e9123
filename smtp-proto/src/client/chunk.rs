//! How a message leaves by BDAT (RFC 3030).

use bytes::Bytes;
use mailwire_core::{
    Misuse, SendError, Ticket, WrongState,
    dot::{BareNewline, CheckedText, Mended, Mender},
    private::TextSearch,
};

use super::{
    no_nul,
    state::{Body, InFlight, Machine, Part, Progress, Queued, Sending, Session},
};
use crate::{
    Command,
    command::{Effect, Rules},
    extensions::burl::Burl,
};

/// So many chunks may wait for their replies: a server that does not read while it writes these has no reason to
/// stop.
const WINDOW: usize = 8;

impl Machine {
    /// Takes a chunk for sending, which is looked through.
    pub(super) fn give_chunk(&mut self, chunk: Bytes, last: bool) -> Result<Ticket, SendError<Bytes>> {
        self.give_bytes(chunk, last, |search, chunk| search.look(chunk))
    }

    /// Takes a chunk for sending that was looked through.
    pub(super) fn give_text(
        &mut self,
        chunk: CheckedText,
        last: bool,
    ) -> Result<Ticket, SendError<CheckedText>> {
        let given = self.give_bytes(chunk.clone().into_bytes(), last, |search, _| search.pass(&chunk));
        given.map_err(|error| SendError::new(error.reason, chunk))
    }

    fn give_bytes(
        &mut self,
        chunk: Bytes,
        last: bool,
        look: impl FnOnce(&mut TextSearch, &Bytes),
    ) -> Result<Ticket, SendError<Bytes>> {
        let command = Command::Bdat { size: chunk.len() as u64, last };
        let taken =
            self.permits(&command).and_then(|()| self.check_chunk(last, |search| look(search, &chunk)));
        if let Err(reason) = taken {
            return Err(SendError::new(reason, chunk));
        }
        let chunk = self.mend_chunk(chunk, last);
        let command = Command::Bdat { size: chunk.len() as u64, last };
        Ok(self.give_part(command, chunk, last))
    }

    /// Takes a part of a message that the server fetches: it has no bytes here, and no line end of the chunks reaches over it.
    #[allow(clippy::result_large_err)] // The command is handed back.
    pub(super) fn give_burl(&mut self, burl: Burl) -> Result<Ticket, SendError<Command>> {
        if let Err(reason) = self.check_chunk(true, |_| {}) {
            return Err(SendError::new(reason, Command::Burl(burl)));
        }
        self.mend_chunk(Bytes::new(), false);
        if let Some(mender) = &mut self.session.mender {
            mender.end_part();
            self.session.mended = mender.mended();
        }
        let last = burl.last;
        Ok(self.give_part(Command::Burl(burl), Bytes::new(), last))
    }

    fn give_part(&mut self, command: Command, chunk: Bytes, last: bool) -> Ticket {
        let ticket = self.tickets.issue();
        self.session.sending = if last { Sending::Whole } else { Sending::Chunks };
        self.session.queue.push_back(Queued { ticket, command });
        self.session.chunks.push_back(chunk);
        self.flush();
        ticket
    }

    /// Looks for what may not stand in a message that is not BINARYMIME; `ends` if the next byte is not that of a chunk.
    fn check_chunk(&mut self, ends: bool, look: impl FnOnce(&mut TextSearch)) -> Result<(), Misuse> {
        let begun = TextSearch::new(true, !self.config.allow_nul);
        let mut search = match self.session.sending {
            Sending::Chunks => self.session.search,
            _ => (!self.session.binary).then_some(begun),
        };
        if let Some(search) = &mut search {
            look(search);
            no_nul(search.nul())?;
            if ends {
                search.finish();
            }
            if let (Some(offset), BareNewline::Refuse) = (search.bare(), self.config.bare_newline) {
                let reason = "a CR or LF that is not part of a CR LF pair";
                return Err(Misuse::InvalidBody { reason, offset });
            }
        }
        self.session.search = search;
        Ok(())
    }

    /// The chunk as it is to be sent, of a message that is not BINARYMIME.
    fn mend_chunk(&mut self, chunk: Bytes, last: bool) -> Bytes {
        let session = &mut self.session;
        if session.sending != Sending::Chunks {
            let mends = self.config.bare_newline == BareNewline::Normalize && !session.binary;
            session.mender = mends.then(Mender::new);
            session.mended = Mended::default();
        }
        let Some(mender) = &mut session.mender else { return chunk };
        let chunk = match &session.search {
            Some(search) => search.mend(mender, chunk),
            None => mender.push(chunk),
        };
        session.mended = if last { mender.finish() } else { mender.mended() };
        chunk
    }

    /// Whether what is first in the queue can go as far as chunks are concerned. Those that can never go leave
    /// the queue.
    pub(super) fn chunk_may_go(&mut self) -> bool {
        loop {
            let session = &mut self.session;
            let Some((ticket, last)) = session
                .queue
                .front()
                .and_then(|first| Some((first.ticket, first.command.part_of_message()?)))
            else {
                return true;
            };
            if !session.awaits_chunks_alone() {
                // Commands of this transaction, or the message before it.
                return false;
            }
            let reason = if session.transaction.failed {
                WrongState::ChunkRefused
            } else if session.transaction.recipients.is_empty() {
                WrongState::NoRecipients
            } else {
                // How many replies LMTP has to a last chunk after a refused one is not certain.
                let alone = last && self.config.lmtp;
                return session.in_flight.len() < if alone { 1 } else { WINDOW };
            };
            session.unsent.push_back((ticket, Misuse::WrongState(reason)));
            session.queue.pop_front();
            session.chunks.pop_front();
        }
    }

    /// Writes the bytes of a BDAT command, whose line was written.
    pub(super) fn write_chunk(&mut self, ticket: Ticket, rules: Rules, last: bool) {
        self.output.append(self.session.chunks.pop_front().unwrap_or_default());
        let command = InFlight { ticket, rules, part: Part::Chunk, prdr: false, end: self.output.mark() };
        match last {
            true => self.await_verdict(command),
            false => self.session.in_flight.push_back(command),
        }
    }

    /// Whether it is the caller's turn to give the next chunk.
    pub(super) fn is_chunk_due(&self) -> bool {
        let session = &self.session;
        session.sending == Sending::Chunks
            && session.queue.is_empty()
            && !session.transaction.failed
            && session.awaits_chunks_alone()
            && session.in_flight.len() < if self.is_pipelining() { WINDOW } else { 1 }
    }

    /// Whether bytes of a message wait to be written.
    pub(super) fn is_sending_body(&self) -> bool {
        let of_chunk = |due: &InFlight| due.rules.effect == Effect::Bdat && !self.output.has_left(due.end);
        !matches!(self.session.body, Body::None) || self.session.in_flight.iter().any(of_chunk)
    }
}

impl Session {
    /// Whether nothing but chunks waits for a reply.
    fn awaits_chunks_alone(&self) -> bool {
        self.in_flight.iter().all(|command| command.part == Part::Chunk)
    }

    /// A chunk was refused: the transaction has failed (RFC 3030 section 2).
    pub(super) fn chunk_refused(&mut self) {
        self.transaction.failed = true;
        // Unless its end is out, or the next message is what is asked about.
        let of_last = matches!(self.sending, Sending::Chunks | Sending::Whole);
        if of_last && !matches!(self.progress, Progress::Ended(_)) {
            self.answered(false);
        }
    }

    /// Whether RSET is on its way.
    pub(super) fn is_resetting(&self) -> bool {
        self.in_flight.iter().any(|command| command.rules.effect == Effect::Reset)
            || self.queue.iter().any(|queued| matches!(queued.command, Command::Rset))
    }
}
