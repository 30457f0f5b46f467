//! Objects that are taken as another state had them: they count instead of what the files say, and leave no trace.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

use gatewright_compiler::options::CompileOptions;
use gatewright_compiler::source::{HeldFile, SourceTree};
use gatewright_compiler::{Engine, compile};
use gatewright_kinds::EntityKey;

fn ingress(name: &str, path: &str, annotations: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: {name}, namespace: shop, annotations: {{{annotations}}}}}\nspec:\n  ingressClassName: higress\n  rules:\n  - host: {name}.test\n    http: {{paths: [{{path: {path}, pathType: Prefix, backend: {{service: {{name: s, port: {{number: 80}}}}}}}}]}}\n"
    )
}

const BROKEN: &str = "higress.io/destination: 'x% api.static'";

fn tree(files: &[(&str, &str)]) -> SourceTree {
    SourceTree::in_memory(files.iter().copied())
}

/// Returns `files` with one object taken from `old`, a text that stands in no file.
fn holding(files: &[(&str, &str)], object: &str, old: &str) -> SourceTree {
    let all: Vec<(&str, &str)> = files.iter().copied().chain([("old//a.yaml", old)]).collect();
    let mut tree = tree(&all);
    let content = tree.files.remove("old//a.yaml").unwrap();
    let file = HeldFile { path: "old//a.yaml".into(), content };
    tree.held.insert(object.parse::<EntityKey>().unwrap(), file);
    tree
}

fn digest(engine: &Engine) -> String {
    engine.ir().digest().hex()
}

fn cold(files: &[(&str, &str)]) -> (String, Vec<String>) {
    let compiled = compile(&tree(files), &CompileOptions::higress_defaults()).unwrap();
    (digest(&compiled.engine), shown(&compiled.engine))
}

fn shown(engine: &Engine) -> Vec<String> {
    let diagnostics = engine.diagnostics().unwrap();
    diagnostics
        .iter()
        .map(|found| format!("{} {} {}", found.code.id, found.primary.path, found.message))
        .collect()
}

#[test]
fn a_held_object_counts_instead_of_its_files_until_it_is_released() {
    let (old, new) = (ingress("a", "/old", ""), ingress("a", "/new", BROKEN));
    let other = ingress("b", "/new", "");
    let files = [("a.yaml", new.as_str()), ("b.yaml", other.as_str())];
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    engine.update(&tree(&files)).unwrap();
    assert_eq!(engine.broken().objects, ["Ingress shop/a".parse().unwrap()].into());

    engine.update(&holding(&files, "Ingress shop/a", &old)).unwrap();
    assert_eq!(engine.broken(), gatewright_compiler::Broken::default());
    assert!(!engine.has_errors());
    let (expected, findings) = cold(&[("a.yaml", &old), ("b.yaml", &other)]);
    assert_eq!(digest(&engine), expected);
    let places: Vec<String> =
        findings.iter().map(|found| found.replace(" a.yaml ", " old//a.yaml ")).collect();
    assert_eq!(shown(&engine), sorted(places));
    let file = engine.file_of(&"Ingress shop/a".parse().unwrap()).unwrap();
    assert_eq!(&**file, "old//a.yaml");

    engine.update(&tree(&files)).unwrap();
    assert_eq!((digest(&engine), shown(&engine)), cold(&files));
}

#[test]
fn an_object_that_stands_twice_or_nowhere_is_held_alike() {
    let (old, new) = (ingress("a", "/old", ""), ingress("a", "/new", ""));
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    let (expected, _) = cold(&[("a.yaml", &old)]);
    for files in [&[("a.yaml", new.as_str()), ("copy.yaml", new.as_str())][..], &[]] {
        engine.update(&holding(files, "Ingress shop/a", &old)).unwrap();
        assert_eq!((digest(&engine), engine.has_errors()), (expected.clone(), false));
    }
}

#[test]
fn what_is_broken_there_too_or_missing_is_not_held() {
    let new = ingress("a", "/new", "");
    let files = [("a.yaml", new.as_str())];
    let (expected, _) = cold(&files);
    let unknown_field = ingress("a", "/old", "").replace("  rules:", "  rule: x\n  rules:");
    for old in [unknown_field, ingress("other", "/", ""), "kind: Ingress\nspec: [\n".to_owned()] {
        let mut engine = Engine::new(CompileOptions::higress_defaults());
        engine.update(&holding(&files, "Ingress shop/a", &old)).unwrap();
        assert_eq!(digest(&engine), expected, "{old}");
    }
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort_by_key(|text| text.split(' ').nth(1).map(str::to_owned));
    texts
}

#[test]
fn a_file_that_held_manifests_is_not_passed_over() {
    let (one, two) = (ingress("a", "/", ""), ingress("b", "/", ""));
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    engine.update(&tree(&[("a.yaml", &one), ("b.yaml", &two), ("data.yaml", "{: [\n")])).unwrap();
    assert!(!engine.has_errors(), "{:?}", shown(&engine));
    let expected = engine.files_with_manifests();
    assert!(expected.contains("a.yaml") && !expected.contains("data.yaml"));

    let mut next = tree(&[("a.yaml", "{: [\n"), ("b.yaml", &two), ("data.yaml", "{: [\n")]);
    next.expected = expected;
    engine.update(&next).unwrap();
    assert_eq!(engine.broken().files, ["a.yaml".into()].into());
    let passed_over: Vec<&str> = engine.passed_over().map(|path| &**path).collect();
    assert_eq!(passed_over, ["data.yaml"]);
    let errors: Vec<String> =
        shown(&engine).into_iter().filter(|found| found.starts_with("GW0001 a.yaml ")).collect();
    assert_eq!(errors.len(), 1, "{:?}", shown(&engine));
    // What is broken stays expected, also by a state that is served without it.
    assert!(engine.files_with_manifests().contains("a.yaml"));

    for deleted in ["", "# moved\n", "---\n"] {
        let mut gone = tree(&[("a.yaml", deleted), ("b.yaml", &two)]);
        gone.expected = next.expected.clone();
        engine.update(&gone).unwrap();
        assert!(!engine.has_errors() && !engine.files_with_manifests().contains("a.yaml"), "{deleted}");
    }
    let mut values = tree(&[("a.yaml", "replicas: 3\n"), ("b.yaml", &two)]);
    values.expected = next.expected.clone();
    engine.update(&values).unwrap();
    assert_eq!(engine.broken().files, ["a.yaml".into()].into());
}
