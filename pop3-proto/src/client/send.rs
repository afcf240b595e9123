//! How commands leave.

use mailwire_core::{
    Misuse, SaslStep, Ticket,
    sasl::{Exchange, Mechanism, room_for, room_for_step},
};

use super::{
    Event,
    state::{InFlight, Machine, Phase, Setup},
};
use crate::{
    capability::Tag,
    command::{Command, Effect, Follows, MAX_COMMAND_LINE},
};

impl Machine {
    /// Puts out what may be put out now.
    pub(super) fn flush(&mut self) {
        while self.flush_one() {}
    }

    fn flush_one(&mut self) -> bool {
        let session = &self.session;
        if self.is_over()
            || matches!(session.phase, Phase::Greeting | Phase::Upgrading)
            || session.in_flight.back().is_some_and(|last| last.rules.blocks())
        {
            return false;
        }
        let pipeline =
            if self.config.pipelining && session.has_pipelining() { self.config.limits.pipeline } else { 1 };
        if let Some(&setup) = session.setup.front() {
            let (command, pipeline) = match setup {
                Setup::Capa => (Command::Capa, pipeline),
                Setup::Stls => (Command::Stls, 1),
            };
            if session.in_flight.len() >= pipeline {
                return false;
            }
            self.session.setup.pop_front();
            self.put_command(None, command, Follows::Nothing);
            return true;
        }
        if session.in_flight.len() >= pipeline
            || self.output.is_full()
            || self.waits_for_tls()
            || self.hinders().is_some()
        {
            return false;
        }
        let Some(queued) = self.queue.pop_front() else { return false };
        self.put_command(Some(queued.ticket), queued.command, queued.follows);
        true
    }

    /// Why the first command of the queue cannot be sent now.
    fn hinders(&self) -> Option<Misuse> {
        let command = &self.queue.front()?.command;
        self.session.permits(command, &command.rules()).err()
    }

    /// Why the first command of the queue must not be sent any more.
    fn unsendable(&self) -> Option<Misuse> {
        let reason = self.hinders()?;
        let session = &self.session;
        // What is still to come may let it be sent.
        let waits = matches!(session.phase, Phase::Greeting | Phase::Upgrading)
            || !session.setup.is_empty()
            || self.waits_for_tls()
            || session
                .in_flight
                .iter()
                .any(|sent| sent.rules.effect == Effect::Capa && sent.ticket.is_none());
        (!waits).then_some(reason)
    }

    /// Takes a command off the queue that must not be sent.
    pub(super) fn take_unsendable(&mut self) -> Option<Event> {
        let reason = self.unsendable()?;
        let queued = self.queue.pop_front()?;
        Some(Event::NotSent { ticket: queued.ticket, reason })
    }

    /// `follows` is for a command that is not known here.
    fn put_command(&mut self, ticket: Option<Ticket>, mut command: Command, follows: Follows) {
        let mut rules = command.rules();
        if matches!(command, Command::Other { .. }) {
            rules.follows = follows;
        }
        self.session.begin(rules.effect);
        if let Command::Auth { mechanism, initial } = &mut command {
            let room = self.room_in_auth(mechanism);
            self.session.exchange = Some(Exchange::begin(mechanism, initial, room));
        }
        match &command {
            Command::Auth { initial, .. } => {
                let room = MAX_COMMAND_LINE.max(room_for(initial.as_ref()));
                self.output.write_secret(room, |out| command.write(out));
            }
            Command::Pass(password) => {
                let room = room_for(None).saturating_add(password.expose().len());
                self.output.write_secret(room, |out| command.write(out));
            }
            _ => self.output.write(|out| command.write(out)),
        }
        let end = self.output.mark();
        let number = match &command {
            Command::List(number) | Command::Uidl(number) => *number,
            _ => None,
        };
        self.session.in_flight.push_back(InFlight { ticket, rules, number, end });
    }

    /// How many bytes of base64 the first message may have to go with AUTH.
    fn room_in_auth(&self, mechanism: &Mechanism) -> usize {
        if self.config.initial_response && self.session.capabilities.offers(Tag::Sasl) {
            MAX_COMMAND_LINE.saturating_sub("AUTH  \r\n".len() + mechanism.as_bytes().len())
        } else {
            0
        }
    }

    /// Responds to a challenge, if one waits for it.
    pub(super) fn answer_challenge(&mut self, step: &SaslStep) -> Result<(), Misuse> {
        if self.is_over() {
            return Err(Misuse::Closed);
        }
        Exchange::check_turn(self.session.exchange.as_ref())?;
        self.respond(step);
        Ok(())
    }

    /// Sends a client's line of a SASL exchange; the line that comes next answers it.
    pub(super) fn respond(&mut self, step: &SaslStep) {
        let Some(exchange) = &mut self.session.exchange else { return };
        self.output.write_secret(room_for_step(step), |out| exchange.respond(step, out));
        let end = self.output.mark();
        if let Some(sent) = self.session.in_flight.front_mut() {
            sent.end = end;
        }
    }
}
