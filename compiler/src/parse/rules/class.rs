//! The API server's rules about IngressClasses, and about references to other objects.

use super::At;
use crate::parse::issue::Issue;
use crate::parse::names;

/// Longest name of a controller, in bytes.
const CONTROLLER: usize = 250;

/// Adds what the API server would refuse.
pub(super) fn check(object: &At<'_, '_>, issues: &mut Vec<Issue>) {
    let Some(spec) = object.member("spec") else {
        object.lack(&["spec"], ", which names the `controller`", issues);
        return;
    };
    match spec.member("controller") {
        Some(controller) => {
            controller.follow(names::domain_path, issues);
            if controller.text().is_some_and(|text| text.len() > CONTROLLER) {
                controller.refuse(&format!("must have at most {CONTROLLER} characters"), issues);
            }
        }
        None if spec.is_mapping() => spec.lack(&["controller"], "", issues),
        None => {}
    }
    let Some(parameters) = spec.member("parameters") else { return };
    check_reference(&parameters, issues);
    let namespace = parameters.member("namespace");
    match (parameters.text_of("scope").as_deref(), namespace) {
        (Some("Namespace"), Some(namespace)) => namespace.follow(names::dns_label, issues),
        (Some("Namespace"), None) => {
            parameters.lack(&["namespace"], ", which parameters of scope `Namespace` need", issues);
        }
        (Some("Cluster"), Some(namespace)) => {
            namespace.refuse("may not be set beside the scope `Cluster`", issues);
        }
        (None, Some(namespace)) if !parameters.has("scope") => {
            namespace.refuse("needs the scope `Namespace`", issues);
        }
        (None | Some("Cluster"), _) => {}
        (Some(_), _) => {
            parameters
                .member("scope")
                .inspect(|scope| scope.refuse("must be `Cluster` or `Namespace`", issues));
        }
    }
}

/// Checks a reference to an object of any kind.
pub(super) fn check_reference(reference: &At<'_, '_>, issues: &mut Vec<Issue>) {
    if let Some(group) = reference.member("apiGroup") {
        group.follow(names::dns_subdomain, issues);
    }
    for field in ["kind", "name"] {
        // The schema has found what is missing.
        let Some(member) = reference.member(field) else { continue };
        if reference.lacks_text(field) {
            member.refuse("must not be empty", issues);
        }
        member.follow(names::path_segment, issues);
    }
}
