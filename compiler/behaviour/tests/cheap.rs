//! Cost follows the difference, not the size: counters over a large model, and the rows that one change makes.

use std::sync::Arc;

use gatewright_behaviour::testing::route_id;
use gatewright_behaviour::{BehaviourDiff, Facet, Options, diff, shadowed};
use gatewright_ir::{
    ClusterName, Discovery, Endpoint, EndpointSet, Forward, HostPattern, Ir, ListenerId, LoadBalancing,
    LoweredHost, PathMatch, Route, RouteAction, RouteMatch, RoutePolicy, Target, UpstreamCluster,
    UpstreamProtocol, VirtualHost,
};

const CLUSTERS: usize = 200;

fn cluster(index: usize) -> ClusterName {
    ClusterName::outbound(80, "", &format!("svc-{index}.shop.svc.cluster.local"))
}

fn route(host: &str, path: PathMatch, index: usize) -> Route {
    let target = Target {
        cluster: cluster(index % CLUSTERS),
        weight: 100,
        fallbacks: Vec::new(),
        request_headers: Default::default(),
        response_headers: Default::default(),
    };
    Route {
        id: route_id(&format!("shop/{host}"), &HostPattern::Any, "/"),
        name: format!("shop/{host}").into(),
        matches: RouteMatch::path(path),
        action: RouteAction::Forward(Arc::new(Forward {
            targets: vec![target],
            path_rewrite: None,
            host_rewrite: None,
        })),
        policy: Arc::default(),
        plugins: Vec::new(),
    }
}

fn put(ir: &mut Ir, name: &str, routes: Vec<Route>) {
    let host: HostPattern = name.parse().expect("a host");
    let lowered = LoweredHost::new(VirtualHost { listener: ListenerId::HTTP, host: host.clone(), routes });
    ir.hosts.insert((ListenerId::HTTP, host), Arc::new(lowered));
}

/// `hosts` names with two paths each, over 200 clusters, and a wildcard and a default host.
fn shop(hosts: usize) -> Ir {
    let mut ir = Ir::default();
    for index in 0..CLUSTERS {
        let cluster = UpstreamCluster {
            name: cluster(index),
            discovery: Discovery::Endpoints,
            protocol: UpstreamProtocol::Http1,
            load_balancing: LoadBalancing::LeastRequest,
        };
        let endpoint = Endpoint::new(format!("10.0.0.{}", index % 250), 80);
        ir.endpoints.insert(cluster.name.clone(), Arc::new(EndpointSet { endpoints: vec![endpoint] }));
        ir.clusters.insert(cluster.name.clone(), Arc::new(cluster));
    }
    for index in 0..hosts {
        let name = format!("h{index}.example.com");
        let cart = ["/cart".to_owned(), "/cart/".to_owned()];
        let [exact, below] = cart;
        let routes = vec![
            route(&name, PathMatch::Exact(exact), index),
            route(&name, PathMatch::Prefix(below), index),
            route(&name, PathMatch::Exact("/pay".into()), index + 1),
        ];
        put(&mut ir, &name, routes);
    }
    put(&mut ir, "*.example.com", vec![route("*.example.com", PathMatch::Prefix("/static/".into()), 1)]);
    put(&mut ir, "*", vec![route("*", PathMatch::Prefix("/".into()), 2)]);
    ir
}

fn edit(ir: &Ir, name: &str, change: impl Fn(&mut Vec<Route>)) -> Ir {
    let host: HostPattern = name.parse().expect("a host");
    let mut routes = ir.hosts[&(ListenerId::HTTP, host)].host.routes.clone();
    change(&mut routes);
    let mut edited = ir.clone();
    put(&mut edited, name, routes);
    edited
}

fn policy(route: &mut Route) -> &mut RoutePolicy {
    Arc::make_mut(&mut route.policy)
}

fn compare(a: &Ir, b: &Ir) -> BehaviourDiff {
    diff_with(a, b, Options::default())
}

fn diff_with(a: &Ir, b: &Ir, options: Options) -> BehaviourDiff {
    diff(a, b, &options)
}

#[test]
fn one_edit_among_many_hosts_opens_one_pair() {
    for hosts in [200, 20_000] {
        let before = shop(hosts);
        let after = edit(&before, "h7.example.com", |routes| policy(&mut routes[2]).timeout_ms = Some(500));
        let diff = compare(&before, &after);
        assert_eq!((diff.counters.hosts_changed, diff.counters.pairs_opened), (1, 1));
        assert!(diff.counters.path_regions <= 8, "{:?}", diff.counters);
        assert_eq!(diff.classes.len(), 1);
        let class = &diff.classes[0];
        assert_eq!(
            class.witness().map(ToString::to_string).as_deref(),
            Some("GET http://h7.example.com/pay")
        );
        assert_eq!(class.facets().into_iter().collect::<Vec<_>>(), [Facet::Timeout]);
    }
}

#[test]
fn one_change_of_many_hosts_is_one_row() {
    let before = shop(400);
    let mut after = before.clone();
    for index in 0..400 {
        let name = format!("h{index}.example.com");
        after = edit(&after, &name, |routes| {
            routes.iter_mut().for_each(|route| policy(route).timeout_ms = Some(9))
        });
    }
    let diff = compare(&before, &after);
    assert_eq!(diff.classes.len(), 1);
    assert_eq!(diff.classes[0].hosts().len(), 400);
    assert_eq!(diff.classes[0].cases.len(), CLUSTERS);
}

/// 40 hosts that forwarded to as many upstreams, and the default host, are gone: one row of many cases.
#[test]
fn many_changes_of_one_kind_are_one_row() {
    let before = shop(40);
    let mut after = before.clone();
    let stays = |((_, host), _): &((_, HostPattern), _)| matches!(host, HostPattern::Suffix(_));
    after.hosts = after.hosts.into_iter().filter(stays).collect();
    let diff = compare(&before, &after);
    assert_eq!(diff.classes.len(), 1);
    assert_eq!((diff.classes[0].hosts().len(), diff.classes[0].cases.len()), (42, 41));
    let apart = diff_with(&before, &after, Options { classes_per_change: 100, ..Options::default() });
    assert_eq!(apart.classes.len(), 41);
}

/// The wildcard host is what 400 exact hosts fall through to: an edit there is one row with all of them.
#[test]
fn an_edit_of_a_wildcard_is_one_row() {
    let before = shop(400);
    let after = edit(&before, "*.example.com", |routes| policy(&mut routes[0]).timeout_ms = Some(9));
    let diff = compare(&before, &after);
    assert_eq!(diff.classes.len(), 1);
    let region = diff.classes[0].region();
    assert_eq!(region.parts.len(), 1);
    assert_eq!(
        region.parts[0].to_string(),
        "401 hosts: h0.example.com, h1.example.com, h10.example.com, ... /static/..., http only"
    );
}

#[test]
fn only_hosts_that_use_a_changed_cluster_are_opened() {
    let before = shop(2_000);
    let mut after = before.clone();
    after.endpoints.remove(&cluster(3));
    let diff = compare(&before, &after);
    assert_eq!(diff.counters.hosts_changed, 0);
    assert_eq!(diff.counters.pairs_opened, 20);
    assert_eq!(diff.classes.len(), 1);
    assert_eq!(diff.classes[0].facets().into_iter().collect::<Vec<_>>(), [Facet::Endpoints]);

    let mut drained = before.clone();
    drained.endpoints.insert(cluster(3), Arc::new(EndpointSet { endpoints: Vec::new() }));
    assert_eq!(compare(&before, &drained).classes, diff.classes);

    let mut moved = before.clone();
    let endpoint = Endpoint::new("10.9.9.9", 80);
    moved.endpoints.insert(cluster(3), Arc::new(EndpointSet { endpoints: vec![endpoint] }));
    let diff = compare(&before, &moved);
    assert!(diff.is_empty());
    assert_eq!(diff.counters.pairs_opened, 0);
}

/// Times of a release build; the other tests of this file keep the work constant by its counters.
#[test]
#[ignore = "times: run in a release build"]
fn large_models_take_milliseconds() {
    let before = shop(20_000);
    let one = edit(&before, "h7.example.com", |routes| policy(&mut routes[2]).timeout_ms = Some(500));
    timed("one edit of 20,000 hosts", 20, || compare(&before, &one));
    let wild = edit(&before, "*.example.com", |routes| policy(&mut routes[0]).timeout_ms = Some(9));
    timed("a wildcard above 20,000 hosts", 2_000, || compare(&before, &wild));
    let mut all = before.clone();
    for index in 0..20_000 {
        let name = format!("h{index}.example.com");
        let mut routes =
            before.hosts[&(ListenerId::HTTP, HostPattern::Exact(name.as_str().into()))].host.routes.clone();
        routes.iter_mut().for_each(|route| policy(route).timeout_ms = Some(9));
        put(&mut all, &name, routes);
    }
    timed("an edit of each of 20,000 hosts", 5_000, || compare(&before, &all));

    let routes: Vec<Route> =
        (0..1_000).map(|n| route("big", PathMatch::Prefix(format!("/p{n}/")), n)).collect();
    let mut big = shop(1);
    put(&mut big, "big.example.com", routes.clone());
    let edited = edit(&big, "big.example.com", |routes| policy(&mut routes[500]).timeout_ms = Some(9));
    timed("one edit among 1,000 routes", 1_000, || compare(&big, &edited));
    let host = VirtualHost { listener: ListenerId::HTTP, host: HostPattern::Any, routes };
    timed("shadows among 1,000 routes", 2_000, || shadowed(&host, &Options::default()));
}

fn timed<T>(what: &str, limit_ms: u128, run: impl Fn() -> T) {
    let start = std::time::Instant::now();
    run();
    println!("{what}: {:?}", start.elapsed());
    assert!(start.elapsed().as_millis() < limit_ms, "{what}: {:?}", start.elapsed());
}
