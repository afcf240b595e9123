//! Runs one contender so many times, for callgrind or a profiler.
//!
//! `one GROUP CONTENDER TIMES`; without arguments it lists them. The difference of callgrind's totals
//! for two numbers of times, divided by theirs, is the exact number of instructions of an iteration.
#![allow(clippy::expect_used)]

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [group, who, times] = arguments.as_slice() else {
        for group in mailwire_benches::groups() {
            for item in group.items {
                println!("{} '{}'", group.name, item.who);
            }
        }
        return;
    };
    let group = mailwire_benches::group(group).expect("no such group");
    let item = group.items.iter().find(|it| it.who == *who).expect("no such contender");
    let times: u64 = times.parse().expect("a number of times");
    let elapsed = item.work()(times);
    println!("{:.1} ns", elapsed.as_secs_f64() * 1e9 / times as f64);
}
