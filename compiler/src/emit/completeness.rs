//! Every field of the model, changed alone, changes what Envoy gets, or stands on a list of fields that it needs not.

use std::net::{Ipv4Addr, SocketAddr};

use gatewright_behaviour::testing::{FieldEdit, field_edits};
use gatewright_ir::Ir;
use gatewright_xds::envoy::config::cluster::v3::Cluster;
use gatewright_xds::envoy::config::listener::v3::{FilterChain, Listener};
use gatewright_xds::envoy::config::route::v3::VirtualHost;

use super::listener::{Parts, chain, emit};
use super::{Delivery, cluster, host};

/// Fields that Envoy is not told, each with the reason.
const QUIET: [(&str, &str); 7] = [
    ("Route.id", "provenance"),
    ("Route.plugins", NOT_EXECUTED),
    ("PluginApplication.plugin", NOT_EXECUTED),
    ("PluginApplication.module", NOT_EXECUTED),
    ("PluginApplication.config", NOT_EXECUTED),
    ("PluginApplication.fail_strategy", NOT_EXECUTED),
    ("PluginApplication.only_host", NOT_EXECUTED),
];

const NOT_EXECUTED: &str =
    "plugins are not executed; where one must not be missed, the route's action is a refusal";

#[derive(PartialEq)]
struct Emitted {
    hosts: Vec<VirtualHost>,
    clusters: Vec<Cluster>,
    listeners: Vec<Listener>,
    chains: Vec<FilterChain>,
}

fn emitted(ir: &Ir) -> Emitted {
    let hosts =
        ir.hosts.keys().map(|(listener, pattern)| host::emit("routes", &ir.chain(*listener, pattern)));
    let clusters = ir.clusters.iter().map(|(name, model)| {
        cluster::emit(model, ir.endpoints.get(name).map(AsRef::as_ref), Delivery::Static)
    });
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 443));
    let listeners = ir.listeners.keys().map(|id| emit(*id, address, &Parts::Ads));
    let chains = ir.tls_contexts().map(|context| chain(address, context, &Parts::Ads));
    Emitted {
        hosts: hosts.collect(),
        clusters: clusters.collect(),
        listeners: listeners.collect(),
        chains: chains.collect(),
    }
}

#[test]
fn every_field_changes_what_envoy_gets_or_is_quiet() {
    let wrong: Vec<&str> = field_edits()
        .iter()
        .filter(|FieldEdit { field, before, after }| {
            let quiet = QUIET.iter().any(|(quiet, _)| quiet == field);
            (emitted(before) == emitted(after)) != quiet
        })
        .map(|edit| edit.field)
        .collect();
    assert_eq!(wrong, Vec::<&str>::new());
}
