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
            "    service: {name: a, port: {name: http, number: 80}}\n    resource: {kind: McpBridge, name: default}\n",
        ),
        &[
            "GW0102 5:3 `defaultBackend` spec.defaultBackend has `service` and `resource`, and only one may be set",
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
