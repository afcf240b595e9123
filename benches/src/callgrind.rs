//! Instruction counts.

use std::{path::Path, process::Command};

/// Whether valgrind is installed.
#[must_use]
pub fn is_there() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// The instructions that `program` executes in what is measured, by callgrind.
#[must_use]
pub fn instructions(program: &Path, arguments: &[&str]) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*counted_region*"])
        .arg(program)
        .args(arguments)
        .output()
        .ok()?;
    let told = String::from_utf8_lossy(&output.stderr);
    let line = told.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// The instructions of one iteration. Nothing is counted but the iterations and the loop around them.
#[must_use]
pub fn per_iteration(program: &Path, group: &str, who: &str, iterations: u64) -> Option<f64> {
    let count = instructions(program, &["--one", group, who, &iterations.to_string()])?;
    Some(count as f64 / iterations as f64)
}
