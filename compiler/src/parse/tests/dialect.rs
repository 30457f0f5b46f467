//! GW0437: the operations guide's forms.

use super::*;

fn bridge(spec: &str) -> String {
    format!(
        "apiVersion: networking.higress.io/v1\nkind: McpBridge\nmetadata: {{name: default}}\nspec:\n{spec}"
    )
}

/// The registries as `type name domain port pointer`.
fn registries(text: &str) -> Vec<String> {
    let parsed = parse(text);
    let Body::McpBridge(bridge) = &parsed.manifests[0].body else { panic!("an McpBridge") };
    let line = |registry: &crate::manifest::Registry| {
        let crate::manifest::Registry { registry_type, name, domain, port, pointer, .. } = registry;
        format!("{registry_type} {name} {domain} {port} {pointer}")
    };
    bridge.registries.iter().map(line).collect()
}

#[test]
fn canonical_words_have_no_finding() {
    let text = bridge(
        "  registries:\n  - {type: static, name: a, domain: \"1.2.3.4:80\", port: 80, protocol: http, sni: x}\n",
    );
    check(&text, &[]);
    assert_eq!(registries(&text), ["static a 1.2.3.4:80 80 /spec/registries/0"]);
}

#[test]
fn fixed_services_become_static() {
    let text = bridge(
        "  registries:\n  - name: a\n    type: fixed\n    address:\n    - 1.2.3.4\n    - 1.2.3.5:81 # second\n    port: 8080\n",
    );
    check(
        &text,
        &[
            "GW0437 7:11 `fixed` Higress knows no registry type `fixed`",
            "GW0437 8:5 `address` a registry of Higress has no field `address`",
        ],
    );
    assert_eq!(registries(&text), ["static a 1.2.3.4:8080,1.2.3.5:81 8080 /spec/registries/0"]);
    check_fix(
        &text,
        &bridge(
            "  registries:\n  - name: a\n    type: static\n    domain: \"1.2.3.4:8080,1.2.3.5:81\" # second\n    port: 8080\n",
        ),
    );
}

#[test]
fn fixed_services_without_port_are_http() {
    let text = bridge("  registries:\n  - {name: a, type: fixed, address: [1.2.3.4, \"fd00::1\"]}\n");
    assert_eq!(registries(&text), ["static a 1.2.3.4:80,[fd00::1]:80 80 /spec/registries/0"]);
}

#[test]
fn lists_of_domains_are_joined() {
    let text = bridge(
        "  registries:\n  - name: a\n    type: dns\n    domain:\n      - a.example.com\n      - b.example.com\n    port: 443\n",
    );
    check(&text, &["GW0437 8:5 `domain` `domain` is a list, and Higress takes one text"]);
    assert_eq!(registries(&text), ["dns a a.example.com,b.example.com 443 /spec/registries/0"]);
    check_fix(
        &text,
        &bridge(
            "  registries:\n  - name: a\n    type: dns\n    domain: \"a.example.com,b.example.com\"\n    port: 443\n",
        ),
    );
}

#[test]
fn sections_are_read_as_registries() {
    let text = bridge(
        "  registries:\n  - {type: nacos2, name: a, domain: b, port: 8848}\n  dns:\n  - {name: c, domain: [d.example.com], port: 443, protocol: HTTPS}\n  nacos:\n  - name: e\n    address: 1.2.3.4:8849\n    namespaceId: f\n    serviceGroups: [{group: g, namespaces: [h]}]\n",
    );
    check(
        &text,
        &[
            "GW0437 7:3 `dns` an McpBridge of Higress has no field `spec.dns`",
            "GW0437 8:15 `domain` `domain` is a list, and Higress takes one text",
            "GW0437 9:3 `nacos` an McpBridge of Higress has no field `spec.nacos`",
        ],
    );
    assert_eq!(
        registries(&text),
        [
            "nacos2 a b 8848 /spec/registries/0",
            "dns c d.example.com 443 /spec/dns/0",
            "nacos2 e 1.2.3.4 8849 /spec/nacos/0",
        ]
    );
}

#[test]
fn edas_stays_and_is_told() {
    let text = bridge("  registries:\n  - {type: edas, name: a, domain: b, port: 8848}\n");
    check(&text, &["GW0437 6:12 `edas` Higress knows no registry type `edas`"]);
    assert_eq!(registries(&text), ["edas a b 8848 /spec/registries/0"]);
}

#[test]
fn the_default_phase_is_unspecified() {
    let text = "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: p}\nspec:\n  phase: \"DEFAULT\"\n";
    check(text, &["GW0437 5:10 `\"DEFAULT\"` Higress knows no phase `DEFAULT`"]);
    check_fix(text, &text.replace("DEFAULT", "UNSPECIFIED_PHASE"));
    let Body::WasmPlugin(plugin) = parse(text).manifests[0].body.clone() else { panic!("a WasmPlugin") };
    assert_eq!(plugin.phase.as_deref(), Some("UNSPECIFIED_PHASE"));
}

#[test]
fn the_higress_profile_accepts_what_the_api_server_accepts() {
    let text = bridge(
        "  registries:\n  - {name: a, type: fixed, address: [1.2.3.4], domain: [b]}\n  dns: [{name: c}]\n",
    );
    check_in(
        Profile::Higress,
        &text,
        &[
            "GW0106 6:28 `address` spec.registries[0] has no field `address`",
            "GW0102 6:56 `[b]` spec.registries[0].domain must be text, found a list",
            "GW0106 7:3 `dns` spec has no field `dns`",
        ],
    );
    let plugin = "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: p}\nspec: {phase: DEFAULT}\n";
    check_in(
        Profile::Higress,
        plugin,
        &[
            "GW0102 4:15 `DEFAULT` spec.phase must be `UNSPECIFIED_PHASE`, `AUTHN`, `AUTHZ` or `STATS`, found \"DEFAULT\"",
        ],
    );
}

#[test]
fn the_place_of_an_entry_counts_for_the_digest() {
    let digest = |text: &str| parse(text).manifests[0].fingerprint;
    let canonical = bridge("  registries: [{type: dns, name: a, domain: b.example.com, port: 80}]\n");
    let section = bridge("  dns: [{name: a, domain: b.example.com, port: 80}]\n");
    assert_ne!(digest(&canonical), digest(&section), "their findings point elsewhere");
}
