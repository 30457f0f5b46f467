//! What files become: findings and manifests, rule by rule.

use super::*;

/// Returns the findings as `CODE line:column text-at-the-place: message`.
fn findings(text: &str) -> Vec<String> {
    shown(text, &parse_file(text.as_bytes(), Profile::Native))
}

fn shown(text: &str, parsed: &ParsedFile) -> Vec<String> {
    let line = |finding: &FileFinding| {
        let (start, end) = (finding.span.start, finding.span.end);
        let at = text.get(start.offset..end.offset).unwrap_or("?");
        format!("{} {}:{} `{at}` {}", finding.code.id, start.line, start.column, finding.message)
    };
    parsed.findings.iter().map(line).collect()
}

#[test]
#[ignore = "prints what every manifest file below $FILES gives"]
fn print() {
    for path in std::env::var("FILES").unwrap().split_whitespace() {
        let bytes = std::fs::read(path).unwrap();
        let parsed = parse_file(&bytes, Profile::Native);
        println!("== {path}: {} manifests", parsed.manifests.len());
        for line in shown(&String::from_utf8_lossy(&bytes), &parsed) {
            println!("  {line}");
        }
    }
}

#[test]
fn a_duplicate_key_names_both_places() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: a\n  x: b\n";
    assert_eq!(findings(text), ["GW0002 6:3 `x` the key \"x\" is already in this mapping"]);
}
