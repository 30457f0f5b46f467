//! Sources from a git remote over HTTP: the real `git http-backend`, and what goes wrong between it and us.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

use std::path::Path;

use gatewright_reconciler::source::{Credentials, Loader, Source, SourceError};
use gatewright_testkit::git::TempRepo;
use gatewright_testkit::git_http::GitHttp;

/// A password that must never be seen.
const PASSWORD: &str = "hunter2";

struct Bench {
    repository: TempRepo,
    server: GitHttp,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let repository = TempRepo::new();
        repository.write("a.yaml", "a: 1\n").commit("one");
        let server = GitHttp::serve(repository.path());
        Bench { repository, server, folder: tempfile::tempdir().unwrap() }
    }

    fn load(&self, revision: &str) -> Result<Source, SourceError> {
        self.load_with(&format!("git+{}@{revision}", self.server.url()), &[])
    }

    fn load_with(&self, spec: &str, variables: &[(&str, &str)]) -> Result<Source, SourceError> {
        let credentials = Credentials::from_variables(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })?;
        let loader = Loader {
            working_folder: self.folder.path().to_owned(),
            cache_folder: self.folder.path().join("cache"),
            credentials,
        };
        let loaded = loader.load(&[spec.parse().unwrap()]);
        if let Err(error) = &loaded {
            assert!(!format!("{error} {error:?} {:?}", error.hint()).contains(PASSWORD), "{error}");
        }
        loaded
    }

    fn packs(&self) -> usize {
        let requests = self.server.requests();
        requests
            .iter()
            .filter(|request| request.starts_with("POST") && request.contains("upload-pack"))
            .count()
    }
}

fn text(source: &Source) -> String {
    let bytes = source.tree.reader.read("a.yaml", &source.tree.files["a.yaml"]).unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn id(source: &Source) -> String {
    source.revisions().next().unwrap().1.id.clone()
}

/// Returns what a failure says, without its hint.
fn failure(loaded: Result<Source, SourceError>) -> String {
    loaded.err().expect("it fails").to_string()
}

#[test]
fn a_branch_is_fetched_followed_and_not_fetched_twice() {
    let bench = Bench::new();
    assert_eq!(text(&bench.load("main").unwrap()), "a: 1\n");
    let packs = bench.packs();
    assert!(packs > 0);
    bench.load("main").unwrap();
    bench.load("HEAD").unwrap();
    assert_eq!(bench.packs(), packs, "{:?}", bench.server.requests());
    let second = bench.repository.write("a.yaml", "a: 2\n").commit("two");
    let source = bench.load("main").unwrap();
    assert_eq!((id(&source), text(&source).as_str()), (second, "a: 2\n"));
}

#[test]
fn a_force_pushed_branch_is_followed_and_what_it_left_stays_readable() {
    let bench = Bench::new();
    let lost = bench.repository.write("a.yaml", "a: 2\n").commit("two");
    bench.load("main").unwrap();
    bench.repository.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    let other = bench.repository.write("a.yaml", "a: 3\n").commit("three");
    let source = bench.load("main").unwrap();
    assert_eq!((id(&source), text(&source).as_str()), (other, "a: 3\n"));
    bench.repository.git(&["reflog", "expire", "--expire=now", "--all"]);
    bench.repository.git(&["gc", "--quiet", "--prune=now"]);
    assert_eq!(text(&bench.load(&lost).unwrap()), "a: 2\n");
}

#[test]
fn what_the_remote_does_not_have_is_missing() {
    let bench = Bench::new();
    let url = bench.server.url();
    assert_eq!(failure(bench.load("gone")), format!("there is no revision `gone` in {url}"));
    let unknown = "0123456789012345678901234567890123456789";
    assert_eq!(failure(bench.load(unknown)), format!("there is no revision `{unknown}` in {url}"));
    let spec = format!("git+{url}@main:nowhere");
    assert_eq!(failure(bench.load_with(&spec, &[])), "there is no `nowhere` in revision `main`");
    let elsewhere = url.replace("/team/", "/other/");
    let said = failure(bench.load_with(&format!("git+{elsewhere}@main"), &[]));
    assert!(said.starts_with(&format!("cannot reach {elsewhere}: ")) && said.contains("404"), "{said}");
}

#[test]
fn a_remote_that_refuses_connections_is_unreachable_until_it_is_back() {
    let mut bench = Bench::new();
    bench.server.kill();
    let said = failure(bench.load("main"));
    assert!(said.starts_with(&format!("cannot reach {}: ", bench.server.url())), "{said}");
    bench.server.restart();
    assert_eq!(text(&bench.load("main").unwrap()), "a: 1\n");
}

#[test]
fn a_transfer_that_breaks_off_leaves_nothing_half_done() {
    let bench = Bench::new();
    for after in [0, 4, 60, 200] {
        bench.server.cut_packs(Some(after));
        let said = failure(bench.load("main"));
        assert!(said.starts_with(&format!("cannot reach {}: ", bench.server.url())), "{after}: {said}");
    }
    bench.server.cut_packs(None);
    assert_eq!(text(&bench.load("main").unwrap()), "a: 1\n");
    bench.repository.write("a.yaml", "a: 2\n").commit("two");
    bench.server.cut_packs(Some(60));
    assert!(bench.load("main").is_err());
    bench.server.cut_packs(None);
    assert_eq!(text(&bench.load("main").unwrap()), "a: 2\n");
}

#[test]
fn credentials_come_from_the_environment_or_a_file_and_are_never_shown() {
    let bench = Bench::new();
    bench.server.require("me", PASSWORD);
    let url = bench.server.url();
    let spec = format!("git+{url}@main");
    let asks = format!("{url} refuses access: it asks for credentials and none are given");
    assert_eq!(failure(bench.load_with(&spec, &[])), asks);
    let name = ("GATEWRIGHT_GIT_USERNAME", "me");
    let wrong = format!("{PASSWORD}wrong");
    let refused = format!("{url} refuses access: the credentials are not accepted (tried: password)");
    assert_eq!(failure(bench.load_with(&spec, &[name, ("GATEWRIGHT_GIT_PASSWORD", &wrong)])), refused);

    let file = bench.folder.path().join("token");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let file = ("GATEWRIGHT_GIT_PASSWORD_FILE", file.to_str().unwrap());
    for password in [("GATEWRIGHT_GIT_PASSWORD", PASSWORD), file] {
        assert_eq!(text(&bench.load_with(&spec, &[name, password]).unwrap()), "a: 1\n");
    }
    let inside = format!("git+{}@main", url.replace("//", &format!("//me:{PASSWORD}@")));
    let source = bench.load_with(&inside, &[]).unwrap();
    assert_eq!(source.specs().next().unwrap().to_string(), spec);
    assert!(!holds(bench.folder.path().join("cache").as_path(), PASSWORD));
}

#[test]
fn a_redirect_takes_no_credentials_along() {
    let bench = Bench::new();
    let other = GitHttp::serve(bench.repository.path());
    other.require("me", PASSWORD);
    bench.server.redirect(&other.url());
    let given = [("GATEWRIGHT_GIT_USERNAME", "me"), ("GATEWRIGHT_GIT_PASSWORD", PASSWORD)];
    let said = failure(bench.load_with(&format!("git+{}@main", bench.server.url()), &given));
    assert_eq!(said, format!("{} refuses access: it redirects to another server", bench.server.url()));
    assert!(!other.requests().iter().any(|request| request.contains("Basic")), "{:?}", other.requests());
}

/// Returns whether a file below a folder holds a text.
fn holds(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, text);
        }
        std::fs::read(&path).unwrap().windows(text.len()).any(|window| window == text.as_bytes())
    })
}
