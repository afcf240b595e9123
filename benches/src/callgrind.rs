//! Instruction counts.

use std::{path::Path, process::Command};

/// Whether valgrind is installed.
#[must_use]
pub fn is_there() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// All that a benchmark does.
    Region,
    /// Calls of ours only, where a scenario tells them apart from what its caller does.
    Calls,
}

/// The instructions that `program` executes in what is measured, by callgrind; none if it failed.
#[must_use]
pub fn instructions(program: &Path, counted: Counted, arguments: &[&str]) -> Option<u64> {
    let toggle = match counted {
        Counted::Region => "--toggle-collect=*counted_region*",
        Counted::Calls => "--toggle-collect=*counted_call*",
    };
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", toggle])
        .arg(program)
        .args(arguments)
        .output()
        .ok()?;
    if !output.status.success() {
        return None;
    }
    let told = String::from_utf8_lossy(&output.stderr);
    let line = told.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// The instructions of one iteration. Nothing is counted but the iterations and the loop around them.
#[must_use]
pub fn per_iteration(program: &Path, group: &str, who: &str, iterations: u64) -> Option<f64> {
    let count = instructions(program, Counted::Region, &["--one", group, who, &iterations.to_string()])?;
    Some(count as f64 / iterations as f64)
}
