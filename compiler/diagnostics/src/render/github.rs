//! Workflow commands of GitHub Actions: one line per finding, shown beside the changed lines of a pull request.

use std::fmt::Write as _;
use std::io;

use super::Report;
use crate::outlet::github::{data, property};
use crate::outlet::visible;
use crate::{Diagnostic, Severity};

/// Writes the findings as workflow commands.
///
/// # Errors
/// Those of the writer.
pub fn github(report: &Report<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    for finding in report.diagnostics {
        let command = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "notice",
        };
        let properties = properties(finding);
        writeln!(out, "::{command} {properties}::{}", data(&message(finding)))?;
    }
    Ok(())
}

fn properties(finding: &Diagnostic) -> String {
    let (start, end) = (finding.primary.span.start, finding.primary.span.end);
    let mut out = format!("file={}", property(&finding.primary.path));
    if start.line > 0 {
        write!(out, ",line={},endLine={}", start.line, end.line.max(start.line))
            .expect("writing to a string");
    }
    // Columns are understood only for places that stay in one line.
    if start.line > 0 && start.line == end.line {
        write!(out, ",col={},endColumn={}", start.column, end.column.max(start.column))
            .expect("writing to a string");
    }
    let title = format!("{} {}", finding.code.id, finding.code.slug);
    out + ",title=" + &property(&title)
}

fn message(finding: &Diagnostic) -> String {
    let mut out = visible(&finding.message).into_owned();
    for label in &finding.related {
        let text = if label.text.is_empty() { "see also" } else { &label.text };
        write!(out, "\n{}: {}:{}", visible(text), visible(&label.path), label.span.start.line)
            .expect("writing to a string");
    }
    for note in &finding.notes {
        write!(out, "\nnote: {}", visible(note)).expect("writing to a string");
    }
    if let Some(help) = &finding.help {
        write!(out, "\nhelp: {}", visible(help)).expect("writing to a string");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::{examples, in_memory};
    use super::*;

    #[test]
    fn shows_each_finding_on_one_line() {
        gatewright_testkit::assert_golden("diagnostics/github.txt", &examples::render(github));
    }

    #[test]
    fn nothing_a_user_wrote_ends_the_command() {
        let mut diagnostics = examples::findings();
        diagnostics.retain(|finding| finding.severity == Severity::Error);
        diagnostics[0].primary.path = "a,b:c%\n::error::d.yaml".into();
        diagnostics[0].message = "50%\r\n::error::forged\u{1b}[m".into();
        let out = in_memory(|out| github(&examples::report(&diagnostics), out));
        assert_eq!(out.lines().count(), 1);
        assert!(out.starts_with("::error file=a%2Cb%3Ac%25%0A%3A%3Aerror%3A%3Ad.yaml,line="), "{out}");
        assert!(out.contains(r"::50%25\r\n::error::forged\x1b[m"), "{out}");
    }
}
