//! Reading a message that the server sends.

use bytes::BytesMut;
use mailwire_core::{
    Deviation, Dialect, Error, Next,
    dot::{Unstuffed, Unstuffer},
};

use super::{
    Event,
    state::{Body, Machine, Phase},
};
use crate::deviation;

impl Machine {
    pub(super) fn start_body(&mut self) -> Next<Event> {
        self.session.phase = Phase::Body(Body {
            unstuffer: Unstuffer::new(self.config.line_ends()),
            length: 0,
            wire: 0,
            stop: None,
        });
        match self.session.in_flight.front().and_then(|sent| sent.ticket) {
            Some(ticket) => Next::Event(Event::BodyStart { ticket }),
            None => Next::Paused,
        }
    }

    pub(super) fn read_body(&mut self, input: &mut BytesMut) -> Result<Next<Event>, Error> {
        let (dialect, limit) = (self.config.dialect, self.config.limits.message);
        let Phase::Body(Body { unstuffer, length, wire, stop }) = &mut self.session.phase else {
            return Ok(Next::NeedInput);
        };
        if let Some(error) = stop {
            return Err(*error);
        }
        let before = input.len();
        let found = unstuffer.next(input);
        *wire = wire.saturating_add(before.saturating_sub(input.len()) as u64);
        let bare = unstuffer.bare_newline().map(|at| (at, usize::try_from(at).unwrap_or(usize::MAX)));
        let refused = bare.filter(|_| dialect == Dialect::Strict);
        let refusal = |offset| Error::Unexpected { what: deviation::BARE_CR_OR_LF, offset };
        match found {
            Unstuffed::Chunk(mut chunk) => {
                // What is in front of the place where reading stops is handed out, however it came.
                let start = wire.saturating_sub(chunk.len() as u64);
                if let Some((at, offset)) = refused {
                    *stop = Some(refusal(offset));
                    let good = (at + 1).saturating_sub(start);
                    chunk.truncate(usize::try_from(good).unwrap_or(usize::MAX));
                }
                let room = limit.saturating_sub(*length);
                if chunk.len() as u64 > room {
                    *stop = Some(Error::LimitExceeded { what: "octets of a message", limit });
                    chunk.truncate(usize::try_from(room).unwrap_or(usize::MAX));
                }
                *length = length.saturating_add(chunk.len() as u64);
                match stop {
                    Some(error) if chunk.is_empty() => Err(*error),
                    _ => Ok(Next::Event(Event::BodyChunk(chunk))),
                }
            }
            Unstuffed::NeedInput => self.need_input(),
            Unstuffed::End => {
                if let Some((_, offset)) = refused {
                    return Err(refusal(offset));
                }
                self.session.phase = Phase::Reply;
                Ok(match self.session.in_flight.pop_front().and_then(|sent| sent.ticket) {
                    Some(ticket) => {
                        let name = deviation::BARE_CR_OR_LF;
                        let deviations =
                            bare.map(|(_, offset)| Deviation::new(name, offset)).into_iter().collect();
                        Next::Event(Event::BodyEnd { ticket, deviations })
                    }
                    None => Next::NeedInput,
                })
            }
        }
    }
}
