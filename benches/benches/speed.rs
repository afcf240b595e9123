//! `cargo bench -p mailwire-benches`: measures everything and writes the report.
//!
//! Arguments after `--`: a part of a group's name measures only what matches and writes no report;
//! `--quick` measures shortly; `--no-instructions` leaves callgrind out; `--list` names everything;
//! `--baseline check` and `--baseline accept`, with a part of a path or without, compare the instructions of
//! ours with `baseline.txt` and write it; `--one GROUP CONTENDER TIMES` runs one contender and `--cost NAME COUNT PIECE` one kind of hostile
//! input, for callgrind or a profiler.

use std::{
    error::Error,
    path::Path,
    process::{Command, ExitCode},
};

use mailwire_benches::{
    Group,
    baseline::Baseline,
    callgrind, cost, group, groups,
    measure::{Effort, Measured, measure},
    report,
};

type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["--one", name, who, times] => one(name, who, times.parse()?),
        ["--cost", name, count, piece] => {
            cost::run(name, count.parse()?, piece.parse()?);
            Ok(())
        }
        ["--baseline", action] => baseline(action, ""),
        ["--baseline", action, filter] => baseline(action, filter),
        ["--list"] => {
            for group in groups() {
                group.items.iter().for_each(|item| println!("{} '{}'", group.name, item.who));
            }
            Ok(())
        }
        // `cargo test --benches`: that everything works is checked when the groups are made.
        _ if !std::env::args().any(|argument| argument == "--bench") => {
            println!("{} groups", groups().len());
            Ok(())
        }
        options => all(options),
    }
}

/// Runs one contender so many times.
fn one(name: &str, who: &str, times: u64) -> Result<(), Failure> {
    let group = group(name).ok_or("no such group")?;
    let item = group.items.iter().find(|item| item.who == who).ok_or("no such contender")?;
    let elapsed = item.work()(times);
    println!("{:.1} ns", elapsed.as_secs_f64() * 1e9 / (times * item.batch as u64) as f64);
    Ok(())
}

/// Compares the instructions of ours with the baseline, or makes them the baseline.
fn baseline(action: &str, filter: &str) -> Result<(), Failure> {
    if !callgrind::is_there() {
        return Err(
            "instructions are counted by valgrind, which is not installed: apt-get install valgrind".into()
        );
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline.txt");
    let mut accepted = Baseline::read(&std::fs::read_to_string(&file).unwrap_or_default());
    let now = Baseline::count(&std::env::current_exe()?, filter);
    let comparison = accepted.part(filter).compare(&now);
    print!("{comparison}");
    if accepted.counts.is_empty() {
        println!("there is no baseline");
    } else if !comparison.comparable {
        println!(
            "the baseline was counted with {}, and this with {}: differences are no failure",
            accepted.counted_with, now.counted_with
        );
    }
    let accept = "cargo bench -p mailwire-benches -- --baseline accept";
    match action {
        "check" if accepted.counts.is_empty() => Err(format!("{accept} makes one").into()),
        "check" if comparison.is_failure() => {
            Err(format!("if that has to be: {accept} rewrites benches/baseline.txt, and the commit says why")
                .into())
        }
        "check" => Ok(()),
        "accept" => {
            // A part that is counted with something else would be compared with the rest.
            if !filter.is_empty() && !comparison.comparable {
                return Err(format!("everything has to be counted anew: {accept}").into());
            }
            accepted.counts.retain(|path, _| !path.contains(filter));
            accepted.counts.extend(now.counts);
            accepted.counted_with = now.counted_with;
            Ok(std::fs::write(file, accepted.to_string())?)
        }
        _ => Err("--baseline check or --baseline accept".into()),
    }
}

fn all(options: &[&str]) -> Result<(), Failure> {
    let filter = options.iter().find(|option| !option.starts_with('-'));
    let quick = options.contains(&"--quick");
    let effort = if quick { Effort::QUICK } else { Effort::FULL };
    let counts = !options.contains(&"--no-instructions") && !quick && callgrind::is_there();
    let this = std::env::current_exe()?;

    let mut rows = Vec::new();
    for group in groups() {
        if filter.is_some_and(|filter| !group.name.contains(filter)) {
            continue;
        }
        let mut measured = measure(&group, effort);
        if counts {
            count(&this, &group, &mut measured);
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
    if filter.is_some() || quick {
        return Ok(());
    }
    let costs = if counts { cost::measure(&this) } else { Vec::new() };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("report");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("speed.md"), report::markdown(&rows, &costs, &report::machine()))?;
    std::fs::write(folder.join("speed.svg"), report::svg(&rows))?;
    println!("the report is in benches/report");
    Ok(())
}

/// Counts instructions and allocations, each in a process of its own.
fn count(this: &Path, group: &Group, measured: &mut [Measured]) {
    for (item, it) in group.items.iter().zip(measured) {
        let each = it.nanoseconds * item.batch as f64;
        // About half a millisecond of work, which takes callgrind little.
        let iterations = ((5e5 / each) as u64).clamp(1, 1000);
        it.instructions = callgrind::per_iteration(this, &group.name, it.who, iterations)
            .map(|count| count / item.batch as f64);
        let allocations = Command::new(env!("CARGO_BIN_EXE_allocations"))
            .args([&group.name, it.who, &iterations.min(100).to_string()])
            .output();
        it.allocations =
            allocations.ok().and_then(|output| String::from_utf8_lossy(&output.stdout).trim().parse().ok());
    }
}
