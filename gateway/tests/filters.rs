//! The filter chain from outside: filters of a test's own that pause, collect, answer and choose the route anew.

#![allow(clippy::unwrap_used, reason = "a helper that cannot do its work fails the test")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gatewright_gateway::FieldError;
use gatewright_gateway::filter::{
    Filter, FilterContext, FilterFactory, FilterKind, Flow, Interest, LocalReply, RequestHead, ResponseHead,
};
use gatewright_testkit::EchoBackend;
use gatewright_testkit::http::{Call, Protocol};
use gatewright_xds::Resource;
use gatewright_xds::google::protobuf::Any;
use http::{HeaderMap, HeaderValue, StatusCode};
use support::Rig;
use support::resources::*;

const HOST: &str = "a.example.com";
const TYPE: &str = "type.googleapis.com/gatewright.test.Filter";

/// A kind of filter whose message's bytes are the name of one of the filters below.
struct TestKind;

impl FilterKind for TestKind {
    fn chain_type(&self) -> &'static str {
        TYPE
    }

    fn factory(&self, message: Any) -> Result<Arc<dyn FilterFactory>, FieldError> {
        match std::str::from_utf8(&message.value) {
            Ok(name @ ("sleep" | "collect" | "answer" | "reroute" | "upper" | "late" | "tag")) => {
                Ok(Arc::new(TestFactory(name.to_owned())))
            }
            _ => Err(FieldError::new("value", "names no filter")),
        }
    }
}

struct TestFactory(String);

impl FilterFactory for TestFactory {
    fn filter(&self, head: &RequestHead, context: &mut FilterContext<'_>) -> Option<Box<dyn Filter>> {
        Some(match self.0.as_str() {
            "sleep" => Box::new(Sleep),
            "collect" => Box::new(Collect),
            "answer" => Box::new(Answer),
            "reroute" => Box::new(Reroute),
            "upper" => Box::new(Upper),
            "late" => {
                head.headers.get("x-late")?;
                Box::new(Late)
            }
            // Nothing to do without the header.
            _ => {
                head.headers.get("x-tag")?;
                Box::new(Tag(context.name().to_owned()))
            }
        })
    }
}

/// Holds the request's head for a moment without looking at the body.
struct Sleep;

impl Filter for Sleep {
    fn request_headers(
        &mut self,
        head: &mut RequestHead,
        _end: bool,
        context: &mut FilterContext<'_>,
    ) -> Flow {
        let resumer = context.resumer();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            resumer.resume();
        });
        head.headers.insert("x-slept", HeaderValue::from_static("yes"));
        Flow::Pause
    }
}

/// Holds head and data until the whole body is there, and tells its length in a header that the upstream sees.
struct Collect;

impl Filter for Collect {
    fn interest(&self) -> Interest {
        Interest { request_body: true, response_body: true }
    }

    fn request_headers(&mut self, head: &mut RequestHead, end: bool, _: &mut FilterContext<'_>) -> Flow {
        head.headers.insert("x-collected", HeaderValue::from_static("yes"));
        if end { Flow::Continue } else { Flow::Pause }
    }

    fn request_data(&mut self, data: &mut Bytes, end: bool, _: &mut FilterContext<'_>) -> Flow {
        if !end {
            return Flow::Pause;
        }
        assert!(data.len() < 1_048_576, "the limit comes first");
        Flow::Continue
    }

    fn request_trailers(&mut self, _: &mut HeaderMap, _: &mut FilterContext<'_>) -> Flow {
        Flow::Continue
    }

    fn response_headers(&mut self, head: &mut ResponseHead, end: bool, _: &mut FilterContext<'_>) -> Flow {
        head.headers.remove("content-length");
        if end { Flow::Continue } else { Flow::Pause }
    }

    fn response_data(&mut self, data: &mut Bytes, end: bool, _: &mut FilterContext<'_>) -> Flow {
        if !end {
            return Flow::Pause;
        }
        *data = Bytes::from([&b"<"[..], data, b">"].concat());
        Flow::Continue
    }
}

/// Answers in the upstream's place, at the callback that the header says.
struct Answer;

impl Answer {
    fn reply(at: &str) -> Flow {
        let mut reply = LocalReply::new(StatusCode::IM_A_TEAPOT, at.to_owned());
        reply.headers.insert("x-own", HeaderValue::from_static("1"));
        Flow::Reply(reply)
    }
}

impl Filter for Answer {
    fn interest(&self) -> Interest {
        Interest { request_body: true, response_body: false }
    }

    fn request_headers(&mut self, head: &mut RequestHead, _: bool, _: &mut FilterContext<'_>) -> Flow {
        match head.target.path() {
            "/headers" => Self::reply("headers"),
            _ => Flow::Continue,
        }
    }

    fn request_data(&mut self, data: &mut Bytes, _: bool, _: &mut FilterContext<'_>) -> Flow {
        if data.starts_with(b"bad") { Self::reply("data") } else { Flow::Continue }
    }

    fn response_headers(&mut self, head: &mut ResponseHead, _: bool, _: &mut FilterContext<'_>) -> Flow {
        if head.status == StatusCode::BAD_GATEWAY { Self::reply("response") } else { Flow::Continue }
    }
}

/// Sends the request to another host's routes.
struct Reroute;

impl Filter for Reroute {
    fn request_headers(&mut self, head: &mut RequestHead, _: bool, context: &mut FilterContext<'_>) -> Flow {
        assert_eq!(context.route(head).unwrap().name(), "test/route");
        head.authority = HeaderValue::from_static("b.example.com");
        context.clear_route();
        Flow::Continue
    }
}

/// Changes data piece by piece as it passes.
struct Upper;

impl Filter for Upper {
    fn interest(&self) -> Interest {
        Interest { request_body: true, response_body: true }
    }

    fn request_data(&mut self, data: &mut Bytes, _: bool, _: &mut FilterContext<'_>) -> Flow {
        *data = data.to_ascii_uppercase().into();
        Flow::Continue
    }

    fn response_trailers(&mut self, trailers: &mut HeaderMap, _: &mut FilterContext<'_>) -> Flow {
        trailers.insert("x-seen", HeaderValue::from_static("1"));
        Flow::Continue
    }
}

/// Answers while the upstream is asked already.
struct Late;

impl Filter for Late {
    fn request_headers(&mut self, _: &mut RequestHead, _: bool, context: &mut FilterContext<'_>) -> Flow {
        let resumer = context.resumer();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            resumer.reply(LocalReply::new(StatusCode::TOO_MANY_REQUESTS, "late"));
        });
        Flow::Continue
    }
}

/// Notes the order in which filters see request and response.
struct Tag(String);

impl Filter for Tag {
    fn request_headers(&mut self, head: &mut RequestHead, _: bool, _: &mut FilterContext<'_>) -> Flow {
        head.headers.append("x-tag", HeaderValue::from_str(&self.0).unwrap());
        Flow::Continue
    }

    fn response_headers(&mut self, head: &mut ResponseHead, _: bool, _: &mut FilterContext<'_>) -> Flow {
        head.headers.append("x-tag", HeaderValue::from_str(&self.0).unwrap());
        Flow::Continue
    }
}

/// A gateway whose chain has these filters, as (name, filter).
fn rig(filters: &[(&str, &'static str)]) -> (EchoBackend, Rig) {
    let backend = EchoBackend::start("a");
    let mut other = to(prefix("/"), forward("a"));
    other.name = "other".to_owned();
    other.request_headers_to_add = vec![set("x-route", "other")];
    let hosts = vec![
        host(HTTP_ROUTES, HOST, vec![to(prefix("/"), forward("a"))]),
        host(HTTP_ROUTES, "b.example.com", vec![other]),
    ];
    let mut all = world(hosts, vec![upstream("a", &[backend.address()])]);
    let chain = filters
        .iter()
        .map(|(name, filter)| {
            let config = Any { type_url: TYPE.to_owned(), value: Bytes::from_static(filter.as_bytes()) };
            http_filter(name, config)
        })
        .collect();
    all[0] = Resource::of(&listener_with(HTTP, 0, &manager(HTTP_ROUTES, chain)));
    let rig = Rig::launch(all, |options| options.filters.add(Arc::new(TestKind)));
    rig.wait_until_ready();
    (backend, rig)
}

fn post(rig: &Rig, path: &str, body: impl Into<Bytes>) -> Call {
    Call::new("POST", rig.http(), HOST, path).body(body)
}

#[test]
fn filters_see_requests_in_order_and_responses_backwards() {
    let (backend, rig) = rig(&[("one", "tag"), ("two", "tag"), ("three", "tag")]);
    let answer = Call::get(rig.http(), HOST, "/").header("x-tag", "client").send().unwrap();
    assert_eq!(backend.take_requests()[0].header("x-tag").as_deref(), Some("client,one,two,three"));
    assert_eq!(answer.header("x-tag").as_deref(), Some("three,two,one"));
    assert_eq!(rig.get(HOST, "/").header("x-tag"), None);
}

#[test]
fn a_held_request_goes_on_when_it_is_resumed() {
    let (backend, rig) = rig(&[("one", "tag"), ("sleep", "sleep"), ("two", "tag")]);
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let answer = post(&rig, "/", "body").header("x-tag", "x").protocol(protocol).send().unwrap();
        assert_eq!(answer.status, 200);
        let seen = backend.take_requests().pop().unwrap();
        assert_eq!((&seen.body[..], seen.header("x-slept").as_deref()), (&b"body"[..], Some("yes")));
        assert_eq!(seen.header("x-tag").as_deref(), Some("x,one,two"));
    }
}

#[test]
fn bodies_are_collected_and_changed() {
    let (backend, rig) = rig(&[("upper", "upper"), ("collect", "collect")]);
    let body = "a".repeat(300_000);
    let answer = post(&rig, "/", body.clone()).send().unwrap();
    let seen = backend.take_requests().pop().unwrap();
    assert_eq!(seen.body, body.to_uppercase());
    assert_eq!(seen.header("x-collected").as_deref(), Some("yes"));
    assert!(answer.text().starts_with('<') && answer.text().ends_with('>'));
    assert_eq!(rig.get(HOST, "/").status, 200);
    let answer = post(&rig, "/large", "a".repeat(3_000_000)).send().unwrap();
    assert_eq!(answer.status, 413);
    assert_eq!(backend.take_requests().len(), 1, "only the request without a body");
}

#[test]
fn a_filter_answers_at_any_point() {
    let (backend, rig) = rig(&[("one", "tag"), ("answer", "answer"), ("two", "tag")]);
    let check = |call: Call, body: &str| {
        let answer = call.send().unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (418, body));
        assert_eq!(answer.header("x-own").as_deref(), Some("1"));
        answer
    };
    let answer = check(post(&rig, "/headers", "").header("x-tag", "x"), "headers");
    assert_eq!(answer.header("x-tag").as_deref(), Some("one"), "filters before it see the answer");
    assert_eq!(backend.take_requests().len(), 0);
    check(post(&rig, "/", "bad body"), "data");
    check(Call::get(rig.http(), HOST, "/").header("x-echo-status", "502"), "response");
    assert_eq!(post(&rig, "/", "good body").send().unwrap().status, 200);
    assert_eq!(backend.take_requests().pop().unwrap().body, "good body");
}

#[test]
fn an_answer_replaces_an_upstream_that_is_still_asked() {
    let (_backend, rig) = rig(&[("late", "late")]);
    let call = Call::get(rig.http(), HOST, "/").header("x-late", "1").header("x-echo-delay-ms", "5000");
    let answer = call.send().unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (429, "late"));
    assert_eq!(rig.get(HOST, "/").status, 200);
}

#[test]
fn a_cleared_route_is_chosen_anew() {
    let (backend, rig) = rig(&[("reroute", "reroute")]);
    assert_eq!(rig.get(HOST, "/x").status, 200);
    let seen = backend.take_requests().pop().unwrap();
    assert_eq!((seen.header("x-route").as_deref(), seen.host.as_str()), (Some("other"), "b.example.com"));
    assert_eq!(rig.log.line("/x")["route_name"], "other");
}

#[test]
fn an_unknown_filter_is_refused_by_name() {
    let (_backend, rig) = rig(&[]);
    let config = Any { type_url: "type.googleapis.com/x.Y".to_owned(), value: Bytes::new() };
    let manager = manager(HTTP_ROUTES, vec![http_filter("y", config)]);
    rig.control.put(vec![Resource::of(&listener_with(HTTP, 0, &manager))]);
    rig.control.rejection("http_filters[0].typed_config: type.googleapis.com/x.Y is not supported");
    assert_eq!(rig.get(HOST, "/").status, 200);
}
