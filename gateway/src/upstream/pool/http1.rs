//! HTTP/1.1 to upstreams: one request at a time on a connection; free connections wait in a stack.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::EndpointPool;
use super::connect::{ConnectError, Counted, connect};
use super::lease::{Lease, Wire};
use super::target_io::TargetIo;
use crate::body::RequestBody;
use crate::state::Cluster;

/// Free connections, the latest used on top: the others grow idle and are closed.
#[derive(Default)]
pub(super) struct Idle {
    stack: RefCell<Vec<Free>>,
}

struct Free {
    sender: SendRequest<RequestBody>,
    since: Instant,
    timeout: Option<Duration>,
}

impl Idle {
    fn take(&self) -> Option<SendRequest<RequestBody>> {
        let mut stack = self.stack.borrow_mut();
        let mut position = stack.len();
        while position > 0 {
            position -= 1;
            if stack[position].sender.is_closed() {
                stack.remove(position);
            } else if stack[position].sender.is_ready() {
                return Some(stack.remove(position).sender);
            }
        }
        None
    }

    /// Takes back a connection whose response is complete.
    pub(super) fn put(&self, sender: SendRequest<RequestBody>, timeout: Option<Duration>) {
        self.stack.borrow_mut().push(Free { sender, since: Instant::now(), timeout });
    }

    pub(super) fn sweep(&self, now: Instant, retired: bool) {
        self.stack.borrow_mut().retain(|free| {
            let idle = now.saturating_duration_since(free.since);
            !(retired || free.sender.is_closed() || free.timeout.is_some_and(|timeout| idle >= timeout))
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.stack.borrow().is_empty()
    }
}

pub(super) async fn lease(
    pool: Rc<EndpointPool>,
    cluster: &Arc<Cluster>,
    fresh: bool,
) -> Result<Lease, ConnectError> {
    if !fresh && let Some(sender) = pool.http1.take() {
        return Ok(Lease::new(pool, cluster, Wire::Http1(sender), true));
    }
    let (stream, counted) = connect(cluster, &pool.endpoint).await?;
    let sender = start(stream, counted).await?;
    Ok(Lease::new(pool, cluster, Wire::Http1(sender), false))
}

/// Opens a connection for one request, in which `target` is written.
pub(super) async fn lease_for(
    target: Bytes,
    pool: Rc<EndpointPool>,
    cluster: &Arc<Cluster>,
) -> Result<Lease, ConnectError> {
    let (stream, counted) = connect(cluster, &pool.endpoint).await?;
    let sender = start(TargetIo::new(stream, target), counted).await?;
    Ok(Lease::new(pool, cluster, Wire::Once(sender), false))
}

/// Speaks HTTP/1.1 on a connection, in a task of its own.
async fn start<S>(stream: S, counted: Counted) -> Result<SendRequest<RequestBody>, ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| ConnectError::Failed(error.to_string()))?;
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::trace!(%error, "an upstream connection ended");
        }
        drop(counted);
    });
    Ok(sender)
}
