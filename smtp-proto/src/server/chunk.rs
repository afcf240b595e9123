//! What a server makes of BDAT (RFC 3030).

use alloc::{boxed::Box, format, vec::Vec};

use bytes::{Buf, BytesMut};
use mailwire_core::{Deviation, Misuse, Ticket, private::TextSearch, sasl::Steps};

use super::{
    BodyRefusal, Event,
    rules::Refusal,
    state::{Chunk, Current, Due, Machine, Phase},
};
use crate::{
    Command, Reply, ReplyCode,
    command::{Effect, Name},
};

/// A chunk that is dropped as it comes, and what is to be done then.
#[derive(Debug)]
pub(super) struct Refused {
    left: u64,
    size: u64,
    last: bool,
    by: By,
}

#[derive(Debug)]
enum By {
    Machine(Refusal),
    Application(Reply),
}

impl Machine {
    /// A chunk that may come: of the first one the application is asked.
    pub(super) fn begin_chunk(&mut self, size: u64, last: bool, deviations: Vec<Deviation>) -> Option<Event> {
        let rules = Name::Bdat.rules();
        self.count_chunk(size, last)?;
        let Some(chunk) = self.session.transaction.chunk.take() else {
            let due = Due::ChunkReply { size, last };
            return Some(self.ask(Command::Bdat { size, last }, rules, due, deviations));
        };
        let due = Due::Chunk(Chunk { left: size, size, last, ..chunk });
        self.current = Some(Current { ticket: chunk.ticket, rules, due, steps: Steps::default() });
        self.moved = true;
        None
    }

    /// An empty chunk leads nowhere, unless it is the last.
    fn count_chunk(&mut self, size: u64, last: bool) -> Option<()> {
        if size == 0 && !last { self.idle() } else { Some(()) }
    }

    /// Whether the application may grant a BDAT with this ticket.
    pub(super) fn permits_chunk_grant(&self, ticket: Ticket) -> Result<(), Misuse> {
        match &self.current {
            _ if self.failed.is_some() => Err(Misuse::Closed),
            Some(Current { ticket: current, due: Due::ChunkReply { .. }, .. }) if *current == ticket => {
                Ok(())
            }
            _ => Err(Misuse::UnknownTicket),
        }
    }

    /// Grants a BDAT that was asked of the application.
    pub(super) fn accept_chunk(&mut self) {
        let binary = self.session.transaction.binary;
        let Some(Current { ticket, due, .. }) = &mut self.current else { return };
        let Due::ChunkReply { size, last } = *due else { return };
        self.session.transaction.fetched = None;
        *due = Due::Chunk(Chunk {
            ticket: *ticket,
            left: size,
            size,
            last,
            started: false,
            length: 0,
            search: (!binary).then(|| TextSearch::new(true, !self.config.allow_nul)),
        });
        self.session.state = Effect::Bdat.after(self.session.state);
    }

    /// The next part of a chunk, if it is there.
    pub(super) fn receive_chunk(&mut self, input: &mut BytesMut) -> Option<Event> {
        let Some(Current { due: Due::Chunk(chunk), .. }) = &mut self.current else { return None };
        if !chunk.started {
            chunk.started = true;
            return Some(Event::BodyStart { ticket: chunk.ticket });
        }
        if chunk.left == 0 {
            return self.chunk_end();
        }
        let length = part_of(chunk.left, input);
        if length == 0 {
            return None;
        }
        let piece = input.split_to(length).freeze();
        chunk.left -= length as u64;
        chunk.length += length as u64;
        if let Some(search) = &mut chunk.search {
            search.look(&piece);
        }
        Some(Event::BodyChunk(piece))
    }

    fn chunk_end(&mut self) -> Option<Event> {
        let Current { due: Due::Chunk(mut chunk), ticket, rules, steps } = self.current.take()? else {
            return None;
        };
        match (chunk.verdict(), chunk.last) {
            (Some(reason), last) => {
                self.fail_transaction(&reason.reply(), last);
                Some(Event::BodyRefused { ticket, reason })
            }
            (None, true) => {
                self.current = Some(Current { ticket, rules, due: Due::MessageReply, steps });
                Some(self.body_end(ticket, chunk.length, None))
            }
            (None, false) => {
                let text = format!("{} bytes received", chunk.size);
                self.write_reply(&Reply::new(ReplyCode::OK, &text).with_enhanced(0, 0));
                self.session.transaction.chunk = Some(chunk);
                self.moved = true;
                None
            }
        }
    }

    /// The machine refuses a chunk, after it has come.
    pub(super) fn refuse_chunk(&mut self, size: u64, last: bool, refusal: Refusal) -> Option<Event> {
        self.count_chunk(size, last)?;
        self.drop_next(size, last, By::Machine(refusal));
        None
    }

    /// The application has refused a chunk.
    pub(super) fn refuse_asked_chunk(&mut self, size: u64, last: bool, reply: Reply) {
        if reply.code() == ReplyCode::UNAVAILABLE {
            self.write_reply(&reply);
            self.phase = Phase::Closed;
        } else {
            self.drop_next(size, last, By::Application(reply));
        }
    }

    /// The machine refuses a part of a message that comes by BURL.
    #[cold]
    pub(super) fn refuse_part(&mut self, command: Command, refusal: Refusal) -> Event {
        let last = command.part_of_message().unwrap_or_default();
        if !self.session.state.is_in_transaction() || refusal.bad {
            return self.refused(command, Effect::Bdat, refusal);
        }
        let (begun, reply) = (self.session.transaction.give_up(), refusal.reply);
        self.fail_transaction(&reply, last);
        match begun {
            Some(ticket) => Event::BodyRefused { ticket, reason: BodyRefusal::GivenUp },
            None => Event::Refused { command, reply: Box::new(reply) },
        }
    }

    /// A part comes by BURL, of which nothing is seen here: no line end of the chunks before it reaches over it.
    pub(super) fn end_chunks(&mut self, last: bool) -> Option<Event> {
        let Chunk { ticket, search, .. } = self.session.transaction.chunk.as_mut()?;
        let (ticket, search) = (*ticket, search.as_mut()?);
        search.finish();
        let reason = BodyRefusal::BareNewline(search.bare()?);
        self.session.transaction.chunk = None;
        self.fail_transaction(&reason.reply(), last);
        Some(Event::BodyRefused { ticket, reason })
    }

    /// The application has answered BURL. What came of the message by BDAT is its own affair, unless the message fails.
    pub(super) fn answer_part(&mut self, ticket: Ticket, last: bool, reply: &Reply) {
        self.current = None;
        if reply.is_positive() {
            match last {
                true => self.session.end_transaction(),
                false => {
                    self.session.state = Effect::Bdat.after(self.session.state);
                    self.session.transaction.fetched.get_or_insert(ticket);
                }
            }
            self.write_reply(reply);
            return;
        }
        let begun = self.session.transaction.give_up();
        self.fail_transaction(reply, last);
        self.close_if_unavailable(reply);
        self.later = begun.map(|ticket| Event::BodyRefused { ticket, reason: BodyRefusal::GivenUp });
        self.moved = true;
    }

    fn drop_next(&mut self, size: u64, last: bool, by: By) {
        self.current = Some(Current {
            ticket: self.tickets.issue(),
            rules: Name::Bdat.rules(),
            due: Due::RefusedChunk(Refused { left: size, size, last, by }),
            steps: Steps::default(),
        });
        self.moved = true;
    }

    /// Drops what is there of a chunk; at its end the refusal is told.
    pub(super) fn drop_chunk(&mut self, input: &mut BytesMut) -> Option<Event> {
        let Some(Current { due: Due::RefusedChunk(refused), .. }) = &mut self.current else { return None };
        let length = part_of(refused.left, input);
        refused.left -= length as u64;
        if length == input.len() {
            // The input keeps its memory.
            input.clear();
        } else {
            input.advance(length);
        }
        if refused.left > 0 {
            return None;
        }
        let Current { due: Due::RefusedChunk(Refused { size, last, by, .. }), .. } = self.current.take()?
        else {
            return None;
        };
        match by {
            By::Application(reply) => {
                // The parts before it came by BURL.
                let begun = self.session.transaction.give_up();
                self.fail_transaction(&reply, last);
                self.later = begun.map(|ticket| Event::BodyRefused { ticket, reason: BodyRefusal::GivenUp });
                self.moved = true;
                None
            }
            By::Machine(refusal) => Some(self.chunk_refused(size, last, refusal)),
        }
    }

    fn chunk_refused(&mut self, size: u64, last: bool, refusal: Refusal) -> Event {
        let session = &mut self.session;
        // RFC 2033 section 4.3: the last chunk of a message for nobody has no reply.
        let silent = last && self.config.lmtp;
        if !session.state.is_in_transaction() || refusal.bad && !silent {
            // No transaction fails by it.
            return self.refused(Command::Bdat { size, last }, Effect::Bdat, refusal);
        }
        let (begun, reply) = (session.transaction.give_up(), refusal.reply);
        self.fail_transaction(&reply, last);
        match begun {
            Some(ticket) => {
                let reason = BodyRefusal::TooLarge(self.config.limits.message);
                Event::BodyRefused { ticket, reason }
            }
            None => Event::Refused { command: Command::Bdat { size, last }, reply: Box::new(reply) },
        }
    }

    /// A chunk was refused, which fails the transaction: the last one ends it, after any other RSET has to come.
    fn fail_transaction(&mut self, reply: &Reply, last: bool) {
        if last {
            self.write_verdict(reply);
            self.session.end_transaction();
        } else {
            self.write_reply(reply);
            self.session.transaction.failed = true;
        }
    }

    /// What comes between two chunks: some commands give the message up.
    #[cold]
    pub(super) fn between_chunks(&mut self, effect: Effect, command: Event) -> Event {
        if !matches!(effect, Effect::Ehlo | Effect::Helo | Effect::Reset | Effect::StartTls | Effect::Quit) {
            return command;
        }
        let Some(ticket) = self.session.transaction.give_up() else { return command };
        self.session.transaction.failed = true;
        self.later = Some(command);
        Event::BodyRefused { ticket, reason: BodyRefusal::GivenUp }
    }

    /// Nobody knows where the chunk of a BDAT ends, so that what follows cannot be told from commands.
    pub(super) fn lose_track(&mut self) {
        self.phase = Phase::Closed;
    }
}

impl Chunk {
    /// Why the message is refused after this chunk, if it is.
    fn verdict(&mut self) -> Option<BodyRefusal> {
        let search = self.search.as_mut()?;
        if self.last {
            search.finish();
        }
        search.bare().map(BodyRefusal::BareNewline).or(search.nul().map(BodyRefusal::Nul))
    }
}

impl BodyRefusal {
    /// What the client is told.
    pub(super) fn reply(self) -> Reply {
        match self {
            Self::BareNewline(_) => Reply::of(ReplyCode::FAILED, 6, 0, "A bare CR or LF in the message"),
            Self::Nul(_) => Reply::of(ReplyCode::FAILED, 6, 0, "A NUL in the message"),
            Self::TooLarge(_) => Reply::of(ReplyCode::TOO_LARGE, 3, 4, "Message too large"),
            Self::GivenUp => Reply::of(ReplyCode::FAILED, 5, 0, "Given up"),
        }
    }
}

/// How much of the input belongs to a chunk of which so much is left.
fn part_of(left: u64, input: &BytesMut) -> usize {
    usize::try_from(left).map_or(input.len(), |left| left.min(input.len()))
}
