//! Listeners, and the route configurations behind them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use gatewright_ir::{Certificate, HostPattern, ListenerId, Scheme, SecretRef, TlsContext, TlsVersion};
use gatewright_xds::any;
use gatewright_xds::envoy::config::accesslog::v3::{AccessLog, access_log};
use gatewright_xds::envoy::config::core::v3::{
    Http1ProtocolOptions, SubstitutionFormatString, TransportSocket, substitution_format_string,
    transport_socket,
};
use gatewright_xds::envoy::config::listener::v3::listener::FcdsConfig;
use gatewright_xds::envoy::config::listener::v3::{
    Filter, FilterChain, FilterChainMatch, Listener, ListenerFilter, filter, listener_filter,
};
use gatewright_xds::envoy::config::rbac::v3::{
    Permission, Policy, Principal, Rbac as RbacRules, permission, principal, rbac,
};
use gatewright_xds::envoy::config::route::v3::{RouteConfiguration, Vhds, VirtualHost};
use gatewright_xds::envoy::extensions::access_loggers::stream::v3::{StdoutAccessLog, stdout_access_log};
use gatewright_xds::envoy::extensions::filters::http::cors::v3::Cors;
use gatewright_xds::envoy::extensions::filters::http::router::v3::Router;
use gatewright_xds::envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector;
use gatewright_xds::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, Rds, http_connection_manager, http_filter,
};
use gatewright_xds::envoy::extensions::filters::network::rbac::v3::Rbac;
use gatewright_xds::envoy::extensions::filters::network::tcp_proxy::v3::{TcpProxy, tcp_proxy};
use gatewright_xds::envoy::extensions::transport_sockets::tls::v3::{
    CommonTlsContext, DownstreamTlsContext, SdsSecretConfig, TlsCertificate, TlsParameters, tls_parameters,
};
use gatewright_xds::google::protobuf::{Any, Struct};
use gatewright_xds::names;

use super::{ads, socket_address};

/// Returns the name of the route configuration behind a listener.
pub(crate) fn routes_name(listener: ListenerId, address: SocketAddr) -> String {
    match listener.scheme {
        Scheme::Http => names::http_routes(address.port()),
        Scheme::Https => names::https_routes(address.port()),
    }
}

/// Emits a route configuration whose virtual hosts are resources of their own.
pub(crate) fn routes(name: &str) -> RouteConfiguration {
    RouteConfiguration { vhds: Some(Vhds { config_source: Some(ads()) }), ..static_routes(name, Vec::new()) }
}

/// Emits a route configuration that holds its virtual hosts.
pub(crate) fn static_routes(name: &str, virtual_hosts: Vec<VirtualHost>) -> RouteConfiguration {
    RouteConfiguration {
        name: name.to_owned(),
        virtual_hosts,
        validate_clusters: Some(false.into()),
        ignore_port_in_host_matching: true,
        ..RouteConfiguration::default()
    }
}

/// Where the filter chains of a listener get their parts from.
pub(crate) enum Parts<'a> {
    /// Routes and certificates over ADS.
    Ads,
    /// Routes and certificates inside the listener.
    Static { routes: &'a RouteConfiguration, certificates: &'a BTreeMap<SecretRef, TlsCertificate> },
}

/// Emits a listener. The filter chains of one with TLS come on their own, see [`chain`].
pub(crate) fn emit(id: ListenerId, address: SocketAddr, parts: &Parts<'_>) -> Listener {
    let manager = http(routes_name(id, address), address, parts);
    let chain = FilterChain { filters: vec![manager], ..FilterChain::default() };
    match id.scheme {
        Scheme::Http => listener(address, vec![chain], Vec::new()),
        Scheme::Https => {
            let inspector = ListenerFilter {
                name: "envoy.filters.listener.tls_inspector".to_owned(),
                config_type: Some(listener_filter::ConfigType::TypedConfig(any(&TlsInspector::default()))),
                ..ListenerFilter::default()
            };
            Listener {
                default_filter_chain: Some(chain),
                fcds_config: Some(FcdsConfig { config_source: Some(ads()), ..FcdsConfig::default() }),
                ..listener(address, Vec::new(), vec![inspector])
            }
        }
    }
}

/// Emits the filter chain of one server name. It has the filters of its listener, unless it has no certificate: then it
/// refuses.
pub(crate) fn chain(address: SocketAddr, context: &TlsContext, parts: &Parts<'_>) -> FilterChain {
    let TlsContext { host, certificate, min_version: _, max_version: _, ciphers: _ } = context;
    let names = FilterChainMatch { server_names: vec![host.to_string()], ..FilterChainMatch::default() };
    let transport_socket = match certificate {
        Certificate::Secret(secret) => transport(context, secret, parts),
        Certificate::Missing(_) | Certificate::External { .. } => None,
    };
    FilterChain {
        name: chain_name(address, host),
        filter_chain_match: (*host != HostPattern::Any).then_some(names),
        filters: if transport_socket.is_some() { Vec::new() } else { refuse_connections() },
        transport_socket,
        ..FilterChain::default()
    }
}

/// Returns the name of the filter chain for a server name.
pub(crate) fn chain_name(address: SocketAddr, host: &HostPattern) -> String {
    names::filter_chain(&names::listener(address.port()), &host.to_string())
}

fn listener(
    address: SocketAddr,
    filter_chains: Vec<FilterChain>,
    listener_filters: Vec<ListenerFilter>,
) -> Listener {
    Listener {
        name: names::listener(address.port()),
        address: Some(socket_address(&address.ip().to_string(), address.port())),
        filter_chains,
        listener_filters,
        ..Listener::default()
    }
}

/// Closes every connection: a host without certificate must not be served with another one's. Envoy wants a terminal
/// filter at the end of a chain, so a proxy to no cluster follows the denial.
fn refuse_connections() -> Vec<Filter> {
    let everybody = Policy {
        permissions: vec![Permission { rule: Some(permission::Rule::Any(true)) }],
        principals: vec![Principal { identifier: Some(principal::Identifier::Any(true)) }],
        ..Policy::default()
    };
    let rules = RbacRules {
        action: rbac::Action::Deny as i32,
        policies: BTreeMap::from([("no-certificate".to_owned(), everybody)]),
        ..RbacRules::default()
    };
    let config = Rbac { rules: Some(rules), stat_prefix: "no_certificate.".to_owned(), ..Rbac::default() };
    let nowhere = TcpProxy {
        stat_prefix: "no_certificate".to_owned(),
        cluster_specifier: Some(tcp_proxy::ClusterSpecifier::Cluster("no-certificate".to_owned())),
        ..TcpProxy::default()
    };
    vec![
        network_filter("envoy.filters.network.rbac", any(&config)),
        network_filter("envoy.filters.network.tcp_proxy", any(&nowhere)),
    ]
}

fn transport(context: &TlsContext, secret: &SecretRef, parts: &Parts<'_>) -> Option<TransportSocket> {
    let mut common = CommonTlsContext {
        alpn_protocols: vec!["h2".to_owned(), "http/1.1".to_owned()],
        tls_params: tls_parameters(context),
        ..CommonTlsContext::default()
    };
    match parts {
        Parts::Ads => common.tls_certificate_sds_secret_configs.push(SdsSecretConfig {
            name: names::secret(&secret.namespace, &secret.name),
            sds_config: Some(ads()),
        }),
        Parts::Static { certificates, .. } => common.tls_certificates.push(certificates.get(secret)?.clone()),
    }
    let config = DownstreamTlsContext { common_tls_context: Some(common), ..DownstreamTlsContext::default() };
    Some(TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(transport_socket::ConfigType::TypedConfig(any(&config))),
    })
}

fn tls_parameters(context: &TlsContext) -> Option<TlsParameters> {
    // Names and certificate are those of the filter chain.
    let TlsContext { host: _, certificate: _, min_version, max_version, ciphers } = context;
    if min_version.is_none() && max_version.is_none() && ciphers.is_empty() {
        return None;
    }
    let version = |version: Option<TlsVersion>| {
        use tls_parameters::TlsProtocol;
        match version {
            None => TlsProtocol::TlsAuto,
            Some(TlsVersion::V1_0) => TlsProtocol::TlSv10,
            Some(TlsVersion::V1_1) => TlsProtocol::TlSv11,
            Some(TlsVersion::V1_2) => TlsProtocol::TlSv12,
            Some(TlsVersion::V1_3) => TlsProtocol::TlSv13,
        }
    };
    Some(TlsParameters {
        tls_minimum_protocol_version: version(*min_version) as i32,
        tls_maximum_protocol_version: version(*max_version) as i32,
        cipher_suites: ciphers.clone(),
        ..TlsParameters::default()
    })
}

fn network_filter(name: &str, config: Any) -> Filter {
    Filter { name: name.to_owned(), config_type: Some(filter::ConfigType::TypedConfig(config)) }
}

/// The HTTP connection manager with Higress' settings.
fn http(route_config_name: String, address: SocketAddr, parts: &Parts<'_>) -> Filter {
    let route_specifier = match parts {
        Parts::Ads => http_connection_manager::RouteSpecifier::Rds(Rds {
            config_source: Some(ads()),
            route_config_name,
        }),
        Parts::Static { routes, .. } => {
            http_connection_manager::RouteSpecifier::RouteConfig((*routes).clone())
        }
    };
    let config = HttpConnectionManager {
        stat_prefix: format!("outbound_0.0.0.0_{}", address.port()),
        route_specifier: Some(route_specifier),
        http_filters: vec![
            http_filter("envoy.filters.http.cors", any(&Cors {})),
            http_filter("envoy.filters.http.router", any(&Router::default())),
        ],
        use_remote_address: Some(true.into()),
        normalize_path: Some(true.into()),
        path_with_escaped_slashes_action: http_connection_manager::PathWithEscapedSlashesAction::KeepUnchanged
            as i32,
        server_name: "istio-envoy".to_owned(),
        http_protocol_options: Some(Http1ProtocolOptions {
            accept_http_10: true,
            ..Http1ProtocolOptions::default()
        }),
        upgrade_configs: vec![http_connection_manager::UpgradeConfig {
            upgrade_type: "websocket".to_owned(),
            ..http_connection_manager::UpgradeConfig::default()
        }],
        access_log: vec![access_log()],
        ..HttpConnectionManager::default()
    };
    network_filter("envoy.filters.network.http_connection_manager", any(&config))
}

fn http_filter(name: &str, config: Any) -> HttpFilter {
    HttpFilter {
        name: name.to_owned(),
        config_type: Some(http_filter::ConfigType::TypedConfig(config)),
        ..HttpFilter::default()
    }
}

/// Fields of the access log with Envoy's command operators, under the names that Higress gives them.
const LOG_FIELDS: [(&str, &str); 17] = [
    ("authority", "%REQ(:AUTHORITY)%"),
    ("bytes_received", "%BYTES_RECEIVED%"),
    ("bytes_sent", "%BYTES_SENT%"),
    ("downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"),
    ("duration", "%DURATION%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("protocol", "%PROTOCOL%"),
    ("request_id", "%REQ(X-REQUEST-ID)%"),
    ("requested_server_name", "%REQUESTED_SERVER_NAME%"),
    ("response_code", "%RESPONSE_CODE%"),
    ("response_flags", "%RESPONSE_FLAGS%"),
    ("route_name", "%ROUTE_NAME%"),
    ("start_time", "%START_TIME%"),
    ("upstream_cluster", "%UPSTREAM_CLUSTER%"),
    ("upstream_host", "%UPSTREAM_HOST%"),
    ("user_agent", "%REQ(USER-AGENT)%"),
];

fn access_log() -> AccessLog {
    let fields = LOG_FIELDS
        .iter()
        .map(|(name, operator)| {
            ((*name).to_owned(), serde_json::Value::String((*operator).to_owned()).into())
        })
        .collect();
    let format = SubstitutionFormatString {
        format: Some(substitution_format_string::Format::JsonFormat(Struct { fields })),
        ..SubstitutionFormatString::default()
    };
    let config =
        StdoutAccessLog { access_log_format: Some(stdout_access_log::AccessLogFormat::LogFormat(format)) };
    AccessLog {
        name: "envoy.access_loggers.stdout".to_owned(),
        config_type: Some(access_log::ConfigType::TypedConfig(any(&config))),
        ..AccessLog::default()
    }
}
