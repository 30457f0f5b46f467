//! Reads the documents of a text one by one and places what is found.

use std::sync::Arc;

use gatewright_diagnostics::{Code, Span, code};
use gatewright_kinds::encrypted::of_text;
use gatewright_kinds::{EntityKey, Kind};
use serde_json::Value;

use super::decode::{self, Dialect};
use super::fields::Fields;
use super::finder::Finder;
use super::issue::{Issue, bounded};
use super::json::{self, Converted};
use super::kinds::{self, Recognized};
use super::load::{Loader, Source};
use super::locate::shown;
use super::placing::Placing;
use super::rules;
use super::scalar::{self, Meaning, Style};
use super::schema::{self, Schema};
use super::tree::{NodeId, NodeKind, Tree};
use super::{
    FileFinding, ParsedFile, Promise, encrypted, hints, makers, metadata, placeholders, problem, purpose,
};
use crate::finding::escape;
use crate::manifest::{Body, DocumentIndex, Metadata};
use crate::options::Profile;

/// Members of a WasmPlugin whose content is handed to the plugin as it is.
const PLUGIN_CONFIGURATION: [&str; 3] = ["pluginConfig", "defaultConfig", "config"];
/// Label that names the Service of an EndpointSlice.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// Reads every document.
pub(crate) fn read(text: &str, profile: Profile) -> ParsedFile {
    let source = Source::new(text);
    let mut loader = Loader::new(&source);
    let replaced = ["${", "{{", "{%"].iter().any(|open| text.contains(open));
    let parsed = ParsedFile::default();
    let mut reader = Reader { source: &source, profile, parsed, objects: Vec::new(), meant: false, replaced };
    let mut tree = Tree::default();
    let mut broken = false;
    while let Some(loaded) = loader.next(&mut tree) {
        broken |= !loaded.usable;
        let first_finding = reader.parsed.findings.len();
        for problem in loaded.problems {
            let mut finding = problem::finding(problem, source.lines());
            hints::explain(&mut finding, text, source.lines());
            reader.parsed.findings.push(finding);
        }
        let template =
            reader.parsed.findings.get(first_finding).is_some_and(|f| f.code.id == code::GW0010.id);
        if loaded.usable
            && let Some(root) = tree.root()
        {
            reader.document(&tree, root, loaded.index, first_finding);
        }
        // Of a document that is a template nothing else is to be said.
        if template {
            reader.parsed.findings.truncate(first_finding + 1);
        }
    }
    let is_manifest = reader.meant || (broken && purpose::names_a_kind(text));
    if !is_manifest {
        purpose::pass_over(&mut reader.parsed);
    }
    reader.parsed
}

struct Reader<'s, 'a> {
    source: &'s Source<'a>,
    profile: Profile,
    parsed: ParsedFile,
    /// The objects of the current document that have a key.
    objects: Vec<(NodeId, EntityKey)>,
    /// Whether a document was meant to be a manifest.
    meant: bool,
    /// Whether something may stand in the text that is replaced before it is applied.
    replaced: bool,
}

/// What an object says it is.
#[derive(Clone)]
struct TypeMeta {
    api_version: String,
    kind: String,
}

/// What the schema says of an object.
#[derive(Default)]
struct Checked {
    issues: Vec<Issue>,
    /// How it was written; nothing if it is beyond doubt.
    value: Converted,
}

/// An object in its document.
#[derive(Clone, Copy)]
struct Place {
    node: NodeId,
    document: DocumentIndex,
}

impl<'a> Reader<'_, 'a> {
    fn document(&mut self, tree: &Tree<'a>, root: NodeId, index: u32, first_finding: usize) {
        if is_empty(tree, root) {
            return;
        }
        self.meant |= purpose::is_manifest(tree, root);
        self.objects.clear();
        let place = Place { node: root, document: DocumentIndex { document: index, item: None } };
        if self.is_sealed(tree, root) {
            return;
        }
        if let Some(meta) = self.type_meta(tree, root, None) {
            match kinds::recognize(&meta.api_version, &meta.kind) {
                Recognized::List => self.list(tree, place, &meta),
                recognized => self.object(tree, place, &meta, recognized),
            }
        }
        self.name_owners(tree, first_finding);
    }

    /// Returns whether a document is encrypted so far that it does not tell what it is; a finding says so.
    fn is_sealed(&mut self, tree: &Tree<'_>, root: NodeId) -> bool {
        let readable = |name| tree.text_of(root, name).is_some_and(|text| of_text(text).is_none());
        let Some(tool) = encrypted::of_node(tree, root, None) else { return false };
        if readable("apiVersion") && readable("kind") {
            return false;
        }
        let message = format!("the document is encrypted with {tool} and is not read");
        let span = self.span(tree, root);
        self.parsed.findings.push(FileFinding::new(&code::GW0111, span, message));
        true
    }

    /// Reads what an object is; a finding says if it does not tell.
    fn type_meta(&mut self, tree: &Tree<'_>, node: NodeId, inherited: Option<&TypeMeta>) -> Option<TypeMeta> {
        let api_version = tree.text_of(node, "apiVersion").filter(|text| !text.is_empty());
        let kind = tree.text_of(node, "kind").filter(|text| !text.is_empty());
        let missing = match (api_version, kind) {
            (Some(api_version), Some(kind)) => {
                return Some(TypeMeta { api_version: api_version.to_owned(), kind: kind.to_owned() });
            }
            (None, None) if inherited.is_some() => return inherited.cloned(),
            (None, Some(_)) => {
                return self.incomplete(tree, node, "has no `apiVersion`", "add `apiVersion`");
            }
            (Some(_), None) => return self.incomplete(tree, node, "has no `kind`", "add `kind`"),
            (None, None) => match tree.node(tree.target(node)).kind {
                NodeKind::Mapping(_) if purpose::has_lost_its_type(tree, node) => {
                    let what = "has neither `apiVersion` nor `kind`";
                    return self.incomplete(tree, node, what, "add `apiVersion` and `kind`");
                }
                NodeKind::Mapping(_) => "has neither `apiVersion` nor `kind` and is left out",
                NodeKind::Sequence(_) => "is a list and is left out",
                _ => {
                    let help = "write an object, or move it to a file without manifests";
                    return self.incomplete(tree, node, "is plain text", help);
                }
            },
        };
        let span = self.span(tree, node);
        let mut finding = FileFinding::new(&code::GW0005, span, format!("the document {missing}"));
        finding.help = Some("add `apiVersion` and `kind`, or move it to a file without manifests".into());
        self.parsed.findings.push(finding);
        None
    }

    /// kubectl refuses what does not say both of what it is.
    fn incomplete(&mut self, tree: &Tree<'_>, node: NodeId, what: &str, help: &str) -> Option<TypeMeta> {
        let span = self.span(tree, node);
        let mut finding = FileFinding::new(&code::GW0009, span, format!("the object {what}"));
        finding.help = Some(help.to_owned());
        finding.notes.push("kubectl refuses the whole file".into());
        self.parsed.findings.push(finding);
        None
    }

    fn list(&mut self, tree: &Tree<'a>, place: Place, list: &TypeMeta) {
        let Some((_, items)) = tree.entry(place.node, "items") else { return };
        let inherited = list.kind.strip_suffix("List").filter(|kind| !kind.is_empty());
        let inherited =
            inherited.map(|kind| TypeMeta { api_version: list.api_version.clone(), kind: kind.to_owned() });
        for item in 0..tree.elements(items).len() {
            let node = tree.elements(items)[item];
            let document = DocumentIndex { item: Some(item as u32), ..place.document };
            if let Some(meta) = self.type_meta(tree, node, inherited.as_ref()) {
                let recognized = kinds::recognize(&meta.api_version, &meta.kind);
                self.object(tree, Place { node, document }, &meta, recognized);
            }
        }
    }

    fn object(&mut self, tree: &Tree<'a>, place: Place, meta: &TypeMeta, recognized: Recognized) {
        match recognized {
            Recognized::Modelled(kind) => {
                self.modelled(tree, place, kind, Some(schema::of(kind, self.profile)));
            }
            Recognized::OtherVersion(kind) => {
                self.other_version(tree, place, kind, &meta.api_version);
                self.modelled(tree, place, kind, None);
            }
            Recognized::Endpoints => self.endpoints(tree, place),
            Recognized::CanRoute(how) => {
                let message = format!("{} is not modelled, though {how}", bounded(&meta.kind));
                let finding = self.about_kind(tree, place, &code::GW0104, message);
                finding.notes.push("what it changes appears in no route, plan or trace".into());
            }
            Recognized::Makes(maker) => self.maker(tree, place, meta, maker),
            Recognized::Ignored if defines_routing(tree, place.node, meta) => {
                self.maker(tree, place, meta, &makers::DEFINITION);
            }
            Recognized::Ignored => {
                let message = format!("{} has no part in routing and is left out", bounded(&meta.kind));
                self.about_kind(tree, place, &code::GW0105, message);
            }
            Recognized::List => {
                let finding = self.about_kind(
                    tree,
                    place,
                    &code::GW0104,
                    "a list inside a list is not read".to_owned(),
                );
                finding.help = Some("move its items up".into());
            }
        }
    }

    /// An object that makes others: its Secrets are not missing, though nothing of them is known.
    fn maker(&mut self, tree: &Tree<'a>, place: Place, meta: &TypeMeta, maker: &makers::Maker) {
        let kind = bounded(&meta.kind);
        let message = format!("{kind} is not modelled, though {}", maker.how);
        let finding = self.about_kind(tree, place, &code::GW0110, message);
        finding.notes.push("what it makes appears in no route, plan or trace".into());
        let secrets = maker.secrets(tree, place.node);
        let name = tree.entry(place.node, "metadata").and_then(|(_, data)| tree.text_of(data, "name"));
        self.parsed.promises.extend(secrets.into_iter().map(|secret| {
            let why = format!("{kind} `{}/{}` makes it", secret.namespace, bounded(name.unwrap_or_default()));
            Promise { object: secret, why, encrypted: false }
        }));
    }

    /// Deals with an object that is encrypted, and returns whether nothing else is to be read of it. A Secret counts as one
    /// that the cluster has. A plugin is read on: what it covers stands in the clear, and leaving it out would open that.
    fn is_encrypted(&mut self, tree: &Tree<'a>, place: Place, kind: Kind, key: Option<&EntityKey>) -> bool {
        let Some(tool) = encrypted::of_node(tree, place.node, Some(kind)) else { return false };
        let known = key.filter(|key| of_text(&key.name).is_none());
        self.parsed.promises.extend(known.map(|key| Promise {
            object: key.clone(),
            why: format!("it is encrypted with {tool}"),
            encrypted: true,
        }));
        if !matches!(kind, Kind::Secret | Kind::ConfigMap) {
            let message =
                format!("{} is encrypted with {tool}, and only what is in the clear is known", kind.as_str());
            let finding = self.about_kind(tree, place, &code::GW0104, message);
            finding.notes.push("what it holds appears in no route, plan or trace".into());
            return kind != Kind::WasmPlugin;
        }
        let what = key.map_or_else(|| kind.as_str().to_owned(), ToString::to_string);
        let message =
            format!("{what} is encrypted with {tool}, and counts as one that the cluster alone has");
        let finding = self.about_kind(tree, place, &code::GW0111, message);
        finding.notes.push("it is never sent to a cluster as it stands here".into());
        true
    }

    fn span(&self, tree: &Tree<'_>, node: NodeId) -> Span {
        let lines = self.source.lines();
        lines.span(shown(tree, lines, node))
    }

    fn about_kind(
        &mut self,
        tree: &Tree<'_>,
        place: Place,
        code: &'static Code,
        message: String,
    ) -> &mut FileFinding {
        let (_, value) = tree.at(place.node, "/kind");
        let span = self.span(tree, value);
        self.parsed.findings.push(FileFinding::new(code, span, message));
        let last = self.parsed.findings.len() - 1;
        &mut self.parsed.findings[last]
    }

    fn other_version(&mut self, tree: &Tree<'_>, place: Place, kind: Kind, api_version: &str) {
        let message = format!("{} {} is not supported", bounded(api_version), kind.as_str());
        let (_, value) = tree.at(place.node, "/apiVersion");
        let span = self.span(tree, value);
        let mut finding = FileFinding::new(&code::GW0103, span, message);
        finding.help = Some(kinds::migration(kind, api_version));
        finding.entity = self.key_before_reading(tree, place.node, kind);
        self.parsed.findings.push(finding);
    }

    /// Returns the key that an object will have.
    fn key_before_reading(&self, tree: &Tree<'_>, node: NodeId, kind: Kind) -> Option<EntityKey> {
        let (_, metadata) = tree.entry(node, "metadata")?;
        let name = tree.text_of(metadata, "name").filter(|name| !name.is_empty())?;
        Some(EntityKey::of_metadata(kind, tree.text_of(metadata, "namespace").unwrap_or_default(), name))
    }

    /// Reads an object of a modelled kind; without a schema if it is of a version that has another.
    fn modelled(&mut self, tree: &Tree<'a>, place: Place, kind: Kind, schema: Option<&Schema>) {
        let key = self.key_before_reading(tree, place.node, kind);
        if self.is_encrypted(tree, place, kind, key.as_ref()) {
            return;
        }
        let Some(checked) = self.check(tree, place, kind, schema, key.as_ref()) else { return };
        let (mut issues, object) = (checked.issues, Fields::of(tree, place.node));
        let metadata = metadata::read(kind, object, &mut issues);
        let mut dialect = Dialect::new(self.profile);
        let decoded = decode::decode(kind, object, &mut dialect);
        match schema {
            Some(_) => rules::check(kind, object, &mut issues),
            None => rules::check_other_version(kind, object, &mut issues),
        }
        schema::drop_misspelled(&mut issues);
        self.drop_encrypted(tree, place, &mut issues);
        issues.extend(decoded.not_base64.iter().map(|member| not_base64(member)));
        issues.extend(dialect.forms.into_iter().map(|(pointer, form)| form.issue(pointer)));
        if self.replaced {
            placeholders::explain(tree, place.node, &mut issues);
        }
        self.report(tree, place, kind, issues, &checked.value, key.as_ref());
        if let Some(key) = key {
            self.keep(place, key, metadata, decoded.body);
        }
    }

    fn keep(&mut self, place: Place, key: EntityKey, metadata: Metadata, body: Body) {
        self.objects.push((place.node, key.clone()));
        self.parsed.manifests.push(Arc::new(decode::manifest(key, metadata, body, place.document)));
    }

    fn endpoints(&mut self, tree: &Tree<'a>, place: Place) {
        let kind = Kind::EndpointSlice;
        let service = self.key_before_reading(tree, place.node, kind);
        let key = service.as_ref().map(|service| EntityKey {
            name: format!("endpoints/{}", service.name).into(),
            ..service.clone()
        });
        let schema = Some(schema::of_endpoints());
        let Some(checked) = self.check(tree, place, kind, schema, key.as_ref()) else { return };
        let (mut issues, object) = (checked.issues, Fields::of(tree, place.node));
        let mut metadata = metadata::read(kind, object, &mut issues);
        rules::check_endpoints(object, &mut issues);
        schema::drop_misspelled(&mut issues);
        self.report(tree, place, kind, issues, &checked.value, key.as_ref());
        let (Some(key), Some(service)) = (key, service) else { return };
        metadata.labels.insert(SERVICE_LABEL, &service.name);
        for (index, slice) in decode::endpoints(object).into_iter().enumerate() {
            let name = if index == 0 { key.name.clone() } else { format!("{}/{index}", key.name).into() };
            let key = EntityKey { name, ..key.clone() };
            self.keep(place, key, metadata.clone(), Body::EndpointSlice(slice));
        }
    }

    /// Checks an object against its schema. None if its aliases are too much to look at.
    fn check(
        &mut self,
        tree: &Tree<'a>,
        place: Place,
        kind: Kind,
        schema: Option<&Schema>,
        key: Option<&EntityKey>,
    ) -> Option<Checked> {
        if schema.is_some_and(|schema| schema.accepts(tree, place.node)) {
            return Some(Checked::default());
        }
        let free_form: &[&str] = if kind == Kind::WasmPlugin { &PLUGIN_CONFIGURATION } else { &[] };
        let mut value = match json::convert(tree, place.node, free_form) {
            Ok(value) => value,
            Err(why) => {
                let mut finding = problem::too_much(why, tree, self.source.lines());
                finding.entity = key.cloned();
                self.parsed.findings.push(finding);
                return None;
            }
        };
        if place.document.item.is_some() {
            inherit_type(&mut value.value, kind);
        }
        let issues = schema.map(|schema| schema.check(&value.value)).unwrap_or_default();
        Some(Checked { issues, value })
    }

    /// Drops what is said about the marks of a tool that encrypts.
    fn drop_encrypted(&self, tree: &Tree<'a>, place: Place, issues: &mut Vec<Issue>) {
        if !issues.is_empty() {
            let finder = Finder::new(tree, self.source.lines());
            issues.retain(|issue| !of_encryption(&finder, place.node, issue));
        }
    }

    fn report(
        &mut self,
        tree: &Tree<'a>,
        place: Place,
        kind: Kind,
        issues: Vec<Issue>,
        value: &Converted,
        key: Option<&EntityKey>,
    ) {
        if !issues.is_empty() || !value.surprises.is_empty() || !value.no_values.is_empty() {
            let finder = Finder::new(tree, self.source.lines());
            let placing = Placing { finder: &finder, object: place.node, kind };
            self.parsed.findings.extend(placing.findings(issues, value, key));
        }
    }

    /// Names the object on the findings about the YAML of the current document.
    fn name_owners(&mut self, tree: &Tree<'_>, first_finding: usize) {
        let Reader { parsed, objects, source, .. } = self;
        let findings = &mut parsed.findings[first_finding..];
        if findings.iter().all(|finding| finding.entity.is_some()) {
            return;
        }
        let owners: Vec<(Span, &EntityKey)> = objects
            .iter()
            .map(|(node, key)| (source.lines().span(tree.node(tree.target(*node)).span), key))
            .collect();
        for finding in findings.iter_mut().filter(|finding| finding.entity.is_none()) {
            let offset = finding.span.start.offset;
            let behind = owners.partition_point(|(span, _)| span.start.offset <= offset);
            let owner = owners[..behind].last().filter(|(span, _)| offset <= span.end.offset);
            finding.entity = owner.map(|(_, key)| (*key).clone());
        }
    }
}

/// Returns whether an issue is about what a tool has written in place of a value, or beside it.
fn of_encryption(finder: &Finder<'_, '_>, object: NodeId, issue: &Issue) -> bool {
    let tree = finder.tree();
    let (_, value) = finder.at(object, &issue.pointer);
    match &tree.node(tree.target(value)).kind {
        NodeKind::Scalar { text, .. } => of_text(text).is_some(),
        _ => issue.pointer == "/sops" && encrypted::of_node(tree, object, None).is_some(),
    }
}

/// Returns whether an object defines a kind that can route.
fn defines_routing(tree: &Tree<'_>, object: NodeId, meta: &TypeMeta) -> bool {
    let name = tree.entry(object, "metadata").and_then(|(_, metadata)| tree.text_of(metadata, "name"));
    meta.kind == "CustomResourceDefinition" && name.is_some_and(makers::defines_routing)
}

/// Returns whether a document holds nothing.
fn is_empty(tree: &Tree<'_>, root: NodeId) -> bool {
    matches!(&tree.node(root).kind, NodeKind::Scalar { text, style: Style::Plain, .. }
        if scalar::kubernetes(text) == Meaning::Null)
}

/// Items of a typed list need not say what they are.
fn inherit_type(value: &mut Value, kind: Kind) {
    if let Value::Object(members) = value {
        members.entry("apiVersion").or_insert_with(|| kind.api_version().into());
        members.entry("kind").or_insert_with(|| kind.as_str().into());
    }
}

fn not_base64(member: &str) -> Issue {
    let message = format!("data.{} is not base64", bounded(member));
    Issue::key(&code::GW0102, format!("/data/{}", escape(member)), message)
        .with_help("encode the value, or move it to `stringData` as it is")
}
