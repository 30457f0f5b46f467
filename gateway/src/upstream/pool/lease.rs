//! A connection in use by one request.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1;

use super::EndpointPool;
use super::http2::Multiplexed;
use crate::body::RequestBody;
use crate::state::Cluster;

/// A connection in use by one request. Dropped without [`Lease::release`], an HTTP/1.1 connection is closed, and an
/// HTTP/2 stream is reset.
pub(crate) struct Lease {
    pool: Rc<EndpointPool>,
    cluster: Arc<Cluster>,
    wire: Option<Wire>,
    /// Whether other requests were on the connection before.
    pub(crate) reused: bool,
}

pub(super) enum Wire {
    Http1(http1::SendRequest<RequestBody>),
    /// A connection of HTTP/1.1 that serves no second request.
    Once(http1::SendRequest<RequestBody>),
    Http2(Stream),
}

/// A stream of a connection, counted there as long as it lives.
pub(super) struct Stream {
    connection: Rc<Multiplexed>,
}

impl Stream {
    pub(super) fn new(connection: Rc<Multiplexed>) -> Self {
        connection.active.set(connection.active.get() + 1);
        Self { connection }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.connection.active.set(self.connection.active.get() - 1);
        self.connection.since.set(Instant::now());
    }
}

/// Why there is no response.
pub(crate) struct SendError {
    pub(crate) error: hyper::Error,
    /// The request, if nothing of it was sent.
    pub(crate) unsent: Option<Box<Request<RequestBody>>>,
}

impl Lease {
    pub(super) fn new(pool: Rc<EndpointPool>, cluster: &Arc<Cluster>, wire: Wire, reused: bool) -> Self {
        pool.endpoint.active_requests.fetch_add(1, Ordering::Relaxed);
        Self { pool, cluster: cluster.clone(), wire: Some(wire), reused }
    }

    /// Sends a request and waits for the head of its response.
    pub(crate) async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, SendError> {
        let result = match self.wire.as_mut().expect("a lease has its connection until it is released") {
            Wire::Http1(sender) | Wire::Once(sender) => sender.try_send_request(request).await,
            Wire::Http2(stream) => stream.connection.sender.clone().try_send_request(request).await,
        };
        result.map_err(|mut failure| {
            let unsent = failure.take_message().map(Box::new);
            SendError { error: failure.into_error(), unsent }
        })
    }

    /// Gives the connection back once the response is complete.
    pub(crate) fn release(mut self) {
        if let Some(Wire::Http1(sender)) = self.wire.take()
            && !sender.is_closed()
            && !self.pool.endpoint.is_retired()
        {
            self.pool.http1.put(sender, self.cluster.config.idle_timeout);
        }
        // An HTTP/2 connection never left its pool.
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.endpoint.active_requests.fetch_sub(1, Ordering::Relaxed);
    }
}
