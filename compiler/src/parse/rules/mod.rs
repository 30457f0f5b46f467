//! What the API server checks in code rather than by a schema. A field of the wrong type is not looked at: the schema
//! has told of it.

mod addresses;
mod at;
mod class;
mod data;
mod endpoints;
mod ingress;
mod metadata;
mod registries;
mod service;
mod service_addresses;

use std::collections::BTreeMap;

use gatewright_diagnostics::code;
use gatewright_kinds::Kind;

use super::fields::Fields;
use super::issue::{Issue, path};
use super::names;
use crate::finding::escape;

use at::At;
pub(crate) use ingress::check_host;

/// Adds what the API server would refuse of an object of a kind in its supported version.
pub(crate) fn check(kind: Kind, object: Fields<'_>, issues: &mut Vec<Issue>) {
    let object = At::root(object);
    metadata::check(kind, &object, issues);
    match kind {
        Kind::Ingress => ingress::check(&object, issues),
        Kind::IngressClass => class::check(&object, issues),
        Kind::Service => service::check(&object, issues),
        Kind::EndpointSlice => endpoints::check_slice(&object, issues),
        Kind::Secret => data::check_secret(&object, issues),
        Kind::ConfigMap => data::check_config_map(&object, issues),
        Kind::McpBridge | Kind::WasmPlugin => {}
        // Checked with the whole snapshot, see `check_registries`.
        Kind::Registry | Kind::RegistryService => {}
    }
}

/// Adds what cannot be served of a snapshot of registries.
pub(crate) fn check_registries(snapshot: Fields<'_>, issues: &mut Vec<Issue>) {
    registries::check(&At::root(snapshot), issues);
}

/// Adds what the API server would refuse of an Endpoints object.
pub(crate) fn check_endpoints(object: Fields<'_>, issues: &mut Vec<Issue>) {
    let object = At::root(object);
    metadata::check(Kind::EndpointSlice, &object, issues);
    endpoints::check_endpoints(&object, issues);
}

/// Adds what every version of a kind refuses. The fields of another version are not those that are known here.
pub(crate) fn check_other_version(kind: Kind, object: Fields<'_>, issues: &mut Vec<Issue>) {
    let object = At::root(object);
    metadata::check(kind, &object, issues);
    if kind == Kind::Ingress {
        ingress::check_hosts(&object, issues);
    }
}

/// Adds the labels of a mapping that are none.
fn check_labels(labels: &At<'_, '_>, issues: &mut Vec<Issue>) {
    for (key, value) in labels.fields().own_texts() {
        let pointer = format!("{}/{}", labels.pointer(), escape(&key));
        if let Err(rule) = names::qualified_name(&key) {
            let message = format!("\"{}\" is no key of a label", super::issue::bounded(&key));
            issues.push(Issue::key(&code::GW0102, pointer.clone(), message).with_help(format!("use {rule}")));
        }
        if let Err(rule) = names::label_value(&value) {
            let message = format!("{} cannot be \"{}\"", path(&pointer), super::issue::bounded(&value));
            issues.push(Issue::value(&code::GW0102, pointer, message).with_help(format!("use {rule}")));
        }
    }
}

/// Finds values that are twice where each may be once.
struct Unique {
    what: &'static str,
    seen: BTreeMap<String, String>,
}

impl Unique {
    fn new(what: &'static str) -> Self {
        Unique { what, seen: BTreeMap::new() }
    }

    fn add(&mut self, value: String, pointer: String, issues: &mut Vec<Issue>) {
        if let Some(earlier) = self.seen.get(&value) {
            let message = format!("{} repeats the {} of {}", path(&pointer), self.what, path(earlier));
            issues.push(Issue::value(&code::GW0102, pointer, message));
        } else {
            self.seen.insert(value, pointer);
        }
    }
}
