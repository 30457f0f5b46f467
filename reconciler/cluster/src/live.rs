//! Objects as the API server holds them, with who owns which field.

use gatewright_compiler::manifest::{EntityKey, Kind};
use serde_json::Value;

/// One object of a kube cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveObject {
    /// Identity.
    pub key: EntityKey,
    /// Everything that the API server says of it, values of Secrets included.
    pub value: Value,
}

/// One entry of `metadata.managedFields`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manager<'a> {
    /// Who.
    pub(crate) name: &'a str,
    /// Whether the fields were applied, which says that they are meant to be owned.
    pub(crate) applied: bool,
    /// Which fields, in the form of `fieldsV1`.
    pub(crate) fields: &'a Value,
}

impl LiveObject {
    /// Takes an object of a list or of an answer; none without a name.
    pub(crate) fn new(kind: Kind, mut value: Value) -> Option<Self> {
        let text = |field: &str| value["metadata"][field].as_str().unwrap_or_default().to_owned();
        let (namespace, name) = (text("namespace"), text("name"));
        if name.is_empty() {
            return None;
        }
        // Members of a list do not say what they are.
        value["apiVersion"] = kind.api_version().into();
        value["kind"] = kind.as_str().into();
        Some(LiveObject { key: EntityKey::new(kind, namespace, name), value })
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

    /// Returns who owns fields of the object itself, its status left out.
    pub(crate) fn managers(&self) -> impl Iterator<Item = Manager<'_>> {
        let entries = self.value["metadata"]["managedFields"].as_array().into_iter().flatten();
        entries.filter(|entry| entry["subresource"].as_str().unwrap_or_default().is_empty()).filter_map(
            |entry| {
                Some(Manager {
                    name: entry["manager"].as_str()?,
                    applied: entry["operation"] == "Apply",
                    fields: entry.get("fieldsV1")?,
                })
            },
        )
    }

    fn metadata(&self, field: &str) -> &str {
        self.value["metadata"][field].as_str().unwrap_or_default()
    }
}
