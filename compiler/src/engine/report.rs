//! Findings of all units as diagnostics with files and spans.

use std::sync::Arc;

use gatewright_diagnostics::{Code, Diagnostic, Label, Position, Severity, Span, code, sort};
use gatewright_ir::{Certificate, TlsContext};
use gatewright_kinds::EntityKey;

use super::Engine;
use super::drafts::{self, Drafts, Site, Sites};
use super::files::Definition;
use super::index::{Faulty, is_error};
use crate::finding::{Finding, Place};
use crate::parse::FileFinding;
use crate::source::{Paths, ReadError, Unrendered};

/// A look at the whole state.
type Look = fn(&Engine) -> Vec<Finding>;

impl Engine {
    /// Returns whether an error stands, without looking for spans.
    pub fn has_errors(&self) -> bool {
        self.files.duplicates().next().is_some()
            || self.files.errors().next().is_some()
            || self.errors().next().is_some()
    }

    /// Returns everything that was found, sorted.
    ///
    /// # Errors
    /// A file to which a finding points cannot be read any more.
    pub fn diagnostics(&self) -> Result<Vec<Diagnostic>, ReadError> {
        self.diagnostics_at_least(Severity::Info)
    }

    /// Returns what was found and is at least as severe, sorted. What is milder costs nothing; of errors alone, neither do
    /// units without one.
    ///
    /// # Errors
    /// A file to which a finding points cannot be read any more.
    pub fn diagnostics_at_least(&self, severity: Severity) -> Result<Vec<Diagnostic>, ReadError> {
        let wanted = |code: &Code| code.severity <= severity;
        if severity == Severity::Error {
            return self.diagnosed(self.files.errors(), self.errors(), &wanted);
        }
        self.diagnostics_of(&wanted)
    }

    /// Returns what was found of some codes, sorted. Other codes cost nothing.
    ///
    /// # Errors
    /// A file to which a finding points cannot be read any more.
    pub fn diagnostics_of(&self, wanted: &dyn Fn(&Code) -> bool) -> Result<Vec<Diagnostic>, ReadError> {
        self.diagnosed(self.files.findings(), self.findings(), wanted)
    }

    /// Returns what was found in files and by the stages behind parsing, as far as it is wanted, with what is looked for now.
    fn diagnosed<'e>(
        &'e self,
        of_files: impl Iterator<Item = (&'e Arc<str>, &'e FileFinding)>,
        of_units: impl Iterator<Item = &'e Finding>,
        wanted: &dyn Fn(&Code) -> bool,
    ) -> Result<Vec<Diagnostic>, ReadError> {
        let mut drafts = Drafts::default();
        for (path, finding) in of_files.filter(|(_, finding)| wanted(finding.code)) {
            drafts.add_of_file(path, finding.clone());
        }
        let asked = self
            .asked_findings(wanted)
            .into_iter()
            .filter(|finding| wanted(finding.code) && !self.is_derived(finding));
        for finding in of_units.filter(|finding| wanted(finding.code)).cloned().chain(asked) {
            drafts.add_of_unit(&self.files, finding);
        }
        self.told_of_several().draft(&self.files, &mut drafts);
        Ok(finished(drafts.placed(self.files.tree())?, wanted))
    }

    /// Returns what is looked for only when it is asked for, by the codes that each look may find.
    pub(super) fn asked_findings(&self, wanted: &dyn Fn(&Code) -> bool) -> Vec<Finding> {
        let looks: [(&[&Code], Look); 4] = [
            (&[&code::GW0433], Engine::unmatched_plugin_rules),
            (&[&code::GW0214, &code::GW0215], Engine::uncovered_tls),
            (&[&code::GW0450], Engine::offered_by_several),
            (&[&code::GW0307], Engine::overruled_policies),
        ];
        let asked = looks.iter().filter(|(codes, _)| codes.iter().any(|code| wanted(code)));
        asked.flat_map(|(_, look)| look(self)).collect()
    }

    fn overruled_policies(&self) -> Vec<Finding> {
        self.service_policies.overruled()
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
        self.found_in(ingresses.chain(hosts))
    }

    /// Returns the errors among [`findings`](Self::findings), without a look at units that have none.
    pub(super) fn errors(&self) -> impl Iterator<Item = &Finding> {
        let Faulty { ingresses, hosts } = &self.faulty;
        let ingresses = ingresses.iter().filter_map(|key| self.ingresses.get(key));
        let hosts = hosts.iter().filter_map(|host| self.hosts.get(host));
        let ingresses = ingresses.flat_map(|unit| &unit.findings);
        self.found_in(ingresses.chain(hosts.flat_map(|unit| &unit.findings))).filter(|found| is_error(found))
    }

    fn found_in<'e>(&'e self, units: impl Iterator<Item = &'e Finding>) -> impl Iterator<Item = &'e Finding> {
        let objects = self.class_findings.iter().chain(&self.global_findings).chain(&self.registry_findings);
        let objects = objects.chain(&self.plugin_findings).chain(&self.lost_plugin_findings);
        units.chain(objects).filter(|finding| !self.is_derived(finding))
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
