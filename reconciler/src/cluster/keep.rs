//! A kube cluster that is kept as a source says: while this instance holds its Lease, it is looked at, and what differs is
//! applied.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use gatewright_cluster::carry_out::{StepOutcome, carry_out};
use gatewright_cluster::decide::{Drift, PruneBudget};
use gatewright_cluster::desired::Desired;
use gatewright_cluster::events::{Event, record};
use gatewright_cluster::inventory;
use gatewright_cluster::lease::{Candidacy, Standing, Tenure};
use gatewright_cluster::lookout::Lookout;
use gatewright_cluster::observe::Observed;
use gatewright_cluster::told::{Counts, sentence};
use gatewright_kinds::EntityKey;
use serde::{Deserialize, Serialize};

use super::events::{Told, event};
use super::target::{ClusterTarget, ConnectedTarget, Depth, decide, observe};
use super::wanted::{DesiredState, wanted};
use crate::outcome::RoundOutcome;
use crate::source::{Loader, SourceSpec};

/// How instances keep apart: for each cluster, one holds the Lease that is named as the inventory.
#[derive(Clone, Debug)]
pub struct LeaseOptions {
    /// Who this is; no other instance says the same.
    pub identity: String,
    /// How long a Lease is held without a renewal.
    pub duration: Duration,
    /// Whether there is one round alone: it waits until it is known whether another holder is alive, and follows nothing
    /// after it.
    pub once: bool,
    /// Returns the time of day after RFC 3339, with microseconds.
    pub clock: fn() -> String,
}

/// What is known of a kube cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterReport {
    /// The context, or `in-cluster`.
    pub cluster: String,
    /// The inventory, `NAMESPACE/NAME`.
    pub inventory: String,
    /// What became of the objects, where that is known.
    pub objects: Option<Counts>,
    /// A sentence for each object that was changed or is not as wanted.
    pub messages: Vec<String>,
}

/// What a cluster is brought to.
#[derive(Clone, Copy)]
pub(crate) struct Aim<'a> {
    /// The state.
    pub(crate) desired: &'a DesiredState,
    /// Whether that is what the source says now. If not, the source is unreadable or has errors, and it is the last state
    /// that was good.
    pub(crate) current: bool,
    /// Reads an earlier state again.
    pub(crate) loader: &'a Loader,
}

/// A candidacy for the Lease of a cluster, and whether the last round found it with another instance.
pub(crate) struct Candidate {
    tenure: Tenure,
    stands_by: bool,
    /// What events have told.
    told: Told,
    /// Follows the objects, while rounds succeed.
    lookout: Option<Lookout>,
}

impl Candidate {
    /// Begins to ask for the Lease of a cluster.
    pub(crate) fn of(cluster: &ClusterTarget, leases: &LeaseOptions) -> Self {
        let tenure = Tenure::begin(Candidacy {
            access: cluster.access.clone(),
            name: cluster.inventory.clone(),
            identity: leases.identity.clone(),
            duration: leases.duration,
            clock: leases.clock,
        });
        Candidate { tenure, stands_by: false, told: Told::default(), lookout: None }
    }

    /// Hands the Lease over.
    pub(crate) async fn end(self) {
        self.tenure.end().await;
    }

    /// Waits until there is a reason for a round: the Lease was got, or objects have changed.
    pub(crate) async fn woken(&mut self) {
        match &mut self.lookout {
            _ if self.stands_by => self.tenure.got().await,
            Some(lookout) => lookout.changed().await,
            None => std::future::pending().await,
        }
    }
}

/// Brings a cluster to what is wanted, if this instance may; without anything wanted, it is left as it is. `trouble` is that
/// of the source.
pub(crate) async fn bring(
    target: &ClusterTarget,
    candidate: &mut Candidate,
    leases: &LeaseOptions,
    aim: Option<Aim<'_>>,
    trouble: Option<&str>,
) -> (ClusterReport, RoundOutcome) {
    let mut report = ClusterReport {
        cluster: target.name().to_owned(),
        inventory: target.inventory.to_string(),
        objects: None,
        messages: Vec::new(),
    };
    // Each round reads the kubeconfig anew: credentials that expire are replaced there.
    let outcome = match target.connect().await {
        Ok(connected) => {
            connected.cluster.name().clone_into(&mut report.cluster);
            let outcome = keep(&connected, candidate, leases.once, aim, &mut report).await;
            let outcome = outcome.unwrap_or_else(RoundOutcome::Failed);
            tell(&connected, candidate, leases, event(&outcome, &report, trouble)).await;
            if candidate.stands_by || matches!(outcome, RoundOutcome::Failed(_)) {
                candidate.lookout = None;
            } else if !leases.once {
                let begin = || Lookout::start(&connected.cluster, &connected.inventory);
                candidate.lookout.get_or_insert_with(begin);
            }
            outcome
        }
        Err(error) => RoundOutcome::Failed(error.to_string()),
    };
    (report, outcome)
}

/// Records what is new. That it cannot be recorded changes nothing: the status has it too.
async fn tell(
    ConnectedTarget { cluster, inventory, .. }: &ConnectedTarget,
    candidate: &mut Candidate,
    leases: &LeaseOptions,
    event: Option<Event>,
) {
    let ours = !candidate.stands_by;
    let Some(event) = ours.then(|| candidate.told.next(event)).flatten() else { return };
    let recorded = match cluster.get(&inventory.parent()).await {
        Ok(Some(parent)) => record(cluster, &parent, &event, &leases.identity, &(leases.clock)()).await,
        Ok(None) => return,
        Err(error) => Err(error),
    };
    if let Err(error) = recorded {
        tracing::warn!(%inventory, %error, "no event was recorded");
    }
}

/// Applies what differs, if this instance may. The error is for people.
async fn keep(
    target: &ConnectedTarget,
    candidate: &mut Candidate,
    decided: bool,
    aim: Option<Aim<'_>>,
    report: &mut ClusterReport,
) -> Result<RoundOutcome, String> {
    let standing = candidate.tenure.standing(decided).await;
    candidate.stands_by = !matches!(standing, Standing::Held(_));
    match standing {
        Standing::Held(_) => {}
        Standing::Waiting(holder) | Standing::Standby(holder) => return Ok(RoundOutcome::Standby(holder)),
        Standing::Failed(reason) => return Err(reason),
        Standing::Unknown => unreachable!("it is waited for"),
    }
    let Some(aim) = aim else { return Ok(RoundOutcome::Kept) };
    tokio::select! {
        outcome = apply(target, aim, report) => outcome,
        () = candidate.tenure.lost() => Err(format!("the Lease {} was lost during the round", target.inventory)),
    }
}

/// Applies what differs. The error is for people.
async fn apply(
    target: &ConnectedTarget,
    Aim { desired, current, loader }: Aim<'_>,
    report: &mut ClusterReport,
) -> Result<RoundOutcome, String> {
    let observed = observe(target, desired, Depth::Managed).await.map_err(|error| error.to_string())?;
    let applied = applied(target, desired, &observed, loader);
    let budget = if current { target.budget } else { PruneBudget::Nothing };
    let round = decide(target, budget, desired, &observed, applied.as_deref());
    if let Some(why) = &round.withheld {
        return Ok(RoundOutcome::Refused(format!("GW0611 {why}")));
    }
    let outcomes = carry_out(&target.cluster, &round, &desired.needs, false).await;
    let outcomes = outcomes.map_err(|error| format!("the inventory cannot be written: {error}"))?;
    let told = outcomes.iter().filter(|(_, outcome)| **outcome != StepOutcome::Unchanged);
    report.messages = observed.limits().into_iter().collect();
    report.messages.extend(told.map(|(key, outcome)| sentence(key, outcome).1));
    let counts = Counts::of(&outcomes);
    report.objects = Some(counts);
    if let Some(error) = outcomes.values().find_map(StepOutcome::unreachable) {
        return Err(error.to_string());
    }
    Ok(match () {
        () if counts.failed > 0 => RoundOutcome::Incomplete,
        () if counts.drifted > 0 => RoundOutcome::Drifted,
        () if outcomes.values().any(StepOutcome::is_write) => RoundOutcome::Applied,
        () if current => RoundOutcome::Unchanged,
        () => RoundOutcome::Kept,
    })
}

/// Returns the objects of the state that a cluster is at, where they are known: they tell what was changed in the cluster
/// from what the source changed.
fn applied<'a>(
    target: &ConnectedTarget,
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
    wanted(&then).ok()
}
