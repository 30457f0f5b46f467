//! Changes of configuration under traffic: nothing fails, the bad is refused singly, and what is there stays.

#![allow(clippy::unwrap_used, reason = "a helper that cannot do its work fails the test")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use gatewright_gateway::{GatewayError, GatewayOptions, run};
use gatewright_testkit::EchoBackend;
use gatewright_testkit::http::Call;
use gatewright_testkit::wait::eventually;
use gatewright_xds::envoy::config::route::v3::{RouteMatch, VirtualHost, route_match};
use gatewright_xds::envoy::r#type::matcher::v3::RegexMatcher;
use gatewright_xds::{Resource, type_url};
use support::resources::*;
use support::{ControlPlane, Rig, SOON};

const HOST: &str = "a.example.com";

fn all_to(domain: &str, cluster: &str) -> Resource {
    host(HTTP_ROUTES, domain, vec![to(prefix("/"), forward(cluster))])
}

fn rig(backend: &EchoBackend) -> Rig {
    Rig::start(world(vec![all_to(HOST, "a")], vec![upstream("a", &[backend.address()])]))
}

/// Clients that ask in a loop on connections of their own, until dropped.
struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
    good: Arc<AtomicU64>,
    failures: Arc<std::sync::Mutex<Vec<String>>>,
}

impl Load {
    fn start(address: SocketAddr, clients: usize) -> Self {
        let (stop, good, failures) =
            (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default(), Arc::default());
        let threads = (0..clients)
            .map(|_| {
                let (stop, good) = (stop.clone(), good.clone());
                let failures: Arc<std::sync::Mutex<Vec<String>>> = Arc::clone(&failures);
                std::thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        match Call::get(address, HOST, "/load").send() {
                            Ok(answer) if answer.status == 200 => drop(good.fetch_add(1, Ordering::Relaxed)),
                            other => failures.lock().unwrap().push(format!("{other:?}")),
                        }
                    }
                })
            })
            .collect();
        Self { stop, threads, good, failures }
    }

    /// Ends the clients; returns how many requests were good, and what failed.
    fn finish(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
        (self.good.load(Ordering::Relaxed), self.failures.lock().unwrap().clone())
    }
}

#[test]
fn no_request_fails_while_everything_changes() {
    let backends = [EchoBackend::start("a"), EchoBackend::start("b")];
    let rig = Rig::start(world(
        vec![all_to(HOST, "a")],
        backends.iter().map(|backend| upstream(backend.name(), &[backend.address()])).collect(),
    ));
    let load = Load::start(rig.http(), 4);
    // On a busy machine the clients need longer to notice anything.
    let enough =
        |round: &usize| *round < 60 || !round.is_multiple_of(6) || load.good.load(Ordering::Relaxed) < 100;
    for round in (0..).take_while(enough) {
        let target = ["a", "b"][round % 2];
        match round % 6 {
            0 | 1 => rig.control.put(vec![all_to(HOST, target)]),
            2 => rig.control.put(vec![endpoints("a", &[backends[1].address()])]),
            3 => rig.control.put(vec![endpoints("a", &backends.each_ref().map(EchoBackend::address))]),
            4 => {
                let mut cluster = eds_cluster("b", round % 12 == 4);
                cluster.connect_timeout = Some(Duration::from_secs(1 + round as u64).into());
                rig.control.put(vec![Resource::of(&cluster)]);
            }
            _ => {
                let mut manager = manager(HTTP_ROUTES, vec![cors_filter()]);
                manager.server_name = format!("round {round}");
                rig.control.put(vec![Resource::of(&listener_with(HTTP, 0, &manager))]);
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    rig.control.settle();
    assert!(rig.get(HOST, "/").header("server").is_some_and(|server| server.starts_with("round")));
    let (good, failures) = load.finish();
    assert_eq!(failures, Vec::<String>::new());
    assert!(good >= 100, "{good}");
    assert_eq!(rig.control.rejections(), Vec::<String>::new());
}

#[test]
fn a_rejected_resource_leaves_its_predecessor_and_the_rest_is_applied() {
    let backend = EchoBackend::start("a");
    let rig = rig(&backend);
    let broken = RouteMatch {
        path_specifier: Some(route_match::PathSpecifier::SafeRegex(RegexMatcher {
            regex: "a(".to_owned(),
            ..RegexMatcher::default()
        })),
        ..RouteMatch::default()
    };
    rig.control.put(vec![
        host(HTTP_ROUTES, HOST, vec![to(prefix("/"), forward("a")), to(broken, forward("a"))]),
        all_to("new.example.com", "a"),
    ]);
    let text = rig.control.rejection(HOST);
    assert!(text.starts_with("http.80/a.example.com: GW0701 routes[1].match.safe_regex.regex:"), "{text}");
    assert!(!text.contains("new.example.com"));
    assert_eq!(rig.get(HOST, "/").status, 200);
    assert_eq!(rig.get_until("new.example.com", "/", 200).status, 200);
    let mut cluster = eds_cluster("a", false);
    cluster.outlier_detection = Some(Default::default());
    cluster.lb_policy = 2;
    rig.control.put(vec![Resource::of(&cluster)]);
    assert!(rig.control.rejection("a: GW0701").contains("lb_policy"));
    cluster.lb_policy = 1;
    rig.control.put(vec![Resource::of(&cluster)]);
    rig.control.rejection("a: GW0701 outlier_detection: is not supported");
    let mut manager = manager(HTTP_ROUTES, vec![]);
    manager.xff_num_trusted_hops = 1;
    rig.control.put(vec![Resource::of(&listener_with(HTTP, 0, &manager))]);
    rig.control.rejection(
        "0.0.0.0_80: GW0701 filter_chains[0].filters[0].typed_config.xff_num_trusted_hops: is not supported",
    );
    assert_eq!(rig.get(HOST, "/").status, 200);
    let metrics = rig.admin("/stats/prometheus").text();
    assert!(metrics.contains("gatewright_xds_rejected_resources_total{type=\"Cluster\"} 2"), "{metrics}");
}

#[test]
fn rejected_endpoints_leave_their_predecessors() {
    let backend = EchoBackend::start("a");
    let rig = rig(&backend);
    let nowhere = SocketAddr::from((backend.address().ip(), 0));
    rig.control.put(vec![endpoints("a", &[nowhere])]);
    assert!(rig.control.rejection("a: GW0701").contains("port_value"));
    assert_eq!(rig.get(HOST, "/").status, 200);
}

#[test]
fn a_domain_moves_between_hosts_without_a_gap() {
    let backend = EchoBackend::start("a");
    let rig = rig(&backend);
    let named = |name: &str, domains: &[&str]| {
        Resource::of(&VirtualHost {
            name: format!("{HTTP_ROUTES}/{name}"),
            domains: domains.iter().map(ToString::to_string).collect(),
            routes: vec![to(prefix("/"), forward("a"))],
            ..VirtualHost::default()
        })
    };
    let load = Load::start(rig.http(), 2);
    for _ in 0..20 {
        rig.control
            .exchange(&[(type_url::VIRTUAL_HOST, "http.80/a.example.com")], vec![named("other", &[HOST])]);
        rig.control.settle();
        rig.control.exchange(&[(type_url::VIRTUAL_HOST, "http.80/other")], vec![all_to(HOST, "a")]);
        rig.control.settle();
    }
    let (good, failures) = load.finish();
    assert_eq!((failures, good > 20), (Vec::new(), true));
    assert_eq!(rig.control.rejections(), Vec::<String>::new());
}

#[test]
fn removed_things_are_gone() {
    let backend = EchoBackend::start("a");
    let rig = rig(&backend);
    rig.control.put(vec![all_to("b.example.com", "a")]);
    rig.get_until("b.example.com", "/", 200);
    rig.control.remove(type_url::VIRTUAL_HOST, "http.80/b.example.com");
    rig.get_until("b.example.com", "/", 404);
    rig.control.exchange(&[(type_url::CLUSTER, "a"), (type_url::ENDPOINT, "a")], vec![]);
    let answer = rig.get_until(HOST, "/", 503);
    assert_eq!(answer.text(), "");
}

#[test]
fn only_a_new_address_moves_a_listener() {
    let backend = EchoBackend::start("a");
    let rig = rig(&backend);
    let old = rig.http();
    let mut manager = manager(HTTP_ROUTES, vec![]);
    manager.server_name = "changed".to_owned();
    rig.control.put(vec![Resource::of(&listener_with(HTTP, 0, &manager))]);
    eventually("the new settings", SOON, || {
        let server = rig.get(HOST, "/").header("server");
        if server.as_deref() == Some("changed") { Ok(()) } else { Err(format!("{server:?}")) }
    });
    assert_eq!(rig.http(), old);
    let port = gatewright_testkit::free_port();
    rig.control.put(vec![Resource::of(&listener_with(HTTP, port, &manager))]);
    eventually("the new port", SOON, || match rig.http().port() == port {
        true => Ok(()),
        false => Err(rig.http().to_string()),
    });
    assert_eq!(rig.get(HOST, "/").status, 200);
    eventually("the end of the old port", SOON, || {
        match std::net::TcpStream::connect_timeout(&old, Duration::from_secs(1)) {
            Ok(_) => Err("it still accepts".to_owned()),
            Err(_) => Ok(()),
        }
    });
}

#[test]
fn readiness_comes_with_the_last_missing_piece() {
    let backend = EchoBackend::start("a");
    let all = world(vec![all_to(HOST, "a")], vec![upstream("a", &[backend.address()])]);
    // The cluster's endpoints are not there, and the server says nothing about them.
    let (without, rest): (Vec<Resource>, Vec<Resource>) =
        all.into_iter().partition(|resource| resource.type_url() != type_url::LISTENER);
    let rig = Rig::launch(without, |_| {});
    let mut manager = manager(HTTP_ROUTES, vec![]);
    manager.route_specifier = Some(gatewright_xds::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier::Rds(
        gatewright_xds::envoy::extensions::filters::network::http_connection_manager::v3::Rds {
            config_source: Some(ads()),
            route_config_name: "later".to_owned(),
        },
    ));
    eventually("an empty configuration", SOON, || {
        if rig.gateway().is_ready() { Ok(()) } else { Err(String::new()) }
    });
    drop(rig);
    let waiting = Rig::launch(vec![Resource::of(&listener_with(HTTP, 0, &manager))], |_| {});
    eventually("what is missing", SOON, || {
        let answer = waiting.admin("/ready");
        let text = answer.text();
        if answer.status == 503 && text.contains("missing: route configuration later") {
            Ok(())
        } else {
            Err(text)
        }
    });
    assert!(waiting.gateway().listeners().is_empty(), "nothing listens before its routes are there");
    let later = host("later", HOST, vec![to(prefix("/"), forward("a"))]);
    let mut all = rest;
    all.clear();
    all.extend([routes("later"), later]);
    all.extend(upstream("a", &[backend.address()]));
    waiting.control.put(all);
    waiting.wait_until_ready();
    assert_eq!(waiting.admin("/ready").text(), "LIVE\n");
    assert_eq!(waiting.get(HOST, "/").status, 200);
}

#[test]
fn a_taken_port_is_an_error_that_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let control = ControlPlane::start(vec![
        Resource::of(&listener_with(HTTP, address.port(), &manager(HTTP_ROUTES, vec![]))),
        routes(HTTP_ROUTES),
    ]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let gateway = run(GatewayOptions::new(control.url(), "test")).unwrap();
    let error = runtime.block_on(gateway.ready()).unwrap_err();
    assert_eq!(error.to_string(), format!("listener 0.0.0.0_80 cannot listen on {address}"));
    assert!(control.rejection("0.0.0.0_80").contains(&format!("GW0701 address: cannot listen on {address}")));
    drop(taken);
    runtime.block_on(gateway.shutdown(Duration::ZERO));

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = GatewayOptions::new(control.url(), "test");
    options.admin = vec![taken.local_addr().unwrap()];
    let Err(GatewayError::Admin { address, .. }) = run(options) else { panic!("the admin port is taken") };
    assert_eq!(address, taken.local_addr().unwrap());
}

#[test]
fn two_gateways_do_not_share_a_port_by_accident() {
    let backend = EchoBackend::start("a");
    let first = rig(&backend);
    let port = first.http().port();
    let second = Rig::launch(
        vec![Resource::of(&listener_with(HTTP, port, &manager(HTTP_ROUTES, vec![]))), routes(HTTP_ROUTES)],
        |_| {},
    );
    second.control.rejection("cannot listen on");
}

#[test]
fn a_lost_server_stops_nothing_and_is_found_again() {
    let backend = EchoBackend::start("a");
    let mut rig = rig(&backend);
    let address = rig.control.url();
    let all = |cluster: &str| world(vec![all_to(HOST, cluster)], vec![upstream("a", &[backend.address()])]);
    rig.control = ControlPlane::start(vec![]);
    eventually("the loss", SOON, || match rig.gateway().is_connected() {
        true => Err("still connected".to_owned()),
        false => Ok(()),
    });
    assert_eq!(rig.get(HOST, "/").status, 200);
    rig.control = ControlPlane::start_on(&address, all("missing"));
    rig.get_until(HOST, "/", 503);
}

#[test]
fn requests_under_way_are_finished_before_the_end() {
    let backend = EchoBackend::start("a");
    let rig = rig(&backend);
    let address = rig.http();
    let slow = std::thread::spawn(move || {
        Call::get(address, HOST, "/last").header("x-echo-delay-ms", "500").send().map(|answer| answer.status)
    });
    eventually("the request upstream", SOON, || {
        if backend.requests().is_empty() { Err("not there".to_owned()) } else { Ok(()) }
    });
    let log = rig.shutdown(Duration::from_secs(5));
    assert_eq!(slow.join().unwrap(), Ok(200));
    assert_eq!(log.line("/last")["response_code"], 200);
    assert!(Call::get(address, HOST, "/").send().is_err());
}

#[test]
fn what_does_not_end_in_time_is_cut_off() {
    let backend = EchoBackend::start("a");
    let rig = rig(&backend);
    let address = rig.http();
    let slow = std::thread::spawn(move || {
        Call::get(address, HOST, "/cut").header("x-echo-delay-ms", "8000").send().map(|answer| answer.status)
    });
    eventually("the request upstream", SOON, || {
        if backend.requests().is_empty() { Err("not there".to_owned()) } else { Ok(()) }
    });
    let start = std::time::Instant::now();
    rig.shutdown(Duration::from_millis(100));
    assert!(start.elapsed() < Duration::from_secs(3));
    assert!(slow.join().unwrap().is_err());
}
