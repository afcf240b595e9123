//! `cargo bench -p mailwire-benches`: measures everything and writes the report.
//!
//! Arguments behind `--`: a part of a group's name measures only what matches and writes no report;
//! `--quick` measures shortly; `--no-instructions` leaves callgrind out.

use std::{error::Error, path::Path, process::Command};

use mailwire_benches::{
    Group, callgrind, cost, groups,
    measure::{Effort, Measured, measure},
    report,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    if !has("--bench") {
        // `cargo test --benches`: that everything works was checked when the groups were built.
        println!("{} groups", groups().len());
        return Ok(());
    }
    let effort = if has("--quick") { Effort::QUICK } else { Effort::FULL };
    let counts = !has("--no-instructions") && !has("--quick") && callgrind::is_there();

    let mut rows = Vec::new();
    for group in groups() {
        if filter.is_some_and(|filter| !group.name.contains(filter.as_str())) {
            continue;
        }
        let mut measured = measure(&group, effort);
        if counts {
            count(&group, &mut measured);
        }
        for it in &measured {
            println!(
                "{:36} {:22} {:>12.1} ns {:>7.2} GB/s {:>7.2} of ours {:>10.0} instructions",
                group.name,
                it.who,
                it.nanoseconds,
                group.bytes as f64 / it.nanoseconds,
                it.of_ours,
                it.instructions.unwrap_or_default()
            );
        }
        rows.push((group, measured));
    }
    if filter.is_some() || has("--quick") {
        return Ok(());
    }
    let costs = if counts { cost::measure(Path::new(env!("CARGO_BIN_EXE_cost"))) } else { Vec::new() };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("report");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("speed.md"), report::markdown(&rows, &costs, &report::machine()))?;
    std::fs::write(folder.join("speed.svg"), report::svg(&rows))?;
    println!("the report is in benches/report");
    Ok(())
}

/// Counts instructions and allocations, each in a program of its own.
fn count(group: &Group, measured: &mut [Measured]) {
    for (item, it) in group.items.iter().zip(measured) {
        let each = it.nanoseconds * item.batch as f64;
        // About a millisecond of work, which takes callgrind a tenth of a second.
        let iterations = ((1e6 / each) as u64).clamp(1, 1000);
        it.instructions =
            callgrind::per_iteration(Path::new(env!("CARGO_BIN_EXE_one")), &group.name, it.who, iterations)
                .map(|count| count / item.batch as f64);
        let allocations = Command::new(env!("CARGO_BIN_EXE_allocations"))
            .args([&group.name, it.who, &iterations.min(100).to_string()])
            .output();
        it.allocations =
            allocations.ok().and_then(|output| String::from_utf8_lossy(&output.stdout).trim().parse().ok());
    }
}
