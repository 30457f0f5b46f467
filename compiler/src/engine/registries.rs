//! What registries publish, and what a change of it makes stale.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatewright_diagnostics::code;
use gatewright_ir::{ClusterName, HostPattern};
use gatewright_kinds::{EntityKey, Kind};

use super::{Engine, Stale};
use crate::finding::{Finding, Place};
use crate::manifest::{Body, DiscoveredService, Manifest, ServiceState};
use crate::registry::{self, Known, Published, Registries};
use crate::world::Dependency;

/// Objects that changed, with the manifest that each had.
type Changed = BTreeMap<EntityKey, Option<Arc<Manifest>>>;

impl Engine {
    pub(super) fn update_registries(&mut self, changed: &Changed, stale: &mut Stale) {
        self.update_offered(changed, stale);
        if changed.keys().any(|key| registry::is_bridge(key) || key.kind == Kind::Registry) {
            let (registries, findings) = self.read_registries();
            self.registry_findings = findings;
            let old = std::mem::replace(&mut self.registries, registries);
            self.mark_published(&old, stale);
        }
    }

    /// Enters services under the hosts that registries offer them by. What endpoints a service has concerns its clusters
    /// alone; what else it is concerns the routes that name it.
    fn update_offered(&mut self, changed: &Changed, stale: &mut Stale) {
        let mut moved = BTreeSet::new();
        for (key, old) in changed.iter().filter(|(key, _)| key.kind == Kind::RegistryService) {
            let (old, new) = (old.as_deref().and_then(service), self.manifests.get(key));
            let new = new.and_then(|manifest| service(manifest)).cloned();
            if old.map(shape) != new.as_ref().map(shape) {
                for service in old.iter().copied().chain(&new) {
                    stale.hosts.extend(self.readers_of(&Dependency::Registry(service.host.clone())));
                }
            }
            if let Some(old) = old.filter(|old| new.as_ref().is_none_or(|new| new.host != old.host)) {
                self.withdraw(&old.host, key);
            }
            moved.extend(old.map(|old| old.host.clone()));
            if let Some(new) = new {
                self.offered.entry(new.host.clone()).or_default().insert(key.clone());
                moved.insert(new.host);
            }
        }
        stale.clusters.extend(self.clusters_at(&moved));
    }

    fn withdraw(&mut self, host: &str, key: &EntityKey) {
        if let Some(keys) = self.offered.get_mut(host) {
            keys.retain(|known| known != key);
            if keys.is_empty() {
                self.offered.remove(host);
            }
        }
    }

    fn read_registries(&self) -> (Registries, Vec<Finding>) {
        let bridges = self.manifests.iter().filter(|(key, _)| registry::is_bridge(key));
        let bridges = bridges.map(|(_, manifest)| manifest);
        let (mut registries, mut findings) = registry::read(bridges, &|key| self.known(key), &self.options);
        for key in self.ambiguous.iter().filter(|key| registry::is_bridge(key)) {
            for bridge in self.definitions_of(key) {
                registry::withhold(bridge, &self.options, &mut registries);
            }
        }
        let snapshots = self.manifests.keys().filter(|key| key.kind == Kind::Registry);
        findings.extend(snapshots.filter(|key| !registries.declared.contains_key(key)).map(undeclared));
        (registries, findings)
    }

    /// Returns how much is known of a registry. Of one that is defined twice there is something to know.
    pub(super) fn known(&self, registry: &EntityKey) -> Known {
        match self.manifests.get(registry).map(|manifest| &manifest.body) {
            Some(Body::Registry(snapshot)) if snapshot.complete => Known::All,
            Some(_) => Known::Some,
            None if self.ambiguous.contains(registry) => Known::Some,
            None => Known::Nothing,
        }
    }

    /// Marks what an entry of an McpBridge published, or publishes now.
    fn mark_published(&self, old: &Registries, stale: &mut Stale) {
        let new = &self.registries;
        let hosts: BTreeSet<&String> = old.services.keys().chain(new.services.keys()).collect();
        let moved = hosts.into_iter().filter(|host| old.services.get(*host) != new.services.get(*host));
        let moved: BTreeSet<String> = moved.cloned().collect();
        for host in &moved {
            stale.hosts.extend(self.readers_of(&Dependency::Registry(host.clone())));
            let ports = [old, new].map(|side| side.services.get(host).map(|service| service.port));
            let ports = ports.into_iter().flatten();
            stale.clusters.extend(ports.map(|port| ClusterName::outbound(port, "", host)));
        }
        stale.clusters.extend(self.clusters_at(&moved));
        if old.declared.keys().ne(new.declared.keys()) {
            stale.clusters.extend(self.clusters_at(&self.offered.keys().cloned().collect()));
        }
        let unnamed_moved = old.undiscovered != new.undiscovered
            || old.unpublished != new.unpublished
            || old.declared.keys().ne(new.declared.keys());
        if unnamed_moved {
            stale.hosts.extend(self.readers_of_registries(|_| true));
        }
    }

    /// Returns the hosts whose routes ask for what registries publish under a name.
    pub(super) fn readers_of_registries(&self, wanted: impl Fn(&str) -> bool) -> BTreeSet<HostPattern> {
        let readers = self.readers.iter().filter(|(dependency, _)| match dependency {
            Dependency::Registry(host) => wanted(host),
            _ => false,
        });
        readers.flat_map(|(_, hosts)| hosts.iter().cloned()).collect()
    }

    /// Returns the hosts whose routes ask for what an McpBridge publishes.
    pub(super) fn readers_of_bridge(&self, bridge: &EntityKey) -> BTreeSet<HostPattern> {
        let world = self.world();
        self.readers_of_registries(|host| match world.published(host) {
            Some(Published::Entry(service)) => service.bridge == *bridge,
            Some(Published::Offered(key, _)) => {
                let entry = registry::offering(key, host).and_then(|key| self.registries.declared.get(&key));
                entry.is_some_and(|entry| entry.entity == *bridge)
            }
            None => false,
        })
    }

    /// Returns a finding for each host that several registries offer.
    pub(super) fn offered_by_several(&self) -> Vec<Finding> {
        let world = self.world();
        let several = self.offered.iter().filter(|(_, keys)| keys.iter().count() > 1);
        let several = several.filter_map(|(host, _)| {
            let offers: Vec<&EntityKey> = world.offers(host).map(|(key, _)| key).collect();
            let [.., other, counts] = offers.as_slice() else { return None };
            let message = format!("another registry offers `{host}` too, and this one counts");
            let finding = Finding::new(&code::GW0450, Place::value(counts, "/host"), message);
            Some(finding.with_related(Place::value(other, "/host"), "this one has no effect"))
        });
        several.collect()
    }
}

fn service(manifest: &Manifest) -> Option<&DiscoveredService> {
    match &manifest.body {
        Body::RegistryService(service) => Some(service),
        _ => None,
    }
}

/// Returns what routes see of a service.
fn shape(service: &DiscoveredService) -> (&str, u16, ServiceState, bool) {
    (&service.host, service.port, service.state, service.is_empty())
}

fn undeclared(registry: &EntityKey) -> Finding {
    let (of_type, name) = (&registry.namespace, &registry.name);
    let message = format!(
        "no McpBridge declares registry `{name}` of type `{of_type}`, so what it offers is not published"
    );
    Finding::new(&code::GW0216, Place::value(registry, "/name"), message)
        .with_help("declare it in the McpBridge that is read, or take it out of the snapshot")
}
