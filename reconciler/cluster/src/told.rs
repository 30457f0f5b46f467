//! What became of the objects of a cluster, in words.

use std::collections::BTreeMap;
use std::fmt;

use gatewright_kinds::EntityKey;
use serde::{Deserialize, Serialize};

use crate::carry_out::StepOutcome;
use crate::client::ClusterError;
use crate::compare::FieldChange;
use crate::decide::Keeping;

/// How many objects met which fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Made.
    pub created: usize,
    /// Changed.
    pub updated: usize,
    /// Deleted.
    pub deleted: usize,
    /// As wanted before.
    pub unchanged: usize,
    /// Changed in the cluster, and left so.
    #[serde(default)]
    pub drifted: usize,
    /// Not as wanted.
    pub failed: usize,
}

impl Counts {
    /// Counts outcomes.
    pub fn of(outcomes: &BTreeMap<EntityKey, StepOutcome>) -> Self {
        let mut counts = Counts::default();
        for outcome in outcomes.values() {
            match outcome {
                StepOutcome::Created => counts.created += 1,
                StepOutcome::Updated | StepOutcome::Corrected(_) => counts.updated += 1,
                StepOutcome::Drifted(_) => counts.drifted += 1,
                StepOutcome::Deleted => counts.deleted += 1,
                StepOutcome::Unchanged => counts.unchanged += 1,
                StepOutcome::Conflict(_) | StepOutcome::Held(_) | StepOutcome::Failed(_) => {
                    counts.failed += 1
                }
                StepOutcome::Released(_) | StepOutcome::Kept(_) => {}
            }
        }
        counts
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { created, updated, deleted, unchanged, drifted, failed } = self;
        write!(f, "{created} created, {updated} updated, {deleted} deleted, {unchanged} as wanted, ")?;
        if *drifted > 0 {
            write!(f, "{drifted} drifted, ")?;
        }
        write!(f, "{failed} failed")
    }
}

/// Says what became of one object, and the sign that stands before it.
pub fn sentence(key: &EntityKey, outcome: &StepOutcome) -> (char, String) {
    match outcome {
        StepOutcome::Created => ('+', format!("{key} created")),
        StepOutcome::Updated => ('~', format!("{key} updated")),
        StepOutcome::Corrected(changes) => {
            ('~', format!("{key} corrected, as it was changed in the cluster: {}", fields(changes)))
        }
        StepOutcome::Drifted(changes) if changes.is_empty() => {
            ('.', format!("GW0616 {key} was deleted in the cluster, and it is left at that"))
        }
        StepOutcome::Drifted(changes) => {
            ('.', format!("GW0616 {key} was changed in the cluster and is left so: {}", fields(changes)))
        }
        StepOutcome::Unchanged => (' ', format!("{key} is as wanted")),
        StepOutcome::Deleted => ('-', format!("{key} deleted")),
        StepOutcome::Released(owners) => {
            ('.', format!("GW0613 {key} is not deleted: {} applied to it too", owners.join(", ")))
        }
        StepOutcome::Kept(Keeping::NoInventory) => {
            ('.', format!("GW0612 {key} is not deleted: the inventory was not there"))
        }
        StepOutcome::Kept(Keeping::Errors) => {
            ('.', format!("GW0614 {key} is not deleted: errors stand in the source"))
        }
        StepOutcome::Kept(Keeping::Encrypted) => {
            ('.', format!("GW0111 {key} is left as it is: the source has it encrypted"))
        }
        StepOutcome::Conflict(changes) => {
            let owned = changes.iter().filter(|change| !change.owners.is_empty());
            let owned: Vec<String> = owned
                .map(|change| format!("`{}` owns {}", change.owners.join("`, `"), change.pointer))
                .collect();
            let why = match owned.is_empty() {
                true => "it belongs to another ApplySet".to_owned(),
                false => owned.join(", "),
            };
            ('!', format!("GW0610 {key} is left alone: {why}"))
        }
        StepOutcome::Held(cause) => ('!', format!("GW0615 {key} is left alone: {cause} failed")),
        StepOutcome::Failed(error @ ClusterError::Conflict(_)) => {
            ('!', format!("GW0610 {key} is left alone: {error}"))
        }
        StepOutcome::Failed(error) => ('!', format!("GW0615 {key}: {error}")),
    }
}

/// Names fields, and who owns them now where others do.
fn fields(changes: &[FieldChange]) -> String {
    let field = |change: &FieldChange| match change.owners.is_empty() {
        true => change.pointer.clone(),
        false => format!("{} (`{}`)", change.pointer, change.owners.join("`, `")),
    };
    changes.iter().map(field).collect::<Vec<_>>().join(", ")
}
