//! Upstream clusters and their endpoints, each from its name alone and what the name refers to.

use gatewright_ir::{ClusterName, Discovery, Endpoint, EndpointSet, UpstreamCluster, UpstreamProtocol};
use gatewright_kinds::{EntityKey, Kind};

use crate::manifest::{Service, ServicePort};
use crate::options::HigressVersion;
use crate::registry::Published;
use crate::world::{Reads, World};

/// A cluster with its endpoints, where those come from the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoweredCluster {
    pub(crate) cluster: UpstreamCluster,
    pub(crate) endpoints: Option<EndpointSet>,
}

/// Lowers the cluster of that name. A name that refers to nothing is a cluster without endpoints: 503.
pub(crate) fn lower(name: &ClusterName, world: &World<'_>) -> LoweredCluster {
    let port = name.port().unwrap_or_default();
    if let Some((service, namespace)) = world.split_service_host(name.host()) {
        return of_service(name, namespace, service, port, world);
    }
    match world.published(name.host()).filter(|service| service.port() == port) {
        Some(Published::Entry(service)) if service.by_name => LoweredCluster {
            cluster: cluster(name, world, Discovery::Dns(service.endpoints.clone()), service.protocol),
            endpoints: None,
        },
        Some(Published::Entry(service)) => pushed(name, world, service.protocol, service.endpoints.clone()),
        Some(Published::Offered(_, service)) => pushed(name, world, service.protocol(), service.endpoints()),
        None => without_endpoints(name, world),
    }
}

fn pushed(
    name: &ClusterName,
    world: &World<'_>,
    protocol: UpstreamProtocol,
    endpoints: Vec<Endpoint>,
) -> LoweredCluster {
    LoweredCluster {
        cluster: cluster(name, world, Discovery::Endpoints, protocol),
        endpoints: Some(EndpointSet { endpoints }),
    }
}

fn cluster(
    name: &ClusterName,
    world: &World<'_>,
    discovery: Discovery,
    protocol: UpstreamProtocol,
) -> UpstreamCluster {
    let load_balancing = world.service_policies.load_balancing(name);
    UpstreamCluster { name: name.clone(), discovery, protocol, load_balancing }
}

fn without_endpoints(name: &ClusterName, world: &World<'_>) -> LoweredCluster {
    pushed(name, world, UpstreamProtocol::Http1, Vec::new())
}

fn of_service(
    name: &ClusterName,
    namespace: &str,
    service: &str,
    port: u32,
    world: &World<'_>,
) -> LoweredCluster {
    let mut reads = Reads::new();
    let Some(known) = world.service(namespace, service, &mut reads) else {
        return without_endpoints(name, world);
    };
    if known.service_type.as_deref() == Some("ExternalName") {
        return of_external_name(name, known, port, world);
    }
    let Some(found) = known.ports.iter().find(|known| u32::from(known.port) == port) else {
        return without_endpoints(name, world);
    };
    let protocol = protocol(found);
    if !world.has_slices(namespace, service, &mut reads) {
        let address = Endpoint::new(name.host().to_owned(), found.port);
        return LoweredCluster {
            cluster: cluster(name, world, Discovery::Dns(vec![address]), protocol),
            endpoints: None,
        };
    }
    let key = EntityKey::new(Kind::Service, namespace, service);
    LoweredCluster {
        cluster: cluster(name, world, Discovery::Endpoints, protocol),
        endpoints: Some(endpoints(&key, found, world)),
    }
}

/// 2.1 gives such a Service a cluster of its own where it has ports; in 2.2 it is an alias, which leads nowhere
/// unless the name is itself known.
fn of_external_name(name: &ClusterName, service: &Service, port: u32, world: &World<'_>) -> LoweredCluster {
    let found = service.ports.iter().find(|known| u32::from(known.port) == port);
    match (world.options.higress, &service.external_name, found) {
        (HigressVersion::V2_1, Some(external), Some(found)) => {
            let address = Endpoint::new(external.clone(), found.port);
            let discovery = Discovery::Dns(vec![address]);
            LoweredCluster { cluster: cluster(name, world, discovery, protocol(found)), endpoints: None }
        }
        _ => without_endpoints(name, world),
    }
}

/// The ready endpoints of all slices whose port has the Service port's name.
fn endpoints(service: &EntityKey, port: &ServicePort, world: &World<'_>) -> EndpointSet {
    let wanted = port.name.as_deref().unwrap_or_default();
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for slice in world.slices_of(service).filter(|slice| slice.address_type != "FQDN") {
        let number = slice.ports.iter().find(|port| port.name.as_deref().unwrap_or_default() == wanted);
        let Some(number) = number.and_then(|port| port.port) else { continue };
        let ready = slice.endpoints.iter().filter(|endpoint| endpoint.conditions.ready != Some(false));
        endpoints.extend(
            ready
                .flat_map(|endpoint| endpoint.addresses.iter())
                .map(|address| Endpoint::new(address.clone(), number)),
        );
    }
    endpoints.sort();
    endpoints.dedup();
    EndpointSet { endpoints }
}

/// `appProtocol`, else the port's name up to the first `-` (Istio's rule). Only HTTP/2 makes a difference here: to
/// everything else a gateway speaks HTTP/1.1.
fn protocol(port: &ServicePort) -> UpstreamProtocol {
    let text = match (&port.app_protocol, &port.name) {
        (Some(protocol), _) => protocol.to_ascii_lowercase(),
        (None, Some(name)) => name.to_ascii_lowercase(),
        (None, None) => return UpstreamProtocol::Http1,
    };
    let first = text.split('-').next().unwrap_or_default();
    match (text.as_str(), first) {
        ("kubernetes.io/h2c", _) | (_, "http2" | "grpc") => UpstreamProtocol::Http2,
        _ => UpstreamProtocol::Http1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_app_protocols_choose_http2() {
        let port = |name: Option<&str>, app: Option<&str>| {
            protocol(&ServicePort {
                name: name.map(Into::into),
                app_protocol: app.map(Into::into),
                ..ServicePort::default()
            })
        };
        assert_eq!(port(Some("grpc-web"), None), UpstreamProtocol::Http2);
        assert_eq!(port(Some("HTTP2"), None), UpstreamProtocol::Http2);
        assert_eq!(port(Some("grpc"), Some("http")), UpstreamProtocol::Http1);
        assert_eq!(port(None, Some("kubernetes.io/h2c")), UpstreamProtocol::Http2);
        assert_eq!(port(Some("http"), None), UpstreamProtocol::Http1);
    }
}
