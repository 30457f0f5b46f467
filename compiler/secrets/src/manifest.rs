//! Which fields of which kinds are secret. For Secrets, plugins and foreign kinds the lists say what may be shown, so that
//! a field that nobody thought of stays hidden.

use serde_json::Value;

use crate::names::{is_header_control, is_secret_name};
use crate::{HIDDEN, address, yaml};

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
const OPEN: [&str; 8] = [
    "Ingress",
    "IngressClass",
    "Service",
    "EndpointSlice",
    "Endpoints",
    "ConfigMap",
    "McpBridge",
    "registries.lock.json",
];
/// API groups whose kinds route requests too, though they are not modelled.
const OPEN_GROUPS: [&str; 2] = [".networking.istio.io", ".gateway.networking.k8s.io"];
/// What of any other kind is shown; of the rest, which fields differ.
const OF_FOREIGN: [&[&str]; 3] = [&["apiVersion"], &["kind"], &["metadata"]];

/// Fields whose value is the address of something, where all that stands before `@` is a credential.
pub(crate) const ADDRESSES: [&str; 7] =
    ["address", "domain", "endpoint", "host", "server", "serverAddr", "serverAddress"];

/// Returns whether the value at a JSON pointer of an object is secret by its place.
pub fn hides(kind: &str, pointer: &str) -> bool {
    let segments = pointer.split('/').skip(1);
    let path: Vec<String> = segments.map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    Rules::of(kind).hides(&path, &Value::String(String::new()))
        || path.iter().any(|name| is_secret_name(name) || is_header_control(name))
}

/// Says which fields of a kind are hidden.
#[derive(Clone, Copy)]
pub struct Rules<'k> {
    kind: &'k str,
}

impl<'k> Rules<'k> {
    /// Returns the rules of a kind.
    pub fn of(kind: &'k str) -> Self {
        Rules { kind }
    }

    /// Returns whether nothing but a difference may be told of the value at `path`.
    pub fn hides(self, path: &[String], value: &Value) -> bool {
        let last = path.last().map_or("", String::as_str);
        let switch = value.is_boolean() || value.is_null();
        if last == LAST_APPLIED || (is_secret_name(last) && !switch && self.names_fields(path)) {
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

    /// Returns whether the last segment of a path is the name of a value and not, as in a Secret's `data`, of a
    /// mapping whose own rule decides.
    fn names_fields(self, path: &[String]) -> bool {
        path.len() > 1 || !matches!(self.kind, "Secret" | "WasmPlugin")
    }

    /// Returns a value for showing: keys in order, hidden parts replaced.
    pub fn shown(self, path: &mut Vec<String>, value: &Value) -> Value {
        if self.hides(path, value) {
            return HIDDEN.into();
        }
        match value {
            Value::Object(members) => {
                let pair = secret_pair(members);
                let mut names: Vec<&String> = members.keys().collect();
                names.sort();
                let member = |name: &String| {
                    let hidden = pair && !is_label(name);
                    let shown = if hidden { HIDDEN.into() } else { self.below(path, name, &members[name]) };
                    (name.clone(), shown)
                };
                Value::Object(names.into_iter().map(member).collect())
            }
            Value::Array(items) => {
                let items = items.iter().enumerate();
                Value::Array(items.map(|(index, item)| self.below(path, &index.to_string(), item)).collect())
            }
            Value::String(text) => scalar(path.last().map_or("", String::as_str), text).into(),
            other => other.clone(),
        }
    }

    fn below(self, path: &mut Vec<String>, segment: &str, value: &Value) -> Value {
        path.push(segment.to_owned());
        let shown = self.shown(path, value);
        path.pop();
        shown
    }
}

/// Returns a text for showing. What is longer than a line may be a file in itself.
pub(crate) fn scalar(name: &str, text: &str) -> String {
    if is_header_control(name) {
        return yaml::header_lines(text);
    }
    let text = if ADDRESSES.contains(&name) { address(text) } else { text.into() };
    crate::excerpt(&text)
}

/// Returns whether a mapping is `{name: N, value: V}` with a name that makes the value secret.
pub(crate) fn secret_pair(members: &serde_json::Map<String, Value>) -> bool {
    members.iter().any(|(name, value)| is_label(name) && value.as_str().is_some_and(is_secret_name))
        && members.keys().any(|name| is_value(name))
}

/// Returns whether a field says what the one beside it is the value of.
pub(crate) fn is_label(name: &str) -> bool {
    matches!(name, "name" | "key" | "header" | "header_name" | "headerName")
}

/// Returns whether a field holds the value of what the one beside it names.
pub(crate) fn is_value(name: &str) -> bool {
    matches!(name, "value" | "values" | "raw_value" | "exact" | "prefix" | "regex" | "string_match")
}

/// Returns whether a path lies on the way to what the pattern allows, or below it.
fn meets(pattern: &[&str], path: &[String]) -> bool {
    pattern.iter().zip(path).all(|(wanted, segment)| *wanted == "*" || wanted == segment)
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
