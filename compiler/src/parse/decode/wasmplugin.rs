//! Reader of WasmPlugins.

use super::dialect::{Dialect, Form};
use crate::manifest::{MatchRule, WasmPlugin};
use crate::parse::fields::Fields;

/// The fields of `spec`.
const FIELDS: [&str; 14] = [
    "defaultConfig",
    "defaultConfigDisable",
    "failStrategy",
    "imagePullPolicy",
    "imagePullSecret",
    "matchRules",
    "phase",
    "pluginConfig",
    "pluginName",
    "priority",
    "sha256",
    "url",
    "verificationKey",
    "vmConfig",
];

/// Those about how the module is got.
const FETCHING: [&str; 3] = ["imagePullPolicy", "imagePullSecret", "verificationKey"];

/// The fields of a match rule.
const RULE_FIELDS: [&str; 6] = ["config", "configDisable", "domain", "ingress", "routeType", "service"];

pub(super) fn wasm_plugin(spec: Fields<'_>, dialect: &mut Dialect) -> WasmPlugin {
    let mut phase = spec.text("phase");
    if dialect.allowed && phase.as_deref() == Some("DEFAULT") {
        dialect.note("/spec/phase", Form::DefaultPhase);
        phase = Some("UNSPECIFIED_PHASE".to_owned());
    }
    WasmPlugin {
        url: spec.text("url").unwrap_or_default(),
        sha256: spec.text("sha256"),
        phase,
        priority: spec.number("priority"),
        fail_strategy: spec.text("failStrategy"),
        plugin_config: spec.free_form("pluginConfig"),
        default_config: spec.free_form("defaultConfig"),
        default_config_disable: spec.boolean("defaultConfigDisable").unwrap_or_default(),
        match_rules: spec.list("matchRules").map(match_rule).collect(),
        fetching: FETCHING.into_iter().filter(|field| is_set(spec, field)).map(str::to_owned).collect(),
        strays: spec.has_others(&FIELDS),
    }
}

fn is_set(spec: Fields<'_>, field: &str) -> bool {
    spec.text(field).is_some_and(|text| !["", "UNSPECIFIED_POLICY"].contains(&text.as_str()))
}

fn match_rule(fields: Fields<'_>) -> MatchRule {
    MatchRule {
        ingress: fields.texts("ingress"),
        domain: fields.texts("domain"),
        service: fields.texts("service"),
        config: fields.free_form("config"),
        config_disable: fields.boolean("configDisable").unwrap_or_default(),
        route_type: fields.text("routeType"),
        strays: fields.has_others(&RULE_FIELDS),
        misread: ["ingress", "domain", "service"]
            .into_iter()
            .any(|field| fields.has(field) && !fields.is_list(field)),
    }
}
