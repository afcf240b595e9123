//! Replaying a transcript.

use std::{
    fmt::Debug,
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use bytes::BytesMut;

use super::{Actor, Due, Side, Transcript, Turn, drain};
use crate::{Connection, Next, Upgrade};

/// How the peer's bytes are cut into pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Each turn comes as a whole.
    Whole,
    /// One byte comes at a time.
    Bytes,
    /// Each turn comes as a whole, but the one in which this byte is, counted over all that the peer
    /// says: it is cut before the byte.
    At(usize),
}

impl Cut {
    /// The pieces of `bytes`, before which `seen` bytes came.
    #[must_use]
    pub fn pieces(self, bytes: &[u8], seen: usize) -> Vec<&[u8]> {
        match self {
            Self::Whole => vec![bytes],
            Self::Bytes => bytes.chunks(1).collect(),
            Self::At(at) => match at.checked_sub(seen).and_then(|at| bytes.split_at_checked(at)) {
                Some((one, other)) => vec![one, other],
                None => vec![bytes],
            },
        }
    }
}

/// What a machine told, in a form that can be compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Log {
    lines: Vec<String>,
    body: Vec<u8>,
    told: Vec<String>,
}

impl Log {
    /// Takes down an event.
    pub fn event(&mut self, event: &impl Debug) {
        self.end_body();
        self.lines.push(format!("{event:?}"));
    }

    /// Takes down a part of a body. Parts that follow each other are one: where they were cut may
    /// differ.
    pub fn body(&mut self, chunk: &[u8]) {
        self.body.extend_from_slice(chunk);
    }

    /// Takes down what the caller is told, in the words of the transcript's `= ` lines.
    pub fn told(&mut self, line: impl ToString) {
        self.end_body();
        self.told.push(line.to_string());
    }

    /// All that was taken down, a line for each event and each body.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    fn end_body(&mut self) {
        if !self.body.is_empty() {
            let line = format!("chunk {}", core::mem::take(&mut self.body).escape_ascii());
            self.lines.push(line.clone());
            self.told.push(line);
        }
    }
}

/// Has an actor and its machine take their part in a conversation, and gives what the machine told.
///
/// # Panics
///
/// The machine says anything but the transcript's very bytes, it fails otherwise than the transcript
/// has it, or its caller is not told what the transcript has.
pub fn replay<A: Actor>(transcript: &Transcript, cut: Cut) -> Log {
    let fails = match A::SIDE {
        Side::Client => "client-fails",
        Side::Server => "server-fails",
    };
    let mut stage = Stage {
        actor: A::new(transcript),
        name: &transcript.name,
        input: BytesMut::new(),
        log: Log::default(),
        upgrade: None,
        closed: false,
        fails: transcript.option(fails),
        failed: false,
    };
    let mut seen = 0;
    for (index, turn) in transcript.turns.iter().enumerate() {
        match turn {
            Turn::Said { by, bytes } if *by == A::SIDE => {
                stage.say(bytes, transcript.turns.get(index..).unwrap_or_default());
            }
            Turn::Said { bytes, .. } => {
                for piece in cut.pieces(bytes, seen) {
                    stage.input.extend_from_slice(piece);
                    stage.pump();
                }
                seen = seen.saturating_add(bytes.len());
            }
            Turn::Upgrade(upgrade) => stage.upgrade(*upgrade),
            Turn::Request(line) if A::SIDE == Side::Client => {
                stage.actor.ask(line);
                stage.pump();
            }
            Turn::Request(_) | Turn::Told(_) => {}
        }
    }
    stage.end(transcript)
}

/// A replay under way.
struct Stage<'a, A> {
    actor: A,
    name: &'a str,
    input: BytesMut,
    log: Log,
    /// The machine waits for this.
    upgrade: Option<Upgrade>,
    closed: bool,
    /// The error that ends the conversation for this side.
    fails: Option<&'a str>,
    failed: bool,
}

impl<A: Actor> Stage<'_, A> {
    /// Hands on events until the machine wants something.
    fn pump(&mut self) {
        loop {
            match self.actor.machine().next_event(&mut self.input) {
                Ok(Next::Event(event)) => self.actor.hear(event, &mut self.log),
                Ok(Next::Upgrade(upgrade)) => {
                    self.upgrade = Some(upgrade);
                    return;
                }
                Ok(Next::Closed) => {
                    self.closed = true;
                    return;
                }
                Ok(Next::NeedInput | Next::Paused) => return,
                Err(error) if self.fails.is_some_and(|fails| error.to_string() == fails) => {
                    self.failed = true;
                    return;
                }
                Err(error) => panic!("{}: {error}", self.name),
            }
        }
    }

    /// Has the machine say `bytes`, the first of `turns`.
    fn say(&mut self, bytes: &[u8], turns: &[Turn]) {
        let mut said = drain(self.actor.machine());
        while said.len() < bytes.len() {
            self.compare(&said, bytes.get(..said.len()).unwrap_or_default());
            self.actor.say(&Due::new(turns, said.len()));
            let mut more = drain(self.actor.machine());
            self.pump();
            more.extend(drain(self.actor.machine()));
            if more.is_empty() {
                let rest = bytes.get(said.len()..).unwrap_or_default();
                panic!("{}: nothing is said where {} is due", self.name, rest.escape_ascii());
            }
            said.extend(more);
        }
        self.compare(&said, bytes);
    }

    fn compare(&self, said: &[u8], due: &[u8]) {
        let (said, due) = (said.escape_ascii().to_string(), due.escape_ascii().to_string());
        assert_eq!(said, due, "{}: what is said (left) and what is due; so far: {:#?}", self.name, self.log);
    }

    fn upgrade(&mut self, due: Upgrade) {
        if self.upgrade.is_none() {
            self.pump();
        }
        assert_eq!(self.upgrade.take(), Some(due), "{}: what the machine waits for", self.name);
        self.actor.machine().upgraded(due);
        self.pump();
    }

    fn end(mut self, transcript: &Transcript) -> Log {
        self.pump();
        let left = drain(self.actor.machine());
        self.compare(&left, b"");
        assert_eq!(self.failed, self.fails.is_some(), "{}: it does not fail", self.name);
        self.log.end_body();
        if self.closed {
            self.log.event(&"closed");
        }
        let told = transcript.turns.iter().filter_map(|turn| match turn {
            Turn::Told(line) => Some(line),
            _ => None,
        });
        let told: Vec<&String> = told.collect();
        if A::SIDE == Side::Client && !told.is_empty() {
            let heard: Vec<&String> = self.log.told.iter().collect();
            assert_eq!(heard, told, "{}: what the caller was told (left) and should be", self.name);
        }
        self.log
    }
}

/// Replays a conversation with the peer's bytes as they are, byte by byte, and cut in two at every
/// place. Does nothing where the transcript is for the other role.
///
/// # Panics
///
/// As [`replay`]; and where the machine does not tell the same each time.
pub fn at_every_cut<A: Actor>(transcript: &Transcript) {
    if !transcript.is_for(A::SIDE) {
        return;
    }
    let peer = match A::SIDE {
        Side::Client => Side::Server,
        Side::Server => Side::Client,
    };
    let length = transcript.said_by(peer).len();
    let whole = replay::<A>(transcript, Cut::Whole);
    for cut in core::iter::once(Cut::Bytes).chain((1..length).map(Cut::At)) {
        let log = replay::<A>(transcript, cut);
        assert_eq!(log.lines, whole.lines, "{}: {cut:?} (left) and whole", transcript.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_made_once() {
        let whole: Vec<&[u8]> = vec![b"abc"];
        assert_eq!(Cut::Whole.pieces(b"abc", 5), whole);
        assert_eq!(Cut::Bytes.pieces(b"abc", 5).len(), 3);
        assert_eq!(Cut::At(6).pieces(b"abc", 5), vec![&b"a"[..], b"bc"]);
        assert_eq!(Cut::At(9).pieces(b"abc", 5), whole);
        assert_eq!(Cut::At(4).pieces(b"abc", 5), whole);
    }
}
