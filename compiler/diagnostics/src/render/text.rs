//! The form for people: message, source lines with the place marked, reasons and advice, and a last line that counts.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{
    Annotation, AnnotationKind, Element, Group, Level, Origin, Patch, Renderer, Snippet,
};

use super::Report;
use super::source_text::SourceText;
use crate::outlet::visible;
use crate::{Diagnostic, Fix, Label, Severity, Span};

/// Labels of one file at most this many lines apart share a snippet.
const SHARED_SNIPPET_LINES: usize = 8;
/// Labels of one line further apart, in bytes, do not: a line can be as long as a file.
const SHARED_SNIPPET_BYTES: usize = 120;
/// Files kept for further findings; findings are sorted by file, so only related places need more than one.
const KEPT_FILES: usize = 32;

/// How the text form looks.
pub struct TextOptions<'a> {
    /// Whether to use terminal colors.
    pub color: bool,
    /// Gives the content of a file named by a finding; nothing when there is none. Lines of what is no text are not shown.
    pub source: &'a dyn Fn(&str) -> Option<Arc<[u8]>>,
}

/// Writes the findings for a person, with a summary as the last line.
///
/// # Errors
/// Those of the writer.
pub fn text(report: &Report<'_>, options: &TextOptions<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    let renderer = if options.color { Renderer::styled() } else { Renderer::plain() };
    let mut files = Files { source: options.source, kept: BTreeMap::new() };
    for finding in report.diagnostics {
        files.load(finding);
        writeln!(out, "{}\n", with_one_arrow(renderer.render(&groups(finding, &files))))?;
    }
    writeln!(out, "{}", report.counts())
}

/// Gives the places of other files the arrow of the first one: `:::` would read as a command in the log of a CI run.
fn with_one_arrow(rendered: String) -> String {
    const OTHER: &str = ":::";
    if !rendered.contains(OTHER) {
        return rendered;
    }
    let styles = |c: char| matches!(c, ' ' | '\u{1b}' | '[' | ';' | 'm') || c.is_ascii_digit();
    let is_place = |line: &str| line.trim_start_matches(styles).starts_with(OTHER);
    let lines = rendered.split_inclusive('\n');
    lines.map(|line| if is_place(line) { line.replacen(OTHER, "-->", 1) } else { line.to_owned() }).collect()
}

struct Files<'a> {
    source: &'a dyn Fn(&str) -> Option<Arc<[u8]>>,
    kept: BTreeMap<String, Option<SourceText>>,
}

impl Files<'_> {
    fn load(&mut self, finding: &Diagnostic) {
        if self.kept.len() >= KEPT_FILES {
            self.kept.retain(|path, _| *path == finding.primary.path);
        }
        for label in labels(finding) {
            if !self.kept.contains_key(&label.path) {
                self.kept.insert(label.path.clone(), (self.source)(&label.path).and_then(source_text));
            }
        }
    }

    fn get(&self, path: &str) -> Option<&SourceText> {
        self.kept.get(path)?.as_ref()
    }
}

/// Returns the text of a file without what is secret in it.
fn source_text(content: Arc<[u8]>) -> Option<SourceText> {
    let text = std::str::from_utf8(&content).ok()?;
    Some(SourceText::new(gatewright_secrets::masked(text).into_owned()))
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
        level.primary_title(visible(&finding.message)).id(finding.code.id).elements(places(finding, files));
    if let Some(entity) = &finding.entity {
        group = group.element(Level::NOTE.with_name("in").message(visible(entity)));
    }
    for note in &finding.notes {
        group = group.element(Level::NOTE.message(visible(note)));
    }
    let suggestion = finding.fix.as_ref().and_then(|fix| suggestion(finding, fix, files));
    match (&finding.help, suggestion) {
        (_, Some(suggestion)) => vec![group, suggestion],
        (Some(help), None) => vec![group.element(Level::HELP.message(visible(help)))],
        (None, None) => vec![group],
    }
}

/// A label and how it is marked.
type Marked<'a> = (&'a Label, AnnotationKind);

/// Returns a snippet for each cluster of labels that are near each other, the primary one first.
fn places<'a>(finding: &'a Diagnostic, files: &'a Files<'_>) -> Vec<Element<'a>> {
    let mut clusters: Vec<Vec<Marked<'_>>> = vec![vec![(&finding.primary, AnnotationKind::Primary)]];
    for label in &finding.related {
        let near = |cluster: &&mut Vec<Marked<'_>>| cluster.iter().all(|(other, _)| are_near(other, label));
        match clusters.iter_mut().find(near) {
            Some(cluster) => cluster.push((label, AnnotationKind::Context)),
            None => clusters.push(vec![(label, AnnotationKind::Context)]),
        }
    }
    clusters.iter().flat_map(|cluster| elements(cluster, files)).collect()
}

fn are_near(one: &Label, other: &Label) -> bool {
    let (a, b) = (one.span.start, other.span.start);
    one.path == other.path
        && a.line.abs_diff(b.line) <= SHARED_SNIPPET_LINES
        && (a.line != b.line || a.offset.abs_diff(b.offset) <= SHARED_SNIPPET_BYTES)
}

fn elements<'a>(cluster: &[Marked<'a>], files: &'a Files<'_>) -> Vec<Element<'a>> {
    let snippet = files.get(&cluster[0].0.path).and_then(|file| snippet(cluster, file));
    snippet.unwrap_or_else(|| cluster.iter().flat_map(|(label, _)| remark(label)).collect())
}

fn snippet<'a>(cluster: &[Marked<'a>], file: &SourceText) -> Option<Vec<Element<'a>>> {
    let (first, _) = cluster[0];
    let lines = || cluster.iter().map(|(label, _)| label.span.start.line);
    let spans: Vec<Range<usize>> =
        cluster.iter().map(|(label, _)| file.first_line_of(bytes(&label.span))).collect();
    let excerpt = file.excerpt(lines().min()?..lines().max()?, &spans)?;
    let marks: Vec<Annotation<'a>> = cluster
        .iter()
        .zip(&spans)
        .map(|((label, kind), span)| {
            let text = (!label.text.is_empty()).then(|| visible(&label.text));
            kind.span(excerpt.within(span.clone())).label(text)
        })
        .collect();
    let snippet = Snippet::source(excerpt.text).line_start(excerpt.first_line).annotations(marks);
    if excerpt.is_cut {
        return Some(vec![origin(first).into(), snippet.into()]);
    }
    Some(vec![snippet.path(visible(&first.path)).into()])
}

/// Returns the place of a label, with the column that it has in the file.
fn origin(label: &Label) -> Origin<'_> {
    let origin = Origin::path(visible(&label.path));
    match label.span.start.line {
        0 => origin,
        line => origin.line(line).char_column(label.span.start.column),
    }
}

/// Returns the place without its lines, and the label as a remark below it.
fn remark(label: &Label) -> Vec<Element<'_>> {
    let remark = (!label.text.is_empty()).then(|| Level::NOTE.no_name().message(visible(&label.text)));
    std::iter::once(origin(label).into()).chain(remark.map(Element::from)).collect()
}

fn suggestion<'a>(finding: &'a Diagnostic, fix: &'a Fix, files: &'a Files<'_>) -> Option<Group<'a>> {
    let file = files.get(&finding.primary.path)?;
    let span = bytes(&fix.span);
    let excerpt = file.excerpt(fix.span.start.line..fix.span.end.line, std::slice::from_ref(&span))?;
    let patch = Patch::new(excerpt.within(span), visible_lines(&fix.replacement));
    let title = visible(finding.help.as_deref().unwrap_or("replace it"));
    let snippet = Snippet::source(excerpt.text)
        .line_start(excerpt.first_line)
        .path(visible(&finding.primary.path))
        .patch(patch);
    Some(Level::HELP.secondary_title(title).element(snippet))
}

fn visible_lines(text: &str) -> String {
    text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

fn bytes(span: &Span) -> Range<usize> {
    span.start.offset..span.end.offset.max(span.start.offset)
}

#[cfg(test)]
mod tests {
    use super::super::{examples, in_memory};
    use super::*;

    fn render(diagnostics: &[Diagnostic], color: bool) -> String {
        let options = TextOptions { color, source: &examples::source };
        in_memory(|out| text(&examples::report(diagnostics), &options, out))
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
    fn no_line_is_a_command_of_a_ci_run() {
        let mut findings = examples::findings();
        for finding in &mut findings {
            finding.message = "a\n::error::b ##[error]c".to_owned();
            finding.primary.text = "::x\n::y".to_owned();
            finding.help = Some("\n::z".to_owned());
        }
        for color in [false, true] {
            let out = examples::without_colors(&render(&findings, color));
            assert!(out.lines().all(|line| !line.trim_start().starts_with("::")), "{out}");
            assert!(!out.contains("##["), "{out}");
            assert!(out.contains("--> old, web.yaml:3:9"), "{out}");
        }
    }

    #[test]
    fn of_a_long_line_the_surroundings_of_the_place_are_shown() {
        let item = r#"{"kind":"Ingress","metadata":{"name":"a"}},"#;
        let file: Arc<[u8]> =
            format!(r#"{{"kind":"List","items":[{}"#, item.repeat(2_000)).into_bytes().into();
        let at = item.len() * 1_500 + 24;
        let place = |offset| crate::Position { offset, line: 1, column: offset + 1 };
        let mut findings = examples::findings();
        findings.truncate(1);
        findings[0].primary.span = Span { start: place(at), end: place(at + 6) };
        let report = examples::report(&findings);
        let options = TextOptions { color: false, source: &|_| Some(file.clone()) };
        let out = in_memory(|out| text(&report, &options, out));
        assert!(out.contains(&format!("--> chart/Chart.yaml:1:{}\n", at + 1)), "{out}");
        assert!(out.contains("..."), "{out}");
        assert!(out.lines().all(|line| line.len() < 260), "{out}");
    }

    #[test]
    fn a_file_with_many_findings_is_read_once() {
        let base = examples::findings().remove(0);
        let other = |number: usize| Label { path: format!("{number}.yaml"), ..base.primary.clone() };
        let findings: Vec<Diagnostic> =
            (0..200).map(|number| Diagnostic { related: vec![other(number)], ..base.clone() }).collect();
        let reads = std::cell::Cell::new(0);
        let source = |path: &str| {
            reads.set(reads.get() + usize::from(path == base.primary.path));
            Some(Arc::from(*b"kind: X\n"))
        };
        let options = TextOptions { color: false, source: &source };
        in_memory(|out| text(&examples::report(&findings), &options, out));
        assert_eq!(reads.get(), 1);
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
