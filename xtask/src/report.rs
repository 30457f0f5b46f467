//! The table of steps and the last line of a test run.

use std::fmt;
use std::ops::AddAssign;
use std::time::{Duration, Instant};

use anyhow::Result;

/// How many tests or checks ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Counts {
    pub(crate) const PASSED: Self = Self { passed: 1, failed: 0, skipped: 0 };
    pub(crate) const FAILED: Self = Self { passed: 0, failed: 1, skipped: 0 };
    pub(crate) const SKIPPED: Self = Self { passed: 0, failed: 0, skipped: 1 };
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// What one step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StepResult {
    pub(crate) counts: Counts,
    /// Why it failed or was skipped, or what it leaves to say.
    pub(crate) note: Option<String>,
}

impl StepResult {
    /// A step that is one check, and is fine.
    pub(crate) fn passed() -> Self {
        Self { counts: Counts::PASSED, note: None }
    }

    /// A step that is one check, and fails.
    pub(crate) fn failed(reason: impl Into<String>) -> Self {
        Self { counts: Counts::FAILED, note: Some(reason.into()) }
    }

    /// A step that could not run here.
    pub(crate) fn skipped(reason: impl Into<String>) -> Self {
        Self { counts: Counts::SKIPPED, note: Some(reason.into()) }
    }
}

/// Steps of one run, in order.
#[derive(Default)]
pub(crate) struct Report {
    steps: Vec<(String, Duration, StepResult)>,
}

impl Report {
    /// Runs one step; an error of it is a failure of the step and the run goes on.
    pub(crate) fn step(&mut self, name: &str, step: impl FnOnce() -> Result<StepResult>) -> Counts {
        println!("\n=== {name}");
        let began = Instant::now();
        let outcome = step().unwrap_or_else(|error| StepResult::failed(format!("{error:#}")));
        if let Some(note) = &outcome.note {
            println!("{name}: {note}");
        }
        let counts = outcome.counts;
        self.steps.push((name.to_owned(), began.elapsed(), outcome));
        counts
    }

    /// Returns the sum over all steps.
    pub(crate) fn total(&self) -> Counts {
        let mut total = Counts::default();
        for (_, _, outcome) in &self.steps {
            total += outcome.counts;
        }
        total
    }

    /// Renders the table, the notes and the last line.
    pub(crate) fn render(&self) -> String {
        let width = self.steps.iter().map(|(name, ..)| name.len()).max().unwrap_or(0).max(4);
        let mut out =
            format!("{:<width$} {:>8} {:>7} {:>7} {:>8}\n", "step", "seconds", "passed", "failed", "skipped");
        for (name, time, StepResult { counts: Counts { passed, failed, skipped }, .. }) in &self.steps {
            let seconds = time.as_secs_f64();
            out.push_str(&format!("{name:<width$} {seconds:>8.1} {passed:>7} {failed:>7} {skipped:>8}\n"));
        }
        for (name, _, outcome) in &self.steps {
            if let Some(note) = &outcome.note {
                out.push_str(&format!("{name}: {note}\n"));
            }
        }
        out.push_str(&format!("{}\n", self.total()));
        out
    }
}

/// Sums the `test result:` lines that test binaries print.
pub(crate) fn test_results(lines: &[String]) -> Counts {
    let mut total = Counts::default();
    for line in lines.iter().filter_map(|line| line.strip_prefix("test result:")) {
        let number = |word: &str| {
            let before = line.split(word).next()?;
            before.split_whitespace().next_back()?.parse::<usize>().ok()
        };
        total += Counts {
            passed: number(" passed").unwrap_or(0),
            failed: number(" failed").unwrap_or(0),
            skipped: number(" ignored").unwrap_or(0),
        };
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_test_binaries() {
        let lines = [
            "running 3 tests",
            "test result: ok. 12 passed; 0 failed; 3 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 4 filtered out; finished in 9.00s",
        ]
        .map(str::to_owned);
        assert_eq!(test_results(&lines), Counts { passed: 13, failed: 2, skipped: 3 });
    }

    #[test]
    fn an_error_is_a_failed_step_and_the_last_line_is_the_sum() {
        let mut report = Report::default();
        report.step("one", || Ok(StepResult::passed()));
        report.step("two", || anyhow::bail!("no disk"));
        report.step("three", || Ok(StepResult::skipped("no Envoy")));
        let text = report.render();
        assert!(text.ends_with("two: no disk\nthree: no Envoy\n1 passed, 1 failed, 1 skipped\n"), "{text}");
    }
}
