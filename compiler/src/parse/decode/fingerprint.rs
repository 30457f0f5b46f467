//! Digests of manifests: what two files with the same meaning have in common.

use gatewright_ir::Digest;
use serde::Serialize;

use crate::manifest::{Body, EntityKey, McpBridge, Metadata, Secret};

/// Context of the keyed digests. The digest of a secret must not be comparable with a plain hash of a guess.
const SECRET_CONTEXT: &str = "gatewright 2026-11-22 digest of a manifest that holds secrets";

/// Returns the digest of a manifest's content; keyed for kinds that hold secrets.
pub(crate) fn fingerprint(key: &EntityKey, metadata: &Metadata, body: &Body) -> Digest {
    let mut bytes = Vec::with_capacity(1024);
    add(&mut bytes, key);
    add(&mut bytes, metadata);
    match body {
        Body::Ingress(ingress) => add(&mut bytes, ingress),
        Body::IngressClass => {}
        Body::Service(service) => add(&mut bytes, service),
        Body::EndpointSlice(slice) => add(&mut bytes, slice),
        Body::Secret(secret) => add_secret(&mut bytes, secret),
        Body::ConfigMap(config) => add(&mut bytes, config),
        Body::McpBridge(bridge) => add_bridge(&mut bytes, bridge),
        Body::WasmPlugin(plugin) => add(&mut bytes, plugin),
    }
    match body {
        Body::Secret(_) | Body::WasmPlugin(_) => {
            Digest::of_bytes(&blake3::derive_key(SECRET_CONTEXT, &bytes))
        }
        _ => Digest::of_bytes(&bytes),
    }
}

fn add(bytes: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(bytes, value).expect("manifest types serialize without error");
}

/// Findings point at the entries, so where they stand belongs to what the digest stands for.
fn add_bridge(bytes: &mut Vec<u8>, bridge: &McpBridge) {
    add(bytes, bridge);
    for registry in &bridge.registries {
        add(bytes, &registry.pointer);
    }
}

fn add_secret(bytes: &mut Vec<u8>, secret: &Secret) {
    add(bytes, &secret.secret_type);
    for (key, value) in &secret.data {
        add(bytes, key);
        bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
        bytes.extend_from_slice(value);
    }
}
