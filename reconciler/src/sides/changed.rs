//! The objects of the files that differ between two states, of whatever kind, as they were written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatewright_compiler::manifest::DocumentIndex;
use gatewright_compiler::parse::raw_objects;
use gatewright_compiler::source::ReadError;
use gatewright_kinds::{EntityKey, Kind};
use gatewright_plan::EntityName;
use serde_json::Value;

use super::State;

/// Objects by name.
#[derive(Default)]
pub(super) struct Objects(BTreeMap<EntityName, Object>);

/// One object and where it stands.
pub(super) struct Object {
    pub(super) path: Arc<str>,
    pub(super) document: DocumentIndex,
    pub(super) value: Value,
}

impl Object {
    /// Returns the hosts that an Ingress names; nothing for other kinds.
    pub(super) fn hosts(&self) -> BTreeSet<String> {
        let rules = self.value.pointer("/spec/rules").and_then(Value::as_array).into_iter().flatten();
        let host = |rule: &Value| match rule.get("host").and_then(Value::as_str) {
            None | Some("") => "*".to_owned(),
            Some(host) => host.to_ascii_lowercase(),
        };
        if self.value.get("kind").and_then(Value::as_str) == Some("Ingress") {
            rules.map(host).collect()
        } else {
            BTreeSet::new()
        }
    }
}

impl Objects {
    pub(super) fn get(&self, entity: &EntityName) -> Option<&Object> {
        self.0.get(entity)
    }

    pub(super) fn names(&self) -> BTreeSet<EntityName> {
        self.0.keys().cloned().collect()
    }

    fn read(&mut self, path: &Arc<str>, bytes: &[u8]) {
        for object in raw_objects(bytes) {
            let Some(name) = name_of(&object.value) else { continue };
            let found = Object { path: path.clone(), document: object.document, value: object.value };
            // Defined twice, the first definition is compared; the compiler reports the rest.
            self.0.entry(name).or_insert(found);
        }
    }
}

/// Returns the objects of the files that differ, in the base and in the head.
pub(super) fn objects(base: &State<'_>, head: &State<'_>) -> Result<(Objects, Objects), ReadError> {
    let (old, new) = (base.tree(), head.tree());
    let mut objects = (Objects::default(), Objects::default());
    let paths: BTreeSet<&Arc<str>> = old.files.keys().chain(new.files.keys()).collect();
    for path in paths {
        let (before, after) = (old.files.get(path), new.files.get(path));
        if before == after {
            continue;
        }
        let before = before.map(|content| old.reader.read(path, content)).transpose()?;
        let after = after.map(|content| new.reader.read(path, content)).transpose()?;
        // The ids of a folder's and a revision's content are not comparable; the content is.
        if before == after {
            continue;
        }
        before.iter().for_each(|bytes| objects.0.read(path, bytes));
        after.iter().for_each(|bytes| objects.1.read(path, bytes));
    }
    complete(&mut objects.0, &objects.1, base)?;
    complete(&mut objects.1, &objects.0, head)?;
    Ok(objects)
}

/// Adds what the other side's files have and this side has in a file that does not differ: an object that was defined
/// twice, or is now.
fn complete(objects: &mut Objects, other: &Objects, state: &State<'_>) -> Result<(), ReadError> {
    for name in other.0.keys() {
        if objects.0.contains_key(name) {
            continue;
        }
        let Some((path, _)) = key_of(name).and_then(|key| state.provenance.file(&key)) else { continue };
        let tree = state.tree();
        let Some((path, content)) = tree.files.get_key_value(path) else { continue };
        let mut of_file = Objects::default();
        of_file.read(path, &tree.reader.read(path, content)?);
        if let Some(object) = of_file.0.remove(name) {
            objects.0.insert(name.clone(), object);
        }
    }
    Ok(())
}

/// Names an object as the user knows it: kinds that are not modelled carry their group.
fn name_of(value: &Value) -> Option<EntityName> {
    let text = |value: Option<&Value>| {
        value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let kind = text(value.get("kind"))?;
    let group =
        text(value.get("apiVersion")).and_then(|version| Some(version.rsplit_once('/')?.0.to_owned()));
    let metadata = value.get("metadata")?;
    let namespace = text(metadata.get("namespace"));
    let modelled = Kind::named(&kind).filter(|known| known.group() == group.as_deref().unwrap_or_default());
    let (kind, namespaced) = match (modelled, group) {
        (Some(known), _) => (kind, known.namespaced()),
        (None, Some(group)) => (format!("{kind}.{group}"), false),
        (None, None) => (kind, false),
    };
    let default = if namespaced { "default" } else { "" };
    Some(EntityName {
        kind,
        namespace: namespace.unwrap_or_else(|| default.to_owned()),
        name: text(metadata.get("name")).or_else(|| text(metadata.get("generateName")))?,
    })
}

/// Returns the key of an object of a modelled kind.
pub(super) fn key_of(entity: &EntityName) -> Option<EntityKey> {
    let kind = Kind::named(&entity.kind)?;
    Some(EntityKey::new(kind, entity.namespace.clone(), entity.name.clone()))
}
