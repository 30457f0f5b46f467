//! Folders and files on disk: bytes are read once, kept shared, and read again only when the file's stamp changes.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gatewright_compiler::source::{ContentId, ReadError, ReadFile};

use super::error::SourceError;
use super::walk::{self, Entry, Found, Node, Tree};

/// A file changed this short before it was read may change again without a new stamp: file systems count time in
/// steps of some milliseconds.
const STAMP_RESOLUTION: Duration = Duration::from_millis(100);

/// One reading of a folder.
pub(super) struct FolderScan {
    /// What belongs to the source.
    pub(super) found: Found<ContentId>,
    files: Arc<FolderFiles>,
    /// What links lead to, for watching: folders with all below them, and folders that hold a single file.
    pub(super) linked: Linked,
}

/// Real folders that links lead to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Linked {
    /// Folders that belong to the source as a whole.
    pub(super) whole: BTreeSet<PathBuf>,
    /// Folders around a linked file.
    pub(super) around: BTreeSet<PathBuf>,
}

/// The files of one reading.
struct FolderFiles(BTreeMap<String, Kept>);

#[derive(Clone)]
struct Kept {
    stamp: Option<Stamp>,
    content: ContentId,
    bytes: Arc<[u8]>,
}

/// Facts about a file that change when its content does. None is kept for a file that was changed just before.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FolderScan {
    /// Reads everything below `root` that belongs to the source. `shown` is how the user calls the root. What `before`
    /// knows and has the same stamp is not read again.
    pub(super) fn of_folder(
        root: &Path,
        shown: &str,
        before: Option<&FolderScan>,
    ) -> Result<Self, SourceError> {
        let canonical = fs::canonicalize(root).map_err(|error| SourceError::unreadable(shown, &error))?;
        let identity = identity(&canonical);
        let tree =
            DiskTree { shown: shown.to_owned(), boundary: boundary(&canonical), linked: RefCell::default() };
        let found = walk::walk(&tree, &Folder { path: root.to_owned(), real: canonical }, &identity)?;
        let mut reading = Reading { tree: &tree, before, files: BTreeMap::new() };
        let found = Found {
            manifests: reading.all(found.manifests)?,
            settings: reading.all(found.settings.into_iter().collect())?.pop(),
            tests: reading.all(found.tests)?,
            unrendered: found.unrendered,
        };
        let files = Arc::new(FolderFiles(reading.files));
        Ok(FolderScan { found, files, linked: tree.linked.into_inner() })
    }

    /// Reads one file, whatever its name.
    pub(super) fn of_file(
        file: &Path,
        shown: &str,
        before: Option<&FolderScan>,
    ) -> Result<Self, SourceError> {
        let name = Path::new(shown).file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| SourceError::Name(shown.to_owned()))?.to_owned();
        let kept = read(file, shown, before.and_then(|scan| scan.files.0.get(&name)))?;
        let found = Found {
            manifests: vec![(name.clone(), kept.content)],
            settings: None,
            tests: Vec::new(),
            unrendered: Vec::new(),
        };
        let files = Arc::new(FolderFiles(BTreeMap::from([(name, kept)])));
        Ok(FolderScan { found, files, linked: Linked::default() })
    }

    /// Returns the way to the bytes.
    pub(super) fn reader(&self) -> Arc<dyn ReadFile> {
        self.files.clone()
    }
}

impl ReadFile for FolderFiles {
    fn read(&self, path: &str, _: &ContentId) -> Result<Arc<[u8]>, ReadError> {
        let kept = self.0.get(path).map(|kept| kept.bytes.clone());
        kept.ok_or_else(|| ReadError { path: path.to_owned(), reason: "no such file".into() })
    }
}

struct Reading<'a> {
    tree: &'a DiskTree,
    before: Option<&'a FolderScan>,
    files: BTreeMap<String, Kept>,
}

impl Reading<'_> {
    fn all(&mut self, files: Vec<(String, PathBuf)>) -> Result<Vec<(String, ContentId)>, SourceError> {
        let mut out = Vec::with_capacity(files.len());
        for (path, file) in files {
            let before = self.before.and_then(|scan| scan.files.0.get(&path));
            let kept = read(&file, &self.tree.name(&path), before)?;
            out.push((path.clone(), kept.content));
            self.files.insert(path, kept);
        }
        Ok(out)
    }
}

fn read(file: &Path, shown: &str, before: Option<&Kept>) -> Result<Kept, SourceError> {
    let unreadable = |error: std::io::Error| SourceError::unreadable(shown, &error);
    // The stamp is taken first: a change between the two calls then looks like a change after both.
    let stamp = Stamp::of(&fs::metadata(file).map_err(unreadable)?);
    if let Some(before) = before
        && before.stamp == Some(stamp)
    {
        return Ok(before.clone());
    }
    let bytes: Arc<[u8]> = Arc::from(fs::read(file).map_err(unreadable)?);
    let content = ContentId::of_bytes(&bytes);
    let bytes = match before {
        Some(before) if before.content == content => before.bytes.clone(),
        _ => bytes,
    };
    Ok(Kept { stamp: stamp.is_settled().then_some(stamp), content, bytes })
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    fn is_settled(&self) -> bool {
        let (seconds, nanoseconds) = self.changed.max(self.modified);
        let Ok(since_epoch) = u64::try_from(seconds) else { return true };
        let changed = UNIX_EPOCH + Duration::new(since_epoch, u32::try_from(nanoseconds).unwrap_or(0));
        SystemTime::now().duration_since(changed).is_ok_and(|age| age > STAMP_RESOLUTION)
    }
}

/// Returns the folder that links may not leave: the work tree around the source, so that two folders of a repository can
/// share a third one, else the source itself.
fn boundary(canonical: &Path) -> PathBuf {
    let work_tree = canonical.ancestors().find(|folder| folder.join(".git").exists());
    work_tree.unwrap_or(canonical).to_owned()
}

struct DiskTree {
    shown: String,
    boundary: PathBuf,
    linked: RefCell<Linked>,
}

/// A folder: the way to it, and where it really lies.
struct Folder {
    path: PathBuf,
    real: PathBuf,
}

impl DiskTree {
    /// Returns how the user knows a path below the root.
    fn name(&self, path: &str) -> String {
        match (self.shown.trim_end_matches('/'), path) {
            (shown, "") => shown.to_owned(),
            (".", path) => path.to_owned(),
            (shown, path) => format!("{shown}/{path}"),
        }
    }

    fn entry(&self, entry: &fs::DirEntry, folder: &Folder, name: String, path: &str) -> Entry<DiskTree> {
        let place = entry.path();
        let real = folder.real.join(&name);
        let node = match entry.file_type() {
            Ok(kind) if kind.is_symlink() => {
                let (node, real) = match self.follow(&place, path) {
                    Ok((node, target)) => (Ok(node), target),
                    Err(error) => (Err(error), real),
                };
                return Entry { name, node, identity: identity(&real), link: true };
            }
            Ok(kind) if kind.is_dir() => Ok(Node::Folder(Folder { path: place, real: real.clone() })),
            Ok(kind) if kind.is_file() => Ok(Node::File(place)),
            Ok(_) => Err(SourceError::Unreadable {
                path: self.name(path),
                reason: "it is not a regular file".into(),
            }),
            Err(error) => Err(SourceError::unreadable(self.name(path), &error)),
        };
        Entry { name, node, identity: identity(&real), link: false }
    }

    fn follow(&self, link: &Path, path: &str) -> Result<(Node<DiskTree>, PathBuf), SourceError> {
        let broken = |error: std::io::Error| match error.kind() {
            ErrorKind::NotFound => SourceError::Unreadable {
                path: self.name(path),
                reason: "it is a link to something that does not exist".into(),
            },
            _ => SourceError::unreadable(self.name(path), &error),
        };
        let target = fs::canonicalize(link).map_err(broken)?;
        if !target.starts_with(&self.boundary) {
            return Err(SourceError::Link { path: self.name(path), target: target.display().to_string() });
        }
        let metadata = fs::metadata(&target).map_err(broken)?;
        // The link itself stays the way to the content, so that a link that is turned elsewhere is noticed.
        let mut linked = self.linked.borrow_mut();
        let node = if metadata.is_dir() {
            linked.whole.insert(target.clone());
            Node::Folder(Folder { path: link.to_owned(), real: target.clone() })
        } else if metadata.is_file() {
            linked.around.extend(target.parent().map(Path::to_owned));
            Node::File(link.to_owned())
        } else {
            Node::Other
        };
        Ok((node, target))
    }
}

impl Tree for DiskTree {
    type Folder = Folder;
    type File = PathBuf;

    fn list(&self, folder: &Folder, path: &str) -> Result<Vec<Entry<Self>>, SourceError> {
        let unreadable = |error: std::io::Error| SourceError::unreadable(self.name(path), &error);
        let mut entries = Vec::new();
        for entry in fs::read_dir(&folder.path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            match entry.file_name().into_string() {
                Ok(name) => {
                    let path = walk::join(path, &name);
                    entries.push(self.entry(&entry, folder, name, &path));
                }
                Err(name) => self.refuse_name(&entry, &name.to_string_lossy(), path)?,
            }
        }
        Ok(entries)
    }

    fn read(&self, file: &PathBuf, path: &str) -> Result<Vec<u8>, SourceError> {
        fs::read(file).map_err(|error| SourceError::unreadable(self.name(path), &error))
    }
}

impl DiskTree {
    /// Refuses a name that is not Unicode if it would belong to the source.
    fn refuse_name(&self, entry: &fs::DirEntry, name: &str, folder: &str) -> Result<(), SourceError> {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if walk::is_manifest(name) || (is_folder && !name.starts_with('.')) {
            return Err(SourceError::Name(self.name(&walk::join(folder, name))));
        }
        Ok(())
    }
}

fn identity(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
