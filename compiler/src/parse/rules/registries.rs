//! What a snapshot of registries must keep beside its schema.

use std::net::IpAddr;

use super::At;
use super::addresses::special;
use crate::parse::issue::{Issue, bounded};

/// Adds what cannot be served: Envoy refuses all endpoints of a cluster for one address that is none.
pub(super) fn check(snapshot: &At<'_, '_>, issues: &mut Vec<Issue>) {
    let Some(registries) = snapshot.member("registries") else { return };
    for registry in registries.elements() {
        let Some(services) = registry.member("services") else { continue };
        services.elements().for_each(|service| check_service(&service, issues));
    }
}

fn check_service(service: &At<'_, '_>, issues: &mut Vec<Issue>) {
    if let Some(host) = service.member("host") {
        host.follow(host_rule, issues);
    }
    let Some(instances) = service.member("instances") else { return };
    if instances.elements().len() > 0 && service.text_of("state").is_some_and(|state| state != "known") {
        instances.refuse("must be empty where the state is not `known`", issues);
    }
    for instance in instances.elements() {
        instance.member("ip").inspect(|ip| check_address(ip, issues));
    }
}

fn check_address(ip: &At<'_, '_>, issues: &mut Vec<Issue>) {
    let Some(text) = ip.text() else { return };
    match text.parse::<IpAddr>().map(special) {
        Ok(None) => {}
        Ok(Some(reason)) => ip.refuse(reason, issues),
        Err(_) => ip.refuse(&format!("must be an IP address, found \"{}\"", bounded(&text)), issues),
    }
}

/// The host stands in names of clusters, and in annotations between spaces.
fn host_rule(text: &str) -> Result<(), &'static str> {
    let stray = |c: char| c.is_whitespace() || c.is_control() || c == '|';
    match text.contains(stray) {
        true => Err("a host without spaces, control characters and `|`"),
        false => Ok(()),
    }
}
