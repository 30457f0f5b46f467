//! Opening a connection to an upstream.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::io::Io;
use crate::state::{Cluster, Endpoint, cluster};

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConnectError {
    /// The cluster's limits are reached.
    Overflow,
    Timeout,
    /// With the reason in words.
    Failed(String),
}

/// Counts a connection (or something else) as long as it lives.
pub(super) struct Counted {
    shared: Arc<cluster::Shared>,
    counter: fn(&cluster::Shared) -> &AtomicU32,
}

impl Counted {
    /// Counts one more unless `limit` is reached.
    fn new(
        shared: &Arc<cluster::Shared>,
        counter: fn(&cluster::Shared) -> &AtomicU32,
        limit: u32,
    ) -> Option<Self> {
        if counter(shared).fetch_add(1, Ordering::Relaxed) >= limit {
            counter(shared).fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Self { shared: shared.clone(), counter })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.counter)(&self.shared).fetch_sub(1, Ordering::Relaxed);
    }
}

/// Connects to an endpoint, through the handshake where there is one, within the cluster's limits. The returned count lives as long as the connection.
pub(super) async fn connect(
    cluster: &Arc<Cluster>,
    endpoint: &Endpoint,
) -> Result<(Io, Counted), ConnectError> {
    let (shared, config) = (&cluster.shared, &cluster.config);
    let overflow = || {
        shared.stats.overflows.add(1);
        ConnectError::Overflow
    };
    let _pending = Counted::new(shared, |shared| &shared.pending_requests, config.limits.pending)
        .ok_or_else(overflow)?;
    let counted = Counted::new(shared, |shared| &shared.active_connections, config.limits.connections)
        .ok_or_else(overflow)?;
    match tokio::time::timeout(config.connect_timeout, Io::open(cluster, endpoint)).await {
        Ok(Ok(io)) => {
            shared.stats.connections.add(1);
            Ok((io, counted))
        }
        Ok(Err(error)) => {
            shared.stats.connect_failures.add(1);
            Err(error)
        }
        Err(_) => {
            shared.stats.connect_timeouts.add(1);
            Err(ConnectError::Timeout)
        }
    }
}
