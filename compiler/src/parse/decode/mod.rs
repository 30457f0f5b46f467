//! From a checked JSON value to the typed manifest. Reading never fails: a field of the wrong type is left out, and
//! the finding about it poisons the manifest.

mod dialect;
mod fingerprint;
mod kubernetes;
mod mcpbridge;
mod registry;
mod wasmplugin;

use gatewright_kinds::{EntityKey, Kind};

use super::fields::Fields;
use crate::manifest::{Body, DocumentIndex, Manifest, Metadata};

pub(crate) use dialect::Dialect;
pub(crate) use kubernetes::{decode_base64, endpoints};

/// What reading the fields of a kind gives.
pub(crate) struct Decoded {
    /// The fields.
    pub(crate) body: Body,
    /// Members of a Secret's `data` that are not base64.
    pub(crate) not_base64: Vec<String>,
}

/// Returns the manifest of an object.
pub(crate) fn manifest(key: EntityKey, metadata: Metadata, body: Body, document: DocumentIndex) -> Manifest {
    let fingerprint = fingerprint::fingerprint(&key, &metadata, &body);
    Manifest { key, metadata: metadata.into(), body, fingerprint, document }
}

/// Reads the fields of a kind outside `metadata`.
pub(crate) fn decode(kind: Kind, object: Fields<'_>, dialect: &mut Dialect) -> Decoded {
    let mut not_base64 = Vec::new();
    let body = match kind {
        Kind::Ingress => Body::Ingress(kubernetes::ingress(object.object("spec"))),
        Kind::IngressClass => Body::IngressClass,
        Kind::Service => Body::Service(kubernetes::service(object.object("spec"))),
        Kind::EndpointSlice => Body::EndpointSlice(kubernetes::endpoint_slice(object)),
        Kind::Secret => Body::Secret(kubernetes::secret(object, &mut not_base64)),
        Kind::ConfigMap => Body::ConfigMap(kubernetes::config_map(object)),
        Kind::McpBridge => Body::McpBridge(mcpbridge::mcp_bridge(object.object("spec"), dialect)),
        Kind::WasmPlugin => {
            Body::WasmPlugin(Box::new(wasmplugin::wasm_plugin(object.object("spec"), dialect)))
        }
        Kind::Registry => Body::Registry(registry::snapshot(object)),
        Kind::RegistryService => Body::RegistryService(registry::service(object)),
    };
    Decoded { body, not_base64 }
}
