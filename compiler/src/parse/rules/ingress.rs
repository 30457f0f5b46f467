//! The API server's rules about Ingresses.

use gatewright_diagnostics::code;

use super::At;
use super::addresses::is_address;
use crate::parse::issue::{Issue, bounded, path};
use crate::parse::names;

/// The annotation that names a class beside `spec.ingressClassName`.
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
/// What a literal path must not hold, and what it must not end in.
const FORBIDDEN_PARTS: [&str; 5] = ["//", "/./", "/../", "%2f", "%2F"];
const FORBIDDEN_ENDS: [&str; 2] = ["/..", "/."];

/// Adds what the API server would refuse.
pub(super) fn check(object: &At<'_, '_>, issues: &mut Vec<Issue>) {
    let Some(spec) = object.member("spec") else {
        object.lack(&["spec"], ", which needs `rules` or a `defaultBackend`", issues);
        return;
    };
    if spec.is_mapping() && spec.lacks_elements("rules") && !spec.has("defaultBackend") {
        spec.lack(&["rules", "defaultBackend"], "", issues);
    }
    if let Some(backend) = spec.member("defaultBackend") {
        check_backend(&backend, issues);
    }
    if let Some(rules) = spec.member("rules") {
        rules.elements().for_each(|rule| check_rule(&rule, issues));
    }
    check_hosts(object, issues);
    if let Some(tls) = spec.member("tls") {
        for entry in tls.elements() {
            let named = entry.member("secretName").filter(|_| !entry.lacks_text("secretName"));
            if let Some(secret) = named.filter(|_| !is_made(object)) {
                secret.follow(names::dns_subdomain, issues);
            }
        }
    }
    check_class(object, &spec, issues);
}

/// Returns whether the object is one of a cluster: some rules are about new ones alone.
fn is_made(object: &At<'_, '_>) -> bool {
    object.member("metadata").is_some_and(|metadata| metadata.has("creationTimestamp"))
}

/// Adds the hosts that are none, of rules and of certificates.
pub(super) fn check_hosts(object: &At<'_, '_>, issues: &mut Vec<Issue>) {
    let Some(spec) = object.member("spec") else { return };
    if let Some(rules) = spec.member("rules") {
        for rule in rules.elements().filter(|rule| !rule.lacks_text("host")) {
            rule.member("host").inspect(|host| refuse_host(host, check_host, issues));
        }
    }
    if let Some(tls) = spec.member("tls") {
        for entry in tls.elements() {
            let Some(hosts) = entry.member("hosts") else { continue };
            hosts.elements().for_each(|host| refuse_host(&host, names::host, issues));
        }
    }
}

/// Checks the host of a rule. The error is the end of a sentence that starts with it.
pub(crate) fn check_host(host: &str) -> Result<(), &'static str> {
    if is_address(host) {
        return Err("is an address; Kubernetes wants a name");
    }
    names::host(host)
}

fn refuse_host(host: &At<'_, '_>, rule: fn(&str) -> Result<(), &'static str>, issues: &mut Vec<Issue>) {
    let Some(text) = host.text() else { return };
    if let Err(reason) = rule(&text) {
        let message = format!("host `{}` {reason}", bounded(&text));
        issues.push(Issue::value(&code::GW0415, host.pointer(), message));
    }
}

fn check_class(object: &At<'_, '_>, spec: &At<'_, '_>, issues: &mut Vec<Issue>) {
    let Some(class) = spec.member("ingressClassName") else { return };
    class.follow(names::dns_subdomain, issues);
    if is_made(object) {
        return;
    }
    let Some(metadata) = object.member("metadata") else { return };
    let Some(annotations) = metadata.member("annotations") else { return };
    let Some(annotation) = annotations.member(CLASS_ANNOTATION) else { return };
    if let (Some(named), Some(annotated)) = (class.text(), annotation.text())
        && named != annotated
    {
        let pointer = annotation.pointer();
        let message = format!(
            "{} is \"{}\" and spec.ingressClassName \"{}\": the API server takes no new Ingress with both, unless they \
             are the same",
            path(&pointer),
            bounded(&annotated),
            bounded(&named)
        );
        issues.push(Issue::value(&code::GW0102, pointer, message).with_help("keep one of the two"));
    }
}

fn check_rule(rule: &At<'_, '_>, issues: &mut Vec<Issue>) {
    let Some(http) = rule.member("http") else { return };
    let Some(paths) = http.member("paths") else { return };
    if http.lacks_elements("paths") {
        paths.refuse("must have at least 1 element", issues);
    }
    for path in paths.elements().filter(At::is_mapping) {
        check_path(&path, issues);
        if let Some(backend) = path.member("backend") {
            check_backend(&backend, issues);
        }
    }
}

fn check_path(entry: &At<'_, '_>, issues: &mut Vec<Issue>) {
    let path_type = entry.text_of("pathType");
    let literal = matches!(path_type.as_deref(), Some("Exact" | "Prefix"));
    let place = || format!("{}/path", entry.pointer());
    let Some(path) = entry.text_of("path").filter(|path| !path.is_empty()) else {
        // A path of another type than text has a finding of its own.
        if literal && entry.lacks_text("path") {
            let message = format!("a path of type {} must be written out", path_type.unwrap_or_default());
            issues.push(Issue::key(&code::GW0416, place(), message).with_help("write `path: /`"));
        }
        return;
    };
    let shown = bounded(&path);
    if !path.starts_with('/') {
        issues.push(Issue::value(&code::GW0416, place(), format!("path `{shown}` must start with `/`")));
    }
    let forbidden = FORBIDDEN_PARTS
        .into_iter()
        .find(|part| path.contains(part))
        .or_else(|| FORBIDDEN_ENDS.into_iter().find(|end| path.ends_with(end)));
    if let Some(part) = forbidden.filter(|_| literal) {
        let message =
            format!("path `{shown}` of type {} must not have `{part}`", path_type.unwrap_or_default());
        issues.push(Issue::value(&code::GW0416, place(), message));
    }
}

fn check_backend(backend: &At<'_, '_>, issues: &mut Vec<Issue>) {
    match (backend.member("service"), backend.member("resource")) {
        (Some(_), Some(_)) => backend.both("`service` and `resource`", issues),
        (Some(service), None) => check_service(&service, issues),
        (None, Some(resource)) => super::class::check_reference(&resource, issues),
        (None, None) if backend.is_mapping() => backend.lack(&["service", "resource"], "", issues),
        (None, None) => {}
    }
}

fn check_service(service: &At<'_, '_>, issues: &mut Vec<Issue>) {
    if let Some(name) = service.member("name") {
        name.follow(names::service_name, issues);
    }
    let Some(port) = service.member("port") else {
        if service.is_mapping() {
            service.lack(&["port"], ", which needs a `number` or a `name`", issues);
        }
        return;
    };
    let no_number = !port.has("number") || port.number_of("number") == Some(0);
    match (port.lacks_text("name"), no_number) {
        (true, true) if port.is_mapping() => port.lack(&["number", "name"], "", issues),
        (false, true) => drop(port.member("name").inspect(|name| name.follow(names::port_name, issues))),
        (false, false) => port.both("`name` and `number`", issues),
        _ => {}
    }
}
