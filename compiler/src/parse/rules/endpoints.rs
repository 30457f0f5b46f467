//! The API server's rules about EndpointSlices and Endpoints. Loopback addresses are let through: see `addresses`.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::addresses::special;
use super::service::check_port_name;
use super::service_addresses::check_address;
use super::{At, Unique, check_labels};
use crate::parse::issue::{Issue, bounded};
use crate::parse::names;

/// How much of each an EndpointSlice may hold.
const MOST_ENDPOINTS: usize = 1000;
const MOST_ADDRESSES: usize = 100;
const MOST_PORTS: usize = 20_000;
const MOST_LABELS: usize = 16;
const MOST_HINTS: usize = 8;

/// Adds what the API server would refuse; and Envoy, which refuses a whole assignment for one address that is none.
pub(super) fn check_slice(slice: &At<'_, '_>, issues: &mut Vec<Issue>) {
    let kind = slice.text_of("addressType").unwrap_or_default();
    if let Some(endpoints) = slice.member("endpoints") {
        endpoints.at_most(MOST_ENDPOINTS, issues);
        for endpoint in endpoints.elements().filter(At::is_mapping) {
            check_endpoint(&endpoint, &kind, issues);
        }
    }
    let Some(ports) = slice.member("ports") else { return };
    ports.at_most(MOST_PORTS, issues);
    let mut unique = Unique::new("name");
    for port in ports.elements().filter(At::is_mapping) {
        // Ports without name have the same one.
        if port.lacks_text("name") {
            unique.add(String::new(), format!("{}/name", port.pointer()), issues);
        }
        check_port_name(&port, false, "", &mut unique, issues);
        check_protocols(&port, issues);
        if port.text_of("protocol").is_some_and(|text| text.is_empty()) {
            port.member("protocol").inspect(|protocol| protocol.refuse("must not be empty", issues));
        }
    }
}

fn check_protocols(port: &At<'_, '_>, issues: &mut Vec<Issue>) {
    if let Some(protocol) = port.member("appProtocol") {
        protocol.follow(names::qualified_name, issues);
    }
}

fn check_endpoint(endpoint: &At<'_, '_>, kind: &str, issues: &mut Vec<Issue>) {
    if let Some(addresses) = endpoint.member("addresses") {
        if endpoint.lacks_elements("addresses") {
            addresses.refuse("must have at least 1 element", issues);
        }
        addresses.at_most(MOST_ADDRESSES, issues);
        addresses.elements().for_each(|address| check_slice_address(&address, kind, issues));
    }
    if let Some(node) = endpoint.member("nodeName") {
        node.follow(names::dns_subdomain, issues);
    }
    if let Some(host) = endpoint.member("hostname") {
        host.follow(names::dns_label, issues);
    }
    if let Some(topology) = endpoint.member("deprecatedTopology") {
        if topology.fields().own_texts().len() > MOST_LABELS {
            topology.refuse(&format!("must have at most {MOST_LABELS} entries"), issues);
        }
        check_labels(&topology, issues);
    }
    let Some(hints) = endpoint.member("hints") else { return };
    check_hints(&hints, "forZones", names::label_value, issues);
    check_hints(&hints, "forNodes", names::dns_subdomain, issues);
}

fn check_hints(
    hints: &At<'_, '_>,
    field: &str,
    rule: fn(&str) -> Result<(), &'static str>,
    issues: &mut Vec<Issue>,
) {
    let Some(list) = hints.member(field) else { return };
    list.at_most(MOST_HINTS, issues);
    let mut unique = Unique::new("name");
    for hint in list.elements() {
        let Some(name) = hint.member("name") else { continue };
        name.follow(rule, issues);
        if let Some(text) = name.text() {
            unique.add(text.into_owned(), name.pointer(), issues);
        }
    }
}

fn check_slice_address(address: &At<'_, '_>, kind: &str, issues: &mut Vec<Issue>) {
    let Some(text) = address.text() else { return };
    if kind == "IPv6"
        && let Some(ip) = text.parse::<Ipv6Addr>().ok().filter(|ip| ip.to_ipv4_mapped().is_none())
        && ip.to_string() != *text
    {
        return address.rewrite(&ip.to_string(), issues);
    }
    let (sound, special) = match kind {
        "IPv4" => {
            let read = text.parse::<Ipv4Addr>();
            (read.is_ok(), read.ok().and_then(|ip| special(ip.into())))
        }
        "IPv6" => {
            let read = text.parse::<Ipv6Addr>().ok().filter(|ip| ip.to_ipv4_mapped().is_none());
            (read.is_some(), read.and_then(|ip| special(ip.into())))
        }
        "FQDN" => (names::dotted_name(&text).is_ok(), None),
        // The schema has told that the type is none.
        _ => return,
    };
    if !sound {
        address.refuse(&format!("is no {kind} address: \"{}\"", bounded(&text)), issues);
    } else if let Some(reason) = special {
        address.refuse(reason, issues);
    }
}

/// Adds what the API server would refuse of an Endpoints object.
pub(super) fn check_endpoints(object: &At<'_, '_>, issues: &mut Vec<Issue>) {
    let Some(subsets) = object.member("subsets") else { return };
    for subset in subsets.elements().filter(At::is_mapping) {
        if subset.lacks_elements("addresses") && subset.lacks_elements("notReadyAddresses") {
            subset.lack(&["addresses", "notReadyAddresses"], "", issues);
        }
        for field in ["addresses", "notReadyAddresses"] {
            let Some(addresses) = subset.member(field) else { continue };
            addresses.elements().for_each(|address| check_subset_address(&address, issues));
        }
        let Some(ports) = subset.member("ports") else { continue };
        let several = ports.elements().len() > 1;
        for port in ports.elements().filter(At::is_mapping) {
            // Names may be alike here.
            let mut each = Unique::new("name");
            check_port_name(&port, several, ": there is more than one port", &mut each, issues);
            check_protocols(&port, issues);
        }
    }
}

fn check_subset_address(address: &At<'_, '_>, issues: &mut Vec<Issue>) {
    if let Some(ip) = address.member("ip") {
        check_address(&ip, issues);
    }
    if let Some(host) = address.member("hostname").filter(|_| !address.lacks_text("hostname")) {
        host.follow(names::dns_label, issues);
    }
    if let Some(node) = address.member("nodeName") {
        node.follow(names::dns_subdomain, issues);
    }
}
