//! The code quality report of GitLab: a list that it compares between two runs by fingerprint.

use serde::Serialize;

use super::Report;
use super::fingerprint::fingerprints;
use crate::Severity;

/// Renders the findings as a code quality report.
pub fn gitlab(report: &Report<'_>) -> String {
    let issues: Vec<Issue<'_>> = report
        .diagnostics
        .iter()
        .zip(fingerprints(report.diagnostics))
        .map(|(finding, fingerprint)| Issue {
            description: format!("{} ({})", finding.message, finding.code.id),
            check_name: finding.code.slug,
            fingerprint,
            severity: match finding.severity {
                Severity::Error => "major",
                Severity::Warning => "minor",
                Severity::Info => "info",
            },
            location: Location {
                path: &finding.primary.path,
                lines: Lines { begin: finding.primary.span.start.line.max(1) },
            },
        })
        .collect();
    super::json::pretty(&issues)
}

#[derive(Serialize)]
struct Issue<'a> {
    description: String,
    check_name: &'a str,
    fingerprint: String,
    severity: &'a str,
    location: Location<'a>,
}

#[derive(Serialize)]
struct Location<'a> {
    path: &'a str,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: usize,
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;

    #[test]
    fn shows_each_finding_with_its_fingerprint() {
        gatewright_testkit::assert_golden("diagnostics/gitlab.json", &examples::render(gitlab));
    }

    #[test]
    fn a_clean_run_is_an_empty_list() {
        assert_eq!(gitlab(&examples::report(&[])), "[]\n");
    }
}
