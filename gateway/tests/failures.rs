//! Upstreams that fail: time limits, retries, dead endpoints, fallbacks.

#![allow(clippy::unwrap_used, reason = "a helper that cannot do its work fails the test")]

mod support;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gatewright_testkit::http::Call;
use gatewright_testkit::{EchoBackend, free_port};
use gatewright_xds::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, CustomClusterType, DiscoveryType, LbPolicy,
};
use gatewright_xds::envoy::config::cluster::v3::{Cluster, circuit_breakers};
use gatewright_xds::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use gatewright_xds::envoy::config::route::v3::retry_policy::RetryHostPredicate;
use gatewright_xds::envoy::config::route::v3::{HeaderMatcher, RetryPolicy, RouteAction, VirtualHost};
use gatewright_xds::envoy::extensions::clusters::aggregate::v3::ClusterConfig;
use gatewright_xds::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use gatewright_xds::envoy::r#type::matcher::v3::{RegexMatcher, StringMatcher};
use gatewright_xds::{Resource, any};
use support::Rig;
use support::resources::*;

const HOST: &str = "a.example.com";

/// Higress's retry policy, with other conditions.
fn retry(on: &str, retries: u32) -> RetryPolicy {
    let methods = RegexMatcher { regex: "POST|PATCH|LOCK".to_owned(), ..RegexMatcher::default() };
    RetryPolicy {
        retry_on: on.to_owned(),
        num_retries: Some(retries.into()),
        retry_host_predicate: vec![RetryHostPredicate {
            name: "envoy.retry_host_predicates.previous_hosts".to_owned(),
            ..RetryHostPredicate::default()
        }],
        host_selection_retry_max_attempts: 5,
        retriable_request_headers: vec![HeaderMatcher {
            name: ":method".to_owned(),
            invert_match: true,
            header_match_specifier: Some(HeaderMatchSpecifier::StringMatch(StringMatcher {
                match_pattern: Some(MatchPattern::SafeRegex(methods)),
                ignore_case: false,
            })),
            ..HeaderMatcher::default()
        }],
        ..RetryPolicy::default()
    }
}

fn rig(action: RouteAction, upstreams: Vec<Vec<Resource>>) -> Rig {
    Rig::start(world(vec![host(HTTP_ROUTES, HOST, vec![to(prefix("/"), action)])], upstreams))
}

/// An address at which nothing listens.
fn nobody() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// Accepts connections and closes each after reading something; counts them.
fn closing_server() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    (address, count)
}

#[test]
fn a_slow_response_is_ended_at_the_route_s_limit() {
    let backend = EchoBackend::start("a");
    let action = RouteAction { timeout: Some(Duration::from_millis(200).into()), ..forward("a") };
    let rig = rig(action, vec![upstream("a", &[backend.address()])]);
    let start = Instant::now();
    let answer = Call::get(rig.http(), HOST, "/slow").header("x-echo-delay-ms", "5000").send().unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (504, "upstream request timeout"));
    assert!(start.elapsed() < Duration::from_secs(3));
    let line = rig.log.line("/slow");
    assert_eq!((&line["response_flags"], &line["response_code"]), (&"UT".into(), &504.into()));
    assert_eq!(rig.get(HOST, "/fast").status, 200);
}

#[test]
fn connection_failures_move_on_to_another_endpoint() {
    let backend = EchoBackend::start("a");
    let action =
        RouteAction { retry_policy: Some(retry("connect-failure,refused-stream", 2)), ..forward("a") };
    let rig = rig(action, vec![upstream("a", &[nobody(), backend.address()])]);
    for _ in 0..20 {
        let answer = Call::new("PUT", rig.http(), HOST, "/").body("kept").send().unwrap();
        assert_eq!(answer.status, 200);
    }
    assert!(backend.take_requests().iter().all(|request| request.body == "kept"));
}

#[test]
fn nobody_to_connect_to_is_a_503_that_says_so() {
    let action = RouteAction { retry_policy: Some(retry("connect-failure", 1)), ..forward("a") };
    let rig = rig(action, vec![upstream("a", &[nobody()])]);
    let answer = rig.get(HOST, "/dead");
    assert_eq!(answer.status, 503);
    let reason =
        "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure";
    assert_eq!(answer.text(), reason);
    assert_eq!(rig.log.line("/dead")["response_flags"], "UF,URX");
}

#[test]
fn bad_statuses_are_tried_again_with_the_same_body() {
    let backend = EchoBackend::start("a");
    let action = RouteAction { retry_policy: Some(retry("5xx", 2)), ..forward("a") };
    let rig = rig(action, vec![upstream("a", &[backend.address()])]);
    let call = |method: &str| {
        Call::new(method, rig.http(), HOST, "/").header("x-echo-status", "500").body("kept").send().unwrap()
    };
    assert_eq!(call("PUT").status, 500);
    let seen = backend.take_requests();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|request| request.body == "kept" && request.header("x-echo-status").is_some()));
    assert_eq!(call("POST").status, 500);
    assert_eq!(backend.take_requests().len(), 1, "POST is never repeated");
}

#[test]
fn the_policy_of_a_host_holds_for_routes_without_their_own() {
    let (address, count) = closing_server();
    let own = RouteAction { retry_policy: Some(retry("reset", 1)), ..forward("a") };
    let message = VirtualHost {
        name: format!("{HTTP_ROUTES}/{HOST}"),
        domains: vec![HOST.to_owned()],
        routes: vec![to(prefix("/own"), own), to(prefix("/"), forward("a"))],
        retry_policy: Some(retry("reset", 3)),
        ..VirtualHost::default()
    };
    let rig = Rig::start(world(vec![Resource::of(&message)], vec![upstream("a", &[address])]));
    let tries = |path| {
        assert_eq!(rig.get(HOST, path).status, 503);
        count.swap(0, Ordering::SeqCst)
    };
    assert_eq!((tries("/"), tries("/own")), (4, 2));
}

#[test]
fn resets_are_tried_again_only_if_the_policy_says_so() {
    let (address, count) = closing_server();
    let strict = rig(
        RouteAction { retry_policy: Some(retry("connect-failure", 2)), ..forward("a") },
        vec![upstream("a", &[address])],
    );
    let answer = strict.get(HOST, "/reset");
    assert_eq!(answer.status, 503);
    assert!(answer.text().ends_with("reset reason: connection termination"), "{}", answer.text());
    assert_eq!(count.swap(0, Ordering::SeqCst), 1);
    assert_eq!(strict.log.line("/reset")["response_flags"], "UC");
    let lenient = rig(
        RouteAction { retry_policy: Some(retry("reset", 2)), ..forward("a") },
        vec![upstream("a", &[address])],
    );
    assert_eq!(lenient.get(HOST, "/").status, 503);
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

#[test]
fn a_killed_upstream_is_used_again_once_it_is_back() {
    let mut backend = EchoBackend::start("a");
    let rig = rig(forward("a"), vec![upstream("a", &[backend.address()])]);
    assert_eq!(rig.get(HOST, "/").status, 200);
    backend.kill();
    assert_eq!(rig.get(HOST, "/").status, 503);
    backend.restart();
    assert_eq!(rig.get(HOST, "/").status, 200);
}

#[test]
fn a_stale_idle_connection_fails_no_safe_request() {
    let mut backend = EchoBackend::start("a");
    let rig = rig(forward("a"), vec![upstream("a", &[backend.address()])]);
    for _ in 0..20 {
        assert_eq!(rig.get(HOST, "/").status, 200);
        // Every idle connection of the pools is dead now.
        backend.restart();
    }
}

#[test]
fn endpoints_share_requests_and_a_fallback_takes_over() {
    let backends = [EchoBackend::start("a"), EchoBackend::start("b")];
    let fallback = EchoBackend::start("f");
    let aggregate = Cluster {
        name: "fallback[f]a".to_owned(),
        lb_policy: LbPolicy::ClusterProvided as i32,
        cluster_discovery_type: Some(ClusterDiscoveryType::ClusterType(CustomClusterType {
            name: "envoy.clusters.aggregate".to_owned(),
            typed_config: Some(any(&ClusterConfig { clusters: vec!["a".to_owned(), "f".to_owned()] })),
        })),
        ..Cluster::default()
    };
    let addresses = backends.each_ref().map(EchoBackend::address);
    let rig = rig(
        forward("fallback[f]a"),
        vec![upstream("a", &addresses), upstream("f", &[fallback.address()]), vec![Resource::of(&aggregate)]],
    );
    for _ in 0..40 {
        assert_eq!(rig.get(HOST, "/").status, 200);
    }
    assert!(backends.iter().all(|backend| backend.take_requests().len() > 5));
    assert_eq!(fallback.take_requests().len(), 0);
    rig.control.put(vec![endpoints("a", &[])]);
    gatewright_testkit::eventually("the fallback", support::SOON, || {
        rig.get(HOST, "/");
        if fallback.take_requests().is_empty() { Err("not yet".to_owned()) } else { Ok(()) }
    });
}

#[test]
fn names_are_resolved_by_the_gateway() {
    let backend = EchoBackend::start("a");
    let mut cluster = eds_cluster("dns", false);
    cluster.eds_cluster_config = None;
    cluster.cluster_discovery_type = Some(ClusterDiscoveryType::Type(DiscoveryType::StrictDns as i32));
    cluster.dns_lookup_family = 3;
    let mut assignment = assignment("dns", &[backend.address()]);
    let endpoint = &mut assignment.endpoints[0].lb_endpoints[0];
    if let Some(gatewright_xds::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier::Endpoint(
        endpoint,
    )) = &mut endpoint.host_identifier
    {
        endpoint.address = Some(socket_address("service.localhost", backend.port()));
    }
    cluster.load_assignment = Some(assignment);
    let rig = rig(forward("dns"), vec![vec![Resource::of(&cluster)]]);
    assert_eq!(rig.get(HOST, "/").status, 200);
}

#[test]
fn too_many_requests_are_refused_at_once() {
    let backend = EchoBackend::start("a");
    let mut cluster = eds_cluster("a", false);
    cluster.circuit_breakers.as_mut().unwrap().thresholds =
        vec![circuit_breakers::Thresholds { max_requests: Some(1.into()), ..Default::default() }];
    let rig = rig(forward("a"), vec![vec![Resource::of(&cluster), endpoints("a", &[backend.address()])]]);
    let address = rig.http();
    let slow = std::thread::spawn(move || {
        Call::get(address, HOST, "/slow").header("x-echo-delay-ms", "1000").send().unwrap().status
    });
    gatewright_testkit::eventually("the first request", support::SOON, || {
        if backend.requests().is_empty() { Err("not there".to_owned()) } else { Ok(()) }
    });
    let answer = rig.get(HOST, "/second");
    assert_eq!(answer.status, 503);
    assert!(answer.text().ends_with("reset reason: overflow"));
    assert_eq!(rig.log.line("/second")["response_flags"], "UO");
    assert_eq!(slow.join().unwrap(), 200);
    assert_eq!(rig.get(HOST, "/third").status, 200);
}
