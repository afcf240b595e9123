//! Tests of state machines: transcripts, cuts of the input, two machines face to face.
//!
//! A [`Transcript`] is a conversation in a file. [`replay`] has one role's machine take its part, with
//! an [`Actor`] as its owner, and [`at_every_cut`] does so with the peer's bytes whole, byte by byte,
//! and cut in two at every place: a machine must tell the same each time. [`Faces`] connects a
//! client and a server in memory. [`drain`] and [`events`] are for tests that go step by step.
//!
//! Everything here panics with what it found, as tests do.
//!
//! ```
//! use mailwire_core::testing::{Side, Transcript, Turn};
//!
//! let transcript = Transcript::parse(
//!     "greeting",
//!     "# A conversation of two lines\n@ channel clear\nS: hello\nC: bye\n",
//! )?;
//! assert_eq!(transcript.option("channel"), Some("clear"));
//! assert_eq!(transcript.said_by(Side::Client), b"bye\r\n");
//! assert!(matches!(&transcript.turns[0], Turn::Said { by: Side::Server, .. }));
//! # Ok::<(), mailwire_core::testing::TranscriptError>(())
//! ```
#![allow(clippy::panic, reason = "what a test finds, it tells by a panic")]

mod actor;
mod deviations;
mod faces;
mod replay;
mod transcript;

use core::fmt::Debug;
use std::{string::String, vec::Vec};

use bytes::{Buf, BytesMut};

pub use actor::{Actor, Due};
pub use deviations::deviation_mistakes;
pub use faces::{Faces, Owners};
pub use replay::{Cut, Log, at_every_cut, replay};
pub use transcript::{Side, Transcript, TranscriptError, Turn, transcripts};

use crate::{Connection, Error, Next};

/// Takes all that waits to be written, as a driver would write it.
pub fn drain(connection: &mut impl Connection) -> Vec<u8> {
    let output = connection.output();
    output.copy_to_bytes(output.remaining()).into()
}

/// Takes all that waits to be written, as text.
///
/// # Panics
///
/// What waits is not UTF-8.
pub fn drain_text(connection: &mut impl Connection) -> String {
    match String::from_utf8(drain(connection)) {
        Ok(text) => text,
        Err(error) => panic!("not UTF-8: {}", error.as_bytes().escape_ascii()),
    }
}

/// All events that `input` brings, and what the machine wants then, or its error.
#[allow(clippy::type_complexity)] // A name for the pair would say less.
pub fn events<C: Connection>(
    connection: &mut C,
    input: &mut BytesMut,
) -> (Vec<C::Event>, Result<Next<()>, C::Error>) {
    let mut found = Vec::new();
    loop {
        match connection.next_event(input) {
            Ok(Next::Event(event)) => found.push(event),
            Ok(next) => return (found, Ok(next.map(|_| ()))),
            Err(error) => return (found, Err(error)),
        }
    }
}

/// Feeds `bytes` to a machine that takes all of them without an error, and gives the events.
///
/// # Panics
///
/// The connection failed, or left bytes unread.
pub fn feed<C: Connection>(connection: &mut C, bytes: impl AsRef<[u8]>) -> Vec<C::Event> {
    let mut input = BytesMut::from(bytes.as_ref());
    let (found, next) = events(connection, &mut input);
    if let Err(error) = next {
        panic!("{error}");
    }
    assert!(input.is_empty(), "left unread: {}", input.escape_ascii());
    found
}

/// Feeds the beginning of a message byte by byte, and gives the input, in which all of it waits.
///
/// # Panics
///
/// The machine does anything but wait for more.
pub fn wait_within<C: Connection<Event: Debug, Error: Debug>>(connection: &mut C, part: &str) -> BytesMut {
    let mut input = BytesMut::new();
    for byte in part.bytes() {
        input.extend_from_slice(&[byte]);
        let next = connection.next_event(&mut input);
        assert!(matches!(next, Ok(Next::NeedInput)), "{next:?} after {}", input.escape_ascii());
    }
    input
}

/// A machine that waits within a message ends when the stream does, when time is over and when this side
/// closes. `waiting` makes one and the input that it waits for more of; `during` is what it is in the midst
/// of, in the words of [`Error::UnexpectedEof`].
///
/// # Panics
///
/// It goes on waiting, or ends in another way.
pub fn ends_within<C: Connection<Error = Error>>(waiting: impl Fn() -> (C, BytesMut), during: &str) {
    let end = |how: fn(&mut C)| {
        let (mut connection, mut input) = waiting();
        how(&mut connection);
        connection.next_event(&mut input).map(|next| next.map(|_| ()))
    };
    let eof = end(C::handle_eof);
    assert!(matches!(eof, Err(Error::UnexpectedEof { during: it }) if it == during), "{eof:?}");
    let timeout = end(C::handle_timeout);
    assert!(matches!(timeout, Err(Error::TimedOut { .. })), "{timeout:?}");
    assert_eq!(end(C::close), Ok(Next::Closed));
}

/// Two tests, `clients` and `servers`: the machines of an [`Actor`] for each role tell the same of all
/// transcripts in the crate's folder `tests/transcripts`, [at every cut](at_every_cut).
#[macro_export]
macro_rules! replay_transcripts {
    ($client:ty, $server:ty) => {
        const TRANSCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts");

        #[test]
        fn clients() {
            let transcripts = $crate::testing::transcripts(TRANSCRIPTS);
            transcripts.iter().for_each($crate::testing::at_every_cut::<$client>);
        }

        #[test]
        fn servers() {
            let transcripts = $crate::testing::transcripts(TRANSCRIPTS);
            transcripts.iter().for_each($crate::testing::at_every_cut::<$server>);
        }
    };
}
