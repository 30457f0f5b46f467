//! Changes as teams make them: the rows that they become, word for word, and the risks that they carry.

use std::collections::BTreeSet;
use std::sync::Arc;

use gatewright_behaviour::testing::route_id;
use gatewright_behaviour::{
    BehaviourClass, BehaviourDiff, Certainty, Facet, Model, Options, Reply, Request, RiskKind, RiskOptions,
    diff, risks,
};
use gatewright_ir::{
    Certificate, ClusterName, ConfigDigest, Cors, Discovery, Endpoint, EndpointSet, FailStrategy, Forward,
    HeaderEdits, HeaderMatch, HostPattern, Ir, ListenerId, LoadBalancing, LoweredHost, OriginMatch,
    PathMatch, PathRewrite, PluginApplication, Redirect, Refusal, RetryPolicy, Route, RouteAction,
    RouteMatch, RoutePolicy, Scheme, SecretRef, Target, TlsContext, TlsVersion, UpstreamCluster,
    UpstreamProtocol, ValueMatch, VirtualHost,
};
use gatewright_kinds::{EntityKey, Kind};

fn cluster(name: &str) -> ClusterName {
    ClusterName::outbound(80, "", name)
}

fn target(name: &str, weight: u32) -> Target {
    Target {
        cluster: cluster(name),
        weight,
        fallbacks: Vec::new(),
        request_headers: Default::default(),
        response_headers: Default::default(),
    }
}

fn forward(targets: Vec<Target>) -> Forward {
    Forward { targets, path_rewrite: None, host_rewrite: None }
}

/// A route of `shop/web` to one upstream.
fn route(path: PathMatch, upstream: &str) -> Route {
    Route {
        id: route_id("shop/web", &HostPattern::Any, "/"),
        name: "shop/web".into(),
        matches: RouteMatch::path(path),
        action: RouteAction::Forward(Arc::new(forward(vec![target(upstream, 100)]))),
        policy: Arc::default(),
        plugins: Vec::new(),
    }
}

fn exact(path: &str) -> PathMatch {
    PathMatch::Exact(path.into())
}

fn prefix(path: &str) -> PathMatch {
    PathMatch::Prefix(path.into())
}

/// The two routes of a Higress prefix path.
fn below(path: &str, upstream: &str) -> Vec<Route> {
    vec![route(exact(path), upstream), route(prefix(&format!("{path}/")), upstream)]
}

fn policy(route: &mut Route) -> &mut RoutePolicy {
    Arc::make_mut(&mut route.policy)
}

fn of(route: &mut Route) -> &mut Forward {
    match &mut route.action {
        RouteAction::Forward(forward) => Arc::make_mut(forward),
        other => panic!("{other:?}"),
    }
}

/// A model of plain hosts, in which every upstream but `empty` has an endpoint.
fn ir(hosts: &[(&str, Vec<Route>)]) -> Ir {
    let mut ir = Ir::default();
    for (name, routes) in hosts {
        put(&mut ir, ListenerId::HTTP, name, routes.clone());
    }
    for name in ["web", "cart", "blue", "green", "empty"] {
        let cluster = UpstreamCluster {
            name: cluster(name),
            discovery: Discovery::Endpoints,
            protocol: UpstreamProtocol::Http1,
            load_balancing: LoadBalancing::LeastRequest,
        };
        if name != "empty" {
            let endpoint = Endpoint::new("10.0.0.1", 80);
            ir.endpoints.insert(cluster.name.clone(), Arc::new(EndpointSet { endpoints: vec![endpoint] }));
        }
        ir.clusters.insert(cluster.name.clone(), Arc::new(cluster));
    }
    ir
}

fn put(ir: &mut Ir, listener: ListenerId, name: &str, routes: Vec<Route>) {
    let host: HostPattern = name.parse().expect("a host");
    let lowered = LoweredHost::new(VirtualHost { listener, host: host.clone(), routes });
    ir.hosts.insert((listener, host), Arc::new(lowered));
}

/// Rows as text: region | facet: before -> after; ... | witness.
fn rows(diff: &BehaviourDiff) -> Vec<String> {
    let row = |class: &BehaviourClass| {
        let region: Vec<String> = class.region().parts.iter().map(ToString::to_string).collect();
        let changes: Vec<String> = class
            .changes
            .iter()
            .map(|change| format!("{}: {} -> {}", change.facet, change.before, change.after))
            .collect();
        let witness = class.witness().map(ToString::to_string).unwrap_or_default();
        format!("{} | {} | {witness}", region.join(" + "), changes.join("; "))
    };
    diff.classes.iter().map(row).collect()
}

#[track_caller]
fn check(before: &Ir, after: &Ir, expected: &[&str], expected_risks: &[RiskKind]) -> BehaviourDiff {
    let diff = diff(before, after, &Options::default());
    assert_eq!(rows(&diff), expected);
    let found = risks(before, after, &diff, &RiskOptions::default());
    assert_eq!(found.iter().map(|risk| risk.kind).collect::<Vec<_>>(), expected_risks);
    diff
}

#[test]
fn a_header_canary_is_one_row() {
    let mut canary = below("/cart", "green");
    for route in &mut canary {
        let always = ValueMatch::Exact("always".into());
        route
            .matches
            .conditions
            .edit(|tests| tests.headers = vec![HeaderMatch { name: "x-canary".into(), value: always }]);
    }
    let before = ir(&[("shop.example.com", below("/cart", "blue"))]);
    let after = ir(&[("shop.example.com", [canary, below("/cart", "blue")].concat())]);
    check(
        &before,
        &after,
        &["shop.example.com /cart and below, header x-canary is `always`, http only | \
           upstream: outbound|80||blue -> outbound|80||green | \
           GET http://shop.example.com/cart -H 'x-canary: always'"],
        &[],
    );
}

#[test]
fn weights_show_both_distributions() {
    let split = |blue, green| {
        let mut routes = vec![route(prefix("/"), "blue")];
        of(&mut routes[0]).targets = vec![target("blue", blue), target("green", green)];
        ir(&[("shop.example.com", routes)])
    };
    check(
        &split(90, 10),
        &split(80, 20),
        &["shop.example.com any path, http only | \
           weights: outbound|80||blue 90%, outbound|80||green 10% -> outbound|80||blue 80%, outbound|80||green 20% | \
           GET http://shop.example.com/"],
        &[],
    );
    let jump = diff(&split(90, 10), &split(10, 90), &Options::default());
    let found = risks(&split(90, 10), &split(10, 90), &jump, &RiskOptions::default());
    assert_eq!(found[0].kind, RiskKind::WeightJump);
    assert_eq!(found[0].reason, "the share of `outbound|80||blue` moves by 80 points");
}

#[test]
fn a_deleted_path_falls_through_to_the_wildcard_host() {
    let wild = ("*.example.com", below("/cart", "web"));
    let before =
        ir(&[("shop.example.com", [below("/cart", "cart"), below("/pay", "cart")].concat()), wild.clone()]);
    let after = ir(&[("shop.example.com", below("/cart", "cart")), wild.clone()]);
    check(
        &before,
        &after,
        &[
            "shop.example.com /pay and below, http only | answer: forward to outbound|80||cart -> 404, no route | \
           GET http://shop.example.com/pay",
        ],
        &[],
    );
    let gone = ir(&[wild]);
    check(
        &ir(&[("shop.example.com", below("/cart", "cart")), ("*.example.com", below("/cart", "web"))]),
        &gone,
        &["shop.example.com /cart and below, http only | upstream: outbound|80||cart -> outbound|80||web | \
           GET http://shop.example.com/cart"],
        &[],
    );
}

#[test]
fn a_rewrite_that_changes_nothing_is_no_row() {
    let rewritten = |with: &str| {
        let mut routes = below("/api", "web");
        of(&mut routes[0]).path_rewrite = Some(PathRewrite::Prefix(with.into()).into());
        of(&mut routes[1]).path_rewrite = Some(PathRewrite::Prefix(format!("{with}/")).into());
        ir(&[("shop.example.com", routes)])
    };
    let plain = ir(&[("shop.example.com", below("/api", "web"))]);
    check(&plain, &rewritten("/api"), &[], &[]);
    check(
        &plain,
        &rewritten("/v2"),
        &[
            "shop.example.com /api and below, http only | upstream path: kept -> leading `/api` becomes `/v2` | \
           GET http://shop.example.com/api",
        ],
        &[],
    );
}

#[test]
fn cors_changes_requests_with_an_allowed_origin_only() {
    let before = ir(&[("shop.example.com", vec![route(prefix("/"), "web")])]);
    let mut routes = vec![route(prefix("/"), "web")];
    policy(&mut routes[0]).cors = Some(Arc::new(Cors {
        allow_origins: vec![OriginMatch::Exact("https://o.com".into())],
        allow_methods: "GET".into(),
        allow_headers: String::new(),
        expose_headers: String::new(),
        allow_credentials: false,
        max_age_s: 60,
    }));
    let after = ir(&[("shop.example.com", routes)]);
    let diff = check(
        &before,
        &after,
        &["shop.example.com any path, Origin allowed, http only | \
           CORS: none -> origins `https://o.com`; methods GET; headers ; without credentials; 60 s | \
           GET http://shop.example.com/ -H 'origin: https://o.com'"],
        &[RiskKind::CorsWidened],
    );
    let region = diff.classes[0].region();
    let request = |text: &str| Request::parse(text).expect("a request");
    assert!(!region.contains(&request("GET http://shop.example.com/")));
    assert!(!region.contains(&request("GET http://shop.example.com/ -H 'origin: https://z.com'")));
    assert!(region.contains(&request(
        "OPTIONS http://shop.example.com/ -H 'origin: https://o.com' -H 'access-control-request-method: PUT'"
    )));
}

fn cors(origins: Vec<OriginMatch>) -> Cors {
    Cors {
        allow_origins: origins,
        allow_methods: "GET".into(),
        allow_headers: "x-a".into(),
        expose_headers: "x-b".into(),
        allow_credentials: true,
        max_age_s: 60,
    }
}

/// Measured on Envoy 1.40: who gets CORS headers, and who a preflight answer.
#[test]
fn cors_answers_what_envoy_answers() {
    let mut routes = vec![route(exact("/away"), "web"), route(prefix("/"), "web")];
    routes[0].action = RouteAction::Redirect(Arc::new(Redirect {
        code: 301,
        scheme: None,
        host: None,
        port: None,
        path: Some("/".into()),
    }));
    let any = cors(vec![OriginMatch::Exact("http://o.com".into()), OriginMatch::Regex(".*x".into())]);
    routes.iter_mut().for_each(|route| policy(route).cors = Some(any.clone().into()));
    let mut everybody = vec![route(prefix("/"), "web")];
    policy(&mut everybody[0]).cors = Some(cors(vec![OriginMatch::Regex(".*".into())]).into());
    let ir = ir(&[("a.com", routes), ("b.com", everybody)]);
    let kind =
        |text: &str| match Model::new(&ir).decide(&Request::parse(text).expect("a request")).effect.reply {
            Reply::Preflight(preflight) => format!("preflight for {}", preflight.common.allow_origin),
            Reply::Forwarded(forward) => {
                format!("forwarded, {:?}", forward.cors.map(|cors| cors.allow_origin))
            }
            other => format!("{:?}", other.status()),
        };
    let asked = "-H 'access-control-request-method: PUT'";
    for (request, expected) in [
        (format!("OPTIONS http://a.com/ -H 'origin: http://o.com' {asked}"), "preflight for http://o.com"),
        (format!("OPTIONS http://a.com/ -H 'origin: x' {asked}"), "preflight for x"),
        (
            format!("GET http://a.com/ -H 'origin: http://o.com' {asked}"),
            r#"forwarded, Some("http://o.com")"#,
        ),
        ("OPTIONS http://a.com/ -H 'origin: x'".into(), r#"forwarded, Some("x")"#),
        (
            "OPTIONS http://a.com/ -H 'origin: x' -H 'access-control-request-method: '".into(),
            r#"forwarded, Some("x")"#,
        ),
        (format!("OPTIONS http://a.com/ -H 'origin: z' {asked}"), "forwarded, None"),
        (format!("OPTIONS http://a.com/ -H 'origin: ' {asked}"), "forwarded, None"),
        (format!("OPTIONS http://a.com/ {asked}"), "forwarded, None"),
        (format!("OPTIONS http://b.com/ -H 'origin: z' {asked}"), "preflight for z"),
        (format!("OPTIONS http://b.com/ -H 'origin: ' {asked}"), "forwarded, None"),
        (format!("OPTIONS http://a.com/away -H 'origin: x' {asked}"), "Some(301)"),
    ] {
        assert_eq!(kind(&request), expected, "{request}");
    }
}

/// The upstream is not asked by a preflight, so that its change is none for preflights.
#[test]
fn preflights_do_not_notice_another_upstream() {
    let with = |upstream: &str| {
        let mut routes = vec![route(prefix("/"), upstream)];
        policy(&mut routes[0]).cors = Some(cors(vec![OriginMatch::Exact("https://o.com".into())]).into());
        ir(&[("shop.example.com", routes)])
    };
    check(
        &with("blue"),
        &with("green"),
        &["shop.example.com any path, not a CORS preflight of an allowed Origin, http only | \
           upstream: outbound|80||blue -> outbound|80||green | GET http://shop.example.com/"],
        &[],
    );
}

/// A route that nothing reaches may change as it likes, even where only a regular expression could tell.
#[test]
fn a_change_of_a_shadowed_route_is_no_row() {
    let with = |upstream: &str| {
        let regex = route(PathMatch::Regex("/a/[0-9]+".into()), upstream);
        ir(&[("shop.example.com", vec![route(prefix("/a/"), "web"), regex])])
    };
    check(&with("blue"), &with("green"), &[], &[]);
}

#[test]
fn a_rewrite_that_ignores_case_changes_what_case_changes() {
    let with = |with: Option<&str>| {
        let mut routes = vec![route(prefix("/Api/"), "web")];
        routes[0].matches.case_sensitive = false;
        of(&mut routes[0]).path_rewrite = with.map(|with| PathRewrite::Prefix(with.to_owned()).into());
        ir(&[("shop.example.com", routes)])
    };
    let upstream_path = |ir: &Ir, path: &str| {
        let request = Request::get(ListenerId::HTTP, "shop.example.com", path);
        match Model::new(ir).decide(&request).effect.reply {
            Reply::Forwarded(forward) => forward.path,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(upstream_path(&with(Some("/n/api/")), "/API/x"), "/n/api/x");
    let found = check(
        &with(None),
        &with(Some("/v2/")),
        &[
            "shop.example.com /api/... in any case, http only | upstream path: kept -> leading `/Api` becomes `/v2` | \
           GET http://shop.example.com/api/",
        ],
        &[],
    );
    assert_eq!(found.classes[0].certainty(), &Certainty::Exact);
}

/// A redirect to a path changes nothing for requests that ask for it already.
#[test]
fn a_redirect_to_a_path_leaves_that_path_out() {
    let to = |path: Option<&str>| {
        let mut routes = vec![route(prefix("/"), "web")];
        routes[0].action = RouteAction::Redirect(Arc::new(Redirect {
            code: 301,
            scheme: Some("https".into()),
            host: None,
            port: None,
            path: path.map(str::to_owned),
        }));
        ir(&[("shop.example.com", routes)])
    };
    check(
        &to(None),
        &to(Some("/new")),
        &["shop.example.com any path, path not `/new`, http only | \
           redirect: 301 to https://{host}{path} -> 301 to https://{host}/new | GET http://shop.example.com/"],
        &[],
    );
}

/// Every facet of a forwarded request, changed by itself, is one row with that facet and no other.
#[test]
fn each_facet_is_seen_by_itself() {
    let mut routes = vec![route(prefix("/"), "blue")];
    of(&mut routes[0]).targets = vec![target("blue", 50), target("green", 50)];
    let before = ir(&[("shop.example.com", routes.clone())]);
    let retry = RetryPolicy { retry_on: vec!["5xx".into()], num_retries: 2, excluded_methods: Vec::new() };
    let edits = HeaderEdits { remove: vec!["x-a".into()], ..HeaderEdits::default() };
    let plugin = PluginApplication {
        plugin: "waf".into(),
        module: "m".into(),
        config: ConfigDigest("c".into()),
        fail_strategy: FailStrategy::FailOpen,
        only_host: None,
    };
    type Edit<'e> = Box<dyn Fn(&mut Route) + 'e>;
    let of_route: Vec<(Facet, Edit<'_>)> = vec![
        (Facet::Upstream, Box::new(|route| of(route).targets[1] = target("web", 50))),
        (Facet::Weights, Box::new(|route| of(route).targets[1].weight = 25)),
        (Facet::Fallbacks, Box::new(|route| of(route).targets[0].fallbacks = vec![cluster("web")])),
        (
            Facet::Path,
            Box::new(|route| of(route).path_rewrite = Some(PathRewrite::Prefix("/v2/".into()).into())),
        ),
        (Facet::Host, Box::new(|route| of(route).host_rewrite = Some("up.example".into()))),
        (
            Facet::RequestHeaders,
            Box::new(|route| of(route).targets[0].request_headers = edits.clone().into()),
        ),
        (Facet::ResponseHeaders, Box::new(|route| policy(route).response_headers = edits.clone().into())),
        (
            Facet::Cors,
            Box::new(|route| policy(route).cors = Some(cors(vec![OriginMatch::Exact("o".into())]).into())),
        ),
        (Facet::Timeout, Box::new(|route| policy(route).timeout_ms = Some(5))),
        (Facet::Retry, Box::new(|route| policy(route).retry = Some(Arc::new(retry.clone())))),
        (Facet::Plugins, Box::new(|route| route.plugins = vec![plugin.clone()])),
    ];
    let facets = |after: &Ir| {
        let diff = diff(&before, after, &Options::default());
        diff.classes.iter().flat_map(BehaviourClass::facets).collect::<Vec<_>>()
    };
    for (facet, edit) in of_route {
        let mut routes = routes.clone();
        edit(&mut routes[0]);
        assert_eq!(facets(&ir(&[("shop.example.com", routes)])), [facet]);
    }
    let names = vec![Endpoint::new("blue.example", 80)];
    type ClusterEdit = Box<dyn Fn(&mut UpstreamCluster)>;
    let of_cluster: Vec<(Facet, ClusterEdit)> = vec![
        (Facet::Protocol, Box::new(|cluster| cluster.protocol = UpstreamProtocol::Http2)),
        (Facet::LoadBalancing, Box::new(|cluster| cluster.load_balancing = LoadBalancing::Random)),
        (Facet::Discovery, Box::new(move |cluster| cluster.discovery = Discovery::Dns(names.clone()))),
    ];
    for (facet, edit) in of_cluster {
        let mut after = before.clone();
        let mut changed = after.clusters[&cluster("blue")].as_ref().clone();
        edit(&mut changed);
        after.clusters.insert(cluster("blue"), Arc::new(changed));
        assert_eq!(facets(&after), [facet]);
    }
}

#[test]
fn a_literal_upstream_host_changes_other_hosts_only() {
    let before = ir(&[("shop.example.com", vec![route(prefix("/"), "web")])]);
    let mut routes = vec![route(prefix("/"), "web")];
    of(&mut routes[0]).host_rewrite = Some("shop.example.com".into());
    check(
        &before,
        &ir(&[("shop.example.com", routes)]),
        &["shop.example.com any path, header :authority is not `shop.example.com`, http only | \
           upstream host: kept -> shop.example.com | GET http://shop.example.com:8080/"],
        &[],
    );
}

#[test]
fn protections_that_go_are_risks() {
    let mut refused = route(prefix("/"), "web");
    refused.action = RouteAction::Refuse(Arc::new(Refusal {
        code: "GW0410".into(),
        reason: "a plugin cannot run".into(),
    }));
    let mut to_https = route(prefix("/"), "web");
    to_https.action = RouteAction::Redirect(Arc::new(Redirect {
        code: 308,
        scheme: Some("https".into()),
        host: None,
        port: None,
        path: None,
    }));
    let open = ir(&[("shop.example.com", vec![route(prefix("/"), "web")])]);
    check(
        &ir(&[("shop.example.com", vec![refused])]),
        &open,
        &["shop.example.com any path, http only | \
           answer: 503 GW0410 a plugin cannot run -> forward to outbound|80||web | GET http://shop.example.com/"],
        &[RiskKind::ProtectionLost],
    );
    check(
        &ir(&[("shop.example.com", vec![to_https])]),
        &open,
        &["shop.example.com any path, http only | \
           answer: redirect 308 to https://{host}{path} -> forward to outbound|80||web | \
           GET http://shop.example.com/"],
        &[RiskKind::HttpsRedirectLost],
    );
}

#[test]
fn what_asks_for_a_protection_in_vain_is_a_risk_where_it_is_newly_served() {
    let asks = |mut ir: Ir, key: &str| {
        ir.unprotected.insert(EntityKey::new(Kind::Ingress, "shop", "web"), BTreeSet::from([key.to_owned()]));
        ir
    };
    let served = route(prefix("/"), "web");
    let open = ir(&[("shop.example.com", vec![served])]);
    let kinds = |before: &Ir, after: &Ir| {
        let diff = diff(before, after, &Options::default());
        let found = risks(before, after, &diff, &RiskOptions::default());
        found.into_iter().map(|risk| (risk.kind, risk.class.is_some())).collect::<Vec<_>>()
    };
    let asking = asks(open.clone(), "auth-url");
    assert_eq!(kinds(&Ir::default(), &asking), [(RiskKind::Unprotected, true)]);
    // Nothing changes for requests, but its author thinks so.
    assert_eq!(kinds(&open, &asking), [(RiskKind::Unprotected, false)]);
    assert_eq!(kinds(&asking, &asks(open.clone(), "limit-rps")), [(RiskKind::Unprotected, false)]);
    assert_eq!(kinds(&asking, &asking), []);
    assert_eq!(kinds(&asking, &open), []);
    assert_eq!(kinds(&Ir::default(), &open), []);
}

#[test]
fn a_path_taken_by_another_namespace_is_captured() {
    let before = ir(&[("shop.example.com", below("/cart", "cart"))]);
    let mut taken = below("/cart", "web");
    taken.iter_mut().for_each(|route| route.id = route_id("other/web", &HostPattern::Any, "/"));
    let after = ir(&[("shop.example.com", taken)]);
    let diff = check(
        &before,
        &after,
        &["shop.example.com /cart and below, http only | upstream: outbound|80||cart -> outbound|80||web | \
           GET http://shop.example.com/cart"],
        &[RiskKind::Captured],
    );
    let found = risks(&before, &after, &diff, &RiskOptions::default());
    assert_eq!(found[0].reason, "requests go from namespace `shop` to namespace `other`");
}

#[test]
fn a_backend_without_endpoints_and_a_longer_timeout_are_risks() {
    let with = |upstream: &str, timeout_ms| {
        let mut routes = vec![route(prefix("/"), upstream)];
        policy(&mut routes[0]).timeout_ms = timeout_ms;
        ir(&[("shop.example.com", routes)])
    };
    check(
        &with("web", Some(1000)),
        &with("empty", None),
        &["shop.example.com any path, http only | upstream: outbound|80||web -> outbound|80||empty; \
           endpoints: endpoints -> no endpoints; timeout: 1000 ms -> unlimited | GET http://shop.example.com/"],
        &[RiskKind::NoEndpoint, RiskKind::TimeoutRaised],
    );
    let slow = diff(&with("web", Some(1000)), &with("web", Some(10_000)), &Options::default());
    let of = |options| risks(&Ir::default(), &Ir::default(), &slow, &options).len();
    assert_eq!(of(RiskOptions::default()), 1);
    assert_eq!(of(RiskOptions { timeout_factor: 11, ..RiskOptions::default() }), 0);
}

#[test]
fn plugins_are_compared_by_module_config_and_fail_strategy() {
    let with = |strategy, module: &str, only_host: Option<&str>| {
        let mut routes = vec![route(prefix("/"), "web")];
        routes[0].plugins = vec![PluginApplication {
            plugin: "key-auth".into(),
            module: module.into(),
            config: ConfigDigest("c1".into()),
            fail_strategy: strategy,
            only_host: only_host.map(str::to_owned),
        }];
        ir(&[("*.example.com", routes)])
    };
    let closed = with(FailStrategy::FailClose, "m1", None);
    let open = with(FailStrategy::FailOpen, "m2", None);
    let changed = diff(&closed, &open, &Options::default());
    let kinds: Vec<_> =
        risks(&closed, &open, &changed, &RiskOptions::default()).iter().map(|risk| risk.kind).collect();
    assert_eq!(kinds, [RiskKind::FailOpen, RiskKind::PluginMoved]);
    let narrowed = with(FailStrategy::FailClose, "m1", Some("shop.example.com"));
    let changed = check(
        &closed,
        &narrowed,
        &["*.example.com any path, host not like `shop.example.com`, http only | plugins: \
           key-auth (module m1, config c1, FailClose) -> key-auth (module m1, config c1, FailClose) on shop.example.com | \
           GET http://any.example.com/"],
        &[],
    );
    assert!(!changed.classes[0].region().contains(&Request::get(ListenerId::HTTP, "shop.example.com", "/")));
}

fn tls(
    ir: &mut Ir,
    listener: ListenerId,
    host: &str,
    certificate: Option<&str>,
    min_version: Option<TlsVersion>,
) {
    let host: HostPattern = host.parse().expect("a host");
    let secret = |name: &str| SecretRef { namespace: "shop".into(), name: name.to_owned() };
    let certificate = match certificate {
        Some(name) => Certificate::Secret(secret(name)),
        None => Certificate::Missing(secret("gone")),
    };
    let context =
        TlsContext { host: host.clone(), certificate, min_version, max_version: None, ciphers: Vec::new() };
    ir.listeners.entry(listener).or_default().tls.insert(host, Arc::new(context));
}

#[test]
fn handshakes_are_classes_of_their_own() {
    let mut before = ir(&[]);
    for listener in ListenerId::OF_INGRESSES {
        put(&mut before, listener, "shop.example.com", vec![route(prefix("/"), "web")]);
    }
    tls(&mut before, ListenerId::HTTPS, "shop.example.com", Some("web-tls"), Some(TlsVersion::V1_3));
    let mut weaker = before.clone();
    tls(&mut weaker, ListenerId::HTTPS, "shop.example.com", Some("web-tls"), None);
    check(
        &before,
        &weaker,
        &["TLS handshakes for shop.example.com | \
           TLS parameters: V1_3, default ciphers -> V1_2, default ciphers | GET https://shop.example.com/"],
        &[RiskKind::TlsWeaker],
    );
    let mut lost = before.clone();
    tls(&mut lost, ListenerId::HTTPS, "shop.example.com", None, None);
    put(&mut lost, ListenerId::HTTPS, "shop.example.com", Vec::new());
    check(
        &before,
        &lost,
        &["TLS handshakes for shop.example.com | \
           certificate: certificate shop/web-tls -> connection closed, Secret shop/gone is missing | \
           GET https://shop.example.com/"],
        &[RiskKind::TlsLost],
    );
}

#[test]
fn each_listener_is_compared_by_itself() {
    let other = ListenerId { scheme: Scheme::Https, port: 8443 };
    let state = |upstream: &str, certificate: Option<&str>| {
        let mut ir = ir(&[]);
        for listener in [ListenerId::HTTP, ListenerId::HTTPS, other] {
            let upstream = if listener == other { upstream } else { "blue" };
            put(&mut ir, listener, "shop.example.com", vec![route(prefix("/"), upstream)]);
        }
        tls(&mut ir, ListenerId::HTTPS, "shop.example.com", Some("web-tls"), None);
        tls(&mut ir, other, "shop.example.com", certificate, None);
        ir
    };
    let before = state("blue", Some("web-tls"));
    let moved = diff(&before, &state("green", Some("web-tls")), &Options::default());
    let lost = diff(&before, &state("blue", None), &Options::default());
    for (changed, text) in [
        (moved, "shop.example.com any path, https:8443 only"),
        (lost, "TLS handshakes for shop.example.com, https:8443 only"),
    ] {
        let parts = changed.classes.iter().flat_map(|class| class.region().parts);
        let texts: Vec<String> = parts.map(|part| part.to_string()).collect();
        assert_eq!(texts, [text]);
        let witness = changed.classes[0].witness().expect("a witness").clone();
        assert_eq!(witness.listener, other);
        assert!(!changed.classes[0].region().contains(&Request { listener: ListenerId::HTTPS, ..witness }));
    }
}

#[test]
fn one_change_at_both_listeners_is_one_row() {
    let both = |upstream: &str| {
        let mut ir = ir(&[]);
        for listener in ListenerId::OF_INGRESSES {
            put(&mut ir, listener, "shop.example.com", below("/cart", upstream));
        }
        tls(&mut ir, ListenerId::HTTPS, "shop.example.com", Some("web-tls"), None);
        ir
    };
    check(
        &both("blue"),
        &both("green"),
        &["shop.example.com /cart and below | upstream: outbound|80||blue -> outbound|80||green | \
           GET http://shop.example.com/cart"],
        &[],
    );
}

#[test]
fn a_regex_region_has_a_short_witness() {
    let before = ir(&[("shop.example.com", vec![route(prefix("/"), "web")])]);
    let regex = route(PathMatch::Regex("/v[0-9]+/users/.*".into()), "cart");
    let after = ir(&[("shop.example.com", vec![regex, route(prefix("/"), "web")])]);
    check(
        &before,
        &after,
        &["shop.example.com any path, path matching `/v[0-9]+/users/.*`, http only | \
           upstream: outbound|80||web -> outbound|80||cart | GET http://shop.example.com/v0/users/"],
        &[],
    );
}

#[test]
fn what_cannot_be_known_may_differ() {
    let mut routes = vec![route(prefix("/"), "web")];
    of(&mut routes[0]).path_rewrite =
        Some(PathRewrite::Regex { pattern: "^/old(.*)".into(), substitution: r"/new\1".into() }.into());
    let before = ir(&[("shop.example.com", vec![route(prefix("/"), "web")])]);
    let found = diff(&before, &ir(&[("shop.example.com", routes)]), &Options::default());
    assert!(matches!(found.classes[0].certainty(), Certainty::MayDiffer(_)));

    let huge = route(PathMatch::Regex("/(a|b)*a(a|b){18}".into()), "cart");
    let after = ir(&[("shop.example.com", vec![huge, route(prefix("/"), "web")])]);
    let found = diff(&before, &after, &Options::default());
    assert_eq!(found.classes.len(), 1);
    assert!(found.classes[0].certainty().to_string().contains("too large"));
}

#[test]
fn many_deletions_are_a_risk_of_the_whole_change() {
    let names: Vec<String> = (0..10).map(|n| format!("h{n}.example.com")).collect();
    let hosts: Vec<(&str, Vec<Route>)> =
        names.iter().map(|name| (name.as_str(), below("/", "web"))).collect();
    let (before, after) = (ir(&hosts), ir(&hosts[..5]));
    let found = diff(&before, &after, &Options::default());
    assert_eq!(found.classes.len(), 1);
    let found = risks(&before, &after, &found, &RiskOptions::default());
    assert_eq!(found[0].reason, "5 of 10 virtual hosts are gone");
    assert_eq!(found[0].kind, RiskKind::MassDeletion);
}

#[test]
fn a_trail_says_why_each_route_did_not_match() {
    let mut canary = route(prefix("/"), "green");
    let test = HeaderMatch { name: "x-canary".into(), value: ValueMatch::Present };
    canary.matches.conditions.edit(|tests| tests.headers.push(test));
    let ir = ir(&[
        ("shop.example.com", vec![route(exact("/pay"), "cart"), canary]),
        ("*.example.com", vec![route(prefix("/"), "web")]),
    ]);
    let request = Request::parse("GET http://Shop.example.com:8080/cart?x=1").expect("a request");
    let decision = Model::new(&ir).decide(&request);
    let reasons: Vec<String> = decision
        .trail
        .hosts
        .iter()
        .flat_map(|host| host.routes.iter().map(move |step| (host, step)))
        .map(|(host, step)| {
            let reason = step.mismatch.as_ref().map_or_else(|| "matches".to_owned(), ToString::to_string);
            format!("{}: {reason}", host.host)
        })
        .collect();
    assert_eq!(
        reasons,
        [
            "shop.example.com: path is not `/pay`",
            "shop.example.com: header x-canary is to be there: it is missing",
            "*.example.com: matches"
        ]
    );
}
