//! Readers of what stands in a snapshot of registries.

use crate::manifest::{DiscoveredService, Instance, RegistrySnapshot, ServiceState};
use crate::parse::fields::Fields;

/// The weight of an instance that says none.
const WEIGHT: u32 = 100;

pub(super) fn snapshot(registry: Fields<'_>) -> RegistrySnapshot {
    RegistrySnapshot { complete: registry.boolean("complete").unwrap_or(true) }
}

pub(super) fn service(service: Fields<'_>) -> DiscoveredService {
    DiscoveredService {
        host: service.text("host").unwrap_or_default(),
        port: service.number("port").unwrap_or_default(),
        protocol: service.text("protocol"),
        state: match service.text("state").as_deref() {
            Some("empty") => ServiceState::Empty,
            Some("unknown") => ServiceState::Unknown,
            _ => ServiceState::Known,
        },
        instances: service.list("instances").map(instance).collect(),
    }
}

fn instance(instance: Fields<'_>) -> Instance {
    Instance {
        ip: instance.text("ip").unwrap_or_default(),
        port: instance.number("port").unwrap_or_default(),
        weight: instance.number("weight").unwrap_or(WEIGHT),
        healthy: instance.boolean("healthy").unwrap_or(true),
    }
}
