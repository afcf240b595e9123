//! Benchmarks of mailwire's crates, beside other libraries in the same run.
//!
//! One command measures everything and writes the report: `cargo bench -p mailwire-benches`. What is
//! measured is a list of [`Item`]s, each a contender in a group: ours, a peer, or a floor (the least
//! that anyone would have to do). Ours gives owned, `'static` values; a peer is there with its
//! borrowed form and, where it has one, with its owned form.
//!
//! Each contender checks its result once before it is measured, so that no error path is measured.

// A benchmark that cannot do its work must stop, loudly.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

pub mod baseline;
mod bdat;
pub mod callgrind;
pub mod corpus;
pub mod cost;
mod dot;
mod floors;
mod grammars;
mod imap;
mod imap_response;
mod imap_stream;
pub mod measure;
mod pop3;
pub mod report;
mod smtp;
mod stream;

use std::{
    hint::black_box,
    sync::OnceLock,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};

/// What a contender is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// This project.
    Ours,
    /// Another library.
    Peer,
    /// The least that has to be done, written for the purpose.
    Floor,
}

/// What is asked of ours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aim {
    /// Nothing: for information.
    None,
    /// At most this part of the fastest peer's time.
    OfFastestPeer(f64),
    /// At most this part of the time of the group with this name, ours in both.
    OfGroup(&'static str, f64),
    /// At least so many bytes a nanosecond (GB/s).
    Throughput(f64),
}

/// Runs a contender so many times and tells how long that took, preparation left out.
pub type Work = Box<dyn FnMut(u64) -> Duration>;

/// Things that do the same work and are compared.
pub struct Group {
    /// `imap/fetch-envelope`.
    pub name: String,
    /// What is measured, in a few words.
    pub title: String,
    /// What is asked of ours.
    pub aim: Aim,
    /// How many bytes go through in one iteration.
    pub bytes: usize,
    /// Who does it.
    pub items: Vec<Item>,
}

/// One contender.
pub struct Item {
    /// `mailwire`, or the peer's name and form.
    pub who: &'static str,
    /// What it is.
    pub kind: Kind,
    /// How often the work is done in one iteration.
    pub batch: usize,
    make: Box<dyn Fn() -> Work>,
}

impl Item {
    /// Prepares to run it.
    #[must_use]
    pub fn work(&self) -> Work {
        (self.make)()
    }
}

impl Group {
    fn new(name: impl Into<String>, title: impl Into<String>, aim: Aim, bytes: usize) -> Self {
        Self { name: name.into(), title: title.into(), aim, bytes, items: Vec::new() }
    }

    /// Adds a contender whose every iteration is one call of what `make` returns.
    fn add<T, F: FnMut() -> T + 'static>(
        mut self,
        kind: Kind,
        who: &'static str,
        make: impl Fn() -> F + 'static,
    ) -> Self {
        self.items.push(Item {
            who,
            kind,
            batch: 1,
            make: Box::new(move || {
                let mut work = make();
                Box::new(move |iterations| {
                    observe(true);
                    let start = Instant::now();
                    counted_region(|| {
                        for _ in 0..iterations {
                            black_box(work());
                        }
                    });
                    let elapsed = start.elapsed();
                    observe(false);
                    elapsed
                })
            }),
        });
        self
    }

    /// Adds a contender that uses up something for each iteration, which does the work `batch` times;
    /// `prepare` is not measured.
    fn add_prepared<S, T>(
        mut self,
        kind: Kind,
        who: &'static str,
        batch: usize,
        prepare: impl Fn() -> S + Clone + 'static,
        work: impl Fn(&mut S) -> T + Clone + 'static,
    ) -> Self {
        self.items.push(Item {
            who,
            kind,
            batch,
            make: Box::new(move || {
                let (prepare, work) = (prepare.clone(), work.clone());
                Box::new(move |iterations| {
                    let mut elapsed = Duration::ZERO;
                    for _ in 0..iterations {
                        let mut state = black_box(prepare());
                        observe(true);
                        let start = Instant::now();
                        black_box(counted_region(|| work(&mut state)));
                        elapsed += start.elapsed();
                        observe(false);
                    }
                    elapsed
                })
            }),
        });
        self
    }
}

/// Everything that is measured.
#[must_use]
pub fn groups() -> Vec<Group> {
    Groups::collect(None)
}

/// The group with this name. No other is built, which under callgrind would take long.
#[must_use]
pub fn group(name: &str) -> Option<Group> {
    Groups::collect(Some(name)).pop()
}

/// The list in the making.
struct Groups {
    only: Option<String>,
    list: Vec<Group>,
}

impl Groups {
    fn collect(only: Option<&str>) -> Vec<Group> {
        let mut groups = Self { only: only.map(str::to_owned), list: Vec::new() };
        bdat::add(&mut groups);
        dot::add(&mut groups);
        smtp::add(&mut groups);
        imap::add(&mut groups);
        imap_response::add(&mut groups);
        imap_stream::add(&mut groups);
        grammars::add(&mut groups);
        pop3::add(&mut groups);
        groups.list
    }

    /// Whether any group is wanted whose name begins so.
    fn wants_any(&self, prefix: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only.starts_with(prefix))
    }

    /// Adds a group if it is wanted.
    fn add(&mut self, name: impl Into<String>, make: impl FnOnce(String) -> Group) {
        let name = name.into();
        if self.only.as_ref().is_none_or(|only| *only == name) {
            self.list.push(make(name));
        }
    }
}

/// A frame as a connection takes it off a read buffer, which has more in it.
fn received(wire: &[u8]) -> Bytes {
    let mut buffer = BytesMut::with_capacity(wire.len() + 64);
    buffer.extend_from_slice(wire);
    buffer.extend_from_slice(b"* OK more\r\n");
    buffer.split_to(wire.len()).freeze()
}

/// How often a message stands in the read buffer that [`read_buffer`] makes: so often that the buffer
/// has about 64 KiB, as real ones do.
const fn waiting(wire: &[u8]) -> usize {
    let count = 64 * 1024 / wire.len();
    if count == 0 { 1 } else { count }
}

/// A read buffer with many times the same message in it.
fn read_buffer(wire: &[u8]) -> BytesMut {
    BytesMut::from(&wire.repeat(waiting(wire))[..])
}

/// Is called before (`true`) and after what is measured, where a program sets it.
pub static OBSERVER: OnceLock<fn(bool)> = OnceLock::new();

fn observe(before: bool) {
    if let Some(observer) = OBSERVER.get() {
        observer(before);
    }
}

/// What callgrind counts: it is told to collect within this function only.
#[inline(never)]
fn counted_region<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// What callgrind counts within such a region, for what is ours in it: see [`callgrind::Counted`].
#[inline(never)]
fn counted_call<T>(work: impl FnOnce() -> T) -> T {
    work()
}
