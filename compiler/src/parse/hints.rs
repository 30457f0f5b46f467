//! Better words for documents that are no YAML: templates that nobody has rendered, and text that only lacks quotes.

use std::ops::Range;

use gatewright_diagnostics::{Fix, Position, Span, code};

use super::FileFinding;
use super::comments;
use super::issue::bounded;
use super::placeholders;
use super::text::{CharSpan, Lines};

/// Characters that unquoted text cannot begin with, though people write it so.
const INDICATORS: [char; 4] = ['*', '@', '`', '%'];
/// Signs that end unquoted text between brackets.
const ENDING: [char; 3] = ['?', '{', '['];
/// Kinds whose values are never shown.
const PRIVATE: [&str; 2] = ["Secret", "WasmPlugin"];

/// Finds out what a syntax error comes from. `text` is the file.
pub(crate) fn explain(finding: &mut FileFinding, text: &str, lines: Lines<'_>) {
    if finding.code.id != code::GW0001.id {
        return;
    }
    let at = floor(text, finding.span.start.offset);
    let (start, end) = document(text, at);
    let document = &text[start..end];
    // What may be a value that nobody is to see is neither repeated nor replaced.
    let open = !PRIVATE.iter().any(|kind| document.contains(kind));
    if let Some((offset, template)) = placeholders::first_template(document) {
        let from = text[..start + offset].chars().count() as u32;
        let place = CharSpan { start: from, end: from + template.text().chars().count() as u32 };
        finding.code = &code::GW0010;
        finding.span = lines.span(place);
        let shown = if open { format!("`{}`", bounded(template.text())) } else { "one".to_owned() };
        finding.message = format!("the document is a template: {shown} stands in it");
        finding.help = Some(template.how().to_owned());
        finding.notes.clear();
        finding.related.clear();
        return;
    }
    if let Some((offset, sign)) = comments::first(document) {
        let from = text[..start + offset].chars().count() as u32;
        finding.span = lines.span(CharSpan { start: from, end: from + sign.len() as u32 });
        finding.message =
            format!("the document is not well-formed: `{sign}` begins no comment in JSON or YAML");
        finding.help = Some("remove the comment; those of YAML begin with `#`".to_owned());
        finding.related.clear();
        return;
    }
    if let Some((range, sign)) = cut_off(text, at) {
        quote(finding, text, range, &format!("unquoted text between brackets ends at `{sign}`"), open);
    } else if let Some((range, indicator)) = unquoted(text, at) {
        let alias = if indicator == '*' { ", which begins an alias" } else { "" };
        quote(finding, text, range, &format!("unquoted text cannot start with `{indicator}`{alias}"), open);
    }
}

/// Says that a text on the line of a finding needs quotes. It is repeated only where it may be seen.
fn quote(finding: &mut FileFinding, text: &str, range: Range<usize>, why: &str, open: bool) {
    finding.message = format!("the document is not well-formed YAML: {why}");
    finding.related.clear();
    let written = &text[range.clone()];
    let quoted = format!("\"{}\"", written.replace('\\', "\\\\").replace('"', "\\\""));
    let position = |offset: usize| Position {
        offset,
        line: finding.span.start.line,
        column: text[line_start(text, offset)..offset].chars().count() + 1,
    };
    finding.span = Span { start: position(range.start), end: position(range.end) };
    if open {
        finding.help = Some(format!("quote it: `{}`", bounded(&quoted)));
        finding.fix = Some(Fix { span: finding.span, replacement: quoted });
    } else {
        finding.help = Some("put the text in quotes".to_owned());
    }
}

/// Returns a value between brackets that ends at a sign of YAML in its middle, as the author sees it, and the sign.
fn cut_off(text: &str, at: usize) -> Option<(Range<usize>, char)> {
    let line = line_start(text, at);
    let sign = text[at..].chars().next().filter(|sign| ENDING.contains(sign))?;
    let before = &text[line..at];
    let value = before.rfind([' ', '\t', ',', '{', '[']).map_or(0, |start| start + 1);
    let begun = &before[value..];
    let in_flow = text[..line + value].contains(['{', '[']);
    if begun.is_empty() || begun.starts_with(['"', '\'', '&', '*', '!']) || begun.ends_with(':') || !in_flow {
        return None;
    }
    let mut depth = 0usize;
    let mut end = text.len();
    for (offset, c) in text[at..].char_indices() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' if depth > 0 => depth -= 1,
            '}' | ']' | ',' | '\n' | '\r' => {
                end = at + offset;
                break;
            }
            _ => {}
        }
    }
    let end = line + text[line..end].trim_end().len();
    Some((line + value..end, sign))
}

/// Returns the offset of the character that an offset lies in.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

/// Returns the document around an offset, between lines `---`. A complaint about such a line is about the document above.
fn document(text: &str, at: usize) -> (usize, usize) {
    let line = line_start(text, at);
    let at = if text[line..].starts_with("---") { line.saturating_sub(1) } else { at };
    let start = text[..at].rfind("\n---").map_or(0, |separator| separator + 1);
    let end = text[at..].find("\n---").map_or(text.len(), |separator| at + separator);
    (start, end)
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind(['\n', '\r']).map_or(0, |end| end + 1)
}

/// Returns the value on the line of an error that begins with an indicator, as far as it goes.
fn unquoted(text: &str, at: usize) -> Option<(Range<usize>, char)> {
    let start = line_start(text, at);
    let line = text[start..].split(['\n', '\r']).next()?;
    let mut value = 0;
    for (offset, _) in line.match_indices([' ', '[', ',', '{']) {
        let rest = &line[offset + 1..];
        let before = line[..offset].trim_end();
        let begins = before.is_empty()
            || before.ends_with([':', '-', '[', ',', '{'])
            || !line[offset..].starts_with(' ');
        if begins && rest.starts_with(INDICATORS) {
            value = offset + 1;
            break;
        }
    }
    let indicator = line[value..].chars().next().filter(|first| INDICATORS.contains(first))?;
    // At the start of a line it is a directive.
    if indicator == '%' && value == 0 {
        return None;
    }
    // The parser stops at the start, or where it found that what begins there has no end.
    if start + value > at + 1 {
        return None;
    }
    let flow = line[..value].contains(['[', '{']);
    let rest = &line[value..];
    let end = if flow {
        rest.find([',', ']', '}']).unwrap_or(rest.len())
    } else {
        rest.find(" #").unwrap_or(rest.len())
    };
    let written = rest[..end].trim_end();
    // An alias of a name is one.
    if indicator == '*' && written.len() > 1 && !written.contains(['.', ' ', '/']) {
        return None;
    }
    Some((start + value..start + value + written.len(), indicator))
}

#[cfg(test)]
mod tests {
    use crate::options::Profile;
    use crate::parse::parse_file;

    const SYNTAX: &str = "the document is not well-formed YAML";

    /// Returns the first finding: code, line and column, message, help.
    fn first(text: &str) -> (String, String) {
        let parsed = parse_file(text.as_bytes(), Profile::Native);
        let finding = parsed.findings.first().unwrap();
        let place = finding.span.start;
        let head = format!("{} {}:{} {}", finding.code.id, place.line, place.column, finding.message);
        (head, finding.help.clone().unwrap_or_default())
    }

    #[test]
    fn text_that_begins_like_an_alias_or_a_directive_is_to_be_quoted() {
        let manifest = |line: &str| format!("kind: Ingress\nspec:\n  rules:\n  - host: {line}\n");
        let (message, help) = first(&manifest("*.example.org"));
        assert_eq!(
            message,
            format!("GW0001 4:11 {SYNTAX}: unquoted text cannot start with `*`, which begins an alias")
        );
        assert_eq!(help, "quote it: `\"*.example.org\"`");
        for indicator in ['@', '`', '%'] {
            let (message, help) = first(&manifest(&format!("{indicator}x")));
            assert_eq!(
                message,
                format!("GW0001 4:11 {SYNTAX}: unquoted text cannot start with `{indicator}`")
            );
            assert_eq!(help, format!("quote it: `\"{indicator}x\"`"));
        }
        let (message, help) = first("kind: Ingress\nspec:\n  tls:\n  - hosts: [a.test, *.b.test]\n");
        assert!(message.starts_with("GW0001 4:21 "), "{message}");
        assert_eq!(help, "quote it: `\"*.b.test\"`");
        let (message, _) = first("kind: Ingress\nspec:\n  tls:\n  - hosts:\n    - *.b.test\n");
        assert!(message.starts_with("GW0001 5:7 ") && message.contains("begins an alias"), "{message}");
        assert!(first(&manifest("*name")).0.ends_with("the alias names no anchor of this document"));
    }

    #[test]
    fn text_that_brackets_cut_off_is_to_be_quoted() {
        for (value, sign) in [("/ui?x=1", '?'), ("/a/{id}/b", '{'), ("/v[0-9]+", '['), ("a?", '?')] {
            let text =
                format!("kind: Ingress\nmetadata: {{annotations: {{x: 1, app-root: {value}, y: 2}}}}\n");
            let (message, help) = first(&text);
            let what = format!("unquoted text between brackets ends at `{sign}`");
            assert_eq!(message, format!("GW0001 2:42 {SYNTAX}: {what}"));
            assert_eq!(help, format!("quote it: `\"{value}\"`"));
        }
        assert!(first("kind: Ingress\na: {b: c\nd: [e]}\n").0.contains("is missing"));
    }

    #[test]
    fn comments_that_are_none_are_named() {
        let object = "{\n  \"url\": \"http://x\",\n  // of the shop\n  \"apiVersion\": \"v1\"\n}\n";
        let none = "the document is not well-formed: `//` begins no comment in JSON or YAML";
        assert_eq!(
            first(object),
            (format!("GW0001 3:3 {none}"), "remove the comment; those of YAML begin with `#`".into())
        );
        let (message, _) = first("/* the shop */\n{\"apiVersion\": \"v1\", \"kind\": \"Service\"}\n");
        assert_eq!(message, format!("GW0001 1:1 {}", none.replace("//", "/*")));
    }

    #[test]
    fn a_template_is_named_with_the_way_to_render_it() {
        let (message, help) =
            first("apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Release.Name }}-web\n");
        assert_eq!(message, "GW0010 4:9 the document is a template: `{{ .Release.Name }}` stands in it");
        assert!(help.contains("helm template"), "{help}");
        let (message, _) = first("{{- if .Values.on }}\nkind: Service\n{{- end }}\n");
        assert!(
            message.starts_with("GW0010 1:1 the document is a template: `{{- if .Values.on }}`"),
            "{message}"
        );
        let (message, help) = first("kind: Service\n{% if x %}\nspec: {}\n{% endif %}\n");
        assert!(message.starts_with("GW0010 2:1 "), "{message}");
        assert!(help.contains("Jinja"), "{help}");
        // What YAML makes of the braces is nobody's business.
        let unquoted = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {}\nx: {y: {{z}}}\n";
        let parsed =
            parse_file(unquoted.replace("data: {}", "data:\n  a: {{value}}").as_bytes(), Profile::Native);
        let codes: Vec<&str> = parsed.findings.iter().map(|finding| finding.code.id).collect();
        assert_eq!((codes.as_slice(), parsed.manifests.len()), (&["GW0010"][..], 1));
        let (message, _) = first("kind: Secret\nstringData:\n  a: {{ \"hunter2\" }}-x\n");
        assert_eq!(message, "GW0010 3:6 the document is a template: one stands in it");
        // A mistake in one document is none of another, which is a template.
        let (message, _) = first("kind: Service\nspec: [\n---\nkind: X\nname: {{ x }}-y\n");
        assert!(message.starts_with("GW0001 "), "{message}");
    }
}
