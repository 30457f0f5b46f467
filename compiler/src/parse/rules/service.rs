//! The API server's rules about Services.

use std::borrow::Cow;

use super::{At, Unique, check_labels, service_addresses};
use crate::parse::issue::{Issue, path};
use crate::parse::names;

/// What a Service is by its `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    ClusterIp,
    NodePort,
    LoadBalancer,
    ExternalName,
}

impl Type {
    /// Returns the type; none if it is not one of the words.
    fn of(spec: &At<'_, '_>) -> Option<Type> {
        match spec.text_of("type").as_deref() {
            None if spec.has("type") => None,
            None | Some("" | "ClusterIP") => Some(Type::ClusterIp),
            Some("NodePort") => Some(Type::NodePort),
            Some("LoadBalancer") => Some(Type::LoadBalancer),
            Some("ExternalName") => Some(Type::ExternalName),
            Some(_) => None,
        }
    }
}

/// Longest time that a client stays with one endpoint, in seconds.
const LONGEST_AFFINITY: i64 = 86_400;
/// Annotations of two times for one setting.
const TOPOLOGY: [&str; 2] =
    ["service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints"];

/// Adds what the API server would refuse.
pub(super) fn check(object: &At<'_, '_>, issues: &mut Vec<Issue>) {
    let Some(spec) = object.member("spec") else {
        object.lack(&["spec"], ", which needs `ports`", issues);
        return;
    };
    if !spec.is_mapping() {
        return;
    }
    check_ports(&spec, issues);
    if let Some(selector) = spec.member("selector") {
        check_labels(&selector, issues);
    }
    check_affinity(&spec, issues);
    check_words(&spec, issues);
    check_topology(object, issues);
    // What is allowed depends on the type; the schema has told of one that is none.
    let Some(kind) = Type::of(&spec) else { return };
    check_type(&spec, kind, issues);
    service_addresses::check(object, &spec, kind, issues);
}

fn check_type(spec: &At<'_, '_>, kind: Type, issues: &mut Vec<Issue>) {
    let headless = service_addresses::is_headless(spec);
    if kind != Type::ExternalName && !headless && spec.lacks_elements("ports") {
        spec.lack(&["ports"], "", issues);
    }
    if kind == Type::ExternalName {
        check_external_name(spec, issues);
    }
    if kind == Type::ClusterIp
        && let Some(ports) = spec.member("ports")
    {
        for port in
            ports.elements().filter(|port| port.number_of("nodePort").is_some_and(|number| number != 0))
        {
            port.member("nodePort").inspect(|node_port| {
                node_port.refuse("may not be set on a Service of type ClusterIP", issues)
            });
        }
    }
    if kind != Type::LoadBalancer {
        for field in ["allocateLoadBalancerNodePorts", "loadBalancerClass"] {
            let member = spec.member(field);
            member
                .inspect(|member| member.refuse("may only be set on a Service of type LoadBalancer", issues));
        }
    } else if let Some(class) = spec.member("loadBalancerClass") {
        class.follow(names::qualified_name, issues);
    }
    check_external_traffic(spec, kind, issues);
}

fn check_external_name(spec: &At<'_, '_>, issues: &mut Vec<Issue>) {
    match spec.member("externalName").filter(|_| !spec.lacks_text("externalName")) {
        Some(name) => {
            name.follow(|text| names::dns_subdomain(text.strip_suffix('.').unwrap_or(text)), issues)
        }
        None => spec.lack(&["externalName"], ", which a Service of type ExternalName needs", issues),
    }
}

/// Who comes from outside, by which way.
fn check_external_traffic(spec: &At<'_, '_>, kind: Type, issues: &mut Vec<Issue>) {
    let outside = match kind {
        Type::LoadBalancer | Type::NodePort => true,
        Type::ClusterIp => !spec.lacks_elements("externalIPs"),
        Type::ExternalName => false,
    };
    let policy = spec.member("externalTrafficPolicy").filter(|_| !spec.lacks_text("externalTrafficPolicy"));
    let local = policy.as_ref().and_then(At::text).as_deref() == Some("Local");
    if let Some(policy) = policy.filter(|_| !outside) {
        policy.refuse("may only be set on a Service that can be reached from outside", issues);
    }
    let health = spec.number_of("healthCheckNodePort").unwrap_or_default();
    if health != 0
        && let Some(port) = spec.member("healthCheckNodePort")
    {
        if kind != Type::LoadBalancer || !local {
            let reason =
                "may only be set on a Service of type LoadBalancer whose externalTrafficPolicy is Local";
            port.refuse(reason, issues);
        } else if !(1..=65535).contains(&health) {
            port.refuse("must be between 1 and 65535", issues);
        }
    }
}

fn check_ports(spec: &At<'_, '_>, issues: &mut Vec<Issue>) {
    let Some(ports) = spec.member("ports") else { return };
    let several = ports.elements().len() > 1;
    let mut names = Unique::new("name");
    let mut numbers = Unique::new("port and protocol");
    let mut node_ports = Unique::new("node port and protocol");
    for port in ports.elements().filter(At::is_mapping) {
        check_port_name(&port, several, ": there is more than one port", &mut names, issues);
        let protocol =
            port.text_of("protocol").filter(|text| !text.is_empty()).unwrap_or(Cow::Borrowed("TCP"));
        if let Some(number) = port.number_of("port") {
            numbers.add(format!("{protocol} {number}"), format!("{}/port", port.pointer()), issues);
        }
        if let Some(number) = port.number_of("nodePort").filter(|number| *number != 0) {
            node_ports.add(format!("{protocol} {number}"), format!("{}/nodePort", port.pointer()), issues);
        }
        if let Some(target) = port.member("targetPort") {
            check_target(&target, issues);
        }
        if let Some(protocol) = port.member("appProtocol") {
            protocol.follow(names::qualified_name, issues);
        }
    }
}

/// Checks the name of a port among others; `why` says why there must be one.
pub(super) fn check_port_name(
    port: &At<'_, '_>,
    required: bool,
    why: &str,
    names: &mut Unique,
    issues: &mut Vec<Issue>,
) {
    match port.text_of("name").filter(|name| !name.is_empty()) {
        Some(name) => {
            port.member("name").inspect(|member| member.follow(names::dns_label, issues));
            names.add(name.into_owned(), format!("{}/name", port.pointer()), issues);
        }
        None if required && port.lacks_text("name") => port.lack(&["name"], why, issues),
        None => {}
    }
}

/// A port of the pods, by number or by name; zero and the empty text are the Service's own port.
fn check_target(target: &At<'_, '_>, issues: &mut Vec<Issue>) {
    match (target.fields().as_number(), target.text()) {
        (Some(number), _) if !(0..=65535).contains(&number) => {
            target.refuse("must be between 1 and 65535", issues)
        }
        (_, Some(text)) if !text.is_empty() => target.follow(names::port_name, issues),
        _ => {}
    }
}

fn check_affinity(spec: &At<'_, '_>, issues: &mut Vec<Issue>) {
    if spec.text_of("sessionAffinity").as_deref() != Some("ClientIP") {
        return;
    }
    let Some(config) = spec.member("sessionAffinityConfig") else { return };
    let Some(client) = config.member("clientIP") else { return };
    let Some(timeout) = client.member("timeoutSeconds") else { return };
    let seconds = timeout.fields().as_number();
    if seconds.is_some_and(|seconds| !(1..=LONGEST_AFFINITY).contains(&seconds)) {
        timeout.refuse(&format!("must be between 1 and {LONGEST_AFFINITY}"), issues);
    }
}

/// Fields whose words the published schema does not have.
fn check_words(spec: &At<'_, '_>, issues: &mut Vec<Issue>) {
    let words: [(&str, &[&str]); 2] = [
        ("ipFamilyPolicy", &["SingleStack", "PreferDualStack", "RequireDualStack"]),
        ("trafficDistribution", &["PreferClose", "PreferSameZone", "PreferSameNode"]),
    ];
    for (field, known) in words {
        if spec.text_of(field).is_some_and(|text| !known.contains(&&*text)) {
            let reason = format!("must be one of `{}`", known.join("`, `"));
            spec.member(field).inspect(|member| member.refuse(&reason, issues));
        }
    }
}

fn check_topology(object: &At<'_, '_>, issues: &mut Vec<Issue>) {
    let Some(metadata) = object.member("metadata") else { return };
    let Some(annotations) = metadata.member("annotations") else { return };
    if let [Some(mode), Some(hints)] = TOPOLOGY.map(|key| annotations.member(key))
        && let (Some(of_mode), Some(of_hints)) = (mode.text(), hints.text())
        && of_mode != of_hints
    {
        mode.refuse(&format!("must be the same as {}", path(&hints.pointer())), issues);
    }
}
