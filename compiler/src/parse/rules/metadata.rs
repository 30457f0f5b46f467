//! Metadata that says nothing to a gateway and is checked all the same; names, labels and annotations are checked where
//! they are read.

use gatewright_diagnostics::code;
use gatewright_kinds::Kind;

use super::At;
use crate::parse::issue::{Issue, path};
use crate::parse::names;

/// Finalizers that need no domain.
const OWN_FINALIZERS: [&str; 3] = ["kubernetes", ORPHAN, FOREGROUND];
const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// Adds what the API server would refuse in `metadata`.
pub(super) fn check(kind: Kind, object: &At<'_, '_>, issues: &mut Vec<Issue>) {
    let Some(metadata) = object.member("metadata") else { return };
    if let Some(prefix) =
        metadata.member("generateName").filter(|prefix| prefix.text().is_some_and(|text| !text.is_empty()))
    {
        prefix.follow(prefix_rule(kind), issues);
    }
    // Of Ingresses and their classes the API server writes the number itself.
    let counted = !matches!(kind, Kind::Ingress | Kind::IngressClass);
    if counted && metadata.number_of("generation").is_some_and(|number| number < 0) {
        metadata.member("generation").inspect(|generation| generation.refuse("must be at least 0", issues));
    }
    check_finalizers(kind, &metadata, issues);
    check_owners(&metadata, issues);
}

fn prefix_rule(kind: Kind) -> fn(&str) -> Result<(), &'static str> {
    match kind {
        Kind::Service => |text| names::prefix(text, names::service_name),
        _ => |text| names::prefix(text, names::dns_subdomain),
    }
}

fn check_finalizers(kind: Kind, metadata: &At<'_, '_>, issues: &mut Vec<Issue>) {
    let Some(finalizers) = metadata.member("finalizers") else { return };
    let custom = matches!(kind, Kind::McpBridge | Kind::WasmPlugin);
    let mut found = Vec::new();
    for finalizer in finalizers.elements() {
        finalizer.follow(if custom { names::qualified_name } else { finalizer_rule }, issues);
        found.extend(finalizer.text());
    }
    if [ORPHAN, FOREGROUND].iter().all(|name| found.iter().any(|finalizer| finalizer == name)) {
        finalizers.both("`orphan` and `foregroundDeletion`", issues);
    }
}

fn finalizer_rule(text: &str) -> Result<(), &'static str> {
    names::qualified_name(text)?;
    if text.contains('/') || OWN_FINALIZERS.contains(&text) {
        return Ok(());
    }
    Err("a name with a domain, like `example.com/name`")
}

fn check_owners(metadata: &At<'_, '_>, issues: &mut Vec<Issue>) {
    let Some(owners) = metadata.member("ownerReferences") else { return };
    let mut controller: Option<String> = None;
    let mut known = Vec::new();
    for owner in owners.elements() {
        // The API server drops an owner that is named twice alike.
        let texts = ["apiVersion", "kind", "name", "uid"].map(|field| owner.text_of(field));
        let alike = (texts, ["controller", "blockOwnerDeletion"].map(|field| owner.fields().boolean(field)));
        if known.contains(&alike) {
            continue;
        }
        known.push(alike);
        for field in ["apiVersion", "kind", "name", "uid"] {
            // The schema has found what is missing.
            if owner.text_of(field).is_some_and(|text| text.is_empty()) {
                owner.member(field).inspect(|member| member.refuse("must not be empty", issues));
            }
        }
        let unversioned = |text: &str| text.ends_with('/') || text.matches('/').count() > 1;
        if owner.text_of("apiVersion").is_some_and(|text| unversioned(&text)) {
            owner
                .member("apiVersion")
                .inspect(|member| member.refuse("must be `GROUP/VERSION` or `VERSION`", issues));
        }
        if owner.text_of("apiVersion").as_deref() == Some("v1")
            && owner.text_of("kind").as_deref() == Some("Event")
        {
            owner.refuse("cannot be an Event", issues);
        }
        if owner.fields().boolean("controller") == Some(true) {
            let pointer = format!("{}/controller", owner.pointer());
            match &controller {
                Some(first) => {
                    let message = format!("{} is already true of {}", path(&pointer), path(first));
                    issues.push(Issue::value(&code::GW0102, pointer, message));
                }
                None => controller = Some(pointer),
            }
        }
    }
}
