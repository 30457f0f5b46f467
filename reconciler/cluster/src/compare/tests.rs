//! What differs, what does not, and whose it is.

use serde_json::json;

use super::*;

const MANAGER: &str = "gatewright";

fn live(kind: Kind, mut value: Value, managers: &[(&str, &str, Value)]) -> LiveObject {
    let entries = managers.iter().map(|(name, operation, fields)| {
        json!({"manager": name, "operation": operation, "fieldsType": "FieldsV1", "fieldsV1": fields})
    });
    value["metadata"]["name"] = "a".into();
    value["metadata"]["namespace"] = "shop".into();
    value["metadata"]["managedFields"] = entries.collect();
    LiveObject::new(kind, value).unwrap()
}

/// Returns the changes as `pointer live -> desired [owners]`.
fn changes(desired: Value, live: &LiveObject) -> Vec<String> {
    let shown = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), Value::to_string);
    compare(&desired, live, MANAGER)
        .iter()
        .map(|change| {
            let owners = change.owners.join(",");
            format!("{} {} -> {} [{owners}]", change.pointer, shown(&change.live), shown(&change.desired))
        })
        .collect()
}

#[test]
fn defaults_and_what_others_added_are_no_difference() {
    let service = live(
        Kind::Service,
        json!({
            "metadata": {"annotations": {"theirs": "x"}, "uid": "1"},
            "spec": {
                "clusterIP": "10.0.0.1", "type": "ClusterIP", "sessionAffinity": "None",
                "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 80}],
            },
            "status": {"loadBalancer": {}},
        }),
        &[],
    );
    let desired = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "labels": {}},
        "spec": {"ports": [{"name": "http", "port": 80}], "externalName": ""}});
    assert_eq!(changes(desired, &service), [""; 0]);
}

#[test]
fn what_the_manifest_changes_is_told_with_its_owner() {
    let fields = json!({"f:metadata": {"f:annotations": {"f:x": {}}}, "f:spec": {"f:rules": {}}});
    let ingress = live(
        Kind::Ingress,
        json!({"metadata": {"annotations": {"x": "1", "y": "1"}}, "spec": {"rules": [{"host": "a"}]}}),
        &[("helm", "Update", fields)],
    );
    let desired = json!({"metadata": {"annotations": {"x": "2", "y": "2", "z": "1"}},
        "spec": {"rules": [{"host": "b"}]}});
    assert_eq!(
        changes(desired, &ingress),
        [
            "/metadata/annotations/x \"1\" -> \"2\" [helm]",
            "/metadata/annotations/y \"1\" -> \"2\" []",
            "/metadata/annotations/z - -> \"1\" []",
            "/spec/rules [{\"host\":\"a\"}] -> [{\"host\":\"b\"}] [helm]",
        ]
    );
}

#[test]
fn what_we_applied_and_the_manifest_no_longer_names_is_removed() {
    let own = json!({
        "f:metadata": {"f:annotations": {"f:gone": {}, "f:kept": {}, "f:gone-already": {}}},
        "f:spec": {"f:ports": {
            "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}, "f:port": {}},
            "k:{\"port\":81,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}},
        }},
    });
    let service = live(
        Kind::Service,
        json!({
            "metadata": {"annotations": {"gone": "1", "kept": "1", "theirs": "1"}},
            "spec": {"ports": [
                {"name": "http", "port": 80, "protocol": "TCP"}, {"port": 81, "protocol": "TCP"},
                {"port": 82, "protocol": "TCP"},
            ]},
        }),
        &[(MANAGER, "Apply", own)],
    );
    let desired = json!({"metadata": {"annotations": {"kept": "1"}}, "spec": {"ports": [{"port": 80}]}});
    assert_eq!(
        changes(desired, &service),
        [
            "/metadata/annotations/gone \"1\" -> - []",
            "/spec/ports/0/name \"http\" -> - []",
            "/spec/ports/1 {\"port\":81,\"protocol\":\"TCP\"} -> - []",
        ]
    );
}

#[test]
fn lists_that_are_one_value_hide_no_removal() {
    let host =
        json!({"spec": {"rules": [{"host": "a", "http": {"paths": [{"path": "/", "pathType": "Exact"}]}}]}});
    let ingress = live(Kind::Ingress, host, &[]);
    let desired = json!({"spec": {"rules": [{"http": {"paths": [{"path": "/", "pathType": "Exact"}]}}]}});
    assert_eq!(changes(desired, &ingress).len(), 1);
    let empty = json!({"spec": {"rules": [
        {"host": "a", "http": {"paths": [{"path": "/", "pathType": "Exact", "backend": {}}]}}]}});
    assert_eq!(changes(empty, &ingress), [""; 0]);
    let selector = live(Kind::Service, json!({"spec": {"selector": {"app": "a", "tier": "b"}}}), &[]);
    assert_eq!(changes(json!({"spec": {"selector": {"app": "a"}}}), &selector).len(), 1);
}

#[test]
fn an_endpoint_that_is_not_ready_is_not_one_that_says_nothing() {
    let slice = |conditions: Value| {
        json!({"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"], "conditions": conditions}],
            "ports": [{"port": 80, "protocol": "TCP", "name": ""}]})
    };
    let ready = live(Kind::EndpointSlice, slice(json!({})), &[]);
    assert_eq!(changes(slice(json!({"ready": false})), &ready).len(), 1);
    let mut bare = slice(json!({}));
    bare["ports"] = json!([{"port": 80}]);
    assert_eq!(changes(bare, &ready), [""; 0]);
}

#[test]
fn custom_resources_keep_what_says_nothing() {
    let plugin =
        live(Kind::WasmPlugin, json!({"spec": {"priority": 10.0, "matchRules": [{"config": {}}]}}), &[]);
    assert_eq!(changes(json!({"spec": {"priority": 10, "matchRules": [{"config": {}}]}}), &plugin), [""; 0]);
    let rule = json!({"spec": {"matchRules": [{"config": {"allow": []}}]}});
    assert_eq!(changes(rule, &plugin).len(), 1);
    assert_eq!(changes(json!({"spec": {"defaultConfigDisable": false}}), &plugin).len(), 1);
}

#[test]
fn what_will_be_is_what_the_manifest_names_and_what_others_wrote() {
    let own = json!({
        "f:metadata": {"f:annotations": {".": {}, "f:gone": {}, "f:kept": {}}, "f:labels": {".": {}, "f:mine": {}}},
        "f:spec": {"f:ports": {
            "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}, "f:port": {}},
            "k:{\"port\":81,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}},
        }, "f:selector": {}},
    });
    let service = live(
        Kind::Service,
        json!({
            "metadata": {"annotations": {"gone": "1", "kept": "1", "theirs": "1"}, "labels": {"mine": "1"}},
            "spec": {"clusterIP": "10.0.0.1", "selector": {"app": "a"}, "ports": [
                {"name": "http", "port": 80, "protocol": "TCP"}, {"port": 81, "protocol": "TCP"},
                {"port": 82, "protocol": "TCP"},
            ]},
        }),
        &[(MANAGER, "Apply", own)],
    );
    let desired = json!({
        "metadata": {"annotations": {"kept": "2", "new": "1"}},
        "spec": {"ports": [{"port": 80}, {"port": 83}], "selector": {"app": "b"}},
    });
    let mut predicted = predict(&desired, &service, MANAGER);
    assert_eq!(predicted["metadata"]["annotations"], json!({"kept": "2", "theirs": "1", "new": "1"}));
    assert_eq!(predicted["metadata"].get("labels"), None);
    assert_eq!(
        predicted["spec"].take(),
        json!({"clusterIP": "10.0.0.1", "selector": {"app": "b"}, "ports": [
            {"port": 80, "protocol": "TCP"}, {"port": 83}, {"port": 82, "protocol": "TCP"}]})
    );
}
