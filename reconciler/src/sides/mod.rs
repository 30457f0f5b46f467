//! The two sides of a plan, made from states that one engine reached: everything that the pure planner (gatewright-plan) may
//! not do itself, such as reading the files that differ.

mod changed;
mod suppose;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatewright_compiler::finding::Part;
use gatewright_compiler::manifest::DocumentIndex;
use gatewright_compiler::options::CompileOptions;
use gatewright_compiler::parse::Locator;
use gatewright_compiler::source::{ReadError, SourceTree};
use gatewright_compiler::{Engine, Provenance};
use gatewright_diagnostics::{Diagnostic, Severity, code};
use gatewright_plan::{
    ASSUMED, Describe, EntityName, Finding, Ir, Location, Plan, PlanOptions, RouteId, Side,
};
use gatewright_xds::XdsSnapshot;
use serde_json::Value;

use crate::cluster::Projection;
use crate::source::Source;
use changed::{Object, Objects};
use suppose::Between;

/// One compiled state, kept while its engine goes on to another one. Model and resources share their parts with the
/// engine's.
pub struct State<'s> {
    source: &'s Source,
    /// Where the state is one of a kube cluster.
    projection: Option<&'s Projection>,
    options: CompileOptions,
    provenance: Provenance,
    ir: Ir,
    xds: XdsSnapshot,
    /// With paths as the user knows them.
    diagnostics: Vec<Diagnostic>,
    input: String,
    locators: RefCell<BTreeMap<Arc<str>, Arc<Locator>>>,
    /// The first file that could not be read any more.
    failure: RefCell<Option<ReadError>>,
}

/// Returns what a plan tells of a compiled state: errors, warnings, and what it cannot know. Of other remarks there may be
/// one for every route.
///
/// # Errors
/// A file to which a finding points cannot be read any more.
pub fn told(engine: &Engine) -> Result<Vec<Diagnostic>, ReadError> {
    engine.diagnostics_of(&|code| code.severity <= Severity::Warning || ASSUMED.contains(&code))
}

impl<'s> State<'s> {
    /// Takes the state that `engine` has reached by compiling `source`.
    ///
    /// # Errors
    /// A file to which a finding points cannot be read any more.
    pub fn of(engine: &Engine, source: &'s Source) -> Result<Self, ReadError> {
        let mut diagnostics = told(engine)?;
        for diagnostic in &mut diagnostics {
            diagnostic.primary.path = source.shown(&diagnostic.primary.path);
        }
        Ok(State {
            source,
            projection: None,
            options: engine.options().clone(),
            provenance: engine.provenance(),
            ir: engine.ir().clone(),
            xds: engine.xds().with_inline_chains(),
            diagnostics,
            input: input_digest(engine, source),
            locators: RefCell::default(),
            failure: RefCell::default(),
        })
    }

    /// Takes the state of a kube cluster that `engine` has reached by compiling `projection`. `source` says where objects
    /// were written; `diagnostics` are of it, with its paths.
    ///
    /// # Errors
    /// A file to which a finding points cannot be read any more.
    pub fn of_cluster(
        engine: &Engine,
        source: &'s Source,
        projection: &'s Projection,
        diagnostics: Vec<Diagnostic>,
    ) -> Result<Self, ReadError> {
        let mut diagnostics = match projection.name {
            Some(_) => told(engine)?,
            None => diagnostics,
        };
        for diagnostic in &mut diagnostics {
            diagnostic.primary.path = match &projection.name {
                Some(_) => projection.shown(&diagnostic.primary.path),
                None => source.shown(&diagnostic.primary.path),
            };
        }
        Ok(State {
            source,
            projection: Some(projection),
            options: engine.options().clone(),
            provenance: engine.provenance(),
            ir: engine.ir().clone(),
            xds: engine.xds().with_inline_chains(),
            diagnostics,
            input: projection.input.clone().unwrap_or_else(|| input_digest(engine, source)),
            locators: RefCell::default(),
            failure: RefCell::default(),
        })
    }

    /// Returns the files of the state.
    fn tree(&self) -> &SourceTree {
        self.projection.map_or(&self.source.tree, |projection| &projection.tree)
    }

    /// Returns where a route was written. None also where its file cannot be read any more.
    pub fn route(&self, route: &RouteId) -> Option<Location> {
        let place = self.provenance.route(route)?;
        let (path, document) = self.provenance.file(&place.entity)?;
        self.location(path, document, &place.pointer, place.part)
    }

    /// Returns the objects that can change what requests meet and are not modelled.
    pub fn not_modelled(&self) -> Vec<Finding> {
        let revisions = self.shown_revisions();
        let found = self.diagnostics.iter().filter(|found| found.code.id == code::GW0104.id);
        found.map(|found| Finding::of(found, revisions.get(&found.primary.path).cloned())).collect()
    }

    fn location(&self, path: &str, document: DocumentIndex, pointer: &str, part: Part) -> Option<Location> {
        let (path, document) =
            match self.projection.map(|projection| (projection, projection.origins.get(path))) {
                Some((_, Some((path, document)))) => (path.as_ref(), *document),
                Some((projection, None)) => {
                    return Some(Location { path: projection.shown(path), line: 1, revision: None });
                }
                None => (path, document),
            };
        let line = self.locator(path)?.locate(document, pointer, part).map_or(1, |span| span.start.line);
        let revision = self.source.revision(path).map(|revision| revision.short.clone());
        Some(Location { path: self.source.shown(path), line, revision })
    }

    fn locator(&self, path: &str) -> Option<Arc<Locator>> {
        if let Some(locator) = self.locators.borrow().get(path) {
            return Some(locator.clone());
        }
        let tree = &self.source.tree;
        match tree.reader.read(path, tree.content(path)?) {
            Ok(bytes) => {
                let locator = Arc::new(Locator::new(&bytes));
                self.locators.borrow_mut().insert(path.into(), locator.clone());
                Some(locator)
            }
            Err(error) => {
                self.failure.borrow_mut().get_or_insert(error);
                None
            }
        }
    }

    fn side<'a>(&'a self, view: &'a View<'a>, revision_of: &'a dyn Fn(&str) -> Option<String>) -> Side<'a> {
        let specs: Vec<String> = self.source.specs().map(ToString::to_string).collect();
        let name = self.projection.and_then(|projection| projection.name.clone());
        let mut revisions = self.source.revisions();
        let revision = match (revisions.next(), revisions.next()) {
            (Some((_, revision)), None) if name.is_none() => Some(revision.id.clone()),
            _ => None,
        };
        Side {
            source: name.unwrap_or_else(|| specs.join(" ")),
            revision,
            input: self.input.clone(),
            entities: view.objects.names(),
            describe: view,
            ir: &self.ir,
            xds: &self.xds,
            diagnostics: &self.diagnostics,
            revision_of,
        }
    }
}

/// Compares two states. `engine` is the one that has reached the head; afterwards it is in no state of the source.
///
/// # Errors
/// A file that differs cannot be read any more.
pub fn plan(
    base: &State<'_>,
    head: &State<'_>,
    engine: &mut Engine,
    options: &PlanOptions,
) -> Result<Plan, ReadError> {
    let (old, new) = changed::objects(base, head)?;
    let dependents = dependents(&old, &new, engine);
    let old = View { state: base, objects: &old, dependents: &BTreeMap::new() };
    let new = View { state: head, objects: &new, dependents: &dependents };
    let revisions = [base, head].map(State::shown_revisions);
    let of_base = |path: &str| revisions[0].get(path).cloned();
    let of_head = |path: &str| revisions[1].get(path).cloned();
    let (old, new) = (base.side(&old, &of_base), head.side(&new, &of_head));
    let mut changes = Between::new(base, head, engine);
    let plan = gatewright_plan::plan(&old, &new, &mut changes, options);
    match base.failure.take().or(head.failure.take()).or(changes.failure()) {
        Some(error) => Err(error),
        None => Ok(plan),
    }
}

impl State<'_> {
    /// Returns the short commit id of each file to which a finding points, by the path as it is shown.
    fn shown_revisions(&self) -> BTreeMap<String, String> {
        let files = self.source.tree.files.keys();
        let named: BTreeSet<&str> =
            self.diagnostics.iter().map(|found| found.primary.path.as_str()).collect();
        if named.is_empty() {
            return BTreeMap::new();
        }
        files
            .filter_map(|path| Some((self.source.shown(path), self.source.revision(path)?.short.clone())))
            .filter(|(shown, _)| named.contains(shown.as_str()))
            .collect()
    }
}

/// Answers the planner's questions about one state.
struct View<'a> {
    state: &'a State<'a>,
    objects: &'a Objects,
    /// Of the objects of both states, as far as the engine of this state knows.
    dependents: &'a BTreeMap<EntityName, BTreeSet<String>>,
}

impl Describe for View<'_> {
    fn manifest(&self, entity: &EntityName) -> Option<Value> {
        Some(self.objects.get(entity)?.value.clone())
    }

    fn place(&self, entity: &EntityName, pointer: &str) -> Option<Location> {
        let object = self.objects.get(entity)?;
        self.state.location(&object.path, object.document, pointer, Part::Key)
    }

    fn route(&self, route: &RouteId) -> Option<Location> {
        self.state.route(route)
    }

    fn dependents(&self, entity: &EntityName) -> BTreeSet<String> {
        // The engine has left the base; what is left of it are the manifests.
        let of_manifest = || self.objects.get(entity).map(Object::hosts).unwrap_or_default();
        self.dependents.get(entity).cloned().unwrap_or_else(of_manifest)
    }
}

/// Returns the hosts that depend on each object of two states, as the engine has reached the second.
fn dependents(old: &Objects, new: &Objects, engine: &Engine) -> BTreeMap<EntityName, BTreeSet<String>> {
    let names = old.names().into_iter().chain(new.names());
    let known = names.filter_map(|name| {
        let hosts = engine.dependents(&changed::key_of(&name)?);
        Some((name, hosts.iter().map(ToString::to_string).collect()))
    });
    known.collect()
}

/// Returns the digest of a source and its settings that a plan carries.
pub fn input_of(engine: &Engine, source: &Source) -> String {
    input_digest(engine, source)
}

/// Returns a digest of all that a state was compiled from: files by path and content, and the settings.
fn input_digest(engine: &Engine, source: &Source) -> String {
    let mut hasher = blake3::Hasher::new();
    for (path, content) in &source.tree.files {
        hasher.update(&(path.len() as u64).to_le_bytes());
        hasher.update(path.as_bytes());
        hasher.update(&content.0);
    }
    // The settings are few, and their debug form names each of them.
    hasher.update(format!("{:?}", engine.options()).as_bytes());
    hasher.finalize().to_hex().to_string()
}
