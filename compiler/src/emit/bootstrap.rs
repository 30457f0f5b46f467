//! The whole model as one static Envoy bootstrap.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use gatewright_http::re2::MAX_PROGRAM;
use gatewright_ir::{ClusterName, Ir, ListenerId, Scheme, SecretRef};
use gatewright_xds::envoy::config::bootstrap::v3::{
    Admin, Bootstrap, LayeredRuntime, RuntimeLayer, bootstrap, runtime_layer,
};
use gatewright_xds::envoy::config::cluster::v3::Cluster;
use gatewright_xds::envoy::config::core::v3::Node;
use gatewright_xds::envoy::config::route::v3::RouteConfiguration;
use gatewright_xds::envoy::extensions::transport_sockets::tls::v3::TlsCertificate;
use gatewright_xds::google::protobuf::Struct;
use gatewright_xds::inline_chains;

use super::listener::Parts;
use super::{Delivery, cluster, host, listener, socket_address};

/// Addresses of a static bootstrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootstrapOptions {
    /// The clear-text listener.
    pub http: SocketAddr,
    /// The TLS listener.
    pub https: SocketAddr,
    /// Envoy's admin interface.
    pub admin: SocketAddr,
}

/// Emits the bootstrap. `fallbacks` are the targets with fallbacks, `certificates` the key pairs of the Secrets.
pub(crate) fn emit(
    ir: &Ir,
    fallbacks: impl Iterator<Item = Vec<ClusterName>>,
    certificates: &BTreeMap<SecretRef, TlsCertificate>,
    options: &BootstrapOptions,
) -> Bootstrap {
    let listeners = ir.listeners.iter().map(|(id, model)| {
        let address = id.address(options.http, options.https);
        let routes = routes(ir, *id, address);
        let parts = Parts::Static { routes: &routes, certificates };
        let chains = model.tls.values().map(|context| listener::chain(address, context, &parts));
        match id.scheme {
            Scheme::Http => listener::emit(*id, address, &parts),
            Scheme::Https => inline_chains(listener::emit(*id, address, &parts), chains),
        }
    });
    let listeners = listeners.collect();
    let clusters = ir.clusters.values().map(|model| {
        let endpoints = ir.endpoints.get(&model.name).map(AsRef::as_ref);
        cluster::emit(model, endpoints, Delivery::Static)
    });
    let aggregates = fallbacks.map(|members| cluster::emit_aggregate(&members));
    let mut clusters: Vec<Cluster> = clusters.chain(aggregates).collect();
    clusters.sort_by(|a, b| a.name.cmp(&b.name));
    Bootstrap {
        node: Some(Node { id: "gatewright".to_owned(), cluster: "gatewright".to_owned(), ..Node::default() }),
        static_resources: Some(bootstrap::StaticResources { listeners, clusters, secrets: Vec::new() }),
        admin: Some(Admin {
            address: Some(socket_address(&options.admin.ip().to_string(), options.admin.port())),
            ..Admin::default()
        }),
        layered_runtime: Some(LayeredRuntime { layers: vec![features()] }),
        ..Bootstrap::default()
    }
}

/// What of Envoy's runtime is set as Higress has it. Newer versions let any one of several lines of a header meet a
/// condition by themselves, where it is a test of all lines joined by `,`; and they refuse an expression of more than 100
/// instructions.
fn features() -> RuntimeLayer {
    let fields = BTreeMap::from([
        (
            "envoy.reloadable_features.match_headers_individually".to_owned(),
            serde_json::Value::Bool(false).into(),
        ),
        ("re2.max_program_size.error_level".to_owned(), serde_json::Value::from(MAX_PROGRAM).into()),
    ]);
    RuntimeLayer {
        name: "features".to_owned(),
        layer_specifier: Some(runtime_layer::LayerSpecifier::StaticLayer(Struct { fields })),
    }
}

fn routes(ir: &Ir, listener: ListenerId, address: SocketAddr) -> RouteConfiguration {
    let name = listener::routes_name(listener, address);
    let own = ir.hosts.keys().filter(|(other, _)| *other == listener);
    let hosts = own.map(|(_, pattern)| host::emit(&name, &ir.chain(listener, pattern))).collect();
    listener::static_routes(&name, hosts)
}
