//! HTTP/2 to upstreams: requests share connections; another one is opened when all are full.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};

use super::EndpointPool;
use super::connect::{ConnectError, connect};
use super::lease::{Lease, Stream, Wire};
use crate::body::RequestBody;
use crate::executor::LocalExecutor;
use crate::state::Cluster;

/// Requests at a time on one connection: what servers commonly allow, so that none waits in a queue we cannot see.
const STREAMS: u32 = 100;
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
const KEEP_ALIVE: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(super) struct Connections {
    open: RefCell<Vec<Rc<Multiplexed>>>,
    /// Held while a connection is opened, so that the requests behind it can use the same one.
    opening: tokio::sync::Mutex<()>,
    /// Attempts that failed so far, and why the last one did.
    failures: Cell<u64>,
    last_failure: RefCell<Option<ConnectError>>,
}

/// One connection and the requests on it.
pub(super) struct Multiplexed {
    pub(super) sender: SendRequest<RequestBody>,
    pub(super) active: Cell<u32>,
    pub(super) since: Cell<Instant>,
    timeout: Option<Duration>,
}

impl Connections {
    fn take(&self) -> Option<Rc<Multiplexed>> {
        let mut open = self.open.borrow_mut();
        open.retain(|connection| !connection.sender.is_closed());
        open.iter().find(|connection| connection.active.get() < STREAMS).cloned()
    }

    pub(super) fn sweep(&self, now: Instant, retired: bool) {
        self.open.borrow_mut().retain(|connection| {
            let idle = now.saturating_duration_since(connection.since.get());
            let old = connection.timeout.is_some_and(|timeout| idle >= timeout);
            let unused = connection.active.get() == 0;
            // A retired endpoint gets no new request; its connection lives on in the leases of those under way.
            !(connection.sender.is_closed() || retired || unused && old)
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.borrow().is_empty()
    }
}

pub(super) async fn lease(
    pool: Rc<EndpointPool>,
    cluster: &Arc<Cluster>,
    fresh: bool,
) -> Result<Lease, ConnectError> {
    if !fresh && let Some(connection) = pool.http2.take() {
        return Ok(Lease::new(pool, cluster, Wire::Http2(Stream::new(connection)), true));
    }
    let failures = pool.http2.failures.get();
    let connection = {
        let _opening = pool.http2.opening.lock().await;
        match pool.http2.take() {
            Some(connection) if !fresh => connection,
            // Whoever was first has failed meanwhile: those who waited for it fail with it, not one after the other.
            _ if pool.http2.failures.get() != failures => {
                let failure = pool.http2.last_failure.borrow().clone();
                return Err(failure.unwrap_or(ConnectError::Timeout));
            }
            _ => open(&pool, cluster).await.inspect_err(|error| {
                pool.http2.failures.set(failures + 1);
                *pool.http2.last_failure.borrow_mut() = Some(error.clone());
            })?,
        }
    };
    Ok(Lease::new(pool, cluster, Wire::Http2(Stream::new(connection)), false))
}

async fn open(pool: &EndpointPool, cluster: &Arc<Cluster>) -> Result<Rc<Multiplexed>, ConnectError> {
    let (stream, counted) = connect(cluster, &pool.endpoint).await?;
    let (sender, connection) = http2::Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(KEEP_ALIVE)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| ConnectError::Failed(error.to_string()))?;
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            tracing::trace!(%error, "an upstream connection ended");
        }
        drop(counted);
    });
    let connection = Rc::new(Multiplexed {
        sender,
        active: Cell::new(0),
        since: Cell::new(Instant::now()),
        timeout: cluster.config.idle_timeout,
    });
    pool.http2.open.borrow_mut().push(connection.clone());
    Ok(connection)
}
