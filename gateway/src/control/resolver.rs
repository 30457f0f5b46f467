//! Endpoints by DNS: one task per cluster resolves its names, again and again.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::config::{Cluster, Discovery, DnsTarget, EndpointEntry, Endpoints, Family};

/// Time between two looks at a name (Envoy's default).
const REFRESH: Duration = Duration::from_secs(5);

/// Addresses found for a cluster.
pub(super) type Found = (Arc<str>, Endpoints);

/// The tasks that resolve.
pub(super) struct Resolver {
    tasks: BTreeMap<Arc<str>, Task>,
    found: mpsc::Sender<Found>,
}

struct Task {
    discovery: Discovery,
    abort: AbortHandle,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

impl Resolver {
    pub(super) fn new(found: mpsc::Sender<Found>) -> Self {
        Self { tasks: BTreeMap::new(), found }
    }

    /// Starts, restarts and ends tasks so that there is one for each of `clusters`.
    pub(super) fn follow(&mut self, clusters: impl Iterator<Item = Arc<Cluster>>) {
        let mut old = std::mem::take(&mut self.tasks);
        for cluster in clusters {
            let task = match old.remove(&cluster.name) {
                Some(task) if task.discovery == cluster.discovery => task,
                _ => Task {
                    discovery: cluster.discovery.clone(),
                    abort: tokio::task::spawn_local(resolve(cluster.clone(), self.found.clone()))
                        .abort_handle(),
                },
            };
            self.tasks.insert(cluster.name.clone(), task);
        }
    }
}

/// Resolves until nobody listens any more. A failure keeps the addresses found last.
async fn resolve(cluster: Arc<Cluster>, found: mpsc::Sender<Found>) {
    let Discovery::Dns { targets, family } = &cluster.discovery else { return };
    let mut known: Vec<Option<Vec<IpAddr>>> = vec![None; targets.len()];
    loop {
        for (target, known) in targets.iter().zip(&mut known) {
            match lookup(target).await {
                Ok(addresses) => *known = Some(choose(addresses, *family)),
                Err(error) => {
                    tracing::debug!(cluster = %cluster.name, host = %target.host, %error, "a name does not resolve");
                }
            }
        }
        if found.send((cluster.name.clone(), endpoints(targets, &known))).await.is_err() {
            return;
        }
        tokio::time::sleep(REFRESH).await;
    }
}

async fn lookup(target: &DnsTarget) -> std::io::Result<Vec<IpAddr>> {
    if let Ok(ip) = target.host.parse() {
        return Ok(vec![ip]);
    }
    // Names below localhost are the machine itself (RFC 6761); not every system's resolver knows.
    let host = target.host.trim_end_matches('.').to_ascii_lowercase();
    if host == "localhost" || host.ends_with(".localhost") {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let found = tokio::net::lookup_host((&*target.host, target.port)).await?;
    Ok(found.map(|address| address.ip()).collect())
}

fn choose(addresses: Vec<IpAddr>, family: Family) -> Vec<IpAddr> {
    let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = addresses.into_iter().partition(IpAddr::is_ipv4);
    match family {
        Family::V4Only => v4,
        Family::V6Only => v6,
        Family::V4Preferred => {
            if v4.is_empty() {
                v6
            } else {
                v4
            }
        }
        Family::V6Preferred => {
            if v6.is_empty() {
                v4
            } else {
                v6
            }
        }
        Family::All => [v4, v6].concat(),
    }
}

/// Returns the endpoints in order of address, each once: the order of a resolver's answer means nothing.
fn endpoints(targets: &[DnsTarget], known: &[Option<Vec<IpAddr>>]) -> Endpoints {
    let mut endpoints: BTreeMap<SocketAddr, EndpointEntry> = BTreeMap::new();
    for (target, addresses) in targets.iter().zip(known) {
        for ip in addresses.iter().flatten() {
            let address = SocketAddr::new(*ip, target.port);
            let entry = EndpointEntry { address, weight: target.weight, healthy: true };
            endpoints.entry(address).or_insert(entry);
        }
    }
    endpoints.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preferred_family_gives_way_only_to_none() {
        let v4: IpAddr = Ipv4Addr::LOCALHOST.into();
        let v6: IpAddr = Ipv6Addr::LOCALHOST.into();
        assert_eq!(choose(vec![v6, v4], Family::V4Preferred), [v4]);
        assert_eq!(choose(vec![v6], Family::V4Preferred), [v6]);
        assert_eq!(choose(vec![v4], Family::V6Preferred), [v4]);
        assert_eq!(choose(vec![v4], Family::V6Only), Vec::<IpAddr>::new());
        assert_eq!(choose(vec![v6, v4], Family::All), [v4, v6]);
    }

    #[tokio::test]
    async fn names_below_localhost_are_the_machine() {
        let target = DnsTarget { host: "a.b.Localhost".into(), port: 80, weight: 1 };
        assert!(lookup(&target).await.unwrap().contains(&Ipv4Addr::LOCALHOST.into()));
    }
}
