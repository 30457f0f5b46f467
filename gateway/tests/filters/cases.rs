//! Filters of a test's own that hold, call, collect, make, answer and choose the route anew, each with clients of HTTP/1 and
//! HTTP/2, and upstreams of the protocol that the test program says.

#[path = "behaviours.rs"]
mod behaviours;

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use behaviours::behaviours;
use bytes::Bytes;
use gatewright_testkit::EchoBackend;
use gatewright_testkit::http::{Answer, Call, Protocol};
use gatewright_testkit::wait::eventually;
use gatewright_xds::Resource;
use gatewright_xds::google::protobuf::Any;

use crate::support::filters::{Gate, Notes, TestKind, filter};
use crate::support::resources::*;
use crate::support::{Rig, SOON, WORKERS};

const HOST: &str = "a.example.com";
const PROTOCOLS: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

/// A gateway whose chain has these filters, as (name, configuration), and what they noted. Cluster `a` has the backend,
/// `auth` the other one, and `gone` an endpoint where nobody listens.
struct World {
    backend: EchoBackend,
    auth: EchoBackend,
    rig: Rig,
    notes: Notes,
}

fn world_with(filters: &[(&str, &str)]) -> World {
    let (backend, auth) = (EchoBackend::start("a"), EchoBackend::start("auth"));
    let mut other = to(prefix("/"), forward("a"));
    other.name = "other".to_owned();
    other.request_headers_to_add = vec![set("x-route", "other")];
    let hosts = vec![
        host(HTTP_ROUTES, HOST, vec![to(prefix("/"), forward("a"))]),
        host(HTTP_ROUTES, "b.example.com", vec![other]),
    ];
    let closed = SocketAddr::from(([127, 0, 0, 1], gatewright_testkit::free_port()));
    let upstream = if crate::HTTP2_UPSTREAMS { upstream_http2 } else { upstream };
    let upstreams = vec![
        upstream("a", &[backend.address()]),
        upstream("auth", &[auth.address()]),
        upstream("gone", &[closed]),
    ];
    let mut all = world(hosts, upstreams);
    let chain = filters.iter().map(|(name, text)| filter(name, text)).collect();
    all[0] = Resource::of(&listener_with(HTTP, 0, &manager(HTTP_ROUTES, chain)));
    let notes = Notes::default();
    let kind = TestKind { behaviours: behaviours(), notes: notes.clone(), gate: Gate::default() };
    let rig = Rig::launch(all, |options| options.filters.add(Arc::new(kind)));
    rig.wait_until_ready();
    // A worker is told of what it is to start a moment after the first configuration is there.
    for (_, text) in filters {
        let argument = text.split_once(' ').map_or("", |(_, argument)| argument);
        (0..WORKERS).for_each(|worker| notes.wait_for(&format!("attach {argument} {worker}"), 1));
    }
    notes.take();
    World { backend, auth, rig, notes }
}

impl World {
    fn get(&self, path: &str) -> Call {
        Call::get(self.rig.http(), HOST, path)
    }

    fn post(&self, path: &str, body: impl Into<Bytes>) -> Call {
        Call::new("POST", self.rig.http(), HOST, path).body(body)
    }
}

fn sent(call: Call, protocol: Protocol) -> Answer {
    call.protocol(protocol).send().unwrap()
}

#[test]
fn filters_see_requests_in_order_and_responses_backwards() {
    let world = world_with(&[("one", "tag"), ("two", "tag"), ("three", "tag")]);
    for protocol in PROTOCOLS {
        let answer = sent(world.get("/").header("x-tag", "client"), protocol);
        let seen = world.backend.take_requests().pop().unwrap();
        assert_eq!(seen.header("x-tag").as_deref(), Some("client,one,two,three"));
        assert_eq!(answer.header("x-tag").as_deref(), Some("three,two,one"));
    }
}

#[test]
fn a_body_callback_edits_the_head_of_the_request() {
    let world = world_with(&[("edit", "edit-from-body"), ("two", "tag")]);
    let body = "a".repeat(300_000);
    for protocol in PROTOCOLS {
        assert_eq!(sent(world.post("/", body.clone()), protocol).status, 200);
        let seen = world.backend.take_requests().pop().unwrap();
        assert_eq!((seen.header("x-length").as_deref(), seen.body.len()), (Some("300000"), 300_000));
        assert_eq!(seen.header("content-length").as_deref(), Some("300000"));
        assert_eq!(sent(world.get("/"), protocol).status, 200);
        world.backend.take_requests();
    }
}

#[test]
fn a_request_waits_for_a_call_and_goes_on_or_is_answered_by_its_result() {
    let world = world_with(&[("auth", "authorize auth")]);
    for protocol in PROTOCOLS {
        let call = world.post("/", "body").header("x-auth-x-echo-delay-ms", "200");
        let before = std::time::Instant::now();
        assert_eq!(sent(call, protocol).status, 200);
        assert!(before.elapsed() >= Duration::from_millis(200));
        let seen = world.backend.take_requests().pop().unwrap();
        assert_eq!((seen.header("x-user").as_deref(), &seen.body[..]), (Some("ann"), &b"body"[..]));
        world.notes.wait_for("delete auth", 1);
        assert_eq!(world.notes.take(), ["data 4 true", "delete auth"]);
        let asked = world.auth.take_requests().pop().unwrap();
        assert_eq!((asked.path.as_str(), asked.host.as_str()), ("/check", "auth.test"));
        assert_eq!(asked.header("x-forwarded-for"), None);

        let answer = sent(world.post("/", "body").header("x-auth-x-echo-status", "403"), protocol);
        assert_eq!((answer.status, answer.header("x-own").as_deref()), (403, Some("1")));
        assert_eq!(world.backend.take_requests().len(), 0);
        world.notes.wait_for("delete auth", 1);
        world.notes.take();
    }
}

#[test]
fn a_data_callback_that_continues_does_not_open_a_request_that_waits_for_its_call() {
    let world = world_with(&[("auth", "authorize auth")]);
    for protocol in PROTOCOLS {
        let call = world.post("/", "a".repeat(100_000)).header("x-auth-x-echo-delay-ms", "500");
        let call = call.header("x-auth-x-echo-status", "401").protocol(protocol);
        let answer = std::thread::spawn(move || call.send().unwrap());
        eventually("the call", SOON, || world.auth.take_requests().pop().ok_or("none".to_owned()));
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(
            world.backend.take_requests().len(),
            0,
            "the head was released while the call was under way"
        );
        assert_eq!(world.notes.take(), Vec::<String>::new(), "data is shown after the call only");
        assert_eq!(answer.join().unwrap().status, 401);
        assert_eq!(world.backend.take_requests().len(), 0);
        world.notes.wait_for("delete auth", 1);
        world.notes.take();
    }
}

#[test]
fn a_call_without_a_response_is_answered_by_the_gateway() {
    for (cluster, header, status, text) in [
        ("nowhere", "x", 500, "there is no such cluster"),
        ("gone", "x", 503, "upstream connect error or disconnect/reset before headers"),
        ("auth", "x-auth-x-echo-delay-ms", 504, "upstream request timeout"),
    ] {
        let world = world_with(&[("auth", &format!("authorize {cluster}"))]);
        for protocol in PROTOCOLS {
            let answer = sent(world.get("/").header(header, "4000"), protocol);
            assert_eq!(answer.status, status, "{cluster}");
            assert!(answer.text().starts_with(text), "{cluster}: {}", answer.text());
            assert_eq!(world.backend.take_requests().len(), 0);
        }
    }
}

#[test]
fn a_response_waits_for_a_call_and_goes_on_or_is_replaced_by_its_result() {
    let world = world_with(&[("one", "tag"), ("review", "review auth")]);
    for protocol in PROTOCOLS {
        let answer = sent(world.get("/"), protocol);
        assert_eq!((answer.status, answer.header("x-reviewed").as_deref()), (200, Some("yes")));
        assert!(answer.text().contains("\"BACKEND\""), "the data was shown after the call");
        let answer = sent(world.get("/").header("x-review", "403"), protocol);
        assert_eq!((answer.status, answer.text().as_str()), (451, "reviewed"));
        assert_eq!(answer.header("x-tag"), None, "it passes no filter again");
    }
}

#[test]
fn after_stop_all_the_filter_is_shown_what_was_collected() {
    let world = world_with(&[("stop", "stop-all"), ("two", "tag")]);
    for protocol in PROTOCOLS {
        assert_eq!(sent(world.post("/", "body"), protocol).status, 200);
        let seen = world.backend.take_requests().pop().unwrap();
        assert_eq!((seen.header("x-waited").as_deref(), &seen.body[..]), (Some("yes"), &b"body"[..]));
        assert_eq!(world.notes.take()[..2], ["timer", "data body true"]);
        assert_eq!(sent(world.get("/"), protocol).status, 200);
        assert_eq!(world.backend.take_requests().pop().unwrap().header("x-waited").as_deref(), Some("yes"));
        world.notes.take();
    }
}

#[test]
fn a_replaced_body_has_its_own_length_in_both_directions() {
    let long = "l".repeat(2000);
    for argument in ["", long.as_str()] {
        let world = world_with(&[("replace", &format!("replace {argument}"))]);
        for protocol in PROTOCOLS {
            // Two on one connection to the upstream: a length that is not true would show in the second.
            for _ in 0..2 {
                let answer = sent(world.post("/", "body"), protocol);
                let seen = world.backend.take_requests().pop().unwrap();
                let (request, response) = (format!("request {argument}"), format!("response {argument}"));
                assert_eq!((answer.status, answer.text()), (200, response.clone()));
                assert_eq!(answer.header("content-length"), Some(response.len().to_string()));
                assert_eq!(seen.body, request.as_bytes());
                assert_eq!(seen.header("content-length"), Some(request.len().to_string()));
                assert_eq!(seen.header("transfer-encoding"), None);
            }
        }
    }
}

#[test]
fn a_body_that_changes_as_it_passes_has_no_length() {
    let world = world_with(&[("double", "double")]);
    for protocol in PROTOCOLS {
        let answer = sent(world.post("/", "ab"), protocol);
        let seen = world.backend.take_requests().pop().unwrap();
        assert_eq!((seen.body.as_ref(), seen.header("content-length")), (&b"abab"[..], None));
        let text = answer.text();
        assert_eq!(text[..text.len() / 2], text[text.len() / 2..]);
        assert_eq!(answer.header("content-length"), None);
        let head = sent(Call::new("HEAD", world.rig.http(), HOST, "/"), protocol);
        assert_eq!((head.status, head.text().as_str()), (200, ""));
        world.backend.take_requests();
    }
}

#[test]
fn a_filter_sends_data_of_its_own() {
    let world = world_with(&[("inject", "inject"), ("two", "double")]);
    for protocol in PROTOCOLS {
        let answer = sent(world.post("/", "body"), protocol);
        let seen = world.backend.take_requests().pop().unwrap();
        assert_eq!(String::from_utf8_lossy(&seen.body), "own own endend");
        let text = answer.text();
        assert!(text.starts_with("<{") && text.ends_with('>'), "{text}");
    }
}

#[test]
fn the_limit_of_a_filter_refuses_a_request_and_replaces_a_response() {
    let world = world_with(&[("collect", "collect 100000")]);
    for protocol in PROTOCOLS {
        let answer = sent(world.post("/", "a".repeat(1_100_000)), protocol);
        assert_eq!((answer.status, answer.text().as_str()), (413, "Payload Too Large"));
        assert_eq!(world.backend.take_requests().len(), 0);
        let answer = sent(world.post("/", "a".repeat(99_000)), protocol);
        assert_eq!(answer.status, 200);
        let answer = sent(world.post("/", "a".repeat(900_000)), protocol);
        assert_eq!((answer.status, answer.text().as_str()), (500, "Internal Server Error"));
        world.backend.take_requests();
    }
}

#[test]
fn a_filter_answers_at_any_point() {
    let world = world_with(&[("one", "tag"), ("answer", "answer"), ("two", "tag")]);
    for protocol in PROTOCOLS {
        let check = |call: Call, body: &str| {
            let answer = sent(call, protocol);
            assert_eq!((answer.status, answer.text().as_str()), (418, body));
            assert_eq!(answer.header("x-own").as_deref(), Some("1"));
            answer
        };
        let answer = check(world.post("/headers", "").header("x-tag", "x"), "headers");
        assert_eq!(answer.header("x-tag").as_deref(), Some("one"), "filters before it see the answer");
        assert_eq!(world.backend.take_requests().len(), 0);
        check(world.post("/", "bad body"), "data");
        check(world.get("/").header("x-echo-status", "502"), "response");
        assert_eq!(sent(world.post("/", "good body"), protocol).status, 200);
        assert_eq!(world.backend.take_requests().pop().unwrap().body, "good body");
    }
}

#[test]
fn an_answer_replaces_an_upstream_that_is_still_asked() {
    let world = world_with(&[("late", "late")]);
    for protocol in PROTOCOLS {
        let answer = sent(world.get("/late").header("x-echo-delay-ms", "5000"), protocol);
        assert_eq!((answer.status, answer.text().as_str()), (429, "late"));
        assert_eq!(sent(world.get("/"), protocol).status, 200);
    }
}

#[test]
fn a_cleared_route_is_chosen_anew() {
    let world = world_with(&[("reroute", "reroute")]);
    for (protocol, path) in PROTOCOLS.into_iter().zip(["/x1", "/x2"]) {
        assert_eq!(sent(world.get(path), protocol).status, 200);
        let seen = world.backend.take_requests().pop().unwrap();
        assert_eq!((seen.header("x-route").as_deref(), seen.host.as_str()), (Some("other"), "b.example.com"));
        assert_eq!(world.rig.log.line(path)["route_name"], "other");
        assert_eq!(world.notes.take()[0], "test/route Some(\"a\")");
    }
}

#[test]
fn a_filter_reads_the_request_with_the_response_and_at_the_end() {
    let world = world_with(&[("remember", "remember")]);
    for protocol in PROTOCOLS {
        let answer = sent(world.get("/").header("x-ask", "why"), protocol);
        assert_eq!(answer.header("x-asked").as_deref(), Some("why"));
        world.notes.wait_for("log why why 200 Some(\"a\") true", 1);
        world.notes.take();
    }
}

#[test]
fn every_filter_logs_then_each_is_done_and_deleted() {
    let world = world_with(&[("a", "life a"), ("b", "life b")]);
    let expected = |outcome: &str| -> Vec<String> {
        [&format!("log a {outcome}"), &format!("log b {outcome}"), "done a", "delete a", "done b", "delete b"]
            .map(str::to_owned)
            .into()
    };
    for protocol in PROTOCOLS {
        assert_eq!(sent(world.get("/"), protocol).status, 200);
        world.notes.wait_for("delete b", 1);
        assert_eq!(world.notes.take(), expected("200 -"));
    }
}

#[test]
fn a_client_that_goes_away_ends_its_filters_in_order() {
    let world = world_with(&[("a", "life a"), ("b", "life b")]);
    let expected = ["log a 0 DC", "log b 0 DC", "done a", "delete a", "done b", "delete b"];
    let mut client = TcpStream::connect(world.rig.http()).unwrap();
    write!(client, "GET / HTTP/1.1\r\nhost: {HOST}\r\nx-echo-delay-ms: 5000\r\n\r\n").unwrap();
    eventually("the request", SOON, || world.backend.take_requests().pop().ok_or("none".to_owned()));
    drop(client);
    world.notes.wait_for("delete b", 1);
    assert_eq!(world.notes.take(), expected);
    let call = world.get("/").header("x-echo-delay-ms", "5000").protocol(Protocol::Http2);
    assert!(call.timeout(Duration::from_millis(300)).send().is_err());
    world.notes.wait_for("delete b", 1);
    assert_eq!(world.notes.take(), expected);
}

#[test]
fn a_filter_ends_a_stream_without_a_response() {
    let world = world_with(&[("end", "end"), ("life", "life x")]);
    for protocol in PROTOCOLS {
        for path in ["/now", "/then"] {
            assert!(world.get(path).protocol(protocol).send().is_err(), "{path}");
        }
        assert_eq!(sent(world.get("/"), protocol).status, 200);
    }
    assert_eq!(world.rig.log.line("/then")["response_code"], 0);
}

#[test]
fn a_filter_is_woken_by_its_own_work() {
    let world = world_with(&[("wake", "wake")]);
    for protocol in PROTOCOLS {
        assert_eq!(sent(world.post("/", "body"), protocol).status, 200);
        assert_eq!(world.backend.take_requests().pop().unwrap().body, "body");
        assert_eq!(world.notes.take()[0], "woken");
    }
}

#[test]
fn trailers_are_made_at_the_end_of_a_body() {
    let world = world_with(&[("trail", "trail")]);
    let answer = sent(world.get("/"), Protocol::Http2);
    assert_eq!(answer.trailers, [("x-trailer".to_owned(), "made".to_owned())]);
    assert_eq!(sent(world.get("/"), Protocol::Http1).status, 200);
}

#[test]
fn an_unknown_filter_is_refused_by_name() {
    let world = world_with(&[]);
    let config = Any { type_url: "type.googleapis.com/x.Y".to_owned(), value: Bytes::new() };
    let manager = manager(HTTP_ROUTES, vec![http_filter("y", config)]);
    world.rig.control.put(vec![Resource::of(&listener_with(HTTP, 0, &manager))]);
    world.rig.control.rejection("http_filters[0].typed_config: type.googleapis.com/x.Y is not supported");
    assert_eq!(world.rig.get(HOST, "/").status, 200);
}
