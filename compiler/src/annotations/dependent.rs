//! Settings of Higress that have no effect, because another one that they need is missing or rules them out.

use std::collections::BTreeSet;

use gatewright_diagnostics::code;

use super::known::{self, Support};
use super::reader::{HIGRESS, NGINX, Reader};
use super::redirect::RedirectPolicy;
use crate::finding::{Finding, Place};

/// Settings of the routes' way upstream, which a redirect does not take.
const UPSTREAM_ONLY: [&str; 17] = [
    "custom-http-errors",
    "default-backend",
    "destination",
    "mirror-percentage",
    "mirror-target-fqdn",
    "mirror-target-fqdn-port",
    "mirror-target-service",
    "proxy-next-upstream",
    "proxy-next-upstream-timeout",
    "proxy-next-upstream-tries",
    "request-header-control-add",
    "request-header-control-remove",
    "request-header-control-update",
    "rewrite-path",
    "rewrite-target",
    "timeout",
    "upstream-vhost",
];

/// Settings that need one of others to be there.
const NEEDS: [(&[&str], &[&str]); 7] = [
    (&["route-limit-burst-multiplier"], &["route-limit-rpm", "route-limit-rps"]),
    (
        &["session-cookie-max-age", "session-cookie-expires"],
        &["affinity", "session-cookie-name", "session-cookie-path"],
    ),
    (&["mirror-percentage"], &["mirror-target-service", "mirror-target-fqdn"]),
    (&["mirror-target-fqdn-port"], &["mirror-target-fqdn"]),
    (&["custom-http-errors"], &["default-backend"]),
    (&["permanent-redirect-code"], &["permanent-redirect"]),
    (&["proxy-ssl-name"], &["proxy-ssl-server-name"]),
];

/// Settings that another one rules out: the loser, and what wins.
const LOSES: [(&str, &[&str]); 5] = [
    ("load-balance", &["affinity", "session-cookie-name", "session-cookie-path", "upstream-hash-by"]),
    ("upstream-hash-by", &["affinity", "session-cookie-name", "session-cookie-path"]),
    ("mirror-target-service", &["mirror-target-fqdn"]),
    ("session-cookie-expires", &["session-cookie-max-age"]),
    ("permanent-redirect-code", &["temporal-redirect"]),
];

const CORS: [&str; 6] = [
    "cors-allow-credentials",
    "cors-allow-headers",
    "cors-allow-methods",
    "cors-allow-origin",
    "cors-expose-headers",
    "cors-max-age",
];

const MCP: [&str; 6] = [
    "mcp-server-enable-path-rewrite",
    "mcp-server-match-rule-domains",
    "mcp-server-match-rule-type",
    "mcp-server-match-rule-value",
    "mcp-server-path-rewrite-prefix",
    "mcp-server-upstream-type",
];

/// Reports the settings without effect and returns their keys: nothing else is to be said of them.
pub(super) fn check(reader: &mut Reader<'_>, redirect: &RedirectPolicy) -> BTreeSet<String> {
    let mut found = Dead { reader, keys: BTreeSet::new() };
    found.unread();
    found.redirected(redirect);
    found.switched(&CORS, "enable-cors");
    found.switched(&MCP, "mcp-server");
    found.switched(&["mcp-server-path-rewrite-prefix"], "mcp-server-enable-path-rewrite");
    for (keys, needed) in NEEDS {
        found.needing(keys, needed);
    }
    for (loser, winners) in LOSES {
        found.losing(loser, winners);
    }
    found.upstream_tls();
    found.retries();
    found.stateful();
    found.two_rates();
    found.keys
}

struct Dead<'r, 'a> {
    reader: &'r mut Reader<'a>,
    keys: BTreeSet<String>,
}

impl Dead<'_, '_> {
    /// Reports a key once, for its first reason.
    fn report(&mut self, suffix: &str, why: &str, help: Option<String>) {
        let Some(key) = self.present(suffix) else { return };
        if !self.keys.insert(key.clone()) {
            return;
        }
        let place = Place::annotation(self.reader.entity, &key);
        let finding = Finding::new(&code::GW0445, place, format!("`{key}` has no effect: {why}"));
        self.reader.findings.push(Finding { help, ..finding });
    }

    /// Returns the key of a suffix under a prefix that Higress reads for it.
    fn present(&self, suffix: &str) -> Option<String> {
        let keys = [NGINX, HIGRESS].map(|prefix| format!("{prefix}{suffix}"));
        keys.into_iter()
            .find(|key| self.reader.annotations().contains_key(key) && known::lookup(key).is_some())
    }

    /// Returns the value of a key, as far as it is text.
    fn value(&self, suffix: &str) -> Option<&str> {
        let key = self.present(suffix)?;
        self.reader.annotations().get(&key).map(|value| value.trim())
    }

    fn is_on(&self, suffix: &str) -> bool {
        self.value(suffix).is_some_and(|value| ["1", "t", "T", "TRUE", "true", "True"].contains(&value))
    }

    /// Keys that Higress declares and reads nowhere; the marks of its console are none of them.
    fn unread(&mut self) {
        let unread =
            known::KNOWN.iter().filter(|known| known.support == Support::Unread && known.both_prefixes);
        for known in unread {
            self.report(known.suffix, "Higress declares the name and reads it nowhere", None);
        }
    }

    fn redirected(&mut self, redirect: &RedirectPolicy) {
        if redirect.url.is_none() {
            return;
        }
        let winner =
            ["temporal-redirect", "permanent-redirect"].into_iter().find_map(|suffix| self.present(suffix));
        let Some(winner) = winner else { return };
        for suffix in UPSTREAM_ONLY {
            self.report(suffix, &format!("`{winner}` answers every request before"), None);
        }
    }

    fn switched(&mut self, suffixes: &[&str], switch: &str) {
        if self.is_on(switch) {
            return;
        }
        let why = match self.present(switch) {
            Some(key) => format!("`{key}` is not `true`"),
            None => format!("`{switch}` is missing"),
        };
        for suffix in suffixes {
            self.report(suffix, &why, Some(format!("set `{switch}: \"true\"` beside it, or remove it")));
        }
    }

    fn needing(&mut self, suffixes: &[&str], needed: &[&str]) {
        if needed.iter().any(|suffix| self.present(suffix).is_some()) {
            return;
        }
        let names: Vec<String> = needed.iter().map(|suffix| format!("`{suffix}`")).collect();
        let why = match names.as_slice() {
            [only] => format!("{only} is missing"),
            _ => format!("none of {} is there", names.join(", ")),
        };
        for suffix in suffixes {
            self.report(suffix, &why, None);
        }
    }

    fn losing(&mut self, loser: &str, winners: &[&str]) {
        let winner = winners.iter().find_map(|suffix| self.present(suffix));
        if let Some(winner) = winner {
            self.report(loser, &format!("`{winner}` takes precedence"), None);
        }
    }

    /// `proxy-ssl-*` belongs to a protocol with TLS, or to HTTP/2 with a client certificate.
    fn upstream_tls(&mut self) {
        let protocol = self.value("backend-protocol").unwrap_or_default().to_ascii_uppercase();
        let group = ["proxy-ssl-secret", "proxy-ssl-name", "proxy-ssl-server-name", "proxy-ssl-verify"];
        if !["HTTPS", "GRPCS", "GRPC", "HTTP2"].contains(&protocol.as_str()) {
            for suffix in group {
                let why =
                    "the Service is spoken to without TLS, as `backend-protocol` says HTTP or is missing";
                self.report(suffix, why, Some("set `backend-protocol: HTTPS`".to_owned()));
            }
            return;
        }
        if self.present("proxy-ssl-secret").is_none() {
            let why = "Higress reads it beside `proxy-ssl-secret` alone";
            self.report("proxy-ssl-verify", why, None);
        } else if self.value("proxy-ssl-verify") == Some("off") {
            let why = "with `proxy-ssl-secret` the Service's certificate is always checked";
            self.report("proxy-ssl-verify", why, None);
        }
        if self.value("proxy-ssl-server-name") != Some("on") {
            let why = "`proxy-ssl-server-name` is not `on`";
            self.report("proxy-ssl-name", why, None);
        } else if self.present("proxy-ssl-name").is_none() {
            self.report("proxy-ssl-server-name", "`proxy-ssl-name` is missing", None);
        }
    }

    /// Where nothing is tried again, nothing limits the tries.
    fn retries(&mut self) {
        let off = self.value("proxy-next-upstream").is_some_and(|value| {
            value.split(|c: char| c == ',' || c.is_whitespace()).any(|item| item == "off")
        });
        let never = self.value("proxy-next-upstream-tries").and_then(|tries| tries.parse::<i64>().ok());
        let never = never.is_some_and(|tries| tries <= 0);
        if off {
            for suffix in ["proxy-next-upstream-tries", "proxy-next-upstream-timeout"] {
                self.report(suffix, "`proxy-next-upstream: off` switches retries off", None);
            }
        } else if never {
            for suffix in ["proxy-next-upstream", "proxy-next-upstream-timeout"] {
                self.report(suffix, "`proxy-next-upstream-tries` allows no retry", None);
            }
        }
    }

    /// A rate that is no number is none.
    fn two_rates(&mut self) {
        let minutes = self.reader.annotations().get(&format!("{HIGRESS}route-limit-rpm"));
        if minutes.is_some_and(|rate| rate.parse::<i64>().is_ok()) {
            self.report("route-limit-rps", "`route-limit-rpm` takes precedence", None);
        }
    }

    fn stateful(&mut self) {
        if self.value("load-balance") != Some("mcp-sse") {
            let why = "`load-balance` is not `mcp-sse`";
            self.report("mcp-sse-stateful-param-name", why, None);
        }
    }
}

/// Reports names of headers that no header control reaches.
pub(super) fn unreachable_header(reader: &mut Reader<'_>, key: &str, name: &str, why: &str, place: Place) {
    let message = format!("`{name}` in `{}` has no effect: {why}", key.trim_start_matches(HIGRESS));
    reader.findings.push(Finding::new(&code::GW0445, place, message));
}
