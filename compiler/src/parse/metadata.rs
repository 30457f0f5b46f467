//! The metadata of an object, with the checks that the API server makes of it.

use gatewright_diagnostics::code;
use gatewright_kinds::Kind;

use super::fields::Fields;
use super::issue::{Issue, bounded, path};
use super::names;
use crate::finding::escape;
use crate::manifest::Metadata;

/// What all annotations of an object may hold, keys included, in bytes.
const ANNOTATIONS_LIMIT: usize = 256 << 10;

/// Reads and checks `metadata`; the schema has found if there is none.
pub(crate) fn read(kind: Kind, object: Fields<'_>, issues: &mut Vec<Issue>) -> Metadata {
    let Some(fields) = object.some_object("metadata") else { return Metadata::default() };
    match fields.text("name").filter(|name| !name.is_empty()) {
        Some(name) => check_name(kind, &name, issues),
        // The schema has found a name that is no text.
        None if fields.has_other_than_text("name") => {}
        None => missing_name(fields.text("generateName").is_some(), issues),
    }
    if let Some(namespace) = fields.text("namespace").filter(|namespace| !namespace.is_empty())
        && kind.namespaced()
        && let Err(rule) = names::dns_label(&namespace)
    {
        issues.push(format_issue("/metadata/namespace", &namespace, rule));
    }
    let metadata = Metadata {
        // One of another type is refused, and read as it was meant: nothing follows from its absence.
        annotations: fields.written_map("annotations").into(),
        labels: fields.text_map("labels").into(),
        creation_timestamp: fields.text("creationTimestamp"),
    };
    check_annotations(&metadata, issues);
    check_labels(&metadata, issues);
    metadata
}

fn check_name(kind: Kind, name: &str, issues: &mut Vec<Issue>) {
    let rule = if kind == Kind::Service { names::service_name(name) } else { names::dns_subdomain(name) };
    if let Err(rule) = rule {
        issues.push(format_issue("/metadata/name", name, rule));
    }
}

fn missing_name(generated: bool, issues: &mut Vec<Issue>) {
    let issue = Issue::key(&code::GW0102, "/metadata", "metadata lacks the field `name`");
    issues.push(if generated {
        issue.with_help("write a name: one that the API server generates cannot be known before")
    } else {
        issue.with_help("write a name")
    });
}

fn format_issue(pointer: &str, text: &str, rule: &str) -> Issue {
    Issue::value(&code::GW0102, pointer, format!("{} cannot be \"{}\"", path(pointer), bounded(text)))
        .with_help(format!("use {rule}"))
}

fn check_annotations(metadata: &Metadata, issues: &mut Vec<Issue>) {
    let mut size = 0;
    for (key, value) in metadata.annotations.iter() {
        size += key.len() + value.len();
        if let Err(rule) = names::annotation_key(key) {
            let message = format!("\"{}\" is no key of an annotation", bounded(key));
            let pointer = format!("/metadata/annotations/{}", escape(key));
            issues.push(Issue::key(&code::GW0102, pointer, message).with_help(format!("use {rule}")));
        }
    }
    if size > ANNOTATIONS_LIMIT {
        let message =
            format!("the annotations hold {size} bytes, and at most {ANNOTATIONS_LIMIT} are accepted");
        issues.push(Issue::key(&code::GW0102, "/metadata/annotations", message));
    }
}

fn check_labels(metadata: &Metadata, issues: &mut Vec<Issue>) {
    for (key, value) in metadata.labels.iter() {
        let pointer = format!("/metadata/labels/{}", escape(key));
        if let Err(rule) = names::qualified_name(key) {
            let message = format!("\"{}\" is no key of a label", bounded(key));
            issues.push(Issue::key(&code::GW0102, pointer.clone(), message).with_help(format!("use {rule}")));
        }
        if let Err(rule) = names::label_value(value) {
            issues.push(format_issue(&pointer, value, rule));
        }
    }
}
