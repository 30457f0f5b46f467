//! What all workers share: the snapshot and the counters of the process.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::descriptors::OncePerSecond;
use crate::state::Snapshot;
use crate::stats::GatewayStats;

/// What all workers share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) snapshot: ArcSwap<Snapshot>,
    pub(crate) stats: GatewayStats,
    /// Warnings of connections that cannot be accepted.
    pub(crate) accept_warnings: OncePerSecond,
    listeners: Mutex<BTreeMap<Arc<str>, Arc<ListenerStats>>>,
}

/// What is counted per listener.
#[derive(Debug, Default)]
pub(crate) struct ListenerStats {
    pub(crate) active: AtomicU64,
    pub(crate) total: AtomicU64,
}

impl Shared {
    /// Returns the counters of a listener, which outlive it.
    pub(crate) fn listener_stats(&self, name: &Arc<str>) -> Arc<ListenerStats> {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.entry(name.clone()).or_default().clone()
    }

    /// Returns the counters of all listeners.
    pub(crate) fn all_listener_stats(&self) -> BTreeMap<Arc<str>, Arc<ListenerStats>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
