//! The files of one source, as values: paths with content digests, and a way to read the bytes of the ones that matter.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatewright_kinds::EntityKey;
use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};

/// Identifies a file's content: BLAKE3 of the bytes, or in git the blob id padded with zeros. Only equality matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ContentId(pub [u8; 32]);

impl ContentId {
    /// Returns the id of content that has no id of its own.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        ContentId(*blake3::hash(bytes).as_bytes())
    }
}

/// Reads files of a source on demand.
pub trait ReadFile: Send + Sync {
    /// Returns the bytes of a file of the tree. The text of the error is shown to the user.
    fn read(&self, path: &str, content: &ContentId) -> Result<Arc<[u8]>, ReadError>;
}

/// Says that a file listed in the tree could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {path}: {reason}")]
pub struct ReadError {
    /// Path inside the source.
    pub path: String,
    /// The system's words.
    pub reason: String,
}

/// One state of a source: every manifest file with its content id, and remarks about folders that were left out.
#[derive(Clone)]
pub struct SourceTree {
    /// Content by path (with `/`, relative to the source). Persistent: a tree that was made by editing another one is
    /// compared with it in the time that the edits ask for.
    pub files: OrdMap<Arc<str>, ContentId>,
    /// What must be rendered before it holds manifests.
    pub unrendered: Vec<Unrendered>,
    /// Objects that are taken as another state had them: what `files` say about such an object does not count.
    pub held: BTreeMap<EntityKey, HeldFile>,
    /// Files that held manifests in the last good state. Such a file is not passed over, whatever stands in it.
    pub expected: Paths,
    /// Access to the bytes, those of held files included.
    pub reader: Arc<dyn ReadFile>,
}

/// A Helm chart or a Kustomization, whose parts are no manifests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unrendered {
    /// Path of the `Chart.yaml` or `kustomization.yaml` that says so.
    pub path: String,
    /// How many files are left out as its parts; none where it cannot be told which they are, so that none is.
    pub parts: Option<usize>,
}

/// The file of another state that an object is taken from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeldFile {
    /// Path that no file of the tree has.
    pub path: Arc<str>,
    /// Its content.
    pub content: ContentId,
}

impl SourceTree {
    /// Returns the content of a file, held files included.
    pub fn content(&self, path: &str) -> Option<&ContentId> {
        let held = || self.held.values().find(|file| *file.path == *path).map(|file| &file.content);
        self.files.get(path).or_else(held)
    }

    /// Returns a tree held in memory, for tests and standard input.
    pub fn in_memory<P: Into<Arc<str>>, B: Into<Vec<u8>>>(files: impl IntoIterator<Item = (P, B)>) -> Self {
        let contents: BTreeMap<Arc<str>, Arc<[u8]>> =
            files.into_iter().map(|(path, bytes)| (path.into(), Arc::from(bytes.into()))).collect();
        SourceTree {
            files: contents.iter().map(|(path, bytes)| (path.clone(), ContentId::of_bytes(bytes))).collect(),
            unrendered: Vec::new(),
            held: BTreeMap::new(),
            expected: Paths::default(),
            reader: Arc::new(MemoryFiles(contents)),
        }
    }
}

/// A set of paths, kept as digests: it says of many files which were among them, and does not name them. A copy costs the
/// same however many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Paths(OrdSet<u64>);

impl Paths {
    /// Returns whether a path is among them.
    pub fn contains(&self, path: &str) -> bool {
        self.0.contains(&digest(path))
    }

    /// Puts a path in.
    pub fn insert(&mut self, path: &str) {
        self.0.insert(digest(path));
    }

    /// Takes a path out.
    pub fn remove(&mut self, path: &str) {
        self.0.remove(&digest(path));
    }
}

/// Returns a digest of a text that does not change between releases (FNV-1a).
pub fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

struct MemoryFiles(BTreeMap<Arc<str>, Arc<[u8]>>);

impl ReadFile for MemoryFiles {
    fn read(&self, path: &str, _: &ContentId) -> Result<Arc<[u8]>, ReadError> {
        self.0
            .get(path)
            .cloned()
            .ok_or_else(|| ReadError { path: path.to_owned(), reason: "no such file".into() })
    }
}
