//! A kube cluster as the target of a source: what the source wants there, what is there, and what is to be done.

mod feed;
mod overlay;
mod projection;

use std::collections::{BTreeMap, BTreeSet};

use gatewright_cluster::carry_out::Needs;
use gatewright_cluster::client::{Cluster, ClusterError};
use gatewright_cluster::decide::{PruneBudget, Round, decide};
use gatewright_cluster::desired::Desired;
use gatewright_cluster::inventory::InventoryName;
use gatewright_cluster::observe::{Observed, Scope, observe, observe_endpoints};
use gatewright_compiler::Engine;
use gatewright_compiler::graph::{Node, Reference};
use gatewright_compiler::manifest::{EntityKey, Kind};
use gatewright_compiler::parse::raw_objects;
use gatewright_compiler::source::ReadError;

pub use feed::{Change, Feed, Feeding};
pub(crate) use overlay::Beside;
pub use overlay::{LIVE, Overlay};
pub use projection::{Projection, base, head};

use crate::source::Source;

/// Where a source is applied to, and how far.
pub struct Target {
    /// The cluster.
    pub cluster: Cluster,
    /// The inventory.
    pub inventory: InventoryName,
    /// How much may be deleted.
    pub budget: PruneBudget,
}

/// A look at a target, and what follows from it.
pub struct Looked {
    /// What the source wants.
    pub wanted: BTreeMap<EntityKey, Desired>,
    /// What is there.
    pub observed: Observed,
    /// What is to be done.
    pub round: Round,
}

/// Why a target could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// A file of the source cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The API server did not answer.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// What is applied.
    Managed,
    /// What it refers to as well.
    Referenced,
}

/// Looks at a target and decides what is to be done. `engine` has compiled the source. Nothing is written.
///
/// # Errors
/// See [`LookError`].
pub async fn look(
    target: &Target,
    source: &Source,
    engine: &Engine,
    depth: Depth,
) -> Result<Looked, LookError> {
    let wanted = wanted(source)?;
    let referenced = match depth {
        Depth::Managed => BTreeSet::new(),
        Depth::Referenced => externals(engine),
    };
    let scope =
        Scope { wanted: wanted.keys().collect(), referenced, inventory: &target.inventory, namespaces: None };
    let mut observed = observe(&target.cluster, &scope).await?;
    if depth == Depth::Referenced {
        observe_endpoints(&target.cluster, &scope, &mut observed).await?;
    }
    let round = decide(&wanted, &observed, &target.inventory, target.budget);
    Ok(Looked { wanted, observed, round })
}

/// Returns the objects of a source that are applied to clusters, by identity.
///
/// # Errors
/// A file cannot be read.
pub fn wanted(source: &Source) -> Result<BTreeMap<EntityKey, Desired>, ReadError> {
    let mut wanted = BTreeMap::new();
    for (path, content) in &source.tree.files {
        for object in raw_objects(&source.tree.reader.read(path, content)?) {
            if let Some(desired) = Desired::new(object.value) {
                // Defined twice, it is an error of the source, which is told elsewhere.
                wanted.entry(desired.key.clone()).or_insert(desired);
            }
        }
    }
    Ok(wanted)
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
pub fn needs(engine: &Engine) -> Needs {
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
