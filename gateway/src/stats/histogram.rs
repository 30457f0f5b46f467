//! Durations in the buckets of `istio_request_duration_milliseconds`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds in milliseconds; what is above the last falls into one more bucket.
pub(crate) const BOUNDS_MS: [f64; 19] = [
    0.5,
    1.0,
    5.0,
    10.0,
    25.0,
    50.0,
    100.0,
    250.0,
    500.0,
    1000.0,
    2500.0,
    5000.0,
    10_000.0,
    30_000.0,
    60_000.0,
    300_000.0,
    600_000.0,
    1_800_000.0,
    3_600_000.0,
];

/// Counts durations.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BOUNDS_MS.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    pub(crate) fn record(&self, duration: Duration) {
        let milliseconds = duration.as_secs_f64() * 1e3;
        // Most requests are fast, so the first bounds decide.
        let bucket = BOUNDS_MS.iter().position(|&bound| milliseconds <= bound).unwrap_or(BOUNDS_MS.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(duration.as_micros() as u64, Ordering::Relaxed);
    }

    /// Returns the count up to each bound and above the last, and the sum in milliseconds.
    pub(crate) fn read(&self) -> ([u64; BOUNDS_MS.len() + 1], f64) {
        let mut total = 0;
        let cumulative = std::array::from_fn(|bucket| {
            total += self.buckets[bucket].load(Ordering::Relaxed);
            total
        });
        (cumulative, self.sum_us.load(Ordering::Relaxed) as f64 / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_include_their_bound() {
        let histogram = Histogram::default();
        for milliseconds in [1, 3, 5, 6, 7_200_000] {
            histogram.record(Duration::from_millis(milliseconds));
        }
        let (counts, sum) = histogram.read();
        assert_eq!(counts[..4], [0, 1, 3, 4]);
        assert_eq!(counts[BOUNDS_MS.len() - 1..], [4, 5]);
        assert_eq!(sum, 7_200_015.0);
    }
}
