//! A kube cluster as the target of a source: what the source wants there, what is there, and what is to be done.

mod feed;
mod overlay;
mod projection;
mod told;

use std::collections::{BTreeMap, BTreeSet};

use gatewright_cluster::carry_out::Needs;
use gatewright_cluster::client::{Cluster, ClusterError};
use gatewright_cluster::decide::{self, Drift, PruneBudget, Round, Rules};
use gatewright_cluster::desired::Desired;
use gatewright_cluster::inventory::InventoryName;
use gatewright_cluster::observe::{self, Observed, Scope, observe_endpoints};
use gatewright_compiler::Engine;
use gatewright_compiler::graph::{Node, Reference};
use gatewright_compiler::parse::raw_objects;
use gatewright_compiler::source::{HeldFile, ReadError, SourceTree};
use gatewright_kinds::{EntityKey, Kind};

pub use feed::{Change, Feed, Feeding};
pub(crate) use overlay::Beside;
pub use overlay::{LIVE, Overlay};
pub use projection::{Projection, base, head};
pub use told::{Counts, sentence};

use crate::source::Source;

/// Where a source is applied to, and how far.
pub struct ConnectedTarget {
    /// The cluster.
    pub cluster: Cluster,
    /// The inventory.
    pub inventory: InventoryName,
    /// How much may be deleted.
    pub budget: PruneBudget,
    /// What becomes of objects that were changed in the cluster.
    pub drift: Drift,
}

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
    referenced: BTreeSet<EntityKey>,
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

/// A look at a target, and what follows from it.
pub struct Looked {
    /// What is there.
    pub observed: Observed,
    /// What is to be done.
    pub round: Round,
}

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// What is applied.
    Managed,
    /// What it refers to as well.
    Referenced,
}

/// Looks at a target and decides what is to be done. Nothing is written.
///
/// # Errors
/// The API server did not answer.
pub async fn look(
    target: &ConnectedTarget,
    desired: &DesiredState,
    depth: Depth,
) -> Result<Looked, ClusterError> {
    let observed = observe(target, desired, depth).await?;
    let round = decide(target, desired, &observed, None);
    Ok(Looked { observed, round })
}

/// Looks at a target.
///
/// # Errors
/// The API server did not answer.
pub(crate) async fn observe(
    target: &ConnectedTarget,
    desired: &DesiredState,
    depth: Depth,
) -> Result<Observed, ClusterError> {
    let referenced = match depth {
        Depth::Managed => BTreeSet::new(),
        Depth::Referenced => desired.referenced.clone(),
    };
    let wanted = desired.objects.keys().collect();
    let scope = Scope { wanted, referenced, inventory: &target.inventory, namespaces: None };
    let mut observed = observe::observe(&target.cluster, &scope).await?;
    if depth == Depth::Referenced {
        observe_endpoints(&target.cluster, &scope, &mut observed).await?;
    }
    Ok(observed)
}

/// Decides what is to be done. While errors stand in the source, nothing is to be deleted. `applied` are the objects of
/// the state that the target is at, where they are known.
pub(crate) fn decide(
    target: &ConnectedTarget,
    desired: &DesiredState,
    observed: &Observed,
    applied: Option<&BTreeMap<EntityKey, Desired>>,
) -> Round {
    let budget = if desired.broken { PruneBudget::Nothing } else { target.budget };
    let rules = Rules {
        budget,
        drift: target.drift,
        applied,
        state: desired.state.as_deref(),
        encrypted: Some(&desired.encrypted),
    };
    decide::decide(&desired.objects, observed, &target.inventory, rules)
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
