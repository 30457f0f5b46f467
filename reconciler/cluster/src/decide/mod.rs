//! Stage: from what a source wants and a cluster holds to what is done about each object, and what is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatewright_kinds::{EntityKey, Kind};
use serde_json::Value;

use crate::compare::{FieldChange, compare};
use crate::desired::Desired;
use crate::inventory::{self, InventoryError, InventoryName, Members, PART_OF};
use crate::live::LiveObject;
use crate::observe::Observed;

mod budget;

pub use budget::{DEFAULT_BUDGET, Excess, PruneBudget};

/// The field manager of everything that gatewright applies: part of the contract.
pub const MANAGER: &str = "gatewright";

/// What becomes of objects of the inventory that were changed in the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Drift {
    /// They are applied again, but not fields that others took over: those are a conflict.
    #[default]
    Conflict,
    /// They are applied again, and fields that others took over are taken back.
    Correct,
    /// They are left as they are, until the source wants something else of them.
    Report,
}

/// How a round decides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules<'a> {
    /// How much may be deleted.
    pub budget: PruneBudget,
    /// What becomes of changes in the cluster.
    pub drift: Drift,
    /// What was wanted when the inventory was last brought to a state as a whole, where that is known. An object that
    /// differs and of which still the same is wanted was changed in the cluster.
    pub applied: Option<&'a BTreeMap<EntityKey, Desired>>,
    /// The state that the inventory is brought to, for its next round.
    pub state: Option<&'a str>,
    /// Objects that the source has in a form which cannot be applied: they stay as they are.
    pub encrypted: Option<&'a BTreeSet<EntityKey>>,
}

/// What is done about one object.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// It is made.
    Create,
    /// Fields of it change.
    Update(Vec<FieldChange>),
    /// Fields of it that were changed in the cluster are changed back.
    Correct(Vec<FieldChange>),
    /// Fields of it were changed in the cluster, or all of it was deleted there; it is left so.
    Drifted(Vec<FieldChange>),
    /// It is as wanted: nothing is sent.
    None,
    /// Fields of it would change that others own: nothing is sent, and that is an error.
    Conflict(Vec<FieldChange>),
    /// It is no longer wanted and deleted.
    Delete,
    /// It is no longer wanted, and others have applied to it too: it stays, and our fields are given up.
    Release(Vec<String>),
    /// It is no longer wanted, but this round deletes nothing.
    Keep(Keeping),
}

/// Why a round deletes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// The inventory is not known.
    NoInventory,
    /// Errors stand in the source.
    Errors,
    /// The source has it, encrypted.
    Encrypted,
}

impl Action {
    /// Returns whether the object is no longer wanted.
    pub(crate) fn is_removal(&self) -> bool {
        matches!(self, Action::Delete | Action::Release(_) | Action::Keep(_))
    }
}

/// One object and what is done about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The object.
    pub key: EntityKey,
    /// What is done.
    pub action: Action,
    /// Whether fields are taken from other owners.
    pub force: bool,
    /// What is sent; none where nothing is, or the object goes.
    pub value: Option<Value>,
    /// What is there.
    pub live: Option<Arc<LiveObject>>,
}

/// Why a round does nothing at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    /// The source wants nothing, and something is there.
    #[error("the source has no object, and the inventory {inventory} has {members}: nothing is deleted")]
    Empty {
        /// The inventory.
        inventory: InventoryName,
        /// Its members.
        members: usize,
    },
    /// More would be deleted than the budget allows.
    #[error("{deletions} objects left the source, and the budget is {budget}: nothing is changed")]
    Budget {
        /// How many would be deleted.
        deletions: usize,
        /// How many may be.
        budget: usize,
    },
    /// Most of what was applied would be deleted.
    #[error("{deletions} of the inventory's {members} objects left the source: nothing is changed")]
    Shrunk {
        /// How many would be deleted.
        deletions: usize,
        /// The inventory's members.
        members: usize,
    },
    /// The inventory is somebody else's.
    #[error("{0}: nothing is changed")]
    Inventory(#[from] InventoryError),
}

/// What a round does.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    /// The objects, in the order in which they are dealt with: what is referred to first, deletions last and in
    /// reverse.
    pub steps: Vec<Step>,
    /// The inventory.
    pub inventory: InventoryName,
    /// Where members were before the round; none where there is no inventory yet.
    pub before: Option<Members>,
    /// Where members are after it.
    pub after: Members,
    /// The inventory's parent.
    pub parent: Option<LiveObject>,
    /// The state that the inventory is at after the round.
    pub state: Option<String>,
    /// Why nothing of it may be done: the source or the inventory is suspicious.
    pub withheld: Option<Withheld>,
}

/// Decides about each object.
pub fn decide(
    wanted: &BTreeMap<EntityKey, Desired>,
    observed: &Observed,
    inventory: &InventoryName,
    rules: Rules<'_>,
) -> Round {
    let budget = rules.budget;
    let before = observed.parent.as_ref().map(|parent| inventory::read(inventory, parent));
    let (before, foreign) = match before.transpose() {
        Ok(before) => (before, None),
        Err(error) => (None, Some(Withheld::Inventory(error))),
    };
    let id = inventory.id();
    let members: Vec<&Arc<LiveObject>> =
        observed.objects.values().filter(|object| object.label(PART_OF) == Some(&id)).collect();
    let mut steps: Vec<Step> = wanted
        .values()
        .map(|desired| apply_step(desired, observed.objects.get(&desired.key), &id, rules))
        .collect();
    let gone = members.iter().filter(|object| !wanted.contains_key(&object.key));
    let keeping = match before {
        None => Some(Keeping::NoInventory),
        Some(_) => (budget == PruneBudget::Nothing).then_some(Keeping::Errors),
    };
    let encrypted = |key: &EntityKey| rules.encrypted.is_some_and(|encrypted| encrypted.contains(key));
    let why = |key: &EntityKey| keeping.or(encrypted(key).then_some(Keeping::Encrypted));
    let mut removals: Vec<Step> = gone.map(|object| removal_step(object, why(&object.key))).collect();
    let wants_nothing = wanted.is_empty() && rules.encrypted.is_none_or(BTreeSet::is_empty);
    let empty = (wants_nothing && !members.is_empty() && budget != PruneBudget::Nothing)
        .then(|| Withheld::Empty { inventory: inventory.clone(), members: members.len() });
    let withheld = foreign.or(empty).or_else(|| over_budget(&removals, members.len(), budget));
    steps.sort_by_key(|step| (rank(step.key.kind), step.key.clone()));
    removals.sort_by_key(|step| (std::cmp::Reverse(rank(step.key.kind)), step.key.clone()));
    let kept = removals.iter().filter(|step| matches!(step.action, Action::Keep(_))).map(|step| &step.key);
    let after = Members::of(wanted.keys().chain(kept));
    steps.extend(removals);
    Round {
        steps,
        inventory: inventory.clone(),
        before,
        after,
        parent: observed.parent.clone(),
        state: rules.state.map(str::to_owned),
        withheld,
    }
}

/// Returns the place of a kind in the order of an apply. References point from later kinds to earlier ones, and plugins
/// stand before the routes that they may protect.
pub(crate) fn rank(kind: Kind) -> u8 {
    match kind {
        Kind::IngressClass => 0,
        Kind::Secret | Kind::ConfigMap => 1,
        Kind::Service => 2,
        Kind::EndpointSlice | Kind::McpBridge => 3,
        // They are in no cluster.
        Kind::Registry | Kind::RegistryService => 3,
        Kind::WasmPlugin => 4,
        Kind::Ingress => 5,
    }
}

fn apply_step(desired: &Desired, live: Option<&Arc<LiveObject>>, id: &str, rules: Rules<'_>) -> Step {
    let value = desired.labeled(PART_OF, id);
    let mut force = desired.forces();
    let was_so = rules.applied.is_some_and(|applied| applied.get(&desired.key) == Some(desired));
    let action = match live {
        None if was_so && rules.drift == Drift::Report => Action::Drifted(Vec::new()),
        None => Action::Create,
        Some(live) => {
            let changes = compare(&value, live, MANAGER);
            let conflicting = changes.iter().any(conflicts);
            let drifted = is_ours(live, id) && (was_so || conflicting);
            match rules.drift {
                _ if changes.is_empty() => Action::None,
                Drift::Correct if drifted => {
                    force |= conflicting;
                    Action::Correct(changes)
                }
                Drift::Report if drifted && was_so => Action::Drifted(changes),
                _ if !force && conflicting => Action::Conflict(changes),
                _ => Action::Update(changes),
            }
        }
    };
    let value = (action != Action::None).then_some(value);
    Step { key: desired.key.clone(), action, force, value, live: live.cloned() }
}

/// Returns whether we have applied the object and no other set has taken it.
fn is_ours(live: &LiveObject, id: &str) -> bool {
    let applied = live.managers().iter().any(|manager| manager.applied && manager.name == MANAGER);
    applied && live.label(PART_OF).is_none_or(|label| label == id)
}

/// Returns whether an apply takes the field from its owners. Another ApplySet owns its label by having set it.
fn conflicts(change: &FieldChange) -> bool {
    let other_set = change.pointer == format!("/metadata/labels/{}", PART_OF.replace('/', "~1"));
    change.desired.is_some() && (!change.owners.is_empty() || (other_set && change.live.is_some()))
}

/// Returns what is done about a member that is no longer wanted.
pub(crate) fn removal_step(live: &Arc<LiveObject>, keeping: Option<Keeping>) -> Step {
    let managers = live.managers().into_iter();
    let others = managers.filter(|manager| manager.applied && manager.name != MANAGER);
    let owners: BTreeSet<String> = others.map(|manager| manager.name).collect();
    let action = if let Some(why) = keeping {
        Action::Keep(why)
    } else if owners.is_empty() {
        Action::Delete
    } else {
        Action::Release(owners.into_iter().collect())
    };
    Step { key: live.key.clone(), action, force: false, value: None, live: Some(live.clone()) }
}

fn over_budget(removals: &[Step], members: usize, budget: PruneBudget) -> Option<Withheld> {
    let deletions = removals.iter().filter(|step| step.action == Action::Delete).count();
    Some(match budget.excess(deletions, members)? {
        Excess::Budget(budget) => Withheld::Budget { deletions, budget },
        Excess::Half => Withheld::Shrunk { deletions, members },
    })
}

impl Round {
    /// Returns whether the cluster is as wanted: carrying the round out writes nothing.
    pub fn is_settled(&self) -> bool {
        let rests = |step: &Step| matches!(step.action, Action::None | Action::Keep(_) | Action::Drifted(_));
        self.steps.iter().all(rests) && self.inventory_changes().is_none()
    }

    /// Returns the inventory's parent that covers this round from its beginning to its end; none where the live one
    /// does.
    pub(crate) fn inventory_during(&self) -> Option<Value> {
        let mut during = self.after.clone();
        self.before.iter().for_each(|before| during.extend(before));
        let state = self.parent.as_ref().and_then(inventory::state);
        self.if_other(self.inventory.manifest(&during, state))
    }

    /// Returns the inventory's parent after this round; none where the live one is that.
    pub fn inventory_changes(&self) -> Option<Value> {
        self.if_other(self.inventory_after())
    }

    /// Returns the inventory's parent after this round.
    pub(crate) fn inventory_after(&self) -> Value {
        self.inventory.manifest(&self.after, self.state.as_deref())
    }

    fn if_other(&self, manifest: Value) -> Option<Value> {
        let same = self.parent.as_ref().is_some_and(|parent| compare(&manifest, parent, MANAGER).is_empty());
        (!same).then_some(manifest)
    }
}

#[cfg(test)]
mod tests;
