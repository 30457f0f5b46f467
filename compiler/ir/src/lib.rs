//! The gateway model: what a gateway does with requests, in words that are neither Kubernetes' nor Envoy's.
//!
//! Types only. The lowering stage of the compiler makes them, the emitter turns them into xDS, and the behaviour
//! crate answers questions about them. Nothing here says where a thing came from: provenance is a side table keyed
//! by [`RouteId`] and host, so that moved files and comments change no value of this crate.

mod cluster;
mod host;
mod listener;
mod matching;
mod model;
mod plugin;
mod route;
mod route_id;
mod shared;
mod tls;

pub use cluster::{
    ClusterName, Discovery, Endpoint, EndpointSet, LoadBalancing, UpstreamCluster, UpstreamProtocol,
};
pub use host::{HostPattern, HostPatternError};
pub use listener::{Listener, ListenerId, Scheme, TlsTable};
pub use matching::{Conditions, HeaderMatch, PathMatch, QueryMatch, RouteMatch, ValueMatch};
pub use model::{Digest, Ir, LoweredHost, VirtualHost};
pub use plugin::{ConfigDigest, FailStrategy, Phase, PluginApplication, PluginRule, PluginUse, RouteType};
pub use route::{
    Cors, Forward, HeaderEdits, OriginMatch, PathRewrite, Redirect, Refusal, RetryPolicy, Route, RouteAction,
    RoutePolicy, SharedEdits, Target,
};
pub use route_id::{PathKind, RouteId, RoutePart, RouteSource};
pub use shared::{Optional, Shared};
pub use tls::{Certificate, SecretRef, TlsContext, TlsVersion};
