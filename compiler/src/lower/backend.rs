//! Where a path sends requests: targets with weights, before they become cluster names.

use gatewright_diagnostics::code;
use gatewright_ir::{ClusterName, ListenerId, SharedEdits};
use gatewright_kinds::Kind;

use crate::annotations::destination;
use crate::finding::{Finding, Place};
use crate::ingress::AnalyzedIngress;
use crate::manifest::{Backend, Service, ServiceBackend};
use crate::options::HigressVersion;
use crate::parse;
use crate::registry::Published;
use crate::world::{Dependency, Reads, World};

/// The port part of a cluster name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    Number(u32),
    /// Nothing says which: Istio then takes the listener's own port, and the cluster does not exist.
    Listener,
}

/// One target of a route in the making.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    pub(super) host: String,
    pub(super) port: Port,
    pub(super) subset: String,
    pub(super) weight: i64,
    pub(super) fallbacks: Vec<ClusterName>,
    pub(super) request_headers: SharedEdits,
    pub(super) response_headers: SharedEdits,
}

impl Destination {
    fn new(host: String, port: Port, subset: String, weight: i64) -> Self {
        Destination {
            host,
            port,
            subset,
            weight,
            fallbacks: Vec::new(),
            request_headers: SharedEdits::default(),
            response_headers: SharedEdits::default(),
        }
    }

    /// Returns the name of the target's cluster behind a listener.
    pub(super) fn cluster(&self, listener: ListenerId) -> ClusterName {
        let port = match self.port {
            Port::Number(port) => port,
            Port::Listener => listener.port.into(),
        };
        ClusterName::outbound(port, &self.subset, &self.host)
    }
}

/// The destinations of a path and the sum of the percentages that were written.
pub(super) struct Destinations {
    pub(super) list: Vec<Destination>,
    pub(super) weight_total: i64,
}

/// Resolves a backend; none means that Higress drops the path.
pub(super) fn resolve(
    ingress: &AnalyzedIngress,
    backend: &Backend,
    pointer: &str,
    world: &World<'_>,
    reads: &mut Reads,
    findings: &mut Vec<Finding>,
) -> Option<Destinations> {
    let written = ingress.policy.destinations();
    let weight_total = if written.len() > 1 { written.iter().map(|line| line.weight).sum() } else { 0 };
    if let Some(service) = &backend.service {
        let destination = service_destination(ingress, service, pointer, world, reads, findings)?;
        return Some(Destinations { list: vec![destination], weight_total });
    }
    // The parser has told of a backend that is nothing, or of another version.
    if backend.resource.is_none() || ingress.policy.destinations.is_err() {
        return None;
    }
    if written.is_empty() {
        let place = Place::value(&ingress.key, format!("{pointer}/backend"));
        findings.push(
            Finding::new(
                &code::GW0414,
                place,
                format!("a resource backend needs the annotation `{}`", destination::KEY),
            )
            .with_help(format!("add `{}: HOST:PORT`", destination::KEY)),
        );
        return None;
    }
    let list = written.iter().map(|line| by_host(ingress, line, world, reads, findings)).collect();
    Some(Destinations { list, weight_total })
}

fn service_destination(
    ingress: &AnalyzedIngress,
    service: &ServiceBackend,
    pointer: &str,
    world: &World<'_>,
    reads: &mut Reads,
    findings: &mut Vec<Finding>,
) -> Option<Destination> {
    let namespace = &ingress.key.namespace;
    let known = world.service(namespace, &service.name, reads);
    let place = |part: &str| Place::value(&ingress.key, format!("{pointer}/backend/service{part}"));
    let port = match (service.port.number, &service.port.name) {
        (Some(number), _) => u32::from(number),
        (None, Some(name)) => {
            let Some(known) = known else {
                if !world.is_ambiguous(Kind::Service, namespace, &service.name) {
                    findings.push(external_port_name(namespace, service, name, place("/port/name")));
                }
                let host = world.service_host(namespace, &service.name);
                return Some(Destination::new(host, Port::Listener, String::new(), 100));
            };
            let found = known.ports.iter().find(|port| port.name.as_deref() == Some(name));
            let Some(found) = found else {
                if !known.misread {
                    findings.push(unknown_port_name(service, name, known, place("/port/name")));
                }
                return None;
            };
            u32::from(found.port)
        }
        // The parser has told why there is none.
        (None, None) => return None,
    };
    let host = world.service_host(namespace, &service.name);
    let places = ServicePlaces { service: place("/name"), port: place("/port/number") };
    check_service(&host, port, places, world, reads, findings);
    Some(Destination::new(host, Port::Number(port), String::new(), 100))
}

/// The number behind a name stands in a Service that another repository has: the source cannot tell where requests go.
fn external_port_name(namespace: &str, service: &ServiceBackend, name: &str, place: Place) -> Finding {
    let message = format!(
        "port name `{name}` is that of Service `{namespace}/{}`, which is not in the source: requests answer 503 as far \
         as the source tells",
        service.name
    );
    Finding::new(&code::GW0202, place, message).with_help("use the port's number")
}

fn unknown_port_name(service: &ServiceBackend, name: &str, known: &Service, place: Place) -> Finding {
    let message = format!("Service `{}` has no port named `{name}`", service.name);
    let finding = Finding::new(&code::GW0203, place, message);
    let names: Vec<String> =
        known.ports.iter().filter_map(|port| Some(format!("`{}`", port.name.as_ref()?))).collect();
    finding.with_help(match names.is_empty() {
        true => "its ports have no names: use the port's number".to_owned(),
        false => format!("use the port's number or one of its names: {}", names.join(", ")),
    })
}

/// Where a manifest names a Service and its port.
struct ServicePlaces {
    service: Place,
    port: Place,
}

/// Remarks on a Service port that requests will be sent to.
fn check_service(
    host: &str,
    port: u32,
    places: ServicePlaces,
    world: &World<'_>,
    reads: &mut Reads,
    findings: &mut Vec<Finding>,
) {
    let Some((name, namespace)) = world.split_service_host(host) else { return };
    let label = format!("{namespace}/{name}");
    let Some(service) = world.service(namespace, name, reads) else {
        // What is defined twice, and what no Service can be called, has a finding of its own.
        if world.is_ambiguous(Kind::Service, namespace, name) || !parse::is_service_name(name) {
            return;
        }
        let message =
            format!("Service `{label}` is not in the source: requests answer 503 as far as the source tells");
        findings.push(Finding::new(&code::GW0202, places.service, message));
        return;
    };
    let alias = world.options.higress == HigressVersion::V2_2;
    if service.service_type.as_deref() == Some("ExternalName") && alias {
        let message = format!("Service `{label}` is an alias that leads nowhere, so requests answer 503");
        findings.push(
            Finding::new(&code::GW0213, places.service, message)
                .with_note("Higress 2.1 resolved the name itself; 2.2 looks for a Service of that name")
                .with_help(
                    "declare the name as a registry of type `dns` and name it in `higress.io/destination`",
                ),
        );
        return;
    }
    let has_port = service.ports.iter().any(|known| u32::from(known.port) == port);
    if !has_port && service.misread {
        // What is wrong with its ports is told where they stand.
    } else if !has_port {
        let message = format!("Service `{label}` has no port {port}, so requests answer 503");
        findings.push(Finding::new(&code::GW0210, places.port, message));
    } else if service.service_type.as_deref() != Some("ExternalName")
        && !world.has_slices(namespace, name, reads)
        && !world.has_ambiguous_slices(namespace, name)
    {
        let message =
            format!("Service `{label}` has no EndpointSlice in the source and is resolved by DNS name");
        findings.push(Finding::new(&code::GW0205, places.service, message));
    }
}

/// Resolves one line of the `destination` annotation.
fn by_host(
    ingress: &AnalyzedIngress,
    line: &destination::Destination,
    world: &World<'_>,
    reads: &mut Reads,
    findings: &mut Vec<Finding>,
) -> Destination {
    let place = Place::annotation_value(&ingress.key, destination::KEY).within(line.written);
    // Also where the port is written: what is said of the host depends on it.
    if world.split_service_host(&line.host).is_none() {
        reads.insert(Dependency::Registry(line.host.clone()));
    }
    let port = match line.port.or_else(|| only_port(&line.host, world, reads)) {
        Some(port) => Port::Number(port),
        None => Port::Listener,
    };
    if let (Some(_), Port::Number(number)) = (world.split_service_host(&line.host), port) {
        let places = ServicePlaces { service: place.clone(), port: place };
        check_service(&line.host, number, places, world, reads, findings);
    } else if let Some(message) = unknown_host(&line.host, port, world) {
        findings.push(Finding::new(&code::GW0206, place, message));
    } else {
        findings.extend(without_instance(&line.host, place, world));
    }
    Destination::new(line.host.clone(), port, line.subset.clone(), line.weight)
}

/// Returns the port of a host that has exactly one.
pub(super) fn only_port(host: &str, world: &World<'_>, reads: &mut Reads) -> Option<u32> {
    if let Some((name, namespace)) = world.split_service_host(host) {
        return match world.service(namespace, name, reads)?.ports.as_slice() {
            [port] => Some(u32::from(port.port)),
            _ => None,
        };
    }
    world.published(host).map(Published::port)
}

fn unknown_host(host: &str, port: Port, world: &World<'_>) -> Option<String> {
    if let Some((name, namespace)) = world.split_service_host(host) {
        let twice = world.is_ambiguous(Kind::Service, namespace, name);
        return (!twice).then(|| {
            format!("`{host}` has no port here and the source does not tell one: requests answer 503")
        });
    }
    match (world.published(host), port) {
        (None, _) if world.may_be_published(host) => None,
        (None, _) => {
            Some(format!("no Service or registry of the source is called `{host}`: requests answer 503"))
        }
        (Some(service), Port::Number(port)) if service.port() != port => {
            Some(format!("`{host}` has port {}, not {port}: requests answer 503", service.port()))
        }
        _ => None,
    }
}

fn without_instance(host: &str, place: Place, world: &World<'_>) -> Option<Finding> {
    let service = world.published(host).filter(|service| service.is_empty())?;
    let message = format!("the registry offers `{host}` without an instance, so requests answer 503");
    Some(Finding::new(&code::GW0217, place, message).with_related(service.place(), "offered here"))
}
