//! Which fields of which kinds are secret. For Secrets, plugins and foreign kinds the lists say what may be shown, so that
//! a field that nobody thought of stays hidden.

use serde_json::Value;

/// What stands in the place of a secret part of a shown value.
const HIDDEN: &str = "[hidden]";
/// Holds a copy of the whole object, Secret or not.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What of a Secret is shown.
const OF_SECRET: [&[&str]; 5] = [&["apiVersion"], &["kind"], &["metadata"], &["type"], &["immutable"]];
/// What of a WasmPlugin is shown; `*` stands for any index.
const OF_PLUGIN: [&[&str]; 20] = [
    &["apiVersion"],
    &["kind"],
    &["metadata"],
    &["spec", "url"],
    &["spec", "sha256"],
    &["spec", "phase"],
    &["spec", "priority"],
    &["spec", "failStrategy"],
    &["spec", "imagePullPolicy"],
    &["spec", "imagePullSecret"],
    &["spec", "pluginName"],
    &["spec", "type"],
    &["spec", "selector"],
    &["spec", "defaultConfigDisable"],
    &["spec", "matchRules", "*", "ingress"],
    &["spec", "matchRules", "*", "domain"],
    &["spec", "matchRules", "*", "service"],
    &["spec", "matchRules", "*", "configDisable"],
    &["spec", "matchRules", "*", "routeType"],
    &["spec", "verificationKey"],
];

/// Kinds whose fields route requests and are shown like an Ingress', apart from those with lists of their own.
const OPEN: [&str; 7] =
    ["Ingress", "IngressClass", "Service", "EndpointSlice", "Endpoints", "ConfigMap", "McpBridge"];
/// API groups whose kinds route requests too, though they are not modelled.
const OPEN_GROUPS: [&str; 2] = [".networking.istio.io", ".gateway.networking.k8s.io"];
/// What of any other kind is shown; of the rest, which fields differ.
const OF_FOREIGN: [&[&str]; 3] = [&["apiVersion"], &["kind"], &["metadata"]];

/// Says which fields of a kind are hidden.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'k> {
    kind: &'k str,
}

impl<'k> Rules<'k> {
    /// Returns the rules of a kind.
    pub(crate) fn of(kind: &'k str) -> Self {
        Rules { kind }
    }

    /// Returns whether nothing but a difference may be told of the value at `path`.
    pub(crate) fn hides(self, path: &[String], value: &Value) -> bool {
        let last = path.last().map_or("", String::as_str);
        if last == LAST_APPLIED || (self.kind == "McpBridge" && is_credential(last)) {
            return true;
        }
        let leads_on = value.is_object() || value.is_array();
        let allowed: &[&[&str]] = match self.kind {
            // The names of the keys are no secret.
            "Secret" if matches!(path, [map] if map == "data" || map == "stringData") => {
                return !value.is_object();
            }
            "Secret" => &OF_SECRET,
            "WasmPlugin" => &OF_PLUGIN,
            kind if OPEN.contains(&kind) || OPEN_GROUPS.iter().any(|group| kind.ends_with(group)) => {
                return false;
            }
            // The names of the fields are no secret.
            _ => return !leads_on && !OF_FOREIGN.iter().any(|pattern| meets(pattern, path)),
        };
        !allowed.iter().any(|pattern| meets(pattern, path) && (leads_on || path.len() >= pattern.len()))
    }

    /// Returns a value for showing: keys in order, hidden parts replaced.
    pub(crate) fn shown(self, path: &mut Vec<String>, value: &Value) -> Value {
        if self.hides(path, value) {
            return HIDDEN.into();
        }
        match value {
            Value::Object(members) => {
                let mut names: Vec<&String> = members.keys().collect();
                names.sort();
                let member =
                    |name: &String| (name.clone(), self.shown_below(path, name.clone(), &members[name]));
                Value::Object(names.into_iter().map(member).collect())
            }
            Value::Array(items) => {
                let items = items.iter().enumerate();
                Value::Array(
                    items.map(|(index, item)| self.shown_below(path, index.to_string(), item)).collect(),
                )
            }
            Value::String(text) if self.kind == "ConfigMap" => masked(text).into(),
            scalar => scalar.clone(),
        }
    }

    fn shown_below(self, path: &mut Vec<String>, segment: String, value: &Value) -> Value {
        path.push(segment);
        let shown = self.shown(path, value);
        path.pop();
        shown
    }
}

/// Returns whether a path lies on the way to what the pattern allows, or below it.
fn meets(pattern: &[&str], path: &[String]) -> bool {
    pattern.iter().zip(path).all(|(wanted, segment)| *wanted == "*" || wanted == segment)
}

/// Registries carry credentials in plain fields (`nacosSecretKey`), and names of Secrets in others.
fn is_credential(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let secret =
        ["secret", "password", "token", "accesskey", "credential"].iter().any(|word| lower.contains(word));
    secret && !lower.ends_with("secretname") && !lower.ends_with("secretnamespace")
}

/// Replaces the values of lines like `password: x`: a ConfigMap holds whole files.
fn masked(text: &str) -> String {
    if text.contains("PRIVATE KEY-----") {
        return HIDDEN.to_owned();
    }
    let line = |line: &str| match line.split_once([':', '=']) {
        Some((key, value)) if !value.trim().is_empty() && is_credential(key) => {
            format!("{}{} {HIDDEN}", key, &line[key.len()..=key.len()])
        }
        _ => line.to_owned(),
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(kind: &str, value: Value) -> String {
        Rules::of(kind).shown(&mut Vec::new(), &value).to_string()
    }

    #[test]
    fn a_secret_shows_nothing_but_its_metadata_and_type() {
        let text = shown(
            "Secret",
            json!({
                "kind": "Secret",
                "metadata": {"name": "a", "annotations": {LAST_APPLIED: "SESAME", "note": "open"}},
                "type": "Opaque",
                "data": {"tls.key": "SESAME"},
                "stringData": {"x": "SESAME"},
                "stringdata": {"misspelled": "SESAME"},
            }),
        );
        assert!(!text.contains("SESAME") && text.contains("open") && text.contains("Opaque"), "{text}");
    }

    #[test]
    fn a_plugin_shows_its_scope_but_no_configuration() {
        let text = shown(
            "WasmPlugin",
            json!({
                "spec": {
                    "url": "oci://a",
                    "defaultConfig": {"consumers": ["SESAME"]},
                    "pluginConfig": "SESAME",
                    "vmConfig": {"env": [{"name": "K", "value": "SESAME"}]},
                    "matchRules": [{"domain": ["a.com"], "config": {"key": "SESAME"}, "configDisable": false}],
                },
            }),
        );
        assert!(!text.contains("SESAME") && text.contains("a.com") && text.contains("oci://a"), "{text}");
    }

    #[test]
    fn a_registry_shows_no_credentials() {
        let registry = json!({"name": "r", "nacosSecretKey": "SESAME", "authSecretName": "nacos-auth"});
        let text = shown("McpBridge", json!({"spec": {"registries": [registry]}}));
        assert!(!text.contains("SESAME") && text.contains("nacos-auth"), "{text}");
    }

    #[test]
    fn a_config_map_shows_no_credentials_of_the_files_in_it() {
        let text =
            shown("ConfigMap", json!({"data": {"higress": "redis:\n  address: a:1\n  password: SESAME\n"}}));
        assert!(
            !text.contains("SESAME") && text.contains("address: a:1") && text.contains("password: [hidden]"),
            "{text}"
        );
    }

    #[test]
    fn a_foreign_kind_shows_which_fields_it_has() {
        let container = json!({"env": [{"name": "K", "value": "SESAME"}]});
        let text = shown(
            "Deployment.apps",
            json!({"metadata": {"name": "web"}, "spec": {"containers": [container]}}),
        );
        assert!(!text.contains("SESAME") && text.contains("web") && text.contains("containers"), "{text}");
        let text = shown("VirtualService.networking.istio.io", json!({"spec": {"hosts": ["a.com"]}}));
        assert!(text.contains("a.com"), "{text}");
    }

    #[test]
    fn the_copy_that_kubectl_keeps_is_hidden_everywhere() {
        let text = shown("Ingress", json!({"metadata": {"annotations": {LAST_APPLIED: "COPY", "a": "b"}}}));
        assert!(!text.contains("COPY") && text.contains("\"a\":\"b\""), "{text}");
    }
}
