//! The incremental form of the protocol on the wire.

use gatewright_xds::envoy::config::core::v3::ControlPlane;
use gatewright_xds::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource as WireResource,
};
use gatewright_xds::features::MORE_FOLLOWS;
use gatewright_xds::type_url::{LISTENER, SCOPED_ROUTE, VIRTUAL_HOST};
use gatewright_xds::{Resource, type_url};

use super::stream::{Incoming, Names, Outgoing, Reply, Request};

/// Reads a request. One for a type that is not served is answered: there is no such resource.
pub(super) fn read(request: DeltaDiscoveryRequest) -> Incoming<DeltaDiscoveryResponse> {
    let Some(type_url) = type_url::known(&request.type_url) else {
        return Incoming::Unserved(nothing_there(request));
    };
    let error = request.error_detail.map(|status| status.message);
    let reply =
        (!request.response_nonce.is_empty()).then_some(Reply { nonce: request.response_nonce, error });
    Incoming::Request(Request {
        type_url,
        names: Names::Change {
            subscribe: request.resource_names_subscribe,
            unsubscribe: request.resource_names_unsubscribe,
        },
        reply,
        held: request.initial_resource_versions,
    })
}

fn nothing_there(request: DeltaDiscoveryRequest) -> Option<DeltaDiscoveryResponse> {
    // The acknowledgement of such an answer needs no further one.
    request.response_nonce.is_empty().then(|| DeltaDiscoveryResponse {
        nonce: "unserved".to_owned(),
        type_url: request.type_url,
        removed_resources: request.resource_names_subscribe,
        ..DeltaDiscoveryResponse::default()
    })
}

/// Returns whether several responses may bring what one would. Without knowledge of series a client serves by the first
/// response about listeners or hosts as if it were all of them.
pub(super) fn may_be_cut(type_url: &str, knows_series: bool) -> bool {
    knows_series || !matches!(type_url, LISTENER | SCOPED_ROUTE | VIRTUAL_HOST)
}

/// Writes a response.
pub(super) fn write(outgoing: Outgoing, system_version: &str) -> DeltaDiscoveryResponse {
    DeltaDiscoveryResponse {
        system_version_info: system_version.to_owned(),
        type_url: outgoing.type_url.to_owned(),
        nonce: outgoing.nonce,
        resources: outgoing.resources.iter().map(|resource| wire(resource)).collect(),
        removed_resources: outgoing.removed.iter().map(|name| name.to_string()).collect(),
        control_plane: outgoing.more_follows.then(|| ControlPlane { identifier: MORE_FOLLOWS.to_owned() }),
        ..DeltaDiscoveryResponse::default()
    }
}

fn wire(resource: &Resource) -> WireResource {
    WireResource {
        name: resource.name().to_owned(),
        version: resource.version().to_owned(),
        resource: Some(resource.to_any()),
        ..WireResource::default()
    }
}
