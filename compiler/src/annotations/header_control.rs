//! The header control family: `NAME VALUE` lines and comma lists.

use gatewright_diagnostics::code;
use gatewright_ir::{HeaderEdits, SharedEdits};

use super::reader::{HIGRESS, Reader};
use crate::finding::{Finding, Place};

/// Edits of requests and responses, and the host that a request edit of `host` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeaderControl {
    pub(crate) request: SharedEdits,
    pub(crate) response: SharedEdits,
    /// `host` or `:authority` of the request edits, which Istio turns into a host rewrite (update beats add).
    pub(crate) host: Option<String>,
}

/// Reads the family.
pub(crate) fn read(reader: &mut Reader<'_>) -> HeaderControl {
    let mut request = edits(reader, "request-header-control");
    let mut response = edits(reader, "response-header-control");
    let host = [&request.set, &request.add]
        .into_iter()
        .find_map(|map| map.get("host").or_else(|| map.get(":authority")).cloned());
    for map in [&mut request.set, &mut request.add, &mut response.set, &mut response.add] {
        map.retain(|name, _| name != "host" && !name.starts_with(':'));
    }
    for list in [&mut request.remove, &mut response.remove] {
        list.retain(|name| name != "host" && !name.starts_with(':'));
    }
    HeaderControl { request: request.into(), response: response.into(), host }
}

fn edits(reader: &mut Reader<'_>, family: &str) -> HeaderEdits {
    let mut edits = HeaderEdits::default();
    for (verb, map) in [("add", &mut edits.add), ("update", &mut edits.set)] {
        let Some(found) = reader.higress_string(&format!("{family}-{verb}")) else { continue };
        for line in found.value.lines().filter(|line| !line.trim().is_empty()) {
            match pair(line) {
                Some((name, value)) => {
                    map.insert(name, value);
                }
                None => {
                    let place = Place::annotation_value(reader.entity, &found.key);
                    let message = format!("`{line}` has no value and is skipped; write `NAME VALUE`");
                    reader.findings.push(Finding::new(&code::GW0418, place, message));
                }
            }
        }
    }
    if let Some(found) = reader.higress_string(&format!("{family}-remove")) {
        edits.remove = found
            .value
            .split(',')
            .map(|name| unquote(name.trim()).to_ascii_lowercase())
            .filter(|name| !name.is_empty())
            .collect();
    }
    report_invalid_names(reader, family, &mut edits);
    edits
}

/// Drops names that no HTTP header can have; Envoy would reject the host because of one.
fn report_invalid_names(reader: &mut Reader<'_>, family: &str, edits: &mut HeaderEdits) {
    let valid = |name: &str| {
        !name.is_empty()
            && name
                .strip_prefix(':')
                .unwrap_or(name)
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    let mut bad: Vec<String> = Vec::new();
    edits.add.retain(|name, _| {
        valid(name) || {
            bad.push(name.clone());
            false
        }
    });
    edits.set.retain(|name, _| {
        valid(name) || {
            bad.push(name.clone());
            false
        }
    });
    edits.remove.retain(|name| {
        valid(name) || {
            bad.push(name.clone());
            false
        }
    });
    for name in bad {
        let key = ["add", "update", "remove"]
            .map(|verb| format!("{HIGRESS}{family}-{verb}"))
            .into_iter()
            .find(|key| {
                reader.annotations().get(key).is_some_and(|text| text.to_ascii_lowercase().contains(&name))
            });
        if let Some(key) = key {
            reader.invalid(&key, format!("`{name}` is not a header name and is skipped"));
        }
    }
}

/// Splits at the first white space; quotes around name and value are dropped.
fn pair(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let (name, value) = line.split_once(char::is_whitespace)?;
    let value = unquote(value.trim());
    (!value.is_empty()).then(|| (unquote(name).to_ascii_lowercase(), value.to_owned()))
}

fn unquote(text: &str) -> &str {
    text.trim_matches(['"', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_the_first_space_and_strips_quotes() {
        assert_eq!(
            pair("x-test \"higress; test=true\""),
            Some(("x-test".into(), "higress; test=true".into()))
        );
        assert_eq!(pair("'X-A'   b c"), Some(("x-a".into(), "b c".into())));
        assert_eq!(pair("lonely"), None);
    }
}
