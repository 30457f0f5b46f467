//! What is too large for one response.

use super::*;

/// What a host with one short domain weighs, or a little less.
const ONE: usize = 200;

fn names(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("http.80/h{n:02}")).collect()
}

fn hosts(range: std::ops::Range<usize>) -> Vec<Resource> {
    names(range).iter().map(|name| host(name, &[name])).collect()
}

/// The routes and these.
fn with_routes(rest: Vec<Resource>) -> Vec<Resource> {
    [routes("http.80")].into_iter().chain(rest).collect()
}

/// A client that has these, and may be sent `budget` at once from now on.
fn peer_at(manner: Manner, budget: usize, resources: &[Resource]) -> Peer {
    let mut peer = Peer::with_budget(manner, budget);
    peer.subscribe_all();
    peer.aim(resources);
    peer.settle();
    peer.log.clear();
    peer
}

#[test]
fn no_response_exceeds_its_budget_and_all_but_the_last_say_that_more_follows() {
    let mut peer = Peer::with_budget(Manner::ByName, 4 * ONE);
    peer.subscribe_all();
    let target = with_routes(hosts(0..20));
    peer.aim(&target);
    let mut sizes = Vec::new();
    while let Some(next) = peer.inbox.first() {
        let bytes: usize = next.resources.iter().map(|resource| resource.body().len()).sum();
        assert!(bytes <= 4 * ONE, "{bytes}");
        if next.type_url == VIRTUAL_HOST {
            sizes.push((next.resources.len(), next.more_follows));
        } else {
            assert!(!next.more_follows, "{next:?}");
        }
        assert_ne!(peer.stream.progress(), Progress::Complete);
        peer.answer(0);
    }
    assert_eq!(sizes.iter().map(|(count, _)| count).sum::<usize>(), 20);
    let marks: Vec<bool> = sizes.iter().map(|(_, more_follows)| *more_follows).collect();
    assert!(marks.len() > 4 && marks[..marks.len() - 1].iter().all(|more| *more), "{sizes:?}");
    assert_eq!(marks.last(), Some(&false));
    assert_eq!(peer.holds(), snapshot(&target));
    assert_eq!(peer.stream.progress(), Progress::Complete);
}

#[test]
fn what_is_larger_than_the_budget_goes_alone() {
    let large = host("http.80/h01", &["x".repeat(10 * ONE).as_str()]);
    let small = hosts(2..4);
    let peer = {
        let mut peer = Peer::with_budget(Manner::ByName, 3 * ONE);
        peer.subscribe_all();
        peer.aim(&with_routes([vec![large], small, hosts(0..1)].concat()));
        peer.settle();
        peer
    };
    let sent: Vec<&String> = peer.log.iter().filter(|line| line.starts_with("VirtualHost")).collect();
    assert_eq!(
        sent,
        ["VirtualHost http.80/h00", "VirtualHost http.80/h01", "VirtualHost http.80/h02 http.80/h03"]
    );
}

#[test]
fn a_client_that_knows_no_series_gets_its_hosts_in_one_response() {
    let clusters: Vec<Resource> = (0..3).map(|n| cluster(&format!("c{n}"), "")).collect();
    let mut peer = Peer::with_budget(Manner::Whole, 1);
    peer.subscribe_all();
    peer.aim(&with_routes([clusters, hosts(0..3)].concat()));
    peer.settle();
    assert!(
        peer.log.contains(&"VirtualHost http.80/h00 http.80/h01 http.80/h02".to_owned()),
        "{:?}",
        peer.log
    );
    assert!(peer.log.contains(&"Cluster c1".to_owned()), "{:?}", peer.log);
}

#[test]
fn hosts_that_hand_a_domain_on_stay_together_and_what_only_goes_goes_last() {
    let mut peer = peer_at(Manner::ByName, 1, &with_routes(hosts(0..6)));
    let moved = |name: &str, domain: &str| host(name, &[domain, "new"]);
    peer.aim(&with_routes(vec![
        moved("http.80/h01", "http.80/h04"),
        moved("http.80/h02", "http.80/h00"),
        moved("http.80/h03", "x"),
        moved("http.80/h04", "y"),
    ]));
    peer.settle();
    assert_eq!(
        peer.take_log(),
        [
            "VirtualHost http.80/h01 http.80/h04",
            "VirtualHost http.80/h02 -http.80/h00",
            "VirtualHost http.80/h03",
            "VirtualHost -http.80/h05",
        ]
    );
}

#[test]
fn removals_have_a_budget_as_well() {
    let clusters = |range: std::ops::Range<usize>| -> Vec<Resource> {
        range.map(|n| cluster(&format!("c{n}"), "")).collect()
    };
    let mut peer = peer_at(Manner::ByName, 2 * ONE, &clusters(0..6));
    peer.aim(&clusters(5..7));
    peer.settle();
    assert_eq!(peer.take_log(), ["Cluster c6", "Cluster -c0 -c1 -c2", "Cluster -c3 -c4"]);
}

#[test]
fn what_is_refused_in_a_part_is_tried_once_more_after_the_rest() {
    let mut peer = peer_at(Manner::ByName, 1, &with_routes(Vec::new()));
    let target = with_routes(hosts(0..3));
    peer.bad.insert(target[1].version().to_owned());
    peer.aim(&target);
    peer.settle();
    assert_eq!(
        peer.take_log(),
        [
            "VirtualHost http.80/h00",
            "VirtualHost http.80/h01",
            "VirtualHost http.80/h02",
            "VirtualHost http.80/h00"
        ]
    );
    assert_eq!(peer.refused(), ["http.80/h00"]);
    assert!(peer.has(&target[2]) && peer.has(&target[3]));
}

#[test]
fn a_series_sends_nothing_that_is_out_of_date() {
    let mut peer = peer_at(Manner::ByName, 1, &with_routes(Vec::new()));
    peer.aim(&with_routes(hosts(0..4)));
    let newest = with_routes(vec![host("http.80/h00", &["http.80/h00"]), host("http.80/h03", &["other"])]);
    peer.aim(&newest);
    peer.settle();
    assert_eq!(peer.take_log(), ["VirtualHost http.80/h00", "VirtualHost http.80/h03"]);
    assert_eq!(peer.holds(), snapshot(&newest));
}
