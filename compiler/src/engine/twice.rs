//! Objects that are defined several times. Nobody knows which definition is meant, so that each is looked at as if it were
//! the only one, and nothing is said that follows from more than one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatewright_ir::HostPattern;
use gatewright_kinds::{EntityKey, Kind};

use super::files::Definition;
use super::{Engine, analyze};
use crate::finding::{Finding, Place};
use crate::ingress::AnalyzedIngress;
use crate::lower::host;
use crate::lower::plugin;
use crate::manifest::{Body, Manifest};
use crate::registry;

/// How the codes of findings about two objects begin that want the same.
const CONFLICTS: &str = "GW03";

/// Returns whether a finding speaks of an object that is one of `ambiguous`.
pub(super) fn is_derived(finding: &Finding, ambiguous: &BTreeSet<EntityKey>) -> bool {
    let mut places = std::iter::once(&finding.place).chain(finding.related.iter().map(|(place, _)| place));
    !ambiguous.is_empty() && places.any(|place| ambiguous.contains(&place.entity))
}

impl Engine {
    /// Returns the manifests of an entity that is defined several times; nothing of any other.
    pub(super) fn definitions_of(&self, key: &EntityKey) -> impl Iterator<Item = &Arc<Manifest>> {
        let several = if self.ambiguous.contains(key) { self.files.definitions(key) } else { &[] };
        several.iter().map(|definition| &definition.manifest)
    }

    /// Returns whether a finding speaks of an object that is defined several times.
    pub(super) fn is_derived(&self, finding: &Finding) -> bool {
        is_derived(finding, &self.ambiguous)
    }

    /// Returns what is to say about each definition of what is defined several times.
    pub(super) fn findings_of_definitions(&self) -> Vec<(&Definition, Finding)> {
        let mut found = Vec::new();
        for key in &self.ambiguous {
            for definition in self.files.definitions(key) {
                found.extend(self.findings_of(definition).into_iter().map(|finding| (definition, finding)));
            }
        }
        found
    }

    fn findings_of(&self, definition: &Definition) -> Vec<Finding> {
        let alone = std::iter::once(&definition.manifest);
        match &definition.manifest.body {
            Body::Ingress(_) => self.findings_of_ingress(definition),
            Body::McpBridge(_) => registry::read(alone, &|key| self.known(key), &self.options).1,
            Body::WasmPlugin(_) => plugin::read(alone, &self.poisoned, &self.options).1,
            _ => Vec::new(),
        }
    }

    fn findings_of_ingress(&self, definition: &Definition) -> Vec<Finding> {
        let Some(unit) =
            analyze(&definition.manifest, definition.poisoned, &self.options, self.default_class.as_ref())
        else {
            return Vec::new();
        };
        let mut findings = unit.findings.into_vec();
        let Some(ingress) = unit.analyzed else { return findings };
        let mut told: BTreeMap<(Place, &str), Vec<usize>> = BTreeMap::new();
        for (index, finding) in findings.iter().enumerate() {
            told.entry((finding.place.clone(), finding.code.id)).or_default().push(index);
        }
        let mut hosts: Vec<HostPattern> = ingress.hosts.iter().cloned().collect();
        if ingress.default_backend.is_some() && !hosts.contains(&HostPattern::Any) {
            hosts.push(HostPattern::Any);
        }
        for pattern in &hosts {
            let lowered =
                host::lower(pattern, &self.beside_others(pattern, &ingress), &self.plugins, &self.world());
            let own = lowered.findings.into_vec().into_iter().filter(|finding| {
                finding.place.entity == ingress.key
                    && finding.related.iter().all(|(place, _)| !self.ambiguous.contains(&place.entity))
                    && !finding.code.id.starts_with(CONFLICTS)
            });
            for finding in own {
                // The same words about the same place, once.
                let known = told.entry((finding.place.clone(), finding.code.id)).or_default();
                if !known.iter().any(|index| findings[*index] == finding) {
                    known.push(findings.len());
                    findings.push(finding);
                }
            }
        }
        findings
    }

    /// Returns the Ingresses of a host with one definition among them, oldest first.
    fn beside_others<'a>(
        &'a self,
        pattern: &HostPattern,
        ingress: &'a AnalyzedIngress,
    ) -> Vec<&'a AnalyzedIngress> {
        let others = self.ingresses_of(pattern).into_iter();
        let mut all: Vec<&AnalyzedIngress> =
            others.filter(|other| !self.ambiguous.contains(&other.key)).collect();
        all.push(ingress);
        all.sort_by(|a, b| a.age.cmp(&b.age));
        all
    }

    /// Returns whether the EndpointSlices of a Service are defined several times, so that there are some.
    pub(super) fn services_with_ambiguous_slices(&self) -> impl Iterator<Item = EntityKey> {
        let slices = self.ambiguous.iter().filter(|key| key.kind == Kind::EndpointSlice);
        slices.flat_map(|key| self.definitions_of(key)).filter_map(|slice| super::service_of_slice(slice))
    }
}
