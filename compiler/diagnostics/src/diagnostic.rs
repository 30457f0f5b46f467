//! One finding and where it points.

use std::borrow::Cow;

use serde::Serialize;

use crate::{Code, Severity};

/// A place in a file: byte offset from the start, line and column from 1 (columns count characters).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// Bytes before the place.
    pub offset: usize,
    /// Line, from 1.
    pub line: usize,
    /// Character in the line, from 1.
    pub column: usize,
}

/// A stretch of a file, end excluded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Span {
    /// First place.
    pub start: Position,
    /// First place behind.
    pub end: Position,
}

/// A place with a remark.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Label {
    /// Path of the file inside its source, with `/`.
    pub path: String,
    /// Where in the file.
    pub span: Span,
    /// A few words shown at the place; empty for none.
    pub text: String,
}

/// A replacement that settles the finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Fix {
    /// What to replace.
    pub span: Span,
    /// By what.
    pub replacement: String,
}

/// One finding about the user's input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The code.
    pub code: &'static Code,
    /// Usually the code's own severity.
    pub severity: Severity,
    /// What is wrong with this input, on one line, readable alone.
    pub message: String,
    /// Where.
    pub primary: Label,
    /// Other places that matter, e.g. the other side of a conflict.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Label>,
    /// Why it matters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What to do, as an imperative.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The entity, as `Ingress default/web`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// A safe replacement in the primary file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
    /// How many findings it stands for: more than one where they were [condensed](crate::condense).
    #[serde(skip_serializing_if = "is_one")]
    pub count: usize,
}

fn is_one(count: &usize) -> bool {
    *count == 1
}

impl Diagnostic {
    /// Hides what is secret by its shape in everything that was written for this finding. A replacement that would
    /// repeat a secret is dropped.
    pub fn hide_secrets(&mut self) {
        let labels = std::iter::once(&mut self.primary).chain(&mut self.related).map(|label| &mut label.text);
        let texts = labels.chain(&mut self.notes).chain(&mut self.help).chain(&mut self.entity);
        for text in texts.chain([&mut self.message]) {
            if let Cow::Owned(shown) = gatewright_secrets::text(text) {
                *text = shown;
            }
        }
        let repeats = |fix: &Fix| matches!(gatewright_secrets::text(&fix.replacement), Cow::Owned(_));
        self.fix.take_if(|fix| repeats(fix));
    }

    /// Returns a finding with the code's severity and nothing beyond a message and a place.
    pub fn new(code: &'static Code, message: impl Into<String>, primary: Label) -> Self {
        Diagnostic {
            code,
            severity: code.severity,
            message: message.into(),
            primary,
            related: Vec::new(),
            notes: Vec::new(),
            help: None,
            entity: None,
            fix: None,
            count: 1,
        }
    }
}

/// Sorts findings by path, offset, code and message, and drops exact repetitions.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| key(a).cmp(&key(b)));
    diagnostics.dedup();
}

fn key(d: &Diagnostic) -> (&str, usize, &str, &str) {
    (&d.primary.path, d.primary.span.start.offset, d.code.id, &d.message)
}
