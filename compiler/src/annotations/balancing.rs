//! The group of annotations that Higress keeps for a Service and port rather than for the routes of the Ingress: how an
//! endpoint is chosen, and what is spoken to it. The oldest Ingress that has one of them decides for all routes.

use gatewright_diagnostics::code;
use gatewright_ir::LoadBalancing;

use super::known::Support::{Implemented, NotImplemented, Unread};
use super::known::{KnownAnnotation, row};
use super::reader::{Found, Reader};
use crate::finding::{Finding, Place};

/// The rows of the family.
pub(super) const ROWS: &[KnownAnnotation] = &[
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
];

/// Keys that make Higress keep the policy.
const AFFINITY: [&str; 3] = ["affinity", "session-cookie-name", "session-cookie-path"];
const HASH: &str = "upstream-hash-by";
const BALANCE: &str = "load-balance";
const TLS: [&str; 2] = ["backend-protocol", "proxy-ssl-secret"];

/// What of `upstream-hash-by` Higress reads; with anything else it takes turns.
const HASHED: [&str; 5] = ["$remote_addr", "$request_uri", "$host", "$http_", "$arg_"];

/// What an Ingress says of the Services that it routes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServicePolicy {
    pub(crate) load_balancing: LoadBalancing,
    /// The annotation that says it, for findings.
    pub(crate) key: String,
}

/// Reads the group; none where the Ingress says nothing of its Services.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<ServicePolicy> {
    let keys = AFFINITY.iter().chain([&HASH, &BALANCE]).chain(&TLS);
    let key = keys.copied().find_map(|suffix| reader.present(suffix))?;
    Some(ServicePolicy { load_balancing: load_balancing(reader), key })
}

/// A cookie before a hash before a policy: Higress reads the first of them that is there.
fn load_balancing(reader: &mut Reader<'_>) -> LoadBalancing {
    if AFFINITY.iter().any(|suffix| reader.present(suffix).is_some()) {
        return LoadBalancing::LeastRequest;
    }
    if reader.present(HASH).is_some() {
        return hash(reader);
    }
    let Some(found) = reader.string(BALANCE) else { return LoadBalancing::LeastRequest };
    match found.value.to_ascii_uppercase().as_str() {
        "ROUND_ROBIN" => LoadBalancing::RoundRobin,
        "LEAST_CONN" | "LEAST_REQUEST" => LoadBalancing::LeastRequest,
        "RANDOM" => LoadBalancing::Random,
        "PASSTHROUGH" => not_implemented(reader, &found, LoadBalancing::LeastRequest),
        "MCP-SSE" => not_implemented(reader, &found, LoadBalancing::RoundRobin),
        _ => {
            let message =
                format!("`{}` is no policy that Higress knows: it takes LEAST_REQUEST", found.value);
            reader.invalid(&found.key, message);
            LoadBalancing::LeastRequest
        }
    }
}

/// By anything else than what can be hashed Higress takes turns. The hash itself is not implemented yet, which
/// [`super::known`] says.
fn hash(reader: &mut Reader<'_>) -> LoadBalancing {
    let hashed = reader.string(HASH).is_some_and(|found| HASHED.iter().any(|by| found.value.starts_with(by)));
    if hashed { LoadBalancing::LeastRequest } else { LoadBalancing::RoundRobin }
}

fn not_implemented(reader: &mut Reader<'_>, found: &Found<String>, instead: LoadBalancing) -> LoadBalancing {
    let place = Place::annotation_value(reader.entity, &found.key);
    let message = format!("`{}` of `{}` is not implemented yet", found.value, found.key);
    reader.findings.push(Finding::new(&code::GW0402, place, message));
    instead
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use gatewright_kinds::{EntityKey, Kind};

    use super::*;
    use crate::manifest::Texts;

    fn read_all(annotations: &[(&str, &str)]) -> (Option<LoadBalancing>, Vec<&'static str>) {
        let key = EntityKey::new(Kind::Ingress, "shop", "web");
        let full = annotations.iter().map(|(key, value)| (format!("higress.io/{key}"), *value));
        let annotations = Texts::from(full.collect::<BTreeMap<_, _>>());
        let mut reader = Reader::new(&key, &annotations);
        let policy = read(&mut reader).map(|policy| policy.load_balancing);
        (policy, reader.findings.iter().map(|finding| finding.code.id).collect())
    }

    #[test]
    fn words_are_read_in_any_case_and_others_mean_the_default() {
        use LoadBalancing::{LeastRequest, Random, RoundRobin};
        let cases: [(&str, LoadBalancing, &[&str]); 7] = [
            ("round_robin", RoundRobin, &[]),
            ("Least_Conn", LeastRequest, &[]),
            ("LEAST_REQUEST", LeastRequest, &[]),
            ("random", Random, &[]),
            ("ewma", LeastRequest, &["GW0403"]),
            ("passthrough", LeastRequest, &["GW0402"]),
            ("mcp-sse", RoundRobin, &["GW0402"]),
        ];
        for (value, expected, codes) in cases {
            assert_eq!(read_all(&[("load-balance", value)]), (Some(expected), codes.to_vec()), "{value}");
        }
        assert_eq!(read_all(&[("timeout", "5")]), (None, vec![]));
    }

    #[test]
    fn a_cookie_comes_before_a_hash_and_a_hash_before_a_word() {
        let random = ("load-balance", "random");
        assert_eq!(read_all(&[random, ("affinity", "cookie")]).0, Some(LoadBalancing::LeastRequest));
        assert_eq!(read_all(&[random, ("upstream-hash-by", "$host")]).0, Some(LoadBalancing::LeastRequest));
        assert_eq!(read_all(&[random, ("upstream-hash-by", "host")]).0, Some(LoadBalancing::RoundRobin));
        assert_eq!(read_all(&[("backend-protocol", "GRPC")]).0, Some(LoadBalancing::LeastRequest));
    }
}
