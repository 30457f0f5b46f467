//! The endpoints of an upstream cluster.

use std::net::SocketAddr;
use std::sync::Arc;

use gatewright_xds::envoy::config::core::v3::{Address, HealthStatus};
use gatewright_xds::envoy::config::endpoint::v3 as xds;
use gatewright_xds::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;

use super::cluster::DnsTarget;
use super::error::{FieldError, Within};
use super::listener::{host_and_port, socket_address};
use super::take::nothing_left;

/// Endpoints in the order in which they were sent.
pub(crate) type Endpoints = Arc<[EndpointEntry]>;

/// One endpoint as configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndpointEntry {
    pub(crate) address: SocketAddr,
    pub(crate) weight: u32,
    pub(crate) healthy: bool,
}

/// Reads endpoints that have IP addresses.
pub(crate) fn endpoints(message: xds::ClusterLoadAssignment) -> Result<Endpoints, FieldError> {
    let all = read(message)?;
    all.into_iter()
        .map(|(field, address, weight, healthy)| {
            let address = socket_address(address).within(format!("{field}.address"))?;
            if address.port() == 0 {
                return Err(FieldError::new(format!("{field}.address.socket_address.port_value"), "is 0"));
            }
            Ok(EndpointEntry { address, weight, healthy })
        })
        .collect()
}

/// Reads endpoints that have host names or IP addresses.
pub(super) fn dns_targets(message: xds::ClusterLoadAssignment) -> Result<Vec<DnsTarget>, FieldError> {
    let all = read(message)?;
    all.into_iter()
        .map(|(field, address, weight, _)| {
            let (host, port) = host_and_port(address).within(format!("{field}.address"))?;
            Ok(DnsTarget { host: host.into(), port, weight })
        })
        .collect()
}

type Read = (String, Option<Address>, u32, bool);

fn read(mut message: xds::ClusterLoadAssignment) -> Result<Vec<Read>, FieldError> {
    let mut all = Vec::new();
    for (group, mut locality) in std::mem::take(&mut message.endpoints).into_iter().enumerate() {
        for (index, endpoint) in std::mem::take(&mut locality.lb_endpoints).into_iter().enumerate() {
            let field = format!("endpoints[{group}].lb_endpoints[{index}]");
            let (address, weight, healthy) = one(endpoint).within(&field)?;
            all.push((format!("{field}.endpoint"), address, weight, healthy));
        }
        locality.locality = None;
        locality.metadata = None;
        // One locality needs no share of its own.
        locality.load_balancing_weight = None;
        nothing_left(&locality).within(format!("endpoints[{group}]"))?;
    }
    message.cluster_name.clear();
    nothing_left(&message)?;
    Ok(all)
}

fn one(mut message: xds::LbEndpoint) -> Result<(Option<Address>, u32, bool), FieldError> {
    let Some(HostIdentifier::Endpoint(mut endpoint)) = message.host_identifier.take() else {
        return Err(FieldError::missing("endpoint"));
    };
    let address = endpoint.address.take();
    endpoint.hostname.clear();
    nothing_left(&endpoint).within("endpoint")?;
    let weight = message.load_balancing_weight.take().map_or(1, |weight| weight.value);
    if weight == 0 {
        return Err(FieldError::new("load_balancing_weight", "is 0"));
    }
    let status = HealthStatus::try_from(std::mem::take(&mut message.health_status))
        .map_err(|_| FieldError::new("health_status", "has an unknown value"))?;
    let healthy = matches!(status, HealthStatus::Unknown | HealthStatus::Healthy | HealthStatus::Degraded);
    message.metadata = None;
    nothing_left(&message)?;
    Ok((address, weight, healthy))
}
