//! The machine alone: what passes when, for every way to hold a message.

use std::cell::RefCell;

use http::uri::PathAndQuery;
use http::{HeaderValue, Method, StatusCode, Version, header};

use super::*;
use crate::config::Route;
use crate::message::Scheme;
use crate::stream::{ConnectionInfo, FilterWaker};

/// What a filter does at its next events; afterwards it continues.
type Script = Rc<RefCell<Vec<&'static str>>>;
type Seen = Rc<RefCell<Vec<String>>>;

/// Follows a script and writes down what it sees.
struct Scripted {
    name: &'static str,
    script: Script,
    seen: Seen,
    body: bool,
}

impl Scripted {
    fn step(&self, what: String, host: &mut Host<'_>, side: Side) -> Step {
        self.seen.borrow_mut().push(format!("{} {what}", self.name));
        let mut script = self.script.borrow_mut();
        if script.is_empty() {
            return Step::Continue;
        }
        match script.remove(0) {
            "head" => Step::StopHeaders,
            "all" => Step::StopAll,
            "buffer" => Step::Buffer,
            "watermark" => Step::Watermark,
            "mine" => Step::NoBuffer,
            "inject" => {
                host.inject(side, Bytes::from_static(b"own"), false);
                Step::Continue
            }
            "finish" => {
                host.inject(side, Bytes::from_static(b"fin"), true);
                Step::NoBuffer
            }
            "trailers" => {
                host.trailers_mut(side).insert("x", HeaderValue::from_static("1"));
                Step::Continue
            }
            "edit" => {
                host.request_mut().unwrap().headers.insert("x-edit", HeaderValue::from_static("1"));
                Step::Continue
            }
            "reply" => Step::Reply(LocalReply::new(StatusCode::FORBIDDEN, self.name)),
            _ => Step::Continue,
        }
    }
}

impl Filter for Scripted {
    fn interest(&self) -> Interest {
        Interest { request_body: self.body, response_body: self.body }
    }

    fn on(&mut self, event: Event<'_>, host: &mut Host<'_>) -> Step {
        match event {
            Event::Head { side: Side::Request, end } => self.step(format!("head {end}"), host, Side::Request),
            Event::Head { side, end } => self.step(format!("response {end}"), host, side),
            Event::Data { side, data, end } => {
                self.step(format!("data {} {end}", String::from_utf8_lossy(data)), host, side)
            }
            Event::Trailers { side } => self.step("trailers".to_owned(), host, side),
            Event::Log => self.step("log".to_owned(), host, Side::Request),
            Event::Done => self.step("done".to_owned(), host, Side::Request),
            Event::Woken => {
                host.resume(Side::Request);
                Step::Continue
            }
            Event::Called { .. } | Event::Timer { .. } => Step::Continue,
        }
    }
}

struct Scripts {
    name: &'static str,
    script: Script,
    seen: Seen,
    body: bool,
}

impl Factory for Scripts {
    fn filter(&self, _: &Start<'_>) -> Option<Box<dyn Filter>> {
        let (script, seen) = (self.script.clone(), self.seen.clone());
        Some(Box::new(Scripted { name: self.name, script, seen, body: self.body }))
    }
}

struct NoRoute;

impl Around for NoRoute {
    fn route(&mut self, _: &RequestHead) -> Option<Arc<Route>> {
        None
    }
    fn cluster(&self) -> Option<Arc<str>> {
        None
    }
    fn clear_route(&mut self) {}
    fn has_cluster(&self, _: &str) -> bool {
        false
    }
}

/// Two filters, `a` and `b`, with their scripts, and what came of a request whose head was fed.
struct Bench {
    stream: Stream,
    seen: Seen,
}

impl Bench {
    fn new(a: &[&'static str], b: &[&'static str], end: bool) -> Self {
        Self::with_interest(a, b, end, true)
    }

    fn with_interest(a: &[&'static str], b: &[&'static str], end: bool, body: bool) -> Self {
        let seen = Seen::default();
        let place = |name: &'static str, script: &[&'static str]| {
            let script = Rc::new(RefCell::new(script.to_vec()));
            let factory = Rc::new(Scripts { name, script, seen: seen.clone(), body });
            Place::new(name.into(), factory, None)
        };
        let head = RequestHead {
            method: Method::GET,
            target: PathAndQuery::from_static("/"),
            authority: HeaderValue::from_static("a"),
            scheme: Scheme::Http,
            headers: HeaderMap::from_iter([(header::CONTENT_LENGTH, HeaderValue::from_static("3"))]),
            version: Version::HTTP_11,
        };
        let connection =
            ConnectionInfo { remote: "r".into(), local: "l".into(), server_name: None, tls: false };
        let info = Info::new(Rc::new(connection));
        let stream = Stream::start(vec![place("a", a), place("b", b)], head, end, info, &mut NoRoute);
        Self { stream, seen }
    }

    fn data(&mut self, data: &'static str, end: bool) {
        self.stream.data(Side::Request, Bytes::from_static(data.as_bytes()), end, &mut NoRoute);
    }

    fn trailers(&mut self) {
        self.stream.trailers(Side::Request, HeaderMap::new(), &mut NoRoute);
    }

    /// Has a filter resume the request.
    fn resume(&mut self, place: usize) {
        FilterWaker::new(self.stream.signal(), place).wake();
        self.stream.settle(&mut NoRoute);
    }

    /// Takes out what has passed, as short words.
    fn passed(&mut self) -> Vec<String> {
        let mut passed = Vec::new();
        if let Some((_, end)) = self.stream.request_out() {
            passed.push(format!("head {end}"));
        }
        while let Some(part) = self.stream.next_part(Side::Request) {
            passed.push(match part {
                Part::Head { .. } => panic!("a second head"),
                Part::Data { data, end } => format!("data {} {end}", String::from_utf8_lossy(&data)),
                Part::Trailers => "trailers".to_owned(),
            });
        }
        passed
    }

    fn seen(&self) -> Vec<String> {
        self.seen.take()
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn everything_passes_in_order_when_nobody_holds_it() {
    let mut bench = Bench::new(&[], &[], false);
    bench.data("1", false);
    bench.data("2", false);
    bench.trailers();
    assert_eq!(bench.passed(), ["head false", "data 1 false", "data 2 false", "trailers"]);
    let order = ["a head false", "b head false", "a data 1 false", "b data 1 false"];
    assert_eq!(bench.seen()[..4], order);
}

#[test]
fn a_head_that_stops_all_is_kept_whatever_a_data_callback_would_say() {
    let mut bench = Bench::new(&["all", "continue"], &[], false);
    bench.data("1", false);
    bench.data("2", true);
    assert_eq!(bench.passed(), NOTHING);
    assert_eq!(bench.seen(), ["a head false"], "no data is shown before the filter resumes");
    bench.resume(0);
    assert_eq!(bench.passed(), ["head false", "data 12 true"]);
    assert_eq!(bench.seen(), ["b head false", "a data 12 true", "b data 12 true"]);
}

#[test]
fn a_filter_stops_again_at_the_data_that_was_collected() {
    let mut bench = Bench::new(&["all", "buffer", "buffer"], &[], false);
    bench.data("1", false);
    bench.resume(0);
    assert_eq!(bench.passed(), ["head false"]);
    bench.data("2", true);
    assert_eq!(bench.passed(), NOTHING);
    bench.resume(0);
    assert_eq!(bench.passed(), ["data 12 true"]);
}

#[test]
fn a_held_head_is_edited_at_the_data_and_goes_on_with_it() {
    let mut bench = Bench::new(&["head", "buffer", "edit"], &[], false);
    bench.data("1", false);
    assert_eq!(bench.passed(), NOTHING);
    bench.data("2", true);
    let (head, end) = bench.stream.request_out().unwrap();
    assert_eq!((head.headers["x-edit"].as_bytes(), end), (&b"1"[..], false));
    assert_eq!(head.headers[header::CONTENT_LENGTH], "2", "the length is that of the data");
    assert_eq!(bench.passed(), ["data 12 true"]);
    assert_eq!(
        bench.seen(),
        ["a head false", "a data 1 false", "a data 12 true", "b head false", "b data 12 true"]
    );
}

#[test]
fn what_was_shown_goes_to_the_next_filter_when_resumed() {
    let mut bench = Bench::new(&["head", "buffer"], &[], false);
    bench.data("1", false);
    bench.resume(0);
    assert_eq!(bench.passed(), ["head false", "data 1 false"]);
    bench.resume(0);
    bench.data("2", true);
    assert_eq!(bench.passed(), ["data 2 true"]);
    assert_eq!(bench.seen()[2..4], ["b head false", "b data 1 false"]);
}

#[test]
fn two_filters_hold_different_parts() {
    let mut bench = Bench::new(&["continue", "buffer"], &["head"], false);
    bench.data("1", false);
    bench.resume(0);
    assert_eq!(bench.passed(), ["head false", "data 1 false"], "b continues at the data");
    let mut bench = Bench::new(&["continue", "buffer"], &["all"], false);
    bench.data("1", false);
    bench.resume(0);
    assert_eq!(bench.passed(), NOTHING);
    bench.data("2", true);
    bench.resume(1);
    assert_eq!(bench.passed(), ["head false", "data 12 true"]);
}

#[test]
fn a_buffer_shows_all_and_a_watermark_what_is_new() {
    let mut bench = Bench::new(&["", "watermark", "watermark", "buffer"], &[], false);
    for (data, end) in [("1", false), ("2", false), ("3", false), ("4", true)] {
        bench.data(data, end);
    }
    assert_eq!(bench.passed(), ["head false", "data 1234 true"]);
    let seen: Vec<String> = bench.seen().into_iter().filter(|seen| seen.starts_with("a data")).collect();
    assert_eq!(seen, ["a data 1 false", "a data 2 false", "a data 3 false", "a data 1234 true"]);
}

#[test]
fn data_that_a_filter_takes_goes_on_only_as_it_makes_it() {
    let mut bench = Bench::new(&["", "mine", "finish"], &[], false);
    bench.data("1", false);
    bench.data("2", true);
    assert_eq!(bench.passed(), ["head false", "data fin true"]);
    bench.resume(0);
    assert_eq!(bench.passed(), NOTHING, "the message has ended already");
    let mut bench = Bench::new(&["", "mine"], &[], false);
    bench.data("1", true);
    bench.resume(0);
    assert_eq!(bench.passed(), ["head false", "data  true"]);
}

#[test]
fn data_of_a_filter_goes_before_what_it_is_shown_and_behind_a_head() {
    let mut bench = Bench::new(&["inject"], &[], true);
    assert_eq!(bench.passed(), ["head false", "data own false", "data  true"]);
    bench = Bench::new(&["head", "inject"], &[], false);
    bench.data("1", true);
    assert_eq!(bench.passed(), ["head false", "data own false", "data 1 true"]);
}

#[test]
fn trailers_are_made_at_the_last_data() {
    let mut bench = Bench::new(&["", "trailers"], &[], false);
    bench.data("1", true);
    assert_eq!(bench.passed(), ["head false", "data 1 false", "trailers"]);
    assert_eq!(bench.seen().last().unwrap(), "b trailers");
}

#[test]
fn an_end_without_data_is_not_lost() {
    let mut bench = Bench::new(&["all"], &[], true);
    bench.resume(0);
    assert_eq!(bench.passed(), ["head true"]);
    let mut bench = Bench::new(&["continue", "buffer"], &[], false);
    bench.data("1", false);
    bench.data("", true);
    assert_eq!(bench.passed(), ["head false", "data 1 true"]);
}

#[test]
fn held_trailers_keep_their_place() {
    for (script, shown) in [(["head", "buffer", "buffer"], 1), (["all", "", ""], 0)] {
        let mut bench = Bench::new(&script, &[], false);
        bench.data("1", false);
        bench.trailers();
        assert_eq!(bench.passed(), NOTHING);
        let before = bench.seen().iter().filter(|seen| *seen == "a trailers").count();
        bench.resume(0);
        assert_eq!(bench.passed(), ["head false", "data 1 false", "trailers"]);
        let after = bench.seen().iter().filter(|seen| *seen == "a trailers").count();
        assert_eq!((before, after), (shown, 1 - shown), "shown once, held or not");
    }
}

#[test]
fn a_filter_without_interest_in_bodies_collects_unseen() {
    let mut bench = Bench::with_interest(&["all"], &[], false, false);
    assert!(!bench.stream.wants_more(Side::Request));
    bench.data("1", true);
    assert_eq!(bench.passed(), NOTHING);
    bench.resume(0);
    assert_eq!(bench.passed(), ["head false", "data 1 true"]);
    assert_eq!(bench.seen(), ["a head false", "b head false"]);
}

#[test]
fn a_client_is_read_up_to_the_limit_of_a_filter_that_waits() {
    let mut bench = Bench::new(&["all"], &[], false);
    bench.stream.state.limits[0] = [2, 2];
    bench.data("1", false);
    assert!(bench.stream.wants_more(Side::Request));
    bench.data("2", false);
    assert!(!bench.stream.wants_more(Side::Request) && bench.stream.take_reply().is_none());
    let mut bench = Bench::new(&["", "buffer", "buffer"], &[], false);
    bench.stream.state.limits[0] = [1, 1];
    bench.data("1", false);
    bench.data("2", false);
    assert_eq!(bench.stream.take_reply().unwrap().status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[test]
fn the_first_answer_counts_and_nothing_passes_it() {
    let mut bench = Bench::new(&[], &["reply"], false);
    assert_eq!(bench.passed(), NOTHING);
    assert_eq!(bench.stream.take_reply().unwrap().body, "b");
    bench.stream.answer(LocalReply::new(StatusCode::OK, "second"));
    bench.data("1", true);
    assert!(bench.stream.take_reply().is_none() && bench.stream.has_replied());
    assert_eq!(bench.passed(), NOTHING);
}

#[test]
fn another_answer_does_not_hold_up_the_first() {
    let mut bench = Bench::new(&["", ""], &["reply", "reply"], false);
    assert_eq!(bench.stream.take_reply().unwrap().body, "b");
    let head = ResponseHead { status: StatusCode::FORBIDDEN, headers: HeaderMap::new() };
    bench.stream.response_head(head, true, &mut NoRoute);
    assert!(bench.stream.take_reply().is_none());
    assert_eq!(bench.stream.response_out().unwrap().0.status, StatusCode::FORBIDDEN);
}

#[test]
fn a_response_runs_backwards_through_the_filters_that_exist() {
    let head = || ResponseHead { status: StatusCode::OK, headers: HeaderMap::new() };
    let mut bench = Bench::new(&["reply"], &[], true);
    bench.seen();
    bench.stream.response_head(head(), true, &mut NoRoute);
    assert_eq!(bench.seen(), ["a response true"], "the request never reached b");
    let mut bench = Bench::new(&[], &[], true);
    bench.seen();
    bench.stream.response_head(head(), true, &mut NoRoute);
    assert_eq!(bench.seen(), ["b response true", "a response true"]);
    assert!(bench.stream.response_out().unwrap().1);
}

#[test]
fn at_the_end_all_log_before_one_is_done() {
    let mut bench = Bench::new(&["all"], &[], false);
    bench.seen();
    let outcome = Outcome {
        code: 0,
        flags: "DC".to_owned(),
        received: 0,
        sent: 0,
        duration: std::time::Duration::ZERO,
        cluster: None,
        complete: false,
    };
    bench.stream.finish(outcome, &mut NoRoute);
    assert_eq!(bench.seen(), ["a log", "a done"], "the request never reached b");
    bench.data("1", true);
    bench.resume(0);
    assert_eq!(bench.passed(), NOTHING);
}
