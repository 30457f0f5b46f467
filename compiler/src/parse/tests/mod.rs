//! What files become: findings and manifests, rule by rule.

mod aliases;
mod dialect;
mod kinds;
mod metadata;
mod places;
mod properties;
mod rules;
mod schemas;
mod secrets;
mod speed;
mod twin;
mod yaml;

use super::*;
use crate::manifest::Body;

/// Reads a text in the native profile.
fn parse(text: &str) -> ParsedFile {
    parse_file(text.as_bytes(), Profile::Native)
}

/// Expects these findings, each as `CODE line:column \`text at the place\` message`.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    check_in(Profile::Native, text, expected);
}

#[track_caller]
fn check_in(profile: Profile, text: &str, expected: &[&str]) {
    let parsed = parse_file(text.as_bytes(), profile);
    let found: Vec<String> = parsed.findings.iter().map(|finding| line(text, finding)).collect();
    assert_eq!(found, expected, "findings of\n{text}");
}

fn line(text: &str, finding: &FileFinding) -> String {
    let (start, end) = (finding.span.start, finding.span.end);
    let place = &text[start.offset..end.offset];
    format!("{} {}:{} `{place}` {}", finding.code.id, start.line, start.column, finding.message)
}

/// Expects that a text has no finding but those that its fixes settle, and that the fixed text is this one.
#[track_caller]
fn check_fix(text: &str, expected: &str) {
    let mut fixes: Vec<Fix> = parse(text).findings.into_iter().filter_map(|finding| finding.fix).collect();
    fixes.sort();
    let mut fixed = text.to_owned();
    for fix in fixes.iter().rev() {
        fixed.replace_range(fix.span.start.offset..fix.span.end.offset, &fix.replacement);
    }
    assert_eq!(fixed, expected);
    assert_eq!(parse(&fixed).findings, [], "findings of the fixed text");
}

/// The body of the only manifest of a text without findings.
#[track_caller]
fn body(text: &str) -> Body {
    let parsed = parse(text);
    assert_eq!(parsed.findings, []);
    assert_eq!(parsed.manifests.len(), 1);
    parsed.manifests[0].body.clone()
}

/// A ConfigMap with these lines below `data`.
fn config_map(data: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n{data}")
}

/// A minimal Ingress with these lines below `metadata`, which holds its name.
fn ingress(metadata: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: web\n{metadata}spec:\n  defaultBackend:\n    \
         service: {{name: web, port: {{number: 80}}}}\n"
    )
}
