//! What can be served of a state with errors: each broken object as the last good state had it, the rest as it is now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatewright_compiler::graph::DependencyGraph;
use gatewright_compiler::manifest::Manifest;
use gatewright_compiler::source::ReadError;
use gatewright_compiler::{Broken, Engine};
use gatewright_kinds::EntityKey;

use crate::source::{Hold, Loader, Source, SourceError};

/// What becomes of a state with errors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// It is not served; the last state without errors stays.
    #[default]
    Stop,
    /// What is sound of it is served. A broken object keeps its last good version; where none is known, it answers 503.
    Quarantine,
}

/// A state that can be served although errors stand in it.
pub struct Quarantined {
    /// The state, which holds broken objects as other revisions have them, where that is possible. The engine has reached
    /// it.
    pub source: Source,
    /// Objects with errors that no good version is known of; what they cover answers 503.
    pub refused: Vec<String>,
}

/// Why there is no such state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuarantineError {
    /// A revision cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Takes broken objects of `head` as `last` has them, the state that was served last, held objects included. `engine`
/// compiles one after the other and ends at the result.
///
/// An object is held where an error stands against it; where its file cannot be read so far that one could tell whether it
/// is still there; and where it changed in a way that breaks a held one which refers to it. What is held is as little as
/// these three demand.
///
/// # Errors
/// A file or revision cannot be read.
pub fn quarantine(
    loader: &Loader,
    engine: &mut Engine,
    head: &Source,
    last: Option<&Source>,
) -> Result<Quarantined, QuarantineError> {
    let past = last.map(|last| Past::of(engine, last)).transpose()?.unwrap_or_default();
    engine.update(&head.tree)?;
    let mut holds: BTreeMap<EntityKey, Hold> = past.lost(engine, head);
    let mut source = loader.hold(head, &values(&holds))?;
    loop {
        engine.update(&source.tree)?;
        let broken = engine.broken();
        let more = past.more(engine, &broken, &holds);
        if more.is_empty() {
            let refused = broken.objects.iter().map(ToString::to_string).collect();
            return Ok(Quarantined { source, refused });
        }
        holds.extend(more);
        source = loader.hold(head, &values(&holds))?;
    }
}

fn values(holds: &BTreeMap<EntityKey, Hold>) -> Vec<Hold> {
    holds.values().cloned().collect()
}

/// What was good in the state that was served last.
#[derive(Default)]
struct Past {
    objects: BTreeMap<EntityKey, Good>,
    graph: DependencyGraph,
}

struct Good {
    hold: Hold,
    manifest: Arc<Manifest>,
}

impl Past {
    fn of(engine: &mut Engine, last: &Source) -> Result<Self, ReadError> {
        engine.update(&last.tree)?;
        let broken = engine.broken();
        let good = |(key, manifest): (&EntityKey, &Arc<Manifest>)| {
            let hold = last.hold(key, engine.file_of(key)?)?;
            let sound = !broken.objects.contains(key);
            sound.then(|| (key.clone(), Good { hold, manifest: manifest.clone() }))
        };
        Ok(Past { objects: engine.manifests().iter().filter_map(good).collect(), graph: engine.graph() })
    }

    /// Returns the objects that may be lost in a file which cannot be read so far: those that stood in it, or in a file
    /// that is gone, and now stand nowhere.
    fn lost(&self, engine: &Engine, head: &Source) -> BTreeMap<EntityKey, Hold> {
        let unclear: BTreeSet<Arc<str>> = engine.broken().files;
        if unclear.is_empty() {
            return BTreeMap::new();
        }
        let clear: BTreeSet<&str> = head
            .tree
            .files
            .keys()
            .filter(|path| !unclear.contains(*path))
            .map(|path| head.path_in_source(path))
            .collect();
        let lost = self.objects.iter().filter(|(key, good)| {
            !engine.manifests().contains_key(*key) && !clear.contains(good.hold.path.as_str())
        });
        lost.map(|(key, good)| (key.clone(), good.hold.clone())).collect()
    }

    /// Returns what must be held besides: newly broken objects, and what held ones that are broken still need.
    fn more(
        &self,
        engine: &Engine,
        broken: &Broken,
        holds: &BTreeMap<EntityKey, Hold>,
    ) -> BTreeMap<EntityKey, Hold> {
        let mut more = BTreeMap::new();
        for key in &broken.objects {
            let wanted = if holds.contains_key(key) {
                self.graph.needs(key).into_iter().filter(|needed| self.differs(engine, needed)).collect()
            } else {
                vec![key.clone()]
            };
            for key in wanted.into_iter().filter(|key| !holds.contains_key(key)) {
                if let Some(good) = self.objects.get(&key) {
                    more.insert(key, good.hold.clone());
                }
            }
        }
        more
    }

    fn differs(&self, engine: &Engine, key: &EntityKey) -> bool {
        let now = engine.manifests().get(key).map(|manifest| manifest.fingerprint);
        self.objects.get(key).map(|good| good.manifest.fingerprint) != now
    }
}
