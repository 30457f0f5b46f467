//! `cargo xtask codegen xds`: writes `xds/src/generated` from the descriptor set inside the `envoy-types` package.
//!
//! No protoc and no proto sources: the package is found through `cargo metadata`, its descriptor set is cut down to
//! what the roots below reach, and the Rust code and the cut descriptor set are committed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet};

/// Files that gatewright writes or reads; their imports come along.
const ROOTS: &[&str] = &[
    "envoy/admin/v3/certs.proto",
    "envoy/admin/v3/clusters.proto",
    "envoy/admin/v3/config_dump.proto",
    "envoy/admin/v3/listeners.proto",
    "envoy/admin/v3/server_info.proto",
    "envoy/config/accesslog/v3/accesslog.proto",
    "envoy/config/bootstrap/v3/bootstrap.proto",
    "envoy/config/cluster/v3/cluster.proto",
    "envoy/config/common/mutation_rules/v3/mutation_rules.proto",
    "envoy/config/core/v3/address.proto",
    "envoy/config/core/v3/base.proto",
    "envoy/config/core/v3/config_source.proto",
    "envoy/config/core/v3/extension.proto",
    "envoy/config/core/v3/grpc_service.proto",
    "envoy/config/core/v3/health_check.proto",
    "envoy/config/core/v3/protocol.proto",
    "envoy/config/core/v3/resolver.proto",
    "envoy/config/core/v3/substitution_format_string.proto",
    "envoy/config/endpoint/v3/endpoint.proto",
    "envoy/config/listener/v3/listener.proto",
    "envoy/config/metrics/v3/stats.proto",
    "envoy/config/overload/v3/overload.proto",
    "envoy/config/rbac/v3/rbac.proto",
    "envoy/config/route/v3/route.proto",
    "envoy/config/route/v3/scoped_route.proto",
    "envoy/config/trace/v3/http_tracer.proto",
    "envoy/config/trace/v3/opentelemetry.proto",
    "envoy/config/trace/v3/skywalking.proto",
    "envoy/config/trace/v3/zipkin.proto",
    "envoy/extensions/access_loggers/file/v3/file.proto",
    "envoy/extensions/access_loggers/stream/v3/stream.proto",
    "envoy/extensions/clusters/aggregate/v3/cluster.proto",
    "envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster.proto",
    "envoy/extensions/common/dynamic_forward_proxy/v3/dns_cache.proto",
    "envoy/extensions/compression/brotli/compressor/v3/brotli.proto",
    "envoy/extensions/compression/gzip/compressor/v3/gzip.proto",
    "envoy/extensions/filters/common/fault/v3/fault.proto",
    "envoy/extensions/filters/http/basic_auth/v3/basic_auth.proto",
    "envoy/extensions/filters/http/buffer/v3/buffer.proto",
    "envoy/extensions/filters/http/compressor/v3/compressor.proto",
    "envoy/extensions/filters/http/cors/v3/cors.proto",
    "envoy/extensions/filters/http/custom_response/v3/custom_response.proto",
    "envoy/extensions/filters/http/dynamic_forward_proxy/v3/dynamic_forward_proxy.proto",
    "envoy/extensions/filters/http/ext_authz/v3/ext_authz.proto",
    "envoy/extensions/filters/http/fault/v3/fault.proto",
    "envoy/extensions/filters/http/grpc_stats/v3/config.proto",
    "envoy/extensions/filters/http/grpc_web/v3/grpc_web.proto",
    "envoy/extensions/filters/http/header_mutation/v3/header_mutation.proto",
    "envoy/extensions/filters/http/header_to_metadata/v3/header_to_metadata.proto",
    "envoy/extensions/filters/http/health_check/v3/health_check.proto",
    "envoy/extensions/filters/http/jwt_authn/v3/config.proto",
    "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.proto",
    "envoy/extensions/filters/http/lua/v3/lua.proto",
    "envoy/extensions/filters/http/on_demand/v3/on_demand.proto",
    "envoy/extensions/filters/http/rbac/v3/rbac.proto",
    "envoy/extensions/filters/http/router/v3/router.proto",
    "envoy/extensions/filters/http/set_filter_state/v3/set_filter_state.proto",
    "envoy/extensions/filters/http/set_metadata/v3/set_metadata.proto",
    "envoy/extensions/filters/http/stateful_session/v3/stateful_session.proto",
    "envoy/extensions/filters/http/wasm/v3/wasm.proto",
    "envoy/extensions/filters/listener/http_inspector/v3/http_inspector.proto",
    "envoy/extensions/filters/listener/original_dst/v3/original_dst.proto",
    "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.proto",
    "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.proto",
    "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto",
    "envoy/extensions/filters/network/rbac/v3/rbac.proto",
    "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto",
    "envoy/extensions/http/custom_response/local_response_policy/v3/local_response_policy.proto",
    "envoy/extensions/http/custom_response/redirect_policy/v3/redirect_policy.proto",
    "envoy/extensions/http/header_formatters/preserve_case/v3/preserve_case.proto",
    "envoy/extensions/http/original_ip_detection/custom_header/v3/custom_header.proto",
    "envoy/extensions/http/original_ip_detection/xff/v3/xff.proto",
    "envoy/extensions/http/stateful_session/cookie/v3/cookie.proto",
    "envoy/extensions/internal_redirect/allow_listed_routes/v3/allow_listed_routes_config.proto",
    "envoy/extensions/internal_redirect/previous_routes/v3/previous_routes_config.proto",
    "envoy/extensions/internal_redirect/safe_cross_scheme/v3/safe_cross_scheme_config.proto",
    "envoy/extensions/load_balancing_policies/cluster_provided/v3/cluster_provided.proto",
    "envoy/extensions/load_balancing_policies/least_request/v3/least_request.proto",
    "envoy/extensions/load_balancing_policies/maglev/v3/maglev.proto",
    "envoy/extensions/load_balancing_policies/random/v3/random.proto",
    "envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash.proto",
    "envoy/extensions/load_balancing_policies/round_robin/v3/round_robin.proto",
    "envoy/extensions/path/match/uri_template/v3/uri_template_match.proto",
    "envoy/extensions/path/rewrite/uri_template/v3/uri_template_rewrite.proto",
    "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.proto",
    "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.proto",
    "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.proto",
    "envoy/extensions/transport_sockets/tls/v3/common.proto",
    "envoy/extensions/transport_sockets/tls/v3/secret.proto",
    "envoy/extensions/transport_sockets/tls/v3/tls.proto",
    "envoy/extensions/upstreams/http/v3/http_protocol_options.proto",
    "envoy/extensions/wasm/v3/wasm.proto",
    "envoy/service/discovery/v3/ads.proto",
    "envoy/service/discovery/v3/discovery.proto",
    "google/protobuf/any.proto",
    "google/protobuf/duration.proto",
    "google/protobuf/struct.proto",
    "google/protobuf/timestamp.proto",
    "google/protobuf/wrappers.proto",
];

/// Imports that only carry options; prost drops unknown options anyway, so nothing refers to these files.
const OPTION_FILES: &[&str] = &[
    "envoy/annotations/",
    "google/api/annotations.proto",
    "google/protobuf/descriptor.proto",
    "udpa/annotations/",
    "validate/",
    "xds/annotations/",
];

/// Messages that can hold a secret; `xds/src/well_known.rs` writes their Debug texts.
const SECRET_MESSAGES: [&str; 4] = [
    ".envoy.extensions.transport_sockets.tls.v3.GenericSecret",
    ".envoy.extensions.transport_sockets.tls.v3.TlsCertificate",
    ".envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys",
    ".google.protobuf.Any",
];

/// The one service that gets client and server stubs.
const SERVICE: &str = "AggregatedDiscoveryService";

/// Regenerates the committed code in `xds/src/generated`.
pub(crate) fn run() -> Result<()> {
    let out = repository_root().join("xds/src/generated");
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| format!("cannot clear {}", out.display()))?;
    }
    let files = generate(&out)?;
    println!("wrote the code of {files} proto files to xds/src/generated");
    Ok(())
}

/// Generates code and descriptor set into `out` and returns the number of proto files they cover.
fn generate(out: &Path) -> Result<usize> {
    fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let path = descriptor_set_path()?;
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let set = FileDescriptorSet::decode(bytes.as_slice()).context("the descriptor set does not decode")?;
    let set = stripped_closure(set)?;
    let files = set.file.len();
    fs::write(out.join("descriptors.bin"), set.encode_to_vec())?;
    generate_code(set, out)?;
    Ok(files)
}

fn generate_code(set: FileDescriptorSet, out: &Path) -> Result<()> {
    let mut config = tonic_prost_build::Config::new();
    config
        .btree_map(["."])
        .bytes([".google.protobuf.Any"])
        .skip_debug(SECRET_MESSAGES)
        .enable_type_names()
        .type_name_domain(["."], "type.googleapis.com")
        .compile_well_known_types()
        .include_file("mod.rs");
    tonic_prost_build::configure()
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .out_dir(out)
        .compile_fds_with_config(set, config)
        .context("code generation failed")
}

/// Keeps the roots and what they import, without source positions, option-only imports and foreign services.
fn stripped_closure(set: FileDescriptorSet) -> Result<FileDescriptorSet> {
    let order: Vec<String> = set.file.iter().map(|file| file.name().to_owned()).collect();
    let mut by_name: BTreeMap<String, FileDescriptorProto> =
        set.file.into_iter().map(|file| (file.name().to_owned(), strip(file))).collect();
    let wanted = closure(&by_name)?;
    // The set lists imports before their users; keeping its order keeps it loadable.
    let file =
        order.iter().filter(|name| wanted.contains(*name)).filter_map(|name| by_name.remove(name)).collect();
    Ok(FileDescriptorSet { file })
}

fn strip(mut file: FileDescriptorProto) -> FileDescriptorProto {
    file.source_code_info = None;
    file.dependency.retain(|import| !OPTION_FILES.iter().any(|prefix| import.starts_with(prefix)));
    file.public_dependency.clear();
    file.weak_dependency.clear();
    file.service.retain(|service| service.name() == SERVICE);
    file
}

fn closure(files: &BTreeMap<String, FileDescriptorProto>) -> Result<BTreeSet<String>> {
    let mut wanted = BTreeSet::new();
    let mut pending: Vec<&str> = ROOTS.to_vec();
    while let Some(name) = pending.pop() {
        if !wanted.insert(name.to_owned()) {
            continue;
        }
        let Some(file) = files.get(name) else { bail!("the descriptor set has no file {name}") };
        pending.extend(file.dependency.iter().map(String::as_str));
    }
    Ok(wanted)
}

/// Asks cargo where the unpacked `envoy-types` package is.
fn descriptor_set_path() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(repository_root())
        .output()
        .context("cannot run cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let manifest = metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|package| package["name"] == "envoy-types")
        .and_then(|package| package["manifest_path"].as_str())
        .context("cargo metadata lists no envoy-types package")?;
    let package = Path::new(manifest).parent().context("the manifest path has no folder")?;
    Ok(package.join("src/generated/types.bin"))
}

fn repository_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())
            })
            .collect()
    }

    #[test]
    #[ignore = "needs the unpacked envoy-types package, which a plain build does not download"]
    fn real_committed_code_is_what_the_generator_writes() {
        let fresh = repository_root().join("target/codegen-xds-check");
        if fresh.exists() {
            fs::remove_dir_all(&fresh).unwrap();
        }
        generate(&fresh).unwrap();
        let (fresh, committed) = (contents(&fresh), contents(&repository_root().join("xds/src/generated")));
        assert_eq!(fresh.keys().collect::<Vec<_>>(), committed.keys().collect::<Vec<_>>());
        for (name, bytes) in &fresh {
            assert!(bytes == &committed[name], "{name} differs: run `cargo xtask codegen xds`");
        }
    }
}
