//! What the clients' machines have in common of an exchange.

use alloc::vec::Vec;

use super::{Mechanism, encode};
use crate::{Error, Misuse, SaslStep, Secret, WrongState};

/// The client's side of a SASL exchange, without the messages of its mechanism: whose turn it is,
/// and what became of the first message.
///
/// The first message goes with the command where the server takes it there. Otherwise it is held
/// back, and answers the first challenge, which is empty
/// ([RFC 4422 section 3.3](https://www.rfc-editor.org/rfc/rfc4422#section-3.3)).
///
/// ```
/// use mailwire_core::{Secret, SaslStep, sasl::{Challenged, Exchange, Mechanism}};
///
/// // The server takes no first message with the command.
/// let mut initial = Some(Secret::from("\0user\0pass"));
/// let mut exchange = Exchange::begin(&Mechanism::Plain, &mut initial, 0);
/// assert_eq!(initial, None);
///
/// let Ok(Challenged::Held(message)) = exchange.challenge(10) else { panic!() };
/// let mut line = Vec::new();
/// exchange.respond(&SaslStep::Data(message), &mut line);
/// assert_eq!(line, b"AHVzZXIAcGFzcw==\r\n");
/// ```
#[derive(Debug, Clone)]
pub struct Exchange {
    held: Option<Secret>,
    /// Messages that the client has to send at least before the server can be content.
    owed: u8,
    steps: Steps,
    turn: Turn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Server,
    Client,
    /// The client has given up; the server owes its refusal.
    Cancelled,
}

/// What is to become of a challenge, from [`Exchange::challenge`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenged {
    /// This answers it: the first message, which was held back.
    Held(Secret),
    /// The owner of the machine answers it.
    Asks,
}

impl Exchange {
    /// An exchange whose command is written now. The first message stays in `initial` if it goes with
    /// the command, and is taken out if it is held back: where its base64 has more than `room` bytes.
    /// That is 0 where the server takes none there.
    #[must_use]
    pub fn begin(mechanism: &Mechanism, initial: &mut Option<Secret>, room: usize) -> Self {
        let fits = initial.as_ref().is_none_or(|data| initial_length(data) <= room);
        let held = if fits { None } else { initial.take() };
        let owed = if *mechanism == Mechanism::Login { 2 } else { 1 };
        let sent = u8::from(initial.is_some());
        Self { held, owed: owed - sent, steps: Steps::default(), turn: Turn::Server }
    }

    /// Takes a challenge of the server, before it is decoded. `limit` is how many there may be.
    ///
    /// # Errors
    ///
    /// There are more, or the exchange was cancelled.
    pub fn challenge(&mut self, limit: usize) -> Result<Challenged, Error> {
        if self.turn == Turn::Cancelled {
            return Err(Error::Unexpected {
                what: "a challenge after the exchange was cancelled",
                offset: 0,
            });
        }
        self.steps.count(limit)?;
        if let Some(held) = self.held.take() {
            return Ok(Challenged::Held(held));
        }
        self.turn = Turn::Client;
        Ok(Challenged::Asks)
    }

    /// Writes the line, with its CR LF, that answers a challenge.
    pub fn respond(&mut self, step: &SaslStep, out: &mut Vec<u8>) {
        self.turn = match step {
            SaslStep::Data(_) => Turn::Server,
            SaslStep::Cancel => Turn::Cancelled,
        };
        self.owed = self.owed.saturating_sub(1);
        write_step(step, out);
    }

    /// Takes the server's last word: a success, or a refusal.
    ///
    /// # Errors
    ///
    /// - A success, though the client has cancelled the exchange: the server has to refuse it then ([RFC 4954
    ///   section 4](https://www.rfc-editor.org/rfc/rfc4954#section-4), [RFC 9051 section
    ///   6.2.2](https://www.rfc-editor.org/rfc/rfc9051#section-6.2.2), [RFC 5034 section
    ///   4](https://www.rfc-editor.org/rfc/rfc5034#section-4)). A client cancels where it does not trust the
    ///   server, so that this is not to be believed.
    /// - A success while the client [owes](Self::owes) what the mechanism needs: it skips the
    ///   authentication.
    pub const fn conclude(&self, success: bool) -> Result<(), Error> {
        let what = match self.turn {
            _ if !success => return Ok(()),
            Turn::Cancelled => "a success after the exchange was cancelled",
            _ if self.owed > 0 => "a success before the client has sent what its mechanism needs",
            _ => return Ok(()),
        };
        Err(Error::Unexpected { what, offset: 0 })
    }

    /// Whether a challenge waits for [`respond`](Self::respond).
    #[must_use]
    pub fn is_clients_turn(&self) -> bool {
        self.turn == Turn::Client
    }

    /// That a challenge waits for the caller's response.
    ///
    /// # Errors
    ///
    /// None does, or there is no exchange.
    pub fn check_turn(exchange: Option<&Self>) -> Result<(), Misuse> {
        match exchange {
            Some(exchange) if exchange.is_clients_turn() => Ok(()),
            _ => Err(Misuse::WrongState(WrongState::NothingDue("step of an exchange"))),
        }
    }

    /// Whether the server cannot be content yet: the client has not sent what the mechanism needs.
    /// [`conclude`](Self::conclude) does not believe a success that comes nevertheless.
    #[must_use]
    pub fn owes(&self) -> bool {
        self.owed > 0 && self.turn != Turn::Cancelled
    }
}

/// The length of `data` in base64 as an initial response.
fn initial_length(data: &Secret) -> usize {
    data.expose().len().div_ceil(3).saturating_mul(4).max(1)
}

/// The most bytes that a line with this message takes, beyond the command that it may follow.
#[must_use]
pub fn room_for(data: Option<&Secret>) -> usize {
    data.map_or(0, initial_length).saturating_add(16)
}

/// The most bytes that the line of a step takes, with its CR LF.
#[must_use]
pub fn room_for_step(step: &SaslStep) -> usize {
    match step {
        SaslStep::Data(data) => room_for(Some(data)),
        SaslStep::Cancel => room_for(None),
    }
}

/// Writes a client's line of an exchange, with its CR LF: base64, or `*` to cancel.
pub fn write_step(step: &SaslStep, out: &mut Vec<u8>) {
    match step {
        SaslStep::Data(data) => encode(data.expose(), out),
        SaslStep::Cancel => out.push(b'*'),
    }
    out.extend_from_slice(b"\r\n");
}

/// Counts the steps of an exchange, for either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Steps(usize);

impl Steps {
    /// One more step.
    ///
    /// # Errors
    ///
    /// There are more than `limit`.
    pub const fn count(&mut self, limit: usize) -> Result<(), Error> {
        self.0 = self.0.saturating_add(1);
        if self.0 > limit {
            return Err(Error::LimitExceeded { what: "steps of a SASL exchange", limit: limit as u64 });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(mechanism: Mechanism, initial: &str, room: usize) -> (Exchange, Option<Secret>) {
        let mut initial = Some(Secret::from(initial));
        let exchange = Exchange::begin(&mechanism, &mut initial, room);
        (exchange, initial)
    }

    #[test]
    fn the_first_message_goes_with_the_command_where_there_is_room() {
        for (message, room, goes) in
            [("", 0, false), ("", 1, true), ("abc", 3, false), ("abc", 4, true), ("abcd", 7, false)]
        {
            let (mut exchange, initial) = begin(Mechanism::Plain, message, room);
            assert_eq!((initial.is_some(), exchange.owes()), (goes, !goes), "{message} {room}");
            match exchange.challenge(9).unwrap() {
                Challenged::Held(held) => assert!(!goes && held == Secret::from(message)),
                Challenged::Asks => assert!(goes),
            }
            assert_eq!(exchange.is_clients_turn(), goes);
        }
    }

    #[test]
    fn turns_alternate() {
        let mut exchange = Exchange::begin(&Mechanism::Login, &mut None, 100);
        let mut line = Vec::new();
        assert!(exchange.conclude(false).is_ok() && exchange.conclude(true).is_err());
        for owes in [true, false, false] {
            assert!(!exchange.is_clients_turn());
            assert_eq!(exchange.challenge(9), Ok(Challenged::Asks));
            assert!(exchange.is_clients_turn());
            exchange.respond(&SaslStep::Data(Secret::from("a")), &mut line);
            assert_eq!(exchange.owes(), owes);
            assert_eq!(exchange.conclude(true).is_err(), owes);
        }
        exchange.respond(&SaslStep::Cancel, &mut line);
        assert_eq!(line, b"YQ==\r\nYQ==\r\nYQ==\r\n*\r\n");
        assert!(matches!(exchange.challenge(9), Err(Error::Unexpected { .. })));
        assert!(exchange.conclude(false).is_ok());
        assert!(matches!(exchange.conclude(true), Err(Error::Unexpected { .. })));
        assert!(!exchange.owes());
    }

    #[test]
    fn steps_are_counted() {
        let (mut exchange, _) = begin(Mechanism::Plain, "x", 0);
        assert!(exchange.challenge(2).is_ok() && exchange.challenge(2).is_ok());
        assert!(matches!(exchange.challenge(2), Err(Error::LimitExceeded { limit: 2, .. })));
    }
}
