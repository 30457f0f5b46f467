//! What one concrete request meets: the outcome of its route with the request's own path, host and origin filled in.

use gatewright_http::origin;
use gatewright_ir::{PluginApplication, ValueMatch};
use serde::Serialize;

use crate::canonical::{BadRequest, Canonical};
use crate::outcome::{
    Answer, CorsOutcome, ForwardOutcome, Handshake, HeaderOutcome, Outcome, RefuseOutcome, RouteOutcome,
    TargetOutcome,
};
use crate::patterns::Patterns;
use crate::plain::Plain;
use crate::rewrite::{location, rewritten_path};

/// Everything that the client or a backend could notice of one request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Effect {
    /// The TLS handshake; none on the plain listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handshake: Option<Handshake>,
    /// What comes back.
    pub reply: Reply,
    /// Plugins that see the request, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<PluginApplication>,
}

/// What comes back for one request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The handshake fails; the connection is closed.
    Closed,
    /// 400, or 404 for `OPTIONS *`.
    BadRequest(BadRequest),
    /// 404.
    NotFound,
    /// A redirect.
    Redirect {
        /// Status code.
        code: u16,
        /// `Location`.
        location: String,
        /// Edits of the answer.
        #[serde(skip_serializing_if = "HeaderOutcome::is_empty")]
        response_headers: HeaderOutcome,
    },
    /// 503 with the refusal's text.
    Refused(RefuseOutcome),
    /// 200 from the CORS filter; the upstream is not asked, and the route's response edits are not applied.
    Preflight(PreflightReply),
    /// The answer of an upstream, or 503 where it has no endpoint.
    Forwarded(Box<ForwardEffect>),
}

/// The headers of a preflight answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PreflightReply {
    /// `Access-Control-Allow-Origin`, `-Credentials`, `-Expose-Headers`.
    #[serde(flatten)]
    pub common: CorsReply,
    /// `Access-Control-Allow-Methods`; empty sends none. A `*` of the policy is what the request asks for.
    pub allow_methods: String,
    /// `Access-Control-Allow-Headers`; empty sends none. A `*` of the policy is what the request asks for.
    pub allow_headers: String,
    /// `Access-Control-Max-Age`.
    pub max_age_s: i64,
}

/// The headers that CORS adds to every answer for an allowed origin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct CorsReply {
    /// `Access-Control-Allow-Origin`: the request's origin.
    pub allow_origin: String,
    /// Whether `Access-Control-Allow-Credentials: true` is sent.
    pub allow_credentials: bool,
    /// `Access-Control-Expose-Headers`; empty sends none.
    pub expose_headers: String,
}

/// One forwarded request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ForwardEffect {
    /// The weighted choice of upstreams, with their header edits.
    pub targets: Vec<TargetOutcome>,
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

impl Effect {
    /// Returns what `request` meets where its outcome is `outcome`.
    pub(crate) fn of(
        outcome: &Outcome,
        handshake: Option<&Handshake>,
        request: &Canonical,
        patterns: &Patterns,
    ) -> Self {
        let (reply, plugins) = match outcome {
            Outcome::BadRequest(reason) => (Reply::BadRequest(*reason), Vec::new()),
            Outcome::Handshake(_) => (Reply::Closed, Vec::new()),
            Outcome::NoRoute => (Reply::NotFound, Vec::new()),
            Outcome::Route(route) => (
                route_reply(route, request, patterns),
                plugins_for(&route.plugins, &request.host).cloned().collect(),
            ),
        };
        Effect { handshake: handshake.cloned(), reply, plugins }
    }

    /// Returns the effect of a request that is refused before matching.
    pub fn bad_request(handshake: Option<&Handshake>, reason: BadRequest) -> Self {
        Effect { handshake: handshake.cloned(), reply: Reply::BadRequest(reason), plugins: Vec::new() }
    }
}

impl Reply {
    /// Returns the status that the client gets, where an upstream does not decide it.
    pub fn status(&self) -> Option<u16> {
        match self {
            Reply::Closed => None,
            Reply::BadRequest(reason) => Some(reason.status()),
            Reply::NotFound => Some(404),
            Reply::Redirect { code, .. } => Some(*code),
            Reply::Refused(_) => Some(503),
            Reply::Preflight(_) => Some(200),
            Reply::Forwarded(forward) => {
                forward.targets.iter().all(|target| target.serving().is_none()).then_some(503)
            }
        }
    }
}

/// Returns the plugins whose host restriction covers `host`, in order.
pub(crate) fn plugins_for<'a>(
    plugins: &'a [PluginApplication],
    host: &'a str,
) -> impl Iterator<Item = &'a PluginApplication> {
    plugins
        .iter()
        .filter(move |plugin| plugin.only_host.as_deref().is_none_or(|only| host_is_like(host, only)))
}

/// Returns whether a host passes a plugin rule's domain: `*` at one end, otherwise equality.
pub(crate) fn host_is_like(host: &str, domain: &str) -> bool {
    let domain = domain.to_ascii_lowercase();
    if let Some(ending) = domain.strip_prefix('*') {
        host.ends_with(ending)
    } else if let Some(beginning) = domain.strip_suffix('*') {
        host.starts_with(beginning)
    } else {
        host == domain
    }
}

/// Returns whether an origin is allowed.
pub(crate) fn origin_allowed(origins: &[ValueMatch], origin: Option<&str>, patterns: &Patterns) -> bool {
    let named = origin.filter(|origin| origin::named([origin.as_bytes()]).is_some());
    named.is_some_and(|origin| origins.iter().any(|test| value_matches(test, origin, patterns)))
}

/// Returns whether a value that is there passes a test.
pub(crate) fn value_matches(test: &ValueMatch, value: &str, patterns: &Patterns) -> bool {
    match test {
        ValueMatch::Exact(exact) => value == exact,
        ValueMatch::Prefix(prefix) => value.starts_with(prefix.as_str()),
        ValueMatch::Regex(pattern) => patterns.matches(pattern, value),
        ValueMatch::Present => true,
    }
}

/// Returns whether a request is a CORS preflight, apart from its origin.
pub(crate) fn asks_preflight(request: &Canonical) -> bool {
    let asked = request.header("access-control-request-method");
    origin::is_preflight(&request.method, asked.as_deref().map(str::as_bytes))
}

fn route_reply(route: &RouteOutcome, request: &Canonical, patterns: &Patterns) -> Reply {
    // Plugins are an effect of their own.
    let RouteOutcome { answer, plugins: _ } = route;
    match answer {
        Answer::Redirect(redirect) => Reply::Redirect {
            code: redirect.code,
            location: location(redirect, request),
            response_headers: redirect.response_headers.clone(),
        },
        Answer::Refuse(refuse) => Reply::Refused(refuse.clone()),
        Answer::Forward(forward) => forward_reply(forward, request, patterns),
    }
}

/// Returns what a preflight answer allows; `*` allows what is asked for, as in Envoy.
fn allowed(list: &str, asked: &str, request: &Canonical) -> String {
    match list {
        "*" => request.header(asked).unwrap_or_default().into_owned(),
        list => list.to_owned(),
    }
}

fn forward_reply(forward: &ForwardOutcome, request: &Canonical, patterns: &Patterns) -> Reply {
    let ForwardOutcome { targets, path, host, cors, plain } = forward;
    let origin = request.header("origin");
    let cors = cors
        .as_ref()
        .filter(|cors| origin_allowed(&cors.origins, origin.as_deref(), patterns))
        .map(|cors| cors_replies(cors, origin.as_deref().unwrap_or_default(), request));
    match cors {
        Some(preflight) if asks_preflight(request) => Reply::Preflight(preflight),
        cors => Reply::Forwarded(Box::new(ForwardEffect {
            targets: targets.clone(),
            path: request.path_and_query(&rewritten_path(path, &request.path, patterns)),
            host: host.clone().unwrap_or_else(|| request.authority.clone()),
            cors: cors.map(|preflight| preflight.common),
            plain: plain.clone(),
        })),
    }
}

/// Returns what CORS adds to the answer of a preflight; the common part is added to every answer.
fn cors_replies(cors: &CorsOutcome, origin: &str, request: &Canonical) -> PreflightReply {
    let CorsOutcome {
        origins: _,
        allow_methods,
        allow_headers,
        expose_headers,
        allow_credentials,
        max_age_s,
    } = cors;
    PreflightReply {
        common: CorsReply {
            allow_origin: origin.to_owned(),
            allow_credentials: *allow_credentials,
            expose_headers: expose_headers.clone(),
        },
        allow_methods: allowed(allow_methods, "access-control-request-method", request),
        allow_headers: allowed(allow_headers, "access-control-request-headers", request),
        max_age_s: *max_age_s,
    }
}
