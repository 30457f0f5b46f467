//! Forwarding: the cluster is chosen, the request edited, and sent to one endpoint after the other until a response
//! comes that need not be tried again.

mod retry;
mod upstream_request;

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::balance;
use super::body::{Content, RequestBody, UpstreamBody};
use super::pool::{ConnectError, Lease, SendError};
use super::record::Record;
use super::replay::Replay;
use super::watch::Broken;
use super::worker::Worker;
use crate::config::{Forward, HeaderEdits, Route, Targets, UpstreamProtocol};
use crate::message::hop;
use crate::message::reply;
use crate::message::{LocalReply, RequestHead, ResponseHead};
use crate::state::{Cluster, cluster};
use crate::stats::ResponseFlags;
use retry::{Failure, Plan};
use upstream_request::Unsendable;

static EXPECTED_TIMEOUT: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");
static ORIGINAL_HOST: HeaderName = HeaderName::from_static("x-envoy-original-host");
static SERVICE_TIME: HeaderName = HeaderName::from_static("x-envoy-upstream-service-time");

/// What forwarding ended in.
pub(crate) enum Forwarded {
    Reply(LocalReply),
    Response(ResponseHead, Content),
    /// The upstream agreed to another protocol.
    Upgraded(Response<Incoming>, Lease),
}

/// A request on its way to an upstream.
pub(crate) struct Forwarding<'a> {
    pub(crate) worker: &'a Rc<Worker>,
    pub(crate) record: &'a mut Record,
    pub(crate) route: &'a Arc<Route>,
    pub(crate) action: &'a Forward,
    pub(crate) head: RequestHead,
    pub(crate) websocket: bool,
    /// What is sent in the place of the head's target, where the HTTP library could not write it.
    pub(crate) raw_target: Option<Bytes>,
}

/// A response's head with the connection that it came by.
type Answered = (Response<Incoming>, Lease);

/// Counts a request of a cluster as long as it lives.
struct ActiveRequest(Arc<cluster::Shared>);

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.active_requests.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Forwarding<'_> {
    pub(crate) async fn run(mut self, body: RequestBody) -> Forwarded {
        let (name, edits) = choose_target(&self.action.targets, self.worker);
        let response_edits = edits.map(|(_, response)| response);
        let Some(cluster) = self.worker.shared.snapshot.load().cluster(name).cloned() else {
            self.record.flags.add(ResponseFlags::NO_CLUSTER);
            return self.reply(reply::no_cluster(), response_edits);
        };
        self.record.cluster = Some(cluster.clone());
        let Some(_active) = active_request(&cluster) else {
            self.record.flags.add(ResponseFlags::UPSTREAM_OVERFLOW);
            return self.reply(reply::upstream_failure("overflow"), response_edits);
        };
        let raw = self.edit(edits.map(|(request, _)| request));
        let http2 = cluster.config.protocol == UpstreamProtocol::Http2;
        match raw {
            Ok(raw) if raw.is_none() || !http2 => self.raw_target = raw,
            _ => {
                self.record.flags.add(ResponseFlags::UPSTREAM_PROTOCOL_ERROR);
                return self.reply(reply::unsendable(), response_edits);
            }
        }
        let deadline = self.action.timeout.map(|limit| Box::pin(tokio::time::sleep(limit)));
        match self.tries(&cluster, body, deadline).await {
            Ok((answered, deadline)) => self.finish(answered, deadline, response_edits),
            Err(reply) => self.reply(reply, response_edits),
        }
    }

    /// Gives an answer of the gateway the edits that a response would get.
    fn reply(&self, mut reply: LocalReply, edits: Option<&HeaderEdits>) -> Forwarded {
        self.edit_response(&mut reply.headers, edits);
        Forwarded::Reply(reply)
    }

    fn edit_response(&self, headers: &mut HeaderMap, edits: Option<&HeaderEdits>) {
        if let Some(edits) = edits {
            edits.apply(headers);
        }
        self.route.response_headers.apply(headers);
    }

    /// Edits the request as cluster and route say, and returns what [`upstream_request::rewrite_path`] does.
    fn edit(&mut self, target: Option<&HeaderEdits>) -> Result<Option<Bytes>, Unsendable> {
        if let Some(target) = target {
            target.apply(&mut self.head.headers);
        }
        self.route.request_headers.apply(&mut self.head.headers);
        if let Some(host) = &self.action.host_rewrite
            && *host != self.head.authority
        {
            let original = std::mem::replace(&mut self.head.authority, host.clone());
            self.head.headers.insert(&ORIGINAL_HOST, original);
        }
        if let Some(timeout) = self.action.timeout {
            let milliseconds = HeaderValue::from(timeout.as_millis() as u64);
            self.head.headers.insert(&EXPECTED_TIMEOUT, milliseconds);
        }
        match &self.action.path_rewrite {
            Some(rewrite) => {
                upstream_request::rewrite_path(&mut self.head, rewrite, &self.route.matches.path)
            }
            None => Ok(None),
        }
    }

    /// Tries endpoints until there is a response to pass on.
    async fn tries(
        &mut self,
        cluster: &Arc<Cluster>,
        body: RequestBody,
        mut deadline: Option<Pin<Box<Sleep>>>,
    ) -> Result<(Answered, Option<Pin<Box<Sleep>>>), LocalReply> {
        let policy = self.action.retry.as_deref();
        let mut plan = Plan::new(policy, cluster, &self.head);
        let mut supply = BodySupply::new(body, plan.may_send_again());
        loop {
            let endpoint =
                balance::choose(cluster, &self.worker.random, &plan.tried, plan.other_host_attempts());
            let Some(endpoint) = endpoint else {
                self.record.flags.add(ResponseFlags::NO_HEALTHY_UPSTREAM);
                return Err(reply::no_healthy_upstream());
            };
            self.record.endpoint = Some(endpoint.clone());
            plan.tried.push(endpoint.id);
            let attempt = self.attempt(cluster, &endpoint, &mut supply, plan.may_send_again());
            let result = tokio::select! {
                biased;
                result = attempt => result,
                () = expired(&mut deadline) => Err(Failure::Deadline),
                () = retry::per_try(policy) => Err(Failure::TryTimeout),
            };
            let again = match &result {
                Ok((response, _)) => plan.again_after(response),
                Err(failure) => plan.again_after_failure(failure),
            };
            if again && supply.is_there() {
                drop(result);
                cluster.shared.stats.retries.add(1);
                plan.pause(&self.worker.random).await;
                continue;
            }
            return match result {
                Ok(answered) => Ok((answered, deadline)),
                Err(failure) => Err(self.failed(cluster, &failure, plan.is_exhausted())),
            };
        }
    }

    /// Sends the request to one endpoint. A connection that turns out to be closed already, before anything came back,
    /// is replaced by a new one, once.
    async fn attempt(
        &mut self,
        cluster: &Arc<Cluster>,
        endpoint: &Arc<crate::state::Endpoint>,
        supply: &mut BodySupply,
        keep_head: bool,
    ) -> Result<Answered, Failure> {
        let safe = supply.is_empty() && self.head.method.is_safe();
        let mut lease = match self.raw_target.clone() {
            Some(target) => self.worker.pools.lease_for(target, cluster, endpoint).await?,
            None => self.worker.pools.lease(cluster, endpoint, false).await?,
        };
        let keep_head = keep_head || (safe && lease.reused);
        let body = supply.take().ok_or(Failure::BodyGone)?;
        let request = self.request(cluster, keep_head, body)?;
        cluster.shared.stats.tries.add(1);
        let start = Instant::now();
        let error = match lease.send(request).await {
            Ok(response) => return self.answered(cluster, response, lease, start),
            Err(error) => error,
        };
        let closed = error.unsent.is_some() || safe && retry::closed_before_response(&error.error);
        if !lease.reused || !closed {
            return Err(self.reset(cluster, error, supply));
        }
        drop(lease);
        let request = match error.unsent {
            Some(request) => *request,
            None => self.request(cluster, keep_head, RequestBody::Empty)?,
        };
        let mut lease = self.worker.pools.lease(cluster, endpoint, true).await?;
        match lease.send(request).await {
            Ok(response) => self.answered(cluster, response, lease, start),
            Err(error) => Err(self.reset(cluster, error, supply)),
        }
    }

    fn request(
        &mut self,
        cluster: &Cluster,
        keep_head: bool,
        body: RequestBody,
    ) -> Result<Request<RequestBody>, Unsendable> {
        upstream_request::build(&mut self.head, keep_head, cluster.config.protocol, self.websocket, body)
    }

    fn answered(
        &mut self,
        cluster: &Cluster,
        response: Response<Incoming>,
        lease: Lease,
        start: Instant,
    ) -> Result<Answered, Failure> {
        self.record.upstream_time = Some(start.elapsed());
        if retry::is_ambiguous(&response) {
            cluster.shared.stats.resets.add(1);
            return Err(Failure::Malformed);
        }
        Ok((response, lease))
    }

    /// Notes that a connection ended without a response. What was not sent can be sent to another endpoint.
    fn reset(&mut self, cluster: &Cluster, error: SendError, supply: &mut BodySupply) -> Failure {
        if let Some(broken) = self.record.watch.broken.get() {
            return Failure::Client(broken);
        }
        cluster.shared.stats.resets.add(1);
        let failure = Failure::reset(&error.error, error.unsent.is_some());
        if let Some(request) = error.unsent {
            let (parts, body) = request.into_parts();
            self.head.headers = parts.headers;
            supply.put_back(body);
        }
        failure
    }

    /// Turns the last failure into an answer.
    fn failed(&mut self, cluster: &Cluster, failure: &Failure, exhausted: bool) -> LocalReply {
        if exhausted {
            self.record.flags.add(ResponseFlags::RETRY_LIMIT);
        }
        let (flag, reply) = match failure {
            Failure::Connect(ConnectError::Overflow) => {
                (ResponseFlags::UPSTREAM_OVERFLOW, reply::upstream_failure("overflow"))
            }
            Failure::Connect(ConnectError::Timeout) => {
                (ResponseFlags::UPSTREAM_CONNECTION_FAILURE, reply::upstream_failure("connection timeout"))
            }
            Failure::Connect(ConnectError::Failed(reason)) => {
                tracing::debug!(cluster = %cluster.config.name, %reason, "an upstream cannot be connected to");
                (
                    ResponseFlags::UPSTREAM_CONNECTION_FAILURE,
                    reply::upstream_failure("remote connection failure"),
                )
            }
            Failure::Reset { by_peer: true, .. } => {
                (ResponseFlags::UPSTREAM_REMOTE_RESET, reply::upstream_failure("remote reset"))
            }
            Failure::Reset { .. } => (
                ResponseFlags::UPSTREAM_CONNECTION_TERMINATION,
                reply::upstream_failure("connection termination"),
            ),
            Failure::Deadline | Failure::TryTimeout => {
                cluster.shared.stats.timeouts.add(1);
                (ResponseFlags::UPSTREAM_TIMEOUT, reply::upstream_timeout())
            }
            Failure::Unsendable => (ResponseFlags::UPSTREAM_PROTOCOL_ERROR, reply::unsendable()),
            Failure::Malformed => (ResponseFlags::UPSTREAM_PROTOCOL_ERROR, reply::upstream_protocol_error()),
            Failure::Client(Broken::Malformed) => {
                (ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR, reply::bad_request())
            }
            Failure::Client(Broken::Gone) | Failure::BodyGone => {
                (ResponseFlags::DOWNSTREAM_DISCONNECT, reply::bad_request())
            }
        };
        self.record.flags.add(flag);
        reply
    }

    /// Prepares the upstream's response for the filters.
    fn finish(
        self,
        (response, lease): Answered,
        deadline: Option<Pin<Box<Sleep>>>,
        edits: Option<&HeaderEdits>,
    ) -> Forwarded {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return if self.websocket {
                Forwarded::Upgraded(response, lease)
            } else {
                self.record.flags.add(ResponseFlags::UPSTREAM_PROTOCOL_ERROR);
                Forwarded::Reply(reply::upstream_protocol_error())
            };
        }
        let (parts, incoming) = response.into_parts();
        let mut head = ResponseHead { status: parts.status, headers: parts.headers };
        hop::strip(&mut head.headers);
        let milliseconds = self.record.upstream_time.map_or(0, |time| time.as_millis() as u64);
        head.headers.insert(&SERVICE_TIME, HeaderValue::from(milliseconds));
        self.edit_response(&mut head.headers, edits);
        let body = UpstreamBody { incoming, lease: Some(lease), deadline };
        Forwarded::Response(head, Content::Upstream(body))
    }
}

/// Chooses the cluster by weight, with its edits of request and response.
fn choose_target<'a>(
    targets: &'a Targets,
    worker: &Worker,
) -> (&'a str, Option<(&'a HeaderEdits, &'a HeaderEdits)>) {
    match targets {
        Targets::Single(cluster) => (cluster, None),
        Targets::Weighted { targets, total } => {
            let mut drawn = worker.random.below(*total);
            let target = targets
                .iter()
                .find(|target| match drawn.checked_sub(target.weight) {
                    Some(rest) => {
                        drawn = rest;
                        false
                    }
                    None => true,
                })
                .unwrap_or(&targets[0]);
            (&target.cluster, Some((&target.request_headers, &target.response_headers)))
        }
    }
}

fn active_request(cluster: &Cluster) -> Option<ActiveRequest> {
    let shared = &cluster.shared;
    if shared.active_requests.fetch_add(1, Ordering::Relaxed) >= cluster.config.limits.requests {
        shared.active_requests.fetch_sub(1, Ordering::Relaxed);
        shared.stats.overflows.add(1);
        return None;
    }
    Some(ActiveRequest(shared.clone()))
}

async fn expired(deadline: &mut Option<Pin<Box<Sleep>>>) {
    match deadline {
        Some(deadline) => deadline.as_mut().await,
        None => std::future::pending().await,
    }
}

/// The body for the next try.
enum BodySupply {
    Empty,
    /// For one try only.
    Once(Option<RequestBody>),
    Again(Replay),
}

impl BodySupply {
    fn new(body: RequestBody, again: bool) -> Self {
        match body {
            RequestBody::Empty => Self::Empty,
            body if again => Self::Again(Replay::new(body)),
            body => Self::Once(Some(body)),
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Returns whether another try can have the body.
    fn is_there(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Once(body) => body.is_some(),
            Self::Again(replay) => replay.is_whole(),
        }
    }

    /// Takes back a body of which nothing was sent.
    fn put_back(&mut self, body: RequestBody) {
        if let Self::Once(slot) = self {
            *slot = Some(body);
        }
    }

    fn take(&mut self) -> Option<RequestBody> {
        match self {
            Self::Empty => Some(RequestBody::Empty),
            Self::Once(body) => body.take(),
            Self::Again(replay) => replay.body(),
        }
    }
}
