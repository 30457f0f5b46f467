//! Where things came from, apart from the engine: a state that can be kept while the engine goes on to the next one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatewright_ir::{HostPattern, RouteId};

use super::{Engine, service_of_slice};
use crate::finding::Place;
use crate::global;
use crate::ingress::{self, AnalyzedIngress};
use crate::manifest::{DocumentIndex, EntityKey, Kind};
use crate::world::Dependency;

/// The side table of one state: the place of every route, and the file of every manifest.
#[derive(Clone, Debug, Default)]
pub struct Provenance {
    files: BTreeMap<EntityKey, (Arc<str>, DocumentIndex)>,
    ingresses: BTreeMap<EntityKey, Arc<AnalyzedIngress>>,
}

impl Provenance {
    /// Returns the place that made a route.
    pub fn route(&self, route: &RouteId) -> Option<Place> {
        self.ingresses.get(&ingress::of_route(route)?)?.place_of(route)
    }

    /// Returns the file of a manifest, and where in it the manifest stands.
    pub fn file(&self, entity: &EntityKey) -> Option<(&str, DocumentIndex)> {
        self.files.get(entity).map(|(path, document)| (&**path, *document))
    }
}

impl Engine {
    /// Returns the side table of the current state.
    pub fn provenance(&self) -> Provenance {
        let files = self.manifests.keys().filter_map(|key| {
            let found = self.files.definitions(key).first()?;
            Some((key.clone(), (found.path.clone(), found.manifest.document)))
        });
        let ingresses =
            self.ingresses.iter().filter_map(|(key, unit)| Some((key.clone(), unit.analyzed.clone()?)));
        let (files, ingresses) = rayon::join(|| files.collect(), || ingresses.collect());
        Provenance { files, ingresses }
    }

    /// Returns the hosts whose routes depend on an object, whether the source has it or not.
    pub fn dependents(&self, key: &EntityKey) -> BTreeSet<HostPattern> {
        match key.kind {
            Kind::Ingress => {
                let analyzed = self.ingresses.get(key).and_then(|unit| unit.analyzed.as_deref());
                analyzed.into_iter().flat_map(|ingress| ingress.hosts.iter().cloned()).collect()
            }
            Kind::Service => self.all_readers_of([Dependency::Service(key.clone())]),
            Kind::Secret => self.all_readers_of([Dependency::Secret(key.clone())]),
            Kind::EndpointSlice => {
                let service = self.manifests.get(key).and_then(|manifest| service_of_slice(manifest));
                self.all_readers_of(service.map(Dependency::Service))
            }
            Kind::McpBridge => {
                let published = self.registries.services.iter().filter(|(_, service)| service.bridge == *key);
                self.all_readers_of(published.map(|(host, _)| Dependency::Registry(host.clone())))
            }
            Kind::WasmPlugin => self.covered_by(&key.name),
            Kind::IngressClass => self.classed_by(key),
            Kind::ConfigMap if *key == global::https_key(&self.options) => {
                self.all_readers_of([Dependency::Credentials])
            }
            Kind::ConfigMap => BTreeSet::new(),
        }
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
