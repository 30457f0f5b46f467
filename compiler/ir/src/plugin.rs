//! WasmPlugins as the model sees them: order, scope, digests. Modules are not executed by this version.

use serde::Serialize;

/// Keyed digest of an effective plugin configuration, 16 hex digits: it shows change and equality, never content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ConfigDigest(pub String);

/// One WasmPlugin in the execution order of the listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PluginUse {
    /// Object name (plugins live in the system namespace).
    pub name: String,
    /// Module address, as written.
    pub url: String,
    /// Digest of the module, where it is pinned (by `sha256` or in the address).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Place in the filter chain.
    pub phase: Phase,
    /// Higher runs earlier within a phase; none sorts below every number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// What happens to requests when the plugin cannot run.
    pub fail_strategy: FailStrategy,
    /// Digest of the configuration for requests that no rule matches; none means that the plugin leaves them alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global_config: Option<ConfigDigest>,
    /// Scoped configurations in evaluation order: the first rule that matches wins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<PluginRule>,
}

/// One scoped configuration of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PluginRule {
    /// Route names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<String>,
    /// Host patterns: `*` at one end only, otherwise equality.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
    /// Upstream service hosts, or `HOST:PORT`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// The configuration.
    pub config: ConfigDigest,
}

/// How one plugin acts on one route.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct PluginApplication {
    /// Object name.
    pub plugin: String,
    /// Module digest where pinned, else its address.
    pub module: String,
    /// Effective configuration.
    pub config: ConfigDigest,
    /// What happens when the plugin cannot run.
    pub fail_strategy: FailStrategy,
    /// Where the rule names a host that is narrower than the route's host: the pattern that the request's host must
    /// have. None means every request of the route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_host: Option<String>,
}

/// Execution phase, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Phase {
    /// Authentication.
    Authn,
    /// Authorization.
    Authz,
    /// Statistics.
    Stats,
    /// Last before the router.
    UnspecifiedPhase,
}

/// What happens to requests when a plugin cannot run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailStrategy {
    /// They fail.
    FailClose,
    /// They pass unchanged.
    FailOpen,
}

/// The `routeType` of a match rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RouteType {
    /// Plain HTTP.
    Http,
    /// gRPC.
    Grpc,
}
