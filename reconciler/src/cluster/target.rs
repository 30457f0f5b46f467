//! A kube cluster as the target of a source: what is there, and what is to be done.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use gatewright_cluster::client::{Cluster, ClusterError};
use gatewright_cluster::connect::{Access, ConnectError, connect};
use gatewright_cluster::decide::{self, Drift, PruneBudget, Round, Rules};
use gatewright_cluster::desired::Desired;
use gatewright_cluster::inventory::InventoryName;
use gatewright_cluster::observe::{self, Observed, Scope, observe_endpoints};
use gatewright_kinds::EntityKey;

use super::wanted::DesiredState;

/// A kube cluster as a target of a source: where it is, and how far it is brought to the source.
#[derive(Clone, Debug)]
pub struct ClusterTarget {
    /// How it is reached.
    pub access: Access,
    /// The inventory.
    pub inventory: InventoryName,
    /// How much a round may delete.
    pub budget: PruneBudget,
    /// What becomes of objects that were changed in the cluster.
    pub drift: Drift,
}

impl ClusterTarget {
    /// Finds the API server. Nothing is sent yet.
    ///
    /// # Errors
    /// There is no way to it.
    pub async fn connect(&self) -> Result<ConnectedTarget, ConnectError> {
        Ok(ConnectedTarget {
            cluster: connect(&self.access).await?,
            inventory: self.inventory.clone(),
            budget: self.budget,
            drift: self.drift,
        })
    }

    /// Returns what the cluster is called before it was reached.
    pub(super) fn name(&self) -> &str {
        self.access.context.as_deref().unwrap_or("the current context")
    }
}

impl fmt::Display for ClusterTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cluster {} inventory {}", self.name(), self.inventory)
    }
}

/// A [`ClusterTarget`] that was found.
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
    let round = decide(target, target.budget, desired, &observed, None);
    Ok(Looked { observed, round })
}

/// Looks at a target.
///
/// # Errors
/// The API server did not answer.
pub(super) async fn observe(
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

/// Decides what is to be done where at most so much is deleted. While errors stand in the source, nothing is to be deleted. `applied` are the objects of
/// the state that the target is at, where they are known.
pub(super) fn decide(
    target: &ConnectedTarget,
    budget: PruneBudget,
    desired: &DesiredState,
    observed: &Observed,
    applied: Option<&BTreeMap<EntityKey, Desired>>,
) -> Round {
    let budget = if desired.broken { PruneBudget::Nothing } else { budget };
    let rules = Rules {
        budget,
        drift: target.drift,
        applied,
        state: desired.state.as_deref(),
        encrypted: Some(&desired.encrypted),
    };
    decide::decide(&desired.objects, observed, &target.inventory, rules)
}
