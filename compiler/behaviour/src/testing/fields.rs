//! Pairs of models that differ in one field each: what says something of models must notice each of them, or say why
//! it does not.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatewright_ir::{
    Certificate, ClusterName, Conditions, ConfigDigest, Cors, Discovery, Endpoint, EndpointSet, FailStrategy,
    Forward, HeaderEdits, HeaderMatch, HostPattern, Ir, ListenerId, LoadBalancing, OriginMatch, PathMatch,
    PathRewrite, PluginApplication, QueryMatch, Redirect, Refusal, RetryPolicy, Route, RouteAction,
    RouteMatch, RoutePolicy, SecretRef, Target, TlsContext, TlsTable, TlsVersion, UpstreamCluster,
    UpstreamProtocol, ValueMatch,
};

use super::models::{put_host, route_id, tls_of};

/// Two models that differ in one field of one value.
#[derive(Clone, Debug)]
pub struct FieldEdit {
    /// `Type.field`.
    pub field: &'static str,
    /// The model before.
    pub before: Ir,
    /// The model after.
    pub after: Ir,
}

/// Calls `$put("Type.field", value)` with a copy of a value for each of its fields, which has another content there. The
/// pattern names every field: a new one does not build until it is listed.
macro_rules! each_field {
    ($put:expr, $value:expr, $type:ident { $($field:ident: $new:expr),+ $(,)? }) => {{
        let value = $value;
        let $type { $($field: _),+ } = &value;
        $(
            let mut changed = value.clone();
            changed.$field = $new;
            $put(concat!(stringify!($type), ".", stringify!($field)), changed);
        )+
    }};
}

/// Returns a pair of models for every field of a route and of what a route refers to.
pub fn field_edits() -> Vec<FieldEdit> {
    let mut edits = Edits(Vec::new());
    edits.routes();
    edits.matches();
    edits.forwards();
    edits.policies();
    edits.answers();
    edits.upstreams();
    edits.certificates();
    edits.0
}

struct Edits(Vec<FieldEdit>);

impl Edits {
    fn put(&mut self, field: &'static str, before: Ir, after: Ir) {
        self.0.push(FieldEdit { field, before, after });
    }

    fn put_route(&mut self, field: &'static str, before: &Route, after: Route) {
        self.put(field, model(before.clone()), model(after));
    }

    fn routes(&mut self) {
        let before = route(RouteAction::Forward(Arc::new(forward())));
        let put = |field, after| self.put_route(field, &before, after);
        let mut put = put;
        each_field!(
            put,
            before.clone(),
            Route {
                id: route_id("shop/other", &HostPattern::Any, "/"),
                name: "shop/other".into(),
                matches: RouteMatch::path(PathMatch::Prefix("/b".into())),
                action: RouteAction::Redirect(Arc::new(redirect())),
                policy: Arc::default(),
                plugins: Vec::new(),
            }
        );
        each_field!(
            |field, plugin| put(field, Route { plugins: vec![plugin], ..before.clone() }),
            plugin(),
            PluginApplication {
                plugin: "other".into(),
                module: "other".into(),
                config: ConfigDigest("other".into()),
                fail_strategy: FailStrategy::FailOpen,
                only_host: Some("other.example".into()),
            }
        );
        each_field!(
            |field, edits: HeaderEdits| {
                let policy = RoutePolicy { request_headers: edits.into(), ..policy() };
                put(field, Route { policy: Arc::new(policy), ..before.clone() });
            },
            header_edits(),
            HeaderEdits {
                set: pair("x-user", "other"),
                add: pair("x-canary", "other"),
                remove: vec!["cookie".into()],
            }
        );
    }

    fn matches(&mut self) {
        let before = route(RouteAction::Forward(Arc::new(forward())));
        let mut put = |field, matches| self.put_route(field, &before, Route { matches, ..before.clone() });
        each_field!(
            put,
            before.matches.clone(),
            RouteMatch {
                path: PathMatch::Exact("/a".into()),
                case_sensitive: false,
                conditions: Conditions::default().into(),
            }
        );
        let mut put = |field, conditions: Conditions| {
            put(field, RouteMatch { conditions: conditions.into(), ..before.matches.clone() });
        };
        each_field!(
            put,
            conditions(),
            Conditions { methods: vec!["PUT".into()], headers: Vec::new(), queries: Vec::new() }
        );
        each_field!(
            |field, test| put(field, Conditions { headers: vec![test], ..conditions() }),
            header_match(),
            HeaderMatch { name: "x-user".into(), value: ValueMatch::Exact("never".into()) }
        );
        each_field!(
            |field, test| put(field, Conditions { queries: vec![test], ..conditions() }),
            query_match(),
            QueryMatch { name: "q".into(), value: ValueMatch::Exact("2".into()) }
        );
    }

    fn forwards(&mut self) {
        let before = route(RouteAction::Forward(Arc::new(forward())));
        let mut put = |field, forward| {
            let action = RouteAction::Forward(Arc::new(forward));
            self.put_route(field, &before, Route { action, ..before.clone() });
        };
        each_field!(
            put,
            forward(),
            Forward {
                targets: vec![Target { cluster: cluster("c1"), ..target() }],
                path_rewrite: Some(PathRewrite::Prefix("/other/".into()).into()),
                host_rewrite: Some("other.example".into()),
            }
        );
        each_field!(
            |field, target: Target| {
                let other = Target { cluster: cluster("c1"), weight: 50, ..target.clone() };
                put(field, Forward { targets: vec![target, other], ..forward() });
            },
            target(),
            Target {
                cluster: cluster("c2"),
                weight: 10,
                fallbacks: vec![cluster("c2")],
                request_headers: remove("cookie").into(),
                response_headers: remove("x-up").into(),
            }
        );
    }

    fn policies(&mut self) {
        let before = route(RouteAction::Forward(Arc::new(forward())));
        let mut put = |field, policy| {
            self.put_route(field, &before, Route { policy: Arc::new(policy), ..before.clone() });
        };
        each_field!(
            put,
            policy(),
            RoutePolicy {
                timeout_ms: Some(7),
                retry: None,
                request_headers: remove("x-user").into(),
                response_headers: remove("x-up").into(),
                cors: None,
            }
        );
        each_field!(
            |field, retry| put(field, RoutePolicy { retry: Some(Arc::new(retry)), ..policy() }),
            retry(),
            RetryPolicy {
                retry_on: vec!["5xx".into()],
                num_retries: 5,
                excluded_methods: vec!["POST".into()],
            }
        );
        each_field!(
            |field, cors| put(field, RoutePolicy { cors: Some(Arc::new(cors)), ..policy() }),
            cors(),
            Cors {
                allow_origins: vec![OriginMatch::Exact("https://p.o.com".into())],
                allow_methods: "PUT".into(),
                allow_headers: "x-other".into(),
                expose_headers: "x-other".into(),
                allow_credentials: true,
                max_age_s: 7,
            }
        );
    }

    fn answers(&mut self) {
        let before = route(RouteAction::Redirect(Arc::new(redirect())));
        each_field!(
            |field, redirect| {
                let action = RouteAction::Redirect(Arc::new(redirect));
                self.put_route(field, &before, Route { action, ..before.clone() });
            },
            redirect(),
            Redirect {
                code: 302,
                scheme: Some("https".into()),
                host: Some("other.example".into()),
                port: Some(8443),
                path: Some("/other".into()),
            }
        );
        let before = route(RouteAction::Refuse(Arc::new(refusal())));
        each_field!(
            |field, refusal| {
                let action = RouteAction::Refuse(Arc::new(refusal));
                self.put_route(field, &before, Route { action, ..before.clone() });
            },
            refusal(),
            Refusal { code: "GW0411".into(), reason: "another".into() }
        );
    }

    fn upstreams(&mut self) {
        let before = model(route(RouteAction::Forward(Arc::new(forward()))));
        let name = cluster("c0");
        each_field!(
            |field, changed: UpstreamCluster| {
                let mut after = before.clone();
                after.clusters.insert(name.clone(), Arc::new(changed));
                self.put(field, before.clone(), after);
            },
            upstream("c0"),
            UpstreamCluster {
                name: cluster("c9"),
                discovery: Discovery::Dns(vec![endpoint("c0.example")]),
                protocol: UpstreamProtocol::Http2,
                load_balancing: LoadBalancing::Random,
            }
        );
        each_field!(
            |field, changed| {
                let mut after = before.clone();
                after.endpoints.insert(name.clone(), Arc::new(changed));
                self.put(field, before.clone(), after);
            },
            EndpointSet { endpoints: vec![endpoint("127.0.0.1")] },
            EndpointSet { endpoints: Vec::new() }
        );
        each_field!(
            |field, changed| {
                let mut after = before.clone();
                let set = EndpointSet { endpoints: vec![changed] };
                after.endpoints.insert(name.clone(), Arc::new(set));
                self.put(field, before.clone(), after);
            },
            endpoint("127.0.0.1"),
            Endpoint { address: "127.0.0.2".into(), port: 81, weight: 2, healthy: false }
        );
    }

    fn certificates(&mut self) {
        let before = model(route(RouteAction::Forward(Arc::new(forward()))));
        each_field!(
            |field, changed: TlsContext| {
                let mut after = before.clone();
                *tls_of(&mut after) = TlsTable::unit(changed.host.clone(), Arc::new(changed));
                self.put(field, before.clone(), after);
            },
            tls_context(),
            TlsContext {
                host: HostPattern::Exact("other.example".into()),
                certificate: Certificate::Secret(secret("other")),
                min_version: Some(TlsVersion::V1_3),
                max_version: Some(TlsVersion::V1_2),
                ciphers: vec!["ECDHE-RSA-AES128-GCM-SHA256".into()],
            }
        );
    }
}

/// A model in which one route serves `shop.example` at both listeners.
fn model(route: Route) -> Ir {
    let mut ir = Ir::default();
    for name in ["c0", "c1", "c2"] {
        ir.clusters.insert(cluster(name), Arc::new(upstream(name)));
        ir.endpoints.insert(cluster(name), Arc::new(EndpointSet { endpoints: vec![endpoint("127.0.0.1")] }));
    }
    let host = HostPattern::Exact("shop.example".into());
    for listener in ListenerId::OF_INGRESSES {
        put_host(&mut ir, listener, &host, vec![route.clone()]);
    }
    tls_of(&mut ir).insert(host, Arc::new(tls_context()));
    ir
}

fn route(action: RouteAction) -> Route {
    Route {
        id: route_id("shop/web", &HostPattern::Any, "/"),
        name: "shop/web".into(),
        matches: RouteMatch {
            path: PathMatch::Prefix("/a".into()),
            case_sensitive: true,
            conditions: conditions().into(),
        },
        action,
        policy: Arc::new(policy()),
        plugins: vec![plugin()],
    }
}

fn policy() -> RoutePolicy {
    RoutePolicy {
        timeout_ms: None,
        retry: Some(Arc::new(retry())),
        request_headers: header_edits().into(),
        response_headers: Default::default(),
        cors: Some(Arc::new(cors())),
    }
}

fn conditions() -> Conditions {
    Conditions {
        methods: vec!["GET".into(), "OPTIONS".into()],
        headers: vec![header_match()],
        queries: vec![query_match()],
    }
}

fn header_match() -> HeaderMatch {
    HeaderMatch { name: "x-canary".into(), value: ValueMatch::Exact("always".into()) }
}

fn query_match() -> QueryMatch {
    QueryMatch { name: "v".into(), value: ValueMatch::Exact("1".into()) }
}

fn forward() -> Forward {
    Forward {
        targets: vec![target(), Target { cluster: cluster("c1"), ..target() }],
        path_rewrite: None,
        host_rewrite: None,
    }
}

fn target() -> Target {
    Target {
        cluster: cluster("c0"),
        weight: 50,
        fallbacks: Vec::new(),
        request_headers: Default::default(),
        response_headers: Default::default(),
    }
}

fn retry() -> RetryPolicy {
    RetryPolicy { retry_on: vec!["connect-failure".into()], num_retries: 2, excluded_methods: Vec::new() }
}

fn cors() -> Cors {
    Cors {
        allow_origins: vec![OriginMatch::Exact("https://o.com".into())],
        allow_methods: "GET".into(),
        allow_headers: "x-a".into(),
        expose_headers: String::new(),
        allow_credentials: false,
        max_age_s: 60,
    }
}

fn redirect() -> Redirect {
    Redirect { code: 301, scheme: None, host: Some("h.example".into()), port: None, path: None }
}

fn refusal() -> Refusal {
    Refusal { code: "GW0410".into(), reason: "a plugin cannot run".into() }
}

fn plugin() -> PluginApplication {
    PluginApplication {
        plugin: "waf".into(),
        module: "m".into(),
        config: ConfigDigest("c".into()),
        fail_strategy: FailStrategy::FailClose,
        only_host: None,
    }
}

fn upstream(name: &str) -> UpstreamCluster {
    UpstreamCluster {
        name: cluster(name),
        discovery: Discovery::Endpoints,
        protocol: UpstreamProtocol::Http1,
        load_balancing: LoadBalancing::LeastRequest,
    }
}

fn tls_context() -> TlsContext {
    TlsContext {
        host: HostPattern::Exact("shop.example".into()),
        certificate: Certificate::Secret(secret("web")),
        min_version: None,
        max_version: None,
        ciphers: Vec::new(),
    }
}

fn secret(name: &str) -> SecretRef {
    SecretRef { namespace: "shop".into(), name: name.into() }
}

fn cluster(name: &str) -> ClusterName {
    ClusterName::outbound(80, "", &format!("{name}.dns"))
}

fn endpoint(address: &str) -> Endpoint {
    Endpoint::new(address, 80)
}

fn header_edits() -> HeaderEdits {
    HeaderEdits { set: pair("x-user", "u"), add: pair("x-canary", "c"), remove: Vec::new() }
}

fn remove(name: &str) -> HeaderEdits {
    HeaderEdits { remove: vec![name.into()], ..HeaderEdits::default() }
}

fn pair(name: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.into(), value.into())])
}
