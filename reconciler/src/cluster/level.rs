//! The level of a plan that says what is done with each object of a kube cluster.

use std::collections::BTreeMap;

use gatewright_cluster::compare::FieldChange;
use gatewright_cluster::decide::{Action, Step};
use gatewright_cluster::desired::Desired;
use gatewright_cluster::inventory::PART_OF;
use gatewright_kinds::EntityKey;
use gatewright_plan::EntityName;
use gatewright_plan::cluster::{
    ClusterAction, ClusterField, ClusterLevel, ClusterStep, SeenObject, shown_value,
};
use serde_json::Value;

use super::Looked;

/// Returns what a round does, for a plan. `base` are the objects of another state of the source, to be shown beside.
pub fn level(looked: &Looked, context: &str, base: Option<&BTreeMap<EntityKey, Desired>>) -> ClusterLevel {
    let round = &looked.round;
    let steps: Vec<ClusterStep> = round.steps.iter().filter_map(|step| cluster_step(step, base)).collect();
    ClusterLevel {
        context: context.to_owned(),
        inventory: round.inventory.to_string(),
        unchanged: round.steps.len() - steps.len(),
        steps,
        refusal: round.withheld.as_ref().map(ToString::to_string),
    }
}

fn cluster_step(step: &Step, base: Option<&BTreeMap<EntityKey, Desired>>) -> Option<ClusterStep> {
    let (action, changes, owners) = match &step.action {
        // A plan corrects and reports no drift: that is for a sync.
        Action::None | Action::Drifted(_) => return None,
        Action::Create => (ClusterAction::Create, &[][..], &[][..]),
        Action::Update(changes) if only_joins(changes) => (ClusterAction::Adopt, &[][..], &[][..]),
        Action::Update(changes) | Action::Correct(changes) => {
            (ClusterAction::Update, changes.as_slice(), &[][..])
        }
        Action::Conflict(changes) => (ClusterAction::Conflict, changes.as_slice(), &[][..]),
        Action::Delete => (ClusterAction::Delete, &[][..], &[][..]),
        Action::Release(owners) => (ClusterAction::Release, &[][..], owners.as_slice()),
        Action::Keep(_) => (ClusterAction::Keep, &[][..], &[][..]),
    };
    let before = base.and_then(|base| base.get(&step.key));
    Some(ClusterStep {
        entity: EntityName {
            kind: step.key.kind.as_str().to_owned(),
            namespace: step.key.namespace.to_string(),
            name: step.key.name.to_string(),
        },
        action,
        force: step.force,
        seen: step.live.as_ref().map(|live| SeenObject {
            uid: live.uid().to_owned(),
            resource_version: live.resource_version().to_owned(),
        }),
        owners: owners.to_vec(),
        fields: changes.iter().map(|change| field(step, change, before)).collect(),
    })
}

/// Returns whether an object is as wanted and only not yet a member of the inventory.
fn only_joins(changes: &[FieldChange]) -> bool {
    changes.iter().all(|change| {
        let label = change.pointer.strip_prefix("/metadata/labels");
        let of_set = label.is_some_and(|label| label.is_empty() || label == LABEL);
        of_set && change.live.is_none() && change.desired.as_ref().is_some_and(is_membership)
    })
}

/// The label's part of a pointer.
const LABEL: &str = "/applyset.kubernetes.io~1part-of";

/// The label's value, or labels of which it is the only one.
fn is_membership(value: &Value) -> bool {
    value.is_string()
        || value.as_object().is_some_and(|labels| labels.len() == 1 && labels.contains_key(PART_OF))
}

fn field(step: &Step, change: &FieldChange, base: Option<&Desired>) -> ClusterField {
    let shown = |value| shown_value(step.key.kind.as_str(), &change.pointer, value);
    ClusterField {
        pointer: change.pointer.clone(),
        base: base.and_then(|base| base.value.pointer(&change.pointer)).map(shown),
        head: change.desired.as_ref().map(shown),
        live: change.live.as_ref().map(shown),
        owners: change.owners.clone(),
    }
}
