//! What errors stand against, for callers that take broken objects as another state had them.

use std::collections::BTreeSet;
use std::sync::Arc;

use gatewright_kinds::EntityKey;

use super::Engine;

/// What errors stand against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Broken {
    /// Objects.
    pub objects: BTreeSet<EntityKey>,
    /// Files with an error that belongs to no object which could be told.
    pub files: BTreeSet<Arc<str>>,
}

impl Engine {
    /// Returns what errors stand against. Held objects count by the state that they are taken from.
    pub fn broken(&self) -> Broken {
        let mut broken = Broken::default();
        for (path, finding) in self.files.errors() {
            match &finding.entity {
                Some(key) => broken.objects.insert(key.clone()),
                None => broken.files.insert(path.clone()),
            };
        }
        broken.objects.extend(self.errors().map(|finding| finding.place.entity.clone()));
        broken.objects.extend(self.files.duplicates().map(|(key, _)| key.clone()));
        broken
    }

    /// Returns the objects that the source holds encrypted, or with encrypted values.
    pub fn encrypted(&self) -> BTreeSet<EntityKey> {
        let promises = self.files.promises().iter();
        let encrypted = promises.filter(|(_, promises)| promises.values().any(|promise| promise.encrypted));
        encrypted.map(|(key, _)| key.clone()).collect()
    }

    /// Returns the path of the file that an object is read from.
    pub fn file_of(&self, key: &EntityKey) -> Option<&Arc<str>> {
        self.files.definitions(key).first().map(|definition| &definition.path)
    }
}
