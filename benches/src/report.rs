//! The report: a table, a plot, and the machine that it is about.

use std::fmt::Write as _;

use crate::{
    Aim, Group, Kind,
    cost::{self, Cost},
    measure::Measured,
};

/// A group and what was measured of its contenders, in their order.
pub type Row = (Group, Vec<Measured>);

/// Ours in a group; the first of ours, if there are several.
#[must_use]
pub fn ours(row: &Row) -> Option<&Measured> {
    row.1.iter().find(|it| it.kind == Kind::Ours)
}

/// The fastest of the peers.
#[must_use]
pub fn fastest_peer(row: &Row) -> Option<&Measured> {
    let peers = row.1.iter().filter(|it| it.kind == Kind::Peer);
    peers.min_by(|a, b| a.of_ours.total_cmp(&b.of_ours))
}

/// What an aim came to.
struct Verdict {
    /// What was asked.
    aim: String,
    /// What was measured, in the same unit.
    measured: String,
    /// How far above (1.0: as asked) the time is, if anything was asked.
    miss: Option<f64>,
}

fn verdict(row: &Row, rows: &[Row]) -> Verdict {
    let none = Verdict { aim: "–".into(), measured: "–".into(), miss: None };
    let (Some(ours), group) = (ours(row), &row.0) else { return none };
    match group.aim {
        Aim::None => none,
        Aim::OfFastestPeer(most) => match fastest_peer(row) {
            None => none,
            Some(peer) => {
                let ratio = 1.0 / peer.of_ours;
                Verdict {
                    aim: format!("≤ {most:.2} of the fastest peer"),
                    measured: format!("{ratio:.2}"),
                    miss: Some(ratio / most),
                }
            }
        },
        Aim::OfGroup(other, most) => {
            let Some(whole) = rows.iter().find(|(group, _)| group.name == other).and_then(self::ours) else {
                return none;
            };
            let ratio = ours.nanoseconds / whole.nanoseconds;
            Verdict {
                aim: format!("≤ {most:.2} of whole input"),
                measured: format!("{ratio:.2}"),
                miss: Some(ratio / most),
            }
        }
        Aim::Throughput(least) => {
            let throughput = group.bytes as f64 / ours.nanoseconds;
            Verdict {
                aim: format!("≥ {least} GB/s"),
                measured: format!("{throughput:.1} GB/s"),
                miss: Some(least / throughput),
            }
        }
    }
}

/// The report as Markdown.
#[must_use]
pub fn markdown(rows: &[Row], costs: &[Cost], machine: &str) -> String {
    let mut out = String::new();
    let _ = write!(
        out,
        "# Speed\n\nWritten by `cargo bench -p mailwire-benches`; see the [README](../README.md) for what is measured and \
         how.\n\n{machine}\n\n![Ratios](speed.svg)\n\n## Ours against the aims\n\n\
         Times are medians, ratios are medians over the rounds of ours divided by the other in the same round. \
         Instructions are callgrind's, for an iteration. Allocations are of ours, for an iteration.\n\n\
         | item | ours | fastest peer | ratio | of its instructions | allocations | aim | measured | |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | --- | --- | --- |\n"
    );
    for row in rows {
        let Some(ours) = ours(row) else { continue };
        let peer = fastest_peer(row);
        let verdict = verdict(row, rows);
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            row.0.title,
            time(ours.nanoseconds),
            peer.map_or("–".into(), |peer| format!("{} ({})", time(peer.nanoseconds), peer.who)),
            peer.map_or("–".into(), |peer| format!("{:.2}", 1.0 / peer.of_ours)),
            peer.and_then(|peer| Some(ours.instructions? / peer.instructions?))
                .map_or("–".into(), |ratio| format!("{ratio:.2}")),
            ours.allocations.map_or("–".into(), |count| format!("{count:.0}")),
            verdict.aim,
            verdict.measured,
            match verdict.miss {
                None => String::new(),
                Some(miss) if miss <= 1.0 => "met".into(),
                Some(miss) => format!("missed by {:.0} %", (miss - 1.0) * 100.0),
            }
        );
    }
    out.push_str(&cost::markdown(costs));
    out.push_str(
        "\n## All contenders\n\n| item | contender | | time | GB/s | time of ours | instructions | allocations |\n\
         | --- | --- | --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for (group, measured) in rows {
        for it in measured {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {:.2} | {:.2} | {} | {} |",
                group.title,
                it.who,
                match it.kind {
                    Kind::Ours => "ours",
                    Kind::Peer => "peer",
                    Kind::Floor => "floor",
                },
                time(it.nanoseconds),
                group.bytes as f64 / it.nanoseconds,
                it.of_ours,
                it.instructions.map_or("–".into(), |count| format!("{count:.0}")),
                it.allocations.map_or("–".into(), |count| format!("{count:.1}")),
            );
        }
    }
    out
}

fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        n if n < 100.0 => format!("{n:.1} ns"),
        n if n < 10_000.0 => format!("{n:.0} ns"),
        n if n < 10_000_000.0 => format!("{:.1} µs", n / 1e3),
        n => format!("{:.1} ms", n / 1e6),
    }
}

const LEFT: f64 = 400.0;
const WIDTH: f64 = 620.0;
const LINE: f64 = 17.0;
/// The range of ratios that is shown.
const RANGE: (f64, f64) = (0.02, 4.0);

fn x(ratio: f64) -> f64 {
    let (from, to) = (RANGE.0.ln(), RANGE.1.ln());
    LEFT + WIDTH * ((ratio.clamp(RANGE.0, RANGE.1).ln() - from) / (to - from))
}

/// A plot: each item a line, the fastest peer at 1, ours as a bar that ends left of it where ours is
/// faster.
#[must_use]
pub fn svg(rows: &[Row]) -> String {
    let shown: Vec<&Row> =
        rows.iter().filter(|row| ours(row).is_some() && fastest_peer(row).is_some()).collect();
    let height = 70.0 + LINE * shown.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{height}\" viewBox=\"0 0 {w} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"18\" font-size=\"13\" font-weight=\"bold\">Time of mailwire, the fastest peer being 1 \
         (logarithmic; shorter is faster)</text>\n\
         <text x=\"10\" y=\"34\" fill=\"#555\">bar: ours (green: aim met, orange: missed, grey: no aim); black tick: aim; \
         blue dots: peers; hollow dots: floors</text>\n",
        w = LEFT + WIDTH + 60.0
    );
    for ratio in [0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0] {
        let _ = writeln!(
            out,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"56\" y2=\"{:.1}\" stroke=\"{}\"/>\
             <text x=\"{x:.1}\" y=\"52\" text-anchor=\"middle\" fill=\"#555\">{ratio}</text>",
            height - 10.0,
            if ratio == 1.0 { "#888" } else { "#ddd" },
            x = x(ratio)
        );
    }
    for (index, row) in shown.iter().enumerate() {
        let y = 62.0 + LINE * index as f64;
        let middle = y + LINE / 2.0 - 1.0;
        let (Some(_), Some(peer)) = (ours(row), fastest_peer(row)) else { continue };
        let ratio = 1.0 / peer.of_ours;
        let color = match verdict(row, rows).miss {
            None => "#999",
            Some(miss) if miss <= 1.0 => "#3a9a4b",
            Some(_) => "#e08a1e",
        };
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{color}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#333\">{ratio:.2}</text>",
            LEFT - 8.0,
            middle + 4.0,
            escape(&row.0.title),
            x(ratio) - LEFT,
            LINE - 5.0,
            LEFT + WIDTH + 8.0,
            middle + 4.0,
        );
        if let Aim::OfFastestPeer(aim) = row.0.aim {
            let _ = writeln!(
                out,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"2\" height=\"{:.1}\" fill=\"black\"/>",
                x(aim) - 1.0,
                y - 2.0,
                LINE - 1.0
            );
        }
        for it in row.1.iter().filter(|it| it.kind != Kind::Ours) {
            let _ = writeln!(
                out,
                "<circle cx=\"{:.1}\" cy=\"{middle:.1}\" r=\"3\" {}><title>{}: {:.2}</title></circle>",
                x(it.of_ours * ratio),
                if it.kind == Kind::Peer { "fill=\"#2b62c4\"" } else { "fill=\"white\" stroke=\"#555\"" },
                escape(it.who),
                it.of_ours * ratio
            );
        }
    }
    out.push_str("</svg>\n");
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// The compiler's version.
#[must_use]
pub fn rustc() -> String {
    let output = std::process::Command::new("rustc").arg("-V").output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

/// What the report is about: processor, cores, compiler.
#[must_use]
pub fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split(':').nth(1)).map_or("unknown", str::trim).to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let rustc = rustc();
    let wide: Vec<&str> = ["sse2", "avx2", "avx512bw"]
        .into_iter()
        .filter(|feature| field("flags").split(' ').any(|flag| flag == *feature))
        .collect();
    let built: Vec<&str> = [("sse2", cfg!(target_feature = "sse2")), ("avx2", cfg!(target_feature = "avx2"))]
        .into_iter()
        .filter_map(|(name, on)| on.then_some(name))
        .collect();
    let chosen = if cfg!(feature = "simd") { ", and chooses at run time what searches bodies" } else { "" };
    format!(
        "Machine: {} (family {}, model {}), {cores} cores, a virtual machine that others share; it has {}, the program was \
         built for {}{chosen}. Compiler: {rustc}, profile `bench` (release, thin LTO).",
        field("model name"),
        field("cpu family"),
        field("model\t"),
        wide.join(", "),
        built.join(", ")
    )
}
