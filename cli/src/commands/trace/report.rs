//! A trace as a document: the decision of the behaviour engine with the lines that it came from.

use gatewright_behaviour::{
    ClusterOutcome, CorsReply, Decision, ForwardEffect, Handshake, HeaderOutcome, Model, Plain, Reply,
    Request, RouteStep, Supply, TargetOutcome,
};
use gatewright_compiler::Engine;
use gatewright_ir::{
    Endpoint, Ir, LoadBalancing, PathMatch, PluginApplication, Route, RouteId, RouteMatch, Scheme,
};
use gatewright_plan::{Finding, Location};
use gatewright_reconciler::sides::State;
use serde::{Serialize, Serializer};

/// Name and number of the JSON form.
const FORMAT: &str = "gatewright-trace/1";

/// What happens to one request.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    format: &'static str,
    /// The request, as it can be given again.
    pub request: String,
    /// How it came in.
    pub listener: Listener,
    /// Virtual hosts that were asked, nearest first.
    pub hosts: Vec<TracedHost>,
    /// The route that took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched: Option<TracedRoute>,
    /// Plugins in whose scope it is, in order. They are not executed by this version.
    pub plugins: Vec<PluginApplication>,
    /// What comes of it.
    pub result: Result,
    /// The result in a few words.
    pub summary: String,
    /// Objects that can change the result and are not modelled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_modelled: Vec<Finding>,
}

/// The door that a request took.
#[derive(Clone, Debug, Serialize)]
pub struct Listener {
    /// What is spoken there.
    #[serde(serialize_with = "entry")]
    pub entry: Scheme,
    /// Address of the listener.
    pub address: String,
    /// The host that was looked up.
    pub host: String,
    /// The path that was matched, after normalization.
    pub path: String,
    /// What the TLS handshake does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handshake: Option<Handshake>,
    /// The pattern that chose the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

/// Writes `plain` or `tls`, as the published schema has it.
fn entry<S: Serializer>(scheme: &Scheme, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(match scheme {
        Scheme::Http => "plain",
        Scheme::Https => "tls",
    })
}

/// One virtual host that was asked.
#[derive(Clone, Debug, Serialize)]
pub struct TracedHost {
    /// Its pattern.
    pub host: String,
    /// Routes tried, in order.
    pub routes: Vec<TracedRoute>,
}

/// One route that was tried.
#[derive(Clone, Debug, Serialize)]
pub struct TracedRoute {
    /// The virtual host.
    pub host: String,
    /// Higress' route name.
    pub name: String,
    /// Identity.
    pub id: RouteId,
    /// Place in the virtual host, from 0.
    pub index: usize,
    /// What it asks of a request.
    #[serde(rename = "match")]
    pub matches: RouteMatch,
    /// Why it did not match; none for the one that did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mismatch: Option<String>,
    /// Where it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
}

/// What comes of a request.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Result {
    /// The handshake fails.
    Closed,
    /// 400 before any route is looked at.
    BadRequest {
        /// Status.
        status: u16,
        /// What of the request cannot be read.
        reason: gatewright_behaviour::BadRequest,
    },
    /// No route takes it.
    NoRoute {
        /// Status.
        status: u16,
    },
    /// A redirect.
    Redirect {
        /// Status.
        status: u16,
        /// `Location`.
        location: String,
        /// Edits of the answer.
        response_headers: HeaderOutcome,
    },
    /// A protection cannot be given.
    Refused {
        /// Status.
        status: u16,
        /// Code that opens the body.
        code: String,
        /// What is missing.
        reason: String,
        /// Edits of the answer.
        response_headers: HeaderOutcome,
    },
    /// The CORS filter answers.
    Preflight {
        /// Status.
        status: u16,
        /// Headers of every CORS answer.
        #[serde(flatten)]
        cors: CorsReply,
        /// `Access-Control-Allow-Methods`.
        allow_methods: String,
        /// `Access-Control-Allow-Headers`.
        allow_headers: String,
        /// `Access-Control-Max-Age` in seconds.
        max_age_s: i64,
    },
    /// An upstream answers.
    Forward(Box<Forwarded>),
}

/// A forwarded request.
#[derive(Clone, Debug, Serialize)]
pub struct Forwarded {
    /// 503 where no upstream has an endpoint; else the upstream decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The weighted choice.
    pub upstreams: Vec<Upstream>,
    /// Path and query that the upstream sees.
    pub path: String,
    /// Host that the upstream sees.
    pub host: String,
    /// CORS headers of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<CorsReply>,
    /// What does not depend on the request.
    #[serde(flatten)]
    pub plain: Plain,
}

/// One upstream that a request may go to.
#[derive(Clone, Debug, Serialize)]
pub struct Upstream {
    /// The upstream cluster.
    pub cluster: String,
    /// Part of the sum of all weights.
    pub weight: u32,
    /// The cluster that gets the requests: itself, or a fallback while it has no endpoint; none answers 503.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serving: Option<String>,
    /// Endpoints of the serving cluster that the source knows.
    pub endpoints: Vec<Endpoint>,
    /// How one of the endpoints is chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancing: Option<LoadBalancing>,
    /// Whether the data plane resolves the endpoints by DNS.
    pub dns: bool,
    /// Clusters that take over, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<String>,
    /// Edits of the request: of each header, whether its lines stay and which are added.
    pub request_headers: HeaderOutcome,
    /// Edits of the response.
    pub response_headers: HeaderOutcome,
}

impl Report {
    /// Traces a request.
    pub fn of(model: &Model<'_>, engine: &Engine, state: &State<'_>, request: &Request) -> Self {
        let decision = model.decide(request);
        let tracer = Tracer { ir: engine.ir(), state, decision: &decision };
        let hosts = tracer.hosts();
        let matched =
            hosts.iter().flat_map(|host| &host.routes).find(|route| route.mismatch.is_none()).cloned();
        let address = engine.options().address(request.listener);
        Report {
            format: FORMAT,
            request: request.shown(),
            listener: Listener {
                entry: request.listener.scheme,
                address: address.to_string(),
                host: decision.trail.host.clone(),
                path: decision.trail.path.clone(),
                handshake: decision.effect.handshake.clone(),
                server_name: decision.trail.server_name.as_ref().map(ToString::to_string),
            },
            hosts,
            matched,
            plugins: decision.effect.plugins.clone(),
            result: tracer.result(),
            summary: decision.outcome.to_string(),
            not_modelled: state.not_modelled(),
        }
    }

    /// Writes the report as indented JSON that ends with a line feed.
    pub fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a report holds texts and numbers only");
        text.push('\n');
        text
    }
}

struct Tracer<'a> {
    ir: &'a Ir,
    state: &'a State<'a>,
    decision: &'a Decision,
}

impl Tracer<'_> {
    fn hosts(&self) -> Vec<TracedHost> {
        let listener = self.decision.trail.listener;
        let step = |step: &gatewright_behaviour::HostStep| {
            let lowered = self.ir.hosts.get(&(listener, step.host.clone()))?;
            let name = step.host.to_string();
            let routes = step
                .routes
                .iter()
                .filter_map(|tried| Some(self.route(&name, tried, lowered.host.routes.get(tried.index)?)));
            Some(TracedHost { host: name.clone(), routes: routes.collect() })
        };
        self.decision.trail.hosts.iter().filter_map(step).collect()
    }

    fn route(&self, host: &str, tried: &RouteStep, route: &Route) -> TracedRoute {
        TracedRoute {
            host: host.to_owned(),
            name: route.name.to_string(),
            id: route.id.clone(),
            index: tried.index,
            matches: route.matches.clone(),
            mismatch: tried.mismatch.as_ref().map(ToString::to_string),
            location: self.state.route(&route.id),
        }
    }

    fn result(&self) -> Result {
        match self.decision.effect.reply.clone() {
            Reply::Closed => Result::Closed,
            Reply::BadRequest(reason) => Result::BadRequest { status: reason.status(), reason },
            Reply::NotFound => Result::NoRoute { status: 404 },
            Reply::Redirect { code, location, response_headers } => {
                Result::Redirect { status: code, location, response_headers }
            }
            Reply::Refused(refused) => Result::Refused {
                status: 503,
                code: refused.refusal.code,
                reason: refused.refusal.reason,
                response_headers: refused.response_headers,
            },
            Reply::Preflight(reply) => Result::Preflight {
                status: 200,
                cors: reply.common,
                allow_methods: reply.allow_methods,
                allow_headers: reply.allow_headers,
                max_age_s: reply.max_age_s,
            },
            Reply::Forwarded(forward) => {
                let status = self.decision.effect.reply.status();
                Result::Forward(Box::new(self.forwarded(*forward, status)))
            }
        }
    }

    fn forwarded(&self, forward: ForwardEffect, status: Option<u16>) -> Forwarded {
        let ForwardEffect { targets, path, host, cors, plain } = forward;
        let upstreams = targets.iter().map(|target| self.upstream(target)).collect();
        Forwarded { status, upstreams, path, host, cors, plain }
    }

    fn upstream(&self, target: &TargetOutcome) -> Upstream {
        let serving = target.serving();
        let TargetOutcome { cluster, fallbacks, weight, request_headers, response_headers } = target;
        Upstream {
            cluster: cluster.name.to_string(),
            weight: *weight,
            serving: serving.map(|cluster| cluster.name.to_string()),
            endpoints: serving.map(|cluster| self.endpoints(cluster)).unwrap_or_default(),
            load_balancing: serving.and_then(|cluster| cluster.load_balancing),
            dns: serving.is_some_and(|cluster| matches!(cluster.supply, Supply::Dns(_))),
            fallbacks: fallbacks.iter().map(|cluster| cluster.name.to_string()).collect(),
            request_headers: request_headers.clone(),
            response_headers: response_headers.clone(),
        }
    }

    fn endpoints(&self, cluster: &ClusterOutcome) -> Vec<Endpoint> {
        match &cluster.supply {
            Supply::Dns(names) => names.clone(),
            _ => self.ir.endpoints.get(&cluster.name).map(|set| set.endpoints.clone()).unwrap_or_default(),
        }
    }
}

/// Returns a path test in words.
pub(super) fn path_text(matches: &RouteMatch) -> String {
    let (kind, path) = match &matches.path {
        PathMatch::Exact(path) => ("exact", path),
        PathMatch::Prefix(path) => ("prefix", path),
        PathMatch::Regex(path) => ("regex", path),
    };
    let case = if matches.case_sensitive { "" } else { ", any case" };
    format!("{kind} {path}{case}")
}
