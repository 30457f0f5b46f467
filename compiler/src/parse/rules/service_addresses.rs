//! The API server's rules about the addresses of Services.

use std::net::IpAddr;

use super::addresses::{is_range, parse, special};
use super::service::Type;
use super::{At, Unique};
use crate::parse::issue::{Issue, bounded};

/// Says that a Service has no address of its own.
const NONE: &str = "None";
/// Ranges of clients, as Services had them before there was a field.
const RANGES_ANNOTATION: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";

/// Returns whether a Service has no address of its own.
pub(super) fn is_headless(spec: &At<'_, '_>) -> bool {
    cluster_ips(spec) == [NONE]
}

/// Returns the addresses of a Service: those of the list, or the one beside it.
fn cluster_ips(spec: &At<'_, '_>) -> Vec<String> {
    if let Some(list) = spec.member("clusterIPs").filter(|_| !spec.lacks_elements("clusterIPs")) {
        return list.elements().map(|ip| ip.text().unwrap_or_default().into_owned()).collect();
    }
    spec.text_of("clusterIP").filter(|ip| !ip.is_empty()).map(|ip| ip.into_owned()).into_iter().collect()
}

/// Adds what the API server would refuse.
pub(super) fn check(object: &At<'_, '_>, spec: &At<'_, '_>, kind: Type, issues: &mut Vec<Issue>) {
    if kind == Type::ExternalName {
        check_external_name(spec, issues);
    } else {
        check_cluster_ips(spec, kind, issues);
        check_families(spec, issues);
    }
    if let Some(external) = spec.member("externalIPs") {
        external.elements().for_each(|ip| check_address(&ip, issues));
    }
    check_ranges(object, spec, kind, issues);
}

fn check_external_name(spec: &At<'_, '_>, issues: &mut Vec<Issue>) {
    let why = "may not be set on a Service of type ExternalName";
    if !spec.lacks_text("clusterIP") {
        spec.member("clusterIP").inspect(|member| member.refuse(why, issues));
    }
    for field in ["clusterIPs", "ipFamilies"] {
        if !spec.lacks_elements(field) {
            spec.member(field).inspect(|member| member.refuse(why, issues));
        }
    }
    spec.member("ipFamilyPolicy").inspect(|member| member.refuse(why, issues));
}

fn check_cluster_ips(spec: &At<'_, '_>, kind: Type, issues: &mut Vec<Issue>) {
    let ips = cluster_ips(spec);
    let one = spec.text_of("clusterIP").filter(|ip| !ip.is_empty());
    if let Some(list) = spec.member("clusterIPs").filter(|_| !spec.lacks_elements("clusterIPs")) {
        match &one {
            Some(one) if ips.first().is_some_and(|first| first != one) => {
                list.refuse("must begin with the value of `clusterIP`", issues);
            }
            None if spec.lacks_text("clusterIP") => {
                list.refuse("needs the field `clusterIP` with its first value", issues)
            }
            _ => {}
        }
        for (index, ip) in list.elements().enumerate() {
            if index > 0 || ip.text().as_deref() != Some(NONE) {
                check_ip(&ip, issues);
            }
        }
        check_several(&list, &ips, issues);
    } else if let Some(ip) = spec.member("clusterIP").filter(|_| one.as_deref() != Some(NONE)) {
        check_ip(&ip, issues);
    }
    if ips == [NONE] && matches!(kind, Type::LoadBalancer | Type::NodePort) {
        spec.refuse(
            &format!("says that the Service has no address, which one of type {kind:?} needs"),
            issues,
        );
    }
}

fn check_several(list: &At<'_, '_>, ips: &[String], issues: &mut Vec<Issue>) {
    if ips.len() > 1 && ips[0] == NONE {
        list.refuse("must be `None` alone or addresses", issues);
    } else if let [Some(first), Some(second)] = [ips.first(), ips.get(1)].map(|ip| parse(ip?))
        && first.to_canonical().is_ipv4() == second.to_canonical().is_ipv4()
    {
        list.refuse("may have one address of each IP family", issues);
    }
    list.at_most(2, issues);
}

/// An address in a field that may be empty.
fn check_ip(ip: &At<'_, '_>, issues: &mut Vec<Issue>) {
    let Some(text) = ip.text().filter(|text| parse(text).is_none()) else { return };
    ip.refuse(&format!("is no IP address: \"{}\"", bounded(&text)), issues);
}

/// Adds an address that is none, or that nobody can send to.
pub(super) fn check_address(ip: &At<'_, '_>, issues: &mut Vec<Issue>) {
    let Some(text) = ip.text() else { return };
    match parse(&text) {
        None => check_ip(ip, issues),
        Some(address) => {
            if let Some(reason) = special(address) {
                ip.refuse(reason, issues);
            }
        }
    }
}

fn check_families(spec: &At<'_, '_>, issues: &mut Vec<Issue>) {
    let ips = cluster_ips(spec);
    let mut count = 0;
    if let Some(families) = spec.member("ipFamilies") {
        count = families.elements().len();
        let mut unique = Unique::new("family");
        for (index, family) in families.elements().enumerate() {
            let Some(text) = family.text() else { continue };
            let expected: fn(&IpAddr) -> bool = match &*text {
                "IPv4" => IpAddr::is_ipv4,
                "IPv6" => IpAddr::is_ipv6,
                _ => {
                    family.refuse("must be `IPv4` or `IPv6`", issues);
                    continue;
                }
            };
            unique.add(text.clone().into_owned(), family.pointer(), issues);
            if ips.get(index).and_then(|ip| parse(ip)).is_some_and(|ip| !expected(&ip.to_canonical())) {
                family.refuse(&format!("is not the family of \"{}\"", bounded(&ips[index])), issues);
            }
        }
    }
    let policy = spec.text_of("ipFamilyPolicy");
    // A headless Service that selects nothing has both families unless it says otherwise.
    let selects = spec.member("selector").is_some_and(|labels| !labels.fields().own_texts().is_empty());
    let free = spec.text_of("clusterIP").as_deref() == Some(NONE) && !selects;
    let single = match policy.as_deref() {
        Some(policy) => policy == "SingleStack",
        None => !free && !spec.has("ipFamilyPolicy"),
    };
    if single && (count == 2 || ips.len() == 2) {
        let reason = "has addresses or families of two kinds, which need the ipFamilyPolicy PreferDualStack or RequireDualStack";
        spec.refuse(reason, issues);
    }
}

fn check_ranges(object: &At<'_, '_>, spec: &At<'_, '_>, kind: Type, issues: &mut Vec<Issue>) {
    let only = "may only be set on a Service of type LoadBalancer";
    if let Some(ranges) =
        spec.member("loadBalancerSourceRanges").filter(|_| !spec.lacks_elements("loadBalancerSourceRanges"))
    {
        if kind != Type::LoadBalancer {
            ranges.refuse(only, issues);
        }
        for range in ranges.elements() {
            let Some(text) = range.text().filter(|text| !is_range(text.trim())) else { continue };
            range
                .refuse(&format!("is no range of addresses like 10.0.0.0/8: \"{}\"", bounded(&text)), issues);
        }
        return;
    }
    let Some(metadata) = object.member("metadata") else { return };
    let Some(annotations) = metadata.member("annotations") else { return };
    let Some(annotation) = annotations.member(RANGES_ANNOTATION) else { return };
    let Some(text) = annotation.text() else { return };
    if kind != Type::LoadBalancer {
        annotation.refuse(only, issues);
    }
    if !text.trim().is_empty() && !text.split(',').all(|range| is_range(range.trim())) {
        annotation.refuse("must be ranges of addresses like 10.0.0.0/8, separated by commas", issues);
    }
}
