//! Folders and files on disk: bytes are read once, kept shared, and read again only when the file's stamp changes.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gatewright_compiler::source::{ContentId, ReadError, ReadFile};
use imbl::OrdMap;

use super::edit::ReadingWork;
use super::error::SourceError;
use super::walk::{self, Contents, Entry, EntryKind, Rules, Tree};

/// A file changed this short before it was read may change again without a new stamp: file systems count time in
/// steps of some milliseconds.
const STAMP_RESOLUTION: Duration = Duration::from_millis(100);

/// One reading of a folder.
pub(super) struct FolderScan {
    /// What belongs to the source.
    pub(super) found: Contents,
    files: Arc<FolderFiles>,
    /// What links lead to, for watching: folders with all below them, and folders that hold a single file.
    pub(super) linked: Linked,
    /// Where the folder really lies.
    pub(super) real: PathBuf,
    /// What decided which files belong to the source.
    pub(super) rules: Rules,
    /// What the reading did.
    pub(super) work: ReadingWork,
}

/// Files by path. Persistent, so that the next reading shares what has not changed.
pub(super) type KeptFiles = OrdMap<Arc<str>, Arc<Kept>>;

/// Real folders that links lead to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Linked {
    /// Folders that belong to the source as a whole.
    pub(super) whole: BTreeSet<PathBuf>,
    /// Folders around a linked file.
    pub(super) around: BTreeSet<PathBuf>,
}

/// The files of one reading.
struct FolderFiles {
    place: Place,
    kept: KeptFiles,
    /// Set where bytes are not kept for a second question.
    once: AtomicBool,
}

/// Where the files of a reading lie.
#[derive(Clone)]
enum Place {
    Folder(PathBuf),
    File(PathBuf),
}

impl Place {
    fn of(&self, path: &str) -> PathBuf {
        match self {
            Place::Folder(root) => root.join(path),
            Place::File(file) => file.clone(),
        }
    }
}

/// A file as it was read.
pub(super) struct Kept {
    stamp: Option<Stamp>,
    pub(super) content: ContentId,
    /// None after they were handed out for good.
    bytes: Mutex<Option<Arc<[u8]>>>,
}

impl Clone for Kept {
    fn clone(&self) -> Self {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Kept { bytes: Mutex::new(bytes), ..*self }
    }
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
        let tree = DiskTree {
            shown: shown.to_owned(),
            boundary: boundary(&canonical),
            linked: RefCell::default(),
            entries: Cell::default(),
        };
        let found = walk::walk(&tree, &Folder { path: root.to_owned(), real: canonical.clone() }, &identity)?;
        let rules = found.rules;
        let mut kept = KeptFiles::new();
        let mut work = ReadingWork::default();
        let found = found.contents(|path, file| {
            let before = before.and_then(|scan| scan.files.kept.get(path));
            let shown = tree.name(path);
            let (file, is_new) = read(&file, &shown, &metadata(&file, &shown)?, before)?;
            work.looks += 1;
            work.reads += usize::from(is_new);
            let content = file.content;
            kept.insert(path.clone(), file);
            Ok(content)
        })?;
        work.entries = tree.entries.get();
        let files = Arc::new(FolderFiles {
            place: Place::Folder(root.to_owned()),
            kept,
            once: AtomicBool::new(false),
        });
        Ok(FolderScan { found, files, linked: tree.linked.into_inner(), real: canonical, rules, work })
    }

    /// Returns another state of the same folder.
    pub(super) fn with(&self, found: Contents, kept: KeptFiles, work: ReadingWork) -> Self {
        let files = FolderFiles { place: self.files.place.clone(), kept, once: AtomicBool::new(false) };
        FolderScan {
            found,
            files: Arc::new(files),
            linked: self.linked.clone(),
            real: self.real.clone(),
            rules: self.rules,
            work,
        }
    }

    /// Returns the files, by path.
    pub(super) fn kept(&self) -> &KeptFiles {
        &self.files.kept
    }

    /// Returns whether files lie below a path.
    pub(super) fn has_below(&self, path: &str) -> bool {
        let below = format!("{path}/");
        let next = self.files.kept.range(Arc::<str>::from(below.as_str())..).next();
        next.is_some_and(|(path, _)| path.starts_with(&below))
    }

    /// Reads one file, whatever its name.
    pub(super) fn of_file(
        file: &Path,
        shown: &str,
        before: Option<&FolderScan>,
    ) -> Result<Self, SourceError> {
        let name = Path::new(shown).file_name().and_then(|name| name.to_str());
        let name: Arc<str> = name.ok_or_else(|| SourceError::Name(shown.to_owned()))?.into();
        let before = before.and_then(|scan| scan.files.kept.get(&name));
        let (kept, is_new) = read(file, shown, &metadata(file, shown)?, before)?;
        let found = Contents::of_file(name.clone(), kept.content);
        let place = Place::File(file.to_owned());
        let kept = KeptFiles::unit(name, kept);
        let files = Arc::new(FolderFiles { place, kept, once: AtomicBool::new(false) });
        Ok(FolderScan {
            found,
            files,
            linked: Linked::default(),
            real: file.to_owned(),
            rules: Rules::default(),
            work: ReadingWork { entries: 0, looks: 1, reads: usize::from(is_new) },
        })
    }

    /// Keeps bytes no longer than until they are asked for; after that they come from the disk.
    pub(super) fn read_once(&self) {
        self.files.once.store(true, Ordering::Relaxed);
    }

    /// Returns the way to the bytes.
    pub(super) fn reader(&self) -> Arc<dyn ReadFile> {
        self.files.clone()
    }
}

impl ReadFile for FolderFiles {
    fn read(&self, path: &str, content: &ContentId) -> Result<Arc<[u8]>, ReadError> {
        let error = |reason: &str| ReadError { path: path.to_owned(), reason: reason.to_owned() };
        let kept = self.kept.get(path).ok_or_else(|| error("no such file"))?;
        let mut bytes = kept.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let here = if self.once.load(Ordering::Relaxed) { bytes.take() } else { bytes.clone() };
        if let Some(bytes) = here {
            return Ok(bytes);
        }
        let bytes = fs::read(self.place.of(path)).map_err(|failure| error(&failure.to_string()))?;
        if ContentId::of_bytes(&bytes) != *content {
            return Err(error("it was changed after it was listed"));
        }
        Ok(bytes.into())
    }
}

fn metadata(file: &Path, shown: &str) -> Result<Metadata, SourceError> {
    fs::metadata(file).map_err(|error| SourceError::unreadable(shown, &error))
}

/// Reads a file, if what `before` knows has another stamp; says whether it did. `metadata` was taken before: a change
/// between the two calls then looks like a change after both.
pub(super) fn read(
    file: &Path,
    shown: &str,
    metadata: &Metadata,
    before: Option<&Arc<Kept>>,
) -> Result<(Arc<Kept>, bool), SourceError> {
    let stamp = Stamp::of(metadata);
    if let Some(before) = before
        && before.stamp == Some(stamp)
    {
        return Ok((before.clone(), false));
    }
    let bytes: Arc<[u8]> = Arc::from(fs::read(file).map_err(|error| SourceError::unreadable(shown, &error))?);
    let content = ContentId::of_bytes(&bytes);
    let stamp = stamp.is_settled().then_some(stamp);
    let kept = match before {
        // Who knows this content already does not ask for it.
        Some(before) if before.content == content => Kept { stamp, ..Kept::clone(before) },
        _ => Kept { stamp, content, bytes: Mutex::new(Some(bytes)) },
    };
    Ok((Arc::new(kept), true))
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
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
    /// How many were listed.
    entries: Cell<usize>,
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
        let kind = match entry.file_type() {
            Ok(kind) if kind.is_symlink() => {
                let (kind, real) = match self.follow(&place, path) {
                    Ok((kind, target)) => (Ok(kind), target),
                    Err(error) => (Err(error), real),
                };
                return Entry { name, kind, identity: identity(&real), link: true };
            }
            Ok(kind) if kind.is_dir() => Ok(EntryKind::Folder(Folder { path: place, real: real.clone() })),
            Ok(kind) if kind.is_file() => Ok(EntryKind::File(place)),
            Ok(_) => Err(SourceError::Unreadable {
                path: self.name(path),
                reason: "it is not a regular file".into(),
            }),
            Err(error) => Err(SourceError::unreadable(self.name(path), &error)),
        };
        Entry { name, kind, identity: identity(&real), link: false }
    }

    fn follow(&self, link: &Path, path: &str) -> Result<(EntryKind<DiskTree>, PathBuf), SourceError> {
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
        let kind = if metadata.is_dir() {
            linked.whole.insert(target.clone());
            EntryKind::Folder(Folder { path: link.to_owned(), real: target.clone() })
        } else if metadata.is_file() {
            linked.around.extend(target.parent().map(Path::to_owned));
            EntryKind::File(link.to_owned())
        } else {
            EntryKind::Other
        };
        Ok((kind, target))
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
            self.entries.set(self.entries.get() + 1);
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
