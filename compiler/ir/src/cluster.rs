//! Upstream clusters and their endpoints. Endpoints are an input of their own: they change without any route changing.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// Higress' cluster name, `outbound|PORT|SUBSET|HOST`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ClusterName(pub Arc<str>);

impl ClusterName {
    /// Returns the name of the cluster for `port` of `host`.
    pub fn outbound(port: u32, subset: &str, host: &str) -> Self {
        ClusterName(format!("outbound|{port}|{subset}|{host}").into())
    }

    /// Returns the host part: what stands after the last `|`.
    pub fn host(&self) -> &str {
        self.0.rsplit('|').next().unwrap_or(&self.0)
    }

    /// Returns the port part, where the name has one.
    pub fn port(&self) -> Option<u32> {
        self.0.split('|').nth(1).and_then(|port| port.parse().ok())
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A group of endpoints and how they are spoken to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UpstreamCluster {
    /// Its name.
    pub name: ClusterName,
    /// Where its endpoints come from.
    pub discovery: Discovery,
    /// The protocol on the wire.
    pub protocol: UpstreamProtocol,
    /// How an endpoint is chosen.
    pub load_balancing: LoadBalancing,
}

/// Where the endpoints of a cluster come from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Discovery {
    /// From the endpoint input, pushed on their own; no listener there means that there are none.
    Endpoints,
    /// Resolved by the data plane: `host:port` pairs.
    Dns(Vec<Endpoint>),
}

/// The protocol spoken to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UpstreamProtocol {
    /// HTTP/1.1 in clear text.
    Http1,
    /// HTTP/2 in clear text, with prior knowledge.
    Http2,
}

/// How an endpoint is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadBalancing {
    /// The less loaded of two random endpoints (Istio's default).
    LeastRequest,
    /// One after the other.
    RoundRobin,
    /// At random.
    Random,
}

/// One address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Endpoint {
    /// IP address, or a host name for [`Discovery::Dns`].
    pub address: String,
    /// TCP port.
    pub port: u16,
    /// Its share of the requests beside the other endpoints; never 0.
    #[serde(skip_serializing_if = "is_one")]
    pub weight: u32,
    /// Whether it is held for healthy. Others get requests only where less than half of all are (Envoy's panic threshold).
    #[serde(skip_serializing_if = "is_true")]
    pub healthy: bool,
}

impl Endpoint {
    /// Returns an endpoint that is healthy and has the share of any other.
    pub fn new(address: impl Into<String>, port: u16) -> Self {
        Endpoint { address: address.into(), port, weight: 1, healthy: true }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_one(weight: &u32) -> bool {
    *weight == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_true(flag: &bool) -> bool {
    *flag
}

/// The endpoints of one cluster, sorted, without repetition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EndpointSet {
    /// The addresses that may be used.
    pub endpoints: Vec<Endpoint>,
}
