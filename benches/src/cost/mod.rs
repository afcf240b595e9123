//! What hostile input costs, in instructions: the same input byte by byte, and more of the same.

mod machines;
mod scenarios;

use std::{fmt::Write as _, path::Path};

use scenarios::{SCENARIOS, Scenario};

use crate::callgrind::{self, Counted};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// Byte by byte it costs at most so many times what it costs as a whole.
    ByteByByte(f64),
    /// Four times as much costs four times as much, at most so many times that.
    Linear(f64),
}

/// What was measured of a scenario.
#[derive(Debug, Clone)]
pub struct Cost {
    /// What happens.
    pub title: &'static str,
    /// What is asked.
    pub limit: Limit,
    /// Instructions: of the whole input, or of the smaller one.
    pub first: u64,
    /// Instructions: byte by byte, or of the larger one.
    pub second: u64,
    /// Instructions byte by byte with the caller's part: its loop, and a byte put into the buffer.
    pub with_caller: u64,
    /// How many there are of what is counted in the smaller one, or bytes.
    pub count: usize,
}

impl Cost {
    /// The measured ratio that the limit is about.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        let ratio = self.second as f64 / self.first as f64;
        match self.limit {
            Limit::ByteByByte(_) => ratio,
            Limit::Linear(_) => ratio / 4.0,
        }
    }

    /// Whether the limit is kept.
    #[must_use]
    pub fn is_within(&self) -> bool {
        match self.limit {
            Limit::ByteByByte(limit) | Limit::Linear(limit) => self.ratio() <= limit,
        }
    }
}

/// Pieces of this size are what a network gives.
const SEGMENT: usize = 1400;

/// Runs one scenario once, for callgrind.
///
/// # Panics
///
/// There is no such scenario, or the machine did not do what it has to.
pub fn run(name: &str, count: usize, piece: usize) {
    let scenario = SCENARIOS.iter().find(|it| it.name == name).expect("no such scenario");
    (scenario.run)(count, piece);
}

/// Runs all scenarios once, small, without counting: that they work.
pub fn check() {
    for scenario in SCENARIOS {
        (scenario.run)(scenario.count / 10, SEGMENT);
        (scenario.run)(scenario.count / 10, 1);
    }
}

fn count(program: &Path, scenario: &Scenario, counted: Counted, count: usize, piece: usize) -> Option<u64> {
    let arguments = ["--cost", scenario.name, &count.to_string(), &piece.to_string()];
    callgrind::instructions(program, counted, &arguments)
}

/// Counts the instructions for the baseline: those that a limit compares, of scenarios whose path contains
/// `filter`.
///
/// # Panics
///
/// A scenario does not run.
pub(crate) fn count_paths(program: &Path, filter: &str) -> Vec<(String, f64)> {
    let mut paths = Vec::new();
    for it in SCENARIOS {
        let runs: &[_] = match it.limit {
            Limit::ByteByByte(_) => {
                &[("whole", Counted::Calls, usize::MAX), ("byte by byte", Counted::Calls, 1)]
            }
            Limit::Linear(_) => &[("in segments", Counted::Region, SEGMENT)],
        };
        for &(how, counted, piece) in runs {
            let path = format!("hostile/{} {how}", it.name);
            if path.contains(filter) {
                let Some(count) = count(program, it, counted, it.count, piece) else {
                    panic!("{path}: callgrind counted nothing");
                };
                paths.push((path, count as f64));
            }
        }
    }
    paths
}

/// Counts the instructions of all scenarios; `program` is this crate's benchmark.
#[must_use]
pub fn measure(program: &Path) -> Vec<Cost> {
    let count = |scenario: &Scenario, counted: Counted, number: usize, piece: usize| {
        count(program, scenario, counted, number, piece)
    };
    let measured = SCENARIOS.iter().filter_map(|it| {
        let (first, second, with_caller) = match it.limit {
            Limit::ByteByByte(_) => (
                count(it, Counted::Calls, it.count, usize::MAX)?,
                count(it, Counted::Calls, it.count, 1)?,
                count(it, Counted::Region, it.count, 1)?,
            ),
            Limit::Linear(_) => {
                let first = count(it, Counted::Region, it.count, SEGMENT)?;
                let second = count(it, Counted::Region, it.count * 4, SEGMENT)?;
                (first, second, second)
            }
        };
        Some(Cost { title: it.title, limit: it.limit, first, second, with_caller, count: it.count })
    });
    measured.collect()
}

/// A section of the report.
#[must_use]
pub fn markdown(costs: &[Cost]) -> String {
    let mut out = String::new();
    if costs.is_empty() {
        return out;
    }
    out.push_str(
        "\n## Hostile input\n\nInstructions by callgrind, of the machines with their parsers: calls of `next_event`, \
         handling of events and replies to them, and taking the output. The last column has the caller's part as well: \
         its loop, and a call that puts a byte into the buffer.\n\n\
         | byte by byte | whole | byte by byte | ratio | limit | | with the caller's part |\n\
         | --- | ---: | ---: | ---: | ---: | --- | ---: |\n",
    );
    for cost in costs {
        if let Limit::ByteByByte(limit) = cost.limit {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {:.2} | {limit:.1} | {} | {} |",
                cost.title,
                cost.first,
                cost.second,
                cost.ratio(),
                if cost.is_within() { "kept" } else { "passed" },
                cost.with_caller
            );
        }
    }
    out.push_str(
        "\n| more of the same, in pieces of 1,400 bytes | n | instructions for each | for each at 4 n | growth | |\n\
         | --- | ---: | ---: | ---: | ---: | --- |\n",
    );
    for cost in costs {
        if let Limit::Linear(_) = cost.limit {
            let _ = writeln!(
                out,
                "| {} | {} | {:.1} | {:.1} | {:.3} | {} |",
                cost.title,
                cost.count,
                cost.first as f64 / cost.count as f64,
                cost.second as f64 / (cost.count * 4) as f64,
                cost.ratio(),
                if cost.is_within() { "linear" } else { "not linear" }
            );
        }
    }
    out
}
