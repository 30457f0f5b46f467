//! GW0101, GW0102, GW0106: fields against the schemas, and what is read of sound ones.

use super::*;

fn rules(lines: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: web\nspec:\n  rules:\n{lines}"
    )
}

const BACKEND: &str = "        backend: {service: {name: web, port: {number: 80}}}\n";

#[test]
fn unknown_fields_of_kubernetes_kinds_are_errors() {
    let path = format!(
        "  - hots: a.example.com\n    http:\n      paths:\n      - path: /\n        pathtype: Prefix\n{BACKEND}"
    );
    check(
        &rules(&path),
        &[
            "GW0101 7:5 `hots` spec.rules[0] has no field `hots`",
            "GW0101 11:9 `pathtype` spec.rules[0].http.paths[0] has no field `pathtype`",
        ],
    );
    check_fix(&rules(&path), &rules(&path).replace("hots", "host").replace("pathtype", "pathType"));
}

#[test]
fn a_misspelled_field_beside_the_right_one_is_not_renamed() {
    let text = rules("  - {host: a.example.com, hots: b.example.com}\n");
    assert_eq!(parse(&text).findings[0].help.as_deref(), Some("write `host`"));
    assert_eq!(parse(&text).findings[0].fix, None);
}

#[test]
fn fields_of_the_old_ingress_have_their_new_names() {
    let text = rules(
        "  - http:\n      paths:\n      - path: /\n        pathType: Prefix\n        backend: {serviceName: a, servicePort: 80}\n",
    );
    let help: Vec<_> = parse(&text).findings.into_iter().filter_map(|finding| finding.help).collect();
    assert!(help[0].starts_with("write `service.name`"));
    assert!(help[1].starts_with("write `service.port.number`"));
}

#[test]
fn values_must_have_their_type() {
    check(
        &rules("  - host: 5\n  - text\n  - host: [a]\n  - http: {paths: {}}\n"),
        &[
            "GW0102 7:11 `5` spec.rules[0].host must be text, found the number 5",
            "GW0102 8:5 `text` spec.rules[1] must be a mapping, found \"text\"",
            "GW0102 9:11 `[a]` spec.rules[2].host must be text, found a list",
            "GW0102 10:19 `{}` spec.rules[3].http.paths must be a list, found a mapping",
        ],
    );
}

#[test]
fn quotes_too_many_are_fixed() {
    let text = |number: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: a}}\nspec:\n  ports:\n  - port: {number} # the port\n"
        )
    };
    check_fix(&text("\"80\""), &text("80"));
    assert_eq!(parse(&text("http")).findings[0].fix, None);
}

#[test]
fn required_fields_are_missed_where_they_belong() {
    check(
        &rules("  - http:\n      paths:\n      - path: /\n"),
        &[
            "GW0102 9:9 `path: /` spec.rules[0].http.paths[0] lacks the field `backend`",
            "GW0102 9:9 `path: /` spec.rules[0].http.paths[0] lacks the field `pathType`",
        ],
    );
    check(&rules("  - http:\n"), &[]);
    check(&rules("  - http: {}\n"), &["GW0102 7:5 `http` spec.rules[0].http lacks the field `paths`"]);
}

#[test]
fn words_and_ports_are_checked_as_the_api_server_does() {
    let path = |path_type: &str, number: &str| {
        rules(&format!(
            "  - http:\n      paths:\n      - path: /\n        pathType: {path_type}\n        backend: {{service: {{name: web, port: {{number: {number}}}}}}}\n"
        ))
    };
    check(
        &path("exact", "65536"),
        &[
            "GW0102 10:19 `exact` spec.rules[0].http.paths[0].pathType must be `Exact`, `ImplementationSpecific` or `Prefix`, found \"exact\"",
            "GW0102 11:55 `65536` spec.rules[0].http.paths[0].backend.service.port.number must be at most 65535, found the number 65536",
        ],
    );
    check(&path("Exact", "65535"), &[]);
    check(
        &path("Exact", "-1"),
        &[
            "GW0102 11:55 `-1` spec.rules[0].http.paths[0].backend.service.port.number must be at least 0, found the number -1",
        ],
    );
}

#[test]
fn words_of_the_wrong_case_are_fixed() {
    let service = |kind: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: a}}\nspec: {{type: {kind}, ports: [{{port: 80}}]}}\n"
        )
    };
    check_fix(&service("'clusterip'"), &service("'ClusterIP'"));
    let finding = &parse(&service("Cluster_IP")).findings[0];
    assert_eq!((finding.help.as_deref(), &finding.fix), (Some("write `ClusterIP`"), &None));
}

#[test]
fn beginnings_of_fields_are_completed() {
    let text = rules("  - host: a.example.com\n").replace("spec:\n", "spec:\n  ingressClass: higress\n");
    let finding = &parse(&text).findings[0];
    assert_eq!(
        (finding.help.as_deref(), &finding.fix),
        (Some("write `ingressClassName`, if that is meant"), &None)
    );
}

#[test]
fn null_members_are_as_good_as_none() {
    check(&rules("  - host:\n    http: ~\n"), &[]);
    check(&rules("  -\n"), &["GW0102 7:4 `` spec.rules[0] must be a mapping, found null"]);
    check(
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: a}\naddressType: IPv4\nendpoints: null\nports: null\n",
        &[],
    );
}

#[test]
fn fields_that_only_the_server_writes_are_accepted() {
    check(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  creationTimestamp: null\n  uid: x\n  resourceVersion: \"5\"\n  managedFields:\n  - {manager: m, operation: Apply, time: \"2026-01-31T12:00:00Z\", fieldsV1: {\"f:spec\": {}}}\nspec:\n  type: NodePort\n  clusterIP: 10.0.0.1\n  selector: {app: x}\n  ports: [{port: 80, targetPort: http, nodePort: 30000}]\nstatus: {loadBalancer: {}}\n",
        &[],
    );
}

#[test]
fn unknown_fields_of_custom_resources_are_dropped_with_a_warning() {
    let text = "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: p}\nspec:\n  url: oci://a\n  failstrategy: FAIL_OPEN\n  defaultConfig: {any: {thing: [1]}}\n";
    check(text, &["GW0106 6:3 `failstrategy` spec has no field `failstrategy`"]);
    check_fix(text, &text.replace("failstrategy", "failStrategy"));
}

#[test]
fn an_ingress_is_read_whole() {
    let text = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: web\n  annotations: {higress.io/a: b}\n  labels: {c: d}\nspec:\n  ingressClassName: higress\n  defaultBackend:\n    resource: {apiGroup: networking.higress.io, kind: McpBridge, name: default}\n  tls:\n  - hosts: [a.example.com, b.example.com]\n    secretName: cert\n  rules:\n  - host: a.example.com\n    http:\n      paths:\n      - path: /x\n        pathType: Exact\n        backend: {service: {name: web, port: {name: http}}}\n  - host: b.example.com\n";
    let Body::Ingress(ingress) = body(text) else { panic!("an Ingress") };
    let expected = r#"{"ingressClassName":"higress","defaultBackend":{"service":null,"resource":{"apiGroup":"networking.higress.io","kind":"McpBridge","name":"default"}},"tls":[{"hosts":["a.example.com","b.example.com"],"secretName":"cert"}],"rules":[{"host":"a.example.com","http":{"paths":[{"path":"/x","pathType":"Exact","backend":{"service":{"name":"web","port":{"name":"http","number":null}},"resource":null}}]}},{"host":"b.example.com","http":null}]}"#;
    assert_eq!(serde_json::to_string(&ingress).unwrap(), expected);
}

#[test]
fn a_wasm_plugin_is_read_whole() {
    let text = "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: p}\nspec:\n  url: oci://a\n  sha256: abc\n  phase: AUTHN\n  priority: -5\n  failStrategy: FAIL_OPEN\n  defaultConfig: {a: null, b: {c: ~}}\n  defaultConfigDisable: true\n  matchRules:\n  - ingress: [x]\n    domain: [d]\n    service: [z]\n    config: {a: 1}\n    configDisable: true\n    routeType: GRPC\n  - config:\n";
    let Body::WasmPlugin(plugin) = body(text) else { panic!("a WasmPlugin") };
    let expected = r#"{"url":"oci://a","sha256":"abc","phase":"AUTHN","priority":-5,"failStrategy":"FAIL_OPEN","pluginConfig":null,"defaultConfig":{"a":null,"b":{"c":null}},"defaultConfigDisable":true,"matchRules":[{"ingress":["x"],"domain":["d"],"service":["z"],"config":{"a":1},"configDisable":true,"routeType":"GRPC"},{"ingress":[],"domain":[],"service":[],"config":null,"configDisable":false,"routeType":null}]}"#;
    assert_eq!(serde_json::to_string(&plugin).unwrap(), expected);
}

#[test]
fn a_poisoned_manifest_keeps_what_could_be_read() {
    let text = rules("  - host: a.example.com\n  - 5\n  - host: c.example.com\n    bad: field\n");
    let parsed = parse(&text);
    let Body::Ingress(ingress) = &parsed.manifests[0].body else { panic!("an Ingress") };
    let hosts: Vec<_> = ingress.rules.iter().map(|rule| &*rule.host).collect();
    assert_eq!(hosts, ["a.example.com", "", "c.example.com"], "indices stay");
    assert!(parsed.findings.iter().all(|finding| finding.entity.as_ref() == Some(&parsed.manifests[0].key)));
}

#[test]
fn very_many_findings_of_an_object_are_counted() {
    let data: String = (0..500).map(|n| format!("  k{n}: {n}\n")).collect();
    let parsed = parse(&config_map(&data));
    assert_eq!(parsed.findings.len(), 201);
    assert_eq!(parsed.findings[0].message, "the object has 300 more findings, which are not shown");
}

#[test]
fn digests_follow_the_meaning() {
    let digest = |text: &str| parse(text).manifests[0].fingerprint;
    let base = digest(&rules("  - host: a.example.com\n"));
    assert_eq!(base, digest(&rules("  # a remark\n  - {\"host\": 'a.example.com'}\n")));
    assert_ne!(base, digest(&rules("  - host: b.example.com\n")));
    assert_ne!(base, digest(&rules("  - host: a.example.com\n").replace("name: web", "name: wob")));
    assert_ne!(digest(&ingress("  labels: {a: b}\n")), digest(&ingress("  labels: {a: c}\n")));
}
