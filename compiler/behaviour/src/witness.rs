//! What makes a witness short and plausible: the texts that are tried before a search, and which of two reads better.

use gatewright_http::authority;
use gatewright_ir::{HeaderMatch, HostPattern, ListenerId, PathMatch, ValueMatch};

use crate::paths::PathAtom;
use crate::region::{Condition, HostSet, Test};
use crate::request::Request;
use crate::solve::Place;

/// Methods that a data plane lets through, in the order in which a witness prefers them.
pub(crate) const METHODS: [&str; 13] = [
    "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "MKCOL", "COPY", "MOVE",
    "LOCK",
];

/// Texts that are tried as a value before a search is made.
const VALUES: [&str; 5] = ["1", "x", "any", "", "0"];

/// Whether a witness reads better than another: there at all, few headers, a plain method, a short URL.
pub(crate) fn plainer(a: &Option<Request>, b: &Option<Request>) -> bool {
    let rank = |request: &Request| {
        (request.headers.len(), request.method != "GET", request.path.len(), request.to_string())
    };
    match (a, b) {
        (Some(a), Some(b)) => rank(a) < rank(b),
        (a, _) => a.is_some(),
    }
}

/// Returns a request whose handshake with a listener has one of some server names.
pub(crate) fn handshake_witness(listener: ListenerId, names: &HostSet) -> Option<Request> {
    let example = names.pattern.example();
    let more = (2..100).map(|n| format!("any{n}.{example}"));
    let name = std::iter::once(example.clone()).chain(more).find(|name| names.contains(name));
    match name {
        Some(name) => Some(Request::get(listener, &name, "/")),
        None if names.pattern == HostPattern::Any => {
            Some(Request { sni: None, ..Request::get(listener, &example, "/") })
        }
        None => None,
    }
}

/// Paths that may be right without a search: the literals of the tests, the atom's own text, and short words below it.
pub(crate) fn path_candidates(atom: &PathAtom, tests: &[(&PathMatch, bool, bool)]) -> Vec<String> {
    let mut candidates: Vec<String> = tests
        .iter()
        .filter(|(_, _, holds)| *holds)
        .filter_map(|(test, _, _)| match test {
            PathMatch::Exact(text) | PathMatch::Prefix(text) => Some(text.clone()),
            PathMatch::Regex(_) => None,
        })
        .collect();
    let text = atom.point().or(atom.cone()).unwrap_or("/");
    candidates.extend(["", "any", "x", "/", "/any", "0"].map(|end| format!("{text}{end}")));
    candidates
}

/// Values that may be right without a search: the longest beginning asked for, alone and with a little more.
pub(crate) fn value_candidates(yes: &[&ValueMatch]) -> Vec<String> {
    let prefixes = yes.iter().filter_map(|test| match test {
        ValueMatch::Prefix(prefix) => Some(prefix.as_str()),
        _ => None,
    });
    let longest = prefixes.max_by_key(|prefix| prefix.len()).unwrap_or("");
    let mut candidates: Vec<String> = Vec::new();
    if !longest.is_empty() {
        candidates.push(longest.to_owned());
    }
    candidates.extend(VALUES.map(|value| format!("{longest}{value}")));
    candidates
}

/// Authorities that may be right: names of the set, alone and with a port, and what the conditions ask for.
pub(crate) fn host_candidates(set: &HostSet, conditions: &[&Condition]) -> Vec<String> {
    let mut names = Vec::new();
    for condition in conditions.iter().filter(|condition| condition.holds) {
        match &condition.test {
            Test::Header(HeaderMatch {
                value: ValueMatch::Exact(value) | ValueMatch::Prefix(value), ..
            }) => {
                names.push(value.clone());
            }
            Test::HostLike(domain) => {
                names.push(domain.replacen('*', "any", 1).to_ascii_lowercase());
                names.push(domain.replacen("*.", "any.", 1).to_ascii_lowercase());
                if let (Some(start), HostPattern::Suffix(parent)) = (domain.strip_suffix('*'), &set.pattern) {
                    names.push(format!("{}.{parent}", start.trim_end_matches('.')));
                }
            }
            _ => {}
        }
    }
    names.push(set.pattern.example());
    if let HostPattern::Suffix(_) | HostPattern::Any = set.pattern {
        let example = set.pattern.example();
        names.extend((2..100).map(|n| format!("any{n}.{example}")));
    }
    let with_ports =
        names.iter().flat_map(|name| [name.clone(), format!("{name}:8080"), format!("{name}:80")]);
    with_ports.collect()
}

/// The server name for a witness: the host if it gets a certificate, else none, else a name that does.
pub(crate) fn server_name(place: &Place<'_>, authority: &str) -> Option<String> {
    let served = place.served?;
    let host = authority::host(authority).into_owned();
    if served.serves(Some(&host)) {
        return Some(host);
    }
    if served.serves(None) {
        return None;
    }
    let examples = served.0.iter().filter(|(_, served)| **served).map(|(pattern, _)| pattern.example());
    examples.into_iter().find(|name| served.serves(Some(name)))
}
