//! The objects of a file as they were written, of whatever kind, and the lines of their fields: what a plan shows of a
//! file that changed.

use std::collections::BTreeMap;

use serde_json::Value;

use super::json;
use super::load::{Loader, Source};
use super::text;
use super::tree::{NodeId, NodeKind, Tree};
use crate::finding::{Part, escape};
use crate::manifest::DocumentIndex;

/// One object as it was written: the value that the API server would get.
#[derive(Clone, Debug, PartialEq)]
pub struct RawObject {
    /// Where it stands in its file.
    pub document: DocumentIndex,
    /// Its content, values of Secrets included.
    pub value: Value,
}

/// Reads every object of a file that has a kind. Members of lists stand alone. Documents that cannot be read are left
/// out; the findings of [`super::parse_file`] tell of them.
pub fn raw_objects(bytes: &[u8]) -> Vec<RawObject> {
    let source = Source::new(text::read(bytes).unwrap_or_default());
    let mut loader = Loader::new(&source);
    let mut tree = Tree::default();
    let mut objects = Vec::new();
    while let Some(loaded) = loader.next(&mut tree) {
        let Some(root) = tree.root().filter(|_| loaded.usable) else { continue };
        // Nulls are dropped as the API server drops them.
        let Ok(converted) = json::convert(&mut tree, root, &[]) else { continue };
        add(DocumentIndex { document: loaded.index, item: None }, converted.value, &mut objects);
    }
    objects
}

fn add(document: DocumentIndex, mut value: Value, objects: &mut Vec<RawObject>) {
    let Some(kind) = value.get("kind").and_then(Value::as_str).map(str::to_owned) else { return };
    let items = match value.get_mut("items") {
        Some(Value::Array(items)) if kind.ends_with("List") => std::mem::take(items),
        _ => {
            objects.push(RawObject { document, value });
            return;
        }
    };
    let api_version = value.get("apiVersion").cloned();
    for (index, mut item) in items.into_iter().enumerate() {
        if let (Value::Object(members), Some(kind)) =
            (&mut item, kind.strip_suffix("List").filter(|kind| !kind.is_empty()))
        {
            members.entry("kind").or_insert_with(|| kind.into());
            if let Some(api_version) = &api_version {
                members.entry("apiVersion").or_insert_with(|| api_version.clone());
            }
        }
        if item.get("kind").and_then(Value::as_str).is_some() {
            objects.push(RawObject {
                document: DocumentIndex { item: Some(index as u32), ..document },
                value: item,
            });
        }
    }
}

/// The line of every key and value of a file, for many questions about one file.
#[derive(Clone, Debug, Default)]
pub struct LineIndex {
    /// Line of the key and of the value, by document and JSON pointer below it.
    lines: BTreeMap<(u32, String), (usize, usize)>,
}

impl LineIndex {
    /// Reads a file.
    pub fn of(bytes: &[u8]) -> Self {
        let source = Source::new(text::read(bytes).unwrap_or_default());
        let mut loader = Loader::new(&source);
        let mut tree = Tree::default();
        let mut index = LineIndex::default();
        while let Some(loaded) = loader.next(&mut tree) {
            if let Some(root) = tree.root().filter(|_| loaded.usable) {
                let mut pointer = String::new();
                index.add(&source, &tree, loaded.index, &mut pointer, (root, root));
            }
        }
        index
    }

    /// Returns the line (from 1) of the key or value at a JSON pointer below an object. Where the pointer leads to
    /// nothing, the nearest ancestor that exists stands in.
    pub fn line(&self, document: DocumentIndex, pointer: &str, part: Part) -> Option<usize> {
        let mut path = document.item.map(|item| format!("/items/{item}")).unwrap_or_default();
        path.push_str(pointer);
        let mut key = (document.document, path);
        loop {
            if let Some((of_key, of_value)) = self.lines.get(&key) {
                return Some(if part == Part::Key { *of_key } else { *of_value });
            }
            key.1.truncate(key.1.rfind('/')?);
        }
    }

    /// Aliases are not followed: what they stand for has lines of its own.
    fn add(
        &mut self,
        source: &Source<'_>,
        tree: &Tree<'_>,
        document: u32,
        pointer: &mut String,
        (key, value): (NodeId, NodeId),
    ) {
        let line = |node| source.lines().span(tree.node(node).span).start.line;
        self.lines.insert((document, pointer.clone()), (line(key), line(value)));
        let length = pointer.len();
        let children: Vec<(String, (NodeId, NodeId))> = match tree.node(value).kind {
            NodeKind::Mapping(_) => {
                let named = |(key, value): (NodeId, NodeId)| Some((escape(&tree.key(key)?), (key, value)));
                tree.entries(value).filter_map(named).collect()
            }
            NodeKind::Sequence(_) => {
                let elements = tree.elements(value).iter().enumerate();
                elements.map(|(index, &element)| (index.to_string(), (element, element))).collect()
            }
            NodeKind::Scalar { .. } | NodeKind::Alias(_) => Vec::new(),
        };
        for (segment, nodes) in children {
            pointer.push('/');
            pointer.push_str(&segment);
            self.add(source, tree, document, pointer, nodes);
            pointer.truncate(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
kind: Ingress
metadata: {name: a}
---
apiVersion: v1
kind: SecretList
items:
- metadata:
    name: s
  data:
    k: dg==
---
not: an object
";

    #[test]
    fn objects_of_any_kind_and_members_of_lists_are_read() {
        let objects = raw_objects(FILE.as_bytes());
        let kinds: Vec<_> = objects
            .iter()
            .map(|object| (object.document.document, object.document.item, &object.value["kind"]))
            .collect();
        assert_eq!(kinds, [(0, None, &Value::from("Ingress")), (1, Some(0), &Value::from("Secret"))]);
        assert_eq!(objects[1].value["apiVersion"], "v1");
        assert!(raw_objects(b"\xff\xfe").is_empty());
    }

    #[test]
    fn lines_are_those_of_the_file() {
        let index = LineIndex::of(FILE.as_bytes());
        let item = DocumentIndex { document: 1, item: Some(0) };
        assert_eq!(index.line(DocumentIndex { document: 0, item: None }, "", Part::Value), Some(1));
        assert_eq!(index.line(item, "", Part::Value), Some(7));
        assert_eq!(index.line(item, "/data", Part::Key), Some(9));
        assert_eq!(index.line(item, "/data/k", Part::Value), Some(10));
        assert_eq!(index.line(item, "/data/missing/deep", Part::Value), Some(10));
        assert_eq!(index.line(DocumentIndex { document: 9, item: None }, "", Part::Value), None);
    }

    #[test]
    fn an_alias_that_repeats_itself_ends() {
        let text = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n";
        assert_eq!(
            LineIndex::of(text.as_bytes()).line(
                DocumentIndex { document: 0, item: None },
                "/d/1/0/0",
                Part::Value
            ),
            Some(4)
        );
    }
}
