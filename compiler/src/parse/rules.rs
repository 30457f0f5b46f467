//! What the API server checks in code rather than by a schema, as far as routing depends on it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use gatewright_diagnostics::code;

use super::fields::Fields;
use super::issue::{Issue, bounded, path};
use super::names;
use crate::manifest::{Backend, Body, EndpointSlice, Ingress, Service, SlicePort};

/// Adds what the API server would refuse in the fields of a kind.
pub(crate) fn check(body: &Body, issues: &mut Vec<Issue>) {
    match body {
        Body::Ingress(ingress) => check_ingress(ingress, issues),
        Body::Service(service) => check_service(service, issues),
        Body::EndpointSlice(slice) => check_slice(slice, issues),
        Body::IngressClass
        | Body::Secret(_)
        | Body::ConfigMap(_)
        | Body::McpBridge(_)
        | Body::WasmPlugin(_) => {}
    }
}

fn check_ingress(ingress: &Ingress, issues: &mut Vec<Issue>) {
    if let Some(backend) = &ingress.default_backend {
        check_backend(backend, "/spec/defaultBackend", issues);
    }
    for (rule_index, rule) in ingress.rules.iter().enumerate() {
        let paths = rule.http.iter().flat_map(|http| &http.paths);
        for (path_index, path) in paths.enumerate() {
            let pointer = format!("/spec/rules/{rule_index}/http/paths/{path_index}/backend");
            check_backend(&path.backend, &pointer, issues);
        }
    }
}

fn check_backend(backend: &Backend, pointer: &str, issues: &mut Vec<Issue>) {
    let Some(service) = &backend.service else { return };
    if backend.resource.is_some() {
        issues.push(one_of_two(pointer.to_owned(), "`service` and `resource`"));
    }
    if service.port.name.is_some() && service.port.number.is_some() {
        issues.push(one_of_two(format!("{pointer}/service/port"), "`name` and `number`"));
    }
}

fn one_of_two(pointer: String, fields: &str) -> Issue {
    let message = format!("{} has {fields}, and only one may be set", path(&pointer));
    Issue::key(&code::GW0102, pointer, message)
}

fn check_service(service: &Service, issues: &mut Vec<Issue>) {
    let external = service.service_type.as_deref() == Some("ExternalName");
    if external && service.external_name.as_ref().is_none_or(String::is_empty) {
        let message = "spec lacks the field `externalName`, which a Service of type ExternalName needs";
        issues.push(Issue::key(&code::GW0102, "/spec", message));
    }
    let mut names = Unique::new("name");
    let mut numbers = Unique::new("port and protocol");
    for (index, port) in service.ports.iter().enumerate() {
        let pointer = format!("/spec/ports/{index}");
        match port.name.as_deref().filter(|name| !name.is_empty()) {
            Some(name) => {
                check_port_name(name, &pointer, issues);
                names.add(name.to_owned(), format!("{pointer}/name"), issues);
            }
            None if service.ports.len() > 1 => {
                let message =
                    format!("{} lacks the field `name`: there is more than one port", path(&pointer));
                issues.push(Issue::key(&code::GW0102, pointer.clone(), message));
            }
            None => {}
        }
        let protocol = port.protocol.as_deref().filter(|protocol| !protocol.is_empty()).unwrap_or("TCP");
        numbers.add(format!("{protocol} {}", port.port), format!("{pointer}/port"), issues);
    }
}

fn check_port_name(name: &str, pointer: &str, issues: &mut Vec<Issue>) {
    if let Err(rule) = names::dns_label(name) {
        let pointer = format!("{pointer}/name");
        let message = format!("{} cannot be \"{}\"", path(&pointer), bounded(name));
        issues.push(Issue::value(&code::GW0102, pointer, message).with_help(format!("use {rule}")));
    }
}

/// Checks an EndpointSlice; Envoy refuses a whole assignment for one address that is none.
fn check_slice(slice: &EndpointSlice, issues: &mut Vec<Issue>) {
    for (index, endpoint) in slice.endpoints.iter().enumerate() {
        for (place, address) in endpoint.addresses.iter().enumerate() {
            let sound = match slice.address_type.as_str() {
                "IPv4" => address.parse::<Ipv4Addr>().is_ok(),
                "IPv6" => address.parse::<Ipv6Addr>().is_ok(),
                _ => names::dns_subdomain(address).is_ok(),
            };
            if !sound {
                let pointer = format!("/endpoints/{index}/addresses/{place}");
                let (path, text) = (path(&pointer), bounded(address));
                let message = format!("{path} is no {} address: \"{text}\"", slice.address_type);
                issues.push(Issue::value(&code::GW0102, pointer, message));
            }
        }
    }
    check_slice_ports(&slice.ports, issues);
}

/// Adds the addresses of an Endpoints object that are none.
pub(crate) fn check_endpoints(object: Fields<'_>, issues: &mut Vec<Issue>) {
    for (index, subset) in object.list("subsets").enumerate() {
        for field in ["addresses", "notReadyAddresses"] {
            for (place, address) in subset.list(field).enumerate() {
                let Some(ip) = address.text("ip").filter(|ip| ip.parse::<IpAddr>().is_err()) else {
                    continue;
                };
                let pointer = format!("/subsets/{index}/{field}/{place}/ip");
                let message = format!("{} is no IP address: \"{}\"", path(&pointer), bounded(&ip));
                issues.push(Issue::value(&code::GW0102, pointer, message));
            }
        }
    }
}

fn check_slice_ports(ports: &[SlicePort], issues: &mut Vec<Issue>) {
    let mut names = Unique::new("name");
    for (index, port) in ports.iter().enumerate() {
        let name = port.name.clone().unwrap_or_default();
        names.add(name, format!("/ports/{index}/name"), issues);
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
