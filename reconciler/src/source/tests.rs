//! Whole sources: what each form of SOURCE gives, how several merge, and what failures say.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatewright_compiler::source::ContentId;
use gatewright_testkit::git::TempRepo;

use super::{Credentials, Loader, Source, SourceError, SourceSpec, Watch};

fn loader(folder: &Path) -> Loader {
    let cache_folder = folder.join(".cache");
    Loader { working_folder: folder.to_owned(), cache_folder, credentials: Credentials::default() }
}

fn load(repo: &TempRepo, specs: &[&str]) -> Result<Source, SourceError> {
    let specs: Vec<SourceSpec> = specs.iter().map(|spec| spec.parse().unwrap()).collect();
    loader(repo.path()).load(&specs)
}

fn paths(source: &Source) -> Vec<&str> {
    source.tree.files.keys().map(AsRef::as_ref).collect()
}

fn text(source: &Source, path: &str) -> String {
    let bytes = source.tree.reader.read(path, &source.tree.files[path]).unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn two_revisions() -> (TempRepo, String, String) {
    let repo = TempRepo::new();
    let first =
        repo.write("deploy/a.yaml", "a: 1\n").write("deploy/b.yaml", "b: 1\n").commit("first line\n\nbody");
    let second = repo.write("deploy/a.yaml", "a: 2\n").commit("second");
    (repo, first, second)
}

#[test]
fn a_folder_is_read_relative_to_itself() {
    let (repo, ..) = two_revisions();
    let source = load(&repo, &["./deploy/"]).unwrap();
    assert_eq!(paths(&source), ["a.yaml", "b.yaml"]);
    assert_eq!(source.tree.files["a.yaml"], ContentId::of_bytes(b"a: 2\n"));
    assert_eq!(source.provenance("a.yaml", 3), "deploy/a.yaml:3");
    assert_eq!(source.provenance("cluster:Service shop/a", 0), "cluster:Service shop/a");
    assert_eq!(source.relative("a.yaml"), "deploy/a.yaml");
    assert!(source.revision("a.yaml").is_none());
}

#[test]
fn absolute_folders_are_shown_as_given_and_relative_for_programs() {
    let (repo, ..) = two_revisions();
    let inside = repo.path().join("deploy").display().to_string();
    let source = load(&repo, &[&inside]).unwrap();
    assert_eq!(source.shown("a.yaml"), format!("{inside}/a.yaml"));
    assert_eq!(source.relative("a.yaml"), "deploy/a.yaml");
    let elsewhere = TempRepo::new();
    let source = load(&elsewhere, &[&inside]).unwrap();
    assert_eq!(source.relative("a.yaml"), "a.yaml");
}

#[test]
fn a_file_is_read_whatever_its_name() {
    let (repo, ..) = two_revisions();
    repo.write("deploy/notes.txt", "kind: X\n");
    let source = load(&repo, &["deploy/notes.txt"]).unwrap();
    assert_eq!(text(&source, "notes.txt"), "kind: X\n");
    assert_eq!(source.shown("notes.txt"), "deploy/notes.txt");
}

#[test]
fn a_revision_is_read_without_a_checkout() {
    let (repo, first, second) = two_revisions();
    repo.write("deploy/a.yaml", "a: uncommitted\n");
    let source = load(&repo, &["git:HEAD~1:deploy"]).unwrap();
    assert_eq!(text(&source, "a.yaml"), "a: 1\n");
    let revision = source.revision("a.yaml").unwrap();
    assert_eq!((revision.id.as_str(), revision.summary.as_str()), (first.as_str(), "first line"));
    assert_eq!(revision.time, 1_767_225_600);
    assert_eq!(source.provenance("a.yaml", 1), format!("deploy/a.yaml:1@{}", &first[..10]));

    let blob = repo.git(&["rev-parse", "HEAD~1:deploy/a.yaml"]);
    let id: String = source.tree.files["a.yaml"].0[..20].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(id, blob);

    let newer = load(&repo, &[&format!("git:{}:deploy", &second[..8])]).unwrap();
    assert_eq!(newer.tree.files["b.yaml"], source.tree.files["b.yaml"]);
    assert_ne!(newer.tree.files["a.yaml"], source.tree.files["a.yaml"]);
}

#[test]
fn a_revision_is_found_from_any_folder_and_in_a_bare_repository() {
    let (repo, ..) = two_revisions();
    let source = loader(&repo.path().join("deploy")).load(&["git:main".parse().unwrap()]).unwrap();
    assert_eq!(paths(&source), ["deploy/a.yaml", "deploy/b.yaml"]);
    let bare = TempRepo::new();
    bare.git(&["clone", "--quiet", "--bare", &repo.url(), "copy.git"]);
    let source =
        loader(&bare.path().join("copy.git")).load(&["git:main:deploy/b.yaml".parse().unwrap()]).unwrap();
    assert_eq!(text(&source, "b.yaml"), "b: 1\n");
    assert_eq!(source.shown("b.yaml"), "deploy/b.yaml");
}

#[test]
fn blobs_are_read_from_many_threads() {
    let repo = TempRepo::new();
    for number in 0..50 {
        repo.write(&format!("{number}.yaml"), &format!("n: {number}\n"));
    }
    repo.commit("many");
    let source = Arc::new(load(&repo, &["git:HEAD"]).unwrap());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                (0..50).for_each(|n| assert_eq!(text(&source, &format!("{n}.yaml")), format!("n: {n}\n")))
            });
        }
    });
}

#[test]
fn repositories_of_this_machine_are_read_where_they_are() {
    let (repo, first, _) = two_revisions();
    let elsewhere = TempRepo::new();
    let path = repo.path().display();
    for spec in [format!("git+{}@main:deploy", repo.url()), format!("git+{path}@{first}:deploy")] {
        let source = load(&elsewhere, &[&spec]).unwrap();
        assert_eq!(paths(&source), ["a.yaml", "b.yaml"]);
    }
    assert!(!elsewhere.path().join(".cache").exists());
}

#[test]
fn several_sources_merge_under_the_names_that_the_user_knows() {
    let (repo, ..) = two_revisions();
    repo.write("base/a.yaml", "base\n").write("base/gatewright.yaml", "x\n").write("one.yaml", "one\n");
    let source =
        load(&repo, &["base", "deploy", "one.yaml", "git:HEAD~1:deploy", "deploy/a.yaml", "deploy"]).unwrap();
    let expected = [
        "base/a.yaml",
        "deploy/a.yaml",
        "deploy/b.yaml",
        "git:HEAD~1:deploy/a.yaml",
        "git:HEAD~1:deploy/b.yaml",
        "one.yaml",
    ];
    assert_eq!(paths(&source), expected);
    assert_eq!(text(&source, "deploy/a.yaml"), "a: 2\n");
    assert_eq!(text(&source, "git:HEAD~1:deploy/a.yaml"), "a: 1\n");
    assert_eq!(source.shown("git:HEAD~1:deploy/a.yaml"), "deploy/a.yaml");
    assert_eq!(&*source.read_settings().unwrap().unwrap(), b"x\n");
    assert_eq!(source.revisions().count(), 1);
}

#[test]
fn failures_name_what_is_missing() {
    let (repo, ..) = two_revisions();
    let message = |specs: &[&str]| load(&repo, specs).err().unwrap().to_string();
    assert_eq!(message(&["nowhere"]), "there is no file or folder `nowhere`");
    assert_eq!(message(&["git:nowhere"]), "there is no revision `nowhere` in this repository");
    assert_eq!(message(&["git:HEAD^{tree}"]), "there is no revision `HEAD^{tree}` in this repository");
    assert_eq!(message(&["git:HEAD:nowhere"]), "there is no `nowhere` in revision `HEAD`");
    assert_eq!(message(&["git+./gone@main"]), "there is no file or folder `./gone`");
    assert_eq!(message(&["-", "-"]), "standard input can be read only once");
    let url = repo.url();
    assert_eq!(message(&[&format!("git+{url}@gone")]), format!("there is no revision `gone` in {url}"));

    let folder = tempfile::tempdir().unwrap();
    let error = loader(folder.path()).load(&["git:HEAD".parse().unwrap()]).err().unwrap();
    assert_eq!(error, SourceError::NotARepository(folder.path().to_owned()));
    assert!(matches!(loader(folder.path()).load(&[]).err().unwrap(), SourceError::Combination(_)));
}

#[test]
fn an_unreachable_remote_is_named_without_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let port = gatewright_testkit::free_port();
    let spec = format!("git+http://me:hunter2@127.0.0.1:{port}/repo.git@main");
    let error = loader(folder.path()).load(&[spec.parse().unwrap()]).err().unwrap();
    let SourceError::Unreachable { url, .. } = &error else { panic!("{error}") };
    assert_eq!(url, &format!("http://127.0.0.1:{port}/repo.git"));
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[test]
fn unchanged_files_are_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yaml"), "a: 1\n").unwrap();
    std::fs::write(folder.path().join("b.yaml"), "b: 1\n").unwrap();
    let loader = loader(folder.path());
    let first = loader.load(&[".".parse().unwrap()]).unwrap();
    std::fs::write(folder.path().join("b.yaml"), "b: 2\n").unwrap();
    let (second, changed) = loader.reload(&first).unwrap();
    assert!(changed);
    assert_eq!(text(&second, "b.yaml"), "b: 2\n");
    let bytes = |source: &Source| source.tree.reader.read("a.yaml", &source.tree.files["a.yaml"]).unwrap();
    assert!(Arc::ptr_eq(&bytes(&first), &bytes(&second)));
    let (third, changed) = loader.reload(&second).unwrap();
    assert!(!changed);
    assert_eq!(third.tree.files, second.tree.files);
}

#[test]
fn bytes_that_are_not_kept_come_from_the_disk_if_they_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yaml");
    std::fs::write(&file, "a: 1\n").unwrap();
    let source = loader(folder.path()).load(&[".".parse().unwrap()]).unwrap();
    let content = source.tree.files["a.yaml"];
    let read = || source.tree.reader.read("a.yaml", &content);
    let first = read().unwrap();
    assert!(Arc::ptr_eq(&first, &read().unwrap()));
    source.read_once();
    assert!(Arc::ptr_eq(&first, &read().unwrap()));
    let second = read().unwrap();
    assert!(first == second && !Arc::ptr_eq(&first, &second));
    std::fs::write(&file, "a: 2\n").unwrap();
    assert_eq!(read().unwrap_err().to_string(), "cannot read a.yaml: it was changed after it was listed");
}

#[test]
fn a_moved_branch_is_a_change() {
    let (repo, ..) = two_revisions();
    let loader = loader(repo.path());
    let before = loader.load(&["git:main".parse().unwrap()]).unwrap();
    assert!(!loader.reload(&before).unwrap().1);
    repo.write("c.yaml", "c: 1\n").commit("third");
    let (after, changed) = loader.reload(&before).unwrap();
    assert!(changed);
    assert_eq!(text(&after, "c.yaml"), "c: 1\n");
}

/// Starts a watch, makes a change, and waits for the state that it leads to.
fn watch(polling: bool, change: impl FnOnce(&Path), arrived: impl Fn(&Source) -> bool) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("source");
    std::fs::create_dir_all(root.join("sub")).unwrap();
    std::fs::write(root.join("a.yaml"), "a: 1\n").unwrap();
    let loader = loader(folder.path());
    let source = Arc::new(loader.load(&["source".parse().unwrap()]).unwrap());
    let mut watch = if polling { Watch::start_polling(loader, source) } else { Watch::start(loader, source) };
    // A change before the watch begins is noticed as well, so the time counts from here.
    let begin = Instant::now();
    change(&root);
    loop {
        let source = watch.changed_within(Duration::from_secs(10)).expect("the change is noticed").unwrap();
        if arrived(&source) {
            return begin.elapsed();
        }
    }
}

#[test]
fn edits_additions_and_removals_are_noticed() {
    for polling in [false, true] {
        let edit = |root: &Path| std::fs::write(root.join("a.yaml"), "a: 2\n").unwrap();
        watch(polling, edit, |source| text(source, "a.yaml") == "a: 2\n");
        let add = |root: &Path| {
            std::fs::create_dir(root.join("sub/new")).unwrap();
            std::fs::write(root.join("sub/new/b.yaml"), "b: 1\n").unwrap();
        };
        watch(polling, add, |source| paths(source).contains(&"sub/new/b.yaml"));
        let remove = |root: &Path| std::fs::remove_file(root.join("a.yaml")).unwrap();
        watch(polling, remove, |source| paths(source).is_empty());
        let replace = |root: &Path| {
            std::fs::write(root.join(".a.tmp"), "a: 3\n").unwrap();
            std::fs::rename(root.join(".a.tmp"), root.join("a.yaml")).unwrap();
        };
        watch(polling, replace, |source| text(source, "a.yaml") == "a: 3\n");
    }
}

#[test]
fn a_change_is_noticed_soon() {
    // The least of a few, because this machine may be busy with something else.
    let edit = |root: &Path| std::fs::write(root.join("a.yaml"), "a: 2\n").unwrap();
    let times = (0..5).map(|_| watch(false, edit, |source| text(source, "a.yaml") == "a: 2\n"));
    let least = times.min().unwrap();
    assert!(least < Duration::from_millis(300), "{least:?}");
}

#[test]
fn a_folder_that_goes_and_comes_back_is_watched_on() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("source");
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("a.yaml"), "a: 1\n").unwrap();
    let loader = loader(folder.path());
    let source = Arc::new(loader.load(&["source".parse().unwrap()]).unwrap());
    let mut watch = Watch::start(loader, source);
    std::fs::rename(&root, folder.path().join("away")).unwrap();
    let long = Duration::from_secs(20);
    let error =
        watch.changed_within(long).expect("the loss is noticed").err().expect("there is nothing to read");
    assert_eq!(error, SourceError::NotFound("source".into()));
    std::fs::rename(folder.path().join("away"), &root).unwrap();
    let source = watch.changed_within(long).expect("the return is noticed").unwrap();
    assert_eq!(text(&source, "a.yaml"), "a: 1\n");
    std::fs::write(root.join("a.yaml"), "a: 2\n").unwrap();
    let source = watch.changed_within(long).expect("the edit is noticed").unwrap();
    assert_eq!(text(&source, "a.yaml"), "a: 2\n");
}
