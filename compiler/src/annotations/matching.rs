//! The match family: methods, headers, pseudo headers and query parameters.

use std::collections::BTreeMap;

use gatewright_diagnostics::code;
use gatewright_ir::{HeaderMatch, QueryMatch, Shared, ValueMatch};

use super::known::Support::Implemented;
use super::known::{KnownAnnotation, row};
use super::reader::{Found, HIGRESS, Reader};
use crate::finding::{Finding, Place};

/// The rows of the family.
pub(super) const ROWS: &[KnownAnnotation] =
    &[row("match-method", false, Implemented, false, "methods that the routes take")];

/// The annotation with the methods of a route.
pub(crate) const METHODS_KEY: &str = "higress.io/match-method";

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
const TARGETS: [&str; 3] = ["match-pseudo-header", "match-header", "match-query"];
const TESTS: [&str; 3] = ["exact", "regex", "prefix"];

/// The conditions of every route of an Ingress.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    /// The tests.
    pub(crate) tests: Shared<gatewright_ir::Conditions>,
    /// What enters the rule key: the raw method text and the sorted conditions.
    pub(crate) rule_key: String,
}

/// Returns whether a key belongs to the family by its form, whatever its prefix.
pub(crate) fn is_match_key(key: &str) -> bool {
    TARGETS.iter().any(|target| key.contains(target))
}

/// Reads the family.
pub(crate) fn read(reader: &mut Reader<'_>) -> Conditions {
    let (methods, raw_methods) = methods(reader);
    let mut headers: BTreeMap<String, ValueMatch> = BTreeMap::new();
    let mut queries: BTreeMap<String, ValueMatch> = BTreeMap::new();
    let mut parts: Vec<String> = Vec::new();
    for (key, value) in reader.annotations().iter().filter(|(key, _)| is_match_key(key)) {
        let Some((test, target, name)) = split(key) else {
            report_malformed(reader, key);
            continue;
        };
        let test = value_test(reader, key, test, value);
        parts.push(format!("{}={value}", key.trim_start_matches(HIGRESS)));
        let (map, name) = match target {
            "match-query" => (&mut queries, name.to_owned()),
            "match-header" => (&mut headers, name.to_ascii_lowercase()),
            _ => (&mut headers, format!(":{}", name.to_ascii_lowercase())),
        };
        if map.insert(name.clone(), test).is_some() {
            let place = Place::annotation(reader.entity, key);
            reader.findings.push(
                Finding::new(
                    &code::GW0425,
                    place,
                    format!("`{name}` is tested twice, and Higress picks one at random"),
                )
                .with_help("keep one test of each name"),
            );
        }
    }
    parts.sort();
    let tests = gatewright_ir::Conditions {
        methods,
        headers: headers.into_iter().map(|(name, value)| HeaderMatch { name, value }).collect(),
        queries: queries.into_iter().map(|(name, value)| QueryMatch { name, value }).collect(),
    };
    Conditions { tests: tests.into(), rule_key: format!("{raw_methods}|{}", parts.join("|")) }
}

fn methods(reader: &mut Reader<'_>) -> (Vec<String>, String) {
    let Some(found) = reader.higress_string("match-method") else { return (Vec::new(), String::new()) };
    tunnels(reader, &found);
    let mut methods: Vec<String> = Vec::new();
    for word in found.value.split(' ').filter(|word| !word.is_empty()) {
        let method = word.to_ascii_uppercase();
        if !METHODS.contains(&method.as_str()) {
            reader.invalid(
                &found.key,
                format!("`{word}` is not a method that Higress matches; separate methods by spaces"),
            );
        } else if !methods.contains(&method) {
            methods.push(method);
        }
    }
    (methods, found.value)
}

/// Envoy compares no path of a CONNECT: it asks for a tunnel, and routes of an Ingress make none.
fn tunnels(reader: &mut Reader<'_>, found: &Found<String>) {
    let mut words = found.value.split_whitespace().map(str::to_ascii_uppercase);
    let (connect, others): (Vec<String>, Vec<String>) = words.by_ref().partition(|word| word == "CONNECT");
    if connect.is_empty() {
        return;
    }
    let place = Place::annotation_value(reader.entity, &found.key);
    let why = "a CONNECT asks for a tunnel, which no route of an Ingress makes";
    reader.findings.push(match others.iter().any(|word| METHODS.contains(&word.as_str())) {
        true => {
            let message = format!("`CONNECT` in `{}` has no effect: {why}", found.key);
            Finding::new(&code::GW0445, place, message)
        }
        false => {
            let message = format!("no request can match the method `CONNECT` of `{}`: {why}", found.key);
            Finding::new(&code::GW0451, place, message)
        }
    });
}

/// Returns the conditions without the one that a key stands for; none where it stands for none.
pub(crate) fn without(
    conditions: &gatewright_ir::Conditions,
    key: &str,
) -> Option<gatewright_ir::Conditions> {
    let mut rest = conditions.clone();
    if key == METHODS_KEY {
        rest.methods.clear();
        return Some(rest);
    }
    match split(key)? {
        (_, "match-query", name) => rest.queries.retain(|query| query.name != name),
        (_, "match-header", name) => rest.headers.retain(|header| header.name != name.to_ascii_lowercase()),
        (_, _, name) => {
            let name = format!(":{}", name.to_ascii_lowercase());
            rest.headers.retain(|header| header.name != name);
        }
    }
    Some(rest)
}

/// Splits `higress.io/TEST-TARGET-NAME`.
fn split(key: &str) -> Option<(&'static str, &'static str, &str)> {
    let rest = key.strip_prefix(HIGRESS)?;
    let (test, rest) =
        TESTS.iter().find_map(|test| Some((*test, rest.strip_prefix(test)?.strip_prefix('-')?)))?;
    let (target, name) =
        TARGETS.iter().find_map(|target| Some((*target, rest.strip_prefix(target)?.strip_prefix('-')?)))?;
    (!name.is_empty()).then_some((test, target, name))
}

fn value_test(reader: &mut Reader<'_>, key: &str, test: &str, value: &str) -> ValueMatch {
    match test {
        "exact" => ValueMatch::Exact(value.to_owned()),
        "prefix" => ValueMatch::Prefix(value.to_owned()),
        _ if value == "*" => ValueMatch::Present,
        _ => super::regex::test(reader, key, value, value.to_owned()),
    }
}

fn report_malformed(reader: &mut Reader<'_>, key: &str) {
    let place = Place::annotation(reader.entity, key);
    let finding = Finding::new(
        &code::GW0425,
        place,
        format!("`{key}` is not a match condition of the expected form"),
    )
    .with_note(
        "Higress loses other match conditions of the Ingress at random, or crashes, because of this key",
    )
    .with_help("write `higress.io/exact-match-header-NAME` (or prefix, regex; query, pseudo-header)");
    reader.findings.push(finding);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_keys() {
        assert_eq!(split("higress.io/exact-match-header-abc"), Some(("exact", "match-header", "abc")));
        assert_eq!(
            split("higress.io/regex-match-pseudo-header-authority"),
            Some(("regex", "match-pseudo-header", "authority"))
        );
        assert_eq!(split("higress.io/exact-match-header"), None);
        assert_eq!(split("nginx.ingress.kubernetes.io/exact-match-header-x"), None);
    }
}
