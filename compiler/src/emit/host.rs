//! A virtual host with what its wider hosts add: Envoy has no fall-through, so their routes are appended.

use std::sync::Arc;

use gatewright_ir::LoweredHost;
use gatewright_xds::envoy::config::route::v3::VirtualHost;
use gatewright_xds::names;

use super::route;

/// Emits the first host of a chain, with the routes of the others behind its own.
pub(crate) fn emit(routes_name: &str, chain: &[&Arc<LoweredHost>]) -> VirtualHost {
    let host = chain.first().map(|lowered| lowered.host.host.to_string()).unwrap_or_default();
    VirtualHost {
        name: names::virtual_host(routes_name, &host),
        domains: vec![host],
        routes: chain.iter().flat_map(|lowered| &lowered.host.routes).map(route::emit).collect(),
        ..VirtualHost::default()
    }
}
