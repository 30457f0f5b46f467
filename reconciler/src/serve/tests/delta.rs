//! The incremental form.

mod series;

use std::collections::{BTreeMap, BTreeSet};

use gatewright_xds::envoy::config::route::v3::VirtualHost;
use gatewright_xds::type_url::{ADDITION_ORDER, CLUSTER, ENDPOINT, LISTENER, ROUTE, VIRTUAL_HOST};
use gatewright_xds::{Resource, XdsSnapshot, type_url};

use super::super::stream::{Names, Outgoing, Progress, Protocol, Reply, Request, StreamState};
use super::{Random, bad_versions, cluster, endpoints, host, random_target, routes, snapshot, whole};

/// How the model of a client refuses.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Nothing of a response with something bad in it is applied, and the text names nothing (Envoy's virtual hosts).
    Whole,
    /// The bad is named and the rest applied (gatewright's own).
    ByName,
}

/// A client that holds what it was sent, on one stream.
struct Peer {
    stream: StreamState,
    manner: Manner,
    /// Versions that it cannot use.
    bad: BTreeSet<String>,
    /// Whether one domain in two hosts is refused, as Envoy does.
    exclusive_domains: bool,
    held: BTreeMap<(&'static str, String), Resource>,
    /// Responses that are not answered yet.
    inbox: Vec<Outgoing>,
    /// Every response in short form: type, names, removed names.
    log: Vec<String>,
}

impl Peer {
    fn new(manner: Manner) -> Self {
        Self::with_budget(manner, usize::MAX)
    }

    fn with_budget(manner: Manner, budget: usize) -> Self {
        let mut stream = StreamState::new(Protocol::Delta, budget);
        if manner == Manner::ByName {
            stream.set_names_refusals();
            stream.set_knows_series();
        }
        Self {
            stream,
            manner,
            bad: BTreeSet::new(),
            exclusive_domains: false,
            held: BTreeMap::new(),
            inbox: Vec::new(),
            log: Vec::new(),
        }
    }

    /// A client that wants everything and has been brought to `resources`.
    fn at(manner: Manner, resources: &[Resource]) -> Self {
        let mut peer = Self::new(manner);
        peer.subscribe_all();
        peer.aim(resources);
        peer.settle();
        peer.log.clear();
        peer
    }

    fn subscribe_all(&mut self) {
        for type_url in ADDITION_ORDER {
            self.first_request(type_url, &[]);
        }
    }

    fn first_request(&mut self, type_url: &'static str, subscribe: &[&str]) {
        let of_type = self.held.iter().filter(|((of, _), _)| *of == type_url);
        let held = of_type.map(|((_, name), resource)| (name.clone(), resource.version().into())).collect();
        self.request(type_url, subscribe, &[], held);
    }

    fn request(
        &mut self,
        type_url: &'static str,
        subscribe: &[&str],
        unsubscribe: &[&str],
        held: BTreeMap<String, String>,
    ) {
        let owned = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        let names = Names::Change { subscribe: owned(subscribe), unsubscribe: owned(unsubscribe) };
        self.stream.receive(Request { type_url, names, reply: None, held });
        self.collect();
    }

    fn aim(&mut self, resources: &[Resource]) {
        self.stream.set_target(snapshot(resources));
        self.collect();
    }

    fn collect(&mut self) {
        for outgoing in self.stream.advance() {
            let names: Vec<&str> = outgoing.resources.iter().map(|resource| resource.name()).collect();
            let removed: Vec<String> = outgoing.removed.iter().map(|name| format!("-{name}")).collect();
            let short = type_url::short(outgoing.type_url);
            self.log.push(
                format!("{short} {} {}", names.join(" "), removed.join(" ")).trim_end().replace("  ", " "),
            );
            self.inbox.push(outgoing);
        }
    }

    /// Answers the response at `index` of the inbox.
    fn answer(&mut self, index: usize) {
        let outgoing = self.inbox.remove(index);
        let (good, bad): (Vec<_>, Vec<_>) =
            outgoing.resources.iter().partition(|resource| !self.bad.contains(resource.version()));
        let clash = self.exclusive_domains && outgoing.type_url == VIRTUAL_HOST && self.clashes(&outgoing);
        let error = match self.manner {
            _ if bad.is_empty() && !clash => None,
            Manner::Whole => Some("something is wrong".to_owned()),
            Manner::ByName => {
                let lines: Vec<String> = bad.iter().map(|bad| format!("{}: is bad", bad.name())).collect();
                Some(lines.join("\n"))
            }
        };
        if error.is_none() || self.manner == Manner::ByName {
            for resource in good {
                let key = (outgoing.type_url, resource.name().to_owned());
                self.held.insert(key, Resource::clone(resource));
            }
            for name in &outgoing.removed {
                self.held.remove(&(outgoing.type_url, name.to_string()));
                if outgoing.type_url == ROUTE {
                    let prefix = format!("{name}/");
                    self.held.retain(|(of, host), _| *of != VIRTUAL_HOST || !host.starts_with(&prefix));
                }
            }
        }
        let reply = Some(Reply { nonce: outgoing.nonce, error });
        let names = Names::Change { subscribe: Vec::new(), unsubscribe: Vec::new() };
        let request = Request { type_url: outgoing.type_url, names, reply, held: BTreeMap::new() };
        self.stream.receive(request);
        self.collect();
    }

    fn clashes(&self, update: &Outgoing) -> bool {
        let mut hosts: BTreeMap<&str, &Resource> = self
            .held
            .iter()
            .filter(|((type_url, _), _)| *type_url == VIRTUAL_HOST)
            .map(|((_, name), host)| (name.as_str(), host))
            .collect();
        hosts.extend(update.resources.iter().map(|host| (host.name(), &**host)));
        update.removed.iter().for_each(|name| {
            hosts.remove(&**name);
        });
        let mut domains = BTreeSet::new();
        hosts
            .values()
            .flat_map(|host| host.decode::<VirtualHost>().unwrap().domains)
            .any(|d| !domains.insert(d))
    }

    /// Answers everything until nothing is under way.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            if self.inbox.is_empty() {
                return;
            }
            self.answer(0);
        }
        panic!("the stream never comes to rest: {:?}", &self.log[self.log.len() - 20..]);
    }

    fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    fn refused(&self) -> Vec<String> {
        self.stream.refused().into_iter().map(|refused| refused.name.to_string()).collect()
    }

    fn has(&self, resource: &Resource) -> bool {
        self.held.get(&(resource.type_url(), resource.name().to_owned())) == Some(resource)
    }

    fn holds(&self) -> XdsSnapshot {
        self.held.values().cloned().collect()
    }
}

#[test]
fn a_cold_client_gets_one_response_per_type_level_by_level() {
    let mut peer = Peer::new(Manner::ByName);
    peer.subscribe_all();
    assert!(peer.log.is_empty(), "nothing is published yet");
    peer.aim(&whole());
    assert_eq!(peer.take_log(), ["Secret", "Cluster c1", "ClusterLoadAssignment c1"]);
    while peer.take_log().is_empty() {
        peer.answer(0);
    }
    assert!(peer.inbox.iter().any(|outgoing| outgoing.type_url == LISTENER));
    assert!(peer.inbox.iter().all(|outgoing| outgoing.type_url != VIRTUAL_HOST));
    peer.settle();
    assert_eq!(peer.take_log(), ["VirtualHost http.80/a"]);
    assert_eq!(peer.holds(), snapshot(&whole()));
    assert_eq!(peer.stream.progress(), Progress::Complete);
}

#[test]
fn endpoints_do_not_wait_for_the_acknowledgement_of_their_cluster() {
    let mut peer = Peer::new(Manner::Whole);
    peer.aim(&whole());
    peer.first_request(CLUSTER, &[]);
    // Envoy asks for the endpoints first and acknowledges the cluster once it is warm.
    peer.first_request(ENDPOINT, &["c1"]);
    assert_eq!(peer.take_log(), ["Cluster c1", "ClusterLoadAssignment c1"]);
}

#[test]
fn only_what_changed_is_sent() {
    let mut peer = Peer::at(Manner::ByName, &whole());
    let mut edited = whole();
    edited[4] = host("http.80/a", &["a", "b"]);
    peer.aim(&edited);
    peer.settle();
    assert_eq!(peer.take_log(), ["VirtualHost http.80/a"]);
}

#[test]
fn additions_come_before_removals_and_each_waits_for_its_acknowledgement() {
    let mut peer = Peer::at(Manner::Whole, &whole());
    let mut edited = whole();
    edited[0] = cluster("c2", "");
    edited[1] = endpoints("c2");
    edited[4] = host("http.80/a", &["a", "moved to c2"]);
    peer.aim(&edited);
    assert_eq!(peer.take_log(), ["Cluster c2", "ClusterLoadAssignment c2"]);
    peer.answer(0);
    assert!(peer.take_log().is_empty(), "the endpoints are not acknowledged yet");
    peer.answer(0);
    assert_eq!(peer.take_log(), ["VirtualHost http.80/a"]);
    peer.answer(0);
    assert_eq!(peer.take_log(), ["Cluster -c1"]);
    peer.answer(0);
    assert_eq!(peer.take_log(), ["ClusterLoadAssignment -c1"]);
    peer.settle();
    assert_eq!(peer.holds(), snapshot(&edited));
}

#[test]
fn targets_that_follow_each_other_are_merged() {
    let mut peer = Peer::at(Manner::Whole, &whole());
    for edition in 0..5 {
        let mut edited = whole();
        edited[0] = cluster("c1", &edition.to_string());
        peer.aim(&edited);
    }
    peer.settle();
    let clusters = peer.take_log().iter().filter(|line| line.starts_with("Cluster ")).count();
    assert_eq!(clusters, 2, "the first and the last");
    assert!(peer.has(&cluster("c1", "4")));
}

#[test]
fn a_reconnecting_client_gets_the_difference_and_loses_what_is_stale() {
    let mut old = whole();
    old.extend([cluster("stale", ""), host("http.80/stale", &["stale"])]);
    let before = Peer::at(Manner::ByName, &old);
    let mut peer = Peer::new(Manner::ByName);
    peer.held = before.held.clone();
    let mut edited = whole();
    edited[0] = cluster("c1", "edited");
    peer.aim(&edited);
    peer.subscribe_all();
    peer.settle();
    let log = peer.take_log();
    let meant: Vec<&String> = log.iter().filter(|line| line.contains(' ')).collect();
    assert_eq!(meant, ["Cluster c1", "VirtualHost -http.80/stale", "Cluster -stale"]);
    assert_eq!(peer.holds(), snapshot(&edited));
}

#[test]
fn hosts_wait_for_their_own_route_configuration() {
    let mut peer = Peer::new(Manner::Whole);
    let mut both = whole();
    both.extend([routes("https.443"), host("https.443/b", &["b"])]);
    peer.aim(&both);
    peer.first_request(ROUTE, &["http.80"]);
    peer.first_request(VIRTUAL_HOST, &[]);
    peer.settle();
    assert_eq!(peer.take_log(), ["RouteConfiguration http.80", "VirtualHost http.80/a"]);
    assert_eq!(peer.stream.progress(), Progress::Quiet);
    // A further route configuration makes no new request for hosts.
    peer.request(ROUTE, &["https.443"], &[], BTreeMap::new());
    peer.settle();
    assert_eq!(peer.take_log(), ["RouteConfiguration https.443", "VirtualHost https.443/b"]);
}

#[test]
fn a_route_configuration_without_hosts_is_answered_by_a_removed_dummy_once() {
    let mut peer = Peer::new(Manner::Whole);
    let resources = [routes("http.80"), routes("https.443"), host("https.443/b", &["b"])];
    peer.aim(&resources);
    peer.first_request(ROUTE, &["http.80", "https.443"]);
    peer.first_request(VIRTUAL_HOST, &[]);
    peer.settle();
    let expected = ["RouteConfiguration http.80 https.443", "VirtualHost https.443/b -http.80/_none"];
    assert_eq!(peer.take_log(), expected);
    peer.aim(&[routes("http.80"), routes("https.443"), host("https.443/b", &["b", "c"])]);
    peer.settle();
    assert_eq!(peer.take_log(), ["VirtualHost https.443/b"]);
}

#[test]
fn a_domain_moves_between_hosts_inside_one_response() {
    let mut peer = Peer::at(Manner::Whole, &whole());
    peer.exclusive_domains = true;
    let mut edited = whole();
    edited[4] = host("http.80/b", &["a"]);
    peer.aim(&edited);
    peer.settle();
    assert_eq!(peer.take_log(), ["VirtualHost http.80/b -http.80/a"]);
}

#[test]
fn a_dropped_route_configuration_takes_its_hosts_with_it() {
    let mut peer = Peer::new(Manner::Whole);
    peer.aim(&whole());
    peer.first_request(ROUTE, &["http.80"]);
    peer.first_request(VIRTUAL_HOST, &[]);
    peer.settle();
    peer.request(ROUTE, &[], &["http.80"], BTreeMap::new());
    peer.settle();
    peer.take_log();
    peer.request(ROUTE, &["http.80"], &[], BTreeMap::new());
    peer.settle();
    assert_eq!(peer.take_log(), ["RouteConfiguration http.80", "VirtualHost http.80/a"]);
}

#[test]
fn a_refusal_of_many_is_narrowed_to_the_guilty_ones() {
    let mut peer = Peer::at(Manner::Whole, &whole());
    let mut edited = whole();
    edited[4] = host("http.80/a", &["a", "worse"]);
    let others = (0..50).map(|n| host(&format!("http.80/h{n:02}"), &[&format!("h{n}")]));
    edited.extend(others);
    let bad = [edited[4].clone(), edited[17].clone()];
    peer.bad = bad.iter().map(|resource| resource.version().to_owned()).collect();
    peer.aim(&edited);
    peer.settle();
    assert_eq!(peer.refused(), [bad[0].name(), bad[1].name()]);
    assert!(peer.has(&whole()[4]), "the last good version stays");
    assert!(edited.iter().filter(|resource| !bad.contains(resource)).all(|resource| peer.has(resource)));
    assert!(peer.take_log().len() < 40, "narrowed by halves");
    assert_eq!(peer.stream.progress(), Progress::Complete);
    // It is not tried again for other people's changes ...
    edited.push(host("http.80/new", &["new"]));
    peer.aim(&edited);
    peer.settle();
    assert_eq!(peer.take_log(), ["VirtualHost http.80/new"]);
    // ... but it is when it changes itself.
    edited[4] = host("http.80/a", &["a", "repaired"]);
    peer.aim(&edited);
    peer.settle();
    assert_eq!(peer.take_log(), ["VirtualHost http.80/a"]);
    assert_eq!(peer.refused(), [bad[1].name()]);
}

#[test]
fn going_back_to_the_last_good_version_ends_the_refusal() {
    let mut peer = Peer::at(Manner::Whole, &whole());
    let mut edited = whole();
    edited[4] = host("http.80/a", &["worse"]);
    peer.bad.insert(edited[4].version().to_owned());
    peer.aim(&edited);
    peer.settle();
    assert_eq!(peer.refused(), ["http.80/a"]);
    peer.aim(&whole());
    peer.settle();
    assert!(peer.refused().is_empty());
    assert_eq!(peer.stream.progress(), Progress::Complete);
}

#[test]
fn a_refused_version_that_comes_back_before_anything_was_sent_is_not_tried_again() {
    let mut peer = Peer::at(Manner::Whole, &whole());
    let mut edited = whole();
    edited[4] = host("http.80/a", &["worse"]);
    peer.bad.insert(edited[4].version().to_owned());
    peer.aim(&edited);
    peer.settle();
    peer.take_log();
    // The cluster keeps the hosts waiting while they change and change back.
    let mut detour = edited.clone();
    detour[0] = cluster("c1", "edited");
    let back = detour.clone();
    detour[4] = host("http.80/a", &["detour"]);
    peer.aim(&detour);
    peer.aim(&back);
    peer.settle();
    assert!(!peer.take_log().iter().any(|line| line.starts_with("VirtualHost")));
    assert_eq!(peer.refused(), ["http.80/a"]);
}

#[test]
fn narrowing_sends_nothing_that_is_out_of_date() {
    let mut peer = Peer::at(Manner::Whole, &whole());
    let mut edited = whole();
    edited.extend((0..4).map(|n| host(&format!("http.80/h{n}"), &[&format!("h{n}")])));
    let old = edited[8].clone();
    peer.bad.insert(edited[5].version().to_owned());
    peer.aim(&edited);
    peer.answer(0);
    edited[8] = host("http.80/h3", &["newer"]);
    peer.aim(&edited);
    while !peer.inbox.is_empty() {
        peer.answer(0);
        assert!(!peer.has(&old));
    }
    assert!(peer.has(&edited[8]));
    assert_eq!(peer.refused(), ["http.80/h0"]);
}

#[test]
fn hosts_of_a_route_configuration_that_goes_are_kept_until_the_listener_has_moved() {
    let mut peer = Peer::at(Manner::ByName, &whole());
    let mut edited = whole();
    edited[3] = routes("http.new");
    edited[4] = host("http.new/a", &["a"]);
    peer.aim(&edited);
    peer.settle();
    let expected = [
        "RouteConfiguration http.new",
        "VirtualHost http.new/a",
        "RouteConfiguration -http.80",
        "VirtualHost -http.80/a",
    ];
    assert_eq!(peer.take_log(), expected);
    assert_eq!(peer.holds(), snapshot(&edited));
}

#[test]
fn a_client_that_names_what_it_refuses_is_not_asked_again() {
    let mut peer = Peer::at(Manner::ByName, &whole());
    let mut edited = whole();
    edited.extend([host("http.80/x", &["x"]), host("http.80/y", &["y"])]);
    peer.bad.insert(edited[5].version().to_owned());
    peer.aim(&edited);
    peer.settle();
    assert_eq!(peer.take_log(), ["VirtualHost http.80/x http.80/y"]);
    assert_eq!(peer.stream.refused()[0].message, "is bad");
    assert!(peer.has(&edited[6]) && !peer.has(&edited[5]));
}

#[test]
fn what_only_clashed_with_another_part_is_not_called_guilty() {
    let first = [routes("http.80"), host("http.80/a", &["one"]), host("http.80/z", &["two"])];
    let mut peer = Peer::at(Manner::Whole, &first);
    peer.exclusive_domains = true;
    // `a` takes the domain of `z`, so `a` alone is refused until `z` has changed.
    let second = [
        routes("http.80"),
        host("http.80/a", &["two"]),
        host("http.80/bad", &["bad"]),
        host("http.80/c", &["c"]),
        host("http.80/z", &["one"]),
    ];
    let third = [
        second[0].clone(),
        second[1].clone(),
        second[2].clone(),
        second[3].clone(),
        host("http.80/z", &["three"]),
    ];
    peer.bad.insert(second[2].version().to_owned());
    peer.aim(&third);
    peer.settle();
    assert_eq!(peer.refused(), ["http.80/bad"]);
    assert!(peer.has(&third[1]) && peer.has(&third[4]));
}

#[test]
fn nothing_is_removed_that_a_last_good_version_may_need() {
    let mut peer = Peer::at(Manner::Whole, &whole());
    let mut edited = whole();
    edited[0] = cluster("c2", "");
    edited[1] = endpoints("c2");
    edited[4] = host("http.80/a", &["worse"]);
    peer.bad.insert(edited[4].version().to_owned());
    peer.aim(&edited);
    peer.settle();
    assert!(peer.has(&cluster("c1", "")), "the refused host still routes there");
    edited[4] = host("http.80/a", &["repaired"]);
    peer.aim(&edited);
    peer.settle();
    assert_eq!(peer.holds(), snapshot(&edited));
}

#[test]
fn what_went_by_a_response_that_was_refused_is_sent_again_when_it_is_back() {
    let mut peer = Peer::at(Manner::Whole, &whole());
    let gone: Vec<Resource> =
        whole().into_iter().filter(|resource| resource.type_url() != VIRTUAL_HOST).collect();
    peer.aim(&gone);
    let Some(outgoing) = peer.inbox.pop() else { panic!("nothing was sent") };
    assert_eq!(peer.take_log(), ["VirtualHost -http.80/a"]);
    // It says no, and has dropped it.
    let reply = Some(Reply { nonce: outgoing.nonce, error: Some("something is wrong".to_owned()) });
    let names = Names::Change { subscribe: Vec::new(), unsubscribe: Vec::new() };
    peer.stream.receive(Request { type_url: VIRTUAL_HOST, names, reply, held: BTreeMap::new() });
    peer.collect();
    peer.aim(&whole());
    assert_eq!(peer.take_log(), ["VirtualHost http.80/a"]);
}

#[test]
fn a_name_that_does_not_exist_is_answered_as_removed_and_sent_once_it_does() {
    let mut peer = Peer::new(Manner::Whole);
    peer.aim(&[]);
    peer.first_request(ENDPOINT, &["c1"]);
    assert_eq!(peer.take_log(), ["ClusterLoadAssignment -c1"]);
    peer.settle();
    peer.aim(&[endpoints("c1"), endpoints("c2")]);
    peer.settle();
    assert_eq!(peer.take_log(), ["ClusterLoadAssignment c1"]);
    peer.request(ENDPOINT, &["c1"], &[], BTreeMap::new());
    assert_eq!(peer.take_log(), ["ClusterLoadAssignment c1"], "asked for again, sent again");
}

#[test]
fn endpoints_of_a_replaced_cluster_are_sent_again_to_envoy() {
    for (manner, expected) in [
        (Manner::Whole, &["Cluster c1", "ClusterLoadAssignment c1"][..]),
        (Manner::ByName, &["Cluster c1"][..]),
    ] {
        let mut peer = Peer::at(manner, &whole());
        let mut edited = whole();
        edited[0] = cluster("c1", "edited");
        peer.aim(&edited);
        assert_eq!(peer.take_log(), expected);
    }
}

#[test]
fn an_empty_wildcard_is_answered_once() {
    let mut peer = Peer::new(Manner::ByName);
    peer.aim(&[]);
    peer.first_request(LISTENER, &[]);
    assert_eq!(peer.take_log(), ["Listener"]);
    peer.settle();
    peer.aim(&[cluster("c1", "")]);
    assert!(peer.take_log().is_empty());
}

#[test]
fn any_history_ends_where_a_fresh_subscription_would() {
    for seed in 0..200 {
        wander(seed);
    }
}

/// Edits, answers and reconnects in an order that depends on `seed`, then checks where the client stands.
fn wander(seed: u64) {
    let mut random = Random::new(seed);
    let manner = if seed.is_multiple_of(2) { Manner::Whole } else { Manner::ByName };
    // A third of them knows no bounds, a third gets one resource after the other.
    let budget = [usize::MAX, 1, 400][(seed % 3) as usize];
    let mut peer = Peer::with_budget(manner, budget);
    peer.subscribe_all();
    let mut target: Vec<Resource> = Vec::new();
    // What is bad stays bad, for whoever reconnects.
    let bad = bad_versions();
    peer.bad = bad.clone();
    for _ in 0..60 {
        match random.below(8) {
            0..=2 => {
                target = random_target(&mut random);
                peer.aim(&target);
            }
            3 => {
                let mut fresh = Peer::with_budget(manner, budget);
                fresh.held = std::mem::take(&mut peer.held);
                fresh.bad = bad.clone();
                fresh.aim(&target);
                fresh.subscribe_all();
                peer = fresh;
            }
            _ if !peer.inbox.is_empty() => peer.answer(random.below(peer.inbox.len() as u64) as usize),
            _ => {}
        }
        check_references(&peer, seed);
    }
    peer.settle();
    check_references(&peer, seed);
    let refused: BTreeSet<_> =
        peer.stream.refused().iter().map(|refused| (refused.type_url, refused.name.to_string())).collect();
    for resource in &target {
        let waits_for_routes =
            resource.type_url() == VIRTUAL_HOST && !target.iter().any(|r| r.type_url() == ROUTE);
        let is_bad = bad.contains(resource.version());
        let key = (resource.type_url(), resource.name().to_owned());
        assert_eq!(refused.contains(&key), is_bad && !waits_for_routes, "seed {seed}: {resource:?}");
        assert_eq!(peer.has(resource), !is_bad && !waits_for_routes, "seed {seed}: {resource:?}");
    }
    if refused.is_empty() {
        let reachable = target.iter().filter(|resource| peer.has(resource)).cloned().collect();
        assert_eq!(peer.holds(), reachable, "seed {seed}");
    }
}

/// At no moment may a host be in effect without the cluster that it refers to.
fn check_references(peer: &Peer, seed: u64) {
    for ((type_url, name), resource) in &peer.held {
        if *type_url == VIRTUAL_HOST
            && let Some(cluster) = resource.decode::<VirtualHost>().unwrap().domains.get(1)
        {
            assert!(
                peer.held.contains_key(&(CLUSTER, cluster.clone())),
                "seed {seed}: {name} lacks {cluster}"
            );
        }
    }
}
