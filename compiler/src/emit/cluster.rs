//! Upstream clusters, their endpoints, and the aggregates that make a fallback.

use std::collections::BTreeMap;
use std::time::Duration;

use gatewright_ir::{
    ClusterName, Discovery, Endpoint, EndpointSet, LoadBalancing, UpstreamCluster, UpstreamProtocol,
};
use gatewright_xds::any;
use gatewright_xds::envoy::config::cluster::v3::{CircuitBreakers, Cluster, circuit_breakers, cluster};
use gatewright_xds::envoy::config::core::v3::{HealthStatus, Http1ProtocolOptions, Http2ProtocolOptions};
use gatewright_xds::envoy::config::endpoint::v3::{
    self as endpoint, ClusterLoadAssignment, LocalityLbEndpoints,
};
use gatewright_xds::envoy::extensions::clusters::aggregate::v3::ClusterConfig;
use gatewright_xds::envoy::extensions::upstreams::http::v3::{HttpProtocolOptions, http_protocol_options};
use gatewright_xds::names;

use super::{Delivery, ads, socket_address};

/// Istio's mesh default.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Higress' `defaultUpstreamConcurrencyThreshold`.
const CONCURRENCY: u32 = 10_000;

/// Emits a cluster. Where everything is static, `endpoints` stand inside it.
pub(crate) fn emit(model: &UpstreamCluster, endpoints: Option<&EndpointSet>, delivery: Delivery) -> Cluster {
    let UpstreamCluster { name, discovery: supply, protocol, load_balancing } = model;
    let mut emitted = Cluster {
        name: name.0.to_string(),
        connect_timeout: Some(CONNECT_TIMEOUT.into()),
        lb_policy: match load_balancing {
            LoadBalancing::LeastRequest => cluster::LbPolicy::LeastRequest,
            LoadBalancing::RoundRobin => cluster::LbPolicy::RoundRobin,
            LoadBalancing::Random => cluster::LbPolicy::Random,
        } as i32,
        circuit_breakers: Some(limits()),
        typed_extension_protocol_options: BTreeMap::from([(
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions".to_owned(),
            any(&protocol_options(*protocol)),
        )]),
        ..Cluster::default()
    };
    match (supply, delivery) {
        (Discovery::Dns(addresses), _) => {
            discovery(&mut emitted, cluster::DiscoveryType::StrictDns);
            emitted.dns_lookup_family = cluster::DnsLookupFamily::V4Preferred as i32;
            emitted.load_assignment = Some(assignment(name, addresses));
        }
        (Discovery::Endpoints, Delivery::Static) => {
            discovery(&mut emitted, cluster::DiscoveryType::Static);
            let addresses = endpoints.map_or(&[][..], |set| set.endpoints.as_slice());
            emitted.load_assignment = Some(assignment(name, addresses));
        }
        (Discovery::Endpoints, Delivery::Ads) => {
            discovery(&mut emitted, cluster::DiscoveryType::Eds);
            emitted.eds_cluster_config =
                Some(cluster::EdsClusterConfig { eds_config: Some(ads()), service_name: name.0.to_string() });
        }
    }
    emitted
}

fn discovery(cluster: &mut Cluster, kind: cluster::DiscoveryType) {
    cluster.cluster_discovery_type = Some(cluster::ClusterDiscoveryType::Type(kind as i32));
}

/// Emits the endpoints of a cluster as a resource of their own.
pub(crate) fn emit_endpoints(name: &ClusterName, endpoints: &EndpointSet) -> ClusterLoadAssignment {
    assignment(name, &endpoints.endpoints)
}

/// Emits the cluster that asks `members` in turn: a primary and its fallbacks.
pub(crate) fn emit_aggregate(members: &[ClusterName]) -> Cluster {
    let texts: Vec<&str> = members.iter().map(|name| &*name.0).collect();
    let (primary, fallbacks) = texts.split_first().map_or(("", &[][..]), |(first, rest)| (*first, rest));
    Cluster {
        name: names::aggregate_fallback(primary, fallbacks),
        connect_timeout: Some(CONNECT_TIMEOUT.into()),
        lb_policy: cluster::LbPolicy::ClusterProvided as i32,
        cluster_discovery_type: Some(cluster::ClusterDiscoveryType::ClusterType(
            cluster::CustomClusterType {
                name: "envoy.clusters.aggregate".to_owned(),
                typed_config: Some(any(&ClusterConfig {
                    clusters: texts.iter().map(|name| (*name).to_owned()).collect(),
                })),
            },
        )),
        ..Cluster::default()
    }
}

fn limits() -> CircuitBreakers {
    CircuitBreakers {
        thresholds: vec![circuit_breakers::Thresholds {
            max_connections: Some(CONCURRENCY.into()),
            max_pending_requests: Some(CONCURRENCY.into()),
            max_requests: Some(CONCURRENCY.into()),
            max_retries: Some(CONCURRENCY.into()),
            ..circuit_breakers::Thresholds::default()
        }],
        per_host_thresholds: Vec::new(),
    }
}

fn protocol_options(protocol: UpstreamProtocol) -> HttpProtocolOptions {
    use http_protocol_options::explicit_http_config::ProtocolConfig;
    let config = match protocol {
        UpstreamProtocol::Http1 => ProtocolConfig::HttpProtocolOptions(Http1ProtocolOptions::default()),
        UpstreamProtocol::Http2 => ProtocolConfig::Http2ProtocolOptions(Http2ProtocolOptions::default()),
    };
    HttpProtocolOptions {
        upstream_protocol_options: Some(http_protocol_options::UpstreamProtocolOptions::ExplicitHttpConfig(
            http_protocol_options::ExplicitHttpConfig { protocol_config: Some(config) },
        )),
        ..HttpProtocolOptions::default()
    }
}

fn lb_endpoint(model: &Endpoint) -> endpoint::LbEndpoint {
    let Endpoint { address, port, weight, healthy } = model;
    endpoint::LbEndpoint {
        host_identifier: Some(endpoint::lb_endpoint::HostIdentifier::Endpoint(endpoint::Endpoint {
            address: Some(socket_address(address, *port)),
            ..endpoint::Endpoint::default()
        })),
        // Envoy's defaults are a weight of 1 and an unknown health, which counts as healthy.
        load_balancing_weight: (*weight != 1).then(|| (*weight).into()),
        health_status: if *healthy { HealthStatus::Unknown } else { HealthStatus::Unhealthy } as i32,
        ..endpoint::LbEndpoint::default()
    }
}

fn assignment(name: &ClusterName, addresses: &[Endpoint]) -> ClusterLoadAssignment {
    let lb_endpoints: Vec<endpoint::LbEndpoint> = addresses.iter().map(lb_endpoint).collect();
    let localities = if lb_endpoints.is_empty() {
        Vec::new()
    } else {
        vec![LocalityLbEndpoints { lb_endpoints, ..LocalityLbEndpoints::default() }]
    };
    ClusterLoadAssignment {
        cluster_name: name.0.to_string(),
        endpoints: localities,
        ..ClusterLoadAssignment::default()
    }
}
