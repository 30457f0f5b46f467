//! What a state is compiled from: the files of a source, and objects that are known without one.

use std::fmt;
use std::sync::Arc;

use gatewright_kinds::{EntityKey, Kind};
use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use serde_json::Value;

use crate::engine::Definition;
use crate::manifest::{Body, DiscoveredService, DocumentIndex, Metadata, RegistrySnapshot, Secret};
use crate::options::Profile;
use crate::parse::{FileFinding, manifest, parse_file};
use crate::source::SourceTree;

/// What stands before the name of an object that a kube cluster tells, where places are told...
const LIVE: &str = "cluster:";
/// ...before that of one which is kept...
const KEPT: &str = "kept:";
/// ...and before that of one which a registry tells.
const REGISTRY: &str = "registry:";

/// Returns whether a path is the name of an object that stands in no file.
pub fn is_no_file(path: &str) -> bool {
    [LIVE, KEPT, REGISTRY].iter().any(|origin| path.starts_with(origin))
}

/// One state.
#[derive(Clone)]
pub struct Input {
    /// The files of the source.
    pub manifests: SourceTree,
    /// Objects that count where no file has one of their key.
    pub live: Objects,
    /// Objects that count whatever the files say: what is kept, and what registries tell.
    pub kept: Objects,
}

impl From<&SourceTree> for Input {
    fn from(tree: &SourceTree) -> Self {
        Input { manifests: tree.clone(), live: Objects::default(), kept: Objects::default() }
    }
}

/// An object as a kube cluster or a registry told it last.
#[derive(Clone)]
pub struct Object(Arc<Told>);

struct Told {
    definition: Definition,
    /// Their places mean nothing: there is no file.
    findings: Vec<FileFinding>,
}

impl Object {
    /// Reads an object; none if it is of a kind that is not modelled, or has no name.
    pub fn read(value: &Value, profile: Profile) -> Option<Self> {
        let parsed = parse_file(value.to_string().as_bytes(), profile);
        let manifest = parsed.manifests.into_iter().next()?;
        let path = format!("{LIVE}{}", manifest.key).into();
        let poisoned = parsed.findings.iter().any(FileFinding::is_error);
        let definition = Definition { path, manifest, poisoned };
        Some(Object(Arc::new(Told { definition, findings: parsed.findings })))
    }

    /// Returns the Secret with a certificate chain and its private key, both as PEM.
    pub fn certificate(key: EntityKey, chain: Vec<u8>, private_key: Vec<u8>) -> Self {
        let data = [("tls.crt", chain), ("tls.key", private_key)];
        let data = data.map(|(name, bytes)| (name.to_owned(), bytes)).into();
        let secret = Secret { secret_type: "kubernetes.io/tls".to_owned(), data, misread: false };
        let path = format!("{KEPT}{key}").into();
        let place = DocumentIndex { document: 0, item: None };
        let manifest = Arc::new(manifest(key, Metadata::default(), Body::Secret(secret), place));
        Object(Arc::new(Told {
            definition: Definition { path, manifest, poisoned: false },
            findings: Vec::new(),
        }))
    }

    /// Returns a registry, by type and name as an McpBridge declares it. `complete` says that it offers no service beside
    /// those that are told.
    pub fn registry(of_type: &str, name: &str, complete: bool) -> Self {
        let key = EntityKey::new(Kind::Registry, of_type, name);
        Object::told_by_registry(key, Body::Registry(RegistrySnapshot { complete }))
    }

    /// Returns a service that a registry offers.
    pub fn offered(of_type: &str, registry: &str, service: DiscoveredService) -> Self {
        let name = format!("{registry}/{}", service.host);
        let key = EntityKey::new(Kind::RegistryService, of_type, name);
        Object::told_by_registry(key, Body::RegistryService(service))
    }

    fn told_by_registry(key: EntityKey, body: Body) -> Self {
        let path = format!("{REGISTRY}{key}").into();
        let place = DocumentIndex { document: 0, item: None };
        let manifest = Arc::new(manifest(key, Metadata::default(), body, place));
        let definition = Definition { path, manifest, poisoned: false };
        Object(Arc::new(Told { definition, findings: Vec::new() }))
    }

    /// Returns what the object is called.
    pub fn key(&self) -> &EntityKey {
        &self.0.definition.manifest.key
    }

    pub(crate) fn definition(&self) -> &Definition {
        &self.0.definition
    }

    pub(crate) fn findings(&self) -> impl Iterator<Item = (&Arc<str>, &FileFinding)> {
        self.0.findings.iter().map(|finding| (&self.0.definition.path, finding))
    }
}

/// Two are equal that say the same and of which the same is found: what cannot be read is no part of a fingerprint.
impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&*self.0, &*other.0);
        Arc::ptr_eq(&self.0, &other.0)
            || (a.definition.manifest.fingerprint == b.definition.manifest.fingerprint
                && a.findings == b.findings)
    }
}

/// Objects by key. Persistent: what was made by editing another one is compared with it in the time that the edits ask for.
#[derive(Clone, Default)]
pub struct Objects {
    all: OrdMap<EntityKey, Object>,
    /// Those that something was found in.
    remarked: OrdMap<EntityKey, Object>,
}

impl Objects {
    /// Takes an object in, and returns whether it says anything new.
    pub fn put(&mut self, object: Object) -> bool {
        let key = object.key().clone();
        if self.all.get(&key) == Some(&object) {
            return false;
        }
        match object.0.findings.is_empty() {
            true => drop(self.remarked.remove(&key)),
            false => drop(self.remarked.insert(key.clone(), object.clone())),
        }
        self.all.insert(key, object);
        true
    }

    /// Takes an object out, and returns whether it was there.
    pub fn remove(&mut self, key: &EntityKey) -> bool {
        self.remarked.remove(key);
        self.all.remove(key).is_some()
    }

    /// Returns the keys of the objects of a kind.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &EntityKey> {
        let keys = self.all.range(EntityKey::new(kind, "", "")..).map(|(key, _)| key);
        keys.take_while(move |key| key.kind == kind)
    }

    pub(crate) fn get(&self, key: &EntityKey) -> Option<&Object> {
        self.all.get(key)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &EntityKey> {
        self.all.keys()
    }

    /// Returns the objects that something was found in.
    pub(crate) fn remarked(&self) -> impl Iterator<Item = (&EntityKey, &Object)> {
        self.remarked.iter()
    }

    /// Returns the keys of what is not the same in another state.
    pub(crate) fn changed(&self, other: &Self) -> impl Iterator<Item = EntityKey> {
        self.all.diff(&other.all).map(|change| match change {
            DiffItem::Add(key, _) | DiffItem::Remove(key, _) | DiffItem::Update { new: (key, _), .. } => {
                key.clone()
            }
        })
    }
}

/// Counts: the objects may be secret.
impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Objects({})", self.all.len())
    }
}
