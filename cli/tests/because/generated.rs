//! Generated changes: states of few objects that get in each other's way, and edits of several of them at once.

use std::sync::OnceLock;

use gatewright_behaviour::testing::Choices;
use gatewright_testkit::certs::{Authority, Identity};

use crate::ground::Objects;

const HOSTS: [&str; 5] = ["a.com", "x.a.com", "*.a.com", "b.com", ""];
const PATHS: [&str; 4] = ["/", "/a", "/a/b", "/c"];
const ANNOTATIONS: [&str; 14] = [
    "",
    "",
    "",
    "nginx.ingress.kubernetes.io/canary: 'true', nginx.ingress.kubernetes.io/canary-weight: '30'",
    "nginx.ingress.kubernetes.io/canary: 'true', nginx.ingress.kubernetes.io/canary-by-header: x",
    "nginx.ingress.kubernetes.io/ssl-redirect: 'true'",
    "nginx.ingress.kubernetes.io/app-root: /start",
    "higress.io/match-method: GET POST",
    "higress.io/exact-match-header-v: '1'",
    "nginx.ingress.kubernetes.io/default-backend: s1",
    "nginx.ingress.kubernetes.io/whitelist-source-range: 10.0.0.0/8",
    "higress.io/destination: '60% api.static 40% s0.one.svc.cluster.local:80'",
    "higress.io/timeout: '5'",
    "nginx.ingress.kubernetes.io/enable-cors: 'true'",
];

/// Returns a state and another one after several edits.
pub(crate) fn change(choices: &mut Choices) -> (Objects, Objects) {
    let mut base = Objects::new();
    for _ in 0..choices.below(8) + 4 {
        edit(choices, &mut base);
    }
    let mut head = base.clone();
    for _ in 0..choices.below(5) + 2 {
        edit(choices, &mut head);
    }
    (base, head)
}

fn edit(choices: &mut Choices, objects: &mut Objects) {
    match choices.below(16) {
        0..=7 => put(objects, ingress(choices)),
        8 => put(objects, service(choices)),
        9 => put(objects, slice(choices)),
        10 => put(objects, secret(choices)),
        11 => put(objects, bridge(choices)),
        12 => put(objects, plugin(choices)),
        _ => {
            let names: Vec<String> = objects.keys().cloned().collect();
            if !names.is_empty() {
                objects.remove(&names[choices.below(names.len())]);
            }
        }
    }
}

fn put(objects: &mut Objects, (name, manifest): (String, String)) {
    objects.insert(name, manifest);
}

fn ingress(choices: &mut Choices) -> (String, String) {
    let name = format!("i{}", choices.below(6));
    let host = choices.pick(&HOSTS);
    let annotations = choices.pick(&ANNOTATIONS);
    let tls = match (host, choices.below(3)) {
        ("", _) | (_, 0 | 1) => String::new(),
        _ => format!("  tls: [{{secretName: cert{}, hosts: ['{host}']}}]\n", choices.below(2)),
    };
    let default = match choices.below(8) {
        0 => "  defaultBackend: {service: {name: s0, port: {number: 80}}}\n",
        _ => "",
    };
    let path = |choices: &mut Choices| {
        let kind = choices.pick(&["Exact", "Prefix", "Prefix"]);
        let backend = choices.pick(&[
            "service: {name: s0, port: {number: 80}}",
            "service: {name: s1, port: {number: 80}}",
            "resource: {apiGroup: networking.higress.io, kind: McpBridge, name: default}",
        ]);
        format!("{{path: {}, pathType: {kind}, backend: {{{backend}}}}}", choices.pick(&PATHS))
    };
    let paths: Vec<String> = (0..choices.below(2) + 1).map(|_| path(choices)).collect();
    let text = format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: {name}, namespace: one, annotations: {{{annotations}}}}}\n\
         spec:\n  ingressClassName: higress\n{tls}{default}  rules:\n  - host: '{host}'\n    http: {{paths: [{}]}}\n",
        paths.join(", ")
    );
    (format!("Ingress one/{name}"), text)
}

fn service(choices: &mut Choices) -> (String, String) {
    let name = format!("s{}", choices.below(2));
    let port = choices.pick(&["web", "grpc"]);
    let text = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: one}}\nspec: {{ports: [{{name: {port}, port: 80}}]}}\n"
    );
    (format!("Service one/{name}"), text)
}

fn slice(choices: &mut Choices) -> (String, String) {
    let name = format!("s{}", choices.below(2));
    let endpoints = choices.pick(&["", "{addresses: [10.0.0.1]}", "{addresses: [10.0.0.2]}"]);
    let text = format!(
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
         metadata: {{name: {name}-x, namespace: one, labels: {{kubernetes.io/service-name: {name}}}}}\n\
         addressType: IPv4\nendpoints: [{endpoints}]\nports: [{{name: web, port: 8080}}]\n"
    );
    (format!("EndpointSlice one/{name}-x"), text)
}

fn secret(choices: &mut Choices) -> (String, String) {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    let identity = IDENTITY.get_or_init(|| Authority::new("because").server(&["a.com"]));
    let name = format!("cert{}", choices.below(2));
    let lines = |text: &str| text.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let (certificate, key) = (lines(&identity.certificate), lines(&identity.key));
    let data = match choices.below(4) {
        0 => "  tls.crt: nothing\n".to_owned(),
        _ => format!("  tls.crt: |\n{certificate}  tls.key: |\n{key}"),
    };
    let text = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: one}}\ntype: Opaque\nstringData:\n{data}"
    );
    (format!("Secret one/{name}"), text)
}

fn bridge(choices: &mut Choices) -> (String, String) {
    let port = choices.pick(&[80, 81]);
    let text = format!(
        "apiVersion: networking.higress.io/v1\nkind: McpBridge\nmetadata: {{name: default, namespace: higress-system}}\n\
         spec: {{registries: [{{name: api, type: static, domain: '10.1.1.1:80', port: {port}}}]}}\n"
    );
    ("McpBridge higress-system/default".to_owned(), text)
}

fn plugin(choices: &mut Choices) -> (String, String) {
    let strategy = choices.pick(&["FAIL_OPEN", "FAIL_CLOSE"]);
    let rule = choices.pick(&["domain: ['x.a.com']", "ingress: ['one/i1']", "service: ['api.static']"]);
    let text = format!(
        "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{name: guard, namespace: higress-system}}\n\
         spec:\n  url: oci://example.com/guard:1\n  phase: AUTHN\n  failStrategy: {strategy}\n  defaultConfigDisable: true\n\
         \x20 matchRules:\n  - {rule}\n    config: {{a: 1}}\n"
    );
    ("WasmPlugin higress-system/guard".to_owned(), text)
}
