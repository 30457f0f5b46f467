//! Objects as the API server holds them, with who owns which field.

use gatewright_kinds::{EntityKey, Kind};
use serde_json::Value;

/// One object of a kube cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveObject {
    /// Identity.
    pub key: EntityKey,
    /// What the API server says of it, values of Secrets included, without who owns which field.
    pub value: Value,
    /// `metadata.managedFields` as text: as a tree it would be greater than all the rest.
    managed: Box<str>,
}

/// One entry of `metadata.managedFields`.
#[derive(Clone, Debug)]
pub(crate) struct Manager {
    /// Who.
    pub(crate) name: String,
    /// Whether the fields were applied, which says that they are meant to be owned.
    pub(crate) applied: bool,
    /// Which fields, in the form of `fieldsV1`.
    pub(crate) fields: Value,
}

impl LiveObject {
    /// Takes an object of a list or of an answer; none without a name.
    pub fn new(kind: Kind, mut value: Value) -> Option<Self> {
        let text = |field: &str| value["metadata"][field].as_str().unwrap_or_default().to_owned();
        let (namespace, name) = (text("namespace"), text("name"));
        if name.is_empty() {
            return None;
        }
        // Members of a list do not say what they are.
        value["apiVersion"] = kind.api_version().into();
        value["kind"] = kind.as_str().into();
        let managed = value["metadata"].as_object_mut().and_then(|metadata| metadata.remove("managedFields"));
        let managed = managed.map_or_else(String::new, |entries| entries.to_string()).into();
        Some(LiveObject { key: EntityKey::new(kind, namespace, name), value, managed })
    }

    /// Returns the version that moves with each change.
    pub fn resource_version(&self) -> &str {
        self.metadata("resourceVersion")
    }

    /// Returns what tells the object from another one of the same name.
    pub fn uid(&self) -> &str {
        self.metadata("uid")
    }

    /// Returns the RFC 3339 time of creation.
    pub fn created(&self) -> &str {
        self.metadata("creationTimestamp")
    }

    /// Returns the value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.value["metadata"]["labels"].get(name)?.as_str()
    }

    /// Returns the value of an annotation.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.value["metadata"]["annotations"].get(name)?.as_str()
    }

    /// Returns the entries of `metadata.managedFields`.
    pub(crate) fn managed_fields(&self) -> Vec<Value> {
        // An object that nobody manages has no entries at all.
        serde_json::from_str(&self.managed).unwrap_or_default()
    }

    /// Returns who owns fields of the object itself, its status left out.
    pub(crate) fn managers(&self) -> Vec<Manager> {
        let entries = self.managed_fields().into_iter();
        let of_object = entries.filter(|entry| entry["subresource"].as_str().unwrap_or_default().is_empty());
        let manager = |mut entry: Value| {
            Some(Manager {
                name: entry["manager"].as_str()?.to_owned(),
                applied: entry["operation"] == "Apply",
                fields: entry.get_mut("fieldsV1")?.take(),
            })
        };
        of_object.filter_map(manager).collect()
    }

    fn metadata(&self, field: &str) -> &str {
        self.value["metadata"][field].as_str().unwrap_or_default()
    }
}
