//! The stream state machine against models of clients.

mod delta;
mod full_sets;

use std::collections::BTreeSet;

use gatewright_xds::envoy::config::cluster::v3::Cluster;
use gatewright_xds::envoy::config::endpoint::v3::ClusterLoadAssignment;
use gatewright_xds::envoy::config::listener::v3::Listener;
use gatewright_xds::envoy::config::route::v3::{RouteConfiguration, Vhds, VirtualHost};
use gatewright_xds::{Resource, XdsSnapshot};

fn cluster(name: &str, edition: &str) -> Resource {
    Resource::of(&Cluster { name: name.into(), alt_stat_name: edition.into(), ..Cluster::default() })
}

fn endpoints(name: &str) -> Resource {
    Resource::of(&ClusterLoadAssignment { cluster_name: name.into(), ..ClusterLoadAssignment::default() })
}

fn listener(name: &str) -> Resource {
    Resource::of(&Listener { name: name.into(), ..Listener::default() })
}

fn routes(name: &str) -> Resource {
    let vhds = Some(Vhds::default());
    Resource::of(&RouteConfiguration { name: name.into(), vhds, ..RouteConfiguration::default() })
}

fn host(name: &str, domains: &[&str]) -> Resource {
    let domains = domains.iter().map(|domain| domain.to_string()).collect();
    Resource::of(&VirtualHost { name: name.into(), domains, ..VirtualHost::default() })
}

fn snapshot(resources: &[Resource]) -> XdsSnapshot {
    resources.iter().cloned().collect()
}

/// A snapshot with one of everything.
fn whole() -> Vec<Resource> {
    vec![
        cluster("c1", ""),
        endpoints("c1"),
        listener("0.0.0.0_80"),
        routes("http.80"),
        host("http.80/a", &["a"]),
    ]
}

/// Hosts refer to clusters `g0` to `g3`, which are good in every edition; the domain list says to which.
fn random_target(random: &mut Random) -> Vec<Resource> {
    let mut target = Vec::new();
    if random.below(4) > 0 {
        target.push(routes("http.80"));
    }
    let editions = ["", "second", "bad"];
    for n in 0..6 {
        if random.below(2) == 0 {
            target.push(cluster(&format!("c{n}"), editions[random.below(3) as usize]));
            target.push(endpoints(&format!("c{n}")));
        }
    }
    let mut referred = BTreeSet::new();
    for n in 0..6 {
        if random.below(2) == 0 {
            let edition = editions[random.below(3) as usize];
            let good = format!("g{}", random.below(4));
            let domains = if edition == "bad" { vec!["bad"] } else { vec![edition, good.as_str()] };
            target.push(host(&format!("http.80/h{n}"), &domains));
            referred.insert(good);
        }
    }
    target.extend(referred.iter().map(|good| cluster(good, editions[random.below(2) as usize])));
    target
}

/// The versions in random targets that no client accepts.
fn bad_versions() -> BTreeSet<String> {
    (0..6)
        .flat_map(|n| [host(&format!("http.80/h{n}"), &["bad"]), cluster(&format!("c{n}"), "bad")])
        .map(|resource| resource.version().to_owned())
        .collect()
}

/// Numbers that follow from a seed.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
