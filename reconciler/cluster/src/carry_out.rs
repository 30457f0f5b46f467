//! Carries a round out: the inventory first, objects in their order, deletions last, and says what became of each.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use gatewright_kinds::EntityKey;
use serde_json::Value;

use crate::client::{ApplyOptions, Cluster, ClusterError};
use crate::compare::FieldChange;
use crate::decide::{Action, Keeping, MANAGER, Round, Step, rank, removal_step};
use crate::inventory::PART_OF;
use crate::observe::PARALLEL;

/// What became of one object.
#[derive(Clone, Debug, PartialEq)]
pub enum StepOutcome {
    /// It was made.
    Created,
    /// Fields of it changed.
    Updated,
    /// Fields of it that were changed in the cluster were changed back.
    Corrected(Vec<FieldChange>),
    /// Fields of it were changed in the cluster, or with none named, it was deleted there; it was left so.
    Drifted(Vec<FieldChange>),
    /// Nothing was sent.
    Unchanged,
    /// It was deleted.
    Deleted,
    /// It stays as it is, and is nothing of ours any more; the others named have applied to it too.
    Released(Vec<String>),
    /// It is no longer wanted and stays.
    Kept(Keeping),
    /// Nothing was sent, as fields belong to others.
    Conflict(Vec<FieldChange>),
    /// Nothing was sent, as this one, which it needs, or which it would be deleted after, failed.
    Held(EntityKey),
    /// The API server did not do it.
    Failed(ClusterError),
}

impl StepOutcome {
    /// Returns whether the object is not as wanted.
    pub fn is_failure(&self) -> bool {
        matches!(self, StepOutcome::Conflict(_) | StepOutcome::Held(_) | StepOutcome::Failed(_))
    }

    /// Returns why the API server could not be asked at all.
    pub fn unreachable(&self) -> Option<&ClusterError> {
        match self {
            StepOutcome::Failed(
                error @ (ClusterError::Unreachable { .. } | ClusterError::Unauthorized(_)),
            ) => Some(error),
            _ => None,
        }
    }

    /// Returns whether something was written.
    pub fn is_write(&self) -> bool {
        use StepOutcome::{Corrected, Created, Deleted, Released, Updated};
        matches!(self, Created | Updated | Corrected(_) | Deleted | Released(_))
    }
}

/// What each object needs to be there before it.
pub type Needs = BTreeMap<EntityKey, BTreeSet<EntityKey>>;

/// Carries a round out, or asks the API server what it would do.
///
/// Objects of one kind go at the same time. A failed object holds back those that need it, and all deletions: what
/// should stand in for a deleted object may be missing. Everything else goes on.
///
/// # Errors
/// The inventory cannot be written: then nothing else is.
///
/// # Panics
/// The round is refused.
pub async fn carry_out(
    cluster: &Cluster,
    round: &Round,
    needs: &Needs,
    dry_run: bool,
) -> Result<BTreeMap<EntityKey, StepOutcome>, ClusterError> {
    assert!(round.withheld.is_none(), "a round that is withheld is not carried out");
    let work = Work { cluster, dry_run, inventory: round.inventory.id() };
    let during = round.inventory_during();
    if let Some(parent) = &during {
        work.write_inventory(round, parent).await?;
    }
    let mut outcomes: BTreeMap<EntityKey, StepOutcome> = BTreeMap::new();
    let (removals, applies): (Vec<&Step>, Vec<&Step>) =
        round.steps.iter().partition(|step| step.action.is_removal());
    for stage in applies.chunk_by(|a, b| rank(a.key.kind) == rank(b.key.kind)) {
        work.stage(stage, &mut outcomes, |step, outcomes| {
            let failed = |key: &&EntityKey| outcomes.get(*key).is_some_and(StepOutcome::is_failure);
            needs.get(&step.key).and_then(|needed| needed.iter().find(failed).cloned())
        })
        .await;
    }
    let failed = outcomes.iter().find(|(_, outcome)| outcome.is_failure()).map(|(key, _)| key.clone());
    for stage in removals.chunk_by(|a, b| rank(a.key.kind) == rank(b.key.kind)) {
        work.stage(stage, &mut outcomes, |_, _| failed.clone()).await;
    }
    let settled = outcomes.values().all(|outcome| !outcome.is_failure());
    let after = match during {
        Some(written) => Some(round.inventory_after()).filter(|after| *after != written),
        None => round.inventory_changes(),
    };
    if let Some(parent) = after.filter(|_| settled) {
        work.write_inventory(round, &parent).await?;
    }
    Ok(outcomes)
}

/// How often a step is tried on an object that changes at the same time, and the pause between.
const TRIES: usize = 4;
const PAUSE: Duration = Duration::from_millis(100);

struct Work<'a> {
    cluster: &'a Cluster,
    dry_run: bool,
    /// Id of the inventory.
    inventory: String,
}

impl Work<'_> {
    async fn write_inventory(&self, round: &Round, parent: &Value) -> Result<(), ClusterError> {
        let options = ApplyOptions { manager: MANAGER, force: false, dry_run: self.dry_run };
        self.cluster.apply(&round.inventory.parent(), parent, options).await.map(drop)
    }

    /// Deals with objects that do not need each other.
    async fn stage(
        &self,
        steps: &[&Step],
        outcomes: &mut BTreeMap<EntityKey, StepOutcome>,
        held: impl Fn(&Step, &BTreeMap<EntityKey, StepOutcome>) -> Option<EntityKey>,
    ) {
        let mut sent = Vec::new();
        for step in steps {
            let waits = !matches!(step.action, Action::None | Action::Keep(_) | Action::Drifted(_));
            match held(step, outcomes).filter(|_| waits) {
                Some(cause) => _ = outcomes.insert(step.key.clone(), StepOutcome::Held(cause)),
                None => sent.push(async move { (step.key.clone(), self.step(step).await) }),
            }
        }
        let done: Vec<(EntityKey, StepOutcome)> =
            stream::iter(sent).buffer_unordered(PARALLEL).collect().await;
        outcomes.extend(done);
    }

    /// Deals with one object. One that changed since it was looked at is looked at again within the round.
    async fn step(&self, step: &Step) -> StepOutcome {
        let mut current = Cow::Borrowed(step);
        for _ in 1..TRIES {
            match self.attempt(&current).await {
                StepOutcome::Failed(ClusterError::Moved(_)) => tokio::time::sleep(PAUSE).await,
                outcome => return outcome,
            }
            if !step.action.is_removal() {
                continue;
            }
            match self.cluster.get(&step.key).await {
                Ok(Some(live)) if live.label(PART_OF) == Some(&self.inventory) => {
                    current = Cow::Owned(removal_step(&Arc::new(live), None));
                }
                Ok(None) => return StepOutcome::Deleted,
                // It is none of ours any more.
                Ok(Some(_)) => return StepOutcome::Unchanged,
                Err(error) => return StepOutcome::Failed(error),
            }
        }
        self.attempt(&current).await
    }

    async fn attempt(&self, step: &Step) -> StepOutcome {
        let done = match (&step.action, &step.value, &step.live) {
            (Action::None, ..) => return StepOutcome::Unchanged,
            (Action::Keep(why), ..) => return StepOutcome::Kept(*why),
            (Action::Conflict(changes), ..) => return StepOutcome::Conflict(changes.clone()),
            (Action::Drifted(changes), ..) => return StepOutcome::Drifted(changes.clone()),
            (Action::Create, Some(value), _) => self.apply(step, value).await.map(|()| StepOutcome::Created),
            (Action::Update(_), Some(value), _) => {
                self.apply(step, value).await.map(|()| StepOutcome::Updated)
            }
            (Action::Correct(changes), Some(value), _) => {
                self.apply(step, value).await.map(|()| StepOutcome::Corrected(changes.clone()))
            }
            (Action::Delete, _, Some(live)) => {
                self.cluster.delete(live, self.dry_run).await.map(|()| StepOutcome::Deleted)
            }
            (Action::Release(owners), _, Some(live)) => {
                let released = self.cluster.release(live, MANAGER, self.dry_run).await;
                released.map(|()| StepOutcome::Released(owners.clone()))
            }
            _ => unreachable!("what is applied has a value, and what is removed is there"),
        };
        done.unwrap_or_else(StepOutcome::Failed)
    }

    async fn apply(&self, step: &Step, value: &Value) -> Result<(), ClusterError> {
        let options = ApplyOptions { manager: MANAGER, force: step.force, dry_run: self.dry_run };
        self.cluster.apply(&step.key, value, options).await.map(drop)
    }
}
