//! What the gateway says where an upstream gave no response.

use crate::message::LocalReply;
use crate::message::reply;
use crate::stats::ResponseFlags;
use crate::upstream::{ConnectError, Failure};
use crate::watch::Broken;

/// Returns how a failure is told: by a flag in the log, and by an answer.
pub(super) fn told(failure: &Failure) -> (ResponseFlags, LocalReply) {
    match failure {
        Failure::NoEndpoint => (ResponseFlags::NO_HEALTHY_UPSTREAM, reply::no_healthy_upstream()),
        Failure::Connect(ConnectError::Overflow) => {
            (ResponseFlags::UPSTREAM_OVERFLOW, reply::upstream_failure("overflow"))
        }
        Failure::Connect(ConnectError::Timeout) => {
            (ResponseFlags::UPSTREAM_CONNECTION_FAILURE, reply::upstream_failure("connection timeout"))
        }
        Failure::Connect(ConnectError::Failed(_)) => {
            (ResponseFlags::UPSTREAM_CONNECTION_FAILURE, reply::upstream_failure("remote connection failure"))
        }
        Failure::Reset { by_peer: true, .. } => {
            (ResponseFlags::UPSTREAM_REMOTE_RESET, reply::upstream_failure("remote reset"))
        }
        Failure::Reset { .. } => (
            ResponseFlags::UPSTREAM_CONNECTION_TERMINATION,
            reply::upstream_failure("connection termination"),
        ),
        Failure::Deadline | Failure::TryTimeout => {
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
    }
}
