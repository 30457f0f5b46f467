//! Objects of a cluster as an author would have written them: for `import`, and as a side of a plan.

use gatewright_kinds::Kind;
use serde_json::{Map, Value};

use crate::desired::clean_metadata;
use crate::live::LiveObject;

/// Annotations and labels that tools write for themselves, us included.
const OTHERS_PREFIXES: [&str; 2] = ["applyset.kubernetes.io/", "kubectl.kubernetes.io/"];

/// Returns the object without what the API server and controllers keep in it, but with its age, which decides.
pub fn bare(live: &LiveObject) -> Value {
    without_upkeep(live.key.kind, live.created(), live.value.clone())
}

/// As [`bare`], for an object that is not there yet.
pub fn planned(kind: Kind, value: &Value) -> Value {
    without_upkeep(kind, "", value.clone())
}

fn without_upkeep(kind: Kind, created: &str, mut value: Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.remove("status");
        if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
            drop_upkeep(metadata);
            clean_metadata(metadata);
            if !created.is_empty() {
                metadata.insert("creationTimestamp".to_owned(), created.into());
            }
        }
    }
    without_defaults(kind, &mut value);
    value
}

/// Returns the object as a manifest of a repository: no age, nothing that tools keep, no defaults.
pub fn manifest(live: &LiveObject) -> Value {
    let mut value = bare(live);
    if let Some(Value::Object(metadata)) = value.get_mut("metadata") {
        metadata.remove("creationTimestamp");
        metadata.remove("ownerReferences");
        metadata.remove("finalizers");
    }
    value
}

fn drop_upkeep(metadata: &mut Map<String, Value>) {
    for map in ["annotations", "labels"] {
        if let Some(Value::Object(members)) = metadata.get_mut(map) {
            members.retain(|name, _| !OTHERS_PREFIXES.iter().any(|prefix| name.starts_with(prefix)));
        }
    }
}

/// Removes what the API server fills in when it is missing.
fn without_defaults(kind: Kind, value: &mut Value) {
    let Some(Value::Object(spec)) = value.get_mut("spec") else { return };
    if kind != Kind::Service {
        return;
    }
    for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        // A headless Service is meant to be one.
        if spec.get(field).is_some_and(|value| value != "None") {
            spec.remove(field);
        }
    }
    for (field, default) in
        [("sessionAffinity", "None"), ("type", "ClusterIP"), ("internalTrafficPolicy", "Cluster")]
    {
        if spec.get(field).is_some_and(|value| value == default) {
            spec.remove(field);
        }
    }
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(port) = port.as_object_mut() else { continue };
        if port.get("targetPort") == port.get("port") {
            port.remove("targetPort");
        }
        drop_default_protocol(port);
    }
}

fn drop_default_protocol(port: &mut Map<String, Value>) {
    if port.get("protocol").is_some_and(|protocol| protocol == "TCP") {
        port.remove("protocol");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_manifest_holds_what_its_author_wrote() {
        let live = LiveObject::new(
            Kind::Service,
            json!({
                "metadata": {
                    "name": "a", "namespace": "shop", "uid": "1", "resourceVersion": "2", "generation": 1,
                    "creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": [],
                    "labels": {"applyset.kubernetes.io/part-of": "x"}, "annotations": {"mine": "1"},
                },
                "spec": {
                    "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "type": "ClusterIP",
                    "sessionAffinity": "None", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
                    "internalTrafficPolicy": "Cluster", "selector": {"app": "a"},
                    "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}, {"port": 81, "targetPort": 8081}],
                },
                "status": {"loadBalancer": {}},
            }),
        )
        .unwrap();
        assert_eq!(
            manifest(&live),
            json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": {"name": "a", "namespace": "shop", "annotations": {"mine": "1"}},
                "spec": {"selector": {"app": "a"}, "ports": [{"port": 80}, {"port": 81, "targetPort": 8081}]},
            })
        );
        assert_eq!(bare(&live)["metadata"]["creationTimestamp"], "2026-01-01T00:00:00Z");
    }

    #[test]
    fn a_headless_service_stays_one() {
        let live = json!({"metadata": {"name": "a"}, "spec": {"clusterIP": "None", "clusterIPs": ["None"]}});
        let live = LiveObject::new(Kind::Service, live).unwrap();
        assert_eq!(manifest(&live)["spec"], json!({"clusterIP": "None"}));
    }
}
