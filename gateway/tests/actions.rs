//! What routes do with requests: matching beyond the path, edits, rewrites, redirects, fixed answers, weights, CORS.

#![allow(clippy::unwrap_used, reason = "a helper that cannot do its work fails the test")]

mod support;

use gatewright_testkit::EchoBackend;
use gatewright_testkit::http::{Answer, Call};
use gatewright_xds::any;
use gatewright_xds::envoy::config::core::v3::{DataSource, data_source};
use gatewright_xds::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use gatewright_xds::envoy::config::route::v3::query_parameter_matcher::QueryParameterMatchSpecifier;
use gatewright_xds::envoy::config::route::v3::redirect_action::{
    PathRewriteSpecifier, SchemeRewriteSpecifier,
};
use gatewright_xds::envoy::config::route::v3::route::Action;
use gatewright_xds::envoy::config::route::v3::route_action::{ClusterSpecifier, HostRewriteSpecifier};
use gatewright_xds::envoy::config::route::v3::weighted_cluster::ClusterWeight;
use gatewright_xds::envoy::config::route::v3::{
    DirectResponseAction, HeaderMatcher, QueryParameterMatcher, RedirectAction, Route, RouteAction,
    RouteMatch, WeightedCluster, route_match,
};
use gatewright_xds::envoy::extensions::filters::http::cors::v3::CorsPolicy;
use gatewright_xds::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use gatewright_xds::envoy::r#type::matcher::v3::{RegexMatchAndSubstitute, RegexMatcher, StringMatcher};
use support::Rig;
use support::resources::*;

const HOST: &str = "a.example.com";

fn rig(routes: Vec<Route>) -> (EchoBackend, Rig) {
    let backend = EchoBackend::start("a");
    let hosts = vec![host(HTTP_ROUTES, HOST, routes)];
    let rig = Rig::start(world(hosts, vec![upstream("a", &[backend.address()]), upstream("empty", &[])]));
    (backend, rig)
}

fn regex(text: &str) -> RegexMatcher {
    RegexMatcher { regex: text.to_owned(), ..RegexMatcher::default() }
}

fn text(pattern: MatchPattern) -> StringMatcher {
    StringMatcher { match_pattern: Some(pattern), ignore_case: false }
}

fn header(name: &str, specifier: HeaderMatchSpecifier) -> HeaderMatcher {
    HeaderMatcher {
        name: name.to_owned(),
        header_match_specifier: Some(specifier),
        ..HeaderMatcher::default()
    }
}

fn tagged(mut route: Route, tag: &str) -> Route {
    route.response_headers_to_add.push(set("x-route", tag));
    route
}

fn action(matches: RouteMatch, action: Action) -> Route {
    Route { r#match: Some(matches), action: Some(action), ..Route::default() }
}

#[test]
fn routes_are_taken_in_order_by_headers_method_query_and_expression() {
    let on_header = RouteMatch {
        headers: vec![
            header("x-user", HeaderMatchSpecifier::StringMatch(text(MatchPattern::SafeRegex(regex("a.*"))))),
            header("x-other", HeaderMatchSpecifier::PresentMatch(true)),
        ],
        ..prefix("/")
    };
    let method = HeaderMatchSpecifier::StringMatch(text(MatchPattern::SafeRegex(regex("POST|PUT"))));
    let on_method = RouteMatch { headers: vec![header(":method", method)], ..prefix("/") };
    let on_query = RouteMatch {
        query_parameters: vec![QueryParameterMatcher {
            name: "v".to_owned(),
            query_parameter_match_specifier: Some(QueryParameterMatchSpecifier::StringMatch(text(
                MatchPattern::Prefix("1".to_owned()),
            ))),
        }],
        ..prefix("/")
    };
    let on_regex = RouteMatch {
        path_specifier: Some(route_match::PathSpecifier::SafeRegex(regex("/re/[0-9]+"))),
        ..RouteMatch::default()
    };
    let loose = RouteMatch { case_sensitive: Some(false.into()), ..exact("/Loose") };
    let routes = [
        (on_header, "header"),
        (on_method, "method"),
        (on_query, "query"),
        (on_regex, "regex"),
        (loose, "loose"),
        (prefix("/"), "rest"),
    ];
    let (_backend, rig) = rig(routes.map(|(m, tag)| tagged(to(m, forward("a")), tag)).into());
    let check = |call: Call, tag: &str| {
        let answer = call.send().unwrap();
        assert_eq!(answer.header("x-route").as_deref(), Some(tag), "{answer:?}");
    };
    let get = |path: &str| Call::get(rig.http(), HOST, path);
    check(get("/x").header("x-user", "alice").header("x-other", ""), "header");
    check(get("/x").header("x-user", "a").header("x-user", "b").header("x-other", ""), "header");
    check(get("/x").header("x-user", "bob").header("x-other", ""), "rest");
    check(get("/x").header("x-user", "alice"), "rest");
    check(Call::new("PUT", rig.http(), HOST, "/x"), "method");
    check(Call::new("PATCH", rig.http(), HOST, "/x"), "rest");
    check(get("/x?v=12"), "query");
    check(get("/x?v=2&v=1"), "rest");
    check(get("/re/12?x"), "regex");
    check(get("/re/12/3"), "rest");
    check(get("/lOOSE"), "loose");
}

#[test]
fn headers_are_edited_both_ways() {
    let mut route = to(prefix("/"), forward("a"));
    route.request_headers_to_add = vec![add("x-add", "2"), set("x-set", "new%%")];
    route.request_headers_to_remove = vec!["x-gone".to_owned()];
    route.response_headers_to_add = vec![add("x-color", "blue")];
    route.response_headers_to_remove = vec!["x-secret".to_owned()];
    let (backend, rig) = rig(vec![route]);
    let answer = Call::get(rig.http(), HOST, "/")
        .header("x-add", "1")
        .header("x-set", "old")
        .header("x-gone", "1")
        .header("x-echo-set-x-color", "red")
        .header("x-echo-set-x-secret", "1")
        .send()
        .unwrap();
    let seen = backend.take_requests().pop().unwrap();
    assert_eq!(seen.header("x-add").as_deref(), Some("1,2"));
    assert_eq!(seen.header("x-set").as_deref(), Some("new%"));
    assert_eq!(seen.header("x-gone"), None);
    assert_eq!(answer.header("x-color").as_deref(), Some("red,blue"));
    assert_eq!(answer.header("x-secret"), None);
}

#[test]
fn paths_and_hosts_are_rewritten() {
    let by_prefix = RouteAction {
        prefix_rewrite: "/new/".to_owned(),
        host_rewrite_specifier: Some(HostRewriteSpecifier::HostRewriteLiteral("up.example.com".to_owned())),
        ..forward("a")
    };
    let by_regex = RouteAction {
        regex_rewrite: Some(RegexMatchAndSubstitute {
            pattern: Some(regex("^/rx/([a-z]+)/(.*)$")),
            substitution: r"/\2/\1".to_owned(),
        }),
        ..forward("a")
    };
    let whole = RouteAction { prefix_rewrite: "/whole".to_owned(), ..forward("a") };
    let (backend, rig) =
        rig(vec![to(prefix("/old/"), by_prefix), to(prefix("/rx/"), by_regex), to(exact("/exact"), whole)]);
    let seen = |path: &str| {
        assert_eq!(rig.get(HOST, path).status, 200);
        backend.take_requests().pop().unwrap()
    };
    let first = seen("/old/x/y?q=/old/");
    assert_eq!((first.path.as_str(), first.host.as_str()), ("/new/x/y?q=/old/", "up.example.com"));
    assert_eq!(first.header("x-envoy-original-path").as_deref(), Some("/old/x/y?q=/old/"));
    assert_eq!(first.header("x-envoy-original-host").as_deref(), Some(HOST));
    assert_eq!(seen("/rx/abc/d/e?q=1").path, "/d/e/abc?q=1");
    assert_eq!(seen("/exact?q=1").path, "/whole?q=1");
}

#[test]
fn redirects_keep_the_query_and_know_default_ports() {
    let https = RedirectAction {
        scheme_rewrite_specifier: Some(SchemeRewriteSpecifier::SchemeRedirect("https".to_owned())),
        response_code: 3,
        ..RedirectAction::default()
    };
    let path = RedirectAction {
        path_rewrite_specifier: Some(PathRewriteSpecifier::PathRedirect("/new".to_owned())),
        host_redirect: "b.example.com".to_owned(),
        ..RedirectAction::default()
    };
    let (_backend, rig) = rig(vec![
        action(prefix("/secure"), Action::Redirect(https)),
        action(prefix("/moved"), Action::Redirect(path)),
    ]);
    let check = |host: &str, path: &str, status: u16, location: &str| {
        let answer = rig.get(host, path);
        assert_eq!((answer.status, answer.header("location").as_deref()), (status, Some(location)));
        assert_eq!(answer.body.len(), 0);
    };
    check("a.example.com:80", "/secure/x?y=1", 307, "https://a.example.com/secure/x?y=1");
    check("a.example.com:8080", "/secure", 307, "https://a.example.com:8080/secure");
    check(HOST, "/moved?y=1", 301, "http://b.example.com/new?y=1");
}

#[test]
fn fixed_answers_and_failures_are_edited_like_responses() {
    let direct = DirectResponseAction {
        status: 503,
        body: Some(DataSource {
            specifier: Some(data_source::Specifier::InlineString("GW0401 no\n".to_owned())),
            ..DataSource::default()
        }),
        ..DirectResponseAction::default()
    };
    let (_backend, rig) = rig(vec![
        tagged(action(prefix("/direct"), Action::DirectResponse(direct)), "direct"),
        tagged(to(prefix("/nobody"), forward("empty")), "nobody"),
        tagged(to(prefix("/nowhere"), forward("missing")), "nowhere"),
    ]);
    let check = |path: &str, body: &str, flags: &str| -> Answer {
        let answer = rig.get(HOST, path);
        assert_eq!((answer.status, answer.text().as_str()), (503, body), "{path}");
        assert_eq!(answer.header("x-route").as_deref(), Some(&path[1..]));
        assert_eq!(rig.log.line(path)["response_flags"], flags);
        answer
    };
    assert_eq!(check("/direct", "GW0401 no\n", "-").header("content-type").as_deref(), Some("text/plain"));
    check("/nobody", "no healthy upstream", "UH");
    check("/nowhere", "", "NC");
    let answer = rig.get(HOST, "/none");
    assert_eq!((answer.status, answer.body.len()), (404, 0));
    assert_eq!(rig.log.line("/none")["response_flags"], "NR");
    let grpc = Call::new("POST", rig.http(), HOST, "/nobody").header("content-type", "application/grpc");
    let answer = grpc.send().unwrap();
    assert_eq!((answer.status, answer.header("grpc-status").as_deref()), (200, Some("14")));
    assert_eq!(answer.header("grpc-message").as_deref(), Some("no healthy upstream"));
}

/// With a right share the statistic is above this once in a thousand runs (chi-square, two degrees of freedom).
const CHI_SQUARE_LIMIT: f64 = 13.8;

#[test]
fn weights_share_requests_out() {
    let backends = ["a", "b", "c"].map(EchoBackend::start);
    let weights = [("a", 60), ("b", 30), ("c", 10), ("d", 0)];
    let cluster = |(name, weight): (&str, u32)| ClusterWeight {
        name: name.to_owned(),
        weight: Some(weight.into()),
        request_headers_to_add: vec![set("x-target", name)],
        response_headers_to_add: vec![set("x-target", name)],
        ..ClusterWeight::default()
    };
    let weighted = WeightedCluster { clusters: weights.map(cluster).into(), ..WeightedCluster::default() };
    let action = RouteAction {
        cluster_specifier: Some(ClusterSpecifier::WeightedClusters(weighted)),
        ..forward("unused")
    };
    let upstreams = backends.iter().map(|backend| upstream(backend.name(), &[backend.address()])).collect();
    let rig = Rig::start(world(vec![host(HTTP_ROUTES, HOST, vec![to(prefix("/"), action)])], upstreams));
    const REQUESTS: usize = 1000;
    for _ in 0..REQUESTS {
        assert_eq!(rig.get(HOST, "/").status, 200);
    }
    let mut statistic = 0.0;
    for (backend, (name, weight)) in backends.iter().zip(weights) {
        let seen = backend.take_requests();
        assert!(seen.iter().all(|request| request.header("x-target").as_deref() == Some(name)));
        let expected = REQUESTS as f64 * f64::from(weight) / 100.0;
        statistic += (seen.len() as f64 - expected).powi(2) / expected;
    }
    assert!(statistic < CHI_SQUARE_LIMIT, "chi-square is {statistic}");
}

#[test]
fn cors_answers_preflights_and_marks_responses() {
    let policy = CorsPolicy {
        allow_origin_string_match: vec![text(MatchPattern::Exact("http://o.com".to_owned()))],
        allow_methods: "GET, POST".to_owned(),
        allow_headers: "x-h".to_owned(),
        expose_headers: "x-e".to_owned(),
        max_age: "100".to_owned(),
        allow_credentials: Some(true.into()),
        ..CorsPolicy::default()
    };
    let mut route = to(prefix("/"), forward("a"));
    route.typed_per_filter_config.insert("envoy.filters.http.cors".to_owned(), any(&policy));
    let (backend, rig) = rig(vec![route]);
    let call = |method: &str, origin: &str| Call::new(method, rig.http(), HOST, "/").header("origin", origin);
    let preflight =
        |origin: &str| call("OPTIONS", origin).header("access-control-request-method", "GET").send().unwrap();
    let answer = preflight("http://o.com");
    assert_eq!((answer.status, backend.take_requests().len()), (200, 0));
    for (name, value) in [
        ("access-control-allow-origin", "http://o.com"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "GET, POST"),
        ("access-control-allow-headers", "x-h"),
        ("access-control-expose-headers", "x-e"),
        ("access-control-max-age", "100"),
    ] {
        assert_eq!(answer.header(name).as_deref(), Some(value), "{name}");
    }
    let foreign = preflight("http://p.com");
    assert_eq!((foreign.status, backend.take_requests().len()), (200, 1), "a foreign preflight goes on");
    assert_eq!(foreign.header("access-control-allow-origin"), None);
    for method in ["GET", "OPTIONS"] {
        let answer = call(method, "http://o.com").send().unwrap();
        assert_eq!(backend.take_requests().len(), 1);
        assert_eq!(answer.header("access-control-allow-origin").as_deref(), Some("http://o.com"));
        assert_eq!(answer.header("access-control-expose-headers").as_deref(), Some("x-e"));
        assert_eq!(answer.header("access-control-allow-methods"), None);
    }
}

#[test]
fn a_star_allows_a_preflight_what_it_asks_for() {
    let policy = CorsPolicy {
        allow_origin_string_match: vec![text(MatchPattern::SafeRegex(regex(".*")))],
        allow_methods: "*".to_owned(),
        allow_headers: "*".to_owned(),
        ..CorsPolicy::default()
    };
    let mut route = to(prefix("/"), forward("a"));
    let mut refused = action(
        prefix("/refused"),
        Action::DirectResponse(DirectResponseAction { status: 503, ..DirectResponseAction::default() }),
    );
    for route in [&mut route, &mut refused] {
        route.typed_per_filter_config.insert("envoy.filters.http.cors".to_owned(), any(&policy));
    }
    let (_backend, rig) = rig(vec![refused, route]);
    let answer = Call::get(rig.http(), HOST, "/refused").header("origin", "http://o.com").send().unwrap();
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin")),
        (503, None),
        "no upstream, no CORS"
    );
    let preflight = Call::new("OPTIONS", rig.http(), HOST, "/")
        .header("origin", "http://o.com")
        .header("access-control-request-method", "PUT");
    let answer = preflight.clone().header("access-control-request-headers", "x-a, x-b").send().unwrap();
    assert_eq!(answer.header("access-control-allow-methods").as_deref(), Some("PUT"));
    assert_eq!(answer.header("access-control-allow-headers").as_deref(), Some("x-a, x-b"));
    assert_eq!(preflight.send().unwrap().header("access-control-allow-headers").as_deref(), Some(""));
}
