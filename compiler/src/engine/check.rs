//! What is to say about a source, without what it would be served as: nothing of the model is kept that no finding needs,
//! and findings become diagnostics in place.

use std::collections::{BTreeMap, BTreeSet};

use gatewright_diagnostics::Diagnostic;
use gatewright_kinds::EntityKey;

use super::drafts::{Drafts, Site};
use super::report::finished;
use super::twice::is_derived;
use super::{Engine, Extent};
use crate::finding::Finding;
use crate::options::CompileOptions;
use crate::source::{ReadError, SourceTree};

/// What is to say about a source.
pub struct Checked {
    /// Everything that was found, sorted: what [`compile`](crate::compile) finds.
    pub diagnostics: Vec<Diagnostic>,
    /// How many files hold no manifest and were passed over.
    pub passed_over: usize,
    /// What there is to say where no file holds a manifest.
    pub nothing: Option<Diagnostic>,
}

/// Looks for everything that is to say about a source. Takes less memory than [`compile`](crate::compile), which also
/// makes what is served.
///
/// # Errors
/// A file of the tree cannot be read.
pub fn check(tree: &SourceTree, options: &CompileOptions) -> Result<Checked, ReadError> {
    let mut engine = Engine { extent: Extent::Findings, ..Engine::new(options.clone()) };
    engine.update(tree)?;
    let passed_over = engine.passed_over().count();
    let nothing = engine.without_manifest();
    Ok(Checked { diagnostics: engine.into_diagnostics()?, passed_over, nothing })
}

impl Engine {
    /// Lets everything go but what was found before it becomes diagnostics: both together would be most of the memory.
    fn into_diagnostics(mut self) -> Result<Vec<Diagnostic>, ReadError> {
        let (asked, several) = (self.asked_findings(&|_| true), self.told_of_several());
        let of_files = self.files.take_findings();
        let sites: BTreeMap<EntityKey, Site> = self.files.sites().collect();
        let tree = self.files.tree().cloned();
        let (findings, ambiguous) = self.into_findings(asked);
        let mut drafts = Drafts::default();
        drafts.reserve(of_files.len() + findings.len());
        for (path, finding) in of_files {
            drafts.add_of_file(&path, finding);
        }
        for finding in findings.into_iter().filter(|finding| !is_derived(finding, &ambiguous)) {
            drafts.add_of_unit(&sites, finding);
        }
        several.draft(&sites, &mut drafts);
        drop(sites);
        Ok(finished(drafts.placed(tree.as_ref())?, &|_| true))
    }

    /// Returns what [`Engine::findings`] returns, in its order and what is derived included, with more behind it; and the
    /// objects that are defined several times.
    fn into_findings(self, more: Vec<Finding>) -> (Vec<Finding>, BTreeSet<EntityKey>) {
        let of_ingresses: usize = self.ingresses.values().map(|unit| unit.findings.len()).sum();
        let of_hosts: usize = self.hosts.values().map(|unit| unit.findings.len()).sum();
        let mut findings = Vec::with_capacity(of_ingresses + of_hosts + more.len());
        for unit in self.ingresses.into_values() {
            findings.extend(unit.findings);
        }
        for unit in self.hosts.into_values() {
            findings.extend(unit.findings);
        }
        let objects = self.class_findings.into_iter().chain(self.global_findings);
        let objects = objects.chain(self.registry_findings).chain(self.plugin_findings);
        findings.extend(objects.chain(self.lost_plugin_findings).chain(more));
        (findings, self.ambiguous)
    }
}
