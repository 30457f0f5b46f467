//! The incremental compiler: state in units keyed by content, so that cost follows the edit.
//!
//! [`Engine::update`] takes a new state of the source and recomputes what it makes stale; the result is the same,
//! byte for byte, as that of a new engine. Files are parsed once per content, Ingresses are normalized once per
//! fingerprint, hosts are lowered when an Ingress that names them or something that they looked up changes, clusters
//! when what their name refers to changes, and xDS resources are emitted when their unit of the model changes.

mod broken;
mod check;
mod classes;
mod drafts;
mod files;
mod globals;
pub mod graph;
mod index;
mod install;
mod lost_plugins;
mod output;
mod plugins;
mod provenance;
mod references;
mod registries;
mod report;
mod suppose;
mod twice;
mod uncovered;
mod unmatched;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use gatewright_diagnostics::Severity;
use gatewright_ir::{ClusterName, HostPattern, Ir, Listener, ListenerId, RouteId, SecretRef};
use gatewright_kinds::{EntityKey, Kind};
use gatewright_xds::XdsSnapshot;
use imbl::OrdMap;
use rayon::prelude::*;

use crate::class::DefaultClass;
use crate::finding::{Finding, Place};
use crate::global::Credentials;
use crate::ingress::{self, AnalyzedIngress};
use crate::input::Input;
use crate::lower::host::{self, HostUnit};
use crate::lower::plugin::PluginScope;
use crate::manifest::{Body, Manifest};
use crate::options::CompileOptions;
use crate::registry::Registries;
use crate::service_policy::ServicePolicies;
use crate::small_set::SmallSet;
use crate::source::ReadError;
use crate::world::{self, Dependency, Offered, Parts, World};

use files::{Files, Touched};
use index::Faulty;

pub use broken::Broken;
pub use check::{Checked, check};
pub(crate) use files::Definition;
pub use output::{Delta, WorkCounters};
pub use provenance::Provenance;
pub use suppose::{Reach, Said};

/// The label that ties an EndpointSlice to its Service.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// A compiler that remembers what it compiled.
pub struct Engine {
    options: CompileOptions,
    extent: Extent,
    files: Files,
    /// The one manifest of each entity; entities that are defined twice are left out.
    manifests: BTreeMap<EntityKey, Arc<Manifest>>,
    /// How many manifests there are of each kind.
    counts: BTreeMap<Kind, usize>,
    /// Entities that are defined several times.
    ambiguous: BTreeSet<EntityKey>,
    /// Those of them against which the parser found an error.
    poisoned: BTreeSet<EntityKey>,
    ingresses: BTreeMap<EntityKey, IngressUnit>,
    faulty: Faulty,
    /// Ingresses by the hosts that they name; those with a default backend also stand under `*`.
    by_host: BTreeMap<HostPattern, SmallSet<EntityKey>>,
    slices: BTreeMap<EntityKey, BTreeSet<EntityKey>>,
    /// What the API server gives Ingresses without class.
    default_class: Option<DefaultClass>,
    class_findings: Vec<Finding>,
    /// The certificates that ConfigMap `higress-https` chooses.
    credentials: Credentials,
    global_findings: Vec<Finding>,
    registries: Registries,
    offered: Offered,
    service_policies: ServicePolicies,
    parts: Mutex<Parts>,
    registry_findings: Vec<Finding>,
    plugins: Vec<PluginScope>,
    plugin_findings: Vec<Finding>,
    lost_plugin_findings: Vec<Finding>,
    hosts: BTreeMap<HostPattern, HostUnit>,
    /// Hosts that looked something up.
    readers: BTreeMap<Dependency, BTreeSet<HostPattern>>,
    /// How many hosts name each cluster, or each cluster with its fallbacks.
    cluster_users: BTreeMap<ClusterName, usize>,
    fallback_users: BTreeMap<Vec<ClusterName>, usize>,
    /// How many server names each Secret serves.
    secret_users: BTreeMap<SecretRef, usize>,
    ir: Ir,
    xds: XdsSnapshot,
}

/// What of a source an engine keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// All that it takes to serve it and to follow its changes.
    All,
    /// Findings, and what they are found by. There is no model to speak of and no resource.
    Findings,
}

struct IngressUnit {
    analyzed: Option<Arc<AnalyzedIngress>>,
    findings: Box<[Finding]>,
}

/// What an update made stale, collected before anything is recomputed.
#[derive(Default)]
struct Stale {
    hosts: BTreeSet<HostPattern>,
    clusters: BTreeSet<ClusterName>,
    secrets: BTreeSet<EntityKey>,
    fallbacks: bool,
}

impl Engine {
    /// Returns an engine that has seen nothing yet.
    pub fn new(options: CompileOptions) -> Self {
        // The listener that every gateway has is there before anything is served.
        let listeners = BTreeMap::from([(ListenerId::HTTP, Listener::default())]);
        Engine {
            options,
            extent: Extent::All,
            files: Files::default(),
            manifests: BTreeMap::new(),
            counts: BTreeMap::new(),
            ambiguous: BTreeSet::new(),
            poisoned: BTreeSet::new(),
            ingresses: BTreeMap::new(),
            faulty: Faulty::default(),
            by_host: BTreeMap::new(),
            slices: BTreeMap::new(),
            default_class: None,
            class_findings: Vec::new(),
            credentials: Credentials::default(),
            global_findings: Vec::new(),
            registries: Registries::default(),
            offered: Offered::new(),
            service_policies: ServicePolicies::default(),
            parts: Mutex::default(),
            registry_findings: Vec::new(),
            plugins: Vec::new(),
            plugin_findings: Vec::new(),
            lost_plugin_findings: Vec::new(),
            hosts: BTreeMap::new(),
            readers: BTreeMap::new(),
            cluster_users: BTreeMap::new(),
            fallback_users: BTreeMap::new(),
            secret_users: BTreeMap::new(),
            ir: Ir { listeners, ..Ir::default() },
            xds: XdsSnapshot::new(),
        }
    }

    /// Brings the engine to a new state: files alone, or files and objects.
    ///
    /// # Errors
    /// A file could not be read. The engine then keeps its previous state.
    pub fn update(&mut self, input: impl Into<Input>) -> Result<Delta, ReadError> {
        let mut counters = WorkCounters::default();
        let touched = self.files.update(input.into(), self.options.profile, &mut counters)?;
        Ok(self.recompute(touched, counters))
    }

    /// Recomputes what depends on objects that may have changed.
    fn recompute(&mut self, touched: Touched, mut counters: WorkCounters) -> Delta {
        let changed = self.replace_manifests(touched.objects);
        let mut stale = Stale::default();
        for object in touched.promised {
            stale.hosts.extend(self.readers_of(&Dependency::Secret(object)));
        }
        let classed = self.update_default_class(&changed);
        self.update_ingresses(&changed, classed, &mut stale, &mut counters);
        self.update_slices(&changed, &mut stale);
        self.update_registries(&changed, &mut stale);
        self.update_global(&changed, &mut stale);
        self.update_plugins(&changed, &mut stale);
        self.update_lost_plugins(&mut stale);
        self.mark_readers(&changed, &mut stale);
        drop(changed);
        let lowered = self.lower_hosts(std::mem::take(&mut stale.hosts), &mut counters);
        let hosts = self.install_hosts(lowered, &mut stale);
        let clusters = self.lower_clusters(&stale.clusters, &mut counters);
        if self.extent == Extent::Findings {
            return Delta { counters, ..Delta::default() };
        }
        let changes = output::Changes { hosts, clusters, secrets: stale.secrets, fallbacks: stale.fallbacks };
        self.emit(changes, counters)
    }

    /// Returns the settings.
    pub fn options(&self) -> &CompileOptions {
        &self.options
    }

    /// Returns the model.
    pub fn ir(&self) -> &Ir {
        &self.ir
    }

    /// Returns the xDS resources, for delivery over ADS.
    pub fn xds(&self) -> &XdsSnapshot {
        &self.xds
    }

    /// Returns the manifests by entity.
    pub fn manifests(&self) -> &BTreeMap<EntityKey, Arc<Manifest>> {
        &self.manifests
    }

    /// Returns how many manifests there are of each kind.
    pub fn object_counts(&self) -> &BTreeMap<Kind, usize> {
        &self.counts
    }

    /// Returns where a route came from.
    pub fn origin(&self, route: &RouteId) -> Option<Place> {
        self.ingresses.get(&route.object)?.analyzed.as_ref()?.place_of(route)
    }

    /// Installs the manifests of touched entities and returns the ones that really changed, with the old manifest.
    fn replace_manifests(
        &mut self,
        touched: BTreeSet<EntityKey>,
    ) -> BTreeMap<EntityKey, Option<Arc<Manifest>>> {
        let mut changed = Vec::new();
        let mut manifests = Vec::new();
        for key in touched {
            let new = self.files.effective(&key);
            let was_poisoned = self.poisoned.remove(&key);
            let is_poisoned = new.as_ref().is_some_and(|definition| definition.poisoned);
            if is_poisoned {
                self.poisoned.insert(key.clone());
            }
            let was_ambiguous = self.ambiguous.remove(&key);
            let is_ambiguous = self.files.is_ambiguous(&key);
            if is_ambiguous {
                self.ambiguous.insert(key.clone());
            }
            let old = self.manifests.remove(&key);
            if old.is_some() {
                release(&mut self.counts, &key.kind);
            }
            if new.is_some() {
                *self.counts.entry(key.kind).or_default() += 1;
            }
            let fingerprint = |manifest: &Arc<Manifest>| manifest.fingerprint;
            let new = new.map(|definition| definition.manifest);
            let moved = was_poisoned != is_poisoned || was_ambiguous != is_ambiguous;
            if moved || old.as_ref().map(fingerprint) != new.as_ref().map(fingerprint) {
                changed.push((key.clone(), old));
            }
            manifests.extend(new.map(|manifest| (key, manifest)));
        }
        put_all(&mut self.manifests, manifests);
        changed.into_iter().collect()
    }

    fn update_ingresses(
        &mut self,
        changed: &BTreeMap<EntityKey, Option<Arc<Manifest>>>,
        classed: BTreeSet<EntityKey>,
        stale: &mut Stale,
        counters: &mut WorkCounters,
    ) {
        let mut keys: BTreeSet<&EntityKey> = classed.iter().collect();
        keys.extend(changed.keys().filter(|key| key.kind == Kind::Ingress));
        let keys: Vec<&EntityKey> = keys.into_iter().collect();
        counters.ingresses_analyzed += keys.iter().filter(|key| self.manifests.contains_key(**key)).count();
        let (options, default) = (&self.options, self.default_class.as_ref());
        let (manifests, poisoned, files) = (&self.manifests, &self.poisoned, &self.files);
        let unit = |key: &EntityKey| {
            let mut unit = analyze(manifests.get(key)?, poisoned.contains(key), options, default)?;
            // Each definition is looked at by itself for what there is to say about it.
            if files.is_ambiguous(key) {
                unit.findings = Box::default();
            }
            Some(unit)
        };
        let analyzed: Vec<(EntityKey, Option<IngressUnit>)> =
            keys.into_par_iter().map(|key| (key.clone(), unit(key))).collect();
        let mut units = Vec::with_capacity(analyzed.len());
        let mut named = Vec::with_capacity(analyzed.len());
        let mut gone = Vec::new();
        for (key, unit) in analyzed {
            let old = self.ingresses.remove(&key);
            self.mark_unprotected(&key, unit.as_ref());
            index::note(&mut self.faulty.ingresses, &key, unit.as_ref().map_or(&[], |unit| &unit.findings));
            let now = hosts_of(unit.as_ref().and_then(|unit| unit.analyzed.as_deref()));
            for host in hosts_of(old.as_ref().and_then(|unit| unit.analyzed.as_deref())) {
                if !now.contains(&host) {
                    gone.push((host.clone(), key.clone()));
                }
                stale.hosts.insert(host);
            }
            named.extend(now.into_iter().map(|host| (host, key.clone())));
            units.extend(unit.map(|unit| (key, unit)));
        }
        put_all(&mut self.ingresses, units);
        named.par_sort_unstable();
        stale.hosts.append(&mut named.iter().map(|(host, _)| host.clone()).collect());
        gone.par_sort_unstable();
        self.name_hosts(named, &gone);
    }

    /// Notes in the model what an Ingress asks for in vain.
    fn mark_unprotected(&mut self, key: &EntityKey, unit: Option<&IngressUnit>) {
        let policy = unit.and_then(|unit| unit.analyzed.as_ref()).map(|analyzed| &analyzed.policy);
        let asked =
            policy.filter(|policy| policy.canary.is_none()).map(|policy| &policy.protections.not_given);
        match asked.filter(|asked| !asked.is_empty()) {
            Some(asked) => self.ir.unprotected.insert(key.clone(), asked.iter().cloned().collect()),
            None => self.ir.unprotected.remove(key),
        };
    }

    /// Enters Ingresses under the hosts that they name, and takes them out of those that they name no more. Both are in
    /// order of hosts.
    fn name_hosts(&mut self, named: Vec<(HostPattern, EntityKey)>, gone: &[(HostPattern, EntityKey)]) {
        for gone in gone.chunk_by(|one, next| one.0 == next.0) {
            if let Some(names) = self.by_host.get_mut(&gone[0].0) {
                names.retain(|name| gone.binary_search_by(|(_, key)| key.cmp(name)).is_err());
            }
        }
        let mut new: Vec<(HostPattern, SmallSet<EntityKey>)> = Vec::new();
        for named in named.chunk_by(|one, next| one.0 == next.0) {
            let (host, keys) = (&named[0].0, named.iter().map(|(_, key)| key.clone()));
            match self.by_host.get_mut(host) {
                Some(names) => names.extend(keys),
                None => new.push((host.clone(), keys.collect())),
            }
        }
        put_all(&mut self.by_host, new);
    }

    fn update_slices(&mut self, changed: &BTreeMap<EntityKey, Option<Arc<Manifest>>>, stale: &mut Stale) {
        let mut services = BTreeSet::new();
        for (key, old) in changed.iter().filter(|(key, _)| key.kind == Kind::EndpointSlice) {
            let before = old.as_deref().and_then(service_of_slice);
            let now = self.manifests.get(key).map(AsRef::as_ref).and_then(service_of_slice);
            let twice: Vec<EntityKey> =
                self.definitions_of(key).filter_map(|slice| service_of_slice(slice)).collect();
            for service in &twice {
                stale.hosts.extend(self.readers_of(&Dependency::Service(service.clone())));
            }
            for service in before.iter().chain(&now) {
                let had = self.slices.contains_key(service);
                let members = self.slices.entry(service.clone()).or_default();
                if now.as_ref() == Some(service) {
                    members.insert(key.clone());
                } else {
                    members.remove(key);
                }
                if members.is_empty() {
                    self.slices.remove(service);
                }
                if had != self.slices.contains_key(service) {
                    stale.hosts.extend(self.readers_of(&Dependency::Service(service.clone())));
                }
                services.insert(service.clone());
            }
        }
        stale.clusters.extend(self.clusters_of(&services));
    }

    fn mark_readers(&self, changed: &BTreeMap<EntityKey, Option<Arc<Manifest>>>, stale: &mut Stale) {
        let mut services = BTreeSet::new();
        for key in changed.keys() {
            match key.kind {
                Kind::Service => {
                    stale.hosts.extend(self.readers_of(&Dependency::Service(key.clone())));
                    services.insert(key.clone());
                }
                Kind::Secret => {
                    stale.hosts.extend(self.readers_of(&Dependency::Secret(key.clone())));
                    stale.secrets.insert(key.clone());
                }
                _ => {}
            }
        }
        stale.clusters.extend(self.clusters_of(&services));
    }

    fn readers_of(&self, dependency: &Dependency) -> impl Iterator<Item = HostPattern> {
        self.readers.get(dependency).cloned().unwrap_or_default().into_iter()
    }

    /// Returns the clusters in use that stand for Services.
    fn clusters_of(&self, services: &BTreeSet<EntityKey>) -> Vec<ClusterName> {
        let domain = &self.options.cluster_domain;
        let host = |service: &EntityKey| world::service_host(&service.namespace, &service.name, domain);
        self.clusters_at(&services.iter().map(host).collect())
    }

    /// Returns the clusters in use at some hosts, however many these are by one look at each cluster.
    fn clusters_at(&self, hosts: &BTreeSet<String>) -> Vec<ClusterName> {
        if hosts.is_empty() {
            return Vec::new();
        }
        self.cluster_users.keys().filter(|name| hosts.contains(name.host())).cloned().collect()
    }

    fn world(&self) -> World<'_> {
        World {
            options: &self.options,
            manifests: &self.manifests,
            ambiguous: &self.ambiguous,
            ambiguous_slices: self.services_with_ambiguous_slices().collect(),
            slices: &self.slices,
            registries: &self.registries,
            offered: &self.offered,
            service_policies: &self.service_policies,
            credentials: &self.credentials,
            promises: self.files.promises(),
            parts: &self.parts,
        }
    }

    fn lower_hosts(
        &self,
        stale: BTreeSet<HostPattern>,
        counters: &mut WorkCounters,
    ) -> Vec<(HostPattern, HostUnit)> {
        counters.hosts_lowered += stale.len();
        let world = self.world();
        let patterns: Vec<HostPattern> = stale.into_iter().collect();
        // The rules of plugins are looked at beside the model.
        let bare = self.extent == Extent::Findings && self.plugins.is_empty();
        let lower = |pattern: HostPattern| {
            let mut unit = host::lower(&pattern, &self.ingresses_of(&pattern), &self.plugins, &world);
            if bare {
                unit.drop_model();
            }
            (pattern, unit)
        };
        patterns.into_par_iter().map(lower).collect()
    }

    /// Returns the Ingresses that name a host, oldest first.
    fn ingresses_of(&self, pattern: &HostPattern) -> Vec<&AnalyzedIngress> {
        let keys = self.by_host.get(pattern).into_iter().flatten();
        let mut found: Vec<&AnalyzedIngress> =
            keys.filter_map(|key| self.ingresses.get(key)?.analyzed.as_deref()).collect();
        found.sort_by(|a, b| a.age.cmp(&b.age));
        found
    }
}

/// Normalizes an Ingress. One with an error keeps its hosts and paths, and refuses them.
fn analyze(
    manifest: &Manifest,
    poisoned: bool,
    options: &CompileOptions,
    default: Option<&DefaultClass>,
) -> Option<IngressUnit> {
    let Body::Ingress(spec) = &manifest.body else { return None };
    let (mut analyzed, findings) =
        ingress::analyze(&manifest.key, &manifest.metadata, spec, options, default);
    let erroneous = poisoned || findings.iter().any(|finding| finding.code.severity == Severity::Error);
    if let Some(analyzed) = analyzed.as_mut().filter(|_| erroneous) {
        analyzed.erroneous = true;
        Arc::make_mut(&mut analyzed.policy).protections.everywhere.get_or_insert_with(host::broken);
    }
    Some(IngressUnit { analyzed: analyzed.map(Arc::new), findings: findings.into() })
}

/// Returns the hosts whose lowering reads an Ingress.
fn hosts_of(ingress: Option<&AnalyzedIngress>) -> SmallSet<HostPattern> {
    let Some(ingress) = ingress else { return SmallSet::default() };
    let mut hosts = ingress.hosts.clone();
    if ingress.default_backend.is_some() {
        hosts.insert(HostPattern::Any);
    }
    hosts
}

fn service_of_slice(slice: &Manifest) -> Option<EntityKey> {
    let name = slice.metadata.labels.get(SERVICE_LABEL)?;
    Some(EntityKey::new(Kind::Service, slice.key.namespace.clone(), name))
}

/// Puts entries in. An empty map is built as a whole: its nodes are then full, and no key is searched for.
fn put_all<K: Ord, V>(map: &mut BTreeMap<K, V>, entries: Vec<(K, V)>) {
    if map.is_empty() {
        *map = entries.into_iter().collect();
    } else {
        map.extend(entries);
    }
}

/// Puts sorted entries into a persistent map. Every other one goes first, which leaves each node of an empty map half of its
/// room, and the rest takes it.
fn put_sorted<K: Ord + Clone, V: Clone>(map: &mut OrdMap<K, V>, entries: Vec<(K, V)>) {
    let (first, second): (Vec<_>, Vec<_>) = entries.into_iter().enumerate().partition(|(at, _)| at % 2 == 0);
    for (_, (key, value)) in first.into_iter().chain(second) {
        map.insert(key, value);
    }
}

fn release<K: Ord + Clone>(users: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(count) = users.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            users.remove(key);
        }
    }
}
