//! What is known of a stream beside its messages.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

/// The client's connection, as filters see it.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// The client's address and port.
    pub remote: Box<str>,
    /// The address and port that the client connected to.
    pub local: Box<str>,
    /// The name that the client asked for in TLS.
    pub server_name: Option<Box<str>>,
    /// Whether the connection is one of TLS.
    pub tls: bool,
}

/// What is known of a stream beside its messages.
#[derive(Debug)]
pub(crate) struct Info {
    pub(crate) connection: Rc<ConnectionInfo>,
    pub(crate) start: SystemTime,
    /// The upstream endpoint that answered.
    pub(crate) upstream: Option<Arc<str>>,
    /// Set when the stream is over.
    pub(crate) outcome: Option<Outcome>,
    /// What filters keep for each other.
    pub(crate) properties: BTreeMap<Box<str>, Bytes>,
}

impl Info {
    pub(crate) fn new(connection: Rc<ConnectionInfo>) -> Self {
        let start = SystemTime::now();
        Self { connection, start, upstream: None, outcome: None, properties: BTreeMap::new() }
    }
}

/// How a stream ended, as its access log says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The status that the client got; 0 when it got none.
    pub code: u16,
    /// Why the response is not simply the upstream's, in the words of the access log; `-` for nothing.
    pub flags: String,
    /// Bytes of the request's body.
    pub received: u64,
    /// Bytes of the response's body.
    pub sent: u64,
    /// From the first byte to the last.
    pub duration: Duration,
    /// The upstream cluster that the request went to.
    pub cluster: Option<Arc<str>>,
    /// Whether the response went out as a whole.
    pub complete: bool,
}
