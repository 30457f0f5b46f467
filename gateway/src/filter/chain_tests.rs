//! The chain alone: what passes when, for every way to hold a message.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use http::uri::PathAndQuery;
use http::{HeaderValue, Method, StatusCode, Version};

use super::*;
use crate::config::Route;
use crate::filter::{FilterFactory, Interest};
use crate::message::Scheme;

/// What a filter does at its next callbacks; afterwards it continues.
type Script = Arc<Mutex<Vec<&'static str>>>;

/// Follows a script and writes down what it sees.
struct Scripted {
    name: &'static str,
    script: Script,
    seen: Rc<RefCell<Vec<String>>>,
    body: bool,
}

thread_local! {
    static SEEN: Rc<RefCell<Vec<String>>> = Rc::default();
}

impl Scripted {
    fn step(&self, what: String) -> Flow {
        self.seen.borrow_mut().push(format!("{} {what}", self.name));
        let mut script = self.script.lock().unwrap();
        if script.is_empty() {
            return Flow::Continue;
        }
        match script.remove(0) {
            "pause" => Flow::Pause,
            "reply" => Flow::Reply(LocalReply::new(StatusCode::FORBIDDEN, self.name)),
            _ => Flow::Continue,
        }
    }
}

impl Filter for Scripted {
    fn interest(&self) -> Interest {
        Interest { request_body: self.body, response_body: self.body }
    }
    fn request_headers(&mut self, _: &mut RequestHead, end: bool, _: &mut FilterContext<'_>) -> Flow {
        self.step(format!("head {end}"))
    }
    fn request_data(&mut self, data: &mut Bytes, end: bool, _: &mut FilterContext<'_>) -> Flow {
        self.step(format!("data {} {end}", String::from_utf8_lossy(data)))
    }
    fn request_trailers(&mut self, _: &mut HeaderMap, _: &mut FilterContext<'_>) -> Flow {
        self.step("trailers".to_owned())
    }
    fn response_headers(&mut self, _: &mut ResponseHead, end: bool, _: &mut FilterContext<'_>) -> Flow {
        self.step(format!("response {end}"))
    }
}

struct ScriptedFactory {
    name: &'static str,
    script: Script,
    body: bool,
}

impl FilterFactory for ScriptedFactory {
    fn filter(&self, _: &RequestHead, _: &mut FilterContext<'_>) -> Option<Box<dyn Filter>> {
        let seen = SEEN.with(Rc::clone);
        Some(Box::new(Scripted { name: self.name, script: self.script.clone(), seen, body: self.body }))
    }
}

struct NoRoute;

impl Routing for NoRoute {
    fn route(&mut self, _: &RequestHead) -> Option<Arc<Route>> {
        None
    }
    fn chosen(&self) -> Option<Arc<Route>> {
        None
    }
    fn clear(&mut self) {}
}

/// Two filters, `a` and `b`, with their scripts, and what came of a request whose head was sent in.
struct Bench {
    uses: Vec<FilterUse>,
    chain: Box<Chain>,
}

impl Bench {
    fn new(a: &[&'static str], b: &[&'static str], end: bool) -> Self {
        Self::with_interest(a, b, end, true)
    }

    fn with_interest(a: &[&'static str], b: &[&'static str], end: bool, body: bool) -> Self {
        SEEN.with(|seen| seen.borrow_mut().clear());
        let one = |name: &'static str, script: &[&'static str]| FilterUse {
            name: name.into(),
            factory: Arc::new(ScriptedFactory { name, script: Arc::new(Mutex::new(script.to_vec())), body }),
        };
        let uses = vec![one("a", a), one("b", b)];
        let head = RequestHead {
            method: Method::GET,
            target: PathAndQuery::from_static("/"),
            authority: HeaderValue::from_static("a"),
            scheme: Scheme::Http,
            headers: HeaderMap::new(),
            version: Version::HTTP_11,
        };
        let Err(chain) = Chain::start(head, end, &mut Surroundings { uses: &uses, routing: &mut NoRoute })
        else {
            panic!("the filters have something to do")
        };
        Self { uses, chain }
    }

    fn with(&mut self, call: impl FnOnce(&mut Chain, &mut Surroundings<'_>)) {
        call(&mut self.chain, &mut Surroundings { uses: &self.uses, routing: &mut NoRoute });
    }

    fn data(&mut self, data: &'static str, end: bool) {
        self.with(|chain, around| chain.request_data(Bytes::from_static(data.as_bytes()), end, around));
    }

    fn trailers(&mut self) {
        self.with(|chain, around| chain.request_trailers(HeaderMap::new(), around));
    }

    fn resume(&mut self, stage: usize) {
        self.chain.signal.push(Event::Resume { stage, side: Side::Request });
        self.with(|chain, around| chain.settle(around));
    }

    /// Takes out what has passed, as short words.
    fn passed(&mut self) -> Vec<String> {
        self.chain
            .request
            .passed
            .drain(..)
            .map(|part| match part {
                Passed::Head { end, .. } => format!("head {end}"),
                Passed::Data { data, end } => format!("data {} {end}", String::from_utf8_lossy(&data)),
                Passed::Trailers(_) => "trailers".to_owned(),
            })
            .collect()
    }

    fn seen() -> Vec<String> {
        SEEN.with(|seen| std::mem::take(&mut *seen.borrow_mut()))
    }
}

#[test]
fn everything_passes_in_order_when_nobody_holds_it() {
    let mut bench = Bench::new(&[], &[], false);
    bench.data("1", false);
    bench.data("2", false);
    bench.trailers();
    assert_eq!(bench.passed(), ["head false", "data 1 false", "data 2 false", "trailers"]);
    assert_eq!(
        Bench::seen(),
        [
            "a head false",
            "b head false",
            "a data 1 false",
            "b data 1 false",
            "a data 2 false",
            "b data 2 false",
            "a trailers",
            "b trailers"
        ]
    );
}

#[test]
fn a_held_head_goes_on_when_a_data_callback_continues() {
    let mut bench = Bench::new(&["pause", "pause", "continue"], &[], false);
    assert_eq!(bench.passed(), Vec::<String>::new());
    bench.data("1", false);
    assert_eq!(bench.passed(), Vec::<String>::new());
    bench.data("2", true);
    assert_eq!(bench.passed(), ["head false", "data 12 true"]);
    assert_eq!(
        Bench::seen(),
        ["a head false", "a data 1 false", "a data 12 true", "b head false", "b data 12 true"]
    );
}

#[test]
fn a_held_head_goes_on_when_resumed_and_data_follows() {
    let mut bench = Bench::new(&["pause", "pause"], &[], false);
    bench.data("1", false);
    bench.resume(0);
    assert_eq!(bench.passed(), ["head false", "data 1 false"]);
    bench.resume(0);
    bench.data("2", true);
    assert_eq!(bench.passed(), ["data 2 true"]);
}

#[test]
fn two_filters_hold_different_parts() {
    // `b` holds the head, then `a` holds data: resuming either one alone moves only its part.
    let mut bench = Bench::new(&["continue", "pause"], &["pause", "pause"], false);
    bench.data("1", false);
    bench.resume(0);
    assert_eq!(bench.passed(), Vec::<String>::new());
    bench.data("2", true);
    assert_eq!(bench.passed(), ["head false", "data 12 true"]);
}

#[test]
fn an_end_without_data_is_not_lost() {
    let mut bench = Bench::new(&["pause"], &[], true);
    bench.resume(0);
    assert_eq!(bench.passed(), ["head true"]);
    let mut bench = Bench::new(&["continue", "pause"], &[], false);
    bench.data("1", false);
    bench.data("", true);
    assert_eq!(bench.passed(), ["head false", "data 1 true"]);
}

#[test]
fn held_trailers_keep_their_place() {
    let mut bench = Bench::new(&["pause", "pause", "pause"], &[], false);
    bench.data("1", false);
    bench.trailers();
    assert_eq!(bench.passed(), Vec::<String>::new());
    bench.resume(0);
    assert_eq!(bench.passed(), ["head false", "data 1 false", "trailers"]);
}

#[test]
fn a_filter_without_interest_in_bodies_collects_unseen() {
    let mut bench = Bench::with_interest(&["pause"], &[], false, false);
    assert!(!bench.chain.wants_request_body());
    bench.data("1", true);
    assert_eq!(bench.passed(), Vec::<String>::new());
    bench.resume(0);
    assert_eq!(bench.passed(), ["head false", "data 1 true"]);
    assert_eq!(Bench::seen(), ["a head false", "b head false"]);
}

#[test]
fn the_first_answer_counts_and_nothing_passes_it() {
    let mut bench = Bench::new(&[], &["reply"], false);
    assert_eq!(bench.passed(), Vec::<String>::new());
    assert_eq!(bench.chain.reply.take().unwrap().body, "b");
    bench.chain.signal.push(Event::Reply(LocalReply::new(StatusCode::OK, "second")));
    bench.with(|chain, around| chain.settle(around));
    assert!(bench.chain.reply.is_none() && bench.chain.has_replied());
}

#[test]
fn a_response_runs_backwards_through_the_filters_that_exist() {
    let mut bench = Bench::new(&["reply"], &[], true);
    Bench::seen();
    let head = ResponseHead { status: StatusCode::OK, headers: HeaderMap::new() };
    bench.with(|chain, around| chain.response_head(head, true, around));
    assert_eq!(Bench::seen(), ["a response true"], "the request never reached b");
    let mut bench = Bench::new(&[], &[], true);
    Bench::seen();
    let head = ResponseHead { status: StatusCode::OK, headers: HeaderMap::new() };
    bench.with(|chain, around| chain.response_head(head, true, around));
    assert_eq!(Bench::seen(), ["b response true", "a response true"]);
}
