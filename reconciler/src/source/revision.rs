//! Revisions in git: trees and bytes come from the object database, without a checkout.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use git2::{ErrorCode, ObjectType, Oid, Repository};

use gatewright_compiler::source::{ContentId, ReadError, ReadFile};

use super::error::{SourceError, THIS_REPOSITORY};
use super::walk::{self, Contents, Entry, EntryKind, Found, Rules, Tree};

/// Digits of a commit id that are shown: a fixed number, so that every clone shows the same.
const SHORT: usize = 10;
/// Links that are followed one after the other.
const MOST_LINKS: usize = 40;

/// Says which commit a source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Full commit id.
    pub id: String,
    /// Its first ten digits.
    pub short: String,
    /// When it was committed, in seconds since 1970.
    pub time: i64,
    /// First line of its message.
    pub summary: String,
}

/// A commit of a repository.
pub(super) struct Commit {
    /// The `.git` folder, or the bare repository.
    pub(super) repository: PathBuf,
    /// Path or URL for messages.
    pub(super) shown: String,
    /// The revision as it was given.
    pub(super) given: String,
    /// The commit.
    pub(super) id: Oid,
}

impl Commit {
    /// Finds a revision in the repository around a folder.
    pub(super) fn around(folder: &Path, revision: &str) -> Result<Self, SourceError> {
        let repository = Repository::discover(folder).map_err(|error| match error.code() {
            ErrorCode::NotFound => SourceError::NotARepository(folder.to_owned()),
            _ => unusable(&folder.display().to_string(), &error),
        })?;
        Self::find(&repository, THIS_REPOSITORY, revision)
    }

    /// Finds a revision in the repository of a folder, and nowhere above it.
    pub(super) fn at(folder: &Path, shown: &str, revision: &str) -> Result<Self, SourceError> {
        let repository = Repository::open(folder).map_err(|error| match error.code() {
            ErrorCode::NotFound if folder.exists() => SourceError::NotARepository(folder.to_owned()),
            ErrorCode::NotFound => SourceError::NotFound(shown.to_owned()),
            _ => unusable(shown, &error),
        })?;
        Self::find(&repository, shown, revision)
    }

    fn find(repository: &Repository, shown: &str, revision: &str) -> Result<Self, SourceError> {
        let missing =
            || SourceError::MissingRevision { revision: revision.to_owned(), repository: shown.to_owned() };
        let object = repository.revparse_single(revision).map_err(|error| match error.code() {
            ErrorCode::NotFound | ErrorCode::InvalidSpec => missing(),
            ErrorCode::Ambiguous => {
                SourceError::AmbiguousRevision { revision: revision.to_owned(), repository: shown.to_owned() }
            }
            _ => unusable(shown, &error),
        })?;
        let commit = object.peel_to_commit().map_err(|_| missing())?;
        Ok(Commit {
            repository: repository.path().to_owned(),
            shown: shown.to_owned(),
            given: revision.to_owned(),
            id: commit.id(),
        })
    }

    /// Lists what belongs to the source at or below `subfolder`.
    pub(super) fn scan(&self, subfolder: &str) -> Result<RevisionScan, SourceError> {
        let unusable = |error: git2::Error| unusable(&self.shown, &error);
        let repository = Repository::open(&self.repository).map_err(unusable)?;
        let commit = repository.find_commit(self.id).map_err(unusable)?;
        let revision = Revision {
            id: self.id.to_string(),
            short: self.id.to_string()[..SHORT].to_owned(),
            time: commit.time().seconds(),
            summary: commit
                .summary_bytes()
                .map(|text| String::from_utf8_lossy(text).into_owned())
                .unwrap_or_default(),
        };
        let root = commit.tree_id();
        let tree = GitTree { repository: &repository, root, shown: &self.shown, prefix: subfolder };
        let (found, single) = match tree.resolve(subfolder).map_err(unusable)? {
            Some((EntryKind::Folder(folder), place)) => (walk::walk(&tree, &folder, &place)?, false),
            Some((EntryKind::File(file), _)) => (single(subfolder, file), true),
            _ => {
                let path = subfolder.to_owned();
                return Err(SourceError::NotInRevision { path, revision: self.given.clone() });
            }
        };
        Ok(RevisionScan {
            found: found.contents(|_, file| Ok::<_, SourceError>(content_id(file.0)))?,
            revision,
            single,
            repository: self.repository.clone(),
            reader: Arc::new(Blobs { repository: self.repository.clone(), idle: Mutex::default() }),
        })
    }
}

/// What belongs to a source in one commit.
pub(super) struct RevisionScan {
    /// The files. A file's content id is its blob id.
    pub(super) found: Contents,
    /// The commit.
    pub(super) revision: Revision,
    /// Whether the source is a single file rather than a folder.
    pub(super) single: bool,
    /// The `.git` folder, or the bare repository.
    pub(super) repository: PathBuf,
    /// The way to the bytes.
    pub(super) reader: Arc<dyn ReadFile>,
}

fn single(place: &str, file: GitFile) -> Found<GitFile> {
    let name = place.rsplit('/').next().unwrap_or(place).into();
    Found {
        manifests: vec![(name, file)],
        settings: None,
        tests: Vec::new(),
        unrendered: Vec::new(),
        rules: Rules::default(),
    }
}

/// Reads blobs from several threads, each with a handle of its own.
struct Blobs {
    repository: PathBuf,
    idle: Mutex<Vec<Repository>>,
}

impl Blobs {
    fn blob(&self, id: Oid) -> Result<Arc<[u8]>, git2::Error> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let repository = match idle {
            Some(repository) => repository,
            None => Repository::open(&self.repository)?,
        };
        let bytes = repository.odb()?.read(id).map(|object| Arc::from(object.data()));
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(repository);
        bytes
    }
}

impl ReadFile for Blobs {
    fn read(&self, path: &str, content: &ContentId) -> Result<Arc<[u8]>, ReadError> {
        let id = Oid::from_bytes(&content.0[..20]).and_then(|id| self.blob(id));
        id.map_err(|error| ReadError { path: path.to_owned(), reason: words(&error) })
    }
}

fn content_id(blob: Oid) -> ContentId {
    let mut bytes = [0; 32];
    bytes[..20].copy_from_slice(blob.as_bytes());
    ContentId(bytes)
}

struct GitTree<'a> {
    repository: &'a Repository,
    root: Oid,
    shown: &'a str,
    /// Path of the source inside the repository, for messages.
    prefix: &'a str,
}

/// A folder: its tree, and its path from the root of the repository.
struct GitFolder(Oid, String);

/// A file: its blob.
#[derive(Clone, Copy)]
struct GitFile(Oid);

impl Tree for GitTree<'_> {
    type Folder = GitFolder;
    type File = GitFile;

    fn list(&self, folder: &GitFolder, path: &str) -> Result<Vec<Entry<Self>>, SourceError> {
        let unusable = |error: git2::Error| unusable(self.shown, &error);
        let tree = self.repository.find_tree(folder.0).map_err(unusable)?;
        let mut entries = Vec::with_capacity(tree.len());
        for entry in tree.iter() {
            let Ok(name) = std::str::from_utf8(entry.name_bytes()) else {
                let name = String::from_utf8_lossy(entry.name_bytes());
                if walk::is_manifest(&name) || entry.kind() == Some(ObjectType::Tree) {
                    return Err(SourceError::Name(self.name(&walk::join(path, &name))));
                }
                continue;
            };
            let place = walk::join(&folder.1, name);
            let link = is_link(entry.filemode());
            let (kind, identity) = match entry.kind() {
                Some(ObjectType::Blob) if link => self.follow(&place, &walk::join(path, name)),
                Some(ObjectType::Blob) => (Ok(EntryKind::File(GitFile(entry.id()))), place),
                Some(ObjectType::Tree) => {
                    (Ok(EntryKind::Folder(GitFolder(entry.id(), place.clone()))), place)
                }
                _ => (Ok(EntryKind::Other), place),
            };
            entries.push(Entry { name: name.to_owned(), kind, identity, link });
        }
        Ok(entries)
    }

    fn read(&self, file: &GitFile, _: &str) -> Result<Vec<u8>, SourceError> {
        let blob = self.repository.find_blob(file.0).map_err(|error| unusable(self.shown, &error))?;
        Ok(blob.content().to_vec())
    }
}

impl<'a> GitTree<'a> {
    fn name(&self, path: &str) -> String {
        walk::join(self.prefix, path)
    }

    fn follow(&self, place: &str, path: &str) -> (Result<EntryKind<Self>, SourceError>, String) {
        let nowhere = |reason: &str| {
            let error = SourceError::Unreadable { path: self.name(path), reason: reason.to_owned() };
            (Err(error), place.to_owned())
        };
        match self.resolve(place) {
            Ok(Some((kind, target))) => (Ok(kind), target),
            Ok(None) => nowhere("it is a link to something that is not in the revision"),
            Err(error) => nowhere(&words(&error)),
        }
    }

    /// Walks a path from the root of the commit, links included. Returns what is there and its path without links, or
    /// nothing where the path leads nowhere, out of the repository, or in a circle.
    fn resolve(&self, path: &str) -> Result<Option<(EntryKind<Self>, String)>, git2::Error> {
        let mut to_do: Vec<String> = path.rsplit('/').map(str::to_owned).collect();
        let mut done: Vec<(String, Oid)> = Vec::new();
        let mut links = 0;
        while let Some(part) = to_do.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." if done.pop().is_some() => continue,
                ".." => return Ok(None),
                _ => {}
            }
            let folder = done.last().map_or(self.root, |(_, id)| *id);
            let tree = self.repository.find_tree(folder)?;
            let Some(entry) = tree.get_name(&part) else { return Ok(None) };
            if entry.kind() == Some(ObjectType::Tree) {
                done.push((part, entry.id()));
                continue;
            }
            if entry.kind() == Some(ObjectType::Blob) && is_link(entry.filemode()) {
                links += 1;
                let blob = self.repository.find_blob(entry.id())?;
                let target = String::from_utf8_lossy(blob.content()).into_owned();
                if links > MOST_LINKS || target.starts_with('/') {
                    return Ok(None);
                }
                to_do.extend(target.rsplit('/').map(str::to_owned));
                continue;
            }
            let place = walk::join(&path_of(&done), &part);
            return Ok(match entry.kind() {
                Some(ObjectType::Blob) if to_do.is_empty() => {
                    Some((EntryKind::File(GitFile(entry.id())), place))
                }
                _ => None,
            });
        }
        let place = path_of(&done);
        let id = done.last().map_or(self.root, |(_, id)| *id);
        Ok(Some((EntryKind::Folder(GitFolder(id, place.clone())), place)))
    }
}

fn path_of(parts: &[(String, Oid)]) -> String {
    parts.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("/")
}

fn is_link(mode: i32) -> bool {
    mode == i32::from(git2::FileMode::Link)
}

pub(super) fn unusable(shown: &str, error: &git2::Error) -> SourceError {
    SourceError::Repository { repository: shown.to_owned(), reason: words(error) }
}

/// Returns git's words without a final full stop or line end.
pub(super) fn words(error: &git2::Error) -> String {
    let words = error.message().trim().trim_end_matches('.').replace('\n', "; ");
    gatewright_secrets::text(&words).into_owned()
}
