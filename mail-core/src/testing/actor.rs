//! Who owns a machine while a transcript is replayed.

use std::{fmt::Debug, vec::Vec};

use super::{Log, Side, Transcript, Turn};
use crate::Connection;

/// The owner of one role's machine: does what the transcript has this side say.
///
/// A protocol has two, of which the client's sends the commands that stand in the transcript, and the
/// server's answers them as it stands there. What the machine says by itself, it is not asked for.
pub trait Actor: Sized {
    /// The machine.
    type Machine: Connection<Event: Debug>;
    /// Which side it is.
    const SIDE: Side;

    /// An actor and its machine, at the beginning of the conversation. The transcript's options say
    /// how the machine is configured.
    fn new(transcript: &Transcript) -> Self;

    /// The machine.
    fn machine(&mut self) -> &mut Self::Machine;

    /// Takes note of an event: at least [`Log::event`] or, for a part of a body, [`Log::body`].
    fn hear(&mut self, event: <Self::Machine as Connection>::Event, log: &mut Log);

    /// Makes the machine say what stands at the beginning of `due`: a command, an answer, a body.
    fn say(&mut self, due: &Due<'_>);

    /// Asks the machine for something that it does in its own words (`> ` in the transcript).
    fn ask(&mut self, line: &str) {
        panic!("nothing can be asked for: {line}");
    }
}

/// What is due to be said.
#[derive(Debug, Clone, Copy)]
pub struct Due<'a> {
    /// The turns from the present one on.
    turns: &'a [Turn],
    /// How much of the present one was said already.
    said: usize,
}

impl<'a> Due<'a> {
    pub(super) const fn new(turns: &'a [Turn], said: usize) -> Self {
        Self { turns, said }
    }

    /// What is left of the present turn.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        match self.turns.first() {
            Some(Turn::Said { bytes, .. }) => bytes.get(self.said..).unwrap_or_default(),
            _ => &[],
        }
    }

    /// The first line of it, without its CR LF.
    #[must_use]
    pub fn line(&self) -> &'a [u8] {
        let rest = self.rest();
        let end = rest.windows(2).position(|pair| pair == b"\r\n").unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    }

    /// What is left of the present turn, and what the same side says in later ones, as long as the
    /// other side only says what `goes_on` is true of (a go-ahead, say).
    #[must_use]
    pub fn beyond(&self, goes_on: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let mut said = Vec::from(self.rest());
        let Some(Turn::Said { by: side, .. }) = self.turns.first() else { return said };
        for turn in self.turns.iter().skip(1) {
            match turn {
                Turn::Said { by, bytes } if by == side => said.extend_from_slice(bytes),
                Turn::Said { bytes, .. } if goes_on(bytes) => {}
                Turn::Told(_) | Turn::Request(_) => {}
                Turn::Said { .. } | Turn::Upgrade(_) => break,
            }
        }
        said
    }
}
