//! Every annotation that Higress reads, and what this version makes of it. What it does not read is in [`super::unread`].

use std::collections::BTreeSet;

use gatewright_diagnostics::code;
use gatewright_kinds::EntityKey;

use super::reader::{HIGRESS, NGINX};
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

const fn row(
    suffix: &'static str,
    both_prefixes: bool,
    support: Support,
    from_base: bool,
    summary: &'static str,
) -> KnownAnnotation {
    KnownAnnotation { suffix, both_prefixes, support, summary, from_base }
}

/// The table, by family.
pub static KNOWN: &[KnownAnnotation] = &[
    row(
        "canary",
        true,
        Implemented,
        false,
        "marks the Ingress as a canary of the route with the same host and path",
    ),
    row("canary-by-header", true, Implemented, false, "sends requests with this header to the canary"),
    row(
        "canary-by-header-value",
        true,
        Implemented,
        false,
        "value of the canary header, a regular expression",
    ),
    row("canary-by-header-pattern", true, Implemented, false, "pattern inside the canary header's value"),
    row(
        "canary-by-cookie",
        true,
        Implemented,
        false,
        "sends requests with this cookie set to `always` to the canary",
    ),
    row("canary-weight", true, Implemented, false, "share of the requests that the canary gets"),
    row("canary-weight-total", true, Implemented, false, "what `canary-weight` is a share of"),
    row("destination", false, Implemented, false, "weighted list of upstream services"),
    row("enable-cors", true, Implemented, true, "turns CORS on"),
    row("cors-allow-origin", true, Implemented, true, "origins that may read answers"),
    row("cors-allow-methods", true, Implemented, true, "methods told to preflights"),
    row("cors-allow-headers", true, Implemented, true, "headers told to preflights"),
    row("cors-expose-headers", true, Implemented, true, "answer headers that scripts may read"),
    row("cors-allow-credentials", true, Implemented, true, "whether credentials may be sent"),
    row("cors-max-age", true, Implemented, true, "seconds that a preflight may be cached"),
    row("app-root", true, Implemented, true, "redirects `/` of the host"),
    row("temporal-redirect", true, Implemented, true, "redirects with 302"),
    row("permanent-redirect", true, Implemented, true, "redirects with 301 or `permanent-redirect-code`"),
    row("permanent-redirect-code", true, Implemented, true, "code of `permanent-redirect`"),
    row("ssl-redirect", true, Implemented, true, "redirects clear-text requests to HTTPS with 308"),
    row("force-ssl-redirect", true, Implemented, true, "redirects clear-text requests to HTTPS with 308"),
    row(
        "rewrite-target",
        true,
        Implemented,
        false,
        "replaces the matched path, with groups of a regular expression",
    ),
    row("rewrite-path", false, Implemented, true, "replaces the matched prefix or path"),
    row("use-regex", true, Implemented, false, "reads paths as regular expressions"),
    row(
        "full-path-regex",
        false,
        Implemented,
        false,
        "reads paths as regular expressions for the whole path",
    ),
    row("upstream-vhost", true, Implemented, true, "Host header that the upstream sees"),
    row("ignore-path-case", true, Implemented, true, "compares paths without regard to case"),
    row("timeout", false, Implemented, true, "seconds that an answer may take"),
    row("match-method", false, Implemented, false, "methods that the routes take"),
    row("request-header-control-add", false, Implemented, false, "adds request headers"),
    row("request-header-control-update", false, Implemented, false, "sets request headers"),
    row("request-header-control-remove", false, Implemented, false, "removes request headers"),
    row("response-header-control-add", false, Implemented, false, "adds response headers"),
    row("response-header-control-update", false, Implemented, false, "sets response headers"),
    row("response-header-control-remove", false, Implemented, false, "removes response headers"),
    row(
        "default-backend",
        true,
        Implemented,
        true,
        "Service that takes over while the backend has no endpoint",
    ),
    row("custom-http-errors", true, NotImplemented, true, "answers these codes from the default backend"),
    row("whitelist-source-range", true, Protection, true, "source addresses that may use the routes"),
    row("auth-tls-secret", true, Protection, true, "asks clients for certificates"),
    row("route-limit-rpm", false, Protection, true, "requests a minute"),
    row("route-limit-rps", false, Protection, true, "requests a second"),
    row("route-limit-burst-multiplier", false, Protection, true, "burst of the rate limit"),
    row("auth-type", true, Protection, false, "basic authentication, removed from Higress 2"),
    row("auth-secret", true, Protection, false, "credentials of `auth-type`"),
    row("auth-realm", true, Protection, false, "realm of `auth-type`"),
    row("auth-secret-type", true, Protection, false, "form of `auth-secret`"),
    row("proxy-next-upstream", true, NotImplemented, true, "conditions of retries"),
    row("proxy-next-upstream-tries", true, NotImplemented, true, "number of retries"),
    row("proxy-next-upstream-timeout", true, NotImplemented, true, "time limit of one try"),
    row("load-balance", true, Implemented, false, "how an endpoint of the Service is chosen"),
    row("upstream-hash-by", true, NotImplemented, false, "consistent hashing"),
    row("affinity", true, NotImplemented, false, "session affinity by cookie"),
    row("affinity-mode", true, Unread, false, "mode of the affinity"),
    row("affinity-canary-behavior", true, Unread, false, "affinity beside canaries"),
    row("session-cookie-name", true, NotImplemented, false, "affinity cookie"),
    row("session-cookie-path", true, NotImplemented, false, "path of the affinity cookie"),
    row("session-cookie-max-age", true, NotImplemented, false, "lifetime of the affinity cookie"),
    row("session-cookie-expires", true, NotImplemented, false, "lifetime of the affinity cookie"),
    row(
        "mcp-sse-stateful-param-name",
        true,
        NotImplemented,
        false,
        "session parameter of `mcp-sse` balancing",
    ),
    row("backend-protocol", true, NotImplemented, false, "protocol spoken to the Service"),
    row("proxy-ssl-secret", true, NotImplemented, false, "client certificate for the Service"),
    row("proxy-ssl-verify", true, NotImplemented, false, "checks the Service's certificate"),
    row("proxy-ssl-name", true, NotImplemented, false, "server name sent to the Service"),
    row("proxy-ssl-server-name", true, NotImplemented, false, "whether a server name is sent"),
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
