//! Findings of all units as diagnostics with files and spans. Files are read again for it: spans are not kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatewright_diagnostics::{Code, Diagnostic, Label, Position, Severity, Span, code, sort};
use gatewright_ir::{Certificate, TlsContext};

use super::Engine;
use super::files::Definition;
use crate::finding::{Finding, Place};
use crate::manifest::EntityKey;
use crate::parse::{FileFinding, Locator};
use crate::source::{Paths, ReadError, Unrendered};

impl Engine {
    /// Returns whether an error stands, without looking for spans.
    pub fn has_errors(&self) -> bool {
        let of_files = self.files.findings().map(|(_, finding)| finding.code);
        let of_units = self.findings().map(|finding| finding.code);
        self.files.duplicates().next().is_some()
            || of_files.chain(of_units).any(|code| code.severity == Severity::Error)
    }

    /// Returns everything that was found, sorted.
    ///
    /// # Errors
    /// A file to which a finding points cannot be read any more.
    pub fn diagnostics(&self) -> Result<Vec<Diagnostic>, ReadError> {
        self.diagnostics_at_least(Severity::Info)
    }

    /// Returns what was found and is at least as severe, sorted. What is milder costs nothing.
    ///
    /// # Errors
    /// A file to which a finding points cannot be read any more.
    pub fn diagnostics_at_least(&self, severity: Severity) -> Result<Vec<Diagnostic>, ReadError> {
        self.diagnostics_of(&|code| code.severity <= severity)
    }

    /// Returns what was found of some codes, sorted. Other codes cost nothing.
    ///
    /// # Errors
    /// A file to which a finding points cannot be read any more.
    pub fn diagnostics_of(&self, wanted: &dyn Fn(&Code) -> bool) -> Result<Vec<Diagnostic>, ReadError> {
        let mut diagnostics: Vec<Diagnostic> = Vec::new();
        let of_files = self.files.findings().filter(|(_, finding)| wanted(finding.code));
        diagnostics.extend(of_files.map(|(path, finding)| of_file(path, finding)));
        let mut spans = Spans::new(self);
        let unmatched = self.unmatched_plugin_rules();
        let uncovered = self.uncovered_tls();
        let asked = unmatched.iter().chain(&uncovered).filter(|finding| !self.is_derived(finding));
        let found = self.findings().chain(asked);
        for finding in found.filter(|finding| wanted(finding.code)) {
            diagnostics.extend(spans.diagnostic(finding)?);
        }
        for (definition, finding) in self.findings_of_definitions() {
            diagnostics.push(spans.diagnostic_in(&finding, definition)?);
        }
        for (key, definitions) in self.files.duplicates() {
            diagnostics.push(spans.duplicate(key, definitions)?);
        }
        let unrendered = self.files.tree().into_iter().flat_map(|tree| &tree.unrendered);
        diagnostics.extend(unrendered.map(needs_rendering));
        diagnostics.retain(|diagnostic| wanted(diagnostic.code));
        diagnostics.iter_mut().for_each(Diagnostic::hide_secrets);
        sort(&mut diagnostics);
        Ok(diagnostics)
    }

    /// Returns the files that hold no manifest and were passed over.
    pub fn passed_over(&self) -> impl Iterator<Item = &Arc<str>> {
        self.files.passed_over()
    }

    /// Returns the files that hold manifests, which [`SourceTree::expected`] says of the next state.
    ///
    /// [`SourceTree::expected`]: crate::source::SourceTree::expected
    pub fn files_with_manifests(&self) -> Paths {
        self.files.with_manifests()
    }

    /// Returns what there is to say where no file holds a manifest.
    pub fn without_manifest(&self) -> Option<Diagnostic> {
        let files = self.files.parsed().count();
        if self.passed_over().count() < files {
            return None;
        }
        let tree = self.files.tree();
        let unrendered = || tree.into_iter().flat_map(|tree| &tree.unrendered);
        let parts: usize = unrendered().filter_map(|unrendered| unrendered.parts).sum();
        let first = self.passed_over().next().map(|path| path.to_string());
        let first = first.or_else(|| unrendered().next().map(|unrendered| unrendered.path.clone()));
        let counted = |count: usize| if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
        let message = match (files, parts) {
            (0, 0) => "no manifest was read: there is no file".to_owned(),
            (_, 0) => format!("no manifest was read: {} without one", counted(files)),
            (0, _) => format!("no manifest was read: {} of a chart or a Kustomization", counted(parts)),
            _ => format!(
                "no manifest was read: {} without one, {} of a chart or a Kustomization",
                counted(files),
                counted(parts)
            ),
        };
        let mut diagnostic =
            Diagnostic::new(&code::GW0008, message, file_label(first.as_deref().unwrap_or(".")));
        diagnostic.help = Some("look at the SOURCE; where this is right, give --allow-empty".to_owned());
        Some(diagnostic)
    }

    /// Returns the file and span of a place.
    ///
    /// # Errors
    /// The file cannot be read any more.
    pub fn locate(&self, place: &Place) -> Result<Option<Label>, ReadError> {
        Spans::new(self).label(place, "")
    }

    /// Returns where a Secret stands that a host is to be served from and that cannot serve it; none if there is no such
    /// host, or the source has no such Secret. A file that cannot be read may hold it.
    ///
    /// # Errors
    /// The file cannot be read any more.
    pub fn unusable_certificate(&self, secret: &EntityKey) -> Result<Option<Label>, ReadError> {
        let wanted = |context: &Arc<TlsContext>| match &context.certificate {
            Certificate::Missing(name) | Certificate::External { secret: name, .. } => {
                *name.namespace == *secret.namespace && *name.name == *secret.name
            }
            Certificate::Secret(_) => false,
        };
        if !self.ir.tls.values().any(wanted) {
            return Ok(None);
        }
        if let Some(label) = self.locate(&Place::value(secret, "/metadata/name"))? {
            return Ok(Some(label));
        }
        let promises = self.files.promises().get(secret).into_iter().flatten();
        let mut encrypted = promises.filter(|(_, promise)| promise.encrypted).map(|(path, _)| path.clone());
        let unclear = || self.broken().files.into_iter().next();
        Ok(encrypted.next().or_else(unclear).map(|path| file_label(&path)))
    }

    /// Returns what the stages behind parsing found.
    pub(super) fn findings(&self) -> impl Iterator<Item = &Finding> {
        let ingresses = self.ingresses.values().flat_map(|unit| &unit.findings);
        let hosts = self.hosts.values().flat_map(|unit| &unit.findings);
        let objects = self.class_findings.iter().chain(&self.global_findings).chain(&self.registry_findings);
        let objects = objects.chain(&self.plugin_findings).chain(&self.lost_plugin_findings);
        ingresses.chain(hosts).chain(objects).filter(|finding| !self.is_derived(finding))
    }
}

/// Finds spans, reading each file once.
struct Spans<'e> {
    engine: &'e Engine,
    locators: BTreeMap<Arc<str>, Arc<Locator>>,
}

impl<'e> Spans<'e> {
    fn new(engine: &'e Engine) -> Self {
        Spans { engine, locators: BTreeMap::new() }
    }

    fn diagnostic(&mut self, finding: &Finding) -> Result<Option<Diagnostic>, ReadError> {
        let Some(primary) = self.label(&finding.place, "")? else { return Ok(None) };
        self.described(finding, primary, None).map(Some)
    }

    /// A finding about one of several definitions.
    fn diagnostic_in(&mut self, finding: &Finding, definition: &Definition) -> Result<Diagnostic, ReadError> {
        let primary = self.label_in(definition, &finding.place, "")?;
        self.described(finding, primary, Some(definition))
    }

    fn described(
        &mut self,
        finding: &Finding,
        primary: Label,
        of: Option<&Definition>,
    ) -> Result<Diagnostic, ReadError> {
        let mut diagnostic = Diagnostic::new(finding.code, finding.message.clone(), primary);
        for (place, text) in &finding.related {
            match of.filter(|_| place.entity == finding.place.entity) {
                Some(definition) => diagnostic.related.push(self.label_in(definition, place, text)?),
                None => diagnostic.related.extend(self.label(place, text)?),
            }
        }
        diagnostic.notes.clone_from(&finding.notes);
        diagnostic.help.clone_from(&finding.help);
        diagnostic.entity = Some(finding.place.entity.to_string());
        Ok(diagnostic)
    }

    fn duplicate(&mut self, key: &EntityKey, definitions: &[Definition]) -> Result<Diagnostic, ReadError> {
        let mut labels = Vec::new();
        for definition in definitions {
            let place = Place::value(key, "/metadata/name");
            labels.push(self.label_in(definition, &place, "also defined here")?);
        }
        let mut primary = labels.pop().unwrap_or_else(|| file_label(""));
        primary.text.clear();
        let mut diagnostic =
            Diagnostic::new(&code::GW0201, format!("{key} is defined {} times", definitions.len()), primary);
        diagnostic.related = labels;
        diagnostic.help =
            Some("keep one definition; where these are overlays, give one of them as SOURCE".to_owned());
        diagnostic.entity = Some(key.to_string());
        Ok(diagnostic)
    }

    fn label(&mut self, place: &Place, text: &str) -> Result<Option<Label>, ReadError> {
        let definition = self.engine.files.definitions(&place.entity).first().cloned();
        definition.map(|found| self.label_in(&found, place, text)).transpose()
    }

    fn label_in(&mut self, found: &Definition, place: &Place, text: &str) -> Result<Label, ReadError> {
        let locator = self.locator(&found.path)?;
        let document = found.manifest.document;
        let span = locator.locate_within(document, &place.pointer, place.part, place.within);
        let span = span.unwrap_or_default();
        Ok(Label { path: found.path.to_string(), span, text: text.to_owned() })
    }

    fn locator(&mut self, path: &Arc<str>) -> Result<Arc<Locator>, ReadError> {
        if let Some(locator) = self.locators.get(path) {
            return Ok(locator.clone());
        }
        let lost = || ReadError { path: path.to_string(), reason: "not part of the source".to_owned() };
        let tree = self.engine.files.tree().ok_or_else(lost)?;
        let content = tree.content(path).ok_or_else(lost)?;
        let locator = Arc::new(Locator::new(&tree.reader.read(path, content)?));
        self.locators.insert(path.clone(), locator.clone());
        Ok(locator)
    }
}

fn of_file(path: &str, finding: &FileFinding) -> Diagnostic {
    let label = |span: Span, text: &str| Label { path: path.to_owned(), span, text: text.to_owned() };
    let mut diagnostic = Diagnostic::new(finding.code, finding.message.clone(), label(finding.span, ""));
    diagnostic.related = finding.related.iter().map(|(span, text)| label(*span, text)).collect();
    diagnostic.notes.clone_from(&finding.notes);
    diagnostic.help.clone_from(&finding.help);
    diagnostic.fix.clone_from(&finding.fix);
    diagnostic.entity = finding.entity.as_ref().map(ToString::to_string);
    diagnostic
}

fn needs_rendering(unrendered: &Unrendered) -> Diagnostic {
    let chart = unrendered.path.ends_with("Chart.yaml");
    let (what, how) =
        if chart { ("a Helm chart", "helm template") } else { ("a Kustomization", "kubectl kustomize") };
    let left_out = match (unrendered.parts, chart) {
        (None, _) => " that cannot be read: no file is left out for it".to_owned(),
        (Some(0), _) => ": no file is left out for it".to_owned(),
        (Some(1), true) => ": 1 of its files is not read".to_owned(),
        (Some(1), false) => ": 1 file that it names is not read".to_owned(),
        (Some(parts), true) => format!(": {parts} of its files are not read"),
        (Some(parts), false) => format!(": {parts} files that it names are not read"),
    };
    let message = format!("the folder holds {what}{left_out}");
    let mut diagnostic = Diagnostic::new(&code::GW0006, message, file_label(&unrendered.path));
    diagnostic.help = Some(format!("render it first: `{how} FOLDER | gatewright validate -`"));
    diagnostic
}

fn file_label(path: &str) -> Label {
    let start = Position { offset: 0, line: 1, column: 1 };
    Label { path: path.to_owned(), span: Span { start, end: start }, text: String::new() }
}
