//! What is to go wrong at a server, and what did.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use mailwire_transport::Protocol;
use tokio_util::sync::CancellationToken;

use super::{Action, Fault, Happened, Moment};

/// So much is remembered of what happened.
const MOST_HAPPENED: usize = 100_000;

/// The faults of a server, in their order, and what happened.
#[derive(Debug)]
pub(in crate::testing) struct Script {
    state: Mutex<State>,
    seed: u64,
    /// The number of connections of each protocol.
    connections: [AtomicU64; 5],
}

#[derive(Debug)]
struct State {
    faults: Vec<Armed>,
    happened: VecDeque<Happened>,
    /// Cuts the connections that there are.
    cut: CancellationToken,
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    /// How many moments that fit have passed.
    seen: u32,
    /// How often it has happened.
    done: u32,
}

impl Armed {
    const fn new(fault: Fault) -> Self {
        Self { fault, seen: 0, done: 0 }
    }

    fn is_over(&self) -> bool {
        self.fault.times.is_some_and(|times| self.done >= times)
    }
}

impl Script {
    pub(in crate::testing) fn new(faults: Vec<Fault>, seed: u64) -> Self {
        let faults = faults.into_iter().map(Armed::new).collect();
        let state = State { faults, happened: VecDeque::new(), cut: CancellationToken::new() };
        Self { state: Mutex::new(state), seed, connections: Default::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::testing) fn add(&self, fault: Fault) {
        let mut state = self.lock();
        state.faults.retain(|armed| !armed.is_over());
        state.faults.push(Armed::new(fault));
    }

    /// Forgets the faults that are to come.
    pub(in crate::testing) fn disarm(&self) {
        self.lock().faults.clear();
    }

    /// Cuts all connections that there are.
    pub(in crate::testing) fn cut(&self) {
        std::mem::take(&mut self.lock().cut).cancel();
    }

    pub(in crate::testing) fn happened(&self) -> Vec<Happened> {
        self.lock().happened.iter().cloned().collect()
    }

    pub(in crate::testing) fn forget(&self) {
        self.lock().happened.clear();
    }

    /// A connection that begins now.
    pub(in crate::testing) fn connect(self: &Arc<Self>, protocol: Protocol) -> Cue {
        let place = match protocol {
            Protocol::Smtp => 0,
            Protocol::Submission => 1,
            Protocol::Lmtp => 2,
            Protocol::Imap => 3,
            _ => 4,
        };
        let counter = self.connections.get(place);
        let connection = counter.map_or(0, |counter| counter.fetch_add(1, Ordering::Relaxed)) + 1;
        let seed = self.seed ^ ((place as u64) << 56) ^ connection.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Cue { script: Arc::clone(self), protocol, connection, chance: Chance(seed) }
    }
}

/// Tells one connection what is to go wrong now.
#[derive(Debug)]
pub(in crate::testing) struct Cue {
    script: Arc<Script>,
    pub(super) protocol: Protocol,
    connection: u64,
    chance: Chance,
}

impl Cue {
    /// Cancelled when this connection is to be cut, wherever it stands.
    pub(super) fn cut(&self) -> CancellationToken {
        self.script.lock().cut.clone()
    }

    /// What happens at this moment, if anything does.
    pub(super) fn at(&mut self, now: Moment) -> Option<Action> {
        let mut state = self.script.lock();
        let State { faults, happened, .. } = &mut *state;
        for armed in faults.iter_mut() {
            let Fault { protocol, connection, moment, nth, odds, .. } = &armed.fault;
            let is_here = protocol.is_none_or(|protocol| protocol == self.protocol)
                && connection.is_none_or(|connection| connection == self.connection);
            if !is_here || armed.is_over() || !moment.fits(&now) {
                continue;
            }
            armed.seen = armed.seen.saturating_add(1);
            let hits = *odds >= 1.0 || self.chance.fraction() < *odds;
            if armed.seen < *nth || !hits {
                continue;
            }
            armed.done = armed.done.saturating_add(1);
            let action = armed.fault.action.clone();
            if happened.len() >= MOST_HAPPENED {
                happened.pop_front();
            }
            let (protocol, connection) = (self.protocol, self.connection);
            tracing::info!(?protocol, connection, ?action, moment = ?now, "a fault happens");
            let at = SystemTime::now();
            happened.push_back(Happened { protocol, connection, action: action.clone(), moment: now, at });
            return Some(action);
        }
        None
    }

    /// The first place after `position` where something is to go wrong: bytes that are read, or written.
    pub(super) fn next_place(&self, position: u64, written: bool) -> Option<u64> {
        let state = self.script.lock();
        let place = |armed: &Armed| match (&armed.fault.moment, written) {
            (Moment::Read(place), false) | (Moment::Written(place), true) if !armed.is_over() => Some(*place),
            _ => None,
        };
        state.faults.iter().filter_map(place).filter(|place| *place >= position).min()
    }

    /// Random bytes, none of which ends a line.
    pub(super) fn garbage(&mut self, count: usize) -> Vec<u8> {
        let byte = |()| (self.chance.next() % 256) as u8;
        let bytes = std::iter::repeat_n((), count).map(byte);
        bytes.map(|byte| if matches!(byte, b'\r' | b'\n') { b'?' } else { byte }).collect()
    }
}

/// SplitMix64: numbers that look random, and are the same for the same seed.
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 on, below 1.
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
