//! Oracles: what must hold for a mail parser or state machine whatever it is fed.
//!
//! For fuzz targets and property tests of your own mail software. Nothing here needs a fuzzer.
//!
//! A [`Subject`] is anything that takes bytes in pieces and reports what it saw. Implement it for
//! your own parser, and the functions here tell you whether it
//!
//! * says the same however its input is cut ([`split_invariance`]),
//! * holds no more memory than its limits and its input allow ([`bounded_memory`]),
//! * takes four times the work for four times the input ([`linear_cost`]),
//! * is not disturbed by a malformed message before a good one ([`independence`]),
//! * reads back what it writes, and writes one message at a time ([`round_trip`], [`one_line`]),
//! * shows no secret ([`no_secret`]).
//!
//! Each panics with both sides of the broken promise, which is what a fuzzer wants. [`both_dialects`]
//! is for parsers that can be strict or lenient, [`script::session`] for state machines whose owner
//! does something meanwhile, and [`memory::held`] and [`memory::taken`] say what is really allocated.
//!
//! Somebody else's parser, here one that takes lines, becomes a `Subject` like this:
//!
//! ```
//! use mailwire_oracles::{
//!     Observation, Subject, bounded_memory, independence, linear_cost, memory, split_invariance,
//! };
//!
//! /// Numbers, one a line.
//! #[derive(Default)]
//! struct Numbers {
//!     input: Vec<u8>,
//! }
//!
//! impl Subject for Numbers {
//!     fn feed(&mut self, bytes: &[u8], report: &mut dyn FnMut(Observation)) {
//!         self.input.extend_from_slice(bytes);
//!         while let Some(end) = self.input.iter().position(|&byte| byte == b'\n') {
//!             let line: Vec<u8> = self.input.drain(..=end).collect();
//!             let number = String::from_utf8_lossy(&line).trim().parse::<u32>();
//!             report(Observation::Event(format!("{number:?}")));
//!         }
//!     }
//!
//!     fn held(&self) -> usize {
//!         self.input.len()
//!     }
//! }
//!
//! // What a program takes from the heap is counted where its allocator counts.
//! #[global_allocator]
//! static ALLOCATOR: memory::Counting = memory::Counting;
//!
//! // In a fuzz target, `data` comes from `fuzz_target!(|data: &[u8]| ...)`.
//! let data = b"1\r\n22\r\nthree\r\n4";
//! split_invariance(Numbers::default, data, &[3, 7]);
//! bounded_memory(&mut Numbers::default(), data, 2, 64);
//! linear_cost(Numbers::default, data, 4, memory::taken);
//! independence(Numbers::default, b"three\r\n", b"4\r\n");
//! ```
//!
//! A state machine of mailwire is one by means of [`Machine`]:
//!
//! ```
//! use mailwire_oracles::{Machine, Observation, split_invariance};
//! use mailwire_smtp::{Channel, server};
//!
//! let make = || {
//!     let config = server::Config::new("mx.example".try_into().unwrap(), Channel::Tls);
//!     Machine::new(server::Connection::new(config), |server, event| {
//!         let shown = format!("{event:?}");
//!         if let server::Event::Command { ticket, command, .. } = event {
//!             server.reply(ticket, server::default_reply(&command)).unwrap();
//!         }
//!         Observation::Event(shown)
//!     })
//! };
//! split_invariance(make, b"EHLO a.example\r\nWHAT\r\nNOOP\r\nQUIT\r\n", &[4, 20]);
//! ```

pub mod freed;
mod machine;
pub mod memory;
mod parsers;
pub mod script;
#[cfg(test)]
mod tests;

pub use machine::Machine;
pub use parsers::{both_dialects, cuts_of};

use std::fmt::Debug;

/// What a [`Subject`] reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// A whole message, an event or a change of state, in a form that can be compared.
    Event(String),
    /// A piece of a body. Pieces that follow each other are one: where they were cut may differ.
    Body(Vec<u8>),
    /// The peer broke the protocol; nothing more comes.
    Error(String),
    /// The conversation is over.
    Closed,
}

/// A parser or state machine under test.
pub trait Subject {
    /// Takes the next piece of input, and gives what came out of it to `report`.
    fn feed(&mut self, bytes: &[u8], report: &mut dyn FnMut(Observation));

    /// The bytes that the subject holds now: unread input, unsent output, messages in the making.
    fn held(&self) -> usize;
}

/// Everything that `subject` reports of `pieces`, with the pieces of each body put together.
pub fn observe<'a>(
    subject: &mut impl Subject,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<Observation> {
    let mut seen = Vec::new();
    for piece in pieces {
        subject.feed(piece, &mut |observation| match (seen.last_mut(), observation) {
            (Some(Observation::Body(body)), Observation::Body(more)) => body.extend_from_slice(&more),
            (Some(Observation::Error(_) | Observation::Closed), _) => {}
            (_, observation) => seen.push(observation),
        });
    }
    seen
}

/// Checks that the same events come out whole, byte by byte, and cut at `cuts` (each taken modulo the length).
pub fn split_invariance<S: Subject>(make: impl Fn() -> S, input: &[u8], cuts: &[u16]) {
    let whole = observe(&mut make(), [input]);
    let bytes = observe(&mut make(), input.chunks(1));
    assert_eq!(whole, bytes, "whole (left) and byte by byte (right) differ");
    assert_eq!(
        whole,
        observe(&mut make(), pieces(input, cuts)),
        "whole (left) and cut at {cuts:?} (right) differ"
    );
}

/// `input` cut at `cuts`, each taken modulo its length.
pub fn pieces<'a>(input: &'a [u8], cuts: &[u16]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|&cut| usize::from(cut) % (input.len() + 1)).collect();
    places.extend([0, input.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect()
}

/// While `input` comes in pieces of `size`, the subject never holds more than `limit` bytes beyond
/// twice what it was fed: no number that the peer announces is believed.
pub fn bounded_memory(subject: &mut impl Subject, input: &[u8], size: usize, limit: usize) {
    let mut fed = 0;
    for piece in input.chunks(size.max(1)) {
        fed += piece.len();
        subject.feed(piece, &mut |_| {});
        let held = subject.held();
        assert!(held <= limit + 2 * fed, "{held} bytes are held after {fed} were fed");
    }
}

/// `input`, repeated four times as often and fed byte by byte, costs about four times as much: at most
/// twice that, and 64 Ki for what is done once. So a subject that looks at, copies or allocates again
/// what it had before is found, where that would be quadratic.
///
/// `meter` counts the work, and never goes back: [`memory::taken`], which finds what is copied or
/// allocated and is the same in each run; the instructions of the processor, where they can be had; a
/// clock, with a `count` for which chance does not matter.
pub fn linear_cost<S: Subject>(make: impl Fn() -> S, input: &[u8], count: usize, meter: impl Fn() -> u64) {
    let cost = |count: usize| {
        let input = input.repeat(count);
        let mut subject = make();
        let before = meter();
        for byte in input.chunks(1) {
            subject.feed(byte, &mut |_| {});
        }
        meter().saturating_sub(before)
    };
    let (once, more) = (cost(count), cost(count.saturating_mul(4)));
    assert!(
        more <= once.saturating_mul(8).saturating_add(64 * 1024),
        "{count} times costs {once}, {} times costs {more}",
        count.saturating_mul(4)
    );
}

/// A complete but malformed message leaves the next message as it is. `good` is one message;
/// what it alone makes a fresh subject report must also be the last thing reported after `bad`.
/// Nothing is claimed when the subject ends the connection over `bad`.
pub fn independence<S: Subject>(make: impl Fn() -> S, bad: &[u8], good: &[u8]) {
    let alone = observe(&mut make(), [good]);
    let both = observe(&mut make(), [bad, good]);
    if both.iter().any(|seen| matches!(seen, Observation::Error(_) | Observation::Closed)) {
        return;
    }
    assert!(both.ends_with(&alone), "{alone:?} is not what follows the malformed message: {both:?}");
}

/// What was written reads back as the same value.
pub fn round_trip<T, E>(value: &T, written: &[u8], read: Result<T, E>)
where
    T: Debug + PartialEq,
    E: Debug,
{
    let shown = written.escape_ascii();
    match read {
        Ok(back) => assert_eq!(*value, back, "written as {shown}"),
        Err(error) => panic!("{value:?} was written as {shown}, which does not parse: {error:?}"),
    }
}

/// `written` is one line: CR LF at its end, and no CR, LF or NUL before it.
pub fn one_line(written: &[u8]) {
    let shown = written.escape_ascii();
    let text = written.strip_suffix(b"\r\n").unwrap_or_else(|| panic!("no line end: {shown}"));
    assert!(!text.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "an injected line: {shown}");
}

/// Two values that differ in their secrets only look the same.
pub fn shown_alike(one: &impl Debug, other: &impl Debug) {
    assert_eq!(format!("{one:?}"), format!("{other:?}"), "a secret is shown");
}

/// `shown`, a `Debug` or `Display` form, has no trace of `secret`. Secrets of a few bytes are
/// passed over: they occur anywhere.
pub fn no_secret(shown: &str, secret: &[u8]) {
    if secret.len() < 6 {
        return;
    }
    let lossy = String::from_utf8_lossy(secret);
    let escaped = secret.escape_ascii().to_string();
    let list = format!("{secret:?}");
    for form in [lossy.as_ref(), &escaped, list.trim_matches(['[', ']'])] {
        assert!(!shown.contains(form), "a secret is shown: {shown}");
    }
}

/// The examples of the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
