//! Typed manifests: what the user wrote, in Kubernetes' and Higress' words, checked against the schemas.
//!
//! A manifest holds neither its path nor its revision, so that a moved file changes nothing. Lists that Kubernetes
//! calls `items` of a `List` are manifests of their own.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use gatewright_ir::{Digest, Optional, Shared};
use gatewright_kinds::EntityKey;
use serde::{Deserialize, Serialize};

pub use crate::texts::Texts;

/// One object as written.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Identity.
    pub key: EntityKey,
    /// What of the metadata matters.
    pub metadata: Shared<Metadata>,
    /// The kind's own fields.
    pub body: Body,
    /// Digest of all that is above (keyed where it holds secrets): equal digests mean equal manifests, comments and
    /// layout aside.
    pub fingerprint: Digest,
    /// Which document of the file it is, from 0, and its place in a `List`, if it came in one.
    pub document: DocumentIndex,
}

/// Where a manifest stands in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DocumentIndex {
    /// Document, from 0.
    pub document: u32,
    /// Index in `items`, for members of a `List`.
    pub item: Option<u32>,
}

/// The metadata that matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// Annotations.
    pub annotations: Texts,
    /// Labels.
    pub labels: Texts,
    /// RFC 3339 time of creation, where the manifest was exported from a kube cluster.
    pub creation_timestamp: Option<String>,
}

impl Optional for Metadata {
    const NOTHING: &'static Self =
        &Metadata { annotations: Texts::new(), labels: Texts::new(), creation_timestamp: None };
}

/// The kind's own part of a manifest.
#[derive(Clone, Debug)]
pub enum Body {
    /// See [`Ingress`].
    Ingress(Ingress),
    /// Only the metadata matters.
    IngressClass,
    /// See [`Service`].
    Service(Service),
    /// See [`EndpointSlice`].
    EndpointSlice(EndpointSlice),
    /// See [`Secret`].
    Secret(Secret),
    /// See [`ConfigMap`].
    ConfigMap(ConfigMap),
    /// See [`McpBridge`].
    McpBridge(McpBridge),
    /// See [`WasmPlugin`].
    WasmPlugin(Box<WasmPlugin>),
    /// See [`RegistrySnapshot`].
    Registry(RegistrySnapshot),
    /// See [`DiscoveredService`].
    RegistryService(DiscoveredService),
}

/// `spec` of an Ingress.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ingress {
    /// `spec.ingressClassName`
    pub ingress_class_name: Option<String>,
    /// `spec.defaultBackend`
    pub default_backend: Option<Arc<Backend>>,
    /// `spec.tls`
    pub tls: Vec<IngressTls>,
    /// `spec.rules`
    pub rules: Vec<IngressRule>,
}

/// One entry of `spec.tls`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressTls {
    /// Host names.
    pub hosts: Vec<String>,
    /// Secret in the Ingress' namespace.
    pub secret_name: Option<String>,
}

/// One entry of `spec.rules`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressRule {
    /// Host; empty or missing means `*`.
    pub host: Arc<str>,
    /// Paths; a rule without `http` opens the host and routes nothing.
    pub http: Option<HttpRule>,
    /// The host has another type than text, so that nobody knows which is meant; the schema's finding says so.
    #[serde(skip)]
    pub misread: bool,
}

/// `http` of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpRule {
    /// Paths.
    pub paths: Vec<IngressPath>,
}

/// One path of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressPath {
    /// Path; empty means `/`.
    pub path: Arc<str>,
    /// `Exact`, `Prefix` or `ImplementationSpecific`.
    pub path_type: Option<Cow<'static, str>>,
    /// Where requests go.
    pub backend: Arc<Backend>,
    /// The path is not written, or no text; a finding of the parser says so.
    #[serde(skip)]
    pub misread: bool,
}

/// A backend reference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Backend {
    /// A Service of the Ingress' namespace.
    pub service: Option<ServiceBackend>,
    /// Another object: the McpBridge.
    pub resource: Option<Box<ResourceBackend>>,
}

/// A Service backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceBackend {
    /// Service name.
    pub name: String,
    /// Port.
    pub port: BackendPort,
}

/// The port of a Service backend: one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct BackendPort {
    /// Port name.
    pub name: Option<String>,
    /// Port number.
    pub number: Option<u16>,
}

/// A resource backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceBackend {
    /// API group.
    pub api_group: Option<String>,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
}

/// `spec` of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Service {
    /// `spec.type`
    #[serde(rename = "type")]
    pub service_type: Option<String>,
    /// `spec.externalName`
    pub external_name: Option<String>,
    /// `spec.ports`
    pub ports: Vec<ServicePort>,
    /// A port could not be read or is missing; the schema's finding says so.
    #[serde(skip)]
    pub misread: bool,
}

/// One port of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServicePort {
    /// Name; may be missing where there is one port.
    pub name: Option<String>,
    /// Number.
    pub port: u16,
    /// `appProtocol`
    pub app_protocol: Option<String>,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Option<String>,
}

/// An EndpointSlice, or the older Endpoints in the same words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointSlice {
    /// `addressType`: `IPv4`, `IPv6` or `FQDN`.
    pub address_type: String,
    /// Endpoints.
    pub endpoints: Vec<SliceEndpoint>,
    /// Ports.
    pub ports: Vec<SlicePort>,
}

/// One entry of `endpoints`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct SliceEndpoint {
    /// Addresses.
    pub addresses: Vec<String>,
    /// Conditions.
    pub conditions: SliceConditions,
}

/// Conditions of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct SliceConditions {
    /// Ready unless this says `false` (the API's meaning of a missing value).
    pub ready: Option<bool>,
}

/// One port of a slice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct SlicePort {
    /// Name of the Service port it belongs to.
    pub name: Option<String>,
    /// Number.
    pub port: Option<u16>,
}

/// A Secret. Its data never shows in any output of `Debug`.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Secret {
    /// `type`
    pub secret_type: String,
    /// `data` decoded from base64 and `stringData`.
    pub data: BTreeMap<String, Vec<u8>>,
    /// A value could not be read, or one that the type needs is missing; a finding about the Secret says so.
    pub misread: bool,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("type", &self.secret_type).field("keys", &self.data.keys()).finish()
    }
}

/// A ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigMap {
    /// `data`
    pub data: BTreeMap<String, String>,
}

/// `spec` of an McpBridge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct McpBridge {
    /// Registries, after the guide's dialect (`fixed`, lists, `spec.dns`, `spec.nacos`) was read into canonical words.
    pub registries: Vec<Registry>,
    /// Names of the outbound proxies.
    #[serde(skip)]
    pub proxies: Vec<String>,
}

/// One registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Registry {
    /// `nacos`, `nacos2`, `nacos3`, `zookeeper`, `consul`, `eureka`, `static`, `dns`, or the dialect's `edas`.
    #[serde(rename = "type")]
    pub registry_type: String,
    /// Name.
    pub name: String,
    /// Registry host; for static a comma list of `ip:port`, for dns a comma list of names.
    pub domain: String,
    /// Registry port; for static and dns the logical service port.
    pub port: u32,
    /// Protocol of static and dns services.
    pub protocol: Option<String>,
    /// Upstream server name.
    pub sni: Option<String>,
    /// Names of the fields that are there.
    #[serde(skip)]
    pub fields: Vec<String>,
    /// JSON pointer of the entry in the manifest as written, e.g. `/spec/registries/0`.
    #[serde(skip)]
    pub pointer: String,
    /// A field has another type than the schema's and was left out; the schema's finding says so.
    #[serde(skip)]
    pub misread: bool,
}

/// What is known of a registry as a whole. Its key is its type and name, as an McpBridge declares it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RegistrySnapshot {
    /// Whether it offers no service beside those that are known.
    pub complete: bool,
}

/// A service that a registry offers. What it says of itself beyond that (groups, labels, times) is no part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DiscoveredService {
    /// The host that destinations name, e.g. `orders.DEFAULT-GROUP.public.nacos`.
    pub host: String,
    /// The port that destinations and cluster names use.
    pub port: u16,
    /// What its instances speak, in the words of an McpBridge.
    pub protocol: Option<String>,
    /// Whether its instances are known.
    pub state: ServiceState,
    /// Its instances.
    pub instances: Vec<Instance>,
}

/// What is known of the instances of a service. A registry can say nothing, and mean it or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ServiceState {
    /// They are those that are listed.
    #[default]
    Known,
    /// There is none.
    Empty,
    /// Nobody knows.
    Unknown,
}

/// An instance of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Instance {
    /// IP address.
    pub ip: String,
    /// TCP port.
    pub port: u16,
    /// Its share of the requests beside the others; none with 0.
    pub weight: u32,
    /// Whether the registry holds it for healthy.
    pub healthy: bool,
}

/// `spec` of a WasmPlugin.
#[derive(Clone, Debug, Default, PartialEq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WasmPlugin {
    /// Module address.
    pub url: String,
    /// Module digest.
    pub sha256: Option<String>,
    /// Phase; the guide's `DEFAULT` was read as `UNSPECIFIED_PHASE`.
    pub phase: Option<String>,
    /// Priority.
    pub priority: Option<i64>,
    /// Fail strategy.
    pub fail_strategy: Option<String>,
    /// Raw configuration that bypasses all other.
    pub plugin_config: Option<serde_json::Value>,
    /// Global configuration.
    pub default_config: Option<serde_json::Value>,
    /// Switches the global configuration off.
    pub default_config_disable: bool,
    /// Scoped configurations.
    pub match_rules: Vec<MatchRule>,
    /// Fields about how the module is got that are set, by name.
    #[serde(skip)]
    pub fetching: Vec<String>,
    /// The spec has fields that are none of a WasmPlugin.
    #[serde(skip)]
    pub strays: bool,
}

/// One scoped configuration.
#[derive(Clone, Debug, Default, PartialEq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MatchRule {
    /// Route names.
    pub ingress: Vec<String>,
    /// Host patterns.
    pub domain: Vec<String>,
    /// Upstream services.
    pub service: Vec<String>,
    /// Configuration.
    pub config: Option<serde_json::Value>,
    /// Skips the rule.
    pub config_disable: bool,
    /// `HTTP` or `GRPC`.
    pub route_type: Option<String>,
    /// The rule has fields that are none of a rule.
    #[serde(skip)]
    pub strays: bool,
    /// A condition is no list, so that nobody knows what it is; the schema's finding says so.
    #[serde(skip)]
    pub misread: bool,
}
