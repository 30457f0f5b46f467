//! The state-of-the-world form.

use std::collections::{BTreeMap, BTreeSet};

use gatewright_xds::envoy::config::listener::v3::Listener;
use gatewright_xds::envoy::config::route::v3::{RouteConfiguration, Vhds, VirtualHost};
use gatewright_xds::type_url::{CLUSTER, ENDPOINT, LISTENER, ROUTE, VIRTUAL_HOST};
use gatewright_xds::{Resource, type_url};

use super::super::stream::{Names, Outgoing, Progress, Protocol, Reply, Request, StreamState};
use super::{Random, bad_versions, cluster, endpoints, host, listener, random_target, routes, snapshot};

fn request(
    stream: &mut StreamState,
    type_url: &'static str,
    names: &[&str],
    reply: Option<(&str, bool)>,
) -> Vec<String> {
    let names = Names::Exactly(names.iter().map(|name| name.to_string()).collect());
    let reply = reply.map(|(nonce, good)| Reply {
        nonce: nonce.to_owned(),
        error: (!good).then(|| "something is wrong".to_owned()),
    });
    stream.receive(Request { type_url, names, reply, held: BTreeMap::new() });
    sent(stream)
}

fn sent(stream: &mut StreamState) -> Vec<String> {
    let line = |outgoing: Outgoing| {
        let names: Vec<&str> = outgoing.resources.iter().map(|resource| resource.name()).collect();
        format!("{} {} {}", outgoing.nonce, type_url::short(outgoing.type_url), names.join(" "))
    };
    stream.advance().into_iter().map(line).collect()
}

fn at(resources: &[Resource]) -> StreamState {
    let mut stream = StreamState::new(Protocol::StateOfTheWorld, usize::MAX);
    stream.set_target(snapshot(resources));
    stream
}

#[test]
fn removals_are_left_out_only_after_the_additions() {
    let mut stream = at(&[cluster("a", ""), cluster("b", ""), listener("l")]);
    assert_eq!(request(&mut stream, CLUSTER, &[], None), ["1 Cluster a b"]);
    assert!(request(&mut stream, LISTENER, &[], None).is_empty());
    assert_eq!(request(&mut stream, CLUSTER, &[], Some(("1", true))), ["2 Listener l"]);
    assert!(request(&mut stream, LISTENER, &[], Some(("2", true))).is_empty());
    stream.set_target(snapshot(&[cluster("b", ""), cluster("c", ""), listener("l"), listener("m")]));
    assert_eq!(sent(&mut stream), ["3 Cluster a b c"]);
    assert_eq!(request(&mut stream, CLUSTER, &[], Some(("3", true))), ["4 Listener l m"]);
    assert_eq!(request(&mut stream, LISTENER, &[], Some(("4", true))), ["5 Cluster b c"]);
}

#[test]
fn named_types_get_what_is_asked_for_and_what_changed() {
    let mut stream = at(&[endpoints("a"), endpoints("b"), endpoints("c")]);
    assert_eq!(request(&mut stream, ENDPOINT, &["a"], None), ["1 ClusterLoadAssignment a"]);
    // Said before the first response was seen: it will be said again.
    assert!(request(&mut stream, ENDPOINT, &["a", "c"], Some(("0", true))).is_empty());
    assert_eq!(request(&mut stream, ENDPOINT, &["a", "b"], Some(("1", true))), ["2 ClusterLoadAssignment b"]);
    assert!(request(&mut stream, ENDPOINT, &["a", "b"], Some(("2", true))).is_empty());
    assert!(request(&mut stream, ENDPOINT, &["b"], Some(("2", true))).is_empty());
    assert_eq!(request(&mut stream, ENDPOINT, &["a", "b"], Some(("2", true))), ["3 ClusterLoadAssignment a"]);
    assert_eq!(stream.progress(), Progress::Busy);
}

#[test]
fn a_refused_listener_keeps_its_last_good_version_in_every_full_set() {
    let mut stream = at(&[listener("a"), listener("b")]);
    request(&mut stream, LISTENER, &[], None);
    request(&mut stream, LISTENER, &[], Some(("1", true)));
    let worse = |name: &str| {
        Resource::of(&Listener { name: name.into(), stat_prefix: "worse".into(), ..Listener::default() })
    };
    stream.set_target(snapshot(&[worse("a"), worse("b"), listener("c")]));
    assert_eq!(sent(&mut stream), ["2 Listener a b c"]);
    let mut sets = Vec::new();
    let mut reply = ("2".to_owned(), false);
    // Everything with the worse `a` is refused.
    for _ in 0..10 {
        let names = Names::Exactly(Vec::new());
        let error = (!reply.1).then(|| "something is wrong".to_owned());
        let reply_now = Some(Reply { nonce: reply.0.clone(), error });
        stream.receive(Request { type_url: LISTENER, names, reply: reply_now, held: BTreeMap::new() });
        let Some(outgoing) = stream.advance().pop() else { break };
        let good = !outgoing.resources.iter().any(|resource| **resource == worse("a"));
        reply = (outgoing.nonce.clone(), good);
        sets.push(outgoing);
    }
    assert_eq!(stream.refused().len(), 1);
    assert_eq!(&*stream.refused()[0].name, "a");
    let last_good =
        sets.iter().rev().find(|set| !set.resources.iter().any(|resource| **resource == worse("a")));
    let last_good =
        snapshot(&last_good.unwrap().resources.iter().map(|r| Resource::clone(r)).collect::<Vec<_>>());
    assert_eq!(last_good, snapshot(&[listener("a"), worse("b"), listener("c")]));
}

#[test]
fn an_empty_list_of_endpoints_asks_for_none() {
    let mut stream = at(&[endpoints("a")]);
    assert!(request(&mut stream, ENDPOINT, &[], None).is_empty());
    assert_eq!(request(&mut stream, LISTENER, &[], None), ["1 Listener "]);
}

/// Returns each route configuration of a response with its hosts, and answers the response.
fn take_routes(
    stream: &mut StreamState,
    mut verdict: impl FnMut(&RouteConfiguration) -> bool,
) -> Vec<String> {
    let mut log = Vec::new();
    for _ in 0..100 {
        let Some(outgoing) = stream.advance().pop() else { return log };
        assert_eq!(outgoing.type_url, ROUTE);
        let mut good = true;
        for resource in &outgoing.resources {
            let whole: RouteConfiguration = resource.decode().unwrap();
            assert_eq!(whole.vhds, None);
            good &= verdict(&whole);
            let hosts: Vec<&str> = whole.virtual_hosts.iter().map(|host| host.name.as_str()).collect();
            log.push(format!("{}: {} {good}", whole.name, hosts.join(" ")));
        }
        let names = Names::Exactly(vec!["http.80".into()]);
        let error = (!good).then(|| "something is wrong".to_owned());
        let reply = Some(Reply { nonce: outgoing.nonce, error });
        stream.receive(Request { type_url: ROUTE, names, reply, held: BTreeMap::new() });
    }
    panic!("the stream never comes to rest: {log:?}");
}

fn is_good(routes: &RouteConfiguration) -> bool {
    !routes.virtual_hosts.iter().any(|host| host.domains == ["worse"])
}

fn ask_for_routes(stream: &mut StreamState) {
    let names = Names::Exactly(vec!["http.80".into()]);
    stream.receive(Request { type_url: ROUTE, names, reply: None, held: BTreeMap::new() });
}

#[test]
fn hosts_travel_inside_their_route_configuration() {
    let first =
        [routes("http.80"), host("http.80/a", &["a"]), host("http.8080/x", &["x"]), routes("http.8080")];
    let mut stream = at(&first);
    ask_for_routes(&mut stream);
    assert_eq!(take_routes(&mut stream, |_| true), ["http.80: http.80/a true"]);
    // A host comes, one goes: one response.
    stream.set_target(snapshot(&[routes("http.80"), host("http.80/b", &["a"])]));
    assert_eq!(take_routes(&mut stream, |_| true), ["http.80: http.80/b true"]);
    stream.set_target(snapshot(&[routes("http.80")]));
    assert_eq!(take_routes(&mut stream, |_| true), ["http.80:  true"]);
    assert_eq!(stream.progress(), Progress::Complete);
}

#[test]
fn a_bad_host_does_not_keep_the_others_of_its_route_configuration_back() {
    let mut stream = at(&[routes("http.80"), host("http.80/a", &["a"]), host("http.80/b", &["b"])]);
    ask_for_routes(&mut stream);
    take_routes(&mut stream, |_| true);
    let target = [
        routes("http.80"),
        host("http.80/a", &["a", "more"]),
        host("http.80/b", &["worse"]),
        host("http.80/c", &["c"]),
        host("http.80/d", &["d"]),
    ];
    stream.set_target(snapshot(&target));
    let mut accepted: Vec<VirtualHost> = Vec::new();
    take_routes(&mut stream, |routes| {
        if is_good(routes) {
            accepted = routes.virtual_hosts.clone();
        }
        is_good(routes)
    });
    let refused = stream.refused();
    assert_eq!((refused.len(), refused[0].type_url, &*refused[0].name), (1, VIRTUAL_HOST, "http.80/b"));
    let domains: Vec<&str> =
        accepted.iter().map(|host| host.domains[host.domains.len() - 1].as_str()).collect();
    assert_eq!(domains, ["more", "b", "c", "d"]);
}

#[test]
fn a_cold_route_configuration_with_a_bad_host_serves_the_others() {
    let mut target = vec![routes("http.80"), host("http.80/bad", &["worse"])];
    target.extend((0..9).map(|n| host(&format!("http.80/h{n}"), &[&format!("h{n}")])));
    let mut stream = at(&target);
    ask_for_routes(&mut stream);
    let mut served = 0;
    take_routes(&mut stream, |routes| {
        served = if is_good(routes) { routes.virtual_hosts.len() } else { served };
        is_good(routes)
    });
    assert_eq!(served, 9);
    assert_eq!(&*stream.refused()[0].name, "http.80/bad");
    assert_eq!(stream.progress(), Progress::Complete);
}

#[test]
fn hosts_wait_for_a_route_configuration_that_is_refused_itself() {
    let hosts = [host("http.80/a", &["a"]), host("http.80/bad", &["worse"]), host("http.80/c", &["c"])];
    let mut target = vec![routes("http.80")];
    target.extend(hosts.clone());
    let mut stream = at(&target);
    ask_for_routes(&mut stream);
    take_routes(&mut stream, |_| false);
    let refused: Vec<_> = stream.refused().iter().map(|refused| refused.type_url).collect();
    assert_eq!(refused, [ROUTE]);
    let repaired =
        RouteConfiguration { name: "http.80".into(), vhds: Some(Vhds::default()), ..Default::default() };
    target[0] = Resource::of(&RouteConfiguration { ignore_port_in_host_matching: true, ..repaired });
    stream.set_target(snapshot(&target));
    let log = take_routes(&mut stream, is_good);
    assert!(log.contains(&"http.80: http.80/a http.80/c true".to_owned()), "{log:?}");
    let refused: Vec<_> = stream.refused().iter().map(|refused| refused.name.to_string()).collect();
    assert_eq!(refused, ["http.80/bad"]);
}

/// A client that applies responses whole or not at all: all clusters, the endpoints of those, and one route
/// configuration.
struct Peer {
    stream: StreamState,
    bad: BTreeSet<String>,
    clusters: BTreeMap<String, Resource>,
    hosts: BTreeMap<String, Resource>,
    /// Whether it has seen the newest version of everything since it connected.
    inbox: Vec<Outgoing>,
}

impl Peer {
    fn connect(&mut self, target: &[Resource]) {
        self.stream = at(target);
        self.inbox.clear();
        for type_url in [CLUSTER, ENDPOINT, ROUTE] {
            self.say(type_url, None);
        }
    }

    fn say(&mut self, type_url: &'static str, reply: Option<Reply>) {
        let names = match type_url {
            ENDPOINT => self.clusters.keys().cloned().collect(),
            ROUTE => vec!["http.80".to_owned()],
            _ => Vec::new(),
        };
        let request = Request { type_url, names: Names::Exactly(names), reply, held: BTreeMap::new() };
        self.stream.receive(request);
        let outgoing = self.stream.advance();
        self.inbox.extend(outgoing);
    }

    fn answer(&mut self, index: usize) {
        let outgoing = self.inbox.remove(index);
        let resources = match outgoing.type_url {
            ROUTE => outgoing.resources.iter().flat_map(|resource| hosts_of(resource)).collect(),
            _ => outgoing.resources.iter().map(|resource| Resource::clone(resource)).collect::<Vec<_>>(),
        };
        let good = !resources.iter().any(|resource| self.bad.contains(resource.version()));
        let named = resources.into_iter().map(|resource| (resource.name().to_owned(), resource)).collect();
        match outgoing.type_url {
            CLUSTER if good => self.clusters = named,
            ROUTE if good && !outgoing.resources.is_empty() => self.hosts = named,
            _ => {}
        }
        let error = (!good).then(|| "something is wrong".to_owned());
        let awaited = outgoing.type_url;
        self.say(awaited, Some(Reply { nonce: outgoing.nonce, error }));
        if awaited == CLUSTER && good {
            self.say(ENDPOINT, None);
        }
    }
}

fn hosts_of(routes: &Resource) -> Vec<Resource> {
    let whole: RouteConfiguration = routes.decode().unwrap();
    whole.virtual_hosts.iter().map(Resource::of).collect()
}

#[test]
fn any_history_ends_where_a_fresh_subscription_would() {
    for seed in 0..100 {
        wander(seed);
    }
}

fn wander(seed: u64) {
    let mut random = Random::new(seed);
    let mut target = Vec::new();
    let mut peer = Peer {
        stream: at(&[]),
        bad: bad_versions(),
        clusters: BTreeMap::new(),
        hosts: BTreeMap::new(),
        inbox: Vec::new(),
    };
    peer.connect(&target);
    for _ in 0..60 {
        match random.below(8) {
            0..=2 => {
                // Without its route configuration the client would keep what it has.
                target = random_target(&mut random);
                target.retain(|resource| resource.type_url() != ROUTE);
                target.push(routes("http.80"));
                peer.stream.set_target(snapshot(&target));
                let outgoing = peer.stream.advance();
                peer.inbox.extend(outgoing);
            }
            3 => {
                peer.hosts.clear();
                peer.connect(&target);
            }
            _ if !peer.inbox.is_empty() => peer.answer(random.below(peer.inbox.len() as u64) as usize),
            _ => {}
        }
        check_references(&peer, seed);
    }
    while !peer.inbox.is_empty() {
        peer.answer(0);
        check_references(&peer, seed);
    }
    let refused: BTreeSet<String> =
        peer.stream.refused().iter().map(|refused| refused.name.to_string()).collect();
    for resource in &target {
        let held = match resource.type_url() {
            CLUSTER => peer.clusters.get(resource.name()),
            VIRTUAL_HOST => peer.hosts.get(resource.name()),
            _ => continue,
        };
        let is_bad = peer.bad.contains(resource.version());
        assert_eq!(refused.contains(resource.name()), is_bad, "seed {seed}: {resource:?}");
        assert_eq!(held == Some(resource), !is_bad, "seed {seed}: {resource:?}");
    }
    if refused.is_empty() {
        let wanted =
            target.iter().filter(|resource| matches!(resource.type_url(), CLUSTER | VIRTUAL_HOST)).count();
        assert_eq!(peer.clusters.len() + peer.hosts.len(), wanted, "seed {seed}");
    }
}

/// At no moment may a host be in effect without the cluster that it refers to.
fn check_references(peer: &Peer, seed: u64) {
    for (name, host) in &peer.hosts {
        if let Some(cluster) = host.decode::<VirtualHost>().unwrap().domains.get(1) {
            assert!(peer.clusters.contains_key(cluster), "seed {seed}: {name} lacks {cluster}");
        }
    }
}
