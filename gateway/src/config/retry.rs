//! When a failed try is repeated.

use std::time::Duration;

use gatewright_xds::envoy::config::route::v3 as xds;

use super::error::{FieldError, Within};
use super::route::HeaderTest;
use super::take::{duration, nothing_left};

/// Hosts that were tried are avoided under this predicate.
const PREVIOUS_HOSTS: &str = "envoy.retry_host_predicates.previous_hosts";

/// A compiled retry policy.
#[derive(Clone, Debug)]
pub(crate) struct RetryPolicy {
    pub(crate) on: RetryOn,
    pub(crate) status_codes: Box<[u16]>,
    pub(crate) retries: u32,
    pub(crate) per_try_timeout: Option<Duration>,
    /// How often another endpoint is looked for when the chosen one was tried already; 0 takes any.
    pub(crate) other_host_attempts: u32,
    /// Requests must pass one of these tests to be repeated; empty means all may be.
    pub(crate) requests: Box<[HeaderTest]>,
}

/// The conditions of a retry, in Envoy's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RetryOn {
    pub(crate) connect_failure: bool,
    pub(crate) refused_stream: bool,
    /// The upstream ended the try without an answer.
    pub(crate) reset: bool,
    /// Any 5xx, and no answer at all.
    pub(crate) server_error: bool,
    /// 502, 503, 504.
    pub(crate) gateway_error: bool,
    /// 409.
    pub(crate) conflict: bool,
    pub(crate) status_codes: bool,
    /// gRPC statuses as bits: `1 << code`.
    pub(crate) grpc: u32,
}

impl RetryOn {
    fn add(&mut self, word: &str) -> bool {
        match word {
            "connect-failure" => self.connect_failure = true,
            "refused-stream" => self.refused_stream = true,
            "reset" => self.reset = true,
            "5xx" => self.server_error = true,
            "gateway-error" => self.gateway_error = true,
            "retriable-4xx" => self.conflict = true,
            "retriable-status-codes" => self.status_codes = true,
            "cancelled" => self.grpc |= 1 << 1,
            "deadline-exceeded" => self.grpc |= 1 << 4,
            "resource-exhausted" => self.grpc |= 1 << 8,
            "internal" => self.grpc |= 1 << 13,
            "unavailable" => self.grpc |= 1 << 14,
            _ => return false,
        }
        true
    }
}

impl TryFrom<xds::RetryPolicy> for RetryPolicy {
    type Error = FieldError;

    fn try_from(mut message: xds::RetryPolicy) -> Result<Self, FieldError> {
        let mut on = RetryOn::default();
        for word in std::mem::take(&mut message.retry_on).split(',').map(str::trim).filter(|w| !w.is_empty())
        {
            if !on.add(word) {
                return Err(FieldError::new("retry_on", format!("`{word}` is not supported")));
            }
        }
        let codes = std::mem::take(&mut message.retriable_status_codes);
        let avoid = previous_hosts(std::mem::take(&mut message.retry_host_predicate))?;
        let attempts = std::mem::take(&mut message.host_selection_retry_max_attempts);
        let requests = std::mem::take(&mut message.retriable_request_headers)
            .into_iter()
            .enumerate()
            .map(|(index, test)| {
                HeaderTest::try_from(test).within(format!("retriable_request_headers[{index}]"))
            })
            .collect::<Result<_, _>>()?;
        let policy = Self {
            on,
            status_codes: codes.into_iter().filter_map(|code| u16::try_from(code).ok()).collect(),
            retries: message.num_retries.take().map_or(1, |value| value.value),
            per_try_timeout: duration(message.per_try_timeout.take(), "per_try_timeout")?
                .filter(|timeout| !timeout.is_zero()),
            // Envoy looks once when the predicate stands alone.
            other_host_attempts: if avoid { u32::try_from(attempts).unwrap_or(0).max(1) } else { 0 },
            requests,
        };
        nothing_left(&message)?;
        Ok(policy)
    }
}

fn previous_hosts(predicates: Vec<xds::retry_policy::RetryHostPredicate>) -> Result<bool, FieldError> {
    for (index, predicate) in predicates.iter().enumerate() {
        if predicate.name != PREVIOUS_HOSTS {
            let problem = format!("`{}` is not supported", predicate.name);
            return Err(FieldError::new(format!("retry_host_predicate[{index}].name"), problem));
        }
    }
    Ok(!predicates.is_empty())
}
