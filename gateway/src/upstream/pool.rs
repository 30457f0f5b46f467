//! Connections of one worker to upstream endpoints. No locks: a pool belongs to its worker. Only counts and limits are
//! shared with the other workers, in the cluster.

mod connect;
mod http1;
mod http2;
mod io;
mod lease;
mod target_io;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use foldhash::fast::RandomState;

use crate::config::UpstreamProtocol;
use crate::state::{Cluster, Endpoint};

pub(crate) use connect::ConnectError;
pub(crate) use lease::{Lease, SendError};

/// The connections of one worker, by endpoint.
#[derive(Default)]
pub(crate) struct Pools {
    by_endpoint: RefCell<HashMap<u64, Rc<EndpointPool>, RandomState>>,
}

/// The connections of one worker to one endpoint.
pub(crate) struct EndpointPool {
    endpoint: Arc<Endpoint>,
    http1: http1::Idle,
    http2: http2::Connections,
}

impl Pools {
    /// Takes a connection to `endpoint`, opening one where none is free. `fresh` asks for a new one.
    pub(crate) async fn lease(
        &self,
        cluster: &Arc<Cluster>,
        endpoint: &Arc<Endpoint>,
        fresh: bool,
    ) -> Result<Lease, ConnectError> {
        let pool = self.pool(endpoint);
        match cluster.config.protocol {
            UpstreamProtocol::Http1 => http1::lease(pool, cluster, fresh).await,
            UpstreamProtocol::Http2 => http2::lease(pool, cluster, fresh).await,
        }
    }

    /// Opens a connection of HTTP/1.1 for one request, whose target is replaced by this one.
    pub(crate) async fn lease_for(
        &self,
        target: Bytes,
        cluster: &Arc<Cluster>,
        endpoint: &Arc<Endpoint>,
    ) -> Result<Lease, ConnectError> {
        http1::lease_for(target, self.pool(endpoint), cluster).await
    }

    fn pool(&self, endpoint: &Arc<Endpoint>) -> Rc<EndpointPool> {
        if let Some(pool) = self.by_endpoint.borrow().get(&endpoint.id) {
            return pool.clone();
        }
        let pool = Rc::new(EndpointPool {
            endpoint: endpoint.clone(),
            http1: http1::Idle::default(),
            http2: http2::Connections::default(),
        });
        self.by_endpoint.borrow_mut().insert(endpoint.id, pool.clone());
        pool
    }

    /// Closes connections that have been idle for too long or whose endpoint is gone, and forgets empty pools of
    /// endpoints that are gone.
    pub(crate) fn sweep(&self, now: Instant) {
        self.by_endpoint.borrow_mut().retain(|_, pool| {
            let retired = pool.endpoint.is_retired();
            pool.http1.sweep(now, retired);
            pool.http2.sweep(now, retired);
            !(retired && pool.http1.is_empty() && pool.http2.is_empty())
        });
    }
}
