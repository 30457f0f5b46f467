//! Live objects beside the files of a source, in one tree that follows both at the cost of what changes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use gatewright_cluster::desired::Desired;
use gatewright_compiler::parse::raw_objects;
use gatewright_compiler::source::{ContentId, ReadError, ReadFile, SourceTree};
use gatewright_kinds::{EntityKey, Kind};
use imbl::OrdMap;
use imbl::ordmap::DiffItem;

use crate::source::LIVE;

type Contents = OrdMap<Arc<str>, ContentId>;

/// Live objects at one time, each as a file that is named after it.
#[derive(Clone, Default)]
pub struct Overlay {
    contents: Contents,
    bytes: OrdMap<Arc<str>, Arc<[u8]>>,
}

/// Returns what a live object is called as a file.
pub(super) fn live_path(key: &EntityKey) -> Arc<str> {
    format!("{LIVE}{key}").into()
}

impl Overlay {
    /// Returns the paths of the objects of a kind.
    pub(super) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Arc<str>> {
        let prefix: Arc<str> = format!("{LIVE}{} ", kind.as_str()).into();
        let paths = self.contents.range(prefix.clone()..).map(|(path, _)| path);
        paths.take_while(move |path| path.starts_with(&*prefix))
    }

    /// Takes an object in, and returns whether it says anything new.
    pub(super) fn put(&mut self, path: Arc<str>, bytes: Arc<[u8]>) -> bool {
        let content = ContentId::of_bytes(&bytes);
        let before = self.contents.insert(path.clone(), content);
        if before == Some(content) {
            return false;
        }
        self.bytes.insert(path, bytes);
        true
    }

    /// Takes an object out, and returns whether it was there.
    pub(super) fn remove(&mut self, path: &str) -> bool {
        self.bytes.remove(path);
        self.contents.remove(path).is_some()
    }
}

/// Counts: the objects may be secret.
impl fmt::Debug for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Overlay({} objects)", self.contents.len())
    }
}

/// The files of a source with live objects beside them. What the source has itself stays its own.
#[derive(Default)]
pub(crate) struct Beside {
    files: Contents,
    source: Contents,
    live: Contents,
    /// The objects of each file of the source, as paths that they would have as live objects...
    objects: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    /// ...and how many files have each.
    own: BTreeMap<Arc<str>, usize>,
}

impl Beside {
    /// Goes to another state of both, and returns the tree of it.
    ///
    /// # Errors
    /// A file that changed cannot be read.
    pub(crate) fn update(&mut self, source: &SourceTree, live: &Overlay) -> Result<SourceTree, ReadError> {
        self.follow_source(source)?;
        self.follow_live(live);
        let reader = Arc::new(Reader { source: source.reader.clone(), live: live.bytes.clone() });
        Ok(SourceTree {
            files: self.files.clone(),
            unrendered: source.unrendered.clone(),
            held: source.held.clone(),
            expected: source.expected.clone(),
            reader,
        })
    }

    fn follow_source(&mut self, source: &SourceTree) -> Result<(), ReadError> {
        let mut gone = Vec::new();
        let mut read = Vec::new();
        // Nothing changes here before everything could be read.
        for change in self.source.diff(&source.files) {
            match change {
                DiffItem::Add(path, content) | DiffItem::Update { new: (path, content), .. } => {
                    let objects = objects_in(&source.reader.read(path, content)?);
                    read.push((path.clone(), *content, objects));
                }
                DiffItem::Remove(path, _) => gone.push(path.clone()),
            }
        }
        for path in gone {
            self.files.remove(&path);
            self.forget(&path);
        }
        for (path, content, objects) in read {
            self.files.insert(path.clone(), content);
            self.forget(&path);
            self.learn(path, objects);
        }
        self.source = source.files.clone();
        Ok(())
    }

    /// The source has these objects itself from now on.
    fn learn(&mut self, path: Arc<str>, objects: Vec<Arc<str>>) {
        for object in &objects {
            *self.own.entry(object.clone()).or_default() += 1;
            self.files.remove(object);
        }
        if !objects.is_empty() {
            self.objects.insert(path, objects);
        }
    }

    /// A file is gone with its objects; the live ones count again.
    fn forget(&mut self, path: &str) {
        for object in self.objects.remove(path).into_iter().flatten() {
            let Some(count) = self.own.get_mut(&object) else { continue };
            *count -= 1;
            if *count == 0 {
                self.own.remove(&object);
                if let Some(content) = self.live.get(&object) {
                    self.files.insert(object, *content);
                }
            }
        }
    }

    fn follow_live(&mut self, live: &Overlay) {
        let before = std::mem::replace(&mut self.live, live.contents.clone());
        for change in before.diff(&live.contents) {
            match change {
                DiffItem::Add(path, content) | DiffItem::Update { new: (path, content), .. } => {
                    if !self.own.contains_key(path) {
                        self.files.insert(path.clone(), *content);
                    }
                }
                DiffItem::Remove(path, _) => _ = self.files.remove(path),
            }
        }
    }
}

fn objects_in(bytes: &[u8]) -> Vec<Arc<str>> {
    let objects = raw_objects(bytes).into_iter();
    objects.filter_map(|object| Some(live_path(&Desired::new(object.value)?.key))).collect()
}

struct Reader {
    source: Arc<dyn ReadFile>,
    live: OrdMap<Arc<str>, Arc<[u8]>>,
}

impl ReadFile for Reader {
    fn read(&self, path: &str, content: &ContentId) -> Result<Arc<[u8]>, ReadError> {
        match self.live.get(path) {
            Some(bytes) => Ok(bytes.clone()),
            None => self.source.read(path, content),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{ports: [{{port: 80}}]}}\n"
        )
    }

    fn live(names: &[&str]) -> Overlay {
        let mut live = Overlay::default();
        for name in names {
            let key = EntityKey::new(Kind::Service, "shop", *name);
            assert!(live.put(live_path(&key), service(name).into_bytes().into()));
        }
        live
    }

    fn paths(tree: &SourceTree) -> Vec<&str> {
        for (path, content) in &tree.files {
            tree.reader.read(path, content).unwrap();
        }
        tree.files.keys().map(AsRef::as_ref).collect()
    }

    #[test]
    fn what_the_source_has_stays_its_own_and_what_it_gives_up_is_live() {
        let mut beside = Beside::default();
        let both = SourceTree::in_memory([
            ("a.yaml", service("a")),
            ("b.yaml", service("a") + "---\n" + &service("b")),
        ]);
        let tree = beside.update(&both, &live(&["a", "c"])).unwrap();
        assert_eq!(paths(&tree), ["a.yaml", "b.yaml", "cluster:Service shop/c"]);
        // The other file still has it.
        let one = SourceTree::in_memory([("b.yaml", service("a") + "---\n" + &service("b"))]);
        let tree = beside.update(&one, &live(&["a", "b", "c"])).unwrap();
        assert_eq!(paths(&tree), ["b.yaml", "cluster:Service shop/c"]);
        let edited = SourceTree::in_memory([("b.yaml", service("b"))]);
        let tree = beside.update(&edited, &live(&["a", "b"])).unwrap();
        assert_eq!(paths(&tree), ["b.yaml", "cluster:Service shop/a"]);
        let tree = beside.update(&SourceTree::in_memory([("x.yaml", "")]), &live(&["b"])).unwrap();
        assert_eq!(paths(&tree), ["cluster:Service shop/b", "x.yaml"]);
    }

    #[test]
    fn a_file_that_cannot_be_read_changes_nothing() {
        struct Unreadable;
        impl ReadFile for Unreadable {
            fn read(&self, path: &str, _: &ContentId) -> Result<Arc<[u8]>, ReadError> {
                Err(ReadError { path: path.to_owned(), reason: "gone".to_owned() })
            }
        }
        let mut beside = Beside::default();
        let good = SourceTree::in_memory([("a.yaml", service("a"))]);
        beside.update(&good, &live(&["a"])).unwrap();
        let mut bad = SourceTree::in_memory([("b.yaml", service("b"))]);
        bad.reader = Arc::new(Unreadable);
        assert!(beside.update(&bad, &live(&["a"])).is_err());
        assert_eq!(paths(&beside.update(&good, &live(&["a"])).unwrap()), ["a.yaml"]);
    }

    #[test]
    fn kinds_whose_names_begin_alike_are_kept_apart() {
        let mut objects = live(&["a"]);
        let class = EntityKey::new(Kind::IngressClass, "", "a");
        let ingress = EntityKey::new(Kind::Ingress, "shop", "a");
        for key in [&class, &ingress] {
            objects.put(live_path(key), Arc::from([]));
        }
        assert_eq!(objects.of_kind(Kind::Ingress).collect::<Vec<_>>(), [&live_path(&ingress)]);
        assert_eq!(objects.of_kind(Kind::IngressClass).collect::<Vec<_>>(), [&live_path(&class)]);
    }
}
