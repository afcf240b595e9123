//! The measuring loop.

use std::time::Duration;

use crate::{Group, Kind};

/// What was measured of one contender.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Who.
    pub who: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The median time of an iteration, in nanoseconds.
    pub nanoseconds: f64,
    /// The median over the rounds of this contender's time divided by ours in the same round.
    pub of_ours: f64,
    /// Instructions of an iteration, where callgrind was asked.
    pub instructions: Option<f64>,
    /// Allocations of an iteration.
    pub allocations: Option<f64>,
}

/// How long is measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// The number of rounds; each contender runs once in each.
    pub rounds: usize,
    /// About how long a contender runs in a round.
    pub sample: Duration,
}

impl Effort {
    /// For a report.
    pub const FULL: Self = Self { rounds: 301, sample: Duration::from_micros(250) };
    /// For a quick look.
    pub const QUICK: Self = Self { rounds: 41, sample: Duration::from_micros(100) };
}

/// Measures the contenders of a group in turns, so that whatever else the machine does meets all of
/// them alike. Samples are short, so that most of them are not interrupted, and medians are taken of
/// them, and of the ratios of the samples of one round.
#[must_use]
pub fn measure(group: &Group, effort: Effort) -> Vec<Measured> {
    let mut works: Vec<_> = group.items.iter().map(crate::Item::work).collect();
    let iterations: Vec<u64> = works
        .iter_mut()
        .map(|work| {
            // Warm up, then find out how many iterations fill a sample.
            let mut count = 1;
            loop {
                let elapsed = work(count);
                if elapsed >= effort.sample / 4 || count >= 1 << 24 {
                    let each = elapsed.as_secs_f64() / count as f64;
                    return ((effort.sample.as_secs_f64() / each) as u64).max(1);
                }
                count *= 2;
            }
        })
        .collect();
    let mut samples = vec![vec![f64::NAN; effort.rounds]; works.len()];
    // One for which an iteration takes long runs only in some of the rounds.
    let mut every = vec![1; works.len()];
    #[allow(clippy::needless_range_loop)] // the rounds are the inner index
    for round in 0..effort.rounds {
        for turn in 0..works.len() {
            let index = (turn + round) % works.len();
            if round % every[index] != 0 {
                continue;
            }
            let elapsed = works[index](iterations[index]);
            every[index] =
                ((elapsed.as_secs_f64() / effort.sample.as_secs_f64() / 8.0) as usize).clamp(1, 20);
            samples[index][round] =
                elapsed.as_secs_f64() * 1e9 / (iterations[index] * group.items[index].batch as u64) as f64;
        }
    }
    let ours = group.items.iter().position(|item| item.kind == Kind::Ours).unwrap_or(0);
    group
        .items
        .iter()
        .enumerate()
        .map(|(index, item)| Measured {
            who: item.who,
            kind: item.kind,
            nanoseconds: median(samples[index].iter().copied()),
            of_ours: median(samples[index].iter().zip(&samples[ours]).map(|(it, ours)| it / ours)),
            instructions: None,
            allocations: None,
        })
        .collect()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
