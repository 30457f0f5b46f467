//! Every annotation that Higress reads, and what this version makes of it. What it does not read is in [`super::unread`].

use std::collections::BTreeSet;
use std::sync::LazyLock;

use gatewright_diagnostics::code;
use gatewright_kinds::EntityKey;

use super::reader::{HIGRESS, NGINX};
use super::{
    balancing, canary, cors, destination, header_control, matching, path, protection, redirect, route_policy,
};
use crate::finding::{Finding, Place};
use crate::manifest::Texts;

/// What this version makes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It works.
    Implemented,
    /// Higress acts on it, this version does not yet.
    NotImplemented,
    /// It protects routes; its family module reports it and refuses the routes.
    Protection,
    /// Higress declares or stores it and nothing reads it.
    Unread,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct KnownAnnotation {
    /// The key without prefix.
    pub suffix: &'static str,
    /// Whether `nginx.ingress.kubernetes.io/` works too.
    pub both_prefixes: bool,
    /// What this version makes of it.
    pub support: Support,
    /// What it does, as a clause.
    pub summary: &'static str,
    /// Whether a canary Ingress takes this from its base route instead of its own annotations.
    pub from_base: bool,
}

use Support::{Implemented, NotImplemented, Protection, Unread};

pub(super) const fn row(
    suffix: &'static str,
    both_prefixes: bool,
    support: Support,
    from_base: bool,
    summary: &'static str,
) -> KnownAnnotation {
    KnownAnnotation { suffix, both_prefixes, support, summary, from_base }
}

/// The rows of what no family of its own reads yet.
const REST: &[KnownAnnotation] = &[
    row(
        "default-backend",
        true,
        Implemented,
        true,
        "Service that takes over while the backend has no endpoint",
    ),
    row("custom-http-errors", true, NotImplemented, true, "answers these codes from the default backend"),
    row("proxy-next-upstream", true, NotImplemented, true, "conditions of retries"),
    row("proxy-next-upstream-tries", true, NotImplemented, true, "number of retries"),
    row("proxy-next-upstream-timeout", true, NotImplemented, true, "time limit of one try"),
    row("ssl-cipher", true, NotImplemented, false, "TLS cipher suites of the host"),
    row("tls-min-protocol-version", true, NotImplemented, false, "lowest TLS version of the host"),
    row("tls-max-protocol-version", true, NotImplemented, false, "highest TLS version of the host"),
    row("mirror-target-service", true, NotImplemented, true, "Service that gets a copy of requests"),
    row("mirror-percentage", true, NotImplemented, true, "share of the copied requests"),
    row("mirror-target-fqdn", true, NotImplemented, true, "host that gets a copy of requests"),
    row("mirror-target-fqdn-port", true, NotImplemented, true, "port of the copies' host"),
    row("rpc-destination-name", false, NotImplemented, true, "Dubbo service behind the route"),
    row("http2rpc-name", true, Unread, false, "Dubbo service behind the route"),
    row("mcp-server", true, NotImplemented, false, "exposes an MCP server"),
    row("mcp-server-match-rule-domains", true, NotImplemented, false, "hosts of the MCP server"),
    row("mcp-server-match-rule-type", true, NotImplemented, false, "path test of the MCP server"),
    row("mcp-server-match-rule-value", true, NotImplemented, false, "path of the MCP server"),
    row("mcp-server-upstream-type", true, NotImplemented, false, "transport of the MCP server"),
    row("mcp-server-enable-path-rewrite", true, NotImplemented, false, "path rewrite of the MCP server"),
    row("mcp-server-path-rewrite-prefix", true, NotImplemented, false, "path rewrite of the MCP server"),
    row("enable-rewrite", false, Unread, false, "console marker"),
    row("enable-proxy-next-upstream", false, Unread, false, "console marker"),
    row("enable-header-control", false, Unread, false, "console marker"),
    row("comment", false, Unread, false, "console remark"),
    row("resource-definer", false, Unread, false, "console marker"),
];

/// The table, by family; each family has its rows beside their reader.
pub static KNOWN: LazyLock<Vec<KnownAnnotation>> = LazyLock::new(|| {
    let families = [
        canary::ROWS,
        destination::ROWS,
        cors::ROWS,
        redirect::ROWS,
        path::ROWS,
        route_policy::ROWS,
        matching::ROWS,
        header_control::ROWS,
        protection::ROWS,
        balancing::ROWS,
        REST,
    ];
    families.concat()
});

impl KnownAnnotation {
    /// Returns whether its routes are open where it is missing.
    pub fn protects(&self) -> bool {
        // The burst belongs to a rate limit and is none by itself.
        self.support == Protection && self.suffix != "route-limit-burst-multiplier"
    }
}

/// Returns the row of a full key, where there is one.
pub fn lookup(key: &str) -> Option<&'static KnownAnnotation> {
    let (suffix, nginx) = match key.strip_prefix(NGINX) {
        Some(suffix) => (suffix, true),
        None => (key.strip_prefix(HIGRESS)?, false),
    };
    KNOWN.iter().find(|known| known.suffix == suffix && (known.both_prefixes || !nginx))
}

/// Warns of keys of Higress that have no effect here: not implemented, or replaced by the base route of a canary. Of
/// those that have none in Higress either (`dead`) something else was said.
pub(super) fn check(
    entity: &EntityKey,
    annotations: &Texts,
    canary: bool,
    dead: &BTreeSet<String>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for key in annotations.keys().filter(|key| !dead.contains(*key)) {
        let place = Place::annotation(entity, key);
        match lookup(key) {
            Some(known) if canary && known.from_base && known.support != NotImplemented => {
                findings.push(
                    Finding::new(&code::GW0410, place, format!("`{key}` has no effect on a canary"))
                        .with_note("Higress takes this from the base Ingress")
                        .with_help("set it on the base Ingress, or remove it here"),
                );
            }
            Some(known) if known.support == NotImplemented => findings.push(
                Finding::new(
                    &code::GW0402,
                    place,
                    format!("`{key}` is not implemented yet and has no effect"),
                )
                .with_note(format!("in Higress it sets: {}", known.summary)),
            ),
            _ => {}
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_prefix_keys_are_unknown_under_nginx() {
        assert!(lookup("higress.io/timeout").is_some());
        assert!(lookup("nginx.ingress.kubernetes.io/timeout").is_none());
    }
}
