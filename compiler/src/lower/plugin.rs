//! WasmPlugins: order, scope and effective configuration. Modules are not executed by this version, so what a
//! FAIL_CLOSE plugin covers answers 503, and what a FAIL_OPEN plugin covers passes unchanged.

use std::collections::BTreeSet;
use std::sync::Arc;

use gatewright_diagnostics::code;
use gatewright_ir::{
    ClusterName, ConfigDigest, FailStrategy, HeaderMatch, HostPattern, Phase, PluginApplication, PluginRule,
    PluginUse, Refusal, Route, RouteAction, ValueMatch,
};
use gatewright_kinds::EntityKey;

use super::lost_plugin::{self, Loss};
use super::plugin_settings;
use crate::finding::{Finding, Place};
use crate::manifest::{Body, Manifest, MatchRule, WasmPlugin};
use crate::options::{CompileOptions, Profile};

/// A plugin that acts on requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PluginScope {
    pub(crate) key: EntityKey,
    pub(crate) plugin: Arc<PluginUse>,
    /// Why it acts on nothing although it is there to keep requests out: it does not run, and what it may be meant for
    /// is refused.
    pub(crate) lost: Option<Loss>,
}

impl PluginScope {
    /// Returns whether the gateway runs the plugin.
    pub(crate) fn runs(&self) -> bool {
        self.lost != Some(Loss::Elsewhere)
    }
}

/// Reads all WasmPlugins into execution order: phase, priority descending, name.
pub(crate) fn read<'a>(
    manifests: impl Iterator<Item = &'a Arc<Manifest>>,
    poisoned: &BTreeSet<EntityKey>,
    options: &CompileOptions,
) -> (Vec<PluginScope>, Vec<Finding>) {
    let mut scopes = Vec::new();
    let mut findings = Vec::new();
    for manifest in manifests {
        let Body::WasmPlugin(spec) = &manifest.body else { continue };
        let lost = lost_plugin::loss(&manifest.key, spec, options);
        findings.extend(lost.map(|loss| lost_plugin::finding(&manifest.key, loss, spec, options)));
        if *manifest.key.namespace != *options.system_namespace && lost.is_none() {
            let namespace = &options.system_namespace;
            let message =
                format!("only WasmPlugins of namespace `{namespace}` are read, so this one is ignored");
            findings.push(Finding::new(
                &code::GW0207,
                Place::value(&manifest.key, "/metadata/namespace"),
                message,
            ));
            continue;
        }
        let Some(plugin) = plugin_use(&manifest.key, spec, &mut findings) else { continue };
        let plugin = if poisoned.contains(&manifest.key) { refused(plugin) } else { plugin };
        findings.extend(plugin_settings::dead(&manifest.key, spec));
        if lost.is_none() {
            findings.extend(not_executed(&manifest.key, &plugin));
        }
        if plugin.sha256.is_none() && !plugin.url.is_empty() {
            let message = format!("module `{}` is not pinned by digest", plugin.url);
            findings.push(
                Finding::new(&code::GW0435, Place::value(&manifest.key, "/spec/url"), message)
                    .with_help("set `spec.sha256`, or end the address with `@sha256:DIGEST`"),
            );
        }
        scopes.push(PluginScope { key: manifest.key.clone(), plugin: Arc::new(plugin), lost });
    }
    scopes.sort_by(|a, b| order(&a.plugin).cmp(&order(&b.plugin)));
    (scopes, findings)
}

fn order(plugin: &PluginUse) -> (Phase, std::cmp::Reverse<Option<i64>>, &str) {
    (plugin.phase, std::cmp::Reverse(plugin.priority), &plugin.name)
}

/// Returns the plugin as the gateway would run it; none where Higress removes it.
fn plugin_use(key: &EntityKey, spec: &WasmPlugin, findings: &mut Vec<Finding>) -> Option<PluginUse> {
    let mut plugin = PluginUse {
        name: key.name.to_string(),
        url: spec.url.clone(),
        sha256: spec.sha256.clone().filter(|text| !text.is_empty()).or_else(|| digest_in(&spec.url)),
        phase: match spec.phase.as_deref() {
            Some("AUTHN") => Phase::Authn,
            Some("AUTHZ") => Phase::Authz,
            Some("STATS") => Phase::Stats,
            _ => Phase::UnspecifiedPhase,
        },
        priority: spec.priority,
        fail_strategy: match spec.fail_strategy.as_deref() {
            Some("FAIL_OPEN") => FailStrategy::FailOpen,
            _ => FailStrategy::FailClose,
        },
        global_config: None,
        rules: Vec::new(),
    };
    if let Some(config) = &spec.plugin_config {
        let others = spec.default_config.is_some() || spec.default_config_disable;
        if others || !spec.match_rules.is_empty() {
            let message =
                "pluginConfig makes Higress ignore defaultConfig, defaultConfigDisable and matchRules";
            findings.push(Finding::new(&code::GW0438, Place::key(key, "/spec/pluginConfig"), message));
        }
        plugin.global_config = Some(digest(config));
        return Some(plugin);
    }
    for (index, rule) in spec.match_rules.iter().enumerate().filter(|(_, rule)| !rule.config_disable) {
        match plugin_rule(key, index, rule, findings) {
            Some(rule) => plugin.rules.push(rule),
            // One rule without condition makes Higress reject the plugin: a protection must not vanish with it.
            None => return Some(refused(plugin)),
        }
    }
    plugin.global_config = match (&spec.default_config, spec.default_config_disable) {
        (_, true) if plugin.rules.is_empty() => return None,
        (_, true) => None,
        (Some(config), false) => Some(digest(config)),
        (None, false) if plugin.rules.is_empty() => Some(digest(&serde_json::Value::Null)),
        (None, false) => None,
    };
    Some(plugin)
}

/// A plugin that Higress rejects as a whole covers everything that it might have covered.
fn refused(plugin: PluginUse) -> PluginUse {
    PluginUse { global_config: Some(digest(&serde_json::Value::Null)), rules: Vec::new(), ..plugin }
}

fn plugin_rule(
    key: &EntityKey,
    index: usize,
    rule: &MatchRule,
    findings: &mut Vec<Finding>,
) -> Option<PluginRule> {
    let pointer = format!("/spec/matchRules/{index}");
    if rule.ingress.is_empty() && rule.domain.is_empty() && rule.service.is_empty() {
        let message = "a match rule without ingress, domain or service makes Higress reject the whole plugin";
        let finding = Finding::new(&code::GW0432, Place::value(key, pointer), message)
            .with_help("name what the rule is for, or move its config to `defaultConfig`");
        findings.extend((!rule.misread).then_some(finding));
        return None;
    }
    if rule.route_type.as_deref() == Some("GRPC") && !rule.ingress.is_empty() {
        let message =
            "Higress replaces the ingress names of a GRPC rule by `GRPC`, so the rule never matches";
        findings.push(Finding::new(
            &code::GW0434,
            Place::value(key, format!("{pointer}/routeType")),
            message,
        ));
    }
    Some(PluginRule {
        routes: rule.ingress.clone(),
        domains: rule.domain.clone(),
        services: rule.service.clone(),
        config: digest(rule.config.as_ref().unwrap_or(&serde_json::Value::Null)),
    })
}

fn not_executed(key: &EntityKey, plugin: &PluginUse) -> Option<Finding> {
    let place = Place::key(key, "/spec");
    Some(match plugin.fail_strategy {
        FailStrategy::FailClose => Finding::new(
            &code::GW0430,
            place,
            format!("plugin `{}` is not executed yet: requests in its scope answer 503", plugin.name),
        )
        .with_note("FAIL_CLOSE: serving them without the plugin could lose a protection"),
        FailStrategy::FailOpen => Finding::new(
            &code::GW0431,
            place,
            format!("plugin `{}` is not executed yet: requests pass it unchanged", plugin.name),
        ),
    })
}

fn digest_in(url: &str) -> Option<String> {
    url.rsplit_once("@sha256:").map(|(_, digest)| digest.to_owned())
}

/// Plugin configuration may hold credentials: its digest is keyed, and only a part of it is shown.
fn digest(config: &serde_json::Value) -> ConfigDigest {
    let key = blake3::derive_key("gatewright plugin configuration digest v1", b"");
    let mut hasher = blake3::Hasher::new_keyed(&key);
    hasher.update(config.to_string().as_bytes());
    ConfigDigest(hasher.finalize().to_hex()[..16].to_owned())
}

/// Applies the plugins to one route: marks it, and refuses what a FAIL_CLOSE plugin covers. Where a rule names a
/// narrower host than the route's, a refusing copy for that host comes first.
pub(super) fn apply(
    plugins: &[PluginScope],
    host: &HostPattern,
    mut route: Route,
    profile: Profile,
) -> Vec<Route> {
    let mut copies: Vec<Route> = Vec::new();
    let mut refuse = false;
    let mut vain = false;
    for scope in plugins {
        if scope.lost.is_some() && profile == Profile::Native {
            vain |=
                scope.lost == Some(Loss::NoRoute) || !applications(&scope.plugin, host, &route).is_empty();
            continue;
        }
        if !scope.runs() {
            continue;
        }
        for application in applications(&scope.plugin, host, &route) {
            match (application.fail_strategy, &application.only_host) {
                (FailStrategy::FailClose, None) => refuse = true,
                (FailStrategy::FailClose, Some(only)) => {
                    copies.extend(refusing_copy(&route, only, &application))
                }
                (FailStrategy::FailOpen, _) => {}
            }
            route.plugins.push(application);
        }
    }
    if refuse || vain {
        let refusal = if vain { protects_nothing() } else { refusal() };
        route.action = RouteAction::Refuse(Arc::new(refusal));
        copies.clear();
    }
    copies.push(route);
    copies
}

fn refusal() -> Refusal {
    Refusal {
        code: code::GW0430.id.to_owned(),
        reason: "a plugin that fails closed is not executed yet".to_owned(),
    }
}

/// The refusal of routes for which a plugin may be meant that acts on nothing.
fn protects_nothing() -> Refusal {
    Refusal {
        code: code::GW0443.id.to_owned(),
        reason: "a plugin that is to keep requests out acts on nothing".to_owned(),
    }
}

fn refusing_copy(route: &Route, only_host: &str, application: &PluginApplication) -> Option<Route> {
    let mut copy = route.clone();
    // A route that tests the authority itself keeps its test; the refusal then covers all of it.
    if !copy.matches.conditions.headers.iter().any(|header| header.name == ":authority") {
        let test = HeaderMatch {
            name: ":authority".to_owned(),
            value: ValueMatch::Regex(host_expression(only_host)),
        };
        copy.matches.conditions.edit(|conditions| conditions.headers.insert(0, test));
    }
    copy.plugins = vec![application.clone()];
    copy.action = RouteAction::Refuse(Arc::new(refusal()));
    Some(copy)
}

/// Returns the expression for an authority whose host part a plugin pattern covers.
fn host_expression(pattern: &str) -> String {
    let (before, middle, after) = match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(suffix), _) => (".*", suffix, ""),
        (None, Some(prefix)) => ("", prefix, ".*"),
        (None, None) => ("", pattern, ""),
    };
    format!("{before}{}{after}(:[0-9]+)?", regex_syntax::escape(middle))
}

/// Returns how a plugin acts on a route: the first rule that matches wins, then the global configuration. A rule for
/// part of the route's hosts leaves the others to what follows.
fn applications(plugin: &PluginUse, host: &HostPattern, route: &Route) -> Vec<PluginApplication> {
    let mut found = Vec::new();
    let application = |config: &ConfigDigest, only_host: Option<String>| PluginApplication {
        plugin: plugin.name.clone(),
        module: plugin.sha256.clone().unwrap_or_else(|| plugin.url.clone()),
        config: config.clone(),
        fail_strategy: plugin.fail_strategy,
        only_host,
    };
    for rule in &plugin.rules {
        match coverage(rule, host, route) {
            Coverage::Nothing => {}
            Coverage::Everything => {
                found.push(application(&rule.config, None));
                return found;
            }
            Coverage::Hosts(patterns) => {
                found.extend(patterns.into_iter().map(|pattern| application(&rule.config, Some(pattern))));
            }
        }
    }
    found.extend(plugin.global_config.as_ref().map(|config| application(config, None)));
    found
}

enum Coverage {
    Nothing,
    Everything,
    Hosts(Vec<String>),
}

/// Higress' Go SDK looks at one kind of condition: route (and service with it), else domain, else service.
fn coverage(rule: &PluginRule, host: &HostPattern, route: &Route) -> Coverage {
    let by_service = rule.services.is_empty() || reaches_service(&rule.services, route);
    if !rule.routes.is_empty() {
        return if rule.routes.iter().any(|name| **name == *route.name) && by_service {
            Coverage::Everything
        } else {
            Coverage::Nothing
        };
    }
    if !rule.domains.is_empty() {
        return domain_coverage(&rule.domains, host);
    }
    if by_service { Coverage::Everything } else { Coverage::Nothing }
}

/// A rule by service covers a whole route as soon as one of its targets is meant: the choice is made later.
fn reaches_service(services: &[String], route: &Route) -> bool {
    let RouteAction::Forward(forward) = &route.action else { return false };
    let clusters =
        forward.targets.iter().flat_map(|target| std::iter::once(&target.cluster).chain(&target.fallbacks));
    clusters.into_iter().any(|cluster| services.iter().any(|service| names_service(service, cluster)))
}

/// Returns whether a rule's service, `HOST` or `HOST:PORT`, means a cluster.
pub(crate) fn names_service(service: &str, cluster: &ClusterName) -> bool {
    service == cluster.host()
        || cluster.port().is_some_and(|port| service == format!("{}:{port}", cluster.host()))
}

fn domain_coverage(domains: &[String], host: &HostPattern) -> Coverage {
    let mut hosts = Vec::new();
    for domain in domains {
        match overlap(domain, host) {
            Coverage::Everything => return Coverage::Everything,
            Coverage::Hosts(patterns) => hosts.extend(patterns),
            Coverage::Nothing => {}
        }
    }
    if hosts.is_empty() { Coverage::Nothing } else { Coverage::Hosts(hosts) }
}

/// How much of a host pattern a plugin's domain covers: `*` at one end only, otherwise equality.
fn overlap(domain: &str, host: &HostPattern) -> Coverage {
    let part = || Coverage::Hosts(vec![domain.to_owned()]);
    match (host, domain.strip_prefix('*'), domain.strip_suffix('*')) {
        (_, Some(""), _) => Coverage::Everything,
        (HostPattern::Exact(name), Some(suffix), _) => whole(name.ends_with(suffix)),
        (HostPattern::Exact(name), None, Some(prefix)) => whole(name.starts_with(prefix)),
        (HostPattern::Exact(name), None, None) => whole(**name == *domain),
        (HostPattern::Suffix(parent), Some(suffix), _) => {
            let every = format!(".{parent}");
            if every.ends_with(suffix) {
                Coverage::Everything
            } else if suffix.ends_with(&every) {
                part()
            } else {
                Coverage::Nothing
            }
        }
        (HostPattern::Suffix(parent), None, None) if !domain.ends_with(&format!(".{parent}")) => {
            Coverage::Nothing
        }
        (HostPattern::Suffix(_) | HostPattern::Any, _, _) => part(),
    }
}

/// Returns whether a rule's domain covers any request for a host.
pub(crate) fn covers_host(domain: &str, host: &HostPattern) -> bool {
    !matches!(overlap(domain, host), Coverage::Nothing)
}

fn whole(covered: bool) -> Coverage {
    if covered { Coverage::Everything } else { Coverage::Nothing }
}
