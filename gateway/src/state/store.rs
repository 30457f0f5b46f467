//! The one writer of the state: applies xDS responses, keeps the predecessor of what cannot be used, holds what cannot
//! go live yet, and builds the next snapshot. Knows neither sockets nor threads.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use gatewright_xds::google::protobuf::Any;
use gatewright_xds::type_url::{self, XdsMessage};
use gatewright_xds_client::{Received, Rejected, Update};
use imbl::OrdSet;

use super::apply_chains::ChainSet;
use super::cluster::Cluster;
use super::hosts::HostSet;
use super::listener::Listener;
use super::secrets::SecretStore;
use super::snapshot::Snapshot;
use super::tls_configs::TlsConfigs;
use crate::config::{self, Endpoints, FieldError, RouteConfiguration};
use crate::stream::{Load, Loader, Work};

/// How long endpoints and secrets are kept that nobody names.
const UNUSED: Duration = Duration::from_secs(60);

/// Reserves the addresses of listeners. A listener whose address cannot be had is rejected.
pub(crate) trait Ports {
    /// Reserves `address` for the listener `name`, which may hold another one so far.
    fn reserve(&mut self, name: &Arc<str>, address: SocketAddr) -> Result<(), String>;
    /// Gives up what a listener that is gone holds.
    fn release(&mut self, name: &str);
}

/// A resource in effect (or warming), as it came.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    pub(crate) version: String,
    pub(crate) body: Any,
    pub(crate) updated: SystemTime,
}

/// Counts of one resource type since the start.
#[derive(Clone, Debug, Default)]
pub(crate) struct TypeCounts {
    pub(crate) responses: u64,
    pub(crate) rejections: u64,
    /// The server's word for its version in the last response.
    pub(crate) version: String,
    /// Why the last rejected resource of each name was rejected; gone when a usable one comes.
    pub(crate) rejected: BTreeMap<String, String>,
}

/// What came over xDS and what is made of it.
pub(crate) struct Store {
    pub(super) filters: Loader,
    pub(super) listeners: BTreeMap<Arc<str>, Slot<config::Listener, Listener>>,
    pub(super) clusters: BTreeMap<Arc<str>, Slot<config::Cluster, Cluster>>,
    /// Those of the clusters that have TLS, or had until now.
    pub(super) secured: BTreeSet<Arc<str>>,
    /// The secrets that they name.
    pub(super) secrets_of_clusters: BTreeSet<Arc<str>>,
    /// The users of each endpoint resource.
    pub(super) services: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    /// The endpoint resources with users.
    pub(super) service_names: OrdSet<Arc<str>>,
    pub(super) service_of: BTreeMap<Arc<str>, Arc<str>>,
    pub(super) assignments: BTreeMap<Arc<str>, Endpoints>,
    /// Addresses that DNS gave, by cluster.
    pub(super) resolved: BTreeMap<Arc<str>, Endpoints>,
    pub(super) routes: BTreeMap<Arc<str>, RouteConfiguration>,
    pub(super) hosts: BTreeMap<Arc<str>, HostSet>,
    /// Route configurations about whose hosts the server has said something.
    pub(super) hosts_seen: BTreeSet<Arc<str>>,
    /// Filter chains that come on their own, by listener.
    pub(super) chains: BTreeMap<Arc<str>, ChainSet>,
    /// Secrets that those name, and secrets that listeners name themselves.
    pub(super) secrets_of_chains: OrdSet<Arc<str>>,
    pub(super) secrets_of_listeners: OrdSet<Arc<str>>,
    pub(super) tls: TlsConfigs,
    /// Types of which the server has announced more, by short name.
    pub(super) unfinished: BTreeSet<&'static str>,
    pub(super) secrets: SecretStore,
    /// Endpoints, secrets and configurations of filters that nobody names, by type and name, and since when.
    pub(super) unused: BTreeMap<(&'static str, Arc<str>), Instant>,
    accepted: BTreeMap<&'static str, BTreeMap<String, Arc<Accepted>>>,
    pub(super) counts: BTreeMap<&'static str, TypeCounts>,
    /// Discovered configurations of filters that are being loaded.
    pub(super) extensions: BTreeMap<Arc<str>, Arc<Load>>,
    /// The configurations of filters that listeners use, in order of their number.
    pub(super) filters_in_use: Arc<[Arc<Load>]>,
    /// The next snapshot.
    pub(super) current: Snapshot,
}

/// A resource by its two lives: what serves, and what will once the rest of it has come.
#[derive(Debug)]
pub(super) struct Slot<C, L> {
    pub(super) live: Option<Arc<L>>,
    pub(super) warming: Option<Arc<C>>,
}

impl<C, L> Default for Slot<C, L> {
    fn default() -> Self {
        Self { live: None, warming: None }
    }
}

impl Store {
    pub(crate) fn new(filters: Loader) -> Self {
        Self {
            filters,
            listeners: BTreeMap::new(),
            clusters: BTreeMap::new(),
            secured: BTreeSet::new(),
            secrets_of_clusters: BTreeSet::new(),
            services: BTreeMap::new(),
            service_names: OrdSet::new(),
            service_of: BTreeMap::new(),
            assignments: BTreeMap::new(),
            resolved: BTreeMap::new(),
            routes: BTreeMap::new(),
            hosts: BTreeMap::new(),
            hosts_seen: BTreeSet::new(),
            chains: BTreeMap::new(),
            secrets_of_chains: OrdSet::new(),
            secrets_of_listeners: OrdSet::new(),
            tls: TlsConfigs::default(),
            unfinished: BTreeSet::new(),
            secrets: SecretStore::default(),
            unused: BTreeMap::new(),
            accepted: BTreeMap::new(),
            counts: BTreeMap::new(),
            extensions: BTreeMap::new(),
            filters_in_use: Arc::default(),
            current: Snapshot::default(),
        }
    }

    /// Applies one response and returns what in it cannot be used; of that the predecessor stays.
    pub(crate) fn apply(&mut self, update: Update, ports: &mut dyn Ports) -> Vec<Rejected> {
        let Update { type_url, resources, removed, system_version, more_follows } = update;
        if more_follows {
            self.unfinished.insert(type_url::short(type_url));
        } else {
            self.unfinished.remove(type_url::short(type_url));
        }
        let received: Vec<(String, Arc<Accepted>)> = resources
            .iter()
            .map(|resource| {
                let (version, body) = (resource.version.clone(), resource.body.clone());
                (resource.name.clone(), Arc::new(Accepted { version, body, updated: SystemTime::now() }))
            })
            .collect();
        let rejected = match type_url {
            type_url::CLUSTER => self.apply_clusters(resources, &removed),
            type_url::ENDPOINT => self.apply_endpoints(resources, &removed),
            type_url::LISTENER => self.apply_listeners(resources, &removed, ports),
            type_url::ROUTE => self.apply_routes(resources),
            type_url::VIRTUAL_HOST => self.apply_hosts(resources, &removed),
            type_url::FILTER_CHAIN => self.apply_chains(resources, &removed),
            type_url::SECRET => self.apply_secrets(resources),
            type_url::EXTENSION_CONFIG => self.apply_extensions(resources, &removed),
            _ => Vec::new(),
        };
        self.remember(type_url, received, &removed, system_version, &rejected);
        self.settle();
        if matches!(type_url, type_url::LISTENER | type_url::EXTENSION_CONFIG) {
            self.note_filters();
        }
        if type_url == type_url::LISTENER {
            self.note_secrets();
        }
        rejected
    }

    /// Puts in effect what waited for filters that are loaded now.
    pub(crate) fn loaded(&mut self) {
        self.settle();
        self.note_filters();
    }

    /// Makes live what waits for nothing any more.
    fn settle(&mut self) {
        self.settle_extensions();
        if self.settle_listeners() {
            self.note_filters();
            self.note_secrets();
        }
        if !self.secured.is_empty() || !self.secrets_of_clusters.is_empty() {
            self.note_secrets_of_clusters();
        }
    }

    /// Takes out the loading of filters that is to be done on threads of their own.
    pub(crate) fn work(&self) -> Vec<Work> {
        self.filters.work()
    }

    /// Returns the configurations of filters that listeners use. The same value is returned while they stay the same.
    pub(crate) fn filters_in_use(&self) -> &Arc<[Arc<Load>]> {
        &self.filters_in_use
    }

    /// Puts the addresses in effect that DNS gave for a cluster. Returns whether something changed.
    pub(crate) fn resolve(&mut self, cluster: &str, endpoints: Endpoints) -> bool {
        if self.resolved.get(cluster).is_some_and(|old| **old == *endpoints) {
            return false;
        }
        self.resolved.insert(cluster.into(), endpoints);
        self.settle_cluster(&Arc::from(cluster));
        true
    }

    /// Takes what has not come by now as absent, so that a silent server holds up nothing else.
    pub(crate) fn stop_waiting(&mut self) {
        self.unfinished.clear();
        let silent: Vec<Arc<str>> = self
            .services
            .keys()
            .filter(|service| !self.assignments.contains_key(*service))
            .cloned()
            .collect();
        for service in silent {
            self.assign(service, Endpoints::default());
        }
        for name in self.awaited_secrets() {
            self.secrets.fail(&name);
            self.settle_secret(&name);
        }
        for name in self.listeners.keys() {
            self.chains.entry(name.clone()).or_default().seen = true;
        }
        self.settle_secured_clusters();
        for name in self.wanted_extensions() {
            self.filters.discovered(&name.into()).settle();
        }
        self.settle();
    }

    /// Returns the next snapshot; it shares everything that did not change.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            listeners: self.current.listeners.clone(),
            routes: self.current.routes.clone(),
            clusters: self.current.clusters.clone(),
        }
    }

    /// Returns every resource in effect or warming, by type and name.
    pub(crate) fn accepted(&self) -> &BTreeMap<&'static str, BTreeMap<String, Arc<Accepted>>> {
        &self.accepted
    }

    pub(crate) fn counts(&self) -> &BTreeMap<&'static str, TypeCounts> {
        &self.counts
    }

    /// Returns the clusters whose endpoints are resolved by name.
    pub(crate) fn dns_clusters(&self) -> impl Iterator<Item = Arc<config::Cluster>> {
        self.clusters.values().filter_map(|slot| {
            let config = slot.warming.as_ref().or(slot.live.as_ref().map(|live| &live.config))?;
            matches!(config.discovery, config::Discovery::Dns { .. }).then(|| config.clone())
        })
    }

    fn remember(
        &mut self,
        type_url: &'static str,
        received: Vec<(String, Arc<Accepted>)>,
        removed: &[String],
        version: String,
        rejected: &[Rejected],
    ) {
        let accepted = self.accepted.entry(type_url).or_default();
        let counts = self.counts.entry(type_url).or_default();
        counts.responses += 1;
        counts.rejections += rejected.len() as u64;
        counts.version = version;
        let refused: BTreeMap<&str, &str> =
            rejected.iter().map(|rejected| (rejected.name.as_str(), rejected.reason.as_str())).collect();
        for (name, resource) in received {
            match refused.get(name.as_str()) {
                Some(reason) => drop(counts.rejected.insert(name, (*reason).to_owned())),
                None => {
                    counts.rejected.remove(&name);
                    accepted.insert(name, resource);
                }
            }
        }
        for name in removed {
            counts.rejected.remove(name);
            // The endpoints and secrets that are still in use stay in effect; the dump shows what the server has.
            accepted.remove(name);
        }
    }

    /// Drops endpoints, secrets and configurations of filters that nobody has named for a while. At once would be too early: when the last name
    /// goes and comes back before the server hears of either, it has no reason to send the resource again.
    pub(crate) fn forget_unused(&mut self, now: Instant) {
        let old = |since: &Instant| now.saturating_duration_since(*since) >= UNUSED;
        let gone = self.unused.iter().filter(|(_, since)| old(since)).map(|(key, _)| key.clone());
        for key in gone.collect::<Vec<_>>() {
            self.unused.remove(&key);
            match key {
                (type_url::ENDPOINT, name) => drop(self.assignments.remove(&name)),
                (type_url::EXTENSION_CONFIG, name) => self.filters.forget(&name),
                (_, name) => self.secrets.remove(&name),
            }
        }
    }
}

pub(super) fn rejection(name: &str, reason: &str) -> Rejected {
    Rejected { name: name.to_owned(), reason: format!("GW0701 {reason}") }
}

/// Decodes and converts a resource, whose own name must be the one it is subscribed by.
pub(super) fn read<M: XdsMessage, C>(
    resource: Received,
    convert: impl FnOnce(M, &Loader) -> Result<C, FieldError>,
    filters: &Loader,
) -> Result<(Arc<str>, C), Rejected> {
    let name: Arc<str> = resource.name.as_str().into();
    let message: M =
        gatewright_xds::unpack(&resource.body).map_err(|error| rejection(&name, &error.to_string()))?;
    if message.resource_name() != &*name {
        let reason = format!("name: is `{}` inside the resource", message.resource_name());
        return Err(rejection(&name, &reason));
    }
    convert(message, filters)
        .map(|value| (name.clone(), value))
        .map_err(|error| rejection(&name, &error.to_string()))
}
