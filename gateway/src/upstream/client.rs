//! A request is sent to one endpoint of a cluster after the other until a response comes that need not be tried again.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Response;
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::attempt::Sending;
use super::balance;
use super::failure::{Failed, Failure};
use super::pool::{ConnectError, Lease, Pools};
use super::tries::{Tries, per_try};
use crate::body::RequestBody;
use crate::config::{RetryPolicy, UpstreamProtocol};
use crate::message::RequestHead;
use crate::random::Random;
use crate::state::{Cluster, Endpoint, cluster};
use crate::watch::Watch;

/// A request to a cluster, complete: it is sent as it is.
pub(crate) struct Outgoing {
    pub(crate) head: RequestHead,
    pub(crate) body: RequestBody,
    /// What is sent in the place of the head's target, where the HTTP library could not write it.
    pub(crate) raw_target: Option<Bytes>,
    pub(crate) websocket: bool,
    /// The client whose request this is: what it breaks off is no failure of the upstream.
    pub(crate) client: Option<Rc<Watch>>,
}

/// How hard a request is tried.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan<'a> {
    pub(crate) retry: Option<&'a RetryPolicy>,
    /// Limit of all tries and of the response's body together.
    pub(crate) timeout: Option<Duration>,
}

/// Where a request is, for whoever asks while it is under way or broken off.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    /// The endpoint tried last.
    pub(crate) endpoint: Option<Arc<Endpoint>>,
    /// How long its response took.
    pub(crate) time: Option<Duration>,
}

/// The head of a response, with the connection that it came by and the limit of time of its body.
pub(crate) struct Answered {
    pub(crate) response: Response<Incoming>,
    pub(crate) lease: Lease,
    pub(crate) deadline: Option<Pin<Box<Sleep>>>,
}

/// Sends the requests of one worker to upstream clusters.
pub(crate) struct Client {
    pub(super) pools: Pools,
    random: Random,
}

impl Client {
    /// Makes the client of worker number `worker`.
    pub(crate) fn new(worker: usize) -> Self {
        Self { pools: Pools::default(), random: Random::new(worker) }
    }

    /// Closes connections that have been idle for too long or whose endpoint is gone.
    pub(crate) fn sweep(&self, now: Instant) {
        self.pools.sweep(now);
    }

    /// Sends `request` to an endpoint of `cluster`, and to others as `plan` says. `trail` is kept up to date, so that it
    /// holds also when the caller stops waiting.
    pub(crate) async fn send(
        &self,
        cluster: &Arc<Cluster>,
        request: Outgoing,
        plan: Plan<'_>,
        trail: &mut Trail,
    ) -> Result<Answered, Failed> {
        let Some(_active) = ActiveRequest::count(cluster) else {
            return Err(Failed::first(Failure::Connect(ConnectError::Overflow)));
        };
        if request.raw_target.is_some() && cluster.config.protocol == UpstreamProtocol::Http2 {
            return Err(Failed::first(Failure::Unsendable));
        }
        let deadline = plan.timeout.map(|limit| Box::pin(tokio::time::sleep(limit)));
        let mut tries = Tries::new(plan.retry, cluster, &request.head);
        let sending = Sending::new(self, cluster, request, tries.may_send_again());
        self.tries(sending, &mut tries, plan, deadline, trail).await
    }

    /// Tries endpoints until there is a response to pass on.
    async fn tries(
        &self,
        mut sending: Sending<'_>,
        tries: &mut Tries<'_>,
        plan: Plan<'_>,
        mut deadline: Option<Pin<Box<Sleep>>>,
        trail: &mut Trail,
    ) -> Result<Answered, Failed> {
        let cluster = sending.cluster;
        loop {
            let chosen = balance::choose(cluster, &self.random, &tries.tried, tries.other_host_attempts());
            let Some(endpoint) = chosen else { return Err(Failed::first(Failure::NoEndpoint)) };
            trail.endpoint = Some(endpoint.clone());
            tries.tried.push(endpoint.id);
            let result = tokio::select! {
                biased;
                result = sending.attempt(&endpoint, trail) => result,
                () = expired(&mut deadline) => Err(Failure::Deadline),
                () = per_try(plan.retry) => Err(Failure::TryTimeout),
            };
            let again = match &result {
                Ok((response, _)) => tries.again_after(response),
                Err(failure) => tries.again_after_failure(failure),
            };
            if again && sending.has_body() {
                drop(result);
                cluster.shared.stats.retries.add(1);
                tries.pause(&self.random).await;
                continue;
            }
            return match result {
                Ok((response, lease)) => Ok(Answered { response, lease, deadline }),
                Err(failure) => Err(Failed::last(failure, tries.is_exhausted(), cluster)),
            };
        }
    }
}

/// Counts a request of a cluster as long as it lives.
struct ActiveRequest(Arc<cluster::Shared>);

impl ActiveRequest {
    /// Counts one more unless the cluster has too many.
    fn count(cluster: &Cluster) -> Option<Self> {
        let shared = &cluster.shared;
        if shared.active_requests.fetch_add(1, Ordering::Relaxed) >= cluster.config.limits.requests {
            shared.active_requests.fetch_sub(1, Ordering::Relaxed);
            shared.stats.overflows.add(1);
            return None;
        }
        Some(Self(shared.clone()))
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.active_requests.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn expired(deadline: &mut Option<Pin<Box<Sleep>>>) {
    match deadline {
        Some(deadline) => deadline.as_mut().await,
        None => std::future::pending().await,
    }
}
