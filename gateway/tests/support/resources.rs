//! xDS resources as the compiler emits them, made short.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use gatewright_testkit::certs::Identity;
use gatewright_xds::envoy::config::accesslog::v3::AccessLog;
use gatewright_xds::envoy::config::cluster::v3::{self as cluster, Cluster, circuit_breakers};
use gatewright_xds::envoy::config::core::v3::{
    self as core, Address, ConfigSource, DataSource, HeaderValue, HeaderValueOption, SocketAddress,
    TransportSocket,
};
use gatewright_xds::envoy::config::endpoint::v3::{self as endpoint, ClusterLoadAssignment};
use gatewright_xds::envoy::config::listener::v3::{
    Filter, FilterChain, FilterChainMatch, Listener, ListenerFilter, filter, listener_filter,
};
use gatewright_xds::envoy::config::rbac::v3::{self as rbac, Permission, Policy, Principal};
use gatewright_xds::envoy::config::route::v3::{
    self as route, Route, RouteAction, RouteConfiguration, VirtualHost,
};
use gatewright_xds::envoy::extensions::filters::http::cors::v3::Cors;
use gatewright_xds::envoy::extensions::filters::http::router::v3::Router;
use gatewright_xds::envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector;
use gatewright_xds::envoy::extensions::filters::network::http_connection_manager::v3::{
    self as hcm, HttpConnectionManager, HttpFilter, Rds,
};
use gatewright_xds::envoy::extensions::filters::network::rbac::v3::Rbac;
use gatewright_xds::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, DownstreamTlsContext, SdsSecretConfig, Secret,
    TlsCertificate, UpstreamTlsContext, secret,
};
use gatewright_xds::envoy::extensions::upstreams::http::v3::{HttpProtocolOptions, http_protocol_options};
use gatewright_xds::google::protobuf::Any;
use gatewright_xds::{Resource, any};

/// The clear-text listener and its routes.
pub const HTTP: &str = "0.0.0.0_80";
pub const HTTP_ROUTES: &str = "http.80";
/// The TLS listener and its routes.
pub const HTTPS: &str = "0.0.0.0_443";
pub const HTTPS_ROUTES: &str = "https.443";

pub fn ads() -> ConfigSource {
    ConfigSource {
        resource_api_version: core::ApiVersion::V3 as i32,
        config_source_specifier: Some(core::config_source::ConfigSourceSpecifier::Ads(Default::default())),
        ..ConfigSource::default()
    }
}

pub fn socket_address(address: &str, port: u16) -> Address {
    Address {
        address: Some(core::address::Address::SocketAddress(SocketAddress {
            address: address.to_owned(),
            port_specifier: Some(core::socket_address::PortSpecifier::PortValue(port.into())),
            ..SocketAddress::default()
        })),
    }
}

/// The connection manager for a route configuration; `filters` come before the router.
pub fn manager(routes: &str, filters: Vec<HttpFilter>) -> HttpConnectionManager {
    let mut http_filters = filters;
    http_filters.push(http_filter("envoy.filters.http.router", any(&Router::default())));
    HttpConnectionManager {
        stat_prefix: "outbound_0.0.0.0_80".to_owned(),
        route_specifier: Some(hcm::http_connection_manager::RouteSpecifier::Rds(Rds {
            config_source: Some(ads()),
            route_config_name: routes.to_owned(),
        })),
        http_filters,
        use_remote_address: Some(true.into()),
        normalize_path: Some(true.into()),
        path_with_escaped_slashes_action: 1,
        server_name: "istio-envoy".to_owned(),
        http_protocol_options: Some(core::Http1ProtocolOptions {
            accept_http_10: true,
            ..Default::default()
        }),
        upgrade_configs: vec![hcm::http_connection_manager::UpgradeConfig {
            upgrade_type: "websocket".to_owned(),
            ..Default::default()
        }],
        access_log: vec![AccessLog::default()],
        ..HttpConnectionManager::default()
    }
}

pub fn http_filter(name: &str, config: Any) -> HttpFilter {
    HttpFilter {
        name: name.to_owned(),
        config_type: Some(hcm::http_filter::ConfigType::TypedConfig(config)),
        ..HttpFilter::default()
    }
}

pub fn cors_filter() -> HttpFilter {
    http_filter("envoy.filters.http.cors", any(&Cors::default()))
}

fn network_filter(config: Any) -> Filter {
    Filter { name: "filter".to_owned(), config_type: Some(filter::ConfigType::TypedConfig(config)) }
}

/// A clear-text listener with this connection manager on a free port.
pub fn listener_with(name: &str, port: u16, manager: &HttpConnectionManager) -> Listener {
    Listener {
        name: name.to_owned(),
        address: Some(socket_address("127.0.0.1", port)),
        filter_chains: vec![FilterChain {
            filters: vec![network_filter(any(manager))],
            ..FilterChain::default()
        }],
        ..Listener::default()
    }
}

/// The clear-text listener with CORS and router.
pub fn listener() -> Resource {
    Resource::of(&listener_with(HTTP, 0, &manager(HTTP_ROUTES, vec![cors_filter()])))
}

/// A chain of the TLS listener: server names and, where there is one, the name of the secret.
pub fn tls_chain(names: &[&str], secret: Option<&str>) -> FilterChain {
    let filter_chain_match = (!names.is_empty()).then(|| FilterChainMatch {
        server_names: names.iter().map(ToString::to_string).collect(),
        ..FilterChainMatch::default()
    });
    let Some(secret) = secret else {
        return FilterChain { filter_chain_match, filters: vec![refuse()], ..FilterChain::default() };
    };
    let context = DownstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            alpn_protocols: vec!["h2".to_owned(), "http/1.1".to_owned()],
            tls_certificate_sds_secret_configs: vec![SdsSecretConfig {
                name: secret.to_owned(),
                sds_config: Some(ads()),
            }],
            ..CommonTlsContext::default()
        }),
        ..DownstreamTlsContext::default()
    };
    FilterChain {
        filter_chain_match,
        filters: vec![network_filter(any(&manager(HTTPS_ROUTES, vec![cors_filter()])))],
        transport_socket: Some(TransportSocket {
            name: "envoy.transport_sockets.tls".to_owned(),
            config_type: Some(core::transport_socket::ConfigType::TypedConfig(any(&context))),
        }),
        ..FilterChain::default()
    }
}

fn refuse() -> Filter {
    let policy = Policy {
        permissions: vec![Permission { rule: Some(rbac::permission::Rule::Any(true)) }],
        principals: vec![Principal { identifier: Some(rbac::principal::Identifier::Any(true)) }],
        ..Policy::default()
    };
    let rules = rbac::Rbac {
        action: rbac::rbac::Action::Deny as i32,
        policies: [("nobody".to_owned(), policy)].into(),
        ..rbac::Rbac::default()
    };
    network_filter(any(&Rbac { rules: Some(rules), stat_prefix: "refused".to_owned(), ..Rbac::default() }))
}

pub fn tls_listener(chains: Vec<FilterChain>) -> Resource {
    Resource::of(&Listener {
        name: HTTPS.to_owned(),
        address: Some(socket_address("127.0.0.1", 0)),
        filter_chains: chains,
        listener_filters: vec![ListenerFilter {
            name: "envoy.filters.listener.tls_inspector".to_owned(),
            config_type: Some(listener_filter::ConfigType::TypedConfig(any(&TlsInspector::default()))),
            ..ListenerFilter::default()
        }],
        ..Listener::default()
    })
}

pub fn secret(name: &str, identity: &Identity) -> Resource {
    Resource::of(&Secret {
        name: name.to_owned(),
        r#type: Some(secret::Type::TlsCertificate(TlsCertificate {
            certificate_chain: Some(inline(&identity.certificate)),
            private_key: Some(inline(&identity.key)),
            ..TlsCertificate::default()
        })),
    })
}

/// A secret that holds an authority.
pub fn authority_secret(name: &str, pem: &str) -> Resource {
    let validation = CertificateValidationContext {
        trusted_ca: Some(inline(pem)),
        ..CertificateValidationContext::default()
    };
    Resource::of(&Secret { name: name.to_owned(), r#type: Some(secret::Type::ValidationContext(validation)) })
}

pub fn inline(text: &str) -> DataSource {
    DataSource {
        specifier: Some(core::data_source::Specifier::InlineBytes(text.as_bytes().to_vec())),
        ..DataSource::default()
    }
}

/// How a secret is named.
pub fn sds(name: &str) -> SdsSecretConfig {
    SdsSecretConfig { name: name.to_owned(), sds_config: Some(ads()) }
}

/// A cluster behind TLS and its endpoints.
pub fn upstream_tls(
    name: &str,
    addresses: &[SocketAddr],
    http2: bool,
    context: &UpstreamTlsContext,
) -> Vec<Resource> {
    let socket = TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(core::transport_socket::ConfigType::TypedConfig(any(context))),
    };
    let cluster = Cluster { transport_socket: Some(socket), ..eds_cluster(name, http2) };
    vec![Resource::of(&cluster), endpoints(name, addresses)]
}

/// A route configuration whose hosts come on their own.
pub fn routes(name: &str) -> Resource {
    Resource::of(&RouteConfiguration {
        name: name.to_owned(),
        vhds: Some(route::Vhds { config_source: Some(ads()) }),
        validate_clusters: Some(false.into()),
        ignore_port_in_host_matching: true,
        ..RouteConfiguration::default()
    })
}

pub fn host(routes_name: &str, domain: &str, routes: Vec<Route>) -> Resource {
    Resource::of(&VirtualHost {
        name: format!("{routes_name}/{domain}"),
        domains: vec![domain.to_owned()],
        routes,
        ..VirtualHost::default()
    })
}

pub fn prefix(path: &str) -> route::RouteMatch {
    route::RouteMatch {
        path_specifier: Some(route::route_match::PathSpecifier::Prefix(path.to_owned())),
        ..route::RouteMatch::default()
    }
}

pub fn exact(path: &str) -> route::RouteMatch {
    route::RouteMatch {
        path_specifier: Some(route::route_match::PathSpecifier::Path(path.to_owned())),
        ..route::RouteMatch::default()
    }
}

/// What a route to one cluster does, without limit of time.
pub fn forward(cluster: &str) -> RouteAction {
    RouteAction {
        timeout: Some(std::time::Duration::ZERO.into()),
        cluster_specifier: Some(route::route_action::ClusterSpecifier::Cluster(cluster.to_owned())),
        ..RouteAction::default()
    }
}

pub fn to(matches: route::RouteMatch, action: RouteAction) -> Route {
    Route {
        name: "test/route".to_owned(),
        r#match: Some(matches),
        action: Some(route::route::Action::Route(action)),
        ..Route::default()
    }
}

pub fn set(name: &str, value: &str) -> HeaderValueOption {
    edit(name, value, core::header_value_option::HeaderAppendAction::OverwriteIfExistsOrAdd)
}

pub fn add(name: &str, value: &str) -> HeaderValueOption {
    edit(name, value, core::header_value_option::HeaderAppendAction::AppendIfExistsOrAdd)
}

fn edit(name: &str, value: &str, action: core::header_value_option::HeaderAppendAction) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue { key: name.to_owned(), value: value.to_owned(), ..HeaderValue::default() }),
        append_action: action as i32,
        ..HeaderValueOption::default()
    }
}

/// A cluster whose endpoints come on their own.
pub fn eds_cluster(name: &str, http2: bool) -> Cluster {
    use http_protocol_options::explicit_http_config::ProtocolConfig;
    let protocol = match http2 {
        true => ProtocolConfig::Http2ProtocolOptions(Default::default()),
        false => ProtocolConfig::HttpProtocolOptions(Default::default()),
    };
    let options = HttpProtocolOptions {
        upstream_protocol_options: Some(http_protocol_options::UpstreamProtocolOptions::ExplicitHttpConfig(
            http_protocol_options::ExplicitHttpConfig { protocol_config: Some(protocol) },
        )),
        ..HttpProtocolOptions::default()
    };
    Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(cluster::cluster::ClusterDiscoveryType::Type(
            cluster::cluster::DiscoveryType::Eds as i32,
        )),
        eds_cluster_config: Some(cluster::cluster::EdsClusterConfig {
            eds_config: Some(ads()),
            service_name: name.to_owned(),
        }),
        connect_timeout: Some(std::time::Duration::from_secs(10).into()),
        lb_policy: cluster::cluster::LbPolicy::LeastRequest as i32,
        circuit_breakers: Some(cluster::CircuitBreakers {
            thresholds: vec![circuit_breakers::Thresholds {
                max_connections: Some(10_000.into()),
                max_pending_requests: Some(10_000.into()),
                max_requests: Some(10_000.into()),
                max_retries: Some(10_000.into()),
                ..Default::default()
            }],
            ..Default::default()
        }),
        typed_extension_protocol_options: BTreeMap::from([(
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions".to_owned(),
            any(&options),
        )]),
        ..Cluster::default()
    }
}

pub fn endpoints(name: &str, addresses: &[SocketAddr]) -> Resource {
    Resource::of(&assignment(name, addresses))
}

pub fn assignment(name: &str, addresses: &[SocketAddr]) -> ClusterLoadAssignment {
    let lb_endpoints = addresses
        .iter()
        .map(|address| endpoint::LbEndpoint {
            host_identifier: Some(endpoint::lb_endpoint::HostIdentifier::Endpoint(endpoint::Endpoint {
                address: Some(socket_address(&address.ip().to_string(), address.port())),
                ..endpoint::Endpoint::default()
            })),
            ..endpoint::LbEndpoint::default()
        })
        .collect();
    ClusterLoadAssignment {
        cluster_name: name.to_owned(),
        endpoints: vec![endpoint::LocalityLbEndpoints { lb_endpoints, ..Default::default() }],
        ..ClusterLoadAssignment::default()
    }
}

/// A cluster and its endpoints.
pub fn upstream(name: &str, addresses: &[SocketAddr]) -> Vec<Resource> {
    vec![Resource::of(&eds_cluster(name, false)), endpoints(name, addresses)]
}

pub fn upstream_http2(name: &str, addresses: &[SocketAddr]) -> Vec<Resource> {
    vec![Resource::of(&eds_cluster(name, true)), endpoints(name, addresses)]
}

/// Listener, route configuration, one host for all names with these routes, and further resources.
pub fn world(hosts: Vec<Resource>, upstreams: Vec<Vec<Resource>>) -> Vec<Resource> {
    let mut all = vec![listener(), routes(HTTP_ROUTES)];
    all.extend(hosts);
    all.extend(upstreams.into_iter().flatten());
    all
}
