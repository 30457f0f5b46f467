//! Models from a small vocabulary, so that tests overlap, shadow each other and fall through often.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatewright_ir::{
    Certificate, ClusterName, Conditions, ConfigDigest, Cors, Discovery, Endpoint, EndpointSet, FailStrategy,
    Forward, HeaderEdits, HeaderMatch, HostPattern, Ir, ListenerId, LoadBalancing, LoweredHost, OriginMatch,
    PathKind, PathMatch, PathRewrite, PluginApplication, QueryMatch, Redirect, Refusal, RetryPolicy, Route,
    RouteAction, RouteId, RouteMatch, RoutePart, RoutePolicy, SecretRef, SharedEdits, Target, TlsContext,
    TlsTable, TlsVersion, UpstreamCluster, UpstreamProtocol, ValueMatch, VirtualHost,
};
use gatewright_kinds::{EntityKey, Kind};

use super::Choices;

pub(super) const HOSTS: [&str; 8] =
    ["a.com", "b.a.com", "c.b.a.com", "d.org", "*.a.com", "*.b.a.com", "*.com", "*"];
pub(super) const LITERALS: [&str; 12] =
    ["/", "/a", "/a/", "/a/b", "/a/b/", "/ab", "/A", "/A/b", "/x", "/x/y/z", "/a%2fb", "/b"];
pub(super) const PATTERNS: [&str; 10] = [
    ".*",
    "/a.*",
    "/[a-c]/.*",
    "/a/[0-9]+",
    "/(a|x)/b",
    "/a$",
    r"/\d+(/.*)?",
    "/x/(y|z).*",
    "(?i)/a/b",
    "/ab?",
];
pub(super) const METHODS: [&str; 4] = ["GET", "POST", "OPTIONS", "PUT"];
pub(super) const HEADERS: [&str; 3] = ["x-canary", "x-user", "cookie"];
pub(super) const VALUES: [&str; 5] = ["always", "never", "al", "u-1", ""];
pub(super) const VALUE_PATTERNS: [&str; 4] = ["a.*", "u-[0-9]+", "(always|never)", ".+"];
pub(super) const PARAMETERS: [&str; 2] = ["v", "q"];
pub(super) const AUTHORITIES: [&str; 3] = ["a.com", "b.a.com:8080", "x.a.com"];
pub(super) const ORIGINS: [&str; 2] = ["https://o.com", "https://p.o.com"];
const CLUSTERS: usize = 6;

/// How large a generated model is.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Virtual hosts at most.
    pub hosts: usize,
    /// Routes of one virtual host at most.
    pub routes: usize,
}

/// Returns a model.
pub fn model(choices: &mut Choices, sizes: Sizes) -> Ir {
    let mut ir = Ir::default();
    for index in 0..CLUSTERS {
        add_cluster(choices, index, &mut ir);
    }
    for _ in 0..choices.below(sizes.hosts) + 1 {
        let host = host_pattern(choices);
        let mut routes = Vec::new();
        for _ in 0..choices.below(sizes.routes) + 1 {
            routes.extend(routes_of_path(choices, &host));
        }
        for listener in ListenerId::OF_INGRESSES {
            if !listener.is_tls() || !choices.one_in(3) {
                put_host(&mut ir, listener, &host, routes.clone());
            }
        }
    }
    for _ in 0..choices.below(4) {
        let context = tls_context(choices);
        tls_of(&mut ir).insert(context.host.clone(), Arc::new(context));
    }
    ir
}

/// Returns the id of the route of a path of an Ingress, `namespace/name`.
pub fn route_id(ingress: &str, host: &HostPattern, path: &str) -> RouteId {
    let (namespace, name) = ingress.split_once('/').unwrap_or(("default", ingress));
    let part = RoutePart::Path { kind: PathKind::Prefix, path: path.into() };
    RouteId::new(EntityKey::new(Kind::Ingress, namespace, name), host.clone(), part)
}

/// Returns what the Ingresses' TLS listener does for server names.
pub(super) fn tls_of(ir: &mut Ir) -> &mut TlsTable {
    &mut ir.listeners.entry(ListenerId::HTTPS).or_default().tls
}

/// Puts a virtual host in its place.
pub(super) fn put_host(ir: &mut Ir, listener: ListenerId, host: &HostPattern, routes: Vec<Route>) {
    let virtual_host = VirtualHost { listener, host: host.clone(), routes };
    ir.hosts.insert((listener, host.clone()), Arc::new(LoweredHost::new(virtual_host)));
}

pub(super) fn host_pattern(choices: &mut Choices) -> HostPattern {
    choices.pick(&HOSTS).parse().unwrap_or(HostPattern::Any)
}

fn cluster_name(index: usize) -> ClusterName {
    ClusterName::outbound(80, "", &format!("c{index}.dns"))
}

/// One cluster in a few does not exist, is empty, or is found by DNS.
fn add_cluster(choices: &mut Choices, index: usize, ir: &mut Ir) {
    let name = cluster_name(index);
    if choices.one_in(8) {
        return;
    }
    let endpoint = Endpoint::new("10.0.0.1", 80);
    let discovery = match choices.one_in(5) {
        true => Discovery::Dns(vec![Endpoint::new(format!("c{index}.example"), 80)]),
        false => Discovery::Endpoints,
    };
    if discovery == Discovery::Endpoints && !choices.one_in(5) {
        let set = EndpointSet { endpoints: vec![endpoint] };
        ir.endpoints.insert(name.clone(), Arc::new(set));
    }
    let protocol = if choices.one_in(4) { UpstreamProtocol::Http2 } else { UpstreamProtocol::Http1 };
    let load_balancing =
        if choices.one_in(4) { LoadBalancing::RoundRobin } else { LoadBalancing::LeastRequest };
    let cluster = UpstreamCluster { name: name.clone(), discovery, protocol, load_balancing };
    ir.clusters.insert(name, Arc::new(cluster));
}

/// Returns one route, or the two that a Higress prefix path becomes.
pub(super) fn routes_of_path(choices: &mut Choices, host: &HostPattern) -> Vec<Route> {
    let mut first = route(choices, host);
    let PathMatch::Exact(path) = first.matches.path.clone() else { return vec![first] };
    if path == "/" || path.ends_with('/') || choices.one_in(2) {
        return vec![first];
    }
    let mut second = first.clone();
    second.matches.path = PathMatch::Prefix(format!("{path}/"));
    if let (RouteAction::Forward(one), RouteAction::Forward(two)) = (&mut first.action, &mut second.action)
        && let Some(PathRewrite::Prefix(with)) = one.path_rewrite.as_deref()
    {
        Arc::make_mut(two).path_rewrite = Some(PathRewrite::Prefix(format!("{with}/")).into());
    }
    vec![first, second]
}

fn route(choices: &mut Choices, host: &HostPattern) -> Route {
    let namespace = choices.pick(&["shop", "team", "ops"]);
    let name = format!("{namespace}/i{}", choices.below(5));
    let matches = route_match(choices);
    let action = match choices.below(8) {
        0 => RouteAction::Redirect(Arc::new(redirect(choices))),
        1 => RouteAction::Refuse(Arc::new(Refusal {
            code: "GW0410".into(),
            reason: "a plugin cannot run".into(),
        })),
        _ => RouteAction::Forward(Arc::new(forward(choices, &matches.path))),
    };
    Route {
        id: route_id(&name, host, &format!("/{}", choices.below(1000))),
        name: name.into(),
        matches,
        action,
        policy: Arc::new(RoutePolicy {
            timeout_ms: choices.one_in(4).then(|| choices.pick(&[0, 1000, 30_000])),
            retry: choices.one_in(3).then(|| Arc::new(retry(choices))),
            request_headers: header_edits(choices, 6),
            response_headers: header_edits(choices, 6),
            cors: choices.one_in(6).then(|| Arc::new(cors(choices))),
        }),
        plugins: if choices.one_in(8) { vec![plugin(choices)] } else { Vec::new() },
    }
}

pub(super) fn route_match(choices: &mut Choices) -> RouteMatch {
    let path = match choices.below(8) {
        0 => PathMatch::Regex(choices.pick(&PATTERNS).to_owned()),
        1..4 => PathMatch::Exact(choices.pick(&LITERALS).to_owned()),
        _ => PathMatch::Prefix(choices.pick(&LITERALS).to_owned()),
    };
    let case_sensitive = !choices.one_in(12);
    let mut conditions = Conditions::default();
    if choices.one_in(5) {
        conditions.methods = vec![choices.pick(&METHODS).to_owned()];
        if choices.one_in(2) {
            conditions.methods.push("DELETE".into());
        }
    }
    while choices.one_in(4) {
        let name = choices.pick(&HEADERS).to_owned();
        conditions.headers.push(HeaderMatch { name, value: value_match(choices) });
    }
    if choices.one_in(16) {
        let value = ValueMatch::Exact(choices.pick(&AUTHORITIES).to_owned());
        conditions.headers.push(HeaderMatch { name: ":authority".into(), value });
    }
    if choices.one_in(24) {
        conditions
            .headers
            .push(HeaderMatch { name: ":scheme".into(), value: ValueMatch::Exact("https".into()) });
    }
    conditions.headers.sort();
    while choices.one_in(6) {
        let name = choices.pick(&PARAMETERS).to_owned();
        conditions.queries.push(QueryMatch { name, value: value_match(choices) });
    }
    conditions.queries.sort();
    RouteMatch { path, case_sensitive, conditions: conditions.into() }
}

fn value_match(choices: &mut Choices) -> ValueMatch {
    let value = choices.pick(&VALUES).to_owned();
    match choices.below(6) {
        0 => ValueMatch::Present,
        1 => ValueMatch::Prefix(value),
        2 => ValueMatch::Regex(choices.pick(&VALUE_PATTERNS).to_owned()),
        _ => ValueMatch::Exact(value),
    }
}

fn redirect(choices: &mut Choices) -> Redirect {
    Redirect {
        code: choices.pick(&[301, 302, 308]),
        scheme: choices.one_in(2).then(|| choices.pick(&["https", "http"]).to_owned()),
        host: choices.one_in(3).then(|| choices.pick(&["a.com", "h.com"]).to_owned()),
        port: choices.one_in(4).then(|| choices.pick(&[80, 8080, 443])),
        path: choices.one_in(3).then(|| choices.pick(&["/a", "/new", "/new?z=1"]).to_owned()),
    }
}

fn forward(choices: &mut Choices, path: &PathMatch) -> Forward {
    let count = if choices.one_in(4) { 2 + choices.below(2) } else { 1 };
    let targets = (0..count).map(|_| target(choices, count)).collect();
    let path_rewrite = match choices.below(8) {
        0 => Some(PathRewrite::Prefix(choices.pick(&["/", "/n", "/a", "/a/"]).to_owned())),
        1 if matches!(path, PathMatch::Regex(_)) || choices.one_in(3) => Some(PathRewrite::Regex {
            pattern: (choices.pick(&["^/a(.*)", "/([a-z])", "b*"])).to_owned(),
            substitution: choices.pick(&[r"/n\1", r"\0", "-"]).to_owned(),
        }),
        _ => None,
    };
    Forward {
        targets,
        path_rewrite: path_rewrite.map(Arc::new),
        host_rewrite: choices.one_in(8).then(|| choices.pick(&["up.example", "a.com"]).to_owned()),
    }
}

fn target(choices: &mut Choices, count: usize) -> Target {
    Target {
        cluster: cluster_name(choices.below(CLUSTERS)),
        weight: if count == 1 { 100 } else { choices.pick(&[10, 20, 50, 90]) },
        fallbacks: if choices.one_in(10) { vec![cluster_name(choices.below(CLUSTERS))] } else { Vec::new() },
        request_headers: header_edits(choices, 10),
        response_headers: header_edits(choices, 10),
    }
}

fn retry(choices: &mut Choices) -> RetryPolicy {
    RetryPolicy {
        retry_on: vec!["connect-failure".into(), "refused-stream".into()],
        num_retries: choices.pick(&[0, 2, 3]),
        excluded_methods: vec!["POST".into(), "PATCH".into()],
    }
}

fn header_edits(choices: &mut Choices, rarity: usize) -> SharedEdits {
    let mut edits = HeaderEdits::default();
    if !choices.one_in(rarity) {
        return edits.into();
    }
    let names = ["x-one", "x-two", "X-User", "x-up"];
    let pairs = |choices: &mut Choices| -> BTreeMap<String, String> {
        let count = choices.below(2);
        (0..count).map(|_| (choices.pick(&names).to_owned(), choices.pick(&["1", "2"]).to_owned())).collect()
    };
    edits.set = pairs(choices);
    edits.add = pairs(choices);
    if choices.one_in(2) {
        edits.remove = vec![choices.pick(&names).to_owned()];
    }
    edits.into()
}

fn cors(choices: &mut Choices) -> Cors {
    let mut allow_origins = vec![OriginMatch::Exact(ORIGINS[0].into())];
    if choices.one_in(2) {
        allow_origins.push(OriginMatch::Regex(r"https://.*\.o\.com".into()));
    }
    if choices.one_in(6) {
        allow_origins = vec![OriginMatch::Regex(".*".into())];
    }
    Cors {
        allow_origins,
        allow_methods: choices.pick(&["GET, POST", "GET"]).to_owned(),
        allow_headers: "x-user".into(),
        expose_headers: choices.pick(&["", "x-up"]).to_owned(),
        allow_credentials: choices.one_in(2),
        max_age_s: choices.pick(&[60, 86_400]),
    }
}

fn plugin(choices: &mut Choices) -> PluginApplication {
    PluginApplication {
        plugin: choices.pick(&["key-auth", "waf"]).to_owned(),
        module: choices.pick(&["sha256:aa", "oci://r/waf:1"]).to_owned(),
        config: ConfigDigest(choices.pick(&["c1", "c2"]).to_owned()),
        fail_strategy: choices.pick(&[FailStrategy::FailOpen, FailStrategy::FailClose]),
        only_host: choices.one_in(2).then(|| choices.pick(&["a.com", "x.a.com", "*.com", "b*"]).to_owned()),
    }
}

pub(super) fn tls_context(choices: &mut Choices) -> TlsContext {
    let secret = SecretRef { namespace: "shop".into(), name: choices.pick(&["cert-1", "cert-2"]).to_owned() };
    TlsContext {
        host: host_pattern(choices),
        certificate: match choices.one_in(5) {
            true => Certificate::Missing(secret),
            false => Certificate::Secret(secret),
        },
        min_version: choices.one_in(4).then_some(TlsVersion::V1_3),
        max_version: None,
        ciphers: Vec::new(),
    }
}
