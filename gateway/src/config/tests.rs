//! Conversions name the field that they refuse.

use gatewright_xds::any;
use gatewright_xds::envoy::config::cluster::v3 as cluster;
use gatewright_xds::envoy::config::core::v3 as core;
use gatewright_xds::envoy::config::endpoint::v3 as endpoint;
use gatewright_xds::envoy::config::listener::v3 as listener;
use gatewright_xds::envoy::config::route::v3 as route;
use gatewright_xds::envoy::extensions::filters::http::router::v3::Router;
use gatewright_xds::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;
use gatewright_xds::envoy::extensions::transport_sockets::tls::v3 as tls;

use super::*;
use crate::stream::Loader;

fn path_of<T: std::fmt::Debug>(result: Result<T, FieldError>) -> String {
    result.unwrap_err().path().to_owned()
}

fn ads() -> Option<core::ConfigSource> {
    let ads = core::config_source::ConfigSourceSpecifier::Ads(core::AggregatedConfigSource::default());
    Some(core::ConfigSource { config_source_specifier: Some(ads), ..core::ConfigSource::default() })
}

fn address(host: &str, port: u32) -> Option<core::Address> {
    Some(core::Address {
        address: Some(core::address::Address::SocketAddress(core::SocketAddress {
            address: host.to_owned(),
            port_specifier: Some(core::socket_address::PortSpecifier::PortValue(port)),
            ..core::SocketAddress::default()
        })),
    })
}

fn eds() -> cluster::Cluster {
    cluster::Cluster {
        name: "a".to_owned(),
        cluster_discovery_type: Some(cluster::cluster::ClusterDiscoveryType::Type(3)),
        eds_cluster_config: Some(cluster::cluster::EdsClusterConfig {
            eds_config: ads(),
            ..Default::default()
        }),
        ..cluster::Cluster::default()
    }
}

#[test]
fn clusters_name_what_is_wrong() {
    let check = |edit: fn(&mut cluster::Cluster), path: &str| {
        let mut message = eds();
        edit(&mut message);
        assert_eq!(path_of(Cluster::from_message(message)), path);
    };
    assert_eq!(Cluster::from_message(eds()).unwrap().discovery, Discovery::Endpoints("a".into()));
    check(|m| m.name.clear(), "name");
    check(|m| m.eds_cluster_config = None, "eds_cluster_config.eds_config");
    check(|m| m.lb_policy = 2, "lb_policy");
    check(|m| m.cluster_discovery_type = Some(cluster::cluster::ClusterDiscoveryType::Type(2)), "type");
    check(|m| m.health_checks.push(Default::default()), "health_checks");
    check(|m| m.transport_socket = Some(Default::default()), "transport_socket.typed_config");
    check(
        |m| m.connect_timeout = Some(gatewright_xds::google::protobuf::Duration { seconds: -1, nanos: 0 }),
        "connect_timeout",
    );
    check(
        |m| {
            let thresholds = cluster::circuit_breakers::Thresholds {
                retry_budget: Some(Default::default()),
                ..Default::default()
            };
            m.circuit_breakers =
                Some(cluster::CircuitBreakers { thresholds: vec![thresholds], ..Default::default() });
        },
        "circuit_breakers.thresholds[0].retry_budget",
    );
}

#[test]
fn endpoints_must_have_addresses() {
    let check = |host: &str, port: u32, edit: fn(&mut endpoint::LbEndpoint)| {
        let mut one = endpoint::LbEndpoint {
            host_identifier: Some(endpoint::lb_endpoint::HostIdentifier::Endpoint(endpoint::Endpoint {
                address: address(host, port),
                ..endpoint::Endpoint::default()
            })),
            ..endpoint::LbEndpoint::default()
        };
        edit(&mut one);
        endpoints(endpoint::ClusterLoadAssignment {
            endpoints: vec![endpoint::LocalityLbEndpoints { lb_endpoints: vec![one], ..Default::default() }],
            ..endpoint::ClusterLoadAssignment::default()
        })
    };
    let field = "endpoints[0].lb_endpoints[0]";
    assert_eq!(check("::1", 80, |_| {}).unwrap()[0].address.to_string(), "[::1]:80");
    assert_eq!(
        path_of(check("name", 80, |_| {})),
        format!("{field}.endpoint.address.socket_address.address")
    );
    assert_eq!(
        path_of(check("::1", 70_000, |_| {})),
        format!("{field}.endpoint.address.socket_address.port_value")
    );
    assert_eq!(
        path_of(check("::1", 80, |one| one.load_balancing_weight = Some(0.into()))),
        format!("{field}.load_balancing_weight")
    );
    assert!(!check("::1", 80, |one| one.health_status = 2).unwrap()[0].healthy);
}

fn host(edit: fn(&mut route::VirtualHost)) -> Result<VirtualHost, FieldError> {
    let prefix = route::route_match::PathSpecifier::Prefix("/".to_owned());
    let forward = route::RouteAction {
        cluster_specifier: Some(route::route_action::ClusterSpecifier::Cluster("a".to_owned())),
        ..route::RouteAction::default()
    };
    let mut message = route::VirtualHost {
        name: "r/a".to_owned(),
        domains: vec!["a".to_owned()],
        routes: vec![route::Route {
            r#match: Some(route::RouteMatch { path_specifier: Some(prefix), ..Default::default() }),
            action: Some(route::route::Action::Route(forward)),
            ..route::Route::default()
        }],
        ..route::VirtualHost::default()
    };
    edit(&mut message);
    VirtualHost::new(message, &Loader::new(crate::filters::standard()))
}

fn forward(message: &mut route::VirtualHost) -> &mut route::RouteAction {
    match &mut message.routes[0].action {
        Some(route::route::Action::Route(action)) => action,
        other => panic!("{other:?}"),
    }
}

#[test]
fn hosts_and_routes_name_what_is_wrong() {
    assert!(host(|_| {}).is_ok());
    let check = |edit: fn(&mut route::VirtualHost), path: &str| assert_eq!(path_of(host(edit)), path);
    check(|m| m.domains.clear(), "domains");
    check(|m| m.domains[0] = "a.*".to_owned(), "domains[0]");
    check(|m| m.require_tls = 1, "require_tls");
    check(|m| m.routes[0].action = None, "routes[0].action");
    check(|m| m.routes[0].r#match.as_mut().unwrap().path_specifier = None, "routes[0].match.path_specifier");
    check(
        |m| m.routes[0].r#match.as_mut().unwrap().cookies.push(Default::default()),
        "routes[0].match.cookies",
    );
    check(
        |m| forward(m).request_mirror_policies.push(Default::default()),
        "routes[0].route.request_mirror_policies",
    );
    check(
        |m| {
            forward(m).cluster_specifier =
                Some(route::route_action::ClusterSpecifier::WeightedClusters(Default::default()));
        },
        "routes[0].route.weighted_clusters.clusters",
    );
    check(
        |m| {
            let policy = route::RetryPolicy { retry_on: "5xx,moon-phase".to_owned(), ..Default::default() };
            forward(m).retry_policy = Some(policy);
        },
        "routes[0].route.retry_policy.retry_on",
    );
    check(
        |m| {
            let policy = route::RetryPolicy { retry_on: "moon-phase".to_owned(), ..Default::default() };
            m.retry_policy = Some(policy);
        },
        "retry_policy.retry_on",
    );
    check(
        |m| drop(m.routes[0].typed_per_filter_config.insert("x".to_owned(), any(&Router::default()))),
        "routes[0].typed_per_filter_config[x].type_url",
    );
}

fn chain(names: &[&str]) -> listener::FilterChain {
    let router = hcm::HttpFilter {
        config_type: Some(hcm::http_filter::ConfigType::TypedConfig(any(&Router::default()))),
        ..hcm::HttpFilter::default()
    };
    let manager = hcm::HttpConnectionManager {
        route_specifier: Some(hcm::http_connection_manager::RouteSpecifier::Rds(hcm::Rds {
            config_source: ads(),
            route_config_name: "r".to_owned(),
        })),
        http_filters: vec![router],
        ..hcm::HttpConnectionManager::default()
    };
    let context = tls::DownstreamTlsContext {
        common_tls_context: Some(tls::CommonTlsContext {
            tls_certificate_sds_secret_configs: vec![tls::SdsSecretConfig {
                name: "s".to_owned(),
                sds_config: ads(),
            }],
            ..tls::CommonTlsContext::default()
        }),
        ..tls::DownstreamTlsContext::default()
    };
    listener::FilterChain {
        filter_chain_match: Some(listener::FilterChainMatch {
            server_names: names.iter().map(ToString::to_string).collect(),
            ..Default::default()
        }),
        filters: vec![listener::Filter {
            config_type: Some(listener::filter::ConfigType::TypedConfig(any(&manager))),
            ..Default::default()
        }],
        transport_socket: Some(core::TransportSocket {
            config_type: Some(core::transport_socket::ConfigType::TypedConfig(any(&context))),
            ..Default::default()
        }),
        ..listener::FilterChain::default()
    }
}

fn listen(chains: Vec<listener::FilterChain>) -> Result<Listener, FieldError> {
    let message = listener::Listener {
        name: "l".to_owned(),
        address: address("127.0.0.1", 80),
        filter_chains: chains,
        ..listener::Listener::default()
    };
    Listener::new(message, &Loader::new(crate::filters::standard()))
}

#[test]
fn listeners_name_what_is_wrong() {
    let names = "filter_chain_match.server_names";
    assert!(listen(vec![chain(&["a", "*.b"]), chain(&[])]).unwrap().is_tls());
    assert_eq!(path_of(listen(vec![])), "filter_chains");
    assert_eq!(path_of(listen(vec![chain(&["a"]), chain(&["b", "A"])])), format!("filter_chains[1].{names}"));
    assert_eq!(path_of(listen(vec![chain(&[]), chain(&[])])), format!("filter_chains[1].{names}"));
    assert_eq!(path_of(listen(vec![chain(&["a*"])])), format!("filter_chains[0].{names}[0]"));
    let clear = listener::FilterChain { transport_socket: None, ..chain(&[]) };
    assert_eq!(path_of(listen(vec![clear.clone(), chain(&["a"])])), "filter_chains");
    assert!(!listen(vec![clear]).unwrap().is_tls());
    let two =
        listener::FilterChain { filters: [chain(&[]).filters, chain(&[]).filters].concat(), ..chain(&[]) };
    assert_eq!(path_of(listen(vec![two])), "filter_chains[0].filters[1]");
}

#[test]
fn ciphers_and_versions_must_leave_something() {
    let settings = |edit: fn(&mut tls::TlsParameters)| {
        let mut parameters = tls::TlsParameters::default();
        edit(&mut parameters);
        let common = tls::CommonTlsContext {
            tls_params: Some(parameters),
            tls_certificate_sds_secret_configs: vec![tls::SdsSecretConfig {
                name: "s".to_owned(),
                sds_config: ads(),
            }],
            ..tls::CommonTlsContext::default()
        };
        let context = tls::DownstreamTlsContext { common_tls_context: Some(common), ..Default::default() };
        TlsSettings::new(core::TransportSocket {
            config_type: Some(core::transport_socket::ConfigType::TypedConfig(any(&context))),
            ..core::TransportSocket::default()
        })
    };
    let field = "common_tls_context.tls_params";
    assert_eq!(settings(|p| p.tls_maximum_protocol_version = 3).unwrap().versions, [&rustls::version::TLS12]);
    assert_eq!(settings(|p| p.tls_minimum_protocol_version = 4).unwrap().versions, [&rustls::version::TLS13]);
    assert_eq!(
        path_of(settings(|p| p.tls_maximum_protocol_version = 2)),
        format!("{field}.tls_maximum_protocol_version")
    );
    let mixed = |p: &mut tls::TlsParameters| {
        p.cipher_suites = ["AES128-SHA", "ECDHE-RSA-AES128-GCM-SHA256"].map(str::to_owned).into();
    };
    assert_eq!(settings(mixed).unwrap().suites.len(), 1);
    assert_eq!(
        path_of(settings(|p| p.cipher_suites = vec!["AES128-SHA".to_owned()])),
        format!("{field}.cipher_suites")
    );
    assert_eq!(
        path_of(settings(|p| p.cipher_suites = vec!["ROT13".to_owned()])),
        format!("{field}.cipher_suites[0]")
    );
}

/// A cluster of HTTP/1.1 behind TLS.
fn secured(
    edit: impl FnOnce(&mut tls::UpstreamTlsContext, &mut tls::CommonTlsContext),
) -> Result<Cluster, FieldError> {
    let (mut context, mut common) = Default::default();
    edit(&mut context, &mut common);
    let context = tls::UpstreamTlsContext { common_tls_context: Some(common), ..context };
    let socket = core::TransportSocket {
        config_type: Some(core::transport_socket::ConfigType::TypedConfig(any(&context))),
        ..core::TransportSocket::default()
    };
    Cluster::from_message(cluster::Cluster { transport_socket: Some(socket), ..eds() })
}

#[test]
fn upstream_tls_names_what_is_wrong() {
    use tls::common_tls_context::{CombinedCertificateValidationContext, ValidationContextType};
    let common = |field: &str| format!("transport_socket.common_tls_context.{field}");
    let sds = || tls::SdsSecretConfig { name: "s".to_owned(), sds_config: ads() };
    let settings = secured(|_, _| {}).unwrap().tls.unwrap();
    assert_eq!((settings.alpn, settings.server_name), (vec![b"http/1.1".to_vec()], None));
    let path = |edit: fn(&mut tls::UpstreamTlsContext)| path_of(secured(|context, _| edit(context)));
    assert_eq!(path(|c| c.sni = "a b".to_owned()), "transport_socket.sni");
    assert_eq!(path(|c| c.auto_host_sni = true), "transport_socket.auto_host_sni");
    assert_eq!(path(|c| c.allow_renegotiation = true), "transport_socket.allow_renegotiation");
    let path = |edit: &dyn Fn(&mut tls::CommonTlsContext)| path_of(secured(|_, common| edit(common)));
    assert_eq!(path(&|c| c.alpn_protocols = vec!["h2".to_owned()]), common("alpn_protocols"));
    let secrets = "tls_certificate_sds_secret_configs";
    assert_eq!(path(&|c| c.tls_certificate_sds_secret_configs = vec![sds(), sds()]), common(secrets));
    assert_eq!(path(&|c| c.tls_certificates.push(Default::default())), common("tls_certificates"));
    let validation = |edit: &dyn Fn(&mut tls::CertificateValidationContext)| {
        let mut message = tls::CertificateValidationContext::default();
        edit(&mut message);
        path(&|c| {
            c.validation_context_type = Some(ValidationContextType::ValidationContext(message.clone()));
        })
    };
    let within = |field: &str| common(&format!("validation_context.{field}"));
    let text = |text: &str| core::DataSource {
        specifier: Some(core::data_source::Specifier::InlineString(text.to_owned())),
        ..core::DataSource::default()
    };
    assert_eq!(validation(&|v| v.trusted_ca = Some(text("no certificate"))), within("trusted_ca"));
    assert_eq!(validation(&|v| v.allow_expired_certificate = true), within("allow_expired_certificate"));
    assert_eq!(validation(&|v| v.system_root_certs = Some(Default::default())), within("system_root_certs"));
    let test = |kind: i32, text: &str| tls::SubjectAltNameMatcher {
        san_type: kind,
        matcher: Some(text_matcher(text)),
        ..tls::SubjectAltNameMatcher::default()
    };
    let named =
        |kind: i32, text: &str| validation(&|v| v.match_typed_subject_alt_names = vec![test(kind, text)]);
    let field = "match_typed_subject_alt_names[0]";
    assert_eq!(named(2, "a"), within("trusted_ca"));
    assert_eq!(named(1, "a@b"), within(&format!("{field}.san_type")));
    assert_eq!(named(4, "a"), within(&format!("{field}.matcher")));
    let combined = CombinedCertificateValidationContext::default();
    let field = "combined_validation_context.validation_context_sds_secret_config";
    assert_eq!(
        path(&|c| {
            let combined = ValidationContextType::CombinedValidationContext(combined.clone());
            c.validation_context_type = Some(combined);
        }),
        common(field)
    );
}

fn text_matcher(text: &str) -> gatewright_xds::envoy::r#type::matcher::v3::StringMatcher {
    use gatewright_xds::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
    gatewright_xds::envoy::r#type::matcher::v3::StringMatcher {
        match_pattern: Some(MatchPattern::Exact(text.to_owned())),
        ..Default::default()
    }
}
