//! Counters that all workers share. Written by workers without locks, read by the admin endpoint.

mod histogram;
mod requests;

use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use histogram::{BOUNDS_MS, Histogram};
pub(crate) use requests::{RequestCounts, ResponseFlags};

/// A counter that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is counted per upstream cluster.
#[derive(Debug, Default)]
pub(crate) struct ClusterStats {
    pub(crate) requests: RequestCounts,
    pub(crate) durations: Histogram,
    pub(crate) connections: Counter,
    pub(crate) connect_failures: Counter,
    pub(crate) connect_timeouts: Counter,
    pub(crate) retries: Counter,
    pub(crate) overflows: Counter,
    pub(crate) timeouts: Counter,
    pub(crate) resets: Counter,
    pub(crate) tries: Counter,
}

/// What is counted for the process.
#[derive(Debug, Default)]
pub(crate) struct GatewayStats {
    /// Requests that went to no upstream cluster.
    pub(crate) requests: RequestCounts,
    pub(crate) durations: Histogram,
    pub(crate) tls_errors: Counter,
    pub(crate) log_lines_dropped: Counter,
}
