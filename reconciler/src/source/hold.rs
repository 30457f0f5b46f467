//! Objects that a state takes from other revisions than its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatewright_compiler::source::{ContentId, HeldFile, ReadError, ReadFile, SourceTree};
use gatewright_kinds::EntityKey;
use serde::{Deserialize, Serialize};

use super::error::SourceError;
use super::loader::{Homes, Loader, Part, Source};
use super::spec::SourceSpec;

/// An object that is taken as another revision had it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hold {
    /// The object: `Ingress shop/web`.
    pub object: String,
    /// Full id of the commit.
    pub revision: String,
    /// A SOURCE that names the commit.
    pub source: String,
    /// Path of the object's file in that SOURCE.
    pub path: String,
}

impl Source {
    /// Returns the SOURCEs with commits in the place of names.
    pub fn pinned(&self) -> Vec<SourceSpec> {
        self.parts.iter().map(|part| part.pinned()).collect()
    }

    /// Returns the objects that are taken from other revisions.
    pub fn holds(&self) -> &[Hold] {
        &self.holds
    }

    /// Returns how to take an object from this state, whose file has this path. None where the file is in no revision:
    /// a folder may say something else tomorrow.
    pub(crate) fn hold(&self, object: &EntityKey, path: &str) -> Option<Hold> {
        let (part, inner) = self.home(path);
        let revision = part.revision()?;
        Some(Hold {
            object: object.to_string(),
            revision: revision.id.clone(),
            source: part.pinned().to_string(),
            path: inner.to_owned(),
        })
    }

    /// Returns the path inside the SOURCE that a path of the tree comes from.
    pub(crate) fn path_in_source<'a>(&'a self, path: &'a str) -> &'a str {
        self.home(path).1
    }
}

impl Loader {
    /// Returns a state that takes some objects from other revisions.
    ///
    /// # Errors
    /// A revision cannot be read, or does not have the file.
    pub fn hold(&self, source: &Source, holds: &[Hold]) -> Result<Source, SourceError> {
        let mut holding = Holding::of(source);
        for hold in holds {
            let object = hold.object.parse::<EntityKey>().map_err(|error| SourceError::Malformed {
                given: hold.object.clone(),
                reason: error.to_string(),
            })?;
            let part = match holding.parts.get(&hold.source) {
                Some(index) => *index,
                None => holding.add(&hold.source, Arc::new(self.read(&hold.source.parse()?, None)?)),
            };
            holding.hold(object, part, hold)?;
        }
        Ok(holding.finish(source, holds))
    }
}

/// A state in the making.
struct Holding {
    /// Those of the state first.
    all: Vec<Arc<Part>>,
    own: usize,
    /// Index of each SOURCE that something was taken from.
    parts: BTreeMap<String, usize>,
    homes: BTreeMap<Arc<str>, (usize, Arc<str>)>,
    held: BTreeMap<EntityKey, HeldFile>,
}

impl Holding {
    fn of(source: &Source) -> Self {
        let own = source.parts.len();
        let listed = source.homes.iter().filter(|(_, (part, _))| *part < own);
        Holding {
            all: source.parts.clone(),
            own,
            parts: BTreeMap::new(),
            homes: listed.map(|(path, home)| (path.clone(), home.clone())).collect(),
            held: BTreeMap::new(),
        }
    }

    fn add(&mut self, source: &str, part: Arc<Part>) -> usize {
        self.all.push(part);
        self.parts.insert(source.to_owned(), self.all.len() - 1);
        self.all.len() - 1
    }

    fn hold(&mut self, object: EntityKey, index: usize, hold: &Hold) -> Result<(), SourceError> {
        let manifests = &self.all[index].found().manifests;
        let content = manifests.get(hold.path.as_str()).ok_or_else(|| SourceError::NotInRevision {
            path: hold.path.clone(),
            revision: hold.revision.clone(),
        })?;
        // `//` stands in no path of a source.
        let path: Arc<str> = format!("{}//{}", hold.source, hold.path).into();
        self.homes.insert(path.clone(), (index, hold.path.as_str().into()));
        self.held.insert(object, HeldFile { path, content: *content });
        Ok(())
    }

    fn finish(self, source: &Source, holds: &[Hold]) -> Source {
        let held = self.all[self.own..].to_vec();
        let homes: Homes = Arc::new(self.homes);
        let reader = Arc::new(HoldingFiles {
            own: source.tree.reader.clone(),
            first: self.own,
            readers: held.iter().map(|part| part.reader()).collect(),
            homes: homes.clone(),
        });
        Source {
            tree: SourceTree { held: self.held, reader, ..source.tree.clone() },
            settings: source.settings.clone(),
            tests: source.tests.clone(),
            parts: source.parts.clone(),
            holds: holds.to_vec(),
            held,
            homes,
            work: source.work,
        }
    }
}

/// Reads the files of a state and those that held objects come from.
struct HoldingFiles {
    own: Arc<dyn ReadFile>,
    /// Index of the first part that objects are held from.
    first: usize,
    readers: Vec<Arc<dyn ReadFile>>,
    homes: Homes,
}

impl ReadFile for HoldingFiles {
    fn read(&self, path: &str, content: &ContentId) -> Result<Arc<[u8]>, ReadError> {
        let held = self.homes.get(path).filter(|(part, _)| *part >= self.first);
        match held {
            Some((part, inner)) => self.readers[part - self.first].read(inner, content),
            None => self.own.read(path, content),
        }
    }
}
