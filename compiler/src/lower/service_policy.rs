//! Which Services an Ingress speaks of with the annotations that are kept for a Service.

use std::sync::Arc;

use gatewright_ir::{ClusterName, HostPattern};

use super::backend::only_port;
use crate::annotations::balancing::ServicePolicy;
use crate::ingress::AnalyzedIngress;
use crate::manifest::Backend;
use crate::service_policy::Claim;
use crate::world::{Reads, World};

/// The name without which Higress passes the annotations over beside a backend that is a resource.
const BRIDGE: &str = "default";

/// Returns what the Ingresses of a host say of the Services behind its paths: also behind those that another Ingress has
/// before, and behind default backends, as Higress does.
pub(super) fn claims(
    host: &HostPattern,
    ingresses: &[&AnalyzedIngress],
    world: &World<'_>,
    reads: &mut Reads,
) -> Vec<Claim> {
    let mut claims = Vec::new();
    for ingress in ingresses {
        let Some(policy) = &ingress.policy.service else { continue };
        let paths = ingress.paths_of(host).map(|rule| &*rule.backend);
        for backend in paths.chain(ingress.default_backend.as_deref()) {
            let services = services(ingress, backend, world, reads);
            claims.extend(services.into_iter().map(|service| claim(ingress, policy, service)));
        }
    }
    claims.sort_by(|a, b| (&a.service, &a.age).cmp(&(&b.service, &b.age)));
    claims.dedup();
    claims
}

fn claim(ingress: &AnalyzedIngress, policy: &Arc<ServicePolicy>, service: ClusterName) -> Claim {
    Claim { service, age: ingress.age.clone(), ingress: ingress.key.clone(), policy: policy.clone() }
}

/// Returns the Services of a backend, as far as their ports are known.
fn services(
    ingress: &AnalyzedIngress,
    backend: &Backend,
    world: &World<'_>,
    reads: &mut Reads,
) -> Vec<ClusterName> {
    if let Some(service) = &backend.service {
        let namespace = &ingress.key.namespace;
        let named = |name: &String| {
            let known = world.service(namespace, &service.name, reads)?;
            known.ports.iter().find(|port| port.name.as_ref() == Some(name)).map(|port| port.port)
        };
        let port = service.port.number.or_else(|| service.port.name.as_ref().and_then(named));
        let host = world.service_host(namespace, &service.name);
        return port.map(|port| ClusterName::outbound(port.into(), "", &host)).into_iter().collect();
    }
    if backend.resource.as_ref().is_none_or(|resource| resource.name != BRIDGE) {
        return Vec::new();
    }
    let lines = ingress.policy.destinations().iter();
    lines
        .filter_map(|line| {
            let port = line.port.or_else(|| only_port(&line.host, world, reads))?;
            Some(ClusterName::outbound(port, "", &line.host))
        })
        .collect()
}
