//! The form for people: message, source lines with the place marked, reasons and advice, and a last line that counts.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{
    Annotation, AnnotationKind, Element, Group, Level, Origin, Patch, Renderer, Snippet,
    normalize_untrusted_str,
};

use super::Report;
use super::source_text::SourceText;
use crate::{Diagnostic, Fix, Label, Severity, Span};

/// Labels of one file at most this many lines apart share a snippet.
const SHARED_SNIPPET_LINES: usize = 8;
/// Files kept for further findings; findings are sorted by file, so only related places need more than one.
const KEPT_FILES: usize = 32;

/// How the text form looks.
pub struct TextOptions<'a> {
    /// Whether to use terminal colors.
    pub color: bool,
    /// Gives the text of a file named by a finding; nothing when there is none or it is not text.
    pub source: &'a dyn Fn(&str) -> Option<Arc<str>>,
}

/// Renders the findings for a person, with a summary as the last line.
pub fn text(report: &Report<'_>, options: &TextOptions<'_>) -> String {
    let renderer = if options.color { Renderer::styled() } else { Renderer::plain() };
    let mut files = Files { source: options.source, kept: BTreeMap::new() };
    let mut out = String::new();
    for finding in report.diagnostics {
        files.load(finding);
        out.push_str(&renderer.render(&groups(finding, &files)));
        out.push_str("\n\n");
    }
    out.push_str(&report.counts().to_string());
    out.push('\n');
    out
}

struct Files<'a> {
    source: &'a dyn Fn(&str) -> Option<Arc<str>>,
    kept: BTreeMap<String, Option<SourceText>>,
}

impl Files<'_> {
    fn load(&mut self, finding: &Diagnostic) {
        if self.kept.len() >= KEPT_FILES {
            self.kept.clear();
        }
        for label in labels(finding) {
            if !self.kept.contains_key(&label.path) {
                self.kept.insert(label.path.clone(), (self.source)(&label.path).map(SourceText::new));
            }
        }
    }

    fn get(&self, path: &str) -> Option<&SourceText> {
        self.kept.get(path)?.as_ref()
    }
}

fn labels(finding: &Diagnostic) -> impl Iterator<Item = &Label> {
    std::iter::once(&finding.primary).chain(&finding.related)
}

fn groups<'a>(finding: &'a Diagnostic, files: &'a Files<'_>) -> Vec<Group<'a>> {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    };
    let mut group =
        level.primary_title(finding.message.as_str()).id(finding.code.id).elements(places(finding, files));
    if let Some(entity) = &finding.entity {
        group = group.element(Level::NOTE.with_name("in").message(normalize_untrusted_str(entity)));
    }
    for note in &finding.notes {
        group = group.element(Level::NOTE.message(normalize_untrusted_str(note)));
    }
    let suggestion = finding.fix.as_ref().and_then(|fix| suggestion(finding, fix, files));
    match (&finding.help, suggestion) {
        (_, Some(suggestion)) => vec![group, suggestion],
        (Some(help), None) => vec![group.element(Level::HELP.message(normalize_untrusted_str(help)))],
        (None, None) => vec![group],
    }
}

/// Returns a snippet for each cluster of labels that are near each other, the primary one first.
fn places<'a>(finding: &'a Diagnostic, files: &'a Files<'_>) -> Vec<Element<'a>> {
    let mut clusters: Vec<Vec<(&Label, AnnotationKind)>> =
        vec![vec![(&finding.primary, AnnotationKind::Primary)]];
    for label in &finding.related {
        let near = clusters.iter_mut().find(|cluster| {
            let (first, _) = cluster[0];
            first.path == label.path
                && first.span.start.line.abs_diff(label.span.start.line) <= SHARED_SNIPPET_LINES
        });
        match near {
            Some(cluster) => cluster.push((label, AnnotationKind::Context)),
            None => clusters.push(vec![(label, AnnotationKind::Context)]),
        }
    }
    clusters.iter().flat_map(|cluster| elements(cluster, files)).collect()
}

fn elements<'a>(cluster: &[(&'a Label, AnnotationKind)], files: &'a Files<'_>) -> Vec<Element<'a>> {
    let snippet = files.get(&cluster[0].0.path).and_then(|file| snippet(cluster, file));
    match snippet {
        Some(snippet) => vec![snippet.into()],
        None => cluster.iter().flat_map(|(label, _)| origin(label)).collect(),
    }
}

fn snippet<'a>(
    cluster: &[(&'a Label, AnnotationKind)],
    file: &'a SourceText,
) -> Option<Snippet<'a, Annotation<'a>>> {
    let lines = cluster.iter().map(|(label, _)| label.span.start.line);
    let window = file.window(lines.clone().min()?..lines.max()?)?;
    let mut snippet = Snippet::source(window.text)
        .line_start(window.first_line)
        .path(normalize_untrusted_str(&cluster[0].0.path));
    for (label, kind) in cluster {
        let span = within(file.first_line_of(bytes(&label.span)), window.offset, window.text.len());
        let text = (!label.text.is_empty()).then(|| normalize_untrusted_str(&label.text));
        snippet = snippet.annotation(kind.span(span).label(text));
    }
    Some(snippet)
}

/// Returns the place without its lines, and the label as a remark below it.
fn origin<'a>(label: &'a Label) -> Vec<Element<'a>> {
    let mut origin = Origin::path(normalize_untrusted_str(&label.path));
    if label.span.start.line > 0 {
        origin = origin.line(label.span.start.line).char_column(label.span.start.column);
    }
    let remark =
        (!label.text.is_empty()).then(|| Level::NOTE.no_name().message(normalize_untrusted_str(&label.text)));
    std::iter::once(origin.into()).chain(remark.map(Element::from)).collect()
}

fn suggestion<'a>(finding: &'a Diagnostic, fix: &'a Fix, files: &'a Files<'_>) -> Option<Group<'a>> {
    let file = files.get(&finding.primary.path)?;
    let window = file.window(fix.span.start.line..fix.span.end.line)?;
    let span = within(bytes(&fix.span), window.offset, window.text.len());
    if !window.text.is_char_boundary(span.start) || !window.text.is_char_boundary(span.end) {
        return None;
    }
    let title = normalize_untrusted_str(finding.help.as_deref().unwrap_or("replace it"));
    let snippet = Snippet::source(window.text)
        .line_start(window.first_line)
        .path(normalize_untrusted_str(&finding.primary.path))
        .patch(Patch::new(span, fix.replacement.as_str()));
    Some(Level::HELP.secondary_title(title).element(snippet))
}

fn bytes(span: &Span) -> Range<usize> {
    span.start.offset..span.end.offset
}

/// Moves a range of the file into a window of it, cut to the window's size.
fn within(range: Range<usize>, offset: usize, length: usize) -> Range<usize> {
    let start = range.start.saturating_sub(offset).min(length);
    start..range.end.saturating_sub(offset).clamp(start, length)
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;

    fn render(diagnostics: &[Diagnostic], color: bool) -> String {
        text(&examples::report(diagnostics), &TextOptions { color, source: &examples::source })
    }

    #[test]
    fn shows_lines_reasons_and_advice() {
        gatewright_testkit::assert_golden("diagnostics/text.txt", &render(&examples::findings(), false));
    }

    #[test]
    fn a_clean_run_is_one_line() {
        assert_eq!(render(&[], false), "no findings in 3 files\n");
    }

    #[test]
    fn colors_change_nothing_but_colors() {
        let colored = render(&examples::findings(), true);
        assert!(colored.contains("\u{1b}["));
        assert_eq!(examples::without_colors(&colored), render(&examples::findings(), false));
    }

    #[test]
    fn nothing_a_user_wrote_reaches_the_terminal_as_a_control_character() {
        let mut findings = examples::findings();
        findings.retain(|finding| finding.severity == Severity::Error);
        let evil = "\u{1b}[2J\u{202e}evil".to_owned();
        findings[0].message = evil.clone();
        findings[0].entity = Some(evil.clone());
        findings[0].notes = vec![evil.clone()];
        findings[0].help = Some(evil.clone());
        findings[0].primary.text = evil.clone();
        findings[0].related.clear();
        let out = render(&findings, false);
        assert!(!out.contains('\u{1b}') && !out.contains('\u{202e}'), "{out:?}");
        findings[0].primary.path = evil;
        let out = render(&findings, false);
        assert!(!out.contains('\u{1b}') && !out.contains('\u{202e}'), "{out:?}");
    }

    #[test]
    fn spans_that_no_longer_fit_the_file_are_survived() {
        let mut findings = examples::findings();
        for finding in &mut findings {
            finding.primary.span.end.offset += 10_000;
            finding.primary.span.start.offset += 5_000;
        }
        render(&findings, false);
    }
}
