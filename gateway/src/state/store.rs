//! The one writer of the state: applies xDS responses, keeps the predecessor of what cannot be used, holds what cannot
//! go live yet, and builds the next snapshot. Knows neither sockets nor threads.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use gatewright_xds::google::protobuf::Any;
use gatewright_xds::type_url::{self, XdsMessage};
use gatewright_xds_client::{Received, Rejected, Update};

use super::cluster::Cluster;
use super::hosts::HostSet;
use super::listener::Listener;
use super::secrets::SecretStore;
use super::snapshot::{RouteTable, Snapshot};
use crate::config::{self, Endpoints, FieldError, RouteConfiguration, VirtualHost};
use crate::filter::FilterRegistry;

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
    filters: FilterRegistry,
    pub(super) listeners: BTreeMap<Arc<str>, Slot<config::Listener, Listener>>,
    pub(super) clusters: BTreeMap<Arc<str>, Slot<config::Cluster, Cluster>>,
    /// The users of each endpoint resource.
    pub(super) services: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    service_of: BTreeMap<Arc<str>, Arc<str>>,
    pub(super) assignments: BTreeMap<Arc<str>, Endpoints>,
    /// Addresses that DNS gave, by cluster.
    pub(super) resolved: BTreeMap<Arc<str>, Endpoints>,
    pub(super) routes: BTreeMap<Arc<str>, RouteConfiguration>,
    pub(super) hosts: BTreeMap<Arc<str>, HostSet>,
    /// Route configurations about whose hosts the server has said something.
    pub(super) hosts_seen: BTreeSet<Arc<str>>,
    pub(super) secrets: SecretStore,
    accepted: BTreeMap<&'static str, BTreeMap<String, Accepted>>,
    pub(super) counts: BTreeMap<&'static str, TypeCounts>,
    current: Snapshot,
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

/// What one response says about the hosts of one route configuration.
#[derive(Default)]
struct HostChanges {
    put: Vec<Arc<VirtualHost>>,
    removed: Vec<Arc<str>>,
}

impl Store {
    pub(crate) fn new(filters: FilterRegistry) -> Self {
        Self {
            filters,
            listeners: BTreeMap::new(),
            clusters: BTreeMap::new(),
            services: BTreeMap::new(),
            service_of: BTreeMap::new(),
            assignments: BTreeMap::new(),
            resolved: BTreeMap::new(),
            routes: BTreeMap::new(),
            hosts: BTreeMap::new(),
            hosts_seen: BTreeSet::new(),
            secrets: SecretStore::default(),
            accepted: BTreeMap::new(),
            counts: BTreeMap::new(),
            current: Snapshot::default(),
        }
    }

    /// Applies one response and returns what in it cannot be used; of that the predecessor stays.
    pub(crate) fn apply(&mut self, update: Update, ports: &mut dyn Ports) -> Vec<Rejected> {
        let Update { type_url, resources, removed, system_version } = update;
        let received: Vec<(String, Accepted)> = resources
            .iter()
            .map(|resource| {
                let (version, body) = (resource.version.clone(), resource.body.clone());
                (resource.name.clone(), Accepted { version, body, updated: SystemTime::now() })
            })
            .collect();
        let rejected = match type_url {
            type_url::CLUSTER => self.apply_clusters(resources, &removed),
            type_url::ENDPOINT => self.apply_endpoints(resources, &removed),
            type_url::LISTENER => self.apply_listeners(resources, &removed, ports),
            type_url::ROUTE => self.apply_routes(resources),
            type_url::VIRTUAL_HOST => self.apply_hosts(resources, &removed),
            type_url::SECRET => self.apply_secrets(resources),
            _ => Vec::new(),
        };
        self.settle_listeners();
        self.remember(type_url, received, &removed, system_version, &rejected);
        rejected
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
        let silent: Vec<Arc<str>> = self
            .services
            .keys()
            .filter(|service| !self.assignments.contains_key(*service))
            .cloned()
            .collect();
        for service in silent {
            self.assign(service, Endpoints::default());
        }
        for name in self.wanted().secrets {
            self.secrets.fail(&name);
        }
        self.settle_listeners();
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
    pub(crate) fn accepted(&self) -> &BTreeMap<&'static str, BTreeMap<String, Accepted>> {
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
        received: Vec<(String, Accepted)>,
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

    fn apply_clusters(&mut self, resources: Vec<Received>, removed: &[String]) -> Vec<Rejected> {
        let mut rejected = Vec::new();
        for resource in resources {
            match read(resource, |message, _| config::Cluster::from_message(message), &self.filters) {
                Ok((name, config)) => self.put_cluster(name, config),
                Err(reason) => rejected.push(reason),
            }
        }
        for name in removed {
            let Some(slot) = self.clusters.remove(name.as_str()) else { continue };
            if let Some(live) = slot.live {
                live.retire();
            }
            self.current.clusters.remove(name.as_str());
            self.resolved.remove(name.as_str());
            self.use_service(name, None);
        }
        rejected
    }

    fn put_cluster(&mut self, name: Arc<str>, config: config::Cluster) {
        let service = match &config.discovery {
            config::Discovery::Endpoints(service) => Some(service.clone()),
            _ => None,
        };
        self.use_service(&name, service);
        if !matches!(config.discovery, config::Discovery::Dns { .. }) {
            self.resolved.remove(&name);
        }
        self.clusters.entry(name.clone()).or_default().warming = Some(Arc::new(config));
        self.settle_cluster(&name);
    }

    /// Notes which endpoint resource a cluster uses, and forgets the one that nobody uses any more.
    fn use_service(&mut self, cluster: &str, service: Option<Arc<str>>) {
        if self.service_of.get(cluster) == service.as_ref() {
            return;
        }
        if let Some(old) = self.service_of.remove(cluster) {
            let users = self.services.entry(old.clone()).or_default();
            users.remove(cluster);
            if users.is_empty() {
                self.services.remove(&old);
                self.assignments.remove(&old);
            }
        }
        if let Some(service) = service {
            self.services.entry(service.clone()).or_default().insert(cluster.into());
            self.service_of.insert(cluster.into(), service);
        }
    }

    /// Makes a cluster live as soon as its endpoints are known, and gives a live one its newest endpoints.
    fn settle_cluster(&mut self, name: &Arc<str>) {
        let Some(slot) = self.clusters.get_mut(name) else { return };
        let Some(config) = slot.warming.clone().or(slot.live.as_ref().map(|live| live.config.clone())) else {
            return;
        };
        let entries = match &config.discovery {
            config::Discovery::Static(endpoints) => endpoints.clone(),
            config::Discovery::Aggregate(_) => Endpoints::default(),
            config::Discovery::Endpoints(service) => match self.assignments.get(service) {
                Some(endpoints) => endpoints.clone(),
                None => return,
            },
            config::Discovery::Dns { .. } => match self.resolved.get(name) {
                Some(endpoints) => endpoints.clone(),
                None => return,
            },
        };
        let live = Arc::new(Cluster::new(config, &entries, slot.live.as_deref()));
        slot.warming = None;
        slot.live = Some(live.clone());
        self.current.clusters.insert(name.clone(), live);
    }

    fn apply_endpoints(&mut self, resources: Vec<Received>, removed: &[String]) -> Vec<Rejected> {
        let mut rejected = Vec::new();
        for resource in resources {
            let name: Arc<str> = resource.name.as_str().into();
            match read(resource, |message, _| config::endpoints(message), &self.filters) {
                Ok((name, endpoints)) => self.assign(name, endpoints),
                Err(reason) => {
                    // Without a predecessor the cluster has no endpoint, but it is not waited for any more.
                    if !self.assignments.contains_key(&name) {
                        self.assign(name, Endpoints::default());
                    }
                    rejected.push(reason);
                }
            }
        }
        for name in removed {
            if self.services.contains_key(name.as_str()) {
                self.assign(name.as_str().into(), Endpoints::default());
            }
        }
        rejected
    }

    fn assign(&mut self, service: Arc<str>, endpoints: Endpoints) {
        let users: Vec<Arc<str>> = self.services.get(&service).into_iter().flatten().cloned().collect();
        self.assignments.insert(service, endpoints);
        for cluster in users {
            self.settle_cluster(&cluster);
        }
    }

    fn apply_listeners(
        &mut self,
        resources: Vec<Received>,
        removed: &[String],
        ports: &mut dyn Ports,
    ) -> Vec<Rejected> {
        let mut rejected = Vec::new();
        for name in removed {
            ports.release(name);
            self.listeners.remove(name.as_str());
            self.current.listeners.remove(name.as_str());
        }
        for resource in resources {
            let name = resource.name.clone();
            let listener = read(resource, config::Listener::new, &self.filters).and_then(|(name, config)| {
                ports
                    .reserve(&name, config.address)
                    .map_err(|reason| rejection(&name, &format!("address: {reason}")))?;
                Ok((name, config))
            });
            match listener {
                Ok((name, config)) => {
                    self.listeners.entry(name).or_default().warming = Some(Arc::new(config))
                }
                Err(reason) => {
                    tracing::debug!(listener = %name, "rejected");
                    rejected.push(reason);
                }
            }
        }
        rejected
    }

    fn apply_routes(&mut self, resources: Vec<Received>) -> Vec<Rejected> {
        let mut rejected = Vec::new();
        for resource in resources {
            match read(resource, RouteConfiguration::new, &self.filters) {
                Ok((name, config)) => match self.put_inline_hosts(&name, &config) {
                    Ok(()) => {
                        self.routes.insert(name.clone(), config);
                        self.publish_routes(&name);
                    }
                    Err(reason) => rejected.push(rejection(&name, &reason)),
                },
                Err(reason) => rejected.push(reason),
            }
        }
        rejected
    }

    /// Puts the hosts in effect that a route configuration brings itself, in the place of those it brought before.
    fn put_inline_hosts(&mut self, name: &Arc<str>, config: &RouteConfiguration) -> Result<(), String> {
        if config.hosts_on_their_own {
            return Ok(());
        }
        let mut set = HostSet::default();
        match set.apply(config.hosts.clone(), &[]).into_iter().next() {
            Some((host, reason)) => Err(format!("virtual_hosts: {host}: {reason}")),
            None => {
                self.hosts.insert(name.clone(), set);
                Ok(())
            }
        }
    }

    fn apply_hosts(&mut self, resources: Vec<Received>, removed: &[String]) -> Vec<Rejected> {
        let mut rejected = Vec::new();
        let mut changed: BTreeMap<Arc<str>, HostChanges> = BTreeMap::new();
        for name in removed {
            if let Some((routes, _)) = gatewright_xds::names::virtual_host_parts(name) {
                changed.entry(routes.into()).or_default().removed.push(name.as_str().into());
            }
        }
        if resources.is_empty() && removed.is_empty() {
            // The server has no host at all.
            self.hosts_seen.extend(self.routes.keys().cloned());
        }
        for resource in resources {
            let name = resource.name.clone();
            let host = read(resource, VirtualHost::new, &self.filters);
            match (gatewright_xds::names::virtual_host_parts(&name), host) {
                (Some((routes, _)), Ok((_, host))) => {
                    changed.entry(routes.into()).or_default().put.push(Arc::new(host));
                }
                (None, Ok(_)) => {
                    rejected.push(rejection(&name, "name: has no route configuration before a `/`"))
                }
                (_, Err(reason)) => rejected.push(reason),
            }
        }
        for (routes, HostChanges { put, removed }) in changed {
            let conflicts = self.hosts.entry(routes.clone()).or_default().apply(put, &removed);
            rejected.extend(conflicts.iter().map(|(name, reason)| rejection(name, reason)));
            self.hosts_seen.insert(routes.clone());
            self.publish_routes(&routes);
        }
        rejected
    }

    /// Puts a route configuration in the next snapshot if it is there; hosts alone are held.
    fn publish_routes(&mut self, name: &Arc<str>) {
        let Some(config) = self.routes.get(name) else { return };
        let hosts = self.hosts.get(name).map(|set| set.table.clone()).unwrap_or_default();
        self.current.routes.insert(name.clone(), RouteTable { ignore_port: config.ignore_port, hosts });
    }

    fn apply_secrets(&mut self, resources: Vec<Received>) -> Vec<Rejected> {
        let mut rejected = Vec::new();
        for resource in resources {
            let name = resource.name.clone();
            match read(resource, |message, _| config::certified_key(message), &self.filters) {
                Ok((name, identity)) => self.secrets.insert(&name, identity),
                Err(reason) => {
                    self.secrets.fail(&name);
                    rejected.push(reason);
                }
            }
        }
        // A live listener shows the new certificate from the next handshake on.
        for slot in self.listeners.values_mut() {
            if slot.warming.is_none() {
                slot.warming = slot.live.as_ref().map(|live| live.config.clone());
            }
        }
        rejected
    }

    /// Makes listeners live whose routes and certificates are there.
    fn settle_listeners(&mut self) {
        for (name, slot) in &mut self.listeners {
            let Some(config) = &slot.warming else { continue };
            if !config.https().all(|(http, _)| self.routes.contains_key(&http.routes)) {
                continue;
            }
            let Some(listener) = Listener::new(config.clone(), &self.secrets, slot.live.as_deref()) else {
                continue;
            };
            let listener = Arc::new(listener);
            slot.warming = None;
            slot.live = Some(listener.clone());
            self.current.listeners.insert(name.clone(), listener);
        }
        let wanted = self.wanted();
        self.secrets.retain(|name| wanted.secrets.contains(name));
    }
}

fn rejection(name: &str, reason: &str) -> Rejected {
    Rejected { name: name.to_owned(), reason: format!("GW0701 {reason}") }
}

/// Decodes and converts a resource, whose own name must be the one it is subscribed by.
fn read<M: XdsMessage, C>(
    resource: Received,
    convert: impl FnOnce(M, &FilterRegistry) -> Result<C, FieldError>,
    filters: &FilterRegistry,
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
