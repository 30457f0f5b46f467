//! Regions in words: `shop.example.com /cart and below, method GET`.

use std::collections::{BTreeMap, BTreeSet};

use gatewright_behaviour::{Condition, Part, PathSet, Region, ServerNames, Test};
use gatewright_ir::{HostPattern, PathMatch, ValueMatch};

use super::Requests;

/// Hosts that a line names.
const HOSTS: usize = 3;
/// Phrases that a line has.
const PHRASES: usize = 5;
/// Paths that a line names.
const PATHS: usize = 6;

/// Writes a region in words, in full. Parts that ask the same of different hosts are one phrase.
pub(super) fn phrases(region: &Region) -> Vec<Requests> {
    let mut phrases: Vec<(Requests, BTreeSet<HostPattern>)> = Vec::new();
    let mut places: BTreeMap<Requests, usize> = BTreeMap::new();
    for part in &region.parts {
        let shape = shape(part);
        let place = *places.entry(shape.clone()).or_insert_with(|| {
            phrases.push((shape, BTreeSet::new()));
            phrases.len() - 1
        });
        phrases[place].1.extend(hosts_of(part));
    }
    let named = |hosts: &BTreeSet<HostPattern>| hosts.iter().map(ToString::to_string).collect();
    phrases.into_iter().map(|(shape, hosts)| Requests { hosts: named(&hosts), ..shape }).collect()
}

/// Writes phrases on one line. What is too much to name is counted.
pub(super) fn line(phrases: &[Requests]) -> String {
    let mut texts: Vec<String> = phrases.iter().take(PHRASES).map(phrase).collect();
    if phrases.len() > PHRASES {
        texts.push(format!("{} more", phrases.len() - PHRASES));
    }
    texts.join("; ")
}

fn phrase(requests: &Requests) -> String {
    let hosts = match requests.hosts.len() {
        0..=HOSTS => requests.hosts.join(", "),
        number => format!("{number} hosts"),
    };
    let mut paths: Vec<String> = requests.paths.iter().take(PATHS).cloned().collect();
    if requests.paths.len() > PATHS {
        paths.push(format!("{} more paths", requests.paths.len() - PATHS));
    }
    let what: Vec<String> = std::iter::once(paths.join(" or "))
        .chain(requests.conditions.iter().cloned())
        .filter(|text| !text.is_empty())
        .collect();
    [hosts, what.join(", ")].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

fn hosts_of(part: &Part) -> BTreeSet<HostPattern> {
    Region { parts: vec![part.clone()] }.hosts()
}

/// Writes everything of a part but its hosts.
fn shape(part: &Part) -> Requests {
    let mut conditions: Vec<String> = Vec::new();
    let Some(http) = &part.http else {
        conditions.push("(TLS handshake)".to_owned());
        return Requests { hosts: Vec::new(), paths: Vec::new(), conditions };
    };
    conditions.extend(http.conditions.iter().map(condition_text));
    conditions.extend(part.listeners_text().map(|listeners| format!("over {listeners}")));
    if let ServerNames::Of(set) = &part.server_names {
        conditions.push(format!("server name {}", set.pattern));
    }
    Requests { hosts: Vec::new(), paths: path_texts(&http.paths), conditions }
}

/// Writes a set of paths. A path and everything below it, which one `Prefix` path of an Ingress means, is one text.
fn path_texts(paths: &[PathSet]) -> Vec<String> {
    let mut points: BTreeSet<(&str, bool)> = BTreeSet::new();
    let mut prefixes: BTreeSet<(&str, bool)> = BTreeSet::new();
    for set in paths {
        match set {
            PathSet::Point { path, ignore_case } => points.insert((path, *ignore_case)),
            PathSet::Below { prefix, ignore_case, .. } => {
                prefixes.insert((prefix.strip_suffix('/').unwrap_or(prefix), *ignore_case))
            }
        };
    }
    let mut texts = Vec::new();
    for set in paths {
        match set {
            PathSet::Point { path, ignore_case } if prefixes.contains(&(path, *ignore_case)) => {}
            PathSet::Point { path, ignore_case } => texts.push(format!("{path}{}", case_text(*ignore_case))),
            PathSet::Below { prefix, ignore_case, except } => {
                let parent =
                    prefix.strip_suffix('/').filter(|parent| points.contains(&(parent, *ignore_case)));
                let start = match (prefix.as_str(), parent) {
                    ("/", _) => "every path".to_owned(),
                    (_, Some(parent)) => format!("{parent} and below"),
                    (prefix, None) if prefix.ends_with('/') => format!("below {prefix}"),
                    (prefix, None) => format!("paths that start with {prefix}"),
                };
                let but = match except.is_empty() {
                    true => String::new(),
                    false => format!(" but {}", path_texts(except).join(" and ")),
                };
                texts.push(format!("{start}{}{but}", case_text(*ignore_case)));
            }
        }
    }
    texts
}

fn case_text(ignore_case: bool) -> &'static str {
    if ignore_case { " (any case)" } else { "" }
}

fn condition_text(condition: &Condition) -> String {
    let (is, has) = if condition.holds { ("", "") } else { ("not ", "no ") };
    match &condition.test {
        Test::Path { path, case_sensitive } => {
            let case = if *case_sensitive { "" } else { " (any case)" };
            let words = match path {
                PathMatch::Exact(path) => path.clone(),
                PathMatch::Prefix(path) => format!("starting with {path}"),
                PathMatch::Regex(pattern) => format!("matching {pattern}"),
            };
            format!("path {is}{words}{case}")
        }
        Test::Method(methods) => format!("method {is}{}", methods.join(" or ")),
        Test::Header(test) => match &test.value {
            ValueMatch::Present => format!("{has}header {}", test.name),
            value => format!("header {} {is}{}", test.name, named_value_text(&test.name, value)),
        },
        Test::Query(test) => match &test.value {
            ValueMatch::Present => format!("{has}query parameter {}", test.name),
            value => format!("query parameter {} {is}{}", test.name, named_value_text(&test.name, value)),
        },
        Test::HostLike(domain) => format!("host {is}like {domain}"),
        Test::Origin(origins) => format!("origin {is}{}", values_text(origins)),
        Test::Preflight(origins) => format!("{is}a CORS preflight from {}", values_text(origins)),
    }
}

fn values_text(values: &[ValueMatch]) -> String {
    values.iter().map(value_text).collect::<Vec<_>>().join(" or ")
}

/// Writes the test of a header or parameter whose name may make its value secret.
fn named_value_text(name: &str, value: &ValueMatch) -> String {
    match gatewright_secrets::is_secret_name(name) {
        true => format!("`{}`", gatewright_secrets::HIDDEN),
        false => value_text(value),
    }
}

fn value_text(value: &ValueMatch) -> String {
    match value {
        ValueMatch::Exact(value) => format!("`{value}`"),
        ValueMatch::Prefix(prefix) => format!("starting with `{prefix}`"),
        ValueMatch::Regex(pattern) => format!("matching `{pattern}`"),
        ValueMatch::Present => "any value".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gatewright_behaviour::{HostSet, HttpPart};
    use gatewright_ir::{HeaderMatch, ListenerId};

    use super::*;

    fn part(hosts: &[&str], paths: Vec<PathSet>, conditions: Vec<Condition>) -> Part {
        let host = |text: &&str| HostSet { pattern: text.parse().unwrap(), except: Arc::default() };
        Part {
            listeners: ListenerId::OF_INGRESSES.to_vec(),
            server_names: ServerNames::Any,
            http: Some(HttpPart { hosts: hosts.iter().map(host).collect(), paths, conditions }),
        }
    }

    fn point(path: &str) -> PathSet {
        PathSet::Point { path: path.into(), ignore_case: false }
    }

    fn below(prefix: &str, except: Vec<PathSet>) -> PathSet {
        PathSet::Below { prefix: prefix.into(), ignore_case: false, except }
    }

    fn check(parts: Vec<Part>, expected: &str) {
        assert_eq!(line(&phrases(&Region { parts })), expected);
    }

    #[test]
    fn a_prefix_path_is_one_phrase() {
        let paths = vec![point("/cart"), below("/cart/", vec![point("/cart/x")])];
        check(vec![part(&["a.com"], paths, vec![])], "a.com /cart and below but /cart/x");
        check(vec![part(&["*.a.com"], vec![below("/", vec![])], vec![])], "*.a.com every path");
    }

    #[test]
    fn hosts_with_the_same_requests_are_counted() {
        let parts = ["a", "b", "c", "d"].map(|host| part(&[host], vec![point("/x")], vec![])).to_vec();
        check(parts, "4 hosts /x");
    }

    #[test]
    fn conditions_are_said_either_way() {
        let header = |holds| Condition {
            test: Test::Header(HeaderMatch {
                name: "x-canary".into(),
                value: ValueMatch::Exact("always".into()),
            }),
            holds,
        };
        let method = Condition { test: Test::Method(vec!["GET".into(), "PUT".into()]), holds: true };
        check(
            vec![part(&["a.com"], vec![point("/")], vec![header(false), method])],
            "a.com /, header x-canary not `always`, method GET or PUT",
        );
    }

    #[test]
    fn handshakes_have_server_names_alone() {
        let set = HostSet { pattern: "a.com".parse().unwrap(), except: Arc::default() };
        let part =
            Part { listeners: vec![ListenerId::HTTPS], server_names: ServerNames::Of(set), http: None };
        check(vec![part], "a.com (TLS handshake)");
    }
}
