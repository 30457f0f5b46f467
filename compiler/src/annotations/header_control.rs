//! The header control family: `NAME VALUE` lines and comma lists.

use std::collections::{BTreeMap, BTreeSet};

use gatewright_diagnostics::code;
use gatewright_ir::{HeaderEdits, SharedEdits};

use super::known::Support::Implemented;
use super::known::{KnownAnnotation, row};
use super::reader::{HIGRESS, Reader};
use crate::finding::{Finding, Place, Within};

/// The rows of the family.
pub(super) const ROWS: &[KnownAnnotation] = &[
    row("request-header-control-add", false, Implemented, false, "adds request headers"),
    row("request-header-control-update", false, Implemented, false, "sets request headers"),
    row("request-header-control-remove", false, Implemented, false, "removes request headers"),
    row("response-header-control-add", false, Implemented, false, "adds response headers"),
    row("response-header-control-update", false, Implemented, false, "sets response headers"),
    row("response-header-control-remove", false, Implemented, false, "removes response headers"),
];

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

/// Reports lines about the host of a request, which `upstream-vhost` decides.
pub(super) fn host_loses(reader: &mut Reader<'_>) {
    for verb in ["add", "update"] {
        let key = format!("{HIGRESS}request-header-control-{verb}");
        for (line, written) in reader.lines(&key) {
            let Some((name, _)) = pair(line) else { continue };
            if ["host", ":authority"].contains(&name.as_str()) {
                let place = Place::annotation_value(reader.entity, &key).within(written);
                let why = "`upstream-vhost` takes precedence";
                super::dependent::unreachable_header(reader, &key, &name, why, place);
            }
        }
    }
}

fn edits(reader: &mut Reader<'_>, family: &str) -> HeaderEdits {
    let mut edits = HeaderEdits::default();
    let mut names = Names::default();
    for (verb, map) in [("add", &mut edits.add), ("update", &mut edits.set)] {
        let Some(found) = reader.higress_string(&format!("{family}-{verb}")) else { continue };
        for (line, written) in reader.lines(&found.key) {
            let pair = pair(line);
            if let Some((name, _)) = &pair {
                let place = Place::annotation_value(reader.entity, &found.key).within(written);
                names.written(reader, &found.key, name, place);
            }
            match pair {
                // Of the host Istio makes a rewrite, whose text is literal.
                Some((name, value)) if name == "host" || name.starts_with(':') => {
                    map.insert(name, value);
                }
                Some((name, value)) => match literal(&value) {
                    Ok(value) => {
                        map.insert(name, value);
                    }
                    Err(why) => {
                        let place = Place::annotation_value(reader.entity, &found.key).within(written);
                        reader.findings.push(unusable(place, &name, &value, &why));
                    }
                },
                None => {
                    let place = Place::annotation_value(reader.entity, &found.key).within(written);
                    let message = format!("`{line}` has no value and is skipped; write `NAME VALUE`");
                    reader.findings.push(Finding::new(&code::GW0418, place, message));
                }
            }
        }
    }
    if let Some(found) = reader.higress_string(&format!("{family}-remove")) {
        edits.remove = found.value.split(',').map(removed).filter(|name| !name.is_empty()).collect();
        if edits.remove.is_empty() {
            reader.invalid(&found.key, format!("`{}` names no header", found.key));
        }
        names.removed(reader, &found.key, &edits);
    }
    report_invalid_names(reader, family, &mut edits);
    edits
}

/// The names that the annotations of one family edit.
#[derive(Default)]
struct Names {
    seen: BTreeSet<(String, String)>,
}

impl Names {
    /// Notes a line; a second one of the same name replaces the first.
    fn written(&mut self, reader: &mut Reader<'_>, key: &str, name: &str, place: Place) {
        let request = key.contains("request-header");
        if (name == "host" || name.starts_with(':')) && !(request && ["host", ":authority"].contains(&name)) {
            let why = "Istio leaves out the host and names with `:`";
            super::dependent::unreachable_header(reader, key, name, why, place.clone());
        }
        if !self.seen.insert((key.to_owned(), name.to_owned())) {
            let message = format!("`{name}` stands twice in `{key}`: Higress takes the last line alone");
            let finding = Finding::new(&code::GW0447, place, message)
                .with_help("write all values in one line, separated by commas, where the header allows it");
            reader.findings.push(finding);
        }
    }

    /// Reports removals that come before a line which writes the header again.
    fn removed(&self, reader: &mut Reader<'_>, key: &str, edits: &HeaderEdits) {
        for name in &edits.remove {
            let why = if name == "host" || name.starts_with(':') {
                "Istio leaves out the host and names with `:`"
            } else if edits.set.contains_key(name) {
                "`update` sets the header after it was removed"
            } else {
                continue;
            };
            let place = Place::annotation_value(reader.entity, key);
            super::dependent::unreachable_header(reader, key, name, why, place);
        }
    }
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
    let places = if bad.is_empty() { BTreeMap::new() } else { places(reader, family) };
    for name in bad {
        // A name that is in no line is the item of a list of removals which goes over several.
        let written = places.get(&name);
        let key = written.map_or_else(|| format!("{HIGRESS}{family}-remove"), |(key, _)| key.clone());
        let place = Place::annotation_value(reader.entity, &key);
        let place = Place { within: written.map(|(_, place)| *place), ..place };
        let message = format!("`{name}` is not a header name and is skipped");
        reader.findings.push(Finding::new(&code::GW0403, place, message));
    }
}

/// Returns where a family names its headers: the annotation and the line that has a name first.
fn places(reader: &Reader<'_>, family: &str) -> BTreeMap<String, (String, Within)> {
    let mut places = BTreeMap::new();
    for verb in ["add", "update", "remove"] {
        let key = format!("{HIGRESS}{family}-{verb}");
        for (line, place) in reader.lines(&key) {
            let names: Vec<String> = match verb {
                "remove" => line.split(',').map(removed).collect(),
                _ => pair(line).map(|(name, _)| name).into_iter().collect(),
            };
            for name in names {
                places.entry(name).or_insert_with(|| (key.clone(), place));
            }
        }
    }
    places
}

/// Returns the header that an item of a list of removals names.
fn removed(item: &str) -> String {
    unquote(item.trim()).to_ascii_lowercase()
}

/// Why a value is no text that a header can be given.
#[derive(Debug, PartialEq, Eq)]
enum NotLiteral {
    /// A well-formed command of Envoy's formatter.
    Command(String),
    /// A percent sign that opens no command.
    LonePercent,
    /// A character that no header may hold.
    Character,
}

/// Returns what Envoy's formatter makes of a value: Higress hands it over as it is, and `%%` is one percent sign.
fn literal(value: &str) -> Result<String, NotLiteral> {
    if value.chars().any(|c| c.is_ascii_control() && c != '\t') {
        return Err(NotLiteral::Character);
    }
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        out.push('%');
        rest = match after.strip_prefix('%') {
            Some(rest) => rest,
            None => {
                return Err(command(after)
                    .map_or(NotLiteral::LonePercent, |command| NotLiteral::Command(format!("%{command}%"))));
            }
        };
    }
    out.push_str(rest);
    Ok(out)
}

/// Returns the command, `NAME`, `NAME(ARGUMENTS)` or either with `:LENGTH`, that a text opens with before a percent sign.
fn command(text: &str) -> Option<&str> {
    let name = text.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))?;
    let mut end = name;
    if text[end..].starts_with('(') {
        end += text[end..].find(')')? + 1;
    }
    if let Some(length) = text[end..].strip_prefix(':') {
        end += 1 + length.bytes().take_while(u8::is_ascii_digit).count();
    }
    (name > 0 && text[end..].starts_with('%')).then(|| &text[..end])
}

fn unusable(place: Place, name: &str, value: &str, why: &NotLiteral) -> Finding {
    match why {
        NotLiteral::Command(command) => {
            let message = format!(
                "`{command}` is a command of Envoy, and those are not carried out yet: `{name}` stays as it is"
            );
            Finding::new(&code::GW0428, place, message)
        }
        NotLiteral::LonePercent => {
            let value =
                if gatewright_secrets::is_secret_name(name) { gatewright_secrets::HIDDEN } else { value };
            let message =
                format!("Envoy refuses the value `{value}` of `{name}` because of its percent sign");
            Finding::new(&code::GW0419, place, message).with_help("write `%%` for a percent sign")
        }
        NotLiteral::Character => {
            let message =
                format!("the value of `{name}` holds a control character, which no header may hold");
            Finding::new(&code::GW0419, place, message)
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

    #[test]
    fn percent_signs_are_the_syntax_of_envoys_formatter() {
        assert_eq!(literal("100%% sure%%"), Ok("100% sure%".into()));
        assert_eq!(literal("plain\ttext"), Ok("plain\ttext".into()));
        for lone in ["100%", "%", "a%b", "%lower%", "%PROTOCOL", "%REQ(x", "%%%", "% %", "%()%"] {
            assert_eq!(literal(lone), Err(NotLiteral::LonePercent), "{lone}");
        }
        for command in ["%PROTOCOL%", "%REQ(:path)%", "%REQ(X?Y):10%", "%START_TIME(%s)%", "%BYTES_SENT:3%"] {
            assert_eq!(literal(&format!("a {command} b")), Err(NotLiteral::Command(command.into())));
        }
        assert_eq!(literal("a\u{1}"), Err(NotLiteral::Character));
    }
}
