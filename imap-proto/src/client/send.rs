//! Taking commands, and writing them when their turn comes.

use alloc::{collections::VecDeque, vec::Vec};

use bytes::Bytes;
use mailwire_core::{
    Channel, Misuse, OutputMark, SaslStep, Secret, Ticket, WrongState,
    sasl::{Exchange, room_for, room_for_step},
};

use super::{
    Event, State,
    state::{Idle, InFlight, Machine, Phase, Queued, Unfinished, Unsent},
};
use crate::{
    body::Outgoing,
    capability::Capability,
    command::{Append, Command, Literals, Rules, WriteStep},
    types::{Tag, write_number},
};

impl Machine {
    /// Whether a command can be taken.
    pub(super) fn check(&self, command: &Command) -> Result<(), Misuse> {
        if self.failed.is_some() || self.phase == Phase::Closed || self.eof {
            return Err(Misuse::Closed);
        }
        if self.session.state == State::Logout {
            return Err(Misuse::WrongState(WrongState::Ending));
        }
        if self.queue.len() + self.in_flight.len() >= self.config.limits.queue {
            return Err(Misuse::Full { limit: self.config.limits.queue });
        }
        let allow_clear = self.config.allow_clear_credentials;
        let waits = self.phase != Phase::Running
            || !self.queue.is_empty()
            || self.in_flight.iter().any(|sent| sent.rules.is_alone());
        if waits {
            self.session.permits_later(command, self.config.channel != Channel::Clear || allow_clear)
        } else {
            self.session.permits(command, &command.rules(), allow_clear)
        }
    }

    /// Takes a command, which ends an IDLE that is in progress.
    pub(super) fn enqueue(&mut self, command: Command) -> Ticket {
        let ticket = self.tickets.issue();
        self.queue.push_back(Queued { ticket: Some(ticket), command });
        self.end_idle();
        self.flush();
        ticket
    }

    /// Writes as many queued commands as may be sent.
    pub(super) fn flush(&mut self) {
        while self.phase == Phase::Running && self.unfinished.is_none() {
            let Some(next) = self.queue.front() else { return };
            let rules = next.command.rules();
            let pipelining = self.config.pipelining;
            let mut in_flight = self.in_flight.iter();
            if !in_flight.all(|before| pipelining && next.command.may_follow(&before.rules))
                || self.output.is_full()
            {
                return;
            }
            let Some(next) = self.queue.pop_front() else { return };
            let checked = match next.ticket {
                _ if self.session.state == State::Logout => Err(Misuse::WrongState(WrongState::Ending)),
                Some(_) => self.session.permits(&next.command, &rules, self.config.allow_clear_credentials),
                None => Ok(()),
            };
            match (checked, next.ticket) {
                (Ok(()), _) => self.write_command(next, rules),
                (Err(reason), Some(ticket)) => {
                    self.events.push_back(Event::NotSent { ticket, reason });
                }
                (Err(_), None) => {}
            }
        }
    }

    /// The machine's own CAPABILITY, before all that waits.
    pub(super) fn ask_capabilities(&mut self) {
        self.queue.push_front(Queued { ticket: None, command: Command::Capability });
    }

    /// The machine's own STARTTLS, before all that waits.
    pub(super) fn ask_tls(&mut self) {
        let command = Command::StartTls;
        let rules = command.rules();
        self.write_command(Queued { ticket: None, command }, rules);
    }

    /// A prefix that cannot be guessed, and a number.
    fn next_tag(&mut self) -> Tag {
        const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        self.tags = self.tags.wrapping_add(1);
        let mut tag = Vec::with_capacity(20);
        let mut seed = self.config.tag_seed;
        while seed > 0 {
            let letter = LETTERS.get((seed % 32) as usize).copied().unwrap_or(b'a');
            tag.push(letter);
            seed /= 32;
        }
        tag.push(b'.');
        write_number(&mut tag, self.tags);
        Tag::unchecked(tag.into())
    }

    fn write_command(&mut self, queued: Queued, rules: Rules) {
        let Queued { ticket, mut command } = queued;
        self.profile.adapt(&mut command);
        let tag = self.next_tag();
        self.written = ticket.or(self.written);
        self.session.begin(rules.effect);
        self.in_flight.push_back(InFlight { ticket, tag: tag.clone(), rules, end: OutputMark::default() });
        match &mut command {
            Command::Authenticate(authenticate) => {
                let inline = self.config.initial_response
                    && self.profile.initial_response
                    && self.session.capabilities.has_or_rev2(&Capability::SaslIr);
                let room = if inline { usize::MAX } else { 0 };
                let exchange = Exchange::begin(&authenticate.mechanism, &mut authenticate.initial, room);
                *self.unfinished = Some(Unfinished::Auth(exchange));
                self.write_out(&tag, &command, VecDeque::new());
            }
            Command::Idle => {
                // What waits already ends it as soon as it has begun.
                let done = !self.queue.is_empty();
                *self.unfinished = Some(Unfinished::Idle(Idle { done, ..Idle::default() }));
                self.write_out(&tag, &command, VecDeque::new());
            }
            command => {
                // What is in memory is chained to the output, where the writer would copy it.
                let bodies = command.appended_mut().map(Append::detach).unwrap_or_default();
                self.write_out(&tag, command, bodies);
            }
        }
    }

    fn write_out(&mut self, tag: &Tag, command: &Command, bodies: VecDeque<Option<Bytes>>) {
        let literals = if self.config.non_synchronizing_literals {
            self.profile.literals
        } else {
            Literals::Synchronizing
        };
        let options = self.session.write_options(literals);
        let written = match secret_room(command) {
            Some(room) => self.output.write_secret(room, |out| command.write_parts(tag, options, room, out)),
            None => self.output.write(|out| command.write_parts(tag, options, 0, out)),
        };
        if let Some((text, steps)) = written {
            let rest = Unsent { text: Secret::from(text), sent: 0, steps, bodies };
            // One that waits does so until the server says so.
            if matches!(rest.steps.front(), Some(WriteStep::Wait)) {
                *self.unfinished = Some(Unfinished::Parts(rest));
            } else {
                self.go_on(rest);
            }
        }
        self.mark_end();
    }

    /// The server let the next part go.
    pub(super) fn continue_parts(&mut self) {
        let Some(Unfinished::Parts(mut rest)) = self.unfinished.take() else { return };
        rest.steps.pop_front();
        self.go_on(rest);
        self.mark_end();
    }

    /// Sends what is left of the command, up to where somebody is waited for.
    fn go_on(&mut self, mut rest: Unsent) {
        *self.unfinished = None;
        while let Some(step) = rest.steps.front().copied() {
            match step {
                WriteStep::Wait => {
                    *self.unfinished = Some(Unfinished::Parts(rest));
                    return;
                }
                WriteStep::Text(length) => {
                    let end = rest.sent.saturating_add(length);
                    let part = rest.text.expose().get(rest.sent..end).unwrap_or_default();
                    self.output.write_secret(part.len(), |out| out.extend_from_slice(part));
                    rest.sent = end;
                }
                WriteStep::Body { length, binary } => match rest.bodies.pop_front().flatten() {
                    Some(body) => self.output.append(body),
                    None => {
                        rest.steps.pop_front();
                        *self.unfinished = Some(Unfinished::Sending(Outgoing::new(length, binary), rest));
                        if let Some(ticket) = self.in_flight.back().and_then(|sent| sent.ticket) {
                            self.events.push_back(Event::BodyRequested { ticket });
                        }
                        return;
                    }
                },
            }
            rest.steps.pop_front();
        }
    }

    /// The caller has given all of the message, or of a part of it.
    pub(super) fn end_body(&mut self) -> Result<(), Misuse> {
        match &*self.unfinished {
            Some(Unfinished::Sending(body, _)) => body.finish()?,
            _ => return Err(Misuse::WrongState(WrongState::NothingDue("message"))),
        }
        let Some(Unfinished::Sending(_, rest)) = self.unfinished.take() else { return Ok(()) };
        match self.held.take() {
            // It is over: nothing but the end of its line follows what was announced.
            Some(reply) => {
                self.output.put(b"\r\n");
                self.events.push_back(reply);
            }
            None => {
                self.go_on(rest);
                self.mark_end();
            }
        }
        self.flush();
        Ok(())
    }

    /// Ends IDLE, to begin it anew after its completion.
    pub(super) fn renew_idle(&mut self) -> Result<(), Misuse> {
        match &mut *self.unfinished {
            Some(Unfinished::Idle(idle)) if idle.begun && !idle.done => idle.renew = true,
            _ => return Err(Misuse::WrongState(WrongState::NothingDue("end of IDLE"))),
        }
        self.end_idle();
        Ok(())
    }

    /// Sends DONE, as soon as the server has let IDLE begin.
    pub(super) fn end_idle(&mut self) {
        let Some(Unfinished::Idle(idle)) = &mut *self.unfinished else { return };
        idle.done = true;
        if idle.begun && !idle.done_sent {
            idle.done_sent = true;
            self.output.put(b"DONE\r\n");
            self.mark_end();
        }
    }

    /// Begins IDLE anew with its ticket.
    pub(super) fn resume_idle(&mut self, ticket: Option<Ticket>) {
        let command = Command::Idle;
        let rules = command.rules();
        self.write_command(Queued { ticket, command }, rules);
    }

    /// Whether the server waits for a step of an exchange.
    pub(super) fn takes_step(&self) -> bool {
        self.failed.is_none()
            && matches!(&*self.unfinished, Some(Unfinished::Auth(exchange)) if exchange.is_clients_turn())
    }

    /// Answers a challenge.
    pub(super) fn respond(&mut self, step: &SaslStep) {
        let Some(Unfinished::Auth(exchange)) = &mut *self.unfinished else { return };
        self.output.write_secret(room_for_step(step), |out| exchange.respond(step, out));
        self.mark_end();
    }
}

/// The most bytes that a command with a secret takes; `None` for all others.
fn secret_room(command: &Command) -> Option<usize> {
    /// The tag, names, literals' announcements.
    const MORE: usize = 512;
    match command {
        // Quoted, each byte can take two.
        Command::Login(login) => {
            let length = login.user().as_bytes().len().saturating_add(login.password().expose().len());
            Some(length.saturating_mul(2).saturating_add(MORE))
        }
        Command::Authenticate(authenticate) => {
            Some(room_for(authenticate.initial.as_ref()).saturating_add(MORE))
        }
        _ => None,
    }
}
