//! From changed units of the model to changed xDS resources.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatewright_ir::{ClusterName, HostPattern, ListenerId, SecretRef};
use gatewright_kinds::{EntityKey, Kind};
use gatewright_xds::envoy::config::bootstrap::v3::Bootstrap;
use gatewright_xds::envoy::extensions::transport_sockets::tls::v3::TlsCertificate;
use gatewright_xds::{Resource, names, type_url};
use rayon::prelude::*;

use super::{Engine, put_all};
use crate::emit::bootstrap::{self, BootstrapOptions};
use crate::emit::{Delivery, cluster, host, listener, secret};
use crate::lower::tls::key_pair;
use crate::manifest::Body;

/// How much work an update did, in units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkCounters {
    /// Files whose bytes were read and parsed.
    pub files_parsed: usize,
    /// Ingresses that were normalized.
    pub ingresses_analyzed: usize,
    /// Hosts that were lowered.
    pub hosts_lowered: usize,
    /// Clusters that were lowered.
    pub clusters_lowered: usize,
    /// xDS resources that were encoded.
    pub resources_emitted: usize,
}

/// What an update changed.
#[derive(Clone, Debug, Default)]
pub struct Delta {
    /// Resources that are new or have new bytes, by type and name.
    pub changed: BTreeMap<(&'static str, Arc<str>), Arc<Resource>>,
    /// Resources that are gone.
    pub removed: BTreeSet<(&'static str, Arc<str>)>,
    /// The work that it took.
    pub counters: WorkCounters,
}

/// A resource, or the name of one that there is not.
type Emitted = Result<Arc<Resource>, String>;

/// Changed virtual hosts and listeners.
#[derive(Default)]
pub(super) struct HostChanges {
    pub(super) hosts: BTreeSet<(ListenerId, HostPattern)>,
    /// Server names for which a listener does something else before there is a request.
    pub(super) chains: BTreeSet<(ListenerId, HostPattern)>,
}

/// Changed clusters and endpoint sets.
#[derive(Default)]
pub(super) struct ClusterChanges {
    pub(super) clusters: BTreeSet<ClusterName>,
    pub(super) endpoints: BTreeSet<ClusterName>,
}

/// Everything of the model that changed.
pub(super) struct Changes {
    pub(super) hosts: HostChanges,
    pub(super) clusters: ClusterChanges,
    pub(super) secrets: BTreeSet<EntityKey>,
    /// Whether a target with fallbacks came or went.
    pub(super) fallbacks: bool,
}

impl Engine {
    /// Emits what changed and brings the snapshot up to date.
    pub(super) fn emit(&mut self, changes: Changes, counters: WorkCounters) -> Delta {
        let mut delta = Delta { counters, ..Delta::default() };
        let Changes { hosts, clusters, secrets, fallbacks } = changes;
        // First, because they are the most: a map that is built from a sorted whole has full nodes.
        self.emit_virtual_hosts(hosts.hosts, &mut delta);
        self.emit_clusters(&clusters, &mut delta);
        if fallbacks {
            self.emit_aggregates(&mut delta);
        }
        self.emit_secrets(&secrets, &mut delta);
        self.emit_listeners(&hosts.chains, &mut delta);
        self.emit_chains(hosts.chains, &mut delta);
        delta
    }

    fn emit_clusters(&mut self, changes: &ClusterChanges, delta: &mut Delta) {
        for name in &changes.clusters {
            let emitted = self
                .ir
                .clusters
                .get(name)
                .map(|model| Resource::of(&cluster::emit(model, None, Delivery::Ads)));
            self.put(type_url::CLUSTER, &name.0, emitted, delta);
        }
        for name in &changes.endpoints {
            let emitted =
                self.ir.endpoints.get(name).map(|set| Resource::of(&cluster::emit_endpoints(name, set)));
            self.put(type_url::ENDPOINT, &name.0, emitted, delta);
        }
    }

    /// Compares the wanted names with the present ones.
    fn emit_aggregates(&mut self, delta: &mut Delta) {
        let wanted: BTreeMap<String, &Vec<ClusterName>> =
            self.fallback_users.keys().map(|members| (aggregate_name(members), members)).collect();
        let present: BTreeSet<String> = self
            .xds
            .with_prefix(type_url::CLUSTER, AGGREGATE_PREFIX)
            .map(|resource| resource.name().to_owned())
            .collect();
        let missing: Vec<(String, Resource)> = wanted
            .iter()
            .filter(|(name, _)| !present.contains(*name))
            .map(|(name, members)| (name.clone(), Resource::of(&cluster::emit_aggregate(members))))
            .collect();
        let gone: Vec<String> = present.into_iter().filter(|name| !wanted.contains_key(name)).collect();
        for (name, resource) in missing {
            self.put(type_url::CLUSTER, &name, Some(resource), delta);
        }
        for name in gone {
            self.put(type_url::CLUSTER, &name, None, delta);
        }
    }

    fn emit_secrets(&mut self, stale: &BTreeSet<EntityKey>, delta: &mut Delta) {
        for name in stale.iter().map(secret_ref) {
            let served = self.secret_users.contains_key(&name);
            let emitted = served.then(|| self.secret_resource(&name)).flatten();
            self.put(type_url::SECRET, &names::secret(&name.namespace, &name.name), emitted, delta);
        }
    }

    /// The version of a secret is keyed, so that it tells nothing about its content.
    fn secret_resource(&self, name: &SecretRef) -> Option<Resource> {
        let manifest = self.manifests.get(&secret_key(name))?;
        let Body::Secret(body) = &manifest.body else { return None };
        let message = secret::emit(name, &key_pair(body).ok()?);
        Some(Resource::of_secret(&message, manifest.fingerprint.as_bytes()))
    }

    fn emit_virtual_hosts(&mut self, mut stale: BTreeSet<(ListenerId, HostPattern)>, delta: &mut Delta) {
        let wildcards = stale.iter().filter(|(_, pattern)| !matches!(pattern, HostPattern::Exact(_)));
        let narrower: Vec<_> =
            wildcards.flat_map(|(listener, pattern)| self.narrower(*listener, pattern)).collect();
        stale.extend(narrower);
        let stale: Vec<(ListenerId, HostPattern)> = stale.into_iter().collect();
        let emitted: Vec<Emitted> = stale.par_iter().map(|key| self.virtual_host(key)).collect();
        drop(stale);
        self.put_each(type_url::VIRTUAL_HOST, emitted, delta);
    }

    fn virtual_host(&self, key: &(ListenerId, HostPattern)) -> Emitted {
        let (listener, pattern) = key;
        let routes = listener::routes_name(*listener, self.options.address(*listener));
        if self.ir.hosts.contains_key(key) {
            Ok(Arc::new(Resource::of(&host::emit(&routes, &self.ir.chain(*listener, pattern)))))
        } else {
            Err(names::virtual_host(&routes, &pattern.to_string()))
        }
    }

    /// Returns the hosts that may fall back to a wildcard.
    fn narrower(&self, listener: ListenerId, wildcard: &HostPattern) -> Vec<(ListenerId, HostPattern)> {
        self.ir
            .hosts
            .iter()
            .filter(|((other, pattern), host)| {
                *other == listener
                    && pattern != wildcard
                    && !host.host.ends_chain()
                    && match pattern {
                        HostPattern::Exact(name) | HostPattern::Suffix(name) => wildcard.covers(name),
                        HostPattern::Any => false,
                    }
            })
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// Emits listeners that came or went. What else is changed of one are its filter chains.
    fn emit_listeners(&mut self, chains: &BTreeSet<(ListenerId, HostPattern)>, delta: &mut Delta) {
        let touched = chains.iter().map(|(listener, _)| listener).chain(self.ir.listeners.keys());
        let touched: BTreeSet<ListenerId> = touched.copied().collect();
        for id in touched {
            let address = self.options.address(id);
            let name = names::listener(address.port());
            let serves = self.ir.listeners.contains_key(&id);
            if serves == self.xds.get(type_url::LISTENER, &name).is_some() {
                continue;
            }
            let routes = serves.then(|| listener::routes(&listener::routes_name(id, address)));
            let message = serves.then(|| listener::emit(id, address, &listener::Parts::Ads));
            let (routes, message) = (routes.as_ref().map(Resource::of), message.as_ref().map(Resource::of));
            self.put(type_url::ROUTE, &listener::routes_name(id, address), routes, delta);
            self.put(type_url::LISTENER, &name, message, delta);
        }
    }

    fn emit_chains(&mut self, stale: BTreeSet<(ListenerId, HostPattern)>, delta: &mut Delta) {
        let emit = |(listener, host): &(ListenerId, HostPattern)| -> Emitted {
            let address = self.options.address(*listener);
            match self.ir.tls(*listener).get(host) {
                Some(context) => {
                    let chain = listener::chain(address, context, &listener::Parts::Ads);
                    Ok(Arc::new(Resource::of(&chain)))
                }
                None => Err(listener::chain_name(address, host)),
            }
        };
        let emitted = stale.iter().map(emit).collect();
        self.put_each(type_url::FILTER_CHAIN, emitted, delta);
    }

    /// Replaces one resource of the snapshot; equal bytes are no change.
    fn put(&mut self, kind: &'static str, name: &str, resource: Option<Resource>, delta: &mut Delta) {
        let emitted = resource.map(Arc::new).ok_or_else(|| name.to_owned());
        self.put_each(kind, vec![emitted], delta);
    }

    /// Replaces resources of one type; equal bytes are no change.
    fn put_each(&mut self, kind: &'static str, emitted: Vec<Emitted>, delta: &mut Delta) {
        let mut new = Vec::with_capacity(emitted.len());
        for one in emitted {
            match one {
                Ok(resource) => {
                    delta.counters.resources_emitted += 1;
                    let old = self.xds.get(kind, resource.name());
                    if old.is_none_or(|old| old.version() != resource.version()) {
                        new.push(resource);
                    }
                }
                Err(name) => {
                    if let Some(old) = self.xds.remove(kind, &name) {
                        delta.removed.insert((kind, old.shared_name()));
                    }
                }
            }
        }
        new.par_sort_unstable_by(|a, b| a.name().cmp(b.name()));
        let keyed = |resource: &Arc<Resource>| ((kind, resource.shared_name()), resource.clone());
        put_all(&mut delta.changed, new.iter().map(keyed).collect());
        self.xds.insert_sorted(&new);
    }

    /// Emits everything as one static bootstrap, keys included.
    pub fn bootstrap(&self, options: &BootstrapOptions) -> Bootstrap {
        let certificates: BTreeMap<SecretRef, TlsCertificate> = self
            .secret_users
            .keys()
            .filter_map(|name| {
                let key = secret_key(name);
                let Body::Secret(body) = &self.manifests.get(&key)?.body else { return None };
                let certificate = secret::certificate(&key_pair(body).ok()?);
                Some((name.clone(), certificate))
            })
            .collect();
        bootstrap::emit(&self.ir, self.fallback_users.keys().cloned(), &certificates, options)
    }
}

/// What the names of aggregates begin with.
const AGGREGATE_PREFIX: &str = "fallback[";

fn aggregate_name(members: &[ClusterName]) -> String {
    let texts: Vec<&str> = members.iter().map(|name| &*name.0).collect();
    texts.split_first().map_or_else(String::new, |(first, rest)| names::aggregate_fallback(first, rest))
}

fn secret_ref(key: &EntityKey) -> SecretRef {
    SecretRef { namespace: key.namespace.to_string(), name: key.name.to_string() }
}

/// Returns the object that a secret's name stands for.
pub(super) fn secret_key(name: &SecretRef) -> EntityKey {
    EntityKey::new(Kind::Secret, name.namespace.clone(), name.name.clone())
}
