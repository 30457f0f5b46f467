//! The code quality report of GitLab: a list that it compares between two runs by fingerprint.

use std::io;

use serde::{Serialize, Serializer};

use super::Report;
use super::fingerprint::fingerprints;
use crate::{Diagnostic, Severity};

/// Writes the findings as a code quality report.
///
/// # Errors
/// Those of the writer.
pub fn gitlab(report: &Report<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    super::json::pretty(&Issues(report.diagnostics), out)
}

/// The report, made issue by issue while it is written.
struct Issues<'a>(&'a [Diagnostic]);

impl Serialize for Issues<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let found = self.0.iter().zip(fingerprints(self.0));
        serializer.collect_seq(found.map(|(finding, fingerprint)| Issue::of(finding, fingerprint)))
    }
}

impl<'a> Issue<'a> {
    fn of(finding: &'a Diagnostic, fingerprint: String) -> Self {
        Issue {
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
        }
    }
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
    use super::super::{examples, in_memory};
    use super::*;

    #[test]
    fn shows_each_finding_with_its_fingerprint() {
        gatewright_testkit::assert_golden("diagnostics/gitlab.json", &examples::render(gitlab));
    }

    #[test]
    fn a_clean_run_is_an_empty_list() {
        assert_eq!(in_memory(|out| gitlab(&examples::report(&[]), out)), "[]\n");
    }
}
