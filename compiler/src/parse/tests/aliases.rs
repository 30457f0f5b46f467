//! GW0003, and what aliases and merge keys expand to.

use super::*;

fn data(lines: &str) -> std::collections::BTreeMap<String, String> {
    let Body::ConfigMap(config) = parse(&config_map(lines)).manifests[0].body.clone() else {
        panic!("a ConfigMap")
    };
    config.data
}

#[test]
fn aliases_copy_what_they_stand_for() {
    assert_eq!(data("  a: &x yes it is\n  b: *x\n")["b"], "yes it is");
}

#[test]
fn merge_keys_work_as_in_kubernetes() {
    let config = |merged: &str| {
        let text = format!(
            "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{name: p}}\nspec:\n  defaultConfig:\n    \
             x: &x {{a: 1, b: 2}}\n    y: &y {{a: 3}}\n    z:\n{merged}"
        );
        let Body::WasmPlugin(plugin) = parse(&text).manifests[0].body.clone() else { panic!("a WasmPlugin") };
        plugin.default_config.unwrap()["z"].to_string()
    };
    assert_eq!(config("      <<: *x\n      b: 3\n"), r#"{"a":1,"b":3}"#);
    assert_eq!(config("      <<: [*x, *y]\n"), r#"{"a":1,"b":2}"#);
    assert_eq!(config("      <<: [*y, *x]\n"), r#"{"a":3,"b":2}"#);
    assert_eq!(config("      \"<<\": *x\n"), r#"{"<<":{"a":1,"b":2}}"#);
    // Kubernetes' parser goes from top to bottom, whatever the specification says.
    assert_eq!(config("      b: 3\n      <<: *x\n"), r#"{"a":1,"b":2}"#);
}

#[test]
fn a_merge_key_below_what_it_replaces_is_told() {
    check(
        &config_map("  <<: &x {a: b}\n  c: d\n  <<: {c: e}\n"),
        &["GW0007 8:3 `<<` the merge key replaces values written above it, though YAML keeps those"],
    );
    check(&config_map("  c: d\n  <<: {a: b}\n"), &[]);
    check(
        &config_map("  <<: text\n"),
        &["GW0102 6:7 `text` a merge key needs a mapping or a list of mappings"],
    );
}

#[test]
fn fields_behind_a_merge_key_are_found() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports:\n  - &p {name: a, port: 99999}\n  - <<: *p\n    name: b\n    protocol: UDP\n";
    check(
        text,
        &[
            "GW0102 6:24 `99999` spec.ports[0].port must be at most 65535, found the number 99999",
            "GW0102 6:24 `99999` spec.ports[1].port must be at most 65535, found the number 99999",
        ],
    );
}

#[test]
fn a_value_cannot_contain_itself() {
    let text = config_map("  a: &a [x, *a]\n");
    check(&text, &["GW0003 6:13 `*a` the alias stands for a value that contains the alias"]);
    assert!(parse(&text).manifests.is_empty());
    let merged = "apiVersion: v1\nkind: ConfigMap\nmetadata: &m\n  name: a\n  <<: *m\n";
    check(merged, &["GW0003 5:7 `*m` the alias stands for a value that contains the alias"]);
}

#[test]
fn aliases_have_a_budget() {
    let mut lines = "  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        lines.push_str(&format!("  a{level}: &a{level} [{aliases}]\n"));
    }
    let parsed = parse(&config_map(&lines));
    assert_eq!(parsed.findings.len(), 1);
    assert_eq!(parsed.findings[0].code.id, "GW0003");
    assert_eq!(parsed.findings[0].message, "the aliases of this document expand to more than 16 MiB");
    assert_eq!(parsed.findings[0].entity.as_ref().map(|key| &*key.name), Some("a"));
}

#[test]
fn nesting_has_a_limit() {
    let nested = |depth: usize| {
        let text = "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: p}\nspec:\n  defaultConfig:\n    x: ";
        format!("{text}{}{}\n", "[".repeat(depth), "]".repeat(depth))
    };
    check(&nested(125), &[]);
    check(&nested(126), &["GW0003 6:133 `[` values nest more than 128 levels deep"]);
    let blocks: String =
        config_map("") + "  x: " + &"- ".repeat(50_000) + "a\n---\n" + &config_map("  x: y\n");
    assert_eq!(parse(&blocks).manifests.len(), 1, "the document behind is read");
}

#[test]
fn nesting_through_aliases_has_the_same_limit() {
    let (open, close) = ("[".repeat(100), "]".repeat(100));
    let text = format!(
        "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{name: p}}\nspec:\n  defaultConfig:\n    x: &x \
         {open}a{close}\n    y: {open}*x{close}\n"
    );
    let parsed = parse(&text);
    assert_eq!(parsed.findings.len(), 1);
    assert_eq!(parsed.findings[0].message, "aliases nest values more than 128 levels deep");
}

#[test]
fn a_long_chain_of_merge_keys_ends() {
    let mut text = "a0: &a0 {x: y}\n".to_owned();
    for level in 1..20_000 {
        text.push_str(&format!("a{level}: &a{level} {{<<: *a{}}}\n", level - 1));
    }
    assert!(parse(&format!("{text}<<: *a19999\n")).passed_over);
}

#[test]
fn very_many_paths_of_merge_keys_are_no_trap() {
    let mut text = "a0: &a0 {x: y}\n".to_owned();
    for level in 1..40 {
        let aliases = vec![format!("*a{}", level - 1); 20].join(", ");
        text.push_str(&format!("a{level}: &a{level}\n  <<: [{aliases}]\n"));
    }
    let document = format!("{text}<<: *a39\n");
    assert!(parse(&document).passed_over);
    let object = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\n{document}");
    assert_eq!(parse(&object).findings[0].code.id, "GW0003");
    let first = crate::manifest::DocumentIndex { document: 0, item: None };
    assert!(Locator::new(object.as_bytes()).locate(first, "/data/x", crate::finding::Part::Key).is_some());
}
