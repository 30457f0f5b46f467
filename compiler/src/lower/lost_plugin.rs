//! Plugins that are there to keep requests out and act on nothing: misplaced, without configuration, or with rules that
//! cover nothing of the source.

use gatewright_diagnostics::{Code, code};
use gatewright_kinds::EntityKey;

use crate::annotations::words;
use crate::finding::{Finding, Place};
use crate::manifest::WasmPlugin;
use crate::options::{CompileOptions, Profile};

/// Why a plugin acts on nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Higress does not read plugins of its namespace.
    Elsewhere,
    /// It gets no configuration.
    NoConfiguration,
    /// None of its rules covers a route of the source.
    NoRoute,
}

impl Loss {
    /// Returns the reason as it stands in the model.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Loss::Elsewhere => "Higress does not read it",
            Loss::NoConfiguration => "it gets no configuration",
            Loss::NoRoute => "its rules cover no route",
        }
    }
}

/// Returns why a plugin acts on nothing, as far as it tells by itself; none for one that is not there to keep requests
/// out, or that is switched off.
pub(super) fn loss(key: &EntityKey, spec: &WasmPlugin, options: &CompileOptions) -> Option<Loss> {
    if !protects(key, spec) || is_switched_off(spec) {
        return None;
    }
    if *key.namespace != *options.system_namespace {
        return Some(Loss::Elsewhere);
    }
    is_empty(spec).then_some(Loss::NoConfiguration)
}

/// Returns whether a plugin is there to keep requests out, by its phase, its name or its module.
pub(crate) fn protects(key: &EntityKey, spec: &WasmPlugin) -> bool {
    let by_phase = matches!(spec.phase.as_deref(), Some("AUTHN" | "AUTHZ"));
    let module = spec.url.rsplit('/').next().unwrap_or_default();
    let module = module.split(['@', ':', '?']).next().unwrap_or_default();
    by_phase || words::protect(&key.name) || words::protect(module)
}

/// Returns whether both switches say that the plugin shall not run.
fn is_switched_off(spec: &WasmPlugin) -> bool {
    spec.plugin_config.is_none()
        && spec.default_config_disable
        && spec.match_rules.iter().all(|rule| rule.config_disable)
}

/// Returns whether a plugin was to have a configuration and gets none: it stands in fields that the API server drops, or
/// every rule is disabled.
fn is_empty(spec: &WasmPlugin) -> bool {
    if spec.plugin_config.is_some() || spec.default_config.is_some() {
        return false;
    }
    let enabled: Vec<_> = spec.match_rules.iter().filter(|rule| !rule.config_disable).collect();
    match (spec.match_rules.is_empty(), enabled.is_empty()) {
        (true, _) => spec.strays,
        (false, true) => true,
        (false, false) => enabled.iter().all(|rule| rule.config.is_none() && rule.strays),
    }
}

/// Returns the finding for a plugin that acts on nothing.
pub(crate) fn finding(key: &EntityKey, loss: Loss, spec: &WasmPlugin, options: &CompileOptions) -> Finding {
    let (code, note): (&'static Code, _) = match options.profile {
        Profile::Native => {
            (&code::GW0443, "routes that it may be meant for would be open, so they answer 503")
        }
        Profile::Higress => (&code::GW0444, "Higress serves the routes that it is meant for without it"),
    };
    let namespace = &options.system_namespace;
    let name = &key.name;
    let (place, message, help) = match loss {
        Loss::Elsewhere => (
            Place::value(key, "/metadata/namespace"),
            format!("plugin `{name}` protects nothing: only WasmPlugins of namespace `{namespace}` are read"),
            format!("set `metadata.namespace: {namespace}`"),
        ),
        Loss::NoConfiguration if spec.match_rules.is_empty() => (
            Place::key(key, "/spec"),
            format!(
                "plugin `{name}` gets no configuration: all of it stands in fields that are none of a WasmPlugin"
            ),
            "move it below `spec.defaultConfig`, or below `config` of a match rule".to_owned(),
        ),
        Loss::NoConfiguration => (
            Place::key(key, "/spec/matchRules"),
            format!("plugin `{name}` gets no configuration: no rule that is enabled has a `config`"),
            "write the configuration below `config` of the rule, or `configDisable: false`".to_owned(),
        ),
        Loss::NoRoute => (
            Place::key(key, "/spec/matchRules"),
            format!("plugin `{name}` protects nothing: none of its rules covers a route of the source"),
            "correct the names of the rules: routes are called `NAMESPACE/INGRESS`".to_owned(),
        ),
    };
    Finding::new(code, place, message).with_note(note).with_help(help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatewright_kinds::Kind;

    #[test]
    fn protections_are_told_by_phase_name_or_module() {
        let told = |name: &str, url: &str, phase: Option<&str>| {
            let spec =
                WasmPlugin { url: url.into(), phase: phase.map(str::to_owned), ..WasmPlugin::default() };
            protects(&EntityKey::new(Kind::WasmPlugin, "higress-system", name), &spec)
        };
        assert!(told("x", "oci://r.example.com/plugins/ext-auth:1.0.0", None));
        assert!(told("x", "http://r.example.com/key-auth.wasm?v=1", None));
        assert!(told("ip-restriction-1.0.0", "oci://r.example.com/m", None));
        assert!(told("x", "oci://r.example.com/m", Some("AUTHN")));
        assert!(!told("transformer", "oci://auth.example.com/waf/transformer:1", Some("UNSPECIFIED_PHASE")));
    }
}
