//! The state-of-the-world form of the protocol on the wire, and the view of a snapshot that its clients get.

use gatewright_xds::envoy::config::route::v3::RouteConfiguration;
use gatewright_xds::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};
use gatewright_xds::{Resource, UnpackError, XdsSnapshot, names, type_url};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};

use super::stream::{Incoming, Names, Outgoing, Reply, Request};

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

/// Returns the snapshot with every virtual host inside its route configuration.
pub(super) fn assemble(snapshot: &XdsSnapshot) -> XdsSnapshot {
    let mut assembled = snapshot.clone();
    assembled.remove_type(type_url::VIRTUAL_HOST);
    for resource in snapshot.of_type(type_url::ROUTE) {
        match with_hosts(resource, snapshot) {
            Ok(whole) => {
                assembled.insert(whole);
            }
            // It came from our own emitter; a client will say the same about it.
            Err(error) => {
                tracing::error!(name = resource.name(), %error, "route configuration sent as it is")
            }
        }
    }
    assembled
}

/// Joins encoded hosts to the encoded route configuration instead of decoding thousands of them: concatenated fields
/// are one message by the rules of the encoding.
fn with_hosts(resource: &Resource, snapshot: &XdsSnapshot) -> Result<Resource, UnpackError> {
    let mut routes: RouteConfiguration = resource.decode()?;
    if routes.vhds.take().is_none() {
        return Ok(resource.clone());
    }
    let mut body = routes.encode_to_vec();
    let prefix = names::virtual_host(resource.name(), "");
    for host in snapshot.with_prefix(type_url::VIRTUAL_HOST, &prefix) {
        // The rest of the name may hold a further `/` only if it belongs to a longer route configuration name.
        if names::virtual_host_parts(host.name()).is_some_and(|(route, _)| route == resource.name()) {
            encode_key(VIRTUAL_HOSTS_FIELD, WireType::LengthDelimited, &mut body);
            encode_varint(host.body().len() as u64, &mut body);
            body.extend_from_slice(host.body());
        }
    }
    Ok(Resource::from_body(type_url::ROUTE, resource.name(), body.into()))
}

#[cfg(test)]
mod tests {
    use gatewright_xds::envoy::config::route::v3::{Route, Vhds, VirtualHost};

    use super::*;

    fn host(name: &str) -> VirtualHost {
        VirtualHost {
            name: name.to_owned(),
            domains: vec!["a.example".to_owned()],
            routes: vec![Route { name: "r".to_owned(), ..Route::default() }],
            ..VirtualHost::default()
        }
    }

    fn routes(name: &str, vhds: Option<Vhds>) -> RouteConfiguration {
        RouteConfiguration { name: name.to_owned(), vhds, ..RouteConfiguration::default() }
    }

    #[test]
    fn hosts_move_into_their_route_configuration() {
        let hosts = [host("http.80/a"), host("http.80/b"), host("http.8080/c"), host("http.80/x/d")];
        let mut snapshot: XdsSnapshot = hosts.iter().map(Resource::of).collect();
        snapshot.insert(Resource::of(&routes("http.80", Some(Vhds::default()))));
        snapshot.insert(Resource::of(&routes("static", None)));
        let assembled = assemble(&snapshot);
        let whole: RouteConfiguration = assembled.get(type_url::ROUTE, "http.80").unwrap().decode().unwrap();
        assert_eq!(whole.vhds, None);
        assert_eq!(whole.virtual_hosts, [host("http.80/a"), host("http.80/b")]);
        assert_eq!(assembled.count(type_url::VIRTUAL_HOST), 0);
        assert_eq!(assembled.get(type_url::ROUTE, "static"), snapshot.get(type_url::ROUTE, "static"));
    }

    #[test]
    fn the_version_follows_the_hosts() {
        let route = Resource::of(&routes("http.80", Some(Vhds::default())));
        let with = |hosts: &[VirtualHost]| {
            let mut snapshot: XdsSnapshot = hosts.iter().map(Resource::of).collect();
            snapshot.insert(route.clone());
            assemble(&snapshot).get(type_url::ROUTE, "http.80").unwrap().version().to_owned()
        };
        assert_eq!(with(&[host("http.80/a")]), with(&[host("http.80/a")]));
        assert_ne!(with(&[host("http.80/a")]), with(&[]));
    }
}
