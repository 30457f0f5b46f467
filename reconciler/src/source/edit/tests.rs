//! Readings that follow from each other against fresh ones, after random edits.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::super::{Credentials, Loader, Source, SourceSpec, Watch};
use super::Hint;

const FOLDERS: [&str; 5] = ["", "a", "a/b", ".hidden", "chart"];
const NAMES: [&str; 6] = ["x.yaml", "y.yml", "z.json", "notes.txt", "t.gwtest.yaml", "gatewright.yaml"];
/// Names that decide about others, with contents.
const DECIDING: [(&str, &str); 5] = [
    (".gatewrightignore", "y.yml\n"),
    (".gatewrightignore", "b/\n"),
    ("kustomization.yaml", "resources: [x.yaml]\n"),
    ("kustomization.yaml", "kind: Kustomization\napiVersion: kustomize.toolkit.fluxcd.io/v1\n"),
    ("Chart.yaml", "name: chart\n"),
];

/// Numbers that follow from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// A folder that is edited, with a place beside it that things are moved from and to.
struct Playground {
    _guard: tempfile::TempDir,
    root: PathBuf,
    beside: PathBuf,
    random: Random,
    /// What the system would have named since the last reading.
    named: BTreeSet<PathBuf>,
    writes: usize,
}

impl Playground {
    fn new(seed: u64) -> Self {
        let guard = tempfile::tempdir().unwrap();
        let folder = fs::canonicalize(guard.path()).unwrap();
        let (root, beside) = (folder.join("source"), folder.join("beside"));
        for folder in FOLDERS {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::create_dir_all(&beside).unwrap();
        let random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        Self { _guard: guard, root, beside, random, named: BTreeSet::new(), writes: 0 }
    }

    fn loader(&self) -> Loader {
        let cache_folder = self.beside.join(".cache");
        let working_folder = self.root.parent().unwrap().to_owned();
        Loader { working_folder, cache_folder, credentials: Credentials::default() }
    }

    fn load(&self) -> Result<Source, String> {
        let spec: SourceSpec = "source".parse().unwrap();
        self.loader().load(&[spec]).map_err(|error| error.to_string())
    }

    fn text(&mut self) -> String {
        self.writes += 1;
        format!("n: {}\n", self.writes)
    }

    fn name(&mut self, path: &Path) {
        self.named.insert(path.to_owned());
    }

    fn some_file(&mut self) -> PathBuf {
        let (folder, name) = (self.random.of(&FOLDERS), self.random.of(&NAMES));
        self.root.join(folder).join(name)
    }

    fn write(&mut self, path: &Path, text: &str) {
        // Where the folder is gone, or something else is in the place, nothing happens.
        if fs::write(path, text).is_ok() {
            self.name(path);
        }
    }

    fn rename(&mut self, from: &Path, to: &Path) {
        if fs::rename(from, to).is_ok() {
            [from, to].iter().filter(|path| path.starts_with(&self.root)).for_each(|path| {
                self.named.insert(path.to_path_buf());
            });
        }
    }

    fn remove(&mut self, path: &Path) {
        let is_folder = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
        if is_folder {
            for entry in fs::read_dir(path).unwrap() {
                self.remove(&entry.unwrap().path());
            }
        }
        let removed = if is_folder { fs::remove_dir(path) } else { fs::remove_file(path) };
        if removed.is_ok() {
            self.name(path);
        }
    }

    /// Writes beside a file and renames over it, as editors do.
    fn save(&mut self, path: &Path) {
        let text = self.text();
        let temporary = path.with_extension("yaml~");
        self.write(&temporary, &text);
        self.rename(&temporary, path);
    }

    /// Puts a new state of mounted files in effect, as the kubelet does.
    fn mount(&mut self) {
        let folder = self.root.join("mounted");
        let state = folder.join(format!("..state-{}", self.writes));
        if fs::create_dir_all(&state).is_err() {
            return;
        }
        for name in ["m.yaml", "n.yaml"] {
            let text = self.text();
            fs::write(state.join(name), text).unwrap();
            let link = folder.join(name);
            if symlink(Path::new("..data").join(name), &link).is_ok() {
                self.name(&link);
            }
        }
        let (temporary, data) = (folder.join("..data_tmp"), folder.join("..data"));
        symlink(state.file_name().unwrap(), &temporary).unwrap();
        let before = fs::read_link(&data).map(|target| folder.join(target));
        self.rename(&temporary, &data);
        [&folder, &state, &temporary].into_iter().for_each(|path| self.name(path));
        if let Ok(before) = before {
            self.remove(&before);
        }
    }

    fn edit(&mut self) {
        let path = self.some_file();
        match self.random.below(20) {
            0..=5 => {
                let text = self.text();
                self.write(&path, &text);
            }
            6..=8 => self.save(&path),
            9..=10 => self.remove(&path),
            11 => {
                let to = self.some_file();
                self.rename(&path, &to);
            }
            12 => {
                let (name, text) = self.random.of(&DECIDING);
                self.write(&path.with_file_name(name), text);
            }
            13..=14 => {
                let (name, _) = self.random.of(&DECIDING);
                self.remove(&path.with_file_name(name));
            }
            15 => {
                let (from, to) = (self.root.join("a"), self.beside.join("a"));
                if fs::exists(&to).unwrap() { self.rename(&to, &from) } else { self.rename(&from, &to) }
            }
            16 => {
                let (from, to) = (self.root.join("a/b"), self.root.join("moved"));
                if fs::exists(&to).unwrap() { self.rename(&to, &from) } else { self.rename(&from, &to) }
            }
            17 => {
                let link = self.root.join("link.yaml");
                self.remove(&link);
                if symlink(path.strip_prefix(&self.root).unwrap(), &link).is_ok() {
                    self.name(&link);
                }
            }
            18 => self.mount(),
            _ => {
                let mounted = self.root.join("mounted");
                self.remove(&mounted);
                let link = self.root.join("link.yaml");
                self.remove(&link);
            }
        }
    }
}

/// What a source says, bytes included.
fn said(source: &Source) -> String {
    let read = |(path, content): (&std::sync::Arc<str>, &gatewright_compiler::source::ContentId)| {
        let bytes =
            source.tree.reader.read(path, content).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        format!("{path}: {bytes:?}\n")
    };
    let files: String = source.tree.files.iter().map(read).collect();
    let tests: String = source.tests.iter().map(read).collect();
    let settings = source.read_settings();
    format!("{files}{tests}{:?} {settings:?} {:?}", source.settings, source.tree.unrendered)
}

#[test]
fn readings_that_follow_from_each_other_say_what_a_fresh_one_says() {
    let mut without_a_walk = 0;
    for seed in 0..60 {
        let mut playground = Playground::new(seed);
        let mut source = playground.load().unwrap();
        for step in 0..60 {
            (0..=playground.random.below(3)).for_each(|_| playground.edit());
            let named = std::mem::take(&mut playground.named);
            let fresh = playground.load();
            let followed = playground.loader().reload_after(&source, &Hint::Paths(named.clone()));
            match (followed, fresh) {
                (Ok((followed, _)), Ok(fresh)) => {
                    assert_eq!(said(&followed), said(&fresh), "seed {seed}, step {step}: {named:?}");
                    without_a_walk += usize::from(followed.work().entries == 0);
                    source = followed;
                }
                (Err(followed), Err(fresh)) => {
                    assert_eq!(followed.to_string(), fresh, "seed {seed}, step {step}");
                    // After a failure everything is read again.
                    playground.named.insert(playground.root.clone());
                }
                (followed, fresh) => panic!(
                    "seed {seed}, step {step}: {named:?}: {:?} {:?}",
                    followed.map(|(source, _)| said(&source)),
                    fresh.map(|source| said(&source))
                ),
            }
        }
    }
    assert!(without_a_walk > 500, "{without_a_walk}");
}

/// The net below the watch would notice after some seconds what the events do not tell.
#[test]
fn what_the_system_tells_is_enough() {
    for seed in 0..4 {
        let mut playground = Playground::new(seed);
        let source = std::sync::Arc::new(playground.load().unwrap());
        let mut seen = said(&source);
        let mut watch = Watch::start(playground.loader(), source);
        let looking = Duration::from_millis(300);
        assert!(watch.changed_within(looking).is_none());
        for step in 0..10 {
            playground.edit();
            let Ok(expected) = playground.load().map(|source| said(&source)) else { continue };
            let end = Instant::now() + Duration::from_secs(3);
            while seen != expected && Instant::now() < end {
                if let Some(Ok(source)) = watch.changed_within(Duration::from_millis(20)) {
                    seen = said(&source);
                }
            }
            assert_eq!(seen, expected, "seed {seed}, step {step}: {:?}", playground.named);
        }
    }
}

#[test]
fn one_edited_file_of_many_is_the_only_one_that_is_looked_at() {
    let playground = Playground::new(0);
    let file = |n: usize| playground.root.join(format!("a/{n:03}.yaml"));
    (0..300).for_each(|n| fs::write(file(n), "n: 1\n").unwrap());
    let source = std::sync::Arc::new(playground.load().unwrap());
    assert!(source.work().entries >= 300 && source.work().reads == 300, "{:?}", source.work());
    let mut watch = Watch::start(playground.loader(), source);
    // Until the system watches.
    assert!(watch.changed_within(Duration::from_millis(300)).is_none());
    for (n, text) in [(7, "n: 2\n"), (300, "n: 3\n")] {
        fs::write(file(n), text).unwrap();
        let next = watch.changed_within(Duration::from_secs(3)).unwrap().unwrap();
        assert_eq!((next.work().entries, next.work().looks, next.work().reads), (0, 1, 1), "{n}");
    }
    fs::remove_file(file(8)).unwrap();
    let next = watch.changed_within(Duration::from_secs(3)).unwrap().unwrap();
    assert_eq!((next.work().entries, next.work().looks, next.work().reads), (0, 1, 0));
    assert_eq!(next.tree.files.len(), 300);
}
