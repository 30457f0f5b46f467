//! Which failures and responses are tried again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{Response, StatusCode};
use hyper::body::Incoming;

use super::failure::Failure;
use super::pool::ConnectError;
use crate::config::{RetryPolicy, UpstreamProtocol};
use crate::matching::header_passes;
use crate::message::RequestHead;
use crate::random::Random;
use crate::state::{Cluster, cluster};

/// Envoy's pause before the first repetition is below this; it doubles each time, up to the maximum.
const PAUSE_MS: u64 = 25;
const LONGEST_PAUSE_MS: u64 = 250;

/// Waits for the policy's limit of one try.
pub(super) async fn per_try(policy: Option<&RetryPolicy>) {
    match policy.and_then(|policy| policy.per_try_timeout) {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}

/// The tries of one request: how many are left, and which endpoints had one.
pub(super) struct Tries<'a> {
    policy: Option<&'a RetryPolicy>,
    left: u32,
    repeated: u32,
    /// Whether a try may follow one that was sent already.
    send_again: bool,
    /// Endpoints that were tried.
    pub(super) tried: Vec<u64>,
    cluster: Arc<Cluster>,
    active: Option<ActiveRetry>,
}

/// Counts a request that is being repeated.
struct ActiveRetry(Arc<cluster::Shared>);

impl Drop for ActiveRetry {
    fn drop(&mut self) {
        self.0.active_retries.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<'a> Tries<'a> {
    pub(super) fn new(policy: Option<&'a RetryPolicy>, cluster: &Arc<Cluster>, head: &RequestHead) -> Self {
        let policy = policy.filter(|policy| {
            policy.retries > 0
                && (policy.requests.is_empty()
                    || policy.requests.iter().any(|test| header_passes(test, head)))
        });
        let send_again = policy.is_some_and(|policy| {
            let on = policy.on;
            let by_response = on.server_error
                || on.gateway_error
                || on.conflict
                || (on.status_codes && !policy.status_codes.is_empty())
                || (on.grpc != 0 && head.is_grpc());
            let refused = on.refused_stream && cluster.config.protocol == UpstreamProtocol::Http2;
            by_response || on.reset || refused || policy.per_try_timeout.is_some()
        });
        Self {
            policy,
            left: policy.map_or(0, |policy| policy.retries),
            repeated: 0,
            send_again,
            tried: Vec::new(),
            cluster: cluster.clone(),
            active: None,
        }
    }

    pub(super) fn may_send_again(&self) -> bool {
        self.send_again
    }

    pub(super) fn other_host_attempts(&self) -> u32 {
        self.policy.map_or(0, |policy| policy.other_host_attempts)
    }

    /// Returns whether the policy allowed repetitions and all were used.
    pub(super) fn is_exhausted(&self) -> bool {
        self.policy.is_some() && self.left == 0
    }

    pub(super) fn again_after(&mut self, response: &Response<Incoming>) -> bool {
        let Some(policy) = self.policy else { return false };
        let (on, status) = (policy.on, response.status());
        let gateway = matches!(
            status,
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
        );
        let wanted = (on.server_error && status.is_server_error())
            || (on.gateway_error && gateway)
            || (on.conflict && status == StatusCode::CONFLICT)
            || (on.status_codes && policy.status_codes.contains(&status.as_u16()))
            || (on.grpc != 0
                && grpc_status(response).is_some_and(|code| code < 32 && on.grpc & (1 << code) != 0));
        wanted && self.spend()
    }

    pub(super) fn again_after_failure(&mut self, failure: &Failure) -> bool {
        let Some(on) = self.policy.map(|policy| policy.on) else { return false };
        let any = on.server_error || on.gateway_error || on.reset;
        let wanted = match failure {
            Failure::Connect(ConnectError::Overflow)
            | Failure::NoEndpoint
            | Failure::Client(_)
            | Failure::Unsendable
            | Failure::Deadline
            | Failure::BodyGone => false,
            Failure::Connect(_) => any || on.connect_failure,
            Failure::Reset { refused: true, .. } => any || on.refused_stream,
            // Nothing was sent: as good as no connection.
            Failure::Reset { unsent: true, .. } => any || on.connect_failure,
            Failure::Reset { .. } | Failure::Malformed | Failure::TryTimeout => any,
        };
        wanted && self.spend()
    }

    /// Takes one repetition, unless none is left or the cluster has too many under way.
    fn spend(&mut self) -> bool {
        if self.left == 0 {
            return false;
        }
        if self.active.is_none() {
            let shared = &self.cluster.shared;
            if shared.active_retries.fetch_add(1, Ordering::Relaxed) >= self.cluster.config.limits.retries {
                shared.active_retries.fetch_sub(1, Ordering::Relaxed);
                shared.stats.overflows.add(1);
                return false;
            }
            self.active = Some(ActiveRetry(shared.clone()));
        }
        self.left -= 1;
        self.repeated += 1;
        true
    }

    pub(super) async fn pause(&self, random: &Random) {
        let bound = (PAUSE_MS << self.repeated.saturating_sub(1).min(8)).min(LONGEST_PAUSE_MS);
        tokio::time::sleep(Duration::from_millis(random.below(bound))).await;
    }
}

/// Returns the status of a gRPC response that has no body.
fn grpc_status(response: &Response<Incoming>) -> Option<u32> {
    response.headers().get("grpc-status")?.to_str().ok()?.parse().ok()
}
