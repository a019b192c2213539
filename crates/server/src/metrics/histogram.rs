//! A histogram of durations, as Prometheus counts them.

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper ends of the buckets, in microseconds: from a good disk's sync to a client's patience.
const BOUNDS_US: [u64; 12] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000,
];

/// How often something took how long.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BOUNDS_US.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

impl Histogram {
    /// Counts one that took this long.
    pub(crate) fn observe(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(at) = BOUNDS_US.iter().position(|bound| us <= *bound) {
            self.buckets[at].fetch_add(1, Relaxed);
        }
        self.count.fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
    }

    /// Writes it in the Prometheus text format.
    pub(crate) fn write(&self, name: &str, out: &mut String) -> fmt::Result {
        let mut below = 0;
        for (bucket, bound) in self.buckets.iter().zip(BOUNDS_US) {
            below += bucket.load(Relaxed);
            writeln!(out, "{name}_bucket{{le=\"{}\"}} {below}", seconds(bound))?;
        }
        // A bucket may be counted before the whole is: the whole must not be less.
        let count = self.count.load(Relaxed).max(below);
        writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {count}")?;
        writeln!(out, "{name}_sum {}", seconds(self.sum_us.load(Relaxed)))?;
        writeln!(out, "{name}_count {count}")
    }
}

fn seconds(us: u64) -> f64 {
    Duration::from_micros(us).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_count_everything_below_their_end() {
        let histogram = Histogram::default();
        for us in [100, 250, 251, 3_000, 60_000_000] {
            histogram.observe(Duration::from_micros(us));
        }
        let mut text = String::new();
        histogram.write("x", &mut text).unwrap();
        for line in [
            "x_bucket{le=\"0.00025\"} 2",
            "x_bucket{le=\"0.0005\"} 3",
            "x_bucket{le=\"0.005\"} 4",
            "x_bucket{le=\"5\"} 4",
            "x_bucket{le=\"+Inf\"} 5",
            "x_sum 60.003601",
            "x_count 5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
