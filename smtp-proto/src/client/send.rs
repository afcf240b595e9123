//! How what a client says leaves.

use alloc::vec::Vec;

use mailwire_core::{
    Error, Misuse, Output, OutputMark, SaslStep, WrongState,
    dot::Stuffer,
    private::NulSearch,
    sasl::{Exchange, room_for, room_for_step},
};

use super::state::{Body, InFlight, Machine, Part, Phase, Progress, Queued};
use crate::{Command, capability::Extension};

/// RFC 5321 section 4.5.3.1.4: an AUTH command that would be longer is sent without its initial
/// response (RFC 4954 section 4).
const COMMAND_LINE: usize = 512;

impl Machine {
    /// Writes to the output, and says where that ends.
    pub(super) fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> OutputMark {
        self.output.write(write);
        self.output.mark()
    }

    /// Writes what may hold a secret, which is zeroed when it has left; `room` is the most that it takes.
    fn write_secret(&mut self, room: usize, write: impl FnOnce(&mut Vec<u8>)) -> OutputMark {
        self.output.write_secret(room, write);
        self.output.mark()
    }

    /// Writes the commands whose turn it is (RFC 2920 section 3.1).
    pub(super) fn flush(&mut self) {
        while matches!(self.phase, Phase::Ready | Phase::Leaving)
            && matches!(self.session.body, Body::None)
            && !self.output.is_full()
        {
            match self.session.in_flight.back() {
                Some(last) if !(last.groups() && self.is_pipelining()) => return,
                _ => {}
            }
            if !self.session.chunks.is_empty() && !self.chunk_may_go() {
                return;
            }
            let Some(Queued { ticket, mut command }) = self.session.queue.pop_front() else { return };
            if let Command::Auth(auth) = &mut command {
                let room = COMMAND_LINE.saturating_sub("AUTH  \r\n".len() + auth.mechanism.as_bytes().len());
                self.session.exchange = Some(Exchange::begin(&auth.mechanism, &mut auth.initial, room));
            }
            let end = match &command {
                Command::Auth(auth) => {
                    let room = COMMAND_LINE.max(room_for(auth.initial.as_ref()));
                    self.write_secret(room, |out| command.write(out))
                }
                _ => self.write(|out| command.write(out)),
            };
            let rules = command.rules();
            if let Some(last) = command.part_of_message() {
                self.write_chunk(ticket, rules, last);
                continue;
            }
            let prdr = matches!(&command, Command::Mail(mail) if mail.parameters().prdr);
            self.session.in_flight.push_back(InFlight { ticket, rules, part: Part::Line, prdr, end });
        }
    }

    pub(super) fn is_pipelining(&self) -> bool {
        self.config.pipelining && self.session.capabilities.offers(Extension::Pipelining)
    }

    /// Responds to a challenge, if one waits for it.
    pub(super) fn answer_challenge(&mut self, step: &SaslStep) -> Result<(), Misuse> {
        if self.failed.is_some() || self.phase == Phase::Closed {
            return Err(Misuse::Closed);
        }
        Exchange::check_turn(self.session.exchange.as_ref())?;
        self.respond(step);
        Ok(())
    }

    /// Writes a response to a challenge; the reply that is due now answers it.
    pub(super) fn respond(&mut self, step: &SaslStep) {
        let Some(mut exchange) = self.session.exchange.take() else { return };
        let end = self.write_secret(room_for_step(step), |out| exchange.respond(step, out));
        self.session.exchange = Some(exchange);
        if let Some(command) = self.session.in_flight.front_mut() {
            command.end = end;
        }
    }

    /// Writes the end of the message, and waits for what it answers.
    pub(super) fn end_body(&mut self) -> Result<(), Misuse> {
        self.session.mended = self.with_stuffer(|stuffer, _, output| stuffer.finish(output))?;
        let end = self.output.mark();
        let Body::Sending { command, .. } = core::mem::replace(&mut self.session.body, Body::None) else {
            return Ok(());
        };
        self.await_verdict(InFlight { end, ..command });
        self.flush();
        Ok(())
    }

    /// A message was written to its end: waits for what answers it.
    pub(super) fn await_verdict(&mut self, command: InFlight) {
        let session = &mut self.session;
        session.progress = Progress::Ended(command.end);
        session.begun = session.queue.iter().any(|queued| matches!(queued.command, Command::Mail(_)));
        if self.config.lmtp {
            let mut left = session.transaction.recipients.len();
            for &ticket in &session.transaction.recipients {
                left -= 1;
                let part = Part::Recipient { data: command.ticket, last: left == 0 };
                session.in_flight.push_back(InFlight { ticket, part, ..command });
            }
        } else {
            session.in_flight.push_back(InFlight { part: Part::Message, ..command });
        }
    }

    pub(super) fn with_stuffer<T>(
        &mut self,
        push: impl FnOnce(&mut Stuffer, &mut Option<NulSearch>, &mut Output) -> Result<T, Misuse>,
    ) -> Result<T, Misuse> {
        if self.failed.is_some() || self.phase == Phase::Closed {
            return Err(Misuse::Closed);
        }
        let result = match &mut self.session.body {
            Body::Sending { stuffer, nul, .. } => push(stuffer, nul, &mut self.output),
            Body::Broken(reason) => return Err(*reason),
            Body::None => return Err(Misuse::WrongState(WrongState::NothingDue("message"))),
        };
        if let Err(reason) = result {
            self.session.body = Body::Broken(reason);
        }
        result
    }

    pub(super) fn fail<T>(&mut self, error: Error) -> Result<T, Error> {
        self.failed = Some(error);
        Err(error)
    }
}
