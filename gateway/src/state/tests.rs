//! The store alone: whatever the order of responses, the end is that of a fresh subscription.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatewright_testkit::certs::Authority;
use gatewright_xds::envoy::config::cluster::v3 as cluster;
use gatewright_xds::envoy::config::core::v3 as core;
use gatewright_xds::envoy::config::endpoint::v3 as endpoint;
use gatewright_xds::envoy::config::listener::v3 as listener;
use gatewright_xds::envoy::config::route::v3 as route;
use gatewright_xds::envoy::extensions::filters::http::router::v3::Router;
use gatewright_xds::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;
use gatewright_xds::envoy::extensions::transport_sockets::tls::v3 as tls;
use gatewright_xds::{Resource, any, type_url};
use gatewright_xds_client::{Received, Update};
use proptest::prelude::*;

use super::store::{Ports, Store};
use crate::stream::Loader;

struct EveryPort;

impl Ports for EveryPort {
    fn reserve(&mut self, _: &Arc<str>, _: SocketAddr) -> Result<(), String> {
        Ok(())
    }
    fn release(&mut self, _: &str) {}
}

fn ads() -> Option<core::ConfigSource> {
    let ads = core::config_source::ConfigSourceSpecifier::Ads(core::AggregatedConfigSource::default());
    Some(core::ConfigSource { config_source_specifier: Some(ads), ..core::ConfigSource::default() })
}

fn address(port: u32) -> Option<core::Address> {
    Some(core::Address {
        address: Some(core::address::Address::SocketAddress(core::SocketAddress {
            address: "127.0.0.1".to_owned(),
            port_specifier: Some(core::socket_address::PortSpecifier::PortValue(port)),
            ..core::SocketAddress::default()
        })),
    })
}

/// A cluster with endpoints of the same name; the variant is its time limit.
fn cluster(name: &str, variant: u8) -> Resource {
    let seconds = Duration::from_secs(variant.into());
    Resource::of(&cluster::Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(cluster::cluster::ClusterDiscoveryType::Type(3)),
        eds_cluster_config: Some(cluster::cluster::EdsClusterConfig {
            eds_config: ads(),
            ..Default::default()
        }),
        connect_timeout: Some(seconds.into()),
        ..cluster::Cluster::default()
    })
}

/// Endpoints; the variant is a port.
fn endpoints(name: &str, variant: u8) -> Resource {
    let one = endpoint::LbEndpoint {
        host_identifier: Some(endpoint::lb_endpoint::HostIdentifier::Endpoint(endpoint::Endpoint {
            address: address(1000 + u32::from(variant)),
            ..endpoint::Endpoint::default()
        })),
        ..endpoint::LbEndpoint::default()
    };
    Resource::of(&endpoint::ClusterLoadAssignment {
        cluster_name: name.to_owned(),
        endpoints: vec![endpoint::LocalityLbEndpoints { lb_endpoints: vec![one], ..Default::default() }],
        ..endpoint::ClusterLoadAssignment::default()
    })
}

/// A listener behind the routes `r`; the variant is its server name.
fn listener(name: &str, variant: u8) -> Resource {
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
        server_name: variant.to_string(),
        ..hcm::HttpConnectionManager::default()
    };
    Resource::of(&listener::Listener {
        name: name.to_owned(),
        address: address(80),
        filter_chains: vec![listener::FilterChain {
            filters: vec![listener::Filter {
                config_type: Some(listener::filter::ConfigType::TypedConfig(any(&manager))),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..listener::Listener::default()
    })
}

fn routes(name: &str, variant: u8) -> Resource {
    Resource::of(&route::RouteConfiguration {
        name: name.to_owned(),
        vhds: Some(route::Vhds { config_source: ads() }),
        ignore_port_in_host_matching: variant.is_multiple_of(2),
        ..route::RouteConfiguration::default()
    })
}

/// A host of its own domain and one that its variant chooses, so that domains move.
fn host(name: &str, variant: u8) -> Resource {
    Resource::of(&route::VirtualHost {
        name: format!("r/{name}"),
        domains: vec![name.to_owned(), format!("{name}-{variant}")],
        ..route::VirtualHost::default()
    })
}

/// One change: what, which one, and its variant or its removal.
#[derive(Clone, Debug)]
struct Change {
    kind: usize,
    name: &'static str,
    variant: Option<u8>,
}

type Make = fn(&str, u8) -> Resource;

/// Kinds in the order of dependence.
const KINDS: [(&str, Make, &str); 5] = [
    (type_url::CLUSTER, cluster, ""),
    (type_url::ENDPOINT, endpoints, ""),
    (type_url::LISTENER, listener, ""),
    (type_url::ROUTE, routes, ""),
    (type_url::VIRTUAL_HOST, host, "r/"),
];

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let one = (0..KINDS.len(), prop::sample::select(vec!["a", "b"]), prop::option::weighted(0.8, 0..4_u8));
    let one = one.prop_map(|(kind, name, variant)| match KINDS[kind].0 {
        // Routes have one name, and stay: a listener cannot do without.
        type_url::ROUTE => Change { kind, name: "r", variant: variant.or(Some(0)) },
        _ => Change { kind, name, variant },
    });
    prop::collection::vec(one, 1..40)
}

fn update(change: &Change) -> Update {
    let (type_url, make, prefix) = KINDS[change.kind];
    let resource = change.variant.map(|variant| make(change.name, variant));
    Update {
        type_url,
        resources: resource
            .iter()
            .map(|resource| Received {
                name: resource.name().to_owned(),
                version: resource.version().to_owned(),
                body: resource.to_any(),
            })
            .collect(),
        removed: if resource.is_none() { vec![format!("{prefix}{}", change.name)] } else { Vec::new() },
        system_version: String::new(),
        more_follows: false,
    }
}

fn store() -> Store {
    Store::new(Loader::new(crate::filters::standard()))
}

/// What a request could tell of the state.
fn visible(store: &Store) -> BTreeMap<String, String> {
    let snapshot = store.snapshot();
    let mut seen = BTreeMap::new();
    for (name, listener) in &snapshot.listeners {
        let http = listener.http(None).unwrap();
        seen.insert(format!("listener {name}"), format!("{:?}", http.server_name));
    }
    for (name, table) in &snapshot.routes {
        seen.insert(format!("routes {name}"), table.ignore_port.to_string());
        for domain in ["a", "b", "a-0", "a-1", "a-2", "a-3", "b-0", "b-1", "b-2", "b-3"] {
            let found = table.hosts.find(domain).map(|host| host.name.to_string());
            seen.insert(format!("host {domain}"), format!("{found:?}"));
        }
    }
    for name in ["a", "b"] {
        if let Some(cluster) = snapshot.clusters.get(name) {
            let addresses: Vec<&str> =
                cluster.endpoints.all.iter().map(|(endpoint, _)| &*endpoint.label).collect();
            let limit = cluster.config.connect_timeout;
            seen.insert(format!("cluster {name}"), format!("{limit:?} {addresses:?}"));
        }
    }
    seen
}

/// Returns the changes that are left when later ones replace earlier ones.
fn last_of_each(changes: &[Change]) -> Vec<Change> {
    let mut last: BTreeMap<(usize, &str), Change> = BTreeMap::new();
    for change in changes {
        last.insert((change.kind, change.name), change.clone());
    }
    last.into_values().filter(|change| change.variant.is_some()).collect()
}

proptest! {
    #[test]
    fn any_order_of_responses_ends_where_a_fresh_subscription_does(changes in changes()) {
        let mut grown = store();
        for change in &changes {
            prop_assert_eq!(grown.apply(update(change), &mut EveryPort), []);
        }
        let last = last_of_each(&changes);
        let mut fresh = store();
        for change in &last {
            fresh.apply(update(change), &mut EveryPort);
        }
        let (mut grown, mut fresh) = (visible(&grown), visible(&fresh));
        // A cluster whose endpoints were removed has none; one that never had any is not there yet.
        for seen in [&mut grown, &mut fresh] {
            seen.retain(|what, state| !(what.starts_with("cluster") && state.ends_with("[]")));
        }
        for name in ["a", "b"] {
            let endpoints_gone = !last.iter().any(|c| KINDS[c.kind].0 == type_url::ENDPOINT && c.name == name);
            if endpoints_gone {
                grown.remove(&format!("cluster {name}"));
            }
        }
        prop_assert_eq!(grown, fresh);
    }
}

#[test]
fn hosts_wait_for_their_routes() {
    let mut store = store();
    let put = |kind, name| update(&Change { kind, name, variant: Some(0) });
    assert_eq!(store.apply(put(4, "a"), &mut EveryPort), []);
    assert_eq!(store.apply(put(2, "a"), &mut EveryPort), []);
    assert!(visible(&store).is_empty());
    assert!(store.missing().contains(&"route configuration r".to_owned()));
    store.apply(put(3, "r"), &mut EveryPort);
    assert_eq!(visible(&store)["host a-0"], "Some(\"r/a\")");
    assert_eq!(visible(&store)["listener a"], "\"0\"");
}

#[test]
fn a_first_set_in_several_responses_is_complete_with_the_last_of_them() {
    let mut store = store();
    for (kind, name) in [(0, "a"), (1, "a"), (2, "a"), (3, "r")] {
        store.apply(update(&Change { kind, name, variant: Some(0) }), &mut EveryPort);
    }
    let host = |name| update(&Change { kind: 4, name, variant: Some(0) });
    store.apply(Update { more_follows: true, ..host("a") }, &mut EveryPort);
    assert_eq!(store.missing(), ["the rest of VirtualHost"]);
    store.apply(host("b"), &mut EveryPort);
    assert!(store.missing().is_empty());
    // A server that breaks off holds up nothing for ever.
    store.apply(Update { more_follows: true, ..host("a") }, &mut EveryPort);
    store.stop_waiting();
    assert!(store.missing().is_empty());
}

#[test]
fn a_cluster_waits_for_its_endpoints_and_a_changed_one_serves_meanwhile() {
    let mut store = store();
    let put = |kind, variant| update(&Change { kind, name: "a", variant: Some(variant) });
    store.apply(put(0, 1), &mut EveryPort);
    assert!(visible(&store).is_empty());
    store.apply(put(1, 0), &mut EveryPort);
    assert_eq!(visible(&store)["cluster a"], "1s [\"127.0.0.1:1000\"]");
    store.apply(put(0, 2), &mut EveryPort);
    assert_eq!(visible(&store)["cluster a"], "2s [\"127.0.0.1:1000\"]");
    store.stop_waiting();
    assert_eq!(visible(&store)["cluster a"], "2s [\"127.0.0.1:1000\"]");
}

#[test]
fn a_cluster_that_goes_and_comes_back_at_once_keeps_its_endpoints() {
    let mut store = store();
    let cluster = |variant| update(&Change { kind: 0, name: "a", variant });
    store.apply(cluster(Some(1)), &mut EveryPort);
    store.apply(update(&Change { kind: 1, name: "a", variant: Some(0) }), &mut EveryPort);
    store.apply(cluster(None), &mut EveryPort);
    store.apply(cluster(Some(1)), &mut EveryPort);
    assert_eq!(visible(&store)["cluster a"], "1s [\"127.0.0.1:1000\"]");
    store.apply(cluster(None), &mut EveryPort);
    store.forget_unused(Instant::now() + Duration::from_secs(60));
    store.apply(cluster(Some(1)), &mut EveryPort);
    assert!(visible(&store).is_empty());
}

#[test]
fn a_resource_that_is_named_otherwise_inside_is_rejected() {
    let mut wrong = update(&Change { kind: 0, name: "a", variant: Some(1) });
    wrong.resources[0].name = "b".to_owned();
    let rejected = store().apply(wrong, &mut EveryPort);
    assert_eq!(rejected[0].name, "b");
    assert_eq!(rejected[0].reason, "GW0701 name: is `a` inside the resource");
}

/// A TLS listener whose chains come on their own.
fn secure_listener() -> Resource {
    let message: listener::Listener = listener("s", 0).decode().unwrap();
    let [chain] = <[_; 1]>::try_from(message.filter_chains).unwrap();
    Resource::of(&listener::Listener {
        filter_chains: Vec::new(),
        default_filter_chain: Some(chain),
        fcds_config: Some(listener::listener::FcdsConfig { config_source: ads(), ..Default::default() }),
        ..message
    })
}

fn chain(server_name: &str, secret: &str) -> listener::FilterChain {
    let context = tls::DownstreamTlsContext {
        common_tls_context: Some(tls::CommonTlsContext {
            tls_certificate_sds_secret_configs: vec![tls::SdsSecretConfig {
                name: secret.to_owned(),
                sds_config: ads(),
            }],
            ..Default::default()
        }),
        ..Default::default()
    };
    let names =
        listener::FilterChainMatch { server_names: vec![server_name.to_owned()], ..Default::default() };
    listener::FilterChain {
        name: format!("s/{server_name}"),
        filter_chain_match: (server_name != "*").then_some(names),
        transport_socket: Some(core::TransportSocket {
            config_type: Some(core::transport_socket::ConfigType::TypedConfig(any(&context))),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn secret(name: &str) -> Resource {
    let identity = Authority::new("test").server(&["a.test"]);
    let inline = |pem: String| core::DataSource {
        specifier: Some(core::data_source::Specifier::InlineString(pem)),
        ..Default::default()
    };
    Resource::of(&tls::Secret {
        name: name.to_owned(),
        r#type: Some(tls::secret::Type::TlsCertificate(tls::TlsCertificate {
            certificate_chain: Some(inline(identity.certificate)),
            private_key: Some(inline(identity.key)),
            ..Default::default()
        })),
    })
}

fn apply(store: &mut Store, resource: &Resource) -> Vec<String> {
    let received = Received {
        name: resource.name().to_owned(),
        version: resource.version().to_owned(),
        body: resource.to_any(),
    };
    let rejected = store.apply(of_type(resource.type_url(), vec![received], &[]), &mut EveryPort);
    rejected.into_iter().map(|rejected| rejected.reason).collect()
}

fn of_type(type_url: &'static str, resources: Vec<Received>, removed: &[&str]) -> Update {
    let removed = removed.iter().map(ToString::to_string).collect();
    Update { type_url, resources, removed, system_version: String::new(), more_follows: false }
}

/// Returns the TLS configuration for a server name.
fn handshake(store: &Store, name: &str) -> Option<Arc<rustls::ServerConfig>> {
    let listener = store.snapshot().listeners.get("s").cloned()?;
    listener.http(Some(name))?;
    listener.chain(Some(name))?.server_config().cloned()
}

/// A store with a secure listener that is live, with one chain.
fn secure_store() -> Store {
    let mut store = store();
    store.apply(of_type(type_url::CLUSTER, Vec::new(), &[]), &mut EveryPort);
    apply(&mut store, &secure_listener());
    apply(&mut store, &routes("r", 0));
    store.apply(of_type(type_url::VIRTUAL_HOST, Vec::new(), &[]), &mut EveryPort);
    assert_eq!(store.missing(), ["filter chains of listener s", "listener s"].map(str::to_owned));
    apply(&mut store, &Resource::of(&chain("a.test", "one")));
    assert_eq!(store.missing(), ["secret one", "listener s"].map(str::to_owned));
    apply(&mut store, &secret("one"));
    store
}

#[test]
fn a_listener_is_live_with_the_first_chains_and_each_later_one_with_its_certificate() {
    let mut store = secure_store();
    assert!(handshake(&store, "a.test").is_some() && handshake(&store, "b.test").is_none());

    apply(&mut store, &Resource::of(&chain("b.test", "two")));
    apply(&mut store, &Resource::of(&chain("a.test", "three")));
    let before = handshake(&store, "a.test").unwrap();
    assert!(handshake(&store, "b.test").is_none(), "its certificate is waited for");
    assert_eq!(store.wanted().secrets.iter().map(|name| &**name).collect::<Vec<_>>(), ["three", "two"]);

    apply(&mut store, &secret("three"));
    let after = handshake(&store, "a.test").unwrap();
    assert!(!Arc::ptr_eq(&before.cert_resolver, &after.cert_resolver), "the old chain served until then");
    apply(&mut store, &secret("two"));
    assert!(handshake(&store, "b.test").is_some());

    let gone = of_type(type_url::FILTER_CHAIN, Vec::new(), &["s/b.test"]);
    store.apply(gone, &mut EveryPort);
    assert!(handshake(&store, "b.test").is_none() && handshake(&store, "a.test").is_some());
    assert_eq!(store.wanted().secrets.iter().map(|name| &**name).collect::<Vec<_>>(), ["three"]);
    // What nobody names is forgotten, and asked for anew when it is named again.
    store.forget_unused(Instant::now() + Duration::from_secs(61));
    apply(&mut store, &Resource::of(&chain("b.test", "two")));
    assert!(handshake(&store, "b.test").is_none());
}

#[test]
fn sessions_end_with_their_certificate_and_are_of_one_alone() {
    let mut store = secure_store();
    apply(&mut store, &secret("two"));
    apply(&mut store, &Resource::of(&chain("b.test", "two")));
    let [a, b] = ["a.test", "b.test"].map(|name| handshake(&store, name).unwrap().session_storage.clone());
    assert!(a.put(b"session".to_vec(), b"of a".to_vec()));
    assert_eq!((a.get(b"session"), b.get(b"session")), (Some(b"of a".to_vec()), None));
    // Another chain of the same certificate, and the same chain once more.
    apply(&mut store, &Resource::of(&chain("c.test", "one")));
    apply(&mut store, &Resource::of(&chain("a.test", "one")));
    for name in ["a.test", "c.test"] {
        assert!(handshake(&store, name).unwrap().session_storage.get(b"session").is_some(), "{name}");
    }
    apply(&mut store, &secret("one"));
    assert_eq!(handshake(&store, "a.test").unwrap().session_storage.get(b"session"), None);
}

#[test]
fn a_chain_that_cannot_be_used_is_rejected_and_its_predecessor_stays() {
    let mut store = secure_store();
    let http: listener::Listener = listener("s", 0).decode().unwrap();
    let edit = |edit: fn(&mut listener::FilterChain)| {
        let mut chain = chain("a.test", "one");
        edit(&mut chain);
        chain
    };
    let serving = listener::FilterChain { filters: http.filter_chains[0].filters.clone(), ..edit(|_| {}) };
    for (chain, field) in [
        (edit(|chain| chain.transport_socket = None), "transport_socket"),
        (edit(|chain| chain.filter_chain_match = None), "filter_chain_match.server_names"),
        (edit(|chain| chain.metadata = Some(core::Metadata::default())), "metadata"),
        (serving, "filters"),
    ] {
        let reasons = apply(&mut store, &Resource::of(&chain));
        assert!(reasons.len() == 1 && reasons[0].contains(field), "{field}: {reasons:?}");
        assert!(handshake(&store, "a.test").is_some(), "{field}");
    }
}
