//! Rules that the API server has in code.

use super::*;

fn service(spec: &str) -> String {
    format!("apiVersion: v1\nkind: Service\nmetadata: {{name: a}}\nspec:\n{spec}")
}

#[test]
fn ports_of_a_service_have_names_and_are_unique() {
    check(&service("  ports: [{port: 80}]\n"), &[]);
    check(&service("  ports: [{name: a, port: 80}, {name: b, port: 80, protocol: UDP}]\n"), &[]);
    check(
        &service(
            "  ports:\n  - {name: a, port: 80}\n  - {port: 81}\n  - {name: a, port: 82}\n  - {name: B, port: 80}\n",
        ),
        &[
            "GW0102 7:5 `{port: 81}` spec.ports[1] lacks the field `name`: there is more than one port",
            "GW0102 8:12 `a` spec.ports[2].name repeats the name of spec.ports[0].name",
            "GW0102 9:12 `B` spec.ports[3].name cannot be \"B\"",
            "GW0102 9:21 `80` spec.ports[3].port repeats the port and protocol of spec.ports[0].port",
        ],
    );
}

#[test]
fn external_services_have_a_name() {
    check(&service("  type: ExternalName\n  externalName: a.example.com\n"), &[]);
    check(
        &service("  type: ExternalName\n"),
        &[
            "GW0102 4:1 `spec` spec lacks the field `externalName`, which a Service of type ExternalName needs",
        ],
    );
}

#[test]
fn a_backend_is_one_thing() {
    let backend = |backend: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: a}}\nspec:\n  defaultBackend:\n{backend}"
        )
    };
    check(&backend("    service: {name: a, port: {name: http, number: 0}}\n"), &[]);
    check(
        &backend(
            "    service: {name: a, port: {number: 80}}\n    resource: {kind: McpBridge, name: default}\n",
        ),
        &[
            "GW0102 5:3 `defaultBackend` spec.defaultBackend has `service` and `resource`, and only one may be set",
        ],
    );
    check(
        &backend("    service: {name: a, port: {name: http, number: 80}}\n"),
        &[
            "GW0102 6:24 `port` spec.defaultBackend.service.port has `name` and `number`, and only one may be set",
        ],
    );
}

#[test]
fn addresses_fit_the_type_of_the_slice() {
    let slice = |kind: &str, address: &str| {
        format!(
            "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: a}}\naddressType: {kind}\nendpoints:\n- addresses: [\"{address}\"]\n"
        )
    };
    for (kind, address) in [("IPv4", "127.0.0.1"), ("IPv6", "::1"), ("FQDN", "a.example.com")] {
        check(&slice(kind, address), &[]);
    }
    for (kind, address) in [("IPv4", "::1"), ("IPv4", "1.2.3"), ("IPv6", "1.2.3.4"), ("FQDN", "A b")] {
        let message = format!("endpoints[0].addresses[0] is no {kind} address: \"{address}\"");
        check(&slice(kind, address), &[&format!("GW0102 6:15 `\"{address}\"` {message}")]);
    }
    let ports = slice("IPv4", "1.2.3.4") + "ports:\n- {name: a, port: 80}\n- {name: a, port: 81}\n";
    check(&ports, &["GW0102 9:10 `a` ports[1].name repeats the name of ports[0].name"]);
}

#[test]
fn addresses_of_endpoints_are_ip_addresses() {
    check(
        "apiVersion: v1\nkind: Endpoints\nmetadata: {name: a}\nsubsets:\n- addresses: [{ip: 1.2.3.4}, {ip: web}]\n",
        &["GW0102 5:35 `web` subsets[0].addresses[1].ip is no IP address: \"web\""],
    );
}

/// An Ingress with these lines below `spec`.
fn ingress_of(spec: &str) -> String {
    format!("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: a}}\nspec:\n{spec}")
}

#[test]
fn an_ingress_says_where_requests_go() {
    let nothing = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a}\n";
    check(
        nothing,
        &[
            "GW0102 1:1 `apiVersion` the object lacks the field `spec`, which needs `rules` or a `defaultBackend`",
        ],
    );
    let lacks = "spec lacks the field `rules` or `defaultBackend`";
    check(&ingress_of("  rules: []\n"), &[&format!("GW0102 4:1 `spec` {lacks}")]);
    check(&ingress_of("  ingressClassName: higress\n  rules:\n"), &[&format!("GW0102 4:1 `spec` {lacks}")]);
    check(&ingress_of("  rules: [{host: only.example.com}]\n"), &[]);
    let paths = "GW0102 5:37 `[]` spec.rules[0].http.paths must have at least 1 element";
    check(&ingress_of("  rules: [{host: a.b, http: {paths: []}}]\n"), &[paths]);
    // One cause, one finding.
    check(&ingress_of("  rule: [{host: a.b}]\n"), &["GW0101 5:3 `rule` spec has no field `rule`"]);
    check(&ingress_of("  rules: x\n"), &["GW0102 5:10 `x` spec.rules must be a list, found \"x\""]);
}

#[test]
fn names_in_an_ingress_are_those_of_the_api_server() {
    let backend = |service: &str| ingress_of(&format!("  defaultBackend: {{service: {{{service}}}}}\n"));
    for (service, place, reason) in [
        ("name: web.backend, port: {number: 80}", "5:36 `web.backend`", "name cannot be \"web.backend\""),
        ("name: 1a, port: {number: 80}", "5:36 `1a`", "name cannot be \"1a\""),
        ("name: web, port: {name: a--b}", "5:54 `a--b`", "port.name cannot be \"a--b\""),
        ("name: web, port: {name: \"80\"}", "5:54 `\"80\"`", "port.name cannot be \"80\""),
        ("name: web, port: {}", "5:41 `port`", "port lacks the field `number` or `name`"),
    ] {
        check(&backend(service), &[&format!("GW0102 {place} spec.defaultBackend.service.{reason}")]);
    }
    let tls = |entry: &str| ingress_of(&format!("  rules: [{{host: a.b}}]\n  tls: [{{{entry}}}]\n"));
    check(&tls("hosts: [\"*.a.b\", c.d]"), &[]);
    check(
        &tls("secretName: certs/x"),
        &["GW0102 6:22 `certs/x` spec.tls[0].secretName cannot be \"certs/x\""],
    );
    check(
        &tls("hosts: [\"*\"]"),
        &["GW0415 6:18 `\"*\"` host `*` may have a wildcard only as its first label, before a name"],
    );
    check(&tls("hosts: [1.2.3.4]"), &[]);
}

#[test]
fn an_ingress_that_is_there_may_have_two_classes() {
    let text = |made: &str| {
        ingress(&format!("{made}  annotations: {{kubernetes.io/ingress.class: other}}\n"))
            .replace("spec:\n", "spec:\n  ingressClassName: higress\n")
    };
    assert!(parse(&text("")).findings[0].message.ends_with("unless they are the same"));
    check(&text("  creationTimestamp: 2026-01-31T12:00:00Z\n"), &[]);
}

#[test]
fn a_literal_path_is_written_out() {
    let path = |entry: &str| {
        ingress_of(&format!(
            "  rules:\n  - http:\n      paths:\n      - {entry}\n        backend: {{service: {{name: a, port: {{number: 80}}}}}}\n"
        ))
    };
    check(&path("pathType: ImplementationSpecific"), &[]);
    check(&path("pathType: Prefix"), &["GW0416 8:9 `pathType` a path of type Prefix must be written out"]);
    check(
        &path("{pathType: Exact, path: /a/..}")
            .replace("}\n        backend: ", ", backend: ")
            .replace("80}}}\n", "80}}}}\n"),
        &["GW0416 8:33 `/a/..` path `/a/..` of type Exact must not have `/..`"],
    );
}

#[test]
fn what_a_service_may_have_depends_on_its_type() {
    for (spec, expected) in [
        ("  selector: {a: b}\n", "GW0102 4:1 `spec` spec lacks the field `ports`"),
        (
            "  ports: [{port: 80, nodePort: 30000}]\n",
            "GW0102 5:32 `30000` spec.ports[0].nodePort may not be set on a Service of type ClusterIP",
        ),
        (
            "  ports: [{port: 80, targetPort: a_b}]\n",
            "GW0102 5:34 `a_b` spec.ports[0].targetPort cannot be \"a_b\"",
        ),
        (
            "  ports: [{port: 80}]\n  externalTrafficPolicy: Local\n",
            "GW0102 6:26 `Local` spec.externalTrafficPolicy may only be set on a Service that can be reached from outside",
        ),
        (
            "  ports: [{port: 80}]\n  clusterIPs: [10.0.0.1]\n",
            "GW0102 6:15 `[10.0.0.1]` spec.clusterIPs needs the field `clusterIP` with its first value",
        ),
        (
            "  ports: [{port: 80}]\n  ipFamilies: [IPv4, IPv4]\n  ipFamilyPolicy: PreferDualStack\n",
            "GW0102 6:22 `IPv4` spec.ipFamilies[1] repeats the family of spec.ipFamilies[0]",
        ),
        (
            "  ports: [{port: 80}]\n  sessionAffinity: ClientIP\n  sessionAffinityConfig: {clientIP: {timeoutSeconds: 0}}\n",
            "GW0102 7:54 `0` spec.sessionAffinityConfig.clientIP.timeoutSeconds must be between 1 and 86400",
        ),
        (
            "  type: ExternalName\n  externalName: a.example.com\n  clusterIP: None\n",
            "GW0102 7:14 `None` spec.clusterIP may not be set on a Service of type ExternalName",
        ),
        (
            "  type: LoadBalancer\n  ports: [{port: 80}]\n  loadBalancerSourceRanges: [10.0.0.0/33]\n",
            "GW0102 7:30 `10.0.0.0/33` spec.loadBalancerSourceRanges[0] is no range of addresses like 10.0.0.0/8: \"10.0.0.0/33\"",
        ),
    ] {
        check(&service(spec), &[expected]);
    }
    check(&service("  clusterIP: None\n"), &[]);
    check(
        &service(
            "  type: LoadBalancer\n  ports: [{port: 80, nodePort: 30000}]\n  externalTrafficPolicy: Local\n",
        ),
        &[],
    );
}

#[test]
fn secrets_hold_what_their_type_needs() {
    let secret = |rest: &str| format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\n{rest}");
    check(
        &secret("type: kubernetes.io/tls\ndata: {tls.key: aGk=}\n"),
        &["GW0102 4:7 `kubernetes.io/tls` a Secret of type `kubernetes.io/tls` needs `tls.crt` in its data"],
    );
    check(&secret("type: kubernetes.io/tls\ndata: {tls.key: aGk=}\nstringData: {tls.crt: x}\n"), &[]);
    check(
        &secret("type: kubernetes.io/dockerconfigjson\ndata: {.dockerconfigjson: aGk=}\n"),
        &["GW0102 5:8 `.dockerconfigjson` data[\".dockerconfigjson\"] is no JSON object"],
    );
    check(&secret("data: {\"a b\": aGk=}\n"), &["GW0102 4:8 `\"a b\"` \"a b\" is no key of data"]);
    // One cause, one finding.
    check(
        &secret("type: kubernetes.io/tls\ndata: {tls.crt: 5, tls.key: aGk=}\n"),
        &["GW0102 5:17 `5` data[\"tls.crt\"] must be text, found a number"],
    );
}

#[test]
fn keys_of_a_config_map_are_unique_and_its_size_has_a_limit() {
    let config = |rest: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\n{rest}");
    check(
        &config("data: {a: x}\nbinaryData: {a: aGk=}\n"),
        &["GW0102 5:14 `a` \"a\" is a key of data and of binaryData"],
    );
    check(&config("binaryData: {a: x}\n"), &["GW0102 4:14 `a` binaryData.a is not base64"]);
    let large = config(&format!("data: {{a: {}}}\n", "x".repeat((1 << 20) + 1)));
    check(
        &large,
        &[
            "GW0102 4:1 `data` the object holds 1048577 bytes in data and binaryData, and at most 1048576 are accepted",
        ],
    );
}

#[test]
fn a_class_names_its_controller() {
    let class = |spec: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {{name: a}}\nspec: {{{spec}}}\n"
        )
    };
    check(&class("controller: higress.io/x"), &[]);
    check(&class(""), &["GW0102 4:1 `spec` spec lacks the field `controller`"]);
    check(&class("controller: x"), &["GW0102 4:20 `x` spec.controller cannot be \"x\""]);
    check(
        &class("controller: a/b, parameters: {kind: K, name: x, namespace: d}"),
        &["GW0102 4:67 `d` spec.parameters.namespace needs the scope `Namespace`"],
    );
}

#[test]
fn owners_and_finalizers_have_a_form() {
    check(&ingress("  finalizers: [example.com/a, orphan]\n"), &[]);
    check(
        &ingress("  finalizers: [mine]\n"),
        &["GW0102 5:16 `mine` metadata.finalizers[0] cannot be \"mine\""],
    );
    let owner = "{apiVersion: v1, kind: K, name: x, uid: u, controller: true}";
    check(&ingress(&format!("  ownerReferences: [{owner}, {owner}]\n")), &[]);
    check(
        &ingress(&format!("  ownerReferences: [{owner}, {}]\n", owner.replace("uid: u", "uid: v"))),
        &[
            "GW0102 5:138 `true` metadata.ownerReferences[1].controller is already true of metadata.ownerReferences[0].controller",
        ],
    );
    check(&ingress("  generateName: AB-\n"), &["GW0102 5:17 `AB-` metadata.generateName cannot be \"AB-\""]);
}
