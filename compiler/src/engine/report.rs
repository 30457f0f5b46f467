//! Findings of all units as diagnostics with files and spans.

use std::sync::Arc;

use gatewright_diagnostics::{Code, Diagnostic, Label, Position, Severity, Span, code, sort};
use gatewright_ir::{Certificate, TlsContext};
use gatewright_kinds::EntityKey;

use super::Engine;
use super::drafts::{self, Drafts, Site, Sites};
use super::files::Definition;
use crate::finding::{Finding, Place};
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
        let mut drafts = Drafts::default();
        for (path, finding) in self.files.findings().filter(|(_, finding)| wanted(finding.code)) {
            drafts.add_of_file(path, finding.clone());
        }
        let asked = self.asked_findings();
        let asked = asked.iter().filter(|finding| !self.is_derived(finding));
        let found = self.findings().chain(asked);
        for finding in found.filter(|finding| wanted(finding.code)) {
            drafts.add_of_unit(&self.files, finding.clone());
        }
        self.told_of_several().draft(&self.files, &mut drafts);
        Ok(finished(drafts.placed(self.files.tree())?, wanted))
    }

    /// Returns what is looked for only when it is asked for.
    pub(super) fn asked_findings(&self) -> Vec<Finding> {
        let mut asked = self.unmatched_plugin_rules();
        asked.extend(self.uncovered_tls());
        asked.extend(self.offered_by_several());
        asked.extend(self.service_policies.overruled());
        asked
    }

    /// Returns what is to say about objects that are defined several times, and about what was not read.
    pub(super) fn told_of_several(&self) -> Several {
        let of_definitions = self.findings_of_definitions().into_iter();
        let sites = |definitions: &Vec<Definition>| definitions.iter().map(Site::of).collect();
        let duplicates = self.files.duplicates();
        let unrendered = self.files.tree().into_iter().flat_map(|tree| &tree.unrendered);
        Several {
            findings: of_definitions.map(|(found, finding)| (Site::of(found), finding)).collect(),
            duplicates: duplicates.map(|(key, found)| (key.clone(), sites(found))).collect(),
            unrendered: unrendered.map(needs_rendering).collect(),
        }
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
        let found = self.files.site(&place.entity);
        found.map(|found| drafts::place(self.files.tree(), &found, place)).transpose()
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
        if !self.ir.tls_contexts().any(wanted) {
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

/// What is to say about objects that are defined several times, and about what was not read.
pub(super) struct Several {
    findings: Vec<(Site, Finding)>,
    duplicates: Vec<(EntityKey, Vec<Site>)>,
    unrendered: Vec<Diagnostic>,
}

impl Several {
    /// Adds it to the drafts.
    pub(super) fn draft(self, sites: &impl Sites, drafts: &mut Drafts) {
        for (site, finding) in self.findings {
            drafts.add_of_definition(sites, finding, &site);
        }
        for (key, sites) in self.duplicates {
            drafts.add_duplicate(&key, &sites);
        }
        self.unrendered.into_iter().for_each(|unrendered| drafts.add(unrendered));
    }
}

/// Returns diagnostics as they are shown: those of the codes that are wanted, without secrets, sorted.
pub(super) fn finished(mut diagnostics: Vec<Diagnostic>, wanted: &dyn Fn(&Code) -> bool) -> Vec<Diagnostic> {
    diagnostics.retain(|diagnostic| wanted(diagnostic.code));
    diagnostics.iter_mut().for_each(Diagnostic::hide_secrets);
    sort(&mut diagnostics);
    diagnostics
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
