//! The rules about which files belong to a source, each on disk and in git.

use std::path::Path;
use std::sync::Arc;

use gatewright_testkit::git::TempRepo;

use super::super::{Credentials, Loader, Source, SourceError, SourceSpec};

fn load(repo: &TempRepo, spec: &str) -> Result<Source, SourceError> {
    let loader = Loader {
        working_folder: repo.path().to_owned(),
        cache_folder: repo.path().join(".cache"),
        credentials: Credentials::default(),
    };
    loader.load(&[spec.parse::<SourceSpec>().unwrap()])
}

fn paths(source: &Source) -> Vec<&str> {
    source.tree.files.keys().map(AsRef::as_ref).collect()
}

/// Makes the files, and compares what belongs to the source on disk and in a commit with what is expected.
fn check(files: &[(&str, &str)], links: &[(&str, &str)], expected: &[&str]) -> (TempRepo, [Source; 2]) {
    let repo = TempRepo::new();
    for (path, content) in files {
        repo.write(path, content);
    }
    for (path, target) in links {
        link(&repo, path, target);
    }
    repo.commit("all");
    let both = [load(&repo, ".").unwrap(), load(&repo, "git:HEAD").unwrap()];
    for source in &both {
        assert_eq!(paths(source), expected);
        for (path, content) in &source.tree.files {
            assert!(!source.tree.reader.read(path, content).unwrap().is_empty());
        }
    }
    (repo, both)
}

fn link(repo: &TempRepo, path: &str, target: &str) {
    let link = repo.path().join(path);
    std::fs::create_dir_all(link.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(target, link).unwrap();
}

#[test]
fn only_manifests_outside_of_hidden_folders_belong() {
    let files =
        ["a.yaml", "b.yml", "c/d/e.json", "README.md", ".github/ci.yaml", "c/.x/y.yaml", "f.yaml.bak"];
    check(&files.map(|path| (path, "x")), &[], &["a.yaml", "b.yml", "c/d/e.json"]);
}

#[test]
fn settings_and_route_tests_are_no_manifests() {
    let files = ["gatewright.yaml", "a.yaml", "tests/a.gwtest.yaml", "sub/gatewright.yaml"];
    let (_repo, both) = check(&files.map(|path| (path, path)), &[], &["a.yaml"]);
    for source in both {
        assert_eq!(&*source.read_settings().unwrap().unwrap(), b"gatewright.yaml");
        let (path, content) = source.tests.first_key_value().unwrap();
        assert_eq!(path, &Arc::from("tests/a.gwtest.yaml"));
        assert_eq!(&*source.tree.reader.read(path, content).unwrap(), b"tests/a.gwtest.yaml");
    }
}

/// Checks what must be rendered, with the number of files that are left out for it.
fn unrendered(sources: &[Source], expected: &[(&str, Option<usize>)]) {
    for source in sources {
        let found = source.tree.unrendered.iter().map(|found| (found.path.as_str(), found.parts));
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }
}

#[test]
fn the_parts_of_a_chart_are_counted_and_what_stands_beside_them_is_read() {
    let files = [
        "chart/Chart.yaml",
        "chart/values.yaml",
        "chart/values-prod.yaml",
        "chart/templates/a.yaml",
        "chart/templates/tests/b.yaml",
        "chart/templates/c.tpl",
        "chart/charts/sub/Chart.yaml",
        "chart/charts/sub/templates/d.yaml",
        "chart/examples/e.yaml",
        "chart/f.yaml",
    ];
    let (_repo, both) =
        check(&files.map(|path| (path, "x")), &[], &["chart/examples/e.yaml", "chart/f.yaml"]);
    unrendered(&both, &[("chart/Chart.yaml", Some(5))]);
}

#[test]
fn a_kustomization_hides_what_it_names_and_nothing_else() {
    let overlay =
        "resources: [../base, web.yaml, https://example.com/x.yaml]\npatches: [{path: patch.yaml}]\n";
    let flux = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n";
    let files = [
        ("kustomization.yaml", "resources: [namespace.yaml, shop]\n"),
        ("namespace.yaml", "x"),
        ("shop/ingress.yaml", "x"),
        ("base/kustomization.yml", "resources:\n- a.yaml\n- ../shared/s.yaml\n"),
        ("base/a.yaml", "x"),
        ("base/b.yaml", "x"),
        ("shared/s.yaml", "x"),
        ("prod/Kustomization", overlay),
        ("prod/web.yaml", "x"),
        ("prod/patch.yaml", "x"),
        ("prod/extra/c.yaml", "x"),
        ("broken/kustomization.yaml", "resources: ["),
        ("broken/d.yaml", "x"),
        ("flux/kustomization.yaml", flux),
        ("plain/kustomization.yaml", "resources: [e.yaml]\n"),
        ("plain/e.yaml", "x"),
        (".gatewrightignore", "plain/kustomization.yaml\n"),
    ];
    let read =
        ["base/b.yaml", "broken/d.yaml", "flux/kustomization.yaml", "plain/e.yaml", "prod/extra/c.yaml"];
    let (_repo, both) = check(&files, &[], &[&read[..], &["shop/ingress.yaml"]].concat());
    unrendered(
        &both,
        &[
            ("base/kustomization.yml", Some(2)),
            ("broken/kustomization.yaml", None),
            ("kustomization.yaml", Some(1)),
            ("prod/Kustomization", Some(2)),
        ],
    );
}

#[test]
fn ignore_files_follow_the_rules_of_gitignore() {
    let ignore = "# comment\n/top.yaml\nbuild/\n*.gen.yaml\n!keep.gen.yaml\ndocs/**/x.yaml\n";
    let files = [
        (".gatewrightignore", ignore),
        ("sub/.gatewrightignore", "/top.yaml\n!back.gen.yaml\n"),
        ("top.yaml", "x"),
        ("sub/top.yaml", "x"),
        ("sub/deep/top.yaml", "x"),
        ("build/a.yaml", "x"),
        ("a.gen.yaml", "x"),
        ("keep.gen.yaml", "x"),
        ("sub/back.gen.yaml", "x"),
        ("docs/a/b/x.yaml", "x"),
        ("docs/a/b/y.yaml", "x"),
    ];
    check(&files, &[], &["docs/a/b/y.yaml", "keep.gen.yaml", "sub/back.gen.yaml", "sub/deep/top.yaml"]);
}

#[test]
fn links_are_followed_once_and_loops_end() {
    let files = [("real/a.yaml", "x"), (".hidden/b.yaml", "x"), ("z/c.yaml", "x")];
    let links = [
        ("again", "real"),
        ("b.yaml", ".hidden/b.yaml"),
        ("real/loop", ".."),
        ("z/self", "."),
        ("twice", ".hidden"),
        ("dead", "nowhere"),
        (".#lock.yaml", "user@host"),
    ];
    check(&files, &links, &["b.yaml", "real/a.yaml", "z/c.yaml"]);
}

#[test]
fn a_linked_folder_that_is_nowhere_else_belongs() {
    check(&[(".store/v1/a.yaml", "x")], &[("current", ".store/v1")], &["current/a.yaml"]);
}

#[test]
fn dead_and_leaving_links_are_named() {
    for (target, on_disk) in
        [("nowhere.yaml", "does not exist"), ("loop.yaml", "loop.yaml"), ("/etc/passwd", "leads out")]
    {
        let repo = TempRepo::new();
        link(&repo, "sub/loop.yaml", target);
        repo.commit("link");
        let error = load(&repo, ".").err().unwrap().to_string();
        assert!(error.contains("`sub/loop.yaml`") && error.contains(on_disk), "{error}");
        let error = load(&repo, "git:HEAD").err().unwrap().to_string();
        assert!(error.contains("`sub/loop.yaml`") && error.contains("not in the revision"), "{error}");
    }
}

#[test]
fn a_bad_pattern_is_named() {
    let repo = TempRepo::new();
    repo.write("sub/.gatewrightignore", "ok\nbad[z-a]\n").commit("all");
    for spec in [".", "git:HEAD"] {
        let error = load(&repo, spec).err().unwrap();
        let SourceError::IgnoreFile { path, line, .. } = &error else { panic!("{error}") };
        assert_eq!((path.as_str(), line.as_str()), ("sub/.gatewrightignore", "bad[z-a]"));
    }
}

#[test]
fn what_is_no_regular_file_is_named_rather_than_waited_for() {
    let repo = TempRepo::new();
    let made = std::process::Command::new("mkfifo").arg(repo.path().join("pipe.yaml")).status().unwrap();
    assert!(made.success());
    let error = load(&repo, ".").err().unwrap().to_string();
    assert_eq!(error, "cannot read `pipe.yaml`: it is not a regular file");
}

#[test]
fn names_that_are_no_text_are_refused() {
    use std::os::unix::ffi::OsStrExt as _;
    let repo = TempRepo::new();
    let name = std::ffi::OsStr::from_bytes(b"a\xff.yaml");
    std::fs::write(repo.path().join(Path::new(name)), "x").unwrap();
    repo.commit("all");
    for spec in [".", "git:HEAD"] {
        assert!(matches!(load(&repo, spec).err().unwrap(), SourceError::Name(_)));
    }
}
