//! What an Ingress says and nothing does, as its rules leave nothing to do.

use gatewright_diagnostics::code;

use crate::annotations::known::{self, Support};
use crate::finding::{Finding, Place};
use crate::ingress::AnalyzedIngress;
use crate::manifest::{Ingress, Metadata};

/// Annotations that do something for an Ingress without paths.
const ALONE: [&str; 6] = ["app-root", "auth-tls-secret", "canary", "destination", "ssl-cipher", "mcp-server"];

/// Reports annotations about routes of an Ingress that has none but that of its default backend: Higress applies no
/// annotation to it. Those that protect have a finding of their own.
pub(crate) fn of_default_backend(ingress: &AnalyzedIngress, metadata: &Metadata) -> Vec<Finding> {
    if !ingress.paths.is_empty() || ingress.default_backend.is_none() || ingress.policy.canary.is_some() {
        return Vec::new();
    }
    let dead = metadata.annotations.keys().filter(|key| {
        known::lookup(key)
            .is_some_and(|known| known.support == Support::Implemented && !ALONE.contains(&known.suffix))
    });
    dead.map(|key| {
        let message = format!(
            "`{key}` has no effect: the Ingress has no path, and Higress applies no annotation to a default backend"
        );
        Finding::new(&code::GW0445, Place::annotation(&ingress.key, key), message)
            .with_help("write a path `/` in the place of the default backend")
    })
    .collect()
}

/// Reports rules that route nothing. One that is there for the certificate of its host is none.
pub(crate) fn without_paths(ingress: &AnalyzedIngress, spec: &Ingress) -> Vec<Finding> {
    if ingress.default_backend.is_some() || !ingress.tls.is_empty() {
        return Vec::new();
    }
    let bare = spec.rules.iter().enumerate().filter(|(_, rule)| rule.http.is_none() && !rule.misread);
    bare.map(|(index, rule)| {
        let host: &str = if rule.host.is_empty() { "*" } else { &rule.host };
        let message = format!(
            "the rule of host `{host}` routes nothing: it has no path, and the Ingress no default backend"
        );
        Finding::new(&code::GW0445, Place::value(&ingress.key, format!("/spec/rules/{index}")), message)
            .with_help("add `http.paths`, or remove the rule")
    })
    .collect()
}
