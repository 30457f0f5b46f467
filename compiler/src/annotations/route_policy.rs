//! What the annotations of an Ingress say of all its routes: built once, and shared by them.

use std::sync::{Arc, LazyLock};

use gatewright_diagnostics::code;
use gatewright_ir::{RetryPolicy, RoutePolicy, SharedEdits};

use super::cors;
use super::header_control::{self, HeaderControl};
use super::known::Support::Implemented;
use super::known::{KnownAnnotation, row};
use super::reader::Reader;
use crate::finding::{Finding, Place};

/// The rows of the family.
pub(super) const ROWS: &[KnownAnnotation] =
    &[row("timeout", false, Implemented, true, "seconds that an answer may take")];

/// The policy of routes without annotation: Istio's default retries, with Higress' exclusion of methods.
static DEFAULT: LazyLock<Arc<RoutePolicy>> = LazyLock::new(|| {
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
    let retry = RetryPolicy {
        retry_on: words(&[
            "connect-failure",
            "refused-stream",
            "unavailable",
            "cancelled",
            "retriable-status-codes",
        ]),
        num_retries: 2,
        excluded_methods: words(&["POST", "PATCH", "LOCK"]),
    };
    Arc::new(RoutePolicy { retry: Some(Arc::new(retry)), ..RoutePolicy::default() })
});

/// The policy of routes that go nowhere and of which nothing is said.
static NOTHING: LazyLock<Arc<RoutePolicy>> = LazyLock::new(Arc::default);

/// Returns the policy of routes without annotation.
pub(crate) fn default() -> Arc<RoutePolicy> {
    DEFAULT.clone()
}

/// Returns a policy without what concerns the way upstream, for routes that do not forward.
pub(crate) fn without_upstream(policy: &RoutePolicy) -> Arc<RoutePolicy> {
    let RoutePolicy { timeout_ms: _, retry: _, request_headers, response_headers, cors } = policy;
    let rest = RoutePolicy {
        timeout_ms: None,
        retry: None,
        request_headers: request_headers.clone(),
        response_headers: response_headers.clone(),
        cors: cors.clone(),
    };
    if rest == **NOTHING { NOTHING.clone() } else { Arc::new(rest) }
}

/// Returns a policy with other edits of headers.
pub(crate) fn with_headers(
    policy: &RoutePolicy,
    request_headers: SharedEdits,
    response_headers: SharedEdits,
) -> Arc<RoutePolicy> {
    Arc::new(RoutePolicy { request_headers, response_headers, ..policy.clone() })
}

/// Reads the policy, and the `Host` that edits of headers set.
pub(super) fn read(reader: &mut Reader<'_>) -> (Arc<RoutePolicy>, Option<String>) {
    let cors = cors::read(reader).map(Arc::new);
    let timeout_ms = timeout(reader).map(|seconds| seconds.saturating_mul(1000));
    let HeaderControl { request: request_headers, response: response_headers, host } =
        header_control::read(reader);
    let retry = DEFAULT.retry.clone();
    let policy = RoutePolicy { timeout_ms, retry, request_headers, response_headers, cors };
    (if policy == **DEFAULT { default() } else { Arc::new(policy) }, host)
}

/// `timeout` in seconds; zero and negative numbers mean none (Envoy would refuse negative ones).
fn timeout(reader: &mut Reader<'_>) -> Option<u64> {
    let found = reader.higress_integer("timeout")?;
    match u64::try_from(found.value) {
        Ok(0) => {
            let place = Place::annotation(reader.entity, &found.key);
            let message = format!("`{}` has no effect: Higress reads 0 as if it were missing", found.key);
            reader.findings.push(Finding::new(&code::GW0445, place, message));
            None
        }
        Ok(seconds) => Some(seconds),
        Err(_) => {
            reader.invalid(&found.key, "a timeout cannot be negative; none is used");
            None
        }
    }
}
