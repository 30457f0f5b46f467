//! The roles that the pages publish name every kind of the table. That each right is needed and enough is tested with a real
//! API server.

use std::collections::BTreeSet;

use gatewright_kinds::Kind;
use serde_json::Value;

/// What roles name beside the kinds that are read: who looks after a cluster, and what is told of it.
const BESIDE: [(&str, &str); 2] = [("coordination.k8s.io", "leases"), ("events.k8s.io", "events")];

#[test]
fn every_published_role_names_every_kind() {
    let kinds = Kind::ALL.map(|kind| (kind.group().to_owned(), kind.plural().to_owned()));
    for role in ["apply", "gateway", "plan", "sync"] {
        let path = gatewright_testkit::workspace_root().join(format!("docs/clusters/{role}.rbac.yaml"));
        let text = std::fs::read_to_string(path).expect("a published role");
        let role_object: Value = serde_yaml::from_str(&text).expect("a role is YAML");
        let rules = role_object["rules"].as_array().expect("a role has rules").iter();
        let mut named: BTreeSet<(String, String)> = rules.flat_map(resources).collect();
        for (group, resource) in BESIDE {
            named.remove(&(group.to_owned(), resource.to_owned()));
        }
        assert_eq!(named, BTreeSet::from(kinds.clone()), "{role}");
    }
}

/// Returns the resources of a rule with their groups.
fn resources(rule: &Value) -> Vec<(String, String)> {
    let texts = |field: &str| {
        let texts = rule[field].as_array().into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect::<Vec<_>>()
    };
    let resources = texts("resources");
    let of_group = |group: String| resources.iter().map(move |resource| (group.clone(), resource.clone()));
    texts("apiGroups").into_iter().flat_map(of_group).collect()
}
