//! The forms in which findings are shown: for a person, for programs, and for the machines that annotate changes.
//!
//! Every form is a pure function of a [`Report`]: equal reports give equal bytes. Paths are written as they stand in
//! the findings; who wants them relative to something else changes them before. Forms are written piece by piece: a report
//! may have more findings than anybody wants to hold as one text. The only errors are those of the writer.

mod excerpt;
mod fingerprint;
mod github;
mod gitlab;
mod json;
mod junit;
mod sarif;
mod source_text;
mod text;

pub use github::github;
pub use gitlab::gitlab;
pub use json::{FORMAT, json};
pub use junit::junit;
pub use sarif::sarif;
pub use text::{TextOptions, text};

use std::fmt;
use std::fmt::Write as _;
use std::io;

use crate::{Diagnostic, Severity};

/// Returns a form as one text: `in_memory(|out| json(&report, out))`.
pub fn in_memory(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).expect("memory takes every byte");
    String::from_utf8(out).expect("every form is text")
}

/// What one run found.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The findings, ordered by [`crate::sort`].
    pub diagnostics: &'a [Diagnostic],
    /// Paths of all files that were looked at, sorted, written like those of the findings.
    pub files: &'a [String],
    /// How many of them hold no manifest and were passed over.
    pub passed_over: usize,
    /// Version of the program.
    pub version: &'a str,
    /// The mildest severity that makes the run fail.
    pub fail_on: Severity,
}

impl Report<'_> {
    /// Counts the findings.
    pub fn counts(&self) -> Counts {
        let of = |severity| self.diagnostics.iter().filter(|finding| finding.severity == severity).count();
        Counts {
            errors: of(Severity::Error),
            warnings: of(Severity::Warning),
            infos: of(Severity::Info),
            files: self.files.len(),
            passed_over: self.passed_over,
        }
    }

    /// Returns whether a finding is severe enough to make the run fail.
    pub fn fails(&self) -> bool {
        self.diagnostics.iter().any(|finding| finding.severity <= self.fail_on)
    }
}

/// How many findings of each severity there are, shown as `2 errors, 1 warning in 12 files`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Files that were looked at.
    pub files: usize,
    /// Those of them that hold no manifest and were passed over.
    pub passed_over: usize,
    /// Findings with severity error.
    pub errors: usize,
    /// Findings with severity warning.
    pub warnings: usize,
    /// Findings with severity info.
    pub infos: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [(self.errors, "error"), (self.warnings, "warning"), (self.infos, "info")];
        let mut parts = String::new();
        for (count, word) in all.into_iter().filter(|(count, _)| *count > 0) {
            let comma = if parts.is_empty() { "" } else { ", " };
            write!(parts, "{comma}{count} {word}{}", plural(count))?;
        }
        let parts = if parts.is_empty() { "no findings" } else { &parts };
        write!(f, "{parts} in {} file{}", self.files, plural(self.files))?;
        match self.passed_over {
            0 => Ok(()),
            1 => f.write_str("; 1 of them holds no manifest and was passed over"),
            several => write!(f, "; {several} of them hold no manifest and were passed over"),
        }
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod examples;
