//! JUnit: every file is a test that fails when a finding in it makes the run fail.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::Report;
use crate::Diagnostic;
use crate::outlet::visible;

/// Writes the findings as a JUnit document. Findings too mild to fail the run are the output of a test that passes.
///
/// # Errors
/// Those of the writer.
pub fn junit(report: &Report<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    let mut by_file: BTreeMap<&str, Vec<&Diagnostic>> =
        report.files.iter().map(|file| (file.as_str(), Vec::new())).collect();
    for finding in report.diagnostics {
        by_file.entry(&finding.primary.path).or_default().push(finding);
    }
    let mut suite = TestSuite::new("validate");
    for (file, findings) in by_file {
        suite.add_test_case(test_case(report, file, &findings));
    }
    let mut document = quick_junit::Report::new("gatewright");
    document.add_test_suite(suite);
    // In one piece: its writer wraps errors, so that it could not be told that a reader has gone away.
    out.write_all(document.to_string().expect("XML written to memory").as_bytes())
}

fn test_case(report: &Report<'_>, file: &str, findings: &[&Diagnostic]) -> TestCase {
    let failing: Vec<&&Diagnostic> =
        findings.iter().filter(|finding| finding.severity <= report.fail_on).collect();
    let name = visible(file).into_owned();
    let mut case = match failing.first() {
        None => TestCase::new(name, TestCaseStatus::success()),
        Some(first) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let more = match failing.len() - 1 {
                0 => String::new(),
                others => format!(" (and {others} more)"),
            };
            status.set_type(first.code.id);
            status.set_message(format!("{}{more}", visible(&first.message)));
            status.set_description(lines(failing.iter().map(|finding| **finding)));
            TestCase::new(name, status)
        }
    };
    case.set_classname("gatewright.validate");
    let mild: Vec<&Diagnostic> =
        findings.iter().copied().filter(|finding| finding.severity > report.fail_on).collect();
    if !mild.is_empty() {
        case.set_system_out(lines(mild.into_iter()));
    }
    case
}

fn lines<'a>(findings: impl Iterator<Item = &'a Diagnostic>) -> String {
    let mut out = String::new();
    for finding in findings {
        let place = finding.primary.span.start;
        let (severity, code) = (finding.severity.as_str(), finding.code.id);
        writeln!(out, "{}:{}: {severity}[{code}]: {}", place.line, place.column, visible(&finding.message))
            .expect("writing to a string");
        if let Some(help) = &finding.help {
            writeln!(out, "  help: {}", visible(help)).expect("writing to a string");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::{examples, in_memory};
    use super::*;
    use crate::Severity;

    #[test]
    fn a_file_is_a_test() {
        gatewright_testkit::assert_golden("diagnostics/junit.xml", &examples::render(junit));
    }

    #[test]
    fn warnings_fail_when_the_run_fails_on_them() {
        let diagnostics = examples::findings();
        let strict = Report { fail_on: Severity::Warning, ..examples::report(&diagnostics) };
        let strict = in_memory(|out| junit(&strict, out));
        assert!(strict.contains(r#"failures="2""#), "{strict}");
        let usual = in_memory(|out| junit(&examples::report(&diagnostics), out));
        assert!(usual.contains(r#"failures="1""#), "{usual}");
    }
}
