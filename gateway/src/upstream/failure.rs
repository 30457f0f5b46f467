//! Why a request got no response from an upstream.

use std::error::Error as _;

use http::{Response, header};
use hyper::body::Incoming;

use super::pool::ConnectError;
use super::request::Unsendable;
use crate::message::hop;
use crate::state::Cluster;
use crate::watch::Broken;

/// The end of a request that got no response.
#[derive(Debug)]
pub(crate) struct Failed {
    /// Why the last try gave none.
    pub(crate) failure: Failure,
    /// Whether repetitions were allowed and all of them used.
    pub(crate) exhausted: bool,
}

impl Failed {
    /// Makes the end of a request that was not tried at all.
    pub(super) fn first(failure: Failure) -> Self {
        Self { failure, exhausted: false }
    }

    /// Makes the end of a request whose last try failed.
    pub(super) fn last(failure: Failure, exhausted: bool, cluster: &Cluster) -> Self {
        match &failure {
            Failure::Deadline | Failure::TryTimeout => cluster.shared.stats.timeouts.add(1),
            Failure::Connect(ConnectError::Failed(reason)) => {
                tracing::debug!(cluster = %cluster.config.name, %reason, "an upstream cannot be connected to");
            }
            _ => {}
        }
        Self { failure, exhausted }
    }
}

/// Why a try gave no response.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The cluster has no endpoint to choose.
    NoEndpoint,
    Connect(ConnectError),
    /// The connection or stream ended before the head of a response.
    Reset {
        refused: bool,
        unsent: bool,
        by_peer: bool,
    },
    /// What came is no response.
    Malformed,
    /// Nobody can be sent the request as the route makes it.
    Unsendable,
    /// The rest of the request did not come, or was none.
    Client(Broken),
    /// The route's limit of time is over.
    Deadline,
    TryTimeout,
    /// The request's body cannot be sent again.
    BodyGone,
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

impl From<Unsendable> for Failure {
    fn from(_: Unsendable) -> Self {
        Self::Unsendable
    }
}

impl Failure {
    pub(super) fn reset(error: &hyper::Error, unsent: bool) -> Self {
        let stream = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
        tracing::debug!(%error, source = ?error.source(), "an upstream gave no response");
        let own_verdict = stream.is_some_and(|stream| !stream.is_remote() && !stream.is_io());
        if error.is_parse()
            || own_verdict && stream.and_then(h2::Error::reason) == Some(h2::Reason::PROTOCOL_ERROR)
        {
            return Self::Malformed;
        }
        Self::Reset {
            refused: stream.and_then(h2::Error::reason) == Some(h2::Reason::REFUSED_STREAM),
            unsent,
            by_peer: stream.is_some_and(|stream| stream.is_reset() && stream.is_remote()),
        }
    }
}

/// Returns whether a connection ended before anything of a response came, as an idle one that its server just closed.
pub(super) fn closed_before_response(error: &hyper::Error) -> bool {
    let reset =
        error.source().and_then(|source| source.downcast_ref::<std::io::Error>()).is_some_and(|error| {
            matches!(error.kind(), std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe)
        });
    error.is_incomplete_message() || error.is_canceled() || error.is_closed() || reset
}

/// Returns whether two readers could see different ends of a response, or nobody here can undo its coding.
pub(super) fn is_ambiguous(response: &Response<Incoming>) -> bool {
    let headers = response.headers();
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let (length, second) = (lengths.next(), lengths.next());
    let coded = headers.contains_key(header::TRANSFER_ENCODING);
    let listed = length.is_some_and(|length| !length.as_bytes().iter().all(u8::is_ascii_digit));
    second.is_some() || listed || coded && (length.is_some() || hop::has_foreign_coding(headers))
}
