//! The dependency graph from the engine's state.

use std::collections::BTreeSet;

use gatewright_ir::{ClusterName, HostPattern, RouteAction};
use gatewright_kinds::{EntityKey, Kind};
use gatewright_xds::type_url;

use super::graph::{DependencyGraph, Node, Reference, upstream_node};
use super::{Engine, service_of_slice};
use crate::finding::Place;
use crate::global;
use crate::ingress::AnalyzedIngress;
use crate::manifest::{Backend, Body};
use crate::registry::{self, Published};

type Edges = BTreeSet<(Node, Reference, Node)>;

impl Engine {
    /// Returns the typed dependency graph of the source.
    pub fn graph(&self) -> DependencyGraph {
        let nodes: BTreeSet<Node> = self.manifests.keys().cloned().map(Node::Entity).collect();
        let mut edges = Edges::new();
        for unit in self.ingresses.values() {
            if let Some(ingress) = unit.analyzed.as_deref() {
                self.ingress_references(ingress, &mut edges);
            }
        }
        self.route_references(&mut edges);
        for manifest in self.manifests.values() {
            if let Some(service) =
                service_of_slice(manifest).filter(|_| manifest.key.kind == Kind::EndpointSlice)
            {
                edges.insert((
                    Node::Entity(manifest.key.clone()),
                    Reference::Endpoints,
                    self.entity(service),
                ));
            }
        }
        self.registry_references(&mut edges);
        let https = Node::Entity(global::https_key(&self.options));
        for (host, secret) in self.credential_hosts() {
            edges.insert((Node::host(&host), Reference::Certificate, https.clone()));
            edges.insert((https.clone(), Reference::Certificate, self.entity(secret)));
        }
        self.plugin_references(&mut edges);
        DependencyGraph::new(nodes, &edges)
    }

    /// Returns the places of the source that an xDS resource was made from, for messages about the resource.
    pub fn origins(&self, type_url: &str, name: &str) -> Vec<Place> {
        let whole = |key: EntityKey| self.manifests.contains_key(&key).then(|| Place::key(&key, "/spec"));
        let mut places = match type_url {
            type_url::VIRTUAL_HOST | type_url::FILTER_CHAIN => self.origins_of_host(name),
            type_url::CLUSTER | type_url::ENDPOINT => match self.upstream(&ClusterName(name.into())) {
                Node::Entity(key) => whole(key).into_iter().collect(),
                Node::RegistryService(host) => {
                    self.world().published(&host).map(Published::place).into_iter().collect()
                }
                _ => Vec::new(),
            },
            type_url::SECRET => {
                let mut parts = name.rsplitn(3, '/');
                let (name, namespace) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
                whole(EntityKey::new(Kind::Secret, namespace, name)).into_iter().collect()
            }
            _ => Vec::new(),
        };
        places.sort();
        places.dedup();
        places
    }

    fn registry_references(&self, edges: &mut Edges) {
        for (host, service) in &self.registries.services {
            let bridge = Node::Entity(service.bridge.clone());
            edges.insert((bridge, Reference::Publishes, Node::RegistryService(host.clone())));
        }
        for host in self.offered.keys() {
            for (key, _) in self.world().offers(host) {
                let registry = registry::offering(key, host);
                let (Some(registry), service) = (registry, Node::RegistryService(host.clone())) else {
                    continue;
                };
                edges.insert((Node::Entity(key.clone()), Reference::Endpoints, service.clone()));
                let Some(entry) = self.registries.declared.get(&registry) else { continue };
                edges.insert((Node::Entity(entry.entity.clone()), Reference::Publishes, service));
            }
        }
    }

    fn origins_of_host(&self, name: &str) -> Vec<Place> {
        let host = name.rsplit_once('/').and_then(|(_, host)| host.parse::<HostPattern>().ok());
        let listeners = self.ir.listeners.keys();
        let units = listeners.filter_map(|listener| self.ir.hosts.get(&(*listener, host.clone()?)));
        units.flat_map(|unit| &unit.host.routes).filter_map(|route| self.origin(&route.id)).collect()
    }

    fn entity(&self, key: EntityKey) -> Node {
        if self.manifests.contains_key(&key) { Node::Entity(key) } else { Node::External(key) }
    }

    fn upstream(&self, cluster: &ClusterName) -> Node {
        let service = self
            .world()
            .split_service_host(cluster.host())
            .map(|(name, namespace)| EntityKey::new(Kind::Service, namespace, name));
        let published = self.world().published(cluster.host()).is_some();
        upstream_node(cluster, service, |key| self.manifests.contains_key(key), published)
    }

    fn ingress_references(&self, ingress: &AnalyzedIngress, edges: &mut Edges) {
        let from = Node::Entity(ingress.key.clone());
        let kind = if ingress.policy.canary.is_some() { Reference::Canary } else { Reference::Routes };
        for host in &ingress.hosts {
            edges.insert((from.clone(), kind, Node::host(host)));
        }
        let paths = ingress.paths.iter().map(|path| (&path.backend, Reference::Backend));
        let default = ingress.default_backend.iter().map(|backend| (backend, Reference::DefaultBackend));
        for (backend, reference) in paths.chain(default) {
            for target in self.backend_nodes(ingress, backend) {
                edges.insert((from.clone(), reference, target));
            }
        }
        for secret in ingress.tls.iter().filter_map(|entry| entry.secret.as_ref()) {
            let key = EntityKey::new(Kind::Secret, ingress.key.namespace.clone(), secret.clone());
            edges.insert((from.clone(), Reference::Certificate, self.entity(key)));
        }
        if let Some(fallback) = &ingress.policy.fallback_service {
            let key = EntityKey::new(Kind::Service, fallback.namespace.clone(), fallback.name.clone());
            edges.insert((from.clone(), Reference::Fallback, self.entity(key)));
        }
        let class = EntityKey::new(Kind::IngressClass, "", self.options.ingress_class.clone());
        if self.manifests.contains_key(&class) {
            edges.insert((from, Reference::Class, Node::Entity(class)));
        }
    }

    fn backend_nodes(&self, ingress: &AnalyzedIngress, backend: &Backend) -> Vec<Node> {
        if let Some(service) = &backend.service {
            let key = EntityKey::new(Kind::Service, ingress.key.namespace.clone(), service.name.clone());
            return vec![self.entity(key)];
        }
        let hosts = ingress.policy.destinations().iter().map(|line| &line.host);
        hosts.map(|host| self.upstream(&ClusterName::outbound(0, "", host))).collect()
    }

    /// Hosts depend on what their routes forward to.
    fn route_references(&self, edges: &mut Edges) {
        for lowered in self.ir.hosts.values() {
            let from = Node::host(&lowered.host.host);
            let forwards = lowered.host.routes.iter().filter_map(|route| match &route.action {
                RouteAction::Forward(forward) => Some(forward),
                _ => None,
            });
            for target in forwards.flat_map(|forward| &forward.targets) {
                edges.insert((from.clone(), Reference::Backend, self.upstream(&target.cluster)));
                for fallback in &target.fallbacks {
                    edges.insert((from.clone(), Reference::Fallback, self.upstream(fallback)));
                }
            }
        }
    }

    fn plugin_references(&self, edges: &mut Edges) {
        for scope in &self.plugins {
            let from = Node::Entity(scope.key.clone());
            for lowered in self.ir.hosts.values() {
                let covers = |route: &gatewright_ir::Route| {
                    route.plugins.iter().any(|application| application.plugin == scope.plugin.name)
                };
                if lowered.host.routes.iter().any(covers) {
                    edges.insert((Node::host(&lowered.host.host), Reference::PluginRule, from.clone()));
                }
            }
            let Some(Body::WasmPlugin(spec)) = self.manifests.get(&scope.key).map(|manifest| &manifest.body)
            else {
                continue;
            };
            for name in spec.match_rules.iter().flat_map(|rule| &rule.ingress) {
                let key = self.ingress_of_route_name(name);
                edges.insert((from.clone(), Reference::PluginRule, self.entity(key)));
            }
        }
    }

    /// Route names are `namespace/name`, or `name` alone for Ingresses of the system namespace.
    pub(super) fn ingress_of_route_name(&self, name: &str) -> EntityKey {
        match name.split_once('/') {
            Some((namespace, name)) => EntityKey::new(Kind::Ingress, namespace, name),
            None => EntityKey::new(Kind::Ingress, self.options.system_namespace.clone(), name),
        }
    }
}
