//! A route: its tests and what happens to the requests that pass them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::shared::{Optional, Shared};
use crate::{ClusterName, PluginApplication, RouteId, RouteMatch};

/// One route of a virtual host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Route {
    /// Identity for provenance; no part of the outcome.
    pub id: RouteId,
    /// Higress' route name (`namespace/ingress`), which plugins read; no part of the outcome by itself.
    pub name: Arc<str>,
    /// Which requests take this route.
    #[serde(rename = "match")]
    pub matches: RouteMatch,
    /// What happens to them.
    pub action: RouteAction,
    /// How.
    #[serde(flatten)]
    pub policy: Arc<RoutePolicy>,
    /// Plugins whose scope covers this route, in execution order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<PluginApplication>,
}

/// What is said of requests and answers beside where they go. The routes of an Ingress share it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct RoutePolicy {
    /// Time limit of the whole response of an upstream in milliseconds; none means unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// When a failed try of an upstream is repeated; none means never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Arc<RetryPolicy>>,
    /// Edits of the request before it goes upstream (after those of the chosen [`Target`]).
    #[serde(skip_serializing_if = "SharedEdits::is_empty")]
    pub request_headers: SharedEdits,
    /// Edits of the response (after those of the chosen [`Target`]).
    #[serde(skip_serializing_if = "SharedEdits::is_empty")]
    pub response_headers: SharedEdits,
    /// CORS policy, applied before the action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<Arc<Cors>>,
}

/// What a route does. Routes that do the same share it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteAction {
    /// Send the request to an upstream cluster.
    Forward(Arc<Forward>),
    /// Answer with a redirect.
    Redirect(Arc<Redirect>),
    /// Answer 503: a protection of this route is broken or not supported, and the route must not be open by accident.
    Refuse(Arc<Refusal>),
}

/// Forwarding to a weighted choice of upstream clusters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Forward {
    /// Never empty. One target has weight 100; several have weights above 0, each cluster chosen with weight / sum.
    pub targets: Vec<Target>,
    /// How the path changes; the query is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_rewrite: Option<Arc<PathRewrite>>,
    /// The `Host` that the upstream sees, where it is not the client's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_rewrite: Option<String>,
}

/// One upstream cluster of a [`Forward`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Target {
    /// The upstream cluster.
    pub cluster: ClusterName,
    /// Share of the requests, in parts of the sum over all targets.
    pub weight: u32,
    /// Clusters that take over, in this order, while the ones before have no usable endpoint or do not exist.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<ClusterName>,
    /// Edits of requests that go to this target, applied before those of the route.
    #[serde(skip_serializing_if = "SharedEdits::is_empty")]
    pub request_headers: SharedEdits,
    /// Edits of responses that come from this target, applied before those of the route.
    #[serde(skip_serializing_if = "SharedEdits::is_empty")]
    pub response_headers: SharedEdits,
}

/// How the path is changed before the request goes upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PathRewrite {
    /// Replaces what the path test matched: the prefix, the whole exact path, or for a regex the whole path.
    Prefix(String),
    /// Replaces every match of an RE2 pattern (not anchored) in the path; `\1` in the substitution is a group.
    Regex {
        /// RE2 pattern.
        pattern: String,
        /// Replacement in RE2 notation.
        substitution: String,
    },
}

/// A redirect answer. Parts that are none keep the request's; the request's query is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub code: u16,
    /// `http` or `https`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// Host without port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Port; where the scheme changes and no port is given, the default port of the new scheme.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// Why a route answers 503 instead of serving.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Refusal {
    /// The diagnostic code, which also opens the answer's body.
    pub code: String,
    /// What is missing, in one short sentence without names from the manifests.
    pub reason: String,
}

/// When a failed try is repeated, in Envoy's words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RetryPolicy {
    /// Conditions, e.g. `connect-failure`, `refused-stream`.
    #[serde(serialize_with = "joined")]
    pub retry_on: Vec<String>,
    /// Repetitions after the first try.
    pub num_retries: u32,
    /// Methods that are never repeated (Higress: POST, PATCH, LOCK).
    #[serde(serialize_with = "joined")]
    pub excluded_methods: Vec<String>,
}

/// Writes a list of words as one text: every route has this policy, and readers look past it.
fn joined<S: Serializer>(words: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&words.join(","))
}

/// Edits of a header map. As in Envoy (measured on 1.40), `remove` comes first, then `set`, then `add`; `set` replaces
/// or creates, `add` appends a line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct HeaderEdits {
    /// Replace or create.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// Append.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub add: BTreeMap<String, String>,
    /// Remove.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
}

/// Edits that copies share.
pub type SharedEdits = Shared<HeaderEdits>;

impl Optional for HeaderEdits {
    const NOTHING: &'static Self =
        &HeaderEdits { set: BTreeMap::new(), add: BTreeMap::new(), remove: Vec::new() };
}

/// A CORS policy in the words of Envoy's `cors` filter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Cors {
    /// A request whose `Origin` passes one of these gets the headers below.
    pub allow_origins: Vec<OriginMatch>,
    /// `Access-Control-Allow-Methods`, as sent.
    pub allow_methods: String,
    /// `Access-Control-Allow-Headers`, as sent.
    pub allow_headers: String,
    /// `Access-Control-Expose-Headers`, as sent; empty sends none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub expose_headers: String,
    /// Whether `Access-Control-Allow-Credentials: true` is sent.
    pub allow_credentials: bool,
    /// `Access-Control-Max-Age` in seconds.
    pub max_age_s: i64,
}

/// A test of the `Origin` header.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OriginMatch {
    /// The whole value.
    Exact(String),
    /// RE2 expression that must match the whole value.
    Regex(String),
}
