//! Both sides of a plan against a cluster as trees that the compiler reads: what is there, and what will be.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatewright_cluster::compare::predict;
use gatewright_cluster::decide::{Action, MANAGER, Step};
use gatewright_cluster::export;
use gatewright_cluster::live::LiveObject;
use gatewright_compiler::Provenance;
use gatewright_compiler::manifest::DocumentIndex;
use gatewright_compiler::source::SourceTree;
use gatewright_kinds::EntityKey;
use serde_json::Value;

use super::Looked;

/// A state of a cluster as a tree with one file for each object.
pub struct Projection {
    /// What the compiler reads.
    pub tree: SourceTree,
    /// Where in the source an object was written.
    pub(crate) origins: BTreeMap<Arc<str>, (Arc<str>, DocumentIndex)>,
    /// What the state is called; none for one that is named as the source is.
    pub(crate) name: Option<String>,
    /// Digest of what the state was made from.
    pub(crate) input: Option<String>,
    /// What stands before an object that has no place in the source.
    pub(crate) context: String,
}

impl Projection {
    /// Returns what an object's file is called for people.
    pub(crate) fn shown(&self, path: &str) -> String {
        format!("{}:{path}", self.context)
    }
}

/// Returns what is there.
pub fn base(looked: &Looked, context: &str) -> Projection {
    let objects = looked.observed.objects.values();
    let objects: BTreeMap<_, _> = objects.map(|live| (live.key.clone(), export::bare(live))).collect();
    Projection {
        tree: tree(&objects),
        origins: BTreeMap::new(),
        name: Some(format!("cluster {context}")),
        input: Some(versions(looked.observed.objects.values().map(AsRef::as_ref))),
        context: context.to_owned(),
    }
}

/// Returns what will be when the round was carried out, with the places of the source where `provenance` knows them.
pub fn head(looked: &Looked, context: &str, provenance: &Provenance) -> Projection {
    let live = looked.observed.objects.values();
    let mut objects: BTreeMap<_, _> = live.map(|live| (live.key.clone(), export::bare(live))).collect();
    for step in &looked.round.steps {
        match (&step.action, &step.value, &step.live) {
            (Action::Create, Some(value), _) => {
                _ = objects.insert(step.key.clone(), export::planned(step.key.kind, value))
            }
            (Action::Update(_) | Action::Correct(_), Some(value), Some(live)) => {
                let mut after = LiveObject::clone(live);
                after.value = predict(value, live, MANAGER);
                objects.insert(step.key.clone(), export::bare(&after));
            }
            (Action::Delete, ..) => _ = objects.remove(&step.key),
            _ => {}
        }
    }
    let wanted = looked.round.steps.iter().filter(|step| step.value.is_some());
    let origins = wanted.filter_map(|Step { key, .. }| {
        let (path, document) = provenance.file(key)?;
        Some((path_of(key), (Arc::from(path), document)))
    });
    Projection {
        tree: tree(&objects),
        origins: origins.collect(),
        name: None,
        input: None,
        context: context.to_owned(),
    }
}

fn tree(objects: &BTreeMap<EntityKey, Value>) -> SourceTree {
    SourceTree::in_memory(objects.iter().map(|(key, value)| (path_of(key), value.to_string())))
}

fn path_of(key: &EntityKey) -> Arc<str> {
    let namespace = if key.namespace.is_empty() { "" } else { "/" };
    format!("{}/{}{namespace}{}", key.kind.as_str(), key.namespace, key.name).into()
}

/// Returns a digest of which versions of which objects were seen: their content may be secret.
fn versions<'a>(objects: impl Iterator<Item = &'a LiveObject>) -> String {
    let mut hasher = blake3::Hasher::new();
    for object in objects {
        hasher.update(format!("{} {} {}\n", object.key, object.uid(), object.resource_version()).as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}
