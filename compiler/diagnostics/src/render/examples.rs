//! A few findings in two small files, shown by the tests of every form.

use std::io;
use std::sync::Arc;

use super::{Report, in_memory};
use crate::{Diagnostic, Fix, Label, Position, Severity, Span, code};

const WEB: &str = "\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  annotations:
    higress.io/tiemout: \"5\"
spec:
  rules:
  - host: shop.example.com
    http:
      paths:
      - path: /
        pathType: Prefix
";

const OLD: &str = "\
kind: Ingress
metadata:
  name: web
";

const SECRET: &str = "\
kind: Secret
data:
  tls.key: bm90IGEga2V5
";

/// Returns the content of an example file.
pub(super) fn source(path: &str) -> Option<Arc<[u8]>> {
    text_of(path).map(|text| text.as_bytes().into())
}

fn text_of(path: &str) -> Option<&'static str> {
    match path {
        "shop/web.yaml" => Some(WEB),
        "old, web.yaml" => Some(OLD),
        "shop/secret.yaml" => Some(SECRET),
        _ => None,
    }
}

/// Returns a report over three files that fails on errors.
pub(super) fn report(diagnostics: &[Diagnostic]) -> Report<'_> {
    static FILES: std::sync::LazyLock<Vec<String>> = std::sync::LazyLock::new(|| {
        ["old, web.yaml", "shop/secret.yaml", "shop/web.yaml"].map(String::from).to_vec()
    });
    Report { diagnostics, files: &FILES, passed_over: 0, version: "1.2.3", fail_on: Severity::Error }
}

/// Renders the examples.
pub(super) fn render(form: impl Fn(&Report<'_>, &mut dyn io::Write) -> io::Result<()>) -> String {
    in_memory(|out| form(&report(&findings()), out))
}

/// Returns an error with another side, a warning with a fix, a finding about a folder and one inside a Secret.
pub(super) fn findings() -> Vec<Diagnostic> {
    let mut duplicate = Diagnostic::new(
        &code::GW0201,
        "`Ingress default/web` is written twice",
        label("shop/web.yaml", "web", ""),
    );
    duplicate.related = vec![label("old, web.yaml", "web", "the other one")];
    duplicate.notes = vec!["only one object can have a kind, namespace and name".into()];
    duplicate.help = Some("give one overlay as SOURCE".into());
    duplicate.entity = Some("Ingress default/web".into());

    let mut unknown = Diagnostic::new(
        &code::GW0401,
        "Higress reads no annotation `higress.io/tiemout`",
        label("shop/web.yaml", "higress.io/tiemout", "unknown"),
    );
    unknown.help = Some("write `higress.io/timeout`".into());
    unknown.entity = Some("Ingress default/web".into());
    unknown.fix = Some(Fix { span: unknown.primary.span, replacement: "higress.io/timeout".into() });

    let mut secret = Diagnostic::new(
        &code::GW0204,
        "`tls.key` is not a key",
        label("shop/secret.yaml", "bm90IGEga2V5", "this value"),
    );
    secret.entity = Some("Secret default/tls".into());

    let chart = Diagnostic::new(
        &code::GW0006,
        "the folder `chart` holds a Helm chart",
        Label { path: "chart/Chart.yaml".into(), span: Span::default(), text: String::new() },
    );
    let mut all = vec![duplicate, unknown, secret, chart];
    crate::sort(&mut all);
    all
}

/// Removes terminal color sequences.
pub(super) fn without_colors(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, part| out + part.split_once('m').map_or(part, |(_, rest)| rest))
}

fn label(path: &str, needle: &str, text: &str) -> Label {
    let file = text_of(path).expect("an example file");
    let start = file.find(needle).expect("the needle is in the file");
    let position = |offset: usize| Position {
        offset,
        line: file[..offset].matches('\n').count() + 1,
        column: offset - file[..offset].rfind('\n').map_or(0, |at| at + 1) + 1,
    };
    let span = Span { start: position(start), end: position(start + needle.len()) };
    Label { path: path.into(), span, text: text.into() }
}
