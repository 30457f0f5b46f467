//! Which crate may depend on which: the picture of ARCHITECTURE.md as a table.

use anyhow::{Context as _, Result};
use serde_json::Value;

const OURS: &str = "gatewright-";
const TESTKIT: &str = "testkit";

/// A crate and what it may depend on, without the prefix; `testkit` is free to all, as a dev-dependency only.
const ALLOWED: &[(&str, &[&str])] = &[
    ("secrets", &[]),
    ("diagnostics", &["secrets"]),
    ("http", &[]),
    ("kinds", &[]),
    ("ir", &["kinds"]),
    ("xds", &["secrets"]),
    ("behaviour", &["http", "ir", "kinds", "secrets"]),
    ("compiler", &["behaviour", "diagnostics", "http", "ir", "kinds", "secrets", "xds"]),
    ("plan", &["behaviour", "diagnostics", "ir", "secrets", "xds"]),
    ("xds-client", &["xds"]),
    ("gateway", &["diagnostics", "http", "secrets", "xds", "xds-client"]),
    ("cluster", &["kinds"]),
    ("reconciler", &["cluster", "compiler", "diagnostics", "ir", "kinds", "plan", "secrets", "xds"]),
    (
        "gatewright",
        &[
            "behaviour",
            "cluster",
            "compiler",
            "diagnostics",
            "gateway",
            "http",
            "ir",
            "kinds",
            "plan",
            "reconciler",
            "secrets",
            "xds",
        ],
    ),
    (TESTKIT, &[]),
    ("xtask", &["compiler", "kinds", "xds"]),
];

/// What tests may use beyond that: a server is tested with the client of its protocol.
const ALLOWED_IN_TESTS: &[(&str, &str)] = &[("reconciler", "xds-client")];

/// Crates of others that bring a runtime, a network, files, a clock or randomness.
const IMPURE: &[&str] = &[
    "axum",
    "git2",
    "getrandom",
    "h2",
    "hyper",
    "hyper-util",
    "ignore",
    "kube",
    "mimalloc",
    "notify",
    "rand",
    "reqwest",
    "rustls",
    "socket2",
    "tempfile",
    "time",
    "tokio",
    "tokio-rustls",
    "tokio-stream",
    "tonic",
    "tower",
    "tracing-subscriber",
];

/// Crates that must stay free of those.
const PURE: &[&str] = &["behaviour", "compiler", "diagnostics", "http", "ir", "kinds", "plan", "secrets"];

/// Checks the dependencies that cargo knows.
pub(crate) fn check(metadata: &Value) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for package in metadata["packages"].as_array().context("cargo metadata lists no packages")? {
        let name = short(text(&package["name"]));
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
            findings
                .push(format!("{name}: a new crate: say in xtask/src/tidy/layers.rs what it may depend on"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            findings.extend(judge(name, allowed, dependency));
        }
    }
    Ok(findings)
}

fn judge(name: &str, allowed: &[&str], dependency: &Value) -> Option<String> {
    let on = text(&dependency["name"]);
    let dev = dependency["kind"] == "dev";
    if !dependency["path"].is_string() {
        let banned = !dev && PURE.contains(&name) && IMPURE.contains(&on);
        return banned.then(|| format!("{name}: a pure crate may not depend on {on}"));
    }
    let on = short(on);
    let in_tests = dev && (on == TESTKIT || ALLOWED_IN_TESTS.contains(&(name, on)));
    let fine = in_tests || (on != TESTKIT && allowed.contains(&on));
    (!fine).then(|| format!("{name}: may not depend on {on}{}", if dev { " even in tests" } else { "" }))
}

fn short(name: &str) -> &str {
    name.strip_prefix(OURS).unwrap_or(name)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn findings(package: &str, dependency: Value) -> Vec<String> {
        check(&json!({"packages": [{"name": package, "dependencies": [dependency]}]})).unwrap()
    }

    #[test]
    fn a_gateway_may_not_see_the_compiler() {
        let found = findings("gatewright-gateway", json!({"name": "gatewright-compiler", "path": "x"}));
        assert_eq!(found, ["gateway: may not depend on compiler"]);
    }

    #[test]
    fn testkit_is_for_tests() {
        let testkit = |kind: &str| json!({"name": "gatewright-testkit", "path": "x", "kind": kind});
        assert!(findings("gatewright-plan", testkit("dev")).is_empty());
        assert_eq!(findings("gatewright-plan", testkit("build")).len(), 1);
    }

    #[test]
    fn a_pure_crate_has_no_runtime() {
        assert_eq!(findings("gatewright-plan", json!({"name": "tokio"})).len(), 1);
        assert!(findings("gatewright-gateway", json!({"name": "tokio"})).is_empty());
    }
}
