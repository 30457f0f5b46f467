//! What a filter has others do: calls to clusters and timers. Carried out by whoever drives the stream.

use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method};

use crate::message::ResponseHead;

/// A call of one filter, unique in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub(super) u32);

/// A timer of one filter, unique in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimerId(pub(super) u32);

/// A request that a filter sends to a cluster.
#[derive(Clone, Debug)]
pub struct CallRequest {
    /// The cluster's name.
    pub cluster: String,
    /// Method.
    pub method: Method,
    /// Path and query.
    pub target: PathAndQuery,
    /// Host.
    pub authority: HeaderValue,
    /// Headers; the length of the body is added.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// Trailers.
    pub trailers: HeaderMap,
    /// Limit from now to the end of the response; none waits as long as the stream lives.
    pub timeout: Option<Duration>,
}

/// What came of a call.
#[derive(Clone, Debug)]
pub enum CallAnswer {
    /// A response; also the gateway's own one where the cluster gave none: 503, or 504 when the time was over.
    Response(Box<CallResponse>),
    /// The response broke off, or is too large to be kept.
    Broken,
}

/// The response to a call, complete.
#[derive(Clone, Debug)]
pub struct CallResponse {
    /// Status and headers.
    pub head: ResponseHead,
    /// Body.
    pub body: Bytes,
    /// Trailers.
    pub trailers: HeaderMap,
}

/// Says why a call is not made at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No cluster has this name.
    #[error("there is no such cluster")]
    UnknownCluster,
}

/// Something to be carried out for the filter at `place`.
#[derive(Debug)]
pub(crate) enum Order {
    Call { place: usize, id: CallId, request: Box<CallRequest> },
    Timer { place: usize, id: TimerId, after: Duration },
}
