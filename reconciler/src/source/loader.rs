//! Reads SOURCEs and merges them into one tree that the compiler understands.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use gatewright_compiler::input::is_no_file;
use gatewright_compiler::source::{ContentId, Paths, ReadError, ReadFile, SourceTree, Unrendered};

use super::credentials::Credentials;
use super::edit::ReadingWork;
use super::error::SourceError;
use super::folder::{FolderScan, Linked};
use super::hold::Hold;
use super::remote;
use super::revision::{Commit, Revision, RevisionScan};
use super::signature::Signers;
use super::spec::SourceSpec;
use super::url::RemoteUrl;
use super::walk::{self, Contents};

/// The path of standard input inside a source.
const STDIN: &str = "stdin";

/// The surroundings in which SOURCEs are understood.
#[derive(Clone, Debug)]
pub struct Loader {
    /// Where relative paths begin, and whose repository `git:REV` means.
    pub working_folder: PathBuf,
    /// Where fetched repositories are kept.
    pub cache_folder: PathBuf,
    /// What opens remote repositories.
    pub credentials: Credentials,
}

/// One state of one or more SOURCEs.
pub struct Source {
    /// What the compiler reads.
    pub tree: SourceTree,
    /// `gatewright.yaml` at the root of the first SOURCE that has one; its bytes come from the tree's reader.
    pub settings: Option<Arc<str>>,
    /// Route tests (`*.gwtest.yaml`), which are not in the tree; their bytes come from the tree's reader.
    pub tests: BTreeMap<Arc<str>, ContentId>,
    pub(super) parts: Vec<Arc<Part>>,
    /// Objects that are taken from other revisions, and where those come from.
    pub(super) holds: Vec<Hold>,
    pub(super) held: Vec<Arc<Part>>,
    pub(super) homes: Homes,
    pub(super) work: ReadingWork,
}

/// Where the paths of a merged tree and of held objects come from: index of the part, those of held objects behind the
/// others, and path inside it. The paths of a single SOURCE are not changed and not listed.
pub(super) type Homes = Arc<BTreeMap<Arc<str>, (usize, Arc<str>)>>;

/// One SOURCE as it was read.
pub(super) struct Part {
    pub(super) spec: SourceSpec,
    pub(super) state: State,
    /// What the user puts before a path to name the file.
    shown: String,
    /// The same for programs: relative to the working folder or to the source, never absolute.
    relative: String,
}

/// What was read.
pub(super) enum State {
    Folder(FolderScan),
    File(FolderScan),
    Stdin(Contents, Arc<[u8]>),
    Revision(git2::Oid, RevisionScan),
}

impl Loader {
    /// Reads all of `specs`. Remote revisions are looked up, and fetched where they moved.
    pub fn load(&self, specs: &[SourceSpec]) -> Result<Source, SourceError> {
        if specs.is_empty() {
            return Err(SourceError::Combination("no SOURCE is given"));
        }
        if specs.iter().filter(|spec| **spec == SourceSpec::Stdin).count() > 1 {
            return Err(SourceError::Combination("standard input can be read only once"));
        }
        let mut parts: Vec<Arc<Part>> = Vec::new();
        for spec in specs {
            if !parts.iter().any(|part| part.spec == *spec) {
                parts.push(Arc::new(self.read(spec, None)?));
            }
        }
        let work = parts.iter().map(|part| part.work()).sum();
        Ok(Source { work, ..Source::merge(parts) })
    }

    pub(super) fn is_at(&self, part: &Part, revision: &str) -> Result<bool, SourceError> {
        let State::Revision(id, _) = &part.state else { return Ok(false) };
        Ok(Commit::around(&self.working_folder, revision)?.id == *id)
    }

    pub(super) fn read(&self, spec: &SourceSpec, before: Option<&Part>) -> Result<Part, SourceError> {
        let part =
            |state, shown: String, relative: String| Part { spec: spec.clone(), state, shown, relative };
        match spec {
            SourceSpec::Path(path) => self.read_path(spec, path, before),
            SourceSpec::Stdin => {
                let mut bytes = Vec::new();
                let read = std::io::stdin().lock().read_to_end(&mut bytes);
                read.map_err(|error| SourceError::unreadable("standard input", &error))?;
                let found = Contents::of_file(STDIN.into(), ContentId::of_bytes(&bytes));
                Ok(part(State::Stdin(found, bytes.into()), String::new(), String::new()))
            }
            SourceSpec::Revision { revision, subfolder } => {
                let commit = Commit::around(&self.working_folder, revision)?;
                let scan = commit.scan(subfolder)?;
                let place = scan.place(subfolder);
                Ok(part(State::Revision(commit.id, scan), place.clone(), place))
            }
            SourceSpec::Remote { url, revision, subfolder } => {
                let folder = &self.working_folder;
                let commit = remote::commit(folder, &self.cache_folder, url, revision, &self.credentials)?;
                let scan = commit.scan(subfolder)?;
                let place = scan.place(subfolder);
                Ok(part(State::Revision(commit.id, scan), place.clone(), place))
            }
        }
    }

    fn read_path(&self, spec: &SourceSpec, path: &Path, before: Option<&Part>) -> Result<Part, SourceError> {
        let shown = path.to_str().ok_or_else(|| SourceError::Name(path.display().to_string()))?;
        let place = self.working_folder.join(path);
        let metadata = std::fs::metadata(&place).map_err(|error| SourceError::unreadable(shown, &error))?;
        let before = before.and_then(Part::scan);
        let (state, folder) = if metadata.is_dir() {
            (State::Folder(FolderScan::of_folder(&place, shown, before)?), Some(path))
        } else {
            (State::File(FolderScan::of_file(&place, shown, before)?), path.parent())
        };
        let folder = folder.unwrap_or(Path::new(""));
        Ok(Part { spec: spec.clone(), state, shown: tidy(folder), relative: self.relative(folder) })
    }

    /// Returns a folder relative to the working folder, or nothing for one that lies elsewhere.
    fn relative(&self, folder: &Path) -> String {
        if folder.components().any(|part| part == Component::ParentDir) {
            return String::new();
        }
        if folder.is_relative() {
            return tidy(folder);
        }
        folder.strip_prefix(&self.working_folder).map(tidy).unwrap_or_default()
    }
}

/// Returns a folder's path without `.` parts and without a final `/`.
fn tidy(folder: &Path) -> String {
    let parts = folder.components().filter(|part| *part != Component::CurDir);
    parts.collect::<PathBuf>().display().to_string()
}

impl RevisionScan {
    /// Returns the folder of a source that may be a single file.
    fn place(&self, subfolder: &str) -> String {
        let folder = subfolder.rsplit_once('/').map_or("", |(folder, _)| folder);
        if self.single { folder.to_owned() } else { subfolder.to_owned() }
    }
}

impl Source {
    /// Checks that every part is a commit that one of the signers has signed.
    ///
    /// # Errors
    /// One is not, or its repository cannot be read.
    pub fn check_signers(&self, signers: &Signers) -> Result<(), SourceError> {
        for part in &self.parts {
            match &part.state {
                State::Revision(id, scan) => {
                    signers.check(&scan.repository, &scan.repository.display().to_string(), *id)?;
                }
                _ => {
                    let revision = format!("`{}`", part.spec);
                    return Err(SourceError::NotTrusted { revision, reason: "only commits can be signed" });
                }
            }
        }
        Ok(())
    }
}

impl Part {
    /// Returns the same SOURCE with something else in it.
    pub(super) fn with(&self, state: State) -> Self {
        let (shown, relative) = (self.shown.clone(), self.relative.clone());
        Part { spec: self.spec.clone(), state, shown, relative }
    }

    pub(super) fn work(&self) -> ReadingWork {
        self.scan().map(|scan| scan.work).unwrap_or_default()
    }

    fn scan(&self) -> Option<&FolderScan> {
        match &self.state {
            State::Folder(scan) | State::File(scan) => Some(scan),
            State::Stdin(..) | State::Revision(..) => None,
        }
    }

    pub(super) fn found(&self) -> &Contents {
        match &self.state {
            State::Folder(scan) | State::File(scan) => &scan.found,
            State::Stdin(found, _) => found,
            State::Revision(_, scan) => &scan.found,
        }
    }

    pub(super) fn reader(&self) -> Arc<dyn ReadFile> {
        match &self.state {
            State::Folder(scan) | State::File(scan) => scan.reader(),
            State::Stdin(_, bytes) => Arc::new(OneFile(bytes.clone())),
            State::Revision(_, scan) => scan.reader.clone(),
        }
    }

    pub(super) fn revision(&self) -> Option<&Revision> {
        match &self.state {
            State::Revision(_, scan) => Some(&scan.revision),
            _ => None,
        }
    }

    /// Returns the SOURCE with its commit in the place of a name, readable from everywhere on this machine. Folders and
    /// standard input stay what they are.
    pub(super) fn pinned(&self) -> SourceSpec {
        match (&self.spec, &self.state) {
            (SourceSpec::Revision { subfolder, .. }, State::Revision(id, scan)) => SourceSpec::commit_of(
                RemoteUrl::local(&scan.repository.display().to_string()),
                *id,
                subfolder,
            ),
            (SourceSpec::Remote { url, subfolder, .. }, State::Revision(id, scan)) => {
                let local = || RemoteUrl::local(&scan.repository.display().to_string());
                SourceSpec::commit_of(if url.is_local() { local() } else { url.clone() }, *id, subfolder)
            }
            (spec, _) => spec.clone(),
        }
    }
}

struct OneFile(Arc<[u8]>);

impl ReadFile for OneFile {
    fn read(&self, _: &str, _: &ContentId) -> Result<Arc<[u8]>, ReadError> {
        Ok(self.0.clone())
    }
}

/// Reads the files of several parts.
struct MergedFiles {
    readers: Vec<Arc<dyn ReadFile>>,
    homes: Homes,
}

impl ReadFile for MergedFiles {
    fn read(&self, path: &str, content: &ContentId) -> Result<Arc<[u8]>, ReadError> {
        let home = self.homes.get(path);
        let (part, inner) =
            home.ok_or_else(|| ReadError { path: path.to_owned(), reason: "no such file".into() })?;
        self.readers[*part].read(inner, content).map_err(|error| ReadError { path: path.to_owned(), ..error })
    }
}

impl Source {
    /// Returns what the last reading did: that of what has not changed cost nothing.
    pub fn work(&self) -> ReadingWork {
        self.work
    }

    pub(super) fn merge(parts: Vec<Arc<Part>>) -> Self {
        match parts.as_slice() {
            [part] => Self::single(part.clone()),
            _ => Merge::of(parts),
        }
    }

    fn single(part: Arc<Part>) -> Self {
        let found = part.found();
        Source {
            tree: SourceTree {
                files: found.manifests.clone(),
                unrendered: found.unrendered.clone(),
                held: BTreeMap::new(),
                expected: Paths::default(),
                reader: part.reader(),
            },
            settings: found.settings.as_ref().map(|(path, _)| path.clone()),
            tests: found.tests.iter().cloned().collect(),
            parts: vec![part],
            holds: Vec::new(),
            held: Vec::new(),
            homes: Homes::default(),
            work: ReadingWork::default(),
        }
    }

    /// Keeps the bytes of files on disk no longer than until they are asked for: for programs that compile once. Who asks
    /// again gets them from the disk, or an error where they are others by now.
    pub fn read_once(&self) {
        self.parts.iter().filter_map(|part| part.scan()).for_each(FolderScan::read_once);
    }

    /// Returns the bytes of the settings file, if there is one.
    pub fn read_settings(&self) -> Result<Option<Arc<[u8]>>, ReadError> {
        let Some(path) = &self.settings else { return Ok(None) };
        let of_part = |(index, _): &(usize, Arc<str>)| self.parts[*index].found().settings.as_ref();
        let found = match self.homes.get(path) {
            Some(home) => of_part(home),
            None => self.parts[0].found().settings.as_ref(),
        };
        let Some((_, content)) = found else { return Ok(None) };
        self.tree.reader.read(path, content).map(Some)
    }

    /// Returns a source without files, for what is read from a kube cluster alone.
    pub fn nothing() -> Self {
        Source::single(Arc::new(Part {
            spec: SourceSpec::Stdin,
            state: State::Stdin(Contents::default(), Arc::from([])),
            shown: String::new(),
            relative: String::new(),
        }))
    }

    /// Returns how the user names a file of the tree.
    pub fn shown(&self, path: &str) -> String {
        if is_no_file(path) {
            return path.to_owned();
        }
        let (part, inner) = self.home(path);
        walk::join(&part.shown, inner)
    }

    /// Returns the path of a file for programs: relative to the working folder where the SOURCE lies in it, else
    /// relative to the SOURCE. For revisions it is relative to the root of the repository.
    pub fn relative(&self, path: &str) -> String {
        if is_no_file(path) {
            return path.to_owned();
        }
        let (part, inner) = self.home(path);
        walk::join(&part.relative, inner)
    }

    /// Returns the commit that a file of the tree comes from, if it comes from one.
    pub fn revision(&self, path: &str) -> Option<&Revision> {
        if is_no_file(path) {
            return None;
        }
        self.part(path).revision()
    }

    /// Returns the commits of all SOURCEs that are revisions, in the order in which the SOURCEs were given.
    pub fn revisions(&self) -> impl Iterator<Item = (&SourceSpec, &Revision)> {
        self.parts.iter().filter_map(|part| Some((&part.spec, part.revision()?)))
    }

    /// Returns `file:line@revision`, without the last part for files on disk, and without the line for what is in no file.
    pub fn provenance(&self, path: &str, line: usize) -> String {
        let revision = self.revision(path).map(|revision| format!("@{}", revision.short)).unwrap_or_default();
        match line {
            0 => format!("{}{revision}", self.shown(path)),
            line => format!("{}:{line}{revision}", self.shown(path)),
        }
    }

    /// Returns the SOURCEs.
    pub fn specs(&self) -> impl Iterator<Item = &SourceSpec> {
        self.parts.iter().map(|part| &part.spec)
    }

    /// Returns the folders whose changes matter: with everything below them, and alone.
    pub(super) fn watched(&self, working_folder: &Path) -> Linked {
        let mut watched = Linked::default();
        for part in &self.parts {
            let SourceSpec::Path(path) = &part.spec else { continue };
            let path = working_folder.join(path);
            match &part.state {
                State::Folder(scan) => {
                    watched.whole.insert(path);
                    watched.whole.extend(scan.linked.whole.iter().cloned());
                    watched.around.extend(scan.linked.around.iter().cloned());
                }
                _ => watched.around.extend(path.parent().map(Path::to_owned)),
            }
        }
        watched
    }

    /// Returns whether a SOURCE is a revision of the repository around the working folder, whose name may move.
    pub(super) fn has_moving_revision(&self) -> bool {
        self.parts.iter().any(|part| matches!(part.spec, SourceSpec::Revision { .. }))
    }

    /// Returns the part that a path of the tree comes from, and the path inside it.
    pub(super) fn home<'a>(&'a self, path: &'a str) -> (&'a Part, &'a str) {
        let inner = self.homes.get(path).map_or(path, |(_, inner)| inner);
        (self.part(path), inner)
    }

    fn part(&self, path: &str) -> &Part {
        let index = self.homes.get(path).map_or(0, |(part, _)| *part);
        self.parts.get(index).unwrap_or_else(|| &self.held[index - self.parts.len()])
    }

    pub(super) fn same_content(&self, other: &Source) -> bool {
        self.tree.files == other.tree.files
            && self.tree.unrendered == other.tree.unrendered
            && self.tests == other.tests
            && self.settings == other.settings
            && self
                .parts
                .iter()
                .map(|part| &part.found().settings)
                .eq(other.parts.iter().map(|part| &part.found().settings))
    }
}

/// Puts the files of several parts together. A path is what the user would write for the file; where two parts would
/// give the same path, the later one's begins with its SOURCE.
struct Merge {
    parts: Vec<Arc<Part>>,
    homes: BTreeMap<Arc<str>, (usize, Arc<str>)>,
}

impl Merge {
    fn of(parts: Vec<Arc<Part>>) -> Source {
        let mut merge = Merge { parts, homes: BTreeMap::new() };
        let mut files = BTreeMap::new();
        let mut tests = BTreeMap::new();
        let mut unrendered = Vec::new();
        let mut settings = None;
        for (index, part) in merge.parts.clone().iter().enumerate() {
            let found = part.found();
            merge.put(index, &found.manifests, &mut files);
            merge.put(index, found.tests.iter().map(|(path, content)| (path, content)), &mut tests);
            unrendered.extend(found.unrendered.iter().map(|found| Unrendered {
                path: merge.place(index, &found.path).to_string(),
                parts: found.parts,
            }));
            if let (None, Some((path, _))) = (&settings, &found.settings) {
                settings = Some(merge.place(index, path));
            }
        }
        unrendered.sort();
        unrendered.dedup();
        let homes = Arc::new(merge.homes);
        let readers = merge.parts.iter().map(|part| part.reader()).collect();
        let reader = Arc::new(MergedFiles { readers, homes: homes.clone() });
        let tree = SourceTree {
            files: files.into(),
            unrendered,
            held: BTreeMap::new(),
            expected: Paths::default(),
            reader,
        };
        Source {
            tree,
            settings,
            tests,
            parts: merge.parts,
            holds: Vec::new(),
            held: Vec::new(),
            homes,
            work: ReadingWork::default(),
        }
    }

    fn put<'a>(
        &mut self,
        index: usize,
        found: impl IntoIterator<Item = (&'a Arc<str>, &'a ContentId)>,
        files: &mut BTreeMap<Arc<str>, ContentId>,
    ) {
        for (path, content) in found {
            // The first part that has a file also gives its bytes.
            files.entry(self.place(index, path)).or_insert(*content);
        }
    }

    fn place(&mut self, index: usize, path: &str) -> Arc<str> {
        let part = &self.parts[index];
        let plain = walk::join(&part.shown, path);
        let taken = self.homes.get(plain.as_str()).is_some_and(|(other, _)| !self.same_place(*other, index));
        let place: Arc<str> = if taken { format!("{}/{path}", part.spec).into() } else { plain.into() };
        self.homes.entry(place.clone()).or_insert_with(|| (index, path.into()));
        place
    }

    /// Returns whether equal paths of two parts are the same file: `deploy` and `deploy/prod` overlap.
    fn same_place(&self, a: usize, b: usize) -> bool {
        let on_disk = |part: &Part| matches!(part.spec, SourceSpec::Path(_));
        a == b || (on_disk(&self.parts[a]) && on_disk(&self.parts[b]))
    }
}
