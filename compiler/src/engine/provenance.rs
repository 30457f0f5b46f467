//! Where things came from, apart from the engine: a state that can be kept while the engine goes on to the next one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatewright_ir::{ClusterName, Digest, HostPattern, RouteId};
use gatewright_kinds::{EntityKey, Kind};

use super::files::{Definition, Promises};
use super::{Engine, Said, service_of_slice};
use crate::finding::Place;
use crate::global;
use crate::ingress::AnalyzedIngress;
use crate::lower::host::HostUnit;
use crate::manifest::{DocumentIndex, Manifest};
use crate::registry;
use crate::world::Dependency;

/// The side table of one state: the place of every route, and every manifest with its file.
#[derive(Clone, Debug, Default)]
pub struct Provenance {
    manifests: BTreeMap<EntityKey, Known>,
    ingresses: BTreeMap<EntityKey, Arc<AnalyzedIngress>>,
    promises: Promises,
    /// Objects that are defined several times.
    several: BTreeMap<EntityKey, Vec<Definition>>,
}

/// A manifest and where it stands.
#[derive(Clone, Debug)]
struct Known {
    path: Arc<str>,
    document: DocumentIndex,
    manifest: Arc<Manifest>,
    poisoned: bool,
}

impl Provenance {
    /// Returns the place that made a route.
    pub fn route(&self, route: &RouteId) -> Option<Place> {
        self.ingresses.get(&route.object)?.place_of(route)
    }

    /// Returns the file of a manifest, and where in it the manifest stands.
    pub fn file(&self, entity: &EntityKey) -> Option<(&str, DocumentIndex)> {
        self.manifests.get(entity).map(|known| (&*known.path, known.document))
    }

    /// Returns what the state says about an object.
    pub fn said(&self, entity: &EntityKey) -> Said {
        let known = self.manifests.get(entity);
        let one = known.map(|Known { path, manifest, poisoned, .. }| Definition {
            path: path.clone(),
            manifest: manifest.clone(),
            poisoned: *poisoned,
        });
        let definitions = self.several.get(entity).cloned().unwrap_or_else(|| one.into_iter().collect());
        Said { definitions, promises: self.promises.get(entity).cloned() }
    }

    /// Returns the objects of which two states do not say the same, wherever they say it.
    pub fn changed(&self, other: &Self) -> BTreeSet<EntityKey> {
        let differs = |(key, known): &(&EntityKey, &Known)| {
            other.manifests.get(*key).is_none_or(|other| !known.agrees(other))
        };
        let here = self.manifests.iter().filter(differs).map(|(key, _)| key);
        let there = other.manifests.keys().filter(|key| !self.manifests.contains_key(*key));
        let promised = self.promises.keys().chain(other.promises.keys());
        let promised = promised.filter(|key| self.promise(key) != other.promise(key));
        let several = self.several.keys().chain(other.several.keys());
        let several = several.filter(|key| self.fingerprints(key) != other.fingerprints(key));
        here.chain(there).chain(promised).chain(several).cloned().collect()
    }

    /// Returns what an object is in each of several definitions, in no order of places.
    fn fingerprints(&self, entity: &EntityKey) -> BTreeSet<Digest> {
        let definitions = self.several.get(entity).into_iter().flatten();
        definitions.map(|definition| definition.manifest.fingerprint).collect()
    }

    /// Returns what models know of the promises of an object.
    fn promise(&self, entity: &EntityKey) -> Option<&str> {
        self.promises.get(entity)?.values().map(|promise| promise.why.as_str()).min()
    }
}

impl Known {
    fn agrees(&self, other: &Self) -> bool {
        let same = Arc::ptr_eq(&self.manifest, &other.manifest)
            || self.manifest.fingerprint == other.manifest.fingerprint;
        same && self.poisoned == other.poisoned
    }
}

impl Engine {
    /// Returns the side table of the current state.
    pub fn provenance(&self) -> Provenance {
        let manifests = self.manifests.iter().filter_map(|(key, manifest)| {
            let found = self.files.definitions(key).first()?;
            let (path, document) = (found.path.clone(), found.manifest.document);
            let poisoned = self.poisoned.contains(key);
            Some((key.clone(), Known { path, document, manifest: manifest.clone(), poisoned }))
        });
        let ingresses =
            self.ingresses.iter().filter_map(|(key, unit)| Some((key.clone(), unit.analyzed.clone()?)));
        let (manifests, ingresses) = rayon::join(|| manifests.collect(), || ingresses.collect());
        let several = self.ambiguous.iter().map(|key| (key.clone(), self.files.definitions(key).to_vec()));
        Provenance {
            manifests,
            ingresses,
            promises: self.files.promises().clone(),
            several: several.collect(),
        }
    }

    /// Returns the hosts whose routes depend on an object, whether the source has it or not.
    pub fn dependents(&self, key: &EntityKey) -> BTreeSet<HostPattern> {
        match key.kind {
            Kind::Ingress => {
                let analyzed = self.ingresses.get(key).and_then(|unit| unit.analyzed.as_deref());
                let hosts = analyzed.into_iter().flat_map(|ingress| ingress.hosts.iter().cloned());
                hosts.chain(self.spoken_of_by(key)).collect()
            }
            Kind::Service => self.all_readers_of([Dependency::Service(key.clone())]),
            Kind::Secret => self.all_readers_of([Dependency::Secret(key.clone())]),
            Kind::EndpointSlice => {
                let service = self.manifests.get(key).and_then(|manifest| service_of_slice(manifest));
                self.all_readers_of(service.map(Dependency::Service))
            }
            Kind::McpBridge => self.readers_of_bridge(key),
            Kind::Registry => self.readers_of_registries(|_| true),
            Kind::RegistryService => {
                self.readers_of_registries(|host| registry::offering(key, host).is_some())
            }
            Kind::WasmPlugin => self.covered_by(&key.name),
            Kind::IngressClass => self.classed_by(key),
            Kind::ConfigMap if *key == global::https_key(&self.options) => {
                self.all_readers_of([Dependency::Credentials])
            }
            Kind::ConfigMap => BTreeSet::new(),
        }
    }

    /// Returns the hosts that lead to a Service of which an Ingress says something.
    pub(super) fn spoken_of_by(&self, ingress: &EntityKey) -> BTreeSet<HostPattern> {
        let services = self.service_policies.claimed_by(ingress);
        if services.is_empty() {
            return BTreeSet::new();
        }
        let whole =
            |name: &ClusterName| ClusterName::outbound(name.port().unwrap_or_default(), "", name.host());
        let leads = |unit: &HostUnit| unit.clusters.iter().any(|name| services.contains(&whole(name)));
        self.hosts.iter().filter(|(_, unit)| leads(unit)).map(|(host, _)| host.clone()).collect()
    }

    fn all_readers_of(&self, dependencies: impl IntoIterator<Item = Dependency>) -> BTreeSet<HostPattern> {
        let readers = dependencies.into_iter().filter_map(|dependency| self.readers.get(&dependency));
        readers.flatten().cloned().collect()
    }

    /// Returns the hosts of Ingresses that have their class from a default one.
    fn classed_by(&self, class: &EntityKey) -> BTreeSet<HostPattern> {
        if self.default_class.as_ref().is_none_or(|default| default.key() != class) {
            return BTreeSet::new();
        }
        let analyzed = self.ingresses.values().filter_map(|unit| unit.analyzed.as_deref());
        let classed = analyzed.filter(|ingress| ingress.class_by_default);
        classed.flat_map(|ingress| ingress.hosts.iter().cloned()).collect()
    }

    /// Returns the hosts with a route that a plugin acts on.
    fn covered_by(&self, plugin: &str) -> BTreeSet<HostPattern> {
        let covered = self.ir.hosts.iter().filter(|(_, host)| {
            host.host
                .routes
                .iter()
                .flat_map(|route| &route.plugins)
                .any(|application| application.plugin == plugin)
        });
        covered.map(|((_, pattern), _)| pattern.clone()).collect()
    }
}
