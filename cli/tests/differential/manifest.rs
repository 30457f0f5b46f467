//! Manifests as texts: the few kinds that a configuration is made of, written as YAML by hand.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use gatewright_testkit::certs::Identity;

/// Where Higress keeps its own objects.
pub(crate) const SYSTEM: &str = "higress-system";

/// An Ingress in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ingress {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) annotations: BTreeMap<String, String>,
    /// Hosts and Secret of each entry of `tls`; no host means `*`.
    pub(crate) tls: Vec<(Vec<String>, String)>,
    pub(crate) default_backend: Option<Backend>,
    pub(crate) rules: Vec<Rule>,
}

/// One rule; a rule without host is for `*`.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) host: Option<String>,
    pub(crate) paths: Vec<Path>,
}

/// One path.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) path: String,
    pub(crate) path_type: &'static str,
    pub(crate) backend: Backend,
}

/// Where a path leads.
#[derive(Clone, Debug)]
pub(crate) enum Backend {
    /// Port 80 of a Service of the namespace.
    Service(String),
    /// What the annotation `destination` lists.
    Destination,
}

impl Ingress {
    /// Returns the YAML document.
    pub(crate) fn yaml(&self) -> String {
        let mut out = head("networking.k8s.io/v1", "Ingress", &self.namespace, &self.name);
        if !self.annotations.is_empty() {
            out.push_str("  annotations:\n");
            for (key, value) in &self.annotations {
                line(&mut out, format_args!("    {key}: {}", quoted(value)));
            }
        }
        out.push_str("spec:\n  ingressClassName: higress\n");
        if !self.tls.is_empty() {
            out.push_str("  tls:\n");
        }
        for (hosts, secret) in &self.tls {
            line(&mut out, format_args!("  - secretName: {secret}"));
            if !hosts.is_empty() {
                let hosts: Vec<String> = hosts.iter().map(|host| quoted(host)).collect();
                line(&mut out, format_args!("    hosts: [{}]", hosts.join(", ")));
            }
        }
        if let Some(backend) = &self.default_backend {
            line(&mut out, format_args!("  defaultBackend: {}", backend.yaml()));
        }
        if !self.rules.is_empty() {
            out.push_str("  rules:\n");
        }
        for rule in &self.rules {
            match &rule.host {
                Some(host) => line(&mut out, format_args!("  - host: {}\n    http:", quoted(host))),
                None => out.push_str("  - http:\n"),
            }
            out.push_str("      paths:\n");
            for path in &rule.paths {
                line(&mut out, format_args!("      - path: {}", quoted(&path.path)));
                line(&mut out, format_args!("        pathType: {}", path.path_type));
                line(&mut out, format_args!("        backend: {}", path.backend.yaml()));
            }
        }
        out
    }
}

impl Backend {
    fn yaml(&self) -> String {
        match self {
            Backend::Service(name) => format!("{{service: {{name: {name}, port: {{number: 80}}}}}}"),
            Backend::Destination => {
                "{resource: {apiGroup: networking.higress.io, kind: McpBridge, name: default}}".to_owned()
            }
        }
    }
}

/// Returns a Service with port 80 and its slice; without ports of 127.0.0.1 the slice is empty.
pub(crate) fn service(namespace: &str, name: &str, ports: &[u16]) -> String {
    let mut out = head("v1", "Service", namespace, name);
    out.push_str("spec:\n  ports:\n  - {name: http, port: 80}\n---\n");
    out.push_str(&head("discovery.k8s.io/v1", "EndpointSlice", namespace, name));
    line(&mut out, format_args!("  labels: {{kubernetes.io/service-name: {name}}}\naddressType: IPv4"));
    match ports {
        [] => out.push_str("endpoints: []\nports:\n- {name: http, port: 80}\n"),
        [port, ..] => {
            line(
                &mut out,
                format_args!("endpoints:\n- addresses: [127.0.0.1]\nports:\n- {{name: http, port: {port}}}"),
            );
        }
    }
    out
}

/// Returns a Secret with a certificate.
pub(crate) fn secret(namespace: &str, name: &str, identity: &Identity) -> String {
    let mut out = head("v1", "Secret", namespace, name);
    let (certificate, key) = (quoted(&identity.certificate), quoted(&identity.key));
    line(
        &mut out,
        format_args!("type: kubernetes.io/tls\nstringData:\n  tls.crt: {certificate}\n  tls.key: {key}"),
    );
    out
}

/// Returns the McpBridge with its registries, each given as the inside of a flow mapping.
pub(crate) fn bridge(registries: &[String]) -> String {
    let mut out = head("networking.higress.io/v1", "McpBridge", SYSTEM, "default");
    out.push_str("spec:\n  registries:\n");
    for registry in registries {
        line(&mut out, format_args!("  - {{{registry}}}"));
    }
    out
}

/// Returns a WasmPlugin that acts where one rule says so.
pub(crate) fn plugin(name: &str, fail_strategy: &str, scope: &str, subjects: &[String]) -> String {
    let mut out = head("extensions.higress.io/v1alpha1", "WasmPlugin", SYSTEM, name);
    let subjects: Vec<String> = subjects.iter().map(|subject| quoted(subject)).collect();
    line(&mut out, format_args!("spec:\n  url: oci://registry.test/{name}@sha256:{}", "0".repeat(64)));
    line(
        &mut out,
        format_args!("  failStrategy: {fail_strategy}\n  defaultConfigDisable: true\n  matchRules:"),
    );
    line(&mut out, format_args!("  - {scope}: [{}]\n    config: {{key: x}}", subjects.join(", ")));
    out
}

fn head(api: &str, kind: &str, namespace: &str, name: &str) -> String {
    format!("apiVersion: {api}\nkind: {kind}\nmetadata:\n  name: {name}\n  namespace: {namespace}\n")
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("writing to a string");
}

/// Quotes a scalar: a JSON string is a YAML string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
