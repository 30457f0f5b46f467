//! SARIF 2.1.0, the exchange format of code scanning. Only the part of it that has something to say here.

use std::collections::BTreeMap;
use std::io;

use serde::{Serialize, Serializer};

use super::Report;
use super::fingerprint::fingerprints;
use crate::{Code, Diagnostic, Fix, Label, Severity, Span};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
const HOME: &str = "https://github.com/gatewright/gatewright";

/// Writes the findings as a SARIF log with one run. Rules carry the pages of their codes.
///
/// # Errors
/// Those of the writer.
pub fn sarif(report: &Report<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    let mut rules: BTreeMap<&str, &'static Code> = BTreeMap::new();
    for finding in report.diagnostics {
        rules.insert(finding.code.id, finding.code);
    }
    let index: BTreeMap<&str, usize> = rules.keys().enumerate().map(|(index, id)| (*id, index)).collect();
    let results = Results { diagnostics: report.diagnostics, index };
    let driver = Driver {
        name: "gatewright",
        semantic_version: report.version,
        information_uri: HOME,
        rules: rules.into_values().map(Rule::of).collect(),
    };
    let run = Run { tool: Tool { driver }, column_kind: "unicodeCodePoints", results };
    super::json::pretty(&Log { schema: SCHEMA, version: "2.1.0", runs: [run] }, out)
}

#[derive(Serialize)]
struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'a str,
    version: &'a str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Tool<'a>,
    column_kind: &'a str,
    results: Results<'a>,
}

/// The results, made one by one while they are written.
struct Results<'a> {
    diagnostics: &'a [Diagnostic],
    /// Places of codes in the list of rules.
    index: BTreeMap<&'a str, usize>,
}

impl Serialize for Results<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let found = self.diagnostics.iter().zip(fingerprints(self.diagnostics));
        serializer.collect_seq(
            found.map(|(finding, fingerprint)| {
                SarifResult::of(finding, self.index[finding.code.id], fingerprint)
            }),
        )
    }
}

#[derive(Serialize)]
struct Tool<'a> {
    driver: Driver<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver<'a> {
    name: &'a str,
    semantic_version: &'a str,
    information_uri: &'a str,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: &'static str,
    name: &'static str,
    short_description: Text<'static>,
    help: Help,
    default_configuration: Configuration,
}

impl Rule {
    fn of(code: &'static Code) -> Self {
        Rule {
            id: code.id,
            name: code.slug,
            short_description: Text { text: code.summary },
            help: Help { text: code.page, markdown: code.page },
            default_configuration: Configuration { level: level(code.severity) },
        }
    }
}

#[derive(Serialize)]
struct Help {
    text: &'static str,
    markdown: &'static str,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
struct Text<'a> {
    text: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult<'a> {
    rule_id: &'a str,
    rule_index: usize,
    level: &'a str,
    message: Message,
    locations: [Location<'a>; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_locations: Vec<Location<'a>>,
    partial_fingerprints: Fingerprints,
    #[serde(skip_serializing_if = "Option::is_none")]
    occurrence_count: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fixes: Vec<SarifFix<'a>>,
}

impl<'a> SarifResult<'a> {
    fn of(finding: &'a Diagnostic, rule_index: usize, fingerprint: String) -> Self {
        let mut location = Location::of(&finding.primary);
        location.message = None;
        location.logical_locations =
            finding.entity.iter().map(|name| LogicalLocation { name, kind: "resource" }).collect();
        SarifResult {
            rule_id: finding.code.id,
            rule_index,
            level: level(finding.severity),
            message: Message { text: message(finding) },
            locations: [location],
            related_locations: finding.related.iter().map(Location::of).collect(),
            partial_fingerprints: Fingerprints { gatewright: fingerprint },
            occurrence_count: (finding.count > 1).then_some(finding.count),
            fixes: finding.fix.iter().map(|fix| SarifFix::of(finding, fix)).collect(),
        }
    }
}

#[derive(Serialize)]
struct Message {
    text: String,
}

#[derive(Serialize)]
struct Fingerprints {
    #[serde(rename = "gatewright/v1")]
    gatewright: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location<'a> {
    physical_location: PhysicalLocation,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logical_locations: Vec<LogicalLocation<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Text<'a>>,
}

impl<'a> Location<'a> {
    fn of(label: &'a Label) -> Self {
        Location {
            physical_location: PhysicalLocation {
                artifact_location: ArtifactLocation { uri: uri(&label.path) },
                region: Region::of(&label.span),
            },
            logical_locations: Vec::new(),
            message: (!label.text.is_empty()).then_some(Text { text: &label.text }),
        }
    }
}

#[derive(Serialize)]
struct LogicalLocation<'a> {
    #[serde(rename = "fullyQualifiedName")]
    name: &'a str,
    kind: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
}

#[derive(Serialize)]
struct ArtifactLocation {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    start_column: usize,
    end_line: usize,
    end_column: usize,
}

impl Region {
    /// Returns nothing for a remark about a whole file.
    fn of(span: &Span) -> Option<Self> {
        (span.start.line > 0).then_some(Region {
            start_line: span.start.line,
            start_column: span.start.column,
            end_line: span.end.line,
            end_column: span.end.column,
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifFix<'a> {
    description: Text<'a>,
    artifact_changes: [ArtifactChange<'a>; 1],
}

impl<'a> SarifFix<'a> {
    fn of(finding: &'a Diagnostic, fix: &'a Fix) -> Self {
        let replacements = Region::of(&fix.span)
            .map(|deleted_region| Replacement {
                deleted_region,
                inserted_content: Text { text: &fix.replacement },
            })
            .into_iter()
            .collect();
        SarifFix {
            description: Text { text: finding.help.as_deref().unwrap_or("replace it") },
            artifact_changes: [ArtifactChange {
                artifact_location: ArtifactLocation { uri: uri(&finding.primary.path) },
                replacements,
            }],
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactChange<'a> {
    artifact_location: ArtifactLocation,
    replacements: Vec<Replacement<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replacement<'a> {
    deleted_region: Region,
    inserted_content: Text<'a>,
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn message(finding: &Diagnostic) -> String {
    let notes = finding.notes.iter().map(|note| format!("\nnote: {note}"));
    let help = finding.help.iter().map(|help| format!("\nhelp: {help}"));
    // Readers of SARIF make links of `[text](address)`, with which a name could lead people anywhere.
    notes.chain(help).fold(finding.message.clone(), |text, line| text + &line).replace("](", "\\](")
}

/// Percent-encodes everything that is not a path character of a URI (RFC 3986, unreserved and `/`).
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::{examples, in_memory};
    use super::*;

    #[test]
    fn shows_rules_results_and_fixes() {
        // Pages are long and change for reasons of their own.
        let without_pages = examples::findings().iter().fold(examples::render(sarif), |text, finding| {
            let page = serde_json::to_string(finding.code.page).expect("text");
            text.replace(&page, &format!("\"the page of {}\"", finding.code.id))
        });
        gatewright_testkit::assert_golden("diagnostics/sarif.json", &without_pages);
    }

    #[test]
    fn a_clean_run_has_neither_rules_nor_results() {
        let log: serde_json::Value =
            serde_json::from_str(&in_memory(|out| sarif(&examples::report(&[]), out))).unwrap();
        assert_eq!(log["runs"][0]["results"], serde_json::json!([]));
        assert_eq!(log["runs"][0]["tool"]["driver"]["rules"], serde_json::json!([]));
    }

    #[test]
    fn paths_become_relative_references() {
        assert_eq!(uri("shop/web ä#1.yaml"), "shop/web%20%C3%A4%231.yaml");
        assert_eq!(uri("a:b.yaml"), "a%3Ab.yaml");
    }
}
