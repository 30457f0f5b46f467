//! A live upstream cluster: its configuration and endpoints, and what all workers count together.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use super::secrets::SecretStore;
use super::transport::Transport;
use crate::config::{self, Discovery, EndpointEntry};
use crate::stats::ClusterStats;

/// An upstream cluster at one moment. Successors share `shared` and the endpoints that stay.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) config: Arc<config::Cluster>,
    pub(crate) transport: Transport,
    pub(crate) shared: Arc<Shared>,
    pub(crate) endpoints: EndpointSet,
}

/// What outlives a change of configuration.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) stats: ClusterStats,
    /// Position of the round robin.
    pub(crate) turn: AtomicUsize,
    pub(crate) active_requests: AtomicU32,
    pub(crate) pending_requests: AtomicU32,
    pub(crate) active_connections: AtomicU32,
    pub(crate) active_retries: AtomicU32,
}

/// One endpoint of one cluster.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Unique in the process: connection pools go by it.
    pub(crate) id: u64,
    pub(crate) address: SocketAddr,
    /// The address as text, as logs show it.
    pub(crate) label: Arc<str>,
    pub(crate) active_requests: AtomicU32,
    /// Set when the endpoint has left its cluster: idle connections to it are closed.
    pub(crate) retired: AtomicBool,
}

/// The endpoints that requests may go to.
#[derive(Clone, Debug, Default)]
pub(crate) struct EndpointSet {
    /// All endpoints, with their weight.
    pub(crate) all: Arc<[(Arc<Endpoint>, EndpointEntry)]>,
    /// The endpoints to choose from: the healthy ones, or all while fewer than half are healthy (Envoy's panic
    /// threshold).
    pub(crate) usable: Arc<[Arc<Endpoint>]>,
    /// Where weights differ: each usable endpoint as often as its weight says, spread out.
    pub(crate) schedule: Option<Arc<[u16]>>,
}

static NEXT_ENDPOINT: AtomicU64 = AtomicU64::new(1);

impl Endpoint {
    fn new(address: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            id: NEXT_ENDPOINT.fetch_add(1, Ordering::Relaxed),
            address,
            label: address.to_string().into(),
            active_requests: AtomicU32::new(0),
            retired: AtomicBool::new(false),
        })
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }
}

impl Cluster {
    /// Builds a cluster with these endpoints; none while a secret of it is waited for. Endpoints of `old` that stay keep
    /// their connections and counts, also where a secret is another one now; the others are retired.
    pub(crate) fn new(
        config: Arc<config::Cluster>,
        entries: &[EndpointEntry],
        secrets: &SecretStore,
        old: Option<&Self>,
    ) -> Option<Self> {
        let before = old.and_then(|old| Some((old.config.tls.as_ref()?, &old.transport)));
        let transport = Transport::new(config.tls.as_ref(), secrets, before)?;
        let same_wire = |old: &&Self| old.config.protocol == config.protocol && old.config.tls == config.tls;
        let mut kept: BTreeMap<SocketAddr, Arc<Endpoint>> = old
            .filter(same_wire)
            .map(|old| {
                old.endpoints.all.iter().map(|(endpoint, _)| (endpoint.address, endpoint.clone())).collect()
            })
            .unwrap_or_default();
        let mut all: Vec<(Arc<Endpoint>, EndpointEntry)> = Vec::with_capacity(entries.len());
        for entry in entries {
            let endpoint = kept.remove(&entry.address).unwrap_or_else(|| Endpoint::new(entry.address));
            all.push((endpoint, *entry));
        }
        if let Some(old) = old {
            for (endpoint, _) in old.endpoints.all.iter() {
                if !all.iter().any(|(stays, _)| stays.id == endpoint.id) {
                    endpoint.retired.store(true, Ordering::Relaxed);
                }
            }
        }
        let shared = old.map_or_else(Arc::default, |old| old.shared.clone());
        Some(Self { config, transport, shared, endpoints: EndpointSet::new(all) })
    }

    /// Returns the members of an aggregate cluster.
    pub(crate) fn members(&self) -> Option<&[Arc<str>]> {
        match &self.config.discovery {
            Discovery::Aggregate(members) => Some(members),
            _ => None,
        }
    }

    pub(crate) fn has_usable_endpoint(&self) -> bool {
        self.endpoints.all.iter().any(|(_, entry)| entry.healthy)
    }

    /// Marks the endpoints of a cluster that is gone.
    pub(crate) fn retire(&self) {
        for (endpoint, _) in self.endpoints.all.iter() {
            endpoint.retired.store(true, Ordering::Relaxed);
        }
    }
}

impl EndpointSet {
    fn new(all: Vec<(Arc<Endpoint>, EndpointEntry)>) -> Self {
        let healthy = all.iter().filter(|(_, entry)| entry.healthy).count();
        let panic = healthy * 2 < all.len();
        let chosen: Vec<&(Arc<Endpoint>, EndpointEntry)> =
            all.iter().filter(|(_, entry)| panic || entry.healthy).collect();
        let weights: Vec<u32> = chosen.iter().map(|(_, entry)| entry.weight).collect();
        let usable = chosen.iter().map(|(endpoint, _)| endpoint.clone()).collect();
        Self { schedule: schedule(&weights), usable, all: all.into() }
    }
}

/// The longest schedule; finer weights are rounded.
const SCHEDULE_SLOTS: u64 = 4096;

/// Spreads each index over a cycle as often as its weight says: at each slot the index whose credit is greatest. None
/// when all weights are equal.
fn schedule(weights: &[u32]) -> Option<Arc<[u16]>> {
    if weights.windows(2).all(|pair| pair[0] == pair[1]) || weights.len() > usize::from(u16::MAX) {
        return None;
    }
    let divisor = weights.iter().fold(0, |divisor, &weight| gcd(divisor, weight.into()));
    let mut weights: Vec<i64> = weights.iter().map(|&weight| (u64::from(weight) / divisor) as i64).collect();
    let sum: i64 = weights.iter().sum();
    if sum as u64 > SCHEDULE_SLOTS {
        for weight in &mut weights {
            *weight = (*weight as i128 * i128::from(SCHEDULE_SLOTS) / i128::from(sum)).max(1) as i64;
        }
    }
    let sum: i64 = weights.iter().sum();
    let mut credit = vec![0_i64; weights.len()];
    let slots = (0..sum).map(|_| {
        for (credit, weight) in credit.iter_mut().zip(&weights) {
            *credit += weight;
        }
        let best = (0..credit.len()).rev().max_by_key(|&index| credit[index]).unwrap_or(0);
        credit[best] -= sum;
        best as u16
    });
    Some(slots.collect())
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_has_each_weight_and_spreads_it() {
        let slots = schedule(&[5, 1, 1]).unwrap();
        assert_eq!(&*slots, [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(schedule(&[3, 3]), None);
        assert_eq!(schedule(&[200, 100]).unwrap().len(), 3);
    }

    #[test]
    fn huge_weights_are_rounded_and_nobody_is_left_out() {
        let slots = schedule(&[u32::MAX, 1]).unwrap();
        assert!(slots.len() <= SCHEDULE_SLOTS as usize + 1);
        assert_eq!(slots.iter().filter(|&&slot| slot == 1).count(), 1);
    }
}
