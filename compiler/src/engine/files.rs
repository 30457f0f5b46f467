//! Files by path, parsed once per content, and the manifests that they define; beside them objects without a file.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatewright_ir::Digest;
use gatewright_kinds::EntityKey;
use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use rayon::prelude::*;

use super::drafts::{Site, Sites};
use super::index::FileIndex;
use super::output::WorkCounters;
use super::put_all;
use super::suppose::Said;
use crate::input::{Input, Object, Objects};
use crate::manifest::{Backend, Body, DocumentIndex, Manifest};
use crate::options::Profile;
use crate::parse::{FileFinding, ParsedFile, Promise, is_registry_lock, parse_at};
use crate::pool::Pool;
use crate::source::{ContentId, HeldFile, Paths, ReadError, SourceTree};

/// The files of the last state of the source.
#[derive(Default)]
pub(super) struct Files {
    tree: Option<SourceTree>,
    /// Objects that count where no file has one of their key.
    live: Objects,
    /// Objects that count whatever the files say.
    kept: Objects,
    by_path: BTreeMap<Arc<str>, Arc<ParsedFile>>,
    index: FileIndex,
    /// Paths that define an entity; more than one, or one path twice, means that it is defined several times.
    definitions: BTreeMap<EntityKey, Vec<Definition>>,
    /// Entities with more than one of them.
    several: BTreeSet<EntityKey>,
    /// Objects that are taken from another state, where its file has them without an error.
    held: BTreeMap<EntityKey, Held>,
    /// Objects that files speak of without showing them, with what each file says.
    promises: Promises,
    /// Objects that are supposed to be otherwise, see [`Files::suppose`].
    supposed: BTreeMap<EntityKey, Said>,
    /// What the files promise of those.
    promised: BTreeMap<EntityKey, Option<PromisesOfFiles>>,
}

/// Promised objects with what each file says of them.
pub(super) type Promises = BTreeMap<EntityKey, PromisesOfFiles>;

/// What each file says of a promised object.
pub(super) type PromisesOfFiles = BTreeMap<Arc<str>, Promise>;

/// What changed files concern.
#[derive(Default)]
pub(super) struct Touched {
    /// Objects that they define or defined.
    pub(super) objects: BTreeSet<EntityKey>,
    /// Objects that they promise or promised.
    pub(super) promised: BTreeSet<EntityKey>,
}

struct Held {
    file: HeldFile,
    definition: Option<Definition>,
}

/// A path with the content that a tree lists for it.
type Listed = (Arc<str>, ContentId);

/// One definition of an entity.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    pub(crate) path: Arc<str>,
    pub(crate) manifest: Arc<Manifest>,
    /// An error stands against it, so that its meaning is not certain.
    pub(crate) poisoned: bool,
}

impl Definition {
    fn place(&self) -> (&str, DocumentIndex) {
        (&self.path, self.manifest.document)
    }
}

impl Files {
    /// Moves to a new state and returns what changed files concern.
    pub(super) fn update(
        &mut self,
        input: Input,
        profile: Profile,
        counters: &mut WorkCounters,
    ) -> Result<Touched, ReadError> {
        let Input { manifests, live, kept } = input;
        let tree = &manifests;
        let (removed, changed) = self.compare(tree);
        let parsed = self.parse(tree, &removed, &changed, profile, counters)?;
        let held = self.hold(tree, profile, counters)?;
        let mut touched = self.suppose(BTreeMap::new());
        for path in removed {
            self.forget(&path, &mut touched);
        }
        let mut new = Vec::with_capacity(changed.len());
        let mut defined: Vec<(EntityKey, Definition)> = Vec::with_capacity(changed.len());
        for ((path, _), parsed) in changed.into_iter().zip(parsed) {
            self.forget(&path, &mut touched);
            let errors = parsed.findings.iter().filter(|finding| finding.is_error());
            let poisoned: BTreeSet<&EntityKey> =
                errors.filter_map(|finding| finding.entity.as_ref()).collect();
            for manifest in &parsed.manifests {
                let poisoned = poisoned.contains(&manifest.key);
                let definition = Definition { path: path.clone(), manifest: manifest.clone(), poisoned };
                defined.push((manifest.key.clone(), definition));
            }
            for promise in &parsed.promises {
                touched.promised.insert(promise.object.clone());
                self.promises
                    .entry(promise.object.clone())
                    .or_default()
                    .insert(path.clone(), promise.clone());
            }
            self.index.add(&path, &parsed);
            new.push((path, parsed));
        }
        put_all(&mut self.by_path, new);
        defined.par_sort_by(|(a, one), (b, two)| a.cmp(b).then_with(|| one.place().cmp(&two.place())));
        touched.objects.append(&mut defined.iter().map(|(key, _)| key.clone()).collect());
        self.define(defined);
        self.replace_held(tree, held, &mut touched.objects);
        self.tree = Some(manifests);
        touched.objects.extend(self.live.changed(&live));
        self.live = live;
        touched.objects.extend(self.kept.changed(&kept));
        self.kept = kept;
        Ok(touched)
    }

    /// Adds definitions, which are sorted; those of an entity stand in the order of path and document.
    fn define(&mut self, defined: Vec<(EntityKey, Definition)>) {
        let mut new: Vec<(EntityKey, Vec<Definition>)> = Vec::with_capacity(defined.len());
        for (key, definition) in defined {
            match (self.definitions.get_mut(&key), new.last_mut()) {
                (Some(definitions), _) => {
                    self.several.insert(key);
                    definitions.push(definition);
                    definitions.sort_by(|one, two| one.place().cmp(&two.place()));
                }
                (None, Some((last, definitions))) if *last == key => {
                    self.several.insert(key);
                    definitions.push(definition);
                }
                // Hardly any entity is defined twice.
                (None, _) => new.push((key, vec![definition])),
            }
        }
        put_all(&mut self.definitions, new);
    }

    /// Reads the held objects that are new or come from another file than before; each file once.
    fn hold(
        &self,
        tree: &SourceTree,
        profile: Profile,
        counters: &mut WorkCounters,
    ) -> Result<BTreeMap<EntityKey, Held>, ReadError> {
        let mut parsed: BTreeMap<&HeldFile, Sound> = BTreeMap::new();
        let mut held = BTreeMap::new();
        for (key, file) in &tree.held {
            if self.held.get(key).is_some_and(|known| known.file == *file) {
                continue;
            }
            let found = match parsed.entry(file) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    counters.files_parsed += 1;
                    let bytes = tree.reader.read(&file.path, &file.content)?;
                    unknown.insert(sound(&parse_at(&file.path, &bytes, profile)))
                }
            };
            let definition = found.get(key).cloned().flatten().map(|manifest| Definition {
                path: file.path.clone(),
                manifest,
                poisoned: false,
            });
            held.insert(key.clone(), Held { file: file.clone(), definition });
        }
        Ok(held)
    }

    fn replace_held(
        &mut self,
        tree: &SourceTree,
        new: BTreeMap<EntityKey, Held>,
        touched: &mut BTreeSet<EntityKey>,
    ) {
        self.held.retain(|key, _| {
            let stays = tree.held.contains_key(key);
            if !stays {
                touched.insert(key.clone());
            }
            stays
        });
        touched.extend(new.keys().cloned());
        self.held.extend(new);
    }

    /// Returns the paths that are gone and those that are new or have other content. A tree that was made from the last
    /// one is compared only where it differs.
    fn compare(&self, tree: &SourceTree) -> (Vec<Arc<str>>, Vec<Listed>) {
        let (mut removed, mut changed) = (Vec::new(), Vec::new());
        let nothing = OrdMap::new();
        let old = self.tree.as_ref().map_or(&nothing, |old| &old.files);
        for item in old.diff(&tree.files) {
            match item {
                DiffItem::Add(path, content) | DiffItem::Update { new: (path, content), .. } => {
                    changed.push((path.clone(), *content));
                }
                DiffItem::Remove(path, _) => removed.push(path.clone()),
            }
        }
        (removed, changed)
    }

    /// Parses changed files; content that stood under another path is taken from there.
    fn parse(
        &self,
        tree: &SourceTree,
        removed: &[Arc<str>],
        changed: &[(Arc<str>, ContentId)],
        profile: Profile,
        counters: &mut WorkCounters,
    ) -> Result<Vec<Arc<ParsedFile>>, ReadError> {
        let read_alike = |path: &str, content: ContentId| (is_registry_lock(path), content);
        let moved: BTreeMap<(bool, ContentId), &Arc<ParsedFile>> = removed
            .iter()
            .chain(changed.iter().map(|(path, _)| path))
            .filter_map(|path| {
                let content = *self.tree.as_ref()?.files.get(path)?;
                Some((read_alike(path, content), self.by_path.get(path)?))
            })
            .collect();
        let is_new = |(path, content): &&Listed| !moved.contains_key(&read_alike(path, *content));
        counters.files_parsed += changed.iter().filter(is_new).count();
        changed
            .par_iter()
            .map_init(Pools::default, |pools, (path, content)| match moved.get(&read_alike(path, *content)) {
                Some(parsed) => Ok((*parsed).clone()),
                None => {
                    let mut parsed = parse_at(path, &tree.reader.read(path, content)?, profile);
                    pools.share(&mut parsed);
                    Ok(Arc::new(parsed))
                }
            })
            .collect()
    }

    fn forget(&mut self, path: &Arc<str>, touched: &mut Touched) {
        let Some(parsed) = self.by_path.remove(path) else { return };
        self.index.remove(path);
        for Promise { object, .. } in &parsed.promises {
            touched.promised.insert(object.clone());
            if let Some(promises) = self.promises.get_mut(object) {
                promises.remove(path);
                if promises.is_empty() {
                    self.promises.remove(object);
                }
            }
        }
        for manifest in &parsed.manifests {
            touched.objects.insert(manifest.key.clone());
            if let Some(definitions) = self.definitions.get_mut(&manifest.key) {
                definitions.retain(|definition| definition.path != *path);
                if definitions.len() < 2 {
                    self.several.remove(&manifest.key);
                }
                if definitions.is_empty() {
                    self.definitions.remove(&manifest.key);
                }
            }
        }
    }

    /// Takes objects as another state had them, instead of those that were taken so before. Returns all of them.
    pub(super) fn suppose(&mut self, said: BTreeMap<EntityKey, Said>) -> Touched {
        let mut touched = Touched::default();
        touched.objects.extend(self.supposed.keys().chain(said.keys()).cloned());
        for (key, promises) in std::mem::take(&mut self.promised) {
            self.promise(&key, promises);
            touched.promised.insert(key);
        }
        for (key, Said { promises, .. }) in &said {
            if self.promises.get(key) != promises.as_ref() {
                let here = self.promise(key, promises.clone());
                self.promised.insert(key.clone(), here);
                touched.promised.insert(key.clone());
            }
        }
        self.supposed = said;
        touched
    }

    /// Replaces what is promised of an object, and returns what was.
    fn promise(&mut self, key: &EntityKey, promises: Option<PromisesOfFiles>) -> Option<PromisesOfFiles> {
        match promises {
            Some(promises) => self.promises.insert(key.clone(), promises),
            None => self.promises.remove(key),
        }
    }

    /// Returns what an entity stands for. One that is defined several times is nobody's choice: an Ingress keeps the
    /// hosts and paths of all its definitions, poisoned, so that their requests fall to no neighbour; a plugin keeps its
    /// scope; anything else counts as missing.
    pub(super) fn effective(&self, key: &EntityKey) -> Option<Definition> {
        let definitions = match self.definitions(key) {
            [only] => return Some(only.clone()),
            several => several,
        };
        let mut sorted: Vec<&Definition> = definitions.iter().collect();
        // Not by path: a moved file changes nothing.
        sorted.sort_by_key(|definition| definition.manifest.fingerprint);
        let (first, others) = sorted.split_first()?;
        let mut manifest = (*first.manifest).clone();
        match &mut manifest.body {
            Body::Ingress(merged) => {
                for other in others {
                    if let Body::Ingress(spec) = &other.manifest.body {
                        merged.rules.extend(spec.rules.iter().cloned());
                    }
                }
            }
            Body::WasmPlugin(_) => {}
            _ => return None,
        }
        let fingerprints: Vec<String> =
            sorted.iter().map(|definition| definition.manifest.fingerprint.hex()).collect();
        manifest.fingerprint = Digest::of(&fingerprints);
        Some(Definition { path: first.path.clone(), manifest: Arc::new(manifest), poisoned: true })
    }

    /// Returns whether an entity is defined several times.
    pub(super) fn is_ambiguous(&self, key: &EntityKey) -> bool {
        self.definitions(key).len() > 1
    }

    /// Returns the definitions of an entity, by path and position; of a held or supposed one those which count.
    pub(super) fn definitions(&self, key: &EntityKey) -> &[Definition] {
        if let Some(supposed) = self.supposed.get(key) {
            return &supposed.definitions;
        }
        match self.held(key) {
            Some(held) => std::slice::from_ref(held),
            None => match (self.definitions.get(key), self.live.get(key)) {
                (Some(definitions), _) => definitions,
                (None, Some(object)) => std::slice::from_ref(object.definition()),
                (None, None) => &[],
            },
        }
    }

    /// Returns the entities that are defined more than once, and are not held.
    pub(super) fn duplicates(&self) -> impl Iterator<Item = (&EntityKey, &Vec<Definition>)> {
        let several = self.several.iter().filter(|key| self.held(key).is_none());
        several.filter_map(|key| self.definitions.get_key_value(key))
    }

    /// Returns whether an object is taken from another state.
    pub(super) fn is_held(&self, key: &EntityKey) -> bool {
        self.held(key).is_some()
    }

    fn held(&self, key: &EntityKey) -> Option<&Definition> {
        let kept = self.kept.get(key).map(Object::definition);
        kept.or_else(|| self.held.get(key)?.definition.as_ref())
    }

    /// Returns what the parser found, without what it found about definitions that do not count.
    pub(super) fn findings(&self) -> impl Iterator<Item = (&Arc<str>, &FileFinding)> {
        self.found_in(self.parsed())
    }

    /// Returns the errors among [`findings`](Self::findings), without a look at files that have none.
    pub(super) fn errors(&self) -> impl Iterator<Item = (&Arc<str>, &FileFinding)> {
        let faulty = self.index.faulty.iter().filter_map(|path| self.by_path.get_key_value(path));
        self.found_in(faulty).filter(|(_, finding)| finding.is_error())
    }

    fn found_in<'f>(
        &'f self,
        files: impl Iterator<Item = (&'f Arc<str>, &'f Arc<ParsedFile>)>,
    ) -> impl Iterator<Item = (&'f Arc<str>, &'f FileFinding)> {
        let all = files.flat_map(|(path, parsed)| {
            let unread = self.is_lost(path, parsed).then_some(&parsed.unread).into_iter().flatten();
            parsed.findings.iter().chain(unread).map(move |found| (path, found))
        });
        let live = self.live.remarked().filter(|(key, _)| !self.definitions.contains_key(*key));
        all.chain(live.flat_map(|(_, object)| object.findings()))
            .filter(|(_, finding)| !finding.entity.as_ref().is_some_and(|key| self.is_held(key)))
    }

    /// Takes what [`findings`](Self::findings) returns out.
    pub(super) fn take_findings(&mut self) -> Vec<(Arc<str>, FileFinding)> {
        let mut taken = Vec::new();
        for (path, parsed) in std::mem::take(&mut self.by_path) {
            let lost = self.is_lost(&path, &parsed);
            let ParsedFile { findings, unread, .. } = Arc::unwrap_or_clone(parsed);
            let unread = lost.then_some(unread).into_iter().flatten();
            let counts = |found: &FileFinding| !found.entity.as_ref().is_some_and(|key| self.is_held(key));
            taken
                .extend(findings.into_iter().chain(unread).filter(counts).map(|found| (path.clone(), found)));
        }
        taken
    }

    /// Returns the files that hold no manifest, and held none when the source was good.
    pub(super) fn passed_over(&self) -> impl Iterator<Item = &Arc<str>> {
        let nothing =
            self.parsed().filter(|(path, parsed)| parsed.passed_over && !self.is_lost(path, parsed));
        nothing.map(|(path, _)| path)
    }

    /// Returns the files that hold manifests, and those that held some and hold something else by mistake.
    pub(super) fn with_manifests(&self) -> Paths {
        let mut paths = self.index.holding.clone();
        let unread = self.index.unread.iter().filter_map(|path| self.by_path.get_key_value(path));
        for (path, _) in unread.filter(|(path, parsed)| self.is_lost(path, parsed)) {
            paths.insert(path);
        }
        paths
    }

    /// Returns whether what a file held is lost by mistake: it held manifests, and what stands in it now is none.
    fn is_lost(&self, path: &str, parsed: &ParsedFile) -> bool {
        let expected = || self.tree.as_ref().is_some_and(|tree| tree.expected.contains(path));
        !parsed.unread.is_empty() && expected()
    }

    /// Returns where objects stand; of one that is defined several times the first place.
    pub(super) fn sites(&self) -> impl Iterator<Item = (EntityKey, Site)> {
        let keys =
            self.definitions.keys().chain(self.held.keys()).chain(self.live.keys()).chain(self.kept.keys());
        keys.filter_map(|key| Some((key.clone(), self.site(key)?)))
    }

    /// Returns the objects that files promise.
    pub(super) fn promises(&self) -> &Promises {
        &self.promises
    }

    /// Returns every file with what was parsed from it, held ones left out.
    pub(super) fn parsed(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<ParsedFile>)> {
        self.by_path.iter()
    }

    /// Returns the state of the source that was compiled last.
    pub(super) fn tree(&self) -> Option<&SourceTree> {
        self.tree.as_ref()
    }
}

/// Parts that many manifests have alike.
#[derive(Default)]
struct Pools {
    texts: Pool<str>,
    backends: Pool<Backend>,
}

impl Pools {
    fn share(&mut self, parsed: &mut ParsedFile) {
        for manifest in parsed.manifests.iter_mut().filter_map(Arc::get_mut) {
            self.texts.share(&mut manifest.key.namespace);
            let Body::Ingress(ingress) = &mut manifest.body else { continue };
            for path in
                ingress.rules.iter_mut().flat_map(|rule| &mut rule.http).flat_map(|http| &mut http.paths)
            {
                self.texts.share(&mut path.path);
                self.backends.share(&mut path.backend);
            }
        }
    }
}

/// Objects of a file of another state by key.
type Sound = BTreeMap<EntityKey, Option<Arc<Manifest>>>;

/// Returns the objects of a file, without those that an error stands against or that are said twice.
fn sound(parsed: &ParsedFile) -> Sound {
    let mut sound = Sound::new();
    for manifest in &parsed.manifests {
        let once = |known: &mut Option<Arc<Manifest>>| *known = None;
        sound.entry(manifest.key.clone()).and_modify(once).or_insert_with(|| Some(manifest.clone()));
    }
    let errors = parsed.findings.iter().filter(|finding| finding.is_error());
    for key in errors.filter_map(|finding| finding.entity.as_ref()) {
        sound.remove(key);
    }
    sound
}
