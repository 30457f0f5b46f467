//! The state-of-the-world form of the protocol on the wire, and the full sets that it consists of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatewright_xds::envoy::config::route::v3::RouteConfiguration;
use gatewright_xds::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};
use gatewright_xds::{Resource, UnpackError, names, type_url};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};

use super::batch::Batch;
use super::stream::{Incoming, Names, Outgoing, Reply, Request, is_full_set};
use super::types::{Held, TypeState};

/// The number of `virtual_hosts` in a RouteConfiguration.
const VIRTUAL_HOSTS_FIELD: u32 = 2;

/// Reads a request. This form has no answer to one for a type that is not served.
pub(super) fn read(request: DiscoveryRequest) -> Incoming<DiscoveryResponse> {
    let Some(type_url) = type_url::known(&request.type_url) else { return Incoming::Unserved(None) };
    let error = request.error_detail.map(|status| status.message);
    let reply =
        (!request.response_nonce.is_empty()).then_some(Reply { nonce: request.response_nonce, error });
    let names = Names::Exactly(request.resource_names);
    Incoming::Request(Request { type_url, names, reply, held: Default::default() })
}

/// Returns whether several responses may bring what one would: not where one names everything there is.
pub(super) fn may_be_cut(type_url: &str) -> bool {
    matches!(type_url, type_url::ENDPOINT | type_url::SECRET)
}

/// Writes a response.
pub(super) fn write(outgoing: Outgoing) -> DiscoveryResponse {
    let mut version = blake3::Hasher::new();
    for resource in &outgoing.resources {
        version.update(resource.name().as_bytes());
        version.update(resource.version().as_bytes());
    }
    DiscoveryResponse {
        version_info: version.finalize().to_hex().as_str()[..16].to_owned(),
        type_url: outgoing.type_url.to_owned(),
        nonce: outgoing.nonce,
        resources: outgoing.resources.iter().map(|resource| resource.to_any()).collect(),
        ..DiscoveryResponse::default()
    }
}

/// Returns the resources of a response that brings `batch` to a client with `state`.
pub(super) fn compose(type_url: &str, state: &TypeState, batch: &Batch) -> Vec<Arc<Resource>> {
    match type_url {
        type_url::ROUTE => whole_routes(state, batch),
        full if is_full_set(full) => {
            overlay(state.held.iter(), batch, |_| true).into_values().cloned().collect()
        }
        _ => batch.resources.clone(),
    }
}

/// What the client has, with the batch on top, where `part` says what belongs to it.
fn overlay<'a>(
    held: impl Iterator<Item = (&'a Arc<str>, &'a Held)>,
    batch: &'a Batch,
    part: impl Fn(&Resource) -> bool,
) -> BTreeMap<&'a str, &'a Arc<Resource>> {
    let held = held.filter_map(|(name, held)| held.resource.as_ref().map(|resource| (&**name, resource)));
    let sent = batch.resources.iter().map(|resource| (resource.name(), resource));
    let mut all: BTreeMap<&str, &Arc<Resource>> =
        held.chain(sent).filter(|(_, resource)| part(resource)).collect();
    for name in &batch.removed {
        all.remove(&**name);
    }
    all
}

/// Puts together every route configuration that the batch touches.
fn whole_routes(state: &TypeState, batch: &Batch) -> Vec<Arc<Resource>> {
    let route_of = |name: &str| names::virtual_host_parts(name).map(|(route, _)| route.to_owned());
    let mut touched: BTreeSet<String> = batch.removed.iter().filter_map(|name| route_of(name)).collect();
    for resource in &batch.resources {
        let own = (resource.type_url() == type_url::ROUTE).then(|| resource.name().to_owned());
        touched.extend(own.or_else(|| route_of(resource.name())));
    }
    touched.iter().filter_map(|name| whole_route(name, state, batch)).map(Arc::new).collect()
}

fn whole_route(name: &str, state: &TypeState, batch: &Batch) -> Option<Resource> {
    let is_route = |resource: &Resource| resource.type_url() == type_url::ROUTE;
    let sent = batch.resources.iter().find(|resource| resource.name() == name && is_route(resource));
    let route = sent.or_else(|| state.held.get(name)?.resource.as_ref())?;
    let prefix = names::virtual_host(name, "");
    let belongs = |resource: &Resource| {
        resource.type_url() == type_url::VIRTUAL_HOST
            && names::virtual_host_parts(resource.name()).is_some_and(|(route, _)| route == name)
    };
    let hosts = overlay(state.held_under(&prefix), batch, belongs);
    match with_hosts(route, hosts.into_values()) {
        Ok(whole) => Some(whole),
        Err(error) => {
            // It came from our own emitter; a client will say the same about it.
            tracing::error!(name, %error, "route configuration sent as it is");
            Some(Resource::clone(route))
        }
    }
}

/// Joins encoded hosts to the encoded route configuration instead of decoding thousands of them: concatenated fields
/// are one message by the rules of the encoding.
fn with_hosts<'a>(
    route: &Resource,
    hosts: impl Iterator<Item = &'a Arc<Resource>>,
) -> Result<Resource, UnpackError> {
    let mut routes: RouteConfiguration = route.decode()?;
    if routes.vhds.take().is_none() {
        return Ok(route.clone());
    }
    let mut body = routes.encode_to_vec();
    for host in hosts {
        encode_key(VIRTUAL_HOSTS_FIELD, WireType::LengthDelimited, &mut body);
        encode_varint(host.body().len() as u64, &mut body);
        body.extend_from_slice(host.body());
    }
    Ok(Resource::from_body(type_url::ROUTE, route.name(), body.into()))
}
