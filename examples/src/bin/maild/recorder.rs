//! What is counted, as Prometheus reads it: a recorder for the facade `metrics`, and the text of all that it has.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::{
    Counter, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

/// The upper ends of the buckets, in seconds: all histograms are of times.
const BUCKETS: [f64; 11] = [0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0];

/// All that is counted in this process.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    counters: Series<AtomicU64>,
    gauges: Series<Level>,
    histograms: Series<Times>,
}

/// The values of one kind, by name and labels.
type Series<T> = Mutex<BTreeMap<(String, String), Arc<T>>>;

/// A number that goes up and down, as its bits.
#[derive(Debug, Default)]
struct Level(AtomicU64);

#[derive(Debug, Default)]
struct Times {
    buckets: [AtomicU64; BUCKETS.len()],
    count: AtomicU64,
    sum: Level,
}

/// Counts from now on. Of several calls the first one counts.
pub(crate) fn install() -> &'static Counted {
    static COUNTED: OnceLock<&'static Counted> = OnceLock::new();
    COUNTED.get_or_init(|| {
        let counted: &'static Counted = Box::leak(Box::default());
        // Another recorder is there in no program of ours.
        let _ = metrics::set_global_recorder(counted);
        counted
    })
}

impl Level {
    fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    fn add(&self, value: f64) {
        let add = |bits| Some((f64::from_bits(bits) + value).to_bits());
        // It always gives a new value.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }
}

impl GaugeFn for Level {
    fn increment(&self, value: f64) {
        self.add(value);
    }

    fn decrement(&self, value: f64) {
        self.add(-value);
    }

    fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }
}

impl HistogramFn for Times {
    fn record(&self, value: f64) {
        for (bucket, _) in self.buckets.iter().zip(BUCKETS).filter(|(_, end)| value <= *end) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum.add(value);
    }
}

/// The one of this name and these labels.
fn of<T: Default>(series: &Series<T>, key: &Key) -> Arc<T> {
    let mut labels = String::new();
    for label in key.labels() {
        let comma = if labels.is_empty() { "" } else { "," };
        let value = label.value().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(labels, "{comma}{}=\"{value}\"", label.key());
    }
    let mut series = series.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(series.entry((key.name().to_owned(), labels)).or_default())
}

impl Recorder for &'static Counted {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(of(&self.counters, key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(of(&self.gauges, key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(of(&self.histograms, key))
    }
}

impl Counted {
    /// All of it, in [Prometheus' text format](https://prometheus.io/docs/instrumenting/exposition_formats/).
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for_each(&self.counters, &mut text, "counter", |text, name, labels, value| {
            let _ = writeln!(text, "{name}{} {}", braced(labels), value.load(Ordering::Relaxed));
        });
        for_each(&self.gauges, &mut text, "gauge", |text, name, labels, value| {
            let _ = writeln!(text, "{name}{} {}", braced(labels), value.get());
        });
        for_each(&self.histograms, &mut text, "histogram", |text, name, labels, times| {
            let comma = if labels.is_empty() { "" } else { "," };
            let count = times.count.load(Ordering::Relaxed);
            for (bucket, end) in times.buckets.iter().zip(BUCKETS) {
                // Of one that is being counted the buckets may be ahead.
                let value = bucket.load(Ordering::Relaxed).min(count);
                let _ = writeln!(text, "{name}_bucket{{{labels}{comma}le=\"{end}\"}} {value}");
            }
            let _ = writeln!(text, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}");
            let _ = writeln!(text, "{name}_sum{} {}", braced(labels), times.sum.get());
            let _ = writeln!(text, "{name}_count{} {count}", braced(labels));
        });
        text
    }
}

fn for_each<T>(
    series: &Series<T>,
    text: &mut String,
    kind: &str,
    write: impl Fn(&mut String, &str, &str, &T),
) {
    let mut last = "";
    let series = series.lock().unwrap_or_else(PoisonError::into_inner);
    for ((name, labels), value) in series.iter() {
        if name != last {
            let _ = writeln!(text, "# TYPE {name} {kind}");
            last = name;
        }
        write(text, name, labels, value);
    }
}

fn braced(labels: &str) -> String {
    if labels.is_empty() { String::new() } else { format!("{{{labels}}}") }
}

#[cfg(test)]
mod tests {
    use metrics::{Label, Level as Loud};

    use super::*;

    #[test]
    fn all_is_told_as_prometheus_reads_it() {
        let counted: &'static Counted = Box::leak(Box::default());
        let metadata = Metadata::new("test", Loud::INFO, None);
        let key = |name, labels: &[(&'static str, &'static str)]| {
            Key::from_parts(
                name,
                labels.iter().map(|(key, value)| Label::new(*key, *value)).collect::<Vec<_>>(),
            )
        };
        (&counted).register_counter(&key("a_total", &[("x", "1"), ("y", "a\"b\\")]), &metadata).increment(2);
        (&counted).register_counter(&key("a_total", &[]), &metadata).increment(1);
        let gauge = (&counted).register_gauge(&key("b", &[]), &metadata);
        gauge.set(3.0);
        gauge.decrement(0.5);
        (&counted).register_histogram(&key("c_seconds", &[("p", "q")]), &metadata).record(0.3);
        let text = counted.text();
        for line in [
            "# TYPE a_total counter\na_total 1\na_total{x=\"1\",y=\"a\\\"b\\\\\"} 2\n",
            "# TYPE b gauge\nb 2.5\n",
            "c_seconds_bucket{p=\"q\",le=\"0.1\"} 0\nc_seconds_bucket{p=\"q\",le=\"0.5\"} 1\n",
            "c_seconds_bucket{p=\"q\",le=\"+Inf\"} 1\nc_seconds_sum{p=\"q\"} 0.3\nc_seconds_count{p=\"q\"} 1\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
