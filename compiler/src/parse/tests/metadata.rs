//! What the API server checks of metadata.

use super::*;

#[test]
fn names_have_a_format() {
    let named = |kind: &str, name: &str| format!("apiVersion: v1\nkind: {kind}\nmetadata:\n  name: {name}\n");
    check(&named("ConfigMap", "a.b-c"), &[]);
    check(&named("ConfigMap", "Web_1"), &["GW0102 4:9 `Web_1` metadata.name cannot be \"Web_1\""]);
    let service = |name: &str| named("Service", name) + "spec: {ports: [{port: 80}]}\n";
    check(&service("a.b"), &["GW0102 4:9 `a.b` metadata.name cannot be \"a.b\""]);
    check(&service("1a"), &["GW0102 4:9 `1a` metadata.name cannot be \"1a\""]);
    check(&named("ConfigMap", "12"), &["GW0102 4:9 `12` metadata.name must be text, found the number 12"]);
    check(&named("ConfigMap", ""), &["GW0102 3:1 `metadata` metadata lacks the field `name`"]);
    assert_eq!(parse(&named("ConfigMap", "Web_1")).manifests.len(), 1, "it is known and poisoned");
    assert!(parse(&named("ConfigMap", "")).manifests.is_empty());
}

#[test]
fn generated_names_are_unknown() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  generateName: a-\n";
    check(text, &["GW0102 3:1 `metadata` metadata lacks the field `name`"]);
    assert!(parse(text).findings[0].help.as_ref().is_some_and(|help| help.contains("generates")));
    check(
        "apiVersion: v1\nkind: ConfigMap\n",
        &["GW0102 1:1 `apiVersion` the document lacks the field `metadata`"],
    );
}

#[test]
fn the_namespace_is_default_unless_written() {
    let key = |text: &str| parse(text).manifests[0].key.to_string();
    assert_eq!(key(&ingress("")), "Ingress default/web");
    assert_eq!(key(&ingress("  namespace:\n")), "Ingress default/web");
    assert_eq!(key(&ingress("  namespace: shop\n")), "Ingress shop/web");
    let class = "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: higress, namespace: a}\nspec: {controller: a/b}\n";
    assert_eq!(key(class), "IngressClass higress");
    check(&ingress("  namespace: a.b\n"), &["GW0102 5:14 `a.b` metadata.namespace cannot be \"a.b\""]);
}

#[test]
fn annotations_are_text_below_valid_keys() {
    check(
        &ingress("  annotations:\n    a/b: true\n    c: yes\n    d: ~\n    e: \"5\"\n    f: 5\n"),
        &[
            "GW0102 6:10 `true` metadata.annotations[\"a/b\"] must be text, found the boolean true",
            "GW0102 7:8 `yes` metadata.annotations.c must be text, found the boolean true",
            "GW0102 10:8 `5` metadata.annotations.f must be text, found the number 5",
        ],
    );
    check(
        &ingress("  annotations:\n    Up.io/A_b: x\n    a b: x\n    a/b/c: x\n"),
        &[
            "GW0102 7:5 `a b` \"a b\" is no key of an annotation",
            "GW0102 8:5 `a/b/c` \"a/b/c\" is no key of an annotation",
        ],
    );
}

#[test]
fn unquoted_annotations_are_fixed_where_the_meaning_is_plain() {
    check_fix(
        &ingress("  annotations:\n    a: true\n    b: 5 # five\n"),
        &ingress("  annotations:\n    a: \"true\"\n    b: \"5\" # five\n"),
    );
    let parsed = parse(&ingress("  annotations:\n    a: yes\n"));
    assert_eq!(parsed.findings[0].fix, None, "it may mean \"yes\" or \"true\"");
    assert_eq!(parsed.findings[0].notes, ["Kubernetes reads the unquoted value as the boolean true"]);
}

#[test]
fn annotations_have_a_size() {
    let annotations =
        |length: usize| ingress(&format!("  annotations:\n    k: \"{}\"\n", "x".repeat(length)));
    check(&annotations((256 << 10) - 1), &[]);
    check(
        &annotations(256 << 10),
        &["GW0102 5:3 `annotations` the annotations hold 262145 bytes, and at most 262144 are accepted"],
    );
}

#[test]
fn labels_have_formats() {
    check(&ingress("  labels: {app.kubernetes.io/name: web, tier: \"\"}\n"), &[]);
    check(
        &ingress("  labels:\n    Up.io/a: b\n    c: -d\n"),
        &[
            "GW0102 6:5 `Up.io/a` \"Up.io/a\" is no key of a label",
            "GW0102 7:8 `-d` metadata.labels.c cannot be \"-d\"",
        ],
    );
}

#[test]
fn times_are_rfc_3339() {
    let created = |time: &str| ingress(&format!("  creationTimestamp: {time}\n"));
    check(&created("2026-01-31T12:00:00Z"), &[]);
    check(&created("\"2026-01-31T12:00:00Z\""), &[]);
    check(&created("null"), &[]);
    check(
        &created("2026-01-31"),
        &[
            "GW0102 5:22 `2026-01-31` metadata.creationTimestamp must be a time like 2026-01-31T12:00:00Z, found \"2026-01-31\"",
        ],
    );
    let metadata = parse(&created("2026-01-31T12:00:00Z")).manifests[0].metadata.clone();
    assert_eq!(metadata.creation_timestamp.as_deref(), Some("2026-01-31T12:00:00Z"));
}
