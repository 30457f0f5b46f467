//! Quarantine: what is taken from the last good state, object by object, and what is not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

use gatewright_compiler::Engine;
use gatewright_compiler::options::CompileOptions;
use gatewright_reconciler::quarantine::quarantine;
use gatewright_reconciler::source::{Credentials, Loader, Source};
use gatewright_testkit::git::TempRepo;

/// A repository, and what reads and compiles it.
struct Bench {
    repository: TempRepo,
    loader: Loader,
    engine: Engine,
    last: Option<Source>,
    refused: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        let repository = TempRepo::new();
        let loader = Loader {
            working_folder: repository.path().to_owned(),
            cache_folder: repository.path().join(".cache"),
            credentials: Credentials::default(),
        };
        let engine = Engine::new(CompileOptions::higress_defaults());
        Bench { repository, loader, engine, last: None, refused: Vec::new() }
    }

    fn write(&self, path: &str, content: &str) -> &Self {
        self.repository.write(path, content);
        self
    }

    /// Commits, and serves the state under quarantine. Returns what it holds: object, file, subject of the commit.
    fn serve(&mut self, message: &str) -> Vec<String> {
        self.repository.commit(message);
        let head = self.loader.load(&["git:HEAD".parse().unwrap()]).unwrap();
        let done = quarantine(&self.loader, &mut self.engine, &head, self.last.as_ref()).unwrap();
        self.refused = done.refused;
        let subject = |id: &str| self.repository.git(&["show", "--no-patch", "--format=%s", id]);
        let shown = |hold: &gatewright_reconciler::source::Hold| {
            format!("{} from {} of {}", hold.object, hold.path, subject(&hold.revision))
        };
        let holds = done.source.holds().iter().map(shown).collect();
        self.last = Some(done.source);
        holds
    }

    fn digest(&self) -> String {
        self.engine.ir().digest().hex()
    }
}

/// Returns the digest of the model of some files without an error.
fn digest_of(files: &[(&str, &str)]) -> String {
    let tree = gatewright_compiler::source::SourceTree::in_memory(files.iter().copied());
    let compiled = gatewright_compiler::compile(&tree, &CompileOptions::higress_defaults()).unwrap();
    assert!(!compiled.has_errors(), "{:?}", compiled.diagnostics);
    compiled.engine.ir().digest().hex()
}

/// An Ingress with one path; `extra` stands among its annotations.
fn ingress(name: &str, path: &str, extra: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: {name}, namespace: shop, annotations: {{{extra}}}}}\nspec:\n  ingressClassName: higress\n  rules:\n  - host: {name}.test\n    http:\n      paths:\n      - {{path: {path}, pathType: Prefix, backend: {{service: {{name: s, port: {{name: http}}}}}}}}\n"
    )
}

fn service(port: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: s, namespace: shop}}\nspec: {{ports: [{{name: {port}, port: 80}}]}}\n"
    )
}

/// An annotation that is an error, whatever stands beside it.
const BROKEN: &str = "higress.io/destination: 'x% api.static'";

#[test]
fn a_broken_object_keeps_its_last_version_and_the_rest_moves_on() {
    let mut bench = Bench::new();
    bench.write("s.yaml", &service("http"));
    let both = |first: &str, second: &str| format!("{first}---\n{second}");
    bench.write("web.yaml", &both(&ingress("a", "/one", ""), &ingress("b", "/one", "")));
    assert!(bench.serve("one").is_empty());
    let broken = ingress("a", "/two", BROKEN);
    bench.write("web.yaml", &both(&broken, &ingress("b", "/two", "")));
    assert_eq!(bench.serve("two"), ["Ingress shop/a from web.yaml of one"]);
    let expected = both(&ingress("a", "/one", ""), &ingress("b", "/two", ""));
    assert_eq!(bench.digest(), digest_of(&[("s.yaml", &service("http")), ("web.yaml", &expected)]));
    assert_eq!(bench.refused, <[String; 0]>::default());

    // Much later the other one breaks: each keeps the version that it had last.
    bench.write("web.yaml", &both(&broken, &ingress("b", "/three", "")));
    bench.serve("three");
    bench.write("web.yaml", &both(&broken, &ingress("b", "/four", BROKEN)));
    let held = ["Ingress shop/a from web.yaml of one", "Ingress shop/b from web.yaml of three"];
    assert_eq!(bench.serve("four"), held);
    bench.write("web.yaml", &both(&ingress("a", "/five", ""), &ingress("b", "/five", "")));
    assert!(bench.serve("five").is_empty());
    let expected = both(&ingress("a", "/five", ""), &ingress("b", "/five", ""));
    assert_eq!(bench.digest(), digest_of(&[("s.yaml", &service("http")), ("web.yaml", &expected)]));
}

#[test]
fn an_object_without_a_good_version_is_refused() {
    let mut bench = Bench::new();
    bench.write("s.yaml", &service("http")).write("a.yaml", &ingress("a", "/", BROKEN));
    assert!(bench.serve("one").is_empty());
    assert_eq!(bench.refused, ["Ingress shop/a"]);
    bench.write("b.yaml", &ingress("b", "/", ""));
    assert!(bench.serve("two").is_empty());
    assert_eq!(bench.refused, ["Ingress shop/a"]);
}

#[test]
fn what_a_broken_file_may_hold_is_kept_and_what_is_deleted_elsewhere_goes() {
    let mut bench = Bench::new();
    bench.write("s.yaml", &service("http")).write("c.yaml", &ingress("c", "/", ""));
    bench.write("ab.yaml", &format!("{}---\n{}", ingress("a", "/", ""), ingress("b", "/", "")));
    bench.write("de.yaml", &format!("{}---\n{}", ingress("d", "/", ""), ingress("e", "/", "")));
    bench.serve("one");
    let half = format!("{}---\nkind: Ingress\nspec: [\n", ingress("a", "/new", ""));
    bench.write("ab.yaml", &half).write("de.yaml", &ingress("e", "/", ""));
    // `d` went from a file that can be read; whether `b` went nobody can tell, and the file of `c` is gone as a whole.
    bench.repository.remove("c.yaml");
    let held = ["Ingress shop/b from ab.yaml of one", "Ingress shop/c from c.yaml of one"];
    assert_eq!(bench.serve("two"), held);
    bench.write("ab.yaml", &ingress("a", "/new", ""));
    assert!(bench.serve("three").is_empty());
    let rest = [("s.yaml", service("http")), ("a", ingress("a", "/new", "")), ("e", ingress("e", "/", ""))];
    let rest: Vec<(&str, &str)> = rest.iter().map(|(path, text)| (*path, text.as_str())).collect();
    assert_eq!(bench.digest(), digest_of(&rest));
}

#[test]
fn an_object_that_is_defined_twice_keeps_its_one_version() {
    let mut bench = Bench::new();
    bench.write("s.yaml", &service("http")).write("a.yaml", &ingress("a", "/one", ""));
    bench.serve("one");
    bench.write("copy.yaml", &ingress("a", "/two", ""));
    assert_eq!(bench.serve("two"), ["Ingress shop/a from a.yaml of one"]);
    let expected = [("s.yaml", service("http")), ("a.yaml", ingress("a", "/one", ""))];
    let expected: Vec<(&str, &str)> = expected.iter().map(|(path, text)| (*path, text.as_str())).collect();
    assert_eq!(bench.digest(), digest_of(&expected));
}

#[test]
fn a_change_that_breaks_who_refers_to_it_is_held_with_it() {
    let mut bench = Bench::new();
    bench.write("s.yaml", &service("http")).write("a.yaml", &ingress("a", "/one", ""));
    bench.serve("one");
    // The Ingress is as it was, and names a port that the Service no longer has.
    bench.write("s.yaml", &service("web"));
    let held = ["Ingress shop/a from a.yaml of one", "Service shop/s from s.yaml of one"];
    assert_eq!(bench.serve("two"), held);
    assert_eq!(bench.refused, <[String; 0]>::default());
    let expected = [("s.yaml", service("http")), ("a.yaml", ingress("a", "/one", ""))];
    let expected: Vec<(&str, &str)> = expected.iter().map(|(path, text)| (*path, text.as_str())).collect();
    assert_eq!(bench.digest(), digest_of(&expected));
}

#[test]
fn places_of_held_objects_name_their_revision() {
    let mut bench = Bench::new();
    bench
        .write("s.yaml", &service("http"))
        .write("deploy/a.yaml", &format!("\n{}", ingress("a", "/one", "")));
    bench.serve("one");
    let first = bench.repository.git(&["rev-parse", "HEAD"]);
    bench.write("deploy/a.yaml", &ingress("a", "/two", BROKEN));
    bench.serve("two");
    let source = bench.last.as_ref().unwrap();
    let route = bench.engine.ir().hosts.values().flat_map(|host| &host.host.routes).next().unwrap();
    let place = bench.engine.origin(&route.id).unwrap();
    let label = bench.engine.locate(&place).unwrap().unwrap();
    let shown = source.provenance(&label.path, label.span.start.line);
    assert!(
        shown.starts_with("deploy/a.yaml:1") && shown.ends_with(&format!("@{}", &first[..10])),
        "{shown}"
    );
}

#[test]
fn what_is_in_no_revision_is_not_held() {
    let folder = tempfile::tempdir().unwrap();
    let loader = Loader {
        working_folder: folder.path().to_owned(),
        cache_folder: folder.path().join(".cache"),
        credentials: Credentials::default(),
    };
    let mut engine = Engine::new(CompileOptions::higress_defaults());
    std::fs::write(folder.path().join("s.yaml"), service("http")).unwrap();
    std::fs::write(folder.path().join("a.yaml"), ingress("a", "/one", "")).unwrap();
    let last = loader.load(&[".".parse().unwrap()]).unwrap();
    std::fs::write(folder.path().join("a.yaml"), ingress("a", "/two", BROKEN)).unwrap();
    let head = loader.load(&[".".parse().unwrap()]).unwrap();
    let done = quarantine(&loader, &mut engine, &head, Some(&last)).unwrap();
    assert_eq!((done.source.holds(), done.refused), (&[][..], vec!["Ingress shop/a".to_owned()]));
}
