//! Digests of manifests: what two files with the same meaning have in common.

use std::hash::{Hash, Hasher};

use gatewright_ir::Digest;
use gatewright_kinds::EntityKey;

use crate::manifest::{Body, Metadata};

/// Context of the keyed digests. The digest of a secret must not be comparable with a plain hash of a guess.
const SECRET_CONTEXT: &str = "gatewright 2026-11-22 digest of a manifest that holds secrets";

/// Returns the digest of a manifest's content; keyed for kinds that hold secrets. Equal within one process only: the
/// bytes are those of Rust's own hashing, which cost a third of any text form.
pub(super) fn fingerprint(key: &EntityKey, metadata: &Metadata, body: &Body) -> Digest {
    let mut content = Content(Vec::with_capacity(1024));
    key.hash(&mut content);
    metadata.hash(&mut content);
    match body {
        Body::Ingress(ingress) => ingress.hash(&mut content),
        Body::IngressClass => {}
        Body::Service(service) => service.hash(&mut content),
        Body::EndpointSlice(slice) => slice.hash(&mut content),
        Body::Secret(secret) => secret.hash(&mut content),
        Body::ConfigMap(config) => config.hash(&mut content),
        // With the pointers of the entries: findings point there.
        Body::McpBridge(bridge) => bridge.hash(&mut content),
        Body::WasmPlugin(plugin) => plugin.hash(&mut content),
        Body::Registry(registry) => registry.hash(&mut content),
        Body::RegistryService(service) => service.hash(&mut content),
    }
    match body {
        Body::Secret(_) | Body::WasmPlugin(_) => {
            Digest::of_bytes(&blake3::derive_key(SECRET_CONTEXT, &content.0))
        }
        _ => Digest::of_bytes(&content.0),
    }
}

/// Gathers what would be hashed. Lengths and markers of variants are part of it, so that no two values share bytes.
struct Content(Vec<u8>);

impl Hasher for Content {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        // Nobody asks: the bytes are digested as a whole.
        self.0.len() as u64
    }
}
