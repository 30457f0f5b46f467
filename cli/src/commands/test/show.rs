//! Results for people and for CI.

use anstyle::{AnsiColor, Style};
use gatewright_diagnostics::outlet::visible;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::check::Failure;
use super::file::RouteTest;
use super::{Case, Suite};
use crate::commands::trace::Report;
use crate::errors::CliError;

/// Says in lines what does not hold, and how to look closer.
pub(super) fn failure(failures: &[Failure], test: &RouteTest, report: &Report) -> String {
    let mut out = String::new();
    for failure in failures {
        out.push_str(&format!("{}: expected {}\n", visible(&failure.what), visible(&failure.expected)));
        out.push_str(&format!(
            "{}  found {}\n",
            " ".repeat(visible(&failure.what).chars().count()),
            visible(&failure.found)
        ));
    }
    if let Some(matched) = &report.matched {
        let place = matched.location.iter().map(|location| format!(" ({location})")).collect::<String>();
        out.push_str(&format!("decided by {}\n", visible(&format!("{}{place}", matched.name))));
    }
    out.push_str(&format!("request {}", visible(&test.request.shown())));
    out
}

/// Renders results for a terminal.
pub(super) fn text(suites: &[Suite], color: bool) -> String {
    let paint =
        |style: Style, text: &str| if color { format!("{style}{text}{style:#}") } else { text.to_owned() };
    let mut out = String::new();
    for suite in suites.iter().filter(|suite| !suite.cases.is_empty()) {
        out.push_str(&format!("{}\n", paint(Style::new().bold(), &visible(&suite.name))));
        for case in &suite.cases {
            let Some(failure) = &case.failure else {
                out.push_str(&format!(
                    "  {}    {}\n",
                    paint(AnsiColor::Green.on_default(), "ok"),
                    visible(&case.name)
                ));
                continue;
            };
            let place = case.place.iter().map(|place| format!("  {place}")).collect::<String>();
            let place = paint(Style::new().dimmed(), &visible(&place));
            out.push_str(&format!(
                "  {}  {}{place}\n",
                paint(AnsiColor::Red.on_default().bold(), "FAIL"),
                visible(&case.name)
            ));
            out.extend(failure.lines().map(|line| format!("        {}\n", visible(line))));
        }
    }
    let cases = || suites.iter().flat_map(|suite| &suite.cases);
    let failed = cases().filter(|case| case.failure.is_some()).count();
    out.push_str(&format!("\n{} passed, {failed} failed\n", cases().count() - failed));
    out
}

/// Renders results as JUnit XML.
pub(super) fn junit(suites: &[Suite]) -> Result<String, CliError> {
    let mut report = quick_junit::Report::new("gatewright test");
    for suite in suites.iter().filter(|suite| !suite.cases.is_empty()) {
        let mut rendered = TestSuite::new(&*visible(&suite.name));
        rendered.add_test_cases(suite.cases.iter().map(case));
        report.add_test_suite(rendered);
    }
    report.to_string().map_err(|error| CliError::bug(format!("JUnit output: {error}")))
}

fn case(case: &Case) -> TestCase {
    let status = match &case.failure {
        None => TestCaseStatus::success(),
        Some(failure) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let lines: Vec<String> = failure.lines().map(|line| visible(line).into_owned()).collect();
            status.set_message(lines.first().map(String::as_str).unwrap_or_default());
            status.set_description(lines.join("\n"));
            status
        }
    };
    let mut rendered = TestCase::new(&*visible(&case.name), status);
    rendered.set_time(case.time);
    if let Some(place) = &case.place {
        rendered.set_classname(&*visible(place));
    }
    rendered
}
