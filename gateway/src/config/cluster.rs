//! Upstream clusters.

use std::sync::Arc;
use std::time::Duration;

use gatewright_xds::envoy::config::cluster::v3 as xds;
use gatewright_xds::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, CustomClusterType, DiscoveryType, DnsLookupFamily, LbPolicy,
};
use gatewright_xds::envoy::config::core::v3::RoutingPriority;
use gatewright_xds::envoy::extensions::clusters::aggregate::v3::ClusterConfig as AggregateConfig;
use gatewright_xds::envoy::extensions::upstreams::http::v3 as upstream;
use gatewright_xds::envoy::extensions::upstreams::http::v3::http_protocol_options::UpstreamProtocolOptions;
use gatewright_xds::envoy::extensions::upstreams::http::v3::http_protocol_options::explicit_http_config::ProtocolConfig;

use super::endpoints::{Endpoints, dns_targets, endpoints};
use super::error::{FieldError, Within};
use super::take::{ads, duration, name, nothing_left, unpack};
use super::upstream_tls::UpstreamTls;

const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const AGGREGATE: &str = "envoy.clusters.aggregate";

/// Envoy's defaults.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);
const CIRCUIT_LIMIT: u32 = 1024;
const RETRY_LIMIT: u32 = 3;

/// A group of endpoints and how they are spoken to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cluster {
    pub(crate) name: Arc<str>,
    pub(crate) discovery: Discovery,
    pub(crate) connect_timeout: Duration,
    pub(crate) balancing: LoadBalancing,
    pub(crate) limits: CircuitLimits,
    pub(crate) protocol: UpstreamProtocol,
    /// None in clear text.
    pub(crate) tls: Option<UpstreamTls>,
    /// An idle connection is closed after this time.
    pub(crate) idle_timeout: Option<Duration>,
}

/// Where endpoints come from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Discovery {
    /// From an endpoint resource of this name.
    Endpoints(Arc<str>),
    Static(Endpoints),
    /// Resolved by the gateway, again and again.
    Dns {
        targets: Vec<DnsTarget>,
        family: Family,
    },
    /// The first of these clusters that has a usable endpoint.
    Aggregate(Box<[Arc<str>]>),
}

/// A host to resolve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DnsTarget {
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
    pub(crate) weight: u32,
}

/// Which addresses of a host are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4Only,
    V6Only,
    /// The other family only where there is no address of this one.
    V4Preferred,
    V6Preferred,
    All,
}

/// How an endpoint is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoadBalancing {
    LeastRequest,
    RoundRobin,
    Random,
}

/// The protocol on the wire to the endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpstreamProtocol {
    Http1,
    Http2,
}

impl UpstreamProtocol {
    /// Returns the protocol's name in the negotiation of TLS.
    pub(crate) fn alpn(self) -> &'static [u8] {
        match self {
            Self::Http1 => b"http/1.1",
            Self::Http2 => b"h2",
        }
    }
}

/// Limits over all workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CircuitLimits {
    pub(crate) connections: u32,
    pub(crate) pending: u32,
    pub(crate) requests: u32,
    pub(crate) retries: u32,
}

impl Cluster {
    pub(crate) fn from_message(mut message: xds::Cluster) -> Result<Self, FieldError> {
        let name = name(std::mem::take(&mut message.name), "name")?;
        let discovery = discovery(&mut message, &name)?;
        let (protocol, idle_timeout) = http_options(&mut message)?;
        let tls = message.transport_socket.take().map(|socket| UpstreamTls::new(socket, protocol));
        let cluster = Self {
            name,
            balancing: balancing(&mut message, &discovery)?,
            discovery,
            connect_timeout: duration(message.connect_timeout.take(), "connect_timeout")?
                .unwrap_or(CONNECT_TIMEOUT),
            limits: limits(message.circuit_breakers.take().unwrap_or_default()).within("circuit_breakers")?,
            protocol,
            tls: tls.transpose().within("transport_socket")?,
            idle_timeout,
        };
        message.metadata = None;
        message.alt_stat_name.clear();
        nothing_left(&message)?;
        Ok(cluster)
    }
}

fn discovery(message: &mut xds::Cluster, name: &Arc<str>) -> Result<Discovery, FieldError> {
    let kind = message.cluster_discovery_type.take().unwrap_or(ClusterDiscoveryType::Type(0));
    let kind = match kind {
        ClusterDiscoveryType::ClusterType(custom) => return aggregate(custom).within("cluster_type"),
        ClusterDiscoveryType::Type(kind) => kind,
    };
    match DiscoveryType::try_from(kind) {
        Ok(DiscoveryType::Eds) => eds(message.eds_cluster_config.take(), name).within("eds_cluster_config"),
        Ok(DiscoveryType::Static) => {
            let assignment = message.load_assignment.take().unwrap_or_default();
            Ok(Discovery::Static(endpoints(assignment).within("load_assignment")?))
        }
        Ok(DiscoveryType::StrictDns) => dns(message),
        _ => Err(FieldError::new("type", "only EDS, STATIC and STRICT_DNS are supported")),
    }
}

fn eds(message: Option<xds::cluster::EdsClusterConfig>, name: &Arc<str>) -> Result<Discovery, FieldError> {
    let message = message.unwrap_or_default();
    ads(message.eds_config, "eds_config")?;
    let service = message.service_name;
    Ok(Discovery::Endpoints(if service.is_empty() { name.clone() } else { service.into() }))
}

fn dns(message: &mut xds::Cluster) -> Result<Discovery, FieldError> {
    let assignment = message.load_assignment.take().unwrap_or_default();
    let family = match DnsLookupFamily::try_from(std::mem::take(&mut message.dns_lookup_family)) {
        Ok(DnsLookupFamily::Auto) => Family::V6Preferred,
        Ok(DnsLookupFamily::V4Only) => Family::V4Only,
        Ok(DnsLookupFamily::V6Only) => Family::V6Only,
        Ok(DnsLookupFamily::V4Preferred) => Family::V4Preferred,
        Ok(DnsLookupFamily::All) => Family::All,
        Err(_) => return Err(FieldError::new("dns_lookup_family", "has an unknown value")),
    };
    Ok(Discovery::Dns { targets: dns_targets(assignment).within("load_assignment")?, family })
}

fn aggregate(message: CustomClusterType) -> Result<Discovery, FieldError> {
    if message.name != AGGREGATE {
        return Err(FieldError::new("name", format!("`{}` is not supported", message.name)));
    }
    let config: AggregateConfig = unpack(message.typed_config, "typed_config")?;
    if config.clusters.is_empty() {
        return Err(FieldError::missing("typed_config.clusters"));
    }
    Ok(Discovery::Aggregate(config.clusters.into_iter().map(Arc::from).collect()))
}

fn balancing(message: &mut xds::Cluster, discovery: &Discovery) -> Result<LoadBalancing, FieldError> {
    let policy = LbPolicy::try_from(std::mem::take(&mut message.lb_policy));
    match (policy, discovery) {
        (Ok(LbPolicy::ClusterProvided), Discovery::Aggregate(_)) => Ok(LoadBalancing::RoundRobin),
        (_, Discovery::Aggregate(_)) => Err(FieldError::new("lb_policy", "must be CLUSTER_PROVIDED")),
        (Ok(LbPolicy::RoundRobin), _) => Ok(LoadBalancing::RoundRobin),
        (Ok(LbPolicy::LeastRequest), _) => Ok(LoadBalancing::LeastRequest),
        (Ok(LbPolicy::Random), _) => Ok(LoadBalancing::Random),
        _ => Err(FieldError::new("lb_policy", "only ROUND_ROBIN, LEAST_REQUEST and RANDOM are supported")),
    }
}

fn limits(message: xds::CircuitBreakers) -> Result<CircuitLimits, FieldError> {
    if !message.per_host_thresholds.is_empty() {
        return Err(FieldError::unsupported("per_host_thresholds"));
    }
    let mut limits = CircuitLimits {
        connections: CIRCUIT_LIMIT,
        pending: CIRCUIT_LIMIT,
        requests: CIRCUIT_LIMIT,
        retries: RETRY_LIMIT,
    };
    for (index, mut message) in message.thresholds.into_iter().enumerate() {
        // No route asks for another priority than the default one.
        if message.priority != RoutingPriority::Default as i32 {
            continue;
        }
        let value = |field: &mut Option<gatewright_xds::google::protobuf::UInt32Value>, default| {
            field.take().map_or(default, |value| value.value)
        };
        limits = CircuitLimits {
            connections: value(&mut message.max_connections, limits.connections),
            pending: value(&mut message.max_pending_requests, limits.pending),
            requests: value(&mut message.max_requests, limits.requests),
            retries: value(&mut message.max_retries, limits.retries),
        };
        message.track_remaining = false;
        nothing_left(&message).within(format!("thresholds[{index}]"))?;
    }
    Ok(limits)
}

fn http_options(message: &mut xds::Cluster) -> Result<(UpstreamProtocol, Option<Duration>), FieldError> {
    let Some(any) = message.typed_extension_protocol_options.remove(HTTP_OPTIONS) else {
        return Ok((UpstreamProtocol::Http1, Some(IDLE_TIMEOUT)));
    };
    let field = format!("typed_extension_protocol_options[{HTTP_OPTIONS}]");
    let options: upstream::HttpProtocolOptions = unpack(Some(any), &field)?;
    read_http_options(options).within(field)
}

fn read_http_options(
    mut options: upstream::HttpProtocolOptions,
) -> Result<(UpstreamProtocol, Option<Duration>), FieldError> {
    let explicit = match options.upstream_protocol_options.take() {
        Some(UpstreamProtocolOptions::ExplicitHttpConfig(config)) => config.protocol_config,
        _ => return Err(FieldError::new("upstream_protocol_options", "use explicit_http_config")),
    };
    let protocol = match explicit {
        None => UpstreamProtocol::Http1,
        Some(ProtocolConfig::HttpProtocolOptions(rest)) => {
            nothing_left(&rest).within("explicit_http_config.http_protocol_options")?;
            UpstreamProtocol::Http1
        }
        Some(ProtocolConfig::Http2ProtocolOptions(rest)) => {
            nothing_left(&rest).within("explicit_http_config.http2_protocol_options")?;
            UpstreamProtocol::Http2
        }
        Some(ProtocolConfig::Http3ProtocolOptions(_)) => {
            return Err(FieldError::unsupported("explicit_http_config.http3_protocol_options"));
        }
    };
    let mut common = options.common_http_protocol_options.take().unwrap_or_default();
    let field = "common_http_protocol_options";
    let idle = duration(common.idle_timeout.take(), "idle_timeout").within(field)?.unwrap_or(IDLE_TIMEOUT);
    nothing_left(&common).within(field)?;
    nothing_left(&options)?;
    Ok((protocol, (!idle.is_zero()).then_some(idle)))
}
