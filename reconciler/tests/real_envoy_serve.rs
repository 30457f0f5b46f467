//! Real Envoy on the ADS server, in both forms of the protocol, while a client keeps sending requests.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the failure")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gatewright_reconciler::serve::{NodeStatus, ServeOptions, SnapshotServer};
use gatewright_testkit::envoy::Envoy;
use gatewright_testkit::http::Call;
use gatewright_testkit::{EchoBackend, eventually, free_port};
use gatewright_xds::envoy::config::cluster::v3::{Cluster, cluster};
use gatewright_xds::envoy::config::core::v3::{
    Address, AggregatedConfigSource, ApiVersion, ConfigSource, HeaderValue, HeaderValueOption, SocketAddress,
    address, config_source, socket_address,
};
use gatewright_xds::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint,
};
use gatewright_xds::envoy::config::listener::v3::{Filter, FilterChain, Listener, filter};
use gatewright_xds::envoy::config::route::v3::{
    Route, RouteAction, RouteConfiguration, RouteMatch, Vhds, VirtualHost, route, route_action, route_match,
};
use gatewright_xds::envoy::extensions::filters::http::router::v3::Router;
use gatewright_xds::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, Rds, http_connection_manager, http_filter,
};
use gatewright_xds::envoy::r#type::matcher::v3::RegexMatcher;
use gatewright_xds::google::protobuf::Duration as ProtoDuration;
use gatewright_xds::{Resource, XdsSnapshot, any, type_url};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const PATIENCE: Duration = Duration::from_secs(60);

fn ads() -> ConfigSource {
    ConfigSource {
        resource_api_version: ApiVersion::V3.into(),
        config_source_specifier: Some(config_source::ConfigSourceSpecifier::Ads(AggregatedConfigSource {})),
        ..ConfigSource::default()
    }
}

fn address(port: u16) -> Address {
    let socket = SocketAddress {
        address: "127.0.0.1".into(),
        port_specifier: Some(socket_address::PortSpecifier::PortValue(port.into())),
        ..SocketAddress::default()
    };
    Address { address: Some(address::Address::SocketAddress(socket)) }
}

fn cluster(name: &str) -> Cluster {
    Cluster {
        name: name.into(),
        cluster_discovery_type: Some(cluster::ClusterDiscoveryType::Type(cluster::DiscoveryType::Eds.into())),
        eds_cluster_config: Some(cluster::EdsClusterConfig { eds_config: Some(ads()), ..Default::default() }),
        connect_timeout: Some(Duration::from_secs(5).into()),
        ..Cluster::default()
    }
}

fn endpoints(name: &str, port: u16) -> ClusterLoadAssignment {
    let endpoint = Endpoint { address: Some(address(port)), ..Endpoint::default() };
    let endpoint = LbEndpoint {
        host_identifier: Some(lb_endpoint::HostIdentifier::Endpoint(endpoint)),
        ..LbEndpoint::default()
    };
    let locality = LocalityLbEndpoints { lb_endpoints: vec![endpoint], ..LocalityLbEndpoints::default() };
    ClusterLoadAssignment { cluster_name: name.into(), endpoints: vec![locality], ..Default::default() }
}

fn listener(port: u16, routes: &str) -> Listener {
    let router = HttpFilter {
        name: "envoy.filters.http.router".into(),
        config_type: Some(http_filter::ConfigType::TypedConfig(any(&Router::default()))),
        ..HttpFilter::default()
    };
    let manager = HttpConnectionManager {
        stat_prefix: "test".into(),
        http_filters: vec![router],
        route_specifier: Some(http_connection_manager::RouteSpecifier::Rds(Rds {
            config_source: Some(ads()),
            route_config_name: routes.into(),
        })),
        ..HttpConnectionManager::default()
    };
    let filter = Filter {
        name: "envoy.filters.network.http_connection_manager".into(),
        config_type: Some(filter::ConfigType::TypedConfig(any(&manager))),
    };
    let chain = FilterChain { filters: vec![filter], ..FilterChain::default() };
    Listener {
        name: format!("0.0.0.0_{port}"),
        address: Some(address(port)),
        filter_chains: vec![chain],
        ..Listener::default()
    }
}

fn routes(name: &str) -> RouteConfiguration {
    let vhds = Some(Vhds { config_source: Some(ads()) });
    RouteConfiguration { name: name.into(), vhds, ..RouteConfiguration::default() }
}

fn host(name: &str, domain: &str, cluster: &str) -> VirtualHost {
    let action = RouteAction {
        cluster_specifier: Some(route_action::ClusterSpecifier::Cluster(cluster.into())),
        ..RouteAction::default()
    };
    let everything = RouteMatch {
        path_specifier: Some(route_match::PathSpecifier::Prefix("/".into())),
        ..RouteMatch::default()
    };
    let route =
        Route { r#match: Some(everything), action: Some(route::Action::Route(action)), ..Route::default() };
    VirtualHost {
        name: name.into(),
        domains: vec![domain.into()],
        routes: vec![route],
        ..VirtualHost::default()
    }
}

/// A host that Envoy refuses because its pattern is none.
fn broken_host(name: &str, domain: &str, cluster: &str) -> VirtualHost {
    let mut broken = host(name, domain, cluster);
    let regex = RegexMatcher { regex: "(".into(), ..RegexMatcher::default() };
    if let Some(matcher) = &mut broken.routes[0].r#match {
        matcher.path_specifier = Some(route_match::PathSpecifier::SafeRegex(regex));
    }
    broken
}

/// A server, an Envoy on it, two backends, and what is published.
struct Stage {
    runtime: Runtime,
    server: SnapshotServer,
    xds_address: SocketAddr,
    port: u16,
    backends: [EchoBackend; 2],
    target: XdsSnapshot,
    envoy: Option<Envoy>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.server.close();
    }
}

impl Stage {
    /// Starts everything with one host, `a.example`, on the first backend.
    fn start(api_type: &str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let port = free_port();
        let backends = [EchoBackend::start("one"), EchoBackend::start("two")];
        let target = [
            Resource::of(&cluster("c1")),
            Resource::of(&endpoints("c1", backends[0].port())),
            Resource::of(&listener(port, "http.80")),
            Resource::of(&routes("http.80")),
            Resource::of(&host("http.80/a", "a.example", "c1")),
        ];
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let xds_address = listener.local_addr().unwrap();
        let server = serve(&runtime, listener);
        let mut stage = Self {
            runtime,
            server,
            xds_address,
            port,
            backends,
            target: target.into_iter().collect(),
            envoy: None,
        };
        stage.server.publish(stage.target.clone());
        let admin = free_port();
        stage.envoy = Some(Envoy::start(&bootstrap(api_type, admin, xds_address.port()), admin));
        assert!(stage.publish()[0].rejections.is_empty());
        stage.expect("a.example", "one");
        stage
    }

    /// Publishes the target and waits until Envoy has it.
    fn publish(&self) -> Vec<NodeStatus> {
        let version = self.server.publish(self.target.clone());
        let mut nodes = Vec::new();
        eventually("Envoy acknowledges", PATIENCE, || {
            let wait = self.server.wait_acknowledged(&version, PATIENCE);
            nodes = self.runtime.block_on(wait).unwrap();
            let done = !nodes.is_empty() && nodes.iter().all(|node| node.acknowledged);
            if done { Ok(()) } else { Err(format!("{nodes:?}")) }
        });
        nodes
    }

    fn gateway(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    fn ask(&self, host: &str) -> (u16, String) {
        ask(self.gateway(), host)
    }

    /// Checks that the next request to `host` reaches `backend`.
    fn expect(&self, host: &str, backend: &str) {
        let (status, text) = self.ask(host);
        assert!(status == 200 && text.contains(&format!("\"{backend}\"")), "{host}: {status} {text}");
    }

    fn insert(&mut self, resource: Resource) {
        self.target.insert(resource);
    }

    fn load(&self) -> Load {
        Load::start(self.gateway(), "a.example")
    }
}

fn ask(gateway: SocketAddr, host: &str) -> (u16, String) {
    match Call::get(gateway, host, "/").send() {
        Ok(answer) => (answer.status, answer.text()),
        Err(error) => (0, error),
    }
}

fn serve(runtime: &Runtime, listener: TcpListener) -> SnapshotServer {
    // Everything that may come in several responses does.
    let server = SnapshotServer::new(ServeOptions { response_budget: 1, ..ServeOptions::default() });
    let serving = server.clone();
    runtime.spawn(async move { serving.serve_tcp(listener).await.expect("serving") });
    server
}

fn bootstrap(api_type: &str, admin: u16, xds: u16) -> String {
    let at = |port: u16| json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    let source = json!({"ads": {}, "resource_api_version": "V3"});
    json!({
        "node": {"id": "envoy", "cluster": "test"},
        "admin": {"address": at(admin)},
        "dynamic_resources": {
            "ads_config": {
                "api_type": api_type,
                "transport_api_version": "V3",
                "set_node_on_first_message_only": true,
                "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}],
            },
            "cds_config": source,
            "lds_config": source,
        },
        "static_resources": {"clusters": [{
            "name": "xds",
            "connect_timeout": "1s",
            "type": "STATIC",
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }},
            "load_assignment": {"cluster_name": "xds", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": at(xds)}}]}]},
        }]},
    })
    .to_string()
}

/// Requests one after another until stopped.
struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    thread: JoinHandle<Vec<(u16, String)>>,
}

impl Load {
    fn start(gateway: SocketAddr, host: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(AtomicUsize::new(0));
        let (stopping, counting) = (stop.clone(), sent.clone());
        let thread = std::thread::spawn(move || {
            let mut failures = Vec::new();
            while !stopping.load(Ordering::Relaxed) {
                let (status, text) = ask(gateway, host);
                counting.fetch_add(1, Ordering::Relaxed);
                if status != 200 {
                    failures.push((status, text));
                }
            }
            failures
        });
        Self { stop, sent, thread }
    }

    /// Stops after some more requests and checks that none failed.
    fn finish(self) {
        let enough = self.sent.load(Ordering::Relaxed) + 20;
        eventually("twenty more requests", PATIENCE, || {
            let sent = self.sent.load(Ordering::Relaxed);
            if sent >= enough { Ok(()) } else { Err(format!("{sent} of {enough}")) }
        });
        self.stop.store(true, Ordering::Relaxed);
        let failures = self.thread.join().unwrap();
        assert!(failures.is_empty(), "{} failed, the first: {:?}", failures.len(), failures[0]);
    }
}

fn moves_between_clusters_without_a_failed_request(api_type: &str) {
    let mut stage = Stage::start(api_type);
    let load = stage.load();
    for round in 0..6 {
        let (old, new) = if round % 2 == 0 { ("c1", "c2") } else { ("c2", "c1") };
        let backend = &stage.backends[(round + 1) % 2];
        let (name, port) = (backend.name().to_owned(), backend.port());
        stage.insert(Resource::of(&cluster(new)));
        stage.insert(Resource::of(&endpoints(new, port)));
        stage.insert(Resource::of(&host("http.80/a", "a.example", new)));
        stage.target.remove(type_url::CLUSTER, old);
        stage.target.remove(type_url::ENDPOINT, old);
        assert!(stage.publish()[0].rejections.is_empty());
        stage.expect("a.example", &name);
    }
    load.finish();
}

#[test]
#[ignore = "needs GATEWRIGHT_ENVOY, which `cargo xtask test` sets"]
fn moves_between_clusters_over_delta() {
    moves_between_clusters_without_a_failed_request("DELTA_GRPC");
}

#[test]
#[ignore = "needs GATEWRIGHT_ENVOY, which `cargo xtask test` sets"]
fn moves_between_clusters_over_full_sets() {
    moves_between_clusters_without_a_failed_request("GRPC");
}

/// Changes a cluster in place, its endpoints, and the route configuration around the hosts.
fn changes_everything_in_place(api_type: &str) {
    let mut stage = Stage::start(api_type);
    let load = stage.load();
    for edition in 1..4 {
        let mut edited = cluster("c1");
        edited.connect_timeout = Some(Duration::from_secs(5 + edition).into());
        stage.insert(Resource::of(&edited));
        let start = Instant::now();
        stage.publish();
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "Envoy waited for endpoints: {:?}",
            start.elapsed()
        );
        stage.expect("a.example", "one");
    }
    stage.insert(Resource::of(&endpoints("c1", stage.backends[1].port())));
    stage.publish();
    eventually("the other endpoint", PATIENCE, || {
        let (status, text) = stage.ask("a.example");
        if status == 200 && text.contains("\"two\"") { Ok(()) } else { Err(text) }
    });
    let mut edited = routes("http.80");
    edited.request_headers_to_add = vec![HeaderValueOption {
        header: Some(HeaderValue { key: "x-added".into(), value: "yes".into(), ..HeaderValue::default() }),
        ..HeaderValueOption::default()
    }];
    stage.insert(Resource::of(&edited));
    stage.publish();
    eventually("the added header", PATIENCE, || {
        let (_, text) = stage.ask("a.example");
        if text.contains("x-added") { Ok(()) } else { Err(text) }
    });
    load.finish();
}

#[test]
#[ignore = "needs GATEWRIGHT_ENVOY, which `cargo xtask test` sets"]
fn changes_everything_in_place_over_delta() {
    changes_everything_in_place("DELTA_GRPC");
}

#[test]
#[ignore = "needs GATEWRIGHT_ENVOY, which `cargo xtask test` sets"]
fn changes_everything_in_place_over_full_sets() {
    changes_everything_in_place("GRPC");
}

#[test]
#[ignore = "needs GATEWRIGHT_ENVOY, which `cargo xtask test` sets"]
fn hosts_come_move_and_go_over_delta() {
    let mut stage = Stage::start("DELTA_GRPC");
    let load = stage.load();
    for n in 0..20 {
        stage.insert(Resource::of(&host(&format!("http.80/h{n}"), &format!("h{n}.example"), "c1")));
    }
    stage.publish();
    stage.expect("h7.example", "one");
    assert_eq!(stage.ask("nobody.example").0, 404);
    // The domain moves to another host, inside one response.
    stage.target.remove(type_url::VIRTUAL_HOST, "http.80/h7");
    stage.insert(Resource::of(&host("http.80/moved", "h7.example", "c1")));
    stage.target.remove(type_url::VIRTUAL_HOST, "http.80/h8");
    assert_eq!(stage.publish()[0].rejections, []);
    stage.expect("h7.example", "one");
    assert_eq!(stage.ask("h8.example").0, 404);
    load.finish();
}

/// One broken host among good ones, one broken cluster, each with a last good version.
fn keeps_the_last_good_version(api_type: &str) {
    let mut stage = Stage::start(api_type);
    stage.insert(Resource::of(&host("http.80/g", "g.example", "c1")));
    stage.publish();
    let load = stage.load();
    for n in 0..8 {
        stage.insert(Resource::of(&host(&format!("http.80/h{n}"), &format!("h{n}.example"), "c1")));
    }
    stage.insert(Resource::of(&broken_host("http.80/g", "g.example", "c1")));
    let nodes = stage.publish();
    let rejections = &nodes[0].rejections;
    assert_eq!(rejections.len(), 1, "{rejections:?}");
    assert_eq!(
        (rejections[0].type_url, rejections[0].resource.as_str()),
        (type_url::VIRTUAL_HOST, "http.80/g")
    );
    assert!(rejections[0].message.contains("missing )"), "{rejections:?}");
    stage.expect("g.example", "one");
    stage.expect("h3.example", "one");
    stage.insert(Resource::of(&host("http.80/g", "g.example", "c1")));
    let mut negative = cluster("c2");
    negative.connect_timeout = Some(ProtoDuration { seconds: -1, nanos: 0 });
    stage.insert(Resource::of(&negative));
    stage.insert(Resource::of(&endpoints("c2", stage.backends[1].port())));
    stage.insert(Resource::of(&cluster("c3")));
    stage.insert(Resource::of(&endpoints("c3", stage.backends[1].port())));
    stage.insert(Resource::of(&host("http.80/c", "c.example", "c3")));
    let nodes = stage.publish();
    let rejected: Vec<&str> =
        nodes[0].rejections.iter().map(|rejection| rejection.resource.as_str()).collect();
    assert_eq!(rejected, ["c2"], "{nodes:?}");
    stage.expect("c.example", "two");
    stage.expect("h3.example", "one");
    stage.insert(Resource::of(&cluster("c2")));
    stage.insert(Resource::of(&host("http.80/c", "c.example", "c2")));
    assert_eq!(stage.publish()[0].rejections, []);
    stage.expect("c.example", "two");
    load.finish();
}

#[test]
#[ignore = "needs GATEWRIGHT_ENVOY, which `cargo xtask test` sets"]
fn keeps_the_last_good_version_over_delta() {
    keeps_the_last_good_version("DELTA_GRPC");
}

#[test]
#[ignore = "needs GATEWRIGHT_ENVOY, which `cargo xtask test` sets"]
fn keeps_the_last_good_version_over_full_sets() {
    keeps_the_last_good_version("GRPC");
}

#[test]
#[ignore = "needs GATEWRIGHT_ENVOY, which `cargo xtask test` sets"]
fn a_listener_without_hosts_opens_at_once_over_delta() {
    let mut stage = Stage::start("DELTA_GRPC");
    let port = free_port();
    stage.insert(Resource::of(&listener(port, "http.empty")));
    stage.insert(Resource::of(&routes("http.empty")));
    let start = Instant::now();
    stage.publish();
    let gateway = SocketAddr::from(([127, 0, 0, 1], port));
    eventually("the second listener answers", PATIENCE, || {
        let (status, text) = ask(gateway, "a.example");
        if status == 404 { Ok(()) } else { Err(format!("{status} {text}")) }
    });
    assert!(start.elapsed() < Duration::from_secs(10), "Envoy waited for its hosts: {:?}", start.elapsed());
    // A host that comes later reaches it.
    stage.insert(Resource::of(&host("http.empty/a", "a.example", "c1")));
    stage.publish();
    let (status, text) = ask(gateway, "a.example");
    assert_eq!(status, 200, "{text}");
}

/// Envoy goes on serving while the server is away, and loses what went meanwhile once it is back.
fn survives_a_restart_of_the_server(api_type: &str) {
    let mut stage = Stage::start(api_type);
    stage.insert(Resource::of(&host("http.80/stale", "stale.example", "c1")));
    stage.publish();
    stage.expect("stale.example", "one");
    let load = stage.load();
    stage.server.close();
    let mut status = stage.server.status();
    stage
        .runtime
        .block_on(async { status.wait_for(|status| status.nodes().is_empty()).await.map(drop) })
        .unwrap();
    stage.target.remove(type_url::VIRTUAL_HOST, "http.80/stale");
    stage.insert(Resource::of(&host("http.80/new", "new.example", "c1")));
    let mut bound = None;
    eventually("the address is free again", PATIENCE, || {
        bound = stage.runtime.block_on(TcpListener::bind(stage.xds_address)).ok();
        if bound.is_some() { Ok(()) } else { Err("still in use".to_owned()) }
    });
    stage.server = serve(&stage.runtime, bound.unwrap());
    stage.publish();
    stage.expect("new.example", "one");
    assert_eq!(stage.ask("stale.example").0, 404);
    load.finish();
}

#[test]
#[ignore = "needs GATEWRIGHT_ENVOY, which `cargo xtask test` sets"]
fn survives_a_restart_over_delta() {
    survives_a_restart_of_the_server("DELTA_GRPC");
}

#[test]
#[ignore = "needs GATEWRIGHT_ENVOY, which `cargo xtask test` sets"]
fn survives_a_restart_over_full_sets() {
    survives_a_restart_of_the_server("GRPC");
}
