//! A kube cluster as a target: it is looked at, and what differs is applied.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use gatewright_cluster::carry_out::{self, carry_out};
use gatewright_cluster::client::Cluster;
use gatewright_cluster::connect::{Access, connect};
use gatewright_cluster::decide::{Drift, PruneBudget};
use gatewright_cluster::desired::Desired;
use gatewright_cluster::events::{Event, record};
use gatewright_cluster::inventory::{self, InventoryName};
use gatewright_cluster::lease::{Standing, Tenure};
use gatewright_cluster::observe::Observed;
use gatewright_kinds::EntityKey;

use super::LeaseOptions;
use super::events::{Told, event};
use super::lookout::Lookout;
use super::round::{ClusterReport, TargetOutcome, TargetReport, TargetStatus};
use crate::cluster::{self, Counts, Depth, DesiredState, decide, observe, sentence};
use crate::source::{Loader, SourceSpec};

/// A kube cluster that is kept in sync.
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

/// What a cluster is brought to.
#[derive(Clone, Copy)]
pub(super) struct Aim<'a> {
    /// The state.
    pub(super) desired: &'a DesiredState,
    /// Whether that is what the source says now. If not, the source is unreadable or has errors, and it is the last state
    /// that was good.
    pub(super) current: bool,
    /// Reads an earlier state again.
    pub(super) loader: &'a Loader,
}

/// A candidacy for the Lease of a cluster, and whether the last round found it with another instance.
pub(super) struct Candidate {
    pub(super) tenure: Tenure,
    stands_by: bool,
    /// What events have told.
    told: Told,
    /// Follows the objects, while rounds succeed.
    lookout: Option<Lookout>,
}

impl Candidate {
    pub(super) fn new(tenure: Tenure) -> Self {
        Candidate { tenure, stands_by: false, told: Told::default(), lookout: None }
    }

    /// Waits until there is a reason for a round: the Lease was got, or objects have changed.
    pub(super) async fn woken(&mut self) {
        match &mut self.lookout {
            _ if self.stands_by => self.tenure.got().await,
            Some(lookout) => lookout.changed().await,
            None => std::future::pending().await,
        }
    }
}

/// Brings a cluster to what is wanted, if this instance may; without anything wanted, it is left as it is. `trouble` is that
/// of the source.
pub(super) async fn bring(
    target: &ClusterTarget,
    candidate: &mut Candidate,
    leases: &LeaseOptions,
    aim: Option<Aim<'_>>,
    trouble: Option<&str>,
) -> TargetStatus {
    let mut report = ClusterReport {
        cluster: target.name().to_owned(),
        inventory: target.inventory.to_string(),
        objects: None,
        messages: Vec::new(),
    };
    // Each round reads the kubeconfig anew: credentials that expire are replaced there.
    let outcome = match connect(&target.access).await {
        Ok(connected) => {
            connected.name().clone_into(&mut report.cluster);
            let outcome = keep(target, &connected, candidate, leases.once, aim, &mut report).await;
            let outcome = outcome.unwrap_or_else(TargetOutcome::Failed);
            tell(target, &connected, candidate, leases, event(&outcome, &report, trouble)).await;
            if candidate.stands_by || matches!(outcome, TargetOutcome::Failed(_)) {
                candidate.lookout = None;
            } else if !leases.once {
                let inventory = &target.inventory;
                candidate.lookout.get_or_insert_with(|| Lookout::start(&connected, inventory));
            }
            outcome
        }
        Err(error) => TargetOutcome::Failed(error.to_string()),
    };
    TargetStatus { report: TargetReport::Cluster(report), outcome }
}

/// Records what is new. That it cannot be recorded changes nothing: the status has it too.
async fn tell(
    target: &ClusterTarget,
    connected: &Cluster,
    candidate: &mut Candidate,
    leases: &LeaseOptions,
    event: Option<Event>,
) {
    let ours = !candidate.stands_by;
    let Some(event) = ours.then(|| candidate.told.next(event)).flatten() else { return };
    let recorded = match connected.get(&target.inventory.parent()).await {
        Ok(Some(parent)) => record(connected, &parent, &event, &leases.identity, &(leases.clock)()).await,
        Ok(None) => return,
        Err(error) => Err(error),
    };
    if let Err(error) = recorded {
        tracing::warn!(inventory = %target.inventory, %error, "no event was recorded");
    }
}

/// Applies what differs, if this instance may. The error is for people.
async fn keep(
    target: &ClusterTarget,
    connected: &Cluster,
    candidate: &mut Candidate,
    decided: bool,
    aim: Option<Aim<'_>>,
    report: &mut ClusterReport,
) -> Result<TargetOutcome, String> {
    let standing = candidate.tenure.standing(decided).await;
    candidate.stands_by = !matches!(standing, Standing::Held(_));
    match standing {
        Standing::Held(_) => {}
        Standing::Waiting(holder) | Standing::Standby(holder) => return Ok(TargetOutcome::Standby(holder)),
        Standing::Failed(reason) => return Err(reason),
        Standing::Unknown => unreachable!("it is waited for"),
    }
    let Some(aim) = aim else { return Ok(TargetOutcome::Kept) };
    tokio::select! {
        outcome = apply(target, connected.clone(), aim, report) => outcome,
        () = candidate.tenure.lost() => Err(format!("the Lease {} was lost during the round", target.inventory)),
    }
}

/// Applies what differs. The error is for people.
async fn apply(
    target: &ClusterTarget,
    connected: Cluster,
    Aim { desired, current, loader }: Aim<'_>,
    report: &mut ClusterReport,
) -> Result<TargetOutcome, String> {
    let target = cluster::ConnectedTarget {
        cluster: connected,
        inventory: target.inventory.clone(),
        budget: if current { target.budget } else { PruneBudget::Nothing },
        drift: target.drift,
    };
    let observed = observe(&target, desired, Depth::Managed).await.map_err(|error| error.to_string())?;
    let applied = applied(&target, desired, &observed, loader);
    let round = decide(&target, desired, &observed, applied.as_deref());
    if let Some(why) = &round.withheld {
        return Ok(TargetOutcome::Refused(format!("GW0611 {why}")));
    }
    let outcomes = carry_out(&target.cluster, &round, &desired.needs, false).await;
    let outcomes = outcomes.map_err(|error| format!("the inventory cannot be written: {error}"))?;
    let told = outcomes.iter().filter(|(_, outcome)| **outcome != carry_out::StepOutcome::Unchanged);
    report.messages = observed.limits().into_iter().collect();
    report.messages.extend(told.map(|(key, outcome)| sentence(key, outcome).1));
    let counts = Counts::of(&outcomes);
    report.objects = Some(counts);
    if let Some(error) = outcomes.values().find_map(carry_out::StepOutcome::unreachable) {
        return Err(error.to_string());
    }
    Ok(match () {
        () if counts.failed > 0 => TargetOutcome::Incomplete,
        () if counts.drifted > 0 => TargetOutcome::Drifted,
        () if outcomes.values().any(carry_out::StepOutcome::is_write) => TargetOutcome::Applied,
        () if current => TargetOutcome::Unchanged,
        () => TargetOutcome::Kept,
    })
}

/// Returns the objects of the state that a cluster is at, where they are known: they tell what was changed in the cluster
/// from what the source changed.
fn applied<'a>(
    target: &cluster::ConnectedTarget,
    desired: &'a DesiredState,
    observed: &Observed,
    loader: &Loader,
) -> Option<Cow<'a, BTreeMap<EntityKey, Desired>>> {
    let (state, now) = (inventory::state(observed.parent.as_ref()?)?, desired.state.as_deref()?);
    if state == now {
        return Some(Cow::Borrowed(&desired.objects));
    }
    // What is corrected anyway need not be known.
    let asked = target.drift == Drift::Report;
    asked.then(|| objects_of(loader, state, now)).flatten().map(Cow::Owned)
}

/// Returns the objects of a state that a cluster says it is at, if it is another commit of the same source. Anybody who
/// may write the inventory says what the state is: nothing else is ever fetched.
fn objects_of(loader: &Loader, state: &str, now: &str) -> Option<BTreeMap<EntityKey, Desired>> {
    let (then, now): (SourceSpec, SourceSpec) = (state.parse().ok()?, now.parse().ok()?);
    // A commit that is gone tells nothing.
    let then = then.is_commit_beside(&now).then(|| loader.load(&[then]))?.ok()?;
    cluster::wanted(&then).ok()
}
