//! Snapshots of registries: a file `registries.lock.json` that says what the registries of an McpBridge offered at one
//! time. It is no manifest, and what it holds are objects all the same: one for each registry and one for each service, so
//! that they are compared, held and told of like any other.

use std::sync::Arc;

use gatewright_diagnostics::{Span, code};
use gatewright_kinds::{EntityKey, Kind};

use super::decode::Dialect;
use super::fields::Fields;
use super::finder::Finder;
use super::issue::Issue;
use super::json::{self, Converted};
use super::load::{Loader, Source};
use super::placing::Placing;
use super::tree::{NodeId, Tree};
use super::{FileFinding, ParsedFile, decode, problem, rules, schema};
use crate::manifest::{Body, DocumentIndex, Metadata};
use crate::options::Profile;

/// What a snapshot is called, in whatever folder of a source.
pub const REGISTRY_LOCK: &str = "registries.lock.json";

/// Returns whether the file at a path is a snapshot of registries.
pub fn is_registry_lock(path: &str) -> bool {
    path.rsplit('/').next() == Some(REGISTRY_LOCK)
}

/// Returns the objects of a snapshot in the order of their numbers: each registry, and behind it its services.
pub(crate) fn numbered(tree: &Tree<'_>, root: NodeId) -> Vec<NodeId> {
    let mut found = Vec::new();
    let registries = tree.entry(root, "registries").map_or(&[][..], |(_, list)| tree.elements(list));
    for registry in registries {
        found.push(*registry);
        found.extend(tree.entry(*registry, "services").map_or(&[][..], |(_, list)| tree.elements(list)));
    }
    found
}

/// Reads a snapshot. One in which an error is found offers nothing: half of it would look like services that are gone.
/// That its registries were written down is known all the same.
pub(crate) fn read(text: &str) -> ParsedFile {
    let source = Source::new(text);
    let (mut loader, mut tree) = (Loader::new(&source), Tree::default());
    let mut parsed = ParsedFile::default();
    let usable = loader.next(&mut tree).is_some_and(|loaded| {
        let problems = loaded.problems.into_iter();
        parsed.findings.extend(problems.map(|problem| problem::finding(problem, source.lines())));
        loaded.usable
    });
    match tree.root().filter(|root| usable && !tree.is_null(*root)) {
        Some(root) => parsed.findings.extend(check(&tree, root, &source)),
        None if parsed.findings.is_empty() => {
            let message = "the snapshot of registries is empty";
            parsed.findings.push(FileFinding::new(&code::GW0102, Span::default(), message));
        }
        None => {}
    }
    if loader.next(&mut Tree::default()).is_some() {
        let message = "a snapshot of registries is one document, and another one follows";
        parsed.findings.push(FileFinding::new(&code::GW0102, Span::default(), message));
    }
    if let Some(root) = tree.root() {
        let sound = !parsed.findings.iter().any(FileFinding::is_error);
        keep(&tree, root, sound, &mut parsed);
    }
    parsed
}

fn check(tree: &Tree<'_>, root: NodeId, source: &Source<'_>) -> Vec<FileFinding> {
    let (mut issues, mut value): (Vec<Issue>, _) = (Vec::new(), Converted::default());
    let schema = schema::of(Kind::Registry, Profile::Native);
    if !schema.accepts(tree, root) {
        value = match json::convert(tree, root, &[]) {
            Ok(value) => value,
            Err(why) => return vec![problem::too_much(why, tree, source.lines())],
        };
        issues = schema.check(&value.value);
    }
    rules::check_registries(Fields::of(tree, root), &mut issues);
    schema::drop_misspelled(&mut issues);
    if issues.is_empty() && value.surprises.is_empty() && value.no_values.is_empty() {
        return Vec::new();
    }
    let finder = Finder::new(tree, source.lines());
    Placing { finder: &finder, object: root, kind: Kind::Registry }.findings(issues, &value, None)
}

fn keep(tree: &Tree<'_>, root: NodeId, sound: bool, parsed: &mut ParsedFile) {
    let mut number = 0..;
    let mut keep = |key, fields, kind| {
        let document = DocumentIndex { document: 0, item: number.next() };
        let mut body = decode::decode(kind, fields, &mut Dialect::new(Profile::Native)).body;
        match &mut body {
            Body::Registry(registry) => registry.complete &= sound,
            _ if !sound => return,
            _ => {}
        }
        let manifest = decode::manifest(key, Metadata::default(), body, document);
        parsed.manifests.push(Arc::new(manifest));
    };
    for registry in Fields::of(tree, root).list("registries") {
        let text = |name| registry.text(name).unwrap_or_default();
        let (of_type, name): (Arc<str>, Arc<str>) = (text("type").into(), text("name").into());
        keep(EntityKey::new(Kind::Registry, of_type.clone(), name.clone()), registry, Kind::Registry);
        for service in registry.list("services") {
            let host = service.text("host").unwrap_or_default();
            let name = format!("{name}/{host}");
            let key = EntityKey::new(Kind::RegistryService, of_type.clone(), name);
            keep(key, service, Kind::RegistryService);
        }
    }
}
