//! The baseline: the instructions of every path of ours, kept in `baseline.txt` and compared with it.
//!
//! Times depend on what else a machine does; instructions of the same program do not. So a change that
//! makes something slower is seen where it is made, and on a busy machine.

use std::{collections::BTreeMap, fmt, path::Path, process::Command};

use crate::{Kind, callgrind, cost, groups, report};

/// By how much a path may become worse before it fails.
const TOLERANCE: f64 = 0.03;

/// What stands before the counts in the line that tells what they were counted with.
const COUNTED_WITH: &str = "# Counted with ";

/// Counts, and what they were counted with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Baseline {
    /// The compiler and what else counts depend on: those of two that differ here say little.
    pub counted_with: String,
    /// The instructions of one iteration, by `GROUP CONTENDER`.
    pub counts: BTreeMap<String, f64>,
}

impl Baseline {
    /// Counts every path of ours whose name contains `filter`; `program` is this crate's benchmark.
    ///
    /// How often each runs depends on nothing but its input, so that it is counted alike each time.
    ///
    /// # Panics
    ///
    /// One does not run.
    #[must_use]
    pub fn count(program: &Path, filter: &str) -> Self {
        let mut counts = BTreeMap::new();
        for group in groups() {
            for item in group.items.iter().filter(|item| item.kind == Kind::Ours) {
                let path = format!("{} {}", group.name, item.who);
                if !path.contains(filter) {
                    continue;
                }
                let iterations = (ENOUGH / (group.bytes * item.batch)).clamp(1, MOST) as u64;
                let count = callgrind::per_iteration(program, &group.name, item.who, iterations)
                    .unwrap_or_else(|| panic!("{path}: callgrind counted nothing"));
                counts.insert(path, count / item.batch as f64);
            }
        }
        counts.extend(cost::count_paths(program, filter));
        Self { counted_with: counted_with(), counts }
    }

    /// Reads the file's text. What is not understood is left out, and so is missed when it is compared.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let counted_with = text.lines().find_map(|line| line.strip_prefix(COUNTED_WITH)).unwrap_or_default();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let counts = lines.filter_map(|line| {
            let (path, count) = line.rsplit_once(' ')?;
            Some((path.to_owned(), count.parse().ok()?))
        });
        Self { counted_with: counted_with.to_owned(), counts: counts.collect() }
    }

    /// The counts whose path contains `filter`.
    #[must_use]
    pub fn part(&self, filter: &str) -> Self {
        let counts = self.counts.iter().filter(|(path, _)| path.contains(filter));
        Self {
            counted_with: self.counted_with.clone(),
            counts: counts.map(|(path, count)| (path.clone(), *count)).collect(),
        }
    }

    /// Compares what was counted `now` with this.
    #[must_use]
    pub fn compare(&self, now: &Self) -> Comparison {
        let mut comparison =
            Comparison { comparable: self.counted_with == now.counted_with, ..Comparison::default() };
        for (path, &count) in &now.counts {
            let Some(&before) = self.counts.get(path) else {
                comparison.added.push(path.clone());
                continue;
            };
            let change = Change { path: path.clone(), before, now: count };
            match change.ratio() {
                ratio if ratio > TOLERANCE => comparison.worse.push(change),
                ratio if ratio < -TOLERANCE => comparison.better.push(change),
                _ => comparison.same += 1,
            }
        }
        comparison.gone =
            self.counts.keys().filter(|path| !now.counts.contains_key(*path)).cloned().collect();
        comparison
    }
}

/// About how many bytes go through a path before its iterations are enough, and how many are most.
const ENOUGH: usize = 256 * 1024;
const MOST: usize = 100;

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Instructions of an iteration of every path of ours: see \"Baseline\" in README.md.")?;
        writeln!(f, "{COUNTED_WITH}{}", self.counted_with)?;
        self.counts.iter().try_for_each(|(path, count)| writeln!(f, "{path} {count:.1}"))
    }
}

/// What counts depend on besides the code: the compiler, the allocator and copying of the C library, and
/// the widest registers that callgrind lets a program use.
fn counted_with() -> String {
    let libc = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let libc = libc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    #[cfg(target_arch = "x86_64")]
    let registers = if std::arch::is_x86_feature_detected!("avx2") { "avx2" } else { "sse2" };
    #[cfg(not(target_arch = "x86_64"))]
    let registers = std::env::consts::ARCH;
    let simd = if cfg!(feature = "simd") { "" } else { ", without the feature simd" };
    format!("{}, {}, {registers}{simd}", report::rustc(), libc.unwrap_or_default())
}

/// A path whose count changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// `GROUP CONTENDER`.
    pub path: String,
    /// The instructions in the baseline.
    pub before: f64,
    /// The instructions as counted now.
    pub now: f64,
}

impl Change {
    /// The change as a part of what was before; positive is worse.
    fn ratio(&self) -> f64 {
        self.now / self.before - 1.0
    }
}

/// How counts differ from the baseline.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparison {
    /// Whether both were counted with the same compiler and libraries.
    pub comparable: bool,
    /// Paths that became worse by more than is tolerated.
    pub worse: Vec<Change>,
    /// Paths that became better by more than that.
    pub better: Vec<Change>,
    /// How many are about as they were.
    pub same: usize,
    /// Paths that the baseline does not have.
    pub added: Vec<String>,
    /// Paths of the baseline that are measured no more.
    pub gone: Vec<String>,
}

impl Comparison {
    /// Whether this must not pass: a path became worse, or is watched no more.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.comparable && !(self.worse.is_empty() && self.gone.is_empty())
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (title, changes) in [("worse", &self.worse), ("better", &self.better)] {
            for it in changes {
                let percent = it.ratio() * 100.0;
                writeln!(
                    f,
                    "{title:6} {percent:>+7.1} % {:>12.1} -> {:>12.1}  {}",
                    it.before, it.now, it.path
                )?;
            }
        }
        self.added.iter().try_for_each(|path| writeln!(f, "new    {path}"))?;
        self.gone.iter().try_for_each(|path| writeln!(f, "gone   {path}"))?;
        writeln!(
            f,
            "{} paths worse by more than {percent:.0} %, {} better, {} within it, {} new, {} gone",
            self.worse.len(),
            self.better.len(),
            self.same,
            self.added.len(),
            self.gone.len(),
            percent = TOLERANCE * 100.0,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(counts: &[(&str, f64)]) -> Baseline {
        let counts = counts.iter().map(|(path, count)| ((*path).to_owned(), *count));
        Baseline { counted_with: "rustc 1".into(), counts: counts.collect() }
    }

    #[test]
    fn what_is_written_is_read() {
        let written = baseline(&[("imap/list mailwire", 685.5), ("imap/list mailwire with framing", 900.0)]);
        assert_eq!(Baseline::read(&written.to_string()), written);
    }

    #[test]
    fn a_path_may_become_worse_by_three_percent_and_no_more() {
        let before = baseline(&[("a mailwire", 100.0), ("b mailwire", 100.0), ("c mailwire", 100.0)]);
        let now = baseline(&[("a mailwire", 102.9), ("b mailwire", 103.1), ("c mailwire", 90.0)]);
        let comparison = before.compare(&now);
        assert!(comparison.is_failure());
        assert_eq!((comparison.worse[0].path.as_str(), comparison.worse.len()), ("b mailwire", 1));
        assert_eq!((comparison.better[0].path.as_str(), comparison.better.len()), ("c mailwire", 1));
        assert_eq!(comparison.same, 1);
    }

    #[test]
    fn a_path_that_is_gone_fails_and_a_new_one_does_not() {
        let (one, both) = (baseline(&[("a us", 1.0)]), baseline(&[("a us", 1.0), ("b us", 1.0)]));
        assert!(both.compare(&one).is_failure());
        assert!(!one.compare(&both).is_failure());
        assert_eq!(one.compare(&both).added, ["b us"]);
    }

    #[test]
    fn counts_of_another_compiler_do_not_fail() {
        let before = baseline(&[("a us", 100.0)]);
        let now = Baseline { counted_with: "rustc 2".into(), ..baseline(&[("a us", 200.0)]) };
        let comparison = before.compare(&now);
        assert_eq!(comparison.worse.len(), 1);
        assert!(!comparison.is_failure());
    }
}
