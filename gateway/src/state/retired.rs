//! Values that workers may still use: kept here until nobody else has them, so that they are dropped on the control
//! thread and never in the middle of a request.

use std::sync::Arc;

use super::snapshot::Snapshot;

/// Snapshots that were replaced.
#[derive(Debug, Default)]
pub(crate) struct Retired {
    snapshots: Vec<Arc<Snapshot>>,
}

impl Retired {
    pub(crate) fn push(&mut self, snapshot: Arc<Snapshot>) {
        self.snapshots.push(snapshot);
        self.collect();
    }

    /// Drops what nobody uses any more.
    pub(crate) fn collect(&mut self) {
        self.snapshots.retain(|snapshot| Arc::strong_count(snapshot) > 1);
    }
}
