//! What a gateway does with all requests that take one route, in a canonical form: two routes whose requests nobody
//! could tell apart have equal outcomes, wherever they came from and however they were written.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatewright_ir::{
    ClusterName, Endpoint, LoadBalancing, PluginApplication, Refusal, SecretRef, TlsVersion,
    UpstreamProtocol, ValueMatch,
};
use serde::Serialize;

use crate::canonical::BadRequest;
use crate::plain::Plain;

/// What happens to requests, apart from what only one concrete request fills in (see [`crate::Effect`]).
///
/// Provenance is no part of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// 400 (404 for `OPTIONS *`) before any route is looked at.
    BadRequest(BadRequest),
    /// What the TLS handshake does; as the outcome of a request it means that the request never gets further.
    Handshake(Handshake),
    /// 404: no virtual host, or none of its routes.
    NoRoute,
    /// A route takes the request.
    Route(Arc<RouteOutcome>),
}

/// What the TLS listener does for a server name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Handshake {
    /// No certificate is configured for the name: the connection is closed.
    NoCertificate,
    /// The configured Secret is missing or unusable: the connection is closed.
    MissingSecret(SecretRef),
    /// The configured Secret is one that the cluster alone has: it is served there, and here the connection is closed.
    ExternalSecret {
        /// The Secret.
        secret: SecretRef,
        /// Where it comes from, as a clause.
        why: String,
    },
    /// A certificate is served.
    Served {
        /// The Secret that holds it.
        certificate: SecretRef,
        /// Lowest protocol version.
        min_version: TlsVersion,
        /// Highest protocol version; none means no limit.
        #[serde(skip_serializing_if = "Option::is_none")]
        max_version: Option<TlsVersion>,
        /// Allowed TLS 1.2 cipher suites; empty means the default set.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        ciphers: Vec<String>,
    },
}

/// What one route does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RouteOutcome {
    /// The answer, or where it is fetched.
    pub answer: Answer,
    /// Plugins in execution order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<PluginApplication>,
}

/// The three things that a route can do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Forward to upstream clusters.
    Forward(ForwardOutcome),
    /// Redirect.
    Redirect(RedirectOutcome),
    /// 503 because a protection of the route cannot be given.
    Refuse(RefuseOutcome),
}

/// Forwarding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ForwardOutcome {
    /// Never empty; weights have no common divisor, equal targets are one, sorted by cluster.
    pub targets: Vec<TargetOutcome>,
    /// How the upstream's path comes about.
    pub path: PathOutcome,
    /// The host that the upstream sees, where it is not the client's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// CORS policy. Envoy applies it to forwarded requests only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<CorsOutcome>,
    /// What does not depend on the request.
    #[serde(flatten)]
    pub plain: Plain,
}

/// One weighted target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct TargetOutcome {
    /// The upstream cluster.
    pub cluster: ClusterOutcome,
    /// Clusters that take over while the ones before have no endpoint.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<ClusterOutcome>,
    /// Share, in parts of the sum over all targets.
    pub weight: u32,
    /// Request header edits of target and route together.
    #[serde(skip_serializing_if = "HeaderOutcome::is_empty")]
    pub request_headers: HeaderOutcome,
    /// Response header edits of target and route together.
    #[serde(skip_serializing_if = "HeaderOutcome::is_empty")]
    pub response_headers: HeaderOutcome,
}

/// An upstream cluster as requests meet it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ClusterOutcome {
    /// Its name.
    pub name: ClusterName,
    /// Where its endpoints come from and whether there are any.
    pub supply: Supply,
    /// The protocol on the wire; none where the cluster does not exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<UpstreamProtocol>,
    /// How an endpoint is chosen; none where the cluster does not exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancing: Option<LoadBalancing>,
}

/// The endpoints of an upstream cluster. Addresses that discovery pushes are no part of the behaviour.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Supply {
    /// The cluster does not exist: 503.
    Missing,
    /// No endpoints: 503.
    Empty,
    /// At least one endpoint.
    Endpoints,
    /// These names, resolved by the data plane.
    Dns(Vec<Endpoint>),
}

impl Supply {
    /// Returns whether requests can be sent.
    pub fn is_available(&self) -> bool {
        matches!(self, Supply::Endpoints | Supply::Dns(_))
    }
}

/// How the upstream's path comes about; the query is kept in every case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PathOutcome {
    /// The client's (normalized) path.
    Keep,
    /// The leading `cut` is replaced; `cut` and `with` have no common ending.
    Replace {
        /// What goes.
        cut: String,
        /// What comes.
        with: String,
        /// Whether `cut` stands for its length only, because the route ignores case.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        ignore_case: bool,
    },
    /// A fixed path.
    Whole(String),
    /// Every match of an RE2 pattern is replaced.
    Regex {
        /// RE2 pattern.
        pattern: String,
        /// Substitution with `\1`.
        substitution: String,
    },
}

/// A redirect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RedirectOutcome {
    /// Status code.
    pub code: u16,
    /// Scheme, where it is not the listener's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// Host, where it is not the request's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Port, where one is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Path, where it is not the request's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Edits of the answer.
    #[serde(skip_serializing_if = "HeaderOutcome::is_empty")]
    pub response_headers: HeaderOutcome,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RefuseOutcome {
    /// Code and reason, which the body shows.
    #[serde(flatten)]
    pub refusal: Refusal,
    /// Edits of the answer.
    #[serde(skip_serializing_if = "HeaderOutcome::is_empty")]
    pub response_headers: HeaderOutcome,
}

/// A CORS policy, with sorted origins; never without any.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct CorsOutcome {
    /// Tests of `Origin`, one of which must pass.
    pub origins: Vec<ValueMatch>,
    /// `Access-Control-Allow-Methods` of preflight answers; empty sends none.
    pub allow_methods: String,
    /// `Access-Control-Allow-Headers` of preflight answers; empty sends none.
    pub allow_headers: String,
    /// `Access-Control-Expose-Headers`; empty sends none.
    pub expose_headers: String,
    /// Whether credentials are allowed.
    pub allow_credentials: bool,
    /// `Access-Control-Max-Age` of preflight answers.
    pub max_age_s: i64,
}

/// Edits of a header map, by lower-case header name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct HeaderOutcome(pub BTreeMap<String, HeaderChange>);

/// What becomes of one header.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct HeaderChange {
    /// Whether the lines that come in stay.
    pub keep: bool,
    /// Lines that are added behind them.
    pub add: Vec<String>,
}

impl HeaderOutcome {
    /// Returns whether nothing is edited.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Outcome {
    /// Returns the route's answer, if a route takes the request.
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            Outcome::Route(route) => Some(&route.answer),
            _ => None,
        }
    }

    /// Returns the forwarding, if that is what happens.
    pub fn forward(&self) -> Option<&ForwardOutcome> {
        match self.answer() {
            Some(Answer::Forward(forward)) => Some(forward),
            _ => None,
        }
    }

    /// Returns the redirect, if that is what happens.
    pub fn redirect(&self) -> Option<&RedirectOutcome> {
        match self.answer() {
            Some(Answer::Redirect(redirect)) => Some(redirect),
            _ => None,
        }
    }

    /// Returns the refusal, if that is what happens.
    pub fn refuse(&self) -> Option<&RefuseOutcome> {
        match self.answer() {
            Some(Answer::Refuse(refuse)) => Some(refuse),
            _ => None,
        }
    }

    /// Returns the plugins of the route.
    pub fn plugins(&self) -> &[PluginApplication] {
        match self {
            Outcome::Route(route) => &route.plugins,
            _ => &[],
        }
    }
}

impl Handshake {
    /// Returns whether requests can follow.
    pub fn is_served(&self) -> bool {
        matches!(self, Handshake::Served { .. })
    }
}

impl TargetOutcome {
    /// Returns the cluster that gets the requests: the first with endpoints, or none if no one has any.
    pub fn serving(&self) -> Option<&ClusterOutcome> {
        std::iter::once(&self.cluster).chain(&self.fallbacks).find(|cluster| cluster.supply.is_available())
    }
}

impl ForwardOutcome {
    /// Returns the share of requests, 0 to 1, that find no endpoint.
    pub fn unserved_share(&self) -> f64 {
        let total: u64 = self.targets.iter().map(|target| u64::from(target.weight)).sum();
        let unserved = self.targets.iter().filter(|target| target.serving().is_none());
        unserved.map(|target| u64::from(target.weight)).sum::<u64>() as f64 / total.max(1) as f64
    }
}
