//! The default IngressClass: which Ingresses get another class when another one becomes the default.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatewright_kinds::{EntityKey, Kind};

use super::Engine;
use crate::class;
use crate::manifest::{Body, Manifest};

impl Engine {
    /// Looks for the default class again, and returns the Ingresses that have another class by it than before.
    pub(super) fn update_default_class(
        &mut self,
        changed: &BTreeMap<EntityKey, Option<Arc<Manifest>>>,
    ) -> BTreeSet<EntityKey> {
        if !changed.keys().any(|key| key.kind == Kind::IngressClass) {
            return BTreeSet::new();
        }
        let classes = self.manifests.values().filter(|manifest| manifest.key.kind == Kind::IngressClass);
        let (default, findings) = class::default_of(classes);
        self.class_findings = findings;
        if default == self.default_class {
            return BTreeSet::new();
        }
        self.default_class = default;
        let unclassed = self.manifests.values().filter(|manifest| match &manifest.body {
            Body::Ingress(spec) => class::takes_default(&manifest.metadata, spec),
            _ => false,
        });
        unclassed.map(|manifest| manifest.key.clone()).collect()
    }
}
