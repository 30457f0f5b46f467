//! The life of filters' configurations: loaded once, attached to each worker, discovered, switched by routes.

#![allow(clippy::unwrap_used, reason = "a helper that cannot do its work fails the test")]

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gatewright_gateway::stream::{Event, Host, Side, Step};
use gatewright_testkit::EchoBackend;
use gatewright_testkit::http::{Call, Protocol};
use gatewright_testkit::wait::eventually;
use gatewright_xds::envoy::config::core::v3::{ExtensionConfigSource, TypedExtensionConfig};
use gatewright_xds::envoy::config::route::v3::{FilterConfig, Route};
use gatewright_xds::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use gatewright_xds::envoy::extensions::filters::network::http_connection_manager::v3::http_filter::ConfigType;
use gatewright_xds::google::protobuf::Any;
use gatewright_xds::{Resource, any, type_url};
use http::HeaderValue;
use support::filters::{Behaviours, Gate, Memory, Notes, ROUTE_TYPE, TYPE, TestKind, config, filter};
use support::resources::*;
use support::{Rig, SOON};

const HOST: &str = "a.example.com";
const PROTOCOLS: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

/// Marks the response with its argument, and with how many requests it has seen on its worker.
fn mark(memory: &mut Memory, event: Event<'_>, host: &mut Host<'_>) -> Step {
    if let Event::Head { side: Side::Response, .. } = event {
        memory.of_worker.set(memory.of_worker.get() + 1);
        let mark = format!("{} {}", memory.argument, memory.of_worker.get());
        host.response_mut().unwrap().headers.append("x-mark", HeaderValue::try_from(mark).unwrap());
    }
    Step::Continue
}

/// A gateway with one worker under test.
struct World {
    backend: EchoBackend,
    rig: Rig,
    notes: Notes,
    gate: Gate,
}

fn start(chain: Vec<HttpFilter>, routes: Vec<Route>) -> World {
    let backend = EchoBackend::start("a");
    let hosts = vec![host(HTTP_ROUTES, HOST, routes)];
    let mut all = world(hosts, vec![upstream("a", &[backend.address()])]);
    all[0] = listener_of(chain);
    let (notes, gate) = (Notes::default(), Gate::default());
    let behaviours = Behaviours::from([("mark", (false, false, mark as _))]);
    let kind = TestKind { behaviours, notes: notes.clone(), gate: gate.clone() };
    let rig = Rig::launch(all, |options| {
        options.filters.add(Arc::new(kind));
        options.workers = 1;
    });
    World { backend, rig, notes, gate }
}

fn listener_of(chain: Vec<HttpFilter>) -> Resource {
    Resource::of(&listener_with(HTTP, 0, &manager(HTTP_ROUTES, chain)))
}

fn everything() -> Vec<Route> {
    vec![to(prefix("/"), forward("a"))]
}

impl World {
    /// Returns the marks of a response.
    fn marks(&self, path: &str, protocol: Protocol) -> Option<String> {
        let answer = Call::get(self.rig.http(), HOST, path).protocol(protocol).send().unwrap();
        assert_eq!(answer.status, 200);
        answer.header("x-mark")
    }

    fn wait_for_marks(&self, marks: &str) {
        eventually("marks", SOON, || match self.marks("/", Protocol::Http1) {
            Some(found) if found.starts_with(marks) => Ok(()),
            other => Err(format!("{other:?}")),
        });
    }
}

#[test]
fn what_a_worker_keeps_lives_as_long_as_the_configuration() {
    let world = start(vec![filter("f", "mark A")], everything());
    world.rig.wait_until_ready();
    for (count, protocol) in [(1, Protocol::Http1), (2, Protocol::Http2), (3, Protocol::Http1)] {
        assert_eq!(world.marks("/", protocol), Some(format!("A {count}")));
    }
    // Another setting of the listener, and the same configuration.
    let mut other = manager(HTTP_ROUTES, vec![filter("f", "mark A")]);
    other.server_name = "other".to_owned();
    world.rig.control.put(vec![Resource::of(&listener_with(HTTP, 0, &other))]);
    world.rig.control.settle();
    assert_eq!(world.marks("/", Protocol::Http1).as_deref(), Some("A 4"));
    assert_eq!((world.notes.count("load mark A"), world.notes.count("attach A 0")), (1, 1));

    let address = world.rig.http();
    let slow = std::thread::spawn(move || {
        Call::get(address, HOST, "/slow").header("x-echo-delay-ms", "700").send().unwrap()
    });
    eventually("the slow request", SOON, || {
        let requests = world.backend.take_requests();
        requests.into_iter().find(|request| request.path == "/slow").ok_or("none".to_owned())
    });
    world.rig.control.put(vec![listener_of(vec![filter("f", "mark B")])]);
    world.notes.wait_for("attach B 0", 1);
    assert_eq!(world.notes.count("detach A 0"), 0, "a stream still uses it");
    world.wait_for_marks("B 1");
    assert_eq!(slow.join().unwrap().header("x-mark").as_deref(), Some("A 5"));
    world.notes.wait_for("detach A 0", 1);
}

#[test]
fn a_kind_that_takes_its_time_holds_up_its_listener_alone() {
    let world = start(vec![filter("f", "mark A")], everything());
    world.rig.wait_until_ready();
    world.rig.control.put(vec![listener_of(vec![filter("f", "loading mark B")])]);
    world.notes.wait_for("load loading mark B", 1);
    let mut route = to(prefix("/"), forward("a"));
    route.response_headers_to_add = vec![set("x-new", "yes")];
    world.rig.control.put(vec![host(HTTP_ROUTES, HOST, vec![route])]);
    eventually("the new route", SOON, || {
        let answer = world.rig.get(HOST, "/");
        assert!(answer.header("x-mark").unwrap().starts_with('A'));
        answer.header("x-new").ok_or("not yet".to_owned())
    });
    world.rig.control.settle();
    assert_eq!(world.notes.count("attach B 0"), 0);
    world.gate.open();
    world.wait_for_marks("B 1");
    world.notes.wait_for("detach A 0", 1);
}

#[test]
fn a_gateway_is_ready_when_its_filters_are_loaded() {
    let world = start(vec![filter("f", "loading mark A")], everything());
    world.notes.wait_for("load loading mark A", 1);
    eventually("the listener alone", SOON, || match world.rig.gateway().missing() {
        missing if missing == [format!("listener {HTTP}")] => Ok(()),
        missing => Err(format!("{missing:?}")),
    });
    world.gate.open();
    world.rig.wait_until_ready();
    assert_eq!(world.marks("/", Protocol::Http1).as_deref(), Some("A 1"));
}

#[test]
fn what_cannot_be_loaded_leaves_its_predecessor() {
    let world = start(vec![filter("f", "mark A")], everything());
    world.rig.wait_until_ready();
    world.gate.open();
    for (text, reason) in
        [("loading fails", "cannot be loaded"), ("loading panics", "by a fault of the filter's kind")]
    {
        world.rig.control.put(vec![listener_of(vec![filter("f", text)])]);
        eventually("the rejection", SOON, || {
            let dump = world.rig.admin("/config_dump").text();
            if dump.contains(reason) { Ok(()) } else { Err("not in the dump".to_owned()) }
        });
        assert!(world.marks("/", Protocol::Http1).unwrap().starts_with('A'));
    }
    world.rig.control.put(vec![listener_of(vec![filter("f", "mark C")])]);
    world.wait_for_marks("C 1");
}

fn discovered(default: Option<&str>, types: &[&str]) -> HttpFilter {
    HttpFilter {
        name: "plugin".to_owned(),
        config_type: Some(ConfigType::ConfigDiscovery(ExtensionConfigSource {
            config_source: Some(ads()),
            default_config: default.map(config),
            type_urls: types.iter().map(ToString::to_string).collect(),
            ..ExtensionConfigSource::default()
        })),
        ..HttpFilter::default()
    }
}

fn extension(config: Any) -> Resource {
    Resource::of(&TypedExtensionConfig { name: "plugin".to_owned(), typed_config: Some(config) })
}

/// Asks by an open connection, and returns the marks of the response.
fn mark_on(client: &mut BufReader<TcpStream>) -> String {
    write!(client.get_mut(), "GET / HTTP/1.1\r\nhost: {HOST}\r\n\r\n").unwrap();
    let (mut mark, mut length) = (String::new(), 0);
    for line in client.by_ref().lines() {
        let line = line.unwrap().to_ascii_lowercase();
        match line.split_once(": ") {
            Some(("x-mark", value)) => mark.push_str(value),
            Some(("content-length", value)) => length = value.parse().unwrap(),
            None if line.is_empty() => break,
            _ => {}
        }
    }
    client.read_exact(&mut vec![0; length]).unwrap();
    mark
}

#[test]
fn a_discovered_configuration_changes_without_its_listener() {
    let world = start(vec![filter("f", "mark A"), discovered(None, &[TYPE])], everything());
    // The server has none, so that nothing is waited for, and nothing can be served.
    world.rig.wait_until_ready();
    for protocol in PROTOCOLS {
        let answer = Call::get(world.rig.http(), HOST, "/").protocol(protocol).send().unwrap();
        assert_eq!(answer.status, 500);
    }
    assert_eq!(world.backend.take_requests().len(), 0);
    world.rig.control.put(vec![extension(config("mark X"))]);
    world.rig.get_until(HOST, "/", 200);
    let mut client = BufReader::new(TcpStream::connect(world.rig.http()).unwrap());
    assert!(mark_on(&mut client).starts_with('x'));
    world.rig.control.put(vec![extension(config("mark Y"))]);
    eventually("the new configuration on the open connection", SOON, || {
        let mark = mark_on(&mut client);
        if mark.starts_with('y') { Ok(()) } else { Err(mark) }
    });
    world.notes.wait_for("detach X 0", 1);
    assert_eq!(world.notes.count("load mark A"), 1, "the listener was not read again");

    world.rig.control.put(vec![extension(config("nonsense"))]);
    world.rig.control.rejection("plugin: GW0701 value: names no filter");
    world.rig.control.put(vec![extension(Any { type_url: cors_filter_type(), value: Bytes::new() })]);
    world.rig.control.rejection("is not among the filter's type_urls");
    assert!(mark_on(&mut client).starts_with('y'));
    world.rig.control.remove(type_url::EXTENSION_CONFIG, "plugin");
    world.rig.get_until(HOST, "/", 500);
}

fn cors_filter_type() -> String {
    match cors_filter().config_type {
        Some(ConfigType::TypedConfig(any)) => any.type_url,
        _ => panic!("it has a configuration of its own"),
    }
}

#[test]
fn a_default_holds_while_nothing_is_discovered() {
    let world = start(vec![discovered(Some("mark D"), &[TYPE])], everything());
    world.rig.wait_until_ready();
    assert_eq!(world.marks("/", Protocol::Http1).as_deref(), Some("D 1"));
    world.rig.control.put(vec![extension(config("loading mark X"))]);
    world.notes.wait_for("load loading mark X", 1);
    world.rig.control.settle();
    assert_eq!(world.marks("/", Protocol::Http1).as_deref(), Some("D 2"));
    world.gate.open();
    world.wait_for_marks("X 1");
    world.rig.control.remove(type_url::EXTENSION_CONFIG, "plugin");
    world.wait_for_marks("D");
}

fn with_filter(path: &str, filter: &str, config: Any) -> Route {
    let mut route = to(prefix(path), forward("a"));
    route.typed_per_filter_config = [(filter.to_owned(), config)].into();
    route
}

fn of_route(text: &str) -> Any {
    Any { type_url: ROUTE_TYPE.to_owned(), value: Bytes::copy_from_slice(text.as_bytes()) }
}

fn switched(config: Option<Any>, disabled: bool) -> Any {
    any(&FilterConfig { config, disabled, ..FilterConfig::default() })
}

#[test]
fn routes_switch_filters_on_and_off() {
    let off = HttpFilter { disabled: true, ..filter("off", "mark O") };
    let empty = Any { type_url: "type.googleapis.com/google.protobuf.Empty".to_owned(), value: Bytes::new() };
    let routes = vec![
        with_filter("/none", "on", switched(None, true)),
        with_filter("/set", "on", of_route("S")),
        with_filter("/both", "off", switched(Some(of_route("R")), false)),
        with_filter("/plain", "off", of_route("P")),
        with_filter("/empty", "off", switched(Some(empty), false)),
        to(prefix("/"), forward("a")),
    ];
    let world = start(vec![filter("on", "mark N"), off], routes);
    world.rig.wait_until_ready();
    for protocol in PROTOCOLS {
        for (path, expected) in
            [("/", "N"), ("/none", ""), ("/set", "S"), ("/both", "R N"), ("/plain", "P N"), ("/empty", "O N")]
        {
            let marks = world.marks(path, protocol).unwrap_or_default();
            let letters: Vec<&str> =
                marks.split([' ', ',']).filter(|word| word.parse::<u32>().is_err()).collect();
            assert_eq!(letters.join(" "), expected, "{path}");
        }
    }
    let bad = with_filter("/", "on", switched(None, false));
    world.rig.control.put(vec![host(HTTP_ROUTES, HOST, vec![bad])]);
    world.rig.control.rejection("typed_per_filter_config[on].config: is required");
    let optional = any(&FilterConfig { is_optional: true, disabled: true, ..FilterConfig::default() });
    world.rig.control.put(vec![host(HTTP_ROUTES, HOST, vec![with_filter("/", "on", optional)])]);
    world.rig.control.rejection("typed_per_filter_config[on].is_optional: is not supported");
}

#[test]
fn a_filter_that_does_not_run_is_not_even_asked() {
    let off = HttpFilter { disabled: true, ..filter("off", "mark idle") };
    let world =
        start(vec![off], vec![with_filter("/on", "off", of_route("idle")), to(prefix("/"), forward("a"))]);
    world.rig.wait_until_ready();
    for protocol in PROTOCOLS {
        assert_eq!(world.marks("/", protocol), None);
        assert_eq!(world.notes.count("asked"), 0);
        assert_eq!(world.marks("/on", protocol), None);
        assert_eq!(world.notes.count("asked"), 1);
        world.notes.take();
    }
}

#[test]
fn a_configuration_calls_and_waits_on_its_worker_until_it_goes() {
    let world = start(vec![filter("f", "mark A")], everything());
    // Attached when it comes, which at the start may be before its cluster is there.
    world.rig.wait_until_ready();
    world.rig.control.put(vec![listener_of(vec![filter("f", "mark errand a 10")])]);
    world.notes.wait_for("answered 200", 1);
    world.notes.wait_for("ticked", 1);
    world.rig.control.put(vec![listener_of(vec![filter("f", "mark errand nowhere 10")])]);
    world.notes.wait_for("there is no such cluster", 1);
    world.notes.wait_for("ticked", 2);
    world.backend.take_requests();
    world.rig.control.put(vec![listener_of(vec![filter("f", "mark errand a 400")])]);
    eventually("the call", SOON, || world.backend.take_requests().pop().ok_or("none".to_owned()));
    world.rig.control.put(vec![listener_of(vec![filter("f", "mark B")])]);
    world.notes.wait_for("detach errand a 400 0", 1);
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!((world.notes.count("answered 200"), world.notes.count("ticked")), (1, 2));
}
