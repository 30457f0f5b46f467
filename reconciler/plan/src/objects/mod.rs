//! The first level: objects added, changed and removed, field by field.

mod fields;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::side::{EntityName, Location, Side};

/// What happened to a thing that both states could have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Only the head has it.
    Added,
    /// Both have it with different content.
    Changed,
    /// Only the base has it.
    Removed,
}

impl Change {
    /// Returns the sign in front of a row: `+`, `~` or `-`.
    pub fn sign(self) -> &'static str {
        match self {
            Change::Added => "+",
            Change::Changed => "~",
            Change::Removed => "-",
        }
    }
}

/// Objects and their changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ObjectLevel {
    /// Objects in the files that differ, on either side.
    pub compared: usize,
    /// What changed, by kind, namespace and name.
    pub changes: Vec<ObjectChange>,
}

/// One object that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObjectChange {
    /// Which.
    pub entity: EntityName,
    /// How.
    pub change: Change,
    /// Where it stands in the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Location>,
    /// Where it stands in the head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Location>,
    /// Hosts whose routes depend on it, before or after: how far the change reaches.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dependents: usize,
    /// Its fields that differ, in the order of the manifest; empty for objects that one side does not have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// One field that differs. A side without the field has no value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// JSON pointer (RFC 6901): into the head, or into the base for a field that is gone.
    pub pointer: String,
    /// Where that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// Value in the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<FieldValue>,
    /// Value in the head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<FieldValue>,
}

impl FieldChange {
    /// Returns what happened to the field.
    pub fn change(&self) -> Change {
        match (&self.before, &self.after) {
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            _ => Change::Changed,
        }
    }
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldValue {
    /// As written, keys in order, with secret parts replaced.
    Value(Value),
    /// Secret: that it differs is all that is told.
    Hidden,
}

/// Compares the objects of two states.
pub(crate) fn compare(base: &Side<'_>, head: &Side<'_>) -> ObjectLevel {
    let mut level = ObjectLevel::default();
    for entity in base.entities.union(&head.entities) {
        match (base.entities.contains(entity), head.entities.contains(entity)) {
            (false, _) => level.changes.push(one_sided(entity, Change::Added, head)),
            (_, false) => level.changes.push(one_sided(entity, Change::Removed, base)),
            _ => level.changes.extend(changed(entity, base, head)),
        }
        level.compared += 1;
    }
    for row in &mut level.changes {
        let mut hosts = base.describe.dependents(&row.entity);
        hosts.extend(head.describe.dependents(&row.entity));
        row.dependents = hosts.len();
    }
    level
}

fn one_sided(entity: &EntityName, change: Change, side: &Side<'_>) -> ObjectChange {
    let place = side.describe.place(entity, "");
    let (before, after) = if change == Change::Added { (None, place) } else { (place, None) };
    ObjectChange { entity: entity.clone(), change, before, after, dependents: 0, fields: Vec::new() }
}

fn changed(entity: &EntityName, base: &Side<'_>, head: &Side<'_>) -> Option<ObjectChange> {
    let manifest = |side: &Side<'_>| side.describe.manifest(entity).unwrap_or_default();
    let mut fields = fields::compare(&entity.kind, &manifest(base), &manifest(head));
    if fields.is_empty() {
        return None;
    }
    for field in &mut fields {
        let side = if field.after.is_some() { head } else { base };
        field.location = side.describe.place(entity, &field.pointer);
    }
    Some(ObjectChange {
        entity: entity.clone(),
        change: Change::Changed,
        before: base.describe.place(entity, ""),
        after: head.describe.place(entity, ""),
        dependents: 0,
        fields,
    })
}
