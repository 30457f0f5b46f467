//! The inventory: what an earlier apply left in a cluster, kept as an ApplySet (KEP-3659), so that kubectl reads it.
//!
//! Every object carries a label with the set's id. The id is a digest of the name of the set's parent, a ConfigMap
//! whose annotations say which kinds and namespaces hold members.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatewright_kinds::{EntityKey, Kind};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::live::LiveObject;

/// The label of a member.
pub const PART_OF: &str = "applyset.kubernetes.io/part-of";
/// The label of the parent.
const ID: &str = "applyset.kubernetes.io/id";
const TOOLING: &str = "applyset.kubernetes.io/tooling";
const GROUP_KINDS: &str = "applyset.kubernetes.io/contains-group-kinds";
const NAMESPACES: &str = "applyset.kubernetes.io/additional-namespaces";
/// The state that the set was last brought to as a whole.
const STATE: &str = "gatewright.io/state";
/// What the annotation of the parent names as its tool; kubectl leaves sets of other tools alone.
const TOOL: &str = "gatewright";

/// Names an inventory: the ConfigMap that is its parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InventoryName {
    /// Namespace of the ConfigMap.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Says that a text is no `NAMESPACE/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not NAMESPACE/NAME")]
pub struct InventoryNameError(String);

impl FromStr for InventoryName {
    type Err = InventoryNameError;

    fn from_str(text: &str) -> Result<Self, InventoryNameError> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(InventoryName { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err(InventoryNameError(text.to_owned())),
        }
    }
}

impl fmt::Display for InventoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl InventoryName {
    /// Returns the identity of the parent.
    pub fn parent(&self) -> EntityKey {
        EntityKey::new(Kind::ConfigMap, self.namespace.clone(), self.name.clone())
    }

    /// Returns the set's id, the value of the label of its members.
    pub fn id(&self) -> String {
        // `NAME.NAMESPACE.KIND.GROUP`; the group of a ConfigMap is empty.
        let text = format!("{}.{}.ConfigMap.", self.name, self.namespace);
        format!("applyset-{}-v1", URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes())))
    }

    /// Returns the parent for a set with these members, which was last brought to this state as a whole.
    pub fn manifest(&self, members: &Members, state: Option<&str>) -> Value {
        let kinds: BTreeSet<String> = members.kinds.iter().map(|kind| group_kind(*kind)).collect();
        let namespaces: Vec<&str> = members
            .namespaces
            .iter()
            .filter(|namespace| **namespace != self.namespace && !namespace.is_empty())
            .map(String::as_str)
            .collect();
        let mut annotations = json!({
            TOOLING: format!("{TOOL}/v1"),
            GROUP_KINDS: kinds.into_iter().collect::<Vec<_>>().join(","),
            NAMESPACES: namespaces.join(","),
        });
        if let Some(state) = state {
            annotations[STATE] = state.into();
        }
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "labels": {ID: self.id()},
                "annotations": annotations,
            },
        })
    }
}

/// Where members of a set are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// Kinds with a member.
    pub kinds: BTreeSet<Kind>,
    /// Namespaces with a member.
    pub namespaces: BTreeSet<String>,
}

impl Members {
    /// Returns where these objects are.
    pub fn of<'a>(keys: impl IntoIterator<Item = &'a EntityKey>) -> Self {
        let mut members = Members::default();
        for key in keys {
            members.kinds.insert(key.kind);
            members.namespaces.insert(key.namespace.to_string());
        }
        members
    }

    /// Adds what another set covers.
    pub fn extend(&mut self, other: &Members) {
        self.kinds.extend(&other.kinds);
        self.namespaces.extend(other.namespaces.iter().cloned());
    }
}

/// Why a ConfigMap cannot be the parent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InventoryError {
    /// It belongs to another tool.
    #[error("the ConfigMap {0} is the inventory of `{1}`")]
    OtherTool(InventoryName, String),
    /// It is something else.
    #[error("the ConfigMap {0} is there and is no inventory")]
    NoInventory(InventoryName),
}

/// Reads where the members of an earlier apply are from the live parent.
///
/// # Errors
/// The ConfigMap is no inventory of ours.
pub fn read(name: &InventoryName, parent: &LiveObject) -> Result<Members, InventoryError> {
    if parent.label(ID) != Some(&name.id()) {
        return Err(InventoryError::NoInventory(name.clone()));
    }
    let tooling = parent.annotation(TOOLING).unwrap_or_default();
    if tooling.split('/').next() != Some(TOOL) {
        return Err(InventoryError::OtherTool(name.clone(), tooling.to_owned()));
    }
    let list = |annotation: &str| -> BTreeSet<String> {
        let text = parent.annotation(annotation).unwrap_or_default();
        text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    let kinds: BTreeMap<String, Kind> = Kind::ALL.into_iter().map(|kind| (group_kind(kind), kind)).collect();
    let mut namespaces = list(NAMESPACES);
    namespaces.insert(name.namespace.clone());
    Ok(Members {
        // Kinds of a later version are not ours to delete.
        kinds: list(GROUP_KINDS).iter().filter_map(|kind| kinds.get(kind).copied()).collect(),
        namespaces,
    })
}

/// Returns the state that a set was last brought to as a whole, from the live parent.
pub fn state(parent: &LiveObject) -> Option<&str> {
    parent.annotation(STATE)
}

fn group_kind(kind: Kind) -> String {
    match kind.group() {
        "" => kind.as_str().to_owned(),
        group => format!("{}.{group}", kind.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> InventoryName {
        "higress-system/gatewright".parse().unwrap()
    }

    #[test]
    fn the_id_is_the_digest_of_the_parents_name() {
        // printf gatewright.higress-system.ConfigMap. | openssl dgst -sha256 -binary | base64 | tr '+/' '-_' | tr -d =
        assert_eq!(name().id(), "applyset-GyNo4v5Jz9X6jewuMyKqA19bR9bsgJvnUFV9NJ3W9uw-v1");
        assert!("a".parse::<InventoryName>().is_err());
        assert!("a/b/c".parse::<InventoryName>().is_err());
    }

    #[test]
    fn members_are_read_as_they_were_written() {
        let keys = [
            EntityKey::new(Kind::Ingress, "shop", "a"),
            EntityKey::new(Kind::Service, "higress-system", "b"),
            EntityKey::new(Kind::IngressClass, "", "c"),
        ];
        let manifest = name().manifest(&Members::of(&keys), Some("git+/r@1"));
        let annotations = &manifest["metadata"]["annotations"];
        assert_eq!(
            annotations[GROUP_KINDS],
            "Ingress.networking.k8s.io,IngressClass.networking.k8s.io,Service"
        );
        assert_eq!(annotations[NAMESPACES], "shop");
        let parent = LiveObject::new(Kind::ConfigMap, manifest).unwrap();
        assert_eq!(state(&parent), Some("git+/r@1"));
        let read = read(&name(), &parent).unwrap();
        assert_eq!(read.kinds, BTreeSet::from([Kind::Ingress, Kind::IngressClass, Kind::Service]));
        assert_eq!(read.namespaces, BTreeSet::from(["higress-system".to_owned(), "shop".to_owned()]));
    }

    #[test]
    fn what_is_no_inventory_of_ours_is_left_alone() {
        let bare = json!({"metadata": {"name": "gatewright", "namespace": "higress-system"}});
        let bare = LiveObject::new(Kind::ConfigMap, bare).unwrap();
        assert_eq!(read(&name(), &bare), Err(InventoryError::NoInventory(name())));
        let mut manifest = name().manifest(&Members::default(), None);
        manifest["metadata"]["annotations"][TOOLING] = "kubectl/v1.35.4".into();
        let kubectls = LiveObject::new(Kind::ConfigMap, manifest).unwrap();
        let error = read(&name(), &kubectls).unwrap_err();
        assert_eq!(error, InventoryError::OtherTool(name(), "kubectl/v1.35.4".to_owned()));
    }
}
