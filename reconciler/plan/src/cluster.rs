//! The fourth level, of plans against a kube cluster: what an apply does with each object, and whose fields it meets.

use gatewright_secrets::Rules;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::objects::FieldValue;
use crate::side::EntityName;

/// What an apply does to a kube cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClusterLevel {
    /// Context of the kubeconfig, or `in-cluster`.
    pub context: String,
    /// ConfigMap that is the inventory, `NAMESPACE/NAME`.
    pub inventory: String,
    /// Objects that are as wanted.
    pub unchanged: usize,
    /// Every other object, in the order in which it is dealt with.
    pub steps: Vec<ClusterStep>,
    /// Why nothing at all may be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
}

/// What is done with one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterStep {
    /// Which.
    pub entity: EntityName,
    /// What.
    pub action: ClusterAction,
    /// Whether its manifest takes fields from other owners.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// The object that was seen: another one, or another version of it, makes the plan stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<SeenObject>,
    /// Who else has applied to an object that is no longer wanted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<String>,
    /// Fields that differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<ClusterField>,
}

/// The object that a plan is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenObject {
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.resourceVersion`
    pub resource_version: String,
}

/// What is done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClusterAction {
    /// It is made.
    Create,
    /// Fields of it change.
    Update,
    /// It is as wanted and becomes a member of the inventory.
    Adopt,
    /// Nothing: fields that differ belong to others.
    Conflict,
    /// It is deleted.
    Delete,
    /// It is no longer wanted and stays, as others have applied to it too.
    Release,
    /// It is no longer wanted and stays, as there was no inventory.
    Keep,
}

impl ClusterAction {
    /// Returns the word for the action.
    pub fn as_str(self) -> &'static str {
        match self {
            ClusterAction::Create => "create",
            ClusterAction::Update => "update",
            ClusterAction::Adopt => "adopt",
            ClusterAction::Conflict => "conflict",
            ClusterAction::Delete => "delete",
            ClusterAction::Release => "release",
            ClusterAction::Keep => "keep",
        }
    }
}

/// One field of an object in the three states that meet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterField {
    /// JSON pointer.
    pub pointer: String,
    /// Value in the base, where the plan has one beside the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<FieldValue>,
    /// Value in the SOURCE; none where the field is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<FieldValue>,
    /// Value in the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<FieldValue>,
    /// Other field managers that own it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<String>,
}

impl ClusterLevel {
    /// Returns how many objects have this action.
    pub fn count(&self, action: ClusterAction) -> usize {
        self.steps.iter().filter(|step| step.action == action).count()
    }

    /// Returns whether an apply changes nothing but the inventory.
    pub fn is_settled(&self) -> bool {
        let quiet = |step: &ClusterStep| matches!(step.action, ClusterAction::Adopt | ClusterAction::Keep);
        self.refusal.is_none() && self.steps.iter().all(quiet)
    }
}

/// Returns the value at a JSON pointer of an object as a plan may show it: secret parts hidden.
pub fn shown_value(kind: &str, pointer: &str, value: &Value) -> FieldValue {
    let segments = pointer.split('/').skip(1);
    let mut path: Vec<String> =
        segments.map(|segment| segment.replace("~1", "/").replace("~0", "~")).collect();
    let rules = Rules::of(kind);
    if rules.hides(&path, value) {
        FieldValue::Hidden
    } else {
        FieldValue::Value(rules.shown(&mut path, value))
    }
}
