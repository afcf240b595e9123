//! `cargo bench -p mailwire-benches`: measures everything and writes the report.

use mailwire_benches::{groups, measure};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let effort = if quick { measure::Effort::QUICK } else { measure::Effort::FULL };
    for group in groups() {
        if filter.is_some_and(|filter| !group.name.contains(filter.as_str())) {
            continue;
        }
        for it in measure::measure(&group, effort) {
            println!(
                "{:32} {:24} {:>12.1} ns {:>8.2} GB/s {:>8.2} of ours",
                group.name,
                it.who,
                it.nanoseconds,
                group.bytes as f64 / it.nanoseconds,
                it.of_ours
            );
        }
    }
}
