//! What a source wants in a cluster.

use std::collections::{BTreeMap, BTreeSet};

use gatewright_cluster::carry_out::Needs;
use gatewright_cluster::desired::Desired;
use gatewright_compiler::Engine;
use gatewright_compiler::graph::{Node, Reference};
use gatewright_compiler::parse::raw_objects;
use gatewright_compiler::source::{HeldFile, ReadError, SourceTree};
use gatewright_kinds::{EntityKey, Kind};

use crate::source::Source;

/// What a source wants in a cluster.
pub struct DesiredState {
    /// The objects, by identity. Those that errors stand against are left out: they stay as they are.
    pub objects: BTreeMap<EntityKey, Desired>,
    /// Which of them need which others to be there first.
    pub needs: Needs,
    /// Whether errors stand in the source: an object that it seems to lack may only be unreadable.
    pub broken: bool,
    /// What the state is called, where it can be read again.
    pub state: Option<String>,
    /// Objects that the source has encrypted: they stay as they are.
    pub encrypted: BTreeSet<EntityKey>,
    /// What the source refers to and does not have.
    pub(super) referenced: BTreeSet<EntityKey>,
}

impl DesiredState {
    /// Returns what a source wants, with objects that are held back as they were when they were good. `engine` has
    /// compiled it.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn of(source: &Source, engine: &Engine) -> Result<Self, ReadError> {
        let mut objects = wanted(source)?;
        let broken = engine.has_errors() || !source.holds().is_empty();
        if broken {
            let left_out = engine.broken().objects;
            objects.retain(|key, _| !left_out.contains(key));
        }
        let (encrypted, referenced) = (engine.encrypted(), externals(engine));
        Ok(DesiredState { objects, needs: needs(engine), broken, state: None, encrypted, referenced })
    }
}

/// Returns the objects of a source that are applied to clusters, by identity.
///
/// # Errors
/// A file cannot be read.
pub fn wanted(source: &Source) -> Result<BTreeMap<EntityKey, Desired>, ReadError> {
    let tree = &source.tree;
    let mut wanted = held(tree)?;
    for (path, content) in &tree.files {
        for object in raw_objects(&tree.reader.read(path, content)?) {
            if let Some(desired) = Desired::new(object.value) {
                // Defined twice, it is an error of the source, which is told elsewhere; held, this one does not count.
                wanted.entry(desired.key.clone()).or_insert(desired);
            }
        }
    }
    Ok(wanted)
}

/// Returns the objects that are taken as another state had them.
fn held(tree: &SourceTree) -> Result<BTreeMap<EntityKey, Desired>, ReadError> {
    let mut of_file: BTreeMap<&HeldFile, BTreeSet<&EntityKey>> = BTreeMap::new();
    for (key, file) in &tree.held {
        of_file.entry(file).or_default().insert(key);
    }
    let mut held = BTreeMap::new();
    for (file, keys) in of_file {
        let objects = raw_objects(&tree.reader.read(&file.path, &file.content)?);
        let objects = objects.into_iter().filter_map(|object| Desired::new(object.value));
        let wanted = objects.filter(|desired| keys.contains(&desired.key));
        held.extend(wanted.map(|desired| (desired.key.clone(), desired)));
    }
    Ok(held)
}

/// Returns what the source refers to and does not have.
fn externals(engine: &Engine) -> BTreeSet<EntityKey> {
    let graph = engine.graph();
    let external = graph.nodes().filter_map(|node| match node {
        Node::External(key) => Some(key.clone()),
        _ => None,
    });
    external.collect()
}

/// Returns which objects of the source need which others to be there first: what they refer to, and for a route that
/// a plugin's rule names, the plugin, which may protect it.
fn needs(engine: &Engine) -> Needs {
    let graph = engine.graph();
    let mut needs = Needs::new();
    let mut publishers: BTreeMap<&str, &EntityKey> = BTreeMap::new();
    let mut routed: BTreeMap<&str, BTreeSet<&EntityKey>> = BTreeMap::new();
    for (from, reference, to) in graph.edges() {
        match (from, reference, to) {
            (Node::Entity(bridge), Reference::Publishes, Node::RegistryService(host)) => {
                publishers.insert(host, bridge);
            }
            (Node::Entity(ingress), Reference::Routes | Reference::Canary, Node::Host(host)) => {
                routed.entry(host).or_default().insert(ingress);
            }
            _ => {}
        }
    }
    for (from, reference, to) in graph.edges() {
        let Node::Entity(from) = from else { continue };
        match (reference, to) {
            (Reference::PluginRule, Node::Entity(ingress)) if ingress.kind == Kind::Ingress => {
                needs.entry(ingress.clone()).or_default().insert(from.clone());
            }
            (Reference::PluginRule, Node::Host(host)) => {
                for ingress in routed.get(host.as_str()).into_iter().flatten() {
                    needs.entry((*ingress).clone()).or_default().insert(from.clone());
                }
            }
            (Reference::PluginRule, _) => {}
            (_, Node::Entity(to)) => _ = needs.entry(from.clone()).or_default().insert(to.clone()),
            (_, Node::RegistryService(host)) => {
                let bridge = publishers.get(host.as_str()).filter(|bridge| **bridge != from);
                bridge.map(|bridge| needs.entry(from.clone()).or_default().insert((*bridge).clone()));
            }
            _ => {}
        }
    }
    needs
}
