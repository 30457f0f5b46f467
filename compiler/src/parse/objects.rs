//! The objects of a file as they were written, of whatever kind: what a plan shows of a file that changed.

use serde_json::Value;

use super::json;
use super::load::{Loader, Source};
use super::text;
use super::tree::Tree;
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
    let text = text::read(bytes).unwrap_or_default();
    let source = Source::new(&text);
    let mut loader = Loader::new(&source);
    let mut tree = Tree::default();
    let mut objects = Vec::new();
    while let Some(loaded) = loader.next(&mut tree) {
        let Some(root) = tree.root().filter(|_| loaded.usable) else { continue };
        // Nulls are dropped as the API server drops them.
        let Ok(converted) = json::convert(&tree, root, &[]) else { continue };
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
}
