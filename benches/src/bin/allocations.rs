//! Counts the allocations of one contender: `allocations GROUP CONTENDER TIMES`.
#![allow(clippy::expect_used)]

use std::{
    alloc::System,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Takes off what there was before, and adds what there is after.
fn observe(before: bool) {
    let stats = ALLOCATOR.stats();
    let all = stats.allocations + stats.reallocations;
    COUNT.fetch_add(if before { all.wrapping_neg() } else { all }, Relaxed);
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [group, who, times] = arguments.as_slice() else { return };
    let group = mailwire_benches::group(group).expect("no such group");
    let item = group.items.iter().find(|it| it.who == *who).expect("no such contender");
    let times: u64 = times.parse().expect("a number of times");
    let mut work = item.work();
    work(1);
    mailwire_benches::OBSERVER.set(observe).expect("set once");
    work(times);
    println!("{}", COUNT.load(Relaxed) as f64 / (times * item.batch as u64) as f64);
}
