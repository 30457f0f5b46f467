//! Requests through the gateway: matching, forwarding, answers of its own, headers, the admin endpoint.

#![allow(clippy::unwrap_used, reason = "a helper that cannot do its work fails the test")]

mod support;

use gatewright_testkit::EchoBackend;
use gatewright_testkit::http::Call;
use support::Rig;
use support::resources::*;

fn one_backend() -> (EchoBackend, Rig) {
    let backend = EchoBackend::start("a");
    let hosts = vec![
        host(
            HTTP_ROUTES,
            "a.example.com",
            vec![to(exact("/exact"), forward("a")), to(prefix("/p/"), forward("a"))],
        ),
        host(HTTP_ROUTES, "*.wild.example.com", vec![to(prefix("/"), forward("a"))]),
    ];
    let rig = Rig::start(world(hosts, vec![upstream("a", &[backend.address()])]));
    (backend, rig)
}

#[test]
fn requests_are_matched_by_host_and_path() {
    let (_backend, rig) = one_backend();
    for (host, path, status) in [
        ("a.example.com", "/exact", 200),
        ("a.example.com", "/exact?q=1", 200),
        ("a.example.com", "/exact/more", 404),
        ("a.example.com", "/p/x", 200),
        ("a.example.com", "/p", 404),
        ("A.Example.COM:8080", "/exact", 200),
        ("b.example.com", "/exact", 404),
        ("x.wild.example.com", "/any", 200),
        ("x.y.wild.example.com", "/any", 200),
        ("wild.example.com", "/any", 404),
    ] {
        assert_eq!(rig.get(host, path).status, status, "{host}{path}");
    }
}

#[test]
fn the_upstream_sees_the_request_and_who_sent_it() {
    let (backend, rig) = one_backend();
    let answer = Call::new("POST", rig.http(), "a.example.com", "/p/x?y=1")
        .header("x-own", "1")
        .header("x-forwarded-for", "10.0.0.1")
        .header("x-forwarded-proto", "https")
        .header("x-request-id", "mine")
        .body("hello")
        .send()
        .unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("server").as_deref(), Some("istio-envoy"));
    assert!(answer.header("x-envoy-upstream-service-time").is_some());
    let seen = backend.take_requests().pop().unwrap();
    assert_eq!(
        (seen.method.as_str(), seen.path.as_str(), seen.host.as_str()),
        ("POST", "/p/x?y=1", "a.example.com")
    );
    assert_eq!(seen.body, "hello");
    assert_eq!(seen.header("x-own").as_deref(), Some("1"));
    assert_eq!(seen.header("x-forwarded-for").as_deref(), Some("10.0.0.1,127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(seen.header("x-request-id").map(|id| id.len()), Some(36));
}
