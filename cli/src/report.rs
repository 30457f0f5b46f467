//! Findings for showing: under the paths that the reader knows, with the lines they point at.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use gatewright_diagnostics::outlet::Form;
use gatewright_diagnostics::render::{self, Report, TextOptions};
use gatewright_diagnostics::{Diagnostic, Severity, condense, sort};
use gatewright_reconciler::source::Source;

use crate::errors::{CliError, VERSION};
use crate::terminal::Terminal;

/// Findings about a file that is no part of the SOURCE.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The findings.
    pub findings: Vec<Diagnostic>,
    /// Path of the file as the user knows it; the findings have it too.
    pub path: String,
    /// The same for programs: relative.
    pub relative: String,
    /// Its text.
    pub text: Arc<[u8]>,
}

impl Settled {
    /// Shows the findings and returns the failure of a command that needs the file.
    pub fn refuse(&self, terminal: &Terminal, what: &str) -> Result<(), CliError> {
        let files = [self.path.clone()];
        let report = Report {
            diagnostics: &self.findings,
            files: &files,
            passed_over: 0,
            version: VERSION,
            fail_on: Severity::Error,
        };
        let source = |_: &str| Some(self.text.clone());
        let options = TextOptions { color: terminal.stderr_color(), source: &source };
        terminal.tell(&render::in_memory(|out| render::text(&report, &options, out)));
        Err(CliError::findings(format!("{what} while an error stands in `{}`", self.path)))
    }
}

/// Findings of a run and where they point to.
pub struct Findings<'a> {
    source: &'a Source,
    diagnostics: Vec<Diagnostic>,
    passed_over: usize,
    other: Option<&'a Settled>,
    condense: bool,
}

/// Whom paths are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// A person: as given on the command line.
    Person,
    /// A program: relative.
    Program,
}

/// A form of showing findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people, with the lines in question
    Text,
    /// The document of schemas/diagnostics.schema.json
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// JUnit XML; every file is a test
    Junit,
    /// Workflow commands of GitHub Actions
    Github,
    /// Code quality report of GitLab
    Gitlab,
}

impl Format {
    /// Returns what it is written in.
    pub fn form(self, color: bool) -> Form {
        match self {
            Format::Text => Form::Text { color },
            Format::Json | Format::Sarif | Format::Gitlab => Form::Json,
            Format::Junit => Form::Xml,
            Format::Github => Form::Github,
        }
    }
}

impl<'a> Findings<'a> {
    /// Takes the findings about a source, and those about another file beside it.
    pub fn new(source: &'a Source, diagnostics: Vec<Diagnostic>, other: Option<&'a Settled>) -> Self {
        Findings { source, diagnostics, passed_over: 0, other, condense: false }
    }

    /// Says how many files of the source hold no manifest.
    pub fn passing_over(mut self, files: usize) -> Self {
        self.passed_over = files;
        self
    }

    /// Shows one finding in place of all that say the same of the objects of a folder.
    pub fn condensed(mut self) -> Self {
        self.condense = true;
        self
    }

    /// Leaves out what is milder than `severity`.
    pub fn at_least(mut self, severity: Severity) -> Self {
        self.diagnostics.retain(|finding| finding.severity <= severity);
        self
    }

    /// Returns whether a finding is at least as severe.
    pub fn any(&self, severity: Severity) -> bool {
        let other = self.other.iter().flat_map(|other| &other.findings);
        self.diagnostics.iter().chain(other).any(|finding| finding.severity <= severity)
    }

    /// Writes the findings.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn render(
        mut self,
        format: Format,
        fail_on: Severity,
        color: bool,
        out: &mut dyn io::Write,
    ) -> io::Result<()> {
        let reader = if format == Format::Text { Reader::Person } else { Reader::Program };
        let mut places = BTreeMap::new();
        let mut diagnostics = self.placed(reader, &mut places);
        if self.condense {
            condense(&mut diagnostics);
        }
        let mut files: Vec<String> =
            self.source.tree.files.keys().map(|path| self.shown(reader, path)).collect();
        files.sort();
        let passed_over = self.passed_over;
        let report =
            Report { diagnostics: &diagnostics, files: &files, passed_over, version: VERSION, fail_on };
        match format {
            Format::Text => {
                let source = |path: &str| self.content(places.get(path).map(AsRef::as_ref), path);
                render::text(&report, &TextOptions { color, source: &source }, out)
            }
            Format::Json => render::json(&report, out),
            Format::Sarif => render::sarif(&report, out),
            Format::Junit => render::junit(&report, out),
            Format::Github => render::github(&report, out),
            Format::Gitlab => render::gitlab(&report, out),
        }
    }

    /// Shows the findings to a person on standard error, if there are any.
    pub fn tell(self, terminal: &Terminal) {
        if self.any(Severity::Info) {
            let color = terminal.stderr_color();
            terminal.tell(&render::in_memory(|out| self.render(Format::Text, Severity::Error, color, out)));
        }
    }

    /// Takes the findings out, under the paths that the reader knows, and the path inside the source of each of them.
    fn placed(&mut self, reader: Reader, places: &mut BTreeMap<String, String>) -> Vec<Diagnostic> {
        let mut diagnostics = std::mem::take(&mut self.diagnostics);
        for finding in &mut diagnostics {
            for label in std::iter::once(&mut finding.primary).chain(&mut finding.related) {
                let shown = self.shown(reader, &label.path);
                let inside = std::mem::replace(&mut label.path, shown);
                places.entry(label.path.clone()).or_insert(inside);
            }
        }
        if let Some(other) = self.other {
            diagnostics.extend(other.findings.iter().cloned().map(|mut finding| {
                if reader == Reader::Program {
                    finding.primary.path.clone_from(&other.relative);
                }
                finding
            }));
        }
        sort(&mut diagnostics);
        diagnostics
    }

    fn shown(&self, reader: Reader, path: &str) -> String {
        match reader {
            Reader::Person => self.source.shown(path),
            Reader::Program => self.source.relative(path),
        }
    }

    fn content(&self, inside: Option<&str>, shown: &str) -> Option<Arc<[u8]>> {
        match (inside, self.other) {
            (Some(path), _) => self.source.tree.reader.read(path, self.source.tree.files.get(path)?).ok(),
            (None, Some(other)) if other.path == shown => Some(other.text.clone()),
            (None, _) => None,
        }
    }
}

/// Whether a command can go on without the objects that have errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepGoing {
    /// It has `--keep-going`.
    Possible,
    /// It has not.
    Impossible,
}

/// Returns the failure of a command that goes no further because of errors in its SOURCE.
pub fn refused(what: &str, keep_going: KeepGoing) -> CliError {
    CliError::findings(format!("{what} while an error stands")).with_hint(match keep_going {
        KeepGoing::Possible => {
            "correct the errors above, or go on without the objects that have them: --keep-going"
        }
        KeepGoing::Impossible => "correct the errors above",
    })
}
