//! Reader of WasmPlugins.

use serde_json::Value;

use super::dialect::{Dialect, Form};
use crate::manifest::{MatchRule, WasmPlugin};
use crate::parse::fields::Fields;

pub(super) fn wasm_plugin(mut spec: Fields, dialect: &mut Dialect) -> WasmPlugin {
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
        plugin_config: spec.take("pluginConfig"),
        default_config: spec.take("defaultConfig"),
        default_config_disable: spec.boolean("defaultConfigDisable").unwrap_or_default(),
        match_rules: spec.list("matchRules").into_iter().map(match_rule).collect(),
    }
}

fn match_rule(value: Value) -> MatchRule {
    let mut fields = Fields::of(value);
    MatchRule {
        ingress: fields.texts("ingress"),
        domain: fields.texts("domain"),
        service: fields.texts("service"),
        config: fields.take("config"),
        config_disable: fields.boolean("configDisable").unwrap_or_default(),
        route_type: fields.text("routeType"),
    }
}
