//! Objects as a source wants them: what is sent to the API server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gatewright_kinds::{EntityKey, FORCE_CONFLICTS, Kind, encrypted};
use serde_json::{Map, Value};

/// An object that a source wants.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Identity.
    pub key: EntityKey,
    /// What is applied, values of Secrets included.
    pub value: Value,
}

/// What the API server or other tools write into metadata; a manifest that was exported carries it.
const OTHERS_METADATA: [&str; 7] = [
    "creationTimestamp",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];
/// What `kubectl apply` remembers, and would fight with.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

impl Desired {
    /// Takes an object as it was written; none where its kind is not one that is applied, or where it is encrypted.
    pub fn new(mut value: Value) -> Option<Self> {
        let key = key_of(&value)?;
        // The API server would take the text of a tool for the value.
        if encrypted::of_object(&value).is_some() {
            return None;
        }
        value.as_object_mut()?.remove("status");
        let metadata = value.get_mut("metadata")?.as_object_mut()?;
        clean_metadata(metadata);
        if key.kind.namespaced() {
            metadata.insert("namespace".to_owned(), (*key.namespace).into());
        } else {
            metadata.remove("namespace");
        }
        if key.kind == Kind::Secret {
            normalize_secret(&mut value);
        }
        Some(Desired { key, value })
    }

    /// Returns whether the manifest takes fields from other owners.
    pub fn forces(&self) -> bool {
        self.value["metadata"]["annotations"][FORCE_CONFLICTS] == "true"
    }

    /// Returns the object with one more label.
    pub(crate) fn labeled(&self, name: &str, label: &str) -> Value {
        let mut value = self.value.clone();
        let metadata = &mut value["metadata"];
        if !metadata["labels"].is_object() {
            metadata["labels"] = Value::Object(Map::new());
        }
        metadata["labels"][name] = label.into();
        value
    }
}

/// Removes from metadata what is not the author's.
pub(crate) fn clean_metadata(metadata: &mut Map<String, Value>) {
    for field in OTHERS_METADATA {
        metadata.remove(field);
    }
    if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
        annotations.remove(LAST_APPLIED);
    }
    for map in ["annotations", "labels"] {
        if metadata.get(map).is_some_and(|map| map.as_object().is_none_or(Map::is_empty)) {
            metadata.remove(map);
        }
    }
}

/// Returns the identity of an object of a modelled kind and version.
fn key_of(value: &Value) -> Option<EntityKey> {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let kind = Kind::of(text("/apiVersion")?, text("/kind")?)?;
    let namespace = text("/metadata/namespace").unwrap_or_default();
    Some(EntityKey::of_metadata(kind, namespace, text("/metadata/name")?))
}

/// Writes `stringData` as `data`, as the API server does, and every value as the API server prints it.
fn normalize_secret(value: &mut Value) {
    let Some(secret) = value.as_object_mut() else { return };
    if let Some(Value::Object(plain)) = secret.remove("stringData") {
        let data = secret.entry("data").or_insert_with(|| Value::Object(Map::new()));
        for (name, text) in plain {
            if let (Some(data), Some(text)) = (data.as_object_mut(), text.as_str()) {
                data.insert(name, BASE64.encode(text).into());
            }
        }
    }
    for value in secret.get_mut("data").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
        let compact: String = value.as_str().unwrap_or_default().split(['\r', '\n']).collect();
        // What is not base64 is for the API server to refuse.
        if let Ok(bytes) = BASE64.decode(&compact) {
            *value = BASE64.encode(bytes).into();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_others_write_is_left_out() {
        let desired = Desired::new(json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {
                "name": "a", "uid": "1", "resourceVersion": "2", "creationTimestamp": "2026-01-01T00:00:00Z",
                "managedFields": [], "annotations": {LAST_APPLIED: "{}"}, "labels": {"a": "b"},
            },
            "status": {"loadBalancer": {}},
        }));
        assert_eq!(
            desired.unwrap().value,
            json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
                "metadata": {"name": "a", "namespace": "default", "labels": {"a": "b"}},
            })
        );
    }

    #[test]
    fn secrets_are_written_as_data() {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"},
            "stringData": {"both": "new", "plain": "v"},
            "data": {"both": "b2xk", "wrapped": "dmFs\ndWU=\n", "broken": "*"},
        });
        let data = &Desired::new(secret).unwrap().value["data"];
        assert_eq!(*data, json!({"both": "bmV3", "plain": "dg==", "wrapped": "dmFsdWU=", "broken": "*"}));
    }

    #[test]
    fn other_kinds_and_versions_are_not_applied() {
        let object = |version: &str, kind: &str| {
            Desired::new(json!({"apiVersion": version, "kind": kind, "metadata": {"name": "a"}})).is_some()
        };
        assert!(object("v1", "Secret"));
        assert!(!object("v1", "Pod"));
        assert!(!object("extensions/v1beta1", "Ingress"));
    }

    #[test]
    fn what_is_encrypted_is_not_applied() {
        let secret = |data: &str, sops: Value| {
            let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"},
                "stringData": {"tls.key": data}, "sops": sops});
            Desired::new(object).is_some()
        };
        assert!(secret("a key", Value::Null));
        assert!(!secret("ENC[AES256_GCM,data:x,type:str]", Value::Null));
        assert!(!secret("$ANSIBLE_VAULT;1.1;AES256\n6162", Value::Null));
        assert!(!secret("a key", json!({"mac": "ENC[AES256_GCM,data:x]", "version": "3.9.0"})));
    }
}
