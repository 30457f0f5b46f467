//! A kube cluster as a target: it is looked at, and what differs is applied.

use std::fmt;

use gatewright_cluster::carry_out::{self, carry_out};
use gatewright_cluster::connect::{Access, connect};
use gatewright_cluster::decide::PruneBudget;
use gatewright_cluster::inventory::InventoryName;

use super::round::{ClusterReport, Outcome, Target, TargetReport};
use crate::cluster::{self, Counts, Depth, DesiredState, look, sentence};

/// A kube cluster that is kept in sync.
#[derive(Clone, Debug)]
pub struct ClusterTarget {
    /// How it is reached.
    pub access: Access,
    /// The inventory.
    pub inventory: InventoryName,
    /// How much a round may delete.
    pub budget: PruneBudget,
}

impl ClusterTarget {
    /// Returns what the cluster is called before it was reached.
    fn name(&self) -> &str {
        self.access.context.as_deref().unwrap_or("the current context")
    }
}

impl fmt::Display for ClusterTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cluster {} inventory {}", self.name(), self.inventory)
    }
}

/// Brings a cluster to what is wanted; without that, it is left as it is.
pub(super) async fn bring(target: &ClusterTarget, desired: Option<&DesiredState>) -> Target {
    let mut report = ClusterReport {
        cluster: target.name().to_owned(),
        inventory: target.inventory.to_string(),
        objects: None,
        messages: Vec::new(),
    };
    let outcome = apply(target, desired, &mut report).await.unwrap_or_else(Outcome::Failed);
    Target { report: TargetReport::Cluster(report), outcome }
}

/// Applies what differs. The error is for people.
async fn apply(
    target: &ClusterTarget,
    desired: Option<&DesiredState>,
    report: &mut ClusterReport,
) -> Result<Outcome, String> {
    // Each round reads the kubeconfig anew: credentials that expire are replaced there.
    let connected = connect(&target.access).await.map_err(|error| error.to_string())?;
    connected.name().clone_into(&mut report.cluster);
    let Some(desired) = desired else { return Ok(Outcome::Kept) };
    let (inventory, budget) = (target.inventory.clone(), target.budget);
    let target = cluster::Target { cluster: connected, inventory, budget };
    let looked = look(&target, desired, Depth::Managed).await.map_err(|error| error.to_string())?;
    if let Some(refusal) = &looked.round.refusal {
        return Ok(Outcome::Refused(format!("GW0611 {refusal}")));
    }
    let outcomes = carry_out(&target.cluster, &looked.round, &desired.needs, false).await;
    let outcomes = outcomes.map_err(|error| format!("the inventory cannot be written: {error}"))?;
    let told = outcomes.iter().filter(|(_, outcome)| **outcome != carry_out::Outcome::Unchanged);
    report.messages = told.map(|(key, outcome)| sentence(key, outcome).1).collect();
    report.objects = Some(Counts::of(&outcomes));
    if let Some(error) = outcomes.values().find_map(carry_out::Outcome::unreachable) {
        return Err(error.to_string());
    }
    Ok(if outcomes.values().any(carry_out::Outcome::is_failure) {
        Outcome::Incomplete
    } else if outcomes.values().any(carry_out::Outcome::is_write) {
        Outcome::Applied
    } else {
        Outcome::Unchanged
    })
}
