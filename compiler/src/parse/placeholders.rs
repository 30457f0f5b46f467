//! Values that something replaces before a manifest is applied: templates of Helm and Jinja, variables of Flux and envsubst.

use std::collections::BTreeSet;

use gatewright_diagnostics::code;

use super::issue::{Issue, bounded, path};
use super::tree::{NodeId, NodeKind, Tree};
use crate::finding::{Within, escape};

/// Members whose texts are nobody's business but their reader's.
const FREE: [&str; 6] =
    ["/data", "/stringData", "/binaryData", "/spec/pluginConfig", "/spec/defaultConfig", "/spec/config"];
/// Where a placeholder breaks no rule of the API server.
const ANNOTATIONS: &str = "/metadata/annotations/";

/// A placeholder in the value at a pointer, and where it stands in the text.
type Found<'t> = (String, (Placeholder<'t>, Within));

/// A piece of text that is not meant as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placeholder<'a> {
    /// `{{ ... }}`.
    Go(&'a str),
    /// `{% ... %}`.
    Jinja(&'a str),
    /// `${NAME}`.
    Variable(&'a str),
}

impl<'a> Placeholder<'a> {
    /// Returns the piece as it stands.
    pub(crate) fn text(&self) -> &'a str {
        match self {
            Placeholder::Go(text) | Placeholder::Jinja(text) | Placeholder::Variable(text) => text,
        }
    }

    /// Returns the piece for people: a variable without what stands in for it, which may be a password.
    fn shown(&self) -> String {
        let Placeholder::Variable(text) = self else { return self.text().to_owned() };
        let name = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let end = text[2..].find(|character| !name(character)).map_or(text.len(), |end| end + 2);
        format!("{}}}", &text[..end])
    }

    /// Returns how it is replaced.
    pub(crate) fn how(&self) -> &'static str {
        match self {
            Placeholder::Go(_) => "render it first, with Helm: `helm template CHART | gatewright validate -`",
            Placeholder::Jinja(_) => {
                "render it first with what reads its Jinja templates, and give the result"
            }
            Placeholder::Variable(_) => {
                "replace it first, with `flux build kustomization NAME --path FOLDER | gatewright validate -`, or \
                 `envsubst < FILE | gatewright validate -`"
            }
        }
    }
}

/// Returns the first template in a text, and where it begins. `{{` of YAML itself opens two mappings, and stands in no
/// manifest that means anything.
pub(crate) fn first_template(text: &str) -> Option<(usize, Placeholder<'_>)> {
    let go = piece(text, "{{", "}}");
    let jinja = piece(text, "{%", "%}");
    match (go, jinja) {
        (Some((one, _)), Some((other, text))) if other < one => Some((other, Placeholder::Jinja(text))),
        (Some((at, text)), _) => Some((at, Placeholder::Go(text))),
        (None, other) => other.map(|(at, text)| (at, Placeholder::Jinja(text))),
    }
}

/// Returns the first placeholder in a value, and where it stands there.
fn first(text: &str) -> Option<(Placeholder<'_>, Within)> {
    let variable = || variable(text).map(|(at, variable)| (at, Placeholder::Variable(variable)));
    let (at, placeholder) = first_template(text).or_else(variable)?;
    let start = text[..at].chars().count();
    Some((placeholder, Within { start, end: start + placeholder.text().chars().count() }))
}

fn piece<'a>(text: &'a str, open: &str, close: &str) -> Option<(usize, &'a str)> {
    let start = text.find(open)?;
    // One that spans lines is shown by its first.
    let line = text[start..].split(['\n', '\r']).next()?;
    let end = line.find(close).map_or(line.trim_end().len(), |end| end + close.len());
    Some((start, &line[..end]))
}

fn variable(text: &str) -> Option<(usize, &str)> {
    let last = text.rfind('}')?;
    text.match_indices("${").take_while(|(start, _)| *start < last).find_map(|(start, _)| {
        let rest = &text[start..];
        let name = rest[2..].starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        // Behind the name stands what is done with it. `${secret.NAMESPACE/NAME.KEY}` is Higress' own.
        let behind = rest[2..].trim_start_matches(|next: char| next.is_ascii_alphanumeric() || next == '_');
        if !name || behind.starts_with('.') {
            return None;
        }
        rest.find('}').map(|end| (start, &rest[..=end]))
    })
}

/// Replaces what is said about values that are not meant as they stand: one issue for each object.
pub(crate) fn explain(tree: &Tree<'_>, object: NodeId, issues: &mut Vec<Issue>) {
    let mut found = Vec::new();
    gather(tree, object, String::new(), &mut found);
    let pointers: BTreeSet<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
    issues.retain(|issue| !pointers.contains(issue.pointer.as_str()));
    let is_annotation = |pointer: &str| pointer.starts_with(ANNOTATIONS);
    let fields = found.iter().filter(|(pointer, _)| !is_annotation(pointer)).count();
    let mut first = None;
    for (pointer, placeholder) in &found {
        if fields == 0 || !is_annotation(pointer) {
            first = Some((pointer, placeholder));
            break;
        }
    }
    let Some((pointer, (placeholder, within))) = first else { return };
    let (code, what) = match (fields, placeholder) {
        (0, _) => (&code::GW0012, "text that is replaced"),
        (_, Placeholder::Variable(_)) => (&code::GW0011, "a variable"),
        _ => (&code::GW0010, "a template"),
    };
    let more = match found.len() - 1 {
        0 => String::new(),
        more => format!(", and so do {more} other values of the object"),
    };
    let message = format!("{} holds {what}: `{}`{more}", path(pointer), bounded(&placeholder.shown()));
    let issue = Issue::value(code, pointer.as_str(), message).with_help(placeholder.how());
    issues.push(Issue { within: Some(*within), ..issue });
}

fn gather<'t>(tree: &'t Tree<'_>, node: NodeId, pointer: String, found: &mut Vec<Found<'t>>) {
    if FREE.contains(&pointer.as_str()) || pointer.ends_with("/config") {
        return;
    }
    match &tree.node(node).kind {
        NodeKind::Scalar { text, .. } => found.extend(first(text).map(|placeholder| (pointer, placeholder))),
        NodeKind::Sequence(children) => {
            for (index, child) in tree.children(*children).iter().enumerate() {
                gather(tree, *child, format!("{pointer}/{index}"), found);
            }
        }
        NodeKind::Mapping(_) => {
            for (key, value) in tree.entries(node) {
                if let Some(key) = tree.key(key) {
                    gather(tree, value, format!("{pointer}/{}", escape(&key)), found);
                }
            }
        }
        // What it stands for is written elsewhere in the document.
        NodeKind::Alias(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Profile;
    use crate::parse::parse_file;

    fn of(host: &str, annotation: &str) -> Vec<String> {
        let text = format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: web, namespace: shop, annotations: {{x: '{annotation}'}}}}\nspec:\n  rules:\n  - host: '{host}'\n    http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: s, port: {{number: 80}}}}}}}}]}}\n"
        );
        let parsed = parse_file(text.as_bytes(), Profile::Native);
        parsed.findings.iter().map(|found| format!("{} {}", found.code.id, found.message)).collect()
    }

    #[test]
    fn placeholders_are_named_once_for_each_object() {
        assert_eq!(of("a.${DOMAIN}", "x"), ["GW0011 spec.rules[0].host holds a variable: `${DOMAIN}`"]);
        assert_eq!(
            of("a.${D/./-}", "${E:=x}"),
            ["GW0011 spec.rules[0].host holds a variable: `${D}`, and so do 1 other values of the object"]
        );
        assert_eq!(
            of("{{ .Values.host }}", "x"),
            ["GW0010 spec.rules[0].host holds a template: `{{ .Values.host }}`"]
        );
        assert_eq!(
            of("a.test", "https://auth.${DOMAIN}/"),
            ["GW0012 metadata.annotations.x holds text that is replaced: `${DOMAIN}`"]
        );
        assert_eq!(of("a.test", "$scheme://$host ${1} ${secret.a/b.c} a${"), <[String; 0]>::default());
    }

    #[test]
    fn a_placeholder_is_marked_where_it_stands_in_a_text() {
        let text = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: web\n  annotations:\n    x: |\n      one\n      two ${DOMAIN} three\nspec: {rules: [{host: a.test}]}\n";
        let finding = parse_file(text.as_bytes(), Profile::Native).findings.remove(0);
        let span = finding.span;
        assert_eq!((finding.code.id, span.start.line, span.start.column), ("GW0012", 8, 11));
        assert_eq!(&text[span.start.offset..span.end.offset], "${DOMAIN}");
    }

    #[test]
    fn the_first_of_two_kinds_of_templates_counts() {
        assert_eq!(first_template("a {% b %} {{ c }}"), Some((2, Placeholder::Jinja("{% b %}"))));
        assert_eq!(first_template("a {{ c }} {% b %}"), Some((2, Placeholder::Go("{{ c }}"))));
        assert_eq!(first_template("a {{ c\n}}"), Some((2, Placeholder::Go("{{ c"))));
        assert_eq!(first_template("a { b }"), None);
    }
}
